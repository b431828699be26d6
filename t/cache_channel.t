# The channel by which Redis tells of changes: whichever part of it dies, by
# itself or with the worker that holds it, the cache is distrusted at once and
# right again soon; and nothing that comes through it does harm.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Session;

my $shop = shop(
    nginx_options => { workers => 2, level => 'info',
                       allow => [qr/worker process \d+ exited on signal 9/] },
    location => 'add_header X-Session $shop_session;');

my $redis = $shop->redis;
my $nginx = $shop->nginx;

sub session { return ShopTest::Session->new(redis => $redis, @_) }

sub told {
    my ($session, $at) = @_;

    my $response = ($at || $nginx)->get('/', Cookie => $session->cookie);
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}

# each change is seen at once: the channel works

my $n = 0;
my $probe = session(view => { points => 0 });

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
    return $redis->command('CLIENT', 'LIST', 'TYPE', 'pubsub')
           =~ /^id=(\d+)/mg;
}

sub trackers {
    return $redis->command('CLIENT', 'LIST', 'TYPE', 'normal')
           =~ /^id=(\d+) .*flags=\S*t/mg;
}

works('at the start');

is(scalar(listeners()), 1, 'one of two workers holds the channel');
is(scalar(trackers()), 1, '... with its other half');


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
    wait_for(sub { told($s) =~ /fresh/ }, 'a key by hand', 0.1);
    pass('a key that is published by hand is heard');

    told($s);
    $redis->command('PUBLISH', '__redis__:invalidate', $s->key);
    wait_for(sub { told($s) =~ /fresh/ }, 'a key by hand', 0.1);
    pass('... of a session, too');

    # many keys in one message

    my @many = map { session(view => { points => $_ }) } 1 .. 50;

    told($_) for @many;
    $redis->command('EVAL', 'for i = 1, #KEYS do redis.call("HSET", KEYS[i], '
                    . '"points", 1000) end', scalar @many,
                    map { $_->key('view') } @many);

    wait_for(sub { !grep { told($_) !~ / 1000 / } @many }, 'fifty changes', 1);
    pass('many keys in one message');

    # everything

    told($s);
    $redis->command('FLUSHALL');
    wait_for(sub { told($s) eq '- - none' }, 'a flush', 0.1);
    pass('after FLUSHALL there is nobody');
}

$probe->store;
works('after FLUSHALL');


# the worker that holds it is killed, is told to go; the server, too

sub workers { return split ' ', `ps -o pid= --ppid @{[ $nginx->pid ]}` }

for my $pid (workers()) {
    kill 'KILL', $pid;
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
}

done_testing();
