# Sign-in at a provider that this project did not write: glewlwyd, of Debian.
# Its ID tokens hold the profile, it demands PKCE, sends "iss" unannounced,
# refuses by status 403 with names of its own, and speaks TLS by GnuTLS.

use lib 't/lib';
use ShopTest;
use ShopTest::Glewlwyd;

my $base = 'https://shop.example.com';
my @all = qw(openid email profile);

# Of client id and secret in basic authentication it does not undo the form
# encoding (RFC 6749 2.3.1): they are of what needs none there.  The values of
# the form that it sends are encoded as those of a query, so "iss" is none.

my @clients = (
    { name => 'basic',  auth => 'client_secret_basic', alg => 'ES256',
                        conf => 'err_map invalid_code=invalid_grant;' },
    { name => 'post',   auth => 'client_secret_post',  alg => 'RS256',
                        conf => 'client_auth post;' },
    { name => 'posted', auth => 'client_secret_basic', alg => 'ES384',
                        conf => 'resp_mode form_post; callback_iss ignore;' },
    { name => 'public', auth => 'none',                alg => 'ES256',
                        conf => 'client_auth none;' },

    # rows for anybody's server of a kind

    map { { name => $_, auth => 'client_secret_basic', alg => 'RS256',
            preset => $_ } } qw(auth0 cognito keycloak okta)
);

my @refused = (
    { name => 'strict', auth => 'client_secret_basic', alg => 'RS256',
                        conf => 'resp_mode form_post;' },
    { name => 'silent', auth => 'client_secret_basic', alg => 'RS256',
                        conf => 'authz_extra prompt=none;' },
    { name => 'wrong',  auth => 'client_secret_basic', alg => 'RS256' },
    { name => 'alg',    auth => 'client_secret_basic', alg => 'RS256' },
);

for my $client (@clients, @refused) {
    my $name = $client->{name};

    $client->{secret} = $name eq 'post' ? 's%+: &=/"of post'
                        : "a-secret_of.$name" if $name ne 'public';
}

my $glewlwyd = ShopTest::Glewlwyd->new(
    base    => $base,
    clients => [ @clients, @refused ],
    users   => [
        { username => 'ann', name => 'Ann Example',
          email => 'ann@example.com', email_verified => 'yes' },
        { username => 'ben', name => 'Ben Example',
          email => 'ben@example.com', email_verified => 'no' },
    ],
);

# what the shop does not know

for my $client (@refused) {
    $client->{secret} = 'a-secret_of.another' if $client->{name} eq 'wrong';
    $client->{alg} = 'ES256' if $client->{name} eq 'alg';
}

my $shop = shop(
    base_url  => $base,
    http      => 'social_trusted_certificate ' . $glewlwyd->authority . ';',
    provider  => $glewlwyd,
    providers => { map { $_->{name} => $glewlwyd } @clients, @refused },
);

my $nginx = $shop->nginx;

$nginx->keep_secret(grep { defined } map { $_->{secret} }
                    @clients, @refused);


sub attempt {
    my ($browser, $name, $user, @scopes) = @_;

    $browser->click("/_shop/login/$name?return=/account/");

    return answer($glewlwyd->sign_in($browser, $user, @scopes));
}


# what leads to the callback, a redirect or a form: { url, body, fields }

sub answer {
    my ($page) = @_;
    my $url = $page->header('Location');
    my $answer;

    if (defined $url) {
        my ($args) = $url =~ /\?(.*)/;

        $answer = { url => $url,
                    fields => ShopTest::Server::query_fields($args) };

    } else {
        $answer = ShopTest::Browser::form($page->body);
        $answer->{fields} = { map { @$_ } @{ $answer->{fields} } };
    }

    $nginx->keep_secret(grep { defined }
                        map { $answer->{fields}{$_} } qw(code state));

    return $answer;
}


sub callback {
    my ($browser, $answer, %o) = @_;

    return $browser->submit($answer->{url}, $answer->{body}, %o, script => 1)
        if defined $answer->{body};

    return $browser->click($answer->{url}, %o);
}


sub refused {
    my ($browser, $answer, $status, $reason, $name) = @_;

    $shop->refuses($status, $reason,
                   callback($browser, $answer, accept => 'application/json'),
                   $name, $browser);
}


# what the backend was told of the customer

sub told {
    my ($page) = @_;

    return { map { @$_ } grep { $_->[0] =~ /^X-(?:Customer|Loyalty)-/ }
             @{ $page->json->{headers} } };
}


