# Row 31: whatever a provider says of a customer, and whatever has got into
# Redis, no header is split by it, and nothing is sent that is not what its
# header may hold.  Text of a wrong kind is dropped or refused.

use lib 't/lib';
use ShopTest;

use JSON::PP ();

use ShopTest::Session;

my $shop = shop();
my $redis = $shop->redis;
my $provider = $shop->provider;
my $backend = $shop->backend;

my $name  = qr/[A-Za-z0-9_-]{1,40}/;
my %sound = (
    'X-Customer-Id'       => qr/^[A-Za-z0-9._~:\@-]{1,64}$/,
    'X-Customer-Provider' => qr/^$name$/,
    'X-Loyalty-Tier'      => qr/^(?:bronze|silver|gold)$/,
    'X-Loyalty-Points'    => qr/^(?:0|-?[1-9]\d{0,15})$/,
    'X-Loyalty-Segments'  => qr/^$name(?:,$name)*$/,
    'X-Promotion'         => qr/^WELCOME-10$/,
    'Host'                => qr/^127\.0\.0\.1:\d+$/,
    'Connection'          => qr/^close$/,
    'Cookie'              => qr/^a=1$/,
);


# what the backend was asked holds nothing but these, each once

sub is_sound {
    my ($what, $request) = @_;
    my (%seen, @wrong);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for (@{ $request->{headers} }) {
        my ($field, $value) = @$_;

        next if defined $field && $sound{$field} && $value =~ $sound{$field}
                && !$seen{$field}++;

        push @wrong, defined $field ? "$field: $value" : 'not a header';
    }

    ok(!@wrong, "row 31: $what: nothing is split or wrong")
        or diag(join "\n", @wrong);

    return \%seen;
}


# --- Redis ----------------------------------------------------------------


my $session = ShopTest::Session->new(redis => $redis);

sub ask {
    my ($uri, $cookie) = @_;

    return $shop->nginx->get($uri, Cookie => 'a=1; '
                             . ($cookie || $session->cookie));
}

# a page, its headers, and "me"

sub check {
    my ($what, $cookie) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $page = ask('/', $cookie);

    is($page->status, 200, "row 31: $what: a page is served");

    my $seen = is_sound($what, $page->json);
    my $me = ask('/_shop/me', $cookie);

    like($me->status, qr/^(?:200|401|503)$/, "row 31: $what: me");

    my $document = eval { $me->json };

    ok(ref $document eq 'HASH', '... is JSON');

    return $seen;
}

my @texts = (
    [ 'a line feed', "gold\r\nX-Loyalty-Points: 9" ],
    [ 'a lone LF', "gold\nX-Evil: 1" ],
    [ 'a lone CR', "gold\rX-Evil: 1" ],
    [ 'a NUL', "gold\0evil" ],
    [ 'a tab', "gold\tevil" ],
    [ 'a blank', 'gold evil' ],
    [ 'a blank at its end', 'gold ' ],
    [ 'UTF-8', "g\xc3\xb6ld" ],
    [ 'wrong UTF-8', "g\xffld" ],
    [ 'a quote', 'gold"evil' ],
    [ 'a backslash', 'gold\\' ],
    [ 'a percent sign', 'gold%0d%0aX-Evil:1' ],
    [ 'a variable', '$remote_addr' ],
    [ 'markup', '<b>gold</b>' ],
    [ '41 bytes', 'g' x 41 ],
    [ '5000 bytes', 'g' x 5000 ],
    [ '200000 bytes', 'g' x 200000 ],
    [ 'nothing', '' ],
    [ 'a blank alone', ' ' ],
);

my @numbers = (
    map({ [ "\"$_\"", $_ ] } qw(1e9 -5 +5 05 -0 - 0x10 5.0 NaN inf many
        9007199254740991 9007199254740992 -9007199254740992
        9223372036854775807 9223372036854775808 -9223372036854775809
        99999999999999999999999999)),
    [ 'a thousand', '1,000' ],
    [ 'a number and a blank', '5 ' ], [ 'a blank and a number', ' 5' ],
    [ 'a number and a line feed', "5\r\nX-Evil: 1" ],
    [ 'a number and a NUL', "5\0" ], [ 'no number', '' ],
    [ 'a number of 5000 digits', '1' x 5000 ],
);

for my $field (qw(tier segments)) {
    for (@texts) {
        my ($what, $text) = @$_;

        $redis->command('DEL', $session->key('view'));
        $session->view($field => $text, points => 5);
        check("$field is $what");
    }
}

for my $text ('a,b c', 'a, b', 'a,,b', ',', ',a', 'a,', "a,b\r\nX-Evil: 1",
              join(',', 'a' .. 'zz'), join(',', map { 's' x 40 } 1 .. 100),
              'a;b', "a,\0", "a\xc2\xa0b") {
    $redis->command('DEL', $session->key('view'));
    $session->view(segments => $text);
    check('segments are ' . substr $text =~ s/[^ -~]/./gr, 0, 20);
}

