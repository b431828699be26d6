
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "net/ngx_shop_net_internal.h"


/*
 * From a name to a connection that can be written to:
 *
 *     resolve ---> open ---> handshake ---> done (NGX_OK)
 *        |         ^  |          |
 *        |         |  v          v
 *        |        the next address, if there is one
 *        |                |
 *        `----------------+---------------> done (NGX_ERROR)
 *
 * All that is outstanding hangs off the peer: the resolve, the connection
 * (in pc.connection until it is given away), the timer (on its write event),
 * the posted event.  ngx_shop_peer_clean() is the only door out and sees all
 * of them; cancel is that door without the callback.
 *
 * A callback never comes before the start has returned, which nginx does not
 * promise: ngx_resolve_name() may answer from its cache at once, and
 * connect() to a unix socket may succeed at once, so what is known too early
 * goes through a posted event.
 */


#define NGX_SHOP_PEER_CONNECT_TIMEOUT  3000


static ngx_int_t ngx_shop_peer_prepare(ngx_shop_peer_t *peer);
static void ngx_shop_peer_event_handler(ngx_event_t *ev);
static ngx_int_t ngx_shop_peer_run(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_open(ngx_shop_peer_t *peer);
#if (NGX_HAVE_INET6)
static ngx_uint_t ngx_shop_peer_has_inet6(void);
#endif
static void ngx_shop_peer_connect_handler(ngx_event_t *ev);
static ngx_int_t ngx_shop_peer_connected(ngx_shop_peer_t *peer);
static void ngx_shop_peer_done(ngx_shop_peer_t *peer, ngx_int_t rc);
static void ngx_shop_peer_clean(ngx_shop_peer_t *peer);
static void ngx_shop_peer_empty_handler(ngx_event_t *ev);


ngx_int_t
ngx_shop_peer_connect(ngx_shop_peer_t *peer)
{
    ngx_int_t  rc;

    if (peer->active) {
        ngx_log_error(NGX_LOG_ALERT, peer->log, 0,
                      "peer \"%V\" was started twice", &peer->name);
        return NGX_ERROR;
    }

    rc = ngx_shop_peer_prepare(peer);

    if (rc == NGX_OK) {
        rc = ngx_shop_peer_local(peer);
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_shop_peer_resolve(peer);

    } else if (rc == NGX_OK) {
        rc = ngx_shop_peer_run(peer);
    }

    if (rc == NGX_OK) {
        peer->rc = NGX_OK;
        ngx_post_event(&peer->event, &ngx_posted_next_events);

        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {
        peer->rc = NGX_ERROR;
        ngx_shop_peer_clean(peer);
    }

    return rc;
}


void
ngx_shop_peer_cancel(ngx_shop_peer_t *peer)
{
    if (!peer->active) {
        return;
    }

    peer->rc = NGX_ERROR;
    ngx_shop_peer_clean(peer);
}


void
ngx_shop_peer_close(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    pool = c->pool;

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static ngx_int_t
ngx_shop_peer_prepare(ngx_shop_peer_t *peer)
{
    ngx_str_t  host;

    peer->active = 1;
    peer->rc = NGX_AGAIN;
    peer->reason = "internal";
    peer->connection = NULL;
    peer->resolve = NULL;
    peer->naddrs = 0;
    peer->naddr = 0;
    peer->literal = 0;
    peer->refused = 0;
    peer->started = ngx_current_msec;

    ngx_memzero(&peer->pc, sizeof(ngx_peer_connection_t));
    ngx_memzero(&peer->event, sizeof(ngx_event_t));

    peer->event.handler = ngx_shop_peer_event_handler;
    peer->event.data = peer;
    peer->event.log = peer->log;

    peer->pool = ngx_create_pool(1024, peer->log);
    if (peer->pool == NULL) {
        return NGX_ERROR;
    }

    host = ngx_shop_peer_bare(&peer->conf->host);

    if (peer->conf->ssl && host.len == 0) {
        ngx_log_error(NGX_LOG_ERR, peer->log, 0,
                      "no host name to verify a certificate with");
        peer->reason = "tls";
        return NGX_ERROR;
    }

    /* the resolver writes into the name, OpenSSL wants a NUL */

    peer->name.len = host.len;
    peer->name.data = ngx_pnalloc(peer->pool, host.len + 1);

    peer->addr_text.data = ngx_pnalloc(peer->pool, NGX_SOCKADDR_STRLEN);

    peer->addrs = ngx_pcalloc(peer->pool, NGX_SHOP_PEER_ADDRS_MAX
                                          * sizeof(ngx_resolver_addr_t));

    if (peer->name.data == NULL
        || peer->addr_text.data == NULL
        || peer->addrs == NULL)
    {
        return NGX_ERROR;
    }

    /* of a unix socket there may be none */

    if (host.len) {
        ngx_memcpy(peer->name.data, host.data, host.len);
    }

    peer->name.data[host.len] = '\0';

    return NGX_OK;
}


static void
ngx_shop_peer_event_handler(ngx_event_t *ev)
{
    ngx_int_t         rc;
    ngx_shop_peer_t  *peer;

    peer = ev->data;
    rc = peer->rc;

    if (rc == NGX_AGAIN) {
        rc = ngx_shop_peer_run(peer);
    }

    ngx_shop_peer_next(peer, rc);
}


/*
 * NGX_OK: the connection in peer->pc is ready; NGX_AGAIN: its events are
 * waited for; NGX_ERROR: no more addresses, or none can work.
 */

static ngx_int_t
ngx_shop_peer_run(ngx_shop_peer_t *peer)
{
    ngx_int_t  rc;

    do {
        if (peer->pc.connection) {
            ngx_shop_peer_close(peer->pc.connection);
            peer->pc.connection = NULL;
        }

        rc = ngx_shop_peer_open(peer);

        if (rc == NGX_OK) {
            rc = ngx_shop_peer_connected(peer);
        }

    } while (rc == NGX_DECLINED);

    return rc;
}


/* NGX_OK: connected; NGX_DECLINED: not this address */

static ngx_int_t
ngx_shop_peer_open(ngx_shop_peer_t *peer)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_resolver_addr_t    *addr;
    ngx_peer_connection_t  *pc;

    if (peer->naddr == peer->naddrs) {
        return NGX_ERROR;
    }

    addr = &peer->addrs[peer->naddr++];

    peer->reason = "connect";
    peer->log->action = "connecting";

    peer->addr_text.len = ngx_sock_ntop(addr->sockaddr, addr->socklen,
                                        peer->addr_text.data,
                                        NGX_SOCKADDR_STRLEN, 1);

#if (NGX_HAVE_INET6)

    if (addr->sockaddr->sa_family == AF_INET6 && !ngx_shop_peer_has_inet6()) {
        return NGX_DECLINED;
    }

#endif

    pc = &peer->pc;

    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &peer->addr_text;
    pc->get = ngx_event_get_peer;
    pc->log = peer->log;
    pc->log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(pc);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_DECLINED;
    }

    c = pc->connection;

    c->data = peer;
    c->read->handler = ngx_shop_peer_empty_handler;
    c->write->handler = ngx_shop_peer_connect_handler;

    c->pool = ngx_create_pool(512, peer->log);
    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    ngx_add_timer(c->write, peer->conf->connect_timeout
                            ? peer->conf->connect_timeout
                            : NGX_SHOP_PEER_CONNECT_TIMEOUT);

    return rc;
}


#if (NGX_HAVE_INET6)

/* a kernel without IPv6 is no reason for nginx's alert about socket() */

static ngx_uint_t
ngx_shop_peer_has_inet6(void)
{
    ngx_socket_t  s;

    s = ngx_socket(AF_INET6, SOCK_STREAM, 0);

    if (s == (ngx_socket_t) -1) {
        return 0;
    }

    (void) ngx_close_socket(s);

    return 1;
}

#endif


static void
ngx_shop_peer_connect_handler(ngx_event_t *ev)
{
    int                err;
    socklen_t          len;
    ngx_int_t          rc;
    ngx_shop_peer_t   *peer;
    ngx_connection_t  *c;

    c = ev->data;
    peer = c->data;
    rc = NGX_DECLINED;

    err = 0;
    len = sizeof(int);

    if (ev->timedout) {
        err = NGX_ETIMEDOUT;
        peer->reason = "timeout";

    } else if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len)
               == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, err,
                      "could not connect to %V of \"%V\"",
                      &peer->addr_text, &peer->name);

    } else {
        rc = ngx_shop_peer_connected(peer);
    }

    ngx_shop_peer_next(peer, rc);
}


