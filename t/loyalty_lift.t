# What a promotion with a holdout is worth: who was shown it and from whom it
# was held back, once a day, and what they have bought then, is counted by any
# number of nginx servers, exactly, whatever is repeated, late or in the wrong
# order, and lost only as documented.

use lib 't/lib';
use ShopTest;
use ShopTest::Activity;
use ShopTest::Backend;
use ShopTest::Events;
use ShopTest::Ledger;
use ShopTest::Offers;
use ShopTest::Proxy;

my $day    = 86400;
my $events = ShopTest::Events->new;
my $norder = 0;

my %conf = (
    program => 'loyalty_program {
        currency EUR;
        promotion HALF  { holdout 50%; }
        promotion SHORT { holdout 0.01% convert=1d; match path /short; }
        promotion ALL   { priority 200; }
    }',
    http   => $events->conf,
    server => '
        location = /status  { shop_status json; }
        location = /metrics { shop_status prometheus; }
        location = /hidden {
            loyalty        on;
            loyalty_header promotions off;
            add_header     X-Promotions $loyalty_promotions;
            proxy_pass     %%backend%%;
        }',
);

my ($shop, $redis) = start(%conf);
my $other = instance();

sub get {
    my ($session, $uri, $at) = @_;

    return ($at || $shop)->nginx->get($uri, Cookie => $session->cookie);
}

sub is_given {
    my ($session, $code, $at) = @_;
    my $echo = get($session, '/', $at)->json;

    return grep { $_ eq $code } split /,/,
           (ShopTest::Backend::values_of($echo, 'X-Promotion'))[0] || '';
}

sub promotion {
    my ($code, $at) = @_;
    my $list = ($at || $shop)->nginx->get('/status')->json->{promotions};

    return (grep { $_->{code} eq $code } @$list)[0];
}

# "GIVEN HELD", each as EXPOSURES/CUSTOMERS/CONVERSIONS

sub figures {
    my $is = promotion(@_);

    return join ' ', map { join '/', @{ $is->{$_} }
                           {qw(exposures customers conversions)} }
                     qw(given held);
}

sub shown {
    my ($session, $code) = @_;

    return activity($session)->{"shown:$code"};
}

# as if it had been noted: "ARM SINCE LAST CONVERT"

sub exposed {
    my ($session, @words) = @_;

    $redis->command('HSET', $session->key('activity'), 'shown', 1,
                    'shown:HALF', "@words");

    return;
}

sub order {
    my ($session, %more) = @_;

    return { id => 'e' . ++$norder, type => 'order', order => "o$norder",
             total => '10.00', currency => 'EUR', time => time,
             customer => $session->customer, %more };
}

# a customer of one arm

sub of_arm {
    my ($arm, %more) = @_;
    my $seed = $redis->command('HGET', 'shop:meta', 'seed');

    for (1 .. 1000) {
        my $session = session(store => 0, %more);

        if ((ShopTest::Offers::bucket($seed, 'HALF', $session->customer)
             < 5000) == ($arm eq 'held'))
        {
            $session->store;
            $session->noted(400);
            return $session;
        }
    }
}

told(session()) for 1 .. 3;
flushed();


# --- known data

my (@given, @held);

{
    my $from = promotion('HALF');

    for my $n (1 .. 10) {
        push @given, of_arm('given');
        push @held, of_arm('held');
    }

    # each of them several times, at two servers

    for my $at (undef, $other, undef) {
        for my $session (@given, @held) {
            my $is = is_given($session, 'HALF', $at);

            die "an arm changes\n" if $is != (grep { $_ == $session } @given);
        }
    }

    wait_for { !grep { !shown($_, 'HALF') } @given, @held } 'the notes', 60;
    flushed($_) for undef, $other;

    my $is = promotion('HALF');

    # those who are used to wait are customers, too

    is_deeply([ map { my $arm = $_;
                      map { $is->{$arm}{$_} >= $from->{$arm}{$_} + 10 }
                      qw(exposures customers) } qw(given held) ],
              [ (1) x 4 ], 'customers of both arms are counted');
    is($is->{$_}{exposures}, $is->{$_}{customers},
       "$_: once a day, whatever they ask for, and where")
        for qw(given held);
}

