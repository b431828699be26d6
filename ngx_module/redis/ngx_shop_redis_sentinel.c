
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Sentinels say who the master is, and tell when that changes.
 *
 * A worker asks one of them, the next where one is silent or knows nothing,
 * and stays with the one that answered.  It is subscribed to the news of one
 * of them besides, so that it moves as soon as the sentinels have agreed on
 * another master, instead of when the old one fails it; a message is a reason
 * to ask, no more.  Without a subscription nothing is lost but time.
 *
 * Sentinels may be wrong about the past, so a server they name is asked
 * itself (ngx_shop_redis_setup.c).
 */


#define NGX_SHOP_REDIS_LISTEN_INTERVAL  1000
#define NGX_SHOP_REDIS_LISTEN_SILENCE   3000
#define NGX_SHOP_REDIS_LISTEN_ASK       2000


static ngx_int_t ngx_shop_redis_sentinel_subscribe(ngx_shop_redis_t *redis);
static void ngx_shop_redis_sentinel_say(ngx_shop_redis_t *redis,
    ngx_uint_t argc, ngx_str_t *argv);
static void ngx_shop_redis_sentinel_hello(ngx_shop_redis_op_t *op);
static void ngx_shop_redis_sentinel_heard(ngx_shop_redis_node_t *node,
    ngx_shop_redis_reply_t *reply);


ngx_int_t
ngx_shop_redis_sentinel_ask(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op)
{
    ngx_str_t  argv[3];

    ngx_str_set(&argv[0], "SENTINEL");
    ngx_str_set(&argv[1], "get-master-addr-by-name");
    argv[2] = redis->master;

    return ngx_shop_redis_add(op, 3, argv);
}


ngx_int_t
ngx_shop_redis_sentinel_answer(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op)
{
    ngx_shop_redis_node_t      *node;
    ngx_shop_redis_addr_t       addr;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    if (op->replies[0]->type == NGX_SHOP_REDIS_NIL) {
        ngx_log_error(ngx_shop_redis_topology_level(redis),
                      redis->cycle->log, 0,
                      "sentinel \"%V\" knows no master \"%V\"",
                      &topology->asker->text, &redis->master);
        return NGX_ERROR;
    }

    if (ngx_shop_redis_addr_parse(op->replies[0], &addr) != NGX_OK
        || addr.host.len == 0)
    {
        ngx_log_error(ngx_shop_redis_topology_level(redis),
                      redis->cycle->log, 0,
                      "sentinel \"%V\" gave no proper answer",
                      &topology->asker->text);
        return NGX_ERROR;
    }

    if (redis->node == NULL || !ngx_shop_redis_node_is(redis->node, &addr)) {

        node = ngx_shop_redis_node_create(redis, &addr, 0);
        if (node == NULL) {
            return NGX_ERROR;
        }

        ngx_log_error(NGX_LOG_NOTICE, redis->cycle->log, 0,
                      "redis master \"%V\" is \"%V\"", &redis->master,
                      &node->text);

        if (redis->node) {
            ngx_shop_redis_node_retire(redis->node);
        }

        ngx_queue_insert_tail(&redis->nodes, &node->queue);
        redis->node = node;
        redis->lost = 0;

        ngx_shop_redis_track_update(redis);
    }

    /* the next round begins with the one who knew */

    topology->seed += topology->ntry - 1;

    if (!topology->listen.timer_set) {
        ngx_add_timer(&topology->listen, 1);
    }

    ngx_shop_redis_topology_known(redis);

    return NGX_OK;
}


