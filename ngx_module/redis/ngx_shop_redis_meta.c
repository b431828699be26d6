
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
 *
 * A newer schema was written by a newer version, which may keep things that
 * this one knows nothing of, and would spoil.  So it reads, and does not
 * write.  That can come to be while connections are open, in the course of
 * an upgrade, and be taken back.  So a write goes out only on a word of
 * "shop:meta" that is no older than a second.  Whoever comes when it is half
 * a second old asks again, and nobody waits for that; when it is older, all
 * writes wait for the answer, and so does each while the word is no, which
 * is how a better one is noticed.  Where no answer can be had, the last word
 * counts: a node of a cluster that is away with this one key does not stop
 * all others.
 */


#define NGX_SHOP_REDIS_META_INTERVAL  500   /* milliseconds */
#define NGX_SHOP_REDIS_META_AGE       1000


static void ngx_shop_redis_meta_schema(ngx_shop_redis_t *redis,
    int64_t schema, ngx_log_t *log);
static void ngx_shop_redis_meta_seeded(ngx_shop_redis_t *redis);
static ngx_int_t ngx_shop_redis_meta_ask(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply, const char **reason);
static void ngx_shop_redis_meta_handler(ngx_shop_redis_op_t *op);


ngx_int_t
ngx_shop_redis_meta_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op)
{
    ngx_str_t  argv[5];

    ngx_str_set(&argv[0], "HMGET");
    ngx_str_set(&argv[2], "schema");
    ngx_str_set(&argv[3], "partitions");
    ngx_str_set(&argv[4], "seed");

    if (ngx_shop_redis_plain_key(redis, op->pool, "meta", &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 5, argv);
}


ngx_int_t
ngx_shop_redis_meta_check(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply, ngx_uint_t level, ngx_log_t *log)
{
    int64_t     schema, partitions;
    ngx_int_t   rc, src, prc;
    ngx_str_t   seed;
    ngx_uint_t  i;
    u_char      bytes[sizeof(redis->seed)];

    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts != 3) {
        ngx_log_error(level, log, 0,
                      "redis gave no proper answer to HMGET");
        return NGX_ERROR;
    }

    src = ngx_shop_redis_number(reply, 0, &schema);
    prc = ngx_shop_redis_number(reply, 1, &partitions);
    rc = ngx_shop_redis_text(reply, 2, &seed);

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

        /* not for us to complete */

        if (src == NGX_OK && schema > NGX_SHOP_REDIS_SCHEMA) {
            goto malformed;
        }

        return NGX_DECLINED;
    }

    for (i = 0; i < sizeof(redis->seed); i++) {

        rc = ngx_hextoi(seed.data + 2 * i, 2);
        if (rc == NGX_ERROR) {
            goto malformed;
        }

        bytes[i] = (u_char) rc;
    }

    ngx_memcpy(redis->seed, bytes, sizeof(bytes));

    ngx_shop_redis_meta_schema(redis, schema, log);
    ngx_shop_redis_meta_seeded(redis);

    redis->checked = ngx_current_msec;
    redis->known = 1;

    return NGX_OK;

malformed:

    ngx_log_error(level, log, 0,
                  "\"%Vmeta\" is not as this module writes it",
                  &redis->prefix);

    return NGX_ERROR;
}


/* of all workers, one says that it has changed */

static void
ngx_shop_redis_meta_schema(ngx_shop_redis_t *redis, int64_t schema,
    ngx_log_t *log)
{
    const char         *reason;
    ngx_atomic_t       *seen;
    ngx_atomic_uint_t   before;

    reason = (schema > NGX_SHOP_REDIS_SCHEMA) ? "redis_schema" : NULL;

    redis->no_write = reason;

    seen = &redis->figures->counters[NGX_SHOP_REDIS_SCHEMA_SEEN];
    before = *seen;

    if (before == (ngx_atomic_uint_t) schema
        || !ngx_atomic_cmp_set(seen, before, (ngx_atomic_uint_t) schema))
    {
        return;
    }

    if (reason) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "\"%Vmeta\" says schema %L, this version knows %d: "
                      "a newer one writes there, this one only reads",
                      &redis->prefix, schema, NGX_SHOP_REDIS_SCHEMA);

    } else if (before > NGX_SHOP_REDIS_SCHEMA) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "\"%Vmeta\" says schema %L, this version writes again",
                      &redis->prefix, schema);
    }
}


/*
 * A worker may answer out of the cache for long before it asks Redis of
 * anything itself: the zone keeps the seed for it.
 */

