# Promotions and segments that a marketer keeps in Redis: a change is in force
# soon, on every nginx and in every worker, and what cannot be understood
# changes nothing.

use lib 't/lib';
use ShopTest;

use Digest::SHA ();

use ShopTest::Program;
use ShopTest::Session;

my $redis = redis();
my $session = ShopTest::Session->new(redis => $redis);

sub version { return substr Digest::SHA::sha256_hex($_[0]), 0, 16 }


# --- a change ---------------------------------------------------------------

my $nginx = start(redis => $redis);
my $other = start(redis => $redis);
my @both = ($nginx, $other);

becomes($_, $session, 'CONF conf', 'at first the configuration rules')
    for @both;

is_deeply(status($nginx),
          { source => 'configuration', version => undef, since => undef,
            promotions => 1, segments => 1, refused => 0, reason => undef },
          'the status says so');

put($redis, document({
    segments   => [ { name => 'rich', conditions => 'points>=100' },
                    { name => 'poor', conditions => [ 'points<100' ] } ],
    promotions => [ { code => 'NEW', audience => [ 'poor' ] },
                    { code => 'RICH', audience => 'rich' },
                    { code => 'DE', match => 'country DE AT',
                      priority => 5 },
                    { code => 'UTM', match => [ [ 'utm', '~^spring' ] ] },
                    { code => 'HOST', match => '$host 127.0.0.1',
                      priority => 300 },
                    { code => 'COOKIE', match => '$cookie_a 1' },
                    { code => 'TIER', match => '$loyalty_tier gold' } ],
}));

my $time = time;

becomes($_, $session, 'NEW,HOST poor', 'a document is in force') for @both;

$session->view(points => 100);

wait_for { given($nginx, $session) =~ / rich$/ } 'the view', 30;

is(given($nginx, $session, '/?utm_campaign=spring-2', 'X-Country' => 'AT',
         Cookie => 'a=1; ' . $session->cookie),
   'DE,COOKIE,RICH,UTM,HOST rich',
   'variables of any kind, used elsewhere or not');

is(given($nginx, $session, '/?utm_campaign=Spring', 'X-Country' => 'FR'),
   'RICH,HOST rich', '... of other values');

{
    my $is = status($nginx);

    is($is->{source}, 'redis', 'the status tells where it is from');
    is($is->{version},
       version($redis->command('GET', 'shop:program')),
       '... and which one it is');
    cmp_ok(abs($is->{since} - $time), '<=', 60, '... and since when');
    is("$is->{promotions} $is->{segments} $is->{refused}", '7 2 0',
       '... and how much there is');

    my $metrics = $nginx->get('/metrics')->body;

    like($metrics, qr/^ngx_shop_program_promotions 7$/m,
         'Prometheus is told, too');
    like($metrics, qr/^ngx_shop_program_refused 0$/m, '... that all is well');
}

put($redis, with('ONE'));
put($redis, with('TWO'));

becomes($_, $session, 'TWO -', 'of two changes the second counts') for @both;

$redis->command('SET', 'shop:program', with('THREE'), 'EX', 1);
becomes($_, $session, 'THREE -', 'a key may have an end') for @both;
becomes($_, $session, 'CONF conf', '... and then the configuration rules')
    for @both;


# --- a regular expression that has no end ------------------------------------

put($redis, document({ promotions => [
    { code => 'SLOW', match => '$http_x_country ~^(a+)+$|b$' },
    { code => 'NEXT' } ] }));
becomes($nginx, $session, 'NEXT -', 'one that may take for ever');
is(given($nginx, $session, '/', 'X-Country' => 'aaab'), 'NEXT,SLOW -',
   '... and does not, mostly');
is(given($nginx, $session, '/', 'X-Country' => 'a' x 18 . 'b'), 'NEXT -',
   '... is not waited for where it would');
is(given($nginx, $session, '/', 'X-Country' => 'b' x 1024), 'NEXT,SLOW -',
   'a text as long as may be');
is(given($nginx, $session, '/', 'X-Country' => 'b' x 1025), 'NEXT -',
   '... and one that is longer');


# --- what is refused --------------------------------------------------------

put($redis, with('GOOD'));
becomes($_, $session, 'GOOD -', 'a good one') for @both;

my $version = status($nginx)->{version};

my @bad = (
    [ '{"promotions": [{"code": "A"},]}', qr/^no JSON: line 1, column 31/,
      'no JSON' ],
    [ '{"promotions": [], "promotions": []}', qr/duplicate object key/,
      'a member twice' ],
    [ document({ promotions => [ { code => 'A', until => 'soon' } ] }),
      qr/^promotion "A", "until": invalid date "soon"/, 'a date' ],
    [ document({ promotions => [ { code => 'A', audience => 'tier>=x' } ] }),
      qr/^promotion "A", "audience": unknown tier "x" .*"bronze", "gold"/,
      'a tier that there is not' ],
    [ document({ promotions => [ { code => 'A', audience => 'conf' } ] }),
      qr/^promotion "A", "audience": unknown condition "conf"/,
      'a segment of the configuration' ],
    [ document({ promotions => [ { code => 'A', match => 'nothing x' } ] }),
      qr/^promotion "A", "match": unknown variable "nothing"/,
      'a variable that there is not' ],
    [ document({ promotions => [ { code => 'A', match => 'proxy_port 1' } ]
               }),
      qr/unknown variable "proxy_port"/,
      'one that nginx has where it is used only' ],
    [ document({ promotions => [ { code => 'A', match => 'path ~(' } ] }),
      qr/^promotion "A", "match": pcre2?_compile/, 'an expression' ],
    [ document({ promotions => [ { code => 'A', match => [
          map { "path ~^/$_" } 1 .. 64 ] }, { code => 'B',
                                              match => 'path ~^/65' } ] }),
      qr/^promotion "B", "match": more than 64 regular expressions/,
      'many expressions' ],
    [ document({ segments => [ map { { name => 'a' x 36 . $_,
                                       conditions => 'new' } } 1000 .. 1099 ],
                 promotions => [ map { { code => 'A' x 36 . $_ } }
                                     1000 .. 1099 ] }),
      qr/^all names of segments and codes .* are 8200 bytes, at most 8000/,
      'headers that would be too long' ],
    [ document({ tiers => [] }), qr/^unknown member "tiers"/,
      'what only the configuration has' ],
    [ '[' x 100_000, qr/^no JSON/, 'a deep one' ],
    [ '{}' . ' ' x 262144, qr/^more than 262144 bytes/, 'a large one' ],
    [ 'x' x 6_000_000, qr/^more than 262144 bytes/, 'a huge one' ],
);

for (@bad) {
    my ($text, $reason, $name) = @$_;

    put($redis, $text);
    refused($nginx, $reason, "$name: refused");

    is(given($nginx, $session), 'GOOD -', '... and the good one stays');
    is(status($nginx)->{version}, $version, '... as the status says');
}

is(scalar(grep { /\[error\].*in redis was refused, .*invalid date "soon"/ }
               split /\n/, $nginx->log),
   1, 'a reason is logged once');
like($nginx->get('/metrics')->body, qr/^ngx_shop_program_refused 1$/m,
     'Prometheus is told');

$redis->command('DEL', 'shop:program');
$redis->command('RPUSH', 'shop:program', 'x');
refused($_, qr/has another type, it must be a string/, 'a list is refused')
    for @both;
is(given($nginx, $session), 'GOOD -', '... and the good one stays');

done_testing();
