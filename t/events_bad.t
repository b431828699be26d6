# What is wrong with an event, a signature, a body or a key file is told by a
# code, and nothing is booked by it.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;
use ShopTest::Nginx;

my $redis  = redis();
my $events = ShopTest::Events->new;
my $shop   = shop(redis => $redis, http => $events->conf);
my $nginx  = $shop->nginx;
my $now    = time;

my %order = (id => 'o-1', type => 'order', customer => 'anna', time => $now,
             order => '1001', total => '10.00', currency => 'EUR');

sub order { return { %order, @_ } }

sub without {
    my ($name, %o) = @_;
    my %event = (%order, %o);

    delete $event{$name};

    return \%event;
}

sub points { return { %order, type => 'adjust', @_ } }


# each line

for my $case (
    [ 'no JSON', 'oops', 'json_malformed' ],
    [ 'a line that was cut', '{"id":"o-1","type":"ord', 'json_malformed' ],
    [ 'an array', '[1]', 'json_malformed' ],
    [ 'a member twice', '{"id":"a","id":"b"}', 'json_malformed' ],
    [ 'a huge line', order(more => 'x' x 17000), 'line_too_long' ],
    [ 'no id', without('id'), 'id_missing' ],
    [ 'an empty id', order(id => ''), 'id_missing' ],
    [ 'a long id', order(id => 'x' x 129), 'id_invalid' ],
    [ 'the id of the first login', order(id => 'signup'), 'id_invalid' ],
    [ 'an id with a blank', order(id => 'o 1'), 'id_invalid' ],
    [ 'an id that is a list', order(id => []), 'id_invalid' ],
    [ 'no type', without('type'), 'type_missing' ],
    [ 'an unknown type', order(type => 'login'), 'type_unknown' ],
    [ 'no customer', without('customer'), 'customer_missing' ],
    [ 'a customer that is no id', order(customer => 'a b'),
      'customer_invalid' ],
    [ 'a customer without a subject', order(customer => { provider => 'x' }),
      'customer_invalid' ],
    [ 'an address with two @', order(customer => { email => 'a@b@c' }),
      'customer_invalid' ],
    [ 'an account and an address', order(customer => {
        email => 'a@b.example', provider => 'x', subject => 'y' }),
      'customer_invalid' ],
    [ 'no time', without('time'), 'time_missing' ],
    [ 'a time in words', order(time => 'yesterday'), 'time_invalid' ],
    [ 'a time without a zone', order(time => '2026-09-01T10:00:00'),
      'time_invalid' ],
    [ 'a time before all', order(time => -1), 'time_invalid' ],
    [ 'a time that is too late', order(time => 1e300), 'time_invalid' ],
    [ 'a future time', order(time => $now + 400), 'in_future' ],
    [ 'a time of 401 days ago', order(time => $now - 401 * 86400),
      'too_old' ],
    [ 'no order', without('order'), 'order_missing' ],
    [ 'a long order', order(order => 'x' x 129), 'order_invalid' ],
    [ 'no total', without('total'), 'amount_missing' ],
    [ 'a total that is a number', order(total => 10.5), 'amount_invalid' ],
    [ 'a total in words', order(total => 'ten'), 'amount_invalid' ],
    [ 'a total with a comma', order(total => '10,00'), 'amount_invalid' ],
    [ 'a negative total', order(total => '-1.00'), 'amount_negative' ],
    [ 'a fraction of a cent', order(total => '1.001'), 'amount_fraction' ],
    [ 'more than 2^53', order(total => '90071992547409.92'), 'too_large' ],
    [ 'far more than that', order(total => '9' x 60), 'too_large' ],
    [ 'no currency', without('currency'), 'currency_missing' ],
    [ 'another currency', order(currency => 'USD'), 'currency_mismatch' ],
    [ 'another currency of a refund',
      order(type => 'refund', currency => 'USD'), 'currency_mismatch' ],
    [ 'a promotion with a blank', order(promotion => 'A B'),
      'promotion_invalid' ],
    [ 'too many promotions', order(promotion => [ ('A') x 21 ]),
      'promotion_invalid' ],
    [ 'no points', points(), 'points_missing' ],
    [ 'no points at all', points(points => 0), 'points_invalid' ],
    [ 'half a point', points(points => 1.5), 'points_invalid' ],
    [ 'too many points', points(points => '9007199254740992'),
      'too_large' ],
    [ 'negative points', order(type => 'spend', points => -1),
      'points_invalid' ],
    [ 'points that qualify perhaps', points(points => 1,
                                            qualifying => 'maybe'),
      'qualifying_invalid' ],
    [ 'a grant of no tier', order(type => 'grant', until => $now),
      'tier_missing' ],
    [ 'a grant of an unknown tier',
      order(type => 'grant', tier => 'iron', until => $now),
      'tier_unknown' ],
    [ 'a grant without an end', order(type => 'grant', tier => 'gold'),
      'until_missing' ],
    [ 'a custom event without a name', order(type => 'custom'),
      'name_missing' ],
    [ 'a custom event with a bad name',
      order(type => 'custom', name => 'a b'), 'name_invalid' ],
) {
    my ($name, $event, $reason) = @$case;

    is(join(', ', $events->results($nginx, $event)), "refused $reason",
       "$name is refused");
}

is(join(', ', $events->results($nginx,
        order(customer => { email => 'a@b.example' }, time => $now + 400))),
   'refused in_future', 'no event of the future waits for its customer');


