package Demo::Provider;

# Copyright (C) The ngx_shop authors

=head1 NAME

Demo::Provider - an OpenID provider where one is whom one clicks on

=head1 DESCRIPTION

L<ShopTest::Provider> with a page of personas before the answer, as other
providers have a page that asks for a password.

=cut

use strict;
use warnings;

use parent 'ShopTest::Provider';

use JSON::PP ();

use Demo::Page ();
use ShopTest::Server qw(answer query_fields);


# "past" is what they earned before the demo began

my @personas = (
    {
        name => 'nora',
        text => 'was never here before. Signing in makes her a customer, '
              . 'with the points of a welcome.',
        user => person('Nora', 'Newcomer'),
    },
    {
        name => 'sam',
        text => 'buys a birthday present now and then, and got as far as '
              . 'silver.',
        tier => 'silver',
        user => person('Sam', 'Silver'),
        past => [
            { days => 410, kind => 'signup', points => 100,
              event => 'signup' },
            { days => 380, kind => 'order', points => 640,
              event => 'order-1007' },
            { days => 95, kind => 'order', points => 510,
              event => 'order-1311' },
        ],
    },
    {
        name => 'greta',
        text => 'furnished a whole house here. The shop thinks the world '
              . 'of her.',
        tier => 'gold',
        user => person('Greta', 'Gold'),
        past => [
            { days => 900, kind => 'signup', points => 100,
              event => 'signup' },
            { days => 880, kind => 'order', points => 2180,
              event => 'order-0412' },
            { days => 350, kind => 'order', points => 1900,
              event => 'order-1042' },
            { days => 20, kind => 'order', points => 2250,
              event => 'order-1502' },
        ],
    },
);


sub person {
    my ($given, $family) = @_;

    return {
        sub            => lc "$given.$family",
        name           => "$given $family",
        given_name     => $given,
        family_name    => $family,
        email          => lc "$given\@example.com",
        email_verified => JSON::PP::true,
        locale         => 'en',
    };
}


sub new {
    my ($class, %o) = @_;

    return $class->SUPER::new(
        client_id     => 'demo-shop',
        client_secret => ShopTest::Provider::random_text(),
        %o,
    );
}


sub personas { return @personas }


sub handle {
    my ($self, $request) = @_;

    return Demo::Page::style() if $request->{path} eq '/style.css';

    return page('A provider of identities', <<'END')
<p>People have accounts here, and shops may ask who they are. To see that,
start from the shop.</p>
END
        if $request->{path} eq '/';

    return $self->SUPER::handle($request);
}


# The whole request comes again with the persona that was chosen.  Who goes
# back and chooses again sends the same one once more, which is no offense of
# the shop.

sub serve_authorize {
    my ($self, $request) = @_;
    my $args = $request->{args};

    return $self->choose($request)
        unless $args =~ s/(?:^|&)persona=([^&]*)//;

    my $choice = $1;
    my ($persona) = grep { $_->{name} eq $choice } @personas;

    $self->{state}{user} = $persona->{user} if $persona;
    $self->{state}{error} = 'access_denied' unless $persona;

    local $self->{used} = {};

    return $self->SUPER::serve_authorize({ %$request, args => $args });
}


sub choose {
    my ($self, $request) = @_;
    my $uri = ShopTest::Provider::html($request->{uri});

    my $people = join '', map { <<"END" } @personas;
<li><a class="persona" href="$uri&amp;persona=$_->{name}">
<span class="face @{[ $_->{tier} || 'new' ]}" aria-hidden="true">@{[
    substr $_->{user}{name}, 0, 1 ]}</span>
<span><strong>$_->{user}{name}</strong> $_->{text}</span>
</a></li>
END

    return page('Who are you?', <<"END");
<p>The shop would like to know. It is told your name and your e-mail address,
and no password is needed, as nobody here is real.</p>
<ul class="people">
$people</ul>
<p><a class="quiet" href="$uri&amp;persona=deny">None of the shop's business:
go back without signing in</a></p>
END
}


sub page {
    my ($title, $text) = @_;

    return Demo::Page::page(
        title => $title,
        class => 'provider',
        head  => '<span class="brand">Demo accounts</span>',
        body  => "<h1>$title</h1>\n$text",
        foot  => 'This is the identity provider: another site than the '
               . 'shop, which never sees how you prove who you are.',
    );
}


1;
