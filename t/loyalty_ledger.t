# What is booked, and which promotions are given, is compared with the model,
# after every event of many random histories of some customers: events that
# come late, twice, in the wrong order or with another content, refunds of
# orders and before them, points that are spent, tiers of all kinds, promotions
# with budgets, limits and holdouts, and a clock that goes on, jumps years
# ahead and to their ends, or goes back by days.  The commands for Redis and the
# evaluation are those of the module, at times that are told.  A history that
# failed can be had again by its number, with as many events, or up to as many:
#
#     SHOP_HISTORY=17 SHOP_EVENTS=30 prove t/loyalty_ledger.t
#     SHOP_HISTORY=17 SHOP_UPTO=500 prove t/loyalty_ledger.t
#
# "./build.sh simulate" has more and longer ones.

use lib 't/lib';
use ShopTest;
use ShopTest::Ledger;
use ShopTest::Loyalty;
use ShopTest::Offers;
use ShopTest::Simulate;

my $redis = redis();

my ($first, $last) = split /-/, $ENV{SHOP_HISTORY} || '1-200';

$last ||= $first;

my $events;     # of a history

my $day = 86400;
my ($seed, %statuses, %words);

# of Park and Miller, so that a history is the same everywhere

sub random {
    my ($n) = @_;

    $seed = $seed * 48271 % 2147483647;

    return $seed % $n;
}

sub seed {
    my ($number) = @_;

    $seed = $number;
    random(2) for 1 .. 10;

    return;
}

sub one_of { return $_[random(scalar @_)] }


# a program: what a shop might write

sub program {
    my ($now) = @_;
    my @tiers = (random(4) ? { name => 'bronze' } : (),
                 tier('silver', 150), tier('gold', 600));
    my @earn = ({ what => 'signup', points => 100 },
                { what => 'login', points => 5, every => one_of('1d', '1h') },
                { what => 'login', points => 2, pace() },
                { what => 'visit', points => 1, pace(), dates() },
                { what => 'streak', points => 20, days => 1 + random(3),
                  dates(), random(4) ? () : (tier => $tiers[0]{name}) });

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

    return { tiers      => \@tiers,
             earn       => \@earn,
             segments   => [ [ 'vip', [ condition() ], [ condition() ] ],
                             [ 'active' ] ],
             promotions => [ { code => 'FREE' },
                             map { promotion($_, $now) } qw(A B C D) ] };
}


sub promotion {
    my ($code, $now) = @_;
    my $today = $now - $now % $day;

    return {
        code => $code,
        one_of(0, 1) ? (budget => 1 + random(5)) : (),
        random(4) ? (random(2) ? (per_member => 1 + random(3),
                                  period => one_of('', 'day', 'week',
                                                   'month', 'year', '30d',
                                                   '366d')) : ())
                  : (once => 1),
        random(3) ? () : (audience => some(\&audience, 2)),
        random(4) ? () : (hours => [ [ one_of('mon-fri', 'sat-mon', 'wed'),
                                       one_of('08:00-20:00',
                                              '20:00-08:00') ] ]),
        random(4) ? () : (from => $today + $day * random(100)),
        random(4) ? () : (until => $today + $day * (100 + random(1000))),
        random(2) ? () : (priority => 50 * random(5)),
        random(3) ? () : (holdout => one_of(10, 50, 90),
                          random(2) ? () : (convert => one_of('1d', '30d'))),
        random(3) ? random(8) ? () : (stop => 1) : (group => one_of('a', 'b')),
    };
}


sub audience {
    return some(sub {
        return random(3) ? condition()
                         : one_of(qw(new vip lapsed segment!=vip));
    }, 2);
}


sub condition {
    my $op = one_of(qw(< <= > >= = !=));

    return one_of('tier' . $op . one_of('silver', 'gold'),
                  "points$op" . random(300), "orders$op" . random(8),
                  "spend$op" . random(300) . '.50', "recency$op" . '20d',
                  "visit_recency$op" . '10d', "streak$op" . random(4));
}


