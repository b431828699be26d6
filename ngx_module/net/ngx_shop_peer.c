
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "net/ngx_shop_net.h"


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
 * Two things that nginx does not promise are made true here.  A callback
 * never comes before the start has returned: ngx_resolve_name() may answer
 * from its cache at once, and connect() to a unix socket may succeed at
 * once, so what is known too early goes through a posted event.  And an
 * owner never runs inside the resolver: one that would cancel another
 * resolve of the same name there pulls the list from under the loop that
 * walks it.  So every answer of the resolver is copied and posted.
 *
 * The certificate is verified inside the handshake, name or address
 * included, and not after it: the server learns from an alert why we left,
 * and no code path can forget the check.  The verify result is looked at
 * once more before the connection is given away.
 *
 * IPv4 goes first, then the families alternate: a host without working IPv6
 * is more common than one without IPv4, and a dead address costs
 * connect_timeout, so that the second try must be of the other family.
 * Racing them (RFC 8305) was not found worth a second connection at a time,
 * as connections are kept.
 */


#define NGX_SHOP_PEER_ADDRS_MAX         16
#define NGX_SHOP_PEER_VERIFY_DEPTH      10
#define NGX_SHOP_PEER_RESOLVER_TIMEOUT  5000
#define NGX_SHOP_PEER_CONNECT_TIMEOUT   3000


