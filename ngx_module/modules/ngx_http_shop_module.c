
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"
#include "modules/ngx_http_shop_conf.h"


static ngx_int_t ngx_http_shop_post_read_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_shop_rewrite_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_shop_lookup_start(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static ngx_int_t ngx_http_shop_find_session(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static void ngx_http_shop_lookup_done(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_http_shop_lookup_result(ngx_http_shop_ctx_t *ctx,
    ngx_shop_redis_op_t *op);
static ngx_uint_t ngx_http_shop_lookup_refused(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_http_shop_wait(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);
static void ngx_http_shop_wake(ngx_http_shop_ctx_t *ctx);
static void ngx_http_shop_cleanup(void *data);

static ngx_int_t ngx_http_shop_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_shop_session_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_shop_login_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_shop_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_shop_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_shop_init_process(ngx_cycle_t *cycle);
static void ngx_http_shop_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_shop_module_ctx = {
    ngx_http_shop_add_variables,           /* preconfiguration */
    ngx_http_shop_init,                    /* postconfiguration */

    ngx_http_shop_create_main_conf,        /* create main configuration */
    ngx_http_shop_init_main_conf,          /* init main configuration */

    ngx_http_shop_create_srv_conf,         /* create server configuration */
    ngx_http_shop_merge_srv_conf,          /* merge server configuration */

    ngx_http_shop_create_loc_conf,         /* create location configuration */
    ngx_http_shop_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_shop_module = {
    NGX_MODULE_V1,
    &ngx_http_shop_module_ctx,             /* module context */
    ngx_http_shop_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_shop_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_shop_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_variable_t  ngx_http_shop_vars[] = {

    { ngx_string("shop_customer"), NULL, ngx_http_shop_variable,
      offsetof(ngx_http_shop_ctx_t, session.customer),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shop_provider"), NULL, ngx_http_shop_variable,
      offsetof(ngx_http_shop_ctx_t, session.provider),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shop_session"), NULL, ngx_http_shop_session_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shop_login_result"), NULL,
      ngx_http_shop_login_result_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


/*
 * The first to see a request takes out whatever only we may say, and what
 * nobody behind us should see; the handlers of this phase run for the main
 * request only, and once.
 */

static ngx_int_t
ngx_http_shop_post_read_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_array_t                 cookies;
    ngx_http_shop_ctx_t        *ctx;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    if (ngx_shop_header_in_strip(r, &smcf->names) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (sscf->base == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(&cookies, sizeof(ngx_array_t));

    rc = ngx_shop_cookies_take(r, &sscf->cookie, &sscf->attempt, &cookies);

    if (rc == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_shop_create_ctx(r);

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->cookies = cookies;

    return NGX_DECLINED;
}


/*
 * A request that is refused while its headers are read goes to "error_page"
 * without that phase, and a proxy there would send what the client forged.
 * So what was redirected is looked through again; to a named location it
 * comes in the second of the phases that have this handler.
 */

static ngx_int_t
ngx_http_shop_rewrite_handler(ngx_http_request_t *r)
{
    if (!r->internal || r != r->main) {
        return NGX_DECLINED;
    }

    return ngx_http_shop_post_read_handler(r);
}


/* an internal redirect clears module contexts: the cleanup still knows ours */

ngx_http_shop_ctx_t *
ngx_http_shop_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_request_t   *mr;
    ngx_http_shop_ctx_t  *ctx;

    mr = r->main;
    ctx = ngx_http_get_module_ctx(mr, ngx_http_shop_module);

    if (ctx == NULL && (mr->internal || mr->filter_finalize)) {

        for (cln = mr->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_shop_cleanup) {
                ctx = cln->data;
                break;
            }
        }
    }

    return ctx;
}


ngx_http_shop_ctx_t *
ngx_http_shop_create_ctx(ngx_http_request_t *r)
{
    ngx_http_request_t   *mr;
    ngx_pool_cleanup_t   *cln;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx != NULL) {
        return ctx;
    }

    mr = r->main;

    cln = ngx_pool_cleanup_add(mr->pool, sizeof(ngx_http_shop_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_shop_ctx_t));

    ctx->request = mr;
    ctx->rc = NGX_DONE;

    cln->handler = ngx_http_shop_cleanup;

    ngx_http_set_ctx(mr, ctx, ngx_http_shop_module);

    return ctx;
}


static void
ngx_http_shop_cleanup(void *data)
{
    ngx_http_shop_ctx_t *ctx = data;

    if (ctx->op != NULL) {
        ngx_shop_redis_free(ctx->op);
        ctx->op = NULL;
    }
}


ngx_int_t
ngx_http_shop_lookup(ngx_http_request_t *r, ngx_http_shop_ctx_t **ctxp)
{
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);
    *ctxp = ctx;

    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->rc == NGX_DONE) {
        ctx->rc = ngx_http_shop_lookup_start(r, ctx);
    }

    if (ctx->rc == NGX_AGAIN) {
        return ngx_http_shop_wait(r, ctx);
    }

    return ctx->rc;
}


static ngx_int_t
ngx_http_shop_lookup_start(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    rc = ngx_http_shop_find_session(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx->opened = 1;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    op = ngx_shop_redis_create(smcf->redis,
                               NGX_SHOP_SESSION_READ_COMMANDS
                               + NGX_SHOP_LOYALTY_READ_COMMANDS,
                               r->connection->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->handler = ngx_http_shop_lookup_done;
    op->data = ctx;

    if (ngx_shop_session_read(smcf->redis, op, &ctx->session) != NGX_OK
        || ngx_shop_loyalty_read(smcf->redis, op, &ctx->session.customer)
           != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        ngx_shop_redis_free(op);
        return NGX_ERROR;
    }

    ctx->op = op;

    return NGX_AGAIN;
}


/*
 * Two cookies of the session's name cannot both be ours: somebody who may
 * set cookies for a neighbouring host put one in.  Which is right cannot be
 * known, so neither is taken.
 */

static ngx_int_t
ngx_http_shop_find_session(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_shop_cookie_t          *cookie;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r->main, ngx_http_shop_module);

    value = NULL;
    cookie = ctx->cookies.elts;

    for (i = 0; i < ctx->cookies.nelts; i++) {

        if (cookie[i].name.len != sscf->cookie.len) {
            continue;
        }

        if (value != NULL
            && (value->len != cookie[i].value.len
                || ngx_memcmp(value->data, cookie[i].value.data, value->len)
                   != 0))
        {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "client sent two different session cookies");
            return NGX_DECLINED;
        }

        value = &cookie[i].value;
    }

    if (value == NULL) {
        return NGX_DECLINED;
    }

    return ngx_shop_session_open(r->main->pool, smcf->session_sealer,
                                 &sscf->host, value, ngx_time(),
                                 &sscf->limits, &ctx->session,
                                 r->connection->log);
}


static void
ngx_http_shop_lookup_done(ngx_shop_redis_op_t *op)
{
    ngx_http_shop_ctx_t *ctx = op->data;

    ctx->rc = ngx_http_shop_lookup_result(ctx, op);

    ctx->op = NULL;
    ngx_shop_redis_free(op);

    ngx_http_shop_wake(ctx);
}


static ngx_int_t
ngx_http_shop_lookup_result(ngx_http_shop_ctx_t *ctx,
    ngx_shop_redis_op_t *op)
{
    ngx_int_t                   rc;
    ngx_http_request_t         *r;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    if (op->rc != NGX_OK) {
        return NGX_ERROR;
    }

    r = ctx->request;

    rc = ngx_shop_session_known(r->pool, op->replies, ngx_time(),
                                &ctx->session);

    if (rc == NGX_OK) {
        rc = ngx_shop_loyalty_view(r->pool,
                                   op->replies[NGX_SHOP_SESSION_READ_COMMANDS],
                                   &ctx->view);

        if (rc == NGX_DECLINED) {

            /* a customer of whom nothing is booked */

            ngx_memzero(&ctx->view, sizeof(ngx_shop_view_t));
            rc = NGX_OK;
        }
    }

    if (rc == NGX_ERROR && !ngx_http_shop_lookup_refused(op)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "unexpected reply from redis for a session");
    }

    if (rc != NGX_OK) {
        return rc;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    ngx_shop_session_touch(smcf->redis, &ctx->session, &sscf->limits,
                           ngx_time(), r->connection->log);

    return NGX_OK;
}


/*
 * 1: the server answers nobody, which is logged once and not for each
 * request; a key of a wrong type is a matter of this one
 */

static ngx_uint_t
ngx_http_shop_lookup_refused(ngx_shop_redis_op_t *op)
{
    ngx_uint_t  i;

    for (i = 0; i < op->ncommands; i++) {
        if (op->replies[i]->type == NGX_SHOP_REDIS_FAULT
            && !ngx_shop_redis_is_fault(op->replies[i], "WRONGTYPE"))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_shop_wait(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_http_request_t  **waiter;

    if (ctx->waiters.elts == NULL
        && ngx_array_init(&ctx->waiters, r->pool, 1,
                          sizeof(ngx_http_request_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    waiter = ctx->waiters.elts;

    for (i = 0; i < ctx->waiters.nelts; i++) {
        if (waiter[i] == r) {
            return NGX_AGAIN;
        }
    }

    /* without its events a client that leaves would not be noticed */

    if (r == r->main
        && ngx_handle_read_event(r->connection->read, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    waiter = ngx_array_push(&ctx->waiters);
    if (waiter == NULL) {
        return NGX_ERROR;
    }

    *waiter = r;

    if (r == r->main) {
        r->read_event_handler = ngx_http_test_reading;
    }

    return NGX_AGAIN;
}


static void
ngx_http_shop_wake(ngx_http_shop_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_connection_t     *c;
    ngx_http_request_t  **waiter;

    c = ctx->request->connection;
    waiter = ctx->waiters.elts;

    for (i = 0; i < ctx->waiters.nelts; i++) {

        if (waiter[i] == waiter[i]->main) {
            waiter[i]->read_event_handler = ngx_http_block_reading;
        }

        /* no memory: the request's own timers end it */
        (void) ngx_http_post_request(waiter[i], NULL);
    }

    ctx->waiters.nelts = 0;

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_shop_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t            *value;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx == NULL || ctx->rc != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((u_char *) ctx + data);

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = value->len;
    v->data = value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_session_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             value;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx != NULL && ctx->rc == NGX_OK) {
        ngx_str_set(&value, "fresh");

    } else {
        ngx_str_set(&value, "none");
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = value.len;
    v->data = value.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_login_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx == NULL || ctx->login_result.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = ctx->login_result.len;
    v->data = ctx->login_result.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_shop_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_shop_main_conf_t  *smcf;
    ngx_http_core_main_conf_t  *cmcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    if (smcf->redis == NULL) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_shop_post_read_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_shop_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_shop_rewrite_handler;

    return ngx_shop_respond_init(cf);
}


static ngx_int_t
ngx_http_shop_init_process(ngx_cycle_t *cycle)
{
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);

    if (smcf == NULL || smcf->redis == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    return ngx_shop_redis_init(smcf->redis, cycle);
}


static void
ngx_http_shop_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);

    if (smcf != NULL && smcf->redis != NULL) {
        ngx_shop_redis_exit(smcf->redis);
    }
}
