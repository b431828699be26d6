# The mock provider and the browser: a conforming client gets through, a
# wrong one is refused, and each fault does what it says.

use lib 't/lib';
use ShopTest;

use Crypt::PK::RSA ();
use Digest::SHA qw(sha256);
use JSON::PP ();
use MIME::Base64 qw(decode_base64url encode_base64 encode_base64url);
use ShopTest::Certificate;

my $provider = provider();
my $redirect = 'http://127.0.0.1:1/callback';
my $secret = ShopTest::Browser::escape($provider->client_secret);
my $basic = encode_base64(
    ShopTest::Browser::escape($provider->client_id) . ":$secret", '');


sub discovery {
    return request($provider->port, 'GET',
                   '/.well-known/openid-configuration')->json;
}


my $n = 0;

sub authorize {
    my (%o) = @_;

    my $verifier = 'v' x 40 . sprintf '%03d', ++$n;

    my $response = browser()->navigate(
        $provider->issuer . '/authorize?'
        . ShopTest::Provider::query({
            client_id => $provider->client_id, redirect_uri => $redirect,
            response_type => 'code', scope => 'openid',
            state => "state-${n}aaaaaaaaaaaaaaaaaaaaaa",
            nonce => "nonce-${n}aaaaaaaaaaaaaaaaaaaaaa",
            code_challenge => encode_base64url(sha256($verifier)),
            code_challenge_method => 'S256',
            %o,
        }), follow => 0);

    my ($args) = ($response->header('Location') || '')
                 =~ /^\Q$redirect\E\?(.*)/;

    return ($response,
            ShopTest::Server::query_fields($args), $verifier);
}


sub token {
    my ($code, $verifier, %o) = @_;

    return request($provider->port, 'POST', '/token',
        headers => [
            'Content-Type' => 'application/x-www-form-urlencoded',
            Authorization => "Basic $basic",
        ],
        body => ShopTest::Provider::query({
            grant_type => 'authorization_code', code => $code,
            code_verifier => $verifier, redirect_uri => $redirect, %o,
        }));
}


sub claims {
    my ($response) = @_;

    return JSON::PP::decode_json(
        decode_base64url((split /\./, $response->json->{id_token})[1]));
}


is(discovery()->{issuer}, $provider->issuer, 'the issuer is told');

my ($response, $fields, $verifier) = authorize();

is($response->status, 303, 'a right request is approved');
is($fields->{iss}, $provider->issuer, 'with an iss');

my $token = token($fields->{code}, $verifier);

is($token->status, 200, 'its code is good');
is(claims($token)->{sub}, 'user-1', 'the ID token has a subject');
is_deeply([ $provider->violations ], [], 'nothing was wrong so far');

my ($h, $p, $s) = split /\./, $token->json->{id_token};
my $pem = $provider->public_key('rsa-1');

ok(Crypt::PK::RSA->new(\$pem)->verify_message(
       decode_base64url($s), "$h.$p", 'SHA256', 'v1.5'),
   'its signature is that of the key');

is(request($provider->port, 'GET', '/userinfo', headers => [
       Authorization => 'Bearer ' . $token->json->{access_token}
   ])->json->{email}, 'ann@example.com', 'userinfo knows more');

is(token($fields->{code}, $verifier)->status, 400, 'a code is spent once');

($response, $fields, $verifier) = authorize();
is(token($fields->{code}, 'w' x 43)->json->{error}, 'invalid_grant',
   'the verifier is checked');

($response, $fields, $verifier) = authorize();
is(token($fields->{code}, $verifier, redirect_uri => 'x')->json->{error},
   'invalid_grant', 'the redirect URI is checked');

is((authorize(code_challenge => 'short'))[0]->status, 400,
   'a challenge is required');
is((authorize(state => 'short'))[0]->status, 400, 'state is looked at');
is(scalar(() = $provider->violations), 5, 'what went wrong is listed');

$provider->set({ alg => 'ES256', claims => { aud => ['a', 'b'],
                 exp => { raw => '1e300' }, nonce => undef } });
($response, $fields, $verifier) = authorize();
$token = token($fields->{code}, $verifier);
is_deeply(claims($token)->{aud}, ['a', 'b'], 'a claim is replaced');
like(decode_base64url((split /\./, $token->json->{id_token})[1]),
     qr/"exp":1e300/, 'by raw text');
