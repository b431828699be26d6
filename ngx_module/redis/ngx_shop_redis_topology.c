
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Where the servers are, if that is not in the configuration.
 *
 *     timer ---> try an address ---> question ---> answer ---> known
 *       ^            ^                               |
 *       |            `--- the next one <-------------'
 *       |                       |
 *       `--- back-off <---------' there is none
 *
 * The worker asks when it begins, and then whenever something looks old: a
 * node failed, refused to write, or sent a command elsewhere; a sentinel told
 * of a switch.  There is one round at a time, and at most one in a tenth of a
 * second, whoever asks for it.
 *
 * Who comes before anything is known waits for the first round.  When it
 * failed there is a back-off, as with one server, and who comes meanwhile is
 * told at once; and when it took its time to fail, nobody waits for another
 * one either.  Once the servers are known a round disturbs nobody.
 */


#define NGX_SHOP_REDIS_ROUND_INTERVAL  100
#define NGX_SHOP_REDIS_TRIES_MAX       32


static void ngx_shop_redis_topology_round(ngx_event_t *ev);
static ngx_int_t ngx_shop_redis_topology_tries(ngx_shop_redis_t *redis);
static void ngx_shop_redis_topology_next(ngx_shop_redis_t *redis);
static void ngx_shop_redis_topology_answer(ngx_shop_redis_op_t *op);
static void ngx_shop_redis_topology_end(ngx_shop_redis_t *redis);


ngx_int_t
ngx_shop_redis_topology_init(ngx_shop_redis_t *redis)
{
    ngx_cycle_t                *cycle;
    ngx_shop_redis_topology_t  *topology;

    cycle = redis->cycle;

    topology = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_redis_topology_t));
    if (topology == NULL) {
        return NGX_ERROR;
    }

    topology->redis = redis;

    topology->timer.handler = ngx_shop_redis_topology_round;
    topology->timer.data = redis;
    topology->timer.log = cycle->log;
    topology->timer.cancelable = 1;

    topology->listen.handler = ngx_shop_redis_sentinel_listen;
    topology->listen.data = redis;
    topology->listen.log = cycle->log;
    topology->listen.cancelable = 1;

    /* workers need not all ask the same sentinel */

    topology->seed = ngx_random() % redis->addrs->nelts;
    topology->ear = topology->seed;

    if (redis->mode == NGX_SHOP_REDIS_CLUSTER) {

        redis->slots = ngx_pcalloc(cycle->pool, NGX_SHOP_REDIS_SLOTS
                                           * sizeof(ngx_shop_redis_node_t *));
        if (redis->slots == NULL) {
            return NGX_ERROR;
        }
    }

    redis->topology = topology;

    return NGX_OK;
}


void
ngx_shop_redis_topology_exit(ngx_shop_redis_t *redis)
{
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    topology->known = 0;

    if (topology->timer.timer_set) {
        ngx_del_timer(&topology->timer);
    }

    if (topology->listen.timer_set) {
        ngx_del_timer(&topology->listen);
    }

    if (topology->asker) {
        ngx_shop_redis_node_destroy(topology->asker);
        topology->asker = NULL;
    }

    if (topology->listener) {
        ngx_shop_redis_node_destroy(topology->listener);
        topology->listener = NULL;
    }

    ngx_shop_redis_topology_end(redis);
}


void
ngx_shop_redis_topology_want(ngx_shop_redis_t *redis)
{
    ngx_msec_t                  at;
    ngx_msec_int_t              left;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    if (topology == NULL || redis->exiting || topology->timer.timer_set) {
        return;
    }

    if (topology->op || topology->meta) {
        topology->wanted = 1;
        return;
    }

    at = topology->asked ? topology->asked + NGX_SHOP_REDIS_ROUND_INTERVAL
                         : ngx_current_msec;

    if (topology->failures && (ngx_msec_int_t) (topology->retry_at - at) > 0)
    {
        at = topology->retry_at;
    }

    left = (ngx_msec_int_t) (at - ngx_current_msec);

    ngx_add_timer(&topology->timer, ngx_max(left, 1));
}


void
ngx_shop_redis_topology_lost(ngx_shop_redis_node_t *node)
{
    if (!node->asker) {
        ngx_shop_redis_topology_want(node->redis);
    }
}


ngx_uint_t
ngx_shop_redis_topology_may_wait(ngx_shop_redis_t *redis,
    const char **reason)
{
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    ngx_shop_redis_topology_want(redis);

    if (topology->failures
        && (topology->slow
            || (ngx_msec_int_t) (topology->retry_at - ngx_current_msec) > 0))
    {
        *reason = topology->reason;
        return 0;
    }

    return 1;
}


