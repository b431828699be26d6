# The dialects: a client that does as a provider's documents say gets through
# without a mistake, and each of the things that they warn of is noticed.
# This client knows nothing of the module nor of its presets.

use lib 't/lib';
use ShopTest;
use ShopTest::Dialect;

use Crypt::PK::ECC ();
use Crypt::PK::RSA ();
use Digest::MD5 qw(md5_hex);
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex sha256 sha256_hex);
use JSON::PP ();
use MIME::Base64 qw(decode_base64 decode_base64url encode_base64
                    encode_base64url);

my $mock = ShopTest::Dialect->new;
my $back = 'https://shop.example.com/_shop/callback';
my $n = 0;
my $verifier;


sub query { return ShopTest::Provider::query({ @_ }) }

sub fields { return ShopTest::Server::query_fields($_[0]) }


# the request of a path that begins with the host

sub ask {
    my ($method, $url, %o) = @_;

    return request($mock->port, $method, "/https/$url", %o);
}


sub post {
    my ($url, $form, @headers) = @_;

    return ask('POST', $url, body => query(%$form), headers => [
        'Content-Type' => 'application/x-www-form-urlencoded',
        Accept => 'application/json', @headers ]);
}


# the usual parameters, fresh ones; "more" replaces, undef removes

sub attempt {
    my ($name, %more) = @_;

    $verifier = sprintf 'verifier-%034d', ++$n;

    my %f = (
        response_type => 'code', client_id => $mock->client_id($name),
        redirect_uri => "$back/$name", state => sprintf('state-%037d', $n),
        nonce => sprintf('nonce-%037d', $n),
        code_challenge => encode_base64url(sha256($verifier)),
        code_challenge_method => 'S256', %more,
    );

    defined $f{$_} or delete $f{$_} for keys %f;

    return \%f;
}


my @no_pkce = (code_challenge => undef, code_challenge_method => undef);

# at the authorization endpoint: what comes to the callback, or nothing

sub authorize {
    my ($url, $name, %more) = @_;

    my $response = ask('GET', "$url?" . query(%{ attempt($name, %more) }));
    my ($args) = ($response->header('Location') || '')
                 =~ /^\Q$back\E\/\Q$name\E\?(.*)$/;

    return defined $args ? fields($args) : undef;
}


sub grant {
    my ($name, $code, %more) = @_;

    my %f = (
        grant_type => 'authorization_code', code => $code,
        redirect_uri => "$back/$name", code_verifier => $verifier,
        client_id => $mock->client_id($name),
        client_secret => $mock->client_secret($name), %more,
    );

    defined $f{$_} or delete $f{$_} for keys %f;

    return \%f;
}


sub basic {
    my ($name) = @_;

    return (Authorization => 'Basic ' . encode_base64(join(':', map {
        ShopTest::Browser::escape($_)
    } $mock->client_id($name), $mock->client_secret($name)), ''));
}


sub claims_of {
    my ($token) = @_;

    return JSON::PP::decode_json(
        decode_base64url((split /\./, $token)[1]));
}


sub right {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(join('; ', $mock->mistakes), '', "$what: no mistake");
}


