# Answers do not wait for Redis, so that what they tell is booked behind them:
# late when Redis is away, once whatever fails, also by a worker that quits.
# What is not booked in the end is counted, and a line of the log.

use lib 't/lib';
use ShopTest;
use ShopTest::Browser;
use ShopTest::Proxy;
use ShopTest::Sentinel;
use ShopTest::Session;

use JSON::PP ();

my $json  = JSON::PP->new->canonical->utf8;
my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $shop  = shop(
    redis         => $redis,
    vars          => { redis => $proxy->url },
    location      => 'loyalty_capture on; add_header X-Session $shop_session;',
    server        => 'location = /json { shop_status json; }',
    nginx_options => {
        workers => 1,
        level   => 'notice',
        timeout => 60,
        allow   => [ qr/worker process \d+ exited on signal 9/ ],
    });
my $nginx = $shop->nginx;
my $n     = 0;

# who is in the cache, so that it is the booking that meets a fault

sub customer {
    my $session = ShopTest::Session->new(redis => $redis);

    wait_for {
        ($nginx->get('/', Cookie => $session->cookie)->header('X-Session')
            || '') eq 'cached'
    } 'a copy of the session', 60;

    return $session;
}

sub points {
    my ($session, $at) = @_;

    return ($at || $redis)->hash($session->key('view'))->{points} || 0;
}

sub adjusts {
    my ($points) = @_;

    my $event = $json->encode({ id => 'f-' . ++$n, type => 'adjust',
                                time => time, points => $points });

    return 'header=' . ShopTest::Browser::escape("X-Shop-Event:$event");
}

sub answer {
    my ($who, @adjusts) = @_;

    @adjusts = adjusts(1) unless @adjusts;

    return $nginx->get('/?' . join('&', @adjusts), Cookie => $who->cookie);
}

# nothing is booked, and nothing else is wrong: Redis itself says so, since a
# word of the proxy comes before replies that are on their way, and who reads
# a customer would take it for the answer

sub refuse { $redis->command('CONFIG', 'SET', 'maxmemory', 1) }

sub allow { $redis->command('CONFIG', 'SET', 'maxmemory', 0) }

sub figures { return $nginx->get('/json')->json->{events} }

sub under_way { return figures()->{in_flight} }


# the answer comes, and the event is booked when it can be

for my $action (qw(stall error nil garbage huge close lost cut reset)) {
    my $anna = customer();

    $proxy->spoil($action, 0, only => 'EVALSHA', text => 'OOM no');
    is(answer($anna)->status, 200, "$action: the answer comes");
    wait_for { $proxy->spoiled } 'the booking to be tried';
    cmp_ok(under_way(), '>=', 1, '... before its event is booked');
    $proxy->heal;
    wait_for { points($anna) == 1 && under_way() == 0 } 'it to be booked', 60;
    pass('... which it is, once Redis can be asked');
}

{
    my $anna = customer();

    $proxy->spoil('refuse');
    is(answer($anna)->status, 200, 'Redis is away: the answer comes');
    wait_for { under_way() == 1 } 'an event to wait';
    $proxy->heal;
    wait_for { points($anna) == 1 } 'it to be booked', 60;
    pass('... and its event is booked when it is back');
}

is(figures()->{capture_dropped}, 0, 'none of these was dropped');


# more than a worker takes

{
    my $anna = customer();

    refuse();

    answer($anna, map { adjusts(1) } 1 .. 16) for 1 .. 64;

    is(under_way(), 1024, 'a worker has 1024 events under way');

    my $from = length $nginx->log;

    is(answer($anna)->status, 200, 'one more does not keep its answer');
    is(under_way(), 1024, '... and does not wait');
    is(figures()->{capture_dropped}, 1, '... but is counted');
    like(substr($nginx->log, $from),
         qr/\[error\] .*event "f-$n" .*"@{[ $anna->customer ]}" was dropped: /,
         '... and told of by its id');
    allow();
    wait_for { points($anna) == 1024 } 'the others to be booked', 60;
    wait_for { under_way() == 0 } 'none to be under way';
    pass('the others are booked');
    answer($anna);
    wait_for { points($anna) == 1025 } 'a new one', 60;
    pass('... and there is room again');
}


