# A provider takes a key back, since it was stolen.  Nobody has signed in for
# hours, so that what the shop knows is old: who comes now waits for the keys
# as they are.  A provider that cannot be asked stops nobody, for a day.

use lib 't/lib';
use ShopTest;

my $dir = temp_dir();
my @json = ('Content-Type' => 'application/json');

# nginx asks the time of a library that is loaded before, which adds what is in
# a file

write_file("$dir/clock.c", <<'C');
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int *ahead;

__attribute__((constructor)) static void
clock_begin(void)
{
    int  fd;

    fd = open(getenv("SHOP_TEST_CLOCK"), O_RDONLY);

    if (fd != -1) {
        ahead = mmap(NULL, sizeof(int), PROT_READ, MAP_SHARED, fd, 0);
    }
}

int
gettimeofday(struct timeval *tv, void *zone)
{
    struct timespec  now;

    (void) zone;

    clock_gettime(CLOCK_REALTIME, &now);

    tv->tv_sec = now.tv_sec + *ahead;
    tv->tv_usec = now.tv_nsec / 1000;

    return 0;
}
C

system('cc', '-shared', '-fPIC', '-o', "$dir/clock.so", "$dir/clock.c") == 0
    or die "cc: $?\n";


my ($clock, $clocks, $ahead, $serial) = ('', 0, 0, 0);

sub minutes {
    $ahead = $_[0] * 60;

    open my $file, '+<:raw', $clock or die "clock: $!\n";
    syswrite $file, pack 'i', $ahead;

    return;
}


# a shop that has had the keys once, at minute 0

sub a_shop {
    my (%o) = @_;

    # one for each, as others may look at theirs still

    $clock = write_file("$dir/clock" . ++$clocks, pack 'i', 0);
    $ahead = 0;

    local $ENV{SHOP_TEST_CLOCK} = $clock;
    local $ENV{LD_PRELOAD} = join ' ', grep { defined }
                             $ENV{LD_PRELOAD}, "$dir/clock.so";

    my $shop = shop(server => 'keepalive_timeout 0;', %o);

    is(app($shop, 'rsa-1')->status, 200, 'minute 0: signed in');
    is($shop->provider->count('/jwks'), 1, '... with keys that were fetched');

    return $shop;
}


sub token {
    my ($shop, $key) = @_;
    my $now = time + $ahead;

    return '{"id_token":"' . $shop->provider->sign({ key => $key, claims => {
        iss => $shop->provider->issuer, aud => $shop->provider->client_id,
        sub => 'user-1', iat => $now, exp => $now + 300, name => 'Ann',
        jti => 'token-' . ++$serial } }) . '"}';
}


sub app {
    my ($shop, $key) = @_;

    return $shop->nginx->post('/_shop/token/work', token($shop, $key), @json);
}


# several at once, on connections of their own

sub apps {
    my ($shop, $key, $n) = @_;

    my @started = map {
        my $c = $shop->nginx->connect;
        my $body = token($shop, $key);

        $c->send('POST', '/_shop/token/work', headers => [@json],
                 body => $body);
        $c;
    } 1 .. $n;

    return map { $_->response } @started;
}


# --- a key that was taken back

{
    my $shop = a_shop();
    my $provider = $shop->provider;

    $provider->public_key('rsa-2');
    $provider->set({ key => 'rsa-2', publish => ['rsa-2'] });

    minutes(49);
    is(app($shop, 'rsa-1')->status, 200, 'minute 49: the keys are good');
    is($provider->count('/jwks'), 1, '... and are not asked for');

    minutes(20 * 60);
    $shop->refuses(400, 'key_unknown', app($shop, 'rsa-1'),
                   'hour 20: a key that was taken back');
    is(app($shop, 'rsa-2')->status, 200, '... the new one is known');
}


# --- in nobody's way before the hour has passed

{
    my $shop = a_shop();
    my $provider = $shop->provider;

    $provider->set({ fault => { jwks => { stall => 10 } } });

    minutes(51);

    my $begin = ShopTest::now();

    is(app($shop, 'rsa-1')->status, 200, 'minute 51: signed in');
    cmp_ok(ShopTest::now() - $begin, '<', 4, '... without waiting');
    wait_for { $provider->count('/jwks') == 2 } 'the keys to be asked for';

    # who comes when it is time waits for what is under way, and no longer
    # than that lasts; on a machine so slow that this has ended before, they
    # are asked for again, which lasts 5 seconds once more

    minutes(61);
    is(app($shop, 'rsa-1')->status, 200,
       'minute 61: the keys cannot be had in time');

    my $slow = ShopTest::now() - $begin > 9;

    cmp_ok($provider->count('/jwks'), '<=', $slow ? 3 : 2,
           '... and are not asked for twice');
}

