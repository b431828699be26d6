
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * How a block becomes a program.
 *
 *     loyalty_program {
 *         currency EUR;                    ngx_shop_program_line()
 *         tier gold points=1000;
 *         earn order 1 per=1.00;
 *         segment vip tier=gold;
 *
 *         promotion VIP-10 {               ngx_shop_program_promotion()
 *             audience vip;                ngx_shop_promotion_line()
 *         }
 *     }                                    ngx_shop_program_finish()
 *
 * A line is taken as it comes, and may name only what stands above it: so an
 * amount of money has its currency, a condition its tier, and each is a number
 * from then on.  Lines have files of their own: ngx_shop_program_tier.c,
 * _earn.c, _condition.c (segments and audiences), _promotion.c, _hours.c and
 * _redeem.c; _words.c says what is wrong with them.
 *
 * When all is read, promotions are put into the order in which they are given,
 * by priority, then by code; those with a holdout or a budget are numbered.
 *
 * Promotions and segments may also come from Redis, while nginx runs:
 * ngx_shop_program_json.c makes the same lines of JSON, and a second program
 * that has all else from the first.  It has a pool of its own, and goes when
 * nobody uses it any more; a program without a pool is of the configuration.
 */


static char *ngx_shop_program_currency(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_array_t *words);
static int ngx_libc_cdecl ngx_shop_promotion_compare(const void *one,
    const void *two);


static const char  *ngx_shop_program_later[] = {
    "referral", NULL
};

static ngx_shop_program_words_t  ngx_shop_program_lines = {
    "line", "loyalty_program", NGX_SHOP_PROGRAM_LINES, ngx_shop_program_later
};


ngx_int_t
ngx_shop_program_init(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_match_compile_pt compile)
{
    ngx_memzero(program, sizeof(ngx_shop_program_t));

    program->compile = compile;

    if (ngx_array_init(&program->tiers, pool, 4, sizeof(ngx_shop_tier_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_array_init(&program->earn, pool, 2, sizeof(ngx_shop_earn_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_array_init(&program->segments, pool, 4,
                       sizeof(ngx_shop_segment_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_array_init(&program->groups, pool, 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_array_init(&program->promotions, pool, 4,
                          sizeof(ngx_shop_promotion_t));
}


char *
ngx_shop_program_line(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t  *value;

    value = words->elts;

    if (ngx_shop_text_is(&value[0], "currency")) {
        return ngx_shop_program_currency(cf, program, words);
    }

    if (ngx_shop_text_is(&value[0], "tier")) {
        return ngx_shop_program_tier(cf, program, words);
    }

    if (ngx_shop_text_is(&value[0], "earn")) {
        return ngx_shop_program_earn(cf, program, words);
    }

    if (ngx_shop_text_is(&value[0], "segment")) {
        return ngx_shop_program_segment(cf, program, words);
    }

    return ngx_shop_program_unknown(cf, &ngx_shop_program_lines, &value[0]);
}


static char *
ngx_shop_program_currency(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = words->elts;

    if (words->nelts != 2) {
        return ngx_shop_program_usage(cf, &value[0], "currency CODE;");
    }

    if (program->currency.len) {
        return ngx_shop_program_duplicate(cf, &value[0]);
    }

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < 'A' || value[1].data[i] > 'Z') {
            break;
        }
    }

    if (i != 3 || value[1].len != 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid currency \"%V\", it must be a code of "
                           "ISO 4217: three capital letters, e.g. \"EUR\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    program->currency = value[1];

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_shop_program_timed(ngx_shop_program_t *program)
{
    ngx_uint_t        i;
    ngx_shop_earn_t  *rule;

    /* any of them may be granted, until a time */

    if (program->tiers.nelts) {
        return 1;
    }

    rule = program->earn.elts;

    for (i = 0; i < program->earn.nelts; i++) {
        if (rule[i].pending || rule[i].expires) {
            return 1;
        }
    }

    return 0;
}


void
ngx_shop_program_finish(ngx_shop_program_t *program)
{
    ngx_uint_t             i;
    ngx_shop_promotion_t  *promotion;

    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {
        if (promotion[i].priority == NGX_CONF_UNSET_UINT) {
            promotion[i].priority = 100;
        }

        if (promotion[i].stop == NGX_CONF_UNSET) {
            promotion[i].stop = 0;
        }
    }

    ngx_qsort(promotion, program->promotions.nelts,
              sizeof(ngx_shop_promotion_t), ngx_shop_promotion_compare);

    program->nmeasured = 0;
    program->nbudgets = 0;

    ngx_crc32_init(program->measures);

    for (i = 0; i < program->promotions.nelts; i++) {
        if (promotion[i].holdout) {
            promotion[i].measured = (uint64_t) 1 << program->nmeasured;

            ngx_crc32_update(&program->measures, promotion[i].code.data,
                             promotion[i].code.len);
            ngx_crc32_update(&program->measures,
                             (u_char *) &promotion[i].holdout,
                             sizeof(ngx_uint_t));

            program->measured[program->nmeasured++] = i;
        }

        if (promotion[i].budget) {
            promotion[i].nbudget = program->nbudgets++;
        }
    }
}


void
ngx_shop_program_hold(ngx_shop_program_t *program)
{
    if (program->pool) {
        program->nusers++;
    }
}


void
ngx_shop_program_release(ngx_shop_program_t *program)
{
    if (program->pool && --program->nusers == 0) {
        ngx_destroy_pool(program->pool);
    }
}


static int ngx_libc_cdecl
ngx_shop_promotion_compare(const void *one, const void *two)
{
    const ngx_shop_promotion_t  *first, *second;

    first = one;
    second = two;

    if (first->priority != second->priority) {
        return first->priority < second->priority ? -1 : 1;
    }

    return (int) ngx_memn2cmp(first->code.data, second->code.data,
                              first->code.len, second->code.len);
}
