
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SHOP_STATUS_H_INCLUDED_
#define _NGX_HTTP_SHOP_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"
#include "modules/ngx_http_shop_conf.h"


/* values of the instance, then those of a node */

typedef enum {
    NGX_HTTP_SHOP_HITS = 0,
    NGX_HTTP_SHOP_MISSES,
    NGX_HTTP_SHOP_STALE,
    NGX_HTTP_SHOP_NEGATIVE,
    NGX_HTTP_SHOP_EVICTIONS,
    NGX_HTTP_SHOP_INVALIDATIONS,
    NGX_HTTP_SHOP_USED,
    NGX_HTTP_SHOP_SIZE,
    NGX_HTTP_SHOP_FILL,
    NGX_HTTP_SHOP_WANTED,
    NGX_HTTP_SHOP_ALIVE,
    NGX_HTTP_SHOP_LAG,
    NGX_HTTP_SHOP_REARMS,
    NGX_HTTP_SHOP_SCHEMA,
    NGX_HTTP_SHOP_SCHEMA_KNOWN,
    NGX_HTTP_SHOP_BUSY,
    NGX_HTTP_SHOP_UNROUTED,
    NGX_HTTP_SHOP_REFUSED,
    NGX_HTTP_SHOP_SETTLED,
    NGX_HTTP_SHOP_DUE_LAG,
    NGX_HTTP_SHOP_PROMOTIONS,
    NGX_HTTP_SHOP_SEGMENTS,
    NGX_HTTP_SHOP_PROGRAM_SINCE,
    NGX_HTTP_SHOP_PROGRAM_REFUSED,
    NGX_HTTP_SHOP_TOLD,
    NGX_HTTP_SHOP_CAPTURED = NGX_HTTP_SHOP_TOLD + NGX_SHOP_REDIS_EVENT_ENDS,
    NGX_HTTP_SHOP_LOST = NGX_HTTP_SHOP_CAPTURED + NGX_SHOP_REDIS_EVENT_ENDS,
    NGX_HTTP_SHOP_IN_FLIGHT,
    NGX_HTTP_SHOP_NVALUES
} ngx_http_shop_value_e;


/* a page, in the making */

typedef struct {
    u_char                       *pos;
    u_char                       *last;
    const char                   *mode;
    const char                   *channel;
    ngx_shop_live_state_t         program;
    ngx_str_t                     reason;   /* escaped */
    uint64_t                      values[NGX_HTTP_SHOP_NVALUES];
    ngx_array_t                   nodes;    /* of ..._status_node_t */
    ngx_shop_budget_t            *budgets;
    ngx_uint_t                    nbudgets;
    size_t                        size;     /* of the longest address */
    ngx_array_t                  *shown;    /* of ngx_shop_shown_t; NULL: not
                                               known */
} ngx_http_shop_status_t;


/* adds to the page, which has room for it */
void ngx_http_shop_status_print(ngx_http_shop_status_t *status,
    const char *fmt, ...);

/* for Prometheus: what samples "ngx_shop_SECTION_NAME" are; those of a
 * "counter" have "_total" behind that */
void ngx_http_shop_status_family(ngx_http_shop_status_t *status,
    const char *section, const char *name, const char *help,
    const char *type);


/* ngx_http_shop_status_offers.c: budgets, and what promotions are worth */

/* what they take at most */
size_t ngx_http_shop_status_offers_len(ngx_http_shop_status_t *status);

void ngx_http_shop_status_offers_json(ngx_http_shop_status_t *status);

/* for Prometheus */
void ngx_http_shop_status_offers(ngx_http_shop_status_t *status);


#endif /* _NGX_HTTP_SHOP_STATUS_H_INCLUDED_ */
