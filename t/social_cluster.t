# A whole shop on a cluster: customers sign in with their keys spread over
# the nodes, and are the same customers after a failover.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;

{
    package Seeds;

    # what a shop wants to know of its Redis

    sub url { return join(' ', $_[0]->{cluster}->urls) . ' cluster' }
    sub port { return ($_[0]->{cluster}->nodes)[0]->port }
}

my $cluster = ShopTest::Cluster->new(primaries => 3, replicas => 3);

my $shop = shop(redis => bless({ cluster => $cluster }, 'Seeds'));

sub sign_in {
    my ($what) = @_;

    $shop->{provider}->set({ user => { sub => $what } });

    return $shop->signs_in($what);
}

sign_in("customer-$_") for 1 .. 12;

my @views = map { $_->keys('shop:view:*') } $cluster->primaries;

is(@views, 12, 'each has a record');
is(scalar(grep { my @found = $_->keys('shop:*'); @found > 0 }
          $cluster->primaries), 3, 'keys are with all nodes');

# the slots as a node has them, with those who own them

sub map_of {
    my ($node) = @_;

    return join ' ', map { "$_->[2][0]:$_->[2][1]" }
                     @{ $node->command('CLUSTER', 'SLOTS') };
}

# what a replica does not have yet is lost, see docs/redis.md

$cluster->replicated;

my $dead = ($cluster->primaries)[0];

$dead->crash;
wait_for {
    my @alive = $cluster->alive;

    ($cluster->primaries) == 3
        && !grep { $_->command('CLUSTER', 'INFO') !~ /cluster_state:ok/
                   || map_of($_) =~ /:@{[ $dead->port ]}\b/ } @alive
} 'a replica to take over', 30;

# The map that the shop has is an old one, and who has to write to the dead
# node waits for another.

for my $n (1 .. 12) {
    $shop->{provider}->set({ user => { sub => "customer-$n" } });

    my $browser = $shop->browser;
    my $start = $shop->start($browser)->header('Location');

    is($shop->callback($browser, $start)->status, 303,
       "customer $n signs in again");
}

is(scalar(map { $_->keys('shop:view:*') } $cluster->primaries), 12,
   'no one became another customer by a failover');

done_testing();
