# Which sessions a notice ends: all that the provider has made, however long
# ago they were seen, whatever another server holds of idle ones, and however
# many there are.  Of these a customer has so many and no more.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();

use ShopTest::Session;

my $redis = redis();
my $provider = provider(client_id => 'shop');

my %common = (redis => $redis, provider => $provider,
              provider_conf => 'notify secevent;');

my $shop = shop(%common);
my $short = shop(%common, http => 'shop_session idle=1h;');

my $revoked = 'https://schemas.openid.net/secevent/risc/event-type/'
              . 'sessions-revoked';
my $now = time;
my $serial = 0;


# a customer who has signed in once, by this subject

sub customer {
    my ($sub) = @_;

    $provider->set({ user => { sub => $sub } });

    my $browser = $shop->signs_in($sub);

    return ($shop->me($browser)->{customer}, $browser);
}

sub session {
    my ($id, %o) = @_;

    return ShopTest::Session->new(redis => $redis, customer => $id, %o);
}

sub status {
    my ($session) = @_;

    return $shop->nginx->get('/_shop/me', Cookie => $session->cookie)->status;
}

sub listed {
    my ($session) = @_;

    return $redis->command('ZSCORE', $session->key('sessions'),
                           Digest::SHA::sha256_hex($session->{secret}));
}

sub revoke {
    my ($sub) = @_;

    my $token = $provider->sign({ claims => {
        iss => $provider->issuer, aud => 'shop', iat => time,
        jti => 'jti-' . ++$serial, sub => $sub,
        events => { $revoked => {} } } });

    return $shop->nginx->post('/_shop/notify/work', $token)->status;
}

# many sessions, all seen at that time

sub many {
    my ($session, $n, $seen) = @_;

    return $redis->command('EVAL', <<'END', 2, $session->key,
        local prefix = string.sub(KEYS[1], 1, -65)

        for i = 1, ARGV[1] do
            local hash = redis.sha1hex(i) .. string.rep('0', 24)

            redis.call('HSET', prefix .. hash, 'provider', 'work', 'created',
                       ARGV[2], 'auth_time', ARGV[2], 'expires', ARGV[3])
            redis.call('ZADD', KEYS[2], ARGV[2], hash)
        end
END
                           $session->key('sessions'), $n, $seen, time + 86400);
}

sub keys_of {
    my ($session) = @_;

    return scalar grep { /^shop:session:[^:]+:\Q$session->{customer}\E:/ }
                  $redis->keys('shop:session:*');
}


# --- two servers, one of which lets sessions idle out sooner

{
    my ($id) = customer('two');
    my $session = session($id);
    my $list = $session->key('sessions');

    is(status($session), 200, 'a session that may be idle for 30 days');
    $session->noted(7200);
    $redis->command('ZADD', $list, $now - 7200, 'cd' x 32, $now - 7200,
                    'no hash', $now - 60, 'ef' x 32);

    $short->signs_in('where they may be idle for an hour');

    is($redis->command('EXISTS', $session->key), 1, 'the session lives on');
    ok(listed($session), '... and stands in the list');
    is($redis->command('ZSCORE', $list, $_), undef, "... no more does $_")
        for 'cd' x 32, 'no hash';
    is($redis->command('ZCARD', $list), 4, '... and no other has left it');

    is(revoke('two'), 202, 'a notice');
    is(status($session), 401, '... ends it');
    is(keys_of($session), 0, '... and all others');
}


# --- as many as there may be

{
    my ($id, $browser) = customer('most');
    my ($old, $older) = map { session($id) } 1, 2;
    my $list = $old->key('sessions');

    is(status($_), 200, 'a session') for $old, $older;
    $old->noted(1000);
    $older->noted(2000);
    many($old, 997, $now - 600);

    my $next = $shop->signs_in('a thousand sessions, and one more');

    is(status($older), 401, '... ends the one that was seen longest ago');
    is(status($old), 200, '... and no other');
    is($redis->command('EXISTS', $older->key), 0, '... in Redis as well');
    is($redis->command('ZCARD', $list), 1000, '... and a thousand are listed');
    is(keys_of($old), 1000, '... which are all that there are');

    # more by hand, and what is none

    $redis->command('ZADD', $list, 1, $_)
        for 'no hash', 'ab' x 32, 'AB' x 32, 'ab' x 33;
    session($id) for 1 .. 9;

    $shop->signs_in('nine too many, and one more');

    is(status($old), 401, '... ends the next one');
    is(keys_of($old), 1000, '... and nine others');
    is($redis->command('ZCARD', $list), 1000, '... of a thousand again');
    ok($shop->me($_), '... who was there a moment ago is there still')
        for $browser, $next;
}

{
    my ($id) = customer('over');
    my $session = session($id);
    my $list = $session->key('sessions');

    $session->noted(600);
    many($session, 2500, $now - 600);

    for my $left (1503, 1000) {
        $shop->signs_in('far too many, and one more');
        is($redis->command('ZCARD', $list), $left,
           "... at most a thousand end: $left");
        is(keys_of($session), $left, '... in Redis as well');
    }

    $redis->command('DEL', $list);

    my $calls = $redis->calls->{zrange};

    $shop->signs_in('a few sessions');
    is($redis->calls->{zrange}, $calls, '... of which none is looked at');
}


# --- a notice, and more than are asked for at once

{
    my ($id) = customer('many');
    my $first = session($id);
    my $other = session($id, provider => 'other');
    my $list = $first->key('sessions');

    is(status($_), 200, 'a session') for $first, $other;
    $_->noted(600) for $first, $other;
    many($first, 10050, $now);

    is(revoke('many'), 202, 'a notice, and more than ten thousand sessions');
    is(status($first), 401, '... ends the first one as well');
    is(keys_of($first), 1, '... and all but that of another provider');
    is(status($other), 200, '... which is good');
    is($redis->command('ZCARD', $list), 1, '... and stands in the list');
}

done_testing();
