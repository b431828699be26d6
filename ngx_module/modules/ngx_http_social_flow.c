
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


static ngx_int_t ngx_http_social_flow_steps(ngx_http_social_flow_t *flow);
static void ngx_http_social_flow_done(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_flow_end(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_flow_refused(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_flow_end_session(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_flow_next_session(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_flow_session_ended(
    ngx_http_social_flow_t *flow);
static void ngx_http_social_flow_lose_session(ngx_http_social_flow_t *flow);
static void ngx_http_social_flow_close(ngx_http_social_flow_t *flow);
static void ngx_http_social_flow_forget(ngx_http_social_flow_t *flow);
static void ngx_http_social_flow_zero(ngx_http_social_flow_t *flow);
static void ngx_http_social_flow_cleanup(void *data);
static void ngx_http_social_flow_timeout(ngx_event_t *ev);
static void ngx_http_social_flow_waited(ngx_http_social_waiter_t *waiter);
static void ngx_http_social_flow_asked(ngx_shop_redis_op_t *op);
static void ngx_http_social_flow_fetched(ngx_shop_fetch_t *fetch);


ngx_http_social_flow_t *
ngx_http_social_flow_create(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp)
{
    ngx_http_cleanup_t      *cln;
    ngx_http_social_flow_t  *flow;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_social_flow_t));
    if (cln == NULL) {
        return NULL;
    }

    flow = cln->data;
    ngx_memzero(flow, sizeof(ngx_http_social_flow_t));

    flow->request = r;
    flow->provider = sp;

    flow->timer.handler = ngx_http_social_flow_timeout;
    flow->timer.data = flow;
    flow->timer.log = r->connection->log;

    flow->waiter.handler = ngx_http_social_flow_waited;
    flow->waiter.data = flow;

    cln->handler = ngx_http_social_flow_cleanup;

    return flow;
}


/*
 * What needs no waiting ends here as any content handler does, by its code:
 * nginx still holds the request, which finalizing it could free.
 */

ngx_int_t
ngx_http_social_flow_start(ngx_http_social_flow_t *flow,
    ngx_http_social_step_pt step)
{
    ngx_http_request_t  *r;

    r = flow->request;

    flow->step = step;

    ngx_add_timer(&flow->timer, NGX_HTTP_SOCIAL_TIMEOUT);

    if (ngx_http_social_flow_steps(flow) != NGX_AGAIN) {
        return ngx_http_social_flow_end(flow);
    }

    /* without its events a client that leaves would not be noticed */

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_social_flow_close(flow);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;

    return NGX_DONE;
}


/* NGX_AGAIN: an operation is out; else the answer is decided */

static ngx_int_t
ngx_http_social_flow_steps(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    do {
        rc = flow->step(flow);
    } while (rc == NGX_OK);

    if (rc == NGX_ERROR && flow->reason == NULL) {
        flow->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        flow->reason = "internal_error";
    }

    return rc;
}


/* an operation has ended */

void
ngx_http_social_flow_run(ngx_http_social_flow_t *flow)
{
    if (ngx_http_social_flow_steps(flow) != NGX_AGAIN) {
        ngx_http_social_flow_done(flow);
    }
}


static void
ngx_http_social_flow_done(ngx_http_social_flow_t *flow)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = flow->request;
    c = r->connection;

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, ngx_http_social_flow_end(flow));
    ngx_http_run_posted_requests(c);
}


/* the one door out; the code is for ngx_http_finalize_request() */

static ngx_int_t
ngx_http_social_flow_end(ngx_http_social_flow_t *flow)
{
    ngx_http_social_flow_close(flow);

    if (flow->reason != NULL) {

        if (flow->written) {
            ngx_http_social_flow_lose_session(flow);
        }

        return flow->refused ? flow->refused(flow)
                             : ngx_http_social_flow_refused(flow);
    }

    return flow->rc;
}


/* nobody is given its cookie; what fails here, too, or is overtaken by this as
 * it is still on its way to Redis, idles out */

static void
ngx_http_social_flow_lose_session(ngx_http_social_flow_t *flow)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_shop_redis_create(smcf->redis, NGX_SHOP_SESSION_END_COMMANDS,
                               ngx_cycle->log);
    if (op == NULL) {
        return;
    }

    if (ngx_shop_session_end(smcf->redis, op, &flow->session) != NGX_OK
        || ngx_http_shop_signs_out(flow->request, op, &flow->session)
           != NGX_OK)
    {
        ngx_shop_redis_free(op);
        return;
    }

    (void) ngx_shop_redis_submit(op);
}


