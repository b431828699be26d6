package ShopTest::Glewlwyd;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Glewlwyd - the OpenID provider of Debian's package glewlwyd

=head1 SYNOPSIS

    use ShopTest::Glewlwyd;             # skips all where there are no peers

    my $glewlwyd = ShopTest::Glewlwyd->new(
        base    => 'https://shop.example.com',
        clients => [ { name => 'work', auth => 'client_secret_basic',
                       secret => 's', alg => 'ES256', conf => '' } ],
        users   => [ { username => 'ann', email => 'ann@example.com' } ],
    );

    $glewlwyd->authority;               # PEM, to be trusted
    $glewlwyd->issuer;
    $glewlwyd->conf('work');            # as ShopTest::Provider has it

    $browser->click('/_shop/login/work');
    my $page = $glewlwyd->sign_in($browser, 'ann', qw(openid email));

=head1 DESCRIPTION

It runs from the folder to which "./build.sh test" has unpacked it, speaks TLS
by GnuTLS, keeps its data in SQLite, and is configured over its own API, as an
administrator does it: PKCE is a must, and each client has its tokens signed
by the key of its "alg".  A client without a secret is a public one.  Users
have their username as password.

sign_in() does what the script of the login page does, which is the one that
the browser is on: the password, consent to these scopes, and back to where it
came from.  It returns the answer that leads to the callback: a redirect that
was not followed, or a page with a form.

=cut

use strict;
use warnings;

use Crypt::PK::ECC ();
use Crypt::PK::RSA ();
use JSON::PP ();

use ShopTest ();
use ShopTest::Browser ();
use ShopTest::Certificate ();
use ShopTest::Peer ();
use ShopTest::Server ();

our @ISA = 'ShopTest::Peer';

my $json = JSON::PP->new->canonical->utf8;
my ($yes, $no) = (JSON::PP::true, JSON::PP::false);


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        %o,
        ca   => ShopTest::Certificate->authority,
        dir  => ShopTest::temp_dir('glewlwyd'),
        port => ShopTest::free_port(),
    }, $class;

    my $root = ShopTest::Peer::build() . '/glewlwyd';
    my ($libraries) = glob "$root/usr/lib/*-linux-gnu";

    die "$root is missing: ./build.sh test\n" unless defined $libraries;

    $self->write_database("$root/usr/share/dbconfig-common/data/glewlwyd"
                          . '/install/sqlite3');
    $self->write_conf("$root/usr/lib/glewlwyd", "$root/usr/share/glewlwyd");

    $self->spawn('glewlwyd', 'env', "LD_LIBRARY_PATH=$libraries",
                 "$root/usr/bin/glewlwyd", '-c', "$self->{dir}/conf");

    eval { ShopTest::wait_port($self->{port}, $self->{process}, 60); 1 }
        or die $@ . $self->output;

    $self->configure;

    return $self;
}


sub origin { return "https://localhost:$_[0]->{port}" }

sub issuer { return $_[0]->origin . '/api/oidc' }

sub authority { return $_[0]->{ca}->file }

sub client_secret { return '' }


sub conf {
    my ($self, $name) = @_;
    my ($client) = grep { $_->{name} eq $name } @{ $self->{clients} };
    my $more = defined $client->{conf} ? $client->{conf} : '';

    if (defined $client->{secret}) {
        my $file = ShopTest::write_file(ShopTest::temp_dir()
            . "/$name.secret", $client->{secret}, 0600);

        $more .= " client_secret_file $file;";
    }

    return <<"END";
    social_provider $name {
        preset    @{[ $client->{preset} || 'oidc' ]};
        issuer    @{[ $self->issuer ]};
        client_id $name;
        alg       $client->{alg};
        $more
    }
END
}


# --- the server -----------------------------------------------------------


sub write_database {
    my ($self, $schema) = @_;

    open my $sqlite, '|-', 'sqlite3', "$self->{dir}/db"
        or die "sqlite3: $!\n";
    print {$sqlite} "BEGIN;\n", ShopTest::read_file($schema), "COMMIT;\n";
    close $sqlite or die "sqlite3: status $?\n";
}


sub write_conf {
    my ($self, $modules, $share) = @_;
    my ($certificate, $key) = $self->{ca}->issue_files('localhost');

    mkdir "$self->{dir}/none" or die "mkdir $self->{dir}/none: $!\n";

    ShopTest::write_file("$self->{dir}/conf", <<"END");
port=$self->{port}
bind_address="127.0.0.1"
external_url="@{[ $self->origin ]}"
cookie_domain="localhost"
cookie_secure=1
log_mode="console"
log_level="DEBUG"
static_files_path="$share/webapp"
static_files_mime_types=({ extension=".html" mime_type="text/html" })
user_module_path="$modules/user"
user_middleware_module_path="$self->{dir}/none"
client_module_path="$modules/client"
user_auth_scheme_module_path="$modules/scheme"
plugin_module_path="$modules/plugin"
use_secure_connection=true
secure_connection_key_file="$key"
secure_connection_pem_file="$certificate"
database={ type="sqlite3"; path="$self->{dir}/db"; };
END
}


