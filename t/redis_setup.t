# How a connection introduces itself: password, user, database, and
# "shop:meta", which must agree with the configuration.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;

use ShopTest::RedisFault;

my $secret = 'correct-horse-battery';


sub client {
    my ($parameters, %o) = @_;

    # time enough for a busy machine

    $parameters .= ' timeout=2000' unless $parameters =~ /timeout=/;

    return ShopTest::RedisAsk->new($parameters, secrets => [$secret], %o);
}

# how many lines of a level say something

sub logged {
    my ($nginx, $regex) = @_;

    return scalar(() = $nginx->log_lines(qr/\[error\] .*$regex/));
}

sub refused {
    my ($nginx, $regex, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($nginx->ask('c=PING'), "error redis_refused\n", "$what: is refused");

    # who asks meanwhile, and who tries again later, is told the same

    for (1 .. 3) {
        is($nginx->ask('c=PING'), "error redis_refused\n", 'still');
        ShopTest::pause(0.06);
    }

    is(logged($nginx, $regex), 1, 'one line says why')
        or diag($nginx->log_lines(qr/\[error\]/));
}


# --- who we are

my $plain = redis();

is(client($plain->url)->ask('c=ACL+WHOAMI'), "ok \"default\"\n",
   'no password');
is(client($plain->unix_url)->ask('c=PING'), "ok +PONG\n", 'a unix socket');

my $locked = redis(password => $secret);

is(client($locked->url . " password=$secret")->ask('c=ACL+WHOAMI'),
   "ok \"default\"\n", 'a password');

my $named = redis(user => 'shop', password => $secret);

is(client($named->url . " user=shop password=$secret")->ask('c=ACL+WHOAMI'),
   "ok \"shop\"\n", 'a user');
is(client($named->unix_url . " user=shop password=$secret")
       ->ask('c=ACL+WHOAMI'), "ok \"shop\"\n", 'a user on a unix socket');

refused(client($locked->url . ' password=wrong'), qr/"WRONGPASS"/,
        'a wrong password');
refused(client($named->url . " user=nobody password=$secret"),
        qr/"WRONGPASS"/, 'an unknown user');
refused(client($locked->url), qr/"NOAUTH Authentication required/,
        'no password where one is needed');
refused(client($plain->url . " user=shop password=$secret"), qr/"WRONGPASS"/,
        'a user that does not exist');

$named->command('ACL', 'SETUSER', 'weak', 'on', ">$secret", '~shop:*',
                '-@all', '+hsetnx', '+get');
refused(client($named->url . " user=weak password=$secret"), qr/"NOPERM"/,
        'a user who may not read');


# --- which database

$plain->command('FLUSHALL');

my $third = client($plain->url . '/3');

is($third->ask('c=SET+here+1'), "ok +OK\n", 'a database');
is($plain->command('DBSIZE'), 0, 'is not the first one');
$plain->command('SELECT', 3);
is_deeply([ $plain->keys ], [ 'here', 'shop:meta' ], 'but the third');
$plain->command('SELECT', 0);

refused(client($plain->url . '/4000'), qr/"ERR DB index is out of range"/,
        'a database that does not exist');


# --- shop:meta

my $workers = client($plain->url . ' partitions=128', workers => 4);
my %seed;

$seed{$workers->ask('c=PING') && $plain->command('HGET', 'shop:meta', 'seed')}
    = 1 for 1 .. 20;

is_deeply({ %{ $plain->hash('shop:meta') }, seed => 'x' },
          { schema => 1, partitions => 128, seed => 'x' },
          'the first start writes shop:meta');
is(keys %seed, 1, 'once');

my $other = client($plain->url);

refused($other, qr/"shop:meta" says partitions 128, configured 64/,
        'another number of partitions');

# an operator puts it right; no restart is needed

$plain->command('HSET', 'shop:meta', 'partitions', 64);
wait_for { $other->ask('c=PING') eq "ok +PONG\n" } 'the connection';
ok(1, 'what was put right is seen by itself');
like($other->log, qr/\[notice\] .*redis is back/, 'and told');

for my $case (
    [ schema     => 'x' ], [ schema => 0 ], [ schema => -1 ],
    [ schema     => '99999999999999999999' ],
    [ partitions => 'many' ], [ partitions => '' ],
    [ seed       => 'short' ], [ seed => 'x' x 32 ], [ seed => '' ],
) {
    my ($field, $value) = @$case;

    $plain->command('DEL', 'shop:meta');
    $plain->command('HSET', 'shop:meta', 'schema', 1, 'partitions', 64,
                    'seed', '0' x 32, $field, $value);

    refused(client($plain->url), qr/"shop:meta" is not as this module writes/,
            "$field \"$value\"");
}

$plain->command('DEL', 'shop:meta');
$plain->command('HSET', 'shop:meta', 'schema', 1, 'provider:a', 'b');

is(client($plain->url)->ask('c=PING'), "ok +PONG\n", 'a part of it');
is_deeply([ sort keys %{ $plain->hash('shop:meta') } ],
          [ qw(partitions provider:a schema seed) ], 'is completed');

$plain->command('DEL', 'shop:meta');
$plain->command('SET', 'shop:meta', 1);
refused(client($plain->url), qr/"WRONGTYPE /, 'a key of another type');
$plain->command('DEL', 'shop:meta');

is(client($plain->url . ' prefix=my-')->ask('c=PING'), "ok +PONG\n",
   'another prefix');
is_deeply([ $plain->keys ], [ 'my-meta' ], 'has a meta of its own');


# --- servers that cannot do it

my $replica = redis(args => [ '--replicaof', '127.0.0.1', $plain->port ]);

wait_for { $replica->command('INFO', 'replication')
           =~ /master_link_status:up/ } 'the replica';
refused(client($replica->url), qr/"READONLY /, 'a replica');

my $fault = ShopTest::RedisFault->new;

for my $case (
    [ LOADING    => "-LOADING Redis is loading the dataset\r\n" ],
    [ MASTERDOWN => "-MASTERDOWN Link with MASTER is down\r\n" ],
    [ NOAUTH     => "-NOAUTH Authentication required.\r\n" ],
    [ 'ERR max'  => "-ERR max number of clients reached\r\n" ],
) {
    my ($code, $reply) = @$case;

    $fault->on(HMGET => [ $reply ]);
    refused(client($fault->url), qr/"$code/, $code);
}

for my $case (
    [ 'a string',    "+OK\r\n" ],
    [ 'two fields',  "*2\r\n:1\r\n:64\r\n" ],
    [ 'no array',    "*-1\r\n" ],
) {
    my ($what, $reply) = @$case;

    $fault->on(HMGET => [ $reply ]);
    refused(client($fault->url), qr/no proper answer to HMGET/, $what);
}

$fault->on(HMGET => [ "*3\r\n:1\r\n:64\r\n\$-1\r\n" ]);
refused(client($fault->url), qr/does not keep what is written/,
        'a server that forgets');

# a server that repeats what it does not understand

$fault->on(AUTH => [ "-ERR unknown command 'AUTH', with args: '%w'\r\n" ]);
refused(client($fault->url . " password=$secret"), qr/connection: "ERR"/,
        'a server that repeats the password');
$fault->on(AUTH => undef);

my $unavailable = "error redis_unavailable\n";

for my $case (
    [ 'a close',           [ { close => 1 } ] ],
    [ 'garbage',           [ "hello\r\n" ] ],
    [ 'one reply too many', [ "*3\r\n:1\r\n:64\r\n%s+OK\r\n" ] ],
) {
    my ($what, $steps) = @$case;

    $fault->on(HMGET => $steps);
    is(client($fault->url)->ask('c=PING'), $unavailable, "$what is an error");
}

$fault->on(HMGET => [ { stall => 1 } ]);

my $nginx = client($fault->url . ' timeout=200 connections=1');
my $start = ShopTest::now();

is($nginx->ask('c=PING&n=3'), "error redis_timeout\n" x 3,
   'silence is a timeout');
cmp_ok(ShopTest::now() - $start, '>', 0.18, 'after its time');

$start = ShopTest::now();

for (1 .. 20) {
    is($nginx->ask('c=PING'), $unavailable, 'nobody waits for it again');
    ShopTest::pause(0.02);
}

cmp_ok(ShopTest::now() - $start, '<', 1.2, 'not a moment');

$fault->on(HMGET => undef);
wait_for { $nginx->ask('c=PING') eq "ok +OK\n" } 'the connection';
ok(1, 'but it is tried behind the scenes');

done_testing();
