
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_zone.h"
#include "session/ngx_shop_session.h"
#include "loyalty/ngx_shop_loyalty.h"
#include "ngx_shop_unit.h"


/*
 * The cache, with a clock that the tests set: ngx_current_msec.  What it does
 * in a running nginx is in t/cache_*.t.
 */


#define NGX_SHOP_UNIT_CACHE_SIZE  (64 * 1024)
#define NGX_SHOP_UNIT_CACHE_TTL   60000
#define NGX_SHOP_UNIT_CACHE_PARTS 4
#define NGX_SHOP_UNIT_CACHE_A     7         /* two servers */
#define NGX_SHOP_UNIT_CACHE_B     9


static ngx_shop_zone_t *ngx_shop_unit_cache(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_entry(ngx_shop_cache_entry_t *entry,
    ngx_uint_t kind, const char *key);
static ngx_int_t ngx_shop_unit_cache_get(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry, ngx_uint_t n);
static void ngx_shop_unit_cache_store(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry, const char *value);
static ngx_shop_cache_state_e ngx_shop_unit_cache_state(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry);
static void ngx_shop_unit_cache_link(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone);
static void ngx_shop_unit_cache_two(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone);
static void ngx_shop_unit_cache_done(ngx_shop_unit_t *u);

static void ngx_shop_unit_cache_ttl(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_channel(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_links(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_unlinked(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_gone(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_begins(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_moved(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_late(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_server(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_beyond(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_deadline(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_missing(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_dropped(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_ended(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_in_flight(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_flushed(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_other_source(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_lease(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_marks(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_unmoved(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_again(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry, ngx_int_t rc,
    ngx_uint_t unmoved, const char *name);
static void ngx_shop_unit_cache_full(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_numbers(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_packed(ngx_shop_unit_t *u);
static void ngx_shop_unit_cache_size(ngx_shop_unit_t *u);


ngx_shop_unit_test_t  ngx_shop_unit_cache_tests[] = {
    { "without a channel: ttl", ngx_shop_unit_cache_ttl },
    { "with a channel: its epoch", ngx_shop_unit_cache_channel },
    { "links to several servers", ngx_shop_unit_cache_links },
    { "a link that goes", ngx_shop_unit_cache_unlinked },
    { "an end that cannot be kept", ngx_shop_unit_cache_gone },
    { "a link that begins", ngx_shop_unit_cache_begins },
    { "parts that move", ngx_shop_unit_cache_moved },
    { "a map from before a move", ngx_shop_unit_cache_late },
    { "an answer of another server", ngx_shop_unit_cache_server },
    { "more parts than there is room for", ngx_shop_unit_cache_beyond },
    { "deadlines", ngx_shop_unit_cache_deadline },
    { "what is missing", ngx_shop_unit_cache_missing },
    { "what was changed", ngx_shop_unit_cache_dropped },
    { "who signed out", ngx_shop_unit_cache_ended },
    { "a read in flight", ngx_shop_unit_cache_in_flight },
    { "everything gone", ngx_shop_unit_cache_flushed },
    { "another store", ngx_shop_unit_cache_other_source },
    { "one worker holds the channel", ngx_shop_unit_cache_lease },
    { "marks", ngx_shop_unit_cache_marks },
    { "copies that are where they were", ngx_shop_unit_cache_unmoved },
    { "a full zone", ngx_shop_unit_cache_full },
    { "packed numbers and texts", ngx_shop_unit_cache_numbers },
    { "packed sessions and views", ngx_shop_unit_cache_packed },
    { "at most 512 bytes", ngx_shop_unit_cache_size },
    { NULL, NULL }
};


static ngx_msec_t  ngx_shop_unit_cache_clock;


static ngx_shop_zone_t *
ngx_shop_unit_cache(ngx_shop_unit_t *u)
{
    u_char           *addr;
    ngx_str_t         name;
    ngx_slab_pool_t  *pool;
    ngx_shop_zone_t  *zone;
    ngx_shm_zone_t   *shm_zone;

    static ngx_uint_t   n;
    static u_char       names[100][16];

    ngx_shop_unit_cache_clock = ngx_current_msec;
    ngx_current_msec = 1000000;

    name.data = names[n];
    name.len = ngx_sprintf(names[n], "cache_%ui", n) - names[n];
    n++;

    zone = ngx_shop_zone_add(u->cf, &name, NGX_SHOP_UNIT_CACHE_SIZE, &n);

    shm_zone = ngx_palloc(u->pool, sizeof(ngx_shm_zone_t));
    addr = ngx_pmemalign(u->pool, NGX_SHOP_UNIT_CACHE_SIZE, ngx_pagesize);

    if (!ngx_shop_unit_ok(u, zone && shm_zone && addr, "zone")) {
        return NULL;
    }

    ngx_memzero(addr, NGX_SHOP_UNIT_CACHE_SIZE);

    pool = (ngx_slab_pool_t *) addr;

    pool->end = addr + NGX_SHOP_UNIT_CACHE_SIZE;
    pool->min_shift = 3;
    pool->addr = addr;

    (void) ngx_shmtx_create(&pool->mutex, &pool->lock, NULL);

    ngx_slab_init(pool);

    zone->parts = NGX_SHOP_UNIT_CACHE_PARTS;

    *shm_zone = *zone->shm_zone;
    shm_zone->shm.addr = addr;
    shm_zone->shm.log = u->log;

    zone->shm_zone = shm_zone;

    if (!ngx_shop_unit_ok(u, shm_zone->init(shm_zone, NULL) == NGX_OK,
                          "zone is made"))
    {
        return NULL;
    }

    ngx_shop_cache_source(zone, ngx_shop_unit_str("redis 0"));

    return zone;
}


static void
ngx_shop_unit_cache_done(ngx_shop_unit_t *u)
{
    ngx_current_msec = ngx_shop_unit_cache_clock;
}


static void
ngx_shop_unit_cache_entry(ngx_shop_cache_entry_t *entry, ngx_uint_t kind,
    const char *key)
{
    ngx_memzero(entry, sizeof(ngx_shop_cache_entry_t));

    entry->kind = kind;
    entry->key.data = (u_char *) key;
    entry->key.len = ngx_strlen(key);
    entry->server = NGX_SHOP_UNIT_CACHE_A;
}


static ngx_int_t
ngx_shop_unit_cache_get(ngx_shop_unit_t *u, ngx_shop_zone_t *zone,
    ngx_shop_cache_entry_t *entry, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        entry[i].origin.since = 0;
    }

    return ngx_shop_cache_get(zone, u->pool, entry, n,
                              NGX_SHOP_UNIT_CACHE_TTL, NGX_SHOP_CACHE_VALID);
}


/* as a read does it; the entry is as after the get */

static void
ngx_shop_unit_cache_store(ngx_shop_unit_t *u, ngx_shop_zone_t *zone,
    ngx_shop_cache_entry_t *entry, const char *value)
{
    (void) ngx_shop_unit_cache_get(u, zone, entry, 1);

    entry->value.data = (u_char *) value;
    entry->value.len = ngx_strlen(value);

    ngx_shop_cache_set(zone, entry, 1);
}


static ngx_shop_cache_state_e
ngx_shop_unit_cache_state(ngx_shop_unit_t *u, ngx_shop_zone_t *zone,
    ngx_shop_cache_entry_t *entry)
{
    (void) ngx_shop_cache_get(zone, u->pool, entry, 1,
                              NGX_SHOP_UNIT_CACHE_TTL, NGX_SHOP_CACHE_STALE);
    return entry->state;
}


/* the first part has a link, the first one */

static void
ngx_shop_unit_cache_link(ngx_shop_unit_t *u, ngx_shop_zone_t *zone)
{
    uint32_t  links[1];

    links[0] = 0;

    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DONE, "held");

    ngx_shop_cache_open(zone, 0, NGX_SHOP_UNIT_CACHE_A);

    ngx_shop_unit_is_int(u, ngx_shop_cache_assign(zone, links, 1,
                                                  ngx_current_msec),
                         NGX_OK, "assigned");

    ngx_shop_cache_armed(zone, 0);
}


static void
ngx_shop_unit_cache_ttl(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry[2];

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry[0], NGX_SHOP_CACHE_SESSION, "key");
    ngx_shop_unit_cache_entry(&entry[1], NGX_SHOP_CACHE_VIEW, "key");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_get(u, zone, entry, 2),
                         NGX_DECLINED, "nothing is there");

    ngx_shop_unit_cache_store(u, zone, &entry[0], "a session");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_get(u, zone, entry, 2),
                         NGX_DECLINED, "one of two is not enough");
    ngx_shop_unit_is_int(u, entry[1].state, NGX_SHOP_CACHE_ABSENT,
                         "kinds of one key do not meet");

    ngx_shop_unit_cache_store(u, zone, &entry[1], "");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_get(u, zone, entry, 2),
                         NGX_OK, "both are there");
    ngx_shop_unit_is(u, &entry[0].value, "a session", "the value");
    ngx_shop_unit_is(u, &entry[1].value, "", "an empty value");

    ngx_current_msec += NGX_SHOP_UNIT_CACHE_TTL - 1;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_get(u, zone, entry, 2),
                         NGX_OK, "up to the ttl");

    ngx_current_msec++;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_get(u, zone, entry, 2),
                         NGX_DECLINED, "not longer");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry[0]),
                         NGX_SHOP_CACHE_STALE, "then it is stale");
    ngx_shop_unit_is(u, &entry[0].value, "a session", "but readable");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_channel(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   before, entry;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&before, NGX_SHOP_CACHE_VIEW, "before");
    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW, "entry");

    ngx_shop_unit_cache_store(u, zone, &before, "1");

    ngx_shop_unit_cache_link(u, zone);
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &before),
                         NGX_SHOP_CACHE_STALE,
                         "read before the channel began");

    ngx_shop_unit_cache_store(u, zone, &entry, "1");

    ngx_current_msec += 2 * NGX_SHOP_UNIT_CACHE_TTL;
    ngx_shop_cache_proven(zone, 0, ngx_current_msec - 999);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_VALID, "proven 999 ms ago: no ttl");

    ngx_current_msec++;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_STALE, "a second ago: ttl");

    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_VALID, "the same channel again");

    ngx_shop_cache_lost(zone, 0);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_STALE, "lost");

    ngx_shop_cache_armed(zone, 0);
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_STALE, "another channel");

    ngx_shop_unit_cache_done(u);
}


/* two servers with two parts each */

static void
ngx_shop_unit_cache_two(ngx_shop_unit_t *u, ngx_shop_zone_t *zone)
{
    static uint32_t  links[] = { 0, 0, 1, 1 };

    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DONE, "held");

    ngx_shop_cache_open(zone, 0, NGX_SHOP_UNIT_CACHE_A);
    ngx_shop_cache_open(zone, 1, NGX_SHOP_UNIT_CACHE_B);

    ngx_shop_unit_is_int(u, ngx_shop_cache_assign(zone, links, 4,
                                                  ngx_current_msec),
                         NGX_OK, "assigned");

    ngx_shop_cache_armed(zone, 0);
    ngx_shop_cache_armed(zone, 1);
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);
    ngx_shop_cache_proven(zone, 1, ngx_current_msec);
}


static void
ngx_shop_unit_cache_links(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   here, there;
    ngx_shop_cache_stats_t   stats;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&here, NGX_SHOP_CACHE_VIEW, "here");
    ngx_shop_unit_cache_entry(&there, NGX_SHOP_CACHE_VIEW, "there");

    there.part = 3;
    there.server = NGX_SHOP_UNIT_CACHE_B;

    ngx_shop_unit_cache_two(u, zone);
    ngx_shop_unit_cache_store(u, zone, &here, "1");
    ngx_shop_unit_cache_store(u, zone, &there, "1");

    ngx_current_msec += 2 * NGX_SHOP_UNIT_CACHE_TTL;
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &here),
                         NGX_SHOP_CACHE_VALID, "the one that works");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &there),
                         NGX_SHOP_CACHE_STALE, "the one that does not");

    ngx_shop_cache_stats(zone, &stats);
    ngx_shop_unit_is_int(u, stats.links, 2, "two links");
    ngx_shop_unit_is_int(u, stats.alive, 1, "... one of them alive");

    ngx_shop_cache_armed(zone, 1);
    ngx_shop_cache_proven(zone, 1, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &there),
                         NGX_SHOP_CACHE_STALE, "another channel there");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &here),
                         NGX_SHOP_CACHE_VALID, "is none here");

    ngx_shop_unit_cache_store(u, zone, &there, "2");
    ngx_shop_cache_flush(zone, 1);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &there),
                         NGX_SHOP_CACHE_ABSENT, "a server that was emptied");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &here),
                         NGX_SHOP_CACHE_VALID, "the other was not");

    ngx_shop_cache_close(zone, 0);
    ngx_shop_cache_stats(zone, &stats);
    ngx_shop_unit_is_int(u, stats.links, 1, "a link is closed");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &here),
                         NGX_SHOP_CACHE_STALE, "and its parts have none");

    ngx_shop_unit_cache_store(u, zone, &here, "3");
    ngx_shop_unit_cache_store(u, zone, &there, "3");
    ngx_shop_cache_leave(zone, 1);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &there),
                         NGX_SHOP_CACHE_STALE, "a server that was replaced");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &here),
                         NGX_SHOP_CACHE_VALID, "no part of it was here");

    ngx_shop_unit_cache_done(u);
}


