
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * The channel by which Redis tells of changes: server-assisted client-side
 * caching, in the form that every server since 6.0 has.
 *
 *     one worker                                   Redis
 *
 *     listener   CLIENT ID, SUBSCRIBE ------------->
 *                           <---------------------- id
 *     tracker    CLIENT TRACKING ON REDIRECT id --->
 *                BCAST PREFIX shop:session: ...
 *
 *     listener   <------ message: keys that anybody wrote, or null: FLUSHALL
 *
 * Neither end learns when the other connection dies: the server goes on
 * sending to nobody, or has nothing to send any more.  So both are asked
 * four times a second, the listener by PING, which comes behind all messages
 * that were sent before, and the tracker by CLIENT TRACKINGINFO (GETREDIR
 * before 6.2), with a deadline.  When both have answered, the channel was
 * alive when they were asked.  If one fails, both are replaced, since a
 * tracker cannot be armed again, and whatever was cached is old.  A server
 * that has become a replica reports nothing: its ROLE is asked, too.
 *
 * All workers profit, one does it: it has a lease in the zone, which it
 * renews with every tick, and leaves to another when it shuts down, is
 * killed, or hangs.
 *
 *     IDLE --> LISTENING --> ARMING --> ARMED
 *       ^          |            |         |
 *       `----------+------------+---------'   after a while, ever longer
 *
 * There is one server at the other end.  Sentinels and clusters have several,
 * and what was told by one of them is not all: see ngx_http_shop_lookup.c for
 * how it is without.
 *
 * Where it cannot be had, be it that the server is too old or the user may
 * not, the cache does without; that is logged once.
 *
 * Messages are arrays of keys; a key that is no such thing is published by
 * hand.  Keys of others, and what we do not cache, are passed over.  The
 * database is not told, so the same key in another one makes us read once
 * too often.
 *
 * Nothing here keeps a worker that shuts down: timers are cancelable and
 * connections idle.
 */


#define NGX_SHOP_REDIS_TRACK_TICK      250  /* milliseconds */
#define NGX_SHOP_REDIS_TRACK_ROLE      4    /* ticks */
#define NGX_SHOP_REDIS_TRACK_WAIT_MAX  2000
#define NGX_SHOP_REDIS_TRACK_EXPECTED  8


typedef struct ngx_shop_redis_half_s  ngx_shop_redis_half_t;

/* takes a reply; what it returns is wrong with it, NULL: nothing */

typedef const char *(*ngx_shop_redis_expect_pt)(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);


typedef enum {
    NGX_SHOP_REDIS_TRACK_IDLE = 0,
    NGX_SHOP_REDIS_TRACK_LISTENING,
    NGX_SHOP_REDIS_TRACK_ARMING,
    NGX_SHOP_REDIS_TRACK_ARMED
} ngx_shop_redis_track_state_e;


/* one of the two connections */

struct ngx_shop_redis_half_s {
    ngx_shop_redis_track_t       *track;
    ngx_shop_peer_t               peer;
    ngx_connection_t             *connection;
    ngx_shop_redis_reader_t      *reader;
    ngx_pool_t                   *pool;     /* of the reply being read */

    ngx_shop_redis_expect_pt      expected[NGX_SHOP_REDIS_TRACK_EXPECTED];
    ngx_uint_t                    nexpected;

    u_char                       *pos;      /* what of "out" is to be sent */
    u_char                       *last;
    u_char                        out[NGX_SHOP_REDIS_BUFFER_SIZE];
};


struct ngx_shop_redis_track_s {
    ngx_shop_redis_t             *redis;
    ngx_shop_zone_t              *zone;
    ngx_log_t                     log;
    ngx_event_t                   timer;

    ngx_shop_redis_track_state_e  state;
    ngx_shop_redis_half_t         listener;
    ngx_shop_redis_half_t         tracker;
    u_char                        id[NGX_INT64_LEN];     /* the listener's */
    size_t                        id_len;

    ngx_msec_t                    deadline; /* of all that is expected */
    ngx_msec_t                    asked;    /* whether it is alive */
    ngx_uint_t                    unanswered;
    ngx_uint_t                    ticks;

    ngx_uint_t                    failures; /* in a row */
    ngx_msec_t                    retry_at;

    unsigned                      told:1;   /* that it does not work */
    unsigned                      no_info:1;     /* TRACKINGINFO */
    unsigned                      no_role:1;
    unsigned                      stopped:1;
};


static void ngx_shop_redis_track_tick(ngx_event_t *ev);
static void ngx_shop_redis_track_look(ngx_shop_redis_track_t *track);
static const char *ngx_shop_redis_track_open(ngx_shop_redis_half_t *half);
static void ngx_shop_redis_track_connected(ngx_shop_peer_t *peer);
static const char *ngx_shop_redis_track_introduce(
    ngx_shop_redis_half_t *half);
static const char *ngx_shop_redis_track_listen(ngx_shop_redis_track_t *track);
static const char *ngx_shop_redis_track_arm(ngx_shop_redis_track_t *track);
static const char *ngx_shop_redis_track_ask(ngx_shop_redis_track_t *track);
static void ngx_shop_redis_track_answered(ngx_shop_redis_track_t *track);

static const char *ngx_shop_redis_track_ok(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_id(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_subscribed(
    ngx_shop_redis_track_t *track, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_armed(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_pong(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_info(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_redir(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_track_role(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply);

static const char *ngx_shop_redis_track_send(ngx_shop_redis_half_t *half,
    ngx_uint_t argc, ngx_str_t *argv, ngx_shop_redis_expect_pt expect);
static void ngx_shop_redis_track_write_handler(ngx_event_t *wev);
static const char *ngx_shop_redis_track_write(ngx_shop_redis_half_t *half);
static void ngx_shop_redis_track_read_handler(ngx_event_t *rev);
static const char *ngx_shop_redis_track_read(ngx_shop_redis_half_t *half);
static const char *ngx_shop_redis_track_replies(ngx_shop_redis_half_t *half);

static ngx_uint_t ngx_shop_redis_track_is(ngx_shop_redis_reply_t *array,
    ngx_uint_t i, const char *text);
static void ngx_shop_redis_track_message(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *payload);
static void ngx_shop_redis_track_key(ngx_shop_redis_track_t *track,
    ngx_str_t *key);

static void ngx_shop_redis_track_fail(ngx_shop_redis_track_t *track,
    const char *why);
static void ngx_shop_redis_track_close(ngx_shop_redis_track_t *track);
static void ngx_shop_redis_track_close_half(ngx_shop_redis_half_t *half);
static u_char *ngx_shop_redis_track_log(ngx_log_t *log, u_char *buf,
    size_t len);


static ngx_str_t  ngx_shop_redis_track_channel =
    ngx_string("__redis__:invalidate");


ngx_shop_redis_track_t *
ngx_shop_redis_track_start(ngx_shop_redis_t *redis, ngx_shop_zone_t *zone,
    ngx_cycle_t *cycle)
{
    ngx_shop_redis_track_t  *track;

    track = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_redis_track_t));
    if (track == NULL) {
        return NULL;
    }

    track->redis = redis;
    track->zone = zone;

    track->listener.track = track;
    track->tracker.track = track;

    track->log = *cycle->log;
    track->log.handler = ngx_shop_redis_track_log;
    track->log.data = track;
    track->log.action = NULL;

    track->timer.handler = ngx_shop_redis_track_tick;
    track->timer.data = track;
    track->timer.log = &track->log;
    track->timer.cancelable = 1;

    ngx_add_timer(&track->timer, 1);

    return track;
}


void
ngx_shop_redis_track_stop(ngx_shop_redis_track_t *track)
{
    if (track->stopped) {
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
    ngx_shop_redis_track_t *track = ev->data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        ngx_shop_redis_track_stop(track);
        return;
    }

    ngx_add_timer(ev, NGX_SHOP_REDIS_TRACK_TICK);

    ngx_shop_redis_track_look(track);
}


static void
ngx_shop_redis_track_look(ngx_shop_redis_track_t *track)
{
    const char  *err;

    if (ngx_shop_cache_hold(track->zone) != NGX_OK) {

        /* another worker does it, perhaps since we hung for too long */

        if (track->state != NGX_SHOP_REDIS_TRACK_IDLE) {
            ngx_shop_redis_track_close(track);
        }

        return;
    }

    if (track->state == NGX_SHOP_REDIS_TRACK_IDLE) {

        if (track->failures == 0
            || (ngx_msec_int_t) (ngx_current_msec - track->retry_at) >= 0)
        {
            track->state = NGX_SHOP_REDIS_TRACK_LISTENING;

            err = ngx_shop_redis_track_open(&track->listener);

            if (err) {
                ngx_shop_redis_track_fail(track, err);
            }
        }

        return;
    }

    if ((track->listener.nexpected || track->tracker.nexpected)
        && (ngx_msec_int_t) (ngx_current_msec - track->deadline) >= 0)
    {
        ngx_shop_redis_track_fail(track, "timed out");
        return;
    }

    if (track->state == NGX_SHOP_REDIS_TRACK_ARMED && track->unanswered == 0)
    {
        err = ngx_shop_redis_track_ask(track);

        if (err) {
            ngx_shop_redis_track_fail(track, err);
        }
    }
}


static const char *
ngx_shop_redis_track_open(ngx_shop_redis_half_t *half)
{
    ngx_shop_peer_t         *peer;
    ngx_shop_redis_track_t  *track;

    track = half->track;
    peer = &half->peer;

    ngx_memzero(peer, sizeof(ngx_shop_peer_t));

    peer->conf = &track->redis->peer;
    peer->handler = ngx_shop_redis_track_connected;
    peer->data = half;
    peer->log = &track->log;

    return ngx_shop_peer_connect(peer) == NGX_ERROR ? "could not connect"
                                                    : NULL;
}


static void
ngx_shop_redis_track_connected(ngx_shop_peer_t *peer)
{
    const char              *err;
    ngx_connection_t        *c;
    ngx_shop_redis_half_t   *half;
    ngx_shop_redis_track_t  *track;

    half = peer->data;
    track = half->track;

    if (peer->rc != NGX_OK) {
        ngx_shop_redis_track_fail(track, "could not connect");
        return;
    }

    c = peer->connection;

    c->data = half;
    c->idle = 1;
    c->log = &track->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_shop_redis_track_read_handler;
    c->write->handler = ngx_shop_redis_track_write_handler;

    half->connection = c;
    half->pos = half->out;
    half->last = half->out;

    half->reader = ngx_shop_redis_reader_create();
    half->pool = ngx_create_pool(NGX_SHOP_REDIS_POOL_SIZE, ngx_cycle->log);

    if (half->reader == NULL || half->pool == NULL) {
        ngx_shop_redis_track_fail(track, "no memory");
        return;
    }

    track->log.action = "setting up the channel of changes";

    err = ngx_shop_redis_track_introduce(half);

    if (err == NULL) {
        err = (half == &track->listener) ? ngx_shop_redis_track_listen(track)
                                         : ngx_shop_redis_track_arm(track);
    }

    if (err) {
        ngx_shop_redis_track_fail(track, err);
        return;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static const char *
ngx_shop_redis_track_introduce(ngx_shop_redis_half_t *half)
{
    ngx_str_t          argv[3];
    ngx_uint_t         argc;
    ngx_shop_redis_t  *redis;

    redis = half->track->redis;

    if (redis->password.len == 0) {
        return NULL;
    }

    argc = 0;

    ngx_str_set(&argv[argc], "AUTH");
    argc++;

    if (redis->user.len) {
        argv[argc++] = redis->user;
    }

    argv[argc++] = redis->password;

    return ngx_shop_redis_track_send(half, argc, argv,
                                     ngx_shop_redis_track_ok);
}


static const char *
ngx_shop_redis_track_listen(ngx_shop_redis_track_t *track)
{
    ngx_str_t    argv[2];
    const char  *err;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "ID");

    err = ngx_shop_redis_track_send(&track->listener, 2, argv,
                                    ngx_shop_redis_track_id);
    if (err) {
        return err;
    }

    ngx_str_set(&argv[0], "SUBSCRIBE");
    argv[1] = ngx_shop_redis_track_channel;

    return ngx_shop_redis_track_send(&track->listener, 2, argv,
                                     ngx_shop_redis_track_subscribed);
}


/* prefixes may not overlap: "session" is the beginning of "sessions:" */

static const char *
ngx_shop_redis_track_arm(ngx_shop_redis_track_t *track)
{
    u_char      *p;
    ngx_str_t    argv[14], *prefix;
    ngx_uint_t   i, n;

    static const char  *kinds[] = { "session:", "view:", "program",
                                    "budget" };

    prefix = &track->redis->prefix;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "TRACKING");
    ngx_str_set(&argv[2], "ON");
    ngx_str_set(&argv[3], "REDIRECT");
    argv[4].data = track->id;
    argv[4].len = track->id_len;
    ngx_str_set(&argv[5], "BCAST");

    n = 6;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {

        ngx_str_set(&argv[n], "PREFIX");
        n++;

        p = ngx_pnalloc(track->tracker.pool,
                        prefix->len + ngx_strlen(kinds[i]));
        if (p == NULL) {
            return "no memory";
        }

        argv[n].data = p;
        argv[n].len = ngx_sprintf(p, "%V%s", prefix, kinds[i]) - p;
        n++;
    }

    return ngx_shop_redis_track_send(&track->tracker, n, argv,
                                     ngx_shop_redis_track_armed);
}


static const char *
ngx_shop_redis_track_ask(ngx_shop_redis_track_t *track)
{
    ngx_str_t    argv[2];
    const char  *err;

    track->log.action = "asking the channel of changes";

    track->asked = ngx_current_msec;
    track->unanswered = 2;

    ngx_str_set(&argv[0], "PING");

    err = ngx_shop_redis_track_send(&track->listener, 1, argv,
                                    ngx_shop_redis_track_pong);
    if (err) {
        return err;
    }

    if (!track->no_role && track->ticks++ % NGX_SHOP_REDIS_TRACK_ROLE == 0) {

        track->unanswered++;
        ngx_str_set(&argv[0], "ROLE");

        err = ngx_shop_redis_track_send(&track->tracker, 1, argv,
                                        ngx_shop_redis_track_role);
        if (err) {
            return err;
        }
    }

    ngx_str_set(&argv[0], "CLIENT");

    if (track->no_info) {
        ngx_str_set(&argv[1], "GETREDIR");

        return ngx_shop_redis_track_send(&track->tracker, 2, argv,
                                         ngx_shop_redis_track_redir);
    }

    ngx_str_set(&argv[1], "TRACKINGINFO");

    return ngx_shop_redis_track_send(&track->tracker, 2, argv,
                                     ngx_shop_redis_track_info);
}


static void
ngx_shop_redis_track_answered(ngx_shop_redis_track_t *track)
{
    if (--track->unanswered) {
        return;
    }

    ngx_shop_cache_proven(track->zone, track->asked);

    track->failures = 0;

    if (track->told) {
        track->told = 0;
        track->log.log_level = track->redis->cycle->log->log_level;

        ngx_log_error(NGX_LOG_NOTICE, &track->log, 0,
                      "redis tells of changes again");
    }
}


/* replies */

static const char *
ngx_shop_redis_track_ok(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    return reply->type == NGX_SHOP_REDIS_STATUS ? NULL : "refused";
}


static const char *
ngx_shop_redis_track_id(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_INTEGER) {
        return "refused";
    }

    track->id_len = ngx_sprintf(track->id, "%L", reply->integer) - track->id;

    return NULL;
}


static const char *
ngx_shop_redis_track_subscribed(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    if (!ngx_shop_redis_track_is(reply, 0, "subscribe")) {
        return "refused";
    }

    track->state = NGX_SHOP_REDIS_TRACK_ARMING;

    return ngx_shop_redis_track_open(&track->tracker);
}


static const char *
ngx_shop_redis_track_armed(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_STATUS) {
        return "refused";
    }

    ngx_shop_cache_armed(track->zone);

    track->state = NGX_SHOP_REDIS_TRACK_ARMED;
    track->ticks = 0;

    return ngx_shop_redis_track_ask(track);
}


static const char *
ngx_shop_redis_track_pong(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    if (!ngx_shop_redis_track_is(reply, 0, "pong")) {
        return "refused";
    }

    ngx_shop_redis_track_answered(track);

    return NULL;
}


/* "flags", [...], "redirect", id, "prefixes", [...] */

static const char *
ngx_shop_redis_track_info(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    ngx_str_t                argv[2];
    ngx_uint_t               i, on;
    ngx_shop_redis_reply_t  *flags;

    if (reply->type == NGX_SHOP_REDIS_FAULT) {
        track->no_info = 1;

        ngx_str_set(&argv[0], "CLIENT");
        ngx_str_set(&argv[1], "GETREDIR");

        return ngx_shop_redis_track_send(&track->tracker, 2, argv,
                                         ngx_shop_redis_track_redir);
    }

    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts < 4
        || !ngx_shop_redis_track_is(reply, 0, "flags")
        || !ngx_shop_redis_track_is(reply, 2, "redirect"))
    {
        return "refused";
    }

    flags = reply->elts[1];
    on = 0;

    for (i = 0; flags->type == NGX_SHOP_REDIS_ARRAY && i < flags->nelts; i++)
    {
        if (ngx_shop_redis_track_is(flags, i, "broken_redirect")) {
            return "lost its redirection";
        }

        if (ngx_shop_redis_track_is(flags, i, "on")) {
            on = 1;
        }
    }

    if (!on) {
        return "was switched off";
    }

    return ngx_shop_redis_track_redir(track, reply->elts[3]);
}


static const char *
ngx_shop_redis_track_redir(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_INTEGER) {
        return "refused";
    }

    if (reply->integer != (int64_t) ngx_atoof(track->id, track->id_len)) {
        return "lost its redirection";
    }

    ngx_shop_redis_track_answered(track);

    return NULL;
}


static const char *
ngx_shop_redis_track_role(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type == NGX_SHOP_REDIS_FAULT) {

        /* it may not be asked */

        track->no_role = 1;

    } else if (!ngx_shop_redis_track_is(reply, 0, "master")) {
        return "comes from a replica";
    }

    ngx_shop_redis_track_answered(track);

    return NULL;
}


/* bytes */

static const char *
ngx_shop_redis_track_send(ngx_shop_redis_half_t *half, ngx_uint_t argc,
    ngx_str_t *argv, ngx_shop_redis_expect_pt expect)
{
    ngx_str_t                wire;
    ngx_shop_redis_track_t  *track;

    track = half->track;

    if (half->pos == half->last) {
        half->pos = half->out;
        half->last = half->out;
    }

    if (half->nexpected == NGX_SHOP_REDIS_TRACK_EXPECTED
        || ngx_shop_redis_format(half->pool, argc, argv, &wire) != NGX_OK
        || wire.len > (size_t) (half->out + sizeof(half->out) - half->last))
    {
        return "has no room";
    }

    half->last = ngx_cpymem(half->last, wire.data, wire.len);

    /* the password may be in there */

    ngx_shop_zero(wire.data, wire.len);

    half->expected[half->nexpected++] = expect;

    track->deadline = ngx_current_msec + track->redis->timeout;

    return ngx_shop_redis_track_write(half);
}


static void
ngx_shop_redis_track_write_handler(ngx_event_t *wev)
{
    const char             *err;
    ngx_connection_t       *c;
    ngx_shop_redis_half_t  *half;

    c = wev->data;
    half = c->data;

    err = ngx_shop_redis_track_write(half);

    if (err) {
        ngx_shop_redis_track_fail(half->track, err);
    }
}


static const char *
ngx_shop_redis_track_write(ngx_shop_redis_half_t *half)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = half->connection;

    while (half->pos < half->last && c->write->ready) {

        n = c->send(c, half->pos, half->last - half->pos);

        if (n == NGX_ERROR) {
            return "was closed";
        }

        if (n == NGX_AGAIN || n == 0) {
            break;
        }

        ngx_shop_zero(half->pos, n);
        half->pos += n;
    }

    return ngx_handle_write_event(c->write, 0) == NGX_OK ? NULL
                                                         : "was closed";
}


static void
ngx_shop_redis_track_read_handler(ngx_event_t *rev)
{
    const char              *err;
    ngx_connection_t        *c;
    ngx_shop_redis_half_t   *half;
    ngx_shop_redis_track_t  *track;

    c = rev->data;
    half = c->data;
    track = half->track;

    if (c->close) {

        /* the worker shuts down, another may begin at once */

        ngx_shop_redis_track_stop(track);
        return;
    }

    err = ngx_shop_redis_track_read(half);

    if (err) {
        ngx_shop_redis_track_fail(track, err);
    }
}


static const char *
ngx_shop_redis_track_read(ngx_shop_redis_half_t *half)
{
    ssize_t            n;
    const char        *err;
    ngx_connection_t  *c;
    u_char             buf[NGX_SHOP_REDIS_BUFFER_SIZE];

    c = half->connection;

    do {
        n = c->recv(c, buf, NGX_SHOP_REDIS_BUFFER_SIZE);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0 || n == NGX_ERROR) {
            return "was closed";
        }

        if (ngx_shop_redis_reader_feed(half->reader, buf, n) != NGX_OK) {
            return "sent what is no reply";
        }

        err = ngx_shop_redis_track_replies(half);

        if (err) {
            return err;
        }

    } while (c->read->ready);

    return ngx_handle_read_event(c->read, 0) == NGX_OK ? NULL : "was closed";
}


static const char *
ngx_shop_redis_track_replies(ngx_shop_redis_half_t *half)
{
    ngx_int_t                  rc;
    const char                *err;
    ngx_shop_redis_reply_t    *reply;
    ngx_shop_redis_track_t    *track;
    ngx_shop_redis_expect_pt   expect;

    track = half->track;

    while (ngx_shop_redis_reader_more(half->reader)) {

        rc = ngx_shop_redis_reader_next(half->reader, half->pool, &reply);

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc == NGX_ERROR) {
            return "sent what is no reply";
        }

        if (half == &track->listener
            && ngx_shop_redis_track_is(reply, 0, "message")
            && reply->nelts == 3)
        {
            ngx_shop_redis_track_message(track, reply->elts[2]);

        } else {

            if (half->nexpected == 0) {
                return "sent a reply that nobody asked for";
            }

            expect = half->expected[0];

            half->nexpected--;
            ngx_memmove(&half->expected[0], &half->expected[1],
                        half->nexpected * sizeof(half->expected[0]));

            err = expect(track, reply);

            if (err) {
                return err;
            }
        }

        ngx_reset_pool(half->pool);
    }

    return NULL;
}


/* 1: element "i" of this array is "text" */

static ngx_uint_t
ngx_shop_redis_track_is(ngx_shop_redis_reply_t *array, ngx_uint_t i,
    const char *text)
{
    ngx_str_t  value;

    return array->type == NGX_SHOP_REDIS_ARRAY
           && i < array->nelts
           && ngx_shop_redis_text(array, i, &value) == NGX_OK
           && value.len == ngx_strlen(text)
           && ngx_strncmp(value.data, text, value.len) == 0;
}


static void
ngx_shop_redis_track_message(ngx_shop_redis_track_t *track,
    ngx_shop_redis_reply_t *payload)
{
    ngx_str_t   key;
    ngx_uint_t  i;

    switch (payload->type) {

    case NGX_SHOP_REDIS_NIL:
        ngx_shop_cache_flush(track->zone);
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


/* the end of both, for now; after the first line it fails in silence */

static void
ngx_shop_redis_track_fail(ngx_shop_redis_track_t *track, const char *why)
{
    ngx_uint_t  i;
    ngx_msec_t  wait;

    ngx_shop_redis_track_close(track);

    wait = NGX_SHOP_REDIS_TRACK_TICK;

    for (i = 0; i < track->failures && wait < NGX_SHOP_REDIS_TRACK_WAIT_MAX;
         i++)
    {
        wait *= 2;
    }

    wait = ngx_min(wait, NGX_SHOP_REDIS_TRACK_WAIT_MAX);

    track->failures++;
    track->retry_at = ngx_current_msec + (ngx_msec_t) ngx_random() % wait;

    if (track->told) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, &track->log, 0,
                  "the channel of changes %s, until it works again what is "
                  "cached may be old for as long as the \"ttl\" of "
                  "\"shop_zone\"", why);

    track->told = 1;

    if (!(track->log.log_level & NGX_LOG_DEBUG_ALL)) {
        track->log.log_level = ngx_min(track->log.log_level, NGX_LOG_CRIT);
    }
}


static void
ngx_shop_redis_track_close(ngx_shop_redis_track_t *track)
{
    ngx_shop_cache_lost(track->zone);

    ngx_shop_redis_track_close_half(&track->listener);
    ngx_shop_redis_track_close_half(&track->tracker);

    track->state = NGX_SHOP_REDIS_TRACK_IDLE;
    track->unanswered = 0;
}


static void
ngx_shop_redis_track_close_half(ngx_shop_redis_half_t *half)
{
    ngx_shop_peer_cancel(&half->peer);

    if (half->connection) {
        ngx_shop_peer_close(half->connection);
        half->connection = NULL;
    }

    /* the reader before the pool, which holds what it has half-read */

    if (half->reader) {
        ngx_shop_redis_reader_free(half->reader);
        half->reader = NULL;
    }

    if (half->pool) {
        ngx_destroy_pool(half->pool);
        half->pool = NULL;
    }

    if (half->pos < half->last) {
        ngx_shop_zero(half->pos, half->last - half->pos);
    }

    half->pos = half->out;
    half->last = half->out;
    half->nexpected = 0;
}


static u_char *
ngx_shop_redis_track_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                  *p;
    ngx_shop_redis_track_t  *track;

    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
    }

    track = log->data;

    return ngx_snprintf(p, len, ", redis: \"%V\"", &track->redis->text);
}
