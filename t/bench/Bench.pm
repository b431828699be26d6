package Bench;

# Copyright (C) The ngx_shop authors

=head1 NAME

Bench - what t/bench/figures and t/bench/callgrind have in common

=head1 DESCRIPTION

Storefront, sessions and configurations to be measured, and the clocks of
processes.  %place says which processors are whose:

    worker    of what is measured, one of them
    load      of all that it talks to: the load, the storefront, Redis

The storefront checks each request itself: below /customer/ it answers 200
only to one who was told as the customer named in the arguments, below
/anyone/ only to one who was told nothing, below /claims/ only with the claim
that mod_auth_openidc passes.  So a wrong header is an error of the run, and
not only of the check before it.  With "echo=1" it says what it was asked.

=cut

use strict;
use warnings;

use Crypt::KeyDerivation ();
use Digest::MD5 ();
use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 ();

use ShopTest ();
use ShopTest::Backend ();
use ShopTest::Nginx ();
use ShopTest::Redis ();
use ShopTest::Session ();

our %place = (worker => undef, load => undef);

our %view = (tier => 'silver', points => 1250);

my $secret_key = 'ab' x 32;
my $issued = time;

# tests fill memory that is freed; here it would be measured

$ENV{MALLOC_PERTURB_} = 0;


sub say_so {
    print STDERR "bench: @_\n";
}


# on($who) { start something }

sub on {
    my ($who, $start) = @_;

    local @ShopTest::launcher = (@ShopTest::launcher);

    push @ShopTest::launcher, 'taskset', '-c', $place{$who}
        if defined $place{$who};

    return $start->();
}


# --- servers ----------------------------------------------------------------


# one worker; "user" and logs as tests have them, but errors alone

sub nginx {
    my ($who, %o) = @_;

    return on($who, sub {
        ShopTest::Nginx->new(level => 'error', module => 0, %o)->start
    });
}


sub storefront {
    my $echo = on('load', sub { ShopTest::Backend->new });

    my $told = '$http_x_customer_id $http_x_customer_provider '
             . '$http_x_loyalty_tier $http_x_loyalty_points';

    return nginx('load', vars => { echo => $echo->url }, http => <<"END");
    access_log                off;
    keepalive_requests        1000000000;
    keepalive_timeout         1h;
    underscores_in_headers    on;

    server {
        listen 127.0.0.1:%%port%%;

        error_page 418 = \@echo;

        location /customer/ {
            set \$told "$told";

            if (\$arg_echo) { return 418; }
            if (\$told != "\$arg_id work $view{tier} $view{points}") {
                return 500;
            }
            return 200 "A page of the shop.\\n";
        }

        location /anyone/ {
            set \$told "$told";

            if (\$arg_echo)    { return 418; }
            if (\$told != "   ") { return 500; }
            return 200 "A page of the shop.\\n";
        }

        location /claims/ {
            if (\$arg_echo) { return 418; }
            if (\$http_oidc_claim_sub != \$arg_id) { return 500; }
            return 200 "A page of the shop.\\n";
        }

        location = /sidecar {
            add_header X-Customer-Id       @{[ customer(1) ]};
            add_header X-Customer-Provider work;
            add_header X-Loyalty-Tier      $view{tier};
            add_header X-Loyalty-Points    $view{points};
            return 204;
        }

        location \@echo { proxy_pass %%echo%%; }
    }
END
}


# what all configurations have in their http block

sub common {
    my ($storefront) = @_;

    return <<"END";
    access_log         off;
    keepalive_requests 1000000000;
    keepalive_timeout  1h;
    proxy_http_version 1.1;
    proxy_set_header   Connection "";

    upstream storefront {
        server             127.0.0.1:@{[ $storefront->port ]};
        keepalive          64;
        keepalive_requests 1000000000;
    }
END
}


# the four headers, each set to a value

