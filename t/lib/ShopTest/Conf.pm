package ShopTest::Conf;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Conf - configurations that must be accepted or refused

=head1 SYNOPSIS

    use ShopTest::Conf;

    good($http, 'this is fine');
    wrong($http, 'there is no "shop_redis"', 'this is not');
    warns($http, 'can be read by others', 'this is doubtful');

=head1 DESCRIPTION

Each is a check of "nginx -t" with $http within "http".  wrong() wants an
[emerg] that holds the text and ends with a file and a line, that of the
line of $http that is marked with "# here" if there is one; the message of a
directive that is missing somewhere has no line, and "nowhere => 1" says so.

=cut

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use ShopTest ();
use ShopTest::Nginx ();

our @EXPORT = qw(good warns wrong);


sub good {
    my ($http, $name) = @_;
    my ($code, $text) = check($http);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::ok($code == 0 && $text !~ /\[(?:warn|emerg|alert)\]/, $name)
        or Test::More::diag($text);
}


sub warns {
    my ($http, $message, $name) = @_;
    my ($code, $text) = check($http);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    Test::More::ok($code == 0 && $text =~ /\[warn\] .*\Q$message\E/, $name)
        or Test::More::diag($text);
}


sub wrong {
    my ($http, $message, $name, %o) = @_;
    my ($code, $text, $line) = check($http);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $where = $o{nowhere} ? qr// : $line ? qr/ in \S+:$line\b/
                            : qr/ in \S+:\d+$/m;

    Test::More::ok($code == 1 && $text =~ /\[emerg\] .*\Q$message\E/
                   && $text =~ /\Q$message\E.*?$where/s, $name)
        or Test::More::diag("code $code, wanted \"$message\"",
                            $line ? " at line $line" : '', ", got:\n",
                            $text);
}


sub check {
    my ($http) = @_;
    my $nginx = ShopTest::Nginx->new(http => $http);
    my ($code, $text) = $nginx->check;

    my @lines = split /\n/,
                ShopTest::read_file($nginx->dir . '/nginx.conf');
    my ($line) = grep { $lines[$_ - 1] =~ /# here/ } 1 .. @lines;

    return ($code, $text, $line);
}


1;
