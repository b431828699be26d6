# A promotion is redeemed by an order that names its code: as often as it says,
# and where it says so by a code that is one customer's alone.  Whatever
# becomes of the codes, the order is booked, and its result tells.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;
use ShopTest::Offers;

my $redis  = redis();
my $events = ShopTest::Events->new;

my $shop = shop(redis => $redis, http => $events->conf, program => <<'END');
    loyalty_program {
        currency EUR;
        tier bronze;
        earn order 1 per=1.00;

        promotion DAILY   { per_member 1 day; payload "Once a \"day\" – für alle"; }
        promotion FREE    { }
        promotion MONTH   { per_member 2 month; }
        promotion ONE     { once; payload one; }
        promotion OTHER   { once; }
        promotion ROLLS   { per_member 2 7d; }
        promotion TWICE   { per_member 2; }
    }
END

my $nginx = $shop->nginx;
my $n = 0;

sub order {
    my ($customer, $promotion, %o) = @_;
    $n++;

    return { id => "e$n", type => 'order', customer => $customer,
             time => time, order => "o$n", total => '10.00',
             currency => 'EUR', promotion => $promotion, %o };
}

sub results {
    my $response = $events->send($nginx, @_);

    return map { my $is = $_->{promotions} || {};
                 join ' ', $_->{status},
                      sort map { "$_=$is->{$_}" } keys %$is }
           @{ $response->json->{results} };
}

sub person {
    my ($name) = @_;

    $shop->provider->set({ user => { sub => $name, email => undef } });

    my $browser = $shop->browser;

    $shop->login($browser, '/');

    return $browser;
}

sub codes { return @{ $shop->me($_[0])->{promotions} } }

sub code {
    my ($browser, $name) = @_;

    return grep { /^$name(?:-|$)/ } codes($browser);
}

my $anna = person('anna');
my $bert = person('bert');
my $id = $shop->me($anna)->{customer};


# what is shown

my ($own) = code($anna, 'ONE');
my ($other) = code($bert, 'ONE');
my $seed = $redis->command('HGET', 'shop:meta', 'seed');

like($own, qr/^ONE-[0-9A-HJKMNP-TV-Z]{10}$/, 'a customer has a code');
isnt($own, $other, '... that is another one than others have');
is($own, ShopTest::Offers::own($seed, 'ONE', $id),
   '... and can be worked out by who has the seed');
isnt(substr($own, 4), substr((code($anna, 'OTHER'))[0], 6),
     '... and differs from promotion to promotion');
is_deeply([ map { /^(\w+)/ } codes($anna) ],
          [ qw(DAILY FREE MONTH ONE OTHER ROLLS TWICE) ], 'all are shown');

is_deeply($shop->me($anna)->{payloads},
          { DAILY => "Once a \"day\" \x{2013} f\x{fc}r alle", $own => 'one' },
          'what promotions say is told by their codes');

is_deeply([ ShopTest::Backend::values_of(
                $anna->fetch('GET', '/account/')->json, 'X-Promotion') ],
          [ join ',', codes($anna) ],
          'the backend is given the same codes');


# what becomes of them

is_deeply([ results(order($id, 'FREE')) ], [ 'booked FREE=redeemed' ],
          'a code is redeemed');
is_deeply([ results(order($id, [ 'TWICE', 'NONE', 'TWICE' ])) ],
          [ 'booked NONE=unknown TWICE=redeemed' ],
          'a code that is named twice counts once, an unknown one nothing');
is(scalar code($anna, 'TWICE'), 1, '... and may be redeemed once more');

my $last = order($id, 'TWICE');

is_deeply([ results($last, order($id, 'TWICE')) ],
          [ 'booked TWICE=redeemed', 'booked TWICE=limit' ],
          'and so often, the order is booked nevertheless');
is(scalar code($anna, 'TWICE'), 0, '... and the promotion is not shown');
is(scalar code($bert, 'TWICE'), 1, '... to this customer');
is_deeply([ results($last) ], [ 'duplicate TWICE=redeemed' ],
          'an event that is told again says what became of it');
is_deeply([ results(order($id, 'FREE', order => $last->{order})) ],
          [ 'refused' ], 'another event of the same order redeems nothing');

is_deeply([ results(order($id, [ 'ONE', $other, 'ONE-0000000000', $own ])) ],
          [ join ' ', 'booked', sort 'ONE=foreign', 'ONE-0000000000=foreign',
                                     "$own=redeemed", "$other=foreign" ],
          'only the own code is good');
