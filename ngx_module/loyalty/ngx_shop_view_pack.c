
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * A view in the cache: one bit for each number and text below that is not
 * zero, and then these in order.  So what a customer has not takes no room.
 * What is not in the list is not kept, so a new field of ngx_shop_view_t is
 * to be added here, too.
 */


#define ngx_shop_view_time(name)                                              \
    { offsetof(ngx_shop_view_t, name), NGX_SHOP_VIEW_TIME }
#define ngx_shop_view_number(name)                                            \
    { offsetof(ngx_shop_view_t, name), NGX_SHOP_VIEW_NUMBER }
#define ngx_shop_view_text(name)                                              \
    { offsetof(ngx_shop_view_t, name), NGX_SHOP_VIEW_TEXT }

#define NGX_SHOP_VIEW_FIELDS                                                  \
    (sizeof(ngx_shop_view_fields) / sizeof(ngx_shop_view_field_t))

#define ngx_shop_view_at(view, field, type)                                   \
    ((type *) ((u_char *) (view) + (field)->offset))


typedef enum {
    NGX_SHOP_VIEW_TIME = 0,                 /* time_t */
    NGX_SHOP_VIEW_NUMBER,                   /* int64_t */
    NGX_SHOP_VIEW_TEXT                      /* ngx_str_t */
} ngx_shop_view_type_e;


typedef struct {
    size_t                     offset;
    ngx_shop_view_type_e       type;
} ngx_shop_view_field_t;


static int64_t ngx_shop_view_mask(ngx_shop_view_t *view, size_t *len);
static int64_t ngx_shop_view_integer(ngx_shop_view_t *view,
    ngx_shop_view_field_t *field);


/* texts are the last ones */

static ngx_shop_view_field_t  ngx_shop_view_fields[] = {
    ngx_shop_view_time(tier_since),
    ngx_shop_view_time(tier_until),
    ngx_shop_view_time(created),
    ngx_shop_view_time(next_due),
    ngx_shop_view_time(last_order),
    ngx_shop_view_time(last_visit),
    ngx_shop_view_time(earlier_visit),
    ngx_shop_view_number(points),
    ngx_shop_view_number(pending),
    ngx_shop_view_number(qualifying),
    ngx_shop_view_number(toward),
    ngx_shop_view_number(orders),
    ngx_shop_view_number(spend),
    ngx_shop_view_number(frequency),
    ngx_shop_view_number(streak),
    ngx_shop_view_text(tier),
    ngx_shop_view_text(segments),
    ngx_shop_view_text(providers),
    ngx_shop_view_text(locale),
    ngx_shop_view_text(limits)
};


ngx_int_t
ngx_shop_view_pack(ngx_pool_t *pool, ngx_shop_view_t *view, ngx_str_t *value)
{
    u_char                 *p;
    size_t                  len;
    int64_t                 mask;
    ngx_uint_t              i;
    ngx_shop_view_field_t  *field;

    mask = ngx_shop_view_mask(view, &len);

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    p = ngx_shop_pack_int(p, mask);

    for (i = 0; i < NGX_SHOP_VIEW_FIELDS; i++, mask >>= 1) {

        if (!(mask & 1)) {
            continue;
        }

        field = &ngx_shop_view_fields[i];

        if (field->type == NGX_SHOP_VIEW_TEXT) {
            p = ngx_shop_pack_text(p, ngx_shop_view_at(view, field,
                                                       ngx_str_t));

        } else {
            p = ngx_shop_pack_int(p, ngx_shop_view_integer(view, field));
        }
    }

    value->len = p - value->data;

    return NGX_OK;
}


/* "*len": what the packed view needs at most */

static int64_t
ngx_shop_view_mask(ngx_shop_view_t *view, size_t *len)
{
    int64_t                 mask;
    ngx_str_t              *text;
    ngx_uint_t              i;
    ngx_shop_view_field_t  *field;

    mask = 0;
    *len = NGX_SHOP_PACK_INT_MAX;

    for (i = 0; i < NGX_SHOP_VIEW_FIELDS; i++) {

        field = &ngx_shop_view_fields[i];

        if (field->type == NGX_SHOP_VIEW_TEXT) {
            text = ngx_shop_view_at(view, field, ngx_str_t);

            if (text->len == 0) {
                continue;
            }

            *len += text->len;

        } else if (ngx_shop_view_integer(view, field) == 0) {
            continue;
        }

        mask |= (int64_t) 1 << i;
        *len += NGX_SHOP_PACK_INT_MAX;
    }

    return mask;
}


static int64_t
ngx_shop_view_integer(ngx_shop_view_t *view, ngx_shop_view_field_t *field)
{
    return field->type == NGX_SHOP_VIEW_TIME
           ? (int64_t) *ngx_shop_view_at(view, field, time_t)
           : *ngx_shop_view_at(view, field, int64_t);
}


ngx_int_t
ngx_shop_view_unpack(ngx_str_t *value, ngx_shop_view_t *view)
{
    u_char                 *p, *last;
    int64_t                 n, mask;
    ngx_str_t              *text;
    ngx_uint_t              i;
    ngx_shop_view_field_t  *field;

    ngx_memzero(view, sizeof(ngx_shop_view_t));

    p = value->data;
    last = p + value->len;

    if (ngx_shop_unpack_int(&p, last, &mask) != NGX_OK || mask < 0) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_SHOP_VIEW_FIELDS; i++, mask >>= 1) {

        if (!(mask & 1)) {
            continue;
        }

        field = &ngx_shop_view_fields[i];

        if (field->type == NGX_SHOP_VIEW_TEXT) {
            text = ngx_shop_view_at(view, field, ngx_str_t);

            if (ngx_shop_unpack_text(&p, last, text) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        if (ngx_shop_unpack_int(&p, last, &n) != NGX_OK) {
            return NGX_ERROR;
        }

        if (field->type == NGX_SHOP_VIEW_TIME) {
            *ngx_shop_view_at(view, field, time_t) = (time_t) n;

        } else {
            *ngx_shop_view_at(view, field, int64_t) = n;
        }
    }

    return (p == last && mask == 0) ? NGX_OK : NGX_ERROR;
}


void
ngx_shop_view_move(ngx_shop_view_t *view, u_char *from, u_char *to)
{
    ngx_str_t              *text;
    ngx_uint_t              i;
    ngx_shop_view_field_t  *field;

    for (i = NGX_SHOP_VIEW_FIELDS; i > 0; i--) {

        field = &ngx_shop_view_fields[i - 1];

        if (field->type != NGX_SHOP_VIEW_TEXT) {
            break;
        }

        text = ngx_shop_view_at(view, field, ngx_str_t);

        if (text->len) {
            text->data = to + (text->data - from);
        }
    }
}
