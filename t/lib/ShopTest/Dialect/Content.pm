package ShopTest::Dialect::Content;

# Copyright (C) The ngx_shop authors

# Networks of pictures, videos, texts and talk.  Few of them tell an address.
# What each word means is described in ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use JSON::PP ();

use ShopTest::Dialect qw(number only);

my $denied = { what => 'the customer says no', refuse => 'denied',
               callback => { code => undef, error => 'access_denied' } };

my %no_email = (email => undef, state => undef);


sub dialects {
    return (
        instagram(), threads(), tiktok(), snapchat(), pinterest(), reddit(),
        patreon(), wordpress(), mastodon(),
    );
}


sub graph_error {
    my ($status, $error, $text) = @_;

    return [ $status, { error_type => 'OAuthException', code => $status,
                        error_message => $text } ];
}


# professional accounts; those of persons have no API any more

sub instagram {
    return (instagram => {
        client => { id => '990602627938098' },
        person => { id => '17841400000000001', app => '6241000000000001' },

        authz => {
            at    => 'www.instagram.com/oauth/authorize',
            scope => 'instagram_business_basic',
            sep   => ',',
            pkce  => 'never',
        },
        token => {
            at     => 'api.instagram.com/oauth/access_token',
            auth   => ['post'],
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant) = @_;

                # no token_type

                return { access_token => $grant->{access_token},
                         user_id => number($grant->{person}{app}),
                         permissions => ['instagram_business_basic'] };
            },
        },
        userinfo => {
            at     => [ 'graph.instagram.com/me',
                        'graph.instagram.com/{v}/me' ],
            auth   => [ 'query:access_token', 'bearer' ],
            proof  => 0,
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                # the one id is that of the account, the other the app's

                return only(
                    defined $f->{fields} ? "id,$f->{fields}" : 'id', {
                        id => $p->{app}, user_id => $p->{id},
                        username => $p->{nick}, name => $p->{name},
                        account_type => 'BUSINESS',
                        profile_picture_url => $p->{picture},
                    });
            },
        },

        expect => {
            subject => [ '17841400000000001', '6241000000000001' ],
            %no_email, name => 'Ann Example', given_name => undef,
            family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'somebody without a name',
              person => { id => '17841400000000002', name => undef,
                          app => '6241000000000002' },
              expect => { subject => [ '17841400000000002',
                                       '6241000000000002' ],
                          name => 'annexample' } },
        ],
    });
}


sub threads {
    return (threads => {
        client => { id => '990602627938099' },
        person => { id => '7234567890' },

        authz => {
            at    => [ 'threads.net/oauth/authorize',
                       'www.threads.net/oauth/authorize' ],
            scope => 'threads_basic',
            sep   => '[ ,]',
            pkce  => 'optional',        # nothing is known
        },
        token => {
            at     => 'graph.threads.net/oauth/access_token',
            auth   => ['post'],
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         user_id => number($grant->{person}{id}) };
            },
        },
        userinfo => {
            at     => 'graph.threads.net/{v}/me',
            auth   => [ 'query:access_token', 'bearer' ],
            proof  => 0,
            error  => \&graph_error,
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                return only(
                    defined $f->{fields} ? "id,$f->{fields}" : 'id', {
                        id => $p->{id}, username => $p->{nick},
                        threads_profile_picture_url => $p->{picture} });
            },
        },

        expect => {
            subject => '7234567890', %no_email, name => 'annexample',
            given_name => undef, family_name => undef,
        },
        scenes => [ $denied ],
    });
}


sub tiktok {
    return (tiktok => {
        client => { id => 'awx1tiktok' },
        person => { id => '723f24d7-e717-40f8-a2b6-cb8464cd23b4',
                    union => 'c9c60f44-a68e-4f5d-84dd-ce22faeb0ba1' },

        authz => {
            at    => 'www.tiktok.com/v2/auth/authorize/',
            id    => 'client_key',
            scope => 'user.info.basic',
            sep   => ',',
            pkce  => 'optional',
            how   => 'hex',
            need  => { client_id => undef,
                       redirect_uri => qr{^https://[^?\#]{1,500}$} },
        },
        token => {
            at     => 'open.tiktokapis.com/v2/oauth/token/',
            auth   => ['post'],
            id     => 'client_key',
            need   => { client_id => undef },
            error  => sub { return [ $_[0], {
                error => $_[1], error_description => $_[2],
                log_id => '202206221854370101130062072500FFA2' } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 86400,
                         open_id => $grant->{person}{id},
                         refresh_token => 'rft.x', refresh_expires_in
                             => 31536000, scope => 'user.info.basic' };
            },
        },
        userinfo => {
            at    => 'open.tiktokapis.com/v2/user/info/',
            need  => { fields => qr/\b(?:open_id|union_id)\b/ },
            error => sub { return [ $_[0], { data => {}, error => {
                code => $_[1], message => $_[2], log_id => '2' } } ] },
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                return {
                    data => { user => only($f->{fields}, {
                        open_id => $p->{id}, union_id => $p->{union},
                        display_name => $p->{name},
                        avatar_url => $p->{picture} }) },

                    # which says that all is well

                    error => { code => 'ok', message => '', log_id => '2' },
                };
            },
        },

        expect => {
            subject => [ '723f24d7-e717-40f8-a2b6-cb8464cd23b4',
                         'c9c60f44-a68e-4f5d-84dd-ce22faeb0ba1' ],
            %no_email, name => 'Ann Example', given_name => undef,
            family_name => undef,
        },
        scenes => [
            { %$denied, callback => { code => undef,
                error => 'access_denied', error_type => 'access_denied',
                error_description => 'User did not authorize' } },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => { data => { user => {} }, error => {
                  code => 'scope_not_authorized', message => 'no',
                  log_id => '2' } } },

            # as if the data were whole

            { what => 'an error beside the data', refuse => 'provider',
              userinfo => { error => { code => 'internal_error',
                                       message => 'no', log_id => '2' } } },
        ],
    });
}


