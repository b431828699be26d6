package ShopTest::Nginx;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Nginx - an nginx with our module, for one test

=head1 SYNOPSIS

    my $nginx = nginx(
        main => 'worker_rlimit_nofile 512;',    # outside of http
        http => <<'CONF',
            shop_redis %%redis%%;
            server { listen 127.0.0.1:%%port%%; }
            server { listen 127.0.0.1:%%port2%%; }
    CONF
        vars => { redis => $redis->url },
    );

    $nginx->get('/');                   # of ShopTest::HTTP, to %%port%%
    $nginx->port(2);                    # %%port2%%
    $nginx->reload(http => $other);     # the new text is optional
    $nginx->upgrade;                    # another binary, the same one
    $nginx->wait_log(qr/redis: /);      # the match, or dies
    $nginx->open_files;                 # of the workers, see there

    my ($code, $text) = ShopTest::Nginx->check(http => $wrong);   # -t

=head1 DESCRIPTION

%%port%%, %%port2%%, ... are free ports, %%dir%% is the folder of this nginx,
%%h2_listen%% and %%h2_on%% those of L<ShopTest::HTTP2>; other names come from
"vars"; an unknown one is an error of the test.

Other arguments:

    workers  => 2           default 1
    connections => 1024     of a worker, default 256
    unit     => 1           loads the module of the unit tests too
    module   => 0           does not load ours
    conf     => $text       the whole file instead
    level    => 'info'      of the error log, default debug
    user     => 'nobody'    of the workers, when root runs the test
    allow    => [qr/.../]   alerts and emergencies that are expected
    secrets  => [...]       texts that must not be in a log, see below
    timeout  => 10          seconds to quit gracefully
    daemon   => 1           as in production, so that upgrade() works

stop(), called by done_testing(), lets it quit and makes two checks: that it
did quit, and that its logs hold no [alert], no [emerg], no line of a
sanitizer and none of the secrets (add more with keep_secret()).  Secrets are
looked for in every line but nginx's own at debug level, which print headers
as they come; those of our rooms are searched at all levels.

=cut

use strict;
use warnings;

use Test::More ();

use ShopTest ();
use ShopTest::HTTP ();

my %build;


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        workers => 1,
        module  => 1,
        level   => 'debug',
        timeout => 10,
        vars    => {},
        allow   => [],
        secrets => [],
        connections => 256,
        events  => '',
        %o,
        ports   => {},
        dir     => ShopTest::temp_dir('nginx'),
    }, $class;

    mkdir "$self->{dir}/logs";

    # workers of another user need the way to their files

    if ($self->{user}) {
        chmod 0755, ShopTest::temp_dir(), $self->{dir};
    }

    return $self;
}


# nginx -V as { version => 1022001, text => ..., debug => 1 }

sub build {
    my $binary = binary();

    return $build{$binary} ||= do {
        my $text = `$binary -V 2>&1`;

        die "cannot run $binary\n"
            unless $text =~ m{nginx/(\d+)\.(\d+)\.(\d+)};

        {
            version => $1 * 1000000 + $2 * 1000 + $3,
            text    => $text,
            debug   => $text =~ /--with-debug/ ? 1 : 0,
        };
    };
}


sub version {
    return build()->{version};
}


sub binary {
    return $ENV{TEST_NGINX_BINARY} if $ENV{TEST_NGINX_BINARY};

    for my $path (split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin') {
        return "$path/nginx" if -x "$path/nginx";
    }

    die "no nginx found\n";
}


sub module_path {
    my ($variable, $file) = @_;

    return $ENV{$variable} if $ENV{$variable};

    my $root = ShopTest::root();

    for my $folder ('build', 'build/objs') {
        return "$root/$folder/$file" if -f "$root/$folder/$file";
    }

    die "$file is not built: ./build.sh build\n";
}


sub port {
    my ($self, $n) = @_;
    my $name = 'port' . (!$n || $n == 1 ? '' : $n);

    return $self->{ports}{$name} ||= ShopTest::free_port();
}


sub url {
    my ($self, $n) = @_;

    return 'http://127.0.0.1:' . $self->port($n);
}


sub dir {
    return $_[0]->{dir};
}


# --- the configuration ----------------------------------------------------


