# The rules of a loyalty program as examples that can be checked by hand, one
# after the other: numbers and time, events, the ledger, what is earned, and
# tiers.  They are asked of the model that the scripts are compared with, and of
# the scripts: both have to say the same.

use lib 't/lib';
use ShopTest;
use ShopTest::Ledger;
use ShopTest::Loyalty;

use Time::Local qw(timegm);

my $redis = redis();

my ($customer, $script, $n, $here);

sub customer {
    my (%program) = @_;

    $redis->command('FLUSHALL');

    $customer = ShopTest::Loyalty->new(%program);
    $script = ShopTest::Ledger->new($redis, \%program);
    $n = $here = 0;
}

# "2026-03-01" or "2026-03-01 12:30"

sub at {
    my ($year, $month, $day, $hour, $minute)
        = $_[0] =~ /^(\d+)-(\d+)-(\d+)(?: (\d+):(\d+))?$/ or die $_[0];

    return timegm(0, $minute || 0, $hour || 0, $day, $month - 1, $year);
}

# told(DATE, 'order o1 49.99'), of another time: (..., time => DATE)

sub told {
    my ($date, $words, %more) = @_;
    my ($type, $what, $amount) = split ' ', $words;
    my $now = at($date);

    my @fields
        = $type =~ /order|refund/ ? (order => $what, total => minor($amount))
        : $type =~ /spend|adjust/ ? (points => $what)
        : $type eq 'grant'        ? (tier => $what, until => at($amount))
        : $type eq 'custom'       ? (name => $what) : ();

    $more{time} = at($more{time}) if defined $more{time};

    my $event = { id => 'e' . ++$n, type => $type, time => $now, @fields,
                  %more };

    if ($type eq 'visit') {
        $event = $script->seen($now, $here);
        $here = $now;
    }

    my $status = $customer->book($now, $event);

    my $is = $script->book($now, $event);

    fail("the script says \"$is\", not \"$status\"") if $is ne $status;

    return $status;
}

sub minor { return ShopTest::Loyalty::minor($_[0], 2) }

# "ACTIVE+PENDING TIER" at a date, e.g. "100+50 silver"

sub has {
    my ($date, $expected, $name) = @_;

    $customer->settle(at($date));

    my $is = $customer->active . '+' . $customer->pending;

    $is .= ' ' . $customer->tier if $expected =~ / /;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($is, $expected, $name);

    my $sum = 0;
    $sum += (split / /)[1] for @{ $customer->{ledger} };
    $sum -= $customer->active + $customer->pending;

    ok($sum == 0, '... and the sum of the ledger is the same');

    $script->book(at($date), { id => '', type => 'settle',
                               time => at($date) });

    my $view = $script->view;

    is_deeply([ map { $_ || '' } @$view{qw(points pending tier tier_until)},
                @{ $script->ledger } ],
              [ map { $_ || '' } $customer->active, $customer->pending,
                $customer->tier, $customer->tier_until,
                @{ $customer->{ledger} } ],
              '... as by the script');
}

sub last_entry { return $customer->{ledger}[-1] }

sub lots { return scalar keys %{ $customer->lots } }


# --- 1. numbers and time

for my $case ([ '49.99', 2, 4999 ], [ '49.9', 2, 4990 ], [ '49', 2, 4900 ],
              [ '0.07', 2, 7 ], [ '1200', 0, 1200 ], [ '1.234', 3, 1234 ],
              [ '90071992547409.91', 2, 9007199254740991 ],
              [ '90071992547409.92', 2, undef ], [ '49.999', 2, undef ],
              [ '1.0', 0, undef ], [ '-1', 2, undef ], [ '1e3', 2, undef ],
              [ '.5', 2, undef ], [ '', 2, undef ])
{
    my ($text, $decimals, $minor) = @$case;

    is(ShopTest::Loyalty::minor($text, $decimals), $minor,
       "\"$text\" of a currency with $decimals decimals");
}

