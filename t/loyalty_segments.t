# Which segments a customer is in, what the backend and the customer are told
# of it, and that audiences mean the same: compared with a model, over random
# programs and customers.  A program that failed can be had again by its
# number:
#
#     SHOP_PROGRAM=17 prove t/loyalty_segments.t

use lib 't/lib';
use ShopTest;

use ShopTest::Offers;
use ShopTest::Session;

my $redis   = redis();
my $backend = backend();
my $keys    = key_file();
my $day     = 86400;

sub start {
    my ($program) = @_;

    return nginx(
        vars => { redis => $redis->url, backend => $backend->url },
        http => <<"END");
    shop_redis       %%redis%%;
    shop_secret_file $keys;

    loyalty_program {
        $program
    }

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;

        location / {
            loyalty    on;
            add_header X-Segments "\$loyalty_segments";
            proxy_pass %%backend%%;
        }
    }
END
}

sub customer {
    my (%view) = @_;

    return ShopTest::Session->new(redis => $redis, view => \%view);
}

# what the backend is told, "SEGMENTS PROMOTIONS"

sub told {
    my ($nginx, $session) = @_;
    my $response = $nginx->get('/', Cookie => $session->cookie);
    my ($segments, $promotions) =
        map { (ShopTest::Backend::values_of($response->json, $_))[0] || '-' }
        qw(X-Loyalty-Segments X-Promotion);

    is($response->header('X-Segments') || '-', $segments,
       'the variable says the same') if $segments ne '-';

    return "$segments $promotions";
}


# --- what is told -----------------------------------------------------------

my $nginx = start(<<'END');
    currency EUR;
    tier bronze;
    tier silver points=1000;
    segment vip tier>=silver spend>=500.00;
    segment vip orders>=10;
    segment lapsed;
    promotion FRIENDS { audience segment!=vip active; }
    promotion THANKS  { audience vip; priority 10; }
END

is(told($nginx, customer()), '- -', 'who is in no segment sends no header');
is(told($nginx, customer(qualifying => 1000, orders => 1, spend => 50000,
                         last_order => time - $day)),
   'vip THANKS', 'a segment, and its promotion');
is(told($nginx, customer(qualifying => 1000, orders => 1, spend => 49999,
                         last_order => time - $day)),
   '- FRIENDS', 'a cent too little: only a preset that is not told');
is(told($nginx, customer(orders => 10, last_order => time - 200 * $day)),
   'vip,lapsed THANKS', 'by another line; a preset that has one is told');
is(told($nginx, customer(segments => 'press,vip', orders => 1)),
   'vip,press THANKS', 'segments that the shop has given');

my $one = customer(orders => 9, last_order => time - $day);

is(told($nginx, $one), '- FRIENDS', 'a customer');
$one->view(orders => 10);
wait_for { told($nginx, $one) eq 'vip THANKS' } 'the next order', 20;

$nginx->stop;


# --- random programs --------------------------------------------------------

my $state;

# of Park and Miller, so that a program is the same everywhere

sub random {
    my ($n) = @_;

    $state = $state * 48271 % 2147483647;

    return $state % $n;
}

sub one_of { return $_[random(scalar @_)] }

sub some {
    my ($what, $n) = @_;
    my @list = map { $what->() } 0 .. random($n);

    return @list;
}

sub condition {
    my $op = one_of(qw(= != < <= > >=));

    return one_of(
        'new', "tier$op" . one_of(qw(bronze silver gold)),
        "points$op" . one_of(0, 500, 1000), "orders$op" . random(6),
        "spend$op" . one_of('0', '10', '49.99', '100.5'),
        "recency$op" . one_of('30d', '2w', '100d', '4000h'),
        "member_since$op" . one_of('2024-01-01', '2025-07-01'),
        'provider' . one_of('=', '!=') . one_of('work', 'google'),
        'providers' . one_of('=', '!=') . one_of(qw(work google line)),
        'locale' . one_of('=', '!=') . one_of(qw(de de-AT en)),
        "visit_recency$op" . one_of('2d', '100h', '3w'),
        "frequency$op" . one_of('0', '1.5', '2.125'),
        "streak$op" . one_of(0, 1, 5));
}

my @names = qw(a b c new active at-risk lapsed champion);

sub program {
    my %lines;

    # a segment of the program has conditions, a preset may

    for my $name (@names) {
        $lines{$name} = [ map { [ some(\&condition, 2) ] } 0 .. random(2) ]
            if $name =~ /^.$/ || !random(3);
    }

    my @told = grep { $lines{$_} || !random(3) } @names;

    return ShopTest::Offers->new(
        tiers      => [ qw(bronze silver gold) ],
        segments   => [ map { [ $_, @{ $lines{$_} || [] } ] } @told ],
        promotions => [ map { { code => "P$_", audience => [
            map { [ some(sub {
                return one_of(condition(), one_of(@names),
                              'segment' . one_of('=', '!=')
                              . one_of(@names));
            }, 2) ] } 0 .. random(2) ] } } 1 .. 8 ],
    );
}

sub visits {
    my $last = time - random(40) * $day - 3000;

    return join ' ', $last, one_of(0, $last - (1 + random(9)) * $day),
                     one_of(1000, 1499, 2200, 4000), 1 + random(6);
}

my ($first, $last) = split /-/, $ENV{SHOP_PROGRAM} || '1-20';

for my $number ($first .. $last || $first) {
    $state = $number;
    random(2) for 1 .. 10;

    my $offers = program();
    my $nginx = start($offers->conf);
    my $wrong = 0;

    for (1 .. 12) {
        my $tier = one_of(qw(bronze silver gold));
        my %points = (bronze => 0, silver => 1000, gold => 2000);
        my $orders = random(7);

        # minutes from where a condition changes, whatever the clock does

        my $view = {
            tier => $tier, qualifying => $points{$tier},
            points => one_of(0, 499, 500, 1000, 1001),
            created => 1700000000 + random(60000000),
            one_of(0, 1) ? (segments => one_of('a', 'x', 'x,b', 'lapsed'))
                         : (),
            $orders ? (orders => $orders,
                       spend => one_of(100, 1000, 4999, 10050, 10051),
                       last_order => time - random(250) * $day - 3000) : (),
            one_of(0, 1) ? (visits => visits()) : (),
            one_of(0, 1) ? (providers => one_of('work', 'google,line'))
                         : (),
            one_of(0, 1) ? (locale => one_of(qw(de de_AT de-CH EN-us fr)))
                         : (),
        };

        my $session = customer(%$view);
        my $expected = sub {
            my @moment = ($view, time, provider => 'work');

            return join ' ', map { join(',', @$_) || '-' }
                   [ $offers->segments(@moment) ],
                   [ $offers->promotions(@moment) ];
        };

        # midnight may be between the two

        my $before = $expected->();
        my $is = told($nginx, $session);
        my $ought = $expected->();

        next if $is eq $ought || $is eq $before;

        is($is, $ought, "program $number");
        diag($offers->conf, explain($view));
        $wrong = 1;
        last;
    }

    ok(!$wrong, "program $number");
    $nginx->stop;
}

done_testing();
