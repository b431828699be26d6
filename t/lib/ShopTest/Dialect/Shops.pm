package ShopTest::Dialect::Shops;

# Copyright (C) The ngx_shop authors

# Accounts of shops, of developers and of organizations.  What each word
# means is described in ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use ShopTest::Dialect qw(claims);

my $denied = { what => 'the customer says no', refuse => 'denied',
               callback => { code => undef, error => 'access_denied' } };

my %ann = (
    email => 'ann@example.com', name => 'Ann Example', given_name => 'Ann',
    family_name => 'Example',
);

my @profile = qw(email email_verified name given_name family_name);


sub dialects {
    return (
        shopify_customer(), gitlab(), bitbucket(), dropbox(), salesforce(),
        klarna(), seznam(), auth0(), okta(), keycloak(), cognito(),
    );
}


# the userinfo of all of OpenID Connect

sub userinfo {
    my ($at, @names) = @_;

    return {
        at     => $at,
        answer => sub {
            my ($mock, $grant) = @_;

            return { claims($grant->{person}, 'sub', @names) };
        },
    };
}


# customers of one shop there; their name is elsewhere

sub shopify_customer {
    my $at = 'shopify.com/authentication/12345678';

    return (shopify_customer => {
        client => { id => '594c5d3f-52ea-4a3c-9d5f-000000000001' },
        conf   => { host => 'store.example', shop => '12345678' },
        issuer => "https://$at",
        nonce  => 1,
        person => { id => '7890123456789' },

        authz => {
            at        => "$at/oauth/authorize",
            scope     => 'openid email',
            scope_too => 'customer-account-api:full',
            pkce      => 'wanted',
        },
        token => {
            at      => "$at/oauth/token",
            auth    => ['basic'],       # of a client with a secret
            headers => { 'user-agent' => qr/\S/ },
        },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;

                return { dest => 'store.example',
                         claims($grant->{person},
                                qw(email email_verified)) };
            },
        },
        jwks      => { at => 'store.example/.well-known/jwks.json' },
        discovery => {
            at => 'store.example/.well-known/openid-configuration',
            document => { token_endpoint_auth_methods_supported
                              => [ 'client_secret_basic', 'none' ] },
        },
        steps => qr/^authz token$/,

        expect => {
            %ann, subject => '7890123456789', state => 'verified',
            name => undef, given_name => undef, family_name => undef,
        },
        scenes => [ $denied ],
    });
}


sub gitlab {
    return (gitlab => {
        issuer => 'https://gitlab.com',
        nonce  => 1,
        person => { id => '1743' },

        authz => {
            at    => 'gitlab.com/oauth/authorize',
            scope => 'openid profile email',
            pkce  => 'wanted',
        },
        token => {
            at   => 'gitlab.com/oauth/token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 7200,
                         refresh_token => 'r', created_at => time,
                         scope => 'openid profile email' };
            },
        },
        id_token => {
            claims => sub { return { auth_time => time,
                                     sub_legacy => 'f' x 64 } },
        },
        jwks      => { at => 'gitlab.com/oauth/discovery/keys' },
        discovery => {
            at => 'gitlab.com/.well-known/openid-configuration',
            document => { token_endpoint_auth_methods_supported
                => [ 'client_secret_basic', 'client_secret_post' ] },
        },
        userinfo => {
            at     => 'gitlab.com/oauth/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person},
                                qw(sub email email_verified name picture)),
                         nickname => 'annexample', groups => [] };
            },
        },
        steps => qr/^authz token userinfo$/,

        expect => { %ann, subject => '1743', state => 'verified',
                    given_name => undef, family_name => undef },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => '1744', verified => 0 },
              expect => { subject => '1744', state => 'unverified' } },
            { what => 'userinfo of somebody else', refuse => 'provider',
              userinfo => { sub => '1' } },
        ],
    });
}


