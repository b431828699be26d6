package ShopTest::Sentinel;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Sentinel - a master, replicas and the sentinels that watch them

=head1 SYNOPSIS

    my $sentinels = ShopTest::Sentinel->new(servers => 2, sentinels => 3);

    $sentinels->urls;                   # those of the sentinels, for nginx
    $sentinels->url;                    # the same as parameters of shop_redis
    $sentinels->command('GET', 'key');  # at the master; shop() takes it as
                                        # redis
    $sentinels->master;                 # the ShopTest::Redis of this moment
    $sentinels->command('GET', 'key');  # asks that one
    $sentinels->url;                    # all of it, for shop_redis
    $sentinels->servers;                # all of them
    $sentinels->sentinels;              # ShopTest::Redis, too
    $sentinels->failover;               # planned, and waits for its end

=head1 DESCRIPTION

The master's name is "main".  A master that is down is replaced after a
second.  "redis" is a hash of arguments of all servers, and "hosts" the
machines of the first ones, see L<ShopTest::Network>.

=cut

use strict;
use warnings;

use ShopTest ();
use ShopTest::Redis ();


sub new {
    my ($class, %o) = @_;
    my $self = bless { servers => [], sentinels => [] }, $class;

    my $n = $o{servers} || 2;
    my %redis = (args => [], %{ $o{redis} || {} });
    my @auth = defined $redis{password}
               ? ('--masterauth', $redis{password}) : ();
    my $first;

    for (1 .. $n) {
        my @replica = $first
            ? ('--replicaof', $first->address, $first->port) : ();

        my $server = ShopTest::Redis->new(%redis,
            host => $o{hosts}[$_ - 1],
            args => [ @{ $redis{args} }, @auth, '--repl-diskless-sync-delay',
                      '0', @replica ])->start;

        # whoever is started again comes as it was, not as it became

        $first ||= $server;
        push @{ $self->{servers} }, $server;
    }

    for my $server (@{ $self->{servers} }) {
        next if $server == $first;

        ShopTest::wait_for(sub {
            $server->command('INFO', 'replication')
                =~ /master_link_status:up/ && $server != $first
        }, 'a replica');
    }

    my $quorum = int(($o{sentinels} || 3) / 2) + 1;

    for (1 .. $o{sentinels} || 3) {
        my $port = ShopTest::free_port();
        my $dir = ShopTest::temp_dir('sentinel');

        my $conf = ShopTest::write_file("$dir/sentinel.conf", join "\n",
            "port $port", 'bind 127.0.0.1', "dir $dir",
            'protected-mode no',
            'sentinel announce-ip 127.0.0.1',
            'sentinel monitor main ' . $first->address . ' '
                . $first->port . " $quorum",
            'sentinel down-after-milliseconds main 1000',
            'sentinel failover-timeout main 3000',
            defined $redis{password}
                ? "sentinel auth-pass main $redis{password}" : (),
            @{ $o{conf} || [] }, '');

        my $sentinel = ShopTest::Redis->client($port);

        $sentinel->{dir} = $dir;
        $sentinel->{process} = ShopTest::spawn(
            name    => 'sentinel',
            command => [ ShopTest::Redis::binary(), $conf, '--sentinel' ],
            output  => "$dir/sentinel.log",
        );

        ShopTest::register($sentinel);
        ShopTest::wait_port($port, $sentinel->{process});

        # Since 7.0: what is looked at every ten seconds, or believed after
        # eight, else makes a failover long; and a machine that was busy for
        # two makes a sentinel do nothing for thirty.

        $sentinel->try('SENTINEL', 'DEBUG', 'publish-period', 500,
                       'info-period', 500, 'tilt-trigger', 20000);

        push @{ $self->{sentinels} }, $sentinel;
    }

    my $others = @{ $self->{sentinels} } - 1;

    for my $sentinel ($self->sentinels) {
        ShopTest::wait_for(sub {
            my %is = @{ $sentinel->command('SENTINEL', 'MASTER', 'main') };

            $is{'num-other-sentinels'} == $others
                && $is{'num-slaves'} == $n - 1 && $is{flags} eq 'master'
        }, 'the sentinels to know each other', 20);
    }

    return $self;
}


sub servers { return @{ $_[0]->{servers} } }

sub sentinels { return @{ $_[0]->{sentinels} } }

sub urls { return map { 'redis://127.0.0.1:' . $_->port } $_[0]->sentinels }

sub url { return join(' ', $_[0]->urls) . ' sentinel=main' }

sub command {
    my ($self, @words) = @_;
    my $master = $self->master;

    # a server closes all connections when it becomes another

    delete $master->{socket} if $master->{socket}
        && ShopTest::pause(0, $master->{socket});

    return $master->command(@words);
}


sub master_of {
    my ($self, $sentinel) = @_;

    my $address = $sentinel->command('SENTINEL', 'get-master-addr-by-name',
                                     'main');

    return (grep { $_->port == $address->[1] } $self->servers)[0];
}


sub master {
    my ($self) = @_;

    my ($alive) = grep { $_->{process} } $self->sentinels;

    return $self->master_of($alive);
}


sub failover {
    my ($self) = @_;
    my $old = $self->master;

    # it wants a replica that reported lately

    ShopTest::wait_for(sub {
        my (undef, $error) = $self->{sentinels}[0]->try(
            'SENTINEL', 'FAILOVER', 'main');
        !defined $error;
    }, 'a failover to begin', 15);

    return $self->moved($old);
}


# waits until all of the sentinels name another than $old, and all servers
# agree: until then sentinels may still change their mind

sub moved {
    my ($self, $old) = @_;

    return ShopTest::wait_for(sub {
        my %named = map { $_->port => $_ } map { $self->master_of($_) }
                    grep { $_->{process} } $self->sentinels;
        my ($master) = values %named;

        return 0 if keys %named != 1 || $master == $old;

        for my $server (grep { $_->{process} } $self->servers) {

            # one that becomes a replica closes all connections

            delete $server->{socket};

            my $role = eval { $server->command('ROLE') } or return 0;

            return 0 if $server == $master
                        ? $role->[0] ne 'master'
                        : $role->[0] ne 'slave' || $role->[2] != $master->port
                          || $role->[3] ne 'connected';
        }

        return $master;
    }, 'a failover', 40);
}


1;
