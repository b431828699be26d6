package ShopTest::Dialect::Russia;

# Copyright (C) The ngx_shop authors

# Russia and its neighbors, and Telegram.  What each word means is described
# in ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use Digest::MD5 ();
use Digest::SHA ();

use ShopTest::Dialect qw(claims number);
use ShopTest::Server qw(answer);

my $denied = { what => 'the customer says no', refuse => 'denied',
               callback => { code => undef, error => 'access_denied' } };


sub dialects {
    return (vk(), yandex(), mailru(), ok(), telegram(), telegram_widget());
}


# a device's id comes to the callback and has to go on to the token endpoint

sub vk {
    my @hosts = ('id.vk.ru', 'id.vk.com');      # the older one still works

    my $error = sub {
        return [ 200, { error => $_[1], error_description => $_[2],
                        state => 'x' } ];
    };

    return (vk => {
        client => { id => '51234567' },
        person => { id => 1234567890, name => 'Анна Иванова',
                    given => 'Анна', family => 'Иванова' },

        authz => {
            at        => [ map { "$_/authorize" } @hosts ],
            scope     => 'vkid.personal_info email',
            scope_too => 'phone',
            pkce      => 'required',
            state     => qr/^[A-Za-z0-9_-]{32,}$/,
            back      => sub {
                my ($mock, $grant) = @_;

                $grant->{device} = 'device-' . substr $grant->{code}, 0, 8;

                return { device_id => $grant->{device}, type => 'code_v2',
                         expires_in => 600 };
            },
        },
        token => {
            at    => [ map { "$_/oauth2/auth" } @hosts ],
            auth  => [ 'none', 'post' ],
            tells => 1,
            error => $error,
            check => sub {
                my ($mock, $grant, $f) = @_;
                my %want = (device_id => $grant->{device},
                            state => $grant->{asked}{state});

                return grep { ($f->{$_} || '') ne $want{$_} } sort keys %want;
            },
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $now = time;

                # an ID token for nobody in particular

                return {
                    access_token => $grant->{access_token},
                    refresh_token => 'r', token_type => 'Bearer',
                    expires_in => 3600, user_id => $grant->{person}{id},
                    state => $f->{state},
                    scope => 'vkid.personal_info email',
                    id_token => $mock->token_text({
                        iss => 'VK', sub => $grant->{person}{id},
                        app => 51234567, exp => $now + 3600, iat => $now,
                        jti => 'x' }),
                };
            },
        },
        userinfo => {
            at     => [ map { "$_/oauth2/user_info" } @hosts ],
            method => 'POST',
            auth   => ['body:access_token'],
            need   => { client_id => '51234567' },
            error  => $error,
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { user => {
                    user_id => "$p->{id}", first_name => $p->{given},
                    last_name => $p->{family}, avatar => $p->{picture},
                    email => $p->{email}, sex => 1, birthday => '01.01.2000',
                    verified => \1,     # the tick of the account
                } };
            },
        },

        expect => {
            subject => '1234567890', email => 'ann@example.com',
            state => 'unverified', name => 'Анна Иванова',
            given_name => 'Анна', family_name => 'Иванова',
        },
        scenes => [
            $denied,
            { what   => 'somebody with one name',
              person => { id => 1234567891, family => '', email => undef },
              expect => { subject => '1234567891', name => 'Анна',
                          family_name => undef, email => undef,
                          state => undef } },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => [ 200, { error => 'slow_down' } ] },
        ],
    });
}


