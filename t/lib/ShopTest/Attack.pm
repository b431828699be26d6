package ShopTest::Attack;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Attack - very many orders at once, over many connections

=head1 SYNOPSIS

    use ShopTest::Attack;

    my $attack = ShopTest::Attack->new($events, [ $nginx, $other ], 64);

    my $words = $attack->run(\@orders, sub { my ($n) = @_; ... });
    # { redeemed => 500, sold_out => 200 }

    $attack->{statuses};            # { booked => 699, duplicate => 1 }
    $attack->{redeemed};            # the time of the last one that was

=head1 DESCRIPTION

Each order is a request of its own, on one of the connections, which are spread
over the servers; what is not answered by 200 is sent again, on a connection
that may be a new one.  The code is called after each answer, with their
number.  What became of the one code that each order names is counted.

=cut

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use Time::HiRes ();

use ShopTest ();
use ShopTest::Events ();


sub new {
    my ($class, $events, $servers, $connections) = @_;

    return bless { events => $events, servers => $servers,
                   connections => $connections }, $class;
}


sub run {
    my ($self, $orders, $after) = @_;
    my @waiting = @$orders;
    my $select = IO::Select->new;
    my (%at, %words, $n);
    my $deadline = ShopTest::now() + 120;

    $self->{statuses} = {};

    my @free = map { $_ % @{ $self->{servers} } } 1 .. $self->{connections};

    while (@waiting || %at) {
        die "the attack does not end\n" if ShopTest::now() > $deadline;

        my @later;

        while (@waiting && @free) {
            my $server = shift @free;
            my $it = $self->dial($server);

            if (!$it) {
                push @later, $server;
                next;
            }

            $it->{order} = shift @waiting;
            $self->tell($it);
            $at{$it->{socket}} = $it;
            $select->add($it->{socket});
        }

        push @free, @later;

        for my $socket ($select->can_read(0.05)) {
            my $it = $at{$socket};
            my $response = $self->hear($it);

            next if !$response;

            if ($response ne 'gone' && $response->{status} == 200) {
                $self->count($response->{result}, \%words);
                $after->(++$n) if $after;

            } else {
                push @waiting, $it->{order};
            }

            $it->{order} = undef;

            if ($response ne 'gone' && @waiting) {
                $it->{order} = shift @waiting;
                $self->tell($it);
                next;
            }

            $select->remove($socket);
            delete $at{$socket};
            close $socket;
            push @free, $it->{server};
        }
    }

    return \%words;
}


sub dial {
    my ($self, $server) = @_;
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{servers}[$server]->port)
        or return;

    return { socket => $socket, server => $server, text => '' };
}


sub tell {
    my ($self, $it) = @_;
    my $body = ShopTest::Events::body($it->{order});
    my $headers = $self->{events}->headers($body);
    my $text = "POST /_shop/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        . 'Content-Length: ' . length($body) . "\r\n";

    while (my ($name, $value) = splice @$headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    local $SIG{PIPE} = 'IGNORE';

    syswrite $it->{socket}, "$text\r\n$body";
}


# undef: not all of it is there

sub hear {
    my ($self, $it) = @_;
    my $n = sysread $it->{socket}, $it->{text}, 65536, length $it->{text};

    return 'gone' if !$n;

    my ($status, $headers, $body)
        = $it->{text} =~ m{^HTTP/1\.1 (\d+)(.*?)\r\n\r\n(.*)$}s or return;
    my ($length) = $headers =~ /\r\nContent-Length: (\d+)/i;

    return if !defined $length || length $body < $length;

    $it->{text} = '';

    return { status => $status,
             result => $status == 200
                       && JSON::PP::decode_json($body)->{results}[0] };
}


sub count {
    my ($self, $result, $words) = @_;
    my ($word) = values %{ $result->{promotions} || {} };

    $self->{statuses}{$result->{status}}++;

    return if !defined $word;

    $words->{$word}++;
    $self->{redeemed} = ShopTest::now() if $word eq 'redeemed';
}

1;
