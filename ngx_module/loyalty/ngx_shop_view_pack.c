
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * A view in the cache: one bit for each number and text below that is not
 * zero, and then these in order.  So what a customer has not takes no room.
 * What is not in the lists is not kept, so a new field of ngx_shop_view_t is
 * to be added here, too.
 */


static size_t  ngx_shop_view_times[] = {
    offsetof(ngx_shop_view_t, tier_since),
    offsetof(ngx_shop_view_t, tier_until),
    offsetof(ngx_shop_view_t, created),
    offsetof(ngx_shop_view_t, next_due),
    offsetof(ngx_shop_view_t, last_order),
    offsetof(ngx_shop_view_t, last_visit),
    offsetof(ngx_shop_view_t, earlier_visit)
};

static size_t  ngx_shop_view_numbers[] = {
    offsetof(ngx_shop_view_t, points),
    offsetof(ngx_shop_view_t, pending),
    offsetof(ngx_shop_view_t, qualifying),
    offsetof(ngx_shop_view_t, toward),
    offsetof(ngx_shop_view_t, orders),
    offsetof(ngx_shop_view_t, spend),
    offsetof(ngx_shop_view_t, frequency),
    offsetof(ngx_shop_view_t, streak)
};

static size_t  ngx_shop_view_texts[] = {
    offsetof(ngx_shop_view_t, tier),
    offsetof(ngx_shop_view_t, segments),
    offsetof(ngx_shop_view_t, providers),
    offsetof(ngx_shop_view_t, locale),
    offsetof(ngx_shop_view_t, limits)
};

#define NGX_SHOP_VIEW_TIMES    (sizeof(ngx_shop_view_times) / sizeof(size_t))
#define NGX_SHOP_VIEW_NUMBERS                                                 \
    (sizeof(ngx_shop_view_numbers) / sizeof(size_t))
#define NGX_SHOP_VIEW_TEXTS    (sizeof(ngx_shop_view_texts) / sizeof(size_t))

#define ngx_shop_view_field(view, offset, type)                               \
    ((type *) ((u_char *) (view) + (offset)))


static int64_t ngx_shop_view_mask(ngx_shop_view_t *view);


ngx_int_t
ngx_shop_view_pack(ngx_pool_t *pool, ngx_shop_view_t *view, ngx_str_t *value)
{
    u_char      *p;
    size_t       len;
    int64_t      n;
    ngx_str_t   *text;
    ngx_uint_t   i;

    len = (1 + NGX_SHOP_VIEW_TIMES + NGX_SHOP_VIEW_NUMBERS
           + NGX_SHOP_VIEW_TEXTS)
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

    p = ngx_shop_pack_int(p, ngx_shop_view_mask(view));

    for (i = 0; i < NGX_SHOP_VIEW_TIMES; i++) {
        n = *ngx_shop_view_field(view, ngx_shop_view_times[i], time_t);

        if (n) {
            p = ngx_shop_pack_int(p, n);
        }
    }

    for (i = 0; i < NGX_SHOP_VIEW_NUMBERS; i++) {
        n = *ngx_shop_view_field(view, ngx_shop_view_numbers[i], int64_t);

        if (n) {
            p = ngx_shop_pack_int(p, n);
        }
    }

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++) {
        text = ngx_shop_view_field(view, ngx_shop_view_texts[i], ngx_str_t);

        if (text->len) {
            p = ngx_shop_pack_text(p, text);
        }
    }

    value->len = p - value->data;

    return NGX_OK;
}


static int64_t
ngx_shop_view_mask(ngx_shop_view_t *view)
{
    int64_t     mask, bit;
    ngx_uint_t  i;

    mask = 0;
    bit = 1;

    for (i = 0; i < NGX_SHOP_VIEW_TIMES; i++, bit <<= 1) {
        if (*ngx_shop_view_field(view, ngx_shop_view_times[i], time_t)) {
            mask |= bit;
        }
    }

    for (i = 0; i < NGX_SHOP_VIEW_NUMBERS; i++, bit <<= 1) {
        if (*ngx_shop_view_field(view, ngx_shop_view_numbers[i], int64_t)) {
            mask |= bit;
        }
    }

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++, bit <<= 1) {
        if (ngx_shop_view_field(view, ngx_shop_view_texts[i], ngx_str_t)
            ->len)
        {
            mask |= bit;
        }
    }

    return mask;
}


ngx_int_t
ngx_shop_view_unpack(ngx_str_t *value, ngx_shop_view_t *view)
{
    u_char      *p, *last;
    int64_t      n, mask;
    ngx_str_t   *text;
    ngx_uint_t   i;

    ngx_memzero(view, sizeof(ngx_shop_view_t));

    p = value->data;
    last = p + value->len;

    if (ngx_shop_unpack_int(&p, last, &mask) != NGX_OK || mask < 0) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_SHOP_VIEW_TIMES; i++, mask >>= 1) {

        if (!(mask & 1)) {
            continue;
        }

        if (ngx_shop_unpack_int(&p, last, &n) != NGX_OK) {
            return NGX_ERROR;
        }

        *ngx_shop_view_field(view, ngx_shop_view_times[i], time_t)
            = (time_t) n;
    }

    for (i = 0; i < NGX_SHOP_VIEW_NUMBERS; i++, mask >>= 1) {

        if (!(mask & 1)) {
            continue;
        }

        if (ngx_shop_unpack_int(&p, last, &n) != NGX_OK) {
            return NGX_ERROR;
        }

        *ngx_shop_view_field(view, ngx_shop_view_numbers[i], int64_t) = n;
    }

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++, mask >>= 1) {

        if (!(mask & 1)) {
            continue;
        }

        text = ngx_shop_view_field(view, ngx_shop_view_texts[i], ngx_str_t);

        if (ngx_shop_unpack_text(&p, last, text) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (p == last && mask == 0) ? NGX_OK : NGX_ERROR;
}


void
ngx_shop_view_move(ngx_shop_view_t *view, u_char *from, u_char *to)
{
    ngx_str_t   *text;
    ngx_uint_t   i;

    for (i = 0; i < NGX_SHOP_VIEW_TEXTS; i++) {
        text = ngx_shop_view_field(view, ngx_shop_view_texts[i], ngx_str_t);

        if (text->len) {
            text->data = to + (text->data - from);
        }
    }
}
