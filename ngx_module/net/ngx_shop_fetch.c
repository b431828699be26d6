
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net_internal.h"


/*
 * One exchange, on a connection that was kept or a new one:
 *
 *     start --> kept? --- no ---> connect --> send --> read --> done
 *                 |                  ^         ^        |
 *                 `------ yes -------|---------'        |
 *                                    |                  |
 *                                    `-- once, where a kept one was dead
 *
 * One timer bounds all of it.  Whatever ends an exchange goes through
 * ngx_shop_fetch_done(), which keeps or closes the connection before the
 * owner hears of it; ngx_shop_fetch_free() is the same door without the
 * callback.
 *
 * Reading and writing are independent: a server may answer, and close,
 * before it has read the request.  When a write fails, what it said before
 * is still read; the answer then counts, but the connection is not kept.
 *
 * The log is a copy of the owner's, with a handler of our own which adds the
 * host, so that nginx's own lines about the connection name it, too.  URLs,
 * header values and bodies are never logged: they hold codes and secrets.
 * The request and what was read are zeroed when the fetch is freed.
 */


#define NGX_SHOP_FETCH_BUFFER_SIZE  8192
#define NGX_SHOP_FETCH_MAX_BODY     65536
#define NGX_SHOP_FETCH_TIMEOUT      10000


static ngx_int_t ngx_shop_fetch_connect(ngx_shop_exchange_t *x);
static void ngx_shop_fetch_peer_handler(ngx_shop_peer_t *peer);
static void ngx_shop_fetch_use(ngx_shop_exchange_t *x, ngx_connection_t *c);
static void ngx_shop_fetch_write_handler(ngx_event_t *wev);
static void ngx_shop_fetch_read_handler(ngx_event_t *rev);
static void ngx_shop_fetch_closed(ngx_shop_exchange_t *x, ngx_uint_t eof);
static ngx_uint_t ngx_shop_fetch_repeatable(ngx_shop_exchange_t *x);
static void ngx_shop_fetch_timeout_handler(ngx_event_t *ev);
static void ngx_shop_fetch_done(ngx_shop_exchange_t *x, ngx_int_t rc,
    const char *reason);
static void ngx_shop_fetch_clean(ngx_shop_exchange_t *x);
static u_char *ngx_shop_fetch_log(ngx_log_t *log, u_char *buf, size_t len);


/* RFC 9110 9.2.2 */

static const char  *ngx_shop_fetch_idempotent[] = {
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    NULL
};


