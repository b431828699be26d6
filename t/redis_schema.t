# A newer version of the module writes a newer schema to "shop:meta".  This one
# then goes on to read and stops to write, be it that it starts so or that it
# is open at that time; and begins again when it is taken back.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;

use ShopTest::Cluster;
use ShopTest::RedisFault;
use ShopTest::Sentinel;
use ShopTest::Session;

my $refused = "error redis_schema\n";

sub client {
    my ($parameters) = @_;

    $parameters .= ' timeout=2000' unless $parameters =~ /timeout=/;

    return ShopTest::RedisAsk->new($parameters);
}

# connected, with a word of shop:meta that is too old to write

sub connected {
    my ($what, $nginx) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($nginx->ask('c=GET+a'), "ok +OK\n", "$what: a connection");

    my $start = ShopTest::now();

    wait_for { ShopTest::now() - $start > 1.1 } 'a second';

    return $nginx;
}

# raised and lowered under a running nginx; $key is one of a node

sub follows {
    my ($name, $nginx, $redis) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for { $nginx->ask('c=SET+a+1') eq "ok +OK\n" } 'a server', 15;

    for my $round (1, 2) {
        $redis->command('HSET', 'shop:meta', 'schema', 2);

        wait_for { $nginx->ask('c=SET+a+2') eq $refused } 'it is noticed';
        is($nginx->ask('c=SET+a+3&n=20'), $refused x 20,
           "$name: no more writes");
        like($nginx->ask('c=GET+a&n=20'), qr/^(?:ok "[12]"\n){20}$/,
             "$name: but reads");
        is($nginx->ask('c=GET+a&c=SET+a+4'), $refused,
           "$name: nothing of what also writes");

        is($nginx->logged(qr/\[error\] .*says schema 2, this version knows 1/),
           $round, "$name: one line for round $round");

        $redis->command('HSET', 'shop:meta', 'schema', 1);

        # a question of before that may be under way, and its answer counts

        wait_for { $nginx->ask('c=SET+a+1') eq "ok +OK\n" }
            "$name: it to write again";
        is($nginx->logged(qr/\[notice\] .*this version writes again/), $round,
           "$name: and says so");
    }
}


# --- one server


my $redis = redis();

follows('a server', client($redis->url), $redis);

$redis->command('HSET', 'shop:meta', 'schema', 2);
$redis->command('SET', 'x', 'here');

for my $n (1, 50) {
    my $nginx = client($redis->url);

    is($nginx->ask("c=SET+x+1&n=$n"), $refused x $n,
       "not the first write of a worker, of $n");
    is($nginx->ask('s=count+1+x+1'), $refused, 'no script');
    is($nginx->ask('c=SET+x+1&forget=1'), "forgotten\n", 'nobody waits');
    is($nginx->ask('c=GET+x'), "ok \"here\"\n", 'it is read');
    is($nginx->logged(qr/\[error\]/), 1, 'one line says why');
}

# whoever lays everything in ruins makes a new start

{
    my $nginx = client($redis->url);

    is($nginx->ask('c=SET+x+1'), $refused, 'the newer one');

    $redis->command('DEL', 'shop:meta');

    # somebody may have asked before that, and not been answered yet

    wait_for { $nginx->ask('c=SET+x+1') eq "ok +OK\n" } 'shop:meta to be gone';
    is($redis->hash('shop:meta')->{schema}, 1, 'shop:meta is completed');

    # not that of a newer version

    $redis->command('DEL', 'shop:meta');
    $redis->command('HSET', 'shop:meta', 'schema', 2);

    wait_for { $nginx->ask('c=SET+x+2') eq "error redis_refused\n" } 'a no';
    is_deeply($redis->hash('shop:meta'), { schema => 2 },
              'half of a newer one is left alone');

    my $value = $redis->command('GET', 'x');

    is($nginx->ask('c=SET+x+3'), "error redis_refused\n", 'again');
    is($redis->command('GET', 'x'), $value, 'and nothing is written');

    # what is seen at a new connection is seen at an open one

    $redis->command('DEL', 'shop:meta');
    $redis->command('HSET', 'shop:meta', 'schema', 1, 'partitions', 7, 'seed',
                    '0' x 32);

    wait_for {
        is($nginx->ask('c=SET+x+2'), "error redis_refused\n",
           'another number of partitions');
        $nginx->log =~ /says partitions 7, configured 64/;
    } 'it to be told';

    $redis->command('HSET', 'shop:meta', 'partitions', 64);

    wait_for { $nginx->ask('c=SET+x+2') eq "ok +OK\n" } 'it to be put right';
}


# --- the question about it fails


