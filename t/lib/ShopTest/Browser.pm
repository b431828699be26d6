package ShopTest::Browser;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Browser - what browsers do with cookies, redirects and forms

=head1 SYNOPSIS

    my $browser = browser(route => {
        'https://shop.example.com' => $nginx->port,     # plain behind it
    });

    my $page = $browser->navigate($url);    # typed; follows redirects
    $browser->click('/account/');           # a link of the page it is on
    $browser->submit('/x', 'a=1&b=2');      # a form of that page, by POST
    $browser->fetch('POST', '/x', headers => [...], body => $text);
    $browser->click($url, follow => 0);     # the first response only
    $browser->click($url, until => qr{/callback/});     # not that one
    $browser->start($url);                  # sends, does not wait

    $page->url;                             # where it ended
    $page->chain;                           # all responses on the way

    $browser->url;                          # of the page it is on
    $browser->leave($url);                  # is on that page, unasked
    $browser->cookie('shop');               # its value, undef: none
    $browser->cookies;                      # all, as hashes
    $browser->set_cookie($url, 'a=1; Path=/');
    $browser->clone;                        # another with the same cookies

=head1 DESCRIPTION

Any host is 127.0.0.1, with the port of the URL unless "route" says another;
a routed https URL is sent in the clear, to the nginx that would stand behind
a balancer.  Other https URLs speak TLS without a check.

Cookies follow RFC 6265bis: host, path, Secure, prefixes, Max-Age, and
SameSite with Lax as the default, where a redirect chain that leaves the site
is cross-site.  Sites are compared by scheme and the last two labels of the
host, so a shop on 127.0.0.1 and a provider on localhost are two sites.

Sec-Fetch-* (to https and loopback hosts only), Origin, Referer and their
Referrer-Policy follow the Fetch standard.  Following redirects includes a
meta refresh, and a form that submits itself where the page's
Content-Security-Policy lets it.

=cut

use strict;
use warnings;

use ShopTest ();
use ShopTest::HTTP ();

my $agent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 '
          . '(KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';

my $accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,'
           . 'image/avif,image/webp,image/apng,*/*;q=0.8';


sub new {
    my ($class, %o) = @_;

    return bless { route => {}, %o, jar => [] }, $class;
}


sub clone {
    my ($self) = @_;

    return bless { %$self, jar => [ map { {%$_} } @{ $self->{jar} } ] },
                 ref $self;
}


sub url { return $_[0]->{url} }


sub leave {
    my ($self, $url) = @_;

    $self->{url} = $url;
    $self->{policy} = '';
}


# --- what a person does ---------------------------------------------------


sub navigate {
    my ($self, $url, %o) = @_;

    return $self->go(%o, url => $url, mode => 'navigate', typed => 1);
}


sub click {
    my ($self, $url, %o) = @_;

    return $self->go(%o, url => $url, mode => 'navigate');
}


sub submit {
    my ($self, $url, $body, %o) = @_;

    return $self->go(
        %o,
        url    => $url,
        mode   => 'navigate',
        method => 'POST',
        body   => $body,
        type   => 'application/x-www-form-urlencoded',
    );
}


# what a script or an image of the page asks; "mode" is cors by default

sub fetch {
    my ($self, $method, $url, %o) = @_;

    return $self->go(mode => 'cors', dest => 'empty', accept => '*/*', %o,
                     method => $method, url => $url);
}


# --- requests -------------------------------------------------------------


sub go {
    my ($self, %o) = @_;

    my $from = $o{typed} ? undef : $self->{url};
    my $url = resolve($o{url}, $self->{url});
    my $method = $o{method} || 'GET';
    my $body = $o{body};
    my $policy = $self->{policy} || '';
    my (@urls, @chain);

    while (1) {
        die "too many redirects\n" if @chain > 20;

        push @urls, $url;

        my $response = $self->request_one(
            %o, url => $url, method => $method, body => $body,
            from => $from, urls => [@urls], policy => $policy);

        push @chain, $response;
        $response->{url} = $url;
        $response->{chain} = \@chain;

        my $next;

        if ($response->status =~ /^30[12378]$/) {
            $next = $response->header('Location');
        }

        if (defined $next) {
            $next = resolve($next, $url);

            if ($response->status !~ /^30[78]$/ && $method ne 'HEAD') {
                $method = 'GET';
                $body = undef;
                delete $o{type};
            }

        } elsif ($o{mode} eq 'navigate') {

            # a page: it is the one who asks from now on

            $self->{url} = $from = $url;
            $self->{policy} = $policy
                = lc($response->header('Referrer-Policy') || '');
            @urls = ();
            delete $o{typed};
            delete $o{type};

            my $act = page_acts($response);

            if ($act && (!defined $o{follow} || $o{follow})) {
                $next = resolve($act->{url}, $url);
                $method = $act->{method};
                $body = $act->{body};
                $o{type} = 'application/x-www-form-urlencoded'
                    if defined $body;
            }
        }

        return $response if !defined $next
                            || defined $o{follow} && !$o{follow}
                            || $o{until} && $next =~ $o{until};

        $url = $next;
    }
}


