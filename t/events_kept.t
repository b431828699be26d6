# An event of a person whom the shop does not know yet, by an account or by an
# e-mail address, waits for the login of that person and is booked then: once,
# whatever is cut off on the way.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();
use JSON::PP ();

use ShopTest::Events;
use ShopTest::Proxy;

my $redis  = redis();
my $proxy  = ShopTest::Proxy->new($redis->port);
my $events = ShopTest::Events->new;
my $provider = provider();
my $issuer = $provider->issuer;

# one that has the address in a second userinfo

my $half = $provider->conf('half', "userinfo2 $issuer/userinfo;"
                           . 'email ui2:/email;'
                           . 'email_verified ui2:/email_verified;');
my $shop = shop(redis => $redis, vars => { redis => $proxy->url },
                provider => $provider, http => $events->conf . $half);

my $nginx = $shop->nginx;
my $n = 0;

sub person {
    my ($subject, %o) = @_;

    $shop->provider->set({ user => { sub => $subject, email => undef, %o } });
}

sub adjust {
    my ($customer, $points, %o) = @_;

    return { id => 'e-' . ++$n, type => 'adjust', customer => $customer,
             time => time, points => $points, %o };
}

sub results { return join ', ', $events->results($nginx, @_) }

sub subject { return { provider => 'work', subject => $_[0] } }

sub email { return { email => $_[0] } }

sub kept {
    return grep { /^shop:kept:/ } @{ $redis->command('KEYS', '*') };
}

sub points {
    my ($browser) = @_;

    return $shop->me($browser)->{points};
}


# by an account

{
    my $event = adjust(subject('anna'), 7);

    is(results($event), 'kept', 'an event of somebody unknown is kept');
    is(results($event), 'duplicate', '... once');
    is(results({ %$event, points => 8 }), 'refused id_reused',
       '... and another one of its id is refused');
    is(results(adjust(subject('anna'), -3)), 'kept',
       'another one waits behind it');

    my @kept = kept();

    is_deeply(\@kept, [ 'shop:kept:{shop:identity:work:anna}' ],
              'they wait beside the key of that account');
    cmp_ok($redis->command('TTL', $kept[0]), '>', 29 * 86400,
           '... for 30 days');

    person('anna');

    my $browser = $shop->signs_in('the customer');

    is(points($browser), 109, 'and they are booked at the first login');
    wait_for { !kept() } 'it to be forgotten';
    pass('... and wait no more');
    is(results($event), 'duplicate', 'told again, it is known');
    is(results(adjust(subject('anna'), 1)), 'booked',
       'a new one is booked at once');
}


# by an address

{
    my $event = adjust(email('Ben@Shop.example'), 20);

    is(results($event), 'kept', 'an event for an e-mail address is kept');
    person('eve', email => 'ben@shop.example', email_verified => \0);
    is(points($shop->signs_in('somebody who only says it is theirs')), 105,
       '... and is not theirs');

    person('ben', email => 'ben@shop.example', email_verified => \1);

    my $browser = $shop->signs_in('the customer whose address is verified');

    is(points($browser), 125, '... has the points');
    is(results(adjust(email('BEN@shop.example'), 5)), 'booked',
       'the next one is booked at once');
    is(points($browser), 130, '... for the same customer');

    person('ben2', email => 'ben@shop.example', email_verified => \1);
    $shop->signs_in('another account with that address');
    results(adjust(email('ben@shop.example'), 5));
    is(points($browser), 135, '... which stays with the first customer');

    is(scalar(grep { /\@/ } @{ $redis->command('KEYS', '*') }), 0,
       'no key holds an address');
    unlike($nginx->log, qr/\@shop\.example/i, '... and no line of the log');
}


# an address that is an account's no more

sub whose {
    my ($address) = @_;

    return $redis->command('GET', 'shop:email:'
                                  . Digest::SHA::sha256_hex(lc $address));
}

sub comes {
    my ($subject, $address, @o) = @_;

    person($subject, email => $address, email_verified => \1) if $address;
    person($subject) if !$address;

    my $browser = $shop->browser;

    $shop->login($browser, '/');

    return $shop->me($browser)->{customer};
}

