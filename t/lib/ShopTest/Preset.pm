package ShopTest::Preset;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Preset - the rows of ngx_module/oidc/presets, for tests

=head1 SYNOPSIS

    my @names = ShopTest::Preset::names();

    # lines that lead each address of the row to a mock on 127.0.0.1
    my $lines = ShopTest::Preset::redirected('github', $port);

    my $fields = ShopTest::Preset::fields('github');    # { sub => [...] }
    my $notes = ShopTest::Preset::notes('github');      # { label => [...] }
    my @needs = ShopTest::Preset::needs($fields);       # host, ...

=head1 DESCRIPTION

C<https://HOST/PATH> of a row becomes C<http://127.0.0.1:PORT/https/HOST/PATH>,
so that a mock sees which host and path are meant.  The issuer stays as it is:
it is only compared.  C<{host}> and the like are filled in from C<%params>,
which the block has to say, too; a parameter that the row sets itself needs
none.

=cut

use strict;
use warnings;

use File::Basename ();

my $folder = File::Basename::dirname(__FILE__)
    . '/../../../ngx_module/oidc/presets';

my %is_address = map { $_ => 1 }
    qw(discovery authz token userinfo userinfo2 jwks tokeninfo);


sub names {
    return sort map { m{([^/]+)\.conf$} } glob "$folder/*.conf";
}


sub text {
    my ($name) = @_;

    open my $fh, '<', "$folder/$name.conf" or die "preset $name: $!\n";
    local $/;

    return scalar <$fh>;
}


# the values of each field, as nginx reads them

sub fields {
    my ($name) = @_;
    my %fields;

    my $text = text($name);

    $text =~ s/^ *#.*$//mg;

    my @words;

    while ($text =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'
                            |(;)|([^\s;]+))/gcx)
    {
        my ($double, $single, $end, $plain) = ($1, $2, $3, $4);

        if (defined $end) {
            my $field = shift @words;

            $fields{$field} = [@words];
            @words = ();
            next;
        }

        my ($word) = grep { defined } $double, $single, $plain;

        $word =~ s/\\(["'\\])/$1/g;
        push @words, $word;
    }

    return \%fields;
}


# the comments "# NAME: TEXT"

sub notes {
    my ($name) = @_;
    my $text = text($name);
    my %notes;

    push @{ $notes{$1} }, $2 while $text =~ /^# *([a-z]+): *(.*)$/mg;

    return \%notes;
}


# the parameters that a block has to say: those that the row does not say
# itself, and that the first one of several addresses has

sub needs {
    my ($fields) = @_;
    my %needs;

    for my $field (sort keys %$fields) {
        my @values = @{ $fields->{$field} };

        @values = $values[0] if $is_address{$field} || $field eq 'issuer';
        $needs{$_} = 1 for map { /\{(host|tenant|shop|region)\}/g } @values;
    }

    return grep { !$fields->{$_} } sort keys %needs;
}


sub redirected {
    my ($name, $port, %params) = @_;
    my $fields = fields($name);
    my $lines = '';

    for my $param (qw(host tenant shop region)) {
        $params{$param} = $fields->{$param}[0]
            if !defined $params{$param} && $fields->{$param};
    }

    for my $field (sort keys %$fields) {
        next unless $is_address{$field};

        my ($url) = grep {
            !grep { !defined $params{$_} } /\{([a-z]+)\}/g
        } reverse @{ $fields->{$field} };

        die "preset $name: $field lacks a parameter\n" unless defined $url;

        $url =~ s/\{([a-z]+)\}/$params{$1}/g;
        $url =~ s{^https://}{http://127.0.0.1:$port/https/}
            or die "preset $name: $field is no https address\n";

        $lines .= "$field \"$url\";\n";
    }

    return $lines;
}


1;
