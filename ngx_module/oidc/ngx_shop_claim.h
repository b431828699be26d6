
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_CLAIM_H_INCLUDED_
#define _NGX_SHOP_CLAIM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "oidc/ngx_shop_oidc.h"


/* an expression as it was read: see ngx_shop_claim.c */


enum {                                      /* in rising order */
    ngx_shop_claim_part = 0,
    ngx_shop_claim_term,
    ngx_shop_claim_alt,
    ngx_shop_claim_and
};


enum {
    ngx_shop_claim_as_is = 0,
    ngx_shop_claim_truth,                   /* true or "true" */
    ngx_shop_claim_bool,                    /* 1 and "1", too */
    ngx_shop_claim_str,
    ngx_shop_claim_exists,
    ngx_shop_claim_in,                      /* true, or nothing */
    ngx_shop_claim_lower,
    ngx_shop_claim_cutq
};


typedef struct {
    ngx_uint_t                 begins;
    ngx_uint_t                 doc;
    ngx_uint_t                 conv;
    ngx_str_t                  text;        /* or the callback's field */
    ngx_array_t                path;        /* of ngx_str_t */
    ngx_array_t                pick;        /* of ngx_keyval_t */
    ngx_array_t                rest;        /* path in the element */
    ngx_array_t                list;        /* path of "in:" */
} ngx_shop_claim_op_t;


#endif /* _NGX_SHOP_CLAIM_H_INCLUDED_ */
