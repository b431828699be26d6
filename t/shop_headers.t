# Row 30: what only we may say of a customer never comes from a client,
# however it is spelled, wherever it stands among other headers, and by
# whatever way the request goes; and the other headers stay as they were.

use lib 't/lib';
use ShopTest;

use JSON::PP ();

use ShopTest::Backend;
use ShopTest::CGI;
use ShopTest::HTTP;
use ShopTest::HTTP2;
use ShopTest::Session;

my $redis   = redis();
my $backend = backend();
my $keys    = key_file();
my %cgi     = map { $_ => ShopTest::CGI->new($_) } qw(fastcgi scgi uwsgi);
my $h2      = ShopTest::HTTP2->available;

my $locations = <<'END';
    location /on/  { loyalty on; proxy_pass %%backend%%; }
    location /off/ { proxy_pass %%backend%%; }

    location /renamed/ {
        loyalty        on;
        loyalty_header customer   X-Member;
        loyalty_header tier       X_Member_Tier;
        loyalty_header promotions off;
        proxy_pass     %%backend%%;
    }

    location /static/ { loyalty on; try_files /none @off; }
    location /static-on/ { try_files /none /none/ /on/static; }
    location @off { proxy_pass %%backend%%; }

    location /error/ { error_page 404 = /off/error; }
    location /intercept/ {
        loyalty    on;
        proxy_intercept_errors on;
        error_page 404 = @off;
        proxy_pass %%backend%%;
    }

    location /ssi/ { ssi on; proxy_pass %%backend%%; }
    location /mirror/ { mirror /off/mirror; proxy_pass %%backend%%; }
    location /auth/ { auth_request /off/auth; proxy_pass %%backend%%; }

    location /no-headers/ {
        proxy_pass_request_headers off;
        loyalty    on;
        proxy_pass %%backend%%;
    }
    location /set/ {
        proxy_set_header X-Loyalty-Tier $http_x_loyalty_tier;
        proxy_set_header X-Seen $http_x_customer_id;
        loyalty    on;
        proxy_pass %%backend%%;
    }
    location /early/ {
        set $tier $http_x_loyalty_tier;
        if ($http_x_customer_id) { return 200 forged; }
        return 200 "[$tier][$http_x_member][$http_x_promotion]";
    }

    location /fastcgi/ { loyalty on; fastcgi_pass 127.0.0.1:%%fastcgi%%; }
    location /scgi/    { loyalty on; scgi_pass 127.0.0.1:%%scgi%%; }
    location /uwsgi/   { loyalty on; uwsgi_pass 127.0.0.1:%%uwsgi%%; }

    location /page/ {
        ssi on;
        ssi_types    application/json;
        loyalty      on;
        fastcgi_pass 127.0.0.1:%%fastcgi%%;
    }
END

# the tolerance of nginx, from the largest to none

my @tolerant = (
    'underscores_in_headers on; ignore_invalid_headers off;',
    'underscores_in_headers on;',
    'ignore_invalid_headers off;',
    '',
);

my $servers = '';

for my $i (0 .. $#tolerant) {
    $servers .= <<"END";
    server {
        listen        127.0.0.1:%%port@{[ $i + 1 ]}%%;
        shop_base_url http://127.0.0.1:%%port@{[ $i + 1 ]}%%;
        $tolerant[$i]
        $locations
    }
END
}

# another, over HTTP/2

$servers .= <<"END" if $h2;
    server {
        listen        127.0.0.1:%%port5%%%%h2_listen%%;
        %%h2_on%%
        shop_base_url http://127.0.0.1:%%port5%%;
        $tolerant[0]
        error_page    400 405 494 = /on/late;
        $locations
    }
END