sub headers {
    my ($id, $provider, $tier, $points) = @_;

    return <<"END";
            proxy_set_header Connection          "";
            proxy_set_header X-Customer-Id       $id;
            proxy_set_header X-Customer-Provider $provider;
            proxy_set_header X-Loyalty-Tier      $tier;
            proxy_set_header X-Loyalty-Points    $points;
END
}


sub constant_headers {
    return headers(customer(1), 'work', $view{tier}, $view{points});
}


# our configuration: "redis", the argument of shop_redis, and "zone"

sub shop_conf {
    my ($storefront, %o) = @_;

    my $keys = ShopTest::write_file(ShopTest::temp_dir() . '/shop.keys',
                                    "$secret_key\n", 0600);
    my $provider = $o{provider} ? $o{provider}->conf('work') : '';

    return common($storefront) . <<"END";
    shop_redis       $o{redis};
    shop_zone        shop:$o{zone};
    shop_secret_file $keys;

    $provider

    loyalty_program {
        currency EUR;
        tier bronze;
        tier silver points=1000;
        tier gold   points=5000;
        earn signup 100;
        earn login  5;
        promotion GOLD-15 { audience tier>=gold; }
        @{[ $o{program} || '' ]}
    }

    server {
        listen        127.0.0.1:%%port%%;
        shop_base_url http://127.0.0.1:%%port%%;
        social_login  @{[ $provider ? 'on' : 'off' ]};
        loyalty       on;

        location / {
            proxy_pass http://storefront;
        }
    }
END
}


# "n" promotions more, of which one in ten is for the customer, and so many
# segments and tiers

sub rules {
    my ($n, $nsegments, $ntiers) = @_;
    my $text = '';

    $text .= "tier level-$_ points=" . 10000 * $_ . ";\n" for 1 .. $ntiers;
    $text .= "segment kind-$_ orders>=$_ recency<30d;\n"
             . "segment kind-$_ points>=" . 1000 * $_ . ";\n"
        for 1 .. $nsegments;

    for my $i (1 .. $n) {
        my $audience = $i % 10 == 0  ? 'points>=1'
                     : $i % 3 == 0   ? 'tier>=silver orders>=2'
                     : $nsegments    ? 'kind-' . (1 + $i % $nsegments)
                                     : 'new';

        $text .= "promotion OFFER-$i { audience $audience;"
                 . ' from 2026-01-01; until 2036-01-01; '
                 . ($i % 4 == 0 ? 'group ' . $i % 3 . ';' : '') . " }\n";
    }

    return $text;
}


sub lua_conf {
    my ($storefront, $redis) = @_;
    my $key = unpack 'H64', Crypt::KeyDerivation::hkdf(
        pack('H*', $secret_key), "\0" x 32, 'SHA256', 36,
        'ngx_shop seal 1 session');

    return common($storefront) . <<"END";
    lua_shared_dict   sessions 64m;
    lua_package_path  "@{[ here() ]}/?.lua;;";
    init_by_lua_block {
        session = require "session"
        session.setup("$key", "127.0.0.1", @{[ $redis->port ]})
    }

    server {
        listen 127.0.0.1:%%port%%;

        location /ask/ {
            access_by_lua_block { session.ask() }
            proxy_pass http://storefront/customer/;
        }

        location /remember/ {
            access_by_lua_block { session.remember() }
            proxy_pass http://storefront/customer/;
        }
    }
END
}


sub njs_conf {
    my ($storefront) = @_;

    return common($storefront) . <<"END";
    js_path   "@{[ here() ]}/";
    js_import session from session.js;

    js_set \$id       session.id;
    js_set \$provider session.provider;
    js_set \$tier     session.tier;
    js_set \$points   session.points;

    server {
        listen 127.0.0.1:%%port%%;

        location /customer/ {
@{[ headers('$id', '$provider', '$tier', '$points') ]}
            proxy_pass http://storefront;
        }
    }
END
}


sub here { return ShopTest::root() . '/t/bench' }


# --- sessions ---------------------------------------------------------------


# the same length and look as the ids that the module makes

