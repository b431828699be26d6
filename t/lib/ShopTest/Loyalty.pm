package ShopTest::Loyalty;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Loyalty - what points and tiers a customer ought to have

=head1 SYNOPSIS

    use ShopTest::Loyalty;

    my $customer = ShopTest::Loyalty->new(
        tiers => [ { name => 'bronze' },
                   { name => 'silver', points => 1000, window => '365d',
                     grace => '30d', downgrade => 'one' } ],
        earn  => [ { what => 'order', points => 1, per => 100,
                     pending => '14d', expires => '365d',
                     multiply => { silver => 1500 } } ],
        promotions => [ { code => 'A', budget => 500, per_member => 1,
                          period => 'month' },      # or "30d"; ever
                        { code => 'B', once => 1 } ],
        of         => { id => 'c1', seed => $hex, sold => \%sold },
    );

    $customer->book($now, { id => 'e1', type => 'order', time => $now,
                            order => 'o1', total => 4999 });   # "booked"

    $customer->settle($now);        # what is due until then is done
    $customer->active;  $customer->pending;  $customer->tier;
    $customer->lots;                # { id => points left }, pending below 0
    $customer->{ledger};            # [ "KIND POINTS LOT BALANCE EVENT", ... ]
    $customer->{results};           # "A=redeemed B=unknown", of the last event
    $customer->gone($now);          # { CODE => 1 } that is not to be redeemed

    $customer->visited($now);       # a visit begins
    $customer->shows($now, 'given', @codes);    # or "held"
    $customer->counters;            # { "CODE:given:exposures" => N }
    $customer->facts;               # what conditions ask for, see Offers

=head1 DESCRIPTION

A model of one customer, against which the real thing is compared: simple,
slow, in integers only.  Money is in minor units, a multiplier in thousandths,
times are UNIX seconds, durations "14d", "12h", "1M" (a month of the calendar)
and the like.

An event that has waited for its customer has besides the time when it was
"told".

Where a sentence can be read in two ways, it is said here which one it is:

Points without "pending" are active at once and have no date of activation;
those that never expire either lie in no lot, "-".

What a refund takes back counts less where its order counted, at the time of
the order: so it does not matter which of the two was told first.  "min" is
compared with the order as it was placed.  An order counts for "every" and
"limit" of a rule that is its own, also where it is worth no points.

A window that rolls is one of whole days: what was earned on a day counts to
the end of the day so many days later.  A validity that ends in a calendar's
year looks back at that year.  "grace" makes that period longer.
A year of the calendar that qualifies is valid to the end of the next one, also
where that is found out later: by a reassessment, or by what is told after its
end.  So is any validity of such a year, as if it had been told in time.
A tier is held since it was reached, or granted, however often that was found
right again.

A promotion is redeemed by the order that names it, whether that is worth
points or not, and counts for its customer at the time of the order: in a
period of the calendar, or in so many whole days before a day and that day.  No
such days may have too many, in whatever order the orders are told.  What is
shown goes by the days before today, and in a calendar by the period of the
order that was told last, if that is not over.

A clock that goes back is believed, and what was done stays done: lots that are
active, a tier that was reassessed, a grant that has ended.

=cut

use strict;
use warnings;

use List::Util qw(max min sum0);
use Time::Local qw(timegm);

use ShopTest::Offers ();


use constant {
    DAY  => 86400,
    KEPT => 400 * 86400,
    SKEW => 300,
    MAX  => 9007199254740991,
};

my %seconds = (s => 1, m => 60, h => 3600, d => DAY, w => 7 * DAY);


sub new {
    my ($class, %program) = @_;

    my $of = delete $program{of};

    return bless {
        program       => { tiers => [], earn => [], %program },
        clock         => 0,
        lots          => [],
        ledger        => [],
        qualifying    => [],        # { time, points }
        orders        => {},
        seen          => {},
        paid          => {},        # times, by the number of a rule
        grants        => [],
        held          => -1,        # a number of a tier
        since         => 0,
        shown         => -1,        # the same, with grants
        shown_since   => 0,
        id            => 'c1',
        seed          => '0' x 32,
        sold          => {},        # redeemed by all, by code
        %{ $of || {} },
    }, $class;
}


# --- numbers and time -----------------------------------------------------


# "12.5" in minor units; undef: not an amount

