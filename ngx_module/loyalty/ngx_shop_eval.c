
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <math.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * What is true of a customer right now.  This runs on every request that
 * has one, so names are pointed to and not copied; only a list of two or
 * more takes memory.
 *
 * Conditions compare one number with another, whatever they are about, so all
 * numbers are made first and stand side by side.  Each segment is looked at
 * once; promotions ask for the bit of it.
 */


#define NGX_SHOP_FACT_UNKNOWN  INT64_MIN    /* compares with nothing */

#define NGX_SHOP_DAY           86400
#define NGX_SHOP_HALF_LIFE     (30 * NGX_SHOP_DAY)  /* of a frequency */


typedef struct {
    int64_t                    numbers[NGX_SHOP_NUMBERS];
    uint64_t                   segments[NGX_SHOP_SEGMENTS_MAX / 64];
    ngx_shop_view_t           *view;
    ngx_shop_moment_t         *moment;
} ngx_shop_facts_t;


/* names joined by commas; the first one is not copied */

typedef struct {
    ngx_pool_t                *pool;
    size_t                     size;        /* of all that may come */
    ngx_str_t                 *list;
    ngx_uint_t                 n;
} ngx_shop_list_t;


static void ngx_shop_evaluate_facts(ngx_shop_view_t *view,
    ngx_uint_t tier, ngx_shop_moment_t *moment, ngx_shop_facts_t *facts);
static void ngx_shop_evaluate_visits(ngx_shop_view_t *view, time_t now,
    int64_t *numbers);
static ngx_int_t ngx_shop_evaluate_segments(ngx_pool_t *pool,
    ngx_shop_program_t *program, ngx_shop_view_t *view,
    ngx_shop_facts_t *facts, ngx_shop_evaluation_t *result);
static ngx_int_t ngx_shop_segments_given(ngx_shop_program_t *program,
    ngx_str_t *given, ngx_shop_facts_t *facts, ngx_shop_list_t *others);
static int64_t ngx_shop_points_to(ngx_shop_tier_t *next,
    ngx_shop_view_t *view, ngx_uint_t booked);
static ngx_int_t ngx_shop_evaluate_promotions(ngx_pool_t *pool,
    ngx_shop_program_t *program, ngx_shop_facts_t *facts,
    ngx_shop_evaluation_t *result);
static ngx_shop_offer_e ngx_shop_promotion_offer(
    ngx_shop_promotion_t *promotion, ngx_shop_facts_t *facts,
    uint64_t taken);
static ngx_uint_t ngx_shop_budget_left(ngx_shop_promotion_t *promotion,
    ngx_shop_budget_t *budgets);
static ngx_uint_t ngx_shop_hours_hold(ngx_array_t *hours, time_t now);
static ngx_uint_t ngx_shop_matches_hold(ngx_array_t *matches,
    ngx_shop_moment_t *moment);
static ngx_shop_offer_e ngx_shop_promotion_arm(
    ngx_shop_promotion_t *promotion, ngx_shop_moment_t *moment);
static ngx_uint_t ngx_shop_lines_hold(ngx_array_t *lines,
    ngx_shop_facts_t *facts);
static ngx_uint_t ngx_shop_conditions_hold(ngx_array_t *conditions,
    ngx_shop_facts_t *facts);
static ngx_uint_t ngx_shop_text_holds(ngx_shop_condition_t *condition,
    ngx_shop_facts_t *facts);
static ngx_uint_t ngx_shop_linked_holds(ngx_shop_condition_t *condition,
    ngx_shop_facts_t *facts);
static ngx_uint_t ngx_shop_locale_is(ngx_str_t *locale, ngx_str_t *range);
static ngx_uint_t ngx_shop_names_have(ngx_str_t *names, ngx_str_t *name);
static ngx_uint_t ngx_shop_number_holds(int64_t is, ngx_shop_op_e op,
    int64_t number);
static ngx_int_t ngx_shop_promotion_add(ngx_shop_list_t *list,
    ngx_shop_promotion_t *promotion, ngx_shop_moment_t *moment);
