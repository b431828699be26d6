# A provider that is configured wrongly must be found out before a customer
# does: by "nginx -t", with what was found, what is allowed, file and line.

use lib 't/lib';
use ShopTest;
use ShopTest::Conf;

my $dir = temp_dir();
my $keys = key_file();
my $secret = write_file("$dir/client.secret", "s3cret\n", 0600);

my $shop = "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n";
my $issuer = 'issuer http://127.0.0.1:9;';
my $client = "client_id shop; client_secret_file $secret;";
my $work = "social_provider work { preset oidc; $issuer $client }";
my $server = 'server { listen 127.0.0.1:%%port%%; '
           . 'shop_base_url http://127.0.0.1:%%port%%;';

sub provider_is { return "$shop social_provider work {\n$_[0]\n}\n$server }" }

sub server_is { return "$shop $work\n$server\n$_[0]\n}" }


# social_provider

good(provider_is("preset oidc; $issuer $client"), 'the smallest provider');
good("$shop social_provider oidc { $issuer $client }\n$server }",
     'the name is the preset where no other is given');
good(provider_is(<<"END"), 'every field');
    preset oidc; label "Company account"; $issuer $client
    discovery http://127.0.0.1:9/d; authz http://127.0.0.1:9/a;
    token http://127.0.0.1:9/t; userinfo http://127.0.0.1:9/u;
    jwks http://127.0.0.1:9/j; scope openid email; alg RS256 ES256 EdDSA;
    client_auth post; pkce s256; nonce if_present; resp_mode form_post;
    email_trust never; authz_extra prompt=login ui_locales=de;
END
good(provider_is("preset oidc; $issuer client_id x; client_auth none;"),
     'a public client');
good("resolver 127.0.0.53;\n"
     . provider_is("preset oidc; issuer https://id.example.com; $client"),
     'an https issuer');

wrong(provider_is("preset oidc; $issuer"), 'has no "client_id"',
      'a provider without client_id');
wrong(provider_is("preset oidc; $client"), 'has no "issuer"',
      'a provider without issuer');

my $oauth2 = "preset oauth2; $client sub ui:/sub; "
             . 'authz http://127.0.0.1:9/a; userinfo http://127.0.0.1:9/u; ';
my $token = 'token http://127.0.0.1:9/t;';
my $found = 'discovery http://127.0.0.1:9/d;';

good(provider_is("$oauth2 $_"), "OAuth 2.0: $_")
    for $token, "$token $found", "$found $issuer",
        "$token $found $issuer logout on;";
wrong(provider_is("$oauth2 $_"), 'has no "issuer", which its metadata',
      "OAuth 2.0: $_") for $found, "$token $found logout on;";
