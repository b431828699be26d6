
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_book.h"
#include "modules/ngx_http_shop_module.h"


/*
 * POST events: what the shop's own systems tell, one JSON object or one on
 * each line.
 *
 * Whoever has no key is turned away by the header alone; the body is read
 * into memory then, to a bound, and what it says is looked at only after its
 * signature.  The lines are booked some dozens at a time, so that no other
 * request finds more than a moment's work of Redis ahead of its own, and a
 * worker does so many batches at once and no more: who comes then is to come
 * again.
 *
 * The answer has all lines or is an error: when Redis goes away half-way,
 * nothing is acknowledged, and the whole batch can be sent again, since each
 * event is booked once.
 */


#define NGX_HTTP_LOYALTY_EVENTS_BODY     1048576    /* bytes */
#define NGX_HTTP_LOYALTY_EVENTS_LINES    1000
#define NGX_HTTP_LOYALTY_EVENTS_BATCHES  16         /* at once, of a worker */
#define NGX_HTTP_LOYALTY_EVENTS_CHUNK    65536      /* of a body without a
                                                       length */


typedef struct {
    ngx_http_request_t           *request;
    ngx_http_loyalty_main_conf_t *lmcf;
    ngx_shop_event_signature_t    signature;

    ngx_str_t                     text;     /* what is signed: time, "." */
    size_t                        size;     /* and the body; allocated */

    ngx_str_t                     rest;     /* of the body, to be parsed */
    ngx_uint_t                    line;     /* number of the last one */
    ngx_http_loyalty_book_t       book;
    ngx_shop_json_t              *results;

    ngx_int_t                     rc;       /* of the answer */

    unsigned                      single:1; /* the body is one event */
    unsigned                      counted:1;     /* in lmcf->batches */
} ngx_http_loyalty_events_t;


static ngx_int_t ngx_http_loyalty_events_begin(ngx_http_request_t *r,
    ngx_http_loyalty_events_t **events);
static ngx_uint_t ngx_http_loyalty_events_signature(ngx_http_request_t *r,
    ngx_http_loyalty_events_t *events, const char **reason);
