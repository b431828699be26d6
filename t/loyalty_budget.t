# "500 rooms, sold out in 60 seconds": the budget of a promotion is given out to
# the last one, and not one more, whoever asks for it at once, at how many
# servers, and whatever becomes of these; and it is gone from all pages then.

use lib 't/lib';
use ShopTest;
use ShopTest::Attack;
use ShopTest::Cluster;
use ShopTest::Events;
use ShopTest::Proxy;
use ShopTest::Redis;
use ShopTest::Session;

my $events = ShopTest::Events->new;
my $n = 0;

# a shop; budgets as CODE => N

sub instance {
    my ($redis, %budgets) = @_;
    my $promotions = join '', map { "promotion $_ { budget $budgets{$_}; }\n" }
                              sort keys %budgets;

    # a slow machine must not make an order come again

    return shop(redis => $redis, listen => 'reuseport', vars => { redis => $redis->url
                                                    . ' timeout=10s' },
                nginx_options => { workers => 2, allow => [
                    qr/process \d+ exited on signal 9/ ] },
                http => $events->conf, server => <<'STATUS', program => <<"END");
        location = /status { shop_status json; }
        location = /metrics { shop_status prometheus; }
STATUS
    loyalty_program {
        currency EUR;
        tier bronze;
        earn order 1 per=1.00;
        $promotions
    }
END
}

sub order {
    my ($code, $customer) = @_;
    $n++;

    return { id => "e$n", type => 'order', order => "o$n", time => time,
             customer => $customer || "c$n", total => '10.00',
             currency => 'EUR', promotion => $code };
}

sub told {
    my ($shop, @orders) = @_;
    my ($response, %words);

    # at first a worker does not know whether there is a program in Redis

    wait_for {
        $response = $events->send($shop->nginx, @orders);
        return $response->status == 200;
    } 'the orders to be booked', 60;

    $words{(values %{ $_->{promotions} })[0]}++
        for @{ $response->json->{results} };

    return join ' ', map { "$_=$words{$_}" } sort keys %words;
}

# what all partitions have used

sub used {
    my ($redis, $code) = @_;
    my $sum = 0;

    for my $part (0 .. 63) {
        my $text = $redis->command('HGET', "shop:budget:{$part}", $code) || '';

        $sum += (split / /, $text)[2] || 0;
    }

    return $sum;
}

sub shown {
    my ($shop, $session, $code) = @_;

    return grep { $_ eq $code }
           map { split /,/ } ShopTest::Backend::values_of(
               $shop->nginx->get('/', Cookie => $session->cookie)->json,
               'X-Promotion');
}

# as each worker sees it

sub always {
    my ($condition) = @_;

    wait_for {
        !grep { !$condition->() } 1 .. 12
    } 'all workers to know', 60;
}

sub budget {
    my ($shop, $code) = @_;
    my ($it) = grep { $_->{promotion} eq $code }
               @{ $shop->nginx->get('/status')->json->{budgets} };

    return join ' ', map { defined $it->{$_} ? $it->{$_} : '-' }
                     qw(total redeemed left);
}


# 64 connections, two servers, a cluster

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);
    my @shops = map { instance($cluster, ROOMS => 500) } 1 .. 2;
    my $session = ShopTest::Session->new(redis => $cluster, view => { points => 5 });

    always(sub { shown($shops[0], $session, 'ROOMS') });
    always(sub { shown($shops[1], $session, 'ROOMS') });

    my $attack = ShopTest::Attack->new($events, [ map { $_->nginx } @shops ],
                                       64);
    my @orders = map { order('ROOMS') } 1 .. 700;

    is_deeply($attack->run(\@orders), { redeemed => 500, sold_out => 200 },
              'of 700 orders over 64 connections exactly 500 get a room');
    is_deeply($attack->{statuses}, { booked => 700 }, '... and all are booked');
    is(used($cluster, 'ROOMS'), 500, '... as Redis has it');

    always(sub { !shown($shops[0], $session, 'ROOMS') });
    always(sub { !shown($shops[1], $session, 'ROOMS') });

    my $gone = ShopTest::now() - $attack->{redeemed};

    diag(sprintf 'gone from all pages after %.2f s', $gone);
    cmp_ok($gone, '<', 10, 'it is gone from all pages at once');

    is(budget($shops[1], 'ROOMS'), '500 500 0', 'the figures tell of it');
    like($shops[0]->nginx->get('/metrics')->body,
         qr/^ngx_shop_budget_left\{promotion="ROOMS"\} 0$/m, '... of Prometheus');

    is(told($shops[0], $orders[0], @orders[1 .. 99]) =~ s/\w+=//gr =~ s/ /+/r,
       told($shops[1], @orders[0 .. 99]) =~ s/\w+=//gr =~ s/ /+/r,
       'told again, an order says what became of it');
    is(used($cluster, 'ROOMS'), 500, '... and gets no second room');

    $_->nginx->stop for @shops;
}


