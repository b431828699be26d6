# What wants a session lets nobody else in, says so in the form that the
# client can use, and never lets the protected answer follow.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Session;

my $htpasswd = write_file(temp_dir() . '/htpasswd',
                          "me:{PLAIN}pass\n", 0644);

my $shop = shop(http => <<"END", server => <<"END");
    server {
        listen        127.0.0.1:%%port2%%;
        shop_base_url http://127.0.0.1:%%port2%%;
        shop_session  same_site=strict;
        social_login  on;
        social_login_required on;
        loyalty       on;
        shop_on_failure error;
        location / { proxy_pass %%backend%%; }
    }
END
    location /any/ {
        social_login_required on;
        satisfy    any;
        auth_basic private;
        auth_basic_user_file $htpasswd;
        loyalty    on;
        proxy_pass %%backend%%;
    }
    location /any-address/ {
        social_login_required on;
        satisfy    any;
        allow      127.0.0.1;
        deny       all;
        proxy_pass %%backend%%;
    }
    location /any-closed/ {
        social_login_required on;
        satisfy    any;
        deny       all;
        proxy_pass %%backend%%;
    }
    location /all/ {
        social_login_required on;
        auth_basic private;
        auth_basic_user_file $htpasswd;
        proxy_pass %%backend%%;
    }
    location /stale/     { loyalty on; proxy_pass %%backend%%;
                           shop_on_failure stale; }
    location /anonymous/ { loyalty on; proxy_pass %%backend%%;
                           shop_on_failure anonymous; }
    location /error/     { loyalty on; proxy_pass %%backend%%;
                           shop_on_failure error; }
    location /required-stale/ { social_login_required on; loyalty on;
                                proxy_pass %%backend%%;
                                shop_on_failure stale; }
    location /required-anonymous/ { social_login_required on; loyalty on;
                                proxy_pass %%backend%%;
                                shop_on_failure anonymous; }
    location /page/ {
        error_page 503 = \@busy;
        loyalty on; shop_on_failure error; proxy_pass %%backend%%;
    }
    location \@busy { return 200 busy; }
END

my $nginx = $shop->nginx;
my $url = $nginx->url;

sub ask {
    my ($method, $uri, %o) = @_;
    my $port = delete $o{port} || 1;

    return ShopTest::HTTP::request(
        $nginx->port($port), $method, $uri,
        headers => [ map { defined $o{$_} ? ($_ => $o{$_}) : () } keys %o ],
        $method eq 'POST' ? (body => 'cart=1') : ());
}

sub session { return ShopTest::Session->new(redis => $shop->redis, @_) }

my $session = session();
my %page = (Accept => 'text/html,*/*;q=0.8');
my %navigate = (%page, 'Sec-Fetch-Mode' => 'navigate');


# a session goes in

my $response = ask('GET', '/account/x', Cookie => $session->cookie);

is($response->status, 200, 'a session is let in');
is($response->json->{uri}, '/account/x', '... to the backend');


# a navigation goes to the chooser

for my $case ([ 'GET', 'Sec-Fetch-Mode', %navigate ],
              [ 'HEAD', 'HEAD', %navigate ],
              [ 'GET', 'Accept alone', %page ]) {
    my ($method, $name, @headers) = @$case;

    $response = ask($method, '/account/x?a=1&b=%20', @headers);

    is($response->status, 303, "a navigation ($name) is redirected");
    is($response->header('Location'),
       "$url/_shop/login?return=%2Faccount%2Fx%3Fa%3D1%26b%3D%2520",
       '... to the chooser, and knows the way back');
    is($response->header('Cache-Control'), 'no-store', '... never stored');
}

is(ask('GET', '//evil.example/account/', %navigate)->status, 200,
   'nginx merges slashes: that page is open');

$response = ask('GET', '/account//evil.example', %navigate);
is($response->header('Location'),
   "$url/_shop/login?return=%2Faccount%2F%2Fevil.example",
   'the way back is what was asked');


# anything else gets 401