sub mistake {
    my ($text, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    like(join('; ', $mock->mistakes), qr/$text/, $what);
}


my $accounts = 'accounts.google.com/o/oauth2/v2/auth';
my $google_token = 'oauth2.googleapis.com/token';

# one that is all as the standard says

{
    my $f = authorize($accounts, 'google', scope => 'openid profile email');

    is($f->{iss}, 'https://accounts.google.com', 'Google: says who it is');

    my $token = post($google_token, grant('google', $f->{code}))->json;
    my $claims = claims_of($token->{id_token});

    is($claims->{aud}, $mock->client_id('google'), '... and to whom');
    ok(JSON::PP::is_bool($claims->{email_verified}), '... in proper types');

    is(ask('GET', 'openidconnect.googleapis.com/v1/userinfo',
           headers => [ Authorization => "Bearer $token->{access_token}" ])
       ->json->{sub}, $claims->{sub}, '... also in userinfo');

    my $keys = ask('GET', 'www.googleapis.com/oauth2/v3/certs')->json;
    my ($h, $p, $s) = split /\./, $token->{id_token};

    is(scalar @{ $keys->{keys} }, 1, '... with one key');
    ok(Crypt::PK::RSA->new($keys->{keys}[0])->verify_message(
           decode_base64url($s), "$h.$p", 'SHA256', 'v1.5'),
       '... that made the signature');

    my $told = ask('GET', 'accounts.google.com/.well-known'
                          . '/openid-configuration')->json;

    is($told->{issuer}, 'https://accounts.google.com',
       '... whose metadata name the real issuer');
    is($told->{token_endpoint},
       $mock->address('https://oauth2.googleapis.com/token'),
       '... and endpoints that are here');

    is($mock->steps('google'), 'authz token userinfo',
       '... and the requests are in a list');
    right('Google');

    # what goes wrong everywhere

    my %wrong = (
        'response_type' => { response_type => 'token' },
        'client_id'     => { client_id => 'other' },
        'redirect_uri'  => { redirect_uri => "$back/facebook" },
        'state'         => { state => 'short' },
        'nonce'         => { nonce => undef },
        'scope lacks openid' => { scope => 'email profile' },
        'scope has drive'    => { scope => 'openid email profile drive' },
        'code_challenge is missing' => { @no_pkce },
        'code_challenge_method'     => { code_challenge_method => 'plain' },
        'a secret'      => { client_secret => 'x' },
    );

    for my $what (sort keys %wrong) {
        is(authorize($accounts, 'google', scope => 'openid profile email',
                     %{ $wrong{$what} }), undef, "Google refuses: $what");
        mistake("^google: authz: .*\Q$what", '... and says so');
    }

    my $twice = attempt('google', scope => 'openid email profile');

    ask('GET', "$accounts?" . query(%$twice)) for 1, 2;
    mistake('state is not fresh.*nonce is not fresh.*challenge is not fresh',
            'nothing may be used for a second login');

    ask('GET', "$accounts?" . query(%{ attempt('google') }) . '&state=x');
    mistake('state is repeated', 'no field comes twice');

    ask('GET', 'accounts.google.com/o/oauth2/auth');
    mistake('nobody has GET /https/accounts\.google\.com/o/oauth2/auth',
            'another path is a mistake');
    is(request($mock->port, 'GET', '/token')->status, 404,
       'so is what is no address of the outside');
    $mock->mistakes;

    my %refused = (
        'two proofs of the client'
            => [ {}, basic('google') ],
        'client_secret'   => [ { client_secret => 'guess' } ],
        'client authentication: none' => [ { client_secret => undef } ],
        'code_verifier'   => [ { code_verifier => 'w' x 43 } ],
        'redirect_uri'    => [ { redirect_uri => "$back/x" } ],
        'grant_type'      => [ { grant_type => 'password' } ],
        'type of the body' => [ {}, 'Content-Type' => 'text/plain' ],
        'asks for compression' => [ {}, 'Accept-Encoding' => 'gzip' ],
    );

    for my $what (sort keys %refused) {
        my ($more, @headers) = @{ $refused{$what} };
        my $code = authorize($accounts, 'google',
                             scope => 'openid profile email')->{code};

        ask('POST', $google_token,
            body => query(%{ grant('google', $code, %$more) }),
            headers => [ @headers, $what eq 'type of the body' ? ()
                : ('Content-Type' => 'application/x-www-form-urlencoded') ]);
        mistake("^google: token: .*\Q$what", "Google sees: $what");
    }

    my $code = authorize($accounts, 'google',
                         scope => 'openid profile email')->{code};

    is(post($google_token, grant('google', $code))->status, 200,
       'a code is good');
    is(post($google_token, grant('google', $code))->status, 400,
       '... once');
    mistake('the code is spent', '... and that is a mistake');

    is(post("$google_token?" . query(%{ grant('google', 'x') }), {})->status,
       400, 'no secret in a URL');
    mistake('arguments in the URL', '... since URLs are in logs');
}


# GitHub: a form unless JSON is asked for, errors with 200, a User-Agent

{
    my $at = 'github.com/login/oauth/authorize';
    my $scope = 'read:user user:email';
    my $f = authorize($at, 'github', scope => $scope);

    is($f->{iss}, 'https://github.com/login/oauth', 'GitHub: has an iss');

    my $response = ask('POST', 'github.com/login/oauth/access_token',
        body => query(%{ grant('github', $f->{code}) }),
        headers => [ 'Content-Type'
                     => 'application/x-www-form-urlencoded' ]);

    is($response->header('Content-Type'),
       'application/x-www-form-urlencoded',
       'GitHub: without Accept the answer is a form');

    my $token = fields($response->body)->{access_token};
    my @me = ('GET', 'api.github.com/user');
    my @bearer = (Authorization => "Bearer $token");

    right('GitHub');
    is(ask(@me, headers => [ @bearer ])->status, 403,
       'GitHub: without a User-Agent it is 403');
    mistake('github: userinfo: header user-agent', '... and a mistake');

    my $me = ask(@me, headers => [ @bearer, 'User-Agent' => 'a/1' ]);

    like($me->body, qr/"id":583231[,}]/, 'GitHub: the id is a number');
    is($me->json->{email}, 'public@example.org',
       'GitHub: whose public address is another one');
    is(ask('GET', 'api.github.com/user/emails',
           headers => [ @bearer, 'User-Agent' => 'a/1' ])->json->[1]{email},
       'ann@example.com', 'GitHub: that of the account is in the list');
    right('GitHub');

    $response = post('github.com/login/oauth/access_token',
                     grant('github', $f->{code}));
    is($response->status, 200, 'GitHub: an error has status 200');
    is($response->json->{error}, 'bad_verification_code', '... and a name');
    $mock->mistakes;
}