sub minor {
    my ($text, $decimals) = @_;
    my ($whole, $part) = $text =~ /^(\d{1,16})(?:\.(\d+))?$/ or return;

    $part = '' unless defined $part;
    return if length $part > $decimals;

    my $amount = $whole . $part . '0' x ($decimals - length $part);

    $amount =~ s/^0+(?=\d)//;

    return if length $amount > 16 || $amount > MAX;

    return $amount + 0;
}


# a duration after "time"; days and longer ones end with that day

sub after {
    my ($time, $duration) = @_;
    my ($n, $unit) = $duration =~ /^(\d+)([smhdwMy])$/
        or die "no duration: $duration\n";
    return $time + $n * $seconds{$unit} if $unit =~ /[smh]/;

    return midnight($seconds{$unit} ? $time + $n * $seconds{$unit}
                    : months($time, $unit eq 'y' ? 12 * $n : $n));
}


sub midnight { return (int($_[0] / DAY) + 1) * DAY }


# the 31st of January and one month are the last of February

sub months {
    my ($time, $n) = @_;
    my ($day, $month, $year) = (gmtime $time)[3, 4, 5];

    $month += $n;
    $year += 1900 + int($month / 12);
    $month %= 12;

    my $next = $month == 11 ? timegm(0, 0, 0, 1, 0, $year + 1)
                            : timegm(0, 0, 0, 1, $month + 1, $year);
    my $last = (gmtime($next - DAY))[3];

    return timegm(0, 0, 0, min($day, $last), $month, $year) + $time % DAY;
}


sub year { return (gmtime $_[0])[5] + 1900 }

sub year_start { return timegm(0, 0, 0, 1, 0, $_[0]) }


# the start of the day, week, month or year of the calendar

my %starts;

sub period {
    my ($time, $unit) = @_;

    return $starts{$unit}{int($time / DAY)} ||= start($time, $unit);
}


sub start {
    my ($time, $unit) = @_;
    my ($day, $month, $weekday) = (gmtime $time)[3, 4, 6];
    my $today = $time - $time % DAY;

    return $today if $unit eq 'day';
    return $today - ($weekday + 6) % 7 * DAY if $unit eq 'week';
    return $today - ($day - 1) * DAY if $unit eq 'month';

    return year_start(year($time));
}


# --- events ---------------------------------------------------------------


sub book {
    my ($self, $now, $event) = @_;
    my $content = join "\0", map { "$_=$event->{$_}" } sort keys %$event;
    my $seen = $self->{seen}{$event->{id}};

    $self->settle($now);
    $self->{results} = '';

    if ($seen && int($now / DAY) - int($seen->{at} / DAY) <= 400) {
        $self->{results} = $seen->{results} if $seen->{content} eq $content;

        return 'duplicate' if $seen->{content} eq $content;
        return 'refused id_reused';
    }

    my $told = $event->{told} || $now;

    return 'refused too_old' if $event->{time} < $told - KEPT;
    return 'refused in_future' if $event->{time} > $told + SKEW;

    my $type = $event->{type};
    my $late = $self->late($event->{time});
    my $status = $self->$type($event);

    $self->{counted} = {};

    if ($status !~ /^refused/) {
        $self->{seen}{$event->{id}} = { at => $now, content => $content,
                                        results => $self->{results} };
        $self->{created} ||= $now;
        $self->raise;
        $self->raise_late($event->{time}, $late);
    }

    return $status;
}


sub enter {
    my ($self, $kind, $points, $lot, $event) = @_;

    push @{ $self->{ledger} },
         "$kind $points $lot " . $self->active . " $event";
}


# --- the ledger -----------------------------------------------------------


sub lot_id {
    my ($lot) = @_;

    return $lot->{activates} || $lot->{expires}
        ? "$lot->{activates}:$lot->{expires}" : '-';
}


sub active {
    my ($self) = @_;

    return sum0 map { $_->{left} } $self->spendable;
}


sub pending {
    my ($self) = @_;

    return sum0 map { $_->{left} } grep { $_->{pending} } @{ $self->{lots} };
}


sub lots {
    my ($self) = @_;

    return { map { $_->{id} => $_->{pending} ? -$_->{left} : $_->{left} }
             grep { $_->{left} } @{ $self->{lots} } };
}


# soonest expiry first, then earliest activation, then id

sub ordered {
    return sort {
        ($a->{expires} || 9e18) <=> ($b->{expires} || 9e18)
        || $a->{activates} <=> $b->{activates}
    } @_;
}


