# With sentinels and in a cluster Redis tells of no changes: each request
# asks, at each nginx, and the cache is for when there is nobody to ask.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::HTTP;
use ShopTest::Sentinel;
use ShopTest::Session;

{
    package Servers;

    # what a shop and a session want to know of their Redis

    sub url { return $_[0]{url} }

    sub command {
        my ($self, $command, $key, @more) = @_;

        return $self->{find}->($key)->command($command, $key, @more);
    }
}

my %seen;

# "ID POINTS SOURCE" as one of the shops told it

sub told {
    my ($session, $at) = @_;

    my $response = $at->nginx->get('/', Cookie => $session->cookie);
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    $seen{$response->header('X-Session')}++;

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}

sub check {
    my ($name, $redis, @servers) = @_;

    my %o = (redis => $redis, http => 'shop_session idle=1000s;',
             vars => { redis => $redis->url
                                . ' timeout=500ms connect_timeout=500ms' },
             location => 'add_header X-Session $shop_session;');

    my $here = shop(%o);
    my $there = shop(%o, provider => $here->provider,
                     backend => $here->backend);

    %seen = ();

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

    # every change is seen by the very next request

    my $s = $session->();
    my @wrong;

    for my $n (1 .. 20) {
        $s->view(points => $n);

        for my $at ($here, $there) {
            my $is = told($s, $at);
            push @wrong, $is if $is ne "$s->{customer} $n fresh";
        }
    }

    is_deeply(\@wrong, [], "$name: who changed is told at once, by both");

    @wrong = ();

    for (1 .. 20) {
        my $leaves = $session->();

        told($leaves, $_) for $here, $there;

        push @wrong, 'status' if $sign_out->($leaves, $here) != 204;

        for my $at ($there, $here) {
            my $is = told($leaves, $at);
            push @wrong, $is if $is ne '- - none';
        }
    }

    is_deeply(\@wrong, [], "$name: who signed out here is out there at once");

    # there may be a session again, where there was none

    my $late = $session->(store => 0);

    is(told($late, $there), '- - none', "$name: no session yet");
    $late->store;
    like(told($late, $there), qr/^$late->{customer} .*fresh$/,
         "$name: ... and then there is one");

    # what is written by requests is about keys of one slot

    my $aged = $session->(idle => 500);

    told($aged, $here);
    wait_for { $redis->command('PTTL', $aged->key) > 900_000 }
        "$name: the idle end to be put off";
    pass("$name: a session that is used goes on");

    my $browser = $here->signs_in($name);

    is($here->me($browser)->{points}, 105, "$name: a login shows its points");

    # nobody listens to one of the servers

    is(join(' ', map { $_->command('PUBSUB', 'NUMSUB',
                                   '__redis__:invalidate')->[1] } @servers),
       join(' ', map { 0 } @servers), "$name: there is no channel of changes");

    ok(!$seen{cached}, "$name: nobody was taken from the cache");

    # nobody to ask

    my ($known, $out) = ($session->(), $session->());

    told($known, $there);
    told($out, $there);
    $sign_out->($out, $here);
    told($out, $there);

    $_->freeze for @servers;

    wait_for { told($known, $there) =~ /stale/ } "$name: an outage";

    is(told($known, $there), "$known->{customer} 0 stale",
       "$name: the last known is told while Redis cannot be asked");
    is(told($out, $there), '- - none', "$name: ... not of who signed out");
    is($there->nginx->get('/account/', Cookie => $known->cookie)->status, 503,
       "$name: ... nor where a session is required");

    $_->thaw for @servers;

    wait_for { told($known, $there) =~ /fresh/ } "$name: its end", 30;
    pass("$name: then all are asked for again");

    ok(!$seen{cached}, "$name: nobody ever was taken from the cache");
}

{
    my $cluster = ShopTest::Cluster->new(primaries => 3);

    check('cluster', bless({
        url  => join(' ', $cluster->urls) . ' cluster',
        find => sub { $cluster->owner($_[0]) },
    }, 'Servers'), $cluster->nodes);
}

{
    my $set = ShopTest::Sentinel->new(servers => 1, sentinels => 3);

    check('sentinel', bless({
        url  => join(' ', $set->urls) . ' sentinel=main',
        find => sub { $set->{servers}[0] },
    }, 'Servers'), $set->servers);
}


# a channel that was there before a reload is not believed after it

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

    %seen = ();
    told($s, $shop) for 1 .. 20;

    is_deeply(\%seen, { fresh => 20 }, '... asks each time as a cluster');
}

done_testing();
