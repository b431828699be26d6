package ShopTest::Events;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Events - tells a shop of orders, as its own systems do

=head1 SYNOPSIS

    my $events = ShopTest::Events->new;     # with a key of its own

    shop(http => $events->conf);

    $events->send($nginx, { id => 'o-1', type => 'order', ... });
    $events->results($nginx, \%event, ...); # "booked", "refused id_reused"

    $events->post($nginx, $body, signature => 'k=...');

=head1 DESCRIPTION

send() posts one line of JSON for each event, which may be a text as well, and
returns the response; results() what became of each.  post() sends a body as it
is; "time", "key", "id" and "signature" are what is signed with or said,
"signed" another body than the one that is sent.

=cut

use strict;
use warnings;

use Digest::SHA ();
use JSON::PP ();

use ShopTest ();

my $json = JSON::PP->new->canonical->utf8;


sub new {
    my ($class, %o) = @_;

    my $self = bless { id => 'erp', key => 'c0ffee' x 10, %o }, $class;

    $self->{file} = ShopTest::write_file(
        ShopTest::temp_dir('events') . '/keys',
        $self->{lines} || "# of the shop\n\n$self->{id}:$self->{key}\n",
        0600);

    return $self;
}


sub file { return $_[0]->{file} }

sub conf { return "shop_event_key_file $_[0]->{file};" }


sub signature {
    my ($self, $body, %o) = @_;
    my $time = defined $o{time} ? $o{time} : time;
    my $key = pack 'H*', $o{key} || $self->{key};

    return "t=$time,k=" . ($o{id} || $self->{id}) . ',v1='
        . Digest::SHA::hmac_sha256_hex("$time.$body", $key);
}


sub headers {
    my ($self, $body, %o) = @_;

    my $signature = exists $o{signature} ? $o{signature}
        : $self->signature(defined $o{signed} ? $o{signed} : $body, %o);

    return [ 'Content-Type' => 'application/x-ndjson',
             defined $signature ? ('Shop-Signature' => $signature) : () ];
}


sub post {
    my ($self, $nginx, $body, %o) = @_;

    return $nginx->post('/_shop/events', $body,
                        @{ $self->headers($body, %o) });
}


sub body {
    my (@events) = @_;

    return join '', map { (ref $_ ? $json->encode($_) : $_) . "\n" } @events;
}


sub send {
    my ($self, $nginx, @events) = @_;

    return $self->post($nginx, body(@events));
}


sub results {
    my ($self, $nginx, @events) = @_;
    my $response = $self->send($nginx, @events);

    die "no results but " . $response->status . ': ' . $response->body . "\n"
        unless $response->status == 200;

    return map { join ' ', grep { defined } @$_{qw(status reason)} }
           @{ $response->json->{results} };
}


1;
