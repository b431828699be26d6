# Row 19: a provider is spoken to under its own name, proved by a chain that
# is trusted, by TLS 1.2 or newer, or not at all.

use lib 't/lib';
use ShopTest;

use ShopTest::Certificate ();

my $ca = ShopTest::Certificate->authority;
my $other = ShopTest::Certificate->authority;

my %provider = (
    good      => [ $ca->issue('localhost') ],
    tls12     => [ { %{ $ca->issue('localhost') },
                     SSL_version => 'TLSv1_2' } ],
    expired   => [ $ca->issue('localhost', expired => 1) ],
    name      => [ $ca->issue('other.example') ],
    suffix    => [ $ca->issue('localhost.example') ],
    wildcard  => [ $ca->issue('*') ],
    untrusted => [ $other->issue('localhost') ],
    self      => [ ShopTest::Certificate->self_signed('localhost') ],
    old       => [ $ca->issue('localhost', protocol => 'TLSv1_1') ],
);

$_ = provider(tls => $_->[0]) for values %provider;

# speaks no TLS at all

$provider{plain} = provider();
$provider{plain}{tls} = {};             # says its URL

my $shop = shop(
    provider  => $provider{good},
    providers => \%provider,
    http      => 'social_trusted_certificate ' . $ca->file . ';',
);

sub works {
    my ($name) = @_;

    $shop->{provider} = $provider{$name};
    $shop->signs_in("row 19: $name", name => $name);
}

sub does_not {
    my ($name) = @_;

    $shop->{provider} = $provider{$name};
    $shop->fails(502, 'provider_unavailable', "row 19: $name",
                 name => $name);
    is(scalar(() = $provider{$name}->requests), 0,
       "row 19: $name: nothing was asked");
}

works('good');
works('tls12');
does_not($_) for qw(expired name suffix wildcard untrusted self old plain);


# without the authority: the system's own know nothing of it

my $strict = shop(provider => $provider{good},
                  providers => { work => $provider{good} });

$strict->fails(502, 'provider_unavailable',
               "row 19: an authority the system does not know");


is_deeply([ $provider{good}->violations ], [], 'row 19: all was in order');

done_testing();
