package ShopTest::Dialect::China;

# Copyright (C) The ngx_shop authors

# China.  What each word means is described in ShopTest::Dialect.

use strict;
use warnings;
use utf8;

use MIME::Base64 ();

use ShopTest::Dialect qw(number);

my %no_more = (email => undef, state => undef, given_name => undef,
               family_name => undef);


sub dialects {
    return (
        wechat('wechat', 'qrconnect', 'snsapi_login'),
        wechat('wechat_mp', 'oauth2/authorize', 'snsapi_userinfo'),
        tencent_qq(), weibo(), alipay(),
    );
}


# on a website, and within its browser, where the order of the parameters
# counts

sub wechat {
    my ($name, $path, $scope) = @_;

    my $error = sub { return [ 200, { errcode => 40029,
                                      errmsg => $_[2] } ] };

    return ($name => {
        client => { id => "wx$name",
                    secret => '7d8c6b5a4f3e2d1c0b9a8f7e6d5c4b3a' },
        person => { id => "o6_bm$name", union => "oR5G$name",
                    name => '小花' },

        authz => {
            at       => "open.weixin.qq.com/connect/$path",
            id       => 'appid',
            scope    => $scope,
            sep      => ',',
            pkce     => 'never',
            need     => { client_id => undef },
            state    => qr/^[\x21-\x7e]{22,128}$/,
            fragment => '#wechat_redirect',
            check    => sub {
                my ($mock, $f, $request) = @_;
                my @names = map { /^([^=]*)/ } split /&/, $request->{args};

                return $name eq 'wechat_mp' && "@names" ne "@{[ sort @names ]}"
                       ? 'the order of the parameters' : ();
            },
        },

        # by GET, and JSON as text

        token => {
            at       => 'api.weixin.qq.com/sns/oauth2/access_token',
            method   => 'GET',
            auth     => ['query'],
            id       => 'appid',
            secret   => 'secret',
            redirect => 0,
            tells    => 1,
            format   => 'text',
            error    => $error,
            answer   => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { access_token => $grant->{access_token},
                         expires_in => 7200, refresh_token => 'r',
                         openid => $p->{id}, scope => $scope,
                         defined $p->{union} ? (unionid => $p->{union})
                                             : () };
            },
        },
        userinfo => {
            at     => 'api.weixin.qq.com/sns/userinfo',
            auth   => ['query:access_token'],
            format => 'text',
            error  => $error,
            check  => sub {
                my ($mock, $grant, $f) = @_;

                return ($f->{openid} || '') eq $grant->{person}{id}
                       ? () : 'openid';
            },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    openid => $p->{id}, nickname => $p->{name}, sex => 0,
                    language => 'zh_CN', city => '', province => '',
                    country => '', headimgurl => $p->{picture},
                    privilege => [],
                    defined $p->{union} ? (unionid => $p->{union}) : (),
                };
            },
        },

        expect => {
            subject => "oR5G$name", %no_more, name => '小花',
            locale => 'zh_CN',
        },
        scenes => [

            # who changes the subject once an app is bound loses customers

            { what   => 'an app that is bound to nothing',
              refuse => 'provider',
              person => { id => "o6_alone$name", union => undef },
              expect => { subject => "o6_alone$name" } },

            # as it is said to look

            { what => 'the customer says no',
              refuse => 'denied|client|provider',
              callback => { code => undef } },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => [ 200, { errcode => 40003,
                                   errmsg => 'invalid openid' } ] },
        ],
    });
}


# three requests

sub tencent_qq {
    return (qq => {
        client => { id => '101480521' },
        person => { id => '0A1B2C3D4E5F60718293A4B5C6D7E8F9',
                    union => 'UID_0A1B2C3D', name => '小企鹅' },

        authz => {
            at    => 'graph.qq.com/oauth2.0/authorize',
            scope => 'get_user_info',
            sep   => ',',
            pkce  => 'never',
        },
        token => {
            at     => 'graph.qq.com/oauth2.0/token',
            method => 'GET',
            auth   => ['query'],
            format => sub {
                my ($f) = @_;

                return ($f->{fmt} || '') eq 'json' ? 'json' : 'form';
            },
            error  => sub { return [ 200, {
                error => 100020, error_description => $_[2] } ] },
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         expires_in => '7776000', refresh_token => 'r' };
            },
        },
        userinfo => {
            at     => 'graph.qq.com/oauth2.0/me',
            auth   => ['query:access_token'],
            error  => sub { return [ 200, {
                error => 100016, error_description => $_[2] } ] },
            answer => sub {
                my ($mock, $grant, $f) = @_;
                my $p = $grant->{person};

                my $document = {
                    client_id => $mock->client_id('qq'),
                    openid => $p->{id},
                    $f->{unionid} && defined $p->{union}
                        ? (unionid => $p->{union}) : (),
                };

                return ($f->{fmt} || '') eq 'json' ? $document
                    : 'callback( '
                      . ShopTest::Provider::encode($document) . " );\n";
            },
        },
        userinfo2 => {
            at    => 'graph.qq.com/user/get_user_info',
            auth  => ['query:access_token'],
            error => sub { return [ 200, { ret => -1, msg => $_[2] } ] },
            check => sub {
                my ($mock, $grant, $f) = @_;
                my %want = (openid => $grant->{person}{id},
                            oauth_consumer_key => $mock->client_id('qq'));

                return grep { ($f->{$_} || '') ne $want{$_} } sort keys %want;
            },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { ret => 0, msg => '', is_lost => 0,
                         nickname => $p->{name}, gender => '女',
                         figureurl_qq_1 => $p->{picture} };
            },
        },

        # the one comes and goes with a right of the app, so that some keep to
        # the other

        expect => {
            subject => [ 'UID_0A1B2C3D', '0A1B2C3D4E5F60718293A4B5C6D7E8F9' ],
            %no_more, name => '小企鹅',
        },
        scenes => [
            { what   => 'an app without the right to it',
              person => { id => 'F9E8D7C6', union => undef },
              expect => { subject => 'F9E8D7C6' } },
            { what => 'the customer says no', refuse => 'denied',
              callback => { code => undef, error => 'access_denied' } },
            { what => 'a number as an error', refuse => 'provider',
              userinfo => [ 200, { error => 100016,
                                   error_description => 'no' } ] },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo2 => [ 200, { ret => 1002, msg => 'no' } ] },
        ],
    });
}


