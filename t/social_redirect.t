# An endpoint is asked for by nginx itself: by a rewrite, a redirect inside of
# it, or as a part of another page.  Such a request has not come by the way
# that others come, and that must not matter.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;

my $shop = shop(server => <<'END');
    error_page 400 = /_shop/login;

    location /rewritten { rewrite ^ /_shop/callback/work last; }
    location /tried     { try_files /none /_shop/callback/work$is_args$args; }
    location /failed    { error_page 404 = /_shop/callback/work; }
    location /chooser   { rewrite ^ /_shop/login last; }
    location /start     { rewrite ^ /_shop/login/work last; }
    location /page      { ssi on; proxy_pass %%backend%%; }
    location /member    { auth_request /_shop/me; proxy_pass %%backend%%; }
    location /wrong     { auth_request /_shop/callback/work;
                          proxy_pass %%backend%%; }
    location /mirrored  { mirror /_shop/callback/work;
                          proxy_pass %%backend%%; }
    location /out       { mirror /_shop/logout; proxy_pass %%backend%%; }
END

my $nginx = $shop->nginx;
my $browser = $shop->browser;

$shop->login($browser, '/');

my $cookie = 'shop=' . $browser->cookie('shop');


# the callback, where nobody has kept its arguments yet

for my $uri ('/rewritten', '/tried', '/failed',
             '/?accel=/_shop/callback/work%3Fstate%3Dsecretstate%26'
             . 'code%3Dsecretcode')
{
    my $sign = $uri =~ /\?/ ? '&' : '?';

    for my $headers ([], [ Cookie => $cookie ]) {
        my $response = $nginx->get(
            "$uri${sign}state=secretstate&code=secretcode", @$headers);

        # an error page gets no arguments

        $shop->refuses(400, qr/^state_(?:unknown|missing)$/, $response,
                       "GET $uri");
    }

    my $response = $nginx->post($uri, 'state=secretstate&code=secretcode',
                                'Content-Type'
                                => 'application/x-www-form-urlencoded');

    like($response->status, qr/^(?:303|400)$/, "POST $uri: answered");
}

ok($nginx->logs('logs/access.log',
                qr{GET /rewritten\?state=\*+&code=\*+ }),
   'its arguments are masked all the same');


# a login that comes back this way is one

{
    my $other = $shop->browser;
    my $url = $shop->attempt($other) =~ s{/_shop/callback/work}{/rewritten}r;

    is($shop->callback($other, $url)->status, 303,
       'a callback that was rewritten');
    ok($shop->me($other), '... signs in');
}


# other endpoints

is($nginx->get('/chooser')->status, 200, 'the chooser, rewritten');
is($nginx->get('/start')->status, 303, 'a start, rewritten');

{
    my $c = $nginx->connect;

    $c->write("GET / HTTP/1.1\r\n\r\n");
    is($c->response->status, 200, 'the chooser, instead of an error');

    $c = $nginx->connect;
    $c->write("GET /\0 HTTP/1.1\r\n\r\n");
    is($c->response->status, 200, '... of the request line');
}


# parts of a page

sub include {
    my ($uri, @headers) = @_;
    my $command = ShopTest::Browser::escape(
        "<!--#include virtual=\"$uri\" -->.");

    return $nginx->get("/page?type=text/html&body=$command", @headers);
}

like(include('/_shop/me', Cookie => $cookie)->body,
     qr/"customer": *"[^"]+".*\}\s*\.$/s, 'a page may include "me"');
like(include('/_shop/me')->body, qr/session_required/,
     '... which knows nobody without a session');
like(include('/_shop/login')->body, qr/_shop\/login\/work/,
     '... and the chooser');

for my $uri ('/_shop/callback/work?state=secretstate&code=secretcode',
             '/_shop/callback/work', '/_shop/login/work')
{
    for my $headers ([], [ Cookie => $cookie ]) {
        my $response = include($uri, @$headers);

        is($response->status, 200, "a page with $uri");
        like($response->body, qr/not_found/, '... which is no part of any');
        is($response->header('Set-Cookie'), undef, '... nor signs in');
    }
}

is($nginx->get('/member', Cookie => $cookie)->status, 200,
   '"me" may say who is let in');
is($nginx->get('/member')->status, 401, '... and who is not');
is($nginx->get('/wrong', Cookie => $cookie)->status, 500,
   'the callback cannot');
is($nginx->get('/mirrored?state=secretstate', Cookie => $cookie)->status, 200,
   'nor is it a mirror');
is($nginx->post('/out', 'a=1', Cookie => $cookie)->status, 200,
   'a mirrored POST to "logout"');
ok($shop->me($browser), '... ends nothing');

$shop->signs_in('after all of it');

done_testing();
