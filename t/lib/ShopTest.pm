package ShopTest;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest - the harness of the tests in t/*.t

=head1 SYNOPSIS

    use lib 't/lib';
    use ShopTest;                       # strict, warnings, Test::More, this

    my $redis   = redis();              # a private Redis
    my $backend = backend();            # echoes requests as JSON

    my $nginx = nginx(http => <<"CONF");
        shop_redis  @{[ $redis->url ]};
        server {
            listen 127.0.0.1:%%port%%;
            location / { proxy_pass @{[ $backend->url ]}; }
        }
    CONF

    my $response = $nginx->get('/', Accept => 'text/html');

    is($response->status, 200, 'the backend answers through nginx');

    done_testing();                     # stops all of it and reads the logs

=head1 DESCRIPTION

Everything a test starts listens on 127.0.0.1 on a free port, keeps its files
in one temporary folder and is ended, by its process id, when the test ends,
however it ends.  done_testing() stops the servers in reverse order; nginx
must quit gracefully then, and an alert or a line of a sanitizer in its log is
a failed check.

Nothing here sleeps: a test waits for a port, a line of a log or any other
condition (wait_for), always with a deadline.

The rest is in modules of their own, each described at its top, among them
L<ShopTest::Nginx>, L<ShopTest::Redis>, L<ShopTest::HTTP> (requests to the
byte), L<ShopTest::HTTP2>, L<ShopTest::Browser> (cookies and redirects as
browsers do them), L<ShopTest::Server> (scripted servers),
L<ShopTest::Backend>, L<ShopTest::CGI> (those that speak no HTTP),
L<ShopTest::Provider> (an OpenID provider that can misbehave),
L<ShopTest::Dialect> (all providers, each as it is),
L<ShopTest::Certificate>, L<ShopTest::Proxy> (spoils what Redis says),
L<ShopTest::RedisAsk> (the client of Redis by itself),
L<ShopTest::Faults> (what is promised of any fault), L<ShopTest::Network>,
L<ShopTest::Demo>, L<ShopTest::Peer> (programs of others),
L<ShopTest::Glewlwyd> (a provider of others), L<ShopTest::Loyalty> (what
points ought to be) and
L<ShopTest::Shop> (all of it at once, and sign-in in one call).

=head1 ENVIRONMENT

    TEST_NGINX_BINARY       nginx to run, "nginx" from PATH by default
    TEST_NGINX_MODULE       ngx_http_shop_module.so; "static": linked in
    TEST_NGINX_UNIT_MODULE  ngx_shop_unit_module.so
    TEST_NGINX_GLOBALS      lines to put on top of every nginx.conf
    TEST_REDIS_BINARY       redis-server or valkey-server
    MALLOC_PERTURB_         of glibc, for nginx: 165 by default, 0 for none
    TEST_TIMEOUT            seconds a test may take, 120 by default
    TEST_KEEP               1: leave the temporary folder where it is
    TEST_VERBOSE_LOG        1: show the log of a failed test's nginx, whole

=cut

use strict;
use warnings;

use Cwd ();
use Errno ();
use Fcntl qw(F_SETFD);
use File::Basename ();
use File::Path ();
use File::Temp ();
use IO::Socket::INET ();
use POSIX ();
use Socket ();
use Test::More ();
use Time::HiRes ();

our @EXPORT = qw(
    backend browser done_testing free_port key_file nginx provider read_file
    redis request root shop temp_dir wait_for write_file
);

our @launcher;

my $owner = $$;
my $dir;
my $nfiles = 0;
my @running;
my @ports;


sub import {
    my ($class) = @_;
    my $caller = caller;

    strict->import;
    warnings->import;

    # all of Test::More but what is better done here

    Test::More->export_to_level(
        1, 'Test::More', grep { $_ ne 'done_testing' } @Test::More::EXPORT);

    no strict 'refs';

    *{"${caller}::$_"} = \&{$_} for @EXPORT;
}


# --- what a test asks for -------------------------------------------------


sub nginx {
    require ShopTest::Nginx;
    return ShopTest::Nginx->new(@_)->start;
}


sub redis {
    require ShopTest::Redis;
    return ShopTest::Redis->new(@_)->start;
}


sub backend {
    require ShopTest::Backend;
    return ShopTest::Backend->new(@_);
}


sub provider {
    require ShopTest::Provider;
    return ShopTest::Provider->new(@_);
}


# a whole shop: all of the above with a configuration that fits

sub shop {
    require ShopTest::Shop;
    return ShopTest::Shop->new(@_);
}


sub browser {
    require ShopTest::Browser;
    return ShopTest::Browser->new(@_);
}


# request($port, $method, $uri, headers => [...], body => ...)

sub request {
    require ShopTest::HTTP;
    return ShopTest::HTTP::request(@_);
}


# Stops everything, which adds the checks of the logs, and ends the plan.

sub done_testing {
    stop_all();

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return Test::More::done_testing(@_);
}


# --- files ----------------------------------------------------------------


sub root {
    my $here = File::Basename::dirname(Cwd::abs_path(__FILE__));

    return Cwd::abs_path("$here/../..");
}


# temp_dir() is the folder of this test, temp_dir('x') a new one in it.

sub temp_dir {
    my ($name) = @_;

    $dir = File::Temp::tempdir('ngx_shop_XXXXXXXX', TMPDIR => 1)
        unless defined $dir;

    return $dir unless defined $name;

    my $path = "$dir/$name-" . ++$nfiles;

    mkdir $path or die "mkdir $path: $!\n";

    return $path;
}


sub write_file {
    my ($path, $text, $mode) = @_;

    open my $fh, '>:raw', $path or die "open $path: $!\n";
    print {$fh} $text;
    close $fh or die "write $path: $!\n";

    chmod $mode, $path if defined $mode;

    return $path;
}


# a good "shop_secret_file", the same in all tests

sub key_file {
    return write_file(temp_dir() . '/shop.keys', 'ab' x 32 . "\n", 0600);
}


sub read_file {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;

    my $text = <$fh>;

    return defined $text ? $text : '';
}


# --- ports and conditions -------------------------------------------------

# A port below the ephemeral range that nobody listens on.  An abstract
# socket named after it keeps it ours among tests that run side by side, and
# goes away with the process, whatever happens.

sub free_port {
    for (1 .. 1000) {
        my $port = 10000 + int(rand(22000));

        socket my $lock, Socket::PF_UNIX, Socket::SOCK_STREAM, 0
            or die "socket: $!\n";
        bind $lock, Socket::pack_sockaddr_un("\0ngx_shop_test_port_$port")
            or next;

        my $probe = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1',
            LocalPort => $port,
            Listen    => 1,
        ) or next;

        close $probe;
        push @ports, $lock;

        return $port;
    }

    die "no free port found\n";
}


# wait_for { condition } "what": until it is true, and its value; or dies.

sub wait_for (&;$$) {
    my ($condition, $what, $seconds) = @_;
    my $deadline = now() + (defined $seconds ? $seconds : 20);

    while (1) {
        my $value = $condition->();

        return $value if $value;

        die 'waited in vain for ' . (defined $what ? $what : 'a condition')
            . "\n" if now() > $deadline;

        pause(0.005);
    }
}


sub now {
    return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC());
}


# lets time pass between two looks at a condition; may wake early on "fh"

sub pause {
    my ($seconds, $fh) = @_;

    my $bits = '';
    vec($bits, fileno $fh, 1) = 1 if defined $fh;

    return select($bits, undef, undef, $seconds) > 0;
}


# --- processes ------------------------------------------------------------

# spawn(command => [...], output => file) starts a program, by means of
# @launcher where one is set.  All processes that come of it hold the write
# end of a pipe, so its end of file says that the last one is gone.

sub spawn {
    my (%o) = @_;

    pipe my $alive, my $held or die "pipe: $!\n";

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        fcntl $held, F_SETFD, 0;

        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', $o{output};
        open STDERR, '>>', $o{output};

        my @command = (@launcher, @{ $o{command} });

        no warnings 'exec';
        exec { $command[0] } @command;

        print STDERR "exec $o{command}[0]: $!\n";
        POSIX::_exit(127);
    }

    close $held;

    return { pid => $pid, alive => $alive, name => $o{name} };
}


# fork_server($sub) runs $sub in a child, which ends with the parent.

sub fork_server {
    my ($name, $main) = @_;

    pipe my $alive,  my $held   or die "pipe: $!\n";
    pipe my $parent, my $parent_held or die "pipe: $!\n";

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        close $parent_held;
        close $alive;

        $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM);
        $SIG{PIPE} = 'IGNORE';
        alarm 0;

        eval { $main->($parent); 1 }
            or print STDERR "# $name: $@";

        POSIX::_exit(0);
    }

    close $held;
    close $parent;

    return {
        pid => $pid, alive => $alive, name => $name, held => $parent_held
    };
}


sub is_alive {
    my ($process) = @_;

    return 0 unless defined $process->{pid};

    return kill(0, $process->{pid}) && !pause(0, $process->{alive});
}


# 1: all of its processes ended within the time; "status" is set

sub wait_exit {
    my ($process, $seconds) = @_;

    return 1 unless defined $process->{pid};

    my $deadline = now() + $seconds;

    while (1) {
        my $left = $deadline - now();

        return 0 if $left <= 0;
        last if pause($left, $process->{alive});
    }

    waitpid $process->{pid}, 0;

    $process->{status} = $?;
    $process->{pid} = undef;

    return 1;
}


# Asks it to end, then makes it.  1: it did so on the first signal.

sub stop_process {
    my ($process, $signal, $seconds) = @_;

    return 1 unless defined $process->{pid};

    kill $signal, $process->{pid};
    return 1 if wait_exit($process, $seconds);

    for my $next (qw(TERM KILL)) {
        kill $next, children($process->{pid}) if $next eq 'KILL';
        kill $next, $process->{pid};

        last if wait_exit($process, 3);
    }

    return 0;
}


sub children {
    my ($pid) = @_;
    my @found;

    for my $stat (glob '/proc/[0-9]*/stat') {
        my $line = read_file($stat);

        push @found, $1
            if $line =~ /^(\d+) \(.*\) \S (\d+) /s && $2 == $pid;
    }

    return @found;
}


