
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net.h"


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
 * A connection is kept only if nothing at all is left on it: no byte behind
 * the response in our buffer, in the buffer of OpenSSL or in the socket.
 * What a server sends unasked would be taken for the answer to the next
 * request, which may belong to another customer.  For the same reason any
 * event on an idle connection closes it, and one that is about to be used is
 * looked at once more.
 *
 * The log is a copy of the owner's, with a handler of our own which adds the
 * host, so that nginx's own lines about the connection name it, too.  URLs,
 * header values and bodies are never logged: they hold codes and secrets.
 * The request and what was read are zeroed when the fetch is freed.
 */


#define NGX_SHOP_FETCH_BUFFER_SIZE  8192
#define NGX_SHOP_FETCH_MAX_BODY     65536
#define NGX_SHOP_FETCH_TIMEOUT      10000
#define NGX_SHOP_FETCH_LIFETIME     600000      /* then ask the resolver */


/* an idle connection, allocated from its own pool; connection->data */

typedef struct {
    ngx_queue_t                queue;
    ngx_shop_net_t            *net;
    ngx_connection_t          *connection;
    ngx_str_t                  origin;
} ngx_shop_idle_t;


typedef struct {
    ngx_shop_fetch_t           fetch;

    ngx_shop_net_t            *net;
    ngx_shop_peer_conf_t       conf;
    ngx_shop_peer_t            peer;
    ngx_connection_t          *connection;
    ngx_event_t                timer;
    ngx_log_t                  log;
    ngx_log_t                 *owner_log;

    ngx_shop_idle_t           *idle;        /* of a kept connection */

    ngx_buf_t                 *request;
    ngx_buf_t                 *buffer;      /* what was read last */
    u_char                    *most;        /* end of the longest read */
    ngx_shop_fetch_parser_t    parser;

    unsigned                   active:1;
    unsigned                   kept:1;      /* the connection is not new */
    unsigned                   received:1;  /* a byte, on this connection */
    unsigned                   broken:1;    /* cannot be written to */
} ngx_shop_exchange_t;


static ngx_int_t ngx_shop_fetch_check(ngx_shop_exchange_t *x);
static ngx_int_t ngx_shop_fetch_request(ngx_shop_exchange_t *x);
static ngx_connection_t *ngx_shop_fetch_kept(ngx_shop_exchange_t *x);
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
static void ngx_shop_fetch_park(ngx_shop_exchange_t *x);
static ngx_uint_t ngx_shop_fetch_quiet(ngx_connection_t *c);
static void ngx_shop_fetch_idle_close(ngx_shop_idle_t *idle);
static void ngx_shop_fetch_idle_handler(ngx_event_t *rev);
static void ngx_shop_fetch_empty_handler(ngx_event_t *ev);
static void ngx_shop_fetch_set_log(ngx_connection_t *c, ngx_log_t *log);
static u_char *ngx_shop_fetch_log(ngx_log_t *log, u_char *buf, size_t len);
static ngx_uint_t ngx_shop_fetch_same(ngx_str_t *value, const char *text);
static ngx_uint_t ngx_shop_fetch_is_token(ngx_str_t *value);


/* these frame the request, or speak for this room */

static const char  *ngx_shop_fetch_reserved[] = {
    "Host",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Accept-Encoding",
    "Expect",
    "TE",
    "Trailer",
    "Upgrade",
    NULL
};


/* RFC 9110 9.2.2 */

