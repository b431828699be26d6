
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * What time does to customers is done without their help:
 *
 *     timer --> a turn --> the first of the workers to ask in this second?
 *                               |  no: done
 *                               v
 *                 look at a partition --> nobody: at the next one
 *                               |                     |
 *                               v                     |
 *           .------------> take some of them ---------'
 *           |                   |
 *           |                   v
 *           `---- all done -- settle each
 *
 * Taking moves a customer's place in the queue a minute ahead, in the same
 * step, so no two workers of any nginx settle the same ones; settling puts it
 * where it belongs.  Who was taken and not settled, because his worker was
 * killed or Redis went away, is due again after that minute.  Nothing is ever
 * taken out before it is done, and doing it twice changes nothing.
 *
 * A worker has one batch out at a time, so that no request finds more than a
 * moment's work of Redis ahead of its own, and does nothing in between: the
 * next batch follows with the reply of the last one.  A turn sees a number of
 * partitions, and ends when it is through with them; meanwhile other workers
 * begin turns of their own.
 */


#define NGX_SHOP_DUE_BATCH       32
#define NGX_SHOP_DUE_PARTITIONS  64         /* seen in a turn */
#define NGX_SHOP_DUE_KEPT        60         /* seconds */
#define NGX_SHOP_DUE_TURN        1000       /* milliseconds between turns */
#define NGX_SHOP_DUE_AWAY        5000       /* after a failure */
#define NGX_SHOP_DUE_TOLD        60         /* seconds from line to line */

/* a figure that goes down, too */

#define ngx_shop_due_lag(due)                                                 \
    (due)->redis->figures->counters[NGX_SHOP_REDIS_DUE_LAG]


struct ngx_shop_due_s {
    ngx_shop_redis_t          *redis;
    ngx_shop_zone_t           *zone;
    ngx_shop_program_t        *program;
    ngx_event_t                timer;
    ngx_log_t                 *log;

    /* of a turn */

    ngx_uint_t                 partition;
    ngx_uint_t                 nleft;       /* partitions, with this one */
    ngx_uint_t                 nout;        /* operations */
    time_t                     lag;         /* the largest */

    ngx_uint_t                 nfailed;     /* since the log was told */
    time_t                     told;

    unsigned                   found:1;     /* somebody of the partition */
    unsigned                   away:1;
    unsigned                   stopped:1;
};


typedef struct {
    ngx_shop_due_t            *due;
    ngx_str_t                  customer;
} ngx_shop_due_customer_t;


static void ngx_shop_due_handler(ngx_event_t *ev);
static void ngx_shop_due_wait(ngx_shop_due_t *due);
static void ngx_shop_due_turn(ngx_shop_due_t *due);
static void ngx_shop_due_take(ngx_shop_due_t *due);
static ngx_int_t ngx_shop_due_command(ngx_shop_due_t *due,
    ngx_shop_redis_op_t *op);
static void ngx_shop_due_taken(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_due_batch(ngx_shop_due_t *due,
    ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_shop_due_settle(ngx_shop_due_t *due,
    ngx_str_t *customer);
static void ngx_shop_due_settled(ngx_shop_redis_op_t *op);
static void ngx_shop_due_failed(ngx_shop_due_t *due);


ngx_shop_due_t *
ngx_shop_due_start(ngx_shop_redis_t *redis, ngx_shop_zone_t *zone,
    ngx_shop_program_t *program, ngx_cycle_t *cycle)
{
    ngx_shop_due_t  *due;

    due = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_due_t));
    if (due == NULL) {
        return NULL;
    }

    due->redis = redis;
    due->zone = zone;
    due->program = program;
    due->log = cycle->log;

    due->timer.handler = ngx_shop_due_handler;
    due->timer.data = due;
    due->timer.log = cycle->log;
    due->timer.cancelable = 1;

    ngx_shop_due_wait(due);

    return due;
}


void
ngx_shop_due_stop(ngx_shop_due_t *due)
{
    due->stopped = 1;

    if (due->timer.timer_set) {
        ngx_del_timer(&due->timer);
    }
}


static void
ngx_shop_due_handler(ngx_event_t *ev)
{
    ngx_shop_due_t  *due;

    static ngx_str_t  key = ngx_string("due");

    due = ev->data;

    if (ngx_shop_zone_lease(due->zone, &key, ngx_time(), 1) != NGX_OK) {
        ngx_shop_due_wait(due);
        return;
    }

    ngx_shop_due_turn(due);
}


/* some jitter, so that the workers of several servers do not meet */

static void
ngx_shop_due_wait(ngx_shop_due_t *due)
{
    ngx_msec_t  delay;

    if (due->stopped || ngx_exiting) {
        return;
    }

    delay = due->away ? NGX_SHOP_DUE_AWAY : NGX_SHOP_DUE_TURN;

    ngx_add_timer(&due->timer, delay + ngx_random() % (delay / 4));
}


/*
 * Turns of a second lie side by side, whoever has them; where in them a worker
 * begins is left to chance, as another one may be at it still.
 */

static void
ngx_shop_due_turn(ngx_shop_due_t *due)
{
    ngx_uint_t  n, first;

    n = ngx_min(due->redis->partitions, NGX_SHOP_DUE_PARTITIONS);
    first = (ngx_uint_t) ngx_time() * n % due->redis->partitions;

    due->partition = (first + ngx_random() % n) % due->redis->partitions;
    due->nleft = n;
    due->lag = 0;
    due->found = 0;
    due->away = 0;

    ngx_shop_due_take(due);
}


static void
ngx_shop_due_take(ngx_shop_due_t *due)
{
    ngx_shop_redis_op_t  *op;

    if (due->stopped || ngx_exiting) {
        return;
    }

    if (due->nleft == 0 || due->away) {
        if (!due->away) {
            ngx_shop_due_lag(due) = due->lag;
        }

        ngx_shop_due_wait(due);
        return;
    }

    op = ngx_shop_redis_create(due->redis, 1, due->log);

    if (op != NULL) {
        op->handler = ngx_shop_due_taken;
        op->data = due;

        if (ngx_shop_due_command(due, op) == NGX_OK
            && ngx_shop_redis_submit(op) == NGX_AGAIN)
        {
            return;
        }

        ngx_shop_redis_free(op);
    }

    due->away = 1;
    ngx_shop_due_wait(due);
}


static ngx_int_t
ngx_shop_due_command(ngx_shop_due_t *due, ngx_shop_redis_op_t *op)
{
    ngx_str_t  key, now, argv[7], args[3];

    if (ngx_shop_redis_partition_key(due->redis, op->pool, "due",
                                     due->partition, &key)
        != NGX_OK
        || ngx_shop_decimal(op->pool, ngx_time(), &now) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!due->found) {
        ngx_str_set(&argv[0], "ZRANGEBYSCORE");
        argv[1] = key;
        ngx_str_set(&argv[2], "-inf");
        argv[3] = now;
        ngx_str_set(&argv[4], "LIMIT");
        ngx_str_set(&argv[5], "0");
        ngx_str_set(&argv[6], "1");

        return ngx_shop_redis_add(op, 7, argv);
    }

    args[0] = now;

    if (ngx_shop_decimal(op->pool, NGX_SHOP_DUE_KEPT, &args[1]) != NGX_OK
        || ngx_shop_decimal(op->pool, NGX_SHOP_DUE_BATCH, &args[2]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_due, 1, &key,
                                     3, args);
}


static void
ngx_shop_due_taken(ngx_shop_redis_op_t *op)
{
    ngx_int_t        rc;
    ngx_shop_due_t  *due;

    due = op->data;

    if (op->rc == NGX_OK) {
        rc = ngx_shop_due_batch(due, op->replies[0]);

    } else {
        rc = NGX_ERROR;
        due->away = 1;
    }

    ngx_shop_redis_free(op);

    if (rc == NGX_AGAIN) {
        return;
    }

    /* a queue that is none is in nobody's way, and seen with the next turn */

    if (rc == NGX_ERROR) {
        ngx_shop_due_failed(due);
    }

    if (rc != NGX_OK) {
        due->found = 0;
        due->partition = (due->partition + 1) % due->redis->partitions;
        due->nleft--;
    }

    ngx_shop_due_take(due);
}


/* NGX_OK: somebody is due; NGX_AGAIN: they are under way; NGX_DECLINED: nobody
 * is due; NGX_ERROR: could not ask, or none of them could be sent */

static ngx_int_t
ngx_shop_due_batch(ngx_shop_due_t *due, ngx_shop_redis_reply_t *reply)
{
    int64_t     since;
    ngx_str_t   customer;
    ngx_uint_t  i;

    if (reply->type != NGX_SHOP_REDIS_ARRAY) {
        return NGX_ERROR;
    }

    if (reply->nelts == 0) {
        return NGX_DECLINED;
    }

    if (!due->found) {
        due->found = 1;
        return NGX_OK;
    }

    if (ngx_shop_redis_number(reply, 0, &since) == NGX_OK) {
        due->lag = ngx_max(due->lag, ngx_time() - (time_t) since);
        ngx_shop_due_lag(due) = due->lag;
    }

    for (i = 1; i < reply->nelts; i++) {

        if (ngx_shop_redis_text(reply, i, &customer) != NGX_OK
            || !ngx_shop_customer_id_valid(&customer)
            || ngx_shop_due_settle(due, &customer) != NGX_OK)
        {
            ngx_shop_due_failed(due);
        }
    }

    return due->nout ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_shop_due_settle(ngx_shop_due_t *due, ngx_str_t *customer)
{
    ngx_shop_redis_op_t      *op;
    ngx_shop_due_customer_t  *this;

    op = ngx_shop_redis_create(due->redis, NGX_SHOP_LEDGER_COMMANDS,
                               due->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    this = ngx_palloc(op->pool, sizeof(ngx_shop_due_customer_t));
    if (this == NULL) {
        goto failed;
    }

    this->due = due;
    this->customer.len = customer->len;
    this->customer.data = ngx_pstrdup(op->pool, customer);

    op->handler = ngx_shop_due_settled;
    op->data = this;

    if (this->customer.data == NULL
        || ngx_shop_ledger_settle(due->redis, op, due->program,
                                  &this->customer, ngx_time())
           != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        goto failed;
    }

    due->nout++;

    return NGX_OK;

failed:

    ngx_shop_redis_free(op);

    return NGX_ERROR;
}


/* one that failed is due again by itself */

static void
ngx_shop_due_settled(ngx_shop_redis_op_t *op)
{
    ngx_shop_due_t           *due;
    ngx_shop_due_customer_t  *this;

    this = op->data;
    due = this->due;

    /* also where we do not know: it may have been written */

    ngx_shop_cache_drop(due->zone, NGX_SHOP_CACHE_VIEW, &this->customer);

    if (op->rc != NGX_OK) {
        due->away = 1;
        ngx_shop_due_failed(due);

    } else if (ngx_shop_ledger_booked(op->replies[0]) != NGX_OK) {
        ngx_shop_due_failed(due);

    } else {
        ngx_shop_count(due->redis->figures, NGX_SHOP_REDIS_DUE_SETTLED);
    }

    ngx_shop_redis_free(op);

    if (--due->nout == 0) {
        ngx_shop_due_take(due);
    }
}


static void
ngx_shop_due_failed(ngx_shop_due_t *due)
{
    due->nfailed++;

    if (due->stopped || ngx_time() - due->told < NGX_SHOP_DUE_TOLD) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, due->log, 0,
                  "what was due could not be settled in redis, %ui times, "
                  "it is tried again", due->nfailed);

    due->nfailed = 0;
    due->told = ngx_time();
}
