
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


static ngx_int_t ngx_shop_unescape_byte(u_char **pp, u_char *last);
static ngx_uint_t ngx_shop_query_named(ngx_str_t *raw, const char *name);


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
