package ShopTest::Dialect::World;

# Copyright (C) The ngx_shop authors

# Others that people all over the world have an account of.  What each word
# means is described in ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use JSON::PP ();

use ShopTest::Dialect qw(claims number only);

my $denied = { code => undef, error => 'access_denied' };


sub dialects {
    return (
        x(), linkedin(), github(), amazon(), paypal(), yahoo(), discord(),
        twitch(), spotify(), slack(),
    );
}


sub x {
    return (x => {
        person => { id => '2244994945' },

        authz => {
            at    => [ 'x.com/i/oauth2/authorize',
                       'twitter.com/i/oauth2/authorize' ],
            scope => 'users.read tweet.read users.email',
            pkce  => 'required',
            state => qr/^.{22,500}$/,
        },
        token => {
            at   => [ 'api.x.com/2/oauth2/token',
                      'api.twitter.com/2/oauth2/token' ],
            auth => ['basic'],          # of confidential clients
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 7200,
                         scope => 'users.read users.email tweet.read' };
            },
        },

        # each one is billed, so there is one

        userinfo => {
            at     => [ 'api.x.com/2/users/me', 'api.twitter.com/2/users/me' ],
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};
                my $fields = $f->{'user.fields'};

                return { data => only(
                    'id,name,username,' . (defined $fields ? $fields : ''), {
                        id => $p->{id}, name => $p->{name},
                        username => $p->{nick},
                        confirmed_email => $p->{email},
                        profile_image_url => $p->{picture},
                        verified => \1,     # the blue tick
                    }) };
            },
        },

        expect => {
            subject => '2244994945', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => undef, family_name => undef,
        },
        scenes => [
            { what   => 'no address',
              person => { id => '2244994946', email => undef },
              expect => { subject => '2244994946', email => undef,
                          state => undef } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
            { what => 'errors and no data', refuse => 'provider',
              userinfo => [ 200, { errors => [ { title => 'Forbidden',
                  detail => 'no', status => 403 } ] } ] },
        ],
    });
}


sub linkedin {
    return (linkedin => {
        issuer => 'https://www.linkedin.com/oauth',
        nonce  => 0,
        person => { id => '782bbtaQ' },

        authz => {
            at    => 'www.linkedin.com/oauth/v2/authorization',
            scope => 'openid profile email',
            pkce  => 'never',           # it has an endpoint of its own
        },
        token => {
            at   => 'www.linkedin.com/oauth/v2/accessToken',
            auth => ['post'],
        },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    claims($p, qw(email name given_name family_name
                                  picture)),
                    email_verified => $p->{verified} ? 'true' : 'false',
                    locale => 'en_US',
                };
            },
        },
        jwks      => { at => 'www.linkedin.com/oauth/openid/jwks' },
        discovery => {              # without methods of client authentication
            at => 'www.linkedin.com/oauth/.well-known/openid-configuration',
        },
        userinfo => {
            at     => 'api.linkedin.com/v2/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;

                return {
                    claims($grant->{person},
                           qw(sub email email_verified name given_name
                              family_name picture)),
                    locale => { country => 'US', language => 'en' },
                };
            },
        },

        expect => {
            subject => '782bbtaQ', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            { what   => 'the bare host as issuer',
              claims => { iss => 'https://www.linkedin.com' } },
            { what   => 'an address that was not verified',
              person => { id => 'unproved', verified => 0 },
              expect => { subject => 'unproved', state => 'unverified' } },
            { what => 'the customer does not sign in', refuse => 'denied',
              callback => { code => undef,
                            error => 'user_cancelled_login' } },
            { what => 'the customer does not agree', refuse => 'denied',
              callback => { code => undef,
                            error => 'user_cancelled_authorize' } },
        ],
    });
}


# a server of one's own has all below one name

sub github {
    my $host = 'github.example.com';

    return (
        github            => github_at('github.com', 'api.github.com'),
        github_enterprise => {
            %{ github_at($host, "$host/api/v3") },
            preset => 'github', conf => { host => $host },
        },
    );
}


