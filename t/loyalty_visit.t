# Visits and streaks earn points: found out while customers come and go, by
# any of several nginx servers, booked a moment later and once, whatever
# happens between the two; and no copy of a customer is dropped for nothing.

use lib 't/lib';
use ShopTest;
use ShopTest::Activity;
use ShopTest::Proxy;

my $day = 86400;

my ($shop, $redis) = start(program => 'loyalty_program {
    tier  bronze;
    tier  gold points=1000;
    earn  visit 2 limit=2/month;
    earn  visit 30 tier=gold;
    earn  streak 50 days=3 expires=30d;
}');

sub ledger {
    my ($session) = @_;

    return [ map { /^\d+ (.*)/ ? $1 : die "an entry \"$_\"\n" }
             @{ $redis->command('LRANGE', $session->key('ledger'), 0, -1) } ];
}

# the same in short: "visit 2, streak 50"

sub earned { return join ', ', map { /^(\w+ \d+)/ } @{ ledger($_[0]) } }

sub owed { return activity($_[0])->{owed} }

# all that was owed before is booked: it is sent together

sub booked {
    my ($at) = @_;
    my $probe = session();

    told($probe, $at);
    ShopTest::wait_for { @{ ledger($probe) } } 'a later visit', 60;
}

# a visit began so many seconds before now, on the N-th day in a row

sub visited {
    my ($session, $ago, $streak) = @_;
    my $at = time - $ago;

    $redis->command('HSET', $session->key('activity'), 'first_seen', $at,
                    'last_seen', $at, 'visits', 1, 'last_visit', $at,
                    'streak', $streak);

    return $at;
}


# --- a visit

{
    my $session = session(view => { points => 7 });

    told($session);
    booked();

    my $at = activity($session)->{last_visit};

    is_deeply(ledger($session), [ "visit 2 - 9 visit:$at" ],
              'a first visit earns points');
    is(owed($session), undef, '... and is owed no more');
    is($redis->hash($session->key('view'))->{points}, 9, '... they are there');
    is(activity($session)->{streak}, 1, '... the first day in a row');

    wait_for { $shop->nginx->get('/', Cookie => $session->cookie)->body
                   =~ /"9"/ } 'the backend';
    pass('... and the backend is told');

    $session->noted(400);
    settled();
    told($session);
    booked();

    is(earned($session), 'visit 2', 'a request later is the same visit');
}


# --- what a rule asks for

{
    my %view = (created => 5, tier => 'bronze', tier_since => 5);
    my ($gold, $often, $late) = map { session(view => { %view }) } 1 .. 3;

    $gold->view(tier => 'gold');
    visited($often, 4000, 1);
    $redis->command('HSET', $often->key('activity'), 'paid:visit',
                    join ' ', time - 4000, map { "$_:2" } months());
    visited($late, 4000, 1);
    $redis->command('HSET', $late->key('activity'), 'paid:visit',
                    (time - 4000) . ' 18262:2');

    told($_) for $gold, $often, $late;
    booked();
    ShopTest::wait_for { !grep { activity($_)->{last_visit} < time - 3600
                                 || owed($_) } $often, $late } 'both visits', 60;

    is(earned($gold), 'visit 2, visit 30', 'rules are added');
    is(earned($often), '', 'a limit in a month');
    is_deeply($redis->hash($often->key('view')), \%view,
              '... nothing is written of the customer then');
    like(told($often), qr/ cached$/, '... and no copy dropped');
    is(earned($late), 'visit 2', '... of another month counts no more');
    like(activity($late)->{'paid:visit'}, qr/^\d+ \d+:1$/,
         '... and is forgotten');
}

# the days on which months begin that may be this one

sub months {
    require Time::Local;

    return map {
        my ($month, $year) = (gmtime $_)[4, 5];

        int(Time::Local::timegm(0, 0, 0, 1, $month, $year + 1900) / $day)
    } time, time + 3600;
}


# --- days in a row

