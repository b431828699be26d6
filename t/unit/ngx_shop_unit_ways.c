
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_shop_unit.h"

#include "base/ngx_shop_base.h"


#define NGX_SHOP_UNIT_SLOTS  64


static void ngx_shop_unit_ways_found(ngx_shop_unit_t *u);
static void ngx_shop_unit_ways_full(ngx_shop_unit_t *u);


ngx_shop_unit_test_t  ngx_shop_unit_ways_tests[] = {
    { "what was taken is found", ngx_shop_unit_ways_found },
    { "in a full set one gives way", ngx_shop_unit_ways_full },
    { NULL, NULL }
};


static void
ngx_shop_unit_ways_found(ngx_shop_unit_t *u)
{
    uint32_t          hash;
    ngx_uint_t        slot, found, ntaken;
    ngx_shop_ways_t  *ways;
    u_char            taken[NGX_SHOP_UNIT_SLOTS];

    ways = ngx_shop_ways_create(u->pool, NGX_SHOP_UNIT_SLOTS);

    if (!ngx_shop_unit_ok(u, ways != NULL, "there is a table")) {
        return;
    }

    ngx_memzero(taken, NGX_SHOP_UNIT_SLOTS);
    ntaken = 0;

    for (hash = 0; hash < NGX_SHOP_UNIT_SLOTS; hash++) {

        ngx_shop_unit_is_int(u, ngx_shop_ways_find(ways, hash, &found),
                             NGX_DECLINED, "%uD is not there", hash);

        slot = ngx_shop_ways_take(ways, hash);

        if (!ngx_shop_unit_ok(u, slot < NGX_SHOP_UNIT_SLOTS, "%uD: a slot",
                              hash))
        {
            return;
        }

        ntaken += !taken[slot];
        taken[slot] = 1;

        ngx_shop_unit_is_int(u, ngx_shop_ways_find(ways, hash, &found),
                             NGX_OK, "%uD is there", hash);
        ngx_shop_unit_is_int(u, found, slot, "%uD: the same one", hash);
        ngx_shop_unit_is_int(u, ngx_shop_ways_take(ways, hash), slot,
                             "%uD: it is taken once", hash);
    }

    ngx_shop_unit_is_int(u, ntaken, NGX_SHOP_UNIT_SLOTS,
                         "each had one of its own");
}


static void
ngx_shop_unit_ways_full(ngx_shop_unit_t *u)
{
    uint32_t          hash;
    ngx_uint_t        slot, nfound;
    ngx_shop_ways_t  *ways;

    ways = ngx_shop_ways_create(u->pool, NGX_SHOP_UNIT_SLOTS);

    if (!ngx_shop_unit_ok(u, ways != NULL, "there is a table")) {
        return;
    }

    /* five of one set, and one of another */

    (void) ngx_shop_ways_take(ways, 7);

    for (hash = 0x100; hash <= 0x500; hash += 0x100) {
        (void) ngx_shop_ways_take(ways, hash);
    }

    nfound = 0;

    for (hash = 0x100; hash <= 0x500; hash += 0x100) {
        nfound += (ngx_shop_ways_find(ways, hash, &slot) == NGX_OK);
    }

    ngx_shop_unit_is_int(u, nfound, 4, "one of five is gone");
    ngx_shop_unit_is_int(u, ngx_shop_ways_find(ways, 0x500, &slot), NGX_OK,
                         "not the last one");
    ngx_shop_unit_is_int(u, ngx_shop_ways_find(ways, 7, &slot), NGX_OK,
                         "nor one of another set");
}