for my $case ([ '2026-01-31 10:00', '1M', '2026-03-01' ],
              [ '2028-01-31 10:00', '1M', '2028-03-01' ],
              [ '2026-03-31 10:00', '1M', '2026-05-01' ],
              [ '2028-02-29 10:00', '1y', '2029-03-01' ],
              [ '2026-03-01 10:00', '14d', '2026-03-16' ],
              [ '2026-03-01 00:00', '1d', '2026-03-03' ],
              [ '2026-03-01 10:00', '12h', '2026-03-01 22:00' ])
{
    my ($from, $duration, $to) = @$case;

    is(ShopTest::Loyalty::after(at($from), $duration), at($to),
       "$duration after $from ends at $to");
}


# --- 2. events

customer(earn => [ { what => 'order', points => 1, per => 100 } ]);

is(told('2026-03-01', 'order o1 49.99', id => 'a'), 'booked', 'an event');
is(told('2026-03-01', 'order o1 49.99', id => 'a'), 'duplicate', 'again');
is(told('2026-03-02', 'order o1 49.99', id => 'a', time => '2026-03-01'),
   'duplicate', 'again, a day later');
is(told('2026-03-01', 'order o2 10.00', id => 'a'), 'refused id_reused',
   'the same id with another content');
is(told('2026-03-02', 'order o1 49.99'), 'refused order_booked',
   'the same order by another event');
has('2026-03-02', '49+0', 'so it was booked once');

is(told('2027-04-05', 'order o3 1.00', time => '2026-03-01'), 'booked',
   'an event that is 400 days late');
is(told('2027-04-06', 'order o4 1.00', time => '2026-03-01'),
   'refused too_old', '... and one that is later');
is(told('2027-04-06', 'order o4 1.00', time => '2027-04-06 00:06'),
   'refused in_future', 'one that is more than 5 minutes ahead');
is(told('2027-04-06', 'order o4 1.00', time => '2027-04-06 00:05'),
   'booked', '... and 5 minutes');
is(told('2027-04-07', 'order o5 1.00', id => 'a'), 'booked',
   'an id is free again after 400 days');


# --- 3. the ledger

my @lots = (earn => [ { what => 'order', points => 1, per => 100,
                        pending => '14d', expires => '30d' } ]);

customer(@lots);
told('2026-03-01 09:00', 'order o1 10.00');
told('2026-03-01 18:00', 'order o2 20.00');
is(lots(), 1, 'lots with the same two dates are one');
has('2026-03-15 23:59', '0+30', 'points are pending to the end of the day');
has('2026-03-16', '30+0', '... and active from then on');
is(last_entry(), 'released:30 0 ' . at('2026-03-16') . ':'
   . at('2026-04-16') . ' 30 -', '... which is told');
has('2026-04-15 23:59', '30+0', 'their time runs from the activation');
has('2026-04-16', '0+0', '... to the end of that day');
is(last_entry(), 'expired -30 ' . at('2026-03-16') . ':'
   . at('2026-04-16') . ' 0 -', '... which is told');

customer(@lots);
told('2026-03-01', 'order o1 10.00');
has('2027-03-01', '0+0', 'both are worked off after a long time');
is(scalar @{ $customer->{ledger} }, 3, '... one after the other');

customer(@lots);
told('2026-06-01', 'order o1 10.00', time => '2026-03-01');
has('2026-06-01', '0+0', 'a lot that is past its end');
is_deeply([ map { (split / /)[0, 1] } @{ $customer->{ledger} } ],
          [ 'order', 10, 'expired', -10 ], '... is earned and expired');

customer(earn => [ { what => 'order', points => 1, per => 100,
                     expires => '30d' } ]);
told('2026-03-05', 'order late 10.00');
told('2026-03-01', 'order soon 10.00', time => '2026-03-01');
told('2026-03-06', 'adjust 5');
is(told('2026-03-06', 'spend 12'), 'booked', 'points are spent');
is_deeply([ map { (split / /)[1, 2] } @{ $customer->{ledger} }[-2, -1] ],
          [ -10, '0:' . at('2026-04-01'), -2, '0:' . at('2026-04-05') ],
          '... those that expire soonest first');
is(told('2026-03-06', 'spend 14'), 'refused too_few_points',
   'more than there are is refused');
