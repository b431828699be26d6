# The channel by which Redis tells of changes: whichever part of it dies, by
# itself or with the worker that holds it, the cache is distrusted at once and
# right again soon; and nothing that comes through it does harm.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Proxy;
use ShopTest::Session;

# "/quick" is the same with a backend that costs little: it is a server of this
# nginx, where our headers are removed like those of any client

my %o = (location => 'add_header X-Session $shop_session;',
         server => <<'LOCATION', http => <<'SERVER');
        location = /quick {
            loyalty          on;
            proxy_pass       http://127.0.0.1:%%port2%%;
            proxy_set_header X-Seen
                             "$http_x_customer_id $http_x_loyalty_points.";
        }
LOCATION
    server {
        listen     127.0.0.1:%%port2%%;
        access_log off;

        location / {
            default_type text/plain;
            return       200 $http_x_seen;
        }
    }
SERVER

my $shop = shop(%o,
    nginx_options => { workers => 2, level => 'info',
                       allow => [qr/worker process \d+ exited on signal 9/] });

our $redis = $shop->redis;
my $nginx = $shop->nginx;

sub session { return ShopTest::Session->new(redis => $redis, @_) }

sub told { return $_[0]->told($_[1] || $nginx) }

# each change is seen at once: the channel works

my $n = 0;
our $probe = session(view => { points => 0 });

sub works {
    my ($name, $at) = @_;

    wait_for(sub {
        $redis->command('HSET', $probe->key('view'), 'points', ++$n);
        return told($probe, $at) =~ / $n / && told($probe, $at) =~ /cached/;
    }, "the channel: $name");

    my $seen = 0;

    for (1 .. 20) {
        told($probe, $at);
        $redis->command('HSET', $probe->key('view'), 'points', ++$n);
        $seen += eval { wait_for(sub { told($probe, $at) =~ / $n / },
                                 'a change', 0.1) } || 0;
    }

    is($seen, 20, "$name: changes are seen");
}

# ids of connections; flag "t" is one that tracks

sub listeners {
    my @ids = $redis->command('CLIENT', 'LIST', 'TYPE', 'pubsub')
              =~ /^id=(\d+)/mg;

    return @ids;
}

sub trackers {
    my @ids = $redis->command('CLIENT', 'LIST', 'TYPE', 'normal')
              =~ /^id=(\d+) .*flags=\S*t/mg;

    return @ids;
}

sub works_with {
    my ($server, $at, $name) = @_;

    $at->wait_log(qr/redis tells of changes again/);

    local $redis = $server;
    local $probe = ShopTest::Session->new(redis => $server,
                                          view => { points => 0 });
    works($name, $at);
}

works('at the start');

is(scalar(listeners()), 1, 'one of two workers holds the channel');
is(scalar(trackers()), 1, '... with its other half');


# a thousand changes at two nginx

{
    my $other = shop(
        %o, redis => $redis, provider => $shop->provider,
        backend => $shop->backend, nginx_options => { workers => 2 })->nginx;

    works('another nginx', $other);

    my $s = session(view => { points => 0 });
    my @took;

    my %connection;

    my $quick = sub {
        my ($at) = @_;
        my $response;

        # one takes a number of requests, then it is closed

        until ($response) {
            my $c = $connection{$at} ||= $at->connect;

            $c->send('GET', '/quick', headers => [ Cookie => $s->cookie ]);
            $response = $c->response or delete $connection{$at};
        }

        return $response->body;
    };

    my $measure = sub {
        my ($change, $seen) = @_;

        $quick->($_) for $nginx, $other;
        $change->();

        my $start = ShopTest::now();
        my $slowest = 0;

        for my $at ($nginx, $other) {
            my $sent;

            do {
                $sent = ShopTest::now() - $start;
            } until $quick->($at) =~ $seen || $sent > 5;

            $slowest = $sent if $sent > $slowest;
        }

        push @took, 1000 * $slowest;
    };

    for (1 .. 500) {
        $n++;
        $measure->(sub { $s->view(points => $n) }, qr/ $n\.$/);
    }

    for (1 .. 250) {
        $measure->(sub { $s->end }, qr/^\.$/);
        $measure->(sub { $s->store }, qr/^$s->{customer} /);
    }

    ShopTest::Session::are_soon('1000 changes', @took);

    $other->stop;
    wait_for(sub { listeners() == 1 }, 'its end');
}


# one half dies, which the other does not learn

for my $half (\&listeners, \&trackers) {
    my ($id) = $half->();
    my $name = $half == \&listeners ? 'the listener dies' : 'the tracker dies';

    $redis->command('CLIENT', 'KILL', 'ID', $id);
    $redis->command('HSET', $probe->key('view'), 'points', ++$n);

    wait_for(sub { told($probe) =~ / $n / }, $name, 2);
    works($name);

    my ($now) = $half->();
    isnt($now, $id, '... it has been replaced');
    is(scalar(listeners()), 1, '... and the other half, too');
}


