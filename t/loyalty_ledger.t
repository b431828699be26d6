# What the script of the ledger books is compared with the model, after every
# event of many random histories: events that come late, twice, in the wrong
# order or with another content, refunds of orders and before them, points
# that are spent, tiers of all kinds, and a clock that goes on, jumps years
# ahead or goes back by days, promotions with budgets and limits.  A history that failed can be had
# again by its number, with as many events:
#
#     SHOP_HISTORY=17 SHOP_EVENTS=30 prove t/loyalty_ledger.t
#
# "./build.sh simulate" has more and longer ones.

use lib 't/lib';
use ShopTest;
use ShopTest::Ledger;
use ShopTest::Loyalty;

my $redis = redis();

my ($first, $last) = split /-/, $ENV{SHOP_HISTORY} || '1-200';

$last ||= $first;

my $events = $ENV{SHOP_EVENTS} || 30;

my $day = 86400;
my $seed;

# of Park and Miller, so that a history is the same everywhere

sub random {
    my ($n) = @_;

    $seed = $seed * 48271 % 2147483647;

    return $seed % $n;
}

sub one_of { return $_[random(scalar @_)] }


# a program: what a shop might write

sub program {
    my @earn = ({ what => 'signup', points => 100 },
                { what => 'login', points => 5, every => one_of('1d', '1h') },
                { what => 'login', points => 2, pace() },
                { what => 'visit', points => 1, pace(), dates() },
                { what => 'streak', points => 20, days => 1 + random(3),
                  dates(), random(4) ? () : (tier => 'bronze') });

    for my $name (qw(review review survey)) {
        push @earn, {
            what => "custom:$name", points => 10, pace(), dates(),
            random(3) ? () : (min => 500),
            random(4) ? () : (tier => 'gold'),
        };
    }

    for (0 .. random(3)) {
        push @earn, {
            what => 'order', points => 1 + random(3),
            per  => one_of(0, 100, 250),
            one_of(0, 1) ? (min => 1000) : (),
            dates(), one_of(0, 1) ? pace() : (),
            random(4) ? () : (tier => 'silver'),
            one_of(0, 1) ? (multiply => { silver => one_of(1500, 2000),
                                          gold => 2125 }) : (),
        };
    }

    return { tiers => [ random(4) ? { name => 'bronze' } : (),
                        tier('silver', 150), tier('gold', 600) ],
             earn  => \@earn,
             promotions => [ { code => 'FREE' }, promotion('A'),
                             promotion('B'), promotion('C') ] };
}


sub promotion {
    my ($code) = @_;

    return { code => $code, one_of(0, 1) ? (budget => 1 + random(5)) : (),
             one_of(0, 1) ? (per_member => 1 + random(3),
                             period => one_of('ever', 'day', 'week', 'month',
                                              'year', '30d', '366d')) : () };
}


sub dates {
    return (one_of(0, 1) ? (pending => one_of('14d', '3d', '6h')) : (),
            one_of(0, 1) ? (expires => one_of('30d', '365d', '2h')) : ());
}

sub pace {
    return (random(3) ? () : (every => one_of('1d', '12h', '1w', '30d')),
            one_of(0, 1) ? (limit => 1 + random(3) . '/'
                                     . one_of(qw(day week month year))) : ());
}


sub tier {
    my ($name, $points) = @_;
    my $tier = { name => $name };

    return { %$tier, points => $points } unless random(3);

    $tier->{points} = $points if random(4);
    $tier->{spend} = 20 * $points if random(2);
    $tier->{orders} = 1 + int($points / 100)
        if !grep({ defined $tier->{$_} } qw(points spend)) || !random(3);

    $tier->{window} = one_of('365d', '30d', '2w', 'calendar', 'calendar')
        if random(5);
    $tier->{valid} = one_of('30d', '6M', '1y', 'calendar', 'lifetime')
        if !random(3);
    $tier->{grace} = one_of('30d', '12h', '90d') if random(2);
    $tier->{downgrade} = one_of(qw(balance one none)) if random(2);
    $tier->{match} = one_of(qw(any all)) if random(2);

    return $tier;
}


# an event; ids and orders are few, so they meet again

sub event {
    my ($n, $now, $told) = @_;

    my $again = @$told && !random(8) ? one_of(@$told) : undef;

    # nobody tells of a visit so late

    return $again
        if $again && ($again->{type} ne 'visit'
                      || $again->{time} > $now - 399 * $day
                         && $again->{time} <= $now);

    my $type = one_of(qw(order order order refund refund spend adjust login
                         request request custom custom grant));
    my $event = { id => 'e' . random(6 * $events), type => $type };

    return { type => $type } if $type eq 'request';

    if ($type eq 'login') {
        $event->{id} = "login$n";
        $event->{time} = $now;
        return $event;
    }

    $event->{time} = $now - one_of(0, 0, 0, random(400 * $day),
                                   random(20 * $day), random(401 * $day),
                                   -random(400));

    if ($type eq 'grant') {
        $event->{tier} = one_of(qw(bronze silver gold platinum));
        $event->{until} = $now + random(90 * $day) - 5 * $day;
    }

    $event->{order} = 'o' . random(int(2 * $events / 3)) if $type =~ /order|refund/;
    $event->{total} = random(random(2) ? 3000 : 20000)
        if $type =~ /order|refund/;
    $event->{promotion} = join ',', map { one_of(qw(A A B C FREE NONE)) }
                                    0 .. random(3)
        if $type eq 'order' && random(2);
    $event->{points} = 1 + random(200) if $type eq 'spend';
    $event->{points} = random(200) - 60 if $type eq 'adjust';
    $event->{qualifying} = random(2) if $type eq 'adjust';
    $event->{name} = one_of(qw(review survey other)) if $type eq 'custom';
    $event->{total} = random(1000) if $type eq 'custom' && random(2);

    return $event;
}


