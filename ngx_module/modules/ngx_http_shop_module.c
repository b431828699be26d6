
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"
#include "modules/ngx_http_shop_conf.h"
#include "modules/ngx_http_loyalty_module.h"


static ngx_int_t ngx_http_shop_post_read_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_shop_rewrite_handler(ngx_http_request_t *r);
static void ngx_http_shop_cleanup(void *data);

static ngx_int_t ngx_http_shop_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_shop_session_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_shop_login_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_shop_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_shop_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_shop_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_shop_init_process(ngx_cycle_t *cycle);
static void ngx_http_shop_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_shop_module_ctx = {
    ngx_http_shop_preconfiguration,        /* preconfiguration */
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
    ngx_http_shop_init_module,             /* init module */
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
    ngx_uint_t                  i;
    ngx_array_t                 cookies, *ours;
    ngx_http_shop_ctx_t        *ctx;
    ngx_http_shop_cookies_t    *names;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    if (ngx_shop_header_in_strip(r, &smcf->names) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    ngx_memzero(&cookies, sizeof(ngx_array_t));

    names = smcf->cookies.elts;

    for (i = 0; i < smcf->cookies.nelts; i++) {

        ours = (sscf->base != NULL && sscf->cookies == i) ? &cookies : NULL;

        if (ngx_shop_cookies_take(r, &names[i].session, &names[i].attempt,
                                  ours)
            == NGX_ERROR)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (cookies.nelts == 0) {
        return NGX_DECLINED;
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

    ngx_http_shop_lookup_cancel(ctx);

    if (ctx->program != NULL) {
        ngx_shop_program_release(ctx->program);
        ctx->program = NULL;
    }
}


static ngx_int_t
ngx_http_shop_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t            *value;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_get_ctx(r);

    if (ngx_http_shop_known(r, ctx) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((u_char *) ctx + data);

    return ngx_http_shop_variable_set(v, value);
}


static ngx_int_t
ngx_http_shop_session_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            *value;
    ngx_http_shop_ctx_t  *ctx;

    static ngx_str_t  none = ngx_string("none");
    static ngx_str_t  sources[] = {
        ngx_string("fresh"),
        ngx_string("cached"),
        ngx_string("stale")
    };

    ctx = ngx_http_shop_get_ctx(r);

    value = (ngx_http_shop_known(r, ctx) == NGX_OK) ? &sources[ctx->source]
                                                    : &none;

    return ngx_http_shop_variable_set(v, value);
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

    return ngx_http_shop_variable_set(v, &ctx->login_result);
}


ngx_int_t
ngx_http_shop_variable_set(ngx_http_variable_value_t *v, ngx_str_t *text)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = text->len;
    v->data = text->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_shop_add_vars(ngx_conf_t *cf, ngx_http_variable_t *vars)
{
    ngx_http_variable_t  *var, *v;

    for (v = vars; v->name.len; v++) {

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
ngx_http_shop_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_shop_add_vars(cf, ngx_http_shop_vars);
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


/* the zone is mapped, no worker has started: it learns whose copies it has */

static ngx_int_t
ngx_http_shop_init_module(ngx_cycle_t *cycle)
{
    u_char                     *p;
    ngx_str_t                   text;
    ngx_shop_redis_t           *redis;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);

    if (smcf == NULL || smcf->redis == NULL) {
        return NGX_OK;
    }

    redis = smcf->redis;

    p = ngx_pnalloc(cycle->pool, redis->text.len + redis->prefix.len
                                 + redis->master.len + 3 * NGX_INT_T_LEN
                                 + sizeof("     "));
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = p;
    text.len = ngx_sprintf(p, "%V %ui %V %ui %ui %V", &redis->text,
                           redis->db, &redis->prefix, redis->partitions,
                           (ngx_uint_t) redis->mode, &redis->master)
               - p;

    ngx_shop_cache_source(smcf->zone, &text);
    ngx_shop_figures_reset(smcf->zone);

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                     lost;
    ngx_http_shop_main_conf_t     *smcf;
    ngx_http_loyalty_main_conf_t  *lmcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);

    if (smcf == NULL || smcf->redis == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    lost = ngx_shop_figures_join(smcf->zone);

    if (ngx_http_shop_lookup_init(smcf, cycle) != NGX_OK
        || ngx_shop_redis_init(smcf->redis, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_shop_count_more(smcf->redis->figures, NGX_SHOP_REDIS_EVENTS_LOST,
                        lost);

    smcf->activity = ngx_shop_activity_start(smcf->redis, smcf->zone, cycle);

    if (smcf->activity == NULL) {
        return NGX_ERROR;
    }

    lmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_loyalty_module);

    if (ngx_shop_program_timed(&lmcf->program)) {
        smcf->due = ngx_shop_due_start(smcf->redis, smcf->zone,
                                       &lmcf->program, cycle);

        if (smcf->due == NULL) {
            return NGX_ERROR;
        }
    }

    smcf->budgets = ngx_shop_budgets_start(smcf->redis, cycle);

    if (smcf->budgets == NULL) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_track_start(smcf->redis, smcf->zone, cycle);
}


static void
ngx_http_shop_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shop_module);

    if (smcf == NULL || smcf->redis == NULL) {
        return;
    }

    smcf->stopped = 1;

    if (smcf->activity != NULL) {
        ngx_shop_activity_stop(smcf->activity);
    }

    if (smcf->due != NULL) {
        ngx_shop_due_stop(smcf->due);
    }

    if (smcf->live != NULL) {
        ngx_shop_live_stop(smcf->live);
    }

    if (smcf->budgets != NULL) {
        ngx_shop_budgets_stop(smcf->budgets);
    }

    ngx_shop_redis_track_stop(smcf->redis);
    ngx_shop_redis_exit(smcf->redis);
}
