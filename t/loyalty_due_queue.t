# What time does to customers happens without their help: the workers of all
# nginx servers share the queue of who is due, each customer is settled once,
# and nobody is missed, whatever becomes of a worker or of Redis.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::Proxy;
use ShopTest::Sentinel;
use ShopTest::Session;

my $redis = redis();
my $day = 86400;

my @program = (program => <<'END', server => <<'END');
    loyalty_program {
        currency EUR;
        tier bronze;
        tier gold points=1000 window=30d;
        earn signup 100 pending=14d;
    }
END
        location = /status { shop_status json; }
END

sub instance { return shop(redis => $redis, @program, @_) }

sub queue {
    my ($session) = @_;

    return $session->key('due') =~ s/:[^:]*$//r;
}

# 100 points that were to be active a minute ago, of somebody not signed in

sub customer {
    my (%o) = @_;
    my $server = delete $o{redis} || $redis;
    my $due = time - 60;
    my $session = ShopTest::Session->new(
        redis => $server,
        view  => { points => 5, pending => 100, qualifying => 105,
                   created => $due, next_due => $due, %o });

    $server->command('ZADD', $session->key('lots'), -100, "$due:0")
        if !exists $o{pending};
    $server->command('ZADD', queue($session), $due, $session->customer);

    return $session;
}

sub view {
    my ($session) = @_;

    return { @{ $session->{redis}->command('HGETALL',
                                           $session->key('view')) } };
}

sub place {
    my ($session) = @_;

    return $session->{redis}->command('ZSCORE', queue($session),
                                      $session->customer);
}

sub left { return scalar grep { view($_)->{points} != 105 } @_ }

# how many were not settled exactly once

sub wrong {
    return scalar grep {
        my $released = grep { / released:100 / }
                       @{ $_->{redis}->command('LRANGE', $_->key('ledger'),
                                               0, -1) };

        $released != 1 || (place($_) || 0) != (view($_)->{next_due} || 0)
    } @_;
}

sub status { return $_[0]->nginx->get('/status')->json->{due} }


my $shop = instance(nginx_options => { workers => 2, allow => [
    qr/worker process \d+ exited on signal 9/,
] });

{
    my @many = map { customer() } 1 .. 200;

    wait_for { !left(@many) } 'all of them', 60;
    is(wrong(@many), 0, '200 customers are settled without a request, once');

    wait_for { status($shop)->{lag_seconds} == 0 } 'a turn without any', 60;
    is(status($shop)->{settled}, 200, '... which is counted');
}

# a tier that ends, and one that is held again

{
    my $until = time - 60;
    my ($ends, $stays) = map {
        customer(pending => 0, tier => 'gold', tier_since => 1,
                 tier_until => $until, qualifying => $_)
    } 0, 1000;

    wait_for { view($ends)->{tier} eq 'bronze' } 'the end of a tier', 60;
    is(view($ends)->{tier_until}, 0, 'a tier ends on time');
    is(place($ends), undef, '... and nothing is due any more');

    wait_for { view($stays)->{tier_until} > $until } 'another one', 60;

    my $view = view($stays);

    is($view->{tier}, 'gold', 'a tier that is deserved is kept');
    is($view->{tier_until} % $day, 0, '... for its time');
    is($view->{tier_since}, 1, '... and is the one of before');
    is(place($stays), $view->{next_due}, '... to the end of which it is due');
}

# what is not as the queue says

{
    my ($erased, $later, $other) = map { customer() } 1 .. 3;

    $redis->command('DEL', map { $erased->key($_) } qw(view lots));
    $redis->command('HSET', $later->key('view'), 'next_due', time + $day);
    $redis->command('DEL', $other->key('lots'));
    $redis->command('SET', $other->key('lots'), 'text');

    wait_for { !defined place($erased) } 'one that is gone', 60;
    is($redis->command('EXISTS', $erased->key('view')), 0,
       'who was erased leaves the queue, and is nobody');

    wait_for { place($later) > time } 'one that is not due', 60;
    is(left($later), 1, 'who is not due yet is left as he is');

    wait_for { place($other) > time } 'one that cannot be settled', 60;
    $shop->nginx->wait_log(qr/\[warn\] .*what was due could not be settled/);

    my $after = customer();

    wait_for { !left($after) } 'one behind him', 60;
    is(wrong($after), 0, 'who cannot be settled is in nobody\'s way');
    $redis->command('DEL', $other->key('view'), queue($other));
}

