
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_UNIT_OIDC_H_INCLUDED_
#define _NGX_SHOP_UNIT_OIDC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "oidc/ngx_shop_oidc.h"


/* what the suite of the oidc room shares with the fuzzers of it */


/* a provider as the preset "oidc" has it; NGX_ERROR: no memory */
ngx_int_t ngx_shop_unit_provider(ngx_pool_t *pool,
    ngx_shop_provider_t *provider);


#endif /* _NGX_SHOP_UNIT_OIDC_H_INCLUDED_ */
