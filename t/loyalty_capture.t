# Events that the backend puts into its answer are booked for the customer of
# the request, once, and are never seen by anybody: whatever way the answer
# takes, and wherever "loyalty_capture" is on or off.

use lib 't/lib';
use ShopTest;
use ShopTest::Browser;
use ShopTest::Events;
use ShopTest::HTTP2;
use ShopTest::Nginx;
use ShopTest::Server;
use ShopTest::Session;

use JSON::PP ();

my $json   = JSON::PP->new->canonical->utf8;
my $redis  = redis();
my $events = ShopTest::Events->new;
my $shop   = shop(
    redis    => $redis,
    location => 'loyalty_capture on;',
    http     => $events->conf . '
    proxy_cache_path %%dir%%/cache keys_zone=c:1m;
    server {
        listen          127.0.0.1:%%port2%%%%h2_listen%%;
        %%h2_on%%
        shop_base_url   http://127.0.0.1:%%port2%%;
        loyalty_capture on;
        location / { proxy_pass %%backend%%; }
    }',
    server   => <<'END',
        location /off/ { loyalty on; proxy_pass %%backend%%; }

        location /bare/ { loyalty_capture on; proxy_pass %%backend%%; }

        location /cached/ {
            loyalty           on;
            loyalty_capture   on;
            proxy_cache       c;
            proxy_cache_valid 1h;
            proxy_pass        %%backend%%;
            add_header        X-Cache $upstream_cache_status;
        }

        location /error/ {
            loyalty                on;
            loyalty_capture        on;
            proxy_intercept_errors on;
            error_page             404 = /again?$args;
            proxy_pass             %%backend%%/lost?status=404&$args;
        }

        location /parts/ {
            loyalty         on;
            loyalty_capture on;
            ssi             on;
            proxy_pass      %%backend%%;
        }

        location /patient/ {
            loyalty_capture           on;
            proxy_ignore_client_abort on;
            proxy_pass                %%backend%%;
        }

        location = /json { shop_status json; }
        location = /prometheus { shop_status prometheus; }
END
);
my $nginx = $shop->nginx;
my $n     = 0;

sub customer { return ShopTest::Session->new(redis => $redis, @_) }

sub points { return $redis->hash($_[0]->key('view'))->{points} || 0 }

sub adjust {
    my ($points, %o) = @_;

    return { id => 'a-' . ++$n, type => 'adjust', time => time,
             points => $points, %o };
}

# the address of an answer with these events, each a header