# customers are spread unevenly

{
    my $redis = redis();
    my $shop = instance($redis, SKEW => 300);

    is(told($shop, map { order('SKEW') } 1 .. 30), 'redeemed=30',
       'some partitions have leased more than they use');
    is(told($shop, map { order('SKEW', 'greedy') } 1 .. 290),
       'redeemed=270 sold_out=20', 'another one gets all that is left of it');
    is(used($redis, 'SKEW'), 300, '... and no more');

    $shop->nginx->stop;

    # a budget of a program in Redis

    my $live = instance($redis, CONF => 5);
    my $session = ShopTest::Session->new(redis => $redis, view => { points => 5 });

    $redis->command('SET', 'shop:program', '{"promotions": [{"code": "LIVE", '
                    . '"budget": 2, "payload": "two words"}, '
                    . '{"code": "OWN", "once": true}]}');
    always(sub { shown($live, $session, 'LIVE') });
    is(told($live, map { order('LIVE') } 1 .. 3), 'redeemed=2 sold_out=1',
       'promotions that are kept in Redis have budgets, too');
    is(told($live, order('CONF')), 'unknown=1',
       '... and those of the configuration are no promotions meanwhile');
    always(sub { !shown($live, $session, 'LIVE') });

    # another document, while Redis does not tell of budgets

    my $put = sub {
        my ($budget, $name) = @_;

        $redis->command('SET', 'shop:program', '{"promotions": [{"code": '
                        . qq("LIVE", "budget": $budget}, {"code": "$name"}, )
                        . qq({"code": "$name-B", "budget": 5}]}));
        always(sub { shown($live, $session, $name) });
    };

    $put->(3, 'SEEN');
    always(sub { shown($live, $session, 'LIVE') });
    $redis->command('RENAME', 'shop:budget', 'kept');
    $redis->command('SET', 'shop:budget', 'x');
    $put->(4, 'MORE');
    always(sub { shown($live, $session, 'LIVE')
                 && budget($live, 'LIVE') eq '4 2 2' });
    pass('what is known of a budget is known of it in another document');
    always(sub { budget($live, 'MORE-B') eq '5 - -'
                 && !shown($live, $session, 'MORE-B') });
    pass('... and what is not is shown to nobody');
    $put->(2, 'LESS');
    always(sub { !shown($live, $session, 'LIVE') });
    pass('... nor is that of which nothing is left');
    $redis->command('RENAME', 'kept', 'shop:budget');
    always(sub { shown($live, $session, 'LESS-B') });

    $redis->command('DEL', 'shop:program');
    always(sub { shown($live, $session, 'CONF') });
    pass('until that is gone');
    $live->nginx->stop;

    # a budget that was changed

    my @more = (instance($redis, LESS => 20), instance($redis, LESS => 10),
                instance($redis, LESS => 15));

    is(told($more[0], map { order('LESS') } 1 .. 8), 'redeemed=8', 'of 20');
    is(told($more[1], map { order('LESS') } 1 .. 8), 'redeemed=2 sold_out=6',
       'lowered to 10, that is all there is');
    is(told($more[2], map { order('LESS') } 1 .. 8), 'redeemed=5 sold_out=3',
       'raised to 15, there are five more');
    is(told($more[1], order('LESS')), 'sold_out=1',
       'below what was given out, nothing is');
    wait_for { budget($more[1], 'LESS') eq '10 15 0' } 'the figures', 60;
    pass('... and nothing is left, not less than that');

    # somebody has died between two steps

    my $part = 7;

    $redis->command('HSET', 'shop:budget', "LESS:$part", '3 0 0',
                    'LESS', '18 15');
    is(told($more[0], map { order('LESS') } 1 .. 8),
       'redeemed=5 sold_out=3', 'what was leased and never came is given out');
    is(used($redis, 'LESS'), 20, '... to the last one');

    # a hash that is none

    $redis->command('HSET', 'shop:budget', 'LESS', 'x');
    $redis->command('DEL', 'shop:budget');
    $redis->command('SET', 'shop:budget', 'x');

    is($events->send($more[0]->nginx, order('LESS'))->status, 503,
       'what cannot be leased is not acknowledged');

    $_->nginx->stop for @more;
}


