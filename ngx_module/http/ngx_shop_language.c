
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"


/*
 * Which of our languages a browser would like best, by "Accept-Language"
 * (RFC 9110, 12.5.4):
 *
 *     de-AT, de;q=0.9, en;q=0.5
 *
 * The catalogs tell languages and not their regions, so a range is looked up
 * by its first part (RFC 4647, 3.4).  Chinese is written in two ways: who
 * asks for the traditional one does not get the other.
 */


static u_char *ngx_shop_language_range(u_char *p, u_char *last,
    ngx_str_t *range, ngx_uint_t *quality);
static ngx_int_t ngx_shop_language_quality(u_char *p, u_char *last);
static ngx_shop_texts_t *ngx_shop_language_find(ngx_str_t *range);
static ngx_uint_t ngx_shop_language_traditional(ngx_str_t *range);


ngx_shop_texts_t *
ngx_shop_texts(ngx_http_request_t *r)
{
    u_char            *p, *last;
    ngx_str_t          value, range;
    ngx_uint_t         quality, best;
    ngx_shop_texts_t  *texts, *found;

    texts = ngx_shop_catalogs;

    if (ngx_shop_header_in_get(r, "accept-language", &value) != NGX_OK) {
        return texts;
    }

    p = value.data;
    last = p + value.len;
    best = 0;

    while (p < last) {

        p = ngx_shop_language_range(p, last, &range, &quality);

        if (quality <= best) {
            continue;
        }

        found = ngx_shop_language_find(&range);

        if (found != NULL) {
            texts = found;
            best = quality;
        }
    }

    return texts;
}


/* one element of the list; the quality is in thousandths, 0: not wanted */

static u_char *
ngx_shop_language_range(u_char *p, u_char *last, ngx_str_t *range,
    ngx_uint_t *quality)
{
    u_char     *end, *semicolon;
    ngx_int_t   n;

    end = ngx_strlchr(p, last, ',');
    if (end == NULL) {
        end = last;
    }

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    semicolon = ngx_strlchr(p, end, ';');

    range->data = p;
    range->len = (semicolon ? semicolon : end) - p;

    while (range->len && (p[range->len - 1] == ' '
                          || p[range->len - 1] == '\t'))
    {
        range->len--;
    }

    *quality = 1000;

    if (semicolon != NULL) {
        n = ngx_shop_language_quality(semicolon + 1, end);
        *quality = (n == NGX_ERROR) ? 0 : n;
    }

    return end + 1;
}


/* "q=0.7" as 700 (RFC 9110, 12.4.2) */

static ngx_int_t
ngx_shop_language_quality(u_char *p, u_char *last)
{
    ngx_int_t   n;
    ngx_uint_t  digits;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }

    if (last - p < 3 || (*p | 0x20) != 'q' || p[1] != '='
        || (p[2] != '0' && p[2] != '1'))
    {
        return NGX_ERROR;
    }

    n = p[2] - '0';
    p += 3;

    if (p < last && *p++ != '.') {
        return NGX_ERROR;
    }

    for (digits = 0; digits < 3; digits++) {

        n *= 10;

        if (p == last) {
            continue;
        }

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        n += *p++ - '0';
    }

    return (p == last && n <= 1000) ? n : NGX_ERROR;
}


static ngx_shop_texts_t *
ngx_shop_language_find(ngx_str_t *range)
{
    u_char            *p, *last;
    size_t             len;
    ngx_shop_texts_t  *texts;

    last = range->data + range->len;

    p = ngx_strlchr(range->data, last, '-');
    len = (p ? p : last) - range->data;

    if (len != 2 || ngx_shop_language_traditional(range)) {
        return NULL;
    }

    for (texts = ngx_shop_catalogs; texts->language.len; texts++) {
        if (ngx_strncasecmp(texts->language.data, range->data, 2) == 0) {
            return texts;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_shop_language_traditional(ngx_str_t *range)
{
    ngx_uint_t         i;
    static ngx_str_t   prefixes[] = {
        ngx_string("zh-Hant"),
        ngx_string("zh-TW"),
        ngx_string("zh-HK"),
        ngx_string("zh-MO"),
        ngx_null_string
    };

    for (i = 0; prefixes[i].len; i++) {
        if (range->len >= prefixes[i].len
            && ngx_strncasecmp(range->data, prefixes[i].data,
                               prefixes[i].len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}
