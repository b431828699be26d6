# The program that is kept in Redis and nginx itself: reloads, workers that are
# killed, an nginx that starts, and what a program leaves behind when it goes.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();

use ShopTest::Program;
use ShopTest::Session;

my $redis = redis();
my $session = ShopTest::Session->new(redis => $redis);
my $nginx = start(redis => $redis);

sub version { return substr Digest::SHA::sha256_hex($_[0]), 0, 16 }

put($redis, document({ promotions => [ { code => 'GOOD',
                                         match => 'path ~^/$' } ] }));
becomes($nginx, $session, 'GOOD -', 'a good one');

my $version = status($nginx)->{version};


# --- whatever happens to nginx ----------------------------------------------

put($redis, '{');
refused($nginx, qr/^no JSON/, 'a bad one is there');

$nginx->reload;
becomes($nginx, $session, 'GOOD -', 'new workers take the last good one');
refused($nginx, qr/^no JSON/, '... and know of the bad one');

{
    my ($old) = $nginx->workers;

    $nginx->{allow} = [ qr/worker process \d+ exited on signal 9/ ];

    kill 'KILL', $old;

    wait_for { !grep { $_ == $old } $nginx->workers } 'another worker';

    becomes($nginx, $session, 'GOOD -',
            'so does one in place of one that was killed');
}

$redis->freeze;
$nginx->reload;
is(status($nginx)->{version}, $version,
   'a reload while Redis is away changes nothing');
$redis->thaw;

# its tier has gone with the configuration

my $gold = document({ promotions => [ { code => 'GOLD',
                                        audience => 'tier<=gold' } ] });

put($redis, $gold);
wait_for { (status($nginx)->{version} || '') eq version($gold) }
    'a program that names a tier', 30;

$nginx->reload(http => conf(own() =~ s/tier gold.*?;//r));
refused($nginx, qr/unknown tier "gold"/, 'which the next configuration lacks');
becomes($nginx, $session, 'CONF conf', '... so its own program is in force');

put($redis, with('BACK'));
becomes($nginx, $session, 'BACK -', 'until there is another one');

$nginx->reload(http => conf(own()));
becomes($nginx, $session, 'BACK -', 'it stays');

put($redis, '{');
refused($nginx, qr/^no JSON/, 'a bad one');
$redis->command('DEL', 'shop:program');
becomes($nginx, $session, 'CONF conf',
        'without a key the configuration rules');
put($redis, '{');
refused($nginx, qr/^no JSON/, 'a bad one, and none was before');
$nginx->reload;
becomes($nginx, $session, 'CONF conf', 'nothing that was deleted comes back');

$nginx->stop;
$nginx = start(redis => $redis);
becomes($nginx, $session, 'CONF conf', 'nginx that starts with a bad one');
refused($nginx, qr/^no JSON/, '... says so');

put($redis, with('LATER'));
becomes($nginx, $session, 'LATER -', '... and takes the next');


# --- what a program asks for

# which is copied to a customer's view while there is one that does

{
    my $german = ShopTest::Session->new(redis => $redis);

    $german->noted(400);
    $redis->command('HSET', $german->key('customer'), 'locale', 'de-AT');

    put($redis, document({ promotions => [ { code => 'SERVUS',
                                             audience => 'locale=de' } ] }));
    becomes($nginx, $session, '- -', 'a program that asks for a language');

    ok(eval {
        wait_for(sub { given($nginx, $german) eq 'SERVUS -' },
                 'a language', 30)
    }, 'it is told of as soon as it is noted that a customer is here');
}


# --- memory -----------------------------------------------------------------

# a request that goes on keeps what it was told

{
    my $c = $nginx->connect;

    put($redis, with('HELD', 'TOO'));
    becomes($nginx, $session, 'HELD,TOO -', 'two promotions');
    put($redis, with('HELD'));
    becomes($nginx, $session, 'HELD -', '... and one');

    $c->write("POST /slow HTTP/1.1\r\nHost: shop\r\nContent-Length: 1\r\n"
              . 'Cookie: ' . $session->cookie . "\r\n\r\n");

    # it is there as soon as the lines of its head are

    is(given($nginx, $session), 'HELD -', 'a request whose body is to come');

    for my $code (map { "NEXT-$_" } 1 .. 4) {
        put($redis, with($code));
        becomes($nginx, $session, "$code -", "then $code");
    }

    $c->write('x');

    my $echo = $c->response->json;

    is((ShopTest::Backend::values_of($echo, 'X-Promotion'))[0], 'HELD',
       'it is told what was in force when it began');
    wait_for {
        read_file($nginx->dir . '/logs/offers.log') =~ m{^/slow HELD$}m
    } 'a line of a log';
    pass('... and so is a log');
}

sub memory {
    my ($pid) = @_;

    return read_file("/proc/$pid/statm") =~ /^\d+ (\d+)/ ? $1 * 4 : 0;
}

{
    my $nginx = start(redis => $redis, workers => 1);
    my $pid = $nginx->get('/')->header('X-Worker');
    my $text = document({
        segments   => [ map { { name => "s$_",
                                conditions => "points>=$_" } } 1 .. 50 ],
        promotions => [ map { { code => "P$_", match => "path ~^/$_",
                                audience => "s$_" } } 1 .. 50 ] });
    my $change = 0;

    my $churn = sub {
        my ($n) = @_;

        for (1 .. $n) {
            $change++;
            put($redis, $text . ' ' x $change);
            wait_for(sub { (status($nginx)->{version} || '')
                           eq version($text . ' ' x $change) },
                     'a change', 30);
        }
    };

    $churn->(10);

    my $before = memory($pid);

    cmp_ok($before, '>', 1024, 'a worker has some memory');

    $churn->(30);

    # AddressSanitizer keeps what is freed, and looks for leaks itself

    cmp_ok(memory($pid) - $before, '<',
           $ENV{ASAN_OPTIONS} ? 512 * 1024 : 1024,
           'changes leave no memory behind');

    $nginx->stop;
}

# a zone without room for it

{
    $redis->command('DEL', 'shop:program');

    my $small = start(redis => $redis, zone => 'shop_zone small:64k;');

    put($redis, '{"promotions": [{"code": "A"}]}' . ' ' x 10_000);
    refused($small, qr/has no room for it/,
            'more than an eighth of the zone is not taken');
    becomes($small, $session, 'CONF conf', '... and nothing is half known');
    put($redis, with('SMALL'));
    becomes($small, $session, 'SMALL -', 'a smaller one fits');
    $small->stop;
}

done_testing();
