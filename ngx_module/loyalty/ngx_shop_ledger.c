
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_sha1.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * All that is booked goes through one script, redis/ledger.lua, which says
 * what its arguments are.  It is given the program each time, since that is
 * what nginx knows and Redis does not.
 */


#define NGX_SHOP_LEDGER_EVENT  13       /* words */
#define NGX_SHOP_LEDGER_TIER   2
#define NGX_SHOP_LEDGER_RULE   8

/*
 * Days of the calendar that are looked back at: a year, events that waited
 * for their customer, or the longest grace, and what a clock may go back.
 */

#define NGX_SHOP_LEDGER_YEAR   366
#define NGX_SHOP_LEDGER_BACK   430
#define NGX_SHOP_LEDGER_SPARE  32

/* what the words of a promotion take, with blanks */

#define NGX_SHOP_LEDGER_PROMOTION                                             \
    (2 * NGX_SHOP_NAME_MAX + sizeof("sold_out") + NGX_INT_T_LEN               \
     + 3 * NGX_TIME_T_LEN + 2 * NGX_INT64_LEN + 9)


/* the order of the reply */

enum {
    NGX_SHOP_LEDGER_STATUS = 0,
    NGX_SHOP_LEDGER_REASON,
    NGX_SHOP_LEDGER_POINTS,
    NGX_SHOP_LEDGER_PENDING,
    NGX_SHOP_LEDGER_REACHED,
    NGX_SHOP_LEDGER_SINCE,
    NGX_SHOP_LEDGER_UNTIL,
    NGX_SHOP_LEDGER_TOWARD,
    NGX_SHOP_LEDGER_DUE,
    NGX_SHOP_LEDGER_PROMOTIONS,
    NGX_SHOP_LEDGER_BUDGETS,
    NGX_SHOP_LEDGER_REPLY
};


static ngx_int_t ngx_shop_ledger_keys(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_str_t *customer, ngx_str_t *keys);
static ngx_int_t ngx_shop_ledger_promotions(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_shop_program_t *program, ngx_str_t *customer,
    ngx_shop_event_t *event, ngx_str_t *arg);
static u_char *ngx_shop_ledger_promotion(u_char *p, ngx_int_t rc,
    ngx_shop_promotion_t *promotion, ngx_str_t *name, time_t time,
    ngx_shop_lease_t *lease);
static ngx_shop_lease_t *ngx_shop_ledger_lease(ngx_array_t *leases,
    ngx_str_t *code, ngx_uint_t partition);
static ngx_uint_t ngx_shop_ledger_named(u_char *first, u_char *p,
    u_char *end);
static ngx_int_t ngx_shop_ledger_digest(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *digest);
static ngx_uint_t ngx_shop_ledger_looks_back(ngx_array_t *tiers,
    ngx_str_t *calendar);
static void ngx_shop_ledger_tiers(ngx_array_t *tiers, ngx_str_t **arg);
static ngx_int_t ngx_shop_ledger_rules(ngx_pool_t *pool, ngx_array_t *rules,
    ngx_shop_event_t *event, ngx_str_t **arg);
static ngx_int_t ngx_shop_ledger_pace(ngx_pool_t *pool,
    ngx_shop_earn_t *rule, time_t time, ngx_str_t *pace);
static ngx_int_t ngx_shop_ledger_lot(ngx_pool_t *pool, ngx_shop_earn_t *rule,
    time_t time, ngx_str_t *name);


/* keys of the customer; three of the partition are behind them */

static const char  *ngx_shop_ledger_kinds[] = {
    "view", "ledger", "seen", "lots", "orders", "activity", "days"
};

#define NGX_SHOP_LEDGER_OWN                                                   \
    (sizeof(ngx_shop_ledger_kinds) / sizeof(char *))

#define NGX_SHOP_LEDGER_KEYS   (NGX_SHOP_LEDGER_OWN + 3)


/* which events rules are for, in the order of ngx_shop_earn_e */

static const char  *ngx_shop_ledger_earns[] = {
    "login", "login", "visit", "visit", "order", "custom"
};


