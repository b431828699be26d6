# The page where a customer picks a provider, in a real browser: languages,
# screens, the keyboard, accessibility, a shop's own stylesheet.  Leaves
# pictures in build/pictures.

use lib 't/lib';
use ShopTest;
use ShopTest::Peer;

my $provider = provider();

my $shop = shop(
    provider => $provider,
    providers => { company => '' },
    provider_conf => 'label Company;',
    http => $provider->conf('other', 'label "Other & more";', '/other')
            . <<'END');
    server {
        listen            127.0.0.1:%%port2%%;
        shop_base_url     http://127.0.0.1:%%port2%%;
        social_login      on;
        social_stylesheet /theme/login.css?v=1;

        location = /theme/login.css {
            default_type text/css;
            return 200 ':root { --shop-background: rgb(10, 20, 30);
                                --shop-text: #fff; --shop-link: #9cf }
                        h1 { letter-spacing: 3px }';
        }
    }
END

my $script = ShopTest::Peer->new('chooser.mjs', {
    url        => $shop->url,
    themed     => 'http://127.0.0.1:' . $shop->nginx->port(2),
    pictures   => ShopTest::Peer::pictures(),
    executable => ShopTest::Peer::chromium(),
    provider   => $provider->issuer,
});

$script->report(200);

done_testing();
