
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


static char *ngx_shop_program_earn_parameter(ngx_conf_t *cf,
    ngx_shop_earn_t *rule, ngx_str_t *what, ngx_str_t *word);
static char *ngx_shop_program_duration(ngx_conf_t *cf, ngx_str_t *what,
    ngx_str_t *word, ngx_str_t *text, ngx_shop_duration_t **duration);


static const char  *ngx_shop_earn_later[] = {
    "visit", "streak", "order", "fan", "custom", NULL
};

static const char  *ngx_shop_earn_parameters_later[] = {
    "per", "limit", "min", "tier", "multiply", "days", NULL
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


char *
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
