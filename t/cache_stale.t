# While Redis cannot be asked, who is in the cache stays who it is: not past
# the session's end, not after a sign-out, not where a session is required.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);

my $shop = shop(redis => $redis,
    vars     => { redis => $proxy->url
                           . ' timeout=300ms connect_timeout=300ms' },
    location => 'add_header X-Session $shop_session;',
    server   => <<'END');
        location /anonymous/ {
            shop_on_failure anonymous;
            loyalty         on;
            add_header      X-Session $shop_session;
            proxy_pass      %%backend%%;
        }
        location /error/ {
            shop_on_failure error;
            loyalty         on;
            proxy_pass      %%backend%%;
        }
        location /moved/ {
            loyalty    on;
            error_page 404 = /anonymous/;
        }
END

my $nginx = $shop->nginx;

sub session {
    return ShopTest::Session->new(redis => $redis, view => { points => 7 },
                                  @_);
}

sub get { return $nginx->get($_[1] || '/', Cookie => $_[0]->cookie) }

sub told {
    my ($session, $uri) = @_;

    my $response = get($session, $uri);

    return $response->status if $response->status != 200;

    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}

# in the zone, and distrusted: the shop's channel is another one since

sub distrust {
    my $probe = session();

    told($probe);
    $redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
    wait_for(sub { told($probe) =~ /fresh/ });
}

my ($seen, $unseen, $ends, $out, $view) = map { session() } 1 .. 5;

$redis->command('HSET', $ends->key, 'expires', time + 5);
$redis->command('PEXPIRE', $ends->key, 5000);

told($_) for $seen, $ends, $out, $view;
wait_for(sub { told($seen) =~ /cached/ });

distrust();

# both read again under this channel, then changed

for my $session ($out, $view) {
    wait_for(sub { told($session) =~ /cached/ });
}

ShopTest::HTTP::request(
    $nginx->port, 'POST', '/_shop/logout',
    headers => [ Cookie => $out->cookie, 'Sec-Fetch-Site' => 'same-origin' ]);

$view->view(points => 8);

{
    my $probe = session();
    told($probe);
    $probe->view(points => 9);
    wait_for(sub { told($probe) =~ / 9 / });
}

# Redis answers all but who somebody is

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    $shop->callback($browser, $url);

    my $id = $shop->me($browser)->{customer};
    my ($key) = $redis->keys("shop:view:*:$id");
    my $ask = sub {
        return $browser->fetch('GET', '/')->header('X-Session') || '';
    };

    local $browser->{url} = $shop->url . '/';

    wait_for(sub { $ask->() eq 'cached' });

    $proxy->spoil('error', 0, only => 'HMGET', text => 'ERR spoiled');
    $redis->command('HINCRBY', $key, 'points', 1);
    wait_for(sub { $ask->() eq 'stale' });

    $shop->refuses(503, 'session_unavailable',
                   $browser->fetch('GET', '/_shop/me'),
                   'a stale customer: who they are');
    $shop->refuses(503, 'redis_unavailable',
                   $shop->callback($browser, $url),
                   'a stale customer: a login that was completed');

    $proxy->heal;
    is($shop->callback($browser, $url)->status, 303,
       'a login that was completed goes on when Redis can be asked');
}

my $trusted = session();
wait_for(sub { told($trusted) =~ /cached/ });

$redis->freeze;

wait_for(sub { get($unseen, '/error/')->status == 503 });

is(told($trusted), "$trusted->{customer} 7 cached",
   'who was read a moment ago is simply cached');
is(get($trusted, '/account/')->status, 200,
   '... also where a session is required');
is(told($unseen), '- - none', 'who was never seen is nobody');
is(told($out), '- - none', 'who signed out is nobody');
is(told($view), "$view->{customer} 7 stale",
   'of a customer who changed the last known is told');
is(get($view, '/account/')->status, 503,
   '... not where a session is required');
is(told($view, '/anonymous/'), '- - none', '... nor with "anonymous"');
is(get($view, '/error/')->status, 503, '... nor with "error"');
is(told($view, '/moved/x'), '- - none',
   '... nor behind a redirect to a location with "anonymous"');

wait_for(sub { time > $ends->{issued} + 6 });
is(told($ends), '- - none', 'a session that ended meanwhile is over');

$redis->thaw;
wait_for(sub { told($view) =~ / 8 / });
pass('then the truth is told again');

done_testing();