sub weibo {
    my $error = sub {
        return [ $_[0], { error => $_[1], error_code => 21325,
                          request => '/', error_description => $_[2] } ];
    };

    return (weibo => {
        client => { id => '1404376' },
        person => { id => '1404376560', name => '小围脖' },

        authz => {
            at        => 'api.weibo.com/oauth2/authorize',
            scope     => '',
            scope_too => 'email',
            sep       => ',',
            pkce      => 'never',
        },
        token => {
            at     => 'api.weibo.com/oauth2/access_token',
            auth   => ['post'],         # in the URL, too; that is in logs
            tells  => 1,
            format => 'text',
            error  => $error,
            answer => sub {
                my ($mock, $grant) = @_;

                return { access_token => $grant->{access_token},
                         remind_in => '157679999', expires_in => 157679999,
                         uid => $grant->{person}{id}, isRealName => 'true' };
            },
        },
        userinfo => {
            at    => 'api.weibo.com/2/users/show.json',
            auth  => ['query:access_token'],
            error => $error,
            check => sub {
                my ($mock, $grant, $f) = @_;

                return ($f->{uid} || '') eq $grant->{person}{id}
                       ? () : 'uid';
            },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return { id => number($p->{id}), idstr => $p->{id},
                         screen_name => $p->{name}, name => $p->{name},
                         avatar_large => $p->{picture}, lang => 'zh-cn',
                         verified => \0 };
            },
        },

        expect => { subject => '1404376560', %no_more, name => '小围脖' },
        scenes => [
            { what => 'the customer says no', refuse => 'denied',
              callback => { code => undef, error => 'access_denied',
                            error_code => 21330, error_uri
                                => '/oauth2/authorize' } },
            { what => 'an error instead of a user', refuse => 'provider',
              userinfo => [ 403, { error => 'expired_token',
                                   error_code => 21327 } ] },
        ],
    });
}


# every request is signed, and so is every answer

