
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"
#include "modules/ngx_http_shop_conf.h"


/*
 * What was counted of promotions lies in all partitions of the store, so
 * "shop_status" has to ask each of them: some at a time, as one that is done
 * goes on with the next partition.  The first that cannot be asked ends it,
 * and so does the time, as there may be thousands of them and Redis slow: a
 * sum of some of them would be wrong.
 */


#define NGX_HTTP_SHOP_SHOWN_OPS   16
#define NGX_HTTP_SHOP_SHOWN_TIME  1000      /* milliseconds, for all */


typedef struct ngx_http_shop_shown_s  ngx_http_shop_shown_t;

typedef struct {
    ngx_shop_redis_op_t          *op;       /* NULL: none is out */
    ngx_http_shop_shown_t        *shown;
} ngx_http_shop_shown_op_t;


struct ngx_http_shop_shown_s {
    ngx_http_request_t           *request;
    ngx_array_t                  *sums;     /* of ngx_shop_shown_t */
    ngx_http_shop_shown_pt        handler;
    ngx_uint_t                    next;     /* partition */
    ngx_uint_t                    nout;
    ngx_event_t                   timer;
    ngx_http_shop_shown_op_t      ops[NGX_HTTP_SHOP_SHOWN_OPS];

    unsigned                      failed:1;
};


static void ngx_http_shop_shown_ask(ngx_http_shop_shown_op_t *this);
static void ngx_http_shop_shown_done(ngx_shop_redis_op_t *op);
static void ngx_http_shop_shown_late(ngx_event_t *ev);
static void ngx_http_shop_shown_end(ngx_http_shop_shown_t *shown);
static void ngx_http_shop_shown_cleanup(void *data);


ngx_int_t
ngx_http_shop_shown(ngx_http_request_t *r, ngx_array_t *sums,
    ngx_http_shop_shown_pt handler)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_http_cleanup_t     *cln;
    ngx_http_shop_shown_t  *shown;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_shop_shown_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    shown = cln->data;
    ngx_memzero(shown, sizeof(ngx_http_shop_shown_t));

    shown->request = r;
    shown->sums = sums;
    shown->handler = handler;

    cln->handler = ngx_http_shop_shown_cleanup;

    for (i = 0; i < NGX_HTTP_SHOP_SHOWN_OPS; i++) {
        shown->ops[i].shown = shown;
        ngx_http_shop_shown_ask(&shown->ops[i]);
    }

    if (shown->nout == 0) {
        return handler(r, NULL);
    }

    shown->timer.handler = ngx_http_shop_shown_late;
    shown->timer.data = shown;
    shown->timer.log = r->connection->log;

    ngx_add_timer(&shown->timer, NGX_HTTP_SHOP_SHOWN_TIME);

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_shop_shown_ask(ngx_http_shop_shown_op_t *this)
{
    ngx_shop_redis_t       *redis;
    ngx_shop_redis_op_t    *op;
    ngx_http_shop_shown_t  *shown;

    shown = this->shown;

    redis = ((ngx_http_shop_main_conf_t *)
             ngx_http_get_module_main_conf(shown->request,
                                           ngx_http_shop_module))
            ->redis;

    if (shown->failed || shown->next == redis->partitions) {
        return;
    }

    /* the log of a request would go with it */

    op = ngx_shop_redis_create(redis, NGX_SHOP_SHOWN_COMMANDS,
                               ngx_cycle->log);
    if (op == NULL) {
        shown->failed = 1;
        return;
    }

    op->handler = ngx_http_shop_shown_done;
    op->data = this;

    if (ngx_shop_shown_read(redis, op, shown->next, shown->sums) != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        ngx_shop_redis_free(op);
        shown->failed = 1;
        return;
    }

    this->op = op;

    shown->next++;
    shown->nout++;
}


static void
ngx_http_shop_shown_done(ngx_shop_redis_op_t *op)
{
    ngx_http_shop_shown_t     *shown;
    ngx_http_shop_shown_op_t  *this;

    this = op->data;
    shown = this->shown;

    if (op->rc != NGX_OK
        || ngx_shop_shown_add(op->replies[0], shown->sums) != NGX_OK)
    {
        shown->failed = 1;
    }

    this->op = NULL;
    shown->nout--;

    ngx_shop_redis_free(op);

    ngx_http_shop_shown_ask(this);

    if (shown->nout == 0) {
        ngx_http_shop_shown_end(shown);
    }
}


static void
ngx_http_shop_shown_late(ngx_event_t *ev)
{
    ngx_http_shop_shown_t *shown = ev->data;

    shown->failed = 1;

    ngx_http_shop_shown_end(shown);
}


static void
ngx_http_shop_shown_end(ngx_http_shop_shown_t *shown)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ngx_http_shop_shown_cleanup(shown);

    r = shown->request;
    c = r->connection;

    ngx_http_finalize_request(r, shown->handler(r, shown->failed
                                                   ? NULL : shown->sums));
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shop_shown_cleanup(void *data)
{
    ngx_http_shop_shown_t *shown = data;

    ngx_uint_t  i;

    if (shown->timer.timer_set) {
        ngx_del_timer(&shown->timer);
    }

    for (i = 0; i < NGX_HTTP_SHOP_SHOWN_OPS; i++) {
        if (shown->ops[i].op) {
            ngx_shop_redis_free(shown->ops[i].op);
            shown->ops[i].op = NULL;
        }
    }
}
