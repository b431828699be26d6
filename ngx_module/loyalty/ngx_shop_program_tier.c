
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


static char *ngx_shop_program_tier_check(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_shop_tier_t *tier);


static const char  *ngx_shop_tier_later[] = {
    "spend", "orders", "window", "match", "valid", "grace", "downgrade", NULL
};

static ngx_shop_program_words_t  ngx_shop_tier_parameters = {
    "parameter", "tier", "\"points=N\"", ngx_shop_tier_later
};


char *
ngx_shop_program_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words)
{
    ngx_str_t        *value, text;
    ngx_uint_t        i;
    ngx_shop_tier_t   tier, *new;

    value = words->elts;

    if (words->nelts < 2) {
        return ngx_shop_program_usage(cf, &value[0],
                                      "tier NAME [points=N];");
    }

    if (ngx_shop_program_name(cf, "tier", &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    tier.name = value[1];
    tier.points = -1;

    for (i = 2; i < words->nelts; i++) {

        if (ngx_shop_program_parameter(&value[i], "points", &text)
            != NGX_OK)
        {
            return ngx_shop_program_unknown(cf, &ngx_shop_tier_parameters,
                                            &value[i]);
        }

        if (tier.points != -1) {
            return ngx_shop_program_duplicate(cf, &value[i]);
        }

        tier.points = ngx_shop_program_points(&text);

        if (tier.points == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid points \"%V\" of tier \"%V\", "
                               "it must be an integer from 0 to %L",
                               &text, &tier.name,
                               NGX_SHOP_LOYALTY_POINTS_MAX);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_shop_program_tier_check(cf, program, &tier) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    new = ngx_array_push(&program->tiers);
    if (new == NULL) {
        return NGX_CONF_ERROR;
    }

    *new = tier;

    return NGX_CONF_OK;
}


static char *
ngx_shop_program_tier_check(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_tier_t *tier)
{
    ngx_shop_tier_t  *below;

    if (ngx_shop_tier_find(program, &tier->name)
        != NGX_SHOP_LOYALTY_NO_TIER)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate tier \"%V\"", &tier->name);
        return NGX_CONF_ERROR;
    }

    if (program->tiers.nelts == 0) {
        return NGX_CONF_OK;
    }

    if (program->tiers.nelts == NGX_SHOP_LOYALTY_TIERS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many tiers with \"%V\", at most %d are "
                           "allowed", &tier->name,
                           NGX_SHOP_LOYALTY_TIERS_MAX);
        return NGX_CONF_ERROR;
    }

    below = program->tiers.elts;
    below += program->tiers.nelts - 1;

    if (tier->points == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" has no condition, every tier after "
                           "the first needs \"points=N\"", &tier->name);
        return NGX_CONF_ERROR;
    }

    if (tier->points <= ngx_max(below->points, 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "tier \"%V\" has \"points=%L\", it must need "
                           "more than the %L of \"%V\", since tiers are "
                           "written lowest first", &tier->name, tier->points,
                           ngx_max(below->points, 0), &below->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