/* what was missed while a link was down does not come back without it */

static void
ngx_shop_unit_cache_unlinked(ngx_shop_unit_t *u)
{
    ngx_uint_t               i;
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    for (i = 0; i < 2; i++) {

        zone = ngx_shop_unit_cache(u);

        ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_SESSION, "entry");
        ngx_shop_unit_cache_two(u, zone);
        ngx_shop_unit_cache_store(u, zone, &entry, "1");

        ngx_shop_cache_armed(zone, 0);
        ngx_shop_cache_proven(zone, 0, ngx_current_msec);

        ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                             NGX_SHOP_CACHE_STALE, "the link began anew");

        if (i == 0) {
            ngx_shop_cache_close(zone, 0);

        } else {
            ngx_shop_cache_release(zone);
        }

        ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                             NGX_SHOP_CACHE_STALE,
                             "it is no less old without the link");

        ngx_shop_unit_cache_done(u);
    }
}


/* who cannot be trusted with what is there can say that it is not */

static void
ngx_shop_unit_cache_gone(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_SESSION, "entry");
    ngx_shop_unit_cache_two(u, zone);
    ngx_shop_unit_cache_store(u, zone, &entry, "1");

    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);

    entry.server = NGX_SHOP_UNIT_CACHE_B;
    entry.missing = 1;

    ngx_shop_cache_set(zone, &entry, 1);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_ABSENT, "it is not kept");

    ngx_shop_unit_cache_done(u);
}