# Twitch: no challenge, the claims parameter, Client-Id

{
    my $at = 'id.twitch.tv/oauth2/authorize';
    my @scope = (scope => 'openid user:read:email');
    my @claims = (claims => '{"id_token":{"email":null}}');

    is(authorize($at, 'twitch', @scope, @claims), undef,
       'Twitch: takes no challenge');
    mistake('code_challenge is not for this one', '... that is a mistake');

    is(authorize($at, 'twitch', @scope, @no_pkce), undef,
       'Twitch: nothing is told without "claims"');
    mistake('twitch: authz: claims', '... that is a mistake');

    my $f = authorize($at, 'twitch', @scope, @claims, @no_pkce);
    my $token = post('id.twitch.tv/oauth2/token',
        grant('twitch', $f->{code}, code_verifier => undef))->json;
    my $claims = claims_of($token->{id_token});

    is(ref $token->{scope}, 'ARRAY', 'Twitch: the scope is an array');
    is($claims->{email}, 'ann@example.com', 'Twitch: what was asked for');
    is($claims->{preferred_username}, undef, '... and nothing else');
    right('Twitch');

    my @bearer = (Authorization => "Bearer $token->{access_token}");
    my $response = ask('GET', 'api.twitch.tv/helix/users',
                       headers => \@bearer);

    is($response->status, 401, 'Twitch: 401 without Client-Id');
    mistake('twitch: userinfo2: header client-id', '... a mistake');

    $response = ask('GET', 'api.twitch.tv/helix/users', headers => [
        @bearer, 'Client-Id' => $mock->client_id('twitch') ]);
    is($response->json->{data}[0]{id}, '713936733', 'Twitch: and with it');

    $response = post('id.twitch.tv/oauth2/token',
                     grant('twitch', 'x', code_verifier => undef));
    ok(!exists $response->json->{error}, 'Twitch: has errors of its own');
    $mock->mistakes;
}


# TikTok: a hexadecimal challenge, client_key, a success that is an "error"

