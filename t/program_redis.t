# The program that is kept in Redis, and Redis: one that is away, that may not
# be asked, that tells nothing, that is a cluster or fails over.

use lib 't/lib';
use ShopTest;

use ShopTest::Cluster;
use ShopTest::Program;
use ShopTest::Sentinel;
use ShopTest::Session;

my $redis = redis();
my $session = ShopTest::Session->new(redis => $redis);

put($redis, with('LATER'));


# --- Redis ------------------------------------------------------------------

# by somebody without rights, and with them

$redis->command('ACL', 'SETUSER', 'blind', 'on', '>secret', '~shop:[a-oq-z]*',
                '&*', '+@all');

my $file = write_file(temp_dir() . '/redis.password', "secret\n", 0600);

my $blind = start(url => $redis->url . " user=blind password_file=$file",
                  allow => [ qr/redis/ ]);

refused($blind, qr/may not read the key/, 'a user who may not read it');
becomes($blind, $session, 'CONF conf', '... goes on with the configuration');

$redis->command('ACL', 'SETUSER', 'blind', '~shop:*');
becomes($blind, $session, 'LATER -', 'until the right is given');

$blind->stop;

# while nothing tells of changes

$redis->command('ACL', 'SETUSER', 'deaf', 'on', '>secret', '~*', '&*',
                '+@all', '-client|tracking');

my $deaf = start(url => $redis->url . " user=deaf password_file=$file",
                 allow => [ qr/redis/ ]);

becomes($deaf, $session, 'LATER -', 'where nobody tells of changes');
put($redis, with('ASKED'));
becomes($deaf, $session, 'ASKED -', '... they are asked for');
$deaf->stop;

# away, before it was ever asked

{
    my $late = redis();

    $late->command('SET', 'shop:program', with('LATE'));
    my $session = ShopTest::Session->new(redis => $late);

    $late->freeze;

    my $nginx = start(redis => $late, allow => [ qr/redis/ ]);

    is(status($nginx)->{source}, 'configuration',
       'nginx starts without Redis');
    $late->thaw;
    becomes($nginx, $session, 'LATE -', '... and has the document soon after');

    $late->command('FLUSHALL');
    $session->store;
    becomes($nginx, $session, 'CONF conf', 'after FLUSHALL there is none');
    $nginx->stop;
}


# --- clusters and sentinels -------------------------------------------------

for my $kind (qw(Cluster Sentinel)) {
    my $store = "ShopTest::$kind"->new;
    my $session = ShopTest::Session->new(redis => $store);
    my $nginx = start(url => $store->url);

    put($store, with('FIRST'));
    becomes($nginx, $session, 'FIRST -', "$kind: a document");

    put($store, with('SECOND'));
    becomes($nginx, $session, 'SECOND -', '... another one');

    $store->failover if $kind eq 'Sentinel';

    put($store, '{');
    refused($nginx, qr/^no JSON/, '... a bad one');
    put($store, with('THIRD'));
    becomes($nginx, $session, 'THIRD -', '... and a good one');

    $nginx->stop;
}

done_testing();
