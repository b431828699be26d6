package ShopTest::Provider;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Provider - an OpenID provider, correct until told otherwise

=head1 SYNOPSIS

    my $provider = provider();

    $provider->issuer;                          # http://localhost:PORT
    $provider->conf('work', 'label "Work";');   # a social_provider block

    $provider->set({ user => { sub => 'u2', email => 'a@b.example' } });
    $provider->set({ claims => { aud => 'other', nonce => undef } });
    $provider->set({ alg => 'ES256' });
    $provider->set({ fault => { token => { stall => 10 } } });
    $provider->restore;                         # all as in the beginning

    $provider->count('/jwks');                  # of ShopTest::Server
    $provider->violations;                      # what clients did wrong
    $provider->rotate('rsa-2');                 # new signing key
    $provider->sign({ claims => {...}, ... });  # a token, signed as told
    $provider->public_key('rsa-1');             # PEM
    $provider->grant({ code_challenge => ... });    # a code, for an app

=head1 DESCRIPTION

Everybody is approved at once.  The provider is strict with its client:
response type, scope, redirect URI, state, nonce and an S256 challenge nobody
used before are required of the authorization request; the client's secret
(sent by basic or post, encoded as RFC 6749 2.3.1 says), the redirect URI,
the verifier and an unspent code of the token request.  What it refuses, and
what it takes with a frown, are violations(): a list a conforming client
leaves empty.

set() merges members of the state; a hash in it replaces members of the
document it names, where undef removes one and { raw => TEXT } puts text into
the JSON as it is:

    user         who signs in: sub, email, email_verified, name, ...
    discovery, token, claims, header, userinfo, callback
                 the discovery document, the token answer, the ID token's
                 payload and header, userinfo, the fields sent to the
                 callback
    callback_more   text added to those fields, raw ("&state=x")
    callback_text   instead of all of them
    error        the authorization request ends with this error
    thin         1: the ID token holds no profile
    form_post    1: answers by form_post though not asked to
    auth_methods what the token endpoint takes, default basic and post
    no_pkce      1: a challenge is not required
    alg          RS256 (default), ES256, ..., EdDSA, HS256, none
    key          name of the signing key, default by alg: see below
    publish      names of the keys in the JWK set
    jwk          { 'rsa-1' => { alg => 'RS256', kid => undef } }
    more_keys    JWKs added to the set
    no_kid       1: neither tokens nor keys have one
    kid          of the token, whatever the key
    hmac         key of HS256 as { text => ... } or { pem => 'rsa-1' };
                 the client secret by default
    signature    flip, empty, der (of ECDSA), cut, foreign (another key)
    compact      how the token's parts are put together, see compact()
    payload      text of the payload, instead of the claims
    oauth2       plain OAuth 2.0: no nonce is taken, no ID token comes
    fault        { ENDPOINT => FAULT }, ENDPOINT one of discovery, jwks,
                 authorize, token, userinfo; see fault()
    at           { '/x' => { ... } }: a state for each path; every path is a
                 provider of its own, with the issuer http://localhost:PORT/x

Keys are made when they are first used; the name says what: rsa-N, rsa1024-N,
rsa4096-N, p256-N, p384-N, p521-N, k256-N, ed-N, with any N.

=cut

use strict;
use warnings;

use parent 'ShopTest::Server';

use Crypt::PK::ECC ();
use Crypt::PK::Ed25519 ();
use Crypt::PK::RSA ();
use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 ();

use ShopTest ();
use ShopTest::Browser ();
use ShopTest::Server qw(answer form_fields query_fields unescape);

my $json = JSON::PP->new->canonical->allow_nonref->utf8;

my %curve = (p256 => 'secp256r1', p384 => 'secp384r1', p521 => 'secp521r1',
             k256 => 'secp256k1');

my %default_key = (
    RS256 => 'rsa-1', RS384 => 'rsa-1', RS512 => 'rsa-1',
    PS256 => 'rsa-1', PS384 => 'rsa-1', PS512 => 'rsa-1',
    ES256 => 'p256-1', ES384 => 'p384-1', ES512 => 'p521-1',
    EdDSA => 'ed-1',
);