# From here on with counters of their own.

$redis->command('DEL', $redis->keys('shop:shown:*'));
is(figures('HALF'), '0/0/0 0/0/0', 'nothing is counted');
is(promotion('HALF')->{lift}, undef, '... and nothing is it worth');

{
    $redis->command('HDEL', $_->key('activity'), 'shown:HALF')
        for @given, @held;

    # other servers, as these know that they have noted it

    my @two = map { instance() } 1 .. 2;

    for my $i (0 .. 9) {
        is_given($_, 'HALF', $two[$i % 2]) for $given[$i], $held[$i];
    }

    wait_for { figures('HALF') eq '10/10/0 10/10/0' } 'the notes', 60;

    my @orders = ((map { order($given[$_ % 8]) } 1 .. 15),
                  (map { order($held[$_]) } 0 .. 4));
    my @half = splice @orders, 0, 10;

    is(join(' ', $events->results($two[0]->nginx, @half),
            $events->results($two[1]->nginx, @orders)),
       join(' ', ('booked') x 20), 'twenty orders, at two servers');
    is(figures('HALF', $_), '10/10/15 10/10/5', '... are conversions')
        for @two;
    is(promotion('HALF')->{lift}, 2, '... and three times as many are +200 %');

    is(join(' ', $events->results($two[1]->nginx, @half)),
       join(' ', ('duplicate') x 10), 'what is told again');
    is(figures('HALF'), '10/10/15 10/10/5', '... counts no more');

    $events->results($two[0]->nginx, order($held[9]), order($held[8]));
    is(promotion('HALF')->{lift}, '1.142857', 'a lift in millionths');

    $events->results($two[0]->nginx, map { order($held[9]) } 1 .. 13);
    is(figures('HALF'), '10/10/15 10/10/20', 'more without it');
    is(promotion('HALF')->{lift}, '-0.25', '... is a loss');

    my $text = $shop->nginx->get('/metrics')->body;
    my %is = $text =~ /^(ngx_shop_promotion_\w+\{[^}]*\}) (\S+)$/mg;

    is_deeply({ map { $_ => $is{$_} } grep { /HALF/ } keys %is },
              { 'ngx_shop_promotion_exposures_total{code="HALF",arm="given"}'
                => 10,
                'ngx_shop_promotion_exposures_total{code="HALF",arm="held"}'
                => 10,
                'ngx_shop_promotion_customers_total{code="HALF",arm="given"}'
                => 10,
                'ngx_shop_promotion_customers_total{code="HALF",arm="held"}'
                => 10,
                'ngx_shop_promotion_conversions_total{code="HALF",'
                . 'arm="given"}' => 15,
                'ngx_shop_promotion_conversions_total{code="HALF",arm="held"}'
                => 20,
                'ngx_shop_promotion_lift{code="HALF"}' => '-0.250000' },
              'Prometheus is told the same');
    unlike($text, qr/lift\{code="SHORT"/, '... and no lift of nothing');

    # what is given back stays a conversion; what was, before, is none

    my $back = order($given[9]);

    $events->results($shop->nginx, $back,
                     { %$back, type => 'refund', id => 'r1' },
                     order($given[9], order => 'before', type => 'refund'),
                     order($given[9], order => 'before'));
    is(figures('HALF'), '10/10/16 10/10/20', 'an order and its refund');
}


# --- days, and the time of orders