sub spendable {
    my ($self) = @_;

    return ordered(grep { !$_->{pending} } @{ $self->{lots} });
}


sub put {
    my ($self, $kind, $points, $activates, $expires, $event) = @_;
    my $new = { activates => $activates, expires => $expires, left => 0,
                pending => $activates > $self->{clock} };
    my $id = $new->{id} = lot_id($new);
    my ($lot) = grep { $_->{id} eq $id } @{ $self->{lots} };

    push @{ $self->{lots} }, $lot = $new unless $lot;

    $lot->{left} += $points;
    $self->enter($kind, $points, $id, $event->{id});

    $self->expire($lot) if $expires && $expires <= $self->{clock};
}


# returns how many there were too few

sub take {
    my ($self, $kind, $points, $event, @lots) = @_;

    for my $lot (@lots) {
        my $n = min($points, $lot->{left}) or next;

        $points -= $n;
        $lot->{left} -= $n;
        $self->enter($kind, -$n, $lot->{id}, $event->{id});
    }

    return $points;
}


sub expire {
    my ($self, $lot) = @_;
    my $n = $lot->{left};

    $lot->{left} = 0;
    $self->enter('expired', -$n, $lot->{id}, '-') if $n;
}


# activations and expiries in the order of their dates, then reassessments

sub settle {
    my ($self, $now) = @_;
    my @due;

    for my $lot (grep { $_->{left} } @{ $self->{lots} }) {
        push @due, [ $lot->{activates}, 0, $lot ]
            if $lot->{pending} && $lot->{activates} <= $now;
        push @due, [ $lot->{expires}, 1, $lot ]
            if $lot->{expires} && $lot->{expires} <= $now;
    }

    for my $due (sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1]
                        || $a->[2]{id} cmp $b->[2]{id} } @due)
    {
        my ($at, $ends, $lot) = @$due;

        if ($ends) {
            $self->expire($lot);

        } else {
            $lot->{pending} = 0;
            $self->enter("released:$lot->{left}", 0, $lot->{id}, '-');
        }
    }

    @{ $self->{lots} } = grep { $_->{left} } @{ $self->{lots} };

    @{ $self->{grants} } = grep { $_->{until} > $now } @{ $self->{grants} };

    $self->reassess($now);
    $self->{clock} = $now;
    $self->raise;
}


sub fits {
    my ($self, $points) = @_;

    return $self->active + $self->pending + $points <= MAX
           && $self->qualifying + $points <= MAX;
}


sub qualifying { return sum0 map { $_->{points} } @{ $_[0]->{qualifying} } }


sub qualify {
    my ($self, $time, $points) = @_;

    push @{ $self->{qualifying} }, { time => $time, points => $points };
}


# --- what is earned -------------------------------------------------------


# the rules for WHAT that pay now, each with its number

sub rules {
    my ($self, $what, $event) = @_;
    my $earn = $self->{program}{earn};

    return grep { $self->pays($_, $event) }
           map { { %{ $earn->[$_] }, n => $_ } }
           grep { $earn->[$_]{what} eq $what } 0 .. $#$earn;
}


sub pays {
    my ($self, $rule, $event) = @_;
    my $paid = $self->{paid}{$rule->{n}} || [];
    my $time = $event->{time};

    return 0 if defined $rule->{tier} && $rule->{tier} ne $self->tier;
    return 0 if $rule->{min} && ($event->{total} || 0) < $rule->{min};

    return 0 if $rule->{every} && @$paid
                && $time < $paid->[-1] + seconds($rule->{every});

    if (my ($n, $unit) = ($rule->{limit} || '') =~ m{^(\d+)/(\w+)$}) {
        my $start = period($time, $unit);

        return 0 if $n <= grep { period($_, $unit) == $start } @$paid;
    }

    return 1;
}


sub seconds {
    my ($n, $unit) = $_[0] =~ /^(\d+)([smhdw])$/;

    return $n * $seconds{$unit};
}


sub dates {
    my ($rule, $time) = @_;
    my $activates = $rule->{pending} ? after($time, $rule->{pending}) : 0;
    my $expires = $rule->{expires}
                  ? after($activates || $time, $rule->{expires}) : 0;

    return ($activates, $expires);
}


# all that is not money: so many points, if there is room

