# POST token/NAME: what an app or One Tap brings becomes a session, if it is
# meant for this shop, is fresh, was not used before and does not come from
# a page of somebody else.  Rows 8 to 13, 23, 25, 32 and 33 for tokens that
# no redirect of ours has asked for.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 ();

use ShopTest::HTTP;
use ShopTest::Proxy;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $provider = provider(client_id => 'shop');
my $issuer = $provider->issuer;

my $shop = shop(
    redis    => $redis,
    provider => $provider,
    vars     => { redis => $proxy->url . ' timeout=300ms' },
    server   => 'keepalive_timeout 0;',
    provider_conf => 'aud_extra ios-app android-app;',
    providers     => { work => '' },
    program  => <<'END',
    loyalty_program {
        currency EUR;
        tier bronze;
        earn signup 100;
        earn login 5 every=1d;
    }
END
    http     => join '',
        $provider->conf('hashed', 'nonce exact_or_sha256;', '/hashed'),
        $provider->conf('silent', 'nonce off;', '/silent'),
        $provider->conf('other', '', '/other'),
        $provider->conf('line', 'alg HS256; native_alg ES256; '
                                . "jwks $issuer/line/jwks;", '/line'),
        $provider->conf('flood', '', '/flood'),
        $provider->conf('down', '', '/down'),
        $provider->conf('late', '', '/late'),
        <<"END");
    social_provider plain {
        preset             oauth2;
        client_id          shop;
        client_secret_file @{[ ShopTest::temp_dir() ]}/other.secret;
        authz              $issuer/plain/authorize;
        token              $issuer/plain/token;
        userinfo           $issuer/plain/userinfo;
        sub                ui:/sub;
    }
    social_provider asked {
        preset             oauth2;
        client_id          shop;
        client_secret_file @{[ ShopTest::temp_dir() ]}/other.secret;
        authz              $issuer/plain/authorize;
        token              $issuer/plain/token;
        userinfo           $issuer/plain/userinfo;
        sub                ui:/sub;
        tokeninfo          $issuer/plain/userinfo;
        ti_client          ti:/aud;
        ti_sub             ti:/sub;
    }
END

my $nginx = $shop->nginx;
my $serial = 0;


# a token as the provider's library hands it to an app

sub token {
    my ($claims, %o) = @_;
    my $now = time;
    my $path = delete $o{path};

    my $token = $provider->sign({ %o, claims => {
        iss => $provider->issuer($path), aud => 'shop', sub => 'user-1',
        iat => $now, exp => $now + 3600, jti => 'token-' . ++$serial,
        email => 'ann@example.com', email_verified => JSON::PP::true,
        name => 'Ann', %{ $claims || {} },
    } });

    $nginx->keep_secret($token) if $token =~ /^[\w.-]{40,}$/;

    return $token;
}


my @json = ('Content-Type' => 'application/json');
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');

sub form {
    my (%fields) = @_;

    return join '&', map { "$_=" . ShopTest::Browser::escape($fields{$_}) }
                     sort keys %fields;
}

sub app {
    my ($fields, %o) = @_;
    my $name = $o{name} || 'work';

    return $nginx->post("/_shop/token/$name", JSON::PP::encode_json($fields),
                        @json, @{ $o{headers} || [] });
}

sub session {
    my ($response) = @_;
    my ($cookie) = grep { /^shop=[^;]/ } $response->headers('Set-Cookie');

    return undef unless $cookie;

    my ($pair) = $cookie =~ /^([^;]*)/;

    $nginx->keep_secret(substr $pair, 5);

    return $pair;
}

sub me {
    my ($response) = @_;
    my $cookie = session($response) or return {};
    my $page = $nginx->get('/_shop/me', Cookie => $cookie);

    return $page->status == 200 ? $page->json : {};
}

