# A session is worth a customer: it must be of this shop, of this purpose, not
# over, not signed out, and no copy may outlive its end.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Session;

my $shop = shop(http => <<'END', server => <<'END');
    log_format shop '$shop_customer|$shop_provider|$shop_session|$uri';
    access_log %%dir%%/shop.log shop;

    server {
        listen        127.0.0.1:%%port2%%;
        shop_base_url http://localhost:%%port2%%;
        social_login  on;
        location / { loyalty on; proxy_pass %%backend%%; }
    }

    server {
        listen        127.0.0.1:%%port3%%;
        shop_base_url https://shop.example.com;
        shop_session  domain=example.com;
        social_login  on;
        location / { loyalty on; proxy_pass %%backend%%; }
    }

    server {
        listen        127.0.0.1:%%port4%%;
        shop_base_url https://www.example.com;
        shop_session  domain=example.com idle=1000s lifetime=3000s;
        social_login  on;
        location / { loyalty on; proxy_pass %%backend%%; }
    }

    server {
        listen        127.0.0.1:%%port5%%;
        location / { proxy_pass %%backend%%; }
    }
END
    shop_session idle=1000s lifetime=3000s;
END

my $nginx = $shop->nginx;
my $redis = $shop->redis;


# what the backend heard for a Cookie header

sub seen {
    my ($cookie, %o) = @_;

    my $response = ShopTest::HTTP::request(
        $nginx->port($o{port} || 1), 'GET', $o{uri} || '/',
        headers => [ defined $cookie ? (Cookie => $cookie) : (),
                     @{ $o{headers} || [] } ]);

    return $response unless $response->status == 200;
    return $response->json->{headers};
}

sub field {
    my ($headers, $name) = @_;

    return undef unless ref $headers eq 'ARRAY';

    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name } @$headers;

    return @values ? join('|', @values) : undef;
}

sub customer { return field(seen(@_), 'X-Customer-Id') }

sub session { return ShopTest::Session->new(redis => $redis, @_) }

my $now = time;


# who it is

my $session = session(view => { tier => 'silver', points => 1250,
                                qualifying => 1250 });
my $headers = seen($session->cookie);

is(field($headers, 'X-Customer-Id'), 'c1', 'a session tells the customer');
is(field($headers, 'X-Customer-Provider'), 'work', '... the provider');
is(field($headers, 'X-Loyalty-Tier'), 'silver', '... the tier');
is(field($headers, 'X-Loyalty-Points'), '1250', '... the points');
is(field($headers, 'X-Promotion'), 'WELCOME-10', '... the promotions');
is(field($headers, 'X-Loyalty-Segments'), undef, '... no segments, no header');

is(customer(undef), undef, 'nobody without a cookie');
is(field(seen(undef), 'X-Loyalty-Points'), undef, '... and no points');

is(customer(session()->cookie), 'c2', 'a customer of whom nothing is booked');
is(field(seen(session()->cookie), 'X-Loyalty-Points'), '0', '... has 0 points');
is(field(seen(session()->cookie), 'X-Loyalty-Tier'), 'bronze',
   '... and the tier that needs nothing');


# row 24: idle and absolute timeouts

is(customer(session(issued => $now - 2990, expires => $now + 10)->cookie),
   'c5', 'row 24: a session shortly before its absolute end');
is(customer(session(issued => $now - 3000, expires => $now + 999)->cookie),
   undef, 'row 24: a cookie older than a session may be');
is(customer(session(expires => $now - 1)->cookie), undef,
   'row 24: a session past its absolute end');
is(customer(session(expires => $now)->cookie), undef,
   'row 24: a session at its absolute end');
is(customer(session(issued => $now + 3600)->cookie), undef,
   'row 24: a cookie from the future');

{
    my $idle = session();

    is(customer($idle->cookie), $idle->{customer}, 'row 24: before idling');

    $redis->command('PEXPIRE', $idle->key, 1);
    wait_for(sub { !$redis->command('EXISTS', $idle->key) });

    is(customer($idle->cookie), undef, 'row 24: a session that idled out');
}

{
    my $used = session(idle => 1000);

    $redis->command('PEXPIRE', $used->key, 950_000);
    customer($used->cookie);

    cmp_ok($redis->command('PTTL', $used->key), '<=', 950_000,
           'row 24: a session used a moment ago is not written');

    $used->noted(400);
    $redis->command('PEXPIRE', $used->key, 500_000);
    customer($used->cookie);

    wait_for(sub { $redis->command('PTTL', $used->key) > 990_000 });
    pass('row 24: using a session puts its idle end off');

    is($redis->command('ZCARD', $used->key('sessions')), 1,
       '... and notes when it was last seen');

    $used->noted(400);
    $redis->command('PEXPIRE', $used->key, 2_000_000);
    customer($used->cookie);

    wait_for(sub { $redis->command('PTTL', $used->key) <= 1_000_000 });
    pass('row 24: a shorter idle time counts from the next use on');

    $used->noted(400);
    $redis->command('HSET', $used->key, 'expires', $now + 100);
    $redis->command('PEXPIRE', $used->key, 1_000);
    customer($used->cookie);

    wait_for(sub { $redis->command('PTTL', $used->key) > 50_000 });
    cmp_ok($redis->command('PTTL', $used->key), '<=', 101_000,
           'row 24: but never past its absolute end');
}


