# What is there and not in the documents is found by nobody, and what they
# promise and is not there costs somebody an evening.  So both are read, the
# sources and the documents, and compared word by word; and what looks like a
# configuration is given to nginx.

use lib 't/lib';
use ShopTest;
use ShopTest::Nginx;

use File::Basename qw(dirname);
use File::Find ();
use File::Path qw(make_path);
use IO::Socket::SSL::Utils ();

my $root = root();

my %page = map { $_ => "docs/ngx_http_${_}_module.md" }
           qw(shop social loyalty);

my @documents = grep { -f "$root/$_" } qw(README.md CHANGELOG.md);
my %sources;

File::Find::find({ no_chdir => 1, wanted => sub {
    my $name = substr $File::Find::name, length("$root/");

    push @documents, $name if /\.md$/;
}}, "$root/docs");

for my $path (glob "$root/ngx_module/*/*.[ch]") {
    my $name = substr $path, length("$root/ngx_module/");

    ($sources{$name} = read_file($path)) =~ s{/\*.*?\*/}{}gs;
}


sub document { return read_file("$root/$_[0]") }

# a part of a document, from a heading to the next one of its level or above

sub section {
    my ($document, $title) = @_;

    my ($level, $text) = document($document)
                       =~ /^(\#+) \Q$title\E\n(.*?)(?=^\1 |\z)/ms;

    return defined $text ? $text : '';
}

# words are in @$is and not in @$ought, or the other way round

sub same {
    my ($is, $ought, $name) = @_;
    my (%is, %ought);

    @is{@$is} = ();
    @ought{@$ought} = ();

    my @missing = grep { !exists $is{$_} } sort keys %ought;
    my @more = grep { !exists $ought{$_} } sort keys %is;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(!@missing && !@more && @$ought, $name)
        or diag("missing in the documents: @missing\n",
                "not in the sources: @more");
}


# --- directives -----------------------------------------------------------


my %context = (
    NGX_HTTP_MAIN_CONF              => 'http',
    NGX_HTTP_SRV_CONF               => 'server',
    NGX_HTTP_LOC_CONF               => 'location',
    NGX_HTTP_LOYALTY_PROGRAM_CONF   => 'loyalty_program',
    NGX_HTTP_LOYALTY_PROMOTION_CONF => 'promotion',
);

sub contexts {
    my ($flags) = @_;

    return join ', ', map { $context{$_} }
           grep { $flags =~ /\b$_\b/ }
           qw(NGX_HTTP_MAIN_CONF NGX_HTTP_SRV_CONF NGX_HTTP_LOC_CONF
              NGX_HTTP_LOYALTY_PROGRAM_CONF NGX_HTTP_LOYALTY_PROMOTION_CONF);
}

# Tables of the module as { name => context }.  Lines that are alike come from
# a macro, which is defined in the table.

sub directives {
    my ($module) = @_;
    my %found;

    for my $name (grep { m{^modules/ngx_http_${module}_} } keys %sources) {
        for my $table ($sources{$name}
                       =~ /ngx_command_t\s+\w+\[\] = \{(.*?)\n\};/sg)
        {
            my %macro;

            while ($table =~ /\#define\s+(\w+)\(name\)((?:.*\\\n)*.*)
                              |\{\s*ngx_string\("(\w+)"\),\s*([\w|\s]+),
                              |^\s*(\w+)\("(\w+)"\)/xmg)
            {
                if (defined $1) {
                    $macro{$1} = contexts($2);

                } elsif (defined $3) {
                    $found{$3} = contexts($4);

                } else {
                    $found{$6} = $macro{$5};
                }
            }
        }

        $found{$_} = 'social_provider'
            for map { /\{\s*ngx_string\("(\w+)"\)/g } $sources{$name}
                =~ /ngx_http_social_field_t\s+\w+\[\] = \{(.*?)\n\};/s;
    }

    return \%found;
}

# headings of one word as { name => text }

sub described {
    my ($document) = @_;
    my %found;

    for my $text (split /^(?=\#+ )/m, document($document)) {
        my ($name) = $text =~ /^### (\w+)\n/;

        $found{$name} = $text if defined $name && $text =~ /Syntax/;
    }

    return \%found;
}

# "word" of `word`

sub quoted { return $_[0] =~ /`([^`]+)`/g }

# what stands behind "- **Syntax**: ", without the line ends

sub item {
    my ($text, $name) = @_;
    my ($item) = $text =~ /^- \*\*$name\*\*: (.*?)(?=^- |^\n|\z)/ms;

    return '' unless defined $item;

    $item =~ s/\s+/ /g;
    $item =~ s/ $//;

    return $item;
}

my @reserved = map { quoted($_) }
               section($page{loyalty}, 'Reserved words')
               =~ /^- Lines of [^:]+: ([^.;]+)[.;]/mg;

for my $module (qw(shop social loyalty)) {
    my $is = described($page{$module});
    my $ought = directives($module);

    same([ keys %$is, $module eq 'loyalty' ? @reserved : () ],
         [ keys %$ought ], "$page{$module} describes each directive");

    my ($toc) = document($page{$module}) =~ /^# .*?\n(.*?)^## /ms;

    for my $name (sort keys %$is) {
        my $text = $is->{$name};
        my $syntax = item($text, 'Syntax');
        my $default = item($text, 'Default');

        like($syntax, qr/^(?:`\Q$name\E [^`]+[;}]` ?)+$/, "$name: Syntax");
        like($default, qr/^(?:—|(?:`\Q$name\E [^`]+;` ?)+)$/,
             "$name: Default");
        is(join(', ', quoted(item($text, 'Context'))), $ought->{$name},
           "$name: Context");
        like($text, qr/^This directive appeared in version \d+\.\d+\.\d+\.$/m,
             "$name: its version");
        like($text, qr/\.\n\n[A-Z]/, "$name: what it does");

        like($toc, qr/\[$name\]\(#$name\)/, "$name: is in the contents")
            if $ought->{$name} =~ /http|server/;
    }
}


# the words of a choice, and the parameters of a line

for my $name (sort keys %sources) {
    next unless $name =~ /_(?:conf|field)\.c$/;

    my ($module) = $name =~ /ngx_http_([a-z]+)_/ or next;
    my $is = described($page{$module});

    while ($sources{$name}
           =~ /ngx_conf_enum_t\s+ngx_http_([a-z]+)_(\w+)\[\] = \{(.*?)\};/sg)
    {
        my ($long, $short, $table) = ("$1_$2", $2, $3);
        my ($directive) = grep { $is->{$_} } $long, $short;
        my @words = $table =~ /ngx_string\("(\w+)"\)/g;
        my $syntax = item($directive ? $is->{$directive} : '', 'Syntax');

        same([ grep { $syntax =~ /\b$_\b/ } @words ], \@words,
             "$short: Syntax has each of its words");
    }
}

{
    my $text = document($page{shop});
    my @params = ($sources{'modules/ngx_http_shop_conf.c'}
                  . $sources{'modules/ngx_http_shop_redis_conf.c'})
               =~ /_param\(&?\w+(?:\[\w+\])?, "([a-z_]+)=?"/g;

    same([ grep { $text =~ /`$_`/ } @params ], \@params,
         'shop: each parameter is described');
}

{
    my $text = section($page{loyalty}, 'Reserved words');
    my $program = join '', map { $sources{$_} }
                  grep { m{^loyalty/ngx_shop_program} } sort keys %sources;
    my @words = map { /"([^"]+)"/g }
                $program =~ /_later\[\] = \{(.*?)\};/sg;

    same([ quoted($text) ],
         [ @words, quoted(join ' ', $text =~ /of (`\w+`)/g) ],
         'loyalty: each word that is reserved is listed');
}

# figures as { "section json prometheus type" }; those that are alike in all
# but who counts them come from a macro

{
    my ($table) = $sources{'modules/ngx_http_shop_status.c'}
                =~ /ngx_http_shop_figures\[\] = \{(.*?)\n\};/s;
    my (@is, @ought);

    $table =~ s{_ends\("(\w+)"}{
        join ' ', map { qq{_counter_of("events", "$1", "status", "$_"} }
                  qw(booked duplicate kept refused)
    }ge;

    while ($table =~ /_(counter|gauge|micro)(_of)?\("(\w+)",\s*"(\w+)"
                      (?:,\s*"(\w+)",\s*"(\w+)")?/xg)
    {
        my ($type, $section, $name, $label, $kind) = ($1, $3, $4, $5, $6);

        push @ought, join ' ', $section,
            $name . (defined $kind ? "_$kind" : ''),
            "ngx_shop_${section}_$name"
            . ($type eq 'counter' ? '_total' : '')
            . (defined $kind ? qq({$label="$kind"}) : ''),
            $type eq 'micro' ? 'gauge' : $type;
    }

    for my $part (split /^#### /m, section($page{shop}, 'shop_status')) {
        my ($section) = $part =~ /^(\w+)\n/ or next;

        next if $section =~ /^(?:budgets|promotions)$/;     # of another file
        $section = 'redis_node' if $section eq 'nodes';

        push @is, "$section $1 $2 $3"
            while $part =~ /^\| `(\w+)` \| `(\S+)` \| (counter|gauge) \| \S/mg;
    }

    same(\@is, \@ought, 'shop_status: each figure is described');
}


# --- variables, headers, endpoints ----------------------------------------


for my $module (qw(shop social loyalty)) {
    my @tables = map { $sources{$_}
                       =~ /ngx_http_variable_t\s+\w+\[\] = \{(.*?)\n\};/sg }
                 grep { m{^modules/ngx_http_${module}_} } keys %sources;
    my @ought = map { /ngx_string\("(\w+)"\)/g } @tables;

    my $text = section($page{$module}, 'Embedded Variables');
    my @is = $text =~ /^- `\$(\w+)`: /mg;

    if (@ought) {
        same(\@is, \@ought, "$page{$module} describes each variable");

    } else {
        is(@is, 0, "$page{$module} describes no variable");
    }
}

same([ section($page{loyalty}, 'Request Headers') =~ /^- `([\w-]+)`: /mg ],
     [ $sources{'modules/ngx_http_loyalty_conf.c'}
       =~ /ngx_string\("(X-[\w-]+)"\)/g ],
     'each request header is described');

same([ quoted(item(described($page{loyalty})->{loyalty_header}, 'Default')) ],
     do {
         my ($fields, $names) = map {
             [ $sources{'modules/ngx_http_loyalty_conf.c'}
               =~ /ngx_http_loyalty_$_\[\w+\] = \{(.*?)\};/s ]
         } qw(fields names);
         my @fields = $fields->[0] =~ /"([^"]+)"/g;
         my @names = $names->[0] =~ /"([^"]+)"/g;

         [ map { "loyalty_header $fields[$_] $names[$_];" } 0 .. $#fields ];
     }, '... under its field');

{
    my ($table) = $sources{'modules/ngx_http_social_module.c'}
                =~ /ngx_http_social_endpoints\[\] = \{(.*?)\n\};/s;
    my @ought;

    while ($table =~ /ngx_string\("([a-z\/]+)"\),[^"]*"([^"]+)"/g) {
        my ($path, $methods) = ($1, $2);

        # HEAD goes without saying

        $methods =~ s/, HEAD//;
        push @ought, "$methods $path" . ($path =~ m{/$} ? 'NAME' : '');
    }

    # a location of its own

    push @ought, 'POST events';

    same([ section($page{social}, 'Endpoints') =~ /^### (.+)$/mg ], \@ought,
         'each endpoint is described');
}


# --- reasons --------------------------------------------------------------


# Texts of the form "a_b" in a statement that makes them a reason.  The room
# net/ has words of its own, which the others translate.

my (%reason, %status, @results);

my %number = (
    BAD_REQUEST => 400, UNAUTHORIZED => 401, FORBIDDEN => 403,
    NOT_FOUND => 404, NOT_ALLOWED => 405, REQUEST_ENTITY_TOO_LARGE => 413,
    TOO_MANY_REQUESTS => 429, INTERNAL_SERVER_ERROR => 500,
    BAD_GATEWAY => 502, SERVICE_UNAVAILABLE => 503, GATEWAY_TIME_OUT => 504,
);

for my $name (sort keys %sources) {
    next if $name =~ m{^(?:net/|loyalty/(?!ngx_shop_event_key)|base/)}
            || $name =~ /_(?:conf|provider_check)\.c$/;

    for my $statement (split /[;{}]/, $sources{$name}) {

        if ($statement =~ /\w_result\(r, (.*)/s) {
            push @results, $1 =~ /"([a-z_]+)"/g;
        }

        next unless $statement =~ /\breason\b\s*=[^=]
                                   |_(?:problem|refused?|fail|close)\w*\(
                                   |\breturn\s+"[a-z_]+"\s*$
                                   |NGX_ERROR,\s+left\ <=\ 0/x;

        # a comparison is no use of it

        $statement =~ s/strcmp\([^)]*\)//g;

        $reason{$_} = $name for $statement =~ /"([a-z]+(?:_[a-z]+)+)"/g;

        if ($statement =~ /NGX_HTTP_([A-Z_]+),\s*"([a-z_]+)"/
            && $number{$1})
        {
            $status{$2}{$number{$1}} = 1;
        }
    }
}

my %told;

for my $line (split /^(?=- |\#)/m, document('docs/errors.md')) {
    $told{$1} = $2 if $line =~ /^- `([a-z_]+)`, ([^:]+): /;
}

same([ keys %told ], [ keys %reason ], 'each reason is described');

for my $reason (sort keys %told) {
    my ($text) = document('docs/errors.md')
               =~ /^- `$reason`(.*?)(?=^- |^\n|\z)/ms;

    like($told{$reason}, qr/^\d{3}(?:(?:, | or )\d{3})*$/,
         "$reason: its status");
    like($text, qr/\bOperator:\s/, "$reason: what an operator does");
    like($told{$reason}, qr/$_/, "$reason: it is $_ in the sources")
        for sort keys %{ $status{$reason} || {} };
}

same([ section($page{shop}, 'Embedded Variables') =~ /^  - `([a-z_]+)`: /mg ],
     \@results, 'each value of $shop_login_result is described');


# --- members of configurations --------------------------------------------


# A member that create leaves out has whatever was in the memory, or a zero
# that nobody thought of; one that is unset and not merged stays unset.

for my $name (sort keys %sources) {
    next unless $name =~ m{^modules/.*\.h$};

    while ($sources{$name}
           =~ /typedef struct \{([^}]*)\} ngx_http_(\w+?)_(main|srv|loc)_conf_t/g)
    {
        my ($members, $module, $level) = ($1, $2, $3);
        my $all = join '', map { read_file("$root/ngx_module/$_") }
                  grep { m{^modules/ngx_http_${module}_\w+\.c$} }
                  sort keys %sources;

        my %function = map {
            $_ => $all =~ /^ngx_http_${module}_${_}_${level}_conf\((.*?)^\}/ms
                  ? $1 : ''
        } qw(create init merge);

        for my $line (split /;/, $members) {
            next unless $line =~ /(\w+)(?:\[\w*\])?(?::\d+)?\s*$/;

            my $member = $1;
            my $at = qr/->$member\b/;
            my $what = "${module} $level conf: $member";

            like($function{create}, $at, "$what has a default");

            next unless $function{create} =~ /$at[^;]*= NGX_CONF_UNSET/;

            like($function{merge} . $function{init},
                 qr/ngx_conf_(?:merge|init)_\w+\(\w+$at/,
                 "... and is merged");
        }
    }
}


# --- links and lines ------------------------------------------------------


# the text without code

sub prose {
    my ($text) = @_;

    $text =~ s/^```.*?^```$//msg;
    $text =~ s/^(?: {4}|\t).*$//mg;

    return $text;
}

# anchors as GitHub makes them

sub anchors {
    my ($text) = @_;
    my %seen;

    for my $title (prose($text) =~ /^#+ (.+)$/mg) {
        my $anchor = lc $title;

        $anchor =~ s/[^a-z0-9 _-]//g;
        $anchor =~ tr/ /-/;

        $seen{$anchor} = 1;
    }

    return \%seen;
}

for my $name (@documents) {
    my $text = prose(document($name));
    my @dead;

    $text =~ s/`[^`]*`//g;

    for my $target ($text =~ /\]\(([^)\s]+)\)/g,
                    $text =~ /^\[[^\]]+\]: (\S+)/mg)
    {
        next if $target =~ m{^(?:https?|mailto):};

        my ($path, $anchor) = $target =~ /^([^#]*)(?:#(.*))?$/;

        $path = length $path ? dirname($name) . "/$path" : $name;

        if (!-e "$root/$path"
            || (defined $anchor
                && !anchors(document($path))->{$anchor}))
        {
            push @dead, $target;
        }
    }

    is("@dead", '', "$name: each link leads somewhere");

    my $n = 0;
    my @long = grep {
        $n++;
        my $line = $_;
        utf8::decode($line);
        length $line > 79 && $line !~ m{https?://\S{40}|^\|};
    } split /\n/, document($name);

    is("@long", '', "$name: no line is longer than 79 columns");
}


# --- examples -------------------------------------------------------------


# Files that an example names are made, addresses it listens on are free
# ports; what it leaves out, being a part only, is put around it.

sub prepare {
    my ($text) = @_;
    my $dir = temp_dir('files');
    my %listen;

    $text =~ s/^\s*load_module .*\n//mg;

    $text =~ s{(?<![\w:/.])(/(?:etc|var|srv|usr)/[\w./-]+)}
              {make_file($dir . $1)}ge;

    $text =~ s{^(\s*listen\s+)([\w.:\[\]*]+)}{
        my $n = $listen{$2} ||= 1 + keys %listen;

        "${1}127.0.0.1:%%port" . ($n > 1 ? $n : '') . '%%'
    }gmex;

    return $text;
}

sub make_file {
    my ($path) = @_;

    make_path(dirname($path));

    if ($path =~ /\.keys$/) {
        write_file($path, 'ab' x 32 . "\n", 0600);

    } elsif ($path =~ /\.(?:crt|pem|key)$/) {
        my $own = (our $certificate ||= do {
            my ($cert, $key) = IO::Socket::SSL::Utils::CERT_create(
                CA => 1, subject => { CN => 'shop.example.com' });

            { crt => IO::Socket::SSL::Utils::PEM_cert2string($cert),
              key => IO::Socket::SSL::Utils::PEM_key2string($key) };
        });

        write_file($path, $own->{$path =~ /\.key$/ ? 'key' : 'crt'}, 0600);

    } elsif ($path =~ /secret|passw/) {
        write_file($path, "secret\n", 0600);
    }

    return $path;
}

sub around {
    my ($text) = @_;
    my $dir = temp_dir();
    my $keys = make_file("$dir/example.keys");
    my $secret = make_file("$dir/example.secret");

    my $provider = "preset oidc; issuer http://127.0.0.1:9; client_id shop; "
                 . "client_secret_file $secret;";

    my %http = (
        shop_redis       => 'shop_redis redis://127.0.0.1:6379;',
        shop_secret_file => "shop_secret_file $keys;",
        social_provider  => "social_provider example { $provider }",
    );
    my %server = (
        listen        => 'listen 127.0.0.1:%%port%%;',
        shop_base_url => 'shop_base_url http://127.0.0.1:%%port%%;',
        social_login  => 'social_login on;',
    );

    my $lacking = sub {
        my ($lines) = @_;

        return join "\n", map { $lines->{$_} }
               grep { $text !~ /^\s*$_\b/m } sort keys %$lines;
    };

    my $http = $lacking->(\%http);
    my $server = "$http\nserver {\n" . $lacking->(\%server);

    return (
        "$http\n$text",
        "$server\n$text\n}",
        "$server\nlocation / {\n$text\n}\n}",
        "$http\nsocial_provider sample {\n$text\n"
        . join(' ', grep { $text !~ /^\s*\Q@{[ (split)[0] ]}\E /m }
                    map { "$_;" } split /; */, $provider) . "\n}",
    );
}

for my $name (@documents) {
    my $n = 0;

    for my $text (document($name) =~ /^```nginx\n(.*?)^```$/msg) {
        my (@texts, $said);
        my $what = "$name: example " . ++$n;

        $text = prepare($text);

        if ($text =~ /^http \{\n(.*)^\}/ms) {
            @texts = $1;

        } else {
            @texts = around($text);
        }

        for my $http (@texts) {
            my $nginx = ShopTest::Nginx->new(http => $http);
            my ($code, $output) = $nginx->check;

            if ($code == 0 && $output !~ /\[(?:warn|emerg|alert)\]/) {
                $said = undef;
                last;
            }

            $said .= $output;
        }

        is($said, undef, "$what is a configuration");
    }
}

done_testing();
