package ShopTest::Faults;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Faults - what a shop promises while Redis fails, for any fault

=head1 SYNOPSIS

    my $table = ShopTest::Faults->new(
        redis   => $redis,              # has command(), the key second
        through => $proxy->url,         # where nginx finds it, if not there
        timeout => 450,                 # of shop_redis, milliseconds
        cached  => 1,                   # Redis tells of changes here
    );

    $table->row('frozen',
        begin  => sub { $redis->freeze },
        end    => sub { $redis->thaw },
        change => 'after',
        says   => qr/redis timed out/);

=head1 DESCRIPTION

One row is one fault, on a shop which is the same for all rows of a table: a
row that leaves it broken breaks the next.  What is checked of each:

    the shop stays up, and nobody is taken for another
    cached and anonymous requests keep the p99 they had just before
    others wait for one timeout at most, then do what shop_on_failure says,
    and nobody waits who comes after them
    who signed out meanwhile, and was told so, is out
    all works again afterwards, without a restart of anything
    what somebody else changed meanwhile is seen then
    there are few words of it in the log

A p99 is compared with the one before, generously: a machine may be busy, but
who waited for Redis would have waited for a timeout.  The time of a request
that asks is nginx's own, so that a busy client is not blamed on it.

    reads  => 1         questions are answered in spite of the fault
    some   => 1         some of them may be
    where  => sub {}    of customers with which hash tag
    change => 'after'   somebody else can change something only when the
                        fault is just over; else it is while it lasts
    loses  => 1         what Redis has acknowledged meanwhile may be lost
    writer => $redis    by whom, if not by the server of the table
    during => sub {}    more that is to be checked, of the shop
    says   => qr/.../   what the log says, once
    lines  => 12        errors that are logged, at most
    back   => 20        seconds until all works again, at most

=cut

use strict;
use warnings;

use Test::More ();

use ShopTest ();
use ShopTest::HTTP ();
use ShopTest::Session ();

my $TOGETHER = 8;           # unseen customers who come at once
my $SAMPLES = 60;


sub new {
    my ($class, %o) = @_;
    my $self = bless { timeout => 450, workers => 1, %o }, $class;
    my $times = "timeout=$self->{timeout}ms"
                . " connect_timeout=$self->{timeout}ms";

    my $location = <<'END';
            alias       %%dir%%/html/;
            loyalty     on;
            add_header  X-Who "$shop_customer $loyalty_points" always;
            add_header  X-How $shop_session always;
            add_header  X-Took $request_time always;
END

    $self->{shop} = ShopTest::shop(
        redis  => $self->{redis},
        vars   => { redis => ($self->{through} || $self->{redis}->url)
                             . " $times" },
        nginx_options => { level => 'info', workers => $self->{workers},
                           %{ $self->{nginx_options} || {} } },
        http   => 'keepalive_requests 1000000;',
        server => join '', map { <<"END" } qw(stale anonymous error));
        location /$_/ {
            shop_on_failure $_;
$location
        }
END

    $self->{nginx} = $self->{shop}->nginx;
    ShopTest::write_file($self->{nginx}->dir . '/html/index.html', "shop\n");

    my $first = $self->session;

    ShopTest::wait_for { $self->ask($first)->{how} =~ /fresh|cached/ }
                       'Redis';

    return $self;
}


sub nginx { return $_[0]->{nginx} }


sub session {
    my ($self, $where) = @_;
    my $id;

    do {
        $id = 'f' . ++$self->{customers};
    } while ($where && !$where->('{' . ShopTest::Session::crc16($id) % 64
                                 . '}'));

    return ShopTest::Session->new(redis => $self->{redis}, customer => $id,
                                  view => { points => 1 });
}


# a question of a customer, or of nobody; what was said, and how long it took

sub ask {
    my ($self, $session, $mode, $c) = @_;
    my $begin = ShopTest::now();

    $c = $self->send($session, $mode, $c);

    my $answer = heard($c->response);

    $answer->{seen} = 1000 * (ShopTest::now() - $begin);

    return $answer;
}


