
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_shop_unit.h"


static void ngx_shop_unit_self_passes(ngx_shop_unit_t *u);
static void ngx_shop_unit_self_fails(ngx_shop_unit_t *u);


/* the checks themselves: that they pass, and that they can fail */

ngx_shop_unit_test_t  ngx_shop_unit_self_tests[] = {
    { "checks pass", ngx_shop_unit_self_passes },
    { "checks fail", ngx_shop_unit_self_fails },
    { NULL, NULL }
};


static void
ngx_shop_unit_self_passes(ngx_shop_unit_t *u)
{
    ngx_str_t  text;

    ngx_str_set(&text, "a\0b");

    ngx_shop_unit_ok(u, u->pool != NULL, "there is a pool");
    ngx_shop_unit_is_str(u, &text, ngx_shop_unit_str("a\0b"),
                         "bytes are compared");
    ngx_shop_unit_is_int(u, NGX_DECLINED, -5, "codes are compared");

    text.len = 1;

    ngx_shop_unit_is(u, &text, "a", "texts are compared, %V", &text);
}


static void
ngx_shop_unit_self_fails(ngx_shop_unit_t *u)
{
    ngx_fd_t         saved;
    ngx_str_t        text;
    ngx_shop_unit_t  other;

    /* what fails here on purpose must not be seen */

    other = *u;
    other.nchecks = 0;
    other.nfailed = 0;

    ngx_str_set(&text, "a\0b");

    saved = dup(ngx_stdout);
    (void) close(ngx_stdout);

    ngx_shop_unit_ok(&other, 1 > 2, "false");
    ngx_shop_unit_is(&other, &text, "a", "shorter");
    ngx_shop_unit_is_str(&other, &text, ngx_shop_unit_str("a\0c"),
                         "other bytes");
    ngx_shop_unit_is_int(&other, NGX_OK, NGX_ERROR, "other codes");

    (void) dup2(saved, ngx_stdout);
    (void) close(saved);

    ngx_shop_unit_is_int(u, other.nchecks, 4, "all were counted");
    ngx_shop_unit_is_int(u, other.nfailed, 4, "all had failed");
}
