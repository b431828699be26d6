# What booking orders, refunds and points leaves in Redis, by each server that
# there is: as it is documented, compact, exact up to 2^53, all of it or
# nothing, and in one slot of a cluster.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::Ledger;
use ShopTest::Redis;

my $day   = 86400;
my $noon  = 1790164800;                 # 2026-09-23 12:00 UTC
my $max   = 9007199254740991;
my $first = $noon + 43200 + 14 * $day;  # when a lot of that day activates

my $program = {
    tiers => [ { name => 'bronze' }, { name => 'gold', points => 1000 } ],
    earn  => [ { what => 'order', points => 1, per => 100, pending => '14d',
                 expires => '365d', multiply => { gold => 1500 } } ],
};

my ($redis, $customer, $n);

sub fresh {
    my (%o) = @_;

    $redis->command('FLUSHALL');
    $customer = ShopTest::Ledger->new($redis, $program, %o);
    $n = 0;
}

sub book {
    my ($now, %event) = @_;

    return $customer->book($now, { id => 'e' . ++$n, time => $now, %event });
}

sub order { return book($_[0], type => 'order', order => $_[1],
                        total => $_[2]) }

sub refund { return book($_[0], type => 'refund', order => $_[1],
                         total => $_[2]) }

sub spend { return book($_[0], type => 'spend', points => $_[1]) }

sub compact {
    my ($name) = @_;

    return $redis->command('OBJECT', 'ENCODING', $customer->key($name))
        =~ /^(?:listpack|ziplist)$/;
}

sub sum {
    my $sum = 0;

    $sum += (split / /)[1] for @{ $customer->ledger };

    return $sum;
}

sub has {
    my ($points, $pending, $name) = @_;
    my $view = $customer->view;

    is(join('+', map { $_ || 0 } @$view{qw(points pending)}),
       "$points+$pending", $name);
    is(sum(), $points + $pending, '... which is the sum of the ledger');
}


for my $binary (ShopTest::Redis::binaries()) {
    my ($server) = $binary =~ /([\w-]+)$/;

    $redis = redis(binary => $binary);

    # an order

    fresh();
    is(order($noon, 'o1', 4999), 'booked', "$server: an order");

    my $lot = "$first:" . ($first + 366 * $day);

    is_deeply($customer->view, {
        created => $noon, pending => 49, qualifying => 49, orders => 1,
        spend => 4999, first_order => $noon, last_order => $noon,
        next_due => $first,
        tier => 'bronze', tier_since => $noon,
    }, 'the view');

    is_deeply($customer->lots, { $lot => -49 }, 'a lot that is pending');
    is_deeply($customer->ledger, [ "order 49 $lot 0 e1" ], 'the ledger');
    is_deeply($redis->hash($customer->key('orders')),
              { o1 => "4999 0 $noon 1000 100 1 $lot" }, 'what an order is');

    is(book($first, type => 'adjust', points => 1), 'booked', 'a later event');
    is_deeply($customer->lots, { $lot => 49 }, '... finds an active lot');
    is($customer->view->{next_due}, $first + 366 * $day, '... due at its end');
    has(50, 0, '... and counts it');

    is(spend($first, 50), 'booked', 'all of it is spent');
    is($redis->command('EXISTS', $customer->key('lots')), 0, 'no lot is left');
    is($customer->view->{next_due}, 0, '... and nothing due');

    # a refund before its order

    fresh();
    is(refund($noon, 'o1', 1000), 'kept', 'a refund before its order');
    is_deeply($redis->hash($customer->key('orders')), { o1 => '- 1000' },
              '... is kept');
    is(order($noon, 'o1', 4999), 'booked', '... until that comes');
    has(0, 39, '... and is netted');
    is($customer->view->{refunds}, 1, '... and is one');

    # the compact encodings, on which the memory of a customer depends

    fresh();
    order($noon - $_ * $day, "2026-09-$_", 12345) for 1 .. 20;

    ok(compact($_), "$_ is compact") for qw(view lots orders seen);

    # a clock that goes back, as those of several servers may

    fresh();
    order($noon, 'o1', 1000);
    book($first + 60, type => 'adjust', points => 1);
    is(spend($first - 60, 5), 'booked', 'a clock behind: active stays active');
    has(6, 0, '... so');
    order($noon, 'o2', 1000);
    book($first - 60, type => 'adjust', points => 1);
    has(17, 0, 'an old order is found active');
    refund($first - 30, 'o1', 1000);
    refund($first + 90, 'o2', 1000);
    has(0, 0, 'nothing is taken twice');

    # numbers

    fresh();
    is(book($noon, type => 'adjust', points => $max), 'booked',
       'points are exact up to 2^53');
    has($max, 0, '... in the view');
    is(book($noon, type => 'adjust', points => 1), 'refused too_large',
       'what would go above is refused');
    is(order($noon, 'o1', 200), 'refused too_large', '... of an order, too');
    is(spend($noon, $max - 1), 'booked', 'and are spent');
    has(1, 0, '... to the last one');

    is(book($noon, type => 'adjust', points => $_), 'refused too_large',
       "an amount of $_") for '9007199254740992', '1e3', '12.5', '';

    fresh();

    for my $times (1, 2) {
        book($noon, type => 'adjust', points => $max);
        is(book($noon, type => 'adjust', points => -$max, qualifying => 1),
           $times == 1 ? 'booked' : 'refused too_large',
           "what counts towards tiers is exact below zero, too: $times");
    }

    fresh();
    is(order($noon, 'o1', $max), 'refused too_large',
       'an order that is worth more than fits');
    is_deeply([ $redis->keys ], [], '... leaves nothing');

    # all or nothing

    for my $key (qw(view ledger lots orders seen)) {
        fresh();
        $redis->command('SET', $customer->key($key), 'text');

        like(order($noon, 'o1', 1000), qr/^error .*WRONGTYPE/,
             "\"$key\" of another type is an error");
        is_deeply([ $redis->keys ], [ $customer->key($key) ],
                  '... and nothing is booked');
    }

    # but for a place in a queue that is none

    fresh();
    $redis->command('SET', $customer->key('due'), 'text');
    is(order($noon, 'o1', 4999), 'booked', 'a queue that is none');
    is($customer->view->{next_due}, $first, '... stops nothing half-way');
    is($redis->command('EXISTS', map { $customer->key($_) }
                                 qw(view ledger lots orders seen)), 5,
       '... all is there');

    fresh();
    is(book($noon, type => 'cancel'), 'refused type_unknown',
       'an unknown kind');
    is_deeply([ $redis->keys ], [], '... leaves nothing');

    for my $event ([ type => 'spend', points => 1 ],
                   [ type => 'adjust', points => -1 ],
                   [ type => 'adjust', points => 1,
                     time => $noon - 401 * $day ])
    {
        fresh();
        like(book($noon, @$event), qr/^refused /, 'what is refused');
        is_deeply([ $redis->keys ], [], '... leaves nothing');
    }

    # declared keys only, where the server can check it

    fresh(prefix => "#!lua\n");
    is(order($noon, 'o1', 4999), 'booked', 'the script declares its keys');
}


# keys of one slot, in a cluster

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);
    my @statuses = map {
        $customer = ShopTest::Ledger->new($_, $program);
        $n = 0;
        order($noon, 'o1', 4999);
    } $cluster->nodes;

    is(scalar(grep { $_ eq 'booked' } @statuses), 1,
       'in a cluster one node books');
    is(scalar(grep { /^error MOVED/ } @statuses), 2,
       '... and the others say which');
}

done_testing();
