
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * A cluster has 16384 slots of keys, and each of its primaries some of them.
 * The map comes from CLUSTER SLOTS, which all versions know; between two maps
 * what MOVED says is written into it.  Nodes are made when a map or a node
 * names them, and retired when a map does not.
 *
 * "shop:meta" is one key, with one of the nodes.  It is read after each map,
 * and nobody else may ask before it was found to agree with us.
 */


static void ngx_shop_redis_cluster_map(ngx_shop_redis_t *redis,
    ngx_array_t *ranges);
static void ngx_shop_redis_cluster_meta(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply);
static void ngx_shop_redis_cluster_meta_handler(ngx_shop_redis_op_t *op);


ngx_int_t
ngx_shop_redis_cluster_ask(ngx_shop_redis_op_t *op)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "CLUSTER");
    ngx_str_set(&argv[1], "SLOTS");

    return ngx_shop_redis_add(op, 2, argv);
}


ngx_int_t
ngx_shop_redis_cluster_answer(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op)
{
    ngx_uint_t                  i;
    ngx_array_t                 ranges;
    ngx_shop_redis_range_t     *range;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    if (ngx_array_init(&ranges, op->pool, 16, sizeof(ngx_shop_redis_range_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_redis_slots_parse(op->replies[0], &ranges) != NGX_OK) {
        ngx_log_error(ngx_shop_redis_topology_level(redis),
                      redis->cycle->log, 0,
                      "redis \"%V\" has no map of a cluster",
                      &topology->asker->text);
        return NGX_ERROR;
    }

    /* a node that does not know its own address leaves it out */

    range = ranges.elts;

    for (i = 0; i < ranges.nelts; i++) {
        if (range[i].addr.host.len == 0) {
            range[i].addr.host = topology->asker->peer.host;
        }
    }

    ngx_shop_redis_cluster_map(redis, &ranges);
    ngx_shop_redis_cluster_meta(redis, NULL);

    return NGX_OK;
}


static void
ngx_shop_redis_cluster_map(ngx_shop_redis_t *redis, ngx_array_t *ranges)
{
    ngx_uint_t               i, slot;
    ngx_queue_t             *q, *next;
    ngx_shop_redis_node_t   *node;
    ngx_shop_redis_range_t  *range;

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);
        node->listed = 0;
    }

    ngx_memzero(redis->slots, NGX_SHOP_REDIS_SLOTS
                              * sizeof(ngx_shop_redis_node_t *));

    range = ranges->elts;

    for (i = 0; i < ranges->nelts; i++) {

        node = ngx_shop_redis_cluster_node(redis, &range[i].addr);
        if (node == NULL) {
            continue;
        }

        node->listed = 1;

        for (slot = range[i].first; slot <= range[i].last; slot++) {
            redis->slots[slot] = node;
        }
    }

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = next)
    {
        next = ngx_queue_next(q);                           /* NOLINT */
        node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

        if (!node->listed) {
            ngx_shop_redis_node_retire(node);
        }
    }

    ngx_shop_redis_track_update(redis);
}


ngx_shop_redis_node_t *
ngx_shop_redis_cluster_node(ngx_shop_redis_t *redis,
    ngx_shop_redis_addr_t *addr)
{
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_shop_redis_node_t  *node;

    n = 0;

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

        if (ngx_shop_redis_node_is(node, addr)) {
            return node;
        }

        n++;
    }

    if (n == NGX_SHOP_REDIS_NODES_MAX) {
        ngx_log_error(NGX_LOG_ERR, redis->cycle->log, 0,
                      "more than %d redis nodes", NGX_SHOP_REDIS_NODES_MAX);
        return NULL;
    }

    node = ngx_shop_redis_node_create(redis, addr, 0);

    if (node) {
        ngx_log_error(NGX_LOG_NOTICE, redis->cycle->log, 0,
                      "redis \"%V\" is a node of the cluster", &node->text);

        ngx_queue_insert_tail(&redis->nodes, &node->queue);
    }

    return node;
}


/* reads it, or writes what is missing in "reply" and reads it */

static void
ngx_shop_redis_cluster_meta(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply)
{
    ngx_int_t                   rc;
    ngx_shop_redis_op_t        *op;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    op = ngx_shop_redis_topology_op(redis, NGX_SHOP_REDIS_META_COMMANDS,
                                    ngx_shop_redis_cluster_meta_handler);
    if (op == NULL) {
        goto failed;
    }

    rc = reply ? ngx_shop_redis_meta_create(redis, op, reply)
               : ngx_shop_redis_meta_read(redis, op);

    if (rc == NGX_OK && ngx_shop_redis_submit(op) == NGX_AGAIN) {
        topology->meta = op;
        topology->created = (reply != NULL);
        return;
    }

    ngx_shop_redis_destroy(op);

failed:

    /* as when it does not answer, see the handler */

    if (topology->known) {
        ngx_shop_redis_topology_known(redis);
        return;
    }

    ngx_shop_redis_topology_failed(redis, "redis_unavailable");
}


static void
ngx_shop_redis_cluster_meta_handler(ngx_shop_redis_op_t *op)
{
    ngx_int_t                   rc;
    ngx_uint_t                  level;
    const char                 *reason;
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_reply_t     *reply;
    ngx_shop_redis_topology_t  *topology;

    redis = op->data;
    topology = redis->topology;

    topology->meta = NULL;

    if (redis->exiting) {
        ngx_shop_redis_destroy(op);
        return;
    }

    level = ngx_shop_redis_topology_level(redis);
    reason = "redis_unavailable";
    rc = op->rc;

    if (rc == NGX_OK) {
        reply = op->replies[op->ncommands - 1];
        reason = "redis_refused";

        rc = (reply->type == NGX_SHOP_REDIS_FAULT)
             ? NGX_ERROR
             : ngx_shop_redis_meta_check(redis, reply, level,
                                         redis->cycle->log);

        if (rc == NGX_DECLINED) {

            if (!topology->created) {
                ngx_shop_redis_cluster_meta(redis, reply);
                ngx_shop_redis_destroy(op);
                return;
            }

            ngx_log_error(level, redis->cycle->log, 0,
                          "\"%Vmeta\" does not keep what is written to it",
                          &redis->prefix);
            rc = NGX_ERROR;
        }

        if (rc == NGX_ERROR && reply->type != NGX_SHOP_REDIS_FAULT) {
            topology->known = 0;
        }
    }

    ngx_shop_redis_destroy(op);

    /* whoever has other slots is not to suffer while its node is away */

    if (rc == NGX_OK || topology->known) {
        ngx_shop_redis_topology_known(redis);
        return;
    }

    ngx_shop_redis_topology_failed(redis, reason);
}