/* what another server said may not become the link's own */

static void
ngx_shop_unit_cache_begins(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    static uint32_t  links[] = { 0, 0, 0, 0 };

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW, "entry");

    (void) ngx_shop_cache_hold(zone);
    ngx_shop_cache_open(zone, 0, NGX_SHOP_UNIT_CACHE_A);
    ngx_shop_cache_armed(zone, 0);

    entry.server = NGX_SHOP_UNIT_CACHE_B;
    ngx_shop_unit_cache_store(u, zone, &entry, "1");

    (void) ngx_shop_cache_assign(zone, links, 4, ngx_current_msec);
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_STALE, "it is old");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_moved(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   moves, stays, flying;

    static uint32_t  links[] = { 0, 1, 1, 1 };

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&moves, NGX_SHOP_CACHE_VIEW, "moves");
    ngx_shop_unit_cache_entry(&flying, NGX_SHOP_CACHE_VIEW, "flying");
    ngx_shop_unit_cache_entry(&stays, NGX_SHOP_CACHE_VIEW, "stays");

    moves.part = 1;
    flying.part = 1;

    ngx_shop_unit_cache_two(u, zone);
    ngx_shop_unit_cache_store(u, zone, &moves, "1");
    ngx_shop_unit_cache_store(u, zone, &stays, "1");
    (void) ngx_shop_unit_cache_get(u, zone, &flying, 1);

    ngx_shop_cache_moved(zone, 1);
    ngx_shop_cache_set(zone, &flying, 1);

    ngx_shop_unit_is_int(u, ngx_shop_cache_moves(zone), 1, "it is counted");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &moves),
                         NGX_SHOP_CACHE_STALE, "what has moved is old");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &flying),
                         NGX_SHOP_CACHE_ABSENT, "what was on its way, too");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &stays),
                         NGX_SHOP_CACHE_VALID, "what has not is not");

    moves.server = NGX_SHOP_UNIT_CACHE_B;
    ngx_shop_unit_cache_store(u, zone, &moves, "2");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &moves),
                         NGX_SHOP_CACHE_VALID, "read again: for ttl");

    ngx_current_msec++;
    ngx_shop_unit_is_int(u, ngx_shop_cache_assign(zone, links, 4,
                                                  ngx_current_msec),
                         NGX_OK, "the new map");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &moves),
                         NGX_SHOP_CACHE_STALE, "what was read without a link");

    ngx_shop_unit_cache_store(u, zone, &moves, "3");
    ngx_current_msec += 2 * NGX_SHOP_UNIT_CACHE_TTL;
    ngx_shop_cache_proven(zone, 1, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &moves),
                         NGX_SHOP_CACHE_VALID, "the new server tells of it");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &stays),
                         NGX_SHOP_CACHE_STALE, "the old one of the others");

    /* a map alone says so as well */

    links[1] = 0;

    (void) ngx_shop_cache_assign(zone, links, 4, ngx_current_msec);
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &moves),
                         NGX_SHOP_CACHE_STALE, "back again");

    links[1] = 1;

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_late(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    static uint32_t  links[] = { 0, 0, 1, 1 };

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW, "entry");

    entry.part = 1;

    ngx_shop_unit_cache_two(u, zone);
    ngx_shop_cache_moved(zone, 1);

    ngx_shop_unit_is_int(u, ngx_shop_cache_assign(zone, links, 4,
                                                  ngx_current_msec - 1),
                         NGX_DECLINED, "it is refused");

    ngx_shop_unit_cache_store(u, zone, &entry, "1");
    ngx_current_msec += NGX_SHOP_UNIT_CACHE_TTL;
    ngx_shop_cache_proven(zone, 0, ngx_current_msec);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_STALE, "and the part has no link");

    ngx_shop_unit_cache_done(u);
}


