# When OpenSSL fails here, it is nobody else's fault: the answer is 500, so
# that a provider sends its notice again, and nobody is signed in.  A library
# that is loaded before takes the place of the function that prepares a
# verification.

use lib 't/lib';
use ShopTest;

use ShopTest::Session;

my $redis = redis();
my $provider = provider();
my $dir = temp_dir();
my $logout = 'http://schemas.openid.net/event/backchannel-logout';
my $revoked = 'https://schemas.openid.net/secevent/caep/event-type/'
              . 'session-revoked';
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');
my $serial = 0;

write_file("$dir/fail.c", <<'END');
int EVP_PKEY_verify_init_ex(void *ctx, const void *params);

int
EVP_PKEY_verify_init_ex(void *ctx, const void *params)
{
    (void) ctx;
    (void) params;

    return 0;
}
END

system('cc', '-shared', '-fPIC', '-o', "$dir/fail.so", "$dir/fail.c") == 0
    or die "cc: $?\n";

sub a_shop {
    return shop(redis => $redis, provider => $provider,
                backend => $_[0], provider_conf => 'notify secevent;');
}

my $backend = backend();
my $good = a_shop($backend);
my $shop = do {
    local $ENV{LD_PRELOAD} = join ' ', grep { defined }
                             $ENV{LD_PRELOAD}, "$dir/fail.so";
    a_shop($backend);
};

sub token {
    my ($claims, $typ) = @_;

    return $provider->sign({ header => { typ => $typ }, claims => {
        iss => $provider->issuer, aud => $provider->client_id, sub => 'ann',
        iat => time, exp => time + 120, jti => 'jti-' . ++$serial,
        %$claims } });
}

my $session = ShopTest::Session->new(redis => $redis, customer => 'ann');

$redis->command('SET', 'shop:identity:work:ann', 'ann');

my %request = (
    'a notice' => [ '/_shop/notify/work',
        token({ events => { $revoked => {} } }, 'secevent+jwt') ],
    'a logout token' => [ '/_shop/backchannel/work', 'logout_token='
        . token({ events => { $logout => {} } }, 'logout+jwt'), @form ],
    "an app's token" => [ '/_shop/token/work',
        'id_token=' . token({}, 'JWT'), @form ],
);

for my $what (sort keys %request) {
    $shop->refuses(500, 'internal_error',
                   $shop->nginx->post(@{ $request{$what} }), $what);
}

$shop->fails(500, 'internal_error', 'a login');
is($redis->command('EXISTS', $session->key), 1,
   'nothing was done by any of them');
is(scalar($shop->nginx->log_lines(qr/could not verify RS256 signature/)), 4,
   '... and what has failed is logged');

is($good->nginx->post(@{ $request{"an app's token"} })->status, 200,
   'the same token signs in where OpenSSL works');
is($good->nginx->post(@{ $request{'a notice'} })->status, 202,
   'the same notice, sent again, is carried out');
is($redis->command('EXISTS', $session->key), 0, '... which ends the session');
is($good->nginx->post(@{ $request{'a logout token'} })->status, 200,
   'and so is the same logout token');

done_testing();
