
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * What "shop_redis" says, at configuration time: the addresses, and whether
 * its parameters go together.
 */


#define NGX_SHOP_REDIS_ADDRS_MAX  16


static char *ngx_shop_redis_url_unix(ngx_conf_t *cf, ngx_shop_redis_t *redis,
    u_char *p, u_char *last);
static char *ngx_shop_redis_url_host(ngx_shop_redis_t *redis, u_char *p,
    u_char *end);
static char *ngx_shop_redis_url_db(ngx_shop_redis_t *redis, u_char *p,
    u_char *last);
static ngx_int_t ngx_shop_redis_addrs(ngx_conf_t *cf,
    ngx_shop_redis_t *redis);


char *
ngx_shop_redis_url(ngx_conf_t *cf, ngx_shop_redis_t *redis, ngx_str_t *url)
{
    char    *err;
    u_char  *p, *last, *end;

    redis->text = *url;
    redis->db = 0;
    redis->tls = 0;

    p = url->data;
    last = p + url->len;

    for (end = p; end < last; end++) {
        if (*end <= ' ' || *end >= 0x7f) {
            return "has a blank, control or non-ASCII character in it";
        }
    }

    if (url->len > 5 && ngx_strncasecmp(p, (u_char *) "unix:", 5) == 0) {
        return ngx_shop_redis_url_unix(cf, redis, p + 5, last);
    }

    if (url->len >= 8 && ngx_strncasecmp(p, (u_char *) "redis://", 8) == 0) {
        p += 8;

    } else if (url->len >= 9
               && ngx_strncasecmp(p, (u_char *) "rediss://", 9) == 0)
    {
        redis->tls = 1;
        p += 9;

    } else {
        return "must be \"redis://host:port/db\", \"rediss://host:port/db\" "
               "or \"unix:/path:db\"";
    }

    if (ngx_strlchr(p, last, '@')) {
        return "may not hold a user or password: "
               "use \"user=\" and \"password_file=\"";
    }

    if (ngx_strlchr(p, last, '?') || ngx_strlchr(p, last, '#')) {
        return "may not have a query or fragment";
    }

    end = ngx_strlchr(p, last, '/');
    if (end == NULL) {
        end = last;
    }

    err = ngx_shop_redis_url_host(redis, p, end);

    if (err != NGX_CONF_OK) {
        return err;
    }

    return end < last ? ngx_shop_redis_url_db(redis, end + 1, last)
                      : NGX_CONF_OK;
}


static char *
ngx_shop_redis_url_unix(ngx_conf_t *cf, ngx_shop_redis_t *redis, u_char *p,
    u_char *last)
{
    u_char  *end, *colon;

    /* nginx's own rule: a colon ends the path */

    colon = ngx_strlchr(p, last, ':');
    end = colon ? colon : last;

    if (end == p || *p != '/') {
        return "has no absolute path of a socket after \"unix:\"";
    }

    if ((size_t) (end - p) >= sizeof(((struct sockaddr_un *) 0)->sun_path)) {
        return "has too long a path for a unix socket";
    }

    redis->peer.path.len = end - p;

    redis->peer.path.data = ngx_pnalloc(cf->pool, end - p + 1);
    if (redis->peer.path.data == NULL) {
        return "cannot be stored: no memory";
    }

    (void) ngx_cpystrn(redis->peer.path.data, p, end - p + 1);

    ngx_str_null(&redis->peer.host);
    redis->peer.port = 0;

    return colon ? ngx_shop_redis_url_db(redis, colon + 1, last)
                 : NGX_CONF_OK;
}


/* "host:port", "[address]:port"; either may be missing */