sub new {
    my ($class, %o) = @_;

    return $class->SUPER::new(
        name          => 'provider',
        host          => 'localhost',
        client_id     => 'shop client',
        client_secret => 'p@ss:w%rd+ &=/"1',
        path          => '',
        %o,
        state         => defaults(),
        first_state   => $o{state} || {},
    )->begin;
}


sub begin {
    my ($self) = @_;

    $self->set($self->{first_state}) if %{ $self->{first_state} };

    return $self;
}


sub defaults {
    return {
        user => {
            sub            => 'user-1',
            email          => 'ann@example.com',
            email_verified => JSON::PP::true,
            name           => 'Ann Example',
            given_name     => 'Ann',
            family_name    => 'Example',
            locale         => 'en',
        },
        alg          => 'RS256',
        auth_methods => [ 'client_secret_basic', 'client_secret_post' ],
        fault        => {},
    };
}


# --- what the test asks ---------------------------------------------------


# issuer('/x') is the provider of that path: see "at"

sub issuer {
    my ($self, $path) = @_;

    return $self->url . (defined $path ? $path : $self->{path});
}


sub restore { return $_[0]->control('restore') }

sub violations { return @{ $_[0]->control('violations') } }

sub rotate { return $_[0]->control('rotate', $_[1]) }

sub sign { return $_[0]->control('sign', $_[1]) }

sub grant { return $_[0]->control('grant', $_[1] || {}) }

sub public_key { return $_[0]->control('public_key', $_[1]) }

sub client_id { return $_[0]->{client_id} }

sub client_secret { return $_[0]->{client_secret} }


sub conf {
    my ($self, $name, $more, $path) = @_;

    my $file = ShopTest::write_file(
        ShopTest::temp_dir() . "/$name.secret", $self->{client_secret}, 0600);

    $more = '' unless defined $more;

    return <<"END";
    social_provider $name {
        preset             oidc;
        issuer             "@{[ $self->issuer($path) ]}";
        client_id          "$self->{client_id}";
        client_secret_file $file;
        $more
    }
END
}


sub steered {
    my ($self, $what, $argument) = @_;

    if ($what eq 'restore') {
        $self->{state} = { %{ defaults() }, %{ $self->{first_state} } };
        return 1;
    }

    if ($what eq 'violations') {
        return [ splice @{ $self->{violations} ||= [] } ];
    }

    if ($what eq 'rotate') {
        $self->{state}{key} = $argument;
        $self->{state}{publish} = [ $argument ];
        return 1;
    }

    if ($what eq 'sign') {
        local $self->{state} = { %{ $self->{state} }, %$argument };

        return $self->token_text(apply({}, $argument->{claims}));
    }

    # what the provider's library for apps asked for: no redirect URI then

    if ($what eq 'grant') {
        my $code = random_text();

        $self->{codes}{$code} = { %$argument, user => $self->{state}{user} };

        return $code;
    }

    if ($what eq 'public_key') {
        return $self->key($argument)->export_key_pem('public');
    }

    return $self->SUPER::steered($what, $argument);
}


# --- endpoints ------------------------------------------------------------


sub handle {
    my ($self, $request) = @_;

    my ($path, $name) = $request->{path}
        =~ m{^(.*?)/(\.well-known/openid-configuration
                    |jwks|authorize|token|userinfo|logout)$}x;

    return answer(404, [], 'no such endpoint') unless defined $name;

    $name = 'discovery' if $name =~ /known/;

    local $self->{path} = $path;
    local $self->{state} = { %{ $self->{state} },
                             %{ $self->{state}{at}{$path} || {} } };

    # whoever talks to us directly asks for no compression

    if ($name =~ /^(?:discovery|jwks|token|userinfo)$/) {
        my $coding = $request->{first}{'accept-encoding'};

        $self->frown("$name: asks for compression")
            if defined $coding && $coding ne 'identity';
    }

    my $method = "serve_$name";
    my $steps = $self->$method($request);
    my $fault = $self->{state}{fault}{$name};

    return $steps unless $fault;

    if (defined $fault->{times} && $fault->{times}-- <= 0) {
        return $steps;
    }

    return fault($fault, $steps);
}


