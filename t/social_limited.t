# Providers without a redirect: an app has been to them with their library,
# and all they give out is an ID token.  Facebook's Limited Login is one.

use lib 't/lib';
use ShopTest;
use ShopTest::Backend;
use ShopTest::Conf;
use ShopTest::Dialect;

use JSON::PP ();

my $mock = ShopTest::Dialect->new;

my $shop = shop(
    providers => { map { $_ => $mock } qw(facebook facebook_limited) },
    base_url  => 'https://shop.example.com',
    http      => <<'END',
    social_provider lax {
        preset      facebook_limited;
        client_id   1234567890;
        nonce       if_present;
        jwks        %%jwks%%;
    }
    social_provider other {
        preset      facebook_limited;
        client_id   1234567890;
        jwks        %%jwks%%;
    }
END
    vars => { jwks => $mock->address('https://limited.facebook.com'
                                     . '/.well-known/oauth/openid/jwks/') },
);

my $nginx = $shop->nginx;
my $name = 'facebook_limited';
my $nonce = 'n-0S6_WzA2Mj';
my $serial = 0;


sub token {
    my (%claims) = @_;

    my $token = $mock->native($name, {
        nonce => $nonce, jti => 'token-' . ++$serial, %claims });

    $nginx->keep_secret($token);

    return $token;
}


sub app {
    my ($at, $fields, @headers) = @_;

    return $nginx->post("/_shop/token/$at", JSON::PP::encode_json($fields),
                        'Content-Type' => 'application/json', @headers);
}


sub cookie {
    my ($response) = @_;
    my ($cookie) = map { /^((?:__Host-)?shop=[^;]+)/ ? $1 : () }
                   $response->headers('Set-Cookie');

    $nginx->keep_secret($cookie =~ /=(.*)/) if defined $cookie;

    return $cookie;
}


# a token becomes a session, and headers at the backend

{
    my $response = app($name, { id_token => token(), nonce => $nonce });
    my $cookie = cookie($response);

    is($response->status, 200, 'Limited Login: an app signs in')
        or diag(ShopTest::Shop::shown($response));

    my $echo = $nginx->get('/', Cookie => $cookie)->json;
    my ($id) = ShopTest::Backend::values_of($echo, 'X-Customer-Id');

    is_deeply([ ShopTest::Backend::values_of($echo, 'X-Customer-Provider') ],
              [ $name ], '... with headers at the backend');

    my %expect = %{ $mock->dialect($name)->{expect} };

    is($shop->redis->command('GET',
                             "shop:identity:$name:$expect{subject}"), $id,
       '... as the subject of the token');

    my ($key) = $shop->redis->keys("shop:customer:*:$id");
    my %is = %{ $shop->redis->hash($key) };

    is($is{$_}, $expect{$_}, "... $_")
        for qw(email name given_name family_name);
    is($is{email_state}, 'unverified', '... whose address is not believed');
    is($mock->steps($name), '', '... and Facebook is not asked about it');
}

# what makes a token good

for ([ 'no nonce from the app', 'nonce_missing', {}, undef ],
     [ 'another nonce', 'nonce_mismatch', {}, 'other' ],
     [ 'no nonce in the token', 'nonce_mismatch', { nonce => undef }, $nonce ],
     [ 'a token for another app', 'aud_mismatch', { aud => '999' }, $nonce ],
     [ 'a token of another issuer', 'iss_mismatch',
       { iss => 'https://limited.facebook.com' }, $nonce ],
     [ 'a token that has ended', 'token_expired',
       { exp => time - 120, iat => time - 200 }, $nonce ],
     [ 'a token without a subject', 'claims_malformed', { sub => undef },
       $nonce ])
{
    my ($what, $reason, $claims, $told) = @$_;

    $shop->refuses(400, $reason, app($name, {
        id_token => token(%$claims), nonce => $told }), $what);
}

{
    my $token = token();

    is(app($name, { id_token => $token, nonce => $nonce })->status, 200,
       'a token');
    $shop->refuses(400, 'token_spent',
                   app($name, { id_token => $token, nonce => $nonce }),
                   '... a second time');

    my ($text) = token() =~ /^(.*)\./;
    my ($signature) = token() =~ /([^.]*)$/;

    $shop->refuses(400, 'signature_invalid', app($name, {
        id_token => "$text.$signature", nonce => $nonce }),
        'the signature of another token');
}

is(app('lax', { id_token => token() })->status, 200,
   'a nonce need not be told where the shop says so');
$shop->refuses(400, 'nonce_mismatch',
               app('lax', { id_token => token(), nonce => 'x' }),
               '... but if it is, it is the right one');

$shop->refuses(400, 'code_unsupported', app($name, { code => 'x' }),
               'a code, which nobody could exchange');

# there is no redirect

for my $path ('/_shop/login/facebook_limited',
              '/_shop/login/facebook_limited?return=/account/',
              '/_shop/callback/facebook_limited',
              '/_shop/callback/facebook_limited?code=x&state=x')
{
    $shop->refuses(404, 'login_unsupported', $nginx->get($path),
                   "GET $path");
}

$shop->refuses(404, 'login_unsupported',
               $nginx->get("/_shop/login/$name",
                           'Sec-Fetch-Site' => 'cross-site'),
               'a link from elsewhere');
$shop->refuses(404, 'login_unsupported',
               $nginx->post("/_shop/callback/$name", 'code=x&state=x',
                            'Content-Type'
                                => 'application/x-www-form-urlencoded'),
               'a form that is posted to the callback');

{
    my $list = $nginx->get('/_shop/login', Accept => 'application/json')
               ->json->{providers};
    my $page = $nginx->get('/_shop/login', Accept => 'text/html')->body;

    is(join(' ', map { $_->{name} } @$list), 'facebook',
       'the chooser has those with a redirect alone');
    like($page, qr/data-provider="facebook"/, '... the page as well');
    unlike($page, qr/facebook_limited|"lax"/, '... and no others');
}

# the configuration

my $keys = key_file();

sub block {
    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\n"
        . "social_provider mine { client_id x;\n$_[0]\n}\nserver { listen "
        . '127.0.0.1:%%port%%; shop_base_url http://127.0.0.1:%%port%%; }';
}

my $native = 'preset oidc; flow native; issuer https://a.example; '
           . 'client_auth none;';

good(block("$native jwks https://a.example/keys;"),
     'the smallest provider of apps');
wrong(block($native), 'has no "jwks"', 'keys of nowhere', nowhere => 1);
wrong(block('preset oauth2; flow native; client_auth none; sub tk:/id; '
            . 'jwks https://a.example/keys;'),
      'is for "kind oidc"', 'no ID tokens', nowhere => 1);
wrong(block("preset oidc; issuer https://a.example;\nflow app; # here"),
      '"code", "native", "telegram_widget"', 'another flow');

is(join('; ', $mock->mistakes), '', 'no mistake');

done_testing();
