# A program changes, and not at all servers at once: an nginx that knows a tier
# less, or none since it only signs customers in, takes nothing away; and what
# was booked while no tier looked back is there when one does.

use lib 't/lib';
use ShopTest;
use ShopTest::Ledger;

my $day  = 86400;
my $noon = 1790164800;                  # 2026-09-23 12:00 UTC
my $redis = redis();

my @tiers = ({ name => 'bronze' },
             { name => 'silver', points => 100, window => '30d' },
             { name => 'gold', points => 1000, window => '365d',
               grace => '30d' });

my %programs = (
    full => { tiers => \@tiers, earn => [ { what => 'login', points => 1 } ] },
    less => { tiers => [ @tiers[0, 1] ] },
    flat => { tiers => [ { name => 'bronze' },
                         { name => 'silver', points => 5000 } ] },
    none => {},
);

my ($customer, $n);

sub fresh {
    $redis->command('FLUSHALL');
    $customer = ShopTest::Ledger->new($redis, {}, @_);
    $n = 0;
}

# by the program of that name

sub book {
    my ($program, $now, $type, %more) = @_;

    $customer->{program} = $programs{$program};

    my $is = $customer->book($now, { id => 'e' . ++$n, type => $type,
                                     time => $now, %more });

    die "$type: $is\n" if $is !~ /^booked/;
}

sub adjust {
    my ($program, $now, $points) = @_;

    book($program, $now, 'adjust', points => $points, qualifying => 1);
}

sub settle { book($_[0], $_[1], 'settle') }

# what belongs to tiers

sub tiers {
    my $view = $customer->view;

    return join ' ', map { "$_=" . ($view->{$_} || 0) }
        qw(tier tier_since tier_until toward earned granted next_due);
}


# --- a tier that is not known

fresh();
adjust('full', $noon, 120);
book('full', $noon, 'grant', tier => 'gold', until => $noon + 10 * $day);

my $was = tiers();

like($was, qr/^tier=gold .* earned=\d+ \d+ silver granted=gold /,
     'a tier that is granted');

for my $program (qw(none less)) {
    book($program, $noon + 60, 'login');
    is(tiers(), $was, "... and a login where there is \"$program\"");
    settle($program, $noon + 70);
    is(tiers(), $was, '... and what is due, which is nothing');
    adjust($program, $noon + 80, 1);
    is(tiers(), $was, '... and what counts towards tiers');
}

settle('none', $noon + 10 * $day);
is($customer->view->{tier}, 'gold', 'who knows no tiers ends none');
is($customer->view->{next_due}, $noon + 11 * $day,
   '... and leaves it to another one');
is($customer->due, $noon + 11 * $day, '... who finds him');
settle('full', $noon + 11 * $day);
like(tiers(), qr/^tier=silver .* toward=122 earned=0 granted=0/,
     '... and knows what is earned, and has been told of all');

fresh();
adjust('full', $noon, 120);
adjust('none', $noon, 7);
is($customer->view->{tier}, 'silver', 'a tier that was earned');
adjust('full', $noon, 1);
is($customer->view->{qualifying}, 128, '... and what counts does');

fresh();
book('none', $noon, 'login');
is($customer->view->{toward}, undef, 'without tiers nothing is written of '
   . 'them');

# days that leave a window

fresh();
adjust('full', $noon, 50);

my $leave = $customer->view->{next_due};

settle('none', $leave);
is($customer->view->{toward}, 50, 'who knows no window leaves it as it is');
is($customer->due, $leave + $day, '... and has it looked at again');
settle('full', $leave + $day);
is($customer->view->{toward}, 0, '... by who knows it');

# a grace

fresh();
adjust('full', $noon, 1000);

my $due = $customer->view->{next_due};
my $end = $customer->view->{tier_until};

is($due, $end + 30 * $day, 'a tier with a grace');
$was = tiers();
settle('none', $end + $day);
is(tiers(), $was, '... who does not know it ends nothing within it');
is($customer->due, $due, '... and puts it off by nothing');
book('none', $end + 2 * $day, 'login');
is(tiers(), $was, '... at a login neither');
settle('full', $due);
is($customer->view->{tier}, 'bronze', '... it ends behind it');

# a name that has gone

fresh();
adjust('full', $noon, 1000);
book('less', $noon + 2 * $day, 'login');
is($customer->view->{tier}, 'silver', 'a tier that has gone from the program '
   . 'is the one below');

fresh();
adjust('full', $noon, 1000);
settle('less', $end);
is($customer->view->{tier}, 'bronze', '... at the latest when it ends');
settle('less', $due);
is($customer->due, 'never', '... and then nothing is due any more');


# --- days

my %days = map {
    my $between = $_;

    fresh(id => $between);
    adjust('full', $noon - 45 * $day, 30);
    adjust($between, $noon - 20 * $day, 60);
    adjust($between, $noon - 10 * $day, 20);
    adjust($between, $noon - 10 * $day, 5);
    adjust('full', $noon, 20);

    my $view = $customer->view;

    ($between => [ @$view{qw(tier tier_until toward)},
                   $redis->command('GET', $customer->key('days')) ]);
} qw(full flat none);

is($days{full}[0], 'silver', 'days of a window');
is($days{full}[2], 135, '... and those of a longer one');
is_deeply($days{flat}, $days{full}, '... are kept while there is no window');
is_deeply($days{none}, $days{full}, '... and while there is no tier');

fresh();
adjust('flat', $noon, 30);
is($redis->command('EXISTS', $customer->key('days')), 0,
   'where there never was one there are no days');

done_testing();
