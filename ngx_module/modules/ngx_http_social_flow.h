
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SOCIAL_FLOW_H_INCLUDED_
#define _NGX_HTTP_SOCIAL_FLOW_H_INCLUDED_


#include "customer/ngx_shop_customer.h"
#include "modules/ngx_http_loyalty_book.h"
#include "modules/ngx_http_social_module.h"


/*
 * What takes several steps: a login, a sign-out, a notice.  A step does its
 * part and returns
 *
 *     NGX_OK     it has named the next step: run that
 *     NGX_AGAIN  it has started one operation and named the step that takes
 *                its result; the flow is run again when that is there
 *     NGX_DONE   it has answered the request; flow->rc is for
 *                ngx_http_finalize_request()
 *     NGX_ERROR  it failed: flow->status and flow->reason say how
 *
 * What is outstanding is always a field, so that the one door out can end
 * it: the waiter, the fetch, the operation, the booking, the timer.
 */

typedef struct ngx_http_social_flow_s  ngx_http_social_flow_t;

typedef ngx_int_t (*ngx_http_social_step_pt)(ngx_http_social_flow_t *flow);


/* for a token that is no ID token: takes it once it is verified, and refuses
 * what is wrong with it */

typedef ngx_int_t (*ngx_http_social_claims_pt)(ngx_http_social_flow_t *flow,
    ngx_shop_jws_t *jws);

/* how a refusal is answered, by flow->status and flow->reason, where that is
 * not for the customer to see; for ngx_http_finalize_request() */

typedef ngx_int_t (*ngx_http_social_refused_pt)(ngx_http_social_flow_t *flow);


struct ngx_http_social_flow_s {
    ngx_http_request_t           *request;
    ngx_http_social_provider_t   *provider;
    ngx_http_social_step_pt       step;
    ngx_http_social_claims_pt     claims;   /* NULL: those of an ID token */
    ngx_http_social_refused_pt    refused;  /* NULL: with a problem */
    void                         *data;     /* of who set these */

    /* outstanding */

    ngx_event_t                   timer;    /* ends the whole flow */
    ngx_http_social_waiter_t      waiter;
    ngx_shop_fetch_t             *fetch;
    ngx_shop_redis_op_t          *op;
    ngx_http_loyalty_book_t      *book;     /* what waited for the customer */

    /* held */

    ngx_http_social_copy_t       *metadata;
    ngx_http_social_copy_t       *keys;

    /* results so far */

    ngx_str_t                     redirect_uri;
    ngx_str_t                     attempt_cookie;    /* its name */
    ngx_str_t                     attempt_id;    /* digest of what is used up:
                                                    the state, a token */
    ngx_shop_attempt_t            attempt;
    ngx_shop_authresp_t           resp;
    ngx_shop_token_t              token;
    ngx_shop_docs_t               docs;     /* what the provider tells */
    time_t                        issued;   /* the ID token that an app
                                               brought, else 0 */
    ngx_str_t                     owner;    /* of an access token that an app
                                               brought, else empty */
    ngx_shop_identity_t           identity;
    ngx_str_t                     customer;
    ngx_shop_session_t            session;
    ngx_str_t                     session_cookie;
    ngx_shop_session_t            ends;     /* one that the request has */
    ngx_uint_t                    ncookies; /* that were looked at for it */
    ngx_http_social_step_pt       signed_out;    /* the step behind that */
    ngx_array_t                   undone;   /* of ngx_str_t: the hash of the
                                               session, which goes again */
    ngx_uint_t                    created;  /* the customer is new */
    ngx_str_t                     former;   /* address of the identity, that
                                               is nobody's now */
    ngx_uint_t                    nformer;  /* how many there were */
    ngx_array_t                   kept;     /* of ngx_shop_event_t that have
                                               waited for the customer */
    ngx_uint_t                    nkept;    /* of these, were taken */
    ngx_str_t                     kept_known[2];     /* under these keys */
    ngx_uint_t                    nkept_known;
    ngx_str_t                     identity_known;    /* by which keys the */
    ngx_str_t                     email_known;       /* customer is known */

    ngx_int_t                     rc;
    ngx_uint_t                    status;
    const char                   *reason;

    unsigned                      spent:1;  /* the attempt, by us */
    unsigned                      refreshed:1;   /* keys were fetched anew */
    unsigned                      native:1; /* no attempt of ours: the nonce
                                               and the verifier, if any, are
                                               an app's */
    unsigned                      presented:1;   /* and so is the token */
    unsigned                      json:1;   /* says who it is, leads nowhere */
    unsigned                      written:1;     /* the session may be */
    unsigned                      again:1;  /* it was undone once */
    unsigned                      allowed:1;     /* the token is of now */
    unsigned                      done:1;
};


