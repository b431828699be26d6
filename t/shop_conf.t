# A wrong word in the configuration of a shop's edge must never be guessed at:
# nginx does not start, and says what it found, what is allowed, and where.

use lib 't/lib';
use ShopTest;
use ShopTest::Conf;

my $dir = temp_dir();
my $keys = key_file();
my $password = write_file("$dir/redis.password", "secret\n", 0600);

my $redis = 'redis://127.0.0.1:6379';


sub redis_is { return "shop_redis $_[0];\nserver { listen 127.0.0.1:%%port%%; }" }

sub server_is {
    return "shop_redis $redis;\nshop_secret_file $keys;\n"
         . "server { listen 127.0.0.1:%%port%%;\n$_[0]\n}";
}


# shop_redis

good(redis_is($redis), 'an address');
good(redis_is('redis://127.0.0.1'), 'an address without a port');
good(redis_is('redis://localhost:6380/3'), 'localhost needs no resolver');
good(redis_is('redis://[::1]:6379/0'), 'IPv6');
good(redis_is('unix:/run/redis.sock'), 'a unix socket');
good(redis_is("$redis connections=4 timeout=1s connect_timeout=200ms "
              . "partitions=1024 prefix=a: user=u password_file=$password"),
     'all parameters');
good("resolver 127.0.0.53;\n" . redis_is('redis://redis.example.com'),
     'a name with a resolver');

wrong(redis_is('redis://redis.example.com'), 'there is no "resolver"',
      'a name without a resolver', nowhere => 1);
wrong(redis_is('http://127.0.0.1'), 'redis://', 'another scheme');
wrong(redis_is('127.0.0.1:6379'), 'redis://', 'no scheme');
wrong(redis_is('redis://127.0.0.1:0'), 'shop_redis', 'port 0');
wrong(redis_is('redis://127.0.0.1:65536'), 'shop_redis', 'port 65536');
wrong(redis_is('redis://127.0.0.1:6379/x'), 'shop_redis',
      'a database that is no number');
wrong(redis_is('redis://u:p@127.0.0.1'), 'shop_redis',
      'a password in the address');
wrong(redis_is('unix:'), 'shop_redis', 'a socket without a path');

# several servers

my $two = "$redis redis://127.0.0.2:6379";

good(redis_is("$two sentinel=main"), 'sentinels');
good(redis_is("$redis/3 redis://127.0.0.2:6379/3 sentinel=main"),
     'sentinels and a database');
good(redis_is("$two cluster"), 'the seeds of a cluster');
good(redis_is("$redis REDIS://127.0.0.2:6379 cluster"),
     'a scheme in capitals');
good(redis_is("$redis cluster"), 'one seed');
wrong(redis_is($two), 'neither "cluster" nor "sentinel"', 'two servers');
wrong(redis_is("$two cluster sentinel=main"), 'cannot be both', 'both');
wrong(redis_is("$two cluster cluster"), 'is duplicate', 'cluster twice');
wrong(redis_is("$two sentinel="), '"sentinel="', 'a master without a name');
wrong(redis_is("$two clusters"), 'invalid parameter "clusters"',
      'a word like cluster');
wrong(redis_is("$redis/3 cluster"), 'only database 0',
      'a database of a cluster');
wrong(redis_is("$two/3 sentinel=main"), 'another database',
      'two databases');
wrong(redis_is("$redis rediss://127.0.0.2 cluster"), 'another scheme',
      'two schemes');
wrong(redis_is("$redis unix:/run/redis.sock cluster"), 'unix sockets',
      'a socket among several');
wrong(redis_is('unix:/run/redis.sock cluster'), 'unix socket',
      'a cluster by a socket');
wrong(redis_is("$redis redis://x:y\@127.0.0.2 cluster"), 'user or password',
      'a password in the second address');
wrong(redis_is("$redis redis://redis.example.com cluster"),
      'there is no "resolver"', 'a name among them without a resolver',
      nowhere => 1);


# TLS

use ShopTest::Certificate ();

my $tls = 'rediss://127.0.0.1:6379';
my $ca = ShopTest::Certificate->authority;
my ($cert, $key) = $ca->issue_files('shop', purpose => 'client');
my (undef, $other_key) = $ca->issue_files('other', purpose => 'client');

good(redis_is($tls), 'TLS with the authorities of the system');
good(redis_is("$tls ca=" . $ca->file . " cert=$cert key=$key"),
     'TLS with an authority and a certificate of ours');
