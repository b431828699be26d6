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

my $status = $script->finish(100);
my $finished;

for my $line (split /\n/, $script->output) {
    if ($line eq 'finished') {
        $finished = 1;

    } elsif ($line =~ /^\[(true|false),/) {
        my ($ok, $name, $seen) = @{ JSON::PP::decode_json($line) };

        ok($ok, $name) or diag("seen: $seen");
    }
}

ok($status == 0 && $finished, 'all was tried')
    or diag($script->output);

done_testing();
