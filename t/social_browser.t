# What a browser is made to do: where a login may return to, that only the
# customer starts one, what cookies and pages look like, and that a login in
# one tab never disturbs another.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Session;

my $shop = shop(
    providers => { work => '', other => '/other' },
    provider_conf => 'label "Tom & Jerry\'s <\"best\"> Café";',
    server => 'social_return www.example.com;',
    http => <<'END');
    log_format login '$uri|$shop_login_result';
    access_log %%dir%%/login.log login;

    server {
        listen        127.0.0.1:%%port2%%;
        shop_base_url https://shop.example.com;
        social_login  on;
        location / { loyalty on; proxy_pass %%backend%%; }
    }

    server {
        listen        127.0.0.1:%%port3%%;
        shop_base_url http://127.0.0.1:%%port3%%;
        shop_session  same_site=strict;
        shop_prefix   /shop/login-here/;
        social_login  on;
        location / { loyalty on; proxy_pass %%backend%%; }
        location /account/ { social_login_required on;
                             proxy_pass %%backend%%; }
    }
END

my $nginx = $shop->nginx;
my $url = $shop->url;

sub ask {
    my ($method, $uri, %o) = @_;
    my $port = delete $o{port} || 1;

    return ShopTest::HTTP::request(
        $nginx->port($port), $method, $uri,
        headers => [ map { ($_ => $o{$_}) } keys %o ],
        $method eq 'POST' ? (body => '') : ());
}

sub escape { return ShopTest::Browser::escape(@_) }

my %page = (Accept => 'text/html,*/*;q=0.8');


# row 21: where to return to is decided before the login starts

{
    my %good = (
        '/'                     => "$url/",
        '/account/?a=1&b=%20'   => "$url/account/?a=1&b=%20",
        '/%2f/evil.example'     => "$url/%2f/evil.example",
        'https://evil.example'  => "$url/",
        '//evil.example/'       => "$url/",
        '/\\evil.example/'      => "$url/",
        '\\\\evil.example'      => "$url/",
        "/\t/evil.example"      => "$url/",
        "/\r\nSet-Cookie: a=1"  => "$url/",
        'javascript:alert(1)'   => "$url/",
        'http:evil.example'     => "$url/",
        "$url\@evil.example/"   => "$url/",
        "$url.evil.example/"    => "$url/",
        "$url/x"                => "$url/x",
        'http://www.example.com/de?x' => 'http://www.example.com/de?x',
        'http://www.example.com.evil/' => "$url/",
        'http://www.example.com:81/' => "$url/",
        '/' . 'a' x 3000        => "$url/",
        ''                      => "$url/",
    );

    for my $return (sort keys %good) {
        my $browser = $shop->browser;
        my $response = $shop->callback(
            $browser, $shop->attempt($browser, return => $return));

        is($response->header('Location'), $good{$return},
           'row 21: ' . substr $return =~ s/[^ -~]/./gr, 0, 40);
    }

    my $browser = $shop->browser;
    my $response = $shop->callback(
        $browser, $shop->attempt($browser, more => '&return=/twice'));

    is($response->header('Location'), "$url/",
       'row 21: two of them are none');
}


# row 22: what every endpoint says of itself

for my $case ([ 'GET', '/_shop/login' ], [ 'GET', '/_shop/login/work' ],
              [ 'GET', '/_shop/me' ], [ 'POST', '/_shop/logout' ],
              [ 'GET', '/_shop/callback/work?state=x' ],
              [ 'GET', '/_shop/nothing' ], [ 'PUT', '/_shop/login' ],
              [ 'POST', '/_shop/callback/work' ]) {

    for my $accept ('text/html', 'application/json') {
        my $response = ask(@$case, Accept => $accept);
        my $name = "row 22: @$case for $accept";

        is($response->header('Cache-Control'), 'no-store', $name);
        is($response->header('Referrer-Policy'), 'no-referrer', $name);
        is($response->header('X-Content-Type-Options'), 'nosniff', $name);
        like($response->header('Content-Security-Policy'),
             qr/^default-src 'none'; .*frame-ancestors 'none'$/, $name);

        next if $response->status == 303;

        is($response->header('Content-Type'),
           $accept eq 'text/html' ? 'text/html; charset=utf-8'
           : $case->[1] eq '/_shop/login' && $case->[0] eq 'GET'
           ? 'application/json' : 'application/problem+json', $name);
    }
}