{
    my $at = 'www.tiktok.com/v2/auth/authorize/';
    my $token_at = 'open.tiktokapis.com/v2/oauth/token/';
    my $key = $mock->client_id('tiktok');
    my @key = (client_id => undef, client_key => $key,
               scope => 'user.info.basic');

    is(authorize($at, 'tiktok', @key), undef,
       'TikTok: base64url is no challenge');
    mistake('tiktok: authz: code_challenge', '... a mistake');

    is(authorize($at, 'tiktok', @no_pkce, scope => 'user.info.basic'), undef,
       'TikTok: knows no client_id');
    mistake('tiktok: authz: .*client_key', '... a mistake');

    is(authorize($at, 'tiktok', @key, @no_pkce,
                 redirect_uri => 'http://shop.example.com/callback/tiktok'),
       undef, 'TikTok: comes back by https only');
    mistake('tiktok: authz: redirect_uri', '... a mistake');

    ask('GET', 'www.tiktok.com/v2/auth/authorize');
    mistake('nobody has', 'TikTok: the slash at the end matters');

    my $wanted = attempt('tiktok', @key);

    $wanted->{code_challenge} = sha256_hex($verifier);

    my ($code) = ask('GET', "$at?" . query(%$wanted))->header('Location')
                 =~ /code=([^&]+)/;
    my $token = post($token_at, grant('tiktok', $code, client_id => undef,
                                      client_key => $key))->json;

    ok($token->{open_id}, 'TikTok: the token has an id');
    right('TikTok');

    my @bearer = (Authorization => "Bearer $token->{access_token}");
    my $me = 'open.tiktokapis.com/v2/user/info/';

    is(ask('GET', $me, headers => \@bearer)->json->{error}{code},
       'invalid_request', 'TikTok: fields are required');
    mistake('tiktok: userinfo: fields', '... a mistake');

    $me = ask('GET', "$me?fields=open_id,display_name",
              headers => \@bearer)->json;
    is($me->{error}{code}, 'ok', 'TikTok: a success is an error "ok"');
    is(join(' ', sort keys %{ $me->{data}{user} }), 'display_name open_id',
       'TikTok: only what was asked for');
    right('TikTok');
}


# Apple: a signed secret, form_post, blanks, a name that comes once

{
    my $at = 'appleid.apple.com/auth/authorize';
    my $key = $mock->private_key('p256-apple');
    my $team = $mock->dialect('apple')->{team};
    my $now = time;

    my $secret = sub {
        my ($header, %claim) = @_;

        my $text = join '.', map {
            encode_base64url(JSON::PP->new->canonical->encode($_))
        } { alg => 'ES256', kid => $team->{key}, %$header },
          { iss => $team->{id}, sub => $mock->client_id('apple'),
            aud => 'https://appleid.apple.com', iat => $now,
            exp => $now + 300, %claim };

        return "$text." . encode_base64url(
            Crypt::PK::ECC->new(\$key)->sign_message_rfc7518($text,
                                                             'SHA256'));
    };

    my $code = sub {
        my ($page) = @_;

        return fields(ShopTest::Browser::form($page->body)->{body});
    };

    my $args = query(%{ attempt('apple', scope => 'name email') });

    is(ask('GET', "$at?$args")->status, 400,
       'Apple: a name needs form_post');
    mistake('apple: authz: response_mode', '... a mistake');

    $args = query(%{ attempt('apple', scope => 'name email',
                             response_mode => 'form_post') });
    (my $plus = $args) =~ s/name%20email/name+email/;

    is(ask('GET', "$at?$plus")->status, 400, 'Apple: a blank is no "+"');
    mistake('apple: authz: its encoding', '... a mistake');

    my $f = $code->(ask('GET', "$at?" . query(%{ attempt('apple',
        scope => 'name email', response_mode => 'form_post') })));

    is(JSON::PP::decode_json($f->{user})->{name}{firstName}, 'Ann',
       'Apple: the form has the name');

    my $token = post('appleid.apple.com/auth/token',
        grant('apple', $f->{code}, client_secret => $secret->({})))->json;

    is(claims_of($token->{id_token})->{email_verified}, 'true',
       'Apple: a boolean is text');
    right('Apple');

    $mock->play('apple', 'a customer who was here before');
    ok(!exists $code->(ask('GET', "$at?" . query(%{ attempt('apple',
        scope => 'name email', response_mode => 'form_post') })))->{user},
       'Apple: the name comes once');
    $mock->play('apple', undef);

    my %wrong = (
        'kid' => $secret->({ kid => 'OTHER' }),
        'aud' => $secret->({}, aud => 'https://apple.com'),
        'iss' => $secret->({}, iss => $mock->client_id('apple')),
        'sub' => $secret->({}, sub => $team->{id}),
        'exp' => $secret->({}, exp => $now + 15777001),
        'signature' => substr($secret->({}), 0, -4) . 'AAAA',
        'is no JWT' => 'secret',
    );

    for my $what (sort keys %wrong) {
        post('appleid.apple.com/auth/token', grant('apple', 'x',
             client_secret => $wrong{$what}));
        mistake("apple: token: client_secret:? .*\Q$what",
                "Apple sees: $what");
    }
}


