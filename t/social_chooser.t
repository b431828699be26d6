# What the chooser says in whose language, and how a shop makes it its own.

use utf8;

use lib 't/lib';
use ShopTest;
use ShopTest::Conf;
use ShopTest::HTTP;

my $shop = shop(
    providers => { work => '', other => '/other', more => '/more' },
    http => <<'END');
    server {
        listen            127.0.0.1:%%port2%%;
        shop_base_url     https://shop.example.com;
        social_login      on;
        social_stylesheet /theme/login.css?a=1&b='2';
    }

    server {
        listen            127.0.0.1:%%port3%%;
        shop_base_url     http://127.0.0.1:%%port3%%;
        shop_session      same_site=strict;
        social_login      on;
        social_stylesheet https://cdn.example.com:8443/%7Eshop/login.css;
        location / { social_login_required on; proxy_pass %%backend%%; }
    }
END

my $nginx = $shop->nginx;

sub page {
    my ($languages, %o) = @_;

    my $response = ShopTest::HTTP::request(
        $nginx->port($o{port} || 1), 'GET', $o{uri} || '/_shop/login',
        headers => [ Accept => 'text/html', @{ $o{headers} || [] },
                     map { ('Accept-Language' => $_) }
                     ref $languages ? @$languages : $languages ]);

    utf8::decode(my $body = $response->body);

    return wantarray ? ($body, $response) : $body;
}

sub language { return page(@_) =~ /<html lang="([^"]+)">/ ? $1 : 'none' }


# one text of each language, so that no catalog is another's

my %continue = (
    en => 'Continue with work', de => 'Weiter mit work',
    fr => 'Continuer avec work', nl => 'Doorgaan met work',
    sv => 'Fortsätt med work', es => 'Continuar con work',
    it => 'Continua con work', pt => 'Continuar com work',
    pl => 'Kontynuuj przez work', ja => 'workで続ける',
    ko => 'work(으)로 계속하기', 'zh-Hans' => '使用work继续',
);

for my $language (sort keys %continue) {
    my $page = page($language);

    like($page, qr/<html lang="\Q$language\E">/, "$language: is declared");
    like($page, qr/>\Q$continue{$language}\E</, "$language: is spoken");
}

is_deeply([ sort keys %continue ],
          [ sort map { m{/([^/]+)\.txt$} }
            glob root() . '/ngx_module/http/texts/*.txt' ],
          'there are no others');


# which one a browser would like best

my @accept = (
    [ '' => 'en' ],
    [ '*' => 'en' ],
    [ 'de-AT,de;q=0.9,en;q=0.8' => 'de' ],
    [ 'fi,sv;q=0.5,nl;q=0.7' => 'nl' ],
    [ 'fr;q=0.3,pl;q=0.3' => 'fr' ],
    [ 'fr;q=0,pl;q=0.001' => 'pl' ],
    [ 'fi, da' => 'en' ],
    [ 'en;q=0.1, it ; q=1.000' => 'it' ],
    [ 'PT-br' => 'pt' ],
    [ 'es-419' => 'es' ],
    [ 'zh-CN' => 'zh-Hans' ],
    [ 'zh' => 'zh-Hans' ],
    [ 'zh-Hans-SG' => 'zh-Hans' ],
    [ 'zh-TW,en;q=0.9' => 'en' ],
    [ 'zh-Hant-HK,ja;q=0.5' => 'ja' ],
    [ 'zh-TW,zh;q=0.8,en;q=0.7' => 'zh-Hans' ],
    [ 'deutsch' => 'en' ],
    [ 'd' => 'en' ],
    [ '-de' => 'en' ],
    [ 'de;q=1.1' => 'en' ],
    [ 'de;q=0.1234' => 'en' ],
    [ 'de;q=-1' => 'en' ],
    [ 'de;q=' => 'en' ],
    [ 'de;x=1' => 'en' ],
    [ ',,;q=1,,de' => 'de' ],
    [ "\tde\t;\tq=0.5\t" => 'de' ],
    [ join(',', map { "x$_;q=0.9" } 1 .. 500) . ',ko;q=0.1' => 'ko' ],
);

for my $case (@accept) {
    is(language($case->[0]), $case->[1],
       'Accept-Language: ' . ($case->[0] =~ s/\t/ /gr =~ s/(.{50}).+/$1.../r));
}

is(language([]), 'en', 'no Accept-Language');


# errors and the page in between speak it, too

like(page('de', uri => '/_shop/nothing'), qr/Diese Seite gibt es nicht/,
     'an error');
like(page('ja', uri => '/', port => 3,
          headers => [ 'Sec-Fetch-Site' => 'cross-site',
                       'Sec-Fetch-Mode' => 'navigate' ]),
     qr/少々お待ちください/, 'a page that goes on by itself');


