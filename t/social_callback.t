# Rows 1 to 6: the authorization request and what comes back from it.  Who
# can make a browser ask the callback with parameters of their choice must
# gain nothing by that.

use lib 't/lib';
use ShopTest;

use ShopTest::Server qw(query_fields);

my $shop = shop(providers => { work => '', other => '/other',
                               silent => '/silent' });
my $provider = $shop->provider;

# this one does not promise "iss", and does not send it

$provider->set({ at => { '/silent' => {
    discovery => { authorization_response_iss_parameter_supported => undef },
    callback  => { iss => undef },
} } });


# changes the fields of a callback's URL; undef removes one

sub changed {
    my ($url, %change) = @_;
    my ($base, $args) = split /\?/, $url, 2;

    return "$base?" . ShopTest::Provider::query(
        ShopTest::Provider::apply(query_fields($args), \%change));
}


# one callback of a new attempt, with other fields

sub try_callback {
    my ($status, $reason, $name, $change, %o) = @_;

    my $browser = $shop->browser;
    my $url = $shop->attempt($browser, %o);

    $url = ref $change eq 'CODE' ? $change->($url)
                                 : changed($url, %$change);
    $provider->forget;

    my $response = $shop->callback($browser, $url);

    $shop->refuses($status, $reason, $response, $name, $browser);

    is($provider->count('/token'), 0, "$name: no code was sent anywhere");

    return ($browser, $url, $response);
}


# --- row 1

{
    my $browser = $shop->browser;

    $shop->start($browser);

    my ($request) = $provider->requests('/authorize');
    my $f = query_fields($request->{args});

    is($f->{response_type}, 'code', 'row 1: the code flow');
    is($f->{code_challenge_method}, 'S256', 'row 1: PKCE by S256');
    is($f->{redirect_uri}, $shop->url . '/_shop/callback/work',
       'row 1: the redirect URI comes from the base URL');
    ok(!exists $f->{response_mode}, 'row 1: no fragment is asked for');

    $shop->login($browser, '/');
    ok($shop->me($browser), 'row 1: a strict provider is pleased');
    is_deeply([ $provider->violations ], [],
              'row 1: the verifier was right, each attempt had its own');

    # an attacker's code in the victim's attempt meets the wrong verifier

    my $attacker = $shop->browser;
    my $victim = $shop->browser;
    my ($args) = $shop->attempt($attacker) =~ /\?(.*)/;
    my $url = $shop->attempt($victim);

    my $response = $shop->callback($victim,
        changed($url, code => query_fields($args)->{code}));

    $shop->refuses(qr/^(?:400|502)$/, 'code_refused', $response,
                   "row 1: an injected code", $victim);
    $provider->violations;
}


# --- row 2