sub reward {
    my ($self, $what, $event) = @_;

    for my $rule ($self->rules($what, $event)) {
        next unless $self->fits($rule->{points});

        push @{ $self->{paid}{$rule->{n}} }, $event->{time};

        $self->qualify($event->{time}, $rule->{points});
        $self->put($what =~ /^(\w+)/, $rule->{points},
                   dates($rule, $event->{time}), $event);
    }

    return 'booked';
}


sub login {
    my ($self, $event) = @_;

    $self->reward('signup', { %$event, id => 'signup' })
        unless $self->{signed_up}++;

    return $self->reward('login', $event);
}


sub custom {
    my ($self, $event) = @_;

    return $self->reward("custom:$event->{name}", $event);
}


# days in a row; each multiple of "days" pays

sub visit {
    my ($self, $event) = @_;
    my $day = int($event->{time} / DAY);
    my $last = $self->{last_day};

    $self->reward('visit', $event);

    return 'booked' if defined $last && $day <= $last;

    $self->{streak} = defined $last && $day == $last + 1
                      ? $self->{streak} + 1 : 1;
    $self->{last_day} = $day;

    for my $rule ($self->rules('streak', $event)) {
        next if $self->{streak} % $rule->{days};
        next unless $self->fits($rule->{points});

        $self->qualify($event->{time}, $rule->{points});
        $self->put('streak', $rule->{points}, dates($rule, $event->{time}),
                   $event);
    }

    return 'booked';
}


# --- orders and refunds ---------------------------------------------------


# what a line of an order is worth for so much money

sub worth {
    my ($line, $net) = @_;
    my $times = $line->{per} ? int($net / $line->{per}) : $net > 0;

    return int($times * $line->{points} * $line->{factor} / 1000);
}


sub net {
    my ($order) = @_;

    return max(0, $order->{total} - $order->{refunded});
}


sub order {
    my ($self, $event) = @_;
    my $kept = $self->{orders}{$event->{order}} || { refunded => 0 };

    return 'refused order_booked' if defined $kept->{total};

    my @rules = $self->rules('order', $event);
    my $factor = max 1000, map { ($_->{multiply} || {})->{$self->tier} || 0 }
                           @rules;

    my $order = { %$kept, total => $event->{total}, time => $event->{time} };
    my (@lots, %in);

    for my $rule (@rules) {
        my @dates = dates($rule, $event->{time});
        my $lot = lot_id({ activates => $dates[0], expires => $dates[1] });
        my $line = { %$rule, factor => $factor, lot => $lot };

        push @{ $order->{lines} }, $line;

        my $points = worth($line, net($order)) or next;

        push @lots, [ $lot, @dates ] unless $in{$lot};
        $in{$lot} += $points;
    }

    my $points = sum0 values %in;

    return 'refused too_large' unless $self->fits($points);

    $self->{orders}{$event->{order}} = $order;
    $self->{norders}++;
    $self->{first_order} = min($self->{first_order} || 9e18, $event->{time});
    $self->{last_order} = max($self->{last_order} || 0, $event->{time});
    push @{ $self->{paid}{$_->{n}} }, $event->{time} for @rules;

    $self->qualify($event->{time}, $points);
    $self->put('order', $in{$_->[0]}, @$_[1, 2], $event) for @lots;
    $self->redeem($event);
    $self->convert($event->{time}) if net($order) > 0;

    return 'booked';
}


# each code once; a budget is that of all customers who share "sold"

sub redeem {
    my ($self, $event) = @_;
    my %is;

    for my $name (split /,/, $event->{promotion} || '') {
        next if $is{$name};

        my ($it, $foreign) = $self->named($name);

        $is{$name} = !$it ? ($foreign ? 'foreign' : 'unknown')
                   : $self->limited($it, $event->{time}) ? 'limit'
                   : $self->sold_out($it) ? 'sold_out' : 'redeemed';

        next if $is{$name} ne 'redeemed';

        push @{ $self->{redeemed}{$it->{code}} }, $event->{time};
        $self->{sold}{$it->{code}}++;

        $self->{last_redeemed}{$it->{code}} = $event->{time}
            if in_calendar($it)
               && period($event->{time}, $it->{period})
                  >= period($self->{clock}, $it->{period});
    }

    my %seen;

    $self->{results} = join ' ', map { "$_=$is{$_}" } grep { !$seen{$_}++ }
                                 split /,/, $event->{promotion} || '';
}


# the promotion that has this code for this customer, or whether another one
# would have it

