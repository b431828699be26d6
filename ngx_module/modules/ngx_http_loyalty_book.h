
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_LOYALTY_BOOK_H_INCLUDED_
#define _NGX_HTTP_LOYALTY_BOOK_H_INCLUDED_


#include "customer/ngx_shop_customer.h"
#include "modules/ngx_http_loyalty_module.h"


/*
 * Events are booked together, some dozens at a time, for a request or for
 * nobody.  What is out is always a field, so it can be ended at any time.
 */

#define NGX_HTTP_LOYALTY_BOOK_MAX  64       /* events */


typedef struct ngx_http_loyalty_book_s  ngx_http_loyalty_book_t;

typedef void (*ngx_http_loyalty_book_pt)(ngx_http_loyalty_book_t *book);


typedef struct {
    ngx_shop_event_t           event;
    ngx_shop_owner_t           owner;       /* its id, as soon as known */
    ngx_uint_t                 line;        /* the caller's */

    ngx_str_t                  status;      /* empty: not decided yet */
    ngx_str_t                  reason;      /* empty: none */
    ngx_str_t                  promotions;  /* "CODE=WORD ...", what became of
                                               those that it names */

    ngx_str_t                  key;         /* of its account or address */
    ngx_uint_t                 op;          /* who asks for it now, */
    ngx_uint_t                 command;     /* and by which command */
    unsigned                   asked:1;     /* in this round */
} ngx_http_loyalty_item_t;


struct ngx_http_loyalty_book_s {
    /* the caller's */

    ngx_http_shop_main_conf_t *shop;
    ngx_shop_program_t        *program;
    ngx_pool_t                *pool;        /* of items and what is told of
                                               them */
    ngx_log_t                 *log;
    ngx_http_loyalty_book_pt   handler;
    void                      *data;
    ngx_uint_t                 counter;     /* of the instance, the first of
                                               NGX_SHOP_REDIS_EVENT_ENDS; 0:
                                               they were counted */

    ngx_http_loyalty_item_t   *items;       /* all zeros */
    ngx_uint_t                 nitems;

    /* the answer */

    ngx_int_t                  rc;          /* NGX_OK: all have a status;
                                               NGX_ERROR: some may have been
                                               booked, it can be tried
                                               again */
    const char                *reason;      /* with NGX_ERROR */

    /* the room's */

    ngx_int_t                (*step)(ngx_http_loyalty_book_t *book);
    ngx_shop_redis_op_t      **ops;
    ngx_str_t                 *places;
    ngx_uint_t                 max;         /* of both */
    ngx_uint_t                 nops;
    ngx_uint_t                 nout;
    ngx_shop_program_t        *live;        /* the one in force, held */
    ngx_array_t                leases;      /* of ngx_shop_lease_t */
    ngx_uint_t                 nleased;     /* rounds in which some were */

    unsigned                   settled:1;   /* "live" is what Redis says, and
                                               not what holds until it is
                                               asked */
};


/* makes room for so many items, from book->pool; NGX_ERROR: no memory */
ngx_int_t ngx_http_loyalty_book_init(ngx_http_loyalty_book_t *book,
    ngx_uint_t max);

/*
 * Books the items that have no status; with NGX_OK, also of the callback, it
 * has counted what became of all.  NGX_AGAIN: one callback, later; NGX_OK:
 * there was nothing to ask for; NGX_ERROR: no callback, book->reason is set.
 * Events of one customer are booked in their order.  An item without an owner
 * is refused.
 */
ngx_int_t ngx_http_loyalty_book_start(ngx_http_loyalty_book_t *book);

/* idempotent; no callback comes after it, what was sent may be done */
void ngx_http_loyalty_book_cancel(ngx_http_loyalty_book_t *book);

/* a status by a constant; an empty reason is none */
void ngx_http_loyalty_book_decide(ngx_http_loyalty_item_t *item,
    const char *status, const char *reason);

/* an id of an event or a customer as it can be logged: it may be an e-mail
 * address, or miss, and is "-" then */
ngx_str_t *ngx_http_loyalty_book_id(ngx_str_t *id);


/* the steps, and what they share: NGX_OK: the next one is named; NGX_AGAIN;
 * NGX_DONE: all have a status; NGX_ERROR */

ngx_int_t ngx_http_loyalty_book_book(ngx_http_loyalty_book_t *book);

/* an operation about keys of "place", with room for "max" commands if it is
 * a new one; its number in book->ops is in "*n"; NULL: no memory */
ngx_shop_redis_op_t *ngx_http_loyalty_book_op(ngx_http_loyalty_book_t *book,
    ngx_str_t *place, ngx_uint_t max, ngx_uint_t *n);

/* ends all of them */
void ngx_http_loyalty_book_drop(ngx_http_loyalty_book_t *book);

/* sends all of them, and goes on with "step" when all have replied */
ngx_int_t ngx_http_loyalty_book_ask(ngx_http_loyalty_book_t *book,
    ngx_int_t (*step)(ngx_http_loyalty_book_t *book));

/* for that: NGX_OK: all have their replies, and none is a fault */
ngx_int_t ngx_http_loyalty_book_replies(ngx_http_loyalty_book_t *book);

/* these return NGX_ERROR, the second one logs "what" */
ngx_int_t ngx_http_loyalty_book_failed(ngx_http_loyalty_book_t *book,
    const char *reason);
ngx_int_t ngx_http_loyalty_book_unexpected(ngx_http_loyalty_book_t *book,
    const char *what);


/* ngx_http_loyalty_lease.c */

/* takes what a booking says of budgets; "wanted": it asks for a lease.
 * NGX_ERROR */
ngx_int_t ngx_http_loyalty_lease_take(ngx_http_loyalty_book_t *book,
    ngx_str_t *customer, ngx_shop_redis_reply_t *reply, ngx_uint_t wanted);

/* the step that leases what is wanted, and leads back to the bookings */
ngx_int_t ngx_http_loyalty_lease(ngx_http_loyalty_book_t *book);

/* tells what was used and was not told yet; nobody waits for it */
void ngx_http_loyalty_lease_tell(ngx_http_loyalty_book_t *book);


#endif /* _NGX_HTTP_LOYALTY_BOOK_H_INCLUDED_ */
