
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"
#include "modules/ngx_http_loyalty_module.h"


/*
 * Who is the customer?
 *
 *     cookie --> opened --> cache --> known at once
 *                             |
 *                             `-----> a read of Redis, one for all requests
 *                                     of this worker with this session
 *                                       |
 *                                       |---> known, and into the cache
 *                                       `---> could not be asked: what the
 *                                             cache still has, marked stale
 *
 * A request joins a read that is under way only if nothing has been heard of
 * session and customer since that was sent: who signed out and then asks
 * again must not be given an answer from before.
 *
 * A read belongs to nobody.  Requests wait for it in a queue, and the one
 * that is last to go takes it away.
 *
 * A customer whose points were to activate or to expire by now is read once
 * more, behind the script that does it.  Where that cannot be written, the
 * customer is shown as first read: a Redis that is full signs nobody out.  So
 * is one in the cache whose time has come, as an entry lives for milliseconds
 * and what is due is so with a second.
 */


#define NGX_HTTP_SHOP_READS  64             /* queues, a power of two */

#define NGX_HTTP_SHOP_UNEXPECTED  60        /* seconds from line to line */

#define ngx_http_shop_overdue(view)                                           \
    ((view)->next_due != 0 && (view)->next_due <= ngx_time())


struct ngx_http_shop_read_s {
    ngx_queue_t                queue;       /* of reads */
    ngx_queue_t                waiters;     /* of ngx_http_shop_ctx_t */
    ngx_shop_redis_op_t       *op;
    ngx_shop_cache_entry_t     entries[NGX_HTTP_SHOP_ENTRIES];

    unsigned                   done:1;
    unsigned                   settles:1;   /* a command comes first */
};


