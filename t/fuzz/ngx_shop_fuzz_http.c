
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"

#include "ngx_shop_fuzz.h"


/*
 * A request that has headers and nothing else.  Their values are what nginx
 * lets through: no line feed, no carriage return and no NUL.
 */


#define NGX_SHOP_FUZZ_HEADERS  64


static ngx_http_request_t *ngx_shop_fuzz_request(ngx_shop_fuzz_t *fuzz);
static ngx_table_elt_t *ngx_shop_fuzz_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_shop_fuzz_cookie(ngx_http_request_t *r,
    ngx_table_elt_t *h);


/* a line is a header; ours are gone, and all others are as they were */

void
ngx_shop_fuzz_cookies(ngx_shop_fuzz_t *fuzz)
{
    size_t               before, after;
    ngx_str_t            value;
    ngx_uint_t           i;
    ngx_array_t          cookies;
    ngx_table_elt_t     *h;
    ngx_shop_cookie_t   *cookie;
    ngx_http_request_t  *r;

    static ngx_str_t  name = ngx_string("shop");
    static ngx_str_t  prefix = ngx_string("shop-login-");

    r = ngx_shop_fuzz_request(fuzz);
    if (r == NULL) {
        return;
    }

    ngx_memzero(&cookies, sizeof(ngx_array_t));
    before = 0;

    for (i = 0; i < NGX_SHOP_FUZZ_HEADERS && fuzz->text.len; i++) {
        value = ngx_shop_fuzz_line(&fuzz->text);
        before += value.len;

        h = ngx_shop_fuzz_header(r, "Cookie", &value);

        if (h == NULL || ngx_shop_fuzz_cookie(r, h) != NGX_OK) {
            return;
        }
    }

    if (ngx_shop_cookies_take(r, &name, &prefix, &cookies) == NGX_OK) {

        ngx_shop_fuzz_must(cookies.nelts > 0);
        ngx_shop_fuzz_must(cookies.nelts <= NGX_SHOP_COOKIES_MAX);

        cookie = cookies.elts;

        for (i = 0; i < cookies.nelts; i++) {
            ngx_shop_fuzz_must(ngx_shop_equal(&cookie[i].name, &name)
                               || cookie[i].name.len
                                  == prefix.len + NGX_SHOP_COOKIE_TAG);
        }

    } else {
        ngx_shop_fuzz_must(cookies.nelts == 0);
    }

    /* none is left, and nothing is there that was not */

    ngx_memzero(&cookies, sizeof(ngx_array_t));

    ngx_shop_fuzz_must(ngx_shop_cookies_take(r, &name, &prefix, &cookies)
                       == NGX_DECLINED);

    after = 0;

    for (i = 0; i < r->headers_in.headers.part.nelts; i++) {
        h = (ngx_table_elt_t *) r->headers_in.headers.part.elts + i;
        after += h->value.len;
    }

    ngx_shop_fuzz_must(after <= before);

    (void) ngx_shop_cookie_get(r, "g_csrf_token", &value);
}


void
ngx_shop_fuzz_language(ngx_shop_fuzz_t *fuzz)
{
    ngx_http_request_t  *r;

    r = ngx_shop_fuzz_request(fuzz);

    if (r && ngx_shop_fuzz_header(r, "Accept-Language", &fuzz->text)) {
        ngx_shop_fuzz_must(ngx_shop_texts(r) != NULL);
    }
}


void
ngx_shop_fuzz_accept(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t            value, origin;
    ngx_http_request_t  *r;

    static const char  *names[] = { "Accept", "Sec-Fetch-Mode",
                                    "Sec-Fetch-Site", "Origin" };
    ngx_uint_t           i;

    r = ngx_shop_fuzz_request(fuzz);
    if (r == NULL) {
        return;
    }

    for (i = 0; i < 4 && fuzz->text.len; i++) {
        value = ngx_shop_fuzz_line(&fuzz->text);

        if (ngx_shop_fuzz_header(r, names[i], &value) == NULL) {
            return;
        }
    }

    ngx_str_set(&origin, "https://shop.example");

    r->method = NGX_HTTP_GET;

    (void) ngx_shop_is_navigation(r);
    (void) ngx_shop_accepts(r, "application/json");

    if (ngx_shop_is_cross_site(r)) {
        ngx_shop_fuzz_must(ngx_shop_same_origin(r, &origin) != NGX_OK);
    }
}


