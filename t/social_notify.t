# POST notify/NAME: what a provider says by itself.  Row 36: the signature
# first, a replay does nothing, and it is answered when the work is done and
# not before.  What each kind of notice means for sessions, for the identity
# and for what is known of the customer; points are never lost by any of it.

use lib 't/lib';
use ShopTest;

use Crypt::PK::Ed25519 ();
use Digest::MD5 ();
use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

use ShopTest::HTTP;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $provider = provider(client_id => 'shop');
my $secret = $provider->client_secret;
my $ed = Crypt::PK::Ed25519->new->generate_key;
my $admin = write_file(temp_dir() . '/admin', 'adm1n-key', 0600);
my $hex = unpack 'H*', $ed->export_key_raw('public');

my %notify = (
    meta    => 'notify meta_signed_request; label "M & Co";',
    apple   => 'notify apple_s2s; aud_extra app;',
    risc    => 'notify google_risc; notify_issuer https://risc.example/; '
               . 'aud_extra app;',
    tiktok  => 'notify tiktok; sub ui:/data/user/open_id;',
    discord => "notify discord; notify_key $hex;",
    kakao   => "notify secevent kakao; notify_secret_file $admin;",
    naver   => 'notify naver; sub ui:/response/id;',
    down    => 'notify secevent;',
    silent  => 'notify none;',
    apps    => 'notify none; alg RS256; native_alg ES256;',
);

my $shop = shop(
    redis     => $redis,
    provider  => $provider,
    nginx_options => { level => 'info' },
    vars      => { redis => $proxy->url . ' timeout=300ms' },
    server    => 'keepalive_timeout 0;',
    providers => { work => '' },
    http      => join('', map { $provider->conf($_, $notify{$_}, "/$_") }
                          sort keys %notify),
);

my $nginx = $shop->nginx;
my $now = time;
my $serial = 0;

$nginx->keep_secret('adm1n-key');


# --- customers

# one who is known by identities of these providers, with a session by each

sub customer {
    my (@by) = @_;
    my $id = 'customer-' . ++$serial;
    my %c = (id => $id, sub => "sub-$serial", by => {}, email => {});

    for my $name (@by) {
        $c{by}{$name} = ShopTest::Session->new(
            redis => $redis, customer => $id, provider => $name,
            view => { points => 500, created => $now });

        $redis->command('SET', "shop:identity:$name:$c{sub}", $id);
        $redis->command('HSET', key(\%c), "id:$name:$c{sub}",
                        "$now $name-$serial\@example.com");
        $redis->command('SET', address(\%c, $name), $id);
    }

    $redis->command('HSET', key(\%c), created => $now, name => 'Ann',
                    email => "$by[0]-$serial\@example.com",
                    email_state => 'verified', picture => 'https://p');

    for my $name (@by) {
        is(status($c{by}{$name}), 200, "$id is signed in by $name");
    }

    return \%c;
}

sub email {
    my ($c, $name) = @_;

    return "$name-" . $c->{sub} =~ s/^sub-//r . '@example.com';
}

sub address {
    my ($c, $name) = @_;

    return 'shop:email:' . Digest::SHA::sha256_hex(email($c, $name));
}

sub key { return (values %{ $_[0]{by} })[0]->key('customer') }

sub status {
    my ($session) = @_;

    return $nginx->get('/_shop/me', Cookie => $session->cookie)->status;
}

sub record { return $redis->hash(key($_[0])) }

sub owner {
    my ($c, $name) = @_;

    return $redis->command('GET', "shop:identity:$name:$c->{sub}");
}

# what is true of all notices, whatever they say

