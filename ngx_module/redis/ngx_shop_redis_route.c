
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Which node an operation goes to, and again to which.
 *
 *     submit --> route --> conn ----------------> done
 *                  |  ^      |
 *                  v  |      | MOVED, ASK, TRYAGAIN, ...
 *                waiting <---'
 *
 * An operation is on one connection at a time.  A node that does not have
 * the slot refuses each command by itself; when all replies are there, those
 * commands that were refused go on together, in their order, to where the
 * last refusal points.  A command that was refused for that reason was not
 * done, so it is never done twice.
 *
 * The operation keeps its deadline.  When little of it is left it is not
 * sent once more: the next node is not to be blamed for the time that others
 * took.
 *
 * One that was not sent when its connection failed, or since connections to
 * its node had just failed, waits for the next map and tries once more; so a
 * server that left in order is no fault of ours.
 */


#define NGX_SHOP_REDIS_HOPS_MAX     8
#define NGX_SHOP_REDIS_SLOT_DELAY   20      /* milliseconds */
#define NGX_SHOP_REDIS_NODE_DELAY   50


/* what those who wait without a time of their own wait for */

typedef enum {
    NGX_SHOP_REDIS_NO_NEWS = 0,
    NGX_SHOP_REDIS_NEWS_OF_SERVERS,
    NGX_SHOP_REDIS_NEWS_OF_META
} ngx_shop_redis_news_e;


static void ngx_shop_redis_route_wait(ngx_shop_redis_op_t *op,
    ngx_msec_t delay);
static ngx_shop_redis_node_t *ngx_shop_redis_route_node(
    ngx_shop_redis_op_t *op, const char **reason);
static ngx_shop_redis_redirect_e ngx_shop_redis_route_found(
    ngx_shop_redis_op_t *op, ngx_shop_redis_redirect_t *last);
static ngx_shop_redis_node_t *ngx_shop_redis_route_target(
    ngx_shop_redis_op_t *op, ngx_shop_redis_redirect_e found,
    ngx_shop_redis_redirect_t *redirect);
static ngx_shop_redis_run_t *ngx_shop_redis_route_run(
    ngx_shop_redis_op_t *op, ngx_uint_t asking);
static void ngx_shop_redis_route_due(ngx_shop_redis_t *redis,
    ngx_shop_redis_news_e news);


/* what is between the first pair of braces counts, if it is not empty */

ngx_uint_t
ngx_shop_redis_slot(ngx_str_t *key)
{
    u_char     *p, *last, *open, *close;
    ngx_str_t   tag;

    p = key->data;
    last = p + key->len;
    tag = *key;

    open = ngx_strlchr(p, last, '{');

    if (open) {
        close = ngx_strlchr(open + 1, last, '}');

        if (close && close > open + 1) {
            tag.data = open + 1;
            tag.len = close - tag.data;
        }
    }

    return ngx_shop_redis_crc16(&tag) % NGX_SHOP_REDIS_SLOTS;
}


ngx_shop_redis_run_t *
ngx_shop_redis_run_create(ngx_shop_redis_op_t *op, ngx_uint_t max)
{
    ngx_shop_redis_run_t  *run;

    run = ngx_pcalloc(op->pool, sizeof(ngx_shop_redis_run_t)
                                + max * sizeof(ngx_str_t)
                                + max * sizeof(ngx_int_t));
    if (run == NULL) {
        return NULL;
    }

    run->op = op;
    run->wires = (ngx_str_t *) (run + 1);
    run->map = (ngx_int_t *) (run->wires + max);

    return run;
}


void
ngx_shop_redis_run_command(ngx_shop_redis_run_t *run, ngx_uint_t i,
    ngx_uint_t asking)
{
    static ngx_str_t  word = ngx_string("*1\r\n$6\r\nASKING\r\n");

    if (asking) {
        run->wires[run->n] = word;
        run->map[run->n++] = -1;
    }

    run->wires[run->n] = ngx_shop_redis_state(run->op)->wires[i];
    run->map[run->n++] = i;
}


