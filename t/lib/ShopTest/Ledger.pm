package ShopTest::Ledger;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Ledger - the script that books, and what it leaves in Redis

=head1 SYNOPSIS

    use ShopTest::Ledger;

    my $customer = ShopTest::Ledger->new($redis, \%program);

    $customer->book($now, \%event);     # "booked", "refused too_old"
    $customer->seen($now, $before);     # a request: the visit that is owed
    $customer->view;                    # shop:view as a hash
    $customer->lots;                    # { id => points left }
    $customer->ledger;                  # [ "KIND POINTS LOT BALANCE EVENT" ]
    $customer->key('seen');
    $customer->{reply};                 # all that the script has returned

    ShopTest::Ledger::script('ledger'); # its text

    # with module => ShopTest::Simulate->new(...)

    my ($status, @replies) = $customer->told($now, \%event, [ 'GET', 'key' ]);

=head1 DESCRIPTION

Programs and events are those of L<ShopTest::Loyalty>; an error of Redis is
the status "error TEXT".  What a promotion's budget is leased by goes on until
the event is booked.  "prefix" is put before the script.

What "seen" returns, if the request begins a visit, is an event with its
"days" besides; it can be told promotions that are shown, "CODE ARM CONVERT
...".

"told" books by the command that the module makes, and tells all of the budgets
that it used, as a worker does; what comes back besides is read in the same
moment.

=cut

use strict;
use warnings;

use Digest::SHA ();
use List::Util ();

use ShopTest ();
use ShopTest::Loyalty ();


my @keys = qw(view ledger seen lots orders activity days due shown budget);

# which rules are for which events

my %rules = (
    login  => qr/^(?:signup|login)$/,
    visit  => qr/^(?:visit|streak)$/,
    custom => qr/^custom:/,
    order  => qr/^order$/,
);


sub new {
    my ($class, $redis, $program, %o) = @_;

    return bless {
        id      => 'c1',
        part    => 7,
        prefix  => '',
        program => $program,
        %o,
        redis   => $redis,
    }, $class;
}


sub key {
    my ($self, $kind) = @_;
    my $key = "shop:$kind:{$self->{part}}";

    return $kind =~ /^(?:due|shown|budget)$/ ? $key : "$key:$self->{id}";
}

sub view { return $_[0]->{redis}->hash($_[0]->key('view')) }

sub lots {
    my ($self) = @_;

    return { @{ $self->{redis}->command('ZRANGE', $self->key('lots'), 0, -1,
                                        'WITHSCORES') } };
}


# its place in the queue

sub due {
    my ($self) = @_;
    my $at = $self->{redis}->command('ZSCORE', $self->key('due'),
                                     $self->{id});

    return defined $at ? $at : 'never';
}


# without the time of each entry, and without the first ones

sub ledger {
    my ($self, $first) = @_;

    return [ map { /^\d+ (.*)/ ? $1 : die "an entry \"$_\"\n" }
             @{ $self->{redis}->command('LRANGE', $self->key('ledger'),
                                        $first || 0, -1) } ];
}


# a script with its parts, as ngx_module/redis/embed.awk makes it

sub script {
    my ($name) = @_;
    my $path = ShopTest::root() . "/ngx_module/redis/$name";
    my $text = ShopTest::read_file("$path.lua");

    $text =~ s{^( *)-- part: ([a-z]+)\n}
              { my ($indent, $part) = ($1, $2);
                ShopTest::read_file("$path/$part.lua")
                    =~ s/^(?=.)/$indent/gmr }gme;

    return $text;
}


sub sha {
    my ($self, $name) = @_;

    return $self->{sha}{$name} ||= $self->{redis}->command(
        'SCRIPT', 'LOAD', $self->{prefix} . script($name));
}


sub book {
    my ($self, $now, $event) = @_;
    my %known;

    for (1 .. 100) {
        my ($reply, $error) = $self->{redis}->try(
            $self->call($now, $event, \%known));

        return "error $error" if defined $error;

        $self->{reply} = $reply;

        return join ' ', grep { length } @$reply[0, 1]
            if $reply->[0] ne 'lease';

        my ($code, @figures) = split / /, $reply->[10];

        $known{$code} = $self->lease($code, @figures);
    }

    die "nothing but leases\n";
}


