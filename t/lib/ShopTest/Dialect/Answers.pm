package ShopTest::Dialect::Answers;

# Copyright (C) The ngx_shop authors

# What the dialects of ShopTest::Dialect have in common: how a request is
# looked at, and answered, by the table of its provider.

use strict;
use warnings;

use parent 'ShopTest::Provider';

use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 ();

use ShopTest ();
use ShopTest::Server qw(answer form_fields query_fields unescape);


# --- mistakes -------------------------------------------------------------


# what is wrong with the fields of a request

sub wrong_fields {
    my ($self, $need, $f) = @_;
    my @wrong;

    for my $name (sort keys %{ $need || {} }) {
        my $value = $f->{$name};
        my $wanted = $need->{$name};

        push @wrong, $name
            if !defined $wanted ? defined $value
               : !defined $value ? 1
               : ref $wanted ? $value !~ $wanted : $value ne $wanted;
    }

    return @wrong;
}


sub wrong_headers {
    my ($self, $headers, $request) = @_;

    return map { "header $_" }
           $self->wrong_fields($headers, $request->{first});
}


sub no {
    my ($self, $d, $e, $kind, $status, $error, @wrong) = @_;

    $self->frown("$d->{name}: $kind: " . join ', ', @wrong);

    return $self->say($e, @{ $e->{error}
        ? $e->{error}->($status, $error, "@wrong")
        : [ $status, { error => $error, error_description => "@wrong" } ] });
}


sub say {
    my ($self, $e, $status, $document) = @_;
    my $format = !ref $e->{format} && $e->{format} || 'json';

    if ($format eq 'form' && ref $document) {
        return answer($status,
            [ 'Content-Type' => 'application/x-www-form-urlencoded' ],
            ShopTest::Provider::query($document));
    }

    return answer($status, [
        'Content-Type' => $format eq 'text' ? 'text/plain'
                                            : 'application/json',
        'Cache-Control' => 'no-store',
    ], !ref $document ? $document
       : $e->{written} ? $e->{written}->($self, $document)
       : ShopTest::Provider::encode($document));
}


# a document as the scene has it

sub changed {
    my ($self, $d, $kind, $status, $document) = @_;
    my $change = $self->scene($d)->{$kind};

    return ref $change eq 'ARRAY' ? @$change
         : ($status, ShopTest::Provider::apply($document, $change));
}


# --- discovery and keys ---------------------------------------------------


sub speak_discovery {
    my ($self, $d, $e) = @_;

    my %at = map {
        my $at = $d->{$_} ? $d->{$_}{at} : undef;

        defined $at
            ? ($_ => $self->address('https://' . (ref $at ? $at->[0] : $at)))
            : ();
    } qw(authz token userinfo jwks);

    my $document = ShopTest::Provider::apply({
        issuer                   => $d->{issuer},
        authorization_endpoint   => $at{authz},
        token_endpoint           => $at{token},
        $at{userinfo} ? (userinfo_endpoint => $at{userinfo}) : (),
        jwks_uri                 => $at{jwks},
        response_types_supported => [ 'code', 'id_token', 'code id_token' ],
        subject_types_supported  => ['public'],
        id_token_signing_alg_values_supported
            => [ $d->{id_token} && $d->{id_token}{alg} || 'RS256' ],
        scopes_supported         => [qw(openid email profile)],
    }, $e->{document});

    return $self->say({}, 200, $document);
}


sub speak_jwks {
    my ($self, $d, $e) = @_;

    my $of = $e->{issuers} || {};

    local $self->{state} = { %{ $self->{state} },
        publish => $e->{keys} || ['rsa-1'],
        jwk     => { map { $_ => { issuer => $of->{$_} } } keys %$of } };

    return $self->serve_jwks;
}


# --- the authorization request --------------------------------------------


