# Row 33: no code, state, token, cookie, secret, password or e-mail address
# in a log: not in nginx's own lines at info, where the request line is, not
# in ours at debug, and not in what is answered when a login fails.

use lib 't/lib';
use ShopTest;

use ShopTest::HTTP;
use ShopTest::HTTP2;

my $h2 = ShopTest::HTTP2->available;
my $password = write_file(temp_dir() . '/redis.password',
                          'password-of-redis', 0600);

# logs tell all they can

my $http = <<'END';
    log_format all '$request $request_uri $uri $args $query_string $arg_code '
                   '$arg_state $http_cookie $cookie_shop $http_referer '
                   '$shop_customer $shop_login_result $status';
    access_log %%dir%%/logs/access.log combined;
    access_log %%dir%%/logs/all.log all;
    rewrite_log on;

    limit_req_zone $server_port zone=one:1m rate=1r/m;

    server {
        listen        127.0.0.1:%%port2%%;
        shop_base_url http://127.0.0.1:%%port2%%;
        social_login  on;
        limit_req     zone=one;
    }
END

$http .= <<'END' if $h2;
    server {
        listen        127.0.0.1:%%port3%%%%h2_listen%%;
        %%h2_on%%
        shop_base_url http://127.0.0.1:%%port%%;
        social_login  on;
        rewrite       ^/nothing$ /;
        location / { loyalty on; proxy_pass %%backend%%; }
    }
END

my %shop = map {
    my $level = $_;
    my $redis = redis(password => 'password-of-redis');

    ($level => shop(
        redis         => $redis,
        vars          => { redis => $redis->url
                           . " password_file=$password timeout=300ms" },
        providers     => { work => '', down => '/down' },
        nginx_options => { level => $level },
        http          => $http,
        server        => 'rewrite ^/nothing$ /;',
    ))
} qw(info debug);

my @personal = ('ann@example.com', 'ann%40example.com', 'Ann Example',
                'Ann%20Example');


# what is said, anywhere, by an endpoint that fails

sub is_silent {
    my ($name, $shop, $text) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @found = grep { index($text, $_) >= 0 } @{ $shop->nginx->{secrets} };

    ok(!@found, "row 33: $name: nothing of it in the answer")
        or diag("@found in $text");
}


# An attempt, all of whose secrets are known: the callback's arguments and
# the cookies that go with it.

sub attempt {
    my ($shop) = @_;
    my $browser = $shop->browser;
    my $provider = $shop->provider;

    my $url = $shop->attempt($browser);
    my ($args) = $url =~ /\?(.*)/;
    my $fields = ShopTest::Server::query_fields($args);
    my ($request) = ($provider->requests('/authorize'))[-1];
    my $asked = ShopTest::Server::query_fields($request->{args});

    $shop->nginx->keep_secret(grep { defined && !ref } @$fields{qw(code state)},
                              @$asked{qw(nonce state code_challenge)});

    learn($shop, $browser);

    return ($browser, $url, $args,
            join '; ', map { "$_->{name}=$_->{value}" } $browser->cookies);
}

sub learn {
    my ($shop, $browser) = @_;

    $shop->nginx->keep_secret($browser->secrets);

    for my $request ($shop->provider->requests('/token')) {
        my $fields = ShopTest::Server::form_fields($request);

        $shop->nginx->keep_secret(
            @$fields{qw(code code_verifier client_secret)},
            ($request->{first}{authorization} || '') =~ /^Basic (.*)/);
    }

    $shop->provider->forget;
}

# a provider's page may have all of it in its own URL

sub referer {
    my ($uri) = @_;

    return $uri =~ /\?(.*)/ ? "https://id.example/authorize?$1" : undef;
}

sub ask {
    my ($shop, $method, $uri, $cookie, %o) = @_;
    my $referer = referer($uri);

    return ShopTest::HTTP::request(
        $shop->nginx->port($o{port} || 1), $method, $uri,
        headers => [ Accept => $o{accept} || 'application/json',
                     Cookie => $cookie,
                     defined $referer ? (Referer => $referer) : (),
                     defined $o{body}
                     ? ('Content-Type'
                        => 'application/x-www-form-urlencoded') : () ],
        body => $o{body});
}

sub ask2 {
    my ($shop, $method, $uri, $cookie, %o) = @_;
    my $referer = referer($uri);

    return ShopTest::HTTP2->connect($shop->nginx->port(3))->request(
        $method, $uri, body => $o{body}, headers => [
            accept => $o{accept} || 'application/json',
            (map { (cookie => $_) } split /; /, $cookie),
            defined $referer ? (referer => $referer) : (),
            defined $o{body}
            ? ('content-type' => 'application/x-www-form-urlencoded') : () ]);
}


