
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


#define NGX_SHOP_EARN_ONE        1000       /* thousandths */
#define NGX_SHOP_EARN_MULTIPLY   1000       /* times at most */
#define NGX_SHOP_EARN_LIMIT      1000000
#define NGX_SHOP_EARN_DAYS       36525


/* which rules a parameter is for */

#define NGX_SHOP_EARN_BIT(what)  (1 << NGX_SHOP_EARN_##what)

#define NGX_SHOP_EARN_ALL        ((ngx_uint_t) -1)
#define NGX_SHOP_EARN_PACED                                                   \
    (NGX_SHOP_EARN_BIT(LOGIN) | NGX_SHOP_EARN_BIT(VISIT)                      \
     | NGX_SHOP_EARN_BIT(ORDER) | NGX_SHOP_EARN_BIT(CUSTOM))


typedef char *(*ngx_shop_earn_parameter_pt)(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_earn_t *rule, ngx_str_t *word,
    ngx_str_t *text);

typedef struct {
    const char                  *name;
    ngx_uint_t                   rules;
    ngx_shop_earn_parameter_pt   set;
} ngx_shop_earn_parameter_t;


static ngx_uint_t ngx_shop_earn_what(ngx_str_t *event);
static char *ngx_shop_earn_parameter(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_earn_t *rule, ngx_str_t *word);
static char *ngx_shop_earn_per(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text);
static char *ngx_shop_earn_min(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text);
static char *ngx_shop_earn_money(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text, int64_t *money);
static char *ngx_shop_earn_days(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text);
static char *ngx_shop_earn_every(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text);
static char *ngx_shop_earn_limit(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text);
static char *ngx_shop_earn_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text);
static char *ngx_shop_earn_multiply(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_earn_t *rule, ngx_str_t *word,
    ngx_str_t *text);
static char *ngx_shop_earn_pending(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_earn_t *rule, ngx_str_t *word,
    ngx_str_t *text);
static char *ngx_shop_earn_expires(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_earn_t *rule, ngx_str_t *word,
    ngx_str_t *text);
static char *ngx_shop_earn_duration(ngx_conf_t *cf, ngx_shop_earn_t *rule,
    ngx_str_t *word, ngx_str_t *text, ngx_shop_duration_t **duration);
static char *ngx_shop_earn_remember(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_earn_t *rule);


static const char  *ngx_shop_earn_later[] = { "fan", NULL };

static ngx_shop_program_words_t  ngx_shop_earn_rules = {
    "rule", "earn",
    "\"signup\", \"login\", \"visit\", \"streak\", \"order\", "
    "\"custom:NAME\"",
    ngx_shop_earn_later
};


static ngx_shop_earn_parameter_t  ngx_shop_earn_parameters[] = {
    { "per", NGX_SHOP_EARN_BIT(ORDER), ngx_shop_earn_per },
    { "min", NGX_SHOP_EARN_BIT(ORDER) | NGX_SHOP_EARN_BIT(CUSTOM),
      ngx_shop_earn_min },
    { "days", NGX_SHOP_EARN_BIT(STREAK), ngx_shop_earn_days },
    { "every", NGX_SHOP_EARN_PACED, ngx_shop_earn_every },
    { "limit", NGX_SHOP_EARN_PACED, ngx_shop_earn_limit },
    { "tier", NGX_SHOP_EARN_ALL, ngx_shop_earn_tier },
    { "multiply", NGX_SHOP_EARN_BIT(ORDER), ngx_shop_earn_multiply },
    { "pending", NGX_SHOP_EARN_ALL, ngx_shop_earn_pending },
    { "expires", NGX_SHOP_EARN_ALL, ngx_shop_earn_expires },
    { NULL, 0, NULL }
};


/* in the order of ngx_shop_earn_e; what a rule may have, for messages */

static struct {
    const char                *name;
    ngx_shop_program_words_t   parameters;
} ngx_shop_earn_whats[] = {

    { "signup", { "parameter", "earn signup",
      "\"tier=NAME\", \"pending=T\", \"expires=T\"",
      NULL } },

    { "login", { "parameter", "earn login",
      "\"every=T\", \"limit=N/T\", \"tier=NAME\", \"pending=T\", "
      "\"expires=T\"",
      NULL } },

    { "visit", { "parameter", "earn visit",
      "\"every=T\", \"limit=N/T\", \"tier=NAME\", \"pending=T\", "
      "\"expires=T\"",
      NULL } },

    { "streak", { "parameter", "earn streak",
      "\"days=N\", \"tier=NAME\", \"pending=T\", \"expires=T\"",
      NULL } },

    { "order", { "parameter", "earn order",
      "\"per=AMOUNT\", \"min=AMOUNT\", \"every=T\", \"limit=N/T\", "
      "\"tier=NAME\", \"multiply=TIER:N\", \"pending=T\", \"expires=T\"",
      NULL } },

    { "custom", { "parameter", "earn custom",
      "\"min=AMOUNT\", \"every=T\", \"limit=N/T\", \"tier=NAME\", "
      "\"pending=T\", \"expires=T\"",
      NULL } },

    { NULL, { NULL, NULL, NULL, NULL } }
};


