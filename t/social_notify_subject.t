# Who a notice is about, where the subject of a customer is not the "sub" of
# their ID token: by the same rule as at the login, from what the notice
# tells.  One that does not tell enough is refused, with a line for the
# operator, and is never answered as done while sessions live on.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);

use ShopTest::Session;

my $tenant = '4f1c2d3e-0a9b-4c8d-9e7f-112233445566';
my $other = '11111111-2222-3333-4444-555555555555';
my $redis = redis();
my $provider = provider(client_id => 'shop');
my $team = 'https://slack.com/team_id';
my $user = 'https://slack.com/user_id';

# the rules of the presets of these names

my $entra = 'sub "tpl({id:/tid}_{id:/oid})";';
my $slack = 'sub "tpl({id:/https:~1~1slack.com~1team_id}_'
            . '{id:/https:~1~1slack.com~1user_id})";';

my %conf = (
    entra      => "$entra notify secevent;",
    slack      => "$slack notify secevent;",
    salesforce => 'sub "tpl({ui:/organization_id}_{ui:/user_id})";',
    first      => 'sub id:/oid|id:/sub; notify secevent;',
    meta       => 'sub "tpl(fb-{ui:/id})"; notify meta_signed_request;',
    userinfo   => 'sub ui:/sub|id:/sub; notify secevent;',
);

sub block {
    my ($name) = @_;

    return $provider->conf($name, $conf{$name}, "/$name");
}

# with an issuer for each tenant, and a key that is of one of them alone

my $template = $provider->issuer('/many') . '/{tid}';

$provider->set({ at => { '/many' => {
    discovery => { issuer => $provider->issuer('/many') . '/{tenantid}' },
    publish   => [ 'rsa-1', 'rsa-2', 'rsa-3' ],
    jwk       => {
        'rsa-2' => { issuer => $provider->issuer('/many') . "/$other" },
        'rsa-3' => { issuer => [ $provider->issuer('/many') . "/$tenant" ] },
    },
} } });

my $metadata = $provider->issuer('/many')
               . '/.well-known/openid-configuration';

my $many = $provider->conf('many', <<"END", '/many')
        tenant    common;
        iss_rule  template;
        discovery $metadata;
        $entra
        notify    secevent;
END
    =~ s/issuer +"[^"]+"/issuer "$template"/r;

my $shop = shop(
    redis         => $redis,
    provider      => $provider,
    nginx_options => { level => 'info' },
    providers     => { work => '' },
    http          => join('', $many, map { block($_) } sort keys %conf),
);

my $nginx = $shop->nginx;
my $serial = 0;
my $logout = 'http://schemas.openid.net/event/backchannel-logout';
my $revoked = 'https://schemas.openid.net/secevent/caep/event-type/'
              . 'session-revoked';
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');


# a session of who is known by a subject

sub signed_in {
    my ($name, $subject) = @_;
    my $id = 'c-' . ++$serial;
    my $session = ShopTest::Session->new(
        redis => $redis, customer => $id, provider => $name);

    my $known = ShopTest::Browser::escape($subject);

    $redis->command('SET', "shop:identity:$name:$known", $id);
    $redis->command('HSET', $session->key('customer'), "id:$name:$known",
                    time . ' -');
    is(status($session), 200, "$name: $subject is signed in");

    return $session;
}

sub status {
    return $nginx->get('/_shop/me', Cookie => $_[0]->cookie)->status;
}

sub token {
    my ($name, $claims, %o) = @_;

    return $provider->sign({ %o, claims => {
        iss => $provider->issuer("/$name"), aud => 'shop', iat => time,
        exp => time + 120, jti => 'jti-' . ++$serial, %$claims } });
}

sub backchannel {
    my ($name, $claims, %o) = @_;

    return $nginx->post("/_shop/backchannel/$name", 'logout_token='
        . token($name, { events => { $logout => {} }, %$claims },
                header => { typ => 'logout+jwt' }, %o), @form);
}

sub notify {
    my ($name, $claims, %o) = @_;

    return $nginx->post("/_shop/notify/$name",
        token($name, { events => { $revoked => {} }, %$claims },
              header => { typ => 'secevent+jwt' }, %o),
        'Content-Type' => 'application/secevent+jwt');
}

sub meta {
    my ($id) = @_;
    my $payload = encode_base64url(JSON::PP::encode_json({
        algorithm => 'HMAC-SHA256', issued_at => time, user_id => $id }));
    my $mac = Digest::SHA::hmac_sha256($payload, $provider->client_secret);

    return $nginx->post('/_shop/notify/meta?deauthorize', 'signed_request='
                        . encode_base64url($mac) . ".$payload", @form);
}

