
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


#define NGX_SHOP_DURATION_DAY     86400

/* 100 years */

#define NGX_SHOP_DURATION_MAX     ((time_t) 36525 * NGX_SHOP_DURATION_DAY)
#define NGX_SHOP_DURATION_MONTHS  1200


static time_t ngx_shop_duration_months(time_t time, ngx_uint_t months);
static time_t ngx_shop_duration_month(ngx_int_t year, ngx_int_t month);


static struct {
    u_char      unit;
    ngx_uint_t  months;
    time_t      seconds;
} ngx_shop_duration_units[] = {
    { 's',  0, 1 },
    { 'm',  0, 60 },
    { 'h',  0, 3600 },
    { 'd',  0, NGX_SHOP_DURATION_DAY },
    { 'w',  0, 7 * NGX_SHOP_DURATION_DAY },
    { 'M',  1, 0 },
    { 'y', 12, 0 },
    { '\0', 0, 0 }
};


ngx_int_t
ngx_shop_duration_parse(ngx_str_t *text, ngx_shop_duration_t *duration)
{
    u_char      unit;
    ngx_int_t   n;
    ngx_uint_t  i;

    if (text->len < 2) {
        return NGX_ERROR;
    }

    unit = text->data[text->len - 1];

    for (i = 0; ngx_shop_duration_units[i].unit; i++) {
        if (ngx_shop_duration_units[i].unit == unit) {
            break;
        }
    }

    if (ngx_shop_duration_units[i].unit == '\0') {
        return NGX_ERROR;
    }

    n = ngx_atoi(text->data, text->len - 1);

    if (n == NGX_ERROR || n == 0 || n > NGX_SHOP_DURATION_MAX) {
        return NGX_ERROR;
    }

    duration->months = n * ngx_shop_duration_units[i].months;
    duration->seconds = n * ngx_shop_duration_units[i].seconds;
    duration->days = (duration->months
                      || ngx_shop_duration_units[i].seconds
                         >= NGX_SHOP_DURATION_DAY);

    if (duration->months > NGX_SHOP_DURATION_MONTHS
        || duration->seconds > NGX_SHOP_DURATION_MAX)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


time_t
ngx_shop_duration_end(ngx_shop_duration_t *duration, time_t time)
{
    time_t  end;

    end = duration->months ? ngx_shop_duration_months(time, duration->months)
                           : time + duration->seconds;

    if (!duration->days) {
        return end;
    }

    return (end / NGX_SHOP_DURATION_DAY + 1) * NGX_SHOP_DURATION_DAY;
}


/* the 31st of January and a month is the last day of February */

static time_t
ngx_shop_duration_months(time_t time, ngx_uint_t months)
{
    time_t     start, day, last;
    ngx_tm_t   tm;
    ngx_int_t  year, month;

    ngx_gmtime(time, &tm);

    month = tm.ngx_tm_mon - 1 + (ngx_int_t) months;
    year = tm.ngx_tm_year + month / 12;
    month = month % 12 + 1;

    start = ngx_shop_duration_month(year, month);
    last = ngx_shop_duration_month(year + month / 12, month % 12 + 1) - start;
    day = ngx_min(tm.ngx_tm_mday, last);

    return (start + day - 1) * NGX_SHOP_DURATION_DAY
           + time % NGX_SHOP_DURATION_DAY;
}


/* the first day of a month, in days since 1970: Gauss' formula */

static time_t
ngx_shop_duration_month(ngx_int_t year, ngx_int_t month)
{
    /* years begin in March, so that the leap day is the last one */

    month -= 2;

    if (month <= 0) {
        month += 12;
        year -= 1;
    }

    return 365 * year + year / 4 - year / 100 + year / 400
           + 367 * month / 12 - 30 - 719527 + 31 + 28;
}


time_t
ngx_shop_period_start(ngx_shop_period_e period, time_t time)
{
    time_t    day;
    ngx_tm_t  tm;

    day = time / NGX_SHOP_DURATION_DAY;

    ngx_gmtime(time, &tm);

    switch (period) {

    case NGX_SHOP_PERIOD_DAY:
        return day;

    case NGX_SHOP_PERIOD_WEEK:
        return day - (tm.ngx_tm_wday + 6) % 7;

    case NGX_SHOP_PERIOD_MONTH:
        return ngx_shop_duration_month(tm.ngx_tm_year, tm.ngx_tm_mon);

    default: /* NGX_SHOP_PERIOD_YEAR */
        return ngx_shop_duration_month(tm.ngx_tm_year, 1);
    }
}


/* 31 days from its first one a month is over, and the next one is not */

time_t
ngx_shop_period_next(ngx_shop_period_e period, time_t time)
{
    time_t  start;

    static time_t  days[] = { 1, 7, 31, 366 };

    start = ngx_shop_period_start(period, time) + days[period];

    return ngx_shop_period_start(period, start * NGX_SHOP_DURATION_DAY);
}
