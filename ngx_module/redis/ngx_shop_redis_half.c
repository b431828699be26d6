
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * One of the two connections of a channel.  Commands go out at once, and each
 * reply is given to the function that was named with its command, in their
 * order; what comes by itself is for the channel to know.
 *
 * What fails returns a text that says why.  Event handlers give it to
 * ngx_shop_redis_channel_fail(), which closes both connections.
 */


static void ngx_shop_redis_half_write_handler(ngx_event_t *wev);
static const char *ngx_shop_redis_half_write(ngx_shop_redis_half_t *half);
static void ngx_shop_redis_half_read_handler(ngx_event_t *rev);
static const char *ngx_shop_redis_half_read(ngx_shop_redis_half_t *half);
static const char *ngx_shop_redis_half_replies(ngx_shop_redis_half_t *half);


const char *
ngx_shop_redis_half_init(ngx_shop_redis_half_t *half, ngx_connection_t *c,
    ngx_log_t *log)
{
    c->data = half;
    c->idle = 1;
    c->log = log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_shop_redis_half_read_handler;
    c->write->handler = ngx_shop_redis_half_write_handler;

    half->connection = c;
    half->pos = half->out;
    half->last = half->out;

    half->reader = ngx_shop_redis_reader_create();
    half->pool = ngx_create_pool(NGX_SHOP_REDIS_POOL_SIZE, ngx_cycle->log);

    if (half->reader == NULL || half->pool == NULL) {
        return "no memory";
    }

    return NULL;
}


const char *
ngx_shop_redis_half_send(ngx_shop_redis_half_t *half, ngx_uint_t argc,
    ngx_str_t *argv, ngx_shop_redis_expect_pt expect)
{
    ngx_str_t  wire;

    if (half->pos == half->last) {
        half->pos = half->out;
        half->last = half->out;
    }

    if (half->nexpected == NGX_SHOP_REDIS_HALF_EXPECTED
        || ngx_shop_redis_format(half->pool, argc, argv, &wire) != NGX_OK
        || wire.len > (size_t) (half->out + sizeof(half->out) - half->last))
    {
        return "has no room";
    }

    half->last = ngx_cpymem(half->last, wire.data, wire.len);

    /* the password may be in there */

    ngx_shop_zero(wire.data, wire.len);

    half->expected[half->nexpected++] = expect;

    return ngx_shop_redis_half_write(half);
}


static void
ngx_shop_redis_half_write_handler(ngx_event_t *wev)
{
    const char             *err;
    ngx_connection_t       *c;
    ngx_shop_redis_half_t  *half;

    c = wev->data;
    half = c->data;

    err = ngx_shop_redis_half_write(half);

    if (err) {
        ngx_shop_redis_channel_fail(half->channel, err);
    }
}


static const char *
ngx_shop_redis_half_write(ngx_shop_redis_half_t *half)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = half->connection;

    while (half->pos < half->last && c->write->ready) {

        n = c->send(c, half->pos, half->last - half->pos);

        if (n == NGX_ERROR) {
            return "was closed";
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        ngx_shop_zero(half->pos, n);
        half->pos += n;
    }

    return ngx_handle_write_event(c->write, 0) == NGX_OK ? NULL
                                                         : "was closed";
}


static void
ngx_shop_redis_half_read_handler(ngx_event_t *rev)
{
    const char             *err;
    ngx_connection_t       *c;
    ngx_shop_redis_half_t  *half;

    c = rev->data;
    half = c->data;

    if (c->close) {

        /* the worker shuts down, another may begin at once */

        ngx_shop_redis_channel_stop(half->channel);
        return;
    }

    err = ngx_shop_redis_half_read(half);

    if (err) {
        ngx_shop_redis_channel_fail(half->channel, err);
    }
}


static const char *
ngx_shop_redis_half_read(ngx_shop_redis_half_t *half)
{
    ssize_t            n;
    const char        *err;
    ngx_connection_t  *c;
    u_char             buf[NGX_SHOP_REDIS_BUFFER_SIZE];

    c = half->connection;

    do {
        n = c->recv(c, buf, NGX_SHOP_REDIS_BUFFER_SIZE);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0 || n == NGX_ERROR) {
            return "was closed";
        }

        if (ngx_shop_redis_reader_feed(half->reader, buf, n) != NGX_OK) {
            return "sent what is no reply";
        }

        err = ngx_shop_redis_half_replies(half);

        if (err) {
            return err;
        }

    } while (c->read->ready);

    return ngx_handle_read_event(c->read, 0) == NGX_OK ? NULL : "was closed";
}


static const char *
ngx_shop_redis_half_replies(ngx_shop_redis_half_t *half)
{
    ngx_int_t                  rc;
    const char                *err;
    ngx_shop_redis_reply_t    *reply;
    ngx_shop_redis_expect_pt   expect;

    while (ngx_shop_redis_reader_more(half->reader)) {

        rc = ngx_shop_redis_reader_next(half->reader, half->pool, &reply);

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc == NGX_ERROR) {
            return "sent what is no reply";
        }

        if (!ngx_shop_redis_channel_told(half, reply)) {

            if (half->nexpected == 0) {
                return "sent a reply that nobody asked for";
            }

            expect = half->expected[0];

            half->nexpected--;
            ngx_memmove(&half->expected[0], &half->expected[1],
                        half->nexpected * sizeof(half->expected[0]));

            err = expect(half->channel, reply);

            if (err) {
                return err;
            }
        }

        ngx_reset_pool(half->pool);
    }

    return NULL;
}


void
ngx_shop_redis_half_close(ngx_shop_redis_half_t *half)
{
    ngx_shop_peer_cancel(&half->peer);

    if (half->connection) {
        ngx_shop_peer_close(half->connection);
        half->connection = NULL;
    }

    /* the reader before the pool, which holds what it has half-read */

    if (half->reader) {
        ngx_shop_redis_reader_free(half->reader);
        half->reader = NULL;
    }

    if (half->pool) {
        ngx_destroy_pool(half->pool);
        half->pool = NULL;
    }

    if (half->pos < half->last) {
        ngx_shop_zero(half->pos, half->last - half->pos);
    }

    half->pos = half->out;
    half->last = half->out;
    half->nexpected = 0;
}