# who was to tell of a redemption did not come to that

{
    my $redis = redis();
    my $proxy = ShopTest::Proxy->new($redis->port);
    my $shop = instance($proxy, LAST => 1, TWO => 9);
    my $session = ShopTest::Session->new(redis => $redis,
                                         view => { points => 5 });
    my $last = order('LAST');

    is(told($shop, $last), 'redeemed=1', 'the last one');
    always(sub { !shown($shop, $session, 'LAST') });

    my %budget = %{ $redis->hash('shop:budget') };
    my ($part) = map { /^(LAST:\d+)$/ } keys %budget;

    $redis->command('HSET', 'shop:budget', LAST => '1 0', $part => '1 0 0');
    always(sub { shown($shop, $session, 'LAST') });
    is(told($shop, $last), 'redeemed=1', 'the order is told again');
    always(sub { !shown($shop, $session, 'LAST') });
    is_deeply({ map { $_ => $redis->hash('shop:budget')->{$_} }
                    'LAST', $part },
              { map { $_ => $budget{$_} } 'LAST', $part },
              '... and so is what it has redeemed');

    # a lease, and two orders of one customer, one after the other

    $proxy->spoil('hold', 3, only => 'EVALSHA');

    my $client = $shop->nginx->connect;
    my $body = ShopTest::Events::body(map { order('TWO', 'anna') } 1 .. 2);

    $client->send('POST', '/_shop/events', headers => $events->headers($body),
                  body => $body);
    wait_for { $proxy->spoiled } 'the second one', 60;
    $client->close;
    wait_for { ($redis->hash('shop:budget')->{TWO} || '') =~ / 1$/ }
        'what the first one has redeemed', 60;
    pass('so is what was redeemed for a client who has left');
    $proxy->heal;
    $shop->nginx->stop;
}


# workers and Redis are killed, and all is sent again

{
    my $redis = ShopTest::Redis->new(args => [ '--appendonly', 'yes',
                                               '--appendfsync', 'always' ]);

    $redis->start;

    my @shops = map { instance($redis, KILLED => 200) } 1 .. 2;
    my $session = ShopTest::Session->new(redis => $redis, view => { points => 5 });

    always(sub { shown($shops[0], $session, 'KILLED') });

    my $attack = ShopTest::Attack->new($events, [ map { $_->nginx } @shops ],
                                       32);
    my @orders = map { order('KILLED') } 1 .. 300;

    $attack->run(\@orders, sub {
        my ($answers) = @_;

        kill 'KILL', ($shops[$answers / 40 % 2]->nginx->workers)[0]
            if $answers % 40 == 0;

        if ($answers == 150) {
            $redis->crash;
            $redis->start;
        }
    });

    ok(!$attack->{statuses}{refused}, 'nothing is refused on the way');

    # what was redeemed before an answer was lost says so now

    is_deeply($attack->run(\@orders), { redeemed => 200, sold_out => 100 },
              'whoever is killed, 200 of 300 have got it');
    is_deeply($attack->{statuses}, { duplicate => 300 },
              '... and each order was booked once');
    is(used($redis, 'KILLED'), 200, '... as Redis has it');

    always(sub { !shown($shops[0], $session, 'KILLED') });

    $redis->crash;
    ok(!shown($shops[0], $session, 'KILLED'),
       'while Redis is away the last word counts');

    $_->nginx->stop for @shops;
}

done_testing();
