# How the body of a notice comes: whatever the server does with bodies
# elsewhere, in parts, late, chunked.  The request goes on as any other then:
# a provider that leaves is noticed, and its connection takes a next request.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

use ShopTest::HTTP;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $provider = provider(client_id => 'shop');
my $serial = 0;

sub a_shop {
    return shop(
        redis     => $redis,
        provider  => $provider,
        vars      => { redis => $proxy->url . ' timeout=5s' },
        providers => { meta => '/meta' },
        provider_conf => 'notify meta_signed_request;',
        @_,
    );
}

sub notice {
    my $id = 'c-' . ++$serial;
    my $session = ShopTest::Session->new(
        redis => $redis, customer => $id, provider => 'meta');

    $redis->command('SET', "shop:identity:meta:s-$serial", $id);
    $redis->command('HSET', $session->key('customer'), "id:meta:s-$serial",
                    time . ' -');

    my $payload = encode_base64url(JSON::PP::encode_json({
        algorithm => 'HMAC-SHA256', issued_at => time,
        user_id => "s-$serial" }));
    my $mac = Digest::SHA::hmac_sha256($payload, $provider->client_secret);

    return ($session, 'signed_request=' . encode_base64url($mac)
                      . ".$payload");
}

sub head {
    my ($framing) = @_;

    return "POST /_shop/notify/meta?deauthorize HTTP/1.1\r\n"
           . "Host: shop\r\n$framing\r\n\r\n";
}

# nginx has read what is there, as far as its log tells

sub has_read {
    my ($shop, $rest) = @_;

    $shop->nginx->wait_log(qr/http client request body rest $rest/)
        if ShopTest::Nginx->build->{debug};
}

sub done {
    my ($session, $response, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response && $response->status, 200, "$what: done");
    is($redis->command('EXISTS', $session->key), 0,
       '... and the session is over');
}


for my $case (
    [ 'where bodies go to files', http => 'client_body_in_file_only clean; '
                                          . 'client_body_buffer_size 16;' ],
    [ 'where bodies go to files, in the server',
      server => 'client_body_in_file_only on;' ],
    [ 'where requests go to a mirror', http => 'client_body_buffer_size 16;',
      server => 'mirror /mirror; '
                . 'location = /mirror { internal; return 204; }' ])
{
    my ($what, @conf) = @$case;
    my $shop = a_shop(@conf);
    my ($session, $body) = notice();

    done($session, $shop->nginx->post('/_shop/notify/meta?deauthorize',
                                      $body), $what);
}


my $shop = a_shop();
my $nginx = $shop->nginx;

$shop->signs_in('before', name => 'meta');
$shop->is_idle('before', $proxy->port);

{
    my ($session, $body) = notice();
    my $client = $nginx->connect;

    $client->write(head('Content-Length: ' . length $body));
    $client->write(substr $body, 0, 20);
    has_read($shop, length($body) - 20);
    $client->write(substr $body, 20);
    done($session, $client->response, 'in two parts');

    ($session, $body) = notice();
    $client->write(head('Content-Length: ' . length $body) . $body);
    done($session, $client->response, 'the next one on this connection');
    $client->close;
}

{
    my ($session, $body) = notice();
    my $client = $nginx->connect;

    $client->write(head('Transfer-Encoding: chunked'));
    $client->write(sprintf "%x\r\n%s\r\n", length $_, $_)
        for unpack '(a10)*', $body;
    $client->write("0\r\n\r\n");
    done($session, $client->response, 'chunked');
    $client->close;
}

# who leaves while Redis is asked, is noticed, also if the body came late

for my $how (qw(close reset)) {
    my ($session, $body) = notice();
    my $client = $nginx->connect;

    $proxy->spoil('stall', 0);

    $client->write(head('Content-Length: ' . length $body));
    $client->write(substr $body, 0, 20);
    has_read($shop, length($body) - 20);
    $client->write(substr $body, 20);

    wait_for { $proxy->spoiled } 'Redis to be asked';

    $client->$how;
    wait_for { $nginx->get('/_status')->body =~ /^Active connections: 1 / }
             'the provider to be gone';
    $proxy->heal;

    $shop->is_idle("$how after a late body", $proxy->port);

    my $response;

    wait_for {
        $response = $nginx->post('/_shop/notify/meta?deauthorize', $body);
        $response->status == 200
    } 'Redis to be used again';

    done($session, $response, "$how: it is sent again");
}

# one that is never all there

for my $how (qw(close reset)) {
    my ($session, $body) = notice();
    my $client = $nginx->connect;

    $client->write(head('Content-Length: ' . length $body));
    $client->write(substr $body, 0, 20);
    has_read($shop, length($body) - 20);
    $client->$how;
    $shop->is_idle("$how within the body", $proxy->port);
    is($redis->command('EXISTS', $session->key), 1,
       '... and nothing was done');
}

done_testing();
