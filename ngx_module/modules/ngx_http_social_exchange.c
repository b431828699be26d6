
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/* the code becomes an identity: see ngx_http_social_callback.c */


/* ms, for what comes after the keys */
#define NGX_HTTP_SOCIAL_EXCHANGE_REST  2000


static void ngx_http_social_exchange_docs(ngx_http_social_flow_t *flow);
static void ngx_http_social_exchange_offered(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_tokens(ngx_http_social_flow_t *flow);
static ngx_uint_t ngx_http_social_exchange_algs(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_verify(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_refresh(
    ngx_http_social_flow_t *flow, const char *reason);
static ngx_int_t ngx_http_social_exchange_claims(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws);
static ngx_int_t ngx_http_social_exchange_hashed_nonce(
    ngx_http_social_flow_t *flow, ngx_shop_json_t *claims, ngx_str_t *nonce);
static ngx_uint_t ngx_http_social_exchange_may_lack(
    ngx_shop_provider_t *provider, ngx_shop_json_t *claims);
static ngx_int_t ngx_http_social_exchange_owner(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_userinfo(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_profile(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_ask(ngx_http_social_flow_t *flow,
    ngx_shop_fetch_t *fetch, ngx_shop_ask_t *ask);
static ngx_int_t ngx_http_social_exchange_pending(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_refuse(ngx_http_social_flow_t *flow,
    const char *reason);


ngx_int_t
ngx_http_social_exchange(ngx_http_social_flow_t *flow)
{
    ngx_shop_ask_t        ask;
    ngx_shop_fetch_t     *fetch;
    ngx_shop_metadata_t  *metadata;

    metadata = &flow->metadata->metadata;

    ngx_http_social_exchange_docs(flow);

    fetch = ngx_http_social_flow_fetch(flow, &metadata->token,
                                       NGX_SHOP_TOKEN_MAX);

    if (fetch == NULL
        || ngx_shop_ask_token(fetch->pool, &flow->provider->conf, metadata,
                              &flow->docs, &flow->resp.code,
                              &flow->attempt.verifier, &flow->redirect_uri,
                              &ask)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->step = ngx_http_social_exchange_tokens;

    return ngx_http_social_exchange_ask(flow, fetch, &ask);
}


static void
ngx_http_social_exchange_docs(ngx_http_social_flow_t *flow)
{
    ngx_shop_docs_t  *docs;

    docs = &flow->docs;

    docs->callback = ngx_http_shop_get_ctx(flow->request)->callback;
    docs->client_id = flow->provider->conf.client_id;
    docs->client_secret = flow->provider->conf.client_secret;
    docs->state = flow->attempt.state;

    ngx_http_social_exchange_offered(flow);

    docs->pending = docs->offered;
}


static void
ngx_http_social_exchange_offered(ngx_http_social_flow_t *flow)
{
    ngx_shop_metadata_t  *metadata;

    metadata = &flow->metadata->metadata;

    flow->docs.offered = 0;

    if (metadata->userinfo.host.len) {
        flow->docs.offered |= NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI);
    }

    if (metadata->userinfo2.host.len) {
        flow->docs.offered |= NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI2);
    }
}


static ngx_int_t
ngx_http_social_exchange_tokens(ngx_http_social_flow_t *flow)
{
    const char           *reason;
    ngx_shop_provider_t  *provider;

    if (ngx_http_social_flow_response(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    provider = &flow->provider->conf;

    if (ngx_shop_token_parse(flow->request->pool, provider,
                             flow->fetch->status, &flow->fetch->response,
                             &flow->token, &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow,
                                   ngx_strcmp(reason, "code_refused") == 0
                                   ? NGX_HTTP_BAD_REQUEST
                                   : NGX_HTTP_BAD_GATEWAY, reason);
    }

    flow->docs.json[NGX_SHOP_DOC_TK] = flow->token.json;

    flow->step = provider->oauth2 ? ngx_http_social_exchange_identity
                                  : ngx_http_social_exchange_keys;

    return NGX_OK;
}


ngx_int_t
ngx_http_social_exchange_keys(ngx_http_social_flow_t *flow)
{
    ngx_int_t                rc;
    ngx_uint_t               same;
    ngx_http_social_copy_t  *seen;

    flow->step = ngx_http_social_exchange_verify;

    if (ngx_http_social_exchange_algs(flow) == NGX_SHOP_JWS_HS256) {
        return NGX_OK;
    }

    seen = flow->keys;
    flow->keys = NULL;

    flow->waiter.until = flow->timer.timer.key
                         - NGX_HTTP_SOCIAL_EXCHANGE_REST;

    rc = ngx_http_social_keys(flow->provider, &flow->metadata->metadata.jwks,
                              &flow->waiter, &flow->keys);

    same = (seen != NULL && seen == flow->keys);

    if (seen != NULL) {
        ngx_http_social_release(seen);
    }

    /* another worker could not have them */

    if (same && flow->claims != NULL) {
        return ngx_http_social_exchange_pending(flow);
    }

    if (rc == NGX_AGAIN) {
        flow->step = ngx_http_social_exchange_keys;
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return ngx_http_social_flow_refuse(flow, flow->waiter.status,
                                           flow->waiter.reason);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_social_exchange_algs(ngx_http_social_flow_t *flow)
{
    ngx_shop_provider_t  *provider;

    provider = &flow->provider->conf;

    /* what the provider itself sends is not signed for apps */

    if (flow->presented && flow->claims == NULL && provider->native_algs) {
        return provider->native_algs;
    }

    return provider->algs ? provider->algs : flow->metadata->metadata.algs;
}


static ngx_int_t
ngx_http_social_exchange_verify(ngx_http_social_flow_t *flow)
{
    ngx_int_t             rc;
    ngx_uint_t            algs;
    ngx_shop_jws_t        jws;
    ngx_shop_provider_t  *provider;

    provider = &flow->provider->conf;

    algs = ngx_http_social_exchange_algs(flow);

    rc = ngx_shop_jws_verify(flow->request->pool, &flow->token.id_token, algs,
                             flow->keys ? flow->keys->jwks : NULL,
                             (algs & NGX_SHOP_JWS_HS256)
                             ? &provider->client_secret : NULL,
                             &jws, flow->request->connection->log);

    if (rc == NGX_OK) {
        return flow->claims ? flow->claims(flow, &jws)
                            : ngx_http_social_exchange_claims(flow, &jws);
    }

    if (rc == NGX_DECLINED && flow->keys != NULL && !flow->refreshed) {
        return ngx_http_social_exchange_refresh(flow, jws.reason);
    }

    return ngx_http_social_exchange_refuse(flow, jws.reason);
}


/* a key that is not known may be new; asking again is limited, see there */

static ngx_int_t
ngx_http_social_exchange_refresh(ngx_http_social_flow_t *flow,
    const char *reason)
{
    ngx_int_t  rc;

    flow->refreshed = 1;
    flow->step = ngx_http_social_exchange_keys;

    rc = ngx_http_social_keys_refresh(flow->provider,
                                      &flow->metadata->metadata.jwks,
                                      flow->keys, &flow->waiter);

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        return rc;
    }

    if (rc == NGX_DECLINED) {
        return flow->claims ? ngx_http_social_exchange_pending(flow)
                            : ngx_http_social_exchange_refuse(flow, reason);
    }

    return ngx_http_social_flow_refuse(flow, flow->waiter.status,
                                       flow->waiter.reason);
}


/*
 * The key of a notice may be one that the provider has by now: a refusal would
 * be for good, and sessions would live on that it wants ended.
 */

static ngx_int_t
ngx_http_social_exchange_pending(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       "keys_pending");
}


static ngx_int_t
ngx_http_social_exchange_claims(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws)
{
    int64_t                issued;
    ngx_str_t              nonce;
    const char            *reason;
    ngx_shop_json_t       *claims;
    ngx_http_request_t    *r;
    ngx_shop_provider_t   *provider;
    ngx_shop_jwt_rules_t   rules;

    r = flow->request;
    provider = &flow->provider->conf;

    claims = ngx_shop_json_parse_mended(r->pool, &jws->payload,
                                        NGX_SHOP_JWS_TOKEN_MAX);
    if (claims == NULL) {
        return ngx_http_social_exchange_refuse(flow, "claims_malformed");
    }

    ngx_memzero(&rules, sizeof(ngx_shop_jwt_rules_t));

    rules.now = ngx_time();
    rules.leeway = NGX_SHOP_OIDC_LEEWAY;
    rules.audience = provider->client_id;
    rules.typ = jws->typ;
    rules.alg = jws->alg;

    ngx_shop_provider_issuer(provider, claims, &rules.issuer);

    if (!ngx_shop_provider_may_sign(provider, &jws->issuer, &rules.issuer)) {
        return ngx_http_social_exchange_refuse(flow, "iss_mismatch");
    }

    if (flow->presented) {
        rules.audiences = provider->aud_extra;
        rules.age = NGX_HTTP_SOCIAL_ATTEMPT_TIME;
    }

    if (flow->native ? flow->attempt.nonce.len != 0
                     : provider->nonce != NGX_SHOP_NONCE_OFF)
    {
        nonce = flow->attempt.nonce;

        if (provider->nonce == NGX_SHOP_NONCE_OR_SHA256
            && ngx_http_social_exchange_hashed_nonce(flow, claims, &nonce)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        rules.nonce = &nonce;
        rules.nonce_optional = !flow->native
                    && ngx_http_social_exchange_may_lack(provider, claims);
    }

    if (flow->token.access_token.len) {
        rules.access_token = &flow->token.access_token;
    }

    if (ngx_shop_jwt_check(r->pool, claims, &rules, &reason,
                           r->connection->log)
        != NGX_OK)
    {
        return ngx_http_social_exchange_refuse(flow, reason);
    }

    if (flow->presented) {

        if (ngx_shop_json_time(ngx_shop_json_get(claims, "iat"), &issued)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        flow->issued = (time_t) issued;
    }

    /* with a token that an app has brought, none can be asked for */

    ngx_http_social_exchange_offered(flow);

    flow->docs.json[NGX_SHOP_DOC_ID] = claims;
    flow->step = flow->presented ? ngx_http_social_native_spend
                                 : ngx_http_social_exchange_identity;

    return NGX_OK;
}


/* the nonce itself stays where the token does not hold its digest */

static ngx_int_t
ngx_http_social_exchange_hashed_nonce(ngx_http_social_flow_t *flow,
    ngx_shop_json_t *claims, ngx_str_t *nonce)
{
    u_char               digest[NGX_SHOP_SHA256_LEN];
    ngx_str_t            hashed, told;
    ngx_http_request_t  *r;

    r = flow->request;

    if (ngx_shop_sha256(nonce, digest, r->connection->log) != NGX_OK
        || ngx_shop_hex(r->pool, digest, NGX_SHOP_SHA256_LEN, &hashed)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "nonce"), &told)
        == NGX_OK
        && ngx_shop_equal(&told, &hashed))
    {
        *nonce = hashed;
    }

    return NGX_OK;
}


/* Apple says in the token that a device, an old one, has no nonce in it */

static ngx_uint_t
ngx_http_social_exchange_may_lack(ngx_shop_provider_t *provider,
    ngx_shop_json_t *claims)
{
    ngx_uint_t  supported;

    return provider->nonce == NGX_SHOP_NONCE_IF_PRESENT
           || (provider->nonce == NGX_SHOP_NONCE_OR_SHA256
               && ngx_shop_json_boolean(ngx_shop_json_get(claims,
                                                          "nonce_supported"),
                                        &supported)
                  == NGX_OK
               && !supported);
}


/* nothing is done with an access token before it is known to be for us */

ngx_int_t
ngx_http_social_exchange_tokeninfo(ngx_http_social_flow_t *flow)
{
    ngx_shop_ask_t        ask;
    ngx_shop_fetch_t     *fetch;
    ngx_shop_metadata_t  *metadata;

    metadata = &flow->metadata->metadata;

    ngx_http_social_exchange_docs(flow);

    fetch = ngx_http_social_flow_fetch(flow, &metadata->tokeninfo,
                                       NGX_SHOP_USERINFO_MAX);

    if (fetch == NULL
        || ngx_shop_ask_userinfo(fetch->pool, &flow->provider->conf, metadata,
                                 NGX_SHOP_TOKENINFO, &flow->docs,
                                 &flow->token.access_token, &ask)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->step = ngx_http_social_exchange_owner;

    return ngx_http_social_exchange_ask(flow, fetch, &ask);
}


static ngx_int_t
ngx_http_social_exchange_owner(ngx_http_social_flow_t *flow)
{
    const char  *reason;

    if (ngx_http_social_flow_response(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_tokeninfo(flow->request->pool, &flow->provider->conf,
                           flow->fetch->status, &flow->fetch->response,
                           ngx_time(), &flow->docs, &flow->owner, &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow,
                                   ngx_strncmp(reason, "tokeninfo_", 10) == 0
                                   ? NGX_HTTP_BAD_GATEWAY
                                   : NGX_HTTP_BAD_REQUEST, reason);
    }

    flow->step = ngx_http_social_exchange_identity;

    return NGX_OK;
}


/* asks for what is missing until nothing is; a document is asked for once */

ngx_int_t
ngx_http_social_exchange_identity(ngx_http_social_flow_t *flow)
{
    ngx_int_t    rc;
    const char  *reason;

    rc = ngx_shop_identity(flow->request->pool, &flow->provider->conf,
                           &flow->docs, &flow->identity, &reason);

    /* an access token was good: what is wrong is what it was good for */

    if (rc == NGX_ERROR && flow->owner.len) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           reason);
    }

    if (rc == NGX_ERROR) {
        return ngx_http_social_exchange_refuse(flow, reason);
    }

    if (rc == NGX_OK
        && flow->owner.len
        && !ngx_shop_equal(&flow->owner, &flow->identity.subject))
    {
        return ngx_http_social_exchange_refuse(flow, "userinfo_mismatch");
    }

    flow->step = (rc == NGX_AGAIN) ? ngx_http_social_exchange_userinfo
                                   : ngx_http_social_signin;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_exchange_userinfo(ngx_http_social_flow_t *flow)
{
    ngx_int_t             rc;
    ngx_uint_t            n;
    ngx_shop_ask_t        ask;
    ngx_shop_fetch_t     *fetch;
    ngx_shop_metadata_t  *metadata;

    metadata = &flow->metadata->metadata;
    n = (flow->docs.wanted == NGX_SHOP_DOC_UI2);

    fetch = ngx_http_social_flow_fetch(flow, n ? &metadata->userinfo2
                                               : &metadata->userinfo,
                                       NGX_SHOP_USERINFO_MAX);
    if (fetch == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_shop_ask_userinfo(fetch->pool, &flow->provider->conf, metadata,
                               n, &flow->docs, &flow->token.access_token,
                               &ask);

    /* this step again, for the first one, with which the second is asked */

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           "token_malformed");
    }

    flow->step = ngx_http_social_exchange_profile;

    return ngx_http_social_exchange_ask(flow, fetch, &ask);
}


static ngx_int_t
ngx_http_social_exchange_profile(ngx_http_social_flow_t *flow)
{
    const char  *reason;

    if (ngx_http_social_flow_response(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_identity_userinfo(flow->request->pool, &flow->provider->conf,
                                   flow->docs.wanted == NGX_SHOP_DOC_UI2,
                                   flow->fetch->status,
                                   &flow->fetch->response, &flow->docs,
                                   &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           reason);
    }

    flow->step = ngx_http_social_exchange_identity;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_exchange_ask(ngx_http_social_flow_t *flow,
    ngx_shop_fetch_t *fetch, ngx_shop_ask_t *ask)
{
    ngx_uint_t     i;
    ngx_keyval_t  *header;

    fetch->method = ask->method;
    fetch->url = ask->url;
    fetch->body = ask->body;

    header = ask->headers.elts;

    for (i = 0; i < ask->headers.nelts; i++) {
        if (ngx_shop_fetch_header(fetch, (char *) header[i].key.data,
                                  &header[i].value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_social_flow_send(flow, fetch);
}


/* whose fault it is: the provider's, unless a client brought the token, or
 * the nonce for it */

static ngx_int_t
ngx_http_social_exchange_refuse(ngx_http_social_flow_t *flow,
    const char *reason)
{
    ngx_uint_t  brought;

    brought = flow->presented
              || (flow->native && ngx_strcmp(reason, "nonce_mismatch") == 0);

    return ngx_http_social_flow_refuse(flow,
                                       brought ? NGX_HTTP_BAD_REQUEST
                                               : NGX_HTTP_BAD_GATEWAY,
                                       reason);
}