sub some { my @list = map { $_[0]->() } 1 .. 1 + random($_[1]); return \@list }


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

    if (($tier->{valid} || $tier->{window} || 'lifetime') ne 'lifetime') {
        $tier->{grace} = one_of('30d', '12h', '90d') if random(2);
        $tier->{downgrade} = one_of(qw(balance one none)) if random(2);
    }

    $tier->{match} = one_of(qw(any all)) if random(2);

    return $tier;
}


# an event; ids and orders are few, so they meet again

sub event {
    my ($n, $now, $customer) = @_;
    my $told = $customer->{told};
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

    $event->{order} = 'o' . random(int(2 * $events / 3) || 1)
        if $type =~ /order|refund/;
    $event->{total} = random(random(2) ? 3000 : 20000)
        if $type =~ /order|refund/;
    $event->{promotion} = join ',', map { one_of(@{ $customer->{codes} }) }
                                    0 .. random(3)
        if $type eq 'order' && random(2);
    $event->{points} = 1 + random(200) if $type eq 'spend';
    $event->{points} = random(200) - 60 if $type eq 'adjust';
    $event->{qualifying} = random(2) if $type eq 'adjust';
    $event->{name} = one_of(qw(review survey other)) if $type eq 'custom';
    $event->{total} = random(1000) if $type eq 'custom' && random(2);

    return $event;
}


# --- what there is, and what there should be --------------------------------


# each as a list of NAME VALUE, where the values are texts

sub names { return map { "$_=$_[0]{$_}" } sort keys %{ $_[0] } }

