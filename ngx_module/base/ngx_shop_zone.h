
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_ZONE_H_INCLUDED_
#define _NGX_SHOP_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * The memory of the zone, for ngx_shop_zone.c, whose essay draws it,
 * ngx_shop_cache.c, ngx_shop_cache_link.c and ngx_shop_figures.c; nobody
 * else includes this.
 */


#define NGX_SHOP_ZONE_BLOCK         128
#define NGX_SHOP_ZONE_KEY_MAX       512

/* kinds of records; equal keys of two kinds do not meet */

#define NGX_SHOP_ZONE_PLAIN         0
#define NGX_SHOP_ZONE_LEASE         1       /* those of the cache follow */

#define NGX_SHOP_CACHE_GENERATIONS  4096    /* at most, a power of two */
#define NGX_SHOP_CACHE_LINKS        512     /* at most */


/* a record and a block are told by their numbers; 0: none */

typedef struct {
    uint32_t                   more;        /* of the record, or free ones */
    u_char                     data[1];
} ngx_shop_zone_block_t;


/* the cache counts "stored" and "lasts" in milliseconds */

typedef struct {
    uint32_t                   more;
    uint32_t                   next;        /* in the bucket */
    uint32_t                   newer;       /* in the queue, which begins */
    uint32_t                   older;       /* and ends with 0 */
    time_t                     stored;
    uint32_t                   lasts;       /* from then on */
    uint32_t                   version;     /* of the cache: the epoch in
                                               which it was asked for */
    uint32_t                   serial;      /* no other had it for days */
    uint32_t                   hash;
    uint32_t                   value_len;
    uint32_t                   marked;      /* of the cache: UNIX seconds */
    uint32_t                   seen;        /* of the cache: UNIX seconds */
    uint16_t                   key_len;
    u_char                     kind;
    u_char                     flags;       /* of the cache */
    u_char                     data[1];
} ngx_shop_zone_record_t;


/* a channel to a server, by which it tells of changes */

typedef struct {
    uint32_t                   server;      /* 0: there is none */
    uint32_t                   armed;       /* "proven" is a time */
    ngx_msec_t                 proven;      /* alive */
    ngx_uint_t                 since;       /* what is of older epochs is
                                               old */
} ngx_shop_cache_link_t;


/* a part of the store; epochs are few, so they are short here */

typedef struct {
    uint32_t                   link;        /* which tells of it */
    uint32_t                   since;       /* of older epochs: old */
    uint32_t                   floor;       /* of older epochs: gone */
} ngx_shop_cache_part_t;


typedef struct {
    uint32_t                  *generations;
    ngx_uint_t                 mask;        /* generations less one */

    ngx_shop_cache_link_t     *links;
    ngx_uint_t                 nlinks;
    ngx_shop_cache_part_t     *parts;
    ngx_uint_t                 nparts;

    uint32_t                   source;      /* what is cached; 0: nothing */
    ngx_uint_t                 epoch;
    ngx_uint_t                 floor;       /* older epochs are gone */

    ngx_pid_t                  holder;      /* of the links; 0: nobody */
    ngx_msec_t                 renewed;     /* by it */
    ngx_uint_t                 moves;
    ngx_msec_t                 moved;       /* the last of them */

    ngx_uint_t                 hits;
    ngx_uint_t                 misses;
    ngx_uint_t                 stale;
    ngx_uint_t                 negative;
    ngx_uint_t                 invalidations;
    ngx_uint_t                 evictions;   /* of records of any kind */
    ngx_uint_t                 arms;        /* of any link */
    ngx_uint_t                 armed;       /* one ever was */
    ngx_msec_t                 proven;      /* the last of them */
} ngx_shop_cache_sh_t;


typedef struct {
    uint64_t                   magic;
    size_t                     layout;
    uint32_t                   serial;      /* last one given */

    uint32_t                  *buckets;     /* numbers of records */
    ngx_uint_t                 mask;        /* buckets less one */

    u_char                    *blocks;      /* the first, 0, is no record but
                                               the head of the queue */
    uint32_t                   free;
    uint32_t                   fresh;       /* from here on: never used */
    size_t                     nfree;       /* of both */
    size_t                     nblocks;     /* without the first */

    ngx_shop_cache_sh_t        cache;

    ngx_shop_figures_t        *figures;
    ngx_uint_t                 nfigures;
    ngx_pid_t                  owners[NGX_SHOP_FIGURES_WORKERS];
} ngx_shop_zone_sh_t;


/* a place between the bytes of a record */

typedef struct {
    u_char                    *blocks;
    uint32_t                   more;
    u_char                    *pos;
    size_t                     left;        /* in this block */
} ngx_shop_zone_cursor_t;


#define ngx_shop_zone_pool(zone)                                              \
    ((ngx_slab_pool_t *) (zone)->shm_zone->shm.addr)

#define ngx_shop_cache_sh(zone)                                               \
    (&((ngx_shop_zone_sh_t *) (zone)->shm_zone->data)->cache)

/* in milliseconds; below 0 where "since" is still to come */

#define ngx_shop_cache_elapsed(since)                                         \
    ((ngx_msec_int_t) (ngx_current_msec - (ngx_msec_t) (since)))


/* ngx_shop_cache.c: what it needs, from "p" on, in a zone of so many
 * buckets; returns the end of it, all of which is to be zero */
u_char *ngx_shop_cache_init(ngx_shop_cache_sh_t *cache, u_char *p,
    ngx_uint_t nbuckets, ngx_uint_t nparts);


/* ngx_shop_cache_link.c, with the lock held: no part has a link */
void ngx_shop_cache_unlink_all(ngx_shop_cache_sh_t *cache);


/* ngx_shop_zone.c: all of these are called with the lock held */

/* the record of a key, and where its value begins; NULL: none */
ngx_shop_zone_record_t *ngx_shop_zone_lookup(ngx_shop_zone_sh_t *sh,
    ngx_str_t *key, uint32_t hash, ngx_uint_t kind,
    ngx_shop_zone_cursor_t *value);

/* NULL: more than the zone has; else evicts until there is room.  "now" is
 * in seconds, for leases. */
ngx_shop_zone_record_t *ngx_shop_zone_create(ngx_shop_zone_sh_t *sh,
    ngx_str_t *key, uint32_t hash, ngx_uint_t kind, ngx_str_t *value,
    time_t now);

void ngx_shop_zone_delete(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record);

/* the record that had this number and serial, if it is there; NULL: not */
ngx_shop_zone_record_t *ngx_shop_zone_again(ngx_shop_zone_sh_t *sh,
    uint32_t hash, uint32_t number, uint32_t serial);

uint32_t ngx_shop_zone_number(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record);

/* it is used: the last to be evicted */
void ngx_shop_zone_touch(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record);

void ngx_shop_zone_cursor_read(ngx_shop_zone_cursor_t *cursor,
    ngx_str_t *text);


#endif /* _NGX_SHOP_ZONE_H_INCLUDED_ */
