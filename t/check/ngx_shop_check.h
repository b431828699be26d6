
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_CHECK_H_INCLUDED_
#define _NGX_SHOP_CHECK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* directives, each of which is a file: ngx_shop_check_program.c, */
char *ngx_shop_check_program(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* and ngx_shop_check_simulate.c */
char *ngx_shop_simulate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_SHOP_CHECK_H_INCLUDED_ */
