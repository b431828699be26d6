# What has cost other shops their customers' accounts, or a login its luck,
# since no two providers are alike: each trap that is known of them, by its
# name.  The providers are those of ShopTest::Dialect, with the presets as they
# are; a scene is one of theirs, or made here.

use lib 't/lib';
use ShopTest;
use ShopTest::Backend;
use ShopTest::Dialect;
use ShopTest::Preset;

use JSON::PP ();
use MIME::Base64 ();

my $mock = ShopTest::Dialect->new;
my ($yes, $no) = (JSON::PP::true, JSON::PP::false);

my @names = grep {
    my $d = $mock->dialect($_);

    $d && $d->{authz} && $d->{token};
} ShopTest::Preset::names();

my $shop = shop(
    providers => { map { $_ => $mock } @names },
    base_url  => 'https://shop.example.com',
);

my $nginx = $shop->nginx;
my $redis = $shop->redis;
my (@requests, $trap);

$nginx->keep_secret(map { $mock->client_secret($_) } @names);


# a login in a scene; the requests it made are in @requests

sub login {
    my ($name, $scene) = @_;
    my $browser = $shop->browser;

    $mock->play($name, $scene);
    $mock->mistakes;
    $mock->forget;

    my $page = $browser->click("/_shop/login/$name?return=/account/",
                               accept => 'application/json');

    @requests = $mock->requests;
    $mock->play($name, undef);

    return ($browser, $page);
}


# what Redis knows of who signed in; "id" is the customer's

sub customer {
    my ($name, $scene) = @_;
    my ($browser, $page) = login($name, $scene);

    my $echo = $page->status == 200 ? $page->json : {};
    my ($id) = ShopTest::Backend::values_of($echo, 'X-Customer-Id');

    return { page => $page, browser => $browser } unless defined $id;

    my ($key) = $redis->keys("shop:customer:*:$id");

    return { %{ $redis->hash($key) }, id => $id, page => $page };
}


sub signs_in {
    my ($what, $name, $scene, %expect) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $customer = customer($name, $scene);
    my @mistakes = $mock->mistakes;

    my @wrong = grep {
        my ($is, $wanted) = ($customer->{$_}, $expect{$_});

        defined $wanted ? !defined $is || $is ne $wanted : defined $is
    } sort keys %expect;

    ok(defined $customer->{id} && !@wrong && !@mistakes, "$trap: $what")
        or diag(ShopTest::Shop::shown($customer->{page}), "\n",
                join '; ', @mistakes,
                map { "$_ is " . ($customer->{$_} || 'nothing') } @wrong);

    return $customer;
}


sub refused {
    my ($what, $status, $reason, $name, $scene) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($browser, $page) = login($name, $scene);

    $shop->refuses($status, $reason, $page, "$trap: $what", $browser);
}


# those of the last login that went to an endpoint

sub sent {
    my ($name, $kind) = @_;
    my $at = ($mock->dialect($name)->{$kind} || return)->{at};

    my @like = map { join 'v[0-9.]+', map { quotemeta } split /\{v\}/ }
               ref $at ? @$at : $at;
    my $like = join '|', @like;

    return grep { $_->{path} =~ m{^/https/(?:$like)$} } @requests;
}


# where a login leads to

my %authz;

sub authz {
    my ($name) = @_;

    return $authz{$name} ||= $shop->browser->click("/_shop/login/$name",
        follow => 0, accept => 'application/json')->header('Location');
}


sub openssl_hmac {
    my ($key, $text) = @_;
    my $file = write_file(temp_dir() . '/proof', $text);

    open my $pipe, '-|', 'openssl', 'dgst', '-sha256', '-r', '-hmac', $key,
        $file or die "openssl: $!\n";

    my ($hex) = <$pipe> =~ /^([0-9a-f]{64}) /;

    close $pipe or die "openssl: $?\n";

    return $hex;
}