ngx_int_t
ngx_shop_ledger_book(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_program_t *program, ngx_str_t *customer,
    ngx_shop_event_t *event, time_t now)
{
    ngx_str_t   keys[NGX_SHOP_LEDGER_KEYS], *args, *arg;
    ngx_uint_t  nargs;

    if (ngx_shop_ledger_keys(redis, op->pool, customer, keys) != NGX_OK) {
        return NGX_ERROR;
    }

    nargs = NGX_SHOP_LEDGER_EVENT
            + NGX_SHOP_LEDGER_TIER * program->tiers.nelts
            + NGX_SHOP_LEDGER_RULE * program->earn.nelts;

    args = ngx_palloc(op->pool, nargs * sizeof(ngx_str_t));
    if (args == NULL) {
        return NGX_ERROR;
    }

    args[1] = event->kind;
    args[2] = event->id;
    args[4] = event->what;
    args[5] = event->amount;
    args[6] = event->option;

    if (args[5].len == 0) {
        ngx_str_set(&args[5], "0");
    }

    if (ngx_shop_decimal(op->pool, now, &args[0]) != NGX_OK
        || ngx_shop_decimal(op->pool, event->time, &args[3]) != NGX_OK
        || ngx_shop_ledger_promotions(redis, op->pool, program, customer,
                                      event, &args[7])
           != NGX_OK
        || ngx_shop_decimal(op->pool, event->told ? event->told : now,
                            &args[8])
           != NGX_OK
        || ngx_shop_ledger_digest(op->pool, args, &args[9]) != NGX_OK
        || ngx_shop_decimal(op->pool,
                            ngx_shop_ledger_looks_back(&program->tiers,
                                                       &args[11]),
                            &args[10])
           != NGX_OK
        || ngx_shop_decimal(op->pool, program->tiers.nelts, &args[12])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    arg = &args[NGX_SHOP_LEDGER_EVENT];

    ngx_shop_ledger_tiers(&program->tiers, &arg);

    if (ngx_shop_ledger_rules(op->pool, &program->earn, event, &arg)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    nargs = arg - args;

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_ledger,
                                     NGX_SHOP_LEDGER_KEYS, keys, nargs, args);
}


static ngx_int_t
ngx_shop_ledger_keys(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_str_t *customer, ngx_str_t *keys)
{
    ngx_uint_t  i, partition;

    for (i = 0; i < NGX_SHOP_LEDGER_OWN; i++) {
        if (ngx_shop_redis_customer_key(redis, pool, ngx_shop_ledger_kinds[i],
                                        customer, NULL, &keys[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    partition = ngx_shop_redis_partition(redis, customer);

    if (ngx_shop_redis_partition_key(redis, pool, "due", partition, &keys[i])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_redis_partition_key(redis, pool, "shown", partition,
                                     &keys[i + 1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_partition_key(redis, pool, "budget", partition,
                                        &keys[i + 2]);
}


/* the codes that an order names, each once */

static ngx_int_t
ngx_shop_ledger_promotions(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_shop_program_t *program, ngx_str_t *customer,
    ngx_shop_event_t *event, ngx_str_t *arg)
{
    u_char                *p, *last, *end, *word;
    ngx_int_t              rc;
    ngx_str_t              name;
    ngx_uint_t             n;
    ngx_shop_lease_t      *lease;
    ngx_shop_promotion_t  *promotion;

    ngx_str_null(arg);

    if (!ngx_shop_event_names(event)) {
        return NGX_OK;
    }

    p = event->option.data;
    last = p + event->option.len;

    for (n = 1; p < last; p++) {
        n += (*p == ',');
    }

    word = ngx_pnalloc(pool, n * NGX_SHOP_LEDGER_PROMOTION);
    if (word == NULL) {
        return NGX_ERROR;
    }

    arg->data = word;

    for (p = event->option.data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        if (ngx_shop_ledger_named(event->option.data, p, end)) {
            continue;
        }

        name.data = p;
        name.len = end - p;

        rc = ngx_shop_promotion_named(program, ngx_shop_redis_seed(redis),
                                      customer, &name, &promotion);

        lease = NULL;

        if (rc == NGX_OK && event->leases) {
            lease = ngx_shop_ledger_lease(event->leases, &promotion->code,
                                          ngx_shop_redis_partition(redis,
                                                                   customer));
        }

        word = ngx_shop_ledger_promotion(word, rc, promotion, &name,
                                         event->time, lease);
    }

    arg->len = word - arg->data;

    return NGX_OK;
}


static u_char *
ngx_shop_ledger_promotion(u_char *p, ngx_int_t rc,
    ngx_shop_promotion_t *promotion, ngx_str_t *name, time_t time,
    ngx_shop_lease_t *lease)
{
    time_t       day, from, to;
    const char  *word;

    if (rc != NGX_OK) {
        return ngx_sprintf(p, "%V %s - 0 0 0 0 0 0 ", name,
                           rc == NGX_ABORT ? "foreign" : "unknown");
    }

    day = 0;
    from = 0;
    to = 1;

    if (promotion->days) {
        day = time / 86400;
        from = ngx_max(day - (time_t) promotion->days, 0);
        to = day + (time_t) promotion->days + 1;

    } else if (promotion->per_member && !promotion->ever) {
        day = ngx_shop_period_start(promotion->period, time);
        from = day;
        to = ngx_shop_period_next(promotion->period, time);
    }

    word = (lease && lease->sold) ? "sold_out" : "-";

    return ngx_sprintf(p, "%V %s %V %ui %T %T %T %L %L ", name, word,
                       &promotion->code, promotion->per_member, day, from, to,
                       promotion->budget, lease ? lease->granted : 0);
}


static ngx_shop_lease_t *
ngx_shop_ledger_lease(ngx_array_t *leases, ngx_str_t *code,
    ngx_uint_t partition)
{
    ngx_uint_t         i;
    ngx_shop_lease_t  *lease;

    lease = leases->elts;

    for (i = 0; i < leases->nelts; i++) {
        if (lease[i].partition == partition
            && ngx_shop_equal(&lease[i].code, code))
        {
            return &lease[i];
        }
    }

    return NULL;
}


/* 1: the word from "p" to "end" is one of those before it */

static ngx_uint_t
ngx_shop_ledger_named(u_char *first, u_char *p, u_char *end)
{
    u_char  *next;

    while (first < p) {

        next = ngx_strlchr(first, p, ',');

        if (next - first == end - p
            && ngx_memcmp(first, p, end - p) == 0)
        {
            return 1;
        }

        first = next + 1;
    }

    return 0;
}


/*
 * Of what is to be the same when the event is told again.  Those that nginx
 * tells itself have nothing else than their id.
 */

static ngx_int_t
ngx_shop_ledger_digest(ngx_pool_t *pool, ngx_str_t *args, ngx_str_t *digest)
{
    u_char      hash[20];
    uint64_t    n;
    ngx_uint_t  i;
    ngx_sha1_t  sha1;

    static const ngx_uint_t  order[] = { 1, 3, 5, 6, 4 };

    if (ngx_shop_text_is(&args[1], "login")
        || ngx_shop_text_is(&args[1], "visit"))
    {
        ngx_str_set(digest, "0");
        return NGX_OK;
    }

    ngx_sha1_init(&sha1);

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (i) {
            ngx_sha1_update(&sha1, " ", 1);
        }

        ngx_sha1_update(&sha1, args[order[i]].data, args[order[i]].len);
    }

    ngx_sha1_final(hash, &sha1);

    /* the first nine of its hex digits are 36 bits */

    n = ((uint64_t) hash[0] << 28) | ((uint64_t) hash[1] << 20)
        | ((uint64_t) hash[2] << 12) | ((uint64_t) hash[3] << 4)
        | (hash[4] >> 4);

    return ngx_shop_decimal(pool, n, digest);
}


/* in days, 0: no tier does; "calendar": whether one does so by years */

static ngx_uint_t
ngx_shop_ledger_looks_back(ngx_array_t *tiers, ngx_str_t *calendar)
{
    time_t            grace;
    ngx_uint_t        i, days;
    ngx_shop_tier_t  *tier;

    ngx_str_null(calendar);

    tier = tiers->elts;
    grace = 0;
    days = 0;

    for (i = 0; i < tiers->nelts; i++) {

        grace = ngx_max(grace, tier[i].grace);

        if (tier[i].window == NGX_SHOP_TIER_CALENDAR) {
            ngx_str_set(calendar, "calendar");

        } else {
            days = ngx_max(days, tier[i].window);
        }
    }

    if (calendar->len) {
        days = ngx_max(days, NGX_SHOP_LEDGER_YEAR + NGX_SHOP_LEDGER_SPARE
                             + ngx_max(NGX_SHOP_LEDGER_BACK,
                                       (ngx_uint_t) grace / 86400 + 1));
    }

    return days;
}


static void
ngx_shop_ledger_tiers(ngx_array_t *tiers, ngx_str_t **arg)
{
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier;

    tier = tiers->elts;

    for (i = 0; i < tiers->nelts; i++) {

        (*arg)[0] = tier[i].name;
        (*arg)[1] = tier[i].words;

        *arg += NGX_SHOP_LEDGER_TIER;
    }
}


static ngx_int_t
ngx_shop_ledger_rules(ngx_pool_t *pool, ngx_array_t *rules,
    ngx_shop_event_t *event, ngx_str_t **arg)
{
    ngx_str_t        *word;
    ngx_uint_t        i;
    const char       *kind;
    ngx_shop_earn_t  *rule;

    rule = rules->elts;

    for (i = 0; i < rules->nelts; i++) {

        kind = ngx_shop_ledger_earns[rule[i].what];

        if (!ngx_shop_text_is(&event->kind, kind)) {
            continue;
        }

        word = *arg;

        word[0] = rule[i].event;
        word[5] = rule[i].tier;
        word[6] = rule[i].multiply;

        if (ngx_shop_decimal(pool, rule[i].points, &word[1]) != NGX_OK
            || ngx_shop_decimal(pool, rule[i].per, &word[2]) != NGX_OK
            || ngx_shop_decimal(pool, rule[i].min, &word[3]) != NGX_OK
            || ngx_shop_ledger_pace(pool, &rule[i], event->time, &word[4])
               != NGX_OK
            || ngx_shop_ledger_lot(pool, &rule[i], event->time, &word[7])
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        *arg += NGX_SHOP_LEDGER_RULE;
    }

    return NGX_OK;
}


/* how often it pays: "FIELD EVERY LIMIT START" */

static ngx_int_t
ngx_shop_ledger_pace(ngx_pool_t *pool, ngx_shop_earn_t *rule, time_t time,
    ngx_str_t *pace)
{
    size_t  len;

    if (rule->every == 0 && rule->limit == 0) {
        ngx_str_null(pace);
        return NGX_OK;
    }

    len = rule->paid.len + NGX_TIME_T_LEN + NGX_INT_T_LEN + NGX_TIME_T_LEN
          + 3;

    pace->data = ngx_pnalloc(pool, len);
    if (pace->data == NULL) {
        return NGX_ERROR;
    }

    pace->len = ngx_sprintf(pace->data, "%V %T %ui %T", &rule->paid,
                            rule->every, rule->limit,
                            ngx_shop_period_start(rule->period, time))
                - pace->data;

    return NGX_OK;
}


/* a lot is named by its dates */

static ngx_int_t
ngx_shop_ledger_lot(ngx_pool_t *pool, ngx_shop_earn_t *rule, time_t time,
    ngx_str_t *name)
{
    time_t  activates, expires;

    activates = 0;
    expires = 0;

    if (rule->pending) {
        activates = ngx_shop_duration_end(rule->pending, time);
    }

    if (rule->expires) {
        expires = ngx_shop_duration_end(rule->expires,
                                        activates ? activates : time);
    }

    if (activates == 0 && expires == 0) {
        ngx_str_set(name, "-");
        return NGX_OK;
    }

    name->data = ngx_pnalloc(pool, 2 * NGX_TIME_T_LEN + 1);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "%T:%T", activates, expires)
                - name->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_ledger_settle(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_program_t *program, ngx_str_t *customer, time_t now)
{
    ngx_shop_event_t    event;
    ngx_shop_program_t  tiers;

    /* nothing is earned by it */

    ngx_memzero(&tiers, sizeof(ngx_shop_program_t));
    tiers.tiers = program->tiers;

    ngx_memzero(&event, sizeof(ngx_shop_event_t));

    ngx_str_set(&event.kind, "settle");
    event.time = now;

    return ngx_shop_ledger_book(redis, op, &tiers, customer, &event, now);
}


ngx_int_t
ngx_shop_ledger_settled(ngx_pool_t *pool, ngx_shop_redis_reply_t *reply,
    ngx_shop_view_t *view)
{
    int64_t    points, pending, since, until, toward, due;
    ngx_str_t  tier;

    if (ngx_shop_ledger_booked(reply) != NGX_OK
        || ngx_shop_redis_number(reply, NGX_SHOP_LEDGER_POINTS, &points)
           != NGX_OK
        || ngx_shop_redis_number(reply, NGX_SHOP_LEDGER_PENDING, &pending)
           != NGX_OK
        || ngx_shop_redis_text(reply, NGX_SHOP_LEDGER_REACHED, &tier)
           != NGX_OK
        || ngx_shop_redis_number(reply, NGX_SHOP_LEDGER_SINCE, &since)
           != NGX_OK
        || ngx_shop_redis_number(reply, NGX_SHOP_LEDGER_UNTIL, &until)
           != NGX_OK
        || ngx_shop_redis_number(reply, NGX_SHOP_LEDGER_TOWARD, &toward)
           != NGX_OK
        || ngx_shop_redis_number(reply, NGX_SHOP_LEDGER_DUE, &due) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_null(&view->tier);

    if (tier.len) {
        view->tier.data = ngx_pstrdup(pool, &tier);
        if (view->tier.data == NULL) {
            return NGX_ERROR;
        }

        view->tier.len = tier.len;
    }

    view->points = points;
    view->pending = pending;
    view->tier_since = (time_t) since;
    view->tier_until = (time_t) until;
    view->toward = toward;
    view->next_due = (time_t) due;

    return NGX_OK;
}


ngx_int_t
ngx_shop_ledger_booked(ngx_shop_redis_reply_t *reply)
{
    return (reply->type == NGX_SHOP_REDIS_ARRAY
            && reply->nelts == NGX_SHOP_LEDGER_REPLY) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_ledger_visit(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_shop_program_t *program, ngx_str_t *customer, time_t time,
    ngx_str_t *days, time_t now)
{
    u_char            id[sizeof("visit:") - 1 + NGX_TIME_T_LEN];
    ngx_shop_event_t  event;

    ngx_memzero(&event, sizeof(ngx_shop_event_t));

    ngx_str_set(&event.kind, "visit");

    event.id.data = id;
    event.id.len = ngx_sprintf(id, "visit:%T", time) - id;
    event.time = time;
    event.amount = *days;

    return ngx_shop_ledger_book(redis, op, program, customer, &event, now);
}


ngx_uint_t
ngx_shop_ledger_visits(ngx_shop_program_t *program)
{
    ngx_uint_t        i;
    ngx_shop_earn_t  *rule;

    rule = program->earn.elts;

    for (i = 0; i < program->earn.nelts; i++) {

        if (rule[i].what == NGX_SHOP_EARN_VISIT
            || rule[i].what == NGX_SHOP_EARN_STREAK)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_shop_ledger_result(ngx_shop_redis_reply_t *reply, ngx_str_t *status,
    ngx_str_t *reason, ngx_str_t *promotions)
{
    if (ngx_shop_ledger_booked(reply) != NGX_OK
        || ngx_shop_redis_text(reply, NGX_SHOP_LEDGER_STATUS, status)
           != NGX_OK
        || ngx_shop_redis_text(reply, NGX_SHOP_LEDGER_REASON, reason)
           != NGX_OK
        || ngx_shop_redis_text(reply, NGX_SHOP_LEDGER_PROMOTIONS, promotions)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_ledger_budgets(ngx_shop_redis_reply_t *reply, ngx_str_t *budgets)
{
    return ngx_shop_redis_text(reply, NGX_SHOP_LEDGER_BUDGETS, budgets);
}


ngx_int_t
ngx_shop_ledger_budget(ngx_str_t *budgets, ngx_shop_program_t *program,
    ngx_shop_lease_t *lease)
{
    u_char                *p, *last, *end;
    ngx_str_t              word[4];
    ngx_uint_t             i;
    ngx_shop_promotion_t  *promotion;

    if (budgets->len == 0) {
        return NGX_DONE;
    }

    ngx_memzero(lease, sizeof(ngx_shop_lease_t));

    p = budgets->data;
    last = p + budgets->len;

    for (i = 0; i < 4; i++) {

        if (p >= last) {
            return NGX_ERROR;
        }

        end = ngx_strlchr(p, last, ' ');
        if (end == NULL) {
            end = last;
        }

        word[i].data = p;
        word[i].len = end - p;

        p = end + 1;
    }

    budgets->len = (p < last) ? last - p : 0;
    budgets->data = p;

    lease->leased = ngx_atotm(word[1].data, word[1].len);
    lease->returned = ngx_atotm(word[2].data, word[2].len);
    lease->used = ngx_atotm(word[3].data, word[3].len);

    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {
        if (ngx_shop_equal(&promotion[i].code, &word[0])) {
            lease->code = promotion[i].code;
            lease->budget = promotion[i].budget;
        }
    }

    return (lease->leased < 0 || lease->returned < 0 || lease->used < 0)
           ? NGX_ERROR : NGX_OK;
}