# Facebook: commas, a proof, and fields

{
    my $at = 'www.facebook.com/v24.0/dialog/oauth';
    my $f = authorize($at, 'facebook', scope => 'public_profile,email',
                      @no_pkce);
    my $token = post('graph.facebook.com/v24.0/oauth/access_token',
        grant('facebook', $f->{code}, code_verifier => undef))->json
        ->{access_token};
    my $secret = $mock->client_secret('facebook');
    my $proof = hmac_sha256_hex($token, $secret);
    my @bearer = (headers => [ Authorization => "Bearer $token" ]);

    right('Facebook');

    my $response = ask('GET', 'graph.facebook.com/me?fields=id', @bearer);

    is(ref $response->json->{error}, 'HASH',
       'Facebook: an error is an object');
    mistake('facebook: userinfo: appsecret_proof is missing',
            'Facebook: a proof is required');

    ask('GET', 'graph.facebook.com/me?appsecret_proof='
               . hmac_sha256_hex($secret, $token), @bearer);
    mistake('facebook: userinfo: appsecret_proof$', '... and checked');

    $response = ask('GET',
                    "graph.facebook.com/me?appsecret_proof=$proof", @bearer);
    is(join(' ', sort keys %{ $response->json }), 'id name',
       'Facebook: tells two things unasked');

    $response = ask('GET', "graph.facebook.com/v23.0/me?access_token=$token"
                           . "&fields=email&appsecret_proof=$proof");
    is($response->json->{email}, 'ann@example.com', '... and what is asked');
    right('Facebook');

    ask('GET', "graph.facebook.com/me?access_token=$token", @bearer);
    mistake('access tokens by bearer query:access_token',
            'a token is sent in one way');

    $mock->play('facebook', 'the customer says no');
    is(authorize($at, 'facebook', scope => 'email public_profile', @no_pkce)
       ->{error_reason}, 'user_denied', 'Facebook: a refusal has its shape');
    $mock->play('facebook', undef);
    right('Facebook');
}


# WeChat: a secret in the URL, JSON as text, errors with 200, an order

{
    my $at = 'open.weixin.qq.com/connect';
    my $name = 'wechat_mp';
    my %client = (appid => $mock->client_id($name),
                  secret => $mock->client_secret($name));

    my $f = fields(query(%{ attempt($name, @no_pkce, client_id => undef,
        nonce => undef, appid => $client{appid},
        scope => 'snsapi_userinfo') }));
    my @names = qw(response_type scope state redirect_uri appid);

    my $ask = sub {
        return ask('GET', "$at/oauth2/authorize?" . join '&', map {
            "$_=" . ShopTest::Browser::escape($f->{$_})
        } @_);
    };

    is($ask->(@names)->status, 400, 'WeChat: the order is not any');
    mistake('wechat_mp: authz: the order', '... a mistake');

    $f->{state} .= 'x';

    my ($code) = $ask->(sort @names)->header('Location') =~ /code=([^&]+)/;
    my $token_at = 'api.weixin.qq.com/sns/oauth2/access_token';
    my %grant = (%client, code => $code, grant_type => 'authorization_code');

    is(post($token_at, \%grant)->json->{errcode}, 40029,
       'WeChat: an error is a number');
    mistake('wechat_mp: token: method', '... wants a GET');

    my $response = ask('GET', "$token_at?" . query(%grant));
    my $token = $response->json;

    is($response->header('Content-Type'), 'text/plain',
       'WeChat: JSON is text');
    is($token->{token_type}, undef, 'WeChat: a token of no type');

    my $me = "api.weixin.qq.com/sns/userinfo?access_token="
             . $token->{access_token};

    ask('GET', $me);
    mistake('wechat_mp: userinfo: openid', 'WeChat: wants the id, too');
    ask('GET', 'api.weixin.qq.com/sns/userinfo?openid=x', headers => [
        Authorization => "Bearer $token->{access_token}" ]);
    mistake('userinfo: access token by bearer', '... and the token as such');

    is(ask('GET', "$me&openid=$token->{openid}")->json->{unionid},
       $token->{unionid}, 'WeChat: and tells who it is');
    right('WeChat');
}