sub request_one {
    my ($self, %o) = @_;

    my $response = ShopTest::HTTP::request($self->prepare(%o));

    $self->set_cookie($o{url}, $_) for $response->headers('Set-Cookie');

    return $response;
}


# Sends a navigation and does not wait: a ShopTest::HTTP, whose response()
# changes nothing in the browser.

sub start {
    my ($self, $url, %o) = @_;

    $url = resolve($url, $self->{url});

    my ($port, $method, $uri, %request) = $self->prepare(
        method => 'GET', mode => 'navigate', %o,
        url => $url, urls => [$url], from => $self->{url},
        policy => $self->{policy} || '');

    my $c = ShopTest::HTTP->connect($port, %request);

    $c->send($method, $uri, %request);

    return $c;
}


# the arguments of ShopTest::HTTP::request()

sub prepare {
    my ($self, %o) = @_;

    my $u = parse($o{url});
    my $from = defined $o{from} ? parse($o{from}) : undef;

    my $same_site = !grep { site(parse($_)) ne site($u) }
                    defined $o{from} ? $o{from} : (), @{ $o{urls} };
    my $top = $o{mode} eq 'navigate';
    my $safe = $o{method} eq 'GET' || $o{method} eq 'HEAD';

    my @headers = (
        Host => $u->{authority},
        'User-Agent' => $agent,
        Accept => $o{accept} || $accept,
        'Accept-Language' => 'en-US,en;q=0.9',
    );

    push @headers, 'Upgrade-Insecure-Requests' => 1 if $top;
    push @headers, 'Content-Type' => $o{type} if defined $o{type};

    # Origin and Referer, as the policy of the asking page wants

    my $foreign = $from
                  && grep { origin(parse($_)) ne origin($from) }
                     @{ $o{urls} };
    my $hide = $o{policy} eq 'no-referrer';

    if ($from && !$hide) {
        my $page = origin($from);

        push @headers, Referer => $foreign ? "$page/" : $page . $from->{uri};
    }

    # a cors request tells its origin whatever the policy

    if (!$safe || $o{mode} eq 'cors' && $foreign) {
        push @headers, Origin
            => !$from || $hide && $o{mode} ne 'cors'
               || $foreign && tainted($from, @{ $o{urls} })
               ? 'null' : origin($from);
    }

    if ($u->{scheme} eq 'https' || loopback($u)) {
        push @headers,
            'Sec-Fetch-Site' => fetch_site($from, @{ $o{urls} }),
            'Sec-Fetch-Mode' => $o{mode},
            'Sec-Fetch-Dest' => $o{dest} || 'document';

        push @headers, 'Sec-Fetch-User' => '?1' if $top && !$o{script};
    }

    my $cookies = join '; ', map { "$_->{name}=$_->{value}" }
        $self->matching($u, $same_site, $top && $safe);

    push @headers, Cookie => $cookies if length $cookies;
    push @headers, @{ $o{headers} || [] };

    my $port = $self->{route}{ origin($u) };

    return (
        $port || $u->{port}, $o{method}, $u->{uri},
        headers => \@headers,
        body    => $o{body},
        tls     => $u->{scheme} eq 'https' && !$port,
        timeout => $o{timeout},
    );
}


# Sec-Fetch-Site (Fetch Metadata 2.4)

sub fetch_site {
    my ($from, @urls) = @_;

    return 'none' unless $from;

    my $value = 'same-origin';

    for my $u (map { parse($_) } @urls) {
        next if origin($u) eq origin($from);
        return 'cross-site' if site($u) ne site($from);
        $value = 'same-site';
    }

    return $value;
}


# an origin is not told to who was reached over a third one (Fetch 2.2.5)

sub tainted {
    my ($from, @urls) = @_;
    my $last;

    for my $origin (map { origin(parse($_)) } @urls) {
        return 1 if defined $last && $origin ne $last
                    && $last ne origin($from);
        $last = $origin;
    }

    return 0;
}


# --- pages that act by themselves -----------------------------------------


