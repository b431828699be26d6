package ShopTest::Redis;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Redis - a private Redis and a client to look into it

=head1 SYNOPSIS

    my $redis = redis();                        # keeps nothing on disk
    my $redis = redis(password => 'p', user => 'shop', args => [...]);
    my $redis = redis(binary => $_) for ShopTest::Redis::binaries();
    my $redis = redis(host => $host);           # see ShopTest::Network

    my $redis = redis(tls => [ $cert, $key ]);  # and a TLS port

    $redis->url;                                # redis://127.0.0.1:PORT
    $redis->tls_url;                            # rediss://127.0.0.1:PORT
    $redis->unix_url;                           # unix:/.../redis.sock

    $redis->command('SET', 'key', 'value');     # "OK"; dies on an error
    $redis->command('HGETALL', 'key');          # array reference
    $redis->hash('key');                        # HGETALL as a hash
    $redis->keys('shop:session:*');             # sorted list
    $redis->try('GET', 'list');                 # (reply, error)
    $redis->pipeline($bytes, 2);                # two replies at once
    ShopTest::Redis::encode('GET', 'key');      # such bytes

    $redis->freeze;  $redis->thaw;              # alive, but says nothing
    $redis->stop;    $redis->start;             # on the same port, empty
    $redis->crash;                              # by SIGKILL

=head1 DESCRIPTION

Replies: text, integers and undef are what they are, an array is a reference,
nested as it comes, an error inside of an array an object with a "text".

A client without a server of its own is made by
ShopTest::Redis->client($port).

=cut

use strict;
use warnings;

use Digest::SHA ();
use IO::Socket::INET ();

use ShopTest ();


sub new {
    my ($class, %o) = @_;

    return bless {
        args => [],
        %o,
        port => $o{port} || ShopTest::free_port(),
        address => $o{host} ? $o{host}->address : $o{address}
                            || '127.0.0.1',
        dir  => ShopTest::temp_dir('redis'),
        $o{tls} ? (tls_port => ShopTest::free_port()) : (),
    }, $class;
}


sub client {
    my ($class, $port, %o) = @_;

    return bless { address => '127.0.0.1', %o, port => $port }, $class;
}


sub binary { return (binaries())[0] }


# one of each kind that there is, the first being the usual one

sub binaries {
    return $ENV{TEST_REDIS_BINARY} if $ENV{TEST_REDIS_BINARY};

    my @found;

    for my $name (qw(redis-server valkey-server)) {
        my ($path) = grep { -x "$_/$name" } split(/:/, $ENV{PATH}),
                                            '/usr/local/bin';

        push @found, "$path/$name" if defined $path;
    }

    die "neither redis-server nor valkey-server found\n" unless @found;

    return @found;
}


sub port { return $_[0]->{port} }

sub address { return $_[0]->{address} }

sub url { return "redis://$_[0]->{address}:$_[0]->{port}" }

sub tls_url { return "rediss://$_[0]->{address}:$_[0]->{tls_port}" }

sub unix_url { return "unix:$_[0]->{dir}/redis.sock" }

sub pid { return $_[0]->{process}{pid} }


# --- life -----------------------------------------------------------------


sub start {
    my ($self) = @_;
    my $dir = $self->{dir};

    chmod 0755, ShopTest::temp_dir(), $dir;

    my @command = (
        $self->{binary} || binary(),
        '--port', $self->{port}, '--bind', $self->{address},
        '--protected-mode', 'no',
        '--unixsocket', "$dir/redis.sock", '--unixsocketperm', '777',
        '--dir', $dir, '--save', '', '--appendonly', 'no',
        '--daemonize', 'no',
    );

    if ($self->{tls}) {
        push @command, '--tls-port', $self->{tls_port},
             '--tls-cert-file', $self->{tls}[0],
             '--tls-key-file', $self->{tls}[1],
             ($self->{tls_ca} ? ('--tls-ca-cert-file', $self->{tls_ca})
                              : ('--tls-auth-clients', 'no'));
    }

    # a password may hold blanks, its digest does not

    if (defined $self->{user}) {
        push @command, '--user', $self->{user}, 'on',
             '#' . Digest::SHA::sha256_hex($self->{password}),
             '~*', '&*', '+@all';

    } elsif (defined $self->{password}) {
        push @command, '--requirepass', $self->{password};
    }

    my $process = ShopTest::spawn(
        name    => 'redis',
        command => [ $self->{host} ? $self->{host}->launcher : (),
                     @command, @{ $self->{args} } ],
        output  => "$dir/redis.log",
    );

    $self->{process} = $process;
    ShopTest::register($self) unless $self->{registered}++;

    eval { ShopTest::wait_port($self->{port}, $process, 20,
                               $self->{address}); 1 }
        or die $@ . ShopTest::read_file("$dir/redis.log");

    return $self;
}


