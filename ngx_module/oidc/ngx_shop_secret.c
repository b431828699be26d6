
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Apple's client secret is a token that we sign ourselves, and may be valid
 * for six months.  Ours is for an hour, so that one that got lost is soon
 * worth nothing, and is used for half of that; each worker has its own.  It
 * says that it was made a little earlier, since Apple refuses what is from
 * the future of its clock.
 */


#define NGX_SHOP_SECRET_TIME   3600
#define NGX_SHOP_SECRET_RENEW  1800


static ngx_int_t ngx_shop_secret_make(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, time_t now, ngx_str_t *secret);
static void ngx_shop_secret_cleanup(void *data);


ngx_int_t
ngx_shop_secret_init(ngx_pool_t *pool, ngx_shop_secret_t *secret,
    ngx_str_t *pem)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_shop_secret_cleanup;
    cln->data = secret;

    secret->key = ngx_shop_sign_key(pool, pem);

    return (secret->key != NULL) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_secret(ngx_shop_provider_t *provider, time_t now, ngx_str_t *text,
    ngx_log_t *log)
{
    ngx_str_t           token;
    ngx_pool_t         *pool;
    ngx_shop_secret_t  *secret;

    secret = &provider->secret;

    if (secret->pool == NULL
        || now < secret->made
        || now >= secret->made + NGX_SHOP_SECRET_RENEW)
    {
        pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
        if (pool == NULL) {
            return NGX_ERROR;
        }

        if (ngx_shop_secret_make(pool, provider, now, &token) != NGX_OK) {
            ngx_destroy_pool(pool);
            return NGX_ERROR;
        }

        ngx_shop_secret_cleanup(secret);

        secret->pool = pool;
        secret->token = token;
        secret->made = now;

        ngx_log_debug1(NGX_LOG_DEBUG_EVENT, log, 0,
                       "client secret of %V was signed", &provider->name);
    }

    *text = secret->token;

    return NGX_OK;
}


/* ids and the issuer have no characters that JSON would escape */

static ngx_int_t
ngx_shop_secret_make(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    time_t now, ngx_str_t *token)
{
    size_t              len;
    u_char             *last;
    ngx_str_t           header, payload, client_id;
    ngx_shop_secret_t  *secret;

    secret = &provider->secret;

    len = provider->client_id.len
          + ngx_escape_json(NULL, provider->client_id.data,
                            provider->client_id.len);

    client_id.data = ngx_pnalloc(pool, len);

    header.data = ngx_pnalloc(pool, sizeof("{\"alg\":\"ES256\",\"kid\":\"\"}")
                                    + secret->key_id.len);

    payload.data = ngx_pnalloc(pool, sizeof("{\"iss\":\"\",\"iat\":,\"exp\":,"
                                            "\"aud\":\"\",\"sub\":\"\"}")
                                     + secret->team_id.len
                                     + 2 * NGX_TIME_T_LEN
                                     + provider->issuer.len + len);

    if (client_id.data == NULL || header.data == NULL || payload.data == NULL)
    {
        return NGX_ERROR;
    }

    last = (u_char *) ngx_escape_json(client_id.data,
                                      provider->client_id.data,
                                      provider->client_id.len);
    client_id.len = last - client_id.data;

    last = ngx_sprintf(header.data, "{\"alg\":\"ES256\",\"kid\":\"%V\"}",
                       &secret->key_id);
    header.len = last - header.data;

    last = ngx_sprintf(payload.data, "{\"iss\":\"%V\",\"iat\":%T,\"exp\":%T,"
                                     "\"aud\":\"%V\",\"sub\":\"%V\"}",
                       &secret->team_id, now - NGX_SHOP_OIDC_LEEWAY,
                       now + NGX_SHOP_SECRET_TIME, &provider->issuer,
                       &client_id);
    payload.len = last - payload.data;

    return ngx_shop_sign(pool, secret->key, &header, &payload, token,
                         pool->log);
}


static void
ngx_shop_secret_cleanup(void *data)
{
    ngx_shop_secret_t *secret = data;

    if (secret->pool != NULL) {
        ngx_shop_zero(secret->token.data, secret->token.len);
        ngx_destroy_pool(secret->pool);
        secret->pool = NULL;
    }
}