static void
ngx_shop_redis_meta_seeded(ngx_shop_redis_t *redis)
{
    uint32_t       word;
    ngx_uint_t     i;
    ngx_atomic_t  *words;

    words = &redis->figures->counters[NGX_SHOP_REDIS_SEED];

    for (i = 0; i < NGX_SHOP_REDIS_SEED_WORDS; i++) {
        ngx_memcpy(&word, redis->seed + i * sizeof(word), sizeof(word));

        /* who is leaving may ask another Redis than those who stay */

        if (words[i] != word && !ngx_exiting) {
            words[i] = word;
        }
    }

    redis->seeded = 1;
}


u_char *
ngx_shop_redis_seed(ngx_shop_redis_t *redis)
{
    uint32_t       word;
    ngx_uint_t     i, any;
    ngx_atomic_t  *words;

    if (redis->seeded) {
        return redis->seed;
    }

    words = &redis->figures->counters[NGX_SHOP_REDIS_SEED];
    any = 0;

    for (i = 0; i < NGX_SHOP_REDIS_SEED_WORDS; i++) {
        word = (uint32_t) words[i];
        any |= word;

        ngx_memcpy(redis->seed + i * sizeof(word), &word, sizeof(word));
    }

    return any ? redis->seed : NULL;
}


ngx_int_t
ngx_shop_redis_meta_allows(ngx_shop_redis_t *redis, const char **reason)
{
    ngx_msec_t  age;
    ngx_uint_t  needed;

    /* those who waited for an answer come in the same millisecond */

    age = ngx_current_msec - redis->checked;

    needed = !redis->known
             || age >= NGX_SHOP_REDIS_META_AGE
             || (redis->no_write != NULL && age > 0);

    if (!redis->checking
        && (needed || age >= NGX_SHOP_REDIS_META_INTERVAL)
        && ngx_shop_redis_meta_ask(redis, NULL, reason) != NGX_OK
        && !redis->known)
    {
        return NGX_ERROR;
    }

    if (redis->checking && needed) {
        return NGX_AGAIN;
    }

    if (redis->no_write == NULL) {
        return NGX_OK;
    }

    ngx_shop_count(redis->figures, NGX_SHOP_REDIS_SCHEMA_REFUSED);

    *reason = redis->no_write;

    return NGX_ERROR;
}


/* asks, or completes "reply" and asks */

static ngx_int_t
ngx_shop_redis_meta_ask(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply, const char **reason)
{
    ngx_int_t             rc;
    ngx_shop_redis_op_t  *op;

    *reason = "redis_unavailable";

    op = ngx_shop_redis_topology_op(redis, NGX_SHOP_REDIS_META_COMMANDS,
                                    ngx_shop_redis_meta_handler);
    if (op == NULL) {
        return NGX_ERROR;
    }

    rc = reply ? ngx_shop_redis_meta_create(redis, op, reply)
               : ngx_shop_redis_meta_read(redis, op);

    if (rc == NGX_OK) {

        if (ngx_shop_redis_submit(op) == NGX_AGAIN) {
            redis->checking = 1;
            return NGX_OK;
        }

        *reason = op->reason;
    }

    ngx_shop_redis_destroy(op);

    return NGX_ERROR;
}


static void
ngx_shop_redis_meta_handler(ngx_shop_redis_op_t *op)
{
    ngx_int_t                rc;
    const char              *reason;
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_reply_t  *reply;

    redis = op->data;
    redis->checking = 0;

    if (redis->exiting) {
        ngx_shop_redis_destroy(op);
        return;
    }

    reply = op->replies[op->ncommands - 1];

    if (op->rc == NGX_OK && reply->type != NGX_SHOP_REDIS_FAULT) {

        rc = ngx_shop_redis_meta_check(redis, reply,
                                       redis->no_write ? NGX_LOG_INFO
                                                       : NGX_LOG_ERR,
                                       redis->cycle->log);

        if (rc == NGX_DECLINED && op->ncommands == 1
            && ngx_shop_redis_meta_ask(redis, reply, &reason) == NGX_OK)
        {
            ngx_shop_redis_destroy(op);
            return;
        }

        if (rc != NGX_OK) {
            redis->no_write = "redis_refused";
        }

        redis->known = 1;
    }

    ngx_shop_redis_destroy(op);

    /* those who wait go on, with an answer or without */

    redis->checked = ngx_current_msec;

    ngx_shop_redis_route_writes(redis);
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

    if (ngx_shop_redis_plain_key(redis, op->pool, "meta", &argv[1])
        != NGX_OK)
    {
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
