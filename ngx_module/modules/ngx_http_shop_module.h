
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SHOP_MODULE_H_INCLUDED_
#define _NGX_HTTP_SHOP_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "base/ngx_shop_base.h"
#include "http/ngx_shop_http.h"
#include "redis/ngx_shop_redis.h"
#include "session/ngx_shop_session.h"
#include "loyalty/ngx_shop_loyalty.h"


/*
 * ngx_http_shop_module: Redis, keys, the session, and the customer of a
 * request, for the two modules above it.
 */


#define NGX_HTTP_SHOP_FAILURE_STALE      0
#define NGX_HTTP_SHOP_FAILURE_ANONYMOUS  1
#define NGX_HTTP_SHOP_FAILURE_ERROR      2

#define NGX_HTTP_SHOP_STATUS_OFF         0
#define NGX_HTTP_SHOP_STATUS_JSON        1
#define NGX_HTTP_SHOP_STATUS_PROMETHEUS  2

#define NGX_HTTP_SHOP_SOURCE_FRESH       0
#define NGX_HTTP_SHOP_SOURCE_CACHED      1
#define NGX_HTTP_SHOP_SOURCE_STALE       2

#define NGX_HTTP_SHOP_SAME_SITE_LAX      0
#define NGX_HTTP_SHOP_SAME_SITE_STRICT   1
#define NGX_HTTP_SHOP_SAME_SITE_NONE     2

#define NGX_HTTP_SHOP_ENTRIES            2  /* session and view */
#define NGX_HTTP_SHOP_VIEW_KEPT          86400   /* seconds */


typedef struct ngx_http_shop_read_s    ngx_http_shop_read_t;
typedef struct ngx_http_shop_copies_s  ngx_http_shop_copies_t;
typedef struct ngx_http_shop_copy_s    ngx_http_shop_copy_t;


/* NGX_SHOP_COOKIE_TAG characters, as no attempt has in practice */
#define NGX_HTTP_SHOP_LAST_USED  "lastused"


typedef struct {
    ngx_shop_redis_t          *redis;       /* NULL: no "shop_redis" */
    ngx_shop_zone_t           *zone;
    ngx_str_t                  zone_name;
    size_t                     zone_size;
    time_t                     zone_ttl;
    ngx_array_t               *keys;        /* NULL: no "shop_secret_file" */
    ngx_array_t               *event_keys;  /* of ngx_shop_event_key_t; NULL:
                                               no "shop_event_key_file" */
    ngx_shop_sealer_t         *session_sealer;
    ngx_shop_session_memo_t   *session_memo;
    ngx_http_shop_copies_t    *copies;
    ngx_shop_sealer_t         *attempt_sealer;
    ngx_shop_header_names_t    names;       /* never from a client */
    ngx_array_t                cookies;     /* of ngx_http_shop_cookies_t:
                                               those of all servers */

    /* of the worker */

    ngx_queue_t               *reads;       /* under way */
    ngx_shop_activity_t       *activity;
    ngx_shop_due_t            *due;         /* NULL: nothing ever is */
    ngx_shop_live_t           *live;        /* the program */
    ngx_shop_budgets_t        *budgets;

    unsigned                   stopped:1;   /* it ends at once */
} ngx_http_shop_main_conf_t;


typedef struct {
    ngx_str_t                  session;     /* name */
    ngx_str_t                  attempt;     /* name prefix */
} ngx_http_shop_cookies_t;


typedef struct {
    ngx_shop_url_t            *base;        /* NULL: no "shop_base_url" */
    ngx_str_t                  prefix;      /* "/_shop/" */

    ngx_str_t                  cookie;      /* name of the session's */
    ngx_str_t                  attempt;     /* name prefix of attempts' */
    ngx_str_t                  last_used;   /* name of the one that says by
                                               which provider the last login
                                               was: like an attempt's */
    ngx_uint_t                 cookies;     /* index of the two in those of
                                               all servers */
    ngx_str_t                  domain;
    ngx_uint_t                 same_site;
    ngx_shop_session_limits_t  limits;

    ngx_str_t                  host;        /* what sessions are bound to */
    ngx_str_t                  cookie_attributes;
    ngx_str_t                  attempt_attributes;
} ngx_http_shop_srv_conf_t;


typedef struct {
    ngx_uint_t                 on_failure;
    ngx_uint_t                 status;
} ngx_http_shop_loc_conf_t;


/*
 * What is known about the customer of a main request; it outlives internal
 * redirects.  There may be none where the client sent no cookie of ours;
 * endpoints make one.
 */

