
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * A provider has something to say by itself: that somebody has signed out
 * everywhere, has taken back what they allowed, or wants to be forgotten.
 * The steps:
 *
 *     read       which kind of notice it is; whether it is the provider's
 *                (logout: at an address of its own, it is a logout token)
 *     metadata, keys, verify
 *                for those that are tokens, see ngx_http_social_exchange.c
 *     issuer     whether the provider's name has not changed its issuer: it
 *                would be about another person of that subject
 *     seen       whether it was carried out before
 *     owner      whose identity it is
 *     list       the sessions of that customer
 *     leave      in the customer's slot, one script, with a part of the
 *                sessions at a time; see leave.lua
 *     former     the address is nobody's, where the identity is to go and no
 *                other has it; and "leave" again, which waits for that
 *     list, leave
 *                until none has ended: one list has only so many
 *     note       whose it was, if it is unlinked
 *     release    the identity is nobody's then
 *     list, leave, former
 *                once more, and until none has ended
 *     mark       it was carried out
 *     answer     as the provider wants it
 *
 * A login may be under way that has claimed the identity, and writes customer
 * and session at any time.  What it has written by "release" is found behind
 * that; and if it is later, so is its look at the identity, and it takes all
 * back: see ngx_http_social_undo.c.
 *
 * Nothing is answered before all is done, and each step can be repeated: one
 * that is cut off, by Redis or because the provider hangs up, is carried out
 * when the provider sends it again.  That is why "mark" is the last step and
 * not the first one: two of the same at once do the same twice.  Behind
 * "release" the identity does not lead to the customer any more, so a notice
 * that comes again goes by its note.  One of kind Kakao cannot have any: at
 * least it does not matter from then on whether the provider hangs up.
 *
 * Whether anybody is known by an identity is not told: the answer is the
 * same.
 */


#define NGX_HTTP_SOCIAL_NOTIFY_PART   500   /* sessions of one script */
#define NGX_HTTP_SOCIAL_NOTIFY_FORMER  8    /* addresses of an identity */
#define NGX_HTTP_SOCIAL_NOTIFY_KNOWN  (NGX_SHOP_NOTICE_AGE                    \
                                       + 2 * NGX_SHOP_NOTICE_LEEWAY)


typedef struct {
    ngx_shop_notice_t          notice;
    ngx_array_t                sessions;    /* of ngx_str_t */
    ngx_uint_t                 next;        /* of these */
    ngx_uint_t                 ended;       /* of these */
    ngx_str_t                  former;      /* address of the identity, that
                                               is nobody's now */
    ngx_uint_t                 nformer;     /* how many there were */
    ngx_str_t                  email;       /* the last one of these, before
                                               the identity was released */

    unsigned                   last:1;      /* all was done once */
} ngx_http_social_notify_t;


static ngx_int_t ngx_http_social_notify_take(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_http_client_body_handler_pt handler);
static void ngx_http_social_notify_body(ngx_http_request_t *r);
static void ngx_http_social_notify_logout_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_notify_start(ngx_http_request_t *r,
    ngx_http_social_step_pt step);
