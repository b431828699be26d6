# A provider signs by a new key.  One worker fetches the keys anew, once in 30
# seconds: logins of the others wait for it and are not refused, and what
# nobody can judge meanwhile is not called wrong where a "no" is final.

use lib 't/lib';
use ShopTest;

use ShopTest::Browser;

my $logout = 'http://schemas.openid.net/event/backchannel-logout';
my @form = ('Content-Type' => 'application/x-www-form-urlencoded');


sub logout_token {
    my ($provider, %o) = @_;

    return $provider->sign({ %o, header => { typ => 'logout+jwt' },
        claims => { iss => $provider->issuer, iat => time, jti => 'j',
                    aud => $provider->client_id, sub => 'user-1',
                    events => { $logout => {} }, exp => time + 120 } });
}


# --- two workers

# A shop whose provider has just changed its key, with a login for each of some
# browsers: the one of the first is at worker A, which fetches the keys, the
# others, and what "more" starts, are at worker B.  Who is stopped takes no
# connections, so that each is where it should be; A goes on when all of B's
# have their token.  The kernel wakes one worker for a connection, which may be
# the one that is stopped: the next connection wakes the other.

sub race {
    my ($fault, $leaves, $more) = @_;
    my $shop = shop(nginx_options => { workers => 2, level => 'info' },
                    server => 'keepalive_timeout 0;');
    my $provider = $shop->provider;
    my ($x, $y);

    wait_for { ($x, $y) = $shop->nginx->workers; defined $y } 'both workers';

    $shop->signs_in('before');

    $provider->public_key('rsa-2');
    $provider->rotate('rsa-2');
    $provider->set({ fault => { jwks => $fault } });

    my @logins = map {
        my $browser = $shop->browser;

        [ $browser, $shop->attempt($browser) ];
    } 0 .. 10 + $leaves;

    $provider->forget;

    my @started;

    my $begin = sub {
        my ($browser, $url) = @{ $_[0] };

        $browser->leave($provider->issuer . '/authorize');
        push @started, $browser->start($url, accept => 'application/json');
    };

    my $until = sub {
        my ($done, $what) = @_;

        wait_for { $done->() || do { $shop->nginx->connect->close; 0 } } $what,
            60;
    };

    kill 'STOP', $y;
    $begin->(shift @logins);
    $until->(sub { $provider->count('/jwks') == 1 },
             'the keys to be asked for');

    kill 'CONT', $y;
    kill 'STOP', $x;
    $begin->($_) for @logins;
    $until->(sub { $provider->count('/token') == @started }, 'all tokens');

    push @started, $more->($shop) if $more;

    # in the middle of it

    is($shop->nginx->get('/_shop/me')->status, 401, 'worker B is there');

    (pop @started)->close for 1 .. $leaves;

    kill 'CONT', $x;

    return ($shop, map { $_->response } @started);
}

{
    my ($shop, @responses) = race({ wait => 1 }, 2);
    my $provider = $shop->provider;

    is(join(' ', map { $_->status } @responses), join(' ', (303) x 11),
       'a new key: logins of both workers');
    is($provider->count('/jwks'), 1, '... for which it is fetched once');
    $shop->signs_in('... and then');
    $shop->is_idle('... and who has left');
    is($provider->count('/jwks'), 1, '... is no reason to fetch it again');
}

{
    my ($shop, $first, @others) = race({ wait => 1, status => 503 }, 0, sub {
        my ($shop) = @_;
        my $c = $shop->nginx->connect;

        $c->send('POST', '/_shop/backchannel/work', headers => [@form],
                 body => 'logout_token=' . logout_token($shop->provider));

        return $c;
    });
    my $notice = pop @others;

    $shop->refuses(502, 'keys_error', $first, 'no keys: at worker A');
    $shop->refuses(502, 'key_unknown', $_, 'no keys: at worker B')
        for @others;
    $shop->refuses(503, 'keys_pending', $notice, 'no keys: a logout token');

    is($shop->provider->count('/jwks'), 1, '... and asked for once');
    $shop->is_idle('no keys');
}


# --- a notice

{
    my $shop = shop(nginx_options => { level => 'info' });
    my $nginx = $shop->nginx;
    my $provider = $shop->provider;

    my $send = sub {
        return $nginx->post('/_shop/backchannel/work', "logout_token=$_[0]",
                            @form);
    };

    my $browser = $shop->signs_in('a customer');

    is($send->(logout_token($provider, kid => 'made-up'))->status, 400,
       'a logout token with a made-up key: the keys are looked at');

    $provider->rotate('rsa-2');
    $provider->forget;

    my $genuine = logout_token($provider);
    my $response = $send->($genuine);

    $shop->refuses(503, 'keys_pending', $response,
                   'a genuine one within 30 seconds');
    ok($response->header('Retry-After'), '... and is to come again');
    unlike($nginx->log, qr/\[error\].*keys_pending/,
           '... which anybody could bring about, so it is no error');
    is($provider->count('/jwks'), 0, '... nothing was fetched for it');
    ok($shop->me($browser), '... the session lives on');

    # a zone of another size begins anew, as after these 30 seconds

    $nginx->reload(http => $nginx->{http} =~ s/shop:8m/shop:9m/r);

    is($send->($genuine)->status, 200, 'the same again, later: done');
    ok(!$shop->me($browser), '... and the session is over');
}

done_testing();
