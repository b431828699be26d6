
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SHOP_CONF_H_INCLUDED_
#define _NGX_HTTP_SHOP_CONF_H_INCLUDED_


#include "modules/ngx_http_shop_module.h"


/* ngx_http_shop_conf.c: the directives of ngx_http_shop_module */

extern ngx_command_t  ngx_http_shop_commands[];

void *ngx_http_shop_create_main_conf(ngx_conf_t *cf);
char *ngx_http_shop_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_shop_create_srv_conf(ngx_conf_t *cf);
char *ngx_http_shop_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child);
void *ngx_http_shop_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_shop_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

/* reports a wrong parameter and what is allowed; NGX_CONF_ERROR */
char *ngx_http_shop_bad_param(ngx_conf_t *cf, ngx_str_t *param,
    const char *allowed);

/* 1: "word" starts with "name", "value" is the rest; else it is all of it */
ngx_uint_t ngx_http_shop_param(ngx_str_t *word, const char *name,
    ngx_str_t *value);


/* ngx_http_shop_redis_conf.c */

char *ngx_http_shop_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


/* ngx_http_shop_shown.c */

/* "sums" is NULL where they could not be asked for */
typedef ngx_int_t (*ngx_http_shop_shown_pt)(ngx_http_request_t *r,
    ngx_array_t *sums);

/*
 * For a content handler: adds what all partitions have counted to "sums", of
 * ngx_shop_shown_t, and then answers by "handler", which returns as a content
 * handler does.  What this returns is to be returned by it.
 */
ngx_int_t ngx_http_shop_shown(ngx_http_request_t *r, ngx_array_t *sums,
    ngx_http_shop_shown_pt handler);


/* ngx_http_shop_status.c */

char *ngx_http_shop_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_HTTP_SHOP_CONF_H_INCLUDED_ */
