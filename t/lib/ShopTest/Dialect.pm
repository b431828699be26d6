package ShopTest::Dialect;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Dialect - all providers at once, each in its own dialect

=head1 SYNOPSIS

    my $mock = ShopTest::Dialect->new;

    $mock->names;                           # amazon, apple, ...
    my $d = $mock->dialect('github');       # the table: see below

    # what is https://api.github.com/user in life, is here
    # http://127.0.0.1:PORT/https/api.github.com/user
    $mock->address('https://api.github.com/user');

    $mock->client_id('github');  $mock->client_secret('github');
    $mock->conf('github');                  # social_provider github { ... }
    $mock->private_key('p256-apple');       # PEM: what a client signs with
    $mock->public_key('rsa-gateway');       # PEM: what Alipay signs with

    $mock->play('github', 'no e-mail');     # a scene, undef: the usual
    $mock->play('github', { person => { nick => 'ann2' } });    # made here
    $mock->mistakes;                        # what clients did wrong; cleared
    $mock->steps('github');                 # "authz token userinfo"; cleared
    $mock->secrets;                         # all codes and access tokens
    $mock->native('facebook_limited', { nonce => 'x' });    # an ID token
    $mock->access_token('facebook');        # one as an app has it

=head1 DESCRIPTION

Each provider answers as the real one does, as far as its documents and what
others measured say: where it has its endpoints, how it wants its parameters
named and its client to prove itself, what it answers, and what it says to a
wrong request.  The tables in ShopTest/Dialect/*.pm were not written from the
module's presets, and are not to be: where both say the same it is for a
reason.

An unknown address, and all that a provider refuses or would not like, is a
mistake.  Some things are none, but have the consequence they have in life:
who asks Facebook without "fields" learns no e-mail.  Where what is known of a
provider is uncertain both readings are fine, and a comment says so.

=head1 A DIALECT

    client      id and secret, where the usual text would not do; public: a
                third thing that the block has to say (application_key); key,
                theirs: names of the keys that each side signs with
    preset      its name, where it is not that of the dialect
    conf        parameters of the preset: { host => 'mastodon.example' }
    issuer      "iss" of the ID token
    nonce       1: the ID token repeats it; 0: it does not
    person      who signs in; what of a person() differs
    expect      what the shop must know then: subject (text, regular
                expression or several of them), email, state, name,
                given_name, family_name; undef: nothing
    steps       regular expression for the requests of a login, "authz token
                userinfo userinfo2" without discovery and keys
    scenes      other logins: "what", "person", "expect"; changes of the
                "callback", the "token" answer, the "claims" of the ID token,
                its "alg" and "key", "userinfo", "userinfo2" (a hash replaces
                members, undef removes them, [ STATUS, DOC ] is another one);
                with "refuse" nobody is signed in: "denied" by the customer,
                the "provider" is at fault, the "client" or the "code", or one
                of several: "client|provider".  With "expect" beside it either
                is fine

    authz       at          address or addresses, without the https://;
                            "{v}" is a version of Meta's
                when        { FIELD => TEXT } of one that shares an address
                id          name of client_id
                scope       undef: nothing is known; scope_too: may be asked
                            for as well; sep (" ")
                no_type     1: no response_type needed
                pkce        required, wanted, optional or never;
                            how: s256, hex, or bare (S256 without a method)
                need        fields it must have: text, regular expression or
                            undef (must not); check: sub, says what is wrong
                state       regular expression; raw: one for the query as it
                            is sent; fragment: what the URL must end in
                code        name of "code"; back: sub, more for the callback
                form_post   1: answers by it
                own         sub: answers instead of all that
    token       at, id; method (POST); secret: name of client_secret
                auth        ways of client authentication: basic, post,
                            query, none, header:NAME, jwt or sign, see there
                headers     { NAME => regular expression }, need, check
                redirect    0: no redirect_uri needed
                tells       1: the answer says who it is, too
                answer      sub, the document; format: json, text, form;
                            written: sub, the text of a document, for one
                            that is more than JSON of it
                error       sub, [ STATUS, DOC ] of a refusal
    id_token    alg; claims: sub; optional: there is one if "openid" is asked
                for
    jwks        at, keys; issuers: members "issuer" of keys
    discovery   at; document: changes of the usual one
    userinfo    at, method, headers, need, check, format, error, written as
                above
                auth        ways to send the token: bearer, oauth, bare (the
                            whole Authorization), header:NAME, query:NAME,
                            body:NAME
                proof       1: wants appsecret_proof; 0: checks it
                empty       1: a body of nothing and without a type
                answer      sub, the document
    userinfo2   the second one
    tokeninfo   what an access token is: at, headers, need, error as above
                field       what the token is sent in; undef: as a bearer
                answer      sub, the document, of a grant, whose changes are
                            in it, or of undef

Subs get the mock, the grant (person, client_id, access_token, ...) and the
fields of the request.

=cut

use strict;
use warnings;

use parent 'ShopTest::Dialect::Answers';

use Crypt::PK::ECC ();
use Crypt::PK::RSA ();
use Exporter ();

use ShopTest ();
use ShopTest::Server qw(answer form_fields query_fields);

our @EXPORT_OK = qw(claims number only);

*import = \&Exporter::import;


# who signs in where the dialect says nothing else

sub person {
    return (
        id      => 'ann-4711',
        email   => 'ann@example.com',
        verified => 1,
        name    => 'Ann Example',
        given   => 'Ann',
        family  => 'Example',
        nick    => 'annexample',
        locale  => 'en',
        picture => 'https://pictures.example/ann.png',
        @_,
    );
}


# JSON's number of a text, which stays one

sub number {
    my ($text) = @_;

    return 0 + $text;
}


# the members that a list of names asks for

sub only {
    my ($names, $document) = @_;
    my %wanted = map { $_ => 1 } split /,/, defined $names ? $names : '';

    return { map { $_ => $document->{$_} }
             grep { $wanted{$_} && defined $document->{$_} }
             keys %$document };
}


# the standard claims of a person; those that are not known are left out

sub claims {
    my ($p, @names) = @_;

    my %claim = (
        sub => $p->{id}, email => $p->{email}, name => $p->{name},
        email_verified => defined $p->{email}
                          ? ($p->{verified} ? \1 : \0) : undef,
        given_name => $p->{given}, family_name => $p->{family},
        preferred_username => $p->{nick}, locale => $p->{locale},
        picture => $p->{picture},
    );

    return map { $_ => $claim{$_} } grep { defined $claim{$_} } @names;
}


# --- what the test asks ---------------------------------------------------


my @sections = qw(First World Content East China Russia Shops);


sub new {
    my ($class, %o) = @_;
    my %dialects;

    for my $section (@sections) {
        my $package = "ShopTest::Dialect::$section";

        eval "require $package; 1" or die $@;
        my %more = $package->dialects;

        for my $name (keys %more) {
            die "two dialects are $name\n" if $dialects{$name};
            $dialects{$name} = complete($name, $more{$name});
        }
    }

    # the client has the one part of these, the provider the other

    my $ecc = Crypt::PK::ECC->new;
    my @rsa = map { Crypt::PK::RSA->new } 1, 2;

    $ecc->generate_key('secp256r1');
    $_->generate_key(256, 65537) for @rsa;

    return $class->SUPER::new(
        name     => 'dialects',
        host     => '127.0.0.1',
        dialects => \%dialects,
        map      => addresses(\%dialects),
        keys     => { 'p256-apple' => $ecc, 'rsa-alipay' => $rsa[0],
                      'rsa-gateway' => $rsa[1] },
        %o,
    );
}


sub complete {
    my ($name, $d) = @_;

    $d->{name} = $name;
    $d->{client}{id} = "$name-client" unless defined $d->{client}{id};
    $d->{client}{secret} = "$name+secret/1=%"
        unless defined $d->{client}{secret};

    my @usual = ('authz', 'token');

    push @usual, $d->{userinfo} ? 'userinfo' : ();
    push @usual, $d->{userinfo2} ? 'userinfo2' : ();

    $d->{steps} ||= $d->{id_token} ? qr/^authz token(?: userinfo)?$/
                                   : qr/^@usual$/;

    return $d;
}


# [ [ regular expression, dialect, kind, its table ], ... ]

sub addresses {
    my ($dialects) = @_;
    my @map;

    for my $name (sort keys %$dialects) {
        for my $kind (qw(authz token jwks discovery userinfo userinfo2
                         tokeninfo))
        {
            my $e = $dialects->{$name}{$kind} or next;

            for my $address (ref $e->{at} ? @{ $e->{at} } : $e->{at}) {
                my $re = join 'v\d+\.\d', map { quotemeta }
                         split /\{v\}/, $address, -1;

                push @map, [ qr/^$re$/, $name, $kind, $e ];
            }
        }
    }

    return \@map;
}


sub names { return sort keys %{ $_[0]->{dialects} } }

sub dialect { return $_[0]->{dialects}{$_[1]} }

sub client_id { return $_[0]->{dialects}{$_[1]}{client}{id} }

sub client_secret { return $_[0]->{dialects}{$_[1]}{client}{secret} }

sub play { return $_[0]->control('play', [ @_[1, 2] ]) }

sub mistakes { return @{ $_[0]->control('violations') } }

sub steps { return $_[0]->control('steps', $_[1]) }

sub secrets { return @{ $_[0]->control('secrets') } }

# what tokeninfo says of it may have changes, or be [ STATUS, DOC ]

sub access_token { return $_[0]->control('access_token', [ @_[1, 2] ]) }

sub native { return $_[0]->control('native', [ @_[1, 2] ]) }


# a block with the preset of that name, whose addresses are ours

sub conf {
    my ($self, $name) = @_;

    require ShopTest::Preset;

    my $d = $self->{dialects}{$name};
    my $preset = $d->{preset} || $name;
    my $row = ShopTest::Preset::fields($preset);
    my $text = join ' ', map { @$_ } values %$row;
    my %conf = %{ $d->{conf} || {} };

    # what it has already, or has no use for

    delete @conf{ grep { $_ ne 'issuer' && $text !~ /\{$_\}/ } keys %conf };
    delete $conf{issuer} if $row->{issuer};

    my $lines = ShopTest::Preset::redirected($preset, $self->port, %conf);

    $lines .= "discovery \"@{[ $self->address('https://'
                                              . $d->{discovery}{at}) ]}\";\n"
        if !$row->{discovery} && !$row->{authz};

    $lines .= "$_ \"$conf{$_}\";\n" for sort keys %conf;

    return <<"END";
    social_provider $name {
        preset             $preset;
        client_id          "$d->{client}{id}";
        @{[ $self->credentials($d) ]}
$lines
    }
END
}


sub credentials {
    my ($self, $d) = @_;
    my ($client, $team) = @$d{qw(client team)};
    my $dir = ShopTest::temp_dir();

    my $file = sub {
        return ShopTest::write_file("$dir/$d->{name}.$_[0]", $_[1], 0600);
    };

    return "team_id $team->{id}; key_id $team->{key}; key_file "
           . $file->('p8', $self->private_key("p256-$d->{name}")) . ';'
        if $team;

    return 'key_file ' . $file->('key', $self->private_key($client->{key}))
           . '; verify_key_file '
           . $file->('pub', $self->public_key($client->{theirs})) . ';'
        if $client->{key};

    my $public = defined $client->{public}
                 ? "application_key $client->{public}; " : '';

    return $public . 'client_secret_file '
           . $file->('secret', $client->{secret}) . ';';
}


sub private_key {
    my ($self, $name) = @_;

    return $self->{keys}{$name}->export_key_pem('private');
}


sub public_key {
    my ($self, $name) = @_;

    return $self->{keys}{$name}->export_key_pem('public_x509');
}


sub address {
    my ($self, $url) = @_;

    $url =~ s{^https://}{} or die "not an https URL: $url\n";

    return $self->url . "/https/$url";
}


sub steered {
    my ($self, $what, $argument) = @_;

    if ($what eq 'play') {
        $self->{playing}{ $argument->[0] } = $argument->[1];
        return 1;
    }

    if ($what eq 'steps') {
        return join ' ', @{ delete $self->{seen}{$argument} || [] };
    }

    if ($what eq 'secrets') {
        return [ keys %{ $self->{codes} }, keys %{ $self->{grants} } ];
    }

    if ($what eq 'access_token') {
        my ($name, $changes) = @$argument;
        my $token = ShopTest::Provider::random_text();

        $self->{grants}{$token} = {
            name => $name, person => $self->who($self->{dialects}{$name}),
            access_token => $token, changes => $changes };

        return $token;
    }

    if ($what eq 'native') {
        my ($name, $claims) = @$argument;
        my $d = $self->{dialects}{$name};

        return $self->id_token($d, {
            name => $name, person => $self->who($d), more => $claims });
    }

    return $self->SUPER::steered($what, $argument);
}


# --- who and where --------------------------------------------------------


sub handle {
    my ($self, $request) = @_;
    my ($address) = $request->{path} =~ m{^/https/(.+)$};

    my @found = grep { defined $address && $address =~ $_->[0] }
                @{ $self->{map} };

    if (!@found) {
        $self->frown("nobody has $request->{method} $request->{path}");

        return answer(404, [], 'no such address');
    }

    my ($name, $kind, $e) = @{ $self->choose($request, @found) }[1 .. 3];

    push @{ $self->{seen}{$name} }, $kind
        unless $kind eq 'jwks' || $kind eq 'discovery';

    # only a browser asks for compression

    $self->frown("$name: $kind: asks for compression")
        if $kind ne 'authz'
           && ($request->{first}{'accept-encoding'} || 'identity')
              ne 'identity';

    my $method = $kind eq 'userinfo2' ? 'speak_userinfo' : "speak_$kind";

    return $self->$method($self->{dialects}{$name}, $e, $request, $kind);
}


# An address may be that of several: the method it is asked for decides, or
# whose client or token it is.

sub choose {
    my ($self, $request, @found) = @_;
    my $f = { %{ query_fields($request->{args}) },
              %{ form_fields($request) } };

    my @fit = grep {
        my $when = $_->[3]{when} || {};

        !grep { !defined $f->{$_} || $f->{$_} ne $when->{$_} } keys %$when;
    } @found;

    @found = @fit if @fit;

    my ($mine) = grep {
        my $id = $self->client_id($_->[1]);
        my $name = $_->[1];

        grep { $_ eq $id
               || $self->{grants}{$_} && $self->{grants}{$_}{name} eq $name
        } split(/ /, $request->{first}{authorization} || ''),
          grep { !ref } values %$f;
    } @found;

    return $mine || $found[0];
}


sub scene {
    my ($self, $d) = @_;
    my $what = $self->{playing}{ $d->{name} };

    return {} unless defined $what;
    return $what if ref $what;

    my ($scene) = grep { $_->{what} eq $what } scenes($d);

    return $scene || die "$d->{name} plays no \"$what\"\n";
}


# those of the table, and those that every provider has to play

sub scenes {
    my ($d) = @_;

    return @{ $d->{scenes} || [] } unless $d->{token};

    my @scenes = (
        { what => 'the code is refused', refuse => 'code',
          token => $d->{token}{error} ? undef
                   : [ 400, { error => 'invalid_grant' } ] },
        { what => 'an empty answer instead of a token',
          refuse => 'provider', token => [ 200, {} ] },
    );

    # who it is must be said somewhere

    my $t = $d->{id_token};

    if (!$t || $t->{optional}) {
        push @scenes,
            { what => 'userinfo fails', refuse => 'provider',
              userinfo => [ 503, { error => 'temporarily_unavailable' } ] };

        push @scenes,
            { what => 'userinfo is empty', refuse => 'provider',
              userinfo => [ 200, {} ] } unless $d->{token}{tells};
    }

    if ($t && !$t->{optional}) {
        my $alg = $t->{alg} || 'RS256';

        push @scenes,
            { what => 'a token for another client', refuse => 'provider',
              claims => { aud => 'another-client' } },
            { what => 'a token of another issuer', refuse => 'provider',
              claims => { iss => 'https://issuer.example' } },
            { what => 'a token signed by something else',
              refuse => 'provider',
              alg => $alg eq 'HS256' ? 'ES256' : 'HS256' };

        push @scenes,
            { what => 'the nonce of another login', refuse => 'provider',
              claims => { nonce => 'x' x 43 } } if $d->{nonce};
    }

    return (@{ $d->{scenes} || [] }, grep {
        my $what = $_->{what};

        !grep { $_->{what} eq $what } @{ $d->{scenes} || [] };
    } @scenes);
}


sub who {
    my ($self, $d) = @_;

    return { person(%{ $d->{person} || {} },
                    %{ $self->scene($d)->{person} || {} }) };
}


1;
