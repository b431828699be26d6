# A Redis that sends nonsense, half an answer, none, or one too late: a
# request gets its own reply or an error, in time, and the next one is fine.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;

use ShopTest::RedisFault;

my $fault = ShopTest::RedisFault->new;

my $nginx = ShopTest::RedisAsk->new(
    $fault->url . ' timeout=300 connections=1 max_queue=10');

sub ask { return $nginx->ask(@_) }

sub state_is {
    my ($expected) = @_;

    wait_for { ask('state=1') =~ $expected } "state $expected";
}

# the first who may connect again; until then answers come at once

sub recovers {
    my ($what) = @_;
    my $answer;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for { ($answer = ask('c=ECHO+back')) !~ /^error / } 'an answer';

    is($answer, "ok \"back\"\n", "$what, and the next is fine");
}

# when the fake got ECHO from a request that is under way

sub echo_from {
    my ($uri, $client) = @_;

    $client ||= $nginx->connect;

    $fault->asked;
    $client->send('GET', $uri);
    wait_for { $fault->asked('ECHO') } "the command of $uri";

    return $client;
}

sub took {
    my ($query) = @_;
    my $start = ShopTest::now();
    my $answer = ask($query);

    return ($answer, ShopTest::now() - $start);
}


is(ask('c=ECHO+%23&n=5'), join('', map { "ok \"$_\"\n" } 0 .. 4),
   'the fake answers properly');


# --- wrong answers

my $unavailable = "error redis_unavailable\n";

for my $case (
    [ 'garbage',              [ "HTTP/1.1 400 Bad Request\r\n\r\n" ] ],
    [ 'a NUL',                [ "\0" ] ],
    [ 'half a string',        [ "\$5\r\nab", { close => 1 } ] ],
    [ 'half a line',          [ '+O', { close => 1 } ] ],
    [ 'half an array',        [ "*2\r\n:1\r\n", { close => 1 } ] ],
    [ 'nothing and a close',  [ { close => 1 } ] ],
    [ 'a reset',              [ { reset => 1 } ] ],
    [ 'a reset in the middle', [ "\$5\r\nab", { wait => 0.05 },
                                 { reset => 1 } ] ],
    [ 'a gigabyte announced', [ "\$1073741824\r\nxxxx", { stall => 1 } ] ],
    [ 'an array of billions', [ "*2147483647\r\n", { stall => 1 } ] ],
    [ 'arrays without end',   [ "*1\r\n" x 100, { stall => 1 } ] ],
    [ 'a line without end',   [ '+', { repeat => 'x' x 1000 } ] ],
    [ 'RESP3',                [ "%1\r\n:1\r\n:2\r\n" ] ],
) {
    my ($what, $steps) = @$case;

    $fault->once(ECHO => $steps);

    is(ask('c=ECHO+1'), $unavailable, "$what is an error");
    recovers($what);
}

# it is their size that ends it, and that takes a moment

{
    my $patient = ShopTest::RedisAsk->new(
        $fault->url . ' timeout=20000 connections=1');

    $fault->once(ECHO => [ "*65536\r\n", {
        repeat => "\$1000\r\n" . 'x' x 1000 . "\r\n" } ]);
    is($patient->ask('c=ECHO+1'), $unavailable,
       'strings without end is an error');
    $patient->stop;
}

$fault->once(ECHO => [ "-ERR no\r\n" ]);
is(ask('c=ECHO+1'), "ok -ERR no\n", 'an error is a reply');

$fault->once(ECHO => [ { drip => "*2\r\n\$3\r\nabc\r\n:-15\r\n",
                         every => 0.002 } ]);
is(ask('c=ECHO+1'), "ok [\"abc\" :-15]\n", 'a reply may come byte by byte');

$fault->once(ECHO => [ '%s%s' ]);
is(ask('c=ECHO+1'), "ok \"1\"\n", 'of two replies to one command');
recovers('the second closes the connection');

$fault->once(ECHO => [ '%s', { wait => 0.05 }, "+late\r\n" ]);
is(ask('c=ECHO+1'), "ok \"1\"\n", 'before a reply that nobody asked for');
state_is(qr/ready=0/);
recovers('an idle connection that speaks is closed');

$fault->once(ECHO => [ '%s', "x\r\n" ]);
is(ask('c=ECHO+1&n=3'), "ok \"1\"\n" . $unavailable x 2,
   'a reply before garbage counts, what follows does not');
recovers('garbage behind a reply');

$fault->once(ECHO => [ "*2\r\n%s" ]);
is(ask('c=ECHO+a&c=ECHO+b'), "error redis_timeout\n",
   'a reply that swallows the next one ends by time');