for my $case ([ 'POST', 'a POST, which must not lose a cart', %navigate ],
              [ 'GET', 'a script', 'Sec-Fetch-Mode' => 'cors' ],
              [ 'GET', 'a script that takes pages', %page,
                'Sec-Fetch-Mode' => 'same-origin' ],
              [ 'GET', 'an image', 'Sec-Fetch-Mode' => 'no-cors',
                Accept => 'image/png' ],
              [ 'GET', 'a tool', Accept => '*/*' ],
              [ 'GET', 'no Accept at all' ],
              [ 'PUT', 'PUT', %navigate ],
              [ 'OPTIONS', 'OPTIONS' ],
              [ 'DELETE', 'DELETE' ]) {
    my ($method, $name, @headers) = @$case;

    is(ask($method, '/account/', @headers)->status, 401, "$name gets 401");
}

$response = ask('GET', '/account/', Accept => '*/*');

is($response->header('Content-Type'), 'application/problem+json',
   '401 is problem JSON');
is($response->json->{reason}, 'session_required', '... with a reason');

$response = ask('POST', '/account/', %page);

like($response->header('Content-Type'), qr{^text/html}, '... or a page');
like($response->body, qr{<a href="\Q$url\E/_shop/login\?return=%2F">},
     '... with a link to sign in');


# what is no session

for my $case ([ 'forged', 'shop=AAAA' ],
              [ 'ended', do { my $s = session(); $s->end; $s->cookie } ],
              [ 'of a login attempt',
                session(purpose => 'attempt')->cookie ]) {
    my ($name, $cookie) = @$case;

    is(ask('GET', '/account/', %navigate, Cookie => $cookie)->status, 303,
       "a cookie that is $name is none");
}


# row 34: after a local reply nothing follows

{
    my $before = $shop->backend->count('/account/');

    for my $method (qw(GET HEAD POST PUT)) {
        my $c = ShopTest::HTTP->connect($nginx->port);

        $c->send($method, '/account/', $method =~ /^P/
                 ? (body => 'x' x 100_000) : ());
        $response = $c->response(method => $method);

        is($response->status, 401, "row 34: $method is refused");

        # the connection is still good for another request, which is answered
        # by itself

        $c->send('GET', '/open', headers => [ Connection => 'close' ]);
        $response = $c->response;

        is($response->json->{uri}, '/open', '... and the next is itself');
        ok($c->closed, '... and that is all');
    }

    my $c = ShopTest::HTTP->connect($nginx->port);

    $c->write(join '', map {
        "$_ HTTP/1.1\r\nHost: shop\r\n\r\n"
    } 'GET /account/1', 'GET /open/1', 'GET /account/2', 'GET /open/2');

    is(join(' ', map { $c->response->status } 1 .. 4), '401 200 401 200',
       'row 34: pipelined requests are answered one by one');

    is($shop->backend->count('/account/'), $before,
       'row 34: the backend saw none of the refused');
}


# satisfy any: the others are tried first

my $basic = 'Basic bWU6cGFzcw==';

is(ask('GET', '/any/', Cookie => $session->cookie)->status, 200,
   'satisfy any: a session will do');
is(ask('GET', '/any/', Authorization => $basic)->status, 200,
   '... and so will a password');
is(ask('GET', '/any/', %navigate)->status, 303,
   '... neither: the chooser');
is(ask('GET', '/any/')->status, 401, '... or 401');
is(ask('GET', '/any-address/')->status, 200, '... an address will do, too');
is(ask('GET', '/any-closed/')->status, 401, '... or not');
is(ask('GET', '/any-closed/', Cookie => $session->cookie)->status, 200,
   '... where a session lets in');

is(ask('GET', '/all/', Cookie => $session->cookie)->status, 401,
   'satisfy all: a session alone will not do');
is(ask('GET', '/all/', Authorization => $basic, %navigate)->status, 303,
   '... nor a password alone');
is(ask('GET', '/all/', Authorization => $basic,
       Cookie => $session->cookie)->status, 200, '... but both');


# the endpoints are behind no gate, and serve only what they are

is(ask('GET', '/_shop/login', port => 2, %page)->status, 200,
   'the chooser is open in a server that wants a session everywhere');