sub told {
    my ($self, $now, $event, @also) = @_;
    my $also = join '', map { ShopTest::Redis::encode(@$_) } @also;
    my %known;

    for (1 .. 100) {
        my ($reply, @replies) = $self->{redis}->pipeline(
            $self->{module}->book($now, $self->{id}, [ event($event) ],
                                  \%known) . $also, 1 + @also);

        return "error $reply->{text}" if ref $reply ne 'ARRAY';

        $self->{reply} = $reply;

        my @figures = split / /, $reply->[10];

        if ($reply->[0] eq 'lease') {
            $known{$figures[0]} = $self->lease(@figures);
            next;
        }

        while (my ($code, @its) = splice @figures, 0, 4) {
            $self->asks($code, $self->{part}, 0, @its);
        }

        return (join(' ', grep { length } @$reply[0, 1]), @replies);
    }

    die "nothing but leases\n";
}


# what was leased in all, or "sold"

sub lease {
    my ($self, $code, @figures) = @_;

    for (1 .. 100) {
        my ($word, @rest) = @{ $self->asks($code, $self->{part}, 1,
                                           @figures) };

        return $word eq 'given' ? $rest[0] : $word if $word ne 'recall';

        while (my ($part, $leased) = splice @rest, 0, 2) {
            my $its = $self->{redis}->command(
                'EVALSHA', $self->sha('recall'), 1, "shop:budget:{$part}",
                $code, $leased);

            $self->asks($code, $part, 0, @$its);
        }
    }

    die "nothing but recalls\n";
}


# what is said to, and by, the budget of all

sub asks {
    my ($self, $code, $part, $wanted, @figures) = @_;
    my ($promotion) = grep { $_->{code} eq $code }
                      @{ $self->{program}{promotions} };

    return $self->{redis}->command('EVALSHA', $self->sha('lease'), 1,
        'shop:budget', $code, $part, $promotion->{budget}, 64, $wanted,
        @figures);
}


# the codes that an order names

sub promotions {
    my ($self, $event, $known) = @_;
    my $day = int(($event->{time} || 0) / 86400);
    my (@words, %seen);

    for my $name (grep { !$seen{$_}++ } split /,/, $event->{promotion} || '')
    {
        my ($it) = grep { $_->{code} eq $name }
                   @{ $self->{program}{promotions} || [] };

        if (!$it) {
            push @words, "$name unknown - 0 0 0 0 0 0";
            next;
        }

        my $period = $it->{period} || 'ever';
        my $start = $period =~ /^\d/ || $period eq 'ever' ? 0
            : ShopTest::Loyalty::period($event->{time}, $period) / 86400;
        my @days = $period eq 'ever' ? (0, 0, 1)
            : $period =~ /^(\d+)d$/ ? ($day, $day - $1, $day + $1 + 1)
            : ($start, $start, ShopTest::Loyalty::period(
                ($start + { day => 1, week => 7, month => 31,
                            year => 366 }->{$period}) * 86400, $period)
               / 86400);
        my $leased = $known->{$name} || 0;

        push @words, join ' ', $name, $leased eq 'sold' ? 'sold_out' : '-',
            $name, $it->{per_member} || 0, @days, $it->{budget} || 0,
            $leased eq 'sold' ? 0 : $leased;
    }

    return join ' ', @words;
}


# the command that books

sub call {
    my ($self, $now, $event, $known) = @_;

    return ('EVALSHA', $self->sha('ledger'), scalar @keys,
            (map { $self->key($_) } @keys), $now, event($event),
            $self->promotions($event, $known || {}), $event->{told} || $now,
            digest($event), $self->looks_back, $self->rules($event));
}


# a request at "now" of a customer who had been there at "before"

sub seen {
    my ($self, $now, $before, $shown) = @_;
    my $session = $self->key('session') . ':h1';

    $self->{redis}->command('HSET', $session, 'provider', 'one');

    my $owed = $self->{redis}->command(
        'EVALSHA', $self->sha('activity'), 6, $session,
        (map { $self->key($_) } qw(sessions activity view customer shown)),
        'h1', $now, $before, 1000 * 86400, 1, $self->{module} ? 1 : 0, 0,
        $shown || '', $now)->[1];

    return unless defined $owed;

    my ($time, $days) = split / /, $owed;

    return { id => "visit:$time", type => 'visit', time => $time,
             days => $days };
}


