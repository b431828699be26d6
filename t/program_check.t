# "build.sh check-program" says of a document what nginx would say, and why a
# customer is given a promotion or not: each of the reasons.

use lib 't/lib';
use ShopTest;

use Cwd ();
use JSON::PP ();

use ShopTest::Nginx;
use ShopTest::Offers;
use ShopTest::Program;

my $dir = temp_dir();
my $build = root() . '/build.sh';

$ENV{TEST_NGINX_MODULE} = ShopTest::Nginx::module_path(
    'TEST_NGINX_MODULE', 'ngx_http_shop_module.so');

# the code, what was printed, and what was complained of

sub check {
    my @arguments = @_;
    my $errors = "$dir/errors";

    my $text = do {
        open my $fh, '-|', 'sh', '-c', 'exec bash "$0" check-program "$@" 2>"'
                                       . $errors . '"',
             $build, @arguments
            or die "build.sh: $!\n";
        local $/;
        my $out = <$fh>;
        close $fh;
        defined $out ? $out : '';
    };

    return ($? >> 8, $text, read_file($errors));
}

sub file {
    my ($name, $text) = @_;

    return write_file("$dir/$name", ref $text ? document($text) : $text);
}

my $program = file('program.conf', <<'END');
loyalty_program {
    currency EUR;
    tier bronze;
    tier silver points=1000;
    segment conf new;
    promotion CONF { }
}
END


# --- documents --------------------------------------------------------------

{
    my $path = file('good.json', {
        segments   => [ { name => 'vip', conditions => 'tier=silver' } ],
        promotions => [ { code => 'A', audience => 'vip' },
                        { code => 'B', match => [ 'path /a',
                                                  'country DE' ] } ] });

    my ($code, $text, $errors) = check('-p', $program, $path);

    is($code, 0, 'a good document');
    is($text, <<"END", '... and which variables it needs');
$path: promotions: 2, segments: 1
B: needs the variable \$uri
B: needs the variable \$country
END
    is($errors, '', '... without another word');

    ($code, $text) = check($path);

    is($code, 1, 'a tier is one of the program');
    like($text, qr/^\Q$path\E: segment "vip": unknown tier "silver"/,
         '... or unknown');
}

for (
    [ '{"promotions": [{"code": "A"}, ]}', qr/no JSON: line 1, column 32: /,
      'no JSON' ],
    [ { promotions => [ { code => 'A', audience => 'conf' } ] },
      qr/promotion "A", "audience": unknown condition "conf"/,
      'a segment of the configuration' ],
    [ { promotions => [ { code => 'A', until => 'soon' } ] },
      qr/promotion "A", "until": invalid date "soon" .* must be ISO 8601/,
      'a date' ],
    [ { promotions => [ { code => 'A', match => 'path ~(' } ] },
      qr/promotion "A", "match": pcre2?_compile/, 'an expression' ],
    [ ' ', qr/no JSON/, 'nothing' ],
    [ '{}' . ' ' x 300_000, qr/no JSON: 300002 bytes, at most 262144/,
      'a large one' ],
) {
    my ($document, $reason, $name) = @$_;
    my $path = file('bad.json', $document);
    my ($code, $text, $errors) = check('-p', $program, $path);

    is($code, 1, "$name: refused");
    like($text, qr/^\Q$path\E: $reason.*\n\z/, '... and why');
    is($errors, '', '... once');
}

{
    my $good = file('good.json', {});
    my $wrong = file('wrong.conf', "loyalty_program {\n    tier a b c;\n}\n");
    my ($code, $text, $errors) = check('-p', $wrong, $good);

    is($code, 1, 'a program that is wrong itself');
    like($errors, qr/ in \Q$wrong\E:2$/m, '... is named with its line');

    ($code) = check("$dir/none.json");
    is($code, 1, 'a document that is not there');

    for my $arguments ([], ['-p'], ['-p', $program], [($good) x 3]) {
        ($code, $text, $errors) = check(@$arguments);

        is($code, 2, scalar(@$arguments) . ' arguments: no question');
        like($errors, qr/usage: check-program/, '... and how to ask');
    }
}


# --- why --------------------------------------------------------------------

my %customer = (
    time      => '2026-10-01T12:00Z',       # a Thursday
    customer  => '31242a092e19e93c631f8977ca8b3952',
    provider  => 'google',
    seed      => '0123456789abcdef0123456789abcdef',
    view      => { tier => 'silver', points => 1250, qualifying => 1250,
                   orders => 2 },
    variables => { uri => '/menu/', country => '' },
);

