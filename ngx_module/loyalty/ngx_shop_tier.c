
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * How a tier is chosen.
 *
 * A tier is booked: redis/ledger.lua knows when points were earned, how long a
 * tier is held and who was granted one, and writes to the view which one the
 * customer has.  That is done when something is booked, or is due; the program
 * may be another one since then.  So for a request ngx_shop_evaluate() takes
 * the higher one of
 *
 *     the tier of the view, if the program still has one of that name
 *
 *     the highest one that is everybody's, or that is reached by points alone,
 *     those of a whole life
 *
 * and the second is all that is found out here.  A tier that looks back, or is
 * reached by spend or orders, comes with the next booking.  Nobody is demoted
 * for a request.
 */


static ngx_uint_t ngx_shop_tier_by_points(ngx_shop_tier_t *tier,
    int64_t qualifying);


ngx_uint_t
ngx_shop_tier_find(ngx_shop_program_t *program, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier;

    tier = program->tiers.elts;

    for (i = 0; i < program->tiers.nelts; i++) {

        if (tier[i].name.len == name->len
            && ngx_memcmp(tier[i].name.data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    return NGX_SHOP_LOYALTY_NO_TIER;
}


ngx_uint_t
ngx_shop_tier_reached(ngx_shop_program_t *program, int64_t qualifying)
{
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier;

    tier = program->tiers.elts;

    for (i = program->tiers.nelts; i > 0; i--) {

        if (ngx_shop_tier_is_free(&tier[i - 1])
            || ngx_shop_tier_by_points(&tier[i - 1], qualifying))
        {
            return i - 1;
        }
    }

    return NGX_SHOP_LOYALTY_NO_TIER;
}


static ngx_uint_t
ngx_shop_tier_by_points(ngx_shop_tier_t *tier, int64_t qualifying)
{
    if (tier->window != NGX_SHOP_TIER_LIFETIME
        || (tier->all && (tier->spend != -1 || tier->orders != -1)))
    {
        return 0;
    }

    return tier->points != -1 && tier->points <= qualifying;
}
