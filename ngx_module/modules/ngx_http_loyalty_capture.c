
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_book.h"
#include "modules/ngx_http_loyalty_capture.h"
#include "modules/ngx_http_shop_module.h"


/*
 * "loyalty_capture": events in the answer of the backend,
 *
 *     X-Shop-Event: {"id": "o-1", "type": "order", ...}
 *
 * A header filter takes these lines out of every answer, wherever it comes
 * from, once there is a shop_redis; two other filters take them out of its
 * trailers and of early hints before it, which are never read.  Where the
 * directive is on and the answer is the backend's own to this request, neither
 * one out of a cache nor a part of a page, they are booked for the customer
 * whom the request is of.
 *
 *     answer ---> filter ---> client
 *                   |
 *                   `--> capture --> book --> counted, logged
 *                          ^           |
 *                          `--- wait --'   Redis is away
 *
 * The answer waits for nothing.  A capture has a pool of its own and books
 * when the request may have gone.  What cannot be booked is tried again for
 * half a minute, which can be done since an event is booked once.  A worker
 * has so many under way and no more; what comes then is dropped, as there is
 * nobody to be told to come again: each such event is a line of the log.
 *
 * Captures keep a worker that quits until they are over.  Of one that is
 * killed, what it had under way is known to the worker that follows in its
 * place, see ngx_shop_figures_join(), and is counted by it.
 *
 * Whom an event is of is never guessed: nothing is booked for a customer whom
 * Redis could not be asked for ("stale").
 */


#define NGX_HTTP_LOYALTY_CAPTURE_ANSWER  16     /* events of an answer */
#define NGX_HTTP_LOYALTY_CAPTURE_MAX     1024   /* events of a worker */

/* until it is tried again, in milliseconds: the first pause, each one is twice
 * the one before, and the longest one */

#define NGX_HTTP_LOYALTY_CAPTURE_PAUSE   500
#define NGX_HTTP_LOYALTY_CAPTURE_LAST    16000


typedef struct {
    ngx_queue_t                   queue;    /* lmcf->captures */
    ngx_http_loyalty_main_conf_t *lmcf;
    ngx_http_loyalty_book_t       book;
    ngx_str_t                     customer; /* empty: nobody */
    const char                   *refused;  /* why all are; NULL: not so */
    ngx_event_t                   timer;
    ngx_msec_t                    pause;
} ngx_http_loyalty_capture_t;


static ngx_int_t ngx_http_loyalty_capture_header_filter(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_loyalty_capture_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
#if (NGX_SHOP_HAVE_EARLY_HINTS)
static ngx_int_t ngx_http_loyalty_capture_early_hints_filter(
    ngx_http_request_t *r);
#endif
static ngx_uint_t ngx_http_loyalty_capture_cached(ngx_http_request_t *r);
static ngx_uint_t ngx_http_loyalty_capture_strip(ngx_list_t *headers,
    ngx_str_t *values);
static void ngx_http_loyalty_capture_take(ngx_http_request_t *r,
    ngx_str_t *values, ngx_uint_t n);
static ngx_http_loyalty_capture_t *ngx_http_loyalty_capture_create(
    ngx_http_request_t *r, ngx_uint_t n);
static void ngx_http_loyalty_capture_customer(ngx_http_request_t *r,
    ngx_http_loyalty_capture_t *capture);
static void ngx_http_loyalty_capture_parse(
    ngx_http_loyalty_capture_t *capture, ngx_str_t *value);
static ngx_int_t ngx_http_loyalty_capture_owner(
    ngx_http_loyalty_capture_t *capture, ngx_http_loyalty_item_t *item);
static void ngx_http_loyalty_capture_run(ngx_http_loyalty_capture_t *capture);
static void ngx_http_loyalty_capture_booked(ngx_http_loyalty_book_t *book);
static void ngx_http_loyalty_capture_again(
    ngx_http_loyalty_capture_t *capture);
static void ngx_http_loyalty_capture_handler(ngx_event_t *ev);
static void ngx_http_loyalty_capture_drop(
    ngx_http_loyalty_capture_t *capture, const char *reason);
static void ngx_http_loyalty_capture_done(
    ngx_http_loyalty_capture_t *capture);
static void ngx_http_loyalty_capture_free(
    ngx_http_loyalty_capture_t *capture);
static void ngx_http_loyalty_capture_say(ngx_http_loyalty_capture_t *capture,
    ngx_int_t change);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;

#if (NGX_SHOP_HAVE_EARLY_HINTS)
static ngx_http_output_header_filter_pt  ngx_http_next_early_hints_filter;
#endif


void
ngx_http_loyalty_capture_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_loyalty_capture_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_loyalty_capture_body_filter;

#if (NGX_SHOP_HAVE_EARLY_HINTS)
    ngx_http_next_early_hints_filter = ngx_http_top_early_hints_filter;
    ngx_http_top_early_hints_filter =
                                  ngx_http_loyalty_capture_early_hints_filter;
#endif
}