sub event {
    my ($event) = @_;
    my ($what) = map { exists $event->{$_} ? $event->{$_} : () }
                 qw(order name tier);
    my ($amount) = map { exists $event->{$_} ? $event->{$_} : () }
                   qw(total points days until);

    return ($event->{type}, $event->{id}, $event->{time},
            defined $what ? $what : '', defined $amount ? $amount : 0,
            $event->{promotion} || ($event->{qualifying} ? 'qualifying' : ''));
}


sub digest {
    my ($event) = @_;
    my ($type, undef, $time, $what, $amount, $option) = event($event);

    return 0 if $type =~ /^(?:login|visit)$/;

    # 36 bits

    return unpack('Q>', Digest::SHA::sha1(
        join ' ', $type, $time, $amount, $option, $what)) >> 28;
}


# days, and whether some are years of the calendar

sub looks_back {
    my ($self) = @_;
    my @tiers = @{ $self->{program}{tiers} || [] };
    my @windows = grep { defined } map { $_->{window} } @tiers;
    my @days = map { ShopTest::Loyalty::seconds($_) / 86400 }
               grep { /^\d/ } @windows;

    return (List::Util::max(0, @days), '') if !grep { $_ eq 'calendar' }
                                              @windows;

    my $grace = List::Util::max(map {
        ShopTest::Loyalty::seconds($_->{grace} || '0d') / 86400
    } @tiers);

    return (List::Util::max(@days, 366 + 32
                            + List::Util::max(430, int($grace) + 1)),
            'calendar');
}


sub tier {
    my ($tier) = @_;
    my %is = map { $_ => $tier->{$_} } grep { defined $tier->{$_} }
             qw(points spend orders match downgrade);

    $is{grace} = ShopTest::Loyalty::seconds($tier->{grace}) if $tier->{grace};

    my $window = $tier->{window} || 'lifetime';
    my $valid = $tier->{valid} || $window;

    $is{window} = $window =~ /^\d/
        ? ShopTest::Loyalty::seconds($window) / 86400 : $window
        if $window ne 'lifetime';

    $is{valid} = $valid =~ /^(\d+)y$/ ? 12 * $1 . 'M'
        : $valid =~ /^\d+[dw]$/ ? ShopTest::Loyalty::seconds($valid) : $valid
        if $valid ne 'lifetime';

    delete $is{match} if ($is{match} || '') eq 'any';
    delete $is{downgrade} if ($is{downgrade} || '') eq 'balance';

    return join ' ', map { "$_=$is{$_}" } sort keys %is;
}


sub rules {
    my ($self, $event) = @_;
    my $tiers = $self->{program}{tiers} || [];
    my $wanted = $rules{$event->{type}} || qr/^$/;
    my @words = scalar @$tiers;
    my %n;

    push @words, $_->{name}, tier($_) for @$tiers;

    for my $rule (@{ $self->{program}{earn} || [] }) {
        my $n = ++$n{$rule->{what}};

        next unless $rule->{what} =~ $wanted;

        my ($activates, $expires)
            = ShopTest::Loyalty::dates($rule, $event->{time});
        my $multiply = $rule->{multiply} || {};

        push @words, $rule->{what}, $rule->{points},
             $rule->{per} || $rule->{days} || 0, $rule->{min} || 0,
             pace($rule, "paid:$rule->{what}" . ($n == 1 ? '' : ":$n"),
                  $event->{time}),
             defined $rule->{tier} ? $rule->{tier} : '',
             join(' ', map { "$_:$multiply->{$_}" } sort keys %$multiply),
             ShopTest::Loyalty::lot_id({ activates => $activates,
                                         expires => $expires });
    }

    return @words;
}


sub pace {
    my ($rule, $field, $time) = @_;
    my $every = ShopTest::Loyalty::seconds($rule->{every} || '0d');
    my ($limit, $unit) = split m{/}, $rule->{limit} || '0/day';

    return '' if !$every && !$limit;

    return "$field $every $limit "
           . ShopTest::Loyalty::period($time, $unit) / 86400;
}


1;
