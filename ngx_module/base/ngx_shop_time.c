
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


static ngx_int_t ngx_shop_time_date(u_char **pp, u_char *last, time_t *t);
static ngx_int_t ngx_shop_time_clock(u_char **pp, u_char *last, time_t *t);
static ngx_int_t ngx_shop_time_zone(u_char **pp, u_char *last, time_t *t);
static ngx_int_t ngx_shop_time_number(u_char **pp, u_char *last,
    u_char before, size_t n);


/* days before each month of a common year */

static ngx_int_t  ngx_shop_time_days[] = {
    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
};


time_t
ngx_shop_parse_time(ngx_str_t *text)
{
    u_char  *p, *last;
    time_t   t, clock, zone;

    p = text->data;
    last = p + text->len;

    if (ngx_shop_time_date(&p, last, &t) != NGX_OK) {
        return NGX_ERROR;
    }

    if (p == last) {
        return t;
    }

    /* a time without a zone means another one on every machine */

    if (*p++ != 'T'
        || ngx_shop_time_clock(&p, last, &clock) != NGX_OK
        || ngx_shop_time_zone(&p, last, &zone) != NGX_OK
        || p != last)
    {
        return NGX_ERROR;
    }

    t += clock - zone;

    return (t < 0) ? NGX_ERROR : t;
}


/* "2026-09-01" */

static ngx_int_t
ngx_shop_time_date(u_char **pp, u_char *last, time_t *t)
{
    ngx_int_t  year, month, day, leap;

    year = ngx_shop_time_number(pp, last, '\0', 4);
    month = ngx_shop_time_number(pp, last, '-', 2);
    day = ngx_shop_time_number(pp, last, '-', 2);

    if (year < 1970 || month < 1 || month > 12) {
        return NGX_ERROR;
    }

    leap = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));

    if (day < 1
        || day > ngx_shop_time_days[month] - ngx_shop_time_days[month - 1]
                 + (month == 2 && leap))
    {
        return NGX_ERROR;
    }

    day += ngx_shop_time_days[month - 1] - 1 + (month > 2 && leap);

    /* leap days of the years before this one; 477 came before 1970 */

    year -= 1;
    day += 365 * (year - 1969) + year / 4 - year / 100 + year / 400 - 477;

    *t = (time_t) day * 86400;

    return NGX_OK;
}


/* "10:00" or "10:00:00" */

static ngx_int_t
ngx_shop_time_clock(u_char **pp, u_char *last, time_t *t)
{
    ngx_int_t  hour, min, sec;

    hour = ngx_shop_time_number(pp, last, '\0', 2);
    min = ngx_shop_time_number(pp, last, ':', 2);
    sec = 0;

    if (*pp < last && **pp == ':') {
        sec = ngx_shop_time_number(pp, last, ':', 2);
    }

    if (hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 59) {
        return NGX_ERROR;
    }

    *t = (hour * 60 + min) * 60 + sec;

    return NGX_OK;
}


/* "Z", "+02:00" or "-02:00" */

static ngx_int_t
ngx_shop_time_zone(u_char **pp, u_char *last, time_t *t)
{
    u_char     ch;
    ngx_int_t  hour, min;

    if (*pp == last) {
        return NGX_ERROR;
    }

    ch = **pp;

    if (ch == 'Z') {
        (*pp)++;
        *t = 0;
        return NGX_OK;
    }

    if (ch != '+' && ch != '-') {
        return NGX_ERROR;
    }

    hour = ngx_shop_time_number(pp, last, ch, 2);
    min = ngx_shop_time_number(pp, last, ':', 2);

    if (hour < 0 || hour > 23 || min < 0 || min > 59) {
        return NGX_ERROR;
    }

    *t = (hour * 60 + min) * 60;

    if (ch == '-') {
        *t = -*t;
    }

    return NGX_OK;
}


/* exactly "n" digits, behind the byte "before" where that is not NUL */

static ngx_int_t
ngx_shop_time_number(u_char **pp, u_char *last, u_char before, size_t n)
{
    u_char     *p;
    ngx_int_t   number;

    p = *pp;

    if ((size_t) (last - p) < n + (before != '\0')
        || (before != '\0' && *p++ != before))
    {
        return NGX_ERROR;
    }

    number = ngx_atoi(p, n);

    if (number != NGX_ERROR) {
        *pp = p + n;
    }

    return number;
}
