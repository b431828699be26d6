
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"
#include "ngx_shop_unit.h"


#define UNTOUCHED  (-7)


static void ngx_shop_unit_money_amounts(ngx_shop_unit_t *u);
static void ngx_shop_unit_money_currencies(ngx_shop_unit_t *u);
static void ngx_shop_unit_money_no_text(ngx_shop_unit_t *u);
static void ngx_shop_unit_money_fixed(ngx_shop_unit_t *u);


ngx_shop_unit_test_t  ngx_shop_unit_money_tests[] = {
    { "amounts", ngx_shop_unit_money_amounts },
    { "decimals of currencies", ngx_shop_unit_money_currencies },
    { "a text without memory", ngx_shop_unit_money_no_text },
    { "numbers that are no money", ngx_shop_unit_money_fixed },
    { NULL, NULL }
};


static void
ngx_shop_unit_money_amounts(ngx_shop_unit_t *u)
{
    int64_t     minor;
    ngx_uint_t  i;

    static struct {
        ngx_str_t  currency;
        ngx_str_t  text;
        ngx_int_t  rc;
        int64_t    minor;
    } cases[] = {

        { ngx_string("EUR"), ngx_string("49.99"), NGX_OK, 4999 },
        { ngx_string("EUR"), ngx_string("49.9"), NGX_OK, 4990 },
        { ngx_string("EUR"), ngx_string("49"), NGX_OK, 4900 },
        { ngx_string("EUR"), ngx_string("0.07"), NGX_OK, 7 },
        { ngx_string("EUR"), ngx_string("0"), NGX_OK, 0 },
        { ngx_string("EUR"), ngx_string("00.00"), NGX_OK, 0 },
        { ngx_string("EUR"), ngx_string("0000000000000000049.99"), NGX_OK,
          4999 },
        { ngx_string("JPY"), ngx_string("1200"), NGX_OK, 1200 },
        { ngx_string("KWD"), ngx_string("1.234"), NGX_OK, 1234 },
        { ngx_string("KWD"), ngx_string("1.2"), NGX_OK, 1200 },
        { ngx_string("CLF"), ngx_string("1.2345"), NGX_OK, 12345 },

        /* 2^53 - 1, and what is above */

        { ngx_string("EUR"), ngx_string("90071992547409.91"), NGX_OK,
          9007199254740991 },
        { ngx_string("JPY"), ngx_string("9007199254740991"), NGX_OK,
          9007199254740991 },
        { ngx_string("EUR"), ngx_string("90071992547409.9"), NGX_OK,
          9007199254740990 },
        { ngx_string("EUR"), ngx_string("90071992547409.92"), NGX_DECLINED,
          UNTOUCHED },
        { ngx_string("JPY"), ngx_string("9007199254740992"), NGX_DECLINED,
          UNTOUCHED },
        { ngx_string("EUR"), ngx_string("90071992547410"), NGX_DECLINED,
          UNTOUCHED },
        { ngx_string("KWD"), ngx_string("9007199254740991"), NGX_DECLINED,
          UNTOUCHED },
        { ngx_string("EUR"), ngx_string("18446744073709551616"),
          NGX_DECLINED, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("99999999999999999999999999999999"),
          NGX_DECLINED, UNTOUCHED },

        /* a fraction of the smallest unit */

        { ngx_string("EUR"), ngx_string("49.999"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("49.990"), NGX_ERROR, UNTOUCHED },
        { ngx_string("JPY"), ngx_string("1.0"), NGX_ERROR, UNTOUCHED },
        { ngx_string("KWD"), ngx_string("1.2345"), NGX_ERROR, UNTOUCHED },

        /* what is no amount */

        { ngx_string("EUR"), ngx_string("-1"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("+1"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("1e3"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("0x10"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string(".5"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("5."), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("."), NGX_ERROR, UNTOUCHED },
        { ngx_string("JPY"), ngx_string("5."), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("1.2.3"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("1,50"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("1 000"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string(" 1"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("1\0"), NGX_ERROR, UNTOUCHED },
        { ngx_string("EUR"), ngx_string("99999999999999999999x"), NGX_ERROR,
          UNTOUCHED },
        { ngx_string("EUR"), ngx_string("NaN"), NGX_ERROR, UNTOUCHED }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        minor = UNTOUCHED;

        ngx_shop_unit_is_int(u, ngx_shop_money_parse(&cases[i].currency,
                                                     &cases[i].text, &minor),
                             cases[i].rc, "\"%V\" of %V", &cases[i].text,
                             &cases[i].currency);
        ngx_shop_unit_is_int(u, minor, cases[i].minor, "... in minor units");
    }
}


static void
ngx_shop_unit_money_currencies(ngx_shop_unit_t *u)
{
    ngx_uint_t  i;

    static struct {
        ngx_str_t   currency;
        ngx_uint_t  decimals;
    } cases[] = {
        { ngx_string("EUR"), 2 },
        { ngx_string("USD"), 2 },
        { ngx_string("JPY"), 0 },
        { ngx_string("KRW"), 0 },
        { ngx_string("VND"), 0 },
        { ngx_string("XPF"), 0 },
        { ngx_string("BHD"), 3 },
        { ngx_string("TND"), 3 },
        { ngx_string("UYW"), 4 },
        { ngx_string("JPYX"), 2 },
        { ngx_string("JP"), 2 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ngx_shop_unit_is_int(u, ngx_shop_money_decimals(&cases[i].currency),
                             cases[i].decimals, "%V", &cases[i].currency);
    }
}


static void
ngx_shop_unit_money_no_text(ngx_shop_unit_t *u)
{
    int64_t    minor;
    ngx_str_t  none;

    ngx_str_null(&none);

    ngx_shop_unit_is_int(u, ngx_shop_money_parse(&none, &none, &minor),
                         NGX_ERROR, "it is no amount");
}


static void
ngx_shop_unit_money_fixed(ngx_shop_unit_t *u)
{
    int64_t  value;

    value = UNTOUCHED;

    ngx_shop_unit_is_int(u, ngx_shop_fixed_parse(ngx_shop_unit_str("1.5"), 3,
                                                 &value),
                         NGX_OK, "a number with at most three decimals");
    ngx_shop_unit_is_int(u, value, 1500, "... in thousandths");

    ngx_shop_unit_is_int(u, ngx_shop_fixed_parse(ngx_shop_unit_str("1.2345"),
                                                 3, &value),
                         NGX_ERROR, "one with four");
}
