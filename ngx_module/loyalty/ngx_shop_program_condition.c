
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * Who is meant: conditions on a customer, for "segment" and "audience".  An
 * audience may name a segment besides, one of the program or a preset.  A
 * preset is made a segment when it is first named; it is told to nobody unless
 * the program has a line for it, and that line may say what it means.
 */


#define NGX_SHOP_CONDITION_OPERATORS  "=, !=, <, <=, > or >="


typedef struct {
    const char          *name;
    ngx_shop_field_e     field;
    const char          *value;      /* for messages */
    unsigned             order:1;    /* has < and > */
} ngx_shop_condition_field_t;


typedef struct {
    const char          *name;
    const char          *words[3];   /* the conditions of its one line */
} ngx_shop_segment_preset_t;


static char *ngx_shop_condition_parse(ngx_conf_t *cf,
    ngx_shop_program_t *program, const char *where, ngx_uint_t audience,
    ngx_str_t *word, ngx_shop_condition_t *condition);
static void ngx_shop_condition_asks(ngx_shop_program_t *program,
    ngx_shop_field_e field);
static char *ngx_shop_condition_bare(ngx_conf_t *cf,
    ngx_shop_program_t *program, const char *where, ngx_uint_t audience,
    ngx_str_t *word, ngx_shop_condition_t *condition);
static u_char *ngx_shop_condition_op(u_char *p, u_char *last,
    ngx_shop_op_e *op);
static char *ngx_shop_condition_value(ngx_conf_t *cf,
    ngx_shop_program_t *program, const char *where,
    ngx_shop_condition_field_t *field, ngx_str_t *word, ngx_str_t *value,
    ngx_shop_condition_t *condition);
static ngx_int_t ngx_shop_condition_number(ngx_shop_program_t *program,
    ngx_shop_field_e field, ngx_str_t *value, int64_t *number);

static ngx_shop_segment_t *ngx_shop_segment_find(
    ngx_shop_program_t *program, ngx_str_t *name, ngx_uint_t *n);
static char *ngx_shop_segment_add(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_str_t *name,
    ngx_shop_segment_t **segment, ngx_uint_t *n);
static ngx_int_t ngx_shop_segment_use(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_str_t *name, ngx_uint_t *n);
static ngx_shop_segment_preset_t *ngx_shop_segment_preset_find(
    ngx_str_t *name);
static char *ngx_shop_segment_preset(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_segment_preset_t *preset,
    ngx_shop_segment_t *segment);
static char *ngx_shop_segment_unknown(ngx_conf_t *cf, ngx_str_t *name);


static ngx_shop_condition_field_t  ngx_shop_condition_fields[] = {
    { "tier", NGX_SHOP_FIELD_TIER, "the name of a tier", 1 },
    { "points", NGX_SHOP_FIELD_POINTS,
      "an integer from 0 to 9007199254740991", 1 },
    { "orders", NGX_SHOP_FIELD_ORDERS,
      "an integer from 0 to 9007199254740991", 1 },
    { "spend", NGX_SHOP_FIELD_SPEND,
      "an amount of money behind a line \"currency\", e.g. \"500.00\"", 1 },
    { "recency", NGX_SHOP_FIELD_RECENCY,
      "a number and one of s, m, h, d and w, e.g. \"30d\"", 1 },
    { "member_since", NGX_SHOP_FIELD_MEMBER_SINCE,
      "a date in ISO 8601, e.g. \"2026-09-01\"", 1 },
    { "visit_recency", NGX_SHOP_FIELD_VISIT_RECENCY,
      "a number and one of s, m, h, d and w, e.g. \"30d\"", 1 },
    { "frequency", NGX_SHOP_FIELD_FREQUENCY,
      "a number with at most three decimals, e.g. \"2.5\"", 1 },
    { "streak", NGX_SHOP_FIELD_STREAK,
      "an integer from 0 to 9007199254740991", 1 },
    { "provider", NGX_SHOP_FIELD_PROVIDER,
      "the name of a \"social_provider\"", 0 },
    { "providers", NGX_SHOP_FIELD_PROVIDERS,
      "the name of a \"social_provider\"", 0 },
    { "locale", NGX_SHOP_FIELD_LOCALE,
      "a language tag, e.g. \"de\" or \"de-AT\"", 0 },
    { "segment", NGX_SHOP_FIELD_SEGMENT, "the name of a segment", 0 },
    { NULL, 0, NULL, 0 }
};


static const char  *ngx_shop_condition_later[] = {
    "advocate", "fan", NULL
};

