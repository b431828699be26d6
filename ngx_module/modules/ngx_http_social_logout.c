
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * A sign-out ends the session here.  Where a shop wants it, a customer who
 * did so by a form goes on to the provider, to sign out there as well (OpenID
 * Connect RP-Initiated Logout 1.0), and comes back to "/".  The steps:
 *
 *     end        of the session, in Redis
 *     ended      whether there is anything else to do
 *     there      where the provider has customers sign out; answer
 *
 * The provider comes after the session is over, and never instead: when it is
 * not known soon where it has customers sign out, they are signed out here
 * alone.
 *
 * A sign-out that could not be carried out is said to have failed, and the
 * cookie stays: a copy of it would still be good.
 */


#define NGX_HTTP_SOCIAL_LOGOUT_WAIT  2000   /* ms, for the metadata */


static ngx_int_t ngx_http_social_logout_end(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_logout_ended(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_logout_there(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_logout_here(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_logged_out(ngx_http_request_t *r,
    ngx_str_t *url);


ngx_int_t
ngx_http_social_logout(ngx_http_request_t *r, ngx_http_social_provider_t *sp)
{
    ngx_http_shop_ctx_t       *ctx;
    ngx_http_social_flow_t    *flow;
    ngx_http_shop_srv_conf_t  *sscf;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (ngx_shop_same_origin(r, &sscf->base->origin) != NGX_OK) {
        return ngx_http_social_problem(r, NGX_HTTP_FORBIDDEN,
                                       "origin_refused");
    }

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx == NULL) {
        return ngx_http_social_logged_out(r, NULL);
    }

    flow = ngx_http_social_flow_create(r, NULL);
    if (flow == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_social_flow_start(flow, ngx_http_social_logout_end);
}


static ngx_int_t
ngx_http_social_logout_end(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_flow_sign_out(flow, ngx_http_social_logout_ended);
}


static ngx_int_t
ngx_http_social_logout_ended(ngx_http_social_flow_t *flow)
{
    ngx_http_request_t          *r;
    ngx_http_shop_ctx_t         *ctx;
    ngx_http_social_provider_t  *sp;

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);

    /* the block may be gone, and so may the session have been before */

    sp = (ctx->rc == NGX_OK && ngx_shop_wants_page(r))
         ? ngx_http_social_find_provider(r, &ctx->session.provider) : NULL;

    if (sp == NULL || (!sp->conf.logout_on && sp->logout.host.len == 0)) {
        return ngx_http_social_flow_answer(flow,
                                         ngx_http_social_logged_out(r, NULL));
    }

    flow->provider = sp;
    flow->refused = ngx_http_social_logout_here;
    flow->step = ngx_http_social_logout_there;

    ngx_add_timer(&flow->timer, NGX_HTTP_SOCIAL_LOGOUT_WAIT);

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_logout_there(ngx_http_social_flow_t *flow)
{
    ngx_int_t                    rc;
    ngx_str_t                    root, back, url;
    ngx_shop_url_t              *endpoint;
    ngx_http_request_t          *r;
    ngx_http_social_provider_t  *sp;

    r = flow->request;
    sp = flow->provider;

    endpoint = &sp->logout;

    if (endpoint->host.len == 0) {

        rc = ngx_http_social_logout_metadata(sp, &flow->waiter,
                                             &flow->metadata);

        if (rc == NGX_ERROR) {
            return ngx_http_social_flow_refuse(flow, flow->waiter.status,
                                               flow->waiter.reason);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        endpoint = &flow->metadata->metadata.logout;
    }

    if (endpoint->host.len == 0) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           "endpoint_missing");
    }

    ngx_str_set(&root, "/");

    if (ngx_http_social_return_url(r, &root, &back) != NGX_OK
        || ngx_shop_authreq_logout_url(r->pool, &sp->conf, endpoint, &back,
                                       &url)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_answer(flow,
                                       ngx_http_social_logged_out(r, &url));
}


/* the provider fails, and not the sign-out */

static ngx_int_t
ngx_http_social_logout_here(ngx_http_social_flow_t *flow)
{
    ngx_log_error(NGX_LOG_ERR, flow->request->connection->log, 0,
                  "customers cannot sign out at provider \"%V\": %s",
                  &flow->provider->conf.name, flow->reason);

    return ngx_http_social_logged_out(flow->request, NULL);
}


static ngx_int_t
ngx_http_social_logged_out(ngx_http_request_t *r, ngx_str_t *url)
{
    ngx_str_t                  empty, root, home;
    ngx_http_shop_srv_conf_t  *sscf;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    ngx_str_null(&empty);
    ngx_str_set(&root, "/");

    if (ngx_shop_cookie_set(r, &sscf->cookie, &empty, 0,
                            &sscf->cookie_attributes)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_social_result(r, "logged_out");

    if (!ngx_shop_wants_page(r)) {
        return ngx_shop_respond(r, NGX_HTTP_NO_CONTENT, NULL, &empty);
    }

    if (url == NULL) {

        if (ngx_http_social_return_url(r, &root, &home) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        url = &home;
    }

    return ngx_shop_respond_see_other(r, url);
}
