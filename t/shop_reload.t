# nginx is told to reload, to become another binary, and loses a worker, while
# customers browse and sign in: nobody notices, nobody is signed out, and the
# provider is not asked again for what is known.

use lib 't/lib';
use ShopTest;

use JSON::PP ();

use ShopTest::Session;

my $shop = shop(nginx_options => {
    workers => 2,
    daemon  => 1,
    level   => 'notice',

    # a binary of a sanitizer is to find them in the next one

    main    => join("\n", map { "env $_;" }
                    qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS)),
    allow   => [ qr/worker process \d+ exited on signal 9/,
                 qr/\[emerg\] .* "social_login" directive is not allowed/ ],
});

my $nginx = $shop->nginx;
my $provider = $shop->provider;
my $session = ShopTest::Session->new(
    redis => $shop->redis, view => { points => 1250, qualifying => 1250 });

$shop->signs_in('before');


# --- customers who never stop ---------------------------------------------


# What "once" returns is why it failed, or nothing; results() tells how often
# it did what, as { ok => N, failures => [...] }.

sub stream {
    my ($once) = @_;
    my $file = temp_dir('stream') . '/result';

    my $process = ShopTest::fork_server('stream', sub {
        my ($parent) = @_;
        my %result = (ok => 0, failures => []);

        until (ShopTest::pause(0.001, $parent)) {
            my $failure = eval { $once->() };

            $failure = "died: $@" if $@;

            if (defined $failure) {
                push @{ $result{failures} }, $failure;

            } else {
                $result{ok}++;
            }

            write_file("$file.now", $result{ok});
        }

        write_file("$file.new", JSON::PP::encode_json(\%result));
        rename "$file.new", $file;
    });

    return { process => $process, file => $file };
}

sub progress {
    my ($stream, $n) = @_;
    my $from = read_file("$stream->{file}.now") || 0;

    wait_for { (read_file("$stream->{file}.now") || 0) >= $from + $n }
             'customers', 20;
}

# later ones hold what ends the earlier ones: all are ended first

sub results {
    my (@streams) = @_;

    close delete $_->{process}{held} for @streams;
    ShopTest::wait_exit($_->{process}, 20) for @streams;

    return map { JSON::PP::decode_json(read_file($_->{file})) } @streams;
}

sub streams {
    return map { stream($_) } (
        sub {
            my $response = $nginx->get('/', Cookie => $session->cookie);

            return $response->status if $response->status != 200;

            my $echo = $response->json;
            my %headers = map { @$_ } @{ $echo->{headers} };

            return 'not the customer'
                if ($headers{'X-Customer-Id'} || '') ne $session->customer
                   || ($headers{'X-Loyalty-Tier'} || '') ne 'silver';
            return;
        },
        sub {
            my $browser = $shop->browser;
            my $response = $shop->callback($browser,
                                           $shop->attempt($browser));

            return $response->status if $response->status != 303;
            return 'nobody' unless $shop->me($browser);
            return;
        },
        sub {
            my $status = $nginx->get('/')->status;

            return $status == 200 ? undef : $status;
        },
    );
}

sub all_well {
    my ($name, @streams) = @_;
    my @results = results(@streams);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for ([ 0, 'a customer' ], [ 1, 'a login' ], [ 2, 'a visitor' ]) {
        my ($i, $who) = @$_;

        is_deeply($results[$i]{failures}, [], "$name: $who notices nothing");
        cmp_ok($results[$i]{ok}, '>', 0, "$name: $results[$i]{ok} times");
    }
}

sub gone {
    my ($pid) = @_;

    return read_file("/proc/$pid/stat") !~ /\) [^Z]/;
}


# --- reload ---------------------------------------------------------------


{
    my @streams = streams();

    for (1 .. 5) {
        my @old = $nginx->workers;

        progress($_, 3) for @streams;
        $nginx->reload;
        progress($_, 3) for @streams;

        wait_for { !grep { !gone($_) } @old } 'the end of the old workers';
    }

    all_well('reload', @streams);

    is($provider->count('/.well-known/openid-configuration'), 1,
       'reload: the metadata is kept');
    is($provider->count('/jwks'), 1, 'reload: and so are the keys');
}

# a reload that is refused changes nothing

{
    my $good = $nginx->{http};

    is($nginx->reload(http => "$good\nsocial_login maybe;"), 0,
       'a wrong configuration is refused');
    is($nginx->get('/account/', Cookie => $session->cookie)->status, 200,
       '... and the old one goes on');

    $nginx->reload(http => $good);
}

# a login that waits for the provider while it happens

for my $endpoint (qw(token userinfo)) {
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    $provider->forget;
    $provider->set({ thin => 1, fault => { $endpoint => { wait => 1 } } });

    my $c = $browser->start($url);

    wait_for { $provider->count("/$endpoint") } "a request for $endpoint";
    $nginx->reload;

    my $response = $c->response;

    is($response->status, 303, "reload while $endpoint is awaited: finished");
    $browser->set_cookie($shop->url . '/', $_)
        for $response->headers('Set-Cookie');

    $provider->restore;
    ok($shop->me($browser), '... and signed in');
}

# the zone cannot be another size; a name that is new starts anew

{
    my $good = $nginx->{http};

    (my $other = $good) =~ s/shop:8m/other:8m/;

    $provider->forget;
    is($nginx->reload(http => $other), 1, 'another zone');
    $shop->signs_in('another zone');
    is($provider->count('/.well-known/openid-configuration'), 1,
       '... for which the provider is asked');

    $nginx->reload(http => $good);
    $shop->signs_in('the first zone again');
}


# --- another binary -------------------------------------------------------


{
    my $browser = $shop->signs_in('upgrade: before');
    my $customer = $shop->me($browser)->{customer};
    my $waiting = $shop->browser;
    my $url = $shop->attempt($waiting);
    my @streams = streams();

    $provider->forget;
    progress($_, 3) for @streams;

    $nginx->upgrade(sub {
        progress($_, 6) for @streams;

        # both serve: what one has begun the other finishes

        for (1 .. 10) {
            my $other = $shop->browser;

            is($shop->callback($other, $shop->attempt($other))->status, 303,
               'upgrade: a login while there are two');
        }
    });

    progress($_, 3) for @streams;
    all_well('upgrade', @streams);

    is($shop->me($browser)->{customer}, $customer,
       'upgrade: a session survives');
    is($shop->callback($waiting, $url)->status, 303,
       'upgrade: a login that began before');

    # each binary has a zone of its own

    cmp_ok($provider->count('/.well-known/openid-configuration'), '<=', 1,
           'upgrade: the provider is asked once');
}


# --- a worker is killed ---------------------------------------------------


{
    my @streams = streams();

    $provider->forget;

    for (1 .. 10) {
        my ($victim) = $nginx->workers;

        progress($_, 2) for @streams;
        kill 'KILL', $victim;
        wait_for { grep { $_ != $victim } $nginx->workers } 'a new worker';
    }

    progress($_, 3) for @streams;

    # what the killed had in hand is lost, and nothing else

    for my $result (results(@streams)) {
        is_deeply([ grep { !/^died: .*(?:closed|reset|in time|no callback)/s }
                    @{ $result->{failures} } ], [],
                  'killed: only what was in hand is lost');
        cmp_ok(scalar @{ $result->{failures} }, '<', 20,
               'killed: which is little');
    }

    my $browser = $shop->signs_in('killed: a new login');

    is($nginx->get('/', Cookie => $session->cookie)->status, 200,
       'killed: the session is there');
    is($provider->count('/jwks'), 0, 'killed: and so is the zone');
}

$shop->signs_in('after all of it');

done_testing();
