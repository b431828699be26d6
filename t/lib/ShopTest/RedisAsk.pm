package ShopTest::RedisAsk;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::RedisAsk - an nginx that asks Redis what it is told to

=head1 SYNOPSIS

    my $nginx = ShopTest::RedisAsk->new($redis->url . ' timeout=2000');

    $nginx->ask('c=GET+a&c=INCR+b');    # "ok nil :1\n"
    $nginx->idle;                       # waits until nothing is out
    $nginx->logged(qr/\[error\]/);      # how many lines are such

=head1 DESCRIPTION

The client of redis/ by itself, without the rest of the module: what can be
asked, and what is answered, is at the top of t/unit/ngx_shop_unit_redis_ask.c.
The first argument is what "shop_redis" would have; more of them are those of
L<ShopTest::Nginx>, which it is.

=cut

use strict;
use warnings;

use parent 'ShopTest::Nginx';

use ShopTest ();


sub new {
    my ($class, $parameters, %o) = @_;

    return $class->SUPER::new(unit => 1, module => 0, %o,
                              http => <<"CONF")->start;
    unit_redis $parameters;
    server {
        listen 127.0.0.1:%%port%%;
        location /ask { unit_redis_ask; }
    }
CONF
}


sub ask {
    my ($self, $query) = @_;

    return $self->get("/ask?$query")->body;
}


sub idle {
    my ($self) = @_;

    ShopTest::wait_for { $self->ask('state=1') =~ /ops=0 / }
                       'nothing to be out', 30;
}


sub logged {
    my ($self, $regex) = @_;

    return scalar(() = $self->log_lines($regex));
}


1;
