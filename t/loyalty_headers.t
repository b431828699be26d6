# What the backend is told of a customer, and that nobody else can tell it.

use lib 't/lib';
use ShopTest;

use ShopTest::Session;

my $redis   = redis();
my $backend = backend();
my $keys    = key_file();

my $nginx = nginx(
    vars => { redis => $redis->url, backend => $backend->url },
    http => <<"END");
    shop_redis       %%redis%%;
    shop_secret_file $keys;

    loyalty_program {
        tier bronze points=0;
        tier silver points=1000;
        tier gold   points=5000;

        promotion WELCOME-10 { audience new; }
        promotion AUTUMN-15  { audience tier>=silver; priority 10; }
        promotion OVER       { until 2020-01-01; }
    }

    ignore_invalid_headers   off;
    underscores_in_headers   on;

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;

        location / {
            loyalty    on;
            proxy_pass %%backend%%;
        }

        location /off/ {
            proxy_pass %%backend%%;
        }

        location /renamed/ {
            loyalty        on;
            loyalty_header customer   X-Member;
            loyalty_header provider   off;
            loyalty_header tier       X_Member_Tier;
            loyalty_header points     x-member-points;
            loyalty_header segments   off;
            loyalty_header promotions X-Loyalty-Tier;
            proxy_pass     %%backend%%;

            location /renamed/again/ {
                loyalty_header provider X-Member-From;
                loyalty_header tier     X-Level;
                proxy_pass     %%backend%%;
            }
        }

        location /none/ {
            loyalty        on;
            loyalty_header customer   off;
            loyalty_header provider   off;
            loyalty_header tier       off;
            loyalty_header points     off;
            loyalty_header segments   off;
            loyalty_header promotions off;
            proxy_pass     %%backend%%;
        }
    }

    server {
        listen 127.0.0.1:%%port2%%;

        location / {
            proxy_pass %%backend%%;
        }
    }
END


# all headers that start as ours do, as "Name: value" joined by "; "

sub ours {
    my ($response) = @_;

    return join '; ', map { "$_->[0]: $_->[1]" }
        grep { $_->[0] =~ /^x[-_](?:customer|loyalty|promotion
                                    |member|level)/ix }
        @{ $response->json->{headers} };
}

sub sent {
    my ($session, $uri, @headers) = @_;

    return ours($nginx->get($uri, @headers,
                            $session ? (Cookie => $session->cookie) : ()));
}

sub customer {
    return ShopTest::Session->new(redis => $redis, view => { @_ });
}


# values

my $silver = customer(tier => 'silver', points => 1250, qualifying => 1300,
                      orders => 2, segments => 'vip,at-risk');
my $id = $silver->customer;

is(sent($silver, '/'), "X-Customer-Id: $id; X-Customer-Provider: work; "
   . 'X-Loyalty-Tier: silver; X-Loyalty-Points: 1250; '
   . 'X-Loyalty-Segments: vip,at-risk; X-Promotion: AUTUMN-15',
   'a customer with all there is');

my $new = customer();

is(sent($new, '/'), 'X-Customer-Id: ' . $new->customer
   . '; X-Customer-Provider: work; X-Loyalty-Tier: bronze; '
   . 'X-Loyalty-Points: 0; X-Promotion: WELCOME-10',
   'a customer without a view: no points are sent as 0');

my $none = customer(qualifying => -5, orders => 1);

is(sent($none, '/'), 'X-Customer-Id: ' . $none->customer
   . '; X-Customer-Provider: work; X-Loyalty-Points: 0',
   'no tier and no promotion: no header');

my $both = customer(qualifying => 5000, points => 9007199254740991);

is(sent($both, '/'), 'X-Customer-Id: ' . $both->customer
   . '; X-Customer-Provider: work; X-Loyalty-Tier: gold; '
   . 'X-Loyalty-Points: 9007199254740991; '
   . 'X-Promotion: AUTUMN-15,WELCOME-10',
   'a list is joined without blanks, best first');

my $google = ShopTest::Session->new(redis => $redis, provider => 'google_2',
                                    customer => 'a.b~c:d@e-F');

like(sent($google, '/'),
     qr/^X-Customer-Id: a\.b~c:d\@e-F; X-Customer-Provider: google_2;/,
     'the provider is the one of this session');


