package ShopTest::HTTP;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::HTTP - an HTTP client that sends exactly what it is told

=head1 SYNOPSIS

    my $response = ShopTest::HTTP::request($port, 'POST', '/x',
        headers => [ Accept => 'text/html', 'X-A' => 1, 'X-A' => 2 ],
        body    => 'a=1');

    my $c = ShopTest::HTTP->connect($port, timeout => 5);

    $c->write("GET / HT");
    $c->write("TP/1.1\r\nHost: shop\r\n\r\n");
    my $first = $c->response;               # undef: closed before a response
    $c->send('HEAD', '/y', headers => [...]);
    my $next = $c->response(method => 'HEAD');

    $c->silent(0.2);                        # 1: nothing came in that time
    $c->closed;                             # 1: the peer closed
    $c->close;                              # FIN; reset() sends a RST

    $response->status;   $response->reason;   $response->body;
    $response->header('Location');          # first one, undef: none
    $response->headers('Set-Cookie');       # all of them
    $response->fields;                      # [ [name, value], ... ]
    $response->interim;                     # 1xx answers before it
    $response->json;                        # decoded body
    $response->text;                        # status line and headers, raw

request() and send() add Host, and Content-Length with a body, unless they
are among the headers; request() adds "Connection: close".  A lone
"Name => undef" leaves one of them out.

=cut

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP ();
use Socket ();

use ShopTest ();


sub request {
    my ($port, $method, $uri, %o) = @_;

    my $c = ShopTest::HTTP->connect($port, %o);

    $c->send($method, $uri, %o, headers => [
        @{ $o{headers} || [] },
        has($o{headers}, 'Connection') ? () : (Connection => 'close')
    ]);

    my $response = $c->response(method => $method);

    die "$method $uri: closed without a response\n" unless $response;

    $c->close;

    return $response;
}


sub connect {
    my ($class, $port, %o) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => $o{address} || '127.0.0.1', PeerPort => $port)
        or die "connect to port $port: $!\n";

    $socket->setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1);

    if ($o{tls}) {
        require IO::Socket::SSL;
        IO::Socket::SSL->start_SSL($socket, SSL_verify_mode => 0,
                                   %{ ref $o{tls} ? $o{tls} : {} })
            or die "TLS with port $port: "
                   . IO::Socket::SSL::errstr() . "\n";
    }

    return bless {
        socket  => $socket,
        port    => $port,
        buffer  => '',
        timeout => $o{timeout} || 30,
    }, $class;
}


sub has {
    my ($headers, $name) = @_;

    for (my $i = 0; $i < @{ $headers || [] }; $i += 2) {
        return 1 if lc $headers->[$i] eq lc $name;
    }

    return 0;
}


sub write {
    my ($self, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;

        # a server may answer and close before it has read all
        return 0 unless defined $n;

        substr $bytes, 0, $n, '';
    }

    return 1;
}


sub send {
    my ($self, $method, $uri, %o) = @_;
    my @headers = @{ $o{headers} || [] };

    unshift @headers, Host => "127.0.0.1:$self->{port}"
        unless has(\@headers, 'Host');

    push @headers, 'Content-Length' => length $o{body}
        if defined $o{body} && !has(\@headers, 'Content-Length')
           && !has(\@headers, 'Transfer-Encoding');

    my $text = "$method $uri HTTP/1.1\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n" if defined $value;
    }

    $text .= "\r\n";
    $text .= $o{body} if defined $o{body};

    return $self->write($text);
}


# reads more; 0 at the end of the stream, dies at the deadline

sub fill {
    my ($self, $deadline) = @_;
    my $socket = $self->{socket};

    while (1) {
        if (!$socket->can('pending') || !$socket->pending) {
            my $left = $deadline - ShopTest::now();

            die "no response in time\n"
                if $left <= 0 || !ShopTest::pause($left, $socket);
        }

        my $n = sysread $socket, $self->{buffer}, 65536,
                        length $self->{buffer};

        return $n if defined $n && $n > 0;
        return 0 unless !defined $n && $!{EAGAIN};
    }
}


