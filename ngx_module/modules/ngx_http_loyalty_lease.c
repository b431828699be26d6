
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_book.h"


/*
 * An order redeems a promotion out of what its partition has of the budget.
 * Where that is nothing, the order has to wait for a lease:
 *
 *     book <------------------------------.
 *       |  none is leased                 |
 *       v                                 |
 *     lease ---- given, or all is used ---'
 *       ^  |
 *       |  |  others have some
 *       |  v
 *     recall
 *
 * Scripts do it, redis/ledger.lua, lease.lua and recall.lua, each with figures
 * that only grow.  So each step may be lost, or done twice: whoever comes next
 * goes on from there.  What is leased gets to its partition with the booking
 * that it was asked for, in one step, so it is not recalled in between but by
 * one who was there first, and then somebody else has redeemed or leased it.
 *
 * The last ones of a budget may be asked for by many at once, who take them
 * from one another; that ends, as each order takes one for good, and for one
 * that has bad luck all the time it ends by an error, to be tried again.
 */


#define NGX_HTTP_LOYALTY_LEASE_ROUNDS  200


static ngx_shop_lease_t *ngx_http_loyalty_lease_find(
    ngx_http_loyalty_book_t *book, ngx_shop_lease_t *lease);
static ngx_int_t ngx_http_loyalty_lease_asked(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_loyalty_lease_others(ngx_http_loyalty_book_t *book,
    ngx_uint_t n, ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_http_loyalty_lease_recall(ngx_http_loyalty_book_t *book);
static ngx_int_t ngx_http_loyalty_lease_recalled(
    ngx_http_loyalty_book_t *book);


ngx_int_t
ngx_http_loyalty_lease_take(ngx_http_loyalty_book_t *book,
    ngx_str_t *customer, ngx_shop_redis_reply_t *reply, ngx_uint_t wanted)
{
    ngx_int_t          rc;
    ngx_str_t          budgets;
    ngx_shop_lease_t   said, *lease;

    if (ngx_shop_ledger_budgets(reply, &budgets) != NGX_OK) {
        return ngx_http_loyalty_book_unexpected(book, "a budget");
    }

    for ( ;; ) {

        rc = ngx_shop_ledger_budget(&budgets, book->live, &said);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK || said.budget == 0) {
            return ngx_http_loyalty_book_unexpected(book, "a budget");
        }

        said.partition = ngx_shop_redis_partition(book->shop->redis,
                                                  customer);

        lease = ngx_http_loyalty_lease_find(book, &said);
        if (lease == NULL) {
            return NGX_ERROR;
        }

        /* what was said earlier may be read later */

        lease->leased = ngx_max(lease->leased, said.leased);
        lease->returned = ngx_max(lease->returned, said.returned);
        lease->used = ngx_max(lease->used, said.used);

        if (wanted) {
            lease->wanted = 1;

        } else {
            lease->tell = 1;
        }
    }
}


/* the one of that promotion and partition, which may be new; the pointer is
 * good until the next one is */

static ngx_shop_lease_t *
ngx_http_loyalty_lease_find(ngx_http_loyalty_book_t *book,
    ngx_shop_lease_t *lease)
{
    ngx_uint_t         i;
    ngx_shop_lease_t  *one;

    one = book->leases.elts;

    for (i = 0; i < book->leases.nelts; i++) {
        if (one[i].partition == lease->partition
            && ngx_shop_equal(&one[i].code, &lease->code))
        {
            return &one[i];
        }
    }

    one = ngx_array_push(&book->leases);
    if (one == NULL) {
        return NULL;
    }

    ngx_memzero(one, sizeof(ngx_shop_lease_t));

    one->code = lease->code;
    one->budget = lease->budget;
    one->partition = lease->partition;

    return one;
}


/* what others have returned is told first */

ngx_int_t
ngx_http_loyalty_lease(ngx_http_loyalty_book_t *book)
{
    ngx_str_t             place;
    ngx_uint_t            i, n, wants;
    ngx_shop_lease_t     *lease;
    ngx_shop_redis_op_t  *op;

    if (book->nleased++ == NGX_HTTP_LOYALTY_LEASE_ROUNDS) {
        return ngx_http_loyalty_book_failed(book, "redis_busy");
    }

    ngx_str_set(&place, "budget");

    op = ngx_http_loyalty_book_op(book, &place, book->leases.nelts, &n);
    if (op == NULL) {
        return NGX_ERROR;
    }

    lease = book->leases.elts;

    for (wants = 0; wants < 2; wants++) {

        for (i = 0; i < book->leases.nelts; i++) {

            if (wants ? !lease[i].wanted
                      : (lease[i].wanted || !lease[i].tell))
            {
                continue;
            }

            lease[i].command = op->ncommands;

            if (ngx_shop_lease_ask(book->shop->redis, op, &lease[i], wants)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_loyalty_book_ask(book, ngx_http_loyalty_lease_asked);
}


/* while somebody may book, others are left theirs */

static ngx_int_t
ngx_http_loyalty_lease_asked(ngx_http_loyalty_book_t *book)
{
    ngx_int_t                rc;
    ngx_uint_t               i, n, served;
    ngx_shop_lease_t        *lease;
    ngx_shop_redis_reply_t  *reply;

    if (ngx_http_loyalty_book_replies(book) != NGX_OK) {
        return NGX_ERROR;
    }

    served = 0;
    n = book->leases.nelts;

    for (i = 0; i < n; i++) {

        lease = (ngx_shop_lease_t *) book->leases.elts + i;

        lease->tell = 0;

        if (!lease->wanted) {
            continue;
        }

        reply = book->ops[0]->replies[lease->command];

        rc = ngx_shop_lease_result(reply, lease);

        if (rc == NGX_ERROR) {
            return ngx_http_loyalty_book_unexpected(book, "a lease");
        }

        if (rc == NGX_AGAIN) {

            if (ngx_http_loyalty_lease_others(book, i, reply) != NGX_OK) {
                return NGX_ERROR;
            }

            continue;
        }

        lease->wanted = 0;
        lease->sold = (rc == NGX_DECLINED);
        served = 1;
    }

    ngx_http_loyalty_book_drop(book);

    if (!served) {
        book->step = ngx_http_loyalty_lease_recall;
        return NGX_OK;
    }

    lease = book->leases.elts;

    for (i = 0; i < book->leases.nelts; i++) {
        lease[i].wanted = 0;
        lease[i].recall = 0;
    }

    book->step = ngx_http_loyalty_book_book;

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_lease_others(ngx_http_loyalty_book_t *book, ngx_uint_t n,
    ngx_shop_redis_reply_t *reply)
{
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_shop_lease_t   other, *lease;

    for (i = 0; /* void */ ; i++) {

        other = ((ngx_shop_lease_t *) book->leases.elts)[n];

        rc = ngx_shop_lease_other(reply, i, &other);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return ngx_http_loyalty_book_unexpected(book, "a lease");
        }

        lease = ngx_http_loyalty_lease_find(book, &other);
        if (lease == NULL) {
            return NGX_ERROR;
        }

        lease->granted = other.granted;
        lease->recall = 1;
    }
}


static ngx_int_t
ngx_http_loyalty_lease_recall(ngx_http_loyalty_book_t *book)
{
    ngx_str_t             place;
    ngx_uint_t            i, n, number;
    ngx_shop_lease_t     *lease;
    ngx_shop_redis_op_t  *op;

    lease = book->leases.elts;
    n = 0;

    for (i = 0; i < book->leases.nelts; i++) {

        if (!lease[i].recall) {
            continue;
        }

        /* the others are found again */

        if (n == book->max) {
            lease[i].recall = 0;
            continue;
        }

        n++;

        if (ngx_shop_decimal(book->pool, lease[i].partition, &place)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        op = ngx_http_loyalty_book_op(book, &place, book->max, &number);

        if (op == NULL) {
            return NGX_ERROR;
        }

        lease[i].op = number;
        lease[i].command = op->ncommands;

        if (ngx_shop_lease_recall(book->shop->redis, op, &lease[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_loyalty_book_ask(book, ngx_http_loyalty_lease_recalled);
}


static ngx_int_t
ngx_http_loyalty_lease_recalled(ngx_http_loyalty_book_t *book)
{
    ngx_uint_t         i;
    ngx_shop_lease_t  *lease;

    if (ngx_http_loyalty_book_replies(book) != NGX_OK) {
        return NGX_ERROR;
    }

    lease = book->leases.elts;

    for (i = 0; i < book->leases.nelts; i++) {

        if (!lease[i].recall) {
            continue;
        }

        if (ngx_shop_lease_recalled(
                       book->ops[lease[i].op]->replies[lease[i].command],
                       &lease[i])
            != NGX_OK)
        {
            return ngx_http_loyalty_book_unexpected(book, "a lease");
        }

        lease[i].recall = 0;
        lease[i].tell = 1;
    }

    ngx_http_loyalty_book_drop(book);

    book->step = ngx_http_loyalty_lease;

    return NGX_OK;
}


/* else it is known when the order is told again, or at the next lease: who is
 * shown the promotion sees it late that nothing is left */

void
ngx_http_loyalty_lease_tell(ngx_http_loyalty_book_t *book)
{
    ngx_uint_t            i, n;
    ngx_shop_lease_t     *lease;
    ngx_shop_redis_op_t  *op;

    lease = book->leases.elts;
    n = 0;

    for (i = 0; i < book->leases.nelts; i++) {
        n += lease[i].tell;
    }

    if (n == 0) {
        return;
    }

    op = ngx_shop_redis_create(book->shop->redis, n, ngx_cycle->log);
    if (op == NULL) {
        return;
    }

    for (i = 0; i < book->leases.nelts; i++) {

        if (!lease[i].tell) {
            continue;
        }

        lease[i].tell = 0;

        if (ngx_shop_lease_ask(book->shop->redis, op, &lease[i], 0)
            != NGX_OK)
        {
            ngx_shop_redis_free(op);
            return;
        }
    }

    (void) ngx_shop_redis_submit(op);
}
