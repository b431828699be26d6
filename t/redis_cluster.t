# A cluster: each operation goes to the node of its keys, also while slots and
# nodes move, die and come back.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;
use ShopTest::Cluster;

my $unavailable = "error redis_unavailable\n";

my $cluster = ShopTest::Cluster->new(primaries => 3, replicas => 3);
my $urls = join ' ', $cluster->urls;


sub client { return ShopTest::RedisAsk->new(@_) }

my $nginx = client("$urls cluster timeout=1000");

sub ask { return $nginx->ask(@_) }

# several connections keep no order among them

sub sorted {
    return join ' ', sort { $a <=> $b } ask($_[0]) =~ /^ok :(\d+)$/mg;
}

# keys of many slots, each written and read in one operation

sub all_work {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $answer = ask('c=SET+%23+%23&c=GET+%23&n=300');
    my $expected = join '', map { "ok +OK \"$_\"\n" } 0 .. 299;

    ok($answer eq $expected, $what) or diag($answer);
}

sub recovers {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for { ask('c=SET+%23+%23&n=300') eq "ok +OK\n" x 300 } $what, 20;
    all_work($what);
}


# --- at rest

all_work('keys are with three nodes');
is(scalar(grep { $_->command('DBSIZE') > 50 } $cluster->primaries), 3,
   'each has its part');
is(sorted('s=count+1+n{a}+1&n=50'), join(' ', 1 .. 50), 'scripts');
is(ask('s=pair+1+%23+x&n=20'), join('', map { "ok [\"$_\" \"x\"]\n" } 0 .. 19),
   'on all nodes');
like(ask('state=1'), qr/nodes=3 /, 'three nodes');
is($cluster->owner('shop:meta')->hash('shop:meta')->{partitions}, 64,
   'shop:meta was written');

$_->command('SCRIPT', 'FLUSH') for $cluster->primaries;
is(ask('s=pair+1+%23+x&n=20'), join('', map { "ok [\"$_\" \"x\"]\n" } 0 .. 19),
   'scripts that all nodes forgot');

{
    my $other = client("$urls cluster partitions=32");

    is($other->ask('c=PING'), "error redis_refused\n",
       'another number of partitions is refused');
    is(scalar(() = $other->log =~ /\[error\].*says partitions 64/g), 1,
       'one line says so');
}


# --- a slot moves while it is used

my $slot = $cluster->slot('{m}');
my ($to) = grep { $_ != $cluster->owner('{m}') } $cluster->primaries;

ask('c=SET+{m}old+1&c=SET+{m}gone+2');

my $from = $cluster->migrate($slot, $to);

is(ask('c=GET+{m}old'), "ok \"1\"\n", 'a key that did not move yet');
is(ask('c=SET+{m}new+3&c=GET+{m}new'), "ok +OK \"3\"\n",
   'a key that does not exist yet is with the new node');
is($to->command('CLUSTER', 'COUNTKEYSINSLOT', $slot), 1, 'as ASK said');

$cluster->move_keys($slot, $from, $to, '{m}gone');

is(ask('c=GET+{m}gone&c=GET+{m}old&c=GET+{m}gone'), "ok \"2\" \"1\" \"2\"\n",
   'keys on both sides');
is(sorted('s=count+1+{m}n+1&n=5'), '1 2 3 4 5',
   'a script that the new node does not know');

# some keys of a script here, some there: TRYAGAIN until all have moved

# who goes meanwhile is over, too: some of it may have been done

sub over { return (ask('state=1') =~ /over=(\d+)/)[0] }

my $over = over();

is(ask('c=SET+{m}half+1&s=pair+2+{m}old+{m}gone+x&cancel=100'), "freed\n",
   'freed while it waits to be asked again');
wait_for { over() == $over + 1 } 'the end of it';
is($to->command('PING') && ask('c=GET+{m}half'), "ok \"1\"\n",
   '... after a part of it was done');

my $waiting = $nginx->connect;

$waiting->send('GET', '/ask?s=pair+2+{m}old+{m}gone+x');
ShopTest::pause(0.1);
$cluster->move_keys($slot, $from, $to);
is($waiting->response->body, "ok [\"{m}old\" \"x\"]\n",
   'a script whose keys were on both sides waits for them');

