
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * A new connection introduces itself: AUTH and SELECT where they are asked
 * for, and what "shop:meta" says, in one go.  It is an operation like any
 * other, but goes first, and no queue counts it.
 *
 * What is missing in "shop:meta" is written in a second round, at the first
 * start of a shop.  Customers are spread over partitions by their id, so a
 * worker with another number of them would look for everybody in the wrong
 * place, and must not begin.
 */


/* commands of a setup: AUTH, SELECT, HMGET; or three HSETNX, HMGET */

#define NGX_SHOP_REDIS_SETUP_COMMANDS  4
#define NGX_SHOP_REDIS_FAULT_LOGGED    128


static ngx_int_t ngx_shop_redis_setup_meta_read(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_redis_setup_meta_key(ngx_shop_redis_conn_t *conn,
    ngx_pool_t *pool, ngx_str_t *key);
static void ngx_shop_redis_setup_submit(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);
static void ngx_shop_redis_setup_handler(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_redis_setup_check(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_redis_setup_meta_check(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_shop_redis_setup_meta_create(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply);


ngx_int_t
ngx_shop_redis_setup(ngx_shop_redis_conn_t *conn)
{
    ngx_str_t             argv[3];
    ngx_uint_t            argc;
    ngx_shop_redis_t     *redis;
    ngx_shop_redis_op_t  *op;
    u_char                number[NGX_INT_T_LEN];

    redis = conn->redis;

    op = ngx_shop_redis_create(redis, NGX_SHOP_REDIS_SETUP_COMMANDS,
                               &conn->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_shop_redis_state(op)->setup = 1;

    if (redis->password.len) {
        argc = 0;

        ngx_str_set(&argv[argc], "AUTH");
        argc++;

        if (redis->user.len) {
            argv[argc++] = redis->user;
        }

        argv[argc++] = redis->password;

        if (ngx_shop_redis_add(op, argc, argv) != NGX_OK) {
            goto failed;
        }
    }

    if (redis->db) {
        ngx_str_set(&argv[0], "SELECT");
        argv[1].data = number;
        argv[1].len = ngx_sprintf(number, "%ui", redis->db) - number;

        if (ngx_shop_redis_add(op, 2, argv) != NGX_OK) {
            goto failed;
        }
    }

    if (ngx_shop_redis_setup_meta_read(conn, op) != NGX_OK) {
        goto failed;
    }

    ngx_shop_redis_setup_submit(conn, op);

    return NGX_OK;

failed:

    ngx_shop_redis_destroy(op);

    return NGX_ERROR;
}


static ngx_int_t
ngx_shop_redis_setup_meta_read(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op)
{
    ngx_str_t  argv[5];

    ngx_str_set(&argv[0], "HMGET");
    ngx_str_set(&argv[2], "schema");
    ngx_str_set(&argv[3], "partitions");
    ngx_str_set(&argv[4], "seed");

    if (ngx_shop_redis_setup_meta_key(conn, op->pool, &argv[1]) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 5, argv);
}


static ngx_int_t
ngx_shop_redis_setup_meta_key(ngx_shop_redis_conn_t *conn, ngx_pool_t *pool,
    ngx_str_t *key)
{
    ngx_str_t  *prefix;

    prefix = &conn->redis->prefix;

    key->len = prefix->len + sizeof("meta") - 1;

    key->data = ngx_pnalloc(pool, key->len);
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(key->data, "%Vmeta", prefix);

    return NGX_OK;
}


static void
ngx_shop_redis_setup_submit(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op)
{
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    op->handler = ngx_shop_redis_setup_handler;
    op->data = conn;

    state->conn = conn;
    state->run.op = op;
    state->run.wires = state->wires;
    state->run.n = op->ncommands;
    state->pending = 1;

    conn->setup = op;

    ngx_queue_insert_head(&conn->unsent, &state->run.queue);

    ngx_post_event(conn->connection->write, &ngx_posted_events);
}


static void
ngx_shop_redis_setup_handler(ngx_shop_redis_op_t *op)
{
    ngx_int_t               rc;
    ngx_shop_redis_conn_t  *conn;

    conn = op->data;
    conn->setup = NULL;
    conn->log.action = "setting up redis connection";

    rc = ngx_shop_redis_setup_check(conn, op);

    if (rc == NGX_OK) {
        ngx_shop_redis_conn_ready(conn);

    } else if (rc == NGX_ERROR) {
        ngx_shop_redis_conn_fail(conn, "redis_refused", "refused", 0);
    }

    ngx_shop_redis_destroy(op);
}


/*
 * NGX_OK: it may be used; NGX_AGAIN: one more round; NGX_ERROR: it may not.
 * Servers repeat the words of a command they do not know, so nothing but the
 * code is logged of an answer to AUTH.
 */

static ngx_int_t
ngx_shop_redis_setup_check(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op)
{
    u_char                  *p, *last;
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_shop_redis_reply_t  *reply;

    for (i = 0; i < op->ncommands; i++) {

        reply = op->replies[i];

        if (reply->type != NGX_SHOP_REDIS_FAULT) {
            continue;
        }

        last = reply->str.data + ngx_min(reply->str.len,
                                         NGX_SHOP_REDIS_FAULT_LOGGED);

        for (p = reply->str.data; p < last; p++) {

            if (*p == ' ' && conn->redis->password.len) {
                break;
            }

            if (*p < ' ' || *p > '~') {
                *p = '?';
            }
        }

        ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log,
                      0, "redis refuses the connection: \"%*s\"",
                      (size_t) (p - reply->str.data), reply->str.data);

        return NGX_ERROR;
    }

    reply = op->replies[op->ncommands - 1];

    rc = ngx_shop_redis_setup_meta_check(conn, reply);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (conn->created) {
        ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log,
                      0, "\"%Vmeta\" does not keep what is written to it",
                      &conn->redis->prefix);
        return NGX_ERROR;
    }

    conn->created = 1;

    return ngx_shop_redis_setup_meta_create(conn, reply);
}


/* NGX_DECLINED: something is missing */

static ngx_int_t
ngx_shop_redis_setup_meta_check(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply)
{
    int64_t            schema, partitions;
    ngx_int_t          rc, src, prc;
    ngx_str_t          seed;
    ngx_uint_t         i;
    ngx_shop_redis_t  *redis;

    redis = conn->redis;

    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts != 3) {
        ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log,
                      0, "redis gave no proper answer to HMGET");
        return NGX_ERROR;
    }

    src = ngx_shop_redis_number(reply, 0, &schema);
    prc = ngx_shop_redis_number(reply, 1, &partitions);
    rc = ngx_shop_redis_text(reply, 2, &seed);

    if (src == NGX_OK && schema > NGX_SHOP_REDIS_SCHEMA) {
        ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log,
                      0, "\"%Vmeta\" says schema %L, this version knows %d: "
                      "it was written by a newer one",
                      &redis->prefix, schema, NGX_SHOP_REDIS_SCHEMA);
        return NGX_ERROR;
    }

    if (prc == NGX_OK && partitions != (int64_t) redis->partitions) {
        ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log,
                      0, "\"%Vmeta\" says partitions %L, configured %ui",
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

    ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log, 0,
                  "\"%Vmeta\" is not as this module writes it",
                  &redis->prefix);

    return NGX_ERROR;
}


