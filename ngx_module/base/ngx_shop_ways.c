
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * A small hash table that forgets: each hash may be in one of four slots, and
 * where all of them are taken one has to go.  With one slot for each hash, of
 * a thousand customers in four thousand slots a fifth would drive each other
 * out again and again; with four it is one in fifty.  The slots themselves are
 * the caller's; here is only which of them has what.
 *
 *     hash 0x5a0317c2 --> tags  [ ... | 9b3c17c2 5a0317c2 00000000 ... | ... ]
 *                                       one of mask + 1 sets of four
 *
 * The tags of a set are together, in one line of the processor's cache.
 */


#define NGX_SHOP_WAYS  4


struct ngx_shop_ways_s {
    ngx_uint_t                 mask;        /* sets less one */
    ngx_uint_t                 turn;        /* who goes next */
    uint32_t                  *tags;        /* 0: nothing is there */
};


static uint32_t ngx_shop_ways_tag(uint32_t hash);


ngx_shop_ways_t *
ngx_shop_ways_create(ngx_pool_t *pool, ngx_uint_t n)
{
    ngx_shop_ways_t  *ways;

    ways = ngx_palloc(pool, sizeof(ngx_shop_ways_t));
    if (ways == NULL) {
        return NULL;
    }

    ways->mask = n / NGX_SHOP_WAYS - 1;
    ways->turn = 0;

    ways->tags = ngx_pmemalign(pool, n * sizeof(uint32_t),
                               NGX_SHOP_WAYS * sizeof(uint32_t));
    if (ways->tags == NULL) {
        return NULL;
    }

    ngx_memzero(ways->tags, n * sizeof(uint32_t));

    return ways;
}


ngx_int_t
ngx_shop_ways_find(ngx_shop_ways_t *ways, uint32_t hash, ngx_uint_t *slot)
{
    uint32_t    tag;
    ngx_uint_t  i, first;

    tag = ngx_shop_ways_tag(hash);
    first = (hash & ways->mask) * NGX_SHOP_WAYS;

    for (i = first; i < first + NGX_SHOP_WAYS; i++) {
        if (ways->tags[i] == tag) {
            *slot = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_shop_ways_take(ngx_shop_ways_t *ways, uint32_t hash)
{
    ngx_uint_t  i, slot, first;

    if (ngx_shop_ways_find(ways, hash, &slot) == NGX_OK) {
        return slot;
    }

    first = (hash & ways->mask) * NGX_SHOP_WAYS;
    slot = first + ways->turn++ % NGX_SHOP_WAYS;

    for (i = first; i < first + NGX_SHOP_WAYS; i++) {
        if (ways->tags[i] == 0) {
            slot = i;
            break;
        }
    }

    ways->tags[slot] = ngx_shop_ways_tag(hash);

    return slot;
}


static uint32_t
ngx_shop_ways_tag(uint32_t hash)
{
    return hash ? hash : 1;
}