sub send {
    my ($self, $session, $mode, $c) = @_;

    $c ||= $self->{nginx}->connect;
    $c->send('GET', '/' . ($mode || 'stale') . '/index.html',
             headers => $session ? [ Cookie => $session->cookie ] : []);

    return $c;
}


sub heard {
    my ($response) = @_;
    my $who = $response->header('X-Who');

    return { status => $response->status,
             who    => defined $who && $who =~ /\S/ ? $who : '-',
             how    => $response->header('X-How') || '-',
             took   => 1000 * ($response->header('X-Took') || 0) };
}


# of requests one after the other, on one connection: the p99, who was taken
# for another, and all answers; it goes on for as long as "more" says so

sub load {
    my ($self, $session, $more) = @_;
    my $c = $self->{nginx}->connect;
    my (@times, @wrong, @answers);

    while (@times < $SAMPLES || ($more && $more->())) {
        my $answer = $self->ask($session, 'stale', $c);
        my $is = "$answer->{status} $answer->{who}";

        push @times, $answer->{seen};
        push @answers, $answer;
        push @wrong, $is if $is ne '200 '
            . ($session ? $session->customer . ' 1' : '-');
    }

    $c->close;
    @times = sort { $a <=> $b } @times;

    return ($times[$#times * 0.99], \@wrong, \@answers);
}


sub row {
    my ($self, $name, %o) = @_;
    my $nginx = $self->{nginx};
    my $redis = $self->{redis};
    my $timeout = $self->{timeout};

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $start = ShopTest::now();
    my @workers = sort $nginx->workers;
    my $log = length $nginx->log;

    my @unseen = map { $self->session($o{where}) } 1 .. $TOGETHER;
    my %unseen = map { $_ => $self->session($o{where}) }
                 qw(stale anonymous error);
    my ($known, $changed, $ended, $leaves)
        = map { $self->session($o{where}) } 1 .. 4;

    # In the cache, which a write just now keeps it out of for a moment.  What
    # is told of such a write comes before what is told of a later one.

    my @seen = ($known, $changed, $ended, $leaves);
    my $cached = sub {
        for my $session (@_) {
            ShopTest::wait_for {
                $self->ask($session)->{how} =~ ($self->{cached} ? qr/cached/
                                                                : qr/\w/)
            } 'a customer who was seen';
        }
    };

    if ($self->{cached}) {
        my $witness = $self->session($o{where});

        $cached->($witness);
        $redis->command('HSET', $witness->key('view'), points => 2);

        ShopTest::wait_for { $self->ask($witness)->{who} =~ / 2$/ }
                           'a change to be told';
    }

    $cached->(@seen);

    my %before = (known => ($self->load($known))[0],
                  anonymous => ($self->load)[0]);

    # --- while it lasts

    $o{begin}->();

    my $change = sub {
        my $writer = $o{writer} || $redis;

        $writer->command('HSET', $changed->key('view'), points => 2);
        $writer->command('DEL', $ended->key);
    };

    $change->() if ($o{change} || '') ne 'after';

    my $begin = ShopTest::now();
    my @waiting = map { $self->send($_) } @unseen;
    my $more = sub { ShopTest::now() - $begin < 1.2 * $timeout / 1000 };

    my (%during, %wrong, $asking);

    ($during{known}, $wrong{known}, $asking)
        = $self->load($known, $o{reads} ? undef : $more);
    ($during{anonymous}, $wrong{anonymous}) = $self->load;

    my @asked = map { heard($_->response) } @waiting;

    my %told = map { $_ => $self->ask($unseen{$_}, $_) } sort keys %unseen;

    # some may be told the truth

    my @told = ((map { [ $asked[$_], $unseen[$_] ] } 0 .. $#asked),
                (map { [ $told{$_}, $unseen{$_} ] } keys %told));

    for ($o{some} && !$o{reads} ? @told : ()) {
        my ($answer, $session) = @$_;

        next if $answer->{who} ne $session->customer . ' 1';

        $answer->{who} = '-';
        $answer->{status} = 503 if $answer == $told{error};
    }

    $o{during}->($self->{shop}) if $o{during};

    # of a customer who was seen there may be news by now, or not

    my $stale = $self->ask($changed);
    my $left = ShopTest::HTTP::request(
        $nginx->port, 'POST', '/_shop/logout',
        headers => [ Cookie => $leaves->cookie,
                     'Sec-Fetch-Site' => 'same-origin' ])->status;

    for my $who ('known', 'anonymous') {
        my $limit = $before{$who} + $timeout / 3;

        $limit = 5 * $before{$who} if $limit < 5 * $before{$who};
        $limit = $timeout * 0.8 if $limit > $timeout * 0.8;

        Test::More::is_deeply([ each_once(@{ $wrong{$who} }) ], [],
            "$name: the shop stays up, and who is $who stays so");
        Test::More::cmp_ok($during{$who}, '<=', $limit,
            "$name: ... with the p99 of $who")
            if $who eq 'anonymous' || $self->{cached};
    }

    # of those who came one after the other only the first may have waited

    my ($first, @late) = sort { $b->{took} <=> $a->{took} } @$asking;
    my $late = longest(@late, values %told, $stale);
    my $longest = longest($first, { took => $late }, @asked);

    Test::More::cmp_ok($longest, '<', 1.9 * $timeout,
        "$name: nobody who asks waits longer than a timeout");

    if ($o{reads}) {
        Test::More::is_deeply(
            [ each_once(map { "$_->{status} $_->{how}" }
                            @asked, values %told) ], ['200 fresh'],
            "$name: who asks is told");

    } else {
        Test::More::is_deeply(
            [ each_once(map { "$_->{status} $_->{who}" } @asked,
                            $told{stale}, $told{anonymous}) ], ['200 -'],
            "$name: who could not be asked for is nobody");
        Test::More::is($told{error}{status}, 503,
            "$name: ... with \"error\" 503");
        Test::More::cmp_ok($late, '<', $timeout / 2,
            "$name: ... and who comes later is told at once");
    }

    my $id = $changed->customer;

    Test::More::like("$stale->{status} $stale->{who}",
        $o{reads} || $o{some} ? qr/^200 $id [12]$/ : qr/^200 $id 1$/,
        "$name: of who was seen the last known is told");
    Test::More::ok($left == 204 || $left == 503,
        "$name: a sign-out is done, or answered 503");

    # --- afterwards

    $o{end}->();
    $change->() if ($o{change} || '') eq 'after';

    my $back = eval {
        ShopTest::wait_for {
            $self->ask($changed)->{who} eq "$id 2"
            && $self->ask($self->session($o{where}))->{how} eq 'fresh'
        } 'the change', $o{back} || 20;
    };

    Test::More::ok($back, "$name: then a change is seen that somebody made")
        or Test::More::diag($@);
    Test::More::is($self->ask($ended)->{who}, '-',
        "$name: ... who was signed out elsewhere is out");
    Test::More::is($self->ask($leaves)->{who}, '-',
        "$name: ... and who signed out here, too")
        if $left == 204 && !$o{loses};
    Test::More::is("@{[ sort $nginx->workers ]}", "@workers",
        "$name: nothing was restarted");

    my @lines = grep { /\[(?:warn|error|crit|alert|emerg)\]/ }
                split /^/, substr $nginx->log, $log;
    my @said = $o{says} ? grep { /$o{says}/ } @lines : ();

    Test::More::is(scalar @said, $self->{workers}, "$name: the log says so")
        or Test::More::diag(@lines) if $o{says};
    Test::More::cmp_ok(scalar @lines, '<=', $o{lines} || 12,
        "$name: ... in few words") or Test::More::diag(@lines);

    if ($ENV{TEST_FAULTS}) {
        Test::More::diag(sprintf
            '%-28s %4.1f s, %2d lines, waited %d ms, p99 %.1f/%.1f, %.1f/%.1f',
            $name, ShopTest::now() - $start, scalar @lines, $longest,
            $during{known}, $before{known}, $during{anonymous},
            $before{anonymous});
    }

    return;
}


sub each_once {
    my %once = map { $_ => 1 } @_;

    return sort keys %once;
}


sub longest {
    my ($longest) = sort { $b <=> $a } map { $_->{took} } @_;

    return $longest;
}


1;
