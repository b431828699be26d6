
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"
#include "modules/ngx_http_social_module.h"


static char *ngx_http_social_enable(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_http_core_loc_conf_t *ngx_http_social_add_endpoint(
    ngx_conf_t *cf, ngx_http_handler_pt handler, ngx_uint_t exact);
static char *ngx_http_social_return(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_social_theme(ngx_conf_t *cf,
    ngx_http_social_srv_conf_t *conf, ngx_shop_url_t *base);


ngx_command_t  ngx_http_social_commands[] = {

    { ngx_string("social_provider"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_social_provider,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("social_trusted_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_social_main_conf_t, trusted_certificate),
      NULL },

    { ngx_string("social_login"),
      NGX_HTTP_SRV_CONF|NGX_CONF_FLAG,
      ngx_http_social_enable,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_social_srv_conf_t, login),
      NULL },

    { ngx_string("social_return"),
      NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_social_return,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("social_stylesheet"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_social_srv_conf_t, stylesheet),
      NULL },

    { ngx_string("social_login_required"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_social_loc_conf_t, required),
      NULL },

      ngx_null_command
};


static char *
ngx_http_social_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_social_srv_conf_t *sscf = conf;

    char  *rv;

    rv = ngx_conf_set_flag_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK || !sscf->login) {
        return rv;
    }

    sscf->endpoint = ngx_http_social_add_endpoint(cf,
                                                  ngx_http_social_handler, 0);

    if (sscf->endpoint == NULL) {
        return NGX_CONF_ERROR;
    }

    sscf->endpoint->noregex = 1;
    sscf->endpoint->client_max_body_size = NGX_HTTP_SOCIAL_BODY_MAX;
    sscf->endpoint->client_body_buffer_size = NGX_HTTP_SOCIAL_BODY_MAX;

    /* this one reads the body itself, to a bound of its own */

    sscf->events = ngx_http_social_add_endpoint(cf,
                                         ngx_http_loyalty_events_handler, 1);

    if (sscf->events == NULL) {
        return NGX_CONF_ERROR;
    }

    sscf->events->client_max_body_size = 0;

    return NGX_CONF_OK;
}


/*
 * The endpoints are locations of their own, "location ^~ /_shop/" and
 * "location = /_shop/events", so that nothing of the shop's locations applies
 * to them.  Names are filled in when "shop_prefix" is known, before nginx
 * sorts locations.  Those settings of the server that would spoil them are
 * set apart: "loyalty", which would ask for customers, and where and how a
 * body is kept.
 */

static ngx_http_core_loc_conf_t *
ngx_http_social_add_endpoint(ngx_conf_t *cf, ngx_http_handler_pt handler,
    ngx_uint_t exact)
{
    void                         *conf;
    ngx_uint_t                    i, index;
    ngx_http_module_t            *module;
    ngx_http_conf_ctx_t          *ctx, *pctx;
    ngx_http_core_loc_conf_t     *clcf, *pclcf;
    ngx_http_social_loc_conf_t   *slcf;
    ngx_http_loyalty_loc_conf_t  *llcf;

    pctx = cf->ctx;

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->main_conf = pctx->main_conf;
    ctx->srv_conf = pctx->srv_conf;

    ctx->loc_conf = ngx_pcalloc(cf->pool,
                                sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NULL;
    }

    for (i = 0; cf->cycle->modules[i]; i++) {

        if (cf->cycle->modules[i]->type != NGX_HTTP_MODULE) {
            continue;
        }

        module = cf->cycle->modules[i]->ctx;
        index = cf->cycle->modules[i]->ctx_index;

        if (module->create_loc_conf) {

            conf = module->create_loc_conf(cf);
            if (conf == NULL) {
                return NULL;
            }

            ctx->loc_conf[index] = conf;
        }
    }

    slcf = ctx->loc_conf[ngx_http_social_module.ctx_index];
    slcf->endpoint = 1;

    llcf = ctx->loc_conf[ngx_http_loyalty_module.ctx_index];
    llcf->enable = 0;

    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];
    clcf->loc_conf = ctx->loc_conf;
    clcf->exact_match = exact;
    clcf->handler = handler;
    clcf->client_body_in_file_only = 0;

    pclcf = pctx->loc_conf[ngx_http_core_module.ctx_index];

    if (ngx_http_add_location(cf, &pclcf->locations, clcf) != NGX_OK) {
        return NULL;
    }

    return clcf;
}


static char *
ngx_http_social_return(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_social_srv_conf_t *sscf = conf;

    u_char      *p, c;
    ngx_str_t   *value, *host;
    ngx_uint_t   i;

    value = cf->args->elts;

    if (sscf->return_hosts == NULL) {
        sscf->return_hosts = ngx_array_create(cf->pool, 4,
                                              sizeof(ngx_str_t));
        if (sscf->return_hosts == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (p = value[i].data; p < value[i].data + value[i].len; p++) {
            c = *p = ngx_tolower(*p);

            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                  || c == '.' || c == '-'))
            {
                break;
            }
        }

        if (value[i].len == 0 || p != value[i].data + value[i].len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid host \"%V\" of \"social_return\", a "
                               "name like \"www.example.com\" is allowed",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        host = ngx_array_push(sscf->return_hosts);
        if (host == NULL) {
            return NGX_CONF_ERROR;
        }

        *host = value[i];
    }

    return NGX_CONF_OK;
}


