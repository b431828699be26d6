
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * A node is a server with the worker's connections to it and a breaker.  All
 * its memory is a pool of its own, since the nodes of a cluster come and go.
 *
 * A node that is not asked any more is retired: what is on the way there
 * still comes to its end, at the latest with its timeout, and then the node
 * goes away.
 */


#define NGX_SHOP_REDIS_RETIRE  100  /* milliseconds after the last timeout */


static void ngx_shop_redis_node_leave(ngx_shop_redis_node_t *node);


ngx_uint_t  ngx_shop_redis_bounds[NGX_SHOP_REDIS_NBUCKETS - 1] = {
    100, 200, 500, 1000, 2000, 5000,
    10000, 20000, 50000, 100000, 200000, 500000
};


ngx_shop_redis_node_t *
ngx_shop_redis_node_create(ngx_shop_redis_t *redis,
    ngx_shop_redis_addr_t *addr, ngx_uint_t asker)
{
    u_char                 *p;
    ngx_uint_t              i;
    ngx_pool_t             *pool;
    ngx_shop_redis_node_t  *node;

    pool = ngx_create_pool(1024, redis->cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    node = ngx_pcalloc(pool, sizeof(ngx_shop_redis_node_t));
    if (node == NULL) {
        goto failed;
    }

    node->redis = redis;
    node->pool = pool;
    node->peer = redis->peer;
    node->asker = asker;
    node->timeout = redis->timeout;
    node->nconns = asker ? 1 : redis->connections;
    node->text = redis->text;

    if (asker && redis->mode == NGX_SHOP_REDIS_SENTINEL) {

        /* so that one who is silent leaves time for another */

        node->timeout = ngx_max(redis->timeout / 2, 1);
        node->peer.connect_timeout = ngx_min(node->peer.connect_timeout,
                                             node->timeout);
    }

    if (redis->mode != NGX_SHOP_REDIS_SINGLE) {

        node->peer.host.data = ngx_pnalloc(pool, addr->host.len);
        p = ngx_pnalloc(pool, sizeof("rediss://[]:65535") + addr->host.len);

        if (node->peer.host.data == NULL || p == NULL) {
            goto failed;
        }

        ngx_memcpy(node->peer.host.data, addr->host.data, addr->host.len);
        node->peer.host.len = addr->host.len;
        node->peer.port = addr->port;

        node->text.data = p;
        node->text.len = ngx_sprintf(p, "%s://%V:%d",
                                     redis->tls ? "rediss" : "redis",
                                     &addr->host, (int) addr->port)
                         - p;
    }

    node->id = ngx_crc32_long(node->text.data, node->text.len) | 1;

    /* those who are asked for servers only are another's as well */

    if (redis->zone && !asker) {
        node->figures = ngx_shop_figures_get(redis->zone, &node->text);

    } else {
        node->figures = ngx_pcalloc(pool, sizeof(ngx_shop_figures_t));
        if (node->figures == NULL) {
            goto failed;
        }
    }

    node->conns = ngx_pcalloc(pool, node->nconns
                                    * sizeof(ngx_shop_redis_conn_t *));
    if (node->conns == NULL) {
        goto failed;
    }

    for (i = 0; i < node->nconns; i++) {

        node->conns[i] = ngx_pcalloc(pool, sizeof(ngx_shop_redis_conn_t));
        if (node->conns[i] == NULL) {
            goto failed;
        }

        ngx_shop_redis_conn_init(node, node->conns[i]);
    }

    ngx_shop_redis_node_say(node);

    return node;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


void
ngx_shop_redis_node_destroy(ngx_shop_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nconns; i++) {
        ngx_shop_redis_conn_close(node->conns[i], "redis_unavailable");
    }

    if (node->redis->zone && !node->asker) {
        ngx_shop_redis_node_leave(node);
    }

    ngx_destroy_pool(node->pool);
}


/* the figures are those of the address, where another may be in use by now */

static void
ngx_shop_redis_node_leave(ngx_shop_redis_node_t *node)
{
    ngx_queue_t            *q;
    ngx_shop_redis_t       *redis;
    ngx_shop_redis_node_t  *other;

    redis = node->redis;

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

        if (other != node && other->figures == node->figures) {
            ngx_shop_redis_node_say(other);
            return;
        }
    }

    ngx_shop_figures_say(redis->zone, node->figures,
                         NGX_SHOP_REDIS_BREAKER_NONE, 0);
}


