# POST token/NAME with an access token.  Trap 3, token substitution: userinfo
# answers to the token of any app, so an app's is good only where the provider
# says that it was given to an app of this shop, and to whom.

use lib 't/lib';
use ShopTest;
use ShopTest::Backend;
use ShopTest::Conf;
use ShopTest::Dialect;

use JSON::PP ();

my $mock = ShopTest::Dialect->new;
my $info = $mock->address('https://kapi.kakao.com/v1/user/access_token_info');
my $me = $mock->address('https://kapi.kakao.com/v2/user/me');
my $secret = write_file(temp_dir() . '/other.secret', "s3cret\n", 0600);

# Kakao is told by its number of the app, which no client id is

my $shop = shop(
    providers => { map { $_ => $mock } qw(facebook kakao google) },
    base_url  => 'https://shop.example.com',
    program   => <<'END',
    loyalty_program {
        currency EUR;
        tier bronze;
        earn login 5;
    }
END
    http      => <<"END",
    social_provider checked {
        preset             kakao;
        jwks               $me;
        client_id          kakao-client;
        client_secret_file $secret;
        tokeninfo          $info;
        token              $me;
        userinfo           $me;
        aud_extra          1234;
        ti_client          ti:/app_id!str;
        ti_sub             ti:/id!str;
    }
    social_provider foreign {
        preset             kakao;
        jwks               $me;
        client_id          kakao-client;
        client_secret_file $secret;
        tokeninfo          $info;
        token              $me;
        userinfo           $me;
        ti_client          ti:/app_id!str;
        ti_sub             ti:/id!str;
    }
END
);

my $nginx = $shop->nginx;

$nginx->keep_secret($mock->client_secret('facebook'));


sub token {
    my ($name, $changes) = @_;

    my $token = $mock->access_token($name, $changes);

    $nginx->keep_secret($token);

    return $token;
}


sub app {
    my ($name, $fields, @headers) = @_;

    return $nginx->post("/_shop/token/$name", JSON::PP::encode_json($fields),
                        'Content-Type' => 'application/json', @headers);
}


sub shown_to_backend {
    my ($response) = @_;
    my ($cookie) = map { /^((?:__Host-)?shop=[^;]+)/ ? $1 : () }
                   $response->headers('Set-Cookie');

    return {} unless defined $cookie;

    $nginx->keep_secret($cookie =~ /=(.*)/);

    return $nginx->get('/', Cookie => $cookie)->json;
}


sub refused {
    my ($what, $status, $reason, $name, $changes) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $mock->steps($name);
    $shop->refuses($status, $reason,
                   app($name, { access_token => token($name, $changes) }),
                   $what);

    return;
}


# --- Facebook

{
    my $token = token('facebook');
    my $response = app('facebook', { access_token => $token });
    my $echo = shown_to_backend($response);
    my ($id) = ShopTest::Backend::values_of($echo, 'X-Customer-Id');
    my %expect = %{ $mock->dialect('facebook')->{expect} };

    is($response->status, 200, 'an access token: signed in')
        or diag(ShopTest::Shop::shown($response));
    is_deeply($response->json, { customer => $id, provider => 'facebook' },
              '... and the answer says who it is');
    is_deeply([ ShopTest::Backend::values_of($echo, 'X-Customer-Provider') ],
              [ 'facebook' ], '... with headers at the backend');
    is($mock->steps('facebook'), 'tokeninfo userinfo',
       '... after it was asked whose it is, and with a proof');
    is($shop->redis->command('GET',
                             "shop:identity:facebook:$expect{subject}"), $id,
       '... who is the subject');

    my ($key) = $shop->redis->keys("shop:customer:*:$id");
    my %is = %{ $shop->redis->hash($key) };

    is($is{$_}, $expect{$_}, "... $_")
        for qw(email name given_name family_name);
    is($is{email_state}, 'unverified', '... whose address is not believed');

    my $again = shown_to_backend(app('facebook', { access_token => $token }));

    is((ShopTest::Backend::values_of($again, 'X-Customer-Id'))[0], $id,
       'the same token again: the same customer');
    is((ShopTest::Backend::values_of($again, 'X-Loyalty-Points'))[0], 10,
       '... who has signed in twice');

    is($nginx->post('/_shop/token/facebook', "access_token=$token",
                    'Content-Type' => 'application/x-www-form-urlencoded')
       ->status, 200, 'a form');
}

is(app('facebook', { access_token => token('facebook', { expires_at => 0 }) })
   ->status, 200, 'a token without an end');
is(app('facebook', { access_token => token('facebook',
                                           { expires_at => undef }) })
   ->status, 200, 'a token whose end is not told');

for ([ 'a token for another app', 'aud_mismatch', { app_id => '999' } ],
     [ 'for an app with a longer number', 'aud_mismatch',
       { app_id => '12345678901' } ],
     [ 'for nobody', 'aud_mismatch', { app_id => undef } ],
     [ 'an empty app', 'aud_mismatch', { app_id => '' } ],
     [ 'a token that is not valid', 'token_refused', { is_valid => \0 } ],
     [ 'of which that is not told', 'token_refused', { is_valid => undef } ],
     [ 'valid as a text of its own', 'token_refused', { is_valid => 'yes' } ],
     [ 'the token of a page', 'token_refused', { type => 'PAGE' } ],
     [ 'the token of an app', 'token_refused', { type => 'APP' } ],
     [ 'of a type that is not told', 'token_refused', { type => undef } ],
     [ 'a token that has ended', 'token_expired',
       { expires_at => time - 120 } ])
{
    my ($what, $reason, $changes) = @$_;

    refused("trap 3: $what", 400, $reason, 'facebook', $changes);
    is($mock->steps('facebook'), 'tokeninfo', '... and not used');
}