static ngx_int_t
ngx_http_loyalty_capture_header_filter(ngx_http_request_t *r)
{
    ngx_str_t                     values[NGX_HTTP_LOYALTY_CAPTURE_ANSWER];
    ngx_uint_t                    n;
    ngx_http_loyalty_loc_conf_t  *llcf;

    n = ngx_http_loyalty_capture_strip(&r->headers_out.headers, values);

    if (n == 0) {
        return ngx_http_next_header_filter(r);
    }

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_loyalty_module);

    /* what a cached answer says was booked when it was not cached yet */

    if (llcf->capture && !ngx_http_loyalty_capture_cached(r)) {
        ngx_http_loyalty_capture_take(r, values, n);
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_loyalty_capture_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_str_t  values[NGX_HTTP_LOYALTY_CAPTURE_ANSWER];

    if (r->headers_out.trailers.part.nelts) {
        (void) ngx_http_loyalty_capture_strip(&r->headers_out.trailers,
                                              values);
    }

    return ngx_http_next_body_filter(r, in);
}


#if (NGX_SHOP_HAVE_EARLY_HINTS)

static ngx_int_t
ngx_http_loyalty_capture_early_hints_filter(ngx_http_request_t *r)
{
    ngx_str_t  values[NGX_HTTP_LOYALTY_CAPTURE_ANSWER];

    (void) ngx_http_loyalty_capture_strip(&r->headers_out.headers, values);

    return ngx_http_next_early_hints_filter(r);
}

#endif


/* an answer before an internal redirect may have been cached, and "r->cached"
 * says so for the next one, too */

static ngx_uint_t
ngx_http_loyalty_capture_cached(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)

    if (r->upstream) {

        switch (r->upstream->cache_status) {

        case NGX_HTTP_CACHE_STALE:
        case NGX_HTTP_CACHE_UPDATING:
        case NGX_HTTP_CACHE_REVALIDATED:
        case NGX_HTTP_CACHE_HIT:
            return 1;

        default:
            return 0;
        }
    }

    return r->cached;

#else

    return 0;

#endif
}


/* how many there are; "values" has no more than it has room for */

static ngx_uint_t
ngx_http_loyalty_capture_strip(ngx_list_t *headers, ngx_str_t *values)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("X-Shop-Event");

    n = 0;

    for (part = &headers->part; part; part = part->next) {

        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0
                || h[i].key.len != name.len
                || ngx_strncasecmp(h[i].key.data, name.data, name.len) != 0)
            {
                continue;
            }

            h[i].hash = 0;

            if (n < NGX_HTTP_LOYALTY_CAPTURE_ANSWER) {
                values[n] = h[i].value;
            }

            n++;
        }
    }

    return n;
}


static void
ngx_http_loyalty_capture_take(ngx_http_request_t *r, ngx_str_t *values,
    ngx_uint_t n)
{
    ngx_uint_t                   i, more;
    ngx_http_loyalty_capture_t  *capture;

    more = (n > NGX_HTTP_LOYALTY_CAPTURE_ANSWER)
           ? n - NGX_HTTP_LOYALTY_CAPTURE_ANSWER : 0;

    capture = ngx_http_loyalty_capture_create(r, n - more);

    if (capture == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "%ui events of an answer were dropped: internal_error",
                      n);
        return;
    }

    if (more) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "%ui events of an answer were refused: events_too_many",
                      more);
        ngx_shop_count_more(capture->book.shop->redis->figures,
                            NGX_SHOP_REDIS_CAPTURED
                            + NGX_SHOP_REDIS_EVENT_REFUSED, more);
    }

    ngx_http_loyalty_capture_customer(r, capture);

    for (i = 0; i < n - more; i++) {
        ngx_http_loyalty_capture_parse(capture, &values[i]);
    }

    if (capture->lmcf->captured > NGX_HTTP_LOYALTY_CAPTURE_MAX) {
        ngx_http_loyalty_capture_drop(capture, "events_busy");
        return;
    }

    ngx_http_loyalty_capture_run(capture);
}


