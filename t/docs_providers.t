# What docs/providers.md says of each preset is what the preset says.

use lib 't/lib';
use ShopTest;

my ($is) = read_file(root() . '/docs/providers.md')
           =~ /<!-- presets -->\n(.*)\n<!-- end of presets -->/s;

my $generated = `$^X t/lint/providers`;

is($?, 0, 'the presets can be read');
is($is, $generated, 'the page is that of the presets: '
                    . 't/lint/providers --write');

done_testing();
