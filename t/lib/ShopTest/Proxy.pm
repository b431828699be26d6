package ShopTest::Proxy;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Proxy - stands before Redis and spoils what is said

=head1 SYNOPSIS

    my $proxy = ShopTest::Proxy->new($redis->port);

    # shop_redis redis://127.0.0.1:@{[ $proxy->port ]};

    $proxy->spoil('lost', 2);           # passes two commands, loses a reply
    ...
    $proxy->spoiled;                    # how many were met by it
    $proxy->heal;

=head1 DESCRIPTION

spoil(ACTION, N) lets N more commands pass; all after them meet the action:

    stall       nothing is forwarded, nothing is said
    close       the connection is closed, Redis does not see the command
    lost        Redis does it, its reply is thrown away, then as close
    cut         Redis does it, half of the reply is sent, then as close
    reset       as cut, but the connection is reset
    garbage     the reply is not RESP
    huge        the reply announces a gigabyte, and that is all of it
    error       the reply is -LOADING, -READONLY or what "text" says
    nil         the reply is a null
    hold        the reply is kept back until heal(), or until let_go(), with
                which the next one is kept back
    count       nothing, they are counted

Of the whole line, at once:

    slow        what Redis says comes "seconds" later
    split       nothing comes through in either direction, and nobody is told;
                after heal() it comes, as TCP would send it again
    refuse      connections are reset, and new ones refused

upstream(PORT) is where connections go that are made from then on.

What the proxy says itself comes in its turn, behind the replies of Redis to
the commands before it.

heal() ends that, closes the connections that were stalled and forgets how
many were spoiled.  Commands count on all connections together; HELLO, AUTH,
SELECT, CLIENT, PING, SUBSCRIBE and ROLE pass and do not count, nor do the
looks at shop:meta and for who is due, which come when it is time, unless "all"
is true; with "only" no other command than that one counts.

=cut

use strict;
use warnings;

use IO::Socket::INET ();
use JSON::PP ();
use Socket ();

use ShopTest ();

my $json = JSON::PP->new->allow_nonref->utf8;


sub new {
    my ($class, $upstream) = @_;

    my $self = bless { upstream => $upstream,
                       port => ShopTest::free_port() }, $class;

    $self->listen;

    socketpair $self->{steer}, $self->{steered}, Socket::AF_UNIX,
               Socket::SOCK_STREAM, Socket::PF_UNSPEC
        or die "socketpair: $!\n";

    $self->{process} = ShopTest::fork_server('proxy', sub {
        my ($parent) = @_;

        close $self->{steer};
        $self->serve($parent);
    });

    close delete $self->{listen};
    close delete $self->{steered};

    return ShopTest::register($self);
}


sub listen {
    my ($self) = @_;

    $self->{listen} = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $self->{port},
        Listen => 64, ReuseAddr => 1) or die "listen: $!\n";
}


sub port { return $_[0]->{port} }

sub url { return "redis://127.0.0.1:$_[0]->{port}" }


sub stop {
    my ($self) = @_;

    ShopTest::stop_process($self->{process}, 'TERM', 3)
        if $self->{process};

    delete $self->{process};
}


sub spoil {
    my ($self, $action, $after, %o) = @_;

    return $self->ask({ action => $action, after => $after || 0, %o });
}


sub heal { return $_[0]->ask({ heal => 1 }) }

sub let_go { return $_[0]->ask({ let_go => 1 }) }

sub upstream { return $_[0]->ask({ upstream => $_[1] }) }

sub spoiled { return $_[0]->ask({}) }

sub connections { return $_[0]->ask({ connections => 1 }) }


sub ask {
    my ($self, $what) = @_;

    syswrite $self->{steer}, $json->encode($what) . "\n";

    my $line = readline $self->{steer};

    die "the proxy is gone\n" unless defined $line;

    return $json->decode($line);
}


# --- the loop -------------------------------------------------------------