static ngx_http_loyalty_capture_t *
ngx_http_loyalty_capture_create(ngx_http_request_t *r, ngx_uint_t n)
{
    ngx_pool_t                  *pool;
    ngx_http_loyalty_capture_t  *capture;

    /* not the log of the request, which goes first */

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    capture = ngx_pcalloc(pool, sizeof(ngx_http_loyalty_capture_t));
    if (capture == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    capture->lmcf = ngx_http_get_module_main_conf(r, ngx_http_loyalty_module);

    capture->book.shop = ngx_http_get_module_main_conf(r,
                                                       ngx_http_shop_module);
    capture->book.program = ngx_http_loyalty_program(r);
    capture->book.pool = pool;
    capture->book.log = ngx_cycle->log;
    capture->book.handler = ngx_http_loyalty_capture_booked;
    capture->book.data = capture;
    capture->book.counter = NGX_SHOP_REDIS_CAPTURED;

    if (ngx_http_loyalty_book_init(&capture->book, n) != NGX_OK) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    capture->timer.handler = ngx_http_loyalty_capture_handler;
    capture->timer.data = capture;
    capture->timer.log = ngx_cycle->log;

    capture->pause = NGX_HTTP_LOYALTY_CAPTURE_PAUSE;

    ngx_queue_insert_tail(&capture->lmcf->captures, &capture->queue);

    return capture;
}


static void
ngx_http_loyalty_capture_customer(ngx_http_request_t *r,
    ngx_http_loyalty_capture_t *capture)
{
    ngx_str_t            *customer;
    ngx_http_shop_ctx_t  *ctx;

    if (r != r->main) {
        capture->refused = "subrequest";
        return;
    }

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx == NULL || ctx->rc == NGX_DECLINED || ctx->rc == NGX_DONE) {
        capture->refused = "customer_missing";
        return;
    }

    if (ctx->rc != NGX_OK) {
        capture->refused = "customer_stale";
        return;
    }

    customer = &ctx->session.customer;

    capture->customer.data = ngx_pstrdup(capture->book.pool, customer);

    if (capture->customer.data == NULL) {
        capture->refused = "internal_error";
        return;
    }

    capture->customer.len = customer->len;

    if (ctx->source == NGX_HTTP_SHOP_SOURCE_STALE) {
        capture->refused = "customer_stale";
    }
}


static void
ngx_http_loyalty_capture_parse(ngx_http_loyalty_capture_t *capture,
    ngx_str_t *value)
{
    ngx_int_t                 rc;
    const char               *reason;
    ngx_http_loyalty_book_t  *book;
    ngx_http_loyalty_item_t  *item;

    book = &capture->book;
    item = &book->items[book->nitems++];

    ngx_http_loyalty_capture_say(capture, 1);

    /* also one that is refused anyhow: the log is to have its id */

    rc = ngx_shop_event_parse(book->pool, value, book->program, &item->event,
                              &item->owner, &reason);

    if (capture->refused != NULL) {
        ngx_http_loyalty_book_decide(item, "refused", capture->refused);

    } else if (rc == NGX_ERROR) {
        ngx_http_loyalty_book_decide(item, "dropped", "internal_error");

    } else if (rc == NGX_DECLINED) {
        ngx_http_loyalty_book_decide(item, "refused", reason);

    } else if (ngx_http_loyalty_capture_owner(capture, item) != NGX_OK) {
        ngx_http_loyalty_book_decide(item, "refused", "customer_mismatch");
    }
}


/* an account or an address may be theirs, but that is not known here */

static ngx_int_t
ngx_http_loyalty_capture_owner(ngx_http_loyalty_capture_t *capture,
    ngx_http_loyalty_item_t *item)
{
    ngx_shop_owner_t  *owner;

    owner = &item->owner;

    if (owner->provider.len || owner->email.len
        || (owner->id.len && !ngx_shop_equal(&owner->id, &capture->customer)))
    {
        return NGX_DECLINED;
    }

    owner->id = capture->customer;

    return NGX_OK;
}