sub profile {
    my ($id) = @_;
    my ($key) = $shop->redis->keys("shop:customer:*:$id");

    return $shop->redis->hash($key);
}


my %customer;

for my $client (@clients) {
    my $name = $client->{name};
    my $browser = $shop->browser;
    my $answer = attempt($browser, $name, 'ann', @all);
    my $iss = $glewlwyd->issuer;

    is($answer->{fields}{iss},
       $name eq 'posted' ? ShopTest::Browser::escape($iss) : $iss,
       "$name: it sends iss");

    my $page = callback($browser, $answer);

    is($browser->url, "$base/account/", "$name: signs in");

    my $told = told($page);
    my $id = $told->{'X-Customer-Id'} || '';

    is_deeply($told, {
        'X-Customer-Id' => $id, 'X-Customer-Provider' => $name,
        'X-Loyalty-Tier' => 'bronze', 'X-Loyalty-Points' => 105,
    }, "$name: the headers say who it is");

    my $profile = profile($id);

    is_deeply([ @$profile{qw(name email email_state)} ],
              [ 'Ann Example', 'ann@example.com',
                $client->{preset} ? 'unverified' : 'verified' ],
              "$name: and the profile came with the token");

    $customer{$id} = $name;
    $nginx->keep_secret($browser->secrets);
}

is(scalar(keys %customer), scalar(@clients),
   'each client is another provider to the shop');


# who comes again is the same one, who has another name is not

{
    my $browser = $shop->browser;
    my $page = callback($browser, attempt($browser, 'basic', 'ann', @all));

    is($customer{ told($page)->{'X-Customer-Id'} }, 'basic',
       'ann comes again');

    $browser = $shop->browser;
    $page = callback($browser, attempt($browser, 'basic', 'ben', @all));

    my $id = told($page)->{'X-Customer-Id'};

    ok($id && !$customer{$id}, 'ben is somebody else');
    is_deeply([ @{ profile($id) }{qw(name email email_state)} ],
              [ 'Ben Example', 'ben@example.com', 'unverified' ],
              'with an address that nobody has verified');
}


# who keeps the address to themselves is a customer all the same

{
    my $browser = $shop->browser;
    my $page = callback($browser, attempt($browser, 'post', 'ben', 'openid'));
    my $profile = profile(told($page)->{'X-Customer-Id'});

    is($browser->url, "$base/account/", 'without consent to more: signs in');
    ok(!$profile->{$_}, "and has no $_") for qw(name email);
}


# a code of somebody else: PKCE belongs to the browser that has asked for it

{
    my ($browser, $other) = ($shop->browser, $shop->browser);
    my $answer = attempt($browser, 'basic', 'ann', @all);
    my $code = attempt($other, 'basic', 'ben', @all)->{fields}{code};

    $answer->{url} =~ s/([?&]code=)[^&]*/$1$code/;

    refused($browser, $answer, 400, 'code_refused', 'the code of another');
}


# a token for another attempt: the provider signs the nonce that it was given

{
    my $browser = $shop->browser;

    $browser->click('/_shop/login/basic');

    (my $url = $browser->url) =~ s/(nonce%3D)[\w\-]+/$1another/;

    $browser->leave($url);

    refused($browser, answer($glewlwyd->sign_in($browser, 'ann', @all)), 502,
            'nonce_mismatch', 'the nonce of another');
}


my %reason = (
    strict => [ 400, 'issuer_mismatch', 'an iss that is not the issuer' ],
    wrong  => [ 502, 'client_refused',  'a wrong secret' ],
    alg    => [ 502, 'alg_refused',     'a key that is not allowed' ],
);

for my $name (sort keys %reason) {
    my $browser = $shop->browser;

    refused($browser, attempt($browser, $name, 'ann', @all),
            @{ $reason{$name} });
}


# the provider is to ask nobody, and nobody is signed in there

{
    my $browser = $shop->browser;
    my $page = $browser->click('/_shop/login/silent',
                               until => qr{^\Q$base\E/});

    refused($browser, answer($page), 400, 'provider_error',
            'who would have to be asked');
}


# no other code has come to a token

my @tokens = $glewlwyd->output =~ /id_token generated for client '(\w+)'/g;

is_deeply([ sort @tokens ],
          [ qw(alg auth0 basic basic basic basic cognito keycloak okta post
               post posted public) ],
          'the provider has signed a token for each sign-in');

done_testing();
