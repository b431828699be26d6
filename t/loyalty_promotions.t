# Who is given which promotion, and that it is the same on every nginx: the
# program is compared with a model of it, over random programs and customers.
# A program that failed can be had again by its number:
#
#     SHOP_PROGRAM=17 prove t/loyalty_promotions.t

use lib 't/lib';
use ShopTest;

use ShopTest::Offers;
use ShopTest::Session;

my $redis   = redis();
my $backend = backend();
my $keys    = key_file();
my $day     = 86400;

sub start {
    my ($program, %options) = @_;

    return nginx(
        vars => { redis => $redis->url, backend => $backend->url },
        %options,
        http => <<"END");
    shop_redis       %%redis%%;
    shop_secret_file $keys;

    map \$http_x_country \$country {
        default \$http_x_country;
    }

    map \$http_user_agent \$device {
        ~(phone)\$ phone;
        ~pad\$     pad;
    }

    map \$loyalty_tier \$rate {
        default slow;
        gold    fast;
    }

    loyalty_program {
        $program
    }

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;

        location / {
            loyalty    on;
            add_header X-Session \$shop_session;
            proxy_pass %%backend%%;
        }

        location ~ ^/part/(.*)\$ {
            loyalty    on;
            proxy_pass %%backend%%/got/\$1;
        }

        location /moved/ {
            loyalty    on;
            rewrite    ^/moved(.*) \$1 last;
        }

        location /off/ {
            try_files  /nothing /sale/off;
        }
    }
END
}

sub customer {
    return ShopTest::Session->new(redis => $redis, @_);
}

sub given {
    my ($nginx, $session, $uri, @headers) = @_;
    my $echo = $nginx->get($uri, Cookie => $session->cookie, @headers)->json;

    return (ShopTest::Backend::values_of($echo, 'X-Promotion'))[0] || '';
}


# --- matches ----------------------------------------------------------------

