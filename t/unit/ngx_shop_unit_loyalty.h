
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_UNIT_LOYALTY_H_INCLUDED_
#define _NGX_SHOP_UNIT_LOYALTY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"
#include "ngx_shop_unit.h"


/* what the suites of the loyalty room share */


/* 2026-09-01, 2026-10-01 and 2026-12-01, 00:00 UTC */

#define SEPTEMBER  1788220800
#define OCTOBER    1790812800
#define DECEMBER   1796083200


/*
 * A program of these lines, to NULL; "promotion CODE" starts a promotion, the
 * lines behind it are its.  NULL: a check has failed.
 */
ngx_shop_program_t *ngx_shop_unit_loyalty_program(ngx_shop_unit_t *u,
    const char **lines);

/* of one and the same customer; "utm" is "autumn" */
ngx_int_t ngx_shop_unit_loyalty_evaluate(ngx_shop_unit_t *u,
    ngx_shop_program_t *program, ngx_shop_view_t *view, time_t now,
    ngx_shop_evaluation_t *result);


#endif /* _NGX_SHOP_UNIT_LOYALTY_H_INCLUDED_ */
