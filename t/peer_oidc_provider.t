# Sign-in at a provider that this project did not write: the npm package
# oidc-provider, a certified implementation.  Its ID tokens hold no profile,
# so userinfo is asked; it sends "iss" with every answer.

use lib 't/lib';
use ShopTest;
use ShopTest::Peer;

my $base = 'https://shop.example.com';

my @clients = (
    { name => 'basic',  auth => 'client_secret_basic',
                        conf => 'logout on;' },
    { name => 'post',   auth => 'client_secret_post' },
    { name => 'posted', auth => 'client_secret_basic',
                        conf => 'resp_mode form_post;' },
    { name => 'public', auth => 'none' },
    { name => 'es256',  auth => 'client_secret_basic', alg => 'ES256' },
    { name => 'ps256',  auth => 'client_secret_basic', alg => 'PS256' },
    { name => 'eddsa',  auth => 'client_secret_post',  alg => 'EdDSA' },
    { name => 'hs256',  auth => 'client_secret_basic', alg => 'HS256' },

    # rows for anybody's server of a kind

    map { { name => $_, auth => 'client_secret_basic', preset => $_ } }
        qw(auth0 cognito keycloak okta)
);

for my $client (@clients) {
    my $name = $client->{name};

    # what form encoding has to change, in basic authentication

    $client->{id} = "$name client";
    $client->{secret} = "s%+: &=/\"$name, at least 32 bytes of it"
        if $name ne 'public';
    $client->{redirect} = "$base/_shop/callback/$name";
    $client->{home} = "$base/";
}

my $port = free_port();
my $peer = ShopTest::Peer->new('provider.mjs',
                               { port => $port, clients => \@clients });

$peer->wait_line(qr/^listening$/m);

my $shop = shop(
    base_url  => $base,
    provider  => Package->new(port => $port),
    providers => { map { $_->{name} => Package->new(%$_, port => $port) }
                   @clients },
);

my $nginx = $shop->nginx;

$nginx->keep_secret(grep { defined } map { $_->{secret} } @clients);


# Through the login's pages up to the callback: one asks for a name and any
# password, one for consent.

sub attempt {
    my ($browser, $name, $login) = @_;
    my $page = $browser->click("/_shop/login/$name?return=/account/",
                               until => qr{^\Q$base\E/});

    for (1 .. 2) {
        my $form = ShopTest::Browser::form($page->body)
            or die "no form: $page->{status} " . $page->body;

        my $body = $form->{body};

        $body =~ s/(^|&)login=/$1login=$login/;
        $body =~ s/(^|&)password=/$1password=any/;

        $page = $browser->submit($form->{url}, $body,
                                 until => qr{^\Q$base\E/});
    }

    return $page;
}


my %customer;

for my $client (@clients) {
    my $name = $client->{name};
    my $browser = $shop->browser;
    my $page = attempt($browser, $name, 'ann');

    if ($name eq 'posted') {
        my $form = ShopTest::Browser::form($page->body);

        is($form->{url}, $client->{redirect}, "$name: it sends a form");

        $page = $browser->submit($form->{url}, $form->{body}, script => 1);

    } else {
        my $url = $page->header('Location');
        my ($args) = $url =~ /\?(.*)/;
        my $f = ShopTest::Server::query_fields($args);

        is($f->{iss}, "http://localhost:$port", "$name: it sends iss");

        $nginx->keep_secret(@$f{qw(code state)});
        $page = $browser->click($url);
    }

    is($browser->url, "$base/account/", "$name: signs in");
    is($page->status, 200, "$name: and is let in");

    my $me = $shop->me($browser) || {};

    ok($me->{customer}, "$name: is a customer");
    is($me->{provider}, $name, "$name: by this provider");
    is_deeply([ map { $_->{email} } @{ $me->{identities} } ],
              [ 'ann@example.com' ], "$name: whose e-mail userinfo told");

    $customer{ $me->{customer} || '' } = 1;
    $nginx->keep_secret($browser->secrets);
}

is(scalar(keys %customer), scalar(@clients),
   'each client is another provider to the shop');


# who comes again is the same one, who has another name is not

{
    my $browser = $shop->browser;

    $browser->click(attempt($browser, 'basic', 'ann')->header('Location'));
    ok($customer{ $shop->me($browser)->{customer} }, 'ann comes again');

    my $other = $shop->browser;

    $other->click(attempt($other, 'basic', 'ben')->header('Location'));
    ok(!$customer{ $shop->me($other)->{customer} }, 'ben is somebody else');

    my ($key) = $shop->redis->keys('shop:customer:*:'
                                   . $shop->me($other)->{customer});
    my $profile = $shop->redis->hash($key);

    is($profile->{name}, 'ben Example', 'with a name of his own');
}


# who signs out there as well, has to sign in anew

{
    my $browser = $shop->browser;

    $browser->click(attempt($browser, 'basic', 'ann')->header('Location'));

    my $page = $browser->submit('/_shop/logout', '');
    my $form = ShopTest::Browser::form($page->body);

    ok(!$shop->me($browser), 'who signs out, is signed out here');
    like($page->url, qr{^http://localhost:$port/session/end\b},
         '... and asked by the provider');

    $page = $browser->submit($form->{url}, "$form->{body}&logout=yes");

    is($browser->url, "$base/", '... which leads back to the shop');

    $browser->click('/account/');
    $page = $browser->click('/_shop/login/basic?return=/account/',
                            until => qr{^\Q$base\E/});
    like($page->body, qr/name="login"/, '... and wants a name and a password');
}


# who does not want to

{
    my $browser = $shop->browser;
    my $page = $browser->click('/_shop/login/basic');
    my ($abort) = $page->body =~ m{href="([^"]*/abort)"};

    $page = $browser->click($abort, until => qr{^\Q$base\E/});

    my $response = $shop->callback($browser, $page->header('Location'));

    $shop->refuses(400, 'access_denied', $response, 'who cancels', $browser);
}


my @refused = $peer->output =~ /^(refused .*)$/mg;

is(scalar(@refused), 1, 'the provider refused that one and nothing else')
    or diag(join "\n", @refused);

my @asked = $peer->output =~ /^asked (\S+ \S+) 200$/mg;

is(scalar(grep { $_ eq 'POST /token' } @asked), @clients + 3,
   'a code was exchanged for each sign-in');
is(scalar(grep { $_ eq 'GET /me' } @asked), @clients + 3,
   'and userinfo asked');

done_testing();


# a client of the package, in the place of a ShopTest::Provider

package Package;


sub new {
    my ($class, %o) = @_;

    return bless \%o, $class;
}


sub issuer { return "http://localhost:$_[0]->{port}" }

sub client_secret { return '' }


sub conf {
    my ($self, $name) = @_;
    my %method = (none => 'none', client_secret_basic => 'basic',
                  client_secret_post => 'post');

    my $more = "client_auth $method{ $self->{auth} };\n";

    $more .= "$self->{conf}\n" if $self->{conf};
    $more .= "alg $self->{alg};\n" if $self->{alg};

    if (defined $self->{secret}) {
        my $file = ShopTest::write_file(
            ShopTest::temp_dir() . "/$name.secret", $self->{secret}, 0600);

        $more .= "client_secret_file $file;\n";
    }

    return <<"END";
    social_provider $name {
        preset    @{[ $self->{preset} || 'oidc' ]};
        issuer    http://localhost:$self->{port};
        client_id "$self->{id}";
        $more
    }
END
}