{
    my $now = time;
    my $session = of_arm('given', view => { created => 5 });
    my $at = $now - 2 * $day;

    # shown two and four days ago

    exposed($session, 'given', $at - 2 * $day, $at, 7 * $day);

    my $sum = sub { promotion('HALF')->{given}{$_[0]} };
    my $before = $sum->('conversions');

    for my $case ([ 'before it was shown', $at - 2 * $day - 1, 0 ],
                  [ 'in the moment in which it was', $at - 2 * $day, 1 ],
                  [ 'between', $at - $day, 1 ],
                  [ 'told later, but it was earlier', $at - $day - 1, 1 ],
                  [ 'two days later', $now, 1 ])
    {
        my ($name, $time, $more) = @$case;

        $events->results($shop->nginx, order($session, time => $time));
        is($sum->('conversions'), $before += $more, "an order $name");
    }

    exposed($session, 'given', $at, $at, 2 * $day + 60);
    $events->results($shop->nginx, order($session));
    is($sum->('conversions'), ++$before, 'the last minute');

    exposed($session, 'given', $at, $at, 2 * $day);
    $events->results($shop->nginx, order($session));
    is($sum->('conversions'), $before, '... is over');

    # a figure that somebody has spoiled

    my ($part) = $session->key('activity') =~ /(\{\d+\})/;
    my @figure = ("shop:shown:$part", 'HALF:given:conversions');
    my $was = $redis->command('HGET', @figure);

    exposed($session, 'given', $at, $at, 7 * $day);
    $redis->command('HSET', @figure, 'many');

    is_deeply([ $events->results($shop->nginx, order($session)) ],
              [ 'booked' ], 'a figure that is none stops no order');
    is($redis->command('HGET', @figure), 'many', '... and is left alone');

    $redis->command('HSET', @figure, $was);

    # the same of exposures: all else of the note is there

    {
        my $spoiled = of_arm('given');
        my ($its) = $spoiled->key('activity') =~ /(\{\d+\})/;
        my @its = map { [ "shop:shown:$its", "HALF:given:$_" ] }
                  qw(exposures customers);
        my @held = map { $redis->command('HGET', @$_) } @its;

        $redis->command('HSET', @$_, 'many') for @its;
        is_given($spoiled, 'HALF');
        wait_for { shown($spoiled, 'HALF') } 'the note', 60;
        is(visits($spoiled), 1, 'figures that are none stop no note');

        $redis->command('HSET', @{ $its[$_] }, $held[$_] || 0) for 0, 1;
    }

    # a key that is none of ours, until somebody has found it

    {
        my $wrong = of_arm('given');

        $redis->command('SET', $wrong->key('sessions'), 'x');
        is_given($wrong, 'HALF', $other);
        wait_for { $other->nginx->log =~ /was not noted in redis/ } 'that', 60;
        is(shown($wrong, 'HALF'), undef, 'what Redis refuses is not there');
        $redis->command('DEL', $wrong->key('sessions'));
        wait_for {
            is_given($wrong, 'HALF', $other);
            shown($wrong, 'HALF');
        } 'the note', 60;
        pass('... and is noted as soon as it can be');
    }

    # shown again: a day that is new, a stretch that goes on or begins

    for my $case ([ 'two days later', $at, 7 * $day, 0 ],
                  [ 'after more than that', $at, $day, 1 ],
                  [ 'the same day', $now - $now % $day, $day, undef ])
    {
        my ($name, $last, $kept, $anew) = @$case;
        my ($exposures, $customers) = map { $sum->($_) }
                                      qw(exposures customers);
        my $third = instance();

        exposed($session, 'given', $last, $last, $kept);
        my $later = of_arm('held');

        is_given($_, 'HALF', $third) for $session, $later;
        wait_for { shown($later, 'HALF') } 'a later one', 60;

        my ($arm, $since, $is, $then) = split / /, shown($session, 'HALF');

        is($sum->('exposures'), $exposures + (defined $anew ? 1 : 0),
           "$name: a day more, or none");
        is($sum->('customers'), $customers, '... of a customer who is known');
        is($is != $last, defined $anew, '... is when it was shown last');
        is($since, $anew ? $is : $last, '... since when') if defined $anew;
        is($then, defined $anew ? 7 * $day : $kept, '... for how long');

        next if !$anew;

        # an order of then may be told now

        for my $case ([ 'within the time before', $last, 1 ],
                      [ 'in the gap', $last + $kept, 0 ])
        {
            my ($where, $time, $more) = @$case;
            my $from = $sum->('conversions');

            $events->results($shop->nginx, order($session, time => $time));
            is($sum->('conversions'), $from + $more, "... an order $where");
        }
    }
}

