# Valkey tells of changes as Redis does, as one server and as a cluster.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::Session;

my ($binary) = grep { -x } map { "$_/valkey-server" }
               split(/:/, $ENV{PATH}), '/usr/local/bin';

if (!$binary) {
    Test::More::plan(skip_all => 'there is no valkey-server');
}

local $ENV{TEST_REDIS_BINARY} = $binary;

sub works {
    my ($name, $redis) = @_;

    my $nginx = shop(redis => $redis,
        nginx_options => { workers => 2, level => 'info' },
        location => 'add_header X-Session $shop_session;')->nginx;

    my $s = ShopTest::Session->new(redis => $redis, view => { points => 0 });
    my ($n, $told) = (0, 0);

    # taken from the cache, and yet each change is seen

    wait_for {
        $told = 0 if $s->told($nginx) !~ /cached/;
        $s->view(points => ++$n);
        ShopTest::pause(0.05);

        return ($told += $s->told($nginx) =~ / $n /) >= 5;
    } "$name: the channel", 30;

    pass("$name: changes are seen");

    $s->told($nginx);
    $s->end;
    wait_for { $s->told($nginx) eq '- - none' } "$name: the end", 1;
    pass("$name: ... and the end of a session");
}

works('one server', redis());
works('a cluster', ShopTest::Cluster->new(primaries => 3));

done_testing();