{
    try_callback(400, 'state_missing', 'row 2: no state',
                 { state => undef });
    try_callback(400, qr/^state_(?:missing|unknown)$/, 'row 2: empty state',
                 { state => '' });
    try_callback(400, 'state_unknown', 'row 2: truncated state',
                 sub { $_[0] =~ s/(state=[^&]{20})[^&]*/$1/r });
    try_callback(400, 'state_unknown', 'row 2: longer state',
                 sub { $_[0] =~ s/(state=[^&]*)/$1A/r });
    try_callback(400, 'state_unknown', 'row 2: state of 8 KB',
                 { state => 'a' x 7000 });
    try_callback(400, 'state_unknown', 'row 2: invented state',
                 { state => 'A' x 43 });

    my $stranger = $shop->browser;
    my $foreign = $shop->attempt($stranger);

    $provider->forget;

    my $victim = $shop->browser;

    $shop->refuses(400, 'state_unknown', $shop->callback($victim, $foreign),
                   "row 2: another browser's state", $victim);

    $shop->attempt($victim);
    $shop->refuses(400, 'state_unknown', $shop->callback($victim, $foreign),
                   "row 2: the same with an attempt of one's own", $victim);
    is($provider->count('/token'), 0, 'row 2: no code was exchanged');

    # it is not the worse for the one it belongs to

    is($shop->callback($stranger, $foreign)->status, 303,
       'row 2: its owner can still use it');

    my $response = $shop->callback($stranger, $foreign);

    is($response->status, 303,
       'row 2: replayed with a live session it goes on');
    is($response->header('Location'), $shop->url . '/',
       'row 2: to where the login wanted to go');
    is($provider->count('/token'), 1, 'row 2: and exchanges nothing');

    # without the session, with the attempt's cookie brought back

    my $thief = $shop->browser;
    my $url = $shop->attempt($thief);
    my $copy = $thief->clone;

    is($shop->callback($thief, $url)->status, 303, 'row 2: spent once');
    $provider->forget;

    $shop->refuses(400, 'attempt_spent', $shop->callback($copy, $url),
                   'row 2: spent twice', $copy);
    is($provider->count('/token'), 0, 'row 2: no code was exchanged again');

    # at the same time

    my $hasty = $shop->browser;
    my $at_once = $shop->attempt($hasty);

    $provider->forget;

    my @waiting = map { $hasty->start($at_once,
                                      accept => 'application/json') } 1 .. 5;
    my @status = sort map { $_->response->status } @waiting;

    is($provider->count('/token'), 1, 'row 2: five at once exchange one');
    is(scalar(grep { $_ == 303 } @status), 1, 'row 2: and one signs in')
        or diag("@status");

    # two tabs are two attempts

    my $tabs = $shop->browser;
    my $first = $shop->attempt($tabs);
    my $second = $shop->attempt($tabs);

    is($shop->callback($tabs, $first)->status, 303,
       'row 2: the first of two tabs signs in');
    is($shop->callback($tabs, $second)->status, 303,
       'row 2: so does the second');
}


# --- row 3

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    $provider->forget;
    $url =~ s{/callback/work}{/callback/other};

    my $response = $shop->callback($browser, $url);

    $shop->refuses(400, 'state_mismatch', $response,
                   "row 3: one provider's state at another's callback",
                   $browser);
    is(scalar(grep { $_->{path} =~ /token/ } $provider->requests), 0,
       'row 3: the code was not sent to the other one');

    # another redirect URI: the attempt was made under another address

    my $moved = shop(
        redis => $shop->redis, provider => $provider,
        backend => $shop->backend,
        base_url => 'http://127.0.0.2');

    my $mover = $moved->browser;
    my $fresh = $shop->attempt($browser);

    $mover->{jar} = $browser->clone->{jar};
    $_->{host} = '127.0.0.2' for @{ $mover->{jar} };
    $fresh =~ s{^http://[^/]*}{$moved->url}e;

    $response = $moved->callback($mover, $fresh);
    $moved->refuses(400, qr/^state_(?:mismatch|unknown)$/, $response,
                    'row 3: an attempt made for another address', $mover);
}


# --- row 4

{
    my $ignores = shop(redis => $shop->redis, provider => $provider,
                       backend => $shop->backend, providers => { work => '' },
                       provider_conf => 'callback_iss ignore;');

    for ([ 'another iss', 'https://evil.example' ],
         [ 'no iss where it was promised', undef ])
    {
        my ($what, $iss) = @$_;
        my $browser = $ignores->browser;
        my $url = changed($ignores->attempt($browser), iss => $iss);

        is($ignores->callback($browser, $url)->status, 303,
           "row 4: $what, with callback_iss ignore");
    }
}

{
    my $wrong = qr/^(?:400|502)$/;

    try_callback($wrong, 'issuer_mismatch', 'row 4: wrong iss',
                 { iss => 'https://evil.example' });
    try_callback($wrong, 'issuer_mismatch', 'row 4: iss with a slash',
                 { iss => $provider->issuer . '/' });
    try_callback($wrong, qr/^issuer_(?:mismatch|missing)$/,
                 'row 4: empty iss', { iss => '' });
    try_callback($wrong, 'issuer_missing', 'row 4: iss was promised',
                 { iss => undef });
    try_callback($wrong, 'issuer_mismatch', 'row 4: wrong iss in an error',
                 { iss => 'https://evil.example', code => undef,
                   error => 'access_denied' });
    try_callback($wrong, 'issuer_missing', 'row 4: no iss in an error',
                 { iss => undef, code => undef, error => 'access_denied' });

    $shop->signs_in('row 4: promised and right', name => 'work');
    $shop->signs_in('row 4: neither promised nor sent', name => 'silent');

    try_callback($wrong, 'issuer_mismatch', 'row 4: not promised, wrong',
                 { iss => 'https://evil.example' }, name => 'silent');

    my $browser = $shop->browser;
    my $url = changed($shop->attempt($browser, name => 'silent'),
                      iss => $provider->issuer('/silent'));

    is($shop->callback($browser, $url)->status, 303,
       'row 4: not promised, sent and right');
}


