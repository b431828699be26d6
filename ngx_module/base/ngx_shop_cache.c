
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_zone.h"


/*
 * Copies of what a remote store holds, and when they may be believed.
 *
 * The store tells of every change through a channel that one worker holds
 * for all; see ngx_shop_redis_track.c.  An entry is valid
 *
 *     while the channel is proven alive: if the entry was read under the
 *     present epoch, that is, since the channel last began
 *
 *     else: if it was read less than "ttl" ago
 *
 * and in both cases only up to its own deadline, since a store tells of a
 * key that expires when it gets round to it.  What is not valid any more may
 * still be of use to somebody who cannot ask: it is stale.  That is no way
 * back for who signed out: a session of which a change was told is forgotten
 * at once, a view is kept.
 *
 * A reply that overtakes the message about a change may hold the value from
 * before, and no second message follows.  So each key has a counter, shared
 * with others by its hash, that goes up with every message, whether the key
 * is in the cache or not:
 *
 *     get   not there; the entry takes the counter and the epoch down
 *     ...   the store is asked                  drop   the counter goes up
 *     set   it differs: the reply is used, not cached
 *
 * Changes that an instance makes itself are told by the code that makes
 * them, in the same way and without waiting for the channel.
 *
 * After FLUSHALL all is gone: entries of epochs below "floor" are not there
 * any more, and go to waste one by one, since looking at all of them would
 * hold the lock for long.  The same is done when the store is another one.
 *
 * Under the lock is nothing but the lookup, the copy, and the queue of the
 * zone; "stored" and "expires" of a record are milliseconds here, "version"
 * is the epoch.  Differences of times count, not times: they may wrap around
 * where ngx_msec_t is short.
 */


#define NGX_SHOP_CACHE_IS_MISSING  0x01
#define NGX_SHOP_CACHE_IS_CHANGED  0x02

#define NGX_SHOP_CACHE_KEPT        (24 * 3600 * 1000)   /* milliseconds */


#define ngx_shop_cache_sh(zone)                                               \
    (&((ngx_shop_zone_sh_t *) (zone)->shm_zone->data)->cache)

#define ngx_shop_cache_elapsed(since)                                         \
    ((ngx_msec_int_t) (ngx_current_msec - (ngx_msec_t) (since)))


static ngx_shop_cache_state_e ngx_shop_cache_state(ngx_shop_cache_sh_t *cache,
    ngx_shop_zone_record_t *record, ngx_uint_t alive, ngx_msec_t ttl);
static ngx_uint_t ngx_shop_cache_alive(ngx_shop_cache_sh_t *cache);