typedef struct {
    ngx_http_request_t        *request;     /* the main one */
    ngx_array_t                cookies;     /* of ngx_shop_cookie_t */

    ngx_int_t                  rc;          /* of the lookup: NGX_OK,
                                               NGX_DECLINED, NGX_ERROR;
                                               NGX_AGAIN: under way;
                                               NGX_DONE: not begun */
    ngx_shop_session_t         session;     /* with NGX_OK */
    ngx_shop_view_t            view;

    ngx_uint_t                 source;      /* with NGX_OK */
    ngx_shop_cache_entry_t     entries[NGX_HTTP_SHOP_ENTRIES];
    ngx_http_shop_copy_t      *copy;        /* of what the cookie names, for
                                               this look-up; NULL: none */

    ngx_http_shop_read_t      *read;        /* with NGX_AGAIN */
    ngx_queue_t                queue;       /* read->waiters */
    ngx_array_t                waiters;     /* of ngx_http_request_t * */

    void                      *evaluation;  /* of ngx_http_loyalty_module */
    ngx_shop_program_t        *program;     /* by which, held; NULL: none */

    /* of ngx_http_social_module */

    ngx_str_t                  callback;    /* arguments, before masking */
    ngx_str_t                  return_path; /* of the attempt */
    ngx_str_t                  login_result;

    unsigned                   overdue:1;   /* session and view are known,
                                               what is due is under way */
    unsigned                   injected:1;  /* our headers are in */
} ngx_http_shop_ctx_t;


extern ngx_module_t  ngx_http_shop_module;


/* the context of a request or subrequest, NULL: none */
ngx_http_shop_ctx_t *ngx_http_shop_get_ctx(ngx_http_request_t *r);

/* the same, made where there was none; NULL: no memory */
ngx_http_shop_ctx_t *ngx_http_shop_create_ctx(ngx_http_request_t *r);

/* for a getter: the value is "text", which lives as long as the request;
 * NGX_OK */
ngx_int_t ngx_http_shop_variable_set(ngx_http_variable_value_t *v,
    ngx_str_t *text);

/* makes the variables of a table, which ends with a null one; NGX_ERROR:
 * reported, or no memory */
ngx_int_t ngx_http_shop_add_vars(ngx_conf_t *cf, ngx_http_variable_t *vars);


/* ngx_http_shop_copies.c */

/* NULL: no memory */
ngx_http_shop_copies_t *ngx_http_shop_copies_create(ngx_pool_t *pool);

/* before a look-up in the cache of what the cookie names: from where a copy
 * was read, if there is one */
void ngx_http_shop_copy_find(ngx_http_shop_copies_t *copies,
    ngx_http_shop_ctx_t *ctx);

/* behind one that says "unmoved": into "ctx", the texts on "pool".  NGX_OK: a
 * customer; NGX_DECLINED: the session is past its end; NGX_ERROR: no
 * memory. */
ngx_int_t ngx_http_shop_copy_take(ngx_pool_t *pool,
    ngx_http_shop_ctx_t *ctx);

/* behind one that did not, with what was unpacked */
void ngx_http_shop_copy_keep(ngx_http_shop_copies_t *copies,
    ngx_http_shop_ctx_t *ctx);


/* ngx_http_shop_lookup.c */

/*
 * Looks the customer of this request up, in a phase.  NGX_OK: known, see
 * "ctx"; NGX_DECLINED: anonymous ("*ctx" may be NULL); NGX_ERROR: could not
 * be asked; NGX_AGAIN: the phase returns it and is entered again.
 */
ngx_int_t ngx_http_shop_lookup(ngx_http_request_t *r,
    ngx_http_shop_ctx_t **ctx);

/*
 * What came of it ("ctx" may be NULL), in the location that the request is
 * in now: NGX_ERROR also where a stale customer is not taken for a customer.
 */
ngx_int_t ngx_http_shop_known(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);

/* the same for what nobody is given on what was true a while ago: a stale
 * customer could not be asked for */
ngx_int_t ngx_http_shop_known_now(ngx_http_shop_ctx_t *ctx);

/* of the module itself */
ngx_int_t ngx_http_shop_lookup_init(ngx_http_shop_main_conf_t *smcf,
    ngx_cycle_t *cycle);
void ngx_http_shop_lookup_cancel(ngx_http_shop_ctx_t *ctx);


/* ngx_http_shop_written.c */

/* makes "op" forget the cached session, or the view of the customer, or both,
 * as soon as it is over, and the same again of others; NGX_ERROR: no memory.
 * The second is for what no request waits for. */
ngx_int_t ngx_http_shop_writes(ngx_http_request_t *r,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session,
    ngx_str_t *customer);
ngx_int_t ngx_http_shop_writes_to(ngx_http_shop_main_conf_t *smcf,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session,
    ngx_str_t *customer);

/* the same for a session that "op" makes; those that its last reply names, see
 * ngx_shop_session_write(), have ended for it, and are missing for good */
ngx_int_t ngx_http_shop_signs_in(ngx_http_request_t *r,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session,
    ngx_str_t *customer);

/* the same for a session that "op" ends, whose first reply says that it is
 * done: then it is missing for good, also if nobody waits any more */
ngx_int_t ngx_http_shop_signs_out(ngx_http_request_t *r,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session);

/* the same for the sessions of these hashes (of ngx_str_t), where the first
 * reply is for ngx_shop_customer_left(): those that it says have ended are
 * missing for good, the others are forgotten */
ngx_int_t ngx_http_shop_ends(ngx_http_request_t *r, ngx_shop_redis_op_t *op,
    ngx_array_t *hashes);


/* ngx_http_shop_conf.c */

/* a configuration check for directives that need the others: NGX_CONF_OK,
 * or NGX_CONF_ERROR with a message that names "directive" */
char *ngx_http_shop_require(ngx_conf_t *cf, const char *directive,
    ngx_uint_t base_url);


#endif /* _NGX_HTTP_SHOP_MODULE_H_INCLUDED_ */
