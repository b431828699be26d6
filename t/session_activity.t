# That customers are there is written to Redis, but once in five minutes, by one
# of all workers, in nobody's way: no request waits for it, no cached copy is
# lost by it, and a Redis that is away makes nothing pile up.

use lib 't/lib';
use ShopTest;
use ShopTest::Activity;
use ShopTest::Cluster;
use ShopTest::HTTP;

# without tiers: what is due is asked for with commands that would be counted

my ($shop, $redis) = start(program => 'loyalty_program { }');


# --- many requests, two workers

{
    my $two = instance(nginx_options => { workers => 2 });
    my @sessions = map { session() } 1 .. 30;

    flushed($two);
    settled($two);

    my %before = %{ $redis->calls };
    my @clients = map { $two->nginx->connect } 1 .. 8;

    for (1 .. 5) {
        for my $session (@sessions) {
            $_->send('GET', '/', headers => [ Cookie => $session->cookie ])
                for @clients;
            $_->response for @clients;
        }
    }

    wait_for { 30 == grep { visits($_) } @sessions } 'all to be written';

    my %after = %{ $redis->calls };

    is($after{evalsha} - $before{evalsha}, 30,
       'of 40 requests of each of 30 customers one each is written');
    is($after{pexpire} || 0, $before{pexpire} || 0,
       '... which moves no end of a session');

    my %wrong = map { $_->customer => activity($_) } grep {
        my $is = activity($_);
        my $now = time;

        $is->{visits} != 1 || $is->{first_seen} ne $is->{last_seen}
            || $is->{last_visit} ne $is->{last_seen} || $is->{streak} != 1
            || $is->{frequency} != 1000
            || $now - $is->{last_seen} > 60 || keys %$is != 6
            || listed($_) != $is->{last_seen};
    } @sessions;

    is_deeply(\%wrong, {}, 'a visit, when it began, when they were seen');

    is($redis->command('EXISTS', map { $_->key('view') } @sessions), 0,
       'no view is written');

    my $reads = calls('hmget');

    is_deeply([ grep { told($_, $two) ne $_->customer . ' cached' }
                   @sessions ], [],
              'what is cached stays cached');
    is(calls('hmget'), $reads, '... indeed');

    told($_) for @sessions;
    flushed();

    is(calls('evalsha'), $after{evalsha} + 1,
       'and nothing is written by another instance');
}


# --- visits

{
    my $now = time;

    # seconds since, visits before and then, what it shows

    my @t = (
        [ undef, undef,  1, 'the first visit' ],
        [ 0,     3,      3, 'written a moment ago: nothing' ],
        [ 250,   3,      3, 'less than five minutes ago: nothing' ],
        [ 400,   3,      3, 'more: the same visit' ],
        [ 1700,  3,      3, 'almost thirty minutes: the same visit' ],
        [ 1800,  3,      4, 'thirty minutes: another one' ],
        [ 90000, 3,      4, 'next day' ],
        [ -5000, 3,      3, 'a clock that went before by hours' ],
        [ 2000,  'many', 1, 'a number that is none' ],
    );

    my @sessions = map {
        my ($ago, $before) = @$_;
        my $session = session();

        $redis->command('HSET', $session->key('activity'), 'first_seen',
                        5, 'last_seen', $now - $ago, 'visits', $before)
            if defined $ago;

        $session;
    } @t;

    told($_) for @sessions;
    flushed();
    wait_for { visits($sessions[0]) } 'the first of all', 30;

    for my $i (0 .. $#t) {
        my ($ago, $before, $then, $text) = @{ $t[$i] };
        my $is = activity($sessions[$i]);

        is($is->{visits}, $then, $text);

        if (defined $ago && $ago >= 0 && $ago < 300) {
            is($is->{last_seen}, $now - $ago, '... is not written');

        } else {
            cmp_ok(abs($is->{last_seen} - $now), '<', 60, '... is written');
        }

        is($is->{first_seen}, 5, '... since when it was before')
            if defined $ago;
        cmp_ok(listed($sessions[$i]), '>=', $now, '... the session is seen');
    }
}

# What is in Redis may be five minutes old, and so longer ago than thirty
# minutes when the last request is not: the instance knows.

{
    my $short = instance(http => 'shop_session idle=1000s;');
    my @sessions = map { session(idle => 1000) } 1 .. 2;

    settled($short);
    told($sessions[0], $short);

    wait_for { visits($sessions[0]) } 'the first';

    for (@sessions) {
        $redis->command('HSET', $_->key('activity'), 'last_seen', time - 2000,
                        'visits', 1);
        $_->noted(400);
        $redis->command('PEXPIRE', $_->key, 990_000);
    }

    # until its copy is dropped it is as it was

    wait_for {
        told($_, $short) for @sessions;
        2 == grep { time - activity($_)->{last_seen} < 60 } @sessions;
    } 'both';

    is(visits($sessions[0]), 1, 'who was here a moment ago is still here');
    is(visits($sessions[1]), 2, '... who was not has come back');
}


# --- several sessions of a customer take turns

