# What segments ask of visits and of the profile is copied to the customer's
# view while the customer is here: by one of several nginx servers, when it has
# changed, and only where the program asks for it; so that no copy of a
# customer is dropped for nothing.

use lib 't/lib';
use ShopTest;
use ShopTest::Activity;
use ShopTest::Backend;

my $day = 86400;

my ($shop, $redis) = start(program => 'loyalty_program {
    segment back   visit_recency>=3d;
    segment often  frequency>=2;
    segment row    streak>=3;
    segment german locale=de;
    segment linked providers=google providers!=line;
}');

sub view { return $redis->hash($_[0]->key('view')) }

sub segments {
    my ($session, $at) = @_;
    my $echo = ($at || $shop)->nginx->get('/', Cookie => $session->cookie)
                                    ->json;

    return (ShopTest::Backend::values_of($echo, 'X-Loyalty-Segments'))[0]
           || '';
}

# a visit began so many days before now; the frequency is as of then

sub visited {
    my ($session, $days, $streak, $frequency, %more) = @_;
    my $at = time - $days * $day;

    $redis->command('HSET', $session->key('activity'), 'first_seen', 5,
                    'last_seen', $at, 'visits', 9, 'last_visit', $at,
                    'streak', $streak, 'frequency', $frequency, %more);

    return $at;
}


# --- visits

{
    my $session = session(view => { created => 5 });

    told($session);
    flushed();

    my $is = activity($session);

    is(view($session)->{visits}, "$is->{last_visit} 0 1000 1",
       'a first visit is in the view');
    is($is->{earlier_visit}, undef, '... there was no earlier one');
    is(segments($session), '', '... who was never here has not come back');

    my $before = view($session);

    settled();
    wait_for { told($session) =~ / cached$/ } 'a copy';

    $session->noted(400);
    $redis->command('HSET', $session->key('activity'), 'last_seen',
                    time - 400);
    told($session, my $other = instance());
    flushed($other);

    cmp_ok(activity($session)->{last_seen}, '>', time - 300,
           'later it is noted again');
    is_deeply(view($session), $before, '... by which the view is the same');
    like(told($session), qr/ cached$/, '... and no copy is dropped');
}

{
    # days before, streak, frequency; then segments, and what may be noted

    my @cases = (
        [ 'four days ago', 4, 2, 1000, 'back' ],
        [ 'yesterday', 1, 2, 1500, 'often,row' ],
        [ 'a half-life ago', 30, 9, 3000, 'back,often' ],
        [ 'more than that', 31, 9, 2000, 'back' ],
    );

    my @sessions = map { session(view => { created => 5 }) } @cases;
    my @last = map { visited($sessions[$_], @{ $cases[$_] }[1 .. 3]) }
               0 .. $#cases;

    told($_) for @sessions;
    flushed();
    wait_for { !grep { !view($_)->{visits} } @sessions } 'their visits', 60;

    for my $i (0 .. $#cases) {
        my ($name, $days, $streak, $frequency, $segments) = @{ $cases[$i] };
        my ($last, $earlier, $often, $row)
            = split / /, view($sessions[$i])->{visits};
        my $ought = $frequency * 2 ** (($last[$i] - $last) / (30 * $day))
                    + 1000;

        is($earlier, $last[$i], "$name: the earlier visit");
        cmp_ok(abs($often - $ought), '<=', 1, '... how often');

        # midnight may be between the two

        $days = int($last / $day) - int($earlier / $day);
        is($row, $days == 1 ? $streak + 1 : 1, '... how many in a row');

        next if $row != ($cases[$i][1] == 1 ? $streak + 1 : 1);

        wait_for { segments($sessions[$i]) eq $segments } $segments, 30;
        pass("... so it is $segments");
    }
}

{
    my $session = session(view => { created => 5 });
    my $at = visited($session, 0.05, 3, 1000, earlier_visit => 77);

    told($session);
    flushed();
    wait_for { view($session)->{visits} } 'the visit', 60;

    my ($last, $earlier) = split / /, view($session)->{visits};

    is($earlier, int($last / $day) == int($at / $day) ? 77 : $at,
       'another visit of the same day leaves the earlier one as it was');
}


# --- the profile

{
    my $session = session(view => { created => 5, providers => 'line' });
    my $customer = $session->key('customer');

    $redis->command('HSET', $customer, 'locale', 'de_AT', 'id:google:1', 5,
                    'id:google:2', 5, 'id:work:a%3Ab', '5 a@example.com');
    told($session);
    flushed();

    is(view($session)->{providers}, 'google,work', 'what is linked, once');
    is(view($session)->{locale}, 'de_AT', 'the locale');
    wait_for { segments($session) eq 'german,linked' } 'its segments', 30;
    pass('... of which segments are made');

    $redis->command('HDEL', $customer, 'locale', 'id:google:1',
                    'id:google:2', 'id:work:a%3Ab');
    $redis->command('HSET', $session->key('activity'), 'last_seen',
                    time - 400);
    wait_for { told($session) =~ / cached$/ } 'a copy';
    $session->noted(400);
    told($session, instance());
    wait_for { !view($session)->{providers} } 'the next note', 60;

    is(view($session)->{locale}, undef, 'what is gone is gone');
    wait_for { segments($session) eq '' } 'no segment', 30;
    pass('... of segments, too');
}

{
    my $hostile = session(view => { created => 5 });

    $redis->command('HSET', $hostile->key('customer'),
                    'locale', "de\r\nX-Customer-Id: a",
                    (map { ("id:p$_:1" => 5) } 1 .. 200),
                    'id:a,b:1', 5, 'id:', 5, "id:x\n:1", 5);
    told($hostile);
    flushed();

    is(view($hostile)->{locale}, undef, 'a locale that is none');

    my @names = split /,/, view($hostile)->{providers};

    is(scalar(grep { /^p\d+$/ } @names), 64,
       'no more names than there is room for');
    is(scalar(@names), 64, '... of what may be one');
}

# of a login

{
    $shop->provider->set({ user => { sub => 'anna', locale => 'de-DE' } });

    my $browser = $shop->signs_in('anna');
    my $id = $shop->me($browser)->{customer};
    my ($key) = $redis->keys("shop:view:*:$id");

    wait_for { $redis->hash($key)->{locale} } 'the note', 60;

    is($redis->hash($key)->{providers}, 'work', 'a login: its provider');
    is($redis->hash($key)->{locale}, 'de-DE', '... its locale');
    wait_for { join(',', @{ $shop->me($browser)->{segments} }) eq 'german' }
        'the segment', 30;
    pass('... and me tells of it');
}


# --- what nobody asks for

{
    my $other = instance(program => 'loyalty_program {
        segment few orders<3;
    }');
    my $session = session(view => { created => 5 });

    $redis->command('HSET', $session->key('customer'), 'locale', 'de',
                    'id:google:1', 5);
    told($session, $other);
    flushed($other);

    is_deeply(view($session), { created => 5 },
              'what the program does not ask for is not copied');
    is(activity($session)->{frequency}, 1000, '... and noted all the same');
}

done_testing();