wrong(redis_is("$redis ca=" . $ca->file), 'for "rediss://" only',
      'an authority without TLS');
wrong(redis_is("$redis cert=$cert key=$key"), 'for "rediss://" only',
      'a certificate without TLS');
wrong(redis_is("$tls cert=$cert"), '"cert" without "key"',
      'a certificate without its key');
wrong(redis_is("$tls key=$key"), '"key" without "cert"',
      'a key without its certificate');
wrong(redis_is("$tls $_="), "\"$_=\"", "an empty $_") for qw(ca cert key);
wrong(redis_is("$tls ca=$dir/none"), "$dir/none",
      'an authority that is not there', nowhere => 1);
wrong(redis_is("$tls cert=$dir/none key=$key"), "$dir/none",
      'a certificate that is not there', nowhere => 1);
wrong(redis_is("$tls cert=$cert key=$dir/none"), "$dir/none",
      'a key that is not there', nowhere => 1);
wrong(redis_is("$tls cert=$cert key=$other_key"), 'key values mismatch',
      'the key of another certificate', nowhere => 1);
wrong(redis_is("$tls ca=$key"), $key, 'an authority that is none',
      nowhere => 1);

for my $param (qw(connections=0 connections=65 connections=x connections=
                  partitions=0 partitions=16385 partitions=-1)) {
    wrong(redis_is("$redis $param"), "\"$param\", a number from 1 to",
          $param);
}

for my $param (qw(timeout=0 timeout=x timeout= connect_timeout=-1)) {
    wrong(redis_is("$redis $param"), "\"$param\"", $param);
}

wrong(redis_is("$redis prefix="), '"prefix="', 'an empty prefix');
wrong(redis_is("$redis 'prefix=a{b}'"), 'no braces', 'a prefix with braces');
wrong(redis_is("$redis user=u"), '"user" without "password_file"',
      'a user without a password');
wrong(redis_is("$redis password_file=$dir/none"), "$dir/none",
      'a password file that is not there');
wrong(redis_is("$redis speed=1"), 'invalid parameter "speed=1"',
      'an unknown parameter');
wrong("shop_redis $redis;\n" . redis_is($redis), 'is duplicate',
      'shop_redis twice');


# shop_zone

for my $zone ('shop:1m', 'shop:64k', 'shop:32m ttl=60s', 'x:1m ttl=1h') {
    good("shop_zone $zone;\n" . redis_is($redis), "shop_zone $zone");
}

for my $zone (qw(shop shop: :1m shop:x shop:1k shop:-1m)) {
    wrong("shop_zone $zone;\n" . redis_is($redis), "\"$zone\"",
          "shop_zone $zone");
}

wrong("shop_zone shop:1m size=2;\n" . redis_is($redis), '"size=2"',
      'an unknown parameter of shop_zone');
wrong("shop_zone shop:1m ttl=0;\n" . redis_is($redis), '"ttl=0"', 'ttl=0');
wrong("shop_zone shop:64k;\n" . redis_is("$redis partitions=16384"),
      'zone "shop" is too small for 16384 partitions', 'a zone too small',
      nowhere => 1);
wrong("shop_zone a:1m;\nshop_zone b:1m;\n" . redis_is($redis),
      'is duplicate', 'shop_zone twice');


# shop_secret_file

sub keys_in {
    my ($text, $mode) = @_;

    return write_file("$dir/key", $text, $mode || 0600);
}

sub secret_is { return "shop_secret_file $_[0];\n" . redis_is($redis) }

good(secret_is($keys), '64 hex digits');
good(secret_is(keys_in('A' x 43 . "=\n")), 'base64');
good(secret_is(keys_in("# now\n\n" . 'AB' x 32 . "\n# old\n"
                        . 'cd' x 32 . "\r\n")),
     'several keys, comments, blank lines');

wrong(secret_is("$dir/none"), "$dir/none", 'a file that is not there');
wrong(secret_is($dir), $dir, 'a folder');
wrong(secret_is(keys_in('')), 'key', 'an empty file');
wrong(secret_is(keys_in("# nothing\n")), 'key', 'comments only');
wrong(secret_is(keys_in('ab' x 31 . "\n")), 'key', 'a short key');
wrong(secret_is(keys_in('ab' x 33 . "\n")), 'key', 'a long key');
wrong(secret_is(keys_in('ab' x 32 . "\nabc\n")), 'key',
      'a good key and a bad one');