sub state {
    my ($engine, $view, $lots, $ledger, $queue, $shown) = @_;
    my %view = @$view;

    return (
        (map { $_ => $view{$_} || 0 } qw(points pending qualifying orders
                                         spend first_order refunds tier_since
                                         tier_until toward)),
        tier   => $view{tier} || '',
        lots   => join(' ', names({ @$lots })),
        ledger => join('|', map { s/^\d+ //r } @$ledger),
        # when time changes something, the queue says so, too
        due    => $view{next_due} || 'never',
        queue  => defined $queue ? $queue : 'never',
        shown  => join(' ', names({ @$shown })),
        results => $engine->{reply}[9],
    );
}


sub expected {
    my ($model, $facts, $known, $due) = @_;
    my $ledger = $model->{ledger};
    my $lots = $model->lots;

    delete $lots->{'-'};

    return (
        points     => $facts->{points},
        pending    => $model->pending,
        qualifying => $model->qualifying,
        orders     => $facts->{orders},
        spend      => $facts->{spend},
        first_order => $facts->{first_order},
        refunds    => $facts->{refunds},
        tier_since => $model->tier_since,
        tier_until => $model->tier_until,
        toward     => $model->toward,
        tier       => $facts->{tier},
        lots       => join(' ', names($lots)),
        ledger     => join('|', @$ledger[$known .. $#$ledger]),
        due        => $due,
        queue      => $due,
        shown      => join(' ', names($model->counters)),
        results    => $model->{results},
    );
}


# what was used of budgets, as all of them have told

sub used {
    my %is = @{ $redis->command('HGETALL', 'shop:budget') };

    return { map { ($_ => (split / /, $is{$_})[1]) }
             grep { !/:/ && $is{$_} =~ / [1-9]/ } keys %is };
}


# one of those who share the budgets

sub customer {
    my ($id, $program, $module, %of) = @_;
    my $part = ShopTest::Simulate::partition($id);
    my $engine = ShopTest::Ledger->new($redis, $program, id => $id,
                                       part => $part, module => $module);

    return {
        id     => $id,
        engine => $engine,
        model  => ShopTest::Loyalty->new(%$program, of => { %of, id => $id }),
        told   => [],
        known  => 0,
        sum    => 0,
        here   => 0,
        asks   => [ [ 'HGETALL', $engine->key('view') ],
                    [ 'ZRANGE', $engine->key('lots'), 0, -1, 'WITHSCORES' ],
                    [ 'LRANGE', $engine->key('ledger'), 0, -1 ],
                    [ 'ZSCORE', $engine->key('due'), $id ],
                    [ 'HGETALL', $engine->key('shown') ] ],
        codes  => [ qw(A A B B C D FREE NONE),
                    map { ShopTest::Offers::own($of{seed}, $_, $id) }
                        qw(A B C D) ],
    };
}


# one event: what is wrong with it, and what there is and should be

sub compared {
    my ($history, $customer, $event, $now) = @_;
    my ($engine, $model) = @$customer{qw(engine model)};
    my ($status, $is, @replies);

    $customer->{asks}[2][2] = $customer->{known};

    if ($event->{type} eq 'settle') {
        $model->settle($now);
        $model->{results} = '';
        $status = 'booked';

    } else {
        $status = $model->book($now, $event);
        $statuses{$status}++;
        $words{$_}++ for $model->{results} =~ /=(\w+)/g;
    }

    ($is, @replies) = $engine->told($now, $event, @{ $customer->{asks} });

    die "$is\n" if $is =~ /^error/;

    my $known = $customer->{known};
    my %state = state($engine, @replies);
    my $due = $state{due};

    $customer->{known} += @{ $replies[2] };
    $customer->{sum} += (split / /)[2] for @{ $replies[2] };
    $customer->{view} = $replies[0];

    my $facts = $model->facts;
    my %expected = expected($model, $facts, $known,
                            $due ne 'never' && $due <= $now ? 'later' : $due);

    $history->{used} = used() if $engine->{reply}[10];

    $state{sum} = $customer->{sum};
    $expected{sum} = $expected{points} + $expected{pending};
    $state{used} = join ' ', names($history->{used});
    $expected{used} = join ' ', names({ map { ($_ => $history->{sold}{$_}) }
                                        grep { $history->{sold}{$_} }
                                        @{ $history->{budgets} } });
    @state{qw(status offers)} = ($is, offers($history, $customer, $now));
    $expected{status} = $status;

    # where a clock has gone back, a limit may be one of a time to come

    $expected{offers} = $now < $history->{latest} && $model->{redeemed}
                        ? $state{offers}
                        : expected_offers($history, $customer, $facts, $now);

    return if join('|', %state{sort keys %expected})
              eq join('|', %expected{sort keys %expected});

    return (\%state, \%expected);
}


# "GIVEN HELD", each joined by commas

sub offers {
    my ($history, $customer, $now) = @_;

    return join ' ', $history->{module}->offers(
        $now, $customer->{id}, 'work', $history->{used}, $customer->{view});
}


sub expected_offers {
    my ($history, $customer, $facts, $now) = @_;
    my $model = $customer->{model};
    my @held;

    my @given = $history->{offers}->promotions(
        $facts, $now, seed => $history->{seed},
        customer => $customer->{id}, provider => 'work',
        gone => $model->gone($now), held => \@held);

    return join(',', @given) . ' ' . join(',', @held);
}


# a request: what it shows is noted, and it may begin a visit, which is an
# event

sub requested {
    my ($history, $customer, $now) = @_;
    my ($given, $held) = split / /, offers($history, $customer, $now), -1;
    my $model = $customer->{model};
    my (%shown, $words);

    for my $it (@{ $history->{offers}{promotions} }) {
        my $code = $it->{code};
        my $arm = $given =~ /\b$code\b/ ? 'given'
                : $held =~ /\b$code\b/ ? 'held' : '';

        next if !$it->{holdout} || !$arm;

        $model->shows($now, $arm, $code);
        $words .= "$code $arm " . ShopTest::Loyalty::seconds(
                                      $it->{convert} || '7d') . ' ';
    }

    my $begins = $now - $customer->{here} >= 1800;

    $model->visited($now) if $begins;

    my $event = $customer->{engine}->seen($now, $customer->{here}, $words);

    $customer->{here} = $now;

    die "a visit begins after half an hour\n" if !$event != !$begins;

    return $event;
}


# A start takes its time: some histories are about the same shop.

my $shop = { number => '' };

# lengths are spread evenly

sub length_of {
    my ($number) = @_;

    return 1 + $number * 7919 % $ENV{SHOP_UPTO} if $ENV{SHOP_UPTO};

    return $ENV{SHOP_EVENTS} || 30;
}


sub shop_of {
    my ($number) = @_;

    return if $shop->{number} eq $number;

    seed($number);

    my $now = 1790000000 + random(1000) * $day;
    my $hex = join '', map { sprintf '%08x', random(2147483647) } 1 .. 4;
    my $program = program($now);

    $shop = { number => $number, now => $now, seed => $hex,
              program => $program,
              module => ShopTest::Simulate->new($program, $hex) };

    return;
}


# what is wrong

sub history {
    my ($number) = @_;

    shop_of(int(($number + 3) / 4));
    seed($number + 1000000);
    $events = length_of($number);

    my ($now, $hex, $program, $module) = @$shop{qw(now seed program module)};
    my %sold;
    my $history = {
        latest  => $now,
        module  => $module,
        seed    => $hex,
        sold    => \%sold,
        used    => {},
        budgets => [ map { $_->{code} } grep { $_->{budget} }
                     @{ $program->{promotions} } ],
        offers  => ShopTest::Offers->new(
            %$program, tiers => [ map { $_->{name} }
                                  @{ $program->{tiers} } ]),
    };

    $redis->command('FLUSHALL');
    $redis->command('SCRIPT', 'LOAD', $module->script);

    my @customers = map { customer("c$_", $program, $module, seed => $hex,
                                   sold => \%sold) } 1 .. 1 + random(3);

    for my $n (1 .. $events) {

        # nobody is there before the first login

        my $customer = $n <= @customers ? $customers[$n - 1]
                                        : one_of(@customers);
        my $event = $n <= @customers
            ? { id => 'login', type => 'login', time => $now }
            : event($n, $now, $customer);

        my @events = $event;

        if ($event->{type} eq 'request') {

            # days in a row are for clocks that go on

            next if $now < $history->{latest};

            @events = ({ id => '', type => 'settle', time => $now }, $event);
        }

        for my $event (@events) {
            $event = requested($history, $customer, $now)
                if $event->{type} eq 'request';

            next if !$event;

            my ($is, $expected) = compared($history, $customer, $event, $now);

            return ("event $n ($event->{type})", $is, $expected) if $is;

            push @{ $customer->{told} }, $event
                if $event->{type} !~ /^(?:login|settle)$/;
        }

    } continue {
        $now += one_of(0, 0, random(7200), random(7200), random($day),
                       random($day), random(20 * $day), random(20 * $day),
                       random(4) ? -random(10 * $day) : random(900 * $day));

        # years of the calendar end

        $now = ShopTest::Loyalty::year_start(
                   ShopTest::Loyalty::year($now) + 1)
               + random(20 * $day) - 5 * $day
            if !random(12);

        $history->{latest} = $now if $now > $history->{latest};
        $now = $history->{latest} - 20 * $day
            if $now < $history->{latest} - 20 * $day;
    }

    return;
}


for my $number ($first .. $last) {
    my ($wrong, $is, $expected);

    eval { ($wrong, $is, $expected) = history($number); 1 }
        or die "history $number: $@";

    ok(!$wrong, "history $number");
    diag("history $number: $wrong") if $wrong;
    is_deeply($is, $expected, '... and what there is') if $is;
}

is(ShopTest::Ledger::script('ledger'), $shop->{module}->script,
   'the script of the module is the one that other tests book by');

is_deeply([ sort keys %statuses ],
          [ 'booked', 'duplicate', 'kept', 'refused id_reused',
            'refused in_future', 'refused order_booked',
            'refused tier_unknown', 'refused too_few_points',
            'refused too_old' ],
          'all that may become of an event was there')
    if $first != $last;

is_deeply([ sort keys %words ],
          [ qw(foreign limit redeemed sold_out unknown) ],
          '... and of a promotion')
    if $first != $last;

done_testing();