{
    # days before, streak then

    my %streak = (
        'the third day in a row' => [ 1, 2 ],
        'the second'             => [ 1, 1 ],
        'the sixth'              => [ 1, 5 ],
        'a day without a visit'  => [ 2, 2 ],
        'many'                   => [ 40, 5 ],
        'the same day'           => [ 0.04, 2 ],
    );

    my %session = map { $_ => session() } keys %streak;
    my %last = map { $_ => visited($session{$_}, int($streak{$_}[0] * $day),
                                   $streak{$_}[1]) } keys %streak;

    told($_) for values %session;
    booked();
    ShopTest::wait_for { !grep { visits($_) != 2 || owed($_) }
                         values %session } 'all visits', 60;

    for my $name (sort keys %streak) {
        my $is = activity($session{$name});
        my $before = $streak{$name}[1];

        # midnight may be between the two

        my $days = int($is->{last_visit} / $day) - int($last{$name} / $day);
        my $now = $days == 0 ? $before : $days == 1 ? $before + 1 : 1;

        is($is->{streak}, $now, "$name is $now");
        is(earned($session{$name}),
           $days == 0 || $now % 3 ? 'visit 2' : 'visit 2, streak 50',
           '... and earns what it should');
    }
}


# --- several instances

{
    my $other = instance();
    my @sessions = map { session(ago => 0) } 1 .. 20;

    settled($_) for undef, $other;

    for my $session (@sessions) {
        $session->noted(400);
        told($session, $_) for undef, $other;
    }

    booked($_) for undef, $other;
    ShopTest::wait_for { !grep { !visits($_) || owed($_) } @sessions }
        'them', 60;

    is_deeply([ map { visits($_) . ' ' . earned($_) } @sessions ],
              [ ('1 visit 2') x 20 ],
              'a visit that two instances see is one, and booked once');
}


# --- between the two writes

my $proxy = ShopTest::Proxy->new($redis->port);
my $far = instance(vars => { redis => $proxy->url },
                   nginx_options => {
                       level => 'info',
                       allow => [ qr/process \d+ exited on signal 9/ ],
                   });

settled($far);
booked($far);

for my $action (qw(error close lost cut)) {
    my $session = session();

    # the first is that of the activity

    $proxy->spoil($action, 1, only => 'EVALSHA', text => 'LOADING yes');
    told($session, $far);
    wait_for { $proxy->spoiled } 'the booking', 60;
    $proxy->heal;

    wait_for { @{ ledger($session) } && !owed($session) } 'the visit', 60;

    is(earned($session), 'visit 2', "$action: it is booked later, and once");
    is(visits($session), 1, '... it is one visit');
}

{
    my $session = session();
    my $before = length $far->nginx->log;

    $redis->command('SET', $session->key('ledger'), 'text');
    told($session, $far);

    $far->nginx->wait_log(qr/\[warn\] .*activity of customers was not noted/);
    is(visits($session), 1, 'what cannot be booked is a visit');
    booked($far);
    is($redis->command('EXISTS', $session->key('view')), 0,
       '... and nothing else');
}

{
    my $session = session();

    $proxy->spoil('stall', 1, only => 'EVALSHA');
    told($session, $far);
    wait_for { $proxy->spoiled } 'the booking', 60;

    my ($worker) = $far->nginx->workers;

    kill 'KILL', $worker;
    wait_for { grep { $_ != $worker } $far->nginx->workers } 'another worker', 60;
    $proxy->heal;

    ok(owed($session), 'a worker is killed before a visit is booked');
    is(earned($session), '', '... so it is not');

    $redis->command('HSET', $session->key('activity'), 'last_seen',
                    time - 400);
    $session->noted(400);
    told($session, $shop);
    wait_for { @{ ledger($session) } } 'the visit', 60;

    is(earned($session), 'visit 2', '... until another one finds it');
    is(visits($session), 1, '... the same visit');
}


# --- a login is a visit, too

{
    my $page = $shop->login($shop->browser, '/');
    my ($id) = map { $_->[1] } grep { lc $_->[0] eq 'x-customer-id' }
               @{ $page->json->{headers} };
    my $ledger;

    wait_for { ($ledger) = $redis->keys("shop:ledger:*:$id") } 'a ledger', 60;

    like($redis->command('LRANGE', $ledger, 0, -1)->[0],
         qr/^\d+ visit 2 - 2 visit:\d+$/, 'a first login is a visit');
}

done_testing();