my $nginx = start(<<'END');
    promotion PATH     { match path /sale/shoes ~^/coats/; }
    promotion REFERRER { match referrer ~*^https://partner\.example/; }
    promotion UTM      { match utm autumn; }
    promotion MEDIUM   { match $arg_utm_medium e-mail; }
    promotion COUNTRY  { match country DE AT; match country ~^D; }
    promotion TILDE    { match country \~; }
    promotion EMPTY    { match country ""; priority 200; }
END

my $one = customer();

is(given($nginx, $one, '/'), 'EMPTY', 'a variable may be empty');
is(given($nginx, $one, '/sale/shoes'), 'PATH,EMPTY', 'a path');
is(given($nginx, $one, '/sale/shoes/'), 'EMPTY', '... is equal or it is not');
is(given($nginx, $one, '/sale/../coats/7?x=/sale/shoes'), 'PATH,EMPTY',
   'a path by a regular expression, as nginx understands it');
is(given($nginx, $one, '/moved/sale/shoes'), 'PATH,EMPTY',
   'a path that was rewritten');
is(given($nginx, $one, '/off/'), 'EMPTY',
   'it is the path where the customer was known first');

is(given($nginx, $one, '/', Referer => 'HTTPS://PARTNER.example/a'),
   'REFERRER,EMPTY', 'a referrer, in any case');
is(given($nginx, $one, '/', Referer => 'https://partner-example/'), 'EMPTY',
   '... another one');
is(given($nginx, $one, '/?utm_campaign=autumn&utm_medium=e-mail'),
   'MEDIUM,UTM,EMPTY', 'parameters of a campaign');
is(given($nginx, $one, '/', 'X-Country' => 'DE'), 'COUNTRY',
   'a country, by all lines');
is(given($nginx, $one, '/', 'X-Country' => 'AT'), '',
   '... and not by one of them');
is(given($nginx, $one, '/', 'X-Country' => '~'), 'TILDE',
   'a value that begins as a regular expression does');

# what a "map" does to find a value is its own affair

{
    my $nginx = start(<<'PROGRAM');
    tier bronze;
    tier gold points=1000;

    promotion PHONE { match device phone; }
    promotion PAD   { match device pad; }
    promotion FAST  { match rate fast; }
PROGRAM

    my $gold = customer(view => { points => 2000, qualifying => 2000 });

    for my $device (qw(phone pad none)) {
        my $echo = $nginx->get('/part/shoes', Cookie => $gold->cookie,
                               'User-Agent' => "a $device")->json;

        is($echo->{uri}, '/got/shoes',
           "$device: what the location has found is still there");
        is((ShopTest::Backend::values_of($echo, 'X-Promotion'))[0],
           join(',', 'FAST', $device eq 'none' ? () : uc $device),
           '... and so is the tier, for a variable that is made of it');
    }
}

my $hostile = 'a' x 4000 . '!';

is(given(start('promotion A { match country ~^(a+)+$; }'), $one, '/',
         'X-Country' => $hostile),
   '', 'an expression that takes too long does not match');

$nginx->stop;


# --- the arms of a holdout --------------------------------------------------

my $half = 'promotion HALF { holdout 50%; } promotion ALL { priority 200; }';
my @customers = map { customer() } 1 .. 40;

$nginx = start($half, workers => 2);

my $seed = '';
my @arms = map { given($nginx, $_, '/') } @customers;

$seed = $redis->command('HGET', 'shop:meta', 'seed');

my @expected = map {
    ShopTest::Offers::bucket($seed, 'HALF', $_->customer) < 5000
        ? 'ALL' : 'HALF,ALL'
} @customers;

is_deeply(\@arms, \@expected, 'the seed, the code and the customer decide');

my %sizes;
$sizes{$_}++ for @arms;

ok($sizes{'ALL'} && $sizes{'HALF,ALL'}, 'both arms have customers');

my $other = start($half);

is_deeply([ map { given($other, $_, '/') } @customers ], \@expected,
          'another nginx says the same');

# of what it knows in the memory that stays

for my $session (@customers) {
    wait_for {
        $nginx->get('/', Cookie => $session->cookie)->header('X-Session')
            eq 'cached'
    } 'a copy of the customer';
}

$redis->freeze;

$nginx->reload;

is_deeply([ map { given($nginx, $_, '/') } @customers ], \@expected,
          'so does one that was told to reload');

$redis->thaw;

$nginx->stop;
$nginx = start($half);

is_deeply([ map { given($nginx, $_, '/') } @customers ], \@expected,
          '... and one that was started again');

$nginx->stop;
$other->stop;


# --- random programs --------------------------------------------------------

my $state;

# of Park and Miller, so that a program is the same everywhere

sub random {
    my ($n) = @_;

    $state = $state * 48271 % 2147483647;

    return $state % $n;
}

sub one_of { return $_[random(scalar @_)] }

sub some { my @list = map { $_[0]->() } 0 .. random($_[1]); return \@list }

sub audience {
    return some(sub {
        return random(3) ? one_of(qw(= != < <= > >=)) =~ s/^/tier/r
                           . one_of(qw(bronze silver gold))
                         : 'new';
    }, 2);
}

sub hours {
    my ($from, $until) = (random(24), random(24));

    $until = ($from + 1) % 24 if $until == $from;

    return [ join(',', @{ some(sub {
                 my @days = map { one_of(qw(mon tue wed thu fri sat sun)) }
                            0 .. 1;
                 return random(2) ? $days[0] : "$days[0]-$days[1]";
             }, 2) }),
             sprintf '%02u:00-%02u:%02u', $from, $until,
                     random(2) ? 0 : 59 ];
}

sub match {
    return [ 'country', @{ some(sub {
        return one_of('DE', 'AT', 'CH', '~^A', '~*^d', '~H$');
    }, 2) } ];
}

sub program {
    my ($now) = @_;
    my $today = $now - $now % $day;

    my @promotions = map { {
        code => "P$_",
        random(2) ? () : (audience => some(\&audience, 2)),
        random(3) ? () : (hours => some(\&hours, 2)),
        random(3) ? () : (match => some(\&match, 2)),
        random(4) ? () : (from => $today + $day * (random(5) - 3)),
        random(4) ? () : (until => $today + $day * (random(5) + 3)),
        random(2) ? () : (priority => random(5) * 50),
        random(3) ? () : (holdout => one_of(10, 50, 90)),
        one_of({}, {}, { group => 'a' }, { group => 'b' }, {},
               random(3) ? {} : { stop => 1 })->%*,
    } } 1 .. 12;

    return ShopTest::Offers->new(tiers => [ qw(bronze silver gold) ],
                                 promotions => \@promotions);
}

my ($first, $last) = split /-/, $ENV{SHOP_PROGRAM} || '1-20';

for my $number ($first .. $last || $first) {
    $state = $number;
    random(2) for 1 .. 10;

    my $offers = program(time);
    my $nginx = start($offers->conf);
    my $wrong = 0;

    for (1 .. 12) {
        my $tier = one_of(qw(bronze silver gold));
        my %points = (bronze => 0, silver => 1000, gold => 2000);
        my $view = { tier => $tier, qualifying => $points{$tier},
                     orders => random(2) };
        my $session = customer(view => $view);
        my $country = one_of(qw(DE AT CH FR d));

        my %moment = (seed => $seed, customer => $session->customer,
                      variables => { country => $country });

        # the clock may go on meanwhile

        my @before = $offers->promotions($view, time, %moment);
        my $given = given($nginx, $session, '/', 'X-Country' => $country);
        my @after = $offers->promotions($view, time, %moment);

        next if $given eq join(',', @after) || $given eq join(',', @before);

        is($given, join(',', @after), "program $number: tier $tier, "
           . "$view->{orders} orders, from $country, "
           . $session->customer);
        diag($offers->conf);
        $wrong = 1;
        last;
    }

    ok(!$wrong, "program $number");
    $nginx->stop;
}

done_testing();