sub named {
    my ($self, $name) = @_;
    my $foreign = 0;

    for my $it (@{ $self->{program}{promotions} || [] }) {
        my $code = $it->{once}
            ? ShopTest::Offers::own($self->{seed}, $it->{code}, $self->{id})
            : $it->{code};

        return $it if $code eq $name;

        $foreign = 1 if $it->{once}
                        && $name =~ /^\Q$it->{code}\E(?:-.{10})?$/;
    }

    return (undef, $foreign);
}


sub limited {
    my ($self, $it, $time) = @_;
    my $limit = $it->{once} ? 1 : $it->{per_member};

    return $limit && $self->times($it, $time) >= $limit;
}


sub sold_out {
    my ($self, $it) = @_;

    return $it->{budget}
           && ($self->{sold}{$it->{code}} || 0) >= $it->{budget};
}


# the promotions that cannot be redeemed now, so they are not shown

sub gone {
    my ($self, $now) = @_;

    return { map { $_->{code} => 1 }
             grep { $self->used_up($_, $now) || $self->sold_out($_) }
             @{ $self->{program}{promotions} || [] } };
}


sub used_up {
    my ($self, $it, $now) = @_;
    my $last = $self->{last_redeemed}{$it->{code}};

    if (my ($days) = ($it->{period} || '') =~ /^(\d+)d$/) {
        return $it->{per_member}
               <= grep { int($_ / DAY) >= int($now / DAY) - $days }
                  @{ $self->{redeemed}{$it->{code}} || [] };
    }

    return $self->limited($it, $now) if !in_calendar($it);

    return defined $last && $self->limited($it, $last)
           && period($last, $it->{period}) >= period($now, $it->{period});
}


sub in_calendar { return ($_[0]{period} || '') =~ /^[a-z]/ }


# how many of those that were redeemed count at that time

sub times {
    my ($self, $it, $time) = @_;
    my $period = $it->{period} || '';
    my @all = @{ $self->{redeemed}{$it->{code}} || [] };

    return scalar grep { period($_, $period) == period($time, $period) } @all
        if in_calendar($it);

    my ($n) = $period =~ /^(\d+)d$/ or return scalar @all;
    my $day = int($time / DAY);
    my @days = map { int($_ / DAY) } @all;

    return max map { my $last = $_;
                     scalar grep { $_ >= $last - $n && $_ <= $last } @days
                   } $day, grep { $_ > $day && $_ <= $day + $n } @days;
}


sub refund {
    my ($self, $event) = @_;
    my $order = $self->{orders}{$event->{order}} ||= { refunded => 0 };

    $self->{nrefunds}++;

    if (!defined $order->{total}) {
        $order->{refunded} += $event->{total};
        return 'kept';
    }

    my $before = net($order);

    $order->{refunded} += $event->{total};

    my $reverse = sum0 map { worth($_, $before) - worth($_, net($order)) }
                       @{ $order->{lines} };
    my %own = map { $_->{lot} => 1 } @{ $order->{lines} };
    my @own = ordered(grep { $own{$_->{id}} } @{ $self->{lots} });

    my $missing = $self->take('reversed', $reverse, $event,
        (grep { $_->{pending} } @own), (grep { !$_->{pending} } @own),
        $self->spendable);

    $self->enter("shortfall:$missing", 0, '-', $event->{id}) if $missing;
    $self->qualify($order->{time}, -$reverse) if $reverse;

    return 'booked';
}


sub spend {
    my ($self, $event) = @_;

    return 'refused too_few_points' if $event->{points} > $self->active;

    $self->take('spent', $event->{points}, $event, $self->spendable);

    return 'booked';
}


sub adjust {
    my ($self, $event) = @_;
    my $points = $event->{points};

    if ($points < 0) {
        return 'refused too_few_points' if -$points > $self->active;
        $self->take('adjusted', -$points, $event, $self->spendable);

    } else {
        return 'refused too_large' unless $self->fits($points);
        $self->put('adjusted', $points, 0, 0, $event) if $points;
    }

    $self->qualify($event->{time}, $points) if $event->{qualifying};

    return 'booked';
}


# --- promotions that are shown --------------------------------------------


# days in a row, and when visits began

