# Providers that want their requests signed: what is signed, by the words of
# their documents and the programs of OpenSSL, and what of a configuration
# without which nothing could be signed is found by "nginx -t".  Logins, and
# answers whose signature is wrong, are in t/social_presets.t.

use lib 't/lib';
use ShopTest;
use ShopTest::Conf;
use ShopTest::Dialect;

use Crypt::PK::ECC ();
use Crypt::PK::RSA ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::Local qw(timegm);

my $dir = temp_dir();
my $mock = ShopTest::Dialect->new;


# what the program prints

sub openssl {
    open my $out, '-|', 'openssl', @_ or die "openssl: $!\n";
    binmode $out;
    local $/;

    my $text = <$out>;

    close $out;

    return $text;
}


# the parameters but those, as they are sorted by their names

sub pairs {
    my ($sep, $f, @but) = @_;
    my %but = map { $_ => 1 } @but;

    return join $sep, map { "$_=$f->{$_}" } grep { !$but{$_} } sort keys %$f;
}


sub md5 {
    my ($text) = @_;

    my ($hex) = openssl('dgst', '-md5', '-r',
                        write_file("$dir/text", $text)) =~ /^([0-9a-f]{32})/;

    return $hex;
}


my $shop = shop(providers => { alipay => $mock, ok => $mock },
                base_url => 'https://shop.example.com');

# those that nginx has sent to an address

sub asked {
    my ($address) = @_;

    return map { ShopTest::Server::query_fields($_->{args}) }
           $mock->requests("/https/$address");
}


for my $name (qw(alipay ok)) {
    my $page = $shop->browser->click("/_shop/login/$name?return=/account/",
                                     accept => 'application/json');

    is((ShopTest::Backend::values_of($page->json, 'X-Customer-Provider'))[0],
       $name, "$name: signs in");
}

is(join('; ', $mock->mistakes), '', 'the mock has nothing to complain');


# --- Alipay

my $key = write_file("$dir/app.pem", $mock->private_key('rsa-alipay'), 0600);
my @gateway = asked('openapi.alipay.com/gateway.do');

is(join(' ', map { $_->{method} } @gateway),
   'alipay.system.oauth.token alipay.user.info.share',
   'Alipay: two methods at one address');

for my $f (@gateway) {
    my $text = write_file("$dir/text", pairs('&', $f, 'sign'));

    is($f->{sign}, encode_base64(openssl('dgst', '-sha256', '-sign', $key,
                                         $text), ''),
       "$f->{method}: the signature is that of openssl");

    my @t = $f->{timestamp} =~ /^(\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/;
    my $age = time - timegm(@t[5, 4, 3, 2], $t[1] - 1, $t[0]) + 8 * 3600;

    ok($age > -60 && $age < 600, "$f->{method}: it is now, in China")
        or diag($f->{timestamp});
}

is(join(' ', sort keys %{ $gateway[0] }), 'app_id charset code format '
   . 'grant_type method sign sign_type timestamp version',
   'Alipay: nothing is sent but what is known there');
isnt($gateway[0]{sign}, $gateway[1]{sign}, '... each has its own signature');


# --- OK.ru

my ($f) = asked('api.ok.ru/fb.do');
my $secret = $mock->client_secret('ok');

is($f->{sig}, md5(pairs('', $f, 'sig', 'access_token')
                  . md5("$f->{access_token}$secret")),
   'OK.ru: the signature is that of openssl');
is($f->{application_key}, $mock->dialect('ok')->{client}{public},
   '... the application is named');

$shop->nginx->keep_secret($mock->secrets, $secret,
                          md5("$f->{access_token}$secret"), $f->{sig},
                          map { $_->{sign} } @gateway);
$shop->nginx->keep_secret($mock->private_key('rsa-alipay')
                          =~ /^([A-Za-z0-9+\/]{64})$/mg);


# --- what "nginx -t" finds

my $keys = key_file();
my $file = write_file("$dir/x.secret", "s3cret\n", 0600);
my $theirs = write_file("$dir/theirs.pem", $mock->public_key('rsa-gateway'));

sub block {
    my ($name, $lines) = @_;

    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\n"
        . "social_provider $name {\nclient_id shop;\n$lines\n}\n"
        . 'server { listen 127.0.0.1:%%port%%; '
        . 'shop_base_url http://127.0.0.1:%%port%%; }';
}

sub is_wrong {
    my ($name, $lines, $message, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return wrong(block($name, $lines), $message, $what, %o);
}

sub pem {
    my ($name, $key, $kind) = @_;

    return write_file("$dir/$name.pem", $key->export_key_pem($kind), 0600);
}


my $alipay = "key_file $key; verify_key_file $theirs;";
my $ok = "client_secret_file $file; application_key CBAXX;";

good(block('alipay', $alipay), 'the keys of Alipay');
good(block('ok', $ok), 'the keys of OK.ru');
good(block('alipay', "verify_key_file $theirs;\nkey_file @{[ write_file(
    qq($dir/pkcs8.pem), openssl('pkcs8', '-topk8', '-nocrypt', '-in', $key),
    0600) ]};"), 'a key as Java has it');

warns(block('alipay', "verify_key_file $theirs; key_file @{[ write_file(
    qq($dir/open.pem), $mock->private_key('rsa-alipay'), 0644) ]};"),
      'is accessible to its group or to others', 'a key that others can read');

