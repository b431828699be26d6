
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"


static ngx_uint_t ngx_shop_cookie_is_empty(ngx_table_elt_t *h, void *data);
static void ngx_shop_cookie_forget_empty(ngx_http_request_t *r);
static ngx_int_t ngx_shop_cookie_take_line(ngx_http_request_t *r,
    ngx_table_elt_t *h, ngx_str_t *name, ngx_str_t *prefix,
    ngx_array_t *cookies);
static u_char *ngx_shop_cookie_end(u_char *p, u_char *last);
static u_char *ngx_shop_cookie_pair(u_char *start, u_char *last,
    ngx_str_t *key, ngx_str_t *value);
static ngx_uint_t ngx_shop_cookie_tagged(ngx_str_t *key, ngx_str_t *prefix);
static u_char *ngx_shop_cookie_skip(u_char *p, u_char *last);
static ngx_int_t ngx_shop_cookie_keep(ngx_http_request_t *r,
    ngx_array_t *cookies, ngx_str_t *name, ngx_str_t *value,
    ngx_uint_t session);


ngx_int_t
ngx_shop_cookies_take(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *prefix, ngx_array_t *cookies)
{
    ngx_int_t         rc, found;
    ngx_uint_t        i, empty;
    ngx_table_elt_t  *h;

    found = NGX_DECLINED;
    empty = 0;

    for (h = ngx_shop_cookie_first(r, &i);
         h != NULL;
         h = ngx_shop_cookie_next(r, h, &i))
    {
        rc = ngx_shop_cookie_take_line(r, h, name, prefix, cookies);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            found = NGX_OK;
            empty |= (h->value.len == 0);
        }
    }

    if (empty) {
        ngx_shop_cookie_forget_empty(r);

        if (ngx_shop_header_in_cut(r, ngx_shop_cookie_is_empty, NULL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return found;
}


static ngx_uint_t
ngx_shop_cookie_is_empty(ngx_table_elt_t *h, void *data)
{
    return h->value.len == 0 && h->key.len == sizeof("cookie") - 1
           && ngx_strncmp(h->lowcase_key, "cookie", h->key.len) == 0;
}


static void
ngx_shop_cookie_forget_empty(ngx_http_request_t *r)
{
#if (NGX_SHOP_HAVE_COOKIE_LIST)

    ngx_table_elt_t  **h;

    h = &r->headers_in.cookie;

    while (*h != NULL) {

        if ((*h)->value.len == 0) {
            *h = (*h)->next;

        } else {
            h = &(*h)->next;
        }
    }

#else

    ngx_uint_t         i, n;
    ngx_table_elt_t  **h;

    n = 0;
    h = r->headers_in.cookies.elts;

    for (i = 0; i < r->headers_in.cookies.nelts; i++) {
        if (h[i]->value.len != 0) {                      /* NOLINT */
            h[n++] = h[i];
        }
    }

    r->headers_in.cookies.nelts = n;

#endif
}


/*
 * What is kept moves to the left over what was cut, with the semicolon it
 * had, so the line needs no memory and "headers_in" goes on pointing to it.
 * A line without a cookie of ours stays as it is, byte for byte.
 */

static ngx_int_t
ngx_shop_cookie_take_line(ngx_http_request_t *r, ngx_table_elt_t *h,
    ngx_str_t *name, ngx_str_t *prefix, ngx_array_t *cookies)
{
    u_char      *w, *last, *end, *start;
    ngx_str_t    key, value;
    ngx_uint_t   session;

    w = NULL;
    last = h->value.data + h->value.len;

    for (start = h->value.data; start < last; start = end + 1) {

        end = ngx_shop_cookie_pair(start, last, &key, &value);

        session = (key.len == name->len
                   && ngx_strncmp(key.data, name->data, name->len) == 0);

        if (session || ngx_shop_cookie_tagged(&key, prefix)) {

            if (w == NULL) {
                w = ngx_shop_cookie_end(h->value.data, start);
            }

            if (ngx_shop_cookie_keep(r, cookies, &key, &value, session)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (w == NULL) {
            continue;
        }

        if (w == h->value.data) {
            start = key.data;

        } else {
            *w++ = ';';
        }

        w = ngx_movemem(w, start, end - start);
    }

    if (w == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(w, last - w);
    h->value.len = w - h->value.data;

    return NGX_OK;
}


/* of what is before "last", without blanks and semicolons */

static u_char *
ngx_shop_cookie_end(u_char *p, u_char *last)
{
    while (last > p
           && (last[-1] == ';' || last[-1] == ' ' || last[-1] == '\t'))
    {
        last--;
    }

    return last;
}


/* up to the semicolon, or "last": that is returned; all point into the line */

static u_char *
ngx_shop_cookie_pair(u_char *start, u_char *last, ngx_str_t *key,
    ngx_str_t *value)
{
    u_char  *end, *eq;

    end = memchr(start, ';', last - start);
    if (end == NULL) {
        end = last;
    }

    key->data = ngx_shop_cookie_skip(start, end);

    eq = memchr(key->data, '=', end - key->data);

    key->len = (eq ? eq : end) - key->data;

    value->data = ngx_shop_cookie_skip(eq ? eq + 1 : end, end);
    value->len = end - value->data;

    while (key->len && (key->data[key->len - 1] == ' '
                        || key->data[key->len - 1] == '\t'))
    {
        key->len--;
    }

    while (value->len && (value->data[value->len - 1] == ' '
                          || value->data[value->len - 1] == '\t'))
    {
        value->len--;
    }

    return end;
}


static ngx_uint_t
ngx_shop_cookie_tagged(ngx_str_t *key, ngx_str_t *prefix)
{
    u_char  c, *p;

    if (key->len != prefix->len + NGX_SHOP_COOKIE_TAG
        || ngx_strncmp(key->data, prefix->data, prefix->len) != 0)
    {
        return 0;
    }

    for (p = key->data + prefix->len; p < key->data + key->len; p++) {

        c = *p | 0x20;

        if ((c < 'a' || c > 'z') && (*p < '0' || *p > '9')
            && *p != '-' && *p != '_')
        {
            return 0;
        }
    }

    return 1;
}


static u_char *
ngx_shop_cookie_skip(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}


static ngx_int_t
ngx_shop_cookie_keep(ngx_http_request_t *r, ngx_array_t *cookies,
    ngx_str_t *name, ngx_str_t *value, ngx_uint_t session)
{
    u_char             *p;
    ngx_shop_cookie_t  *cookie;

    if (cookies == NULL) {
        return NGX_OK;
    }

    if (cookies->elts == NULL
        && ngx_array_init(cookies, r->pool, 2, sizeof(ngx_shop_cookie_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (cookies->nelts == NGX_SHOP_COOKIES_MAX) {
        return NGX_OK;
    }

    cookie = ngx_array_push(cookies);
    if (cookie == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, name->len + value->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    cookie->name.len = name->len;
    cookie->name.data = p;
    p = ngx_cpymem(p, name->data, name->len);

    cookie->value.len = value->len;
    cookie->value.data = p;
    ngx_memcpy(p, value->data, value->len);

    cookie->session = session;

    return NGX_OK;
}


ngx_int_t
ngx_shop_cookie_get(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    u_char           *p, *last;
    ngx_str_t         key, found;
    ngx_uint_t        i, n;
    ngx_table_elt_t  *h;

    n = 0;

    for (h = ngx_shop_cookie_first(r, &i);
         h != NULL;
         h = ngx_shop_cookie_next(r, h, &i))
    {
        last = h->value.data + h->value.len;

        for (p = h->value.data; p < last; p++) {

            p = ngx_shop_cookie_pair(p, last, &key, &found);

            if (ngx_shop_text_is(&key, name)) {
                *value = found;
                n++;
            }
        }
    }

    return (n == 1) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_shop_cookie_set(ngx_http_request_t *r, ngx_str_t *name, ngx_str_t *value,
    time_t max_age, ngx_str_t *attributes)
{
    u_char     *p;
    size_t      len;
    ngx_str_t   line;

    len = name->len + 1 + value->len + attributes->len
          + sizeof("; Max-Age=") - 1 + NGX_TIME_T_LEN;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    line.data = p;

    p = ngx_sprintf(p, "%V=%V", name, value);

    if (max_age >= 0) {
        p = ngx_sprintf(p, "; Max-Age=%T", max_age);
    }

    p = ngx_cpymem(p, attributes->data, attributes->len);

    line.len = p - line.data;

    return ngx_shop_header_out_add(r, "Set-Cookie", &line);
}