static ngx_int_t
ngx_shop_peer_connected(ngx_shop_peer_t *peer)
{
    if (ngx_tcp_nodelay(peer->pc.connection) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (peer->conf->ssl) {
        return ngx_shop_peer_handshake(peer);
    }

    return ngx_shop_peer_ready(peer);
}


ngx_int_t
ngx_shop_peer_ready(ngx_shop_peer_t *peer)
{
    ngx_connection_t  *c;

    c = peer->pc.connection;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, peer->log, 0,
                   "shop peer \"%V\" at %V, ready after %M ms",
                   &peer->name, &peer->addr_text,
                   ngx_current_msec - peer->started);

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->handler = ngx_shop_peer_empty_handler;
    c->write->handler = ngx_shop_peer_empty_handler;

    return NGX_OK;
}


void
ngx_shop_peer_next(ngx_shop_peer_t *peer, ngx_int_t rc)
{
    if (rc == NGX_DECLINED) {
        rc = ngx_shop_peer_run(peer);
    }

    if (rc != NGX_AGAIN) {
        ngx_shop_peer_done(peer, rc);
    }
}


ngx_uint_t
ngx_shop_peer_level(ngx_shop_peer_t *peer)
{
    return peer->level ? peer->level(peer, peer->reason) : NGX_LOG_ERR;
}


static void
ngx_shop_peer_done(ngx_shop_peer_t *peer, ngx_int_t rc)
{
    peer->rc = rc;

    if (rc == NGX_OK) {
        peer->reason = NULL;
        peer->connection = peer->pc.connection;
        peer->pc.connection = NULL;

    } else if (peer->refused) {
        peer->reason = "tls";
    }

    ngx_shop_peer_clean(peer);

    peer->handler(peer);
}


static void
ngx_shop_peer_clean(ngx_shop_peer_t *peer)
{
    peer->active = 0;

    if (peer->event.posted) {
        ngx_delete_posted_event(&peer->event);
    }

    if (peer->resolve) {
        ngx_resolve_name_done(peer->resolve);
        peer->resolve = NULL;
    }

    if (peer->pc.connection) {
        ngx_shop_peer_close(peer->pc.connection);
        peer->pc.connection = NULL;
    }

    if (peer->pool) {
        ngx_destroy_pool(peer->pool);
        peer->pool = NULL;
    }

    ngx_str_null(&peer->name);
    ngx_str_null(&peer->addr_text);
}


static void
ngx_shop_peer_empty_handler(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "shop peer empty handler");
}