sub alipay {
    my $at = 'openapi.alipay.com/gateway.do';

    my ($token, $share) = map { "alipay_${_}_response" }
                          qw(system_oauth_token user_info_share);

    # what is done to either answer

    my %bad = (
        'is not signed' => { sign => undef },
        'has an empty signature' => { sign => '' },
        'has a signature of no base64' => { sign => '***' },
        'has a signature of another text' => { sign => 'of another text' },
        'is signed by the client' => { sign => 'by the client' },
        'has two responses' => { alipay_another_response => { code => 1 } },
    );

    my @bad = map {
        my $which = $_;

        map { { what => "the $which answer $_", refuse => 'provider',
                $which => $bad{$_} } } sort keys %bad;
    } qw(token userinfo);

    return (alipay => {
        client => { id => '2014072300007148', key => 'rsa-alipay',
                    theirs => 'rsa-gateway' },
        person => { id => '2088102104794936', name => '支付宝小助手' },

        authz => {
            at      => 'openauth.alipay.com/oauth2/publicAppAuthorize.htm',
            id      => 'app_id',
            scope   => 'auth_user',
            sep     => ',',
            code    => 'auth_code',
            no_type => 1,
            pkce    => 'never',
            back    => sub {
                my ($mock) = @_;

                return { app_id => $mock->client_id('alipay'),
                         scope => 'auth_user', source => 'alipay_wallet' };
            },
        },
        token => {
            at       => $at,
            when     => { method => 'alipay.system.oauth.token' },
            method   => 'GET POST',
            auth     => ['sign'],
            id       => 'app_id',
            redirect => 0,
            need     => { redirect_uri => undef, auth_code => undef },
            error    => \&alipay_error,
            written  => \&alipay_written,
            signed   => sub {
                my ($mock, $d, $f) = @_;
                my $wrong = alipay_wrong($mock, $f);

                return length $wrong ? $wrong : undef;
            },
            answer => sub {
                my ($mock, $grant) = @_;

                return {
                    $token => {
                        access_token => $grant->{access_token},
                        user_id => $grant->{person}{id},
                        expires_in => '3600', re_expires_in => '3600',
                        refresh_token => 'r' },
                    sign => 'right',
                };
            },
        },
        userinfo => {
            at     => $at,
            when   => { method => 'alipay.user.info.share' },
            method => 'GET POST',
            auth   => [ 'query:auth_token', 'body:auth_token' ],
            error  => \&alipay_error,
            written => \&alipay_written,
            check  => sub { return alipay_wrong($_[0], $_[2]) },
            answer => sub {
                my ($mock, $grant) = @_;
                my $p = $grant->{person};

                return {
                    $share => {
                        code => '10000', msg => 'Success',
                        user_id => $p->{id}, nick_name => $p->{name},
                        avatar => $p->{picture}, province => '浙江省' },
                    sign => 'right',
                };
            },
        },

        expect => {
            subject => '2088102104794936', %no_more,
            name => '支付宝小助手',
            picture => 'https://pictures.example/ann.png',
        },
        scenes => [
            { what => 'the customer says no',
              refuse => 'denied|client|provider',
              callback => { auth_code => undef, error => 'access_denied' } },
            { what => 'a code other than 10000', refuse => 'provider',
              userinfo => { $share => {
                  code => '20000', msg => 'Service Currently Unavailable',
                  sub_code => 'isp.unknow-error' } } },
            { what => 'an error with status 200', refuse => 'provider',
              userinfo => [ 200, { error_response => {
                  code => '40002', msg => 'Invalid Arguments' },
                  sign => 'right' } ] },
            { what => 'an error that is not signed', refuse => 'provider',
              userinfo => [ 200, { error_response => {
                  code => '40001', msg => 'Missing Required Arguments' } } ] },
            { what => 'the answer to another method', refuse => 'provider',
              userinfo => [ 200, {
                  $token => { user_id => '2088102104794999' },
                  sign => 'right' } ] },
            { what => 'no code, as it once was',
              userinfo => { $share => { user_id => '2088102104794937' } },
              expect => { subject => '2088102104794937', name => undef,
                          picture => undef } },
            { what => 'an application that knows customers by open_id',
              userinfo => { $share => { code => '10000', open_id =>
                  '074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5' } },
              expect => { subject =>
                  '074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5',
                          name => undef, picture => undef } },
            { what => 'quotes, braces and what looks like the end',
              userinfo => { $share => { code => '10000',
                  user_id => '2088102104794938',
                  nick_name => '"},"sign":"\\"}{' } },
              expect => { subject => '2088102104794938',
                          name => '"},"sign":"\\"}{', picture => undef } },
            @bad,
        ],
    });
}


sub alipay_error {
    my ($status, $error, $text) = @_;

    return [ 200, {
        error_response => { code => '40002', msg => 'Invalid Arguments',
                            sub_code => 'isv.code-invalid',
                            sub_msg => $text },
        sign => 'right',
    } ];
}


# The signature is over the bytes of the response; those of a user's are then
# written in another way, as some of the servers do.  "sign" says what it is.

sub alipay_written {
    my ($mock, $document) = @_;
    my ($sign, @members) = $document->{sign};

    for my $name (grep { /_response$/ } reverse sort keys %$document) {
        my $text = ShopTest::Provider::encode($document->{$name});

        $sign = MIME::Base64::encode_base64($mock->key(
            $sign eq 'by the client' ? 'rsa-alipay' : 'rsa-gateway'
        )->sign_message($sign eq 'of another text' ? "$text " : $text,
                        'SHA256', 'v1.5'), '')
            if defined $sign && $sign =~ /^(?:right|of another|by the)/;

        $text =~ s{/}{\\/}g if $name =~ /_share_/;
        push @members, qq("$name":$text);
    }

    push @members, qq("sign":"$sign") if defined $sign;

    return '{' . join(',', @members) . '}';
}


# what is wrong with the common parameters and their signature

sub alipay_wrong {
    my ($mock, $f) = @_;

    my @wrong = $mock->wrong_fields({
        app_id => $mock->client_id('alipay'), charset => qr/^utf-8$/i,
        format => 'JSON', sign_type => 'RSA2', version => '1.0',
        timestamp => qr/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/,
        sign => qr{^[A-Za-z0-9+/]+=*$},
    }, $f);

    my $text = join '&', map { "$_=$f->{$_}" }
               grep { $_ ne 'sign' && length $f->{$_} } sort keys %$f;

    push @wrong, 'signature'
        unless @wrong || eval {
            $mock->key('rsa-alipay')->verify_message(
                MIME::Base64::decode_base64($f->{sign}), $text, 'SHA256',
                'v1.5')
        };

    return join ', ', @wrong;
}


1;
