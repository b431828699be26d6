package ShopTest::Program;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Program - a shop whose promotions are kept in Redis

=head1 SYNOPSIS

    use ShopTest::Program;              # all of these

    my $nginx = start(redis => $redis); # two workers, and a program of its own
                                        # with the promotion "CONF" and the
                                        # segment "conf"

    put($redis, document({ promotions => [ ... ] }));
    put($redis, with('A', 'B'));        # promotions without lines
    becomes($nginx, $session, 'A,B -', 'promotions and segments, at last');
    refused($nginx, qr/^no JSON/, 'what the status says, at last');

    given($nginx, $session, '/', @headers);     # of one request
    status($nginx);                     # what shop_status says of it

    $conf = conf($program);             # the same with another program
    $program = own();                   # the one

=head1 DESCRIPTION

A change is in force within half a second; what waits for one waits longer,
since the machine may be busy, and asks often enough to meet all workers, each
of which has its share of the connections.

=cut

use strict;
use warnings;

use parent 'Exporter';

use JSON::PP ();
use Test::More ();

use ShopTest ();
use ShopTest::Backend ();

our @EXPORT = qw(
    becomes conf document given own put refused start status with
);

my $soon = 30;
my ($backend, $keys);


sub conf {
    my ($program, $zone) = @_;

    $keys ||= ShopTest::key_file();

    return <<"END";
    shop_redis       %%redis%%;
    shop_secret_file $keys;
    @{[ $zone || '' ]}

    log_format offers "\$uri \$loyalty_promotions";

    map \$http_x_country \$country {
        default \$http_x_country;
    }

    loyalty_program {
        $program
    }

    server {
        listen        127.0.0.1:%%port%% reuseport;
        shop_base_url http://127.0.0.1:%%port%%;

        location / {
            loyalty    on;
            add_header X-Worker \$pid;
            proxy_pass %%backend%%;
        }

        location = /slow {
            loyalty    on;
            access_log %%dir%%/logs/offers.log offers;
            proxy_pass %%backend%%;
        }

        location = /status  { shop_status json; }
        location = /metrics { shop_status prometheus; }
    }
END
}

sub own {
    return <<'END';
        currency EUR;
        tier bronze;
        tier gold points=1000;
        segment conf new;
        promotion CONF { }
END
}


sub start {
    my (%o) = @_;
    my $url = $o{url} || (delete $o{redis})->url;

    $backend ||= ShopTest::backend();

    return ShopTest::nginx(
        level => 'notice', workers => 2,
        vars => { redis => $url, backend => $backend->url },
        http => conf($o{program} || own(), $o{zone}), %o);
}


sub given {
    my ($nginx, $session, $uri, @headers) = @_;
    my $echo = $nginx->get($uri || '/', Cookie => $session->cookie, @headers)
               ->json;

    return join ' ', map { (ShopTest::Backend::values_of($echo, $_))[0]
                           || '-' }
           'X-Promotion', 'X-Loyalty-Segments';
}


sub status { return $_[0]->get('/status')->json->{program} }

sub document { return JSON::PP->new->canonical->utf8->encode($_[0]) }

sub with { return document({ promotions => [ map { { code => $_ } } @_ ] }) }

sub put { return $_[0]->command('SET', 'shop:program', $_[1]) }


# true of so many in a row that all workers were among them

sub lasts {
    my ($name, $n, $check, $is) = @_;

    my $last = '';
    my $row = 0;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    Test::More::ok(eval {
        ShopTest::wait_for(sub {
            $last = $is->();
            $row = $check->($last) ? $row + 1 : 0;
            return $row == $n;
        }, 'a program', $soon)
    }, $name) or Test::More::diag("it is $last");

    return;
}

sub becomes {
    my ($nginx, $session, $given, $name) = @_;

    return lasts($name, 12, sub { $_[0] eq $given },
                 sub { given($nginx, $session) });
}

sub refused {
    my ($nginx, $reason, $name) = @_;

    return lasts($name, 8, sub { $_[0] =~ $reason },
                 sub { status($nginx)->{reason} || '' });
}

1;