sub ended {
    my ($session, $response, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    like($response->status, qr/^20[02]\z/, "$what: done")
        or diag($response->body);
    is(status($session), 401, '... and the session is over');

    # a failover may lose its end

    $session->store;
    is(status($session), 401, '... for good, here');
}

sub lives {
    my ($session, $response, $reason, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response->status, 400, "$what: refused");
    like($response->body, qr/"\Q$reason\E"/, "... as $reason");
    is(status($session), 200, '... and the session lives on');
}


for my $send (\&backchannel, \&notify) {
    my $as = $send == \&backchannel ? 'a logout token' : 'a notice';

    # made of two claims

    my $session = signed_in('entra', "${tenant}_one");

    lives($session, $send->('entra', { sub => 'one' }), 'subject_missing',
          "$as with \"sub\" alone");
    lives($session, $send->('entra', { sub => 'one', tid => $tenant }),
          'subject_missing', "$as with half of it");
    lives($session, $send->('entra', { oid => [ 'one' ], tid => $tenant }),
          'claims_malformed', "$as with a list in it");
    lives($session, $send->('entra', { oid => "o\nne", tid => $tenant }),
          'claims_malformed', "$as with a line feed in it");
    lives($session, $send->('entra', { oid => 'x' x 256, tid => $tenant }),
          'claims_malformed', "$as with too much of it");
    ended($session, $send->('entra', { sub => 'another one', oid => 'one',
                                       tid => $tenant }),
          "$as with both");

    $session = signed_in('slack', 'T1_U1');
    lives($session, $send->('slack', { sub => 'U1' }), 'subject_missing',
          "$as of another rule with \"sub\" alone");
    ended($session, $send->('slack', { $team => 'T1', $user => 'U1' }),
          "$as of another rule");

    # what is not in it may have been in the ID token

    $session = signed_in('first', 'two');
    lives($session, $send->('first', { sub => 'two' }), 'subject_missing',
          "$as without the first alternative");
    ended($session, $send->('first', { oid => 'two', sub => 'x' }),
          "$as with the first alternative");

    # userinfo has the same "sub": OpenID Connect Core 5.3.2

    $session = signed_in('userinfo', 'three');
    ended($session, $send->('userinfo', { sub => 'three' }),
          "$as for a rule about userinfo");
}

for my $subject ({ format => 'iss_sub' }, { subject_type => 'iss-sub' },
                 { subject_type => 'id_token_claims' })
{
    my ($as) = values %$subject;
    my $session = signed_in('entra', "${tenant}_four");
    my %who = (%$subject, iss => $provider->issuer('/entra'));

    lives($session, notify('entra', { sub_id => { %who, sub => 'four' } }),
          'subject_missing', "$as with \"sub\" alone");
    ended($session, notify('entra', { sub_id => {
              %who, sub => 'x', tid => $tenant, oid => 'four' } }),
          "$as with both");
}

# CAEP: who, in which session, on which device

{
    my $session = signed_in('userinfo', 'seven');
    my %who = (format => 'iss_sub', iss => $provider->issuer('/userinfo'),
               sub => 'seven');
    my %place = (format => 'complex',
                 session => { format => 'opaque', id => 'some session' },
                 device => { %who, sub => 'some device' });

    for my $case (
        [ 'somebody of another issuer', 'iss_mismatch',
          { %place, user => { %who, iss => 'https://evil.example' } } ],
        [ 'somebody of no format', 'claims_malformed',
          { %place, user => { sub => 'seven' } } ],
        [ 'nobody', 'claims_malformed', { %place, user => undef } ],
        [ 'a session alone', 'subject_missing', \%place ],
        [ 'somebody by an address', 'subject_missing',
          { %place, user => { format => 'email', email => 'a@b.example' } } ],
        [ 'one in another', 'subject_missing',
          { %place, user => { %place, user => \%who } } ],
        [ 'an opaque subject', 'subject_missing', $place{session} ],
        [ 'aliases', 'subject_missing',
          { format => 'aliases', identifiers => [ \%who ] } ])
    {
        my ($what, $reason, $subject) = @$case;

        lives($session, notify('userinfo', { sub_id => $subject }), $reason,
              "complex: $what");
    }

    is(notify('userinfo', { sub_id => $place{session}, events => {
           $revoked =~ s/session-revoked/device-change/r => {} } })->status,
       202, 'an event that asks for nothing may be about anybody');

    ended($session, notify('userinfo', { sub_id => {
              %place, user => \%who } }), 'a complex subject');

    $session = signed_in('userinfo', 'seven');
    ended($session, notify('userinfo', { events => { $revoked => {
              subject => { %place, user => \%who } } } }),
          'a complex subject of an event');
}

# one that was held back, or is told again, means who was signed in then

sub made {
    my ($session, $time) = @_;

    $redis->command('HSET', $session->key, created => $time);
}

{
    my $session = signed_in('userinfo', 'eight');
    my $hour = time - 3600;
    my %who = (sub => 'eight');

    for my $case (
        [ 'a logout token', backchannel('userinfo', { %who, iat => $hour }) ],
        [ 'a notice', notify('userinfo', { %who, iat => $hour }) ],
        [ 'a notice of long ago', notify('userinfo', { %who,
            events => { $revoked => { event_timestamp => $hour } } }) ],
        [ '... in milliseconds', notify('userinfo', { %who,
            events => { $revoked => {
                event_timestamp => $hour * 1000 + 643 } } }) ])
    {
        my ($what, $response) = @$case;

        like($response->status, qr/^20[02]\z/, "$what: done");
        is(status($session), 200, '... and who has signed in since is');
    }

    made($session, $hour + 60);
    ended($session, notify('userinfo', { %who, iat => $hour }),
          'a session that is as old, by clocks that differ');

    for my $case ([ 'later', time + 86400 ], [ 'a text', 'x' ],
                  [ 'zero', 0 ])
    {
        my ($what, $time) = @$case;

        $session = signed_in('userinfo', 'eight');
        ended($session, notify('userinfo', { %who, events => { $revoked => {
                  event_timestamp => $time } } }),
              "a time of the event that makes no sense: $what");
    }

    # clocks may differ, and "exp" was not asked for before 2023

    $session = signed_in('userinfo', 'ten');
    ended($session, backchannel('userinfo', { sub => 'ten',
                                              iat => time - 180 }),
          'a logout token by a clock that is slow');
    $session = signed_in('userinfo', 'ten');
    ended($session, backchannel('userinfo', { sub => 'ten', exp => undef }),
          'a logout token without an end');

    # a credential is in wrong hands also after that was discovered

    $session = signed_in('userinfo', 'ten');
    made($session, $hour + 1800);
    ended($session, notify('userinfo', { sub => 'ten', events => {
              $revoked =~ s/session-revoked/credential-compromise/r
                  => { event_timestamp => $hour } } }),
          'a credential that was found to be known to others');

    # of two events the later one

    $session = signed_in('userinfo', 'eight');
    made($session, $hour + 1800);
    ended($session, notify('userinfo', { %who, events => {
              $revoked => { event_timestamp => $hour },
              $revoked =~ s/session/tokens/r => {} } }),
          'two events, one of them of long ago');
    $session = signed_in('userinfo', 'eight');
    $redis->command('HDEL', $session->key, 'created');
    is(notify('userinfo', { %who, iat => $hour })->status, 202,
       'a session of which nobody knows when it was made');
    is($redis->command('EXISTS', $session->key), 0, '... ends');

    # what is unlinked is so whenever it was

    $session = signed_in('userinfo', 'nine');
    ended($session, notify('userinfo', { sub => 'nine', iat => $hour,
              events => { $revoked =~ s/session-revoked/user-unlinked/r
                          => {} } }),
          'an identity that was unlinked an hour ago');
}

{
    my $session = signed_in('meta', 'fb-17');

    ended($session, meta('17'), 'an id in a template');
    $session = signed_in('meta', 'fb-18');
    ended($session, meta(18), 'a number in a template');
}

# where the metadata of logout tokens can never be enough

$shop->refuses(404, 'notify_unsupported',
               backchannel('salesforce', { sub => 'x' }),
               'logout tokens where userinfo alone knows the subject');


# one provider for many tenants

sub of {
    my ($tid) = @_;

    return (iss => $provider->issuer('/many') . "/$tid", tid => $tid);
}

for my $send (\&backchannel, \&notify) {
    my $as = $send == \&backchannel ? 'a logout token' : 'a notice';
    my $session = signed_in('many', "${tenant}_five");
    my %who = (of($tenant), oid => 'five');

    lives($session, $send->('many', { %who, of($other), tid => $tenant }),
          'iss_mismatch', "$as of another tenant's issuer");
    lives($session, $send->('many', { %who, tid => 7 }), 'iss_mismatch',
          "$as with a number as tenant");
    lives($session, $send->('many', { %who, iss => $template }),
          'iss_mismatch', "$as of the template itself");
    lives($session, $send->('many', { %who, tid => undef }),
          'subject_missing', "$as that leaves the tenant to its issuer");

    # trap 2: a key that is of one tenant signs for no other one

    lives($session, $send->('many', \%who, key => 'rsa-2'), 'iss_mismatch',
          "$as that a key of another tenant has signed");
    lives($session, $send->('many', \%who, key => 'rsa-3'), 'iss_mismatch',
          "$as by a key whose issuer is no text");
    like($send->('many', { of($other), oid => 'five' }, key => 'rsa-2')
         ->status, qr/^20[02]\z/, "$as of that tenant, which it may sign");
    ended($session, $send->('many', \%who), "$as of the right tenant");
}

{
    my $session = signed_in('many', "${tenant}_six");
    my %who = (format => 'iss_sub', of($tenant), oid => 'six', sub => 'x');

    lives($session, notify('many', { of($other), sub_id => \%who },
                           key => 'rsa-2'),
          'iss_mismatch', 'somebody of another tenant than the key is of');
    ended($session, notify('many', { of($tenant), sub_id => \%who }),
          'somebody of the right tenant');
}

like($nginx->log, qr/\[error\] .* a notice of "entra" does not tell what /,
     'the operator is told of what cannot be carried out');
unlike($nginx->log, qr/\bfour\b|\bfb-1/, '... and not of whom');

done_testing();