{
    my $id = comes('kim', 'kim@old.example');

    is(whose('kim@old.example'), $id, 'an address is a customer\'s');
    is(comes('kim', 'Kim@Old.example'), $id, 'they come back');
    is(whose('kim@old.example'), $id, '... in upper case it is the same one');
    comes('kim', 'kim@new.example');
    is(whose('kim@new.example'), $id, 'another one is theirs as well');
    is(whose('kim@old.example'), undef, '... and the one before is not');
    is(results(adjust(email('kim@old.example'), 20)), 'kept',
       '... so what is told of it waits');
    is(results(adjust(email('kim@new.example'), 20)), 'booked',
       '... and of the new one does not');

    my $next = comes('pat', 'kim@old.example');

    isnt($next, $id, 'somebody else has it by now');
    is(whose('kim@old.example'), $next, '... and proves it');

    comes('kim', 'kim@old.example');
    comes('kim', 'kim@new.example');
    is(whose('kim@old.example'), $next,
       'who has only said that it is theirs takes it from nobody');

    my ($key) = $redis->keys("shop:customer:*:$id");

    $redis->command('HSET', $key, 'id:other:kim', '1 KIM@new.example');
    comes('kim', 'kim@last.example');
    is(whose('kim@new.example'), $id,
       'one that another identity of theirs has stays theirs');
    comes('kim', undef);
    is(whose('kim@last.example'), undef, 'an account without one has none');
    like($redis->hash($key)->{'id:work:kim'}, qr/^\d+\z/, '... nor says so');
    is($redis->hash($key)->{email}, 'kim@last.example',
       '... what is known of the customer stays');
}


# an address that could not be asked for is not given away

sub brings {
    my ($subject, %claims) = @_;
    my $now = time;

    my $token = $provider->sign({ claims => {
        iss => $issuer, aud => $provider->client_id, sub => $subject,
        iat => $now, exp => $now + 3600, jti => 'token-' . ++$n, %claims,
    } });

    $nginx->keep_secret($token);

    my $response = $nginx->post('/_shop/token/work',
                                JSON::PP::encode_json({ id_token => $token }),
                                'Content-Type' => 'application/json');

    $nginx->keep_secret(map { /^shop=([^;]+)/ }
                        $response->headers('Set-Cookie'));

    return $response->json->{customer};
}

sub told {
    my ($id) = @_;
    my $customer = $redis->hash(($redis->keys("shop:customer:*:$id"))[0]);

    return join ' ', @$customer{ grep { exists $customer->{$_} }
                                 'email', 'email_state', 'id:work:una',
                                 'id:half:noa' };
}

{
    my $id = comes('una', 'Una@own.example');
    my $told = told($id);

    like($told, qr/^Una\@own\.example verified \d+ Una\@own\.example$/,
         'a customer with an address');
    is(brings('una'), $id, '... comes by an app, whose token has none');
    is(whose('una@own.example'), $id, '... and keeps it');
    is(told($id), $told, '... as it was');

    brings('una', email => 'una@app.example', email_verified => \1);
    is(whose('una@own.example'), undef, 'another one in a token counts');
    is(whose('una@app.example'), $id, '... and is theirs');
    comes('una', undef);
    is(whose('una@app.example'), undef,
       'userinfo that has none says that there is none');
    brings('una');
    like(told($id), qr/ \d+\z/, '... and nothing brings it back');
    brings('new', name => 'New');
    like(told(brings('new')), qr/^\z/,
         'who comes by an app first has none yet');
}

{
    # with a name in the ID token the first userinfo is not asked for

    person('noa', name => 'Noa', email => 'noa@own.example',
           email_verified => \1);

    my $id = $shop->me($shop->signs_in('a customer', name => 'half'))
                  ->{customer};
    my $told = told($id);

    is(whose('noa@own.example'), $id, '... with an address');

    for my $status (403, 404) {
        $provider->set({ fault => { userinfo => { status => $status } } });
        $shop->signs_in("the second userinfo: $status", name => 'half');
        is(whose('noa@own.example'), $id, '... the address stays theirs');
        is(told($id), $told, '... as it was');
    }

    $provider->set({ fault => {} });
    person('noa', name => 'Noa');
    $shop->signs_in('it says that there is none', name => 'half');
    is(whose('noa@own.example'), undef, '... which releases it');
}

for my $pass (0 .. 4) {
    my $name = "cut off at $pass";
    my $id = comes("cut$pass", "cut$pass\@old.example");

    $proxy->spoil('lost', $pass, only => 'EVALSHA');
    eval { comes("cut$pass", "cut$pass\@new.example") };
    wait_for { $proxy->spoiled } "$name: it is";
    $proxy->heal;

    wait_for { eval { comes("cut$pass", "cut$pass\@new.example") } }
             'the next login', 60;

    is(whose("cut$pass\@old.example"), undef,
       "$name: the next login releases the address");
    is(whose("cut$pass\@new.example"), $id, '... and has the new one');
}

{
    my $id = comes('two', 'two@old.example');
    my ($key) = $redis->keys("shop:customer:*:$id");
    my $browser = $shop->browser;

    person('two', email => 'two@new.example', email_verified => \1);

    my $url = $shop->attempt($browser);

    $proxy->spoil('hold', 3, only => 'EVALSHA');

    my $client = $browser->start($url);

    wait_for { $proxy->spoiled } 'the address to be released';

    # what another login of theirs would do

    $redis->command('SET', 'shop:email:'
                    . Digest::SHA::sha256_hex('two@other.example'), $id);
    $redis->command('HSET', $key, 'id:work:two', '1 two@other.example');

    $proxy->heal;
    is($client->response->status, 303,
       'two logins at once, each with another address');
    is(join(' ', grep { whose("two\@$_.example") } qw(old other new)), 'new',
       '... leave the address that the identity has');
    is($redis->hash($key)->{'id:work:two'}, '1 two@new.example',
       '... which is the one of the last');
}


