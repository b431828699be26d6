package ShopTest::Backend;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Backend - the storefront behind nginx: says what it was asked

=head1 SYNOPSIS

    my $backend = backend();

    # location / { proxy_pass %%backend%%; }

    my $echo = $nginx->get('/page')->json;

    $echo->{method};  $echo->{uri};  $echo->{body};  $echo->{raw};
    $echo->{headers};                   # [ [name, value], ... ] in order

    ShopTest::Backend::values_of($echo, 'X-Customer-Id');

    $backend->requests;                 # of ShopTest::Server, also those
    $backend->count('/mirror');         # that a client never sees

=head1 DESCRIPTION

Arguments of the request change its answer, each may be repeated:

    status=404              another status
    header=Name:Value       one more response header
    accel=/internal         X-Accel-Redirect
    cookie=a%3D1            Set-Cookie
    hints=1                 103 Early Hints first
    body=TEXT               this instead of the echo, e.g. SSI commands
    type=text/html          its Content-Type
    wait=0.5                seconds before it answers
    stall=1                 never answers
    reset=1                 resets the connection instead
    close=1                 closes after the answer

=cut

use strict;
use warnings;

use parent 'ShopTest::Server';

use JSON::PP ();

use ShopTest::Server qw(answer query_fields);

my $json = JSON::PP->new->canonical->utf8;


sub new {
    my ($class, %o) = @_;

    return $class->SUPER::new(name => 'backend', handler => \&echo, %o);
}


sub echo {
    my ($request) = @_;
    my $args = query_fields($request->{args});

    my %list = map {
        my $value = $args->{$_};

        ($_ => !defined $value ? [] : ref $value ? $value : [ $value ]);
    } qw(header accel cookie);

    return [ { stall => 1 } ] if $args->{stall};
    return [ { reset => 1 } ] if $args->{reset};

    # text from the wire is Latin-1 to JSON: bytes stay bytes

    my $body = defined $args->{body} ? $args->{body} : $json->encode({
        map { $_ => $request->{$_} } qw(method uri headers body raw)
    });

    my @steps;

    push @steps, { wait => $args->{wait} } if $args->{wait};
    push @steps, "HTTP/1.1 103 Early Hints\r\n"
               . "Link: </style.css>; rel=preload\r\n\r\n" if $args->{hints};

    push @steps, @{ answer(
        $args->{status} || 200,
        [
            'Content-Type' => $args->{type} || 'application/json',
            (map { ('X-Accel-Redirect' => $_) } @{ $list{accel} }),
            (map { ('Set-Cookie' => $_) } @{ $list{cookie} }),
            (map { split /:/, $_, 2 } @{ $list{header} }),
        ],
        $request->{method} eq 'HEAD' ? '' : $body) };

    push @steps, { close => 1 } if $args->{close};

    return \@steps;
}


# all values of a header in what echo() or requests() gave

sub values_of {
    my ($request, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
           @{ $request->{headers} };
}


1;