my $ecc = Crypt::PK::ECC->new;
my ($short, $other) = map { Crypt::PK::RSA->new } 1, 2;

$ecc->generate_key('secp256r1');
$short->generate_key(128);
$other->generate_key(256);

my $locked = write_file("$dir/locked.pem",
                        openssl('pkcs8', '-topk8', '-in', $key, '-passout',
                                'pass:x'), 0600);

is_wrong('alipay', "verify_key_file $theirs;\nkey_file $_->[1]; # here",
         'is not a private key in PEM of RSA with 2048 to 8192 bits',
         "$_->[0] for a key")
    for [ 'a text', $file ], [ 'a key on a curve', pem('ec', $ecc, 'private') ],
        [ 'a short key', pem('short', $short, 'private') ],
        [ 'a public key', $theirs ], [ 'a key with a password', $locked ];

is_wrong('alipay', "key_file $key;\nverify_key_file $_->[1]; # here",
         'is not a public key in PEM of RSA with 2048 to 8192 bits',
         "$_->[0] for a public key")
    for [ 'a text', $file ],
        [ 'a key on a curve', pem('ecpub', $ecc, 'public') ],
        [ 'a short key', pem('shortpub', $short, 'public_x509') ],
        [ 'a private key', pem('other', $other, 'private') ];

is_wrong('alipay', "$_ $dir/none.pem; # here", 'failed',
         "$_: no such file") for qw(key_file verify_key_file);

my %all = (alipay => $alipay, ok => $ok);

for (
    [ 'alipay', 'key_file' ], [ 'alipay', 'verify_key_file' ],
    [ 'ok', 'application_key' ], [ 'ok', 'client_secret_file' ],
) {
    my ($name, $field) = @$_;
    my $lines = $all{$name};

    $lines =~ s/(?<!_)$field \S+;//;

    is_wrong($name, $lines, "has no \"$field\"", "$name: no $field",
             nowhere => 1);
}

is_wrong('alipay', "key_file $key; verify_key_file @{[ pem('own',
    Crypt::PK::RSA->new($key), 'public_x509') ]};",
         'belongs to "key_file"', "the application's own public key",
         nowhere => 1);

is_wrong(@$_, nowhere => 1) for (
    [ 'alipay', "$alipay client_secret_file $file;",
      'without a "client_secret_file"', 'Alipay: a secret, which is none' ],
    [ 'alipay', "$alipay client_auth post; client_secret_file $file;",
      'is for "kind oauth2" and "client_auth none"',
      'Alipay: another way to prove it' ],
    [ 'google', "client_secret_file $file; verify_key_file $theirs;",
      'which is for "sign alipay_rsa2"', 'a key that verifies nothing' ],
    [ 'github', "client_secret_file $file; application_key X;",
      'which is for "sign ok_md5"', 'an application key for nobody' ],
    [ 'github', "client_secret_file $file; key_file @{[ pem('ec2', $ecc,
      'private') ]};", 'which are for', 'a key that signs nothing' ],
    [ 'ok', 'application_key X; client_auth none; pkce s256;',
      'which needs a "client_secret_file"', 'OK.ru: nothing to sign with' ],
);

is_wrong('ok', "$ok\nsign md5; # here", '"alipay_rsa2", "ok_md5"',
         'a signature that nobody knows');
is_wrong('ok', "client_secret_file $file;\napplication_key 'a=b'; # here",
         'a name of', 'a key that would not be one parameter');

done_testing();
