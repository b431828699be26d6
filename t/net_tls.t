
# Row 19 of the security requirements: TLS towards a server is worth nothing
# unless its chain and its name are verified.  A server that does not pass
# must never see a request.

use lib 't/lib';
use ShopTest;

use IO::Socket::SSL;
use IO::Socket::SSL::Utils;

use ShopTest::Certificate;
use ShopTest::DNS;
use ShopTest::Fetch qw(fetch fetch_nginx);
use ShopTest::Server qw(answer);

my $key = KEY_create_ec();
my $ca = ShopTest::Certificate->authority;
my $stranger = ShopTest::Certificate->authority;

my $dns = ShopTest::DNS->new(names => {
    map { $_ => [ '127.0.0.1' ] } qw(
        shop.test a.shop.test b.a.shop.test foo.shop.test evil.test
        shop.test.evil.test
    )
});

my $nginx = fetch_nginx(
    conf     => "ca=@{[ $ca->file ]} connect_timeout=5s max_idle=0",
    location => "resolver @{[ $dns->address ]} ipv6=off;",
);

my $hasty = fetch_nginx(
    conf     => "ca=@{[ $ca->file ]} connect_timeout=500ms max_idle=0",
    location => "resolver @{[ $dns->address ]} ipv6=off;",
);


sub server {
    my ($tls, %o) = @_;

    return ShopTest::Server->new(
        tls     => $tls,
        handler => sub { answer(200, [], 'secret answer') },
        %o,
    );
}


sub get {
    my ($server, $host, %args) = @_;

    return fetch($nginx, url => "https://$host:" . $server->port . '/', %args);
}


sub good {
    my ($server, $host, $name) = @_;
    my $got = get($server, $host);

    is("$got->{rc} $got->{reason} $got->{body}", 'ok - secret answer', $name);
}


sub bad {
    my ($server, $host, $name) = @_;
    my $before = $server->count;
    my $got = get($server, $host);

    is("$got->{rc} $got->{reason}", 'error tls', $name);
    is($server->count, $before, '... nothing was sent') if !$server->{raw};
}


sub cert {
    my ($subject, $names, %o) = @_;
    my ($cert) = CERT_create(
        subject         => { CN => $subject },
        $names ? (subjectAltNames => $names) : (),
        key             => $key,
        not_before      => time - 86400,
        not_after       => time + 86400,
        serial          => int(rand(1e9)),
        purpose         => 'server',
        issuer          => [ $ca->{cert}, $ca->{key} ],
        %o,
    );

    return { SSL_cert => $cert, SSL_key => $key };
}


# for one name or address; all with one key, as making them takes long

sub named {
    my ($name) = @_;

    return cert('x', [ [ $name =~ /^[\d.]+$/ ? 'IP' : 'DNS', $name ] ]);
}


# --- verified -------------------------------------------------------------

my $server = server(named('shop.test'));

good($server, 'shop.test', 'a certificate for the name');
good($server, 'SHOP.test', 'in capitals');
bad(server(named('other.test')), 'shop.test', 'for another name');
bad(server($ca->issue('shop.test', expired => 1)), 'shop.test', 'expired');
bad(server(cert('shop.test', [ [ DNS => 'shop.test' ] ],
                not_before => time + 3600)),
    'shop.test', 'not valid yet');
bad(server($stranger->issue('shop.test')), 'shop.test',
    'of an authority nobody knows');
bad(server(ShopTest::Certificate->self_signed('shop.test')), 'shop.test',
    'self-signed');
bad(server(cert('shop.test', [ [ DNS => 'shop.test' ] ],
                purpose => 'client')),
    'shop.test', 'that is for clients');

$nginx->wait_log(qr/\[error\].*certificate\ of\ 127\.0\.0\.1:\d+
                    \ is\ not\ valid\ for\ "shop\.test"
                    \ \(10:\ certificate\ has\ expired\)/x);