static ngx_int_t ngx_http_social_notify_read(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_logout(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_metadata(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_claims(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws);
static ngx_int_t ngx_http_social_notify_refuse(ngx_http_social_flow_t *flow,
    const char *reason);
static ngx_int_t ngx_http_social_notify_known(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_id(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_issuer(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_same_issuer(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_seen(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_owner(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_began(ngx_http_social_flow_t *flow,
    ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_http_social_notify_owned(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_list(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_listed(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_leave(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_left(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_former(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_parted(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_note(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_noted(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_release(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_released(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_mark(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_marked(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_spend(ngx_http_social_flow_t *flow,
    ngx_str_t *value, ngx_http_social_step_pt step);
static ngx_int_t ngx_http_social_notify_answer(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_refused(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_notify_error(ngx_http_request_t *r,
    const char *name, const char *error, const char *more,
    const char *reason);
static const char *ngx_http_social_notify_err(const char *reason);


/* by ngx_shop_notice_e, for leave.lua and the log */

static const char  *ngx_http_social_notify_words[] = {
    "nothing",
    "email_on",
    "email_off",
    "end",
    "unlink",
    "erase"
};


ngx_int_t
ngx_http_social_notice(ngx_http_request_t *r, ngx_http_social_provider_t *sp)
{
    if (sp->conf.notify == 0) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND,
                                       "notify_unsupported");
    }

    if (r->method == NGX_HTTP_GET) {
        return ngx_http_social_notice_page(r, sp);
    }

    return ngx_http_social_notify_take(r, sp, ngx_http_social_notify_body);
}


ngx_int_t
ngx_http_social_backchannel(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp)
{
    if (!sp->conf.logout_tokens) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND,
                                       "notify_unsupported");
    }

    return ngx_http_social_notify_take(r, sp,
                                       ngx_http_social_notify_logout_body);
}


static ngx_int_t
ngx_http_social_notify_take(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_http_client_body_handler_pt handler)
{
    ngx_int_t  rc;

    r->request_body_in_single_buf = 1;
    ngx_http_set_ctx(r, sp, ngx_http_social_module);

    rc = ngx_http_read_client_request_body(r, handler);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_social_notify_body(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r,
              ngx_http_social_notify_start(r, ngx_http_social_notify_read));
}


static void
ngx_http_social_notify_logout_body(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r,
              ngx_http_social_notify_start(r, ngx_http_social_notify_logout));
}


static ngx_int_t
ngx_http_social_notify_start(ngx_http_request_t *r,
    ngx_http_social_step_pt step)
{
    ngx_str_t                  empty;
    ngx_shop_notice_t         *notice;
    ngx_http_social_flow_t    *flow;
    ngx_http_social_notify_t  *notify;

    notify = ngx_pcalloc(r->pool, sizeof(ngx_http_social_notify_t));
    if (notify == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    notice = &notify->notice;

    notice->args = r->args;
    notice->now = ngx_time();

    ngx_str_null(&empty);

    /* a header that is not there leaves it empty */

    (void) ngx_shop_header_in_get(r, "authorization",
                                  &notice->authorization);
    (void) ngx_shop_header_in_get(r, "tiktok-signature",
                                  &notice->tiktok_signature);
    (void) ngx_shop_header_in_get(r, "x-signature-ed25519",
                                  &notice->discord_signature);
    (void) ngx_shop_header_in_get(r, "x-signature-timestamp",
                                  &notice->discord_timestamp);

    if (ngx_http_social_fields(r, &empty, &notice->body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    flow = ngx_http_social_flow_create(r,
                         ngx_http_get_module_ctx(r, ngx_http_social_module));
    if (flow == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    flow->data = notify;
    flow->claims = ngx_http_social_notify_claims;
    flow->refused = ngx_http_social_notify_refused;
    flow->presented = 1;

    return ngx_http_social_flow_start(flow, step);
}


static ngx_int_t
ngx_http_social_notify_read(ngx_http_social_flow_t *flow)
{
    ngx_int_t                  rc;
    const char                *reason;
    ngx_http_request_t        *r;
    ngx_http_social_notify_t  *notify;

    r = flow->request;
    notify = flow->data;

    rc = ngx_shop_notice_read(r->pool, &flow->provider->conf, &notify->notice,
                              &reason, r->connection->log);

    if (rc == NGX_ERROR) {
        return ngx_http_social_notify_refuse(flow, reason);
    }

    if (rc == NGX_AGAIN) {
        flow->token.id_token = notify->notice.token;
        flow->step = ngx_http_social_notify_metadata;
        return NGX_OK;
    }

    return ngx_http_social_notify_known(flow);
}


static ngx_int_t
ngx_http_social_notify_logout(ngx_http_social_flow_t *flow)
{
    const char                *reason;
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    if (ngx_shop_notice_logout(flow->request->pool, &notify->notice, &reason)
        == NGX_ERROR)
    {
        return ngx_http_social_notify_refuse(flow, reason);
    }

    flow->token.id_token = notify->notice.token;
    flow->step = ngx_http_social_notify_metadata;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_metadata(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_flow_metadata(flow);

    if (rc == NGX_OK) {
        flow->step = ngx_http_social_exchange_keys;
    }

    return rc;
}


static ngx_int_t
ngx_http_social_notify_claims(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws)
{
    const char                *reason;
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    if (ngx_shop_notice_claims(flow->request->pool, &flow->provider->conf,
                               jws, &notify->notice, &reason)
        != NGX_OK)
    {
        return ngx_http_social_notify_refuse(flow, reason);
    }

    return ngx_http_social_notify_known(flow);
}


/* sessions live on that the provider wants ended: an operator should know */

static ngx_int_t
ngx_http_social_notify_refuse(ngx_http_social_flow_t *flow,
    const char *reason)
{
    if (ngx_strcmp(reason, "subject_missing") == 0) {
        ngx_log_error(NGX_LOG_ERR, flow->request->connection->log, 0,
                      "a notice of \"%V\" does not tell what its \"sub\" "
                      "looks for", &flow->provider->conf.name);
    }

    return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST, reason);
}


/* it is the provider's, and what it says is known */

static ngx_int_t
ngx_http_social_notify_known(ngx_http_social_flow_t *flow)
{
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    if (notify->notice.id.len
        && ngx_http_social_notify_id(flow) != NGX_OK)
    {
        return NGX_ERROR;
    }

    flow->step = (notify->notice.action == NGX_SHOP_NOTICE_NOTHING)
                 ? ngx_http_social_notify_answer
                 : ngx_http_social_notify_issuer;

    return NGX_OK;
}


/* another one for each provider, and for each thing that is to be done */

static ngx_int_t
ngx_http_social_notify_id(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  text;
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    text.data = ngx_pnalloc(flow->request->pool,
                            sizeof("notice email_off  ")
                            + flow->provider->conf.name.len
                            + notify->notice.id.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = ngx_sprintf(text.data, "notice %s %V %V",
                    ngx_http_social_notify_words[notify->notice.action],
                    &flow->provider->conf.name, &notify->notice.id)
               - text.data;

    return ngx_http_social_attempt_id(flow, &text);
}


static ngx_int_t
ngx_http_social_notify_issuer(ngx_http_social_flow_t *flow)
{
    if (!flow->provider->issuer_known) {
        return ngx_http_social_issuer(flow, 0,
                                      ngx_http_social_notify_same_issuer);
    }

    flow->step = ngx_http_social_notify_seen;

    return NGX_OK;
}


/* where nobody has signed in yet there may be customers that the shop made */

static ngx_int_t
ngx_http_social_notify_same_issuer(ngx_http_social_flow_t *flow)
{
    flow->step = ngx_http_social_notify_seen;

    return (ngx_http_social_issuer_same(flow) == NGX_ERROR) ? NGX_ERROR
                                                            : NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_seen(ngx_http_social_flow_t *flow)
{
    ngx_str_t                   argv[2];
    ngx_shop_redis_op_t        *op;
    ngx_http_social_notify_t   *notify;
    ngx_http_shop_main_conf_t  *smcf;

    notify = flow->data;

    if (notify->notice.id.len == 0) {
        flow->step = ngx_http_social_notify_owner;
        return NGX_OK;
    }

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, 1);

    ngx_str_set(&argv[0], "GET");

    if (op == NULL
        || ngx_shop_redis_key(smcf->redis, op->pool, "spent",
                              &flow->attempt_id, &argv[1])
           != NGX_OK
        || ngx_shop_redis_add(op, 2, argv) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_notify_owner);
}


static ngx_int_t
ngx_http_social_notify_owner(ngx_http_social_flow_t *flow)
{
    ngx_int_t                   rc;
    ngx_shop_redis_op_t        *op;
    ngx_http_social_notify_t   *notify;
    ngx_http_shop_main_conf_t  *smcf;

    notify = flow->data;

    if (notify->notice.id.len) {

        if (ngx_http_social_flow_replies(flow) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = ngx_http_social_notify_began(flow, flow->op->replies[0]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            flow->step = ngx_http_social_notify_list;
            return NGX_OK;
        }

        if (flow->op->replies[0]->type != NGX_SHOP_REDIS_NIL) {
            flow->step = ngx_http_social_notify_answer;
            return NGX_OK;
        }
    }

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_OWNER_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_owner(smcf->redis, op,
                                   &flow->provider->conf.name,
                                   &notify->notice.subject)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_notify_owned);
}


/* NGX_OK: it was cut off behind "note", and flow->customer is whose it was;
 * NGX_DECLINED: that is not so */

static ngx_int_t
ngx_http_social_notify_began(ngx_http_social_flow_t *flow,
    ngx_shop_redis_reply_t *reply)
{
    ngx_str_t  id;

    if (reply->type != NGX_SHOP_REDIS_STRING
        || reply->str.len < sizeof("at ") - 1
        || ngx_strncmp(reply->str.data, "at ", sizeof("at ") - 1) != 0)
    {
        return NGX_DECLINED;
    }

    id.len = reply->str.len - (sizeof("at ") - 1);
    id.data = reply->str.data + sizeof("at ") - 1;

    if (!ngx_shop_customer_id_valid(&id)) {
        return ngx_http_social_flow_unexpected(flow, "a notice");
    }

    flow->customer.len = id.len;
    flow->customer.data = ngx_pstrdup(flow->request->pool, &id);

    return flow->customer.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_social_notify_owned(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_shop_customer_owned(flow->request->pool, flow->op->replies[0],
                                 &flow->customer);

    if (rc == NGX_ERROR) {
        return ngx_http_social_flow_unexpected(flow, "an identity");
    }

    flow->step = (rc == NGX_OK) ? ngx_http_social_notify_list
                                : ngx_http_social_notify_mark;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_list(ngx_http_social_flow_t *flow)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_social_notify_t   *notify;
    ngx_http_shop_main_conf_t  *smcf;

    notify = flow->data;

    notify->next = 0;
    notify->ended = 0;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_SESSION_LIST_COMMANDS);

    if (op == NULL
        || ngx_shop_session_list(smcf->redis, op, &flow->customer) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_notify_listed);
}


static ngx_int_t
ngx_http_social_notify_listed(ngx_http_social_flow_t *flow)
{
    ngx_http_social_notify_t  *notify;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    notify = flow->data;

    if (ngx_shop_session_listed(flow->request->pool, flow->op->replies[0],
                                &notify->sessions)
        != NGX_OK)
    {
        return ngx_http_social_flow_unexpected(flow, "sessions");
    }

    flow->step = ngx_http_social_notify_leave;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_leave(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  *hash;
    ngx_shop_leave_t            leave;
    ngx_http_request_t         *r;
    ngx_shop_redis_op_t        *op;
    ngx_http_social_notify_t   *notify;
    ngx_http_shop_main_conf_t  *smcf;

    r = flow->request;
    notify = flow->data;
    hash = notify->sessions.elts;

    ngx_memzero(&leave, sizeof(ngx_shop_leave_t));

    leave.what = ngx_http_social_notify_words[notify->notice.action];
    leave.when = (notify->notice.action == NGX_SHOP_NOTICE_END)
                 ? notify->notice.until : notify->notice.now;

    /* the provider's clock, if it is told, is that of its tokens as well */

    if (notify->notice.until) {
        leave.over = notify->notice.until - NGX_SHOP_NOTICE_LEEWAY;

    } else {
        leave.over = notify->notice.now;
    }

    leave.released = notify->former;
    leave.email = notify->email;

    leave.sessions = notify->sessions;
    leave.sessions.elts = hash + notify->next;
    leave.sessions.nelts = ngx_min(leave.sessions.nelts - notify->next,
                                   NGX_HTTP_SOCIAL_NOTIFY_PART);

    notify->next += leave.sessions.nelts;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_LEAVE_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_leave(smcf->redis, op, &flow->customer,
                                   &flow->provider->conf.name,
                                   &notify->notice.subject, &leave)
           != NGX_OK
        || ngx_http_shop_ends(r, op, &leave.sessions) != NGX_OK
        || ngx_http_shop_writes(r, op, NULL, &flow->customer) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_notify_left);
}


/* what has ended is listed no more, so this comes to an end */

static ngx_int_t
ngx_http_social_notify_left(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  former;
    ngx_uint_t                 unlinked;
    ngx_shop_redis_reply_t    *ended;
    ngx_http_social_notify_t  *notify;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    notify = flow->data;

    if (ngx_shop_customer_left(flow->op->replies[0], &unlinked, &ended,
                               &former)
        != NGX_OK
        || (former.len && notify->nformer == NGX_HTTP_SOCIAL_NOTIFY_FORMER))
    {
        return ngx_http_social_flow_unexpected(flow, "a notice");
    }

    notify->ended += ended->nelts;

    if (former.len) {
        notify->nformer++;

        notify->former.len = former.len;
        notify->former.data = ngx_pstrdup(flow->request->pool, &former);

        if (notify->former.data == NULL) {
            return NGX_ERROR;
        }

        flow->step = ngx_http_social_notify_former;

    } else if (notify->next < notify->sessions.nelts) {
        flow->step = ngx_http_social_notify_leave;

    } else if (notify->ended) {
        flow->step = ngx_http_social_notify_list;

    } else if (notify->last || notify->notice.action < NGX_SHOP_NOTICE_END) {
        flow->step = ngx_http_social_notify_mark;

    } else {
        notify->last = 1;
        flow->step = unlinked ? ngx_http_social_notify_note
                              : ngx_http_social_notify_list;

        /* a login may have claimed it again before it was to write */

        if (unlinked) {
            notify->email = notify->former;
            ngx_str_null(&notify->former);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_former(ngx_http_social_flow_t *flow)
{
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    return ngx_http_social_flow_release(flow, &notify->former,
                                        ngx_http_social_notify_parted);
}


static ngx_int_t
ngx_http_social_notify_parted(ngx_http_social_flow_t *flow)
{
    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (flow->op->replies[0]->type != NGX_SHOP_REDIS_INTEGER) {
        return ngx_http_social_flow_unexpected(flow, "what is nobody's");
    }

    flow->step = ngx_http_social_notify_leave;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_note(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  value;
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    if (notify->notice.id.len == 0) {
        flow->step = ngx_http_social_notify_release;
        return NGX_OK;
    }

    value.len = sizeof("at ") - 1 + flow->customer.len;
    value.data = ngx_pnalloc(flow->request->pool, value.len);

    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(value.data, "at %V", &flow->customer);

    return ngx_http_social_notify_spend(flow, &value,
                                        ngx_http_social_notify_noted);
}


static ngx_int_t
ngx_http_social_notify_noted(ngx_http_social_flow_t *flow)
{
    flow->step = ngx_http_social_notify_release;

    return ngx_http_social_flow_replies(flow);
}


static ngx_int_t
ngx_http_social_notify_release(ngx_http_social_flow_t *flow)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_social_notify_t   *notify;
    ngx_http_shop_main_conf_t  *smcf;

    notify = flow->data;
    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_RELEASE_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_release(smcf->redis, op, &flow->customer,
                                     &flow->provider->conf.name,
                                     &notify->notice.subject)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_social_flow_unattended(flow);

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_notify_released);
}


static ngx_int_t
ngx_http_social_notify_released(ngx_http_social_flow_t *flow)
{
    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    if (flow->op->replies[0]->type != NGX_SHOP_REDIS_INTEGER) {
        return ngx_http_social_flow_unexpected(flow, "what is nobody's");
    }

    flow->step = ngx_http_social_notify_list;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_notify_mark(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  value;
    ngx_http_social_notify_t  *notify;

    notify = flow->data;

    if (notify->notice.id.len == 0) {
        flow->step = ngx_http_social_notify_answer;
        return NGX_OK;
    }

    ngx_str_set(&value, "notice");

    return ngx_http_social_notify_spend(flow, &value,
                                        ngx_http_social_notify_marked);
}


static ngx_int_t
ngx_http_social_notify_marked(ngx_http_social_flow_t *flow)
{
    flow->step = ngx_http_social_notify_answer;

    return ngx_http_social_flow_replies(flow);
}


static ngx_int_t
ngx_http_social_notify_spend(ngx_http_social_flow_t *flow, ngx_str_t *value,
    ngx_http_social_step_pt step)
{
    ngx_str_t                   argv[5];
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, 1);

    ngx_str_set(&argv[0], "SET");
    argv[2] = *value;
    ngx_str_set(&argv[3], "EX");

    if (op == NULL
        || ngx_shop_redis_key(smcf->redis, op->pool, "spent",
                              &flow->attempt_id, &argv[1])
           != NGX_OK
        || ngx_shop_decimal(op->pool, NGX_HTTP_SOCIAL_NOTIFY_KNOWN, &argv[4])
           != NGX_OK
        || ngx_shop_redis_add(op, 5, argv) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, step);
}


static ngx_int_t
ngx_http_social_notify_answer(ngx_http_social_flow_t *flow)
{
    ngx_str_t                  text;
    ngx_uint_t                 status;
    const char                *type, *word;
    ngx_http_request_t        *r;
    ngx_http_social_notify_t  *notify;

    r = flow->request;
    notify = flow->data;

    word = ngx_http_social_notify_words[notify->notice.action];

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "notice of \"%V\": %s", &flow->provider->conf.name, word);

    ngx_http_social_result(r, "notified");

    ngx_str_null(&text);
    type = NULL;

    switch (notify->notice.kind) {

    case NGX_SHOP_NOTIFY_META:
        status = NGX_HTTP_OK;

        if (notify->notice.action == NGX_SHOP_NOTICE_ERASE) {
            type = "application/json";

            if (ngx_http_social_notice_receipt(flow, &text) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        break;

    case NGX_SHOP_NOTIFY_SECEVENT:
        status = NGX_HTTP_ACCEPTED;
        break;

    case NGX_SHOP_NOTIFY_DISCORD:
    case NGX_SHOP_NOTIFY_NAVER:
        status = NGX_HTTP_NO_CONTENT;
        break;

    default: /* NGX_SHOP_NOTIFY_APPLE, _TIKTOK, _KAKAO, _LOGOUT */
        status = NGX_HTTP_OK;
        break;
    }

    return ngx_http_social_flow_answer(flow,
                                       ngx_shop_respond(r, status, type,
                                                        &text));
}


static ngx_int_t
ngx_http_social_notify_refused(ngx_http_social_flow_t *flow)
{
    ngx_http_request_t        *r;
    ngx_http_social_notify_t  *notify;

    r = flow->request;
    notify = flow->data;

    /* anybody may name a key that there is not */

    if (ngx_strcmp(flow->reason, "keys_pending") == 0) {
        return ngx_http_social_problem_at(r, NGX_LOG_INFO, flow->status,
                                          flow->reason);
    }

    if (flow->status >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        return ngx_http_social_problem(r, flow->status, flow->reason);
    }

    /* Discord tries whether a bad signature is refused so */

    if (notify->notice.kind == NGX_SHOP_NOTIFY_DISCORD
        && ngx_strncmp(flow->reason, "signature_", 10) == 0)
    {
        return ngx_http_social_problem(r, NGX_HTTP_UNAUTHORIZED,
                                       flow->reason);
    }

    switch (notify->notice.kind) {

    case NGX_SHOP_NOTIFY_SECEVENT:

        /* RFC 8935 2.3 */

        return ngx_http_social_notify_error(r, "err",
                                   ngx_http_social_notify_err(flow->reason),
                                   "description", flow->reason);

    case NGX_SHOP_NOTIFY_LOGOUT:

        /* OpenID Connect Back-Channel Logout 2.8 */

        return ngx_http_social_notify_error(r, "error", "invalid_request",
                                            "error_description",
                                            flow->reason);

    default:
        return ngx_http_social_problem(r, flow->status, flow->reason);
    }
}


static ngx_int_t
ngx_http_social_notify_error(ngx_http_request_t *r, const char *name,
    const char *error, const char *more, const char *reason)
{
    ngx_str_t  text, language;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "request refused: %s", reason);

    ngx_http_social_result(r, reason);

    text.data = ngx_pnalloc(r->pool, sizeof("{\"\":\"\",\"\":\"\"}")
                                     + ngx_strlen(name) + ngx_strlen(error)
                                     + ngx_strlen(more)
                                     + ngx_strlen(reason));
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.len = ngx_sprintf(text.data, "{\"%s\":\"%s\",\"%s\":\"%s\"}",
                           name, error, more, reason)
               - text.data;

    /* of a description (RFC 8935 2.3) */

    ngx_str_set(&language, "en");

    if (ngx_shop_header_out_add(r, "Content-Language", &language) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_shop_respond(r, NGX_HTTP_BAD_REQUEST, "application/json",
                            &text);
}


/* the codes of RFC 8935 2.4 */

static const char *
ngx_http_social_notify_err(const char *reason)
{
    const char  **code;

    static const char  *codes[] = {
        "key_unknown", "invalid_key",
        "alg_refused", "invalid_key",
        "iss_mismatch", "invalid_issuer",
        "aud_mismatch", "invalid_audience",
        "signature_invalid", "authentication_failed",
        NULL, "invalid_request"
    };

    for (code = codes; code[0] != NULL; code += 2) {
        if (ngx_strcmp(code[0], reason) == 0) {
            break;
        }
    }

    return code[1];
}