sub bitbucket {
    my $address = sub {
        return { values => [
            { email => 'old@example.org', is_primary => \0,
              is_confirmed => \1, type => 'email' },
            { email => 'ann@example.com', is_primary => \1,
              is_confirmed => $_[0], type => 'email' },
        ], page => 1, size => 2, pagelen => 10 };
    };

    return (bitbucket => {
        person => { id => '{0c6b1d2e-1f3a-4b5c-8d7e-9f0a1b2c3d4e}' },

        authz => {
            at    => 'bitbucket.org/site/oauth2/authorize',
            scope => 'account email',
            pkce  => 'never',
        },
        token => {
            at   => 'bitbucket.org/site/oauth2/access_token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 7200,
                         refresh_token => 'r', scopes => 'account email',
                         state => 'authorization_code' };
            },
        },
        userinfo => {
            at     => 'api.bitbucket.org/2.0/user',
            error  => sub { return [ $_[0], { type => 'error',
                error => { message => $_[2] } } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { uuid => $p->{id}, display_name => $p->{name},
                         username => $p->{nick}, account_id => '557058:x',
                         links => { avatar => { href => $p->{picture} } },
                         account_status => 'active', type => 'user' };
            },
        },
        userinfo2 => {
            at     => 'api.bitbucket.org/2.0/user/emails',
            answer => sub { return $address->(\1) },
        },
        steps => qr/^authz token (?:userinfo userinfo2|userinfo2 userinfo)$/,

        expect => {
            %ann, subject => '{0c6b1d2e-1f3a-4b5c-8d7e-9f0a1b2c3d4e}',
            state => 'verified', given_name => undef, family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'an address that was not confirmed',
              person => { id => '{1}' },
              userinfo2 => [ 200, $address->(\0) ],
              expect => { subject => '{1}', state => [ undef, 'unverified' ],
                          email => [ undef, 'ann@example.com' ] } },
        ],
    });
}


# userinfo by POST, with a body of nothing

sub dropbox {
    return (dropbox => {
        issuer => 'https://www.dropbox.com',
        nonce  => 0,
        person => { id => 'dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc' },

        authz => {
            at    => 'www.dropbox.com/oauth2/authorize',
            scope => 'openid profile email',
            pkce  => 'wanted',
            need  => { token_access_type => 'online' },
        },
        token => {
            at   => 'api.dropboxapi.com/oauth2/token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 14400,
                         uid => '12345', scope => 'email openid profile',
                         account_id => $grant->{person}{id} };
            },
        },
        id_token => { claims => sub { return {} } },
        jwks      => { at => 'www.dropbox.com/oauth2/jwks' },
        discovery => {
            at => 'www.dropbox.com/.well-known/openid-configuration',
            document => { token_endpoint_auth_methods_supported
                => [ 'client_secret_basic', 'client_secret_post' ] },
        },
        userinfo => {
            %{ userinfo('api.dropboxapi.com/2/openid/userinfo',
                        qw(email email_verified given_name family_name)) },
            method => 'POST',
            empty  => 1,
        },
        steps => qr/^authz token userinfo$/,

        expect => {
            %ann, subject => 'dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc',
            state => 'verified',
        },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => 'dbid:unproved', verified => 0 },
              expect => { subject => 'dbid:unproved',
                          state => 'unverified' } },
        ],
    });
}


sub salesforce {
    my $at = 'login.salesforce.com';
    my ($org, $user) = ('00D000000000062EAA', '005B0000001SGUYIA4');

    return (salesforce => {
        conf   => { domain => $at },
        issuer => "https://$at",
        nonce  => 1,
        person => { id => "https://$at/id/$org/$user", user => $user },

        authz => {
            at    => "$at/services/oauth2/authorize",
            scope => 'openid email profile',
            pkce  => 'wanted',
            back  => sub { return { sfdc_community_url => '' } },
        },
        token => {
            at   => "$at/services/oauth2/token",
            auth => [ 'post', 'basic' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', id => $grant->{person}{id},
                         instance_url => 'https://na1.salesforce.com',
                         issued_at => '1278448101416', signature => 'x',
                         scope => 'email openid profile' };
            },
        },
        id_token => { claims => sub { return {} } },
        jwks      => { at => "$at/id/keys" },
        discovery => { at => "$at/.well-known/openid-configuration" },
        userinfo  => {
            at     => "$at/services/oauth2/userinfo",
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    claims($p, 'sub', @profile), user_id => $p->{user},
                    organization_id => $org, locale => 'en_US',
                    photos => { picture => $p->{picture} },
                    updated_at => '2026-01-01T10:10:10Z', active => \1,
                };
            },
        },
        steps => qr/^authz token userinfo$/,

        # administrators write addresses; a user's id has its organization

        expect => {
            %ann, state => 'unverified', locale => 'en_US',
            subject => [ "https://$at/id/$org/$user",
                         qr/^$user\W?_?$org$/, qr/^$org\W?_?$user$/ ],
        },
        scenes => [
            $denied,
            { what => 'userinfo of somebody else', refuse => 'provider',
              userinfo => { sub => "https://$at/id/$org/other" } },
        ],
    });
}


# one source knows of these two

