
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Which channels there are by which Redis tells of changes, and whose keys
 * each of them is about; what one is like is in ngx_shop_redis_channel.c.
 *
 *                        parts of the cache        channels
 *     one server         one                       one
 *     sentinels          one                       one, to the master
 *     cluster            each partition            one to each primary that
 *                                                  has a partition
 *
 * All workers profit, one does it: it has a lease in the zone, which it
 * renews with every tick, and leaves to another when it shuts down, is
 * killed, or hangs.
 *
 * A promotion, and a slot that is taken over, are told by nobody.  But then
 * something else than before is to be asked for the keys, and whoever finds
 * out says so at once: a worker whose command was sent elsewhere, or the
 * holder.  The holder asks the sentinels, or one node after the other for
 * the map of the slots, once a second, without waiting for a reason.  What
 * was cached of such a part is old from then on, and for "ttl" only is what
 * is read until the channel of the new server works.  A node that cannot be
 * reached takes the trust in its own parts with it, and no other's.
 *
 * The first map of a new holder is one that it asks for: its last one may be
 * of long ago.
 *
 * While a slot is on its way (ASK), some of its keys are with another node
 * than the one whose channel counts.  These are not cached at all; see
 * ngx_shop_cache_set().
 *
 * Messages are arrays of keys; a key that is no such thing is published by
 * hand.  Keys of others, and what we do not cache, are passed over.  The
 * database is not told, so the same key in another one makes us read once
 * too often.
 */


#define NGX_SHOP_REDIS_TRACK_TICK   250     /* milliseconds */
#define NGX_SHOP_REDIS_TRACK_MAP    4       /* ticks */


static ngx_int_t ngx_shop_redis_track_parts(ngx_shop_redis_track_t *track);
static void ngx_shop_redis_track_tick(ngx_event_t *ev);
static void ngx_shop_redis_track_refresh(ngx_shop_redis_track_t *track);
static void ngx_shop_redis_track_close(ngx_shop_redis_track_t *track);
static ngx_shop_redis_node_t *ngx_shop_redis_track_node(
    ngx_shop_redis_track_t *track, ngx_uint_t part);
static void ngx_shop_redis_track_sweep(ngx_shop_redis_track_t *track);
static ngx_uint_t ngx_shop_redis_track_link(ngx_shop_redis_track_t *track,
    ngx_shop_redis_node_t *node);
static void ngx_shop_redis_track_key(ngx_shop_redis_track_t *track,
    ngx_str_t *key);


ngx_int_t
ngx_shop_redis_track_start(ngx_shop_redis_t *redis, ngx_shop_zone_t *zone,
    ngx_cycle_t *cycle)
{
    ngx_shop_redis_track_t  *track;

    track = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_redis_track_t));
    if (track == NULL) {
        return NGX_ERROR;
    }

    track->redis = redis;
    track->zone = zone;
    track->nlinks = ngx_shop_cache_links(zone);
    track->nparts = (redis->slots != NULL) ? redis->partitions : 1;

    track->channels = ngx_pcalloc(cycle->pool, track->nlinks
                                        * sizeof(ngx_shop_redis_channel_t *));
    track->links = ngx_palloc(cycle->pool, track->nparts * sizeof(uint32_t));

    if (track->channels == NULL || track->links == NULL
        || (redis->slots != NULL
            && ngx_shop_redis_track_parts(track) != NGX_OK))
    {
        return NGX_ERROR;
    }

    track->timer.handler = ngx_shop_redis_track_tick;
    track->timer.data = track;
    track->timer.log = cycle->log;
    track->timer.cancelable = 1;

    ngx_add_timer(&track->timer, 1);

    redis->track = track;

    return NGX_OK;
}


/* the hash tag of a partition is its number */

static ngx_int_t
ngx_shop_redis_track_parts(ngx_shop_redis_track_t *track)
{
    ngx_str_t   tag;
    ngx_uint_t  i;
    u_char      buf[NGX_INT_T_LEN];

    track->slots = ngx_palloc(track->redis->cycle->pool,
                              track->nparts * sizeof(uint16_t));
    if (track->slots == NULL) {
        return NGX_ERROR;
    }

    tag.data = buf;

    for (i = 0; i < track->nparts; i++) {
        tag.len = ngx_sprintf(buf, "%ui", i) - buf;
        track->slots[i] = (uint16_t) ngx_shop_redis_slot(&tag);
    }

    return NGX_OK;
}