/* an attempt that was spent is of no more use to the browser */

static ngx_int_t
ngx_http_social_flow_refused(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  empty;
    ngx_http_request_t        *r;
    ngx_http_shop_srv_conf_t  *sscf;

    r = flow->request;

    if (flow->spent) {
        sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);
        ngx_str_null(&empty);

        if (ngx_shop_cookie_set(r, &flow->attempt_cookie, &empty, 0,
                                &sscf->attempt_attributes)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_social_problem(r, flow->status, flow->reason);
}


/* ends whatever is outstanding; idempotent */

static void
ngx_http_social_flow_close(ngx_http_social_flow_t *flow)
{
    if (flow->done) {
        return;
    }

    flow->done = 1;

    if (flow->timer.timer_set) {
        ngx_del_timer(&flow->timer);
    }

    ngx_http_social_cancel(&flow->waiter);
    ngx_http_social_flow_forget(flow);
    ngx_http_social_flow_zero(flow);

    if (flow->metadata != NULL) {
        ngx_http_social_release(flow->metadata);
        flow->metadata = NULL;
    }

    if (flow->keys != NULL) {
        ngx_http_social_release(flow->keys);
        flow->keys = NULL;
    }
}


/* the last operation, whether it is out or was answered */

static void
ngx_http_social_flow_forget(ngx_http_social_flow_t *flow)
{
    if (flow->fetch != NULL) {
        ngx_shop_fetch_free(flow->fetch);
        flow->fetch = NULL;
    }

    if (flow->op != NULL) {
        ngx_shop_redis_free(flow->op);
        flow->op = NULL;
    }

    if (flow->book != NULL) {
        ngx_http_loyalty_book_cancel(flow->book);
    }
}


/* the request may live on for long: it lingers, or is a stream of many */

static void
ngx_http_social_flow_zero(ngx_http_social_flow_t *flow)
{
    ngx_uint_t   i;
    ngx_str_t   *secret[5];

    secret[0] = &flow->resp.code;
    secret[1] = &flow->token.access_token;
    secret[2] = &flow->token.id_token;
    secret[3] = &flow->attempt.verifier;
    secret[4] = &flow->attempt.nonce;

    for (i = 0; i < 5; i++) {
        if (secret[i]->len) {
            ngx_shop_zero(secret[i]->data, secret[i]->len);
            ngx_str_null(secret[i]);
        }
    }
}


static void
ngx_http_social_flow_cleanup(void *data)
{
    ngx_http_social_flow_t *flow = data;

    ngx_http_social_flow_close(flow);
}


static void
ngx_http_social_flow_timeout(ngx_event_t *ev)
{
    ngx_http_social_flow_t *flow = ev->data;

    /* what was answered stays a field until the next one is started */

    if (flow->fetch != NULL || flow->waiter.document != NULL) {
        (void) ngx_http_social_flow_refuse(flow, NGX_HTTP_GATEWAY_TIME_OUT,
                                           "provider_timeout");

    } else {
        (void) ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                           "redis_timeout");
    }

    ngx_http_social_flow_done(flow);
}


/* what failed here is no fault of who asked, nor of the provider */

