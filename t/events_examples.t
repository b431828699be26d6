# The clients that a shop may take as they are: they sign, send and tell
# whether all was taken.

use lib 't/lib';
use ShopTest;
use ShopTest::Events;

my $events = ShopTest::Events->new;
my $shop   = shop(http => $events->conf);
my $url    = $shop->nginx->url . '/_shop/events';
my $dir    = temp_dir('client');
my $key    = write_file("$dir/key", "$events->{key}\n", 0600);
my $wrong  = write_file("$dir/wrong", 'ab' x 32, 0600);
my $n      = 0;

sub found {
    my ($command) = @_;

    return grep { -x "$_/$command" } split /:/, $ENV{PATH};
}

sub runs {
    my ($client, $file, @events) = @_;

    return runs_at($url, $client, $file, @events);
}

sub runs_at {
    my ($where, $client, $file, @events) = @_;
    my $input = write_file("$dir/events", ShopTest::Events::body(@events));
    my $output = `$client '$where' erp '$file' <'$input' 2>&1`;

    return ($? >> 8, $output);
}

sub event {
    my ($client) = @_;

    return { id => 'e-' . ++$n, type => 'adjust', customer => 'anna',
             time => time, points => 1, reason => "by $client \x{e9}" };
}

for my $client ([ 'docs/examples/events.sh', 'curl' ],
                [ 'docs/examples/events.py', 'python3' ],
                [ 'php docs/examples/events.php', 'php' ])
{
    my ($run, $needs) = @$client;

    if (!found($needs)) {
        note("there is no $needs here");
        next;
    }

    my @events = (event($needs), event($needs));
    my ($code, $output) = runs($run, $key, @events);

    is($code, 0, "$needs: events are taken") or diag($output);
    is(scalar(() = $output =~ /"status":"booked"/g), 2, '... each');

    ($code, $output) = runs($run, $key, $events[0], { id => 'x' });
    is($code, 1, "$needs: that one is refused is told") or diag($output);
    like($output, qr/"duplicate".*"type_missing"/s, '... with the reason');

    ($code, $output) = runs($run, $wrong, @events);
    is($code, 2, "$needs: and that nothing is taken") or diag($output);
    like($output, qr/"hmac_mismatch"/, '... with the reason');

    ($code, $output) = runs_at('http://127.0.0.1:' . free_port(), $run, $key,
                               @events);
    is($code, 2, "$needs: and that nobody is there") or diag($output);
}

done_testing();
