# Row 20: what a provider sends is bounded in size and time, and taken from
# it alone.  Whatever it does, there is one clean answer within ten seconds.

use lib 't/lib';
use ShopTest;

my $provider = provider();
my $elsewhere = ShopTest::Server->new(handler => sub {
    return ShopTest::Server::answer(200, [], '{}');
});

my (@shops, @waiting, $last_begin);

my %fault = (
    'an endless body'          => { endless => 'length' },
    'endless chunks'           => { endless => 'chunked' },
    'a body without an end'    => { endless => 'close' },
    '1 MB'                     => { body => '{"x":"' . 'x' x 1000000 . '"}' },
    'a flood of headers'       => { header_flood => 100000 },
    'a chunk that is none'     => { chunked => "zz\r\nhello\r\n0\r\n\r\n" },
    'a chunk without a size'   => { chunked => "\r\nhello\r\n0\r\n\r\n" },
    'a huge chunk'             => { chunked => 'f' x 16 . "\r\nx" },
    'a larger one'             => { chunked => 'f' x 40 . "\r\nx" },
    'a negative chunk'         => { chunked => "-1\r\nx\r\n0\r\n\r\n" },
    'chunks cut off'           => { chunked => "5\r\nhel" },
    'a chunk too long'         => { chunked => "2\r\nhello\r\n0\r\n\r\n" },
    'gzip'                     => { gzip => 1 },
    'a reset at once'          => { reset => 0 },
    'a reset in the headers'   => { reset => 40 },
    'a reset in the body'      => { reset => 160 },
    'an end at once'           => { cut => 0 },
    'an end in the headers'    => { cut => 40 },
    'an end in the body'       => { cut => 160 },
    'not HTTP'                 => { steps => [ "hello\r\n\r\n",
                                               { close => 1 } ] },
    'HTTP/0.9'                 => { steps => [ '{"issuer":"x"}',
                                               { close => 1 } ] },
    'HTTP/2'                   => { steps => [ "HTTP/2 200\r\n\r\n{}",
                                               { close => 1 } ] },
    'two lengths'              => { steps => [ "HTTP/1.1 200 OK\r\n"
                                    . "Content-Length: 2\r\n"
                                    . "Content-Length: 3\r\n\r\n{} ",
                                               { close => 1 } ] },
    'a length and chunks'      => { steps => [ "HTTP/1.1 200 OK\r\n"
                                    . "Content-Length: 2\r\n"
                                    . "Transfer-Encoding: chunked\r\n\r\n"
                                    . "2\r\n{}\r\n0\r\n\r\n",
                                               { close => 1 } ] },
    'a negative length'        => { steps => [ "HTTP/1.1 200 OK\r\n"
                                    . "Content-Length: -1\r\n\r\n{}",
                                               { close => 1 } ] },
    'a huge length'            => { steps => [ "HTTP/1.1 200 OK\r\n"
                                    . "Content-Length: " . '9' x 30
                                    . "\r\n\r\n{}", { close => 1 } ] },
    'a NUL in a header'        => { steps => [ "HTTP/1.1 200 OK\r\n"
                                    . "X: a\0b\r\n"
                                    . "Content-Length: 2\r\n\r\n{}",
                                               { close => 1 } ] },
    'a status of 99'           => { steps => [ "HTTP/1.1 99 X\r\n"
                                    . "Content-Length: 2\r\n\r\n{}",
                                               { close => 1 } ] },
    'early hints for ever'     => { steps => [ { repeat =>
                                    "HTTP/1.1 103 Early Hints\r\n\r\n" } ] },
);

for my $status (301, 302, 303, 307, 308) {
    $fault{"a redirect by $status"} = {
        status => $status, body => '',
        headers => [ Location => $elsewhere->url . '/' ],
    };
}

# what never ends is tried at once by all, below

my %silence = (
    'silence'              => { stall => 0 },
    'half a status line'   => { stall => 8 },
    'half of the headers'  => { stall => 40 },
    'half of the body'     => { stall => 160 },
    'a slow drip'          => { drip => 0.4 },
);


my %path = (
    discovery => '/.well-known/openid-configuration',
    map { ($_ => "/$_") } qw(token jwks userinfo),
);