sub klarna {
    my $at = 'login.klarna.com/eu/lp/idp';

    return (klarna => {
        person => { id => 'krn:login:eu:1' },

        authz => {
            at        => "$at/oauth2/auth",
            scope     => undef,
            pkce      => 'optional',
        },
        token => {
            at   => "$at/oauth2/token",
            auth => [ 'basic', 'post' ],
        },
        userinfo => userinfo("$at/userinfo", qw(email email_verified
                                                given_name family_name)),

        expect => {
            subject => 'krn:login:eu:1', email => 'ann@example.com',
            state => [ 'verified', 'unverified' ], given_name => 'Ann',
            family_name => 'Example',
        },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => 'krn:login:eu:2', verified => 0 },
              expect => { subject => 'krn:login:eu:2',
                          state => 'unverified' } },
        ],
    });
}


sub seznam {
    my $at = 'login.szn.cz/api/v1';

    return (seznam => {
        person => { id => 'szn-4711' },

        authz => {
            at    => "$at/oauth/auth",
            scope => undef,
            pkce  => 'optional',
        },
        token => {
            at   => "$at/oauth/token",
            auth => [ 'basic', 'post' ],
        },
        userinfo => {
            at     => "$at/user",
            answer => sub {
                my ($mock, $grant) = @_;

                return { oauth_user_id => $grant->{person}{id} };
            },
        },

        expect => { subject => 'szn-4711' },
        scenes => [ $denied ],
    });
}


# --- those that anybody can run -------------------------------------------

# whoever runs one decides what its addresses are worth, and the shop whether
# to believe that

sub vendor {
    my ($name, $issuer, $base, %o) = @_;
    my $id = $o{id} || "$name-user-1";

    return ($name => {
        conf   => { issuer => $issuer },
        issuer => $issuer,
        nonce  => 1,
        person => { id => $id },

        authz => {
            at    => "$base$o{authorize}",
            scope => 'openid email profile',
            pkce  => 'wanted',
            %{ $o{authz} || {} },
        },
        token     => { at => "$base$o{token}",
                       auth => [ 'basic', 'post' ] },
        id_token  => {
            claims => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person}, @profile),
                         %{ $o{claims} || {} } };
            },
        },
        jwks      => { at => $o{jwks} },
        discovery => {
            at => ($issuer =~ m{^https://(.*?)/?$})[0]
                  . '/.well-known/openid-configuration',
            document => {
                token_endpoint_auth_methods_supported
                    => [ 'client_secret_basic', 'client_secret_post' ],
                code_challenge_methods_supported => ['S256'],
                %{ $o{document} || {} },
            },
        },
        userinfo => userinfo("$base$o{userinfo}", @profile),

        expect => { %ann, subject => $id, state => 'unverified' },
        scenes => [ $denied, @{ $o{scenes} || [] } ],
    });
}


sub auth0 {
    my $base = 'acme.eu.auth0.com';

    return vendor('auth0', "https://$base/", $base,
        id        => 'google-oauth2|103547991597142817347',
        authorize => '/authorize',
        token     => '/oauth/token',
        userinfo  => '/userinfo',
        jwks      => "$base/.well-known/jwks.json",
        scenes    => [
            { what => 'an issuer without its slash', refuse => 'provider',
              claims => { iss => "https://$base" } } ]);
}


sub okta {
    my $base = 'acme.okta.com/oauth2/default';

    return vendor('okta', "https://$base", $base,
        authorize => '/v1/authorize',
        token     => '/v1/token',
        userinfo  => '/v1/userinfo',
        jwks      => "$base/v1/keys");
}


sub keycloak {
    my $issuer = 'https://id.example.com/realms/staff';
    my $base = 'id.example.com/realms/staff/protocol/openid-connect';

    return vendor('keycloak', $issuer, $base,
        authorize => '/auth',
        token     => '/token',
        userinfo  => '/userinfo',
        jwks      => "$base/certs",
        claims    => { typ => 'ID', azp => 'keycloak-client', acr => '1',
                       session_state => 'b0a1' },
        document  => {
            authorization_response_iss_parameter_supported => \1,
        },
        authz     => {
            back => sub { return { iss => $issuer,
                                   session_state => 'b0a1' } },
        },
        scenes    => [
            { what => 'the iss of another', refuse => 'client',
              callback => { iss => 'https://id.example.com/realms/other' } },
        ]);
}


# a boolean that is text, and blanks

sub cognito {
    my $base = 'acme.auth.eu-west-1.amazoncognito.com/oauth2';
    my $pool = 'cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123';

    return vendor('cognito', "https://$pool", $base,
        authorize => '/authorize',
        token     => '/token',
        userinfo  => '/userInfo',
        jwks      => "$pool/.well-known/jwks.json",
        claims    => { email_verified => 'true', token_use => 'id',
                       'cognito:username' => 'ann' },
        authz     => { raw => qr/^(?!.*scope=[^&]*\+)/ });
}


1;
