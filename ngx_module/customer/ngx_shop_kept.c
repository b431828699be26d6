
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "customer/ngx_shop_customer.h"


/*
 * What belongs to a customer who is not known yet waits under a key in the
 * slot of the one by which that customer will be known: redis/keep.lua tells
 * why.  Whoever has claimed that one reads what waits, books it, each by its
 * id and thus once, and takes it away only then; if they are cut off before
 * that, the next login does it again.
 */


static ngx_int_t ngx_shop_kept_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_str_t *known, ngx_str_t *key);


static ngx_int_t
ngx_shop_kept_key(ngx_shop_redis_t *redis, ngx_pool_t *pool, ngx_str_t *known,
    ngx_str_t *key)
{
    key->data = ngx_pnalloc(pool, redis->prefix.len + known->len
                                  + sizeof("kept:{}") - 1);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    key->len = ngx_sprintf(key->data, "%Vkept:{%V}", &redis->prefix, known)
               - key->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_kept_find(ngx_shop_redis_op_t *op, ngx_str_t *known)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "GET");
    argv[1] = *known;

    return ngx_shop_redis_add(op, 2, argv);
}


ngx_int_t
ngx_shop_kept_found(ngx_shop_redis_reply_t *reply, ngx_str_t *customer)
{
    if (reply->type == NGX_SHOP_REDIS_NIL) {
        return NGX_DECLINED;
    }

    if (reply->type != NGX_SHOP_REDIS_STRING
        || !ngx_shop_customer_id_valid(&reply->str))
    {
        return NGX_ERROR;
    }

    *customer = reply->str;

    return NGX_OK;
}


ngx_int_t
ngx_shop_kept_add(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *known, ngx_str_t *id, ngx_str_t *line, time_t now)
{
    ngx_str_t  keys[2], args[3];

    keys[0] = *known;
    args[1] = *id;
    args[2] = *line;

    if (ngx_shop_kept_key(redis, op->pool, known, &keys[1]) != NGX_OK
        || ngx_shop_decimal(op->pool, now, &args[0]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_keep, 2, keys,
                                     3, args);
}


ngx_int_t
ngx_shop_kept_added(ngx_shop_redis_reply_t *reply, ngx_str_t *customer,
    ngx_str_t *status, ngx_str_t *reason)
{
    if (reply->type != NGX_SHOP_REDIS_ARRAY
        || ngx_shop_redis_text(reply, 0, status) != NGX_OK
        || ngx_shop_redis_text(reply, 1, reason) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_shop_text_is(status, "known")) {
        return NGX_OK;
    }

    if (!ngx_shop_customer_id_valid(reason)) {
        return NGX_ERROR;
    }

    *customer = *reason;

    return NGX_DECLINED;
}


ngx_int_t
ngx_shop_kept_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *known)
{
    ngx_str_t  argv[4];

    ngx_str_set(&argv[0], "LRANGE");
    ngx_str_set(&argv[2], "0");
    ngx_str_set(&argv[3], "-1");

    if (ngx_shop_kept_key(redis, op->pool, known, &argv[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 4, argv);
}


ngx_int_t
ngx_shop_kept_forget(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *known)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "DEL");

    if (ngx_shop_kept_key(redis, op->pool, known, &argv[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 2, argv);
}


/* as of an identity: "SET NX GET" asks for Redis 7.0 */

ngx_int_t
ngx_shop_kept_claim(ngx_shop_redis_op_t *op, ngx_str_t *known,
    ngx_str_t *customer)
{
    ngx_str_t  argv[4];

    ngx_str_set(&argv[0], "SET");
    argv[1] = *known;
    argv[2] = *customer;
    ngx_str_set(&argv[3], "NX");

    if (ngx_shop_redis_add(op, 4, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_kept_find(op, known);
}