sub visited {
    my ($self, $now) = @_;
    my $visits = $self->{visits};
    my $days = defined $visits->{last}
               ? int($now / DAY) - int($visits->{last} / DAY) : 9e18;

    $visits->{earlier} = $visits->{last} if defined $visits->{last} && $days;
    $visits->{streak} = !$days ? $visits->{streak}
                      : $days == 1 ? $visits->{streak} + 1 : 1;
    $visits->{last} = $now;
    $self->{visits} = $visits;

    return;
}


# once a day; "customers" are those who were shown it, or not, ever

sub shows {
    my ($self, $now, $arm, @codes) = @_;

    for my $code (@codes) {
        my $times = $self->{exposed}{"$code:$arm"} ||= [];

        push @$times, $now
            if !@$times || int($now / DAY) > int($times->[-1] / DAY);
    }

    return;
}


# an order that is worth something, soon after one of those times

sub convert {
    my ($self, $time) = @_;

    for my $it (@{ $self->{program}{promotions} || [] }) {
        my $soon = seconds($it->{convert} || '7d');

        for my $name (map { "$it->{code}:$_" } qw(given held)) {
            $self->{converted}{$name}++
                if grep { $time >= $_ && $time < $_ + $soon }
                   @{ $self->{exposed}{$name} || [] };
        }
    }

    return;
}


sub counters {
    my ($self) = @_;
    my $exposed = $self->{exposed} || {};
    my $converted = $self->{converted} || {};

    return {
        (map { ("$_:exposures" => scalar @{ $exposed->{$_} },
                "$_:customers" => 1) } keys %$exposed),
        (map { ("$_:conversions" => $converted->{$_}) } keys %$converted),
    };
}


sub facts {
    my ($self) = @_;
    my $visits = $self->{visits} || {};
    my %all = $self->counted(0, 9e18);

    return {
        tier       => $self->tier,
        points     => $self->active,
        orders     => $self->{norders} || 0,
        spend      => $all{spend},
        first_order => $self->{first_order} || 0,
        last_order => $self->{last_order} || 0,
        refunds    => $self->{nrefunds} || 0,
        created    => $self->{created},
        visits     => join ' ', map { $visits->{$_} || 0 }
                                qw(last earlier frequency streak),
    };
}


# --- tiers ----------------------------------------------------------------


sub grant {
    my ($self, $event) = @_;
    my ($n) = grep { $self->{program}{tiers}[$_]{name} eq $event->{tier} }
              0 .. $#{ $self->{program}{tiers} };

    return 'refused tier_unknown' unless defined $n;

    push @{ $self->{grants} }, { n => $n, until => $event->{until} }
        if $event->{until} > $self->{clock};

    return 'booked';
}


# the points that count for the next tier, if it looks back a part of the time

sub toward {
    my ($self) = @_;
    my $n = $self->n + 1;
    my $tier = $self->{program}{tiers}[$n] || {};

    return 0 if ($tier->{window} || 'lifetime') eq 'lifetime'
                || !defined $tier->{points};

    my %is = $self->counted($self->window($n, $self->{clock}));

    return $is{points};
}


# the higher of earned and granted

sub n {
    my ($self) = @_;

    return max $self->{held}, map { $_->{n} }
               grep { $_->{until} > $self->{clock} } @{ $self->{grants} };
}


sub tier {
    my ($self) = @_;
    my $n = $self->n;

    return $n < 0 ? '' : $self->{program}{tiers}[$n]{name};
}


# since when it is held

sub tier_since {
    my ($self) = @_;

    return $self->{shown_since};
}


# until when it is held, 0: for ever

sub tier_until {
    my ($self) = @_;
    my @grants = sort { $b->{n} <=> $a->{n} || $b->{until} <=> $a->{until} }
                 grep { $_->{n} > $self->{held}
                        && $_->{until} > $self->{clock} }
                 @{ $self->{grants} };

    return @grants ? $grants[0]{until} : $self->{until} || 0;
}


# what counts of a period, of days from 1970

sub counted {
    my ($self, $first, $last) = @_;

    # until something is booked that is the same

    return @{ $self->{counted}{"$first $last"} ||= [ do {
        my ($from, $to) = ($first * DAY, ($last + 1) * DAY);

        my @orders = grep { $_->{time} >= $from && $_->{time} < $to
                            && $_->{total} > $_->{refunded} }
                     grep { defined $_->{total} } values %{ $self->{orders} };

        (
            points => sum0(map { $_->{points} }
                           grep { $_->{time} >= $from && $_->{time} < $to }
                           @{ $self->{qualifying} }),
            spend  => sum0(map { net($_) } @orders),
            orders => scalar @orders,
        );
    } ] };
}


