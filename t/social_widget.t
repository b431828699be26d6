# Telegram's login widget: there is no code to exchange, the browser brings
# who it is.  So all hangs on what is signed, by whom and when, and on the
# attempt that it comes back to.  Signatures are made by the openssl command
# here, as Telegram's documents describe them.

use lib 't/lib';
use ShopTest;
use ShopTest::Backend;
use ShopTest::Conf;
use ShopTest::Dialect;
use ShopTest::Proxy;
use ShopTest::Server;

use Digest::SHA ();
use JSON::PP ();

my $mock = ShopTest::Dialect->new;
my $redis = redis();
my $proxy = ShopTest::Proxy->new($redis->port);
my $name = 'telegram_widget';
my $bot = $mock->client_secret($name);
my $base = 'https://shop.example.com';
my $dir = temp_dir();
my $token_file = write_file("$dir/bot.token", "$bot\n", 0600);

my $shop = shop(
    redis     => $redis,
    providers => { $name => $mock },
    base_url  => $base,
    vars      => { redis => $proxy->url . ' timeout=300ms',
                   authz => $mock->address('https://oauth.telegram.org'
                                           . '/auth') },
    http      => <<"END",
    social_provider second {
        preset             telegram_widget;
        client_id          123456789;
        client_secret_file $token_file;
        authz              %%authz%%;
    }
END
);

my $nginx = $shop->nginx;

$nginx->keep_secret($bot);


sub run {
    my (@command) = @_;

    open my $fh, '-|', @command or die "$command[0]: $!\n";
    local $/;

    my $text = <$fh>;

    close $fh or die "@command: failed\n";

    return $text =~ s/\s+$//r;
}


sub hmac {
    my ($text, $token) = @_;

    my $secret = write_file("$dir/token", $token);
    my ($key) = run('openssl', 'dgst', '-sha256', '-r', $secret)
                =~ /^([0-9a-f]{64})/;
    my ($mac) = run('openssl', 'dgst', '-sha256', '-mac', 'HMAC', '-macopt',
                    "hexkey:$key", '-r', write_file("$dir/data", $text))
                =~ /^([0-9a-f]{64})/;

    return $mac;
}


my $serial = 0;

# the fields of somebody; undef takes one away

sub fields {
    my (%change) = @_;

    my %f = (id => 700000000 + ++$serial, first_name => 'Ann',
             last_name => 'Example', username => 'annexample',
             photo_url => 'https://t.me/i/userpic/320/ann.jpg',
             auth_date => time, %change);

    delete @f{ grep { !defined $f{$_} } keys %f };

    return \%f;
}


sub signed {
    my ($f, $token) = @_;

    return { %$f, hash => hmac(join("\n", map { "$_=$f->{$_}" } sort keys %$f),
                               defined $token ? $token : $bot) };
}


# an attempt of a new browser; where Telegram would lead it to

sub attempt {
    my ($at) = @_;
    my $browser = $shop->browser;
    my ($args) = $browser->click('/_shop/login/' . ($at || $name),
                                 follow => 0)->header('Location') =~ /\?(.*)/;
    my $back = ShopTest::Server::query_fields($args)->{return_to};

    $nginx->keep_secret($back =~ /state=(.*)/);

    return ($browser, $back);
}


sub comes {
    my ($browser, $back, $args) = @_;

    $args = ShopTest::Provider::query($args) if ref $args;

    my $response = $shop->callback($browser, "$back&$args");

    $nginx->keep_secret($browser->secrets);

    return $response;
}


sub accepted {
    my ($what, $args) = @_;
    my ($browser, $back) = attempt();
    my $response = comes($browser, $back, $args);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($response->status == 303 && $shop->me($browser), "$what: signed in")
        or diag(ShopTest::Shop::shown($response));

    return $browser;
}


sub refused {
    my ($what, $reason, $args) = @_;
    my ($browser, $back) = attempt();

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $shop->refuses(400, $reason, comes($browser, $back, $args), $what,
                          $browser);
}


# --- the start

{
    my $browser = $shop->browser;
    my $location = $browser->click("/_shop/login/$name?return=/account/",
                                   follow => 0)->header('Location');
    my ($address, $args) = split /\?/, $location, 2;
    my $f = ShopTest::Server::query_fields($args);
    my $back = delete $f->{return_to};

    is($address, $mock->address('https://oauth.telegram.org/auth'),
       'the browser is led to Telegram');
    is_deeply($f, { bot_id => '123456789', origin => $base,
                    request_access => 'write' },
              '... with the bot and the page, and nothing of OAuth');
    like($back, qr{^\Q$base\E/_shop/callback/$name\?state=[\w-]{43}$},
         '... and comes back to this attempt');
    unlike($location, qr/AAF/, '... while the token of the bot stays here');

    is(comes($browser, $back, signed(fields()))->header('Location'),
       "$base/account/", 'then it goes to where the login was to return');
}


# --- who it is