sub serve {
    my ($self, $parent) = @_;

    $self->{rule} = {};
    $self->{spoiled} = 0;
    $self->{pairs} = [];

    while (1) {
        my $bits = '';

        vec($bits, fileno $_, 1) = 1
            for $self->{steered}, $parent, $self->{listen} || ();

        my $split = ($self->{rule}{action} || '') eq 'split';

        for my $pair ($split ? () : @{ $self->{pairs} }) {
            vec($bits, fileno $pair->{client}, 1) = 1;
            vec($bits, fileno $pair->{server}, 1) = 1 if $pair->{server};
        }

        vec($bits, fileno $self->{listen}, 1) = 0
            if $split && $self->{listen};

        next if select($bits, undef, undef, $self->late) < 0;

        return if vec($bits, fileno $parent, 1);

        if (vec($bits, fileno $self->{steered}, 1)) {
            my $line = readline $self->{steered};
            return unless defined $line;

            syswrite $self->{steered},
                $json->encode($self->steered($json->decode($line))) . "\n";
            next;
        }

        if ($self->{listen} && vec($bits, fileno $self->{listen}, 1)) {
            $self->accept_pair;
        }

        for my $pair (@{ $self->{pairs} }) {
            $self->from_server($pair)
                if $pair->{server} && vec($bits, fileno $pair->{server}, 1);

            $self->from_client($pair)
                if !$pair->{gone} && vec($bits, fileno $pair->{client}, 1);
        }

        @{ $self->{pairs} } = grep { !$_->{gone} } @{ $self->{pairs} };
    }
}


sub steered {
    my ($self, $what) = @_;

    return scalar @{ $self->{pairs} } if $what->{connections};

    $self->{upstream} = $what->{upstream} if $what->{upstream};

    if (exists $what->{action}) {
        $self->{rule} = $what;
        $self->{spoiled} = 0;

        if ($what->{action} eq 'refuse') {
            close delete $self->{listen};
            reset_pair($_) for splice @{ $self->{pairs} };
        }

        return 0;
    }

    my $spoiled = $self->{spoiled};

    if ($what->{heal} || $what->{let_go}) {
        for my $pair (grep { defined $_->{held} } @{ $self->{pairs} }) {
            syswrite $pair->{client}, delete $pair->{held};
        }
    }

    if ($what->{heal}) {
        $self->{rule} = {};
        $self->{spoiled} = 0;
        $self->listen unless $self->{listen};

        end_pair($_) for grep { $_->{stalled} } @{ $self->{pairs} };
        @{ $self->{pairs} } = grep { !$_->{gone} } @{ $self->{pairs} };
    }

    return $spoiled;
}


# says what is due, and returns when the next is

sub late {
    my ($self) = @_;
    my $now = ShopTest::now();
    my $next;

    for my $pair (@{ $self->{pairs} }) {
        my $late = $pair->{late};

        while (@$late && $late->[0][0] <= $now) {
            my $bytes = (shift @$late)->[1];

            defined $bytes ? syswrite $pair->{client}, $bytes
                           : end_pair($pair);
        }

        $next = $late->[0][0] - $now
            if @$late && (!defined $next || $late->[0][0] - $now < $next);
    }

    @{ $self->{pairs} } = grep { !$_->{gone} } @{ $self->{pairs} };

    return $next;
}


sub accept_pair {
    my ($self) = @_;

    my $client = $self->{listen}->accept or return;

    setsockopt $client, Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1;

    my $server = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{upstream})
        or return close $client;

    push @{ $self->{pairs} }, { client => $client, server => $server,
                                in => '', late => [] };
}


sub reset_pair {
    my ($pair) = @_;

    setsockopt $pair->{client}, Socket::SOL_SOCKET, Socket::SO_LINGER,
               pack('ii', 1, 0);
    end_pair($pair);
}


sub end_pair {
    my ($pair) = @_;

    $pair->{gone} = 1;
    close $pair->{client};
    close $pair->{server} if $pair->{server};
    $pair->{server} = undef;
}


sub from_client {
    my ($self, $pair) = @_;

    sysread $pair->{client}, $pair->{in}, 65536, length $pair->{in}
        or return end_pair($pair);

    while (defined(my $command = take_command(\$pair->{in}))) {
        return if $pair->{gone} || $pair->{stalled};

        $self->command($pair, $command);
    }
}


