# A reply that was on its way while its key was written may be old, and is used
# and not kept; many who ask for one session ask once; and who leaves takes
# nobody's answer away.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $backend = backend();

my $shop = shop(redis => $redis,
    backend  => $backend,
    vars     => { redis => $proxy->url . ' timeout=5s',
                  kept  => '127.0.0.1:' . $backend->port },
    location => 'add_header X-Session $shop_session;',
    http     => 'upstream kept { server %%kept%%; keepalive 2; }',
    server   => <<'END');
        location /kept/ {
            loyalty            on;
            proxy_pass         http://kept;
            proxy_http_version 1.1;
            proxy_set_header   Connection '';
        }
END

my $nginx = $shop->nginx;

sub session { return ShopTest::Session->new(redis => $redis, @_) }

sub read_told {
    my ($response) = @_;
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}

sub told {
    return read_told($nginx->get('/', Cookie => $_[0]->cookie));
}

sub ask {
    my ($session) = @_;
    my $c = $nginx->connect;

    $c->send('GET', '/', headers => [ Cookie => $session->cookie ]);

    return $c;
}

my $n = 0;
my $probe = session(view => { points => 0 });

wait_for(sub {
    $redis->command('HSET', $probe->key('view'), 'points', ++$n);
    return told($probe) =~ / $n / && told($probe) =~ /cached/;
});


# Messages come in their order.  When that about a witness has been heard, so
# that it is read again, all before it have been.

sub heard {
    my ($witness) = @_;
    my $before = $proxy->spoiled;
    my @asked;

    $witness->view(points => 9);

    wait_for(sub {
        push @asked, ask($witness);
        return $proxy->spoiled > $before;
    });

    return \@asked;
}


# a change while the reply is on its way

{
    my $s = session(view => { points => 1 });
    my $witness = session(view => { points => 0 });

    told($witness);

    $proxy->spoil('hold', 0, only => 'HMGET');

    my $c = ask($s);

    wait_for(sub { $proxy->spoiled == 2 });
    $s->view(points => 2);

    my $asked = heard($witness);

    $proxy->heal;

    like(read_told($c->response), qr/^$s->{customer} [12] fresh$/,
         'the reply is used');
    is(told($s), "$s->{customer} 2 fresh", '... and was not kept');
    is(told($s), "$s->{customer} 2 cached", 'the next one is');
}


# signed out while a read is on its way: nobody joins it afterwards

{
    my $s = session();
    my $witness = session(view => { points => 0 });

    told($witness);

    $proxy->spoil('hold', 0, only => 'HMGET');

    my $c = ask($s);

    wait_for(sub { $proxy->spoiled == 2 });
    $s->end;

    my $asked = heard($witness);
    my $before = $proxy->spoiled;
    my $later = ask($s);

    wait_for(sub { $proxy->spoiled == $before + 2 });
    $proxy->heal;

    $c->response;
    is(read_told($later->response), '- - none',
       'who asks after a sign-out is not given the answer from before');
}


# one read for all, when all that was said of the session before is heard

{
    my $s = session(view => { points => 4 });
    my $witness = session(view => { points => 4 });

    told($witness);
    $witness->view(points => 5);
    wait_for(sub { told($witness) eq "$witness->{customer} 5 cached" });

    $proxy->spoil('hold', 0, only => 'HMGET');

    my @c = map { ask($s) } 1 .. 50;

    wait_for(sub { $proxy->spoiled });

    # all fifty have come: a request behind them is answered

    $nginx->get('/');
    my $before = $proxy->spoiled;

    # some leave, the first among them

    $_->reset for @c[0, 7, 49];
    $nginx->get('/');

    $proxy->heal;

    my %told;
    $told{ read_told($_->response) }++ for @c[1 .. 6, 8 .. 48];

    is_deeply(\%told, { "$s->{customer} 4 fresh" => 47 },
              'fifty who ask together are all told, but those who left');
    is($before, 2, '... by one read of session and view');

    wait_for(sub { told($s) eq "$s->{customer} 4 cached" });
    pass('and it is kept');
}


# all leave

{
    my $s = session(view => { points => 4 });

    $proxy->spoil('hold', 0, only => 'HMGET');

    my @c = map { ask($s) } 1 .. 5;

    wait_for(sub { $proxy->spoiled });
    $_->reset for @c;
    $nginx->get('/');
    $proxy->heal;

    like(told($s), qr/^$s->{customer} 4 /, 'all left, the next is answered');
}


# no answer comes

{
    my $s = session();

    $proxy->spoil('close', 0, only => 'HMGET');

    my @c = map { ask($s) } 1 .. 10;
    my %told;

    $told{ read_told($_->response) }++ for @c;

    is_deeply(\%told, { '- - none' => 10 }, 'a read that fails fails for all');

    $proxy->heal;
    wait_for(sub { told($s) =~ /^$s->{customer} / });
    pass('... and the next one is answered');
}


# a worker that is made to end lets nobody through without being known

{
    my ($worker) = $nginx->workers;

    is($nginx->get('/kept/')->status, 200, 'a connection that is kept');

    $proxy->spoil('stall', 0, only => 'HMGET');

    my $c = $nginx->connect;

    $c->send('GET', '/kept/of-a-customer',
             headers => [ Cookie => session()->cookie ]);
    wait_for { $proxy->spoiled } 'a request that waits for Redis';

    kill 'TERM', $worker;
    wait_for { !kill 0, $worker } 'the end of the worker';
    $proxy->heal;

    # what came before is counted before this one

    wait_for { eval { $nginx->get('/kept/later')->status == 200 } } 'another';
    is($backend->count('/kept/of-a-customer'), 0,
       'one that waited at the end of a worker does not go on as nobody');
}

done_testing();
