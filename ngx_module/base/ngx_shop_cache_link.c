
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_zone.h"


/*
 * The half of the cache that the holder of the links sees; what they are good
 * for is told in ngx_shop_cache.c.
 *
 * One worker holds all links, as long as it says so every now and then.  A
 * new holder begins without any, since nobody knows what was missed between
 * the two.  For each link it tells
 *
 *     open    to which server it is to be
 *     armed   it has begun: the next epoch is its "since"
 *     proven  it is alive, and was so at that time; again and again
 *     lost    it is not any more, but the server is the same
 *     close   there is to be none
 *
 * and, by "assign", which of them tells of which part.
 *
 * Workers learn of a move one after the other.  So an entry is stored only
 * if it was said by the server whose link is to tell of its part, or while
 * there is none: then a link that comes is younger.  And a part of which a
 * worker says that it has moved gets a link again only by what was found out
 * later than that.
 *
 * There is room for as many parts as the store had when the zone was made,
 * which is the number for good.  Parts beyond that never have a link.
 */


static void ngx_shop_cache_unlink(ngx_shop_cache_sh_t *cache,
    ngx_uint_t link);
static void ngx_shop_cache_part_unlink(ngx_shop_cache_sh_t *cache,
    ngx_shop_cache_part_t *place);
static ngx_shop_cache_link_t *ngx_shop_cache_lock_link(ngx_shop_zone_t *zone,
    ngx_uint_t link);
static void ngx_shop_cache_unlock(ngx_shop_zone_t *zone);