# It does not read what it is sent, and is thrown out by the server.

{
    my $one = shop(
        redis => $redis, provider => $shop->provider,
        backend => $shop->backend, nginx_options => { level => 'info' },
        location => 'add_header X-Session $shop_session;')->nginx;

    works('one worker', $one);

    my ($worker) = $one->workers;
    my ($id) = reverse sort { $a <=> $b } listeners();

    $redis->command('CONFIG', 'SET', 'client-output-buffer-limit',
                    'pubsub 32kb 0 0');
    kill 'STOP', $worker;

    # more than all buffers on the way hold

    my $big = 'x' x 100_000;

    wait_for(sub {
        $redis->command('EVAL', 'for i = 1, 40 do redis.call("SET", '
                        . 'KEYS[1] .. i, 1, "PX", 1) end', 1,
                        "shop:view:{1}:$big");
        return !grep { $_ == $id } listeners();
    }, 'its end');

    kill 'CONT', $worker;
    $redis->command('CONFIG', 'SET', 'client-output-buffer-limit',
                    'pubsub 32mb 8mb 60');

    works('after it was thrown out', $one);
    $one->stop;
}

wait_for(sub { listeners() == 1 }, 'one channel');
works('the others, too');


# frozen

{
    $redis->freeze;
    $nginx->wait_log(qr/the channel of changes timed out/);
    $redis->thaw;

    works('after a server that was frozen');
}


# what comes through it

{
    my $s = session(view => { points => 5 });

    wait_for(sub { told($s) =~ / 5 cached/ }, 'a session in the cache');

    # behind the back of the channel nothing can be written, but published

    for my $text ('shop:view', 'shop:view:', 'shop:view:{', 'shop:view:{1}',
                  'shop:view:{1}:', 'shop:session:{1}:c1:', 'shop:sessions:x',
                  'shop:session:{1}:c1:' . 'g' x 64, 'x', '', "\0" x 100,
                  'view:{1}:x', 'y' x 100_000)
    {
        $redis->command('PUBLISH', '__redis__:invalidate', $text);
    }

    $redis->command('SET', 'shop:program', '{}');
    $redis->command('MSET', map { ("other:$_", 1) } 1 .. 1000);

    like(told($s), qr/ 5 cached/, 'foreign keys and nonsense do no harm');

    $redis->command('PUBLISH', '__redis__:invalidate', $s->key('view'));
    wait_for(sub { told($s) =~ /fresh/ }, 'a key by hand', 5);
    pass('a key that is published by hand is heard');

    told($s);
    $redis->command('PUBLISH', '__redis__:invalidate', $s->key);
    wait_for(sub { told($s) =~ /fresh/ }, 'a key by hand', 5);
    pass('... of a session, too');

    # many keys in one message

    my @many = map { session(view => { points => $_ }) } 1 .. 50;

    told($_) for @many;
    $redis->command('EVAL', 'for i = 1, #KEYS do redis.call("HSET", KEYS[i], '
                    . '"points", 1000) end', scalar @many,
                    map { $_->key('view') } @many);

    wait_for(sub { !grep { told($_) !~ / 1000 / } @many }, 'fifty changes', 5);
    pass('many keys in one message');

    # everything

    told($s);
    $redis->command('FLUSHALL');
    wait_for(sub { told($s) eq '- - none' }, 'a flush', 5);
    pass('after FLUSHALL there is nobody');
}

$probe->store;
works('after FLUSHALL');


# the worker that holds it is killed, is told to go; the server, too

sub workers { return $nginx->workers }

sub holder {
    my @holders = read_file($nginx->dir . '/logs/error.log')
                  =~ /(\d+)#\d+: this worker holds the channels of changes/g;

    return $holders[-1];
}

for (1 .. 2) {
    my $pid = holder();
    my ($id) = listeners();
    my $start = ShopTest::now();

    kill 'KILL', $pid;

    # within a second, if the machine lets it

    wait_for(sub { my ($now) = listeners(); $now && $now != $id }, 'another',
             5);
    note(sprintf 'taken over after %.2f s', ShopTest::now() - $start);

    isnt(holder(), $pid, 'another worker holds the channel');
    wait_for(sub { !grep { $_ == $pid } workers() }, 'its end');

    $redis->command('HSET', $probe->key('view'), 'points', ++$n);
    wait_for(sub { told($probe) =~ / $n / }, 'the change', 3);

    works('after a worker was killed');
}

is(scalar(listeners()), 1, 'one worker holds the channel');

$nginx->reload;
works('after a reload');

wait_for(sub { listeners() == 1 }, 'one channel');
pass('the old workers have left it to the new');

$redis->stop;
$redis->start;
$probe->store;
$n = 0;
works('after Redis was started again');


