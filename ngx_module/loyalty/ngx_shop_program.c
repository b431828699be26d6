
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * The grammar of "loyalty_program".  It is larger than what this version
 * does, and a rule that is read and not followed would cost a shop money or
 * trust; so each word is one of three: known, known but not here yet, or
 * nothing at all, and the last two stop nginx with a message of their own.
 */


typedef struct {
    const char         *kind;       /* "parameter" */
    const char         *where;      /* "tier" */
    const char         *allowed;    /* for the message */
    const char        **later;      /* words of the grammar, not here yet */
} ngx_shop_program_words_t;


static char *ngx_shop_program_currency(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_array_t *words);
static char *ngx_shop_program_tier(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_array_t *words);
static char *ngx_shop_program_tier_check(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_t *tier);
static char *ngx_shop_program_earn(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_array_t *words);
static char *ngx_shop_program_earn_parameter(ngx_conf_t *cf,
    ngx_shop_earn_t *rule, ngx_str_t *what, ngx_str_t *word);
static char *ngx_shop_program_duration(ngx_conf_t *cf, ngx_str_t *what,
    ngx_str_t *word, ngx_str_t *text, ngx_shop_duration_t **duration);

static char *ngx_shop_promotion_audience(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_promotion_t *promotion,
    ngx_array_t *words);
static char *ngx_shop_promotion_condition(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_str_t *word,
    ngx_shop_condition_t *condition);
static char *ngx_shop_promotion_time(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words, time_t *field);
static char *ngx_shop_promotion_priority(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);
static int ngx_libc_cdecl ngx_shop_promotion_compare(const void *one,
    const void *two);

static char *ngx_shop_program_name(ngx_conf_t *cf, const char *what,
    ngx_str_t *name);
static char *ngx_shop_program_unknown(ngx_conf_t *cf,
    ngx_shop_program_words_t *words, ngx_str_t *word);
static char *ngx_shop_program_unknown_tier(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_str_t *name);
static char *ngx_shop_program_duplicate(ngx_conf_t *cf, ngx_str_t *word);
static char *ngx_shop_program_usage(ngx_conf_t *cf, ngx_str_t *word,
    const char *usage);
static ngx_int_t ngx_shop_program_parameter(ngx_str_t *word,
    const char *name, ngx_str_t *value);
static int64_t ngx_shop_program_points(ngx_str_t *text);
static ngx_uint_t ngx_shop_word_is(ngx_str_t *word, const char *text);


static const char  *ngx_shop_program_later[] = {
    "segment", "referral", NULL
};

static const char  *ngx_shop_tier_later[] = {
    "spend", "orders", "window", "match", "valid", "grace", "downgrade", NULL
};

static const char  *ngx_shop_earn_later[] = {
    "visit", "streak", "order", "fan", "custom", NULL
};

static const char  *ngx_shop_earn_parameters_later[] = {
    "per", "limit", "min", "tier", "multiply", "days", NULL
};

static const char  *ngx_shop_promotion_later[] = {
    "hours", "stop", "group", "holdout", "budget", "per_member", "once",
    "match", "payload", "convert", NULL
};

static const char  *ngx_shop_audience_later[] = {
    "segment", "points", "provider", "providers", "recency", "visit_recency",
    "frequency", "orders", "spend", "streak", "advocate", "member_since",
    "locale", "fan", "active", "at-risk", "lapsed", "champion", NULL
};


static ngx_shop_program_words_t  ngx_shop_program_lines = {
    "line", "loyalty_program", NGX_SHOP_PROGRAM_LINES, ngx_shop_program_later
};

static ngx_shop_program_words_t  ngx_shop_tier_parameters = {
    "parameter", "tier", "\"points=N\"", ngx_shop_tier_later
};

static ngx_shop_program_words_t  ngx_shop_earn_rules = {
    "rule", "earn", "\"signup\", \"login\"", ngx_shop_earn_later
};

static ngx_shop_program_words_t  ngx_shop_earn_signup_parameters = {
    "parameter", "earn signup", "\"pending=T\", \"expires=T\"",
    ngx_shop_earn_parameters_later
};