# nothing of Redis can split a header

my $hostile = customer(tier => "gold\r\nX-Loyalty-Points: 9",
                       segments => "a\r\nX-Customer-Id: b", orders => 1);

is(sent($hostile, '/'), 'X-Customer-Id: ' . $hostile->customer
   . '; X-Customer-Provider: work; X-Loyalty-Tier: bronze; '
   . 'X-Loyalty-Points: 0', 'a tier and segments with line feeds are dropped');

my $old = customer(tier => 'platinum', qualifying => 1000, orders => 1);

like(sent($old, '/'), qr/X-Loyalty-Tier: silver/,
     'a tier of an older program is not sent');

my $wrong = ShopTest::Session->new(redis => $redis,
                                   provider => "x\r\nX-Loyalty-Tier: gold");

is(sent($wrong, '/'), '', 'a provider with line feeds is no session');


# nobody

is(sent(undef, '/'), '', 'an anonymous visitor sends none');

my $forged = ShopTest::Session->new(redis => $redis, secret_key => 'cd' x 32,
                                    customer => $id);

is(sent($forged, '/'), '', 'a cookie of another key sends none');

my $ended = customer(tier => 'gold');
$ended->end;

is(sent($ended, '/'), '', 'a session that ended sends none');

is(sent($silver, '/off/'), '', 'where "loyalty" is off, none are sent');


# forged by the client: everywhere, in any spelling

my @forged = map { ($_ => 'forged') } (
    'X-Customer-Id', 'x-customer-id', 'X_Customer_Id', 'X-CUSTOMER-PROVIDER',
    'X-Loyalty-Tier', 'x_loyalty-tier', 'X-Loyalty-Points',
    'X_LOYALTY_POINTS', 'X-Loyalty-Segments', 'X-Promotion', 'X_Promotion',
    'X-Member', 'X_Member', 'X-Member-Tier', 'X_Member_Tier', 'x-level',
    'X-Member-Points', 'X-Member-From', 'X-Loyalty-Tier', 'X-Customer-Id',
);

for my $uri ('/', '/off/', '/renamed/', '/none/') {
    is(sent(undef, $uri, @forged), '', "forged headers are removed in $uri");
}

for my $method (qw(OPTIONS POST DELETE)) {
    is(ours(request($nginx->port, $method, '/', headers => [ @forged ],
                    $method eq 'POST' ? (body => 'a=1') : ())),
       '', "... of $method too");
}

is(ours(request($nginx->port(2), 'GET', '/', headers => [ @forged ])), '',
   '... in a server that has nothing of a shop');

is(sent($silver, '/', @forged), sent($silver, '/'),
   'a customer sees what is true, forged or not');

is(sent($silver, '/', 'X-Loyalty' => 1, 'X-Loyalty-Tier2' => 2,
        'X-Customer' => 3),
   'X-Loyalty: 1; X-Loyalty-Tier2: 2; X-Customer: 3; '
   . sent($silver, '/'), 'other headers stay');


# renamed

is(sent($silver, '/renamed/'), "X-Member: $id; X_Member_Tier: silver; "
   . 'x-member-points: 1250; X-Loyalty-Tier: AUTUMN-15',
   'headers are renamed and dropped');

is(sent($silver, '/renamed/again/'), "X-Member: $id; X-Member-From: work; "
   . 'X-Level: silver; x-member-points: 1250; X-Loyalty-Tier: AUTUMN-15',
   '... on every level');

is(sent($silver, '/none/'), '', 'all of them may be dropped');


# the cookie stays here

my $echo = $nginx->get('/', Cookie => 'a=1; ' . $silver->cookie . '; b=2')
           ->json;

is((ShopTest::Backend::values_of($echo, 'Cookie'))[0], 'a=1; b=2',
   'the backend does not see the session');


# one connection, one customer after another

my $c = $nginx->connect;

for my $session ($silver, undef, $new, $silver) {
    $c->send('GET', '/', headers => [
        $session ? (Cookie => $session->cookie) : () ]);

    is(ours($c->response), sent($session, '/'),
       'on a kept connection too: ' . ($session ? $session->customer : '-'));
}

$nginx->keep_secret(map { $_->value } $silver, $new, $both);

done_testing();
