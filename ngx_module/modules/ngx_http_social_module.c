
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_module.h"


/* an endpoint below "shop_prefix" */

typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 methods;
    const char                *allow;

    ngx_int_t                (*handler)(ngx_http_request_t *r,
                                  ngx_http_social_provider_t *sp);

    unsigned                   provider:1;  /* its name follows */
    unsigned                   session:1;   /* is looked up before */
} ngx_http_social_endpoint_t;


static ngx_int_t ngx_http_social_post_read_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_preaccess_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_access_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_late_access_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_gate(ngx_http_request_t *r,
    ngx_uint_t last);
static ngx_int_t ngx_http_social_gate_closed(ngx_http_request_t *r,
    ngx_int_t rc);
static ngx_int_t ngx_http_social_gate_navigation(ngx_http_request_t *r);

static ngx_http_social_endpoint_t *ngx_http_social_endpoint(
    ngx_http_request_t *r, ngx_str_t *rest);
static ngx_int_t ngx_http_social_chooser_url(ngx_http_request_t *r,
    ngx_str_t *path, ngx_str_t *url);

static ngx_int_t ngx_http_social_init(ngx_conf_t *cf);
static void ngx_http_social_exit_process(ngx_cycle_t *cycle);


static ngx_http_module_t  ngx_http_social_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_social_init,                  /* postconfiguration */

    ngx_http_social_create_main_conf,      /* create main configuration */
    ngx_http_social_init_main_conf,        /* init main configuration */

    ngx_http_social_create_srv_conf,       /* create server configuration */
    ngx_http_social_merge_srv_conf,        /* merge server configuration */

    ngx_http_social_create_loc_conf,       /* create location configuration */
    ngx_http_social_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_social_module = {
    NGX_MODULE_V1,
    &ngx_http_social_module_ctx,           /* module context */
    ngx_http_social_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_social_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_social_endpoint_t  ngx_http_social_endpoints[] = {

    { ngx_string("login"), NGX_HTTP_GET|NGX_HTTP_HEAD, "GET, HEAD",
      ngx_http_social_chooser, 0, 0 },

    { ngx_string("login/"), NGX_HTTP_GET, "GET",
      ngx_http_social_login, 1, 0 },

    { ngx_string("callback/"), NGX_HTTP_GET|NGX_HTTP_POST, "GET, POST",
      ngx_http_social_callback, 1, 1 },

    { ngx_string("token/"), NGX_HTTP_POST, "POST",
      ngx_http_social_native, 1, 1 },

    { ngx_string("notify/"), NGX_HTTP_GET|NGX_HTTP_POST, "GET, POST",
      ngx_http_social_notice, 1, 0 },

    { ngx_string("backchannel/"), NGX_HTTP_POST, "POST",
      ngx_http_social_backchannel, 1, 0 },

    { ngx_string("logout"), NGX_HTTP_POST, "POST",
      ngx_http_social_logout, 0, 1 },

    { ngx_string("me"), NGX_HTTP_GET|NGX_HTTP_HEAD, "GET, HEAD",
      ngx_http_social_me, 0, 1 },

    { ngx_null_string, 0, NULL, NULL, 0, 0 }
};


/*
 * The first log line can be written from the next phase on: before it the
 * code and the state go out of what nginx would print.
 */

static ngx_int_t
ngx_http_social_post_read_handler(ngx_http_request_t *r)
{
    ngx_str_t                    path;
    ngx_http_shop_ctx_t         *ctx;
    ngx_http_shop_srv_conf_t    *shop;
    ngx_http_social_srv_conf_t  *sscf;

    static ngx_str_t  callback = ngx_string("callback/");
    static ngx_str_t  token = ngx_string("token/");

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

    if (!sscf->login) {
        return NGX_DECLINED;
    }

    shop = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (r->uri.len < shop->prefix.len
        || ngx_strncmp(r->uri.data, shop->prefix.data, shop->prefix.len) != 0)
    {
        return NGX_DECLINED;
    }

    path.data = r->uri.data + shop->prefix.len;
    path.len = r->uri.len - shop->prefix.len;

    if ((path.len < callback.len
         || ngx_strncmp(path.data, callback.data, callback.len) != 0)
        && (path.len < token.len
            || ngx_strncmp(path.data, token.data, token.len) != 0))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_shop_create_ctx(r);

    if (ctx == NULL || ngx_shop_mask_args(r, &ctx->callback) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* who needs the session has it looked up here, where a request can wait */

static ngx_int_t
ngx_http_social_preaccess_handler(ngx_http_request_t *r)
{
    ngx_str_t                    rest;
    ngx_http_shop_ctx_t         *ctx;
    ngx_http_social_endpoint_t  *endpoint;
    ngx_http_social_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_social_module);

    if (slcf->endpoint) {

        endpoint = ngx_http_social_endpoint(r, &rest);

        if (endpoint == NULL || !endpoint->session) {
            return NGX_DECLINED;
        }

    } else if (!slcf->required || r != r->main) {
        return NGX_DECLINED;
    }

    if (ngx_http_shop_lookup(r, &ctx) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_social_access_handler(ngx_http_request_t *r)
{
    return ngx_http_social_gate(r, 0);
}


static ngx_int_t
ngx_http_social_late_access_handler(ngx_http_request_t *r)
{
    return ngx_http_social_gate(r, 1);
}


/*
 * The gate stands twice in the phase.  As the first handler it answers where
 * all checks must pass.  Under "satisfy any" another check may let the
 * request in, so there it speaks as the last one: it would have to end the
 * phase with its answer.
 */

static ngx_int_t
ngx_http_social_gate(ngx_http_request_t *r, ngx_uint_t last)
{
    ngx_int_t                    rc;
    ngx_uint_t                   any;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_social_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_social_module);

    if (!slcf->required || slcf->endpoint) {
        return NGX_DECLINED;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    any = (clcf->satisfy == NGX_HTTP_SATISFY_ANY);

    if (last && !any) {
        return NGX_DECLINED;
    }

    rc = ngx_http_shop_known_now(ngx_http_shop_get_ctx(r));

    if (rc == NGX_OK && !ngx_shop_is_connect(r)) {
        return NGX_OK;
    }

    if (any && !last) {
        return NGX_DECLINED;
    }

    ngx_http_finalize_request(r, ngx_http_social_gate_closed(r, rc));

    return NGX_DONE;
}


static ngx_int_t
ngx_http_social_gate_closed(ngx_http_request_t *r, ngx_int_t rc)
{
    if (ngx_shop_is_connect(r)) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_ALLOWED,
                                       "method_refused");
    }

    if (rc != NGX_DECLINED) {
        return ngx_http_social_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       "session_unavailable");
    }

    if (ngx_shop_is_navigation(r)) {
        return ngx_http_social_gate_navigation(r);
    }

    return ngx_http_social_problem(r, NGX_HTTP_UNAUTHORIZED,
                                   "session_required");
}


/*
 * A "Strict" cookie stays away when the customer comes from elsewhere, by a
 * link in a mail: the same address once more, from a page of our own, shows
 * whether there is a session.
 */

static ngx_int_t
ngx_http_social_gate_navigation(ngx_http_request_t *r)
{
    ngx_str_t                    url, path;
    ngx_http_shop_srv_conf_t    *sscf;
    ngx_http_social_srv_conf_t  *social;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (sscf->same_site == NGX_HTTP_SHOP_SAME_SITE_STRICT
        && ngx_shop_is_cross_site(r)
        && ngx_http_social_return_url(r, &r->unparsed_uri, &url) == NGX_OK)
    {
        social = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

        return ngx_shop_respond_bounce(r, &social->theme, &url);
    }

    if (ngx_shop_return_check(r->pool, &r->unparsed_uri, sscf->base, NULL,
                              &path)
        != NGX_OK)
    {
        ngx_str_set(&path, "/");
    }

    if (ngx_http_social_chooser_url(r, &path, &url) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_shop_respond_see_other(r, &url);
}


ngx_int_t
ngx_http_social_handler(ngx_http_request_t *r)
{
    ngx_str_t                    rest, allow;
    ngx_http_social_provider_t  *sp;
    ngx_http_social_endpoint_t  *endpoint;

    endpoint = ngx_http_social_endpoint(r, &rest);

    /* a part of a page cannot sign in: its redirect and cookies are lost */

    if (endpoint == NULL || (endpoint->provider && r != r->main)) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND, "not_found");
    }

    if (!(r->method & endpoint->methods)) {

        allow.data = (u_char *) endpoint->allow;
        allow.len = ngx_strlen(endpoint->allow);

        if (ngx_shop_header_out_add(r, "Allow", &allow) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_social_problem(r, NGX_HTTP_NOT_ALLOWED,
                                       "method_refused");
    }

    sp = NULL;

    if (endpoint->provider) {
        sp = ngx_http_social_find_provider(r, &rest);

        if (sp == NULL) {
            return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND,
                                           "provider_unknown");
        }
    }

    return endpoint->handler(r, sp);
}


