# POST logout where a shop wants its customers signed out at the provider as
# well: OpenID Connect RP-Initiated Logout 1.0.  The session here is over
# before, whatever becomes of the provider; and only who signs out by a form of
# the shop is led there.

use lib 't/lib';
use ShopTest;

use ShopTest::Conf;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $provider = provider();

my %conf = (
    off   => '',
    on    => 'logout on;',
    said  => 'logout off;',
    bare  => 'logout on;',
    odd   => 'logout on;',
    down  => 'logout on;',
    late  => 'logout on;',
    gone  => 'logout on;',
    known => join(' ', map { "$_ " . $provider->issuer('/known') . "/$_;" }
                       qw(token jwks userinfo))
             . ' authz ' . $provider->issuer('/known') . '/authorize;'
             . ' logout on;',
    given => 'logout "http://localhost:1/out?region=eu";',
    named => 'logout "http://localhost:1/out?"; p_logout logout_uri;',
);

my %at = (
    '/bare' => { discovery => { end_session_endpoint => undef } },
    '/odd' => { discovery => {
        end_session_endpoint => 'http://id.example.com/logout' } },
    '/down' => { fault => { discovery => { status => 500 } } },
    '/late' => { fault => { discovery => { stall => 10 } } },
    '/gone' => { fault => { discovery => { stall => 10 } } },
    '/known' => { fault => { discovery => { status => 500 } } },
);

$provider->set({ at => \%at });

my $shop = shop(
    redis     => $redis,
    provider  => $provider,
    nginx_options => { level => 'info' },
    vars      => { redis => $proxy->url . ' timeout=300ms' },
    server    => 'keepalive_timeout 0;',
    providers => { work => '' },
    http      => join('', map { $provider->conf($_, $conf{$_}, "/$_") }
                          sort keys %conf),
);

my $nginx = $shop->nginx;
my @form = (Accept => 'text/html', 'Sec-Fetch-Site' => 'same-origin',
            'Sec-Fetch-Mode' => 'navigate');


sub session {
    my ($name) = @_;
    my $session = ShopTest::Session->new(redis => $redis,
                                         provider => $name);

    is(status($session), 200, "$name: signed in");

    return $session;
}

sub status {
    return $nginx->get('/_shop/me', Cookie => $_[0]->cookie)->status;
}

sub sign_out {
    my ($session, @headers) = @_;

    return $nginx->post('/_shop/logout', '', Cookie => $session->cookie,
                        @headers ? @headers : @form);
}

sub leads_to {
    my ($response, $url, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response->status, 303, "$what: 303");
    is($response->header('Location'), $url, '... there');
    like($response->header('Set-Cookie'), qr/^shop=; .*Max-Age=0/i,
         '... and the cookie goes');
    is($response->header('Referrer-Policy'), 'no-referrer',
       '... and nobody is told from where');
}

