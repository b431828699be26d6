package ShopTest::Cluster;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Cluster - a real cluster of Redis

=head1 SYNOPSIS

    my $cluster = ShopTest::Cluster->new(primaries => 3, replicas => 3);

    $cluster->urls;                     # of the first primaries, for nginx
    $cluster->url;                      # the same as parameters of shop_redis
    $cluster->command('GET', 'key');    # at its node; shop() takes it as redis
    $cluster->nodes;                    # all, as ShopTest::Redis
    $cluster->primaries;                # those of this moment
    $cluster->replicated;               # waits: replicas have what is written

    $cluster->slot('key');              # its number
    $cluster->owner('key');             # the node that has it
    $cluster->migrate($slot, $to);      # begins: MIGRATING and IMPORTING
    $cluster->migrated($slot, $to);     # moves its keys and ends
    $cluster->add;  $cluster->remove($node);

=head1 DESCRIPTION

Slots are spread evenly.  A primary that is down is replaced after a second
or two.  "hosts" are the machines of the first nodes, see
L<ShopTest::Network>.  The bus of a node is on its port plus 10000, as ever.

=cut

use strict;
use warnings;

use IO::Socket::INET ();

use ShopTest ();
use ShopTest::Redis ();
use ShopTest::Session ();


sub new {
    my ($class, %o) = @_;
    my $self = bless { nodes => [], redis => $o{redis} || {},
                       hosts => $o{hosts} || [],
                       timeout => $o{timeout} || 1000 }, $class;

    my $primaries = $o{primaries} || 3;
    my $replicas = $o{replicas} || 0;

    $self->start_node for 1 .. $primaries + $replicas;

    my @nodes = $self->nodes;
    my $first = $nodes[0];

    for my $i (0 .. $primaries - 1) {
        my $from = int(16384 * $i / $primaries);
        my $to = int(16384 * ($i + 1) / $primaries) - 1;

        $nodes[$i]->command('CLUSTER', 'ADDSLOTS', $from .. $to);
        $nodes[$i]->command('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
    }

    $self->meet($_, $first) for @nodes[1 .. $#nodes];
    $self->wait_known;

    ShopTest::wait_for(sub { $self->is_ok }, 'the cluster', 30);

    # until all is in its place a busy machine is no reason for a failover

    $self->give_up_after(30000);

    for my $i (0 .. $replicas - 1) {
        my $primary = $nodes[$i % $primaries];

        $nodes[$primaries + $i]->command('CLUSTER', 'REPLICATE',
                                         $self->id($primary));
    }

    for my $i (0 .. $replicas - 1) {
        ShopTest::wait_for(sub {
            $nodes[$primaries + $i]->command('INFO', 'replication')
                =~ /master_link_status:up/
        }, 'a replica', 30);
    }

    $self->give_up_after($self->{timeout});

    return $self;
}


sub give_up_after {
    my ($self, $ms) = @_;

    $_->command('CONFIG', 'SET', 'cluster-node-timeout', $ms)
        for $self->nodes;
}


# The bus should not be among the ports that connections come from, either.

sub free_port {
    for (1 .. 1000) {
        my $port = ShopTest::free_port();

        return $port if $port < 22000 && IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port + 10000,
            Listen => 1);
    }

    die "no port with a free bus port found\n";
}


sub start_node {
    my ($self) = @_;

    my $node = ShopTest::Redis->new(%{ $self->{redis} }, port => free_port(),
        host => $self->{hosts}[$self->nodes],
        args => [ @{ $self->{redis}{args} || [] },
                  '--cluster-enabled', 'yes',
                  '--cluster-node-timeout', $self->{timeout},
                  '--cluster-replica-validity-factor', '0',
                  '--repl-diskless-sync-delay', '0' ])->start;

    push @{ $self->{nodes} }, $node;

    return $node;
}


sub meet {
    my ($self, $node, $other) = @_;

    $node->command('CLUSTER', 'MEET', $other->address, $other->port);
}


sub nodes { return @{ $_[0]->{nodes} } }

sub alive {
    return grep { $_->{process} && ShopTest::is_alive($_->{process}) }
           $_[0]->nodes;
}

sub urls { return map { $_->url } ($_[0]->nodes)[0 .. 2] }

sub url { return join ' ', $_[0]->urls, 'cluster' }

sub port { return ($_[0]->nodes)[0]->port }


# what was written until now; replicas tell how far they are once a second

sub replicated {
    my ($self) = @_;

    for my $primary ($self->primaries) {
        my $info = $primary->command('INFO', 'replication');
        my ($offset) = $info =~ /^master_repl_offset:(\d+)/m;

        ShopTest::wait_for {
            my @replicas = $primary->command('INFO', 'replication')
                           =~ /^slave\d+:.*offset=(\d+)/mg;

            !grep { $_ < $offset } @replicas;
        } 'the replicas of ' . $primary->port, 30;
    }

    return;
}


sub id { return $_[1]->command('CLUSTER', 'MYID') }

sub primaries { return grep { $_->command('ROLE')->[0] eq 'master' }
                       $_[0]->alive }

sub slot {
    my ($self, $key) = @_;

    return ShopTest::Session::crc16($key =~ /\{(.+?)\}/ ? $1 : $key) % 16384;
}


# all know each other

sub wait_known {
    my ($self) = @_;
    my $n = $self->alive;

    for my $node ($self->alive) {
        ShopTest::wait_for(sub {
            $node->command('CLUSTER', 'INFO') =~ /cluster_known_nodes:$n\b/
        }, 'nodes to know each other', 30);
    }
}


sub is_ok {
    my ($self) = @_;

    return !grep { $_->command('CLUSTER', 'INFO') !~ /cluster_state:ok/ }
           $self->alive;
}


sub owner {
    my ($self, $key) = @_;

    return $self->owner_of($self->slot($key));
}


# as soon as all nodes agree

sub owner_of {
    my ($self, $slot) = @_;

    return ShopTest::wait_for(sub {
            my %port;

        for my $node ($self->alive) {
            my ($range) = grep { $slot >= $_->[0] && $slot <= $_->[1] }
                          @{ $node->command('CLUSTER', 'SLOTS') };

            $port{ $range ? $range->[2][1] : 0 } = 1;
        }

        my ($port) = keys %port;

        return keys %port == 1
               && (grep { $_->port == $port } $self->nodes)[0];
    }, 'the owner of a slot', 20);
}


# The second word is the key, which may be elsewhere since the last time.  In
# the course of a failover nodes may name one that is dead, or know nothing.

sub command {
    my ($self, @words) = @_;
    my $tag = $words[1] =~ /\{(.+?)\}/ ? $1 : $words[1];
    my @nodes = $self->nodes;
    my $node = delete $self->{at}{$tag} || $nodes[0];

    my $done = ShopTest::wait_for {
        my ($reply, $error) = eval { $node->try(@words) };

        if ($@ || ($error || '') =~ /^(?:CLUSTERDOWN|TRYAGAIN)/) {
            $node = $nodes[rand @nodes];
            return;
        }

        return [ $reply, $error ] if ($error || '') !~ /^(MOVED|ASK) .*:(\d+)/;

        my ($kind, $port) = ($1, $2);

        ($node) = grep { $_->port == $port } @nodes;
        eval { $node->command('ASKING') } if $kind eq 'ASK';

        return;
    } "a node to do $words[0]", 20;

    my ($reply, $error) = @$done;

    die "redis: $words[0]: $error\n" if $error;

    $self->{at}{$tag} = $node;

    return $reply;
}


sub migrate {
    my ($self, $slot, $to) = @_;
    my $from = $self->owner_of($slot);

    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $self->id($from));
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $self->id($to));

    return $from;
}


sub move_keys {
    my ($self, $slot, $from, $to, @keys) = @_;

    @keys = @{ $from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 1000) }
        unless @keys;

    $from->command('MIGRATE', $to->address, $to->port, '', 0, 2000, 'KEYS',
                   @keys) if @keys;
}


sub migrated {
    my ($self, $slot, $from, $to) = @_;

    $self->move_keys($slot, $from, $to);
    my $id = $self->id($to);

    $to->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $id);

    # every primary, so that nobody has to hear of it first; one that lost
    # its last slot may be a replica by now

    $_->try('CLUSTER', 'SETSLOT', $slot, 'NODE', $id)
        for grep { $_ != $to } $self->primaries;
}


sub add {
    my ($self) = @_;
    my ($other) = $self->alive;
    my $node = $self->start_node;

    $self->meet($node, $other);
    $self->wait_known;

    ShopTest::wait_for(sub { $self->is_ok }, 'the cluster', 30);

    return $node;
}


# it has no slots any more

sub remove {
    my ($self, $node) = @_;
    my $id = $self->id($node);

    $node->stop;
    $self->{nodes} = [ grep { $_ != $node } $self->nodes ];

    $_->command('CLUSTER', 'FORGET', $id) for $self->alive;
}


1;
