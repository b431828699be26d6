# What an operator sees of a running shop: figures of all workers together,
# that stay over a reload and the death of a worker, and move as documented.

use lib 't/lib';
use ShopTest;

use ShopTest::Cluster;
use ShopTest::Conf;
use ShopTest::HTTP;
use ShopTest::Session;

my $locations = <<'END';
        location = /status { shop_status json; }
        location = /metrics { shop_status prometheus; }
        location = /pid { add_header X-Worker $pid; return 204; }
        location = /internal { internal; shop_status json; }
        location = /redirect { rewrite ^ /internal last; }
END

my $redis = redis();

# without tiers: workers that look for who is due would count while we compare

my $shop = shop(
    redis => $redis, listen => 'reuseport',
    program => 'loyalty_program { promotion WELCOME-10 { audience new; } }',
    nginx_options => {
        workers => 2, daemon => 1, level => 'notice',
        allow   => [ qr/worker process \d+ exited on signal 9/ ],
    },
    http     => 'log_format fate "$uri $status $shop_session";',
    server   => "access_log logs/fate.log fate;\n$locations",
    vars     => { redis => $redis->url . ' timeout=300ms' },
    location => 'add_header X-Worker $pid;',
);

my $nginx = $shop->nginx;

sub status { return ($_[0] || $nginx)->get('/status')->json }

sub node { return status($_[0])->{redis}{nodes}[0] }

sub session {
    return ShopTest::Session->new(redis => $redis, view => { points => 1 },
                                  @_);
}

sub browse {
    my ($session, $times) = @_;

    return map { $nginx->get('/', Cookie => $session->cookie) }
           1 .. $times || 1;
}

# requests until both workers have answered some

sub both_workers {
    my ($session) = @_;
    my ($n, %pid) = 0;

    wait_for {
        $n++;
        $pid{ (browse($session))[0]->header('X-Worker') } = 1;
        return keys %pid == 2;
    } 'two workers';

    return $n;
}

# all of these workers have gone through what had come for them before

sub answering {
    my %missing = map { $_ => 1 } @_;

    wait_for {
        delete $missing{ $nginx->get('/pid')->header('X-Worker') };
        return !%missing;
    } 'the workers';

    return;
}

sub delta {
    my ($from, $to) = @_;

    return { map { $_ => ref $to->{$_} || $to->{$_} !~ /^\d+$/ ? undef
                       : $to->{$_} - $from->{$_} } keys %$to };
}

# how many samples of what kind; a line that is no sample dies

sub metrics {
    my ($at) = @_;
    my (%type, %help, %value, $name);

    for (split /\n/, ($at || $nginx)->get('/metrics')->body) {

        if (/^# HELP (\w+) \w[^\\]*\.$/) {
            die "$1: told twice\n" if $help{$1}++;
            $name = $1;

        } elsif (/^# TYPE (\w+) (counter|gauge|histogram)$/) {
            die "$1: no HELP before it\n" unless $name eq $1;
            $type{$1} = $2;

        } elsif (/^((\w+?)(?:_bucket|_sum|_count)?
                  (?:\{\w+="(?:[^"\\\n]|\\.)*"(?:,\w+="[^"\\\n]*")*\})?)
                  \ (\d+(?:\.\d+)?)$/x)
        {
            die "$1: not with its TYPE\n"
                unless $name eq $2 && $type{$2} || $name . '_total' eq $2;
            die "$1: given twice\n" if exists $value{$1};

            $value{$1} = $3;

        } else {
            die "no sample: $_\n";
        }
    }

    return (\%type, \%value);
}


# --- what there is