ok(!exists claims($token)->{nonce}, 'and removed');

for my $alg (qw(RS384 RS512 PS256 PS384 PS512 ES384 ES512 EdDSA HS256)) {
    $provider->set({ alg => $alg });
    ok($provider->sign({ claims => { sub => 'x' } }), "$alg signs");
}

$provider->restore;
$provider->set({ form_post => 1 });
($response) = authorize();
is(ShopTest::Browser::form($response->body)->{url}, $redirect,
   'form_post is a form');

$provider->restore;

my @keys = @{ request($provider->port, 'GET', '/jwks')->json->{keys} };

is(scalar(@keys), 5, 'there are five keys');
is(scalar(grep { exists $_->{d} } @keys), 0, 'none is private');

my %fault = (
    'another status' => { status => 500 },
    'a cut answer' => { cut => 100 },
    'a reset' => { reset => 0 },
    'a flood' => { header_flood => 5000 },
    'an endless body' => { endless => 'chunked' },
    'a bad chunk' => { chunked => "zz\r\n" },
    'silence' => { stall => 20 },
);

for my $name (sort keys %fault) {
    $provider->set({ fault => { discovery => { %{ $fault{$name} },
                                               times => 1 } } });
    my $got = eval {
        my $c = ShopTest::HTTP->connect($provider->port, timeout => 0.3);

        $c->send('GET', '/.well-known/openid-configuration');
        my $r = $c->response;

        $r && $r->status == 200 && length $r->text < 4000 && $r->json;
    };

    ok(!$got, $name);
    ok(discovery(), 'only once');
}

my $ca = ShopTest::Certificate->authority;
my $secure = provider(tls => $ca->issue('localhost'));

is(request($secure->port, 'GET', '/.well-known/openid-configuration',
           tls => { SSL_verify_mode => 1, SSL_ca_file => $ca->file,
                    SSL_hostname => 'localhost',
                    SSL_verifycn_name => 'localhost',
                    SSL_verifycn_scheme => 'http' })->json->{issuer},
   $secure->issuer, 'it speaks TLS');


# --- the browser

my $server = ShopTest::Server->new(handler => sub {
    my ($request) = @_;
    my $args = ShopTest::Server::query_fields($request->{args});

    return ShopTest::Server::answer(
        $args->{to} ? 303 : 200,
        [ $args->{to} ? (Location => $args->{to}) : (),
          'Set-Cookie' => 'lax=1; Path=/; HttpOnly',
          'Set-Cookie' => 'strict=1; Path=/; SameSite=Strict',
          'Set-Cookie' => 'none=1; Path=/; SameSite=None',
          'Set-Cookie' => 'secure=1; Path=/; Secure' ], 'page');
});

my $here = 'http://127.0.0.1:' . $server->port;
my $there = 'http://localhost:' . $server->port;
my $browser = browser();

sub cookies_sent {
    my ($last) = reverse $server->requests;

    return join ' ', map { /^(\w+)=/ } split /; /,
           $last->{first}{cookie} || '';
}

$browser->navigate("$here/");
is(join(' ', map { $_->{name} } $browser->cookies), 'lax strict',
   'cookies are taken, or not');

$browser->navigate("$here/");
is(cookies_sent(), 'lax strict', 'who types an address is at home');
$browser->click('/x');
is(cookies_sent(), 'lax strict', 'so is who clicks a link of the site');

$browser->leave("$there/");
$browser->click("$here/");
is(cookies_sent(), 'lax', 'a link of another site loses Strict');
$browser->leave("$there/");
$browser->submit("$here/", 'a=1');
is(cookies_sent(), '', 'a form of another site loses both');

my ($last) = reverse $server->requests;
is($last->{first}{origin}, $there, 'its origin is told');
is($last->{first}{'sec-fetch-site'}, 'cross-site', 'and that it is foreign');

$browser->leave("$here/");
$browser->click("$there/?to=" . ShopTest::Browser::escape("$here/x"));
is(cookies_sent(), 'lax', 'a detour over another site loses Strict');

done_testing();
