
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * An access token says nothing to who holds it, and userinfo answers to that
 * of any app: a game that somebody has signed in to could sign in as them
 * here.  So what an app brings is good only if the provider says that it was
 * given to an app of this shop, and to whom.
 */


static ngx_int_t ngx_shop_tokeninfo_text(ngx_pool_t *pool,
    ngx_shop_claim_t *claim, ngx_shop_docs_t *docs, ngx_str_t *value);
static ngx_uint_t ngx_shop_tokeninfo_is_ours(ngx_shop_provider_t *provider,
    ngx_str_t *client);
static ngx_int_t ngx_shop_tokeninfo_time(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs, time_t now,
    const char **reason);


ngx_int_t
ngx_shop_tokeninfo(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_uint_t status, ngx_str_t *text, time_t now, ngx_shop_docs_t *docs,
    ngx_str_t *owner, const char **reason)
{
    ngx_int_t             rc;
    ngx_str_t             client;
    ngx_shop_json_t      *json;
    ngx_shop_userinfo_t  *ti;

    ti = &provider->ui[NGX_SHOP_TOKENINFO];

    /* so say some of them that the token is none */

    if (status == 400 || status == 401) {
        *reason = "token_refused";
        return NGX_ERROR;
    }

    if (status != 200) {
        *reason = "tokeninfo_error";
        return NGX_ERROR;
    }

    *reason = "tokeninfo_malformed";

    json = ngx_shop_json_parse(pool, text, NGX_SHOP_USERINFO_MAX);

    if (!ngx_shop_json_is_object(json)) {
        return NGX_ERROR;
    }

    if (ti->ok != NULL && !ngx_shop_rule_holds(pool, ti->ok, json)) {
        *reason = "token_refused";
        return NGX_ERROR;
    }

    docs->json[NGX_SHOP_DOC_TI] = json;

    rc = ngx_shop_tokeninfo_text(pool, provider->ti_client, docs, &client);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED || !ngx_shop_tokeninfo_is_ours(provider, &client))
    {
        *reason = "aud_mismatch";
        return NGX_ERROR;
    }

    if (ngx_shop_tokeninfo_time(pool, provider, docs, now, reason) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_tokeninfo_text(pool, provider->ti_sub, docs, owner)
           == NGX_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_shop_tokeninfo_text(ngx_pool_t *pool, ngx_shop_claim_t *claim,
    ngx_shop_docs_t *docs, ngx_str_t *value)
{
    ngx_uint_t  used;

    return ngx_shop_claim_eval(pool, claim, docs,
                               NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TI), value,
                               &used);
}


static ngx_uint_t
ngx_shop_tokeninfo_is_ours(ngx_shop_provider_t *provider, ngx_str_t *client)
{
    ngx_str_t   *extra;
    ngx_uint_t   i, n;

    if (ngx_shop_equal(client, &provider->client_id)) {
        return 1;
    }

    n = provider->aud_extra ? provider->aud_extra->nelts : 0;
    extra = n ? provider->aud_extra->elts : NULL;

    for (i = 0; i < n; i++) {
        if (ngx_shop_equal(client, &extra[i])) {
            return 1;
        }
    }

    return 0;
}


/* 0 is no end, and so is none */

static ngx_int_t
ngx_shop_tokeninfo_time(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, time_t now, const char **reason)
{
    time_t     end;
    ngx_int_t  rc;
    ngx_str_t  text;

    if (provider->ti_expires == NULL) {
        return NGX_OK;
    }

    rc = ngx_shop_tokeninfo_text(pool, provider->ti_expires, docs, &text);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    end = ngx_atotm(text.data, text.len);

    if (end == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (end != 0 && end < now - NGX_SHOP_OIDC_LEEWAY) {
        *reason = "token_expired";
        return NGX_ERROR;
    }

    return NGX_OK;
}
