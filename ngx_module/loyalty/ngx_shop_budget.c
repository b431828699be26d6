
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * A promotion that has nothing left of its budget is to be gone within a
 * second, for all workers of all servers.  Each asks for all budgets at once,
 * so often that it is, and no request ever waits for the answer.  What was not
 * told yet is shown to nobody; while Redis is away the last answer counts, and
 * so it does for a program that has just come.
 */


#define NGX_SHOP_BUDGET_INTERVAL  400       /* milliseconds */


struct ngx_shop_budgets_s {
    ngx_shop_redis_t          *redis;
    ngx_shop_program_t        *program;
    ngx_shop_budget_t         *elts;
    ngx_uint_t                 n;
    ngx_shop_redis_op_t       *op;
    ngx_event_t                timer;
    ngx_log_t                 *log;
};


static ngx_shop_budget_t *ngx_shop_budgets_list(ngx_shop_budgets_t *budgets,
    ngx_shop_program_t *program);
static int64_t ngx_shop_budgets_redeemed(ngx_shop_budgets_t *budgets,
    ngx_str_t *code);
static void ngx_shop_budgets_handler(ngx_event_t *ev);
static ngx_int_t ngx_shop_budgets_ask(ngx_shop_budgets_t *budgets);
static void ngx_shop_budgets_told(ngx_shop_redis_op_t *op);
static void ngx_shop_budgets_take(ngx_shop_budgets_t *budgets,
    ngx_shop_redis_reply_t *reply);
static void ngx_shop_budgets_wait(ngx_shop_budgets_t *budgets);


ngx_shop_budgets_t *
ngx_shop_budgets_start(ngx_shop_redis_t *redis, ngx_cycle_t *cycle)
{
    ngx_shop_budgets_t  *budgets;

    budgets = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_budgets_t));
    if (budgets == NULL) {
        return NULL;
    }

    budgets->redis = redis;
    budgets->log = cycle->log;

    budgets->timer.handler = ngx_shop_budgets_handler;
    budgets->timer.data = budgets;
    budgets->timer.log = cycle->log;
    budgets->timer.cancelable = 1;

    return budgets;
}


void
ngx_shop_budgets_stop(ngx_shop_budgets_t *budgets)
{
    if (budgets->timer.timer_set) {
        ngx_del_timer(&budgets->timer);
    }

    if (budgets->op) {
        ngx_shop_redis_free(budgets->op);
        budgets->op = NULL;
    }

    if (budgets->program) {
        ngx_shop_program_release(budgets->program);
        budgets->program = NULL;
    }

    if (budgets->elts) {
        ngx_free(budgets->elts);
        budgets->elts = NULL;
        budgets->n = 0;
    }
}


/* without memory no budget of the program is known, and none is shown */

void
ngx_shop_budgets_follow(ngx_shop_budgets_t *budgets,
    ngx_shop_program_t *program)
{
    ngx_shop_budget_t  *list;

    list = NULL;

    if (program->nbudgets || program->once) {
        list = ngx_shop_budgets_list(budgets, program);
    }

    ngx_shop_program_hold(program);
    ngx_shop_budgets_stop(budgets);

    budgets->program = program;

    if (list == NULL) {
        return;
    }

    budgets->elts = list;
    budgets->n = program->nbudgets;

    ngx_add_timer(&budgets->timer, 1);
}


static ngx_shop_budget_t *
ngx_shop_budgets_list(ngx_shop_budgets_t *budgets,
    ngx_shop_program_t *program)
{
    ngx_uint_t             i;
    ngx_shop_budget_t     *list, *budget;
    ngx_shop_promotion_t  *promotion;

    list = ngx_calloc((program->nbudgets + 1) * sizeof(ngx_shop_budget_t),
                      budgets->log);
    if (list == NULL) {
        return NULL;
    }

    promotion = program->promotions.elts;

    for (i = 0; i < program->promotions.nelts; i++) {

        if (promotion[i].budget == 0) {
            continue;
        }

        budget = &list[promotion[i].nbudget];

        budget->code = promotion[i].code;
        budget->total = promotion[i].budget;
        budget->redeemed = ngx_shop_budgets_redeemed(budgets, &budget->code);
    }

    return list;
}


