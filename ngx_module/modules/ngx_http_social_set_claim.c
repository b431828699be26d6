
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_set.h"


/*
 * Fields of expressions, and parameters of requests, which are made of them.
 */


static char *ngx_http_social_pair(ngx_conf_t *cf, ngx_str_t *text,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_social_joined(ngx_conf_t *cf, ngx_str_t *text);
static char *ngx_http_social_bad_claim(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *text, ngx_shop_claim_error_t *error);


char *
ngx_http_social_set_claim(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t               *value, text;
    ngx_uint_t               docs, kind;
    ngx_shop_claim_t       **claim;
    ngx_shop_claim_error_t   error;

    value = cf->args->elts;
    claim = ngx_http_social_at(block, field);

    if (ngx_http_social_joined(cf, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* none is a field of the preset that the shop does not want */

    if (ngx_shop_text_is(&text, "none")) {
        *claim = NULL;
        return NGX_CONF_OK;
    }

    docs = field->more;

    if (block->provider->oauth2) {
        docs &= ~NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_ID);
    }

    kind = (field->offset
            == ngx_http_social_claim(NGX_SHOP_CLAIM_EMAIL_VERIFIED))
           ? NGX_SHOP_CLAIM_BOOL : NGX_SHOP_CLAIM_VALUE;

    *claim = ngx_shop_claim_compile(cf->pool, &text, kind, docs, &error);

    if (*claim == NULL) {
        return ngx_http_social_bad_claim(cf, &value[0], &text, &error);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_rule(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t               *value, text;
    ngx_shop_rule_t        **rule;
    ngx_shop_claim_error_t   error;

    value = cf->args->elts;
    rule = ngx_http_social_at(block, field);

    if (ngx_http_social_joined(cf, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *rule = ngx_shop_rule_compile(cf->pool, &text, &error);

    if (*rule == NULL) {
        return ngx_http_social_bad_claim(cf, &value[0], &text, &error);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_path(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t               *value;
    ngx_array_t            **path;
    ngx_shop_claim_error_t   error;

    value = cf->args->elts;
    path = ngx_http_social_at(block, field);

    *path = ngx_shop_path_compile(cf->pool, &value[1], &error);

    if (*path == NULL) {
        return ngx_http_social_bad_claim(cf, &value[0], &value[1], &error);
    }

    return NGX_CONF_OK;
}


/* what the protocol needs is ours to say, not the shop's */

char *
ngx_http_social_set_pairs(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t      *value;
    ngx_uint_t      i;
    ngx_array_t   **pairs;
    ngx_keyval_t   *kv;

    value = cf->args->elts;
    pairs = ngx_http_social_at(block, field);

    *pairs = ngx_array_create(cf->pool, cf->args->nelts,
                              sizeof(ngx_keyval_t));
    if (*pairs == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        kv = ngx_array_push(*pairs);

        if (ngx_http_social_pair(cf, &value[i], &kv->key, &kv->value)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (field->more
            && ngx_shop_authreq_reserved(block->provider, &kv->key))
        {
            return ngx_http_social_bad_field(cf, &value[i],
                                             "parameters that the login does "
                                             "not set itself");
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_params(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t                *value, text;
    ngx_uint_t                i;
    ngx_array_t             **params;
    ngx_shop_param_t         *param;
    ngx_shop_claim_error_t    error;

    value = cf->args->elts;
    params = ngx_http_social_at(block, field);

    *params = ngx_array_create(cf->pool, cf->args->nelts,
                               sizeof(ngx_shop_param_t));
    if (*params == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        param = ngx_array_push(*params);

        if (ngx_http_social_pair(cf, &value[i], &param->name, &text)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        param->value = ngx_shop_claim_compile(cf->pool, &text,
                                              NGX_SHOP_CLAIM_TEMPLATE,
                                              field->more, &error);
        if (param->value == NULL) {
            return ngx_http_social_bad_claim(cf, &value[0], &text, &error);
        }
    }

    return NGX_CONF_OK;
}


/* the name ends with NUL */

static char *
ngx_http_social_pair(ngx_conf_t *cf, ngx_str_t *text, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char  *eq;

    eq = ngx_strlchr(text->data, text->data + text->len, '=');

    if (eq == NULL || eq == text->data) {
        return ngx_http_social_bad_field(cf, text, "NAME=VALUE");
    }

    if (!ngx_http_social_text_valid(text)) {
        return ngx_http_social_bad_field(cf, text,
                                         "UTF-8, no control characters");
    }

    name->len = eq - text->data;
    name->data = ngx_pnalloc(cf->pool, name->len + 1);

    if (name->data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpystrn(name->data, text->data, name->len + 1);

    value->data = eq + 1;
    value->len = text->data + text->len - value->data;

    return NGX_CONF_OK;
}


/* the values, with one blank between: an expression needs no quotes then */

static ngx_int_t
ngx_http_social_joined(ngx_conf_t *cf, ngx_str_t *text)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        len += value[i].len + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = len - 1;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    return NGX_OK;
}


static char *
ngx_http_social_bad_claim(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *text,
    ngx_shop_claim_error_t *error)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\": %s at character %uz",
                       text, name, error->what, error->at);

    return NGX_CONF_ERROR;
}