my $nginx = nginx(
    level => 'info',
    vars => { redis => $redis->url, backend => $backend->url,
              map { $_ => $cgi{$_}->port } keys %cgi },
    http => <<"END");
    shop_redis       %%redis%%;
    shop_secret_file $keys;

    loyalty_program {
        tier bronze;
        tier silver points=1000;
        promotion WELCOME-10 { audience new; }
    }

    large_client_header_buffers 8 32k;

    log_format seen '\$http_x_loyalty_tier|\$http_x_customer_id|'
                    '\$loyalty_tier|\$shop_customer|\$uri|\$status';
    access_log %%dir%%/logs/seen.log seen;

$servers

    # has nothing of a shop

    server {
        listen 127.0.0.1:%%port6%%;
        $tolerant[0]
        location / { proxy_pass %%backend%%; }
    }

    # what is refused while its headers are read goes to pages of the shop

    server {
        listen        127.0.0.1:%%port7%%;
        shop_base_url http://127.0.0.1:%%port7%%;
        $tolerant[0]
        large_client_header_buffers 4 1k;

        error_page 400 = /late-on;
        error_page 405 = /late-off;
        error_page 494 = \@late;

        location /late-on  { loyalty on; proxy_pass %%backend%%; }
        location /late-off { proxy_pass %%backend%%; }
        location \@late    { loyalty on; proxy_pass %%backend%%; }
    }
END

my $silver = ShopTest::Session->new(
    redis => $redis, view => { points => 1250, qualifying => 1250 });
my $id = $silver->customer;

my @true = ([ 'X-Customer-Id', $id ], [ 'X-Customer-Provider', 'work' ],
            [ 'X-Loyalty-Tier', 'silver' ], [ 'X-Loyalty-Points', 1250 ],
            [ 'X-Promotion', 'WELCOME-10' ]);

# the same customer, as each server seals them

my %cookie = map {
    $_ => ShopTest::Session->new(redis => $redis, customer => $id,
                                 secret => $silver->{secret})->cookie
} 1 .. 7;


# --- spelling -------------------------------------------------------------


# all ways to spell a name: each separator by itself, in three cases

