# Rows 1 to 7, 16 to 18, 20 and 31 at a provider without ID tokens: all that is
# known of a customer is what userinfo answers to a token that the module has
# got for a code itself.  The rows about ID tokens have no meaning there.

use lib 't/lib';
use ShopTest;
use ShopTest::Backend;

use MIME::Base64 qw(decode_base64);
use ShopTest::Server qw(query_fields form_fields);

my $provider = provider();
my $url = $provider->url;
my $secret = write_file(temp_dir() . '/oauth2.secret',
                        $provider->client_secret, 0600);
my @names = qw(plain other bare found);

my %more = (
    plain => 'issuer ' . $provider->issuer('/plain') . ';',
    other => 'issuer ' . $provider->issuer('/other') . ';',
    bare  => '',
    found => 'issuer ' . $provider->issuer('/found') . "; discovery "
             . $provider->issuer('/found')
             . '/.well-known/openid-configuration;',
);

sub endpoints {
    my ($name) = @_;

    return $name eq 'found' ? ''
        : join '', map { "$_ $url/$name/$_;\n" } qw(token userinfo);
}

sub block {
    my ($name) = @_;
    my $authz = $name eq 'found' ? '' : "authz $url/$name/authorize;";

    return <<"END";
    social_provider $name {
        preset oauth2; client_id "@{[ $provider->client_id ]}";
        client_secret_file $secret; $more{$name} $authz
        @{[ endpoints($name) ]}
        sub ui:/sub; name ui:/name; email ui:/email; email_trust claim;
        email_verified ui:/email_verified; picture ui:/picture;
        locale ui:/locale;
    }
END
}

my %at = map { ("/$_" => { oauth2 => 1 }) } @names;

$at{'/found'}{discovery} = { issuer => 'https://evil.example' };
$provider->set({ at => \%at });

my $shop = shop(provider => $provider, providers => { work => '' },
                http => join '', map { block($_) } @names);

my $redis = $shop->redis;


# for the next logins by "plain"

sub provider_is {
    my (%state) = @_;

    $provider->set({ at => { %at, '/plain' => { oauth2 => 1, %state } } });
}

sub changed {
    my ($url, %change) = @_;
    my ($base, $args) = split /\?/, $url, 2;

    return "$base?" . ShopTest::Provider::query(
        ShopTest::Provider::apply(query_fields($args), \%change));
}