static ngx_shop_program_words_t  ngx_shop_earn_login_parameters = {
    "parameter", "earn login",
    "\"every=T\", \"pending=T\", \"expires=T\"",
    ngx_shop_earn_parameters_later
};

static ngx_shop_program_words_t  ngx_shop_promotion_lines = {
    "line", "promotion", NGX_SHOP_PROMOTION_LINES, ngx_shop_promotion_later
};

static ngx_shop_program_words_t  ngx_shop_audience_conditions = {
    "condition", "audience",
    "\"new\" and \"tier\" with =, !=, <, <=, > or >= and the name of a tier",
    ngx_shop_audience_later
};


ngx_int_t
ngx_shop_program_init(ngx_pool_t *pool, ngx_shop_program_t *program)
{
    ngx_memzero(program, sizeof(ngx_shop_program_t));

    if (ngx_array_init(&program->tiers, pool, 4, sizeof(ngx_shop_tier_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_array_init(&program->earn, pool, 2, sizeof(ngx_shop_earn_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_array_init(&program->promotions, pool, 4,
                          sizeof(ngx_shop_promotion_t));
}


char *
ngx_shop_program_line(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (ngx_shop_word_is(&value[0], "currency")) {
        return ngx_shop_program_currency(cf, program, words);
    }

    if (ngx_shop_word_is(&value[0], "tier")) {
        return ngx_shop_program_tier(cf, program, words);
    }

    if (ngx_shop_word_is(&value[0], "earn")) {
        return ngx_shop_program_earn(cf, program, words);
    }

    return ngx_shop_program_unknown(cf, &ngx_shop_program_lines, &value[0]);
}


static char *
ngx_shop_program_currency(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "currency CODE;");
    }

    if (program->currency.len) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < 'A' || value[1].data[i] > 'Z') {
            break;
        }
    }

    if (i != 3 || value[1].len != 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid currency \"%V\", it must be a code of "
                           "ISO 4217: three capital letters, e.g. \"EUR\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    program->currency = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t        *value, text;
    ngx_uint_t        i;
    ngx_shop_tier_t   tier, *new;

    value = words->elts;

    if (words->nelts < 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "tier NAME [points=N];");
    }

    if (ngx_shop_program_name(cf, "tier", &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    tier.name = value[1];
    tier.points = -1;

    for (i = 2; i < words->nelts; i++) {

        if (ngx_shop_program_parameter(&value[i], "points", &text)
            != NGX_OK)
        {
            return ngx_shop_program_unknown(cf, &ngx_shop_tier_parameters,
                                            &value[i]);
        }

        if (tier.points != -1) {
            return ngx_shop_program_duplicate(cf, &value[i]);
        }

        tier.points = ngx_shop_program_points(&text);

        if (tier.points == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid points \"%V\" of tier \"%V\", "
                               "it must be an integer from 0 to %L",
                               &text, &tier.name,
                               NGX_SHOP_LOYALTY_POINTS_MAX);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_shop_program_tier_check(cf, program, &tier) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    new = ngx_array_push(&program->tiers);
    if (new == NULL) {
        return NGX_CONF_ERROR;
    }

    *new = tier;

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_tier_check(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_t *tier)
{
    ngx_shop_tier_t  *below;

    if (ngx_shop_tier_find(program, &tier->name)
        != NGX_SHOP_LOYALTY_NO_TIER)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate tier \"%V\"", &tier->name);
        return NGX_CONF_ERROR;
    }

    if (program->tiers.nelts == 0) {
        return NGX_CONF_OK;
    }

    if (program->tiers.nelts == NGX_SHOP_LOYALTY_TIERS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many tiers with \"%V\", at most %d are "
                           "allowed", &tier->name,
                           NGX_SHOP_LOYALTY_TIERS_MAX);
        return NGX_CONF_ERROR;
    }

    below = program->tiers.elts;
    below += program->tiers.nelts - 1;

    if (tier->points == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" has no condition, every tier after "
                           "the first needs \"points=N\"", &tier->name);
        return NGX_CONF_ERROR;
    }

    if (tier->points <= ngx_max(below->points, 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" has \"points=%L\", it must need "
                           "more than the %L of \"%V\", since tiers are "
                           "written lowest first", &tier->name, tier->points,
                           ngx_max(below->points, 0), &below->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_earn(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_shop_earn_t   rule, *earn;

    value = words->elts;

    if (words->nelts < 3) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "earn signup POINTS [PARAMETER ...]; "
                                      "and earn login POINTS "
                                      "[PARAMETER ...];");
    }

    ngx_memzero(&rule, sizeof(ngx_shop_earn_t));

    if (ngx_shop_word_is(&value[1], "signup")) {
        rule.what = NGX_SHOP_EARN_SIGNUP;

    } else if (ngx_shop_word_is(&value[1], "login")) {
        rule.what = NGX_SHOP_EARN_LOGIN;

    } else {
        return ngx_shop_program_unknown(cf, &ngx_shop_earn_rules, &value[1]);
    }

    earn = program->earn.elts;

    for (i = 0; i < program->earn.nelts; i++) {
        if (earn[i].what == rule.what) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"earn %V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

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
        if (ngx_shop_program_earn_parameter(cf, &rule, &value[1], &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    earn = ngx_array_push(&program->earn);
    if (earn == NULL) {
        return NGX_CONF_ERROR;
    }

    *earn = rule;

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_earn_parameter(ngx_conf_t *cf, ngx_shop_earn_t *rule,
    ngx_str_t *what, ngx_str_t *word)
{
    ngx_str_t  text;

    if (ngx_shop_program_parameter(word, "pending", &text) == NGX_OK) {
        return ngx_shop_program_duration(cf, what, word, &text,
                                         &rule->pending);
    }

    if (ngx_shop_program_parameter(word, "expires", &text) == NGX_OK) {
        return ngx_shop_program_duration(cf, what, word, &text,
                                         &rule->expires);
    }

    if (rule->what == NGX_SHOP_EARN_SIGNUP) {
        return ngx_shop_program_unknown(cf, &ngx_shop_earn_signup_parameters,
                                        word);
    }

    if (ngx_shop_program_parameter(word, "every", &text) != NGX_OK) {
        return ngx_shop_program_unknown(cf, &ngx_shop_earn_login_parameters,
                                        word);
    }

    if (rule->every) {
        return ngx_shop_program_duplicate(cf, word);
    }

    rule->every = ngx_parse_time(&text, 1);

    if (rule->every == (time_t) NGX_ERROR || rule->every == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"every=\" of "
                           "\"earn login\", it must be at least a "
                           "second, e.g. \"12h\" or \"1d\"", &text);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_duration(ngx_conf_t *cf, ngx_str_t *what, ngx_str_t *word,
    ngx_str_t *text, ngx_shop_duration_t **duration)
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
                           word, what);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_shop_program_promotion(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_str_t *code, ngx_shop_promotion_t **promotion)
{
    ngx_uint_t             i;
    ngx_shop_promotion_t  *p;

    if (ngx_shop_program_name(cf, "promotion", code) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    p = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {

        if (p[i].code.len == code->len
            && ngx_strncmp(p[i].code.data, code->data, code->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate promotion \"%V\"", code);
            return NGX_CONF_ERROR;
        }
    }

    p = ngx_array_push(&program->promotions);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    p->code = *code;
    p->audience = NULL;
    p->from = 0;
    p->until = 0;
    p->priority = NGX_CONF_UNSET_UINT;

    program->codes_len += code->len + 1;

    *promotion = p;

    return NGX_CONF_OK;
}


char *
ngx_shop_promotion_line(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (ngx_shop_word_is(&value[0], "audience")) {
        return ngx_shop_promotion_audience(cf, program, promotion, words);
    }

    if (ngx_shop_word_is(&value[0], "from")) {
        return ngx_shop_promotion_time(cf, promotion, words,
                                       &promotion->from);
    }

    if (ngx_shop_word_is(&value[0], "until")) {
        return ngx_shop_promotion_time(cf, promotion, words,
                                       &promotion->until);
    }

    if (ngx_shop_word_is(&value[0], "priority")) {
        return ngx_shop_promotion_priority(cf, promotion, words);
    }

    return ngx_shop_program_unknown(cf, &ngx_shop_promotion_lines,
                                    &value[0]);
}


static char *
ngx_shop_promotion_audience(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_str_t             *value;
    ngx_uint_t             i;
    ngx_array_t           *conditions, **line;
    ngx_shop_condition_t  *condition;

    value = words->elts;

    if (words->nelts < 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "audience CONDITION ...;");
    }

    conditions = ngx_array_create(cf->pool, words->nelts - 1,
                                  sizeof(ngx_shop_condition_t));
    if (conditions == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < words->nelts; i++) {

        condition = ngx_array_push(conditions);
        if (condition == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_shop_promotion_condition(cf, program, &value[i], condition)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (promotion->audience == NULL) {
        promotion->audience = ngx_array_create(cf->pool, 1,
                                               sizeof(ngx_array_t *));
        if (promotion->audience == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    line = ngx_array_push(promotion->audience);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    *line = conditions;

    return NGX_CONF_OK;
}


static char *
ngx_shop_promotion_condition(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_str_t *word, ngx_shop_condition_t *condition)
{
    u_char     *p, *last;
    ngx_str_t   field, value;

    p = word->data;
    last = p + word->len;

    while (p < last && *p != '=' && *p != '!' && *p != '<' && *p != '>') {
        p++;
    }

    field.data = word->data;
    field.len = p - word->data;

    if (ngx_shop_word_is(&field, "new")) {

        if (p < last) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid condition \"%V\" in \"audience\", "
                               "\"new\" takes no value", word);
            return NGX_CONF_ERROR;
        }

        condition->field = NGX_SHOP_FIELD_NEW;
        condition->op = NGX_SHOP_OP_EQ;
        condition->tier = NGX_SHOP_LOYALTY_NO_TIER;

        return NGX_CONF_OK;
    }

    if (!ngx_shop_word_is(&field, "tier")) {
        return ngx_shop_program_unknown(cf, &ngx_shop_audience_conditions,
                                        word);
    }

    condition->field = NGX_SHOP_FIELD_TIER;

    if (last - p > 1 && p[0] == '!' && p[1] == '=') {
        condition->op = NGX_SHOP_OP_NE;
        p += 2;

    } else if (last - p > 1 && p[0] == '<' && p[1] == '=') {
        condition->op = NGX_SHOP_OP_LE;
        p += 2;

    } else if (last - p > 1 && p[0] == '>' && p[1] == '=') {
        condition->op = NGX_SHOP_OP_GE;
        p += 2;

    } else if (p < last && *p == '=') {
        condition->op = NGX_SHOP_OP_EQ;
        p++;

    } else if (p < last && *p == '<') {
        condition->op = NGX_SHOP_OP_LT;
        p++;

    } else if (p < last && *p == '>') {
        condition->op = NGX_SHOP_OP_GT;
        p++;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid condition \"%V\" in \"audience\", "
                           "\"tier\" is followed, without blanks, by "
                           "=, !=, <, <=, > or >= and the name of a tier",
                           word);
        return NGX_CONF_ERROR;
    }

    value.data = p;
    value.len = last - p;

    condition->tier = ngx_shop_tier_find(program, &value);

    if (condition->tier == NGX_SHOP_LOYALTY_NO_TIER) {
        return ngx_shop_program_unknown_tier(cf, program, &value);
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_promotion_time(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words, time_t *field)
{
    time_t      time;
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "from DATE; and until DATE;");
    }

    if (*field) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    time = ngx_shop_parse_time(&value[1]);

    if (time <= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid date \"%V\" in \"%V\" of promotion "
                           "\"%V\", it must be ISO 8601 and after 1970, "
                           "e.g. \"2026-09-01\" or "
                           "\"2026-09-01T10:00:00+02:00\"",
                           &value[1], &value[0], &promotion->code);
        return NGX_CONF_ERROR;
    }

    *field = time;

    if (promotion->until && promotion->until <= promotion->from) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "promotion \"%V\" ends before it starts: "
                           "\"until\" must be later than \"from\"",
                           &promotion->code);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_promotion_priority(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "priority N;");
    }

    if (promotion->priority != NGX_CONF_UNSET_UINT) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n > 65535) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid priority \"%V\" of promotion \"%V\", "
                           "it must be an integer from 0 to 65535",
                           &value[1], &promotion->code);
        return NGX_CONF_ERROR;
    }

    promotion->priority = n;

    return NGX_CONF_OK;
}


void
ngx_shop_program_finish(ngx_shop_program_t *program)
{
    ngx_uint_t             i;
    ngx_shop_promotion_t  *promotion;

    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {
        if (promotion[i].priority == NGX_CONF_UNSET_UINT) {
            promotion[i].priority = 100;
        }
    }

    ngx_qsort(promotion, program->promotions.nelts,
              sizeof(ngx_shop_promotion_t), ngx_shop_promotion_compare);
}


static int ngx_libc_cdecl
ngx_shop_promotion_compare(const void *one, const void *two)
{
    const ngx_shop_promotion_t  *first, *second;

    first = one;
    second = two;

    if (first->priority != second->priority) {
        return first->priority < second->priority ? -1 : 1;
    }

    return (int) ngx_memn2cmp(first->code.data, second->code.data,
                              first->code.len, second->code.len);
}


static char *
ngx_shop_program_name(ngx_conf_t *cf, const char *what, ngx_str_t *name)
{
    if (ngx_shop_name_valid(name)) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\" of a %s, it must have 1 to %d "
                       "characters of A-Z, a-z, 0-9, \"_\" and \"-\"",
                       name, what, NGX_SHOP_NAME_MAX);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_program_unknown(ngx_conf_t *cf, ngx_shop_program_words_t *words,
    ngx_str_t *word)
{
    u_char       *p, *last;
    ngx_str_t     name;
    const char  **later;

    /* "spend" of "spend=500.00", "custom" of "custom:review" */

    p = word->data;
    last = p + word->len;

    while (p < last && ngx_strlchr((u_char *) "=!<>:",
                                   (u_char *) "=!<>:" + 5, *p)
                       == NULL)
    {
        p++;
    }

    name.data = word->data;
    name.len = p - word->data;

    for (later = words->later; *later; later++) {

        if (ngx_shop_word_is(&name, *later)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the %s \"%V\" of \"%s\" is not in this "
                               "version, allowed: %s",
                               words->kind, word, words->where,
                               words->allowed);
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown %s \"%V\" of \"%s\", allowed: %s",
                       words->kind, word, words->where, words->allowed);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_program_unknown_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_str_t *name)
{
    u_char           *p;
    size_t            len;
    ngx_str_t         names;
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier;

    if (program->tiers.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown tier \"%V\" in \"audience\", no tier "
                           "was declared before", name);
        return NGX_CONF_ERROR;
    }

    tier = program->tiers.elts;
    len = 0;

    for (i = 0; i < program->tiers.nelts; i++) {
        len += sizeof(", \"\"") - 1 + tier[i].name.len;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    names.data = p;

    for (i = 0; i < program->tiers.nelts; i++) {
        p = ngx_sprintf(p, "%s\"%V\"", i ? ", " : "", &tier[i].name);
    }

    names.len = p - names.data;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown tier \"%V\" in \"audience\", declared "
                       "before: %V", name, &names);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_program_duplicate(ngx_conf_t *cf, ngx_str_t *word)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate \"%V\"", word);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_program_usage(ngx_conf_t *cf, ngx_str_t *word, const char *usage)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid number of arguments in \"%V\", allowed: %s",
                       word, usage);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_shop_program_parameter(ngx_str_t *word, const char *name,
    ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (word->len <= len
        || word->data[len] != '='
        || ngx_strncmp(word->data, name, len) != 0)
    {
        return NGX_DECLINED;
    }

    value->data = word->data + len + 1;
    value->len = word->len - len - 1;

    return NGX_OK;
}


static int64_t
ngx_shop_program_points(ngx_str_t *text)
{
    off_t  n;

    n = ngx_atoof(text->data, text->len);

    if (n == NGX_ERROR || n > NGX_SHOP_LOYALTY_POINTS_MAX) {
        return -1;
    }

    return n;
}


static ngx_uint_t
ngx_shop_word_is(ngx_str_t *word, const char *text)
{
    return word->len == ngx_strlen(text)
           && ngx_strncmp(word->data, text, word->len) == 0;
}