# whether one has what tier N asks for, within a period

sub qualifies {
    my ($self, $n, @period) = @_;
    my $tier = $self->{program}{tiers}[$n];
    my %is = $self->counted(@period);

    my @asked = grep { defined $tier->{$_} } sort keys %is;
    my @met = grep { $is{$_} >= $tier->{$_} } @asked;

    return 1 if !@asked;
    return ($tier->{match} || 'any') eq 'all' ? @met == @asked : @met > 0;
}


# the period that counts for tier N at "at"; "ended": of a validity that
# ended then

sub window {
    my ($self, $n, $at, $ended) = @_;
    my $window = $self->{program}{tiers}[$n]{window} || 'lifetime';

    return (0, 9e18) if $window eq 'lifetime';

    if ($window eq 'calendar') {
        my $year = year(defined $ended ? $ended - 1 : $at);

        return (year_start($year) / DAY,
                max(int(($at - 1) / DAY), year_start($year + 1) / DAY - 1));
    }

    return (int($at / DAY) - seconds($window) / DAY, 9e18);
}


sub reached {
    my ($self, $at, $ended) = @_;

    for my $n (reverse 0 .. $#{ $self->{program}{tiers} }) {
        return $n if $self->qualifies($n, $self->window($n, $at, $ended));
    }

    return -1;
}


# until when tier N is valid, undef: for ever

sub valid_until {
    my ($self, $n, $at, $ended) = @_;
    my $tier = $n < 0 ? {} : $self->{program}{tiers}[$n];
    my $valid = $tier->{valid} || $tier->{window} || 'lifetime';

    return $valid eq 'lifetime' ? undef
         : $valid eq 'calendar'
         ? year_start(year(!defined $ended ? $at
                           : ($tier->{window} || '') eq 'calendar'
                           ? $ended - 1 : $at - 1) + 2)
         : after($at, $valid);
}


sub hold {
    my ($self, $n, $at, $until) = @_;

    $self->{since} = $at if $n != $self->{held};
    $self->{held} = $n;
    $self->{until} = $until;
}


# an upgrade is immediate

sub raise {
    my ($self) = @_;
    my $now = $self->{clock};
    my $n = $self->reached($now);

    $self->hold($n, $now, $self->valid_until($n, $now)) if $n > $self->{held};
    $self->shows_tier;
}


# the tiers that a year of the calendar which has ended qualifies for

sub late {
    my ($self, $time) = @_;

    return [] if year($time) >= year($self->{clock});

    return [ grep { ($self->{program}{tiers}[$_]{window} || '') eq 'calendar'
                    && $self->qualifies($_, $self->window($_, $time)) }
             0 .. $#{ $self->{program}{tiers} } ];
}


# what is told of such a year gives a tier that was not reached without it

sub raise_late {
    my ($self, $time, $before) = @_;
    my $now = $self->{clock};
    my $highest = @$before ? $before->[-1] : -1;

    for my $n (reverse @{ $self->late($time) }) {
        last if $n <= $self->{held} || $n <= $highest;

        my $until = $self->valid_until($n, $time);
        my $grace = $self->{program}{tiers}[$n]{grace} || '0d';

        next if defined $until && $until + seconds($grace) <= $now;

        $self->hold($n, $now, $until);
        last;
    }

    $self->shows_tier;
}


sub shows_tier {
    my ($self) = @_;
    my $shown = $self->n;

    if ($shown == $self->{held}) {
        $self->{shown_since} = $self->{since};

    } elsif ($shown != $self->{shown}) {
        $self->{shown_since} = $self->{clock};
    }

    $self->{shown} = $shown;
}


# what has ended until then, one validity after the other

sub reassess {
    my ($self, $now) = @_;

    while (defined $self->{until}) {
        my $tier = $self->{program}{tiers}[$self->{held}];
        my $at = $self->{until} + seconds($tier->{grace} || '0d');

        last if $at > $now;

        my $n = $self->reached($at, $self->{until});

        if ($n < $self->{held}) {
            my $policy = $tier->{downgrade} || 'balance';

            $n = $policy eq 'balance' ? $n
               : $policy eq 'one'     ? $self->{held} - 1 : $self->{held};
        }

        $self->hold($n, $at, $self->valid_until($n, $at, $self->{until}));
    }
}


1;
