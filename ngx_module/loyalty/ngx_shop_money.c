
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


#define NGX_SHOP_MONEY_DECIMALS  2


/* ISO 4217, those whose smallest unit is not a hundredth */

static struct {
    const char  *code;
    ngx_uint_t   decimals;
} ngx_shop_money_currencies[] = {
    { "BIF", 0 }, { "CLP", 0 }, { "DJF", 0 }, { "GNF", 0 }, { "ISK", 0 },
    { "JPY", 0 }, { "KMF", 0 }, { "KRW", 0 }, { "PYG", 0 }, { "RWF", 0 },
    { "UGX", 0 }, { "UYI", 0 }, { "VND", 0 }, { "VUV", 0 }, { "XAF", 0 },
    { "XOF", 0 }, { "XPF", 0 },

    { "BHD", 3 }, { "IQD", 3 }, { "JOD", 3 }, { "KWD", 3 }, { "LYD", 3 },
    { "OMR", 3 }, { "TND", 3 },

    { "CLF", 4 }, { "UYW", 4 },

    { NULL, 0 }
};


ngx_uint_t
ngx_shop_money_decimals(ngx_str_t *currency)
{
    ngx_uint_t  i;

    for (i = 0; ngx_shop_money_currencies[i].code; i++) {

        if (currency->len == 3
            && ngx_memcmp(currency->data, ngx_shop_money_currencies[i].code,
                          3)
               == 0)
        {
            return ngx_shop_money_currencies[i].decimals;
        }
    }

    return NGX_SHOP_MONEY_DECIMALS;
}


ngx_int_t
ngx_shop_money_parse(ngx_str_t *currency, ngx_str_t *text, int64_t *minor)
{
    return ngx_shop_fixed_parse(text, ngx_shop_money_decimals(currency),
                                minor);
}


ngx_int_t
ngx_shop_fixed_parse(ngx_str_t *text, ngx_uint_t decimals, int64_t *value)
{
    u_char      ch;
    size_t      i;
    int64_t     n;
    ngx_uint_t  whole, part, point, large;

    n = 0;
    whole = 0;
    part = 0;
    point = 0;
    large = 0;

    for (i = 0; i < text->len; i++) {

        ch = text->data[i];

        if (ch == '.' && !point) {
            point = 1;
            continue;
        }

        if (ch < '0' || ch > '9') {
            return NGX_ERROR;
        }

        if (point) {
            part++;

        } else {
            whole++;
        }

        if (n > (NGX_SHOP_LOYALTY_POINTS_MAX - (ch - '0')) / 10) {
            large = 1;

        } else {
            n = n * 10 + (ch - '0');
        }
    }

    if (whole == 0 || part > decimals || (point && part == 0)) {
        return NGX_ERROR;
    }

    for ( /* void */ ; part < decimals; part++) {

        if (n > NGX_SHOP_LOYALTY_POINTS_MAX / 10) {
            large = 1;

        } else {
            n *= 10;
        }
    }

    if (large) {
        return NGX_DECLINED;
    }

    *value = n;

    return NGX_OK;
}
