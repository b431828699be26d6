
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


static ngx_int_t ngx_shop_url_uri_check(u_char *p, u_char *last);
static ngx_int_t ngx_shop_url_host(ngx_str_t *host, ngx_shop_url_t *url);
static ngx_int_t ngx_shop_url_host_name(ngx_str_t *host, ngx_shop_url_t *url);
static ngx_uint_t ngx_shop_url_number(u_char *p, u_char *last);
static ngx_int_t ngx_shop_url_host_ipv6(ngx_str_t *host, ngx_shop_url_t *url);
static ngx_int_t ngx_shop_unescape_byte(u_char **pp, u_char *last);
static ngx_uint_t ngx_shop_query_named(ngx_str_t *raw, const char *name);
static ngx_int_t ngx_shop_return_uri_check(u_char *p, u_char *last);
static ngx_uint_t ngx_shop_return_host(ngx_shop_url_t *url,
    ngx_shop_url_t *base, ngx_array_t *hosts);
static ngx_int_t ngx_shop_time_date(u_char **pp, u_char *last, time_t *t);
static ngx_int_t ngx_shop_time_clock(u_char **pp, u_char *last, time_t *t);
static ngx_int_t ngx_shop_time_zone(u_char **pp, u_char *last, time_t *t);
static ngx_int_t ngx_shop_time_number(u_char **pp, u_char *last,
    u_char before, size_t n);


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


/* days before each month of a common year */

static ngx_int_t  ngx_shop_time_days[] = {
    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
};


