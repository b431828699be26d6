
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_zone.h"


/*
 * Copies of what a remote store holds, and when they may be believed.
 *
 * The store has parts, each on one of its servers, and a server tells of
 * every change through a link that one worker holds for all; see
 * ngx_shop_cache_link.c.
 *
 *     entry --> part --> link --> alive?
 *       |        |        |
 *     asked    since    since       all three are epochs of one count
 *
 * Whatever makes older copies old, a link that begins or a part that moves
 * to another server, takes the next epoch as its "since".  An entry is valid
 * if it was asked for in that epoch or later,
 *
 *     while the link of its part is proven alive: without a limit
 *
 *     while it is not, or there is none: for "ttl" after it was asked for
 *
 * and in both cases only up to its own deadline, since a store tells of a
 * key that expires when it gets round to it.  So a server that is cut off
 * takes away the trust in its own parts, and a part that moves that in
 * itself.  What is not valid any more may still be of use to somebody who
 * cannot ask: it is stale.  That is no way back for who signed out: a session
 * of which a change was told is forgotten at once, a view is kept.  One that
 * was signed out of here is remembered as ended, and nothing that a server
 * says brings it back: a master that was replaced still has it for a while,
 * and one that took over before it heard of the end has it for good.
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
 * The same becomes of a reply whose part has moved meanwhile, by the epoch.
 *
 * Changes that an instance makes itself are told by the code that makes
 * them, in the same way and without waiting for the link.
 *
 * After FLUSHALL all parts of a server are gone: entries of epochs below
 * "floor" are not there any more, and go to waste one by one, since looking
 * at all of them would hold the lock for long.  The same is done when the
 * store is another one.
 *
 * Under the lock is nothing but the lookup, the copy, and the queue of the
 * zone; "stored" and "lasts" of a record are milliseconds here, "version"
 * is the epoch.  Differences of times count, not times: they may wrap around
 * where ngx_msec_t is short.
 */


#define NGX_SHOP_CACHE_IS_MISSING  0x01
#define NGX_SHOP_CACHE_IS_CHANGED  0x02
#define NGX_SHOP_CACHE_IS_ENDED    0x04                 /* and missing */

#define NGX_SHOP_CACHE_KEPT        (24 * 3600 * 1000)   /* milliseconds */
#define NGX_SHOP_CACHE_ORIGIN      3600                 /* seconds */
#define NGX_SHOP_CACHE_ENTRIES     2                    /* of one look-up that
                                                           may be unmoved */


static void ngx_shop_cache_prepare(ngx_shop_cache_entry_t *entry,
    ngx_uint_t n);
static ngx_uint_t ngx_shop_cache_unmoved(ngx_shop_zone_sh_t *sh,
    ngx_shop_cache_entry_t *entry, ngx_uint_t n,
    ngx_shop_zone_record_t **records);
static ngx_int_t ngx_shop_cache_judge(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record, ngx_shop_cache_entry_t *entry,
    ngx_msec_t ttl, ngx_shop_cache_state_e want);
static ngx_int_t ngx_shop_cache_copy(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record, ngx_shop_zone_cursor_t *cursor,
    ngx_pool_t *pool, ngx_shop_cache_entry_t *entry);
static ngx_shop_cache_state_e ngx_shop_cache_state(ngx_shop_cache_sh_t *cache,
    ngx_shop_zone_record_t *record, ngx_uint_t part, ngx_msec_t ttl);
static ngx_uint_t ngx_shop_cache_may_keep(ngx_shop_cache_sh_t *cache,
    ngx_shop_cache_entry_t *entry);
static ngx_uint_t ngx_shop_cache_is_ended(ngx_shop_zone_record_t *record);
static ngx_shop_cache_part_t *ngx_shop_cache_part(ngx_shop_cache_sh_t *cache,
    ngx_uint_t part);
static ngx_uint_t ngx_shop_cache_alive(ngx_shop_cache_link_t *link);


