# Which sessions a notice ends: all that the provider has made, however long
# ago they were seen, and whatever another server holds of idle ones.

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


done_testing();
