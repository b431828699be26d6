
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/* the order of the reply of HMGET */

enum {
    NGX_SHOP_VIEW_TIER = 0,
    NGX_SHOP_VIEW_TIER_SINCE,
    NGX_SHOP_VIEW_TIER_UNTIL,
    NGX_SHOP_VIEW_POINTS,
    NGX_SHOP_VIEW_PENDING,
    NGX_SHOP_VIEW_QUALIFYING,
    NGX_SHOP_VIEW_ORDERS,
    NGX_SHOP_VIEW_SEGMENTS,
    NGX_SHOP_VIEW_CREATED,
    NGX_SHOP_VIEW_NEXT_DUE,
    NGX_SHOP_VIEW_SPEND,
    NGX_SHOP_VIEW_LAST_ORDER,
    NGX_SHOP_VIEW_TOWARD,
    NGX_SHOP_VIEW_VISITS,
    NGX_SHOP_VIEW_PROVIDERS,
    NGX_SHOP_VIEW_LOCALE,
    NGX_SHOP_VIEW_LIMITS,
    NGX_SHOP_VIEW_FIELDS
};


#define NGX_SHOP_VIEW_TEXT_MAX  4096


static ngx_int_t ngx_shop_view_text(ngx_pool_t *pool,
    ngx_shop_redis_reply_t *reply, ngx_uint_t i, ngx_str_t *value);
static ngx_int_t ngx_shop_view_number(ngx_shop_redis_reply_t *reply,
    ngx_uint_t i, int64_t *value);
static ngx_int_t ngx_shop_view_time(ngx_shop_redis_reply_t *reply,
    ngx_uint_t i, time_t *value);
static ngx_int_t ngx_shop_view_visits(ngx_shop_redis_reply_t *reply,
    ngx_uint_t i, ngx_shop_view_t *view);


static ngx_str_t  ngx_shop_view_fields[NGX_SHOP_VIEW_FIELDS] = {
    ngx_string("tier"),
    ngx_string("tier_since"),
    ngx_string("tier_until"),
    ngx_string("points"),
    ngx_string("pending"),
    ngx_string("qualifying"),
    ngx_string("orders"),
    ngx_string("segments"),
    ngx_string("created"),
    ngx_string("next_due"),
    ngx_string("spend"),
    ngx_string("last_order"),
    ngx_string("toward"),
    ngx_string("visits"),
    ngx_string("providers"),
    ngx_string("locale"),
    ngx_string("limits")
};


