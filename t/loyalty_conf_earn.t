# A rule that is read and not followed would cost a shop money or trust, so
# whatever is wrong in a line "earn" stops nginx, and the message says what is
# allowed.

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

my $tiers = "tier bronze;\ntier silver points=1000;\n";

sub wrong_line {
    my ($line, $message, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wrong(program("currency EUR;\n$tiers$line # here\n"), $message,
          $name || $line);
}


# what is right

good(program(<<'END'), 'all that there is');
    currency EUR;
    tier bronze;
    tier silver points=1000;

    earn signup 100 tier=bronze pending=14d expires=1y;
    earn login  5 every=1d limit=3/week tier=silver expires=12M pending=12h;
    earn login  1;
    earn visit  1 limit=1/day expires=30d;
    earn streak 50 days=7 pending=1d;
    earn streak 500 days=30 tier=silver;
    earn order  1 per=1.00 min=0.01 every=1h limit=1000000/year
                multiply=silver:1.5 multiply=bronze:1 pending=14d;
    earn order  100 min=50;
    earn custom:review 10 limit=2/month every=1h min=5;
    earn custom:a_b-C9 10;
END

good(program("currency JPY;\nearn order 1 per=100;"),
     'a currency without decimals');
good(program("currency KWD;\nearn order 1 per=0.001;"), '... and with three');
good(program('earn order 5;'), 'an order whatever it is worth');
good(program(map { "earn custom:e$_ 1;\n" } 1 .. 64), '64 rules');
wrong(program((map { "earn custom:e$_ 1;\n" } 1 .. 64),
              "earn login 1; # here\n"),
      'too many rules with "earn login", at most 64 are allowed', '65 rules');


# what is earned for

my $rules = '"signup", "login", "visit", "streak", "order", "custom:NAME"';

wrong_line($_, 'invalid number of arguments in "earn", allowed: earn WHAT '
           . 'POINTS [PARAMETER ...];') for 'earn;', 'earn login;';

wrong_line('earn fan 1;', 'the rule "fan" of "earn" is not in this version, '
           . "allowed: $rules");

wrong_line("earn $_ 5;", "unknown rule \"$_\" of \"earn\", allowed: $rules")
    for 'logins', 'custom', 'custom:', 'custom:a:b', 'custom:r%C3%A9view',
        'custom:' . 'x' x 41, 'order:o1';

wrong_line("earn order $_;", "invalid points \"$_\" of \"earn order\", it "
           . 'must be an integer from 1 to 9007199254740991')
    for qw(0 -5 5.5 five 9007199254740992 per=1.00);


# parameters that a rule does not have

my $dates = '"tier=NAME", "pending=T", "expires=T"';
my $pace  = '"every=T", "limit=N/T"';

my %allowed = (
    signup          => $dates,
    login           => "$pace, $dates",
    visit           => "$pace, $dates",
    streak          => "\"days=N\", $dates",
    order           => "\"per=AMOUNT\", \"min=AMOUNT\", $pace, \"tier=NAME\", "
                       . '"multiply=TIER:N", "pending=T", "expires=T"',
    'custom:review' => "\"min=AMOUNT\", $pace, $dates",
);

my %value = (per => '1.00', min => '1.00', days => 7, every => '1d',
             limit => '1/day', tier => 'bronze', multiply => 'silver:2',
             pending => '1d', expires => '1d', evry => '1d');

for my $rule (sort keys %allowed) {
    (my $name = $rule) =~ s/:.*//;

    for my $word (sort keys %value) {
        next if $allowed{$rule} =~ /"$word=/;

        wrong_line("earn $rule 5 $word=$value{$word};",
                   "unknown parameter \"$word=$value{$word}\" of \"earn "
                   . "$name\", allowed: $allowed{$rule}");
    }
}

wrong_line('earn streak 5;', '"earn streak" needs "days=N"');


# parameters twice

for my $word (qw(per min every limit tier pending expires)) {
    wrong_line("earn order 5 $word=$value{$word} $word=$value{$word};",
               "duplicate \"$word=$value{$word}\"");
}

wrong_line('earn streak 5 days=7 days=7;', 'duplicate "days=7"');
wrong_line('earn order 5 multiply=silver:2 multiply=bronze:1 '
           . 'multiply=silver:1.5;', 'duplicate "multiply=silver:1.5"');


# amounts

wrong_line("earn order 1 $_;", "invalid amount in \"$_\" of \"earn order\", "
           . 'it must be more than 0, with a point and at most 2 decimals, '
           . 'as EUR has')
    for qw(per=0 per=0.00 per=1.001 per=-1 per=1e2 per=1EUR
           min=90071992547409.92 min=.5), 'per=1,00', 'per=';

wrong(program("currency JPY;\nearn order 1 per=1.00; # here\n"),
      'at most 0 decimals, as JPY has', 'a fraction of the smallest unit');

wrong(program("earn order 1 per=1.00; # here\ncurrency EUR;\n"),
      '"per=1.00" of "earn order" is an amount of money, "currency" must be '
      . 'set in a line before', 'an amount before its currency');
wrong(program("earn custom:review 1 min=1.00; # here\n"),
      '"min=1.00" of "earn custom:review" is an amount of money',
      'an amount without a currency');


# times

wrong_line("earn login 5 every=$_;", "invalid time \"$_\" in \"every=\" of "
           . '"earn login", it must be at least a second')
    for qw(0 0d day 1x -1d), '';

for my $name (qw(pending expires)) {
    wrong_line("earn signup 5 $name=$_;",
               "invalid time in \"$name=$_\" of \"earn signup\", it must be "
               . 'a number and one of s, m, h, d, w, M and y, e.g. "14d", '
               . 'and at most 100 years')
        for '', qw(0d d 14 14x -1d 1d12h 101y 1201M 36526d
                   9223372036854775807s 99999999999999999999d);

    good(program("earn login 5 $name=100y;"), "$name=100y");
}

wrong_line("earn streak 5 days=$_;", "invalid \"days=$_\" of \"earn streak\","
           . ' it must be an integer from 1 to 36525')
    for qw(0 -1 7d 36526), '';

wrong_line("earn visit 5 limit=$_;", "invalid \"limit=$_\" of \"earn visit\","
           . ' it must be an integer from 1 to 1000000, "/" and one of '
           . '"day", "week", "month" and "year", e.g. "limit=3/week"')
    for qw(3 0/day -1/day 3/ /day 3/hour 3/days 1000001/day 3/day/day), '';


# tiers

wrong_line("earn login 5 tier=$_;", "unknown tier \"$_\" in \"tier=\", "
           . 'declared before: "bronze", "silver"')
    for 'gold', '', 'SILVER';

wrong_line('earn order 5 multiply=gold:2;', 'unknown tier "gold" in '
           . '"multiply=", declared before: "bronze", "silver"');

wrong(program("earn login 5 tier=bronze; # here\ntier bronze;\n"),
      'unknown tier "bronze" in "tier=", no tier was declared before',
      'tiers come before rules');

wrong_line("earn order 5 multiply=$_;", "invalid \"multiply=$_\" of \"earn "
           . 'order", it must be the name of a tier, ":" and a number from 1 '
           . 'to 1000 with at most three decimals')
    for qw(silver silver: silver:0.5 silver:0 silver:1.0001 silver:1001
           silver:x silver:-2 2:silver), '';

done_testing();