sub yandex {
    return (yandex => {
        person => { id => '1000034426', name => 'Анна Иванова',
                    given => 'Анна', family => 'Иванова' },

        authz => {
            at        => [ 'oauth.yandex.ru/authorize',
                           'oauth.yandex.com/authorize' ],
            scope     => 'login:info login:email',
            scope_too => 'login:avatar',
            pkce      => 'optional',    # of general knowledge
        },
        token => {
            at   => [ 'oauth.yandex.ru/token', 'oauth.yandex.com/token' ],
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 31536000,
                         refresh_token => 'r' };
            },
        },
        userinfo => {
            at    => [ 'login.yandex.ru/info', 'login.yandex.com/info' ],
            auth  => [ 'oauth', 'bearer' ],
            need  => { format => 'json' },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    id => $p->{id}, login => $p->{nick}, psuid => '1.AAtx.x',
                    client_id => $mock->client_id('yandex'),
                    default_email => $p->{email},
                    emails => defined $p->{email} ? [ $p->{email} ] : [],
                    real_name => $p->{name}, display_name => $p->{nick},
                    first_name => $p->{given}, last_name => $p->{family},
                    default_avatar_id => '131652443',
                    is_avatar_empty => \0, sex => 'female',
                };
            },
        },

        expect => {
            subject => '1000034426', email => 'ann@example.com',
            state => 'unverified', name => 'Анна Иванова',
            given_name => 'Анна', family_name => 'Иванова',
        },
        scenes => [
            $denied,

            # a mailbox of Yandex may be believed, but need not

            { what   => 'a mailbox of its own',
              person => { id => '1000034427', email => 'anna@yandex.ru' },
              expect => { subject => '1000034427',
                          email => 'anna@yandex.ru',
                          state => [ 'verified', 'unverified' ] } },
            { what   => 'an address that looks like one',
              person => { id => '1000034428',
                          email => 'anna@yandex.ru.example' },
              expect => { subject => '1000034428',
                          email => 'anna@yandex.ru.example' } },
            { what   => 'no name but that on the display',
              person => { id => '1000034429', name => '' },
              expect => { subject => '1000034429', name => 'annexample' } },
        ],
    });
}


sub mailru {
    return (mailru => {
        person => { id => '9834753', email => 'anna@mail.ru',
                    name => 'Анна Иванова', given => 'Анна',
                    family => 'Иванова', locale => 'ru_RU' },

        authz => {
            at    => 'oauth.mail.ru/login',
            scope => 'userinfo',
            pkce  => 'optional',        # of general knowledge
        },
        token => {
            at   => 'oauth.mail.ru/token',
            auth => [ 'basic', 'post' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         expires_in => 3600, refresh_token => 'r' };
            },
        },
        userinfo => {
            at     => 'oauth.mail.ru/userinfo',
            auth   => ['query:access_token'],
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    id => $p->{id}, client_id => $mock->client_id('mailru'),
                    email => $p->{email}, name => $p->{name},
                    nickname => $p->{nick}, first_name => $p->{given},
                    last_name => $p->{family}, locale => $p->{locale},
                    image => $p->{picture}, gender => 'f',
                };
            },
        },

        # the mailbox is the account, where it is one of theirs

        expect => {
            subject => '9834753', email => 'anna@mail.ru',
            state => 'verified', name => 'Анна Иванова',
            given_name => 'Анна', family_name => 'Иванова',
            locale => 'ru_RU',
        },
        scenes => [
            $denied,
            { what   => 'a mailbox of others',
              person => { id => '9834754', email => 'ann@example.com' },
              expect => { subject => '9834754', email => 'ann@example.com',
                          state => 'unverified' } },
            { what   => 'a mailbox that looks like theirs',
              person => { id => '9834755', email => 'ann@evilmail.ru' },
              expect => { subject => '9834755', email => 'ann@evilmail.ru',
                          state => 'unverified' } },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => [ 200, { error => 'invalid_token',
                                   error_code => 4 } ] },
        ],
    });
}


# a third credential, and a signature of requests

sub ok {
    my $public = 'CBALSHOPABABABABA';

    return (ok => {
        client => { id => '512000000000', public => $public },
        person => { id => '574000000001', name => 'Анна Иванова',
                    given => 'Анна', family => 'Иванова',
                    locale => 'ru' },

        authz => {
            at    => 'connect.ok.ru/oauth/authorize',
            scope => 'VALUABLE_ACCESS GET_EMAIL',
            sep   => ';',
            pkce  => 'never',
        },
        token => {
            at   => 'api.ok.ru/oauth/token.do',
            auth => ['post'],
            answer => sub {
                my ($mock, $grant) = @_;

                # "session" is what it has always said there

                return { access_token => $grant->{access_token},
                         token_type => 'session', refresh_token => 'r',
                         expires_in => '1800' };
            },
        },
        userinfo => {
            at    => 'api.ok.ru/fb.do',
            auth  => ['query:access_token'],
            need  => { method => 'users.getCurrentUser',
                       application_key => $public, format => qr/^json$/i },
            error => sub { return [ 200, { error_code => 104,
                                           error_msg => $_[2] } ] },
            check => sub {
                my ($mock, $grant, $f) = @_;

                my $key = Digest::MD5::md5_hex(
                    $grant->{access_token} . $mock->client_secret('ok'));
                my $text = join '', map { "$_=$f->{$_}" }
                    grep { $_ ne 'access_token' && $_ ne 'sig' }
                    sort keys %$f;

                return ($f->{sig} || '') eq Digest::MD5::md5_hex("$text$key")
                       ? () : 'sig';
            },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { uid => $p->{id}, name => $p->{name},
                         first_name => $p->{given},
                         last_name => $p->{family}, locale => $p->{locale},
                         email => $p->{email}, pic_3 => $p->{picture} };
            },
        },

        expect => {
            subject => '574000000001', email => 'ann@example.com',
            state => 'unverified', name => 'Анна Иванова',
            given_name => 'Анна', family_name => 'Иванова',
            locale => 'ru',
        },
        scenes => [
            $denied,
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => [ 200, { error_code => 102, error_msg => 'no',
                                   error_data => undef } ] },
        ],
    });
}