{
    my $page = $nginx->get('/status');
    my $is = $page->json;

    is($page->status, 200, 'a status');
    is($page->header('Content-Type'), 'application/json', 'in JSON');
    is($page->header('Cache-Control'), 'no-store', '... not to be stored');

    is_deeply([ sort keys %$is ],
              [ qw(budgets cache channel due events program promotions
                   redis) ],
              'its parts');
    is_deeply($is->{promotions}, [], 'no promotion is measured');
    is_deeply($is->{due}, { settled => 0, lag_seconds => 0 }, 'the queue');
    is_deeply([ sort keys %{ $is->{events} } ],
              [ qw(api_booked api_duplicate api_kept api_refused
                   capture_booked capture_dropped capture_duplicate
                   capture_kept capture_refused in_flight lost) ], 'events');
    is_deeply([ sort keys %{ $is->{cache} } ],
              [ qw(evictions fill_ratio hits invalidations misses negative
                   size_bytes stale used_bytes) ], 'the cache');
    is_deeply([ sort keys %{ $is->{channel} } ],
              [ qw(alive lag_seconds rearms state wanted) ], 'the channel');
    is_deeply([ sort keys %{ $is->{redis} } ],
              [ qw(errors_busy errors_schema errors_unrouted mode nodes schema
                   schema_known) ], 'Redis');
    is_deeply([ sort keys %{ $is->{redis}{nodes}[0] } ],
              [ qw(address breaker commands connection_failures connections
                   connects errors_fault errors_refused errors_timeout
                   errors_unavailable latency_seconds reconnects role
                   workers_closed workers_half_open workers_open) ],
              'a server');

    is($is->{redis}{mode}, 'single', 'one');
    is(scalar @{ $is->{redis}{nodes} }, 1, 'really');

    my $head = $nginx->connect;

    $head->send('HEAD', '/status');
    is($head->response(method => 'HEAD')->status, 200, 'HEAD');

    for my $uri (qw(/status /metrics)) {
        is(request($nginx->port, $_, $uri)->status, 405, "$_ $uri")
            for qw(POST PUT DELETE OPTIONS);
    }

    is($nginx->get('/internal')->status, 404, 'an internal location');
    is($nginx->get('/redirect')->json->{redis}{mode}, 'single',
       '... from within');
}


# --- requests of two workers


my $session = session();
my $witness = session();

wait_for { status()->{channel}{state} eq 'alive' } 'the channel';

# what was written before is told before: a read meets no news of it

browse($witness);
$redis->command('HSET', $witness->key('view'), points => 2);
wait_for {
    my ($response) = browse($witness);

    (ShopTest::Backend::values_of($response->json, 'X-Loyalty-Points'))[0]
        eq '2'
} 'a change to be told';

{
    my $from = status()->{cache};
    my $n = both_workers($session);
    my $is = delta($from, status()->{cache});

    is($is->{hits} + $is->{misses}, $n, 'each request is counted');
    is($is->{misses}, 1, '... one asked');

    my $node = node();

    is($node->{workers_closed}, 2, 'both workers count');
    is($node->{breaker}, 'closed', '... and are well');
    is($node->{role}, 'primary', '... with their server');
    cmp_ok($node->{connections}, '>=', 1, 'a connection');
    is($node->{connects}, $node->{connections}, '... that was made');
    is($node->{reconnects}, 0, '... once');

    # a new connection asks for shop:meta, and every ten seconds somebody asks
    # for shop:program

    for (1 .. 5) {
        $from = node();
        browse(session()) for 1 .. 10;
        $is = delta($from, $node = node());

        last if $is->{commands} - $is->{connects} == 40;
    }

    is($is->{commands} - $is->{connects}, 40,
       'a session that is not in memory takes four commands');
    is($node->{latency_seconds}{count} - $from->{latency_seconds}{count}, 10,
       '... in one go');
    cmp_ok($node->{latency_seconds}{sum}, '>', 0, '... that takes time');

    my @buckets = @{ $node->{latency_seconds}{buckets} };

    is(join(' ', map { $_->{le} + 0 } @buckets),
       '0.0001 0.0002 0.0005 0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5',
       '... by how long');
    is_deeply([ map { $_->{count} } @buckets ],
              [ sort { $a <=> $b } map { $_->{count} } @buckets ],
              '... or less');

    $from = status()->{cache};
    browse(session(store => 0), 3);
    $is = delta($from, status()->{cache});

    is($is->{negative}, 2, 'a session that is over');
    is($is->{hits}, 2, '... is a hit, too');

    cmp_ok(status()->{cache}{fill_ratio}, '>', 0, 'the zone fills');
    cmp_ok(status()->{cache}{used_bytes} % 128, '==', 0, '... by blocks');

    $from = status()->{cache};
    $redis->command('HSET', $session->key('view'), 'points', 2);
    wait_for { status()->{cache}{invalidations} > $from->{invalidations} }
             'a change';
    pass('a change is counted');
}


