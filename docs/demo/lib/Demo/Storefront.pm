package Demo::Storefront;

# Copyright (C) The ngx_shop authors

=head1 NAME

Demo::Storefront - a shop that knows its customers by headers alone

=cut

use strict;
use warnings;

use parent 'ShopTest::Server';

use Demo::Orders ();
use Demo::Page ();
use ShopTest::Provider ();
use ShopTest::Server qw(answer form_fields);

# what the module may tell, and what it keeps to itself

my @headers = qw(
    X-Customer-Id X-Customer-Provider X-Loyalty-Tier X-Loyalty-Points
    X-Promotion Cookie
);

my @goods = (
    [ 'Oil lamp',     'brass, with a spare wick',      64_00 ],
    [ 'Reading chair', 'beech and wool, made to last', 389_00 ],
    [ 'Tea for two',  'a pot, two cups, one tray',     48_00 ],
);

my %promise = (
    'WELCOME-10' => [ 10, '10 % off, because you are new' ],
    'SILVER-5'   => [ 5,  '5 % off for silver and above' ],
    'GOLD-15'    => [ 15, '15 % off for gold' ],
);


# "orders" is what Demo::Orders is made of

sub new {
    my ($class, %o) = @_;
    my $orders = Demo::Orders->new(%{ $o{orders} });

    return $class->SUPER::new(name => 'storefront', %o, orders => $orders);
}


sub handle {
    my ($self, $request) = @_;
    my $path = $request->{path};

    return Demo::Page::style() if $path eq '/style.css';
    return front($request) if $path eq '/';
    return $self->account($request) if $path eq '/account/';
    return $self->order($request) if $path eq '/account/order';

    return page($request, 'Not here', <<'END', 404);
<h1>Not here</h1>
<p>There are two pages only: <a href="/">the front page</a> and
<a href="/account/">the account</a>.</p>
END
}


# --- orders -----------------------------------------------------------------


# A page of another site may make a browser send this form: a shop that opens
# wants a token in it, too.

sub order {
    my ($self, $request) = @_;
    my $who = customer($request);
    my $field = form_fields($request);
    my $n = defined $field->{good} ? $field->{good} : '';

    if ($request->{method} eq 'POST' && defined $who->{id}) {

        if ($n =~ /^\d$/ && $goods[$n]) {
            $self->{orders}->buy($who->{id}, $goods[$n][0],
                                 price($who, $goods[$n][2]));

        } elsif (defined $field->{back}) {
            $self->{orders}->give_back($who->{id}, $field->{back});
        }
    }

    return answer(303, [ Location => '/account/' ], '');
}


# --- pages ------------------------------------------------------------------


sub front {
    my ($request) = @_;
    my $who = customer($request);
    my $welcome;

    if (!$who->{id}) {
        $welcome = <<'END';
<h1>Good things for the home</h1>
<p>To the shop you are a stranger: the request for this page had nothing in
it about you. Sign in, and it will.</p>
<p><a class="button" href="/_shop/login/demo?return=/">Sign in with a demo
account</a></p>
END

    } else {
        $welcome = "<h1>Welcome</h1>\n" . card($who);
    }

    return page($request, 'Lamp & Chair', $welcome . goods($who)
                . told($request) . me($who));
}


sub account {
    my ($self, $request) = @_;
    my $who = customer($request);
    my @orders = defined $who->{id} ? $self->{orders}->of($who->{id}) : ();

    return page($request, 'Your account', <<"END"
<h1>Your account</h1>
<p>nginx lets only customers through to this page. The storefront has no code
that asks for a sign-in.</p>
@{[ card($who) ]}
END
                . orders(@orders) . told($request) . me($who));
}


sub page {
    my ($request, $title, $body, $status) = @_;
    my $who = customer($request);

    my $session = $who->{id} ? <<'END' : <<'END';
<form method="post" action="/_shop/logout">
<button id="sign-out">Sign out</button>
</form>
END
<a class="button" id="sign-in" href="/_shop/login?return=/">Sign in</a>
END

    return Demo::Page::page(
        status => $status,
        title  => html($title),
        class  => 'shop ' . ($who->{tier} || 'anonymous'),
        head   => <<"END",
<a class="brand" href="/">Lamp &amp; Chair</a>
<nav>
<a href="/account/">Account</a>
$session</nav>
END
        body   => $body,
        foot   => 'This is the storefront behind nginx. All it knows of a '
                . 'customer came in the headers shown above.',
    );
}


# --- parts of them ----------------------------------------------------------