has('2026-03-06', '13+0', '... as a whole');
told('2026-03-06', 'spend 13');
is(last_entry(), 'spent -5 - 0 e6', 'those that never expire go last');

customer(@lots);
told('2026-03-01', 'order o1 10.00');
is(told('2026-03-02', 'spend 1'), 'refused too_few_points',
   'pending points are never spent');

customer(@lots);
told('2026-03-01', 'order o1 100.00');
told('2026-03-02', 'refund o1 33.33');
has('2026-03-02', '0+66', 'points of what is left of the order: 66.67');
told('2026-03-02', 'refund o1 33.33');
has('2026-03-02', '0+33', '... of 33.34');
told('2026-03-02', 'refund o1 33.34');
has('2026-03-02', '0+0', '... and no drift');

customer(@lots);
is(told('2026-03-01', 'refund o1 33.33'), 'kept', 'a refund before its order');
told('2026-03-02', 'order o1 100.00');
has('2026-03-02', '0+66', '... is netted when that comes');

customer(@lots);
told('2026-03-01', 'order o1 10.00');
told('2026-03-20', 'order o2 10.00');
told('2026-03-20', 'adjust 5');
told('2026-03-20', 'spend 8');
told('2026-03-21', 'refund o1 10.00');
is_deeply([ @{ $customer->{ledger} }[-3 .. -1] ],
          [ 'reversed -2 ' . at('2026-03-16') . ':' . at('2026-04-16')
            . ' 5 e5', 'reversed -5 - 0 e5', 'shortfall:3 0 - 0 e5' ],
          'a refund takes from its own lot, then from others down to zero, '
          . 'and the rest is a shortfall');
has('2026-03-21', '0+10', '... while pending points of another order stay');
told('2026-03-22', 'refund o1 10.00');
has('2026-03-22', '0+10', 'what was taken back is not taken back twice');

customer();
told('2026-03-01', 'adjust 50');
is(told('2026-03-01', 'adjust -60'), 'refused too_few_points',
   'an adjustment never goes below zero');
told('2026-03-01', 'adjust -20');
has('2026-03-01', '30+0', '... but down');
is($customer->qualifying, 0, '... and counts towards no tier');
told('2026-03-01', 'adjust 7', qualifying => 1);
is($customer->qualifying, 7, '... unless it is said');


# --- 4. what is earned

customer(earn => [ { what => 'signup', points => 100 },
                   { what => 'login', points => 5, every => '1d' } ]);
told('2026-03-01 10:00', 'login');
has('2026-03-01 10:00', '105+0', 'a first login earns both');
told('2026-03-02 09:59', 'login');
has('2026-03-02 09:59', '105+0', 'a cooldown runs from the last reward');
told('2026-03-02 10:00', 'login');
has('2026-03-02 10:00', '110+0', '... for its time');

customer(earn => [ { what => 'custom:review', points => 10,
                     limit => '2/week' } ]);
told($_, 'custom review') for ('2026-03-02', '2026-03-03', '2026-03-08 23:00');
has('2026-03-08 23:00', '20+0', 'a limit, in a week from Monday');
told('2026-03-09', 'custom review');
has('2026-03-09', '30+0', '... and in the next one');
told('2026-03-09', 'custom survey');
has('2026-03-09', '30+0', 'an event without a rule');

customer(earn => [ { what => 'visit', points => 1 },
                   { what => 'streak', points => 50, days => 3 } ]);
told($_, 'visit') for ('2026-03-01', '2026-03-02', '2026-03-02 20:00',
                       '2026-03-03');
has('2026-03-03', '54+0', 'a streak of three days, and four visits');
told($_, 'visit') for ('2026-03-05', '2026-03-06');
has('2026-03-06', '56+0', '... restarts at 1 after a day without');
told('2026-03-07', 'visit');
has('2026-03-07', '107+0', '... and pays again');
told($_, 'visit') for ('2026-03-08', '2026-03-09', '2026-03-10');
has('2026-03-10', '160+0', '... at every multiple');

customer(tiers => [ { name => 'bronze' }, { name => 'gold', points => 15 } ],
         earn  => [ { what => 'order', points => 3, per => 200,
                      multiply => { gold => 1500 } },
                    { what => 'order', points => 100, min => 5000 } ]);
