# Row 16: a customer is who the provider's subject says, and nobody else.
# An e-mail address, a name or a look-alike of either opens no account.

use lib 't/lib';
use ShopTest;

my $shop = shop(providers => { work => '/a', other => '/b' });
my $provider = $shop->provider;
my $redis = $shop->redis;


# the customer id somebody gets

sub customer {
    my ($user, %o) = @_;
    my $browser = $shop->browser;

    $provider->set({ user => $user });

    my $response = $shop->callback($browser, $shop->attempt($browser, %o));
    my $me = $shop->me($browser);

    $provider->restore;

    return $me ? $me->{customer} : 'refused by ' . $response->body;
}


sub new_customer {
    my ($name, $user, @others) = @_;
    my $id = customer($user);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    like($id, qr/^[A-Za-z0-9._~:\@-]{1,64}$/, "row 16: $name: signs in");
    ok(!(grep { $_ eq $id } @others), "row 16: $name: is another customer");

    return $id;
}


my %ann = (sub => 'ann', email => 'ann@example.com', email_verified => 1,
           name => 'Ann');

$ann{email_verified} = \1;

my $ann = customer(\%ann);

like($ann, qr/^[A-Za-z0-9._~:\@-]{22,64}$/,
     'row 16: a customer id is long and opaque');
is(customer(\%ann), $ann, 'row 16: the same subject is the same customer');
is(customer({ %ann, email => 'new@example.com', name => 'Ann B' }), $ann,
   'row 16: whatever became of the e-mail and the name');
is(customer({ sub => 'ann' }), $ann, 'row 16: also without both');

# half an emoji, or a NUL, does no harm where it is and is no way to be Ann

for ('Ann\ud83d', 'Ann\u0000') {
    my $text = { raw => qq("$_") };

    is(customer({ %ann, name => $text, bio => $text }), $ann,
       "row 16: a name that is $_");

    my ($key) = $redis->keys("shop:customer:*:$ann");

    is($redis->hash($key)->{name}, "Ann\xef\xbf\xbd", '... is mended');

    like(customer({ sub => { raw => qq("ann$1") } }),
         qr/^refused by .*claims_malformed/s,
         "row 16: a subject that is ann$1") if /(\\.*)/;
}

is(customer({ %ann, email => { raw => '"ann\ud83d@example.com"' } }), $ann,
   'row 16: an address with half an emoji is none');

# likewise a number that is longer than any we know

my $long = { raw => '18446744073709551615' };

$provider->set({ claims => { uid => $long }, userinfo => { uid => $long } });
is(customer(\%ann), $ann, 'row 16: a long number that nobody asks for');
like(customer({ %ann, sub => $long }), qr/^refused by .*claims_malformed/s,
     'row 16: a long number is no subject');

my @known = ($ann);

