# The fields of a provider that are about notices: a block that could verify
# none of them is an error, and a preset has the kinds that are set up.

use lib 't/lib';
use ShopTest;
use ShopTest::Conf;

my $dir = temp_dir();
my $keys = key_file();
my $file = write_file("$dir/x.secret", "s3cret\n", 0600);
my $admin = write_file("$dir/admin.secret", "adm1n\n", 0600);
my $empty = write_file("$dir/empty.secret", '', 0600);
my $hex = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';

my $own = <<'END';
    preset    oauth2;
    authz     https://p.example.com/authz;
    token     https://p.example.com/token;
    userinfo  https://p.example.com/me;
END

my $plain = "$own sub ui:/id;";

sub block {
    my ($name, $lines) = @_;

    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\n"
        . "social_provider $name {\nclient_id shop;\n"
        . ($lines =~ /client_auth none/ ? '' : "client_secret_file $file;\n")
        . "$lines\n}\n"
        . 'server { listen 127.0.0.1:%%port%%; '
        . 'shop_base_url http://127.0.0.1:%%port%%; }';
}

sub is_good {
    my ($name, $lines, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return good(block($name, $lines), $what);
}

sub is_wrong {
    my ($name, $lines, $message, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return wrong(block($name, $lines), $message, $what, %o);
}


is_good('x', "$plain notify $_;", $_) for qw(none meta_signed_request);
is_good('x', "$own sub ui:/data/user/open_id; notify tiktok;", 'tiktok');
is_good('x', "$own sub ui:/response/id; notify naver;", 'naver');
is_good('x', "$plain notify meta_signed_request kakao; "
             . "notify_secret_file $admin;", 'two kinds');
is_good('x', "$plain notify secevent; jwks https://p.example.com/k;",
        'security events, with keys');
is_good('x', "preset oidc; issuer https://p.example.com; notify secevent;",
        'security events, with the keys of the metadata');
is_good('x', "preset oidc; issuer https://p.example.com; notify apple_s2s; "
             . 'notify_issuer https://other.example.com;',
        'tokens of another issuer');
is_good('x', "$plain notify kakao; notify_secret_file $admin;",
        'a secret of notices');
is_good('x', "$plain notify discord; notify_key $hex;", 'a key of notices');
is_good('discord', "notify_key $hex;", 'a key for a preset');
is_good('discord', '', 'a preset without the key: it has no notices');
is_good('discord', 'notify none;', 'or says so');
is_good('kakao', "notify_secret_file $admin;", 'a secret for a preset');
is_good('kakao', 'notify secevent;', 'one of two kinds');
is_good('qq', 'native_code on;', 'a code of apps, where the shop knows why');

# a notice that could never name a customer, as their subjects are made of
# something that it does not tell

my $entra = 'preset entra; tenant 4f1c2d3e-0a9b-4c8d-9e7f-112233445566;';
my $keys_of = 'jwks https://p.example.com/k;';

is_good(@$_) for (
    [ 'x', "$own sub ui:/id|ui:/name; notify meta_signed_request;",
      'an alternative that is not needed' ],
    [ 'x', "$own sub 'tpl(a{ui:/id})'; notify meta_signed_request;",
      'a subject with a text before it' ],
    [ 'x', "$own sub ui:/user_id!str; notify meta_signed_request;",
      'the other name that Meta has' ],
    [ 'x', "$entra notify secevent;", 'what a token may tell' ],
    [ 'tiktok', 'sub ui:/data/user/union_id; notify none;',
      'another id of a customer, without notices' ],
    [ 'x', 'preset oidc; issuer https://p.example.com; notify kakao; '
           . "notify_secret_file $admin;", 'the same id by OpenID' ],
);

is_wrong(@$_, 'that its notices do not tell', "no subject: $_->[1]",
         nowhere => 1) for (
    [ 'x', "$own sub ui:/name; notify meta_signed_request;" ],
    [ 'x', "$own sub ui:/name|ui:/id; notify meta_signed_request;" ],
    [ 'x', "$own sub 'tpl({ui:/team}_{ui:/id})'; "
           . 'notify meta_signed_request;' ],
    [ 'x', "$own sub ui:/id/x; notify meta_signed_request;" ],
    [ 'x', "$own sub ui:/data/user; notify tiktok;" ],
    [ 'x', "$own sub ui:/data/user/open_id/x; notify tiktok;" ],
    [ 'x', "$own sub ui:/id; notify tiktok;" ],
    [ 'x', "$own sub ui:/name; notify secevent; $keys_of" ],
    [ 'x', "$own sub ui:/id; notify meta_signed_request naver;" ],
    [ 'tiktok', 'sub ui:/data/user/union_id;' ],
    [ 'facebook', 'sub ui:/email;' ],
    [ 'naver', 'sub ui:/response/email;' ],
    [ 'salesforce', 'notify secevent;' ],
);

is_wrong('x', "$plain\nnotify $_->[0]; # here", $_->[1], $_->[2]) for (
    [ 'facebook', '"meta_signed_request", "apple_s2s"', 'an unknown kind' ],
    [ 'Naver', '"naver"', 'another case' ],
    [ 'none naver', '"none" alone', 'none and another' ],
    [ 'naver none', '"none" alone', 'another and none' ],
    [ 'naver naver', 'each kind once', 'one twice' ],
);

is_wrong('x', "$plain\nnotify_key $_; # here", '64 hex digits', "a key $_")
    for 'x', substr($hex, 1), $hex . '0', 'g' x 64;

is_wrong('x', "$plain notify kakao;\nnotify_secret_file $empty; # here",
         'is empty', 'an empty secret');
is_wrong('x', "$plain notify kakao;\nnotify_secret_file $dir/none; # here",
         'failed', 'no such file');
is_wrong('x', "$plain\nnative_code no; # here", '"on", "off"',
         'no such word');

is_wrong(@$_, nowhere => 1) for (
    [ 'x', "$plain notify kakao;", 'has no "notify_secret_file"',
      'no secret' ],
    [ 'kakao', 'notify kakao;', 'has no "notify_secret_file"',
      'no secret, where the block wants it' ],
    [ 'x', "$plain notify discord;", 'has no "notify_key"', 'no key' ],
    [ 'x', "$plain notify secevent;", 'has no "jwks"', 'no keys' ],
    [ 'x', "$plain notify apple_s2s;", 'has no "jwks"',
      'no keys for tokens in JSON' ],
    [ 'x', "$plain client_auth none; pkce s256; notify naver;",
      'has no "client_secret_file"', 'no client secret' ],
    [ 'x', "$plain notify_secret_file $admin;", 'for "notify kakao"',
      'a secret of no notices' ],
    [ 'x', "$plain notify_key $hex;", 'for "notify discord"',
      'a key of no notices' ],
);

done_testing();
