
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


static ngx_shop_json_t *ngx_shop_token_document(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *text);
static ngx_shop_json_t *ngx_shop_token_form(ngx_pool_t *pool,
    ngx_str_t *text);
static ngx_uint_t ngx_shop_token_failed(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_uint_t status, ngx_shop_json_t *json);
static const char *ngx_shop_token_error(ngx_shop_provider_t *provider,
    ngx_shop_json_t *json);
static ngx_int_t ngx_shop_token_type(ngx_shop_provider_t *provider,
    ngx_shop_json_t *json);
static ngx_int_t ngx_shop_token_string(ngx_shop_json_t *json,
    const char *name, ngx_str_t *value);


ngx_int_t
ngx_shop_token_parse(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_uint_t status, ngx_str_t *text, ngx_shop_token_t *token,
    const char **reason)
{
    ngx_int_t         rc;
    ngx_shop_json_t  *json;

    ngx_memzero(token, sizeof(ngx_shop_token_t));

    json = ngx_shop_token_document(pool, provider, text);

    if (ngx_shop_token_failed(pool, provider, status, json)) {
        *reason = ngx_shop_token_error(provider, json);
        return NGX_ERROR;
    }

    rc = ngx_shop_signed_answer(pool, provider, text, &json);

    if (rc != NGX_OK) {
        *reason = (rc == NGX_DECLINED) ? "token_error" : "signature_invalid";
        return NGX_ERROR;
    }

    *reason = "token_malformed";

    if (provider->tok_root) {
        json = ngx_shop_path_get(json, provider->tok_root);
    }

    if (!ngx_shop_json_is_object(json)
        || ngx_shop_token_string(json, "access_token", &token->access_token)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    token->json = json;

    rc = ngx_shop_token_type(provider, json);

    if (rc != NGX_OK) {

        if (rc == NGX_DECLINED) {
            *reason = "token_type_refused";
        }

        return NGX_ERROR;
    }

    if (provider->oauth2) {
        return NGX_OK;
    }

    rc = ngx_shop_token_string(json, "id_token", &token->id_token);

    if (rc == NGX_DECLINED) {
        *reason = "id_token_missing";
    }

    return (rc == NGX_OK) ? NGX_OK : NGX_ERROR;
}


static ngx_shop_json_t *
ngx_shop_token_document(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *text)
{
    if (text->len == 0 || text->len > NGX_SHOP_TOKEN_MAX) {
        return NULL;
    }

    if (provider->tok_format == NGX_SHOP_FORMAT_FORM
        || (provider->tok_format == NGX_SHOP_FORMAT_AUTO
            && ngx_strlchr(text->data, text->data + text->len, '{') == NULL))
    {
        return ngx_shop_token_form(pool, text);
    }

    return ngx_shop_json_parse_mended(pool, text, NGX_SHOP_TOKEN_MAX);
}


/* as an object of texts; a field that comes twice is no answer at all */

static ngx_shop_json_t *
ngx_shop_token_form(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char            *p;
    ngx_str_t          raw, field, name, value;
    ngx_uint_t         n;
    ngx_shop_json_t   *json;
    ngx_shop_query_t   query;

    json = ngx_shop_json_new_object(pool);

    ngx_shop_query_init(&query, text);

    for (n = 0; ngx_shop_query_next(&query, &raw, &field) == NGX_OK; n++) {

        if (n == NGX_SHOP_TOKEN_FIELDS
            || ngx_shop_unescape_form(pool, &raw, &name) != NGX_OK
            || ngx_shop_unescape_form(pool, &field, &value) != NGX_OK)
        {
            return NULL;
        }

        p = ngx_pnalloc(pool, name.len + 1);
        if (p == NULL) {
            return NULL;
        }

        (void) ngx_cpystrn(p, name.data, name.len + 1);

        if (ngx_shop_json_get(json, (char *) p) != NULL
            || ngx_shop_json_set(pool, json, (char *) p,
                                 ngx_shop_json_new_string(pool, &value))
               != NGX_OK)
        {
            return NULL;
        }
    }

    return json;
}


static ngx_uint_t
ngx_shop_token_failed(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_uint_t status, ngx_shop_json_t *json)
{
    ngx_str_t  error;

    if (status != 200) {
        return 1;
    }

    if (provider->ok_tok != NULL) {
        return json != NULL
               && !ngx_shop_rule_holds(pool, provider->ok_tok, json);
    }

    return ngx_shop_json_string(ngx_shop_json_get(json, "error"), &error)
           != NGX_DECLINED;
}


static const char *
ngx_shop_token_error(ngx_shop_provider_t *provider, ngx_shop_json_t *json)
{
    ngx_str_t  error;

    if (ngx_shop_json_string(ngx_shop_json_get(json, "error"), &error)
        != NGX_OK)
    {
        return "token_error";
    }

    ngx_shop_provider_error(provider, &error);

    if (ngx_shop_text_is(&error, "invalid_grant")) {
        return "code_refused";
    }

    if (ngx_shop_text_is(&error, "invalid_client")
        || ngx_shop_text_is(&error, "unauthorized_client"))
    {
        return "client_refused";
    }

    return "token_error";
}


/*
 * We could not use another type than Bearer (RFC 6749 7.1), unless the token
 * is sent in a way of the provider's own.  Without an ID token many do not
 * name the type.  NGX_DECLINED: refused; NGX_ERROR: malformed.
 */

static ngx_int_t
ngx_shop_token_type(ngx_shop_provider_t *provider, ngx_shop_json_t *json)
{
    ngx_int_t  rc;
    ngx_str_t  type;

    if (provider->oauth2 && provider->ui[0].bearer != NGX_SHOP_BEARER) {
        return NGX_OK;
    }

    rc = ngx_shop_json_string(ngx_shop_json_get(json, "token_type"), &type);

    if (rc == NGX_DECLINED && provider->oauth2) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_shop_text_is_caseless(&type, "bearer") ? NGX_OK : NGX_DECLINED;
}


/* visible ASCII only, since an access token goes into a header line */

static ngx_int_t
ngx_shop_token_string(ngx_shop_json_t *json, const char *name,
    ngx_str_t *value)
{
    size_t     i;
    ngx_int_t  rc;

    rc = ngx_shop_json_string(ngx_shop_json_get(json, name), value);

    if (rc != NGX_OK) {
        return rc;
    }

    if (value->len == 0) {
        return NGX_ERROR;
    }

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < 0x21 || value->data[i] > 0x7e) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
