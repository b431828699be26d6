
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Operations.  One lives in its own pool, with its commands and replies,
 * and is at any time in one of these places:
 *
 *     nowhere           made, not submitted; or called back
 *     redis->waiting    the server for it is not known, or it is told to
 *                       come back in a moment
 *     conn->ops         its connection has it
 *     redis->done       it is over, its owner will be told
 *
 * Who frees an operation that is on a connection with some of its bytes sent
 * leaves an orphan behind: its replies come in their order, are read into
 * its pool and go away with it.  So a reply can meet no request but its own,
 * and a half-read one always has its memory.
 *
 * Owners are told from one place, ngx_shop_redis_deliver(), when an event
 * handler has finished with its connection: a callback may submit and free
 * whatever it likes.
 */


#define NGX_SHOP_REDIS_INCIDENT  60     /* seconds without a fault end it */


static ngx_int_t ngx_shop_redis_place(ngx_shop_redis_op_t *op,
    ngx_uint_t argc, ngx_str_t *argv);
static ngx_uint_t ngx_shop_redis_reads(ngx_str_t *command);
static ngx_int_t ngx_shop_redis_refuse(ngx_shop_redis_op_t *op, ngx_int_t rc,
    const char *reason);


/* what is worth a line in the log when a command meets it */

static const char  *ngx_shop_redis_faults[NGX_SHOP_REDIS_CODES] = {
    "READONLY", "LOADING", "MASTERDOWN", "NOAUTH", "WRONGPASS", "NOPERM",
    "OOM", "MISCONF", "NOREPLICAS", "BUSY", "CLUSTERDOWN", "MOVED", "ASK",
    "TRYAGAIN", "CROSSSLOT"
};


/* all others are writes, and so are scripts */

static ngx_str_t  ngx_shop_redis_reading[] = {
    ngx_string("GET"),
    ngx_string("GETRANGE"),
    ngx_string("HGET"),
    ngx_string("HGETALL"),
    ngx_string("HMGET"),
    ngx_string("LRANGE"),
    ngx_string("PING"),
    ngx_string("PTTL"),
    ngx_string("ZSCORE"),
    ngx_null_string
};


/* x^16 + x^12 + x^5 + 1, a nibble at a time */

static uint16_t  ngx_shop_redis_crc16_table[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef
};


