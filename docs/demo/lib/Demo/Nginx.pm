package Demo::Nginx;

# Copyright (C) The ngx_shop authors

=head1 NAME

Demo::Nginx - the nginx of the demo, with the configuration beside it

=cut

use strict;
use warnings;

use parent 'ShopTest::Nginx';

use Crypt::PRNG ();
use File::Path ();
use FindBin ();

use ShopTest ();


sub new {
    my ($class, %o) = @_;

    my $self = $class->SUPER::new;

    $self->{dir} = $o{dir} if defined $o{dir};
    $self->{ports}{port} = $o{port};

    File::Path::make_path("$self->{dir}/logs");

    # of a demo that had the same folder

    unlink map { "$self->{dir}/logs/$_.log" } qw(access error output);

    $self->{conf} = ShopTest::read_file("$FindBin::Bin/nginx.conf");

    $self->{vars} = {
        module          => ShopTest::Nginx::module_path(
                               'TEST_NGINX_MODULE',
                               'ngx_http_shop_module.so'),
        base_url        => $self->url,
        redis_port      => $o{redis}->port,
        storefront_port => $o{storefront}->port,
        issuer          => $o{provider}->issuer,
        client_id       => $o{provider}->client_id,
    };

    $self->write('private.conf', $self->private_conf, 0644);
    $self->write('shop.keys', Crypt::PRNG::random_bytes_hex(32) . "\n", 0600);
    $self->write('events.keys', "$o{orders}{id}:$o{orders}{key}\n", 0600);
    $self->write('demo.secret', $o{provider}->client_secret, 0600);

    return $self;
}


sub write {
    my ($self, $name, $text, $mode) = @_;

    return ShopTest::write_file("$self->{dir}/$name", $text, $mode);
}


sub private_conf {
    my ($self) = @_;
    my $text = "access_log logs/access.log;\n";

    $text .= "client_body_temp_path body;\n";

    for my $name (qw(proxy fastcgi uwsgi scgi)) {
        next if ShopTest::Nginx::build()->{text}
                =~ /--without-http_${name}_module/;

        $text .= "${name}_temp_path $name;\n";
    }

    return $text;
}


# What is no example for a shop is told by the command: nginx stays in this
# terminal, its workers may read the private folder, its log is there.

sub command {
    my ($self) = @_;

    my @globals = (
        'daemon off', "pid $self->{dir}/nginx.pid",
        "error_log $self->{dir}/logs/error.log info",
        $> == 0 ? 'user root root' : (),
    );

    return ($self->SUPER::command, '-g', join('; ', @globals) . ';');
}


sub stop {
    my ($self) = @_;
    my $process = delete $self->{process} or return;

    ShopTest::stop_process($process, 'TERM', 5);

    return;
}


sub last_lines {
    my ($self) = @_;
    my @lines = split /^/, $self->log;

    return @lines > 10 ? @lines[-10 .. -1] : @lines;
}


1;