/* what has been redeemed of a code stays so, whatever its budget is now */

static int64_t
ngx_shop_budgets_redeemed(ngx_shop_budgets_t *budgets, ngx_str_t *code)
{
    ngx_uint_t  i;

    for (i = 0; i < budgets->n; i++) {
        if (ngx_shop_equal(&budgets->elts[i].code, code)) {
            return budgets->elts[i].redeemed;
        }
    }

    return -1;
}


ngx_shop_budget_t *
ngx_shop_budgets_known(ngx_shop_budgets_t *budgets,
    ngx_shop_program_t *program)
{
    return (budgets->program == program) ? budgets->elts : NULL;
}


ngx_shop_budget_t *
ngx_shop_budgets_all(ngx_shop_budgets_t *budgets, ngx_uint_t *n)
{
    *n = budgets->n;

    return budgets->elts;
}


static void
ngx_shop_budgets_handler(ngx_event_t *ev)
{
    ngx_shop_budgets_t *budgets = ev->data;

    if (ngx_shop_budgets_ask(budgets) != NGX_OK) {
        ngx_shop_budgets_wait(budgets);
    }
}


static ngx_int_t
ngx_shop_budgets_ask(ngx_shop_budgets_t *budgets)
{
    ngx_str_t            *argv;
    ngx_uint_t            i, n;
    ngx_shop_redis_op_t  *op;

    op = ngx_shop_redis_create(budgets->redis, 1, budgets->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->handler = ngx_shop_budgets_told;
    op->data = budgets;

    n = budgets->n;

    argv = ngx_palloc(op->pool, (n + 3) * sizeof(ngx_str_t));

    if (argv == NULL
        || ngx_shop_redis_plain_key(budgets->redis, op->pool, "budget",
                                    &argv[1])
           != NGX_OK)
    {
        goto failed;
    }

    ngx_str_set(&argv[0], "HMGET");

    for (i = 0; i < n; i++) {
        argv[2 + i] = budgets->elts[i].code;
    }

    /* whatever it is, the seed is known then */

    if (n == 0) {
        ngx_str_set(&argv[2], "-");
    }

    if (ngx_shop_redis_add(op, 2 + ngx_max(n, 1), argv) != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        goto failed;
    }

    budgets->op = op;

    return NGX_OK;

failed:

    ngx_shop_redis_free(op);

    return NGX_ERROR;
}


static void
ngx_shop_budgets_told(ngx_shop_redis_op_t *op)
{
    ngx_shop_budgets_t  *budgets;

    budgets = op->data;
    budgets->op = NULL;

    if (op->rc == NGX_OK) {
        ngx_shop_budgets_take(budgets, op->replies[0]);
    }

    ngx_shop_redis_free(op);

    if (budgets->n
        || ngx_shop_redis_seed(budgets->redis) == NULL)
    {
        ngx_shop_budgets_wait(budgets);
    }
}


/* "RESERVED USED"; nothing is there until the first lease */

static void
ngx_shop_budgets_take(ngx_shop_budgets_t *budgets,
    ngx_shop_redis_reply_t *reply)
{
    time_t      used;
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  i;

    for (i = 0; i < budgets->n; i++) {

        rc = ngx_shop_redis_text(reply, i, &text);

        if (rc == NGX_DECLINED) {
            budgets->elts[i].redeemed = 0;
            continue;
        }

        p = (rc == NGX_OK && text.len)
            ? ngx_strlchr(text.data, text.data + text.len, ' ') : NULL;

        if (p == NULL) {
            continue;
        }

        p++;
        used = ngx_atotm(p, text.data + text.len - p);

        if (used != NGX_ERROR) {
            budgets->elts[i].redeemed = used;
        }
    }
}


/* some jitter, so that the workers do not meet */

static void
ngx_shop_budgets_wait(ngx_shop_budgets_t *budgets)
{
    if (!ngx_exiting) {
        ngx_add_timer(&budgets->timer, NGX_SHOP_BUDGET_INTERVAL
                                       + ngx_random() % 100);
    }
}
