
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"


/*
 * Request headers cannot be hidden: a hash of zero keeps a response header
 * from the client, but the proxy sends every request header that is in the
 * list.  So what must go is cut out.  An element is never moved, since
 * headers_in keeps pointers to elements: a part of the list is shortened,
 * or divided in two over the same memory,
 *
 *     +---+---+---+---+---+           +---+---+       +---+---+
 *     | a | b | X | d | e |    ->     | a | b |  ->   | d | e |
 *     +---+---+---+---+---+           +---+---+       +---+---+
 *
 * Two things nginx relies on are kept: no part but the first is ever empty
 * (loops over a list read element 0 of a next part unasked), and "nalloc" is
 * the room of the last part, where ngx_list_push() adds.
 */


static ngx_uint_t ngx_shop_header_in_has(ngx_http_request_t *r,
    ngx_shop_header_names_t *names);
static ngx_uint_t ngx_shop_header_names_match(ngx_shop_header_names_t *names,
    ngx_table_elt_t *h);
static ngx_uint_t ngx_shop_header_name_equal(ngx_str_t *lowcase, u_char *name,
    size_t len);
static ngx_uint_t ngx_shop_header_in_named(ngx_table_elt_t *h, void *data);
static ngx_int_t ngx_shop_list_part_cut(ngx_list_t *list,
    ngx_list_part_t *part, ngx_uint_t i);
static ngx_int_t ngx_shop_list_part_unlink(ngx_list_t *list,
    ngx_list_part_t *prev, ngx_list_part_t *part);
static void ngx_shop_mask_line(ngx_str_t *line, u_char *args);
static void ngx_shop_mask_fields(u_char *p, u_char *last);


ngx_int_t
ngx_shop_header_names_init(ngx_pool_t *pool, ngx_shop_header_names_t *names)
{
    names->lengths = 0;

    return ngx_array_init(&names->names, pool, 8,
                          sizeof(ngx_shop_header_name_t));
}


ngx_shop_header_name_t *
ngx_shop_header_names_add(ngx_pool_t *pool, ngx_shop_header_names_t *names,
    ngx_str_t *name)
{
    u_char                  *lowcase;
    ngx_uint_t               i;
    ngx_shop_header_name_t  *hn;

    lowcase = ngx_pnalloc(pool, name->len);
    if (lowcase == NULL) {
        return NULL;
    }

    ngx_strlow(lowcase, name->data, name->len);

    hn = names->names.elts;

    for (i = 0; i < names->names.nelts; i++) {
        if (ngx_shop_header_name_equal(&hn[i].lowcase, lowcase, name->len)
            && ngx_strncmp(hn[i].name.data, name->data, name->len) == 0)
        {
            return &hn[i];
        }
    }

    hn = ngx_array_push(&names->names);
    if (hn == NULL) {
        return NULL;
    }

    hn->name = *name;
    hn->lowcase.len = name->len;
    hn->lowcase.data = lowcase;
    hn->hash = ngx_hash_key(lowcase, name->len);

    names->lengths |= (uint64_t) 1 << ngx_min(name->len, 63);

    return hn;
}