# two servers with two workers each, and workers that are killed

my $second = instance(nginx_options => { workers => 2 });

{
    my $before = status($shop)->{settled} + status($second)->{settled};
    my @many = map { customer() } 1 .. 400;

    wait_for { !left(@many) } 'all of them', 60;
    is(wrong(@many), 0, 'two servers settle 400 customers');
    wait_for { status($shop)->{settled} + status($second)->{settled}
               >= $before + 400 } 'what was counted', 30;
    is(status($shop)->{settled} + status($second)->{settled}, $before + 400,
       '... none of them twice');
}

$second->nginx->stop;

{
    my @many;

    push @many, customer() for 1 .. 600;
    wait_for { left(@many) < 600 } 'some of them', 60;
    kill 'KILL', $shop->nginx->workers;

    my @taken;

    wait_for {
        @taken = grep { left($_) } @many;
        !grep { (place($_) || 0) <= time } @taken;
    } 'all that were not taken', 60;

    is(scalar(grep { !defined place($_) } @taken), 0,
       'nobody is missed when workers are killed');

    # as if that minute had passed

    $redis->command('ZADD', queue($_), time - 1, $_->customer) for @taken;

    wait_for { !left(@many) && !wrong(@many) } 'those that were taken', 60;
    pass('... and nobody is settled twice');
}

# a reload in the middle

{
    my @many = map { customer() } 1 .. 300;

    ok($shop->nginx->reload, 'a reload');

    $redis->command('ZADD', queue($_), time - 1, $_->customer)
        for grep { (place($_) || 0) > time } @many;

    wait_for { !left(@many) && !wrong(@many) } 'all of them', 60;
    pass('... settles all, once');
}

$shop->nginx->stop;


# Redis fails

{
    my $proxy = ShopTest::Proxy->new($redis->port);
    my $far = instance(vars => { redis => $proxy->url });

    for my $action (qw(error garbage close lost stall)) {
        $proxy->spoil($action, 0, only => 'EVALSHA', text => 'LOADING yes');

        my @many = map { customer() } 1 .. 10;

        wait_for { $proxy->spoiled } "$action: a script", 60;
        $proxy->heal;

        wait_for {
            $redis->command('ZADD', queue($_), 'XX', time - 1, $_->customer)
                for grep { left($_) && (place($_) || 0) > time } @many;
            !left(@many) && !wrong(@many);
        } "$action: all of them", 60;

        pass("$action: all are settled, once");
    }

    $far->nginx->stop;
}


# a queue that is none

{
    my @many = map { customer() } 1 .. 20;
    my ($wrong) = grep { my $key = $_; !grep { queue($_) eq $key } @many }
                  map { "shop:due:{$_}" } 0 .. 63;

    $redis->command('SET', $wrong, 'text');

    my $own = instance();

    $own->nginx->wait_log(qr/\[warn\] .*what was due could not be settled/);
    wait_for { !left(@many) && !wrong(@many) } 'all others', 60;
    pass('a queue that is none is in nobody\'s way');
    $redis->command('DEL', $wrong);
    $own->nginx->stop;
}


# the master is replaced in the middle; what the new one was not told in time
# is due there

{
    # no other failover than this one, on a machine that is busy

    my $set = ShopTest::Sentinel->new(servers => 2, sentinels => 3, conf => [
        'sentinel down-after-milliseconds main 60000',
    ]);
    my $watched = shop(redis => $set, @program);

    my @many = map { customer(redis => $set) } 1 .. 200;

    # who they are it has to be told

    is($set->command('WAIT', 1, 30_000), 1, 'the replica has all customers');
    $set->failover;

    wait_for {
        $set->command('ZADD', queue($_), 'XX', time - 1, $_->customer)
            for grep { left($_) && (place($_) || 0) > time } @many;
        !left(@many) && !wrong(@many);
    } 'all of them', 60;

    pass('a failover: all are settled, once');
    $watched->nginx->stop;
}


# a cluster

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);
    my @nodes = $cluster->nodes;
    my $wide = shop(redis => $nodes[0], @program,
                    vars => { redis => join ' ', $cluster->urls, 'cluster' });

    my @many = map { customer(redis => $cluster) } 1 .. 60;

    wait_for { !left(@many) } 'all of them', 60;
    is(wrong(@many), 0, 'customers of a cluster are settled, once');
}

done_testing();
