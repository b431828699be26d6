
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_LOYALTY_CONF_H_INCLUDED_
#define _NGX_HTTP_LOYALTY_CONF_H_INCLUDED_


#include "modules/ngx_http_loyalty_module.h"


/* ngx_http_loyalty_conf.c: the directives of ngx_http_loyalty_module */

extern ngx_command_t  ngx_http_loyalty_commands[];

/* registers the names of the headers; a preconfiguration step */
ngx_int_t ngx_http_loyalty_add_headers(ngx_conf_t *cf);

void *ngx_http_loyalty_create_main_conf(ngx_conf_t *cf);
void *ngx_http_loyalty_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_loyalty_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


#endif /* _NGX_HTTP_LOYALTY_CONF_H_INCLUDED_ */