ngx_int_t
ngx_http_social_flow_refuse(ngx_http_social_flow_t *flow, ngx_uint_t status,
    const char *reason)
{
    flow->status = (ngx_strcmp(reason, "internal_error") == 0)
                   ? NGX_HTTP_INTERNAL_SERVER_ERROR : status;
    flow->reason = reason;

    return NGX_ERROR;
}


ngx_int_t
ngx_http_social_flow_answer(ngx_http_social_flow_t *flow, ngx_int_t rc)
{
    flow->rc = rc;

    return NGX_DONE;
}


static void
ngx_http_social_flow_waited(ngx_http_social_waiter_t *waiter)
{
    ngx_http_social_flow_t *flow = waiter->data;

    if (waiter->rc != NGX_OK) {
        (void) ngx_http_social_flow_refuse(flow, waiter->status,
                                           waiter->reason);
        ngx_http_social_flow_done(flow);
        return;
    }

    ngx_http_social_flow_run(flow);
}


ngx_int_t
ngx_http_social_flow_metadata(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_metadata(flow->provider, &flow->waiter,
                                  &flow->metadata);

    if (rc == NGX_ERROR) {
        return ngx_http_social_flow_refuse(flow, flow->waiter.status,
                                           flow->waiter.reason);
    }

    return rc;
}


ngx_shop_redis_op_t *
ngx_http_social_flow_op(ngx_http_social_flow_t *flow, ngx_uint_t ncommands)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_request_t         *r;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;

    ngx_http_social_flow_forget(flow);

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    op = ngx_shop_redis_create(smcf->redis, ncommands, r->connection->log);
    if (op == NULL) {
        return NULL;
    }

    op->handler = ngx_http_social_flow_asked;
    op->data = flow;

    flow->op = op;

    return op;
}


ngx_int_t
ngx_http_social_flow_ask(ngx_http_social_flow_t *flow,
    ngx_shop_redis_op_t *op, ngx_http_social_step_pt step)
{
    ngx_int_t  rc;

    flow->step = step;

    rc = ngx_shop_redis_submit(op);

    if (rc != NGX_AGAIN) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                           op->reason);
    }

    return NGX_AGAIN;
}


static void
ngx_http_social_flow_asked(ngx_shop_redis_op_t *op)
{
    ngx_http_social_flow_run(op->data);
}


ngx_int_t
ngx_http_social_flow_replies(ngx_http_social_flow_t *flow)
{
    ngx_str_t                 code;
    ngx_uint_t                i;
    ngx_shop_redis_op_t      *op;
    ngx_shop_redis_reply_t  **reply;

    op = flow->op;

    if (op->rc != NGX_OK) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                           op->reason);
    }

    reply = op->replies;

    for (i = 0; i < op->ncommands; i++) {

        if (reply[i]->type == NGX_SHOP_REDIS_FAULT) {

            ngx_shop_redis_fault_code(reply[i], &code);

            ngx_log_error(NGX_LOG_ERR, flow->request->connection->log, 0,
                          "redis refused a command: \"%V\"", &code);

            return ngx_http_social_flow_refuse(flow,
                                               NGX_HTTP_SERVICE_UNAVAILABLE,
                                               "redis_refused");
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_social_flow_unexpected(ngx_http_social_flow_t *flow,
    const char *what)
{
    ngx_log_error(NGX_LOG_ERR, flow->request->connection->log, 0,
                  "unexpected reply from redis for %s", what);

    return ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       "redis_refused");
}


/*
 * Of several cookies of the session's name none is taken for a customer, but
 * each that is ours ends: a copy of it would be good still.
 */

ngx_int_t
ngx_http_social_flow_sign_out(ngx_http_social_flow_t *flow,
    ngx_http_social_step_pt step)
{
    flow->signed_out = step;
    flow->step = ngx_http_social_flow_end_session;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_flow_end_session(ngx_http_social_flow_t *flow)
{
    ngx_int_t                   rc;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;

    rc = ngx_http_social_flow_next_session(flow);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        flow->step = flow->signed_out;
        return NGX_OK;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_SESSION_END_COMMANDS);

    if (op == NULL
        || ngx_shop_session_end(smcf->redis, op, &flow->ends) != NGX_OK
        || ngx_http_shop_signs_out(r, op, &flow->ends) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op,
                                    ngx_http_social_flow_session_ended);
}


/* NGX_DECLINED: there is no other one */

static ngx_int_t
ngx_http_social_flow_next_session(ngx_http_social_flow_t *flow)
{
    ngx_int_t                   rc;
    ngx_shop_cookie_t          *cookie;
    ngx_http_request_t         *r;
    ngx_http_shop_ctx_t        *ctx;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;

    ctx = ngx_http_shop_get_ctx(r);
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    while (flow->ncookies < ctx->cookies.nelts) {

        cookie = (ngx_shop_cookie_t *) ctx->cookies.elts + flow->ncookies++;

        if (!cookie->session) {
            continue;
        }

        rc = ngx_shop_session_open(r->pool, smcf->session_sealer,
                                   smcf->session_memo, &sscf->host,
                                   &cookie->value, ngx_time(), &sscf->limits,
                                   &flow->ends, r->connection->log);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_social_flow_session_ended(ngx_http_social_flow_t *flow)
{
    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_session_done(flow->op->replies[0]) != NGX_OK) {
        return ngx_http_social_flow_unexpected(flow, "the end of a session");
    }

    flow->step = ngx_http_social_flow_end_session;

    return NGX_OK;
}


ngx_int_t
ngx_http_social_flow_release(ngx_http_social_flow_t *flow, ngx_str_t *email,
    ngx_http_social_step_pt handler)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_RELEASE_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_release_email(smcf->redis, op, &flow->customer,
                                           email)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, handler);
}


