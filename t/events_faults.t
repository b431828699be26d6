# Whatever happens to Redis or to the client while events are booked: an
# answer either acknowledges all lines or none, and sent again, each event is
# booked once.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis  = redis();
my $proxy  = ShopTest::Proxy->new($redis->port);
my $events = ShopTest::Events->new;
my $shop   = shop(redis => $redis, vars => { redis => $proxy->url },
                  http => $events->conf);
my $nginx  = $shop->nginx;
my $n      = 0;

# 200 events of ten customers, of whom some are known by an account

sub batch {
    my $name = 'b' . ++$n;

    for (0 .. 4) {
        $redis->command('SET', "shop:identity:work:$name-$_", "$name-$_");
    }

    return map {
        my $customer = "$name-" . $_ % 10;

        { id => "$name-e$_", type => 'adjust', time => time, points => 1,
          customer => $_ % 10 < 5 && $_ % 2
              ? { provider => 'work', subject => $customer } : $customer }
    } 1 .. 200;
}

sub points {
    my ($event) = @_;
    my $id = $event->{customer};
    my $session = ShopTest::Session->new(
        redis => $redis, store => 0,
        customer => ref $id ? $id->{subject} : $id);

    return $redis->hash($session->key('view'))->{points};
}

sub caught_up {
    my ($name, @batch) = @_;
    my $response;

    wait_for {
        $response = $events->send($nginx, @batch);
        $response->status == 200
    } 'Redis to be asked again', 60;

    my %seen = map { $_->{status} => 1 } @{ $response->json->{results} };

    delete @seen{qw(booked duplicate)};
    is_deeply([ keys %seen ], [], "$name: sent again, all is booked");
    is(join(' ', map { points($_) } @batch[0 .. 9]), join(' ', (20) x 10),
       '... once');
}

caught_up('no fault', batch());

for my $action (qw(error nil garbage huge close lost cut reset stall)) {
    for my $case ([ 'GET', 0 ], [ 'EVALSHA', 0 ], [ 'EVALSHA', 100 ]) {
        my ($command, $pass) = @$case;
        my $name = "$action of $command " . ($pass + 1);
        my @batch = batch();

        next if "$action $command" eq 'nil GET';      # that is an answer

        $proxy->spoil($action, $pass, only => $command, text => 'OOM no');

        my $response = $events->send($nginx, @batch);

        is($response->status, 503, "$name: nothing is acknowledged");
        ok($response->header('Retry-After'), '... for now');
        unlike($response->body, qr/results/, '... line by line, either');

        $proxy->heal;
        caught_up($name, @batch);
    }
}


# nobody at all

{
    my @batch = batch();

    $proxy->spoil('refuse');
    is($events->send($nginx, @batch)->status, 503, 'Redis is away: 503');
    $proxy->heal;
    caught_up('Redis is back', @batch);
}


# the client leaves

{
    my @batch = batch();
    my $client = $nginx->connect;
    my $body = ShopTest::Events::body(@batch);

    $proxy->spoil('hold', 0, only => 'EVALSHA');
    $client->send('POST', '/_shop/events', body => $body,
                  headers => $events->headers($body));
    wait_for { $proxy->spoiled } 'the first round';
    $client->close;
    wait_for { $nginx->log =~ /prematurely closed/ } 'the client to be gone';
    $proxy->heal;
    caught_up('the client left', @batch);
}

{
    my $client = $nginx->connect;
    my $body = ShopTest::Events::body(batch());

    $client->send('POST', '/_shop/events',
                  body => substr($body, 0, 1000),
                  headers => [ @{ $events->headers($body) },
                               'Content-Length' => length $body ]);
    $client->close;
    caught_up('a client left within its body', batch());
}


# too many at once

{
    my @held;

    $proxy->spoil('hold', 0, only => 'EVALSHA');

    for my $i (1 .. 17) {
        my $body = ShopTest::Events::body(
            { id => "busy-$i", type => 'adjust', time => time, points => 1,
              customer => 'busy' });
        my $client = $nginx->connect;

        $client->send('POST', '/_shop/events', body => $body,
                      headers => $events->headers($body));
        wait_for { $proxy->spoiled >= $i } 'it to be under way' if $i < 17;
        push @held, $client;
    }

    my $response = (pop @held)->response;

    is($response->status . ' ' . $response->json->{reason},
       '429 events_busy', 'who comes when a worker has enough is told so');
    ok($response->header('Retry-After'), '... and when to come again');

    $proxy->heal;
    $_->response for @held;

    is(join(' ', $events->results($nginx,
        { id => 'after', type => 'adjust', time => time, points => 1,
          customer => 'busy' })), 'booked', '... which it can then');
}

done_testing();
