# Behind sentinels the channel of changes goes where the master is.  A
# promotion is told by nobody, and what was cached before it is old.

use lib 't/lib';
use ShopTest;
use ShopTest::Sentinel;
use ShopTest::Session;

# a replica that can be written to knows what the master does not
# (and takes writes for good once it is no master any more, so that a master
# which is busy for a moment must not be taken for dead)

my $set = ShopTest::Sentinel->new(servers => 3, sentinels => 3,
    conf => [ 'sentinel down-after-milliseconds main 3000' ],
    redis => { args => [ '--replica-read-only', 'no' ] });

my $nginx = shop(redis => $set,
    nginx_options => { workers => 2, level => 'info' },
    vars => { redis => $set->url . ' timeout=500ms connect_timeout=500ms' },
    location => 'add_header X-Session $shop_session;')->nginx;

my $n = 0;
my $s = ShopTest::Session->new(redis => $set, view => { points => 0 });

sub works {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $s->is_followed($nginx, sub { $set->master }, \$n, $name);
}

sub listeners {
    return join ' ', map {
        $_->command('PUBSUB', 'NUMSUB', '__redis__:invalidate')->[1];
    } @_;
}

works('at the start');

my $master = $set->master;
my @replicas = grep { $_ != $master } $set->servers;

is(listeners($master, @replicas), '1 0 0', 'the master is listened to');

# nothing is asked

my $before = $master->calls->{pttl};

$s->told($nginx) for 1 .. 100;
is($master->calls->{pttl}, $before, 'who is in the cache costs no question');


# a planned switch; the new master has another truth

{
    wait_for { $s->told($nginx) =~ / $n cached/ } 'the cache';

    $_->command('HSET', $s->key('view'), 'points', 5000) for @replicas;

    like($s->told($nginx), qr/ $n cached/, 'a replica tells of nothing');

    my $new = $set->failover;

    wait_for { $s->told($nginx) =~ / 5000 / } 'what the new master has', 10;
    pass('after a promotion what was cached is old');

    works('after a switch');
    is(listeners($new), 1, 'the new master is listened to');
    wait_for { listeners($set->servers) =~ /^[01 ]+$/
               && (() = listeners($set->servers) =~ /1/g) == 1 } 'one channel';
    pass('... and no other');
}

# one that may not be listened to has another truth as well

{
    my $old = $set->master;
    my @others = grep { $_ != $old } $set->servers;

    wait_for { $s->told($nginx) =~ /cached/ } 'the cache';

    $_->command('ACL', 'SETUSER', 'default', '-client|tracking') for @others;
    $_->command('HSET', $s->key('view'), 'points', 6000) for @others;

    my $new = $set->failover;

    wait_for { $s->told($nginx) =~ / 6000 / } 'what it has', 20;
    pass('... also of a master that tells of no changes');

    $_->command('ACL', 'SETUSER', 'default', '+client|tracking')
        for $set->servers;
    works('... until it may');
}


# the master dies

{
    my $old = $set->master;

    $s->told($nginx);
    $old->crash;

    my $new = $set->moved($old);

    works('after the master died');
    is(listeners($new), 1, '... another is listened to');
}


# the connections

for my $type ('pubsub', 'normal') {
    $set->master->command('CLIENT', 'KILL', 'TYPE', $type);
    delete $_->{socket} for $set->servers;
    works("$type connections killed");
}


# it hangs for a moment, too short for the sentinels

{
    my $hangs = $set->master;

    $hangs->freeze;
    ShopTest::pause(0.2);
    $hangs->thaw;

    works('after a moment without an answer');
}

done_testing();