ngx_int_t
ngx_shop_loyalty_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *customer)
{
    ngx_str_t  argv[2 + NGX_SHOP_VIEW_FIELDS];

    ngx_str_set(&argv[0], "HMGET");

    if (ngx_shop_redis_customer_key(redis, op->pool, "view", customer, NULL,
                                    &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(&argv[2], ngx_shop_view_fields, sizeof(ngx_shop_view_fields));

    return ngx_shop_redis_add(op, 2 + NGX_SHOP_VIEW_FIELDS, argv);
}


ngx_int_t
ngx_shop_loyalty_view(ngx_pool_t *pool, ngx_shop_redis_reply_t *reply,
    ngx_shop_view_t *view)
{
    ngx_uint_t  i;

    ngx_memzero(view, sizeof(ngx_shop_view_t));

    if (reply->type != NGX_SHOP_REDIS_ARRAY
        || reply->nelts != NGX_SHOP_VIEW_FIELDS)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->nelts; i++) {
        if (reply->elts[i]->type != NGX_SHOP_REDIS_NIL) {
            break;
        }
    }

    if (i == reply->nelts) {
        return NGX_DECLINED;
    }

    if (ngx_shop_view_text(pool, reply, NGX_SHOP_VIEW_TIER, &view->tier)
            != NGX_OK
        || ngx_shop_view_time(reply, NGX_SHOP_VIEW_TIER_SINCE,
                              &view->tier_since)
            != NGX_OK
        || ngx_shop_view_time(reply, NGX_SHOP_VIEW_TIER_UNTIL,
                              &view->tier_until)
            != NGX_OK
        || ngx_shop_view_number(reply, NGX_SHOP_VIEW_POINTS, &view->points)
            != NGX_OK
        || ngx_shop_view_number(reply, NGX_SHOP_VIEW_PENDING, &view->pending)
            != NGX_OK
        || ngx_shop_view_number(reply, NGX_SHOP_VIEW_QUALIFYING,
                                &view->qualifying)
            != NGX_OK
        || ngx_shop_view_number(reply, NGX_SHOP_VIEW_ORDERS, &view->orders)
            != NGX_OK
        || ngx_shop_view_text(pool, reply, NGX_SHOP_VIEW_SEGMENTS,
                              &view->segments)
            != NGX_OK
        || ngx_shop_view_time(reply, NGX_SHOP_VIEW_CREATED, &view->created)
            != NGX_OK
        || ngx_shop_view_time(reply, NGX_SHOP_VIEW_NEXT_DUE, &view->next_due)
            != NGX_OK
        || ngx_shop_view_number(reply, NGX_SHOP_VIEW_SPEND, &view->spend)
            != NGX_OK
        || ngx_shop_view_time(reply, NGX_SHOP_VIEW_LAST_ORDER,
                              &view->last_order)
            != NGX_OK
        || ngx_shop_view_number(reply, NGX_SHOP_VIEW_TOWARD, &view->toward)
            != NGX_OK
        || ngx_shop_view_visits(reply, NGX_SHOP_VIEW_VISITS, view) != NGX_OK
        || ngx_shop_view_text(pool, reply, NGX_SHOP_VIEW_PROVIDERS,
                              &view->providers)
            != NGX_OK
        || ngx_shop_view_text(pool, reply, NGX_SHOP_VIEW_LOCALE,
                              &view->locale)
            != NGX_OK
        || ngx_shop_view_text(pool, reply, NGX_SHOP_VIEW_LIMITS,
                              &view->limits)
            != NGX_OK)
    {
        ngx_memzero(view, sizeof(ngx_shop_view_t));
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_shop_loyalty_fields(ngx_str_t **names)
{
    *names = ngx_shop_view_fields;

    return NGX_SHOP_VIEW_FIELDS;
}


static ngx_int_t
ngx_shop_view_text(ngx_pool_t *pool, ngx_shop_redis_reply_t *reply,
    ngx_uint_t i, ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_shop_redis_text(reply, i, &text);

    if (rc == NGX_DECLINED || (rc == NGX_OK && text.len == 0)) {
        return NGX_OK;
    }

    if (rc != NGX_OK || text.len > NGX_SHOP_VIEW_TEXT_MAX) {
        return NGX_ERROR;
    }

    value->data = ngx_pstrdup(pool, &text);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    value->len = text.len;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_view_number(ngx_shop_redis_reply_t *reply, ngx_uint_t i,
    int64_t *value)
{
    ngx_int_t  rc;

    rc = ngx_shop_redis_number(reply, i, value);

    if (rc == NGX_DECLINED) {
        *value = 0;
        return NGX_OK;
    }

    if (rc != NGX_OK
        || *value > NGX_SHOP_LOYALTY_POINTS_MAX
        || *value < -NGX_SHOP_LOYALTY_POINTS_MAX)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_view_time(ngx_shop_redis_reply_t *reply, ngx_uint_t i,
    time_t *value)
{
    int64_t  n;

    if (ngx_shop_view_number(reply, i, &n) != NGX_OK || n < 0) {
        return NGX_ERROR;
    }

    *value = (time_t) n;

    return NGX_OK;
}


/* "LAST EARLIER FREQUENCY STREAK" */

static ngx_int_t
ngx_shop_view_visits(ngx_shop_redis_reply_t *reply, ngx_uint_t i,
    ngx_shop_view_t *view)
{
    u_char      *p, *last, *blank;
    off_t        numbers[4];
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_uint_t   n;

    rc = ngx_shop_redis_text(reply, i, &text);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    p = text.data;
    last = p + text.len;

    for (n = 0; n < 4; n++) {

        blank = ngx_strlchr(p, last, ' ');

        if ((blank == NULL) != (n == 3)) {
            return NGX_ERROR;
        }

        if (blank == NULL) {
            blank = last;
        }

        numbers[n] = ngx_atoof(p, blank - p);

        if (numbers[n] == NGX_ERROR
            || numbers[n] > NGX_SHOP_LOYALTY_POINTS_MAX)
        {
            return NGX_ERROR;
        }

        p = blank + 1;
    }

    view->last_visit = (time_t) numbers[0];
    view->earlier_visit = (time_t) numbers[1];
    view->frequency = numbers[2];
    view->streak = numbers[3];

    return NGX_OK;
}
