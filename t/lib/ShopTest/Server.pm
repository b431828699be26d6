package ShopTest::Server;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Server - a scripted server that can go wrong at any byte

=head1 SYNOPSIS

    my $server = ShopTest::Server->new(
        handler => sub {
            my ($request, $state) = @_;

            return answer(200, [ 'X-A' => 1 ], 'body');
            return [ "HTTP/1.1 200 OK\r\n", { wait => 0.5 }, "Conte",
                     { stall => 1 } ];
        },
    );

    $server->url;  $server->port;
    $server->requests;                  # what came: see below
    $server->requests('/token');        # to that path
    $server->count('/token');           # how many of these
    $server->connections;               # accepted so far
    $server->open_connections;          # open now
    $server->stalled;                   # those of them we let stall
    $server->control(set => { a => 1 });     # merged into $state
    $server->forget;                    # drops the list of requests

=head1 DESCRIPTION

A forked process serves all connections in one loop, so that one that stalls
does not hold up another.  The handler is called there for each request, with
{ method, uri, path, args, headers => [ [name, value], ... ], body, raw,
connection, number } and the state, a hash that lives in the server and that
control() changes.  It returns the steps of an answer:

    "bytes"                     are sent
    { wait => SECONDS }         nothing for a while
    { stall => 1 }              nothing more, ever; the connection stays
    { drip => "bytes", every => SECONDS }     one at a time
    { repeat => "bytes" }       again and again, until the peer closes
    { close => 1 }              after what was sent before
    { reset => 1 }              the same with a RST

and the connection is kept for the next request unless the request or the
answer said close.  answer() builds the steps of a proper response.

With "raw" instead of "handler" bytes need not be HTTP: the sub is called
with all unread input (as a reference, to cut off what it takes), the state
and the connection, each time some came, and returns steps; with "greeting"
the steps of a new connection.

With "tls", arguments of IO::Socket::SSL such as those of
L<ShopTest::Certificate>, it speaks TLS.

=cut

use strict;
use warnings;

use Errno ();
use Exporter 'import';
use IO::Socket::INET ();
use JSON::PP ();
use Socket ();

use ShopTest ();
use ShopTest::HTTP ();

our @EXPORT_OK = qw(answer form_fields query_fields unescape);

my $json = JSON::PP->new->canonical->allow_nonref->utf8;


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        name  => 'server',
        host  => '127.0.0.1',
        state => {},
        %o,
    }, $class;

    my $address = $o{address} || '127.0.0.1';

    for (1 .. 20) {
        $self->{port} = $o{port} || ShopTest::free_port();
        $self->{listen} = IO::Socket::INET->new(
            LocalAddr => $address,
            LocalPort => $self->{port},
            Listen    => 128,
            ReuseAddr => 1,
        ) and last;
    }

    die "cannot listen on $address: $!\n" unless $self->{listen};

    # steers the server whatever it does with its own port

    socketpair $self->{steer}, $self->{steered}, Socket::AF_UNIX,
               Socket::SOCK_STREAM, Socket::PF_UNSPEC
        or die "socketpair: $!\n";

    $self->{process} = ShopTest::fork_server($self->{name}, sub {
        my ($parent) = @_;

        close $self->{steer};
        $self->serve($parent);
    });

    close delete $self->{listen};
    close delete $self->{steered};

    ShopTest::register($self);

    return $self;
}


sub port { return $_[0]->{port} }

sub pid { return $_[0]->{process}{pid} }


sub url {
    my ($self) = @_;

    return ($self->{tls} ? 'https' : 'http')
        . "://$self->{host}:$self->{port}";
}


sub stop {
    my ($self) = @_;

    return unless $self->{process};

    ShopTest::stop_process($self->{process}, 'TERM', 3);
    delete $self->{process};

    return;
}


# --- what the test asks ---------------------------------------------------


sub control {
    my ($self, $what, $argument) = @_;

    syswrite $self->{steer}, $json->encode([ $what, $argument ]) . "\n";

    my $line = readline $self->{steer};

    die "the $self->{name} is gone\n" unless defined $line;

    return $json->decode($line)->[0];
}