for my $field (qw(points pending qualifying orders spend tier_since
                  tier_until created)) {
    for (@numbers) {
        my ($what, $number) = @$_;

        $redis->command('DEL', $session->key('view'));
        $session->view(tier => 'bronze', $field => $number);
        check("$field is $what");
    }
}

for my $type ([ 'SET', 'text' ], [ 'RPUSH', "gold\r\nX-Evil: 1" ],
              [ 'SADD', 'tier' ], [ 'ZADD', 1, 'tier' ]) {
    my ($command, @rest) = @$type;

    $redis->command('DEL', $session->key('view'));
    $redis->command($command, $session->key('view'), @rest);
    check("a view made by $command");
}

$redis->command('DEL', $session->key('view'));

for my $field (qw(provider created auth_time expires)) {
    for ($field eq 'provider' ? @texts : @numbers) {
        my ($what, $text) = @$_;
        my $other = ShopTest::Session->new(redis => $redis,
                                           $field => $text);

        my $seen = check("the session's $field is $what", $other->cookie);

        ok(!$seen->{'X-Customer-Id'}, '... and no customer')
            if $field eq 'provider';
    }
}

{
    my $other = ShopTest::Session->new(redis => $redis);

    $redis->command('DEL', $other->key);
    $redis->command('RPUSH', $other->key, qw(work 1 1 9999999999));

    my $seen = check('a session that is a list', $other->cookie);

    ok(!$seen->{'X-Customer-Id'}, '... and no customer');
}

# sealed under our own key, and wrong nevertheless

for ([ 'a line feed', "c1\r\nX-Loyalty-Tier: gold" ], [ 'a NUL', "c\0" ],
     [ 'a brace', 'c{1}' ], [ 'a blank', 'c 1' ], [ 'a slash', 'c/1' ],
     [ 'nothing', '' ], [ '65 bytes', 'c' x 65 ], [ '900 bytes', 'c' x 900 ],
     [ 'UTF-8', "\xc3\xb6" ])
{
    my ($what, $id) = @$_;
    my $other = ShopTest::Session->new(redis => $redis, customer => $id);
    my $seen = check("a customer id with $what", $other->cookie);

    ok(!$seen->{'X-Customer-Id'}, '... and no customer');
}

# whose identity leads to somebody who cannot be

for my $value ("c1\r\nX-Loyalty-Tier: gold", "c\0", 'c{1}', '', 'c' x 65,
               'c' x 100000, "\xc3\xb6") {
    $provider->set({ user => { sub => 'poor' } });
    $redis->command('SET', 'shop:identity:work:poor', $value);
    $shop->fails(503, 'redis_refused', 'row 31: an identity of '
                 . substr $value =~ s/[^ -~]/./gr, 0, 20);
}

$redis->command('DEL', 'shop:identity:work:poor');
$redis->command('RPUSH', 'shop:identity:work:poor', 'c1');
$shop->fails(503, 'redis_refused', 'row 31: an identity that is a list');

# nobody else was made of that

is(scalar(() = grep { /[\r\n\0]|X-/ } $redis->keys('shop:*:c1?X-*')), 0,
   'row 31: no key was made of it');

$provider->restore;

# where each key of a customer is of another type

{
    my $browser = $shop->signs_in('row 31: a customer to be spoiled');
    my $id = $shop->me($browser)->{customer};

    for my $key (grep { /:\Q$id\E/ } $redis->keys('shop:*')) {
        my $type = $redis->command('TYPE', $key);
        my ($kind) = $key =~ /^shop:(\w+):/;

        $redis->command('RENAME', $key, 'kept');
        $redis->command($type eq 'string' ? ('RPUSH', $key, 'x')
                        : ('SET', $key, 'x'));

        my $again = $shop->browser;
        my $response = $shop->callback($again, $shop->attempt($again));

        like($response->status, qr/^(?:303|503)$/,
             "row 31: $kind of another type: a login is answered");

        like($browser->fetch('GET', $shop->url . '/_shop/me')->status,
             qr/^(?:200|401|503)$/, '... and "me"');

        $redis->command('DEL', $key);
        $redis->command('RENAME', 'kept', $key);
    }

    ok($shop->me($browser), 'row 31: and all is well again');
}


# --- the provider ---------------------------------------------------------


# JSON can say all of this

