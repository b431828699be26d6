# A provider ends all sessions, since somebody else has got at the account: an
# ID token from before that is as good as a session, so it signs nobody in any
# more, whoever has kept it.

use lib 't/lib';
use ShopTest;

use JSON::PP ();

use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $provider = provider(client_id => 'shop');

my %common = (redis => $redis, provider => $provider,
              provider_conf => 'notify secevent;',
              providers => { work => '', other => '/other' });

my $shop = shop(%common, vars => { redis => $proxy->url . ' timeout=5s' });
my $told = shop(%common);
my $nginx = $shop->nginx;

my $now = time;
my $serial = 0;

my $risc = 'https://schemas.openid.net/secevent/risc/event-type/';
my $caep = 'https://schemas.openid.net/secevent/caep/event-type/';

sub token {
    my ($sub, $iat, %o) = @_;
    my $token = $provider->sign({ claims => {
        iss => $provider->issuer($o{path}), aud => 'shop', sub => $sub,
        iat => $iat, exp => $now + 3600, jti => 'token-' . ++$serial,
        name => $o{name} || 'Ann' } });

    $nginx->keep_secret($token);

    return $token;
}

sub brought {
    my ($token, %o) = @_;

    return $nginx->post('/_shop/token/' . ($o{by} || 'work'),
                        JSON::PP::encode_json({ id_token => $token }),
                        'Content-Type' => 'application/json');
}

sub signs_in {
    my ($name, $token, %o) = @_;
    my $response = brought($token, %o);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response->status, 200, "$name: signs in")
        or diag($response->body);

    return $response->status == 200 ? $response->json->{customer} : '';
}

