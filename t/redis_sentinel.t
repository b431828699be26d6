# Sentinels say where Redis is: at the start, after the master died or was
# replaced, and also where some of the sentinels, or the master they name,
# are not what they were.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;
use ShopTest::Certificate ();
use ShopTest::RedisFault;
use ShopTest::Sentinel;

my $unavailable = "error redis_unavailable\n";


sub client { return ShopTest::RedisAsk->new(@_) }

sub works {
    my ($nginx, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    # sentinels may change their mind once more

    ok(eval { wait_for {
        $nginx->ask('c=SET+a+1') eq "ok +OK\n"
        && $nginx->ask('s=count+1+n+0&n=20') eq "ok :0\n" x 20
    } 'the master', 40 }, $what);
}


# --- the start

my $set = ShopTest::Sentinel->new(servers => 3, sentinels => 3);
my $urls = join ' ', $set->urls;
my $old = $set->master;

my $timeout = 2;
my $nginx = client("$urls sentinel=main timeout=" . 1000 * $timeout);

is($nginx->ask('c=SET+a+1&n=100'), "ok +OK\n" x 100,
   'the first operations find the master');
is($old->command('GET', 'a'), '1', 'that one');
wait_for { $nginx->ask('state=1') =~ /subscribed=1/ } 'a subscription';
ok(1, 'and the news are listened to');


# --- planned failover: known from the sentinel, with no operation in between

my $new = $set->failover;

wait_for { $nginx->log =~ /tells of a switch/ } 'the news', 30;
wait_for { $nginx->log =~ /is "redis:\/\/127\.0\.0\.1:@{[ $new->port ]}"/ }
    'the new master', 30;
works($nginx, 'a planned failover is followed');
is($new->command('GET', 'a'), '1', 'to the new master');
wait_for { $nginx->ask('state=1') =~ /nodes=1 retired=0/ } 'the old node';
ok(1, 'the old one is forgotten');

# without a restart of anything, under load

my %answers;

for my $round (1 .. 2) {
    $old = $set->master;

    $answers{$_}++ for $nginx->ask('c=INCR+x&n=50') =~ /^(\w+ ?\w*)/mg;
    $new = $set->failover;
    works($nginx, "failover $round");
}


# --- the master is killed

# who is slow meets the new one

$old = $set->master;
$old->crash;
wait_for { $nginx->ask('c=SET+a+1') =~ /^error redis_/
           || $set->master != $old } 'its death';

my $longest = 0;

for (1 .. 30) {
    my $start = ShopTest::now();

    $nginx->ask('c=GET+a');
    $start = ShopTest::now() - $start;
    $longest = $start if $start > $longest;
}

cmp_ok($longest, '<', $timeout / 2, 'nobody waits for a dead master');

my $log = length $nginx->log;

$new = $set->moved($old);
works($nginx, 'a master that was killed is replaced');
cmp_ok(scalar(() = substr($nginx->log, $log) =~ /\[error\]/g), '<', 60,
       'with few words');


# --- sentinels partly down

my ($dead) = $set->sentinels;

$dead->stop;
works(client("$urls sentinel=main"), 'one sentinel is down') for 1 .. 3;

my (undef, $frozen) = $set->sentinels;

$frozen->freeze;

for (1 .. 3) {
    my $client = client("$urls sentinel=main timeout=1000");

    wait_for { $client->ask('c=PING') eq "ok +PONG\n" } 'the master', 30;
    ok(1, 'another one is frozen besides');
}

$frozen->thaw;


# --- what is not there

$nginx = client("$urls sentinel=other");
is($nginx->ask('c=PING'), $unavailable, 'a name that no sentinel knows');
like($nginx->log, qr/knows no master "other"/, 'is named in the log');

$nginx = client('redis://127.0.0.1:' . free_port()
                . ' redis://127.0.0.1:' . free_port() . ' sentinel=main');
is($nginx->ask('c=PING'), $unavailable, 'no sentinel at all');
my $start = ShopTest::now();
is($nginx->ask('c=PING'), $unavailable, 'still none') for 1 .. 20;
cmp_ok(ShopTest::now() - $start, '<', 5, 'nobody waits for that');
is(scalar(() = $nginx->log =~ /\[error\].*no sentinel knows/g), 1,
   'one line says so');

$nginx = client($new->url . ' sentinel=main');
is($nginx->ask('c=PING'), $unavailable, 'a server that is no sentinel');


# --- a sentinel that is wrong, or lies

my $fault = ShopTest::RedisFault->new;

sub says {
    my (@words) = @_;

    $fault->on(SENTINEL => [ '*' . @words . "\r\n"
                             . join '', map { ShopTest::RedisFault::bulk($_) }
                                            @words ]);

    return client($fault->url . ' sentinel=main timeout=3000');
}

my $today = redis();
my $replica = redis(args => [ '--replicaof', '127.0.0.1', $today->port ]);

wait_for { $replica->command('ROLE')->[3] eq 'connected' } 'a replica';

$nginx = says('127.0.0.1', $replica->port);
is($nginx->ask('c=PING'), "error redis_refused\n",
   'a master that became a replica is not used');
like($nginx->log, qr/not the master that a sentinel/, 'the log says why');

# and then the sentinel learns

$fault->on(SENTINEL => [ "*2\r\n" . join '', map {
    ShopTest::RedisFault::bulk($_) } '127.0.0.1', $today->port ]);
works($nginx, 'until the sentinel knows better');

for my $words ([], ['127.0.0.1'], ['127.0.0.1', 0], ['127.0.0.1', 65536],
               ['127.0.0.1', 'x'], ['', 6379], ['a b', 6379],
               ["127.0.0.1\r\n", 6379], ['x' x 256, 6379]) {

    is(says(@$words)->ask('c=PING'), $unavailable, 'an answer that is none');
}


# --- TLS

my $ca = ShopTest::Certificate->authority;
my $secure = redis(tls => [ $ca->issue_files('127.0.0.1') ]);
my $guard = ShopTest::RedisFault->new(tls => $ca->issue('127.0.0.1'));

$guard->on(SENTINEL => [ "*2\r\n" . join '', map {
    ShopTest::RedisFault::bulk($_) } '127.0.0.1', $secure->{tls_port} ]);

(my $url = $guard->url) =~ s/^redis/rediss/;

works(client("$url sentinel=main ca=" . $ca->file),
      'sentinel and master by TLS');
is(client("$url sentinel=main")->ask('c=PING'), $unavailable,
   'not with an unknown authority');

done_testing();