sub stop {
    my ($self) = @_;
    my $process = $self->{process};

    return unless $process;

    delete $self->{socket};
    $self->thaw;

    ShopTest::stop_process($process, 'TERM', 5);
    $self->{process} = undef;

    return;
}


# as a machine dies

sub crash {
    my ($self) = @_;

    kill 'KILL', $self->{process}{pid};
    ShopTest::wait_exit($self->{process}, 5);

    delete $self->{socket};
    $self->{process} = undef;
}


# Stopped by signal: the kernel still accepts and acknowledges.

sub freeze {
    my ($self) = @_;

    kill 'STOP', $self->{process}{pid};
}


sub thaw {
    my ($self) = @_;

    kill 'CONT', $self->{process}{pid} if $self->{process};
}


# --- the client -----------------------------------------------------------


sub command {
    my ($self, @words) = @_;
    my ($reply, $error) = $self->try(@words);

    die "redis: $words[0]: $error\n" if defined $error;

    return $reply;
}


sub try {
    my ($self, @words) = @_;

    my $socket = $self->{socket} ||= $self->dial;

    if (!print {$socket} encode(@words)) {
        delete $self->{socket};
        die "redis: $words[0]: $!\n";
    }

    my $reply = eval { read_reply($socket) };

    if ($@) {
        delete $self->{socket};
        die "redis: $words[0]: $@";
    }

    return ref $reply eq 'ShopTest::Redis::Error'
        ? (undef, $reply->{text}) : ($reply, undef);
}


sub pipeline {
    my ($self, $commands, $n) = @_;
    my $socket = $self->{socket} ||= $self->dial;

    print {$socket} $commands or die "redis: $!\n";

    return map { read_reply($socket) } 1 .. $n;
}


sub dial {
    my ($self) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => $self->{address}, PeerPort => $self->{port})
        or die "redis: connect: $!\n";

    $socket->autoflush(1);

    if (defined $self->{password}) {
        print {$socket} encode('AUTH', defined $self->{user}
                               ? $self->{user} : (), $self->{password});
        my $reply = read_reply($socket);

        die "redis: AUTH: $reply->{text}\n" if ref $reply;
    }

    return $socket;
}


sub encode {
    return '*' . @_ . "\r\n"
        . join '', map { '$' . length($_) . "\r\n$_\r\n" } @_;
}


sub read_reply {
    my ($socket) = @_;

    local $/ = "\r\n";

    return read_value($socket);
}


sub read_value {
    my ($socket) = @_;

    my $line = <$socket>;
    die "connection closed\n"
        unless defined $line && $line =~ s/\r\n\z//;

    my $type = substr $line, 0, 1, '';

    if ($type eq '+') {
        return $line;
    }

    if ($type eq ':') {
        return $line + 0;
    }

    if ($type eq '-') {
        return bless { text => $line }, 'ShopTest::Redis::Error';
    }

    if ($type eq '$') {
        return undef if $line < 0;

        my $text = '';

        while (length $text < $line + 2) {
            read $socket, $text, $line + 2 - length $text, length $text
                or die "connection closed\n";
        }

        return substr $text, 0, $line;
    }

    if ($type eq '*') {
        return undef if $line < 0;
        return [ map { read_value($socket) } 1 .. $line ];
    }

    die "not a reply: $type$line\n";
}


sub hash {
    my ($self, $key) = @_;

    return { @{ $self->command('HGETALL', $key) } };
}


sub keys {
    my ($self, $pattern) = @_;

    $pattern = '*' unless defined $pattern;

    return sort @{ $self->command('KEYS', $pattern) };
}


# how often each command was asked, e.g. $redis->calls->{evalsha}

sub calls {
    my ($self) = @_;
    my $text = $self->command('INFO', 'commandstats');

    return { $text =~ /^cmdstat_([^:]+):calls=(\d+)/mg };
}


1;