sub fields {
    my ($args) = $_[0] =~ /\?([^#]*)/;

    return ShopTest::Server::query_fields($args);
}


sub app {
    my ($name, $fields) = @_;

    return $nginx->post("/_shop/token/$name", JSON::PP::encode_json($fields),
                        'Content-Type' => 'application/json');
}


# ---

$trap = 'account takeover by unverified e-mail';

for ([ 'microsoft' ], [ 'facebook' ], [ 'amazon' ], [ 'line' ], [ 'naver' ],
     [ 'vk' ], [ 'spotify' ], [ 'slack' ], [ 'salesforce' ], [ 'auth0' ],
     [ 'okta' ], [ 'keycloak' ], [ 'cognito' ],
     [ 'microsoft', 'an address whose domain nobody has proved' ],
     [ 'microsoft', 'a flag that is none of Microsoft\'s' ],
     [ 'microsoft', 'another address that is proved' ],
     [ 'kakao', 'an address that was verified and is no more valid' ],
     [ 'wordpress', 'an address without a flag' ],
     [ 'yandex', 'an address that looks like one' ],
     [ 'mailru', 'a mailbox that looks like theirs' ])
{
    signs_in(join(', ', @$_), @$_[0, 1], email_state => 'unverified');
}

signs_in('github, the address of the profile', 'github',
         { userinfo2 => [ 404, {} ] }, email => undef, email_state => undef);
signs_in('apple, the address in the form', 'apple',
         'an address that only the form tells', email => undef,
         email_state => undef);


$trap = 'Microsoft issuer as a template';

signs_in('a company', 'microsoft');
signs_in('a personal account', 'microsoft', 'a personal account');
refused('the tenant of another issuer', 502, 'iss_mismatch', 'microsoft',
        'a tenant that is not the issuer\'s');
refused('no tenant', 502, 'iss_mismatch', 'microsoft',
        'a token without a tenant');
refused('a personal account where one tenant may sign in', 502,
        'iss_mismatch', 'entra', 'a personal account');
refused('a key for other tenants', 502, 'iss_mismatch', 'microsoft',
        'a key that is for personal accounts');
refused('the template itself', 502, 'iss_mismatch', 'microsoft',
        { claims => { tid => '{tid}',
                      iss => 'https://login.microsoftonline.com/{tid}/v2.0' }
        });


$trap = 'token substitution';

# these would tell with any app's token who it is of

for my $name (qw(amazon kakao x discord google)) {
    $shop->refuses(400, qr/token/, app($name, { access_token => 'x' x 20 }),
                   "$trap: an app brings an access token of $name");
}

for my $name (qw(google microsoft apple)) {
    $shop->refuses(400, 'aud_mismatch',
        app($name, { id_token => $mock->native($name,
                                               { aud => 'another-app' }) }),
        "$trap: an app brings an ID token of $name for another app");

    refused("an ID token for another client of $name", 502, 'aud_mismatch',
            $name, { claims => { aud => 'another-client' } });
}

refused('userinfo of somebody else', 502, 'userinfo_mismatch', 'gitlab',
        'userinfo of somebody else');


$trap = 'algorithm by preset, not by token header';

signs_in('LINE signs with the secret', 'line');
signs_in('Yahoo signs with a curve', 'yahoo');
signs_in('Telegram may sign by EdDSA', 'telegram', 'a key of Edwards\' curve');
refused('LINE with a public key', 502, 'alg_refused', 'line',
        { alg => 'ES256' });
refused("$_ with the secret", 502, 'alg_refused', $_, { alg => 'HS256' })
    for qw(google apple microsoft linkedin yahoo telegram slack twitch);


$trap = 'wrong subject key';

for my $name (qw(github reddit x discord mastodon)) {
    my $customer = customer($name);

    is(customer($name, { person => { nick => 'renamed', name => 'Bea',
                                     email => 'bea@example.com' } })->{id},
       $customer->{id}, "$trap: $name, another name and address");
    isnt(customer($name, { person => { id => '99011' } })->{id},
         $customer->{id}, "$trap: $name, another id of the same name");
}

{
    my $ann = customer('microsoft');

    is(customer('microsoft', { claims => { sub => 'another-app' } })->{id},
       $ann->{id}, "$trap: Microsoft, the subject of another app");
    isnt(customer('slack', { claims => { 'https://slack.com/team_id'
                                         => 'T0OTHER' } })->{id},
         customer('slack')->{id}, "$trap: Slack, another workspace");
    refused('WeChat, an app that could be bound to another key later', 502,
            'claims_malformed', $_, 'an app that is bound to nothing')
        for qw(wechat wechat_mp);
}


$trap = 'mix-up across presets';

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, name => 'google');

    (my $other = $url) =~ s{/callback/google}{/callback/github};

    $shop->refuses(400, 'state_mismatch', $shop->callback($browser, $other),
                   "$trap: the answer for one at another's callback",
                   $browser);

    signs_in("$_ says who it is, though it did not announce it", $_)
        for qw(google github);
    signs_in('Google may say nothing', 'google', 'no iss in the callback');
    refused("$_ says that it is another", 400, 'issuer_mismatch', $_,
            'the iss of another') for qw(google github);
    refused('an error by another', 400, 'issuer_mismatch', 'google',
            { callback => { code => undef, error => 'access_denied',
                            iss => 'https://accounts.google.example' } });
}