sub accepted {
    my ($name, $fields, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $response = app($fields, %o);

    ok($response->status == 200 && defined me($response)->{customer},
       "$name: signed in")
        or diag(ShopTest::Shop::shown($response));

    return $response;
}

sub refused {
    my ($name, $status, $reason, $response) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $shop->refuses($status, $reason, $response, $name);
}


# --- a token becomes a session

{
    my $response = accepted('a token', { id_token => token() });
    my $me = me($response);

    is_deeply($response->json,
              { customer => $me->{customer}, provider => 'work' },
              '... and the answer says who it is, and nothing else');
    like($response->header('Content-Type'), qr{^application/json\b},
         '... in JSON');
    is($response->header('Cache-Control'), 'no-store', '... never stored');
    is($me->{provider}, 'work', '... by this provider');
    is($me->{points}, 105, '... with the points of a signup and a login');

    my $browser = $shop->signs_in('the same customer by the redirect flow');

    is($shop->me($browser)->{customer}, $me->{customer},
       '... is one customer');

    # row 23

    my $old = session($response);
    my $next = accepted('a new login', { id_token => token() },
                        headers => [ Cookie => $old ]);

    isnt(session($next), $old, 'row 23: a new login has a new session');
    is($nginx->get('/_shop/me', Cookie => $old)->status, 401,
       '... and the one before is over');
}

accepted('an audience of an app', { id_token => token({ aud => 'ios-app' }) });
accepted('audiences that are all ours',
         { id_token => token({ aud => ['shop', 'android-app'] }) });
accepted('ours by an app of ours',
         { id_token => token({ azp => 'android-app' }) });
accepted('a token of nine minutes',
         { id_token => token({ iat => time - 540 }) });
accepted('a token without jti', { id_token => token({ jti => undef }) });
accepted('a member that is null', { id_token => token(), nonce => undef });

$provider->set({ claims => { aud => 'ios-app' } });
$shop->fails(502, 'aud_mismatch',
             'an audience of an app in the redirect flow');
$provider->set({ claims => { azp => 'ios-app' } });
$shop->fails(502, 'azp_mismatch', 'likewise an app that it was issued to');
$provider->restore;

accepted('the algorithm of apps', { id_token => token({},
         path => '/line', alg => 'ES256') }, name => 'line');
refused('the algorithm of the redirect flow', 400, 'alg_refused',
        app({ id_token => token({}, path => '/line', alg => 'HS256') },
            name => 'line'));


# --- forgeries

my $now = time;

for ([ 'aud of another', 'aud_mismatch', { aud => 'other' } ],
     [ 'aud in another case', 'aud_mismatch', { aud => 'IOS-APP' } ],
     [ 'aud of ours and another', 'aud_mismatch',
       { aud => ['ios-app', 'other'] } ],
     [ 'an empty list of aud', 'aud_mismatch', { aud => [] } ],
     [ 'no aud', 'claims_malformed', { aud => undef } ],
     [ 'azp of another', 'azp_mismatch', { azp => 'other' } ],
     [ 'iss of another', 'iss_mismatch', { iss => 'https://evil.example' } ],
     [ 'the token of another provider', 'iss_mismatch',
       { iss => $provider->issuer('/other') } ],
     [ 'expired', 'token_expired', { exp => $now - 120, iat => $now - 200 } ],
     [ 'issued too long ago', 'token_expired', { iat => $now - 700 } ],
     [ 'issued in the future', 'token_not_yet_valid',
       { iat => $now + 1000 } ],
     [ 'not valid yet', 'token_not_yet_valid', { nbf => $now + 1000 } ],
     [ 'no iat', 'claims_malformed', { iat => undef } ],
     [ 'no exp', 'claims_malformed', { exp => undef } ],
     [ 'exp as text', 'claims_malformed', { exp => 'never' } ],
     [ 'exp of 1e300', 'claims_malformed', { exp => { raw => '1e300' } } ],
     [ 'no sub', 'claims_malformed', { sub => undef } ],
     [ 'events', 'typ_refused', { events => {} } ])
{
    my ($name, $reason, $claims) = @$_;

    refused($name, 400, $reason, app({ id_token => token($claims) }));
}

for ([ 'alg none', qr/_/, alg => 'none' ],
     [ 'HS256 by the client secret', 'alg_refused', alg => 'HS256' ],
     [ 'HS256 by the public key', 'alg_refused', alg => 'HS256',
       hmac => { pem => 'rsa-1' } ],
     [ 'a flipped signature', 'signature_invalid', signature => 'flip' ],
     [ 'no signature', qr/_/, signature => 'empty' ],
     [ 'a key of somebody else', 'signature_invalid',
       signature => 'foreign' ],
     [ 'a logout token', 'typ_refused',
       header => { typ => 'logout+jwt' } ],
     [ 'an extension', 'header_refused', header => { crit => ['x'] } ])
{
    my ($name, $reason, @o) = @$_;

    refused($name, 400, $reason, app({ id_token => token({}, @o) }));
}

refused('what is no token', 400, 'token_malformed',
        app({ id_token => 'no token' }));
refused('a token of two parts', 400, 'token_malformed',
        app({ id_token => token({}, compact => 'two') }));
refused('a provider without ID tokens', 400, 'id_token_unsupported',
        app({ id_token => token() }, name => 'plain'));
refused('a provider that there is not', 404, 'provider_unknown',
        app({ id_token => token() }, name => 'none'));


# --- keys that nobody knows

{
    app({ id_token => token({}, path => '/flood') }, name => 'flood');
    $provider->forget;

    my $begin = ShopTest::now();
    my $wrong = grep {
        my $response = app({ id_token => token({}, path => '/flood',
                                               kid => "kid-$_") },
                           name => 'flood');

        $response->status != 400
            || $response->json->{reason} ne 'key_unknown'
    } 1 .. 100;

    is($wrong, 0, 'a hundred unknown keys: refused');
    cmp_ok($provider->count('/flood/jwks'), '<=',
           1 + (ShopTest::now() - $begin) / 30,
           '... for one fetch of the keys in 30 seconds');
}


# --- once only

{
    my $token = token();

    accepted('a token', { id_token => $token });
    refused('... a second time', 400, 'token_spent',
            app({ id_token => $token }));
    refused('... as a form', 400, 'token_spent',
            $nginx->post('/_shop/token/work', form(id_token => $token),
                         @form));

    my ($key) = $redis->keys('shop:spent:'
        . substr(Digest::SHA::sha256_hex($token =~ /^(.*)\./), 0, 32));

    ok($key, '... it is kept by its digest');

    # as long as it is good, and the clocks of two servers may differ

    cmp_ok($redis->command('TTL', $key), '>', 900, '... long enough');
    cmp_ok($redis->command('TTL', $key), '<=', 1200, '... and no longer');

    # of two signatures by ECDSA both are good: s, and n - s

    my $first = token({}, alg => 'ES256');
    my ($signed, $signature) = $first =~ /^(.*)\.(.*)$/;
    my $raw = MIME::Base64::decode_base64url($signature);

    require Math::BigInt;

    my $n = Math::BigInt->from_hex('ffffffff00000000ffffffffffffffff'
                                   . 'bce6faada7179e84f3b9cac2fc632551');
    my $s = Math::BigInt->from_hex(unpack 'H*', substr $raw, 32);
    my $twin = "$signed." . MIME::Base64::encode_base64url(
        substr($raw, 0, 32)
        . pack 'H*', sprintf '%064s', substr $n->bsub($s)->as_hex, 2);

    $nginx->keep_secret($twin);

    accepted('a signature by ECDSA', { id_token => $twin });
    refused('... its twin', 400, 'token_spent', app({ id_token => $first }));
}

# at once, at two servers

{
    my $second = shop(redis => $redis, provider => $provider,
                      backend => $shop->backend);

    for my $round (1 .. 5) {
        my $body = JSON::PP::encode_json({ id_token => token() });

        my @many = map {
            my $c = $_ % 2 ? $nginx->connect : $second->nginx->connect;

            $c->send('POST', '/_shop/token/work', body => $body,
                     headers => \@json);
            $c;
        } 1 .. 10;

        my @status = map { $_->response->status } @many;

        is(join(' ', sort @status), join(' ', 200, (400) x 9),
           "ten times at once, at two servers, round $round: once good");
    }
}


# --- nonces

my $nonce = 'n-0S6_WzA2Mj';
my $hash = Digest::SHA::sha256_hex($nonce);

accepted('a nonce', { nonce => $nonce,
         id_token => token({ nonce => $nonce }) });
accepted('a nonce that is not told',
         { id_token => token({ nonce => $nonce }) });
accepted('a nonce where the provider has none by redirects',
         { nonce => $nonce,
           id_token => token({ nonce => $nonce }, path => '/silent') },
         name => 'silent');
accepted('a nonce, exact or hashed: exact', { nonce => $nonce,
         id_token => token({ nonce => $nonce }, path => '/hashed') },
         name => 'hashed');
accepted('a nonce, exact or hashed: hashed', { nonce => $nonce,
         id_token => token({ nonce => $hash }, path => '/hashed') },
         name => 'hashed');

for ([ 'another nonce', 'work', { nonce => 'other' } ],
     [ 'no nonce', 'work', {} ],
     [ 'an empty nonce', 'work', { nonce => '' } ],
     [ 'a hashed nonce where it is exact', 'work', { nonce => $hash } ],
     [ 'another hashed nonce', 'hashed',
       { nonce => Digest::SHA::sha256_hex('other') } ],
     [ 'a hash in upper case', 'hashed', { nonce => uc $hash } ],
     [ 'no nonce', 'silent', {} ])
{
    my ($what, $name, $claims) = @$_;

    refused("$what in the token ($name)", 400, 'nonce_mismatch',
            app({ nonce => $nonce, id_token => token($claims,
                  path => $name eq 'work' ? undef : "/$name") },
                name => $name));
}


# --- bodies

sub body {
    my ($name, $status, $reason, $body, @headers) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    refused($name, $status, $reason,
            $nginx->post('/_shop/token/work', $body, @headers));
}

for ('application/json; charset=utf-8', 'Application/JSON',
     'application/json ;charset=utf-8')
{
    is($nginx->post('/_shop/token/work', JSON::PP::encode_json(
           { id_token => token() }), 'Content-Type' => $_)->status, 200,
       "a body of $_");
}

is($nginx->post('/_shop/token/work',
                form(id_token => token(), other => 'x', state => ''),
                @form)->status, 200, 'a form, with fields of others');

my $good = token();

for ([ 'no body', '', @json ],
     [ 'no type', "id_token=$good" ],
     [ 'text', "id_token=$good", 'Content-Type' => 'text/plain' ],
     [ 'another JSON', qq({"id_token":"$good"}),
       'Content-Type' => 'application/jsonp' ],
     [ 'a list', qq(["$good"]), @json ],
     [ 'JSON that is cut', qq({"id_token":"$good"), @json ],
     [ 'a member twice', qq({"id_token":"$good","id_token":"$good"}),
       @json ],
     [ 'a number', '{"id_token":7}', @json ],
     [ 'an object', qq({"id_token":{"a":"$good"}}), @json ],
     [ 'an empty token', '{"id_token":""}', @json ],
     [ 'an empty nonce', qq({"id_token":"$good","nonce":""}), @json ],
     [ 'an empty nonce in a form', "id_token=$good&nonce=", @form ],
     [ 'a nonce with a line feed', qq({"id_token":"$good","nonce":"a\\nb"}),
       @json ],
     [ 'a bad escape', "id_token=$good&nonce=%zz", @form ],
     [ 'a bad escape in a name', "id_token=$good&%zz=1", @form ],
     [ 'a token and a code', "id_token=$good&code=x", @form ],
     [ 'sixty-four kilobytes', '[' x 65536, @json ])
{
    my ($name, $body, @headers) = @$_;

    body("a body: $name", 400, 'request_malformed', $body, @headers);
}

body('a field twice', 400, 'parameter_duplicated',
     "id_token=$good&id_token=$good", @form);
body('a field twice, once encoded', 400, 'parameter_duplicated',
     "id_token=$good&%69d_token=$good", @form);
body('neither token nor code', 400, 'token_missing', '{}', @json);
body('an empty form', 400, 'token_missing', '', @form);

is($nginx->post('/_shop/token/work', 'x' x 65537, @json)->status, 413,
   'a body that is too large');
is($nginx->get('/_shop/token/work')->status, 405, 'no GET');

accepted('none of them has used the token up', { id_token => $good });

# a token in the address is not taken, and not logged

refused('a token in the address', 400, 'token_missing',
        $nginx->post('/_shop/token/work?id_token=' . token(), '{}', @json));

{
    my $body = JSON::PP::encode_json({ id_token => token() });
    my $c = $nginx->connect;

    $c->send('POST', '/_shop/token/work',
             headers => [ @json, 'Transfer-Encoding' => 'chunked' ]);
    $c->write(sprintf "%x\r\n%s\r\n", length $_, $_)
        for unpack '(a50)*', $body;
    $c->write("0\r\n\r\n");

    is($c->response->status, 200, 'a body in chunks');
}


# --- codes

{
    my $verifier = 'v' x 43;
    my $challenge = MIME::Base64::encode_base64url(
        Digest::SHA::sha256($verifier));

    accepted('a code', { code => $provider->grant });
    accepted('a code with a verifier', { code_verifier => $verifier,
             code => $provider->grant({ code_challenge => $challenge }) });
    accepted('a code with a nonce', { nonce => $nonce,
             code => $provider->grant({ nonce => $nonce }) });
    accepted('a code of a page', { redirect_uri => 'postmessage',
             code => $provider->grant({ redirect_uri => 'postmessage' }) });

    my $spent = $provider->grant;

    $nginx->keep_secret($spent);
    app({ code => $spent });

    refused('a code that is spent', 400, 'code_refused',
            app({ code => $spent }));
    refused('a code without its verifier', 400, 'code_refused',
            app({ code => $provider->grant({
                      code_challenge => $challenge }) }));
    refused('a code with another verifier', 400, 'code_refused',
            app({ code_verifier => 'x' x 43, code => $provider->grant({
                      code_challenge => $challenge }) }));
    refused("a code with $_->[0]", 400, 'nonce_mismatch',
            app({ nonce => $nonce, code => $provider->grant($_->[1]) }))
        for [ 'another nonce', { nonce => 'other' } ],
            [ 'a nonce that was not asked for', {} ];

    unlike($nginx->log, qr/\[error\].*nonce_mismatch/,
           '... and nobody writes that the provider is at fault');

    $provider->violations;

    for my $uri ($shop->url . '/_shop/callback/work',
                 'https://evil.example/', 'com.shop.app:/x', 'postmessage2')
    {
        refused("a code with the redirect URI $uri", 400,
                'redirect_uri_refused',
                app({ redirect_uri => $uri, code_verifier => $verifier,
                      code => $provider->grant({
                          redirect_uri => $uri,
                          code_challenge => $challenge }) }));
    }

    is_deeply([ $provider->violations ], [],
              '... and the provider is not asked');

    # what was given to the callback has a state and a nonce to it

    my ($code) = $shop->attempt($shop->browser) =~ /[?&]code=([^&]*)/;

    refused('a code of the redirect flow', 400, 'code_refused',
            app({ code => $code }));

    $provider->set({ oauth2 => 1 });
    accepted('a code of a provider without ID tokens',
             { code => $provider->grant }, name => 'plain');
    $provider->restore;
}


# --- row 25: whose page it is

{
    my $token = token();
    my $body = JSON::PP::encode_json({ id_token => $token });
    my $browser = $shop->browser;

    for my $page ('https://evil.example/', 'http://localhost:1/',
                  'http://127.0.0.1:1/')
    {
        $browser->leave($page);

        refused("row 25: a form of $page", 403, 'origin_refused',
                $browser->submit($shop->url . '/_shop/token/work',
                                 form(id_token => $token),
                                 accept => '*/*', follow => 0));

        $browser->leave($page);

        refused("row 25: a script of $page", 403, 'origin_refused',
                $browser->fetch('POST', $shop->url . '/_shop/token/work',
                                body => $body, type => 'application/json'));
    }

    for ([ Origin => 'null' ], [ Origin => 'https://evil.example' ],
         [ Origin => '' ], [ Origin => $shop->url . '.evil.example' ],
         [ 'Sec-Fetch-Site' => 'cross-site' ],
         [ 'Sec-Fetch-Site' => 'same-site' ],
         [ 'Sec-Fetch-Site' => 'cross-site', Origin => $shop->url ])
    {
        refused("row 25: @$_", 403, 'origin_refused',
                app({ id_token => $token }, headers => $_));
    }

    $browser->leave($shop->url . '/');

    my $response = $browser->fetch('POST', '/_shop/token/work',
                                   body => $body,
                                   type => 'application/json');

    is($response->status, 200, 'row 25: a script of the shop may');
    ok($shop->me($browser), '... and signs in');
    accepted('row 25: so does the Origin alone', { id_token => token() },
             headers => [ Origin => $shop->url ]);
}


# --- One Tap

sub one_tap {
    my ($cookies, $csrf, $token, %o) = @_;

    return $nginx->post('/_shop/token/work' . ($o{args} || ''),
        form(credential => $token, select_by => 'btn',
             defined $csrf ? (g_csrf_token => $csrf) : ()),
        @form, Origin => 'https://accounts.google.com',
        'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate',
        map { (Cookie => $_) } @$cookies);
}

{
    my $response = one_tap([ 'a=1; g_csrf_token=c0ffee; b=2' ], 'c0ffee',
                           token(), args => '?return=/account/%3Fa%3D1');

    is($response->status, 303, "One Tap's form of Google's page: signed in");
    is($response->header('Location'), $shop->url . '/account/?a=1',
       '... and led to where it was to return');
    ok(me($response)->{customer}, '... with a session');

    is(one_tap([ 'g_csrf_token=x' ], 'x', token(),
               args => '?return=//evil.example/')->header('Location'),
       $shop->url . '/', '... but to nobody else');

    my $browser = $shop->browser;

    $browser->set_cookie($shop->url . '/', 'g_csrf_token=c0ffee; Path=/');

    is($browser->submit('/_shop/token/work?return=/account/',
                        form(credential => token(),
                             g_csrf_token => 'c0ffee'))->url,
       $shop->url . '/account/', 'a form of the shop: it goes on there');

    my $token = token();

    for ([ 'no cookie', [], 'x' ],
         [ 'another cookie', [ 'g_csrf_token=y' ], 'x' ],
         [ 'a longer one', [ 'g_csrf_token=xx' ], 'x' ],
         [ 'an empty one', [ 'g_csrf_token=' ], 'x' ],
         [ 'one without a value', [ 'g_csrf_token' ], 'x' ],
         [ 'another name', [ 'xg_csrf_token=x; G_CSRF_TOKEN=x' ], 'x' ],
         [ 'two', [ 'g_csrf_token=x; g_csrf_token=x' ], 'x' ],
         [ 'two, in two lines', [ 'g_csrf_token=y', 'g_csrf_token=x' ],
           'x' ],
         [ 'no field', [ 'g_csrf_token=x' ], undef ])
    {
        my ($name, $cookies, $csrf) = @$_;

        refused("row 25: One Tap: $name", 403, 'csrf_mismatch',
                one_tap($cookies, $csrf, $token));
    }

    body('row 25: One Tap: both empty', 400, 'request_malformed',
         "credential=$token&g_csrf_token=", @form,
         Cookie => 'g_csrf_token=');

    # an ID token by its usual name is not proven by that

    refused('row 25: another field with the cookie', 403, 'origin_refused',
            $nginx->post('/_shop/token/work',
                         form(id_token => $token, g_csrf_token => 'x'),
                         @form, Cookie => 'g_csrf_token=x',
                         'Sec-Fetch-Site' => 'cross-site'));

    is(one_tap([ 'g_csrf_token=x' ], 'x', $token)->status, 303,
       'none of them has used the token up');
    refused('One Tap: the same again', 400, 'token_spent',
            one_tap([ 'g_csrf_token=x' ], 'x', $token));
}


# --- row 32: Redis fails at each step

for my $action (qw(close lost error stall)) {
    for my $after (0 .. 20) {
        my $sub = "fault-$action-$after";
        my $token = token({ sub => $sub });

        $proxy->spoil($action, $after);

        my $response = app({ id_token => $token });

        if (!$proxy->heal) {
            is($response->status, 200, "row 32: $action: $after commands");
            last;
        }

        refused("row 32: $action after $after", 503, qr/^redis_/, $response);

        my $again;

        wait_for {
            $again = app({ id_token => token({ sub => $sub }) });
            $again->status != 503
        } 'Redis to be used again';

        my $me = me($again);

        is($me->{customer}, $redis->command('GET',
                                            "shop:identity:work:$sub"),
           '... and another token completes it');
        is($me->{points}, 105, '... with the points of one signup');

        # it was never used up where Redis did not see it

        is(app({ id_token => $token })->status, 200, '... or the same one')
            if $after == 0 && $action ne 'lost';
    }
}


# --- the provider fails

for ([ 'down', 'keys_error', 502, { status => 500 } ],
     [ 'late', 'provider_timeout', 504, { stall => 60 } ])
{
    my ($name, $reason, $status, $fault) = @$_;
    my $token = token({}, path => "/$name");

    $provider->set({ fault => { jwks => $fault } });
    refused("the keys: $reason", $status, $reason,
            app({ id_token => $token }, name => $name));
    $provider->restore;

    wait_for {
        app({ id_token => $token }, name => $name)->status == 200
    } 'the provider to be asked again';

    pass('... and the same token is good when it is back');
}


# --- the client goes away

$shop->is_idle('before', $proxy->port);

for my $after (0 .. 20) {
    my $c = $nginx->connect;

    $proxy->spoil('stall', $after);
    $c->send('POST', '/_shop/token/work', headers => \@json,
             body => JSON::PP::encode_json({ id_token => token() }));

    my $answered;

    wait_for {
        $answered = ShopTest::pause(0, $c->{socket});
        $answered || $proxy->spoiled
    } 'Redis to be asked';

    $after % 2 ? $c->close : $c->reset;
    $proxy->heal;

    last if $answered;

    $shop->is_idle("gone while command $after is awaited", $proxy->port);

    wait_for { app({ id_token => token() })->status == 200 }
             'Redis to be used again';
}

for my $how (qw(close reset)) {
    my $c;

    for ([ work => 'token', { code => $provider->grant } ],
         [ asked => 'userinfo', { access_token => 'x' } ])
    {
        my ($name, $endpoint, $fields) = @$_;

        $c = $nginx->connect;

        $provider->set({ fault => { $endpoint => { stall => 60 } } });
        $c->send('POST', "/_shop/token/$name", headers => \@json,
                 body => JSON::PP::encode_json($fields));

        wait_for { $provider->stalled } 'the provider to be asked';
        $c->$how;
        wait_for { !$provider->stalled } 'the request to be given up';
        $provider->restore;
    }

    for my $text ("Content-Length: 100\r\n\r\n{\"id_",
                  "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"i")
    {
        $c = $nginx->connect;
        $c->write("POST /_shop/token/work HTTP/1.1\r\nHost: a\r\n"
                  . "Content-Type: application/json\r\n$text");
        $c->$how;
    }

    $shop->is_idle("$how in the midst", $proxy->port);
}


# --- the provider fails while it is asked whose an access token is

for ([ 'provider_timeout', 504, { stall => 60 } ],
     [ 'provider_unavailable', 502, { cut => 20 } ],
     [ 'tokeninfo_error', 502, { status => 500 } ])
{
    my ($reason, $status, $fault) = @$_;

    $provider->set({ fault => { userinfo => $fault } });
    refused("tokeninfo: $reason", $status, $reason,
            app({ access_token => 'x' }, name => 'asked'));
    $provider->restore;
}


accepted('after all of it', { id_token => token() });

done_testing();