# all but what was in the ledger before

sub state {
    my ($customer, $known) = @_;
    my $view = $customer->view;

    return {
        (map { $_ => ($view->{$_} || 0) + 0 } qw(points pending qualifying
                                                  orders spend tier_since
                                                  tier_until toward)),
        # when time changes something, the queue says so, too
        due    => $view->{next_due} || 'never',
        queue  => $customer->due,
        tier   => $view->{tier} || '',
        lots   => $customer->lots,
        ledger => $customer->ledger($known),
    };
}


sub expected {
    my ($model, $known, $due) = @_;
    my $ledger = $model->{ledger};
    my $lots = $model->lots;
    my @orders = grep { defined $_->{total} } values %{ $model->{orders} };
    my $spend = 0;

    delete $lots->{'-'};
    $spend += ShopTest::Loyalty::net($_) for @orders;

    return {
        points     => $model->active,
        pending    => $model->pending,
        qualifying => $model->qualifying,
        orders     => scalar @orders,
        spend      => $spend,
        tier       => $model->tier,
        tier_since => $model->tier_since,
        tier_until => $model->tier_until,
        toward     => $model->toward,
        due        => $due,
        queue      => $due,
        lots       => $lots,
        ledger     => [ @$ledger[$known .. $#$ledger] ],
    };
}


my (%statuses, %words);

for my $history ($first .. $last) {
    $seed = $history;
    random(2) for 1 .. 10;

    my $program = program();
    my $model = ShopTest::Loyalty->new(%$program);
    my $customer = ShopTest::Ledger->new($redis, $program);
    my $now = 1790000000 + random(1000) * $day;
    my ($known, $sum, $here, $latest) = (0, 0, 0, $now);
    my (@told, $wrong);

    $redis->command('FLUSHALL');

    # nobody is there before the first login

    my $event = { id => 'login', type => 'login', time => $now };

    for my $n (1 .. $events) {
        if ($event->{type} eq 'request') {

            # days in a row are for clocks that go on

            next if $now < $latest;

            my $begins = $now - $here >= 1800;

            $event = $customer->seen($now, $here);
            $here = $now;

            if (!$event != !$begins) {
                ok(0, "history $history: event $n: a visit begins after "
                      . 'half an hour');
                last;
            }

            next if !$event;
        }

        my $status = $model->book($now, $event);
        my $is = $customer->book($now, $event);

        $statuses{$status}++;
        $words{$_}++ for $model->{results} =~ /=(\w+)/g;

        my $state = state($customer, $known);
        $state->{promotions} = ($customer->{reply} || [])->[9];

        my $due = $state->{due};
        my $expected = expected($model, $known,
                                $due ne 'never' && $due <= $now
                                ? 'later' : $due);

        $expected->{promotions} = $model->{results};

        $known += @{ $state->{ledger} };
        $sum += (split / /)[1] for @{ $state->{ledger} };

        $wrong = "event $n ($event->{type}): " if $is ne $status
            || $sum != $state->{points} + $state->{pending}
            || !same($state, $expected);

        if ($wrong) {
            is($is, $status, "history $history: ${wrong}status");
            is_deeply($state, $expected, '... and what there is');
            last;
        }

        push @told, $event if $event->{type} ne 'login';

    } continue {
        $now += one_of(0, 0, random(7200), random(7200), random($day),
                       random($day), random(20 * $day), random(20 * $day),
                       random(4) ? -random(10 * $day) : random(900 * $day));
        $latest = $now if $now > $latest;
        $now = $latest - 20 * $day if $now < $latest - 20 * $day;
        $event = event($n, $now, \@told);
    }

    ok(!$wrong, "history $history");
}

sub same {
    my ($one, $two) = @_;

    return join(' ', map { flat($_) } map { @$_{sort keys %$_} } $one)
        eq join(' ', map { flat($_) } map { @$_{sort keys %$_} } $two);
}

sub flat {
    my ($it) = @_;

    return ref $it eq 'HASH' ? join ',', map { "$_=$it->{$_}" } sort keys %$it
         : ref $it ? join '|', @$it : $it;
}

is_deeply([ sort keys %statuses ],
          [ 'booked', 'duplicate', 'kept', 'refused id_reused',
            'refused in_future', 'refused order_booked',
            'refused too_few_points', 'refused too_old',
            'refused unknown_tier' ],
          'all that may become of an event was there')
    if $first != $last;

is_deeply([ sort keys %words ], [ qw(limit redeemed sold_out unknown) ],
          '... and of a promotion')
    if $first != $last;

done_testing();
