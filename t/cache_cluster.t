# In a cluster each primary tells of its own keys.  A node that dies, hangs,
# loses its channel or a slot takes away the trust in what it had, and in
# nothing else; what is written is seen at once again soon after.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::Session;

my @options = (
    nginx_options => { workers => 2, level => 'info' },
    location => 'add_header X-Session $shop_session;');

my ($cluster, $nginx);

sub begin {
    my ($name, $ttl, %o) = @_;

    # one that is busy for a moment is not to be taken for dead

    $cluster = ShopTest::Cluster->new(primaries => 3, timeout => 3000, %o);

    $nginx = shop(
        @options, zone => "shop:8m ttl=$ttl", redis => $cluster,
        vars => { redis => $cluster->url
                           . ' timeout=500ms connect_timeout=500ms' })->nginx;

    my @sessions = map { session_on($_) } ($cluster->nodes)[0 .. 2];

    works("$name: $_->{customer}", $_) for @sessions;

    return @sessions;
}

# a customer whose keys are with this node

sub session_on {
    my ($node) = @_;

    while (1) {
        my $s = ShopTest::Session->new(redis => $cluster, store => 0,
                                       view => { points => 0 });

        if ($cluster->owner($s->key) == $node) {
            $s->store;
            return $s;
        }
    }
}

my $n = 0;

sub works {
    my ($name, $s) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $s->is_followed($nginx, sub { $cluster->owner($s->key) }, \$n, $name);
}

sub listeners {
    my ($node) = @_;

    return $node->command('PUBSUB', 'NUMSUB', '__redis__:invalidate')->[1];
}

# how often sessions were read

sub reads {
    my $sum = 0;

    $sum += $_->calls->{pttl} || 0 for $cluster->alive;

    return $sum;
}

# while something goes on, the others are taken from the cache

sub undisturbed {
    my ($name, $seconds, $work, @others) = @_;
    my $end = ShopTest::now() + $seconds;
    my %seen;

    while (ShopTest::now() < $end) {
        $work->();
        $seen{ (split ' ', $_->told($nginx))[2] }++ for @others;
    }

    is(join(' ', keys %seen), 'cached', "$name: the others are in the cache");
}


