
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * Two readers disagree about a URL, and an attacker lives in between: what
 * RFC 3986 calls a path, a browser (WHATWG URL) may read as another host,
 * since it drops tabs and line feeds, takes "\" for "/", percent-decodes
 * host names and understands "https:evil.example" and "http://0x7f.1".
 * Nothing here tries to read such texts as a browser would.  The grammar
 * below is the small part of both standards where they agree, and all
 * else is refused:
 *
 *     "http" [ "s" ] "://" host [ ":" port ] [ "/" path ] [ "?" query ]
 *
 *     host   letters, digits, "-", "_" and dots, no empty label; where the
 *            last label is a number, all four are decimal; or IPv6 in
 *            brackets
 *     bytes  those of RFC 3986 section 2, "%" with two hex digits
 *
 * A return address is held to more: no dot segments and no escaped control
 * bytes, which a backend or a proxy might undo later.
 */


#define NGX_SHOP_URL_MAX     2048
#define NGX_SHOP_RETURN_MAX  1024
#define NGX_SHOP_HOST_MAX    253
#define NGX_SHOP_LABEL_MAX   63


static ngx_int_t ngx_shop_url_authority(u_char **pp, u_char *last,
    ngx_str_t *host, ngx_shop_url_t *url, const char **err);
static ngx_int_t ngx_shop_url_uri_check(u_char *p, u_char *last);
static ngx_int_t ngx_shop_url_host(ngx_str_t *host, ngx_shop_url_t *url);
static ngx_int_t ngx_shop_url_host_name(ngx_str_t *host, ngx_shop_url_t *url);
static ngx_uint_t ngx_shop_url_number(u_char *p, u_char *last);
static ngx_int_t ngx_shop_url_host_ipv6(ngx_str_t *host, ngx_shop_url_t *url);
static ngx_int_t ngx_shop_return_uri_check(u_char *p, u_char *last);
static ngx_uint_t ngx_shop_return_host(ngx_shop_url_t *url,
    ngx_shop_url_t *base, ngx_array_t *hosts);


/* bytes that a URL may hold, RFC 3986 section 2; "%" is looked at apart */

static uint32_t  ngx_shop_url_bytes[] = {
    0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0xaffffff2, /* 1010 1111 1111 1111  1111 1111 1111 0010 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0xafffffff, /* 1010 1111 1111 1111  1111 1111 1111 1111 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x47fffffe, /* 0100 0111 1111 1111  1111 1111 1111 1110 */

    0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */
    0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */
    0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */
    0x00000000  /* 0000 0000 0000 0000  0000 0000 0000 0000 */
};


