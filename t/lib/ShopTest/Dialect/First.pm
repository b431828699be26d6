package ShopTest::Dialect::First;

# Copyright (C) The ngx_shop authors

# The four that nearly everybody has an account of.  What each word means is
# described in ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use ShopTest::Dialect qw(claims only);

# the tenant of all personal accounts, and one of a company

my $consumers = '9188040d-6c67-4c5b-b112-36a304b66dad';
my $company = '4f1c2d3e-0a9b-4c8d-9e7f-112233445566';

my $denied = { code => undef, error => 'access_denied' };


sub dialects {
    return (
        google(), apple(), facebook(), facebook_limited(), microsoft(),
        entra(),
    );
}


sub google {
    return (google => {
        client => { id => '1234-abc.apps.googleusercontent.com' },
        issuer => 'https://accounts.google.com',
        nonce  => 1,

        authz => {
            at    => 'accounts.google.com/o/oauth2/v2/auth',
            scope => 'openid email profile',
            pkce  => 'wanted',

            # "iss" comes since 2026, though it is not announced, and with it
            # fields that nobody asked for

            back => sub { return {
                iss => 'https://accounts.google.com', authuser => 0,
                scope => 'email profile openid https://www.googleapis.com'
                         . '/auth/userinfo.email', prompt => 'none',
                hd => 'example.com',
            } },
        },
        token => {
            at   => 'oauth2.googleapis.com/token',
            auth => [ 'post', 'basic' ],
        },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    azp => $mock->client_id('google'), hd => 'example.com',
                    claims($p, qw(email email_verified name given_name
                                  family_name picture)),
                };
            },
        },
        jwks      => { at => 'www.googleapis.com/oauth2/v3/certs' },
        discovery => {
            at => 'accounts.google.com/.well-known/openid-configuration',
            document => {
                code_challenge_methods_supported => [ 'plain', 'S256' ],
                token_endpoint_auth_methods_supported
                    => [ 'client_secret_post', 'client_secret_basic' ],
            },
        },
        userinfo => {
            at     => 'openidconnect.googleapis.com/v1/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person},
                                qw(sub email email_verified name given_name
                                   family_name picture)) };
            },
        },

        expect => {
            subject => 'ann-4711', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            { what   => 'an issuer without a scheme',
              claims => { iss => 'accounts.google.com' } },
            { what     => 'no iss in the callback',
              callback => { iss => undef } },
            { what   => 'an address that was not verified',
              person => { verified => 0 },
              expect => { state => 'unverified' } },
            { what => 'the customer says no', refuse => 'denied',
              callback => $denied },
            { what => 'the iss of another', refuse => 'client',
              callback => { iss => 'https://accounts.google.example' } },
        ],
    });
}