ngx_int_t
ngx_shop_redis_route(ngx_shop_redis_op_t *op, const char **reason)
{
    ngx_int_t                rc;
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_conn_t   *conn;
    ngx_shop_redis_node_t   *node;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    node = ngx_shop_redis_route_node(op, reason);

    if (node == NULL) {

        if (*reason) {
            ngx_shop_count(redis->figures, NGX_SHOP_REDIS_NOWHERE);
            return NGX_ERROR;
        }

        ngx_shop_redis_route_wait(op, 0);
        return NGX_AGAIN;
    }

    if (state->writes && !state->own) {

        rc = ngx_shop_redis_meta_allows(redis, reason);

        if (rc == NGX_AGAIN) {
            ngx_shop_redis_route_wait(op, 0);
            state->held = 1;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    conn = ngx_shop_redis_conn_pick(node, reason);

    if (conn == NULL) {

        if (ngx_shop_redis_topology_may_tell(node, op)
            && ngx_shop_redis_route_rescue(op) == NGX_OK)
        {
            return NGX_AGAIN;
        }

        ngx_shop_redis_node_failed(node, *reason);
        ngx_shop_redis_topology_want(redis);
        return NGX_ERROR;
    }

    ngx_shop_redis_conn_add(conn, op, state->again ? state->again
                                                   : &state->run);
    return NGX_AGAIN;
}


/* NULL without a reason: not known yet */

static ngx_shop_redis_node_t *
ngx_shop_redis_route_node(ngx_shop_redis_op_t *op, const char **reason)
{
    ngx_queue_t                *q;
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_node_t      *node;
    ngx_shop_redis_state_t     *state;
    ngx_shop_redis_topology_t  *topology;

    state = ngx_shop_redis_state(op);
    redis = state->redis;
    topology = redis->topology;
    *reason = NULL;

    if (topology == NULL) {
        return redis->node;
    }

    if (!topology->known && !(state->own && redis->slots)) {

        if (ngx_shop_redis_topology_may_wait(redis, reason)) {
            *reason = NULL;
        }

        return NULL;
    }

    if (redis->slots == NULL) {
        return redis->node;
    }

    if (state->slot != NGX_ERROR) {
        node = redis->slots[state->slot];

    } else {
        q = ngx_queue_head(&redis->nodes);
        node = (q == ngx_queue_sentinel(&redis->nodes))
               ? NULL : ngx_queue_data(q, ngx_shop_redis_node_t, queue);
    }

    if (node == NULL) {

        /* nobody has the slot, as far as we know */

        ngx_shop_redis_topology_want(redis);
        *reason = "redis_unavailable";
    }

    return node;
}


ngx_uint_t
ngx_shop_redis_route_passes(ngx_shop_redis_op_t *op,
    ngx_shop_redis_reply_t *reply)
{
    ngx_shop_redis_state_t     *state;
    ngx_shop_redis_redirect_t   redirect;

    state = ngx_shop_redis_state(op);

    if (state->redis->topology == NULL || state->pinned) {
        return 0;
    }

    switch (ngx_shop_redis_redirect(reply, &redirect)) {

    case NGX_SHOP_REDIS_MOVED:
    case NGX_SHOP_REDIS_ASK:
    case NGX_SHOP_REDIS_TRYAGAIN:
        return state->redis->slots != NULL;

    default:
        return 0;
    }
}


ngx_int_t
ngx_shop_redis_route_again(ngx_shop_redis_op_t *op)
{
    const char                 *reason;
    ngx_msec_int_t              left;
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_node_t      *node;
    ngx_shop_redis_conn_t      *conn;
    ngx_shop_redis_state_t     *state;
    ngx_shop_redis_redirect_e   found;
    ngx_shop_redis_redirect_t   last;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    if (redis->topology == NULL || state->pinned || state->orphan
        || redis->exiting)
    {
        return NGX_DECLINED;
    }

    found = ngx_shop_redis_route_found(op, &last);

    if (found == NGX_SHOP_REDIS_STAY) {
        redis->lost = 0;
        return NGX_DECLINED;
    }

    if (found != NGX_SHOP_REDIS_LOST && redis->slots == NULL) {
        return NGX_DECLINED;
    }

    if (found != NGX_SHOP_REDIS_TRYAGAIN && found != NGX_SHOP_REDIS_ASK) {
        ngx_shop_redis_topology_want(redis);
    }

    left = (ngx_msec_int_t) (state->deadline - ngx_current_msec);

    if (state->hops++ == NGX_SHOP_REDIS_HOPS_MAX
        || left < (ngx_msec_int_t) (redis->timeout / 4)
        || (found == NGX_SHOP_REDIS_LOST && redis->lost))
    {
        /* those who come later are not held as long for the same */

        redis->lost = (found == NGX_SHOP_REDIS_LOST);
        return NGX_DECLINED;
    }

    node = NULL;

    if (found == NGX_SHOP_REDIS_MOVED || found == NGX_SHOP_REDIS_ASK) {

        node = ngx_shop_redis_route_target(op, found, &last);

        if (node == NULL) {
            return NGX_DECLINED;
        }
    }

    state->again = ngx_shop_redis_route_run(op, found == NGX_SHOP_REDIS_ASK);

    if (state->again == NULL) {
        return NGX_DECLINED;
    }

    ngx_queue_remove(&state->queue);
    state->queued = 0;

    if (node == NULL) {
        state->conn = NULL;
        ngx_shop_redis_route_wait(op, found == NGX_SHOP_REDIS_LOST
                                      ? NGX_SHOP_REDIS_NODE_DELAY
                                      : NGX_SHOP_REDIS_SLOT_DELAY);
        return NGX_OK;
    }

    conn = ngx_shop_redis_conn_pick(node, &reason);

    if (conn == NULL) {
        ngx_shop_redis_node_failed(node, reason);
        ngx_shop_redis_finish(op, NGX_ERROR, reason);
        return NGX_OK;
    }

    ngx_shop_redis_conn_add(conn, op, state->again);

    return NGX_OK;
}


/* what the replies say together; MOVED and ASK, of which the last one counts,
 * set "last" */

static ngx_shop_redis_redirect_e
ngx_shop_redis_route_found(ngx_shop_redis_op_t *op,
    ngx_shop_redis_redirect_t *last)
{
    ngx_uint_t                  i;
    ngx_shop_redis_redirect_e   kind, found;
    ngx_shop_redis_redirect_t   redirect;

    ngx_memzero(last, sizeof(ngx_shop_redis_redirect_t));
    found = NGX_SHOP_REDIS_STAY;

    for (i = 0; i < op->ncommands; i++) {

        kind = ngx_shop_redis_redirect(op->replies[i], &redirect);

        if (kind == NGX_SHOP_REDIS_STAY) {
            continue;
        }

        if (kind == NGX_SHOP_REDIS_MOVED || kind == NGX_SHOP_REDIS_ASK) {
            *last = redirect;
            found = kind;

        } else if (found == NGX_SHOP_REDIS_STAY) {
            found = kind;
        }
    }

    return found;
}


/* the node that MOVED or ASK names; the former is written into the map */

static ngx_shop_redis_node_t *
ngx_shop_redis_route_target(ngx_shop_redis_op_t *op,
    ngx_shop_redis_redirect_e found, ngx_shop_redis_redirect_t *redirect)
{
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_node_t   *node;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    if (redirect->addr.host.len == 0) {
        redirect->addr.host = state->conn->node->peer.host;
    }

    node = ngx_shop_redis_cluster_node(redis, &redirect->addr);

    if (node == NULL) {
        return NULL;
    }

    if (found == NGX_SHOP_REDIS_MOVED && redis->slots[redirect->slot] != node)
    {
        redis->slots[redirect->slot] = node;
        ngx_shop_redis_track_moved(redis, redirect->slot);
    }

    return node;
}


ngx_int_t
ngx_shop_redis_route_rescue(ngx_shop_redis_op_t *op)
{
    ngx_msec_int_t           left;
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_run_t    *run;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;
    run = state->again ? state->again : &state->run;
    left = (ngx_msec_int_t) (state->deadline - ngx_current_msec);

    if (redis->topology == NULL || redis->exiting
        || state->own || state->orphan || run->started || state->hops
        || left < (ngx_msec_int_t) (redis->timeout / 4))
    {
        return NGX_DECLINED;
    }

    state->hops++;

    if (state->queued) {
        ngx_queue_remove(&state->queue);
        state->queued = 0;
    }

    state->conn = NULL;

    ngx_shop_redis_topology_want(redis);
    ngx_shop_redis_route_wait(op, 0);

    return NGX_OK;
}


static ngx_shop_redis_run_t *
ngx_shop_redis_route_run(ngx_shop_redis_op_t *op, ngx_uint_t asking)
{
    ngx_uint_t                  i;
    ngx_shop_redis_run_t       *run;
    ngx_shop_redis_state_t     *state;
    ngx_shop_redis_redirect_t   redirect;

    state = ngx_shop_redis_state(op);

    run = ngx_shop_redis_run_create(op, 2 * op->ncommands);
    if (run == NULL) {
        return NULL;
    }

    for (i = 0; i < op->ncommands; i++) {

        if (ngx_shop_redis_redirect(op->replies[i], &redirect)
            != NGX_SHOP_REDIS_STAY)
        {
            ngx_shop_redis_run_command(run, i, asking);
            state->loaded[i] = 0;
        }
    }

    state->asking = asking;

    return run;
}


/* without a delay: for news of the topology */

static void
ngx_shop_redis_route_wait(ngx_shop_redis_op_t *op, ngx_msec_t delay)
{
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    state->waiting = 1;
    state->held = 0;
    state->timed = (delay != 0);
    state->retry_at = ngx_current_msec + delay;

    ngx_shop_redis_enqueue(&redis->waiting, state);

    redis->timer.cancelable = 0;

    ngx_shop_redis_route_timer(redis, delay ? state->retry_at
                                            : state->deadline);
}


void
ngx_shop_redis_route_timer(ngx_shop_redis_t *redis, ngx_msec_t at)
{
    ngx_msec_int_t  left;

    if (redis->timer.timer_set
        && (ngx_msec_int_t) (redis->timer.timer.key - at) <= 0)
    {
        return;
    }

    left = (ngx_msec_int_t) (at - ngx_current_msec);

    ngx_shop_redis_timer(&redis->timer, ngx_max(left, 1));
}


void
ngx_shop_redis_route_release(ngx_shop_redis_t *redis)
{
    ngx_shop_redis_route_due(redis, NGX_SHOP_REDIS_NEWS_OF_SERVERS);
    ngx_shop_redis_deliver(redis);
}


void
ngx_shop_redis_route_writes(ngx_shop_redis_t *redis)
{
    ngx_shop_redis_route_due(redis, NGX_SHOP_REDIS_NEWS_OF_META);
    ngx_shop_redis_deliver(redis);
}


/* sends those whose time has come, and ends those who waited too long */

static void
ngx_shop_redis_route_due(ngx_shop_redis_t *redis, ngx_shop_redis_news_e news)
{
    ngx_msec_t               next;
    const char              *reason;
    ngx_uint_t               some, go;
    ngx_queue_t             *q, due;
    ngx_msec_int_t           left;
    ngx_shop_redis_state_t  *state;

    /* who cannot go waits once more, in the queue that is left behind */

    ngx_queue_init(&due);

    if (!ngx_queue_empty(&redis->waiting)) {
        q = ngx_queue_head(&redis->waiting);
        ngx_queue_split(&redis->waiting, q, &due);
    }

    some = 0;
    next = 0;

    while (!ngx_queue_empty(&due)) {

        q = ngx_queue_head(&due);
        ngx_queue_remove(q);

        state = ngx_queue_data(q, ngx_shop_redis_state_t, queue);
        state->queued = 0;

        left = (ngx_msec_int_t) (state->deadline - ngx_current_msec);

        if (left <= 0) {
            ngx_shop_count(redis->figures, NGX_SHOP_REDIS_NOWHERE);
            ngx_shop_redis_finish(state->op, NGX_ERROR, "redis_timeout");
            continue;
        }

        if (state->timed) {
            left = ngx_min(left, (ngx_msec_int_t) (state->retry_at
                                                   - ngx_current_msec));
            go = (left <= 0);

        } else {
            go = (news == (state->held ? NGX_SHOP_REDIS_NEWS_OF_META
                                       : NGX_SHOP_REDIS_NEWS_OF_SERVERS));
        }

        if (go) {
            state->waiting = 0;

            if (ngx_shop_redis_route(state->op, &reason) != NGX_AGAIN) {
                ngx_shop_redis_finish(state->op, NGX_ERROR, reason);
            }

            continue;
        }

        ngx_queue_insert_tail(&redis->waiting, q);
        state->queued = 1;

        if (!some || (ngx_msec_int_t) (ngx_current_msec + left - next) < 0) {
            next = ngx_current_msec + left;
        }

        some = 1;
    }

    redis->timer.cancelable = ngx_queue_empty(&redis->waiting);

    if (some) {
        ngx_shop_redis_route_timer(redis, next);
    }
}


void
ngx_shop_redis_route_fail(ngx_shop_redis_t *redis, const char *reason)
{
    ngx_queue_t             *q, *next;
    ngx_shop_redis_state_t  *state;

    for (q = ngx_queue_head(&redis->waiting);
         q != ngx_queue_sentinel(&redis->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        state = ngx_queue_data(q, ngx_shop_redis_state_t, queue);

        if (redis->exiting || (!state->timed && !state->held)) {
            ngx_shop_count(redis->figures, NGX_SHOP_REDIS_NOWHERE);
            ngx_shop_redis_finish(state->op, NGX_ERROR, reason);
        }
    }

    redis->timer.cancelable = ngx_queue_empty(&redis->waiting);

    ngx_shop_redis_deliver(redis);
}


void
ngx_shop_redis_route_handler(ngx_event_t *ev)
{
    ngx_queue_t            *q, *next;
    ngx_shop_redis_t       *redis;
    ngx_shop_redis_node_t  *node;

    redis = ev->data;

    for (q = ngx_queue_head(&redis->retired);
         q != ngx_queue_sentinel(&redis->retired);
         q = next)
    {
        next = ngx_queue_next(q);
        node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

        if ((ngx_msec_int_t) (node->retire_at - ngx_current_msec) <= 0) {
            ngx_queue_remove(q);
            ngx_shop_redis_node_destroy(node);

        } else {
            ngx_shop_redis_route_timer(redis, node->retire_at);
        }
    }

    ngx_shop_redis_route_due(redis, NGX_SHOP_REDIS_NO_NEWS);
    ngx_shop_redis_deliver(redis);
}