sub frown {
    my ($self, $text) = @_;

    push @{ $self->{violations} }, $text;
}


sub refuse {
    my ($self, $status, $error, $text) = @_;

    $self->frown($text);

    return answer($status, [ 'Content-Type' => 'application/json',
                             'Cache-Control' => 'no-store' ],
                  encode({ error => $error, error_description => $text }));
}


sub document {
    my ($self, $document, @headers) = @_;

    return answer(200, [ 'Content-Type' => 'application/json', @headers ],
                  encode($document));
}


sub serve_discovery {
    my ($self) = @_;
    my $issuer = $self->issuer;

    return $self->document(apply({
        issuer                 => $issuer,
        authorization_endpoint => "$issuer/authorize",
        token_endpoint         => "$issuer/token",
        userinfo_endpoint      => "$issuer/userinfo",
        jwks_uri               => "$issuer/jwks",
        end_session_endpoint   => "$issuer/logout",
        response_types_supported => ['code'],
        response_modes_supported => [ 'query', 'form_post' ],
        grant_types_supported    => ['authorization_code'],
        subject_types_supported  => ['public'],
        scopes_supported         => [ 'openid', 'email', 'profile' ],
        code_challenge_methods_supported      => ['S256'],
        token_endpoint_auth_methods_supported
            => $self->{state}{auth_methods},
        id_token_signing_alg_values_supported => [ sort keys %default_key ],
        authorization_response_iss_parameter_supported => JSON::PP::true,
        claims_supported => [qw(sub email email_verified name)],
    }, $self->{state}{discovery}));
}


sub serve_jwks {
    my ($self) = @_;
    my $state = $self->{state};

    my @names = @{ $state->{publish}
                   || [qw(rsa-1 p256-1 p384-1 p521-1 ed-1)] };

    my @keys = map {
        my $jwk = { %{ $self->key($_)->export_key_jwk('public', 1) },
                    use => 'sig', kid => $_ };

        delete $jwk->{kid} if $state->{no_kid};
        apply($jwk, $state->{jwk}{$_});
    } @names;

    return $self->document({
        keys => [ @keys, @{ $state->{more_keys} || [] } ]
    });
}