refused('trap 3: the token of somebody else', 400, 'userinfo_mismatch',
        'facebook', { user_id => '10158000000000009' });

for ([ 'an owner that is not told', { user_id => undef } ],
     [ 'an owner that is a list', { user_id => [ '10158000000000001' ] } ],
     [ 'an app that is an object', { app_id => {} } ],
     [ 'an end that is a text', { expires_at => 'never' } ],
     [ 'a list', [ 200, [] ] ],
     [ 'what is no JSON', [ 200, 'true' ] ])
{
    my ($what, $changes) = @$_;

    refused("the answer: $what", 502, 'tokeninfo_malformed', 'facebook',
            $changes);
}

refused('the answer: empty', 400, 'token_refused', 'facebook', [ 200, {} ]);
refused("the answer: $_", 400, 'token_refused', 'facebook', [ $_, {} ])
    for 400, 401;
refused("the answer: $_", 502, 'tokeninfo_error', 'facebook', [ $_, {} ])
    for 302, 403, 404, 500, 503;

$shop->refuses(400, 'token_refused', app('facebook', {
    access_token => 'EAAnobody' }), 'a token that nobody has given out');

$shop->refuses(400, 'request_malformed', app('facebook', {
    access_token => "a\nb" }), 'a token with a line feed');

# what stands beside something better is not looked at

$shop->refuses(400, 'id_token_unsupported', app('facebook', {
    access_token => token('facebook'), id_token => 'a.b.c' }),
    'an ID token beside it');
$shop->refuses(403, 'origin_refused', app('facebook', {
    access_token => token('facebook') }, Origin => 'https://evil.example'),
    'row 25: a page of another site');

is_deeply([ $mock->mistakes ], [], 'no mistake of the questions');

# a good token, and a provider that does not say of whom

$mock->play('facebook', { userinfo => [ 200, {} ] });
refused('a profile without an id', 502, 'claims_malformed', 'facebook');
$mock->play('facebook', undef);

$nginx->wait_log(qr/\[error\].*request refused: claims_malformed/);


# --- a provider of nothing but configuration

{
    my $response = app('checked', { access_token => token('kakao') });

    is($response->status, 200, 'Kakao, by lines of the block: signed in')
        or diag(ShopTest::Shop::shown($response));
    is($mock->steps('kakao'), 'tokeninfo userinfo', '... after a question');
}

for ([ 'of another app', 400, 'aud_mismatch', { app_id => 1235 } ],
     [ 'of somebody else', 400, 'userinfo_mismatch', { id => 1 } ],
     [ 'of an app by a fraction', 502, 'tokeninfo_malformed',
       { app_id => { raw => '1234.5' } } ])
{
    my ($what, $status, $reason, $changes) = @$_;

    $shop->refuses($status, $reason, app('checked', {
        access_token => token('kakao', $changes) }), "a token $what");
}

$shop->refuses(400, 'token_refused', app('checked', {
    access_token => 'nobody' }), 'a token of nobody: 401');
$shop->refuses(400, 'aud_mismatch', app('foreign', {
    access_token => token('kakao') }), 'the number of an app nobody named');


# --- providers that are not asked

for my $name (qw(kakao google)) {
    $shop->refuses(400, 'access_token_unsupported', app($name, {
        access_token => token('kakao') }), "an access token for $name");
}


# --- the configuration

my $keys = key_file();

sub block {
    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\nsocial_provider mine {\n"
        . "client_id x; client_secret_file $secret;\n$_[0]\n}\n"
        . 'server { listen 127.0.0.1:%%port%%; '
        . 'shop_base_url http://127.0.0.1:%%port%%; }';
}

my $oauth2 = 'preset oauth2; authz https://a.example/a; sub ui:/id; '
           . 'token https://a.example/t; userinfo https://a.example/u; '
           . 'tokeninfo https://a.example/i;';

good(block("$oauth2 ti_client ti:/aud; ti_sub ti:/sub;"), 'the least');
good(block("$oauth2 ti_client ti:/aud; ti_sub ti:/sub; ti_auth none; "
           . 'ti_expires ti:/exp!str; ok_ti "/a = b && /c absent"; '
           . 'ti_query "a={client_id}" "b={client_secret}";'), 'all fields');
wrong(block("$oauth2 ti_sub ti:/sub;"), 'has no "ti_client"', 'whose app',
      nowhere => 1);
wrong(block("$oauth2 ti_client ti:/aud;"), 'has no "ti_sub"', 'whose token',
      nowhere => 1);
wrong(block("$oauth2 ti_client ti:/aud; ti_sub ti:/sub; ti_auth body:a;"),
      'asked by GET', 'a body', nowhere => 1);
wrong(block('preset google; tokeninfo https://a.example/i; '
            . 'ti_client ti:/aud; ti_sub ti:/sub;'), 'is for "kind oauth2"',
      'a provider with ID tokens', nowhere => 1);

wrong(block("$oauth2 $_->[0]; # here"), $_->[1], $_->[0])
    for [ 'ti_client ui:/id', 'not believed' ],
        [ 'ti_sub tk:/id', 'not believed' ],
        [ 'ti_sub cb:id', 'not believed' ],
        [ 'ti_expires ui:/id', 'not believed' ],
        [ 'name ti:/name', 'not believed' ],
        [ 'ui_query "a={client_secret}"', 'is missing at character 2' ],
        [ 'ti_query "a={ti:/x}"', 'not known here' ],
        [ 'ok_ti "/a = b &&"', 'at character 10' ],
        [ 'ok_ti "/a = b && c = d"', '"/" is missing' ],
        [ 'ok_ti "/a absent b && /c = d"', 'nothing more' ],
        [ 'ok_ti "/a = && /c = d"', 'a value is missing' ];

done_testing();