sub github_at {
    my ($host, $api) = @_;

    my @emails = (
        { email => 'public@example.org', primary => \0, verified => \1,
          visibility => 'public' },
        { email => 'ann@example.com', primary => \1, verified => \1,
          visibility => undef },
    );

    return {
        issuer => "https://$host/login/oauth",
        person => { id => 583231 },

        authz => {
            at    => "$host/login/oauth/authorize",
            scope => 'read:user user:email',
            pkce  => 'wanted',
            back  => sub {
                return { iss => "https://$host/login/oauth" };
            },
        },
        token => {
            at   => "$host/login/oauth/access_token",
            auth => [ 'post', 'basic' ],
            format => sub {
                my ($f, $request) = @_;

                return ($request->{first}{accept} || '')
                       =~ m{^application/json\b} ? 'json' : 'form';
            },
            error => sub { return [ 200, {
                error => $_[1] eq 'invalid_grant' ? 'bad_verification_code'
                                                  : $_[1],
                error_description => $_[2],
                error_uri => 'https://docs.github.com/' } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer',
                         scope => 'read:user,user:email' };
            },
        },
        userinfo => {
            at      => "$api/user",
            headers => { 'user-agent' => qr/\S/ },
            status  => 403,
            answer  => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    login => $p->{nick}, id => number($p->{id}),
                    name => $p->{name}, email => 'public@example.org',
                    avatar_url => $p->{picture}, type => 'User',
                    site_admin => \0, bio => undef,
                };
            },
        },
        userinfo2 => {
            at      => "$api/user/emails",
            headers => { 'user-agent' => qr/\S/ },
            status  => 403,
            answer  => sub { return \@emails },
        },
        steps => qr/^authz token (?:userinfo userinfo2|userinfo2 userinfo)$/,

        expect => {
            subject => '583231', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => undef, family_name => undef,
        },
        scenes => [
            { what   => 'somebody without a name',
              person => { id => 583232, name => undef },
              expect => { subject => '583232', name => 'annexample' } },

            # the profile's address is a text that anybody writes

            { what   => 'an address that was not verified',
              person => { id => 583233 },
              userinfo2 => [ 200, [
                  { email => 'ann@example.com', primary => \1,
                    verified => \0, visibility => undef } ] ],
              expect => { subject => '583233',
                          email => [ undef, 'ann@example.com' ],
                          state => [ undef, 'unverified' ] } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
            { what => 'the iss of another', refuse => 'client',
              callback => { iss => 'https://github.example' } },
        ],
    };
}


sub amazon {
    return (amazon => {
        person => { id => 'amzn1.account.AE4SHOP' },

        authz => {
            at    => 'www.amazon.com/ap/oa',
            scope => 'profile',
            pkce  => 'wanted',
        },
        token => {
            at   => 'api.amazon.com/auth/o2/token',
            auth => [ 'post', 'basic' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 3600,
                         refresh_token => 'Atzr|x' };
            },
        },
        userinfo => {
            at   => 'api.amazon.com/user/profile',
            auth => [ 'bearer', 'header:x-amz-access-token',
                      'query:access_token' ],
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { user_id => $p->{id}, email => $p->{email},
                         name => $p->{name} };
            },
        },

        expect => {
            subject => 'amzn1.account.AE4SHOP', email => 'ann@example.com',
            state => 'unverified', name => 'Ann Example',
            given_name => undef, family_name => undef,
        },
        scenes => [
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
        ],
    });
}


sub paypal {
    my $id = 'https://www.paypal.com/webapps/auth/identity/user/Xy-1_Zw';

    return (paypal => {
        issuer => 'https://www.paypal.com',
        person => { id => $id },

        # the console decides about the scope, so some ask for nothing

        authz => {
            at        => [ 'www.paypal.com/signin/authorize',
                           'www.paypal.com/connect' ],
            scope     => 'openid',
            scope_too => 'email profile',
            pkce      => 'never',       # not known what becomes of it
        },
        token => {
            at   => 'api-m.paypal.com/v1/oauth2/token',
            auth => ['basic'],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 28800,
                         scope => 'openid email profile', nonce => 'x',
                         app_id => 'APP-1', refresh_token => 'R1' };
            },
        },
        jwks     => { at => 'api.paypal.com/v1/oauth2/certs' },
        userinfo => {
            at   => 'api-m.paypal.com/v1/identity/oauth2/userinfo',
            need => { schema => qr/^(?:paypalv1\.1|openid)$/ },
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                return {
                    user_id => $p->{id}, payer_id => 'PAYER',
                    verified_account => 'true', name => $p->{name},
                    given_name => $p->{given}, family_name => $p->{family},
                    $f->{schema} eq 'openid'
                        ? (claims($p, qw(sub email email_verified)))
                        : (emails => [
                            { value => 'old@example.org', primary => \0,
                              confirmed => \1 },
                            { value => $p->{email}, primary => \1,
                              confirmed => \1 } ]),
                };
            },
        },

        # a URL, or the last part of it; only the flat schema has a flag

        expect => {
            subject => [ $id, 'Xy-1_Zw' ], email => 'ann@example.com',
            state => [ 'verified', 'unverified' ], name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            { what   => 'an address that was not verified',
              person => { id => "${id}2", verified => 0 },
              expect => { subject => [ "${id}2", 'Xy-1_Zw2' ],
                          state => 'unverified' } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
        ],
    });
}


