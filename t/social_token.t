# Rows 8 to 15: the ID token and userinfo.  Each check is a whole login with
# a provider that gets one thing wrong.

use lib 't/lib';
use ShopTest;

use JSON::PP ();

my @fresh = map { "k$_" } 1 .. 30;
my $provider = provider(client_id => 'shop');
my $shop = shop(provider => $provider,
                providers => { work => '',
                               map { ($_ => "/$_") } @fresh });


# sets the state for one check

sub with {
    my ($state, $check, @rest) = @_;

    $provider->restore;
    $provider->set($state);
    $check->(@rest);
    $provider->restore;
}


sub accepted {
    my ($name, $state, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    with($state, sub { $shop->signs_in($name, %o) });
}


sub refused {
    my ($name, $reason, $state, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    with($state, sub { $shop->fails(502, $reason, $name, %o) });
}


# --- row 8

accepted('row 8: a plain token', {});
accepted('row 8: aud as a list of one', { claims => { aud => ['shop'] } });
accepted('row 8: azp is ours', { claims => { azp => 'shop' } });

for ([ 'another iss', 'https://evil.example' ],
     [ 'iss with a slash', $provider->issuer . '/' ],
     [ 'iss in upper case', uc $provider->issuer ],
     [ 'half an iss', substr $provider->issuer, 0, -1 ],
     [ 'an empty iss', '' ],
     [ 'no iss', undef ],
     [ 'a number as iss', 7 ],
     [ 'a list as iss', [ $provider->issuer ] ])
{
    refused("row 8: $_->[0]", qr/^(?:iss_mismatch|claims_malformed)$/,
            { claims => { iss => $_->[1] } });
}

for ([ 'another aud', 'other' ],
     [ 'aud in upper case', 'SHOP' ],
     [ 'aud with a blank', 'shop ' ],
     [ 'a second aud', [ 'shop', 'other' ] ],
     [ 'a second aud first', [ 'other', 'shop' ] ],
     [ 'an empty list', [] ],
     [ 'a list in a list', [ ['shop'] ] ],
     [ 'an object', { shop => 1 } ],
     [ 'a number', 7 ],
     [ 'an empty aud', '' ],
     [ 'no aud', undef ])
{
    refused("row 8: $_->[0]", qr/^(?:aud_mismatch|claims_malformed)$/,
            { claims => { aud => $_->[1] } });
}

refused('row 8: a second aud with our azp', 'aud_mismatch',
        { claims => { aud => [ 'shop', 'other' ], azp => 'shop' } });
refused('row 8: azp of another', 'azp_mismatch',
        { claims => { azp => 'other' } });
refused('row 8: azp as a list', qr/^(?:azp_mismatch|claims_malformed)$/,
        { claims => { azp => ['shop'] } });


# --- row 9

for my $alg (qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA))
{
    accepted("row 9: $alg", { alg => $alg });
}

my $bad = qr/^(?:signature_invalid|alg_refused|key_unknown|token_malformed
                |header_refused)$/x;

for (
    [ 'alg none', { alg => 'none', key => 'rsa-1' } ],
    [ 'alg none, RS256 signature', { header => { alg => 'none' } } ],
    [ 'alg None', { header => { alg => 'None' }, signature => 'empty' } ],
    [ 'alg NONE', { header => { alg => 'NONE' }, signature => 'empty' } ],
    [ 'alg nonE, no kid', { header => { alg => 'nonE', kid => undef },
                            signature => 'empty' } ],
    [ 'an empty alg', { header => { alg => '' } } ],
    [ 'no alg', { header => { alg => undef } } ],
    [ 'alg as a number', { header => { alg => 256 } } ],
    [ 'alg as a list', { header => { alg => ['RS256'] } } ],
    [ 'alg twice', { header => { alg => { raw =>
                     '"RS256","alg":"none"' } } } ],
    [ 'alg in lower case', { header => { alg => 'rs256' } } ],
    [ 'alg with a blank', { header => { alg => 'RS256 ' } } ],
    [ 'an unknown alg', { header => { alg => 'RS257' } } ],
    [ 'an empty signature', { signature => 'empty' } ],
    [ 'a flipped bit', { signature => 'flip' } ],
    [ 'a byte less', { signature => 'cut' } ],
    [ 'a key of somebody else under our kid', { signature => 'foreign' } ],
    [ 'HS256 with the PEM of the RSA key',
      { alg => 'HS256', key => 'rsa-1', hmac => { pem => 'rsa-1' } } ],
    [ 'HS256 with the PEM of the EC key',
      { alg => 'HS256', key => 'p256-1', hmac => { pem => 'p256-1' } } ],
    [ 'HS256 with the client secret', { alg => 'HS256' } ],
    [ 'HS256 with an empty key', { alg => 'HS256', hmac => { text => '' } } ],
    [ 'HS384 with the client secret', { alg => 'HS384' } ],
    [ 'HS512 with the client secret', { alg => 'HS512' } ],
    [ 'RS256 said, PS256 done',
      { alg => 'PS256', header => { alg => 'RS256' } } ],
    [ 'PS256 said, RS256 done', { header => { alg => 'PS256' } } ],
    [ 'RS512 said, RS256 done', { header => { alg => 'RS512' } } ],
    [ 'ES256 said, RS256 done', { header => { alg => 'ES256' } } ],
    [ 'RS256 said, ES256 done',
      { alg => 'ES256', header => { alg => 'RS256' } } ],
    [ 'ES384 said, ES256 done',
      { alg => 'ES256', header => { alg => 'ES384' } } ],
    [ 'ES256 with a DER signature', { alg => 'ES256', signature => 'der' } ],
    [ 'ES256 of another key', { alg => 'ES256', signature => 'foreign' } ],
    [ 'ES256 with a flipped bit', { alg => 'ES256', signature => 'flip' } ],
    [ 'ES256 with a byte less', { alg => 'ES256', signature => 'cut' } ],
    [ 'EdDSA with a flipped bit', { alg => 'EdDSA', signature => 'flip' } ],
    [ 'EdDSA of another key', { alg => 'EdDSA', signature => 'foreign' } ],
    [ 'EdDSA said, RS256 done', { header => { alg => 'EdDSA' } } ],
    [ 'crit', { header => { crit => ['exp'], exp => time } } ],
    [ 'an empty crit', { header => { crit => [] } } ],
    [ 'b64 false', { header => { b64 => JSON::PP::false,
                                 crit => ['b64'] } } ],
    [ 'two parts', { compact => 'two' } ],
    [ 'four parts', { compact => 'four' } ],
    [ 'five parts', { compact => 'five' } ],
    [ 'padding', { compact => 'padded' } ],
    [ 'a blank', { compact => 'space' } ],
    [ 'a line feed', { compact => 'newline' } ],
    [ 'letters of plain base64', { compact => 'standard' } ],
    [ 'bits left over', { compact => 'bits' } ],
    [ 'a NUL at the end', { compact => 'nul' } ],
    [ 'no header', { compact => 'no_head' } ],
    [ 'no payload', { compact => 'no_body' } ],
    [ 'two dots', { compact => 'dots' } ],
    [ 'JSON serialization', { compact => 'json' } ],
    [ 'header and payload swapped', { compact => 'swapped' } ],
    [ 'a kid of 8 KB', { kid => 'k' x 8192 } ],
    [ 'a kid that is a path', { kid => '../../../../dev/null' } ],
    [ 'a kid that is a number', { header => { kid => 7 } } ],
) {
    refused("row 9: $_->[0]", $bad, $_->[1]);
}

refused('row 9: an empty token', qr/^(?:token_malformed|id_token_missing)$/,
        { compact => 'empty' });
refused('row 9: a payload that is not an object', qr/malformed/,
        { payload => '["x"]' });
refused('row 9: a payload that is not JSON', qr/malformed/,
        { payload => 'x' });
refused('row 9: a logout token', 'typ_refused',
        { header => { typ => 'logout+jwt' } });
refused('row 9: an access token', 'typ_refused',
        { header => { typ => 'at+jwt' } });
refused('row 9: a token about events', 'typ_refused',
        { claims => { events => {} } });

accepted("row 9: a typ that is $_", { header => { typ => $_ } })
    for qw(JOSE application/jose);

# keys that the token brings along or points to

{
    my $evil = ShopTest::Server->new(handler => sub {
        return ShopTest::Server::answer(200, [], '{"keys":[]}');
    });

    for my $header (qw(jku x5u)) {
        refused("row 9: $header", $bad, {
            signature => 'foreign', kid => 'rsa-foreign',
            header => { $header => $evil->url . '/jwks' },
        });
    }

    is($evil->connections, 0, 'row 9: neither was asked');

    accepted('row 9: a jku on a good token is nothing to us',
             { header => { jku => $evil->url } });
    is($evil->connections, 0, 'row 9: it was not asked either');

    my $key = Crypt::PK::RSA->new(\$provider->public_key('rsa-foreign'));

    refused('row 9: jwk', $bad, {
        signature => 'foreign', kid => 'rsa-foreign',
        header => { jwk => $key->export_key_jwk('public', 1) },
    });
}

# keys of the provider that do not fit; each from a set of its own

{
    my $n = 0;

    sub fresh { return $fresh[$n++] }

    sub key_refused {
        my ($what, $state) = @_;
        my $name = fresh();

        refused("row 9: $what", $bad, { at => { "/$name" => $state } },
                name => $name);
    }

    sub key_accepted {
        my ($what, $state) = @_;
        my $name = fresh();

        accepted($what, { at => { "/$name" => $state } }, name => $name);
    }

    key_refused('an RSA key of 1024 bits',
                { key => 'rsa1024-1', publish => ['rsa1024-1'] });
    key_refused('a key for encryption',
                { jwk => { 'rsa-1' => { use => 'enc' } } });
    key_refused('a key of another alg',
                { jwk => { 'rsa-1' => { alg => 'RS512' } } });
    key_refused('a key with key_ops of its own',
                { jwk => { 'rsa-1' => { use => undef,
                                        key_ops => ['encrypt'] } } });
    key_refused('a curve that is not allowed',
                { alg => 'ES256', key => 'k256-1', publish => ['k256-1'] });
    key_refused('ES256 by a P-384 key',
                { alg => 'ES256', key => 'p384-1', publish => ['p384-1'] });
    key_refused('a symmetric key in the set', {
        alg => 'HS256', hmac => { text => 'secret' }, kid => 'oct',
        publish => [], more_keys => [ {
            kty => 'oct', kid => 'oct', k => 'c2VjcmV0', alg => 'HS256',
        } ] });
    key_refused('a set without keys', { publish => [] });

    key_accepted('row 9: a key without use',
                 { jwk => { 'rsa-1' => { use => undef } } });
    key_accepted('row 9: a key with a member that means nothing',
                 { jwk => { 'rsa-1' => { issuer => { x => 1 } } } });
    key_accepted('row 9: an unknown key beside', {
        more_keys => [ { kty => 'future', kid => 'x' }, { kty => 'RSA' },
                       7, 'text' ] });


    # --- row 10

    key_accepted('row 10: no kid, one key',
                 { no_kid => 1, publish => ['rsa-1'] });
    key_accepted('row 10: no kid, the last of several keys',
                 { no_kid => 1, publish => [qw(p256-1 rsa-2 rsa-1)] });
    key_accepted('row 10: no kid in the token, kids in the set',
                 { header => { kid => undef },
                   publish => [qw(rsa-2 rsa-1)] });
    key_accepted('row 10: one kid of two keys', {
        kid => 'same', publish => [qw(rsa-2 rsa-1)],
        jwk => { 'rsa-1' => { kid => 'same' },
                 'rsa-2' => { kid => 'same' } } });
    key_accepted('row 10: a kid in the token, none in the set',
                 { no_kid => 1, header => { kid => 'rsa-1' },
                   publish => [qw(rsa-2 rsa-1)] });
    key_refused('row 10: a kid in the token, none and others in the set',
                { header => { kid => 'rsa-9' }, jwk => {
                      'rsa-2' => { kid => undef } },
                  publish => [qw(rsa-2 rsa-1)] });
    key_refused('row 10: no kid, and no key that fits',
                { no_kid => 1, publish => [qw(rsa-2 p256-1)] });


    # --- row 11

    my $rotating = fresh();
    my %where = (name => $rotating);
    my $jwks = "/$rotating/jwks";

    $provider->restore;
    $provider->forget;
    $shop->signs_in('row 11: the first key', %where);
    is($provider->count($jwks), 1, 'row 11: keys were fetched');

    $provider->set({ at => { "/$rotating" => {
        key => 'rsa-2', publish => ['rsa-2'] } } });
    $shop->signs_in('row 11: a new key is found', %where);
    is($provider->count($jwks), 2, 'row 11: by one more fetch');

    $provider->set({ at => { "/$rotating" => {
        key => 'rsa-3', publish => ['rsa-3'] } } });
    $shop->fails(502, 'key_unknown', 'row 11: the next one too soon',
                 %where);
    is($provider->count($jwks), 2, 'row 11: nothing was fetched for it');

    $provider->set({ at => { "/$rotating" => {
        key => 'rsa-2', publish => ['rsa-2'] } } });
    $shop->signs_in('row 11: the known key is still good', %where);
}

# a flood, over two workers

{
    my $flooded = shop(nginx_options => { workers => 2, level => 'info' });
    my $mock = $flooded->provider;

    $flooded->signs_in('row 11: before the flood');
    $mock->set({ kid => 'unheard-of' });
    $mock->forget;

    my $begin = ShopTest::now();
    my $wrong = 0;

    for my $n (1 .. 100) {
        my $browser = $flooded->browser;
        my @waiting;

        # ten tokens at a time: parallel attempts of two browsers

        for my $b ($browser, $flooded->browser) {
            my @urls = map { $flooded->attempt($b) } 1 .. 5;

            push @waiting, map { $b->start($_) } @urls;
        }

        $wrong += grep { $_->response->status != 502 } @waiting;
    }

    is($wrong, 0, 'row 11: a flood of 1000 tokens is refused');

    # a busy machine may take longer for it than the 30 seconds

    cmp_ok($mock->count('/jwks'), '<=',
           1 + (ShopTest::now() - $begin) / 30,
           'row 11: for one fetch of the keys in 30 seconds');

    $mock->restore;
    $flooded->signs_in('row 11: after the flood');
}


# --- row 12

for my $claim (qw(exp iat sub)) {
    refused("row 12: no $claim", 'claims_malformed',
            { claims => { $claim => undef } });
    refused("row 12: $claim is null", 'claims_malformed',
            { claims => { $claim => { raw => 'null' } } });
}

accepted('row 12: a skew of 50 seconds, late',
         { claims => { exp => time - 50, iat => time - 350 } });
accepted('row 12: a skew of 50 seconds, early',
         { claims => { iat => time + 50, nbf => time + 50 } });
accepted('row 12: fractions of a second',
         { claims => { exp => { raw => (time + 300) . '.75' },
                       iat => { raw => time . '.25' } } });
accepted('row 12: a date written with an exponent',
         { claims => { exp => { raw => '4.0e9' } } });

refused('row 12: expired', 'token_expired',
        { claims => { exp => time - 70 } });
refused('row 12: exp is 0', 'token_expired', { claims => { exp => 0 } });
refused('row 12: exp is negative', 'token_expired',
        { claims => { exp => -1 } });
refused('row 12: not yet valid', 'token_not_yet_valid',
        { claims => { nbf => time + 130 } });
refused('row 12: issued in the future', 'token_not_yet_valid',
        { claims => { iat => time + 130 } });

for my $claim (qw(exp iat nbf)) {
    for my $raw ('1e300', '-1e300', '1e400', '99999999999999999999999999',
                 '9223372036854775807', '18446744073709551616', '"never"',
                 '"' . time . '"', '[]', '{}', 'true', 'false', '"NaN"')
    {
        refused("row 12: $claim is $raw", qr/malformed|^token_/,
                { claims => { $claim => { raw => $raw } } });
    }
}

refused('row 12: two exp', qr/malformed/,
        { claims => { exp => { raw => (time + 300) . ',"exp":1' } } });

for ([ 'empty', '' ], [ 'a number', 7 ], [ 'a list', ['x'] ],
     [ 'of 256 bytes', 'x' x 256 ], [ 'with a line feed', "a\nb" ],
     [ 'with a NUL', "a\0b" ], [ 'not ASCII', "\x{e9}" ])
{
    refused("row 12: sub is $_->[0]", qr/malformed/,
            { claims => { sub => $_->[1] } });
}

accepted('row 12: sub of 255 bytes', { claims => { sub => 'x' x 255 } });


# --- row 13

refused('row 13: another nonce', 'nonce_mismatch',
        { claims => { nonce => 'x' x 43 } });
refused('row 13: an empty nonce', 'nonce_mismatch',
        { claims => { nonce => '' } });
refused('row 13: no nonce', 'nonce_mismatch',
        { claims => { nonce => undef } });
refused('row 13: a number as nonce', qr/^(?:nonce_mismatch|claims_malformed)$/,
        { claims => { nonce => 7 } });

# the token of one login in another

{
    my $browser = $shop->browser;

    $provider->forget;

    my $url = $shop->attempt($browser);
    my ($request) = $provider->requests('/authorize');
    my $nonce = ShopTest::Server::query_fields($request->{args})->{nonce};

    my $token = $provider->sign({ claims => {
        iss => $provider->issuer, aud => 'shop', sub => 'user-1',
        iat => time, exp => time + 300, nonce => $nonce,
    } });

    $provider->set({ token => { id_token => $token } });
    is($shop->callback($browser, $url)->status, 303,
       'row 13: a token with the nonce of this login');
    $shop->fails(502, 'nonce_mismatch', 'row 13: the same in another login');
    $provider->restore;
}


# --- row 14

accepted('row 14: no at_hash', { claims => { at_hash => undef } });

for ([ 'another', 'x' x 22 ], [ 'an empty', '' ], [ 'a number as', 7 ],
     [ 'of another algorithm, a longer', 'x' x 43 ])
{
    refused("row 14: $_->[0] at_hash",
            qr/^(?:at_hash_mismatch|claims_malformed)$/,
            { claims => { at_hash => $_->[1] } });
}

refused('row 14: the access token was replaced', 'at_hash_mismatch',
        { token => { access_token => 'stolen' } });


# --- row 15

$provider->forget;
accepted('row 15: an ID token that says it all', {});
is($provider->count('/userinfo'), 0, 'row 15: userinfo was not asked');

accepted('row 15: userinfo of the same sub', { thin => 1 });
is($provider->count('/userinfo'), 1, 'row 15: it was asked');

for ([ 'another sub', 'userinfo_mismatch', { sub => 'user-2' } ],
     [ 'no sub', 'userinfo_mismatch', { sub => undef } ],
     [ 'sub in another case', 'userinfo_mismatch', { sub => 'USER-1' } ],
     [ 'a longer sub', 'userinfo_mismatch', { sub => 'user-11' } ],
     [ 'a number as sub', qr/^userinfo_m/, { sub => 7 } ])
{
    refused("row 15: $_->[0]", $_->[1], { thin => 1, userinfo => $_->[2] });
}

for ([ 'a list', '[{"sub":"user-1"}]' ], [ 'a text', '"user-1"' ],
     [ 'null', 'null' ], [ 'a number', '7' ], [ 'not JSON', 'sub=user-1' ],
     [ 'nothing', '' ], [ 'two sub', '{"sub":"user-1","sub":"user-1"}' ],
     [ 'not UTF-8', "{\"sub\":\"user-1\",\"name\":\"\x{ff}\"}" ])
{
    refused("row 15: $_->[0]", 'userinfo_malformed',
            { thin => 1, fault => { userinfo => { body => $_->[1] } } });
}

for my $status (204, 400, 401, 403, 500) {
    refused("row 15: status $status", qr/^userinfo_/,
            { thin => 1, fault => { userinfo => { status => $status,
                                                  body => '' } } });
}

done_testing();