told('2026-03-01', 'order o1 11.99');
has('2026-03-01', '15+0 gold', 'floor(floor(11.99 / 2.00) x 3)');
told('2026-03-02', 'order o2 11.99');
has('2026-03-02', '37+0', 'floor(floor(11.99 / 2.00) x 3 x 1.5)');
told('2026-03-02', 'refund o1 2.00');
has('2026-03-02', '34+0', 'a refund uses the multiplier of its order: 1');
told('2026-03-03', 'order o3 50.00');
has('2026-03-03', '296+0', 'rules are added, the largest multiplier is for '
    . 'all of them: 112 and 150');
told('2026-03-03', 'refund o3 49.00');
has('2026-03-03', '184+0', 'less than "min" is left, and the rule still is '
    . 'that of the order');
told('2026-03-03', 'refund o3 1.00');
has('2026-03-03', '34+0', 'nothing is left');

customer(tiers => [ { name => 'bronze' }, { name => 'gold', points => 100 } ],
         earn  => [ { what => 'login', points => 7, tier => 'gold' } ]);
told('2026-03-01', 'login');
has('2026-03-01', '0+0 bronze', 'a rule for a tier');
told('2026-03-01', 'adjust 100', qualifying => 1);
told('2026-03-01', 'login');
has('2026-03-01', '107+0 gold', '... pays those who hold it');


# --- 5. tiers


my $order = { what => 'order', points => 1, per => 100, pending => '14d' };

sub tiers {
    my (%gold) = @_;

    customer(tiers => [ { name => 'bronze' },
                        { name => 'silver', points => 50, window => '365d' },
                        { name => 'gold', points => 100, window => '365d',
                          %gold } ],
             earn  => [ $order ]);
}

customer(tiers => [ { name => 'silver', points => 100 } ], earn => [ $order ]);
told('2026-03-01', 'order o1 99.00');
has('2026-03-01', '0+99 ', 'nobody has a first tier with a condition');
told('2026-03-01', 'order o2 1.00');
has('2026-03-01', '0+100 silver', 'pending points count, an upgrade is '
    . 'immediate');
is($customer->tier_until, 0, '... and for ever, in a lifetime');
told('2026-03-02', 'refund o2 1.00');
has('2026-03-02', '0+99 silver', 'a refund does not demote at once');
told('2026-03-20', 'spend 99');
has('2026-03-20', '0+0 silver', 'spending never does');

tiers();
told('2026-03-01', 'order o1 60.00');
told('2026-06-01', 'order o2 60.00');
has('2026-06-01', '60+60 gold', 'a window that rolls: two orders within it');
is($customer->tier_until, at('2027-06-02'), '... held for its length');
has('2027-06-01 23:59', '120+0 gold', '... to the end of the day');
has('2027-06-02', '120+0 bronze', '... down to the tier qualified for');
told('2027-06-03', 'order o3 70.00');
has('2027-06-03', '120+70 silver', 'what is older than the window counts '
    . 'no more');

tiers();
told('2026-03-01', 'order o1 100.00');
told('2027-02-01', 'order o2 55.00');
has('2027-03-02', '155+0 silver', 'at the end, the tier of what was earned '
    . 'since');
is($customer->tier_until, at('2028-03-02'), '... with a validity of its own');

tiers();
told('2026-03-01', 'order o1 100.00');
told('2027-02-01', 'order o2 100.00');
has('2027-03-02', '200+0 gold', 'who qualifies again keeps the tier');
is($customer->tier_until, at('2028-03-02'), '... for as long again');

tiers();
told('2026-03-01', 'order o1 100.00');
told('2026-03-02', 'refund o1 50.00');
has('2027-03-01', '50+0 gold', 'a refund lowers what counts');
has('2027-03-02', '50+0 bronze', '... and demotes at the reassessment');

tiers(grace => '30d');
told('2026-03-01', 'order o1 100.00');
is($customer->tier_until, at('2027-03-02'), 'a validity is told without '
   . 'grace');
