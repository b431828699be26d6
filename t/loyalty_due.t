# Points that wait, and points that end, do so on time: a request that comes
# after it is told what is true then, whoever asks first, from whatever was in
# memory, and also where Redis cannot write.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;

use Time::HiRes ();

my $events = ShopTest::Events->new;

my ($shop, $redis, $browser);

sub start {
    my ($earn) = @_;

    $shop = shop(http => $events->conf, program => <<"END");
        loyalty_program {
            tier bronze;
            tier silver points=100;

            earn signup $earn;
        }
END
    $redis = $shop->redis;
    $browser = $shop->signs_in('a customer');
}

sub key {
    my ($kind) = @_;
    my ($key) = $redis->keys("shop:$kind:*");

    return $key;
}

sub view { return $redis->hash(key('view')) }

# "KIND POINTS BALANCE" of each entry

sub ledger {
    return [ map { join ' ', (split / /)[1, 2, 4] }
             @{ $redis->command('LRANGE', key('ledger'), 0, -1) } ];
}

sub count { return scalar grep { /^$_[0]/ } @{ ledger() } }

# "ACTIVE+PENDING"

sub points {
    my $me = $shop->me($browser);

    return "$me->{points}+$me->{pending}";
}

sub cookie {
    return join '; ', map { "$_->{name}=$_->{value}" } $browser->cookies;
}

# as if the time of what is due had come just now

sub overdue {
    my ($due) = @_;

    $redis->command('HSET', key('view'), 'next_due', $due);

    return points();
}


# pending, then expired

start('100 pending=2s expires=3s');

is(points(), '0+100', 'points are pending at first');
is($shop->me($browser)->{tier}, 'silver', '... and count towards tiers');

wait_for { points() ne '0+100' } 'an activation';
is(points(), '100+0', '... then active');
is(view()->{points}, 100, '... also in Redis');

wait_for { points() ne '100+0' } 'an expiry';
is(points(), '0+0', '... and then gone');

is_deeply(ledger(), [ 'signup 100 0', 'released:100 0 100',
                      'expired -100 0' ],
          'all of it is in the ledger, once');
is(key('lots'), undef, 'no lot is left');

{
    my $before = $redis->calls->{evalsha};

    points() for 1 .. 3;
    is($redis->calls->{evalsha}, $before, 'and nothing is due any more');
}


# a copy in the memory of nginx, which was made at the end of a second

start('100 pending=8s');

{
    my $view = key('view');
    my ($part, $id) = $view =~ /(\{\d+\}):(.*)/;
    my $due = view()->{next_due};

    # nobody else does it

    $redis->command('ZREM', "shop:due:$part", $id);

    wait_for { my $now = Time::HiRes::time(); $now - int $now > 0.8 }
             'that time';
    $redis->command('HSET', $view, 'seen', 1);
    wait_for { points() eq '0+100' } 'a copy';

    points() while time < $due;
    is(points(), '100+0', 'what is due is not shown from a copy in the second '
       . 'in which it is');
}


# a tier that is granted, where nothing else has dates

start('5');

{
    my ($id) = key('view') =~ /([^:]+)$/;
    my ($is) = $events->results($shop->nginx, {
        id => 'g1', type => 'grant', customer => $id, time => time,
        tier => 'silver', until => time + 2 });

    is($is, 'booked', 'a tier is granted');
    is(view()->{tier}, 'silver', '... and held');
    wait_for { view()->{tier} eq 'bronze' } 'its end', 30;
    pass('... and ends without a request');
}


# many at once, long after it

start('100 pending=14d expires=1y');

{
    my $lot = $redis->command('ZRANGE', key('lots'), 0, -1)->[0];
    my ($activates, $expires) = split /:/, $lot;
    my $day = 86400;

    is($activates % $day, 0, 'two weeks end with a day');
    cmp_ok(abs($activates - time - 14.5 * $day), '<=', $day / 2 + 120,
           '... so late');
    is($expires % $day, 0, 'and so does the year');
    cmp_ok(abs($expires - $activates - 366.5 * $day), '<=', $day,
           '... that begins then');

    $redis->command('ZADD', key('lots'), -100, '1700000000:1731536000');
    $redis->command('ZREM', key('lots'), $lot);
    $redis->command('HSET', key('view'), 'next_due', 1700000000);

    my @asked = map { $shop->nginx->connect } 1 .. 8;

    $_->send('GET', '/', headers => [ Cookie => cookie() ]) for @asked;

    my @points = map { $_->[1] }
                 grep { lc $_->[0] eq 'x-loyalty-points' }
                 map { @{ $_->response->json->{headers} } } @asked;

    is("@points", '0 0 0 0 0 0 0 0', 'eight requests are told the same');
    is(count('expired'), 1, '... and it was done once');
}


# a Redis that takes no writes

start('100 pending=4s');

{
    my $due = view()->{next_due};

    is(points(), '0+100', 'points are pending');

    $redis->command('CONFIG', 'SET', 'maxmemory', 1);
    wait_for { time > $due } 'the time to come';

    is(points(), '0+100', 'a full Redis signs nobody out');

    $redis->command('CONFIG', 'SET', 'maxmemory', 0);
    is(points(), '100+0', '... and is caught up with later');

    $redis->command('HSET', 'shop:meta', 'schema', 2);

    wait_for { overdue($due); $shop->nginx->log =~ /says schema 2/ }
             'a newer layout';
    is(overdue($due), '100+0', 'of a newer layout the points are read');
    is(view()->{next_due}, $due, '... and nothing is written');
}


# the client goes before it is done

start('100 pending=4s');

{
    my $due = view()->{next_due};
    my $client = $shop->nginx->connect;

    wait_for { time > $due } 'the time to come';

    $redis->freeze;
    $client->send('GET', '/', headers => [ Cookie => cookie() ]);
    $client->close;
    $redis->thaw;

    is(points(), '100+0', 'who comes after one that left is told');
    is(count('released'), 1, '... once');
}

done_testing();
