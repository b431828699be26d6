# What a login books, asked of the script itself: points once, whatever is
# repeated; tiers that go up at once and never down; and no write at all when
# nothing changes, since each one empties the caches of every nginx.

use lib 't/lib';
use ShopTest;
use ShopTest::Ledger;

my $redis = redis();

my $start = 1790000000;
my $day   = 86400;

my @tiers = ('bronze', -1, 'silver', 1000, 'gold', 5000);

my $prefix = '';
my $customer = ShopTest::Ledger->new($redis, {});

my %key = map { $_ => $customer->key($_) }
          qw(view ledger seen lots orders activity);

# a login; what is 0 is no rule

sub earn {
    my (%o) = (signup => 100, login => 5, every => $day, tiers => \@tiers,
               now => $start, event => 'e1', @_);

    my %tier = @{ $o{tiers} };
    my @names = grep { exists $tier{$_} } @{ $o{tiers} };

    my $program = {
        tiers => [ map { { name => $_, points => $tier{$_} } } @names ],
        earn  => [ grep { $_->{points} }
                   { what => 'signup', points => $o{signup} },
                   { what => 'login', points => $o{login},
                     every => "$o{every}s" } ],
    };

    $customer = ShopTest::Ledger->new($redis, $program, prefix => $prefix);

    return $customer->book($o{now}, { id => $o{event}, type => 'login',
                                      time => $o{now} });
}

# "EARNED BALANCE TIER" after a login

sub earned {
    my $before = points();
    my $status = earn(@_);

    return $status if $status =~ /^error/;

    my ($points, $tier) = @{ $customer->{reply} }[2, 4];

    return $points - $before . " $points $tier";
}

sub view { return $redis->hash($key{view}) }

sub ledger { return $redis->command('LRANGE', $key{ledger}, 0, -1) }

sub points { return (view()->{points} || 0) + 0 }

sub customer {
    my (%view) = @_;

    $redis->command('FLUSHALL');
    $redis->command('HSET', $key{view}, %view) if %view;
}

# writes of the last call, by the server's own count of changes

sub changes {
    my $before = dirty();

    earn(@_);

    return dirty() - $before;
}

sub dirty {
    return $redis->command('INFO', 'persistence')
        =~ /^rdb_changes_since_last_save:(\d+)/m ? $1 : die;
}


# a first login

customer();
is(earned(), '105 105 bronze', 'a first login earns signup and login');

is_deeply(view(), {
    created    => $start,
    points     => 105,
    qualifying => 105,
    tier       => 'bronze',
    tier_since => $start,
}, 'the view is made');

is_deeply(ledger(), [
    "$start signup 100 - 100 signup",
    "$start login 5 - 105 e1",
], 'each booking is one entry of the ledger');

my $sum = 0;
$sum += (split / /)[2] for @{ ledger() };
is($sum, points(), 'the sum of the ledger is the balance');

is_deeply([ $redis->keys ], [ sort @key{qw(view ledger seen activity)} ],
          'no other key is touched');


# again

is(earned(), '0 105 bronze', 'the same event again books nothing');
is(changes(), 0, '... and writes nothing');

is(earned(event => 'e2', now => $start + $day - 1), '0 105 bronze',
   'within the cooldown nothing is booked');
is(changes(event => 'e2', now => $start + $day - 1), 0,
   '... and nothing written');

is(earned(event => 'e3', now => $start + $day), '5 110 bronze',
   'after the cooldown a login is paid');
is(earned(event => 'e4', now => $start + 2 * $day - 1), '0 110 bronze',
   'the cooldown runs from the last reward');

is(earned(event => 'e1', now => $start + 9 * $day), '0 110 bronze',
   'an old event is known after its cooldown too');

is(earned(event => 'e5', now => $start - $day), '0 110 bronze',
   'a clock that goes back pays nothing');

is(scalar @{ ledger() }, 3, 'the ledger has what was booked');


# without a cooldown

customer();
is(earned(every => 0), '105 105 bronze', 'without a cooldown, a login');
is(earned(every => 0), '0 105 bronze', '... the same event');
is(earned(every => 0, event => 'e2'), '5 110 bronze', '... another login');
is(earned(every => 0, event => 'e3', now => $start - 9), '5 115 bronze',
   '... also by a clock that went back');


# rules that are not there

customer();
is(earned(signup => 0, login => 0, tiers => []), '0 0 ', 'no rules');
is_deeply(view(), { created => $start }, 'the customer is known');
is(changes(signup => 0, login => 0, tiers => [], event => 'e2'), 0,
   'a later login then writes nothing');
is(earned(event => 'e3', login => 0, tiers => []), '0 0 ',
   'a rule "signup" that comes later is for who comes later');

