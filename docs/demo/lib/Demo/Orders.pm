package Demo::Orders;

# Copyright (C) The ngx_shop authors

=head1 NAME

Demo::Orders - the order system of the demo's shop

=head1 SYNOPSIS

    my $orders = Demo::Orders->new(port => $port, id => 'demo', key => $hex);

    my $order = $orders->buy($customer, 'Oil lamp', 57_60);
    $orders->give_back($customer, $order->{number});

    $orders->of($customer);             # the latest first
    $order->{told};                     # what became of the last event

=head1 DESCRIPTION

Amounts are cents.  It tells the shop of orders and refunds as any system of a
shop's own does: see docs/events.md.  Points, tiers and promotions are none of
its business.

=cut

use strict;
use warnings;

use Digest::SHA ();
use JSON::PP ();

use ShopTest::HTTP ();

my $json = JSON::PP->new->canonical->utf8;


sub new {
    my ($class, %o) = @_;

    return bless { orders => {}, since => time, count => 0, %o }, $class;
}


sub of {
    my ($self, $customer) = @_;

    return reverse @{ $self->{orders}{$customer} || [] };
}


sub buy {
    my ($self, $customer, $good, $total) = @_;

    my $order = { number => "$self->{since}-" . ++$self->{count},
                  good => $good, total => $total };

    push @{ $self->{orders}{$customer} }, $order;

    $self->tell($customer, $order, 'order');

    return $order;
}


# What is not one of the customer's orders, or was given back, is nothing.

sub give_back {
    my ($self, $customer, $number) = @_;

    my ($order) = grep { $_->{number} eq $number && !$_->{returned} }
                  $self->of($customer)
        or return undef;

    $order->{returned} = 1;
    $self->tell($customer, $order, 'refund');

    return $order;
}


sub tell {
    my ($self, $customer, $order, $type) = @_;

    my $body = $json->encode({
        id       => "$type-$order->{number}",
        type     => $type,
        customer => $customer,
        time     => time,
        order    => $order->{number},
        total    => sprintf('%d.%02d', $order->{total} / 100,
                            $order->{total} % 100),
        currency => 'EUR',
    });

    my $now = time;
    my $mac = Digest::SHA::hmac_sha256_hex("$now.$body",
                                           pack 'H*', $self->{key});

    my $answer = eval {
        ShopTest::HTTP::request(
            $self->{port}, 'POST', '/_shop/events', body => $body,
            headers => [ 'Content-Type' => 'application/json',
                         'Shop-Signature' => "t=$now,k=$self->{id},v1=$mac" ]);
    };

    $order->{event} = $body;
    $order->{told} = $answer ? $answer->body : "no answer: $@";

    return;
}


1;