recovers('a reply that swallows another');

# --- no answer

$fault->once(ECHO => [ { stall => 1 } ]);

my ($answer, $time) = took('c=ECHO+1');

is($answer, "error redis_timeout\n", 'no reply is a timeout');
cmp_ok($time, '>', 0.28, 'not before its time');
cmp_ok($time, '<', 1, 'nor much later');

recovers('a silent server');

$fault->once(ECHO => [ "\$5\r\nab", { stall => 1 } ]);
is(ask('c=ECHO+1'), "error redis_timeout\n", 'so is half a reply');
recovers('half a reply');

# the connection is given up with its oldest operation

$fault->once(ECHO => [ { stall => 1 } ]);

my $first = echo_from('/ask?c=ECHO+first');
my $second = $nginx->connect;

ShopTest::pause(0.2);
$second->send('GET', '/ask?c=ECHO+second');

is($first->response->body, "error redis_timeout\n", 'the oldest times out');

my $start = ShopTest::now();
is($second->response->body, $unavailable, 'others fail with it');
cmp_ok(ShopTest::now() - $start, '<', 0.18, 'and do not wait on');

recovers('a connection given up');


# --- late answers

my $before = $fault->connections;

$fault->once(ECHO => [ { wait => 0.15 }, '%s' ]);

echo_from('/ask?c=ECHO+gone&c=ECHO+gone2')->close;

is(ask('c=ECHO+mine&c=ECHO+also'), "ok \"mine\" \"also\"\n",
   'after a client left, the next has its own reply');
is($fault->connections, $before, 'on the same connection');
state_is(qr/ops=0/);

$fault->once(ECHO => [ "\$200\r\nab", { wait => 0.15 }, 'c' x 198 . "\r\n" ]);

echo_from('/ask?c=ECHO+gone')->reset;

is(ask('c=ECHO+mine'), "ok \"mine\"\n",
   'also when the client left in the middle of a reply');
is($fault->connections, $before, 'on the same connection');
state_is(qr/ops=0/);

$fault->once(ECHO => [ { wait => 0.1 }, '%s' ]);
is(ask('c=ECHO+%23&n=5&cancel=20'), "freed\n" x 5,
   'operations are freed while they are out');
is(ask('c=ECHO+mine'), "ok \"mine\"\n", 'and their replies dropped');
is($fault->connections, $before, 'on the same connection');

# an orphan is still watched

$fault->once(ECHO => [ { stall => 1 } ]);
is(ask('c=ECHO+1&cancel=20'), "freed\n", 'an operation is freed');
state_is(qr/ops=0 failures=1/);
recovers('a server that does not answer an orphan');

# freed while it waits for a connection that comes to nothing

$fault->once(HMGET => [ { stall => 1 } ]);
$fault->once(ECHO => [ { close => 1 } ]);
is(ask('c=ECHO+1'), $unavailable, 'a connection is lost');
wait_for { ask('c=ECHO+1&cancel=20') eq "freed\n" }
    'an operation that waits for a connection';
state_is(qr/ops=0/);
recovers('a connection that nobody waited for');


# --- the queue

$fault->once(ECHO => [ { wait => 0.1 }, '%s' ]);
is(ask('c=ECHO+%23&n=13'),
   join('', map { "ok \"$_\"\n" } 0 .. 9) . "busy redis_busy\n" x 3,
   'the queue has an end');

$fault->once(ECHO => [ { wait => 0.1 }, '%s' ]);
is(ask('c=ECHO+%23&n=10&cancel=20'), "freed\n" x 10, 'orphans');
is(ask('c=ECHO+1'), "busy redis_busy\n", 'are part of it');
state_is(qr/ops=0/);
is(ask('c=ECHO+1'), "ok \"1\"\n", 'until they are gone');


# --- scripts

$fault->on(EVALSHA => [ "-NOSCRIPT No matching script.\r\n" ]);
$fault->asked;
is(ask('s=pair+1+k+a&c=ECHO+1'),
   "ok -NOSCRIPT No matching script. \"1\"\n",
   'a script that is never known ends as an error');
is_deeply([ map { $_->[0] } $fault->asked ],
          [ qw(EVALSHA ECHO SCRIPT EVALSHA) ], 'after one more try');

$fault->on(SCRIPT => [ "-NOPERM no\r\n" ]);
is(ask('s=pair+1+k+a'), "ok -NOSCRIPT No matching script.\n",
   'so does one that cannot be loaded');