for my $level (sort keys %shop) {
    my $shop = $shop{$level};
    my $nginx = $shop->nginx;
    my $provider = $shop->provider;
    my $path = '/_shop/callback/work';

    # all tokens begin like this

    $nginx->keep_secret('password-of-redis', @personal, 'eyJ',
                        'secret-access-token', 'secret-refresh-token');

    my %plain = (token => { access_token => 'secret-access-token',
                            refresh_token => 'secret-refresh-token' },
                 claims => { at_hash => undef });

    $provider->set({ %plain });

    for my $version (1, $h2 ? 2 : ()) {
        my $send = $version == 2 ? \&ask2 : \&ask;
        my $name = "$level, HTTP/$version";


        # those that succeed

        for my $thin (0, 1) {
            $provider->set({ thin => $thin });

            my ($browser, $url, $args, $cookie) = attempt($shop);
            my $response = $send->($shop, 'GET', "$path?$args", $cookie);

            is($response->status, 303, "row 33: $name: a login");

            next if $version == 2;

            $browser->set_cookie($shop->url . '/', $_)
                for $response->headers('Set-Cookie');
            learn($shop, $browser);

            ok($shop->me($browser), '... signs in');

            is($send->($shop, 'GET', "$path?$args", "$cookie; shop="
                       . $browser->cookie('shop'))->status, 303,
               "row 33: $name: the same once more, signed in");

            # and what the customer does next

            $browser->click($shop->url . '/account/?a=1');
            $browser->fetch('POST', $shop->url . '/_shop/logout');
        }


        # by a form, which is sent on to a URL

        {
            $provider->set({ form_post => 1 });

            my $browser = $shop->browser;
            my $page = $shop->start($browser);
            my $args = ShopTest::Browser::form($page->body)->{body};
            my $fields = ShopTest::Server::query_fields($args);
            my $cookie = join '; ', map { "$_->{name}=$_->{value}" }
                                    $browser->cookies;

            $nginx->keep_secret(@$fields{qw(code state)});
            learn($shop, $browser);

            my $response = $send->($shop, 'POST', $path, '', body => $args);

            is($response->status, 303, "row 33: $name: by a form");

            $response = $send->($shop, 'POST', "$path?$args", $cookie,
                                body => $args);
            is($response->status, 400, "row 33: $name: in both");
            is_silent("$name: in both", $shop, $response->body);

            is($send->($shop, 'GET', "$path?$args", $cookie)->status, 303,
               "row 33: $name: and it signs in");

            $provider->restore;
            $provider->set({ %plain });
        }


        # those that fail

        my @cases = (
            [ 'a foreign state', {}, cookie => 'a=b' ],
            [ 'no state', {}, change => sub { s/state=[^&]*&?// } ],
            [ 'two states', {}, change => sub {
                s/(state=[^&]*)/$1&$1/ } ],
            [ 'a wrong iss', {}, change => sub {
                s/iss=[^&]*/iss=https%3A%2F%2Fevil.example/ } ],
            [ 'another provider', {}, path => '/_shop/callback/down' ],
            [ 'no such provider', {}, path => '/_shop/callback/nobody' ],
            [ 'a method', {}, method => 'PUT', body => 'a=1' ],
            [ 'HEAD', {}, method => 'HEAD' ],
            [ 'a slash too many', {}, path => '/_shop/callback/work/' ],
            [ 'slashes to merge', {}, path => '//_shop///callback//work' ],
            [ 'an encoded path', {}, path => '/%5fshop/%63allback/wor%6b' ],
            [ 'dots', {}, path => '/x/../_shop/./callback/work' ],
            [ 'no provider at all', {}, path => '/_shop/callback/' ],
            [ 'encoded names', {}, change => sub {
                s/code=/c%6fde=/; s/state=/%73tate=/ } ],
            [ 'upper case', {}, change => sub {
                s/code=/CODE=/; s/state=/State=/ } ],
            [ 'semicolons', {}, change => sub { s/&/;/g } ],
            [ 'a question mark more', {}, change => sub { $_ = "?$_" } ],
            [ 'fields between', {}, change => sub {
                $_ = "&&x&=&y=1&$_&iss" } ],
            [ 'an error', { error => 'access_denied', callback => {
                error_description => 'ann@example.com is not known' } } ],
            [ 'a wrong code', {}, change => sub {
                s/code=/code=x/ } ],
            [ 'a token that is none', { token => { id_token => 'eyJ.x.y' } } ],
            [ 'a forged one', { signature => 'flip' } ],
            [ 'an expired one', { claims => { exp => 1, at_hash => undef } } ],
            [ 'a wrong nonce', { claims => { nonce => 'secret-nonce',
                                             at_hash => undef } } ],
            [ 'a wrong aud', { claims => { aud => 'ann@example.com',
                                           at_hash => undef } } ],
            [ 'an unknown key', { kid => 'eyJ-kid' } ],
            [ 'a provider that refuses', { fault => { token => {
                status => 400, body => '{"error":"invalid_grant",'
                    . '"error_description":"secret-access-token"}' } } } ],
            [ 'one that breaks', { fault => { token => { cut => 100 } } } ],
            [ 'one that repeats it all', { fault => { token => {
                steps => [ "HTTP/1.1 200 secret-access-token\r\n"
                           . "secret-access-token\r\n\r\n",
                           { close => 1 } ] } } } ],
            [ 'userinfo of another', { thin => 1,
                userinfo => { sub => 'ann@example.com' } } ],
            [ 'userinfo that fails', { thin => 1, fault => { userinfo => {
                status => 401, body => 'secret-access-token' } } } ],
        );

        for (@cases) {
            my ($what, $state, %o) = @$_;

            $provider->restore;
            $provider->set({ %plain, %$state });
            $nginx->keep_secret('secret-nonce');

            my ($browser, $url, $args, $cookie) = attempt($shop);

            $o{change}->() for $o{change} ? $args : ();

            for my $accept ('application/json', 'text/html') {
                my $response = $send->(
                    $shop, $o{method} || 'GET',
                    ($o{path} || $path) . "?$args", $o{cookie} || $cookie,
                    body => $o{body}, accept => $accept);

                is_silent("$name: $what", $shop, $response->body
                          . ($response->{text} || ''))
                    if $response->status >= 400;

                ok($response->status >= 300, "row 33: $name: $what: "
                   . $response->status);
            }

            learn($shop, $browser);
        }

        $provider->restore;
        $provider->set({ %plain });


        # Redis fails

        for my $fault (qw(gone refuses)) {
            my ($browser, $url, $args, $cookie) = attempt($shop);

            if ($fault eq 'gone') {
                $shop->redis->stop;

            } else {
                $shop->redis->command('CONFIG', 'SET', 'maxmemory', 1);
            }

            my $response = $send->($shop, 'GET', "$path?$args", $cookie);

            is($response->status, 503, "row 33: $name: Redis $fault");
            is_silent("$name: Redis $fault", $shop, $response->body);

            if ($fault eq 'gone') {
                $shop->redis->start;

            } else {
                $shop->redis->command('CONFIG', 'SET', 'maxmemory', 0);
            }

            wait_for { $shop->nginx->get('/_shop/me', Cookie => $cookie)
                       ->status == 401 } 'Redis';
        }

        wait_for {
            my ($browser, $url, $args, $cookie) = attempt($shop);

            ask($shop, 'GET', "$path?$args", $cookie)->status == 303
        } 'a login';
    }


    # HTTP/1 alone

    for my $target ("http://127.0.0.1$path", "HTTP://shop.example:80$path") {
        my ($browser, $url, $args, $cookie) = attempt($shop);

        is(ask($shop, 'GET', "$target?$args", $cookie)->status, 303,
           "row 33: $level: the whole URL");
    }

    my ($browser, $url, $args, $cookie) = attempt($shop);
    my $c = $nginx->connect;

    $c->write("GET $path?$args HTTP/1.0\r\nHost: shop\r\nX-A: 1\r\n\r\n");
    is($c->response->status, 400, "row 33: $level: HTTP/1.0");

    $c = $nginx->connect;
    $c->write("GET $path?$args&x=1 HTTP/1.1\r\nHost: shop\r\n\r\n"
              . "GET $path?$args#f HTTP/1.1\r\nHost: shop\r\n\r\n"
              . "POST $path?$args HTTP/1.1\r\nHost: shop\r\n"
              . "Content-Length: 5\r\n\r\nstate"
              . "POST $path HTTP/1.1\r\nHost: shop\r\n"
              . "Content-Length: 9\r\n\r\nstate=abc");
    is(join(' ', map { $c->response->status } 1 .. 4), '400 400 400 303',
       "row 33: $level: pipelined");

    # the body is too large, the client goes away, and too many come

    is(ask($shop, 'POST', $path, '', body => "$args&x=" . 'x' x 2_000_000)
       ->status, 413, "row 33: $level: a large form");

    $c = $nginx->connect;
    $c->write("POST $path?$args HTTP/1.1\r\nHost: shop\r\n"
              . "Content-Length: 1000\r\n\r\n$args");
    $c->reset;

    ask($shop, 'GET', "$path?$args", $cookie, port => 2);
    is(ask($shop, 'GET', "$path?$args", $cookie, port => 2)->status, 503,
       "row 33: $level: one of too many");
    $nginx->wait_log(qr/limiting requests/);


    # arguments that are no secret are told of, and there was enough to log

    ok($nginx->logs('logs/access.log',
                    qr/callback\/work\?code=\*+&iss=http[^&]+&state=\*+ /),
       "row 33: $level: what was masked, and what was not");
    ok($nginx->logs('logs/access.log', qr/error=access_denied/),
       "row 33: $level: why a provider refused is told");
    ok($nginx->log =~ /request: "GET [^"]*callback[^"]*code=\*+/,
       "row 33: $level: lines of the error log have it masked");
    ok(@{ $nginx->{secrets} } > 100, "row 33: $level: much to be kept");
}

# done_testing() looks through the logs

done_testing();
