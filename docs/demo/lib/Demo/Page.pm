package Demo::Page;

# Copyright (C) The ngx_shop authors

=head1 NAME

Demo::Page - the looks of the demo

=head1 SYNOPSIS

    return Demo::Page::page(title => ..., head => ..., body => ...,
                            foot => ..., class => ...);
    return Demo::Page::style();         # what /style.css answers

=head1 DESCRIPTION

Both return steps of L<ShopTest::Server>; all arguments are HTML.  Pages are
not stored, so that a way back by the browser's button asks again.

=cut

use strict;
use warnings;

use FindBin ();

use ShopTest ();
use ShopTest::Server qw(answer);


sub page {
    my (%o) = @_;

    return answer($o{status} || 200, [
        'Content-Type'  => 'text/html; charset=utf-8',
        'Cache-Control' => 'no-store',
    ], <<"END");
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$o{title}</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body class="$o{class}">
<header>
$o{head}
</header>
<main>
$o{body}
</main>
<footer>
<p>$o{foot}</p>
</footer>
</body>
</html>
END
}


sub style {
    return answer(200, [
        'Content-Type'  => 'text/css; charset=utf-8',
        'Cache-Control' => 'no-cache',
    ], ShopTest::read_file("$FindBin::Bin/style.css"));
}


1;
