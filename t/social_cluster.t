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

# what a replica does not have yet is lost, see docs/redis.md

$cluster->replicated;

my $dead = ($cluster->primaries)[0];

$dead->crash;
wait_for { ($cluster->primaries) == 3 && $cluster->is_ok }
    'a replica to take over', 30;

# the map of the cluster is asked for ten times a second at most: until then
# who has to write to the dead node is told so

for my $n (1 .. 12) {
    $shop->{provider}->set({ user => { sub => "customer-$n" } });

    wait_for {
        my $browser = $shop->browser;
        my $start = $shop->start($browser)->header('Location');

        $start && $start =~ m{/callback/}
            && $shop->callback($browser, $start)->status == 303;
    } "customer $n to sign in", 20;
}

pass('all sign in again');
is(scalar(map { $_->keys('shop:view:*') } $cluster->primaries), 12,
   'no one became another customer by a failover');

done_testing();