void
ngx_shop_cache_source(ngx_shop_zone_t *zone, ngx_str_t *text)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    zone->source = ngx_crc32_long(text->data, text->len) | 1;

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {
        cache->source = zone->source;
        cache->floor = ++cache->epoch;
        cache->holder = 0;
        cache->armed = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_int_t
ngx_shop_cache_get(ngx_shop_zone_t *zone, ngx_pool_t *pool,
    ngx_shop_cache_entry_t *entry, ngx_uint_t n, ngx_msec_t ttl,
    ngx_shop_cache_state_e want)
{
    ngx_int_t                rc;
    ngx_uint_t               i, alive;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_cache_sh_t     *cache;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;
    cache = &sh->cache;

    for (i = 0; i < n; i++) {
        entry[i].hash = ngx_murmur_hash2(entry[i].key.data, entry[i].key.len);
        entry[i].state = NGX_SHOP_CACHE_ABSENT;
        entry[i].epoch = 0;
        entry[i].missing = 0;
        entry[i].marked = 0;
        entry[i].seen = 0;
        entry[i].asked = ngx_current_msec;
        ngx_str_null(&entry[i].value);
    }

    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {

        /* a newer configuration has another store in here */

        ngx_shmtx_unlock(&shpool->mutex);

        return NGX_DECLINED;
    }

    alive = ngx_shop_cache_alive(cache);

    for (i = 0; i < n; i++) {
        entry[i].epoch = cache->epoch;
        entry[i].generation =
                           cache->generations[entry[i].hash & cache->mask];
    }

    for (i = 0; i < n; i++) {

        record = ngx_shop_zone_lookup(sh, &entry[i].key, entry[i].hash,
                                      entry[i].kind, &cursor);

        if (record == NULL) {
            rc = NGX_DECLINED;
            continue;
        }

        entry[i].marked = record->marked;
        entry[i].seen = record->seen;
        record->seen = (uint32_t) ngx_time();

        entry[i].state = ngx_shop_cache_state(cache, record, alive, ttl);

        if (entry[i].state < want || entry[i].state == NGX_SHOP_CACHE_ABSENT)
        {
            rc = NGX_DECLINED;
            continue;
        }

        ngx_shop_zone_touch(sh, record);

        if (record->flags & NGX_SHOP_CACHE_IS_MISSING) {

            if (entry[i].state == NGX_SHOP_CACHE_VALID) {
                entry[i].missing = 1;
                cache->negative++;
                break;
            }

            entry[i].state = NGX_SHOP_CACHE_ABSENT;
            rc = NGX_DECLINED;
            continue;
        }

        entry[i].value.data = ngx_pnalloc(pool, record->value_len);
        if (entry[i].value.data == NULL) {
            rc = NGX_ERROR;
            break;
        }

        entry[i].value.len = record->value_len;

        ngx_shop_zone_cursor_read(&cursor, &entry[i].value);
    }

    if (want == NGX_SHOP_CACHE_STALE) {
        cache->stale += (rc == NGX_OK);

    } else if (rc == NGX_OK) {
        cache->hits++;

    } else {
        cache->misses++;
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


static ngx_shop_cache_state_e
ngx_shop_cache_state(ngx_shop_cache_sh_t *cache,
    ngx_shop_zone_record_t *record, ngx_uint_t alive, ngx_msec_t ttl)
{
    ngx_uint_t  over, trusted;

    if (record->version < cache->floor) {
        return NGX_SHOP_CACHE_ABSENT;
    }

    over = (ngx_shop_cache_elapsed(record->expires) >= 0);

    /* the end of a session is its end, that of a view a reason to ask */

    if (over && record->kind == NGX_SHOP_CACHE_SESSION) {
        return NGX_SHOP_CACHE_ABSENT;
    }

    trusted = alive ? record->version == cache->epoch
                    : ngx_shop_cache_elapsed(record->stored)
                      < (ngx_msec_int_t) ttl;

    if (over || !trusted || (record->flags & NGX_SHOP_CACHE_IS_CHANGED)) {
        return NGX_SHOP_CACHE_STALE;
    }

    return NGX_SHOP_CACHE_VALID;
}


void
ngx_shop_cache_set(ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry,
    ngx_uint_t n)
{
    uint32_t                 marked;
    ngx_uint_t               i;
    ngx_msec_t               kept;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_cache_sh_t     *cache;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;
    cache = &sh->cache;

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {
        ngx_shmtx_unlock(&shpool->mutex);
        return;
    }

    for (i = 0; i < n; i++) {

        if (entry[i].epoch != cache->epoch
            || entry[i].generation
               != cache->generations[entry[i].hash & cache->mask])
        {
            continue;
        }

        record = ngx_shop_zone_lookup(sh, &entry[i].key, entry[i].hash,
                                      entry[i].kind, &cursor);
        marked = (uint32_t) entry[i].marked;

        if (record) {
            marked = ngx_max(marked, record->marked);
            ngx_shop_zone_delete(sh, record);
        }

        record = ngx_shop_zone_create(sh, &entry[i].key, entry[i].hash,
                                      entry[i].kind, &entry[i].value,
                                      ngx_time());
        if (record == NULL) {
            continue;
        }

        kept = NGX_SHOP_CACHE_KEPT;

        if (entry[i].ttl && entry[i].ttl < kept) {
            kept = entry[i].ttl;
        }

        if (entry[i].missing) {
            kept = ngx_min(kept, NGX_SHOP_CACHE_MISSING);
            record->flags = NGX_SHOP_CACHE_IS_MISSING;
        }

        record->stored = (time_t) entry[i].asked;
        record->expires = (time_t) (ngx_current_msec + kept);
        record->version = cache->epoch;
        record->marked = marked;
        record->seen = (uint32_t) ngx_time();
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_uint_t
ngx_shop_cache_same(ngx_shop_cache_entry_t *entry,
    ngx_shop_cache_entry_t *now, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (entry[i].epoch == 0 || entry[i].epoch != now[i].epoch
            || entry[i].generation != now[i].generation)
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_shop_cache_mark(ngx_shop_zone_t *zone, ngx_uint_t kind, ngx_str_t *key,
    time_t now, time_t interval)
{
    time_t                   since;
    uint32_t                 hash;
    ngx_int_t                rc;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    hash = ngx_murmur_hash2(key->data, key->len);
    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    record = ngx_shop_zone_lookup(sh, key, hash, kind, &cursor);

    if (record) {
        since = now - (time_t) record->marked;

        if (since >= 0 && since < interval) {
            rc = NGX_DECLINED;

        } else {
            record->marked = (uint32_t) now;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


void
ngx_shop_cache_drop(ngx_shop_zone_t *zone, ngx_uint_t kind, ngx_str_t *key)
{
    uint32_t                 hash;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_cache_sh_t     *cache;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;
    cache = &sh->cache;

    hash = ngx_murmur_hash2(key->data, key->len);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {
        goto done;
    }

    cache->generations[hash & cache->mask]++;
    cache->invalidations++;

    record = ngx_shop_zone_lookup(sh, key, hash, kind, &cursor);

    if (record == NULL) {
        goto done;
    }

    if (kind == NGX_SHOP_CACHE_SESSION) {
        ngx_shop_zone_delete(sh, record);

    } else {
        record->flags |= NGX_SHOP_CACHE_IS_CHANGED;
    }

done:

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_shop_cache_flush(ngx_shop_zone_t *zone)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source == zone->source) {
        cache->floor = ++cache->epoch;
        cache->invalidations++;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


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
        cache->armed = 0;
    }

    cache->renewed = ngx_current_msec;
    rc = NGX_OK;

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
        cache->armed = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


/* whoever lost the lease meanwhile has no say in the three that follow */

void
ngx_shop_cache_armed(ngx_shop_zone_t *zone)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->holder == ngx_pid) {
        cache->epoch++;
        cache->arms++;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_shop_cache_proven(ngx_shop_zone_t *zone, ngx_msec_t when)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->holder == ngx_pid) {
        cache->proven = when;
        cache->armed = 1;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_shop_cache_lost(ngx_shop_zone_t *zone)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    cache = ngx_shop_cache_sh(zone);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->holder == ngx_pid) {
        cache->armed = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_shop_cache_stats(ngx_shop_zone_t *zone, ngx_shop_cache_stats_t *stats)
{
    ngx_slab_pool_t      *shpool;
    ngx_shop_zone_sh_t   *sh;
    ngx_shop_cache_sh_t  *cache;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;
    cache = &sh->cache;

    ngx_shmtx_lock(&shpool->mutex);

    stats->hits = cache->hits;
    stats->misses = cache->misses;
    stats->stale = cache->stale;
    stats->negative = cache->negative;
    stats->evictions = cache->evictions;
    stats->invalidations = cache->invalidations;
    stats->size = sh->nblocks;
    stats->used = sh->nblocks - sh->nfree;
    stats->epoch = cache->epoch;
    stats->alive = ngx_shop_cache_alive(cache);
    stats->arms = cache->arms;
    stats->lag = cache->proven ? ngx_shop_cache_elapsed(cache->proven) : -1;

    ngx_shmtx_unlock(&shpool->mutex);
}


static ngx_uint_t
ngx_shop_cache_alive(ngx_shop_cache_sh_t *cache)
{
    return cache->armed
           && ngx_shop_cache_elapsed(cache->proven) < NGX_SHOP_CACHE_PROVEN;
}
