# While a worker asks where the servers are: who waits for the answer may go,
# nginx may quit or reload.  And each node of a cluster is a server of its
# own: what it answers is logged for it, and its certificate is its own.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;
use ShopTest::Certificate ();
use ShopTest::RedisFault;

# one at a time, so that what a server is asked is asked by this one

my $running;

sub client {
    my ($parameters) = @_;

    $running->stop if $running;

    return $running = ShopTest::RedisAsk->new($parameters);
}

sub has_server {
    my ($nginx) = @_;

    wait_for { $nginx->ask('c=ECHO+mine') eq "ok \"mine\"\n" }
        'the server', 30;
}

sub bulk { return ShopTest::RedisFault::bulk($_[0]) }

# of nodes with an equal part of the slots

sub map_of {
    my (@nodes) = @_;
    my $map = '*' . @nodes . "\r\n";

    for my $i (0 .. $#nodes) {
        $map .= "*3\r\n:" . int(16384 * $i / @nodes) . "\r\n:"
                . (int(16384 * ($i + 1) / @nodes) - 1) . "\r\n*2\r\n"
                . bulk('127.0.0.1') . ":$nodes[$i]->{port}\r\n";
    }

    return $map;
}


# --- a fake that is all there is: who says where, and who is there

my $fake = ShopTest::RedisFault->new;
my $url = $fake->url;

$fake->on(ROLE => [ "*1\r\n" . bulk('master') ]);

my @kinds = (
    [ 'a map', 'CLUSTER', map_of($fake), "$url cluster" ],
    [ 'a sentinel', 'SENTINEL',
      "*2\r\n" . bulk('127.0.0.1') . bulk($fake->{port}),
      "$url sentinel=main" ],
);

for (@kinds) {
    my ($what, $word, $answer, $redis) = @$_;

    my $asks = sub {
        my ($nginx, @steps) = @_;

        $fake->on($word => \@steps);
        $fake->asked;

        my $client = $nginx->connect;

        $client->send('GET', '/ask?c=ECHO+mine');
        wait_for { $fake->asked($word) } "$what to be asked", 30;

        return $client;
    };

    # who waits goes

    my $nginx = client("$redis timeout=2000");

    $asks->($nginx, { wait => 0.5 }, $answer)->close;
    is($nginx->ask('c=ECHO+1&n=3&cancel=20'), "freed\n" x 3,
       "$what: who waits for it may be freed");
    $nginx->idle;
    pass("$what: ... and nothing is left of who went");

    $fake->on($word => [ $answer ]);
    has_server($nginx);
    pass("$what: the next one is told");

    # who waits for the connection to whom it names

    $nginx = client("$redis timeout=2000");
    $fake->on($_ => [ { wait => 0.5 }, '+OK' . "\r\n" ]) for 'PING';
    $fake->on(HMGET => [ { wait => 0.5 }, ShopTest::RedisFault::proper(
        'HMGET') ]);

    is($nginx->ask('c=ECHO+1&n=3&cancel=100'), "freed\n" x 3,
       "$what: who waits for a connection may be freed");
    $nginx->idle;
    $fake->on($_ => undef) for qw(PING HMGET);
    has_server($nginx);
    pass("$what: ... and the next one has it");

    # a reload, and the end

    $nginx = client("$redis timeout=5000");

    my $client = $asks->($nginx, { wait => 0.5 }, $answer);

    $nginx->reload;
    is($client->response->body, "ok \"mine\"\n",
       "$what: who waits is answered in spite of a reload");
    is($nginx->ask('c=ECHO+new'), "ok \"new\"\n",
       "$what: ... and new workers ask themselves");

    $nginx = client("$redis timeout=5000");
    $client = $asks->($nginx, { wait => 0.5 }, $answer);

    kill 'QUIT', $nginx->pid;
    is($client->response->body, "ok \"mine\"\n",
       "$what: who waits is answered by a worker that quits");

    $nginx = client("$redis timeout=30000");
    $client = $asks->($nginx, { stall => 1 });
    $nginx->stop('TERM');
    is($client->response->body, "error redis_unavailable\n",
       "$what: a worker that ends at once tells who waits");

    # with nobody waiting, nothing is to be waited for

    $nginx = client("$redis timeout=30000");
    $asks->($nginx, { stall => 1 })->close;
    $nginx->idle;

    my $begin = ShopTest::now();

    $nginx->stop;
    cmp_ok(ShopTest::now() - $begin, '<', 8,
           "$what: a question that is out keeps no worker");

    $fake->on($word => undef);
}


# --- what a node answers is named for that node, once

{
    my @nodes = map { ShopTest::RedisFault->new } 1 .. 2;

    $_->on(CLUSTER => [ map_of(@nodes) ]) for @nodes;

    my $nginx = client($nodes[0]->url . ' cluster timeout=400');

    is($nginx->ask('c=ECHO+%23&n=20'),
       join('', map { "ok \"$_\"\n" } 0 .. 19), 'two nodes');

    for my $code (qw(OOM LOADING READONLY MASTERDOWN NOAUTH WRONGPASS BUSY
                     MISCONF CLUSTERDOWN))
    {
        for my $node (@nodes) {
            $node->on(SET => [ "-$code secret-text\r\n" ]);
            $nginx->ask('c=SET+%23+x&n=20') for 1 .. 2;
            $node->on(SET => undef);
        }

        my @lines = $nginx->log_lines(qr/\[error\] .* answers $code\b/);

        is(scalar @lines, 2, "$code is named once for each node")
            or diag(@lines);
        is(scalar(grep { my $url = $_->url; grep { /\Q$url\E/ } @lines }
                  @nodes), 2, '... which it names');
        ok(!grep({ /secret-text/ } @lines), '... without its text');
    }
}


# --- TLS: each node proves who it is

{
    my $ca = ShopTest::Certificate->authority;
    my $other = ShopTest::Certificate->authority;

    my ($good, $bad) = map {
        ShopTest::RedisFault->new(tls => $_->issue('127.0.0.1'))
    } $ca, $other;

    $good->on(CLUSTER => [ map_of($good, $good) ]);

    (my $url = $good->url) =~ s/^redis/rediss/;
    my $times = 'timeout=8000 connect_timeout=8000';
    my $trust = 'ca=' . $ca->file;

    my $nginx = client("$url cluster $times $trust");

    is($nginx->ask('c=ECHO+%23&n=20'),
       join('', map { "ok \"$_\"\n" } 0 .. 19), 'a cluster by TLS');
    is(client("$url cluster $times")->ask('c=ECHO+x'),
       "error redis_unavailable\n", 'not with an unknown authority');

    $good->on(CLUSTER => [ map_of($good, $bad) ]);
    $nginx = client("$url cluster $times $trust");

    my %said;

    for my $key (0 .. 19) {
        my $answer = $nginx->ask("c=ECHO+$key");
        $said{ $answer eq "ok \"$key\"\n" ? 'ok' : $answer }++;
    }

    is_deeply([ sort keys %said ], [ "error redis_unavailable\n", 'ok' ],
              'a node that the map names has to prove itself, too');
    like($nginx->log, qr/certificate of \S+:$bad->{port} is not/,
         'the log says which');
}

done_testing();