$trap = q(Apple's form_post is a cross-site POST);

{
    my ($set) = $shop->browser->click('/_shop/login/apple', follow => 0)
        ->headers('Set-Cookie');

    like($set, qr/; SameSite=Lax/i, "$trap: the attempt's cookie stays here");

    my $ann = signs_in('and yet the login is completed', 'apple', undef,
                       name => 'Ann Example');
    my $again = signs_in('the name comes once and is kept', 'apple',
                         { person => { again => 1 } },
                         name => 'Ann Example');

    is($again->{id}, $ann->{id}, "$trap: who comes back is the same");
}


$trap = 'errors inside HTTP 200';

refused('github', 400, 'code_refused', 'github', 'the code is refused');
refused($_, 502, qr/^(?:token|userinfo|claims)_/, $_,
        'an error with status 200')
    for qw(slack wechat wechat_mp qq zalo naver tiktok vk mailru);
signs_in('TikTok has an error "ok"', 'tiktok');


$trap = 'PKCE is not uniform';

for my $name (qw(x vk zalo github google)) {
    like(fields(authz($name))->{code_challenge}, qr/^[\w-]{43}$/,
         "$trap: $name has a challenge");
}

for my $name (qw(linkedin yahoo qq wechat wechat_mp weibo facebook)) {
    unlike(authz($name), qr/code_challenge/, "$trap: $name has none");
}

like(fields(authz('tiktok'))->{code_challenge}, qr/^[0-9a-f]{64}$/,
     "$trap: TikTok has one in hex");
unlike(authz('zalo'), qr/code_challenge_method/, "$trap: Zalo has no method");
is(fields(authz('github'))->{code_challenge_method}, 'S256',
   "$trap: GitHub has S256");


$trap = 'nonce is not uniform';

signs_in("$_ does not say it again", $_) for qw(linkedin dropbox);
signs_in('Apple, of an old device', 'apple',
         'no nonce, and none supported');
refused('Apple, of another device', 502, 'nonce_mismatch', 'apple',
        'no nonce though it is supported');
refused("$_ has to", 502, 'nonce_mismatch', $_,
        { claims => { nonce => undef } })
    for qw(google microsoft line yahoo telegram slack);


$trap = 'discovery cannot be the only source';

for my $name (qw(apple facebook microsoft linkedin slack google)) {
    signs_in("$name signs in without", $name);
    is(scalar(() = sent($name, 'discovery')), 0,
       "$trap: $name was not asked");
}


$trap = 'state constraints';

for my $name (@names) {
    my $fields = fields(authz($name));

    like($fields->{state}, qr/^[A-Za-z0-9_-]{43}$/,
         "$trap: $name, short and of few characters");
    unlike($fields->{redirect_uri}, qr/[?#]/,
           "$trap: $name, nothing in the redirect URI");
}

signs_in('Naver', 'naver');
like((sent('naver', 'token'))[0]{body}, qr/(?:^|&)state=[\w-]{43}(?:&|$)/,
     "$trap: Naver has it in the token request");


$trap = 'short code lifetimes';

for my $name (qw(x google microsoft apple keycloak)) {
    signs_in($name, $name);

    my ($token) = sent($name, 'token');
    my ($at) = grep { $requests[$_] == $token } 0 .. $#requests;

    is($requests[$at - 1], (sent($name, 'authz'))[0],
       "$trap: $name, nothing is asked before the exchange");
}


$trap = 'client authentication';

for my $name (qw(x paypal reddit pinterest yahoo telegram)) {
    signs_in("$name, by Basic", $name);

    my ($request) = sent($name, 'token');
    my ($basic) = ($request->{first}{authorization} || '') =~ /^Basic (.*)/;

    unlike($request->{body}, qr/secret/, "$trap: $name, and by that alone");
    is(MIME::Base64::decode_base64($basic),
       join(':', map { ShopTest::Browser::escape($_) }
            $mock->client_id($name), $mock->client_secret($name)),
       "$trap: $name, both parts are encoded");
}

for ([ 'linkedin', 'client_id' ], [ 'kakao', 'client_id' ],
     [ 'apple', 'client_id' ], [ 'tiktok', 'client_key' ])
{
    my ($name, $field) = @$_;

    signs_in("$name, in the body", $name);

    my ($request) = sent($name, 'token');

    is($request->{first}{authorization}, undef,
       "$trap: $name, and there alone");
    like($request->{body}, qr/(?:^|&)$field=.*&client_secret=/,
         "$trap: $name, by its names");
}

for my $name (qw(wechat wechat_mp qq)) {
    signs_in("$name, in the query", $name);
    is((sent($name, 'token'))[0]{method}, 'GET', "$trap: $name, by GET");

    # the code is good for whoever has it, wherever it was to go

    my $response = $nginx->post("/_shop/token/$name", '{"code":"x"}',
                                'Content-Type' => 'application/json');

    $shop->refuses(400, 'code_unsupported', $response,
                   "$trap: $name: no code of an app");
    $shop->refuses(404, 'notify_unsupported',
                   $nginx->post("/_shop/backchannel/$name", 'logout_token=x'),
                   "$trap: $name: no logout token");
}

signs_in('Zalo, in a header', 'zalo');
is((sent('zalo', 'token'))[0]{first}{secret_key}, $mock->client_secret('zalo'),
   "$trap: Zalo, of its own name");


$trap = 'types';

signs_in('a boolean is a text', 'apple', undef, email_state => 'verified');
signs_in('a text is a boolean', 'apple', 'booleans that are no text',
         email_state => 'verified');
signs_in('false is a text', 'apple',
         { claims => { email_verified => 'false' } },
         email_state => 'unverified');
signs_in('true is "1"', 'microsoft', { claims => { xms_edov => '1' } },
         email_state => 'verified');
signs_in('an id is a number', $_) for qw(github kakao wordpress);
signs_in('a scope is an array', 'twitch');
signs_in('an ID token is false', 'wordpress',
         { token => { id_token => $no } });
signs_in('a number is a text', 'naver', { token => { expires_in => '3600' } });
signs_in('a language is an object', 'linkedin');


$trap = 'encodings';

signs_in('GitHub answers with a form unless it is asked for JSON', 'github');
signs_in('QQ answers with a form unless it is asked for JSON', 'qq');
signs_in("$_ sends JSON as text", $_) for qw(wechat wechat_mp weibo);
like(authz($_), qr/[?&]scope=[^&+]*%20[^&+]*(?:&|$)/,
     "$trap: $_, a blank is no plus") for qw(apple cognito);


$trap = 'outbound request demands';

for (qw(github:userinfo github:userinfo2 reddit:token reddit:userinfo
        patreon:userinfo shopify_customer:token))
{
    my ($name, $kind) = split /:/;

    signs_in("$name signs in", $name);
    like((sent($name, $kind))[0]{first}{'user-agent'}, qr/\S/,
         "$trap: $name, $kind has a User-Agent");
}

for my $name (qw(facebook instagram tiktok x zalo patreon threads)) {
    signs_in("$name signs in", $name);
    like((sent($name, 'userinfo'))[0]{args}, qr/fields/,
         "$trap: $name is told the fields");
}

signs_in('Facebook signs in', 'facebook');

{
    my ($request) = sent('facebook', 'userinfo');
    my ($token) = $request->{first}{authorization} =~ /^Bearer (\S+)$/;

    is(fields("?$request->{args}")->{appsecret_proof},
       openssl_hmac($mock->client_secret('facebook'), $token),
       "$trap: Facebook has a proof, which openssl makes the same");
}

signs_in('Dropbox signs in', 'dropbox');

{
    my ($request) = sent('dropbox', 'userinfo');

    is(join(' ', map { defined ? length : 'none' } $request->{body},
            $request->{first}{'content-type'}), '0 none',
       "$trap: Dropbox has a body of nothing, without a type");
}

signs_in('Twitch signs in', 'twitch');
is(scalar(grep { $_->{path} =~ /helix/ } @requests), 0,
   "$trap: Twitch, what wants a Client-Id is not asked");


$trap = 'user may refuse the e-mail';

signs_in(join(', ', @$_), @$_, email => undef, email_state => undef)
    for [ 'facebook', 'the customer keeps the address back' ],
        [ 'kakao', 'the customer keeps the address back' ],
        [ 'line', 'the customer keeps the address back' ],
        [ 'discord', 'nulls' ],
        [ 'x', 'no address' ],
        [ 'spotify', 'an app in development: no address' ];


$trap = 'quotas and money';

{
    my $browser = $shop->browser;

    $mock->forget;

    my $url = $shop->attempt($browser, name => 'x');

    $shop->callback($browser, $url);
    $shop->callback($browser, $url);
    @requests = $mock->requests;

    is(scalar(() = sent('x', 'userinfo')), 1,
       "$trap: one paid read for a login, and none for its replay");
}


$trap = 'fragments and extra callback parameters';

signs_in("$_ sends fields that nobody knows", $_) for qw(google microsoft vk);
signs_in('more of them', 'github', { callback => {
    state2 => 'x', codes => 'y', Code => 'z', '_' => '_', iss2 => 'x' } });

for my $field (qw(code state iss error)) {
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, name => 'google');

    $url .= "&$field=x" unless $url =~ /[?&]$field=/;

    $shop->refuses(400, 'parameter_duplicated',
                   $shop->callback($browser, "$url&$field=x"),
                   "$trap: $field twice", $browser);
}

for my $more ('&device_id=x', map { "&x=%zz&device_id=$_" }
              '%zz', '%FF', 'a%ED%A0%80', '%C3')
{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, name => 'vk');

    $url =~ s/[?&]device_id=[^&]*//g if $more =~ /%/;

    $shop->refuses(400, qr/^(?:parameter_duplicated|callback_malformed)$/,
                   $shop->callback($browser, "$url$more"),
                   "$trap: one that is sent on, $more", $browser);
}