is(ask('GET', '/_shop/nothing', port => 2)->status, 404, 'nothing is 404');
is(ask('GET', '/_shop/', port => 2)->status, 404, '... nor is the prefix');
is(ask('GET', '/_shop/login/nobody', port => 2)->status, 404,
   '... nor an unknown provider');

$response = ask('PUT', '/_shop/login', port => 2);
is($response->status, 405, 'a wrong method');
is($response->header('Allow'), 'GET, HEAD', '... is told the right ones');


# same_site=strict: a link from elsewhere carries no cookie

{
    my $strict = session(host => '127.0.0.1');
    my $here = $nginx->url(2);

    $response = ask('GET', '/account/?a=1', port => 2, %navigate,
                    'Sec-Fetch-Site' => 'cross-site');

    is($response->status, 200, 'strict: from elsewhere comes a page');
    like($response->body,
         qr{http-equiv="refresh" content="0;url=\Q$here\E/account/\?a=1"},
         '... that comes again by itself');

    is(ask('GET', '/account/', port => 2, %navigate,
           'Sec-Fetch-Site' => 'same-origin')->status, 303,
       '... and then goes to the chooser');
    is(ask('GET', '/account/', port => 2, %navigate,
           'Sec-Fetch-Site' => 'same-origin',
           Cookie => $strict->cookie)->status, 200, '... or in');
}


# Redis cannot be asked: section 10 of what is promised

for my $fault (qw(gone frozen)) {
    my $s = session();

    $fault eq 'gone' ? $shop->redis->stop : $shop->redis->freeze;

    my %cookie = (Cookie => $s->cookie);

    for my $mode (qw(stale anonymous)) {
        $response = ask('GET', "/$mode/", %cookie);

        is($response->status, 200, "row 32: Redis $fault: $mode: answered");
        is(scalar(grep { /^X-(?:Customer|Loyalty|Promotion)/i }
                  map { $_->[0] } @{ $response->json->{headers} }), 0,
           "row 32: Redis $fault: $mode: as nobody");
    }

    is(ask('GET', '/error/', %cookie)->status, 503,
       "row 32: Redis $fault: error: 503");
    is(ask('GET', '/page/', %cookie)->body, 'busy',
       "row 32: Redis $fault: error: with the shop's own page");

    for my $mode (qw(stale anonymous)) {
        is(ask('GET', "/required-$mode/", %cookie, %navigate)->status, 503,
           "row 32: Redis $fault: $mode, required: 503, no redirect");
    }

    is(ask('GET', '/any/', %cookie)->status, 503,
       "row 32: Redis $fault: satisfy any: 503");
    is(ask('GET', '/any/', %cookie, Authorization => $basic)->status, 200,
       "row 32: Redis $fault: satisfy any: a password still does");

    is(ask('GET', '/error/')->status, 200,
       "row 32: Redis $fault: nobody needs no Redis");
    is(ask('GET', '/required-stale/', %navigate)->status, 303,
       "row 32: Redis $fault: nobody still goes to the chooser");

    $response = ask('GET', '/_shop/me', %cookie);

    is($response->status, 503, "row 32: Redis $fault: me: 503");
    is($response->header('Retry-After'), '5', '... to be tried again');
    is($response->header('Set-Cookie'), undef, '... and the cookie stays');

    $response = ask('POST', '/_shop/logout', %cookie,
                    'Sec-Fetch-Site' => 'same-origin');

    is($response->status, 503, "row 32: Redis $fault: logout: 503");
    is($response->header('Set-Cookie'), undef, '... and the cookie stays');

    # what the server says for its locations is not for the endpoints

    is(ask('GET', '/_shop/login', %cookie, port => 2)->status, 200,
       "row 32: Redis $fault: error: the chooser is there");
    is(ask('GET', '/_shop/me', %cookie, port => 2)->json->{reason},
       'session_unavailable', "row 32: Redis $fault: error: me: the reason");

    $fault eq 'gone' ? $shop->redis->start : $shop->redis->thaw;

    $s->store;

    wait_for(sub {
        ask('GET', '/required-stale/', %cookie)->status == 200
    });
    pass("row 32: Redis $fault: and back: the same cookie is good");
}

done_testing();