ngx_int_t
ngx_shop_cache_hold(ngx_shop_zone_t *zone)
{
    ngx_int_t             rc;
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {
        goto done;
    }

    if (cache->holder != ngx_pid) {

        if (cache->holder != 0
            && ngx_shop_cache_elapsed(cache->renewed) < NGX_SHOP_CACHE_HELD)
        {
            goto done;
        }

        cache->holder = ngx_pid;
        ngx_shop_cache_unlink_all(cache);
        rc = NGX_DONE;

    } else {
        rc = NGX_OK;
    }

    cache->renewed = ngx_current_msec;

done:

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


void
ngx_shop_cache_release(ngx_shop_zone_t *zone)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->holder == ngx_pid) {
        cache->holder = 0;
        ngx_shop_cache_unlink_all(cache);
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_uint_t
ngx_shop_cache_links(ngx_shop_zone_t *zone)
{
    return ngx_shop_cache_sh(zone)->nlinks;
}


void
ngx_shop_cache_open(ngx_shop_zone_t *zone, ngx_uint_t link, uint32_t server)
{
    ngx_shop_cache_sh_t    *cache;
    ngx_shop_cache_link_t  *mine;

    cache = ngx_shop_cache_sh(zone);
    mine = ngx_shop_cache_lock_link(zone, link);

    if (mine == NULL) {
        return;
    }

    ngx_shop_cache_unlink(cache, link);
    mine->server = server;

    ngx_shop_cache_unlock(zone);
}


void
ngx_shop_cache_close(ngx_shop_zone_t *zone, ngx_uint_t link)
{
    ngx_shop_cache_sh_t  *cache;

    cache = ngx_shop_cache_sh(zone);

    if (ngx_shop_cache_lock_link(zone, link) == NULL) {
        return;
    }

    ngx_shop_cache_unlink(cache, link);

    ngx_shop_cache_unlock(zone);
}


void
ngx_shop_cache_leave(ngx_shop_zone_t *zone, ngx_uint_t link)
{
    ngx_uint_t            i;
    ngx_shop_cache_sh_t  *cache;

    cache = ngx_shop_cache_sh(zone);

    if (ngx_shop_cache_lock_link(zone, link) == NULL) {
        return;
    }

    cache->epoch++;

    for (i = 0; i < cache->nparts; i++) {
        if (cache->parts[i].link == link) {
            cache->parts[i].since = cache->epoch;
        }
    }

    ngx_shop_cache_unlink(cache, link);

    ngx_shop_cache_unlock(zone);
}


ngx_int_t
ngx_shop_cache_assign(ngx_shop_zone_t *zone, uint32_t *links, ngx_uint_t n,
    ngx_msec_t when)
{
    ngx_int_t               rc;
    ngx_uint_t              i, late;
    ngx_slab_pool_t        *shpool;
    ngx_shop_cache_sh_t    *cache;
    ngx_shop_cache_part_t  *place;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->holder != ngx_pid) {
        goto done;
    }

    late = cache->moves && (ngx_msec_int_t) (cache->moved - when) >= 0;

    for (i = 0; i < n && i < cache->nparts; i++) {

        place = &cache->parts[i];

        if (place->link == links[i]) {
            continue;
        }

        if (place->link != NGX_SHOP_CACHE_NONE) {
            place->since = ++cache->epoch;

        } else if (late) {
            rc = NGX_DECLINED;
            continue;

        } else if (cache->links[links[i]].since) {

            /* one that has not begun yet will, with an epoch of its own */

            place->since = ++cache->epoch;
        }

        place->link = links[i];
    }

done:

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


void
ngx_shop_cache_armed(ngx_shop_zone_t *zone, ngx_uint_t link)
{
    ngx_shop_cache_sh_t    *cache;
    ngx_shop_cache_link_t  *mine;

    cache = ngx_shop_cache_sh(zone);
    mine = ngx_shop_cache_lock_link(zone, link);

    if (mine == NULL) {
        return;
    }

    mine->since = ++cache->epoch;
    cache->arms++;

    ngx_shop_cache_unlock(zone);
}


void
ngx_shop_cache_proven(ngx_shop_zone_t *zone, ngx_uint_t link, ngx_msec_t when)
{
    ngx_shop_cache_sh_t    *cache;
    ngx_shop_cache_link_t  *mine;

    cache = ngx_shop_cache_sh(zone);
    mine = ngx_shop_cache_lock_link(zone, link);

    if (mine == NULL) {
        return;
    }

    mine->proven = when;
    mine->armed = 1;

    cache->proven = when;
    cache->armed = 1;

    ngx_shop_cache_unlock(zone);
}


/* parts without a link may have been on that server, too */

void
ngx_shop_cache_flush(ngx_shop_zone_t *zone, ngx_uint_t link)
{
    ngx_uint_t              i;
    ngx_shop_cache_sh_t    *cache;
    ngx_shop_cache_part_t  *place;

    cache = ngx_shop_cache_sh(zone);

    if (ngx_shop_cache_lock_link(zone, link) == NULL) {
        return;
    }

    cache->epoch++;
    cache->invalidations++;

    for (i = 0; i < cache->nparts; i++) {

        place = &cache->parts[i];

        if (place->link == link || place->link == NGX_SHOP_CACHE_NONE) {
            place->floor = cache->epoch;
        }
    }

    ngx_shop_cache_unlock(zone);
}


void
ngx_shop_cache_lost(ngx_shop_zone_t *zone, ngx_uint_t link)
{
    ngx_shop_cache_link_t  *mine;

    mine = ngx_shop_cache_lock_link(zone, link);

    if (mine == NULL) {
        return;
    }

    mine->armed = 0;

    ngx_shop_cache_unlock(zone);
}


void
ngx_shop_cache_moved(ngx_shop_zone_t *zone, ngx_uint_t part)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source == zone->source && part < cache->nparts) {
        cache->parts[part].link = NGX_SHOP_CACHE_NONE;
        cache->parts[part].since = ++cache->epoch;
        cache->moves++;
        cache->moved = ngx_current_msec;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


/* without the lock: who misses one sees it the next time */

ngx_uint_t
ngx_shop_cache_moves(ngx_shop_zone_t *zone)
{
    return *(volatile ngx_uint_t *) &ngx_shop_cache_sh(zone)->moves;
}


static void
ngx_shop_cache_unlink(ngx_shop_cache_sh_t *cache, ngx_uint_t link)
{
    ngx_uint_t  i;

    for (i = 0; i < cache->nparts; i++) {
        if (cache->parts[i].link == link) {
            ngx_shop_cache_part_unlink(cache, &cache->parts[i]);
        }
    }

    ngx_memzero(&cache->links[link], sizeof(ngx_shop_cache_link_t));
}


void
ngx_shop_cache_unlink_all(ngx_shop_cache_sh_t *cache)
{
    ngx_uint_t  i;

    for (i = 0; i < cache->nparts; i++) {
        ngx_shop_cache_part_unlink(cache, &cache->parts[i]);
    }

    ngx_memzero(cache->links, cache->nlinks * sizeof(ngx_shop_cache_link_t));
}


/* what was old because its link had begun later stays old without it */

static void
ngx_shop_cache_part_unlink(ngx_shop_cache_sh_t *cache,
    ngx_shop_cache_part_t *place)
{
    uint32_t  since;

    if (place->link == NGX_SHOP_CACHE_NONE) {
        return;
    }

    since = (uint32_t) cache->links[place->link].since;

    place->since = ngx_max(place->since, since);
    place->link = NGX_SHOP_CACHE_NONE;
}


/* NULL, without a lock: it is another worker's by now */

static ngx_shop_cache_link_t *
ngx_shop_cache_lock_link(ngx_shop_zone_t *zone, ngx_uint_t link)
{
    ngx_shop_cache_sh_t  *cache;

    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&ngx_shop_zone_pool(zone)->mutex);

    if (cache->holder == ngx_pid) {
        return &cache->links[link];
    }

    ngx_shop_cache_unlock(zone);

    return NULL;
}


static void
ngx_shop_cache_unlock(ngx_shop_zone_t *zone)
{
    ngx_shmtx_unlock(&ngx_shop_zone_pool(zone)->mutex);
}