wrong(secret_is(keys_in("~" x 43 . "=\n")), 'key', 'neither hex nor base64');

warns(secret_is(keys_in('ab' x 32 . "\n", 0640)), 'key',
      'a file the group can read');
warns(secret_is(keys_in('ab' x 32 . "\n", 0604)), 'key',
      'a file everybody can read');

{
    my (undef, $text) = ShopTest::Conf::check(
        secret_is(keys_in('deadbeef' x 7 . "\n")));

    unlike($text, qr/deadbeef/, 'a bad key is not printed');
}


# shop_session

good(server_is("shop_base_url https://shop.example.com;\n"
               . 'shop_session cookie=sid idle=1h lifetime=1d '
               . 'domain=example.com same_site=strict;'),
     'all parameters of shop_session');
good(server_is("shop_base_url https://shop.example.com;\n"
               . 'shop_session same_site=none;'), 'same_site=none on https');

for my $param (qw(cookie= cookie=a=b cookie=a;b idle=0 idle=x lifetime=0
                  idle=3651d lifetime=99999999999y lifetime=-1 domain= same_site=none2 same_site= x=1)) {
    wrong(server_is("shop_session \"$param\"; # here"), "\"$param\"",
          "shop_session $param");
}

wrong(server_is("shop_base_url https://shop.example.com;\n"
                . 'shop_session domain=example.org;'),
      'does not hold', 'the domain of somebody else', nowhere => 1);
wrong(server_is("shop_base_url https://badexample.com;\n"
                . 'shop_session domain=example.com;'),
      'does not hold', 'a domain that is a part of a label', nowhere => 1);
wrong(server_is("shop_base_url http://127.0.0.1;\n"
                . 'shop_session same_site=none;'),
      'needs an https', 'same_site=none without https', nowhere => 1);
wrong(server_is("shop_base_url http://127.0.0.1;\n"
                . 'shop_session cookie=__Host-x;'),
      'needs an https', '__Host- without https', nowhere => 1);
wrong(server_is("shop_base_url https://shop.example.com;\n"
                . 'shop_session cookie=__Host-x domain=example.com;'),
      'no "domain"', '__Host- with a domain', nowhere => 1);
wrong(server_is("shop_base_url http://127.0.0.1;\n"
                . 'shop_session cookie=__Secure-x;'),
      'needs an https', '__Secure- without https', nowhere => 1);


# shop_base_url

for my $url (qw(https://shop.example.com https://shop.example.com/
                https://shop.example.com:8443 http://127.0.0.1:8080
                https://[::1])) {
    good(server_is("shop_base_url $url;"), $url);
}

for my $url (qw(https://shop.example.com/de https://shop.example.com/?a=1
                shop.example.com //shop.example.com ftp://shop.example.com
                https:// https://u@shop.example.com https://shop.example.com:0
                https://shop.example.com:99999 https://shop_example/x)) {
    wrong(server_is("shop_base_url $url; # here"), 'shop_base_url', $url);
}

wrong(server_is("shop_base_url http://127.0.0.1;\n"
                . 'shop_base_url http://127.0.0.2; # here'),
      'is duplicate', 'shop_base_url twice');


# shop_prefix, shop_on_failure

good(server_is("shop_prefix $_;"), "shop_prefix $_")
    for qw(/_shop/ /a/ /a/b/ /A-z_0/);

wrong(server_is("shop_prefix $_; # here"), 'shop_prefix', "shop_prefix $_")
    for qw(/ // a/ /a a /a//b/ /a.b/ /../ /%61/);

good(server_is("shop_on_failure $_;"), "shop_on_failure $_")
    for qw(stale anonymous error);

wrong(server_is('shop_on_failure open; # here'), '"open"',
      'shop_on_failure open');


# what needs something else

wrong("server { listen 127.0.0.1:%%port%%; loyalty on; }",
      '"loyalty" is on, but there is no "shop_redis"',
      'loyalty without shop_redis', nowhere => 1);
wrong("shop_redis $redis;\nserver { listen 127.0.0.1:%%port%%; loyalty on; }",
      '"loyalty" is on, but there is no "shop_secret_file"',
      'loyalty without shop_secret_file', nowhere => 1);
wrong(server_is('loyalty on;'),
      '"loyalty" is on, but there is no "shop_base_url" in this server',
      'loyalty without shop_base_url', nowhere => 1);

good("server { listen 127.0.0.1:%%port%%; }", 'nothing of ours at all');

done_testing();