# the whole body

my $body = ShopTest::Events::body(order());

sub refused {
    my ($name, $status, $reason, $text, %o) = @_;
    my $response = $events->post($nginx, $text, %o);
    my $is = eval { $response->json->{reason} } || 'none';

    is($response->status . " $is", "$status $reason", $name);

    return $response;
}

my $good = $events->signature($body);

sub changed {
    my ($from, $to) = @_;

    return (signature => $good =~ s/$from/$to/r);
}

my ($bit) = $good =~ /(.)$/;
my $flipped = sprintf '%x', hex($bit) ^ 1;

refused('no signature is refused', 401, 'hmac_missing', $body,
        signature => undef);
refused('no known part of one', 401, 'hmac_malformed', $body,
        signature => 'x');
refused('one without a time', 401, 'hmac_malformed', $body,
        changed('t=\d+,', ''));
refused('one with two times', 401, 'hmac_malformed', $body,
        changed('^', 't=1,'));
refused('one without a key', 401, 'hmac_malformed', $body,
        changed('k=erp,', ''));
refused('one that was cut', 401, 'hmac_malformed', $body, changed('.$', ''));
refused('one that is not in hex', 401, 'hmac_malformed', $body,
        changed('.$', 'g'));
refused('one by a key nobody knows', 403, 'hmac_key_unknown', $body,
        changed('k=erp', 'k=erb'));
refused('one that is a bit off', 403, 'hmac_mismatch', $body,
        changed('.$', $flipped));
refused('one by another key', 403, 'hmac_mismatch', $body,
        key => 'ab' x 32);
refused('one of another body', 403, 'hmac_mismatch', $body,
        signed => $body =~ s/10\.00/10.01/r);
refused('one of a body that was cut', 403, 'hmac_mismatch',
        substr($body, 0, -2), signed => $body);
{
    my ($time) = $good =~ /t=(\d+)/;

    refused('one of another time', 403, 'hmac_mismatch', $body,
            changed($time, $time - 1));
}

refused('one that is too old', 403, 'hmac_expired', $body,
        time => time - 330);
refused('one of the future', 403, 'hmac_expired', $body, time => time + 330);

refused('no body', 400, 'events_missing', '');
refused('a blank body', 400, 'events_missing', "\n \r\n\n");
refused('more than a thousand lines', 413, 'events_too_many',
        $body x 1001);
refused('more than a megabyte', 413, 'body_too_large', 'x' x 1048577);

is($redis->command('DBSIZE'), 1, 'by none of these anything was booked')
    or diag(join ' ', @{ $redis->command('KEYS', '*') });

for my $method (qw(GET PUT DELETE)) {
    my $response = request($nginx->port, $method, '/_shop/events');

    is($response->status . ' ' . $response->header('Allow'), '405 POST',
       "$method is refused");
}


# a body without a length

sub chunked {
    my ($text, $size) = @_;
    my $client = $nginx->connect;

    $client->send('POST', '/_shop/events', headers => [
        @{ $events->headers($text) }, 'Transfer-Encoding' => 'chunked' ]);

    eval {
        $client->write(sprintf "%x\r\n%s\r\n", length, $_)
            for $text =~ /.{1,$size}/sg;
        $client->write("0\r\n\r\n");
    };

    return $client->response;
}

is(chunked($body, 7)->json->{results}[0]{status}, 'booked',
   'a body may come in chunks');

{
    local $SIG{PIPE} = 'IGNORE';
    my $response = chunked('x' x 1100000, 60000);

    is($response->status . ' ' . $response->json->{reason},
       '413 body_too_large', '... but not for ever');
}


# where there is no key, and wrong keys

is(shop(redis => $redis)->nginx->post('/_shop/events', $body)->status, 404,
   'without keys there is no such endpoint');

for my $case (
    [ 'an empty file', '', 'is empty' ],
    [ 'only comments', "# none\n \t# indented\n\n", 'no key in' ],
    [ 'a bad line behind others', "# one\n\n \t# two\n b\n",
      'invalid line 4' ],
    [ 'no colon', 'ab' x 16, 'invalid line 1' ],
    [ 'no id', ':' . 'ab' x 16, 'invalid line 1' ],
    [ 'a bad id', 'a b:' . 'ab' x 16, 'invalid line 1' ],
    [ 'a short key', 'a:' . 'ab' x 15, 'invalid line 1' ],
    [ 'half a byte', 'a:' . 'ab' x 16 . 'c', 'invalid line 1' ],
    [ 'a key that is not in hex', 'a:' . 'xy' x 16, 'invalid line 1' ],
    [ 'an id twice', "a:" . 'ab' x 16 . "\na:" . 'cd' x 16,
      'invalid line 2' ],
) {
    my ($name, $text, $says) = @$case;
    my $file = write_file(temp_dir('keys') . '/keys', $text, 0600);
    my ($code, $output) = ShopTest::Nginx->check(
        http => "shop_event_key_file $file;");

    like($output, qr/\Q$says\E/, "$name is an error of the configuration");
    unlike($output, qr/(?:ab){8}/, '... that does not show the key');
}

{
    my $file = write_file(temp_dir('keys') . '/keys', 'a:' . 'ab' x 16,
                          0644);
    my ($code, $output) = ShopTest::Nginx->check(
        http => "shop_event_key_file $file;");

    is($code, 0, 'a file that others can read is taken');
    like($output, qr/is accessible to its group or to others/,
         '... with a warning');
}

done_testing();