{
    my $session = of_arm('given', view => { created => 5 });

    exposed($session, 'held', time - $day, time - $day, $day);

    my $from = promotion('HALF')->{given}{customers};

    is_given($session, 'HALF');
    wait_for { shown($session, 'HALF') =~ /^given / } 'the note', 60;
    cmp_ok(promotion('HALF')->{given}{customers}, '>', $from,
           'who is in the other arm now is another customer');
}


# a holdout that changes, and changes back

{
    my $customer = ShopTest::Ledger->new($redis, {}, id => 'arms');
    my $at = 1790164800;
    my $counters = sub {
        my $all = $redis->hash($customer->key('shown'));

        return join ' ', map { $all->{"ARMS:$_"} || 0 }
            qw(given:customers given:exposures held:customers held:exposures);
    };

    for my $case ([ 0, 'given', '1 1 0 0' ], [ 60, 'held', '1 1 1 1' ],
                  [ 120, 'given', '1 1 1 1' ], [ 180, 'held', '1 1 1 1' ],
                  [ $day, 'given', '1 2 1 1' ],
                  [ 2 * $day, 'held', '1 2 1 2' ],
                  [ 9 * $day, 'held', '1 2 1 3' ],
                  [ 9 * $day, 'given', '1 3 1 3' ])
    {
        my ($later, $arm, $expected) = @$case;

        $customer->seen($at + $later, 0, "ARMS $arm 604800");
        is($counters->(), $expected,
           "\"$arm\" after $later s: each arm has one customer, once a day");
    }
}


# --- what counts as shown

{
    my $session = of_arm('held');

    is(get($session, '/hidden')->header('X-Promotions'), 'ALL',
       'where the header is left out');
    get($session, '/short');
    wait_for { shown($session, 'SHORT') } 'another promotion', 60;
    like(shown($session, 'SHORT'), qr/^given (\d+) \1 86400$/,
         'a promotion of one path, and how long an order counts');
    like(shown($session, 'HALF'), qr/^held (\d+) \1 604800$/,
         '... all that is told there counts');

    my $hidden = of_arm('held');

    get($hidden, '/hidden') for 1 .. 3;
    flushed();
    is(shown($hidden, 'HALF'), undef, '... and nothing that is not told');
    is($hidden->{redis}->command('HGET', $hidden->key('activity'),
                                 'shown:ALL'), undef,
       'what has no holdout is not counted');
}

{
    my $browser = $shop->signs_in('anna');
    my $me = $shop->me($browser);
    my ($key) = wait_for {
        ($redis->keys("shop:activity:*:$me->{customer}"))[0]
    } 'the activity', 60;

    wait_for { $redis->hash($key)->{'shown:HALF'} } 'the note', 60;
    is($redis->hash($key)->{'shown:HALF'} =~ /^given/ ? 1 : 0,
       scalar(grep { $_ eq 'HALF' } @{ $me->{promotions} }),
       'me shows them as well');
}


# --- Redis is away; a worker is killed

my $proxy = ShopTest::Proxy->new($redis->port);
my $far = instance(vars => { redis => $proxy->url . ' timeout=500ms' },
                   nginx_options => {
                       level => 'info',
                       allow => [ qr/process \d+ exited on signal 9/ ],
                   });

flushed($far);

