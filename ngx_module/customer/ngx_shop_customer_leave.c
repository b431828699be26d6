
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "customer/ngx_shop_customer.h"


/* an identity goes: what "leave.lua" and "release.lua" do */


ngx_int_t
ngx_shop_customer_owner(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *provider, ngx_str_t *subject)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "GET");

    if (ngx_shop_customer_identity_key(redis, op->pool, provider, subject,
                                       &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 2, argv);
}


ngx_int_t
ngx_shop_customer_owned(ngx_pool_t *pool, ngx_shop_redis_reply_t *reply,
    ngx_str_t *id)
{
    if (reply->type == NGX_SHOP_REDIS_NIL) {
        return NGX_DECLINED;
    }

    if (reply->type != NGX_SHOP_REDIS_STRING
        || !ngx_shop_customer_id_valid(&reply->str))
    {
        return NGX_ERROR;
    }

    id->len = reply->str.len;
    id->data = ngx_pstrdup(pool, &reply->str);

    return id->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_customer_leave(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *id, ngx_str_t *provider, ngx_str_t *subject,
    ngx_shop_leave_t *leave)
{
    ngx_str_t   *keys, *args, *hash;
    ngx_uint_t   i, n;

    n = leave->sessions.nelts;
    hash = leave->sessions.elts;

    keys = ngx_palloc(op->pool, (4 + n) * sizeof(ngx_str_t));
    args = ngx_palloc(op->pool, (7 + n) * sizeof(ngx_str_t));

    if (keys == NULL || args == NULL) {
        return NGX_ERROR;
    }

    args[0].data = (u_char *) leave->what;
    args[0].len = ngx_strlen(leave->what);
    args[3] = *provider;
    args[4] = leave->released;
    args[5] = leave->email;

    if (ngx_shop_redis_customer_key(redis, op->pool, "customer", id, NULL,
                                    &keys[0])
        != NGX_OK
        || ngx_shop_redis_customer_key(redis, op->pool, "sessions", id, NULL,
                                       &keys[1])
           != NGX_OK
        || ngx_shop_redis_customer_key(redis, op->pool, "view", id, NULL,
                                       &keys[2])
           != NGX_OK
        || ngx_shop_redis_customer_key(redis, op->pool, "activity", id, NULL,
                                       &keys[3])
           != NGX_OK
        || ngx_shop_decimal(op->pool, leave->when, &args[1]) != NGX_OK
        || ngx_shop_decimal(op->pool, leave->over, &args[6]) != NGX_OK
        || ngx_shop_customer_identity_field(op->pool, provider, subject,
                                            &args[2])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        args[7 + i] = hash[i];

        if (ngx_shop_redis_customer_key(redis, op->pool, "session", id,
                                        &hash[i], &keys[4 + i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_leave, 4 + n,
                                     keys, 7 + n, args);
}


ngx_int_t
ngx_shop_customer_left(ngx_shop_redis_reply_t *reply, ngx_uint_t *unlinked,
    ngx_shop_redis_reply_t **ended, ngx_str_t *former)
{
    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts != 3
        || reply->elts[0]->type != NGX_SHOP_REDIS_INTEGER
        || reply->elts[1]->type != NGX_SHOP_REDIS_ARRAY
        || ngx_shop_redis_text(reply, 2, former) != NGX_OK
        || former->len > NGX_SHOP_EMAIL_MAX)
    {
        return NGX_ERROR;
    }

    *unlinked = (reply->elts[0]->integer == 1);
    *ended = reply->elts[1];

    return NGX_OK;
}


ngx_int_t
ngx_shop_customer_release(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *id, ngx_str_t *provider, ngx_str_t *subject)
{
    ngx_str_t  key;

    if (ngx_shop_customer_identity_key(redis, op->pool, provider, subject,
                                       &key)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_release, 1,
                                     &key, 1, id);
}


ngx_int_t
ngx_shop_customer_release_email(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *id, ngx_str_t *email)
{
    ngx_str_t  key;

    if (ngx_shop_customer_email_key(redis, op->pool, email, &key) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_release, 1,
                                     &key, 1, id);
}