{
    my @sessions = map { session(customer => 'several') } 1 .. 2;

    told($_) for @sessions;
    flushed();

    is(visits($sessions[0]), 1, 'two sessions of a customer are one visit');
    is(scalar(grep { listed($_) > time - 300 } @sessions), 1,
       '... and one is written, the other later');
}


# --- the end of a session

{
    my %move = (
        29.5 => 'half a day of thirty: it stays',
        28.5 => 'a day and a half: it moves',
        40   => 'longer than configured: it moves',
    );

    my %session = map {
        my $session = session();
        $redis->command('PEXPIRE', $session->key, $_ * 86400_000);
        ($_ => $session);
    } keys %move;

    my $forever = session();
    $redis->command('PERSIST', $forever->key);

    my $near = session(expires => time + 100, idle => 90);

    told($_) for values %session, $forever, $near;
    flushed();

    for my $days (sort keys %move) {
        my $left = $redis->command('PTTL', $session{$days}->key) / 86400_000;

        is(sprintf('%.1f', $left), $days == 29.5 ? '29.5' : '30.0',
           $move{$days});
    }

    cmp_ok($redis->command('PTTL', $forever->key), '>', 29 * 86400_000,
           'none at all: it has one');
    cmp_ok($redis->command('PTTL', $near->key), '<=', 100_000,
           'never past the end of the session');
}

# a session that is used does not idle out, however short that is

{
    my $short = instance(http => 'shop_session idle=2s;');
    my $session = session(idle => 2, ago => 0);

    my ($end, $gone, $n) = (ShopTest::now() + 6, 0, 0);

    while (ShopTest::now() < $end) {
        $n++;
        $gone++ if told($session, $short) !~ /^$session->{customer} /;
        ShopTest::pause(0.05);
    }

    is($gone, 0, "a session of two seconds lives on in $n requests");
}

# two servers, one cookie

{
    my $two = instance(
        base_url => 'http://shop.example.com',
        server   => 'shop_session domain=example.com idle=30d;',
        http     => <<'END');
    server {
        listen        127.0.0.1:%%port2%%;
        shop_base_url http://www.example.com;
        shop_session  domain=example.com idle=1h;

        location / {
            loyalty    on;
            proxy_pass %%backend%%;
        }
    }
END

    my $session = session(host => 'example.com', idle => 3600, ago => 10);

    sub at {
        my ($port) = @_;
        my $response = ShopTest::HTTP::request(
            $two->nginx->port($port), 'GET', '/',
            headers => [ Cookie => $session->cookie ]);

        my ($id) = map { $_->[1] } grep { lc $_->[0] eq 'x-customer-id' }
                   @{ $response->json->{headers} };
        return $id;
    }

    is(at(1), $session->customer, 'a session of two servers');

    wait_for { $redis->command('PTTL', $session->key) > 29 * 86400_000 }
        'the longer end';
    pass('where its end is too near for the one it is moved at once');

    my $before = calls('pexpire');

    for (1 .. 20) {
        is(at($_), $session->customer, 'to and fro') for 2, 1;
    }

    flushed($two, host => 'example.com');

    # one is that of the harness

    is(calls('pexpire') - 1, $before, '... and back in no hurry');
    cmp_ok($redis->command('PTTL', $session->key), '>', 29 * 86400_000,
           '... so it is as it was');
}


# --- who is in no cache

{
    my $small = instance(zone => 'shop:64k');
    my @sessions = map { session() } 1 .. 200;
    my $before = calls('evalsha');

    for (1 .. 3) {
        told($_, $small) for @sessions;
        flushed($small);
    }

    is(scalar(grep { visits($_) == 1 } @sessions), 200,
       'a zone that is too small: each customer is written');
    cmp_ok(calls('evalsha') - $before, '<=', 250, '... and about once');
}


# --- a login is a request as well; a cluster

{
    my $browser = $shop->signs_in('a customer');
    my $id = $shop->me($browser)->{customer};

    my ($key) = wait_for {
        ($redis->keys("shop:activity:*:$id"))[0]
    } 'the visit';

    wait_for { $redis->hash($key)->{visits} } 'the number of visits';
    is($redis->hash($key)->{visits}, 1, 'a login begins a visit');
}

{
    package Seeds;

    sub url { return join(' ', $_[0]->{cluster}->urls) . ' cluster' }
    sub port { return ($_[0]->{cluster}->nodes)[0]->port }
}

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);
    my $spread = instance(redis => bless({ cluster => $cluster }, 'Seeds'),
                          location => '');

    for my $n (1 .. 9) {
        $spread->provider->set({ user => { sub => "customer-$n" } });

        my $browser = $spread->signs_in("customer $n");

        $spread->me($browser) for 1 .. 3;
    }

    my %visits;

    wait_for {
        %visits = map {
            my $node = $_;
            map { ($_ => $node->hash($_)->{visits}) }
                $node->keys('shop:activity:*');
        } $cluster->primaries;

        9 == grep { defined } values %visits;
    } 'all nodes', 20;

    is_deeply([ values %visits ], [ (1) x 9 ],
              'in a cluster each is written to its node');
}

done_testing();
