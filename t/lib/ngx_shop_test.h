
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_TEST_H_INCLUDED_
#define _NGX_SHOP_TEST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* of a module that has directives and nothing else: what is in the context of
 * an HTTP module, and what stands behind the type of a module */

#define NGX_SHOP_TEST_NO_CTX                                                  \
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL

#define NGX_SHOP_TEST_NO_HOOKS                                                \
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NGX_MODULE_V1_PADDING


#endif /* _NGX_SHOP_TEST_H_INCLUDED_ */
