# A real network between nginx and Redis, of which a part is cut off: packets
# are lost and nobody is told.  What is promised then is in ShopTest::Faults.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::Faults;
use ShopTest::Network;
use ShopTest::Sentinel;

ShopTest::Network->enter;

my @hosts = map { ShopTest::Network->host } 1 .. 2;


# --- nginx here, Redis there

{
    my $redis = redis(host => $hosts[0]);
    my $table = ShopTest::Faults->new(redis => $redis, cached => 1);

    $table->row('cut off',
        begin  => sub { $hosts[0]->cut },
        end    => sub { $hosts[0]->join },
        change => 'after',
        says   => qr/redis timed out while waiting for redis/);
}


# --- the master there, its replica elsewhere, nginx and sentinels here

{
    my $set = ShopTest::Sentinel->new(servers => 2, sentinels => 3,
                                      hosts => [ @hosts ]);
    my $master = $set->master;
    my $table = ShopTest::Faults->new(redis => $set);

    $table->row('sentinel: the master cut off',
        begin  => sub {
            $master->command('WAIT', 1, 5000);
            $hosts[0]->cut;
        },
        end    => sub {
            wait_for { !grep { $set->master_of($_) == $master }
                       $set->sentinels } 'another master', 30;
        },
        some   => 1,
        change => 'after',
        back   => 30);

    # it comes back as a master of yesterday, until it is told

    my $session = $table->session;

    $hosts[0]->join;

    my (%told, $role);

    wait_for {
        $told{$table->ask($session)->{who}} = 1;

        delete $master->{socket};
        $role = eval { $master->command('ROLE')->[0] } || '';
        $role eq 'slave'
    } 'it to be a replica', 40;

    is_deeply([ keys %told ], [ $session->customer . ' 1' ],
              'sentinel: nobody asks a master that comes back');
}


# --- one node of a cluster there, all others and nginx here

{
    my $cluster = ShopTest::Cluster->new(
        primaries => 3, replicas => 3, hosts => [ $hosts[1] ],
        redis => { address => '10.77.2.1' });
    my $table = ShopTest::Faults->new(redis => $cluster);
    my ($node) = $cluster->nodes;
    my @here = grep { $_ != $node } $cluster->nodes;
    my %at;

    $table->row('cluster: a node cut off',
        begin  => sub {
            $node->command('WAIT', 1, 5000);
            $hosts[1]->cut;
            $cluster->{nodes} = \@here;
            $cluster->{at} = {};
        },
        end    => sub {
            wait_for { ($cluster->primaries) == 3 && $cluster->is_ok }
                'a replica to take over', 30;
        },
        where  => sub {
            $at{$_[0]} ||= $cluster->owner($_[0]);
            return $at{$_[0]} == $node;
        },
        some   => 1,
        change => 'after',
        back   => 30);
}

done_testing();