static void
ngx_http_loyalty_capture_run(ngx_http_loyalty_capture_t *capture)
{
    ngx_int_t  rc;

    rc = ngx_http_loyalty_book_start(&capture->book);

    if (rc == NGX_OK) {
        ngx_http_loyalty_capture_done(capture);

    } else if (rc != NGX_AGAIN) {
        ngx_http_loyalty_capture_again(capture);
    }
}


static void
ngx_http_loyalty_capture_booked(ngx_http_loyalty_book_t *book)
{
    if (book->rc == NGX_OK) {
        ngx_http_loyalty_capture_done(book->data);

    } else {
        ngx_http_loyalty_capture_again(book->data);
    }
}


static void
ngx_http_loyalty_capture_again(ngx_http_loyalty_capture_t *capture)
{
    if (capture->pause > NGX_HTTP_LOYALTY_CAPTURE_LAST) {
        ngx_http_loyalty_capture_drop(capture, capture->book.reason);
        return;
    }

    ngx_add_timer(&capture->timer, capture->pause);

    capture->pause *= 2;
}


static void
ngx_http_loyalty_capture_handler(ngx_event_t *ev)
{
    ngx_http_loyalty_capture_run(ev->data);
}


/* those without a status; then there is nothing left to be asked for */

static void
ngx_http_loyalty_capture_drop(ngx_http_loyalty_capture_t *capture,
    const char *reason)
{
    ngx_uint_t                i;
    ngx_http_loyalty_item_t  *item;

    ngx_http_loyalty_book_cancel(&capture->book);

    for (i = 0; i < capture->book.nitems; i++) {

        item = &capture->book.items[i];

        if (item->status.len == 0) {
            ngx_http_loyalty_book_decide(item, "dropped", reason);
        }
    }

    ngx_http_loyalty_capture_run(capture);
}


static void
ngx_http_loyalty_capture_done(ngx_http_loyalty_capture_t *capture)
{
    ngx_uint_t                i, level;
    ngx_http_loyalty_item_t  *item;

    static ngx_str_t  refused = ngx_string("refused");
    static ngx_str_t  dropped = ngx_string("dropped");

    for (i = 0; i < capture->book.nitems; i++) {

        item = &capture->book.items[i];

        if (ngx_shop_equal(&item->status, &dropped)) {
            level = NGX_LOG_ERR;

        } else if (ngx_shop_equal(&item->status, &refused)) {
            level = NGX_LOG_WARN;

        } else {
            continue;
        }

        ngx_log_error(level, capture->book.log, 0,
                      "event \"%V\" of an answer to customer \"%V\" was "
                      "%V: %V",
                      ngx_http_loyalty_book_id(&item->event.id),
                      ngx_http_loyalty_book_id(&capture->customer),
                      &item->status, &item->reason);
    }

    ngx_http_loyalty_capture_free(capture);
}


static void
ngx_http_loyalty_capture_free(ngx_http_loyalty_capture_t *capture)
{
    ngx_http_loyalty_book_cancel(&capture->book);

    if (capture->timer.timer_set) {
        ngx_del_timer(&capture->timer);
    }

    ngx_http_loyalty_capture_say(capture,
                                 - (ngx_int_t) capture->book.nitems);

    ngx_queue_remove(&capture->queue);
    ngx_destroy_pool(capture->book.pool);
}


static void
ngx_http_loyalty_capture_say(ngx_http_loyalty_capture_t *capture,
    ngx_int_t change)
{
    ngx_shop_redis_t  *redis;

    redis = capture->book.shop->redis;

    capture->lmcf->captured += change;

    ngx_shop_figures_say(redis->zone, redis->figures, 0,
                         capture->lmcf->captured);
}


void
ngx_http_loyalty_capture_exit(ngx_http_loyalty_main_conf_t *lmcf)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&lmcf->captures)) {
        q = ngx_queue_head(&lmcf->captures);

        ngx_http_loyalty_capture_drop(
                        ngx_queue_data(q, ngx_http_loyalty_capture_t, queue),
                        "worker_exit");
    }
}