has('2027-03-31', '100+0 gold', '... which comes behind it');
told('2027-03-31', 'order o2 100.00');
has('2027-04-01', '100+100 gold', 'an order within it saves the tier');
is($customer->tier_until, at('2028-04-01'), '... from then on');

tiers(grace => '30d');
told('2026-03-01', 'order o1 100.00');
has('2027-04-01', '100+0 bronze', 'and without one it ends with it');

tiers(valid => '30d');
told('2026-03-01', 'order o1 100.00');
has('2026-04-01', '100+0 gold', 'a validity that is shorter than the window');
is($customer->tier_until, at('2026-05-02'), '... begins again');

tiers(downgrade => 'one');
told('2026-03-01', 'order o1 100.00');
has('2027-03-02', '100+0 silver', 'downgrade=one: one step');
has('2028-03-02', '100+0 bronze', '... which is held for its own time');

tiers(downgrade => 'none');
told('2026-03-01', 'order o1 100.00');
has('2029-03-02', '100+0 gold', 'downgrade=none: never');

customer(tiers => [ { name => 'bronze' },
                    { name => 'gold', points => 100, window => 'calendar' } ],
         earn  => [ $order ]);
told('2026-12-30', 'order o1 60.00');
told('2027-01-02', 'order o2 60.00');
has('2027-01-02', '0+120 bronze', 'a year of the calendar is what counts');
told('2027-03-01', 'order o3 40.00');
has('2027-03-01', '120+40 gold', '... from January on');
is($customer->tier_until, at('2029-01-01'), '... valid to the end of the '
   . 'next');
told('2028-06-01', 'order o4 100.00');
has('2029-01-01', '260+0 gold', 'the year that has ended is looked at');
is($customer->tier_until, at('2030-01-01'), '... valid to the end of its '
   . 'next');
has('2030-01-01', '260+0 bronze', '... each time');

# what is told after New Year

sub yearly {
    my (%gold) = @_;

    customer(tiers => [ { name => 'bronze' },
                        { name => 'silver', points => 50, window => '30d' },
                        { name => 'gold', points => 100,
                          window => 'calendar', %gold } ],
             earn  => [ $order ]);
}

yearly();
told('2026-12-30', 'order o1 40.00');
told('2027-01-02', 'order o2 60.00', time => '2026-12-31 23:59');
has('2027-01-02', '0+100 gold', 'an order that is told late counts for its '
    . 'own year');
is($customer->tier_until, at('2028-01-01'), '... valid to the end of the '
   . 'next');
is($customer->tier_since, at('2027-01-02'), '... since it was told');
has('2028-01-01', '100+0 bronze', '... and no longer');

yearly(grace => '31d');
told('2025-12-30', 'order o1 40.00');
told('2027-01-10', 'order o2 60.00', time => '2025-12-31 23:59');
has('2027-01-10', '100+0 gold', '... nor is it over before its grace is');
is($customer->tier_until, at('2027-01-01'), '... which it has begun');
has('2027-02-01', '100+0 bronze', '... and then it is');

yearly();
told('2026-12-30', 'order o1 100.00');
told('2027-01-02', 'order o2 1.00', time => '2026-12-31 23:59');
is($customer->tier_since, at('2026-12-30'), 'who holds it holds it still');

yearly(grace => '30d');
told('2025-06-01', 'order o1 100.00');
has('2027-01-31', '100+0 bronze', 'a tier has ended');
told('2027-02-02', 'order o2 100.00', time => '2026-12-31 23:59');
has('2027-02-02', '200+0 gold', '... and is back by an order of before');
is($customer->tier_until, at('2028-01-01'), '... to the end of this year');

yearly();
told('2027-01-02', 'order o1 100.00', time => '2025-12-31');
has('2027-01-02', '100+0 bronze', 'a year whose next one is over, too');
told('2027-01-02', 'order o2 40.00', time => '2026-11-20');
told('2027-01-02', 'order o3 40.00', time => '2026-11-21');
has('2027-01-02', '180+0 bronze', 'a window that rolls ends today');

yearly(valid => 'lifetime');
told('2027-01-02', 'order o1 100.00', time => '2025-12-31');
has('2027-01-02', '100+0 gold', 'a year that is valid for ever');

