
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"


static time_t ngx_shop_session_noted(ngx_shop_redis_reply_t *score,
    time_t now);
static ngx_int_t ngx_shop_session_keys(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_shop_session_t *session, ngx_str_t *hash,
    ngx_str_t *keys);


ngx_int_t
ngx_shop_session_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session)
{
    ngx_str_t  keys[2], argv[6], list[3];

    if (ngx_shop_session_keys(redis, op->pool, session, &list[2], keys)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "HMGET");
    argv[1] = keys[0];
    ngx_str_set(&argv[2], "provider");
    ngx_str_set(&argv[3], "created");
    ngx_str_set(&argv[4], "auth_time");
    ngx_str_set(&argv[5], "expires");

    if (ngx_shop_redis_add(op, 6, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "PTTL");

    if (ngx_shop_redis_add(op, 2, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&list[0], "ZSCORE");
    list[1] = keys[1];

    return ngx_shop_redis_add(op, 3, list);
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
        || ttl->type != NGX_SHOP_REDIS_INTEGER || ttl->integer < -2)
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
    session->ttl = ngx_min(ttl->integer,
                           (int64_t) NGX_SHOP_SESSION_LIFETIME_MAX * 1000);
    session->noted = ngx_shop_session_noted(replies[2], now);

    return NGX_OK;
}


/* a list of sessions that is none, or a time to come, is no reason to fail */

static time_t
ngx_shop_session_noted(ngx_shop_redis_reply_t *score, time_t now)
{
    time_t  noted;

    if (score->type != NGX_SHOP_REDIS_STRING) {
        return 0;
    }

    noted = ngx_atotm(score->str.data, score->str.len);

    if (noted == NGX_ERROR || noted > now + NGX_SHOP_SESSION_SKEW) {
        return 0;
    }

    return ngx_min(noted, now);
}


ngx_int_t
ngx_shop_session_write(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session, ngx_str_t *agent, time_t issued, time_t now)
{
    ngx_str_t  keys[3], args[10];

    if (ngx_shop_session_keys(redis, op->pool, session, &args[0], keys)
        != NGX_OK
        || ngx_shop_redis_customer_key(redis, op->pool, "customer",
                                       &session->customer, NULL, &keys[2])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    args[4] = session->provider;
    args[7] = *agent;

    if (ngx_shop_decimal(op->pool, now, &args[1]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->ttl, &args[2]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->created, &args[3]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->auth_time, &args[5]) != NGX_OK
        || ngx_shop_decimal(op->pool, session->expires, &args[6]) != NGX_OK
        || ngx_shop_decimal(op->pool, NGX_SHOP_SESSION_MAX, &args[8])
           != NGX_OK
        || ngx_shop_decimal(op->pool, issued, &args[9]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (args[7].len > NGX_SHOP_SESSION_AGENT_MAX) {
        args[7].len = NGX_SHOP_SESSION_AGENT_MAX;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_session, 3,
                                     keys, 10, args);
}


ngx_int_t
ngx_shop_session_written(ngx_shop_redis_reply_t *reply)
{
    if (reply->type == NGX_SHOP_REDIS_INTEGER) {
        return NGX_DECLINED;
    }

    return (reply->type == NGX_SHOP_REDIS_ARRAY) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_session_end(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session)
{
    ngx_str_t  keys[2], hash;

    if (ngx_shop_session_keys(redis, op->pool, session, &hash, keys)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_logout, 2,
                                     keys, 1, &hash);
}


ngx_int_t
ngx_shop_session_done(ngx_shop_redis_reply_t *reply)
{
    return reply->type == NGX_SHOP_REDIS_INTEGER ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_session_list(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *customer)
{
    ngx_str_t  argv[4];

    ngx_str_set(&argv[0], "ZRANGE");

    if (ngx_shop_redis_customer_key(redis, op->pool, "sessions", customer,
                                    NULL, &argv[1])
        != NGX_OK
        || ngx_shop_decimal(op->pool, -NGX_SHOP_SESSION_LIST_MAX, &argv[2])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[3], "-1");

    return ngx_shop_redis_add(op, 4, argv);
}


/* what is no hash names no session, and must not name another key */

ngx_int_t
ngx_shop_session_listed(ngx_pool_t *pool, ngx_shop_redis_reply_t *reply,
    ngx_array_t *hashes)
{
    u_char      digest[NGX_SHOP_SHA256_LEN];
    ngx_str_t   text, *hash;
    ngx_uint_t  i;

    if (reply->type != NGX_SHOP_REDIS_ARRAY
        || ngx_array_init(hashes, pool, reply->nelts + 1, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->nelts; i++) {

        if (ngx_shop_redis_text(reply, i, &text) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_shop_unhex(&text, digest, NGX_SHOP_SHA256_LEN) != NGX_OK) {
            continue;
        }

        hash = ngx_array_push(hashes);
        if (hash == NULL) {
            return NGX_ERROR;
        }

        hash->len = text.len;
        hash->data = ngx_pstrdup(pool, &text);

        if (hash->data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


int64_t
ngx_shop_session_idle(time_t idle, time_t expires, time_t seen, time_t now)
{
    return (int64_t) ngx_min(idle - (now - seen), expires - now) * 1000;
}


/*
 * A session is not to idle out while it is used: where "idle" is short, it is
 * noted as often as that wants.  If another server with a shorter one noted
 * it last, its end is too near for this one, and is moved at once; that it is
 * too far is no such hurry.  So who goes to and fro between two servers has
 * both ends written once in a while, not with each step.
 */

ngx_uint_t
ngx_shop_session_due(ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now, time_t *interval)
{
    time_t  since;

    *interval = ngx_min(limits->idle / 10, NGX_SHOP_SESSION_NOTED);

    if (session->ttl < ngx_shop_session_idle(limits->idle, session->expires,
                                             now, now)
                       / 2)
    {
        *interval = ngx_min(*interval, NGX_SHOP_SESSION_HASTE);
    }

    since = now - session->noted;

    return since < 0 || since >= *interval;
}


static ngx_int_t
ngx_shop_session_keys(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_shop_session_t *session, ngx_str_t *hash, ngx_str_t *keys)
{
    if (ngx_shop_hex(pool, session->digest, NGX_SHOP_SHA256_LEN, hash)
        != NGX_OK
        || ngx_shop_redis_customer_key(redis, pool, "session",
                                       &session->customer, hash, &keys[0])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_customer_key(redis, pool, "sessions",
                                       &session->customer, NULL, &keys[1]);
}