void
ngx_shop_redis_node_retire(ngx_shop_redis_node_t *node)
{
    ngx_log_error(NGX_LOG_NOTICE, node->redis->cycle->log, 0,
                  "redis \"%V\" is not used any more", &node->text);

    if (node->channel) {
        ngx_shop_redis_channel_leave(node->channel);
    }

    ngx_queue_remove(&node->queue);
    ngx_queue_insert_tail(&node->redis->retired, &node->queue);

    node->retire_at = ngx_current_msec + node->timeout
                      + node->peer.connect_timeout + NGX_SHOP_REDIS_RETIRE;

    ngx_shop_redis_route_timer(node->redis, node->retire_at);
}


void
ngx_shop_redis_node_outlived(ngx_shop_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nconns; i++) {
        ngx_shop_redis_conn_outlived(node->conns[i]);
    }
}


ngx_uint_t
ngx_shop_redis_node_is(ngx_shop_redis_node_t *node,
    ngx_shop_redis_addr_t *addr)
{
    return node->peer.port == addr->port
           && node->peer.host.len == addr->host.len
           && ngx_strncmp(node->peer.host.data, addr->host.data,
                          addr->host.len)
              == 0;
}


ngx_int_t
ngx_shop_redis_node_submit(ngx_shop_redis_node_t *node,
    ngx_shop_redis_op_t *op)
{
    const char              *reason;
    ngx_shop_redis_conn_t   *conn;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    conn = ngx_shop_redis_conn_pick(node, &reason);

    if (conn == NULL) {
        ngx_shop_redis_destroy(op);
        return NGX_ERROR;
    }

    state->pinned = 1;
    state->deadline = ngx_current_msec + node->timeout;
    state->run.op = op;
    state->run.wires = state->wires;
    state->run.n = op->ncommands;

    ngx_shop_redis_conn_add(conn, op, &state->run);

    return NGX_AGAIN;
}


void
ngx_shop_redis_node_took(ngx_shop_redis_node_t *node, uint64_t since)
{
    uint64_t    usec;
    ngx_uint_t  i;

    usec = ngx_shop_redis_usec() - since;

    for (i = 0; i < NGX_SHOP_REDIS_NBUCKETS - 1; i++) {
        if (usec <= ngx_shop_redis_bounds[i]) {
            break;
        }
    }

    ngx_shop_count(node->figures, NGX_SHOP_REDIS_OPERATIONS);
    ngx_shop_count(node->figures, NGX_SHOP_REDIS_BUCKETS + i);
    ngx_shop_count_more(node->figures, NGX_SHOP_REDIS_LATENCY, usec);
}


void
ngx_shop_redis_node_failed(ngx_shop_redis_node_t *node, const char *reason)
{
    ngx_uint_t  i;

    static const char  *reasons[] = {
        "redis_timeout",                    /* NGX_SHOP_REDIS_TIMEOUTS */
        "redis_unavailable",
        "redis_refused"
    };

    for (i = 0; i < 3; i++) {
        if (ngx_strcmp(reason, reasons[i]) == 0) {
            ngx_shop_count(node->figures, NGX_SHOP_REDIS_TIMEOUTS + i);
        }
    }
}


void
ngx_shop_redis_node_say(ngx_shop_redis_node_t *node)
{
    ngx_uint_t                 i, ready, coming;
    ngx_shop_redis_breaker_e   breaker;

    if (node->redis->zone == NULL || node->asker) {
        return;
    }

    ready = 0;
    coming = 0;

    for (i = 0; i < node->nconns; i++) {

        switch (node->conns[i]->state) {

        case NGX_SHOP_REDIS_READY:
            ready++;
            break;

        case NGX_SHOP_REDIS_CLOSED:
            break;

        default:
            coming++;
        }
    }

    if (node->failures == 0 && !node->slow) {
        breaker = NGX_SHOP_REDIS_BREAKER_CLOSED;

    } else if (coming) {
        breaker = NGX_SHOP_REDIS_BREAKER_HALF_OPEN;

    } else {
        breaker = NGX_SHOP_REDIS_BREAKER_OPEN;
    }

    ngx_shop_figures_say(node->redis->zone, node->figures, breaker, ready);
}


uint64_t
ngx_shop_redis_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


void
ngx_shop_redis_timer(ngx_event_t *timer, ngx_msec_t delay)
{
    if (timer->timer_set) {
        ngx_del_timer(timer);
    }

    ngx_add_timer(timer, delay);
}


ngx_msec_t
ngx_shop_redis_backoff(ngx_uint_t failures, ngx_msec_t min, ngx_msec_t max)
{
    ngx_msec_t  most;

    for (most = min; failures && most < max; failures--) {
        most *= 2;
    }

    return (ngx_msec_t) ngx_random() % (ngx_min(most, max) + 1);
}


u_char *
ngx_shop_redis_node_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                 *p;
    ngx_shop_redis_node_t  *node;

    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
    }

    node = log->data;

    return ngx_snprintf(p, len, ", redis: \"%V\"", &node->text);
}
