# A login and a notice at once: whatever comes between the steps of the one
# and of the other, behind both of them there is no session of a person who
# has left, nor is anything known of them, and nothing leads to a customer who
# is not there.

use lib 't/lib';
use ShopTest;

use ShopTest::Events;
use ShopTest::Proxy;
use ShopTest::Session;

my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $provider = provider(client_id => 'shop');
my $events = ShopTest::Events->new;

my %common = (redis => $redis, provider => $provider, http => $events->conf,
              provider_conf => 'notify secevent;',
              nginx_options => { level => 'info' },
              server => 'keepalive_timeout 0;');

# what comes by the first can be held back, what comes by the other is not

my $held = shop(%common, vars => { redis => $proxy->url . ' timeout=5s' });
my $shop = shop(%common);

my $serial = 0;

my %uri = (
    erase  => 'https://schemas.openid.net/secevent/risc/event-type/'
              . 'account-purged',
    unlink => 'https://schemas.openid.net/secevent/risc/event-type/'
              . 'user-unlinked',
    end    => 'https://schemas.openid.net/secevent/risc/event-type/'
              . 'sessions-revoked',
);

$_->signs_in('before') for $held, $shop;
$held->is_idle('before', $proxy->port);


# --- who, and what is said of them


# the next person who signs in

sub person {
    my $sub = 'sub-' . ++$serial;

    $provider->set({ user => {
        sub => $sub, email => "$sub\@example.com",
        email_verified => \1, name => 'Ann', picture => 'https://p' } });

    return $sub;
}

# a customer, who has another identity besides with "unlink", which the only
# one is not, and of whom that has told something

sub customer {
    my ($what) = @_;
    my $sub = person();
    my $browser = $shop->signs_in("$sub is a customer");
    my $id = $shop->me($browser)->{customer};

    if ($what eq 'unlink') {
        $redis->command('SET', "shop:identity:other:$sub", $id);
        $redis->command('HSET', key($id), "id:other:$sub", time,
                        phone => '+15550100');
    }

    return ($sub, $id);
}

sub key { return ShopTest::Session->new(redis => $redis, store => 0,
                                        customer => $_[0])
                                  ->key($_[1] || 'customer') }

sub notice {
    my ($what, $sub) = @_;

    return $provider->sign({ claims => {
        iss => $provider->issuer, aud => 'shop', iat => time,
        jti => 'jti-' . ++$serial, sub => $sub,
        events => { $uri{$what} => {} } } });
}

