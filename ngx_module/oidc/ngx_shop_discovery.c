
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * The document is the provider's word about itself, and all of it decides
 * what we send where: a client secret goes to "token_endpoint".  So it must
 * be of the issuer we asked for, letter by letter, and a member of a wrong
 * type is a broken document and not a missing member.
 */


#define NGX_SHOP_DISCOVERY_LIST_MAX  64


typedef struct {
    ngx_pool_t           *pool;
    ngx_shop_json_t      *json;             /* NULL: no document */
    const char           *reason;

    unsigned              loopback:1;       /* the document is from there */
} ngx_shop_discovery_t;


static ngx_int_t ngx_shop_discovery_read(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_uint_t published,
    ngx_shop_metadata_t *metadata);
static ngx_int_t ngx_shop_discovery_issuer(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider);
static ngx_int_t ngx_shop_discovery_algs(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata);
static ngx_int_t ngx_shop_discovery_client_auth(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata);
static ngx_int_t ngx_shop_discovery_endpoints(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata);
static ngx_int_t ngx_shop_discovery_endpoint(ngx_shop_discovery_t *d,
    const char *name, ngx_str_t *configured, ngx_shop_url_t *url);
static void ngx_shop_discovery_logout(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata);
static ngx_int_t ngx_shop_discovery_list(ngx_shop_discovery_t *d,
    const char *name, ngx_shop_json_t **list);
static ngx_int_t ngx_shop_discovery_list_at(ngx_shop_json_t *list, size_t i,
    ngx_str_t *value);


ngx_int_t
ngx_shop_discovery_parse(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *text, ngx_shop_metadata_t *metadata, const char **reason)
{
    ngx_int_t              rc;
    ngx_pool_t            *temp;
    ngx_shop_discovery_t   d;

    ngx_memzero(metadata, sizeof(ngx_shop_metadata_t));
    ngx_memzero(&d, sizeof(ngx_shop_discovery_t));

    /* as of keys: what is taken from the tree is copied, and it goes */

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, pool->log);
    if (temp == NULL) {
        *reason = "internal_error";
        return NGX_ERROR;
    }

    d.pool = pool;
    d.reason = "metadata_malformed";

    if (text != NULL) {
        d.json = ngx_shop_json_parse(temp, text, NGX_SHOP_METADATA_MAX);
    }

    rc = ngx_shop_discovery_read(&d, provider, text != NULL, metadata);

    if (rc != NGX_OK) {
        *reason = d.reason;
    }

    ngx_destroy_pool(temp);

    return rc;
}