sub snapchat {
    my $scope = 'https://auth.snapchat.com/oauth2/api/user.';

    return (snapchat => {
        person => { id => 'CAESIPiRBp0e5gLDq7VVurQ3rVdmdbqxpOJWynjyBL/xlo0w' },

        authz => {
            at        => 'accounts.snapchat.com/accounts/oauth2/auth',
            scope     => "${scope}external_id ${scope}display_name",
            scope_too => "${scope}bitmoji.avatar",
            pkce      => 'optional',    # of general knowledge
        },
        token => {
            at   => 'accounts.snapchat.com/accounts/oauth2/token',
            auth => [ 'post', 'basic' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 3600,
                         refresh_token => 'r' };
            },
        },

        # GraphQL, in the URL or as the body

        userinfo => {
            at     => [ 'kit.snapchat.com/v1/me', 'api.snapkit.com/v1/me' ],
            method => 'GET POST',
            check  => sub {
                my ($mock, $grant, $f, $request) = @_;
                my $query = $f->{query};

                if ($request->{method} eq 'POST') {
                    return 'type of the body'
                        if ($request->{first}{'content-type'} || '')
                           !~ m{^application/json\b};

                    my $json = eval {
                        JSON::PP::decode_json($request->{body})
                    };
                    $query = $json ? $json->{query} : undef;
                }

                $grant->{query} = $query;

                return defined $query && $query =~ /^\s*\{\s*me\s*\{.*\}\s*\}/s
                       ? () : 'query';
            },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};
                my %known = (externalId => $p->{id},
                             displayName => $p->{name},
                             bitmoji => { avatar => $p->{picture} });

                return {
                    data => { me => { map { $_ => $known{$_} }
                                      grep { $grant->{query} =~ /\b$_\b/ }
                                      keys %known } },
                    errors => [],
                };
            },
        },

        expect => {
            subject => 'CAESIPiRBp0e5gLDq7VVurQ3rVdmdbqxpOJWynjyBL/xlo0w',
            %no_email, name => 'Ann Example', given_name => undef,
            family_name => undef,
        },
        scenes => [
            $denied,
            { what => 'no data', refuse => 'provider',
              userinfo => [ 200, { data => undef, errors => [
                  { message => 'no' } ] } ] },
        ],
    });
}


sub pinterest {
    return (pinterest => {
        client => { id => '1478901' },
        person => { id => '549755885175' },

        authz => {
            at    => 'www.pinterest.com/oauth/',
            scope => 'user_accounts:read',
            sep   => ',',
            pkce  => 'never',
        },
        token => {
            at   => 'api.pinterest.com/v5/oauth/token',
            auth => ['basic'],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 2592000,
                         response_type => 'authorization_code',
                         refresh_token => 'pinr.x',
                         scope => 'user_accounts:read' };
            },
        },
        userinfo => {
            at     => 'api.pinterest.com/v5/user_account',
            error  => sub { return [ $_[0], { code => 2,
                                              message => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { id => $p->{id}, username => $p->{nick},
                         business_name => $p->{business},
                         account_type => 'PINNER',
                         profile_image => $p->{picture} };
            },
        },

        expect => {
            subject => '549755885175', %no_email, name => 'annexample',
            given_name => undef, family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'a business',
              person => { id => '549755885176', business => 'Ann & Co' },
              expect => { subject => '549755885176', name => 'Ann & Co' } },
        ],
    });
}


sub reddit {

    # platform:app-id:version, whoever has less is answered 429

    my %agent = ('user-agent' => qr/^[\w-]+:[\w.-]+:v?\d/);

    return (reddit => {
        person => { id => '4h7fx2' },

        authz => {
            at    => 'www.reddit.com/api/v1/authorize',
            scope => 'identity',
            need  => { duration => qr/^(?:temporary|permanent)$/ },
            pkce  => 'never',
        },
        token => {
            at      => 'www.reddit.com/api/v1/access_token',
            auth    => ['basic'],
            headers => \%agent,
            answer  => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', expires_in => 86400,
                         scope => 'identity' };
            },
        },
        userinfo => {
            at      => 'oauth.reddit.com/api/v1/me',
            headers => \%agent,
            status  => 429,
            answer  => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    id => $p->{id}, name => $p->{nick},
                    has_verified_email => \1, is_employee => \0,
                    icon_img => 'https://styles.redditmedia.com/a.png?'
                                . 'width=256&amp;s=abc',
                    subreddit => { title => $p->{title},
                                   display_name => "u_$p->{nick}" },
                };
            },
        },

        expect => {
            subject => '4h7fx2', %no_email, name => 'annexample',
            given_name => undef, family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'somebody with a title',
              person => { id => '4h7fx3', title => 'Ann of the shop' },
              expect => { subject => '4h7fx3', name => 'Ann of the shop' } },
        ],
    });
}