sub over {
    my ($session, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(status($session), 401, "$what: the session is over");
    is($redis->command('EXISTS', $session->key), 0, '... in Redis');
}

sub escaped { return ShopTest::Browser::escape($_[0]) }

sub request_at {
    my ($url, $back) = @_;

    return "${url}client_id=" . escaped($provider->client_id) . '&'
           . ($back || 'post_logout_redirect_uri') . '='
           . escaped($shop->url . '/');
}

my $home = $shop->url . '/';


# --- a whole way

{
    my $browser = $shop->browser;

    $shop->login($browser, '/account/', name => 'on');
    ok($shop->me($browser), 'a customer signs in');

    my $secret = $browser->cookie('shop');

    $browser->leave($home);

    my $page = $browser->submit('/_shop/logout', '');
    my ($first, $second) = $page->chain;

    is($first->header('Location'),
       request_at($provider->issuer('/on') . '/logout?'),
       'a form to sign out: leads to the provider');
    is($second->status, 303, '... which takes it');
    is($browser->url, $home, '... and leads back to the shop');
    ok(!$shop->me($browser), '... nobody is signed in');
    is($nginx->get('/_shop/me', Cookie => "shop=$secret")->status, 401,
       '... nor by a copy of the cookie');
    is(join('; ', $provider->violations), '', '... nothing was wrong');
}


# --- who is led there

for my $name (qw(off said work)) {
    my $session = session($name);

    leads_to(sign_out($session), $home, "$name: not asked for");
    over($session, $name);
}

for my $case ([ 'a script', Origin => $shop->url, Accept => '*/*' ],
              [ 'a script of a browser that says so', Accept => 'text/html',
                'Sec-Fetch-Site' => 'same-origin',
                'Sec-Fetch-Mode' => 'cors' ])
{
    my ($what, @headers) = @$case;
    my $session = session('on');
    my $response = sign_out($session, @headers);

    is($response->status, 204, "$what: 204");
    is($response->header('Location'), undef, '... and leads nowhere');
    over($session, $what);
}

for my $case ([ 'another site', Accept => 'text/html',
                'Sec-Fetch-Site' => 'cross-site' ],
              [ 'nobody', Accept => 'text/html' ])
{
    my ($what, @headers) = @$case;
    my $session = session('on');
    my $response = sign_out($session, @headers);

    is($response->status, 403, "a form of $what: refused");
    is($response->header('Location'), undef, '... and leads nowhere');
    is(status($session), 200, '... who is signed in stays so');
}

is($nginx->post('/_shop/logout', '', @form)->header('Location'), $home,
   'nobody: home');

{
    my $session = session('on');

    sign_out($session);
    leads_to(sign_out($session), $home, 'a session that was over already');

    $session = ShopTest::Session->new(redis => $redis, provider => 'nobody');
    leads_to(sign_out($session), $home, 'a provider that is configured no '
                                        . 'more');
    over($session, 'a provider that is configured no more');
}


# --- where "there" is

for my $case ([ 'given', request_at('http://localhost:1/out?region=eu&') ],
              [ 'named', request_at('http://localhost:1/out?',
                                    'logout_uri') ])
{
    my ($name, $url) = @$case;
    my $session = session($name);

    leads_to(sign_out($session), $url, $name);
    over($session, $name);
    is($provider->count("/$name/.well-known/openid-configuration"), 0,
       '... without a question to the provider');
}


# --- the provider does not answer: signed out here, at least

for my $case ([ 'bare', 'endpoint_missing' ], [ 'odd', 'endpoint_missing' ],
              [ 'down', 'metadata_error' ], [ 'late', 'provider_timeout' ],
              [ 'known', 'metadata_error' ])
{
    my ($name, $reason) = @$case;
    my $session = session($name);

    leads_to(sign_out($session), $home, $name);
    over($session, $name);
    like($nginx->log,
         qr/customers cannot sign out at provider "$name": $reason/,
         '... and the operator is told why');
}

like($nginx->log,
     qr/\[warn\].* "end_session_endpoint" of provider "odd" cannot be used/,
     'one that is in the clear: the operator is told so');


# --- all that logins need is configured

$shop->signs_in('without metadata that only a logout needs', name => 'known');
is($provider->count('/known/.well-known/openid-configuration'), 1,
   '... which were asked for by the logout before alone');

$provider->set({ at => { %at, '/known' => {} } });

wait_for {
    sign_out(session('known'))->header('Location')
        eq request_at($provider->issuer('/known') . '/logout?')
} 'a logout that leads there, as soon as there are metadata';

$shop->signs_in('... and then', name => 'known');


# --- Redis does not

{
    my $session = session('on');

    # a frozen one would do later what it was sent

    $proxy->spoil('stall');

    my $response = sign_out($session);

    $proxy->heal;

    is($response->status, 503, 'Redis says nothing: 503');
    is($response->header('Location'), undef, '... and leads nowhere');
    is($response->header('Set-Cookie'), undef, '... and the cookie stays');

    wait_for { status($session) == 200 } 'Redis to be used again';

    leads_to(sign_out($session),
             request_at($provider->issuer('/on') . '/logout?'),
             'the same once more');
    over($session, 'the same once more');
}


# --- the customer goes away

$shop->signs_in('before');
$shop->is_idle('before', $proxy->port);

for my $how (qw(close reset)) {
    my $session = session('gone');
    my $asked = $provider->count('/gone/.well-known/openid-configuration');
    my $client = $nginx->connect;

    $client->send('POST', '/_shop/logout', body => '',
                  headers => [ @form, Cookie => $session->cookie ]);

    wait_for {
        $provider->count('/gone/.well-known/openid-configuration') > $asked
    } 'the provider to be asked';

    over($session, "$how while the provider is asked");
    $client->$how;
    $shop->is_idle("$how while the provider is asked", $proxy->port);
}


# --- the configuration

my $dir = temp_dir();
my $keys = key_file();
my $file = write_file("$dir/conf.secret", "s3cret\n", 0600);

sub block {
    my ($preset, $lines) = @_;

    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\nsocial_provider x {\npreset $preset;\n"
        . "client_id shop;\nclient_secret_file $file;\n$lines\n}\n"
        . 'server { listen 127.0.0.1:%%port%%; '
        . 'shop_base_url http://127.0.0.1:%%port%%; }';
}

my $tenant = 'tenant 4f1c2d3e-0a9b-4c8d-9e7f-112233445566;';
my $realm = 'issuer https://id.example.com;';

good(block(@$_), "good: @$_") for (
    [ 'keycloak', "$realm logout on;" ],
    [ 'entra', "$tenant logout on;" ],
    [ 'microsoft', 'logout "https://login.microsoftonline.com/{tenant}/x";' ],
    [ 'cognito', "$realm logout https://d.example.com/logout;" ],
    [ 'facebook', 'logout https://www.example.com/x;' ],
    [ 'facebook', 'logout off;' ],
);

wrong(block($_->[0], "$_->[1] # here"), $_->[2], "wrong: @$_[0, 1]") for (
    [ 'google', "\nlogout yes;", '"on", "off" and an address' ],
    [ 'google', "\nlogout on off;", '"on" and "off" alone' ],
    [ 'google', "\nlogout http://id.example.com/x;", 'http is allowed for' ],
    [ 'google', "\nlogout https://;", 'invalid "logout"' ],
    [ 'google', "\np_logout 'a b';", 'A-Za-z0-9' ],
);

wrong(block('facebook', 'logout on;'), 'needs "discovery"',
      'no metadata to have the address from', nowhere => 1);

done_testing();
