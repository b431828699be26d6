# What customers do is written to Redis later, so much can happen before: Redis
# goes away, the session ends, the worker dies.  No request is touched by that,
# nothing piles up, and nothing is written of who is gone.

use lib 't/lib';
use ShopTest;
use ShopTest::Activity;
use ShopTest::HTTP;
use ShopTest::Proxy;

my ($shop, $redis) = start();


# --- a session that is gone, things that are not ours

my $proxy = ShopTest::Proxy->new($redis->port);
my $far = instance(vars => { redis => $proxy->url },
                   nginx_options => { level => 'info' });

settled($far);

{
    my ($deleted, $out) = map { session() } 1 .. 2;

    # as Redis 6 says it

    $proxy->spoil('error', 0, only => 'EVALSHA', text => 'ERR Error running '
                  . 'script (call to f_0): @user_script:1: -READONLY no');

    told($_, $far) for $deleted, $out;
    wait_for { $proxy->spoiled >= 2 } 'both';

    $deleted->end;
    $redis->command('DEL', $deleted->key('sessions'));
    $proxy->heal;

    my $response = ShopTest::HTTP::request(
        $far->nginx->port, 'POST', '/_shop/logout',
        headers => [ Cookie => $out->cookie,
                     'Sec-Fetch-Site' => 'same-origin' ]);

    is($response->status, 204, 'a sign-out while activity is queued');

    my $before = calls('evalsha');

    wait_for { calls('evalsha') >= $before + 2 } 'both again', 30;

    is_deeply([ $redis->keys("shop:*:$_->{customer}*") ], [],
              'nothing is written of a session that is gone')
        for $deleted, $out;
}

{
    my ($wrong, $list) = map { session() } 1 .. 2;

    $redis->command('SET', $wrong->key('activity'), 'text');
    $redis->command('SET', $list->key('sessions'), 'text');

    is(told($_, $far), $_->customer . ' fresh',
       'a customer with a key of a wrong type') for $wrong, $list;

    $far->nginx->wait_log(qr/\[warn\] .*activity of customers was not noted/);
    flushed($far);

    is($redis->command('TYPE', $wrong->key('activity')), 'string',
       '... it is left alone');
    is($redis->command('EXISTS', $list->key('activity')), 0,
       '... all or nothing is written');
}


# --- Redis is away while something is to be written

for my $action (qw(error stall close lost cut garbage)) {
    my @sessions = map { session(ago => 0) } 1 .. 3;

    settled($far);
    told($_, $far) for @sessions;
    wait_for { 3 == grep { told($_, $far) =~ /cached/ } @sessions } 'the copies';

    # cached as well, and due

    $_->noted(400) for @sessions;
    $redis->command('PEXPIRE', $_->key, 30 * 86400_000) for @sessions;
    settled($far);

    $proxy->spoil($action, 0, only => 'EVALSHA', text => 'LOADING yes');

    my @told = map { told($_, $far) } @sessions;

    is_deeply(\@told, [ map { $_->customer . ' fresh' } @sessions ],
              "$action: customers are known");

    wait_for { $proxy->spoiled } 'the batch';

    my $start = ShopTest::now();

    is_deeply([ grep { told($_, $far) !~ /^\w+ cached/ } @sessions ], [],
              "$action: ... and stay so");
    cmp_ok(ShopTest::now() - $start, '<', 5, "$action: ... without waiting");

    $proxy->heal;

    wait_for { 3 == grep { visits($_) } @sessions } 'the visits', 70;
    is_deeply([ map { visits($_) } @sessions ], [ 1, 1, 1 ],
              "$action: it is written later, and once");
}

# more than there is room for

{
    my $patient = instance(vars => { redis => $redis->url . ' timeout=20s' },
                           nginx_options => { level => 'info' });

    my @many = map { session() } 1 .. 1300;
    my @clients = map { $patient->nginx->connect } 1 .. 10;
    my $from = length $patient->nginx->log;
    my $unknown = 0;

    # reads go on, writes are refused

    $redis->command('CONFIG', 'SET', 'min-replicas-to-write', 1);

    my $before = calls('evalsha');

    for my $n (0 .. $#many / 10) {
        my @ten = @many[10 * $n .. 10 * $n + 9];

        $clients[$_]->send('GET', '/',
                           headers => [ Cookie => $ten[$_]->cookie ])
            for 0 .. 9;

        for my $i (0 .. 9) {
            my $customer = $ten[$i]->customer;

            $unknown++
                if $clients[$i]->response->body !~ /"\Q$customer\E"/;
        }
    }

    is($unknown, 0, '1300 customers are known');
    cmp_ok(calls('evalsha') - $before, '<', 1300, '... and few of them are tried');

    my @lines = grep { /activity|NOREPLICAS/ }
                split /\n/, substr $patient->nginx->log, $from;

    cmp_ok(scalar(@lines), '<=', 4, '... and the log has a few lines');

    $redis->command('CONFIG', 'SET', 'min-replicas-to-write', 0);

    wait_for { 600 < (() = $redis->keys('shop:activity:*')) }
             'the visits that there was room for', 30;
    flushed($patient);

    my ($left) = grep { !visits($_) } @many;

    ok($left, 'there was no room for all of them');
    told($left, $patient);

    wait_for { visits($left) } 'their visit', 30;
    pass('... they are written with their next request');
}


# --- workers that go

{
    my $leaving = instance(nginx_options => { workers => 2 });
    my ($reload, $quit) = map { session() } 1 .. 2;

    settled($leaving);

    told($reload, $leaving);
    $leaving->nginx->reload;

    wait_for { visits($reload) } 'the old worker';
    pass('a worker that is told to leave writes before');

    told($quit, $leaving);
    $leaving->nginx->stop;

    is(visits($quit), 1, 'also at the end of all');
}

{
    my $killed = instance(
        vars => { redis => $proxy->url }, http => 'shop_session idle=1000s;',
        nginx_options => {
            allow => [ qr/worker process \d+ exited on signal 9/ ] });

    my $session = session(idle => 1000);

    settled($killed);

    $proxy->spoil('error', 0, only => 'EVALSHA', text => 'READONLY no');
    told($session, $killed);
    wait_for { $proxy->spoiled } 'the note';

    my ($worker) = $killed->nginx->workers;

    kill 'KILL', $worker;
    wait_for {
        my ($now) = $killed->nginx->workers;
        $now && $now != $worker;
    } 'another worker';

    $proxy->heal;

    wait_for {
        eval { told($session, $killed) =~ /^$session->{customer} / }
    } 'it to serve';

    flushed($killed);

    is(visits($session), undef, 'a worker that is killed writes nothing');

    $session->noted(400);
    $redis->command('PEXPIRE', $session->key, 990_000);

    wait_for { told($session, $killed); visits($session) } 'the next time';
    pass('... another does, when it is due again');

    # quick, also with something queued for a Redis that is away

    $proxy->spoil('error', 0, only => 'EVALSHA', text => 'READONLY no');

    my $last = session(idle => 1000);

    told($last, $killed);
    wait_for { $proxy->spoiled } 'the last note';

    my $start = ShopTest::now();

    $killed->nginx->stop;

    cmp_ok(ShopTest::now() - $start, '<', 5,
           'one that cannot write does not stay for that');
    is(visits($last), undef, '... it is lost');

    $proxy->heal;
}


done_testing();
