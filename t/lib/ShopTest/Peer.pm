package ShopTest::Peer;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Peer - programs of others, to be tested against

=head1 SYNOPSIS

    use ShopTest::Peer;                 # skips all where there are none

    my $peer = ShopTest::Peer->new('provider.mjs', { port => 1234 });

    $peer->wait_line(qr/^listening/);   # of its output
    $peer->output;
    $peer->finish(60);                  # it ends by itself; its status
    $peer->report(60);                  # the same; what it checked

    ShopTest::Peer::chromium();         # path of the browser
    ShopTest::Peer::pictures();         # folder for what it saw
    ShopTest::Peer::build();            # what build.sh has made

=head1 DESCRIPTION

A script of t/peers is run by node, with what it is to do as JSON in its
argument.  The packages that it imports are pinned in t/package.json and
installed by "./build.sh test".

A script that makes checks prints a line for each, [ok, name, what was seen]
in JSON, and "finished" at its end; report() makes them checks of the test.

L<ShopTest::Glewlwyd> is a peer that is no script.

SHOP_TEST_NO_PEERS=1 skips these tests: for a system that has no node.
Without it a missing program is a failure.

=cut

use strict;
use warnings;

use JSON::PP ();
use Test::More ();

use ShopTest ();

my $json = JSON::PP->new->canonical->utf8;


sub import {
    Test::More::plan(skip_all => 'SHOP_TEST_NO_PEERS is set')
        if $ENV{SHOP_TEST_NO_PEERS};
}


sub new {
    my ($class, $script, $what) = @_;

    my $root = ShopTest::root();

    die "t/node_modules is missing: ./build.sh test\n"
        unless -d "$root/t/node_modules";

    my $self = bless {}, $class;

    return $self->spawn($script, find('node'), "$root/t/peers/$script",
                        $json->encode($what));
}


# a program that ends with the test

sub spawn {
    my ($self, $name, @command) = @_;

    local @ShopTest::launcher = (@ShopTest::launcher,
                                 qw(setpriv --pdeathsig TERM --));

    $self->{output} = ShopTest::temp_dir('peer') . '/output';

    $self->{process} = ShopTest::spawn(
        name    => $name,
        command => \@command,
        output  => $self->{output},
    );

    return ShopTest::register($self);
}


sub find {
    my ($name) = @_;

    for my $path (split /:/, $ENV{PATH}) {
        return "$path/$name" if -x "$path/$name";
    }

    die "no $name found: ./build.sh deps peers\n";
}


sub chromium { return find('chromium') }


sub build { return $ENV{SHOP_BUILD} || ShopTest::root() . '/build' }


sub pictures {
    my $build = build();
    my $dir = "$build/pictures";

    -d $_ or mkdir $_ or die "mkdir $_: $!\n" for $build, $dir;

    return $dir;
}


sub output { return ShopTest::read_file($_[0]->{output}) }


sub wait_line {
    my ($self, $regex) = @_;

    ShopTest::wait_for {
        $self->output =~ $regex || !ShopTest::is_alive($self->{process})
    } "$self->{process}{name}", 60;

    return if $self->output =~ $regex;

    die "$self->{process}{name} failed: ", $self->output;
}


sub finish {
    my ($self, $seconds) = @_;

    ShopTest::wait_exit($self->{process}, $seconds)
        or die "$self->{process}{name} does not end: ", $self->output;

    return $self->{process}{status};
}


sub report {
    my ($self, $seconds) = @_;
    my $status = $self->finish($seconds);
    my $finished;

    for my $line (split /\n/, $self->output) {
        if ($line eq 'finished') {
            $finished = 1;

        } elsif ($line =~ /^\[(true|false),/) {
            my ($ok, $name, $seen) = @{ $json->decode($line) };

            Test::More::ok($ok, $name) or Test::More::diag("seen: $seen");
        }
    }

    Test::More::ok($status == 0 && $finished, 'all was tried')
        or Test::More::diag($self->output);

    return;
}


sub stop {
    my ($self) = @_;

    ShopTest::stop_process($self->{process}, 'TERM', 10);

    return;
}


1;
