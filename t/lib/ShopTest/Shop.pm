package ShopTest::Shop;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Shop - a whole shop for a test: Redis, provider, backend, nginx

=head1 SYNOPSIS

    my $shop = shop(
        provider_conf => 'label "Work";',       # more in its block
        http     => 'shop_session idle=1h;',    # more, on each level
        server   => '...',
        location => '...',                      # in "location /"
    );

    my $browser = $shop->browser;               # on the shop's front page

    my $page = $shop->login($browser, '/account/');     # signs in, whole

    my $url = $shop->attempt($browser);         # up to the callback's URL,
    $shop->callback($browser, $url);            # which is asked here

    $shop->me($browser);                        # JSON, undef: anonymous

    $shop->signs_in('row 1: a conforming provider');
    $shop->refuses(400, 'state_unknown', $response, 'row 2: ...');

    $shop->is_idle('before');           # nothing is left open: see there

    $shop->nginx;  $shop->redis;  $shop->provider;  $shop->backend;

=head1 DESCRIPTION

"location /" is open, "/account/" wants a session, both pass to the backend
with loyalty on.  The provider is "work"; "providers" gives others instead,
as { NAME => '/path' } of the one mock (see "at" of ShopTest::Provider) or
{ NAME => $provider }.  With "listen" as "reuseport" some connections in a row
meet all workers, where otherwise one may have them all.  The client secret,
and the code, the state and the cookies of every login() are secrets no log may
hold.

=cut

use strict;
use warnings;

use Test::More ();

use ShopTest ();
use ShopTest::Browser ();


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        http => '', server => '', location => '', provider_conf => '',
        listen => '',
        zone => 'shop:8m',
        program => <<'END',
    loyalty_program {
        currency EUR;
        tier bronze;
        tier silver points=1000;
        tier gold points=5000;
        earn signup 100;
        earn login 5;
        promotion WELCOME-10 { audience new; }
    }
END
        %o,
    }, $class;

    $self->{redis} ||= ShopTest::redis();
    $self->{provider} ||= ShopTest::provider();
    $self->{backend} ||= ShopTest::backend();

    my $keys = ShopTest::key_file();

    my $providers = $self->{providers} || { work => '' };
    my $blocks = '';

    for my $name (sort keys %$providers) {
        my $p = $providers->{$name};

        $blocks .= ref $p ? $p->conf($name, $self->{provider_conf})
            : $self->{provider}->conf($name, $self->{provider_conf}, $p);
    }

    my $loyalty = length $self->{program} ? 'loyalty on;' : '';

    $self->{nginx} = ShopTest::nginx(
        %{ $self->{nginx_options} || {} },
        vars => { redis => $self->{redis}->url,
                  backend => $self->{backend}->url,
                  %{ $self->{vars} || {} } },
        http => <<"END");
    shop_redis       %%redis%%;
    shop_zone        $self->{zone};
    shop_secret_file $keys;

$blocks
$self->{program}
$self->{http}

    server {
        listen        127.0.0.1:%%port%% $self->{listen};
        shop_base_url @{[ $self->{base_url} || 'http://127.0.0.1:%%port%%' ]};
        social_login  on;
$self->{server}

        location = /_status {
            access_log off;
            stub_status;
        }

        location / {
            $loyalty
            proxy_pass %%backend%%;
$self->{location}
        }

        location /account/ {
            social_login_required on;
            $loyalty
            proxy_pass %%backend%%;
        }
    }
END

    $self->{url} = $self->{base_url} || $self->{nginx}->url;

    my $secret = $self->{provider}->client_secret;

    $self->{nginx}->keep_secret($secret, ShopTest::Browser::escape($secret));

    return $self;
}


sub nginx { return $_[0]->{nginx} }

sub redis { return $_[0]->{redis} }

sub provider { return $_[0]->{provider} }

sub backend { return $_[0]->{backend} }

sub url { return $_[0]->{url} }


sub browser {
    my ($self) = @_;

    my $browser = ShopTest::browser(route => {
        $self->{base_url} ? ($self->{base_url} => $self->{nginx}->port) : ()
    });

    $browser->leave("$self->{url}/");

    return $browser;
}


# --- signing in -----------------------------------------------------------


# The customer clicks on the shop's page; returns the callback's URL, which
# was not asked yet, or dies with what came instead.

sub attempt {
    my ($self, $browser, %o) = @_;

    my $response = $self->start($browser, %o);
    my $url = $response->header('Location');

    die "no callback but $response->{status}: " . $response->body . "\n"
        unless defined $url && $url =~ m{/callback/};

    return $url;
}


# the last response before the callback

sub start {
    my ($self, $browser, %o) = @_;
    my $name = $o{name} || 'work';
    my $return = $o{return} || '/';

    $browser->leave("$self->{url}/");

    return $browser->click(
        "/_shop/login/$name?return=" . ShopTest::Browser::escape($return)
        . ($o{more} || ''),
        until => qr{/callback/}, accept => $o{accept});
}


