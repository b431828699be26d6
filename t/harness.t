# The harness itself: what the other tests stand on must work, and must
# notice what it is there to notice.

use lib 't/lib';
use ShopTest;

use ShopTest::Proxy;

my $redis = redis(user => 'shop', password => 'one two');
my $backend = backend();


# --- Redis

is($redis->command('SET', 'a', "1\r\n2"), 'OK', 'a command has its reply');
is($redis->command('GET', 'a'), "1\r\n2", 'a value may hold line ends');
is($redis->command('GET', 'b'), undef, 'a missing key is undef');
is_deeply([ $redis->keys ], ['a'], 'keys are listed');

$redis->command('HSET', 'h', 'x', 1, 'y', 2);
is_deeply($redis->hash('h'), { x => 1, y => 2 }, 'a hash is a hash');

like(($redis->try('INCR', 'h'))[1], qr/^WRONGTYPE/, 'an error is told');
is($redis->calls->{get}, 2, 'calls are counted');

$redis->freeze;
$redis->thaw;
$redis->stop;
$redis->start;
is_deeply([ $redis->keys ], [], 'a restarted Redis is empty');


# --- nginx and the backend

my $conf = <<'CONF';
server {
    listen 127.0.0.1:%%port%%;

    location / {
        proxy_pass %%backend%%;
    }

    location /internal/ {
        internal;
        proxy_pass %%backend%%;
    }
}
CONF

my %vars = (backend => $backend->url);

my $nginx = nginx(module => 0, http => $conf, vars => \%vars);

my $response = $nginx->get('/x?y=1', 'X-A' => 1, 'X-A' => 2);

is($response->status, 200, 'the backend answers through nginx');
is($response->json->{uri}, '/x?y=1', 'it tells the URI');
is_deeply([ ShopTest::Backend::values_of($response->json, 'X-A') ],
          [ 1, 2 ], 'it tells the headers');

is($nginx->get('/x?status=404')->status, 404, 'it answers as told');
is($nginx->get('/x?accel=/internal/q')->json->{uri}, '/internal/q',
   'it sends X-Accel-Redirect');
is_deeply([ $nginx->get('/x?cookie=a%3D1&cookie=b%3D2')
            ->headers('Set-Cookie') ], [ 'a=1', 'b=2' ],
          'it sets cookies');
is($nginx->get('/x?body=text')->body, 'text', 'it sends a body');
is($nginx->get('/x?reset=1')->status, 502, 'it resets');

is($backend->count('/x'), 6, 'it remembers what came');

my $client = $nginx->connect;

$client->write("GET /a HTTP/1.1\r\nHo");
ok($client->silent(0.01), 'half a request has no answer');
$client->write("st: a\r\n\r\n");
is($client->response->json->{uri}, '/a', 'a whole one has');

$client->send('HEAD', '/b');
is($client->response(method => 'HEAD')->body, '',
   'the connection is used again');
$client->close;

is($nginx->reload, 1, 'a reload is awaited');
is($nginx->reload(http => 'nonsense;'), 0, 'a bad one is told');
wait_for { $nginx->workers == 1 } 'the older worker to quit';
is($nginx->get('/x')->status, 200, 'the old configuration serves on');

$nginx->{allow} = [qr/unknown directive "nonsense"/];

my ($code, $text) = ShopTest::Nginx->check(module => 0, http => 'foo;');

is($code, 1, 'a wrong configuration has an exit code');
like($text, qr/unknown directive "foo"/, 'and a message');

($code, $text) = ShopTest::Nginx->check(module => 0, http => $conf,
                                        vars => \%vars);
is($code, 0, 'a right one has none') or diag($text);


# --- what has to be noticed

my $other = ShopTest::Nginx->new(module => 0, http => $conf,
                                 vars => \%vars, secrets => ['hunter2']);

for my $line (
    '1970/01/01 00:00:00 [alert] 1#1: worker process 2 exited on signal 11',
    '1970/01/01 00:00:00 [emerg] 1#1: no memory',
    '==1==ERROR: AddressSanitizer: heap-use-after-free',
    'x.c:1:2: runtime error: signed integer overflow',
    '1970/01/01 00:00:00 [info] 1#1: *1 hunter2',
    '1970/01/01 00:00:00 [debug] 1#1: *1 shop fetch: hunter2',
) {
    write_file($other->dir . '/logs/error.log', "$line\n");
    is(scalar $other->wrong_lines, 1, "noticed: $line");
}

for my $line (
    '1970/01/01 00:00:00 [error] 1#1: *1 connect() failed',
    '1970/01/01 00:00:00 [debug] 1#1: *1 http header: "Cookie: hunter2"',
) {
    write_file($other->dir . '/logs/error.log', "$line\n");
    is(scalar $other->wrong_lines, 0, "passed over: $line");
}


# --- scripted servers

my $server = ShopTest::Server->new(handler => sub {
    my ($request, $state) = @_;

    return [ { stall => 1 } ] if $request->{path} eq '/stall';
    return [ { repeat => 'x' } ] if $request->{path} eq '/endless';

    return [ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", 'a',
             { wait => 0.01 }, { drip => 'bc', every => 0.01 }, 'd' ]
        if $request->{path} eq '/slow';

    return ShopTest::Server::answer(200, [], $state->{text});
});

my $stalled = ShopTest::HTTP->connect($server->port);
$stalled->send('GET', '/stall');

my $endless = ShopTest::HTTP->connect($server->port);
$endless->send('GET', '/endless');
ok(!$endless->silent(5), 'an endless answer comes');

is(request($server->port, 'GET', '/slow')->body, 'abcd',
   'a slow answer comes while others stall');

$server->set({ text => 'hello' });
is(request($server->port, 'GET', '/')->body, 'hello', 'the state is set');

is($server->open_connections, 2, 'open connections are counted');
$stalled->reset;
$endless->reset;
wait_for { !$server->open_connections } 'the server to notice';
pass('and noticed when they are gone');

my $raw = ShopTest::Server->new(raw => sub {
    my ($in) = @_;

    return $$in =~ s/^(.*)\n// ? [ "<$1>" ] : [];
});

my $c = ShopTest::HTTP->connect($raw->port);
$c->write("a\nb");
$c->fill(ShopTest::now() + 5);
is($c->{buffer}, '<a>', 'a server need not speak HTTP');



# --- a proxy that spoils what Redis says

my $proxy = ShopTest::Proxy->new($redis->port);
my $through = ShopTest::Redis->client($proxy->port, user => 'shop',
                                      password => 'one two');

is($through->command('SET', 'n', 1), 'OK', 'commands pass');

$proxy->spoil('error', 1);
is($through->command('GET', 'n'), 1, 'one more passes');
like(($through->try('GET', 'n'))[1], qr/^LOADING/, 'the next is refused');
is($proxy->heal, 1, 'which is counted');

for ([ close => 1 ], [ lost => 2 ], [ cut => 3 ]) {
    my ($action, $n) = @$_;

    $proxy->spoil($action);
    ok(!eval { $through->command('INCR', 'n'); 1 }, "$action: no reply");
    $proxy->heal;
    is($through->command('GET', 'n'), $n, "$action: done or not");
}

done_testing();