# bounds

{
    my @many = map { adjust(subject('mia'), 1) } 1 .. 101;
    my @results = $events->results($nginx, @many);

    is(scalar(grep { $_ eq 'kept' } @results), 100,
       'a hundred events wait for one person');
    is($results[100], 'refused kept_full', '... and no more');

    my $old = time - 31 * 86400;
    my $key = 'shop:kept:{shop:identity:work:mia}';

    $redis->command('LSET', $key, 0,
                    $redis->command('LINDEX', $key, 0) =~ s/^\d+/$old/r);
    is(results(adjust(subject('mia'), 1)), 'kept',
       'one that has waited for 30 days makes room');

    person('mia');
    is(points($shop->signs_in('the customer')), 205,
       '... and is booked no more');
}


# its age is the one that it had when it was told, by the clock of then

{
    my $now = time;
    my $key = 'shop:kept:{shop:identity:work:lea}';
    my @old = ([ $now - 20 * 86400, $now - 419 * 86400 ],
               [ $now + 200, $now + 490 ]);

    results(adjust(subject('lea'), 7)) for @old;

    for my $i (0, 1) {
        my ($id) = $redis->command('LINDEX', $key, $i) =~ /^\d+ (\S+) /;

        $redis->command('LSET', $key, $i,
                        "$old[$i][0] $id adjust $old[$i][1] 7  ");
    }

    person('lea');
    is(points($shop->signs_in('the customer')), 119,
       'what was kept is booked, though it would be refused by now');
}


# one that is not understood is in nobody's way

{
    my $key = 'shop:kept:{shop:identity:work:tom}';

    results(adjust(subject('tom'), 7)) for 1 .. 3;
    $redis->command('LSET', $key, 1, 'of another version');

    person('tom');
    is(points($shop->signs_in('the customer')), 119,
       'what is not understood keeps nothing else waiting');
    wait_for { !$redis->command('EXISTS', $key) } 'it to be forgotten';
    like($nginx->log, qr/malformed event waits/, '... is dropped, and logged');
}


# an id that the shop has given may be an address: not in the log

{
    my $key = 'shop:kept:{shop:identity:work:lin}';
    my $now = time;

    $redis->command('SET', 'shop:identity:work:lin', 'lin@own.example');
    $redis->command('RPUSH', $key, 'of another version',
                    map { "$now lin-1 adjust $now $_  " } 7, 8);

    $proxy->spoil('error', 3, only => 'EVALSHA', text => 'ERR spoiled');
    is(comes('lin', undef), 'lin@own.example', 'a customer whom the shop made');
    ok($proxy->heal, '... whose events could not be booked');
    comes('lin', undef);
    wait_for { !$redis->command('EXISTS', $key) } 'it to be forgotten';

    my $log = $nginx->log;

    for ('malformed event waits for', 'events that wait for',
         'an event that waited for')
    {
        like($log, qr/$_ customer "-"/, "$_ customer \"-\"");
    }

    # nginx itself logs the headers that it sends to a backend

    unlike($log, qr/^(?!.*proxy header:)\d.*lin\@own/m,
           '... and nowhere who it is');
}


# what is cut off is done by the next login

for my $case ([ 'LRANGE', 0, 'the claim' ], [ 'EVALSHA', 0, 'the customer' ],
              [ 'EVALSHA', 3, 'the booking' ], [ 'DEL', 0, 'the end' ])
{
    my ($command, $pass, $what) = @$case;
    my $who = lc "$command$pass";

    is(results(adjust(subject($who), 50)), 'kept', "$what: something waits");
    person($who);

    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    $proxy->spoil('lost', $pass, only => $command);
    $shop->callback($browser, $url);
    wait_for { $proxy->spoiled } "$what to be cut off";
    $proxy->heal;

    my $points;

    wait_for {
        my $next = $shop->browser;

        eval { $shop->login($next, '/') };
        $points = eval { points($next) };
    } 'the next login', 60;

    cmp_ok($points, '>=', 155, '... is booked by the next login');
    cmp_ok($points, '<', 205, '... once');
    wait_for { !kept() } 'it to be forgotten';
}


# two at once

{
    results(adjust(subject('zoe'), 50));
    person('zoe');

    my @browsers = map { $shop->browser } 1, 2;
    my @urls = map { $shop->attempt($_) } @browsers;

    $proxy->spoil('hold', 0, only => 'LRANGE');

    my @clients = map { $browsers[$_]->start($urls[$_]) } 0, 1;

    wait_for { $proxy->spoiled >= 2 } 'both to have claimed';
    $proxy->heal;

    is(join(' ', map { $_->response->status } @clients), '303 303',
       'two logins at once both end well');
    is(points($shop->signs_in('later')), 165,
       '... and book what waited once');
}

done_testing();