/*
 * The first start of a shop.  Others may start at the same time: HSETNX
 * makes one of them win, and all read what came of it.
 */

static ngx_int_t
ngx_shop_redis_setup_meta_create(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply)
{
    u_char                seed[16];
    ngx_str_t             argv[4];
    ngx_uint_t            i;
    ngx_shop_redis_t     *redis;
    ngx_shop_redis_op_t  *op;
    u_char                number[NGX_INT_T_LEN];

    static ngx_str_t  fields[] = {
        ngx_string("schema"),
        ngx_string("partitions"),
        ngx_string("seed")
    };

    redis = conn->redis;

    op = ngx_shop_redis_create(redis, NGX_SHOP_REDIS_SETUP_COMMANDS,
                               &conn->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_shop_redis_state(op)->setup = 1;

    ngx_str_set(&argv[0], "HSETNX");

    if (ngx_shop_redis_setup_meta_key(conn, op->pool, &argv[1]) != NGX_OK) {
        goto failed;
    }

    for (i = 0; i < 3; i++) {

        if (reply->elts[i]->type != NGX_SHOP_REDIS_NIL) {
            continue;
        }

        argv[2] = fields[i];

        if (i == 2) {
            if (ngx_shop_random(seed, sizeof(seed), &conn->log) != NGX_OK
                || ngx_shop_hex(op->pool, seed, sizeof(seed), &argv[3])
                   != NGX_OK)
            {
                goto failed;
            }

        } else {
            argv[3].data = number;
            argv[3].len = ngx_sprintf(number, "%ui",
                                      i == 0 ? NGX_SHOP_REDIS_SCHEMA
                                             : redis->partitions)
                          - number;
        }

        if (ngx_shop_redis_add(op, 4, argv) != NGX_OK) {
            goto failed;
        }
    }

    if (ngx_shop_redis_setup_meta_read(conn, op) != NGX_OK) {
        goto failed;
    }

    ngx_shop_redis_setup_submit(conn, op);

    return NGX_AGAIN;

failed:

    ngx_shop_redis_destroy(op);

    return NGX_ERROR;
}
