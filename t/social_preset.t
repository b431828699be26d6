# A provider is data: what a shop writes in a block, or what a preset writes
# for it in the same words.  These are providers that nobody has thought of,
# made of nothing but configuration, and the presets that are compiled in.

use lib 't/lib';
use ShopTest;
use ShopTest::Conf;
use ShopTest::Preset;

use Crypt::PK::ECC ();
use Crypt::PK::RSA ();
use JSON::PP ();

my $dir = temp_dir();
my $keys = key_file();
my $file = write_file("$dir/x.secret", "s3cret\n", 0600);

my $client = "client_id shop; client_secret_file $file;";

# a secret that is signed: a key as Apple gives it out, and others

my $p8 = write_file("$dir/AuthKey.p8", <<'END', 0600);
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrJ/Sol+LlgWLu9hb
TdruRmXpgMdjXqhTBKU87+7+VjmhRANCAARghHGQELudscHYroDEN5tJFSeOFkjJ
JOMyOvOK+1VlHhWbtPvXGVGAgQrqwfpc0rimz39c0GL/G6rPRabwDNic
-----END PRIVATE KEY-----
END

my $team = 'client_id shop; team_id TEAM123456; key_id KEY1234567;';
my $apple = "$team key_file $p8;";
my $bot = 'client_id 42; client_secret_file '
        . write_file("$dir/bot.token", "42:AAF\n", 0600) . ';';

my $rsa = Crypt::PK::RSA->new;
my $theirs = Crypt::PK::RSA->new;

$_->generate_key(256) for $rsa, $theirs;

my $rsa_file = write_file("$dir/rsa.pem", $rsa->export_key_pem('private'),
                          0600);
my $theirs_file = write_file("$dir/theirs.pem",
                             $theirs->export_key_pem('public_x509'));

# what is said in place of a secret, or besides

my %more = (
    alipay => "client_id shop; key_file $rsa_file; "
              . "verify_key_file $theirs_file;",
    apple  => $apple,
    ok     => "$client application_key CBAXX;",
    telegram_widget => $bot,
);

my $server = 'server { listen 127.0.0.1:%%port%%; '
           . 'shop_base_url http://127.0.0.1:%%port%%;';


sub block {
    my ($name, $lines) = @_;

    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\n"
        . "social_provider $name {\n$lines\n}\n$server }";
}