sub spellings {
    my ($name, @separators) = @_;
    my @texts = ('');

    for my $part (split /([-_])/, $name) {
        @texts = $part =~ /[-_]/
            ? map { my $s = $_; map { "$_$s" } @texts } @separators
            : map { $_ . $part } @texts;
    }

    return map { ($_, lc $_, uc $_,
                  join '', map { /\d|[a-m]/i ? uc : lc } split //) } @texts;
}

my @names = qw(X-Customer-Id X-Customer-Provider X-Loyalty-Tier
               X-Loyalty-Points X-Loyalty-Segments X-Promotion X-Member
               X_Member_Tier);

my @forged = map { ($_ => 'forged') } map { spellings($_, qw(- _ .)) } @names;


# --- what arrived ---------------------------------------------------------


sub ours {
    my ($request) = @_;

    return [ grep { $_->[0] =~ /^x[^a-z0-9](?:customer|loyalty|promotion
                                             |member)/ix }
             @{ $request->{headers} } ];
}

sub get {
    my ($port, $uri, @headers) = @_;

    return request($nginx->port($port), 'GET', $uri, headers => \@headers);
}

# the backend has seen nothing that was forged since it was last asked

sub is_clean {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @requests = map { $_->{raw} } $backend->requests;
    my @wrong = grep { /forged/ } @requests;

    ok(@requests && !@wrong, $name) or diag(@wrong ? $wrong[0] : 'no request');
    is(scalar(grep { /shop=/ } @requests), 0, '... nor a cookie of ours');

    $backend->forget;
}


# --- every name, in every spelling, by every method -----------------------


for my $port (1 .. 4, 6) {
    my $how = $port == 6 ? 'in a server that has nothing of a shop'
                         : $tolerant[$port - 1] || 'as nginx is by default';

    for my $method (qw(GET HEAD POST PUT PATCH DELETE OPTIONS)) {
        for my $uri ('/on/', '/off/', '/renamed/') {
            my %body = $method =~ /^P/ ? (body => 'a=1') : ();

            request($nginx->port($port), $method, $uri, %body,
                    headers => [ @forged, Cookie => 'a=b' ]);
        }
    }

    is($backend->count, 21, "row 30: all were passed on, $how");
    is_clean("row 30: no spelling comes through, $how");

    next if $port == 6;

    is_deeply(ours(get($port, '/on/', @forged,
                       Cookie => $cookie{$port})->json),
              \@true, 'row 30: what is true does');
    $backend->forget;
}


# --- every way through nginx ----------------------------------------------


my $include = '%3C!--%23include%20virtual=%22/off/ssi%22%20--%3E'
            . '%3C!--%23include%20virtual=%22/on/ssi%22%20--%3E';

my @ways = (
    '/on/', '/off/', '/renamed/', '/static/a', '/static-on/a', '/error/a',
    '/intercept/a?status=404', '/on/a?accel=/off/accel',
    '/off/a?accel=/on/accel', "/ssi/a?type=text/html&body=$include",
    '/mirror/a', '/auth/a', '/no-headers/', '/set/',
);

for my $uri (@ways) {
    get(1, $uri, @forged);
    is_clean("row 30: nobody: $uri");

    get(1, $uri, @forged, Cookie => $cookie{1});
    is_clean("row 30: a customer: $uri");
}

# a mirror is not waited for

get(1, '/mirror/b', @forged);
wait_for { $backend->count('/off/mirror') } 'the mirror';
is_clean('row 30: the mirror');

is(get(1, '/early/', @forged)->body, '[][][]',
   'row 30: the first phases do not see them either');

is_deeply(ours(get(1, '/no-headers/', Cookie => $cookie{1})->json), [],
          'row 30: without request headers there are none at all');
is_deeply([ map { $_->[1] } grep { $_->[0] =~ /^X-(?:Loy.*Tier|Seen)$/ }
            @{ get(1, '/set/', @forged, Cookie => $cookie{1})
               ->json->{headers} } ],
          [ 'silver', $id ], 'row 30: proxy_set_header says what is true');


# --- backends that speak no HTTP ------------------------------------------


for my $protocol (sort keys %cgi) {
    for my $port (1, 4) {
        my $echo = get($port, "/$protocol/", @forged)->json;
        my $text = join ' ', map { "@$_" } @{ $echo->{params} };

        unlike($text, qr/forged/, "row 30: $protocol: nobody");

        my $variables = ShopTest::CGI::variables(
            get($port, "/$protocol/", @forged, Cookie => $cookie{$port})
            ->json);

        is_deeply([ @$variables{qw(HTTP_X_CUSTOMER_ID HTTP_X_LOYALTY_TIER
                                   HTTP_X_LOYALTY_POINTS)} ],
                  [ $id, 'silver', 1250 ],
                  "row 30: $protocol: each is there once, and true");
        ok(!(grep { /forged|shop=/ } map { ref $_ ? @$_ : $_ }
             values %$variables),
           "row 30: $protocol: and no other");
    }
}

# nginx links headers of one name when it gives a request to such a backend;
# a subrequest of that one has its own

for my $protocol (sort keys %cgi) {
    my @many = map { ('X-Many' => $_) } 1 .. 60;
    my @both = (@many, @forged, Cookie => $cookie{1});

    my $plain = get(1, "/$protocol/", @both)->json;
    my ($inner) = get(1, '/page/', @both, 'X-Include' =>
                      "<!--# include virtual='/$protocol/' -->")
                  ->body =~ /.(\{"params":.*?\]\]\})/s;
    my ($is, $wanted) = map { ShopTest::CGI::variables($_) }
                        JSON::PP::decode_json($inner), $plain;

    delete $is->{HTTP_X_INCLUDE};
    is_deeply([ map { $is->{$_} } grep { /^HTTP_/ } sort keys %$is ],
              [ map { $wanted->{$_} } grep { /^HTTP_/ } sort keys %$wanted ],
              "row 30: $protocol: each header once, in a page of another");
}