{
    my @s = begin('three primaries', '60s', replicas => 3);
    my @nodes = ($cluster->nodes)[0 .. 2];

    is(join(' ', map { listeners($_) } $cluster->nodes), '1 1 1 0 0 0',
       'each primary is listened to, no replica');

    # nothing is asked

    $_->told($nginx) for @s;

    my $before = reads();

    $_->told($nginx) for (@s) x 100;
    is(reads(), $before, 'who is in the cache costs no question');

    # a session that ends, and is there again

    for my $s (@s) {
        $s->told($nginx);
        $s->end;
        wait_for { $s->told($nginx) eq '- - none' } 'its end', 1;
        $s->store;
        wait_for { $s->told($nginx) =~ /^$s->{customer} / } 'its return', 1;
    }

    pass('sessions that end and return are seen');

    # one of the two connections to one of the nodes

    for my $kind ('pubsub', 'normal') {
        my ($id) = $kind eq 'pubsub'
            ? $nodes[0]->command('CLIENT', 'LIST', 'TYPE', $kind)
              =~ /^id=(\d+)/m
            : $nodes[0]->command('CLIENT', 'LIST', 'TYPE', $kind)
              =~ /^id=(\d+) .*flags=\S*t/m;

        $_->told($nginx) for @s;
        $nodes[0]->command('CLIENT', 'KILL', 'ID', $id);
        $nodes[0]->command('HSET', $s[0]->key('view'), 'points', ++$n);

        undisturbed("$kind killed", 0.5, sub { }, @s[1, 2]);
        wait_for { $s[0]->told($nginx) =~ / $n / } 'the change', 2;
        works("$kind killed", $s[0]);
    }

    # a subscriber that does not read is thrown out by its server

    {
        my $node = $nodes[1];

        $node->command('CONFIG', 'SET', 'client-output-buffer-limit',
                       'pubsub 32kb 0 0');

        my $from = () = read_file($nginx->dir . '/logs/error.log')
                        =~ /the channel of changes/g;
        my $nn = $s[1]->key('view') =~ /(\{\d+\})/ ? $1 : die;

        # more than the sockets take, in one go

        $node->command('EVAL', 'for i = 1, 100 do redis.call("SET", KEYS[1] '
                       . '.. i .. string.rep("x", 100000), 1, "PX", 1) end',
                       1, "shop:view:$nn:x");

        wait_for {
            (() = read_file($nginx->dir . '/logs/error.log')
                  =~ /the channel of changes/g) > $from;
        } 'the end of a listener';

        works('thrown out', $s[1]);
        $node->command('CONFIG', 'SET', 'client-output-buffer-limit',
                       'pubsub 32mb 8mb 60');
    }

    # a slot moves; key by key it is with the one or the other

    {
        my ($s, $other) = @s[0, 1];
        my $slot = $cluster->slot($s->key);
        my ($from, $to) = @nodes[0, 1];

        $cluster->migrate($slot, $to);
        $s->told($nginx);
        $cluster->move_keys($slot, $from, $to);

        my @told;

        for my $i (1 .. 10) {
            $to->command('ASKING');
            $to->command('HSET', $s->key('view'), 'points', ++$n);
            wait_for { $s->told($nginx) =~ / $n / } 'the change', 1;
            push @told, (split ' ', $s->told($nginx))[2];
        }

        is("@told", join(' ', ('fresh') x 10),
           'what has left before its slot is not kept');

        $cluster->migrated($slot, $from, $to);

        wait_for { $s->told($nginx) =~ / $n cached/ } 'the cache', 20;
        pass('... and with its slot it is');
        works('a slot that moved', $s);
        works('... the others', $other);
    }

    # one that is taken by force: nobody tells of it

    {
        my $s = $s[2];
        my $slot = $cluster->slot($s->key);
        my $to = $nodes[0];

        wait_for { $s->told($nginx) =~ /cached/ } 'the cache';

        # whose word is younger wins

        $to->command('CLUSTER', 'BUMPEPOCH');
        $to->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $cluster->id($to));
        wait_for { $cluster->owner_of($slot) == $to } 'a new owner', 20;

        wait_for { $s->told($nginx) eq '- - none' } 'what is there now', 10;
        pass('a slot that was taken by force');
        works('... then', $s);
    }

    # a primary more, and one less

    {
        my $s = $s[0];
        my $slot = $cluster->slot($s->key);
        my $new = $cluster->add;
        my $from = $cluster->migrate($slot, $new);

        $cluster->migrated($slot, $from, $new);
        works('a new primary', $s);
        is(listeners($new), 1, '... is listened to');

        $cluster->migrate($slot, $from);
        $cluster->migrated($slot, $new, $from);
        works('an old one', $s);

        wait_for { !listeners($new) } 'the end of a channel';
        pass('... and no longer');
        $cluster->remove($new);
    }

    # a primary dies, its replica is promoted

    {
        my $s = $s[1];
        my $old = $cluster->owner($s->key);
        my @others = grep { $cluster->owner($_->key) != $old } @s;

        $s->told($nginx);
        $old->crash;

        wait_for { eval { $cluster->owner($s->key) != $old } }
            'a promotion', 30;

        works('after a failover', $s);
        works('... the others', $_) for @others;
    }

    is(join(' ', map { listeners($_) } $cluster->primaries), '1 1 1',
       'one channel to each primary');
}


# a node that hangs

{
    my @s = begin('without replicas', '1s', redis => {
        args => [ '--cluster-require-full-coverage', 'no' ] });
    my ($node) = $cluster->nodes;

    $_->told($nginx) for @s;
    $node->freeze;

    undisturbed('a node that hangs', 2.5, sub { }, @s[1, 2]);
    like($s[0]->told($nginx), qr/^$s[0]{customer} \d+ stale$/,
         '... who was with it is not, after "ttl"');

    my ($other) = ($cluster->nodes)[1];

    $other->command('HSET', $s[1]->key('view'), 'points', ++$n);
    wait_for { $s[1]->told($nginx) =~ / $n / } 'a change elsewhere', 1;
    pass('... and a change of another is seen');

    $node->thaw;
    works('awake again', $s[0]);
}

done_testing();
