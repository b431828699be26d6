#!/usr/bin/perl

# Copyright (C) The ngx_shop authors

# Very many logins and requests in a row: the worker is as large afterwards
# as it was after the first ones, and holds no more files open.
#
#     perl t/bench/soak.pl [--logins=10000] [--requests=1000000]
#                          [--clients=2] [--fail=10]
#
# One worker, a Redis, the tests' provider, and an nginx without the module as
# the storefront.  Logins are whole: start, provider, callback, "me", logout of
# every other one; "fail" in a hundred are spoiled at the provider.  Requests
# carry a session, one in ten of several hundred, and are made by wrk in
# rounds, until there are enough.
#
# What is printed after each tenth: private memory of the worker (RssAnon: the
# shared zone is not in it), all of it (VmRSS), files it has open, clients of
# Redis, when all is idle.  The exit status is 1 if files grew, or private
# memory by more than a twentieth and 256 KB, after the first two tenths.
#
# It takes minutes, and is no part of the tests: nothing calls it.

use FindBin ();
use lib "$FindBin::Bin/../lib";
use ShopTest;

use Getopt::Long qw(GetOptions);

use ShopTest::Session;

alarm 0;

my %o = (logins => 10000, requests => 1000000, clients => 2, fail => 10);

GetOptions(\%o, 'logins=i', 'requests=i', 'clients=i', 'fail=i')
    or die "see the top of $0\n";

my $storefront = nginx(module => 0, level => 'error', http => <<'END');
    access_log off;
    keepalive_requests 10000000;
    server {
        listen 127.0.0.1:%%port%%;
        location / { return 200 "welcome\n"; }
    }
END

# Ed25519 is the fastest that the provider can sign with

my $provider = provider(state => { alg => 'EdDSA' });

my $shop = shop(
    provider      => $provider,
    nginx_options => { level => 'crit', events => 'multi_accept on;' },
    vars          => { backend => 'http://front' },
    http          => <<"END", server => <<'END', location => <<'END');
    access_log off;
    keepalive_requests 10000000;
    upstream front {
        server 127.0.0.1:@{[ $storefront->port ]};
        keepalive 64;
        keepalive_requests 10000000;
        keepalive_timeout 200ms;
    }
END
        proxy_http_version 1.1;
        proxy_set_header Connection "";
END
END

my ($worker) = $shop->nginx->workers;
my $redis = $shop->redis;
my $begin = ShopTest::now();
my (@seen, $failed);

sub look {
    my ($what) = @_;

    wait_for {
        !grep { $_->[1] == $storefront->port }
              @{ $shop->nginx->open_files->{tcp} }
    } 'idle connections to end';

    my $status = read_file("/proc/$worker/status");
    my ($anon) = $status =~ /^RssAnon:\s+(\d+)/m;
    my ($rss) = $status =~ /^VmRSS:\s+(\d+)/m;
    my $files = () = glob "/proc/$worker/fd/*";
    my ($clients) = $redis->command('INFO', 'clients')
                    =~ /connected_clients:(\d+)/;

    die "the worker is gone\n" unless defined $anon;

    printf "%-24s %8.1f s  %7d KB private  %7d KB  %4d files"
           . "  %2d clients of Redis\n",
           $what, ShopTest::now() - $begin, $anon, $rss, $files, $clients;

    push @seen, { anon => $anon, files => $files };
}

# the first two of a phase are for pools and caches to grow to their size

sub judge {
    my ($phase) = @_;
    my ($first, $last) = @seen[1, -1];
    my $more = $last->{anon} - $first->{anon};

    if ($last->{files} > $first->{files}
        || $more > $first->{anon} / 20 + 256)
    {
        print "$phase: GREW by $more KB and ",
              $last->{files} - $first->{files}, " files\n";
        $failed = 1;

    } else {
        print "$phase: flat ($more KB)\n";
    }

    @seen = ();
}


# --- logins ---------------------------------------------------------------


sub log_in {
    my ($n) = @_;
    my $browser = $shop->browser;
    my $url = $shop->attempt($browser);

    # another state, or another code

    if ($n % 100 < $o{fail}) {
        $url =~ s/(state=)/$1x/ if $n % 2;
        $url =~ s/(code=)/$1x/ if !($n % 2);
    }

    my $response = $shop->callback($browser, $url);

    return $response->status == 400 || $response->status == 502
        if $n % 100 < $o{fail};

    return 0 unless $response->status == 303 && $shop->me($browser);

    $browser->leave($shop->url . '/');
    $browser->fetch('POST', '/_shop/logout') if $n % 2;

    return 1;
}

sub log_in_many {
    my ($n) = @_;
    my @children;

    for my $i (1 .. $o{clients}) {
        my $pid = fork;

        die "fork: $!\n" unless defined $pid;

        if ($pid == 0) {
            my $wrong = 0;

            for my $j (1 .. $n / $o{clients}) {
                $wrong++ unless eval { log_in($j * 3 + $i) };
                print STDERR "# $@" if $@;
            }

            POSIX::_exit($wrong > 255 ? 255 : $wrong);
        }

        push @children, $pid;
    }

    for my $pid (@children) {
        waitpid $pid, 0;

        next unless $?;

        print 'logins: ', $? >> 8, " went wrong\n";
        $failed = 1;
    }

    # the mock keeps what it was asked
    $provider->forget;
}

look('at first');
log_in_many(100);
@seen = ();

for my $tenth (1 .. 10) {
    log_in_many($o{logins} / 10);
    look($tenth * $o{logins} / 10 . ' logins');
}

judge('logins');


# --- requests -------------------------------------------------------------


# one that is in a session, with others between

my @sessions = map {
    ShopTest::Session->new(redis => $redis, view => {
        points => $_ * 10, qualifying => $_ * 10, segments => 'vip' })
} 1 .. 500;

my $script = temp_dir() . '/soak.lua';

write_file($script, "local cookies = {\n"
    . join(",\n", map { '"' . $_->cookie . '"' } @sessions) . "}\n"
    . <<'END');

local n = 0

function request()
    n = n + 1

    local i = n % 10 == 0 and n / 10 % #cookies + 1 or 1

    return wrk.format("GET", "/", { Cookie = "a=1; " .. cookies[i],
                                    ["X-Loyalty-Tier"] = "forged" })
end
END

sub served {
    my ($n) = $shop->nginx->get('/_status')->body
              =~ /requests\s+\d+ \d+ (\d+)/;

    return $n;
}

my $from = served();

for my $tenth (1 .. 10) {
    my $wanted = $from + $tenth * $o{requests} / 10;

    while (served() < $wanted) {
        my $text = qx{wrk -t 1 -c 32 -d 2s -s $script @{[ $shop->url ]}/ 2>&1};

        if ($text !~ /Requests\/sec/ || $text =~ /Non-2xx|Socket errors/) {
            print $text;
            $failed = 1;
            last;
        }
    }

    look(served() - $from . ' requests');
}

judge('requests');

ok(!$failed, 'nothing grew, and nothing went wrong');
done_testing();
