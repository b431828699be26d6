# Logins, logouts, writes and reads in any order, through two nginx with two
# workers each: nobody is ever told another's id or points, and nobody is
# anybody once a sign-out has been answered.  It is the same with one server
# and in a cluster.  TEST_SEED repeats a run.

use lib 't/lib';
use ShopTest;
use ShopTest::Cluster;
use ShopTest::HTTP;
use ShopTest::Session;

my $seed = $ENV{TEST_SEED} || int rand 1e9;

srand $seed;
note("TEST_SEED=$seed");

my ($redis, @at);

sub is_told {
    my ($response) = @_;
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return ($is{'x-customer-id'}, $is{'x-loyalty-points'});
}

# what each of them may be told of points: what is written from when it was
# sent, and what was before for a moment, in seconds

my $SOON = 0.25;

my (@people, %wrong, %done);

sub person {
    my $base = 1000 * (1 + @people);
    my $s = ShopTest::Session->new(redis => $redis,
                                   customer => 'p' . @people,
                                   view => { points => $base });
    push @people, $s;
    $s->{base} = $base;
    $s->{points} = $base;
    $s->{since} = ShopTest::now();
}

sub check {
    my ($s, $response, $sent) = @_;
    my ($id, $points) = is_told($response);

    if ($s->{out}) {
        $wrong{'somebody after a sign-out'}++
            if defined $id && $s->{at} == $response->{at};
        $wrong{'somebody long after a sign-out'}++
            if defined $id && $sent - $s->{out} > $SOON;
        return;
    }

    if (!defined $id) {
        $wrong{'nobody'}++;
        return;
    }

    $wrong{'another'}++ if $id ne $s->customer;
    $wrong{'points of another'}++
        if int($points / 1000) * 1000 != $s->{base};
    $wrong{'old points'}++
        if $points != $s->{points} && $sent - $s->{since} > $SOON;
}

sub run {
    my ($name, $turns) = @_;

    my %o = (redis => $redis,
             nginx_options => { workers => 2, level => 'info' },
             location => 'add_header X-Session $shop_session;');

    my $shop = shop(%o);
    my $other = shop(%o, provider => $shop->provider,
                     backend => $shop->backend);

    @at = ($shop->nginx, $other->nginx);
    @people = ();
    %wrong = ();
    %done = ();

    person() for 1 .. 10;

    # until both are told of changes, whichever server they are on

    for my $at (@at) {
        for my $s (@people) {
            wait_for { $s->told($at) =~ /cached/ } 'the cache';
        }
    }

    turn() for 1 .. $turns;

    is_deeply(\%wrong, {}, "$name: nobody is told what is not theirs");
    note(join ', ', map { "$done{$_} $_" } sort keys %done);
}

sub turn {
    my @c;

    # up to eight at once, half of them in one write

    for (1 .. 1 + int rand 8) {
        my $s = $people[rand @people];
        my $i = int rand 2;
        my $what = rand;
        my $now = ShopTest::now();

        if ($what < 0.70) {
            my $c = $at[$i]->connect;

            $c->send('GET', '/', headers => [ Cookie => $s->cookie ]);
            push @c, [ $s, $c, $now, $i, $s->{out} ];
            $done{read}++;

        } elsif ($what < 0.85) {
            $s->{since} = $now;
            $s->{points} = $s->{base} + int rand 1000;
            $s->view(points => $s->{points});
            $done{write}++;

        } elsif ($what < 0.95 && !$s->{out}) {
            my $response = ShopTest::HTTP::request(
                $at[$i]->port, 'POST', '/_shop/logout',
                headers => [ Cookie => $s->cookie,
                             'Sec-Fetch-Site' => 'same-origin' ]);

            $wrong{'a sign-out that failed'}++ if $response->status != 204;
            $s->{out} = ShopTest::now();
            $s->{at} = $i;
            $done{logout}++;

        } elsif (@people < 200) {
            person();
            $done{login}++;
        }
    }

    # what was sent before a sign-out may be answered either way

    for (@c) {
        my ($s, $c, $sent, $i, $was_out) = @$_;
        my $response = $c->response;

        next if $s->{out} && !$was_out;

        $response->{at} = $i;
        check($s, $response, $sent);
    }
}

$redis = redis();
run('one server', 300);

$redis = ShopTest::Cluster->new(primaries => 3);
run('a cluster', 100);

done_testing();
