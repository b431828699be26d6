
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"


/*
 * What this worker has read from the cache lately, unpacked.
 *
 * In the zone customers are packed, so that it holds many of them; to unpack
 * one is a quarter of what a cached request costs.  A slot has what was made
 * of a session and its customer, and of which two records it was made.  It is
 * of use as long as these are still there, which the cache says at each look-
 * up, under its lock, as it says whether they may be believed: a copy is
 * never asked instead of the cache.
 *
 * A slot is chosen by the digest of the session.
 */


#define NGX_HTTP_SHOP_COPIES  4096          /* a power of two */
#define NGX_HTTP_SHOP_TEXT    192           /* of provider and view */


struct ngx_http_shop_copy_s {
    ngx_shop_cache_origin_t    origins[NGX_HTTP_SHOP_ENTRIES];
    ngx_shop_session_t         session;     /* its customer is in "id" */
    ngx_shop_view_t            view;
    size_t                     len;         /* of "text" */
    u_char                     id[NGX_SHOP_CUSTOMER_ID_MAX];
    u_char                     text[NGX_HTTP_SHOP_TEXT];
};


struct ngx_http_shop_copies_s {
    ngx_shop_ways_t           *ways;
    ngx_http_shop_copy_t       slots[NGX_HTTP_SHOP_COPIES];
};


static uint32_t ngx_http_shop_copy_hash(ngx_shop_session_t *session);
static ngx_uint_t ngx_http_shop_copy_is(ngx_http_shop_copy_t *copy,
    ngx_shop_session_t *session);


ngx_http_shop_copies_t *
ngx_http_shop_copies_create(ngx_pool_t *pool)
{
    ngx_http_shop_copies_t  *copies;

    copies = ngx_palloc(pool, sizeof(ngx_http_shop_copies_t));
    if (copies == NULL) {
        return NULL;
    }

    copies->ways = ngx_shop_ways_create(pool, NGX_HTTP_SHOP_COPIES);
    if (copies->ways == NULL) {
        return NULL;
    }

    return copies;
}


void
ngx_http_shop_copy_find(ngx_http_shop_copies_t *copies,
    ngx_http_shop_ctx_t *ctx)
{
    ngx_uint_t             i, n;
    ngx_http_shop_copy_t  *copy;

    copy = NULL;

    if (ngx_shop_ways_find(copies->ways,
                           ngx_http_shop_copy_hash(&ctx->session), &n)
        == NGX_OK)
    {
        copy = &copies->slots[n];

        if (!ngx_http_shop_copy_is(copy, &ctx->session)) {
            copy = NULL;
        }
    }

    ctx->copy = copy;

    for (i = 0; i < NGX_HTTP_SHOP_ENTRIES; i++) {

        if (copy == NULL) {
            ctx->entries[i].origin.since = 0;

        } else {
            ctx->entries[i].origin = copy->origins[i];
        }
    }
}


static ngx_uint_t
ngx_http_shop_copy_is(ngx_http_shop_copy_t *copy, ngx_shop_session_t *session)
{
    ngx_str_t  *customer;

    customer = &copy->session.customer;

    return customer->len == session->customer.len
           && ngx_memcmp(copy->session.digest, session->digest,
                         NGX_SHOP_SHA256_LEN)
              == 0
           && ngx_memcmp(customer->data, session->customer.data,
                         customer->len)
              == 0;
}


ngx_int_t
ngx_http_shop_copy_take(ngx_pool_t *pool, ngx_http_shop_ctx_t *ctx)
{
    u_char                *p;
    ngx_shop_session_t    *session;
    ngx_http_shop_copy_t  *copy;

    copy = ctx->copy;
    session = &ctx->session;

    /* the slot may be another's before the request has ended */

    p = ngx_pnalloc(pool, copy->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, copy->text, copy->len);

    session->provider.data = p;
    session->provider.len = copy->session.provider.len;
    session->created = copy->session.created;
    session->auth_time = copy->session.auth_time;
    session->expires = copy->session.expires;
    session->idles = copy->session.idles;

    ctx->view = copy->view;
    ngx_shop_view_move(&ctx->view, copy->text, p);

    return ngx_shop_session_lives(session, ngx_time());
}


void
ngx_http_shop_copy_keep(ngx_http_shop_copies_t *copies,
    ngx_http_shop_ctx_t *ctx)
{
    u_char                *p;
    ngx_str_t             *packed;
    ngx_uint_t             i;
    ngx_shop_session_t    *session;
    ngx_http_shop_copy_t  *copy;

    session = &ctx->session;
    packed = &ctx->entries[1].value;

    if (session->provider.len + packed->len > NGX_HTTP_SHOP_TEXT
        || session->customer.len > NGX_SHOP_CUSTOMER_ID_MAX)
    {
        return;
    }

    i = ngx_shop_ways_take(copies->ways, ngx_http_shop_copy_hash(session));
    copy = &copies->slots[i];

    for (i = 0; i < NGX_HTTP_SHOP_ENTRIES; i++) {
        copy->origins[i] = ctx->entries[i].origin;
    }

    copy->session = *session;
    copy->session.customer.data = copy->id;
    ngx_memcpy(copy->id, session->customer.data, session->customer.len);

    p = ngx_cpymem(copy->text, session->provider.data, session->provider.len);

    /* the texts of a view are in what it was unpacked from */

    copy->view = ctx->view;

    if (packed->len) {
        ngx_memcpy(p, packed->data, packed->len);
        ngx_shop_view_move(&copy->view, packed->data, p);
    }

    copy->len = session->provider.len + packed->len;
}


static uint32_t
ngx_http_shop_copy_hash(ngx_shop_session_t *session)
{
    uint32_t  hash;

    ngx_memcpy(&hash, session->digest, sizeof(uint32_t));

    return hash;
}