$nginx->wait_log(qr/not valid for "shop\.test" \(62: [Hh]ostname mismatch\)/);
$nginx->wait_log(qr/not valid for "shop\.test" \(18: self.signed certificate/);
ok(!$nginx->log_lines(qr/\[crit\]/), 'and none of this is called critical');

# a chain

my ($middle, $middle_key) = CERT_create(
    CA => 1, subject => { CN => 'Middle' }, serial => 7,
    not_after => time + 86400, issuer => [ $ca->{cert}, $ca->{key} ]);

my $leaf = cert('shop.test', [ [ DNS => 'shop.test' ] ],
                issuer => [ $middle, $middle_key ]);

bad(server($leaf), 'shop.test', 'the middle of the chain is missing');
good(server({ SSL_cert => [ $leaf->{SSL_cert}, $middle ],
              SSL_key  => $leaf->{SSL_key} }),
     'shop.test', 'and there');

# one that is no authority signs nothing

my $not_ca = cert('shop.test', [ [ DNS => 'shop.test' ] ]);
my $forged = cert('shop.test', [ [ DNS => 'shop.test' ] ],
                  issuer => [ $not_ca->{SSL_cert}, $not_ca->{SSL_key} ]);

bad(server({ SSL_cert => [ $forged->{SSL_cert}, $not_ca->{SSL_cert} ],
             SSL_key  => $forged->{SSL_key} }),
    'shop.test', 'signed by a certificate that is no authority');


# --- names ----------------------------------------------------------------

my $wild = server(cert('x', [ [ DNS => '*.shop.test' ] ]));

good($wild, 'a.shop.test', 'a wildcard');
bad($wild, 'shop.test', 'is not the name above it');

bad($wild, 'b.a.shop.test', 'nor two below it');

bad(server(cert('x', [ [ DNS => 'f*.shop.test' ] ])), 'foo.shop.test',
    'a wildcard for a part of a label');
bad(server(cert('x', [ [ DNS => '*' ] ])), 'shop.test', 'for everything');
bad(server(cert('x', [ [ DNS => '*.test' ] ])), 'a.shop.test',
    'for a whole top level');
bad(server(cert('shop.test', [ [ DNS => 'other.test' ] ])), 'shop.test',
    'the common name does not count besides other names');
bad(server(cert('shop.test', [ [ IP => '127.0.0.1' ] ])), 'shop.test',
    '... nor besides an address');
bad(server(cert('shop.test', undef)), 'shop.test', '... nor alone');
my $nul = "shop.test\0.evil.test";

bad(server(cert('x', undef, ext => [ {
        sn   => 'subjectAltName',
        data => join ':', 'DER', map { sprintf '%02X', $_ }
                0x30, 2 + length $nul, 0x82, length $nul, unpack 'C*', $nul
    } ])), 'shop.test', 'a NUL in the name');
bad(server(cert('x', [ [ DNS => 'shop.test' ] ])), 'shop.test.evil.test',
    'a name that begins alike');

my $address = server(named('127.0.0.1'));

good($address, '127.0.0.1', 'a certificate for an address');
bad(server(named('127.0.0.1')), 'localhost',
    'is none for the name of it');
bad(server(cert('127.0.0.1', [ [ DNS => '127.0.0.1' ] ])), '127.0.0.1',
    'an address as a name is none');
bad(server(named('127.0.0.2')), '127.0.0.1', 'another address');

good(server(named('localhost')), 'localhost', 'localhost, by its name');


# --- SNI ------------------------------------------------------------------

my $right = named('shop.test');
my $wrong = named('127.0.0.1');

my $sni = server({
    map { my $what = $_;
          $what => { 'shop.test' => $right->{$what}, '' => $wrong->{$what} } }
        qw(SSL_cert SSL_key)
});

good($sni, 'shop.test', 'the name is sent as SNI');
good($sni, '127.0.0.1', 'an address is not');


# --- versions -------------------------------------------------------------

good(server({ %{ named('shop.test') }, SSL_version => 'TLSv1_2' }),
     'shop.test', 'TLS 1.2');
good(server({ %{ named('shop.test') }, SSL_version => 'TLSv1_3' }),
     'shop.test', 'TLS 1.3');
bad(server($ca->issue('shop.test', protocol => 'TLSv1_1')), 'shop.test',
    'TLS 1.1');
bad(server({ %{ named('shop.test') },
             SSL_cipher_list => 'aNULL:@SECLEVEL=0',
             SSL_version => 'TLSv1_2' }),
    'shop.test', 'ciphers without a certificate');


# --- no TLS at all --------------------------------------------------------

my $plain = ShopTest::Server->new(
    raw => sub {
        ${ $_[0] } = '';
        return [ "HTTP/1.1 200 OK\r\n\r\n", { close => 1 } ];
    },
);

bad($plain, 'shop.test', 'a server that answers in plain text');

bad(ShopTest::Server->new(raw => sub { [ { close => 1 } ] }), 'shop.test',
    'one that closes');
bad(ShopTest::Server->new(raw => sub { [ { reset => 1 } ] }), 'shop.test',
    'one that resets');
bad(ShopTest::Server->new(raw => sub {
        ${ $_[0] } = '';
        return [ "\x16\x03\x03\x00\x10" . 'x' x 16 ];
    }), 'shop.test', 'one that sends rubbish');

my $mute = ShopTest::Server->new(raw => sub { ${ $_[0] } = ''; [] });

my $got = fetch($hasty, url => 'https://shop.test:' . $mute->port);
is("$got->{rc} $got->{reason}", 'error timeout', 'one that is silent');
ok($got->{took} > 0.45 && $got->{took} < 4, '... costs connect_timeout');

$got = get($mute, 'shop.test', timeout => 100);
is("$got->{rc} $got->{reason}", 'error timeout', 'the same in less time');
ok($got->{took} < 4, '... costs that');

for my $delay (0, 1, 50) {
    is(get($mute, 'shop.test', cancel => $delay)->{reason}, 'canceled',
       "canceled in the handshake, after $delay ms");
}

wait_for { $mute->open_connections == 0 } 'its connections to be closed';


# --- the end of a body ----------------------------------------------------

# one server that says goodbye as TLS wants it, and one that does not

for my $polite (1, 0) {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
        or die "listen: $!\n";
    my $tls = named('localhost');
    my $pid = fork;

    if ($pid == 0) {
        for (1 .. 2) {
            my $c = $listen->accept;

            IO::Socket::SSL->start_SSL($c, SSL_server => 1, %$tls)
                or POSIX::_exit(1);
            sysread $c, my $request, 4096;
            syswrite $c, "HTTP/1.1 200 OK\r\n"
                         . ($_ == 2 ? "Content-Length: 4\r\n" : '')
                         . "\r\nbody";

            if ($polite) {
                $c->close(SSL_no_shutdown => 0);

            } else {
                $c->close(SSL_no_shutdown => 1);
            }
        }

        POSIX::_exit(0);
    }

    my $port = $listen->sockport;
    close $listen;

    $got = fetch($nginx, url => "https://localhost:$port/");
    is("$got->{rc} $got->{reason}", $polite ? 'ok -' : 'error closed',
       $polite ? 'a body up to the end' : 'a body that was cut');

    $got = fetch($nginx, url => "https://localhost:$port/");
    is("$got->{rc} $got->{body}", 'ok body', '... a length says enough');

    waitpid $pid, 0;
}


# --- bytes ----------------------------------------------------------------

my $large = server(named('shop.test'),
                   handler => sub { answer(200, [], $_[0]->{body}) });

$got = get($large, 'shop.test', method => 'POST', size => 500000,
           max_body => 500000);
is("$got->{rc} $got->{length}", 'ok 500000', '500 KB there and back');

my $drip = server(named('shop.test'), handler => sub {
    [ { drip => "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        every => 0.002 } ];
});

is(get($drip, 'shop.test')->{body}, 'abc', 'byte by byte');


# --- the authorities of the system ----------------------------------------

my $system = fetch_nginx(conf => 'max_idle=0');

$got = fetch($system, url => 'https://localhost:'
                             . server(named('localhost'))->port . '/');
is("$got->{rc} $got->{reason}", 'error tls', 'do not know ours');

my ($code, $text) = ShopTest::Nginx->check(
    module => 0, unit => 1,
    http => 'server { location / { shop_unit_fetch ca=/not/there; } }');

isnt($code, 0, 'a missing file of authorities is an error');
like($text, qr{/not/there}, 'that names it');

done_testing();
