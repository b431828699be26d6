package ShopTest::Offers;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Offers - which segments a customer is in, which promotions are theirs

=head1 SYNOPSIS

    use ShopTest::Offers;

    my $offers = ShopTest::Offers->new(
        tiers      => [ 'bronze', 'silver' ],
        segments   => [ [ 'vip', [ 'points>=1000' ], [ 'orders>=5' ] ],
                        [ 'active' ] ],
        promotions => [ { code => 'A', audience => [ [ 'tier>=silver' ] ],
                          hours => [ [ 'mon-fri', '09:00-18:00' ] ],
                          match => [ [ 'country', 'DE', '~^A' ] ],
                          holdout => 10, group => 'g', stop => 0,
                          priority => 10, from => $time, until => $time } ],
    );

    $offers->conf;                  # the same as lines of the configuration
    $offers->offered;               # ... without tiers and currency

    $offers->promotions({ tier => 'silver', orders => 2 }, $now,
        seed => $hex, customer => $id, provider => 'work',
        gone => { B => 1 },         # sold out, or redeemed often enough
        held => \my @held,          # is told what was held back
        variables => { country => 'DE' });
    $offers->segments({ points => 1250 }, $now, provider => 'work');

    ShopTest::Offers::bucket($hex, $code, $customer);   # 0 to 9999
    ShopTest::Offers::own($hex, $code, $customer);      # CODE-0123456789
    ShopTest::Offers::siphash($key, $bytes);

=head1 DESCRIPTION

A model against which the real thing is compared: simple and slow.  The first
argument of promotions() is what the view holds.  Where a sentence can be read
in two ways, it is said here which one it is:

A customer in the holdout of a promotion was not given it, so it takes no
place in a group and ends no list.

"hours" that end before they begin go on into the next day, and belong to the
day on which they began.

A segment without conditions is a preset, with the meaning that it has by
itself; a preset that has no line is an audience all the same, but is not told.
What is not known, the time of an order where there was none, is neither equal
to anything nor different from it.

"visits" of the view is LAST EARLIER FREQUENCY STREAK: when the last visit
began, when the last one of a day before that, and frequency, in thousandths,
and streak as of the last one.  How long ago somebody was here is told from
earlier days, as today they are here.  The provider of the session is one that
is linked; whether another one is not is not known where none is.

Money has two decimals.

=cut

use strict;
use warnings;
no warnings 'portable';

use POSIX ();
use Time::Local ();


my %presets = (
    'new'      => [ [ 'new' ] ],
    'active'   => [ [ 'recency<=90d' ] ],
    'at-risk'  => [ [ 'recency>90d', 'recency<=180d' ] ],
    'lapsed'   => [ [ 'recency>180d' ] ],
    'champion' => [ [ 'recency<=90d', 'orders>=5' ] ],
);

my %seconds = (s => 1, m => 60, h => 3600, d => 86400, w => 604800);

my @days = qw(sun mon tue wed thu fri sat);


sub new {
    my ($class, %program) = @_;

    return bless { tiers => [], segments => [], promotions => [], %program },
                 $class;
}


# --- the configuration ------------------------------------------------------


sub conf {
    my ($self) = @_;
    my $text = "currency EUR;\n";
    my $points = 0;

    for (@{ $self->{tiers} }) {
        $text .= "tier $_" . ($points ? " points=$points" : '') . ";\n";
        $points += 1000;
    }

    return $text . $self->offered;
}


sub offered {
    my ($self) = @_;
    my $text = '';

    for (@{ $self->{segments} }) {
        my ($name, @lines) = @$_;

        $text .= "segment $name;\n" unless @lines;
        $text .= join '', map { "segment $name @$_;\n" } @lines;
    }

    for my $promotion (@{ $self->{promotions} }) {
        $text .= "promotion $promotion->{code} {\n";
        $text .= join '', map { "    $_;\n" } lines($promotion);
        $text .= "}\n";
    }

    return $text;
}


sub lines {
    my ($promotion) = @_;
    my @lines;

    for my $word (qw(audience hours match)) {
        push @lines, map { join ' ', $word, @$_ } @{ $promotion->{$word} };
    }

    for my $word (qw(from until)) {
        push @lines, "$word " . POSIX::strftime('%Y-%m-%dT%H:%M:%SZ',
                                                gmtime $promotion->{$word})
            if defined $promotion->{$word};
    }

    push @lines, map { "$_ $promotion->{$_}" }
                 grep { defined $promotion->{$_} } qw(group priority budget);
    push @lines, "holdout $promotion->{holdout}%"
                 . ($promotion->{convert} ? " convert=$promotion->{convert}"
                                          : '')
        if $promotion->{holdout};
    push @lines, join ' ', 'per_member', $promotion->{per_member},
                           $promotion->{period} || ()
        if $promotion->{per_member};
    push @lines, map { "$_ on" } grep { $promotion->{$_} } qw(stop once);

    return @lines;
}


