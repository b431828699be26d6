# The unit tests, which are C and run inside nginx: see t/unit/ngx_shop_unit.h.
# Each suite is an "nginx -t" of its own, so that a crash costs no other.

use lib 't/lib';
use ShopTest;

use ShopTest::Nginx;

sub unit {
    return ShopTest::Nginx->check(module => 0, unit => 1,
                                  http => "shop_unit @_;");
}

my ($code, $text) = unit();

is($code, 0, 'the suites are listed') or diag($text);

for my $suite ($text =~ /^# suite (\S+)$/mg) {
    next if @ARGV && !grep { $_ eq $suite } @ARGV;

    subtest $suite => sub {
        ($code, $text) = unit($suite);

        my ($checks, $planned) = (0, 0);
        my ($passed, @said) = (1);

        for (split /\n/, $text) {
            if (/^(not )?ok \d+ - (.*)/) {
                $checks++;
                $passed = ok(!$1, $2);

            } elsif (/^1\.\.(\d+)$/) {
                $planned = $1;

            } elsif (/^# (.*)/) {
                $passed ? note($1) : diag($1);

            } else {
                push @said, "$_\n";
            }
        }

        diag(@said) if $code != 0;

        is($checks, $planned, 'all checks were made');
        is($code, 0, 'nginx ends well');
        unlike($text, qr/Sanitizer|runtime error:/, 'no sanitizer spoke');
    };
}

($code, $text) = unit('none');
is($code, 1, 'an unknown suite is an error');

done_testing();