ngx_int_t
ngx_shop_url_parse(ngx_pool_t *pool, ngx_str_t *text, ngx_shop_url_t *url,
    const char **err)
{
    u_char     *p, *last, *start, *colon;
    ngx_int_t   port;
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

    /* the authority */

    start = p;
    colon = NULL;

    for ( /* void */ ; p < last && *p != '/' && *p != '?'; p++) {

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

    host.data = start;
    host.len = (colon ? colon : p) - start;

    if (colon) {
        port = (p - colon - 1 > 5) ? NGX_ERROR
                                   : ngx_atoi(colon + 1, p - colon - 1);

        if (port < 1 || port > 65535) {
            *err = "the port is not a number from 1 to 65535";
            return NGX_ERROR;
        }

        url->port = (in_port_t) port;
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

    start = url->host.data + url->host.len;

    if (url->port != (url->secure ? 443 : 80)) {
        start = ngx_sprintf(start, ":%ui", (ngx_uint_t) url->port);
    }

    url->origin.len = start - url->origin.data;
    url->uri.data = start;

    if (p == last || *p != '/') {
        *start++ = '/';
    }

    start = ngx_cpymem(start, p, last - p);
    url->uri.len = start - url->uri.data;

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

    url->loopback = (url->host.len == 9
                     && ngx_strncmp(url->host.data, "localhost", 9) == 0);

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
    url->loopback = (url->host.len == 5
                     && ngx_strncmp(url->host.data, "[::1]", 5) == 0);

    return NGX_OK;
}


size_t
ngx_shop_escaped_len(ngx_str_t *src)
{
    return src->len + 2 * ngx_escape_uri(NULL, src->data, src->len,
                                         NGX_ESCAPE_URI_COMPONENT);
}


u_char *
ngx_shop_escape(u_char *dst, ngx_str_t *src)
{
    return (u_char *) ngx_escape_uri(dst, src->data, src->len,
                                     NGX_ESCAPE_URI_COMPONENT);
}


ngx_int_t
ngx_shop_escape_str(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    dst->len = ngx_shop_escaped_len(src);

    dst->data = ngx_pnalloc(pool, dst->len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_shop_escape(dst->data, src);

    return NGX_OK;
}


ngx_int_t
ngx_shop_unescape_form(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    u_char     *p, *s, *last;
    ngx_int_t   ch;

    p = ngx_pnalloc(pool, src->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;

    s = src->data;
    last = s + src->len;

    while (s < last) {

        ch = ngx_shop_unescape_byte(&s, last);

        if (ch == NGX_ERROR) {
            return NGX_ERROR;
        }

        *p++ = (u_char) ch;
    }

    dst->len = p - dst->data;

    return NGX_OK;
}


/* the next byte of a form field, or NGX_ERROR */

static ngx_int_t
ngx_shop_unescape_byte(u_char **pp, u_char *last)
{
    u_char     *p;
    ngx_int_t   ch;

    p = *pp;
    ch = *p++;

    if (ch == '+') {
        ch = ' ';

    } else if (ch == '%') {

        if (last - p < 2) {
            return NGX_ERROR;
        }

        ch = ngx_hextoi(p, 2);
        p += 2;
    }

    *pp = p;

    return (ch == '\0') ? NGX_ERROR : ch;
}


void
ngx_shop_query_init(ngx_shop_query_t *query, ngx_str_t *args)
{
    query->pos = args->data;
    query->last = args->len ? args->data + args->len : args->data;
}


ngx_int_t
ngx_shop_query_next(ngx_shop_query_t *query, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char  *p, *end, *eq;

    while (query->pos < query->last) {

        p = query->pos;

        end = ngx_strlchr(p, query->last, '&');

        if (end == NULL) {
            end = query->last;
        }

        query->pos = (end < query->last) ? end + 1 : end;

        if (p == end) {
            continue;
        }

        eq = ngx_strlchr(p, end, '=');

        if (eq == NULL) {
            eq = end;
        }

        name->data = p;
        name->len = eq - p;

        value->data = (eq == end) ? end : eq + 1;
        value->len = end - value->data;

        return NGX_OK;
    }

    return NGX_DONE;
}


ngx_int_t
ngx_shop_query_get(ngx_pool_t *pool, ngx_str_t *args, const char *name,
    ngx_str_t *value)
{
    ngx_str_t         key, raw, found;
    ngx_shop_query_t  query;

    ngx_str_null(&found);

    ngx_shop_query_init(&query, args);

    while (ngx_shop_query_next(&query, &key, &raw) == NGX_OK) {

        if (!ngx_shop_query_named(&key, name)) {
            continue;
        }

        if (found.data) {
            return NGX_ERROR;
        }

        found = raw;
    }

    if (found.data == NULL) {
        return NGX_DECLINED;
    }

    return ngx_shop_unescape_form(pool, &found, value);
}


static ngx_uint_t
ngx_shop_query_named(ngx_str_t *raw, const char *name)
{
    u_char  *p, *last;

    p = raw->data;
    last = p + raw->len;

    while (p < last) {

        /* neither NGX_ERROR nor the final NUL of the name is ever equal */

        if (ngx_shop_unescape_byte(&p, last) != (u_char) *name++) {
            return 0;
        }
    }

    return *name == '\0';
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


time_t
ngx_shop_parse_time(ngx_str_t *text)
{
    u_char  *p, *last;
    time_t   t, clock, zone;

    p = text->data;
    last = p + text->len;

    if (ngx_shop_time_date(&p, last, &t) != NGX_OK) {
        return NGX_ERROR;
    }

    if (p == last) {
        return t;
    }

    /* a time without a zone means another one on every machine */

    if (*p++ != 'T'
        || ngx_shop_time_clock(&p, last, &clock) != NGX_OK
        || ngx_shop_time_zone(&p, last, &zone) != NGX_OK
        || p != last)
    {
        return NGX_ERROR;
    }

    t += clock - zone;

    return (t < 0) ? NGX_ERROR : t;
}


/* "2026-09-01" */

static ngx_int_t
ngx_shop_time_date(u_char **pp, u_char *last, time_t *t)
{
    ngx_int_t  year, month, day, leap;

    year = ngx_shop_time_number(pp, last, '\0', 4);
    month = ngx_shop_time_number(pp, last, '-', 2);
    day = ngx_shop_time_number(pp, last, '-', 2);

    if (year < 1970 || month < 1 || month > 12) {
        return NGX_ERROR;
    }

    leap = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));

    if (day < 1
        || day > ngx_shop_time_days[month] - ngx_shop_time_days[month - 1]
                 + (month == 2 && leap))
    {
        return NGX_ERROR;
    }

    day += ngx_shop_time_days[month - 1] - 1 + (month > 2 && leap);

    /* leap days of the years before this one; 477 came before 1970 */

    year -= 1;
    day += 365 * (year - 1969) + year / 4 - year / 100 + year / 400 - 477;

    *t = (time_t) day * 86400;

    return NGX_OK;
}


/* "10:00" or "10:00:00" */

static ngx_int_t
ngx_shop_time_clock(u_char **pp, u_char *last, time_t *t)
{
    ngx_int_t  hour, min, sec;

    hour = ngx_shop_time_number(pp, last, '\0', 2);
    min = ngx_shop_time_number(pp, last, ':', 2);
    sec = 0;

    if (*pp < last && **pp == ':') {
        sec = ngx_shop_time_number(pp, last, ':', 2);
    }

    if (hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 59) {
        return NGX_ERROR;
    }

    *t = (hour * 60 + min) * 60 + sec;

    return NGX_OK;
}


/* "Z", "+02:00" or "-02:00" */

static ngx_int_t
ngx_shop_time_zone(u_char **pp, u_char *last, time_t *t)
{
    u_char     ch;
    ngx_int_t  hour, min;

    if (*pp == last) {
        return NGX_ERROR;
    }

    ch = **pp;

    if (ch == 'Z') {
        (*pp)++;
        *t = 0;
        return NGX_OK;
    }

    if (ch != '+' && ch != '-') {
        return NGX_ERROR;
    }

    hour = ngx_shop_time_number(pp, last, ch, 2);
    min = ngx_shop_time_number(pp, last, ':', 2);

    if (hour < 0 || hour > 23 || min < 0 || min > 59) {
        return NGX_ERROR;
    }

    *t = (hour * 60 + min) * 60;

    if (ch == '-') {
        *t = -*t;
    }

    return NGX_OK;
}


/* exactly "n" digits, behind the byte "before" where that is not NUL */

static ngx_int_t
ngx_shop_time_number(u_char **pp, u_char *last, u_char before, size_t n)
{
    u_char     *p;
    ngx_int_t   number;

    p = *pp;

    if ((size_t) (last - p) < n + (before != '\0')
        || (before != '\0' && *p++ != before))
    {
        return NGX_ERROR;
    }

    number = ngx_atoi(p, n);

    if (number != NGX_ERROR) {
        *pp = p + n;
    }

    return number;
}
