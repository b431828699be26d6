
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * A login starts: everything it needs to come back goes into one sealed
 * cookie, for this attempt alone, so that logins in several tabs do not
 * meet.  The server keeps nothing.
 *
 *     metadata   where the provider wants the browser
 *     redirect   the cookie, and 303
 */


#define NGX_HTTP_SOCIAL_PATH_MAX  700       /* five cookies fit a header */


static ngx_int_t ngx_http_social_login_metadata(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_login_redirect(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_login_cookie(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_login_trim(ngx_http_request_t *r);
static time_t ngx_http_social_login_created(ngx_http_request_t *r,
    ngx_str_t *sealed);
static ngx_int_t ngx_http_social_login_drop(ngx_http_request_t *r,
    ngx_str_t *name);


ngx_int_t
ngx_http_social_login(ngx_http_request_t *r, ngx_http_social_provider_t *sp)
{
    ngx_str_t                link;
    ngx_http_social_flow_t  *flow;

    if (sp->conf.flow == NGX_SHOP_FLOW_NATIVE) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND,
                                       "login_unsupported");
    }

    /* only the customer starts a login: a link from elsewhere shows where */

    if (ngx_shop_is_cross_site(r)) {
        return ngx_http_social_chooser(r, sp);
    }

    if (ngx_shop_query_get(r->pool, &r->args, "link", &link)
        != NGX_DECLINED)
    {
        return ngx_http_social_problem(r, NGX_HTTP_BAD_REQUEST,
                                       "link_unavailable");
    }

    flow = ngx_http_social_flow_create(r, sp);
    if (flow == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_social_flow_start(flow, ngx_http_social_login_metadata);
}


static ngx_int_t
ngx_http_social_login_metadata(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_flow_metadata(flow);

    if (rc == NGX_OK) {
        flow->step = ngx_http_social_login_redirect;
    }

    return rc;
}


static ngx_int_t
ngx_http_social_login_redirect(ngx_http_social_flow_t *flow)
{
    ngx_str_t            path, url;
    ngx_http_request_t  *r;

    r = flow->request;

    if (ngx_http_social_return_arg(r, &r->args, &path) != NGX_OK) {
        return NGX_ERROR;
    }

    if (path.len > NGX_HTTP_SOCIAL_PATH_MAX) {
        ngx_str_set(&path, "/");
    }

    if (ngx_http_social_redirect_uri(r, flow->provider, &flow->redirect_uri)
        != NGX_OK
        || ngx_shop_attempt_create(r->pool, &flow->provider->conf,
                                   &flow->redirect_uri, &path, 0, ngx_time(),
                                   &flow->attempt, r->connection->log)
           != NGX_OK
        || ngx_shop_authreq_url(r->pool, &flow->provider->conf,
                                &flow->metadata->metadata, &flow->attempt,
                                &flow->redirect_uri, &url, r->connection->log)
           != NGX_OK
        || ngx_http_social_login_trim(r) != NGX_OK
        || ngx_http_social_login_cookie(flow) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_social_result(r, "started");

    return ngx_http_social_flow_answer(flow,
                                    ngx_shop_respond_see_other(r, &url));
}


static ngx_int_t
ngx_http_social_login_cookie(ngx_http_social_flow_t *flow)
{
    u_char                     *p;
    ngx_int_t                   rc;
    ngx_str_t                   name, packed, sealed;
    ngx_http_request_t         *r;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    /* the tag is the beginning of the state */

    name.len = sscf->attempt.len + NGX_SHOP_COOKIE_TAG;
    name.data = ngx_pnalloc(r->pool, name.len);

    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name.data, sscf->attempt.data, sscf->attempt.len);
    ngx_memcpy(p, flow->attempt.state.data, NGX_SHOP_COOKIE_TAG);

    if (ngx_shop_attempt_pack(r->pool, &flow->attempt, &packed) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_shop_seal(smcf->attempt_sealer, r->pool, &sscf->base->host,
                       &packed, &sealed, r->connection->log);

    ngx_shop_zero(packed.data, packed.len);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_cookie_set(r, &name, &sealed,
                               NGX_HTTP_SOCIAL_ATTEMPT_TIME,
                               &sscf->attempt_attributes);
}


/*
 * The new attempt is one of at most five: the oldest go, and so does what
 * cannot be opened.
 */

static ngx_int_t
ngx_http_social_login_trim(ngx_http_request_t *r)
{
    time_t                     created[NGX_SHOP_COOKIES_MAX], oldest;
    ngx_uint_t                 i, n, first;
    ngx_shop_cookie_t         *cookie;
    ngx_http_shop_ctx_t       *ctx;
    ngx_http_shop_srv_conf_t  *sscf;

    ctx = ngx_http_shop_get_ctx(r);

    if (ctx == NULL) {
        return NGX_OK;
    }

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    n = 0;
    cookie = ctx->cookies.elts;

    for (i = 0; i < ctx->cookies.nelts; i++) {

        created[i] = 0;

        if (cookie[i].session
            || ngx_shop_equal(&cookie[i].name, &sscf->last_used))
        {
            continue;
        }

        created[i] = ngx_http_social_login_created(r, &cookie[i].value);

        if (created[i]) {
            n++;
            continue;
        }

        if (ngx_http_social_login_drop(r, &cookie[i].name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for ( /* void */ ; n >= NGX_HTTP_SOCIAL_ATTEMPTS_MAX; n--) {

        first = 0;
        oldest = 0;

        for (i = 0; i < ctx->cookies.nelts; i++) {
            if (created[i] && (oldest == 0 || created[i] < oldest)) {
                oldest = created[i];
                first = i;
            }
        }

        created[first] = 0;

        if (ngx_http_social_login_drop(r, &cookie[first].name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* when an attempt began; 0: it is none, or is over */

static time_t
ngx_http_social_login_created(ngx_http_request_t *r, ngx_str_t *sealed)
{
    ngx_int_t                   rc;
    ngx_str_t                   packed;
    ngx_shop_attempt_t          attempt;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (ngx_shop_open(smcf->attempt_sealer, r->pool, &sscf->base->host,
                      sealed, &packed, r->connection->log)
        != NGX_OK)
    {
        return 0;
    }

    rc = ngx_shop_attempt_unpack(r->pool, &packed, &attempt);

    ngx_shop_zero(packed.data, packed.len);

    if (rc != NGX_OK) {
        return 0;
    }

    ngx_shop_zero(attempt.verifier.data, attempt.verifier.len);
    ngx_shop_zero(attempt.nonce.data, attempt.nonce.len);

    if (ngx_time() - attempt.created >= NGX_HTTP_SOCIAL_ATTEMPT_TIME) {
        return 0;
    }

    return attempt.created;
}


static ngx_int_t
ngx_http_social_login_drop(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_str_t                  empty;
    ngx_http_shop_srv_conf_t  *sscf;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    ngx_str_null(&empty);

    return ngx_shop_cookie_set(r, name, &empty, 0, &sscf->attempt_attributes);
}
