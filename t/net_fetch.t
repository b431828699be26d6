
# The outbound client: what it sends, what it takes from a server that is
# fine, slow, cut off, too talkative or plainly hostile, and how it ends.
# Rows 20 and 32 of the security requirements, for one exchange.

use lib 't/lib';
use ShopTest;

use ShopTest::Fetch qw(fetch fetch_nginx);
use ShopTest::Server qw(answer);

my $nginx = fetch_nginx(conf => 'max_idle=0');

my $json = [ 'Content-Type' => 'application/json' ];

my %steps = (
    '/plain'    => sub { answer(200, $json, '{"a":1}') },
    '/404'      => sub { answer(404, [], 'not here') },
    '/302'      => sub { answer(302, [ Location => '/plain' ], '') },
    '/204'      => sub { answer(204, []) },
    '/echo'     => sub { answer(200, [], $_[0]->{raw}) },
    '/chunks'   => sub { [ "HTTP/1.1 200 OK\r\n"
                           . "Transfer-Encoding: chunked\r\n\r\n",
                           "5\r\nhel", { wait => 0.02 }, "lo\r", "\n0",
                           { wait => 0.02 }, "\r\n\r\n" ] },
    '/eof'      => sub { [ "HTTP/1.1 200 OK\r\n\r\nto the end",
                           { close => 1 } ] },
    '/eof/slow' => sub { [ "HTTP/1.1 200 OK\r\n\r\nto ",
                           { wait => 0.05 }, "the end", { close => 1 } ] },
    '/eof/rst'  => sub { [ "HTTP/1.1 200 OK\r\n\r\nto the end",
                           { wait => 0.1 }, { reset => 1 } ] },
    '/1.0'      => sub { [ "HTTP/1.0 200 OK\r\n\r\nold", { close => 1 } ] },
    '/100'      => sub { [ "HTTP/1.1 100 Continue\r\n\r\n", { wait => 0.02 },
                           "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n",
                           "HTTP/1.1 200 OK\r\n",
                           "Content-Length: 2\r\n\r\nok" ] },
    '/drip'     => sub { [ { drip => "HTTP/1.1 200 OK\r\nContent-Length: 3"
                                     . "\r\n\r\nabc",
                             every => 0.002 } ] },
    '/drip/slow' => sub { [ { drip => "HTTP/1.1 200 OK\r\n" . 'X: ' x 100,
                              every => 0.02 } ] },
    '/silent'   => sub { [ { stall => 1 } ] },
    '/half'     => sub { [ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                           { stall => 1 } ] },
    '/cut'      => sub { [ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                           { close => 1 } ] },
    '/cut/chunk' => sub { [ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                            . "\r\n\r\n5\r\nhello\r\n", { close => 1 } ] },
    '/cut/head' => sub { [ "HTTP/1.1 200 OK\r\nContent-Le", { close => 1 } ] },
    '/close'    => sub { [ { close => 1 } ] },
    '/reset'    => sub { [ { reset => 1 } ] },
    '/rubbish'  => sub { [ "\x16\x03\x01 rubbish\n" ] },
    '/folded'   => sub { [ "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n" ] },
    '/both'     => sub { [ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                           . "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ] },
    '/chunk/bad' => sub { [ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"
                            . "\r\n\r\nfffffffffffffffff\r\n" ] },
    '/gzip'     => sub { answer(200, [ 'Content-Encoding' => 'gzip' ],
                                "\x1f\x8b\x08") },
    '/large'    => sub { answer(200, [], 'x' x 65536) },
    '/larger'   => sub { answer(200, [], 'x' x 65537) },
    '/endless'  => sub { [ "HTTP/1.1 200 OK\r\n\r\n",
                           { repeat => 'endless ' } ] },
    '/endless/chunks' => sub { [ "HTTP/1.1 200 OK\r\n"
                                 . "Transfer-Encoding: chunked\r\n\r\n",
                                 { repeat => "5\r\nhello\r\n" } ] },
    '/endless/headers' => sub { [ "HTTP/1.1 200 OK\r\n",
                                  { repeat => "X-A: b\r\n" } ] },
    '/endless/line' => sub { [ "HTTP/1.1 200 ", { repeat => 'x' } ] },
    '/endless/100' => sub { [ { repeat => "HTTP/1.1 100 Go\r\n\r\n" } ] },
    '/endless/trailer' => sub { [ "HTTP/1.1 200 OK\r\n"
                                  . "Transfer-Encoding: chunked\r\n\r\n0\r\n",
                                  { repeat => "X-A: b\r\n" } ] },
);

my $server = ShopTest::Server->new(handler => sub {
    my ($request) = @_;
    my $steps = $steps{ $request->{path} } or die "no $request->{path}\n";

    return $steps->($request);
});

my $base = $server->url;


sub get { return fetch($nginx, url => $base . shift, timeout => 5000, @_) }


sub refused {
    my ($path, $reason, $name, %args) = @_;
    my $got = get($path, %args);

    is("$got->{rc} $got->{reason}", "error $reason", $name);
    is($got->{calls}, 1, '... in one callback') if $got->{calls} != 1;

    return $got;
}


# --- what is fine ---------------------------------------------------------

my $got = get('/plain');

is($got->{rc}, 'ok', 'a response is taken');
is($got->{status}, 200, 'its status');
is($got->{type}, 'application/json', 'its type');
is($got->{body}, '{"a":1}', 'its body');
is($got->{calls}, 1, 'in one callback');
is($got->{early}, 0, 'which came after the start had returned');

$got = get('/404');
is("$got->{rc} $got->{status} $got->{body}", 'ok 404 not here',
   'an error of the server is a response');

$got = get('/302');
is("$got->{rc} $got->{status}", 'ok 302', 'so is a redirect');
is($server->count('/plain'), 1, 'which is not followed');

$got = get('/204');
is("$got->{rc} $got->{status} $got->{length}", 'ok 204 0', 'no content');

is(get('/chunks')->{body}, 'hello', 'chunks are put together');
is(get('/eof')->{body}, 'to the end', 'a body up to the end');
is(get('/eof/slow')->{body}, 'to the end', 'the same, slower');
is(get('/1.0')->{body}, 'old', 'HTTP/1.0');
is(get('/100')->{body}, 'ok', 'interim answers are skipped');
is(get('/drip')->{body}, 'abc', 'a response byte by byte');

$got = get('/large');
is($got->{body}, 'x' x 65536, 'a body of all that is allowed');

$got = get('/plain', method => 'HEAD');
is("$got->{rc} $got->{length}", 'ok 0', 'HEAD has no body') ;


# --- what is sent ---------------------------------------------------------

my $host = '127.0.0.1:' . $server->port;

is(get('/echo?a=b&c=%20d')->{body},
   "GET /echo?a=b&c=%20d HTTP/1.1\r\n"
   . "Host: $host\r\n"
   . "User-Agent: ngx_shop\r\n"
   . "Accept: application/json\r\n"
   . "Accept-Encoding: identity\r\n"
   . "Connection: keep-alive\r\n\r\n", 'a GET, to the byte');

is(get('/echo', method => 'POST', body => 'a=b&code=1',
       name => 'Content-Type', value => 'application/x-www-form-urlencoded')
   ->{body},
   "POST /echo HTTP/1.1\r\n"
   . "Host: $host\r\n"
   . "User-Agent: ngx_shop\r\n"
   . "Accept: application/json\r\n"
   . "Accept-Encoding: identity\r\n"
   . "Connection: keep-alive\r\n"
   . "Content-Length: 10\r\n"
   . "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
   . 'a=b&code=1', 'a POST, to the byte');

like(get('/echo', method => 'POST')->{body}, qr/\r\nContent-Length: 0\r\n/,
     'a POST without a body says so');

$got = get('/echo', name => 'accept', value => 'application/jwt')->{body};
like($got, qr/\r\naccept: application\/jwt\r\n/, 'Accept of the owner');
unlike($got, qr/application\/json/, 'takes the place of ours');

my $large = 'x' x 6000;
is(length get('/echo', method => 'POST', body => $large)->{body},
   length(get('/echo', method => 'POST', body => 'x')->{body}) + 5999 + 3,
   'a larger body arrives whole');


# --- what is not even sent ------------------------------------------------

my $before = $server->connections;

for my $header ([ 'X-A', "b\r\nX-C: d" ], [ 'X-A', "b\n" ], [ 'X-A', "b\r" ],
                [ "X\r\n", 'b' ], [ 'X A', 'b' ], [ 'X:A', 'b' ], [ '', 'b' ],
                [ 'Host', 'evil' ], [ 'content-length', '5' ],
                [ 'Transfer-Encoding', 'chunked' ], [ 'Connection', 'x' ],
                [ 'Accept-Encoding', 'gzip' ], [ 'Expect', '100-continue' ])
{
    my ($name, $value) = @$header;
    $got = get('/echo', name => $name, value => $value);

    s/([\r\n])/$1 eq "\r" ? '\r' : '\n'/ge for $name, $value;

    is($got->{rc}, 'error', "a header \"$name: $value\" is refused");
}

is(get('/echo', method => 'GET /x')->{rc}, 'error', 'so is a bad method');
is(get('/echo', method => "GET\r\n")->{rc}, 'error', 'and one with CR LF');
is(get('/echo?ab', split => 1)->{rc}, 'error', 'and a URL with LF');

is(fetch($nginx, url => 'http://shop.example/')->{reason}, 'tls',
   'plain http leaves the machine never');

is($server->connections, $before, 'and the server saw nothing of these');


# --- limits and faults ----------------------------------------------------

refused('/larger', 'too_large', 'a body over the limit');
refused('/plain', 'too_large', 'a smaller limit', max_body => 6);
refused('/endless', 'too_large', 'an endless body');
refused('/endless/chunks', 'too_large', 'endless chunks');
refused('/endless/headers', 'too_large', 'endless headers');
refused('/endless/line', 'too_large', 'an endless line');
refused('/endless/100', 'too_large', 'endless interim answers');
refused('/endless/trailer', 'too_large', 'an endless trailer');

refused('/rubbish', 'malformed', 'rubbish');
refused('/folded', 'malformed', 'a folded header');
refused('/both', 'malformed', 'length and chunks at once');
refused('/chunk/bad', 'malformed', 'a chunk without measure');
refused('/gzip', 'malformed', 'compressed content');

refused('/cut', 'closed', 'a body cut off');
refused('/cut/chunk', 'closed', 'chunks cut off');
refused('/cut/head', 'closed', 'headers cut off');
refused('/close', 'closed', 'a connection closed without an answer');
refused('/reset', 'closed', 'a connection reset');
refused('/eof/rst', 'closed', 'a reset is no end of a body');

for my $path ('/silent', '/half', '/drip/slow') {
    $got = refused($path, 'timeout', "$path ends in time", timeout => 200);

    cmp_ok($got->{took}, '>=', 0.19, '... not before');
    cmp_ok($got->{took}, '<', 2, '... nor long after');
}

my $closed = ShopTest::free_port();
$got = fetch($nginx, url => "http://127.0.0.1:$closed/");
is("$got->{rc} $got->{reason}", 'error connect', 'nobody listens');


# --- an answer before the request is read ---------------------------------

my $hasty = ShopTest::Server->new(
    greeting => [ "HTTP/1.1 413 No\r\nContent-Length: 4\r\n\r\nstop" ],
    handler  => sub { [] },
);

$got = fetch($nginx, url => $hasty->url . '/', method => 'POST',
             body => $large);
is("$got->{rc} $got->{status} $got->{body}", 'ok 413 stop',
   'an early answer counts');

my $rude = ShopTest::Server->new(
    greeting => [ "HTTP/1.1 413 No\r\nContent-Length: 4\r\n\r\nstop",
                  { close => 1 } ],
    handler  => sub { [] },
);

$got = fetch($nginx, url => $rude->url . '/', method => 'POST',
             body => $large);
is("$got->{rc} $got->{status} $got->{body}", 'ok 413 stop',
   'also of a server that is gone then');


# --- logs -----------------------------------------------------------------

get('/silent?code=QUERYSECRET', method => 'POST', body => 'BODYSECRET',
    name => 'Authorization', value => 'Basic HEADERSECRET', timeout => 100);

my ($line) = $nginx->log_lines(qr/\[error\].*BODYSECRET/);

like($line, qr/no response in time.* while reading response, peer: "127/,
     'the log says what failed, when, and with whom');

# the rest of the line is nginx's, about the request to this test's location

s/, client: .*//s for my @ours = $nginx->log_lines(qr/\[error\]/);

push @ours, $nginx->log_lines(qr/\[debug\].* shop (?:peer|fetch)/);

ok(@ours > 10 && !(grep { /SECRET/ } @ours), 'and no secret');

is(fetch($nginx, idle => 1)->{idle}, 0, 'nothing is kept with max_idle=0');
is($server->open_connections, 0, 'no connection is left');

done_testing();
