package ShopTest::Demo;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Demo - the demo of docs/demo, for one test

=head1 SYNOPSIS

    my $demo = ShopTest::Demo->new;     # runs when this returns

    $demo->url;                         # http://127.0.0.1:PORT
    $demo->output;                      # what it printed
    $demo->redis;                       # a client of its Redis

    $demo->stop('INT');                 # the default of done_testing()

=head1 DESCRIPTION

stop() makes the checks of L<ShopTest::Nginx>, and that nothing is left: no
process, no file.

=cut

use strict;
use warnings;

use Test::More ();

use ShopTest ();
use ShopTest::Nginx ();
use ShopTest::Redis ();


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        port => ShopTest::free_port(),
        dir  => ShopTest::temp_dir('demo'),
        tmp  => ShopTest::temp_dir('tmp'),
        %o,
    }, $class;

    $self->{log} = "$self->{dir}/demo.log";

    local $ENV{DEMO_PORT} = $self->{port};
    local $ENV{DEMO_DIR} = $self->{dir};
    local $ENV{TMPDIR} = $self->{tmp};

    $self->{process} = ShopTest::spawn(
        name    => 'demo',
        command => [ ShopTest::root() . '/docs/demo/run' ],
        output  => $self->{log},
    );

    return $self if $o{fails};

    ShopTest::register($self);

    ShopTest::wait_for {
        !ShopTest::is_alive($self->{process})
        || $self->output =~ /The shop is open:/
    } 'the demo', 60;

    die 'the demo does not start: ', $self->output
        unless ShopTest::is_alive($self->{process});

    return $self;
}


sub url { return "http://127.0.0.1:$_[0]->{port}" }

sub pid { return $_[0]->{process}{pid} }

sub output { return ShopTest::read_file($_[0]->{log}) }


sub redis {
    my ($self) = @_;

    my ($port) = ShopTest::read_file("$self->{dir}/nginx.conf")
                 =~ m{^\s*shop_redis redis://127\.0\.0\.1:(\d+);}m
        or die "the demo's nginx.conf has no Redis\n";

    return ShopTest::Redis->client($port);
}


# waits until a demo that fails has done so; its status

sub status {
    my ($self) = @_;

    ShopTest::wait_exit($self->{process}, 60)
        or ShopTest::stop_process($self->{process}, 'KILL', 5);

    return $self->{process}{status} >> 8;
}


sub stop {
    my ($self, $signal) = @_;
    my $process = $self->{process};

    return if $self->{stopped}++;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    # the pipe of spawn() is held by all that the demo started

    Test::More::ok(ShopTest::stop_process($process, $signal || 'INT', 30),
                   'the demo ends, and all of its processes');

    if (($signal || 'INT') ne 'KILL') {
        Test::More::is($process->{status}, 0, 'which was meant so');
        Test::More::is_deeply([ glob "$self->{tmp}/*" ], [],
                              'the demo leaves no file behind');
    }

    my @wrong = ShopTest::Nginx::wrong_lines(
        { dir => $self->{dir}, allow => [], secrets => [] });

    Test::More::ok(!@wrong, 'the logs of its nginx are clean')
        or Test::More::diag(splice @wrong, 0, 100);

    return;
}


1;