sub telegram {
    return (telegram => {
        client => { id => '123456789' },
        issuer => 'https://oauth.telegram.org',
        nonce  => 1,
        person => { id => '987654321' },

        authz => {
            at        => 'oauth.telegram.org/auth',
            when      => { client_id => '123456789' },
            scope     => 'openid profile',
            scope_too => 'phone',
            pkce      => 'wanted',
        },
        token => {
            at   => 'oauth.telegram.org/token',
            auth => ['basic'],
        },
        id_token => {
            claims => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { id => number($p->{id}),
                         claims($p, qw(name given_name family_name picture
                                       preferred_username)) };
            },
        },
        jwks => { at => 'oauth.telegram.org/.well-known/jwks.json',
                  keys => [ 'rsa-1', 'p256-1', 'ed-1' ] },
        discovery => {
            at => 'oauth.telegram.org/.well-known/openid-configuration',
            document => {
                id_token_signing_alg_values_supported
                    => [ 'RS256', 'ES256', 'EdDSA', 'ES256K' ],
                code_challenge_methods_supported => ['S256'],
                token_endpoint_auth_methods_supported
                    => ['client_secret_basic'],
            },
        },

        expect => {
            subject => '987654321', email => undef, state => undef,
            name => 'Ann Example', given_name => 'Ann',
            family_name => 'Example',
        },
        scenes => [
            $denied,

            # the bot's owner chooses

            { what => 'a key of an elliptic curve', alg => 'ES256' },
            { what => 'a key of Edwards\' curve', alg => 'EdDSA' },
        ],
    });
}


# no OAuth: signed fields, and nothing that binds them to a login

sub telegram_widget {
    return (telegram_widget => {
        client => { id => '123456789', secret => '123456789:AAF-shop_1' },
        person => { id => '987654322', age => 0 },

        authz => { at   => 'oauth.telegram.org/auth',
                   when => { bot_id => '123456789' },
                   own  => \&telegram_own },
        steps => qr/^authz$/,

        expect => {
            subject => '987654322', email => undef, state => undef,
            name => 'Ann Example',
        },
        scenes => [
            { what   => 'somebody with one name',
              person => { id => '987654323', family => undef },
              expect => { subject => '987654323', name => 'Ann' } },
            { what => 'fields that were changed', refuse => 'client|provider',
              callback => { id => '1' } },
            { what => 'a field that was added', refuse => 'client|provider',
              callback => { last_name => 'Other' } },
            { what => 'no signature', refuse => 'client|provider',
              callback => { hash => undef } },
            { what => 'a login of two days ago', refuse => 'client|provider',
              person => { age => 2 * 86400 } },
        ],
    });
}


sub telegram_own {
    my ($mock, $d, $f) = @_;
    my ($origin) = ($f->{return_to} || '') =~ m{^(https?://[^/?\#]+)/};

    my @wrong = $mock->wrong_fields({
        bot_id => $d->{client}{id}, origin => defined $origin ? $origin : '',
        return_to => qr{^https://[^?\#]+/callback/telegram_widget\b},
    }, $f);

    return $mock->no($d, {}, 'authz', 400, 'invalid_request', @wrong)
        if @wrong;

    my $p = $mock->who($d);

    my $fields = {
        id => $p->{id}, first_name => $p->{given}, username => $p->{nick},
        defined $p->{family} ? (last_name => $p->{family}) : (),
        photo_url => $p->{picture}, auth_date => time - $p->{age},
    };

    $fields->{hash} = Digest::SHA::hmac_sha256_hex(
        join("\n", map { "$_=$fields->{$_}" } sort keys %$fields),
        Digest::SHA::sha256($d->{client}{secret}));

    (undef, $fields) = $mock->changed($d, 'callback', 200, $fields);

    return answer(302, [
        Location => $f->{return_to} . ($f->{return_to} =~ /\?/ ? '&' : '?')
                    . ShopTest::Provider::query($fields) ]);
}


1;