# --- row 5

for my $name (qw(state code iss error)) {
    try_callback(400, 'parameter_duplicated', "row 5: two of $name",
                 sub { "$_[0]&$name=x&$name=y" });
}

for my $name (qw(state code iss)) {
    try_callback(400, 'parameter_duplicated', "row 5: $name repeated as is",
                 sub {
                     my ($field) = $_[0] =~ /[?&]($name=[^&]*)/;
                     "$_[0]&$field";
                 });

    try_callback(400, 'parameter_duplicated', "row 5: $name in other letters",
                 sub {
                     my $escaped = join '', map { sprintf '%%%02x', ord }
                                            split //, $name;
                     "$_[0]&$escaped=x";
                 });
}

for my $where ('both in the body', 'one in each') {
    for my $name (qw(state code iss error)) {
        my $browser = $shop->browser;
        my ($url, $args) = split /\?/, $shop->attempt($browser), 2;

        $provider->forget;

        # a form of the provider's page, so the Lax cookie is missing

        $browser->leave($provider->issuer . '/authorize');
        $args .= "&error=x" if $name eq 'error';

        my $response = $where eq 'one in each'
            ? $browser->submit("$url?$name=x", $args,
                               accept => 'application/json')
            : $browser->submit($url, "$args&$name=x",
                               accept => 'application/json');

        $shop->refuses(400, 'parameter_duplicated', $response,
                       "row 5: two of $name, $where", $browser);
        is($provider->count('/token'), 0,
           "row 5: two of $name, $where: no code was sent anywhere");
    }
}


# --- row 6

{
    my %text = (
        'HTML'      => '<script>alert(1)</script>',
        'CR and LF' => "x\r\nSet-Cookie: shop=evil\r\n\r\n<b>",
        '8 KB'      => 'marker' x 1100,
    );

    for my $what (sort keys %text) {
        my $browser = $shop->browser;
        my $url = changed($shop->attempt($browser), code => undef,
                          error => 'access_denied',
                          error_description => $text{$what},
                          error_uri => 'https://evil.example/');

        $provider->forget;

        my $response = $browser->click($url, follow => 0);

        is($response->status, 400, "row 6: $what: an answer");
        like($response->header('Content-Type'), qr{^text/html},
             "row 6: $what: a page");
        unlike($response->text . $response->body,
               qr/alert\(1\)|evil|marker/,
               "row 6: $what: nothing is reflected");
        like($response->body, qr/access_denied/,
             "row 6: $what: the reason is told");
        ok(!$shop->me($browser), "row 6: $what: nobody is signed in");

        # the attempt is over

        $response = $shop->callback($browser,
            changed($url, error => undef, code => 'x'));

        like($response->status, qr/^400$/,
             "row 6: $what: the attempt is over");
        is($provider->count('/token'), 0,
           "row 6: $what: no code was sent anywhere");
    }

    try_callback(400, 'access_denied', 'row 6: access_denied',
                 { code => undef, error => 'access_denied' });
    try_callback(400, 'provider_error', 'row 6: server_error',
                 { code => undef, error => 'server_error' });
    unlike($shop->nginx->log, qr/\[error\].*provider_error/,
           'row 6: nobody writes that the provider is at fault');
    try_callback(400, 'callback_malformed', 'row 6: an error with a NUL',
                 { code => undef, error => "x\0y" });
    try_callback(400, qr/^(?:provider_error|callback_malformed)$/,
                 'row 6: an odd error',
                 { code => undef, error => "\x{1}<b>\r\n" });
    try_callback(400, qr/^(?:access_denied|provider_error)$/,
                 'row 6: an error together with a code',
                 { error => 'access_denied' });
    try_callback(400, 'code_missing', 'row 6: neither code nor error',
                 { code => undef });
}


