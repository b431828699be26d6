# The demo, in the hands of a real browser: what a person sees who signs in
# and out, goes back and forth, says no.  Leaves pictures in build/pictures.

use lib 't/lib';
use ShopTest;
use ShopTest::Demo;
use ShopTest::Peer;

my $demo = ShopTest::Demo->new;

my $script = ShopTest::Peer->new('demo.mjs', {
    url        => $demo->url,
    profile    => temp_dir('profile'),
    pictures   => ShopTest::Peer::pictures(),
    executable => ShopTest::Peer::chromium(),
});

$script->report(100);

done_testing();