# asks the callback as the provider's redirect does, without following;
# problems come as JSON

sub callback {
    my ($self, $browser, $url, %o) = @_;

    $browser->leave($self->{provider}->issuer . '/authorize');

    return $browser->click($url, follow => 0, accept => 'application/json',
                           %o);
}


# all of it; returns the page that follows

sub login {
    my ($self, $browser, $return, %o) = @_;

    my $url = $self->attempt($browser, %o, return => $return);
    my ($args) = $url =~ /\?(.*)/;
    my $fields = ShopTest::Server::query_fields($args);

    $self->{nginx}->keep_secret(grep { defined && !ref }
                                @$fields{qw(code state)});

    $browser->leave($self->{provider}->issuer . '/authorize');

    my $page = $browser->click($url);

    $self->{nginx}->keep_secret($browser->secrets);

    return $page;
}


sub me {
    my ($self, $browser) = @_;

    # asked by a page of the shop, whatever page the browser is on

    local $browser->{url} = "$self->{url}/";

    my $response = $browser->fetch('GET', '/_shop/me');

    return $response->status == 200 ? $response->json : undef;
}


# --- checks ---------------------------------------------------------------


# a new browser can sign in; returns it

sub signs_in {
    my ($self, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $browser = $self->browser;
    my $response = eval {
        $self->callback($browser, $self->attempt($browser, %o))
    };

    my $ok = $response && $response->status == 303 && $self->me($browser);

    Test::More::ok($ok, "$name: signs in")
        or Test::More::diag($response ? shown($response) : $@);

    return $browser;
}


# a new browser cannot; "status" and "reason" may be regular expressions

sub fails {
    my ($self, $status, $reason, $name, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $browser = $self->browser;
    my $response = $self->start($browser, accept => 'application/json', %o);
    my $url = $response->header('Location');

    $response = $self->callback($browser, $url)
        if defined $url && $url =~ m{/callback/};

    $self->refuses($status, $reason, $response, $name, $browser);

    return $browser;
}


# the response is a problem, and nobody is signed in

sub refuses {
    my ($self, $status, $reason, $response, $name, $browser) = @_;

    my $problem = eval { $response->json } || {};
    my $is = defined $problem->{reason} ? $problem->{reason} : 'none';
    my $cookie = grep { /^(?:__Host-|__Secure-)?shop=(?!;)/ }
                 $response->headers('Set-Cookie');

    my $ok = matches($response->status, $status) && matches($is, $reason)
             && !$cookie && (!$browser || !$self->me($browser));

    Test::More::ok($ok, "$name: refused")
        or Test::More::diag("wanted $status $reason, nobody signed in, ",
                            'got ', shown($response));

    return $ok;
}


# Nobody is connected, no more is open to Redis than is configured, nothing to
# the provider that it has closed, and nothing else that was not there when
# this was first called: some login is to be before that.

sub is_idle {
    my ($self, $name, $redis_port) = @_;
    my $left;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $ok = eval {
        ShopTest::wait_for { !($left = $self->left($redis_port)) }
                           'nothing to be open', 15
    };

    return Test::More::ok($ok, "$name: nothing is left open")
           || Test::More::diag($left);
}


sub left {
    my ($self, $redis_port) = @_;
    my $nginx = $self->{nginx};

    my $status = $nginx->get('/_status')->body;

    return $status if $status !~ /^Active connections: 1 /
                      || $status !~ /Reading: 0 Writing: 1 Waiting: 0/;

    my $files = $nginx->open_files;
    my %mine = map { $_ => 1 } values %{ $nginx->{ports} };
    my %to;

    for (@{ $files->{tcp} }) {
        my ($here, $there) = @$_;

        return "a client at port $there" if $mine{$here};

        $to{$there}++;
    }

    my $redis = delete $to{ $redis_port || $self->{redis}->port } || 0;
    my $provider = delete $to{ $self->{provider}->port } || 0;
    my $open = $self->{provider}->open_connections;

    # each worker's, and the two by which one is told of changes

    return "$redis connections to Redis" if $redis > 2 * $nginx->workers + 2;
    return "$provider to the provider, which has $open"
        if $provider > $open;

    return 'connections to ' . join ', ', %to if %to;

    $self->{other} = $files->{other} unless defined $self->{other};

    return "$files->{other} of $self->{other} other files"
        if $files->{other} != $self->{other};

    return;
}


sub shown {
    my ($response) = @_;

    return join "\n", $response->status,
        (map { "Set-Cookie: $_" } $response->headers('Set-Cookie')),
        (map { "Location: $_" } $response->headers('Location')),
        substr $response->body, 0, 500;
}


sub matches {
    my ($value, $wanted) = @_;

    return ref $wanted ? $value =~ $wanted : $value eq $wanted;
}


1;