# QQ: a form and a script, unless JSON is asked for

{
    my $f = authorize('graph.qq.com/oauth2.0/authorize', 'qq', @no_pkce,
                      scope => 'get_user_info');
    my $response = ask('GET', 'graph.qq.com/oauth2.0/token?' . query(
        %{ grant('qq', $f->{code}, code_verifier => undef) }));
    my $token = fields($response->body)->{access_token};

    is($response->header('Content-Type'),
       'application/x-www-form-urlencoded', 'QQ: the token is in a form');

    my $me = "graph.qq.com/oauth2.0/me?access_token=$token";

    like(ask('GET', $me)->body, qr/^callback\( \{.*\} \);$/,
         'QQ: the id is in a script');
    $me = ask('GET', "$me&fmt=json&unionid=1")->json;
    is($me->{unionid}, 'UID_0A1B2C3D', '... unless JSON is asked for');

    my $more = "graph.qq.com/user/get_user_info?access_token=$token";

    is(ask('GET', $more)->json->{ret}, -1, 'QQ: an error is "ret"');
    mistake('qq: userinfo2: oauth_consumer_key, openid', '... a mistake');
    is(ask('GET', "$more&openid=$me->{openid}&oauth_consumer_key="
                  . $mock->client_id('qq'))->json->{ret}, 0,
       'QQ: so is a success');
    right('QQ');
}


# Zalo: no method of the challenge, headers of its own

{
    my @id = (client_id => undef, app_id => $mock->client_id('zalo'));
    my $at = 'oauth.zaloapp.com/v4/permission';

    authorize($at, 'zalo', @no_pkce, @id);
    mistake('zalo: authz: code_challenge is missing', 'Zalo: a challenge');

    my $f = authorize($at, 'zalo', @id, code_challenge_method => undef,
                      response_type => undef);
    my $grant = grant('zalo', $f->{code}, @id, client_secret => undef,
                      redirect_uri => undef);
    my $token_at = 'oauth.zaloapp.com/v4/access_token';

    is(post($token_at, { %$grant, client_secret => 'x' })->json->{error},
       -14002, 'Zalo: an error has status 200');
    mistake('zalo: token: client authentication: post', '... a mistake');

    my $token = post($token_at, $grant, secret_key
                     => $mock->client_secret('zalo'))->json->{access_token};
    my $me = 'graph.zalo.me/v2.0/me?fields=id,name';

    ask('GET', $me, headers => [ Authorization => "Bearer $token" ]);
    mistake('zalo: userinfo: access token by bearer',
            'Zalo: no Bearer');
    is(ask('GET', $me, headers => [ access_token => $token ])->json->{id},
       '5867912345678901234', 'Zalo: but a header');
    right('Zalo');
}


# VK: what comes to the callback goes on to the token endpoint

{
    my @scope = (scope => 'vkid.personal_info email');
    my $at = 'id.vk.ru/authorize';

    authorize($at, 'vk', @scope, state => 'x' x 31);
    mistake('vk: authz: state', 'VK: a long state');

    my $f = authorize($at, 'vk', @scope);
    my $grant = grant('vk', $f->{code}, client_secret => undef);

    post('id.vk.ru/oauth2/auth', $grant);
    mistake('vk: token: device_id, state', 'VK: the device is missing');

    $f = authorize($at, 'vk', @scope);
    $grant = grant('vk', $f->{code}, client_secret => undef,
                   device_id => $f->{device_id}, state => $f->{state});

    my $token = post('id.vk.ru/oauth2/auth', $grant)->json;

    ok(!exists claims_of($token->{id_token})->{aud},
       'VK: an ID token for nobody');

    my $me = 'id.vk.ru/oauth2/user_info';

    ask('GET', "$me?access_token=$token->{access_token}"
               . "&client_id=$grant->{client_id}");
    mistake('vk: userinfo: method', 'VK: userinfo by POST');

    is(post($me, { access_token => $token->{access_token},
                   client_id => $grant->{client_id} })
       ->json->{user}{user_id}, '1234567890', 'VK: with a token in a form');
    right('VK');
}


# Alipay and OK.ru: signed requests