for my $args ('device_id=x&device_id=y', 'device_id=%zz', 'device_id=%FF') {
    $shop->refuses(400, 'request_malformed',
        $nginx->post("/_shop/token/vk?$args", '{"code":"x"}',
                     'Content-Type' => 'application/json'),
        "$trap: one that an app sends, $args");
}

like(authz($_), qr/#wechat_redirect$/, "$trap: $_ gets its own")
    for qw(wechat wechat_mp);

# "#_" and "#_=_" stay in the browser, but a code may be cut badly elsewhere

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, name => 'instagram');

    is($shop->callback($browser, "$url#_=_")->status, 303,
       "$trap: a fragment of Meta's");
}


$trap = 'hosts moved';

my $old = qr{//(?:www\.|api\.)?twitter\.com|//(?:id|oauth|api)\.vk\.com
             |//api\.paypal\.com|//ssl\.reddit\.com|//connect\.mail\.ru
             |//api\.instagram\.com/oauth/authorize|//open-api\.tiktok\.com
             |//api\.pinterest\.com/(?:oauth|v[1-4])|//connect\.vk\.com}x;

for my $name (ShopTest::Preset::names()) {
    my $fields = ShopTest::Preset::fields($name);
    my @there = grep { /$old/ } map { @$_ } values %$fields;

    is("@there", '', "$trap: $name has no address of yesterday");
}


$trap = 'branding';

{
    my $page = $shop->browser->click('/_shop/login')->body;

    unlike($page, qr/<(?:img|svg|picture)\b/i, "$trap: no logo is drawn");
    unlike($page, qr/#[0-9a-f]{6}\b.*(?:google|facebook)/i,
           "$trap: nobody's color is");

    for my $name (@names) {
        my $label = ShopTest::Preset::fields($name)->{label}[0];

        like($page, qr/ data-preset="\Q$name\E">[^<]*\Q$label\E/,
             "$trap: $name is said by its label and preset");
    }
}

$nginx->keep_secret($mock->secrets);

done_testing();