# row 24: signed out is dead at once

{
    my $out = session();
    my $copy = $out->cookie;

    my $response = ShopTest::HTTP::request(
        $nginx->port, 'POST', '/_shop/logout',
        headers => [ Cookie => $copy, 'Sec-Fetch-Site' => 'same-origin' ]);

    is($response->status, 204, 'row 24: a sign-out');
    like($response->header('Set-Cookie'),
         qr/^shop=; Max-Age=0; Path=\/; HttpOnly; SameSite=Lax$/,
         'row 26: the cookie is deleted with its own attributes');
    is(customer($copy), undef, 'row 24: the copy of its cookie is dead');
    is($redis->command('EXISTS', $out->key), 0, '... and so is its key');
    is($redis->command('EXISTS', $out->key('view')), 0,
       '... and nothing else was made up');
}


# a list of sessions that is none

{
    my $out = session();

    $redis->command('SET', $out->key('sessions'), 'text');

    my $response = ShopTest::HTTP::request(
        $nginx->port, 'POST', '/_shop/logout',
        headers => [ Cookie => $out->cookie,
                     'Sec-Fetch-Site' => 'same-origin' ]);

    is($response->status, 503, 'a list of sessions of a wrong type: 503');
    is($redis->command('EXISTS', $out->key), 0,
       '... and the session has ended nevertheless');

    my $browser = $shop->browser;

    $shop->login($browser, '/');

    my ($list) = grep { !/:c\d+$/ } $redis->keys('shop:sessions:*');
    my $before = () = $redis->keys('shop:session:*');

    $redis->command('SET', $list, 'text');

    is($shop->callback($browser, $shop->attempt($browser))->status, 503,
       '... a login of that customer: 503');
    is(scalar(() = $redis->keys('shop:session:*')), $before,
       '... which leaves no session behind, and the older one');
    ok($shop->me($browser), '... which is still good');

    $redis->command('DEL', $list);
    is($shop->callback($browser, $shop->attempt($browser))->status, 303,
       '... and a login once that is mended');
}


# row 28: another host

{
    my $s = session();

    is(customer($s->cookie, port => 2), undef,
       'row 28: a session of one host is none on another');
    is(customer($s->cookie), $s->{customer}, 'row 28: here it is one');
    is(customer($s->cookie, port => 2), undef,
       'row 28: ... and there still none');

    my $there = session(host => 'localhost');

    is(customer($there->cookie, port => 2), $there->{customer},
       'row 28: ... but one of that host is');
    is(customer($there->cookie), undef, 'row 28: ... and not here');

    my $domain = session(host => 'example.com', name => '__Secure-shop');

    is(customer($domain->cookie, port => $_), $domain->{customer},
       "row 28: with a domain it is one on both hosts ($_)") for 3, 4;

    my $host = session(host => 'shop.example.com', name => '__Secure-shop');

    is(customer($host->cookie, port => 3), undef,
       'row 28: a session of the host alone is none of the domain');
}


# row 29: purposes, forgeries, keys

is(customer(session(purpose => 'attempt')->cookie), undef,
   'row 29: a sealed login attempt is no session');
is(customer(session(purpose => 'advocate')->cookie), undef,
   'row 29: nor is anything of another purpose');
is(customer(session(secret_key => 'cd' x 32)->cookie), undef,
   'row 29: sealed under another key');

{
    my $s = session();
    my $value = $s->value;
    my @wrong = (0, 0);

    # before the true one has been opened, and after it

    for my $wrong (@wrong) {
        for my $i (0 .. length($value) - 1) {
            my $forged = $value;

            substr($forged, $i, 1) = substr($forged, $i, 1) eq 'A' ? 'B' : 'A';
            $wrong++ if defined customer("shop=$forged");
        }

        is($wrong, 0, 'row 29: no changed character is accepted');
        is(customer($s->cookie), $s->{customer}, 'row 29: ... and the true one');
    }

    for my $forged ('', 'x', substr($value, 0, -1), $value . 'A',
                    "$value=", 'A' x 200, 'A' x 600, "\"$value\"",
                    "%41$value") {
        is(customer("shop=$forged"), undef,
           'row 29: refused: ' . substr($forged, 0, 10));
    }

    is(customer("shop=$value; a=b"), $s->{customer}, '... and the true one is');
}


# cookies beside it

