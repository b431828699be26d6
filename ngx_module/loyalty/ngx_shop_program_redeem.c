
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * Lines of a promotion about who may redeem it, and how often; and what it
 * says.
 */


#define NGX_SHOP_PER_MEMBER_MAX  1000000
#define NGX_SHOP_PER_MEMBER_DAYS 366
#define NGX_SHOP_PAYLOAD_MAX     1024       /* bytes */

#define NGX_SHOP_ONCE_CODE_MAX   (NGX_SHOP_NAME_MAX - NGX_SHOP_ONCE_LEN - 1)


static char *ngx_shop_promotion_limited(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion);


static const char  *ngx_shop_program_periods[] = {
    "day", "week", "month", "year", NULL
};


char *
ngx_shop_promotion_budget(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "budget N;");
    }

    if (promotion->budget) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    promotion->budget = ngx_shop_program_points(&value[1]);

    if (promotion->budget <= 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid budget \"%V\" of promotion \"%V\", it "
                           "must be an integer from 1 to %L",
                           &value[1], &promotion->code,
                           NGX_SHOP_LOYALTY_POINTS_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_shop_promotion_per_member(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words)
{
    ngx_int_t             n;
    ngx_str_t            *value;
    ngx_shop_duration_t   duration;

    value = words->elts;

    if (words->nelts < 2 || words->nelts > 3) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "per_member N [PERIOD];");
    }

    if (promotion->per_member) {
        return ngx_shop_promotion_limited(cf, promotion);
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > NGX_SHOP_PER_MEMBER_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"per_member %V\" of promotion \"%V\", "
                           "it must be an integer from 1 to %d",
                           &value[1], &promotion->code,
                           NGX_SHOP_PER_MEMBER_MAX);
        return NGX_CONF_ERROR;
    }

    promotion->per_member = n;
    promotion->ever = (words->nelts == 2);

    if (promotion->ever
        || ngx_shop_program_period(&value[2], &promotion->period) == NGX_OK)
    {
        return NGX_CONF_OK;
    }

    if (ngx_shop_duration_parse(&value[2], &duration) == NGX_OK
        && duration.days && duration.months == 0
        && duration.seconds <= NGX_SHOP_PER_MEMBER_DAYS * 86400)
    {
        promotion->days = duration.seconds / 86400;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid period \"%V\" in \"per_member\" of promotion "
                       "\"%V\", it must be \"day\", \"week\", \"month\", "
                       "\"year\", or days or weeks up to \"%dd\"",
                       &value[2], &promotion->code, NGX_SHOP_PER_MEMBER_DAYS);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_shop_program_period(ngx_str_t *name, ngx_shop_period_e *period)
{
    ngx_uint_t  i;

    for (i = 0; ngx_shop_program_periods[i]; i++) {

        if (ngx_shop_text_is(name, ngx_shop_program_periods[i])) {
            *period = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


char *
ngx_shop_promotion_once(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts > 2) {
        return ngx_shop_program_usage(cf, &value[0], "once [on | off];");
    }

    if (words->nelts == 2) {

        if (ngx_shop_text_is(&value[1], "off")) {
            return NGX_CONF_OK;
        }

        if (!ngx_shop_text_is(&value[1], "on")) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"once\" of promotion "
                               "\"%V\", it must be \"on\" or \"off\"",
                               &value[1], &promotion->code);
            return NGX_CONF_ERROR;
        }
    }

    if (promotion->per_member) {
        return ngx_shop_promotion_limited(cf, promotion);
    }

    /* a customer's own is a code, too */

    if (promotion->code.len > NGX_SHOP_ONCE_CODE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "promotion \"%V\" has \"once\", so its code must "
                           "have at most %d characters",
                           &promotion->code, NGX_SHOP_ONCE_CODE_MAX);
        return NGX_CONF_ERROR;
    }

    promotion->once = 1;
    promotion->per_member = 1;
    promotion->ever = 1;

    program->once = 1;
    program->codes_len += 1 + NGX_SHOP_ONCE_LEN;

    return NGX_CONF_OK;
}


static char *
ngx_shop_promotion_limited(ngx_conf_t *cf, ngx_shop_promotion_t *promotion)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "promotion \"%V\" has \"once\" or \"per_member\" "
                       "already: only one of them is allowed, once",
                       &promotion->code);

    return NGX_CONF_ERROR;
}


/* it becomes a text of JSON */

char *
ngx_shop_promotion_payload(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words)
{
    u_char     *p, *last;
    uint32_t    n;
    ngx_str_t  *value;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "payload TEXT;");
    }

    if (promotion->payload.len) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    p = value[1].data;
    last = p + value[1].len;

    while (p < last) {

        if (*p < 0x80) {

            if (*p < ' ' || *p == 0x7f) {
                break;
            }

            p++;
            continue;
        }

        n = ngx_utf8_decode(&p, last - p);

        /* halves of a pair are for UTF-16 only */

        if (n > 0x10ffff || (n >= 0xd800 && n < 0xe000)) {
            last = NULL;
            break;
        }
    }

    if (p != last || value[1].len == 0
        || value[1].len > NGX_SHOP_PAYLOAD_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid payload of promotion \"%V\", it must be "
                           "1 to %d bytes of UTF-8 without control "
                           "characters", &promotion->code,
                           NGX_SHOP_PAYLOAD_MAX);
        return NGX_CONF_ERROR;
    }

    promotion->payload = value[1];

    return NGX_CONF_OK;
}