sub serve_authorize {
    my ($self, $request) = @_;
    my $state = $self->{state};
    my $f = query_fields($request->{args});

    my @wrong;

    push @wrong, "$_ is repeated" for grep { ref $f->{$_} } sort keys %$f;
    return $self->refuse(400, 'invalid_request', "authorize: @wrong")
        if @wrong;

    $f->{$_} = '' for grep { !defined $f->{$_} }
        qw(client_id redirect_uri response_type scope state nonce);

    push @wrong, 'client_id' if $f->{client_id} ne $self->{client_id};
    push @wrong, 'redirect_uri' if $f->{redirect_uri} !~ m{^https?://};
    push @wrong, 'response_type' if $f->{response_type} ne 'code';
    push @wrong, 'state' if length $f->{state} < 22;

    if ($state->{oauth2}) {
        push @wrong, 'nonce' if length $f->{nonce};

    } else {
        push @wrong, 'scope' if $f->{scope} !~ /(?:^| )openid(?: |$)/;
        push @wrong, 'nonce' if length $f->{nonce} < 22;
    }

    push @wrong, 'secret' if $request->{uri} =~ /secret|verifier/;

    if (!$state->{no_pkce}) {
        push @wrong, 'code_challenge_method'
            if ($f->{code_challenge_method} || '') ne 'S256';
        push @wrong, 'code_challenge'
            if ($f->{code_challenge} || '') !~ /^[A-Za-z0-9\-_]{43}$/;
    }

    for my $name (grep { length $f->{$_} } qw(state nonce code_challenge)) {
        push @wrong, "$name is not fresh"
            if $self->{used}{$name}{ $f->{$name} }++;
    }

    return $self->refuse(400, 'invalid_request', "authorize: @wrong")
        if @wrong;

    my $fields;

    if (defined $state->{error}) {
        $fields = { error => $state->{error}, state => $f->{state},
                    iss => $self->issuer };

    } else {
        my $code = random_text();

        $self->{codes}{$code} = { %$f, user => $state->{user} };
        $fields = { code => $code, state => $f->{state},
                    iss => $self->issuer };
    }

    $fields = apply($fields, $state->{callback});

    if ($state->{form_post}
        || ($f->{response_mode} || '') eq 'form_post')
    {
        return form_page($f->{redirect_uri}, $fields);
    }

    my $text = defined $state->{callback_text} ? $state->{callback_text}
        : query($fields) . ($state->{callback_more} || '');

    return answer($state->{redirect_status} || 303, [
        Location => $f->{redirect_uri}
                    . ($f->{redirect_uri} =~ /\?/ ? '&' : '?') . $text,
    ]);
}


sub serve_token {
    my ($self, $request) = @_;
    my $state = $self->{state};

    return $self->refuse(405, 'invalid_request', 'token: not a POST')
        if $request->{method} ne 'POST';

    $self->frown('token: arguments in the URL') if length $request->{args};

    return $self->refuse(400, 'invalid_request', 'token: not a form')
        if ($request->{first}{'content-type'} || '')
           !~ m{^application/x-www-form-urlencoded(?:;|$)};

    my $f = form_fields($request);

    return $self->refuse(400, 'invalid_request', 'token: repeated fields')
        if grep { ref } values %$f;

    my $wrong = $self->client_wrong($request, $f);

    return $self->refuse(401, 'invalid_client', "token: $wrong") if $wrong;

    return $self->refuse(400, 'unsupported_grant_type', 'token: grant_type')
        if ($f->{grant_type} || '') ne 'authorization_code';

    my $code = defined $f->{code} ? $f->{code} : '';
    my $grant = $self->{codes}{$code};

    return $self->refuse(400, 'invalid_grant', 'token: unknown code')
        unless $grant;

    return $self->refuse(400, 'invalid_grant', 'token: a spent code')
        if $grant->{spent}++;

    return $self->refuse(400, 'invalid_grant', 'token: redirect_uri')
        if ($f->{redirect_uri} || '') ne ($grant->{redirect_uri} || '');

    if (defined $grant->{code_challenge} && !$state->{no_pkce}) {
        my $verifier = $f->{code_verifier};

        return $self->refuse(400, 'invalid_grant', 'token: code_verifier')
            unless defined $verifier
                   && $verifier =~ /^[A-Za-z0-9\-._~]{43,128}$/
                   && base64url(Digest::SHA::sha256($verifier))
                      eq $grant->{code_challenge};
    }

    my $access_token = random_text();
    my $user = $grant->{user};
    my $now = time;

    my $claims = {
        iss => $self->issuer, aud => $self->{client_id},
        sub => $user->{sub}, iat => $now, exp => $now + 300,
        auth_time => $now,
        defined $grant->{nonce} ? (nonce => $grant->{nonce}) : (),
        at_hash => at_hash($state->{alg}, $access_token),
        $state->{thin} ? () : %$user,
    };

    my $answer = apply({
        access_token => $access_token,
        token_type   => 'Bearer',
        expires_in   => 3600,
        $state->{oauth2} ? () :
            (id_token => $self->token_text(apply($claims,
                                                 $state->{claims}))),
    }, $state->{token});

    $self->{access}{ $answer->{access_token} } = $user
        if defined $answer->{access_token};

    return $self->document($answer, 'Cache-Control' => 'no-store');
}


# what is wrong with the client's proof of itself (RFC 6749 2.3.1)

sub client_wrong {
    my ($self, $request, $f) = @_;
    my %takes = map { $_ => 1 } @{ $self->{state}{auth_methods} };
    my $authorization = $request->{first}{authorization};
    my ($id, $secret);

    if (defined $authorization) {
        return 'two ways of authentication' if defined $f->{client_secret};
        return 'basic is not taken' unless $takes{client_secret_basic};

        $authorization =~ m{^Basic ([A-Za-z0-9+/]+=*)$}
            or return 'not basic authentication';

        ($id, $secret) = map { unescape($_) }
            split /:/, MIME::Base64::decode_base64($1), 2;

    } elsif (defined $f->{client_secret}) {
        return 'post is not taken' unless $takes{client_secret_post};

        ($id, $secret) = @$f{qw(client_id client_secret)};

    } elsif ($takes{none}) {
        return ($f->{client_id} || '') eq $self->{client_id}
               ? '' : 'client_id';

    } else {
        return 'no authentication';
    }

    return 'client_id' if !defined $id || $id ne $self->{client_id};
    return 'client_secret'
        if !defined $secret || $secret ne $self->{client_secret};

    return '';
}


sub serve_userinfo {
    my ($self, $request) = @_;

    my ($token) = ($request->{first}{authorization} || '')
                  =~ /^Bearer (\S+)$/;

    my $user = defined $token ? $self->{access}{$token} : undef;

    return $self->refuse(401, 'invalid_token', 'userinfo: access token')
        unless $user;

    return $self->document(apply({%$user}, $self->{state}{userinfo}));
}


# OpenID Connect RP-Initiated Logout 2: who asks without a token says who they
# are, or is not led anywhere

sub serve_logout {
    my ($self, $request) = @_;
    my $f = query_fields($request->{args});
    my $back = $f->{post_logout_redirect_uri};

    my @wrong = grep { ref $f->{$_} } sort keys %$f;

    push @wrong, 'client_id'
        if ($f->{client_id} || '') ne $self->{client_id};
    push @wrong, 'post_logout_redirect_uri'
        if !defined $back || $back !~ m{^https?://[^/]+/\z};

    return $self->refuse(400, 'invalid_request', "logout: @wrong") if @wrong;

    return answer(303, [ Location => $back ]);
}


# --- tokens ---------------------------------------------------------------


sub key {
    my ($self, $name) = @_;

    return $self->{keys}{$name} ||= do {
        my ($kind) = $name =~ /^([a-z]+\d*)-\w+$/
            or die "not the name of a key: $name\n";
        my $key;

        if ($kind =~ /^rsa(\d*)$/) {
            $key = Crypt::PK::RSA->new;
            $key->generate_key(($1 || 2048) / 8, 65537);

        } elsif ($kind eq 'ed') {
            $key = Crypt::PK::Ed25519->new;
            $key->generate_key;

        } elsif ($curve{$kind}) {
            $key = Crypt::PK::ECC->new;
            $key->generate_key($curve{$kind});

        } else {
            die "not a kind of key: $kind\n";
        }

        $key;
    };
}


sub token_text {
    my ($self, $claims) = @_;
    my $state = $self->{state};
    my $alg = $state->{alg};

    my $name = $state->{key} || $default_key{$alg};
    my $header = { alg => $alg, typ => 'JWT' };

    $header->{kid} = $name if defined $name && !$state->{no_kid};
    $header->{kid} = $state->{kid} if defined $state->{kid};
    $header = apply($header, $state->{header});

    my $payload = defined $state->{payload} ? $state->{payload}
                                            : encode($claims);

    my ($h, $p) = map { base64url($_) } encode($header), $payload;
    my $s = base64url($self->signature("$h.$p", $alg, $name));

    return compact($state->{compact}, $h, $p, $s);
}


sub signature {
    my ($self, $text, $alg, $name) = @_;
    my $state = $self->{state};
    my $how = $state->{signature} || '';

    return '' if $alg eq 'none' || $how eq 'empty';

    if ($alg =~ /^HS(\d+)$/) {
        my $hmac = $state->{hmac} || {};
        my $secret = defined $hmac->{text} ? $hmac->{text}
            : defined $hmac->{pem}
              ? $self->key($hmac->{pem})->export_key_pem('public')
            : $self->{client_secret};

        my %function = (256 => \&Digest::SHA::hmac_sha256,
                        384 => \&Digest::SHA::hmac_sha384,
                        512 => \&Digest::SHA::hmac_sha512);

        return $function{$1}->($text, $secret);
    }

    if ($how eq 'foreign') {
        $name =~ s/-.*/-foreign/;
    }

    my $key = $self->key($name);
    my ($kind, $bits) = $alg =~ /^(..)(\d*)/;
    my $signature
        = $kind eq 'RS' ? $key->sign_message($text, "SHA$bits", 'v1.5')
        : $kind eq 'PS' ? $key->sign_message($text, "SHA$bits", 'pss',
                                             $bits / 8)
        : $kind eq 'ES' ? ($how eq 'der'
                           ? $key->sign_message($text, "SHA$bits")
                           : $key->sign_message_rfc7518($text, "SHA$bits"))
        : $key->sign_message($text);

    if ($how eq 'flip') {
        substr($signature, 10, 1) ^= "\x01";

    } elsif ($how eq 'cut') {
        chop $signature;
    }

    return $signature;
}


# the parts as a token; "how" says which way to do it wrong

sub compact {
    my ($how, $h, $p, $s) = @_;

    return "$h.$p.$s" unless defined $how;

    my %way = (
        two      => "$h.$p",
        four     => "$h.$p.$s.",
        five     => "$h.$p.$s.$s.$s",
        padded   => "$h=.$p.$s",
        space    => "$h. $p.$s",
        newline  => "$h.$p.$s\n",
        standard => do { (my $t = "$h.$p.$s") =~ tr{-_}{+/}; "$t+" },
        no_head  => ".$p.$s",
        no_body  => "$h..$s",
        empty    => '',
        dots     => '..',
        json     => encode({ payload => $p, protected => $h,
                             signature => $s }),
        swapped  => "$p.$h.$s",
        nul      => "$h.$p.$s\0",
        bits     => do {
            my $t = "$h.$p.$s";
            my $c = index join('', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_'),
                    substr $t, -1;
            my $n = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_')[$c ^ 1];

            substr($t, -1) = $n;
            $t;
        },
    );

    die "not a way to put a token: $how\n" unless exists $way{$how};

    return $way{$how};
}


sub at_hash {
    my ($alg, $token) = @_;

    my $digest = $alg =~ /384$/ ? Digest::SHA::sha384($token)
               : $alg =~ /512$|EdDSA/ ? Digest::SHA::sha512($token)
               : Digest::SHA::sha256($token);

    return base64url(substr $digest, 0, length($digest) / 2);
}


# --- faults ---------------------------------------------------------------

# fault(FAULT, steps of the right answer):
#
#     status, type, body, headers  another answer (headers as a list)
#     steps => [...]               these, of ShopTest::Server
#     wait => T                    that many seconds later
#     stall => N                   stops after N bytes
#     cut => N, reset => N         closes or resets after N bytes
#     drip => T                    a byte every T seconds
#     endless => 'length', 'chunked' or 'close'    a body without an end
#     header_flood => N            so many bytes of headers first
#     chunked => TEXT              this as a chunked body, raw
#     gzip => 1                    as if it were compressed
#     times => N                   only the next N requests

sub fault {
    my ($fault, $steps) = @_;

    return $fault->{steps} if $fault->{steps};

    if (defined $fault->{status} || defined $fault->{body}) {
        my $body = $fault->{body};
        my $status = $fault->{status} || 200;

        $steps = answer($status, [
            'Content-Type' => $fault->{type} || 'application/json',
            @{ $fault->{headers} || [] },
        ], defined $body ? $body : '');
    }

    my $text = join '', @$steps;
    my ($head, $body) = split /\r\n\r\n/, $text, 2;

    return [ { wait => $fault->{wait} }, $text ] if defined $fault->{wait};

    return [ substr($text, 0, $fault->{stall}), { stall => 1 } ]
        if defined $fault->{stall};

    return [ substr($text, 0, $fault->{cut}), { close => 1 } ]
        if defined $fault->{cut};

    return [ substr($text, 0, $fault->{reset}), { reset => 1 } ]
        if defined $fault->{reset};

    return [ { drip => $text, every => $fault->{drip} } ]
        if defined $fault->{drip};

    if (defined $fault->{header_flood}) {
        my $line = 'X-Flood: ' . 'x' x 1000 . "\r\n";

        return [ "$head\r\n"
                 . $line x (1 + int($fault->{header_flood} / 1000))
                 . "\r\n$body" ];
    }

    if ($fault->{gzip}) {
        return [ "$head\r\nContent-Encoding: gzip\r\n\r\n$body" ];
    }

    if (defined $fault->{chunked}) {
        $head =~ s/\r\nContent-Length:[^\r]*//i;

        return [ "$head\r\nTransfer-Encoding: chunked\r\n\r\n"
                 . $fault->{chunked}, { close => 1 } ];
    }

    if (defined $fault->{endless}) {
        $head =~ s/\r\nContent-Length:[^\r]*//i;

        return [ "$head\r\nContent-Length: 1000000000000\r\n\r\n",
                 { repeat => ' ' } ] if $fault->{endless} eq 'length';

        return [ "$head\r\nTransfer-Encoding: chunked\r\n\r\n",
                 { repeat => "10\r\n                \r\n" } ]
            if $fault->{endless} eq 'chunked';

        return [ "$head\r\nConnection: close\r\n\r\n", { repeat => ' ' } ];
    }

    return $steps;
}


# --- small things ---------------------------------------------------------

# members replaced, removed by undef

sub apply {
    my ($document, $changes) = @_;
    my %result = %$document;

    for my $name (keys %{ $changes || {} }) {
        if (defined $changes->{$name}) {
            $result{$name} = $changes->{$name};

        } else {
            delete $result{$name};
        }
    }

    return \%result;
}


# JSON, where { raw => TEXT } is TEXT as it is

sub encode {
    my ($value) = @_;
    my @raw;

    my $text = $json->encode(mark($value, \@raw));

    $text =~ s/"\@raw (\d+)\@"/$raw[$1]/g;

    return $text;
}


sub mark {
    my ($value, $raw) = @_;

    if (ref $value eq 'HASH') {
        if (keys %$value == 1 && exists $value->{raw}) {
            push @$raw, $value->{raw};
            return "\@raw $#$raw\@";
        }

        return { map { $_ => mark($value->{$_}, $raw) } keys %$value };
    }

    return [ map { mark($_, $raw) } @$value ] if ref $value eq 'ARRAY';

    return $value;
}


sub query {
    my ($fields) = @_;

    return join '&', map {
        ShopTest::Browser::escape($_) . '='
        . ShopTest::Browser::escape($fields->{$_})
    } sort keys %$fields;
}


sub form_page {
    my ($url, $fields) = @_;

    my $inputs = join "\n", map {
        qq(<input type="hidden" name="$_" value="@{[ html($fields->{$_}) ]}">)
    } sort keys %$fields;

    return answer(200, [ 'Content-Type' => 'text/html' ], <<"END");
<!DOCTYPE html>
<title>Signing in</title>
<body onload="document.forms[0].submit()">
<form method="post" action="@{[ html($url) ]}">
$inputs
</form>
END
}


sub html {
    my ($text) = @_;
    my %entity = ('&' => 'amp', '<' => 'lt', '>' => 'gt', '"' => 'quot');

    $text =~ s/([&<>"])/&$entity{$1};/g;

    return $text;
}


sub base64url {
    return MIME::Base64::encode_base64url($_[0]);
}


sub random_text {
    open my $fh, '<:raw', '/dev/urandom' or die "urandom: $!\n";
    read $fh, my $bytes, 24;

    return base64url($bytes);
}


1;