sub page_acts {
    my ($response) = @_;
    my $type = $response->header('Content-Type') || '';

    return undef unless $type =~ m{^text/html}i;

    my $html = $response->body;

    if ($html =~ /<meta\s+http-equiv="?refresh"?\s+
                  content="\d+;\s*url=([^"]*)"/xi)
    {
        return { method => 'GET', url => text($1) };
    }

    if ($html =~ /onload\s*=|<script/i
        && $html =~ /\.submit\(\)/ && scripts_run($response))
    {
        my $form = form($html);

        return $form if $form;
    }

    return undef;
}


sub scripts_run {
    my ($response) = @_;
    my $csp = $response->header('Content-Security-Policy');

    return 1 unless defined $csp;

    my ($rule) = $csp =~ /script-src\s+([^;]*)/;
    ($rule) = $csp =~ /default-src\s+([^;]*)/ unless defined $rule;

    return 1 unless defined $rule;
    return $rule =~ /unsafe-inline|nonce-|sha\d+-/ ? 1 : 0;
}


# the first form of a page: { method, url, body, fields }

sub form {
    my ($html) = @_;

    $html =~ m{<form\b([^>]*)>(.*?)</form>}si or return undef;

    my ($attributes, $inside) = ($1, $2);
    my ($url) = $attributes =~ /\baction="([^"]*)"/i;
    my ($method) = $attributes =~ /\bmethod="?(\w+)/i;
    my @fields;

    while ($inside =~ /<(?:input|button)\b([^>]*)>/gi) {
        my $input = $1;
        my ($name) = $input =~ /\bname="([^"]*)"/i;
        my ($value) = $input =~ /\bvalue="([^"]*)"/i;

        next unless defined $name;

        push @fields, [ text($name), text(defined $value ? $value : '') ];
    }

    my $body = join '&', map { escape($_->[0]) . '=' . escape($_->[1]) }
                         @fields;

    $url = text(defined $url ? $url : '');
    $method = uc($method || 'GET');

    if ($method eq 'GET') {
        $url =~ s/\?.*//s;

        return { method => $method, url => "$url?$body",
                 fields => \@fields };
    }

    return { method => $method, url => $url, body => $body,
             fields => \@fields };
}


# HTML to text