/*
 * A write has nothing to fall back on, and may wait for a tenth of a second.
 * A question waits if it waits for the answer only, and not for its turn: the
 * last round was before the node failed, or long ago.  Nobody waits who would
 * wait for one who does not answer a round, either, nor for a node that was
 * waited for already.
 */

ngx_uint_t
ngx_shop_redis_topology_may_tell(ngx_shop_redis_node_t *node,
    ngx_shop_redis_op_t *op)
{
    ngx_msec_t                  ago;
    ngx_shop_redis_topology_t  *topology;

    topology = node->redis->topology;

    if (topology == NULL || topology->failures || node->slow) {
        return 0;
    }

    ago = ngx_current_msec - topology->asked;

    if (topology->op && ago >= NGX_SHOP_REDIS_ROUND_INTERVAL) {
        return 0;
    }

    return ngx_shop_redis_state(op)->writes
           || (ngx_msec_int_t) (topology->known_at - node->failed_at) <= 0
           || ago >= NGX_SHOP_REDIS_ROUND_INTERVAL;
}


static void
ngx_shop_redis_topology_round(ngx_event_t *ev)
{
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_topology_t  *topology;

    redis = ev->data;
    topology = redis->topology;

    topology->asked = ngx_current_msec;
    topology->wanted = 0;

    if (ngx_shop_redis_topology_tries(redis) != NGX_OK) {
        ngx_shop_redis_topology_failed(redis, "redis_unavailable");
        return;
    }

    ngx_shop_redis_topology_next(redis);
    ngx_shop_redis_deliver(redis);
}


/*
 * The addresses of a round.  Of a cluster the nodes known so far, each time
 * from another one on, as one that was cut off would give an old map for
 * ever; then what was configured.
 */

static ngx_int_t
ngx_shop_redis_topology_tries(ngx_shop_redis_t *redis)
{
    ngx_uint_t                  i, n, first, pass;
    ngx_queue_t                *q;
    ngx_shop_redis_addr_t      *addrs, *try;
    ngx_shop_redis_node_t      *node;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    ngx_shop_redis_topology_end(redis);

    topology->pool = ngx_create_pool(1024, redis->cycle->log);
    if (topology->pool == NULL) {
        return NGX_ERROR;
    }

    topology->tries = ngx_palloc(topology->pool, NGX_SHOP_REDIS_TRIES_MAX
                                             * sizeof(ngx_shop_redis_addr_t));
    if (topology->tries == NULL) {
        return NGX_ERROR;
    }

    if (redis->mode == NGX_SHOP_REDIS_CLUSTER) {

        topology->seed++;

        n = 0;

        for (q = ngx_queue_head(&redis->nodes);
             q != ngx_queue_sentinel(&redis->nodes);
             q = ngx_queue_next(q))
        {
            n++;
        }

        first = n ? topology->seed % n : 0;

        for (pass = 0; pass < 2; pass++) {

            i = 0;

            for (q = ngx_queue_head(&redis->nodes);
                 q != ngx_queue_sentinel(&redis->nodes);
                 q = ngx_queue_next(q), i++)
            {
                node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

                if (node->failures
                    || (i < first) != pass
                    || topology->ntries == NGX_SHOP_REDIS_TRIES_MAX / 2)
                {
                    continue;
                }

                try = &topology->tries[topology->ntries++];
                try->host = node->peer.host;
                try->port = node->peer.port;

                /* the node may be gone when its turn comes */

                try->host.data = ngx_pstrdup(topology->pool,
                                             &node->peer.host);
                if (try->host.data == NULL) {
                    return NGX_ERROR;
                }
            }
        }
    }

    addrs = redis->addrs->elts;

    for (i = 0; i < redis->addrs->nelts; i++) {

        if (topology->ntries == NGX_SHOP_REDIS_TRIES_MAX) {
            break;
        }

        topology->tries[topology->ntries++] =
                     addrs[(topology->seed + i) % redis->addrs->nelts];
    }

    return NGX_OK;
}