static ngx_int_t ngx_shop_list_add(ngx_shop_list_t *list, ngx_str_t *name);
static ngx_uint_t ngx_shop_segments_valid(ngx_str_t *segments);


ngx_int_t
ngx_shop_evaluate(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_view_t *view, ngx_shop_moment_t *moment,
    ngx_shop_evaluation_t *result)
{
    ngx_uint_t         tier, held, next;
    ngx_shop_tier_t   *tiers;
    ngx_shop_facts_t   facts;

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
        result->points_to_next = ngx_shop_points_to(&tiers[next], view,
                                                    tier == held);

    } else {
        result->next_points = -1;
        result->points_to_next = -1;
    }

    result->points = view->points;
    result->pending = view->pending;
    result->is_new = (view->orders == 0);

    ngx_shop_evaluate_facts(view, tier, moment, &facts);

    if (ngx_shop_evaluate_segments(pool, program, view, &facts, result)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_evaluate_promotions(pool, program, &facts, result);
}


static void
ngx_shop_evaluate_facts(ngx_shop_view_t *view, ngx_uint_t tier,
    ngx_shop_moment_t *moment, ngx_shop_facts_t *facts)
{
    ngx_memzero(facts, sizeof(ngx_shop_facts_t));

    /* a customer without a tier is below all, as -1 is */

    facts->numbers[NGX_SHOP_FIELD_NEW] = (view->orders == 0);
    facts->numbers[NGX_SHOP_FIELD_TIER] = (ngx_int_t) tier;
    facts->numbers[NGX_SHOP_FIELD_POINTS] = view->points;
    facts->numbers[NGX_SHOP_FIELD_ORDERS] = view->orders;
    facts->numbers[NGX_SHOP_FIELD_SPEND] = view->spend;

    facts->numbers[NGX_SHOP_FIELD_RECENCY] =
        view->last_order ? moment->now - view->last_order
                         : NGX_SHOP_FACT_UNKNOWN;

    facts->numbers[NGX_SHOP_FIELD_MEMBER_SINCE] =
        view->created ? view->created : NGX_SHOP_FACT_UNKNOWN;

    ngx_shop_evaluate_visits(view, moment->now, facts->numbers);

    facts->view = view;
    facts->moment = moment;
}


/*
 * What is known of visits is as it was when the last one began; the present
 * one may be that, or may not be known yet.  So how long ago the customer was
 * here is told from earlier days, and stays true throughout this one.
 */

static void
ngx_shop_evaluate_visits(ngx_shop_view_t *view, time_t now, int64_t *numbers)
{
    time_t  days, before;

    days = now / NGX_SHOP_DAY - view->last_visit / NGX_SHOP_DAY;
    before = days > 0 ? view->last_visit : view->earlier_visit;

    numbers[NGX_SHOP_FIELD_VISIT_RECENCY] =
        before ? now - before : NGX_SHOP_FACT_UNKNOWN;

    numbers[NGX_SHOP_FIELD_STREAK] = days > 1 ? 0 : view->streak;

    if (view->frequency) {
        numbers[NGX_SHOP_FIELD_FREQUENCY] =
            (int64_t) ((double) view->frequency
                       * exp2((double) ngx_min(view->last_visit - now, 0)
                              / NGX_SHOP_HALF_LIFE));
    }
}


/*
 * What counts within a window is known as it was booked, for the tier above
 * the one held then.
 */

static int64_t
ngx_shop_points_to(ngx_shop_tier_t *next, ngx_shop_view_t *view,
    ngx_uint_t booked)
{
    if (next->points == -1) {
        return -1;
    }

    if (next->window == NGX_SHOP_TIER_LIFETIME) {
        return ngx_max(0, next->points - view->qualifying);
    }

    return booked ? ngx_max(0, next->points - view->toward) : -1;
}


