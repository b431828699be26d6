# Row 7: what a provider says about itself counts only under the name it was
# configured with.  A document of somebody else, or one that sends codes and
# secrets in the clear, starts no login.

use lib 't/lib';
use ShopTest;

my (%at, %wanted, %text);
my $provider = provider();


# each case is a provider of its own, since documents are kept

sub discovery {
    my ($what, $reason, $change) = @_;
    my $name = 'p' . scalar keys %at;

    $at{"/$name"} = { discovery => $change };
    $text{$name} = $what;
    $wanted{$name} = $reason;
}


sub document {
    my ($what, $reason, $fault) = @_;
    my $name = 'p' . scalar keys %at;

    $at{"/$name"} = { fault => { discovery => $fault } };
    $text{$name} = $what;
    $wanted{$name} = $reason;
}


sub next_issuer {
    return $provider->issuer('/p' . scalar keys %at);
}


# --- row 7: the issuer

discovery('another issuer', 'issuer_mismatch',
          { issuer => 'https://evil.example' });
discovery('a slash more', 'issuer_mismatch',
          { issuer => next_issuer() . '/' });
discovery('a suffix more', 'issuer_mismatch',
          { issuer => next_issuer() . 'x' });
discovery('a part less', 'issuer_mismatch',
          { issuer => $provider->issuer('') });
discovery('upper case', 'issuer_mismatch', { issuer => uc next_issuer() });
discovery('another host case', 'issuer_mismatch',
          { issuer => next_issuer() =~ s/localhost/LOCALHOST/r });
discovery('another name of the host', 'issuer_mismatch',
          { issuer => next_issuer() =~ s/localhost/127.0.0.1/r });
discovery('a blank more', 'issuer_mismatch',
          { issuer => next_issuer() . ' ' });
discovery('an empty issuer', qr/^(?:issuer_mismatch|metadata_malformed)$/,
          { issuer => '' });
discovery('no issuer', qr/^(?:issuer_mismatch|metadata_malformed)$/,
          { issuer => undef });
discovery('a number as issuer', qr/^(?:issuer_mismatch|metadata_malformed)$/,
          { issuer => 7 });
discovery('a list as issuer', qr/^(?:issuer_mismatch|metadata_malformed)$/,
          { issuer => [ next_issuer() ] });
discovery('two issuers', 'metadata_malformed',
          { issuer => { raw => '"' . next_issuer() . '","issuer":"x"' } });


# --- endpoints

for my $name (qw(authorization_endpoint token_endpoint jwks_uri)) {
    discovery("no $name", 'endpoint_missing', { $name => undef });
    discovery("$name in the clear", 'endpoint_insecure',
              { $name => 'http://id.example.com/x' });
    discovery("$name on a host that looks like loopback",
              'endpoint_insecure',
              { $name => 'http://localhost.example.com/x' });

    for my $bad ('javascript:alert(1)', '/relative', "http://localhost:1/\n",
                 'http://user:secret@localhost/', 7, '')
    {
        discovery("$name is " . ($bad eq '' ? 'empty' : $bad =~ s/\n/LF/r),
                  qr/^(?:endpoint_\w+|metadata_malformed)$/,
                  { $name => $bad });
    }
}

discovery('userinfo in the clear',
          qr/^(?:endpoint_insecure|metadata_malformed)$/,
          { userinfo_endpoint => 'http://id.example.com/x' });


# --- what it can do

discovery('only symmetric algorithms', 'alg_unsupported',
          { id_token_signing_alg_values_supported => [ 'HS256', 'none' ] });
discovery('only a client authentication we do not know',
          'client_auth_unsupported',
          { token_endpoint_auth_methods_supported => ['private_key_jwt'] });
discovery('algorithms that are not a list', qr/^(?:alg|metadata)_\w+$/,
          { id_token_signing_alg_values_supported => 'RS256' });


# --- the document

document('not JSON', 'metadata_malformed', { body => 'hello' });
document('an empty document', 'metadata_malformed', { body => '' });
document('a list', 'metadata_malformed', { body => '[]' });
document('a text', 'metadata_malformed', { body => '"x"' });
document('null', 'metadata_malformed', { body => 'null' });
document('half of it', 'metadata_malformed',
         { body => '{"issuer":"' . next_issuer() . '"' });
document('deep nesting', 'metadata_malformed',
         { body => '[' x 50000 . ']' x 50000 });
document('not UTF-8', 'metadata_malformed', { body => "{\"a\":\"\x{ff}\"}" });
document('a 404', qr/^(?:provider_unavailable|metadata_\w+)$/,
         { status => 404, body => 'no' });
document('a 500', qr/^(?:provider_unavailable|metadata_\w+)$/,
         { status => 500, body => 'no' });


# no login goes there

my @usable;

for my $bad ('http://id.example.com/x', 'javascript:alert(1)', '/relative',
             'http://localhost:1/' . 'x' x 10000, 7, '', [ 'x' ])
{
    my $name = 'p' . scalar keys %at;

    push @usable, [ $name, 'end_session_endpoint is '
                           . (ref $bad ? 'a list' : substr $bad, 0, 30) ];
    $at{"/$name"} = { discovery => { end_session_endpoint => $bad } };
}


