# A request is sent from one location to another, by nginx or by the backend,
# and has subrequests: what counts is whether "loyalty" is on where it is.

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
        tier bronze;
        tier silver points=1000;
        promotion WELCOME-10 { audience new; }
    }

    proxy_cache_path %%dir%%/cache keys_zone=c:1m;

    underscores_in_headers on;

    log_format seen '\$uri|\$loyalty_tier|\$shop_customer';

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;
        access_log    %%dir%%/logs/access.log seen;

        # every location passes its own name on, so that the backend's echo
        # tells who asked

        location /on/  { loyalty on; proxy_pass %%backend%%; }
        location /off/ { proxy_pass %%backend%%; }

        location /renamed/ {
            loyalty        on;
            loyalty_header tier X-Level;
            proxy_pass     %%backend%%;
        }

        # X-Accel-Redirect, error_page: from one with to one of each

        location /error/off/ {
            loyalty    on;
            proxy_intercept_errors on;
            error_page 404 /off/error;
            proxy_pass %%backend%%;
        }
        location /error/renamed/ {
            loyalty    on;
            proxy_intercept_errors on;
            error_page 404 = /renamed/error;
            proxy_pass %%backend%%;
        }
        location /error/named/ {
            loyalty    on;
            proxy_intercept_errors on;
            error_page 404 = \@off;
            proxy_pass %%backend%%;
        }
        location /error/from/ {
            proxy_intercept_errors on;
            error_page 404 = /on/error;
            proxy_pass %%backend%%;
        }
        location /error/early/ {
            loyalty    on;
            error_page 403 = /off/error;
            deny       all;
        }
        location \@off { proxy_pass %%backend%%; }

        # within nginx

        location /try/off/ {
            loyalty   on;
            try_files /no/such/file /off/tried;
        }
        location /try/on/ { try_files /no/such/file /on/tried; }

        location /index/ {
            loyalty on;
            alias   %%dir%%/html/;
            index   none.html /off/index;
        }

        # auth_request

        location /auth/on-off/ {
            loyalty      on;
            auth_request /off/auth;
            proxy_pass   %%backend%%;
        }
        location /auth/off-on/ {
            auth_request /on/auth;
            proxy_pass   %%backend%%;
        }
        location /auth/on-renamed/ {
            loyalty      on;
            auth_request /renamed/auth;
            proxy_pass   %%backend%%;
        }

        # SSI

        location /ssi/on/  { loyalty on; ssi on; proxy_pass %%backend%%; }
        location /ssi/off/ { ssi on; proxy_pass %%backend%%; }

        # mirror

        location /mirror/on/  {
            loyalty on; mirror /off/mirror; proxy_pass %%backend%%;
        }
        location /mirror/off/ { mirror /on/mirror; proxy_pass %%backend%%; }

        # a cached answer refreshed behind the customer's back

        location /cached/ {
            loyalty           on;
            proxy_cache       c;
            proxy_cache_key   \$uri|\$loyalty_tier;
            proxy_cache_valid 200 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            proxy_pass        %%backend%%;
        }

        # twice

        location /deep/ {
            loyalty    on;
            proxy_intercept_errors on;
            error_page 404 = /error/off/deep?status=404;
            proxy_pass %%backend%%;
        }
    }
END

my $silver = ShopTest::Session->new(
    redis => $redis, view => { points => 1250, qualifying => 1250 });
my $id = $silver->customer;

my $all = "X-Customer-Id: $id; X-Customer-Provider: work; "
        . 'X-Loyalty-Tier: silver; X-Loyalty-Points: 1250; '
        . 'X-Promotion: WELCOME-10';

(my $renamed = $all) =~ s/X-Loyalty-Tier/X-Level/;

my @forged = ('X-Loyalty-Tier' => 'forged', 'X-Level' => 'forged',
              'X_Customer_Id' => 'forged');


# our headers in what the backend got

sub ours {
    my ($request) = @_;

    return defined $request ? join('; ', map { "$_->[0]: $_->[1]" }
        grep { $_->[0] =~ /^x[-_](?:customer|loyalty|promotion|level)/i }
        @{ $request->{headers} }) : 'no request';
}

sub get {
    my ($uri, @headers) = @_;

    return $nginx->get($uri, @forged, @headers, Cookie => $silver->cookie);
}

# the last request for this path

sub asked {
    my ($path) = @_;

    return (grep { $_->{uri} =~ m{^\Q$path\E(?:\?|$)} }
            $backend->requests)[-1];
}