{
    my $id = $mock->client_id('alipay');
    my $key = Crypt::PK::RSA->new(\$mock->private_key('rsa-alipay'));
    my $code = authorize('openauth.alipay.com/oauth2/publicAppAuthorize.htm',
        'alipay', @no_pkce, client_id => undef, app_id => $id,
        response_type => undef, scope => 'auth_user')->{auth_code};

    my $signed = sub {
        my (%f) = (
            app_id => $id, charset => 'utf-8', format => 'JSON',
            sign_type => 'RSA2', version => '1.0', empty => '',
            timestamp => '2026-01-01 00:00:00', @_,
        );

        my $text = join '&', map { "$_=$f{$_}" } grep { length $f{$_} }
                             sort keys %f;

        return query(%f, sign => encode_base64(
            $key->sign_message($text, 'SHA256', 'v1.5'), ''));
    };

    my $at = 'openapi.alipay.com/gateway.do';
    my @grant = (method => 'alipay.system.oauth.token', code => $code,
                 grant_type => 'authorization_code');

    (my $forged = $signed->(@grant)) =~ s/version=1\.0/version=1.0&a=b/;

    is(ask('GET', "$at?$forged")->json->{error_response}{code}, '40002',
       'Alipay: an error has status 200');
    mistake('alipay: token: signature', '... a signature that is wrong');

    my $answer = ask('POST', "$at?" . $signed->(@grant));
    my $token = $answer->json->{alipay_system_oauth_token_response}
                {access_token};
    my ($text) = $answer->body =~ /_response":(\{.*\}),"sign":"/;

    ok(Crypt::PK::RSA->new(\$mock->public_key('rsa-gateway'))
       ->verify_message(decode_base64($answer->json->{sign}), $text,
                        'SHA256', 'v1.5'),
       'Alipay: signs its answers, as they are written');

    my $me = ask('POST', "$at?" . $signed->(auth_token => $token,
        method => 'alipay.user.info.share'))->json;

    is($me->{alipay_user_info_share_response}{user_id}, '2088102104794936',
       'Alipay: two methods at one address');
    right('Alipay');

    $code = authorize('connect.ok.ru/oauth/authorize', 'ok', @no_pkce,
                      scope => 'VALUABLE_ACCESS;GET_EMAIL')->{code};
    $token = post('api.ok.ru/oauth/token.do',
                  grant('ok', $code, code_verifier => undef))->json
             ->{access_token};

    my %f = (application_key => $mock->dialect('ok')->{client}{public},
             format => 'json', method => 'users.getCurrentUser');
    $text = join '', map { "$_=$f{$_}" } sort keys %f;

    $f{access_token} = $token;

    is(ask('GET', 'api.ok.ru/fb.do?' . query(%f, sig => 'f' x 32))
       ->json->{error_code}, 104, 'OK.ru: an error has status 200');
    mistake('ok: userinfo: sig', '... a signature that is wrong');

    my $sig = md5_hex($text . md5_hex($token . $mock->client_secret('ok')));

    is(ask('GET', 'api.ok.ru/fb.do?' . query(%f, sig => $sig))->json->{uid},
       '574000000001', 'OK.ru: and one that is right');
    right('Alipay and OK.ru');
}


# the small demands of some

{
    my $code = authorize('www.dropbox.com/oauth2/authorize', 'dropbox',
        scope => 'openid email profile', token_access_type => 'online')
        ->{code};
    my $token = post('api.dropboxapi.com/oauth2/token',
                     grant('dropbox', $code))->json;
    my $me = 'api.dropboxapi.com/2/openid/userinfo';
    my @bearer = (Authorization => "Bearer $token->{access_token}");

    ok(!exists claims_of($token->{id_token})->{nonce},
       'Dropbox: no nonce comes back');
    post($me, {}, @bearer);
    mistake('dropbox: userinfo: a body or a type', 'Dropbox: no form');
    is(ask('POST', $me, headers => [ @bearer ])->json->{sub},
       claims_of($token->{id_token})->{sub}, '... but a POST of nothing');
    right('Dropbox');

    $code = authorize('www.patreon.com/oauth2/authorize', 'patreon',
                      @no_pkce, scope => 'identity identity[email]')->{code};
    post('www.patreon.com/api/oauth2/token',
         grant('patreon', $code, code_verifier => undef));
    mistake('patreon: token: header user-agent', 'Patreon: a User-Agent');

    $code = authorize('x.com/i/oauth2/authorize', 'x',
                      scope => 'users.read tweet.read users.email')->{code};
    post('api.x.com/2/oauth2/token', grant('x', $code));
    mistake('x: token: client authentication: post', 'X: takes only basic');

    $code = authorize('nid.naver.com/oauth2.0/authorize', 'naver',
                      @no_pkce)->{code};
    post('nid.naver.com/oauth2.0/token',
         grant('naver', $code, code_verifier => undef));
    mistake('naver: token: state', 'Naver: wants the state again');

    $code = authorize('access.line.me/oauth2/v2.1/authorize', 'line',
                      scope => 'openid profile email')->{code};
    $token = post('api.line.me/oauth2/v2.1/token', grant('line', $code))
             ->json->{id_token};

    my ($h, $p, $s) = split /\./, $token;

    is(encode_base64url(hmac_sha256("$h.$p", $mock->client_secret('line'))),
       $s, 'LINE: the secret signs');
    right('LINE');
}


