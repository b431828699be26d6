
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net_internal.h"


/*
 * Connections that wait for another request.
 *
 * A connection is kept only if nothing at all is left on it: no byte behind
 * the response in our buffer, in the buffer of OpenSSL or in the socket.
 * What a server sends unasked would be taken for the answer to the next
 * request, which may belong to another customer.  For the same reason any
 * event on an idle connection closes it, and one that is about to be used is
 * looked at once more.
 */


#define NGX_SHOP_FETCH_LIFETIME  600000         /* then ask the resolver */


static ngx_uint_t ngx_shop_fetch_quiet(ngx_connection_t *c);
static void ngx_shop_fetch_idle_close(ngx_shop_idle_t *idle);
static void ngx_shop_fetch_idle_handler(ngx_event_t *rev);
static void ngx_shop_fetch_empty_handler(ngx_event_t *ev);


void
ngx_shop_net_init(ngx_shop_net_t *net)
{
    ngx_memzero(net, sizeof(ngx_shop_net_t));

    /*
     * set by ngx_memzero():
     *
     *     net->ssl = NULL;
     *     net->resolver = NULL;
     *     net->nidle = 0;
     */

    net->resolver_timeout = 5000;
    net->connect_timeout = 3000;
    net->idle_timeout = 60000;
    net->max_idle = 8;

    ngx_queue_init(&net->idle);
}


void
ngx_shop_net_close_idle(ngx_shop_net_t *net)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&net->idle)) {
        q = ngx_queue_head(&net->idle);
        ngx_shop_fetch_idle_close(ngx_queue_data(q, ngx_shop_idle_t, queue));
    }
}


ngx_connection_t *
ngx_shop_fetch_kept(ngx_shop_exchange_t *x)
{
    ngx_str_t         *origin;
    ngx_queue_t       *q, *next;
    ngx_shop_idle_t   *idle;
    ngx_connection_t  *c;

    origin = &x->fetch.url.origin;

    for (q = ngx_queue_head(&x->net->idle);
         q != ngx_queue_sentinel(&x->net->idle);
         q = next)
    {
        next = ngx_queue_next(q);
        idle = ngx_queue_data(q, ngx_shop_idle_t, queue);
        c = idle->connection;

        if (idle->origin.len != origin->len
            || ngx_strncmp(idle->origin.data, origin->data, origin->len) != 0)
        {
            continue;
        }

        /* its event may be waiting in this very turn of the loop */

        if (!ngx_shop_fetch_quiet(c)) {
            ngx_shop_fetch_idle_close(idle);
            continue;
        }

        ngx_queue_remove(q);
        x->net->nidle--;
        x->idle = idle;

        ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &x->log, 0,
                       "shop fetch on kept connection fd:%d", c->fd);

        return c;
    }

    return NULL;
}


void
ngx_shop_fetch_park(ngx_shop_exchange_t *x)
{
    ngx_str_t         *origin;
    ngx_queue_t       *q;
    ngx_shop_net_t    *net;
    ngx_shop_idle_t   *idle;
    ngx_connection_t  *c;

    c = x->connection;
    net = x->net;
    origin = &x->fetch.url.origin;

    if (!x->parser.keepalive
        || x->broken
        || x->request->pos != x->request->last
        || x->buffer->pos != x->buffer->last
        || net->max_idle == 0
        || origin->len == 0
        || ngx_exiting
        || ngx_terminate
        || ngx_current_msec - c->start_time > NGX_SHOP_FETCH_LIFETIME
        || !ngx_shop_fetch_quiet(c))
    {
        return;
    }

    idle = x->idle;

    if (idle == NULL) {
        idle = ngx_palloc(c->pool, sizeof(ngx_shop_idle_t));
        if (idle == NULL) {
            return;
        }

        idle->net = net;
        idle->connection = c;
        idle->origin.len = origin->len;
        idle->origin.data = ngx_pstrdup(c->pool, origin);

        if (idle->origin.data == NULL) {
            return;
        }
    }

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return;
    }

    if (net->nidle >= net->max_idle) {
        q = ngx_queue_last(&net->idle);
        ngx_shop_fetch_idle_close(ngx_queue_data(q, ngx_shop_idle_t, queue));
    }

    ngx_queue_insert_head(&net->idle, &idle->queue);
    net->nidle++;

    x->connection = NULL;
    x->idle = NULL;

    c->data = idle;
    c->idle = 1;
    c->read->handler = ngx_shop_fetch_idle_handler;
    c->write->handler = ngx_shop_fetch_empty_handler;

    ngx_shop_fetch_set_log(c, ngx_cycle->log);

    ngx_add_timer(c->read, net->idle_timeout);
}


/* 1: open, and there is nothing to be read */

static ngx_uint_t
ngx_shop_fetch_quiet(ngx_connection_t *c)
{
    char     buf[1];
    ssize_t  n;

    if (c->read->eof || c->read->error || c->write->error) {
        return 0;
    }

    /* OpenSSL reads ahead */

    if (c->ssl
        && (SSL_has_pending(c->ssl->connection)
            || SSL_get_shutdown(c->ssl->connection)))
    {
        return 0;
    }

    n = recv(c->fd, buf, 1, MSG_PEEK);

    return n == -1 && ngx_socket_errno == NGX_EAGAIN;
}


static void
ngx_shop_fetch_idle_close(ngx_shop_idle_t *idle)
{
    ngx_queue_remove(&idle->queue);
    idle->net->nidle--;

    ngx_shop_peer_close(idle->connection);
}


/* data, the end, the timer, and nginx that wants connections closed */

static void
ngx_shop_fetch_idle_handler(ngx_event_t *rev)
{
    ngx_shop_idle_t   *idle;
    ngx_connection_t  *c;

    c = rev->data;
    idle = c->data;

    if (!c->close && !rev->timedout && ngx_shop_fetch_quiet(c)) {

        rev->ready = 0;

        if (ngx_handle_read_event(rev, 0) == NGX_OK) {
            return;
        }
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, rev->log, 0,
                   "shop fetch idle connection ends, fd:%d", c->fd);

    ngx_shop_fetch_idle_close(idle);
}


static void
ngx_shop_fetch_empty_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "shop fetch empty handler");
}


void
ngx_shop_fetch_set_log(ngx_connection_t *c, ngx_log_t *log)
{
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->pool->log = log;
}