sub is_revoked {
    my ($name, $token, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $shop->refuses(400, 'token_revoked', brought($token, %o), $name);
}

sub notice {
    my ($what, $sub, $iat, %o) = @_;
    my ($event) = keys %$what;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($told->nginx->post('/_shop/notify/' . ($o{by} || 'work'),
           $provider->sign({ claims => {
               iss => $provider->issuer($o{path}), aud => 'shop',
               iat => $iat, jti => 'jti-' . ++$serial, sub => $sub,
               events => $what } }))->status,
       202, 'a notice: ' . $event =~ s{.*/}{}r);
}

sub ends { return notice({ "${risc}credential-compromise" => {} }, @_) }

sub key { return ShopTest::Session->new(redis => $redis, store => 0,
                                        customer => $_[0])
                                  ->key($_[1] || 'customer') }

sub field { return $redis->command('HGET', key($_[0]), $_[1]) }

sub sessions {
    my ($id) = @_;

    return scalar grep { /:\Q$id\E:/ } $redis->keys('shop:session:*');
}


# --- an only identity, which stays when it is unlinked

{
    my $id = signs_in('an only identity', token('only', $now - 130));
    my $kept = token('only', $now - 61);

    notice({ "${risc}user-unlinked" => {} }, 'only', $now - 60);
    is(sessions($id), 0, '... ends the session');
    is_revoked('a token of before it was unlinked', $kept);
    is(signs_in('a token of a new consent', token('only', $now - 59)), $id,
       '... the same customer');
}


# --- before, at the same time, and later

{
    my $id = signs_in('a customer', token('ann', $now - 130));
    my @kept = map { token('ann', $_, name => 'Eve') }
                   $now - 130, $now - 61, $now - 60, $now - 59;

    ends('ann', $now - 60);
    is(sessions($id), 0, '... ends the session');
    is(field($id, 'ended:work'), $now - 60, '... and says when that was');

    my $points = $redis->hash(key($id, 'view'))->{points};

    is_revoked("a token of before, $_", $kept[$_]) for 0 .. 2;
    is(sessions($id), 0, '... makes no session');
    is(field($id, 'name'), 'Ann', '... and brings nothing up to date');
    is($redis->hash(key($id, 'view'))->{points}, $points,
       '... nor earns anything');
    is(signs_in('a token of a second later', $kept[3]), $id,
       '... the same customer');
    is(field($id, 'name'), 'Eve', '... with what it tells');
    is(signs_in('a token of now', token('ann', $now)), $id,
       '... the same customer');
    is($redis->hash(key($id, 'view'))->{points}, $points + 10,
       '... each has earned its points once');

    # one that comes late

    ends('ann', $now - 200);
    is(field($id, 'ended:work'), $now - 60, '... takes nothing back');
    is_revoked('a token between the two', token('ann', $now - 100));
}


# --- of which time a notice is

{
    my $id = signs_in('another one', token('ben', $now - 130));

    notice({ "${caep}session-revoked"
             => { event_timestamp => ($now - 100) * 1000 } },
           'ben', $now - 20);
    is(field($id, 'ended:work'), $now - 100, '... that of the event');
    is_revoked('a token of before the event', token('ben', $now - 110));
    is(signs_in('a token of after it', token('ben', $now - 90)), $id,
       '... the same customer');
}


# --- who is not concerned

{
    my $id = signs_in('somebody', token('cid', $now - 130));

    signs_in('somebody else', token('dan', $now - 130));
    $redis->command('SET', 'shop:identity:other:cid', $id);
    signs_in('somebody by another provider',
             token('cid', $now - 130, path => '/other'), by => 'other');

    # by a clock that is fast: what follows is before that

    ends('cid', $now + 30);
    is_revoked('they themselves', token('cid', $now));
    is(signs_in('... by another provider', token('cid', $now - 120,
                                                 path => '/other'),
                by => 'other'),
       $id, '... the same customer');
    signs_in('somebody else', token('dan', $now - 120));

    $provider->set({ user => { sub => 'cid', name => 'Cid' } });

    my $browser = $shop->signs_in('who comes from the provider itself');

    is($shop->me($browser)->{customer}, $id, '... as who they are');

    # what is no notice of that kind

    notice({ "${risc}account-purged" => {} }, 'dan', $now);
    signs_in('whose account is no more', token('dan', $now - 110));
}

# somebody who was claimed, and never made

{
    $redis->command('SET', 'shop:identity:work:claimed', 'claimed-id');
    ends('claimed', $now - 60);
    is_revoked('of a login that was cut off', token('claimed', $now - 70));
    is(signs_in('later', token('claimed', $now)), 'claimed-id',
       '... it is completed');
}


# --- it goes with the identity

for my $what ('user-unlinked', 'account-purged') {
    for my $other ('work', 'other', $what eq 'account-purged' ? 'none' : ()) {
        my $sub = "$what-$other";
        my $id = signs_in($sub, token($sub, $now - 130));

        $redis->command('HSET', key($id), "id:$other:x", $now)
            if $other ne 'none';

        ends($sub, $now - 60);
        ok(field($id, 'ended:work'), "$sub: it is noted");
        notice({ "$risc$what" => {} }, $sub, $now);
        is(field($id, "id:work:$sub"), undef, '... the identity goes');
        is(field($id, 'ended:work'), $other ne 'work' ? undef
               : $what eq 'user-unlinked' ? $now : $now - 60,
           $other eq 'work' ? '... it stays, for one by the same provider'
                            : '... and it goes, too');
    }
}

{
    my $id = signs_in('the only identity', token('eva', $now - 130));

    ends('eva', $now - 60);
    notice({ "${risc}user-unlinked" => {} }, 'eva', $now);
    is(field($id, 'ended:work'), $now, '... stays, and it is later');
}


# --- at the same time

# behind the claim, the customer, and customer and session

for ([ 'claim', 'LRANGE', 0 ], [ 'customer', 'EVALSHA', 0 ]) {
    my ($step, $word, $after) = @$_;
    my $id = signs_in('one more', token("same-$step", $now - 130));
    my $token = token("same-$step", $now - 120);
    my $c = $nginx->connect;

    $proxy->spoil('hold', $after, only => $word);
    $c->send('POST', '/_shop/token/work',
             headers => [ 'Content-Type' => 'application/json' ],
             body => JSON::PP::encode_json({ id_token => $token }));

    wait_for { $proxy->spoiled } $step;
    ends("same-$step", $now - 60);
    $proxy->heal;

    $shop->refuses(400, 'token_revoked', $c->response,
                   "behind the $step of a login");
    is(sessions($id), 0, '... no session is left');
}

done_testing();