# --- what is given ----------------------------------------------------------


sub promotions {
    my ($self, $view, $now, %moment) = @_;
    my (@given, %taken);

    my @list = sort { priority($a) <=> priority($b)
                      || $a->{code} cmp $b->{code} }
               @{ $self->{promotions} };

    for my $promotion (grep { $self->holds($_, $view, $now, \%moment) } @list)
    {
        my $group = $promotion->{group};

        next if defined $group && $taken{$group};

        if ($promotion->{holdout}
            && bucket($moment{seed}, $promotion->{code}, $moment{customer})
               < 100 * $promotion->{holdout})
        {
            push @{ $moment{held} }, $promotion->{code};
            next;
        }

        push @given, $promotion->{once}
                     ? own($moment{seed}, $promotion->{code},
                           $moment{customer})
                     : $promotion->{code};
        $taken{$group} = 1 if defined $group;

        last if $promotion->{stop};
    }

    return @given;
}


sub priority { return defined $_[0]{priority} ? $_[0]{priority} : 100 }


sub holds {
    my ($self, $promotion, $view, $now, $moment) = @_;
    my $audience = $promotion->{audience} || [];
    my $hours = $promotion->{hours} || [];

    return 0 if $moment->{gone}{$promotion->{code}};
    return 0 if defined $promotion->{from} && $now < $promotion->{from};
    return 0 if defined $promotion->{until} && $now >= $promotion->{until};

    return 0 if @$hours && !grep { within($_, $now) } @$hours;

    return 0 if @$audience
                && !grep { $self->all_hold($_, $view, $now, $moment, 1) }
                         @$audience;

    for (@{ $promotion->{match} || [] }) {
        my ($name, @values) = @$_;

        return 0 unless grep { is_value($moment->{variables}{$name}, $_) }
                             @values;
    }

    return 1;
}


sub within {
    my ($days, $times) = @{ $_[0] };
    my ($from, $until) = map { 60 * substr($_, 0, 2) + substr($_, 3) }
                         split /-/, $times;
    my ($minutes, $hours, $day) = (gmtime $_[1])[1, 2, 6];
    my $minute = 60 * $hours + $minutes;
    my $on = sub { named($days, $days[$_[0] % 7]) };

    return $on->($day) && $minute >= $from && $minute < $until
        if $from < $until;

    return $on->($day) && $minute >= $from
           || $on->($day + 6) && $minute < $until;
}


# "mon-fri,sun" has this day

sub named {
    my ($days, $day) = @_;

    for (split /,/, $days) {
        my ($first, $last) = split /-/;
        my $i = 0;

        $i++ until $days[$i] eq $first;

        for (1 .. 7) {
            return 1 if $days[$i % 7] eq $day;
            last if $days[$i % 7] eq ($last || $first);
            $i++;
        }
    }

    return 0;
}


sub is_value {
    my ($is, $value) = @_;

    return 0 unless defined $is;
    return $is =~ /$1/i if $value =~ /^~\*(.*)/;
    return $is =~ /$1/ if $value =~ /^~(.*)/;

    return $is eq $value;
}


# --- conditions -------------------------------------------------------------


sub segments {
    my ($self, $view, $now, %moment) = @_;
    my @given = split /,/, $view->{segments} || '';
    my @names = map { $_->[0] } @{ $self->{segments} };

    return ((grep { $self->is_in($_, $view, $now, \%moment) } @names),
            (grep { my $name = $_; !grep { $_ eq $name } @names } @given));
}


sub is_in {
    my ($self, $name, $view, $now, $moment) = @_;
    my ($segment) = grep { $_->[0] eq $name } @{ $self->{segments} };
    my ($first, @lines) = @{ $segment || [] };

    return 1 if grep { $_ eq $name } split /,/, $view->{segments} || '';

    @lines = @{ $presets{$name} } unless @lines;

    return grep { $self->all_hold($_, $view, $now, $moment, 0) } @lines;
}


sub all_hold {
    my ($self, $conditions, $view, $now, $moment, $audience) = @_;

    for (@$conditions) {
        return 0 unless $self->condition($_, $view, $now, $moment, $audience);
    }

    return 1;
}