sub command {
    my ($self, $pair, $command) = @_;
    my $rule = $self->{rule};

    my ($word) = $command =~ /\r\n\$\d+\r\n([^\r]*)/;

    $pair->{subscribed} = 1 if uc $word eq 'SUBSCRIBE';

    my $counts = defined $rule->{only} ? uc $word eq $rule->{only}
        : $rule->{all}
          || ($word !~ /^(?:HELLO|AUTH|SELECT|CLIENT|PING|SUBSCRIBE|ROLE)$/i
              && $command !~ /\r\nHMGET\r\n\S+\r\nshop:meta\r\n/
              && $command !~ /\r\nZRANGEBYSCORE\r\n\S+\r\nshop:due:/);

    if (!$rule->{action} || $rule->{action} eq 'slow' || !$counts
        || $rule->{after}-- > 0)
    {
        $rule->{after} = 0 if $rule->{action} && $rule->{after} < 0;
        return pass_on($pair, $command);
    }

    $self->{spoiled}++;
    $rule->{after} = 0;

    my $action = $rule->{action};

    if ($action eq 'count') {
        pass_on($pair, $command);

    } elsif ($action eq 'stall') {
        $pair->{stalled} = 1;

    } elsif ($action eq 'close') {
        end_pair($pair);

    } elsif ($action eq 'hold') {
        pass_on($pair, $command);
        $pair->{held} = '' unless defined $pair->{held};

    } elsif ($action eq 'lost' || $action eq 'cut' || $action eq 'reset') {
        pass_on($pair, $command);
        $pair->{ending} = $action;

    } else {
        my %reply = (
            garbage => "what?\r\n",
            huge    => "\$1073741824\r\nxxxx",
            error   => '-' . ($rule->{text} || 'LOADING not yet') . "\r\n",
            nil     => "\$-1\r\n",
        );

        answered($pair);
        syswrite $pair->{client}, $reply{$action};
    }
}


# what Redis was asked before on that connection, it has answered; one that
# has subscribed may not be asked so, and is asked one thing at a time

sub answered {
    my ($pair) = @_;
    my $end = ShopTest::now() + 2;

    my $word = 'echo-' . ++$pair->{echoes};
    my $echo = sprintf "\$%d\r\n%s\r\n", length $word, $word;
    my $got = '';

    return if !$pair->{server} || $pair->{subscribed};

    pass_on($pair, "*2\r\n\$4\r\nECHO\r\n$echo");

    until ($got =~ s/\Q$echo\E$//) {
        vec(my $bits = '', fileno $pair->{server}, 1) = 1;

        last unless select($bits, undef, undef, $end - ShopTest::now()) > 0
                    && sysread $pair->{server}, $got, 65536, length $got;
    }

    syswrite $pair->{client}, $got if length $got;
}


sub pass_on {
    my ($pair, $bytes) = @_;

    syswrite $pair->{server}, $bytes if $pair->{server};
}


sub from_server {
    my ($self, $pair) = @_;

    my $n = sysread $pair->{server}, my $bytes, 65536;

    if (($self->{rule}{action} || '') eq 'slow' || @{ $pair->{late} }) {
        push @{ $pair->{late} }, [
            ShopTest::now() + ($self->{rule}{seconds} || 0),
            $n ? $bytes : undef ];

        $pair->{server} = undef unless $n;
        return;
    }

    return end_pair($pair) unless $n;

    if (defined $pair->{held}) {
        $pair->{held} .= $bytes;
        return;
    }

    if ($pair->{ending}) {
        syswrite $pair->{client}, substr $bytes, 0, length($bytes) / 2
            if $pair->{ending} ne 'lost';

        return $pair->{ending} eq 'reset' ? reset_pair($pair)
                                          : end_pair($pair);
    }

    syswrite $pair->{client}, $bytes;
}


# a whole command in RESP, cut off the input; undef: more is needed

sub take_command {
    my ($in) = @_;

    $$in =~ /^\*(\d+)\r\n/ or return undef;

    my ($n, $at) = ($1, $+[0]);

    for (1 .. $n) {
        substr($$in, $at) =~ /^\$(\d+)\r\n/ or return undef;

        $at += length($1) + 3 + $1 + 2;

        return undef if $at > length $$in;
    }

    return substr $$in, 0, $at, '';
}


1;