sub speak_authz {
    my ($self, $d, $e, $request) = @_;
    my $f = query_fields($request->{args});

    return $e->{own}->($self, $d, $f, $request) if $e->{own};

    my @wrong = $request->{method} eq 'GET' ? () : ('method');

    push @wrong, map { "$_ is repeated" } grep { ref $f->{$_} }
                 sort keys %$f;

    push @wrong, $self->wrong_fields({
        ($e->{id} || 'client_id') => $d->{client}{id},
        redirect_uri  => qr{^https?://[^?\#]+/callback/\Q$d->{name}\E$},
        $e->{no_type} ? () : (response_type => 'code'),
        state         => $e->{state} || qr/^.{22,}$/,
        %{ $e->{need} || {} },
    }, $f) unless @wrong;

    push @wrong, $self->wrong_scope($e, $f), $self->wrong_pkce($e, $f)
        unless @wrong;

    push @wrong, 'a secret'
        if $request->{uri} =~ /secret|verifier/i
           || index($request->{uri}, $d->{client}{secret}) >= 0;

    push @wrong, 'its encoding' if $e->{raw} && $request->{args} !~ $e->{raw};

    push @wrong, grep { defined && length } $e->{check}->($self, $f, $request)
        if $e->{check} && !@wrong;

    push @wrong, 'nonce'
        if $d->{nonce} && tells_all($d, $f)
           && ($f->{nonce} || '') !~ /^.{22,}$/;

    for my $name (grep { defined $f->{$_} && length $f->{$_} }
                  qw(state nonce code_challenge))
    {
        push @wrong, "$name is not fresh"
            if $self->{used}{$name}{ $f->{$name} }++;
    }

    return $self->no($d, {}, 'authz', 400, 'invalid_request', @wrong)
        if @wrong;

    return $self->back($d, $e, $f);
}


# there will be an ID token

sub tells_all {
    my ($d, $f) = @_;

    return $d->{id_token}
           && (!$d->{id_token}{optional}
               || ($f->{scope} || '') =~ /\bopenid\b/);
}


sub wrong_scope {
    my ($self, $e, $f) = @_;

    return unless defined $e->{scope};

    my $sep = defined $e->{sep} ? $e->{sep} : ' ';
    my $scope = defined $f->{scope} ? $f->{scope} : '';

    my %asked = map { $_ => 1 } split /$sep/, $scope;
    my @wrong = map { "scope lacks $_" } grep { !delete $asked{$_} }
                split / /, $e->{scope};

    delete @asked{ split / /, $e->{scope_too} } if defined $e->{scope_too};

    push @wrong, map { "scope has $_" } sort keys %asked;

    return @wrong;
}


sub wrong_pkce {
    my ($self, $e, $f) = @_;
    my $pkce = $e->{pkce};
    my $how = $e->{how} || 's256';
    my $challenge = $f->{code_challenge};

    if (!defined $challenge) {
        return 'code_challenge is missing'
            if $pkce eq 'required' || $pkce eq 'wanted';

        return defined $f->{code_challenge_method}
               ? 'code_challenge_method without a challenge' : ();
    }

    return 'code_challenge is not for this one' if $pkce eq 'never';

    return 'code_challenge'
        if $how eq 'hex' ? $challenge !~ /^[0-9a-f]{64}$/
                         : $challenge !~ /^[A-Za-z0-9\-_]{43}$/;

    my $method = $f->{code_challenge_method};

    # "plain" would be the default

    return 'code_challenge_method'
        if defined $method ? $method ne 'S256' : $how ne 'bare';

    return ();
}


# the customer has agreed, or not

sub back {
    my ($self, $d, $e, $f) = @_;
    my $code = ShopTest::Provider::random_text();

    my $grant = {
        name => $d->{name}, person => $self->who($d), asked => $f,
        code => $code,
    };

    $self->{codes}{$code} = $grant;

    my $fields = {
        $e->{code} || 'code' => $code, state => $f->{state},
        $e->{back} ? %{ $e->{back}->($self, $grant, $f) } : (),
    };

    (undef, $fields) = $self->changed($d, 'callback', 200, $fields);

    return ShopTest::Provider::form_page($f->{redirect_uri}, $fields)
        if $e->{form_post};

    return answer(302, [
        Location => "$f->{redirect_uri}?" . ShopTest::Provider::query($fields)
    ]);
}


# --- the token request ----------------------------------------------------


sub speak_token {
    my ($self, $d, $e, $request) = @_;
    my $method = $e->{method} || 'POST';
    my $query = query_fields($request->{args});
    my $body = form_fields($request);
    my $f = { %$query, %$body };

    my @wrong;

    push @wrong, 'method' if $method !~ /\b$request->{method}\b/;
    push @wrong, map { "$_ is repeated" }
        grep { ref $f->{$_} || exists $query->{$_} && exists $body->{$_} }
        sort keys %$f;

    # what is in a URL is in logs

    push @wrong, 'arguments in the URL'
        if $request->{method} eq 'POST' && %$query
           && !grep { $_ eq 'sign' } @{ $e->{auth} };

    push @wrong, 'type of the body'
        if $request->{method} eq 'POST' && length $request->{body}
           && ($request->{first}{'content-type'} || '')
              !~ m{^application/x-www-form-urlencoded(?:;|$)};

    push @wrong, $self->wrong_headers($e->{headers}, $request);

    return $self->no($d, $e, 'token', 400, 'invalid_request', @wrong)
        if @wrong;

    my $wrong = $self->wrong_client($d, $e, $request, $f);

    return $self->no($d, $e, 'token', 401, 'invalid_client', $wrong)
        if defined $wrong;

    push @wrong, $self->wrong_fields({
        grant_type => 'authorization_code', %{ $e->{need} || {} }
    }, $f);

    return $self->no($d, $e, 'token', 400, 'invalid_request', @wrong)
        if @wrong;

    my $code = $f->{ $e->{code} || 'code' };
    my $grant = $self->{codes}{ defined $code ? $code : '' };

    return $self->no($d, $e, 'token', 400, 'invalid_grant', 'code')
        unless $grant && $grant->{name} eq $d->{name};

    push @wrong, $self->wrong_grant($d, $e, $grant, $f);
    push @wrong, grep { defined && length }
                 $e->{check}->($self, $grant, $f, $request)
        if $e->{check} && !@wrong;

    return $self->no($d, $e, 'token', 400, 'invalid_grant', @wrong)
        if @wrong;

    return $self->exchange($d, $e, $grant, $f, $request);
}


# what is wrong with the proof of the client

sub wrong_client {
    my ($self, $d, $e, $request, $f) = @_;
    my $client = $d->{client};
    my ($id, $secret) = ($f->{ $e->{id} || 'client_id' },
                         $f->{ $e->{secret} || 'client_secret' });
    my $authorization = $request->{first}{authorization};
    my @ways;

    for my $way (grep { /^header:/ } @{ $e->{auth} }) {
        my $value = $request->{first}{ lc substr $way, 7 };

        push @ways, [ $way, $id, $value ] if defined $value;
    }

    if (defined $authorization) {
        my ($text) = $authorization =~ m{^Basic ([A-Za-z0-9+/]+=*)$}
            or return 'Authorization is not Basic';

        push @ways, [ 'basic', map { unescape($_) }
            split /:/, MIME::Base64::decode_base64($text), 2 ];

        return 'client_id is not that of Authorization'
            if defined $id && $id ne $ways[-1][1];
    }

    push @ways, [ $request->{method} eq 'GET' ? 'query' : 'post',
                  $id, $secret ] if defined $secret;

    return 'two proofs of the client' if @ways > 1;

    my ($way, $name, $proof) = @ways ? @{ $ways[0] } : ('none', $id);

    return $self->wrong_jwt($d, $name, $proof)
        if $way eq 'post' && grep { $_ eq 'jwt' } @{ $e->{auth} };

    if ($way eq 'none' && grep { $_ eq 'sign' } @{ $e->{auth} }) {
        return $e->{signed}->($self, $d, $f, $request);
    }

    return "client authentication: $way"
        unless grep { $_ eq $way } @{ $e->{auth} };

    return 'client_id' unless defined $name && $name eq $client->{id};

    return 'client_secret'
        if $way ne 'none'
           && !(defined $proof && $proof eq $client->{secret});

    return undef;
}


# Apple's client secret: a token that the client signs

sub wrong_jwt {
    my ($self, $d, $name, $text) = @_;
    my $team = $d->{team};
    my ($h, $p, $s) = split /\./, $text;

    return 'client_secret is no JWT' unless defined $s;

    my ($header, $claim) = map {
        JSON::PP::decode_json(MIME::Base64::decode_base64url($_))
    } $h, $p;

    my @wrong = $self->wrong_fields({
        alg => 'ES256', kid => $team->{key} }, $header);

    push @wrong, $self->wrong_fields({
        iss => $team->{id}, sub => $d->{client}{id}, aud => $d->{issuer},
        iat => qr/^\d+$/, exp => qr/^\d+$/ }, $claim);

    push @wrong, 'client_id' if ($name || '') ne $d->{client}{id};

    if (!@wrong) {
        my $now = time;

        push @wrong, 'iat' if $claim->{iat} > $now + 60;
        push @wrong, 'exp' if $claim->{exp} <= $now
                              || $claim->{exp} - $claim->{iat} > 15777000;
    }

    push @wrong, 'signature'
        unless eval { $self->key('p256-apple')->verify_message_rfc7518(
            MIME::Base64::decode_base64url($s), "$h.$p", 'SHA256') };

    return @wrong ? "client_secret: @wrong" : undef;
}


sub wrong_grant {
    my ($self, $d, $e, $grant, $f) = @_;
    my $asked = $grant->{asked};
    my @wrong;

    push @wrong, 'the code is spent' if $grant->{spent}++;

    my $redirect = $f->{redirect_uri};

    push @wrong, 'redirect_uri'
        if defined $redirect ? $redirect ne $asked->{redirect_uri}
           : !defined $e->{redirect} || $e->{redirect};

    my $verifier = $f->{code_verifier};
    my $challenge = $asked->{code_challenge};

    if (defined $verifier && !defined $challenge) {
        push @wrong, 'code_verifier without a challenge'
            if $d->{authz}{pkce} eq 'never';

    } elsif (defined $challenge) {
        my $digest = !defined $verifier ? ''
            : ($d->{authz}{how} || '') eq 'hex'
              ? Digest::SHA::sha256_hex($verifier)
            : ShopTest::Provider::base64url(Digest::SHA::sha256($verifier));

        push @wrong, 'code_verifier'
            unless defined $verifier
                   && $verifier =~ /^[A-Za-z0-9\-._~]{43,128}$/
                   && $digest eq $challenge;
    }

    return @wrong;
}


sub exchange {
    my ($self, $d, $e, $grant, $f, $request) = @_;
    my $scene = $self->scene($d);

    return $self->say($e, @{ $e->{error}->(400, 'invalid_grant', 'no') })
        if ($scene->{refuse} || '') eq 'code' && $e->{error};

    my $token = $grant->{access_token} = ShopTest::Provider::random_text();

    $self->{grants}{$token} = $grant;

    my %id_token = tells_all($d, $grant->{asked})
        ? (id_token => $self->id_token($d, $grant)) : ();

    my $document = $e->{answer}
        ? $e->{answer}->($self, $grant, $f, $request)
        : { access_token => $token, token_type => 'Bearer',
            expires_in => 3600 };

    my $format = ref $e->{format} ? $e->{format}->($f, $request)
                                  : $e->{format};

    return $self->say({ %$e, format => $format }, $self->changed(
        $d, 'token', 200, { %$document, %id_token }));
}


sub id_token {
    my ($self, $d, $grant) = @_;
    my $t = $d->{id_token};
    my $scene = $self->scene($d);
    my $alg = $scene->{alg} || $t->{alg} || 'RS256';
    my $asked = $grant->{asked} || {};
    my $now = time;

    my $claims = {
        iss => $d->{issuer}, aud => $d->{client}{id},
        sub => $grant->{person}{id}, iat => $now, exp => $now + 3600,
        $d->{nonce} && defined $asked->{nonce}
            ? (nonce => $asked->{nonce}) : (),
    };

    for my $change ($t->{claims}->($self, $grant, $asked), $grant->{more},
                    $scene->{claims})
    {
        $claims = ShopTest::Provider::apply($claims, $change);
    }

    local $self->{state} = {
        %{ $self->{state} }, alg => $alg, key => $scene->{key},
        hmac => { text => $d->{client}{secret} },
    };

    return $self->token_text($claims);
}


# --- userinfo -------------------------------------------------------------


sub speak_userinfo {
    my ($self, $d, $e, $request, $kind) = @_;
    my $method = $e->{method} || 'GET';
    my $query = query_fields($request->{args});
    my $body = form_fields($request);
    my $f = { %$query, %$body };
    my @wrong;

    push @wrong, 'method' if $method !~ /\b$request->{method}\b/;
    push @wrong, map { "$_ is repeated" } grep { ref $f->{$_} }
                 sort keys %$f;
    push @wrong, $self->wrong_headers($e->{headers}, $request);
    push @wrong, 'a body or a type of one'
        if $e->{empty} && (length $request->{body}
                           || defined $request->{first}{'content-type'});

    return $self->no($d, $e, $kind, $e->{status} || 400, 'invalid_request',
                     @wrong) if @wrong;

    my ($grant, $wrong) = $self->bearer($e, $request, $query, $body);

    return $self->no($d, $e, $kind, 401, 'invalid_token', $wrong)
        if defined $wrong;

    push @wrong, 'the token of another provider'
        if $grant->{name} ne $d->{name};

    push @wrong, $self->wrong_fields($e->{need}, $f);
    push @wrong, $self->wrong_proof($d, $e, $grant, $f)
        if defined $e->{proof};
    push @wrong, grep { defined && length }
                 $e->{check}->($self, $grant, $f, $request)
        if $e->{check} && !@wrong;

    return $self->no($d, $e, $kind, 400, 'invalid_request', @wrong)
        if @wrong;

    my $document = $e->{answer}->($self, $grant, $f);

    return $self->say($e, $self->changed($d, $kind, 200, $document))
        if ref $document eq 'HASH';

    # an array at the top, or text that is no JSON

    my $change = $self->scene($d)->{$kind};

    return $self->say($e, $change ? @$change : (200, $document));
}


# A token that nobody knows is no mistake, as an app may send anything.

sub speak_tokeninfo {
    my ($self, $d, $e, $request) = @_;
    my $f = query_fields($request->{args});
    my @wrong = $request->{method} eq 'GET' ? () : ('method');

    push @wrong, map { "$_ is repeated" } grep { ref $f->{$_} }
                 sort keys %$f;
    push @wrong, $self->wrong_headers($e->{headers}, $request);
    push @wrong, $self->wrong_fields($e->{need}, $f);

    my $token = $f->{ $e->{field} || '' };

    ($token) = ($request->{first}{authorization} || '') =~ /^Bearer (\S+)$/
        if !defined $e->{field};

    push @wrong, 'no access token' if !defined $token;

    return $self->no($d, $e, 'tokeninfo', 400, 'invalid_request', @wrong)
        if @wrong;

    my $grant = $self->{grants}{$token};

    return $self->say($e, @{ $grant->{changes} })
        if $grant && ref $grant->{changes} eq 'ARRAY';

    my $answer = $e->{answer}->($self, $grant);

    return $self->say($e, ref $answer eq 'ARRAY' ? @$answer
                                                 : (200, $answer));
}


# whose access token came, and whether in a way that is known here

sub bearer {
    my ($self, $e, $request, $query, $body) = @_;
    my %takes = map { $_ => 1 } @{ $e->{auth} || ['bearer'] };
    my $authorization = $request->{first}{authorization};
    my %sent;

    if (defined $authorization) {
        $authorization =~ /^(\S+) (\S+)$/ ? ($sent{lc $1} = $2)
                                          : ($sent{bare} = $authorization);
    }

    for my $part ([ header => $request->{first} ], [ query => $query ],
                  [ body => $body ])
    {
        my ($where, $fields) = @$part;

        $sent{"$where:$_"} = $fields->{$_}
            for grep { $self->{grants}{ $fields->{$_} } }
                grep { $_ ne 'authorization' && !ref $fields->{$_} }
                keys %$fields;
    }

    my @ways = sort keys %sent;

    return (undef, 'no access token') unless @ways;
    return (undef, "access tokens by @ways") if @ways > 1;
    return (undef, "access token by @ways") unless $takes{ $ways[0] };

    my $grant = $self->{grants}{ $sent{ $ways[0] } };

    return $grant ? ($grant, undef) : (undef, 'unknown access token');
}


sub wrong_proof {
    my ($self, $d, $e, $grant, $f) = @_;
    my $proof = $f->{appsecret_proof};

    return $e->{proof} ? 'appsecret_proof is missing' : ()
        unless defined $proof;

    return $proof eq Digest::SHA::hmac_sha256_hex($grant->{access_token},
                                                  $d->{client}{secret})
           ? () : 'appsecret_proof';
}


1;