customer();
is(earned(signup => 0), '5 5 bronze', 'login alone');
customer();
is(earned(login => 0), '100 100 bronze', 'signup alone');
is(changes(login => 0, event => 'e2'), 0, '... and then nothing');


# tiers

customer(created => 1, points => 10, qualifying => 998, tier => 'bronze',
         tier_since => 5);
$redis->command('ZADD', $key{seen}, '+inf', 'signup');

is(earned(), '5 15 silver', 'an upgrade is immediate');
is(view()->{tier_since}, $start, '... and dated');
is(view()->{qualifying}, 1003, 'earned points qualify');
is(view()->{created}, 1, 'the date of creation stays');

$redis->command('HSET', $key{view}, 'qualifying', 0);
is(earned(event => 'e2', now => $start + $day), '5 20 silver',
   'nobody is demoted');
is(view()->{tier_since}, $start, '... and the date stays');

customer(created => 1, points => 0, qualifying => 4995, tier => 'gold');
is(earned(signup => 0, login => 0), '0 0 gold', 'a higher tier is held');

customer(created => 1, points => 0, qualifying => 1000, tier => 'platinum');
is(earned(signup => 0, login => 0), '0 0 silver',
   'a tier of an older program gives way to the one that is reached');

customer(created => 1, points => 0, qualifying => 0, tier => 'platinum');
is(earned(signup => 0, login => 0, tiers => [ 'silver', 1000 ]),
   '0 0 platinum', '... and stays where none is');

customer();
is(earned(tiers => [ 'silver', 105, 'gold', 106 ]), '105 105 silver',
   'a tier starts at its points');

customer();
is(earned(tiers => [ 'silver', 106 ]), '105 105 ',
   'without enough points there is none');
ok(!exists view()->{tier}, '... also in the view');

customer();
earned();
is(changes(signup => 0, login => 0, tiers => [ 'bronze', -1, 'silver', 50 ],
           event => 'e2', now => $start + 1), 2,
   'a program that asks less upgrades at the next login: two fields');
is(view()->{tier}, 'silver', '... to what it gives now');


# large and wrong numbers

my $max = 9007199254740991;

customer(created => 1, points => $max - 100, qualifying => 0);
is(earned(), "100 $max bronze", 'points are exact up to 2^53');
is(view()->{points}, $max, '... in the view');
is((split / /, ledger()->[-1])[4], $max, '... and in the ledger');
is(earned(event => 'e2', now => $start + $day), "0 $max bronze",
   'what would go above is refused');

customer(created => 1, points => '1000000000000000');
earned();
is(view()->{points}, '1000000000000105', 'no exponent is written');

for my $wrong ('', 'ten', '12.5', 'inf', 'nan') {
    customer(created => 1, points => $wrong);

    like(earn(), $wrong =~ /\d|inf|nan/
         ? qr/^error ERR the view holds no integer/
         : qr/^error ERR .*attempt to perform arithmetic/,
         "a view with \"$wrong\" points is an error");
    is_deeply([ $redis->keys ], [ $key{view} ], '... and nothing is booked');
}

for my $name (qw(ledger seen activity)) {
    customer();
    $redis->command('SET', $key{$name}, 'text');

    like(earn(), qr/WRONGTYPE/, "a \"$name\" of another type is an error");

    is_deeply([ $redis->keys ], [ $key{$name} ], '... and nothing is booked');
}


# ids are kept 400 days

customer();
earned(every => 0);
earned(every => 0, event => 'e2', now => $start + 400 * $day);

is_deeply($redis->command('ZRANGE', $key{seen}, 0, -1),
          [ 'e1', 'e2', 'signup' ], 'an id is kept for 400 days');

earned(every => 0, event => 'e3', now => $start + 433 * $day);

is_deeply($redis->command('ZRANGE', $key{seen}, 0, -1),
          [ 'e2', 'e3', 'signup' ], '... no longer');

is(earned(every => 0, event => 'e4', now => $start + 5000 * $day),
   '5 120 bronze', 'signup is never paid again');


# the compact encodings, on which the memory of a customer depends

customer();
earned(every => 0, event => sprintf('%064d', $_), now => $start + $_)
    for 1 .. 10;

is($redis->command('OBJECT', 'ENCODING', $key{view}) =~ /^(listpack|ziplist)$/,
   1, 'the view is compact');
is($redis->command('OBJECT', 'ENCODING', $key{seen}) =~ /^(listpack|ziplist)$/,
   1, 'the ids are compact');


# declared keys only, where the server can check it

my ($version) = $redis->command('INFO', 'server') =~ /^redis_version:(\d+)/m;

SKIP: {
    skip 'the server cannot check keys', 1 if $version < 7;

    customer();
    $prefix = "#!lua\n";

    is(earned(), '105 105 bronze', 'the script declares its keys');
}

done_testing();