# reload

{
    my $anna = customer();
    my ($old) = $nginx->workers;

    refuse();
    answer($anna);
    wait_for { under_way() == 1 } 'an event to wait';
    $nginx->reload;
    ok(kill(0, $old), 'a worker that quits waits for its events');
    allow();
    wait_for { points($anna) == 1 } 'it to be booked', 60;
    pass('... and books them');
    wait_for { !kill(0, $old) } 'the worker to be gone', 60;
    pass('... and goes');
    is(figures()->{lost}, 0, 'nothing is lost by that');
}


# a worker ends

{
    my $anna = customer();
    my ($old) = $nginx->workers;
    my $dropped = figures()->{capture_dropped};

    refuse();
    answer($anna, adjusts(1), adjusts(1));
    wait_for { under_way() == 2 } 'two events to wait';
    kill 'KILL', $old;
    wait_for { my @workers = $nginx->workers;
               @workers && $workers[0] != $old } 'another worker';
    wait_for { figures()->{lost} == 2 } 'the loss to be known';
    is(under_way(), 0, 'what a worker had that was killed is counted as lost');

    ($old) = $nginx->workers;
    allow();
    $anna = customer();
    refuse();
    answer($anna);
    wait_for { under_way() == 1 } 'an event to wait';
    kill 'TERM', $old;
    wait_for { my @workers = $nginx->workers;
               @workers && $workers[0] != $old } 'another worker';
    wait_for { figures()->{capture_dropped} == $dropped + 1 } 'the drop';
    like($nginx->log, qr/event "f-$n" .* was dropped: worker_exit/,
         'what one had that was made to end is dropped, and told of');
    is(figures()->{lost}, 2, '... and not lost');
    allow();
}


# a worker that quits finds the new master, too

{
    my $set = ShopTest::Sentinel->new(servers => 2);
    my $at = shop(
        redis => $set, provider => $shop->provider, backend => $shop->backend,
        vars => { redis => $set->url }, nginx_options => { level => 'notice' },
        location => 'loyalty_capture on; add_header X-Session $shop_session;'
    )->nginx;
    my $anna = ShopTest::Session->new(redis => $set);
    my $old = $set->master;

    wait_for {
        $at->get('/', Cookie => $anna->cookie)->header('X-Session')
            eq 'cached';
    } 'a copy of the session', 60;
    wait_for { $old->command('WAIT', 1, 100) == 1 } 'the replica';

    $old->freeze;
    $at->get('/?' . adjusts(1), Cookie => $anna->cookie);

    my ($quits) = $at->workers;

    $at->reload;

    my $new = wait_for {
        my $master = $set->master;

        # one that becomes a master closes all connections

        delete $master->{socket};
        $master != $old && $master->command('ROLE')->[0] eq 'master'
            && $master;
    } 'a failover', 60;

    wait_for { points($anna, $new) == 1 } 'it to be booked', 60;
    pass('one that quits books it at the server that has taken over');
    wait_for { !kill(0, $quits) } 'the worker to be gone', 60;
}


# Redis is away for long, and who was not asked for is nobody to book for

{
    my $anna = customer();
    my $from = length $nginx->log;

    refuse();
    answer($anna);
    wait_for { substr($nginx->log, $from) =~ /"f-$n" .* was dropped: redis_/ }
        'the end of the time', 90;
    is(under_way(), 0, 'after half a minute an event is dropped');
    allow();
    $proxy->spoil('refuse');
    wait_for { answer($anna)->header('X-Session') eq 'stale' }
        'a customer who is not sure', 90;
    wait_for { substr($nginx->log, $from)
               =~ /"@{[ $anna->customer ]}" was refused: customer_stale/ }
        'a refusal';
    pass('nothing is booked for a customer who could not be asked for');
    $proxy->heal;
    wait_for { under_way() == 0 } 'none to be under way', 60;
}

done_testing();