is(scalar code($anna, 'ONE'), 0, '... and not shown any more');
is_deeply([ results(order($id, $own)) ], [ "booked $own=limit" ],
          '... as it is good once');

is_deeply([ results(order($id, 'DAILY', time => time - 3 * 86400),
                    order($id, 'DAILY'),
                    order($id, 'DAILY'),
                    order($id, 'DAILY', time => time - 3 * 86400)) ],
          [ 'booked DAILY=redeemed', 'booked DAILY=redeemed',
            'booked DAILY=limit', 'booked DAILY=limit' ],
          'a limit of a period counts by the time of the order');
is(scalar code($anna, 'DAILY'), 0, '... and hides until the period is over');

# as it is noted where another period was in force before

{
    my ($view) = grep { /:\Q$id\E$/ } @{ $redis->command('KEYS', 'shop:view:*') };
    my $time = time;
    my $first = int($time / 86400) - (gmtime $time)[3] + 1;

    $redis->command('HSET', $view =~ s/^shop:view/shop:activity/r,
                    'used:MONTH', "$first:1 " . ($first + 1) . ':1');
    is_deeply([ results(order($id, 'MONTH', time => $time)) ],
              [ 'booked MONTH=limit' ], 'all days of a period count');
}

{
    my ($key) = grep { /:\Q$id\E$/ } @{ $redis->command('KEYS', 'shop:view:*') };
    my $limits = $redis->command('HGET', $key, 'limits');

    like($limits, qr/\bDAILY:1:\d+/, 'the view tells how often and until when');
    $limits =~ s/DAILY:1:\d+/'DAILY:1:' . (time - 1)/e;
    $redis->command('HSET', $key, 'limits', $limits);

    wait_for { scalar code($anna, 'DAILY') } 'it to be shown';
    pass('and it is shown again when that is over, without a booking');

    $redis->command('HSET', $key, 'limits', 'FREE TWICE:x ONE');
    wait_for { scalar code($anna, 'TWICE') } 'it to be shown';
    pass('nonsense limits nothing');
}

# days that roll: no eight of them have more than two, told in any order

{
    my $at = sub { map { order($id, 'ROLLS', time => time - $_ * 86400) } @_ };
    my $limits = sub {
        my ($key) = $redis->keys("shop:view:*:$id");
        my ($times, $until) = $redis->hash($key)->{limits}
                              =~ /\bROLLS:(\d+):(\d+)/;

        return $times ? join ' ', $times, $until / 86400 - int(time / 86400)
                      : '-';
    };

    is_deeply([ results($at->(30, 20, 13)) ],
              [ ('booked ROLLS=redeemed') x 3 ], 'two in a week');
    is($limits->(), '-', '... which is over');
    is_deeply([ results($at->(14)) ], [ 'booked ROLLS=limit' ],
              'one between them, told late, would be the third');
    is_deeply([ results($at->(0, 25, 40)) ],
              [ ('booked ROLLS=redeemed') x 3 ],
              'what was redeemed later, by more than that, does not count');
    is($limits->(), '1 8', '... and today one does');
    is(scalar code($anna, 'ROLLS'), 1, '... so that it is shown');
    is_deeply([ results($at->(5, 3)) ],
              [ 'booked ROLLS=redeemed', 'booked ROLLS=limit' ],
              'one that is told late counts for today as well');
    is($limits->(), '2 3', '... as long as its days last');
    is(scalar code($anna, 'ROLLS'), 0, '... and so long it is not shown');
}

# a refund is about money

is_deeply([ results({ id => 'r1', type => 'refund', customer => $id,
                      time => time, order => $last->{order},
                      total => '10.00' }, order($id, 'TWICE')) ],
          [ 'booked', 'booked TWICE=limit' ],
          'a refund does not give a redemption back');

# somebody who is not known yet

{
    my $who = { provider => 'work', subject => 'carl' };

    is_deeply([ results(order($who, [ 'TWICE', $own ]), order($who, 'TWICE')) ],
              [ 'kept', 'kept' ], 'orders wait for their customer');

    my $carl = person('carl');

    is(scalar code($carl, 'TWICE'), 0, 'and redeem as they are booked');
    is(scalar code($carl, 'ONE'), 1, '... what is theirs');
}

done_testing();
