package ShopTest::Network;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Network - machines on a network of the test's own

=head1 SYNOPSIS

    use ShopTest;
    use ShopTest::Network;

    ShopTest::Network->enter;           # the test starts anew in there

    my $host = ShopTest::Network->host;

    my $redis = redis(host => $host);   # runs on that machine
    $host->address;                     # 10.77.1.2

    $host->cut;                         # the cable is out: nobody is told
    $host->join;

=head1 DESCRIPTION

The test, with all that it starts, is in a network namespace, and each machine
is in one more; all have a way to each other through the first one, where a
machine is connected to 10.77.N.1.  The namespaces go away with the processes
in them.

It takes root, and a kernel that lets it: where it does not, enter() skips the
test and says why.  Nothing else in the tests needs this; what is not told by
a real network is told by "split" of L<ShopTest::Proxy>.

=cut

use strict;
use warnings;

use Test::More ();

use ShopTest ();

my $nhosts = 0;


sub enter {
    return if $ENV{TEST_NETWORK};

    my $try = 'ip link set lo up && ip link add name v0 type veth'
              . ' peer name w0';
    my $said = qx{unshare -n sh -c '$try' 2>&1};

    if ($?) {
        $said =~ s/\s+/ /g;
        Test::More::plan(skip_all =>
                         "no network can be made on this machine: $said");
    }

    # what is started uses only this one

    $ENV{TEST_NETWORK} = 1;

    exec 'unshare', '-n', 'sh', '-c',
         'ip link set lo up && echo 1 >/proc/sys/net/ipv4/ip_forward'
         . ' && exec "$@"', 'sh', $^X, $0
        or die "unshare: $!\n";
}


sub host {
    my ($class) = @_;

    my $n = ++$nhosts;
    my $self = bless { address => "10.77.$n.2", gateway => "10.77.$n.1" },
                     $class;

    $self->{process} = ShopTest::spawn(
        name    => 'a machine',
        command => [ 'unshare', '-n', 'sleep', '86400' ],
        output  => ShopTest::temp_dir() . '/hosts.log',
    );

    ShopTest::register($self);

    my $pid = $self->{process}{pid};

    ShopTest::wait_for {
        my $net = readlink "/proc/$pid/ns/net";

        $net && $net ne readlink "/proc/$$/ns/net"
    } 'the namespace of a machine';

    run("ip link add name v$n type veth peer name eth0 netns $pid");
    run("ip addr add $self->{gateway}/24 dev v$n");
    run("ip link set v$n up");

    $self->run_there('ip link set lo up');
    $self->run_there("ip addr add $self->{address}/24 dev eth0");
    $self->join;

    return $self;
}


sub address { return $_[0]->{address} }

# a program is run there by these words before it

sub launcher {
    return ('nsenter', '-t', $_[0]->{process}{pid}, '-n');
}


sub cut { return $_[0]->run_there('ip link set eth0 down') }


sub join {
    my ($self) = @_;

    $self->run_there('ip link set eth0 up');
    $self->run_there("ip route replace default via $self->{gateway}");
}


sub stop {
    my ($self) = @_;

    ShopTest::stop_process($self->{process}, 'KILL', 3);
}


sub run_there {
    my ($self, $command) = @_;

    run(CORE::join(' ', $self->launcher) . " $command");
}


sub run {
    my ($command) = @_;

    system($command) == 0 or die "$command: exit status $?\n";
}


1;