sub customer { return Digest::MD5::md5_hex("customer $_[0]") }


# Writes a file for wrk.lua with $n sessions, and the sessions to Redis.
# $node->($tag) is the Redis of a hash tag.  They end when "idle" says, so that
# their end is not moved during a run.

sub sessions {
    my ($n, $node) = @_;
    my $path = ShopTest::temp_dir() . '/sessions-' . $n . '-' . rand;
    my %pending;
    my %silent;

    open my $file, '>', $path or die "open $path: $!\n";

    for my $i (1 .. $n) {
        my $session = ShopTest::Session->new(
            customer => customer($i), issued => $issued, store => 0);

        print {$file} "$session->{customer} ", $session->cookie, "\n";

        my $key = $session->key;
        my ($tag) = $key =~ /\{(\d+)\}/;
        my $view = $key =~ s/^shop:session(.*):\w+$/shop:view$1/r;
        my $redis = $node->($tag);

        $silent{$redis} ||= silent($redis);

        $pending{$redis} .=
            ShopTest::Redis::encode(
                'HSET', $key, map { ($_ => $session->{$_}) }
                              qw(provider created auth_time expires))
            . ShopTest::Redis::encode('PEXPIRE', $key, 30 * 86400 * 1000)
            . ShopTest::Redis::encode(
                'HSET', $view, %view, qualifying => $view{points},
                created => $issued, tier_since => $issued);

        if ($i % 1000 == 0 || $i == $n) {
            $silent{$_}->(delete $pending{$_}) for keys %pending;
        }
    }

    $_->() for values %silent;

    close $file or die "write $path: $!\n";

    return $path;
}


# a copy of such a file in which all cookies belong to the first customer

sub one_customer {
    my ($path) = @_;
    my $id = customer(1);

    return ShopTest::write_file(
        "$path-one", ShopTest::read_file($path) =~ s/^\S+/$id/gmr);
}


# a file for wrk.lua with somebody without a session, or another cookie

sub visitor {
    my ($id, $cookie) = @_;

    my $name = defined $cookie ? Digest::MD5::md5_hex($cookie) : 'none';
    my $path = ShopTest::temp_dir() . "/visitor-$name";

    return ShopTest::write_file(
        $path, "$id " . (defined $cookie ? $cookie : '') . "\n");
}


# Sends commands without waiting for replies; without an argument waits for
# the last of them.

sub silent {
    my ($redis) = @_;
    my $socket = $redis->dial;

    print {$socket} ShopTest::Redis::encode(qw(CLIENT REPLY OFF));

    return sub {
        my ($commands) = @_;

        return print {$socket} $commands if defined $commands;

        print {$socket} ShopTest::Redis::encode(qw(CLIENT REPLY ON));

        my $reply = ShopTest::Redis::read_reply($socket);

        die "redis: $reply->{text}\n" if ref $reply;

        return close $socket;
    };
}


# customer|provider|tier|points, signed for session.js

sub signed_cookie {
    my $text = MIME::Base64::encode_base64url(
        join '|', customer(1), 'work', @view{qw(tier points)});
    my $mac = Digest::SHA::hmac_sha256($text, 'ab' x 32);

    return "signed=$text." . MIME::Base64::encode_base64url($mac);
}


# --- logins ----------------------------------------------------------------


# From $path of a server through the provider and back; the response to the
# callback.  $provider->approve() fills in the provider's pages, where it has
# any.

sub login {
    my ($browser, $server, $path, $provider, $subject) = @_;
    my $until = qr{^\Q@{[ $server->url ]}\E/[^?]*/callback\b};

    my $page = $browser->navigate($server->url . $path, until => $until);

    $page = $provider->approve($browser, $page, $subject, $until)
        if $provider->can('approve');

    my $callback = $page->header('Location');

    die "login answers $page->{status}\n" unless defined $callback;

    $browser->leave($provider->issuer . '/authorize');

    return $browser->click($callback, follow => 0);
}


