
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * What is true of a customer right now.  This runs on every request that
 * has one, so names are pointed to and not copied; only a list of two or
 * more promotions takes memory.
 */


static ngx_int_t ngx_shop_evaluate_promotions(ngx_pool_t *pool,
    ngx_shop_program_t *program, ngx_uint_t tier, time_t now,
    ngx_shop_evaluation_t *result);
static ngx_uint_t ngx_shop_promotion_holds(ngx_shop_promotion_t *promotion,
    ngx_uint_t tier, time_t now, ngx_shop_evaluation_t *result);
static ngx_uint_t ngx_shop_audience_holds(ngx_array_t *conditions,
    ngx_uint_t tier, ngx_shop_evaluation_t *result);
static ngx_uint_t ngx_shop_tier_compare(ngx_uint_t tier, ngx_shop_op_e op,
    ngx_uint_t other);
static ngx_uint_t ngx_shop_segments_valid(ngx_str_t *segments);


ngx_int_t
ngx_shop_evaluate(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_view_t *view, time_t now, ngx_shop_evaluation_t *result)
{
    ngx_uint_t        tier, held, next;
    ngx_shop_tier_t  *tiers;

    ngx_memzero(result, sizeof(ngx_shop_evaluation_t));

    tiers = program->tiers.elts;

    tier = ngx_shop_tier_reached(program, view->qualifying);

    /* a tier of an older program is not known any more and counts nothing */

    held = ngx_shop_tier_find(program, &view->tier);

    if (held != NGX_SHOP_LOYALTY_NO_TIER
        && (tier == NGX_SHOP_LOYALTY_NO_TIER || held >= tier))
    {
        tier = held;
        result->tier_until = view->tier_until;
    }

    if (tier != NGX_SHOP_LOYALTY_NO_TIER) {
        result->tier = tiers[tier].name;
        next = tier + 1;

    } else {
        next = 0;
    }

    if (next < program->tiers.nelts) {
        result->next_tier = tiers[next].name;
        result->next_points = tiers[next].points;
        result->points_to_next = ngx_max(0, tiers[next].points
                                            - view->qualifying);

    } else {
        result->next_points = -1;
        result->points_to_next = -1;
    }

    result->points = view->points;
    result->pending = view->pending;
    result->is_new = (view->orders == 0);

    if (view->segments.len && ngx_shop_segments_valid(&view->segments)) {
        result->segments = view->segments;
    }

    return ngx_shop_evaluate_promotions(pool, program, tier, now, result);
}


static ngx_int_t
ngx_shop_evaluate_promotions(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_uint_t tier, time_t now, ngx_shop_evaluation_t *result)
{
    u_char                *p;
    ngx_uint_t             i, n;
    ngx_shop_promotion_t  *promotion;

    p = NULL;
    n = 0;

    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {

        if (!ngx_shop_promotion_holds(&promotion[i], tier, now, result)) {
            continue;
        }

        if (n++ == 0) {
            result->promotions = promotion[i].code;
            continue;
        }

        if (n == 2) {
            p = ngx_pnalloc(pool, program->codes_len);
            if (p == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(p, result->promotions.data, result->promotions.len);

            result->promotions.data = p;
            p += result->promotions.len;
        }

        *p++ = ',';
        p = ngx_cpymem(p, promotion[i].code.data, promotion[i].code.len);

        result->promotions.len = p - result->promotions.data;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_promotion_holds(ngx_shop_promotion_t *promotion, ngx_uint_t tier,
    time_t now, ngx_shop_evaluation_t *result)
{
    ngx_uint_t     i;
    ngx_array_t  **line;

    if (now < promotion->from
        || (promotion->until && now >= promotion->until))
    {
        return 0;
    }

    if (promotion->audience == NULL) {
        return 1;
    }

    line = promotion->audience->elts;

    for (i = 0; i < promotion->audience->nelts; i++) {
        if (ngx_shop_audience_holds(line[i], tier, result)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_shop_audience_holds(ngx_array_t *conditions, ngx_uint_t tier,
    ngx_shop_evaluation_t *result)
{
    ngx_uint_t             i, holds;
    ngx_shop_condition_t  *condition;

    condition = conditions->elts;

    for (i = 0; i < conditions->nelts; i++) {

        switch (condition[i].field) {

        case NGX_SHOP_FIELD_NEW:
            holds = result->is_new;
            break;

        default: /* NGX_SHOP_FIELD_TIER */
            holds = ngx_shop_tier_compare(tier, condition[i].op,
                                          condition[i].tier);
        }

        if (!holds) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_tier_compare(ngx_uint_t tier, ngx_shop_op_e op, ngx_uint_t other)
{
    ngx_int_t  a, b;

    /* a customer without a tier is below all, as -1 is */

    a = (ngx_int_t) tier;
    b = (ngx_int_t) other;

    switch (op) {

    case NGX_SHOP_OP_EQ:
        return a == b;

    case NGX_SHOP_OP_NE:
        return a != b;

    case NGX_SHOP_OP_LT:
        return a < b;

    case NGX_SHOP_OP_LE:
        return a <= b;

    case NGX_SHOP_OP_GT:
        return a > b;

    default: /* NGX_SHOP_OP_GE */
        return a >= b;
    }
}


/*
 * Segments come as Redis has them, and go into a header: names joined by
 * commas, or they are not sent.
 */

static ngx_uint_t
ngx_shop_segments_valid(ngx_str_t *segments)
{
    u_char     *p, *last;
    ngx_str_t   name;

    p = segments->data;
    last = p + segments->len;

    while (p < last) {

        name.data = p;

        while (p < last && *p != ',') {
            p++;
        }

        name.len = p - name.data;

        if (!ngx_shop_name_valid(&name)) {
            return 0;
        }

        if (p < last && ++p == last) {
            return 0;
        }
    }

    return 1;
}
