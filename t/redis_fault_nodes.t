# What a shop promises of each fault of sentinels, of the servers they watch,
# and of a cluster.  A row is a fault; what is promised is in
# ShopTest::Faults, and the same for all of them.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::Faults;
use ShopTest::Sentinel;


# --- a cluster: customers of one of its nodes

{
    my $cluster = ShopTest::Cluster->new(primaries => 3, replicas => 3);
    my $table = ShopTest::Faults->new(redis => $cluster);

    my ($node, %at, $other);

    my $row = sub {
        my ($name, %o) = @_;
        my $tag = '{' . int(rand 64) . '}';

        # whoever has this one, and all that it has

        $node = $cluster->owner($tag);
        %at = ();

        $other = $table->session(sub {
            $at{$_[0]} ||= $cluster->owner($_[0]);
            return $at{$_[0]} != $node;
        });

        $table->row("cluster: $name",
            where  => sub {
                $at{$_[0]} ||= $cluster->owner($_[0]);
                return $at{$_[0]} == $node;
            },
            during => sub {
                is($table->ask($other)->{who}, $other->customer . ' 1',
                   "cluster: $name: those of other nodes are told");
            },
            some   => 1,
            change => 'after',
            back   => 30,
            %o);
    };

    # what was just written is not to be lost with the node

    my $kept = sub { $node->command('WAIT', 1, 5000) };

    my $over = sub {
        my ($old) = @_;

        wait_for {
            my @is = grep { $_ != $old } $cluster->primaries;
            my @all = grep { $_ != $old } $cluster->alive;

            @is == 3 && !grep { $_->command('CLUSTER', 'INFO')
                                !~ /cluster_state:ok/ } @all
        } 'a replica to take over', 30;
    };

    my $replica;

    $row->('a node replaced by its replica',
        begin => sub {
            $kept->();
            $replica = wait_for {
                (grep {
                    my $role = $_->command('ROLE');
                    $role->[0] eq 'slave' && $role->[2] == $node->port
                    && $role->[3] eq 'connected'
                } $cluster->nodes)[0]
            } 'its replica';
            $replica->command('CLUSTER', 'FAILOVER');
        },
        end   => sub {

            # those who vote may have said no, then it is to be said again

            for (1 .. 10) {
                last if eval { wait_for {
                    $replica->command('ROLE')->[0] eq 'master'
                } 'the replica to be a master', 6 };

                $replica->command('CLUSTER', 'FAILOVER');
            }

            $over->($node);
        });

    $row->('a node killed',
        begin => sub { $kept->(); $node->crash },
        end   => sub { $over->($node) });

    $node->start;
    wait_for { ($node->command('ROLE')->[3] || '') eq 'connected' }
        'it to be a replica', 30;

    $row->('a node frozen',
        begin => sub { $kept->(); $node->freeze },
        end   => sub {
            my ($frozen) = $node;

            $cluster->{nodes} = [ grep { $_ != $frozen } $cluster->nodes ];
            $over->($frozen);
            $cluster->{nodes} = [ $cluster->nodes, $frozen ];
            $frozen->thaw;
            wait_for { $frozen->command('ROLE')->[0] eq 'slave' }
                'it to hear of that', 30;
        });

    # all slots of one customer, there and back and there

    my ($slot, $from, $to);

    $row->('a slot that moves',
        begin  => sub {
            ($to) = grep { $_ != $node } $cluster->primaries;

            for my $tag (grep { $at{$_} == $node } sort keys %at) {
                $slot = $cluster->slot($tag);
                $from = $cluster->migrate($slot, $to);

                my @keys = @{ $from->command('CLUSTER', 'GETKEYSINSLOT',
                                             $slot, 1000) };

                # half of them, as it happens

                $cluster->move_keys($slot, $from, $to,
                                    grep { ++$other->{n} % 2 } @keys);
            }
        },
        end    => sub {
            for my $tag (grep { $at{$_} == $node } sort keys %at) {
                $cluster->migrated($cluster->slot($tag), $node, $to);
            }
        },
        change => 'within',
        reads  => 1);

    $row->('all nodes frozen',
        begin  => sub { $_->freeze for $cluster->nodes },
        during => sub { },
        end    => sub {
            $_->thaw for $cluster->nodes;
            wait_for { ($cluster->primaries) == 3 && $cluster->is_ok }
                'the cluster to come to itself', 30;
        });
}


# --- sentinels, and those they watch

{
    my $set = ShopTest::Sentinel->new(servers => 3, sentinels => 3);
    my $table = ShopTest::Faults->new(redis => $set);
    my $master;

    my $row = sub {
        my ($name, %o) = @_;

        $master = $set->master;

        $table->row("sentinel: $name", some => 1, change => 'after',
                    back => 30, %o);
    };

    my $kept = sub { $master->command('WAIT', 1, 5000) };

    my $moved = sub {
        wait_for { !grep { $set->master_of($_) == $master } $set->sentinels }
            'another master', 30;
    };

    $row->('no sentinel',
        begin  => sub { $_->freeze for $set->sentinels },
        end    => sub { $_->thaw for $set->sentinels },
        reads  => 1);

    $row->('the master replaced',
        begin => sub {
            wait_for {
                $kept->();

                my (undef, $error) = ($set->sentinels)[0]->try(
                    'SENTINEL', 'FAILOVER', 'main');
                !defined $error;
            } 'a failover', 15;
        },
        end   => $moved,
        loses => 1);

    $row->('the master killed',
        begin => sub { $kept->(); $master->crash },
        end   => $moved);
}

done_testing();