# --- many -----------------------------------------------------------------

# nginx keeps headers in parts of twenty; what is removed may be the first,
# the last, one between or all of a part, and of several parts

srand 30;

sub mixed {
    my ($n, $is_forged) = @_;
    my (@headers, @others);

    for my $i (0 .. $n - 1) {
        if ($is_forged->($i)) {
            push @headers, $forged[2 * int rand @forged / 2], "forged $i";

        } else {
            push @headers, "X-Other-$i", "value $i";
            push @others, [ "X-Other-$i", "value $i" ];
        }
    }

    return (\@headers, \@others);
}

my @layouts = (
    map({ my $at = $_; [ "only number $at", 60, sub { $_[0] == $at } ] }
        0, 1, 16 .. 21, 36 .. 41, 59),
    map({ my ($from, $to) = @$_;
          [ "$from to $to", 60,
            sub { $_[0] >= $from && $_[0] <= $to } ] }
        [ 0, 19 ], [ 0, 39 ], [ 16, 35 ], [ 17, 36 ], [ 18, 37 ], [ 19, 38 ],
        [ 20, 39 ], [ 17, 59 ], [ 18, 59 ], [ 19, 59 ], [ 1, 58 ], [ 0, 59 ]),
    [ 'every other', 100, sub { $_[0] % 2 } ],
    [ 'all of 300', 300, sub { 1 } ],
    [ 'one of 300', 300, sub { $_[0] == 150 } ],
    map({ my $share = $_ % 10 / 10;
          [ "random $_", 1 + int rand 150, sub { rand() < $share } ] }
        1 .. 60),
);

sub check_many {
    my ($name, $request) = @_;
    my ($lost, $came, $wrong) = (0, 0, 0);

    for (@layouts) {
        my ($what, $n, $is_forged) = @$_;

        for my $cookie (0, 1) {
            my ($headers, $others) = mixed($n, $is_forged);

            # the cookie stands anywhere, too

            splice @$headers, 2 * int(rand($n + 1)), 0,
                   cookie => $cookie if $cookie;

            my $echo = $request->($headers, $cookie);
            my $text = join '; ', map { "@$_" } @{ $echo->{headers} };
            my @got = grep { $_->[0] =~ /^x-other-/i } @{ $echo->{headers} };

            my $same = join('; ', map { lc "@$_" } @got)
                       eq join('; ', map { lc "@$_" } @$others);
            my $true = join('; ', map { "@$_" } @{ ours($echo) })
                       eq ($cookie ? join '; ', map { "@$_" } @true : '');

            $lost++, diag("$name: $what: others are not the same")
                unless $same;
            $came++, diag("$name: $what: forged") if $text =~ /forged|shop=/;
            $wrong++, diag("$name: $what: not what is true") unless $true;
        }
    }

    is($came, 0, "row 30: $name: of many headers no forged one comes through");
    is($lost, 0, "row 30: $name: all others do, in their order");
    is($wrong, 0, "row 30: $name: and what is true");
}

check_many('HTTP/1', sub {
    my ($headers, $cookie) = @_;
    my @headers = map { $_ eq '1' ? $cookie{1} : $_ } @$headers;

    # so does Host

    splice @headers, 2 * int(rand(@headers / 2 + 1)), 0,
           Host => '127.0.0.1';

    return request($nginx->port, 'GET', '/on/many', headers => \@headers)
           ->json;
});


# --- one connection -------------------------------------------------------