sub patreon {
    my %agent = ('user-agent' => qr/\S/);

    return (patreon => {
        person => { id => '12345689' },

        authz => {
            at    => 'www.patreon.com/oauth2/authorize',
            scope => 'identity identity[email]',
            pkce  => 'never',
        },
        token => {
            at      => 'www.patreon.com/api/oauth2/token',
            auth    => ['post'],
            headers => \%agent,
            answer  => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', expires_in => 2678400,
                         refresh_token => 'r', version => '0.0.1',
                         scope => 'identity identity[email]' };
            },
        },
        userinfo => {
            at      => 'www.patreon.com/api/oauth2/v2/identity',
            headers => \%agent,
            status  => 403,
            error   => sub { return [ $_[0], { errors => [ {
                code => 1, title => $_[2], status => "$_[0]" } ] } ] },
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                return {
                    data => {
                        id => $p->{id}, type => 'user',
                        attributes => only($f->{'fields[user]'}, {
                            email => $p->{email}, is_email_verified
                                => $p->{verified} ? \1 : \0,
                            first_name => $p->{given},
                            last_name => $p->{family},
                            full_name => $p->{name},
                            image_url => $p->{picture} }),
                    },
                    links => { self => 'https://www.patreon.com/api' },
                };
            },
        },

        expect => {
            subject => '12345689', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => 'Ann', family_name => 'Example',
        },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => '12345690', verified => 0 },
              expect => { subject => '12345690', state => 'unverified' } },
            { what => 'an array of errors', refuse => 'provider',
              userinfo => [ 401, { errors => [
                  { code => 1, title => 'Unauthorized' } ] } ] },
        ],
    });
}


sub wordpress {
    return (wordpress => {
        client => { id => '98765' },
        person => { id => 78972699 },

        authz => {
            at    => 'public-api.wordpress.com/oauth2/authorize',
            scope => 'auth',
            pkce  => 'never',
        },
        token => {
            at   => 'public-api.wordpress.com/oauth2/token',
            auth => ['post'],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'bearer', blog_id => '0',
                         blog_url => undef, scope => 'auth' };
            },
        },
        userinfo => {
            at     => 'public-api.wordpress.com/rest/v1.1/me',
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    ID => number($p->{id}), display_name => $p->{name},
                    username => $p->{nick}, email => $p->{email},
                    $p->{no_flag} ? ()
                        : (email_verified => $p->{verified} ? \1 : \0),
                    language => 'en', avatar_URL => $p->{picture},
                    verified => \1,     # that is not about the address
                };
            },
        },

        expect => {
            subject => '78972699', email => 'ann@example.com',
            state => 'verified', name => 'Ann Example',
            given_name => undef, family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'an address that was not verified',
              person => { id => 78972700, verified => 0 },
              expect => { subject => '78972700', state => 'unverified' } },
            { what   => 'an address without a flag',
              person => { id => 78972701, no_flag => 1 },
              expect => { subject => '78972701', state => 'unverified' } },
        ],
    });
}


# each instance is a provider of its own

sub mastodon {
    return (mastodon => {
        conf   => { host => 'mastodon.example' },
        person => { id => '14715' },

        authz => {
            at        => 'mastodon.example/oauth/authorize',
            scope     => '',
            scope_too => 'read:accounts profile',
            need      => { scope => qr/^(?:read:accounts|profile)$/ },
            pkce      => 'optional',    # of current servers
        },
        token => {
            at   => 'mastodon.example/oauth/token',
            auth => [ 'post', 'basic' ],
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         token_type => 'Bearer', scope => 'read:accounts',
                         created_at => time };
            },
        },
        userinfo => {
            at     => 'mastodon.example/api/v1/accounts/verify_credentials',
            error  => sub { return [ $_[0], { error => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    id => $p->{id}, username => $p->{nick},
                    acct => $p->{nick}, display_name => $p->{name},
                    avatar_static => $p->{picture}, fields => [],
                    source => { language => 'en' },
                };
            },
        },

        expect => {
            subject => mastodon_subjects('14715'),
            %no_email, name => 'Ann Example', given_name => undef,
            family_name => undef,
        },
        scenes => [
            $denied,
            { what   => 'somebody without a name',
              person => { id => '14716', name => '' },
              expect => { subject => mastodon_subjects('14716'),
                          name => 'annexample' } },
        ],
    });
}


# with its host, or without: a block is of one instance for ever

sub mastodon_subjects {
    my ($id) = @_;

    return [ $id, qr/^(?:https:\/\/)?mastodon\.example\W\Q$id\E$/ ];
}


1;