{
    my $s = session();
    my $value = $s->value;
    my $other = session();

    is(field(seen($s->cookie), 'Cookie'), undef,
       'row 30: a header that held nothing but our cookie is gone');
    is(field(seen("a=1; shop=$value; b=2"), 'Cookie'), 'a=1; b=2',
       'row 30: our cookie is cut out of others');
    is(field(seen("shop=$value;a=1;b=2"), 'Cookie'), 'a=1;b=2', '... first');
    is(field(seen("a=1;b=2;shop=$value"), 'Cookie'), 'a=1;b=2', '... last');
    is(field(seen("a=1;  shop = $value ;b"), 'Cookie'), 'a=1;b',
       '... with blanks');
    is(field(seen("shop-login-AZaz09-_=x; a=1; shop-login-12345678"),
             'Cookie'), 'a=1', '... and so are those of login attempts');
    is(field(seen('shop-login-theme=1; shop-login-=2; shop-login-1234567=3; '
                  . 'shop-login-123456789=4; shop-login-1234567.=5'),
             'Cookie'),
       'shop-login-theme=1; shop-login-=2; shop-login-1234567=3; '
       . 'shop-login-123456789=4; shop-login-1234567.=5',
       'what begins like them and is none stays');
    is(field(seen("; a=1;b"), 'Cookie'), '; a=1;b',
       'what begins oddly stays as it is');
    is(field(seen("; a=1; shop=$value; b=2"), 'Cookie'), '; a=1; b=2',
       '... but for ours');
    is(field(seen("; ; shop=$value"), 'Cookie'), undef,
       '... and nothing is left of nothing');
    is(field(seen("shopping=1; xshop=2; shop2=3; Shop=4"), 'Cookie'),
       'shopping=1; xshop=2; shop2=3; Shop=4', 'others of a similar name stay');
    is(field(seen("a=\"; shop=$value; b=2"), 'Cookie'), 'a="; b=2',
       'a quote hides nothing');
    is(field(seen(undef, headers => [ Cookie => 'a=1',
                                      Cookie => "shop=$value; b=2",
                                      Cookie => "shop=$value" ]), 'Cookie')
       =~ s/[|;] ?/+/gr, 'a=1+b=2', '... in several lines');

    my $many = seen(undef, headers => [
        map { ("X-Other-$_" => $_,
               Cookie => $_ % 3 ? "shop=$value" : "a$_=1; shop=$value") }
        1 .. 99 ]);

    is(field($many, 'Cookie') =~ s/[|;] ?/+/gr,
       join('+', map { 3 * $_ } 1 .. 33) =~ s/(\d+)/a$1=1/gr,
       '... in many lines, between other headers');
    is(scalar(grep { $_->[0] =~ /^X-Other-/ } @$many), 99,
       '... of which none is lost');
    is(field($many, 'X-Customer-Id'), $s->{customer}, '... and it is found');

    is(field(seen("a=1; shop=$value; __Secure-shop=$value; b=2; "
                  . '__Host-shop-login-abcdefgh=x', port => 5), 'Cookie'),
       'a=1; b=2', 'row 30: another server of this nginx cuts them all, too');
    is(field(seen("a=1; __Secure-shop=$value"), 'Cookie'), 'a=1',
       'row 30: ... and so does one that has its own');
    is(customer("__Secure-shop=$value"), undef, '... and takes them for nobody');

    is(customer("a=1; shop=$value; b=2"), $s->{customer}, 'it is found there');
    is(customer("shop=$value; shop=$value"), $s->{customer},
       'the same one twice is one');
    is(customer("shop=$value; shop=" . $other->value), undef,
       'two different ones are none');
    is(field(seen("shop=$value; shop=" . $other->value), 'Cookie'), undef,
       '... and both are cut');
    is(customer(join '; ', map({ "a$_=" . 'x' x 50 } 1 .. 50),
                "shop=$value"), $s->{customer}, 'behind fifty others');

    # somebody has planted one of them: whoever leaves, leaves both

    my $both = "shop=$value; shop=" . $other->value;
    my $response = $nginx->post('/_shop/logout', '', Cookie => $both,
                                'Sec-Fetch-Site' => 'same-origin');

    is($response->status, 204, 'who has two of them can sign out');
    is(customer($_->cookie), undef, '... of each') for $s, $other;

    my @old = (session(), session());
    my $browser = $shop->browser;

    $browser->set_cookie($shop->url . '/', $old[$_]->cookie . '; Path='
                                           . ('/', '/_shop')[$_]) for 0, 1;

    is($shop->callback($browser, $shop->attempt($browser))->status, 303,
       'who has two of them can sign in');
    is(customer($_->cookie), undef, '... and both end') for @old;
}


# variables

ok($nginx->logs('shop.log', qr/^c1\|work\|fresh\|\/$/m),
   'variables of a customer');
ok($nginx->logs('shop.log', qr/^-\|-\|none\|\/$/m), 'variables of nobody');

done_testing();