void
ngx_http_social_flow_unattended(ngx_http_social_flow_t *flow)
{
    flow->request->read_event_handler = ngx_http_block_reading;
}


void
ngx_http_social_flow_attended(ngx_http_social_flow_t *flow)
{
    ngx_http_request_t  *r;

    r = flow->request;

    r->read_event_handler = ngx_http_test_reading;

    /* its event may have come already */

    ngx_post_event(r->connection->read, &ngx_posted_events);
}


ngx_shop_fetch_t *
ngx_http_social_flow_fetch(ngx_http_social_flow_t *flow, ngx_shop_url_t *url,
    size_t max_body)
{
    ngx_msec_int_t     rest;
    ngx_shop_fetch_t  *fetch;

    ngx_http_social_flow_forget(flow);

    fetch = ngx_shop_fetch_create(&flow->provider->net,
                                  flow->request->connection->log);
    if (fetch == NULL) {
        return NULL;
    }

    /* the flow's own timer is to find nothing more to do */

    rest = (ngx_msec_int_t) (flow->timer.timer.key - ngx_current_msec);

    fetch->url = *url;
    fetch->max_body = max_body;
    fetch->timeout = ngx_max(rest, 1);
    fetch->handler = ngx_http_social_flow_fetched;
    fetch->data = flow;

    flow->fetch = fetch;

    return fetch;
}


ngx_int_t
ngx_http_social_flow_send(ngx_http_social_flow_t *flow,
    ngx_shop_fetch_t *fetch)
{
    if (ngx_shop_fetch_start(fetch) != NGX_AGAIN) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_GATEWAY,
                                           "provider_unavailable");
    }

    return NGX_AGAIN;
}


static void
ngx_http_social_flow_fetched(ngx_shop_fetch_t *fetch)
{
    ngx_http_social_flow_run(fetch->data);
}


ngx_int_t
ngx_http_social_flow_response(ngx_http_social_flow_t *flow)
{
    ngx_uint_t   status;
    const char  *reason;

    if (flow->fetch->rc == NGX_OK) {
        return NGX_OK;
    }

    ngx_http_social_fetch_failed(flow->fetch->reason, &reason, &status);

    return ngx_http_social_flow_refuse(flow, status, reason);
}