void
ngx_shop_redis_track_stop(ngx_shop_redis_t *redis)
{
    ngx_shop_redis_track_t  *track;

    track = redis->track;

    if (track == NULL || track->stopped) {
        return;
    }

    track->stopped = 1;

    if (track->timer.timer_set) {
        ngx_del_timer(&track->timer);
    }

    ngx_shop_redis_track_close(track);
    ngx_shop_cache_release(track->zone);
}


static void
ngx_shop_redis_track_tick(ngx_event_t *ev)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_shop_redis_track_t  *track;

    track = ev->data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        ngx_shop_redis_track_stop(track->redis);
        return;
    }

    ngx_add_timer(ev, NGX_SHOP_REDIS_TRACK_TICK);

    rc = ngx_shop_cache_hold(track->zone);

    if (rc == NGX_OK && !track->holder) {

        /* the lease of one that died, and whose process id we have got */

        ngx_shop_cache_release(track->zone);
        return;
    }

    if (rc != NGX_OK) {

        /* another worker does it, perhaps since we hung for too long */

        ngx_shop_redis_track_close(track);

        if (rc == NGX_DECLINED) {
            return;
        }

        ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                      "this worker holds the channels of changes");

        track->holder = 1;
        track->ticks = 0;

        if (track->slots == NULL) {
            ngx_shop_redis_track_update(track->redis);
        }
    }

    ngx_shop_redis_track_refresh(track);

    for (i = 0; i < track->nlinks; i++) {
        if (track->channels[i]) {
            ngx_shop_redis_channel_look(track->channels[i]);
        }
    }
}


static void
ngx_shop_redis_track_refresh(ngx_shop_redis_track_t *track)
{
    ngx_uint_t  moves;

    moves = ngx_shop_cache_moves(track->zone);

    if (track->ticks++ % NGX_SHOP_REDIS_TRACK_MAP == 0
        || track->moves != moves)
    {
        track->moves = moves;
        ngx_shop_redis_topology_want(track->redis);
    }
}


static void
ngx_shop_redis_track_close(ngx_shop_redis_track_t *track)
{
    ngx_uint_t  i;

    track->holder = 0;

    for (i = 0; i < track->nlinks; i++) {
        if (track->channels[i]) {
            ngx_shop_redis_channel_destroy(track->channels[i]);
        }
    }
}


void
ngx_shop_redis_track_update(ngx_shop_redis_t *redis)
{
    ngx_uint_t               i;
    ngx_msec_t               asked;
    ngx_shop_redis_node_t   *node;
    ngx_shop_redis_track_t  *track;

    track = redis->track;

    if (track == NULL || !track->holder) {
        return;
    }

    ngx_shop_redis_track_sweep(track);

    for (i = 0; i < track->nparts; i++) {
        node = ngx_shop_redis_track_node(track, i);

        track->links[i] = (node != NULL)
                          ? (uint32_t) ngx_shop_redis_track_link(track, node)
                          : NGX_SHOP_CACHE_NONE;
    }

    asked = redis->topology ? redis->topology->asked : ngx_current_msec;

    if (ngx_shop_cache_assign(track->zone, track->links, track->nparts, asked)
        != NGX_OK)
    {
        ngx_shop_redis_topology_want(redis);
    }
}


/* NULL: not known */

static ngx_shop_redis_node_t *
ngx_shop_redis_track_node(ngx_shop_redis_track_t *track, ngx_uint_t part)
{
    return track->slots ? track->redis->slots[track->slots[part]]
                        : track->redis->node;
}


/* closes the channels of nodes that have no part any more */

static void
ngx_shop_redis_track_sweep(ngx_shop_redis_track_t *track)
{
    ngx_uint_t                i, n;
    ngx_shop_redis_channel_t *channel;

    for (i = 0; i < track->nlinks; i++) {

        channel = track->channels[i];

        if (channel == NULL) {
            continue;
        }

        for (n = 0; n < track->nparts; n++) {
            if (ngx_shop_redis_track_node(track, n)
                == ngx_shop_redis_channel_node(channel))
            {
                break;
            }
        }

        if (n == track->nparts) {
            ngx_shop_redis_channel_leave(channel);
        }
    }
}


/* the link of a node's channel, which is made if there is none */

static ngx_uint_t
ngx_shop_redis_track_link(ngx_shop_redis_track_t *track,
    ngx_shop_redis_node_t *node)
{
    ngx_uint_t                i;
    ngx_shop_redis_channel_t *channel;

    for (i = 0; i < track->nlinks; i++) {
        if (track->channels[i] == node->channel) {
            break;
        }
    }

    if (i == track->nlinks) {
        return NGX_SHOP_CACHE_NONE;
    }

    if (node->channel == NULL) {
        channel = ngx_shop_redis_channel_create(track, node, i);

        if (channel == NULL) {
            return NGX_SHOP_CACHE_NONE;
        }

        ngx_shop_redis_channel_look(channel);
    }

    return i;
}


