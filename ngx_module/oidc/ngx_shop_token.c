
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


static ngx_int_t ngx_shop_token_basic(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *authorization);
static const char *ngx_shop_token_error(ngx_shop_json_t *json);
static ngx_int_t ngx_shop_token_string(ngx_shop_json_t *json,
    const char *name, ngx_str_t *value);


ngx_int_t
ngx_shop_token_request(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_metadata_t *metadata, ngx_str_t *code, ngx_str_t *verifier,
    ngx_str_t *redirect_uri, ngx_str_t *body, ngx_str_t *authorization)
{
    ngx_str_t    grant;
    ngx_array_t  fields;

    ngx_str_set(&grant, "authorization_code");
    ngx_str_null(authorization);

    if (ngx_array_init(&fields, pool, 8, sizeof(ngx_keyval_t)) != NGX_OK
        || ngx_shop_form_add(&fields, "grant_type", &grant) != NGX_OK
        || ngx_shop_form_add(&fields, "code", code) != NGX_OK
        || ngx_shop_form_add(&fields, "redirect_uri", redirect_uri)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (provider->pkce
        && ngx_shop_form_add(&fields, "code_verifier", verifier) != NGX_OK)
    {
        return NGX_ERROR;
    }

    switch (metadata->client_auth) {

    case NGX_SHOP_AUTH_POST:

        if (ngx_shop_form_add(&fields, "client_id", &provider->client_id)
            != NGX_OK
            || ngx_shop_form_add(&fields, "client_secret",
                                 &provider->client_secret)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_SHOP_AUTH_NONE:

        if (ngx_shop_form_add(&fields, "client_id", &provider->client_id)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    default: /* NGX_SHOP_AUTH_BASIC */

        if (ngx_shop_token_basic(pool, provider, authorization) != NGX_OK) {
            return NGX_ERROR;
        }

        break;
    }

    return ngx_shop_form_encode(pool, &fields, body);
}


/*
 * Both parts are form-encoded before they are joined (RFC 6749 2.3.1): a
 * client id is often a URL, and its colon would end it too early.
 */

static ngx_int_t
ngx_shop_token_basic(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *authorization)
{
    u_char     *p;
    ngx_str_t   plain, encoded;

    plain.len = ngx_shop_escaped_len(&provider->client_id) + 1
                + ngx_shop_escaped_len(&provider->client_secret);

    plain.data = ngx_pnalloc(pool, plain.len);
    if (plain.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_shop_escape(plain.data, &provider->client_id);
    *p++ = ':';
    (void) ngx_shop_escape(p, &provider->client_secret);

    p = ngx_pnalloc(pool, sizeof("Basic ") - 1
                          + ngx_base64_encoded_length(plain.len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    authorization->data = p;

    encoded.data = ngx_cpymem(p, "Basic ", sizeof("Basic ") - 1);

    ngx_encode_base64(&encoded, &plain);

    authorization->len = encoded.data + encoded.len - authorization->data;

    ngx_shop_zero(plain.data, plain.len);

    return NGX_OK;
}


ngx_int_t
ngx_shop_token_parse(ngx_pool_t *pool, ngx_uint_t status, ngx_str_t *text,
    ngx_shop_token_t *token, const char **reason)
{
    ngx_int_t         rc;
    ngx_str_t         type;
    ngx_shop_json_t  *json;

    ngx_memzero(token, sizeof(ngx_shop_token_t));

    json = ngx_shop_json_parse(pool, text, NGX_SHOP_TOKEN_MAX);

    if (status != 200 || ngx_shop_json_get(json, "error") != NULL) {
        *reason = ngx_shop_token_error(json);
        return NGX_ERROR;
    }

    *reason = "token_malformed";

    if (!ngx_shop_json_is_object(json)
        || ngx_shop_token_string(json, "access_token", &token->access_token)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_json_string(ngx_shop_json_get(json, "token_type"), &type);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* we could not use another one: RFC 6749 7.1 */

    if (rc == NGX_DECLINED
        || type.len != sizeof("bearer") - 1
        || ngx_strncasecmp(type.data, (u_char *) "bearer", type.len) != 0)
    {
        *reason = "token_type_refused";
        return NGX_ERROR;
    }

    rc = ngx_shop_token_string(json, "id_token", &token->id_token);

    if (rc == NGX_DECLINED) {
        *reason = "id_token_missing";
    }

    return (rc == NGX_OK) ? NGX_OK : NGX_ERROR;
}


static const char *
ngx_shop_token_error(ngx_shop_json_t *json)
{
    ngx_str_t  error;

    if (ngx_shop_json_string(ngx_shop_json_get(json, "error"), &error)
        != NGX_OK)
    {
        return "token_error";
    }

    if (ngx_shop_oidc_is(&error, "invalid_grant")) {
        return "code_refused";
    }

    if (ngx_shop_oidc_is(&error, "invalid_client")
        || ngx_shop_oidc_is(&error, "unauthorized_client"))
    {
        return "client_refused";
    }

    return "token_error";
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
