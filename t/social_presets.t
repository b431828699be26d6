# Each preset against a provider that speaks as the real one does: from
# login/NAME to the headers at the backend, and to what is kept of the
# customer.  Rows and dialects were written by different hands, from the same
# documents, so that a mistake in a row shows; see ShopTest::Dialect.

use lib 't/lib';
use ShopTest;
use ShopTest::Backend;
use ShopTest::Dialect;
use ShopTest::Preset;

use Encode ();

# all but those that are a frame and no provider, or no provider any more

my @expected = qw(
    alipay amazon apple auth0 bitbucket cognito discord dropbox entra facebook
    facebook_limited github gitlab google instagram kakao keycloak klarna line
    linkedin mailru mastodon microsoft naver ok okta patreon paypal pinterest
    qq reddit salesforce seznam shopify_customer slack snapchat spotify
    telegram telegram_widget threads tiktok twitch vk wechat wechat_mp weibo
    wordpress x yahoo yahoo_japan yandex zalo
);

my $mock = ShopTest::Dialect->new;
my @rows = grep { !/^(?:oidc|oauth2)$/
                  && !ShopTest::Preset::fields($_)->{gone} }
           ShopTest::Preset::names();

is(join(' ', @rows), join(' ', @expected), 'every preset is tested here');
ok($mock->dialect($_), "$_: has a dialect") for @rows;

# what is for phones only, has no redirect; a row may have several dialects

my @names = grep { $mock->dialect($_) && $mock->dialect($_)->{authz} }
            @rows, grep { $mock->dialect($_)->{preset} } $mock->names;
my $base = 'https://shop.example.com';

my $shop = shop(
    providers => { map { $_ => $mock } @names },
    base_url  => $base,
);


# what of a profile is expected: text, one of several, or nothing

sub as_expected {
    my ($is, $wanted) = @_;

    for my $one (ref $wanted eq 'ARRAY' ? @$wanted : $wanted) {
        return 1 if !defined $one ? !defined $is
                    : !defined $is ? 0
                    : ref $one ? $is =~ $one
                    : $is eq Encode::encode_utf8($one);
    }

    return 0;
}


sub shown {
    my ($value) = @_;

    return join ' or ', map {
        defined $_ ? Encode::encode_utf8($_) : 'nothing'
    } ref $value eq 'ARRAY' ? @$value : $value;
}


sub login {
    my ($name, $what) = @_;
    my $browser = $shop->browser;

    $mock->play($name, $what);
    $mock->mistakes;
    $mock->steps($name);

    my $page = $browser->click("/_shop/login/$name?return=/account/",
                               accept => 'application/json');
    $mock->play($name, undef);

    return ($browser, $page);
}


# the customer that the backend sees, and what Redis knows of them

sub signs_in {
    my ($name, $what, $expect, $page) = @_;
    my $d = $mock->dialect($name);
    my $steps = $mock->steps($name);

    my $echo = $page->status == 200 ? $page->json : {};
    my ($id) = ShopTest::Backend::values_of($echo, 'X-Customer-Id');
    my ($provider) = ShopTest::Backend::values_of($echo,
                                                  'X-Customer-Provider');

    if (!is($provider, $name, "$what: signs in")) {
        diag(ShopTest::Shop::shown($page), "\n$_") for join '; ',
            "steps: $steps", $mock->mistakes;
        return;
    }

    my ($profile) = $shop->redis->keys("shop:customer:*:$id");
    my %is = %{ $shop->redis->hash($profile) };
    my @subjects = map { /^id:\Q$name\E:(.*)$/ ? $1 : () } keys %is;

    $is{subject} = @subjects == 1
                   ? ShopTest::Server::unescape($subjects[0]) : undef;
    $is{state} = delete $is{email_state};

    for my $field (sort keys %$expect) {
        ok(as_expected($is{$field}, $expect->{$field}),
           "$what: $field is " . shown($expect->{$field}))
            or diag('it is ', defined $is{$field} ? $is{$field} : 'nothing');
    }

    is($shop->redis->command('GET', "shop:identity:$name:$subjects[0]"), $id,
       "$what: the subject leads to the customer") if @subjects;

    like($steps, $d->{steps}, "$what: the requests, in their order");
    is(join('; ', $mock->mistakes), '', "$what: no mistake");

    my ($first) = $page->chain;
    my ($fragment) = $first->header('Location') =~ /(#.*)/;

    is($fragment, $d->{authz}{fragment}, "$what: the fragment of the URL");
}


my %answer = (
    denied   => [ 400, 'access_denied' ],
    client   => [ 400, '\w+' ],
    provider => [ 502, '\w+' ],
    code     => [ '400|502', '\w+' ],
);

sub is_refused {
    my ($what, $refuse, $page, $browser) = @_;

    my @may = map { $answer{$_} } split /\|/, $refuse;
    my $status = join '|', map { $_->[0] } @may;
    my $reason = join '|', map { $_->[1] } @may;

    $shop->refuses(qr/^(?:$status)$/, qr/^(?:$reason)$/, $page, $what,
                   $browser);

    is(join('; ', $mock->mistakes), '', "$what: no mistake");
}


for my $name (@names) {
    my $d = $mock->dialect($name);

    $shop->nginx->keep_secret($mock->client_secret($name));

    for my $scene ({}, ShopTest::Dialect::scenes($d)) {
        my ($browser, $page) = login($name, $scene->{what});
        my $what = join ', ', $name, grep { defined } $scene->{what};

        if ($scene->{refuse}
            && !($scene->{expect} && $page->status == 200))
        {
            is_refused($what, $scene->{refuse}, $page, $browser);

        } else {
            signs_in($name, $what, { %{ $d->{expect} },
                     %{ $scene->{expect} || {} } }, $page);
        }
    }
}

# where neither a redirect URI nor a verifier is looked at, an app's code could
# be one that was given to our callback

my @any_code = grep {
    my ($authz, $token) = @{ $mock->dialect($_) }{qw(authz token)};

    $token && defined $token->{redirect} && !$token->{redirect}
    && $authz->{pkce} ne 'required';
} @names;

is(join(' ', grep { !$mock->dialect($_)->{preset} } @any_code),
   'alipay naver wechat wechat_mp', 'these take any code of a client');

for my $name (@any_code) {
    $shop->refuses(400, 'code_unsupported',
        $shop->nginx->post("/_shop/token/$name", '{"code":"x"}',
                           'Content-Type' => 'application/json'),
        "$name: a code of an app");
}

$shop->nginx->keep_secret($mock->secrets);

done_testing();