static const char  *ngx_shop_fetch_idempotent[] = {
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    NULL
};


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
ngx_shop_fetch_header(ngx_shop_fetch_t *fetch, const char *name,
    ngx_str_t *value)
{
    size_t                    i;
    ngx_str_t                 field;
    ngx_shop_fetch_header_t  *header;

    field.len = ngx_strlen(name);
    field.data = (u_char *) name;

    if (!ngx_shop_fetch_is_token(&field)) {
        return NGX_ERROR;
    }

    for (i = 0; ngx_shop_fetch_reserved[i]; i++) {
        if (ngx_shop_fetch_same(&field, ngx_shop_fetch_reserved[i])) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < value->len; i++) {

        switch (value->data[i]) {

        case CR:
        case LF:
        case '\0':
            return NGX_ERROR;
        }
    }

    header = ngx_array_push(&fetch->headers);
    if (header == NULL) {
        return NGX_ERROR;
    }

    header->name = field;
    header->value = *value;

    return NGX_OK;
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

    if (ngx_shop_fetch_check(x) != NGX_OK
        || ngx_shop_fetch_request(x) != NGX_OK)
    {
        fetch->rc = NGX_ERROR;
        return NGX_ERROR;
    }

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


/*
 * The URL may have been put together by the owner: what could split the
 * request line is refused here, whoever looked before.
 */

static ngx_int_t
ngx_shop_fetch_check(ngx_shop_exchange_t *x)
{
    size_t             i;
    ngx_str_t         *host, *uri;
    ngx_shop_fetch_t  *fetch;

    fetch = &x->fetch;
    host = &fetch->url.host;
    uri = &fetch->url.uri;

    if (host->len == 0
        || uri->len == 0
        || fetch->url.port == 0
        || !ngx_shop_fetch_is_token(&fetch->method))
    {
        goto invalid;
    }

    for (i = 0; i < host->len; i++) {
        if (host->data[i] <= ' ' || host->data[i] >= 0x7f
            || ngx_strchr("/?#@\\", host->data[i]))
        {
            goto invalid;
        }
    }

    for (i = 0; i < uri->len; i++) {
        if (uri->data[i] <= ' ' || uri->data[i] >= 0x7f) {
            goto invalid;
        }
    }

    if (fetch->url.secure && x->net->ssl == NULL) {
        ngx_log_error(NGX_LOG_ERR, &x->log, 0, "https without a TLS context");
        fetch->reason = "tls";
        return NGX_ERROR;
    }

    if (!fetch->url.secure && !fetch->url.loopback) {
        ngx_log_error(NGX_LOG_ERR, &x->log, 0,
                      "plain http is for loopback addresses only");
        fetch->reason = "tls";
        return NGX_ERROR;
    }

    return NGX_OK;

invalid:

    ngx_log_error(NGX_LOG_ERR, &x->log, 0, "invalid method or URL to fetch");

    return NGX_ERROR;
}


static ngx_int_t
ngx_shop_fetch_request(ngx_shop_exchange_t *x)
{
    size_t                    len;
    u_char                   *p;
    ngx_str_t                *name;
    ngx_uint_t                i, accept, agent, length;
    ngx_shop_url_t           *url;
    ngx_shop_fetch_t         *fetch;
    ngx_shop_fetch_header_t  *header;

    fetch = &x->fetch;
    url = &fetch->url;

    accept = 0;
    agent = 0;

    /* RFC 9110 8.6: methods with a meaning for a body say that it is empty */

    length = fetch->body.len
             || ngx_shop_fetch_same(&fetch->method, "POST")
             || ngx_shop_fetch_same(&fetch->method, "PUT");

    len = fetch->method.len + 1 + url->uri.len + sizeof(" HTTP/1.1" CRLF) - 1
          + sizeof("Host: :65535" CRLF) - 1 + url->host.len
          + sizeof("User-Agent: ngx_shop" CRLF) - 1
          + sizeof("Accept: application/json" CRLF) - 1
          + sizeof("Connection: keep-alive" CRLF) - 1
          + sizeof("Content-Length: " CRLF) - 1 + NGX_SIZE_T_LEN
          + sizeof(CRLF) - 1
          + fetch->body.len;

    header = fetch->headers.elts;

    for (i = 0; i < fetch->headers.nelts; i++) {
        name = &header[i].name;

        len += name->len + header[i].value.len + sizeof(": " CRLF) - 1;

        if (ngx_shop_fetch_same(name, "Accept")) {
            accept = 1;

        } else if (ngx_shop_fetch_same(name, "User-Agent")) {
            agent = 1;
        }
    }

    x->buffer = ngx_create_temp_buf(fetch->pool, NGX_SHOP_FETCH_BUFFER_SIZE);
    if (x->buffer == NULL) {
        return NGX_ERROR;
    }

    x->most = x->buffer->start;

    x->request = ngx_create_temp_buf(fetch->pool, len);
    if (x->request == NULL) {
        return NGX_ERROR;
    }

    p = x->request->pos;

    p = ngx_sprintf(p, "%V %V HTTP/1.1" CRLF, &fetch->method, &url->uri);
    p = ngx_sprintf(p, "Host: %V", &url->host);

    if (url->port != (url->secure ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) url->port);
    }

    p = ngx_sprintf(p, CRLF);

    if (!agent) {
        p = ngx_sprintf(p, "User-Agent: ngx_shop" CRLF);
    }

    if (!accept) {
        p = ngx_sprintf(p, "Accept: application/json" CRLF);
    }

    p = ngx_sprintf(p, "Connection: keep-alive" CRLF);

    if (length) {
        p = ngx_sprintf(p, "Content-Length: %uz" CRLF, fetch->body.len);
    }

    for (i = 0; i < fetch->headers.nelts; i++) {
        p = ngx_sprintf(p, "%V: %V" CRLF, &header[i].name, &header[i].value);
    }

    p = ngx_sprintf(p, CRLF);

    if (fetch->body.len) {
        p = ngx_cpymem(p, fetch->body.data, fetch->body.len);
    }

    x->request->last = p;

    return NGX_OK;
}


/* the connection used last, if it is still good */

static ngx_connection_t *
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

    x->parser.head = ngx_shop_fetch_same(&x->fetch.method, "HEAD");

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
        if (ngx_shop_fetch_same(&x->fetch.method,
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


/* gives the connection to the idle ones, if it is fit for another request */

static void
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


static void
ngx_shop_fetch_set_log(ngx_connection_t *c, ngx_log_t *log)
{
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->pool->log = log;
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


static ngx_uint_t
ngx_shop_fetch_same(ngx_str_t *value, const char *text)
{
    return value->len == ngx_strlen(text)
           && ngx_strncasecmp(value->data, (u_char *) text, value->len) == 0;
}


/* RFC 9110 5.6.2 */

static ngx_uint_t
ngx_shop_fetch_is_token(ngx_str_t *value)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if ((ch >= 'a' && ch <= 'z')
            || (ch >= 'A' && ch <= 'Z')
            || (ch >= '0' && ch <= '9')
            || (ch != '\0' && ngx_strchr("!#$%&'*+-.^_`|~", ch)))
        {
            continue;
        }

        return 0;
    }

    return value->len != 0;
}