sub requests {
    my ($self, $path) = @_;
    my $list = $self->control('requests');

    return grep { !defined $path || $_->{path} eq $path } @$list;
}


sub count {
    my ($self, $path) = @_;

    return scalar(() = $self->requests($path));
}


sub forget { return $_[0]->control('forget') }

sub connections { return $_[0]->control('connections') }

sub open_connections { return $_[0]->control('open') }

sub stalled { return $_[0]->control('stalled') }

sub set { return $_[0]->control(set => $_[1]) }


# overridden or extended by the children of this class

sub steered {
    my ($self, $what, $argument) = @_;

    if ($what eq 'set') {
        $self->{state}{$_} = $argument->{$_} for keys %$argument;
        return 1;
    }

    if ($what eq 'state')       { return $self->{state} }
    if ($what eq 'requests')    { return $self->{requests} }
    if ($what eq 'forget')      { $self->{requests} = []; return 1 }
    if ($what eq 'connections') { return $self->{accepted} }
    if ($what eq 'open')        { return scalar keys %{ $self->{open} } }

    if ($what eq 'stalled') {
        return scalar grep { $_->{stalled} } values %{ $self->{open} };
    }

    die "unknown control: $what\n";
}


sub handle {
    my ($self, $request) = @_;

    return $self->{handler}->($request, $self->{state});
}


# --- the loop -------------------------------------------------------------


sub serve {
    my ($self, $parent) = @_;
    my $listen = $self->{listen};
    my $steered = $self->{steered};

    $listen->blocking(0);
    $self->{requests} = [];
    $self->{accepted} = 0;
    $self->{open} = {};

    while (1) {
        my ($in, $out) = ('', '');
        my $timeout;

        vec($in, fileno $_, 1) = 1 for $listen, $steered, $parent;

        for my $c (values %{ $self->{open} }) {
            my $fd = fileno $c->{socket};

            vec($in, $fd, 1) = 1 unless $c->{deaf} || $c->{want_write};
            vec($out, $fd, 1) = 1 if length $c->{out} || $c->{want_write};

            if (defined $c->{until}) {
                my $left = $c->{until} - ShopTest::now();

                $left = 0 if $left < 0;
                $timeout = $left if !defined $timeout || $left < $timeout;
            }
        }

        my $n = select $in, $out, undef, $timeout;
        next if $n < 0 && $!{EINTR};

        return if vec($in, fileno $parent, 1);

        if (vec($in, fileno $steered, 1)) {
            my $line = readline $steered;
            return unless defined $line;

            my $reply = eval { $self->steered(@{ $json->decode($line) }) };

            print STDERR "# $self->{name}: $@" if $@;
            syswrite $steered, $json->encode([ $reply ]) . "\n";
        }

        if (vec($in, fileno $listen, 1)) {
            while (my $socket = $listen->accept) {
                $self->open_connection($socket);
            }
        }

        for my $c (values %{ $self->{open} }) {
            my $fd = fileno $c->{socket};

            if ($c->{handshake}) {
                $self->shake_hands($c)
                    if vec($in, $fd, 1) || vec($out, $fd, 1);

            } elsif (vec($in, $fd, 1)) {
                $self->receive($c);
            }

            $self->run($c) unless $c->{gone} || $c->{handshake};
        }
    }
}


sub open_connection {
    my ($self, $socket) = @_;

    $socket->blocking(0);
    $socket->setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1);

    my $c = {
        socket => $socket, number => ++$self->{accepted},
        in => '', out => '', steps => [], served => 0,
    };

    $self->{open}{ $c->{number} } = $c;

    if ($self->{tls}) {
        require IO::Socket::SSL;

        IO::Socket::SSL->start_SSL($socket, SSL_server => 1,
                                   SSL_startHandshake => 0,
                                   %{ $self->{tls} })
            or return $self->close_connection($c);

        $c->{handshake} = 1;
        return;
    }

    $c->{steps} = [ @{ $self->{greeting} } ] if $self->{greeting};
}