sub wait_port {
    my ($port, $process, $seconds, $address) = @_;
    my $deadline = now() + (defined $seconds ? $seconds : 20);

    while (1) {
        my $socket = IO::Socket::INET->new(
            PeerAddr => $address || '127.0.0.1', PeerPort => $port);

        return 1 if $socket;

        die "$process->{name} ended at its start\n"
            if pause(0.01, $process->{alive});

        die "$process->{name} does not listen on port $port\n"
            if now() > $deadline;
    }
}


# --- the end --------------------------------------------------------------

# what is registered has a method stop(), called in reverse order

sub register {
    my ($object) = @_;

    push @running, $object;

    return $object;
}


sub stop_all {
    while (my $object = pop @running) {
        eval { $object->stop; 1 } or Test::More::diag("stop: $@");
    }
}


$SIG{$_} = sub { die "the test got a signal: $_[0]\n" } for qw(TERM INT HUP);
$SIG{PIPE} = 'IGNORE';

$SIG{ALRM} = sub { die "the test took too long\n" };
alarm($ENV{TEST_TIMEOUT} || 120);


END {
    if ($$ == $owner) {
        my $status = $?;

        local $@;
        local $SIG{ALRM} = 'IGNORE';

        stop_all();

        if (defined $dir) {
            if ($ENV{TEST_KEEP}) {
                Test::More::diag("the files are in $dir");

            } else {
                File::Path::remove_tree($dir);
            }
        }

        $? = $status;
    }
}


1;
