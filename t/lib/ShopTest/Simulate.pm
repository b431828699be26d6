package ShopTest::Simulate;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Simulate - what the module would do at any time

=head1 SYNOPSIS

    use ShopTest::Simulate;

    my $module = ShopTest::Simulate->new(\%program, 'ab' x 16);

    $module->script;                        # that books
    my $command = $module->book($now, 'c1', \@words, \%leases);
    my ($given, $held) = $module->offers($now, 'c1', 'work',
                                         { A => 5 }, [ %view ]);

    ShopTest::Simulate::conf(\%program);    # lines of the configuration

=head1 DESCRIPTION

An nginx that answers while it reads its configuration, see
t/check/ngx_shop_check_simulate.c: the code of the module, and a clock that is
told.  Programs are those of L<ShopTest::Loyalty>, whose "promotions" have
besides what those of L<ShopTest::Offers> have, as have "segments".

book() returns the bytes of the command for Redis; the words are those of an
event as L<ShopTest::Ledger> has them, and leases { CODE => N or "sold" }, of
the customer's partition.  offers() is told how much of which budgets is
redeemed, and the fields of the view.

new() dies with what nginx says if the program is refused.

=cut

use strict;
use warnings;

use IPC::Open3 ();

use ShopTest ();
use ShopTest::Nginx ();
use ShopTest::Offers ();
use ShopTest::Session ();


sub new {
    my ($class, $program, $seed) = @_;
    my $module = ShopTest::Nginx::module_path('TEST_NGINX_MODULE',
                                              'ngx_http_shop_module.so');
    my $check = $module =~ s/ngx_http_shop_module/ngx_shop_check_module/r;

    my $nginx = ShopTest::Nginx->new(main => "load_module $check;",
                                     http => 'loyalty_program {'
                                             . conf($program) . '}'
                                             . "shop_simulate $seed;");
    $nginx->write_conf;

    my $errors = $nginx->dir . '/errors';

    open my $to_file, '>>', $errors or die "$errors: $!\n";

    my $pid = IPC::Open3::open3(my $to, my $from, '>&' . fileno $to_file,
                                $nginx->command('-t', '-q'));
    my $self = bless { pid => $pid, from => $from, to => $to }, $class;

    $to->autoflush(1);

    my $len = readline $from;

    die ShopTest::read_file($errors) if !defined $len;

    $self->{script} = $self->bytes($len);

    return $self;
}


sub DESTROY {
    my ($self) = @_;

    close $self->{to};
    waitpid $self->{pid}, 0;

    return;
}


sub bytes {
    my ($self, $len) = @_;
    my $bytes;

    read $self->{from}, $bytes, $len;

    return $bytes;
}


sub script { return $_[0]->{script} }

sub partition { return ShopTest::Session::crc16($_[0]) % 64 }


sub ask {
    my ($self, @words) = @_;

    local $SIG{PIPE} = 'IGNORE';

    print { $self->{to} } join("\t", @words), "\n";

    my $line = readline $self->{from};

    die "the module does not answer\n" unless defined $line;

    chomp $line;

    return $line;
}


sub book {
    my ($self, $now, $customer, $words, $leases) = @_;
    my $part = partition($customer);
    my $len = $self->ask('book', $now, $customer, @$words,
                         map { ($_, $part, $leases->{$_}) } keys %$leases);

    return $self->bytes($len);
}


sub offers {
    my ($self, $now, $customer, $provider, $redeemed, $view) = @_;
    my $line = $self->ask('offers', $now, $customer, $provider,
                          scalar keys %$redeemed, %$redeemed, @$view);

    return split /\t/, $line, -1;
}


# --- the configuration ----------------------------------------------------


sub conf {
    my ($program) = @_;

    return join "\n", '', 'currency EUR;',
           (map { tier($_) } @{ $program->{tiers} || [] }),
           (map { earn($_) } @{ $program->{earn} || [] }),
           ShopTest::Offers->new(%$program)->offered, '';
}


sub money { return sprintf '%d.%02d', $_[0] / 100, $_[0] % 100 }


sub parameters {
    my ($of, @names) = @_;

    return map { "$_=" . (/^(?:per|min|spend)$/ ? money($of->{$_})
                                                : $of->{$_}) }
           grep { $of->{$_} } @names;
}


sub tier {
    my ($tier) = @_;

    return join(' ', 'tier', $tier->{name}, parameters($tier,
                qw(points spend orders window valid grace downgrade)),
                ($tier->{match} || '') eq 'all' ? 'match=all' : ()) . ';';
}


sub earn {
    my ($rule) = @_;
    my $multiply = $rule->{multiply} || {};

    return join(' ', 'earn', $rule->{what}, $rule->{points},
                parameters($rule, qw(per min days every limit tier pending
                                     expires)),
                map { "multiply=$_:" . $multiply->{$_} / 1000 }
                sort keys %$multiply) . ';';
}


1;
