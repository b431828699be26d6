
# Connections that are kept: used again, dropped when the peer, the clock or
# nginx wants it, and never used when a byte is left on them that could be
# taken for the answer to another customer's request.

use lib 't/lib';
use ShopTest;

use ShopTest::Certificate;
use ShopTest::Fetch qw(fetch fetch_nginx fetch_uri idle);
use ShopTest::HTTP;
use ShopTest::Server qw(answer);

my $evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
my $good = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

sub handler {
    my ($request, $state) = @_;
    my $path = $request->{path};
    my $number = $request->{number};

    return answer(200, [ Connection => 'close' ], 'bye')
        if $path eq '/close';
    return [ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold" ]
        if $path eq '/1.0';
    return [ "HTTP/1.1 200 OK\r\n\r\nto the end", { close => 1 } ]
        if $path eq '/eof';
    return [ $good . $evil ]                       if $path eq '/behind';
    return [ "$good\r\n" ]                         if $path eq '/crlf';
    return [ $good, { wait => 0.05 }, $evil ]      if $path eq '/later';
    return [ $good, { wait => 0.05 }, { close => 1 } ]
        if $path eq '/leave';
    return [ $good, { wait => 0.05 }, { reset => 1 } ]
        if $path eq '/leave/reset';
    return [ "HTTP/1.1 204 No\r\n\r\nbody" ]       if $path eq '/204/body';
    return [ { stall => 1 } ]                      if $path eq '/silent';

    # on a connection that was used before

    return [ { close => 1 } ] if $path eq '/stale' && $number > 1;
    return [ { reset => 1 } ] if $path eq '/stale/reset' && $number > 1;
    return [ { wait => 0.05 }, { close => 1 } ]
        if $path eq '/stale/slow' && $number > 1;
    return [ 'HTTP/1.1 2', { close => 1 } ]
        if $path eq '/stale/begun' && $number > 1;
    return [ { close => 1 } ] if $path eq '/stale/always';

    return answer(200, [], "$request->{connection} $path");
}

my $server = ShopTest::Server->new(handler => \&handler);
my $other = ShopTest::Server->new(handler => \&handler);
my $third = ShopTest::Server->new(handler => \&handler);

my $ca = ShopTest::Certificate->authority;
my $secure = ShopTest::Server->new(handler => \&handler,
                                   tls => $ca->issue('localhost'),
                                   host => 'localhost');

my $nginx = fetch_nginx(conf => "ca=@{[ $ca->file ]} max_idle=2");


sub get {
    my ($path, %args) = @_;

    return fetch($nginx, url => $server->url . $path, %args);
}


# Starts on a new connection, which is kept, and returns how many there were.

sub fresh {
    my ($on) = @_;
    $on ||= $server;

    fetch($nginx, url => $on->url . '/close');

    wait_for { idle($nginx) == 0 } 'no idle connection' if $on == $server;

    my $got = fetch($nginx, url => $on->url . '/fresh');

    is("$got->{rc} $got->{idle}", 'ok 1', 'a connection is kept')
        if $on == $server;

    $on->forget;

    return $on->connections;
}


# --- used again -----------------------------------------------------------

my $got = get('/a');
is("$got->{rc} $got->{body} $got->{idle}", 'ok 1 /a 1', 'the first request');

for my $path ('/b', '/c', '/d') {
    $got = get($path);
    is("$got->{rc} $got->{body} $got->{calls} $got->{early}",
       "ok 1 $path 1 0", 'another on the same connection');
}

is(get('/e', method => 'POST', body => 'x' x 5000)->{body}, '1 /e',
   'a POST, too');
is(idle($nginx), 1, 'it is one connection');


# --- not kept -------------------------------------------------------------

for my $path ('/close', '/1.0', '/eof', '/behind', '/crlf', '/204/body') {
    my $before = fresh();

    $got = get($path);
    is("$got->{rc} $got->{idle}", 'ok 0', "$path: not kept");

    $got = get('/next');
    is($got->{body}, $before + 1 . ' /next', '... the next is on a new one');

    get('/close');
}


# --- dropped while idle ---------------------------------------------------

for my $path ('/later', '/leave', '/leave/reset') {
    my $before = fresh();

    $got = get($path);
    is($got->{body}, 'good', "$path: the answer");

    wait_for { idle($nginx) == 0 } 'it to be closed';

    is(get('/next')->{body}, $before + 1 . ' /next',
       '... then closed, and the next answer is its own');

    get('/close');
}

# bytes that are there already, again and again

for (1 .. 20) {
    get('/own');
    get('/behind');
    $got = get('/own');

    last if $got->{body} !~ m{^\d+ /own$};
}

like($got->{body}, qr{^\d+ /own$}, 'an answer is never that of another');

my $short = fetch_nginx(conf => 'idle_timeout=100ms');

$got = fetch($short, url => $other->url . '/');
is($got->{idle}, 1, 'kept for a short time');
wait_for { idle($short) == 0 } 'the end of it';
ok(1, 'and then no more');


# --- dead when it is used -------------------------------------------------

for my $path ('/stale', '/stale/reset', '/stale/slow') {
    my $before = fresh();

    $got = get($path);
    is("$got->{rc} $got->{calls} $got->{body}",
       'ok 1 ' . ($before + 1) . " $path", "$path: asked again");
    is($server->count($path), 2, '... once');

    for my $method ('PUT', 'DELETE') {
        fresh();
        is(get($path, method => $method)->{rc}, 'ok', "... so is $method");
    }

    fresh();
    $got = get($path, method => 'POST', body => 'a=b');
    is("$got->{rc} $got->{reason}", 'error closed', '... a POST is not');
    is($server->count($path), 1, '... as it may have been done');
}

fresh();
$got = get('/stale/begun');
is("$got->{rc} $got->{reason}", 'error closed',
   'an answer that had begun is not asked for again');
is($server->count('/stale/begun'), 1, '... really not');

fresh();
$got = get('/stale/always');
is("$got->{rc} $got->{reason}", 'error closed', 'dead on a new one, too');
is($server->count('/stale/always'), 2, '... asked twice, not for ever');


# --- which one ------------------------------------------------------------

fresh();

my $local = $server->url;
$local =~ s/127\.0\.0\.1/localhost/;

my $before = $server->connections;
$got = fetch($nginx, url => "$local/");
is($got->{body}, $before + 1 . ' /', 'another name is another connection');
is($got->{idle}, 2, 'both are kept');

fetch($nginx, url => $other->url . '/');
is(idle($nginx), 2, 'more than max_idle are not');
wait_for { $server->open_connections == 1 } 'the oldest to be closed';

$got = fetch($nginx, url => "$local/");
is($got->{body}, $before + 1 . ' /', 'the oldest was closed, not this');

fetch($nginx, url => $third->url . '/');
wait_for { $other->open_connections == 0 } 'the next oldest to be closed';
ok(1, 'the one that was not used for longest goes first');

get('/close');
fetch($nginx, url => "$local/close");
fetch($nginx, url => $third->url . '/close');


# --- left half-way --------------------------------------------------------

for my $way ('timeout', 'cancel') {
    $before = fresh();

    $got = get('/silent', $way => 50);
    is($got->{rc}, 'error', "$way on a kept connection");
    is($got->{idle}, 0, '... it is not kept any longer')
        if $way eq 'timeout';

    is(get('/next')->{body}, $before + 1 . ' /next', '... nor used');
}

$before = fresh();
$got = get('/x', cancel => 0);
is($got->{reason}, 'canceled', 'canceled before it was sent');
is(get('/next')->{body}, $before + 1 . ' /next', '... not used again');
is($server->count('/x'), 0, '... and was not sent');


# --- with TLS -------------------------------------------------------------

get('/close');

my $url = $secure->url;

is(fetch($nginx, url => "$url/a")->{body}, '1 /a', 'with TLS');
is(fetch($nginx, url => "$url/b")->{body}, '1 /b', '... used again');
is(idle($nginx), 1, '... kept');

for my $path ('/close', '/behind', '/crlf', '/later', '/leave', '/stale',
              '/stale/reset')
{
    $before = fresh($secure);

    $got = fetch($nginx, url => "$url$path");
    is($got->{rc}, 'ok', "$path with TLS");

    wait_for { idle($nginx) == 0 } 'it to be closed' if $path !~ /stale/;

    is(fetch($nginx, url => "$url/next")->{body}, $before + 1 . ' /next',
       '... the next answer is its own');

    fetch($nginx, url => "$url/close");
}


# --- reload and quit ------------------------------------------------------

get('/kept');
fetch($nginx, url => "$url/kept");
is(idle($nginx), 2, 'two are idle');

my ($old) = $nginx->workers;

ok($nginx->reload, 'nginx is reloaded');
wait_for { !kill 0, $old } 'the old worker to go';

wait_for { $server->open_connections + $secure->open_connections == 0 }
    'its connections to be closed';
ok(1, 'the old worker closed its idle connections and went');

get('/kept');
fetch($nginx, url => "$url/kept");
is(idle($nginx), 2, 'two are idle as nginx is told to quit');

# an exchange that runs, while nginx quits, ends and is not kept

my $c = ShopTest::HTTP->connect($nginx->port);

$c->send('GET', fetch_uri(url => $other->url . '/silent', timeout => 300),
         headers => [ Connection => 'close' ]);

wait_for { $other->count('/silent') } 'the request';

kill 'QUIT', $nginx->pid;

like($c->response->body, qr/^reason: timeout\r$/m,
     'one that runs may end in time');

done_testing();
