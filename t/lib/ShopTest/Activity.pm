package ShopTest::Activity;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Activity - a shop whose customers come and go

=head1 SYNOPSIS

    use ShopTest::Activity;

    my ($shop, $redis) = start(program => 'loyalty_program { ... }');

    my $session = session(ago => 400);      # noted so many seconds ago

    told($session);                         # "ID SOURCE"
    told($session, instance());             # at another nginx
    flushed();                              # what was queued is written
    visits($session);                       # as Redis knows them

=cut

use strict;
use warnings;

use Exporter 'import';

use ShopTest ();
use ShopTest::Session ();

our @EXPORT = qw(activity calls flushed instance listed session settled start
                 told visits);

my %o = (location => 'add_header X-Session $shop_session;');

my ($shop, $redis);


# arguments are those of shop(), also for the instances

sub start {
    my (%more) = @_;

    %o = (%o, %more);

    $shop = ShopTest::shop(%o);
    $redis = $shop->redis;

    return ($shop, $redis);
}


# another instance at the same Redis

sub instance {
    my (%more) = @_;

    return ShopTest::shop(%o, redis => $redis, provider => $shop->provider,
                          backend => $shop->backend, %more);
}


# a session that was noted some minutes ago, or "ago" seconds

sub session {
    my (%more) = @_;
    my $session = ShopTest::Session->new(redis => $redis, %more);

    $session->noted(defined $more{ago} ? $more{ago} : 400);

    return $session;
}


# "ID SOURCE" as the backend and the client are told

sub told {
    my ($session, $at) = @_;

    my $response = ($at || $shop)->nginx->get('/', Cookie => $session->cookie);
    my ($id) = map { $_->[1] } grep { lc $_->[0] eq 'x-customer-id' }
               @{ $response->json->{headers} };

    return (defined $id ? $id : '-') . ' ' . $response->header('X-Session');
}


sub calls { return $redis->calls->{$_[0]} || 0 }


sub activity { return $redis->hash($_[0]->key('activity')) }


sub visits { return activity($_[0])->{visits} }


# when the session was seen, as the list of the customer's sessions says

sub listed {
    my ($session) = @_;
    my ($hash) = $session->key =~ /(\w+)$/;

    return $redis->command('ZSCORE', $session->key('sessions'), $hash);
}


# all that Redis told of changes until now has come

sub settled {
    my ($at) = @_;
    my $probe = session(ago => 0);

    ShopTest::wait_for { told($probe, $at) =~ /cached/ } 'the channel';
}


# what was queued before is written

sub flushed {
    my ($at, %more) = @_;
    my $probe = session(%more);

    told($probe, $at);
    ShopTest::wait_for { visits($probe) } 'a later customer', 30;
}


1;