static ngx_int_t
ngx_shop_discovery_read(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_uint_t published,
    ngx_shop_metadata_t *metadata)
{
    ngx_uint_t  flag;

    if (published
        && (!ngx_shop_json_is_object(d->json)
            || ngx_shop_discovery_issuer(d, provider) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if ((!provider->oauth2
         && ngx_shop_discovery_algs(d, provider, metadata) != NGX_OK)
        || ngx_shop_discovery_client_auth(d, provider, metadata) != NGX_OK
        || ngx_shop_discovery_endpoints(d, provider, metadata) != NGX_OK)
    {
        return NGX_ERROR;
    }

    flag = 0;

    if (ngx_shop_json_boolean(ngx_shop_json_get(d->json,
                         "authorization_response_iss_parameter_supported"),
                              &flag)
        == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    metadata->iss_parameter = flag ? 1 : 0;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_discovery_issuer(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider)
{
    ngx_str_t        issuer, text;
    const char      *err;
    ngx_shop_url_t   url;

    if (ngx_shop_json_string(ngx_shop_json_get(d->json, "issuer"), &issuer)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_shop_provider_is_published(provider, &issuer)) {
        d->reason = "issuer_mismatch";
        return NGX_ERROR;
    }

    if (ngx_shop_provider_discovery_url(d->pool, provider, &text) != NGX_OK) {
        d->reason = "internal_error";
        return NGX_ERROR;
    }

    d->loopback = ngx_shop_url_parse(d->pool, &text, &url, &err) == NGX_OK
                  && url.loopback;

    return NGX_OK;
}


/* HS256 is not taken from here: only a shop can say that it is meant */

static ngx_int_t
ngx_shop_discovery_algs(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata)
{
    size_t            i;
    ngx_str_t         name;
    ngx_shop_json_t  *list;

    if (provider->algs) {
        metadata->algs = provider->algs;
        return NGX_OK;
    }

    switch (ngx_shop_discovery_list(d, "id_token_signing_alg_values_supported",
                                    &list))
    {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        metadata->algs = NGX_SHOP_JWS_RS256;
        return NGX_OK;

    default:
        return NGX_ERROR;
    }

    for (i = 0; i < ngx_shop_json_size(list); i++) {

        if (ngx_shop_discovery_list_at(list, i, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        metadata->algs |= ngx_shop_jws_alg(&name);
    }

    metadata->algs &= NGX_SHOP_JWS_ASYMMETRIC;

    if (metadata->algs == 0) {
        d->reason = "alg_unsupported";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_discovery_client_auth(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata)
{
    size_t            i;
    ngx_str_t         name;
    ngx_uint_t        basic, post;
    ngx_shop_json_t  *list;

    if (provider->client_auth != NGX_SHOP_AUTH_UNSET) {
        metadata->client_auth = provider->client_auth;
        return NGX_OK;
    }

    /*
     * A public client: "none" is often not listed where it is served, since
     * it depends on the client.
     */

    if (provider->client_secret.len == 0) {
        metadata->client_auth = NGX_SHOP_AUTH_NONE;
        return NGX_OK;
    }

    switch (ngx_shop_discovery_list(d, "token_endpoint_auth_methods_supported",
                                    &list))
    {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        metadata->client_auth = NGX_SHOP_AUTH_BASIC;
        return NGX_OK;

    default:
        return NGX_ERROR;
    }

    basic = 0;
    post = 0;

    for (i = 0; i < ngx_shop_json_size(list); i++) {

        if (ngx_shop_discovery_list_at(list, i, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_shop_text_is(&name, "client_secret_basic")) {
            basic = 1;

        } else if (ngx_shop_text_is(&name, "client_secret_post")) {
            post = 1;
        }
    }

    if (basic) {
        metadata->client_auth = NGX_SHOP_AUTH_BASIC;

    } else if (post) {
        metadata->client_auth = NGX_SHOP_AUTH_POST;

    } else {
        d->reason = "client_auth_unsupported";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_discovery_endpoints(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata)
{
    ngx_str_t  name;

    if (ngx_shop_discovery_endpoint(d, "authorization_endpoint",
                                    &provider->authz, &metadata->authz)
        != NGX_OK
        || ngx_shop_authreq_endpoint(d->pool, provider, &metadata->authz,
                                     &name)
           != NGX_OK
        || ngx_shop_discovery_endpoint(d, "token_endpoint",
                                       &provider->token, &metadata->token)
           != NGX_OK
        || ngx_shop_discovery_endpoint(d, "jwks_uri",
                                       &provider->jwks, &metadata->jwks)
           != NGX_OK
        || ngx_shop_discovery_endpoint(d, "userinfo_endpoint",
                                       &provider->userinfo,
                                       &metadata->userinfo)
           != NGX_OK
        || (provider->userinfo2.len
            && ngx_shop_discovery_endpoint(d, "", &provider->userinfo2,
                                           &metadata->userinfo2)
               != NGX_OK)
        || (provider->tokeninfo.len
            && ngx_shop_discovery_endpoint(d, "", &provider->tokeninfo,
                                           &metadata->tokeninfo)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    ngx_shop_discovery_logout(d, provider, metadata);

    if ((metadata->authz.host.len == 0
         && provider->flow != NGX_SHOP_FLOW_NATIVE)
        || (metadata->token.host.len == 0
            && provider->flow == NGX_SHOP_FLOW_CODE)
        || (metadata->jwks.host.len == 0
            && provider->flow != NGX_SHOP_FLOW_WIDGET
            && (metadata->algs & NGX_SHOP_JWS_ASYMMETRIC)))
    {
        d->reason = "endpoint_missing";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* an endpoint that is not there leaves "url" with an empty host */

static ngx_int_t
ngx_shop_discovery_endpoint(ngx_shop_discovery_t *d, const char *name,
    ngx_str_t *configured, ngx_shop_url_t *url)
{
    ngx_int_t    rc;
    ngx_str_t    text;
    const char  *err;

    if (configured->len) {
        text = *configured;

    } else {
        rc = ngx_shop_json_string(ngx_shop_json_get(d->json, name), &text);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED || text.len == 0) {
            return NGX_OK;
        }
    }

    if (ngx_shop_url_parse(d->pool, &text, url, &err) != NGX_OK) {
        return NGX_ERROR;
    }

    if ((!url->secure && !url->loopback)
        || (url->loopback && !d->loopback && configured->len == 0))
    {
        d->reason = "endpoint_insecure";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* no login needs it: one that cannot be used is as good as none */

static void
ngx_shop_discovery_logout(ngx_shop_discovery_t *d,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata)
{
    ngx_str_t    none;
    const char  *reason;

    ngx_str_null(&none);
    reason = d->reason;

    if (ngx_shop_discovery_endpoint(d, "end_session_endpoint", &none,
                                    &metadata->logout)
        == NGX_OK)
    {
        return;
    }

    ngx_memzero(&metadata->logout, sizeof(ngx_shop_url_t));
    d->reason = reason;

    if (provider->logout_on) {
        ngx_log_error(NGX_LOG_WARN, d->pool->log, 0,
                      "\"end_session_endpoint\" of provider \"%V\" cannot "
                      "be used", &provider->name);
    }
}


/* NGX_DECLINED: the member is absent */

static ngx_int_t
ngx_shop_discovery_list(ngx_shop_discovery_t *d, const char *name,
    ngx_shop_json_t **list)
{
    *list = ngx_shop_json_get(d->json, name);

    if (*list == NULL) {
        return NGX_DECLINED;
    }

    if (!ngx_shop_json_is_array(*list)
        || ngx_shop_json_size(*list) > NGX_SHOP_DISCOVERY_LIST_MAX)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_discovery_list_at(ngx_shop_json_t *list, size_t i, ngx_str_t *value)
{
    return ngx_shop_json_string(ngx_shop_json_at(list, i), value);
}
