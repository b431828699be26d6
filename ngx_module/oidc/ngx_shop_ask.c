
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * What providers want to be asked with differs more than anything else: who
 * we are and what we hold go into a header, the query or the body, under one
 * name or another.  All of it is put together here; each value is escaped
 * for where it goes, and what cannot be escaped, in a header, is refused.
 * What holds a secret and was put together here is zeroed with the pool.
 */


typedef struct {
    ngx_pool_t                *pool;
    ngx_shop_provider_t       *provider;
    ngx_shop_docs_t           *docs;
    ngx_shop_ask_t            *ask;
    ngx_array_t                query;       /* of ngx_keyval_t */
    ngx_array_t                form;

    unsigned                   has_form:1;
} ngx_shop_asking_t;


static ngx_int_t ngx_shop_ask_init(ngx_shop_asking_t *a, ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs,
    ngx_shop_ask_t *ask);
static ngx_int_t ngx_shop_ask_grant(ngx_shop_asking_t *a,
    ngx_array_t *fields, ngx_str_t *code, ngx_str_t *verifier,
    ngx_str_t *redirect_uri);
static ngx_int_t ngx_shop_ask_client(ngx_shop_asking_t *a,
    ngx_shop_client_auth_e auth, ngx_array_t *fields);
static ngx_int_t ngx_shop_ask_basic(ngx_shop_asking_t *a);
static ngx_int_t ngx_shop_ask_bearer(ngx_shop_asking_t *a,
    ngx_shop_userinfo_t *ui, ngx_str_t *access_token);
static ngx_int_t ngx_shop_ask_proof(ngx_shop_asking_t *a, ngx_uint_t n,
    ngx_str_t *access_token);
static ngx_int_t ngx_shop_ask_sign(ngx_shop_asking_t *a,
    ngx_str_t *access_token);
static ngx_int_t ngx_shop_ask_authorization(ngx_shop_asking_t *a,
    ngx_str_t *scheme, ngx_str_t *access_token);
static ngx_int_t ngx_shop_ask_params(ngx_shop_asking_t *a,
    ngx_array_t *params, ngx_array_t *fields, ngx_uint_t headers);
static ngx_int_t ngx_shop_ask_header(ngx_shop_asking_t *a, ngx_str_t *name,
    ngx_str_t *value);
static ngx_int_t ngx_shop_ask_url(ngx_shop_asking_t *a, ngx_shop_url_t *url);
static ngx_int_t ngx_shop_ask_end(ngx_shop_asking_t *a, ngx_shop_url_t *url,
    ngx_uint_t post);


