# The channel of changes goes by TLS, too, and introduces itself as all others
# do: a change by anybody is seen as fast.

use lib 't/lib';
use ShopTest;
use ShopTest::Certificate ();
use ShopTest::Session;

my $ca = ShopTest::Certificate->authority;
my $password = 'correct-horse-battery';

my ($cert, $key) = $ca->issue_files('shop', purpose => 'client');

my $redis = redis(tls => [ $ca->issue_files('127.0.0.1') ],
                  tls_ca => $ca->file, user => 'shop',
                  password => $password);

my $file = write_file(temp_dir() . '/redis.password', "$password\n", 0600);

my $shop = shop(
    redis => $redis,
    nginx_options => { secrets => [$password] },
    vars  => { redis => $redis->tls_url . '/2 ca=' . $ca->file
                        . " cert=$cert key=$key user=shop"
                        . " password_file=$file" },
    location => 'add_header X-Session $shop_session;',
);

# this test is another client, without TLS, of the same database

$redis->command('SELECT', 2);

sub told {
    my ($session) = @_;

    my $response = $shop->nginx->get('/', Cookie => $session->cookie);
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}

my $n = 0;
my $s = ShopTest::Session->new(redis => $redis, view => { points => 0 });

sub works {
    my ($name) = @_;

    wait_for {
        $s->view(points => ++$n);
        told($s) =~ / $n / && told($s) =~ /cached/;
    } "the channel: $name";

    my @took;

    for (1 .. 50) {
        told($s);
        $s->view(points => ++$n);

        my $start = ShopTest::now();
        wait_for { told($s) =~ / $n / } 'a change';
        push @took, 1000 * (ShopTest::now() - $start);
    }

    ShopTest::Session::are_soon("$name: 50 changes", @took);
}

works('by TLS');

my $listeners = $redis->command('CLIENT', 'LIST', 'TYPE', 'pubsub');

is(scalar(() = $listeners =~ /^id=/mg), 1, 'there is one listener');
like($listeners, qr/ user=shop /, '... who said who it is');
like($listeners, qr/ laddr=127\.0\.0\.1:$redis->{tls_port} /,
     '... to the port for TLS') if $listeners =~ / laddr=/;

$redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
works('after it was cut off');

my $out = ShopTest::Session->new(redis => $redis);

wait_for { told($out) =~ /cached/ } 'a session in the cache';
$out->end;

my $start = ShopTest::now();
wait_for { told($out) eq '- - none' } 'its end';
ShopTest::Session::are_soon('a session that ends',
                            1000 * (ShopTest::now() - $start));

done_testing();