ngx_int_t
ngx_shop_header_in_strip(ngx_http_request_t *r,
    ngx_shop_header_names_t *names)
{
    if (!ngx_shop_header_in_has(r, names)) {
        return NGX_OK;
    }

    if (ngx_shop_header_in_own(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_header_in_cut(r, ngx_shop_header_in_named, names);
}


/* nearly all requests have none, and are looked through once */

static ngx_uint_t
ngx_shop_header_in_has(ngx_http_request_t *r, ngx_shop_header_names_t *names)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_shop_header_names_match(names, &h[i])) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_shop_header_in_named(ngx_table_elt_t *h, void *data)
{
    return ngx_shop_header_names_match(data, h);
}


static ngx_uint_t
ngx_shop_header_names_match(ngx_shop_header_names_t *names,
    ngx_table_elt_t *h)
{
    ngx_uint_t               i;
    ngx_shop_header_name_t  *hn;

    if (!(names->lengths & ((uint64_t) 1 << ngx_min(h->key.len, 63)))) {
        return 0;
    }

    hn = names->names.elts;

    for (i = 0; i < names->names.nelts; i++) {
        if (ngx_shop_header_name_equal(&hn[i].lowcase, h->key.data,
                                       h->key.len))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * CGI and its heirs make one name of "-", "_" and both cases, and PHP of "."
 * and some others, too: all that is no letter and no digit is the same to us.
 */

static ngx_uint_t
ngx_shop_header_name_equal(ngx_str_t *lowcase, u_char *name, size_t len)
{
    u_char      a, b;
    ngx_uint_t  i;

    if (lowcase->len != len) {
        return 0;
    }

    for (i = 0; i < len; i++) {

        a = lowcase->data[i];
        b = ngx_tolower(name[i]);

        if (a == b) {
            continue;
        }

        if ((a != '-' && a != '_')
            || (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9'))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * One walk, however many there are.  When a part was divided, what is left
 * of it has been looked at and is stepped over, so each element is seen
 * twice at most.
 */

ngx_int_t
ngx_shop_header_in_cut(ngx_http_request_t *r, ngx_shop_header_in_pt match,
    void *data)
{
    ngx_uint_t        i;
    ngx_list_t       *list;
    ngx_table_elt_t  *h;
    ngx_list_part_t  *part, *prev;

    list = &r->headers_in.headers;
    prev = NULL;
    part = &list->part;

    while (part != NULL) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (match(&h[i], data)) {
                break;
            }
        }

        if (i == part->nelts) {
            prev = part;
            part = part->next;
            continue;
        }

        if (ngx_shop_list_part_cut(list, part, i) != NGX_OK) {
            return NGX_ERROR;
        }

        if (part->nelts == 0 && prev != NULL) {

            if (ngx_shop_list_part_unlink(list, prev, part) != NGX_OK) {
                return NGX_ERROR;
            }

            part = prev->next;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_list_part_cut(ngx_list_t *list, ngx_list_part_t *part, ngx_uint_t i)
{
    ngx_table_elt_t  *h;
    ngx_list_part_t  *rest;

    if (i == part->nelts - 1) {
        part->nelts--;
        return NGX_OK;
    }

    h = part->elts;

    if (i == 0) {
        part->elts = h + 1;
        part->nelts--;

    } else {
        rest = ngx_palloc(list->pool, sizeof(ngx_list_part_t));
        if (rest == NULL) {
            return NGX_ERROR;
        }

        rest->elts = h + i + 1;
        rest->nelts = part->nelts - i - 1;
        rest->next = part->next;

        part->nelts = i;
        part->next = rest;

        if (list->last != part) {
            return NGX_OK;
        }

        list->last = rest;
        part = rest;
    }

    if (list->last == part) {
        list->nalloc -= i + 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_list_part_unlink(ngx_list_t *list, ngx_list_part_t *prev,
    ngx_list_part_t *part)
{
    prev->next = part->next;

    if (list->last != part) {
        return NGX_OK;
    }

    if (prev->nelts == 0) {

        /* only the first part may be empty, so nothing is left at all */
        return ngx_list_init(list, list->pool, 8, list->size);
    }

    /* what is behind the previous part's elements is not known: it is full */

    list->last = prev;
    list->nalloc = prev->nelts;

    return NGX_OK;
}


ngx_int_t
ngx_shop_header_in_add(ngx_http_request_t *r, ngx_shop_header_name_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = name->hash;
    h->key = name->name;
    h->lowcase_key = name->lowcase.data;
    h->value = *value;
    ngx_shop_elt_init(h);

    return NGX_OK;
}


ngx_int_t
ngx_shop_header_in_own(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_t        list;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *elts;

    if (r == r->main) {
        return NGX_OK;
    }

    if (ngx_list_init(&list, r->pool, 20, sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        elts = part->elts;

        for (i = 0; i < part->nelts; i++) {

            h = ngx_list_push(&list);
            if (h == NULL) {
                return NGX_ERROR;
            }

            *h = elts[i];
            ngx_shop_elt_init(h);
        }
    }

    r->headers_in.headers = list;
    ngx_shop_headers_in_unlinked(r);

    if (list.last == &list.part) {
        r->headers_in.headers.last = &r->headers_in.headers.part;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_header_in_get(ngx_http_request_t *r, const char *lowcase,
    ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(lowcase);

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].key.len == len
                && ngx_strncmp(h[i].lowcase_key, lowcase, len) == 0)
            {
                *value = h[i].value;
                return NGX_OK;
            }
        }
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_shop_is_navigation(ngx_http_request_t *r)
{
    return (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))
           && ngx_shop_wants_page(r);
}


ngx_uint_t
ngx_shop_wants_page(ngx_http_request_t *r)
{
    ngx_str_t  mode;

    if (ngx_shop_header_in_get(r, "sec-fetch-mode", &mode) == NGX_OK) {
        return ngx_shop_text_is(&mode, "navigate");
    }

    return ngx_shop_accepts(r, "text/html");
}


ngx_uint_t
ngx_shop_accepts(ngx_http_request_t *r, const char *type)
{
    ngx_str_t  accept;

    if (ngx_shop_header_in_get(r, "accept", &accept) != NGX_OK) {
        return 0;
    }

    return ngx_strlcasestrn(accept.data, accept.data + accept.len,
                            (u_char *) type, ngx_strlen(type) - 1)
           != NULL;
}


ngx_int_t
ngx_shop_same_origin(ngx_http_request_t *r, ngx_str_t *origin)
{
    ngx_str_t  value;

    if (ngx_shop_header_in_get(r, "sec-fetch-site", &value) == NGX_OK) {
        return ngx_shop_text_is(&value, "same-origin") ? NGX_OK
                                                       : NGX_DECLINED;
    }

    if (ngx_shop_header_in_get(r, "origin", &value) == NGX_OK
        && value.len == origin->len
        && ngx_strncasecmp(value.data, origin->data, origin->len) == 0)
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_shop_is_cross_site(ngx_http_request_t *r)
{
    ngx_str_t  site;

    return ngx_shop_header_in_get(r, "sec-fetch-site", &site) == NGX_OK
           && ngx_shop_text_is(&site, "cross-site");
}


/*
 * HTTP/1 keeps one copy of the request line, to which everything points;
 * HTTP/2 and HTTP/3 make the line for the log from the path, as a second.
 * Lines of the log have the referrer, too: it may be the provider's page with
 * what we sent the browser there with.
 */

ngx_int_t
ngx_shop_mask_args(ngx_http_request_t *r, ngx_str_t *args)
{
    *args = r->args;

    if (r->headers_in.referer) {
        ngx_shop_mask_line(&r->headers_in.referer->value, NULL);
    }

    if (r->args.len == 0) {
        return NGX_OK;
    }

    args->data = ngx_pstrdup(r->pool, &r->args);
    if (args->data == NULL) {
        return NGX_ERROR;
    }

    ngx_shop_mask_fields(r->args.data, r->args.data + r->args.len);

    ngx_shop_mask_line(&r->request_line, r->args.data);
    ngx_shop_mask_line(&r->unparsed_uri, r->args.data);

    return NGX_OK;
}


/* "line" may hold "args", which are done, or a copy of them */

static void
ngx_shop_mask_line(ngx_str_t *line, u_char *args)
{
    u_char  *p, *last;

    if (line->len == 0) {
        return;
    }

    last = line->data + line->len;

    if (args >= line->data && args < last) {
        return;
    }

    p = ngx_strlchr(line->data, last, '?');

    if (p != NULL) {
        ngx_shop_mask_fields(p + 1, last);
    }
}


/* all values go, but for the two that say what went wrong */

static void
ngx_shop_mask_fields(u_char *p, u_char *last)
{
    u_char     *end;
    ngx_str_t   name;

    while (p < last && *p != ' ') {

        name.data = p;

        while (p < last && *p != '=' && *p != '&' && *p != ' ') {
            p++;
        }

        name.len = p - name.data;
        end = p;

        while (end < last && *end != '&' && *end != ' ') {
            end++;
        }

        if (p < end
            && !ngx_shop_text_is(&name, "iss")
            && !ngx_shop_text_is(&name, "error"))
        {
            ngx_memset(p + 1, '*', end - p - 1);
        }

        p = end;

        if (p < last && *p == '&') {
            p++;
        }
    }
}
