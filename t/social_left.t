# A client goes away, the provider stalls, Redis stalls, at each step of a
# login and of whatever else waits: afterwards nothing is left open.

use lib 't/lib';
use ShopTest;

use ShopTest::HTTP;
use ShopTest::HTTP2;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $h2 = ShopTest::HTTP2->available;

my $shop = shop(
    redis  => $redis,
    nginx_options => { level => 'info' },
    vars   => { redis => $proxy->url . ' timeout=100ms' },
    server => 'keepalive_timeout 0;',
    http   => $h2 ? <<'END' : '');
    server {
        listen        127.0.0.1:%%port2%%%%h2_listen%%;
        %%h2_on%%
        shop_base_url http://127.0.0.1:%%port%%;
        social_login  on;
        location / { loyalty on; proxy_pass %%backend%%; }
    }
END

my $nginx = $shop->nginx;
my $provider = $shop->provider;
my $session = ShopTest::Session->new(redis => $redis);

$shop->signs_in('before');
idle('before');


sub idle {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $shop->is_idle($name, $proxy->port);
}

# once Redis is asked again, and answers

sub well {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $proxy->heal;
    $provider->restore;

    wait_for {
        $nginx->get('/_shop/me', Cookie => $session->cookie)->status == 200
    } 'Redis to be used again';

    $shop->signs_in($name);
    idle($name);
}

sub cookies {
    my ($browser) = @_;

    return join '; ', map { "$_->{name}=$_->{value}" } $browser->cookies;
}


# --- the client goes away while Redis is awaited --------------------------


# every command of a login in turn, over each protocol

my $ncommands = 0;