sub apple {
    return (apple => {
        client => { id => 'com.example.shop' },
        team   => { id => 'TEAM123456', key => 'KEY1234567' },
        issuer => 'https://appleid.apple.com',
        nonce  => 1,
        person => { id => '001234.0123456789abcdef0123456789abcdef.1234',
                    email => 'x7y8z9@privaterelay.appleid.com' },

        authz => {
            at        => 'appleid.apple.com/auth/authorize',
            scope     => 'name email',
            scope_too => 'openid',
            pkce      => 'optional',    # not announced, does no harm
            need      => { response_mode => 'form_post',
                           redirect_uri => qr{^https://} },
            raw       => qr/^(?!.*scope=[^&]*\+)/,
            form_post => 1,

            # the first consent only, and nobody signed it

            back => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return $p->{again} ? {} : {
                    user => ShopTest::Provider::encode({
                        name => { firstName => $p->{given},
                                  lastName => $p->{family} },
                        email => 'not-proved@example.com',
                    }),
                };
            },
        },
        token => {
            at   => 'appleid.apple.com/auth/token',
            auth => ['jwt'],
        },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    defined $p->{email} ? (
                        email => $p->{email},
                        email_verified => $p->{verified} ? 'true' : 'false',
                        is_private_email => 'true',
                    ) : (),
                    nonce_supported => \1, auth_time => time,
                };
            },
        },
        jwks      => { at => 'appleid.apple.com/auth/keys' },

        # as it was for some days of June 2025, while tokens had the old one

        discovery => {
            at => 'appleid.apple.com/.well-known/openid-configuration',
            document => {
                issuer => 'https://account.apple.com',
                token_endpoint_auth_methods_supported
                    => ['client_secret_post'],
                response_modes_supported
                    => [ 'query', 'fragment', 'form_post' ],
            },
        },

        expect => {
            subject => '001234.0123456789abcdef0123456789abcdef.1234',
            email => 'x7y8z9@privaterelay.appleid.com',
            state => 'verified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            { what   => 'a customer who was here before',
              person => { again => 1, id => '001234.again.0001' },
              expect => { subject => '001234.again.0001', name => undef,
                          given_name => undef, family_name => undef } },
            { what   => 'booleans that are no text',
              claims => { email_verified => \1, is_private_email => \1 } },
            { what   => 'an address that was not verified',
              person => { id => '001234.school.0001', verified => 0 },
              expect => { subject => '001234.school.0001',
                          state => 'unverified' } },
            { what   => 'the other host as issuer',
              claims => { iss => 'https://account.apple.com' } },

            # what is in the form, nobody has signed

            { what   => 'an address that only the form tells',
              person => { id => '001234.form.0001', email => undef },
              expect => { subject => '001234.form.0001', email => undef,
                          state => undef } },

            # old devices

            { what   => 'no nonce, and none supported',
              claims => { nonce => undef, nonce_supported => \0 } },
            { what => 'no nonce though it is supported',
              refuse => 'provider', claims => { nonce => undef } },
            { what => 'the customer cancels', refuse => 'denied',
              callback => { code => undef, user => undef,
                            error => 'user_cancelled_authorize' } },
        ],
    });
}


sub facebook {
    return (facebook => {
        client => { id => '1234567890',
                    secret => '0123456789abcdef0123456789abcdef' },
        issuer => 'https://www.facebook.com',
        person => { id => '10158000000000001' },

        authz => {
            at        => [ 'www.facebook.com/{v}/dialog/oauth',
                           'www.facebook.com/dialog/oauth' ],
            scope     => 'public_profile email',
            sep       => '[ ,]',
            pkce      => 'never',
        },
        token => {
            at     => [ 'graph.facebook.com/{v}/oauth/access_token',
                        'graph.facebook.com/oauth/access_token' ],
            auth   => ['post'],         # in the URL, too; that is in logs
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 5183944 };
            },
        },
        userinfo => {
            at     => [ 'graph.facebook.com/me', 'graph.facebook.com/{v}/me' ],
            auth   => [ 'bearer', 'query:access_token' ],
            proof  => 1,
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                # who does not say what he wants, learns little

                return only(defined $f->{fields} ? "id,$f->{fields}"
                                                 : 'id,name', {
                    id => $p->{id}, name => $p->{name},
                    email => $p->{email}, first_name => $p->{given},
                    last_name => $p->{family},
                    picture => { data => {
                        height => 50, width => 50, is_silhouette => \0,
                        url => $p->{picture} } },
                });
            },
        },

        # the question is asked with a token of the app itself

        tokeninfo => {
            at     => [ 'graph.facebook.com/debug_token',
                        'graph.facebook.com/{v}/debug_token' ],
            field  => 'input_token',
            need   => { access_token =>
                            '1234567890|0123456789abcdef0123456789abcdef' },
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant) = @_;

                return { data => {
                    error => { code => 190, message => 'Invalid OAuth access '
                                                       . 'token.' },
                    is_valid => \0, scopes => [],
                } } if !$grant;

                return { data => ShopTest::Provider::apply({
                    app_id => '1234567890', type => 'USER',
                    application => 'Shop', is_valid => \1,
                    data_access_expires_at => time + 7776000,
                    expires_at => time + 5183944, issued_at => time - 5,
                    scopes => [ 'email', 'public_profile' ],
                    user_id => $grant->{person}{id},
                }, $grant->{changes}) };
            },
        },

        # no flag says that the address was ever verified

        expect => {
            subject => '10158000000000001', email => 'ann@example.com',
            state => 'unverified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            { what   => 'the customer keeps the address back',
              person => { id => '10158000000000002', email => undef },
              expect => { subject => '10158000000000002', email => undef,
                          state => undef } },
            { what => 'the customer says no', refuse => 'denied',
              callback => { code => undef, error => 'access_denied',
                            error_reason => 'user_denied',
                            error_code => 200, error_description
                                => 'Permissions error' } },
            { what => 'an error that is an object, with status 400',
              refuse => 'provider',
              userinfo => graph_error(400, 190, 'Invalid OAuth token') },
            { what => 'the dialog fails without an "error"',
              refuse => 'client|provider',
              callback => { code => undef, error_code => 1349048,
                            error_message => 'Cannot load URL' } },
        ],
    });
}


