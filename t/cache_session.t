# Who was seen lately is not asked for again: and yet every change, by whomever,
# shows in time, a sign-out is one, and no copy outlives its session.

use lib 't/lib';
use ShopTest;
use ShopTest::HTTP;
use ShopTest::Proxy;
use ShopTest::Session;

use Time::HiRes ();

my %o = (http => 'shop_session idle=1000s lifetime=3000s;',
         location => 'add_header X-Session $shop_session;');

my $shop = shop(%o);
my $redis = $shop->redis;

my $other = shop(%o, redis => $redis, provider => $shop->provider,
                 backend => $shop->backend);

sub session {
    return ShopTest::Session->new(redis => $redis, idle => 1000, @_);
}

# "ID POINTS SOURCE" as one of the two told it

sub told {
    my ($session, $at) = @_;

    my $response = ($at || $shop)->nginx->get('/', Cookie => $session->cookie);
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}

sub sign_out {
    my ($session) = @_;

    return $shop->nginx->post('/_shop/logout', '', Cookie => $session->cookie,
                              'Sec-Fetch-Site' => 'same-origin');
}

sub calls { return $redis->calls->{$_[0]} || 0 }

sub now { return Time::HiRes::time() }

# the milliseconds until a condition holds

sub took {
    my ($cond) = @_;
    my $start = now();

    wait_for(\&$cond);

    return 1000 * (now() - $start);
}

# the channel of both works

for my $at ($shop, $other) {
    my $n = 0;
    my $probe = session(view => { points => 0 });

    wait_for(sub {
        $redis->command('HSET', $probe->key('view'), 'points', ++$n);
        return told($probe, $at) =~ / $n / && told($probe, $at) =~ /cached/;
    });
}


# hits and misses

{
    my $s = session(view => { points => 7 });

    is(told($s), "$s->{customer} 7 fresh", 'the first request reads');

    # unless a message about how it was made comes only now

    wait_for(sub { told($s) =~ /cached/ });

    my $before = calls('hmget');

    is(told($s), "$s->{customer} 7 cached", 'those after it do not')
        for 1 .. 5;
    is(calls('hmget'), $before, '... indeed');

    my $nobody = session();

    is(told($nobody), "$nobody->{customer} 0 fresh",
       'a customer without a view');
    wait_for(sub { told($nobody) eq "$nobody->{customer} 0 cached" });
    pass('... is cached, too');
}


# what is not there

{
    my $s = session(store => 0);

    is(told($s), '- - none', 'no such session');

    # messages about sessions that were made before have come by now

    wait_for(sub {
        my $before = calls('hmget');
        told($s);
        return calls('hmget') == $before;
    });

    my $before = calls('hmget');

    is(told($s), '- - none', '... is remembered');
    is(calls('hmget'), $before, '... without asking');

    $s->store;
    wait_for(sub { told($s) =~ /^$s->{customer} / });
    pass('... until it is there');
}


# changes by anybody, at both

{
    my $s = session(view => { points => 0 });
    my @took;

    told($s, $_) for $shop, $other;

    for my $n (1 .. 100) {
        $redis->command('HSET', $s->key('view'), 'points', $n);

        push @took, took(sub { told($s) =~ / $n / });
        push @took, took(sub { told($s, $other) =~ / $n / });
    }

    ShopTest::Session::are_soon('200 changes', @took);
    @took = ();

    for my $n (1 .. 20) {
        my $gone = session();

        like(told($gone, $_), qr/^$gone->{customer} /, 'a session')
            for $shop, $other;

        $gone->end;

        push @took, took(sub { told($gone) eq '- - none' });
        push @took, took(sub { told($gone, $other) eq '- - none' });
    }

    ShopTest::Session::are_soon('20 sessions that end', @took);
}


# signing out

{
    my (@alive, @took);

    for my $n (1 .. 20) {
        my $s = session();

        told($s, $_) for $shop, $other;

        sign_out($s);

        push @alive, $n if told($s) ne '- - none';
        push @took, took(sub { told($s, $other) eq '- - none' });
    }

    is_deeply(\@alive, [], 'who signed out is out at once where it was done');
    ShopTest::Session::are_soon('... and elsewhere', @took);

    # as in a failover to a replica that had not heard of it

    my $s = session();
    my @fields = %{ $redis->hash($s->key) };

    is(sign_out($s)->status, 204, 'a sign-out');
    $redis->command('HSET', $s->key, @fields);

    wait_for(sub { told($s, $other) =~ /^$s->{customer} / });
    is(told($s), '- - none', '... and for good where it was done');
}


