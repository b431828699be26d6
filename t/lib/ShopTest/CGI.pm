package ShopTest::CGI;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::CGI - a storefront behind FastCGI, SCGI or uwsgi

=head1 SYNOPSIS

    my $php = ShopTest::CGI->new('fastcgi');    # or 'scgi', 'uwsgi'

    # location / { fastcgi_pass 127.0.0.1:@{[ $php->port ]}; }

    my $echo = $nginx->get('/x')->json;

    $echo->{params};                    # [ [name, value], ... ] in order
    ShopTest::CGI::variables($echo);    # as a hash, as PHP makes one

=head1 DESCRIPTION

variables() makes one variable of a name whatever it is spelled with: what is
no letter and no digit becomes "_".  A name that comes twice is a list.

=cut

use strict;
use warnings;

use parent 'ShopTest::Server';

use JSON::PP ();

my $json = JSON::PP->new->canonical->utf8;

my %read = (fastcgi => \&read_fastcgi, scgi => \&read_scgi,
            uwsgi => \&read_uwsgi);


sub new {
    my ($class, $protocol) = @_;
    my $read = $read{$protocol};

    return $class->SUPER::new(name => $protocol, raw => sub {
        my ($in) = @_;

        my $params = $read->($in) or return [];
        my $text = "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n"
                   . $json->encode({ params => $params });

        # end of output, end of the request

        $text = record(6, $text) . record(6, '') . record(3, "\0" x 8)
            if $protocol eq 'fastcgi';

        return [ $protocol eq 'uwsgi' ? "HTTP/1.0 200 OK\r\n$text" : $text,
                 { close => 1 } ];
    });
}


sub variables {
    my ($echo) = @_;
    my %variables;

    for (@{ $echo->{params} }) {
        my ($name, $value) = @$_;

        $name = uc $name;
        $name =~ s/[^A-Z0-9]/_/g;

        $variables{$name} = exists $variables{$name}
            ? [ ref $variables{$name} ? @{ $variables{$name} }
                : $variables{$name}, $value ] : $value;
    }

    return \%variables;
}


# --- protocols: the parameters once all is there, undef before ------------


sub record {
    my ($type, $content) = @_;

    return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content;
}


sub read_fastcgi {
    my ($in) = @_;
    my ($at, $stream) = (0, '');

    while (length $$in >= $at + 8) {
        my ($type, $size, $padding)
            = unpack 'xCx2nC', substr $$in, $at, 8;
        my $next = $at + 8 + $size + $padding;

        return undef if length $$in < $next;

        $stream .= substr $$in, $at + 8, $size if $type == 4;

        if ($type == 5 && $size == 0) {
            $$in = '';
            return fastcgi_pairs($stream);
        }

        $at = $next;
    }

    return undef;
}


sub fastcgi_pairs {
    my ($stream) = @_;
    my @params;

    while (length $stream) {
        my @size = map {
            ord($stream) & 0x80
            ? unpack('N', substr $stream, 0, 4, '') & 0x7fffffff
            : ord substr $stream, 0, 1, ''
        } 1 .. 2;

        push @params, [ map { substr $stream, 0, $_, '' } @size ];
    }

    return \@params;
}


sub read_scgi {
    my ($in) = @_;

    $$in =~ /^(\d+):/ or return undef;

    my ($size, $from) = ($1, $+[0]);

    return undef if length $$in < $from + $size + 1;

    my @texts = split /\0/, substr($$in, $from, $size), -1;

    $$in = '';

    return [ map { [ @texts[2 * $_, 2 * $_ + 1] ] } 0 .. $#texts / 2 - 1 ];
}


sub read_uwsgi {
    my ($in) = @_;

    return undef if length $$in < 4;

    my ($size) = unpack 'xv', $$in;

    return undef if length $$in < 4 + $size;

    my @texts = unpack '(v/a)*', substr $$in, 4, $size;

    $$in = '';

    return [ map { [ @texts[2 * $_, 2 * $_ + 1] ] } 0 .. $#texts / 2 ];
}


1;
