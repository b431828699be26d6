
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/* the code becomes an identity: see ngx_http_social_callback.c */


static ngx_int_t ngx_http_social_exchange_tokens(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_keys(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_verify(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_refresh(
    ngx_http_social_flow_t *flow, const char *reason);
static ngx_int_t ngx_http_social_exchange_claims(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws);
static ngx_int_t ngx_http_social_exchange_userinfo(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_exchange_profile(
    ngx_http_social_flow_t *flow);


ngx_int_t
ngx_http_social_exchange(ngx_http_social_flow_t *flow)
{
    ngx_str_t          authorization;
    ngx_shop_fetch_t  *fetch;

    static ngx_str_t   form = ngx_string("application/x-www-form-urlencoded");

    fetch = ngx_http_social_flow_fetch(flow, &flow->metadata->metadata.token,
                                       NGX_SHOP_TOKEN_MAX);
    if (fetch == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&fetch->method, "POST");

    if (ngx_shop_token_request(fetch->pool, &flow->provider->conf,
                               &flow->metadata->metadata, &flow->resp.code,
                               &flow->attempt.verifier, &flow->redirect_uri,
                               &fetch->body, &authorization)
        != NGX_OK
        || ngx_shop_fetch_header(fetch, "Content-Type", &form) != NGX_OK
        || (authorization.len
            && ngx_shop_fetch_header(fetch, "Authorization", &authorization)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    flow->step = ngx_http_social_exchange_tokens;

    return ngx_http_social_flow_send(flow, fetch);
}


static ngx_int_t
ngx_http_social_exchange_tokens(ngx_http_social_flow_t *flow)
{
    const char  *reason;

    if (ngx_http_social_flow_response(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_token_parse(flow->request->pool, flow->fetch->status,
                             &flow->fetch->response, &flow->token, &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow,
                                   ngx_strcmp(reason, "code_refused") == 0
                                   ? NGX_HTTP_BAD_REQUEST
                                   : NGX_HTTP_BAD_GATEWAY, reason);
    }

    flow->step = ngx_http_social_exchange_keys;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_exchange_keys(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    flow->step = ngx_http_social_exchange_verify;

    if (flow->provider->conf.algs == NGX_SHOP_JWS_HS256) {
        return NGX_OK;
    }

    if (flow->keys != NULL) {
        ngx_http_social_release(flow->keys);
        flow->keys = NULL;
    }

    rc = ngx_http_social_keys(flow->provider, &flow->metadata->metadata.jwks,
                              &flow->waiter, &flow->keys);

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


static ngx_int_t
ngx_http_social_exchange_verify(ngx_http_social_flow_t *flow)
{
    ngx_int_t             rc;
    ngx_uint_t            algs;
    ngx_shop_jws_t        jws;
    ngx_shop_provider_t  *provider;

    provider = &flow->provider->conf;

    algs = provider->algs ? provider->algs : flow->metadata->metadata.algs;

    rc = ngx_shop_jws_verify(flow->request->pool, &flow->token.id_token, algs,
                             flow->keys ? flow->keys->jwks : NULL,
                             (algs & NGX_SHOP_JWS_HS256)
                             ? &provider->client_secret : NULL,
                             &jws, flow->request->connection->log);

    if (rc == NGX_OK) {
        return ngx_http_social_exchange_claims(flow, &jws);
    }

    if (rc == NGX_DECLINED && flow->keys != NULL && !flow->refreshed) {
        return ngx_http_social_exchange_refresh(flow, jws.reason);
    }

    return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                       jws.reason);
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
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           reason);
    }

    return ngx_http_social_flow_refuse(flow, flow->waiter.status,
                                       flow->waiter.reason);
}


static ngx_int_t
ngx_http_social_exchange_claims(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws)
{
    const char            *reason;
    ngx_shop_json_t       *claims;
    ngx_http_request_t    *r;
    ngx_shop_provider_t   *provider;
    ngx_shop_jwt_rules_t   rules;

    r = flow->request;
    provider = &flow->provider->conf;

    claims = ngx_shop_json_parse(r->pool, &jws->payload,
                                 NGX_SHOP_JWS_TOKEN_MAX);
    if (claims == NULL) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           "claims_malformed");
    }

    ngx_memzero(&rules, sizeof(ngx_shop_jwt_rules_t));

    rules.now = ngx_time();
    rules.leeway = NGX_SHOP_OIDC_LEEWAY;
    rules.issuer = provider->issuer;
    rules.audience = provider->client_id;
    rules.typ = jws->typ;
    rules.alg = jws->alg;

    if (provider->nonce != NGX_SHOP_NONCE_OFF) {
        rules.nonce = &flow->attempt.nonce;
        rules.nonce_optional = (provider->nonce == NGX_SHOP_NONCE_IF_PRESENT);
    }

    if (flow->token.access_token.len) {
        rules.access_token = &flow->token.access_token;
    }

    if (ngx_shop_jwt_check(r->pool, claims, &rules, &reason,
                           r->connection->log)
        != NGX_OK
        || ngx_shop_identity_claims(r->pool, provider, claims,
                                    &flow->identity, &reason)
           != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           reason);
    }

    flow->step = ngx_http_social_signin;

    if (flow->metadata->metadata.userinfo.host.len
        && flow->token.access_token.len
        && ngx_shop_identity_incomplete(&flow->identity))
    {
        flow->step = ngx_http_social_exchange_userinfo;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_exchange_userinfo(ngx_http_social_flow_t *flow)
{
    ngx_str_t          authorization;
    ngx_shop_fetch_t  *fetch;

    fetch = ngx_http_social_flow_fetch(flow,
                                       &flow->metadata->metadata.userinfo,
                                       NGX_SHOP_USERINFO_MAX);
    if (fetch == NULL) {
        return NGX_ERROR;
    }

    authorization.data = ngx_pnalloc(fetch->pool,
                                     sizeof("Bearer ") - 1
                                     + flow->token.access_token.len);
    if (authorization.data == NULL) {
        return NGX_ERROR;
    }

    authorization.len = ngx_sprintf(authorization.data, "Bearer %V",
                                    &flow->token.access_token)
                        - authorization.data;

    if (ngx_shop_fetch_header(fetch, "Authorization", &authorization)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           "token_malformed");
    }

    flow->step = ngx_http_social_exchange_profile;

    return ngx_http_social_flow_send(flow, fetch);
}


static ngx_int_t
ngx_http_social_exchange_profile(ngx_http_social_flow_t *flow)
{
    const char  *reason;

    if (ngx_http_social_flow_response(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_identity_userinfo(flow->request->pool, &flow->provider->conf,
                                   flow->fetch->status,
                                   &flow->fetch->response, &flow->identity,
                                   &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           reason);
    }

    flow->step = ngx_http_social_signin;

    return NGX_OK;
}
