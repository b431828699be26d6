# Redis away, frozen, lying: nobody who is not in the cache is given a tier,
# nobody waits longer than "timeout", and "shop_on_failure" says whether the
# page is served.  For who is in the cache see cache_stale.t.

use lib 't/lib';
use ShopTest;

use ShopTest::Proxy;
use ShopTest::Session;

my $redis   = redis();
my $backend = backend();
my $keys    = key_file();

my $nginx = nginx(
    vars => { redis => $redis->url, backend => $backend->url },
    http => <<"END");
    shop_redis       %%redis%% timeout=300ms connect_timeout=300ms;
    shop_secret_file $keys;

    loyalty_program {
        tier bronze;
        promotion WELCOME-10 { audience new; }
    }

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;
        loyalty       on;

        location /stale/     { proxy_pass %%backend%%; }
        location /anonymous/ {
            shop_on_failure anonymous;
            proxy_pass      %%backend%%;
        }
        location /error/ {
            shop_on_failure error;
            proxy_pass      %%backend%%;
        }
        location /error/page/ {
            shop_on_failure error;
            error_page      503 /error/sorry;
            proxy_pass      %%backend%%;
        }
        location /off/ {
            loyalty         off;
            shop_on_failure error;
            proxy_pass      %%backend%%;
        }
        location /ssi/ {
            ssi        on;
            proxy_pass %%backend%%;
        }
        location /auth/ {
            loyalty      off;
            auth_request /error/auth;
            proxy_pass   %%backend%%;
        }
    }
END

my $session = unseen();

sub unseen {
    return ShopTest::Session->new(redis => $redis, view => { points => 7, @_ });
}

sub get {
    my ($uri) = @_;

    return $nginx->get($uri, Cookie => $session->cookie);
}

sub told {
    my ($response) = @_;

    return scalar grep { $_->[0] =~ /^x-(?:customer|loyalty|promotion)/i }
                  @{ $response->json->{headers} };
}

sub checks {
    my ($how) = @_;

    for my $uri ('/stale/', '/anonymous/') {
        my $response = get($uri);

        is($response->status, 200, "$how: $uri is served");
        is(told($response), 0, '... to nobody');
    }

    is(get('/error/')->status, 503, "$how: 503 where it was asked for");

    my $response = get('/error/page/');

    is($response->status, 503, "$how: an error page keeps the status");
    is($response->json->{uri}, '/error/sorry', '... and is served');
    is(told($response), 0, '... to nobody');

    is(get('/off/')->status, 200, "$how: where it is off nothing is asked");
    is($nginx->get('/error/')->status, 200, "$how: a visitor without cookie");

    is(get('/auth/')->status, 500, "$how: auth_request fails closed");

    my $page = get('/ssi/?type=text/html&body='
                   . '%3C%21--%23include%20virtual%3D%22/error/a%22%20--%3E');

    is($page->status, 200, "$how: a page with an include");
    like($page->body, qr/503 Service/, '... that is 503 in its place');
}

is(told(get('/stale/')), 5, 'all is well: five headers');
is(get('/error/')->status, 200, '... everywhere');


# frozen

$session = unseen();
$redis->freeze;
checks('frozen');


# a client that does not wait

my $c = $nginx->connect;

$c->send('GET', '/stale/', headers => [ Cookie => $session->cookie ]);
$nginx->wait_log(qr/"GET \/stale\//);
$c->reset;

my @many = map { $nginx->connect } 1 .. 5;

$_->send('GET', '/ssi/?type=text/html', headers =>
         [ Cookie => $session->cookie ]) for @many;
$_->reset for @many;

$redis->thaw;
wait_for { told(get('/stale/')) == 5 } 'Redis to be used again';
pass('thawed: all is well again');


# gone

$session = unseen();
$redis->stop;
checks('gone');

$redis->start;
$session->store;
wait_for { told(get('/stale/')) == 5 } 'Redis to be used again';
pass('back: all is well again');


# lying

for my $field (qw(points pending qualifying orders tier_until created
                  next_due)) {
    $session = unseen($field => 'many');
    is(get('/error/')->status, 503, "a view with wrong \"$field\"");
    is(told(get('/stale/')), 0, '... is not taken for one');
}

$session = unseen();
is(told(get('/stale/')), 5, 'a right one again');

$session = unseen();
$redis->command('DEL', $session->key('view'));
$redis->command('SET', $session->key('view'), 'text');
is(get('/error/')->status, 503, 'a view of another type');
is(told(get('/stale/')), 0, '... is not taken for one');

like(join('', $nginx->log_lines(qr/unexpected reply from redis/)),
     qr/\[error\]/, '... and is told to the log');


# refusing: a line in the log for that, and not for each request

{
    my $proxy = ShopTest::Proxy->new($redis->port);
    my $shop = shop(redis => $redis, backend => $backend,
                    vars => { redis => $proxy->url });
    my $other = ShopTest::Session->new(redis => $redis);

    my @all = map { $shop->nginx->get('/', Cookie => $other->cookie) } 1 .. 2;

    is(told($all[1]), 5, 'another shop');

    my @unseen = map { unseen() } 1 .. 20;

    $proxy->spoil('error');

    @all = map { $shop->nginx->get('/', Cookie => $_->cookie) } @unseen;

    is(scalar(grep { told($_) } @all), 0, 'LOADING: nobody is told of');
    is(scalar(() = $shop->nginx->log_lines(qr/\[error\]/)), 1,
       '... by one line in the log');

    $proxy->heal;
    wait_for { told($shop->nginx->get('/', Cookie => $other->cookie)) == 5 }
             'Redis to be used again';
}

done_testing();