{
    # the style of the page is the one that the policy allows

    my $page = ask('GET', '/_shop/login?return=/%22%3E%3Cscript%3E', %page);
    my ($style) = $page->body =~ m{<style>(.*)</style>}s;

    require Digest::SHA;
    my $digest = Digest::SHA::sha256_base64($style);
    $digest .= '=' while length($digest) % 4;

    like($page->header('Content-Security-Policy'),
         qr/style-src 'sha256-\Q$digest\E'/, 'row 22: style by its digest');

    unlike($page->body, qr/<script/, 'row 22: nothing is reflected');
    like($page->body, qr/>Continue with Tom &amp; Jerry's &lt;&quot;best&quot;&gt; Café</,
         'row 22: labels are escaped');

    is_deeply([ $page->body =~ /href="([^"]+)"/g ],
              [ map { "$url/_shop/login/$_" } qw(other work) ],
              'the chooser links to every provider');

    $page = ask('GET', '/_shop/login?return=/cart', %page);
    is_deeply([ $page->body =~ /href="([^"]+)"/g ],
              [ map { "$url/_shop/login/$_?return=%2Fcart" } qw(other work) ],
              '... and passes on where to return to');

    my $json = ask('GET', '/_shop/login', Accept => 'application/json')->json;

    is_deeply($json->{providers}[1],
              { name => 'work', label => "Tom & Jerry's <\"best\"> Caf\x{e9}",
                url => "$url/_shop/login/work" }, 'the chooser as JSON');

    is(ask('HEAD', '/_shop/login', %page)->body, '', 'HEAD has no body');
}


# row 22: conditions are for pages that have not changed; these always have

for my $condition ([ 'If-None-Match' => '*' ], [ 'If-Match' => '"x"' ],
                   [ 'If-Unmodified-Since' => 'Thu, 01 Jan 1970 00:00:00 GMT' ],
                   [ Range => 'bytes=0-1' ]) {

    is(ask('GET', '/_shop/login', %page, @$condition)->status, 200,
       "row 22: $condition->[0] changes nothing");
}


# row 23: a new secret at each login, the old session ends

{
    my $browser = $shop->browser;
    my $before = () = $shop->redis->keys('shop:session:*');

    $shop->login($browser, '/');
    my $first = $browser->cookie('shop');
    ok($shop->me($browser), 'row 23: signed in');

    $shop->login($browser, '/');
    my $second = $browser->cookie('shop');

    isnt($second, $first, 'row 23: another login, another secret');
    is(scalar(() = $shop->redis->keys('shop:session:*')), $before + 1,
       'row 23: one session is left');
    is(ask('GET', '/_shop/me', Cookie => "shop=$first")->status, 401,
       'row 23: the old one is over');
    is(ask('GET', '/_shop/me', Cookie => "shop=$second")->status, 200,
       '... the new one is not');

    # the one before was another customer's

    $shop->provider->set({ user => { sub => 'somebody-else' } });
    $shop->login($browser, '/');
    $shop->provider->restore;

    is(ask('GET', '/_shop/me', Cookie => "shop=$second")->status, 401,
       "row 23: another customer's login ends it, too");
    is(scalar(() = $shop->redis->keys('shop:session:*')), $before + 1,
       '... and one session is left');

    $shop->login($browser, '/');
    $second = $browser->cookie('shop');

    # fixation: a cookie that was put in place is not taken over

    my $victim = $shop->browser;

    $victim->set_cookie("$url/", "shop=$second; Path=/");
    $shop->login($victim, '/');

    isnt($victim->cookie('shop'), $second, 'row 23: no fixation');
    is(ask('GET', '/_shop/me', Cookie => "shop=$second")->status, 401,
       '... and the one planted is dead');
}


# row 25: only the customer signs in and out