$fault->on(SCRIPT => [ { close => 1 } ]);
is(ask('s=pair+1+k+a&c=ECHO+1'), $unavailable,
   'a connection lost in the reload is an error');
recovers('a reload cut off');

$fault->on(SCRIPT => [ { stall => 1 } ]);
($answer, $time) = took('s=pair+1+k+a&c=ECHO+1');
is($answer, "error redis_timeout\n", 'a reload that hangs is a timeout');
cmp_ok($time, '<', 1, 'of the operation');
recovers('a reload that hangs');

$fault->on(SCRIPT => [ { wait => 0.1 }, "+x\r\n" ]);
is(ask('s=pair+1+k+a&c=ECHO+1&cancel=30'), "freed\n",
   'an operation freed in a reload');
is(ask('c=ECHO+mine'), "ok \"mine\"\n", 'leaves its replies to nobody');
state_is(qr/ops=0/);

$fault->on($_ => undef) for qw(EVALSHA SCRIPT);


# --- faults are logged once

$fault->on(SET => [ "-OOM command not allowed, secret-value\r\n" ]);
is(ask('c=SET+a+secret-value'),
   "ok -OOM command not allowed, secret-value\n", 'a fault, again and again')
    for 1 .. 3;

is(scalar(() = $nginx->log =~ /\[error\] .* answers OOM/g), 1,
   'is logged once');
ok(!grep({ /secret-value/ } $nginx->log_lines(qr/\[error\]/)),
   'without its text');


# --- an answer before the question has gone out

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
    or die "listen: $!\n";

my $hasty = ShopTest::fork_server('hasty redis', sub {
    my ($parent) = @_;
    my ($socket, @kept);

    while ($socket = $listen->accept) {
        push @kept, $socket;

        sysread $socket, my $bytes, 1000;
        syswrite $socket, ShopTest::RedisFault::proper('HMGET');
        sysread $socket, $bytes, 1000;
        syswrite $socket, "+OK\r\n";

        last if @kept == 2;
    }

    sysread $parent, my $end, 1;
});

my $other = ShopTest::RedisAsk->new(
    'redis://127.0.0.1:' . $listen->sockport . ' connections=1 timeout=8000');

is($other->ask('c=GET+*8000000'), $unavailable,
   'a reply before its command was sent is not taken');
like($other->log, qr/sent a reply that nobody asked for/,
     'as if nobody had asked');

ShopTest::stop_process($hasty, 'KILL', 3);


# --- a worker that leaves

$fault->on(ECHO => [ { wait => 0.1 }, '%s' ]);
echo_from('/ask?c=ECHO+last', $first);

kill 'QUIT', $nginx->pid;

is($first->response->body, "ok \"last\"\n",
   'a worker that shuts down still gets its reply');

# a connection that still answers is not given up with another

$fault->on(ECHO => undef);

$nginx = ShopTest::RedisAsk->new(
    $fault->url . ' timeout=400 connections=2');

is(ask('c=ECHO+%23&n=2'), "ok \"0\"\nok \"1\"\n", 'two connections');
state_is(qr/ready=2/);
$before = $fault->connections;

$fault->once(ECHO => [ { stall => 1 } ]);

my $silent = echo_from('/ask?c=ECHO+1');
my @others;

for (1 .. 20) {
    push @others, $nginx->connect;
    $others[-1]->send('GET', '/ask?c=ECHO+1');
    ShopTest::pause(0.02);
}

my %answers;
$answers{ $_->response->body }++ for $silent, @others;

cmp_ok($answers{"ok \"1\"\n"}, '>', 8, 'one of two connections answers');
recovers('the other one is given up');
wait_for { ask('c=ECHO+1&n=2'); ask('state=1') =~ /ready=2/ } 'it again';
is($fault->connections, $before + 1, 'and it alone is made again');

# one that is told to end at once fails what is out

$fault->on(ECHO => [ { stall => 1 } ]);

$nginx = ShopTest::RedisAsk->new($fault->url . ' timeout=30000');

my $stuck = echo_from('/ask?c=ECHO+last&n=3');
$nginx->stop('TERM');
is($stuck->response->body, $unavailable x 3,
   'a worker that ends at once fails what is out');

# one that has nothing to do but an idle connection does not linger

$fault->on(ECHO => undef);

$nginx = ShopTest::RedisAsk->new($fault->url . ' timeout=30000');

is(ask('c=ECHO+1&n=2'), "ok \"1\"\n" x 2, 'two connections');

$start = ShopTest::now();
$nginx->stop;
cmp_ok(ShopTest::now() - $start, '<', 2, 'do not keep a worker');

done_testing();