yearly(valid => '30d');
told('2027-01-02', 'order o1 100.00', time => '2026-12-20');
has('2027-01-02', '0+100 gold', 'a validity of days');
is($customer->tier_until, at('2027-01-20'), '... is the one of then');
has('2027-01-20', '100+0 bronze', '... and ends');
told('2027-01-21', 'order o2 100.00', time => '2026-12-21');
has('2027-01-21', '200+0 bronze', '... also before it is told of');

yearly(valid => '30d');
told('2026-12-20', 'order o1 100.00');
has('2027-01-21', '100+0 bronze', 'a validity that is over');
told('2027-01-21', 'adjust 1', time => '2026-12-31');
has('2027-01-21', '101+0 bronze', '... is not begun again by what counts '
    . 'nothing');
told('2027-01-21', 'order o2 1.00', time => '2026-12-31');
has('2027-01-21', '102+0 bronze', '... nor by what was not needed');

customer(tiers => [ { name => 'bronze' },
                    { name => 'silver', points => 100, window => '30d',
                      valid => 'calendar' },
                    { name => 'gold', points => 1000, window => 'calendar',
                      grace => '90d' } ],
         earn  => [ $order ]);
told('2026-06-01', 'order o1 1000.00');
told('2028-03-20', 'order o2 100.00');
has('2028-03-31', '1000+100 silver', 'a grace ends, and days qualify');
is($customer->tier_until, at('2030-01-01'), '... those of this year');

customer();
told('2027-01-02', 'adjust 5', time => '2025-11-27', told => at('2026-12-31'));
has('2027-01-02', '5+0', 'what has waited is as old as it was when it was '
    . 'told');
is(told('2027-01-02', 'adjust 5', time => '2025-11-27'), 'refused too_old',
   '... which is too old now');
told('2026-12-31', 'adjust 5', time => '2027-01-01', told => at('2027-01-01'));
has('2026-12-31', '10+0', '... and by the clock of then');

# a limit whose period was another one

customer(promotions => [ { code => 'A', per_member => 2,
                           period => 'month' } ]);
told('2026-03-01', 'order o1 1.00', promotion => 'A');
told('2026-04-01', 'order o2 1.00', promotion => 'A');
is($script->{reply}[9], 'A=redeemed', 'so often a month');
delete $_->{promotions}[0]{period} for $customer->{program};
told('2026-05-01', 'order o3 1.00', promotion => 'A');
is($script->{reply}[9], 'A=limit', '... counts where it is for ever now');
is($customer->{results}, 'A=limit', '... indeed');

customer(tiers => [ { name => 'bronze' },
                    { name => 'any', spend => 5000, orders => 2 },
                    { name => 'all', spend => 5000, orders => 2,
                      match => 'all' } ]);
told('2026-03-01', 'order o1 50.00');
has('2026-03-01', '0+0 any', 'any one of the conditions');
told('2026-03-01', 'order o2 1.00');
has('2026-03-01', '0+0 all', 'match=all: all of them');

customer(tiers => [ { name => 'bronze' }, { name => 'two', orders => 2 } ]);
told('2026-03-01', 'order o1 5.00');
told('2026-03-01', 'refund o1 5.00');
told('2026-03-01', 'order o2 5.00');
has('2026-03-01', '0+0 bronze', 'an order that was given back is none');

tiers();
told('2026-03-01', 'order o1 60.00');
told('2026-03-02', 'grant gold 2026-06-01');
has('2026-05-31', '60+0 gold', 'a grant is held if it is the higher one');
is($customer->tier_until, at('2026-06-01'), '... until its time');
has('2026-06-01', '60+0 silver', '... and then the one that was earned');
is($customer->tier_until, at('2027-03-02'), '... with its own validity');
is(told('2026-06-01', 'grant platinum 2027-01-01'), 'refused tier_unknown',
   'there is no such tier');

tiers();
told('2026-03-01', 'order o1 100.00');
told('2026-03-02', 'grant silver 2028-03-02');
has('2026-03-02', '0+100 gold', 'a lower grant changes nothing');
has('2027-03-02', '100+0 silver', '... before it is the higher one');

done_testing();
