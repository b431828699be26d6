
# Getting a connection: names with one or many addresses, of both families,
# some of them dead; a resolver that is slow, silent or says no; localhost,
# literal addresses and unix sockets.  A dead address must cost its time and
# no more, and nothing may call back before the start has returned.

use lib 't/lib';
use ShopTest;

use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket;

use ShopTest::DNS;
use ShopTest::Fetch qw(fetch fetch_nginx fetch_uri);
use ShopTest::HTTP;
use ShopTest::Server qw(answer);

my $server = ShopTest::Server->new(handler => sub {
    return answer(200, [], "for $_[0]->{first}{host}");
});

my $port = $server->port;

# a listener whose queue is full is as silent as a dead host

my $dead = IO::Socket::INET->new(LocalAddr => '127.0.0.3', Listen => 1,
                                 LocalPort => $port, ReuseAddr => 1)
    or die "127.0.0.3: $!\n";
my @fill;

for (1 .. 8) {
    socket my $socket, PF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    IO::Handle::blocking($socket, 0);
    connect $socket, pack_sockaddr_in($port, inet_aton('127.0.0.3'));
    push @fill, $socket;
}

# on ::1 with the same port, where there is IPv6

my $six = IO::Socket::IP->new(LocalHost => '::1', LocalPort => $port,
                              Listen => 5, V6Only => 1, Proto => 'tcp');

my $dns = ShopTest::DNS->new(names => {
    'one.test'    => [ '127.0.0.1' ],
    'refused.test' => [ '127.0.0.2' ],
    'second.test' => [ '127.0.0.2', '127.0.0.1' ],
    'third.test'  => [ '127.0.0.2', '127.0.0.4', '127.0.0.1' ],
    'dead.test'   => [ '127.0.0.3' ],
    'half.test'   => [ '127.0.0.3', '127.0.0.1' ],
    'mixed.test'  => [ '127.0.0.3', '::1', '127.0.0.3', '127.0.0.3' ],
    'many.test'   => [ map { "127.0.0.$_" } 2, 4 .. 30 ],
    'six.test'    => [ '::1' ],
    'slow.test'   => { wait => 0.15, addresses => [ '127.0.0.1' ] },
    'mute.test'   => { silent => 1 },
    'fail.test'   => { rcode => 2 },
    'empty.test'  => [],
    'alias.test'  => { cname => 'one.test' },
    'loop.test'   => { cname => 'loop.test' },
});

my $nginx = fetch_nginx(
    location => "resolver @{[ $dns->address ]};",
    conf     => 'connect_timeout=500ms resolver_timeout=1s max_idle=0',
);


sub get {
    my ($name, %args) = @_;

    return fetch($nginx, url => "http://$name:$port/", trust => 1, %args);
}


sub ok_from {
    my ($got, $name) = @_;

    is("$got->{rc} $got->{reason} $got->{calls} $got->{early}", 'ok - 1 0',
       $name);
}


sub failed {
    my ($got, $reason, $name) = @_;

    is("$got->{rc} $got->{reason}", "error $reason", $name);
}


sub took {
    my ($got, $from, $to, $name) = @_;

    ok($got->{took} >= $from && $got->{took} < $to, $name)
        or diag("it took $got->{took} s");
}


# --- names ----------------------------------------------------------------

my $got = get('one.test');
ok_from($got, 'a name is resolved');
is($got->{body}, "for one.test:$port", 'and sent as Host');

ok_from(get('one.test'), 'again, from the cache of the resolver');
ok_from(get('ONE.test'), 'in capitals');
ok_from(get('alias.test'), 'an alias');
ok_from(get('slow.test'), 'a slow resolver');

ok_from(get('second.test'), 'the first of two addresses refuses') for 1 .. 3;
ok_from(get('third.test'), 'the first two of three refuse');

failed(get('refused.test'), 'connect', 'the only address refuses');
failed(get('many.test'), 'connect', 'many addresses that refuse');
failed(get('none.test'), 'resolve', 'no such name');
failed(get('fail.test'), 'resolve', 'the resolver fails');
failed(get('empty.test'), 'resolve', 'a name without addresses');
failed(get('loop.test'), 'resolve', 'an alias of itself');

$got = get('mute.test');
failed($got, 'timeout', 'the resolver is silent');
took($got, 0.9, 4, '... for its timeout');

$got = get('mute.test', timeout => 100);
failed($got, 'timeout', 'the resolver is silent, and the time is short');
took($got, 0.09, 0.9, '... for that time');


# --- dead addresses -------------------------------------------------------

$got = get('dead.test');
failed($got, 'timeout', 'a dead address');
took($got, 0.45, 4, '... costs the timeout');

$got = get('dead.test', timeout => 100);
failed($got, 'timeout', 'a dead address, and the time is short');
took($got, 0.09, 0.45, '... costs that time');

for (1 .. 4) {
    $got = get('half.test');
    ok_from($got, 'one of two addresses is dead');
    took($got, 0, 3, '... and costs the timeout at most');
}

