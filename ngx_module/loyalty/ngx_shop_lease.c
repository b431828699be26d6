
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * The words that redis/lease.lua and redis/recall.lua take, and what they say.
 */


ngx_int_t
ngx_shop_lease_ask(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_lease_t *lease, ngx_uint_t wants)
{
    ngx_str_t  key, args[8];

    if (ngx_shop_redis_plain_key(redis, op->pool, "budget", &key) != NGX_OK) {
        return NGX_ERROR;
    }

    args[0] = lease->code;

    if (wants) {
        ngx_str_set(&args[4], "1");

    } else {
        ngx_str_set(&args[4], "0");
    }

    if (ngx_shop_decimal(op->pool, lease->partition, &args[1]) != NGX_OK
        || ngx_shop_decimal(op->pool, lease->budget, &args[2]) != NGX_OK
        || ngx_shop_decimal(op->pool, redis->partitions, &args[3]) != NGX_OK
        || ngx_shop_decimal(op->pool, lease->leased, &args[5]) != NGX_OK
        || ngx_shop_decimal(op->pool, lease->returned, &args[6]) != NGX_OK
        || ngx_shop_decimal(op->pool, lease->used, &args[7]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_lease, 1,
                                     &key, 8, args);
}


ngx_int_t
ngx_shop_lease_result(ngx_shop_redis_reply_t *reply, ngx_shop_lease_t *lease)
{
    int64_t    granted;
    ngx_str_t  word;

    if (ngx_shop_redis_text(reply, 0, &word) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_text_is(&word, "sold")) {
        return NGX_DECLINED;
    }

    if (ngx_shop_text_is(&word, "recall")) {
        return NGX_AGAIN;
    }

    if (!ngx_shop_text_is(&word, "given")
        || ngx_shop_redis_number(reply, 1, &granted) != NGX_OK
        || granted < 0)
    {
        return NGX_ERROR;
    }

    lease->granted = granted;

    return NGX_OK;
}


ngx_int_t
ngx_shop_lease_other(ngx_shop_redis_reply_t *reply, ngx_uint_t n,
    ngx_shop_lease_t *lease)
{
    int64_t  partition, granted;

    n = 1 + 2 * n;

    if (n >= reply->nelts) {
        return NGX_DONE;
    }

    if (ngx_shop_redis_number(reply, n, &partition) != NGX_OK
        || ngx_shop_redis_number(reply, n + 1, &granted) != NGX_OK
        || partition < 0 || granted < 0)
    {
        return NGX_ERROR;
    }

    lease->partition = (ngx_uint_t) partition;
    lease->granted = granted;

    return NGX_OK;
}


ngx_int_t
ngx_shop_lease_recall(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_lease_t *lease)
{
    ngx_str_t  key, args[2];

    args[0] = lease->code;

    if (ngx_shop_redis_partition_key(redis, op->pool, "budget",
                                     lease->partition, &key)
        != NGX_OK
        || ngx_shop_decimal(op->pool, lease->granted, &args[1]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_recall, 1,
                                     &key, 2, args);
}


ngx_int_t
ngx_shop_lease_recalled(ngx_shop_redis_reply_t *reply,
    ngx_shop_lease_t *lease)
{
    int64_t  leased, returned, used;

    if (ngx_shop_redis_number(reply, 0, &leased) != NGX_OK
        || ngx_shop_redis_number(reply, 1, &returned) != NGX_OK
        || ngx_shop_redis_number(reply, 2, &used) != NGX_OK
        || leased < 0 || returned < 0 || used < 0)
    {
        return NGX_ERROR;
    }

    lease->leased = leased;
    lease->returned = returned;
    lease->used = used;

    return NGX_OK;
}
