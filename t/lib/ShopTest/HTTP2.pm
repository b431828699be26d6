package ShopTest::HTTP2;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::HTTP2 - an HTTP/2 client in the clear, exact to the header field

=head1 SYNOPSIS

    plan skip_all => '...' unless ShopTest::HTTP2->available;

    # listen 127.0.0.1:%%port%%%%h2_listen%%;  %%h2_on%%

    my $c = ShopTest::HTTP2->connect($nginx->port);

    my $response = $c->request('GET', '/x',
        headers => [ cookie => 'a=1', cookie => 'b=2' ]);

    my $id = $c->send('POST', '/y', headers => [...], body => 'a=1');
    my $other = $c->send('GET', '/z');          # many at once
    $c->response($id);
    $c->reset($id);                             # RST_STREAM
    $c->close;

    $response->{status};  $response->{body};    # "reset": it was refused
    $response->{trailers};              # as they came, undef: none

=head1 DESCRIPTION

Fields are sent in order, as they are spelled, each as a literal without
Huffman coding; "indexed" sends those that were sent before on this connection
by their place in the dynamic table.  %%h2_listen%% and %%h2_on%%, which
L<ShopTest::Nginx> knows, are what this version of nginx wants to be told.

Of an answer only the status and the body are read: nothing here decodes the
other headers.

=cut

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP ();
use Socket ();

use ShopTest ();
use ShopTest::Nginx ();

my ($data, $headers, $rst, $settings, $ping, $goaway, $window, $continuation)
    = (0, 1, 3, 4, 6, 7, 8, 9);

my %status = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304,
              0x8c => 400, 0x8d => 404, 0x8e => 500);


sub available {
    return ShopTest::Nginx::build()->{text} =~ /--with-http_v2_module/ ? 1 : 0;
}


sub connect {
    my ($class, $port, %o) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $port)
        or die "connect to port $port: $!\n";

    $socket->setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1);

    my $self = bless {
        socket => $socket, port => $port, in => '', next => 1,
        streams => {}, table => [], timeout => $o{timeout} || 30,
    }, $class;

    # no push, and as much as may be sent at once

    $self->write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                 . frame($settings, 0, 0, pack('nNnN', 2, 0,
                                               4, 0x7fffffff))
                 . frame($window, 0, 0, pack('N', 0x7ffeffff)));

    return $self;
}


sub close {
    my ($self) = @_;

    CORE::close $self->{socket};
}


sub request {
    my ($self, @request) = @_;

    return $self->response($self->send(@request));
}


sub send {
    my ($self, $method, $path, %o) = @_;

    my $id = $self->{next};
    my $body = $o{body};

    $self->{next} += 2;
    $self->{streams}{$id} = { body => '' };

    my @fields = (':method' => $method, ':scheme' => 'http',
                  ':path' => $path);

    push @fields, ':authority' => defined $o{authority} ? $o{authority}
                                  : "127.0.0.1:$self->{port}"
        unless exists $o{authority} && !defined $o{authority};

    push @fields, @{ $o{headers} || [] };

    my $block = '';

    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= $self->field($name, $value, $o{indexed});
    }

    # a frame holds 16384 bytes: more needs continuations

    my @parts = unpack '(a16000)*', $block;
    my $end = defined $body ? 0 : 1;

    for my $i (0 .. $#parts) {
        $self->write(frame($i ? $continuation : $headers,
                           ($i ? 0 : $end) | ($i == $#parts ? 4 : 0),
                           $id, $parts[$i]));
    }

    $self->write(frame($data, 1, $id, $body)) if defined $body;

    return $id;
}


sub reset {
    my ($self, $id) = @_;

    $self->write(frame($rst, 0, $id, pack('N', 8)));
}


sub response {
    my ($self, $id) = @_;
    my $stream = $self->{streams}{$id};
    my $deadline = ShopTest::now() + $self->{timeout};

    $self->receive($deadline) until $stream->{done} || $self->{gone};

    delete $self->{streams}{$id};

    $stream->{reset} = 1 unless $stream->{done};

    return bless $stream, 'ShopTest::HTTP2::Response';
}


# --- frames ---------------------------------------------------------------


sub frame {
    my ($type, $flags, $id, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $id) . $payload;
}


sub write {
    my ($self, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;

        return 0 unless defined $n;

        substr $bytes, 0, $n, '';
    }

    return 1;
}


sub receive {
    my ($self, $deadline) = @_;

    while (1) {
        my $have = length $self->{in};

        if ($have >= 9) {
            my $size = unpack 'N', "\0" . substr $self->{in}, 0, 3;

            if ($have >= 9 + $size) {
                my ($type, $flags, $id)
                    = unpack 'x3CCN', substr $self->{in}, 0, 9, '';

                return $self->take($type, $flags, $id,
                                   substr $self->{in}, 0, $size, '');
            }
        }

        my $left = $deadline - ShopTest::now();

        die "no answer over HTTP/2 in time\n"
            if $left <= 0 || !ShopTest::pause($left, $self->{socket});

        my $n = sysread $self->{socket}, $self->{in}, 65536, $have;

        if (!$n) {
            $self->{gone} = 1;
            return;
        }
    }
}


sub take {
    my ($self, $type, $flags, $id, $payload) = @_;

    if ($type == $settings && !($flags & 1)) {
        $self->write(frame($settings, 1, 0, ''));

    } elsif ($type == $ping && !($flags & 1)) {
        $self->write(frame($ping, 1, 0, $payload));

    } elsif ($type == $goaway) {
        $self->{gone} = 1 if unpack('x4N', $payload);
    }

    my $stream = $self->{streams}{$id} or return;

    if ($type == $headers && defined $stream->{status}) {
        $stream->{trailers} = $payload;

    } elsif ($type == $headers) {
        $stream->{status} = status($payload);

    } elsif ($type == $data) {
        $stream->{body} .= $payload;

    } elsif ($type == $rst) {

        # after a whole answer it only says that no more is wanted

        $stream->{reset} = 1 unless $stream->{done};
        $stream->{done} = 1;
    }

    $stream->{done} = 1 if ($type == $headers || $type == $data)
                           && $flags & 1;
}


# --- header fields (RFC 7541) ---------------------------------------------


sub field {
    my ($self, $name, $value, $indexed) = @_;

    if ($indexed) {
        my $table = $self->{table};

        for my $i (0 .. $#$table) {
            return integer(7, 0x80, 62 + $i)
                if $table->[$i] eq "$name\0$value";
        }

        unshift @$table, "$name\0$value";

        return "\x40" . text($name) . text($value);
    }

    return "\x00" . text($name) . text($value);
}


sub text {
    my ($bytes) = @_;

    return integer(7, 0, length $bytes) . $bytes;
}


sub integer {
    my ($bits, $flags, $n) = @_;
    my $max = (1 << $bits) - 1;

    return chr($flags | $n) if $n < $max;

    my $bytes = chr($flags | $max);

    for ($n -= $max; $n >= 128; $n >>= 7) {
        $bytes .= chr(0x80 | $n & 0x7f);
    }

    return $bytes . chr $n;
}


# it comes first, behind a change of the table's size at most

sub status {
    my ($block) = @_;

    $block =~ s/^[\x20-\x3e]//;

    my $first = ord $block;

    return $status{$first} if $status{$first};

    die "not a status\n" unless $block =~ /^[\x08\x48]\x03(\d\d\d)/s;

    return $1;
}


package ShopTest::HTTP2::Response;


sub status { return $_[0]->{status} || 'reset' }

sub body { return $_[0]->{body} }

sub json { return JSON::PP::decode_json($_[0]->{body}) }


1;