SKIP: {
    skip 'no IPv6 here', 5 unless $six;

    my $pid = fork;

    if ($pid == 0) {
        while (my $c = $six->accept) {
            my $text = '';

            1 while $text !~ /\r\n\r\n/
                    && sysread $c, $text, 4096, length $text;

            syswrite $c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                         . "Connection: close\r\n\r\nsix";
            close $c;
        }

        POSIX::_exit(0);
    }

    is(get('six.test')->{body}, 'six', 'a name with an IPv6 address');
    is(get('[::1]')->{body}, 'six', 'an IPv6 address');

    $got = get('mixed.test');
    is($got->{body}, 'six', 'dead, IPv6, dead, dead');
    took($got, 0, 0.95, '... the second try is of the other family');

    $got = fetch($nginx, url => "http://[::1]:$port/");
    is($got->{body}, 'six', '[::1] is trusted with plain http');

    kill 'KILL', $pid;
    waitpid $pid, 0;
}

close $six if $six;


# --- without a resolver ---------------------------------------------------

my $bare = fetch_nginx(conf => 'connect_timeout=500ms max_idle=0');

ok_from(fetch($bare, url => "http://127.0.0.1:$port/"), 'an address');
ok_from(fetch($bare, url => "http://localhost:$port/"), 'localhost');
ok_from(fetch($bare, url => "http://LOCALHOST:$port/"), 'LOCALHOST');

failed(fetch($bare, url => "http://one.test:$port/", trust => 1), 'resolve',
       'a name, and nobody to ask');
failed(fetch($bare, url => "http://127.0.0.2:$port/"), 'connect',
       'an address that refuses');

$got = fetch($bare, url => "http://127.0.0.3:$port/");
failed($got, 'timeout', 'an address that is dead');
took($got, 0.45, 4, '... for the timeout');

ok_from(fetch($bare, peer => "127.0.0.1:$port"), 'a peer by address');
ok_from(fetch($bare, peer => "localhost.:$port"), 'localhost with a dot');
failed(fetch($bare, peer => "127.0.0.2:$port"), 'connect', 'that refuses');
failed(fetch($bare, peer => ":$port"), 'resolve', 'no name at all');

my $path = temp_dir() . '/socket';
my $unix = IO::Socket::UNIX->new(Local => $path, Listen => 5)
    or die "$path: $!\n";

ok_from(fetch($bare, peer => "unix:$path"), 'a unix socket');
failed(fetch($bare, peer => "unix:$path.not"), 'connect',
       'a unix socket that is not there');
failed(fetch($bare, peer => 'unix:/' . 'x' x 200), 'connect',
       'a path too long for a unix socket');


# --- many at once ---------------------------------------------------------

# All wait for one answer of the resolver, and some go away meanwhile.

my @clients = map {
    my $c = ShopTest::HTTP->connect($nginx->port);

    $c->send('GET', fetch_uri(url => "http://slow.test:$port/", trust => 1),
             headers => [ Connection => 'close' ]);
    $c;
} 1 .. 12;

$clients[$_]->close for 0, 3, 4, 11;

my @bodies = map { $_->response->body }
    @clients[ grep { $_ != 0 && $_ != 3 && $_ != 4 && $_ != 11 } 0 .. 11 ];

is(scalar(grep { /^rc: ok/ } @bodies), 8, 'others are served');

for my $name ('slow.test', 'second.test', 'fail.test', 'none.test') {
    $got = get($name, rival => 1);
    is($got->{calls}, 1, "the first of two frees the other ($name)");
}

for my $name ('slow.test', 'one.test', 'dead.test', 'half.test', 'mute.test',
              '127.0.0.1')
{
    for my $delay (0, 1, 20) {
        $got = get($name, cancel => $delay, timeout => 1000);

        next if $got->{rc} eq 'ok' && $delay;

        is("$got->{rc} $got->{reason}", 'error canceled',
           "$name, canceled after $delay ms");
    }
}

for my $peer ("unix:$path", "127.0.0.1:$port") {
    for my $delay (0, 1) {
        $got = fetch($bare, peer => $peer, cancel => $delay);

        ok($got->{rc} eq 'ok' || $got->{reason} eq 'canceled',
           (split /:/, $peer)[0] . ", canceled after $delay ms");
    }
}

# started twice, which is an error of the owner and must be nothing more

my $twice = fetch_nginx(allow => [ qr/was started twice/ ],
                        conf  => 'max_idle=0');

for my $url ($server->url, "http://127.0.0.2:$port") {
    $got = fetch($twice, url => "$url/", twice => 1);
    is($got->{calls}, 1, "$url started twice");
}

$got = fetch($twice, peer => "127.0.0.1:$port", twice => 1);
is("$got->{rc} $got->{calls}", 'ok 1', 'a peer started twice');

$nginx->wait_log(qr/"none\.test" could not be resolved \(3: Host not found\)/);
$nginx->wait_log(qr/could not connect to 127\.0\.0\.3:\d+ of "dead\.test"/);

wait_for { $server->open_connections == 0 } 'all connections to be closed';

ok(1, 'no connection is left');

done_testing();