static ngx_int_t ngx_shop_peer_prepare(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_local(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_resolve(ngx_shop_peer_t *peer);
static void ngx_shop_peer_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_shop_peer_add(ngx_shop_peer_t *peer,
    struct sockaddr *sockaddr, socklen_t socklen);
static ngx_int_t ngx_shop_peer_add_literal(ngx_shop_peer_t *peer, u_char *text,
    size_t len);
static ngx_int_t ngx_shop_peer_add_unix(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_add_resolved(ngx_shop_peer_t *peer,
    ngx_resolver_ctx_t *ctx);
static void ngx_shop_peer_event_handler(ngx_event_t *ev);
static ngx_int_t ngx_shop_peer_run(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_open(ngx_shop_peer_t *peer);
#if (NGX_HAVE_INET6)
static ngx_uint_t ngx_shop_peer_has_inet6(void);
#endif
static void ngx_shop_peer_connect_handler(ngx_event_t *ev);
static ngx_int_t ngx_shop_peer_connected(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_handshake(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_ssl_name(ngx_shop_peer_t *peer);
static void ngx_shop_peer_handshake_handler(ngx_connection_t *c);
static ngx_int_t ngx_shop_peer_handshaked(ngx_shop_peer_t *peer);
static int ngx_shop_peer_verify(int ok, X509_STORE_CTX *store);
static ngx_int_t ngx_shop_peer_ready(ngx_shop_peer_t *peer);
static void ngx_shop_peer_next(ngx_shop_peer_t *peer, ngx_int_t rc);
static ngx_uint_t ngx_shop_peer_level(ngx_shop_peer_t *peer);
static void ngx_shop_peer_done(ngx_shop_peer_t *peer, ngx_int_t rc);
static void ngx_shop_peer_clean(ngx_shop_peer_t *peer);
static void ngx_shop_peer_empty_handler(ngx_event_t *ev);
static ngx_str_t ngx_shop_peer_bare(ngx_str_t *host);
static ngx_uint_t ngx_shop_peer_is_literal(ngx_str_t *host);
static ngx_uint_t ngx_shop_peer_is_localhost(ngx_str_t *host);


ngx_ssl_t *
ngx_shop_peer_ssl_create(ngx_conf_t *cf, ngx_str_t *ca)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NULL;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SHOP_SSL_PROTOCOLS, NULL) != NGX_OK) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NULL;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ca->len) {

        if (ngx_ssl_trusted_certificate(cf, ssl, ca,
                                        NGX_SHOP_PEER_VERIFY_DEPTH)
            != NGX_OK)
        {
            return NULL;
        }

    } else if (SSL_CTX_set_default_verify_paths(ssl->ctx) == 0) {
        ngx_ssl_error(NGX_LOG_EMERG, ssl->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NULL;
    }

    SSL_CTX_set_verify(ssl->ctx, SSL_VERIFY_PEER, ngx_shop_peer_verify);
    SSL_CTX_set_verify_depth(ssl->ctx, NGX_SHOP_PEER_VERIFY_DEPTH);

    /* a second handshake would meet a connection with another owner */

    SSL_CTX_set_options(ssl->ctx, SSL_OP_NO_RENEGOTIATION);

    return ssl;
}


ngx_int_t
ngx_shop_peer_needs_resolver(ngx_shop_peer_conf_t *conf)
{
    ngx_str_t  host;

    host = ngx_shop_peer_bare(&conf->host);

    if (conf->path.len
        || ngx_shop_peer_is_literal(&host)
        || ngx_shop_peer_is_localhost(&host))
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


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


/* NGX_DECLINED: only a resolver knows the addresses */

static ngx_int_t
ngx_shop_peer_local(ngx_shop_peer_t *peer)
{
    ngx_int_t  rc;

    if (peer->conf->path.len) {
        return ngx_shop_peer_add_unix(peer);
    }

    if (ngx_shop_peer_is_localhost(&peer->name)) {
        rc = ngx_shop_peer_add_literal(peer, (u_char *) "127.0.0.1",
                                       sizeof("127.0.0.1") - 1);
#if (NGX_HAVE_INET6)
        if (rc == NGX_OK) {
            rc = ngx_shop_peer_add_literal(peer, (u_char *) "::1",
                                           sizeof("::1") - 1);
        }
#endif
        return rc;
    }

    rc = ngx_shop_peer_add_literal(peer, peer->name.data, peer->name.len);

    if (rc == NGX_OK) {
        peer->literal = 1;
    }

    return rc;
}


static ngx_int_t
ngx_shop_peer_resolve(ngx_shop_peer_t *peer)
{
    ngx_resolver_ctx_t    *ctx;
    ngx_shop_peer_conf_t  *conf;

    conf = peer->conf;
    peer->log->action = "resolving";

    ctx = conf->resolver ? ngx_resolve_start(conf->resolver, NULL)
                         : NGX_NO_RESOLVER;

    if (ctx == NGX_NO_RESOLVER) {
        ngx_log_error(NGX_LOG_ERR, peer->log, 0,
                      "no resolver defined to resolve \"%V\"", &peer->name);
        peer->reason = "resolve";
        return NGX_ERROR;
    }

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    peer->resolve = ctx;

    ctx->name = peer->name;
    ctx->handler = ngx_shop_peer_resolve_handler;
    ctx->data = peer;
    ctx->timeout = conf->resolver_timeout ? conf->resolver_timeout
                                          : NGX_SHOP_PEER_RESOLVER_TIMEOUT;

    if (ngx_resolve_name(ctx) != NGX_OK) {

        /* the context was freed */

        peer->resolve = NULL;

        ngx_log_error(NGX_LOG_ERR, peer->log, 0,
                      "could not ask for the addresses of \"%V\"",
                      &peer->name);
        peer->reason = "resolve";
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static void
ngx_shop_peer_resolve_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_int_t         rc;
    ngx_shop_peer_t  *peer;

    peer = ctx->data;
    rc = NGX_ERROR;

    if (ctx->state != NGX_OK) {
        peer->reason = (ctx->state == NGX_RESOLVE_TIMEDOUT) ? "timeout"
                                                            : "resolve";

        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "\"%V\" could not be resolved (%i: %s)",
                      &peer->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));

    } else {
        rc = ngx_shop_peer_add_resolved(peer, ctx);
    }

    peer->resolve = NULL;
    ngx_resolve_name_done(ctx);

    if (rc == NGX_ERROR) {
        peer->rc = NGX_ERROR;
    }

    ngx_post_event(&peer->event, &ngx_posted_next_events);
}


static ngx_int_t
ngx_shop_peer_add(ngx_shop_peer_t *peer, struct sockaddr *sockaddr,
    socklen_t socklen)
{
    ngx_resolver_addr_t  *addr;

    addr = &peer->addrs[peer->naddrs];

    addr->sockaddr = ngx_pcalloc(peer->pool, socklen);
    if (addr->sockaddr == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(addr->sockaddr, sockaddr, socklen);
    addr->socklen = socklen;

    if (sockaddr->sa_family != AF_UNIX) {
        ngx_inet_set_port(addr->sockaddr, peer->conf->port);
    }

    peer->naddrs++;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_peer_add_literal(ngx_shop_peer_t *peer, u_char *text, size_t len)
{
    ngx_int_t   rc;
    ngx_addr_t  addr;

    rc = ngx_parse_addr(peer->pool, &addr, text, len);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_shop_peer_add(peer, addr.sockaddr, addr.socklen);
}


static ngx_int_t
ngx_shop_peer_add_unix(ngx_shop_peer_t *peer)
{
#if (NGX_HAVE_UNIX_DOMAIN)

    ngx_str_t           *path;
    struct sockaddr_un   saun;

    path = &peer->conf->path;

    if (path->len >= sizeof(saun.sun_path)) {
        ngx_log_error(NGX_LOG_ERR, peer->log, 0,
                      "path of unix socket \"%V\" is too long", path);
        peer->reason = "connect";
        return NGX_ERROR;
    }

    ngx_memzero(&saun, sizeof(struct sockaddr_un));

    saun.sun_family = AF_UNIX;
    ngx_memcpy(saun.sun_path, path->data, path->len);

    return ngx_shop_peer_add(peer, (struct sockaddr *) &saun,
                             sizeof(struct sockaddr_un));

#else

    ngx_log_error(NGX_LOG_ERR, peer->log, 0,
                  "unix sockets are not supported on this platform");
    peer->reason = "connect";
    return NGX_ERROR;

#endif
}


/* IPv4 and IPv6 alternate, each in the order of the resolver */

static ngx_int_t
ngx_shop_peer_add_resolved(ngx_shop_peer_t *peer, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t            i, inet, next[2];
    ngx_resolver_addr_t  *addr;

    next[0] = 0;
    next[1] = 0;
    inet = 1;

    while (peer->naddrs < NGX_SHOP_PEER_ADDRS_MAX
           && (next[0] < ctx->naddrs || next[1] < ctx->naddrs))
    {
        for (i = next[inet]; i < ctx->naddrs; i++) {
            addr = &ctx->addrs[i];

            if ((ngx_uint_t) (addr->sockaddr->sa_family == AF_INET) == inet) {

                if (ngx_shop_peer_add(peer, addr->sockaddr, addr->socklen)
                    != NGX_OK)
                {
                    return NGX_ERROR;
                }

                i++;
                break;
            }
        }

        next[inet] = i;
        inet = !inet;
    }

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


static ngx_int_t
ngx_shop_peer_handshake(ngx_shop_peer_t *peer)
{
    ngx_connection_t  *c;

    c = peer->pc.connection;

    peer->reason = "tls";
    peer->log->action = "making a TLS handshake";

    if (ngx_ssl_create_connection(peer->conf->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_peer_ssl_name(peer) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ERR, peer->log, 0,
                      "could not set the name to verify");
        return NGX_ERROR;
    }

    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->ssl->handler = ngx_shop_peer_handshake_handler;
        return NGX_AGAIN;
    }

    return ngx_shop_peer_handshaked(peer);
}


/* RFC 6066 3: an IP address is never sent as a server name */

static ngx_int_t
ngx_shop_peer_ssl_name(ngx_shop_peer_t *peer)
{
    char               *name;
    ngx_ssl_conn_t     *ssl;
    X509_VERIFY_PARAM  *param;

    name = (char *) peer->name.data;
    ssl = peer->pc.connection->ssl->connection;
    param = SSL_get0_param(ssl);

    if (peer->literal) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? NGX_OK
                                                               : NGX_ERROR;
    }

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    if (X509_VERIFY_PARAM_set1_host(param, name, peer->name.len) != 1
        || SSL_set_tlsext_host_name(ssl, name) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* runs inside the handshake for each certificate and for the name */

static int
ngx_shop_peer_verify(int ok, X509_STORE_CTX *store)
{
    ngx_ssl_conn_t    *ssl;
    ngx_connection_t  *c;

    if (!ok) {
        ssl = X509_STORE_CTX_get_ex_data(store,
                                       SSL_get_ex_data_X509_STORE_CTX_idx());
        c = ngx_ssl_get_connection(ssl);

        /* else nginx calls it critical: a peer's fault is an error */

        c->ssl->handshake_rejected = 1;
    }

    return ok;
}


static void
ngx_shop_peer_handshake_handler(ngx_connection_t *c)
{
    ngx_shop_peer_t  *peer;

    peer = c->data;

    ngx_shop_peer_next(peer, ngx_shop_peer_handshaked(peer));
}


static ngx_int_t
ngx_shop_peer_handshaked(ngx_shop_peer_t *peer)
{
    long               rc;
    X509              *cert;
    ngx_connection_t  *c;

    c = peer->pc.connection;

    if (c->write->timedout) {
        peer->reason = "timeout";

        ngx_log_error(ngx_shop_peer_level(peer), peer->log, NGX_ETIMEDOUT,
                      "TLS handshake with %V of \"%V\" timed out",
                      &peer->addr_text, &peer->name);
        return NGX_DECLINED;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "certificate of %V is not valid for \"%V\" (%l: %s)",
                      &peer->addr_text, &peer->name, rc,
                      X509_verify_cert_error_string(rc));
        goto refused;
    }

    if (!c->ssl->handshaked) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "TLS handshake with %V of \"%V\" failed",
                      &peer->addr_text, &peer->name);
        goto refused;
    }

    /* a server that shows no certificate has an untouched result, too */

    cert = SSL_get_peer_certificate(c->ssl->connection);

    if (cert == NULL) {
        ngx_log_error(ngx_shop_peer_level(peer), peer->log, 0,
                      "%V of \"%V\" showed no certificate",
                      &peer->addr_text, &peer->name);
        goto refused;
    }

    X509_free(cert);

    return ngx_shop_peer_ready(peer);

refused:

    peer->refused = 1;

    return NGX_DECLINED;
}


static ngx_int_t
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


/* goes on after an event: to the next address, or out */

static void
ngx_shop_peer_next(ngx_shop_peer_t *peer, ngx_int_t rc)
{
    if (rc == NGX_DECLINED) {
        rc = ngx_shop_peer_run(peer);
    }

    if (rc != NGX_AGAIN) {
        ngx_shop_peer_done(peer, rc);
    }
}


/* of a failure for peer->reason */

static ngx_uint_t
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


/* without the brackets of an IPv6 address, or the final dot of a name */

static ngx_str_t
ngx_shop_peer_bare(ngx_str_t *host)
{
    ngx_str_t  bare;

    bare = *host;

    if (bare.len > 2 && bare.data[0] == '[' && bare.data[bare.len - 1] == ']')
    {
        bare.data++;
        bare.len -= 2;

    } else if (bare.len > 1 && bare.data[bare.len - 1] == '.') {
        bare.len--;
    }

    return bare;
}


static ngx_uint_t
ngx_shop_peer_is_literal(ngx_str_t *host)
{
#if (NGX_HAVE_INET6)
    u_char  addr[16];

    if (ngx_inet6_addr(host->data, host->len, addr) == NGX_OK) {
        return 1;
    }
#endif

    return ngx_inet_addr(host->data, host->len) != INADDR_NONE;
}


static ngx_uint_t
ngx_shop_peer_is_localhost(ngx_str_t *host)
{
    return host->len == sizeof("localhost") - 1
           && ngx_strncasecmp(host->data, (u_char *) "localhost", host->len)
              == 0;
}
