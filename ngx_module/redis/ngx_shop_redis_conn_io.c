
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * What goes over a connection, and which reply belongs to which command.
 *
 *              write                         read
 *     unsent ---------> out ---> socket       |
 *     run run run    (16 KB)                  v
 *        `------------> sent: run run run ---------> op->replies
 *                             oldest
 *
 * A submit only posts the write event, so what the requests of one turn of
 * the event loop ask goes out in one send().  Commands are copied to "out"
 * rather than sent by writev() from the operations: they are short, and an
 * operation has no hold on the socket then.
 */


static ngx_int_t ngx_shop_redis_conn_write(ngx_shop_redis_conn_t *conn);
static void ngx_shop_redis_conn_fill(ngx_shop_redis_conn_t *conn);
static void ngx_shop_redis_conn_read(ngx_shop_redis_conn_t *conn);
static ngx_int_t ngx_shop_redis_conn_replies(ngx_shop_redis_conn_t *conn);
static ngx_int_t ngx_shop_redis_conn_push(ngx_shop_redis_conn_t *conn);
static void ngx_shop_redis_conn_reply(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_run_t *run, ngx_shop_redis_reply_t *reply);


void
ngx_shop_redis_conn_write_handler(ngx_event_t *wev)
{
    ngx_connection_t       *c;
    ngx_shop_redis_conn_t  *conn;

    c = wev->data;
    conn = c->data;

    if (ngx_shop_redis_conn_write(conn) != NGX_OK) {
        ngx_shop_redis_conn_closed(conn);
        ngx_shop_redis_deliver(conn->redis);
    }
}


static ngx_int_t
ngx_shop_redis_conn_write(ngx_shop_redis_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = conn->connection;
    conn->log.action = "sending to redis";

    while (c->write->ready) {

        ngx_shop_redis_conn_fill(conn);

        if (conn->pos == conn->last) {
            break;
        }

        n = c->send(c, conn->pos, conn->last - conn->pos);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        conn->pos += n;
    }

    return ngx_handle_write_event(c->write, 0);
}


static void
ngx_shop_redis_conn_fill(ngx_shop_redis_conn_t *conn)
{
    size_t                 size, rest;
    ngx_str_t             *wire;
    ngx_queue_t           *q;
    ngx_shop_redis_run_t  *run;

    if (conn->pos == conn->last) {
        conn->pos = conn->out;
        conn->last = conn->out;
    }

    for ( ;; ) {

        run = conn->writing;

        if (run == NULL) {

            if (ngx_queue_empty(&conn->unsent)) {
                return;
            }

            q = ngx_queue_head(&conn->unsent);
            run = ngx_queue_data(q, ngx_shop_redis_run_t, queue);

            if (conn->state != NGX_SHOP_REDIS_READY
                && !ngx_shop_redis_state(run->op)->setup)
            {
                return;
            }

            ngx_queue_remove(q);
            ngx_queue_insert_tail(&conn->sent, q);

            run->started = 1;
            conn->writing = run;
        }

        while (run->ncopied < run->n) {

            wire = &run->wires[run->ncopied];
            size = conn->out + NGX_SHOP_REDIS_BUFFER_SIZE - conn->last;
            rest = wire->len - run->offset;

            if (rest > size) {
                conn->last = ngx_cpymem(conn->last, wire->data + run->offset,
                                        size);
                run->offset += size;
                return;
            }

            conn->last = ngx_cpymem(conn->last, wire->data + run->offset,
                                    rest);
            run->offset = 0;
            run->ncopied++;
        }

        conn->writing = NULL;
    }
}


void
ngx_shop_redis_conn_read_handler(ngx_event_t *rev)
{
    ngx_connection_t       *c;
    ngx_shop_redis_conn_t  *conn;

    c = rev->data;
    conn = c->data;

    if (c->close) {

        /* the worker shuts down, and this connection is idle */

        ngx_shop_redis_conn_close(conn, "redis_unavailable");

    } else {
        ngx_shop_redis_conn_read(conn);
    }

    ngx_shop_redis_deliver(conn->redis);
}


static void
ngx_shop_redis_conn_read(ngx_shop_redis_conn_t *conn)
{
    ssize_t            n;
    ngx_connection_t  *c;
    u_char             buf[NGX_SHOP_REDIS_BUFFER_SIZE];

    c = conn->connection;
    conn->log.action = "reading from redis";

    do {
        n = c->recv(c, buf, NGX_SHOP_REDIS_BUFFER_SIZE);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0 || n == NGX_ERROR) {
            ngx_shop_redis_conn_closed(conn);
            return;
        }

        conn->last_read = ngx_current_msec;

        if (ngx_shop_redis_reader_feed(conn->reader, buf, n) != NGX_OK
            || ngx_shop_redis_conn_replies(conn) != NGX_OK)
        {
            ngx_shop_redis_conn_fail(conn, "redis_unavailable", "malformed",
                                     0);
            return;
        }

    } while (c->read->ready);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_shop_redis_conn_closed(conn);
    }
}


static ngx_int_t
ngx_shop_redis_conn_replies(ngx_shop_redis_conn_t *conn)
{
    ngx_int_t                rc;
    ngx_queue_t             *q;
    ngx_shop_redis_run_t    *run;
    ngx_shop_redis_reply_t  *reply;

    while (ngx_shop_redis_reader_more(conn->reader)) {

        if (ngx_queue_empty(&conn->sent) || conn->push_pool) {

            if (conn->node->push == NULL) {
                goto unexpected;
            }

            rc = ngx_shop_redis_conn_push(conn);

            if (rc == NGX_AGAIN) {
                break;
            }

            if (rc == NGX_ERROR) {
                goto malformed;
            }

            continue;
        }

        q = ngx_queue_head(&conn->sent);
        run = ngx_queue_data(q, ngx_shop_redis_run_t, queue);

        if (run->nread == run->ncopied) {
            goto unexpected;
        }

        rc = ngx_shop_redis_reader_next(conn->reader, run->op->pool, &reply);

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc == NGX_ERROR) {
            goto malformed;
        }

        ngx_shop_redis_conn_reply(conn, run, reply);
    }

    return NGX_OK;

malformed:

    ngx_log_error(ngx_shop_redis_conn_level(conn, "malformed"), &conn->log, 0,
                  "redis sent a malformed reply: %s",
                  ngx_shop_redis_reader_error(conn->reader));

    return NGX_ERROR;

unexpected:

    ngx_log_error(ngx_shop_redis_conn_level(conn, "malformed"), &conn->log, 0,
                  "redis sent a reply that nobody asked for");

    return NGX_ERROR;
}


/* what came by itself, to a subscriber */

static ngx_int_t
ngx_shop_redis_conn_push(ngx_shop_redis_conn_t *conn)
{
    ngx_int_t                rc;
    ngx_shop_redis_reply_t  *reply;

    if (conn->push_pool == NULL) {
        conn->push_pool = ngx_create_pool(1024, ngx_cycle->log);
        if (conn->push_pool == NULL) {
            return NGX_ERROR;
        }
    }

    rc = ngx_shop_redis_reader_next(conn->reader, conn->push_pool, &reply);

    if (rc != NGX_OK) {
        return rc;
    }

    conn->node->push(conn->node, reply);

    ngx_destroy_pool(conn->push_pool);
    conn->push_pool = NULL;

    return NGX_OK;
}


static void
ngx_shop_redis_conn_reply(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_run_t *run, ngx_shop_redis_reply_t *reply)
{
    ngx_int_t                i;
    ngx_uint_t               fault;
    ngx_shop_redis_op_t     *op;
    ngx_shop_redis_state_t  *state;

    op = run->op;
    state = ngx_shop_redis_state(op);
    fault = (reply->type == NGX_SHOP_REDIS_FAULT);

    i = run->map ? run->map[run->nread] : (ngx_int_t) run->nread;

    if (++run->nread == run->n) {
        ngx_queue_remove(&run->queue);
        state->pending--;
    }

    ngx_shop_count(conn->node->figures, NGX_SHOP_REDIS_COMMANDS);

    if (fault) {
        ngx_shop_count(conn->node->figures, NGX_SHOP_REDIS_FAULTS);

        if (ngx_shop_redis_is_readonly(reply)) {
            ngx_shop_redis_node_outlived(conn->node);
        }
    }

    if (i < 0) {

        /* of SCRIPT LOAD: if it failed, so will EVALSHA that follows */

        if (fault) {
            ngx_shop_redis_note_fault(conn->node, reply, &conn->log);
        }

        return;
    }

    op->replies[i] = reply;

    if (fault && !state->setup
        && ngx_shop_redis_script_reload(op, i) != NGX_OK
        && !ngx_shop_redis_route_passes(op, reply))
    {
        ngx_shop_redis_note_fault(conn->node, reply, &conn->log);
    }

    if (state->pending) {
        return;
    }

    if (!state->setup) {
        ngx_shop_redis_node_took(conn->node, state->added);

        if (ngx_shop_redis_route_again(op) == NGX_OK) {

            /* it is on its way to another connection, or waits for one */

            ngx_shop_redis_conn_update(conn);
            return;
        }
    }

    ngx_shop_redis_finish(op, NGX_OK, NULL);
    ngx_shop_redis_conn_update(conn);
}