my @profile = (
    [ 'a line feed',  "Ann\r\nX-Loyalty-Tier: gold" ],
    [ 'a lone LF',    "Ann\nX" ],
    [ 'a NUL',        "Ann\0X" ],
    [ 'an escape',    "Ann\e[31m" ],
    [ 'a DEL',        "Ann\x7f" ],
    [ 'a C1 control', "Ann\x{85}X" ],
    [ 'a line separator', "Ann\x{2028}X" ],
    [ 'right to left', "Ann\x{202e}X" ],
    [ 'a lone surrogate', { raw => '"Ann\ud800"' } ],
    [ '100 KB',       'A' x 50000 ],
    [ 'a list',       [ "a\r\nb" ] ],
    [ 'an object',    { a => "\r\n" } ],
    [ 'a number',     { raw => '1e400' } ],
    [ 'true',         JSON::PP::true ],
);

my @good = ([ 'UTF-8', "J\x{f6}rg \x{4e2d}\x{6587} \x{1f600}" ],
            [ 'markup', '<script>alert(1)</script>' ],
            [ 'quotes', q{O'Neil "Ann" \\ %0d%0a ${x} {7}} ]);

my $user = 0;

sub signs_in_as {
    my ($what, $profile, $good) = @_;
    my $sub = 'hostile-' . ++$user;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $provider->set({ user => { sub => $sub, %$profile } });

    my $browser = $shop->browser;
    my $response = $shop->callback($browser, $shop->attempt($browser));

    # what no JSON parser takes is the provider's fault

    if ($response->status != 303) {
        $shop->refuses(502, qr/_malformed$|^provider_unavailable$/,
                       $response, "row 31: $what", $browser);
        return;
    }

    is($response->header('Location'), $shop->url . '/',
       "row 31: $what: signs in");
    is(scalar(grep { !/^(?:Server|Date|Content-[\w-]+|Connection|Location
                           |Cache-Control|Referrer-Policy|Set-Cookie
                           |X-Content-Type-Options)$/x }
              map { $_->[0] } @{ $response->fields }), 0,
       '... with no other header in the answer');

    my $me = $shop->me($browser);

    $backend->forget;
    $shop->nginx->get('/', Cookie => 'shop=' . $browser->cookie('shop'));
    is_sound("$what: the backend", ($backend->requests)[0]);

    my ($key) = $redis->keys("shop:customer:*:$me->{customer}");
    my $text = join "\n", %{ $redis->hash($key) };

    # line feeds above join what was there

    is(scalar(grep { /[\r\0\e]/ } $text), 0, '... and none of it is kept')
        unless $good;
    is(index($text, "\nX"), -1, '... nor a part of it') unless $good;
}

for my $claim (qw(name given_name family_name locale email)) {
    for (@profile) {
        my ($what, $text) = @$_;

        signs_in_as("$claim with $what", { $claim => $text });
    }

    for (@good) {
        my ($what, $text) = @$_;

        signs_in_as("$claim with $what", { $claim => $text }, 1);
    }
}

for my $email ("ann\@example.com\r\nBcc: b\@example.com",
               "ann\@exa\0mple.com", '"ann b"@example.com',
               'ann@example.com,b@example.com', 'a' x 400 . '@example.com',
               "ann\@ex\x{e4}mple.com") {
    signs_in_as('email ' . substr($email =~ s/[^ -~]/./gr, 0, 30),
                { email => $email, email_verified => JSON::PP::true });

    my $wanted = lc $email;

    is(scalar(grep { $_ eq $wanted }
              map { values %{ $redis->hash($_) } }
              $redis->keys('shop:customer:*')), 0,
       'row 31: that is no address to keep');
}

# a subject must be plain, or there is no login

for my $sub ("a\r\nX-Evil: 1", "a\0", "\x{e4}", 'a' x 256, '') {
    $provider->set({ user => { sub => $sub, name => 'Ann' } });
    $shop->fails(502, 'claims_malformed', 'row 31: sub '
                 . substr $sub =~ s/[^ -~]/./gr, 0, 20);
}

$provider->restore;


# --- what the provider says in its answers --------------------------------


for my $text ("x\r\nX-Evil: 1", "x\0y", '<script>', "\xff\xfe", 'x' x 3000) {
    my $what = substr $text =~ s/[^ -~]/./gr, 0, 20;

    for my $form (0, 1) {
        $provider->set({ error => $text, form_post => $form,
                         callback => { error_description => $text,
                                       error_uri => $text } });

        my $browser = $shop->browser;
        my $response = eval {
            $shop->callback($browser, $shop->attempt($browser))
        };

        # the provider's own page has posted it
        $response = $shop->start($browser, accept => 'application/json')
            if $form;

        ok(!grep({ $_->[0] =~ /evil/i || $_->[1] =~ /script|[^ -~]/ }
                 @{ $response->fields }),
           "row 31: error $what: nothing of it in a header");
        unlike($response->body, qr/X-Evil|<script>/, '... nor in the body')
            if $response->url !~ m{/authorize};
    }
}

$provider->restore;
$shop->signs_in('row 31: after all of it');

done_testing();