/* a worker that has not heard yet, or a key that has left before its slot */

static void
ngx_shop_unit_cache_server(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW, "entry");

    entry.server = NGX_SHOP_UNIT_CACHE_B;

    ngx_shop_unit_cache_two(u, zone);
    ngx_shop_unit_cache_store(u, zone, &entry, "1");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_ABSENT, "is not kept");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_beyond(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    static uint32_t  links[] = { 0, 0, 1, 1, 1, 1 };

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW, "entry");

    entry.part = NGX_SHOP_UNIT_CACHE_PARTS;

    ngx_shop_unit_cache_two(u, zone);

    ngx_shop_unit_is_int(u, ngx_shop_cache_assign(zone, links, 6,
                                                  ngx_current_msec),
                         NGX_OK, "those there are");

    ngx_shop_unit_cache_store(u, zone, &entry, "1");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_VALID, "one beyond: for ttl");

    ngx_shop_cache_moved(zone, NGX_SHOP_UNIT_CACHE_PARTS);
    ngx_current_msec += NGX_SHOP_UNIT_CACHE_TTL;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_STALE, "and not longer");
    ngx_shop_unit_is_int(u, ngx_shop_cache_moves(zone), 0, "it cannot move");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_deadline(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   session, view;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&session, NGX_SHOP_CACHE_SESSION, "s");
    ngx_shop_unit_cache_entry(&view, NGX_SHOP_CACHE_VIEW, "v");

    session.ttl = 1000;
    view.ttl = 1000;

    ngx_shop_unit_cache_store(u, zone, &session, "1");
    ngx_shop_unit_cache_store(u, zone, &view, "1");

    ngx_current_msec += 999;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &session),
                         NGX_SHOP_CACHE_VALID, "a session before its end");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_VALID, "a view before it is due");

    ngx_current_msec++;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &session),
                         NGX_SHOP_CACHE_ABSENT, "a session past its end");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_STALE, "a view that is due");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_missing(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry[2];
    ngx_shop_cache_stats_t   stats;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry[0], NGX_SHOP_CACHE_SESSION, "s");
    ngx_shop_unit_cache_entry(&entry[1], NGX_SHOP_CACHE_VIEW, "v");

    (void) ngx_shop_unit_cache_get(u, zone, entry, 2);

    entry[0].missing = 1;
    ngx_shop_cache_set(zone, entry, 1);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_get(u, zone, entry, 2),
                         NGX_OK, "known to be missing, the view is not asked");
    ngx_shop_unit_ok(u, entry[0].missing, "it says so");

    ngx_shop_cache_stats(zone, &stats);
    ngx_shop_unit_is_int(u, stats.negative, 1, "counted");

    ngx_current_msec += NGX_SHOP_CACHE_MISSING;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry[0]),
                         NGX_SHOP_CACHE_ABSENT, "only for a while");
    ngx_shop_unit_ok(u, !entry[0].missing, "then it says nothing");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_dropped(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   session, view;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&session, NGX_SHOP_CACHE_SESSION, "s");
    ngx_shop_unit_cache_entry(&view, NGX_SHOP_CACHE_VIEW, "v");

    ngx_shop_unit_cache_store(u, zone, &session, "1");
    ngx_shop_unit_cache_store(u, zone, &view, "1");

    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_VIEW, &session.key);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &session),
                         NGX_SHOP_CACHE_VALID, "of another kind");

    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_SESSION, &session.key);
    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_VIEW, &view.key);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &session),
                         NGX_SHOP_CACHE_ABSENT, "a session is forgotten");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_STALE, "a view is stale");

    ngx_shop_unit_cache_store(u, zone, &view, "2");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_VALID, "until it is read again");
    ngx_shop_unit_is(u, &view.value, "2", "anew");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_ended(ngx_shop_unit_t *u)
{
    ngx_msec_t               now;
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry, read;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_SESSION, "s");
    ngx_shop_unit_cache_store(u, zone, &entry, "1");
    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);

    read = entry;

    ngx_shop_cache_end(zone, &entry.key);

    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_ok(u, entry.missing, "a session that ended is missing");

    ngx_shop_cache_set(zone, &read, 1);

    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_ok(u, entry.missing, "also if a server still has it");

    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_SESSION, &entry.key);
    ngx_shop_unit_cache_link(u, zone);
    ngx_shop_cache_flush(zone, 0);

    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_ok(u, entry.missing, "or tells of a change");

    now = ngx_current_msec;
    ngx_current_msec += 24 * 3600 * 1000;

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &entry),
                         NGX_SHOP_CACHE_ABSENT, "for a day");

    ngx_current_msec = now;

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_in_flight(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry[2], later[2];

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry[0], NGX_SHOP_CACHE_SESSION, "s");
    ngx_shop_unit_cache_entry(&entry[1], NGX_SHOP_CACHE_VIEW, "v");

    later[0] = entry[0];
    later[1] = entry[1];

    (void) ngx_shop_unit_cache_get(u, zone, entry, 2);
    (void) ngx_shop_unit_cache_get(u, zone, later, 2);

    ngx_shop_unit_ok(u, ngx_shop_cache_unheard(entry, later, 2),
                     "nothing was heard, a read can be shared");

    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_SESSION, &entry[0].key);

    (void) ngx_shop_unit_cache_get(u, zone, later, 2);

    ngx_shop_unit_ok(u, !ngx_shop_cache_unheard(entry, later, 2),
                     "something was heard, it cannot");

    ngx_shop_cache_set(zone, entry, 2);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &later[0]),
                         NGX_SHOP_CACHE_ABSENT, "what changed is not kept");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &later[1]),
                         NGX_SHOP_CACHE_VALID, "what did not is");

    (void) ngx_shop_unit_cache_get(u, zone, entry, 2);

    ngx_shop_unit_cache_link(u, zone);
    ngx_shop_cache_set(zone, entry, 2);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &later[0]),
                         NGX_SHOP_CACHE_ABSENT,
                         "nor what was asked under another epoch");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_flushed(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   view, flying;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&view, NGX_SHOP_CACHE_VIEW, "v");
    ngx_shop_unit_cache_entry(&flying, NGX_SHOP_CACHE_VIEW, "f");

    ngx_shop_unit_cache_store(u, zone, &view, "1");
    (void) ngx_shop_unit_cache_get(u, zone, &flying, 1);

    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DONE, "held");
    ngx_shop_cache_flush(zone, 0);
    ngx_shop_cache_set(zone, &flying, 1);

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_ABSENT, "not even stale");
    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &flying),
                         NGX_SHOP_CACHE_ABSENT, "nor what was on its way");

    ngx_shop_unit_cache_store(u, zone, &view, "2");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_VALID, "what comes after is");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_other_source(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone, other;
    ngx_shop_cache_entry_t   view;

    zone = ngx_shop_unit_cache(u);
    other = *zone;

    ngx_shop_unit_cache_entry(&view, NGX_SHOP_CACHE_VIEW, "v");
    ngx_shop_unit_cache_store(u, zone, &view, "1");

    ngx_shop_cache_source(&other, ngx_shop_unit_str("redis 0"));

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, &other, &view),
                         NGX_SHOP_CACHE_VALID, "the same one keeps it");

    ngx_shop_cache_source(&other, ngx_shop_unit_str("redis 1"));

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, &other, &view),
                         NGX_SHOP_CACHE_ABSENT, "another does not");

    ngx_shop_unit_cache_store(u, &other, &view, "2");

    ngx_shop_unit_is_int(u, ngx_shop_unit_cache_state(u, zone, &view),
                         NGX_SHOP_CACHE_ABSENT, "the old one sees nothing");

    ngx_shop_unit_cache_store(u, zone, &view, "3");

    (void) ngx_shop_unit_cache_state(u, &other, &view);
    ngx_shop_unit_is(u, &view.value, "2", "and leaves nothing");
    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DECLINED,
                         "nor holds the channel");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_lease(ngx_shop_unit_t *u)
{
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_sh_t     *cache;
    ngx_shop_cache_stats_t   stats;

    zone = ngx_shop_unit_cache(u);
    cache = &((ngx_shop_zone_sh_t *) zone->shm_zone->data)->cache;

    ngx_shop_unit_cache_link(u, zone);
    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_OK, "mine");

    ngx_shop_cache_proven(zone, 0, ngx_current_msec);
    ngx_shop_cache_stats(zone, &stats);
    ngx_shop_unit_ok(u, stats.alive, "alive");

    cache->holder = ngx_pid + 1;

    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DECLINED,
                         "another's");

    ngx_shop_cache_lost(zone, 0);
    ngx_shop_cache_release(zone);
    ngx_shop_cache_stats(zone, &stats);
    ngx_shop_unit_ok(u, stats.alive, "which I do not touch");

    ngx_current_msec += NGX_SHOP_CACHE_HELD - 1;

    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DECLINED,
                         "still another's");

    ngx_shop_cache_proven(zone, 0, ngx_current_msec);
    ngx_current_msec++;

    ngx_shop_unit_is_int(u, ngx_shop_cache_hold(zone), NGX_DONE,
                         "taken over from who is silent");
    ngx_shop_cache_stats(zone, &stats);
    ngx_shop_unit_ok(u, !stats.alive, "with a channel to be made");

    ngx_shop_cache_release(zone);
    ngx_shop_unit_is_int(u, cache->holder, 0, "left to others");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_marks(ngx_shop_unit_t *u)
{
    ngx_str_t                key;
    ngx_uint_t               kind;
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry;

    zone = ngx_shop_unit_cache(u);

    kind = NGX_SHOP_CACHE_SESSION;
    ngx_str_set(&key, "s");

    ngx_shop_unit_is_int(u, ngx_shop_cache_mark(zone, kind, &key, 1000, 10),
                         NGX_OK, "to everybody where there is no entry");

    ngx_shop_unit_cache_entry(&entry, kind, "s");
    ngx_shop_unit_cache_store(u, zone, &entry, "1");

    ngx_shop_unit_is_int(u, ngx_shop_cache_mark(zone, kind, &key, 1000, 10),
                         NGX_OK, "to the first");
    ngx_shop_unit_is_int(u, ngx_shop_cache_mark(zone, kind, &key, 1009, 10),
                         NGX_DECLINED, "to no second");

    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_is_int(u, entry.marked, 1000, "it can be seen");
    ngx_shop_unit_is_int(u, entry.seen, ngx_time(),
                         "and so can when it was looked up");

    entry.marked = 990;
    ngx_shop_cache_set(zone, &entry, 1);
    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_is_int(u, entry.marked, 1000, "an older one does not count");

    entry.marked = 1005;
    ngx_shop_cache_set(zone, &entry, 1);
    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_is_int(u, entry.marked, 1005, "a later one does");

    ngx_shop_unit_is_int(u, ngx_shop_cache_mark(zone, kind, &key, 1015, 10),
                         NGX_OK, "then it is another's turn");
    ngx_shop_unit_is_int(u, ngx_shop_cache_mark(zone, kind, &key, 900, 10),
                         NGX_OK, "also of a clock that was set back");

    (void) ngx_shop_cache_mark(zone, kind, &key, 0, 0);
    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_is_int(u, entry.marked, 0, "it is taken away");

    (void) ngx_shop_cache_mark(zone, kind, &key, 900, 10);
    ngx_shop_cache_drop(zone, kind, &key);
    (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
    ngx_shop_unit_is_int(u, entry.marked, 0, "what is forgotten has none");
    ngx_shop_unit_is_int(u, entry.seen, 0, "and was never seen");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_unmoved(ngx_shop_unit_t *u)
{
    time_t                   since;
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry[2], other;

    zone = ngx_shop_unit_cache(u);

    ngx_shop_unit_cache_entry(&entry[0], NGX_SHOP_CACHE_SESSION, "key");
    ngx_shop_unit_cache_entry(&entry[1], NGX_SHOP_CACHE_VIEW, "customer");
    ngx_shop_unit_cache_entry(&other, NGX_SHOP_CACHE_VIEW, "another");

    ngx_shop_unit_cache_store(u, zone, &entry[0], "a session");
    ngx_shop_unit_cache_store(u, zone, &entry[1], "a view");

    entry[0].origin.since = 0;
    entry[1].origin.since = 0;

    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 0, "the first time");
    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 1, "then");

    /* a turn of another one, and the next record in the same place */

    ngx_shop_unit_cache_store(u, zone, &entry[1], "another view");

    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 0, "one is new");
    ngx_shop_unit_is(u, &entry[0].value, "a session", "both are read");
    ngx_shop_unit_is(u, &entry[1].value, "another view", "the new one, too");

    ngx_shop_unit_cache_store(u, zone, &other, "of somebody else");

    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 1, "as before");

    entry[1].origin.number++;
    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 0, "not that record");

    entry[1].origin.serial++;
    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 0, "a later record");

    /* what may not be used is not unmoved, either */

    since = entry[0].origin.since;
    entry[0].origin.since -= 3601;
    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 0, "too long ago");
    ngx_shop_unit_is_int(u, entry[0].origin.since, since, "from now on");

    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_VIEW, &entry[1].key);
    ngx_shop_unit_cache_again(u, zone, entry, NGX_DECLINED, 0, "changed");

    ngx_shop_unit_cache_store(u, zone, &entry[1], "a view");
    ngx_shop_unit_cache_again(u, zone, entry, NGX_OK, 0, "read once more");

    ngx_shop_cache_drop(zone, NGX_SHOP_CACHE_SESSION, &entry[0].key);
    ngx_shop_unit_cache_again(u, zone, entry, NGX_DECLINED, 0, "signed out");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_again(ngx_shop_unit_t *u, ngx_shop_zone_t *zone,
    ngx_shop_cache_entry_t *entry, ngx_int_t rc, ngx_uint_t unmoved,
    const char *name)
{
    ngx_shop_unit_is_int(u, ngx_shop_cache_get(zone, u->pool, entry, 2,
                                               NGX_SHOP_UNIT_CACHE_TTL,
                                               NGX_SHOP_CACHE_VALID),
                         rc, "%s", name);
    ngx_shop_unit_is_int(u, entry[1].unmoved, unmoved, "%s: unmoved", name);
}


