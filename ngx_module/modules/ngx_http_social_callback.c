
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * A login comes back.  The steps, in order, and the files they are in:
 *
 *     callback
 *         state      find the attempt's cookie, compare all it is bound to
 *         replay     where there is none: a login that was completed before
 *                    is told so
 *         spend      use the state up, once for all servers
 *         answer     what the provider says in the URL: "iss", "error"
 *         signed     or, Telegram's widget, who it is, which is used up as
 *                    the state was: no exchange follows
 *     exchange
 *         token      exchange the code
 *         keys       the provider's keys, from the zone, or fetched
 *         verify     the ID token; again with fresh keys, if its key is
 *                    unknown
 *         userinfo   where the ID token lacks the profile
 *     signin
 *         issuer     the provider's name has not changed its issuer
 *         claim      whose identity it is, or nobody's: a new customer's
 *     kept
 *         email      a verified address is the customer's, and the events
 *                    that waited for it
 *     signin
 *         create     the customer, what a login earns, the new session
 *         release    an address that the identity had before is nobody's; and
 *                    once more the customer, who has it until then
 *     undo
 *         check      the identity is the customer's still; else all that was
 *                    written is undone, and goes on at "claim" again, once
 *     kept
 *         book       the events that waited
 *     signin
 *         end        the browser's older session ends
 *         finish     cookies, and 303
 *
 * Each step that writes can be repeated, so a login that is cut off is
 * completed by the next one of the same identity.  From "create" to "check"
 * that is not for the browser to do.
 */


#define NGX_HTTP_SOCIAL_LOCATION_MAX  8192