sub explained {
    my ($promotions, %more) = @_;
    my $path = file('program.json', { promotions => $promotions });
    my $who = file('customer.json', { %customer, %more });
    my ($code, $text, $errors) = check('-p', $program, $path, $who);

    return "$code$text$errors" if $code;

    $text =~ s/^.*\n//;

    return $text;
}

my $bucket = ShopTest::Offers::bucket($customer{seed}, 'K',
                                      $customer{customer});

is(explained([
       { code => 'A', group => 'g' },
       { code => 'B', group => 'g' },
       { code => 'C', from => '2026-10-01T12:00:01Z' },
       { code => 'D', until => '2026-10-01T12:00Z' },
       { code => 'E', hours => 'mon-wed 00:00-24:00' },
       { code => 'F', audience => [ 'new', 'tier<silver' ] },
       { code => 'G', match => [ 'path ~^/menu/', 'country DE' ] },
       { code => 'H', match => 'country DE' },
       { code => 'I', match => [ 'path ~^/menu/', [ 'country', '' ] ] },
       { code => 'J', match => 'host x' },
       { code => 'K', holdout => '99.99%' },
       { code => 'L', audience => 'provider=google points>=1250' },
       { code => 'M', stop => JSON::PP::true },
       { code => 'N' },
   ]), <<"END", 'each reason');
A: given
B: not given, group: "A" was given
C: not given, from: it begins on Thu 2026-10-01T12:00:01Z
D: not given, until: it ended on Thu 2026-10-01T12:00:00Z
E: not given, hours: it is Thu 2026-10-01T12:00:00Z
F: not given, audience: no line holds
G: not given, match: \$country has another value
H: not given, match: \$country has another value
I: given
J: not given, match: \$host has another value
K: not given, holdout: bucket $bucket of 10000, held out are those below 9999
L: given
M: given
N: not given, stop: "M" has ended the list
tier: silver
segments: -
promotions: A,I,L,M
END

{
    delete local $customer{seed};

    like(explained([ { code => 'A', holdout => '1%' } ]),
         qr/^A: not given, holdout: without "seed" nobody knows$/m,
         'a holdout without a seed');
}

like(explained([ { code => 'A' } ], time => 1790812800), qr/^A: given$/m,
     'a time in seconds');
like(explained([ { code => 'A', from => '2020-01-01' } ],
               time => time), qr/^A: given$/m, '... and now');

for (
    [ { time => 'noon' }, qr/"time" must be UNIX seconds or ISO 8601/ ],
    [ { time => -1 }, qr/"time" must be/ ],
    [ { customer => 'a b' }, qr/"customer" is no id/ ],
    [ { customer => 7 }, qr/"customer" must be a string/ ],
    [ { provider => {} }, qr/"provider" must be a string/ ],
    [ { seed => 'xyz' }, qr/"seed" must have 32 hex digits/ ],
    [ { view => { colour => 1 } }, qr/"view" has an unknown field "colour"/ ],
    [ { view => { points => [] } }, qr/"points" of "view" must be/ ],
    [ { view => { points => 'many' } }, qr/"view" has a value that is no integer/ ],
    [ { variables => [] }, qr/"variables" must be an object/ ],
    [ { name => 1 }, qr/unknown member "name", allowed: "time"/ ],
) {
    my ($more, $reason) = @$_;

    like(explained([], %$more), qr/^1.*customer\.json: $reason/s,
         'a customer with ' . document($more));
}


# --- the example ------------------------------------------------------------

{
    my $docs = root() . '/docs/examples';
    my $here = Cwd::getcwd();

    chdir $docs or die "$docs: $!\n";

    my ($code, $text) = check('-p', 'program.conf', 'program.json',
                              'customer.json');

    chdir $here or die "$here: $!\n";

    my $page = read_file(root() . '/docs/ngx_http_loyalty_module.md');

    is($code, 0, 'the example of the documents');

    $text =~ s/^.*\n//;
    $text =~ s/^/    /mg;

    ok(index($page, "program.json customer.json\n$text") > 0,
       '... is explained there') or diag($text);

    for my $name (qw(program.json customer.json)) {
        my $json = read_file("$docs/$name");

        like($page, qr/^```json\n\Q$json\E```$/m,
             "... as $name stands there");
    }
}

done_testing();