{
    my $f = fields(id => '987654321');
    my $browser = accepted('a signature of the openssl command', signed($f));

    $browser->leave("$base/");

    my $echo = $browser->fetch('GET', '/')->json;
    my ($id) = ShopTest::Backend::values_of($echo, 'X-Customer-Id');

    is_deeply([ ShopTest::Backend::values_of($echo, 'X-Customer-Provider') ],
              [ $name ], '... with headers at the backend');
    is($redis->command('GET', "shop:identity:$name:987654321"), $id,
       '... who is the subject');

    my ($key) = $redis->keys("shop:customer:*:$id");
    my %is = %{ $redis->hash($key) };

    is($is{name}, 'Ann Example', '... with a name');
    is($is{given_name}, 'Ann', '... a given one');
    is($is{family_name}, 'Example', '... and a family name');
    is($is{picture}, $f->{photo_url}, '... a picture');
    is($is{email}, undef, '... and no address');
}

accepted('one name and no picture', signed(fields(
    last_name => undef, username => undef, photo_url => undef)));
accepted('names beyond ASCII', signed(fields(
    first_name => "\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0", last_name => 'a=b & +c')));
accepted('an empty name', signed(fields(last_name => '')));


# --- what is signed

{
    my $good = signed(fields());

    for my $field (grep { $_ ne 'hash' } sort keys %$good) {
        refused("another $field", 'signature_invalid',
                { %$good, $field => $field =~ /id$|date/ ? '1795549266'
                                                         : "$good->{$field}x"
                });

        my %less = %$good;

        delete $less{$field};
        refused("no $field", 'signature_invalid', \%less);
    }

    my %unsigned = %$good;

    delete $unsigned{hash};
    refused('no signature', 'signature_missing', \%unsigned);
    refused('no fields at all', 'signature_missing', '');
    refused('the answer of a code flow', 'signature_missing',
            'code=x&iss=https://oauth.telegram.org');

    for ([ 'an empty signature', '', 'callback_malformed' ],
         [ 'one in upper case', uc $good->{hash} ],
         [ 'one that is cut', substr $good->{hash}, 0, 63 ],
         [ 'a longer one', "$good->{hash}0" ],
         [ 'half of it', substr $good->{hash}, 0, 32 ],
         [ 'zeros', '0' x 64 ])
    {
        my ($what, $hash, $reason) = @$_;

        refused($what, $reason || 'signature_invalid',
                { %$good, hash => $hash });
    }

    refused('the signature of another bot', 'signature_invalid',
            signed(fields(), '123456789:AAF-other'));
    refused('one under the token itself', 'signature_invalid',
            { %unsigned, hash => Digest::SHA::hmac_sha256_hex(
                join("\n", map { "$_=$unsigned{$_}" } sort keys %unsigned),
                $bot) });
    refused('a digest without a key', 'signature_invalid',
            { %unsigned, hash => Digest::SHA::sha256_hex(
                join("\n", map { "$_=$unsigned{$_}" } sort keys %unsigned)) });

    accepted('none of them has used it up', $good);
}

accepted('a field of tomorrow, signed', signed(fields(is_premium => 'true')));
refused('a field that was added', 'signature_invalid',
        { %{ signed(fields()) }, utm_source => 'x' });


# --- when

accepted('nine minutes ago', signed(fields(auth_date => time - 540)));
accepted('a clock that is half a minute ahead',
         signed(fields(auth_date => time + 30)));

for ([ 'twelve minutes ago', time - 720, 'token_expired' ],
     [ 'two days ago', time - 2 * 86400, 'token_expired' ],
     [ 'in 1970', 0, 'token_expired' ],
     [ 'in ten minutes', time + 600, 'token_not_yet_valid' ],
     [ 'never', undef, 'claims_malformed' ],
     [ 'an empty time', '', 'claims_malformed' ],
     [ 'a negative time', -1, 'claims_malformed' ],
     [ 'a time with a fraction', time . '.5', 'claims_malformed' ],
     [ 'a time beyond 64 bits', '9' x 30, 'claims_malformed' ])
{
    my ($what, $time, $reason) = @$_;

    refused("signed $what", $reason, signed(fields(auth_date => $time)));
}


# --- once and bounded, each of them

{
    my $good = signed(fields());
    my $args = ShopTest::Provider::query($good);

    refused("twice: $_", 'parameter_duplicated', "$args&$_")
        for "id=$good->{id}", '%69d=1', 'first_name=', "hash=$good->{hash}",
            'state=' . 'x' x 43;
    refused('twice: a field of tomorrow', 'parameter_duplicated',
            ShopTest::Provider::query(signed(fields(a => 1))) . '&a=1');

    refused("a name: $_", 'callback_malformed', "$args&$_=1")
        for 'Id', 'a1', 'a-b', '%0a', 'a%3db', 'x' x 33;
    refused('a bad escape', 'callback_malformed', "$args&a=%zz");

    for my $field (qw(first_name last_name username photo_url)) {
        refused("$field of a thousand bytes and more", 'callback_malformed',
                signed(fields($field => 'x' x 1025)));
    }

    refused('seventeen fields', 'callback_malformed',
            signed(fields(map { $_ => 1 } 'a' .. 'k')));
    accepted('sixteen', signed(fields(map { $_ => 1 } 'a' .. 'j')));

    refused('what is not UTF-8', 'claims_malformed',
            signed(fields(first_name => "\xff")));
    refused("an id: $_->[0]", 'claims_malformed',
            signed(fields(id => $_->[1])))
        for [ none => undef ], [ empty => '' ], [ zero => '0' ],
            [ negative => '-5' ], [ octal => '0123' ], [ float => '1e3' ],
            [ text => 'ann' ], [ long => '1' x 21 ];
}

