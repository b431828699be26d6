# A shop's own systems tell of orders, refunds and points by POST events: each
# is booked once, in the order of the lines, and the answer says line by line
# what became of it.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;
use ShopTest::Session;

use POSIX ();

my $redis  = redis();
my $events = ShopTest::Events->new;
my $shop   = shop(redis => $redis, http => $events->conf, program => <<'END');
    loyalty_program {
        currency EUR;
        tier bronze;
        tier silver points=1000;
        earn login 5;
    }
END

my $nginx = $shop->nginx;
my $now   = time;

sub event {
    my ($id, $type, $customer, %o) = @_;

    return { id => $id, type => $type, customer => $customer, time => $now,
             %o };
}

sub order {
    my ($id, $customer, $total, %o) = @_;

    return event($id, 'order', $customer, order => "n-$id", total => $total,
                 currency => 'EUR', %o);
}

sub view {
    my ($id) = @_;

    return $redis->hash(ShopTest::Session->new(
        redis => $redis, customer => $id, store => 0)->key('view'));
}

sub results { return join ', ', $events->results($nginx, @_) }


# what the answer looks like

{
    my $response = $events->send($nginx, order('a-1', 'anna', '49.99'));

    is($response->status, 200, 'an order is taken');
    is($response->header('Content-Type'), 'application/json', '... by JSON');
    is($response->header('Cache-Control'), 'no-store', '... not to be kept');
    is_deeply($response->json, { results => [
        { line => 1, id => 'a-1', status => 'booked', reason => undef } ] },
        '... and the answer has its result');
    is_deeply([ @{ view('anna') }{qw(orders spend last_order)} ],
              [ 1, 4999, $now ], '... which the customer has');
}

is(results(order('a-1', 'anna', '49.99')), 'duplicate',
   'the same again changes nothing');
is(results(order('a-1', 'anna', '49.98')), 'refused id_reused',
   'another one of that id is refused');
is(results(order('a-1', 'bert', '49.98')), 'booked',
   '... but ids are those of one customer');
is(view('anna')->{orders}, 1, '... and it was one order');

my @reused = $nginx->log_lines(qr/has the id of another/);

is(@reused, 1, 'that an id was used again is logged once');
like($reused[0], qr/customer "anna"/, '... with the customer');

is(results(order('a-1', 'cleo@shop.example', '49.99'),
           order('a-1', 'cleo@shop.example', '49.98')),
   'booked, refused id_reused', 'a customer id may be an address');
is(scalar($nginx->log_lines(qr/customer "-" has the id of another/)), 1,
   '... which is logged as none');
unlike($nginx->log, qr/cleo|shop\.example/, '... and stands in no line');


# kinds of events

is(results(event('k-1', 'adjust', 'kim', points => 300, reason => 'sorry'),
           event('k-2', 'adjust', 'kim', points => '-50'),
           event('k-3', 'spend', 'kim', points => 100, order => '17'),
           event('k-4', 'spend', 'kim', points => 151),
           event('k-5', 'adjust', 'kim', points => 1000,
                 qualifying => \1)),
   'booked, booked, booked, refused too_few_points, booked',
   'points are given, taken and spent, in the order of the lines');
is_deeply([ @{ view('kim') }{qw(points tier)} ], [ 1150, 'silver' ],
          '... and those that count raise a tier');

is(results(event('r-1', 'refund', 'rita', order => 'n-r-2', total => '10'),
           order('r-2', 'rita', '30.5'),
           event('r-3', 'refund', 'rita', order => 'n-r-2', total => '0.50',
                 currency => 'EUR')),
   'kept, booked, booked', 'a refund may come before its order');
is(view('rita')->{spend}, 2000, '... and is netted when that comes');

is(results(order('r-4', 'rita', '1', order => 'n-r-2')),
   'refused order_booked', 'an order is booked once, whatever its event');