{
    my $c = $nginx->connect;
    my @asked = map { $_ % 3 ? $cookie{1} : undef } 1 .. 12;

    $c->write(join '', map {
        my @headers = (@forged[0 .. 39], defined $_ ? (Cookie => $_) : ());
        my $text = "GET /on/ HTTP/1.1\r\nHost: shop\r\n";

        while (my ($name, $value) = splice @headers, 0, 2) {
            $text .= "$name: $value\r\n";
        }

        "$text\r\n";
    } @asked);

    is_deeply([ map { scalar @{ ours($c->response->json) } } @asked ],
              [ map { defined $_ ? 5 : 0 } @asked ],
              'row 30: pipelined requests: each has its own');

    # behind a body

    $c = $nginx->connect;
    $c->write("POST /off/ HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n"
              . "Trailer: X-Loyalty-Tier\r\nTransfer-Encoding: chunked\r\n"
              . "\r\n1\r\na\r\n0\r\nX-Loyalty-Tier: forged\r\n\r\n");
    $c->response;

    $backend->forget;
    get(1, '/off/');
    is_clean('row 30: trailers');
}


# --- refused early, answered by a page of the shop ------------------------


for my $case (
    [ 'no Host', "GET / HTTP/1.1\r\n%s\r\n" ],
    [ 'two of them', "GET / HTTP/1.1\r\nHost: a\r\n%sHost: b\r\n\r\n" ],
    [ 'a wrong length',
      "GET / HTTP/1.1\r\nHost: a\r\n%sContent-Length: x\r\n\r\n" ],
    [ 'a line that is no header',
      "GET / HTTP/1.1\r\nHost: a\r\n%s\0\r\n\r\n" ],
    [ 'TRACE', "TRACE / HTTP/1.1\r\nHost: a\r\n%s\r\n" ],
    [ 'a header too large',
      "GET / HTTP/1.1\r\nHost: a\r\n%sX-Large: " . 'x' x 2000 . "\r\n\r\n" ],
    [ 'chunks in HTTP/1.0',
      "GET / HTTP/1.0\r\nHost: a\r\n%sTransfer-Encoding: what\r\n\r\n" ],
    [ 'a wrong request line', "GET /\0 HTTP/1.1\r\nHost: a\r\n%s\r\n" ],
    [ 'no version', "GET / HTTP\r\n%s\r\n" ],
) {
    my ($name, $format) = @$case;

    for my $cookie ('a=b', $cookie{7}) {
        my $c = ShopTest::HTTP->connect($nginx->port(7));

        $c->write(sprintf $format, "X-Loyalty-Tier: forged\r\n"
                  . "x_customer_id: forged\r\nCookie: $cookie\r\n");

        my $response = $c->response;

        is($response && $response->status, 200,
           "row 30: refused early, $name: a page of the shop");
    }

    is_clean("row 30: refused early, $name: nothing forged");
}


# --- HTTP/2 ---------------------------------------------------------------


