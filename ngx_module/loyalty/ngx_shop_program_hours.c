
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * "hours mon-fri,sun 22:00-02:00;" is written as people do, and kept as
 * stretches of a week: one for each day, two for one that goes on into the
 * week that follows.
 */


#define NGX_SHOP_HOURS_DAY   (24 * 60)
#define NGX_SHOP_HOURS_WEEK  (7 * NGX_SHOP_HOURS_DAY)


static ngx_int_t ngx_shop_hours_days(ngx_str_t *text, ngx_uint_t *days);
static ngx_int_t ngx_shop_hours_day(u_char **pos, u_char *last);
static ngx_int_t ngx_shop_hours_times(ngx_str_t *text, ngx_int_t *from,
    ngx_int_t *until);
static ngx_int_t ngx_shop_hours_time(u_char *p);
static char *ngx_shop_hours_add(ngx_array_t *hours, ngx_uint_t from,
    ngx_uint_t until);


/* in the order of ngx_shop_hours_t */

static const char  *ngx_shop_hours_names[] = {
    "thu", "fri", "sat", "sun", "mon", "tue", "wed"
};


char *
ngx_shop_promotion_hours(ngx_conf_t *cf, ngx_shop_promotion_t *promotion,
    ngx_array_t *words)
{
    ngx_int_t    from, until;
    ngx_str_t   *value;
    ngx_uint_t   i, days, start;

    value = words->elts;
    days = 0x7f;

    if (words->nelts != 2 && words->nelts != 3) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "hours [DAYS] HH:MM-HH:MM;");
    }

    if (words->nelts == 3
        && ngx_shop_hours_days(&value[1], &days) != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid days \"%V\" in \"hours\" of promotion "
                           "\"%V\", they must be days or ranges of days "
                           "joined by \",\", e.g. \"mon-fri,sun\"",
                           &value[1], &promotion->code);
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_hours_times(&value[words->nelts - 1], &from, &until)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid times \"%V\" in \"hours\" of promotion "
                           "\"%V\", they must be two different ones from "
                           "00:00 to 24:00 in UTC, e.g. \"09:00-18:00\"",
                           &value[words->nelts - 1], &promotion->code);
        return NGX_CONF_ERROR;
    }

    if (until < from) {
        until += NGX_SHOP_HOURS_DAY;
    }

    if (promotion->hours == NULL) {
        promotion->hours = ngx_array_create(cf->pool, 7,
                                            sizeof(ngx_shop_hours_t));
        if (promotion->hours == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 0; i < 7; i++) {

        if (!(days & (1 << i))) {
            continue;
        }

        start = i * NGX_SHOP_HOURS_DAY;

        if (ngx_shop_hours_add(promotion->hours, start + from,
                               ngx_min(start + until, NGX_SHOP_HOURS_WEEK))
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (start + until > NGX_SHOP_HOURS_WEEK
            && ngx_shop_hours_add(promotion->hours, 0,
                                  start + until - NGX_SHOP_HOURS_WEEK)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* "mon-fri,sun": the range goes on over the end of a week */

static ngx_int_t
ngx_shop_hours_days(ngx_str_t *text, ngx_uint_t *days)
{
    u_char     *p, *last;
    ngx_int_t   day, end;

    p = text->data;
    last = p + text->len;

    *days = 0;

    for ( ;; ) {

        day = ngx_shop_hours_day(&p, last);
        end = day;

        if (p < last && *p == '-') {
            p++;
            end = ngx_shop_hours_day(&p, last);
        }

        if (day == NGX_ERROR || end == NGX_ERROR) {
            return NGX_ERROR;
        }

        *days |= 1 << end;

        for ( /* void */ ; day != end; day = (day + 1) % 7) {
            *days |= 1 << day;
        }

        if (p == last) {
            return NGX_OK;
        }

        if (*p++ != ',') {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_shop_hours_day(u_char **pos, u_char *last)
{
    ngx_int_t  i;

    if (last - *pos < 3) {
        return NGX_ERROR;
    }

    for (i = 0; i < 7; i++) {
        if (ngx_strncmp(*pos, ngx_shop_hours_names[i], 3) == 0) {
            *pos += 3;
            return i;
        }
    }

    return NGX_ERROR;
}


/* "09:00-18:00" */

static ngx_int_t
ngx_shop_hours_times(ngx_str_t *text, ngx_int_t *from, ngx_int_t *until)
{
    if (text->len != sizeof("09:00-18:00") - 1 || text->data[5] != '-') {
        return NGX_ERROR;
    }

    *from = ngx_shop_hours_time(text->data);
    *until = ngx_shop_hours_time(text->data + 6);

    if (*from == NGX_ERROR || *until == NGX_ERROR || *from == *until
        || *from == NGX_SHOP_HOURS_DAY)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_hours_time(u_char *p)
{
    ngx_int_t  hours, minutes;

    hours = ngx_atoi(p, 2);
    minutes = ngx_atoi(p + 3, 2);

    if (hours == NGX_ERROR || p[2] != ':' || minutes == NGX_ERROR
        || minutes > 59 || hours * 60 + minutes > NGX_SHOP_HOURS_DAY)
    {
        return NGX_ERROR;
    }

    return hours * 60 + minutes;
}


static char *
ngx_shop_hours_add(ngx_array_t *hours, ngx_uint_t from, ngx_uint_t until)
{
    ngx_shop_hours_t  *stretch;

    stretch = ngx_array_push(hours);
    if (stretch == NULL) {
        return NGX_CONF_ERROR;
    }

    stretch->from = from;
    stretch->until = until;

    return NGX_CONF_OK;
}
