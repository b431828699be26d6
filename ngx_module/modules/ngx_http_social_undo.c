
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * An identity and its customer are in different slots, so no script can look
 * at the one and write to the other.  Between a login's claim and its writes
 * there may be a notice that unlinks or erases the identity, or the shop gives
 * it to another customer: what is written then is of a person who has left,
 * and found by nobody, since the identity leads elsewhere.
 *
 * So the login looks at the identity again behind its last write, and a notice
 * looks for sessions again behind its release of the identity.  Of two who
 * first write and then look at least one sees what the other has written:
 *
 *     check      whose identity it is now: theirs, and all is well
 *     leave      else the session ends, and the customer has the identity, and
 *                what the provider has told, no more; see leave.lua
 *     former     nor the address; and "leave" again, which waits for that
 *     claim      the login begins again with it, once
 *
 * It does not matter whether the browser goes away meanwhile.  Points that the
 * login has earned stay where they are.
 */


#define NGX_HTTP_SOCIAL_UNDO_FORMER  4
#define NGX_HTTP_SOCIAL_UNDO_LEEWAY  60     /* clocks may differ */


static ngx_int_t ngx_http_social_undo_checked(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_undo_leave(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_undo_left(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_undo_former(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_undo_parted(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_undo_done(ngx_http_social_flow_t *flow);


ngx_int_t
ngx_http_social_undo_check(ngx_http_social_flow_t *flow)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_OWNER_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_owner(smcf->redis, op,
                                   &flow->provider->conf.name,
                                   &flow->identity.subject)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_undo_checked);
}


static ngx_int_t
ngx_http_social_undo_checked(ngx_http_social_flow_t *flow)
{
    ngx_int_t            rc;
    ngx_str_t            owner, *hash;
    ngx_http_request_t  *r;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    r = flow->request;

    rc = ngx_shop_customer_owned(r->pool, flow->op->replies[0], &owner);

    if (rc == NGX_ERROR) {
        return ngx_http_social_flow_unexpected(flow, "an identity");
    }

    if (rc == NGX_OK && ngx_shop_equal(&owner, &flow->customer)) {
        flow->step = ngx_http_social_kept_book;
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "an identity of \"%V\" has left customer \"%V\" during its "
                  "login", &flow->provider->conf.name,
                  ngx_http_loyalty_book_id(&flow->customer));

    if (ngx_array_init(&flow->undone, r->pool, 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    hash = ngx_array_push(&flow->undone);

    if (ngx_shop_hex(r->pool, flow->session.digest, NGX_SHOP_SHA256_LEN, hash)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_null(&flow->former);
    flow->nformer = 0;

    flow->step = ngx_http_social_undo_leave;

    return NGX_OK;
}


/* the notice may have taken the identity's field away, but not the claim of
 * its address, which was made before there was one */

static ngx_int_t
ngx_http_social_undo_leave(ngx_http_social_flow_t *flow)
{
    ngx_shop_leave_t            leave;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    ngx_memzero(&leave, sizeof(ngx_shop_leave_t));

    leave.what = "undo";
    leave.when = r->start_sec - NGX_HTTP_SOCIAL_UNDO_LEEWAY;
    leave.sessions = flow->undone;
    leave.released = flow->former;

    if (flow->email_known.len) {
        leave.email = flow->identity.email;
    }

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_LEAVE_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_leave(smcf->redis, op, &flow->customer,
                                   &flow->provider->conf.name,
                                   &flow->identity.subject, &leave)
           != NGX_OK
        || ngx_http_shop_ends(r, op, &leave.sessions) != NGX_OK
        || ngx_http_shop_writes(r, op, NULL, &flow->customer) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_undo_left);
}


static ngx_int_t
ngx_http_social_undo_left(ngx_http_social_flow_t *flow)
{
    ngx_str_t                former;
    ngx_uint_t               unlinked;
    ngx_shop_redis_reply_t  *ended;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_customer_left(flow->op->replies[0], &unlinked, &ended,
                               &former)
        != NGX_OK
        || (former.len && flow->nformer == NGX_HTTP_SOCIAL_UNDO_FORMER))
    {
        return ngx_http_social_flow_unexpected(flow, "a login");
    }

    if (former.len == 0) {
        flow->written = 0;
        flow->step = ngx_http_social_undo_done;
        return NGX_OK;
    }

    flow->nformer++;

    flow->former.len = former.len;
    flow->former.data = ngx_pstrdup(flow->request->pool, &former);

    if (flow->former.data == NULL) {
        return NGX_ERROR;
    }

    flow->step = ngx_http_social_undo_former;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_undo_former(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_flow_release(flow, &flow->former,
                                        ngx_http_social_undo_parted);
}


static ngx_int_t
ngx_http_social_undo_parted(ngx_http_social_flow_t *flow)
{
    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (flow->op->replies[0]->type != NGX_SHOP_REDIS_INTEGER) {
        return ngx_http_social_flow_unexpected(flow, "what is nobody's");
    }

    flow->step = ngx_http_social_undo_leave;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_undo_done(ngx_http_social_flow_t *flow)
{
    if (flow->again) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_SERVICE_UNAVAILABLE,
                                           "identity_changed");
    }

    flow->again = 1;
    flow->allowed = 0;
    flow->created = 0;

    ngx_str_null(&flow->former);
    flow->nformer = 0;

    ngx_str_null(&flow->email_known);

    flow->kept.nelts = 0;
    flow->nkept_known = 0;

    ngx_http_social_flow_attended(flow);

    flow->step = ngx_http_social_signin_claim;

    return NGX_OK;
}