ngx_int_t
ngx_shop_ask_token(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_metadata_t *metadata, ngx_shop_docs_t *docs, ngx_str_t *code,
    ngx_str_t *verifier, ngx_str_t *redirect_uri, ngx_shop_ask_t *ask)
{
    ngx_array_t        *fields;
    ngx_shop_asking_t   a;

    if (ngx_shop_ask_init(&a, pool, provider, docs, ask) != NGX_OK) {
        return NGX_ERROR;
    }

    fields = provider->tok_get ? &a.query : &a.form;
    a.has_form = !provider->tok_get;

    if (ngx_shop_ask_grant(&a, fields, code, verifier, redirect_uri)
        != NGX_OK
        || ngx_shop_ask_client(&a, metadata->client_auth, fields) != NGX_OK
        || ngx_shop_ask_params(&a, provider->tok_extra, fields, 0) != NGX_OK
        || ngx_shop_ask_params(&a, provider->tok_headers, NULL, 1) != NGX_OK
        || ngx_shop_ask_sign(&a, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_ask_end(&a, &metadata->token, !provider->tok_get);
}


ngx_int_t
ngx_shop_ask_userinfo(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_metadata_t *metadata, ngx_uint_t n, ngx_shop_docs_t *docs,
    ngx_str_t *access_token, ngx_shop_ask_t *ask)
{
    ngx_int_t             rc;
    ngx_shop_url_t       *url[3];
    ngx_shop_asking_t     a;
    ngx_shop_userinfo_t  *ui;

    ui = &provider->ui[n];

    url[0] = &metadata->userinfo;
    url[1] = &metadata->userinfo2;
    url[NGX_SHOP_TOKENINFO] = &metadata->tokeninfo;

    if (ngx_shop_ask_init(&a, pool, provider, docs, ask) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a provider may refuse a body, and its type, where it wants none */

    a.has_form = (ui->body != NULL || ui->bearer == NGX_SHOP_BEARER_BODY);

    if (ngx_shop_ask_bearer(&a, ui, access_token) != NGX_OK
        || ngx_shop_ask_proof(&a, n, access_token) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_ask_params(&a, ui->query, &a.query, 0);

    if (rc == NGX_OK) {
        rc = ngx_shop_ask_params(&a, ui->body, &a.form, 0);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_ask_params(&a, ui->headers, NULL, 1);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_ask_sign(&a, access_token);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_shop_ask_end(&a, url[n], ui->post);
}


static ngx_int_t
ngx_shop_ask_init(ngx_shop_asking_t *a, ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs,
    ngx_shop_ask_t *ask)
{
    ngx_memzero(a, sizeof(ngx_shop_asking_t));
    ngx_memzero(ask, sizeof(ngx_shop_ask_t));

    a->pool = pool;
    a->provider = provider;
    a->docs = docs;
    a->ask = ask;

    if (ngx_array_init(&a->query, pool, 8, sizeof(ngx_keyval_t)) != NGX_OK
        || ngx_array_init(&a->form, pool, 8, sizeof(ngx_keyval_t)) != NGX_OK
        || ngx_array_init(&ask->headers, pool, 4, sizeof(ngx_keyval_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_ask_grant(ngx_shop_asking_t *a, ngx_array_t *fields,
    ngx_str_t *code, ngx_str_t *verifier, ngx_str_t *redirect_uri)
{
    ngx_str_t  grant;

    ngx_str_set(&grant, "authorization_code");

    if (ngx_shop_form_add(fields, "grant_type", &grant) != NGX_OK
        || ngx_shop_form_add(fields, "code", code) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* Alipay's request has no such parameter */

    if (redirect_uri->len
        && a->provider->sign != NGX_SHOP_SIGN_ALIPAY
        && ngx_shop_form_add(fields, "redirect_uri", redirect_uri) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (a->provider->pkce != NGX_SHOP_PKCE_OFF
        && verifier->len
        && ngx_shop_form_add(fields, "code_verifier", verifier) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_ask_client(ngx_shop_asking_t *a, ngx_shop_client_auth_e auth,
    ngx_array_t *fields)
{
    ngx_str_t             secret;
    ngx_shop_provider_t  *provider;

    provider = a->provider;
    secret = provider->client_secret;

    switch (auth) {

    case NGX_SHOP_AUTH_QUERY:
        fields = &a->query;
        break;

    case NGX_SHOP_AUTH_HEADER:

        if (ngx_shop_ask_header(a, &provider->auth_header,
                                &provider->client_secret)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_SHOP_AUTH_JWT:

        if (ngx_shop_secret(provider, ngx_time(), &secret, a->pool->log)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_SHOP_AUTH_POST:
    case NGX_SHOP_AUTH_NONE:
        break;

    default: /* NGX_SHOP_AUTH_BASIC */
        return ngx_shop_ask_basic(a);
    }

    if (ngx_shop_form_named(fields, &provider->p_client_id, "client_id",
                            &provider->client_id)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (auth == NGX_SHOP_AUTH_NONE || auth == NGX_SHOP_AUTH_HEADER) {
        return NGX_OK;
    }

    return ngx_shop_form_named(fields, &provider->p_secret, "client_secret",
                               &secret);
}


/*
 * Both parts are form-encoded before they are joined (RFC 6749 2.3.1): a
 * client id is often a URL, and its colon would end it too early.
 */

static ngx_int_t
ngx_shop_ask_basic(ngx_shop_asking_t *a)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   plain, encoded, scheme;

    plain.len = ngx_shop_escaped_len(&a->provider->client_id) + 1
                + ngx_shop_escaped_len(&a->provider->client_secret);

    plain.data = ngx_pnalloc(a->pool, plain.len);
    encoded.data = ngx_pnalloc(a->pool,
                               ngx_base64_encoded_length(plain.len));

    if (plain.data == NULL || encoded.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_shop_escape(plain.data, &a->provider->client_id);
    *p++ = ':';
    (void) ngx_shop_escape(p, &a->provider->client_secret);

    ngx_encode_base64(&encoded, &plain);

    ngx_str_set(&scheme, "Basic");

    rc = ngx_shop_ask_authorization(a, &scheme, &encoded);

    ngx_shop_zero(plain.data, plain.len);
    ngx_shop_zero(encoded.data, encoded.len);

    return rc;
}


static ngx_int_t
ngx_shop_ask_bearer(ngx_shop_asking_t *a, ngx_shop_userinfo_t *ui,
    ngx_str_t *access_token)
{
    ngx_str_t  bearer;

    switch (ui->bearer) {

    case NGX_SHOP_BEARER_SCHEME:
        return ngx_shop_ask_authorization(a, &ui->bearer_name, access_token);

    case NGX_SHOP_BEARER_HEADER:
        return ngx_shop_ask_header(a, &ui->bearer_name, access_token);

    case NGX_SHOP_BEARER_QUERY:
        return ngx_shop_form_push(&a->query, &ui->bearer_name, access_token);

    case NGX_SHOP_BEARER_BODY:
        return ngx_shop_form_push(&a->form, &ui->bearer_name, access_token);

    case NGX_SHOP_BEARER_NONE:
        return NGX_OK;

    default: /* NGX_SHOP_BEARER */
        ngx_str_set(&bearer, "Bearer");
        return ngx_shop_ask_authorization(a, &bearer, access_token);
    }
}


/* Meta's: that who uses the token has the secret, which the MAC keeps */

static ngx_int_t
ngx_shop_ask_proof(ngx_shop_asking_t *a, ngx_uint_t n,
    ngx_str_t *access_token)
{
    ngx_str_t  proof;
    u_char     mac[NGX_SHOP_SHA256_LEN];

    if (n != 0 || !a->provider->ui_proof) {
        return NGX_OK;
    }

    if (ngx_shop_hmac_sha256(&a->provider->client_secret, access_token, mac,
                             a->pool->log)
        != NGX_OK
        || ngx_shop_hex(a->pool, mac, NGX_SHOP_SHA256_LEN, &proof) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_form_add(&a->query, "appsecret_proof", &proof);
}


/* after all parameters; there is no access token in the token request */

static ngx_int_t
ngx_shop_ask_sign(ngx_shop_asking_t *a, ngx_str_t *access_token)
{
    if (a->provider->sign == NGX_SHOP_SIGN_ALIPAY) {
        return ngx_shop_signed_alipay(a->pool, a->provider, ngx_time(),
                                      &a->query, &a->form);
    }

    if (a->provider->sign == NGX_SHOP_SIGN_OK && access_token != NULL) {
        return ngx_shop_signed_ok(a->pool, a->provider, access_token,
                                  &a->query, &a->form);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_ask_authorization(ngx_shop_asking_t *a, ngx_str_t *scheme,
    ngx_str_t *access_token)
{
    ngx_str_t  name, value;

    value.data = ngx_pnalloc(a->pool, scheme->len + 1 + access_token->len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%V %V", scheme, access_token)
                - value.data;

    if (ngx_shop_zero_later(a->pool, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "Authorization");

    return ngx_shop_ask_header(a, &name, &value);
}


static ngx_int_t
ngx_shop_ask_params(ngx_shop_asking_t *a, ngx_array_t *params,
    ngx_array_t *fields, ngx_uint_t headers)
{
    ngx_int_t          rc;
    ngx_str_t          value;
    ngx_uint_t         i, used;
    ngx_shop_param_t  *param;

    if (params == NULL) {
        return NGX_OK;
    }

    param = params->elts;

    for (i = 0; i < params->nelts; i++) {

        rc = ngx_shop_claim_eval(a->pool, param[i].value, a->docs,
                                 NGX_SHOP_DOCS_ALL, &value, &used);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc == NGX_OK) {
            rc = headers
                 ? ngx_shop_ask_header(a, &param[i].name, &value)
                 : ngx_shop_form_push(fields, &param[i].name, &value);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_ask_header(ngx_shop_asking_t *a, ngx_str_t *name, ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < 0x20 || value->data[i] == 0x7f) {
            return NGX_ERROR;
        }
    }

    return ngx_shop_form_push(&a->ask->headers, name, value);
}


static ngx_int_t
ngx_shop_ask_url(ngx_shop_asking_t *a, ngx_shop_url_t *url)
{
    u_char     *p;
    ngx_str_t   query, *uri;

    a->ask->url = *url;

    if (a->query.nelts == 0) {
        return NGX_OK;
    }

    if (ngx_shop_form_encode(a->pool, &a->query, &query) != NGX_OK
        || ngx_shop_zero_later(a->pool, &query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    uri = &a->ask->url.uri;

    p = ngx_pnalloc(a->pool, url->uri.len + 1 + query.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    uri->data = p;

    p = ngx_cpymem(p, url->uri.data, url->uri.len);
    *p++ = ngx_strlchr(url->uri.data, url->uri.data + url->uri.len, '?')
           ? '&' : '?';
    p = ngx_cpymem(p, query.data, query.len);

    uri->len = p - uri->data;

    return ngx_shop_zero_later(a->pool, uri);
}


static ngx_int_t
ngx_shop_ask_end(ngx_shop_asking_t *a, ngx_shop_url_t *url, ngx_uint_t post)
{
    ngx_str_t  name, form;

    if (post) {
        ngx_str_set(&a->ask->method, "POST");

    } else {
        ngx_str_set(&a->ask->method, "GET");
    }

    if (a->has_form) {
        ngx_str_set(&name, "Content-Type");
        ngx_str_set(&form, "application/x-www-form-urlencoded");

        if (ngx_shop_ask_header(a, &name, &form) != NGX_OK
            || ngx_shop_form_encode(a->pool, &a->form, &a->ask->body)
               != NGX_OK
            || ngx_shop_zero_later(a->pool, &a->ask->body) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_shop_ask_url(a, url);
}