sub shake_hands {
    my ($self, $c) = @_;

    if ($c->{socket}->accept_SSL) {
        $c->{handshake} = $c->{want_write} = 0;
        $self->receive($c);
        return;
    }

    if ($!{EWOULDBLOCK}) {
        $c->{want_write}
            = $IO::Socket::SSL::SSL_ERROR
              == IO::Socket::SSL::SSL_WANT_WRITE() ? 1 : 0;
        return;
    }

    $self->close_connection($c);
}


sub close_connection {
    my ($self, $c) = @_;

    $c->{gone} = 1;
    delete $self->{open}{ $c->{number} };

    # close_notify must not wait either; a failed handshake left no TLS
    $c->{socket}->close(SSL_no_shutdown => 1, SSL_fast_shutdown => 1)
        if $c->{socket}->isa('IO::Socket::SSL');

    close $c->{socket};
}


sub receive {
    my ($self, $c) = @_;

    while (1) {
        my $n = sysread $c->{socket}, $c->{in}, 65536, length $c->{in};

        if (!defined $n) {
            last if $!{EAGAIN} || $!{EWOULDBLOCK};
            return $self->close_connection($c);
        }

        if ($n == 0) {

            # the peer is done; so are we, unless an answer is being sent

            return $self->close_connection($c)
                if !length $c->{out} && !@{ $c->{steps} } || $c->{stalled}
                   || $c->{until};

            $c->{deaf} = 1;
            $c->{last} = 1;
            last;
        }
    }

    return if $c->{gone} || $c->{stalled};

    $self->next_request($c);
}


sub next_request {
    my ($self, $c) = @_;

    return if @{ $c->{steps} } || length $c->{out} || $c->{last};

    if ($self->{raw}) {
        return unless length $c->{in};

        push @{ $c->{steps} },
             @{ $self->{raw}->(\$c->{in}, $self->{state}, $c) || [] };
        return;
    }

    my $request = take_request(\$c->{in}) or return;

    $request->{connection} = $c->{number};
    $request->{number} = ++$c->{served};

    push @{ $self->{requests} }, $request;

    my $steps = eval { $self->handle($request) };

    if ($@) {
        print STDERR "# $self->{name}: $@";
        $steps = answer(500, [], "the test server failed: $@");
    }

    push @{ $c->{steps} }, @$steps;

    my ($connection) = map { lc $_->[1] }
        grep { lc $_->[0] eq 'connection' } @{ $request->{headers} };

    $c->{last} = 1
        if defined $connection && $connection eq 'close'
           || $request->{version} eq '1.0';
}


# sends what can be sent of the steps

sub run {
    my ($self, $c) = @_;

    while (!$c->{gone}) {
        if (length $c->{out}) {
            my $n = syswrite $c->{socket}, $c->{out};

            if (!defined $n) {
                return if $!{EAGAIN} || $!{EWOULDBLOCK};
                return $self->close_connection($c);
            }

            substr $c->{out}, 0, $n, '';
            return if length $c->{out};
        }

        return if $c->{stalled};

        if (defined $c->{until}) {
            return if ShopTest::now() < $c->{until};
            $c->{until} = undef;
        }

        my $steps = $c->{steps};

        if (!@$steps) {
            return $self->close_connection($c) if $c->{last};

            $self->next_request($c);
            return unless @$steps;
        }

        my $step = shift @$steps;

        if (!ref $step) {
            $c->{out} = $step;

        } elsif ($step->{wait}) {
            $c->{until} = ShopTest::now() + $step->{wait};

        } elsif ($step->{stall}) {
            $c->{stalled} = 1;

        } elsif (defined $step->{drip}) {
            my ($byte, $rest) = $step->{drip} =~ /^(.)(.*)$/s or next;

            $c->{out} = $byte;
            unshift @$steps, { wait => $step->{every} || 0.05 },
                             { %$step, drip => $rest };

        } elsif (defined $step->{repeat}) {
            $c->{out} = $step->{repeat} x (1 + int(16384
                        / length $step->{repeat}));
            unshift @$steps, $step;

        } elsif ($step->{reset}) {
            setsockopt $c->{socket}, Socket::SOL_SOCKET, Socket::SO_LINGER,
                       pack 'll', 1, 0;
            return $self->close_connection($c);

        } elsif ($step->{close}) {
            return $self->close_connection($c);

        } else {
            die "not a step: $json->{encode($step)}\n";
        }
    }
}