is(results(order('p-1', 'paul', '5', promotion => 'WELCOME-10',
                 items => [ { sku => 'x' } ]),
           order('p-2', 'paul', '5', promotion => [qw(A B)], more => {})),
   'booked, booked', 'an order may name promotions, and hold more');


# time

is(results(order('t-1', 'tim', '1', time => $now + 200),
           order('t-2', 'tim', '1', time => $now - 399 * 86400),
           order('t-3', 'tim', '1', time => $now + 0.5),
           order('t-4', 'tim', '1',
                 time => POSIX::strftime('%Y-%m-%d', gmtime $now - 86400)),
           order('t-5', 'tim', '1',
                 time => POSIX::strftime('%Y-%m-%dT%H:%M:%S.123Z',
                                         gmtime $now)),
           order('t-6', 'tim', '1',
                 time => POSIX::strftime('%Y-%m-%dT%H:%M:%S+02:00',
                                         gmtime $now + 7200))),
   join(', ', ('booked') x 6), 'a time is in UNIX seconds or ISO 8601');


# one object, and lines

is($events->post($nginx, "{\n \"id\": \"o-1\", \"type\": \"adjust\",\n"
                 . "\"customer\": \"olga\",\n\"time\": $now,\r\n"
                 . "\"points\": 7 }\n")->json->{results}[0]{status},
   'booked', 'one event may have several lines');

is_deeply(
    $events->send($nginx, order('l-1', 'lea', '1'), '', ' ',
                  '{"id": "l-2", ', order('l-3', 'lea', '2'))
        ->json->{results},
    [ { line => 1, id => 'l-1', status => 'booked', reason => undef },
      { line => 4, id => undef, status => 'refused',
        reason => 'json_malformed' },
      { line => 5, id => 'l-3', status => 'booked', reason => undef } ],
    'a line that is wrong is told by its number, and harms no other');

{
    my $body = ShopTest::Events::body(order('c-1', 'cora', '1'));

    chomp $body;
    is($events->post($nginx, $body)->json->{results}[0]{status}, 'booked',
       'the last line needs no end');
}


# many at once, of many customers

{
    my @batch = map { event("m-$_", 'adjust', 'm' . $_ % 70, points => 1) }
                1 .. 999;

    splice @batch, 500, 0, 'no event';

    my @results = $events->results($nginx, @batch);

    is(@results, 1000, 'a thousand lines are taken at once');
    is($results[500], 'refused json_malformed', '... of which one is wrong');
    is(scalar(grep { $_ eq 'booked' } @results), 999,
       '... and all others are booked');
    is(view('m3')->{points}, 15, '... each for its customer');

    @results = $events->results($nginx, @batch);

    is(scalar(grep { $_ eq 'duplicate' } @results), 999,
       '... and sent again, they change nothing');
    is(view('m3')->{points}, 15, '... at all');
}


# a customer who is there sees it at once

{
    my $session = ShopTest::Session->new(
        redis => $redis, customer => 'sue', view => { points => 5 });
    my $points = sub {
        my $seen = $nginx->get('/', Cookie => $session->cookie)->json;

        return (map { $_->[1] } grep { lc $_->[0] eq 'x-loyalty-points' }
                @{ $seen->{headers} })[0];
    };

    is($points->(), 5, 'a customer is remembered');
    is(results(event('s-1', 'adjust', 'sue', points => 10)), 'booked',
       '... and is given points');
    is($points->(), 15, '... which count from the next request on');
}


# keys

{
    my $two = ShopTest::Events->new(
        lines => 'new:' . 'ab' x 16 . "\nold:" . 'CD' x 32 . "\n");

    my $other = shop(redis => $redis, http => $two->conf);

    for my $key ([ 'new', 'ab' x 16 ], [ 'old', 'cd' x 32 ]) {
        my $body = ShopTest::Events::body(order("x-$key->[0]", 'xenia', '1'));

        is($two->post($other->nginx, $body, id => $key->[0],
                      key => $key->[1])->status,
           200, "of several keys the $key->[0] one is good");
    }
}

done_testing();