# --- the same for Prometheus


{
    my $page = $nginx->get('/metrics');

    is($page->header('Content-Type'),
       'text/plain; version=0.0.4; charset=utf-8', 'for Prometheus');
    is($page->header('Cache-Control'), 'no-store', '... not to be stored');

    my ($type, $value) = metrics();
    my $is = status();

    my $cache = $is->{cache};
    my $node = $is->{redis}{nodes}[0];
    my $label = qq(node="$node->{address}");

    for my $name (grep { !/bytes|ratio/ } sort keys %$cache) {
        is($value->{"ngx_shop_cache_${name}_total"}, $cache->{$name},
           "cache: $name");
        is($type->{"ngx_shop_cache_${name}_total"}, 'counter',
           '... is a counter');
    }

    is($value->{ngx_shop_cache_used_bytes}, $cache->{used_bytes}, 'used');
    is($type->{ngx_shop_cache_used_bytes}, 'gauge', '... is none');
    is($value->{ngx_shop_channel_alive}, 1, 'the channel');
    is($value->{ngx_shop_redis_schema}, 1, 'the schema');

    is($value->{"ngx_shop_redis_node_commands_total{$label}"},
       $node->{commands}, 'commands');

    for my $kind (qw(timeout unavailable refused fault)) {
        is($value->{"ngx_shop_redis_node_errors_total{$label,"
                    . "kind=\"$kind\"}"},
           $node->{"errors_$kind"}, "errors: $kind");
    }

    for my $breaker (qw(closed open half_open)) {
        is($value->{"ngx_shop_redis_node_workers{$label,"
                    . "breaker=\"$breaker\"}"},
           $node->{"workers_$breaker"}, "workers: $breaker");
    }

    my $latency = 'ngx_shop_redis_node_latency_seconds';

    is($type->{$latency}, 'histogram', 'a histogram');
    is($value->{"${latency}_count{$label}"}, $node->{latency_seconds}{count},
       '... with its count');
    is($value->{"${latency}_bucket{$label,le=\"+Inf\"}"},
       $node->{latency_seconds}{count}, '... which is all');
    is($value->{"${latency}_bucket{$label,le=\"0.500000\"}"},
       $node->{latency_seconds}{buckets}[-1]{count}, '... and a part');
    is(scalar(grep { /^${latency}_bucket/ } keys %$value), 13,
       '... thirteen');
}


# --- a reload, the death of a worker


{
    my $from = status();
    my $node = $from->{redis}{nodes}[0];

    ok($nginx->reload, 'a reload');

    wait_for { node()->{workers_closed} == 2 } 'new workers';

    my $is = status();

    is_deeply($is->{cache}, $from->{cache}, '... changes no figure of memory');
    cmp_ok($is->{redis}{nodes}[0]{$_}, '>=', $node->{$_},
           "... and takes back none of $_")
        for qw(commands connects errors_timeout);

    browse($session, 20);
    wait_for { my @is = $nginx->workers; @is == 2 } 'the old ones to end', 60;

    # a Redis that does not answer adds nothing to what is counted

    $redis->freeze;
    answering($nginx->workers);

    my ($pid) = $nginx->workers;

    $from = status();
    kill 'KILL', $pid;
    wait_for { my @is = $nginx->workers; @is == 2 && !grep { $_ == $pid } @is }
             'another worker';
    answering($nginx->workers);

    $is = status();

    is($is->{cache}{hits}, $from->{cache}{hits},
       'what a worker that is killed has counted stays');
    is($is->{redis}{nodes}[0]{commands}, $from->{redis}{nodes}[0]{commands},
       '... commands, too');

    $redis->thaw;
    wait_for { node()->{workers_closed} == 2 } 'it is well';

    both_workers($session);
    cmp_ok(node()->{connections}, '<=', 4, 'connections are those of today');
}


# --- a Redis that goes wrong