/* a flow for a content handler, with its cleanup; NULL: no memory */
ngx_http_social_flow_t *ngx_http_social_flow_create(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);

/* runs it from its first step; what a content handler returns */
ngx_int_t ngx_http_social_flow_start(ngx_http_social_flow_t *flow,
    ngx_http_social_step_pt step);

/* runs it on, from a callback of what a step has started and returned
 * NGX_AGAIN for */
void ngx_http_social_flow_run(ngx_http_social_flow_t *flow);

/* for a step: "status" and "reason" are a refusal, of 500 if the reason is
 * "internal_error"; NGX_ERROR */
ngx_int_t ngx_http_social_flow_refuse(ngx_http_social_flow_t *flow,
    ngx_uint_t status, const char *reason);

/* for a step: the request is answered with "rc"; NGX_DONE */
ngx_int_t ngx_http_social_flow_answer(ngx_http_social_flow_t *flow,
    ngx_int_t rc);

/* a new operation, flow->op, in place of one before; NULL: no memory */
ngx_shop_redis_op_t *ngx_http_social_flow_op(ngx_http_social_flow_t *flow,
    ngx_uint_t ncommands);

/* for a step: sends it; the flow runs on with "step" when all replies are
 * there: NGX_AGAIN.  NGX_ERROR: refused */
ngx_int_t ngx_http_social_flow_ask(ngx_http_social_flow_t *flow,
    ngx_shop_redis_op_t *op, ngx_http_social_step_pt step);

/* for the next step: NGX_OK: flow->op has its replies, and none is a fault;
 * NGX_ERROR: refused */
ngx_int_t ngx_http_social_flow_replies(ngx_http_social_flow_t *flow);

/* a new HTTP exchange with the provider, flow->fetch, in place of one before,
 * for as long as the flow has; NULL: no memory */
ngx_shop_fetch_t *ngx_http_social_flow_fetch(ngx_http_social_flow_t *flow,
    ngx_shop_url_t *url, size_t max_body);

/* for a step: sends it; the flow runs on with flow->step when the response is
 * there: NGX_AGAIN.  NGX_ERROR: refused */
ngx_int_t ngx_http_social_flow_send(ngx_http_social_flow_t *flow,
    ngx_shop_fetch_t *fetch);

/* for the next step: NGX_OK: flow->fetch has the response, of any status;
 * NGX_ERROR: refused */
ngx_int_t ngx_http_social_flow_response(ngx_http_social_flow_t *flow);

/*
 * For a step that may be run again: NGX_OK: flow->metadata is there;
 * NGX_AGAIN; NGX_ERROR: refused.
 */
ngx_int_t ngx_http_social_flow_metadata(ngx_http_social_flow_t *flow);

/*
 * For a step, once: ends each session that the request has a cookie of, and
 * runs on with "step" when that is done; it is refused if it cannot be.
 * NGX_OK.
 */
ngx_int_t ngx_http_social_flow_sign_out(ngx_http_social_flow_t *flow,
    ngx_http_social_step_pt step);

/* asks: the address is not flow->customer's any more; goes on to "handler" */
ngx_int_t ngx_http_social_flow_release(ngx_http_social_flow_t *flow,
    ngx_str_t *email, ngx_http_social_step_pt handler);

/* what has begun must come to an end: the client may go away, and is not
 * looked for, or is again, at once */
void ngx_http_social_flow_unattended(ngx_http_social_flow_t *flow);
void ngx_http_social_flow_attended(ngx_http_social_flow_t *flow);

/* refuses, as the replies are not what was asked for, and logs "what" */
ngx_int_t ngx_http_social_flow_unexpected(ngx_http_social_flow_t *flow,
    const char *what);


/* ngx_http_social_callback.c */

/* the request's fields: "args" and the body as one list, from the pool */
ngx_int_t ngx_http_social_fields(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *fields);

/*
 * Uses flow->attempt_id up, once for all servers, and goes on with "step",
 * which asks by the second: NGX_OK: it was good; NGX_DECLINED: it was used
 * before; NGX_ERROR: refused.
 */
ngx_int_t ngx_http_social_spend(ngx_http_social_flow_t *flow,
    ngx_http_social_step_pt step);
