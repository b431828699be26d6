
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_LOYALTY_MODULE_H_INCLUDED_
#define _NGX_HTTP_LOYALTY_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"


/*
 * ngx_http_loyalty_module: evaluates the customer of a request and tells the
 * backend, in headers.
 */


/* the headers, in the order of design's table */

typedef enum {
    NGX_HTTP_LOYALTY_CUSTOMER = 0,
    NGX_HTTP_LOYALTY_PROVIDER,
    NGX_HTTP_LOYALTY_TIER,
    NGX_HTTP_LOYALTY_POINTS,
    NGX_HTTP_LOYALTY_SEGMENTS,
    NGX_HTTP_LOYALTY_PROMOTIONS,
    NGX_HTTP_LOYALTY_HEADERS
} ngx_http_loyalty_header_e;


typedef struct {
    ngx_shop_header_name_t     name;        /* empty: "off" */
    u_char                    *file;        /* of the directive, NULL: the */
    ngx_uint_t                 line;        /* default */
} ngx_http_loyalty_header_t;


typedef struct {
    ngx_shop_program_t         program;
    ngx_http_loyalty_header_t  headers[NGX_HTTP_LOYALTY_HEADERS];

    /* while "loyalty_program" is read */

    ngx_shop_promotion_t      *promotion;

    unsigned                   program_read:1;
    unsigned                   error_reported:1;

    /* of the worker */

    ngx_uint_t                 batches;     /* of events, under way */
    ngx_queue_t                captures;    /* of events in answers */
    ngx_uint_t                 captured;    /* events of them */
} ngx_http_loyalty_main_conf_t;


typedef struct {
    ngx_flag_t                 enable;
    ngx_flag_t                 capture;
    ngx_http_loyalty_header_t *headers[NGX_HTTP_LOYALTY_HEADERS];
} ngx_http_loyalty_loc_conf_t;


/* what "evaluation" of ngx_http_shop_ctx_t points to */

typedef struct {
    ngx_shop_evaluation_t      result;
    ngx_str_t                  headers[NGX_HTTP_LOYALTY_HEADERS];
                                            /* empty: not sent */
    u_char                     points[NGX_INT64_LEN];
} ngx_http_loyalty_evaluation_t;


extern ngx_module_t  ngx_http_loyalty_module;


/*
 * Evaluates a customer that was looked up (ctx->rc is NGX_OK), once for each
 * main request, whether "loyalty" is on here or not.  NULL: no memory.
 */
ngx_shop_evaluation_t *ngx_http_loyalty_evaluate(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx);

/* what was evaluated is told to somebody: promotions that are measured are
 * noted */
void ngx_http_loyalty_shown(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx);

/* the program of the configuration, whose tiers and rules are those of any;
 * without "loyalty_program" an empty one */
ngx_shop_program_t *ngx_http_loyalty_program(ngx_http_request_t *r);


/* ngx_http_loyalty_events.c: a content handler */

ngx_int_t ngx_http_loyalty_events_handler(ngx_http_request_t *r);


/* ngx_http_loyalty_match.c: lines "match" of promotions */

/* see ngx_shop_program_init() and ngx_shop_moment_t, of which "data" is the
 * main request; the first is for configuration time, the second for a worker,
 * which finds such variables only as the configuration has or nginx itself
 * always knows */
char *ngx_http_loyalty_match_compile(ngx_conf_t *cf,
    ngx_shop_match_t *match);
char *ngx_http_loyalty_match_resolve(ngx_conf_t *cf,
    ngx_shop_match_t *match);
ngx_uint_t ngx_http_loyalty_match(void *data, ngx_shop_match_t *match);

/* the same for who has the variables' values himself: to compile a line
 * whatever variables there are; 1: the value of its variable is one of it */
char *ngx_http_loyalty_match_texts(ngx_conf_t *cf, ngx_shop_match_t *match);
ngx_uint_t ngx_http_loyalty_match_text(ngx_shop_match_t *match,
    ngx_str_t *text, ngx_log_t *log);


#endif /* _NGX_HTTP_LOYALTY_MODULE_H_INCLUDED_ */