sub kept {
    my ($c, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($view) = $redis->keys("shop:view:*:$c->{id}");

    is($redis->command('HGET', $view, 'points'), 500,
       "$name: the points are there");
}

sub untouched {
    my ($c, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($by) = keys %{ $c->{by} };

    ok(status($c->{by}{$by}) == 200 && defined owner($c, $by)
       && record($c)->{name} eq 'Ann', "$name: nothing has changed");
}

sub ended {
    my ($c, $name, $by, @still) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(status($c->{by}{$by}), 401, "$name: the session by it is over");
    is(status($c->{by}{$_}), 200, "... the one by $_ is not") for @still;
}

sub stays {
    my ($c, $name, $by) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(owner($c, $by), $c->{id}, "$name: the identity stays theirs");
    ok(record($c)->{"id:$by:$c->{sub}"}, '... and is linked');
    is(record($c)->{name}, 'Ann', '... with what is known');
    kept($c, $name);
}

sub unlinked {
    my ($c, $name, $by) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(owner($c, $by), undef, "$name: the identity is nobody's");
    ok(!exists record($c)->{"id:$by:$c->{sub}"}, '... and not linked');
    is($redis->command('GET', address($c, $by)), undef,
       '... nor are events for its address theirs');
    kept($c, $name);
}

sub erased {
    my ($c, $name, $by) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    unlinked($c, $name, $by);

    my $record = record($c);

    is_deeply([ grep { exists $record->{$_} }
                qw(name email email_state picture) ], [],
              '... nor is anything known of the person');
    cmp_ok($record->{erased}, '>=', $now, '... and since when is said');
    ok($record->{created}, '... but the record is there');
}

# the provider's answer, to the byte

sub answered {
    my ($response, $status, $name, $body) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response->status, $status, "$name: $status")
        or diag($response->body);
    is($response->body, defined $body ? $body : '', '... as it is wanted');
    is($response->header('Cache-Control'), 'no-store', '... never stored');
}

sub refused {
    my ($name, $status, $reason, $response) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $shop->refuses($status, $reason, $response, "row 36: $name");
}


# --- notices as the providers write them

my @form = ('Content-Type' => 'application/x-www-form-urlencoded');
my @json = ('Content-Type' => 'application/json');

sub post {
    my ($name, $body, @headers) = @_;

    return $nginx->post("/_shop/notify/$name", $body, @headers);
}

sub form {
    my (%fields) = @_;

    return join '&', map { "$_=" . ShopTest::Browser::escape($fields{$_}) }
                     sort keys %fields;
}

sub encode { return JSON::PP->new->canonical->encode($_[0]) }

sub meta_text {
    my ($claims, %o) = @_;

    my $payload = encode_base64url(exists $o{text} ? $o{text} : encode({
        algorithm => 'HMAC-SHA256', issued_at => time, %$claims }));
    my $mac = Digest::SHA::hmac_sha256($payload, $o{key} || $secret);

    return encode_base64url($mac) . ".$payload";
}

sub meta {
    my ($claims, %o) = @_;

    return post('meta' . ($o{args} || ''),
                form(signed_request => meta_text($claims, %o)), @form);
}

sub token {
    my ($path, $claims, %o) = @_;

    return $provider->sign({ %o, claims => {
        iss => $provider->issuer("/$path"), aud => 'shop', iat => time,
        jti => 'jti-' . ++$serial, %$claims } });
}

sub apple {
    my ($event, $claims, %o) = @_;

    return post('apple', encode({ payload => token('apple', {
        exp => time + 3600,
        events => ref $event ? encode({ event_time => time * 1000,
                                        %$event }) : $event,
        %{ $claims || {} } }, %o) }), @json);
}

my %uri = (
    risc => 'https://schemas.openid.net/secevent/risc/event-type/',
    oauth => 'https://schemas.openid.net/secevent/oauth/event-type/',
    caep => 'https://schemas.openid.net/secevent/caep/event-type/',
);

sub risc_event {
    my ($type, $sub, %more) = @_;
    my ($profile, $word) = split /:/, $type;

    return { $uri{$profile} . $word => {
        subject => { subject_type => 'iss-sub',
                     iss => 'https://risc.example/', sub => $sub },
        %more } };
}

sub risc {
    my ($events, $claims, %o) = @_;

    return post('risc', token('risc', {
        iss => 'https://risc.example/', events => $events,
        %{ $claims || {} } }, header => { typ => 'secevent+jwt' }, %o),
        'Content-Type' => 'application/secevent+jwt');
}

sub tiktok {
    my ($event, %o) = @_;
    my $t = $o{t} || time;

    my $body = encode({
        client_key => 'shop', event => 'authorization.removed',
        create_time => $t, content => '{"reason":1}', %$event });
    my $mac = Digest::SHA::hmac_sha256_hex("$t.$body", $o{key} || $secret);

    return post('tiktok', $body, @json,
                $o{bare} ? () : ('TikTok-Signature' => "t=$t,s=$mac"));
}

sub discord {
    my ($event, %o) = @_;
    my $t = $o{t} || time;

    my $body = encode({ version => 1, application_id => 'shop', type => 1,
                        %$event });
    my $key = $o{key} || $ed;
    my $signature = unpack 'H*', $key->sign_message($t . $body);

    return post('discord', $body, @json, $o{bare} ? () : (
        'X-Signature-Ed25519' => $signature, 'X-Signature-Timestamp' => $t));
}

sub discord_event {
    my ($sub, $type) = @_;

    return { event => { type => $type || 'APPLICATION_DEAUTHORIZED',
                        timestamp => '2026-11-26T12:00:00Z',
                        data => { user => { id => $sub } } } };
}

sub kakao {
    my ($fields, %o) = @_;

    return post('kakao', form(app_id => 1, %$fields), @form,
                defined $o{key} ? $o{key} ? (Authorization => $o{key}) : ()
                                : (Authorization => 'KakaoAK adm1n-key'));
}

# by OpenSSL's own program, so that nothing of it is ours

sub openssl {
    my ($input, @args) = @_;
    my $in = write_file(temp_dir() . '/openssl.in', $input);

    open my $pipe, '-|', 'openssl', @args, $in or die "openssl: $!\n";
    binmode $pipe;
    local $/;

    my $output = <$pipe>;

    close $pipe or die "openssl @args: $?\n";

    return $output;
}

sub naver {
    my ($sub, %o) = @_;

    my $key = openssl($o{key} || $secret, 'dgst', '-md5', '-r');
    $key = substr $key, 0, 32;

    my $iv = '00112233445566778899aabbccddeeff';
    my $id = encode_base64url(pack('H*', $iv)
        . openssl($sub, 'enc', '-aes-128-cbc', '-K', $key, '-iv', $iv,
                  '-in'));

    my %fields = (clientId => 'shop', encryptUniqueId => $id,
                  timestamp => time, %{ $o{fields} || {} });
    my $text = join '&', map { "$_=$fields{$_}" }
                         qw(clientId encryptUniqueId timestamp);
    my $mac = openssl($text, 'dgst', '-sha256', '-mac', 'HMAC', '-macopt',
                      "hexkey:$key", '-binary');

    return post('naver', form(%fields, signature => encode_base64url($mac),
                              %{ $o{after} || {} }), @form);
}


# --- Meta

{
    my $c = customer('meta', 'work');
    my $email = record($c)->{email};

    $redis->command('HSET', key($c), "id:work:$c->{sub}", "$now \U$email");
    meta({ user_id => $c->{sub} });
    is($redis->command('GET', address($c, 'meta')), $c->{id},
       'an address that another identity of theirs has: stays theirs');
}

{
    my $c = customer('meta');
    my $told = "cut-$c->{sub}\@example.com";
    my $cut = 'shop:email:' . Digest::SHA::sha256_hex($told);

    $redis->command('SET', $cut, $c->{id});
    $redis->command('HSET', key($c), 'email', $told);
    meta({ user_id => $c->{sub} });

    is($redis->command('GET', $cut), undef,
       'an address that a login had put into the profile only: released');
    is($redis->command('GET', address($c, 'meta')), undef,
       '... and so is the one of the identity');
    is(record($c)->{email}, undef, '... and nothing is left');
}

{
    my $c = customer('meta', 'work');
    my ($view) = $redis->keys("shop:view:*:$c->{id}");

    $redis->command('HSET', $view, 'locale', 'de', 'providers', 'meta,work',
                    'visits', '1 1 1 1');

    my $response = meta({ user_id => $c->{sub} });
    my $answer = $response->json;

    is($response->status, 200, 'Meta, data deletion: 200');
    like($response->header('Content-Type'), qr{^application/json\b},
         '... in JSON');
    is_deeply([ sort keys %$answer ], [ 'confirmation_code', 'url' ],
              '... of two members');
    like($answer->{confirmation_code}, qr/^[0-9a-f]{32}\z/, '... a code');
    is($answer->{url}, $shop->url
       . "/_shop/notify/meta?code=$answer->{confirmation_code}",
       '... and an address');
    ended($c, 'Meta, data deletion', 'meta', 'work');
    erased($c, 'Meta, data deletion', 'meta');
    is($redis->command('HGET', $view, 'locale'), undef,
       '... nor has the view a copy');
    is($redis->command('HGET', $view, 'providers'), 'work',
       '... which tells of those that are left');
    is($redis->command('HGET', $view, 'visits'), '1 1 1 1',
       '... and of their visits');
    is(owner($c, 'work'), $c->{id}, '... another identity is theirs still');

    my ($path) = $answer->{url} =~ m{^http://[^/]+(.*)};
    my $page = $nginx->get($path, Accept => 'text/html');

    is($page->status, 200, 'the address is a page');
    like($page->body, qr/What M &amp; Co had told this shop/,
         '... that says what was deleted');
    like($page->body, qr/\Q$answer->{confirmation_code}/,
         '... with the code');
    like($nginx->get($path, 'Accept-Language' => 'de')->body,
         qr/wurde gelöscht/, "... in the customer's language");

    for ($path =~ s/.$//r, $path =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/er,
         $path =~ s/code=./'code=' . ('0' x 1)/er . '0',
         '/_shop/notify/meta', '/_shop/notify/meta?code=',
         $path =~ s/meta/apple/r)
    {
        refused("no page: $_", 404, 'not_found', $nginx->get($_));
    }

    refused('no page of a provider without notices', 404,
            'notify_unsupported', $nginx->get($path =~ s/meta/work/r));
}

{
    my $c = customer('meta');
    my $session = $c->{by}{meta};
    my ($list, $activity, $view)
        = map { $session->key($_) } qw(sessions activity view);

    my %visits = map { $_ => $now } qw(
        first_seen last_seen visits last_visit streak owed earlier_visit
        frequency shown shown:CODE);

    $redis->command('ZADD', $list, $now - 86400, 'ab' x 32);
    $redis->command('HSET', $activity, %visits, 'paid:login' => "$now 1:1",
                    'used:CODE' => 0);
    $redis->command('HSET', $view, locale => 'de', providers => 'meta',
                    visits => "$now $now 1000 1");

    is(meta({ user_id => $c->{sub} })->status, 200,
       'Meta, data deletion of the only identity: 200');
    ended($c, 'the only identity', 'meta');
    erased($c, 'the only identity', 'meta');
    is($redis->command('EXISTS', $list), 0, '... no list of sessions is left');
    is_deeply($redis->hash($activity),
              { 'paid:login' => "$now 1:1", 'used:CODE' => 0 },
              '... of the visits only what bounds promotions and points');
    is_deeply([ grep { /visits|locale|providers/ } keys
                %{ $redis->hash($view) } ], [],
              '... and no copy of them');

    my $again = $redis->command('HGET', key($c), 'erased');

    is(meta({ user_id => $c->{sub} })->status, 200,
       'nobody is known by it: 200 just the same');
    is($redis->command('HGET', key($c), 'erased'), $again,
       '... and nothing is done');
}

{
    my $c = customer('meta', 'work', 'apple');
    my ($view) = $redis->keys("shop:view:*:$c->{id}");

    $redis->command('HSET', $view, 'providers', 'apple,meta,work');
    $redis->command('HSET', key($c), "id:work:other-$c->{sub}", $now);

    answered(meta({ user_id => $c->{sub} }, args => '?deauthorize'), 200,
             'Meta, deauthorized');
    ended($c, 'Meta, deauthorized', 'meta', 'work', 'apple');
    unlinked($c, 'Meta, deauthorized', 'meta');
    is(record($c)->{name}, 'Ann', '... what is known stays');
    is($redis->command('HGET', $view, 'providers'), 'apple,work',
       '... and segments by the other accounts');

    $c = customer('meta', 'work');
    ($view) = $redis->keys("shop:view:*:$c->{id}");

    meta({ user_id => $c->{sub} }, args => '?deauthorize');
    is($redis->command('HGET', $view, 'providers'), undef,
       '... where there are any');

    $c = customer('meta');

    answered(meta({ user_id => $c->{sub} }, args => '?deauthorize'), 200,
             'Meta, deauthorized, the only identity');
    ended($c, 'the only identity', 'meta');
    stays($c, 'the only identity', 'meta');
    is($redis->command('GET', address($c, 'meta')), $c->{id},
       '... and so does its address');
}

{
    # numbers are ids as well

    my $c = customer('meta');

    $c->{sub} = '10150000000000001';
    $redis->command('SET', "shop:identity:meta:$c->{sub}", $c->{id});
    meta({ user_id => 10150000000000001 }, args => '?deauthorize');
    ended($c, 'Meta: an id that is a number', 'meta');
}

{
    my $c = customer('meta');
    my %who = (user_id => $c->{sub});

    for ([ 'the secret of another', 'signature_invalid', \%who,
           key => 'other' ],
         [ 'another algorithm', 'alg_refused',
           { %who, algorithm => 'none' } ],
         [ 'no algorithm', 'claims_malformed',
           { %who, algorithm => undef } ],
         [ 'of eight days ago', 'token_expired',
           { %who, issued_at => $now - 8 * 86400 } ],
         [ 'of tomorrow', 'token_not_yet_valid',
           { %who, issued_at => $now + 86400 } ],
         [ 'what the browser has of a login', 'claims_malformed',
           { %who, code => 'x' } ],
         [ 'no time', 'claims_malformed', { %who, issued_at => undef } ],
         [ 'a time as text', 'claims_malformed',
           { %who, issued_at => 'now' } ],
         [ 'nobody', 'claims_malformed', {} ],
         [ 'an empty id', 'claims_malformed', { user_id => '' } ],
         [ 'an id of 256 bytes', 'claims_malformed',
           { user_id => 'x' x 256 } ],
         [ 'an id with a line feed', 'claims_malformed',
           { user_id => "a\nb" } ],
         [ 'an id that is a list', 'claims_malformed',
           { user_id => [ $c->{sub} ] } ],
         [ 'no object', 'claims_malformed', {}, text => '[]' ],
         [ 'no JSON', 'claims_malformed', {}, text => '{' ])
    {
        my ($name, $reason, $claims, @o) = @$_;

        refused("Meta: $name", 400, $reason, meta($claims, @o));
    }

    my $good = meta_text(\%who);

    for ([ 'no field', 'a=b', 'request_malformed' ],
         [ 'an empty one', 'signed_request=', 'request_malformed' ],
         [ 'two', "signed_request=$good&signed_request=$good",
           'request_malformed' ],
         [ 'no body', '', 'request_malformed' ],
         [ 'no dot', form(signed_request => $good =~ s/\.//r),
           'request_malformed' ],
         [ 'no signature', form(signed_request => $good =~ s/^[^.]*//r),
           'request_malformed' ],
         [ 'half a signature',
           form(signed_request => $good =~ s/^.{20}//r),
           qr/^(?:signature_invalid|request_malformed)$/ ],
         [ 'another payload', form(signed_request => $good =~ s/\..*/.e30/r),
           'signature_invalid' ])
    {
        my ($name, $body, $reason) = @$_;

        refused("Meta: $name", 400, $reason, post('meta', $body, @form));
    }

    is(post('meta', 'signed_request=' . 'x' x 70000, @form)->status, 413,
       'row 36: 70 KB: refused');
    untouched($c, 'after all of them');
}


# --- Apple

{
    my $c = customer('apple', 'work');
    my $email = record($c)->{email};

    answered(apple({ type => 'email-disabled', sub => $c->{sub} }), 200,
             'Apple, an address that takes no mail');
    is(record($c)->{email_disabled}, $email, '... is marked');
    is(record($c)->{email}, $email, '... and kept');
    is(status($c->{by}{apple}), 200, '... nobody is signed out');

    $redis->command('HSET', key($c), 'email_disabled', uc $email);
    answered(apple({ type => 'email-enabled', sub => $c->{sub} }), 200,
             'Apple, it takes some again');
    is(record($c)->{email_disabled}, undef, '... is marked no more');

    answered(apple({ type => 'consent-revoked', sub => $c->{sub} }), 200,
             'Apple, consent revoked');
    ended($c, 'Apple, consent revoked', 'apple', 'work');
    unlinked($c, 'Apple, consent revoked', 'apple');

    # the address of another identity is in the profile

    $c = customer('apple', 'work');

    $email = email($c, 'work');

    apple({ type => 'email-disabled', sub => $c->{sub} });
    is(record($c)->{email_disabled}, email($c, 'apple'), 'Apple, again');
    $redis->command('HSET', key($c), 'email', $email);
    apple({ type => 'account-delete', sub => $c->{sub} });
    is(record($c)->{email_disabled}, undef,
       'Apple, an account that is no more: nor is its address marked');
    is(record($c)->{email}, $email, '... the other one stays');

    $c = customer('apple', 'work');
    $email = email($c, 'work');

    $redis->command('HSET', key($c), 'email_disabled', $email);
    apple({ type => 'account-delete', sub => $c->{sub} });
    is(record($c)->{email_disabled}, $email,
       '... if it is the one that takes no mail, it is marked still');

    for my $type ('account-delete', 'account-deleted') {
        $c = customer('apple');

        answered(apple({ type => $type, sub => $c->{sub} }), 200,
                 "Apple, $type");
        ended($c, "Apple, $type", 'apple');
        erased($c, "Apple, $type", 'apple');
    }

    $c = customer('apple');

    answered(apple({ type => 'something-new', sub => $c->{sub} }), 200,
             'Apple, what is not known');
    answered(apple({ type => 'consent-revoked', sub => $c->{sub} },
                   { aud => 'other' . '' }), 400, 'Apple, of another client',
             '{"type":"about:blank","title":"Bad Request","status":400,'
             . '"reason":"aud_mismatch"}');
    untouched($c, 'Apple');

    my $event = { type => 'account-delete', sub => $c->{sub} };

    for ([ 'another issuer', 'iss_mismatch', $event,
           { iss => 'https://evil.example' } ],
         [ 'the issuer of another provider here', 'iss_mismatch', $event,
           { iss => $provider->issuer('/risc') } ],
         [ 'no aud', 'aud_mismatch', $event, { aud => undef } ],
         [ 'no iat', 'claims_malformed', $event, { iat => undef } ],
         [ 'of eight days ago', 'token_expired', $event,
           { iat => $now - 8 * 86400 } ],
         [ 'of tomorrow', 'token_not_yet_valid', $event,
           { iat => $now + 86400 } ],
         [ 'no jti', 'claims_malformed', $event, { jti => undef } ],
         [ 'no events', 'claims_malformed', $event, { events => undef } ],
         [ 'events that are no text', 'claims_malformed', $event,
           { events => $event } ],
         [ 'events that are no JSON', 'claims_malformed', '{' ],
         [ 'nobody', 'subject_missing', { type => 'account-delete' } ],
         [ 'an ID token', 'claims_malformed', $event,
           { events => undef, sub => $c->{sub} } ])
    {
        my ($name, $reason, $e, $claims) = @$_;

        refused("Apple: $name", 400, $reason, apple($e, $claims));
    }

    for ([ 'alg none', qr/_/, alg => 'none' ],
         [ 'HS256 by the client secret', 'alg_refused', alg => 'HS256' ],
         [ 'HS256 by the public key', 'alg_refused', alg => 'HS256',
           hmac => { pem => 'rsa-1' } ],
         [ 'a flipped signature', 'signature_invalid', signature => 'flip' ],
         [ 'a key of somebody else', 'signature_invalid',
           signature => 'foreign' ],
         [ 'a key that nobody knows', 'key_unknown', kid => 'none' ],
         [ 'a logout token', 'typ_refused',
           header => { typ => 'logout+jwt' } ],
         [ 'a token of no kind', 'typ_refused', header => { typ => 'JOSE' } ])
    {
        my ($name, $reason, @o) = @$_;

        refused("Apple: $name", 400, $reason, apple($event, {}, @o));
    }

    for ('', '{}', '[]', '{"payload":1}', '{"payload":"x"', 'x',
         '{"payload":""}', '{"payload":"a.b.c"}')
    {
        refused("Apple: $_", 400, qr/^(?:request|token)_malformed$/,
                post('apple', $_, @json));
    }

    untouched($c, 'Apple, after all of them');

    is(apple($event, { aud => 'app' })->status, 200,
       "Apple, by an app's client id");
    erased($c, "Apple, by an app's client id", 'apple');
}


# --- Google and other senders of security events

{
    for my $type ('risc:sessions-revoked', 'oauth:tokens-revoked',
                  'risc:account-disabled',
                  'risc:account-credential-change-required',
                  'caep:session-revoked')
    {
        my $c = customer('risc', 'work');

        answered(risc(risc_event($type, $c->{sub}, reason => 'hijacking')),
                 202, "Google, $type");
        ended($c, "Google, $type", 'risc', 'work');
        stays($c, "Google, $type", 'risc');
    }

    my $c = customer('risc');

    for my $type ('risc:verification', 'risc:account-enabled',
                  'caep:something-new', 'oauth:token-revoked')
    {
        answered(risc(risc_event($type, $c->{sub}, state => 'x')), 202,
                 "Google, $type");
    }

    answered(risc({}), 202, 'Google, no event');
    untouched($c, 'Google');

    # a token as a whole, in the other ways that there are

    my $word = "$uri{risc}sessions-revoked";

    for ([ 'sub', { $word => {} }, { sub => $c->{sub} } ],
         [ 'sub_id', { $word => {} }, { sub_id => { format => 'iss_sub',
             iss => $provider->issuer('/risc'), sub => $c->{sub} } } ],
         [ 'many audiences', risc_event('risc:sessions-revoked', $c->{sub}),
           { aud => [ 'other', 'app' ] } ],
         [ 'an end that is over',
           risc_event('risc:sessions-revoked', $c->{sub}),
           { exp => $now - 1000 } ],
         [ 'two events', { %{ risc_event('risc:sessions-revoked',
                                         $c->{sub}) },
                           %{ risc_event('oauth:tokens-revoked',
                                         $c->{sub}) } } ])
    {
        my ($name, $events, $claims) = @$_;

        my $d = customer('risc');
        my $text = encode([ $events, $claims ]) =~ s/$c->{sub}/$d->{sub}/gr;

        ($events, $claims) = @{ JSON::PP::decode_json($text) };

        answered(risc($events, $claims), 202, "Google, $name");
        ended($d, "Google, $name", 'risc');
    }

    my $purged = customer('risc');

    answered(risc(risc_event('risc:account-purged', $purged->{sub})), 202,
             'Google, an account that is no more');
    erased($purged, 'Google, an account that is no more', 'risc');

    my $event = risc_event('risc:sessions-revoked', $c->{sub});

    for ([ 'another issuer', 'invalid_issuer', 'iss_mismatch', $event,
           { iss => 'https://evil.example' } ],
         [ 'another audience', 'invalid_audience', 'aud_mismatch', $event,
           { aud => [ 'other' ] } ],
         [ 'a subject of another issuer', 'invalid_issuer', 'iss_mismatch',
           { $word => { subject => { subject_type => 'iss-sub',
             iss => 'https://evil.example', sub => $c->{sub} } } } ],
         [ 'two subjects', 'invalid_request', 'claims_malformed',
           { %$event, %{ risc_event('oauth:tokens-revoked', 'other') } } ],
         [ 'seventeen events', 'invalid_request', 'claims_malformed',
           { map { ("https://e.example/$_" => {}) } 1 .. 17 } ],
         [ 'nobody', 'invalid_request', 'subject_missing',
           { $word => {} } ],
         [ 'somebody by an address', 'invalid_request', 'subject_missing',
           { $word => { subject => { subject_type => 'email',
                                     email => 'a@example.com' } } } ],
         [ 'a subject of no kind', 'invalid_request', 'claims_malformed',
           { $word => { subject => {} } } ],
         [ 'no events', 'invalid_request', 'claims_malformed', undef ],
         [ 'events as text', 'invalid_request', 'claims_malformed', 'x' ],
         [ 'no jti', 'invalid_request', 'claims_malformed', $event,
           { jti => undef } ],
         [ 'of eight days ago', 'invalid_request', 'token_expired', $event,
           { iat => $now - 8 * 86400 } ],
         [ 'a flipped signature', 'authentication_failed',
           'signature_invalid', $event, {}, signature => 'flip' ],
         [ 'a key of somebody else', 'authentication_failed',
           'signature_invalid', $event, {}, signature => 'foreign' ],
         [ 'a key that nobody knows', 'invalid_key', 'key_unknown', $event,
           {}, kid => 'none' ],
         [ 'HS256', 'invalid_key', 'alg_refused', $event, {},
           alg => 'HS256' ],
         [ 'a token of another kind', 'invalid_request', 'typ_refused',
           $event, {}, header => { typ => 'at+jwt' } ])
    {
        my ($name, $err, $reason, $events, $claims, @o) = @$_;
        my $response = risc($events, $claims, @o);

        is($response->status, 400, "row 36: Google: $name: 400");
        is($response->body, qq({"err":"$err","description":"$reason"}),
           '... as RFC 8935 says');
        is($response->header('Content-Language'), 'en', '... in English');
    }

    for ('', 'x', 'eyJ', '{}', 'a.b.c') {
        my $response = post('risc', $_);

        is($response->status, 400, "row 36: Google: \"$_\"");
        is($response->json->{err}, 'invalid_request', '... is no request');
    }

    untouched($c, 'Google, after all of them');
}


# --- TikTok

{
    my $c = customer('tiktok', 'work');

    answered(tiktok({ user_openid => $c->{sub} }), 200, 'TikTok, removed');
    ended($c, 'TikTok, removed', 'tiktok', 'work');
    unlinked($c, 'TikTok, removed', 'tiktok');

    $c = customer('tiktok');

    answered(tiktok({ user_openid => $c->{sub} }), 200,
             'TikTok, removed, the only identity');
    ended($c, 'the only identity', 'tiktok');
    stays($c, 'the only identity', 'tiktok');

    $c = customer('tiktok');

    answered(tiktok({ user_openid => $c->{sub},
                      content => '{"reason":2}' }), 200,
             'TikTok, an account that is no more');
    erased($c, 'TikTok, an account that is no more', 'tiktok');

    $c = customer('tiktok');

    answered(tiktok({ user_openid => $c->{sub}, event => 'video.upload' }),
             200, 'TikTok, something else');

    my %who = (user_openid => $c->{sub});

    for ([ 'no signature', 'signature_missing', \%who, bare => 1 ],
         [ 'the secret of another', 'signature_invalid', \%who,
           key => 'other' ],
         [ 'another client', 'aud_mismatch',
           { %who, client_key => 'other' } ],
         [ 'of eight days ago', 'token_expired', \%who,
           t => $now - 8 * 86400 ],
         [ 'of tomorrow', 'token_not_yet_valid', \%who, t => $now + 86400 ],
         [ 'no time', 'claims_malformed', \%who, t => 'now' ],
         [ 'nobody', 'claims_malformed', {} ])
    {
        my ($name, $reason, $event, @o) = @$_;

        refused("TikTok: $name", 400, $reason, tiktok($event, @o));
    }

    for ('x', 't=1', 't=1,s=', 't=,s=00', 't=1,s=' . '0' x 64,
         's=' . '0' x 64 . ',t=1', 't=1,s=' . '0' x 66, ',')
    {
        refused("TikTok: a signature \"$_\"", 400, 'signature_invalid',
                post('tiktok', '{}', 'TikTok-Signature' => $_));
    }

    untouched($c, 'TikTok, after all of them');
}


# --- Discord

{
    my $c = customer('discord', 'work');

    answered(discord({ type => 0 }), 204, 'Discord, a ping');
    answered(discord(discord_event($c->{sub}, 'APPLICATION_AUTHORIZED')),
             204, 'Discord, something else');
    untouched($c, 'Discord');
    answered(discord(discord_event($c->{sub})), 204, 'Discord, removed');
    ended($c, 'Discord, removed', 'discord', 'work');
    unlinked($c, 'Discord, removed', 'discord');

    $c = customer('discord');

    my $event = discord_event($c->{sub});

    for ([ 'no signature', 401, 'signature_missing', $event, bare => 1 ],
         [ 'a key of another', 401, 'signature_invalid', $event,
           key => Crypt::PK::Ed25519->new->generate_key ],
         [ 'another application', 400, 'aud_mismatch',
           { %$event, application_id => 1 } ],
         [ 'of eight days ago', 400, 'token_expired', $event,
           t => $now - 8 * 86400 ],
         [ 'nobody', 400, 'claims_malformed', discord_event(undef) ],
         [ 'no type', 400, 'claims_malformed', { type => undef } ])
    {
        my ($name, $status, $reason, $e, @o) = @$_;

        refused("Discord: $name", $status, $reason, discord($e, @o));
    }

    for ('x', '0' x 128, '0' x 126, 'g' x 128) {
        refused("Discord: a signature \"$_\"", 401, 'signature_invalid',
                post('discord', '{}', 'X-Signature-Ed25519' => $_,
                     'X-Signature-Timestamp' => $now));
    }

    refused('Discord: no time', 401, 'signature_missing',
            post('discord', '{}', 'X-Signature-Ed25519' => '0' x 128));
    untouched($c, 'Discord, after all of them');
}


# --- Kakao, by two kinds

{
    my $c = customer('kakao', 'work');

    answered(kakao({ user_id => $c->{sub},
                     referrer_type => 'UNLINK_FROM_APPS' }), 200,
             'Kakao, unlinked');
    ended($c, 'Kakao, unlinked', 'kakao', 'work');
    unlinked($c, 'Kakao, unlinked', 'kakao');

    for my $why ('ACCOUNT_DELETE', 'FORCED_ACCOUNT_DELETE') {
        $c = customer('kakao');

        answered(kakao({ user_id => $c->{sub}, referrer_type => $why }), 200,
                 "Kakao, $why");
        erased($c, "Kakao, $why", 'kakao');
    }

    $c = customer('kakao', 'work');

    answered(post('kakao', token('kakao', { sub => $c->{sub}, events => {
                      'https://kauth.kakao.com/e/user-unlinked' => {} } })),
             202, 'Kakao, an event');
    ended($c, 'Kakao, an event', 'kakao', 'work');
    unlinked($c, 'Kakao, an event', 'kakao');

    $c = customer('kakao');

    my %who = (user_id => $c->{sub}, referrer_type => 'ACCOUNT_DELETE');

    for ([ 'no key', 'signature_missing', '' ],
         [ 'another key', 'signature_invalid', 'KakaoAK adm1n-kex' ],
         [ 'half a key', 'signature_invalid', 'KakaoAK adm1n' ],
         [ 'an empty key', 'signature_invalid', 'KakaoAK ' ],
         [ 'the key as something else', 'signature_invalid',
           'Bearer adm1n-key' ])
    {
        my ($name, $reason, $key) = @$_;

        refused("Kakao: $name", 400, $reason, kakao(\%who, key => $key));
    }

    refused('Kakao: nobody', 400, 'request_malformed', kakao({}));
    refused('Kakao: two', 400, 'request_malformed',
            post('kakao', "user_id=1&user_id=2", @form,
                 Authorization => 'KakaoAK adm1n-key'));
    refused('Kakao: an id of 256 bytes', 400, 'claims_malformed',
            kakao({ user_id => 'x' x 256 }));
    untouched($c, 'Kakao, after all of them');
}


# --- Naver, signed and encrypted by openssl

{
    my $c = customer('naver', 'work');

    answered(naver($c->{sub}), 204, 'Naver, unlinked');
    ended($c, 'Naver, unlinked', 'naver', 'work');
    unlinked($c, 'Naver, unlinked', 'naver');

    $c = customer('naver');

    answered(naver($c->{sub}, fields => { timestamp => time . '000' }), 204,
             'Naver, a time in milliseconds');
    ended($c, 'Naver, a time in milliseconds', 'naver');

    $c = customer('naver');

    for ([ 'the secret of another', 'signature_invalid', key => 'other' ],
         [ 'another client', 'aud_mismatch',
           fields => { clientId => 'other' } ],
         [ 'of eight days ago', 'token_expired',
           fields => { timestamp => $now - 8 * 86400 } ],
         [ 'no time', 'claims_malformed', fields => { timestamp => 'x' } ],
         [ 'a time of 20 digits', 'claims_malformed',
           fields => { timestamp => '1' x 20 } ],
         [ 'another time', 'signature_invalid',
           after => { timestamp => $now - 5 } ],
         [ 'no signature', 'request_malformed', after => { signature => '' } ],
         [ 'what is no base64', 'signature_invalid',
           after => { signature => '!' } ],
         [ 'somebody in the clear', 'claims_malformed',
           fields => { encryptUniqueId => $c->{sub} } ],
         [ 'half a block', 'claims_malformed',
           fields => { encryptUniqueId => encode_base64url('x' x 40) } ],
         [ 'noise', 'claims_malformed',
           fields => { encryptUniqueId => encode_base64url('x' x 32) } ])
    {
        my ($name, $reason, @o) = @$_;

        refused("Naver: $name", 400, $reason, naver($c->{sub}, @o));
    }

    untouched($c, 'Naver, after all of them');
}


# --- logout tokens, which come to an address of their own

my $logout = 'http://schemas.openid.net/event/backchannel-logout';

sub backchannel {
    my ($name, $claims, %o) = @_;

    return $nginx->post("/_shop/backchannel/$name", form(
        logout_token => token($name, { exp => time + 120,
                                       events => { $logout => {} },
                                       %$claims },
                              header => { typ => 'logout+jwt' }, %o)), @form);
}

{
    my $c = customer('silent', 'work');
    my %who = (sub => $c->{sub}, sid => 'some device');

    for ([ 'another issuer', 'iss_mismatch', { iss => 'https://e.example' } ],
         [ 'another audience', 'aud_mismatch', { aud => 'other' } ],
         [ 'no iat', 'claims_malformed', { iat => undef } ],
         [ 'of eight days ago', 'token_expired',
           { iat => $now - 8 * 86400 } ],
         [ 'an end that is over', 'token_expired', { exp => $now - 1000 } ],
         [ 'an end as text', 'claims_malformed', { exp => 'never' } ],
         [ 'no jti', 'claims_malformed', { jti => undef } ],
         [ 'no events', 'claims_malformed', { events => undef } ],
         [ 'another event', 'claims_malformed',
           { events => { 'http://e.example/' => {} } } ],
         [ 'an event as text', 'claims_malformed',
           { events => { $logout => 'x' } } ],
         [ 'a nonce', 'claims_malformed', { nonce => 'x' } ],
         [ 'a session alone', 'subject_missing', { sub => undef } ],
         [ 'nobody and no session', 'subject_missing',
           { sub => undef, sid => undef } ],
         [ 'an ID token', 'claims_malformed', { events => undef },
           header => { typ => 'JWT' } ],
         [ 'a token of another kind', 'typ_refused', {},
           header => { typ => 'secevent+jwt' } ],
         [ 'a token of no kind', 'typ_refused', {},
           header => { typ => 'JOSE' } ],
         [ 'a flipped signature', 'signature_invalid', {},
           signature => 'flip' ],
         [ 'a key of somebody else', 'signature_invalid', {},
           signature => 'foreign' ],
         [ 'alg none', 'alg_refused', {}, alg => 'none' ],
         [ 'HS256', 'alg_refused', {}, alg => 'HS256' ])
    {
        my ($name, $reason, $claims, @o) = @$_;
        my $response = backchannel('silent', { %who, %$claims }, @o);

        answered($response, 400, "row 35: $name", '{"error":'
                 . qq("invalid_request","error_description":"$reason"}));
    }

    for ('', 'logout_token=', 'logout_token=x', 'a=b') {
        my $response = $nginx->post('/_shop/backchannel/silent', $_, @form);

        is($response->status, 400, "row 35: \"$_\"");
        is($response->json->{error}, 'invalid_request', '... is none');
    }

    untouched($c, 'row 35: after all of them');

    my $token = form(logout_token => token('silent', {
        %who, exp => time + 120, events => { $logout => {} } },
        header => { typ => 'logout+jwt' }));

    answered($nginx->post('/_shop/backchannel/silent', $token, @form), 200,
             'row 35: a logout token');
    ended($c, 'row 35: a logout token', 'silent', 'work');
    stays($c, 'row 35: a logout token', 'silent');

    my $next = ShopTest::Session->new(redis => $redis, provider => 'silent',
                                      customer => $c->{id});

    is(status($next), 200, '... the customer signs in again');
    is($nginx->post('/_shop/backchannel/silent', $token, @form)->status, 200,
       'row 35: the same token: answered as done');
    is(status($next), 200, '... and nobody is signed out');
    is(backchannel('silent', { sub => 'nobody' })->status, 200,
       'row 35: somebody who is not known');
    is($nginx->get('/_shop/backchannel/silent')->status, 405,
       'row 35: GET is refused');

    # by the algorithms of "alg"

    is(backchannel('apps', { sub => 'nobody' })->status, 200,
       'row 35: apps have algorithms of their own: RS256');
    answered(backchannel('apps', { sub => 'nobody' }, alg => 'ES256',
                         key => 'p256-1'), 400,
             'row 35: apps have algorithms of their own: ES256',
             '{"error":"invalid_request","error_description":"alg_refused"}');
}


# --- replays

{
    my $c = customer('risc');
    my $token = token('risc', {
        iss => 'https://risc.example/',
        events => risc_event('risc:sessions-revoked', $c->{sub}) });

    is(post('risc', $token)->status, 202, 'row 36: a notice');
    ended($c, 'row 36: a notice', 'risc');

    my $next = ShopTest::Session->new(redis => $redis, provider => 'risc',
                                      customer => $c->{id});

    is(status($next), 200, '... the customer signs in again');
    is(post('risc', $token)->status, 202,
       'row 36: the same notice: answered as done');
    is(status($next), 200, '... and nobody is signed out');

    # known by what is the provider's, not by how it was signed

    is(post('risc', token('risc', {
        iss => 'https://risc.example/', jti => 'once',
        events => risc_event('risc:sessions-revoked', 'nobody') }))->status,
       202, 'row 36: a notice about nobody');
    is(post('risc', token('risc', {
        iss => 'https://risc.example/', jti => 'once', iat => time - 5,
        events => risc_event('risc:sessions-revoked', $c->{sub}) }))->status,
       202, '... the same number');
    is(status($next), 200, '... is the same notice');

    my ($key) = grep { $redis->command('GET', $_) eq 'notice' }
                $redis->keys('shop:spent:*');

    cmp_ok($redis->command('TTL', $key), '>', 7 * 86400,
           '... for longer than one is good');

    # what one provider has said is nothing of another

    my $d = customer('down');

    is(post('down', token('down', { jti => 'once', sub => $d->{sub},
           events => { "$uri{risc}sessions-revoked" => {} } }))->status,
       202, 'row 36: the number of another provider');
    ended($d, 'row 36: the number of another provider', 'down');

    my $e = customer('meta');
    my $body = form(signed_request => meta_text({ user_id => $e->{sub} }));
    my $first = post('meta?deauthorize', $body, @form);

    ended($e, 'row 36: Meta, deauthorized', 'meta');
    is(post('meta', $body, @form)->json->{confirmation_code},
       post('meta', $body, @form)->json->{confirmation_code},
       'row 36: a deletion that is asked for twice has one code');
    erased($e, 'row 36: Meta, deleted', 'meta');
}


# --- a provider's name changes hands: its subjects are other people

for ([ 'down', 202, sub {
           my $token = token('down', { sub => $_[0]->{sub},
               events => { "$uri{risc}account-purged" => {} } });

           return sub { post('down', $token) };
       } ],
     [ 'silent', 200, sub {
           my $token = form(logout_token => token('silent', {
               sub => $_[0]->{sub}, exp => time + 120,
               events => { $logout => {} } },
               header => { typ => 'logout+jwt' }));

           return sub {
               $nginx->post('/_shop/backchannel/silent', $token, @form);
           };
       } ])
{
    my ($name, $done, $notice) = @$_;
    my $c = customer($name);
    my $post = $notice->($c);

    $redis->command('HSET', 'shop:meta', "provider:$name",
                    'https://before.example');
    refused("$name: of another issuer than its customers", 502,
            'issuer_changed', $post->());
    untouched($c, $name);
    is($redis->command('HGET', 'shop:meta', "provider:$name"),
       'https://before.example', '... and the issuer stays who it was');

    $redis->command('HSET', 'shop:meta', "provider:$name",
                    $provider->issuer("/$name"));
    is($post->()->status, $done, '... it is done when that was mended');
    is(status($c->{by}{$name}), 401, '... and was not taken for done before');
}


# --- many sessions

{
    my $c = customer('risc', 'work');
    my @many = map { ShopTest::Session->new(
        redis => $redis, customer => $c->{id}, provider => 'risc') }
        1 .. 1100;

    my $list = $many[0]->key('sessions');

    $redis->command('ZADD', $list, $now, 'no hash');
    $redis->command('ZADD', $list, $now, 'ab' x 32);

    is($many[$_] && status($many[$_]), 200, "session $_ is one")
        for 0, 499, 500, 1099;
    is(risc(risc_event('risc:sessions-revoked', $c->{sub}))->status, 202,
       'eleven hundred sessions');
    is(scalar(grep { $redis->command('EXISTS', $_->key) } @many), 0,
       '... end, all of them');
    is(status($many[$_]), 401, "... session $_, too") for 0, 499, 500, 1099;
    is(status($c->{by}{work}), 200, '... the one by another does not');
    is($redis->command('ZSCORE', $list, 'ab' x 32), undef,
       '... one that was over is not listed any more');
    is($redis->command('ZCARD', $list), 2,
       '... and who is left stands in the list');
}


# --- endpoints

refused('a provider without notices', 404, 'notify_unsupported',
        post('work', ''));
refused('one that says so', 404, 'notify_unsupported', post('silent', ''));
refused('one that there is not', 404, 'provider_unknown', post('none', ''));
is(request($nginx->port, 'PUT', '/_shop/notify/meta')->status, 405,
   'PUT is refused');


# --- what was cut off in a login

{
    $redis->command('SET', 'shop:identity:meta:claimed', 'c-none');
    is(meta({ user_id => 'claimed' })->status, 200,
       'an identity of a customer who was never made: 200');
    is($redis->command('GET', 'shop:identity:meta:claimed'), undef,
       "... is nobody's");
    is(scalar(() = $redis->keys('shop:customer:*:c-none')), 0,
       '... and nobody is made');

    # as is one that the shop has given to them, until they sign in

    my $c = customer('meta');

    $redis->command('HDEL', key($c), "id:meta:$c->{sub}");
    meta({ user_id => $c->{sub} }, args => '?deauthorize');
    ended($c, 'an only identity that was never written down', 'meta');
    is(owner($c, 'meta'), $c->{id}, '... stays theirs');

    $redis->command('HSET', key($c), "id:work:$c->{sub}", $now);
    meta({ user_id => $c->{sub}, issued_at => $now - 60 },
         args => '?deauthorize');
    is(owner($c, 'meta'), undef, '... if they have no other one');

    $c = customer('meta');

    $redis->command('HDEL', key($c), "id:meta:$c->{sub}");
    meta({ user_id => $c->{sub} });
    is(owner($c, 'meta'), undef, '... or it is to be deleted');
    is(record($c)->{name}, undef, '... with what is known');
}


# --- Redis fails at each step

for my $action (qw(close lost error nil stall)) {
    for my $after (0 .. 20) {
        my $name = "row 36: $action after $after";
        my $c = customer('meta', 'work');
        my $body = form(signed_request
                        => meta_text({ user_id => $c->{sub} }));

        $proxy->spoil($action, $after);

        my $response = post('meta', $body, @form);

        if (!$proxy->heal) {
            is($response->status, 200, "$name: no more commands");
            last;
        }

        # a null is what Redis says of what it does not know

        if ($action ne 'nil' || $response->status != 200) {
            refused($name, 503, qr/^redis_/, $response);
            is($response->header('Retry-After'), 5,
               "$name: when to try again");
        }

        wait_for {
            ($response = post('meta', $body, @form))->status == 200
        } 'the provider to have sent it again';

        next if $action eq 'nil';

        ended($c, $name, 'meta', 'work');
        erased($c, $name, 'meta');
    }
}

{
    my $c = customer('meta');

    $redis->freeze;
    refused('row 36: Redis frozen', 503, qr/^redis_/,
            meta({ user_id => $c->{sub} }));
    $redis->thaw;

    wait_for { meta({ user_id => $c->{sub} })->status == 200 }
             'Redis to be used again';

    erased($c, 'row 36: and after it', 'meta');
}


# --- the provider's keys cannot be had

for ([ 'keys_error', 502, { status => 500 } ],
     [ 'provider_timeout', 504, { stall => 60 } ])
{
    my ($reason, $status, $fault) = @$_;
    my $name = 'late' . $status;

    my $other = shop(
        redis => $redis, provider => $provider,
        providers => { $name => "/$name" },
        provider_conf => 'notify secevent;');

    my $c = customer('work');
    my $token = token($name, { sub => $c->{sub}, events => {
        "$uri{risc}sessions-revoked" => {} } });

    $provider->set({ fault => { jwks => $fault } });

    my $response = $other->nginx->post("/_shop/notify/$name", $token);

    $other->refuses($status, $reason, $response, "row 36: $reason");
    $provider->restore;

    wait_for {
        $other->nginx->post("/_shop/notify/$name", $token)->status == 202
    } 'the provider to be asked again';

    pass('... and the same notice is good when they can');
}


# --- the provider goes away

{
    $shop->signs_in('before');
    $shop->is_idle('before', $proxy->port);

    for my $after (0 .. 20) {
        my $c = customer('meta');
        my $body = form(signed_request
                        => meta_text({ user_id => $c->{sub} }));
        my $client = $nginx->connect;

        $proxy->spoil('stall', $after);
        $client->send('POST', '/_shop/notify/meta', headers => \@form,
                      body => $body);

        my $answered;

        wait_for {
            $answered = ShopTest::pause(0, $client->{socket});
            $answered || $proxy->spoiled
        } 'Redis to be asked';

        $after % 2 ? $client->close : $client->reset;
        $proxy->heal;

        last if $answered;

        $shop->is_idle("gone while command $after is awaited",
                       $proxy->port);

        wait_for { post('meta', $body, @form)->status == 200 }
                 'Redis to be used again';

        erased($c, "gone at $after: it is sent again", 'meta');
    }

    # what has ended stays so, if a failover brings it back

    my $other = shop(
        redis => $redis, provider => $provider,
        vars => { redis => $proxy->url . ' timeout=10s' },
        providers => { gone => '/gone' },
        provider_conf => 'notify meta_signed_request;');

    my $look = sub {
        return $other->nginx->get('/_shop/me', Cookie => $_[0]->cookie)
                     ->status;
    };

    my $c = customer('gone');
    my $session = $c->{by}{gone};
    my $probe = ShopTest::Session->new(redis => $redis, store => 0,
                                       provider => 'gone');

    is($look->($session), 200, 'a customer is signed in');
    is($look->($probe), 401, '... another one is not');

    my $client = $other->nginx->connect;

    # the first one releases the address

    $proxy->spoil('hold', 1, only => 'EVALSHA');
    $client->send('POST', '/_shop/notify/gone?deauthorize',
                  headers => \@form, body => form(
                      signed_request => meta_text({ user_id => $c->{sub} })));

    wait_for { $proxy->spoiled } 'the session to end';
    $client->close;
    wait_for { $other->nginx->log =~ /client prematurely closed/ }
             'nginx to see that nobody waits';
    $proxy->heal;

    wait_for { $look->($session) == 401 } 'the end to be seen';
    $session->store;
    $probe->store;
    wait_for { $look->($probe) == 200 } 'what comes back to be seen';
    is($look->($session), 401, '... stays signed out, though nobody waited');

    for my $how (qw(close reset)) {
        my $client = $nginx->connect;

        $client->write("POST /_shop/notify/meta HTTP/1.1\r\nHost: a\r\n"
                       . "Content-Length: 100\r\n\r\nsigned_re");
        $client->$how;
        $shop->is_idle("$how in the midst", $proxy->port);
    }
}

done_testing();