sub told {
    my ($what, $sub, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($shop->nginx->post('/_shop/notify/work', notice($what, $sub))->status,
       202, "$name: the notice is carried out");
}

sub owner { return $redis->command('GET', "shop:identity:work:$_[0]") }

# a login by the one that can be held; not waited for

sub login {
    my $browser = $held->browser;
    my $url = $held->attempt($browser);

    $browser->leave($provider->issuer . '/authorize');

    return $browser->start($url, accept => 'application/json');
}

sub is_held {
    my ($n, $what) = @_;

    wait_for { $proxy->spoiled >= $n } $what, 20;
}

sub sessions {
    my ($id) = @_;

    return scalar grep { /^shop:session:\{\d+\}:\Q$id\E:/ }
                  $redis->keys('shop:session:*');
}

# who is known by something that leads to them

sub leads_to {
    my ($id) = @_;

    return grep { $redis->command('GET', $_) eq $id }
           $redis->keys('shop:identity:work:*'),
           $redis->keys('shop:email:*');
}

sub is_gone {
    my ($what, $id, $sub, $name) = @_;
    my $record = $redis->hash(key($id));

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is(sessions($id), 0, "$name: no session is left");
    is($redis->command('ZCARD', key($id, 'sessions')), 0, '... nor listed');
    is_deeply([ leads_to($id) ], [], '... nothing leads to the customer');
    is($record->{"id:work:$sub"}, undef, '... who has the identity no more');

    is_deeply([ grep { exists $record->{$_} }
                qw(name email email_state picture) ], [],
              '... and nothing is known of the person')
        if $what eq 'erase';

    return if $what ne 'unlink';

    ok($record->{"id:other:$sub"}, '... but the other identity');
    is($record->{phone}, '+15550100', '... and what that has told');
}

# the login was answered, and whom it has made is another customer

sub is_another {
    my ($response, $id, $sub, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response->status, 303, "$name: the login goes on");

    my ($cookie) = map { /^(shop=[^;]+)/ ? $1 : () }
                   $response->headers('Set-Cookie');
    my $me = $shop->nginx->get('/_shop/me', Cookie => $cookie || '');

    is($me->status, 200, '... and is one');

    my $other = ($me->status == 200 ? $me->json : {})->{customer} || '';

    isnt($other, $id, '... of another customer');
    is(owner($sub), $other, '... to whom the identity leads');
    is(sessions($other), 1, '... with one session');
    is($redis->hash(key($other))->{name}, 'Ann', '... and what is known');
}


# --- the notice comes between two steps of a login

# behind these commands: the claim is done, and so is that of the address, and
# customer and session, of whom the login is not told yet

my @steps = ([ 'claim', 'LRANGE', 0 ], [ 'address', 'LRANGE', 1 ]);

for my $what (qw(erase unlink)) {
    for (@steps) {
        my ($step, $word, $after) = @$_;
        my $name = "$what behind the $step";
        my ($sub, $id) = customer($what);

        $proxy->spoil('hold', $after, only => $word);

        my $login = login();

        is_held(1, $step);
        told($what, $sub, $name);
        is(owner($sub), undef, '... the identity is nobody\'s');
        $proxy->heal;

        is_another($login->response, $id, $sub, $name);
        is_gone($what, $id, $sub, $name);
    }
}

# with an account besides, of which more is known

{
    my ($step, $word, $after) = @{ $steps[1] };
    my $name = "erase of one of two behind the $step";
    my ($sub, $id) = customer('unlink');

    $proxy->spoil('hold', $after, only => $word);

    my $login = login();

    is_held(1, $step);
    told('erase', $sub, $name);
    $proxy->heal;

    is_another($login->response, $id, $sub, $name);
    is_gone('erase', $id, $sub, $name);
    ok($redis->hash(key($id))->{"id:other:$sub"},
       '... but the other identity');
}

# of somebody who was nobody yet

for (@steps) {
    my ($step, $word, $after) = @$_;
    my $name = "erase behind the first $step";
    my $sub = person();

    $proxy->spoil('hold', $after, only => $word);

    my $login = login();

    is_held(1, $step);

    my $id = owner($sub);

    told('erase', $sub, $name);
    $proxy->heal;

    is_another($login->response, $id, $sub, $name);
    is_gone('erase', $id, $sub, $name);
}

# what was written is found, and the login sees that it has gone

for my $what (qw(erase unlink)) {
    my $name = "$what behind all that is written";
    my ($sub, $id) = customer($what);

    $proxy->spoil('hold', 2, only => 'EVALSHA');

    my $login = login();

    is_held(1, 'customer and session');
    told($what, $sub, $name);
    is_gone($what, $id, $sub, $name);
    $proxy->heal;

    is_another($login->response, $id, $sub, $name);
    is_gone($what, $id, $sub, "$name, after the login");
}

# or does not: it was there before

for my $what (qw(erase unlink)) {
    my $name = "$what behind the look";
    my ($sub, $id) = customer($what);

    $proxy->spoil('hold', 2, only => 'GET');

    my $login = login();

    is_held(1, 'the look at the identity');
    told($what, $sub, $name);
    $proxy->heal;

    is($login->response->status, 303, "$name: the login was earlier");
    is_gone($what, $id, $sub, $name);
}

# an identity that the shop gives to another customer

{
    my ($sub, $id) = customer('end');

    $proxy->spoil('hold', 0, only => 'LRANGE');

    my $login = login();

    is_held(1, 'the claim');
    $redis->command('SET', "shop:identity:work:$sub", 'by-hand');
    $proxy->heal;

    my $response = $login->response;

    is($response->status, 303, 'given to another: the login goes on');
    is(owner($sub), 'by-hand', '... the identity is theirs');
    is(sessions('by-hand'), 1, '... and so is the session');
    is($redis->hash(key('by-hand'))->{name}, 'Ann', '... and what is known');
    is($redis->hash(key($id))->{"id:work:$sub"}, undef, '... of them alone');
}


# --- twice

{
    my ($sub, $id) = customer('erase');

    # the claim's, twice

    $proxy->spoil('hold', 0, only => 'LRANGE');

    my $login = login();

    is_held(1, 'the claim');

    told('erase', $sub, 'twice: once');

    my $n = 1;
    my @ids = ($id);

    # of each claim the address's comes second

    for my $step ('its address', 'the claim once more') {
        $proxy->let_go;
        is_held(++$n, $step);
    }

    $ids[1] = owner($sub);
    isnt($ids[1], $id, 'it begins again with another customer');
    told('erase', $sub, 'twice: twice');
    $proxy->heal;

    my $response = $login->response;

    $held->refuses(503, 'identity_changed', $response, 'twice');
    is($response->header('Retry-After'), 5, '... to be tried again');
    is_gone('erase', $_, $sub, 'twice') for @ids;
    is(owner($sub), undef, '... and the identity is nobody\'s');
}


# --- the login cannot be told whose the identity is

for my $action (qw(close cut error garbage stall)) {
    my $sub = person();
    my $login;

    # of the claim, of the address, and of what is asked again

    $proxy->spoil($action, 2, only => 'GET');
    $login = login();

    my $response = $login->response;

    is($proxy->heal, 1, "$action: the look is spoiled");

    $held->refuses(503, qr/^redis_/, $response, $action);
    is($response->header('Retry-After'), 5, '... to be tried again');

    my $id = owner($sub);

    ok(defined $id, '... nobody has taken the identity');

    # behind a lost connection nothing is asked for a while

    if ($action eq 'error') {
        wait_for { !sessions($id) } 'the session to end';
        is($redis->command('ZCARD', key($id, 'sessions')), 0,
           '... and the session ends');
    }

    wait_for {
        my $again = $held->browser;
        $held->callback($again, $held->attempt($again))->status == 303
    } 'Redis to be used again';

    is(owner($sub), $id, '... the next login completes it');
}


# --- the browser goes away

sub left { return scalar(() = $held->nginx->log =~ /prematurely closed/g) }

for my $how (qw(close reset)) {
    for my $what (qw(erase unlink)) {
        for ([ 'claim', 'LRANGE', 1 ], [ 'write', 'EVALSHA', 0 ],
             [ 'look', 'GET', 2 ])
        {
            my ($step, $word, $after) = @$_;
            my $name = "$what, and $how behind the $step";
            my ($sub, $id) = customer($what);

            $proxy->spoil('hold', $after, only => $word);

            my $login = login();

            is_held(1, $step);
            told($what, $sub, $name);

            my $seen = left();

            $login->$how;

            if ($step eq 'claim') {
                wait_for { left() > $seen } 'nginx to see it';
            }

            $proxy->heal;
            $held->is_idle($name, $proxy->port);
            is_gone($what, $id, $sub, $name);
            is(owner($sub), undef, '... and nobody is made');
        }
    }
}


# --- the login comes between two steps of a notice

# one that is not waited for

sub telling {
    my ($what, $sub) = @_;
    my $c = $held->nginx->connect;

    $c->send('POST', '/_shop/notify/work', body => notice($what, $sub));

    return $c;
}

# the list; of the script the first one asks for the address to be released,
# then they go, and the last one releases the identity

for my $what (qw(erase unlink end)) {
    for ([ 'list', 'ZRANGE', 0 ], [ 'script', 'EVALSHA', 0 ],
         [ 'address', 'EVALSHA', 1 ])
    {
        my ($step, $word, $after) = @$_;
        my $name = "a login behind the $step of $what";
        my ($sub, $id) = customer($what);

        next if $what eq 'end' && $step eq 'address';

        # or what has ended would make it look again in any case

        $redis->command('DEL', key($id, 'sessions'),
                        grep { /:\Q$id\E:/ } $redis->keys('shop:session:*'));

        $proxy->spoil('hold', $after, only => $word);

        my $c = telling($what, $sub);

        is_held(1, $step);

        my $browser = $shop->signs_in($name);

        is($shop->me($browser)->{customer}, $id, '... as who they are');
        $proxy->heal;
        is($c->response->status, 202, "$name: the notice is carried out");
        is($shop->me($browser), undef, '... and the session is over');

        if ($what ne 'end') {
            is_gone($what, $id, $sub, $name);
            is(owner($sub), undef, '... and the identity is nobody\'s');
            next;
        }

        is(sessions($id), 0, '... all of them are');
        is(owner($sub), $id, '... the identity stays theirs');
    }
}

# Redis fails behind the release: the identity leads to nobody then

for my $what (qw(erase unlink)) {
    for my $action (qw(error close)) {
        my $name = "$what, and $action behind the release";
        my ($sub, $id) = customer($what);
        my $token = notice($what, $sub);
        my $c = $held->nginx->connect;

        $redis->command('DEL', key($id, 'sessions'),
                        grep { /:\Q$id\E:/ } $redis->keys('shop:session:*'));

        $proxy->spoil('hold', 1, only => 'EVALSHA');
        $c->send('POST', '/_shop/notify/work', body => $token);

        # the address is asked for by the first, and released by the second

        for (1, 2) {
            is_held($_, 'a script');
            $proxy->let_go if $_ == 1;
        }

        my $browser = $shop->signs_in($name);

        is($shop->me($browser)->{customer}, $id, '... as who they are');

        $proxy->spoil($action, 0, only => 'ZRANGE');
        $proxy->let_go;

        is($c->response->status, 503, '... the notice fails');
        is(owner($sub), undef, '... and the identity is nobody\'s');
        $proxy->heal;

        my $next = $shop->signs_in('the same person');

        isnt($shop->me($next)->{customer}, $id, '... is somebody else');

        wait_for {
            $held->nginx->post('/_shop/notify/work', $token)->status == 202
        } 'Redis to be used again';

        is($shop->me($browser), undef, "$name: it is sent again");
        is_gone($what, $id, $sub, $name);
        ok($shop->me($next), '... and who is somebody else stays so');
        is(owner($sub), $shop->me($next)->{customer},
           '... and so does the identity');
    }
}

# the provider hangs up behind the release

{
    my ($sub, $id) = customer('erase');

    $proxy->spoil('hold', 0, only => 'EVALSHA');

    my $c = telling('erase', $sub);
    my $n = 0;
    my $browser;

    while (defined owner($sub)) {
        is_held(++$n, 'a script');
        last unless defined owner($sub);

        # what a login writes behind all that has gone, once: each one that
        # ends makes the notice look again

        $browser = $shop->signs_in('a login in the midst')
            if !$browser && !exists $redis->hash(key($id))->{"id:work:$sub"};

        $proxy->let_go;
    }

    ok($browser, 'a login came between');
    $c->close;
    $proxy->heal;
    $held->is_idle('hung up', $proxy->port);
    is($shop->me($browser), undef, '... its session is over');
    is_gone('erase', $id, $sub, 'hung up');
}

$_->signs_in('after all of it') for $held, $shop;
$held->is_idle('after all of it', $proxy->port);

done_testing();