# two lists of fields that are one text: "Ann" and an id, or a long name

{
    my $f = signed(fields());
    my $two = { %$f, first_name => "$f->{first_name}\nid=$f->{id}" };

    delete $two->{id};
    refused('an id in the name', 'callback_malformed', $two);

    my $other = fields(first_name => "Ann\nid=1", id => '2');

    refused('a name that holds an id', 'callback_malformed', signed($other));
    refused('the id out of the name', 'callback_malformed',
            { %{ signed($other) }, first_name => 'Ann', id => "1\nid=2" });
    refused("a name with $_->[0]", 'callback_malformed',
            signed(fields(first_name => "Ann$_->[1]")))
        for [ CR => "\r" ], [ TAB => "\t" ], [ DEL => "\x7f" ];
}


# --- the attempt

{
    my ($browser, $back) = attempt();
    my $f = signed(fields());
    my ($other) = attempt();

    $shop->refuses(400, 'state_unknown', comes($other, $back, $f),
                   'the attempt of another browser', $other);

    my ($address) = $back =~ /^([^?]*)/;

    $shop->refuses(400, 'state_missing',
                   $shop->callback($browser, "$address?"
                                   . ShopTest::Provider::query($f)),
                   'no attempt at all', $browser);

    (my $second = $back) =~ s/$name/second/;

    $shop->refuses(400, 'state_mismatch', comes($browser, $second, $f),
                   'the attempt at another provider', $browser);

    is(comes($browser, $back, $f)->status, 303, 'its own: signed in');

    my $me = $shop->me($browser);

    is(comes($browser, $back, $f)->status, 303,
       'the back button just goes there');
    is($shop->me($browser)->{customer}, $me->{customer},
       '... as who it is already');

    refused('somebody else with the same signature', 'token_spent', $f);

    my ($third, $to) = attempt('second');

    $shop->refuses(400, 'token_spent', comes($third, $to, $f),
                   '... at another name of the bot', $third);

    is(comes($third, $to, signed(fields()))->status, 400,
       'the attempt is spent by what was refused');
}

$shop->refuses(400, 'id_token_unsupported', $nginx->post(
    "/_shop/token/$name", JSON::PP::encode_json({ id_token => 'a.b.c' }),
    'Content-Type' => 'application/json'), 'an ID token of an app');
$shop->refuses(400, 'code_unsupported', $nginx->post(
    "/_shop/token/$name", JSON::PP::encode_json({ code => 'x' }),
    'Content-Type' => 'application/json'), 'a code of an app');

like($nginx->get('/_shop/login', Accept => 'text/html')->body,
     qr/data-provider="$name"/, 'the chooser has it');


# --- Redis fails at each step

for my $after (0 .. 20) {
    my $id = 800000000 + $after;
    my ($browser, $back) = attempt();

    $proxy->spoil('lost', $after);

    my $response = comes($browser, $back, signed(fields(id => $id)));

    if (!$proxy->heal) {
        is($response->status, 303, "Redis is lost after $after commands");
        cmp_ok($after, '>', 3, '... which is after all steps');
        last;
    }

    $shop->refuses(503, qr/^redis_/, $response,
                   "Redis is lost after $after commands");

    wait_for {
        my ($next, $to) = attempt();

        comes($next, $to, signed(fields(id => $id)))->status == 303
    } 'Redis to be used again';

    pass('... and the next login completes it');
}


# --- the configuration

my $keys = key_file();
my $secrets = 0;

sub block {
    my ($secret, $more) = @_;
    my $file = write_file("$dir/bot." . ++$secrets, $secret, 0600);

    return "shop_redis redis://127.0.0.1:6379;\nshop_secret_file $keys;\n"
        . "resolver 127.0.0.53;\nsocial_provider mine {\n"
        . "preset telegram_widget; client_id 42; client_secret_file $file;\n"
        . ($more || '') . "\n}\nserver { listen 127.0.0.1:%%port%%; "
        . 'shop_base_url http://127.0.0.1:%%port%%; }';
}

good(block("42:AAF\n"), 'the token of the bot');

wrong(block($_), 'the token of the bot', "the token is $_", nowhere => 1)
    for 'AAF', '4:AAF', '421:AAF', '43:AAF', '42', '42:';

wrong(block('42:AAF', "authz_extra $_; # here"), 'does not set itself', $_)
    for 'bot_id=1', 'origin=https://a.example', 'return_to=https://a.example';
good(block('42:AAF', 'authz_extra lang=de;'), 'no right to write is asked for');
wrong(block('42:AAF', 'sub cb:id; # here'), 'not believed',
      'fields that are not looked at by the signature');

is(join('; ', $mock->mistakes), '', 'no mistake');

done_testing();