static void ngx_http_loyalty_events_body(ngx_http_request_t *r);
static void ngx_http_loyalty_events_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_loyalty_events_take(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_room(
    ngx_http_loyalty_events_t *events, size_t len);
static ngx_int_t ngx_http_loyalty_events_check(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_single(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_line(
    ngx_http_loyalty_events_t *events, ngx_str_t *rest, ngx_uint_t *n,
    ngx_str_t *line);
static ngx_int_t ngx_http_loyalty_events_start(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_run(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_parse(
    ngx_http_loyalty_events_t *events);
static void ngx_http_loyalty_events_booked(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_loyalty_events_results(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_promotions(ngx_pool_t *pool,
    ngx_shop_json_t *json, ngx_str_t *text);
static ngx_int_t ngx_http_loyalty_events_answer(
    ngx_http_loyalty_events_t *events);
static ngx_int_t ngx_http_loyalty_events_refuse(
    ngx_http_loyalty_events_t *events, ngx_uint_t status,
    const char *reason);
static ngx_int_t ngx_http_loyalty_events_end(
    ngx_http_loyalty_events_t *events, ngx_int_t rc);
static void ngx_http_loyalty_events_cleanup(void *data);
static ngx_int_t ngx_http_loyalty_events_problem(ngx_http_request_t *r,
    ngx_uint_t status, const char *reason);


ngx_int_t
ngx_http_loyalty_events_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   allow;
    ngx_uint_t                  status;
    const char                 *reason;
    ngx_http_shop_main_conf_t  *smcf;
    ngx_http_loyalty_events_t  *events;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    if (smcf->event_keys == NULL || r != r->main) {
        return ngx_http_loyalty_events_problem(r, NGX_HTTP_NOT_FOUND,
                                               "not_found");
    }

    if (r->method != NGX_HTTP_POST) {
        ngx_str_set(&allow, "POST");

        if (ngx_shop_header_out_add(r, "Allow", &allow) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_loyalty_events_problem(r, NGX_HTTP_NOT_ALLOWED,
                                               "method_refused");
    }

    if (ngx_http_loyalty_events_begin(r, &events) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = ngx_http_loyalty_events_signature(r, events, &reason);

    if (status != NGX_HTTP_OK) {
        return ngx_http_loyalty_events_problem(r, status, reason);
    }

    if (r->headers_in.content_length_n > NGX_HTTP_LOYALTY_EVENTS_BODY) {
        return ngx_http_loyalty_events_problem(r,
                                          NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                          "body_too_large");
    }

    ngx_http_set_ctx(r, events, ngx_http_loyalty_module);

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_loyalty_events_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static ngx_int_t
ngx_http_loyalty_events_begin(ngx_http_request_t *r,
    ngx_http_loyalty_events_t **events)
{
    ngx_http_cleanup_t         *cln;
    ngx_http_loyalty_events_t  *ev;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_loyalty_events_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ev = cln->data;
    ngx_memzero(ev, sizeof(ngx_http_loyalty_events_t));

    cln->handler = ngx_http_loyalty_events_cleanup;

    ev->request = r;
    ev->lmcf = ngx_http_get_module_main_conf(r, ngx_http_loyalty_module);

    ev->book.shop = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    ev->book.program = &ev->lmcf->program;
    ev->book.pool = r->pool;
    ev->book.log = r->connection->log;
    ev->book.handler = ngx_http_loyalty_events_booked;
    ev->book.data = ev;
    ev->book.counter = NGX_SHOP_REDIS_TOLD;

    *events = ev;

    return ngx_http_loyalty_book_init(&ev->book, NGX_HTTP_LOYALTY_BOOK_MAX);
}


/* NGX_HTTP_OK: it may be good; else the status to answer, and why */

static ngx_uint_t
ngx_http_loyalty_events_signature(ngx_http_request_t *r,
    ngx_http_loyalty_events_t *events, const char **reason)
{
    ngx_str_t  header;

    if (ngx_shop_header_in_get(r, "shop-signature", &header) != NGX_OK) {
        *reason = "hmac_missing";
        return NGX_HTTP_UNAUTHORIZED;
    }

    switch (ngx_shop_event_signature(events->book.shop->event_keys, &header,
                                     ngx_time(), &events->signature, reason))
    {
    case NGX_OK:
        return NGX_HTTP_OK;

    case NGX_DECLINED:
        return NGX_HTTP_UNAUTHORIZED;

    default:
        return NGX_HTTP_FORBIDDEN;
    }
}


static void
ngx_http_loyalty_events_body(ngx_http_request_t *r)
{
    size_t                      len;
    ngx_http_loyalty_events_t  *events;

    events = ngx_http_get_module_ctx(r, ngx_http_loyalty_module);

    len = (r->headers_in.content_length_n >= 0)
          ? (size_t) r->headers_in.content_length_n
          : NGX_HTTP_LOYALTY_EVENTS_CHUNK;

    if (ngx_http_loyalty_events_room(events, len) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    events->text.len = ngx_sprintf(events->text.data, "%V.",
                                   &events->signature.time)
                       - events->text.data;

    r->read_event_handler = ngx_http_loyalty_events_read;

    ngx_http_loyalty_events_read(r);
}


static void
ngx_http_loyalty_events_read(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_loyalty_events_t  *events;

    if (r->connection->read->timedout) {
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    events = ngx_http_get_module_ctx(r, ngx_http_loyalty_module);

    for ( ;; ) {

        rc = ngx_http_loyalty_events_take(events);

        if (rc == NGX_DECLINED) {
            (void) ngx_http_loyalty_events_refuse(events,
                                          NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                          "body_too_large");
            break;
        }

        if (rc != NGX_OK) {
            events->rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
            break;
        }

        if (!r->reading_body) {

            if (ngx_http_loyalty_events_check(events) == NGX_AGAIN) {
                return;
            }

            break;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            events->rc = rc;
            break;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            return;
        }
    }

    /* a redirect to an error page clears the context */

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, events->rc);
}


/* NGX_DECLINED: more than may be */

static ngx_int_t
ngx_http_loyalty_events_take(ngx_http_loyalty_events_t *events)
{
    size_t        len;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = events->request->request_body->bufs;

    events->request->request_body->bufs = NULL;

    for ( /* void */ ; cl; cl = cl->next) {

        b = cl->buf;

        if (b->in_file) {
            ngx_log_error(NGX_LOG_ERR, events->request->connection->log, 0,
                          "the body of events was read by another module");
            return NGX_ERROR;
        }

        len = b->last - b->pos;

        if (len == 0) {
            continue;
        }

        if (events->text.len - events->signature.time.len - 1 + len
            > NGX_HTTP_LOYALTY_EVENTS_BODY)
        {
            return NGX_DECLINED;
        }

        if (ngx_http_loyalty_events_room(events, len) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_memcpy(events->text.data + events->text.len, b->pos, len);

        events->text.len += len;
        b->pos = b->last;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_events_room(ngx_http_loyalty_events_t *events, size_t len)
{
    u_char  *p;
    size_t   size;

    if (events->text.data == NULL) {
        len += events->signature.time.len + 1;
    }

    if (events->text.len + len <= events->size) {
        return NGX_OK;
    }

    size = ngx_max(events->text.len + len, 2 * events->size);

    p = ngx_pnalloc(events->request->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (events->text.data) {
        ngx_memcpy(p, events->text.data, events->text.len);
    }

    events->text.data = p;
    events->size = size;

    return NGX_OK;
}


/* all of it is there; NGX_DONE: the answer is decided, events->rc is for
 * ngx_http_finalize_request(); NGX_AGAIN: later */

static ngx_int_t
ngx_http_loyalty_events_check(ngx_http_loyalty_events_t *events)
{
    ngx_int_t   rc;
    ngx_str_t   rest, line;
    ngx_uint_t  i, n;

    rc = ngx_shop_event_verify(&events->signature, &events->text,
                               events->book.log);

    if (rc == NGX_DECLINED) {
        return ngx_http_loyalty_events_refuse(events, NGX_HTTP_FORBIDDEN,
                                              "hmac_mismatch");
    }

    if (rc != NGX_OK) {
        return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    n = events->signature.time.len + 1;

    events->rest.data = events->text.data + n;
    events->rest.len = events->text.len - n;

    if (ngx_http_loyalty_events_single(events) != NGX_OK) {
        return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    rest = events->rest;
    n = 0;

    for (i = 0; i <= NGX_HTTP_LOYALTY_EVENTS_LINES; i++) {
        if (ngx_http_loyalty_events_line(events, &rest, &n, &line) != NGX_OK)
        {
            break;
        }
    }

    if (i == 0) {
        return ngx_http_loyalty_events_refuse(events, NGX_HTTP_BAD_REQUEST,
                                              "events_missing");
    }

    if (i > NGX_HTTP_LOYALTY_EVENTS_LINES) {
        return ngx_http_loyalty_events_refuse(events,
                                          NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                          "events_too_many");
    }

    if (events->lmcf->batches >= NGX_HTTP_LOYALTY_EVENTS_BATCHES) {
        return ngx_http_loyalty_events_refuse(events,
                                              NGX_HTTP_TOO_MANY_REQUESTS,
                                              "events_busy");
    }

    return ngx_http_loyalty_events_start(events);
}


/* one event may be written on several lines: the lines alone are none then */

static ngx_int_t
ngx_http_loyalty_events_single(ngx_http_loyalty_events_t *events)
{
    ngx_pool_t  *pool;

    if (events->rest.len > NGX_SHOP_EVENT_MAX) {
        return NGX_OK;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE,
                           events->request->connection->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    if (ngx_shop_json_parse(pool, &events->rest, NGX_SHOP_EVENT_MAX) != NULL)
    {
        events->single = 1;
    }

    ngx_destroy_pool(pool);

    return NGX_OK;
}


/* the next line that is not blank, and its number; NGX_DONE: there is none */

static ngx_int_t
ngx_http_loyalty_events_line(ngx_http_loyalty_events_t *events,
    ngx_str_t *rest, ngx_uint_t *n, ngx_str_t *line)
{
    u_char  *p, *end, *last;

    while (rest->len) {

        p = rest->data;
        last = p + rest->len;

        end = events->single ? NULL : ngx_strlchr(p, last, LF);

        if (end == NULL) {
            end = last;
            rest->len = 0;

        } else {
            rest->data = end + 1;
            rest->len = last - rest->data;
        }

        line->data = p;
        line->len = end - p;

        (*n)++;

        for ( /* void */ ; p < end; p++) {
            if (*p != ' ' && *p != '\t' && *p != CR && *p != LF) {
                return NGX_OK;
            }
        }
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_http_loyalty_events_start(ngx_http_loyalty_events_t *events)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = events->request;

    events->results = ngx_shop_json_new_array(r->pool);
    if (events->results == NULL) {
        return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    events->counted = 1;
    events->lmcf->batches++;

    rc = ngx_http_loyalty_events_run(events);

    if (rc != NGX_AGAIN) {
        return rc;
    }

    /* without its events a client that leaves would not be noticed */

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_loyalty_events_cleanup(events);

        return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    r->read_event_handler = ngx_http_test_reading;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_loyalty_events_run(ngx_http_loyalty_events_t *events)
{
    ngx_int_t  rc;

    for ( ;; ) {

        if (ngx_http_loyalty_events_parse(events) != NGX_OK) {
            return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        if (events->book.nitems == 0) {
            return ngx_http_loyalty_events_answer(events);
        }

        rc = ngx_http_loyalty_book_start(&events->book);

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            return ngx_http_loyalty_events_refuse(events,
                                               NGX_HTTP_SERVICE_UNAVAILABLE,
                                               events->book.reason);
        }

        if (ngx_http_loyalty_events_results(events) != NGX_OK) {
            return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
        }
    }
}


static ngx_int_t
ngx_http_loyalty_events_parse(ngx_http_loyalty_events_t *events)
{
    ngx_int_t                 rc;
    ngx_str_t                 line;
    const char               *reason;
    ngx_http_loyalty_book_t  *book;
    ngx_http_loyalty_item_t  *item;

    book = &events->book;
    book->nitems = 0;

    while (book->nitems < NGX_HTTP_LOYALTY_BOOK_MAX
           && ngx_http_loyalty_events_line(events, &events->rest,
                                           &events->line, &line)
              == NGX_OK)
    {
        item = &book->items[book->nitems++];

        ngx_memzero(item, sizeof(ngx_http_loyalty_item_t));

        item->line = events->line;

        rc = ngx_shop_event_parse(book->pool, &line, book->program,
                                  &item->event, &item->owner, &reason);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            ngx_http_loyalty_book_decide(item, "refused", reason);
        }
    }

    return NGX_OK;
}


static void
ngx_http_loyalty_events_booked(ngx_http_loyalty_book_t *book)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_loyalty_events_t  *events;

    events = book->data;

    r = events->request;
    c = r->connection;

    if (book->rc != NGX_OK) {
        (void) ngx_http_loyalty_events_refuse(events,
                                              NGX_HTTP_SERVICE_UNAVAILABLE,
                                              book->reason);

    } else if (ngx_http_loyalty_events_results(events) != NGX_OK) {
        events->rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (ngx_http_loyalty_events_run(events) == NGX_AGAIN) {
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, events->rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_loyalty_events_results(ngx_http_loyalty_events_t *events)
{
    ngx_uint_t                i;
    ngx_pool_t               *pool;
    ngx_shop_json_t          *json;
    ngx_http_loyalty_item_t  *item;

    pool = events->request->pool;

    for (i = 0; i < events->book.nitems; i++) {

        item = &events->book.items[i];
        json = ngx_shop_json_new_object(pool);

        if (json == NULL
            || ngx_shop_json_set(pool, json, "line",
                             ngx_shop_json_new_integer(pool, item->line))
               != NGX_OK
            || ngx_shop_json_set(pool, json, "id",
                             item->event.id.len
                             ? ngx_shop_json_new_string(pool,
                                                        &item->event.id)
                             : ngx_shop_json_new_null(pool))
               != NGX_OK
            || ngx_shop_json_set(pool, json, "status",
                             ngx_shop_json_new_string(pool, &item->status))
               != NGX_OK
            || ngx_shop_json_set(pool, json, "reason",
                             item->reason.len
                             ? ngx_shop_json_new_string(pool, &item->reason)
                             : ngx_shop_json_new_null(pool))
               != NGX_OK
            || ngx_http_loyalty_events_promotions(pool, json,
                                                  &item->promotions)
               != NGX_OK
            || ngx_shop_json_append(pool, events->results, json) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_events_promotions(ngx_pool_t *pool, ngx_shop_json_t *json,
    ngx_str_t *text)
{
    u_char           *p, *last, *end, *equal;
    ngx_str_t         word;
    ngx_shop_json_t  *promotions;

    if (text->len == 0) {
        return NGX_OK;
    }

    promotions = ngx_shop_json_new_object(pool);
    if (promotions == NULL) {
        return NGX_ERROR;
    }

    last = text->data + text->len;

    for (p = text->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ' ');
        if (end == NULL) {
            end = last;
        }

        equal = ngx_strlchr(p, end, '=');
        if (equal == NULL) {
            return NGX_ERROR;
        }

        /* a name ends where its value begins */

        *equal = '\0';

        word.data = equal + 1;
        word.len = end - word.data;

        if (ngx_shop_json_set(pool, promotions, (char *) p,
                              ngx_shop_json_new_string(pool, &word))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_shop_json_set(pool, json, "promotions", promotions);
}


static ngx_int_t
ngx_http_loyalty_events_answer(ngx_http_loyalty_events_t *events)
{
    ngx_str_t            text;
    ngx_pool_t          *pool;
    ngx_shop_json_t     *json;
    ngx_http_request_t  *r;

    r = events->request;
    pool = r->pool;

    ngx_http_loyalty_events_cleanup(events);

    json = ngx_shop_json_new_object(pool);

    if (json == NULL
        || ngx_shop_json_set(pool, json, "results", events->results)
           != NGX_OK
        || ngx_shop_json_dump(pool, json, &text) != NGX_OK)
    {
        return ngx_http_loyalty_events_end(events,
                                           NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    return ngx_http_loyalty_events_end(events,
                         ngx_shop_respond(r, NGX_HTTP_OK, "application/json",
                                          &text));
}


static ngx_int_t
ngx_http_loyalty_events_refuse(ngx_http_loyalty_events_t *events,
    ngx_uint_t status, const char *reason)
{
    return ngx_http_loyalty_events_end(events,
                          ngx_http_loyalty_events_problem(events->request,
                                                          status, reason));
}


/* sending may return any code, and NGX_AGAIN is not that we wait */

static ngx_int_t
ngx_http_loyalty_events_end(ngx_http_loyalty_events_t *events, ngx_int_t rc)
{
    events->rc = rc;

    return NGX_DONE;
}


/* idempotent */

static void
ngx_http_loyalty_events_cleanup(void *data)
{
    ngx_http_loyalty_events_t *events = data;

    ngx_http_loyalty_book_cancel(&events->book);

    if (events->counted) {
        events->counted = 0;
        events->lmcf->batches--;
    }
}


/* these are programs: never a page */

static ngx_int_t
ngx_http_loyalty_events_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason)
{
    ngx_uint_t  level;

    level = (status == NGX_HTTP_SERVICE_UNAVAILABLE) ? NGX_LOG_ERR
                                                     : NGX_LOG_INFO;

    ngx_log_error(level, r->connection->log, 0, "request refused: %s",
                  reason);

    return ngx_shop_respond_problem(r, NULL, status, reason, NULL);
}
