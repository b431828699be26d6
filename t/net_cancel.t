
# Whoever asked may go away at any moment: while the name is resolved, the
# connection made, hands shaken, the request written, the answer read, or
# just as it comes.  Nothing may be left of the exchange, which is seen in
# the sockets of the worker, and nothing may call back.

use lib 't/lib';
use ShopTest;

use IO::Socket::INET;
use Socket;

use ShopTest::Certificate;
use ShopTest::DNS;
use ShopTest::Fetch qw(fetch fetch_nginx fetch_uri idle);
use ShopTest::HTTP;
use ShopTest::Server qw(answer);

my $head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

my %steps = (
    '/silent' => [ { stall => 1 } ],
    '/status' => [ 'HTTP/1.1 20', { stall => 1 } ],
    '/head'   => [ "HTTP/1.1 200 OK\r\nContent-", { stall => 1 } ],
    '/body'   => [ "${head}half", { stall => 1 } ],
    '/eof'    => [ "HTTP/1.1 200 OK\r\n\r\nhalf", { stall => 1 } ],
    '/chunk'  => [ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   . "5\r\nhel", { stall => 1 } ],
    '/drip'   => [ { drip => $head . 'x' x 100, every => 0.01 } ],
);

sub handler {
    my ($request) = @_;

    return $steps{ $request->{path} } ? [ @{ $steps{ $request->{path} } } ]
                                      : answer(200, [], 'fine');
}

my $server = ShopTest::Server->new(handler => \&handler);

my $ca = ShopTest::Certificate->authority;
my $secure = ShopTest::Server->new(handler => \&handler,
                                   tls => $ca->issue('localhost'),
                                   host => 'localhost');

# it never reads more than what fills its first request

my $deaf = ShopTest::Server->new(raw => sub { [ { stall => 1 } ] });

my $dead = IO::Socket::INET->new(LocalAddr => '127.0.0.3', Listen => 1)
    or die "127.0.0.3: $!\n";
my @fill;

for (1 .. 8) {
    socket my $socket, PF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
    IO::Handle::blocking($socket, 0);
    connect $socket, pack_sockaddr_in($dead->sockport, inet_aton('127.0.0.3'));
    push @fill, $socket;
}

my $dns = ShopTest::DNS->new(names => {
    'mute.test' => { silent => 1 },
    'slow.test' => { wait => 0.05, addresses => [ '127.0.0.1' ] },
});

my $nginx = fetch_nginx(
    conf     => "ca=@{[ $ca->file ]}",
    location => "resolver @{[ $dns->address ]} ipv6=off;",
);


# sockets of the worker that are connected, or on their way

sub sockets {
    my ($pid) = $nginx->workers or return 0;
    my %inodes;

    for my $fd (glob "/proc/$pid/fd/*") {
        my $target = readlink $fd or next;

        $inodes{$1} = 1 if $target =~ /^socket:\[(\d+)\]$/;
    }

    my $count = 0;

    for (split /\n/, ShopTest::read_file("/proc/$pid/net/tcp")) {
        my @field = split;

        # states: established, SYN sent, close wait; not listening

        $count++ if @field > 9 && $inodes{ $field[9] }
                    && $field[3] =~ /^0[128]$/;
    }

    return $count;
}


# what says that the worker has come so far

sub logged {
    my ($regex) = @_;
    my $from = length $nginx->log;

    return sub { substr($nginx->log, $from) =~ $regex };
}


sub stalled {
    my ($on) = @_;

    return sub { $on->open_connections > 0 };
}


sub at {
    my ($name, $args, $there) = @_;

    for my $way ('close', 'reset') {
        my $until = $there->();
        my $c = ShopTest::HTTP->connect($nginx->port);

        $c->send('GET', fetch_uri(timeout => 30000, %$args));

        wait_for { $until->() } $name;
        ok(sockets() > 0, "$name: there is something to clean up");

        $c->$way;

        wait_for { sockets() == 0 } "$name: the sockets to be closed";
        ok(1, "... and with $way nothing is left");
    }
}


is(sockets(), 0, 'a worker has no connection of its own');

at('resolving', { url => 'http://mute.test/', trust => 1 },
   sub { logged(qr/resolve: "mute\.test"/) });
at('resolving with another', { url => 'http://mute.test/', trust => 1,
                               rival => 1 },
   sub { logged(qr/resolve: "mute\.test".*resolve: "mute\.test"/s) });
at('connecting',
   { url => 'http://127.0.0.3:' . $dead->sockport . '/' },
   sub { logged(qr/connect to 127\.0\.0\.3/) });
at('shaking hands', { url => 'https://localhost:' . $deaf->port . '/' },
   sub { stalled($deaf) });
at('writing', { url => $deaf->url . '/', method => 'POST',
                size => 20000000 },
   sub { stalled($deaf) });
at('writing with TLS',
   { url => $secure->url . '/silent', method => 'POST', size => 20000000 },
   sub { stalled($secure) });

for my $path (sort keys %steps) {
    at("reading $path", { url => $server->url . $path },
       sub { $server->forget; sub { $server->count($path) } });
    at("reading $path with TLS", { url => $secure->url . $path },
       sub { $secure->forget; sub { $secure->count($path) } });
}

at('two at once', { url => $server->url . '/body', rival => 1 },
   sub { $server->forget; sub { $server->count('/body') == 2 } });

# on a connection that was kept

for my $on ($server, $secure) {
    my $url = $on->url;

    for my $path ('/silent', '/body') {
        is(fetch($nginx, url => "$url/keep")->{idle}, 1, 'one is kept');

        my $before = $on->connections;

        at("$path on a kept one", { url => "$url$path" }, sub {
            $on->forget;
            sub { $on->count($path) };
        });

        # the second of the two made its own, as the first was not kept

        is($on->connections, $before + 1, '... it was used');
    }
}

# just as it comes, whenever that is

for my $url ($server->url, $secure->url, 'http://slow.test:' . $server->port) {
    my $left = 0;

    for my $n (0 .. 30) {
        my $got = fetch($nginx, url => "$url/now", trust => 1,
                        cancel => $n < 10 ? $n % 4 : 40 + $n);

        $left++ if $got->{rc} ne 'ok' && $got->{reason} ne 'canceled';
        $left++ if $got->{calls} > 1 || $got->{early};
    }

    is($left, 0, "$url: done or canceled, never both");
}

for my $on ($server, $secure) {
    fetch($nginx, url => $on->url . '/silent', timeout => 30, rival => 1);
}

fetch($nginx, url => $_->url . '/keep') for $server, $secure;

wait_for { sockets() == idle($nginx) } 'the kept ones to be all';
ok(1, 'what is open is idle');

# the response is there before the request is written

my $hasty = ShopTest::Server->new(greeting => [
    "HTTP/1.1 413 No\r\nContent-Length: 4\r\n\r\nstop", { stall => 1 },
], handler => sub { [] });

my $got = fetch($nginx, url => $hasty->url . '/', method => 'POST',
                size => 20000000);
is("$got->{rc} $got->{status} $got->{body}", 'ok 413 stop',
   'an answer to a request of which most was not written');

wait_for { $hasty->open_connections == 0 } 'its connection to be closed';

ok(1, 'the connection is closed');

done_testing();