static ngx_int_t
ngx_shop_evaluate_segments(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_view_t *view, ngx_shop_facts_t *facts,
    ngx_shop_evaluation_t *result)
{
    uint64_t             bit, *word;
    ngx_uint_t           i, given;
    ngx_shop_list_t      list;
    ngx_shop_segment_t  *segment;

    list.pool = pool;
    list.size = program->segments_len + view->segments.len + 1;
    list.list = &result->segments;
    list.n = 0;

    given = view->segments.len && ngx_shop_segments_valid(&view->segments);

    if (given
        && ngx_shop_segments_given(program, &view->segments, facts, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    segment = program->segments.elts;

    for (i = 0; i < program->segments.nelts; i++) {

        word = &facts->segments[i / 64];
        bit = (uint64_t) 1 << i % 64;

        if (!(*word & bit) && !ngx_shop_lines_hold(segment[i].lines, facts))
        {
            continue;
        }

        *word |= bit;

        if (segment[i].told
            && ngx_shop_list_add(&list, &segment[i].name) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return given ? ngx_shop_segments_given(program, &view->segments, facts,
                                           &list)
                 : NGX_OK;
}


/*
 * Those that the shop has given by hand: of what the program knows the bit is
 * set, what it does not tell itself is added to "others", if that is not NULL.
 */

static ngx_int_t
ngx_shop_segments_given(ngx_shop_program_t *program, ngx_str_t *given,
    ngx_shop_facts_t *facts, ngx_shop_list_t *others)
{
    u_char              *p, *last;
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_shop_segment_t  *segment;

    segment = program->segments.elts;

    p = given->data;
    last = p + given->len;

    while (p < last) {

        name.data = p;

        while (p < last && *p != ',') {
            p++;
        }

        name.len = p++ - name.data;

        for (i = 0; i < program->segments.nelts; i++) {
            if (segment[i].name.len == name.len
                && ngx_memcmp(segment[i].name.data, name.data, name.len)
                   == 0)
            {
                break;
            }
        }

        if (i < program->segments.nelts) {
            facts->segments[i / 64] |= (uint64_t) 1 << i % 64;

            if (segment[i].told) {
                continue;
            }
        }

        if (others && ngx_shop_list_add(others, &name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * A group is taken, and "stop" ends the list, by what is given only: who is
 * in a promotion's holdout goes on as if there were no such promotion.
 */

static ngx_int_t
ngx_shop_evaluate_promotions(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_facts_t *facts, ngx_shop_evaluation_t *result)
{
    uint64_t               taken;
    ngx_uint_t             i;
    ngx_shop_list_t        list;
    ngx_shop_offer_e       offer;
    ngx_shop_moment_t     *moment;
    ngx_shop_promotion_t  *promotion;

    list.pool = pool;
    list.size = program->codes_len;
    list.list = &result->promotions;
    list.n = 0;

    taken = 0;

    moment = facts->moment;
    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {

        offer = ngx_shop_promotion_offer(&promotion[i], facts, taken);

        if (moment->trace) {
            moment->trace(moment->data, &promotion[i], offer);
        }

        if (offer == NGX_SHOP_OFFER_HOLDOUT) {
            result->held |= promotion[i].measured;
        }

        if (offer != NGX_SHOP_OFFER_GIVEN) {
            continue;
        }

        result->given |= promotion[i].measured;
        taken |= promotion[i].group;

        if (ngx_shop_promotion_add(&list, &promotion[i], facts->moment)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (promotion[i].stop) {
            break;
        }
    }

    if (moment->trace) {
        for (i++; i < program->promotions.nelts; i++) {
            moment->trace(moment->data, &promotion[i],
                          NGX_SHOP_OFFER_STOPPED);
        }
    }

    return NGX_OK;
}


static ngx_shop_offer_e
ngx_shop_promotion_offer(ngx_shop_promotion_t *promotion,
    ngx_shop_facts_t *facts, uint64_t taken)
{
    time_t  now;

    now = facts->moment->now;

    if (promotion->group & taken) {
        return NGX_SHOP_OFFER_GROUP;
    }

    if (now < promotion->from) {
        return NGX_SHOP_OFFER_EARLY;
    }

    if (promotion->until && now >= promotion->until) {
        return NGX_SHOP_OFFER_LATE;
    }

    if (promotion->hours && !ngx_shop_hours_hold(promotion->hours, now)) {
        return NGX_SHOP_OFFER_HOURS;
    }

    if (promotion->budget
        && !ngx_shop_budget_left(promotion, facts->moment->budgets))
    {
        return NGX_SHOP_OFFER_SOLD_OUT;
    }

    if (promotion->per_member
        && ngx_shop_limit_reached(&facts->view->limits, promotion, now))
    {
        return NGX_SHOP_OFFER_LIMIT;
    }

    /* nobody's code is known yet */

    if (promotion->once && facts->moment->seed == NULL) {
        return NGX_SHOP_OFFER_UNSEEDED;
    }

    if (promotion->audience
        && !ngx_shop_lines_hold(promotion->audience, facts))
    {
        return NGX_SHOP_OFFER_AUDIENCE;
    }

    if (promotion->matches
        && !ngx_shop_matches_hold(promotion->matches, facts->moment))
    {
        return NGX_SHOP_OFFER_MATCH;
    }

    return ngx_shop_promotion_arm(promotion, facts->moment);
}


/* what is not known is not shown */

static ngx_uint_t
ngx_shop_budget_left(ngx_shop_promotion_t *promotion,
    ngx_shop_budget_t *budgets)
{
    ngx_shop_budget_t  *budget;

    if (budgets == NULL) {
        return 0;
    }

    budget = &budgets[promotion->nbudget];

    return budget->redeemed != -1 && budget->redeemed < promotion->budget;
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


static ngx_shop_offer_e
ngx_shop_promotion_arm(ngx_shop_promotion_t *promotion,
    ngx_shop_moment_t *moment)
{
    if (promotion->holdout == 0) {
        return NGX_SHOP_OFFER_GIVEN;
    }

    if (moment->seed == NULL) {
        return NGX_SHOP_OFFER_UNSEEDED;
    }

    return ngx_shop_holdout_bucket(moment->seed, &promotion->code,
                                   moment->customer)
           >= promotion->holdout
           ? NGX_SHOP_OFFER_GIVEN : NGX_SHOP_OFFER_HOLDOUT;
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
ngx_shop_lines_hold(ngx_array_t *lines, ngx_shop_facts_t *facts)
{
    ngx_uint_t     i;
    ngx_array_t  **line;

    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {
        if (ngx_shop_conditions_hold(line[i], facts)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_shop_conditions_hold(ngx_array_t *conditions, ngx_shop_facts_t *facts)
{
    ngx_uint_t             i, holds;
    ngx_shop_condition_t  *condition;

    condition = conditions->elts;

    for (i = 0; i < conditions->nelts; i++) {

        if (condition[i].field < NGX_SHOP_NUMBERS) {
            holds = ngx_shop_number_holds(facts->numbers[condition[i].field],
                                          condition[i].op,
                                          condition[i].number);

        } else {
            holds = ngx_shop_text_holds(&condition[i], facts);
        }

        if (!holds) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_text_holds(ngx_shop_condition_t *condition, ngx_shop_facts_t *facts)
{
    ngx_uint_t   n, equal;

    switch (condition->field) {

    case NGX_SHOP_FIELD_SEGMENT:
        n = (ngx_uint_t) condition->number;
        equal = (facts->segments[n / 64] >> n % 64) & 1;
        break;

    case NGX_SHOP_FIELD_PROVIDERS:
        return ngx_shop_linked_holds(condition, facts);

    case NGX_SHOP_FIELD_LOCALE:

        if (facts->view->locale.len == 0) {
            return 0;
        }

        equal = ngx_shop_locale_is(&facts->view->locale, &condition->text);
        break;

    default: /* NGX_SHOP_FIELD_PROVIDER */
        equal = ngx_shop_names_have(facts->moment->provider,
                                    &condition->text);
    }

    return equal == (condition->op == NGX_SHOP_OP_EQ);
}


/*
 * Who has come by a provider has linked it.  That another one is not linked
 * holds only where it is known which are.
 */

static ngx_uint_t
ngx_shop_linked_holds(ngx_shop_condition_t *condition,
    ngx_shop_facts_t *facts)
{
    ngx_str_t   *linked;
    ngx_uint_t   equal;

    linked = &facts->view->providers;

    equal = ngx_shop_names_have(facts->moment->provider, &condition->text)
            || ngx_shop_names_have(linked, &condition->text);

    if (condition->op == NGX_SHOP_OP_EQ) {
        return equal;
    }

    return !equal && linked->len != 0;
}


/* "de" is the language of "de", "de-AT" and "de_AT" (RFC 4647, 3.3.1) */

static ngx_uint_t
ngx_shop_locale_is(ngx_str_t *locale, ngx_str_t *range)
{
    size_t  i;
    u_char  one, two;

    if (locale->len < range->len) {
        return 0;
    }

    for (i = 0; i < range->len; i++) {

        one = ngx_tolower(locale->data[i]);
        two = ngx_tolower(range->data[i]);

        if (one != two && !(one == '_' && two == '-')
            && !(one == '-' && two == '_'))
        {
            return 0;
        }
    }

    return locale->len == i || locale->data[i] == '-'
           || locale->data[i] == '_';
}


/* names joined by commas */

static ngx_uint_t
ngx_shop_names_have(ngx_str_t *names, ngx_str_t *name)
{
    u_char  *p, *last, *comma;

    if (names->len == 0) {
        return 0;
    }

    p = names->data;
    last = p + names->len;

    while (p < last) {

        comma = ngx_strlchr(p, last, ',');

        if (comma == NULL) {
            comma = last;
        }

        if ((size_t) (comma - p) == name->len
            && ngx_memcmp(p, name->data, name->len) == 0)
        {
            return 1;
        }

        p = comma + 1;
    }

    return 0;
}


static ngx_uint_t
ngx_shop_number_holds(int64_t is, ngx_shop_op_e op, int64_t number)
{
    if (is == NGX_SHOP_FACT_UNKNOWN) {
        return 0;
    }

    switch (op) {

    case NGX_SHOP_OP_EQ:
        return is == number;

    case NGX_SHOP_OP_NE:
        return is != number;

    case NGX_SHOP_OP_LT:
        return is < number;

    case NGX_SHOP_OP_LE:
        return is <= number;

    case NGX_SHOP_OP_GT:
        return is > number;

    default: /* NGX_SHOP_OP_GE */
        return is >= number;
    }
}


static ngx_int_t
ngx_shop_promotion_add(ngx_shop_list_t *list, ngx_shop_promotion_t *promotion,
    ngx_shop_moment_t *moment)
{
    ngx_str_t  own;

    if (!promotion->once) {
        return ngx_shop_list_add(list, &promotion->code);
    }

    own.data = ngx_pnalloc(list->pool, NGX_SHOP_NAME_MAX);
    if (own.data == NULL) {
        return NGX_ERROR;
    }

    own.len = ngx_shop_once_code(own.data, moment->seed, &promotion->code,
                                 moment->customer)
              - own.data;

    return ngx_shop_list_add(list, &own);
}


static ngx_int_t
ngx_shop_list_add(ngx_shop_list_t *list, ngx_str_t *name)
{
    u_char     *p;
    ngx_str_t  *text;

    text = list->list;

    if (list->n++ == 0) {
        *text = *name;
        return NGX_OK;
    }

    if (list->n == 2) {

        p = ngx_pnalloc(list->pool, list->size);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, text->data, text->len);
        text->data = p;
    }

    p = text->data + text->len;

    *p++ = ',';
    p = ngx_cpymem(p, name->data, name->len);

    text->len = p - text->data;

    return NGX_OK;
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