# sends what will not be answered soon

sub begin {
    my ($shop, $endpoint, $name, $what) = @_;
    my $browser = $shop->browser;

    my $url = $endpoint eq 'discovery'
        ? $shop->url . "/_shop/login/$name"
        : $shop->attempt($browser, name => $name);

    $last_begin = ShopTest::now();

    return [ $shop, $browser, "row 20: $endpoint: $what", $last_begin,
             $browser->start($url, accept => 'application/json') ];
}


# One nginx for each endpoint; each case is a provider of its own there.

for my $endpoint (qw(discovery token jwks userinfo)) {
    my (%at, %text);

    for my $what (sort(keys %fault), sort keys %silence) {
        my $name = 'p' . scalar keys %at;

        $at{"/$name"} = { thin => 1, fault => {
            $endpoint => $fault{$what} || $silence{$what} } };
        $text{$name} = $what;
    }

    $provider->set({ at => \%at });

    my $shop = shop(
        provider  => $provider,
        providers => { work => '', map { ($_ => "/$_") } keys %text },
    );

    for my $name (grep { $fault{ $text{$_} } } sort keys %text) {
        my $begin = ShopTest::now();

        $shop->fails(502, qr/^(?:provider_unavailable|key_unknown
                              |\w+_(?:error|malformed))$/x,
                     "row 20: $endpoint: $text{$name}", name => $name);

        cmp_ok(ShopTest::now() - $begin, '<', 9,
               "row 20: $endpoint: $text{$name}: at once");
    }

    # those that never end are tried at once, once all are known

    my @silent = grep { $silence{ $text{$_} } } sort keys %text;

    push @waiting, map { begin($shop, $endpoint, $_, $text{$_}) } @silent;
    push @shops, $shop;

    # they are asked before the provider is told to behave otherwise

    wait_for {
        !grep { !$provider->count("/$_$path{$endpoint}") } @silent
    } "the provider to be asked for $endpoint", 30;
}

is($elsewhere->connections, 0, 'row 20: no redirect was followed');


# --- time

{
    # meanwhile

    $shops[0]->signs_in('row 20: another provider is not held up');
    is($shops[0]->nginx->get('/')->status, 200, 'row 20: nor is the shop');

    for (@waiting) {
        my ($shop, $browser, $name, $begin, $c) = @$_;
        my $response = $c->response;
        my $took = ShopTest::now() - $begin;

        $shop->refuses(504, 'provider_timeout', $response, $name, $browser);
        cmp_ok($took, '>', 4, "$name: not given up early");
    }

    # ten, and what it takes to look at all of them

    cmp_ok(ShopTest::now() - $last_begin, '<', 19,
           'row 20: all within ten seconds');

    wait_for { !$provider->stalled } 'their connections to be closed', 30;
    pass('row 20: no connection of theirs is left');

    $_->[4]->close for @waiting;
    $_->is_idle('row 20: after all of it') for @shops;
}


# --- each step a little slow: the time is for all of it

{
    my $slow = shop();

    $slow->provider->set({ thin => 1, fault => {
        map { ($_ => { wait => 4 }) } qw(token jwks userinfo) } });

    my $browser = $slow->browser;
    my $url = $slow->attempt($browser);
    my $begin = ShopTest::now();
    my $response = $slow->callback($browser, $url);
    my $took = ShopTest::now() - $begin;

    $slow->refuses(504, 'provider_timeout', $response,
                   'row 20: three steps of four seconds', $browser);
    cmp_ok($took, '<', 19, 'row 20: ten seconds in all');
}


# --- what is large and right is taken

{
    my $large = shop();
    my $mock = $large->provider;

    $mock->set({ discovery => { x => 'x' x 200000 } });
    $large->signs_in('row 20: metadata of 200 KB');

    $mock->set({ token => { x => 'x' x 50000 } });
    $large->signs_in('row 20: a token answer of 50 KB');

    $mock->set({ token => { x => 'x' x 70000 } });
    $large->fails(502, 'provider_unavailable',
                  'row 20: a token answer of 70 KB');

    $mock->set({ token => {}, fault => { token => { drip => 0.001 } } });
    $large->signs_in('row 20: a byte at a time, in time');
}

done_testing();