sub graph_error {
    my ($status, $error, $text) = @_;

    return [ $status, { error => {
        message => $text, type => 'OAuthException',
        code => $error =~ /^\d+$/ ? 0 + $error : 100,
        error_subcode => 36009, fbtrace_id => 'AbCdEfGh',
    } } ];
}


# tokens of Facebook's SDK on phones: there is no redirect

sub facebook_limited {
    return (facebook_limited => {
        client => { id => '1234567890' },
        issuer => 'https://www.facebook.com',
        nonce  => 1,
        person => { id => '10158000000000001' },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;

                return { jti => 'abc.def', claims($grant->{person},
                         qw(email name given_name family_name picture)) };
            },
        },
        jwks => { at => [
            'limited.facebook.com/.well-known/oauth/openid/jwks/',
            'www.facebook.com/.well-known/oauth/openid/jwks/' ] },

        # has neither a token nor a userinfo endpoint

        discovery => {
            at => [ 'www.facebook.com/.well-known/openid-configuration',
                    'limited.facebook.com/.well-known/openid-configuration' ],
            document => { authorization_endpoint
                              => 'https://facebook.com/dialog/oauth/' },
        },
        expect => {
            subject => '10158000000000001', email => 'ann@example.com',
            state => 'unverified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
    });
}


# "common": personal accounts and those of any company

sub microsoft {
    return (microsoft => microsoft_of('microsoft', 'common',
        "https://login.microsoftonline.com/$company/v2.0",
        'https://login.microsoftonline.com/{tenantid}/v2.0', (

        { what   => 'a personal account', key => 'rsa-2',
          claims => { tid => $consumers, iss
              => "https://login.microsoftonline.com/$consumers/v2.0" },
          expect => { subject => microsoft_subjects($consumers, '') } },
        { what   => 'a key that is for all tenants',
          claims => { tid => $consumers, iss
              => "https://login.microsoftonline.com/$consumers/v2.0" },
          expect => { subject => microsoft_subjects($consumers, '') } },
        { what => 'a key that is for personal accounts',
          refuse => 'provider', key => 'rsa-2' },
        { what   => 'an address whose domain the owner has proved',
          person => { id => 'proved' },
          claims => { xms_edov => '1' },
          expect => { subject => microsoft_subjects($company, 'proved'),
                      state => 'verified' } },
        { what   => 'an address that is nobody else\'s',
          person => { id => 'list' },
          claims => { verified_primary_email => ['ann@example.com'] },
          expect => { subject => microsoft_subjects($company, 'list'),
                      state => 'verified' } },

        # what a tenant's administrator may write

        { what   => 'an address whose domain nobody has proved',
          person => { id => 'domain' },
          claims => { xms_edov => \0 },
          expect => { subject => microsoft_subjects($company, 'domain') } },
        { what   => 'a flag that is none of Microsoft\'s',
          person => { id => 'flag' },
          claims => { email_verified => \1 },
          expect => { subject => microsoft_subjects($company, 'flag') } },
        { what   => 'another address that is proved',
          person => { id => 'other' },
          claims => { verified_primary_email => ['bob@example.com'],
                      verified_secondary_email => [] },
          expect => { subject => microsoft_subjects($company, 'other') } },
        { what   => 'no address but a name to sign in',
          person => { id => 'upn', email => undef },
          expect => { subject => microsoft_subjects($company, 'upn'),
                      email => undef, state => undef } },
        { what => 'a tenant that is not the issuer\'s',
          refuse => 'provider', claims => { tid => $consumers } },
        { what => 'a token without a tenant', refuse => 'provider',
          claims => { tid => undef } },
    )));
}


