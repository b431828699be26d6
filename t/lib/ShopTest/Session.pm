package ShopTest::Session;

# Copyright (C) The ngx_shop authors

=head1 NAME

ShopTest::Session - a customer who is signed in, made without a login

=head1 SYNOPSIS

    my $session = ShopTest::Session->new(
        redis    => $redis,
        customer => 'c1',                       # "c1", "c2", ...
        provider => 'work',                     # "work"
        view     => { tier => 'silver', points => 1250 },   # none
    );

    $nginx->get('/', Cookie => $session->cookie);

    $session->key;                  # shop:session:{NN}:ID:HASH
    $session->key('view');          # shop:view:{NN}:ID, or another
    $session->view(points => 5);    # sets more fields
    $session->end;                  # deletes the session
    $session->noted(400);           # was last seen so many seconds ago
    $session->told($nginx);         # "ID POINTS SOURCE" at the backend, where
                                    # a header X-Session has the source
    $session->is_followed($nginx, $node, \$n, $name);   # checks, see there
    $session->value;                # the sealed text, a secret

    ShopTest::Session::are_soon($name, @ms);    # until changes were seen

    ShopTest::Session::seal($key, $purpose, $context, $plain);
    ShopTest::Session::unseal($key, $purpose, $context, $sealed); # or undef

=head1 DESCRIPTION

Sealed as the essay in base/ngx_shop_seal.c says, of the content that
session/ngx_shop_session_seal.c lays out.  Other arguments:

    name       => 'shop'                        # of the cookie
    host       => '127.0.0.1'
    secret_key => 'ab' x 32                     # a line of the key file
    purpose    => 'session'
    issued     => time
    created, auth_time, expires                 # as Redis has them
    idle       => 30 * 86400                    # seconds
    secret     => $bytes                        # 32 of them
    partitions => 64
    prefix     => 'shop:'
    store      => 0                             # the cookie alone

=cut

use strict;
use warnings;

use Crypt::AuthEnc::GCM ();
use Crypt::KeyDerivation ();
use Crypt::PRNG ();
use Digest::SHA ();
use MIME::Base64 ();
use Test::More ();

use ShopTest ();

my $ncustomers = 0;


sub new {
    my ($class, %o) = @_;
    my $now = defined $o{issued} ? $o{issued} : time;

    my $self = bless {
        customer   => 'c' . ++$ncustomers,
        provider   => 'work',
        name       => 'shop',
        host       => '127.0.0.1',
        secret_key => 'ab' x 32,
        purpose    => 'session',
        issued     => $now,
        created    => $now,
        auth_time  => $now,
        expires    => $now + 180 * 86400,
        idle       => 30 * 86400,
        secret     => Crypt::PRNG::random_bytes(32),
        partitions => 64,
        prefix     => 'shop:',
        store      => 1,
        view       => {},
        %o,
    }, $class;

    $self->{value} = seal(
        pack('H*', $self->{secret_key}), $self->{purpose}, $self->{host},
        pack('Q>', $self->{issued}) . $self->{secret} . $self->{customer});

    $self->store if $self->{store};

    return $self;
}


sub store {
    my ($self) = @_;
    my $redis = $self->{redis};
    my $hash = Digest::SHA::sha256_hex($self->{secret});

    $redis->command('HSET', $self->key,
                    map { ($_ => $self->{$_}) }
                    qw(provider created auth_time expires));
    $redis->command('PEXPIRE', $self->key, $self->{idle} * 1000);

    $redis->command('ZADD', $self->key('sessions'), $self->{issued}, $hash);

    $self->view(%{ $self->{view} });

    return;
}


sub view {
    my ($self, %fields) = @_;

    $self->{redis}->command('HSET', $self->key('view'), %fields) if %fields;

    return;
}


# Checks that the customer is taken from the cache, and yet a change is seen:
# somebody tells nginx of it.  $node is a code, as the node or the master may
# be another one by then; $$n are points that were not there before.

