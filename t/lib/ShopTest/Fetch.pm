package ShopTest::Fetch;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Fetch - drives net/ in a running nginx

=head1 SYNOPSIS

    use ShopTest::Fetch qw(fetch fetch_nginx fetch_uri idle);

    my $nginx = fetch_nginx(conf => 'connect_timeout=300ms');

    my $got = fetch($nginx, url => $server->url . '/', timeout => 1000);

    $got->{rc};         # "ok" or "error"
    $got->{reason};     # "-" or one of net/ngx_shop_net.h
    $got->{status}, $got->{type}, $got->{body};
    $got->{calls};      # callbacks
    $got->{early};      # 1: one came before the start had returned
    $got->{idle};       # connections that were idle when it was done
    $got->{took};       # seconds

    idle($nginx);       # connections that are idle now

The arguments are those of t/unit/ngx_shop_unit_fetch.c.  fetch_nginx() takes
those of nginx() besides, "conf" for the directive and "location" for more
directives, e.g. a resolver; its location is /fetch.

=cut

use strict;
use warnings;

use Exporter 'import';

use ShopTest ();

our @EXPORT_OK = qw(fetch fetch_nginx fetch_uri idle);


sub fetch_nginx {
    my (%o) = @_;
    my $conf = delete $o{conf};
    my $location = delete $o{location};

    $conf = '' unless defined $conf;
    $location = '' unless defined $location;

    return ShopTest::nginx(
        module => 0,
        unit => 1,
        http => <<"CONF",
    server {
        listen 127.0.0.1:%%port%%;
        location /fetch { $location shop_unit_fetch $conf; }
    }
CONF
        %o,
    );
}


sub fetch_uri {
    my (%args) = @_;

    for (values %args) {
        s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    }

    return '/fetch?' . join '&', map { "$_=$args{$_}" } sort keys %args;
}


sub fetch {
    my ($nginx, %args) = @_;
    my $from = ShopTest::now();
    my $response = $nginx->get(fetch_uri(%args));

    my ($head, $body) = split /\r\n\r\n/, $response->body, 2;
    my %got = map { split /: /, $_, 2 } split /\r\n/,
              defined $head ? $head : '';

    defined $got{$_} or $got{$_} = '' for qw(rc reason status type);

    $got{body} = defined $body ? $body : '';
    $got{took} = ShopTest::now() - $from;

    return \%got;
}


sub idle {
    my ($nginx) = @_;

    return fetch($nginx, idle => 1)->{idle};
}


1;
