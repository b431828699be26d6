package ShopTest::Dialect::East;

# Copyright (C) The ngx_shop authors

# Japan, Korea and Vietnam.  What each word means is described in
# ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use ShopTest::Dialect qw(claims number only);

my $denied = { what => 'the customer says no', refuse => 'denied',
               callback => { code => undef, error => 'access_denied' } };


sub dialects {
    return (line(), kakao(), naver(), yahoo_japan(), zalo());
}


# the ID token of the web is signed with the secret of the client, that of
# phones by a key

sub line {
    return (line => {
        client => { id => '1234567890',
                    secret => '5f2c9e0d4b7a4816a3c1d8e7f6b50a94' },
        issuer => 'https://access.line.me',
        nonce  => 1,
        person => { id => 'U1234567890abcdef1234567890abcdef',
                    name => '山田 花子' },

        authz => {
            at    => 'access.line.me/oauth2/v2.1/authorize',
            scope => 'openid profile email',
            pkce  => 'wanted',
        },
        token => {
            at   => 'api.line.me/oauth2/v2.1/token',
            auth => ['post'],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 2592000,
                         refresh_token => 'r',
                         scope => 'profile openid email' };
            },
        },
        id_token => {
            alg    => 'HS256',
            claims => sub {
                my ($mock, $grant) = @_;

                return { amr => ['linesso'],
                         claims($grant->{person}, qw(email name picture)) };
            },
        },
        jwks => { at => 'api.line.me/oauth2/v2.1/certs',
                  keys => ['p256-1'] },
        discovery => {
            at => 'access.line.me/.well-known/openid-configuration',
            document => { id_token_signing_alg_values_supported => ['ES256'],
                          code_challenge_methods_supported => ['S256'] },
        },
        userinfo => {
            at     => 'api.line.me/oauth2/v2.1/userinfo',
            answer => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person}, qw(sub name picture)) };
            },
        },

        expect => {
            subject => 'U1234567890abcdef1234567890abcdef',
            email => 'ann@example.com', state => 'unverified',
            name => '山田 花子', given_name => undef, family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'the customer keeps the address back',
              person => { id => 'U2', email => undef },
              expect => { subject => 'U2', email => undef,
                          state => undef } },
        ],
    });
}


# it is OpenID Connect where somebody has switched it on, and asks for it; but
# only the older document says what is known about the address

sub kakao {
    return (kakao => {
        issuer => 'https://kauth.kakao.com',
        nonce  => 1,
        person => { id => 1376016924, name => '홍길동', valid => 1 },

        authz => {
            at        => 'kauth.kakao.com/oauth/authorize',
            scope     => 'profile_nickname account_email',
            scope_too => 'openid profile_image',
            pkce      => 'wanted',
        },
        token => {
            at    => 'kauth.kakao.com/oauth/token',
            auth  => ['post'],
            error => sub { return [ $_[0], {
                error => $_[1], error_description => $_[2],
                error_code => 'KOE320' } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 21599,
                         refresh_token => 'r',
                         refresh_token_expires_in => 5183999,
                         scope => 'openid profile_nickname account_email' };
            },
        },
        id_token => {
            optional => 1,
            claims   => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                # its address has no flag beside it

                return { sub => "$p->{id}", auth_time => time,
                         nickname => $p->{name}, email => $p->{email},
                         picture => $p->{picture} };
            },
        },
        jwks      => { at => 'kauth.kakao.com/.well-known/jwks.json' },
        discovery => {
            at => 'kauth.kakao.com/.well-known/openid-configuration',
            document => {
                token_endpoint_auth_methods_supported
                    => ['client_secret_post'],
                code_challenge_methods_supported => ['S256'],
                userinfo_endpoint => 'https://kapi.kakao.com/v1/oidc/userinfo',
            },
        },
        tokeninfo => {
            at     => 'kapi.kakao.com/v1/user/access_token_info',
            answer => sub {
                my ($mock, $grant) = @_;

                return [ 401, { msg => 'this access token does not exist',
                                code => -401 } ] if !$grant;

                return ShopTest::Provider::apply({
                    id => number($grant->{person}{id}), expires_in => 7199,
                    app_id => 1234 }, $grant->{changes});
            },
        },
        userinfo => {
            at     => 'kapi.kakao.com/v2/user/me',
            method => 'GET POST',
            error  => sub { return [ $_[0], { msg => $_[2],
                                              code => -401 } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    id => number($p->{id}),
                    connected_at => '2026-01-01T00:00:00Z',
                    properties => { nickname => $p->{name} },
                    kakao_account => {
                        profile_nickname_needs_agreement => \0,
                        profile => { nickname => $p->{name},
                                     profile_image_url => $p->{picture} },
                        has_email => \1, email_needs_agreement => \0,
                        defined $p->{email} ? (
                            email => $p->{email},
                            is_email_valid => $p->{valid} ? \1 : \0,
                            is_email_verified => $p->{verified} ? \1 : \0,
                        ) : (),
                    },
                };
            },
        },
        steps => qr/^authz token userinfo$/,

        expect => {
            subject => '1376016924', email => 'ann@example.com',
            state => 'verified', name => '홍길동', given_name => undef,
            family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => 1376016925, verified => 0 },
              expect => { subject => '1376016925', state => 'unverified' } },
            { what   => 'an address that was verified and is no more valid',
              person => { id => 1376016926, valid => 0 },
              expect => { subject => '1376016926', state => 'unverified' } },
            { what   => 'the customer keeps the address back',
              person => { id => 1376016927, email => undef },
              expect => { subject => '1376016927', email => undef,
                          state => undef } },
        ],
    });
}