char *
ngx_shop_program_earn(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t        *value;
    ngx_uint_t        i, what;
    ngx_shop_earn_t   rule, *earn;

    value = words->elts;

    if (words->nelts < 3) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "earn WHAT POINTS [PARAMETER ...];");
    }

    what = ngx_shop_earn_what(&value[1]);

    if (ngx_shop_earn_whats[what].name == NULL) {
        return ngx_shop_program_unknown(cf, &ngx_shop_earn_rules, &value[1]);
    }

    if (program->earn.nelts == NGX_SHOP_LOYALTY_RULES_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many rules with \"earn %V\", at most %d are "
                           "allowed", &value[1], NGX_SHOP_LOYALTY_RULES_MAX);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&rule, sizeof(ngx_shop_earn_t));

    rule.what = what;
    rule.event = value[1];
    rule.points = ngx_shop_program_points(&value[2]);

    if (rule.points <= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid points \"%V\" of \"earn %V\", "
                           "it must be an integer from 1 to %L",
                           &value[2], &value[1],
                           NGX_SHOP_LOYALTY_POINTS_MAX);
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < words->nelts; i++) {
        if (ngx_shop_earn_parameter(cf, program, &rule, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (rule.what == NGX_SHOP_EARN_STREAK && rule.per == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"earn streak\" needs \"days=N\"");
        return NGX_CONF_ERROR;
    }

    if ((rule.every || rule.limit)
        && ngx_shop_earn_remember(cf, program, &rule) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    earn = ngx_array_push(&program->earn);
    if (earn == NULL) {
        return NGX_CONF_ERROR;
    }

    *earn = rule;

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_shop_earn_what(ngx_str_t *event)
{
    size_t      len;
    ngx_str_t   name;
    ngx_uint_t  i;

    for (i = 0; ngx_shop_earn_whats[i].name; i++) {

        if (i != NGX_SHOP_EARN_CUSTOM) {

            if (ngx_shop_text_is(event, ngx_shop_earn_whats[i].name)) {
                break;
            }

            continue;
        }

        len = sizeof("custom:") - 1;

        if (event->len > len && ngx_strncmp(event->data, "custom:", len) == 0)
        {
            name.data = event->data + len;
            name.len = event->len - len;

            if (ngx_shop_name_valid(&name)) {
                break;
            }
        }
    }

    return i;
}


static char *
ngx_shop_earn_parameter(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word)
{
    ngx_str_t                   text;
    ngx_shop_program_words_t   *words;
    ngx_shop_earn_parameter_t  *parameter;

    for (parameter = ngx_shop_earn_parameters; parameter->name; parameter++) {

        if (ngx_shop_program_parameter(word, parameter->name, &text) == NGX_OK
            && (parameter->rules & (1 << rule->what)))
        {
            if (parameter->set(cf, program, rule, word, &text)
                != NGX_CONF_OK)
            {
                return NGX_CONF_ERROR;
            }

            return NGX_CONF_OK;
        }
    }

    words = &ngx_shop_earn_whats[rule->what].parameters;

    return ngx_shop_program_unknown(cf, words, word);
}


static char *
ngx_shop_earn_per(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    return ngx_shop_earn_money(cf, program, rule, word, text, &rule->per);
}


static char *
ngx_shop_earn_min(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    return ngx_shop_earn_money(cf, program, rule, word, text, &rule->min);
}


static char *
ngx_shop_earn_money(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text, int64_t *money)
{
    if (*money) {
        return ngx_shop_program_duplicate(cf, word);
    }

    if (program->currency.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of \"earn %V\" is an amount of money, "
                           "\"currency\" must be set in a line before",
                           word, &rule->event);
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_money_parse(&program->currency, text, money) != NGX_OK
        || *money == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid amount in \"%V\" of \"earn %V\", it must "
                           "be more than 0, with a point and at most %ui "
                           "decimals, as %V has",
                           word, &rule->event,
                           ngx_shop_money_decimals(&program->currency),
                           &program->currency);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_earn_days(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    ngx_int_t  n;

    if (rule->per) {
        return ngx_shop_program_duplicate(cf, word);
    }

    n = ngx_atoi(text->data, text->len);

    if (n == NGX_ERROR || n == 0 || n > NGX_SHOP_EARN_DAYS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" of \"earn streak\", it must be an "
                           "integer from 1 to %d", word, NGX_SHOP_EARN_DAYS);
        return NGX_CONF_ERROR;
    }

    rule->per = n;

    return NGX_CONF_OK;
}


static char *
ngx_shop_earn_every(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    if (rule->every) {
        return ngx_shop_program_duplicate(cf, word);
    }

    rule->every = ngx_parse_time(text, 1);

    if (rule->every == (time_t) NGX_ERROR || rule->every == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"every=\" of "
                           "\"earn %V\", it must be at least a "
                           "second, e.g. \"12h\" or \"1d\"", text,
                           &rule->event);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_earn_limit(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    u_char     *slash;
    ngx_int_t   n;
    ngx_str_t   name;

    if (rule->limit) {
        return ngx_shop_program_duplicate(cf, word);
    }

    slash = ngx_strlchr(text->data, text->data + text->len, '/');

    if (slash != NULL) {
        name.data = slash + 1;
        name.len = text->data + text->len - name.data;

        n = ngx_atoi(text->data, slash - text->data);

        if (n > 0 && n <= NGX_SHOP_EARN_LIMIT
            && ngx_shop_program_period(&name, &rule->period) == NGX_OK)
        {
            rule->limit = n;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\" of \"earn %V\", it must be an integer "
                       "from 1 to %d, \"/\" and one of \"day\", \"week\", "
                       "\"month\" and \"year\", e.g. \"limit=3/week\"",
                       word, &rule->event, NGX_SHOP_EARN_LIMIT);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_earn_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    if (rule->tier.len) {
        return ngx_shop_program_duplicate(cf, word);
    }

    if (ngx_shop_tier_find(program, text) == NGX_SHOP_LOYALTY_NO_TIER) {
        return ngx_shop_program_unknown_tier(cf, program, "tier=", text);
    }

    rule->tier = *text;

    return NGX_CONF_OK;
}


/* one "TIER:N" is added to those that were there before */

static char *
ngx_shop_earn_multiply(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    u_char     *colon;
    int64_t     n;
    ngx_str_t   tier, times, list;
    u_char      entry[NGX_SHOP_NAME_MAX + sizeof(" :")];

    colon = ngx_strlchr(text->data, text->data + text->len, ':');

    if (colon == NULL) {
        goto invalid;
    }

    tier.data = text->data;
    tier.len = colon - text->data;

    times.data = colon + 1;
    times.len = text->data + text->len - times.data;

    if (ngx_shop_fixed_parse(&times, 3, &n) != NGX_OK
        || n < NGX_SHOP_EARN_ONE
        || n > NGX_SHOP_EARN_MULTIPLY * NGX_SHOP_EARN_ONE)
    {
        goto invalid;
    }

    if (ngx_shop_tier_find(program, &tier) == NGX_SHOP_LOYALTY_NO_TIER) {
        return ngx_shop_program_unknown_tier(cf, program, "multiply=",
                                             &tier);
    }

    (void) ngx_sprintf(entry, " %V:%Z", &tier);

    if (ngx_strnstr(rule->multiply.data, (char *) entry, rule->multiply.len)
        != NULL)
    {
        return ngx_shop_program_duplicate(cf, word);
    }

    list.len = rule->multiply.len + ngx_strlen(entry) + NGX_INT64_LEN;

    list.data = ngx_pnalloc(cf->pool, list.len);
    if (list.data == NULL) {
        return NGX_CONF_ERROR;
    }

    list.len = ngx_sprintf(list.data, "%V%s%L", &rule->multiply, entry, n)
               - list.data;

    rule->multiply = list;

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\" of \"earn %V\", it must be the name "
                       "of a tier, \":\" and a number from 1 to %d with at "
                       "most three decimals, e.g. \"multiply=gold:1.5\"",
                       word, &rule->event, NGX_SHOP_EARN_MULTIPLY);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_earn_pending(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    return ngx_shop_earn_duration(cf, rule, word, text, &rule->pending);
}


static char *
ngx_shop_earn_expires(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule, ngx_str_t *word, ngx_str_t *text)
{
    return ngx_shop_earn_duration(cf, rule, word, text, &rule->expires);
}


static char *
ngx_shop_earn_duration(ngx_conf_t *cf, ngx_shop_earn_t *rule,
    ngx_str_t *word, ngx_str_t *text, ngx_shop_duration_t **duration)
{
    if (*duration != NULL) {
        return ngx_shop_program_duplicate(cf, word);
    }

    *duration = ngx_pcalloc(cf->pool, sizeof(ngx_shop_duration_t));
    if (*duration == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_duration_parse(text, *duration) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time in \"%V\" of \"earn %V\", it must "
                           "be a number and one of s, m, h, d, w, M and y, "
                           "e.g. \"14d\", and at most 100 years",
                           word, &rule->event);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* a rule is known by its place among those for the same event */

static char *
ngx_shop_earn_remember(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_earn_t *rule)
{
    u_char           *p;
    ngx_uint_t        i, n;
    ngx_shop_earn_t  *earn;

    earn = program->earn.elts;
    n = 1;

    for (i = 0; i < program->earn.nelts; i++) {

        if (earn[i].event.len == rule->event.len
            && ngx_memcmp(earn[i].event.data, rule->event.data,
                          rule->event.len)
               == 0)
        {
            n++;
        }
    }

    p = ngx_pnalloc(cf->pool, sizeof("paid::") - 1 + rule->event.len
                              + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    rule->paid.data = p;

    p = ngx_sprintf(p, "paid:%V", &rule->event);

    if (n > 1) {
        p = ngx_sprintf(p, ":%ui", n);
    }

    rule->paid.len = p - rule->paid.data;

    return NGX_CONF_OK;
}
