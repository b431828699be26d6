package Apache;

# Copyright (C) The ngx_shop authors

=head1 NAME

Apache - an Apache with mod_auth_openidc, in one process

=head1 SYNOPSIS

    my $apache = Apache->new(storefront => $nginx, provider => $provider);

    $apache->port;
    $apache->workers;                   # process ids
    $apache->log;

=head1 DESCRIPTION

/customer/ sets four constant headers, /claims/ wants a login.  Sessions are
in shared memory, claims go on as headers, as is the default.

=cut

use strict;
use warnings;

use ShopTest ();

my $modules = '/usr/lib/apache2/modules';


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        port => ShopTest::free_port(),
        dir  => ShopTest::temp_dir('apache'),
        %o,
    }, $class;

    my $dir = $self->{dir};
    my $provider = $o{provider};
    my $storefront = $o{storefront}->url;
    my $metadata = $provider->issuer . '/.well-known/openid-configuration';

    chmod 0755, ShopTest::temp_dir(), $dir;

    my $load = join '', map { "LoadModule ${_}_module $modules/mod_$_.so\n" }
               qw(mpm_event authn_core authz_core authz_user headers proxy
                  proxy_http auth_openidc);

    ShopTest::write_file("$dir/apache.conf", <<"END");
$load
ServerRoot $dir
ServerName 127.0.0.1
PidFile $dir/apache.pid
DefaultRuntimeDir $dir
Listen 127.0.0.1:$self->{port}
ErrorLog $dir/error.log
LogLevel error
User nobody
Group nogroup

ServerLimit 1
StartServers 1
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers 64
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 3600

OIDCProviderMetadataURL $metadata
OIDCClientID "@{[ $provider->client_id ]}"
OIDCClientSecret "@{[ $provider->client_secret ]}"
OIDCRedirectURI http://127.0.0.1:$self->{port}/claims/callback
OIDCCryptoPassphrase "not a secret"
OIDCScope "openid email profile"
OIDCPKCEMethod S256
OIDCRemoteUserClaim sub
OIDCCacheShmMax 5000
OIDCStateMaxNumberOfCookies 7 true

<Location /customer/>
    RequestHeader set X-Customer-Id "@{[ Bench::customer(1) ]}"
    RequestHeader set X-Customer-Provider "work"
    RequestHeader set X-Loyalty-Tier "$Bench::view{tier}"
    RequestHeader set X-Loyalty-Points "$Bench::view{points}"
    ProxyPass $storefront/customer/
</Location>

<Location /claims/>
    AuthType openid-connect
    Require valid-user
    ProxyPass $storefront/claims/
</Location>
END

    $self->{process} = ShopTest::spawn(
        name    => 'apache2',
        command => [ 'apache2', '-D', 'FOREGROUND', '-f',
                     "$dir/apache.conf" ],
        output  => "$dir/output.log",
    );

    ShopTest::register($self);

    eval { ShopTest::wait_port($self->{port}, $self->{process}); 1 }
        or die $@ . ShopTest::read_file("$dir/output.log") . $self->log;

    return $self;
}


sub port { return $_[0]->{port} }

sub url { return "http://127.0.0.1:$_[0]->{port}" }

sub log { return ShopTest::read_file("$_[0]->{dir}/error.log") }


sub workers {
    my ($self) = @_;

    return ShopTest::children($self->{process}{pid});
}


sub stop {
    my ($self) = @_;

    ShopTest::stop_process($self->{process}, 'TERM', 10);

    return;
}


1;
