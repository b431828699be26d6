# The variables, and when they are there: from PREACCESS on, before
# "limit_req", and never from a step that ran too early to know.

use lib 't/lib';
use ShopTest;

use ShopTest::Session;

my $redis   = redis();
my $backend = backend();
my $vip     = backend();
my $keys    = key_file();

my $nginx = nginx(
    vars => { redis => $redis->url, backend => $backend->url,
              vip => $vip->url },
    http => <<"END");
    shop_redis       %%redis%%;
    shop_secret_file $keys;

    loyalty_program {
        tier bronze;
        tier silver points=1000;
        tier gold   points=5000;
        promotion WELCOME-10 { audience new; }
        promotion AUTUMN-15  { audience tier>=silver; priority 10; }
    }

    map \$loyalty_tier \$limited {
        gold    "";
        default \$binary_remote_addr;
    }

    map \$loyalty_tier \$pool {
        gold    %%vip%%;
        default %%backend%%;
    }

    limit_req_zone \$limited zone=slow:1m rate=1r/m;
    limit_req_status 429;

    limit_req_zone \$shop_customer zone=customer:1m rate=1r/m;

    proxy_cache_path %%dir%%/cache keys_zone=c:1m;

    log_format loyalty '\$uri|\$loyalty_tier|\$loyalty_points|'
                       '\$loyalty_points_pending|\$loyalty_next_tier|'
                       '\$loyalty_points_to_next|\$loyalty_segments|'
                       '\$loyalty_promotions|';

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;
        access_log    %%dir%%/logs/access.log loyalty;

        location /all/ {
            loyalty    on;
            proxy_pass %%backend%%;
        }
        location /off/ {
            proxy_pass %%backend%%;
        }

        location /early/ {
            loyalty    on;
            set        \$early "(\$loyalty_tier|\$loyalty_points)";
            if (\$loyalty_tier) { return 418; }
            add_header X-Early \$early;
            add_header X-Late  \$loyalty_tier|\$loyalty_points;
            proxy_pass %%backend%%;
        }

        location /limited/ {
            loyalty    on;
            limit_req  zone=slow;
            proxy_pass %%backend%%;
        }
        location /customer/ {
            loyalty    on;
            limit_req  zone=customer;
            proxy_pass %%backend%%;
        }

        location /pool/ {
            loyalty    on;
            proxy_pass \$pool;
        }

        location /cached/ {
            loyalty           on;
            proxy_cache       c;
            proxy_cache_key   \$uri|\$loyalty_tier;
            proxy_cache_valid 200 1h;
            add_header        X-Cache \$upstream_cache_status;
            proxy_pass        %%backend%%;
        }

        location /header/ {
            loyalty    on;
            proxy_set_header
                       X-Next \$loyalty_next_tier-\$loyalty_points_to_next;
            proxy_pass %%backend%%;
        }
    }
END

sub customer {
    return ShopTest::Session->new(redis => $redis, view => { @_ });
}

sub get {
    my ($uri, $session) = @_;

    return $nginx->get($uri, $session ? (Cookie => $session->cookie) : ());
}

sub logged {
    my ($uri, $session) = @_;

    get($uri, $session);

    return wait_for {
        my ($line) = $nginx->access_log =~ m{^\Q$uri\E\|(.*)\|$}m; $line
    } 'the log';
}

my $bronze = customer();
my $silver = customer(points => 1250, pending => 30, qualifying => 1300,
                      segments => 'vip,new', orders => 0);
my $gold   = customer(tier => 'gold', orders => 4);


# logs

is(logged('/all/silver', $silver),
   'silver|1250|30|gold|3700|vip,new|AUTUMN-15,WELCOME-10', 'all of them');
is(logged('/all/bronze', $bronze), 'bronze|0|0|silver|1000|-|WELCOME-10',
   'a new customer');
is(logged('/all/gold', $gold), 'gold|0|0|-|-|-|AUTUMN-15',
   'the highest tier: no next one');
is(logged('/all/nobody'), '-|-|-|-|-|-|-', 'nobody');
is(logged('/off/silver', $silver), '-|-|-|-|-|-|-',
   'where "loyalty" is off, nothing is evaluated');


# early and late

my $response = get('/early/', $silver);

is($response->status, 200, '"if" runs before the customer is known');
is($response->header('X-Early'), '(|)', '"set" too');
is($response->header('X-Late'), 'silver|1250',
   '... and who reads it later gets what is true');


# limit_req

is(get('/limited/', $gold)->status, 200, 'the limit sees the tier: gold');
is(get('/limited/', $gold)->status, 200, '... is not limited');
is(get('/limited/', $bronze)->status, 200, 'bronze');
is(get('/limited/', $bronze)->status, 429, '... is');
is(get('/limited/')->status, 429, '... like anybody else');

is(get('/customer/', $_)->status, 200, 'a limit for each customer')
    for $silver, $bronze;
is(get('/customer/', $silver)->status, 429, '... is reached by one');
is(get('/customer/')->status, 200, '... and does not count who is nobody')
    for 1 .. 2;


# choice of a backend

get('/pool/a', $gold);
get('/pool/b', $silver);
get('/pool/c');

is($vip->count, 1, 'gold is served by a backend of its own');
is($backend->count('/pool/b') + $backend->count('/pool/c'), 2,
   '... others are not');


# a cache with the tier in its key

is(get('/cached/', $silver)->header('X-Cache'), 'MISS', 'a page for silver');
is(get('/cached/', $gold)->header('X-Cache'), 'MISS', '... is not for gold');
is(get('/cached/')->header('X-Cache'), 'MISS', '... nor for nobody');

my $other = customer(qualifying => 1000);

is(get('/cached/', $other)->header('X-Cache'), 'HIT',
   '... but for the next silver');
is(get('/cached/')->header('X-Cache'), 'HIT', 'nobody\'s page for nobody');


# in a header

is((ShopTest::Backend::values_of(get('/header/', $silver)->json, 'X-Next'))[0],
   'gold-3700', 'proxy_set_header');


# a change in Redis is seen by the next request

$silver->view(points => 1300, qualifying => 5000);

is(logged('/all/changed', $silver),
   'gold|1300|30|-|-|vip,new|AUTUMN-15,WELCOME-10', 'a change is seen');

done_testing();