sub is_good {
    my ($name, $lines, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return good(block($name, ($o{client} || $client) . " $lines"), $what);
}


sub is_wrong {
    my ($name, $lines, $message, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return wrong(block($name, ($o{client} || $client) . "\n$lines"), $message,
                 $what, %o);
}


# --- the presets

my $page = read_file('docs/ngx_http_social_module.md');
my $tenant = '4f1c2d3e-0a9b-4c8d-9e7f-112233445566';

for my $name (ShopTest::Preset::names()) {
    my $fields = ShopTest::Preset::fields($name);
    my $notes = ShopTest::Preset::notes($name);

    for my $note (qw(label console redirect review limits)) {
        ok($notes->{$note} || $fields->{gone},
           "$name: the comments have \"$note\"");
    }

    like($page, qr/`$name`[,.]/, "$name: is in the documents");

    if ($fields->{gone}) {
        is_wrong($name, '', $fields->{gone}[0], "$name: says what became "
                 . 'of it', nowhere => 1);
        next;
    }

    next if $name eq 'oidc' || $name eq 'oauth2';

    my $params = join ' ', map {
        "$_ " . ($_ eq 'tenant' ? $tenant : 'x.example.com') . ';'
    } ShopTest::Preset::needs($fields);

    $params .= ' issuer https://x.example.com;'
        if $fields->{kind}[0] eq 'oidc' && !$fields->{issuer};

    my %o = $more{$name} ? (client => $more{$name}) : ();

    is_good($name, $params, "$name: client id and secret are enough", %o);
    is_good('mine', "preset $name; $params", "$name: under another name", %o);

    if (length $params) {
        is_wrong($name, '', 'has no "', "$name: a parameter is missing",
                 nowhere => 1);
    }
}


# --- a block

my $oauth2 = 'preset oauth2; authz http://127.0.0.1:9/a; '
           . 'token http://127.0.0.1:9/t; userinfo http://127.0.0.1:9/u;';

is_good('mine', "$oauth2 sub ui:/id!str;", 'the smallest of OAuth 2.0');
is_good('mine', "sub ui:/id;\n$oauth2", '"preset" may be the last line');
is_wrong('mine', $oauth2, 'has no "sub"', 'nobody');
is_wrong('mine', 'preset oauth2; token http://127.0.0.1:9/t; sub ui:/id;',
         'has no "authz"', 'no authorization endpoint');
is_wrong('mine', 'preset oauth2; authz http://127.0.0.1:9/a; sub ui:/id;',
         'has no "token"', 'no token endpoint');
is_wrong('mine', 'preset oauth2; authz http://127.0.0.1:9/a; '
         . 'token http://127.0.0.1:9/t; sub ui:/id;', 'has no "userinfo"',
         'no userinfo, though a claim is in it');
is_good('mine', 'preset oauth2; authz http://127.0.0.1:9/a; '
        . 'token http://127.0.0.1:9/t; sub tk:/openid;',
        'all in the token answer');
is_wrong('mine', "$oauth2 sub ui:/id; email ui2:/0/email;",
         'has no "userinfo2"', 'no second userinfo, though a claim is in it');
is_wrong('mine', "$oauth2 sub ui:/id;\nsub ui:/x; # here", 'is duplicate',
         'a field twice');
is_wrong('mine', "$oauth2 sub ui:/id; ui_body a=b;", 'ui_method POST',
         'a body for GET');

is_good('mine', <<"END", 'every field');
    $oauth2
    kind oauth2; flow code; host id.example.com:8443; tenant t; shop s;
    region eu;
    label Mine; issuer "https://{host}/{tenant}/{shop}/{region}";
    iss_alt https://a.example https://b.example; callback_iss expect;
    userinfo2 http://127.0.0.1:9/u2; scope a b; scope_sep ,;
    p_client_id key; p_secret secret; p_code auth_code;
    authz_extra lang=en 'claims={"a":null}'; authz_suffix "#x_redirect";
    resp_mode form_post; err_map user_cancelled=access_denied;
    pkce s256_hex; nonce exact_or_sha256; tok_method GET;
    client_auth hdr:secret_key;
    tok_extra 'device={cb:device_id}' 'a={client_id}' 'b={state}';
    tok_headers X-A=b; tok_format auto; tok_root /data; ok_tok /error absent;
    key_source jwks; ui_method POST; ui_auth body:access_token;
    ui_query 'uid={tk:/uid}' '{{}}=1' 'q={{me{{id}}}}'; ui_body a=b;
    ui_headers User-Agent=x; ok_ui /code = ok;
    ui2_method GET; ui2_auth scheme:OAuth; ui2_query 'openid={ui:/openid}';
    ui2_headers X-A=b; ok_ui2 /ret = 0;
    tokeninfo http://127.0.0.1:9/i; ti_auth query:token;
    ti_query 'app={client_id}|{client_secret}'; ok_ti "/a = b && /c absent";
    ti_client ti:/aud; ti_sub ti:/id!str; ti_expires ti:/exp!str;
    sub tk:/unionid | tk:/openid; email "ui2:[primary=true]/email!lower";
    email_verified ui2:/a!bool && ui2:/b!bool; name "ui:/a + ui:/b | 'x'";
    given_name cb:user/name/firstName; family_name ui:/f;
    picture "tpl(https://cdn.example/{ui:/id}/{ui:/p}.png)"; locale none;
    phone ui:/phone; email_trust domain:a.example,b.example;
    sub_scope per app;
END

is_good('mine', "$oauth2 sub ui:/id; email_trust $_;", "email_trust $_")
    for qw(never claim present);

my %wrong = (
    'host a/b'                   => 'a host name',
    'tenant a:b'                 => '[A-Za-z0-9.-]',
    'kind saml'                  => '"oidc", "oauth2"',
    'p_code a=b'                 => 'a name of',
    'authz_suffix x'             => '"#" and',
    'client_auth hdr:'           => 'bytes',
    'client_auth jwt'            => '"hdr:NAME"',
    'ui_auth cookie:a'           => '"bearer"',
    'ui_proof hmac'              => '"appsecret_proof"',
    'flow implicit'              => '"code", "native", "telegram_widget"',
    'ti_client ui:/aud'          => 'not believed',
    'p_error a=b'                => 'a name of',
    'pkce plain'                 => '"s256_hex"',
    'email_trust domain:'        => 'host names with commas',
    'email_trust domain:a,'      => 'host names with commas',
    'native_alg RS257'           => 'RS256, RS384',
    'aud_extra app ""'           => '1 to 2048 bytes',
    'tok_extra a'                => 'NAME=VALUE',
    'tok_extra a={tk:/x}'        => 'not known here',
    'tok_extra a={x}'            => '"tk:" or "cb:" is missing at character 2',
    'tok_extra "a=b}"'           => 'a single "}" at character 2',
    'ui_query a={tk:/x'          => '"}" is missing',
    'ok_tok /a'                  => '"absent" or "absent_or=" is missing',
    'ok_tok /a ='                => 'a value is missing',
    'ok_tok /a absent x'         => 'nothing more',
    'tok_root a'                 => '"/" is missing at character 1',
    'sub ""'                     => 'nothing is there',
    'sub ui:id'                  => '"/" is missing at character 4',
    'sub id:/sub'                => 'not believed',
    'sub cb:/id'                 => 'not believed',
    'email "ui:/a | cb:email"'   => 'not believed or not known here at '
                                    . 'character 9',
    'email_verified cb:v'        => 'not believed',
    'name xx:/a'                 => '"cb:" is missing',
    'name "ui:/a && ui:/b"'      => 'true or false only',
    'name "ui:/a ui:/b"'         => '"|" or "+" is missing at character 7',
    'name "ui:/a |"'             => 'is missing at character 8',
    'name ui:/a!upper'           => '"cutq" is missing',
    'name ui:/a!in:b'            => 'a list of the same document',
    'iss_rule none'              => '"template"',
    'name ui:/a~2'               => '"~" without',
    'name "ui:[a=]/b"'           => '"]" is missing',
    'name "ui:[a]/b"'            => 'KEY=VALUE',
    'name "\'x"'                 => 'a quote is missing',
    'name "tpl(x{ui:/a}"'        => '")" is missing',
    'issuer "https://x/{tid}"'   => '{host}, {tenant}, {shop} and {region}',
    'issuer "https://{tenant}/"' => 'has no "tenant"',
    'authz_extra key=x'          => 'does not set itself',
);

for my $field (sort keys %wrong) {
    my $line = $field;

    $line =~ s/ ([^" ]*\{[^" ]*)$/ "$1"/;

    is_wrong('mine', "$oauth2 p_client_id key; "
             . ($field =~ /^sub/ ? '' : 'sub ui:/id;') . "\n$line; # here",
             $wrong{$field}, $field);
}

is_wrong('mine', "$oauth2 sub ui:/id;\ngone \"sold to x\"; # here",
         'nobody can sign in', 'a preset that is gone');
is_wrong('mine', 'preset oidc; issuer http://127.0.0.1:9; alg RS256; '
         . 'key_source client_secret;', 'for "alg HS256" alone',
         'keys of another algorithm');
is_wrong('mine', 'preset oidc; issuer http://127.0.0.1:9; alg HS256; '
         . 'key_source jwks;', 'is not for', 'a secret for a public key');
is_wrong('mine', 'preset oidc; issuer http://127.0.0.1:9; alg HS256; '
         . 'native_alg HS256 ES256;', '"jwks" is missing',
         "apps' tokens by keys of nowhere");
is_wrong('mine', "preset microsoft; $_->[0]; # here", $_->[1], $_->[0])
    for [ 'issuer https://x.example/v2.0', 'one {tid}' ],
        [ 'issuer "https://x.example/{tid}/{tid}"', 'one {tid}' ],
        [ 'issuer "https://x.example/{sid}"', '{host}, {tenant}' ],
        [ 'issuer "http://x.example/{tid}"', 'http is allowed for' ],
        [ 'authz "https://x.example/{tid}"', '{host}, {tenant}' ];

is_wrong('mine', $_->[0], $_->[1], $_->[0], nowhere => 1)
    for [ 'preset microsoft; tenant shop.example.com;', 'the id (a GUID)' ],
        [ 'preset microsoft; iss_alt https://sts.windows.net/;',
          'without "iss_alt"' ],
        [ "$oauth2 sub ui:/id; iss_rule template; tenant common;",
          'is for "kind oidc"' ];

is_good('mine', "preset microsoft; tenant $_;", "tenant $_")
    for qw(common organizations consumers), $tenant, uc $tenant;

# an address of several: the last one that can be

is_good('mine', "preset github; $_", "GitHub: $_")
    for '', 'host github.example.com;', 'host github.example.com:8443;';

is_wrong('mine', 'preset oauth2; token http://127.0.0.1:9/t; sub tk:/id;'
         . "\nauthz \"https://{host}/\" \"https://{shop}/\"; # here",
         'has no "host"', 'none of several addresses can be');
is_wrong('mine', 'preset oauth2; token http://127.0.0.1:9/t; sub tk:/id; '
         . "host a.example;\nauthz https://b.example/ \"http://{host}/\"; "
         . '# here', 'http is allowed for', 'the address that is taken');
is_wrong('mine', 'preset microsoft;'
         . "\nissuer \"https://x.example/{tid}\" https://y.example/; # here",
         'one address', 'a template and another issuer');

# a secret that is signed with a key

sub key_is {
    my ($curve) = @_;
    my $key = Crypt::PK::ECC->new;

    $key->generate_key($curve);

    return write_file("$dir/$curve.pem", $key->export_key_pem('private'),
                      0600);
}

my $sec1 = key_is('secp256r1');
my $p384 = key_is('secp384r1');

is_good('apple', '', 'a key of another form', client
        => "$team key_file $sec1;");

for (
    [ 'a text', $file ], [ 'another curve', $p384 ],
    [ 'RSA', $rsa_file ],
    [ 'half a key', write_file("$dir/half.p8",
                               substr(read_file($p8), 0, 120), 0600) ],
    [ 'a key with a password', write_file("$dir/locked.p8", <<'END', 0600) ],
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgLXls+WzlB1wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEET62kLA/9TtbbCSYNzqewUEgZCQ
++R9GoUfaOtee4dQGAa2okvL+nwS5viD0ufj6xf2lL3gNRj/gDV8MTwM37ZA1JQu
xe66gsoiOlAmD+xnEPKQtP4HlM1e+txNf6i9aYBj1lJPEuUik1AgjkMjeqaNyQD+
iH2L9joOFZjtxitB9WLmiqiMHhUEIzaUjcv5EeF4xb6vEGaBwTStehV6+nRoJK4=
-----END ENCRYPTED PRIVATE KEY-----
END
    [ 'a public key', write_file("$dir/public.pem",
        Crypt::PK::ECC->new($sec1)->export_key_pem('public'), 0600) ],
) {
    is_wrong('apple', "key_file $_->[1]; # here", 'is not a private key in '
             . 'PEM', "$_->[0] for a key", client => $team);
}

is_wrong('apple', "key_file $dir/none.p8; # here", 'failed', 'no such file',
         client => $team);

for my $field (qw(team_id key_id key_file)) {
    my $client = $apple;

    $client =~ s/$field \S+;//;

    is_wrong('apple', '', "has no \"$field\"", "no $field",
             client => $client, nowhere => 1);
}

is_wrong('apple', "team_id 'a\"b'; # here", 'a name of', 'a quote in an id',
         client => "client_id shop; key_id K; key_file $p8;");
is_wrong('apple', "client_secret_file $file;", '"client_secret_file" is not '
         . 'for', 'two secrets', client => $apple, nowhere => 1);
is_wrong('mine', "$oauth2 sub ui:/id; client_auth none; "
         . 'ui_proof appsecret_proof;', 'which needs a "client_secret_file"',
         'a proof of no secret', client => 'client_id shop;', nowhere => 1);
is_good('mine', "$oauth2 sub ui:/id; ui_proof $_; p_error error_code;",
        "ui_proof $_") for qw(none appsecret_proof);
is_wrong('mine', "$oauth2 sub ui:/id; team_id T;", 'which are for',
         'a team for a secret', nowhere => 1);
is_good('mine', "$oauth2 sub ui:/id; client_auth jwt_es256; pkce off;
        issuer https://id.example;", 'a signed secret elsewhere',
        client => $apple);

is_wrong('mine', 'preset oidc; iss_rule template; tenant common; '
         . 'issuer "https://x.example/{tid}";', 'which needs "discovery"',
         'metadata of nobody knows which tenant', nowhere => 1);
is_wrong('mine', 'preset oidc; issuer http://127.0.0.1:9; scope none;',
         'a list that has "openid"', 'OpenID without openid');
is_wrong('mine', "$oauth2 sub ui:/id; callback_iss expect;",
         'has no "issuer"', 'an issuer to expect, and none to compare');


# --- logins

my $provider = provider(client_id => 'shop');
my $mock = $provider->url;

my $secret = write_file("$dir/mock.secret", $provider->client_secret, 0600);

my $endpoints = <<"END";
    client_id shop; client_secret_file $secret;
    authz $mock/authorize; token $mock/token; userinfo $mock/userinfo;
END

my $shop = shop(
    provider => $provider,
    http => <<"END");
    social_provider plain {
        preset oauth2; $endpoints
        sub ui:/sub; email ui:/email; email_verified ui:/email_verified;
        name ui:/name; email_trust claim;
    }
    social_provider number {
        preset oauth2; $endpoints client_auth post;
        sub ui:/data/id!str; name "ui:/first + ui:/last";
        picture "tpl(https://cdn.example/{ui:/data/id!str}.png)";
        ok_ui /error/code = ok;
    }
    social_provider two {
        preset oauth2; $endpoints userinfo2 $mock/userinfo;
        sub tk:/user; name ui2:/name; ui2_query "who={ui:/sub}";
    }
    social_provider google {
        $endpoints issuer $mock; jwks $mock/jwks;
    }
END

my $redis = $shop->redis;


sub customer {
    my ($name, $state) = @_;
    my $browser = $shop->browser;

    $provider->restore;
    $provider->set($state);

    my $response = $shop->callback($browser,
                                   $shop->attempt($browser, name => $name));
    my $me = $shop->me($browser);

    $provider->restore;

    return { refused => $response->body } unless $me;

    my ($key) = $redis->keys("shop:customer:*:$me->{customer}");

    return { %{ $redis->hash($key) }, id => $me->{customer} };
}


my %no_token = (oauth2 => 1);

my $ann = customer('plain', { %no_token });

is($ann->{name}, 'Ann Example', 'OAuth 2.0 without an ID token');
is($ann->{email_state}, 'verified', '... the claim is believed');
ok($ann->{'id:plain:user-1'}, '... the subject is that of userinfo');
is(customer('plain', { %no_token })->{id}, $ann->{id}, '... comes back');

is(customer('plain', { %no_token,
                      token => { id_token => JSON::PP::false } })->{id},
   $ann->{id}, 'an ID token that nobody asked for is not looked at');
is(customer('plain', { %no_token, token => { token_type => undef } })->{id},
   $ann->{id}, 'a token without a type');
like(customer('plain', { %no_token,
                         token => { token_type => 'mac' } })->{refused},
     qr/token_type_refused/, 'a token of another type');
like(customer('plain', { %no_token, token => { error => 'bad' } })->{refused},
     qr/token_error/, 'an error with status 200');
like(customer('plain', { %no_token,
                         userinfo => { sub => undef } })->{refused},
     qr/claims_malformed/, 'nobody');
like(customer('plain', { %no_token, userinfo => { sub => 7 } })->{refused},
     qr/claims_malformed/, 'a number where no number was said to be');
like(customer('plain', { %no_token, fault => { userinfo =>
                             { status => 403 } } })->{refused},
     qr/userinfo_error/, 'userinfo that refuses');

my %data = (error => { code => 'ok' }, first => 'Ann', last => 'B',
            data => { id => { raw => '9007199254740993' } });

my $big = customer('number', { %no_token, userinfo => \%data });

ok($big->{'id:number:9007199254740993'},
   'a number beyond a double is exact as a subject');
is($big->{name}, 'Ann B', '... a name of two parts');
is($big->{picture}, 'https://cdn.example/9007199254740993.png',
   '... a picture of a template');
is($big->{email}, undef, '... no e-mail where none is said to be');

like(customer('number', { %no_token, userinfo => {
                  %data, error => { code => 'expired' } } })->{refused},
     qr/userinfo_error/, 'an error within status 200, by the rule');

for my $id ('1e3', '12.0', '1e400', '18446744073709551616', 'true', '[1]',
            '{}', 'null', '""')
{
    like(customer('number', { %no_token, userinfo => {
                      %data, data => { id => { raw => $id } } } })->{refused},
         qr/claims_malformed|userinfo_malformed/, "$id is no subject");
}

$provider->forget;

my $two = customer('two', { %no_token, token => { user => 'ann' } });

is($two->{name}, 'Ann Example',
   'a second userinfo that needs nothing but a parameter of the first');
is(join(' ', map { $_->{args} } $provider->requests('/userinfo')),
   ' who=user-1', '... which is asked before');

my $google = customer('google', {});

is($google->{email}, 'ann@example.com', 'the preset "google"');
is($google->{email_state}, 'verified', '... with a verified address');
ok($google->{'id:google:user-1'}, '... and a subject of its own name');

my $chooser = $shop->browser->fetch(GET => $shop->url . '/_shop/login',
                                     accept => 'application/json');

like($chooser->body, qr/"label":"Google"/, 'the preset has a label');

like(join(' ', map { $redis->command('HGET', 'shop:meta', "provider:$_") }
          qw(plain google)), qr{^http://[^/ ]+/\#oauth2 \Q$mock\E$},
     'a provider without an issuer is known by where customers go');

is_deeply([ $provider->violations ], [], 'the mock has nothing to complain');

done_testing();
