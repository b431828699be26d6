package ShopTest::Corpus;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Corpus - what the targets of t/fuzz are handed

=head1 SYNOPSIS

    my @inputs = ShopTest::Corpus::inputs('url');
    my @files = ShopTest::Corpus::unpack('url', $dir);
    ShopTest::Corpus::pack('url', @files);

=head1 DESCRIPTION

A file of t/fuzz/corpus has one input in each line, as text: "\n" is a line
feed, "\xNN" another byte that is not printable, and "\\" a backslash.

=cut

use strict;
use warnings;

use ShopTest ();


sub path { return ShopTest::root() . "/t/fuzz/corpus/$_[0]" }


sub inputs {
    my ($name) = @_;
    my %byte = (n => "\n", '\\' => '\\');

    return map { s/\\(?:x(..)|(.))/defined $1 ? chr hex $1 : $byte{$2}/ger }
           split /\n/, ShopTest::read_file(path($name));
}


sub unpack {
    my ($name, $dir) = @_;
    my $n = 0;

    return map {
        my $file = sprintf '%s/%s-%04d', $dir, $name, ++$n;

        ShopTest::write_file($file, $_);
        $file
    } inputs($name);
}


sub pack {
    my ($name, @files) = @_;
    my %lines;

    for (@files) {
        my $line = ShopTest::read_file($_);

        $line =~ s/\\/\\\\/g;
        $line =~ s/\n/\\n/g;
        $line =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
        $lines{$line} = 1;
    }

    ShopTest::write_file(path($name), join '', map { "$_\n" }
        sort { length $a <=> length $b || $a cmp $b } keys %lines);

    return;
}


1;