void
ngx_shop_redis_track_moved(ngx_shop_redis_t *redis, ngx_uint_t slot)
{
    ngx_uint_t               i;
    ngx_shop_redis_track_t  *track;

    track = redis->track;

    if (track == NULL || track->stopped) {
        return;
    }

    for (i = 0; i < track->nparts; i++) {
        if (track->slots[i] == slot) {
            ngx_shop_cache_moved(track->zone, i);
        }
    }
}


void
ngx_shop_redis_track_told(ngx_shop_redis_track_t *track, ngx_uint_t link,
    ngx_shop_redis_reply_t *payload)
{
    ngx_str_t   key;
    ngx_uint_t  i;

    switch (payload->type) {

    case NGX_SHOP_REDIS_NIL:
        track->changes++;
        ngx_shop_cache_flush(track->zone, link);
        break;

    case NGX_SHOP_REDIS_ARRAY:

        for (i = 0; i < payload->nelts; i++) {
            if (ngx_shop_redis_text(payload, i, &key) == NGX_OK) {
                ngx_shop_redis_track_key(track, &key);
            }
        }

        break;

    case NGX_SHOP_REDIS_STRING:
        ngx_shop_redis_track_key(track, &payload->str);
        break;

    default:
        break;
    }
}


/* "shop:session:{NN}:ID:HASH" and "shop:view:{NN}:ID"; IDs may hold ":" */

static void
ngx_shop_redis_track_key(ngx_shop_redis_track_t *track, ngx_str_t *key)
{
    u_char      *p, *last;
    ngx_int_t    n;
    ngx_str_t    name, *prefix;
    ngx_uint_t   i, session;
    u_char       digest[NGX_SHOP_SHA256_LEN];

    prefix = &track->redis->prefix;

    p = key->data;
    last = p + key->len;

    if (key->len < prefix->len
        || ngx_memcmp(p, prefix->data, prefix->len) != 0)
    {
        return;
    }

    p += prefix->len;

    if (last - p == 7 && ngx_strncmp(p, "program", 7) == 0) {
        track->changes++;
        return;
    }

    if (last - p > 9 && ngx_strncmp(p, "session:{", 9) == 0) {
        session = 1;
        p += 9;

    } else if (last - p > 6 && ngx_strncmp(p, "view:{", 6) == 0) {
        session = 0;
        p += 6;

    } else {
        return;
    }

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    if (last - p < 3 || p[0] != '}' || p[1] != ':') {
        return;
    }

    p += 2;

    if (!session) {
        name.data = p;
        name.len = last - p;

        ngx_shop_cache_drop(track->zone, NGX_SHOP_CACHE_VIEW, &name);
        return;
    }

    if (last - p < 2 * NGX_SHOP_SHA256_LEN) {
        return;
    }

    p = last - 2 * NGX_SHOP_SHA256_LEN;

    for (i = 0; i < NGX_SHOP_SHA256_LEN; i++) {

        n = ngx_hextoi(p + 2 * i, 2);
        if (n == NGX_ERROR) {
            return;
        }

        digest[i] = (u_char) n;
    }

    name.data = digest;
    name.len = NGX_SHOP_SHA256_LEN;

    ngx_shop_cache_drop(track->zone, NGX_SHOP_CACHE_SESSION, &name);
}


/* the key may be with a node that has no partition, and so no channel */

ngx_int_t
ngx_shop_redis_track_program(ngx_shop_redis_t *redis, ngx_str_t *key,
    ngx_uint_t *changes)
{
    ngx_int_t                rc;
    ngx_shop_redis_node_t   *node;
    ngx_shop_redis_track_t  *track;

    track = redis->track;

    if (track == NULL || !track->holder) {
        return NGX_DECLINED;
    }

    /* one that hung may be so no more, which its next tick will find, too */

    rc = ngx_shop_cache_hold(track->zone);

    if (rc != NGX_OK) {

        if (rc == NGX_DONE) {
            ngx_shop_cache_release(track->zone);
        }

        return NGX_DECLINED;
    }

    *changes = track->changes;

    node = redis->slots ? redis->slots[ngx_shop_redis_slot(key)]
                        : redis->node;

    return (node != NULL && node->channel != NULL
            && ngx_shop_redis_channel_tells(node->channel))
           ? NGX_OK : NGX_AGAIN;
}
