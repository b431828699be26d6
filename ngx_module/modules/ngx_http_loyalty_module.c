
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"
#include "modules/ngx_http_loyalty_capture.h"
#include "modules/ngx_http_loyalty_conf.h"


/*
 * A request meets us twice.  Early in PREACCESS the customer is looked up
 * and evaluated, so that from "limit_req" on every variable is there; in
 * PRECONTENT, when nothing but the backend can come, the headers are put in.
 * Between the two the request may have been sent to another location, and it
 * may come back here later with our headers in it: what counts is what the
 * location says that it is in now.
 *
 * Subrequests go the same way, in their own copy of the headers.
 */


static ngx_int_t ngx_http_loyalty_preaccess_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_loyalty_precontent_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_loyalty_inject(ngx_http_request_t *r,
    ngx_http_loyalty_evaluation_t *evaluation,
    ngx_http_loyalty_header_t **headers);

static ngx_int_t ngx_http_loyalty_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_loyalty_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static void ngx_http_loyalty_in_force(void *data,
    ngx_shop_program_t *program);
static ngx_int_t ngx_http_loyalty_visit(void *data, ngx_shop_redis_op_t *op,
    ngx_str_t *customer, time_t time, ngx_str_t *days);

static ngx_int_t ngx_http_loyalty_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_loyalty_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_loyalty_init_process(ngx_cycle_t *cycle);
static void ngx_http_loyalty_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_loyalty_module_ctx = {
    ngx_http_loyalty_preconfiguration,     /* preconfiguration */
    ngx_http_loyalty_init,                 /* postconfiguration */

    ngx_http_loyalty_create_main_conf,     /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_loyalty_create_loc_conf,      /* create location configuration */
    ngx_http_loyalty_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_loyalty_module = {
    NGX_MODULE_V1,
    &ngx_http_loyalty_module_ctx,          /* module context */
    ngx_http_loyalty_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_loyalty_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_loyalty_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Read before PREACCESS, by "set" or "if", they are empty; a later reader
 * must not be given that.
 */

static ngx_http_variable_t  ngx_http_loyalty_vars[] = {

    { ngx_string("loyalty_tier"), NULL, ngx_http_loyalty_variable,
      offsetof(ngx_shop_evaluation_t, tier), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("loyalty_points"), NULL, ngx_http_loyalty_number_variable,
      offsetof(ngx_shop_evaluation_t, points), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("loyalty_points_pending"), NULL,
      ngx_http_loyalty_number_variable,
      offsetof(ngx_shop_evaluation_t, pending), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("loyalty_next_tier"), NULL, ngx_http_loyalty_variable,
      offsetof(ngx_shop_evaluation_t, next_tier),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("loyalty_points_to_next"), NULL,
      ngx_http_loyalty_number_variable,
      offsetof(ngx_shop_evaluation_t, points_to_next),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("loyalty_segments"), NULL, ngx_http_loyalty_variable,
      offsetof(ngx_shop_evaluation_t, segments),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("loyalty_promotions"), NULL, ngx_http_loyalty_variable,
      offsetof(ngx_shop_evaluation_t, promotions),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_loyalty_preaccess_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_shop_ctx_t          *ctx;
    ngx_http_shop_loc_conf_t     *slcf;
    ngx_http_loyalty_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_loyalty_module);

    if (!llcf->enable && !llcf->capture) {
        return NGX_DECLINED;
    }

    rc = ngx_http_shop_lookup(r, &ctx);

    if (rc == NGX_OK) {

        if (llcf->enable && ngx_http_loyalty_evaluate(r, ctx) == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_DECLINED;
    }

    if (rc == NGX_ERROR) {

        slcf = ngx_http_get_module_loc_conf(r, ngx_http_shop_module);

        /* the page that tells of an error is not refused in its turn */

        if (slcf->on_failure == NGX_HTTP_SHOP_FAILURE_ERROR
            && !r->main->error_page)
        {
            return NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        return NGX_DECLINED;
    }

    return rc;
}


ngx_shop_evaluation_t *
ngx_http_loyalty_evaluate(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_str_t                      *headers;
    ngx_shop_moment_t               moment;
    ngx_http_shop_main_conf_t      *smcf;
    ngx_http_loyalty_evaluation_t  *evaluation;

    evaluation = ctx->evaluation;

    if (evaluation != NULL) {
        return &evaluation->result;
    }

    evaluation = ngx_palloc(r->main->pool,
                            sizeof(ngx_http_loyalty_evaluation_t));
    if (evaluation == NULL) {
        return NULL;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    moment.now = ngx_time();
    moment.customer = &ctx->session.customer;
    moment.provider = &ctx->session.provider;
    moment.seed = ngx_shop_redis_seed(smcf->redis);
    moment.match = ngx_http_loyalty_match;
    moment.trace = NULL;
    moment.data = r->main;

    /* "match" may ask for what is known before promotions are looked at */

    ngx_memzero(evaluation, sizeof(ngx_http_loyalty_evaluation_t));

    ctx->evaluation = evaluation;

    /* what it points to in the program is good until the request is over */

    if (ctx->program == NULL) {
        ctx->program = ngx_shop_live_program(smcf->live);
        ngx_shop_program_hold(ctx->program);
    }

    moment.budgets = ngx_shop_budgets_known(smcf->budgets, ctx->program);

    if (ngx_shop_evaluate(r->main->pool, ctx->program, &ctx->view, &moment,
                          &evaluation->result)
        != NGX_OK)
    {
        ctx->evaluation = NULL;
        return NULL;
    }

    headers = evaluation->headers;

    headers[NGX_HTTP_LOYALTY_CUSTOMER] = ctx->session.customer;
    headers[NGX_HTTP_LOYALTY_PROVIDER] = ctx->session.provider;
    headers[NGX_HTTP_LOYALTY_TIER] = evaluation->result.tier;
    headers[NGX_HTTP_LOYALTY_SEGMENTS] = evaluation->result.segments;
    headers[NGX_HTTP_LOYALTY_PROMOTIONS] = evaluation->result.promotions;

    headers[NGX_HTTP_LOYALTY_POINTS].data = evaluation->points;
    headers[NGX_HTTP_LOYALTY_POINTS].len =
        ngx_sprintf(evaluation->points, "%L", evaluation->result.points)
        - evaluation->points;

    return &evaluation->result;
}


void
ngx_http_loyalty_shown(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    uint64_t                    bits, *noted;
    ngx_uint_t                  i;
    ngx_shop_exposure_t         exposure;
    ngx_shop_promotion_t       *promotion;
    ngx_shop_evaluation_t      *result;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    result = &((ngx_http_loyalty_evaluation_t *) ctx->evaluation)->result;
    bits = result->given | result->held;

    if (bits == 0) {
        return;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r->main, ngx_http_shop_module);

    noted = ngx_shop_activity_noted(smcf->activity, &ctx->session,
                                    ctx->program->measures);
    if (noted == NULL) {
        return;
    }

    bits &= ~*noted;

    for (i = 0; bits; i++, bits >>= 1) {

        if (!(bits & 1)) {
            continue;
        }

        promotion = ctx->program->promotions.elts;
        promotion += ctx->program->measured[i];

        exposure.code = &promotion->code;
        exposure.convert = promotion->convert;
        exposure.held = (result->held & promotion->measured) != 0;

        if (ngx_shop_activity_shown(smcf->activity, &ctx->session,
                                    &sscf->limits, ctx->entries[1].seen,
                                    &exposure)
            == NGX_OK)
        {
            *noted |= promotion->measured;
        }
    }
}


ngx_shop_program_t *
ngx_http_loyalty_program(ngx_http_request_t *r)
{
    ngx_http_loyalty_main_conf_t  *lmcf;

    lmcf = ngx_http_get_module_main_conf(r, ngx_http_loyalty_module);

    return &lmcf->program;
}


static ngx_int_t
ngx_http_loyalty_precontent_handler(ngx_http_request_t *r)
{
    ngx_http_shop_ctx_t          *ctx;
    ngx_http_shop_main_conf_t    *smcf;
    ngx_http_loyalty_loc_conf_t  *llcf;

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx == NULL || ctx->evaluation == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->injected) {

        /*
         * by this request in another location, or by its parent; names may
         * differ, and "loyalty" may be off here
         */

        smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

        if (ngx_shop_header_in_strip(r, &smcf->names) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_loyalty_module);

    if (!llcf->enable || ngx_http_shop_known(r, ctx) != NGX_OK) {
        return NGX_DECLINED;
    }

    ctx->injected = 1;

    if (ngx_http_loyalty_inject(r, ctx->evaluation, llcf->headers)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (llcf->headers[NGX_HTTP_LOYALTY_PROMOTIONS]->name.name.len) {
        ngx_http_loyalty_shown(r, ctx);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_loyalty_inject(ngx_http_request_t *r,
    ngx_http_loyalty_evaluation_t *evaluation,
    ngx_http_loyalty_header_t **headers)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (ngx_shop_header_in_own(r) != NGX_OK) {
        return NGX_ERROR;
    }

    value = evaluation->headers;

    for (i = 0; i < NGX_HTTP_LOYALTY_HEADERS; i++) {

        if (value[i].len == 0 || headers[i]->name.name.len == 0) {
            continue;
        }

        if (ngx_shop_header_in_add(r, &headers[i]->name, &value[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            *value;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ngx_http_shop_known(r, ctx) != NGX_OK || ctx->evaluation == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((u_char *) ctx->evaluation + data);

    if (value->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_shop_variable_set(v, value);
}


static ngx_int_t
ngx_http_loyalty_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    int64_t              *value;
    ngx_str_t             text;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ngx_http_shop_known(r, ctx) != NGX_OK || ctx->evaluation == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (int64_t *) ((u_char *) ctx->evaluation + data);

    if (data == offsetof(ngx_shop_evaluation_t, points_to_next)
        && *value == -1)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ngx_shop_decimal(r->pool, *value, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_shop_variable_set(v, &text);
}


static ngx_int_t
ngx_http_loyalty_preconfiguration(ngx_conf_t *cf)
{
    if (ngx_http_shop_add_vars(cf, ngx_http_loyalty_vars) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_loyalty_add_headers(cf);
}


static ngx_int_t
ngx_http_loyalty_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_shop_main_conf_t  *smcf;
    ngx_http_core_main_conf_t  *cmcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    if (smcf->redis == NULL) {
        return NGX_OK;
    }

    ngx_http_loyalty_capture_init();

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_loyalty_preaccess_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_loyalty_precontent_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_loyalty_init_process(ngx_cycle_t *cycle)
{
    ngx_http_shop_main_conf_t     *smcf;
    ngx_http_loyalty_main_conf_t  *lmcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);

    if (smcf == NULL || smcf->activity == NULL) {
        return NGX_OK;
    }

    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_loyalty_module);

    if (ngx_shop_ledger_visits(&lmcf->program)) {
        ngx_shop_activity_earns(smcf->activity, ngx_http_loyalty_visit,
                                (void *) cycle);
    }

    smcf->live = ngx_shop_live_start(smcf->redis, smcf->zone, &lmcf->program,
                                     ngx_http_loyalty_match_resolve,
                                     ngx_http_loyalty_in_force, smcf, cycle);

    return smcf->live ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_loyalty_in_force(void *data, ngx_shop_program_t *program)
{
    ngx_http_shop_main_conf_t *smcf = data;

    ngx_shop_budgets_follow(smcf->budgets, program);

    ngx_shop_activity_copies(smcf->activity,
                             (program->asks_visits
                              ? NGX_SHOP_ACTIVITY_VISITS : 0)
                             | (program->asks_profile
                                ? NGX_SHOP_ACTIVITY_PROFILE : 0));
}


static void
ngx_http_loyalty_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_loyalty_main_conf_t  *lmcf;

    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_loyalty_module);

    if (lmcf != NULL) {
        ngx_http_loyalty_capture_exit(lmcf);
    }
}


/*
 * No request waits for it, and it may earn nothing: copies of the customer are
 * dropped when Redis tells that there is a change.
 */

static ngx_int_t
ngx_http_loyalty_visit(void *data, ngx_shop_redis_op_t *op,
    ngx_str_t *customer, time_t time, ngx_str_t *days)
{
    ngx_cycle_t *cycle = data;

    ngx_http_shop_main_conf_t     *smcf;
    ngx_http_loyalty_main_conf_t  *lmcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);
    lmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_loyalty_module);

    return ngx_shop_ledger_visit(smcf->redis, op, &lmcf->program, customer,
                                 time, days, ngx_time());
}
