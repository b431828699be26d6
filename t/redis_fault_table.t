# What a shop promises of each fault of one Redis.  A row is a fault; what is
# promised is in ShopTest::Faults, and the same for all of them.

use lib 't/lib';
use ShopTest;
use ShopTest::Faults;
use ShopTest::Proxy;
use ShopTest::Redis ();

# --- the server, of each kind that there is

my @keeps = ('--appendonly', 'yes', '--repl-diskless-sync-delay', '0');

for my $binary (ShopTest::Redis::binaries()) {
    my ($kind) = $binary =~ m{([^/]+)-server$};
    my $redis = redis(binary => $binary, args => \@keeps);

    my $table = ShopTest::Faults->new(redis => $redis, cached => 1);

    # with all it had

    my $start = sub {
        $redis->start;
        wait_for { ($redis->try('PING'))[0] } 'Redis to have read its file';
    };

    $table->row("$kind: stopped",
        begin  => sub { $redis->stop },
        end    => $start,
        change => 'after',
        says   => qr/while connecting, redis: /);

    $table->row("$kind: killed",
        begin  => sub { $redis->crash },
        end    => $start,
        change => 'after');

    $table->row("$kind: frozen",
        begin  => sub { $redis->freeze },
        end    => sub { $redis->thaw },
        change => 'after',
        says   => qr/redis timed out while waiting for redis/);

    $table->row("$kind: memory full",
        begin  => sub { $redis->command('CONFIG', 'SET', 'maxmemory', 1) },
        during => sub {
            $_[0]->fails(503, 'redis_refused', "$kind: memory full: a login")
                for 1 .. 3;
        },
        end    => sub { $redis->command('CONFIG', 'SET', 'maxmemory', 0) },
        change => 'after',
        reads  => 1,
        says   => qr/redis answers OOM/);

    $table->row("$kind: password changed",
        begin  => sub {
            $redis->command('CONFIG', 'SET', 'requirepass', 'another');
            $redis->command('CLIENT', 'KILL', 'TYPE', $_, 'SKIPME', 'yes')
                for 'normal', 'pubsub';
        },
        end    => sub { $redis->command('CONFIG', 'SET', 'requirepass', '') },
        says   => qr/refuses the connection: "NOAUTH/);

    # its replica is the master now, and the other way round, and back

    my $other = redis(binary => $binary, args => [
        @keeps, '--replicaof', '127.0.0.1', $redis->port ]);

    my $follow = sub {
        my ($server, $leader) = @_;

        wait_for { ($server->command('ROLE')->[3] || '') eq 'connected' }
            'a replica';
        $leader->command('SET', 'here', ++$redis->{here});
        wait_for { ($server->command('GET', 'here') || 0) == $redis->{here} }
            'it to have all';
    };

    my $swap = sub {
        my ($from, $to) = @_;

        $follow->($to, $from);
        $to->command('REPLICAOF', 'NO', 'ONE');
        $from->command('REPLICAOF', '127.0.0.1', $to->port);
        $follow->($from, $to);
    };

    $table->row("$kind: replica promoted",
        begin  => sub { $swap->($redis, $other) },
        end    => sub { $swap->($other, $redis) },
        writer => $other,
        reads  => 1,
        says   => qr/redis answers READONLY/);
}


# --- the line, and what is said on it

{
    my $redis = redis();
    my $proxy = ShopTest::Proxy->new($redis->port);

    my $table = ShopTest::Faults->new(redis => $redis, cached => 1,
                                      through => $proxy->url);

    my $line = sub {
        my ($name, $spoil, %o) = @_;

        $table->row($name,
            begin => sub { $proxy->spoil(@$spoil, all => 1) },
            end   => sub { $proxy->heal },
            %o);
    };

    $line->('50 ms late',    [ slow => 0, seconds => 0.05 ], reads => 1);
    $line->('500 ms late',   [ slow => 0, seconds => 0.5 ]);
    $line->('refused',       [ refuse => 0 ]);
    $line->('split',         [ split => 0 ]);
    $line->('cut in a reply',   [ cut => 0 ], some => 1);
    $line->('reset in a reply', [ reset => 0 ], some => 1);
    $line->('garbage',       [ garbage => 0 ], says => qr/malformed reply/);
    $line->('a gigabyte announced', [ huge => 0 ]);
    $line->('nil for all',   [ nil => 0 ]);

    for my $text ('LOADING Redis is loading the dataset in memory',
                  'READONLY You can\'t write against a read only replica.',
                  'MASTERDOWN Link with MASTER is down',
                  'NOAUTH Authentication required.',
                  'WRONGPASS invalid username-password pair',
                  'OOM command not allowed when used memory > \'maxmemory\'.',
                  'BUSY Redis is busy running a script.',
                  'MISCONF Errors writing to the AOF file',
                  'CLUSTERDOWN Hash slot not served')
    {
        my ($code) = $text =~ /^(\w+)/;

        $table->row($code,
            begin => sub { $proxy->spoil('error', 0, text => $text) },
            end   => sub { $proxy->heal },
            says  => qr/redis answers $code\b/);
    }
}

done_testing();
