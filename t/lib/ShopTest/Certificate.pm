package ShopTest::Certificate;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Certificate - an authority and its certificates, for one test

=head1 SYNOPSIS

    my $ca = ShopTest::Certificate->authority;

    $ca->file;                                  # its PEM, to be trusted

    my $provider = provider(tls => $ca->issue('localhost'));

    $ca->issue('localhost', expired => 1);
    $ca->issue('other.example');                # wrong name
    ShopTest::Certificate->self_signed('localhost');

issue() and self_signed() return arguments of IO::Socket::SSL for a server;
issue_files() the names of two PEM files, certificate and key, for other
programs.  "purpose" is "server" unless given.  More: "protocol", e.g.
'TLSv1_1', sets SSL_version and lowers the security level for it.

=cut

use strict;
use warnings;

use IO::Socket::SSL ();
use IO::Socket::SSL::Utils ();

use ShopTest ();

my $serial = 1000;


sub authority {
    my ($class) = @_;

    my ($cert, $key) = IO::Socket::SSL::Utils::CERT_create(
        CA        => 1,
        subject   => { CN => 'Test authority ' . ++$serial },
        not_after => time + 86400,
        serial    => $serial,
    );

    my $self = bless {
        cert => $cert, key => $key,
        file => ShopTest::temp_dir() . "/ca-$serial.pem",
    }, $class;

    ShopTest::write_file($self->{file},
                         IO::Socket::SSL::Utils::PEM_cert2string($cert));

    return $self;
}


sub file { return $_[0]->{file} }


sub issue {
    my ($self, $name, %o) = @_;

    return server($name, %o, issuer => [ $self->{cert}, $self->{key} ]);
}


sub issue_files {
    my ($self, $name, %o) = @_;

    my $tls = $self->issue($name, %o);
    my $path = ShopTest::temp_dir() . "/cert-$serial";

    return (
        ShopTest::write_file("$path.pem",
            IO::Socket::SSL::Utils::PEM_cert2string($tls->{SSL_cert}), 0644),
        ShopTest::write_file("$path.key",
            IO::Socket::SSL::Utils::PEM_key2string($tls->{SSL_key}), 0644),
    );
}


sub self_signed {
    my ($class, $name, %o) = @_;

    return server($name, %o);
}


sub server {
    my ($name, %o) = @_;

    my ($cert, $key) = IO::Socket::SSL::Utils::CERT_create(
        subject         => { CN => $name },
        subjectAltNames => [ [ $name =~ /^[\d.]+$/ ? 'IP' : 'DNS', $name ] ],
        not_before      => time - 7 * 86400,
        not_after       => time + ($o{expired} ? -86400 : 86400),
        serial          => ++$serial,
        purpose         => $o{purpose} || 'server',
        $o{issuer} ? (issuer => $o{issuer}) : (),
    );

    my %tls = (SSL_cert => $cert, SSL_key => $key);

    if ($o{protocol}) {
        $tls{SSL_version} = $o{protocol};
        $tls{SSL_cipher_list} = 'ALL:@SECLEVEL=0';
    }

    return \%tls;
}


1;