static void
ngx_shop_unit_cache_full(ngx_shop_unit_t *u)
{
    time_t                   now;
    ngx_uint_t               i, lost;
    ngx_shop_zone_t         *zone;
    ngx_shop_cache_entry_t   entry, used;
    ngx_shop_cache_stats_t   stats;
    char                     key[16], value[128];

    zone = ngx_shop_unit_cache(u);
    now = ngx_time();

    ngx_memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';

    ngx_shop_unit_cache_entry(&used, NGX_SHOP_CACHE_VIEW, "used");
    ngx_shop_unit_cache_store(u, zone, &used, value);

    lost = 0;

    for (i = 0; i < 2000; i++) {
        *ngx_sprintf((u_char *) key, "key-%ui", i) = '\0';

        ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW, key);
        ngx_shop_unit_cache_store(u, zone, &entry, value);

        lost += (ngx_shop_unit_cache_get(u, zone, &entry, 1) != NGX_OK);

        /* what is used is known by the second */

        if (i % 50 == 0) {
            ngx_cached_time->sec++;
            lost += (ngx_shop_unit_cache_get(u, zone, &used, 1) != NGX_OK);
        }
    }

    ngx_cached_time->sec = now;

    ngx_shop_unit_is_int(u, lost, 0, "what is new or used is there");

    ngx_shop_cache_stats(zone, &stats);

    ngx_shop_unit_ok(u, stats.evictions > 1500 && stats.evictions < 2000,
                     "the oldest went: %ui", stats.evictions);
    ngx_shop_unit_ok(u, stats.used <= stats.size
                        && stats.used + 2 > stats.size, "and it is full");

    ngx_shop_unit_cache_done(u);
}