my $shop = shop(provider => $provider,
                providers => { work => '', map { (substr($_, 1) => $_) }
                                           keys %at });

$provider->set({ at => \%at });

for my $name (sort { substr($a, 1) <=> substr($b, 1) } keys %text) {
    $provider->forget;
    $shop->fails(502, $wanted{$name}, "row 7: $text{$name}", name => $name);

    is(scalar(grep { $_->{path} =~ /authorize|token|jwks/ }
              $provider->requests), 0,
       "row 7: $text{$name}: nobody was asked anything");
}

$shop->signs_in('row 7: the issuer as configured');
$shop->signs_in("row 7: $_->[1]", name => $_->[0]) for @usable;


# --- kept for all workers, and lazily fetched

{
    my $fresh = shop(nginx_options => { workers => 2 });
    my $count = '/.well-known/openid-configuration';

    is($fresh->provider->count($count), 0, 'nginx starts without asking');

    $fresh->signs_in('the first login') for 1;
    $fresh->signs_in("login $_") for 2 .. 6;

    is($fresh->provider->count($count), 1, 'the document is fetched once');
    is($fresh->provider->count('/jwks'), 1, 'so are the keys');
    is_deeply([ $fresh->provider->violations ], [], 'all to its liking');

    is($fresh->nginx->reload, 1, 'nginx reloads');
    $fresh->signs_in('after a reload');
    is($fresh->provider->count($count), 1, 'and remembers both');
}


# --- one provider under two names, with a client of its own each

{
    my $twice = shop(providers => { work => '', again => '' });
    my %customer;

    for my $name (qw(work again work again)) {
        my $browser = $twice->signs_in("one provider, two names: $name",
                                       name => $name);

        $customer{$name}{ $twice->me($browser)->{customer} } = 1;
    }

    is($twice->provider->count('/.well-known/openid-configuration'), 1,
       '... its document is fetched once');
    is($twice->provider->count('/jwks'), 1, '... so are its keys');
    is(scalar(map { keys %$_ } values %customer), 2,
       '... a subject is a customer of each');
}


# --- a zone that a document does not fit in

{
    my $small = shop(nginx_options => { allow => [qr/ is too small for /] });
    my $nginx = $small->nginx;
    my $http = $nginx->{http} =~ s/shop:8m/shop:64k/r;

    $small->provider->set({ more_keys => [
        map { { kty => 'oct', kid => "k$_", k => 'A' x 1000 } } 1 .. 100 ] });

    $nginx->reload(http => $http);

    $small->signs_in("a zone that is too small: login $_") for 1 .. 3;

    is($small->provider->count('/jwks'), 1,
       '... the worker keeps the keys itself');
    is(scalar(() = $nginx->log_lines(
           qr/\[warn\].*"shop_zone" is too small .* "work"/)), 1,
       '... and says so');

    # new ones are fetched all the same

    $small->provider->rotate('rsa-2');
    $small->signs_in('... new keys');
    $small->signs_in('... and once more');
    is($small->provider->count('/jwks'), 2, '... are fetched once');
}


# --- a provider that comes back

sub comes_back {
    my ($shop, $endpoint, $path, $reason) = @_;
    my $provider = $shop->provider;
    my $begin = ShopTest::now();

    $provider->set({ fault => { $endpoint => { status => 503 } } });

    $shop->fails(502, $reason, "$endpoint is down: login $_") for 1 .. 10;

    # a login may take a second itself where the machine is busy, and nginx
    # counts whole ones

    cmp_ok($provider->count($path), '<=', 2 + ShopTest::now() - $begin,
           "$endpoint is down: it is asked once in a second");

    $provider->restore;
    wait_until_in($shop);
    $shop->signs_in("$endpoint is up again");
}


sub wait_until_in {
    my ($shop) = @_;

    wait_for {
        my $browser = $shop->browser;
        my $url = $shop->start($browser)->header('Location');

        $url && $url =~ m{/callback/}
            && $shop->callback($browser, $url)->status == 303
    } 'a login', 30;

    return;
}


comes_back(shop(), 'discovery', '/.well-known/openid-configuration',
           'metadata_error');
comes_back(shop(), 'jwks', '/jwks', 'keys_error');


# --- keys that move, while the metadata are good for an hour

for my $case ([ 'keys that are gone', 'keys_error',
                fault => { jwks => { status => 404 } } ],
              [ 'keys that lack the new one', 'key_unknown' ])
{
    my ($what, $reason, @more) = @$case;
    my $shop = shop();
    my $provider = $shop->provider;
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    # made now, since it takes the provider a while

    $provider->public_key('rsa-2');

    $provider->set({
        discovery => { jwks_uri => $provider->issuer('/new') . '/jwks' },
        at        => { '/new' => { fault => {}, publish => ['rsa-2'] } },
        key       => 'rsa-2',
        publish   => ['rsa-1'],
        @more,
    });

    $shop->refuses(502, $reason, $shop->callback($browser, $url), $what,
                   $browser);

    wait_until_in($shop);

    is($provider->count('/.well-known/openid-configuration'), 2,
       "$what: the metadata were asked where they are now");
    is($provider->count('/new/jwks'), 1, "$what: and the keys there");

    $shop->signs_in("$what: found");
}

done_testing();
