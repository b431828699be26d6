
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net_internal.h"


/*
 * From a host to the addresses to be tried.
 *
 * An owner never runs inside the resolver: one that would cancel another
 * resolve of the same name there pulls the list from under the loop that
 * walks it.  So every answer of the resolver is copied and posted.
 *
 * IPv4 goes first, then the families alternate: a host without working IPv6
 * is more common than one without IPv4, and a dead address costs
 * connect_timeout, so that the second try must be of the other family.
 * Racing them (RFC 8305) was not found worth a second connection at a time,
 * as connections are kept.
 */


#define NGX_SHOP_PEER_RESOLVER_TIMEOUT  5000


static void ngx_shop_peer_resolve_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_shop_peer_add(ngx_shop_peer_t *peer,
    struct sockaddr *sockaddr, socklen_t socklen);
static ngx_int_t ngx_shop_peer_add_literal(ngx_shop_peer_t *peer, u_char *text,
    size_t len);
static ngx_int_t ngx_shop_peer_add_unix(ngx_shop_peer_t *peer);
static ngx_int_t ngx_shop_peer_add_resolved(ngx_shop_peer_t *peer,
    ngx_resolver_ctx_t *ctx);
static ngx_uint_t ngx_shop_peer_is_literal(ngx_str_t *host);


ngx_int_t
ngx_shop_peer_needs_resolver(ngx_shop_peer_conf_t *conf)
{
    ngx_str_t  host;

    host = ngx_shop_peer_bare(&conf->host);

    if (conf->path.len
        || ngx_shop_peer_is_literal(&host)
        || ngx_shop_text_is_caseless(&host, "localhost"))
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_shop_peer_local(ngx_shop_peer_t *peer)
{
    ngx_int_t  rc;

    if (peer->conf->path.len) {
        return ngx_shop_peer_add_unix(peer);
    }

    if (ngx_shop_text_is_caseless(&peer->name, "localhost")) {
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


ngx_int_t
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


ngx_str_t
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