void
ngx_shop_redis_sentinel_listen(ngx_event_t *ev)
{
    ngx_str_t                   argv[1];
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_conn_t      *conn;
    ngx_shop_redis_topology_t  *topology;

    redis = ev->data;
    topology = redis->topology;

    if (ngx_exiting || redis->exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_SHOP_REDIS_LISTEN_INTERVAL);

    /* in case that news were missed, or the sentinels changed their mind */

    if (ngx_current_msec - topology->asked >= NGX_SHOP_REDIS_LISTEN_ASK) {
        ngx_shop_redis_topology_want(redis);
    }

    if (topology->hello) {
        return;
    }

    if (topology->listener) {
        conn = topology->listener->conns[0];

        if (!topology->subscribed || conn->state != NGX_SHOP_REDIS_READY) {
            ngx_shop_redis_node_destroy(topology->listener);
            topology->listener = NULL;
            topology->subscribed = 0;
            topology->ear++;

        } else if (ngx_current_msec - conn->last_read
                   >= NGX_SHOP_REDIS_LISTEN_SILENCE)
        {
            ngx_str_set(&argv[0], "PING");
            ngx_shop_redis_sentinel_say(redis, 1, argv);
        }
    }

    if (topology->listener == NULL) {
        (void) ngx_shop_redis_sentinel_subscribe(redis);
    }

    ngx_shop_redis_deliver(redis);
}


static ngx_int_t
ngx_shop_redis_sentinel_subscribe(ngx_shop_redis_t *redis)
{
    ngx_str_t                   argv[2];
    ngx_shop_redis_addr_t      *addrs;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;
    addrs = redis->addrs->elts;

    topology->listener = ngx_shop_redis_node_create(redis,
                             &addrs[topology->ear % redis->addrs->nelts], 1);

    if (topology->listener == NULL) {
        return NGX_ERROR;
    }

    topology->listener->push = ngx_shop_redis_sentinel_heard;

    ngx_str_set(&argv[0], "SUBSCRIBE");
    ngx_str_set(&argv[1], "+switch-master");

    ngx_shop_redis_sentinel_say(redis, 2, argv);

    return NGX_OK;
}


static void
ngx_shop_redis_sentinel_say(ngx_shop_redis_t *redis, ngx_uint_t argc,
    ngx_str_t *argv)
{
    ngx_shop_redis_op_t        *op;
    ngx_shop_redis_topology_t  *topology;

    topology = redis->topology;

    op = ngx_shop_redis_topology_op(redis, 1, ngx_shop_redis_sentinel_hello);
    if (op == NULL) {
        return;
    }

    if (ngx_shop_redis_add(op, argc, argv) != NGX_OK) {
        ngx_shop_redis_destroy(op);
        return;
    }

    if (ngx_shop_redis_node_submit(topology->listener, op) == NGX_AGAIN) {
        topology->hello = op;
    }
}


static void
ngx_shop_redis_sentinel_hello(ngx_shop_redis_op_t *op)
{
    ngx_shop_redis_t           *redis;
    ngx_shop_redis_topology_t  *topology;

    redis = op->data;
    topology = redis->topology;

    topology->hello = NULL;

    if (!redis->exiting) {

        if (op->rc != NGX_OK || op->replies[0]->type != NGX_SHOP_REDIS_ARRAY) {
            topology->subscribed = 0;

        } else if (!topology->subscribed) {

            /* what was said before is not repeated */

            topology->subscribed = 1;
            topology->seed = topology->ear;

            ngx_shop_redis_topology_want(redis);

        } else {

            /* to PING; or a message that came first */

            ngx_shop_redis_sentinel_heard(topology->listener, op->replies[0]);
        }
    }

    ngx_shop_redis_destroy(op);
}


static void
ngx_shop_redis_sentinel_heard(ngx_shop_redis_node_t *node,
    ngx_shop_redis_reply_t *reply)
{
    ngx_shop_redis_t  *redis;

    redis = node->redis;

    if (ngx_shop_redis_switch_is(reply, &redis->master)) {
        ngx_log_error(NGX_LOG_NOTICE, redis->cycle->log, 0,
                      "sentinel \"%V\" tells of a switch of \"%V\"",
                      &node->text, &redis->master);

        /* the others may not have heard of it yet */

        redis->topology->seed = redis->topology->ear;

        ngx_shop_redis_topology_want(redis);
    }
}