# --- by POST: form_post

{
    $provider->set({ form_post => 1 });

    my $browser = $shop->browser;

    $browser->click('/_shop/login/work?return=/account/x');

    is($browser->url, $shop->url . '/account/x',
       'form_post: a cross-site form signs in');
    ok($shop->me($browser), 'form_post: somebody is signed in');

    # whatever is done with bodies elsewhere; and one that comes in parts

    my $odd = shop(
        redis => $shop->redis, provider => $provider,
        backend => $shop->backend,
        http    => 'client_body_in_file_only clean;',
        server  => <<'END');
        mirror /mirror;
        location = /mirror { internal; return 204; }
END
    my $other = $odd->browser;

    $other->click('/_shop/login/work?return=/account/y');
    is($other->url, $odd->url . '/account/y',
       'form_post: also where bodies go to files, and to a mirror');

    my $c = $odd->nginx->connect;

    $c->write("POST /_shop/callback/work HTTP/1.1\r\nHost: shop\r\n"
              . "Content-Length: 15\r\n\r\nstate=a");
    $odd->nginx->wait_log(qr/http client request body rest 8/)
        if ShopTest::Nginx->build->{debug};
    $c->write('b&code=c');
    is($c->response->header('Location'),
       $odd->url . '/_shop/callback/work?state=ab&code=c',
       'form_post: in two parts');

    # fields that an expression looks at come along, and no others

    my $named = shop(
        redis => $shop->redis, provider => $provider,
        backend => $shop->backend, provider_conf => <<'END');
        name cb:user/name/firstName; tok_extra 'device={cb:device}';
        family_name cb:state;
END

    my $posted = sub {
        $c = $named->nginx->connect;

        $c->write("POST /_shop/callback/work HTTP/1.1\r\nHost: shop\r\n"
                  . "Content-Length: @{[ length $_[0] ]}\r\n\r\n$_[0]");

        return $c->response;
    };

    is($posted->('x=1&user=%7B%22a%22%3A%22%0D%0A%C3%A9%22%7D&state=ab&code=c'
                 . '&device=+&user_id=2')->header('Location'),
       $named->url . '/_shop/callback/work?state=ab&code=c'
       . '&user=%7B%22a%22%3A%22%0D%0A%C3%A9%22%7D&device=%20',
       'row 31: form_post: the fields of expressions, escaped');

    for ([ 'user=a&user=b', 'twice' ], [ 'user=%zz', 'a bad escape' ],
         [ 'user=' . 'a' x 9000, 'a field that is too long' ])
    {
        my $response = $posted->("state=ab&code=c&$_->[0]");

        is($response->status, 400, "form_post: $_->[1]: refused");
        like($response->body, qr/callback_malformed/,
             "form_post: $_->[1]: why");
    }

    # a form that did not start here brings no attempt along

    $provider->restore;

    my $attacker = $shop->browser;
    my ($url, $args) = split /\?/, $shop->attempt($attacker), 2;
    my $victim = $shop->browser;

    $victim->leave('http://evil.example/');

    my $response = $victim->submit($url, $args,
                                   accept => 'application/json');

    $shop->refuses(400, 'state_unknown', $response,
                   "form_post: another browser's state", $victim);

    my $long = $shop->browser;
    ($url, $args) = split /\?/, $shop->attempt($long), 2;

    $long->leave($provider->issuer . '/authorize');
    $response = $long->submit($url, $args . '&x=' . 'a' x 200000,
                              accept => 'application/json');

    like($response->status, qr/^(?:400|413)$/,
         'form_post: a large form is refused');
    ok(!$shop->me($long), 'form_post: nobody is signed in');
}


# --- the rest of the callback

{
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    is($browser->fetch('PUT', $url)->status, 405, 'only GET and POST');
    is($shop->callback($browser, $shop->url . '/_shop/callback/nobody')
       ->status, 404, 'an unknown provider is not found');

    is($shop->callback($browser, $url)->header('Cache-Control'), 'no-store',
       'the answer is not stored');
    is($shop->callback($browser, $url)->header('Referrer-Policy'),
       'no-referrer', 'nor does it tell where it came from');
}

done_testing();