# the older of its two: another subject than that of OpenID Connect

sub naver {
    return (naver => {
        person => { id => '32742776', name => '오픈 API' },

        authz => {
            at    => 'nid.naver.com/oauth2.0/authorize',
            scope => '',                # the console decides
            pkce  => 'never',
        },
        token => {
            at    => 'nid.naver.com/oauth2.0/token',
            auth  => ['post'],          # in the URL, too; that is in logs
            redirect => 0,
            check => sub {
                my ($mock, $grant, $f) = @_;

                return ($f->{state} || '') eq $grant->{asked}{state}
                       ? () : 'state';
            },
            error => sub { return [ 200, {
                error => $_[1], error_description => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         refresh_token => 'r', token_type => 'bearer',
                         expires_in => '3600' };
            },
        },
        userinfo => {
            at     => 'openapi.naver.com/v1/nid/me',
            error  => sub { return [ $_[0], { resultcode => '024',
                                              message => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    resultcode => '00', message => 'success',
                    response => {
                        id => $p->{id}, email => $p->{email},
                        nickname => $p->{nick}, name => $p->{name},
                        profile_image => $p->{picture}, gender => 'F' },
                };
            },
        },

        expect => {
            subject => '32742776', email => 'ann@example.com',
            state => 'unverified', name => '오픈 API', given_name => undef,
            family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'somebody without a name',
              person => { id => '32742777', name => undef },
              expect => { subject => '32742777', name => 'annexample' } },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => { resultcode => '024', message => 'no' } },
        ],
    });
}


sub yahoo_japan {
    return (yahoo_japan => {
        client => { id => 'dj00aiZpPXlhaG9vLXNob3A' },
        issuer => 'https://auth.login.yahoo.co.jp/yconnect/v2',
        nonce  => 1,
        person => { id => 'FQBSQOIDGW5PV4NHAAUY7BWAMU', name => '矢風太郎',
                    given => '太郎', family => '矢風', locale => 'ja-JP' },

        authz => {
            at    => 'auth.login.yahoo.co.jp/yconnect/v2/authorization',
            scope => 'openid profile email',
            pkce  => 'optional',        # of general knowledge
        },
        token => {
            at   => 'auth.login.yahoo.co.jp/yconnect/v2/token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 3600,
                         refresh_token => 'r' };
            },
        },

        # the address is only in userinfo

        id_token => {
            claims => sub { return { amr => ['pwd'], auth_time => time } },
        },
        jwks      => { at => 'auth.login.yahoo.co.jp/yconnect/v2/jwks' },
        discovery => {
            at => 'auth.login.yahoo.co.jp/yconnect/v2/.well-known'
                  . '/openid-configuration',
            document => { token_endpoint_auth_methods_supported
                => [ 'client_secret_post', 'client_secret_basic' ] },
        },
        userinfo => {
            at     => 'userinfo.yahooapis.jp/yconnect/v2/attribute',
            answer => sub {
                my ($mock, $grant) = @_;

                return { claims($grant->{person},
                                qw(sub email email_verified name given_name
                                   family_name locale picture)),
                         'given_name#ja-Kana-JP' => 'タロウ',
                         'family_name#ja-Kana-JP' => 'ヤフウ' };
            },
        },
        steps => qr/^authz token userinfo$/,

        expect => {
            subject => 'FQBSQOIDGW5PV4NHAAUY7BWAMU',
            email => 'ann@example.com', state => 'verified',
            name => '矢風太郎', given_name => '太郎',
            family_name => '矢風',
            locale => 'ja-JP',
        },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => 'UNPROVED', verified => 0 },
              expect => { subject => 'UNPROVED', state => 'unverified' } },
            { what => 'userinfo of somebody else', refuse => 'provider',
              userinfo => { sub => 'SOMEBODYELSE' } },
        ],
    });
}


sub zalo {
    return (zalo => {
        client => { id => '4567890123' },
        person => { id => '5867912345678901234', name => 'Nguyễn Văn An' },

        authz => {
            at      => 'oauth.zaloapp.com/v4/permission',
            id      => 'app_id',
            scope   => '',
            no_type => 1,
            pkce    => 'required',
            how     => 'bare',
        },
        token => {
            at       => 'oauth.zaloapp.com/v4/access_token',
            auth     => ['header:secret_key'],
            id       => 'app_id',
            need     => { client_secret => undef },
            redirect => 0,
            error    => sub { return [ 200, {
                error => -14002, error_name => $_[1],
                error_description => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         refresh_token => 'r', expires_in => '3600',
                         refresh_token_expires_in => '7776000' };
            },
        },

        # whoever sends a Bearer token is nobody

        userinfo => {
            at     => 'graph.zalo.me/v2.0/me',
            auth   => ['header:access_token'],
            proof  => 0,
            error  => sub { return [ 200, { error => -201,
                                            message => $_[2] } ] },
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                return {
                    %{ only($f->{fields}, {
                        id => $p->{id}, name => $p->{name},
                        picture => { data => { url => $p->{picture} } },
                    }) },
                    error => 0, message => 'Success', is_sensitive => \0,
                };
            },
        },

        expect => {
            subject => '5867912345678901234', email => undef, state => undef,
            name => 'Nguyễn Văn An', given_name => undef,
            family_name => undef,
        },
        scenes => [
            $denied,
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => [ 200, { error => 452, message => 'no' } ] },
        ],
    });
}


1;
