// Copyright (C) The ngx_shop authors

// A provider made of the package oidc-provider, as its authors mean it to be
// used: nothing here knows about the shop but the list of clients.

import { generateKeyPairSync } from 'node:crypto';

import Provider from 'oidc-provider';

const { port, clients } = JSON.parse(process.argv[2]);


function key(kid, type, options) {
    const { privateKey } = generateKeyPairSync(type, options);

    return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig' };
}


const provider = new Provider(`http://localhost:${port}`, {
    clients: clients.map(client => ({
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [ client.redirect ],
        post_logout_redirect_uris: client.home ? [ client.home ] : [],
        response_types: [ 'code' ],
        grant_types: [ 'authorization_code' ],
        token_endpoint_auth_method: client.auth,
        id_token_signed_response_alg: client.alg ?? 'RS256',
    })),

    jwks: {
        keys: [
            key('rsa', 'rsa', { modulusLength: 2048 }),
            key('ec', 'ec', { namedCurve: 'P-256' }),
            key('ed', 'ed25519'),
        ],
    },

    enabledJWA: {
        idTokenSigningAlgValues: [
            'RS256', 'PS256', 'ES256', 'EdDSA', 'HS256',
        ],
    },

    cookies: { keys: [ 'only for tests' ] },
    pkce: { required: () => true },

    claims: {
        openid: [ 'sub' ],
        email: [ 'email', 'email_verified' ],
        profile: [ 'name', 'given_name', 'family_name', 'locale' ],
    },

    findAccount: (ctx, id) => ({
        accountId: id,
        claims: () => ({
            sub: id,
            email: `${id}@example.com`,
            email_verified: true,
            name: `${id} Example`,
            given_name: id,
            family_name: 'Example',
            locale: 'en',
        }),
    }),
});


// what it was asked, and what it did not like

provider.use(async (ctx, next) => {
    await next();
    console.log(`asked ${ctx.method} ${ctx.path} ${ctx.status}`);
});

for (const event of [ 'authorization.error', 'grant.error',
                      'end_session.error',
                      'userinfo.error', 'jwks.error', 'discovery.error',
                      'server_error' ])
{
    provider.on(event, (ctx, error) => console.log(
        `refused ${event}: ${error.error}, ${error.error_description}`,
        error.error_detail ?? ''));
}

// Every token is signed with exp, iat, sub and nothing of the profile, unless
// userinfo cannot be asked: such is the default (OpenID Connect Core 5.4).

provider.listen(port, '127.0.0.1', () => console.log('listening'));