# the provider of the last login comes first

{
    my $browser = $shop->browser;

    my $order = sub {
        $browser->leave($shop->url . '/');

        return join ' ', map { $_->{name} }
               @{ $browser->fetch('GET', '/_shop/login',
                                  accept => 'application/json')
                  ->json->{providers} };
    };

    is($order->(), 'more other work', 'at first in the order of the shop');

    my $page = $shop->login($browser, '/', name => 'other');

    unlike($page->body, qr/lastused/, 'the storefront does not learn of it');

    is($order->(), 'other more work', 'then the last one used is the first');

    my ($cookie) = grep { /lastused/ } map { $_->{name} } $browser->cookies;

    is($cookie, 'shop-login-lastused', 'by a cookie');
    is($browser->cookie($cookie), 'other', 'which says just that');

    $page = page('de', headers => [ Cookie => "$cookie=work" ]);

    is_deeply([ $page =~ /data-provider="([^"]+)"/g ],
              [ qw(work more other) ], 'the page has the same order');
    like($page, qr{mit work <small>Zuletzt verwendet</small></a>},
         'and says why');

    for my $value ('gone', '', 'work"><script>', 'wor', 'workx', 'WORK') {
        my $page = page('en', headers => [ Cookie => "$cookie=$value" ]);

        is_deeply([ $page =~ /data-provider="([^"]+)"/g ],
                  [ qw(more other work) ], "not one of ours: '$value'");
        unlike($page, qr/<small>|<script/, '... and not shown');
    }

    # it is no attempt: many of those leave it alone

    $shop->start($browser, name => 'more') for 1 .. 7;
    is($browser->cookie($cookie), 'other', 'attempts leave it alone');

    $browser->leave($shop->url . '/');
    $browser->fetch('POST', '/_shop/logout');
    is($order->(), 'other more work', 'a sign-out, too');
}


# what a stylesheet of a shop finds

my ($plain, $response) = page('en');

like($plain, qr/data-provider="work" data-preset="oidc"/,
     'a stylesheet can tell providers apart');
unlike($plain, qr/rel="stylesheet"/, 'there is none by default');
unlike($response->header('Content-Security-Policy'), qr/img-src|font-src/,
       'nor a right to load anything');

my $styled;

($styled, $response) = page('en', port => 2);

like($styled, qr{<link\ rel="stylesheet"\ href="https://shop\.example\.com
                 /theme/login\.css\?a=1&amp;b=(?:'|&\#39;)2(?:'|&\#39;)">}x,
     'a path is one of this server');
like($response->header('Content-Security-Policy'),
     qr{style-src\ 'sha256-[^']+'\ https://shop\.example\.com/theme/login\.css;
        \ img-src\ https://shop\.example\.com;
        \ font-src\ https://shop\.example\.com;}x,
     'the policy names it, without its query');

($styled, $response) = page('en', port => 3, uri => '/_shop/nothing');

like($styled, qr{href="https://cdn\.example\.com:8443/%7Eshop/login\.css"},
     'an error has it, too');
like($response->header('Content-Security-Policy'),
     qr{img-src https://cdn\.example\.com:8443;}, 'from elsewhere');


# social_stylesheet

my $keys = key_file();

sub conf {
    my ($server, $http) = @_;

    return <<"END";
    shop_redis redis://127.0.0.1:6379;
    shop_secret_file $keys;
    social_provider work {
        preset oidc; issuer http://127.0.0.1:9; client_id shop;
        client_auth none;
    }
    @{[ $http // q() ]}
    server {
        listen 127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;
        social_login on;
        $server
    }
END
}

good(conf('social_stylesheet /a.css;'), 'a path');
good(conf('', 'social_stylesheet https://cdn.example.com/a.css;'),
     'for all servers');
good(conf('social_stylesheet "";', 'social_stylesheet /a.css;'),
     'none in one of them');

for my $case ([ 'a.css', 'does not start with' ],
              [ '//cdn.example.com/a.css', 'does not start with' ],
              [ 'http://cdn.example.com/a.css', 'neither of this server' ],
              [ 'https://u:p@cdn.example.com/a.css', 'user information' ],
              [ '/a,b.css', '"," and ";" are not allowed' ],
              [ '"/a;b.css"', '"," and ";" are not allowed' ],
              [ '/a.css#x', 'a fragment is not allowed' ],
              [ '"/a b.css"', 'must be percent-encoded' ]) {

    wrong(conf("social_stylesheet $case->[0];"), $case->[1],
          "social_stylesheet $case->[0]", nowhere => 1);
}

done_testing();