static ngx_int_t ngx_http_shop_lookup_start(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static ngx_int_t ngx_http_shop_find_session(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static ngx_int_t ngx_http_shop_cached(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx, ngx_shop_cache_state_e want);
static void ngx_http_shop_lookup_failed(ngx_http_shop_ctx_t *ctx);

static ngx_int_t ngx_http_shop_ask(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static ngx_http_shop_read_t *ngx_http_shop_read_find(
    ngx_http_shop_main_conf_t *smcf, ngx_http_shop_ctx_t *ctx);
static ngx_http_shop_read_t *ngx_http_shop_read_create(
    ngx_http_shop_main_conf_t *smcf, ngx_http_shop_ctx_t *ctx,
    ngx_uint_t settles);
static ngx_queue_t *ngx_http_shop_read_queue(ngx_http_shop_main_conf_t *smcf,
    ngx_http_shop_ctx_t *ctx);
static void ngx_http_shop_read_done(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_http_shop_read_settle(ngx_http_shop_read_t *read,
    ngx_http_shop_ctx_t *first);
static ngx_int_t ngx_http_shop_read_result(ngx_http_shop_ctx_t *ctx,
    ngx_http_shop_read_t *read);
static ngx_uint_t ngx_http_shop_read_refused(ngx_shop_redis_op_t *op);
static void ngx_http_shop_read_keep(ngx_http_shop_read_t *read,
    ngx_http_shop_ctx_t *ctx);

static ngx_int_t ngx_http_shop_wait(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static void ngx_http_shop_wake(ngx_http_shop_ctx_t *ctx);

static void ngx_http_shop_seen(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
/* when the worker last logged that a reply is none */

static time_t  ngx_http_shop_unexpected;


ngx_int_t
ngx_http_shop_lookup_init(ngx_http_shop_main_conf_t *smcf,
    ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    smcf->reads = ngx_palloc(cycle->pool,
                             NGX_HTTP_SHOP_READS * sizeof(ngx_queue_t));
    if (smcf->reads == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_SHOP_READS; i++) {
        ngx_queue_init(&smcf->reads[i]);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_shop_lookup(ngx_http_request_t *r, ngx_http_shop_ctx_t **ctxp)
{
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);
    *ctxp = ctx;

    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->rc == NGX_DONE) {
        ctx->rc = ngx_http_shop_lookup_start(r, ctx);
    }

    if (ctx->rc == NGX_AGAIN) {
        return ngx_http_shop_wait(r, ctx);
    }

    return ngx_http_shop_known(r, ctx);
}


ngx_int_t
ngx_http_shop_known(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_http_shop_loc_conf_t  *slcf;

    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->rc == NGX_OK && ctx->source == NGX_HTTP_SHOP_SOURCE_STALE) {

        slcf = ngx_http_get_module_loc_conf(r, ngx_http_shop_module);

        if (slcf->on_failure != NGX_HTTP_SHOP_FAILURE_STALE) {
            return NGX_ERROR;
        }
    }

    return ctx->rc;
}


ngx_int_t
ngx_http_shop_known_now(ngx_http_shop_ctx_t *ctx)
{
    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->rc == NGX_OK && ctx->source == NGX_HTTP_SHOP_SOURCE_STALE) {
        return NGX_ERROR;
    }

    return ctx->rc;
}


static ngx_int_t
ngx_http_shop_lookup_start(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_http_shop_main_conf_t  *smcf;

    rc = ngx_http_shop_find_session(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->entries[0].kind = NGX_SHOP_CACHE_SESSION;
    ctx->entries[0].key.data = ctx->session.digest;
    ctx->entries[0].key.len = NGX_SHOP_SHA256_LEN;

    ctx->entries[1].kind = NGX_SHOP_CACHE_VIEW;
    ctx->entries[1].key = ctx->session.customer;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    ctx->entries[0].part = ngx_shop_redis_part(smcf->redis,
                                               &ctx->session.customer);
    ctx->entries[1].part = ctx->entries[0].part;

    rc = ngx_http_shop_cached(r, ctx, NGX_SHOP_CACHE_VALID);

    if (rc == NGX_OK && ngx_http_shop_overdue(&ctx->view)) {
        rc = NGX_ABORT;
    }

    if (rc == NGX_OK) {
        ctx->source = NGX_HTTP_SHOP_SOURCE_CACHED;
        ctx->session.noted = ctx->entries[0].marked;
        ngx_http_shop_seen(r, ctx);
    }

    if (rc != NGX_ABORT) {
        return rc;
    }

    rc = ngx_http_shop_ask(r, ctx);

    if (rc == NGX_ERROR) {
        ngx_http_shop_lookup_failed(ctx);
        return ctx->rc;
    }

    return rc;
}


/*
 * Two cookies of the session's name cannot both be ours: somebody who may
 * set cookies for a neighboring host put one in.  Which is right cannot be
 * known, so neither is taken.
 */

static ngx_int_t
ngx_http_shop_find_session(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_shop_cookie_t          *cookie;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r->main, ngx_http_shop_module);

    value = NULL;
    cookie = ctx->cookies.elts;

    for (i = 0; i < ctx->cookies.nelts; i++) {

        if (!cookie[i].session) {
            continue;
        }

        if (value != NULL
            && (value->len != cookie[i].value.len
                || ngx_memcmp(value->data, cookie[i].value.data, value->len)
                   != 0))
        {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "client sent two different session cookies");
            return NGX_DECLINED;
        }

        value = &cookie[i].value;
    }

    if (value == NULL) {
        return NGX_DECLINED;
    }

    return ngx_shop_session_open(r->main->pool, smcf->session_sealer,
                                 smcf->session_memo, &sscf->host, value,
                                 ngx_time(), &sscf->limits, &ctx->session,
                                 r->connection->log);
}


/*
 * NGX_OK: a customer; NGX_DECLINED: there is no such session; NGX_ABORT: the
 * cache does not know; NGX_ERROR: no memory.
 */

static ngx_int_t
ngx_http_shop_cached(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx,
    ngx_shop_cache_state_e want)
{
    ngx_int_t                   rc;
    ngx_msec_t                  ttl;
    ngx_pool_t                 *pool;
    ngx_shop_cache_entry_t     *entries;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    ttl = (ngx_msec_t) smcf->zone_ttl * 1000;
    pool = r->main->pool;
    entries = ctx->entries;

    ngx_http_shop_copy_find(smcf->copies, ctx);

    rc = ngx_shop_cache_get(smcf->zone, pool, entries, NGX_HTTP_SHOP_ENTRIES,
                            ttl, want);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_ABORT : NGX_ERROR;
    }

    if (entries[0].missing) {
        return NGX_DECLINED;
    }

    if (entries[0].unmoved) {
        return ngx_http_shop_copy_take(pool, ctx);
    }

    rc = ngx_shop_session_unpack(&entries[0].value, ngx_time(),
                                 &ctx->session);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_DECLINED : NGX_ABORT;
    }

    /* nothing is booked of a customer whose view is empty */

    if (entries[1].value.len == 0) {
        ngx_memzero(&ctx->view, sizeof(ngx_shop_view_t));

    } else if (ngx_shop_view_unpack(&entries[1].value, &ctx->view) != NGX_OK) {
        return NGX_ABORT;
    }

    ngx_http_shop_copy_keep(smcf->copies, ctx);

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_ask(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_http_shop_read_t       *read;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    read = ngx_http_shop_read_find(smcf, ctx);

    if (read == NULL) {
        read = ngx_http_shop_read_create(smcf, ctx, 0);

        if (read == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->read = read;
    ngx_queue_insert_tail(&read->waiters, &ctx->queue);

    return NGX_AGAIN;
}


static ngx_http_shop_read_t *
ngx_http_shop_read_find(ngx_http_shop_main_conf_t *smcf,
    ngx_http_shop_ctx_t *ctx)
{
    ngx_str_t             *customer;
    ngx_queue_t           *q, *queue;
    ngx_http_shop_read_t  *read;

    queue = ngx_http_shop_read_queue(smcf, ctx);

    for (q = ngx_queue_head(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        read = ngx_queue_data(q, ngx_http_shop_read_t, queue);

        customer = &read->entries[1].key;

        if (ngx_memcmp(read->entries[0].key.data, ctx->session.digest,
                       NGX_SHOP_SHA256_LEN)
            == 0
            && customer->len == ctx->session.customer.len
            && ngx_memcmp(customer->data, ctx->session.customer.data,
                          customer->len)
               == 0
            && ngx_shop_cache_unheard(read->entries, ctx->entries,
                                      NGX_HTTP_SHOP_ENTRIES))
        {
            return read;
        }
    }

    return NULL;
}


static ngx_http_shop_read_t *
ngx_http_shop_read_create(ngx_http_shop_main_conf_t *smcf,
    ngx_http_shop_ctx_t *ctx, ngx_uint_t settles)
{
    ngx_uint_t               i;
    ngx_shop_redis_op_t     *op;
    ngx_http_shop_read_t    *read;
    ngx_shop_cache_entry_t  *entry;

    /* the log of a request would go with it */

    op = ngx_shop_redis_create(smcf->redis,
                               NGX_SHOP_LEDGER_COMMANDS
                               + NGX_SHOP_SESSION_READ_COMMANDS
                               + NGX_SHOP_LOYALTY_READ_COMMANDS,
                               ngx_cycle->log);
    if (op == NULL) {
        return NULL;
    }

    read = ngx_pcalloc(op->pool, sizeof(ngx_http_shop_read_t));
    if (read == NULL) {
        goto failed;
    }

    for (i = 0; i < NGX_HTTP_SHOP_ENTRIES; i++) {
        entry = &read->entries[i];

        *entry = ctx->entries[i];

        entry->key.data = ngx_pstrdup(op->pool, &ctx->entries[i].key);
        if (entry->key.data == NULL) {
            goto failed;
        }

        entry->missing = 0;
        ngx_str_null(&entry->value);
    }

    op->handler = ngx_http_shop_read_done;
    op->data = read;

    read->settles = settles;

    if (settles
        && (ngx_shop_ledger_settle(smcf->redis, op,
                                   ngx_http_loyalty_program(ctx->request),
                                   &ctx->session.customer, ngx_time())
            != NGX_OK
            || ngx_http_shop_writes(ctx->request, op, NULL,
                                    &ctx->session.customer)
               != NGX_OK))
    {
        goto failed;
    }

    if (ngx_shop_session_read(smcf->redis, op, &ctx->session) != NGX_OK
        || ngx_shop_loyalty_read(smcf->redis, op, &ctx->session.customer)
           != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        goto failed;
    }

    read->op = op;

    ngx_queue_init(&read->waiters);
    ngx_queue_insert_tail(ngx_http_shop_read_queue(smcf, ctx), &read->queue);

    return read;

failed:

    ngx_shop_redis_free(op);

    return NULL;
}


static ngx_queue_t *
ngx_http_shop_read_queue(ngx_http_shop_main_conf_t *smcf,
    ngx_http_shop_ctx_t *ctx)
{
    return &smcf->reads[ctx->session.digest[0] & (NGX_HTTP_SHOP_READS - 1)];
}


void
ngx_http_shop_lookup_cancel(ngx_http_shop_ctx_t *ctx)
{
    ngx_http_shop_read_t  *read;

    read = ctx->read;

    if (read == NULL) {
        return;
    }

    ctx->read = NULL;
    ngx_queue_remove(&ctx->queue);

    if (ngx_queue_empty(&read->waiters) && !read->done) {
        ngx_queue_remove(&read->queue);
        ngx_shop_redis_free(read->op);
    }
}


/*
 * All are given their result before the first of them runs on: that one may
 * end the others.
 */

static void
ngx_http_shop_read_done(ngx_shop_redis_op_t *op)
{
    ngx_queue_t           *q;
    ngx_http_shop_ctx_t   *ctx;
    ngx_http_shop_read_t  *read;

    read = op->data;

    ngx_queue_remove(&read->queue);
    read->done = 1;

    for (q = ngx_queue_head(&read->waiters);
         q != ngx_queue_sentinel(&read->waiters);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_shop_ctx_t, queue);

        ctx->rc = ngx_http_shop_read_result(ctx, read);
    }

    q = ngx_queue_head(&read->waiters);
    ctx = ngx_queue_data(q, ngx_http_shop_ctx_t, queue);

    if (ngx_http_shop_read_settle(read, ctx) == NGX_AGAIN) {
        ngx_shop_redis_free(op);
        return;
    }

    ngx_http_shop_read_keep(read, ctx);

    for ( /* void */ ;
         q != ngx_queue_sentinel(&read->waiters);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_shop_ctx_t, queue);

        if (ctx->rc == NGX_ERROR) {
            ngx_http_shop_lookup_failed(ctx);
        }
    }

    while (!ngx_queue_empty(&read->waiters)) {

        q = ngx_queue_head(&read->waiters);
        ctx = ngx_queue_data(q, ngx_http_shop_ctx_t, queue);

        ngx_queue_remove(q);
        ctx->read = NULL;

        ngx_http_shop_wake(ctx);
    }

    ngx_shop_redis_free(op);
}


/*
 * NGX_AGAIN: all wait for another read, which settles; NGX_DECLINED: there is
 * nothing to settle, or no way to.
 */

static ngx_int_t
ngx_http_shop_read_settle(ngx_http_shop_read_t *read,
    ngx_http_shop_ctx_t *first)
{
    ngx_queue_t                *q;
    ngx_http_shop_ctx_t        *ctx;
    ngx_http_shop_read_t       *next;
    ngx_http_shop_main_conf_t  *smcf;

    if (read->settles || first->rc != NGX_OK
        || !ngx_http_shop_overdue(&first->view))
    {
        return NGX_DECLINED;
    }

    smcf = ngx_http_get_module_main_conf(first->request,
                                         ngx_http_shop_module);

    next = ngx_http_shop_read_create(smcf, first, 1);
    if (next == NULL) {
        return NGX_DECLINED;
    }

    while (!ngx_queue_empty(&read->waiters)) {

        q = ngx_queue_head(&read->waiters);
        ctx = ngx_queue_data(q, ngx_http_shop_ctx_t, queue);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&next->waiters, q);

        ctx->read = next;
        ctx->overdue = (ctx->rc == NGX_OK);
        ctx->rc = NGX_AGAIN;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_shop_read_result(ngx_http_shop_ctx_t *ctx,
    ngx_http_shop_read_t *read)
{
    ngx_int_t                 rc;
    ngx_http_request_t       *r;
    ngx_shop_redis_op_t      *op;
    ngx_shop_redis_reply_t  **replies;

    op = read->op;

    if (op->rc != NGX_OK) {
        return ctx->overdue ? NGX_OK : NGX_ERROR;
    }

    r = ctx->request;
    replies = op->replies + (read->settles ? NGX_SHOP_LEDGER_COMMANDS : 0);

    rc = ngx_shop_session_known(r->pool, replies, ngx_time(), &ctx->session);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->source = NGX_HTTP_SHOP_SOURCE_FRESH;

    rc = ngx_shop_loyalty_view(r->pool,
                               replies[NGX_SHOP_SESSION_READ_COMMANDS],
                               &ctx->view);

    /* DECLINED: a customer of whom nothing is booked */

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* a script that had to be loaded first ran behind the read */

    if (read->settles) {
        (void) ngx_shop_ledger_settled(r->pool, op->replies[0], &ctx->view);
    }

    return NGX_OK;
}


/*
 * 1: the server answers nobody, which is logged once and not for each
 * request; a key of a wrong type is a matter of this one
 */

static ngx_uint_t
ngx_http_shop_read_refused(ngx_shop_redis_op_t *op)
{
    ngx_uint_t  i;

    for (i = 0; i < op->ncommands; i++) {
        if (op->replies[i]->type == NGX_SHOP_REDIS_FAULT
            && !ngx_shop_redis_is_fault(op->replies[i], "WRONGTYPE"))
        {
            return 1;
        }
    }

    return 0;
}


/* what the first of the waiters was told is kept for those who come later */

static void
ngx_http_shop_read_keep(ngx_http_shop_read_t *read, ngx_http_shop_ctx_t *ctx)
{
    time_t                      due;
    ngx_uint_t                  n;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_shop_cache_entry_t     *entries;
    ngx_http_shop_main_conf_t  *smcf;

    r = ctx->request;
    op = read->op;
    entries = read->entries;

    if (ctx->rc == NGX_ERROR) {

        if (op->rc == NGX_OK && !ngx_http_shop_read_refused(op)
            && ngx_time() - ngx_http_shop_unexpected
               > NGX_HTTP_SHOP_UNEXPECTED)
        {
            ngx_http_shop_unexpected = ngx_time();

            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "unexpected reply from redis for a session");
        }

        return;
    }

    /* overdue, and no more than was known before */

    if (op->rc != NGX_OK) {
        return;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    entries[0].server = op->server;
    entries[1].server = op->server;

    n = 1;

    if (ctx->rc == NGX_DECLINED) {
        entries[0].missing = 1;

    } else {

        if (ngx_shop_session_pack(op->pool, &ctx->session, &entries[0].value)
            != NGX_OK
            || ngx_shop_view_pack(op->pool, &ctx->view, &entries[1].value)
               != NGX_OK)
        {
            return;
        }

        entries[0].marked = ctx->session.noted;
        entries[0].ttl = ngx_shop_session_rest(&ctx->session, ngx_time());

        due = ctx->view.next_due;

        if (due == 0) {
            n = 2;

        } else if (due > ngx_time()) {
            due = ngx_min(due - ngx_time(), NGX_HTTP_SHOP_VIEW_KEPT);
            entries[1].ttl = (ngx_msec_t) due * 1000;
            n = 2;
        }
    }

    ngx_shop_cache_set(smcf->zone, entries, n);

    if (ctx->rc == NGX_OK) {
        ngx_http_shop_seen(r, ctx);
    }
}


/*
 * What was told while we asked is not in our entries any more: they are
 * looked up again.
 */

static void
ngx_http_shop_lookup_failed(ngx_http_shop_ctx_t *ctx)
{
    ctx->rc = ngx_http_shop_cached(ctx->request, ctx, NGX_SHOP_CACHE_STALE);

    if (ctx->rc == NGX_OK) {
        ctx->source = NGX_HTTP_SHOP_SOURCE_STALE;

    } else if (ctx->rc == NGX_ABORT) {
        ctx->rc = NGX_ERROR;
    }
}


static ngx_int_t
ngx_http_shop_wait(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_http_request_t  **waiter;

    if (ctx->waiters.elts == NULL
        && ngx_array_init(&ctx->waiters, r->pool, 1,
                          sizeof(ngx_http_request_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    waiter = ctx->waiters.elts;

    for (i = 0; i < ctx->waiters.nelts; i++) {
        if (waiter[i] == r) {
            return NGX_AGAIN;
        }
    }

    /* without its events a client that leaves would not be noticed */

    if (r == r->main
        && ngx_handle_read_event(r->connection->read, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    waiter = ngx_array_push(&ctx->waiters);
    if (waiter == NULL) {
        return NGX_ERROR;
    }

    *waiter = r;

    if (r == r->main) {
        r->read_event_handler = ngx_http_test_reading;
    }

    return NGX_AGAIN;
}


static void
ngx_http_shop_wake(ngx_http_shop_ctx_t *ctx)
{
    ngx_uint_t                  i;
    ngx_connection_t           *c;
    ngx_http_request_t        **waiter;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_shop_module);

    /* of a worker that is made to end nothing reaches a backend any more */

    if (smcf->stopped) {
        return;
    }

    c = ctx->request->connection;
    waiter = ctx->waiters.elts;

    for (i = 0; i < ctx->waiters.nelts; i++) {

        if (waiter[i] == waiter[i]->main) {
            waiter[i]->read_event_handler = ngx_http_block_reading;
        }

        /* no memory: the request's own timers end it */
        (void) ngx_http_post_request(waiter[i], NULL);
    }

    ctx->waiters.nelts = 0;

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shop_seen(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r->main, ngx_http_shop_module);

    ngx_shop_activity_seen(smcf->activity, &ctx->session, &sscf->limits,
                           ctx->entries[1].seen);
}