static void
ngx_shop_unit_cache_numbers(ngx_shop_unit_t *u)
{
    u_char      *p, *pos, buf[NGX_SHOP_PACK_INT_MAX + 16];
    int64_t      n;
    ngx_str_t    text;
    ngx_uint_t   i;

    static struct {
        int64_t      value;
        ngx_uint_t   len;
    } numbers[] = {
        { 0, 1 }, { -1, 1 }, { 63, 1 }, { -64, 1 }, { 64, 2 }, { -65, 2 },
        { 1790000000, 5 },
        { NGX_SHOP_LOYALTY_POINTS_MAX, 8 },
        { (int64_t) (((uint64_t) 1 << 63) - 1), 10 },
        { -(int64_t) (((uint64_t) 1 << 63) - 1) - 1, 10 }
    };

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {

        p = ngx_shop_pack_int(buf, numbers[i].value);
        pos = buf;

        ngx_shop_unit_is_int(u, p - buf, numbers[i].len, "length of %L",
                             numbers[i].value);
        ngx_shop_unit_is_int(u, ngx_shop_unpack_int(&pos, p, &n), NGX_OK,
                             "it comes back");
        ngx_shop_unit_is_int(u, n, numbers[i].value, "as it was");
        ngx_shop_unit_ok(u, pos == p, "whole");

        pos = buf;
        ngx_shop_unit_is_int(u, ngx_shop_unpack_int(&pos, p - 1, &n),
                             NGX_ERROR, "cut off");
    }

    ngx_memset(buf, 0xff, sizeof(buf));
    pos = buf;

    ngx_shop_unit_is_int(u, ngx_shop_unpack_int(&pos, buf + sizeof(buf), &n),
                         NGX_ERROR, "without end");

    p = ngx_shop_pack_text(buf, ngx_shop_unit_str("silver"));
    pos = buf;

    ngx_shop_unit_is_int(u, ngx_shop_unpack_text(&pos, p, &text), NGX_OK,
                         "a text");
    ngx_shop_unit_is(u, &text, "silver", "as it was");

    pos = buf;
    ngx_shop_unit_is_int(u, ngx_shop_unpack_text(&pos, p - 1, &text),
                         NGX_ERROR, "a text cut off");

    (void) ngx_shop_pack_int(buf, -1);
    pos = buf;
    ngx_shop_unit_is_int(u, ngx_shop_unpack_text(&pos, p, &text), NGX_ERROR,
                         "a negative length");
}


