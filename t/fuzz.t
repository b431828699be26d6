# What reads bytes of others is handed all that libFuzzer has found to be
# different: see t/fuzz/ngx_shop_fuzz.h.  "./build.sh fuzz" looks for more.

use lib 't/lib';
use ShopTest;
use ShopTest::Corpus;
use ShopTest::Nginx;

sub fuzz {
    return ShopTest::Nginx->check(module => 0, unit => 1,
                                  http => "shop_fuzz @_;");
}

my $dir = temp_dir();
my ($code, $text) = fuzz();
my @targets = $text =~ /^([a-z]+)$/mg;

is($code, 0, 'the targets are listed');
is_deeply([ sort map { m{([^/]+)$} } glob root() . '/t/fuzz/corpus/*' ],
          [ sort @targets ], 'each has a corpus');

for my $target (@targets) {
    my @files = ShopTest::Corpus::unpack($target, $dir);

    ($code, $text) = fuzz($target, @files);

    ok($code == 0 && $text !~ /ERROR: |runtime error/,
       "$target: nothing breaks it") or diag($text);
    cmp_ok(scalar @files, '>=', 3, '... of ' . @files . ' inputs');
}

# it does see what breaks

($code) = fuzz('url', "$dir/none");
isnt($code, 0, 'a file that is not there is an error');

done_testing();