SKIP: {
    skip 'this nginx has no HTTP/2', 1 unless $h2;

    my $c = ShopTest::HTTP2->connect($nginx->port(5));
    my @lower = map { ($_ => 'forged') }
                map { spellings(lc $_, qw(- _ .)) } @names;

    @lower = map { lc } @lower;

    for my $method (qw(GET HEAD POST OPTIONS)) {
        for my $uri (@ways) {
            $c->request($method, $uri, headers => \@lower,
                        $method eq 'POST' ? (body => 'a=1') : ());
            $c->request($method, $uri, headers => [
                @lower, cookie => $cookie{5} ]);
        }
    }

    is_clean('row 30: HTTP/2: no spelling comes through, by no way');

    my $echo = $c->request('GET', '/on/', headers => [
        @lower, cookie => 'a=1', 'x-loyalty-tier' => 'forged',
        cookie => $cookie{5}, 'x-a' => 1, cookie => 'b=2' ])->json;

    is_deeply(ours($echo), \@true, 'row 30: HTTP/2: what is true does');
    is_deeply([ ShopTest::Backend::values_of($echo, 'Cookie') ],
              [ 'a=1; b=2' ],
              'row 30: HTTP/2: of several cookie fields ours is cut out');

    $echo = $c->request('GET', '/on/', headers => [
        cookie => $cookie{5} ])->json;

    is_deeply([ @{ ours($echo) },
                ShopTest::Backend::values_of($echo, 'Cookie') ],
              \@true, 'row 30: HTTP/2: and the field, if there is no other');

    # the same fields again, by their place in the table

    my @indexed = ('x-loyalty-tier' => 'forged', 'x-a' => 1,
                   cookie => $cookie{5}, cookie => 'c=3');

    for (1 .. 3) {
        $echo = $c->request('GET', '/on/', headers => [@indexed],
                            indexed => 1)->json;

        is_deeply([ ours($echo),
                    ShopTest::Backend::values_of($echo, 'Cookie'),
                    ShopTest::Backend::values_of($echo, 'X-A') ],
                  [ \@true, 'c=3', 1 ],
                  "row 30: HTTP/2: fields of the table, time $_");
    }

    # many at once, in turns

    my @ids = map {
        $c->send('GET', '/on/', headers => [
            @lower[0 .. 79], $_ % 2 ? (cookie => $cookie{5}) : () ])
    } 1 .. 20;

    is_deeply([ map { scalar @{ ours($c->response($_)->json) } } @ids ],
              [ map { $_ % 2 ? 5 : 0 } 1 .. 20 ],
              'row 30: HTTP/2: streams side by side: each has its own');

    check_many('HTTP/2', sub {
        my ($headers, $cookie) = @_;
        my $i = 0;
        my @headers = map { $i++ % 2 ? $_ eq '1' ? $cookie{5} : $_ : lc }
                      @$headers;

        $c = ShopTest::HTTP2->connect($nginx->port(5)) if $c->{next} > 150;

        return $c->request('GET', '/on/many', headers => \@headers)->json;
    });

    # refused early

    $backend->forget;

    for my $case (
        [ 'two hosts', { headers => [ host => 'b' ] } ],
        [ 'no host', { authority => undef } ],
        [ 'a wrong length', { headers => [ 'content-length' => 'x' ] } ],
        [ 'an upper-case name', { headers => [ 'X-A' => 1 ] } ],
        [ 'a name with a NUL', { headers => [ "x\0a" => 1 ] } ],
        [ 'a value with a line feed',
          { headers => [ 'x-a' => "1\r\nX-Loyalty-Tier: forged" ] } ],
        [ 'a name with a line feed',
          { headers => [ "x-a: 1\r\nx-loyalty-tier" => 'forged' ] } ],
        [ 'a name with a blank', { headers => [ 'x-loyalty-tier ' => 1 ] } ],
        [ 'a connection header', { headers => [ connection => 'close' ] } ],
        [ 'TRACE', { method => 'TRACE' } ],
    ) {
        my ($name, $o) = @$case;

        for my $cookie ('a=b', $cookie{5}) {
            my $other = ShopTest::HTTP2->connect($nginx->port(5));

            $other->request($o->{method} || 'GET', '/on/', %$o, headers => [
                'x-loyalty-tier' => 'forged', 'x_customer_id' => 'forged',
                cookie => $cookie, @{ $o->{headers} || [] } ]);
        }
    }

    is_clean('row 30: HTTP/2: refused early: nothing forged');
}


# --- and in the end -------------------------------------------------------


ok($nginx->logs('logs/seen.log',
                qr{^silver\|$id\|silver\|$id\|/on/\|200$}m),
   'row 30: variables have seen those that are true');

# what nginx refused by itself went nowhere

is_deeply([ grep { /forged/ && !/\|-\|-\|.*\|(?:400|000)$/ }
            split /\n/, read_file($nginx->dir . '/logs/seen.log') ], [],
          'row 30: ... and no others');

$nginx->keep_secret($silver->value, map { s/^shop=//r } values %cookie);

done_testing();
