
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"


/*
 * What the session cookie seals, for one host:
 *
 *      8 bytes  time of issue, UNIX seconds, most significant byte first
 *     32 bytes  secret
 *   1..64       customer id, to the end
 *
 * The two keys of Redis follow from it, so one round trip reads both, and a
 * forged cookie is refused without asking.
 */

#define NGX_SHOP_SESSION_ISSUED_LEN  8
#define NGX_SHOP_SESSION_FIXED_LEN                                            \
    (NGX_SHOP_SESSION_ISSUED_LEN + NGX_SHOP_SESSION_SECRET_LEN)


static ngx_int_t ngx_shop_session_unseal(ngx_pool_t *pool,
    ngx_shop_sealer_t *sealer, ngx_str_t *host, ngx_str_t *cookie,
    ngx_shop_session_t *session, ngx_log_t *log);
static ngx_int_t ngx_shop_session_digest(u_char *secret,
    ngx_shop_session_t *session, ngx_log_t *log);


ngx_int_t
ngx_shop_session_create(ngx_pool_t *pool, ngx_shop_sealer_t *sealer,
    ngx_str_t *host, ngx_str_t *customer, ngx_str_t *provider,
    time_t auth_time, time_t now, ngx_shop_session_limits_t *limits,
    ngx_shop_session_t *session, ngx_str_t *cookie, ngx_log_t *log)
{
    u_char     *p, plain[NGX_SHOP_SESSION_FIXED_LEN
                         + NGX_SHOP_CUSTOMER_ID_MAX];
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  i;

    if (!ngx_shop_customer_id_valid(customer)) {
        ngx_log_error(NGX_LOG_ALERT, log, 0, "invalid customer id");
        return NGX_ERROR;
    }

    p = plain;

    for (i = 0; i < NGX_SHOP_SESSION_ISSUED_LEN; i++) {
        *p++ = (u_char) ((uint64_t) now >> (56 - 8 * i));
    }

    if (ngx_shop_random(p, NGX_SHOP_SESSION_SECRET_LEN, log) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(session, sizeof(ngx_shop_session_t));

    rc = ngx_shop_session_digest(p, session, log);

    p += NGX_SHOP_SESSION_SECRET_LEN;
    p = ngx_cpymem(p, customer->data, customer->len);

    if (rc == NGX_OK) {
        text.data = plain;
        text.len = p - plain;

        rc = ngx_shop_seal(sealer, pool, host, &text, cookie, log);
    }

    ngx_shop_zero(plain, sizeof(plain));

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    session->customer = *customer;
    session->provider = *provider;
    session->issued = now;
    session->created = now;
    session->auth_time = auth_time ? auth_time : now;
    session->expires = now + limits->lifetime;
    session->ttl = (int64_t) ngx_min(limits->idle, limits->lifetime) * 1000;

    return NGX_OK;
}


ngx_int_t
ngx_shop_session_open(ngx_pool_t *pool, ngx_shop_sealer_t *sealer,
    ngx_shop_session_memo_t *memo, ngx_str_t *host, ngx_str_t *cookie,
    time_t now, ngx_shop_session_limits_t *limits,
    ngx_shop_session_t *session, ngx_log_t *log)
{
    ngx_int_t  rc;

    if (cookie->len == 0 || cookie->len > NGX_SHOP_SESSION_COOKIE_MAX) {
        return NGX_DECLINED;
    }

    ngx_memzero(session, sizeof(ngx_shop_session_t));

    rc = ngx_shop_session_recall(memo, pool, host, cookie, session);

    if (rc == NGX_DECLINED) {

        rc = ngx_shop_session_unseal(pool, sealer, host, cookie, session,
                                     log);

        if (rc == NGX_OK) {
            ngx_shop_session_remember(memo, host, cookie, session);
        }
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (session->issued < 0 || session->issued > now + NGX_SHOP_SESSION_SKEW
        || now - session->issued >= limits->lifetime)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_session_unseal(ngx_pool_t *pool, ngx_shop_sealer_t *sealer,
    ngx_str_t *host, ngx_str_t *cookie, ngx_shop_session_t *session,
    ngx_log_t *log)
{
    u_char      *p;
    uint64_t     issued;
    ngx_int_t    rc;
    ngx_str_t    plain;
    ngx_uint_t   i;

    rc = ngx_shop_open(sealer, pool, host, cookie, &plain, log);

    if (rc != NGX_OK) {
        return rc;
    }

    if (plain.len <= NGX_SHOP_SESSION_FIXED_LEN) {
        return NGX_DECLINED;
    }

    p = plain.data;
    issued = 0;

    for (i = 0; i < NGX_SHOP_SESSION_ISSUED_LEN; i++) {
        issued = issued << 8 | *p++;
    }

    session->issued = (time_t) issued;

    rc = ngx_shop_session_digest(p, session, log);

    ngx_shop_zero(p, NGX_SHOP_SESSION_SECRET_LEN);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    p += NGX_SHOP_SESSION_SECRET_LEN;

    session->customer.data = p;
    session->customer.len = plain.data + plain.len - p;

    return ngx_shop_customer_id_valid(&session->customer) ? NGX_OK
                                                          : NGX_DECLINED;
}


static ngx_int_t
ngx_shop_session_digest(u_char *secret, ngx_shop_session_t *session,
    ngx_log_t *log)
{
    ngx_str_t  text;

    text.data = secret;
    text.len = NGX_SHOP_SESSION_SECRET_LEN;

    return ngx_shop_sha256(&text, session->digest, log);
}
