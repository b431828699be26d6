
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * What a tier asks for is wanted in two forms: as conditions, to tell whether
 * tiers stand in their order, and as the words that redis/ledger.lua reads,
 * which has all dates to itself.
 */


#define NGX_SHOP_TIER_DAY         86400
#define NGX_SHOP_TIER_LEAP_YEAR   366
#define NGX_SHOP_TIER_QUANTITIES  3

#define NGX_SHOP_TIER_WORDS_MAX                                               \
    (sizeof("points= spend= orders= window= match=all valid= grace= "         \
            "downgrade=balance") + 6 * NGX_INT64_LEN)


typedef struct {
    ngx_shop_tier_t            tier;
    ngx_uint_t                 given;       /* parameters, a bit each */
    ngx_shop_duration_t        valid;       /* all zeros: for ever */
    time_t                     grace;
    ngx_str_t                  downgrade;   /* empty: "balance" */
    unsigned                   calendar:1;  /* of "valid" */
    unsigned                   valid_set:1;
} ngx_shop_tier_form_t;


typedef char *(*ngx_shop_tier_parameter_pt)(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);


static char *ngx_shop_program_tier_parameter(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form,
    ngx_str_t *word);
static char *ngx_shop_tier_points(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_orders(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_number(ngx_conf_t *cf, ngx_shop_tier_t *tier,
    const char *name, ngx_str_t *text, int64_t *number);
static char *ngx_shop_tier_spend(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_window(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_valid(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_grace(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_downgrade(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_match(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form, ngx_str_t *text);
static char *ngx_shop_tier_invalid(ngx_conf_t *cf, ngx_shop_tier_t *tier,
    const char *name, ngx_str_t *text, const char *allowed);

static char *ngx_shop_program_tier_check(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_form_t *form);
static char *ngx_shop_program_tier_order(ngx_conf_t *cf,
    ngx_shop_tier_t *tier, ngx_shop_tier_t *below);
static int64_t ngx_shop_tier_quantity(ngx_shop_tier_t *tier, ngx_uint_t i);
static ngx_uint_t ngx_shop_tier_implies(ngx_shop_tier_t *tier,
    ngx_shop_tier_t *other);
static ngx_uint_t ngx_shop_tier_follows(ngx_shop_tier_t *tier,
    ngx_uint_t known, ngx_shop_tier_t *other);
static ngx_uint_t ngx_shop_tier_window_within(ngx_shop_tier_t *tier,
    ngx_shop_tier_t *other);
static char *ngx_shop_program_tier_words(ngx_conf_t *cf,
    ngx_shop_tier_form_t *form);


static ngx_shop_program_words_t  ngx_shop_tier_parameters = {
    "parameter", "tier",
    "\"points=N\", \"spend=AMOUNT\", \"orders=N\", "
    "\"window=DAYS|calendar|lifetime\", \"match=all\", "
    "\"valid=TIME|calendar|lifetime\", \"grace=TIME\", "
    "\"downgrade=balance|one|none\"",
    NULL
};

static struct {
    const char                  *name;
    ngx_shop_tier_parameter_pt   handler;
} ngx_shop_tier_table[] = {

    /* these three in the order of ngx_shop_tier_quantity() */

    { "points", ngx_shop_tier_points },
    { "spend", ngx_shop_tier_spend },
    { "orders", ngx_shop_tier_orders },

    { "window", ngx_shop_tier_window },
    { "match", ngx_shop_tier_match },
    { "valid", ngx_shop_tier_valid },
    { "grace", ngx_shop_tier_grace },
    { "downgrade", ngx_shop_tier_downgrade },
    { NULL, NULL }
};


char *
ngx_shop_program_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_shop_tier_t       *tier;
    ngx_shop_tier_form_t   form;

    value = words->elts;

    if (words->nelts < 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "tier NAME [PARAMETER ...];");
    }

    if (ngx_shop_program_name(cf, "tier", &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&form, sizeof(ngx_shop_tier_form_t));

    form.tier.name = value[1];
    form.tier.points = -1;
    form.tier.spend = -1;
    form.tier.orders = -1;

    for (i = 2; i < words->nelts; i++) {
        if (ngx_shop_program_tier_parameter(cf, program, &form, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_shop_program_tier_check(cf, program, &form) != NGX_CONF_OK
        || ngx_shop_program_tier_words(cf, &form) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    tier = ngx_array_push(&program->tiers);
    if (tier == NULL) {
        return NGX_CONF_ERROR;
    }

    *tier = form.tier;

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_tier_parameter(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *word)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    for (i = 0; ngx_shop_tier_table[i].name; i++) {

        if (ngx_shop_program_parameter(word, ngx_shop_tier_table[i].name,
                                       &text)
            != NGX_OK)
        {
            continue;
        }

        if (form->given & (1 << i)) {
            return ngx_shop_program_duplicate(cf, word);
        }

        form->given |= 1 << i;

        if (ngx_shop_tier_table[i].handler(cf, program, form, &text)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    return ngx_shop_program_unknown(cf, &ngx_shop_tier_parameters, word);
}


static char *
ngx_shop_tier_points(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    return ngx_shop_tier_number(cf, &form->tier, "points", text,
                                &form->tier.points);
}


static char *
ngx_shop_tier_orders(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    return ngx_shop_tier_number(cf, &form->tier, "orders", text,
                                &form->tier.orders);
}


static char *
ngx_shop_tier_number(ngx_conf_t *cf, ngx_shop_tier_t *tier, const char *name,
    ngx_str_t *text, int64_t *number)
{
    *number = ngx_shop_program_points(text);

    if (*number == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid %s \"%V\" of tier \"%V\", it must be an "
                           "integer from 0 to %L",
                           name, text, &tier->name,
                           NGX_SHOP_LOYALTY_POINTS_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_spend(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    if (program->currency.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" has \"spend=%V\", and no "
                           "\"currency\" was set before",
                           &form->tier.name, text);
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_money_parse(&program->currency, text, &form->tier.spend)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid spend \"%V\" of tier \"%V\", it must be "
                           "an amount with at most %ui decimals, as %V has",
                           text, &form->tier.name,
                           ngx_shop_money_decimals(&program->currency),
                           &program->currency);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_window(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    ngx_shop_duration_t  window;

    if (ngx_shop_text_is(text, "lifetime")) {
        return NGX_CONF_OK;
    }

    if (ngx_shop_text_is(text, "calendar")) {
        form->tier.window = NGX_SHOP_TIER_CALENDAR;
        return NGX_CONF_OK;
    }

    if (ngx_shop_duration_parse(text, &window) != NGX_OK
        || !window.days || window.months)
    {
        return ngx_shop_tier_invalid(cf, &form->tier, "window", text,
                                     "a number of days or weeks, e.g. "
                                     "\"365d\", \"calendar\" or "
                                     "\"lifetime\"");
    }

    form->tier.window = window.seconds / NGX_SHOP_TIER_DAY;

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_match(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    if (!ngx_shop_text_is(text, "all")) {
        return ngx_shop_tier_invalid(cf, &form->tier, "match", text,
                                     "\"all\"");
    }

    form->tier.all = 1;

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_valid(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    form->valid_set = 1;

    if (ngx_shop_text_is(text, "lifetime")) {
        return NGX_CONF_OK;
    }

    if (ngx_shop_text_is(text, "calendar")) {
        form->calendar = 1;
        return NGX_CONF_OK;
    }

    if (ngx_shop_duration_parse(text, &form->valid) != NGX_OK
        || !form->valid.days)
    {
        return ngx_shop_tier_invalid(cf, &form->tier, "valid", text,
                                     "a number of days, weeks, months or "
                                     "years, e.g. \"365d\" or \"12M\", "
                                     "\"calendar\" or \"lifetime\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_grace(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    ngx_shop_duration_t  grace;

    if (ngx_shop_duration_parse(text, &grace) != NGX_OK || grace.months) {
        return ngx_shop_tier_invalid(cf, &form->tier, "grace", text,
                                     "a number and one of s, m, h, d and w, "
                                     "e.g. \"30d\"");
    }

    form->tier.grace = grace.seconds;

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_downgrade(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form, ngx_str_t *text)
{
    if (ngx_shop_text_is(text, "balance")) {
        return NGX_CONF_OK;
    }

    if (!ngx_shop_text_is(text, "one") && !ngx_shop_text_is(text, "none")) {
        return ngx_shop_tier_invalid(cf, &form->tier, "downgrade", text,
                                     "\"balance\", \"one\" or \"none\"");
    }

    form->downgrade = *text;

    return NGX_CONF_OK;
}


static char *
ngx_shop_tier_invalid(ngx_conf_t *cf, ngx_shop_tier_t *tier,
    const char *name, ngx_str_t *text, const char *allowed)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid %s \"%V\" of tier \"%V\", it must be %s",
                       name, text, &tier->name, allowed);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_program_tier_check(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_form_t *form)
{
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier, *tiers;

    tier = &form->tier;

    if (ngx_shop_tier_find(program, &tier->name)
        != NGX_SHOP_LOYALTY_NO_TIER)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate tier \"%V\"", &tier->name);
        return NGX_CONF_ERROR;
    }

    if (program->tiers.nelts == NGX_SHOP_LOYALTY_TIERS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many tiers with \"%V\", at most %d are "
                           "allowed", &tier->name,
                           NGX_SHOP_LOYALTY_TIERS_MAX);
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_tier_is_free(tier)
        && (program->tiers.nelts != 0 || form->given))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" has no condition, %s needs "
                           "\"points=N\", \"spend=AMOUNT\" or \"orders=N\"",
                           &tier->name,
                           program->tiers.nelts
                           ? "every tier after the first"
                           : "a first tier with parameters");
        return NGX_CONF_ERROR;
    }

    /* a validity is as long as the window, unless it is said */

    if (!form->valid_set) {
        form->calendar = (tier->window == NGX_SHOP_TIER_CALENDAR);

        if (!form->calendar) {
            form->valid.seconds = (time_t) tier->window * NGX_SHOP_TIER_DAY;
            form->valid.days = (tier->window != 0);
        }
    }

    tier->ends = (form->valid.days || form->calendar);

    if (!tier->ends && (form->tier.grace || form->downgrade.len)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" is held for ever, so \"%s\" has no "
                           "meaning without \"window=\" or \"valid=\"",
                           &tier->name,
                           form->tier.grace ? "grace" : "downgrade");
        return NGX_CONF_ERROR;
    }

    /* the nearest one first */

    tiers = program->tiers.elts;

    for (i = program->tiers.nelts; i > 0; i--) {
        if (ngx_shop_program_tier_order(cf, tier, &tiers[i - 1])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_tier_order(ngx_conf_t *cf, ngx_shop_tier_t *tier,
    ngx_shop_tier_t *below)
{
    int64_t     least;
    ngx_uint_t  i;

    for (i = 0; i < NGX_SHOP_TIER_QUANTITIES; i++) {

        least = ngx_shop_tier_quantity(below, i);

        if (least != -1 && tier->window == below->window && !tier->all
            && ngx_shop_tier_quantity(tier, i) != -1
            && ngx_shop_tier_quantity(tier, i) <= least)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "tier \"%V\" needs no more \"%s\" than "
                               "\"%V\", tiers are written lowest first",
                               &tier->name, ngx_shop_tier_table[i].name,
                               &below->name);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_shop_tier_implies(below, tier)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" can never be held, since who "
                           "reaches it reaches \"%V\" as well, tiers are "
                           "written lowest first",
                           &below->name, &tier->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static int64_t
ngx_shop_tier_quantity(ngx_shop_tier_t *tier, ngx_uint_t i)
{
    return i == 0 ? tier->points : i == 1 ? tier->spend : tier->orders;
}


/* 1: who reaches "tier", by whatever it asks for, reaches "other" */

static ngx_uint_t
ngx_shop_tier_implies(ngx_shop_tier_t *tier, ngx_shop_tier_t *other)
{
    ngx_uint_t  i, all;

    all = 0;

    for (i = 0; i < NGX_SHOP_TIER_QUANTITIES; i++) {

        if (ngx_shop_tier_quantity(tier, i) == -1) {
            continue;
        }

        all |= 1 << i;

        if (!tier->all && !ngx_shop_tier_follows(tier, 1 << i, other)) {
            return 0;
        }
    }

    return ngx_shop_tier_follows(tier, all, other);
}


/* the same where of "tier" the conditions "known" are met, a bit each */

static ngx_uint_t
ngx_shop_tier_follows(ngx_shop_tier_t *tier, ngx_uint_t known,
    ngx_shop_tier_t *other)
{
    int64_t     needs;
    ngx_uint_t  i, n, met;

    n = 0;
    met = 0;

    for (i = 0; i < NGX_SHOP_TIER_QUANTITIES; i++) {

        needs = ngx_shop_tier_quantity(other, i);

        if (needs == -1) {
            continue;
        }

        n++;

        if (needs == 0
            || ((known & (1 << i))
                && ngx_shop_tier_quantity(tier, i) >= needs
                && ngx_shop_tier_window_within(tier, other)))
        {
            met++;
        }
    }

    return other->all ? met == n : met > 0;
}


/* 1: what counts for "tier" counts for "other" */

static ngx_uint_t
ngx_shop_tier_window_within(ngx_shop_tier_t *tier, ngx_shop_tier_t *other)
{
    if (other->window == NGX_SHOP_TIER_LIFETIME
        || other->window == tier->window)
    {
        return 1;
    }

    if (tier->window == NGX_SHOP_TIER_LIFETIME
        || other->window == NGX_SHOP_TIER_CALENDAR)
    {
        return 0;
    }

    if (tier->window == NGX_SHOP_TIER_CALENDAR) {
        return other->window >= NGX_SHOP_TIER_LEAP_YEAR;
    }

    return other->window > tier->window;
}


static char *
ngx_shop_program_tier_words(ngx_conf_t *cf, ngx_shop_tier_form_t *form)
{
    u_char           *p;
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier;

    tier = &form->tier;

    p = ngx_pnalloc(cf->pool, NGX_SHOP_TIER_WORDS_MAX);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    tier->words.data = p;

    for (i = 0; i < NGX_SHOP_TIER_QUANTITIES; i++) {
        if (ngx_shop_tier_quantity(tier, i) != -1) {
            p = ngx_sprintf(p, "%s=%L ", ngx_shop_tier_table[i].name,
                            ngx_shop_tier_quantity(tier, i));
        }
    }

    if (tier->window == NGX_SHOP_TIER_CALENDAR) {
        p = ngx_sprintf(p, "window=calendar ");

    } else if (tier->window != NGX_SHOP_TIER_LIFETIME) {
        p = ngx_sprintf(p, "window=%ui ", tier->window);
    }

    if (tier->all) {
        p = ngx_sprintf(p, "match=all ");
    }

    if (form->calendar) {
        p = ngx_sprintf(p, "valid=calendar ");

    } else if (form->valid.months) {
        p = ngx_sprintf(p, "valid=%uiM ", form->valid.months);

    } else if (form->valid.days) {
        p = ngx_sprintf(p, "valid=%T ", form->valid.seconds);
    }

    if (tier->grace) {
        p = ngx_sprintf(p, "grace=%T ", tier->grace);
    }

    if (form->downgrade.len) {
        p = ngx_sprintf(p, "downgrade=%V ", &form->downgrade);
    }

    tier->words.len = p - tier->words.data;

    return NGX_CONF_OK;
}