ngx_int_t
ngx_shop_url_parse(ngx_pool_t *pool, ngx_str_t *text, ngx_shop_url_t *url,
    const char **err)
{
    u_char     *p, *last, *dst;
    ngx_str_t   host;

    ngx_memzero(url, sizeof(ngx_shop_url_t));

    if (text->len > NGX_SHOP_URL_MAX) {
        *err = "it is longer than 2048 bytes";
        return NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;

    if (text->len > 8 && ngx_strncasecmp(p, (u_char *) "https://", 8) == 0) {
        url->secure = 1;
        url->port = 443;
        p += 8;

    } else if (text->len > 7
               && ngx_strncasecmp(p, (u_char *) "http://", 7) == 0)
    {
        url->port = 80;
        p += 7;

    } else {
        *err = "it does not start with http:// or https:// and a host";
        return NGX_ERROR;
    }

    if (ngx_shop_url_authority(&p, last, &host, url, err) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_strlchr(p, last, '#') != NULL) {
        *err = "a fragment is not allowed";
        return NGX_ERROR;
    }

    if (ngx_shop_url_uri_check(p, last) != NGX_OK) {
        *err = "there is a byte in it that must be percent-encoded";
        return NGX_ERROR;
    }

    /* one allocation: the origin, then "/" and the rest */

    url->origin.data = ngx_pnalloc(pool, sizeof("https://[]:65535") - 1
                                         + ngx_max(host.len, INET6_ADDRSTRLEN)
                                         + 1 + (last - p));
    if (url->origin.data == NULL) {
        *err = "no memory";
        return NGX_ERROR;
    }

    ngx_str_set(&url->scheme, "http");

    if (url->secure) {
        ngx_str_set(&url->scheme, "https");
    }

    url->host.data = ngx_sprintf(url->origin.data, "%V://", &url->scheme);
    url->scheme.data = url->origin.data;

    if (ngx_shop_url_host(&host, url) != NGX_OK) {
        *err = "the host is neither a name nor an address";
        return NGX_ERROR;
    }

    dst = url->host.data + url->host.len;

    if (url->port != (url->secure ? 443 : 80)) {
        dst = ngx_sprintf(dst, ":%ui", (ngx_uint_t) url->port);
    }

    url->origin.len = dst - url->origin.data;
    url->uri.data = dst;

    if (p == last || *p != '/') {
        *dst++ = '/';
    }

    dst = ngx_cpymem(dst, p, last - p);
    url->uri.len = dst - url->uri.data;

    return NGX_OK;
}


/* the host as it was written, and the port; "*pp" stands behind both then */

static ngx_int_t
ngx_shop_url_authority(u_char **pp, u_char *last, ngx_str_t *host,
    ngx_shop_url_t *url, const char **err)
{
    u_char     *p, *colon;
    ngx_int_t   port;

    host->data = *pp;
    colon = NULL;

    for (p = *pp; p < last && *p != '/' && *p != '?'; p++) {

        switch (*p) {

        case '@':
            *err = "user information is not allowed";
            return NGX_ERROR;

        case '#':
            *err = "a fragment is not allowed";
            return NGX_ERROR;

        case ']':
            colon = NULL;
            break;

        case ':':
            if (colon == NULL) {
                colon = p;
            }

            break;
        }
    }

    host->len = (colon ? colon : p) - host->data;
    *pp = p;

    if (colon == NULL) {
        return NGX_OK;
    }

    port = (p - colon - 1 > 5) ? NGX_ERROR
                               : ngx_atoi(colon + 1, p - colon - 1);

    if (port < 1 || port > 65535) {
        *err = "the port is not a number from 1 to 65535";
        return NGX_ERROR;
    }

    url->port = (in_port_t) port;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_url_uri_check(u_char *p, u_char *last)
{
    while (p < last) {

        if (!(ngx_shop_url_bytes[*p >> 5] & (1U << (*p & 0x1f)))) {
            return NGX_ERROR;
        }

        if (*p == '%' && (last - p < 3 || ngx_hextoi(p + 1, 2) == NGX_ERROR)) {
            return NGX_ERROR;
        }

        p++;
    }

    return NGX_OK;
}


/* writes the host in its canonical form to url->host.data */

static ngx_int_t
ngx_shop_url_host(ngx_str_t *host, ngx_shop_url_t *url)
{
    if (host->len == 0 || host->len > NGX_SHOP_HOST_MAX) {
        return NGX_ERROR;
    }

    if (host->data[0] == '[') {
        return ngx_shop_url_host_ipv6(host, url);
    }

    return ngx_shop_url_host_name(host, url);
}


static ngx_int_t
ngx_shop_url_host_name(ngx_str_t *host, ngx_shop_url_t *url)
{
    u_char          ch, *p, *label;
    size_t          i;
    struct in_addr  addr;
    u_char          text[INET_ADDRSTRLEN];

    p = url->host.data;
    label = p;

    for (i = 0; i < host->len; i++) {

        ch = ngx_tolower(host->data[i]);

        if (ch == '.') {

            if (p == label || p - label > NGX_SHOP_LABEL_MAX) {
                return NGX_ERROR;
            }

            label = p + 1;

        } else if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')
                     || ch == '-' || ch == '_'))
        {
            return NGX_ERROR;
        }

        *p++ = ch;
    }

    if (p == label || p - label > NGX_SHOP_LABEL_MAX) {
        return NGX_ERROR;
    }

    url->host.len = host->len;

    /*
     * Browsers read a name whose last label is a number, like "127.1" or
     * "0x7f000001", as an address; only one way to write it is the same to
     * everybody.
     */

    if (ngx_shop_url_number(label, p)) {

        if (url->host.len >= INET_ADDRSTRLEN) {
            return NGX_ERROR;
        }

        (void) ngx_cpystrn(text, url->host.data, url->host.len + 1);

        if (inet_pton(AF_INET, (char *) text, &addr) != 1) {
            return NGX_ERROR;
        }

        url->literal = 1;
        url->loopback = ((ntohl(addr.s_addr) >> 24) == 127);

        return NGX_OK;
    }

    url->loopback = ngx_shop_text_is(&url->host, "localhost");

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_url_number(u_char *p, u_char *last)
{
    if (last - p >= 2 && p[0] == '0' && p[1] == 'x') {

        for (p += 2; p < last && ngx_hextoi(p, 1) != NGX_ERROR; p++) {
            /* void */
        }

    } else {

        while (p < last && *p >= '0' && *p <= '9') {
            p++;
        }
    }

    return p == last;
}


static ngx_int_t
ngx_shop_url_host_ipv6(ngx_str_t *host, ngx_shop_url_t *url)
{
    u_char  *p;
    size_t   len;
    u_char   addr[16], text[INET6_ADDRSTRLEN];

    /* the brackets are no part of the text */

    len = host->len - 2;

    if (host->len < 4 || len >= INET6_ADDRSTRLEN
        || host->data[host->len - 1] != ']')
    {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(text, host->data + 1, len + 1);

    if (inet_pton(AF_INET6, (char *) text, addr) != 1) {
        return NGX_ERROR;
    }

    p = url->host.data;

    *p++ = '[';
    p += ngx_inet6_ntop(addr, p, INET6_ADDRSTRLEN);
    *p++ = ']';

    url->host.len = p - url->host.data;
    url->literal = 1;
    url->loopback = ngx_shop_text_is(&url->host, "[::1]");

    return NGX_OK;
}


ngx_int_t
ngx_shop_return_check(ngx_pool_t *pool, ngx_str_t *text, ngx_shop_url_t *base,
    ngx_array_t *hosts, ngx_str_t *path)
{
    const char      *err;
    ngx_shop_url_t   url;

    if (text->len == 0 || text->len > NGX_SHOP_RETURN_MAX) {
        return NGX_DECLINED;
    }

    if (text->data[0] == '/') {

        /* "//host" is another site; "/\host", too, but "\" is refused */

        if (text->len > 1 && text->data[1] == '/') {
            return NGX_DECLINED;
        }

        if (ngx_shop_return_uri_check(text->data, text->data + text->len)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        path->len = text->len;
        path->data = ngx_pstrdup(pool, text);

        return path->data ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_shop_url_parse(pool, text, &url, &err) != NGX_OK
        || ngx_shop_return_uri_check(url.uri.data,
                                     url.uri.data + url.uri.len)
           != NGX_OK
        || !ngx_shop_return_host(&url, base, hosts))
    {
        return NGX_DECLINED;
    }

    /*
     * The origin stays, also where it is our own: the path alone may be
     * "//host", harmless behind an origin only.  The parser has put both
     * side by side.
     */

    path->data = url.origin.data;
    path->len = url.origin.len + url.uri.len;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_return_uri_check(u_char *p, u_char *last)
{
    u_char      ch, *seg;
    size_t      len;
    ngx_uint_t  query, dots;

    if (ngx_shop_url_uri_check(p, last) != NGX_OK) {
        return NGX_ERROR;
    }

    seg = p;
    len = 0;
    dots = 0;
    query = 0;

    for ( ;; ) {

        /* one decoded byte of a segment, or its end */

        if (!query && (p == last || *p == '/' || *p == '?')) {

            if (p > seg && (len == 1 || len == 2) && dots == len) {
                return NGX_ERROR;
            }

            if (p < last && *p == '?') {
                query = 1;
            }

            seg = p;
            len = 0;
            dots = 0;

            if (p == last) {
                return NGX_OK;
            }

            p++;
            continue;
        }

        if (p == last) {
            return NGX_OK;
        }

        ch = *p++;

        if (ch == '%') {
            ch = (u_char) ngx_hextoi(p, 2);
            p += 2;

            if (ch < 0x20 || ch == 0x7f) {
                return NGX_ERROR;
            }
        }

        len++;
        dots += (ch == '.');
    }
}


static ngx_uint_t
ngx_shop_return_host(ngx_shop_url_t *url, ngx_shop_url_t *base,
    ngx_array_t *hosts)
{
    ngx_str_t   *host;
    ngx_uint_t   i;

    if (url->secure != base->secure) {
        return 0;
    }

    if (url->origin.len == base->origin.len
        && ngx_strncmp(url->origin.data, base->origin.data, url->origin.len)
           == 0)
    {
        return 1;
    }

    if (hosts == NULL || url->port != (url->secure ? 443 : 80)) {
        return 0;
    }

    host = hosts->elts;

    for (i = 0; i < hosts->nelts; i++) {

        if (host[i].len == url->host.len
            && ngx_strncasecmp(host[i].data, url->host.data, host[i].len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}
