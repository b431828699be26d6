
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * What promotions with a holdout are worth.  The scripts count in each
 * partition, in fields CODE:ARM:WHAT; here they are read, and added.
 */


static const char  *ngx_shop_shown_arms[NGX_SHOP_SHOWN_ARMS] = {
    "given", "held"
};

static const char  *ngx_shop_shown_counts[NGX_SHOP_SHOWN_COUNTS] = {
    "exposures", "customers", "conversions"
};


ngx_int_t
ngx_shop_shown_init(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_array_t *shown)
{
    ngx_uint_t             i;
    ngx_shop_shown_t      *one;
    ngx_shop_promotion_t  *promotion;

    if (ngx_array_init(shown, pool, ngx_max(program->nmeasured, 1),
                       sizeof(ngx_shop_shown_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    promotion = program->promotions.elts;

    for (i = 0; i < program->nmeasured; i++) {

        one = ngx_array_push(shown);
        if (one == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(one, sizeof(ngx_shop_shown_t));

        /* the program may be another one when all is read */

        one->code.len = promotion[program->measured[i]].code.len;
        one->code.data = ngx_pstrdup(pool,
                                     &promotion[program->measured[i]].code);
        if (one->code.data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_shown_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_uint_t partition, ngx_array_t *shown)
{
    ngx_str_t         *argv, *arg;
    ngx_uint_t         i, arm, n;
    ngx_shop_shown_t  *one;

    argv = ngx_palloc(op->pool, (2 + shown->nelts * NGX_SHOP_SHOWN_ARMS
                                     * NGX_SHOP_SHOWN_COUNTS)
                                * sizeof(ngx_str_t));
    if (argv == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "HMGET");

    if (ngx_shop_redis_partition_key(redis, op->pool, "shown", partition,
                                     &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    one = shown->elts;
    arg = &argv[2];

    for (i = 0; i < shown->nelts; i++) {
        for (arm = 0; arm < NGX_SHOP_SHOWN_ARMS; arm++) {
            for (n = 0; n < NGX_SHOP_SHOWN_COUNTS; n++, arg++) {

                arg->data = ngx_pnalloc(op->pool,
                                        one[i].code.len
                                        + sizeof(":given:conversions"));
                if (arg->data == NULL) {
                    return NGX_ERROR;
                }

                arg->len = ngx_sprintf(arg->data, "%V:%s:%s", &one[i].code,
                                       ngx_shop_shown_arms[arm],
                                       ngx_shop_shown_counts[n])
                           - arg->data;
            }
        }
    }

    return ngx_shop_redis_add(op, arg - argv, argv);
}


ngx_int_t
ngx_shop_shown_add(ngx_shop_redis_reply_t *reply, ngx_array_t *shown)
{
    int64_t            number;
    uint64_t          *count;
    ngx_int_t          rc;
    ngx_uint_t         i, n;
    ngx_shop_shown_t  *one;

    n = NGX_SHOP_SHOWN_ARMS * NGX_SHOP_SHOWN_COUNTS;

    if (reply->type != NGX_SHOP_REDIS_ARRAY
        || reply->nelts != shown->nelts * n)
    {
        return NGX_ERROR;
    }

    one = shown->elts;

    for (i = 0; i < reply->nelts; i++) {

        rc = ngx_shop_redis_number(reply, i, &number);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK || number < 0
            || number > NGX_SHOP_LOYALTY_POINTS_MAX)
        {
            return NGX_ERROR;
        }

        count = &one[i / n].counts[i % n / NGX_SHOP_SHOWN_COUNTS]
                                  [i % NGX_SHOP_SHOWN_COUNTS];
        *count += (uint64_t) number;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_shown_lift(ngx_shop_shown_t *shown, double *lift)
{
    double     with, without;
    uint64_t  *given, *held;

    given = shown->counts[NGX_SHOP_SHOWN_GIVEN];
    held = shown->counts[NGX_SHOP_SHOWN_HELD];

    if (given[NGX_SHOP_SHOWN_CUSTOMERS] == 0
        || held[NGX_SHOP_SHOWN_CUSTOMERS] == 0
        || held[NGX_SHOP_SHOWN_CONVERSIONS] == 0)
    {
        return NGX_DECLINED;
    }

    with = (double) given[NGX_SHOP_SHOWN_CONVERSIONS]
           / (double) given[NGX_SHOP_SHOWN_CUSTOMERS];
    without = (double) held[NGX_SHOP_SHOWN_CONVERSIONS]
              / (double) held[NGX_SHOP_SHOWN_CUSTOMERS];

    *lift = with / without - 1;

    return NGX_OK;
}
