
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Connections: when they are made, and how they end.
 *
 *     CLOSED --> CONNECTING --> SETUP --> READY
 *       ^            |            |         |
 *       `------------+------------+---------'
 *
 * In SETUP the connection is its own customer, see ngx_shop_redis_setup.c.
 * All other operations wait in "unsent" until READY, and then go their way
 * through ngx_shop_redis_conn_io.c.
 *
 * Time.  Every operation has the same timeout, so the oldest one on a
 * connection is the first to end; one that was with another node before is
 * put among those of its age.  So one timer for each connection is enough; it
 * is set once and looks around when it fires.  A connection whose oldest
 * operation is overdue is closed, with all that is on it, and so are
 * those that have not said a word in the second half of that time: the server
 * is frozen or unreachable, and later requests should not find that out one
 * by one.  An idle connection may go for nothing, which costs little.  An
 * orphan counts as well.
 *
 * The breaker.  After a failure no attempt is made for a while: exponential
 * back-off with full jitter, so that the workers of many machines do not
 * come back in step.  Who asks meanwhile is told so at once.  Then the next
 * who asks makes an attempt, as nobody else does: no timer reconnects.  If
 * the failure before was a quick one (refused, reset), so will be the next,
 * and it is worth waiting for; if it took its time, nobody waits, and the
 * attempt goes on behind the scenes.  One request is held for one timeout,
 * once; then all are answered at once until the server is back.
 *
 * Behind one address there may be another server by now, as names and virtual
 * addresses move at a failover, and connections do not.  So those to one that
 * says it is a replica are old: they are not used where there is a younger
 * one, and made anew, one after the other, once nothing is out on them.
 *
 * Leaving.  With an operation out, the timer keeps a worker alive that shuts
 * down; otherwise nothing here does.  A question where the servers are does
 * not: who waits for its answer has a timer (ngx_shop_redis_route.c).  A
 * connection is "idle" when nothing is out, and closed by nginx then.
 */


#define NGX_SHOP_REDIS_KEEPIDLE  60     /* seconds */


static ngx_int_t ngx_shop_redis_conn_open(ngx_shop_redis_conn_t *conn);
static ngx_uint_t ngx_shop_redis_conn_peer_level(ngx_shop_peer_t *peer,
    const char *reason);
static void ngx_shop_redis_conn_connected(ngx_shop_peer_t *peer);
static void ngx_shop_redis_conn_keepalive(ngx_connection_t *c);
static void ngx_shop_redis_conn_timer_handler(ngx_event_t *ev);
static void ngx_shop_redis_conn_overdue(ngx_shop_redis_conn_t *conn);
static void ngx_shop_redis_conn_fail_ops(ngx_shop_redis_conn_t *conn,
    const char *reason);


void
ngx_shop_redis_conn_init(ngx_shop_redis_node_t *node,
    ngx_shop_redis_conn_t *conn)
{
    conn->node = node;
    conn->redis = node->redis;
    conn->state = NGX_SHOP_REDIS_CLOSED;

    conn->log = *node->redis->cycle->log;
    conn->log.handler = ngx_shop_redis_node_log;
    conn->log.data = node;
    conn->log.action = NULL;

    ngx_queue_init(&conn->ops);
    ngx_queue_init(&conn->unsent);
    ngx_queue_init(&conn->sent);

    conn->timer.handler = ngx_shop_redis_conn_timer_handler;
    conn->timer.data = conn;
    conn->timer.log = &conn->log;
    conn->timer.cancelable = 1;

    conn->pos = conn->out;
    conn->last = conn->out;
}


ngx_shop_redis_conn_t *
ngx_shop_redis_conn_pick(ngx_shop_redis_node_t *node, const char **reason)
{
    ngx_uint_t              i, n, may_try;
    ngx_shop_redis_conn_t  *conn, *ready, *coming;

    ready = NULL;
    coming = NULL;

    may_try = (node->failures == 0
               || (ngx_msec_int_t) (ngx_current_msec - node->retry_at) >= 0);

    n = node->next++;

    for (i = 0; i < node->nconns && ready == NULL; i++) {

        conn = node->conns[(n + i) % node->nconns];

        if (conn->old) {

            if (!may_try || coming != NULL || !ngx_queue_empty(&conn->ops)) {
                continue;
            }

            ngx_shop_redis_conn_close(conn, "redis_unavailable");
        }

        if (conn->state == NGX_SHOP_REDIS_CLOSED && may_try
            && ngx_shop_redis_conn_open(conn) != NGX_OK)
        {
            may_try = 0;
            continue;
        }

        if (conn->state == NGX_SHOP_REDIS_READY) {
            ready = conn;

        } else if (conn->state != NGX_SHOP_REDIS_CLOSED && coming == NULL) {
            coming = conn;
        }
    }

    if (ready) {
        return ready;
    }

    if (coming && !node->slow) {
        return coming;
    }

    /* always the same one, so that the others become empty */

    for (i = 0; i < node->nconns; i++) {
        if (node->conns[i]->old) {
            return node->conns[i];
        }
    }

    *reason = node->reason;

    return NULL;
}


void
ngx_shop_redis_conn_outlived(ngx_shop_redis_conn_t *conn)
{
    if (conn->redis->topology == NULL
        && conn->state == NGX_SHOP_REDIS_READY
        && ngx_current_msec - conn->started > NGX_SHOP_REDIS_BACKOFF_MAX)
    {
        conn->old = 1;
    }
}


void
ngx_shop_redis_conn_add(ngx_shop_redis_conn_t *conn, ngx_shop_redis_op_t *op,
    ngx_shop_redis_run_t *run)
{
    ngx_msec_int_t           left;
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    state->conn = conn;
    state->added = ngx_shop_redis_usec();
    state->pending = 1;

    ngx_shop_redis_enqueue(&conn->ops, state);

    left = (ngx_msec_int_t) (state->deadline - ngx_current_msec);

    if (!conn->timer.timer_set
        || (ngx_queue_head(&conn->ops) == &state->queue
            && (ngx_msec_int_t) (conn->timer.timer.key - state->deadline) > 0))
    {
        ngx_shop_redis_timer(&conn->timer, ngx_max(left, 1));
    }

    ngx_shop_redis_conn_run(conn, run);
}


void
ngx_shop_redis_conn_run(ngx_shop_redis_conn_t *conn, ngx_shop_redis_run_t *run)
{
    ngx_queue_insert_tail(&conn->unsent, &run->queue);

    ngx_shop_redis_conn_update(conn);

    if (conn->state == NGX_SHOP_REDIS_READY) {
        ngx_post_event(conn->connection->write, &ngx_posted_events);
    }
}


void
ngx_shop_redis_conn_withdraw(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op)
{
    ngx_shop_redis_state_t  *state;

    state = ngx_shop_redis_state(op);

    ngx_queue_remove(&state->run.queue);
    ngx_queue_remove(&state->queue);
    state->queued = 0;

    ngx_shop_redis_conn_update(conn);
}


static ngx_int_t
ngx_shop_redis_conn_open(ngx_shop_redis_conn_t *conn)
{
    ngx_shop_peer_t  *peer;

    peer = &conn->peer;

    ngx_memzero(peer, sizeof(ngx_shop_peer_t));

    peer->conf = &conn->node->peer;
    peer->handler = ngx_shop_redis_conn_connected;
    peer->data = conn;
    peer->log = &conn->log;
    peer->level = ngx_shop_redis_conn_peer_level;

    conn->state = NGX_SHOP_REDIS_CONNECTING;
    conn->started = ngx_current_msec;

    ngx_shop_redis_node_say(conn->node);

    if (ngx_shop_peer_connect(peer) == NGX_ERROR) {
        ngx_shop_redis_conn_fail(conn, "redis_unavailable", peer->reason, 0);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_redis_conn_peer_level(ngx_shop_peer_t *peer, const char *reason)
{
    return ngx_shop_redis_conn_level(peer->data, reason);
}


static void
ngx_shop_redis_conn_connected(ngx_shop_peer_t *peer)
{
    ngx_connection_t       *c;
    ngx_shop_redis_t       *redis;
    ngx_shop_redis_conn_t  *conn;

    conn = peer->data;
    redis = conn->redis;

    if (peer->rc != NGX_OK) {
        ngx_shop_redis_conn_fail(conn, "redis_unavailable", peer->reason, 0);
        ngx_shop_redis_deliver(redis);
        return;
    }

    c = peer->connection;

    c->data = conn;
    c->log = &conn->log;
    c->log_error = NGX_ERROR_INFO;      /* said by us, see conn_closed() */
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_shop_redis_conn_read_handler;
    c->write->handler = ngx_shop_redis_conn_write_handler;

    conn->connection = c;
    conn->state = NGX_SHOP_REDIS_SETUP;
    conn->last_read = ngx_current_msec;
    conn->setup_deadline = ngx_current_msec + conn->node->timeout;

    if (!conn->timer.timer_set) {
        ngx_add_timer(&conn->timer, conn->node->timeout);
    }

    if (conn->node->peer.path.len == 0) {
        ngx_shop_redis_conn_keepalive(c);
    }

    conn->reader = ngx_shop_redis_reader_create();

    if (conn->reader == NULL
        || (conn->node->peer.path.len == 0 && ngx_tcp_nodelay(c) != NGX_OK)
        || ngx_shop_redis_setup(conn) != NGX_OK)
    {
        ngx_shop_redis_conn_fail(conn, "redis_unavailable", "internal", 0);
        ngx_shop_redis_deliver(redis);
        return;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


/* what stands between may forget a connection on which nothing is said */

static void
ngx_shop_redis_conn_keepalive(ngx_connection_t *c)
{
    int  value;

    value = 1;

    if (setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(int))
        == -1)
    {
        ngx_connection_error(c, ngx_socket_errno,
                             "setsockopt(SO_KEEPALIVE) failed");
    }

#if (NGX_HAVE_KEEPALIVE_TUNABLE)

    value = NGX_SHOP_REDIS_KEEPIDLE;

    if (setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(int))
        == -1)
    {
        ngx_connection_error(c, ngx_socket_errno,
                             "setsockopt(TCP_KEEPIDLE) failed");
    }

#endif
}


void
ngx_shop_redis_conn_ready(ngx_shop_redis_conn_t *conn)
{
    ngx_shop_redis_node_t  *node;

    node = conn->node;

    ngx_shop_count(node->figures, NGX_SHOP_REDIS_CONNECTS);

    if (conn->served) {
        ngx_shop_count(node->figures, NGX_SHOP_REDIS_RECONNECTS);
    }

    conn->served = 1;

    if (node->failures) {
        ngx_log_error(NGX_LOG_NOTICE, &conn->log, 0, "redis is back");
    }

    node->failures = 0;
    node->slow = 0;
    node->why = NULL;

    conn->state = NGX_SHOP_REDIS_READY;

    ngx_shop_redis_node_say(node);

    if (conn->redis->password.len) {
        ngx_shop_zero(conn->out, NGX_SHOP_REDIS_BUFFER_SIZE);
    }

    ngx_shop_redis_conn_update(conn);

    if (!ngx_queue_empty(&conn->unsent)) {
        ngx_post_event(conn->connection->write, &ngx_posted_events);
    }
}


void
ngx_shop_redis_conn_closed(ngx_shop_redis_conn_t *conn)
{
    if (conn->state == NGX_SHOP_REDIS_READY && ngx_queue_empty(&conn->ops)) {

        /* nobody is harmed, the next who asks connects again */

        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "redis closed an idle connection");

        ngx_shop_redis_conn_close(conn, "redis_unavailable");
        return;
    }

    ngx_log_error(ngx_shop_redis_conn_level(conn, "closed"), &conn->log, 0,
                  "redis closed the connection prematurely");

    ngx_shop_redis_conn_fail(conn, "redis_unavailable", "closed", 0);
}


static void
ngx_shop_redis_conn_timer_handler(ngx_event_t *ev)
{
    ngx_queue_t             *q;
    ngx_msec_int_t           left, ms;
    ngx_shop_redis_conn_t   *conn;
    ngx_shop_redis_state_t  *state;

    conn = ev->data;
    left = 0;

    if (!ngx_queue_empty(&conn->ops)) {

        q = ngx_queue_head(&conn->ops);
        state = ngx_queue_data(q, ngx_shop_redis_state_t, queue);

        left = (ngx_msec_int_t) (state->deadline - ngx_current_msec);

        if (left <= 0) {
            left = 0;
            ngx_shop_redis_conn_overdue(conn);
        }
    }

    if (conn->state == NGX_SHOP_REDIS_SETUP) {

        ms = (ngx_msec_int_t) (conn->setup_deadline - ngx_current_msec);

        if (ms <= 0) {
            left = 0;

            conn->log.action = "setting up redis connection";
            ngx_log_error(ngx_shop_redis_conn_level(conn, "timeout"),
                          &conn->log, 0, "redis timed out");

            ngx_shop_redis_conn_fail(conn, "redis_unavailable", "timeout", 1);

        } else if (left == 0 || ms < left) {
            left = ms;
        }
    }

    if (left > 0) {
        ngx_add_timer(ev, left);
    }

    ngx_shop_redis_deliver(conn->redis);
}


static void
ngx_shop_redis_conn_overdue(ngx_shop_redis_conn_t *conn)
{
    char                    *action;
    ngx_uint_t               i;
    ngx_msec_t               since;
    ngx_shop_redis_node_t   *node;
    ngx_shop_redis_conn_t   *other;
    ngx_shop_redis_state_t  *state;

    node = conn->node;

    action = conn->log.action;
    conn->log.action = (conn->state == NGX_SHOP_REDIS_READY)
                       ? "waiting for redis" : "waiting for connection";

    ngx_log_error(ngx_shop_redis_conn_level(conn, "timeout"), &conn->log, 0,
                  "redis timed out");

    conn->log.action = action;

    if (conn->state != NGX_SHOP_REDIS_READY) {

        /* it may still come, but no one waits for it any more */

        node->slow = 1;
        node->why = "timeout";
        node->reason = "redis_unavailable";

        ngx_shop_redis_node_say(node);

        ngx_queue_init(&conn->unsent);

        if (conn->setup) {
            state = ngx_shop_redis_state(conn->setup);

            if (!state->run.started) {
                ngx_queue_insert_head(&conn->unsent, &state->run.queue);
            }
        }

        ngx_shop_redis_conn_fail_ops(conn, "redis_unavailable");
        return;
    }

    since = ngx_current_msec - node->timeout / 2;

    ngx_shop_redis_conn_fail(conn, "redis_unavailable", "timeout", 1);

    for (i = 0; i < node->nconns; i++) {

        other = node->conns[i];

        if (other->state == NGX_SHOP_REDIS_READY
            && (ngx_msec_int_t) (other->last_read - since) < 0)
        {
            ngx_shop_redis_conn_close(other, "redis_unavailable");
        }
    }
}


/* what depends on whether anything is out */

void
ngx_shop_redis_conn_update(ngx_shop_redis_conn_t *conn)
{
    ngx_uint_t  idle;

    idle = ngx_queue_empty(&conn->ops);

    conn->timer.cancelable = idle || conn->node->asker;

    if (conn->connection) {
        conn->connection->idle = idle && conn->state == NGX_SHOP_REDIS_READY;
    }
}


void
ngx_shop_redis_conn_fail(ngx_shop_redis_conn_t *conn, const char *reason,
    const char *why, ngx_uint_t slow)
{
    ngx_shop_redis_node_t  *node;

    node = conn->node;

    /* an attempt that held its first operation for long, for any reason */

    if (conn->state != NGX_SHOP_REDIS_READY
        && ngx_current_msec - conn->started > node->timeout / 2)
    {
        slow = 1;
    }

    node->retry_at = ngx_current_msec
                     + ngx_shop_redis_backoff(node->failures,
                                              NGX_SHOP_REDIS_BACKOFF_MIN,
                                              NGX_SHOP_REDIS_BACKOFF_MAX);

    if (node->failures++ == 0) {
        node->failed_at = ngx_current_msec;
    }

    node->reason = reason;
    node->why = why;
    node->slow = slow;

    ngx_shop_count(node->figures, NGX_SHOP_REDIS_FAILURES);

    ngx_shop_redis_conn_close(conn, reason);
    ngx_shop_redis_topology_lost(node);
}


void
ngx_shop_redis_conn_close(ngx_shop_redis_conn_t *conn, const char *reason)
{
    ngx_shop_redis_state_t  *state;

    conn->state = NGX_SHOP_REDIS_CLOSED;

    ngx_shop_redis_node_say(conn->node);

    ngx_shop_peer_cancel(&conn->peer);

    if (conn->connection) {
        ngx_shop_peer_close(conn->connection);
        conn->connection = NULL;
    }

    /* the reader before the pools, which hold what it has half-read */

    if (conn->reader) {
        ngx_shop_redis_reader_free(conn->reader);
        conn->reader = NULL;
    }

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->push_pool) {
        ngx_destroy_pool(conn->push_pool);
        conn->push_pool = NULL;
    }

    ngx_queue_init(&conn->unsent);
    ngx_queue_init(&conn->sent);

    conn->writing = NULL;
    conn->created = 0;
    conn->old = 0;
    conn->pos = conn->out;
    conn->last = conn->out;

    if (conn->redis->password.len) {
        ngx_shop_zero(conn->out, NGX_SHOP_REDIS_BUFFER_SIZE);
    }

    if (conn->setup) {
        state = ngx_shop_redis_state(conn->setup);

        if (state->queued) {
            ngx_queue_remove(&state->queue);
        }

        ngx_shop_redis_destroy(conn->setup);
        conn->setup = NULL;
    }

    ngx_shop_redis_conn_fail_ops(conn, reason);
}


/* all of them have left the queues of runs */

static void
ngx_shop_redis_conn_fail_ops(ngx_shop_redis_conn_t *conn, const char *reason)
{
    const char              *why;
    ngx_queue_t             *q;
    ngx_msec_int_t           left;
    ngx_shop_redis_state_t  *state;

    while (!ngx_queue_empty(&conn->ops)) {

        q = ngx_queue_head(&conn->ops);
        state = ngx_queue_data(q, ngx_shop_redis_state_t, queue);

        if (ngx_shop_redis_route_rescue(state->op) == NGX_OK) {
            continue;
        }

        left = (ngx_msec_int_t) (state->deadline - ngx_current_msec);

        why = left <= 0 ? "redis_timeout" : reason;

        ngx_shop_redis_node_failed(conn->node, why);
        ngx_shop_redis_finish(state->op, NGX_ERROR, why);
    }

    ngx_shop_redis_conn_update(conn);
}


/*
 * A trouble is an error when it begins; repeated, it is worth less.  Who is
 * asked for servers only is another one with every round.
 */

ngx_uint_t
ngx_shop_redis_conn_level(ngx_shop_redis_conn_t *conn, const char *why)
{
    const char  *last;

    if (conn->node->asker) {
        return ngx_shop_redis_topology_level(conn->redis);
    }

    last = conn->node->why;

    return last && ngx_strcmp(last, why) == 0 ? NGX_LOG_INFO : NGX_LOG_ERR;
}