sub text {
    my ($html) = @_;
    my %entity = (amp => '&', lt => '<', gt => '>', quot => '"',
                  apos => "'");

    $html =~ s{&(?:\#(\d+)|\#x([0-9a-fA-F]+)|(\w+));}{
        defined $1 ? chr $1 : defined $2 ? chr hex $2
        : exists $entity{$3} ? $entity{$3} : "&$3;"
    }gex;

    return $html;
}


sub escape {
    my ($text) = @_;

    $text =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ge;

    return $text;
}


# --- cookies --------------------------------------------------------------


sub cookies {
    my ($self) = @_;

    $self->expire;

    return @{ $self->{jar} };
}


# values that no log may hold: all but the name of the last provider

sub secrets {
    my ($self) = @_;

    return map { $_->{value} }
           grep { $_->{name} !~ /-login-lastused$/ } $self->cookies;
}


sub cookie {
    my ($self, $name) = @_;

    for my $cookie ($self->cookies) {
        return $cookie->{value} if $cookie->{name} eq $name;
    }

    return undef;
}


sub clear {
    my ($self) = @_;

    $self->{jar} = [];
}


sub expire {
    my ($self) = @_;
    my $now = time;

    @{ $self->{jar} } = grep {
        !defined $_->{expires} || $_->{expires} > $now
    } @{ $self->{jar} };
}


sub matching {
    my ($self, $u, $same_site, $lax) = @_;

    return sort {
        length $b->{path} <=> length $a->{path}
        || $a->{order} <=> $b->{order}
    } grep {
        my $c = $_;

        ($u->{host} eq $c->{host}
         || !$c->{host_only} && $u->{host} =~ /\.\Q$c->{host}\E$/)
        && path_match($u->{path}, $c->{path})
        && (!$c->{secure} || $u->{scheme} eq 'https')
        && ($same_site || $c->{same_site} eq 'none'
            || $c->{same_site} eq 'lax' && $lax)
    } $self->cookies;
}


sub path_match {
    my ($path, $of) = @_;

    return 1 if $path eq $of;

    return index($path, $of) == 0
           && ($of =~ m{/$} || substr($path, length $of, 1) eq '/');
}


# 1: taken, 0: refused as browsers do

sub set_cookie {
    my ($self, $url, $line) = @_;
    my $u = parse($url);

    my ($pair, @attributes) = split /\s*;\s*/, $line;
    my ($name, $value) = $pair =~ /^\s*([^=]*?)\s*=\s*(.*?)\s*$/s
        or return 0;

    return 0 if length $name . $value > 4096;

    my %a = map { /^([^=]*)(?:=(.*))?$/s; (lc $1 => $2) } @attributes;

    my $cookie = {
        name      => $name,
        value     => $value,
        host      => $u->{host},
        host_only => 1,
        secure    => exists $a{secure} ? 1 : 0,
        http_only => exists $a{httponly} ? 1 : 0,
        same_site => lc(defined $a{samesite} ? $a{samesite} : 'lax'),
        line      => $line,
        order     => ++$self->{order},
    };

    $cookie->{same_site} = 'lax'
        unless $cookie->{same_site} =~ /^(?:strict|lax|none)$/;

    if (defined $a{domain} && length $a{domain}) {
        (my $domain = lc $a{domain}) =~ s/^\.//;

        return 0 unless $u->{host} eq $domain
                        || $u->{host} =~ /\.\Q$domain\E$/
                           && $u->{host} !~ /^[\d.]+$/;

        $cookie->{host} = $domain;
        $cookie->{host_only} = 0;
    }

    if (defined $a{path} && $a{path} =~ m{^/}) {
        $cookie->{path} = $a{path};

    } else {
        ($cookie->{path} = $u->{path}) =~ s{/[^/]*$}{};
        $cookie->{path} = '/' unless length $cookie->{path};
    }

    return 0 if $cookie->{secure} && $u->{scheme} ne 'https';
    return 0 if $cookie->{same_site} eq 'none' && !$cookie->{secure};

    return 0 if $name =~ /^__Secure-/i && !$cookie->{secure};
    return 0 if $name =~ /^__Host-/i
                && (!$cookie->{secure} || !$cookie->{host_only}
                    || $cookie->{path} ne '/');

    if (defined $a{'max-age'} && $a{'max-age'} =~ /^-?\d+$/) {
        $cookie->{expires} = time + $a{'max-age'};

    } elsif (defined $a{expires} && $a{expires} =~ /\b1970\b/) {
        $cookie->{expires} = 0;
    }

    @{ $self->{jar} } = grep {
        my $c = $_;

        grep { $c->{$_} ne $cookie->{$_} } qw(name host path host_only)
    } @{ $self->{jar} };

    push @{ $self->{jar} }, $cookie;
    $self->expire;

    return 1;
}


# --- URLs -----------------------------------------------------------------


sub parse {
    my ($url) = @_;

    $url =~ m{^(https?)://([^/?#]+)([^#]*)}i or die "not a URL: $url\n";

    my ($scheme, $authority, $uri) = (lc $1, lc $2, $3);
    my ($host, $port) = $authority =~ /^(.*?)(?::(\d+))?$/;

    $port = $scheme eq 'https' ? 443 : 80 unless defined $port;
    $uri = "/$uri" unless $uri =~ m{^/};
    (my $path = $uri) =~ s/\?.*//s;

    return { scheme => $scheme, authority => $authority, host => $host,
             port => $port, uri => $uri, path => $path };
}


sub resolve {
    my ($url, $base) = @_;

    $url =~ s/[\t\r\n]//g;

    return $url if $url =~ m{^[a-zA-Z][a-zA-Z0-9+.\-]*:};

    die "$url is relative to nothing\n" unless defined $base;

    my $u = parse($base);
    my ($path, $rest) = $url =~ /^([^?#]*)(.*)$/s;

    $path =~ tr{\\}{/};

    return "$u->{scheme}:$path$rest" if $path =~ m{^//};
    return origin($u) . $path . $rest if $path =~ m{^/};
    return origin($u) . $u->{path} . $rest if $path eq '';

    (my $folder = $u->{path}) =~ s{[^/]*$}{};

    return origin($u) . $folder . $path . $rest;
}


sub origin {
    my ($u) = @_;

    return "$u->{scheme}://$u->{authority}";
}


# scheme and registrable domain, near enough

sub site {
    my ($u) = @_;
    my $host = $u->{host};

    ($host) = $host =~ /([^.]+\.[^.]+)$/
        if $host =~ /\..*\./ && $host !~ /^[\d.]+$/;

    return "$u->{scheme}://$host";
}


sub loopback {
    my ($u) = @_;

    return $u->{host} =~ /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;
}


package ShopTest::HTTP::Response;


sub url { return $_[0]->{url} }

sub chain { return @{ $_[0]->{chain} || [] } }


1;