sub yahoo {
    return (yahoo => {
        issuer => 'https://api.login.yahoo.com',
        nonce  => 1,
        person => { id => 'FSVIDUW3D7FSVIDUW3D72F2F' },

        # one report says that a challenge ends in "invalid client id", other
        # clients send it

        authz => {
            at    => 'api.login.yahoo.com/oauth2/request_auth',
            scope => 'openid profile email',
            pkce  => 'optional',
        },
        token => {
            at   => 'api.login.yahoo.com/oauth2/get_token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 3600,
                         refresh_token => 'r', xoauth_yahoo_guid => 'F' };
            },
        },
        id_token => {
            alg    => 'ES256',
            claims => sub { return { auth_time => time } },
        },
        jwks => { at => 'api.login.yahoo.com/openid/v1/certs',
                  keys => [ 'rsa-1', 'p256-1' ] },
        discovery => {
            at => 'api.login.yahoo.com/.well-known/openid-configuration',
            document => {
                id_token_signing_alg_values_supported
                    => [ 'ES256', 'RS256' ],
                token_endpoint_auth_methods_supported
                    => [ 'client_secret_basic', 'client_secret_post' ],
                token_revocation_endpoint
                    => 'https://api.login.yahoo.com/oauth2/revoke',
            },
        },
        userinfo => {
            at     => 'api.login.yahoo.com/openid/v1/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person},
                                qw(sub email email_verified name given_name
                                   family_name locale picture)),
                         profile_images => { image192 => 'https://s.yimg' } };
            },
        },

        # the ID token has no profile, and so it takes both

        steps  => qr/^authz token userinfo$/,
        expect => {
            subject => 'FSVIDUW3D7FSVIDUW3D72F2F',
            email => 'ann@example.com', state => 'verified',
            name => 'Ann Example', given_name => 'Ann',
            family_name => 'Example', locale => 'en',
        },
        scenes => [
            { what => 'an RSA key', alg => 'RS256' },
            { what   => 'an address that was not verified',
              person => { id => 'UNPROVED', verified => 0 },
              expect => { subject => 'UNPROVED', state => 'unverified' } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
            { what => 'userinfo of somebody else', refuse => 'provider',
              userinfo => { sub => 'SOMEBODYELSE' } },
        ],
    });
}


# the plain way; OpenID Connect is there, but not described

sub discord {
    return (discord => {
        person => { id => '80351110224678912' },

        authz => {
            at    => [ 'discord.com/oauth2/authorize',
                       'discord.com/api/oauth2/authorize' ],
            scope => 'identify email',
            pkce  => 'wanted',
        },
        token => {
            at   => 'discord.com/api/oauth2/token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 604800,
                         refresh_token => 'r', scope => 'identify email' };
            },
        },
        userinfo => {
            at     => 'discord.com/api/users/@me',
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    id => $p->{id}, username => $p->{nick},
                    global_name => $p->{name}, email => $p->{email},
                    verified => $p->{verified} ? \1 : \0,
                    avatar => undef, discriminator => '0', locale => 'en-US',
                    mfa_enabled => \1, premium_type => 1,
                };
            },
        },

        expect => {
            subject => '80351110224678912', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => undef, family_name => undef, locale => 'en-US',
        },
        scenes => [
            { what   => 'nulls',
              person => { id => '80351110224678913', email => undef,
                          name => undef },
              expect => { subject => '80351110224678913', email => undef,
                          state => undef, name => 'annexample' } },
            { what   => 'an address that was not verified',
              person => { id => '80351110224678914', verified => 0 },
              expect => { subject => '80351110224678914',
                          state => 'unverified' } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
        ],
    });
}


