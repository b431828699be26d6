
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


#endif /* _NGX_HTTP_SHOP_CONF_H_INCLUDED_ */