sub condition {
    my ($self, $condition, $view, $now, $moment, $audience) = @_;
    my ($field, $op, $value) = $condition =~ /^([\w-]+)([=!<>]+)(.*)$/;

    if (!defined $op) {
        return !$view->{orders} if $condition eq 'new' && !$audience;

        ($field, $op, $value) = ('segment', '=', $condition);
    }

    if ($field eq 'segment') {
        my $in = $self->is_in($value, $view, $now, $moment) ? 1 : 0;

        return $op eq '=' ? $in : !$in;
    }

    return $op eq '=' ? $moment->{provider} eq $value
                      : $moment->{provider} ne $value
        if $field eq 'provider';

    if ($field eq 'providers') {
        my @linked = split /,/, $view->{providers} || '';
        my $is = grep { $_ eq $value } @linked, $moment->{provider};

        return $op eq '=' ? $is : !$is && @linked;
    }

    if ($field eq 'locale') {
        my ($is, $range) = map { lc(defined $_ ? $_ : '') =~ tr/_/-/r }
                           $view->{locale}, $value;

        return $is ne '' && ($op eq '=') == ($is =~ /^\Q$range\E(?:-|$)/);
    }

    my ($last, $earlier, $frequency, $streak)
        = split / /, $view->{visits} || '0 0 0 0';
    my $days = POSIX::floor($now / 86400) - POSIX::floor($last / 86400);
    my $before = $days > 0 ? $last : $earlier;

    my ($is, $than)
        = $field eq 'tier'
        ? ($self->rank($view->{tier} || ''), $self->rank($value))
        : $field eq 'spend' ? ($view->{spend} || 0, POSIX::floor($value * 100
                                                               + 0.5))
        : $field eq 'recency'
        ? ($view->{last_order} ? $now - $view->{last_order} : undef,
           $value =~ /^(\d+)([smhdw])$/ ? $1 * $seconds{$2} : undef)
        : $field eq 'visit_recency'
        ? ($before ? $now - $before : undef,
           $value =~ /^(\d+)([smhdw])$/ ? $1 * $seconds{$2} : undef)
        : $field eq 'frequency'
        ? (POSIX::floor($frequency * 2 ** (($last - $now) / (30 * 86400))),
           1000 * $value)
        : $field eq 'streak' ? ($days > 1 ? 0 : $streak, $value)
        : $field eq 'member_since'
        ? ($view->{created} || undef, date($value))
        : ($view->{$field} || 0, $value);

    return defined $is && compare($is, $op, $than);
}


sub date {
    my ($year, $month, $day) = split /-/, $_[0];

    return Time::Local::timegm(0, 0, 0, $day, $month - 1, $year);
}


# who has no tier is below all

sub rank {
    my ($self, $name) = @_;
    my $tiers = $self->{tiers};
    my ($n) = grep { $tiers->[$_] eq $name } 0 .. $#$tiers;

    return defined $n ? $n : -1;
}


sub compare {
    my ($is, $op, $value) = @_;

    return $op eq '='  ? $is == $value
         : $op eq '!=' ? $is != $value
         : $op eq '<'  ? $is <  $value
         : $op eq '<=' ? $is <= $value
         : $op eq '>'  ? $is >  $value : $is >= $value;
}


# --- holdouts ---------------------------------------------------------------


sub bucket {
    my ($seed, $code, $customer) = @_;

    return siphash(pack('H*', $seed), "$code:$customer") % 10000;
}


# the customer's own code of a promotion with "once"

sub own {
    my ($seed, $code, $customer) = @_;
    my @characters = grep { !/[ILOU]/ } 0 .. 9, 'A' .. 'Z';
    my $hash = siphash(pack('H*', $seed), ":$code:$customer");

    return "$code-" . join '', map { $characters[($hash >> 5 * $_) % 32] }
                               0 .. 9;
}


sub rotate {
    my ($n, $bits) = @_;

    return ($n << $bits) | ($n >> (64 - $bits));
}


# without a carry out of 64 bits, which would be a number with a fraction

sub add {
    use integer;

    return 0 + sprintf '%u', $_[0] + $_[1];
}


sub siphash {
    my ($key, $bytes) = @_;
    my ($one, $two) = unpack 'Q<2', $key;
    my $rest = length($bytes) % 8;
    my $padded = $bytes . "\0" x (7 - $rest) . chr(length($bytes) % 256);

    my @v = ($one ^ 0x736f6d6570736575, $two ^ 0x646f72616e646f6d,
             $one ^ 0x6c7967656e657261, $two ^ 0x7465646279746573);

    my $rounds = sub {
        for (1 .. $_[0]) {
            $v[0] = add($v[0], $v[1]);
            $v[1] = rotate($v[1], 13) ^ $v[0];
            $v[0] = rotate($v[0], 32);
            $v[2] = add($v[2], $v[3]);
            $v[3] = rotate($v[3], 16) ^ $v[2];
            $v[0] = add($v[0], $v[3]);
            $v[3] = rotate($v[3], 21) ^ $v[0];
            $v[2] = add($v[2], $v[1]);
            $v[1] = rotate($v[1], 17) ^ $v[2];
            $v[2] = rotate($v[2], 32);
        }
    };

    for my $word (unpack 'Q<*', $padded) {
        $v[3] ^= $word;
        $rounds->(2);
        $v[0] ^= $word;
    }

    $v[2] ^= 0xff;
    $rounds->(4);

    return $v[0] ^ $v[1] ^ $v[2] ^ $v[3];
}

1;