static void
ngx_shop_unit_cache_packed(ngx_shop_unit_t *u)
{
    ngx_str_t           value, cut;
    ngx_uint_t          i, taken;
    ngx_shop_view_t     view, copy;
    ngx_shop_session_t  session, other;

    ngx_shop_unit_cache_clock = ngx_current_msec;
    ngx_current_msec = 1000000;

    ngx_memzero(&session, sizeof(ngx_shop_session_t));

    ngx_str_set(&session.customer, "c1");
    ngx_str_set(&session.provider, "work");
    session.created = 1790000000;
    session.auth_time = 1790000001;
    session.expires = 1800000000;
    session.ttl = 5000;

    ngx_memzero(&other, sizeof(ngx_shop_session_t));
    other.customer = session.customer;

    ngx_shop_unit_is_int(u, ngx_shop_session_pack(u->pool, &session, &value),
                         NGX_OK, "a session is packed");

    ngx_current_msec += 4000;

    ngx_shop_unit_is_int(u, ngx_shop_session_unpack(&value, 1790000004,
                                                    &other),
                         NGX_OK, "and unpacked");
    ngx_shop_unit_is(u, &other.provider, "work", "provider");
    ngx_shop_unit_is_int(u, other.created, 1790000000, "created");
    ngx_shop_unit_is_int(u, other.auth_time, 1790000001, "auth_time");
    ngx_shop_unit_is_int(u, other.expires, 1800000000, "expires");
    ngx_shop_unit_is_int(u, other.ttl, 1000, "the rest of the idle time");
    ngx_shop_unit_is_int(u, ngx_shop_session_rest(&other, 1790000004), 1000,
                         "which comes first");
    ngx_shop_unit_is_int(u, ngx_shop_session_rest(&other, 1800000000), 1,
                         "no rest is not for ever");

    ngx_shop_unit_is_int(u, ngx_shop_session_unpack(&value, 1800000000,
                                                    &other),
                         NGX_DECLINED, "its absolute end");

    ngx_current_msec += 1000;

    ngx_shop_unit_is_int(u, ngx_shop_session_unpack(&value, 1790000005,
                                                    &other),
                         NGX_DECLINED, "its idle end");

    ngx_current_msec -= 5000;

    ngx_str_set(&other.customer, "c2");
    ngx_shop_unit_is_int(u, ngx_shop_session_unpack(&value, 1790000000,
                                                    &other),
                         NGX_ERROR, "of another customer");

    other.customer = session.customer;
    taken = 0;

    for (i = 0; i < value.len; i++) {
        cut = value;
        cut.len = i;

        taken += (ngx_shop_session_unpack(&cut, 1790000000, &other)
                  != NGX_ERROR);
    }

    ngx_shop_unit_is_int(u, taken, 0, "never one cut off");

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    ngx_str_set(&view.tier, "silver");
    ngx_str_set(&view.segments, "vip,new");
    view.tier_since = 1;
    view.tier_until = 2;
    view.points = -3;
    view.pending = 4;
    view.qualifying = NGX_SHOP_LOYALTY_POINTS_MAX;
    view.orders = 5;
    view.created = 6;
    view.next_due = 7;
    view.spend = 8;
    view.last_order = 9;
    view.last_visit = 10;
    view.earlier_visit = 11;
    view.frequency = 12;
    view.streak = 13;
    ngx_str_set(&view.providers, "google,work");
    ngx_str_set(&view.locale, "de-AT");

    ngx_shop_unit_is_int(u, ngx_shop_view_pack(u->pool, &view, &value),
                         NGX_OK, "a view is packed");
    ngx_shop_unit_is_int(u, ngx_shop_view_unpack(&value, &copy), NGX_OK,
                         "and unpacked");
    ngx_shop_unit_is(u, &copy.tier, "silver", "tier");
    ngx_shop_unit_is(u, &copy.segments, "vip,new", "segments");
    ngx_shop_unit_is(u, &copy.providers, "google,work", "providers");
    ngx_shop_unit_is(u, &copy.locale, "de-AT", "locale");

    copy.tier = view.tier;
    copy.segments = view.segments;
    copy.providers = view.providers;
    copy.locale = view.locale;

    ngx_shop_unit_ok(u, ngx_memcmp(&copy, &view, sizeof(view)) == 0,
                     "and all the rest");

    taken = 0;

    for (i = 0; i < value.len; i++) {
        cut = value;
        cut.len = i;

        taken += (ngx_shop_view_unpack(&cut, &copy) == NGX_OK);
    }

    ngx_shop_unit_is_int(u, taken, 0, "never one cut off");

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    (void) ngx_shop_view_pack(u->pool, &view, &value);

    ngx_shop_unit_is_int(u, value.len, 1, "what is not there takes no room");
    ngx_shop_unit_is_int(u, ngx_shop_view_unpack(&value, &copy), NGX_OK,
                         "and is unpacked");
    ngx_shop_unit_ok(u, ngx_memcmp(&copy, &view, sizeof(view)) == 0,
                     "as zeros");

    value.data = (u_char *) "\x80\x80\x01";
    value.len = 3;

    ngx_shop_unit_is_int(u, ngx_shop_view_unpack(&value, &copy), NGX_ERROR,
                         "a field that is not known");

    ngx_shop_unit_cache_done(u);
}


