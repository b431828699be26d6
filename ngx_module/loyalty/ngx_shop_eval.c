
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
    ngx_shop_program_t *program, ngx_uint_t tier, ngx_shop_moment_t *moment,
    ngx_shop_evaluation_t *result);
static ngx_uint_t ngx_shop_promotion_holds(ngx_shop_promotion_t *promotion,
    ngx_uint_t tier, ngx_shop_moment_t *moment,
    ngx_shop_evaluation_t *result);
static ngx_uint_t ngx_shop_hours_hold(ngx_array_t *hours, time_t now);
static ngx_uint_t ngx_shop_matches_hold(ngx_array_t *matches,
    ngx_shop_moment_t *moment);
static ngx_uint_t ngx_shop_promotion_given(ngx_shop_promotion_t *promotion,
    ngx_shop_moment_t *moment);
static ngx_uint_t ngx_shop_audience_holds(ngx_array_t *conditions,
    ngx_uint_t tier, ngx_shop_evaluation_t *result);
static ngx_uint_t ngx_shop_tier_compare(ngx_uint_t tier, ngx_shop_op_e op,
    ngx_uint_t other);
static ngx_uint_t ngx_shop_segments_valid(ngx_str_t *segments);


ngx_int_t
ngx_shop_evaluate(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_view_t *view, ngx_shop_moment_t *moment,
    ngx_shop_evaluation_t *result)
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

    return ngx_shop_evaluate_promotions(pool, program, tier, moment, result);
}


/*
 * A group is taken, and "stop" ends the list, by what is given only: who is
 * in a promotion's holdout goes on as if there were no such promotion.
 */

static ngx_int_t
ngx_shop_evaluate_promotions(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_uint_t tier, ngx_shop_moment_t *moment,
    ngx_shop_evaluation_t *result)
{
    u_char                *p;
    uint64_t               taken;
    ngx_uint_t             i, n;
    ngx_shop_promotion_t  *promotion;

    p = NULL;
    n = 0;
    taken = 0;

    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {

        if ((promotion[i].group & taken)
            || !ngx_shop_promotion_holds(&promotion[i], tier, moment, result)
            || !ngx_shop_promotion_given(&promotion[i], moment))
        {
            continue;
        }

        taken |= promotion[i].group;

        if (n++ == 0) {
            result->promotions = promotion[i].code;

        } else {

            if (n == 2) {
                p = ngx_pnalloc(pool, program->codes_len);
                if (p == NULL) {
                    return NGX_ERROR;
                }

                ngx_memcpy(p, result->promotions.data,
                           result->promotions.len);

                result->promotions.data = p;
                p += result->promotions.len;
            }

            *p++ = ',';
            p = ngx_cpymem(p, promotion[i].code.data, promotion[i].code.len);

            result->promotions.len = p - result->promotions.data;
        }

        if (promotion[i].stop) {
            break;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_promotion_holds(ngx_shop_promotion_t *promotion, ngx_uint_t tier,
    ngx_shop_moment_t *moment, ngx_shop_evaluation_t *result)
{
    ngx_uint_t     i;
    ngx_array_t  **line;

    if (moment->now < promotion->from
        || (promotion->until && moment->now >= promotion->until))
    {
        return 0;
    }

    if (promotion->hours
        && !ngx_shop_hours_hold(promotion->hours, moment->now))
    {
        return 0;
    }

    if (promotion->audience) {

        line = promotion->audience->elts;

        for (i = 0; i < promotion->audience->nelts; i++) {
            if (ngx_shop_audience_holds(line[i], tier, result)) {
                break;
            }
        }

        if (i == promotion->audience->nelts) {
            return 0;
        }
    }

    return promotion->matches == NULL
           || ngx_shop_matches_hold(promotion->matches, moment);
}


static ngx_uint_t
ngx_shop_hours_hold(ngx_array_t *hours, time_t now)
{
    ngx_uint_t         i, minute;
    ngx_shop_hours_t  *stretch;

    minute = (ngx_uint_t) (now / 60 % (7 * 24 * 60));
    stretch = hours->elts;

    for (i = 0; i < hours->nelts; i++) {
        if (minute >= stretch[i].from && minute < stretch[i].until) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_shop_matches_hold(ngx_array_t *matches, ngx_shop_moment_t *moment)
{
    ngx_uint_t         i;
    ngx_shop_match_t  *match;

    match = matches->elts;

    for (i = 0; i < matches->nelts; i++) {
        if (!moment->match(moment->data, &match[i])) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_promotion_given(ngx_shop_promotion_t *promotion,
    ngx_shop_moment_t *moment)
{
    if (promotion->holdout == 0) {
        return 1;
    }

    return moment->seed != NULL
           && ngx_shop_holdout_bucket(moment->seed, &promotion->code,
                                      moment->customer)
              >= promotion->holdout;
}


ngx_uint_t
ngx_shop_holdout_bucket(u_char *seed, ngx_str_t *code, ngx_str_t *customer)
{
    u_char  *p;
    u_char   text[NGX_SHOP_NAME_MAX + 1 + NGX_SHOP_CUSTOMER_ID_MAX];

    /* no code has a colon in it */

    p = ngx_cpymem(text, code->data, code->len);
    *p++ = ':';
    p = ngx_cpymem(p, customer->data, customer->len);

    return (ngx_uint_t) (ngx_shop_siphash(seed, text, p - text)
                         % NGX_SHOP_HOLDOUT_ALL);
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