ngx_int_t
ngx_shop_redis_init(ngx_shop_redis_t *redis, ngx_cycle_t *cycle)
{
    ngx_shop_redis_addr_t      addr;
    ngx_shop_redis_script_t  **script;

    redis->cycle = cycle;
    redis->exiting = 0;
    redis->lost = 0;
    redis->nops = 0;
    redis->node = NULL;
    redis->slots = NULL;
    redis->topology = NULL;
    redis->track = NULL;
    redis->no_write = NULL;
    redis->known = 0;
    redis->checking = 0;
    redis->seeded = 0;

    if (redis->zone) {
        redis->figures = ngx_shop_figures_own(redis->zone);

    } else {
        redis->figures = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_figures_t));
        if (redis->figures == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_queue_init(&redis->nodes);
    ngx_queue_init(&redis->retired);
    ngx_queue_init(&redis->done);
    ngx_queue_init(&redis->waiting);

    ngx_memzero(&redis->timer, sizeof(ngx_event_t));

    redis->timer.handler = ngx_shop_redis_route_handler;
    redis->timer.data = redis;
    redis->timer.log = cycle->log;
    redis->timer.cancelable = 1;

    for (script = ngx_shop_redis_scripts; *script; script++) {
        if (ngx_shop_redis_script_init(*script, cycle->log) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (redis->mode != NGX_SHOP_REDIS_SINGLE) {

        if (ngx_shop_redis_topology_init(redis) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        addr.host = redis->peer.host;
        addr.port = redis->peer.port;

        redis->node = ngx_shop_redis_node_create(redis, &addr, 0);

        if (redis->node == NULL) {
            return NGX_ERROR;
        }

        ngx_queue_insert_tail(&redis->nodes, &redis->node->queue);
    }

    redis->started = 1;

    return NGX_OK;
}


void
ngx_shop_redis_exit(ngx_shop_redis_t *redis)
{
    ngx_queue_t            *q, *list[2];
    ngx_uint_t              i;
    ngx_shop_redis_node_t  *node;

    if (!redis->started) {
        return;
    }

    redis->exiting = 1;

    if (redis->topology) {
        ngx_shop_redis_topology_exit(redis);
    }

    list[0] = &redis->nodes;
    list[1] = &redis->retired;

    for (i = 0; i < 2; i++) {

        while (!ngx_queue_empty(list[i])) {
            q = ngx_queue_head(list[i]);
            node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

            ngx_queue_remove(q);
            ngx_shop_redis_node_destroy(node);
        }
    }

    redis->node = NULL;

    ngx_shop_redis_route_fail(redis, "redis_unavailable");

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    ngx_shop_redis_deliver(redis);

    redis->started = 0;
}


ngx_shop_redis_op_t *
ngx_shop_redis_create(ngx_shop_redis_t *redis, ngx_uint_t max, ngx_log_t *log)
{
    ngx_pool_t              *pool;
    ngx_shop_redis_op_t     *op;
    ngx_shop_redis_state_t  *state;

    /* not the log of the owner, whom the pool may outlive */

    pool = ngx_create_pool(NGX_SHOP_REDIS_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    op = ngx_pcalloc(pool, sizeof(ngx_shop_redis_op_t));
    state = ngx_pcalloc(pool, sizeof(ngx_shop_redis_state_t));

    if (op == NULL || state == NULL) {
        goto failed;
    }

    op->replies = ngx_pcalloc(pool, max * sizeof(ngx_shop_redis_reply_t *));
    state->wires = ngx_palloc(pool, max * sizeof(ngx_str_t));
    state->scripts = ngx_pcalloc(pool, max
                                       * sizeof(ngx_shop_redis_script_t *));

    state->loaded = ngx_pcalloc(pool, max);

    if (op->replies == NULL
        || state->wires == NULL
        || state->scripts == NULL
        || state->loaded == NULL)
    {
        goto failed;
    }

    op->log = log;
    op->pool = pool;
    op->state = state;

    state->redis = redis;
    state->op = op;
    state->max = max;
    state->slot = NGX_ERROR;

    return op;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


ngx_int_t
ngx_shop_redis_add(ngx_shop_redis_op_t *op, ngx_uint_t argc, ngx_str_t *argv)
{
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    if (op->ncommands == state->max) {
        ngx_log_error(NGX_LOG_ALERT, op->log, 0,
                      "more than %ui commands in a redis operation",
                      state->max);
        return NGX_ERROR;
    }

    if (ngx_shop_redis_format(op->pool, argc, argv,
                              &state->wires[op->ncommands])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (state->redis->mode == NGX_SHOP_REDIS_CLUSTER
        && ngx_shop_redis_place(op, argc, argv) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_shop_redis_reads(&argv[0])) {
        state->writes = 1;
    }

    op->ncommands++;

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_redis_reads(ngx_str_t *command)
{
    ngx_str_t  *name;

    for (name = ngx_shop_redis_reading; name->len; name++) {
        if (name->len == command->len
            && ngx_strncmp(name->data, command->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Which slot of a cluster a command is about: all that we send have their
 * first key as their first argument, but scripts.
 */

static ngx_int_t
ngx_shop_redis_place(ngx_shop_redis_op_t *op, ngx_uint_t argc,
    ngx_str_t *argv)
{
    ngx_int_t                slot;
    ngx_uint_t               i;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    i = 1;

    if (ngx_shop_text_is(&argv[0], "EVALSHA")) {
        i = (argc > 3 && argv[2].data[0] != '0') ? 3 : argc;
    }

    if (i >= argc) {
        return NGX_OK;
    }

    slot = (ngx_int_t) ngx_shop_redis_slot(&argv[i]);

    if (state->slot != NGX_ERROR && state->slot != slot) {
        ngx_log_error(NGX_LOG_ALERT, op->log, 0,
                      "keys of two slots in one redis operation");
        return NGX_ERROR;
    }

    state->slot = slot;

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_submit(ngx_shop_redis_op_t *op)
{
    const char              *reason;
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    if (!redis->started || redis->exiting) {
        return ngx_shop_redis_refuse(op, NGX_ERROR, "redis_unavailable");
    }

    if (op->ncommands == 0) {
        ngx_log_error(NGX_LOG_ALERT, op->log, 0, "empty redis operation");
        return ngx_shop_redis_refuse(op, NGX_ERROR, "redis_unavailable");
    }

    if (redis->nops >= redis->max_queue) {
        ngx_shop_count(redis->figures, NGX_SHOP_REDIS_BUSY);
        return ngx_shop_redis_refuse(op, NGX_BUSY, "redis_busy");
    }

    state->deadline = ngx_current_msec + redis->timeout;
    state->run.op = op;
    state->run.wires = state->wires;
    state->run.n = op->ncommands;

    if (ngx_shop_redis_route(op, &reason) != NGX_AGAIN) {
        return ngx_shop_redis_refuse(op, NGX_ERROR, reason);
    }

    if (!state->own) {
        redis->nops++;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_shop_redis_refuse(ngx_shop_redis_op_t *op, ngx_int_t rc,
    const char *reason)
{
    ngx_log_debug1(NGX_LOG_DEBUG_CORE, op->log, 0,
                   "shop redis operation not started: %s", reason);

    if (op->handler == NULL) {
        ngx_shop_redis_destroy(op);
        return rc;
    }

    op->rc = rc;
    op->reason = reason;

    return rc;
}


void
ngx_shop_redis_free(ngx_shop_redis_op_t *op)
{
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    if (state->conn == NULL) {

        if (state->queued) {
            ngx_queue_remove(&state->queue);
        }

        if (state->waiting && !state->own) {
            redis->nops--;
        }

        redis->timer.cancelable = ngx_queue_empty(&redis->waiting);

        /* some of it may have been done where it was first */

        if (state->waiting && state->again && op->over) {
            op->rc = NGX_ERROR;
            op->over(op);
        }

        ngx_shop_redis_destroy(op);
        return;
    }

    if (state->run.started) {
        state->orphan = 1;
        op->handler = NULL;
        op->log = ngx_cycle->log;
        return;
    }

    ngx_shop_redis_conn_withdraw(state->conn, op);

    if (!state->own) {
        redis->nops--;
    }

    ngx_shop_redis_destroy(op);
}


void
ngx_shop_redis_enqueue(ngx_queue_t *queue, ngx_shop_redis_state_t *state)
{
    ngx_queue_t             *q;
    ngx_shop_redis_state_t  *other;

    /* the last one, unless it was elsewhere before */

    for (q = ngx_queue_last(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_prev(q))
    {
        other = ngx_queue_data(q, ngx_shop_redis_state_t, queue);

        if ((ngx_msec_int_t) (other->deadline - state->deadline) <= 0) {
            break;
        }
    }

    ngx_queue_insert_after(q, &state->queue);
    state->queued = 1;
}


void
ngx_shop_redis_finish(ngx_shop_redis_op_t *op, ngx_int_t rc,
    const char *reason)
{
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);
    redis = state->redis;

    if (state->queued) {
        ngx_queue_remove(&state->queue);
        state->queued = 0;
    }

    if (!state->setup && !state->own) {
        redis->nops--;
    }

    if (state->conn) {
        op->server = state->conn->node->id;
    }

    state->conn = NULL;
    state->waiting = 0;

    op->rc = rc;
    op->reason = reason;

    if (op->over) {
        op->over(op);
    }

    if (op->handler == NULL) {
        ngx_shop_redis_destroy(op);
        return;
    }

    ngx_queue_insert_tail(&redis->done, &state->queue);
    state->queued = 1;
}


void
ngx_shop_redis_deliver(ngx_shop_redis_t *redis)
{
    ngx_queue_t             *q;
    ngx_shop_redis_state_t  *state;

    while (!ngx_queue_empty(&redis->done)) {

        q = ngx_queue_head(&redis->done);
        state = ngx_queue_data(q, ngx_shop_redis_state_t, queue);

        ngx_queue_remove(q);
        state->queued = 0;

        state->op->handler(state->op);
    }
}


void
ngx_shop_redis_destroy(ngx_shop_redis_op_t *op)
{
    ngx_uint_t               i;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    if (state->setup) {

        /* the password is in there */

        for (i = 0; i < op->ncommands; i++) {
            ngx_shop_zero(state->wires[i].data, state->wires[i].len);
        }
    }

    ngx_destroy_pool(op->pool);
}


/*
 * A server that fails every write would fill the log; a fault is reported
 * when it comes up, and again only after it was gone for a while.  Of the
 * text nothing is logged, since servers repeat arguments in it.
 */

void
ngx_shop_redis_note_fault(ngx_shop_redis_node_t *node,
    ngx_shop_redis_reply_t *reply, ngx_log_t *log)
{
    time_t       now, seen;
    ngx_uint_t   i;
    const char  *code;

    for (i = 0; i < NGX_SHOP_REDIS_CODES; i++) {

        code = ngx_shop_redis_faults[i];

        if (!ngx_shop_redis_is_fault(reply, code)) {
            continue;
        }

        now = ngx_time();
        seen = node->faults[i];

        if (seen == 0 || now - seen > NGX_SHOP_REDIS_INCIDENT) {
            ngx_log_error(NGX_LOG_ERR, log, 0, "redis answers %s", code);
        }

        node->faults[i] = now;

        return;
    }
}


ngx_uint_t
ngx_shop_redis_part(ngx_shop_redis_t *redis, ngx_str_t *id)
{
    return redis->mode == NGX_SHOP_REDIS_CLUSTER
           ? ngx_shop_redis_partition(redis, id) : 0;
}


ngx_uint_t
ngx_shop_redis_partition(ngx_shop_redis_t *redis, ngx_str_t *id)
{
    return ngx_shop_redis_crc16(id) % redis->partitions;
}


ngx_uint_t
ngx_shop_redis_crc16(ngx_str_t *text)
{
    u_char    *p, *last;
    uint16_t   crc;

    crc = 0;
    last = text->data + text->len;

    for (p = text->data; p < last; p++) {
        crc = (uint16_t) (crc << 4)
              ^ ngx_shop_redis_crc16_table[(crc >> 12) ^ (*p >> 4)];
        crc = (uint16_t) (crc << 4)
              ^ ngx_shop_redis_crc16_table[(crc >> 12) ^ (*p & 0x0f)];
    }

    return crc;
}


ngx_int_t
ngx_shop_redis_customer_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    const char *kind, ngx_str_t *id, ngx_str_t *tail, ngx_str_t *key)
{
    u_char  *p;
    size_t   len;

    len = redis->prefix.len + ngx_strlen(kind)
          + sizeof(":{16383}:") - 1 + id->len;

    if (tail) {
        len += 1 + tail->len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    p = ngx_sprintf(p, "%V%s:{%ui}:%V", &redis->prefix, kind,
                    ngx_shop_redis_partition(redis, id), id);

    if (tail) {
        *p++ = ':';
        p = ngx_cpymem(p, tail->data, tail->len);
    }

    key->len = p - key->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_partition_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    const char *kind, ngx_uint_t partition, ngx_str_t *key)
{
    u_char  *p;

    p = ngx_pnalloc(pool, redis->prefix.len + ngx_strlen(kind)
                          + sizeof(":{16383}") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;
    key->len = ngx_sprintf(p, "%V%s:{%ui}", &redis->prefix, kind, partition)
               - p;

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_plain_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    const char *name, ngx_str_t *key)
{
    u_char  *p;

    p = ngx_pnalloc(pool, redis->prefix.len + ngx_strlen(name));
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;
    key->len = ngx_sprintf(p, "%V%s", &redis->prefix, name) - p;

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    const char *kind, ngx_str_t *name, ngx_str_t *key)
{
    u_char  *p;

    p = ngx_pnalloc(pool, redis->prefix.len + ngx_strlen(kind) + 1
                          + name->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;
    key->len = ngx_sprintf(p, "%V%s:%V", &redis->prefix, kind, name) - p;

    return NGX_OK;
}