sub twitch {
    return (twitch => {
        issuer => 'https://id.twitch.tv/oauth2',
        nonce  => 1,
        person => { id => '713936733' },

        authz => {
            at    => 'id.twitch.tv/oauth2/authorize',
            scope => 'openid user:read:email',
            pkce  => 'never',           # not announced

            # without it, the ID token says nothing

            need  => { claims => qr/"id_token"/ },
        },
        token => {
            at    => 'id.twitch.tv/oauth2/token',
            auth  => ['post'],
            error => sub { return [ $_[0], { status => $_[0],
                                             message => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 14346,
                         refresh_token => 'r',
                         scope => [ 'openid', 'user:read:email' ] };
            },
        },
        id_token => {
            claims => sub {
                my ($mock, $grant, $f) = @_;
                my $asked = JSON::PP::decode_json($f->{claims})->{id_token};
                my %claim = (claims($grant->{person},
                    qw(email email_verified picture preferred_username)));

                return { azp => $mock->client_id('twitch'),
                         map { $_ => $claim{$_} } grep { exists $asked->{$_} }
                         keys %claim };
            },
        },
        jwks      => { at => 'id.twitch.tv/oauth2/keys' },
        discovery => {
            at => 'id.twitch.tv/oauth2/.well-known/openid-configuration',
            document => {
                token_endpoint_auth_methods_supported
                    => ['client_secret_post'],
                claims_parameter_supported => \1,
            },
        },

        # two of them: helix is the richer one

        userinfo => {
            at     => 'id.twitch.tv/oauth2/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person},
                                qw(sub preferred_username picture)) };
            },
        },
        userinfo2 => {
            at      => 'api.twitch.tv/helix/users',
            headers => { 'client-id' => qr/^twitch-client$/ },
            status  => 401,
            error   => sub { return [ $_[0], {
                error => 'Unauthorized', status => $_[0],
                message => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { data => [ {
                    id => $p->{id}, login => $p->{nick},
                    display_name => $p->{nick}, email => $p->{email},
                    profile_image_url => $p->{picture}, type => '' } ] };
            },
        },
        steps => qr/^authz token(?: userinfo2?)?$/,

        expect => {
            subject => '713936733', email => 'ann@example.com',
            state => 'verified', name => 'annexample',
            given_name => undef, family_name => undef,
        },
        scenes => [
            { what   => 'an address that was not verified',
              person => { id => '713936734', verified => 0 },
              expect => { subject => '713936734', state => 'unverified' } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
        ],
    });
}


sub spotify {
    return (spotify => {
        person => { id => 'annexample' },

        authz => {
            at        => 'accounts.spotify.com/authorize',
            scope     => 'user-read-email',
            scope_too => 'user-read-private',
            pkce      => 'wanted',
        },
        token => {
            at   => 'accounts.spotify.com/api/token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 3600,
                         refresh_token => 'r', scope => 'user-read-email' };
            },
        },
        userinfo => {
            at     => 'api.spotify.com/v1/me',
            error  => sub { return [ $_[0], { error => {
                status => $_[0], message => $_[2] } } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { id => $p->{id}, display_name => $p->{name},
                         defined $p->{email} ? (email => $p->{email}) : (),
                         images => [], type => 'user', uri => 'spotify:u' };
            },
        },

        # documented as not verified

        expect => {
            subject => 'annexample', email => 'ann@example.com',
            state => 'unverified', name => 'Ann Example',
            given_name => undef, family_name => undef,
        },
        scenes => [
            { what   => 'an app in development: no address',
              person => { id => 'developer', email => undef },
              expect => { subject => 'developer', email => undef,
                          state => undef } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
        ],
    });
}


sub slack {
    return (slack => {
        issuer => 'https://slack.com',
        nonce  => 1,
        person => { id => 'U123ABC456' },

        authz => {
            at    => 'slack.com/openid/connect/authorize',
            scope => 'openid profile email',
            pkce  => 'optional',        # one source, and not announced
        },
        token => {
            at    => 'slack.com/api/openid.connect.token',
            auth  => [ 'post', 'basic' ],
            error => sub { return [ 200, { ok => \0, error => $_[1] } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { ok => \1, access_token => $grant->{access_token},
                         token_type => 'Bearer' };
            },
        },
        id_token => { claims => \&slack_claims },
        jwks      => { at => 'slack.com/openid/connect/keys' },
        discovery => {
            at => 'slack.com/.well-known/openid-configuration',
            document => {
                response_modes_supported => ['form_post'],
                token_endpoint_auth_methods_supported
                    => [ 'client_secret_post', 'client_secret_basic' ],
            },
        },
        userinfo => {
            at     => 'slack.com/api/openid.connect.userInfo',
            method => 'GET POST',
            error  => sub { return [ 200, { ok => \0, error => $_[1] } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { ok => \1, sub => $grant->{person}{id},
                         %{ slack_claims($mock, $grant) } };
            },
        },

        # a user's id is one within a workspace, whose administrators decide
        # about addresses

        expect => {
            subject => 'T0123ABC456_U123ABC456', email => 'ann@example.com',
            state => 'unverified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
            { what => 'an error with status 200', refuse => 'provider',
              token => [ 200, { ok => \0, error => 'bad_client_secret' } ] },
        ],
    });
}


sub slack_claims {
    my ($mock, $grant) = @_;
    my $p = $grant->{person};

    return {
        'https://slack.com/team_id' => 'T0123ABC456',
        'https://slack.com/user_id' => $p->{id},
        'https://slack.com/user_image_512' => $p->{picture},
        claims($p, qw(email email_verified name given_name family_name
                      picture locale)),
    };
}


1;