static void ngx_http_social_callback_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_callback_bounce(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_callback_answers(
    ngx_http_social_provider_t *sp, ngx_shop_authresp_t *resp,
    ngx_array_t *args);
static ngx_int_t ngx_http_social_callback_wanted(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *fields, ngx_array_t *args);
static ngx_int_t ngx_http_social_callback_state(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_find(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_replay(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_replayed(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_spend(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_spent(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_answer(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_callback_signed(ngx_http_social_flow_t *flow);


ngx_int_t
ngx_http_social_callback(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp)
{
    ngx_int_t                rc;
    ngx_http_shop_ctx_t     *ctx;
    ngx_http_social_flow_t  *flow;

    /* an attempt may be from before the provider became one of apps */

    if (sp->conf.flow == NGX_SHOP_FLOW_NATIVE) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND,
                                       "login_unsupported");
    }

    ctx = ngx_http_shop_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* nobody has kept the arguments if the request was redirected to here */

    if (ctx->callback.data == NULL
        && ngx_shop_mask_args(r, &ctx->callback) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_POST) {

        r->request_body_in_single_buf = 1;
        ngx_http_set_ctx(r, sp, ngx_http_social_module);

        rc = ngx_http_read_client_request_body(r,
                                               ngx_http_social_callback_body);

        return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
    }

    flow = ngx_http_social_flow_create(r, sp);
    if (flow == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_social_flow_start(flow, ngx_http_social_callback_state);
}


/*
 * With a form post from the provider's page a browser sends no "Lax" cookie,
 * so the attempt cannot be seen: the same answer comes again as a navigation
 * of our own, with it.
 */

static void
ngx_http_social_callback_body(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_social_callback_bounce(r));
}


static ngx_int_t
ngx_http_social_callback_bounce(ngx_http_request_t *r)
{
    ngx_str_t                    fields, location, query;
    const char                  *reason;
    ngx_array_t                  args;
    ngx_http_shop_ctx_t         *ctx;
    ngx_shop_authresp_t          resp;
    ngx_http_shop_srv_conf_t    *sscf;
    ngx_http_social_provider_t  *sp;

    sp = ngx_http_get_module_ctx(r, ngx_http_social_module);

    ctx = ngx_http_shop_get_ctx(r);

    if (ngx_http_social_fields(r, &ctx->callback, &fields) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_shop_authresp_parse(r->pool, &sp->conf, &fields, &resp, &reason)
        != NGX_OK)
    {
        return ngx_http_social_problem(r, NGX_HTTP_BAD_REQUEST, reason);
    }

    if (ngx_array_init(&args, r->pool, 8, sizeof(ngx_keyval_t)) != NGX_OK
        || ngx_http_social_callback_answers(sp, &resp, &args) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_social_callback_wanted(r, sp, &fields, &args) != NGX_OK
        || ngx_shop_form_encode(r->pool, &args, &query) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    location.len = sscf->base->origin.len + r->uri.len + 1 + query.len;

    if (location.len > NGX_HTTP_SOCIAL_LOCATION_MAX) {
        return ngx_http_social_problem(r, NGX_HTTP_BAD_REQUEST,
                                       "callback_malformed");
    }

    location.data = ngx_pnalloc(r->pool, location.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(location.data, "%V%V?%V", &sscf->base->origin, &r->uri,
                &query);

    ngx_http_social_result(r, "bounced");

    return ngx_shop_respond_see_other(r, &location);
}


static ngx_int_t
ngx_http_social_callback_answers(ngx_http_social_provider_t *sp,
    ngx_shop_authresp_t *resp, ngx_array_t *args)
{
    if (ngx_shop_form_add(args, "state", &resp->state) != NGX_OK) {
        return NGX_ERROR;
    }

    if (resp->has_code
        && ngx_shop_form_named(args, &sp->conf.p_code, "code", &resp->code)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (resp->has_iss
        && ngx_shop_form_add(args, "iss", &resp->iss) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (resp->has_error
        && ngx_shop_form_add(args, "error", &resp->error) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Those that the provider's expressions look at, such as "user" of Apple,
 * which comes once in a lifetime
 */

static ngx_int_t
ngx_http_social_callback_wanted(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *fields, ngx_array_t *args)
{
    ngx_int_t      rc;
    ngx_str_t     *name, value;
    ngx_uint_t     i, k, n;
    ngx_keyval_t  *kv;

    name = sp->conf.fields.elts;
    n = args->nelts;

    for (i = 0; i < sp->conf.fields.nelts; i++) {

        kv = args->elts;

        for (k = 0; k < n; k++) {
            if (kv[k].key.len == name[i].len
                && ngx_memcmp(kv[k].key.data, name[i].data, name[i].len) == 0)
            {
                break;
            }
        }

        if (k < n) {
            continue;
        }

        rc = ngx_shop_query_get(r->pool, fields, (char *) name[i].data,
                                &value);

        if (rc == NGX_ERROR
            || (rc == NGX_OK
                && ngx_shop_form_push(args, &name[i], &value) != NGX_OK))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * Query and body count as one list, so that a field in each is twice there.
 * "mirror" may have read the body before, in parts.
 */

ngx_int_t
ngx_http_social_fields(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *fields)
{
    u_char       *p;
    size_t        len;
    ngx_chain_t  *bufs, *cl;

    bufs = r->request_body ? r->request_body->bufs : NULL;

    len = args->len ? args->len + 1 : 0;

    for (cl = bufs; cl; cl = cl->next) {

        if (cl->buf->in_file) {
            return NGX_ERROR;
        }

        len += cl->buf->last - cl->buf->pos;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    fields->data = p;
    fields->len = len;

    if (args->len) {
        p = ngx_cpymem(p, args->data, args->len);
        *p++ = '&';
    }

    for (cl = bufs; cl; cl = cl->next) {
        if (cl->buf->last != cl->buf->pos) {
            p = ngx_cpymem(p, cl->buf->pos, cl->buf->last - cl->buf->pos);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_callback_state(ngx_http_social_flow_t *flow)
{
    ngx_int_t             rc;
    ngx_str_t             binding;
    const char           *reason;
    ngx_http_request_t   *r;
    ngx_shop_attempt_t   *attempt;
    ngx_http_shop_ctx_t  *ctx;

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);
    attempt = &flow->attempt;

    if (ngx_shop_authresp_parse(r->pool, &flow->provider->conf,
                                &ctx->callback, &flow->resp, &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           reason);
    }

    if (ngx_http_social_attempt_id(flow, &flow->resp.state) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_social_callback_find(flow);

    if (rc == NGX_DECLINED) {
        flow->step = ngx_http_social_callback_replay;
        return NGX_OK;
    }

    if (rc == NGX_ERROR
        || ngx_http_social_redirect_uri(r, flow->provider,
                                        &flow->redirect_uri)
           != NGX_OK
        || ngx_shop_attempt_binding(r->pool, &flow->provider->conf,
                                    &flow->redirect_uri, &binding,
                                    r->connection->log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_shop_equal(&attempt->provider, &flow->provider->conf.name)
        || !ngx_shop_equal(&attempt->binding, &binding))
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "state_mismatch");
    }

    ctx->return_path = attempt->path;

    if (ngx_time() - attempt->created >= NGX_HTTP_SOCIAL_ATTEMPT_TIME) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "attempt_expired");
    }

    flow->step = ngx_http_social_callback_spend;

    return NGX_OK;
}


/* the attempt of this browser whose state has come back */

static ngx_int_t
ngx_http_social_callback_find(ngx_http_social_flow_t *flow)
{
    ngx_int_t                   rc;
    ngx_str_t                   packed;
    ngx_uint_t                  i;
    ngx_shop_cookie_t          *cookie;
    ngx_http_request_t         *r;
    ngx_http_shop_ctx_t        *ctx;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    cookie = ctx->cookies.elts;

    for (i = 0; i < ctx->cookies.nelts; i++) {

        if (cookie[i].session) {
            continue;
        }

        rc = ngx_shop_open(smcf->attempt_sealer, r->pool, &sscf->base->host,
                           &cookie[i].value, &packed, r->connection->log);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            continue;
        }

        rc = ngx_shop_attempt_unpack(r->pool, &packed, &flow->attempt);

        ngx_shop_zero(packed.data, packed.len);

        if (rc != NGX_OK) {
            continue;
        }

        if (ngx_shop_equal(&flow->attempt.state, &flow->resp.state)) {
            flow->attempt_cookie = cookie[i].name;
            return NGX_OK;
        }

        /* another login of this browser */

        ngx_shop_zero(flow->attempt.verifier.data, flow->attempt.verifier.len);
        ngx_shop_zero(flow->attempt.nonce.data, flow->attempt.nonce.len);
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_social_attempt_id(ngx_http_social_flow_t *flow, ngx_str_t *text)
{
    u_char               digest[NGX_SHOP_SHA256_LEN];
    ngx_http_request_t  *r;

    r = flow->request;

    if (ngx_shop_sha256(text, digest, r->connection->log) != NGX_OK) {
        return NGX_ERROR;
    }

    /* half of it tells attempts apart, and is kept with each booking */

    return ngx_shop_hex(r->pool, digest, NGX_SHOP_SHA256_LEN / 2,
                        &flow->attempt_id);
}


/*
 * The back button, or a second tab: the attempt is gone because it was
 * completed, and the browser is signed in.  Only a state that was really
 * spent is forgiven, and only to a session that began then or later: one from
 * before may be somebody else's, and the attempt one that failed.
 */

static ngx_int_t
ngx_http_social_callback_replay(ngx_http_social_flow_t *flow)
{
    ngx_int_t                   rc;
    ngx_str_t                   argv[2];
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;

    rc = ngx_http_shop_known_now(ngx_http_shop_get_ctx(r));

    if (rc == NGX_ERROR) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                           "redis_unavailable");
    }

    if (rc != NGX_OK) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           flow->attempt_cookie.len
                                           ? "attempt_spent"
                                           : "state_unknown");
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, 2);

    ngx_str_set(&argv[0], "GET");

    if (op == NULL
        || ngx_shop_redis_key(smcf->redis, op->pool, "spent",
                              &flow->attempt_id, &argv[1])
           != NGX_OK
        || ngx_shop_redis_add(op, 2, argv) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "PTTL");

    if (ngx_shop_redis_add(op, 2, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op,
                                    ngx_http_social_callback_replayed);
}


static ngx_int_t
ngx_http_social_callback_replayed(ngx_http_social_flow_t *flow)
{
    time_t                       spent;
    ngx_str_t                    path;
    ngx_http_request_t          *r;
    ngx_http_shop_ctx_t         *ctx;
    ngx_shop_redis_reply_t      *reply, *left;
    ngx_http_shop_srv_conf_t    *shop;
    ngx_http_social_srv_conf_t  *sscf;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);
    reply = flow->op->replies[0];
    left = flow->op->replies[1];

    if (reply->type != NGX_SHOP_REDIS_STRING
        || left->type != NGX_SHOP_REDIS_INTEGER || left->integer < 0)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "state_unknown");
    }

    spent = ngx_time() - NGX_HTTP_SOCIAL_SPENT_TIME
            + (time_t) (left->integer / 1000);

    if (ctx->session.created < spent - 1) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "attempt_spent");
    }

    shop = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

    if (ngx_shop_return_check(r->pool, &reply->str, shop->base,
                              sscf->return_hosts, &path)
        != NGX_OK)
    {
        ngx_str_set(&path, "/");
    }

    ngx_http_social_result(r, "replayed");

    return ngx_http_social_finish(flow, &path);
}


static ngx_int_t
ngx_http_social_callback_spend(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_spend(flow, ngx_http_social_callback_spent);
}


static ngx_int_t
ngx_http_social_callback_spent(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_spent(flow);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        flow->step = ngx_http_social_callback_replay;
        return NGX_OK;
    }

    flow->spent = 1;
    flow->step = (flow->provider->conf.flow == NGX_SHOP_FLOW_WIDGET)
                 ? ngx_http_social_callback_signed
                 : ngx_http_social_callback_answer;

    return NGX_OK;
}


ngx_int_t
ngx_http_social_spend(ngx_http_social_flow_t *flow,
    ngx_http_social_step_pt step)
{
    ngx_str_t                   argv[6];
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, 1);

    ngx_str_set(&argv[0], "SET");
    argv[2] = flow->attempt.path;
    ngx_str_set(&argv[3], "NX");
    ngx_str_set(&argv[4], "EX");

    if (op == NULL
        || ngx_shop_redis_key(smcf->redis, op->pool, "spent",
                              &flow->attempt_id, &argv[1])
           != NGX_OK
        || ngx_shop_decimal(op->pool, NGX_HTTP_SOCIAL_SPENT_TIME, &argv[5])
           != NGX_OK
        || ngx_shop_redis_add(op, 6, argv) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, step);
}


ngx_int_t
ngx_http_social_spent(ngx_http_social_flow_t *flow)
{
    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    return (flow->op->replies[0]->type == NGX_SHOP_REDIS_STATUS)
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_social_callback_answer(ngx_http_social_flow_t *flow)
{
    ngx_int_t    rc;
    const char  *reason;

    rc = ngx_http_social_flow_metadata(flow);

    if (rc != NGX_OK) {
        return rc;
    }

    /* also an error of the provider: it is the browser who says so */

    if (ngx_shop_authresp_check(&flow->provider->conf,
                                &flow->metadata->metadata, &flow->resp,
                                &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           reason);
    }

    flow->step = ngx_http_social_exchange;

    return NGX_OK;
}


/*
 * Nothing in what is signed is of this attempt, so it would be good for one of
 * somebody else's as well: it is good once.
 */

static ngx_int_t
ngx_http_social_callback_signed(ngx_http_social_flow_t *flow)
{
    ngx_str_t             mac;
    const char           *reason;
    ngx_http_request_t   *r;
    ngx_http_shop_ctx_t  *ctx;

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);

    if (ngx_shop_widget_check(r->pool, &flow->provider->conf, &ctx->callback,
                              ngx_time(), NGX_HTTP_SOCIAL_ATTEMPT_TIME,
                              &flow->docs.json[NGX_SHOP_DOC_ID], &mac,
                              &reason)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           reason);
    }

    flow->step = ngx_http_social_native_spend;

    return ngx_http_social_attempt_id(flow, &mac);
}