sub fill {
    my ($self, $text) = @_;

    $text =~ s{%%([A-Za-z0-9_]+)%%}{
        my $name = $1;

        $name =~ /^port(\d*)$/        ? $self->port($1)
        : $name eq 'dir'              ? $self->{dir}
        : $name eq 'h2_listen'        ? (h2_directive() ? '' : ' http2')
        : $name eq 'h2_on'            ? (h2_directive() ? 'http2 on;' : '')
        : exists $self->{vars}{$name} ? $self->{vars}{$name}
        : die "the test says %%$name%%, which is nothing\n";
    }gex;

    return $text;
}


# HTTP/2 became a directive, which a port can have beside HTTP/1, in 1.25.1

sub h2_directive {
    return version() >= 1025001;
}


sub conf_text {
    my ($self) = @_;
    my $build = build();
    my $dir = $self->{dir};

    return $self->fill($self->{conf}) if defined $self->{conf};

    my $text = $ENV{TEST_NGINX_GLOBALS} ? "$ENV{TEST_NGINX_GLOBALS}\n" : '';

    if ($self->{module}) {
        my $path = module_path('TEST_NGINX_MODULE',
                               'ngx_http_shop_module.so');

        $text .= "load_module $path;\n" if $path ne 'static';
    }

    if ($self->{unit}) {
        my $path = module_path('TEST_NGINX_UNIT_MODULE',
                               'ngx_shop_unit_module.so');

        $text .= "load_module $path;\n" if $path ne 'static';
    }

    # root stays root where a test does not ask for more: the folders of a
    # test belong to it

    $text .= 'user ' . ($self->{user} || 'root root') . ";\n" if $> == 0;

    my $level = $self->{level};
    $level = 'info' if $level eq 'debug' && !$build->{debug};

    my $daemon = $self->{daemon} ? 'on' : 'off';

    $text .= <<"END";
daemon $daemon;
worker_processes $self->{workers};
pid $dir/nginx.pid;
error_log $dir/logs/error.log $level;
END

    $text .= "$self->{main}\n" if defined $self->{main};
    $text .= "events { worker_connections $self->{connections}; "
             . "$self->{events} }\n";

    return $self->fill($text) unless defined $self->{http};

    $text .= <<"END";
http {
    access_log $dir/logs/access.log;
    default_type text/plain;
    root $dir/html;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
END

    for my $name (qw(fastcgi uwsgi scgi)) {
        next if $build->{text} =~ /--without-http_${name}_module/;

        $text .= "    ${name}_temp_path $dir/$name;\n";
    }

    return $self->fill("$text\n$self->{http}\n}\n");
}


sub write_conf {
    my ($self) = @_;

    mkdir "$self->{dir}/html";

    return ShopTest::write_file("$self->{dir}/nginx.conf",
                                $self->conf_text);
}


sub command {
    my ($self, @more) = @_;

    return (binary(), '-p', $self->{dir}, '-c', "$self->{dir}/nginx.conf",
            '-e', "$self->{dir}/logs/error.log", @more);
}


# check() as a method of the class or of an object: what "nginx -t" says,
# as its exit code and text

sub check {
    my ($self, %o) = @_;

    $self = ref $self ? $self : $self->new(%o);
    $self->write_conf;

    my $output = "$self->{dir}/check.log";

    unlink $output;

    my $process = ShopTest::spawn(
        name    => 'nginx -t',
        command => [ $self->command('-t') ],
        output  => $output,
    );

    ShopTest::stop_process($process, 'KILL', 1)
        unless ShopTest::wait_exit($process, $o{seconds} || 60);

    return ($process->{status} >> 8 || $process->{status} & 127,
            ShopTest::read_file($output));
}


# --- life -----------------------------------------------------------------


sub start {
    my ($self) = @_;

    $self->write_conf;

    # nothing may rely on what is in memory that is new, or was freed

    local $ENV{MALLOC_PERTURB_} = defined $ENV{MALLOC_PERTURB_}
                                  ? $ENV{MALLOC_PERTURB_} : 165;

    my $process = ShopTest::spawn(
        name    => 'nginx',
        command => [ $self->command ],
        output  => "$self->{dir}/logs/output.log",
    );

    $self->{process} = $process;
    ShopTest::register($self) unless $self->{registered}++;

    eval {
        ShopTest::wait_port($self->{ports}{$_}, $process)
            for sort $self->listening;
        1;

    } or do {
        my $error = $@;

        $self->{failed} = 1;
        die $error . ShopTest::read_file("$self->{dir}/logs/output.log")
            . join('', $self->log_lines(qr/\[(?:emerg|alert|crit)\]/));
    };

    if ($self->{daemon}) {
        waitpid $process->{pid}, 0;
        $process->{pid} = ShopTest::wait_for { $self->pid_file }
                                             'the file of its pid';
    }

    return $self;
}


sub pid_file {
    my ($self) = @_;
    my ($pid) = ShopTest::read_file("$self->{dir}/nginx.pid") =~ /^(\d+)/;

    return $pid || 0;
}


# the names of the ports that some "listen" names

sub listening {
    my ($self) = @_;
    my $conf = ShopTest::read_file("$self->{dir}/nginx.conf");

    return grep {
        $conf =~ /^\s*(?:.*[;{]\s*)?listen\s+(?:127\.0\.0\.1:)?
                  $self->{ports}{$_}\b(?![^;]*\b(?:udp|quic)\b)/xm
    } keys %{ $self->{ports} };
}


sub pid {
    return $_[0]->{process}{pid};
}


sub workers {
    my ($self) = @_;

    return ShopTest::children($self->pid);
}


# What the workers hold open, as { tcp => [ [here, there], ... ], other => N }:
# connections by their ports, and how much is none.

sub open_files {
    my ($self) = @_;
    my %files = (tcp => [], other => 0);

    for my $pid ($self->workers) {
        my %ports;

        for my $table ('tcp', 'tcp6') {
            my ($head, @lines) = split /\n/,
                ShopTest::read_file("/proc/$pid/net/$table");

            for (map { [ split ] } @lines) {
                my ($here, $there) = map { hex((split /:/)[1]) } @$_[1, 2];

                $ports{ $_->[9] } = [ $here, $there ] if $there;
            }
        }

        for my $fd (glob "/proc/$pid/fd/*") {
            my $what = readlink $fd;

            next unless defined $what;

            if ($what =~ /^socket:\[(\d+)\]/ && $ports{$1}) {
                push @{ $files{tcp} }, $ports{$1};

            } else {
                $files{other}++;
            }
        }
    }

    return \%files;
}


# Reloads, with another text if one is given, and returns when the new
# workers run and the old ones accept nothing more.  0: nginx refused.

sub reload {
    my ($self, %o) = @_;

    $self->{$_} = $o{$_} for keys %o;
    $self->write_conf;

    my $from = length $self->log;

    # some may be about to end since the reload before

    my @old = grep { $self->log !~ /\[notice\] $_#.* gracefully shutting/ }
              $self->workers;

    kill 'HUP', $self->pid;

    my $result = ShopTest::wait_for {
        my $log = substr $self->log, $from;

        return -1 if $log =~ /\[emerg\]/;

        return $log =~ /\[notice\] .* start worker process \d+/
               && !grep { $log !~ /\[notice\] $_#.* gracefully shutting/ }
                  @old;
    } 'the reload';

    return $result == 1 ? 1 : 0;
}


# A new master with new workers, then the end of the old ones; "between" is
# called while both are there.

sub upgrade {
    my ($self, $between) = @_;
    my $old = $self->pid;
    my $from = length $self->log;
    my $new;

    kill 'USR2', $old;

    ShopTest::wait_for {
        $new = $self->pid_file;

        return $new && $new != $old
               && substr($self->log, $from)
                  =~ /\[notice\] $new#.* start worker process \d+/;
    } 'the new binary';

    $between->() if $between;

    kill 'WINCH', $old;
    ShopTest::wait_for {
        !grep { $_ != $new } ShopTest::children($old)
    } 'the end of the old workers';

    kill 'QUIT', $old;
    ShopTest::wait_for {
        ShopTest::read_file("/proc/$old/stat") !~ /\) [^Z]/
    } 'the end of the old binary';

    $self->{process}{pid} = $new;

    return 1;
}


# "signal" is QUIT, TERM or KILL

sub stop {
    my ($self, $signal) = @_;
    my $process = $self->{process};

    return unless $process;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $quit = ShopTest::stop_process($process, $signal || 'QUIT',
                                      $self->{timeout});
    $self->{process} = undef;

    return if $self->{failed};

    Test::More::ok($quit, 'nginx quits in time');

    my @wrong = $self->wrong_lines;

    Test::More::ok(!@wrong, 'the logs of nginx are clean')
        or Test::More::diag(splice @wrong, 0, 100);

    if (!Test::More->builder->is_passing) {
        my @lines = $self->log_lines($ENV{TEST_VERBOSE_LOG}
                                     ? qr// : qr/\[(?!debug|notice)\w+\]/);

        if (!$ENV{TEST_VERBOSE_LOG}) {
            @lines = splice @lines, -20 if @lines > 20;
            s/^(.{400}).+/$1.../ for @lines;
        }

        Test::More::diag('the end of the error log:', "\n", @lines)
            if @lines;
    }

    return;
}


# --- logs -----------------------------------------------------------------


sub log {
    my ($self) = @_;

    return ShopTest::read_file("$self->{dir}/logs/error.log");
}


sub access_log {
    my ($self) = @_;

    return ShopTest::read_file("$self->{dir}/logs/access.log");
}


# whether a line comes into this log, which may be after the client has its
# answer: nginx tells of a request when it frees it

sub logs {
    my ($self, $file, $regex) = @_;

    return eval {
        ShopTest::wait_for {
            ShopTest::read_file("$self->{dir}/$file") =~ $regex
        };
    };
}


sub log_lines {
    my ($self, $regex) = @_;

    return grep { /$regex/ } split /^/, $self->log;
}


# the first match (its first group, if it has one) once it is there

sub wait_log {
    my ($self, $regex, $seconds) = @_;

    return ShopTest::wait_for {
        $self->log =~ $regex ? (defined $1 ? $1 : 1) : 0
    } "a line of the log like $regex", $seconds;
}


sub keep_secret {
    my ($self, @secrets) = @_;

    push @{ $self->{secrets} }, grep { defined && length } @secrets;
}


sub wrong_lines {
    my ($self) = @_;
    my @wrong;

    # one expression for all of them, which may be thousands

    my %secrets = map { $_ => 1 } @{ $self->{secrets} };
    my $any = join '|', map { quotemeta } sort keys %secrets;
    my $secret = qr/$any/;

    for my $file (sort glob "$self->{dir}/logs/*") {
        my ($sanitizer, $foreign) = (0, 0);

        for my $line (split /^/, ShopTest::read_file($file)) {

            # a report of a sanitizer has many lines

            $sanitizer = 40
                if $line =~ /(?:Address|Leak|Memory|Thread|Undefined
                             Behavior)Sanitizer|runtime\ error:/x;

            if ($sanitizer) {
                $sanitizer--;
                push @wrong, $line;
                next;
            }

            # who is killed may hold the lock of the zone, which nginx frees

            $line =~ s/: \Kshared memory zone "\w+" was locked by (\d+)$/
                      "worker process $1 exited on signal 9"/e;

            if ($line =~ /\[(?:alert|emerg)\]/) {
                push @wrong, $line
                    unless grep { $line =~ $_ } @{ $self->{allow} };
            }

            next unless length $any;

            # nginx prints the headers of an answer as lines of their own

            $foreign = $line =~ /\[debug\]/
                       && $line !~ /\[debug\]\ \S+\ (?:\*\d+\ )?
                                    (?:shop|social|loyalty)\b/x
                if $line =~ m{^\d{4}/\d\d/\d\d\ .*\ \[\w+\]\ }x;

            next if $foreign;

            push @wrong, "a secret: $line" if $line =~ $secret;
        }
    }

    return @wrong;
}


# --- requests, to %%port%% ------------------------------------------------


sub get {
    my ($self, $uri, @headers) = @_;

    return ShopTest::HTTP::request($self->port, 'GET', $uri,
                                   headers => \@headers);
}


sub post {
    my ($self, $uri, $body, @headers) = @_;

    return ShopTest::HTTP::request($self->port, 'POST', $uri,
                                   headers => \@headers, body => $body);
}


sub connect {
    my ($self, %o) = @_;

    return ShopTest::HTTP->connect($self->port, %o);
}


1;
