# Redis is spoken to by TLS under the name of its address, proved by a chain
# that is trusted, or not at all; and it may want to know who we are.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;

use ShopTest::Certificate ();

my $ca = ShopTest::Certificate->authority;
my $other = ShopTest::Certificate->authority;


sub client { return ShopTest::RedisAsk->new(@_) }

my $trust = 'timeout=2000 connect_timeout=2000 ca=' . $ca->file;

sub refused {
    my ($url, $parameters, $regex, $what) = @_;
    my $nginx = client("$url $parameters");

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($nginx->ask('c=PING'), "error redis_unavailable\n", $what);
    like($nginx->log, $regex, 'the log says why');
}


# --- the server proves itself

my $good = redis(tls => [ $ca->issue_files('127.0.0.1') ]);
my $nginx = client($good->tls_url . " $trust");

is($nginx->ask('c=PING'), "ok +PONG\n", 'a good certificate');
is($nginx->ask('c=ECHO+%23&n=1000'),
   join('', map { "ok \"$_\"\n" } 0 .. 999), 'many commands');
is($nginx->ask('c=SET+big+*1000000&c=GET+big'), "ok +OK (1000000 bytes)\n",
   'a megabyte there and back');
is($nginx->ask('s=pair+1+key+arg'), "ok [\"key\" \"arg\"]\n", 'a script');

is(client('rediss://localhost:' . redis(
           tls => [ $ca->issue_files('localhost') ])->{tls_port} . " $trust")
       ->ask('c=PING'), "ok +PONG\n", 'a host name');

refused(redis(tls => [ $ca->issue_files('127.0.0.1', expired => 1) ])->tls_url,
        $trust, qr/certificate has expired/, 'an expired certificate');
refused(redis(tls => [ $ca->issue_files('127.0.0.2') ])->tls_url, $trust,
        qr/IP address mismatch/, 'the certificate of another address');
refused('rediss://localhost:' . $good->{tls_port}, $trust,
        qr/hostname mismatch/i, 'the certificate of another name');
refused(redis(tls => [ $other->issue_files('127.0.0.1') ])->tls_url, $trust,
        qr/unable to get local issuer|self.signed/, 'an unknown authority');
refused($good->tls_url, 'timeout=2000',
        qr/unable to get local issuer|self.signed/,
        'an authority the system does not know');

# Redis waits for the end of what it takes for a line

my $deaf = client('rediss://127.0.0.1:' . $good->port . ' ca=' . $ca->file
                  . ' timeout=300 connect_timeout=200');

like($deaf->ask('c=PING'), qr/^error redis_(?:timeout|unavailable)\n/,
     'a server that speaks no TLS');
like($deaf->log, qr/TLS handshake .* timed out/, 'the log says why');

# the other way round: TLS port, plain words

is(client('redis://127.0.0.1:' . $good->{tls_port})->ask('c=PING'),
   "error redis_unavailable\n", 'plain words to a TLS port');


# --- and so do we

my $strict = redis(tls => [ $ca->issue_files('127.0.0.1') ],
                   tls_ca => $ca->file);

my ($cert, $key) = $ca->issue_files('shop', purpose => 'client');

is(client($strict->tls_url . " $trust cert=$cert key=$key")->ask('c=PING'),
   "ok +PONG\n", 'a certificate of ours');
is(client($strict->tls_url . " $trust")->ask('c=PING'),
   "error redis_unavailable\n", 'no certificate where one is wanted');

($cert, $key) = $other->issue_files('shop', purpose => 'client');

is(client($strict->tls_url . " $trust cert=$cert key=$key")->ask('c=PING'),
   "error redis_unavailable\n", 'a certificate of another authority');


# --- it goes and comes back

$good->stop;
is($nginx->ask('c=PING'), "error redis_unavailable\n",
   'a server that is gone');
$good->start;
wait_for { $nginx->ask('c=PING') eq "ok +PONG\n" } 'redis';
ok(1, 'is found again');

$good->freeze;
my $start = ShopTest::now();
is($nginx->ask('c=PING'), "error redis_timeout\n", 'a server that is frozen');
cmp_ok(ShopTest::now() - $start, '<', 2.5, 'costs one timeout');
$good->thaw;
wait_for { $nginx->ask('c=PING') eq "ok +PONG\n" } 'redis';

done_testing();
