
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"


static int64_t ngx_shop_session_idle(ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now);
static ngx_int_t ngx_shop_session_keys(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_shop_session_t *session, ngx_str_t *keys);


ngx_int_t
ngx_shop_session_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session)
{
    ngx_str_t  argv[6];

    ngx_str_set(&argv[0], "HMGET");

    if (ngx_shop_redis_customer_key(redis, op->pool, "session",
                                    &session->customer, &session->hash,
                                    &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[2], "provider");
    ngx_str_set(&argv[3], "created");
    ngx_str_set(&argv[4], "auth_time");
    ngx_str_set(&argv[5], "expires");

    if (ngx_shop_redis_add(op, 6, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "PTTL");

    return ngx_shop_redis_add(op, 2, argv);
}


ngx_int_t
ngx_shop_session_known(ngx_pool_t *pool, ngx_shop_redis_reply_t **replies,
    time_t now, ngx_shop_session_t *session)
{
    int64_t                  created, auth_time, expires;
    ngx_int_t                rc;
    ngx_str_t                provider;
    ngx_shop_redis_reply_t  *fields, *ttl;

    fields = replies[0];
    ttl = replies[1];

    if (fields->type != NGX_SHOP_REDIS_ARRAY
        || ttl->type != NGX_SHOP_REDIS_INTEGER)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_redis_text(fields, 0, &provider);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_shop_name_valid(&provider)
        || ngx_shop_redis_number(fields, 1, &created) != NGX_OK
        || ngx_shop_redis_number(fields, 2, &auth_time) != NGX_OK
        || ngx_shop_redis_number(fields, 3, &expires) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* PTTL was asked second: the key may be gone since */

    if (ttl->integer == -2 || expires <= now) {
        return NGX_DECLINED;
    }

    session->provider.len = provider.len;
    session->provider.data = ngx_pstrdup(pool, &provider);

    if (session->provider.data == NULL) {
        return NGX_ERROR;
    }

    session->created = (time_t) created;
    session->auth_time = (time_t) auth_time;
    session->expires = (time_t) ngx_min(expires,
                                        now + NGX_SHOP_SESSION_LIFETIME_MAX);
    session->ttl = ttl->integer;

    return NGX_OK;
}


ngx_int_t
ngx_shop_session_write(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session, ngx_str_t *agent, time_t now)
{
    ngx_str_t  keys[2], args[8];

    if (ngx_shop_session_keys(redis, op->pool, session, keys) != NGX_OK) {
        return NGX_ERROR;
    }

    args[0] = session->hash;
    args[4] = session->provider;
    args[7] = *agent;

    if (ngx_shop_decimal(op->pool, now, &args[1]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->ttl, &args[2]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->created, &args[3]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->auth_time, &args[5]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->expires, &args[6]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (args[7].len > NGX_SHOP_SESSION_AGENT_MAX) {
        args[7].len = NGX_SHOP_SESSION_AGENT_MAX;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_session, 2,
                                     keys, 8, args);
}


ngx_int_t
ngx_shop_session_end(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session)
{
    ngx_str_t  keys[2];

    if (ngx_shop_session_keys(redis, op->pool, session, keys) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_logout, 2,
                                     keys, 1, &session->hash);
}


ngx_int_t
ngx_shop_session_done(ngx_shop_redis_reply_t *reply)
{
    return reply->type == NGX_SHOP_REDIS_INTEGER ? NGX_OK : NGX_ERROR;
}


/*
 * Redis counts the time to live down from the idle limit, so what is missing
 * to it is the time since the last touch: no field and no second read.  More
 * than the limit is left where a shorter one was configured meanwhile.
 */

ngx_uint_t
ngx_shop_session_aged(ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now)
{
    int64_t  ttl, step;

    ttl = ngx_shop_session_idle(session, limits, now);
    step = ngx_min(ttl / 10, NGX_SHOP_SESSION_TOUCH * 1000);

    return session->ttl < 0 || ngx_abs(ttl - session->ttl) > step;
}


ngx_int_t
ngx_shop_session_touch(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session, ngx_shop_session_limits_t *limits,
    time_t now)
{
    ngx_str_t  keys[2], args[3];

    args[0] = session->hash;

    if (ngx_shop_session_keys(redis, op->pool, session, keys) != NGX_OK
        || ngx_shop_decimal(op->pool, now, &args[1]) != NGX_OK
        || ngx_shop_decimal(op->pool,
                            ngx_shop_session_idle(session, limits, now),
                            &args[2])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_touch, 2,
                                     keys, 3, args);
}


/* milliseconds until a session that is used now idles out */

static int64_t
ngx_shop_session_idle(ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now)
{
    return (int64_t) ngx_min(limits->idle, session->expires - now) * 1000;
}


static ngx_int_t
ngx_shop_session_keys(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_shop_session_t *session, ngx_str_t *keys)
{
    if (ngx_shop_redis_customer_key(redis, pool, "session",
                                    &session->customer, &session->hash,
                                    &keys[0])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_customer_key(redis, pool, "sessions",
                                       &session->customer, NULL, &keys[1]);
}