static char *
ngx_shop_redis_url_host(ngx_shop_redis_t *redis, u_char *p, u_char *end)
{
    u_char     *c, *colon;
    ngx_int_t   port;
#if (NGX_HAVE_INET6)
    u_char      addr[16];
#endif

    if (p < end && *p == '[') {
        colon = ngx_strlchr(p, end, ']');

#if (NGX_HAVE_INET6)
        if (colon == NULL
            || ngx_inet6_addr(p + 1, colon - p - 1, addr) != NGX_OK)
#endif
        {
            return "has no IPv6 address between its brackets";
        }

        colon++;

        if (colon == end) {
            colon = NULL;

        } else if (*colon != ':') {
            return "has something other than \":port\" after its address";
        }

    } else {
        colon = ngx_strlchr(p, end, ':');

        for (c = p; c < (colon ? colon : end); c++) {
            if (!isalnum(*c) && *c != '-' && *c != '.' && *c != '_') {
                return "has an invalid character in its host name";
            }
        }
    }

    redis->peer.host.data = p;
    redis->peer.host.len = (colon ? colon : end) - p;
    redis->peer.port = 6379;
    ngx_str_null(&redis->peer.path);

    if (redis->peer.host.len == 0) {
        ngx_str_set(&redis->peer.host, "127.0.0.1");

    } else if (redis->peer.host.len > 255) {
        return "has too long a host name";
    }

    if (colon) {
        port = ngx_atoi(colon + 1, end - colon - 1);

        if (port < 1 || port > 65535) {
            return "has an invalid port: 1 to 65535 is allowed";
        }

        redis->peer.port = (in_port_t) port;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_redis_url_db(ngx_shop_redis_t *redis, u_char *p, u_char *last)
{
    ngx_int_t  db;

    if (p == last) {
        return NGX_CONF_OK;
    }

    db = ngx_atoi(p, last - p);

    if (db == NGX_ERROR || db > 65535) {
        return "has an invalid database: a number from 0 is allowed";
    }

    redis->db = db;

    return NGX_CONF_OK;
}


char *
ngx_shop_redis_url_more(ngx_conf_t *cf, ngx_shop_redis_t *redis,
    ngx_str_t *url)
{
    char                   *text;
    ngx_shop_redis_t        other;
    ngx_shop_redis_addr_t  *addr;

    ngx_memzero(&other, sizeof(ngx_shop_redis_t));

    text = ngx_shop_redis_url(cf, &other, url);

    if (text != NGX_CONF_OK) {
        return text;
    }

    if (other.peer.path.len || redis->peer.path.len) {
        return "is one of several addresses, and these cannot be unix "
               "sockets";
    }

    if (other.tls != redis->tls) {
        return "is of another scheme than the first address";
    }

    if (other.db != redis->db) {
        return "is of another database than the first address";
    }

    if (ngx_shop_redis_addrs(cf, redis) != NGX_OK) {
        return "cannot be stored: no memory";
    }

    if (redis->addrs->nelts == NGX_SHOP_REDIS_ADDRS_MAX) {
        return "is one address too many";
    }

    addr = ngx_array_push(redis->addrs);
    if (addr == NULL) {
        return "cannot be stored: no memory";
    }

    addr->host = other.peer.host;
    addr->port = other.peer.port;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_shop_redis_addrs(ngx_conf_t *cf, ngx_shop_redis_t *redis)
{
    ngx_shop_redis_addr_t  *addr;

    if (redis->addrs) {
        return NGX_OK;
    }

    redis->addrs = ngx_array_create(cf->pool, 4,
                                    sizeof(ngx_shop_redis_addr_t));
    if (redis->addrs == NULL) {
        return NGX_ERROR;
    }

    addr = ngx_array_push(redis->addrs);
    if (addr == NULL) {
        return NGX_ERROR;
    }

    addr->host = redis->peer.host;
    addr->port = redis->peer.port;

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_needs_resolver(ngx_shop_redis_t *redis, ngx_str_t *host)
{
    ngx_uint_t              i;
    ngx_shop_peer_conf_t    peer;
    ngx_shop_redis_addr_t  *addrs;

    peer = redis->peer;
    *host = peer.host;

    if (redis->addrs == NULL) {
        return ngx_shop_peer_needs_resolver(&peer);
    }

    addrs = redis->addrs->elts;

    for (i = 0; i < redis->addrs->nelts; i++) {
        peer.host = addrs[i].host;
        *host = peer.host;

        if (ngx_shop_peer_needs_resolver(&peer) == NGX_DECLINED) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


char *
ngx_shop_redis_conf(ngx_conf_t *cf, ngx_shop_redis_t *redis)
{
    if (redis->mode == NGX_SHOP_REDIS_SINGLE) {

        if (redis->addrs) {
            return "has several addresses, but neither \"cluster\" nor "
                   "\"sentinel\"";
        }

    } else {

        if (redis->peer.path.len) {
            return "has a unix socket, which can be neither sentinel nor "
                   "node of a cluster";
        }

        if (redis->db && redis->mode == NGX_SHOP_REDIS_CLUSTER) {
            return "has a database, but a cluster has only database 0";
        }

        if (ngx_shop_redis_addrs(cf, redis) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if ((redis->cert.len != 0) != (redis->key.len != 0)) {
        return redis->cert.len ? "has \"cert\" without \"key\""
                               : "has \"key\" without \"cert\"";
    }

    if (!redis->tls) {
        return (redis->ca.len || redis->cert.len)
               ? "has \"ca\", \"cert\" or \"key\", which are for "
                 "\"rediss://\" only"
               : NGX_CONF_OK;
    }

    redis->peer.ssl = ngx_shop_peer_ssl_create(cf, &redis->ca);

    if (redis->peer.ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    if (redis->cert.len
        && ngx_ssl_certificate(cf, redis->peer.ssl, &redis->cert, &redis->key,
                               NULL)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