#define NGX_SHOP_CONDITION_ALLOWED                                            \
    "\"tier\", \"points\", \"orders\", \"spend\", \"recency\", "              \
    "\"member_since\", \"visit_recency\", \"frequency\", \"streak\" with "    \
    "=, !=, <, <=, > or >= and a value, \"provider\", \"providers\", "        \
    "\"locale\" with = or !="

static ngx_shop_program_words_t  ngx_shop_condition_words = {
    "condition", "segment", "\"new\", " NGX_SHOP_CONDITION_ALLOWED,
    ngx_shop_condition_later
};

static ngx_shop_program_words_t  ngx_shop_audience_words = {
    "condition", "audience", "\"new\", the name of a segment, "
    NGX_SHOP_CONDITION_ALLOWED, ngx_shop_condition_later
};


/* a champion has at least five orders, the last one within 90 days */

static ngx_shop_segment_preset_t  ngx_shop_segment_presets[] = {
    { "new", { "new", NULL } },
    { "active", { "recency<=90d", NULL } },
    { "at-risk", { "recency>90d", "recency<=180d", NULL } },
    { "lapsed", { "recency>180d", NULL } },
    { "champion", { "recency<=90d", "orders>=5", NULL } },
    { NULL, { NULL } }
};


char *
ngx_shop_program_segment(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t                  *value;
    ngx_uint_t                  n;
    ngx_shop_segment_t         *segment;
    ngx_shop_segment_preset_t  *preset;

    value = words->elts;

    if (words->nelts < 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "segment NAME CONDITION ...;");
    }

    if (ngx_shop_program_name(cf, "segment", &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    segment = ngx_shop_segment_find(program, &value[1], &n);

    if (segment == NULL
        && ngx_shop_segment_add(cf, program, &value[1], &segment, &n)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!segment->told) {
        segment->told = 1;
        program->segments_len += segment->name.len + 1;
    }

    if (words->nelts > 2) {

        if (segment->preset) {
            segment->preset = 0;
            segment->lines = NULL;
        }

        return ngx_shop_program_conditions(cf, program, 0, words, 2,
                                           &segment->lines);
    }

    if (segment->preset) {
        return NGX_CONF_OK;
    }

    if (segment->lines != NULL) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "segment NAME CONDITION ...;");
    }

    preset = ngx_shop_segment_preset_find(&value[1]);

    if (preset == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "segment \"%V\" has no condition, only \"new\", "
                           "\"active\", \"at-risk\", \"lapsed\" and "
                           "\"champion\" need none", &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_shop_segment_preset(cf, program, preset, segment);
}


