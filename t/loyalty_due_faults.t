# Between the read that finds something overdue and the one that shows it done
# stands a write, and anything may happen to it: the customer stays signed in,
# is told what was read, and all of it is caught up with, once.

use lib 't/lib';
use ShopTest;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();

my $proxy = ShopTest::Proxy->new($redis->port);
my $shop = shop(redis => $redis, vars => { redis => $proxy->url },
                location => 'add_header X-Session $shop_session;');

# 5 points, and 100 that were to be active a minute ago

sub customer {
    my $due = time - 60;
    my $session = ShopTest::Session->new(
        redis => $redis,
        view  => { points => 5, pending => 100, qualifying => 105,
                   created => $due, next_due => $due });

    $session->noted(0);
    $redis->command('ZADD', $session->key('lots'), -100, "$due:0");

    return $session;
}

sub ask {
    my ($session) = @_;
    my $client = $shop->nginx->connect;

    $client->send('GET', '/', headers => [ Cookie => $session->cookie ]);

    return $client;
}

# "POINTS SOURCE"

sub answer {
    my ($client) = @_;
    my $response = $client->response;
    my ($points) = map { $_->[1] } grep { lc $_->[0] eq 'x-loyalty-points' }
                   @{ $response->json->{headers} };

    return (defined $points ? $points : '-') . ' '
         . $response->header('X-Session');
}

sub told { return answer(ask($_[0])) }

sub released {
    my ($session) = @_;

    return scalar grep { /released/ }
           @{ $redis->command('LRANGE', $session->key('ledger'), 0, -1) };
}

sub catches_up {
    my ($session, $name) = @_;

    wait_for { told($session) =~ /^105 / } "$name: what is due", 30;
    is(released($session), 1, "$name: it is caught up with, once");
}

is(told(customer()), '105 fresh', 'what is due is done before it is shown, '
   . 'by a script that Redis does not know yet');
is(told(customer()), '105 fresh', '... and by one that it knows');

for my $action (qw(error nil garbage huge close lost cut reset stall)) {
    my $session = customer();

    $proxy->spoil($action, 0, only => 'EVALSHA', text => 'READONLY no');
    like(told($session), qr/^(?:5|105) fresh$/,
         "$action: the customer stays signed in");
    cmp_ok($proxy->spoiled, '>=', 1, "$action: the write met it");
    $proxy->heal;

    catches_up($session, $action);
}


# who waits for the write

{
    my $session = customer();

    $proxy->spoil('hold', 0, only => 'EVALSHA');

    my @clients = map { ask($session) } 1 .. 3;

    wait_for { $proxy->spoiled } 'the write';
    push @clients, ask($session);

    $clients[0]->close;
    $proxy->heal;

    is(join(', ', map { answer($_) } @clients[1 .. 3]),
       '105 fresh, 105 fresh, 105 fresh',
       'one that leaves takes nothing from the others');
    is(released($session), 1, '... and it is done once');
}

{
    my $session = customer();

    $proxy->spoil('hold', 0, only => 'EVALSHA');

    my $client = ask($session);

    wait_for { $proxy->spoiled } 'the write';
    $client->close;
    wait_for { 2 == (() = $shop->nginx->log =~ /prematurely closed/g) }
             'the client to be gone';
    $proxy->heal;

    catches_up($session, 'the last one left');
}

done_testing();