sub try_callback {
    my ($reason, $name, $change, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $browser = $shop->browser;
    my $to = $shop->attempt($browser, name => 'plain', %o);

    $to = ref $change eq 'CODE' ? $change->($to) : changed($to, %$change);
    $provider->forget;

    my $response = $shop->callback($browser, $to);

    $shop->refuses(qr/^(?:400|502)$/, $reason, $response, $name, $browser);
    is($provider->count('/plain/token'), 0, '... no code was exchanged');
}


# --- row 1

{
    my $browser = $shop->browser;

    $shop->start($browser, name => 'plain');

    my ($request) = $provider->requests('/plain/authorize');
    my $f = query_fields($request->{args});

    is($f->{response_type}, 'code', 'row 1: OAuth 2.0: the code flow');
    is($f->{code_challenge_method}, 'S256', 'row 1: OAuth 2.0: PKCE');
    is($f->{nonce}, undef, 'row 1: OAuth 2.0: no nonce, where there is no '
                           . 'token for it');

    $provider->forget;
    $shop->login($browser, '/', name => 'plain');
    ok($shop->me($browser), 'row 1: OAuth 2.0: a strict provider is pleased');
    is_deeply([ $provider->violations ], [], '... with all of it');

    my ($token) = $provider->requests('/plain/token');
    my $form = form_fields($token);

    like($form->{code_verifier}, qr/^[A-Za-z0-9_-]{43}\z/,
         '... with the verifier');

    # row 17

    is($token->{args}, '', 'row 17: OAuth 2.0: nothing in the address');
    is($form->{client_secret}, undef, '... no secret in the form');
    like(decode_base64($token->{first}{authorization} =~ s/^Basic //r),
         qr/^shop(?:\+|%20)client:p%40ss%3[Aa]w%25rd/,
         '... but both parts, encoded, in the header');

    my $attacker = $shop->browser;
    my ($args) = $shop->attempt($attacker, name => 'plain') =~ /\?(.*)/;
    my $victim = $shop->browser;
    my $to = $shop->attempt($victim, name => 'plain');

    $shop->refuses(400, 'code_refused', $shop->callback($victim,
        changed($to, code => query_fields($args)->{code})),
        'row 1: OAuth 2.0: an injected code', $victim);
    $provider->violations;
}


# --- rows 2 and 3

{
    my $row = 'row 2: OAuth 2.0';

    try_callback('state_missing', "$row: no state", { state => undef });
    try_callback(qr/^state_(?:missing|unknown)$/, "$row: an empty state",
                 { state => '' });
    try_callback('state_unknown', "$row: a truncated state",
                 sub { $_[0] =~ s/(state=[^&]{20})[^&]*/$1/r });
    try_callback('state_unknown', "$row: a state that somebody made up",
                 { state => 'A' x 43 });

    my $stranger = $shop->browser;
    my $foreign = $shop->attempt($stranger, name => 'plain');
    my $victim = $shop->browser;

    $shop->attempt($victim, name => 'plain');
    $shop->refuses(400, 'state_unknown', $shop->callback($victim, $foreign),
                   "$row: another browser's", $victim);

    my $copy = $stranger->clone;

    is($shop->callback($stranger, $foreign)->status, 303,
       "$row: its owner's is good");
    $shop->refuses(400, 'attempt_spent', $shop->callback($copy, $foreign),
                   "$row: once", $copy);

    for my $other (qw(other bare work)) {
        try_callback('state_mismatch',
                     "row 3: OAuth 2.0: at the callback of \"$other\"",
                     sub { $_[0] =~ s{/callback/plain}{/callback/$other}r });
    }
}


# --- rows 4 to 6

{
    my $row = 'row 4: OAuth 2.0';

    try_callback('issuer_mismatch', "$row: a wrong iss",
                 { iss => 'https://evil.example' });
    try_callback('issuer_mismatch', "$row: that of another provider here",
                 { iss => $provider->issuer('/other') });
    try_callback(qr/^issuer_/, "$row: an empty iss", { iss => '' });
    try_callback('issuer_mismatch', "$row: a wrong iss in an error",
                 { iss => 'https://evil.example', code => undef,
                   error => 'access_denied' });

    for my $case ([ 'plain', 'none, which nobody has promised',
                    { iss => undef } ],
                  [ 'bare', 'any, where the issuer is not known',
                    { iss => 'https://x.example' } ])
    {
        my ($name, $what, $change) = @$case;
        my $browser = $shop->browser;
        my $to = changed($shop->attempt($browser, name => $name), %$change);

        is($shop->callback($browser, $to)->status, 303, "$row: $what");
    }

    for my $name (qw(state code iss error)) {
        try_callback('parameter_duplicated', "row 5: OAuth 2.0: two of $name",
                     sub { "$_[0]&$name=x&$name=y" });
    }

    my $browser = $shop->browser;
    my $to = changed($shop->attempt($browser, name => 'plain'),
                     code => undef, error => 'access_denied',
                     error_description => '<script>alert(1)</script>'
                                          . "\r\nX: evil" . 'marker' x 900);
    my $response = $browser->click($to, follow => 0);

    is($response->status, 400, 'row 6: OAuth 2.0: an error ends the attempt');
    unlike($response->text . $response->body, qr/alert|evil|marker/,
           '... and nothing is reflected');
    ok(!$shop->me($browser), '... and nobody is signed in');
}


# --- row 7

$shop->fails(502, 'issuer_mismatch',
             'row 7: OAuth 2.0: metadata of somebody else', name => 'found');


# --- row 16

sub customer {
    my ($name, %user) = @_;
    my $browser = $shop->browser;

    provider_is(user => { sub => 'ann', email => 'ann@example.com',
                          email_verified => \1, %user });

    my $response = $shop->callback($browser,
                                   $shop->attempt($browser, name => $name));
    my $me = $shop->me($browser);

    return $me ? $me->{customer} : $response->json->{reason};
}

{
    my $row = 'row 16: OAuth 2.0';
    my $ann = customer('plain');

    is(customer('plain', email => 'b@example.com'), $ann,
       "$row: the subject is who it is");
    isnt(customer('plain', sub => 'eve'), $ann,
         "$row: the same address is not");
    isnt(customer('plain', sub => 'Ann'), $ann, "$row: nor another case");

    for ([ 'nobody', undef ], [ 'an empty one', '' ], [ 'a number', 7 ],
         [ 'a list', [ 'ann' ] ], [ '256 bytes', 'x' x 256 ],
         [ 'a line feed', "ann\n" ], [ 'what is not ASCII', "\x{e4}nn" ])
    {
        my ($what, $sub) = @$_;

        is(customer('plain', sub => $sub), 'claims_malformed',
           "$row: $what as subject: refused");
    }
}


# --- row 18

for ([ 'bearer', { token_type => 'bearer' } ],
     [ 'BEARER', { token_type => 'BEARER' } ],
     [ 'no type', { token_type => undef } ],
     [ 'no end', { expires_in => undef } ],
     [ 'an end in words', { expires_in => 'never' } ],
     [ 'a scope that is a list', { scope => [ 'a', 'b' ] } ],
     [ 'an ID token that is none', { id_token => \0 } ])
{
    my ($what, $token) = @$_;

    provider_is(token => $token);
    $shop->signs_in("row 18: OAuth 2.0: $what", name => 'plain');
}


# --- row 20, and what else a provider may answer

my $elsewhere = ShopTest::Server->new(handler => sub {
    return ShopTest::Server::answer(200, [ 'Content-Type'
                                           => 'application/json' ],
                                    '{"sub":"eve","access_token":"x"}');
});

my %fault = (
    'an endless body'     => { endless => 'length' },
    'endless chunks'      => { endless => 'chunked' },
    '1 MB'                => { body => '{"sub":"' . 'x' x 1000000 . '"}' },
    'a flood of headers'  => { header_flood => 100000 },
    'a bad chunk'         => { chunked => "zz\r\nhello\r\n0\r\n\r\n" },
    'gzip'                => { gzip => 1 },
    'a reset in the body' => { reset => 160 },
    'an end in the body'  => { cut => 160 },
    'another place'       => { status => 302, body => '',
                               headers => [ Location => $elsewhere->url ] },
    'no JSON'             => { body => '<html>' },
    'a list'              => { body => '[{"sub":"eve"}]' },
    'two of a member'     => { body => '{"sub":"a","sub":"b",'
                                       . '"access_token":"x"}' },
    'deep JSON'           => { body => '[' x 5000 },
    'an error of its own' => { status => 500, body => '{"sub":"eve"}' },
    'nobody, and 401'     => { status => 401, body => '{"sub":"eve"}' },
);

for my $endpoint (qw(token userinfo)) {
    for my $what (sort keys %fault) {
        provider_is(fault => { $endpoint => $fault{$what} });
        $shop->fails(502, qr/^(?:provider_unavailable|$endpoint\_\w+)$/,
                     "row 20: OAuth 2.0: $endpoint: $what", name => 'plain');
    }
}

is($elsewhere->count('/'), 0, 'row 20: OAuth 2.0: no redirect is followed');

provider_is(token => { access_token => "a\r\nX-Customer-Id: eve" });
$shop->fails(502, 'token_malformed', 'row 31: OAuth 2.0: a token with a line '
                                     . 'feed', name => 'plain');


# --- row 31

provider_is(user => { sub => 'nul', name => "Ann\0" });

{
    my $page = $shop->login($shop->browser, '/account/', name => 'plain');
    my ($id) = ShopTest::Backend::values_of($page->json, 'X-Customer-Id');
    my ($key) = $redis->keys("shop:customer:*:$id");

    is($redis->hash($key)->{name}, "Ann\xef\xbf\xbd",
       'row 31: OAuth 2.0: no NUL is in a name');
}

{
    my $bad = "Ann\r\nX-Customer-Id: eve";

    provider_is(user => {
        sub => 'hostile', name => $bad, email => "a\@b.example\r\nX: y",
        locale => $bad, picture => "https://p.example/\r\nX: y" });

    my $browser = $shop->browser;
    my $page = $shop->login($browser, '/account/', name => 'plain');
    my $echo = $page->json;
    my ($id, @more) = ShopTest::Backend::values_of($echo, 'X-Customer-Id');

    ok($id && !@more && $id !~ /eve/,
       'row 31: OAuth 2.0: a hostile profile: one customer, no other');

    my ($key) = $redis->keys("shop:customer:*:$id");
    my $profile = $redis->hash($key);

    is_deeply([ grep { exists $profile->{$_} }
                qw(name email locale picture) ], [],
              '... of whom nothing is kept that could split a header');
}

done_testing();
