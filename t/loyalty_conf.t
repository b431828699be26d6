# A rule that is read and not followed would cost a shop money or trust, so
# whatever is wrong in "loyalty_program" and "loyalty_header" stops nginx: the
# message says what was found, what is allowed, and where.

use lib 't/lib';
use ShopTest;

use ShopTest::Nginx;

my $keys = key_file();

my $shop = "shop_redis redis://127.0.0.1:6379; shop_secret_file $keys;";

sub conf {
    my ($http, $server, $location) = @_;

    $server = 'shop_base_url http://127.0.0.1:%%port%%;'
        unless defined $server;
    $location = '' unless defined $location;

    return "$shop\n$http\n"
        . "server { listen 127.0.0.1:%%port%%;\n$server\n"
        . "location / {\n$location\n} }\n";
}

sub check {
    my ($http) = @_;
    my $nginx = ShopTest::Nginx->new(http => $http);
    my ($code, $text) = $nginx->check;

    # the line marked with "# here"

    my @lines = split /\n/, read_file($nginx->dir . '/nginx.conf');
    my ($line) = grep { $lines[$_ - 1] =~ /# here/ } 1 .. @lines;

    return ($code, $text, $line);
}

sub good {
    my ($http, $name) = @_;
    my ($code, $text) = check($http);

    ok($code == 0 && $text !~ /\[(?:warn|emerg|alert)\]/, $name)
        or diag($text);
}

sub wrong {
    my ($http, $message, $name) = @_;
    my ($code, $text, $line) = check($http);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $where = $line ? qr/ in \S+:$line$/m : qr/ in \S+:\d+$/m;

    ok($code == 1 && $text =~ /\[emerg\] .*\Q$message\E/
       && $text =~ /\Q$message\E.*?$where/s, $name)
        or diag("code $code, wanted \"$message\"",
                $line ? " at line $line" : '', ', got:', "\n", $text);
}

sub program { return conf("loyalty_program {\n@_\n}") }

sub wrong_line {
    my ($line, $message, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wrong(program("tier bronze;\ntier silver points=1000;\n$line # here\n"),
          $message, $name);
}

sub wrong_promotion {
    my ($line, $message, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wrong_line("promotion WELCOME-10 {\n$line # here\n}\n# ", $message, $name);
}


# what is right

good(conf(''), 'no program');
good(program(''), 'an empty program');

good(program(<<'END'), 'all that this version has');
    currency EUR;
    tier bronze;
    tier silver points=1000;
    tier gold-2 points=5000;

    earn signup 100 pending=14d expires=1y;
    earn login  5   every=1d expires=12M pending=12h;

    segment vip points>=1000 tier>bronze spend>=500.00 recency<=30d;
    segment vip orders!=3 provider=google member_since<2026-01-01;
    segment lapsed recency>1w;
    segment often visit_recency<=1h frequency>=2.125 streak>=7;
    segment often providers=line providers!=x locale=de-AT locale!=zh_Hant;
    segment active;

    promotion WELCOME-10 { audience new; }
    promotion AUTUMN-15  {
        audience segment=vip segment!=champion lapsed at-risk provider!=x;
        audience tier>=silver tier!=gold-2;
        audience new tier<silver;
        audience tier=bronze tier<=silver tier>bronze;
        from     2026-09-01;
        until    2026-12-01T12:00:00+02:00;
        priority 10;
        hours    mon-fri,sun 09:00-18:00;
        hours    22:00-02:00;
        match    path ~^/sale/ /offers;
        match    $http_user_agent "~*mobile";
        match    referrer \~mine;
        holdout  12.5%;
        stop     on;
    }
    promotion SHIPPING-1 { group shipping; stop off; }
    promotion SHIPPING-2 { group shipping; holdout 0.01% convert=14d; }
    promotion EVERYBODY { }
END

good(program('tier silver points=1000;'), 'a first tier with a condition');

my $included = write_file(temp_dir() . '/promotions.conf',
                          "promotion A { audience new; }\n");

good(program("include $included;"), 'lines may be included');


# lines of the program

wrong_line('tiers gold;', 'unknown directive "tiers"',
           'an unknown line is an error');
wrong_line('tiers gold;', 'allowed in "loyalty_program": "currency", '
           . '"tier", "earn", "segment", "promotion"', '... that lists what is allowed');
wrong_line('audience new;', '"audience" directive is not allowed here',
           'a line of a promotion outside of one');

wrong_line('referral advocate=500;', 'the line "referral" of '
           . '"loyalty_program" is not in this version, allowed: '
           . '"currency", "tier", "earn", "segment", "promotion"',
           '"referral" is not in this version');

wrong(conf("loyalty_program { }\nloyalty_program { # here\n}"),
      '"loyalty_program" directive is duplicate', 'a second program');

wrong(conf('', undef, 'loyalty_program { # here'),
      '"loyalty_program" directive is not allowed here',
      'a program in a location');

wrong(program('tier a { # here'),
      'directive "tier" is not terminated by ";"', 'a tier as a block');


# currency

for my $code (qw(eur EURO EU E1R)) {
    wrong_line("currency $code;", "invalid currency \"$code\", it must be a "
               . 'code of ISO 4217: three capital letters, e.g. "EUR"',
               "the currency $code");
}

wrong_line('currency;', 'invalid number of arguments in "currency", '
           . 'allowed: currency CODE;', 'no currency');
wrong_line("currency EUR;\ncurrency USD;", 'duplicate "currency"',
           'a second currency');


# tiers

wrong_line('tier;', 'invalid number of arguments in "tier", '
           . 'allowed: tier NAME [PARAMETER ...];', 'no name');

for my $name ('a.b', 'a,b', '"a b"', 'caf\xc3\xa9', 'x' x 41) {
    (my $bare = $name) =~ s/"//g;

    wrong_line("tier $name points=2000;", "invalid name \"$bare\" of a tier, "
               . 'it must have 1 to 40 characters of A-Z, a-z, 0-9, "_" and '
               . '"-"', "the tier $name");
}

good(program('tier ' . 'x' x 40 . ';'), 'a name of 40 characters');

wrong_line('tier "" points=2000;', 'invalid name "" of a tier',
           'an empty name');
wrong_line('tier silver points=2000;', 'duplicate tier "silver"',
           'a tier twice');
wrong_line('tier gold;', 'tier "gold" has no condition, every tier after '
           . 'the first needs "points=N", "spend=AMOUNT" or "orders=N"',
           'a tier without a condition');
wrong(program('tier bronze valid=1y; # here'), 'tier "bronze" has no '
      . 'condition, a first tier with parameters needs "points=N", '
      . '"spend=AMOUNT" or "orders=N"', 'a first tier that ends');
wrong_line("tier gold points=$_;", 'tier "gold" needs no more "points" than '
           . '"silver", tiers are written lowest first', "points=$_")
    for (999, 1000);
wrong(program("tier bronze;\ntier silver points=0; # here"),
      'tier "bronze" can never be held, since who reaches it reaches "silver" '
      . 'as well', 'a second tier for nothing');
wrong_line('tier gold points=2000 points=3000;', 'duplicate "points=3000"',
           'points twice');

for my $points ('-1', '1.5', '1000p', '', '9007199254740992', '1e3',
                '99999999999999999999')
{
    wrong_line("tier gold points=$points;", "invalid points \"$points\" of "
               . 'tier "gold", it must be an integer from 0 to '
               . '9007199254740991', "points=$points");
}

for my $case ([ 'orders', '1.5', 'an integer from 0 to 9007199254740991' ],
              [ 'match', 'any', '"all"' ],
              [ 'downgrade', 'two', '"balance", "one" or "none"' ],
              (map { [ 'window', $_, 'a number of days or weeks, e.g. "365d",'
                     . ' "calendar" or "lifetime"' ] }
               qw(365 12M 1y 24h 0d year)),
              (map { [ 'valid', $_, 'a number of days, weeks, months or '
                     . 'years, e.g. "365d" or "12M", "calendar" or "lifetime"' ]
                   } qw(365 24h 101y -1d)),
              (map { [ 'grace', $_, 'a number and one of s, m, h, d and w, '
                     . 'e.g. "30d"' ] } qw(30 1M 0d calendar)))
{
    my ($name, $value, $allowed) = @$case;

    wrong_line("tier gold points=2000 window=1d $name=$value;",
               $name eq 'window' ? 'duplicate "window='
               : "invalid $name \"$value\" of tier \"gold\", it must be "
                 . $allowed, "$name=$value");
    wrong_line("tier gold points=2000 $name=$value;", "invalid $name "
               . "\"$value\" of tier \"gold\", it must be $allowed",
               "$name=$value") if $name eq 'window';
}

wrong_line('tier gold spend=500.00;', 'tier "gold" has "spend=500.00", and no '
           . '"currency" was set before', 'spend before currency');

for my $amount ('500.001', '-1', '1e3', '500,00', '99999999999999999') {
    wrong_line("currency EUR;\ntier gold spend=$amount;", 'invalid spend '
               . "\"$amount\" of tier \"gold\", it must be an amount with at "
               . 'most 2 decimals, as EUR has', "spend=$amount");
}

wrong_line("tier gold points=2000 $_;", 'tier "gold" is held for ever, so "'
           . (split /=/)[0] . '" has no meaning without "window=" or '
           . '"valid="', "$_ of a lifetime")
    for qw(grace=30d downgrade=one);

wrong_line('tier gold points=2000 window=365d valid=lifetime grace=1d;',
           'tier "gold" is held for ever', 'grace without an end');

good(program("currency EUR;\n$_"), $_)
    for 'tier a points=1 window=calendar valid=30d grace=12h downgrade=none;',
        'tier a spend=0.50 orders=1 match=all window=52w valid=1y;',
        "tier a points=5;\ntier b points=4 orders=2 match=all;",
        "tier a points=5 window=365d;\ntier b points=5 window=30d;",
        "tier a points=5 orders=1;\ntier b points=9 orders=2;",
        "tier a points=5 orders=2;\ntier b points=9;",
        "tier a spend=5;\ntier b points=5 window=lifetime;",
        "tier a points=5 window=calendar;\ntier b points=5 window=365d;";

# who reaches the first reaches the second as well

wrong(program("$_ # here"), 'tier "a" can never be held, since who reaches it '
      . 'reaches "b" as well, tiers are written lowest first', $_)
    for 'tier a points=5 window=30d; tier b points=5;',
        'tier a points=5 window=30d; tier b points=5 window=365d;',
        'tier a points=5 window=calendar; tier b points=5 window=366d;',
        'tier a points=9 orders=9 match=all; tier b orders=9 match=all;',
        'tier a points=9 orders=9 window=1d; tier b points=1 orders=1;',
        'tier a points=9; tier b points=9 orders=0 match=all;',
        'tier a points=9; tier b orders=0;';

wrong(program("$_ # here"), 'tier "b" needs no more "orders" than "a"', $_)
    for 'tier a points=5 orders=2; tier b points=9 orders=1;',
        'tier a points=5 orders=2 match=all; tier b points=9 orders=2;';

wrong_line('tier gold point=2000;', 'unknown parameter "point=2000" of '
           . '"tier", allowed: "points=N", "spend=AMOUNT", "orders=N", '
           . '"window=DAYS|calendar|lifetime", "match=all", '
           . '"valid=TIME|calendar|lifetime", "grace=TIME", '
           . '"downgrade=balance|one|none"', 'an unknown parameter');
wrong_line('tier gold points;', 'unknown parameter "points" of "tier"',
           'points without a number');

my @many = map { "tier t$_ points=" . ($_ + 1) . ';' } 1 .. 32;

good(program("@many"), '32 tiers');
wrong(program("@many\ntier t33 points=34; # here"),
      'too many tiers with "t33", at most 32 are allowed', '33 tiers');


# promotions

wrong_line('promotion A;', 'directive "promotion" has no opening "{"',
           'a promotion without a block');
wrong_line('promotion A,B { }', 'invalid name "A,B" of a promotion',
           'a code that would not fit in the list');
wrong_line("promotion A { }\npromotion A { }", 'duplicate promotion "A"',
           'a code twice');

wrong_promotion('audiences new;', 'unknown directive "audiences"',
                'an unknown line is an error');
my $lines = '"audience", "from", "until", "hours", "match", "holdout", '
          . '"group", "stop", "priority", "budget", "per_member", "once", '
          . '"payload"';

wrong_promotion('audiences new;', "allowed in \"promotion\": $lines",
                '... that lists what is allowed');
wrong_promotion('tier gold;', '"tier" directive is not allowed here',
                'a line of the program in a promotion');

wrong_promotion('audience;', 'invalid number of arguments in "audience", '
                . 'allowed: audience CONDITION ...;', 'an empty audience');

my $fields = '"tier", "points", "orders", "spend", "recency", '
           . '"member_since", "visit_recency", "frequency", "streak" with =, '
           . '!=, <, <=, > or >= and a value, "provider", "providers", '
           . '"locale" with = or !=';
my $conditions = "allowed: \"new\", the name of a segment, $fields";

for my $word (qw(advocate>1 fan=line)) {
    wrong_promotion("audience new $word;", "the condition \"$word\" of "
                    . "\"audience\" is not in this version, $conditions",
                    "the condition $word");
    wrong_line("segment vip $word;", "the condition \"$word\" of "
               . "\"segment\" is not in this version, allowed: \"new\", "
               . $fields, "... of a segment");
}


# segments

wrong_line('segment;', 'invalid number of arguments in "segment", allowed: '
           . 'segment NAME CONDITION ...;', 'a segment without a name');
wrong_line('segment a,b new;', 'invalid name "a,b" of a segment',
           'the name of a segment');
wrong_line('segment vip;', 'segment "vip" has no condition, only "new", '
           . '"active", "at-risk", "lapsed" and "champion" need none',
           'a segment without a condition');
wrong_line("segment vip new;\nsegment vip;", 'invalid number of arguments in '
           . '"segment"', '... in its second line');
wrong_line('segment vip orders>1 other;', 'unknown condition '
           . "\"other\" of \"segment\", allowed: \"new\", $fields",
           'an unknown condition');
wrong_line('segment vip segment=new;', 'unknown condition "segment=new" of '
           . '"segment"', 'a segment of a segment');
wrong_line('segment vip active;', 'unknown condition "active" of "segment"',
           '... and of a preset');
wrong_line('segment vip tier=platinum;', 'unknown tier "platinum" in '
           . '"segment", declared before: "bronze", "silver"',
           'a tier that is not there');

wrong_promotion('audience segment=vip;', 'unknown segment "vip" in '
                . '"audience", it must be one of a line "segment" above, or '
                . '"new", "active", "at-risk", "lapsed" or "champion"',
                'a segment that is not there');
wrong_promotion('audience segment>new;', 'invalid condition "segment>new" in '
                . '"audience", "segment" is followed, without blanks, by = '
                . 'or != and the name of a segment', 'segments have no order');
wrong_promotion('audience provider<google;', 'invalid condition '
                . '"provider<google" in "audience", "provider" is followed, '
                . 'without blanks, by = or != and the name of a '
                . '"social_provider"', 'nor have providers');
wrong_promotion('audience locale>de;', 'invalid condition "locale>de" in '
                . '"audience", "locale" is followed, without blanks, by = or '
                . '!= and a language tag', '... and languages');

for my $case ('points>=-1', 'points=1.5', 'points=', 'orders>many',
              'orders==1', 'spend>1.001', 'spend>=', 'spend>1,00',
              'recency>30', 'recency>1M', 'recency<0d', 'recency<-1d',
              'member_since<30d', 'member_since>2026-13-01', 'provider=a,b',
              'provider=', 'visit_recency<30', 'visit_recency>=1M',
              'frequency>1.0001', 'frequency=', 'frequency<-1', 'streak=1.5',
              'streak>7d', 'providers=', 'providers!=a,b', 'locale=de.AT',
              'locale!=')
{
    wrong(program("currency EUR;\nsegment vip $case; # here"),
          "in the condition \"$case\" of \"segment\", it must be ",
          "the condition $case");
}

wrong_line('segment vip spend>10.00;', 'invalid value "10.00" in the '
           . 'condition "spend>10.00" of "segment", it must be an amount of '
           . 'money behind a line "currency", e.g. "500.00"',
           'money of no currency');

my @segments = map { "segment s$_ points>$_;" } 1 .. 256;

good(program("@segments"), '256 segments');
wrong(program("@segments\nsegment more points>1; # here"),
      'too many segments with "more", at most 256 are allowed',
      '257 segments');

# a preset is one when it is named

for my $audience ('active', 'segment=active', 'new') {
    my $http = program("@segments\npromotion A {\n"
                       . "audience $audience; # here\n}");
    my ($code, $text) = check($http);

    wrong($http, "too many segments with \"@{[ $audience =~ /(\w+)$/ ]}\", at "
                 . 'most 256 are allowed', "256, and \"audience $audience\"");
    is(() = $text =~ /\[emerg\]/g, 1, '... which is said once')
        or diag($text);
}


# audiences

wrong_promotion('audience newer;', 'unknown condition "newer" of "audience", '
                . $conditions, 'an unknown condition');
wrong_promotion('audience new=1;', 'invalid condition "new=1" in "audience", '
                . '"new" takes no value', '"new" with a value');

for my $word (qw(tier tier!silver), '"tier >= silver"') {
    (my $bare = $word) =~ s/"//g;

    wrong_promotion("audience $word;", $bare =~ / /
                    ? 'unknown condition "tier >= silver"'
                    : "invalid condition \"$bare\" in \"audience\", \"tier\" "
                      . 'is followed, without blanks, by =, !=, <, <=, > or '
                      . '>= and the name of a tier', "audience $word");
}

for my $word (qw(tier=platinum tier==silver tier= tier>=Silver)) {
    (my $name = $word) =~ s/tier>?=//;

    wrong_promotion("audience $word;", "unknown tier \"$name\" in "
                    . '"audience", declared before: "bronze", "silver"',
                    "audience $word");
}

wrong(program("promotion A {\naudience tier=gold; # here\n}\ntier gold;"),
      'unknown tier "gold" in "audience", no tier was declared before',
      'tiers come before promotions');

for my $date (qw(2026-13-01 2026-02-30 01.09.2026 tomorrow 1756684800
                 2026-09-01T10:00 1969-01-01))
{
    wrong_promotion("from $date;", "invalid date \"$date\" in \"from\" of "
                    . 'promotion "WELCOME-10", it must be ISO 8601',
                    "from $date");
}

wrong_promotion('until soon;', 'invalid date "soon" in "until" of promotion',
                'until soon');
wrong_promotion('from 2026-09-01 2026-10-01;', 'invalid number of arguments '
                . 'in "from", allowed: from DATE; and until DATE;',
                'two dates');
wrong_promotion("from 2026-09-01;\nfrom 2026-09-02;", 'duplicate "from"',
                'from twice');
wrong_promotion("from 2026-09-01;\nuntil 2026-09-01;", 'promotion '
                . '"WELCOME-10" ends before it starts: "until" must be later '
                . 'than "from"', 'an end at the start');
wrong_promotion("until 2026-09-01;\nfrom 2026-09-02;",
                'promotion "WELCOME-10" ends before it starts',
                'an end before the start, in the other order');

for my $priority (qw(-1 high 1.5 65536)) {
    wrong_promotion("priority $priority;", "invalid priority \"$priority\" "
                    . 'of promotion "WELCOME-10", it must be an integer from '
                    . '0 to 65535', "priority $priority");
}

wrong_promotion("priority 1;\npriority 2;", 'duplicate "priority"',
                'priority twice');

for my $days ('monday', 'mon-', '-fri', 'mo', 'mon,,fri', 'mon,', '1-5',
              'Mon', 'mon-fri-sun')
{
    wrong_promotion("hours $days 09:00-18:00;", "invalid days \"$days\" in "
                    . '"hours" of promotion "WELCOME-10", they must be days '
                    . 'or ranges of days joined by ",", e.g. "mon-fri,sun"',
                    "the days $days");
}

for my $times (qw(9:00-18:00 09:00 09:00-09:00 09:00-24:01 24:00-09:00
                  09:60-10:00 0900-1800 09:00-18:00Z 09.00-18.00 mon-fri))
{
    wrong_promotion("hours $times;", "invalid times \"$times\" in \"hours\" of "
                    . 'promotion "WELCOME-10", they must be two different '
                    . 'ones from 00:00 to 24:00 in UTC, e.g. "09:00-18:00"',
                    "the times $times");
}

wrong_promotion('hours;', 'invalid number of arguments in "hours", allowed: '
                . 'hours [DAYS] HH:MM-HH:MM;', 'no hours');
wrong_promotion('hours mon tue 09:00-18:00;', 'invalid number of arguments '
                . 'in "hours"', 'days in two words');

wrong_promotion('match path;', 'invalid number of arguments in "match", '
                . 'allowed: match VARIABLE VALUE ...;', 'nothing to match');
wrong_promotion('match $ x;', 'invalid variable "$" in "match" of promotion '
                . '"WELCOME-10", it must be "path", "referrer", "utm" or the '
                . 'name of a variable of nginx', 'a variable without a name');
wrong_promotion('match path ~[;', 'missing terminating ] for character class',
                'a wrong regular expression');
wrong_promotion("match path $_;", "empty regular expression \"$_\" in "
                . '"match"', "an empty one, $_")
    for qw(~ ~*);

my ($code, $text) = check(program('promotion A { match country DE; }'));

ok($code == 1 && $text =~ /\[emerg\] .*unknown "country" variable/,
   'a variable that nobody has declared') or diag($text);

good("map \$remote_addr \$country { default DE; }\n"
     . program('promotion A { match country DE AT; }'), '... and one that is');

for my $percent (qw(10 0% 0.001% 100% 99.991% -1% ten% %)) {
    wrong_promotion("holdout $percent;", "invalid holdout \"$percent\" of "
                    . 'promotion "WELCOME-10", it must be from 0.01% to '
                    . '99.99%, e.g. "10%"', "a holdout of $percent");
}

wrong_promotion("holdout 1%;\nholdout 2%;", 'duplicate "holdout"',
                'holdout twice');
wrong_promotion('holdout 1% convert=1d 2;', 'invalid number of arguments in '
                . '"holdout", allowed: holdout N% [convert=TIME];',
                'too many words');
wrong_promotion('holdout 1% 2%;', 'unknown parameter "2%" of "holdout", '
                . 'allowed: "convert"', 'two holdouts');

for my $time ('', '0d', '23h', '86399s', '7', '1M', '401d', 'week', '-1d') {
    wrong_promotion("holdout 1% convert=$time;", "invalid value \"$time\" in "
                    . '"convert" of promotion "WELCOME-10", it must be a '
                    . 'number and one of s, m, h, d and w, from 1d to 400d, '
                    . 'e.g. "7d"', "orders within \"$time\"");
}

my @measured = map { "promotion P$_ { holdout 5%; }" } 1 .. 64;

good(program("@measured"), '64 holdouts');
wrong(program("@measured\npromotion MORE {\nholdout 5%; # here\n}"),
      'too many promotions with "holdout", with "MORE", at most 64 are '
      . 'allowed', '65 holdouts');

wrong_promotion('group a,b;', 'invalid name "a,b" of a group',
                'the name of a group');
wrong_promotion("group a;\ngroup b;", 'duplicate "group"', 'group twice');
wrong_promotion('group a b;', 'invalid number of arguments in "group", '
                . 'allowed: group NAME;', 'two groups');

my @groups = map { "promotion P$_ { group g$_; }" } 1 .. 64;

good(program("@groups promotion MORE { group g64; }"), '64 groups');
wrong(program("@groups\npromotion MORE {\ngroup g65; # here\n}"),
      'too many groups with "g65", at most 64 are allowed', '65 groups');

wrong_promotion('stop;', 'invalid number of arguments in "stop", allowed: '
                . 'stop on | off;', 'stop what?');
wrong_promotion('stop yes;', 'invalid value "yes" in "stop" of promotion '
                . '"WELCOME-10", it must be "on" or "off"', 'stop yes');
wrong_promotion("stop on;\nstop off;", 'duplicate "stop"', 'stop twice');

for my $both ("group a;\nstop on;", "stop on;\ngroup a;") {
    wrong_promotion($both, 'promotion "WELCOME-10" has both "group" and '
                    . '"stop on", which ends the list for its group, too: '
                    . 'only one of them is allowed', $both =~ s/\n/ /r);
}


# "loyalty" and what it needs

wrong(conf('', undef, 'loyalty yes; # here'),
      'invalid value "yes" in "loyalty" directive, it must be "on" or "off"',
      'loyalty yes');

for my $missing (qw(shop_redis shop_secret_file shop_base_url)) {
    my $text = conf('', undef, 'loyalty on;');

    $text =~ s/\b$missing [^;]*;//;
    wrong($text, "\"loyalty\" is on, but there is no \"$missing\"",
          "loyalty without $missing");
}

wrong(conf('loyalty on;', ''), '"loyalty" is on, but there is no '
      . '"shop_base_url" in this server', '... also when it is inherited');
good(conf('loyalty on;', 'loyalty off;'), '... unless it is off there');


# headers

good(conf('loyalty_header tier X-Member-Tier;',
          "shop_base_url http://127.0.0.1:%%port%%;\n"
          . 'loyalty_header tier X_Tier;',
          "loyalty on;\nloyalty_header customer off;\n"
          . 'loyalty_header provider X-Loyalty-Tier;'),
   'headers renamed and dropped on each level');

wrong(conf("loyalty_header tiers X-Tier; # here"),
      'unknown field "tiers" of "loyalty_header", allowed: "customer", '
      . '"provider", "tier", "points", "segments", "promotions"',
      'an unknown field');
wrong(conf("loyalty_header tier; # here"), 'invalid number of arguments in '
      . '"loyalty_header" directive', 'no name');
wrong(conf("loyalty_header tier X-A;\nloyalty_header tier X-B; # here"),
      'duplicate "loyalty_header tier"', 'a field twice');

for my $name ('"X Tier"', 'X:Tier', 'X\xc3\xa9', '"X-Tier\r\n"', '""',
              'X' x 65)
{
    wrong(conf("loyalty_header tier $name; # here"), 'invalid header name',
          "the name $name");
}

good(conf('loyalty_header tier ' . 'X' x 64 . ';'), 'a name of 64 characters');

for my $name (qw(Host Cookie cookie Connection Content-Length Content_Type
                 Transfer-Encoding TE Trailer Upgrade Keep-Alive
                 Proxy-Authorization Authorization User-Agent If-None-Match
                 Range Expect X-Forwarded-For X_REAL_IP X-Forwarded-Proto
                 Accept Accept-Language Origin Sec-Fetch-Site Set-Cookie
                 Forwarded Via X-Accel-Redirect))
{
    wrong(conf("loyalty_header tier $name; # here"), "header \"$name\" is "
          . 'not allowed in "loyalty_header"', "the name $name");
}

for my $pair ([ 'X-Mine', 'X-Mine' ], [ 'X-Mine', 'x_mine' ]) {
    wrong(conf("loyalty_header tier $pair->[0];\n"
               . "loyalty_header points $pair->[1];"),
          'each field needs a name of its own',
          "$pair->[0] and $pair->[1] for two fields");
}

wrong(conf('loyalty_header tier x-loyalty-points; # here'),
      'header "x-loyalty-points" of "loyalty_header tier" is used for '
      . '"points" too', 'the default name of another field');

wrong(conf("loyalty_header tier X-Mine;", undef,
           "loyalty_header points X-Mine; # here"),
      'header "X-Mine" of "loyalty_header points" is used for "tier" too',
      'a name that the server took');

good(conf("loyalty_header tier X-Mine;", undef,
          "loyalty_header tier off;\nloyalty_header points X-Mine;"),
     '... and gave up');

done_testing();
