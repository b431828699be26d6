# Who may redeem a promotion, and how often, is money: a line about it that is
# not understood stops nginx, and the message says what is allowed.

use lib 't/lib';
use ShopTest;

use ShopTest::Conf;

my $keys = key_file();

sub program {
    return "shop_redis redis://127.0.0.1:6379; shop_secret_file $keys;\n"
        . "loyalty_program {\n@_\n}\n"
        . "server { listen 127.0.0.1:%%port%%;\n"
        . "shop_base_url http://127.0.0.1:%%port%%; }\n";
}

sub wrong_promotion {
    my ($line, $message, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wrong(program("promotion WELCOME-10 {\n$line # here\n}\n"), $message,
          $name);
}

good(program(<<'END'), 'all that there is');
    promotion ROOMS { budget 500; per_member 2 month; payload "5 % ☃"; }
    promotion WEEKS { budget 9007199254740991; per_member 1000000 4w; }
    promotion EVER { per_member 1; once off; }
    promotion OWN { once on; }
    promotion AAAAAAAAAAAAAAAAAAAAAAAAAAAAA { once; budget 1; }
END

for my $budget (qw(0 -1 1.5 9007199254740992), '""') {
    my $value = $budget =~ s/"//gr;

    wrong_promotion("budget $budget;", "invalid budget \"$value\" of promotion "
                    . '"WELCOME-10", it must be an integer from 1 to '
                    . '9007199254740991', "a budget of $budget");
}

wrong_promotion("budget 1;\nbudget 2;", 'duplicate "budget"', 'budget twice');
wrong_promotion('budget;', 'invalid number of arguments in "budget", allowed: '
                . 'budget N;', 'no budget');

for my $n (qw(0 -1 1000001 x)) {
    wrong_promotion("per_member $n;", "invalid \"per_member $n\" of promotion "
                    . '"WELCOME-10", it must be an integer from 1 to 1000000',
                    "a limit of $n");
}

for my $period (qw(hour 12h 367d 1M 0d d)) {
    wrong_promotion("per_member 1 $period;", "invalid period \"$period\" in "
                    . '"per_member" of promotion "WELCOME-10", it must be '
                    . '"day", "week", "month", "year", or days or weeks up to '
                    . '"366d"', "a period $period");
}

wrong_promotion('per_member;', 'invalid number of arguments in "per_member"',
                'no limit');
wrong_promotion('once 1;', 'invalid value "1" in "once" of promotion '
                . '"WELCOME-10", it must be "on" or "off"', 'once a number');
wrong_promotion('once on off;', 'invalid number of arguments in "once", allowed: '
                . 'once [on | off];', 'once with two words');

for my $both ("once;\nper_member 1;", "per_member 1;\nonce;", "once;\nonce;",
              "per_member 1;\nper_member 2;")
{
    wrong_promotion($both, 'promotion "WELCOME-10" has "once" or "per_member" '
                    . 'already: only one of them is allowed, once',
                    $both =~ s/\n/ /r);
}

my $long = 'A' x 30;

wrong(program("promotion $long {\nonce; # here\n}\n"), "promotion \"$long\" has "
           . '"once", so its code must have at most 29 characters',
           'a code that leaves no room for that of a customer');

for my $payload ('""', "\"a\tb\"", "\"\xff\"", "\"\xed\xa0\x80\"",
                 "\"a\xc3\"", 'x' x 1025)
{
    wrong_promotion("payload $payload;", 'invalid payload of promotion '
                    . '"WELCOME-10", it must be 1 to 1024 bytes of UTF-8 '
                    . 'without control characters',
                    'payload ' . substr($payload, 0, 9)
                                 =~ s/([^ -~])/sprintf '%02x', ord $1/ger);
}

wrong_promotion("payload a;\npayload b;", 'duplicate "payload"',
                'payload twice');
wrong_promotion('payload a b;', 'invalid number of arguments in "payload", '
                . 'allowed: payload TEXT;', 'a payload without quotes');

done_testing();
