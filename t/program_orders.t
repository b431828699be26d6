# Orders name codes of promotions that are kept in Redis.  A worker that has
# not found out yet whether there are any must not book such an order, since
# what has become of its codes is for good: it is told again.

use lib 't/lib';
use ShopTest;
use ShopTest::Browser;
use ShopTest::Events;
use ShopTest::Program ();
use ShopTest::Proxy;
use ShopTest::Session;

use JSON::PP ();

my $redis  = redis();
my $events = ShopTest::Events->new;
my $n      = 0;

$redis->command('SET', 'shop:program', ShopTest::Program::with('LIVE'));

# a shop that asks what is there of a program, and is answered by "action"

sub instance {
    my ($proxy, $action, @text) = @_;

    $proxy->spoil($action, 0, only => 'GETRANGE', @text);

    return shop(
        redis    => $redis,
        vars     => { redis => $proxy->url },
        http     => $events->conf,
        server   => 'location = /json { shop_status json; }',
        location => 'loyalty_capture on; add_header X-Session $shop_session;',
        nginx_options => { workers => 1, level => 'notice', timeout => 60 });
}

sub order {
    my ($customer, @codes) = @_;
    $n++;

    return { id => "e$n", type => 'order', order => "o$n", time => time,
             customer => $customer, total => '10.00', currency => 'EUR',
             @codes ? (promotion => \@codes) : () };
}

sub told {
    my ($shop, @orders) = @_;
    my $response = $events->send($shop->nginx, @orders);

    return $response->status if $response->status != 200;

    return join ' ', map { my $is = $_->{promotions} || {};
                           ($_->{status}, map { "$_=$is->{$_}" }
                                          sort keys %$is) }
                     @{ $response->json->{results} };
}

# what became of the codes of an order, in Redis

sub kept {
    my ($key, $order) = @_;

    return $redis->command('HGET', $key, "$order->{order} promotions") || '';
}


{
    my $proxy = ShopTest::Proxy->new($redis->port);
    my $shop = instance($proxy, 'nil');
    my $first = order('anna', 'LIVE');

    is(told($shop, $first), 503, 'who does not know yet books no such order');
    is(told($shop, order('anna'), $first), 503, '... nor with another one');
    is(told($shop, order('anna')), 'booked',
       'an order without a code is booked');
    is(told($shop, { id => 'adjusts', type => 'adjust', time => time,
                     customer => 'anna', points => 1,
                     qualifying => JSON::PP::true }),
       'booked', '... and what has another option');

    # one in an answer

    my $session = ShopTest::Session->new(redis => $redis);
    my $nginx = $shop->nginx;

    wait_for {
        ($nginx->get('/', Cookie => $session->cookie)->header('X-Session')
            || '') =~ /^(?:fresh|cached)$/
    } 'a customer', 60;

    my $answered = order($session->customer, 'LIVE');
    my $text = JSON::PP->new->utf8->encode($answered);

    $nginx->get('/?header=' . ShopTest::Browser::escape("X-Shop-Event:$text"),
                Cookie => $session->cookie);
    is($nginx->get('/json')->json->{events}{in_flight}, 1,
       'one in an answer waits');

    # one of somebody who signs in

    my $who = { provider => 'work', subject => 'bert' };
    my $waits = order($who, 'LIVE');

    is(told($shop, $waits), 'kept', 'one of nobody waits for its customer');
    $shop->provider->set({ user => { sub => 'bert', email => undef } });
    $shop->login(my $browser = $shop->browser, '/');

    my $bert = $shop->me($browser)->{customer};
    my ($key) = $redis->keys("shop:orders:*:$bert");

    is($key, undef, '... who signs in, which it outlives');
    ok($nginx->logs('logs/error.log',
                    qr/events that wait for customer "$bert" could not be/),
       '... and is told of');

    $proxy->heal;

    wait_for { told($shop, $first) ne 503 } 'the document', 60;
    is(told($shop, $first), 'duplicate LIVE=redeemed',
       'told again, it redeems what is kept in Redis');
    wait_for { kept($session->key('orders'), $answered) } 'the answer', 60;
    is(kept($session->key('orders'), $answered), 'LIVE=redeemed',
       '... so does that in an answer');
    $shop->login($shop->browser, '/');
    ($key) = wait_for { ($redis->keys("shop:orders:*:$bert"))[0] }
                      'the order that waited', 60;
    is(kept($key, $waits), 'LIVE=redeemed',
       '... and that of who signs in once more');

    # what one worker knows the next ones know

    $proxy->spoil('nil', 0, only => 'GETRANGE');
    $nginx->reload;
    is(told($shop, order('anna', 'LIVE')), 'booked LIVE=redeemed',
       'a new worker knows what the old one knew');
    $nginx->stop;
}


# what will never be known stops nobody

for my $text ('NOPERM no', 'ERR unknown command') {
    my $proxy = ShopTest::Proxy->new($redis->port);
    my $shop = instance($proxy, 'error', text => $text);
    my $order = order('carl', 'WELCOME-10', 'LIVE');

    $shop->nginx->{allow} = [ qr/in redis was refused/ ];

    wait_for { told($shop, $order) ne 503 } 'the answer', 60;
    is(told($shop, $order), 'duplicate LIVE=unknown WELCOME-10=redeemed',
       "$text: the program is that of the configuration");
    $shop->nginx->stop;
}

done_testing();