ngx_shop_fetch_t *
ngx_shop_fetch_create(ngx_shop_net_t *net, ngx_log_t *log)
{
    ngx_pool_t           *pool;
    ngx_shop_fetch_t     *fetch;
    ngx_shop_exchange_t  *x;

    pool = ngx_create_pool(4096, log);
    if (pool == NULL) {
        return NULL;
    }

    x = ngx_pcalloc(pool, sizeof(ngx_shop_exchange_t));
    if (x == NULL) {
        goto failed;
    }

    x->net = net;
    x->owner_log = log;

    x->log = *log;
    x->log.handler = ngx_shop_fetch_log;
    x->log.data = x;
    x->log.action = NULL;

    x->timer.handler = ngx_shop_fetch_timeout_handler;
    x->timer.data = x;
    x->timer.log = &x->log;

    fetch = &x->fetch;

    fetch->state = x;
    fetch->pool = pool;
    fetch->log = &x->log;
    fetch->rc = NGX_AGAIN;
    fetch->max_body = NGX_SHOP_FETCH_MAX_BODY;
    fetch->timeout = NGX_SHOP_FETCH_TIMEOUT;
    ngx_str_set(&fetch->method, "GET");

    if (ngx_array_init(&fetch->headers, pool, 4,
                       sizeof(ngx_shop_fetch_header_t))
        != NGX_OK)
    {
        goto failed;
    }

    return fetch;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


ngx_int_t
ngx_shop_fetch_start(ngx_shop_fetch_t *fetch)
{
    ngx_int_t             rc;
    ngx_connection_t     *c;
    ngx_shop_exchange_t  *x;

    x = fetch->state;

    if (x->request) {
        ngx_log_error(NGX_LOG_ALERT, &x->log, 0, "fetch was started twice");
        return NGX_ERROR;
    }

    fetch->reason = "internal";

    if (ngx_shop_fetch_request(x) != NGX_OK) {
        fetch->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    x->buffer = ngx_create_temp_buf(fetch->pool, NGX_SHOP_FETCH_BUFFER_SIZE);
    if (x->buffer == NULL) {
        fetch->rc = NGX_ERROR;
        return NGX_ERROR;
    }

    x->most = x->buffer->start;

    x->active = 1;

    c = ngx_shop_fetch_kept(x);

    if (c) {
        x->kept = 1;

        ngx_shop_fetch_use(x, c);

        /* what is found out now must not come before the return */

        ngx_post_event(c->write, &ngx_posted_next_events);

        rc = NGX_AGAIN;

    } else {
        rc = ngx_shop_fetch_connect(x);
    }

    if (rc != NGX_AGAIN) {
        fetch->rc = NGX_ERROR;
        ngx_shop_fetch_clean(x);

        return NGX_ERROR;
    }

    ngx_add_timer(&x->timer, fetch->timeout);

    return NGX_AGAIN;
}


void
ngx_shop_fetch_free(ngx_shop_fetch_t *fetch)
{
    ngx_shop_exchange_t  *x;

    x = fetch->state;

    if (x->active) {
        ngx_shop_fetch_clean(x);
    }

    if (x->request) {
        ngx_shop_zero(x->request->start, x->request->end - x->request->start);
    }

    if (x->buffer) {
        ngx_shop_zero(x->buffer->start, x->most - x->buffer->start);
    }

    if (x->parser.body) {
        ngx_shop_zero(x->parser.body->start,
                      x->parser.body->last - x->parser.body->start);
    }

    ngx_destroy_pool(fetch->pool);
}


static ngx_int_t
ngx_shop_fetch_connect(ngx_shop_exchange_t *x)
{
    ngx_int_t         rc;
    ngx_shop_net_t   *net;
    ngx_shop_url_t   *url;
    ngx_shop_peer_t  *peer;

    net = x->net;
    url = &x->fetch.url;
    peer = &x->peer;

    x->kept = 0;
    x->received = 0;
    x->broken = 0;
    x->idle = NULL;

    x->conf.host = url->host;
    x->conf.port = url->port;
    x->conf.ssl = url->secure ? net->ssl : NULL;
    x->conf.resolver = net->resolver;
    x->conf.resolver_timeout = net->resolver_timeout;
    x->conf.connect_timeout = net->connect_timeout;

    peer->conf = &x->conf;
    peer->handler = ngx_shop_fetch_peer_handler;
    peer->data = x;
    peer->log = &x->log;

    rc = ngx_shop_peer_connect(peer);

    if (rc == NGX_ERROR) {
        x->fetch.reason = peer->reason;
    }

    return rc;
}


static void
ngx_shop_fetch_peer_handler(ngx_shop_peer_t *peer)
{
    ngx_connection_t     *c;
    ngx_shop_exchange_t  *x;

    x = peer->data;

    if (peer->rc != NGX_OK) {
        ngx_shop_fetch_done(x, NGX_ERROR, peer->reason);
        return;
    }

    c = peer->connection;

    ngx_shop_fetch_use(x, c);

#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF

    /*
     * nginx takes a TLS connection that was cut for one that was closed:
     * here the end of a body may depend on the difference
     */

    if (c->ssl) {
        SSL_clear_options(c->ssl->connection, SSL_OP_IGNORE_UNEXPECTED_EOF);
    }

#endif

    ngx_shop_fetch_write_handler(c->write);
}


static void
ngx_shop_fetch_use(ngx_shop_exchange_t *x, ngx_connection_t *c)
{
    x->connection = c;
    x->log.action = "sending request";

    ngx_shop_fetch_parser_init(&x->parser, x->fetch.pool, x->fetch.max_body);

    x->parser.head = ngx_shop_text_is_caseless(&x->fetch.method, "HEAD");

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    c->idle = 0;
    c->data = x;
    c->read->handler = ngx_shop_fetch_read_handler;
    c->write->handler = ngx_shop_fetch_write_handler;

    ngx_shop_fetch_set_log(c, &x->log);
}


static void
ngx_shop_fetch_write_handler(ngx_event_t *wev)
{
    ssize_t               n;
    ngx_buf_t            *b;
    ngx_connection_t     *c;
    ngx_shop_exchange_t  *x;

    c = wev->data;
    x = c->data;
    b = x->request;

    while (b->pos < b->last && !x->broken) {

        n = c->send(c, b->pos, b->last - b->pos);

        if (n > 0) {
            b->pos += n;
            continue;
        }

        if (n == NGX_ERROR) {
            x->broken = 1;
            break;
        }

        /* NGX_AGAIN, or 0 */

        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_shop_fetch_done(x, NGX_ERROR, "internal");
        }

        return;
    }

    if (ngx_handle_write_event(wev, 0) != NGX_OK) {
        ngx_shop_fetch_done(x, NGX_ERROR, "internal");
        return;
    }

    x->log.action = "reading response";

    /* an event may have come before there was a handler for it */

    ngx_shop_fetch_read_handler(c->read);
}


static void
ngx_shop_fetch_read_handler(ngx_event_t *rev)
{
    u_char               *pos;
    ssize_t               n;
    ngx_int_t             rc;
    ngx_buf_t            *b;
    ngx_connection_t     *c;
    ngx_shop_exchange_t  *x;

    c = rev->data;
    x = c->data;
    b = x->buffer;

    for ( ;; ) {
        n = c->recv(c, b->start, b->end - b->start);

        if (n == NGX_AGAIN) {

            if (x->broken) {
                ngx_shop_fetch_closed(x, 0);
                return;
            }

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_shop_fetch_done(x, NGX_ERROR, "internal");
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_shop_fetch_closed(x, n == 0);
            return;
        }

        x->received = 1;

        b->pos = b->start;
        b->last = b->start + n;

        x->most = ngx_max(x->most, b->last);

        pos = b->pos;
        rc = ngx_shop_fetch_parse(&x->parser, &pos, b->last);
        b->pos = pos;

        if (rc == NGX_DONE) {
            ngx_shop_fetch_done(x, NGX_OK, NULL);
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_log_error(NGX_LOG_ERR, &x->log, 0,
                          "response was refused: %s", x->parser.detail);

            ngx_shop_fetch_done(x, NGX_ERROR, x->parser.reason);
            return;
        }
    }
}


/* "eof" is set where the end was in due form, else it was an error */

static void
ngx_shop_fetch_closed(ngx_shop_exchange_t *x, ngx_uint_t eof)
{
    ngx_connection_t  *c;

    if (eof && ngx_shop_fetch_parse_eof(&x->parser) == NGX_DONE) {
        ngx_shop_fetch_done(x, NGX_OK, NULL);
        return;
    }

    if (ngx_shop_fetch_repeatable(x)) {

        ngx_log_debug0(NGX_LOG_DEBUG_EVENT, &x->log, 0,
                       "shop fetch kept connection was dead");

        c = x->connection;
        x->connection = NULL;
        ngx_shop_peer_close(c);

        x->request->pos = x->request->start;

        if (ngx_shop_fetch_connect(x) == NGX_ERROR) {
            ngx_shop_fetch_done(x, NGX_ERROR, x->peer.reason);
        }

        return;
    }

    ngx_log_error(NGX_LOG_ERR, &x->log, 0,
                  "connection was closed before the response was whole");

    ngx_shop_fetch_done(x, NGX_ERROR, "closed");
}


/*
 * What was given to the kernel may have been read and done: RFC 9110 9.2.2
 * allows to repeat only what may be done twice.  That it is repeated once is
 * seen to by "kept", which a new connection never is.
 */

static ngx_uint_t
ngx_shop_fetch_repeatable(ngx_shop_exchange_t *x)
{
    ngx_uint_t  i;

    if (!x->kept || x->received) {
        return 0;
    }

    if (x->request->pos == x->request->start) {
        return 1;
    }

    for (i = 0; ngx_shop_fetch_idempotent[i]; i++) {
        if (ngx_shop_text_is_caseless(&x->fetch.method,
                                      ngx_shop_fetch_idempotent[i]))
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_shop_fetch_timeout_handler(ngx_event_t *ev)
{
    ngx_shop_exchange_t  *x;

    x = ev->data;

    ngx_log_error(NGX_LOG_ERR, &x->log, NGX_ETIMEDOUT,
                  "no response in time");

    ngx_shop_fetch_done(x, NGX_ERROR, "timeout");
}


static void
ngx_shop_fetch_done(ngx_shop_exchange_t *x, ngx_int_t rc, const char *reason)
{
    ngx_buf_t         *body;
    ngx_shop_fetch_t  *fetch;

    fetch = &x->fetch;

    fetch->rc = rc;
    fetch->reason = reason;

    if (rc == NGX_OK) {
        fetch->status = x->parser.status;
        fetch->content_type = x->parser.content_type;

        body = x->parser.body;

        if (body) {
            fetch->response.data = body->pos;
            fetch->response.len = body->last - body->pos;
        }

        ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &x->log, 0,
                       "shop fetch done, status %ui, %uz bytes",
                       fetch->status, fetch->response.len);

        ngx_shop_fetch_park(x);
    }

    ngx_shop_fetch_clean(x);

    fetch->handler(fetch);
}


static void
ngx_shop_fetch_clean(ngx_shop_exchange_t *x)
{
    ngx_connection_t  *c;

    x->active = 0;

    if (x->timer.timer_set) {
        ngx_del_timer(&x->timer);
    }

    ngx_shop_peer_cancel(&x->peer);

    c = x->connection;

    if (c) {
        x->connection = NULL;
        ngx_shop_peer_close(c);
    }
}


/* " while ..., peer: ..." and what the owner adds, but for its action */

static u_char *
ngx_shop_fetch_log(ngx_log_t *log, u_char *buf, size_t len)
{
    char                 *action;
    u_char               *p;
    ngx_log_t            *owner;
    ngx_shop_exchange_t  *x;

    x = log->data;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    p = ngx_snprintf(buf, len, ", peer: \"%V\"", &x->fetch.url.host);
    len -= p - buf;

    owner = x->owner_log;

    if (owner->handler) {
        action = owner->action;
        owner->action = NULL;

        p = owner->handler(owner, p, len);

        owner->action = action;
    }

    return p;
}
