package ShopTest::RedisFault;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::RedisFault - a Redis that goes wrong on demand

=head1 SYNOPSIS

    my $fault = ShopTest::RedisFault->new;

    $fault->url;
    $fault->on(ECHO => [ "\$5\r\nab", { close => 1 } ]);    # every time
    $fault->once(ECHO => [ { wait => 0.2 }, "+late\r\n" ]); # the next time
    $fault->on(ECHO => undef);          # as it should be again
    $fault->asked;                      # commands since the last call
    $fault->asked('ECHO');              # those of this name

=head1 DESCRIPTION

A L<ShopTest::Server> that speaks just enough of the protocol of Redis: it
repeats what ECHO says, answers the first commands of our connections
properly, and OK to anything else.  A command may be given steps of an answer
instead, as of that module; "%s" in them is replaced with the last word of
the command as a bulk string, "%w" with the bare word.

=cut

use strict;
use warnings;

use parent 'ShopTest::Server';


sub new {
    my ($class, %o) = @_;

    return $class->SUPER::new(
        name  => 'faulty redis',
        raw   => \&answer_all,
        state => { on => {}, once => {}, asked => [], %{ $o{state} || {} } },
        %o,
    );
}


sub url { return "redis://127.0.0.1:$_[0]->{port}" }


sub on {
    my ($self, $name, $steps) = @_;

    return $self->control(on => [ $name, $steps ]);
}


sub once {
    my ($self, $name, $steps) = @_;

    return $self->control(once => [ $name, $steps ]);
}


sub asked {
    my ($self, $name) = @_;

    return grep { !defined $name || $_->[0] eq $name }
           @{ $self->control('asked') };
}


sub steered {
    my ($self, $what, $argument) = @_;
    my $state = $self->{state};

    if ($what eq 'on' || $what eq 'once') {
        $state->{$what}{ $argument->[0] } = $argument->[1];
        return 1;
    }

    if ($what eq 'asked') {
        my $asked = $state->{asked};

        $state->{asked} = [];
        return $asked;
    }

    return $self->SUPER::steered($what, $argument);
}


sub answer_all {
    my ($in, $state) = @_;
    my @steps;

    while (my $words = take_command($in)) {
        my $name = uc $words->[0];

        push @{ $state->{asked} },
             [ map { length > 200 ? length($_) . ' bytes' : $_ } @$words ];

        my $steps = delete $state->{once}{$name};

        $steps = $state->{on}{$name} unless defined $steps;
        $steps = proper($name, $words) unless defined $steps;

        push @steps, map { ref $_ ? $_ : with_word($_, $words->[-1]) }
                         ref $steps ? @$steps : $steps;
    }

    return \@steps;
}


sub with_word {
    my ($text, $word) = @_;
    my $bulk = bulk($word);

    $text =~ s/%s/$bulk/g;
    $text =~ s/%w/$word/g;

    return $text;
}


sub proper {
    my ($name, $words) = @_;

    if ($name eq 'ECHO') {
        return '%s';
    }

    if ($name eq 'HMGET') {
        return "*3\r\n" . bulk(1) . bulk(64) . bulk('0' x 32);
    }

    return "+OK\r\n";
}


sub bulk {
    my ($text) = @_;

    return '$' . length($text) . "\r\n$text\r\n";
}


# cuts a whole command off the input; undef: more is needed

sub take_command {
    my ($in) = @_;

    return undef unless $$in =~ /\A\*(\d+)\r\n/;

    my ($n, $from) = ($1, $+[0]);
    my @words;

    while (@words < $n) {
        pos($$in) = $from;
        return undef unless $$in =~ /\G\$(\d+)\r\n/gc;

        $from = pos $$in;
        return undef if length $$in < $from + $1 + 2;

        push @words, substr $$in, $from, $1;
        $from += $1 + 2;
    }

    substr $$in, 0, $from, '';

    return \@words;
}


1;
