
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"


/*
 * A session in the cache: created, auth_time, expires, the millisecond in
 * which it idles out (0: never), provider, customer.  Its key is the digest.
 *
 * The customer is there to be compared: that one cookie belongs to one
 * customer is the seal's doing, and is not to hang on that alone.
 */


ngx_int_t
ngx_shop_session_pack(ngx_pool_t *pool, ngx_shop_session_t *session,
    ngx_str_t *value)
{
    u_char   *p;
    int64_t   idle;

    p = ngx_pnalloc(pool, 6 * NGX_SHOP_PACK_INT_MAX + session->provider.len
                          + session->customer.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    idle = (session->ttl < 0) ? 0 : (int64_t) ngx_current_msec + session->ttl;

    p = ngx_shop_pack_int(p, session->created);
    p = ngx_shop_pack_int(p, session->auth_time);
    p = ngx_shop_pack_int(p, session->expires);
    p = ngx_shop_pack_int(p, idle);
    p = ngx_shop_pack_text(p, &session->provider);
    p = ngx_shop_pack_text(p, &session->customer);

    value->len = p - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_session_unpack(ngx_str_t *value, time_t now,
    ngx_shop_session_t *session)
{
    u_char     *p, *last;
    int64_t     created, auth_time, expires, idle;
    ngx_str_t   customer;

    p = value->data;
    last = p + value->len;

    if (ngx_shop_unpack_int(&p, last, &created) != NGX_OK
        || ngx_shop_unpack_int(&p, last, &auth_time) != NGX_OK
        || ngx_shop_unpack_int(&p, last, &expires) != NGX_OK
        || ngx_shop_unpack_int(&p, last, &idle) != NGX_OK
        || ngx_shop_unpack_text(&p, last, &session->provider) != NGX_OK
        || ngx_shop_unpack_text(&p, last, &customer) != NGX_OK
        || p != last)
    {
        return NGX_ERROR;
    }

    if (customer.len != session->customer.len
        || ngx_memcmp(customer.data, session->customer.data, customer.len)
           != 0)
    {
        return NGX_ERROR;
    }

    session->created = (time_t) created;
    session->auth_time = (time_t) auth_time;
    session->expires = (time_t) expires;
    session->idles = idle;

    return ngx_shop_session_lives(session, now);
}


ngx_int_t
ngx_shop_session_lives(ngx_shop_session_t *session, time_t now)
{
    session->ttl = -1;

    if (session->idles != 0) {
        session->ttl = session->idles - (int64_t) ngx_current_msec;

        if (session->ttl <= 0) {
            return NGX_DECLINED;
        }
    }

    return session->expires > now ? NGX_OK : NGX_DECLINED;
}


ngx_msec_t
ngx_shop_session_rest(ngx_shop_session_t *session, time_t now)
{
    int64_t  rest;

    rest = (int64_t) (session->expires - now) * 1000;

    if (session->ttl >= 0 && session->ttl < rest) {
        rest = session->ttl;
    }

    /* 0 would be for ever */

    rest = ngx_max(rest, 1);

    return (ngx_msec_t) ngx_min(rest, NGX_MAX_INT32_VALUE);
}