ngx_int_t ngx_http_social_spent(ngx_http_social_flow_t *flow);

/* sets it: what has been used up, in a form that tells nothing of it */
ngx_int_t ngx_http_social_attempt_id(ngx_http_social_flow_t *flow,
    ngx_str_t *text);


/*
 * Steps, and what ends one, by the file that they are in.  A step returns what
 * is said of steps at the top.
 */

/* ngx_http_social_exchange.c */

/* flow->resp has a code: exchanges it, and goes on to all of the below */
ngx_int_t ngx_http_social_exchange(ngx_http_social_flow_t *flow);

/* flow->token has an ID token, not verified yet; flow->metadata is there */
ngx_int_t ngx_http_social_exchange_keys(ngx_http_social_flow_t *flow);

/* flow->token has an access token of an app: asks whose it is, and goes on to
 * exchange_identity() */
ngx_int_t ngx_http_social_exchange_tokeninfo(ngx_http_social_flow_t *flow);

/* flow->docs has what is trusted: asks for what is missing, sets
 * flow->identity, and goes on to the sign-in */
ngx_int_t ngx_http_social_exchange_identity(ngx_http_social_flow_t *flow);


/* ngx_http_social_native.c */

/* the token of an app was verified: uses flow->attempt_id up, and goes on to
 * exchange_identity() */
ngx_int_t ngx_http_social_native_spend(ngx_http_social_flow_t *flow);

/* for a step: the customer, as JSON; NGX_DONE or NGX_ERROR */
ngx_int_t ngx_http_social_native_answer(ngx_http_social_flow_t *flow);


/* ngx_http_social_signin.c */

/* flow->identity is known: finds out whose it is, and goes on to the below */
ngx_int_t ngx_http_social_signin(ngx_http_social_flow_t *flow);

/*
 * Asks whether the customers of flow->provider were made with its issuer, and
 * goes on with "step", which finds that by the second; with "first" it is the
 * issuer from now on where none was yet.  NGX_OK: it is, and issuer_known
 * says so from then on; NGX_DECLINED: none was yet; NGX_ERROR: refused.
 */
ngx_int_t ngx_http_social_issuer(ngx_http_social_flow_t *flow,
    ngx_uint_t first, ngx_http_social_step_pt step);
ngx_int_t ngx_http_social_issuer_same(ngx_http_social_flow_t *flow);

/* claims the identity, and goes on to the below */
ngx_int_t ngx_http_social_signin_claim(ngx_http_social_flow_t *flow);

/* flow->customer is known: makes customer and session */
ngx_int_t ngx_http_social_signin_create(ngx_http_social_flow_t *flow);

/* both are there: ends an older session, sets the cookies, and answers */
ngx_int_t ngx_http_social_signin_end(ngx_http_social_flow_t *flow);

/* for a step: takes the attempt's cookie away and leads to "path", of this
 * server; NGX_DONE or NGX_ERROR */
ngx_int_t ngx_http_social_finish(ngx_http_social_flow_t *flow,
    ngx_str_t *path);


/* ngx_http_social_undo.c */

/* customer and session are written: goes on to kept_book(), if the identity is
 * the customer's still */
ngx_int_t ngx_http_social_undo_check(ngx_http_social_flow_t *flow);


/* ngx_http_social_kept.c */

/* for a step: adds the events in a reply, which waited under the key "known",
 * to flow->kept.  NGX_OK, also with a malformed one, which is logged, and goes
 * when the others were booked; NGX_ERROR: refused, or no memory */
ngx_int_t ngx_http_social_kept_take(ngx_http_social_flow_t *flow,
    ngx_str_t *known, ngx_shop_redis_reply_t *reply);

/* the identity was claimed: claims its e-mail address where that is verified,
 * takes what waited under it, and goes on to signin_create() */
ngx_int_t ngx_http_social_kept_email(ngx_http_social_flow_t *flow);

/* books flow->kept, if there is any, and goes on to signin_end() whatever
 * becomes of it */
ngx_int_t ngx_http_social_kept_book(ngx_http_social_flow_t *flow);


/* ngx_http_social_notify_page.c */

/* what the answer to a deletion says: the address of the page, from the
 * request's pool; NGX_ERROR: no memory */
ngx_int_t ngx_http_social_notice_receipt(ngx_http_social_flow_t *flow,
    ngx_str_t *text);

/* the page; what a content handler returns */
ngx_int_t ngx_http_social_notice_page(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


#endif /* _NGX_HTTP_SOCIAL_FLOW_H_INCLUDED_ */
