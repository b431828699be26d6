# How the body of events comes, and what is left of the request when it was
# refused: a page for errors takes it over, and what the client still sends is
# nobody's then.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;
use ShopTest::HTTP;

my $events = ShopTest::Events->new;

my $shop = shop(
    http   => $events->conf,
    server => <<'END');
        error_page 400 /late;

        location = /late {
            internal;
            proxy_ignore_client_abort on;
            proxy_read_timeout 5s;
            proxy_pass %%backend%%;
        }
END

my $nginx = $shop->nginx;

sub event {
    my ($id) = @_;

    return { id => $id, type => 'adjust', time => time, points => 1,
             customer => 'anna' };
}

sub head {
    my ($body, $framing) = @_;
    my @headers = @{ $events->headers($body) };
    my $text = "POST /_shop/events HTTP/1.1\r\nHost: shop\r\n$framing\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }

    return "$text\r\n";
}

is(join(', ', $events->results($nginx, event('before'))), 'booked',
   'events are booked');


# a body in parts

{
    my $body = ShopTest::Events::body(event('parts'));
    my $client = $nginx->connect;

    $client->write(head($body, 'Content-Length: ' . length $body));
    $client->write($_) for unpack '(a7)*', $body;
    is($client->response->json->{results}[0]{status}, 'booked',
       'a body in parts');

    $body = ShopTest::Events::body(event('chunks'));
    $client->write(head($body, 'Transfer-Encoding: chunked'));
    $client->write(sprintf "%x\r\n%s\r\n", length $_, $_)
        for unpack '(a7)*', $body;
    $client->write("0\r\n\r\n");
    is($client->response->json->{results}[0]{status}, 'booked',
       'the next one on this connection, chunked');
    $client->close;
}


# what is no chunk ends it; the page for that never comes, as the backend
# waits for a body, too, and more is sent

for my $how (qw(close reset)) {
    my $body = ShopTest::Events::body(event("late-$how"));
    my $client = $nginx->connect;
    my $open = $shop->backend->open_connections;

    $client->write(head($body, 'Transfer-Encoding: chunked'));
    $client->write(sprintf "%x\r\n%s\r\n", 7, substr $body, 0, 7);
    $client->write("no chunk\r\n");

    wait_for { $shop->backend->open_connections > $open }
             'the page for errors to be asked for';

    $client->write('more of it') for 1 .. 3;
    $client->$how;

    wait_for { $shop->backend->open_connections == $open }
             'the client to be gone';

    is(join(', ', $events->results($nginx, event("after-$how"))), 'booked',
       "$how: nginx goes on after a client that sends more");
}


# another module may read the body before, to a file

{
    my $other = shop(
        redis  => $shop->redis, provider => $shop->provider,
        backend => $shop->backend,
        http   => $events->conf,
        server => <<'END');
        mirror /mirror;
        client_body_buffer_size 16;
        location = /mirror { internal; return 204; }
END

    # more than comes with the headers

    my @batch = map { event("mirror-$_") } 1 .. 100;
    my $response = $events->send($other->nginx, @batch);

    is($response->status, 500, 'a body that is in a file: refused');
    like($other->nginx->log, qr/body of events was read by another module/,
         '... and why is logged');
    is(join(', ', $events->results($nginx, @batch)),
       join(', ', ('booked') x 100), '... nothing was booked');
}

done_testing();
