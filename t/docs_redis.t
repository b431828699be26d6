# docs/redis.md says what is kept, and which rights a user of Redis needs for
# it.  A whole life of a customer under exactly these rights shows that they
# are enough, that none is too much, and that each key is described.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 ();

use ShopTest::Cluster;
use ShopTest::Events;
use ShopTest::Ledger;
use ShopTest::Redis;
use ShopTest::Sentinel;
use ShopTest::Session;

my $text = read_file(root() . '/docs/redis.md');

my ($rules) = $text =~ /^ {4}ACL SETUSER shop (.*?)^\n/ms;
my @rules = split ' ', $rules;
my $password = 'correct-horse-battery';

s/^>PASSWORD$/>$password/ for @rules;

my $redis = redis();

$redis->command('ACL', 'SETUSER', 'shop', @rules);

my $file = write_file(temp_dir() . '/redis.password', "$password\n", 0600);

my $events = ShopTest::Events->new;

my $shop = shop(
    redis => $redis,
    nginx_options => { secrets => [$password] },
    http  => 'shop_session idle=40s;' . $events->conf,
    provider_conf => 'notify meta_signed_request;',
    program => <<'END',
    loyalty_program {
        tier bronze;
        tier gold points=1000 valid=1y;
        earn signup 100;
        earn login 5;
        promotion HALF { holdout 50%; }
    }
END
    vars  => { redis => $redis->url
                      . "/3 user=shop password_file=$file" },
);


# --- rights


$redis->command('CONFIG', 'RESETSTAT');

# the channel of changes was there before, and is made once more

$redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');

wait_for(sub {
    my $stats = $redis->command('INFO', 'commandstats');
    return 4 == grep { $stats =~ /^cmdstat_\Q$_\E:/m }
                'client|id', 'client|trackinginfo', 'role', 'subscribe';
});

my $browser = $shop->browser;

is($shop->login($browser, '/account/')->status, 200, 'a login');
is($shop->me($browser)->{points}, 105, 'earns points');

# the back button

{
    my $other = $shop->browser;
    my $url = $shop->attempt($other);

    is($shop->callback($other, $url)->status, 303, 'a second one');
    is($shop->callback($other, $url)->status, 303, '... twice');
}

# what is noted of a promotion

$redis->command('SELECT', 3);
wait_for { ($redis->keys('shop:shown:*'))[0] } 'the note';
$redis->command('SELECT', 0);

# a session whose end moves: a tenth of its idle time has to pass

wait_for(sub {
    $shop->me($browser);
    return ($redis->calls->{pexpire} || 0) > 2
           && $redis->calls->{zrangebyscore};
});
pass('a session is used');

$browser->leave($shop->url . '/');
my $page = $browser->fetch('POST', '/_shop/logout');

is($page->status, 204, 'and ended');
is($shop->me($browser), undef, '... at once');

# a provider says that somebody wants to be forgotten

{
    my $payload = MIME::Base64::encode_base64url(JSON::PP::encode_json({
        algorithm => 'HMAC-SHA256', issued_at => time,
        user_id => 'forgotten' }));
    my $mac = Digest::SHA::hmac_sha256($payload,
                                       $shop->provider->client_secret);

    $shop->provider->set({ user => { sub => 'forgotten' } });
    $shop->signs_in('somebody');
    $shop->provider->restore;

    is($shop->nginx->post('/_shop/notify/work', 'signed_request='
           . MIME::Base64::encode_base64url($mac) . ".$payload")->status,
       200, '... is forgotten');
}

# what the shop tells of a customer who is not known yet

sub unknown {
    my ($id, $subject) = @_;

    return { id => $id, type => 'adjust', time => time, points => 5,
             customer => { provider => 'work', subject => $subject } };
}

is(join(' ', $events->results($shop->nginx, unknown('e1', 'new'),
                              unknown('e2', 'newer'))),
   'kept kept', 'an event waits');

$shop->provider->set({ user => { sub => 'new' } });
$shop->login($shop->browser, '/');

# what a login does not book

{
    my $client = ShopTest::Redis->client($redis->port, user => 'shop',
                                         password => $password);

    $client->command('SELECT', 3);

    my $customer = ShopTest::Ledger->new($client, {
        tiers => [ { name => 'bronze' },
                   { name => 'silver', points => 99, window => '365d' } ],
        earn  => [ { what => 'order', points => 1, per => 100,
                     pending => '14d' } ],
        promotions => [ { code => 'A', budget => 1, per_member => 1 } ],
    });

    my $now = time;
    my $booked = 0;

    for my $event ({ type => 'order', order => 'o1', total => 4999 },
                   { type => 'adjust', points => 5 },
                   { type => 'spend', points => 5 },
                   { type => 'refund', order => 'o1', total => 4999 },
                   { type => 'grant', tier => 'silver',
                     until => $now + 86400 },
                   { type => 'order', order => 'o2', total => 100,
                     promotion => 'A' })
    {
        is($customer->book($now, { id => 'e' . ++$booked, time => $now,
                                   %$event }),
           'booked', "an event: $event->{type}");
    }

    is($customer->book($now, $customer->seen($now, 0)), 'booked', 'a visit');
}

my $stats = $redis->command('INFO', 'commandstats');
my %used = map { lc $_ => 1 } $stats =~ /^cmdstat_(\S+?):calls=/mg;

delete @used{qw(info auth config|resetstat client|kill keys)};

is_deeply([ sort keys %used ], [ sort map { /^\+(.*)/ } @rules ],
          'the rights are those that were used');

is_deeply($redis->command('ACL', 'LOG'), [], 'and nothing was refused');


# --- keys


$redis->command('SELECT', 3);
$redis->command('SET', 'shop:program', '{}');

my $ledger;
my %kind;