{
    my $shop = a_shop();
    my $provider = $shop->provider;

    minutes(51);
    is(app($shop, 'rsa-1')->status, 200, 'minute 51: signed in');
    wait_for { $provider->count('/jwks') == 2 } 'the keys to be asked for';

    minutes(100);
    is(app($shop, 'rsa-1')->status, 200, 'minute 100: signed in');
    is($provider->count('/jwks'), 2, '... by the keys of minute 51');
}


# --- a provider that cannot be asked

{
    my $shop = a_shop();
    my $provider = $shop->provider;

    $provider->set({ fault => { jwks => { status => 503 } } });

    minutes(20 * 60);
    is(app($shop, 'rsa-1')->status, 200, 'hour 20, no keys: signed in');
    is($provider->count('/jwks'), 2, '... they were asked for');
    is(app($shop, 'rsa-1')->status, 200, '... and the next one');
    is($provider->count('/jwks'), 2, '... which waits for nothing');

    minutes(20 * 60 + 1);
    is(app($shop, 'rsa-1')->status, 200, '... and a minute later');
    is($provider->count('/jwks'), 3, '... they were asked for again');

    minutes(24 * 60);
    $shop->refuses(502, 'keys_error', app($shop, 'rsa-1'), 'hour 24, no keys');

    # a failure answers for a second

    $provider->restore;
    wait_for { app($shop, 'rsa-1')->status == 200 } 'the provider again';
}


# --- a login that has not much time left

{
    my $shop = a_shop();
    my $provider = $shop->provider;
    my $later = time + 90 * 60;

    $provider->set({ claims => { iat => $later, exp => $later + 300 },
                     fault => { token => { wait => 6 },
                                jwks => { stall => 10 } } });
    minutes(90);
    $shop->signs_in('a late token, and no keys that are newer');
    is($provider->count('/jwks'), 2, '... which were asked for');
    $shop->is_idle('... and then');
}


# --- several workers

{
    my $shop = a_shop(nginx_options => { workers => 2 });
    my $provider = $shop->provider;

    $provider->public_key('rsa-2');
    $provider->set({ fault => { jwks => { wait => 1 } } });

    minutes(90);
    is(join(' ', map { $_->status } apps($shop, 'rsa-1', 16)),
       join(' ', (200) x 16), 'many, when it is time: signed in');
    is($provider->count('/jwks'), 2, '... all with one fetch');

    $provider->set({ key => 'rsa-2', publish => ['rsa-2'] });

    minutes(180);
    $shop->refuses(400, 'key_unknown', $_, 'many, with a key taken back')
        for apps($shop, 'rsa-1', 16);
    cmp_ok($provider->count('/jwks'), '<=', 4,
           '... which was looked for twice');
    is(app($shop, 'rsa-2')->status, 200, '... the new one is known');
    $shop->is_idle('keys of any age');
}


# --- many wait at one worker for what the other fetches: a key that was taken
# back is not let through because of that.  Who is stopped takes no connections;
# the kernel may wake that one for a connection, then the next one wakes the
# other.

{
    my $shop = a_shop(nginx_options => { workers => 2, connections => 1024 });
    my $provider = $shop->provider;
    my $nginx = $shop->nginx;
    my ($x, $y);

    wait_for { ($x, $y) = $nginx->workers; defined $y } 'both workers';

    $provider->public_key('rsa-2');
    $provider->set({ key => 'rsa-2', publish => ['rsa-2'],
                     fault => { jwks => { wait => 2 } } });
    minutes(90);

    my $body = token($shop, 'rsa-1');
    my $begin = sub {
        my $c = $nginx->connect;

        $c->send('POST', '/_shop/token/work', headers => [@json],
                 body => $body);

        return $c;
    };

    kill 'STOP', $y;

    my @started = $begin->();

    wait_for {
        $provider->count('/jwks') == 2
            || do { $nginx->connect->close; 0 }
    } 'the keys to be asked for';

    kill 'STOP', $x;
    kill 'CONT', $y;

    push @started, map { $begin->() } 1 .. 530;
    is($nginx->get('/_shop/me')->status, 401, 'the other worker is there');

    kill 'CONT', $x;

    my %reasons;

    $reasons{join ' ', $_->status, $_->json->{reason} // ''}++
        for map { $_->response } @started;
    is(join(', ', map { "$reasons{$_}: $_" } sort keys %reasons),
       '531: 400 key_unknown', 'very many, with a key taken back');
    $shop->is_idle('... and then');
}

done_testing();