for my $protocol ('HTTP/1', $h2 ? 'HTTP/2' : ()) {
    for my $after (0 .. 20) {
        my $browser = $shop->browser;
        my ($uri) = $shop->attempt($browser) =~ m{^http://[^/]+(.*)};
        my ($c, $id);

        $proxy->spoil('stall', $after);

        if ($protocol eq 'HTTP/1') {
            $c = $nginx->connect;
            $c->send('GET', $uri, headers => [ Cookie => cookies($browser) ]);

            # it stalls, unless that were all of its commands

            my $answered;

            wait_for {
                $answered = ShopTest::pause(0, $c->{socket});
                $answered || $proxy->spoiled
            } 'Redis to be asked';

            last if $answered;

            $ncommands = $after + 1;
            $after % 2 ? $c->close : $c->reset;

        } else {
            last if $after == $ncommands;

            $c = ShopTest::HTTP2->connect($nginx->port(2));
            $id = $c->send('GET', $uri, headers => [
                cookie => cookies($browser) ]);

            wait_for { $proxy->spoiled } 'Redis to be asked';

            $c->reset($id) if $after % 2;
            $c->close;
        }

        idle("$protocol: gone while command $after is awaited");
        $proxy->heal;

        wait_for {
            $nginx->get('/_shop/me', Cookie => $session->cookie)->status
                == 200
        } 'Redis to be used again';
    }

    cmp_ok($ncommands, '>=', 5, "$protocol: all $ncommands commands");
    well("$protocol: gone at each command");
}

# whatever else asks Redis

for my $case ([ 'GET', '/' ], [ 'GET', '/account/' ], [ 'GET', '/_shop/me' ],
              [ 'POST', '/_shop/logout' ], [ 'HEAD', '/' ],
              [ 'POST', '/' ])
{
    my ($method, $uri) = @$case;
    my @many = map { $nginx->connect } 1 .. 20;
    my $unseen = ShopTest::Session->new(redis => $redis);

    $proxy->spoil('stall', 0);

    for (@many) {
        $_->send($method, $uri, headers => [
            Cookie => $unseen->cookie, 'Sec-Fetch-Site' => 'same-origin' ],
            $method eq 'POST' ? (body => 'a=1') : ());
    }

    wait_for { $proxy->spoiled } 'Redis to be asked';

    $_->reset for @many[0 .. 9];
    $_->close for @many[10 .. 19];

    idle("gone while $method $uri waits for Redis");
    $proxy->heal;

    wait_for {
        $nginx->get('/_shop/me', Cookie => $session->cookie)->status == 200
    } 'Redis to be used again';
}

well('gone while Redis is awaited');


# --- and while the provider is --------------------------------------------


for my $endpoint (qw(token userinfo)) {
    for my $how (qw(close reset)) {
        $provider->set({ thin => 1, fault => { $endpoint => {
            stall => $how eq 'close' ? 0 : 60 } } });

        my @many = map {
            my $browser = $shop->browser;

            $browser->start($shop->attempt($browser));
        } 1 .. 5;

        wait_for { $provider->stalled == 5 } "requests for $endpoint";
        $_->$how for @many;

        wait_for { !$provider->stalled } 'the requests to be given up';
        idle("$how while $endpoint is awaited");
        $provider->restore;
    }
}

# half a request is no login

for my $text ("GET /_shop/callback/work?state=x HTTP/1.1\r\nHost: a\r\n",
              "POST /_shop/callback/work HTTP/1.1\r\nHost: a\r\n"
              . "Content-Length: 100\r\n\r\nstate=",
              "POST /_shop/callback/work HTTP/1.1\r\nHost: a\r\n"
              . "Transfer-Encoding: chunked\r\n\r\n5\r\nsta",
              "POST /_shop/logout HTTP/1.1\r\nHost: a\r\n"
              . "Cookie: @{[ $session->cookie ]}\r\n"
              . "Content-Length: 100\r\n\r\na") {
    for my $how (qw(close reset)) {
        my $c = $nginx->connect;

        $c->write($text);
        $c->$how;
    }
}

# answers that are not waited for

for (1 .. 20) {
    my $browser = $shop->browser;
    my $c = $browser->start($shop->attempt($browser));

    $_ % 2 ? $c->reset : $c->close;
}

idle('gone in the midst');
well('gone while the provider is awaited');


# --- the provider stalls at each step -------------------------------------


{
    my (@fresh, @waiting);
    my @stalls = (0, 20, 60, 160);

    $provider->set({ thin => 1, fault => {} });

    # the first may be given up before the last one stalls

    my $stalls = sub {
        my ($endpoint, $start, $stall) = @_;
        my $path = $endpoint eq 'discovery'
            ? '/.well-known/openid-configuration' : "/$endpoint";
        my $before = $provider->count($path);

        $provider->set({ thin => 1,
                         fault => { $endpoint => { stall => $stall } } });
        push @waiting, $start->();
        wait_for { $provider->count($path) > $before } $endpoint;
    };

    # discovery is asked once: it needs shops of its own

    for my $endpoint (qw(discovery jwks)) {
        for my $stall (@stalls) {
            my $other = shop(redis => $redis, provider => $provider,
                             backend => $shop->backend);

            my $browser = $other->browser;

            push @fresh, $other;

            $provider->restore;

            my $url = $endpoint eq 'discovery'
                ? $other->url . '/_shop/login/work'
                : $other->attempt($browser);

            $stalls->($endpoint, sub { $browser->start($url) }, $stall);
        }
    }

    for my $endpoint (qw(token userinfo)) {
        for my $stall (@stalls) {
            my $browser = $shop->browser;

            $provider->restore;

            my $url = $shop->attempt($browser);

            $stalls->($endpoint, sub { $browser->start($url) }, $stall);
        }
    }

    is(join(' ', map { $_->response->status } @waiting),
       join(' ', (504) x @waiting), 'stalled providers: each is told of');

    $_->close for @waiting;
    $provider->restore;

    wait_for { !$provider->stalled } 'their connections to be closed';

    for my $other (@fresh) {
        $other->is_idle('a stalled document');
        $other->nginx->stop;
    }
}

well('stalled providers');


# --- Redis stalls at each step --------------------------------------------


for my $after (0 .. 20) {
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    $proxy->spoil('stall', $after);

    my $status = $shop->callback($browser, $url)->status;

    last if !$proxy->heal;

    like($status, qr/^(?:303|503)$/, "stalled at command $after: told of");
    idle("stalled at command $after");

    wait_for {
        $nginx->get('/_shop/me', Cookie => $session->cookie)->status == 200
    } 'Redis to be used again';
}

for my $uri ('/', '/account/', '/_shop/me') {
    my @many = map { $nginx->connect } 1 .. 20;
    my $unseen = ShopTest::Session->new(redis => $redis);

    $proxy->spoil('stall', 0);
    $_->send('GET', $uri, headers => [ Cookie => $unseen->cookie,
                                       Connection => 'close' ]) for @many;

    ok(!grep({ $_->response->status != ($uri eq '/' ? 200 : 503) } @many),
       "stalled for $uri: all are answered");

    $_->close for @many;
    idle("stalled for $uri");
    $proxy->heal;

    wait_for {
        $nginx->get('/_shop/me', Cookie => $session->cookie)->status == 200
    } 'Redis to be used again';
}

well('stalled Redis');


# --- many of all of it ----------------------------------------------------


for (1 .. 50) {
    my $browser = $shop->browser;

    $shop->callback($browser, $shop->attempt($browser));
    $nginx->get('/', Cookie => cookies($browser));
}

idle('after fifty logins');

done_testing();