{
    my $browser = $shop->browser;
    my $response;

    $response = ask('GET', '/_shop/login/work', %page,
                    'Sec-Fetch-Site' => 'cross-site',
                    'Sec-Fetch-Mode' => 'navigate');
    is($response->status, 200,
       'row 25: a login from elsewhere shows the chooser');
    is($response->header('Set-Cookie'), undef, '... and starts nothing');

    $response = ask('GET', '/_shop/login/work', Accept => 'image/*',
                    'Sec-Fetch-Site' => 'cross-site',
                    'Sec-Fetch-Mode' => 'no-cors');
    is($response->header('Set-Cookie'), undef, 'row 25: nor does an image');

    is(ask('POST', '/_shop/login/work')->status, 405,
       'row 25: nor does a form');

    $shop->login($browser, '/');
    my $cookie = 'shop=' . $browser->cookie('shop');

    my %refused = (
        'nothing said'   => [],
        'cross-site'     => [ 'Sec-Fetch-Site' => 'cross-site' ],
        'same-site'      => [ 'Sec-Fetch-Site' => 'same-site' ],
        'typed'          => [ 'Sec-Fetch-Site' => 'none' ],
        'cross-site, our Origin' => [ 'Sec-Fetch-Site' => 'cross-site',
                                      Origin => $url ],
        'another Origin' => [ Origin => 'http://evil.example' ],
        'Origin null'    => [ Origin => 'null' ],
        'Origin and more' => [ Origin => "$url.evil.example" ],
        'a part of Origin' => [ Origin => substr $url, 0, -1 ],
        'a Referer alone' => [ Referer => "$url/" ],
    );

    for my $name (sort keys %refused) {
        $response = ask('POST', '/_shop/logout', Cookie => $cookie,
                        @{ $refused{$name} });

        is($response->status, 403, "row 25: logout refused: $name");
        is($response->header('Set-Cookie'), undef, '... the cookie stays');
    }

    is(ask('GET', '/_shop/logout', Cookie => $cookie,
           'Sec-Fetch-Site' => 'same-origin')->status, 405,
       'row 25: no logout by GET');
    is(ask('GET', '/_shop/me', Cookie => $cookie)->status, 200,
       'row 25: still signed in');

    $response = ask('POST', '/_shop/logout', Cookie => $cookie,
                    Origin => $url, %page);

    is($response->status, 303, 'row 25: but by a form of our own');
    is($response->header('Location'), "$url/", '... which goes on to "/"');
    is(ask('GET', '/_shop/me', Cookie => $cookie)->status, 401,
       'row 25: signed out');

    is(ask('POST', '/_shop/logout', Origin => $url)->status, 204,
       'a logout without a session is one, too');
}


# row 26: cookies

{
    my $browser = $shop->browser;
    my $response;

    $response = $browser->click('/_shop/login/work', follow => 0);

    like($response->header('Set-Cookie'),
         qr{^shop-login-[\w-]{8}=[\w-]+;\ Max-Age=600;\ Path=/;\ HttpOnly;
            \ SameSite=Lax$}x, 'row 26: the cookie of an attempt');

    $response = ask('GET', '/_shop/login/work', port => 2, %page);

    like($response->header('Set-Cookie'),
         qr{^__Host-shop-login-[\w-]{8}=[\w-]+;\ Max-Age=600;\ Path=/;
            \ Secure;\ HttpOnly;\ SameSite=Lax$}x, 'row 26: ... on https');

    cmp_ok(length $response->header('Set-Cookie'), '<', 4096,
           'row 26: below 4096 bytes');

    $response = ask('GET', '/_shop/login/work?return=/' . 'x' x 690);
    cmp_ok(length $response->header('Set-Cookie'), '<', 4096,
           'row 26: ... with the longest return address');

    my $there = browser(route => {
        'https://shop.example.com' => $nginx->port(2) });

    $there->leave('https://shop.example.com/');
    my $page = $there->click('/_shop/login/work',
                             until => qr{/callback/});
    $there->leave($shop->provider->issuer . '/authorize');
    $response = $there->click($page->header('Location'), follow => 0);

    my ($cookie) = grep { /^__Host-shop=/ } $response->headers('Set-Cookie');

    like($cookie, qr{^__Host-shop=[\w-]+;\ Max-Age=15552000;\ Path=/;
                     \ Secure;\ HttpOnly;\ SameSite=Lax$}x,
         'row 26: the cookie of a session on https');
    is($response->header('Location'), 'https://shop.example.com/',
       'redirects name the outside address');

    # fifty tabs: five attempts are pending, the newest

    my $tabs = $shop->browser;
    my @url = map { $shop->attempt($tabs) } 1 .. 50;

    is(scalar(grep { $_->{name} =~ /^shop-login-(?!lastused)/ } $tabs->cookies), 5,
       'row 26: of fifty tabs five are pending');

    for my $i (44, 45, 49) {
        my $copy = $tabs->clone;

        $response = $shop->callback($copy, $url[$i]);
        is($response->status, $i < 45 ? 400 : 303, "row 26: tab $i");
    }

    # one tab after the other, each ends where it began

    my $three = $shop->browser;
    my @tab = map { $shop->attempt($three, return => "/tab/$_") } 1 .. 3;

    is($shop->callback($three, $tab[$_ - 1])->header('Location'),
       "$url/tab/$_", "tabs do not meet: $_") for 3, 1, 2;
}