static ngx_http_social_endpoint_t *
ngx_http_social_endpoint(ngx_http_request_t *r, ngx_str_t *rest)
{
    ngx_str_t                    path;
    ngx_http_shop_srv_conf_t    *sscf;
    ngx_http_social_endpoint_t  *ep;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (r->uri.len < sscf->prefix.len) {
        return NULL;
    }

    path.data = r->uri.data + sscf->prefix.len;
    path.len = r->uri.len - sscf->prefix.len;

    for (ep = ngx_http_social_endpoints; ep->name.len; ep++) {

        if (path.len < ep->name.len
            || ngx_strncmp(path.data, ep->name.data, ep->name.len) != 0)
        {
            continue;
        }

        rest->data = path.data + ep->name.len;
        rest->len = path.len - ep->name.len;

        if (ep->provider == (rest->len > 0)) {
            return ep;
        }
    }

    return NULL;
}


ngx_http_social_provider_t *
ngx_http_social_find_provider(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t                     i;
    ngx_http_social_provider_t   **spp;
    ngx_http_social_main_conf_t   *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_social_module);

    spp = smcf->providers.elts;

    for (i = 0; i < smcf->providers.nelts; i++) {
        if (spp[i]->conf.name.len == name->len
            && ngx_strncmp(spp[i]->conf.name.data, name->data, name->len)
               == 0)
        {
            return spp[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_social_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason)
{
    return ngx_http_social_problem_at(r, (status
                                          < NGX_HTTP_INTERNAL_SERVER_ERROR)
                                         ? NGX_LOG_INFO : NGX_LOG_ERR,
                                      status, reason);
}


ngx_int_t
ngx_http_social_problem_at(ngx_http_request_t *r, ngx_uint_t level,
    ngx_uint_t status, const char *reason)
{
    ngx_str_t                    link, path;
    ngx_http_shop_ctx_t         *ctx;
    ngx_http_social_srv_conf_t  *sscf;

    ngx_log_error(level, r->connection->log, 0, "request refused: %s",
                  reason);

    ngx_http_social_result(r, reason);

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

    if (status == NGX_HTTP_NOT_FOUND || status == NGX_HTTP_NOT_ALLOWED
        || status == NGX_HTTP_FORBIDDEN)
    {
        return ngx_shop_respond_problem(r, &sscf->theme, status, reason,
                                        NULL);
    }

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx != NULL && ctx->return_path.len) {
        path = ctx->return_path;

    } else {
        ngx_str_set(&path, "/");
    }

    if (ngx_http_social_chooser_url(r, &path, &link) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_shop_respond_problem(r, &sscf->theme, status, reason, &link);
}


/* a log line can do without it, so a lack of memory is no failure here */

void
ngx_http_social_result(ngx_http_request_t *r, const char *result)
{
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_create_ctx(r);

    if (ctx != NULL) {
        ctx->login_result.data = (u_char *) result;
        ctx->login_result.len = ngx_strlen(result);
    }
}


ngx_int_t
ngx_http_social_url(ngx_http_request_t *r, const char *path, ngx_str_t *tail,
    ngx_str_t *url)
{
    u_char                    *p;
    ngx_http_shop_srv_conf_t  *sscf;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    p = ngx_pnalloc(r->pool, sscf->base->origin.len + sscf->prefix.len
                             + ngx_strlen(path) + tail->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_sprintf(p, "%V%V%s%V", &sscf->base->origin, &sscf->prefix, path,
                    tail);

    url->len = p - url->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_social_redirect_uri(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *uri)
{
    return ngx_http_social_url(r, "callback/", &sp->conf.name, uri);
}


static ngx_int_t
ngx_http_social_chooser_url(ngx_http_request_t *r, ngx_str_t *path,
    ngx_str_t *url)
{
    ngx_str_t  tail;

    if (ngx_shop_escape_str(r->pool, path, &tail) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_social_url(r, "login?return=", &tail, url);
}


ngx_int_t
ngx_http_social_return_url(ngx_http_request_t *r, ngx_str_t *path,
    ngx_str_t *url)
{
    u_char                    *p;
    ngx_http_shop_srv_conf_t  *sscf;

    if (path->data[0] != '/') {
        *url = *path;
        return NGX_OK;
    }

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    p = ngx_pnalloc(r->pool, sscf->base->origin.len + path->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_cpymem(p, sscf->base->origin.data, sscf->base->origin.len);
    p = ngx_cpymem(p, path->data, path->len);

    url->len = p - url->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_social_return_arg(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *path)
{
    ngx_int_t                    rc;
    ngx_str_t                    value;
    ngx_http_shop_srv_conf_t    *shop;
    ngx_http_social_srv_conf_t  *sscf;

    shop = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

    rc = ngx_shop_query_get(r->pool, args, "return", &value);

    if (rc == NGX_OK) {
        rc = ngx_shop_return_check(r->pool, &value, shop->base,
                                   sscf->return_hosts, path);
    }

    if (rc != NGX_OK) {
        ngx_str_set(path, "/");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_array_t                *access;
    ngx_http_handler_pt        *h, *all;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    if (smcf->redis == NULL) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_social_post_read_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_social_preaccess_handler;

    access = &cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers;

    h = ngx_array_push(access);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_social_access_handler;

    /* handlers run from the last to the first, so the first is the last */

    h = ngx_array_push(access);
    if (h == NULL) {
        return NGX_ERROR;
    }

    all = access->elts;

    for (i = access->nelts - 1; i > 0; i--) {
        all[i] = all[i - 1];
    }

    all[0] = ngx_http_social_late_access_handler;

    return NGX_OK;
}


static void
ngx_http_social_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                     i;
    ngx_http_social_provider_t   **spp;
    ngx_http_social_main_conf_t   *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_social_module);

    if (smcf == NULL) {
        return;
    }

    spp = smcf->providers.elts;

    for (i = 0; i < smcf->providers.nelts; i++) {
        ngx_http_social_provider_exit(spp[i]);
    }
}