for ([ 'the same e-mail', { %ann, sub => 'eve' } ],
     [ 'the same e-mail, not verified',
       { %ann, sub => 'eve2', email_verified => \0 } ],
     [ 'the same e-mail, verified by text',
       { %ann, sub => 'eve3', email_verified => 'true' } ],
     [ 'the e-mail in another case',
       { %ann, sub => 'eve4', email => 'ANN@EXAMPLE.COM' } ],
     [ 'an e-mail with two @',
       { %ann, sub => 'eve5', email => 'ann@example.com@evil.example' } ],
     [ 'a homoglyph in the e-mail',
       { %ann, sub => 'eve6', email => "\x{430}nn\@example.com" } ],
     [ 'a blank after the e-mail',
       { %ann, sub => 'eve7', email => 'ann@example.com ' } ],
     [ 'the name of another', { sub => 'eve8', name => 'Ann' } ],
     [ 'the subject in another case', { %ann, sub => 'ANN' } ],
     [ 'a blank after the subject', { %ann, sub => 'ann ' } ],
     [ 'a subject with a colon', { sub => 'other:ann' } ],
     [ 'a subject that was escaped', { sub => 'a%6en' } ],
     [ 'a subject with braces', { sub => '{ann}' } ],
     [ 'a subject with a star', { sub => '*' } ],
     [ 'a subject with quotes', { sub => q{"'\\} } ])
{
    my ($name, $user) = @$_;

    push @known, my $id = new_customer($name, $user, @known);

    is(customer($user), $id, "row 16: $name: comes back as the same");
}

isnt(customer(\%ann, name => 'other'), $ann,
     'row 16: the same subject of another provider is another customer');
is(customer(\%ann), $ann, 'row 16: and the first is who they were');


# --- what Redis knows

is($redis->command('GET', 'shop:identity:work:ann'), $ann,
   'the identity leads to the customer');
like(join(' ', $redis->keys('shop:identity:work:*')),
     qr/ shop:identity:work:a%256en(?: |$)/,
     'a subject is escaped in its key');
ok(!(grep { /[{}]/ } $redis->keys('shop:identity:*')),
   'so that no subject chooses a slot');

my @mine = grep { /:\Q$ann\E(?::|$)/ } $redis->keys('shop:*');

my ($tag) = $mine[0] =~ /(\{\d+\})/;

is_deeply([ grep { index($_, $tag) < 0 } @mine ], [],
          'all of a customer is in one slot');
ok(!(grep { /\Qann\E\@/ } map { $redis->keys($_) } 'shop:*'),
   'no key holds an e-mail address');

my ($profile) = $redis->keys("shop:customer:$tag:$ann");

ok(defined $profile && exists $redis->hash($profile)->{'id:work:ann'},
   'the customer knows the identity');


# --- two logins of a new customer at once make one customer

{
    $provider->set({ user => { sub => 'twins' } });

    my @browsers = map { $shop->browser } 1 .. 6;
    my @urls = map { $shop->attempt($_) } @browsers;
    my @waiting = map { $browsers[$_]->start($urls[$_]) } 0 .. $#urls;
    my %customers;

    for my $i (0 .. $#waiting) {
        my $response = $waiting[$i]->response;

        $browsers[$i]->set_cookie($shop->url . '/', $_)
            for $response->headers('Set-Cookie');

        my $me = $shop->me($browsers[$i]);

        $customers{ $me ? $me->{customer} : 'none' }++;
    }

    is_deeply([ values %customers ], [6],
              'row 16: six first logins at once make one customer');
}


# --- a claim that was cut off is completed by the next login

{
    my $id = 'cut-off-1';

    $redis->command('SET', 'shop:identity:work:cut', $id);
    is(customer({ sub => 'cut', name => 'Cut' }), $id,
       'row 16: a claimed identity is completed');
    is(scalar(() = $redis->keys("shop:customer:*:$id")), 1,
       'row 16: with its customer');
}


# --- a document that is not there is not one without the member: the next
# --- alternative would be another customer

{
    my $issuer = $provider->issuer;
    my $legacy = 'sub "ui:/legacy | id:/sub";';

    my $rules = shop(
        redis => $redis, provider => $provider, backend => $shop->backend,
        providers => { work => '/a' },
        http => join '',
            $provider->conf('legacy', $legacy, '/legacy'),
            $provider->conf('lost', $legacy, '/lost'),
            $provider->conf('second', 'sub "ui2:/number | ui:/sub"; '
                            . "userinfo2 $issuer/second2/userinfo;",
                            '/second'));

    my $nobody = sub {
        my ($name, $doc) = @_;

        is($redis->command('GET', "shop:identity:$name:7"), undef,
           "... and without $doc 7 is nobody");
    };

    my $present = sub {
        my ($path, $sub) = @_;
        my $now = time;
        my $token = $provider->sign({ claims => {
            iss => $provider->issuer($path), aud => $provider->client_id,
            sub => $sub, iat => $now, exp => $now + 300 } });

        return $rules->nginx->post('/_shop/token/legacy',
                                   qq({"id_token":"$token"}),
                                   'Content-Type' => 'application/json');
    };

    $provider->set({ at => {
        '/lost' => { discovery => { userinfo_endpoint => undef },
                     user => { sub => '7' } } } });
    $rules->fails(502, 'subject_unavailable',
                  'row 16: metadata that have lost userinfo', name => 'lost');
    $nobody->('lost', 'userinfo');

    $rules->refuses(400, 'subject_unavailable', $present->('/legacy', '7'),
                    'row 16: an ID token alone, where userinfo says who');
    $nobody->('legacy', 'userinfo');

    for (403, 404) {
        $provider->set({ at => {
            '/second'  => { user => { sub => '7' } },
            '/second2' => { fault => { userinfo => { status => $_,
                                                     body => '{}' } } } } });
        $rules->fails(502, 'subject_unavailable',
                      "row 16: $_ for who it is", name => 'second');
    }

    $nobody->('second', 'the second userinfo');

    # the member may be missing

    $provider->set({ at => {
        '/legacy'  => { userinfo => { legacy => '8' } },
        '/second2' => { userinfo => { other => '8' } } } });
    $rules->signs_in('row 16: the first alternative', name => 'legacy');
    $rules->signs_in('row 16: a second userinfo without it',
                     name => 'second');

    $provider->set({ at => { '/legacy' => { user => { sub => '9' } } } });
    $rules->signs_in('row 16: userinfo without it', name => 'legacy');

    like($redis->command('GET', 'shop:identity:legacy:8'), qr/./,
         '... is who userinfo says');
    like($redis->command('GET', 'shop:identity:legacy:9'), qr/./,
         '... is who the ID token says');

    $provider->restore;
}


# --- a provider's name changes hands

{
    my $moved = shop(redis => $redis, provider => $provider,
                     backend => $shop->backend,
                     providers => { work => '/c' });

    $moved->fails(qr/^50[0-9]$/, 'issuer_changed',
                  'row 16: the same name, another issuer');
}

done_testing();
