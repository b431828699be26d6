
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"
#include "modules/ngx_http_loyalty_book.h"


/*
 * What the shop has told of a person before they were a customer is booked
 * when they sign in: events that wait for the identity are read when it is
 * claimed, those for the e-mail when that is.  They are booked after the
 * login, which does not fail by them: what could not be booked waits for the
 * next one.
 */


static ngx_int_t ngx_http_social_kept_emailed(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_kept_some(ngx_http_social_flow_t *flow);
static void ngx_http_social_kept_answered(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_social_kept_booked(ngx_http_social_flow_t *flow);
static void ngx_http_social_kept_forget(ngx_http_social_flow_t *flow);


ngx_int_t
ngx_http_social_kept_take(ngx_http_social_flow_t *flow, ngx_str_t *known,
    ngx_shop_redis_reply_t *reply)
{
    time_t              since, now;
    ngx_str_t           line;
    ngx_uint_t          i;
    ngx_pool_t         *pool;
    ngx_shop_event_t    event, *kept;

    pool = flow->request->pool;

    if (reply->type != NGX_SHOP_REDIS_ARRAY) {
        return ngx_http_social_flow_unexpected(flow, "events that wait");
    }

    if (reply->nelts == 0) {
        return NGX_OK;
    }

    if (flow->kept.elts == NULL
        && ngx_array_init(&flow->kept, pool, reply->nelts,
                          sizeof(ngx_shop_event_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    now = ngx_time();

    for (i = 0; i < reply->nelts; i++) {

        line.len = reply->elts[i]->str.len;
        line.data = ngx_pstrdup(pool, &reply->elts[i]->str);

        if (line.data == NULL) {
            return NGX_ERROR;
        }

        if (ngx_shop_event_unpack(&line, &since, &event) != NGX_OK) {
            ngx_log_error(NGX_LOG_ERR, flow->request->connection->log, 0,
                          "malformed event waits for customer \"%V\"",
                          ngx_http_loyalty_book_id(&flow->customer));
            continue;
        }

        if (since <= now - NGX_SHOP_KEPT_TIME) {
            continue;
        }

        kept = ngx_array_push(&flow->kept);
        if (kept == NULL) {
            return NGX_ERROR;
        }

        *kept = event;
        kept->told = since;
    }

    flow->kept_known[flow->nkept_known++] = *known;

    return NGX_OK;
}


/* an address is known by whoever proved first that it is theirs */

ngx_int_t
ngx_http_social_kept_email(ngx_http_social_flow_t *flow)
{
    ngx_str_t                   known;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    if (smcf->event_keys == NULL || !flow->identity.email_verified) {
        flow->step = ngx_http_social_signin_create;
        return NGX_OK;
    }

    op = ngx_http_social_flow_op(flow, NGX_SHOP_KEPT_CLAIM_COMMANDS + 1);

    if (op == NULL
        || ngx_shop_customer_email_key(smcf->redis, r->pool,
                                       &flow->identity.email, &known)
           != NGX_OK
        || ngx_shop_kept_claim(op, &known, &flow->customer) != NGX_OK
        || ngx_shop_kept_read(smcf->redis, op, &known) != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->email_known = known;

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_kept_emailed);
}


static ngx_int_t
ngx_http_social_kept_emailed(ngx_http_social_flow_t *flow)
{
    ngx_str_t                 owner;
    ngx_shop_redis_reply_t  **reply;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    reply = flow->op->replies;

    if (ngx_shop_kept_found(reply[1], &owner) != NGX_OK) {
        return ngx_http_social_flow_unexpected(flow, "an e-mail");
    }

    flow->step = ngx_http_social_signin_create;

    if (!ngx_shop_equal(&owner, &flow->customer)) {
        return NGX_OK;
    }

    return ngx_http_social_kept_take(flow, &flow->email_known, reply[2]);
}


ngx_int_t
ngx_http_social_kept_book(ngx_http_social_flow_t *flow)
{
    ngx_http_request_t       *r;
    ngx_http_loyalty_book_t  *book;

    flow->step = ngx_http_social_signin_end;

    if (flow->nkept_known == 0) {
        return NGX_OK;
    }

    if (flow->kept.nelts == 0) {
        ngx_http_social_kept_forget(flow);
        return NGX_OK;
    }

    r = flow->request;

    book = ngx_pcalloc(r->pool, sizeof(ngx_http_loyalty_book_t));
    if (book == NULL) {
        return NGX_ERROR;
    }

    book->shop = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    book->program = ngx_http_loyalty_program(r);
    book->pool = r->pool;
    book->log = r->connection->log;
    book->handler = ngx_http_social_kept_answered;
    book->data = flow;

    if (ngx_http_loyalty_book_init(book, ngx_min(flow->kept.nelts,
                                                 NGX_HTTP_LOYALTY_BOOK_MAX))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->book = book;

    return ngx_http_social_kept_some(flow);
}


/* as many as are booked at once */

static ngx_int_t
ngx_http_social_kept_some(ngx_http_social_flow_t *flow)
{
    ngx_shop_event_t         *event;
    ngx_http_loyalty_book_t  *book;
    ngx_http_loyalty_item_t  *item;

    book = flow->book;
    book->nitems = 0;

    event = flow->kept.elts;

    while (flow->nkept < flow->kept.nelts
           && book->nitems < NGX_HTTP_LOYALTY_BOOK_MAX)
    {
        item = &book->items[book->nitems++];

        ngx_memzero(item, sizeof(ngx_http_loyalty_item_t));

        item->event = event[flow->nkept++];
        item->owner.id = flow->customer;
    }

    flow->step = ngx_http_social_kept_booked;

    return (ngx_http_loyalty_book_start(book) == NGX_AGAIN) ? NGX_AGAIN
                                                            : NGX_OK;
}


static void
ngx_http_social_kept_answered(ngx_http_loyalty_book_t *book)
{
    ngx_http_social_flow_run(book->data);
}


static ngx_int_t
ngx_http_social_kept_booked(ngx_http_social_flow_t *flow)
{
    ngx_uint_t                i;
    ngx_http_loyalty_book_t  *book;
    ngx_http_loyalty_item_t  *item;

    static ngx_str_t  refused = ngx_string("refused");

    book = flow->book;
    flow->step = ngx_http_social_signin_end;

    if (book->reason != NULL) {
        ngx_log_error(NGX_LOG_ERR, book->log, 0,
                      "events that wait for customer \"%V\" could not be "
                      "booked",
                      ngx_http_loyalty_book_id(&flow->customer));
        return NGX_OK;
    }

    for (i = 0; i < book->nitems; i++) {

        item = &book->items[i];

        if (ngx_shop_equal(&item->status, &refused)) {
            ngx_log_error(NGX_LOG_WARN, book->log, 0,
                          "an event that waited for customer \"%V\" was "
                          "refused: %V",
                          ngx_http_loyalty_book_id(&flow->customer),
                          &item->reason);
        }
    }

    if (flow->nkept < flow->kept.nelts) {
        return ngx_http_social_kept_some(flow);
    }

    ngx_http_social_kept_forget(flow);

    return NGX_OK;
}


/* nobody waits for it: what is left would be booked again, which is once */

static void
ngx_http_social_kept_forget(ngx_http_social_flow_t *flow)
{
    ngx_uint_t                  i;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    for (i = 0; i < flow->nkept_known; i++) {

        op = ngx_shop_redis_create(smcf->redis, 1, ngx_cycle->log);
        if (op == NULL) {
            return;
        }

        if (ngx_shop_kept_forget(smcf->redis, op, &flow->kept_known[i])
            != NGX_OK)
        {
            ngx_shop_redis_free(op);
            return;
        }

        (void) ngx_shop_redis_submit(op);
    }
}
