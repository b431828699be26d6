# Redis stops, freezes, comes back: nobody waits longer than one timeout, and
# nobody but the first; what was there before is used again without a restart.
#
# How long somebody took is compared with the timeout, which is long enough
# for a machine that has other things to do.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;

use IO::Socket::INET ();

my $unavailable = "error redis_unavailable\n";
my $redis = redis();


sub client { return ShopTest::RedisAsk->new(@_) }

my $timeout = 1.2;
my $nginx = client($redis->url . ' timeout=' . 1000 * $timeout);

sub ask { return $nginx->ask(@_) }

sub took {
    my ($query) = @_;
    my $start = ShopTest::now();
    my $answer = ask($query);

    return ($answer, ShopTest::now() - $start);
}

sub comes_back {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for { ask('c=ECHO+x') eq "ok \"x\"\n" } 'redis', 30;
    ok(1, $what);
    is(ask('c=ECHO+%23&n=20'), join('', map { "ok \"$_\"\n" } 0 .. 19),
       'all is well again');
}

sub descriptors {
    return scalar(() = glob '/proc/' . ($nginx->workers)[0] . '/fd/*');
}


is(ask('c=ECHO+%23&n=4'), join('', map { "ok \"$_\"\n" } 0 .. 3), 'it works');
my $descriptors = descriptors();


# --- gone

$redis->stop;

my ($answer, $time) = took('c=GET+a');

is($answer, $unavailable, 'a server that is gone');
cmp_ok($time, '<', $timeout / 2, 'is known at once');

my $from = length $nginx->log;

for (1 .. 30) {
    is(ask('c=GET+a'), $unavailable, 'still gone');
    ShopTest::pause(0.01);
}

my $tries = () = substr($nginx->log, $from) =~ /could not connect/g;

cmp_ok($tries, '>=', 1, 'it is tried again');
cmp_ok($tries, '<=', 20, 'but not by each request');

$redis->start;
comes_back('a server that was restarted is found again');

# a restart while nobody asks harms nobody

$redis->stop;
$redis->start;
wait_for { ask('state=1') =~ /ready=0/ } 'the closed connections';
is(ask('c=ECHO+x'), "ok \"x\"\n", 'a restart that nobody met');
unlike($nginx->log, qr/prematurely/, 'is no error');


# --- connections killed

for (1 .. 5) {
    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    comes_back('connections that were killed are made again');
}


# --- frozen

is(ask('c=ECHO+%23&n=4'), join('', map { "ok \"$_\"\n" } 0 .. 3),
   'both connections are in use');

$redis->freeze;

my @waiting = map { $nginx->connect } 1 .. 10;

$_->send('GET', '/ask?c=GET+a') for @waiting;

my $start = ShopTest::now();
my %answers;

$answers{ $_->response->body }++ for @waiting;
$time = ShopTest::now() - $start;

is_deeply([ grep { !/^error redis_(?:timeout|unavailable)$/ }
            keys %answers ], [], 'a frozen server is an error');
ok($answers{"error redis_timeout\n"}, 'a timeout for the oldest');
cmp_ok($time, '<', 1.9 * $timeout, 'within one timeout');

my $longest = 0;

for (1 .. 40) {
    ($answer, $time) = took('c=GET+a');

    $answers{$answer}++;
    $longest = $time if $time > $longest;

    ShopTest::pause(0.02);
}

cmp_ok($longest, '<', $timeout / 2,
       'then nobody waits, also not for an attempt');
is_deeply([ sort keys %answers ], [ "error redis_timeout\n", $unavailable ],
          'all are told that it is out of reach');

$redis->thaw;
comes_back('a server that thaws is found again');

# the first connection finds it out for the second, which was idle

$redis->freeze;

($answer, $time) = took('c=GET+a');
is($answer, "error redis_timeout\n", 'the first who meets a frozen server');

$longest = 0;

for (1 .. 10) {
    ($answer, $time) = took('c=GET+a');

    $longest = $time if $time > $longest;
}

cmp_ok($longest, '<', $timeout / 2, 'is the only one who waits');

$redis->thaw;
comes_back('a server that thaws is found again');

# a freeze shorter than the timeout is nothing but a delay

$redis->freeze;
$waiting[0]->send('GET', '/ask?c=ECHO+late');
ShopTest::pause(0.1);
$redis->thaw;
is($waiting[0]->response->body, "ok \"late\"\n", 'a short freeze');

# clients that leave while it is frozen

$redis->freeze;

my @leaving = map { $nginx->connect } 1 .. 10;

$_->send('GET', '/ask?c=GET+a&n=3') for @leaving;
wait_for { ask('state=1') =~ /ops=30/ } 'their operations';
$_->close for @leaving;

wait_for { ask('state=1') =~ /ops=0/ } 'nothing to be left of them';

$redis->thaw;
comes_back('a server that thaws is found again');

$_->close for @waiting;
wait_for { descriptors() <= $descriptors + 1 } 'descriptors to be closed';
cmp_ok(descriptors(), '<=', $descriptors + 1, 'no descriptor is lost');


# --- scripts are forgotten under way

my $flushes = 0;
my @clients = map { $nginx->connect } 1 .. 8;

$redis->command('DEL', 'n');

for my $round (1 .. 20) {
    $_->send('GET', '/ask?s=count+1+n+1&n=10') for @clients;
    $redis->command('SCRIPT', 'FLUSH');

    for my $client (@clients) {
        $flushes++ for $client->response->body =~ /^ok :\d+$/mg;
    }
}

is($flushes, 1600, 'each script ran while the server forgot them');
is($redis->command('GET', 'n'), 1600, 'once');


# --- never there

$nginx = client('redis://127.0.0.1:' . free_port());
is(ask('c=PING'), $unavailable, 'a port that nobody listens on');

$nginx = client('unix:' . temp_dir('none') . '/none.sock');
is(ask('c=PING'), $unavailable, 'a socket that does not exist');

# a listener with a full queue swallows connects

my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
    or die "listen: $!\n";
my @queue = map {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', Blocking => 0,
                          PeerPort => $deaf->sockport)
} 1 .. 8;

$nginx = client('redis://127.0.0.1:' . $deaf->sockport
                . ' connect_timeout=2400 timeout=' . 1000 * $timeout);

($answer, $time) = took('c=PING');
is($answer, "error redis_timeout\n", 'a server that does not accept');
cmp_ok($time, '<', 1.9 * $timeout, 'costs one timeout');

$longest = 0;

for (1 .. 40) {
    ($answer, $time) = took('c=GET+a');

    $answers{$answer}++;
    $longest = $time if $time > $longest;

    ShopTest::pause(0.02);
}

cmp_ok($longest, '<', $timeout / 2, 'once');

done_testing();
