# The demo without a browser: its people are customers with a past that adds
# up, and however it is ended nothing of it stays.

use lib 't/lib';
use ShopTest;
use ShopTest::Demo;
use ShopTest::Session;

my $demo = ShopTest::Demo->new;
my $redis = $demo->redis;

like($demo->output, qr{^\s*The shop is open:  \Q@{[ $demo->url ]}\E/$}m,
     'the address is printed');


# the headers that the page of the storefront shows

sub told {
    my ($page) = @_;

    return { $page->body =~ m{<th>([\w-]+)</th><td><code>(.*?)</code>}g };
}


# from the first link to a sign-in that the page has to what comes behind it

sub sign_in {
    my ($persona, $uri) = @_;
    my $browser = browser();
    my $page = $browser->navigate($demo->url . $uri);

    for my $next (qr{(?:http://127[\d.:]+)?/_shop/login/demo},
                  qr{/authorize[^"]*persona=$persona})
    {
        my ($link) = $page->body =~ m{href="($next[^"]*)"}
            or die 'no link on ', $page->url, ': ', $page->body;

        $page = $browser->click(ShopTest::Browser::text($link));
    }

    return ($browser, $page);
}


{
    my $page = request($demo->{port}, 'GET', '/');

    is($page->status, 200, 'the shop is open');
    is_deeply(told($page), {}, 'and knows nobody');

    $page = request($demo->{port}, 'GET', '/', headers => [
        'X-Loyalty-Tier' => 'gold', 'X-Customer-Id' => 'c1',
        Cookie => 'shop=forged; basket=1',
    ]);

    is_deeply(told($page), { Cookie => 'basket=1' },
              'nor is it told by a client who that was');

    my $moved = request($demo->{port}, 'GET', '/a?b=1', headers => [
        Host => "localhost:$demo->{port}" ]);

    is($moved->header('Location'), $demo->url . '/a?b=1',
       'by its other name it is the same shop');
}


my %expected = (
    nora  => [ 'bronze', 105, 'WELCOME-10' ],
    sam   => [ 'silver', 1255, 'SILVER-5' ],
    greta => [ 'gold', 6435, 'GOLD-15,SILVER-5' ],
);

for my $name (sort keys %expected) {
    my ($tier, $points, $promotions) = @{ $expected{$name} };
    my ($browser, $page) = sign_in($name, '/');
    my $told = told($page);
    my $id = $told->{'X-Customer-Id'} || '';

    is_deeply($told, {
        'X-Customer-Id' => $id, 'X-Customer-Provider' => 'demo',
        'X-Loyalty-Tier' => $tier, 'X-Loyalty-Points' => $points,
        'X-Promotion' => $promotions,
    }, "$name: what the storefront was told");

    my $nn = ShopTest::Session::crc16($id) % 64;
    my $sum = 0;
    my $balance = 0;

    for my $entry (@{ $redis->command('LRANGE', "shop:ledger:{$nn}:$id", 0,
                                      -1) })
    {
        my (undef, undef, $booked, undef, $after) = split / /, $entry;

        $sum += $booked;
        $balance = $after;
    }

    is($sum, $points, "$name: the ledger adds up to the points");
    is($balance, $points, "$name: and says so");

    my ($again, $other) = sign_in($name, '/account/');

    is($other->url, $demo->url . '/account/', "$name: a page for customers");
    is(told($other)->{'X-Customer-Id'}, $id,
       "$name: is the same customer next time");
    is(told($other)->{'X-Loyalty-Points'}, $points,
       "$name: with the same points on the same day");

    $page = $browser->submit('/_shop/logout', '');

    is_deeply(told($page), {}, "$name: signs out");
}


# an order and a refund, and what they change

{
    my ($browser, $page) = sign_in('nora', '/');

    my $order = sub {
        $browser->submit('/account/order', "$_[0]");

        return told($browser->navigate($demo->url . '/'));
    };

    my @chair = qw(X-Loyalty-Tier X-Loyalty-Points X-Promotion);

    is_deeply([ @{ $order->('good=1') }{@chair} ], [ 'bronze', 455, undef ],
              'a chair of 389.00, 10 % off: 350 points, and nobody new');
    $order->('good=1');
    is_deeply([ @{ $order->('good=1') }{@chair} ],
              [ 'silver', 1233, 'SILVER-5' ], 'two more: silver');

    my $account = $browser->navigate($demo->url . '/account/')->body;
    my @numbers = $account =~ /name="back" value="([\d-]+)"/g;

    is(scalar @numbers, 3, 'the account has three orders');
    like($account, qr/&quot;type&quot;:&quot;order&quot;/,
         '... and what the order system said');
    like($account, qr/&quot;status&quot;:&quot;booked&quot;/,
         '... and what became of it');

    is_deeply([ @{ $order->("back=$numbers[0]") }{@chair} ],
              [ 'silver', 844, 'SILVER-5' ],
              'one given back: its points are gone, and no tier yet');
    is_deeply([ @{ $order->("back=$numbers[0]") }{@chair} ],
              [ 'silver', 844, 'SILVER-5' ], '... once');
    is_deeply([ @{ $order->('back=x') }{@chair} ],
              [ 'silver', 844, 'SILVER-5' ], 'what was no order changes nothing');

    my ($other, $greta) = sign_in('greta', '/');

    $other->submit('/account/order', "back=$numbers[1]");
    is_deeply([ @{ told($browser->navigate($demo->url . '/')) }{@chair} ],
              [ 'silver', 844, 'SILVER-5' ], 'nor does another customer');
}


{
    my ($browser, $page) = sign_in('deny', '/');

    is($page->status, 400, 'who says no gets a page');
    like($page->body, qr/access_denied/, 'which says so');
    is_deeply(told($browser->navigate($demo->url . '/')), {},
              'and is nobody');
}


# --- its end

my $second = ShopTest::Demo->new(port => $demo->{port}, fails => 1);

is($second->status, 1, 'a second demo on the same port fails');
like($second->output, qr/^demo: .*\Q:$demo->{port}: \E.*DEMO_PORT=/,
     'and says what to do');
is_deeply([ glob "$second->{tmp}/*" ], [], 'and leaves no file behind');

my $wrong = ShopTest::Demo->new(port => '80a80', fails => 1);

is($wrong->status, 1, 'what is no port is refused');
like($wrong->output, qr/^demo: DEMO_PORT is no port: "80a80"$/, 'with reason');

# a terminal is closed; one is in a hurry; no time is left for anything

$demo->stop('HUP');

my $hurried = ShopTest::Demo->new;

kill 'INT', $hurried->pid for 1 .. 3;
$hurried->stop;

ShopTest::Demo->new->stop('KILL');

done_testing();