{
    my $fault = ShopTest::RedisFault->new;

    # connected, and then nothing is heard of shop:meta; the pause before the
    # next connection is a random one, and may be none at all

    for my $case (
        [ 'silence',    [ { stall => 1 } ], 'error redis_timeout' ],
        [ 'a close',    [ { close => 1 } ],
          '(?:error redis_unavailable|ok \+OK)' ],
        [ 'an error',   [ "-LOADING wait\r\n" ], 'ok \+OK' ],
        [ 'no array',   [ "+OK\r\n" ], 'error redis_refused' ],
    ) {
        my ($what, $steps, $answer) = @$case;

        my $nginx = connected($what, client($fault->url
                                     . ' timeout=1000 connections=1'));

        $fault->once(HMGET => $steps);

        like($nginx->ask('c=SET+a+1&n=9'), qr/^(?:$answer\n){9}\z/,
             "$what: the writes");

        wait_for { $nginx->ask('c=SET+a+1') eq "ok +OK\n" } 'a better time';
        pass("$what: is over");
    }

    # who waits for it can leave at any time

    my $nginx = connected('one', client($fault->url
                                    . ' timeout=1000 connections=1'));

    $fault->once(HMGET => [ { wait => 0.3 }, "%s", { close => 1 } ]);

    is($nginx->ask('c=SET+a+1&n=5&cancel=20'), "freed\n" x 5,
       'writes that wait are cancelled');
    like($nginx->ask('state=1'), qr/^ops=0 /, 'and gone');

    wait_for { $nginx->ask('c=SET+a+1') eq "ok +OK\n" } 'the connection';

    # a worker that shuts down lets them wait

    $nginx = connected('one', client($fault->url
                                 . ' timeout=5000 connections=1'));

    $fault->once(HMGET => [ { wait => 0.3 },
                            ShopTest::RedisFault::proper('HMGET') ]);

    my $last = $nginx->connect;

    $last->send('GET', '/ask?c=SET+a+1');
    wait_for { $nginx->ask('state=1') =~ /^ops=1 / } 'a write';
    kill 'QUIT', $nginx->pid;

    is($last->response->body, "ok +OK\n", 'a worker that shuts down waits');

    # one that ends at once does not

    $nginx = connected('one', client($fault->url
                                 . ' timeout=30000 connections=1'));

    $fault->once(HMGET => [ { stall => 1 } ]);

    $last = $nginx->connect;
    $last->send('GET', '/ask?c=SET+a+1&n=3');
    wait_for { $nginx->ask('state=1') =~ /^ops=3 / } 'writes';
    $nginx->stop('TERM');

    is($last->response->body, "error redis_unavailable\n" x 3,
       'one that ends at once does not');

    # all ask once

    $nginx = client($fault->url . ' connections=1');
    $fault->asked;

    is($nginx->ask('c=SET+a+1&n=100'), "ok +OK\n" x 100, 'many writes');

    my @asked = grep { $_->[0] eq 'HMGET' } $fault->asked;

    cmp_ok(scalar @asked, '<', 5, 'one question');
}


# --- sentinels, a cluster


{
    my $set = ShopTest::Sentinel->new(servers => 1, sentinels => 1);

    follows('sentinel',
            client(join(' ', $set->urls, 'sentinel=main')), $set->master);

    my $cluster = ShopTest::Cluster->new(primaries => 3);

    my $nginx = client(join(' ', $cluster->urls, 'cluster'));

    wait_for { $nginx->ask('c=SET+a+1') eq "ok +OK\n" } 'the cluster', 15;

    follows('cluster', $nginx, $cluster->owner('shop:meta'));
}


# --- a whole shop


{
    my $shop = shop(http => 'shop_session idle=10s;');

    my $store = $shop->redis;
    my $old = $shop->signs_in('before');

    my $session = ShopTest::Session->new(redis => $store,
                                         view => { points => 7 });

    $store->command('HSET', 'shop:meta', 'schema', 2);

    wait_for {
        my $other = $shop->browser;
        my $page = $shop->callback($other, $shop->attempt($other));
        $page->status == 503 && $page->json->{reason} eq 'redis_schema';
    } 'it is noticed';

    my ($list) = $store->keys('shop:sessions:*');
    my $seen = $store->command('ZRANGE', $list, 0, -1, 'WITHSCORES');
    my $points = $shop->me($old)->{points};
    my @before = $store->keys;

    my $browser = $shop->browser;
    my $page = $shop->callback($browser, $shop->attempt($browser));

    is($page->status, 503, 'a login');
    is($page->json->{reason}, 'redis_schema', '... is refused');
    is($page->header('Retry-After'), 5, '... for now');
    is($shop->me($browser), undef, '... nobody is signed in');

    is($shop->me($old)->{points}, $points, 'who is signed in stays so');

    my $response = $shop->nginx->get('/', Cookie => $session->cookie);
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    is($is{'x-loyalty-points'}, 7, 'sessions are read');

    # its end would be moved now: a second of ten has passed

    my $start = ShopTest::now();

    wait_for { $shop->me($old); ShopTest::now() - $start > 2.5 } 'a while';
    is_deeply($store->command('ZRANGE', $list, 0, -1, 'WITHSCORES'), $seen,
              'no session is touched');

    $old->leave($shop->url . '/');
    $page = $old->fetch('POST', '/_shop/logout', accept => 'application/json');
    is($page->status, 503, 'a sign-out is refused');
    isnt($shop->me($old), undef, '... and did not happen');

    is_deeply([ $store->keys ], \@before, 'nothing is written');

    $store->command('HSET', 'shop:meta', 'schema', 1);

    $shop->signs_in('after');
    is($old->fetch('POST', '/_shop/logout')->status, 204, 'a sign-out');
    is($shop->me($old), undef, '... at once');
}

done_testing();
