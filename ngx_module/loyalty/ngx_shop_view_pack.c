
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * A view in the cache: its numbers and texts in the order below.  What is
 * not in the list is not kept, so a new field of ngx_shop_view_t is to be
 * added here, too.
 */


static size_t  ngx_shop_view_times[] = {
    offsetof(ngx_shop_view_t, tier_since),
    offsetof(ngx_shop_view_t, tier_until),
    offsetof(ngx_shop_view_t, created),
    offsetof(ngx_shop_view_t, next_due)
};

static size_t  ngx_shop_view_numbers[] = {
    offsetof(ngx_shop_view_t, points),
    offsetof(ngx_shop_view_t, pending),
    offsetof(ngx_shop_view_t, qualifying),
    offsetof(ngx_shop_view_t, orders)
};

static size_t  ngx_shop_view_texts[] = {
    offsetof(ngx_shop_view_t, tier),
    offsetof(ngx_shop_view_t, segments)
};

#define NGX_SHOP_VIEW_TIMES    (sizeof(ngx_shop_view_times) / sizeof(size_t))
#define NGX_SHOP_VIEW_NUMBERS                                                 \
    (sizeof(ngx_shop_view_numbers) / sizeof(size_t))
#define NGX_SHOP_VIEW_TEXTS    (sizeof(ngx_shop_view_texts) / sizeof(size_t))

#define ngx_shop_view_field(view, offset, type)                               \
    ((type *) ((u_char *) (view) + (offset)))


ngx_int_t
ngx_shop_view_pack(ngx_pool_t *pool, ngx_shop_view_t *view, ngx_str_t *value)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *text;
    ngx_uint_t   i;

    len = (NGX_SHOP_VIEW_TIMES + NGX_SHOP_VIEW_NUMBERS + NGX_SHOP_VIEW_TEXTS)
          * NGX_SHOP_PACK_INT_MAX;

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++) {
        text = ngx_shop_view_field(view, ngx_shop_view_texts[i], ngx_str_t);
        len += text->len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    for (i = 0; i < NGX_SHOP_VIEW_TIMES; i++) {
        p = ngx_shop_pack_int(p, *ngx_shop_view_field(view,
                                             ngx_shop_view_times[i], time_t));
    }

    for (i = 0; i < NGX_SHOP_VIEW_NUMBERS; i++) {
        p = ngx_shop_pack_int(p, *ngx_shop_view_field(view,
                                          ngx_shop_view_numbers[i], int64_t));
    }

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++) {
        p = ngx_shop_pack_text(p, ngx_shop_view_field(view,
                                          ngx_shop_view_texts[i], ngx_str_t));
    }

    value->len = p - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_view_unpack(ngx_str_t *value, ngx_shop_view_t *view)
{
    u_char      *p, *last;
    int64_t      n;
    ngx_str_t   *text;
    ngx_uint_t   i;

    ngx_memzero(view, sizeof(ngx_shop_view_t));

    p = value->data;
    last = p + value->len;

    for (i = 0; i < NGX_SHOP_VIEW_TIMES; i++) {

        if (ngx_shop_unpack_int(&p, last, &n) != NGX_OK) {
            return NGX_ERROR;
        }

        *ngx_shop_view_field(view, ngx_shop_view_times[i], time_t)
            = (time_t) n;
    }

    for (i = 0; i < NGX_SHOP_VIEW_NUMBERS; i++) {

        if (ngx_shop_unpack_int(&p, last, &n) != NGX_OK) {
            return NGX_ERROR;
        }

        *ngx_shop_view_field(view, ngx_shop_view_numbers[i], int64_t) = n;
    }

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++) {

        text = ngx_shop_view_field(view, ngx_shop_view_texts[i], ngx_str_t);

        if (ngx_shop_unpack_text(&p, last, text) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return p == last ? NGX_OK : NGX_ERROR;
}
