
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SOCIAL_FIELD_H_INCLUDED_
#define _NGX_HTTP_SOCIAL_FIELD_H_INCLUDED_


#include "modules/ngx_http_social_module.h"


/*
 * What is said about a provider, by its preset and in its block: lines of a
 * field and its values.  The lines are kept until all of them are known, and
 * are then read in the order
 *
 *     1  those that other lines depend on: of the preset, of the block
 *     2  all other lines of the preset
 *     3  all other lines of the block, which replace the preset's
 */


#define NGX_HTTP_SOCIAL_FIELDS_MAX  100


typedef enum {
    NGX_HTTP_SOCIAL_LAYER_NONE = 0,
    NGX_HTTP_SOCIAL_LAYER_PRESET,
    NGX_HTTP_SOCIAL_LAYER_BLOCK
} ngx_http_social_layer_e;


typedef struct {
    ngx_array_t               *args;        /* of ngx_str_t, as in cf->args */
    ngx_uint_t                 line;
} ngx_http_social_line_t;


typedef struct {
    ngx_http_social_layer_e    layer;
    ngx_conf_file_t           *file;        /* for messages */
    ngx_array_t                lines;       /* of ngx_http_social_line_t */
} ngx_http_social_lines_t;


typedef struct {
    ngx_shop_provider_t       *provider;

    /* of the first step */

    ngx_str_t                  host;
    ngx_str_t                  tenant;
    ngx_str_t                  shop;
    ngx_str_t                  region;
    ngx_str_t                  scope_sep;
    ngx_uint_t                 iss_template;

    ngx_str_t                  tid;         /* what "{tid}" becomes; empty:
                                               it has no meaning here */
    ngx_uint_t                 key_source;
    ngx_uint_t                 callback_iss;
    ngx_http_social_layer_e    notify;      /* who said it last */

    ngx_http_social_layer_e    layer;       /* what is being read */
    u_char                     set[NGX_HTTP_SOCIAL_FIELDS_MAX];
                                            /* layer that has set a field */
} ngx_http_social_block_t;


#define NGX_HTTP_SOCIAL_KEYS_JWKS    1
#define NGX_HTTP_SOCIAL_KEYS_SECRET  2

#define NGX_HTTP_SOCIAL_ISS_EXPECT   1
#define NGX_HTTP_SOCIAL_ISS_IGNORE   2


/*
 * Reads the line in cf->args, if it is one of the first step where "first",
 * else if it is not.  NGX_CONF_ERROR: reported.
 */
char *ngx_http_social_field(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_uint_t first);

/*
 * ngx_http_social_provider_check.c: when all lines are read: whether they are
 * enough and fit together, and what follows from them.  NGX_CONF_ERROR:
 * reported.
 */
char *ngx_http_social_provider_check(ngx_conf_t *cf,
    ngx_http_social_block_t *block);

/* 1: logins need what only the provider's metadata tell */
ngx_uint_t ngx_http_social_provider_asks(ngx_shop_provider_t *provider);


#endif /* _NGX_HTTP_SOCIAL_FIELD_H_INCLUDED_ */
