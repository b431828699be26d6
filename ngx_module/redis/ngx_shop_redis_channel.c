
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * The channel by which a server tells of changes: server-assisted client-side
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
 *     IDLE --> LISTENING --> ARMING --> ARMED
 *       ^          |            |         |
 *       `----------+------------+---------'   after a while, ever longer
 *
 * Which channels there are, and who holds them, is said by
 * ngx_shop_redis_track.c.  In a cluster a server tells of the keys that it
 * has itself; a key that is migrated is told of by both sides.
 *
 * Where it cannot be had, be it that the server is too old or the user may
 * not, the cache does without; that is logged once.
 *
 * Nothing here keeps a worker that shuts down: timers are cancelable and
 * connections idle.
 */


#define NGX_SHOP_REDIS_CHANNEL_ROLE      4    /* looks */
#define NGX_SHOP_REDIS_CHANNEL_WAIT_MIN  250  /* milliseconds */
#define NGX_SHOP_REDIS_CHANNEL_WAIT_MAX  2000


typedef enum {
    NGX_SHOP_REDIS_CHANNEL_IDLE = 0,
    NGX_SHOP_REDIS_CHANNEL_LISTENING,
    NGX_SHOP_REDIS_CHANNEL_ARMING,
    NGX_SHOP_REDIS_CHANNEL_ARMED
} ngx_shop_redis_channel_state_e;


struct ngx_shop_redis_channel_s {
    ngx_shop_redis_track_t         *track;
    ngx_shop_redis_node_t          *node;
    ngx_uint_t                      link;
    ngx_pool_t                     *pool;
    ngx_log_t                       log;

    ngx_shop_redis_channel_state_e  state;
    ngx_shop_redis_half_t           listener;
    ngx_shop_redis_half_t           tracker;
    u_char                          id[NGX_INT64_LEN];   /* the listener's */
    size_t                          id_len;

    ngx_msec_t                      deadline;   /* of all that is expected */
    ngx_msec_t                      asked;  /* whether it is alive */
    ngx_uint_t                      unanswered;
    ngx_uint_t                      looks;

    ngx_uint_t                      failures;   /* in a row */
    ngx_msec_t                      retry_at;

    unsigned                        told:1; /* that it does not work */
    unsigned                        no_info:1;  /* TRACKINGINFO */
    unsigned                        no_role:1;
};


static const char *ngx_shop_redis_channel_open(ngx_shop_redis_half_t *half);
static void ngx_shop_redis_channel_connected(ngx_shop_peer_t *peer);
static const char *ngx_shop_redis_channel_introduce(
    ngx_shop_redis_half_t *half);
static const char *ngx_shop_redis_channel_listen(
    ngx_shop_redis_channel_t *channel);
static const char *ngx_shop_redis_channel_arm(
    ngx_shop_redis_channel_t *channel);
static const char *ngx_shop_redis_channel_ask(
    ngx_shop_redis_channel_t *channel);
static void ngx_shop_redis_channel_answered(ngx_shop_redis_channel_t *channel);

static const char *ngx_shop_redis_channel_ok(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_id(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_subscribed(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_armed(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_pong(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_info(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_redir(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);
static const char *ngx_shop_redis_channel_role(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);

static const char *ngx_shop_redis_channel_send(ngx_shop_redis_half_t *half,
    ngx_uint_t argc, ngx_str_t *argv, ngx_shop_redis_expect_pt expect);
static ngx_uint_t ngx_shop_redis_channel_is(ngx_shop_redis_reply_t *array,
    ngx_uint_t i, const char *text);

static void ngx_shop_redis_channel_close(ngx_shop_redis_channel_t *channel);


static ngx_str_t  ngx_shop_redis_channel_name =
    ngx_string("__redis__:invalidate");


ngx_shop_redis_channel_t *
ngx_shop_redis_channel_create(ngx_shop_redis_track_t *track,
    ngx_shop_redis_node_t *node, ngx_uint_t link)
{
    ngx_pool_t                *pool;
    ngx_shop_redis_channel_t  *channel;

    pool = ngx_create_pool(1024, track->redis->cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    channel = ngx_pcalloc(pool, sizeof(ngx_shop_redis_channel_t));
    if (channel == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    channel->track = track;
    channel->node = node;
    channel->link = link;
    channel->pool = pool;

    channel->listener.channel = channel;
    channel->tracker.channel = channel;

    channel->log = *track->redis->cycle->log;
    channel->log.handler = ngx_shop_redis_node_log;
    channel->log.data = node;
    channel->log.action = NULL;

    node->channel = channel;
    track->channels[link] = channel;

    ngx_shop_cache_open(track->zone, link, node->id);

    return channel;
}


void
ngx_shop_redis_channel_destroy(ngx_shop_redis_channel_t *channel)
{
    ngx_shop_redis_channel_close(channel);

    ngx_shop_cache_close(channel->track->zone, channel->link);

    channel->node->channel = NULL;
    channel->track->channels[channel->link] = NULL;

    ngx_destroy_pool(channel->pool);
}


void
ngx_shop_redis_channel_leave(ngx_shop_redis_channel_t *channel)
{
    ngx_shop_cache_leave(channel->track->zone, channel->link);

    ngx_shop_redis_channel_destroy(channel);
}


ngx_shop_redis_node_t *
ngx_shop_redis_channel_node(ngx_shop_redis_channel_t *channel)
{
    return channel->node;
}


ngx_uint_t
ngx_shop_redis_channel_tells(ngx_shop_redis_channel_t *channel)
{
    return channel->state == NGX_SHOP_REDIS_CHANNEL_ARMED;
}


void
ngx_shop_redis_channel_look(ngx_shop_redis_channel_t *channel)
{
    const char  *err;

    if (channel->state == NGX_SHOP_REDIS_CHANNEL_IDLE) {

        if (channel->failures == 0
            || (ngx_msec_int_t) (ngx_current_msec - channel->retry_at) >= 0)
        {
            channel->state = NGX_SHOP_REDIS_CHANNEL_LISTENING;

            err = ngx_shop_redis_channel_open(&channel->listener);

            if (err) {
                ngx_shop_redis_channel_fail(channel, err);
            }
        }

        return;
    }

    if ((channel->listener.nexpected || channel->tracker.nexpected)
        && (ngx_msec_int_t) (ngx_current_msec - channel->deadline) >= 0)
    {
        ngx_shop_redis_channel_fail(channel, "timed out");
        return;
    }

    if (channel->state == NGX_SHOP_REDIS_CHANNEL_ARMED
        && channel->unanswered == 0)
    {
        err = ngx_shop_redis_channel_ask(channel);

        if (err) {
            ngx_shop_redis_channel_fail(channel, err);
        }
    }
}


static const char *
ngx_shop_redis_channel_open(ngx_shop_redis_half_t *half)
{
    ngx_shop_peer_t           *peer;
    ngx_shop_redis_channel_t  *channel;

    channel = half->channel;
    peer = &half->peer;

    ngx_memzero(peer, sizeof(ngx_shop_peer_t));

    peer->conf = &channel->node->peer;
    peer->handler = ngx_shop_redis_channel_connected;
    peer->data = half;
    peer->log = &channel->log;

    return ngx_shop_peer_connect(peer) == NGX_ERROR ? "could not connect"
                                                    : NULL;
}


static void
ngx_shop_redis_channel_connected(ngx_shop_peer_t *peer)
{
    const char                *err;
    ngx_connection_t          *c;
    ngx_shop_redis_half_t     *half;
    ngx_shop_redis_channel_t  *channel;

    half = peer->data;
    channel = half->channel;

    if (peer->rc != NGX_OK) {
        ngx_shop_redis_channel_fail(channel, "could not connect");
        return;
    }

    c = peer->connection;

    channel->log.action = "setting up the channel of changes";

    err = ngx_shop_redis_half_init(half, c, &channel->log);

    if (err == NULL) {
        err = ngx_shop_redis_channel_introduce(half);
    }

    if (err == NULL) {
        err = (half == &channel->listener)
              ? ngx_shop_redis_channel_listen(channel)
              : ngx_shop_redis_channel_arm(channel);
    }

    if (err) {
        ngx_shop_redis_channel_fail(channel, err);
        return;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static const char *
ngx_shop_redis_channel_introduce(ngx_shop_redis_half_t *half)
{
    ngx_str_t          argv[3];
    ngx_uint_t         argc;
    ngx_shop_redis_t  *redis;

    redis = half->channel->track->redis;

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

    return ngx_shop_redis_channel_send(half, argc, argv,
                                       ngx_shop_redis_channel_ok);
}


static const char *
ngx_shop_redis_channel_listen(ngx_shop_redis_channel_t *channel)
{
    ngx_str_t    argv[2];
    const char  *err;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "ID");

    err = ngx_shop_redis_channel_send(&channel->listener, 2, argv,
                                      ngx_shop_redis_channel_id);
    if (err) {
        return err;
    }

    ngx_str_set(&argv[0], "SUBSCRIBE");
    argv[1] = ngx_shop_redis_channel_name;

    return ngx_shop_redis_channel_send(&channel->listener, 2, argv,
                                       ngx_shop_redis_channel_subscribed);
}


/* prefixes may not overlap: "session" is the beginning of "sessions:" */

static const char *
ngx_shop_redis_channel_arm(ngx_shop_redis_channel_t *channel)
{
    u_char      *p;
    ngx_str_t    argv[14], *prefix;
    ngx_uint_t   i, n;

    static const char  *kinds[] = { "session:", "view:", "program",
                                    "budget" };

    prefix = &channel->track->redis->prefix;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "TRACKING");
    ngx_str_set(&argv[2], "ON");
    ngx_str_set(&argv[3], "REDIRECT");
    argv[4].data = channel->id;
    argv[4].len = channel->id_len;
    ngx_str_set(&argv[5], "BCAST");

    n = 6;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {

        ngx_str_set(&argv[n], "PREFIX");
        n++;

        p = ngx_pnalloc(channel->tracker.pool,
                        prefix->len + ngx_strlen(kinds[i]));
        if (p == NULL) {
            return "no memory";
        }

        argv[n].data = p;
        argv[n].len = ngx_sprintf(p, "%V%s", prefix, kinds[i]) - p;
        n++;
    }

    return ngx_shop_redis_channel_send(&channel->tracker, n, argv,
                                       ngx_shop_redis_channel_armed);
}


static const char *
ngx_shop_redis_channel_ask(ngx_shop_redis_channel_t *channel)
{
    ngx_str_t    argv[2];
    const char  *err;

    channel->log.action = "asking the channel of changes";

    channel->asked = ngx_current_msec;
    channel->unanswered = 2;

    ngx_str_set(&argv[0], "PING");

    err = ngx_shop_redis_channel_send(&channel->listener, 1, argv,
                                      ngx_shop_redis_channel_pong);
    if (err) {
        return err;
    }

    if (!channel->no_role
        && channel->looks++ % NGX_SHOP_REDIS_CHANNEL_ROLE == 0)
    {
        channel->unanswered++;
        ngx_str_set(&argv[0], "ROLE");

        err = ngx_shop_redis_channel_send(&channel->tracker, 1, argv,
                                          ngx_shop_redis_channel_role);
        if (err) {
            return err;
        }
    }

    ngx_str_set(&argv[0], "CLIENT");

    if (channel->no_info) {
        ngx_str_set(&argv[1], "GETREDIR");

        return ngx_shop_redis_channel_send(&channel->tracker, 2, argv,
                                           ngx_shop_redis_channel_redir);
    }

    ngx_str_set(&argv[1], "TRACKINGINFO");

    return ngx_shop_redis_channel_send(&channel->tracker, 2, argv,
                                       ngx_shop_redis_channel_info);
}


static void
ngx_shop_redis_channel_answered(ngx_shop_redis_channel_t *channel)
{
    if (--channel->unanswered) {
        return;
    }

    ngx_shop_cache_proven(channel->track->zone, channel->link,
                          channel->asked);

    channel->failures = 0;

    if (channel->told) {
        channel->told = 0;
        channel->log.log_level = channel->node->redis->cycle->log->log_level;

        ngx_log_error(NGX_LOG_NOTICE, &channel->log, 0,
                      "redis tells of changes again");
    }
}


/* replies */

static const char *
ngx_shop_redis_channel_ok(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    return reply->type == NGX_SHOP_REDIS_STATUS ? NULL : "refused";
}


static const char *
ngx_shop_redis_channel_id(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_INTEGER) {
        return "refused";
    }

    channel->id_len = ngx_sprintf(channel->id, "%L", reply->integer)
                      - channel->id;

    return NULL;
}


static const char *
ngx_shop_redis_channel_subscribed(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    if (!ngx_shop_redis_channel_is(reply, 0, "subscribe")) {
        return "refused";
    }

    channel->state = NGX_SHOP_REDIS_CHANNEL_ARMING;

    return ngx_shop_redis_channel_open(&channel->tracker);
}


static const char *
ngx_shop_redis_channel_armed(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_STATUS) {
        return "refused";
    }

    ngx_shop_cache_armed(channel->track->zone, channel->link);

    channel->track->changes++;

    channel->state = NGX_SHOP_REDIS_CHANNEL_ARMED;
    channel->looks = 0;

    /* what could not be asked before may be by now */

    channel->no_info = 0;
    channel->no_role = 0;

    return ngx_shop_redis_channel_ask(channel);
}


static const char *
ngx_shop_redis_channel_pong(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    if (!ngx_shop_redis_channel_is(reply, 0, "pong")) {
        return "refused";
    }

    ngx_shop_redis_channel_answered(channel);

    return NULL;
}


/* "flags", [...], "redirect", id, "prefixes", [...] */

static const char *
ngx_shop_redis_channel_info(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    ngx_str_t                argv[2];
    ngx_uint_t               i, on;
    ngx_shop_redis_reply_t  *flags;

    if (reply->type == NGX_SHOP_REDIS_FAULT) {
        channel->no_info = 1;

        ngx_str_set(&argv[0], "CLIENT");
        ngx_str_set(&argv[1], "GETREDIR");

        return ngx_shop_redis_channel_send(&channel->tracker, 2, argv,
                                           ngx_shop_redis_channel_redir);
    }

    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts < 4
        || !ngx_shop_redis_channel_is(reply, 0, "flags")
        || !ngx_shop_redis_channel_is(reply, 2, "redirect"))
    {
        return "refused";
    }

    flags = reply->elts[1];
    on = 0;

    for (i = 0; flags->type == NGX_SHOP_REDIS_ARRAY && i < flags->nelts; i++)
    {
        if (ngx_shop_redis_channel_is(flags, i, "broken_redirect")) {
            return "lost its redirection";
        }

        if (ngx_shop_redis_channel_is(flags, i, "on")) {
            on = 1;
        }
    }

    if (!on) {
        return "was switched off";
    }

    return ngx_shop_redis_channel_redir(channel, reply->elts[3]);
}


static const char *
ngx_shop_redis_channel_redir(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_INTEGER) {
        return "refused";
    }

    if (reply->integer != (int64_t) ngx_atoof(channel->id, channel->id_len)) {
        return "lost its redirection";
    }

    ngx_shop_redis_channel_answered(channel);

    return NULL;
}


static const char *
ngx_shop_redis_channel_role(ngx_shop_redis_channel_t *channel,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type == NGX_SHOP_REDIS_FAULT) {

        /* it may not be asked */

        channel->no_role = 1;

    } else if (!ngx_shop_redis_channel_is(reply, 0, "master")) {
        ngx_shop_redis_node_outlived(channel->node);
        return "comes from a replica";
    }

    ngx_shop_redis_channel_answered(channel);

    return NULL;
}


static const char *
ngx_shop_redis_channel_send(ngx_shop_redis_half_t *half, ngx_uint_t argc,
    ngx_str_t *argv, ngx_shop_redis_expect_pt expect)
{
    ngx_shop_redis_channel_t  *channel;

    channel = half->channel;
    channel->deadline = ngx_current_msec + channel->node->timeout;

    return ngx_shop_redis_half_send(half, argc, argv, expect);
}


ngx_uint_t
ngx_shop_redis_channel_told(ngx_shop_redis_half_t *half,
    ngx_shop_redis_reply_t *reply)
{
    ngx_shop_redis_channel_t  *channel;

    channel = half->channel;

    if (half != &channel->listener
        || !ngx_shop_redis_channel_is(reply, 0, "message")
        || reply->nelts != 3)
    {
        return 0;
    }

    ngx_shop_redis_track_told(channel->track, channel->link, reply->elts[2]);

    return 1;
}


void
ngx_shop_redis_channel_stop(ngx_shop_redis_channel_t *channel)
{
    ngx_shop_redis_track_stop(channel->track->redis);
}


/* 1: element "i" of this array is "text" */

static ngx_uint_t
ngx_shop_redis_channel_is(ngx_shop_redis_reply_t *array, ngx_uint_t i,
    const char *text)
{
    ngx_str_t  value;

    return array->type == NGX_SHOP_REDIS_ARRAY
           && i < array->nelts
           && ngx_shop_redis_text(array, i, &value) == NGX_OK
           && ngx_shop_text_is(&value, text);
}


void
ngx_shop_redis_channel_fail(ngx_shop_redis_channel_t *channel, const char *why)
{
    ngx_msec_t  wait;

    ngx_shop_redis_channel_close(channel);

    wait = ngx_shop_redis_backoff(channel->failures++,
                                  NGX_SHOP_REDIS_CHANNEL_WAIT_MIN,
                                  NGX_SHOP_REDIS_CHANNEL_WAIT_MAX);

    channel->retry_at = ngx_current_msec + wait;

    ngx_shop_redis_topology_want(channel->node->redis);

    /* after the first line it fails in silence */

    if (channel->told) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, &channel->log, 0,
                  "the channel of changes %s, until it works again what is "
                  "cached may be old for as long as the \"ttl\" of "
                  "\"shop_zone\"", why);

    channel->told = 1;

    if (!(channel->log.log_level & NGX_LOG_DEBUG_ALL)) {
        channel->log.log_level = ngx_min(channel->log.log_level, NGX_LOG_CRIT);
    }
}


static void
ngx_shop_redis_channel_close(ngx_shop_redis_channel_t *channel)
{
    ngx_shop_cache_lost(channel->track->zone, channel->link);

    ngx_shop_redis_half_close(&channel->listener);
    ngx_shop_redis_half_close(&channel->tracker);

    channel->state = NGX_SHOP_REDIS_CHANNEL_IDLE;
    channel->unanswered = 0;
}