sub customer {
    my ($request) = @_;
    my $first = $request->{first};
    my $promotions = $first->{'x-promotion'};

    return {
        id         => $first->{'x-customer-id'},
        provider   => $first->{'x-customer-provider'},
        tier       => $first->{'x-loyalty-tier'},
        points     => $first->{'x-loyalty-points'},
        promotions => [ split /,/, defined $promotions ? $promotions : '' ],
    };
}


sub card {
    my ($who) = @_;

    my $promotions = join '', map {
        '<li><b>' . html($_) . '</b> '
        . html($promise{$_} ? $promise{$_}[1] : '') . "</li>\n"
    } @{ $who->{promotions} };

    $promotions = "<li>none today</li>\n" unless length $promotions;

    return <<"END";
<section class="card">
<p class="tier"><span id="tier">@{[ html($who->{tier}) ]}</span></p>
<p class="points"><b id="points">@{[ html($who->{points}) ]}</b> points</p>
<ul class="promotions" id="promotions">
$promotions</ul>
<p class="id">customer <code id="customer">@{[ html($who->{id}) ]}</code>,
signed in by <code id="provider">@{[ html($who->{provider}) ]}</code></p>
</section>
END
}


# the first promotion is the best one

sub goods {
    my ($who) = @_;

    my $list = join '', map {
        my ($name, $text, $full) = @{ $goods[$_] };
        my $price = price($who, $full);
        my $old = $price < $full ? '<s>' . euro($full) . '</s> ' : '';
        my $buy = defined $who->{id} ? form(good => $_, 'Buy', $name) : '';

        "<li><b>$name</b> <span>$text</span> <span class=\"price\">$old"
        . euro($price) . "</span>$buy</li>\n"
    } 0 .. $#goods;

    return "<section>\n<ul class=\"goods\">\n$list</ul>\n</section>\n";
}


sub price {
    my ($who, $full) = @_;
    my ($best) = grep { $promise{$_} } @{ $who->{promotions} };

    return defined $best ? $full * (100 - $promise{$best}[0]) / 100 : $full;
}


sub form {
    my ($field, $value, $button, $what) = @_;

    return <<"END";
<form method="post" action="/account/order">
<button name="$field" value="$value"
 aria-label="$button: $what">$button</button>
</form>
END
}


sub orders {
    my (@orders) = @_;

    my $list = join '', map {
        "<li><b>" . html($_->{good}) . '</b> <span>' . euro($_->{total})
        . ($_->{returned} ? ', given back' : '') . '</span>'
        . ($_->{returned} ? '' : form(back => $_->{number}, 'Give back',
                                      $_->{good}))
        . "</li>\n"
    } @orders;

    return <<'END' unless @orders;
<section>
<h2>Orders</h2>
<p>None yet. Buy something on <a href="/">the front page</a>, and watch points,
tier and promotions change.</p>
</section>
END

    return <<"END";
<section>
<h2>Orders</h2>
<ul class="goods" id="orders">
$list</ul>
<p>The order system told the shop of the last one, by
<code>POST /_shop/events</code>:</p>
<pre id="event">@{[ html($orders[0]{event}) ]}
@{[ html($orders[0]{told}) ]}</pre>
</section>
END
}


sub told {
    my ($request) = @_;

    my $rows = join '', map {
        my $value = $request->{first}{lc $_};

        "<tr><th>$_</th><td>"
        . (defined $value ? '<code>' . html($value) . '</code>'
                          : '<i>not sent</i>')
        . "</td></tr>\n"
    } @headers;

    return <<"END";
<section>
<h2>What the storefront was told</h2>
<table>
$rows</table>
</section>
END
}


# A page can ask, too.  The rest of the demo needs no script.

sub me {
    my ($who) = @_;
    my $lead = '<h2>What a script is told</h2>';

    return <<"END" unless $who->{id};
<section>
$lead
<p><a href="/_shop/me">/_shop/me</a> answers 401 to a stranger.</p>
</section>
END

    return <<"END";
<section>
$lead
<pre id="me"><a href="/_shop/me">/_shop/me</a></pre>
<script>
fetch('/_shop/me')
    .then(answer => answer.json())
    .then(me => {
        document.getElementById('me').textContent
            = 'GET /_shop/me\\n' + JSON.stringify(me, null, 2);
    });
</script>
</section>
END
}


sub euro {
    my ($cents) = @_;

    return sprintf '&euro;&nbsp;%d.%02d', $cents / 100, $cents % 100;
}


sub html {
    my ($text) = @_;

    return ShopTest::Provider::html(defined $text ? $text : '');
}


1;