for my $action (qw(error close lost)) {
    my $session = of_arm('given');
    my $from = promotion('HALF')->{given}{exposures};

    $proxy->spoil($action, 0, only => 'EVALSHA', text => 'LOADING yes');
    is_given($session, 'HALF', $far);
    wait_for { $proxy->spoiled } 'the note', 60;
    $proxy->heal;

    wait_for { shown($session, 'HALF') } 'the exposure', 60;
    is(promotion('HALF')->{given}{exposures}, $from + 1,
       "$action: it is noted later, and once");
}

{
    my $session = of_arm('given');

    $proxy->spoil('stall', 0, only => 'EVALSHA');
    is_given($session, 'HALF', $far);
    wait_for { $proxy->spoiled } 'the note', 60;

    my ($worker) = $far->nginx->workers;

    kill 'KILL', $worker;
    wait_for { grep { $_ != $worker } $far->nginx->workers } 'another worker', 60;
    $proxy->heal;

    # with the next request that shows it

    is_given($session, 'HALF', $far);
    wait_for { shown($session, 'HALF') } 'the exposure', 60;
    pass('a worker is killed: the next request shows it anew');
}

{
    $proxy->spoil('stall', 0, only => 'HMGET');

    my $is = $far->nginx->get('/status')->json;

    is($is->{promotions}, undef, 'a Redis that says nothing: no figures');
    is($is->{redis}{mode}, 'single', '... but all else is');

    my $text = $far->nginx->get('/metrics')->body;

    unlike($text, qr/ngx_shop_promotion_lift/, '... for Prometheus, too');
    like($text, qr/^ngx_shop_promotion_known 0$/m, '... which is told so');
    $proxy->heal;
    wait_for { defined $far->nginx->get('/status')->json->{promotions} }
        'better times', 60;
    like($far->nginx->get('/metrics')->body,
         qr/^ngx_shop_promotion_known 1$/m, '... and when they are back');

    # all partitions together have a bound, whatever the time of one is

    my $slow = ShopTest::Proxy->new($redis->port);
    my $long = instance(vars => { redis => $slow->url . ' timeout=60s' });

    flushed($long);
    $slow->spoil('stall', 0, only => 'HMGET');

    my $from = ShopTest::now();

    is($long->nginx->get('/status')->json->{promotions}, undef,
       'a Redis that is slow: no figures');
    cmp_ok(ShopTest::now() - $from, '<', 30, '... soon enough');
    $slow->heal;

    # a client who leaves

    $proxy->spoil('stall', 0, only => 'HMGET');

    my $client = $far->nginx->connect;

    $client->send('GET', '/status');
    wait_for { $proxy->spoiled } 'the question', 60;
    $client->close;
    $proxy->heal;
    wait_for { defined $far->nginx->get('/status')->json->{promotions} }
        'the next one', 60;
    pass('who leaves meanwhile takes nothing along');

    $redis->command('HSET', 'shop:shown:{5}', 'HALF:given:customers', 'many');
    is($shop->nginx->get('/status')->json->{promotions}, undef,
       'a number that is none: nothing is known');
    $redis->command('DEL', 'shop:shown:{5}');
}


# many sessions, and many promotions: what was noted is not noted again

{
    my @codes = map { "P$_" } 10 .. 39;
    my $counts = ShopTest::Proxy->new($redis->port);
    my $many = instance(vars => { redis => $counts->url },
        program => "loyalty_program {\ncurrency EUR;\n"
        . join('', map { "promotion $_ { holdout 10%; }\n" } @codes) . '}');
    my @sessions = map { session() } 1 .. 100;

    # the last one, as a note has not room for all of them

    wait_for {
        get($_, '/', $many) for @sessions;
        flushed($many);
        return !grep { !shown($_, 'P39') } @sessions;
    } 'all to be noted', 120;

    # of this nginx alone, and the one is that of flushed()

    $counts->spoil('count', 0, only => 'EVALSHA');
    get($_, '/', $many) for @sessions;
    flushed($many);
    is($counts->spoiled, 1,
       'what was noted of many sessions is not noted again');
}

done_testing();