# row 27: fields beside the code are nobody's word, Apple's "user" among them

{
    my $plain = $shop->browser;

    $shop->login($plain, '/');
    my $me = $shop->me($plain);

    my $forged = escape('{"name":{"firstName":"Eve"},"sub":"other",'
                        . '"email":"victim@example.com"}');
    my $browser = $shop->browser;
    my ($args) = $shop->attempt($browser) =~ /\?(.*)/;

    $browser->leave($shop->provider->issuer . '/authorize');
    $browser->submit("$url/_shop/callback/work",
                     "$args&user=$forged&id_token=a.b.c&access_token=x"
                     . '&sub=other&email=victim%40example.com');

    is($shop->me($browser)->{customer}, $me->{customer},
       'row 27: the customer is who the token says');
    is_deeply($shop->me($browser)->{identities}, $me->{identities},
              'row 27: and has the address that it says');
    unlike(join(' ', map { values %{ $shop->redis->hash($_) } }
                $shop->redis->keys('shop:customer:*')), qr/victim|Eve/,
           'row 27: nothing of the rest is kept');
}


# a replay with a live session just goes there

{
    my $browser = $shop->browser;
    my $back = $shop->attempt($browser, return => '/cart');
    my $response = $shop->callback($browser, $back);

    is($response->header('Location'), "$url/cart", 'a login');

    my $cookie = $browser->cookie('shop');

    $response = $shop->callback($browser, $back);

    is($response->status, 303, 'the back button is no error');
    is($response->header('Location'), "$url/cart", '... and goes there');
    is($browser->cookie('shop'), $cookie, '... with the same session');

    my $other = $shop->browser;

    is($shop->callback($other, $back)->status, 400,
       'but it is in a browser that is not signed in');

    is($shop->callback($browser, "$url/_shop/callback/work?code=x&state=y")
       ->status, 400, 'and a state that was never spent is one, too');
}


# what failed is not taken for done because somebody else was signed in before

for my $how ('an error of the provider', 'a customer who declines') {
    my $browser = $shop->browser;
    my $older = ShopTest::Session->new(redis => $shop->redis,
                                       created => time - 60);

    $browser->set_cookie($url, 'shop=' . $older->value . '; Path=/');

    my $back = $shop->attempt($browser, return => '/cart');

    if ($how =~ /provider/) {
        $shop->provider->set({ fault => { token => { status => 500 } } });

    } else {
        $back =~ s/\bcode=[^&]*/error=access_denied/;
    }

    isnt($shop->callback($browser, $back)->status, 303, $how);

    $shop->provider->set({ fault => {} });

    my $response = $shop->callback($browser, $back);

    is($response->status, 400, '... also when it is repeated');
    is($response->json->{reason}, 'attempt_spent', '... it is told');
    is($browser->cookie('shop'), $older->value, '... the session stays');
}


# same_site=strict: back from the provider the new cookie would not be sent

{
    my $here = $nginx->url(3);
    my $browser = browser();

    $browser->leave("$here/");
    my $page = $browser->click('/account/');

    is($page->url, "$here/shop/login-here/login?return=%2Faccount%2F",
       'strict: the chooser');

    my $last = $browser->click("$here/shop/login-here/login/work"
                               . '?return=%2Faccount%2F');

    is($last->url, "$here/account/", 'strict: a login arrives');
    is($last->status, 200, '... signed in, and in no loop');

    $browser->leave('http://evil.example/');
    is($browser->click("$here/account/")->status, 200,
       'strict: and so does a link from elsewhere');
}


# what the access log can say

for my $result (qw(started created ok replayed logged_out state_unknown
                   state_missing origin_refused session_required)) {
    ok($nginx->logs('login.log', qr/\|$result$/m),
       "\$shop_login_result is $result");
}

done_testing();