{
    $redis->command('SET', 'shop:view:{7}:wrong', 1);

    my $wrong = session(customer => 'faulty', view => undef);

    $redis->command('SET', $wrong->key('view'), 'text');

    my $from = node();

    browse($wrong, 2);
    is(delta($from, node())->{errors_fault}, 2, 'error replies are counted');

    both_workers($session);

    $from = status();
    $redis->freeze;

    # it takes a moment until the copies are not believed any more

    wait_for { status()->{channel}{state} eq 'lost' } 'the loss';

    my $cold = session(store => 0);

    wait_for {
        browse($cold);
        my $is = node();
        return $is->{errors_timeout} > 0 && $is->{errors_unavailable} > 0
               && $is->{breaker} ne 'closed';
    } 'the breaker';
    pass('a frozen Redis is seen: timeouts, and who is told at once');

    # in turn: a pause, an attempt

    my %seen;

    wait_for {
        browse($cold);
        my $is = node();
        $seen{$_} += $is->{"workers_$_"} for qw(open half_open);
        return $seen{open} && $seen{half_open};
    } 'both states';
    pass('the breaker is open, and half open');

    my $is = status();

    cmp_ok($is->{channel}{lag_seconds}, '>', 0, 'the channel was alive once');
    is($is->{channel}{alive}, 0, '... and is not');

    # the ttl is long: a change that is told makes it stale

    $redis->thaw;
    wait_for { status()->{channel}{state} eq 'alive' } 'the channel';
    both_workers($session);
    $redis->command('HSET', $session->key('view'), 'points', 3);
    wait_for { status()->{cache}{invalidations} > $is->{cache}{invalidations} }
             'a change';
    $redis->freeze;

    wait_for { status()->{channel}{state} eq 'lost' } 'the loss';
    browse($session, 5);

    cmp_ok(status()->{cache}{stale}, '>', $from->{cache}{stale},
           'customers of old are counted');

    $redis->thaw;
    wait_for {
        both_workers(session());
        return node()->{workers_closed} == 2;
    } 'a better time';

    $is = node();

    is($is->{breaker}, 'closed', 'all is well again');
    cmp_ok($is->{reconnects}, '>', 0, '... after new connections');
    cmp_ok($is->{connection_failures}, '>', 0, '... of those that failed');

    wait_for { status()->{channel}{state} eq 'alive' } 'the channel';
    cmp_ok(status()->{channel}{rearms}, '>', 0, 'the channel is another');
    cmp_ok(status()->{channel}{lag_seconds}, '<', 2, '... and alive');

    $redis->command('HSET', 'shop:meta', 'schema', 2);

    wait_for {
        my $browser = $shop->browser;
        $shop->callback($browser, $shop->attempt($browser));
        return status()->{redis}{errors_schema} > 0;
    } 'a write that is refused';

    is(status()->{redis}{schema}, 2, 'a newer schema is shown');
    is(status()->{redis}{schema_known}, 1, '... beside ours');

    $redis->command('HSET', 'shop:meta', 'schema', 1);
    $shop->signs_in('an older schema');

    # the other worker may have been told of the newer one just before

    wait_for {
        my $browser = $shop->browser;
        $shop->callback($browser, $shop->attempt($browser));
        return status()->{redis}{schema} == 1;
    } 'it to be taken back';

    pass('... and taken back');
}


# --- the fate of a request


{
    my $fresh = session();

    browse($fresh, 2);
    $nginx->get('/nobody');

    ok($nginx->logs('logs/fate.log', qr{^/nobody \d+ none$}m),
       '$shop_session in a log: none');

    my $log = read_file($nginx->dir . '/logs/fate.log');

    like($log, qr{^/ 200 $_$}m, "... and $_") for qw(fresh cached stale);

    # nothing of a customer is in the figures

    for my $uri (qw(/status /metrics)) {
        my $text = $nginx->get($uri)->body;

        is(scalar(grep { index($text, $_) >= 0 }
                  map { ($_->{customer}, $_->value, $_->{digest} || ()) }
                  $session, $fresh),
           0, "$uri: no customer, no session");
    }
}


# --- a server with an account, a cluster, sentinels


