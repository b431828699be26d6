
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


static char *ngx_shop_promotion_audience(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_promotion_t *promotion,
    ngx_array_t *words);
static char *ngx_shop_promotion_time(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words, time_t *field);
static char *ngx_shop_promotion_match(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_promotion_t *promotion,
    ngx_array_t *words);
static char *ngx_shop_promotion_holdout(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_promotion_t *promotion,
    ngx_array_t *words);
static char *ngx_shop_promotion_convert(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_str_t *word);
static char *ngx_shop_promotion_group(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_promotion_t *promotion,
    ngx_array_t *words);
static char *ngx_shop_promotion_stop(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);
static char *ngx_shop_promotion_ends(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion);
static char *ngx_shop_promotion_priority(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);


#define NGX_SHOP_CONVERT      (7 * 86400)
#define NGX_SHOP_CONVERT_MIN  86400     /* exposures are known by the day */


/* shorter names of variables, for "match" */

static struct {
    ngx_str_t  word;
    ngx_str_t  variable;
} ngx_shop_promotion_variables[] = {
    { ngx_string("path"), ngx_string("uri") },
    { ngx_string("referrer"), ngx_string("http_referer") },
    { ngx_string("utm"), ngx_string("arg_utm_campaign") },
    { ngx_null_string, ngx_null_string }
};

static ngx_shop_program_words_t  ngx_shop_promotion_lines = {
    "line", "promotion", NGX_SHOP_PROMOTION_LINES, NULL
};


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

    ngx_memzero(p, sizeof(ngx_shop_promotion_t));

    p->code = *code;
    p->priority = NGX_CONF_UNSET_UINT;
    p->stop = NGX_CONF_UNSET;

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

    if (ngx_shop_text_is(&value[0], "audience")) {
        return ngx_shop_promotion_audience(cf, program, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "from")) {
        return ngx_shop_promotion_time(cf, promotion, words,
                                       &promotion->from);
    }

    if (ngx_shop_text_is(&value[0], "until")) {
        return ngx_shop_promotion_time(cf, promotion, words,
                                       &promotion->until);
    }

    if (ngx_shop_text_is(&value[0], "hours")) {
        return ngx_shop_promotion_hours(cf, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "match")) {
        return ngx_shop_promotion_match(cf, program, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "holdout")) {
        return ngx_shop_promotion_holdout(cf, program, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "group")) {
        return ngx_shop_promotion_group(cf, program, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "stop")) {
        return ngx_shop_promotion_stop(cf, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "priority")) {
        return ngx_shop_promotion_priority(cf, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "budget")) {
        return ngx_shop_promotion_budget(cf, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "per_member")) {
        return ngx_shop_promotion_per_member(cf, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "once")) {
        return ngx_shop_promotion_once(cf, program, promotion, words);
    }

    if (ngx_shop_text_is(&value[0], "payload")) {
        return ngx_shop_promotion_payload(cf, promotion, words);
    }

    return ngx_shop_program_unknown(cf, &ngx_shop_promotion_lines,
                                    &value[0]);
}


static char *
ngx_shop_promotion_audience(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts < 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "audience CONDITION ...;");
    }

    return ngx_shop_program_conditions(cf, program, 1, words, 1,
                                       &promotion->audience);
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
ngx_shop_promotion_match(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_str_t         *value, *name, *one;
    ngx_uint_t         i;
    ngx_shop_match_t  *match;

    value = words->elts;
    name = &value[1];

    if (words->nelts < 3) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "match VARIABLE VALUE ...;");
    }

    if (promotion->matches == NULL) {
        promotion->matches = ngx_array_create(cf->pool, 1,
                                              sizeof(ngx_shop_match_t));
        if (promotion->matches == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    match = ngx_array_push(promotion->matches);
    if (match == NULL) {
        return NGX_CONF_ERROR;
    }

    match->compiled = NULL;
    match->variable = *name;

    if (name->len && name->data[0] == '$') {
        match->variable.data++;
        match->variable.len--;

    } else {
        for (i = 0; ngx_shop_promotion_variables[i].word.len; i++) {

            one = &ngx_shop_promotion_variables[i].word;

            if (one->len == name->len
                && ngx_strncmp(one->data, name->data, name->len) == 0)
            {
                match->variable = ngx_shop_promotion_variables[i].variable;
            }
        }
    }

    if (match->variable.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid variable \"%V\" in \"match\" of "
                           "promotion \"%V\", it must be \"path\", "
                           "\"referrer\", \"utm\" or the name of a variable "
                           "of nginx", name, &promotion->code);
        return NGX_CONF_ERROR;
    }

    match->values = ngx_array_create(cf->pool, words->nelts - 2,
                                     sizeof(ngx_str_t));
    if (match->values == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < words->nelts; i++) {

        one = ngx_array_push(match->values);
        if (one == NULL) {
            return NGX_CONF_ERROR;
        }

        *one = value[i];
    }

    return program->compile(cf, match);
}