/* with ids and names as the module makes them, and as long as they may be */

static struct {
    const char  *digest;
    ngx_str_t    customer;
    ngx_str_t    provider;
    ngx_str_t    tier;
    ngx_str_t    segments;
    time_t       due;
    size_t       size;
} ngx_shop_unit_cache_sizes[] = {

    { "a session of 32 bytes for google",
      ngx_string("0123456789abcdef0123456789abcdef"),
      ngx_string("google"), ngx_string("silver"), ngx_null_string,
      0, 384 },

    { "a session of 32 bytes for others",
      ngx_string("0123456789abcdef0123456789abcdef"
                 "0123456789abcdef0123456789abcdef"),
      ngx_string("0123456789abcdef0123456789abcdef01234567"),
      ngx_string("platinum"), ngx_string("newsletter,frequent,berlin"),
      1790000000, 512 },

    { NULL, ngx_null_string, ngx_null_string, ngx_null_string,
      ngx_null_string, 0, 0 }
};


static void
ngx_shop_unit_cache_size(ngx_shop_unit_t *u)
{
    size_t                   used;
    ngx_str_t                value;
    ngx_uint_t               i;
    ngx_shop_view_t          view;
    ngx_shop_zone_t         *zone;
    ngx_shop_session_t       session;
    ngx_shop_cache_entry_t   entry;
    ngx_shop_cache_stats_t   stats;

    zone = ngx_shop_unit_cache(u);

    ngx_memzero(&session, sizeof(ngx_shop_session_t));

    session.created = 1790000000;
    session.auth_time = 1790000000;
    session.expires = 1800000000;
    session.ttl = (int64_t) 30 * 86400 * 1000;

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    view.tier_since = 1790000000;
    view.points = 1000000;
    view.pending = 1000000;
    view.qualifying = 1000000;
    view.orders = 1000;
    view.spend = 1000000;
    view.last_order = 1790000000;
    view.created = 1790000000;

    for (i = 0; ngx_shop_unit_cache_sizes[i].size; i++) {

        session.customer = ngx_shop_unit_cache_sizes[i].customer;
        session.provider = ngx_shop_unit_cache_sizes[i].provider;
        view.tier = ngx_shop_unit_cache_sizes[i].tier;
        view.segments = ngx_shop_unit_cache_sizes[i].segments;
        view.tier_until = ngx_shop_unit_cache_sizes[i].due;
        view.next_due = ngx_shop_unit_cache_sizes[i].due;

        ngx_shop_cache_stats(zone, &stats);
        used = stats.used;

        (void) ngx_shop_session_pack(u->pool, &session, &value);
        ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_SESSION,
                                  ngx_shop_unit_cache_sizes[i].digest);
        (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
        entry.value = value;
        ngx_shop_cache_set(zone, &entry, 1);

        (void) ngx_shop_view_pack(u->pool, &view, &value);
        ngx_shop_unit_cache_entry(&entry, NGX_SHOP_CACHE_VIEW,
                                  (char *) session.customer.data);
        (void) ngx_shop_unit_cache_get(u, zone, &entry, 1);
        entry.value = value;
        ngx_shop_cache_set(zone, &entry, 1);

        ngx_shop_cache_stats(zone, &stats);

        ngx_shop_unit_is_int(u, (stats.used - used) * NGX_SHOP_ZONE_BLOCK,
                             ngx_shop_unit_cache_sizes[i].size,
                             "a session and its customer");
    }

    ngx_shop_unit_cache_done(u);
}
