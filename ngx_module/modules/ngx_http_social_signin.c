
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"
#include "modules/ngx_http_loyalty_module.h"


/* an identity becomes a customer with a session: see
 * ngx_http_social_callback.c */


#define NGX_HTTP_SOCIAL_SIGNIN_FORMER  4


static ngx_int_t ngx_http_social_signin_same_issuer(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_claimed(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_profile(ngx_http_social_flow_t *flow,
    ngx_shop_redis_op_t *op, ngx_str_t *released);
static ngx_int_t ngx_http_social_signin_allow(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_allowed(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_created(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_customer(ngx_http_social_flow_t *flow,
    ngx_str_t *former);
static ngx_int_t ngx_http_social_signin_revoked(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_former(ngx_http_social_flow_t *flow,
    ngx_str_t *former);
static ngx_int_t ngx_http_social_signin_release(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_released(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_replaced(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_signin_done(ngx_http_social_flow_t *flow);


ngx_int_t
ngx_http_social_signin(ngx_http_social_flow_t *flow)
{
    if (flow->provider->issuer_known) {
        flow->step = ngx_http_social_signin_claim;
        return NGX_OK;
    }

    return ngx_http_social_issuer(flow, 1,
                                  ngx_http_social_signin_same_issuer);
}


static ngx_int_t
ngx_http_social_signin_same_issuer(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_issuer_same(flow);

    if (rc == NGX_DECLINED) {
        return ngx_http_social_flow_unexpected(flow, "an issuer");
    }

    flow->step = ngx_http_social_signin_claim;

    return rc;
}


/*
 * Identities are kept under the provider's name, so behind one name there
 * must always be the same issuer: its subjects would change hands.
 */

ngx_int_t
ngx_http_social_issuer(ngx_http_social_flow_t *flow, ngx_uint_t first,
    ngx_http_social_step_pt step)
{
    ngx_str_t                   argv[4];
    ngx_shop_redis_op_t        *op;
    ngx_shop_provider_t        *provider;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);
    provider = &flow->provider->conf;

    op = ngx_http_social_flow_op(flow, first ? 2 : 1);
    if (op == NULL) {
        return NGX_ERROR;
    }

    if (ngx_shop_redis_plain_key(smcf->redis, op->pool, "meta", &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    argv[2].len = sizeof("provider:") - 1 + provider->name.len;
    argv[2].data = ngx_pnalloc(op->pool, argv[2].len);

    if (argv[2].data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(argv[2].data, "provider:%V", &provider->name);

    if (first) {
        ngx_str_set(&argv[0], "HSETNX");
        argv[3] = provider->issuer;

        if (ngx_shop_redis_add(op, 4, argv) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_str_set(&argv[0], "HGET");

    if (ngx_shop_redis_add(op, 3, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, step);
}


ngx_int_t
ngx_http_social_issuer_same(ngx_http_social_flow_t *flow)
{
    ngx_str_t               *issuer;
    ngx_shop_redis_reply_t  *reply;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    issuer = &flow->provider->conf.issuer;
    reply = flow->op->replies[flow->op->ncommands - 1];

    if (reply->type == NGX_SHOP_REDIS_NIL) {
        return NGX_DECLINED;
    }

    if (reply->type != NGX_SHOP_REDIS_STRING
        || reply->str.len != issuer->len
        || ngx_strncmp(reply->str.data, issuer->data, issuer->len) != 0)
    {
        ngx_log_error(NGX_LOG_ERR, flow->request->connection->log, 0,
                      "provider \"%V\" had another issuer than \"%V\" when "
                      "its customers were made; give the new one another name",
                      &flow->provider->conf.name, issuer);

        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           "issuer_changed");
    }

    flow->provider->issuer_known = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_social_signin_claim(ngx_http_social_flow_t *flow)
{
    ngx_str_t                   known;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_CLAIM_COMMANDS + 1);

    if (op == NULL
        || ngx_shop_customer_identity_key(smcf->redis, r->pool,
                                          &flow->provider->conf.name,
                                          &flow->identity.subject, &known)
           != NGX_OK
        || ngx_shop_customer_new_id(r->pool, &flow->customer,
                                    r->connection->log)
           != NGX_OK
        || ngx_shop_customer_claim(smcf->redis, op,
                                   &flow->provider->conf.name,
                                   &flow->identity.subject, &flow->customer)
           != NGX_OK
        || ngx_shop_kept_read(smcf->redis, op, &known) != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->identity_known = known;

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_signin_claimed);
}


static ngx_int_t
ngx_http_social_signin_claimed(ngx_http_social_flow_t *flow)
{
    ngx_http_request_t  *r;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    r = flow->request;

    if (ngx_shop_customer_claimed(r->pool, flow->op->replies, &flow->customer)
        != NGX_OK)
    {
        return ngx_http_social_flow_unexpected(flow, "an identity");
    }

    flow->step = ngx_http_social_kept_email;

    return ngx_http_social_kept_take(flow, &flow->identity_known,
                          flow->op->replies[NGX_SHOP_CUSTOMER_CLAIM_COMMANDS]);
}


ngx_int_t
ngx_http_social_signin_create(ngx_http_social_flow_t *flow)
{
    time_t                      now;
    ngx_str_t                   agent, none;
    ngx_shop_event_t            event;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    if (flow->issued && !flow->allowed) {
        flow->step = ngx_http_social_signin_allow;
        return NGX_OK;
    }

    r = flow->request;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    now = ngx_time();

    if (ngx_shop_session_create(r->pool, smcf->session_sealer, &sscf->host,
                                &flow->customer, &flow->provider->conf.name,
                                flow->identity.auth_time, now, &sscf->limits,
                                &flow->session, &flow->session_cookie,
                                r->connection->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_null(&agent);
    ngx_str_null(&none);

    if (r->headers_in.user_agent) {
        agent = r->headers_in.user_agent->value;
    }

    ngx_memzero(&event, sizeof(ngx_shop_event_t));

    ngx_str_set(&event.kind, "login");
    event.id = flow->attempt_id;
    event.time = now;

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_CREATE_COMMANDS
                                       + NGX_SHOP_LEDGER_COMMANDS
                                       + NGX_SHOP_SESSION_WRITE_COMMANDS);

    if (op == NULL
        || ngx_http_social_signin_profile(flow, op, &none) != NGX_OK
        || ngx_shop_ledger_book(smcf->redis, op, ngx_http_loyalty_program(r),
                                &flow->customer, &event, now)
           != NGX_OK
        || ngx_shop_session_write(smcf->redis, op, &flow->session, &agent,
                                  flow->issued, now)
           != NGX_OK
        || ngx_http_shop_signs_in(r, op, &flow->session, &flow->customer)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->written = 1;

    ngx_http_social_flow_unattended(flow);

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_signin_created);
}


static ngx_int_t
ngx_http_social_signin_profile(ngx_http_social_flow_t *flow,
    ngx_shop_redis_op_t *op, ngx_str_t *released)
{
    ngx_shop_profile_t          profile;
    ngx_shop_identity_t        *identity;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);
    identity = &flow->identity;

    ngx_memzero(&profile, sizeof(ngx_shop_profile_t));

    profile.provider = flow->provider->conf.name;
    profile.subject = identity->subject;
    profile.email = identity->email;
    profile.name = identity->name;
    profile.given_name = identity->given_name;
    profile.family_name = identity->family_name;
    profile.locale = identity->locale;
    profile.picture = identity->picture;
    profile.phone = identity->phone;
    profile.issued = flow->issued;
    profile.email_verified = identity->email_verified;
    profile.email_unknown = identity->email_unknown;

    return ngx_shop_customer_create(smcf->redis, op, &flow->customer,
                                    &profile, released, ngx_time());
}


/*
 * A token that an app has kept from before its provider has ended all sessions
 * of the customer is good no more.  That is known where the customer is, so it
 * is told apart before anything else is written by it.
 */

static ngx_int_t
ngx_http_social_signin_allow(ngx_http_social_flow_t *flow)
{
    ngx_str_t             none;
    ngx_shop_redis_op_t  *op;

    ngx_str_null(&none);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_CREATE_COMMANDS);

    if (op == NULL
        || ngx_http_social_signin_profile(flow, op, &none) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_social_flow_unattended(flow);

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_signin_allowed);
}


static ngx_int_t
ngx_http_social_signin_allowed(ngx_http_social_flow_t *flow)
{
    ngx_str_t  former;

    if (ngx_http_social_signin_customer(flow, &former) != NGX_OK) {
        return NGX_ERROR;
    }

    flow->allowed = 1;
    flow->step = ngx_http_social_signin_create;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_signin_created(ngx_http_social_flow_t *flow)
{
    ngx_int_t                 rc;
    ngx_str_t                 former;
    ngx_shop_redis_reply_t  **reply;

    if (ngx_http_social_signin_customer(flow, &former) != NGX_OK) {
        return NGX_ERROR;
    }

    reply = flow->op->replies;

    rc = ngx_shop_session_written(reply[2]);

    if (rc == NGX_ERROR || ngx_shop_ledger_booked(reply[1]) != NGX_OK) {
        return ngx_http_social_flow_unexpected(flow, "a login");
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_social_signin_revoked(flow);
    }

    return ngx_http_social_signin_former(flow, &former);
}


/* one login may write it more than once, but only the first makes it */

static ngx_int_t
ngx_http_social_signin_customer(ngx_http_social_flow_t *flow,
    ngx_str_t *former)
{
    ngx_int_t   rc;
    ngx_uint_t  created;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_shop_customer_created(flow->op->replies[0], &created, former);

    if (rc == NGX_DECLINED) {
        return ngx_http_social_signin_revoked(flow);
    }

    if (rc != NGX_OK) {
        return ngx_http_social_flow_unexpected(flow, "a login");
    }

    if (created) {
        flow->created = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_signin_revoked(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                       "token_revoked");
}


/*
 * Another login of the same identity may have given it one more address in
 * the meantime, which is released as well; what is left by the last time is
 * released by the next login.
 */

static ngx_int_t
ngx_http_social_signin_former(ngx_http_social_flow_t *flow,
    ngx_str_t *former)
{
    if (former->len && flow->nformer < NGX_HTTP_SOCIAL_SIGNIN_FORMER) {

        flow->nformer++;

        flow->former.len = former->len;
        flow->former.data = ngx_pstrdup(flow->request->pool, former);

        if (flow->former.data == NULL) {
            return NGX_ERROR;
        }

        flow->step = ngx_http_social_signin_release;

        return NGX_OK;
    }

    flow->step = ngx_http_social_undo_check;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_signin_release(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_flow_release(flow, &flow->former,
                                        ngx_http_social_signin_released);
}


static ngx_int_t
ngx_http_social_signin_released(ngx_http_social_flow_t *flow)
{
    ngx_shop_redis_op_t  *op;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (flow->op->replies[0]->type != NGX_SHOP_REDIS_INTEGER) {
        return ngx_http_social_flow_unexpected(flow, "what is nobody's");
    }

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_CREATE_COMMANDS);

    if (op == NULL
        || ngx_http_social_signin_profile(flow, op, &flow->former) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op,
                                    ngx_http_social_signin_replaced);
}


static ngx_int_t
ngx_http_social_signin_replaced(ngx_http_social_flow_t *flow)
{
    ngx_str_t  former;

    if (ngx_http_social_signin_customer(flow, &former) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_social_signin_former(flow, &former);
}


/*
 * Not before the new one is there: a login that fails must not sign out.
 * That the older one ends is no less needed.
 */

ngx_int_t
ngx_http_social_signin_end(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_flow_sign_out(flow, ngx_http_social_signin_done);
}


static ngx_int_t
ngx_http_social_signin_done(ngx_http_social_flow_t *flow)
{
    ngx_http_request_t         *r;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    ngx_shop_activity_seen(smcf->activity, &flow->session, &sscf->limits, 0);

    if (ngx_shop_cookie_set(r, &sscf->cookie, &flow->session_cookie,
                            sscf->limits.lifetime, &sscf->cookie_attributes)
        != NGX_OK
        || ngx_shop_cookie_set(r, &sscf->last_used,
                               &flow->provider->conf.name,
                               sscf->limits.lifetime,
                               &sscf->attempt_attributes)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_social_result(r, flow->created ? "created" : "ok");

    return flow->json ? ngx_http_social_native_answer(flow)
                      : ngx_http_social_finish(flow, &flow->attempt.path);
}


ngx_int_t
ngx_http_social_finish(ngx_http_social_flow_t *flow,
    ngx_str_t *path)
{
    ngx_str_t                    url, empty;
    ngx_http_request_t          *r;
    ngx_http_shop_srv_conf_t    *sscf;
    ngx_http_social_srv_conf_t  *social;

    r = flow->request;
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    ngx_str_null(&empty);

    if (ngx_http_social_return_url(r, path, &url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (flow->attempt_cookie.len
        && ngx_shop_cookie_set(r, &flow->attempt_cookie, &empty, 0,
                               &sscf->attempt_attributes)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /*
     * The browser is still on the way from the provider, a cross-site
     * navigation, and would not send a "Strict" cookie after a redirect.
     */

    if (sscf->same_site == NGX_HTTP_SHOP_SAME_SITE_STRICT) {

        social = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

        return ngx_http_social_flow_answer(flow,
                               ngx_shop_respond_bounce(r, &social->theme,
                                                       &url));
    }

    return ngx_http_social_flow_answer(flow,
                                       ngx_shop_respond_see_other(r, &url));
}
