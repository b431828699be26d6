
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
 * A slot is chosen by the digest of the session; who comes later has it.
 */


#define NGX_HTTP_SHOP_COPIES  4096          /* a power of two */
#define NGX_HTTP_SHOP_TEXT    192           /* of provider and view */


typedef struct {
    ngx_shop_cache_origin_t    origins[NGX_HTTP_SHOP_ENTRIES];
    ngx_shop_session_t         session;     /* its customer is in "id" */
    ngx_shop_view_t            view;
    size_t                     len;         /* of "text" */
    u_char                     id[NGX_SHOP_CUSTOMER_ID_MAX];
    u_char                     text[NGX_HTTP_SHOP_TEXT];
} ngx_http_shop_copy_t;


struct ngx_http_shop_copies_s {
    ngx_http_shop_copy_t       slots[NGX_HTTP_SHOP_COPIES];
};


static ngx_http_shop_copy_t *ngx_http_shop_copy(
    ngx_http_shop_copies_t *copies, ngx_shop_session_t *session);


ngx_http_shop_copies_t *
ngx_http_shop_copies_create(ngx_pool_t *pool)
{
    return ngx_pcalloc(pool, sizeof(ngx_http_shop_copies_t));
}


void
ngx_http_shop_copy_find(ngx_http_shop_copies_t *copies,
    ngx_http_shop_ctx_t *ctx)
{
    ngx_uint_t             i;
    ngx_str_t             *customer;
    ngx_http_shop_copy_t  *copy;

    copy = ngx_http_shop_copy(copies, &ctx->session);
    customer = &copy->session.customer;

    if (customer->len != ctx->session.customer.len
        || ngx_memcmp(copy->session.digest, ctx->session.digest,
                      NGX_SHOP_SHA256_LEN)
           != 0
        || ngx_memcmp(customer->data, ctx->session.customer.data,
                      customer->len)
           != 0)
    {
        for (i = 0; i < NGX_HTTP_SHOP_ENTRIES; i++) {
            ctx->entries[i].origin.since = 0;
        }

        return;
    }

    for (i = 0; i < NGX_HTTP_SHOP_ENTRIES; i++) {
        ctx->entries[i].origin = copy->origins[i];
    }
}


ngx_int_t
ngx_http_shop_copy_take(ngx_http_shop_copies_t *copies, ngx_pool_t *pool,
    ngx_http_shop_ctx_t *ctx)
{
    u_char                *p;
    ngx_shop_session_t    *session;
    ngx_http_shop_copy_t  *copy;

    copy = ngx_http_shop_copy(copies, &ctx->session);
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

    copy = ngx_http_shop_copy(copies, session);

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


static ngx_http_shop_copy_t *
ngx_http_shop_copy(ngx_http_shop_copies_t *copies,
    ngx_shop_session_t *session)
{
    ngx_uint_t  n;

    n = session->digest[0] | session->digest[1] << 8;

    return &copies->slots[n & (NGX_HTTP_SHOP_COPIES - 1)];
}