{
    my $password = 'correct-horse-battery';
    my $locked = redis(user => 'shop', password => $password);
    my $file = write_file(temp_dir() . '/redis.password', "$password\n", 0600);

    my $other = shop(
        redis => $locked, server => $locations,
        nginx_options => { secrets => [$password] },
        vars => { redis => $locked->url . " user=shop password_file=$file" });

    $other->signs_in('with a password');

    for my $uri (qw(/status /metrics)) {
        unlike($other->nginx->get($uri)->body, qr/battery|user/,
               "$uri: no password");
    }
}

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);

    my $other = shop(
        redis => ($cluster->nodes)[0], server => $locations,
        vars => { redis => join ' ', $cluster->urls, 'cluster' });

    $other->signs_in("customer $_") for 1 .. 2;

    my $is = status($other->nginx);

    is($is->{redis}{mode}, 'cluster', 'a cluster');

    wait_for { status($other->nginx)->{channel}{state} eq 'alive' }
        'its channels';

    $is = status($other->nginx);

    is($is->{channel}{wanted}, 3, '... has three channels');
    is($is->{channel}{alive}, 3, '... which are all alive');
    is_deeply([ sort map { $_->{address} } @{ $is->{redis}{nodes} } ],
              [ sort map { 'redis://127.0.0.1:' . $_->port } $cluster->nodes ],
              '... and all of its nodes');

    my $asked = 0;

    $asked += $_->{commands} for @{ $is->{redis}{nodes} };
    cmp_ok($asked, '>', 10, '... which were asked');

    my ($type, $value) = metrics($other->nginx);

    is(scalar(grep { /^ngx_shop_redis_node_commands_total/ } keys %$value), 3,
       '... each is a sample');
}

{
    require ShopTest::Sentinel;

    my $set = ShopTest::Sentinel->new(servers => 2, sentinels => 1);

    my $other = shop(
        redis => $set->master, server => $locations,
        vars => { redis => join ' ', $set->urls, 'sentinel=main' });

    $other->signs_in('sentinel');

    my $old = $set->master->port;

    $set->failover;

    my $is;

    wait_for {
        $is = status($other->nginx)->{redis};
        return @{ $is->{nodes} } == 2
               && !grep { $_->{address} =~ /:$old$/ && $_->{role} ne 'former' }
                  @{ $is->{nodes} };
    } 'another master', 20;

    my %role = map { $_->{address} => $_ } @{ $is->{nodes} };

    is($is->{mode}, 'sentinel', 'sentinels');
    is($role{"redis://127.0.0.1:$old"}{breaker}, undef,
       'the old master is nobody\'s');
    cmp_ok($role{"redis://127.0.0.1:$old"}{commands}, '>', 0,
           '... and keeps its figures');
}


# --- what is refused


my $store = 'shop_redis redis://127.0.0.1:1;';

sub location {
    return "$_[0] server { listen 127.0.0.1:%%port%%; location / {\n$_[1]\n}}";
}

good(location($store, "shop_status $_;"), "shop_status $_")
    for qw(json prometheus);

wrong(location($store, 'shop_status dashboard; # here'),
      '"shop_status dashboard" is not in this version, it has "json" and '
      . '"prometheus"', 'a dashboard');
wrong(location($store, 'shop_status xml; # here'),
      'invalid parameter "xml", allowed: "json" and "prometheus"', 'a word');
wrong(location($store, 'shop_status ""; # here'),
      'invalid parameter "", allowed: "json" and "prometheus"', 'no word');
wrong(location($store, "shop_status json;\nshop_status json; # here"),
      '"shop_status" directive is duplicate', 'twice');
wrong(location($store, 'shop_status; # here'),
      'invalid number of arguments in "shop_status"', 'nothing');
wrong(location($store, 'shop_status json prometheus; # here'),
      'invalid number of arguments in "shop_status"', 'both');
wrong(location('', 'shop_status json;'),
      '"shop_status" is on, but there is no "shop_redis"', 'without Redis',
      nowhere => 1);
wrong("$store shop_status json; # here",
      '"shop_status" directive is not allowed here', 'in http');

done_testing();
