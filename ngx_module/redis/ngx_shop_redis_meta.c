
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * "shop:meta" says how a shop's data is laid out.  What is missing in it is
 * written at the first start of a shop.  Customers are spread over partitions
 * by their id, so a worker with another number of them would look for
 * everybody in the wrong place, and must not begin.
 */


static ngx_int_t ngx_shop_redis_meta_key(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_str_t *key);


ngx_int_t
ngx_shop_redis_meta_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op)
{
    ngx_str_t  argv[5];

    ngx_str_set(&argv[0], "HMGET");
    ngx_str_set(&argv[2], "schema");
    ngx_str_set(&argv[3], "partitions");
    ngx_str_set(&argv[4], "seed");

    if (ngx_shop_redis_meta_key(redis, op->pool, &argv[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 5, argv);
}


static ngx_int_t
ngx_shop_redis_meta_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_str_t *key)
{
    ngx_str_t  *prefix;

    prefix = &redis->prefix;

    key->len = prefix->len + sizeof("meta") - 1;

    key->data = ngx_pnalloc(pool, key->len);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(key->data, "%Vmeta", prefix);

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_meta_check(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply, ngx_uint_t level, ngx_log_t *log)
{
    int64_t     schema, partitions;
    ngx_int_t   rc, src, prc;
    ngx_str_t   seed;
    ngx_uint_t  i;

    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts != 3) {
        ngx_log_error(level, log, 0,
                      "redis gave no proper answer to HMGET");
        return NGX_ERROR;
    }

    src = ngx_shop_redis_number(reply, 0, &schema);
    prc = ngx_shop_redis_number(reply, 1, &partitions);
    rc = ngx_shop_redis_text(reply, 2, &seed);

    if (src == NGX_OK && schema > NGX_SHOP_REDIS_SCHEMA) {
        ngx_log_error(level, log, 0,
                      "\"%Vmeta\" says schema %L, this version knows %d: "
                      "it was written by a newer one",
                      &redis->prefix, schema, NGX_SHOP_REDIS_SCHEMA);
        return NGX_ERROR;
    }

    if (prc == NGX_OK && partitions != (int64_t) redis->partitions) {
        ngx_log_error(level, log, 0,
                      "\"%Vmeta\" says partitions %L, configured %ui",
                      &redis->prefix, partitions, redis->partitions);
        return NGX_ERROR;
    }

    if (src == NGX_ERROR || prc == NGX_ERROR || rc == NGX_ERROR
        || (src == NGX_OK && schema < 1)
        || (rc == NGX_OK && seed.len != 2 * sizeof(redis->seed)))
    {
        goto malformed;
    }

    if (src == NGX_DECLINED || prc == NGX_DECLINED || rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    for (i = 0; i < sizeof(redis->seed); i++) {

        rc = ngx_hextoi(seed.data + 2 * i, 2);
        if (rc == NGX_ERROR) {
            goto malformed;
        }

        redis->seed[i] = (u_char) rc;
    }

    return NGX_OK;

malformed:

    ngx_log_error(level, log, 0,
                  "\"%Vmeta\" is not as this module writes it",
                  &redis->prefix);

    return NGX_ERROR;
}


/*
 * The first start of a shop.  Others may start at the same time: HSETNX
 * makes one of them win, and all read what came of it.
 */

ngx_int_t
ngx_shop_redis_meta_create(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_redis_reply_t *reply)
{
    ngx_str_t   argv[4];
    ngx_uint_t  i;
    u_char      seed[16];
    u_char      number[NGX_INT_T_LEN];

    static ngx_str_t  fields[] = {
        ngx_string("schema"),
        ngx_string("partitions"),
        ngx_string("seed")
    };

    ngx_str_set(&argv[0], "HSETNX");

    if (ngx_shop_redis_meta_key(redis, op->pool, &argv[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < 3; i++) {

        if (reply->elts[i]->type != NGX_SHOP_REDIS_NIL) {
            continue;
        }

        argv[2] = fields[i];

        if (i == 2) {
            if (ngx_shop_random(seed, sizeof(seed), op->log) != NGX_OK
                || ngx_shop_hex(op->pool, seed, sizeof(seed), &argv[3])
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

        } else {
            argv[3].data = number;
            argv[3].len = ngx_sprintf(number, "%ui",
                                      i == 0 ? NGX_SHOP_REDIS_SCHEMA
                                             : redis->partitions)
                          - number;
        }

        if (ngx_shop_redis_add(op, 4, argv) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_shop_redis_meta_read(redis, op);
}
