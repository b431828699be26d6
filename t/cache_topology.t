# With sentinels and in a cluster two nginx keep in memory what they read, and
# each change, whoever makes it, is seen by both, long before "ttl".

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::HTTP;
use ShopTest::Sentinel;
use ShopTest::Session;

sub told { return $_[0]->told($_[1]->nginx) }

sub check {
    my ($name, $redis, @servers) = @_;

    my %o = (redis => $redis, http => 'shop_session idle=1000s;',
             zone => 'shop:8m ttl=1s',
             vars => { redis => $redis->url
                                . ' timeout=500ms connect_timeout=500ms' },
             location => 'add_header X-Session $shop_session;');

    my $here = shop(%o);
    my $there = shop(%o, provider => $here->provider,
                     backend => $here->backend);

    my $session = sub {
        return ShopTest::Session->new(redis => $redis, idle => 1000,
                                      view => { points => 0 }, @_);
    };

    my $sign_out = sub {
        my ($s, $at) = @_;

        return ShopTest::HTTP::request(
            $at->nginx->port, 'POST', '/_shop/logout',
            headers => [ Cookie => $s->cookie,
                         'Sec-Fetch-Site' => 'same-origin' ])->status;
    };

    # the first of all may find Redis out of reach

    my $first = $session->();

    wait_for { told($first, $_) =~ /fresh/ } "$name: Redis"
        for $here, $there;

    # what is written is seen by both

    my $s = $session->();
    my $n = 0;

    for my $at ($here, $there) {
        wait_for {
            $s->view(points => ++$n);
            told($s, $at) =~ / $n / && told($s, $at) =~ /cached/;
        } "$name: the channel";
    }

    my @wrong;

    for (1 .. 20) {
        $s->view(points => ++$n);

        for my $at ($here, $there) {
            eval { wait_for { told($s, $at) =~ / $n / } 'a change', 0.25; 1 }
                or push @wrong, told($s, $at);
        }
    }

    is_deeply(\@wrong, [], "$name: what is written is told by both");

    @wrong = ();

    for (1 .. 20) {
        my $leaves = $session->();

        told($leaves, $_) for $here, $there;

        push @wrong, 'status' if $sign_out->($leaves, $here) != 204;
        push @wrong, told($leaves, $here)
            if told($leaves, $here) ne '- - none';

        eval { wait_for { told($leaves, $there) eq '- - none' } 'there', 0.25 }
            or push @wrong, told($leaves, $there);
    }

    is_deeply(\@wrong, [],
              "$name: who signed out here is out at once, there soon");

    # there may be a session again, where there was none

    my $late = $session->(store => 0);

    is(told($late, $there), '- - none', "$name: no session yet");
    $late->store;
    wait_for { told($late, $there) =~ /^$late->{customer} / } 'the session', 1;
    pass("$name: ... and then there is one");

    # what is written by requests is about keys of one slot

    my $aged = $session->(idle => 500);

    $aged->noted(400);
    told($aged, $here);
    wait_for { $redis->command('PTTL', $aged->key) > 900_000 }
        "$name: the idle end to be put off";
    pass("$name: a session that is used goes on");

    my $browser = $here->signs_in($name);

    is($here->me($browser)->{points}, 105, "$name: a login shows its points");

    # one worker of each nginx listens to each server

    is(join(' ', map { $_->command('PUBSUB', 'NUMSUB',
                                   '__redis__:invalidate')->[1] } @servers),
       join(' ', map { 2 } @servers), "$name: there is a channel for each");

    # nobody to ask

    my ($known, $out) = ($session->(), $session->());

    told($known, $there);
    told($out, $there);
    $sign_out->($out, $here);
    wait_for { told($out, $there) eq '- - none' } "$name: a sign-out";

    $_->freeze for @servers;

    wait_for { told($known, $there) =~ /stale/ } "$name: an outage";

    is(told($known, $there), "$known->{customer} 0 stale",
       "$name: the last known is told while Redis cannot be asked");
    is(told($out, $there), '- - none', "$name: ... not of who signed out");
    is($there->nginx->get('/account/', Cookie => $known->cookie)->status, 503,
       "$name: ... nor where a session is required");

    $_->thaw for @servers;

    wait_for { told($known, $there) =~ /fresh/ } "$name: its end", 30;
    wait_for { told($known, $there) =~ /cached/ } "$name: the cache", 30;
    pass("$name: then all are asked for again");
}

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);

    check('cluster', $cluster, $cluster->nodes);
}

{
    my $set = ShopTest::Sentinel->new(servers => 1, sentinels => 3);

    check('sentinel', $set, $set->servers);
}


# what one server told of is not believed of a cluster, after a reload

{
    my ($node) = ShopTest::Cluster->new(primaries => 1)->nodes;

    my $shop = shop(redis => $node,
                    location => 'add_header X-Session $shop_session;');

    my $s = ShopTest::Session->new(redis => $node, view => { points => 0 });

    wait_for { told($s, $shop) =~ /cached/ } 'the cache';
    pass('a node of a cluster, as one server');

    my $http = $shop->nginx->{http};

    $http =~ s{shop_redis\s+%%redis%%}{shop_redis %%redis%% cluster}
        or die "no shop_redis\n";

    $shop->nginx->reload(http => $http);

    wait_for { told($s, $shop) =~ /fresh/ } 'the new workers';

    my $n = 0;

    wait_for {
        $s->view(points => ++$n);
        told($s, $shop) =~ / $n / && told($s, $shop) =~ /cached/;
    } 'the channel';

    pass('... has a cache of its own as a cluster');
}

done_testing();
