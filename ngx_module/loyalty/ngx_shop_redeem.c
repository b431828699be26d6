
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * A customer's own code is not kept anywhere: it is what SipHash, keyed by the
 * seed of the shop, makes of promotion and customer.  So it costs as much as a
 * look at a table would, and an order that names it is checked by making it
 * again.  50 of the 64 bits are shown, in letters and digits that are not
 * taken for one another (Crockford's base 32).
 */


#define NGX_SHOP_ONCE_BITS  5               /* of a character */


static ngx_uint_t ngx_shop_promotion_is_once(ngx_shop_promotion_t *promotion,
    ngx_str_t *name);


u_char *
ngx_shop_once_code(u_char *p, u_char *seed, ngx_str_t *code,
    ngx_str_t *customer)
{
    u_char      *last;
    uint64_t     hash;
    ngx_uint_t   i;
    u_char       text[2 + NGX_SHOP_NAME_MAX + NGX_SHOP_CUSTOMER_ID_MAX];

    static u_char  characters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /* what a holdout is drawn by begins with a code, and not with a colon */

    last = text;
    *last++ = ':';
    last = ngx_cpymem(last, code->data, code->len);
    *last++ = ':';
    last = ngx_cpymem(last, customer->data, customer->len);

    hash = ngx_shop_siphash(seed, text, last - text);

    p = ngx_cpymem(p, code->data, code->len);
    *p++ = '-';

    for (i = 0; i < NGX_SHOP_ONCE_LEN; i++) {
        *p++ = characters[hash & ((1 << NGX_SHOP_ONCE_BITS) - 1)];
        hash >>= NGX_SHOP_ONCE_BITS;
    }

    return p;
}


ngx_int_t
ngx_shop_promotion_named(ngx_shop_program_t *program, u_char *seed,
    ngx_str_t *customer, ngx_str_t *name, ngx_shop_promotion_t **promotion)
{
    ngx_int_t              rc;
    ngx_str_t              own;
    ngx_uint_t             i;
    ngx_shop_promotion_t  *p;
    u_char                 text[NGX_SHOP_NAME_MAX];

    p = program->promotions.elts;
    rc = NGX_DECLINED;

    for (i = 0; i < program->promotions.nelts; i++) {

        if (!p[i].once) {

            if (ngx_shop_equal(&p[i].code, name)) {
                *promotion = &p[i];
                return NGX_OK;
            }

            continue;
        }

        /* the code alone is nobody's */

        if (ngx_shop_equal(&p[i].code, name)) {
            rc = NGX_ABORT;
            continue;
        }

        if (!ngx_shop_promotion_is_once(&p[i], name)) {
            continue;
        }

        if (seed != NULL) {
            own.data = text;
            own.len = ngx_shop_once_code(text, seed, &p[i].code, customer)
                      - text;

            if (ngx_shop_equal(&own, name)) {
                *promotion = &p[i];
                return NGX_OK;
            }
        }

        rc = NGX_ABORT;
    }

    return rc;
}


static ngx_uint_t
ngx_shop_promotion_is_once(ngx_shop_promotion_t *promotion, ngx_str_t *name)
{
    ngx_str_t  *code;

    code = &promotion->code;

    return name->len == code->len + 1 + NGX_SHOP_ONCE_LEN
           && name->data[code->len] == '-'
           && ngx_memcmp(name->data, code->data, code->len) == 0;
}


/*
 * "CODE:TIMES:UNTIL" of each promotion that was redeemed and has a limit,
 * joined by blanks: how often until then, 0 for ever.  A time that has come
 * counts nothing, so nobody has to write when it does.
 */

ngx_uint_t
ngx_shop_limit_reached(ngx_str_t *limits, ngx_shop_promotion_t *promotion,
    time_t now)
{
    time_t      times, until;
    u_char     *p, *last, *end, *colon;
    ngx_str_t  *code;

    if (limits->len == 0) {
        return 0;
    }

    code = &promotion->code;

    p = limits->data;
    last = p + limits->len;

    while (p < last) {

        end = ngx_strlchr(p, last, ' ');
        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) > code->len && p[code->len] == ':'
            && ngx_memcmp(p, code->data, code->len) == 0)
        {
            p += code->len + 1;
            colon = ngx_strlchr(p, end, ':');

            if (colon == NULL) {
                return 0;
            }

            times = ngx_atotm(p, colon - p);
            until = ngx_atotm(colon + 1, end - colon - 1);

            return times >= (time_t) promotion->per_member
                   && (promotion->ever || now < until);
        }

        p = end + 1;
    }

    return 0;
}
