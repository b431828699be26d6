
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_shop_check.h"
#include "ngx_shop_test.h"


static ngx_command_t  ngx_shop_check_commands[] = {

    { ngx_string("shop_check_program"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_shop_check_program,
      0,
      0,
      NULL },

    { ngx_string("shop_simulate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_shop_simulate,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_shop_check_module_ctx = { NGX_SHOP_TEST_NO_CTX };


ngx_module_t  ngx_shop_check_module = {
    NGX_MODULE_V1,
    &ngx_shop_check_module_ctx,
    ngx_shop_check_commands,
    NGX_HTTP_MODULE,
    NGX_SHOP_TEST_NO_HOOKS
};