u_char *
ngx_shop_cache_init(ngx_shop_cache_sh_t *cache, u_char *p,
    ngx_uint_t nbuckets, ngx_uint_t nparts)
{
    cache->nparts = ngx_max(nparts, 1);
    cache->nlinks = ngx_min(cache->nparts, NGX_SHOP_CACHE_LINKS);
    cache->mask = ngx_min(nbuckets, NGX_SHOP_CACHE_GENERATIONS) - 1;

    cache->links = (ngx_shop_cache_link_t *) p;
    cache->parts = (ngx_shop_cache_part_t *) (cache->links + cache->nlinks);
    cache->generations = (uint32_t *) (cache->parts + cache->nparts);
    cache->epoch = 1;

    return (u_char *) (cache->generations + cache->mask + 1);
}


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
        ngx_shop_cache_unlink_all(cache);
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


ngx_int_t
ngx_shop_cache_get(ngx_shop_zone_t *zone, ngx_pool_t *pool,
    ngx_shop_cache_entry_t *entry, ngx_uint_t n, ngx_msec_t ttl,
    ngx_shop_cache_state_e want)
{
    ngx_int_t                rc, found;
    ngx_uint_t               i, unmoved;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_cache_sh_t     *cache;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record, *records[NGX_SHOP_CACHE_ENTRIES];

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;
    cache = &sh->cache;

    ngx_shop_cache_prepare(entry, n);

    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {

        /* a newer configuration has another store in here */

        ngx_shmtx_unlock(&shpool->mutex);

        return NGX_DECLINED;
    }

    for (i = 0; i < n; i++) {
        entry[i].epoch = cache->epoch;
        entry[i].generation =
                           cache->generations[entry[i].hash & cache->mask];
    }

    unmoved = ngx_shop_cache_unmoved(sh, entry, n, records);

    for (i = 0; i < n; i++) {

        record = unmoved ? records[i]
                         : ngx_shop_zone_lookup(sh, &entry[i].key,
                                                entry[i].hash, entry[i].kind,
                                                &cursor);

        found = ngx_shop_cache_judge(sh, record, &entry[i], ttl, want);

        if (found == NGX_DECLINED) {
            rc = NGX_DECLINED;
            continue;
        }

        if (found == NGX_DONE) {
            cache->negative++;
            break;
        }

        entry[i].unmoved = unmoved;

        if (!unmoved
            && ngx_shop_cache_copy(sh, record, &cursor, pool, &entry[i])
               != NGX_OK)
        {
            rc = NGX_ERROR;
            break;
        }
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


static void
ngx_shop_cache_prepare(ngx_shop_cache_entry_t *entry, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {

        entry[i].hash = entry[i].origin.since
                        ? entry[i].origin.hash
                        : ngx_murmur_hash2(entry[i].key.data,
                                           entry[i].key.len);

        entry[i].unmoved = 0;
        entry[i].state = NGX_SHOP_CACHE_ABSENT;
        entry[i].epoch = 0;
        entry[i].missing = 0;
        entry[i].marked = 0;
        entry[i].seen = 0;
        entry[i].asked = ngx_current_msec;
        ngx_str_null(&entry[i].value);
    }
}


/*
 * 1: all records are where they were found at the "origin" of their entry.
 *
 * Serials come round again, after 2^32 records, which takes far longer than
 * an origin is of use.
 */

static ngx_uint_t
ngx_shop_cache_unmoved(ngx_shop_zone_sh_t *sh, ngx_shop_cache_entry_t *entry,
    ngx_uint_t n, ngx_shop_zone_record_t **records)
{
    ngx_uint_t                i;
    ngx_shop_cache_origin_t  *origin;

    if (n > NGX_SHOP_CACHE_ENTRIES) {
        return 0;
    }

    for (i = 0; i < n; i++) {

        origin = &entry[i].origin;

        if (origin->since == 0
            || ngx_time() - origin->since > NGX_SHOP_CACHE_ORIGIN)
        {
            return 0;
        }

        records[i] = ngx_shop_zone_again(sh, origin->hash, origin->number,
                                         origin->serial);

        if (records[i] == NULL) {
            return 0;
        }
    }

    return 1;
}


/*
 * NGX_OK: the record is one that was wanted; NGX_DECLINED: it is not, or
 * there is none; NGX_DONE: the store is known to have none.
 */

static ngx_int_t
ngx_shop_cache_judge(ngx_shop_zone_sh_t *sh, ngx_shop_zone_record_t *record,
    ngx_shop_cache_entry_t *entry, ngx_msec_t ttl,
    ngx_shop_cache_state_e want)
{
    if (record == NULL) {
        return NGX_DECLINED;
    }

    entry->marked = record->marked;
    entry->seen = record->seen;
    record->seen = (uint32_t) ngx_time();

    /* once a second: its neighbors in the queue are written to */

    if (entry->seen != (time_t) record->seen) {
        ngx_shop_zone_touch(sh, record);
    }

    entry->state = ngx_shop_cache_state(&sh->cache, record, entry->part, ttl);

    if (entry->state < want || entry->state == NGX_SHOP_CACHE_ABSENT) {
        return NGX_DECLINED;
    }

    if (!(record->flags & NGX_SHOP_CACHE_IS_MISSING)) {
        return NGX_OK;
    }

    if (entry->state != NGX_SHOP_CACHE_VALID) {
        entry->state = NGX_SHOP_CACHE_ABSENT;
        return NGX_DECLINED;
    }

    entry->missing = 1;

    return NGX_DONE;
}


static ngx_shop_cache_state_e
ngx_shop_cache_state(ngx_shop_cache_sh_t *cache,
    ngx_shop_zone_record_t *record, ngx_uint_t part, ngx_msec_t ttl)
{
    ngx_uint_t              over, trusted;
    ngx_shop_cache_part_t  *place;
    ngx_shop_cache_link_t  *link;

    if (ngx_shop_cache_is_ended(record)) {
        return NGX_SHOP_CACHE_VALID;
    }

    place = ngx_shop_cache_part(cache, part);

    if (record->version < cache->floor || record->version < place->floor) {
        return NGX_SHOP_CACHE_ABSENT;
    }

    over = (ngx_shop_cache_elapsed(record->stored)
            >= (ngx_msec_int_t) record->lasts);

    /* the end of a session is its end, that of a view a reason to ask */

    if (over && record->kind == NGX_SHOP_CACHE_SESSION) {
        return NGX_SHOP_CACHE_ABSENT;
    }

    link = (place->link == NGX_SHOP_CACHE_NONE) ? NULL
                                                : &cache->links[place->link];

    trusted = record->version >= place->since
              && (link == NULL || record->version >= link->since)
              && ((link != NULL && ngx_shop_cache_alive(link))
                  || ngx_shop_cache_elapsed(record->stored)
                     < (ngx_msec_int_t) ttl);

    if (over || !trusted || (record->flags & NGX_SHOP_CACHE_IS_CHANGED)) {
        return NGX_SHOP_CACHE_STALE;
    }

    return NGX_SHOP_CACHE_VALID;
}


/* the value of the record, and where it is, for the next time */

static ngx_int_t
ngx_shop_cache_copy(ngx_shop_zone_sh_t *sh, ngx_shop_zone_record_t *record,
    ngx_shop_zone_cursor_t *cursor, ngx_pool_t *pool,
    ngx_shop_cache_entry_t *entry)
{
    entry->origin.since = ngx_time();
    entry->origin.hash = entry->hash;
    entry->origin.number = ngx_shop_zone_number(sh, record);
    entry->origin.serial = record->serial;

    entry->value.data = ngx_pnalloc(pool, record->value_len);
    if (entry->value.data == NULL) {
        return NGX_ERROR;
    }

    entry->value.len = record->value_len;

    ngx_shop_zone_cursor_read(cursor, &entry->value);

    return NGX_OK;
}


void
ngx_shop_cache_set(ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry,
    ngx_uint_t n)
{
    uint32_t                 marked;
    ngx_uint_t               i, keep;
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

        keep = ngx_shop_cache_may_keep(cache, &entry[i]);

        if (!keep && !entry[i].missing) {
            continue;
        }

        record = ngx_shop_zone_lookup(sh, &entry[i].key, entry[i].hash,
                                      entry[i].kind, &cursor);

        if (record && ngx_shop_cache_is_ended(record)) {
            continue;
        }

        if (!keep) {

            /* that is gone cannot be kept, but neither may what was there */

            if (record) {
                ngx_shop_zone_delete(sh, record);
            }

            continue;
        }

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
        record->lasts = (uint32_t) (ngx_shop_cache_elapsed(record->stored)
                                    + (ngx_msec_int_t) kept);
        record->version = (uint32_t) entry[i].epoch;
        record->marked = marked;
        record->seen = (uint32_t) ngx_time();
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


/* nothing was heard of it, and who said it is who tells of changes */

static ngx_uint_t
ngx_shop_cache_may_keep(ngx_shop_cache_sh_t *cache,
    ngx_shop_cache_entry_t *entry)
{
    ngx_shop_cache_part_t  *place;
    ngx_shop_cache_link_t  *link;

    place = ngx_shop_cache_part(cache, entry->part);

    if (entry->epoch < cache->floor
        || entry->epoch < place->floor
        || entry->epoch < place->since
        || entry->generation
           != cache->generations[entry->hash & cache->mask])
    {
        return 0;
    }

    if (place->link == NGX_SHOP_CACHE_NONE) {
        return 1;
    }

    link = &cache->links[place->link];

    return entry->server == link->server && entry->epoch >= link->since;
}


static ngx_uint_t
ngx_shop_cache_is_ended(ngx_shop_zone_record_t *record)
{
    return (record->flags & NGX_SHOP_CACHE_IS_ENDED)
           && ngx_shop_cache_elapsed(record->stored)
              < (ngx_msec_int_t) record->lasts;
}


static ngx_shop_cache_part_t *
ngx_shop_cache_part(ngx_shop_cache_sh_t *cache, ngx_uint_t part)
{
    static ngx_shop_cache_part_t  none = { NGX_SHOP_CACHE_NONE, 0, 0 };

    return part < cache->nparts ? &cache->parts[part] : &none;
}


ngx_uint_t
ngx_shop_cache_unheard(ngx_shop_cache_entry_t *entry,
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

    if (record == NULL || ngx_shop_cache_is_ended(record)) {
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
ngx_shop_cache_end(ngx_shop_zone_t *zone, ngx_str_t *session)
{
    uint32_t                 hash;
    ngx_str_t                none;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_cache_sh_t     *cache;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;
    cache = &sh->cache;

    hash = ngx_murmur_hash2(session->data, session->len);
    ngx_str_null(&none);

    ngx_shmtx_lock(&shpool->mutex);

    if (cache->source != zone->source) {
        goto done;
    }

    record = ngx_shop_zone_lookup(sh, session, hash, NGX_SHOP_CACHE_SESSION,
                                  &cursor);
    if (record) {
        ngx_shop_zone_delete(sh, record);
    }

    record = ngx_shop_zone_create(sh, session, hash, NGX_SHOP_CACHE_SESSION,
                                  &none, ngx_time());
    if (record == NULL) {
        goto done;
    }

    record->flags = NGX_SHOP_CACHE_IS_MISSING | NGX_SHOP_CACHE_IS_ENDED;
    record->stored = (time_t) ngx_current_msec;
    record->lasts = NGX_SHOP_CACHE_KEPT;
    record->version = (uint32_t) cache->epoch;
    record->marked = 0;
    record->seen = (uint32_t) ngx_time();

done:

    ngx_shmtx_unlock(&shpool->mutex);
}


void
ngx_shop_cache_stats(ngx_shop_zone_t *zone, ngx_shop_cache_stats_t *stats)
{
    ngx_uint_t              i;
    ngx_slab_pool_t        *shpool;
    ngx_shop_zone_sh_t     *sh;
    ngx_shop_cache_sh_t    *cache;
    ngx_shop_cache_link_t  *link;

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
    stats->arms = cache->arms;
    stats->links = 0;
    stats->alive = 0;
    stats->lag = cache->armed ? ngx_shop_cache_elapsed(cache->proven) : -1;

    for (i = 0; i < cache->nlinks; i++) {

        link = &cache->links[i];

        if (link->server == 0) {
            continue;
        }

        stats->links++;
        stats->alive += ngx_shop_cache_alive(link);

        if (link->armed) {
            stats->lag = ngx_max(stats->lag,
                                 ngx_shop_cache_elapsed(link->proven));
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


static ngx_uint_t
ngx_shop_cache_alive(ngx_shop_cache_link_t *link)
{
    return link->armed
           && ngx_shop_cache_elapsed(link->proven) < NGX_SHOP_CACHE_PROVEN;
}