# --- HTTP -----------------------------------------------------------------

# cuts a whole request off the input; undef: more is needed

sub take_request {
    my ($in) = @_;

    return undef unless $$in =~ /\r\n\r\n/;

    my $end = $+[0];
    my ($line, @lines) = split /\r\n/, substr $$in, 0, $end;

    my @headers = map { [ /^([^:]*):\s*(.*?)\s*$/s ] } @lines;

    my %first;
    exists $first{lc $_->[0]} or $first{lc $_->[0]} = $_->[1]
        for grep { defined $_->[0] } @headers;

    my ($size, $body) = (0, '');

    if (lc($first{'transfer-encoding'} || '') eq 'chunked') {
        my $rest = substr $$in, $end;
        my $taken = 0;

        while (1) {
            return undef unless $rest =~ /\G([0-9a-fA-F]+)[^\r\n]*\r\n/gc;

            my $chunk = hex $1;
            my $from = pos $rest;

            return undef if length $rest < $from + $chunk + 2;

            $body .= substr $rest, $from, $chunk;
            pos($rest) = $taken = $from + $chunk + 2;

            last if $chunk == 0;
        }

        $size = $taken;

    } else {
        $size = $first{'content-length'} || 0;

        return undef if length $$in < $end + $size;

        $body = substr $$in, $end, $size;
    }

    my $raw = substr $$in, 0, $end + $size, '';
    my ($method, $uri, $version)
        = $line =~ m{^(\S+) (\S+) HTTP/(\d\.\d)$} ? ($1, $2, $3)
                                                   : ('', '', '1.0');
    my ($path, $args) = split /\?/, $uri, 2;

    return {
        method  => $method,
        uri     => $uri,
        path    => $path,
        args    => defined $args ? $args : '',
        version => $version,
        headers => \@headers,
        first   => \%first,
        body    => $body,
        raw     => $raw,
    };
}


# answer(status, [headers], body): steps of a proper response

sub answer {
    my ($status, $headers, $body) = @_;
    my %reason = (
        200 => 'OK', 204 => 'No Content', 302 => 'Found',
        303 => 'See Other', 400 => 'Bad Request', 401 => 'Unauthorized',
        404 => 'Not Found', 500 => 'Internal Server Error',
        503 => 'Service Unavailable',
    );

    $body = '' unless defined $body;

    my @headers = @{ $headers || [] };

    push @headers, 'Content-Length' => length $body
        unless $status == 204
               || ShopTest::HTTP::has(\@headers, 'Content-Length')
               || ShopTest::HTTP::has(\@headers, 'Transfer-Encoding');

    my $text = "HTTP/1.1 $status " . ($reason{$status} || 'Status') . "\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    return [ "$text\r\n$body" ];
}


sub unescape {
    my ($text) = @_;

    $text = '' unless defined $text;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;

    return $text;
}


# "a=1&b=2" as a hash; a repeated field is an array reference

sub query_fields {
    my ($text) = @_;
    my %fields;

    for (split /&/, defined $text ? $text : '') {
        my ($name, $value) = map { unescape($_) } split /=/, $_, 2;

        $value = '' unless defined $value;

        if (exists $fields{$name}) {
            $fields{$name} = [ ref $fields{$name} ? @{ $fields{$name} }
                               : $fields{$name} ];
            push @{ $fields{$name} }, $value;

        } else {
            $fields{$name} = $value;
        }
    }

    return \%fields;
}


sub form_fields {
    my ($request) = @_;

    return query_fields($request->{body});
}


1;
