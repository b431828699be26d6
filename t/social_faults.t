# Row 32 and design section 10: Redis fails at each step of a login in turn,
# in each way it can; a client goes away at each step.  Nobody is signed in
# by that, the answer is clean, and the next try completes what was begun.

use lib 't/lib';
use ShopTest;

use ShopTest::Proxy;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);

# a login that failed late was one: with the cooldown it is paid once

my $shop = shop(
    redis   => $redis,
    server  => 'location /pid { add_header X-Worker $pid; return 204; }',
    vars    => { redis => $proxy->url . ' timeout=300ms' },
    program => <<'END');
    loyalty_program {
        currency EUR;
        tier bronze;
        earn signup 100;
        earn login 5 every=1d;
    }
END

my $provider = $shop->provider;

$shop->signs_in('before any fault');
$shop->is_idle('before any fault', $proxy->port);


# --- row 32: Redis

my $user = 0;

for my $action (qw(close lost cut garbage error stall nil)) {
    for my $after (0 .. 20) {
        my $sub = 'fault-' . ++$user;
        my $browser = $shop->browser;

        $provider->set({ user => { sub => $sub } });

        my $url = $shop->attempt($browser);

        $proxy->spoil($action, $after);
        my $response = $shop->callback($browser, $url);
        my $spoiled = $proxy->heal;

        my $name = "row 32: $action after $after";

        if (!$spoiled) {
            is($response->status, 303, "$name: no more commands");
            last;
        }

        # what goes wrong after the session is there may be overlooked

        my $me = $shop->me($browser);

        if ($response->status == 303) {
            ok($me && $me->{customer}, "$name: a whole login")
                or diag($response->text);

        } else {

            # a null is what Redis says of a spent state

            $shop->refuses($action eq 'nil' ? qr/^(?:400|50[023])$/
                                            : qr/^50[023]$/,
                           qr/^[a-z_]+$/, $response, $name, $browser);
            is($response->header('Retry-After'), 5,
               "$name: when to try again")
                if $response->status == 503;
        }

        # the next try completes it, once Redis is asked again

        my $again = $shop->browser;

        wait_for {
            $shop->callback($again, $shop->attempt($again))->status != 503
        } 'Redis to be used again';

        is(scalar(() = $redis->keys("shop:identity:work:$sub")), 1,
           "$name: the identity is known once");

        my $id = $redis->command('GET', "shop:identity:work:$sub");

        $me = $shop->me($again) || {};

        is($me->{customer}, $id, "$name: the customer is whom it leads to");
        is(scalar(() = $redis->keys("shop:customer:*:$id")), 1,
           "$name: and is there");
        is($me->{points}, 105,
           "$name: with the points of one signup and one login");
    }
}


# --- an older session lives on until there is a new one

for my $action (qw(close error)) {
    for my $after (0 .. 20) {
        my $browser = $shop->browser;

        $provider->set({ user => { sub => "again-$action-$after" } });
        $shop->callback($browser, $shop->attempt($browser));

        my $id = ($shop->me($browser) || {})->{customer};
        my $cookie = $browser->cookie('shop');
        my $url = $shop->attempt($browser);

        $proxy->spoil($action, $after);
        my $response = $shop->callback($browser, $url);

        last unless $proxy->heal;

        is($response->status, 503, "row 32: again: $action after $after");

        my $page;

        wait_for {
            $page = $shop->nginx->get('/_shop/me', Cookie => "shop=$cookie");
            $page->status != 503
        } 'Redis to be used again';

        is($page->status == 200 && $page->json->{customer}, $id,
           '... signs nobody out');
    }
}


# --- Redis is frozen, or gone

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    $redis->freeze;

    my $begin = ShopTest::now();
    my $response = $shop->callback($browser, $url);

    $redis->thaw;
    $shop->refuses(503, qr/^redis_/, $response,
                   'row 32: Redis is frozen', $browser);
    cmp_ok(ShopTest::now() - $begin, '<', 5, 'row 32: answered soon');

    $url = $shop->attempt($browser);
    $redis->stop;
    $response = $shop->callback($browser, $url);
    $redis->start;
    $shop->refuses(503, qr/^redis_/, $response, 'row 32: Redis is gone',
                   $browser);

    # back, and empty

    wait_for { $shop->callback($browser, $shop->attempt($browser))->status
               == 303 } 'Redis to be used again';
    pass('row 32: Redis is back');
}


# --- the client goes away

for my $endpoint (qw(discovery token jwks userinfo)) {
    for my $how (qw(close reset)) {
        my $fresh = shop(redis => $redis, backend => $shop->backend,
                         provider => $provider,
                         nginx_options => { timeout => 8 });

        my $browser = $fresh->browser;
        my $url = $endpoint eq 'discovery'
            ? $fresh->url . '/_shop/login/work'
            : $fresh->attempt($browser);

        $provider->set({ thin => 1, fault => {
            $endpoint => { stall => 10 } } });

        my $c = $browser->start($url);

        wait_for { $provider->stalled } "a request for $endpoint";
        $c->$how;

        wait_for { !$provider->stalled } 'the request to be given up';
        pass("$how while $endpoint is awaited: it is given up");

        $provider->restore;

        $fresh->signs_in("$how while $endpoint is awaited: the next one");
        $fresh->nginx->stop;
    }
}

# others wait for the same document

{
    my $fresh = shop(redis => $redis, backend => $shop->backend,
                     provider => $provider);

    $provider->set({ fault => { discovery => { wait => 1 } } });
    $provider->forget;

    my $browser = $fresh->browser;
    my @waiting = map { $browser->start($fresh->url . '/_shop/login/work') }
                  1 .. 3;

    wait_for { $provider->count('/.well-known/openid-configuration') }
             'a request for it';

    $waiting[0]->close;
    $waiting[2]->reset;

    is($waiting[1]->response->status, 303,
       'two of three who wait for a document leave: the third is served');
    is($provider->count('/.well-known/openid-configuration'), 1,
       '... by one request');

    $provider->restore;
}

# what renews a document goes on, but holds up nobody who quits

{
    my $fresh = shop(redis => $redis, backend => $shop->backend,
                     provider => $provider,
                     nginx_options => { timeout => 8 });

    $fresh->signs_in('before new keys');
    $provider->rotate('rsa-2');

    my $browser = $fresh->browser;
    my $url = $fresh->attempt($browser);

    $provider->set({ fault => { jwks => { stall => 10 } } });

    my $c = $browser->start($url);

    wait_for { $provider->stalled } 'a request for new keys';
    $c->close;
    $fresh->nginx->wait_log(qr/client prematurely closed connection/);

    is($provider->stalled, 1,
       'the client leaves while new keys are fetched: that goes on');

    $fresh->nginx->stop;
    ok(!$provider->stalled, '... until the worker quits');

    $provider->restore;
}

# gone before the answer, which is there at once

{
    my $nginx = $shop->nginx;
    my $pid = $nginx->get('/pid')->header('X-Worker');

    for my $uri ('/_shop/login/work', '/_shop/callback/work?state=x&code=y',
                 '/_shop/callback/work', '/_shop/me')
    {
        kill 'STOP', $pid;

        my $c = $nginx->connect;

        $c->send('GET', $uri);
        $c->reset;

        kill 'CONT', $pid;

        is($nginx->get('/pid')->header('X-Worker'), $pid,
           "reset before the answer is sent: $uri");
    }
}

$shop->signs_in('after all of it');
$shop->is_idle('after all of it', $proxy->port);

done_testing();
