
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


static ngx_str_t  ngx_shop_provider_well_known =
    ngx_string("/.well-known/openid-configuration");


ngx_int_t
ngx_shop_provider_discovery_url(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *url)
{
    u_char     *p;
    ngx_str_t   base, *tail;

    if (provider->discovery.len) {
        *url = provider->discovery;
        return NGX_OK;
    }

    /* the path is appended to the issuer, less its final "/" */

    base = provider->issuer;
    tail = &ngx_shop_provider_well_known;

    if (base.len && base.data[base.len - 1] == '/') {
        base.len--;
    }

    p = ngx_pnalloc(pool, base.len + tail->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_cpymem(p, base.data, base.len);
    p = ngx_cpymem(p, tail->data, tail->len);

    url->len = p - url->data;

    return NGX_OK;
}


ngx_uint_t
ngx_shop_provider_is_issuer(ngx_shop_provider_t *provider, ngx_str_t *issuer)
{
    ngx_str_t   *alt;
    ngx_uint_t   i, n;

    if (issuer->len == 0) {
        return 0;
    }

    if (issuer->len == provider->issuer.len
        && ngx_memcmp(issuer->data, provider->issuer.data, issuer->len) == 0)
    {
        return 1;
    }

    n = provider->iss_alt ? provider->iss_alt->nelts : 0;
    alt = n ? provider->iss_alt->elts : NULL;

    for (i = 0; i < n; i++) {
        if (issuer->len == alt[i].len
            && ngx_memcmp(issuer->data, alt[i].data, issuer->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_shop_provider_error(ngx_shop_provider_t *provider, ngx_str_t *error)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    if (provider->err_map == NULL) {
        return;
    }

    kv = provider->err_map->elts;

    for (i = 0; i < provider->err_map->nelts; i++) {
        if (kv[i].key.len == error->len
            && ngx_strncmp(kv[i].key.data, error->data, error->len) == 0)
        {
            *error = kv[i].value;
            return;
        }
    }
}


ngx_int_t
ngx_shop_form_add(ngx_array_t *fields, const char *name, ngx_str_t *value)
{
    ngx_str_t  key;

    key.data = (u_char *) name;
    key.len = ngx_strlen(name);

    return ngx_shop_form_push(fields, &key, value);
}


ngx_int_t
ngx_shop_form_push(ngx_array_t *fields, ngx_str_t *name, ngx_str_t *value)
{
    ngx_keyval_t  *kv;

    kv = ngx_array_push(fields);
    if (kv == NULL) {
        return NGX_ERROR;
    }

    kv->key = *name;
    kv->value = *value;

    return NGX_OK;
}


/* what the provider calls it, else what RFC 6749 does */

ngx_int_t
ngx_shop_form_named(ngx_array_t *fields, ngx_str_t *theirs, const char *name,
    ngx_str_t *value)
{
    return theirs->len ? ngx_shop_form_push(fields, theirs, value)
                       : ngx_shop_form_add(fields, name, value);
}


ngx_int_t
ngx_shop_form_encode(ngx_pool_t *pool, ngx_array_t *fields, ngx_str_t *text)
{
    u_char        *p;
    size_t         len;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = fields->elts;
    len = 0;

    for (i = 0; i < fields->nelts; i++) {
        len += ngx_shop_escaped_len(&kv[i].key) + 1
               + ngx_shop_escaped_len(&kv[i].value) + 1;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; i < fields->nelts; i++) {

        if (i) {
            *p++ = '&';
        }

        p = ngx_shop_escape(p, &kv[i].key);
        *p++ = '=';
        p = ngx_shop_escape(p, &kv[i].value);
    }

    text->len = p - text->data;

    return NGX_OK;
}


ngx_uint_t
ngx_shop_oidc_is(ngx_str_t *value, const char *text)
{
    return value->len == ngx_strlen(text)
           && ngx_memcmp(value->data, text, value->len) == 0;
}