# --- what an administrator does -------------------------------------------


sub configure {
    my ($self) = @_;
    my $browser = ShopTest::browser();

    $browser->leave($self->origin . '/');
    api($browser, POST => '/auth/',
        { username => 'admin', password => 'password' });

    allow($browser, 'user', 'email_verified');
    allow($browser, 'client', 'sign_kid');

    api($browser, POST => '/scope/',
        { name => $_, password_required => $yes, scheme => {} })
        for qw(email profile);

    api($browser, POST => '/mod/plugin/', {
        module => 'oidc', name => 'oidc', display_name => 'OpenID Connect',
        parameters => $self->plugin,
    });

    api($browser, POST => '/client/', {
        client_id    => $_->{name},
        confidential => defined $_->{secret} ? $yes : $no,
        defined $_->{secret} ? (password => $_->{secret}) : (),
        scope        => [],
        redirect_uri => [ "$self->{base}/_shop/callback/$_->{name}" ],
        sign_kid     => $_->{alg},
        authorization_type => [ 'code' ],
        token_endpoint_auth_method => [ $_->{auth} ],
    }) for @{ $self->{clients} };

    api($browser, POST => '/user/', {
        password => $_->{username},
        scope    => [ qw(g_profile openid email profile) ],
        %$_,
    }) for @{ $self->{users} };
}


sub plugin {
    my ($self) = @_;
    my %key = (
        RS256 => Crypt::PK::RSA->new->generate_key(256),
        ES256 => Crypt::PK::ECC->new->generate_key('secp256r1'),
        ES384 => Crypt::PK::ECC->new->generate_key('secp384r1'),
    );

    my @keys = map {
        { %{ $key{$_}->export_key_jwk('private', 1) }, kid => $_, alg => $_ }
    } sort keys %key;

    return {
        iss                         => $self->issuer,
        'jwks-private'              => $json->encode({ keys => \@keys }),
        'jwks-show'                 => $yes,
        'client-sign_kid-parameter' => 'sign_kid',
        'access-token-duration'     => 3600,
        'refresh-token-duration'    => 3600,
        'code-duration'             => 600,
        'auth-type-code-enabled'    => $yes,
        'pkce-allowed'              => $yes,
        'pkce-required'             => $yes,
        'oauth-as-iss-id'           => $yes,
        'allowed-scope'             => [ qw(openid email profile) ],
        'name-claim'                => 'on-demand',
        'name-claim-scope'          => [ 'profile' ],
        'email-claim'               => 'on-demand',
        'email-claim-scope'         => [ 'email' ],
        claims => [ {
            name      => 'email_verified', 'user-property' => 'email_verified',
            type      => 'boolean',
            mandatory => $no, 'on-demand' => $yes, scope => [ 'email' ],
            'boolean-value-true' => 'yes', 'boolean-value-false' => 'no',
        } ],
    };
}


# one more property of its users or clients

sub allow {
    my ($browser, $kind, $property) = @_;
    my $module = api($browser, GET => "/mod/$kind/database");

    $module->{parameters}{'data-format'}{$property}
        = { multiple => $no, read => $yes, write => $yes };

    api($browser, PUT => "/mod/$kind/database", $module);
    api($browser, PUT => "/mod/$kind/database/reset");
}


# --- what the login page does ---------------------------------------------


sub sign_in {
    my ($self, $browser, $user, @scopes) = @_;
    my ($args) = $browser->url =~ m{/login\.html\?(.*)}
        or die "not on the login page, but at ", $browser->url, "\n";
    my $f = ShopTest::Server::query_fields($args);

    api($browser, POST => '/auth/',
        { username => $user, password => $user });
    api($browser, PUT => "/auth/grant/$f->{client_id}",
        { scope => "@scopes" });

    return $browser->click("$f->{callback_url}&g_continue",
                           until => qr{^\Q$self->{base}\E/});
}


# a request of a script of its own, and the JSON that is answered

sub api {
    my ($browser, $method, $path, $what) = @_;

    my $response = $browser->fetch($method, "/api$path", $what ? (
        type => 'application/json', body => $json->encode($what),
    ) : ());

    die "glewlwyd: $method $path: $response->{status} ", $response->body
        if $response->status != 200;

    return length $response->body ? $response->json : undef;
}


1;