/* "12.5%" in hundredths */

static char *
ngx_shop_promotion_holdout(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts != 2 && words->nelts != 3) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "holdout N% [convert=TIME];");
    }

    if (promotion->holdout) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    n = NGX_ERROR;

    if (value[1].len > 1 && value[1].data[value[1].len - 1] == '%') {
        n = ngx_atofp(value[1].data, value[1].len - 1, 2);
    }

    if (n < 1 || n >= NGX_SHOP_HOLDOUT_ALL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid holdout \"%V\" of promotion \"%V\", it "
                           "must be from 0.01%% to 99.99%%, e.g. \"10%%\"",
                           &value[1], &promotion->code);
        return NGX_CONF_ERROR;
    }

    if (program->nmeasured++ == NGX_SHOP_MEASURED_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many promotions with \"holdout\", with "
                           "\"%V\", at most %d are allowed",
                           &promotion->code, NGX_SHOP_MEASURED_MAX);
        return NGX_CONF_ERROR;
    }

    promotion->holdout = n;
    promotion->convert = NGX_SHOP_CONVERT;

    return words->nelts == 2
           ? NGX_CONF_OK
           : ngx_shop_promotion_convert(cf, promotion, &value[2]);
}


static char *
ngx_shop_promotion_convert(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_str_t *word)
{
    ngx_str_t            value;
    ngx_shop_duration_t  duration;

    if (ngx_shop_program_parameter(word, "convert", &value) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%V\" of \"holdout\", "
                           "allowed: \"convert\"", word);
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_duration_parse(&value, &duration) != NGX_OK
        || duration.months || duration.seconds < NGX_SHOP_CONVERT_MIN
        || duration.seconds > NGX_SHOP_EVENT_LATE)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"convert\" of promotion "
                           "\"%V\", it must be a number and one of s, m, h, "
                           "d and w, from 1d to 400d, e.g. \"7d\"",
                           &value, &promotion->code);
        return NGX_CONF_ERROR;
    }

    promotion->convert = duration.seconds;

    return NGX_CONF_OK;
}


static char *
ngx_shop_promotion_group(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_str_t   *value, *group;
    ngx_uint_t   i;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "group NAME;");
    }

    if (promotion->group) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    if (ngx_shop_program_name(cf, "group", &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    group = program->groups.elts;

    for (i = 0; i < program->groups.nelts; i++) {

        if (group[i].len == value[1].len
            && ngx_strncmp(group[i].data, value[1].data, group[i].len) == 0)
        {
            break;
        }
    }

    if (i == NGX_SHOP_GROUPS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many groups with \"%V\", at most %d are "
                           "allowed", &value[1], NGX_SHOP_GROUPS_MAX);
        return NGX_CONF_ERROR;
    }

    if (i == program->groups.nelts) {

        group = ngx_array_push(&program->groups);
        if (group == NULL) {
            return NGX_CONF_ERROR;
        }

        *group = value[1];
    }

    promotion->group = (uint64_t) 1 << i;

    return ngx_shop_promotion_ends(cf, promotion);
}


static char *
ngx_shop_promotion_stop(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "stop on | off;");
    }

    if (promotion->stop != NGX_CONF_UNSET) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    if (ngx_shop_text_is(&value[1], "on")) {
        promotion->stop = 1;

    } else if (ngx_shop_text_is(&value[1], "off")) {
        promotion->stop = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"stop\" of promotion "
                           "\"%V\", it must be \"on\" or \"off\"",
                           &value[1], &promotion->code);
        return NGX_CONF_ERROR;
    }

    return ngx_shop_promotion_ends(cf, promotion);
}


/* what ends the whole list leaves nothing for the rest of a group */

static char *
ngx_shop_promotion_ends(ngx_conf_t *cf, ngx_shop_promotion_t *promotion)
{
    if (promotion->group && promotion->stop == 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "promotion \"%V\" has both \"group\" and \"stop "
                           "on\", which ends the list for its group, too: "
                           "only one of them is allowed", &promotion->code);
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