for my $key ($redis->keys('*')) {
    my $type = $redis->command('TYPE', $key);
    my ($kind) = $key =~ /^(shop:[a-z]+)/;

    push @{ $kind{$kind}{keys} }, $key;
    $kind{$kind}{type} = $type eq 'zset' ? 'sorted set' : $type;

    if ($type eq 'hash' && $kind ne 'shop:orders') {
        $kind{$kind}{fields}{$_} = 1 for keys %{ $redis->hash($key) };
    }

    $kind{$kind}{expires} = 1 if $redis->command('TTL', $key) > 0;

    if ($type eq 'list' && $key =~ /^shop:ledger:/ && $key !~ /:c1$/) {
        my $list = $redis->command('LRANGE', $key, 0, -1);

        $ledger = $list if @$list > @{ $ledger || [] }
                           && !grep { / e1$/ } @$list;
    }
}

my %told;

for my $section (split /^### /m, ($text =~ /^## Keys\n(.*?)^## /ms)[0]) {
    $told{$1} .= $2 if $section =~ /^(shop:[a-z]+)\S*\n(.*)/s;
}

is_deeply([ sort keys %kind ], [ sort keys %told ],
          'each key is described, and no other');

for my $kind (sort keys %told) {
    my $is = $kind{$kind} or next;

    like($told{$kind}, qr/^- \*\*Type\*\*: $is->{type}\b/m, "$kind: its type");
    like($told{$kind}, qr/^- \*\*Written\*\*: /m, "$kind: who writes it");
    like($told{$kind}, $is->{expires} ? qr/^- \*\*Expires\*\*: after /m
                     : qr/^- \*\*Expires\*\*: (?:never|entries)/m,
         "$kind: when it expires");

    for my $field (sort keys %{ $is->{fields} || {} }) {
        $field =~ s/^(provider:|id:|shown:|used:).*/$1/;
        $field =~ s/^HALF:(?:given|held):/CODE:ARM:/;
        $field =~ s/^A(?=:|$)/CODE/ if $kind eq 'shop:budget';
        $field =~ s/:\d+$/:NN/ if $kind eq 'shop:budget';

        like($told{$kind}, qr/`\Q$field\E/, "$kind: its field $field");
    }
}

like($_, qr/^\d+ (?:signup|login) \d+ - \d+ (?:signup|[0-9a-f]{32})$/,
     'an entry of the ledger')
    for @$ledger;

is(scalar(@$ledger), 3, 'one for each booking');
is((split ' ', $ledger->[-1])[4], 110, '... with the balance behind it');


# --- one customer, of an id that others begin with

{
    my ($looked) = $text =~ /^## Looking at a customer\n(.*?)^## /ms;
    my @patterns = $looked =~ /--pattern "([^"]+)"/g;

    for my $id (qw(7 70 1.7)) {
        ShopTest::Session->new(redis => $redis, customer => $id,
                               view => { points => 1 });
    }

    my @keys = grep { /:7(?::|\z)/ } $redis->keys('*');

    is_deeply([ sort map {
                    @{ $redis->command('KEYS', s/\$id/7/r) }
                } @patterns ],
              [ sort @keys ], 'the keys of a customer are found, no others');
    is(scalar(@keys), 3, '... all of them');
}


# --- a marketer


{
    my ($may) = $text =~ /^ {4}ACL SETUSER marketer (.*?)^\n/ms;

    $redis->command('ACL', 'SETUSER', 'marketer',
                    map { /^>/ ? ">$password" : $_ } split ' ', $may);

    my $client = ShopTest::Redis->client($redis->port, user => 'marketer',
                                         password => $password);

    is($client->command('SET', 'shop:program', '[]'), 'OK',
       'a marketer may write a program');
    is($client->command('GET', 'shop:program'), '[]', '... and read it');
    is($client->command('DEL', 'shop:program'), 1, '... and take it away');
    like(($client->try('SET', 'shop:meta', 1))[1], qr/NOPERM/,
         '... and no more');
}


# --- rights with sentinels: the same; in a cluster: two more

sub enough {
    my ($name, $address, $more, @servers) = @_;

    my @own = grep { !/^>/ } split ' ', $rules;

    $_->command('ACL', 'SETUSER', 'shop', @own, ">$password", @$more)
        for @servers;

    my $url = "$address user=shop password_file=$file";

    my $its = shop(redis => $servers[0], vars => { redis => $url },
                   nginx_options => { secrets => [$password] });

    my $client = $its->signs_in($name);

    is($its->me($client)->{points}, 105, "$name: a session, points");

    $client->leave($its->url . '/');
    is($client->fetch('POST', '/_shop/logout')->status, 204, "$name: its end");
    is($its->me($client), undef, '... at once');

    for my $server (@servers) {
        wait_for { $server->command('PUBSUB', 'NUMSUB',
                                    '__redis__:invalidate')->[1] } 'a channel';
        wait_for { $server->calls->{'client|trackinginfo'} } 'its tracker';
    }

    is_deeply([ map { @{ $_->command('ACL', 'LOG') } } @servers ], [],
              "$name: nothing was refused");
}

{
    my ($told) = $text =~ /A \[cluster\]\S+ needs `([^`]+)`\s+besides/;

    my @cluster = split ' ', $told;

    is_deeply(\@cluster, [qw(+cluster|slots +asking)],
              'two rights more for a cluster');

    my $set = ShopTest::Sentinel->new(servers => 1, sentinels => 1);

    enough('sentinel', join(' ', $set->urls, 'sentinel=main'), [],
           $set->servers);

    my $cluster = ShopTest::Cluster->new(primaries => 3);

    enough('cluster', join(' ', $cluster->urls, 'cluster'),
           \@cluster, $cluster->nodes);
}

done_testing();