# who signs in next at the provider of the tests; with a profile in the ID
# token, as most providers send it, or to be asked for

sub somebody {
    my ($subject, $thin) = @_;

    return { thin => $thin ? 1 : 0, user => {
        sub => $subject, email => "$subject\@example.com",
        email_verified => JSON::PP::true, name => 'Ann Example',
        given_name => 'Ann', family_name => 'Example', locale => 'en' } };
}


# --- clocks -----------------------------------------------------------------


# seconds that processes, with all their threads, have computed

sub cpu {
    my $nanoseconds = 0;

    for my $path (map { glob "/proc/$_/task/*/schedstat" } @_) {
        my ($n) = ShopTest::read_file($path) =~ /^(\d+)/;

        $nanoseconds += $n || 0;
    }

    return $nanoseconds / 1e9;
}


# megabytes

sub rss {
    my $pages = 0;

    for my $pid (@_) {
        my @fields = stat_fields($pid) or next;

        $pages += $fields[21];
    }

    return $pages * 4096 / 1048576;
}


# from "state" on, the third one

sub stat_fields {
    my ($pid) = @_;
    my ($rest) = ShopTest::read_file("/proc/$pid/stat") =~ /.*\) (.*)/s;

    return defined $rest ? split(' ', $rest) : ();
}


# bytes of the largest shared mapping, our zone, that a worker has touched

sub zone_touched {
    my ($pid) = @_;
    my ($size, $touched) = (0, 0);

    for my $map (split /^(?=[0-9a-f]+-[0-9a-f]+ )/m,
                 ShopTest::read_file("/proc/$pid/smaps"))
    {
        next unless $map =~ /^\S+ ..-?.?s /;

        my ($total) = $map =~ /^Size: +(\d+)/m;
        my ($rss) = $map =~ /^Rss: +(\d+)/m;

        ($size, $touched) = ($total, $rss * 1024) if $total > $size;
    }

    return $touched;
}


# --- numbers ----------------------------------------------------------------


sub median {
    my @sorted = sort { $a <=> $b } @_;

    return undef unless @sorted;

    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}


# Prints a document, and puts it between two comments of a page

sub publish {
    my ($name, $text, $page) = @_;

    print $text;

    return unless defined $page;

    my $document = ShopTest::read_file($page);

    $document =~ s{^(<!--\ \Q$name\E\ -->\n).*?(?=^<!--\ end\ of\ \Q$name\E)}
                  {$1$text}msx
        or die "there is no place for $name in $page\n";

    return ShopTest::write_file($page, $document);
}


sub machine {
    my ($model) = ShopTest::read_file('/proc/cpuinfo')
                  =~ /^model name\s*:\s*(.*)/m;
    my ($memory) = ShopTest::read_file('/proc/meminfo')
                   =~ /^MemTotal:\s*(\d+)/m;
    my ($system) = ShopTest::read_file('/etc/os-release')
                   =~ /^PRETTY_NAME="?([^"\n]*)/m;
    my $cpus = () = ShopTest::read_file('/proc/cpuinfo') =~ /^processor/mg;
    my $redis = ShopTest::Redis::binary();
    my $version = ShopTest::Nginx->version;

    my $kernel = `uname -rm` =~ s/^([\d.]+)\S*|\n\z/$1 || ''/ger;
    chomp(my $commit = `git describe --always --dirty 2>/dev/null`);

    my ($redis_version) = `$redis --version` =~ /v=(\S+)/;

    # one line is too long for a page

    return join ",\n", join(', ', $model || 'an unknown processor',
        "$cpus processors",
        int($memory / 1048576 + 0.5) . ' GB', $system),
        join ', ', "Linux $kernel",
        sprintf('nginx %d.%d.%d', $version / 1000000,
                $version / 1000 % 1000, $version % 1000),
        'Redis ' . ($redis_version || 'of unknown version'),
        length $commit ? "ngx_shop $commit" : ();
}


1;