char *
ngx_shop_program_conditions(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_uint_t audience, ngx_array_t *words, ngx_uint_t first,
    ngx_array_t **lines)
{
    ngx_str_t             *value;
    ngx_uint_t             i;
    const char            *where;
    ngx_array_t           *conditions, **line;
    ngx_shop_condition_t  *condition;

    value = words->elts;
    where = audience ? "audience" : "segment";

    conditions = ngx_array_create(cf->pool, words->nelts - first,
                                  sizeof(ngx_shop_condition_t));
    if (conditions == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = first; i < words->nelts; i++) {

        condition = ngx_array_push(conditions);
        if (condition == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(condition, sizeof(ngx_shop_condition_t));

        if (ngx_shop_condition_parse(cf, program, where, audience, &value[i],
                                     condition)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (*lines == NULL) {
        *lines = ngx_array_create(cf->pool, 1, sizeof(ngx_array_t *));
        if (*lines == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    line = ngx_array_push(*lines);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    *line = conditions;

    return NGX_CONF_OK;
}


static char *
ngx_shop_condition_parse(ngx_conf_t *cf, ngx_shop_program_t *program,
    const char *where, ngx_uint_t audience, ngx_str_t *word,
    ngx_shop_condition_t *condition)
{
    u_char                      *p, *last;
    ngx_str_t                    name, value;
    ngx_shop_condition_field_t  *field;

    p = word->data;
    last = p + word->len;

    while (p < last && *p != '=' && *p != '!' && *p != '<' && *p != '>') {
        p++;
    }

    name.data = word->data;
    name.len = p - word->data;

    for (field = ngx_shop_condition_fields; field->name; field++) {
        if (ngx_shop_text_is(&name, field->name)
            && (audience || field->field != NGX_SHOP_FIELD_SEGMENT))
        {
            break;
        }
    }

    if (field->name == NULL) {
        return ngx_shop_condition_bare(cf, program, where, audience, word,
                                       condition);
    }

    p = ngx_shop_condition_op(p, last, &condition->op);

    if (p == NULL || (!field->order && condition->op > NGX_SHOP_OP_NE)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid condition \"%V\" in \"%s\", \"%s\" is "
                           "followed, without blanks, by %s and %s",
                           word, where, field->name,
                           field->order ? NGX_SHOP_CONDITION_OPERATORS
                                        : "= or !=",
                           field->value);
        return NGX_CONF_ERROR;
    }

    value.data = p;
    value.len = last - p;

    condition->field = field->field;

    ngx_shop_condition_asks(program, field->field);

    return ngx_shop_condition_value(cf, program, where, field, word, &value,
                                    condition);
}


static void
ngx_shop_condition_asks(ngx_shop_program_t *program, ngx_shop_field_e field)
{
    switch (field) {

    case NGX_SHOP_FIELD_VISIT_RECENCY:
    case NGX_SHOP_FIELD_FREQUENCY:
    case NGX_SHOP_FIELD_STREAK:
        program->asks_visits = 1;
        break;

    case NGX_SHOP_FIELD_PROVIDERS:
    case NGX_SHOP_FIELD_LOCALE:
        program->asks_profile = 1;
        break;

    default:
        break;
    }
}


/* "new", or a segment in an audience: one that the program has goes first */

static char *
ngx_shop_condition_bare(ngx_conf_t *cf, ngx_shop_program_t *program,
    const char *where, ngx_uint_t audience, ngx_str_t *word,
    ngx_shop_condition_t *condition)
{
    ngx_int_t     rc;
    ngx_str_t     name;
    ngx_uint_t    n;
    const char  **later;

    condition->op = NGX_SHOP_OP_EQ;
    n = 0;

    if (audience && ngx_shop_name_valid(word)) {

        for (later = ngx_shop_condition_later; *later; later++) {
            if (ngx_shop_text_is(word, *later)) {
                break;
            }
        }

        rc = (*later == NULL) ? ngx_shop_segment_use(cf, program, word, &n)
                              : NGX_DECLINED;

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_OK) {
            condition->field = NGX_SHOP_FIELD_SEGMENT;
            condition->number = n;
            return NGX_CONF_OK;
        }
    }

    if (ngx_shop_text_is(word, "new")) {
        condition->field = NGX_SHOP_FIELD_NEW;
        condition->number = 1;
        return NGX_CONF_OK;
    }

    name = *word;
    name.len = ngx_min(name.len, sizeof("new") - 1);

    if (ngx_shop_text_is(&name, "new")
        && word->len > name.len
        && ngx_strlchr((u_char *) "=!<>", (u_char *) "=!<>" + 4,
                       word->data[name.len])
           != NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid condition \"%V\" in \"%s\", \"new\" "
                           "takes no value", word, where);
        return NGX_CONF_ERROR;
    }

    return ngx_shop_program_unknown(cf, audience ? &ngx_shop_audience_words
                                                 : &ngx_shop_condition_words,
                                    word);
}


/* behind it stands the value; NULL: there is none */

static u_char *
ngx_shop_condition_op(u_char *p, u_char *last, ngx_shop_op_e *op)
{
    ngx_uint_t  equal;

    if (p == last) {
        return NULL;
    }

    equal = (last - p > 1 && p[1] == '=');

    switch (*p) {

    case '=':
        *op = NGX_SHOP_OP_EQ;
        return p + 1;

    case '!':
        *op = NGX_SHOP_OP_NE;
        return equal ? p + 2 : NULL;

    case '<':
        *op = equal ? NGX_SHOP_OP_LE : NGX_SHOP_OP_LT;
        return p + 1 + equal;

    default: /* '>' */
        *op = equal ? NGX_SHOP_OP_GE : NGX_SHOP_OP_GT;
        return p + 1 + equal;
    }
}


static char *
ngx_shop_condition_value(ngx_conf_t *cf, ngx_shop_program_t *program,
    const char *where, ngx_shop_condition_field_t *field, ngx_str_t *word,
    ngx_str_t *value, ngx_shop_condition_t *condition)
{
    ngx_int_t   rc;
    ngx_uint_t  n;

    switch (field->field) {

    case NGX_SHOP_FIELD_TIER:

        n = ngx_shop_tier_find(program, value);

        if (n == NGX_SHOP_LOYALTY_NO_TIER) {
            return ngx_shop_program_unknown_tier(cf, program, where, value);
        }

        condition->number = n;

        return NGX_CONF_OK;

    case NGX_SHOP_FIELD_SEGMENT:

        rc = ngx_shop_segment_use(cf, program, value, &n);

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DECLINED) {
            return ngx_shop_segment_unknown(cf, value);
        }

        condition->number = n;

        return NGX_CONF_OK;

    case NGX_SHOP_FIELD_PROVIDER:
    case NGX_SHOP_FIELD_PROVIDERS:
    case NGX_SHOP_FIELD_LOCALE:

        if (ngx_shop_name_valid(value)) {
            condition->text = *value;
            return NGX_CONF_OK;
        }

        break;

    default:

        if (ngx_shop_condition_number(program, field->field, value,
                                      &condition->number)
            == NGX_OK)
        {
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in the condition \"%V\" of "
                       "\"%s\", it must be %s",
                       value, word, where, field->value);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_shop_condition_number(ngx_shop_program_t *program,
    ngx_shop_field_e field, ngx_str_t *value, int64_t *number)
{
    ngx_shop_duration_t  duration;

    switch (field) {

    case NGX_SHOP_FIELD_SPEND:

        if (program->currency.len == 0) {
            return NGX_ERROR;
        }

        return ngx_shop_money_parse(&program->currency, value, number);

    case NGX_SHOP_FIELD_RECENCY:
    case NGX_SHOP_FIELD_VISIT_RECENCY:

        if (ngx_shop_duration_parse(value, &duration) != NGX_OK
            || duration.months)
        {
            return NGX_ERROR;
        }

        *number = duration.seconds;

        return NGX_OK;

    case NGX_SHOP_FIELD_FREQUENCY:

        return ngx_shop_fixed_parse(value, 3, number);

    case NGX_SHOP_FIELD_MEMBER_SINCE:

        *number = ngx_shop_parse_time(value);

        return *number > 0 ? NGX_OK : NGX_ERROR;

    default: /* NGX_SHOP_FIELD_POINTS, _ORDERS, _STREAK */

        *number = ngx_shop_program_points(value);

        return *number == -1 ? NGX_ERROR : NGX_OK;
    }
}


static ngx_shop_segment_t *
ngx_shop_segment_find(ngx_shop_program_t *program, ngx_str_t *name,
    ngx_uint_t *n)
{
    ngx_uint_t           i;
    ngx_shop_segment_t  *segment;

    segment = program->segments.elts;

    for (i = 0; i < program->segments.nelts; i++) {

        if (segment[i].name.len == name->len
            && ngx_memcmp(segment[i].name.data, name->data, name->len) == 0)
        {
            *n = i;
            return &segment[i];
        }
    }

    return NULL;
}


static char *
ngx_shop_segment_add(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_str_t *name, ngx_shop_segment_t **segment, ngx_uint_t *n)
{
    if (program->segments.nelts == NGX_SHOP_SEGMENTS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many segments with \"%V\", at most %d are "
                           "allowed", name, NGX_SHOP_SEGMENTS_MAX);
        return NGX_CONF_ERROR;
    }

    *segment = ngx_array_push(&program->segments);
    if (*segment == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(*segment, sizeof(ngx_shop_segment_t));

    (*segment)->name = *name;
    *n = program->segments.nelts - 1;

    return NGX_CONF_OK;
}


/* the number of one that an audience names: NGX_OK; NGX_DECLINED: there is no
 * such segment; NGX_ERROR: reported */

static ngx_int_t
ngx_shop_segment_use(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_str_t *name, ngx_uint_t *n)
{
    ngx_shop_segment_t         *segment;
    ngx_shop_segment_preset_t  *preset;

    if (ngx_shop_segment_find(program, name, n) != NULL) {
        return NGX_OK;
    }

    preset = ngx_shop_segment_preset_find(name);

    if (preset == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_shop_segment_add(cf, program, name, &segment, n) != NGX_CONF_OK
        || ngx_shop_segment_preset(cf, program, preset, segment)
           != NGX_CONF_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_shop_segment_preset_t *
ngx_shop_segment_preset_find(ngx_str_t *name)
{
    ngx_shop_segment_preset_t  *preset;

    for (preset = ngx_shop_segment_presets; preset->name; preset++) {
        if (ngx_shop_text_is(name, preset->name)) {
            return preset;
        }
    }

    return NULL;
}


static char *
ngx_shop_segment_preset(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_segment_preset_t *preset, ngx_shop_segment_t *segment)
{
    ngx_str_t     *word;
    ngx_array_t    words;
    const char   **text;

    if (ngx_array_init(&words, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (text = preset->words; *text; text++) {

        word = ngx_array_push(&words);
        if (word == NULL) {
            return NGX_CONF_ERROR;
        }

        word->data = (u_char *) *text;
        word->len = ngx_strlen(*text);
    }

    segment->preset = 1;

    return ngx_shop_program_conditions(cf, program, 0, &words, 0,
                                       &segment->lines);
}


static char *
ngx_shop_segment_unknown(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown segment \"%V\" in \"audience\", it must be "
                       "one of a line \"segment\" above, or \"new\", "
                       "\"active\", \"at-risk\", \"lapsed\" or \"champion\"",
                       name);

    return NGX_CONF_ERROR;
}
