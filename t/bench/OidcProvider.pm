package OidcProvider;

# Copyright (C) The ngx_shop authors

=head1 NAME

OidcProvider - the npm package oidc-provider, for logins that are measured

=head1 SYNOPSIS

    my $provider = OidcProvider->new;

    $provider->conf('work');                    # as ShopTest::Provider has it
    $provider->begin($redirect_uri);            # for its one client
    $provider->approve($browser, $page, 'ann', $until);

=head1 DESCRIPTION

Its address is known before it begins, as its client's has to be, too.

=cut

use strict;
use warnings;

use ShopTest ();
use ShopTest::Browser ();
use ShopTest::Peer ();
use ShopTest::Provider ();


sub new {
    my ($class) = @_;

    return bless { port => ShopTest::free_port(), client_id => 'shop',
                   client_secret => 'a secret of 32 bytes, or more of it' },
                 $class;
}


sub issuer { return "http://localhost:$_[0]->{port}" }

sub client_id { return $_[0]->{client_id} }

sub client_secret { return $_[0]->{client_secret} }

sub conf { return ShopTest::Provider::conf(@_) }


sub begin {
    my ($self, $redirect_uri) = @_;

    my $peer = Bench::on('load', sub {
        ShopTest::Peer->new('provider.mjs', {
            port => $self->{port}, clients => [ {
                id       => $self->client_id,
                secret   => $self->client_secret,
                redirect => $redirect_uri,
                auth     => 'client_secret_basic',
            } ] })
    });

    return $peer->wait_line(qr/^listening$/m);
}


# one page asks for a name and any password, one for consent

sub approve {
    my ($self, $browser, $page, $subject, $until) = @_;

    for (1 .. 2) {
        my $form = ShopTest::Browser::form($page->body)
            or die "oidc-provider answers $page->{status} without a form\n";
        my $body = $form->{body};

        $body =~ s/(^|&)login=/$1login=$subject/;
        $body =~ s/(^|&)password=/$1password=any/;

        $page = $browser->submit($form->{url}, $body, until => $until);
    }

    return $page;
}


1;
