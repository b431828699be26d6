# Rows 17 and 18: the code exchange.  The client's secret goes to the token
# endpoint in the way it is asked for and nowhere else, and an answer is read
# as liberally as RFC 6749 5.1 was written.

use lib 't/lib';
use ShopTest;

use MIME::Base64 qw(decode_base64);
use ShopTest::Server qw(form_fields query_fields);

my @at = map { "m$_" } 1 .. 12;
my $secret = q{p@ss:w%rd+ &=/"1};
my $shop = shop(providers => { work => '', map { ($_ => "/$_") } @at });
my $provider = $shop->provider;


# --- row 17

sub token_request {
    my ($name) = @_;

    my ($request) = grep { $_->{path} =~ /token$/ } $provider->requests;

    return $request;
}


my $n = 0;

for (
    [ 'basic', ['client_secret_basic'], 'basic' ],
    [ 'post', ['client_secret_post'], 'post' ],
    [ 'both', [ 'client_secret_post', 'client_secret_basic' ], 'basic' ],
    [ 'nothing said', undef, 'basic' ],
    [ 'post beside what we do not know',
      [ 'private_key_jwt', 'client_secret_post' ], 'post' ],
) {
    my ($what, $methods, $way) = @$_;
    my $name = $at[$n++];

    $provider->forget;
    $provider->set({ at => { "/$name" => {
        auth_methods => $methods || ['client_secret_basic'],
        discovery => { token_endpoint_auth_methods_supported => $methods },
    } } });

    $shop->signs_in("row 17: $what", name => $name);

    my $request = token_request();
    my $form = form_fields($request);

    if ($way eq 'post') {
        is($form->{client_secret}, $secret,
           "row 17: $what: in the body");
        ok(!exists $request->{first}{authorization},
           "row 17: $what: not in a header");

    } else {
        my $basic = ($request->{first}{authorization} || '')
                      =~ /^Basic (.*)/ ? $1 : '';

        is(decode_base64($basic), ShopTest::Browser::escape('shop client')
           . ':' . ShopTest::Browser::escape($secret),
           "row 17: $what: in a header, its parts encoded");
        ok(!exists $form->{client_secret}, "row 17: $what: not in the body");
    }

    is($request->{args}, '', "row 17: $what: nothing in the URL");

    my @other = grep { $_->{path} !~ /token$/ } $provider->requests;

    ok(!(grep { $_->{raw} =~ /p(?:%40|\@)ss/ } @other),
       "row 17: $what: nobody else saw it");
}

{
    my $name = $at[$n++];

    $provider->set({ at => { "/$name" => { auth_methods => [
        'client_secret_post' ] } } });
    $provider->violations;
    $shop->signs_in('row 17: a login', name => $name);
    is_deeply([ $provider->violations ], [], 'row 17: without a complaint');
}

for my $error (qw(invalid_client unauthorized_client)) {
    $provider->set({ fault => { token => {
        status => 401, body => qq({"error":"$error"}) } } });
    $shop->fails(502, 'client_refused', "row 17: $error");
}

$provider->restore;

# stop() looks for the secret in all logs, see ShopTest::Shop


# --- row 18

sub answered {
    my ($name, $change) = @_;

    $provider->restore;
    $provider->set({ token => $change });
    $shop->signs_in("row 18: $name");
}


sub not_answered {
    my ($name, $reason, $state) = @_;

    $provider->restore;
    $provider->set($state);
    $shop->fails(qr/^(?:400|502)$/, $reason, "row 18: $name");
}


answered("token_type $_", { token_type => $_ }) for qw(Bearer bearer BEARER);
answered('expires_in is missing', { expires_in => undef });
answered('expires_in is text', { expires_in => '3600' });
answered('expires_in is ' . $_->{raw}, { expires_in => $_ })
    for map { { raw => $_ } } qw(null 0 -1 1e300 3600.5 "soon" []);
answered('error is null', { error => { raw => 'null' } });
answered('more members', { scope => 'openid', refresh_token => 'r',
                           x => [ { y => 1 } ] });

not_answered("token_type $_", 'token_type_refused',
             { token => { token_type => $_ } }) for qw(mac DPoP Bear), '';
not_answered('no token_type', qr/^token_(?:type_refused|malformed)$/,
             { token => { token_type => undef } });
not_answered('no id_token', 'id_token_missing',
             { token => { id_token => undef } });
not_answered('an empty id_token', qr/^(?:id_token_missing|token_malformed)$/,
             { token => { id_token => '' } });
not_answered('id_token is a number',
             qr/^(?:id_token_missing|token_malformed)$/,
             { token => { id_token => 7 } });

for ([ 'not JSON', 'access_token=x&token_type=bearer' ], [ 'nothing', '' ],
     [ 'a list', '[]' ], [ 'a text', '"x"' ], [ 'null', 'null' ],
     [ 'half', '{"access_token":"x"' ], [ 'a number', '7' ],
     [ 'a NUL', "{\"access_token\":\"\\u0000\"}" ],
     [ 'deep nesting', '[' x 30000 ])
{
    not_answered($_->[0],
                 qr/^(?:token_malformed|token_type_refused|id_token_missing)$/,
                 { fault => { token => { body => $_->[1] } } });
}

not_answered('invalid_grant', 'code_refused', { fault => { token => {
    status => 400, body => '{"error":"invalid_grant"}' } } });
not_answered('another error', 'token_error', { fault => { token => {
    status => 400, body => '{"error":"invalid_scope"}' } } });
not_answered('an error with status 200', qr/^token_|id_token_missing/,
             { fault => { token => { body => '{"error":"x"}' } } });

for my $status (201, 204, 400, 403, 404, 429, 500, 503) {
    not_answered("status $status", qr/^token_|^provider_/,
                 { fault => { token => { status => $status,
                                         body => '<html>no</html>' } } });
}

done_testing();