sub uri {
    my ($path, @events) = @_;

    return $path . '?' . join '&', map {
        my ($name, $event) = /^([\w-]+):\{/ ? split /:/, $_, 2
                           : ('X-Shop-Event', $_);

        "header=" . ShopTest::Browser::escape("$name:$event")
    } map { ref $_ ? $json->encode($_) : $_ } @events;
}

sub hidden {
    my ($response, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($response->text !~ /shop-event/i, "$name: the customer sees none")
        or diag($response->text);
}

sub page {
    my ($who, $uri, $name) = @_;
    my $response = $nginx->get($uri, $who ? (Cookie => $who->cookie) : ());

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    hidden($response, $name);

    return $response;
}

sub figures { return $nginx->get('/json')->json->{events} }

# all that was captured has come to its end

sub settled {
    wait_for { figures()->{in_flight} == 0 } 'what is under way', 60;
}

sub has {
    my ($who, $points, $name) = @_;

    settled();
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(points($who), $points, $name);
}

sub refused {
    my ($who, $event, $reason, $name, $path) = @_;
    my $from = length $nginx->log;
    my $before = $who ? points($who) : 0;
    my $counted = figures()->{capture_refused};

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $response = page($who, uri($path || '/', $event), $name);

    settled();
    like(substr($nginx->log, $from), qr/\[warn\].* was refused: $reason\b/,
         "$name: is refused");
    is(figures()->{capture_refused}, $counted + 1, '... and counted');
    is(points($who), $before, '... and nothing is booked') if $who;

    return substr $nginx->log, $from;
}


# what it is for

{
    my $anna = customer();
    my $event = adjust(7);
    my $response = page($anna, uri('/', $event), 'an event');

    is($response->status, 200, 'an answer with an event comes');
    is($response->json->{method}, 'GET', '... whole');
    has($anna, 7, '... and the event is booked for the customer');

    page($anna, uri('/', $event), 'again');
    has($anna, 7, '... once');

    page($anna, uri('/', adjust(10), adjust(100), adjust(-5)), 'several');
    has($anna, 112, 'several events of an answer are booked');

    page($anna, uri('/', map { adjust($_) } 1, -112, 1), 'in order');
    has($anna, 2, '... in their order: else a step of it would be too large');

    page($anna, uri('/', { id => 'o-1', type => 'order', time => time,
                           order => '1001', total => '49.99',
                           currency => 'EUR' }), 'an order');
    settled();
    is($redis->hash($anna->key('view'))->{orders}, 1, 'an order is one');

    page($anna, uri('/', 'x-shop-event:' . $json->encode(adjust(1))),
         'a name in lower case');
    has($anna, 3, '... is the same name');

    page($anna, uri('/bare/', adjust(1)), 'loyalty is off');
    has($anna, 4, '... the customer is known nevertheless');
}


# whose it is

{
    my ($anna, $ben) = (customer(), customer());

    page($anna, uri('/', adjust(3, customer => $anna->customer)), 'named');
    has($anna, 3, 'the customer may be named');
    refused($anna, adjust(5, customer => $ben->customer),
            'customer_mismatch', 'another customer');
    refused($anna, adjust(5, customer => { email => 'a@shop.example' }),
            'customer_mismatch', 'an address');
    refused($anna, adjust(5, customer => { provider => 'work',
                                           subject => 'anna' }),
            'customer_mismatch', 'an account');
    refused(undef, adjust(5), 'customer_missing', 'nobody');
    refused(undef, adjust(5, customer => $ben->customer), 'customer_missing',
            'nobody who names somebody');
    is(points($ben), 0, 'somebody else has nothing of it');
}


# what is wrong

{
    my $anna = customer();

    refused($anna, '{"id":', 'json_malformed', 'half an event');
    refused($anna, adjust(5, time => undef), 'time_missing', 'no time');
    refused($anna, adjust(-5), 'too_few_points', 'too much');

    my $log = refused($anna, adjust(0, id => 'anna@shop.example'),
                      'points_invalid', 'an id that is an address');

    like($log, qr/event "-" of an answer/, '... which is not logged');

    page($anna, uri('/', map { adjust(1) } 1 .. 17), 'seventeen');
    has($anna, 16, '... of which sixteen are booked');
    like($nginx->log, qr/1 events of an answer were refused: events_too_many/,
         '... and one is refused');
}


# where it is off

{
    my $anna = customer();

    page($anna, uri('/off/', adjust(5)), 'off');
    page($anna, uri('/account/', adjust(5)), 'off behind the gate');
    has($anna, 0, '... nothing is booked');
}


# a cache

{
    my ($anna, $ben) = (customer(), customer());
    my $uri = uri('/cached/', adjust(5));

    is(page($anna, $uri, 'kept')->header('X-Cache'), 'MISS',
       'an answer goes into the cache');
    has($anna, 5, '... and is booked');
    is(page($ben, $uri, 'cached')->header('X-Cache'), 'HIT',
       'and comes out of it');
    page(undef, $uri, 'cached, for nobody');
    has($ben, 0, '... without its event');
    has($anna, 5, '... for all');
}


# ways of an answer

{
    my $anna = customer();

    page($anna, uri('/error/', adjust(5)), 'an error page');
    has($anna, 5, 'of two answers to one request the one that comes counts');

    page($anna, uri('/', adjust(7)) . '&accel=/off/', 'sent elsewhere');
    has($anna, 5, 'an answer that sends nginx elsewhere is none');

    is(page($anna, uri('/', adjust(1)) . '&status=404', '404')->status, 404,
       'an error of the backend comes through');
    has($anna, 6, '... with its event');

    is(page($anna, uri('/', adjust(1)) . '&status=304', '304')->status, 304,
       'so does 304');
    has($anna, 7, '... with its event');

    hidden(request($nginx->port, 'HEAD', uri('/', adjust(1)),
                   headers => [ Cookie => $anna->cookie ]), 'HEAD');
    has($anna, 8, 'HEAD is a request like others');

    my $part = ShopTest::Browser::escape(
        '<!--# include virtual="' . uri('/off/', adjust(3)) . '" -->'
        . '<!--# include virtual="' . uri('/bare/', adjust(3)) . '" -->');

    page($anna, uri('/parts/', adjust(1)) . "&type=text/html&body=$part",
         'a page of parts');
    has($anna, 9, 'a page has an event, its parts have none');
    like($nginx->log, qr/was refused: subrequest/, '... which is logged');
}


# connections

{
    my $anna = customer();
    my $c = $nginx->connect;

    for (1 .. 3) {
        $c->send('GET', uri('/', adjust(1)),
                 headers => [ Cookie => $anna->cookie ]);
        hidden($c->response, 'keepalive');
    }

    $c->close;
    has($anna, 3, 'three requests on a connection have three events');

    # who does not wait for an answer

    $c = $nginx->connect;
    $c->send('GET', uri('/patient/', adjust(1)) . '&wait=1',
             headers => [ Cookie => $anna->cookie ]);
    wait_for { $shop->backend->count('/patient/') } 'it to be asked';
    $c->close;
    wait_for { points($anna) == 4 } 'the event of an answer to nobody', 30;
    pass('a client that leaves takes no event with it');

    # the session ends while the answer is made

    $c = $nginx->connect;
    $c->send('GET', uri('/signed-out', adjust(1)) . '&wait=1',
             headers => [ Cookie => $anna->cookie ]);
    wait_for { $shop->backend->count('/signed-out') } 'it to be asked';
    $anna->end;
    hidden($c->response, 'signed out');
    has($anna, 5, 'an event of a request that came before its session ended');
    refused($anna, adjust(1), 'customer_missing', 'after it');
}


# figures

{
    my $figures = figures();
    my $anna = customer();

    page($anna, uri('/', adjust(1), adjust(1)), 'figures') for 1;
    page($anna, uri('/', adjust(-5)), 'figures');
    settled();
    $events->results($nginx,
        adjust(1, customer => 'x', id => 'same'),
        adjust(1, customer => 'x', id => 'same'), '{}',
        adjust(1, customer => { email => 'x@shop.example' }));

    my $now = figures();

    is_deeply({ map { $_ => $now->{$_} - $figures->{$_} } keys %$now },
              { api_booked => 1, api_duplicate => 1, api_kept => 1,
                api_refused => 1, capture_booked => 2,
                capture_duplicate => 0, capture_kept => 0,
                capture_refused => 1, capture_dropped => 0, lost => 0,
                in_flight => 0 }, 'what became of events is counted');

    my $text = $nginx->get('/prometheus')->body;

    like($text, qr/^ngx_shop_events_api_total\{status="booked"\} 1$/m,
         '... for Prometheus, too');
    like($text, qr/^ngx_shop_events_capture_total\{status="dropped"\} 0$/m,
         '... each kind');
    like($text, qr/^# TYPE ngx_shop_events_in_flight gauge$/m,
         '... and what is under way');
}


# HTTP/2

SKIP: {
    skip 'nginx has no HTTP/2', 1 unless ShopTest::HTTP2->available;

    my $anna = customer();
    my $c = ShopTest::HTTP2->connect($nginx->port(2));
    my $response = $c->request('GET', uri('/', adjust(2)),
                               headers => [ cookie => $anna->cookie ]);

    is($response->{status}, 200, 'HTTP/2: the answer comes');
    has($anna, 2, '... and its event is booked');
    $c->close;
}


# trailers, of gRPC: a backend that speaks as much HTTP/2 as that takes

SKIP: {
    skip 'nginx has no HTTP/2', 3 unless ShopTest::HTTP2->available;

    my $backend = ShopTest::Server->new(raw => sub {
        my ($in, $state) = @_;

        $$in =~ s/^PRI \* HTTP\/2\.0\r\n\r\nSM\r\n\r\n//;

        while (length $$in >= 9) {
            my ($high, $low, $type, $flags, $id) = unpack 'CnCCN', $$in;
            my $size = 9 + ($high << 16 | $low);

            return [] if length $$in < $size;

            substr $$in, 0, $size, '';

            next if $type != 1;

            my $trailers = join '', map { ShopTest::HTTP2->field(@$_) }
                                        @{ $state->{trailers} };

            return [ ShopTest::HTTP2::frame(4, 0, 0, '')
                     . ShopTest::HTTP2::frame(1, 4, $id, "\x88")
                     . ShopTest::HTTP2::frame(0, 0, $id, 'body')
                     . ShopTest::HTTP2::frame(1, 5, $id, $trailers) ];
        }

        return [];
    });

    my $keys = key_file();

    my $server = sub {
        my ($capture, $shop) = @_;

        return ShopTest::nginx(vars => { backend => $backend->port },
                               http => <<"END");
    @{[ $shop ? 'shop_redis ' . $redis->url . ';' : '' ]}
    shop_secret_file $keys;
    server {
        listen 127.0.0.1:%%port%%%%h2_listen%%;
        %%h2_on%%
        shop_base_url http://127.0.0.1:%%port%%;
        location / { grpc_pass grpc://127.0.0.1:%%backend%%; }
        location /other/ { $capture }
    }
END
    };

    my $trailers = sub {
        my ($nginx, @trailers) = @_;

        $backend->set({ trailers => \@trailers });

        my $c = ShopTest::HTTP2->connect($nginx->port);
        my $response = $c->request('GET', '/');

        $c->close;

        return "$response->{body} " . unpack 'H*', $response->{trailers} || '';
    };

    my $event = [ 'x-shop-event', $json->encode(adjust(1)) ];
    my $status = [ 'grpc-status', '0' ];
    my $on = $server->('loyalty_capture on;', 1);
    my $off = $server->('', 1);
    my $plain = $server->('', 0);

    is($trailers->($on, $status, $event), $trailers->($plain, $status),
       'of the trailers an event is taken out');
    is($trailers->($on, $event), 'body ', '... and none may be left');
    is($trailers->($off, $status, $event), $trailers->($plain, $status),
       '... also where no location captures');
    isnt($trailers->($plain, $status, $event), $trailers->($plain, $status),
         '... but not without a shop');
}


# early hints, which nginx sends on by other filters

SKIP: {
    skip 'nginx has no early hints', 2
        if ShopTest::Nginx::version() < 1029000;

    my $backend = ShopTest::Server->new(handler => sub {
        my $event = 'X-Shop-Event: ' . $json->encode(adjust(1)) . "\r\n";

        return [ "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n$event\r\n"
                 . "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n${event}\r\nbody" ];
    });

    my $hints = shop(redis => $redis, http => 'loyalty_capture on;',
                     location => 'early_hints 1;', backend => $backend);
    my $response = $hints->nginx->get('/');

    is($response->body, 'body', 'an answer with early hints comes');
    is_deeply([ map { [ $_->status, @{ $_->fields } ] }
                @{ $response->interim } ],
              [ [ 103, [ Link => '</a.css>' ] ] ],
              '... and so do they, but for the event');
}


# it is taken out also where no location captures

{
    my $other = shop(redis => $redis);
    my $response = $other->nginx->get(uri('/', adjust(5)));

    is($response->status, 200, 'without the directive there is an answer');
    is($response->header('X-Shop-Event'), undef, '... without its event');
}


# configuration

for my $case (
    [ 'loyalty_capture maybe;', qr/invalid value "maybe" in "loyalty_capture"/,
      'a wrong value' ],
    [ 'server { loyalty_capture on; }', qr/"loyalty_capture".*shop_redis/s,
      'no Redis' ])
{
    my ($http, $message, $name) = @$case;
    my ($code, $text) = ShopTest::Nginx->check(http => $http);

    isnt($code, 0, "$name is refused");
    like($text, $message, '... and the message says why');
}

done_testing();
