
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_book.h"


/*
 * Rounds, each of which asks for all items that need it at once:
 *
 *     find    whose is it, where an identity or an e-mail is named
 *     keep    it waits, as nobody is known by that; or somebody is, by now
 *     book    in the customer's slot, each by its id and thus once
 *     lease   some of a budget, where an order names a promotion of which its
 *             slot has nothing left: ngx_http_loyalty_lease.c.  Then "book"
 *             once more: the order, and what was held back behind it
 *
 * One operation takes them all; of a cluster, one for each customer, since
 * an operation is about keys of one slot.  The commands of an operation are
 * done in their order, and so are a customer's events.
 *
 * A fault of one command fails the round, and nothing is acknowledged then:
 * what was booked before it answers "duplicate" at the next try.
 */


#define NGX_HTTP_LOYALTY_BOOK_OPS  16       /* at least */


static ngx_int_t ngx_http_loyalty_book_run(ngx_http_loyalty_book_t *book);
static void ngx_http_loyalty_book_count(ngx_http_loyalty_book_t *book);
static ngx_http_loyalty_item_t *ngx_http_loyalty_book_next(
    ngx_http_loyalty_book_t *book, ngx_uint_t *i);
static ngx_int_t ngx_http_loyalty_book_find(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_loyalty_book_key(ngx_http_loyalty_book_t *book,
    ngx_http_loyalty_item_t *item);
static ngx_int_t ngx_http_loyalty_book_found(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_loyalty_book_keep(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_loyalty_book_kept(ngx_http_loyalty_book_t *book);
static ngx_uint_t ngx_http_loyalty_book_held(ngx_http_loyalty_book_t *book,
    ngx_uint_t n);
static ngx_int_t ngx_http_loyalty_book_booked(ngx_http_loyalty_book_t *book);
static ngx_shop_redis_op_t *ngx_http_loyalty_book_item(
    ngx_http_loyalty_book_t *book, ngx_http_loyalty_item_t *item,
    ngx_str_t *place);
static void ngx_http_loyalty_book_answered(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_http_loyalty_book_became(ngx_http_loyalty_book_t *book,
    ngx_http_loyalty_item_t *item, ngx_str_t *status, ngx_str_t *reason);
static ngx_int_t ngx_http_loyalty_book_text(ngx_http_loyalty_book_t *book,
    ngx_str_t *src, ngx_str_t *dst);


ngx_int_t
ngx_http_loyalty_book_init(ngx_http_loyalty_book_t *book, ngx_uint_t max)
{
    /* one event may want what some partitions have of a budget */

    book->max = ngx_max(max, NGX_HTTP_LOYALTY_BOOK_OPS);

    book->items = ngx_pcalloc(book->pool,
                              max * sizeof(ngx_http_loyalty_item_t));
    book->ops = ngx_palloc(book->pool,
                           book->max * sizeof(ngx_shop_redis_op_t *));
    book->places = ngx_palloc(book->pool, book->max * sizeof(ngx_str_t));

    return (book->items && book->ops && book->places) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_loyalty_book_start(ngx_http_loyalty_book_t *book)
{
    if (book->leases.elts == NULL
        && ngx_array_init(&book->leases, book->pool, 4,
                          sizeof(ngx_shop_lease_t))
           != NGX_OK)
    {
        book->reason = "internal_error";
        return NGX_ERROR;
    }

    book->rc = NGX_OK;
    book->reason = NULL;
    book->step = ngx_http_loyalty_book_find;
    book->leases.nelts = 0;
    book->nleased = 0;

    book->live = ngx_shop_live_program(book->shop->live);
    book->settled = ngx_shop_live_known(book->shop->live);
    ngx_shop_program_hold(book->live);

    return ngx_http_loyalty_book_run(book);
}


static ngx_int_t
ngx_http_loyalty_book_run(ngx_http_loyalty_book_t *book)
{
    ngx_int_t  rc;

    do {
        rc = book->step(book);
    } while (rc == NGX_OK);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_http_loyalty_book_cancel(book);

    if (rc == NGX_DONE) {
        ngx_http_loyalty_book_count(book);
        return NGX_OK;
    }

    book->rc = NGX_ERROR;

    if (book->reason == NULL) {
        book->reason = "internal_error";
    }

    return NGX_ERROR;
}


static void
ngx_http_loyalty_book_count(ngx_http_loyalty_book_t *book)
{
    ngx_uint_t  i, n;

    static ngx_str_t  ends[NGX_SHOP_REDIS_EVENT_ENDS] = {
        ngx_string("booked"),
        ngx_string("duplicate"),
        ngx_string("kept"),
        ngx_string("refused"),
        ngx_string("dropped")
    };

    if (book->counter == 0) {
        return;
    }

    for (i = 0; i < book->nitems; i++) {

        for (n = 0; n < NGX_SHOP_REDIS_EVENT_ENDS; n++) {

            if (ngx_shop_equal(&book->items[i].status, &ends[n])) {
                ngx_shop_count(book->shop->redis->figures,
                               book->counter + n);
            }
        }
    }
}


/* from "*i" on, the next one of which it is not known yet whose it is; NULL:
 * there is none */

static ngx_http_loyalty_item_t *
ngx_http_loyalty_book_next(ngx_http_loyalty_book_t *book, ngx_uint_t *i)
{
    ngx_http_loyalty_item_t  *item;

    while (*i < book->nitems) {

        item = &book->items[(*i)++];

        if (item->status.len == 0 && item->owner.id.len == 0) {
            return item;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_loyalty_book_find(ngx_http_loyalty_book_t *book)
{
    ngx_uint_t                i;
    ngx_shop_redis_op_t      *op;
    ngx_http_loyalty_item_t  *item;

    i = 0;

    while ((item = ngx_http_loyalty_book_next(book, &i)) != NULL) {

        if (item->owner.provider.len == 0 && item->owner.email.len == 0) {
            ngx_http_loyalty_book_decide(item, "refused", "customer_missing");
            continue;
        }

        if (ngx_http_loyalty_book_key(book, item) != NGX_OK) {
            return NGX_ERROR;
        }

        op = ngx_http_loyalty_book_item(book, item, &item->key);

        if (op == NULL || ngx_shop_kept_find(op, &item->key) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_loyalty_book_ask(book, ngx_http_loyalty_book_found);
}


static ngx_int_t
ngx_http_loyalty_book_key(ngx_http_loyalty_book_t *book,
    ngx_http_loyalty_item_t *item)
{
    ngx_shop_owner_t  *owner;

    owner = &item->owner;

    if (owner->email.len) {
        return ngx_shop_customer_email_key(book->shop->redis, book->pool,
                                           &owner->email, &item->key);
    }

    return ngx_shop_customer_identity_key(book->shop->redis, book->pool,
                                          &owner->provider, &owner->subject,
                                          &item->key);
}


static ngx_int_t
ngx_http_loyalty_book_found(ngx_http_loyalty_book_t *book)
{
    ngx_int_t                 rc;
    ngx_str_t                 id;
    ngx_uint_t                i;
    ngx_http_loyalty_item_t  *item;

    if (ngx_http_loyalty_book_replies(book) != NGX_OK) {
        return NGX_ERROR;
    }

    i = 0;

    while ((item = ngx_http_loyalty_book_next(book, &i)) != NULL) {

        rc = ngx_shop_kept_found(book->ops[item->op]->replies[item->command],
                                 &id);

        if (rc == NGX_ERROR) {
            return ngx_http_loyalty_book_unexpected(book, "a customer");
        }

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (ngx_http_loyalty_book_text(book, &id, &item->owner.id) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_loyalty_book_drop(book);

    book->step = ngx_http_loyalty_book_keep;

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_book_keep(ngx_http_loyalty_book_t *book)
{
    time_t                    now;
    ngx_str_t                 line;
    ngx_uint_t                i;
    const char               *reason;
    ngx_shop_redis_op_t      *op;
    ngx_http_loyalty_item_t  *item;

    now = ngx_time();
    i = 0;

    while ((item = ngx_http_loyalty_book_next(book, &i)) != NULL) {

        if (ngx_shop_event_timely(&item->event, now, &reason) != NGX_OK) {
            ngx_http_loyalty_book_decide(item, "refused", reason);
            continue;
        }

        op = ngx_http_loyalty_book_item(book, item, &item->key);

        if (op == NULL
            || ngx_shop_event_pack(op->pool, &item->event, &line) != NGX_OK
            || ngx_shop_kept_add(book->shop->redis, op, &item->key,
                                 &item->event.id, &line, now)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_loyalty_book_ask(book, ngx_http_loyalty_book_kept);
}


static ngx_int_t
ngx_http_loyalty_book_kept(ngx_http_loyalty_book_t *book)
{
    ngx_int_t                 rc;
    ngx_str_t                 id, status, reason;
    ngx_uint_t                i;
    ngx_http_loyalty_item_t  *item;

    if (ngx_http_loyalty_book_replies(book) != NGX_OK) {
        return NGX_ERROR;
    }

    i = 0;

    while ((item = ngx_http_loyalty_book_next(book, &i)) != NULL) {

        rc = ngx_shop_kept_added(book->ops[item->op]->replies[item->command],
                                 &id, &status, &reason);

        if (rc == NGX_ERROR) {
            return ngx_http_loyalty_book_unexpected(book,
                                                    "an event that waits");
        }

        if (rc == NGX_DECLINED) {
            rc = ngx_http_loyalty_book_text(book, &id, &item->owner.id);

        } else {
            rc = ngx_http_loyalty_book_became(book, item, &status, &reason);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_loyalty_book_drop(book);

    book->step = ngx_http_loyalty_book_book;

    return NGX_OK;
}


ngx_int_t
ngx_http_loyalty_book_book(ngx_http_loyalty_book_t *book)
{
    time_t                    now;
    ngx_uint_t                i;
    ngx_shop_redis_op_t      *op;
    ngx_http_loyalty_item_t  *item;

    now = ngx_time();

    for (i = 0; i < book->nitems; i++) {

        item = &book->items[i];

        item->asked = 0;

        if (item->status.len || ngx_http_loyalty_book_held(book, i)) {
            continue;
        }

        /*
         * what a code is may be told by the document in Redis alone, and whose
         * it is by the seed
         */

        if (ngx_shop_event_names(&item->event)
            && (!book->settled
                || (book->live->once
                    && ngx_shop_redis_seed(book->shop->redis) == NULL)))
        {
            return ngx_http_loyalty_book_failed(book, "redis_unavailable");
        }

        item->asked = 1;
        item->event.leases = &book->leases;

        op = ngx_http_loyalty_book_item(book, item, &item->owner.id);

        if (op == NULL
            || ngx_shop_ledger_book(book->shop->redis, op, book->live,
                                    &item->owner.id, &item->event, now)
               != NGX_OK
            || ngx_http_shop_writes_to(book->shop, op, NULL, &item->owner.id)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_loyalty_book_ask(book, ngx_http_loyalty_book_booked);
}


/*
 * An order may have to come again, when some of the budget of a promotion that
 * it names was leased.  So that a customer's events stay in their order, what
 * is behind it comes in the next round.
 */

static ngx_uint_t
ngx_http_loyalty_book_held(ngx_http_loyalty_book_t *book, ngx_uint_t n)
{
    ngx_uint_t                i;
    ngx_http_loyalty_item_t  *item;

    if (book->live->nbudgets == 0) {
        return 0;
    }

    item = book->items;

    for (i = 0; i < n; i++) {

        if (item[i].status.len == 0
            && (!item[i].asked || ngx_shop_event_names(&item[i].event))
            && ngx_shop_equal(&item[i].owner.id, &item[n].owner.id))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_loyalty_book_booked(ngx_http_loyalty_book_t *book)
{
    ngx_int_t                (*step)(ngx_http_loyalty_book_t *book);
    ngx_str_t                 status, reason, promotions;
    ngx_uint_t                i, wanted;
    ngx_shop_redis_reply_t   *reply;
    ngx_http_loyalty_item_t  *item;

    static ngx_str_t  lease = ngx_string("lease");

    if (ngx_http_loyalty_book_replies(book) != NGX_OK) {
        return NGX_ERROR;
    }

    step = NULL;

    for (i = 0; i < book->nitems; i++) {

        item = &book->items[i];

        if (!item->asked && item->status.len == 0 && step == NULL) {
            step = ngx_http_loyalty_book_book;
        }

        if (!item->asked || item->status.len) {
            continue;
        }

        reply = book->ops[item->op]->replies[item->command];

        if (ngx_shop_ledger_result(reply, &status, &reason, &promotions)
            != NGX_OK)
        {
            return ngx_http_loyalty_book_unexpected(book, "an event");
        }

        wanted = ngx_shop_equal(&status, &lease);

        if (ngx_http_loyalty_lease_take(book, &item->owner.id, reply, wanted)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (wanted) {
            step = ngx_http_loyalty_lease;
            continue;
        }

        book->nleased = 0;

        if (ngx_http_loyalty_book_text(book, &promotions, &item->promotions)
            != NGX_OK
            || ngx_http_loyalty_book_became(book, item, &status, &reason)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_loyalty_book_drop(book);

    if (step == NULL) {
        return NGX_DONE;
    }

    book->step = step;

    return NGX_OK;
}


/* the operation that asks for an item; its next command is the item's */

static ngx_shop_redis_op_t *
ngx_http_loyalty_book_item(ngx_http_loyalty_book_t *book,
    ngx_http_loyalty_item_t *item, ngx_str_t *place)
{
    ngx_shop_redis_op_t  *op;

    op = ngx_http_loyalty_book_op(book, place, book->nitems, &item->op);

    if (op != NULL) {
        item->command = op->ncommands;
    }

    return op;
}


ngx_shop_redis_op_t *
ngx_http_loyalty_book_op(ngx_http_loyalty_book_t *book, ngx_str_t *place,
    ngx_uint_t max, ngx_uint_t *n)
{
    ngx_uint_t            i;
    ngx_shop_redis_op_t  *op;

    for (i = 0; i < book->nops; i++) {

        if (book->shop->redis->mode != NGX_SHOP_REDIS_CLUSTER
            || ngx_shop_equal(&book->places[i], place))
        {
            break;
        }
    }

    if (i == book->nops) {

        op = ngx_shop_redis_create(book->shop->redis, max, book->log);
        if (op == NULL) {
            return NULL;
        }

        op->handler = ngx_http_loyalty_book_answered;
        op->data = book;

        book->ops[i] = op;
        book->places[i] = *place;
        book->nops++;
    }

    *n = i;

    return book->ops[i];
}


ngx_int_t
ngx_http_loyalty_book_ask(ngx_http_loyalty_book_t *book,
    ngx_int_t (*step)(ngx_http_loyalty_book_t *book))
{
    ngx_uint_t  i;

    book->step = step;
    book->nout = 0;

    for (i = 0; i < book->nops; i++) {

        if (ngx_shop_redis_submit(book->ops[i]) != NGX_AGAIN) {
            return ngx_http_loyalty_book_failed(book, book->ops[i]->reason);
        }

        book->nout++;
    }

    return book->nops ? NGX_AGAIN : NGX_OK;
}


static void
ngx_http_loyalty_book_answered(ngx_shop_redis_op_t *op)
{
    ngx_http_loyalty_book_t  *book;

    book = op->data;

    if (--book->nout != 0) {
        return;
    }

    if (ngx_http_loyalty_book_run(book) != NGX_AGAIN) {
        book->handler(book);
    }
}


ngx_int_t
ngx_http_loyalty_book_replies(ngx_http_loyalty_book_t *book)
{
    ngx_str_t             code;
    ngx_uint_t            i, n;
    ngx_shop_redis_op_t  *op;

    for (i = 0; i < book->nops; i++) {

        op = book->ops[i];

        if (op->rc != NGX_OK) {
            return ngx_http_loyalty_book_failed(book, op->reason);
        }

        for (n = 0; n < op->ncommands; n++) {

            if (op->replies[n]->type != NGX_SHOP_REDIS_FAULT) {
                continue;
            }

            ngx_shop_redis_fault_code(op->replies[n], &code);

            ngx_log_error(NGX_LOG_ERR, book->log, 0,
                          "redis refused a command for events: \"%V\"",
                          &code);

            return ngx_http_loyalty_book_failed(book, "redis_refused");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_book_became(ngx_http_loyalty_book_t *book,
    ngx_http_loyalty_item_t *item, ngx_str_t *status, ngx_str_t *reason)
{
    static ngx_str_t  reused = ngx_string("id_reused");

    if (ngx_shop_equal(reason, &reused)) {
        ngx_log_error(NGX_LOG_WARN, book->log, 0,
                      "an event of customer \"%V\" has the id of another one",
                      ngx_http_loyalty_book_id(&item->owner.id));
    }

    if (ngx_http_loyalty_book_text(book, reason, &item->reason) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_loyalty_book_text(book, status, &item->status);
}


static ngx_int_t
ngx_http_loyalty_book_text(ngx_http_loyalty_book_t *book, ngx_str_t *src,
    ngx_str_t *dst)
{
    if (src->len == 0) {
        ngx_str_null(dst);
        return NGX_OK;
    }

    dst->data = ngx_pstrdup(book->pool, src);
    dst->len = dst->data ? src->len : 0;

    return dst->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_loyalty_book_failed(ngx_http_loyalty_book_t *book,
    const char *reason)
{
    book->reason = reason;

    return NGX_ERROR;
}


ngx_int_t
ngx_http_loyalty_book_unexpected(ngx_http_loyalty_book_t *book,
    const char *what)
{
    ngx_log_error(NGX_LOG_ERR, book->log, 0,
                  "unexpected reply from redis for %s", what);

    return ngx_http_loyalty_book_failed(book, "redis_refused");
}


void
ngx_http_loyalty_book_cancel(ngx_http_loyalty_book_t *book)
{
    /* also what was redeemed before something failed, or nobody waited */

    ngx_http_loyalty_lease_tell(book);

    ngx_http_loyalty_book_drop(book);

    if (book->live != NULL) {
        ngx_shop_program_release(book->live);
        book->live = NULL;
    }
}


void
ngx_http_loyalty_book_drop(ngx_http_loyalty_book_t *book)
{
    while (book->nops) {
        ngx_shop_redis_free(book->ops[--book->nops]);
    }
}


void
ngx_http_loyalty_book_decide(ngx_http_loyalty_item_t *item,
    const char *status, const char *reason)
{
    item->status.data = (u_char *) status;
    item->status.len = ngx_strlen(status);
    item->reason.data = (u_char *) reason;
    item->reason.len = ngx_strlen(reason);
}


ngx_str_t *
ngx_http_loyalty_book_id(ngx_str_t *id)
{
    static ngx_str_t  none = ngx_string("-");

    if (id->len == 0
        || ngx_strlchr(id->data, id->data + id->len, '@') != NULL)
    {
        return &none;
    }

    return id;
}