good(provider_is($oauth2 =~ s/userinfo \S+//r . "$found $issuer"),
     'OAuth 2.0: metadata tell where userinfo is');
wrong(provider_is($oauth2 =~ s/userinfo \S+//r . "$token $found $issuer $_"),
      'has no "userinfo"', "OAuth 2.0: metadata that no login asks for $_")
    for '', 'logout on;';

my $oidc = "preset oidc; $issuer $client authz http://127.0.0.1:9/a; $token ";
my $jwks = 'jwks http://127.0.0.1:9/j;';
my $nowhere = 'has no "userinfo", where its "sub" looks';

for my $logout ('', 'logout on;') {
    my $all = "$oidc $jwks $logout";

    good(provider_is($all), "no metadata, an email from nowhere $logout");
    good(provider_is("$oidc $logout sub ui:/uid;"),
         "metadata tell where userinfo is $logout");
    good(provider_is("$all sub '$_';"), "no userinfo needed: $_ $logout")
        for 'id:/oid | ui:/uid', 'tpl({id:/a}{ui:/b}) | id:/sub';
    wrong(provider_is("$all sub \"$_\";"), $nowhere, "$_ $logout")
        for 'ui:/uid', 'ui:/uid | id:/sub', 'id:/iss + ui:/uid',
            'tpl(x-{ui:/uid})';
    wrong(provider_is("$oidc alg HS256; $logout sub ui:/uid;"), $nowhere,
          "signed by the secret $logout");
    good(provider_is("$all sub ui:/uid; userinfo http://127.0.0.1:9/u;"),
         "userinfo is configured $logout");
}

wrong(provider_is("preset oidc; $issuer client_id x;"),
      'has no "client_secret_file"', 'a provider without a secret');
wrong(provider_is("preset oidc; $issuer $client client_secret x;"),
      'client_secret_file', 'a secret in the configuration itself');
wrong(provider_is("preset oidc; issuer https://id.example.com; $client"),
      'there is no "resolver"', 'a host name without a resolver',
      nowhere => 1);
for my $field (qw(discovery token userinfo jwks)) {
    wrong(provider_is("preset oidc; $issuer $client "
                      . "$field https://id.example.com/x;"),
          'has the host name "id.example.com", but there is no "resolver"',
          "a host name of $field without a resolver", nowhere => 1);
}
good(provider_is("preset oidc; issuer https://id.example.com; $client "
                 . 'authz https://id.example.com/a; jwks http://127.0.0.1/j; '
                 . 'token http://127.0.0.1/t; userinfo http://127.0.0.1/u;'),
     'host names that only browsers go to need no resolver');
wrong(provider_is("preset oidc; issuer http://id.example.com; $client"),
      'http is allowed for', 'http to another host');
wrong(provider_is("preset oidc; issuer http://127.0.0.1.example.com; $client"),
      'http is allowed for', 'http to a host that looks like loopback');
wrong(provider_is("preset oidc; issuer id.example.com; $client"),
      'invalid "issuer"', 'an issuer without a scheme');
wrong(provider_is("preset oidc; issuer 'https://id.example.com/#x'; $client"),
      'invalid "issuer"', 'an issuer with a fragment');
wrong(provider_is("preset oidc; $issuer $client "
                  . "token http://id.example.com/t;"),
      'http is allowed for', 'a token endpoint that is not safe');
wrong(provider_is("preset oidcc; $issuer $client"),
      'unknown preset "oidcc"', 'an unknown preset');
wrong("$shop social_provider staff { $issuer $client }\n$server }",
      'unknown preset "staff"', 'a name that is no preset');
wrong(provider_is("preset oidc; $issuer $client\nclaim_sub x; # here"),
      'unknown field "claim_sub"', 'an unknown field');
wrong(provider_is("preset oidc; $issuer $client\nlabel; # here"),
      'number of values', 'a field without a value');
wrong(provider_is("preset oidc; $issuer $client\nlabel a b; # here"),
      'number of values', 'two values where one is wanted');
wrong(provider_is("preset oidc; $issuer $client\nlabel \"\xff\"; # here"),
      'allowed: UTF-8', 'a label that is no text');
wrong(provider_is("preset oidc; $issuer $client\nlabel \"\xed\xa0\x80\"; "
                  . '# here'), 'allowed: UTF-8', 'a label of half a character');
good(provider_is("preset oidc; $issuer $client label \"\xf0\x9f\x8d\x8e"
                 . "\xc3\xa9\";"), 'a label beyond ASCII');
wrong(provider_is("preset oidc; $issuer $client\nclient_id y; # here"),
      '"client_id" is duplicate', 'client_id twice');
wrong(provider_is("preset oidc; $issuer client_id x;\n"
                  . "client_secret_file $dir/none; # here"), "$dir/none",
      'a secret file that is not there');
wrong(provider_is("preset oidc; $issuer client_id x;\nclient_secret_file "
                  . write_file("$dir/empty", "\n", 0600) . '; # here'),
      'is empty', 'an empty secret');

my %allowed = (
    'alg none'          => 'RS256',
    'alg HS512'         => 'RS256',
    'alg rs256'         => 'RS256',
    'alg RS256 none'    => 'RS256',
    'client_auth jwt'   => '"basic"',
    'pkce plain'        => '"s256"',
    'nonce maybe'       => '"strict"',
    'resp_mode fragment' => '"form_post"',
    'email_trust yes'   => '"claim"',
    'scope email'       => 'openid',
    'authz_extra prompt' => 'NAME=VALUE',
    'authz_extra state=1' => 'does not set itself',
    'authz_extra a=b redirect_uri=http://evil' => 'does not set itself',
);

for my $field (sort keys %allowed) {
    wrong(provider_is("preset oidc; $issuer $client\n$field; # here"),
          $allowed{$field}, $field);
}

good(provider_is("preset oidc; $issuer $client authz $_;"), "authz $_")
    for 'http://127.0.0.1:9/a?', 'http://127.0.0.1:9/a?tenant=7&x&%73=1';
wrong(provider_is("preset oidc; $issuer $client authz http://127.0.0.1:9/a?$_;"),
      'in the query of "authz", allowed: parameters that the login does not '
      . 'set itself', "authz with $_")
    for 'scope=a', 'a=b&state', '%73cope=a', 'a%00=b';
wrong(provider_is("preset oidc; $issuer $client p_client_id app; "
                  . 'authz http://127.0.0.1:9/a?app=1;'),
      'has "app" in the query of "authz"', 'authz with the client id');

wrong(provider_is("preset oidc; $issuer client_id x; client_auth none; "
                  . 'alg HS256;'), 'needs a "client_secret_file"',
      'HS256 without a secret');
wrong(provider_is("preset oidc; $issuer client_id x; client_auth none; "
                  . 'pkce off;'), 'neither a secret nor "pkce"',
      'a public client without PKCE');

wrong("$shop $work\n$work # here\n$server }", 'a second provider "work"',
      'two providers of one name');

for my $name ('a b', 'a.b', 'a/b', 'x' x 41) {
    wrong("$shop social_provider '$name' { preset oidc; $issuer $client }\n"
          . "$server }", 'invalid provider name', "a provider named $name");
}

warns(do { chmod 0644, $secret; provider_is("preset oidc; $issuer $client") },
      'client.secret', 'a secret that others can read');
chmod 0600, $secret;


# social_login, social_login_required

good(server_is('social_login on;'), 'social_login');
good(server_is('social_login on; location / { social_login_required on; }'),
     'social_login_required');
good(server_is('social_login off; location ^~ /_shop/ { return 404; }'),
     'off, the prefix is the shop\'s own');

wrong($work . "\n$server social_login on; }",
      '"social_login" is on, but there is no "shop_redis"',
      'social_login without shop_redis', nowhere => 1);
wrong("shop_redis redis://127.0.0.1:6379; $work\n$server social_login on; }",
      '"social_login" is on, but there is no "shop_secret_file"',
      'social_login without shop_secret_file', nowhere => 1);
wrong("$shop $work server { listen 127.0.0.1:%%port%%; social_login on; }",
      '"social_login" is on, but there is no "shop_base_url"',
      'social_login without shop_base_url', nowhere => 1);
wrong("$shop $server social_login on; }", 'there is no "social_provider"',
      'social_login without a provider', nowhere => 1);
wrong(server_is('location / { social_login_required on; }'),
      '"social_login" is off in this server',
      'a required login where none is served', nowhere => 1);
wrong(server_is("social_login on;\nlocation ^~ /_shop/ { return 404; }"),
      'duplicate location "/_shop/"', 'a location of the shop\'s own there');
wrong(server_is("social_login on;\nsocial_login on; # here"), 'is duplicate',
      'social_login twice');


# social_return, social_trusted_certificate

good(server_is('social_login on; social_return www.example.com m.example;'),
     'social_return');

for my $host ('https://www.example.com', 'www.example.com/', '*.example.com',
              'www.example.com:8080', '""') {
    wrong(server_is("social_login on;\nsocial_return $host; # here"),
          'of "social_return"', "social_return $host");
}

wrong("social_trusted_certificate $dir/none.pem;\n"
      . server_is('social_login on;'), "$dir/none.pem",
      'a CA file that is not there', nowhere => 1);

done_testing();
