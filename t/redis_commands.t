# The client of redis/ against a real Redis: commands, pipelines, scripts,
# keys of its own, who gets which reply.

use lib 't/lib';
use ShopTest;
use ShopTest::RedisAsk;

my $redis = redis();

my $nginx = ShopTest::RedisAsk->new($redis->url . ' timeout=2000');

sub ask { return $nginx->ask(@_) }


# --- replies

is(ask('c=SET+a+1'), "ok +OK\n", 'a status');
is(ask('c=GET+a'), "ok \"1\"\n", 'a string');
is(ask('c=GET+none'), "ok nil\n", 'a missing key is nil');
is(ask('c=INCR+a'), "ok :2\n", 'an integer');
is(ask('c=DECRBY+a+5'), "ok :-3\n", 'a negative integer');
is(ask('c=MGET+a+none+a'), "ok [\"-3\" nil \"-3\"]\n", 'an array');
is(ask('c=LRANGE+none+0+-1'), "ok []\n", 'an empty array');
like(ask('c=INCR+a+b'), qr/^ok -ERR wrong number/, 'an error is a reply');
is(ask('c=SET+e+'), "ok +OK\n", 'an empty value is sent');
is(ask('c=STRLEN+e'), "ok :0\n", 'and is empty');
is(ask('c=SET+b+%0D%0A%22&c=STRLEN+b'), "ok +OK :3\n",
   'a value may hold line ends');
is(ask('c=EVAL+return{1,{2,{3,{}},"x"}}+0'), "ok [:1 [:2 [:3 []] \"x\"]]\n",
   'arrays in arrays');
is(ask('c=NONE'), "ok -ERR unknown command 'NONE', with args beginning with:"
   . " \n", 'an unknown command does no harm');


# --- operations of many commands

is(ask('c=SET+k+v&c=GET+k&c=INCR+k&c=GET+none&c=DEL+k'),
   "ok +OK \"v\" -ERR value is not an integer or out of range nil :1\n",
   'replies keep the order of commands, errors among them');

is(ask('c=SET+t+1&c=MULTI&c=INCR+t&c=INCR+t&c=EXEC'),
   "ok +OK +OK +QUEUED +QUEUED [:2 :3]\n",
   'commands of an operation stay together');

is(ask('c=SET+big+*3000000&c=GET+big&c=DEL+big'),
   "ok +OK (3000000 bytes) :1\n", 'large values pass both ways');


# --- many at a time

is(ask('c=ECHO+%23&n=500'), join('', map { "ok \"$_\"\n" } 0 .. 499),
   'each of 500 operations has its own replies');

is(ask('c=SET+m:%23+*20000&c=STRLEN+m:%23&c=GET+m:%23&c=ECHO+%23&n=60'),
   join('', map { "ok +OK :20000 (20000 bytes) \"$_\"\n" } 0 .. 59),
   'and so has each that fills the buffer by itself');

my @clients = map { $nginx->connect } 1 .. 20;

for my $round (1 .. 5) {
    $clients[$_]->send('GET', "/ask?c=ECHO+$round-$_&c=ECHO+%23&n=5")
        for 0 .. $#clients;

    my $wrong = 0;

    for my $i (0 .. $#clients) {
        $wrong++ if $clients[$i]->response->body
            ne join('', map { "ok \"$round-$i\" \"$_\"\n" } 0 .. 4);
    }

    is($wrong, 0, "20 clients at a time get their own replies, $round");
}

like($redis->command('INFO', 'clients'), qr/connected_clients:3\b/,
     'over two connections');


# --- called back, freed

is(ask('c=ECHO+%23&n=50&cancel=0'), "freed\n" x 50,
   'an operation may be freed before it is sent');
is(ask('c=ECHO+1&chain=20'), "ok \"1\"\n",
   'a callback may submit');
is(join('', sort split /^/, ask('c=ECHO+same&n=30&free=1')),
   "freed\n" x 29 . "ok \"same\"\n", 'a callback may free others');
is(ask('c=ECHO+mine'), "ok \"mine\"\n", 'and what follows has its own');

is(ask('c=INCR+forgotten&n=10&forget=1'), "forgotten\n" x 10,
   'an operation may have no owner');
wait_for { ($redis->command('GET', 'forgotten') || 0) == 10 } 'those commands';


# --- scripts

is(ask('s=pair+1+key+arg'), "ok [\"key\" \"arg\"]\n",
   'a script the server does not know is loaded');
is(ask('s=pair+1+key+arg2'), "ok [\"key\" \"arg2\"]\n", 'and called again');
is($redis->calls->{script}, undef, 'subcommands are counted by name');
is($redis->calls->{'script|load'}, 1, 'it was loaded once');

$redis->command('SCRIPT', 'FLUSH');

is(ask('c=SET+x+1&s=pair+1+k+1&c=INCR+x&s=count+1+x+10&c=GET+x'),
   "ok +OK [\"k\" \"1\"] :2 :12 \"2\"\n",
   'in a pipeline only what failed is asked again');
is($redis->command('GET', 'x'), 12, 'and once');

$redis->command('SCRIPT', 'FLUSH');

my %seen;
$seen{$_}++ for ask('s=count+1+y+1&n=100') =~ /^ok :(\d+)$/mg;

is_deeply(\%seen, { map { $_ => 1 } 1 .. 100 },
          'a script runs once for each of 100 that met a flushed server');

like(ask('s=broken+0'), qr/^ok -NOSCRIPT /,
     'a script that cannot be loaded is an error reply');

$redis->command('SCRIPT', 'FLUSH');

is(ask('s=count+1+z+1&n=10&cancel=0'), "freed\n" x 10,
   'freed scripts are not sent');
is(ask('s=count+1+z+1&n=10&forget=1'), "forgotten\n" x 10,
   'scripts without an owner');
wait_for { ($redis->command('GET', 'z') || 0) == 10 } 'those scripts';


# --- what the room keeps for itself

is_deeply({ %{ $redis->hash('shop:meta') }, seed => 'x' },
          { schema => 1, partitions => 64, seed => 'x' },
          'shop:meta is written at the first start');

my $seed = $redis->command('HGET', 'shop:meta', 'seed');

like($seed, qr/^[0-9a-f]{32}$/, 'with a seed of 16 bytes');
like(ask('state=1'), qr/^ops=0 failures=0 ready=2 over=\d+ seed=$seed\n\z/,
     'which all connections read');

done_testing();