void *
ngx_http_social_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_social_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_social_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     smcf->trusted_certificate = { 0, NULL };
     *     smcf->ssl = NULL;
     */

    if (ngx_array_init(&smcf->providers, cf->pool, 4,
                       sizeof(ngx_http_social_provider_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return smcf;
}


char *
ngx_http_social_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_social_main_conf_t *smcf = conf;

    ngx_uint_t                    i;
    ngx_http_social_provider_t  **spp;

    if (smcf->trusted_certificate.len
        && ngx_conf_full_name(cf->cycle, &smcf->trusted_certificate, 1)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (smcf->providers.nelts == 0) {
        return NGX_CONF_OK;
    }

    smcf->ssl = ngx_shop_peer_ssl_create(cf, &smcf->trusted_certificate);
    if (smcf->ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    spp = smcf->providers.elts;

    for (i = 0; i < smcf->providers.nelts; i++) {

        if (ngx_http_social_provider_wire(cf, smcf, spp[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void *
ngx_http_social_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_social_srv_conf_t  *sscf;

    sscf = ngx_pcalloc(cf->pool, sizeof(ngx_http_social_srv_conf_t));
    if (sscf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     sscf->return_hosts = NULL;
     *     sscf->stylesheet = { 0, NULL };
     *     sscf->theme = { { 0, NULL }, { 0, NULL } };
     *     sscf->endpoint = NULL;
     *     sscf->events = NULL;
     */

    sscf->login = NGX_CONF_UNSET;

    return sscf;
}


char *
ngx_http_social_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_social_srv_conf_t *prev = parent;
    ngx_http_social_srv_conf_t *conf = child;

    ngx_http_shop_srv_conf_t     *sscf;
    ngx_http_social_main_conf_t  *smcf;

    ngx_conf_merge_value(conf->login, prev->login, 0);
    ngx_conf_merge_str_value(conf->stylesheet, prev->stylesheet, "");

    if (!conf->login) {
        return NGX_CONF_OK;
    }

    if (ngx_http_shop_require(cf, "social_login", 1) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_social_module);

    if (smcf->providers.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"social_login\" is on, but there is no "
                      "\"social_provider\"");
        return NGX_CONF_ERROR;
    }

    sscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_shop_module);

    conf->endpoint->name = sscf->prefix;

    conf->events->name.len = sscf->prefix.len + sizeof("events") - 1;
    conf->events->name.data = ngx_pnalloc(cf->pool, conf->events->name.len);

    if (conf->events->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(conf->events->name.data, "%Vevents", &sscf->prefix);

    return ngx_http_social_theme(cf, conf, sscf->base);
}


/*
 * A page loads it from the shop itself, or from elsewhere by https; "," and
 * ";" would end the source in a policy.
 */

static char *
ngx_http_social_theme(ngx_conf_t *cf, ngx_http_social_srv_conf_t *conf,
    ngx_shop_url_t *base)
{
    u_char          *p, *last;
    ngx_str_t        text;
    const char      *err;
    ngx_shop_url_t   url;

    text = conf->stylesheet;

    if (text.len == 0) {
        return NGX_CONF_OK;
    }

    if (text.data[0] == '/' && (text.len == 1 || text.data[1] != '/')) {

        text.len += base->origin.len;
        text.data = ngx_pnalloc(cf->pool, text.len);

        if (text.data == NULL) {
            return NGX_CONF_ERROR;
        }

        p = ngx_cpymem(text.data, base->origin.data, base->origin.len);
        ngx_memcpy(p, conf->stylesheet.data, conf->stylesheet.len);
    }

    if (ngx_shop_url_parse(cf->pool, &text, &url, &err) != NGX_OK) {
        goto invalid;
    }

    err = "\",\" and \";\" are not allowed";

    last = url.uri.data + url.uri.len;

    for (p = url.uri.data; p < last; p++) {
        if (*p == ',' || *p == ';') {
            goto invalid;
        }
    }

    if (!url.secure
        && (url.origin.len != base->origin.len
            || ngx_strncmp(url.origin.data, base->origin.data,
                           base->origin.len)
               != 0))
    {
        err = "it is neither of this server nor https";
        goto invalid;
    }

    if (ngx_shop_theme_init(cf, &conf->theme, &url) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;

invalid:

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "invalid \"social_stylesheet\" \"%V\": %s, a path or an "
                  "https address is allowed", &conf->stylesheet, err);

    return NGX_CONF_ERROR;
}


void *
ngx_http_social_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_social_loc_conf_t  *slcf;

    slcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_social_loc_conf_t));
    if (slcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     slcf->endpoint = 0;
     */

    slcf->required = NGX_CONF_UNSET;

    return slcf;
}


char *
ngx_http_social_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_social_loc_conf_t *prev = parent;
    ngx_http_social_loc_conf_t *conf = child;

    ngx_http_social_srv_conf_t  *sscf;

    ngx_conf_merge_value(conf->required, prev->required, 0);

    if (!conf->required) {
        return NGX_CONF_OK;
    }

    if (ngx_http_shop_require(cf, "social_login_required", 1) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    sscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_social_module);

    if (!sscf->login) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"social_login_required\" is on, but \"social_login\" "
                      "is off in this server");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
