package ShopTest::DNS;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::DNS - a tiny name server on 127.0.0.1, over UDP

=head1 SYNOPSIS

    my $dns = ShopTest::DNS->new(names => {
        'shop.test'  => [ '127.0.0.2', '::1', '127.0.0.1' ],
        'slow.test'  => { wait => 0.2, addresses => [ '127.0.0.1' ] },
        'mute.test'  => { silent => 1 },
        'fail.test'  => { rcode => 2 },
        'other.test' => { cname => 'shop.test' },
    });

    $dns->address;                      # for the directive "resolver"

=head1 DESCRIPTION

A questions get the IPv4 addresses, AAAA questions the IPv6 ones, in order.
A name that is not listed does not exist.

=cut

use strict;
use warnings;

use IO::Socket::INET ();
use Socket ();

use ShopTest ();


sub new {
    my ($class, %o) = @_;

    my $self = bless { name => 'DNS', %o }, $class;

    for (1 .. 20) {
        $self->{port} = ShopTest::free_port();
        $self->{socket} = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1',
            LocalPort => $self->{port},
            Proto     => 'udp',
        ) and last;
    }

    die "no port for DNS: $!\n" unless $self->{socket};

    $self->{process} = ShopTest::fork_server('DNS', sub {
        $self->serve($_[0]);
    });

    close delete $self->{socket};
    ShopTest::register($self);

    return $self;
}


sub address { return "127.0.0.1:$_[0]->{port}" }


sub stop {
    my ($self) = @_;

    return unless $self->{process};

    ShopTest::stop_process($self->{process}, 'TERM', 3);
    delete $self->{process};

    return;
}


sub serve {
    my ($self, $parent) = @_;
    my @later;

    while (1) {
        my $in = '';
        my $timeout;

        vec($in, fileno $_, 1) = 1 for $self->{socket}, $parent;

        if (@later) {
            @later = sort { $a->[0] <=> $b->[0] } @later;
            $timeout = $later[0][0] - ShopTest::now();
            $timeout = 0 if $timeout < 0;
        }

        my $n = select $in, undef, undef, $timeout;
        next if $n < 0;

        return if vec($in, fileno $parent, 1);

        while (@later && $later[0][0] <= ShopTest::now()) {
            my (undef, $peer, $answer) = @{ shift @later };
            send $self->{socket}, $answer, 0, $peer;
        }

        next unless vec($in, fileno $self->{socket}, 1);

        my $peer = recv $self->{socket}, my $query, 4096, 0;
        next unless defined $peer && length $query > 12;

        my ($wait, $answer) = $self->answer($query);
        next unless defined $answer;

        push @later, [ ShopTest::now() + $wait, $peer, $answer ];
    }
}


sub answer {
    my ($self, $query) = @_;

    my ($id) = unpack 'n', $query;
    my ($at, @labels) = (12);

    while ((my $len = ord substr $query, $at++, 1) > 0) {
        push @labels, substr $query, $at, $len;
        $at += $len;
    }

    my $type = unpack 'n', substr $query, $at, 2;
    my $question = substr $query, 12, $at + 4 - 12;

    my $entry = $self->{names}{ lc join '.', @labels };

    $entry = { addresses => $entry } if ref $entry eq 'ARRAY';
    $entry = { rcode => 3 } unless $entry;

    return if $entry->{silent};

    my @records;

    if ($entry->{cname}) {
        my $name = join('', map { chr(length) . $_ }
                                split /\./, $entry->{cname}) . "\0";

        push @records, pack('n n n N n', 0xc00c, 5, 1, 60, length $name)
                       . $name;
    }

    for my $address (@{ $entry->{addresses} || [] }) {
        my $is6 = $address =~ /:/;
        next unless $type == ($is6 ? 28 : 1);

        my $data = Socket::inet_pton($is6 ? Socket::AF_INET6()
                                          : Socket::AF_INET(), $address);

        push @records, pack('n n n N n', 0xc00c, $type, 1, 60, length $data)
                       . $data;
    }

    return ($entry->{wait} || 0,
            pack('n n n n n n', $id, 0x8180 | ($entry->{rcode} || 0), 1,
                 scalar @records, 0, 0)
            . $question . join('', @records));
}


1;