# the widget: signed fields, where the pending login is in the address

{
    my $to = "$back/telegram_widget?state=x";
    my %f = (bot_id => $mock->client_id('telegram_widget'),
             origin => 'https://shop.example.com', return_to => $to);
    my $at = 'oauth.telegram.org/auth';

    my ($args) = ask('GET', "$at?" . query(%f))->header('Location')
                 =~ /^\Q$to\E&(.*)$/;
    my $fields = fields($args);
    my $hash = delete $fields->{hash};

    is(hmac_sha256_hex(join("\n", map { "$_=$fields->{$_}" }
                                  sort keys %$fields),
                       sha256($mock->client_secret('telegram_widget'))),
       $hash, 'the widget: the hash is that of the bot');
    right('the widget');

    ask('GET', "$at?" . query(%f, origin => 'https://evil.example'));
    mistake('telegram_widget: authz: origin', '... which looks at the page');

    authorize($at, 'telegram', scope => 'openid profile');
    right('at the same address, another client');
}


# tokens of one are none of another, and a token of a phone

{
    my $code = authorize('api.weibo.com/oauth2/authorize', 'weibo',
                         @no_pkce)->{code};
    my $uid = post('api.weibo.com/oauth2/access_token', grant('weibo', $code,
                   code_verifier => undef));

    like($uid->body, qr/"uid":"1404376560"/, 'Weibo: an id is a text');
    $uid = $uid->json;
    like(ask('GET', "api.weibo.com/2/users/show.json?uid=$uid->{uid}"
                    . "&access_token=$uid->{access_token}")->body,
         qr/"id":1404376560,"idstr":"1404376560"/, '... and a number, too');
    right('Weibo');

    $code = authorize('accounts.spotify.com/authorize', 'spotify',
                         scope => 'user-read-email')->{code};
    my $token = post('accounts.spotify.com/api/token',
                     grant('spotify', $code, client_id => undef,
                           client_secret => undef), basic('spotify'))->json;

    right('Spotify');

    ask('GET', 'discord.com/api/users/@me', headers => [
        Authorization => "Bearer $token->{access_token}" ]);
    mistake('discord: userinfo: the token of another provider',
            'the token of another provider is noticed');

    my $native = $mock->native('facebook_limited', { nonce => 'n' });

    is(claims_of($native)->{nonce}, 'n', 'a token of a phone');
    is(claims_of($native)->{aud}, $mock->client_id('facebook'),
       '... is for the same app');

    my ($h, $p, $s) = split /\./, $native;
    my $keys = ask('GET', 'limited.facebook.com/.well-known/oauth/openid'
                          . '/jwks/')->json->{keys};

    ok(Crypt::PK::RSA->new($keys->[0])->verify_message(
           decode_base64url($s), "$h.$p", 'SHA256', 'v1.5'),
       '... signed by the keys of Facebook');
}


# what is in the tables

for my $name ($mock->names) {
    my $d = $mock->dialect($name);
    my @refused = grep { $_->{refuse} } ShopTest::Dialect::scenes($d);

    next unless $d->{token};

    ok(defined $d->{expect}{subject} && @refused,
       "$name: says what a login yields, and when there is none");
}

done_testing();