sub is_followed {
    my ($self, $nginx, $node, $n, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ShopTest::wait_for {
        my $told = 0;

        for (1 .. 3) {
            last if !eval { $self->store; $self->view(points => ++$$n); 1 };

            last if !eval {
                ShopTest::wait_for { $self->told($nginx) =~ /cached/ }
                                   'the cache', 5;
                $self->view(points => ++$$n);
                1;
            };

            ShopTest::pause(0.05);
            $told += $self->told($nginx) =~ / $$n /;
        }

        $told == 3;
    } "$name: the channel", 30;

    my $seen = 0;

    $node = $node->();

    for (1 .. 20) {
        $self->told($nginx);
        $node->command('HSET', $self->key('view'), 'points', ++$$n);

        my $start = ShopTest::now();
        my $sent = $start;

        while ($sent - $start <= 0.25) {
            last if $self->told($nginx) =~ / $$n /;
            $sent = ShopTest::now();
        }

        $seen += $sent - $start <= 0.25;
    }

    Test::More::is($seen, 20,
                   "$name: changes are seen long before the ttl ends");

    return;
}


# For nginx, once it has no copy: so before a change to the session itself.

sub noted {
    my ($self, $ago) = @_;

    $self->{redis}->command('ZADD', $self->key('sessions'), time - $ago,
                            Digest::SHA::sha256_hex($self->{secret}));

    return;
}


sub end {
    my ($self) = @_;

    $self->{redis}->command('DEL', $self->key);

    return;
}


sub told {
    my ($self, $nginx) = @_;

    my $response = $nginx->get('/', Cookie => $self->cookie);
    my %is = map { lc $_->[0] => $_->[1] } @{ $response->json->{headers} };

    return join ' ', map { defined $_ ? $_ : '-' }
           @is{qw(x-customer-id x-loyalty-points)},
           $response->header('X-Session');
}


sub customer { return $_[0]->{customer} }

sub value { return $_[0]->{value} }

sub cookie { return "$_[0]->{name}=$_[0]->{value}" }


sub key {
    my ($self, $kind) = @_;
    my $id = $self->{customer};

    my $nn = crc16($id) % $self->{partitions};

    return "$self->{prefix}$kind:{$nn}:$id" if defined $kind;

    return "$self->{prefix}session:{$nn}:$id:"
           . Digest::SHA::sha256_hex($self->{secret});
}


# CRC16-XMODEM, as Redis Cluster has it

sub crc16 {
    my ($text) = @_;
    my $crc = 0;

    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte << 8;

        for (1 .. 8) {
            $crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) : $crc << 1;
        }

        $crc &= 0xffff;
    }

    return $crc;
}


# a substr() as argument is not what CryptX takes for a string

sub derive {
    my ($key, $purpose) = @_;

    return unpack 'a32 a4', Crypt::KeyDerivation::hkdf(
        $key, "\0" x 32, 'SHA256', 36, "ngx_shop seal 1 $purpose");
}


sub seal {
    my ($key, $purpose, $context, $plain) = @_;

    my ($cipher_key, $hint) = derive($key, $purpose);
    my $iv = Crypt::PRNG::random_bytes(12);

    my ($text, $tag) = Crypt::AuthEnc::GCM::gcm_encrypt_authenticate(
        'AES', $cipher_key, $iv, $context, $plain);

    my $sealed = MIME::Base64::encode_base64(
        "\1" . $hint . $iv . $text . $tag, '');

    $sealed =~ tr{+/=}{-_}d;

    return $sealed;
}


sub unseal {
    my ($key, $purpose, $context, $sealed) = @_;

    $sealed =~ tr{-_}{+/};
    $sealed = MIME::Base64::decode_base64($sealed . '=' x (-length($sealed)
                                                           % 4));

    my ($cipher_key, $hint) = derive($key, $purpose);
    my ($head, $iv, $text) = unpack 'a5 a12 a*', $sealed;

    return undef if $head ne "\1$hint" || length $text < 16;

    my $tag = substr $text, -16, 16, '';

    return Crypt::AuthEnc::GCM::gcm_decrypt_verify(
        'AES', $cipher_key, $iv, $context, $text, $tag);
}


# What is promised is 100 ms; one in ten has more, as a machine may be busy,
# but far less than the time after which the cache asks by itself.

sub are_soon {
    my ($name, @ms) = @_;
    my $n = int(0.9 * @ms);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    @ms = sort { $a <=> $b } @ms;

    Test::More::note(sprintf '%s: median %.1f ms, 99 %% within %.1f ms, at '
                             . 'most %.1f ms', $name,
                             @ms[$#ms / 2, int(0.99 * $#ms), -1]);
    Test::More::ok(($n == 0 || $ms[$n - 1] < 100) && $ms[-1] < 2000,
                   "$name: are seen within 100 ms")
        or Test::More::diag("@ms");

    return;
}


1;
