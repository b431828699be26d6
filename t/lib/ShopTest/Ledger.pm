package ShopTest::Ledger;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Ledger - the script that books, and what it leaves in Redis

=head1 SYNOPSIS

    use ShopTest::Ledger;

    my $customer = ShopTest::Ledger->new($redis, \%program);

    $customer->book($now, \%event);     # "booked", "refused too_old"
    $customer->view;                    # shop:view as a hash
    $customer->lots;                    # { id => points left }
    $customer->ledger;                  # [ "KIND POINTS LOT BALANCE EVENT" ]
    $customer->key('seen');

=head1 DESCRIPTION

Programs and events are those of L<ShopTest::Loyalty>; an error of Redis is
the status "error TEXT".  "prefix" is put before the script.

=cut

use strict;
use warnings;

use ShopTest ();
use ShopTest::Loyalty ();


my @keys = qw(view ledger seen lots orders activity);


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


sub key { return "shop:$_[1]:{$_[0]->{part}}:$_[0]->{id}" }

sub view { return $_[0]->{redis}->hash($_[0]->key('view')) }

sub lots {
    my ($self) = @_;

    return { @{ $self->{redis}->command('ZRANGE', $self->key('lots'), 0, -1,
                                        'WITHSCORES') } };
}


# without the time of each entry, and without the first ones

sub ledger {
    my ($self, $first) = @_;

    return [ map { /^\d+ (.*)/ ? $1 : die "an entry \"$_\"\n" }
             @{ $self->{redis}->command('LRANGE', $self->key('ledger'),
                                        $first || 0, -1) } ];
}


sub sha {
    my ($self) = @_;
    my $path = ShopTest::root() . '/ngx_module/redis/ledger.lua';

    return $self->{sha} ||= $self->{redis}->command(
        'SCRIPT', 'LOAD', $self->{prefix} . ShopTest::read_file($path));
}


sub book {
    my ($self, $now, $event) = @_;
    my ($reply, $error) = $self->{redis}->try(
        'EVALSHA', $self->sha, scalar @keys, (map { $self->key($_) } @keys),
        $now, event($event), $self->rules($event->{time}));

    return "error $error" if defined $error;

    $self->{reply} = $reply;

    return join ' ', grep { length } @$reply[0, 1];
}


sub event {
    my ($event) = @_;
    my $amount = exists $event->{total} ? $event->{total}
               : exists $event->{points} ? $event->{points} : 0;

    return ($event->{type}, $event->{id}, $event->{time},
            defined $event->{order} ? $event->{order} : '', $amount,
            $event->{qualifying} ? 'qualifying' : '');
}


sub rules {
    my ($self, $time) = @_;
    my $tiers = $self->{program}{tiers} || [];
    my @words = scalar @$tiers;

    push @words, $_->{name}, defined $_->{points} ? $_->{points} : -1
        for @$tiers;

    for my $rule (@{ $self->{program}{earn} || [] }) {
        my ($activates, $expires) = ShopTest::Loyalty::dates($rule, $time);
        my $multiply = $rule->{multiply} || {};

        push @words, $rule->{what}, $rule->{points}, $rule->{per} || 0,
             $rule->{min} || 0,
             ShopTest::Loyalty::seconds($rule->{every} || '0d'),
             defined $rule->{tier} ? $rule->{tier} : '',
             join(' ', map { "$_:$multiply->{$_}" } sort keys %$multiply),
             ShopTest::Loyalty::lot_id({ activates => $activates,
                                         expires => $expires });
    }

    return @words;
}


1;