/* what is logged of a callback has no byte of its code */

void
ngx_shop_fuzz_mask(ngx_shop_fuzz_t *fuzz)
{
    u_char              *p;
    size_t               i;
    ngx_str_t            args, value, masked;
    ngx_uint_t           found;
    ngx_http_request_t  *r;

    r = ngx_shop_fuzz_request(fuzz);
    if (r == NULL) {
        return;
    }

    for (i = 0; i < fuzz->text.len; i++) {
        if (fuzz->text.data[i] <= ' ' || fuzz->text.data[i] == '#') {
            return;
        }
    }

    p = ngx_pnalloc(fuzz->pool, fuzz->text.len + sizeof("GET /c? HTTP/1.1"));
    if (p == NULL) {
        return;
    }

    r->request_line.data = p;
    r->request_line.len = ngx_sprintf(p, "GET /c?%V HTTP/1.1", &fuzz->text)
                          - p;

    r->unparsed_uri.data = p + 4;
    r->unparsed_uri.len = 3 + fuzz->text.len;
    r->args.data = p + 7;
    r->args.len = fuzz->text.len;

    if (ngx_shop_mask_args(r, &args) != NGX_OK) {
        return;
    }

    ngx_shop_fuzz_must(ngx_shop_equal(&args, &fuzz->text));

    found = ngx_shop_query_get(fuzz->pool, &args, "code", &value) == NGX_OK
            && ngx_shop_query_get(fuzz->pool, &r->args, "code", &masked)
               == NGX_OK;

    if (found) {
        for (i = 0; i < masked.len; i++) {
            ngx_shop_fuzz_must(masked.data[i] == '*');
        }
    }
}


void
ngx_shop_fuzz_html(ngx_shop_fuzz_t *fuzz)
{
    size_t     i;
    ngx_str_t  html;

    if (ngx_shop_html_escape(fuzz->pool, &fuzz->text, &html) != NGX_OK) {
        return;
    }

    for (i = 0; i < html.len; i++) {
        ngx_shop_fuzz_must(html.data[i] != '<' && html.data[i] != '>'
                           && html.data[i] != '"');
    }
}


static ngx_http_request_t *
ngx_shop_fuzz_request(ngx_shop_fuzz_t *fuzz)
{
    size_t               i;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    for (i = 0; i < fuzz->text.len; i++) {
        if (fuzz->text.data[i] == '\0' || fuzz->text.data[i] == CR) {
            fuzz->text.data[i] = ' ';
        }
    }

    r = ngx_pcalloc(fuzz->pool, sizeof(ngx_http_request_t));
    c = ngx_pcalloc(fuzz->pool, sizeof(ngx_connection_t));

    if (r == NULL || c == NULL
        || ngx_list_init(&r->headers_in.headers, fuzz->pool,
                         NGX_SHOP_FUZZ_HEADERS, sizeof(ngx_table_elt_t))
           != NGX_OK)
    {
        return NULL;
    }

    c->log = fuzz->log;

    r->pool = fuzz->pool;
    r->connection = c;
    r->main = r;

#if !(NGX_SHOP_HAVE_COOKIE_LIST)

    if (ngx_array_init(&r->headers_in.cookies, fuzz->pool, 4,
                       sizeof(ngx_table_elt_t *))
        != NGX_OK)
    {
        return NULL;
    }

#endif

    return r;
}


static ngx_table_elt_t *
ngx_shop_fuzz_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);

    h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
    h->value.data = ngx_pnalloc(r->pool, value->len + 1);

    if (h->lowcase_key == NULL || h->value.data == NULL) {
        return NULL;
    }

    ngx_strlow(h->lowcase_key, h->key.data, h->key.len);

    /* each ends with a NUL, as in nginx */

    *ngx_cpymem(h->value.data, value->data, value->len) = '\0';
    h->value.len = value->len;

    return h;
}


/* as nginx knows them besides, in their order */

static ngx_int_t
ngx_shop_fuzz_cookie(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_table_elt_t  **last;

#if (NGX_SHOP_HAVE_COOKIE_LIST)

    last = &r->headers_in.cookie;

    while (*last) {
        last = &(*last)->next;
    }

#else

    last = ngx_array_push(&r->headers_in.cookies);
    if (last == NULL) {
        return NGX_ERROR;
    }

#endif

    *last = h;

    return NGX_OK;
}