sub response {
    my ($self, %o) = @_;
    my $deadline = ShopTest::now() + ($o{timeout} || $self->{timeout});
    my @interim;

    while (1) {
        my $end;

        while (($end = index $self->{buffer}, "\r\n\r\n") < 0) {
            $self->fill($deadline) or return undef;
        }

        my $response = ShopTest::HTTP::Response->parse(
            substr $self->{buffer}, 0, $end + 4, '');

        if ($response->status < 200 && $response->status != 101) {
            push @interim, $response;
            next;
        }

        $response->{interim} = \@interim;
        $response->{body} = $self->body($response, $deadline)
            unless uc($o{method} || '') eq 'HEAD';

        return $response;
    }
}


sub body {
    my ($self, $response, $deadline) = @_;
    my $status = $response->status;

    return '' if $status == 204 || $status == 304;

    if (lc($response->header('Transfer-Encoding') || '') eq 'chunked') {
        return $self->chunks($deadline);
    }

    my $length = $response->header('Content-Length');

    if (defined $length) {
        while (length $self->{buffer} < $length) {
            $self->fill($deadline) or die "the body was cut off\n";
        }

        return substr $self->{buffer}, 0, $length, '';
    }

    1 while $self->fill($deadline);

    return substr $self->{buffer}, 0, length $self->{buffer}, '';
}


sub chunks {
    my ($self, $deadline) = @_;
    my $body = '';

    while (1) {
        while ($self->{buffer} !~ /\r\n/) {
            $self->fill($deadline) or die "the body was cut off\n";
        }

        $self->{buffer} =~ s/^([0-9a-fA-F]+)[^\r\n]*\r\n//
            or die "not a chunk\n";

        my $size = hex $1;

        while (length $self->{buffer} < $size + 2) {
            $self->fill($deadline) or die "the body was cut off\n";
        }

        $body .= substr $self->{buffer}, 0, $size, '';

        $self->{buffer} =~ s/^\r\n// or die "not the end of a chunk\n";

        return $body if $size == 0;
    }
}


sub silent {
    my ($self, $seconds) = @_;

    return !length $self->{buffer}
           && !ShopTest::pause($seconds, $self->{socket});
}


sub closed {
    my ($self, $seconds) = @_;
    my $deadline = ShopTest::now() + ($seconds || $self->{timeout});

    return eval { 1 while $self->fill($deadline); 1 } ? 1 : 0;
}


# a process forked since may hold the socket, too

sub close {
    my ($self) = @_;

    CORE::shutdown $self->{socket}, 2
        unless $self->{socket}->isa('IO::Socket::SSL');
    CORE::close $self->{socket};
}


sub reset {
    my ($self) = @_;

    setsockopt $self->{socket}, Socket::SOL_SOCKET, Socket::SO_LINGER,
               pack 'll', 1, 0;
    CORE::close $self->{socket};
}


package ShopTest::HTTP::Response;


sub parse {
    my ($class, $text) = @_;

    my ($line, @lines) = split /\r\n/, $text;

    $line =~ m{^HTTP/1\.[01] (\d\d\d)(?: (.*))?$}
        or die "not a status line: $line\n";

    my $self = bless {
        status => $1, reason => $2, text => $text, body => '',
        fields => [], interim => [],
    }, $class;

    for (@lines) {
        /^([^:\s]+):[ \t]*(.*?)[ \t]*$/s or die "not a header: $_\n";
        push @{ $self->{fields} }, [ $1, $2 ];
    }

    return $self;
}


sub status { return $_[0]->{status} }

sub reason { return $_[0]->{reason} }

sub body { return $_[0]->{body} }

sub text { return $_[0]->{text} }

sub fields { return $_[0]->{fields} }

sub interim { return $_[0]->{interim} }


sub headers {
    my ($self, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name }
           @{ $self->{fields} };
}


sub header {
    my ($self, $name) = @_;

    return ($self->headers($name))[0];
}


sub json {
    my ($self) = @_;

    return JSON::PP::decode_json($self->{body});
}


1;
