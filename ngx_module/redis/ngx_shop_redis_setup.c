
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
 * Who was named by a sentinel is asked for its ROLE besides: a sentinel that
 * was cut off names the master of yesterday, and that one may answer.  In a
 * cluster "shop:meta" is with one of the nodes, and the topology asks for it
 * (ngx_shop_redis_cluster.c); but some answer there must be, since whoever
 * is connected counts as alive.  Sentinels have no accounts of ours, and get
 * no introduction.
 */


/* of a setup: AUTH, SELECT, ROLE, HMGET; or PING; or three HSETNX, HMGET */

#define NGX_SHOP_REDIS_SETUP_COMMANDS  4
#define NGX_SHOP_REDIS_FAULT_LOGGED    128


static void ngx_shop_redis_setup_submit(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);
static void ngx_shop_redis_setup_handler(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_redis_setup_check(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_redis_setup_role(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_shop_redis_setup_create(ngx_shop_redis_conn_t *conn,
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

    if (conn->node->asker && redis->mode == NGX_SHOP_REDIS_SENTINEL) {
        ngx_shop_redis_conn_ready(conn);
        return NGX_OK;
    }

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

    if (redis->mode == NGX_SHOP_REDIS_CLUSTER) {

        /* a server that is frozen is connected to, but it does not answer */

        if (op->ncommands == 0) {
            ngx_str_set(&argv[0], "PING");

            if (ngx_shop_redis_add(op, 1, argv) != NGX_OK) {
                goto failed;
            }
        }

        ngx_shop_redis_setup_submit(conn, op);

        return NGX_OK;
    }

    if (redis->mode == NGX_SHOP_REDIS_SENTINEL) {
        ngx_str_set(&argv[0], "ROLE");

        if (ngx_shop_redis_add(op, 1, argv) != NGX_OK) {
            goto failed;
        }
    }

    if (ngx_shop_redis_meta_read(redis, op) != NGX_OK) {
        goto failed;
    }

    ngx_shop_redis_setup_submit(conn, op);

    return NGX_OK;

failed:

    ngx_shop_redis_destroy(op);

    return NGX_ERROR;
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

    if (conn->redis->mode == NGX_SHOP_REDIS_CLUSTER) {
        return NGX_OK;
    }

    if (conn->redis->mode == NGX_SHOP_REDIS_SENTINEL && !conn->created
        && ngx_shop_redis_setup_role(conn, op->replies[op->ncommands - 2])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    reply = op->replies[op->ncommands - 1];

    rc = ngx_shop_redis_meta_check(conn->redis, reply,
                                   ngx_shop_redis_conn_level(conn, "refused"),
                                   &conn->log);

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

    return ngx_shop_redis_setup_create(conn, reply);
}


static ngx_int_t
ngx_shop_redis_setup_role(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply)
{
    ngx_str_t  role;

    if (ngx_shop_redis_text(reply, 0, &role) == NGX_OK
        && ngx_shop_text_is(&role, "master"))
    {
        return NGX_OK;
    }

    ngx_log_error(ngx_shop_redis_conn_level(conn, "refused"), &conn->log, 0,
                  "redis is not the master that a sentinel takes it for");

    return NGX_ERROR;
}


static ngx_int_t
ngx_shop_redis_setup_create(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_reply_t *reply)
{
    ngx_shop_redis_op_t  *op;

    op = ngx_shop_redis_create(conn->redis, NGX_SHOP_REDIS_SETUP_COMMANDS,
                               &conn->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_shop_redis_state(op)->setup = 1;

    if (ngx_shop_redis_meta_create(conn->redis, op, reply) != NGX_OK) {
        ngx_shop_redis_destroy(op);
        return NGX_ERROR;
    }

    ngx_shop_redis_setup_submit(conn, op);

    return NGX_AGAIN;
}