# a replica tells nothing

{
    my $main = redis();

    $redis->command('REPLICAOF', '127.0.0.1', $main->port);
    $nginx->wait_log(qr/the channel of changes comes from a replica/);
    $redis->command('REPLICAOF', 'NO', 'ONE');

    $probe->store;
    works('after a time as a replica');
}

# behind a name that moves to another server, connections do not

{
    my ($was, $is) = map { redis() } 1 .. 2;
    my $name = ShopTest::Proxy->new($was->port);
    my $at = shop(redis => $was, provider => $shop->provider,
                  backend => $shop->backend, vars => { redis => $name->url },
                  nginx_options => { level => 'info' },
                  location => 'add_header X-Session $shop_session;')->nginx;
    my $s = ShopTest::Session->new(redis => $was, view => { points => 1 });

    wait_for { told($s, $at) =~ / 1 cached/ } 'the cache';

    $is->command('REPLICAOF', '127.0.0.1', $was->port);
    wait_for { $is->command('EXISTS', $s->key) } 'the replica';

    $is->command('REPLICAOF', 'NO', 'ONE');
    $was->command('REPLICAOF', '127.0.0.1', $is->port);
    $name->upstream($is->port);
    $is->command('HSET', $s->key('view'), 'points', 2);

    wait_for { told($s, $at) =~ / 2 / } 'the truth of the other', 30;

    my $new = ShopTest::Session->new(redis => $is);

    wait_for { told($new, $at) =~ /cached/ } 'the channel', 30;
    wait_for {
        ShopTest::HTTP::request($at->port, 'POST', '/_shop/logout', headers => [
            Cookie => $new->cookie, 'Sec-Fetch-Site' => 'same-origin' ])
        ->status == 204;
    } 'what is written', 30;
    is($is->command('EXISTS', $new->key), 0,
       'when a name moves so do connections');
}


# a user who may not subscribe: ttl, and one line

{
    my $server = redis();

    $server->command('ACL', 'SETUSER', 'shop', 'on', '>secret-of-shop', '~*',
                     'resetchannels', '+@all');

    my $file = write_file(temp_dir() . '/redis.password', "secret-of-shop\n",
                          0600);

    my $without = shop(
        redis => $server, provider => $shop->provider,
        backend => $shop->backend, zone => 'shop:8m ttl=1s',
        nginx_options => { level => 'info', secrets => ['secret-of-shop'] },
        location => 'add_header X-Session $shop_session;',
        vars => { redis => $server->url
                           . " user=shop password_file=$file" });

    my $at = $without->nginx;
    my $s = ShopTest::Session->new(redis => $server, view => { points => 1 });

    $at->wait_log(qr/the channel of changes refused/);

    wait_for(sub { told($s, $at) =~ / 1 cached/ }, 'the cache');
    pass('without a channel there is a cache');

    $s->view(points => 2);
    wait_for(sub { told($s, $at) =~ / 2 / }, 'the end of ttl', 2);
    pass('... for as long as "ttl"');

    my @lines = ShopTest::read_file($at->dir . '/logs/error.log')
                =~ /the channel of changes refused/g;

    is(scalar @lines, 1, '... and one line in the log');

    # then may, without what Redis has since 6.2

    $server->command('ACL', 'SETUSER', 'shop', 'allchannels',
                     '-client|trackinginfo');
    works_with($server, $at, 'without CLIENT TRACKINGINFO');

    my $calls = $server->calls;

    cmp_ok($calls->{'client|getredir'} || $calls->{client}, '>', 0,
           '... it asks CLIENT GETREDIR');

    # neither, and then the one that is documented

    $server->command('ACL', 'SETUSER', 'shop', '-client|getredir');
    $server->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    wait_for(sub { $server->command('PUBSUB', 'NUMSUB',
                                    '__redis__:invalidate')->[1] == 0 },
             'the end of the channel', 30);
    $server->command('ACL', 'SETUSER', 'shop', '+client|trackinginfo');
    wait_for(sub { 2 <= (() = $at->log =~ /redis tells of changes again/g) },
             'the channel', 60);
    works_with($server, $at, 'CLIENT TRACKINGINFO, once it may be asked');

    # until it is cut off: what is in the cache is used for "ttl"

    told($s, $at);
    $server->command('ACL', 'SETUSER', 'shop', 'resetchannels');
    $s->view(points => 3);

    my $start = ShopTest::now();

    wait_for(sub { told($s, $at) =~ / 3 / }, 'the change', 5);
    cmp_ok(ShopTest::now() - $start, '<', 3, 'cut off: seen within "ttl"');

    $s->view(points => 4);
    told($s, $at);
    $s->view(points => 5);
    wait_for(sub { told($s, $at) =~ / 5 / }, 'the change', 3);
    pass('... each time');
}

done_testing();