$cluster->migrated($slot, $from, $to);

is(ask('c=GET+{m}old&c=GET+{m}gone&c=GET+{m}new'), "ok \"1\" \"2\" \"3\"\n",
   'the slot has moved');
is(ask('c=GET+{m}old'), "ok \"1\"\n", 'and is found at once');

# under load, there and back

my @clients = map { $nginx->connect } 1 .. 4;
my ($asked, $wrong) = (0, 0);

$over = over();

for my $round (1 .. 6) {
    my ($there) = grep { $_ != $cluster->owner('{m}') } $cluster->primaries;

    $_->send('GET', '/ask?s=count+1+{m}load+1&c=GET+{m}old&n=50') for @clients;
    my $here = $cluster->migrate($slot, $there);
    $cluster->move_keys($slot, $here, $there);
    $cluster->migrated($slot, $here, $there);

    for my $client (@clients) {
        for my $line (split /\n/, $client->response->body) {
            $asked++;
            $wrong++ unless $line =~ /^ok :\d+ "1"$/;
        }
    }
}

is($asked, 1200, 'operations during six migrations');
is($wrong, 0, 'none of them failed');
is(over(), $over + 1200, 'each was over once');
is(ask('c=GET+{m}load'), "ok \"1200\"\n", 'each was done once');


# --- nodes come and go

my $node = $cluster->add;
my $moved = $cluster->slot('300');

$from = $cluster->migrate($moved, $node);
$cluster->migrated($moved, $from, $node);

is(ask('c=SET+300+x&c=GET+300'), "ok +OK \"x\"\n", 'a new node has a slot');
wait_for { ask('c=GET+300'); ask('state=1') =~ /nodes=4 / } 'the new node';
ok(1, 'and is one of four');

$cluster->migrate($moved, $from);
$cluster->migrated($moved, $node, $from);
$cluster->remove($node);

is(ask('c=GET+300'), "ok \"x\"\n", 'it gave the slot back and left');
wait_for { ask('c=GET+300'); ask('state=1') =~ /nodes=3 retired=0/ }
    'three nodes';
ok(1, 'and was forgotten');


# --- a primary dies, its replica takes over

my $dead = $cluster->owner('{m}');

$dead->crash;
wait_for { ask('c=GET+{m}old') ne "ok \"1\"\n" } 'its death';

my $longest = 0;

for (1 .. 30) {
    my $start = ShopTest::now();

    ask('c=GET+{m}old');
    $start = ShopTest::now() - $start;
    $longest = $start if $start > $longest;
}

cmp_ok($longest, '<', 0.9, 'nobody waits longer than a timeout');

recovers('a replica took over');
is(ask('c=GET+{m}old'), "ok \"1\"\n", 'with all there was');


# --- all but one seed are dead

my ($live) = grep { $_ != $dead } $cluster->alive;

my $late = client('redis://127.0.0.1:' . free_port()
                  . ' redis://127.0.0.1:' . free_port() . ' ' . $live->url
                  . ' cluster');
is($late->ask('c=SET+x+1'), "ok +OK\n", 'one seed is enough')
    for 1 .. 3;

my $single = client(redis()->url . ' cluster');
is($single->ask('c=PING'), $unavailable,
   'a server that is no cluster');
like($single->log, qr/has no map of a cluster/, 'the log says so');


# --- all of it down, and back

my @alive = $cluster->alive;

$_->freeze for @alive;
my $start = ShopTest::now();
like(ask('c=GET+{m}old'), qr/^error redis_/, 'a frozen cluster');
cmp_ok(ShopTest::now() - $start, '<', 1.3, 'costs one timeout');
$_->thaw for @alive;
recovers('a cluster that thawed');

$_->crash for @alive;
wait_for { ask('c=GET+{m}old') eq $unavailable } 'its end';

$start = ShopTest::now();
ask('c=GET+{m}old') for 1 .. 20;
cmp_ok(ShopTest::now() - $start, '<', 1, 'nobody waits for a dead cluster');

$_->start for @alive;
recovers('a cluster that came back, empty');

cmp_ok(scalar(() = $nginx->log =~ /\[error\]/g), '<', 300,
       'all that took few words');

done_testing();