# who does not wait for the answer has signed out no less

{
    my $proxy = ShopTest::Proxy->new($redis->port);
    my $slow = shop(%o, redis => $redis, provider => $shop->provider,
                    backend => $shop->backend,
                    nginx_options => { level => 'info' },
                    vars => { redis => $proxy->url . ' timeout=20s' });

    my $s = session();
    my @fields = %{ $redis->hash($s->key) };

    like(told($s, $slow), qr/^$s->{customer} /, 'signed in');

    $proxy->spoil('hold', 0, only => 'EVALSHA');

    my $client = $slow->nginx->connect;

    $client->send('POST', '/_shop/logout', body => '',
                  headers => [ Cookie => $s->cookie,
                               'Sec-Fetch-Site' => 'same-origin' ]);

    wait_for { $proxy->spoiled } 'the sign-out';
    $client->close;
    wait_for { $slow->nginx->log =~ /client prematurely closed/ } 'the end';

    $proxy->heal;
    $redis->command('HSET', $s->key, @fields);

    wait_for { told($s, $slow) eq '- - none' } 'the reply';
    is(told($s, $slow), '- - none', 'a sign-out that nobody waits for is one');
}


# a login shows its own points at once

{
    my $browser = $shop->browser;

    $shop->login($browser, '/');
    is($shop->me($browser)->{points}, 105, 'a login shows what it earned');
}


# an end that nobody tells of

{
    my $s = session();

    my $end = time + 2;

    $redis->command('HSET', $s->key, 'expires', $end);

    like(told($s), qr/^$s->{customer} /, 'a session that ends in 2 s');

    my $late;

    wait_for(sub {
        my $now = time;
        my $gone = told($s) eq '- - none';
        $late = 1 if !$gone && $now > $end;
        return $gone;
    });
    ok(!$late, '... ends then');
}

{
    my $s = session(view => { points => 1, next_due => time + 3 });

    wait_for(sub { told($s) =~ /cached/ });
    pass('a view is cached until it is due');
    wait_for(sub { told($s) =~ /fresh/ });
    is($redis->hash($s->key('view'))->{next_due}, 0, '... and settled then');
    wait_for(sub { told($s) =~ /cached/ });
    pass('... and cached again');
}


# the idle end is put off by one of many

{
    my $s = session(idle => 500);

    $s->noted(400);

    my $before = calls('evalsha');

    my @c = map { $shop->nginx->connect } 1 .. 10;

    for (1 .. 3) {
        $_->send('GET', '/', headers => [ Cookie => $s->cookie ]) for @c;
        $_->response for @c;
    }

    wait_for(sub { $redis->command('PTTL', $s->key) > 900_000 });

    cmp_ok(calls('evalsha') - $before, '<=', 2,
           'of thirty requests hardly more than one puts the idle end off');
}


# reload, another store, full zone

{
    my $s = session(view => { points => 3 });

    wait_for(sub { told($s) =~ /cached/ });
    $shop->nginx->reload;

    wait_for(sub { told($s) =~ /cached/ });
    pass('a reload keeps what is there');
}

{
    my $s = session(view => { points => 3 });

    wait_for(sub { told($s, $other) =~ /cached/ });

    my $http = $other->nginx->{http};

    $http =~ s{shop_redis\s+%%redis%%}{shop_redis %%redis%%/1}
        or die "no shop_redis\n";

    $other->nginx->reload(http => $http);

    wait_for(sub { told($s, $other) eq '- - none' });
    pass('... is none of another, which the same zone serves now');
}

{
    my $small = shop(%o, redis => $redis, provider => $shop->provider,
                     backend => $shop->backend, zone => 'shop:64k');

    my @many = map { session(view => { points => $_ }) } 1 .. 200;
    my @wrong = grep {
        my $customer = $many[$_ - 1]->customer;
        told($many[$_ - 1], $small) !~ /^$customer $_ /
    } 1 .. 200, 1 .. 200;

    is_deeply(\@wrong, [], 'a zone that is too small fails nobody');
}

done_testing();