static void
ngx_shop_redis_topology_next(ngx_shop_redis_t *redis)
{
    ngx_int_t                   rc;
    ngx_shop_redis_op_t        *op;
    ngx_shop_redis_addr_t      *try;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    while (topology->ntry < topology->ntries) {

        /* one that quits has no time for rounds, but who tries again may have
         * some for the next ones */

        if (ngx_exiting && topology->ntry
            && ngx_queue_empty(&redis->waiting))
        {
            topology->seed++;
            ngx_shop_redis_topology_failed(redis, "redis_unavailable");
            return;
        }

        try = &topology->tries[topology->ntry++];

        if (topology->asker && (topology->asker->failures
                                || !ngx_shop_redis_node_is(topology->asker,
                                                           try)))
        {
            ngx_shop_redis_node_destroy(topology->asker);
            topology->asker = NULL;
        }

        if (topology->asker == NULL) {
            topology->asker = ngx_shop_redis_node_create(redis, try, 1);

            if (topology->asker == NULL) {
                break;
            }
        }

        op = ngx_shop_redis_topology_op(redis, 1,
                                        ngx_shop_redis_topology_answer);
        if (op == NULL) {
            break;
        }

        rc = (redis->mode == NGX_SHOP_REDIS_SENTINEL)
             ? ngx_shop_redis_sentinel_ask(redis, op)
             : ngx_shop_redis_cluster_ask(op);

        if (rc != NGX_OK) {
            ngx_shop_redis_destroy(op);
            break;
        }

        if (ngx_shop_redis_node_submit(topology->asker, op) == NGX_AGAIN) {
            topology->op = op;
            return;
        }
    }

    ngx_log_error(ngx_shop_redis_topology_level(redis),
                  redis->cycle->log, 0,
                  (redis->mode == NGX_SHOP_REDIS_SENTINEL)
                  ? "no sentinel knows where the redis master is"
                  : "no redis node knows the cluster");

    ngx_shop_redis_topology_failed(redis, "redis_unavailable");
}


static void
ngx_shop_redis_topology_answer(ngx_shop_redis_op_t *op)
{
    ngx_int_t                   rc;
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_topology_t  *topology;

    redis = op->data;
    topology = redis->topology;

    topology->op = NULL;

    if (redis->exiting) {
        ngx_shop_redis_destroy(op);
        return;
    }

    rc = op->rc;

    if (rc == NGX_OK) {
        rc = (redis->mode == NGX_SHOP_REDIS_SENTINEL)
             ? ngx_shop_redis_sentinel_answer(redis, op)
             : ngx_shop_redis_cluster_answer(redis, op);
    }

    ngx_shop_redis_destroy(op);

    if (rc != NGX_OK) {
        ngx_shop_redis_topology_next(redis);
    }
}


/* the round is over */

static void
ngx_shop_redis_topology_end(ngx_shop_redis_t *redis)
{
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    if (topology->pool) {
        ngx_destroy_pool(topology->pool);
        topology->pool = NULL;
    }

    topology->tries = NULL;
    topology->ntries = 0;
    topology->ntry = 0;
}


void
ngx_shop_redis_topology_known(ngx_shop_redis_t *redis)
{
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    if (topology->failures) {
        ngx_log_error(NGX_LOG_NOTICE, redis->cycle->log, 0,
                      "redis servers are known again");
    }

    topology->known = 1;
    topology->known_at = topology->asked;
    topology->failures = 0;
    topology->slow = 0;

    ngx_shop_redis_topology_end(redis);

    if (topology->wanted) {
        topology->wanted = 0;
        ngx_shop_redis_topology_want(redis);
    }

    ngx_shop_redis_route_release(redis);
}


void
ngx_shop_redis_topology_failed(ngx_shop_redis_t *redis, const char *reason)
{
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    ngx_shop_redis_topology_end(redis);

    topology->wanted = 0;
    topology->retry_at = ngx_current_msec
                         + ngx_shop_redis_backoff(topology->failures++,
                                                  NGX_SHOP_REDIS_BACKOFF_MIN,
                                                  NGX_SHOP_REDIS_BACKOFF_MAX);
    topology->reason = reason;
    topology->slow = (ngx_current_msec - topology->asked
                      > redis->timeout / 2);

    ngx_shop_redis_route_fail(redis, reason);
}


ngx_uint_t
ngx_shop_redis_topology_level(ngx_shop_redis_t *redis)
{
    return redis->topology->failures ? NGX_LOG_INFO : NGX_LOG_ERR;
}


ngx_shop_redis_op_t *
ngx_shop_redis_topology_op(ngx_shop_redis_t *redis, ngx_uint_t max,
    ngx_shop_redis_handler_pt handler)
{
    ngx_shop_redis_op_t  *op;

    op = ngx_shop_redis_create(redis, max, redis->cycle->log);

    if (op) {
        op->handler = handler;
        op->data = redis;

        ngx_shop_redis_state(op)->own = 1;
    }

    return op;
}
