# Rows 2, 3 and 29: what a login has to remember is sealed in a cookie of its
# attempt.  Only what this server sealed, for this purpose and host, not long
# ago, is worth anything.

use lib 't/lib';
use ShopTest;

use ShopTest::Session;

my $shop = shop();
my $provider = $shop->provider;

my $key = pack 'H*', 'ab' x 32;
my $host = '127.0.0.1';


# a cookie of an attempt as { created, provider, state, nonce, verifier,
# binding, path } and back: see ngx_shop_authreq.c

my @fields = qw(provider state nonce verifier binding path);

sub unpacked {
    my ($plain) = @_;
    my %attempt;

    (@attempt{qw(version flags created)}, @attempt{@fields})
        = unpack 'C C q> (n/a)6', $plain;

    return \%attempt;
}

sub packed {
    my ($attempt) = @_;

    return pack 'C C q> (n/a)6', @$attempt{qw(version flags created), @fields};
}


# the cookie of the only attempt of a browser

sub cookie {
    my ($browser) = @_;

    return (grep { $_->{name} =~ /^shop-login-(?!lastused)/ } $browser->cookies)[0];
}

sub sealed {
    my ($plain, %o) = @_;

    return ShopTest::Session::seal($o{key} || $key, $o{purpose} || 'attempt',
                                   $o{host} || $host, $plain);
}


# an attempt whose cookie is what "change" makes of it: of its fields where
# these are a hash in and out, else of its value

sub try_attempt {
    my ($reason, $name, $change) = @_;

    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, return => '/cart');
    my $cookie = cookie($browser);
    my $plain = ShopTest::Session::unseal($key, 'attempt', $host,
                                          $cookie->{value});

    $cookie->{value} = $change->($cookie->{value}, $plain, unpacked($plain));
    $provider->forget;

    my $response = $shop->callback($browser, $url);

    if (defined $reason) {
        $shop->refuses(400, $reason, $response, $name, $browser);
        is($provider->count('/token'), 0, "$name: no code was sent anywhere");

    } else {
        is($response->status, 303, "$name: accepted");
        ok($shop->me($browser), "$name: signed in");
    }

    return ($browser, $response, $url);
}

sub changed {
    my ($reason, $name, %change) = @_;

    return try_attempt($reason, $name, sub {
        sealed(packed({ %{ $_[2] }, %change }));
    });
}


# the harness itself

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, return => '/cart');
    my $plain = ShopTest::Session::unseal($key, 'attempt', $host,
                                          cookie($browser)->{value});
    my $attempt = unpacked($plain);

    is(packed($attempt), $plain, 'an attempt is what this test takes it for');
    is($attempt->{provider}, 'work', '... its provider');
    is($attempt->{path}, '/cart', '... its return path');
    like($url, qr/[?&]state=\Q$attempt->{state}\E(?:&|$)/, '... its state');
    is("shop-login-" . substr($attempt->{state}, 0, 8),
       cookie($browser)->{name}, '... by which its cookie is named');
    cmp_ok(abs(time - $attempt->{created}), '<', 5, '... its time');
}

changed(undef, 'sealed again by the test');


# it lives for ten minutes

changed(undef, 'row 2: shortly before its end', created => time - 590);

{
    my ($browser, $response, $url) = changed('attempt_expired',
        'row 2: an attempt of ten minutes ago', created => time - 600);

    is($response->header('Set-Cookie'), undef, '... was not spent by that');

    $shop->refuses(400, 'attempt_expired', $shop->callback($browser, $url),
                   'row 2: ... asked again', $browser);

    my $page = $browser->click($url, follow => 0);

    like($page->body, qr{href="[^"]*/_shop/login\?return=%2Fcart"},
         '... the way on leads to where the customer was going');

    # the next login throws it away

    my $old = cookie($browser)->{name};
    my $next = $shop->start($browser);

    ok(!defined $browser->cookie($old), '... the next login deletes it');
    is($shop->callback($browser, $next->header('Location'))->status, 303,
       '... and is not disturbed by it');
}

changed('attempt_expired', 'row 2: an attempt of 1970', created => 0);
changed('state_unknown', 'row 2: one made before that', created => -1);


# it belongs to a provider, a client and an address

changed('state_mismatch', 'row 3: of another provider', provider => 'other');
changed('state_mismatch', 'row 3: of another binding', binding => 'A' x 43);
changed('state_unknown', 'row 2: of another state', state => 'A' x 43);


# what it holds is checked, whoever sealed it

changed('state_unknown', 'another version', version => 2);
changed('state_unknown', 'unknown flags', flags => 0x80);
changed('state_unknown', 'no provider', provider => '');
changed('state_unknown', 'no path', path => '');
changed('state_unknown', 'a path beyond all bounds', path => '/' . 'a' x 2048);
changed('state_unknown', 'a short nonce', nonce => 'a');
changed('state_unknown', 'a long verifier', verifier => 'a' x 44);

for my $n (0, 1, 9, 10, 11, 12, 60, -1) {
    try_attempt('state_unknown', "cut off at $n",
                sub { sealed(substr $_[1], 0, $n) });
}

try_attempt('state_unknown', 'a byte too many', sub { sealed("$_[1]x") });
try_attempt('state_unknown', 'a length beyond the end', sub {
    my $plain = $_[1];

    substr $plain, 10, 2, "\xff\xff";
    sealed($plain);
});


# garbled

for my $tenths (0 .. 9) {
    try_attempt('state_unknown', "row 29: changed at $tenths tenths", sub {
        my ($value) = @_;
        my $at = int(length($value) * $tenths / 10);

        substr($value, $at, 1) = substr($value, $at, 1) eq 'A' ? 'B' : 'A';
        $value;
    });
}

try_attempt('state_unknown', 'row 29: ' . (length $_ ? substr $_, 0, 10
                                                     : 'nothing'),
            sub { $_ })
    for '', 'x', 'A' x 300, '%41', '"';

try_attempt('state_unknown', 'row 29: cut', sub { substr $_[0], 0, -1 });
try_attempt('state_unknown', 'row 29: longer', sub { $_[0] . 'A' });
try_attempt('state_unknown', 'row 29: quoted', sub { "\"$_[0]\"" });


# foreign

try_attempt('state_unknown', 'row 29: sealed under another key',
            sub { sealed($_[1], key => 'x' x 32) });
try_attempt('state_unknown', 'row 29: sealed for another purpose',
            sub { sealed($_[1], purpose => 'session') });
try_attempt('state_unknown', 'row 28: sealed for another host',
            sub { sealed($_[1], host => 'localhost') });
try_attempt('state_unknown', "row 29: a session's cookie",
            sub { ShopTest::Session->new(redis => $shop->redis)->value });

{
    my $other = $shop->browser;

    $shop->attempt($other);

    try_attempt('state_unknown', "row 2: another browser's attempt",
                sub { cookie($other)->{value} });
}


# one that is no good beside one that is

{
    my $browser = $shop->browser;

    $browser->set_cookie($shop->url . '/', "shop-login-$_; Path=/")
        for 'AAAAAAAA=x', 'BBBBBBBB=', 'CCCCCCCC=' . 'A' x 400;

    my $url = $shop->attempt($browser);

    is(scalar(grep { $_->{name} =~ /^shop-login-(?!lastused)/ } $browser->cookies), 1,
       'a login deletes those that cannot be opened');

    $browser->set_cookie($shop->url . '/', 'shop-login-AAAAAAAA=x; Path=/');

    is($shop->callback($browser, $url)->status, 303,
       'one of them does not disturb a login');
}

done_testing();