sub entra {
    my $issuer = "https://login.microsoftonline.com/$company/v2.0";

    return (entra => microsoft_of('entra', $company, $issuer, $issuer, (
        { what => 'a personal account', refuse => 'provider',
          claims => { tid => $consumers, iss
              => "https://login.microsoftonline.com/$consumers/v2.0" } },
    )));
}


# "sub" is another one for each client, "oid" the same for all of a tenant:
# either is a subject, the second one with its tenant

sub microsoft_subjects {
    my ($tid, $id) = @_;
    my $oid = "00000000-0000-0000-aaaa-$id";

    return [ "pairwise-$id", qr/^(?:\Q$tid\E\W?_?\Q$oid\E
                                   |\Q$oid\E\W?_?\Q$tid\E)$/x ];
}


sub microsoft_of {
    my ($name, $tenant, $issuer, $told, @scenes) = @_;
    my $at = "login.microsoftonline.com/$tenant";

    return {
        client => { id => "00001111-aaaa-2222-bbbb-$name" },
        conf   => { tenant => $tenant },
        issuer => $issuer,
        nonce  => 1,
        person => { id => '' },

        authz => {
            at    => "$at/oauth2/v2.0/authorize",
            scope => 'openid profile email',
            pkce  => 'wanted',          # not announced
            back  => sub { return { session_state => 'b0a1-c2d3',
                                    client_info => 'eyJ1aWQiOiIxIn0' } },
        },
        token => {
            at   => "$at/oauth2/v2.0/token",
            auth => [ 'post', 'basic' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', scope => 'openid profile',
                         expires_in => 3599, ext_expires_in => 3599 };
            },
        },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    sub => "pairwise-$p->{id}", tid => $company,
                    oid => "00000000-0000-0000-aaaa-$p->{id}",
                    ver => '2.0', rh => '0.A', uti => 'x',
                    preferred_username => 'boss@victim.example',
                    claims($p, qw(email name given_name family_name)),
                    email_verified => undef,
                };
            },
        },

        # whose tokens a key may sign; those of personal accounts have their
        # own

        jwks => {
            at      => "$at/discovery/v2.0/keys",
            keys    => [ 'rsa-1', 'rsa-2' ],
            issuers => {
                'rsa-1' => $told, 'rsa-2'
                    => "https://login.microsoftonline.com/$consumers/v2.0",
            },
        },
        discovery => {
            at => "$at/v2.0/.well-known/openid-configuration",
            document => {
                issuer => $told,
                token_endpoint_auth_methods_supported
                    => [ 'client_secret_post', 'private_key_jwt',
                         'client_secret_basic' ],
                response_modes_supported
                    => [ 'query', 'fragment', 'form_post' ],
            },
        },
        userinfo => {
            at     => 'graph.microsoft.com/oidc/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { claims($p, qw(name given_name family_name email)),
                         sub => "pairwise-$p->{id}" };
            },
        },

        # whoever runs a tenant writes any address into it

        expect => {
            subject => microsoft_subjects($company, ''),
            email => 'ann@example.com', state => 'unverified',
            name => 'Ann Example', given_name => 'Ann',
            family_name => 'Example',
        },
        scenes => [
            { what => 'the customer says no', refuse => 'denied',
              callback => { %$denied, error_description
                  => 'AADSTS65004: User declined to consent' } },
            @scenes,
        ],
    };
}


1;