sub is_told {
    my ($path, $headers, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for { asked($path) } "a request for $path";

    is(ours(asked($path)), $headers, $name);
}


# X-Accel-Redirect

is(ours(get('/on/a?accel=/off/accel')->json), '',
   'X-Accel-Redirect into a location where "loyalty" is off');
is_told('/on/a', $all, '... whose first location had it on');

is(ours(get('/off/a?accel=/on/accel')->json), $all, '... from off to on');
is_told('/off/a', '', '... whose first location had it off');

is(ours(get('/on/b?accel=/renamed/accel')->json), $renamed,
   '... to other names');
is(ours(get('/renamed/b?accel=/on/accel2')->json), $all, '... and back');
is(ours(get('/on/c?accel=/on/accel3')->json), $all,
   '... on both sides: once');


# error_page

get('/error/off/a?status=404');
is_told('/off/error', '', 'error_page into a location where it is off');

is(ours(get('/error/renamed/a?status=404')->json), $renamed,
   '... to other names');

is(ours(get('/error/named/a?status=404')->json), '', '... a named location');

is(ours(get('/error/from/a?status=404')->json), $all, '... from off to on');

is(ours(get('/error/early/a')->json), '',
   '... before anything was injected');

get('/deep/a?status=404');
is_told('/error/off/deep', $all, 'two redirects in a row: the first');


# within nginx

is(ours(get('/try/off/a')->json), '', 'try_files from on to off');
is(ours(get('/try/on/a')->json), $all, 'try_files from off to on');
is(ours(get('/index/')->json), '', 'index from on to off');


# auth_request

is(ours(get('/auth/on-off/a')->json), $all, 'auth_request: page on');
is_told('/off/auth', '', '... request off');

is(ours(get('/auth/off-on/a')->json), '', 'auth_request: page off');
is_told('/on/auth', $all, '... request on');

is(ours(get('/auth/on-renamed/a')->json), $all, 'auth_request: page on');
is_told('/renamed/auth', $renamed, '... request with other names');


# SSI: two of each side by side, the page's own headers are not changed

my $includes = join '', map { "<!--#include virtual=\"$_\" -->" }
    '/off/ssi1', '/on/ssi1', '/renamed/ssi1', '/off/ssi2', '/on/ssi2';

(my $escaped = $includes) =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;

for my $page (qw(on off)) {
    $backend->forget;

    like(get("/ssi/$page/a?type=text/html&body=$escaped")->body,
         qr/"uri":"\/on\/ssi2"/, "SSI in a page with it $page");

    is_told("/ssi/$page/a", $page eq 'on' ? $all : '', '... the page');

    is_told($_, '', "... $_") for '/off/ssi1', '/off/ssi2';
    is_told($_, $all, "... $_") for '/on/ssi1', '/on/ssi2';
    is_told('/renamed/ssi1', $renamed, '... /renamed/ssi1');
}

my $nested = '<!--#include virtual="/ssi/off/n?type=text/html&body='
           . '%3C!--%23include%20virtual=%22/on/n2%22%20--%3E" -->';

$nested =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;

get("/ssi/on/n?type=text/html&body=$nested");

is_told('/ssi/off/n', '', 'an include in an include: off in on');
is_told('/on/n2', $all, '... and on in it');

my $accel = '<!--#include virtual="/on/s?accel=/off/sub" -->';

$accel =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;

get("/ssi/on/s?type=text/html&body=$accel");

is_told('/off/sub', '', 'X-Accel-Redirect of an include');


# mirror

is(ours(get('/mirror/on/a')->json), $all, 'mirror: page on');
is_told('/off/mirror', '', '... mirror off');

is(ours(get('/mirror/off/a')->json), '', 'mirror: page off');
is_told('/on/mirror', $all, '... mirror on');


# background update

my $bronze = ShopTest::Session->new(redis => $redis);

get('/cached/a');

is($nginx->get('/cached/a', Cookie => $bronze->cookie)->json->{uri},
   '/cached/a', 'a page is cached for each tier');
is($backend->count('/cached/a'), 2, '... once');

wait_for {
    get('/cached/a');
    $backend->count('/cached/a') > 2

} 'the update of a cached page';

is_told('/cached/a', $all, 'a background update sends what its page sends');


# nobody

for my $uri ('/on/a?accel=/on/x', '/ssi/on/b?type=text/html&body=' . $escaped,
             '/auth/off-on/b', '/mirror/off/b')
{
    $nginx->get($uri, @forged);
}

is_told('/on/x', '', 'an anonymous visitor: X-Accel-Redirect');
is_told('/on/ssi1', '', '... SSI');
is_told('/on/auth', '', '... auth_request');

my $n = $backend->count('/on/mirror');

$nginx->get('/mirror/off/b', @forged);
wait_for { $backend->count('/on/mirror') > $n } 'the mirror';
is_told('/on/mirror', '', '... mirror');

is(scalar(grep { /forged/ } map { $_->{raw} } $backend->requests), 0,
   'nothing forged came through anywhere');


# logs and variables after a redirect

get('/on/log?accel=/off/log');

ok(wait_for { $nginx->access_log =~ m{^/off/log\|silver\|$id$}m },
   'the variables are there after a redirect into a location without');

$nginx->keep_secret($silver->value);

done_testing();
