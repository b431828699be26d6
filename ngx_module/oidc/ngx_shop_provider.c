
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Microsoft signs for all tenants with the same keys, and the issuer names
 * the tenant.  So "iss" alone says nothing, and neither does "tid": they must
 * be of one tenant, and that one must be allowed to sign in.  Some keys are
 * for one tenant only, such as that of personal accounts, and say so: what
 * they sign for another one is forged.
 */


#define NGX_SHOP_PROVIDER_TID  "{tid}"
#define NGX_SHOP_GUID_LEN      36


static ngx_uint_t ngx_shop_provider_filled(ngx_shop_provider_t *provider,
    ngx_str_t *issuer, ngx_str_t *filling);
static ngx_uint_t ngx_shop_provider_admits(ngx_shop_provider_t *provider,
    ngx_str_t *tid);
static ngx_uint_t ngx_shop_provider_is_guid(ngx_str_t *text);


/* the tenant of all personal accounts */

static u_char  ngx_shop_provider_consumers[] =
    "9188040d-6c67-4c5b-b112-36a304b66dad";


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
    ngx_str_t    tid, *alt;
    ngx_uint_t   i, n;

    if (issuer->len == 0) {
        return 0;
    }

    if (provider->tenant.len) {
        return ngx_shop_provider_filled(provider, issuer, &tid)
               && ngx_shop_provider_admits(provider, &tid);
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


ngx_uint_t
ngx_shop_provider_is_published(ngx_shop_provider_t *provider,
    ngx_str_t *issuer)
{
    ngx_str_t  filling;

    if (ngx_shop_text_is(&provider->tenant, "common")
        || ngx_shop_text_is(&provider->tenant, "organizations"))
    {
        return ngx_shop_provider_filled(provider, issuer, &filling)
               && ngx_shop_text_is(&filling, "{tenantid}");
    }

    return ngx_shop_provider_is_issuer(provider, issuer);
}


ngx_uint_t
ngx_shop_provider_may_sign(ngx_shop_provider_t *provider, ngx_str_t *of,
    ngx_str_t *issuer)
{
    ngx_str_t  filling;

    /* elsewhere it is a member of no meaning: RFC 7517 4 */

    if (provider->tenant.len == 0 || of->len == 0) {
        return 1;
    }

    if (of->len == issuer->len
        && ngx_memcmp(of->data, issuer->data, of->len) == 0)
    {
        return 1;
    }

    return ngx_shop_provider_filled(provider, of, &filling)
           && ngx_shop_text_is(&filling, "{tenantid}");
}


void
ngx_shop_provider_issuer(ngx_shop_provider_t *provider,
    ngx_shop_json_t *claims, ngx_str_t *issuer)
{
    ngx_str_t  iss, tid, told;

    *issuer = provider->issuer;

    if (provider->tenant.len) {
        ngx_str_null(issuer);
    }

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "iss"), &iss) != NGX_OK
        || !ngx_shop_provider_is_issuer(provider, &iss))
    {
        return;
    }

    if (provider->tenant.len
        && (ngx_shop_json_string(ngx_shop_json_get(claims, "tid"), &told)
            != NGX_OK
            || !ngx_shop_provider_filled(provider, &iss, &tid)
            || told.len != tid.len
            || ngx_memcmp(told.data, tid.data, tid.len) != 0))
    {
        return;
    }

    *issuer = iss;
}


/* what stands in "issuer" where the template has "{tid}" */

static ngx_uint_t
ngx_shop_provider_filled(ngx_shop_provider_t *provider, ngx_str_t *issuer,
    ngx_str_t *filling)
{
    u_char     *p;
    size_t      head, tail;
    ngx_str_t  *template;

    template = &provider->issuer;

    p = ngx_strlchr(template->data, template->data + template->len, '{');
    if (p == NULL) {
        return 0;
    }

    head = p - template->data;
    p += sizeof(NGX_SHOP_PROVIDER_TID) - 1;
    tail = template->data + template->len - p;

    if (issuer->len <= head + tail
        || ngx_memcmp(issuer->data, template->data, head) != 0
        || ngx_memcmp(issuer->data + issuer->len - tail, p, tail) != 0)
    {
        return 0;
    }

    filling->data = issuer->data + head;
    filling->len = issuer->len - head - tail;

    return 1;
}


static ngx_uint_t
ngx_shop_provider_admits(ngx_shop_provider_t *provider, ngx_str_t *tid)
{
    ngx_str_t   *tenant;
    ngx_uint_t   personal;

    tenant = &provider->tenant;

    if (!ngx_shop_provider_is_guid(tid)) {
        return 0;
    }

    personal = ngx_strncasecmp(tid->data, ngx_shop_provider_consumers,
                               NGX_SHOP_GUID_LEN)
               == 0;

    if (ngx_shop_text_is(tenant, "common")) {
        return 1;
    }

    if (ngx_shop_text_is(tenant, "organizations")) {
        return !personal;
    }

    if (ngx_shop_text_is(tenant, "consumers")) {
        return personal;
    }

    return tenant->len == NGX_SHOP_GUID_LEN
           && ngx_strncasecmp(tid->data, tenant->data, NGX_SHOP_GUID_LEN)
              == 0;
}


ngx_uint_t
ngx_shop_provider_is_tenant(ngx_str_t *tenant)
{
    return ngx_shop_text_is(tenant, "common")
           || ngx_shop_text_is(tenant, "organizations")
           || ngx_shop_text_is(tenant, "consumers")
           || ngx_shop_provider_is_guid(tenant);
}


static ngx_uint_t
ngx_shop_provider_is_guid(ngx_str_t *text)
{
    u_char  ch, c;
    size_t  i;

    if (text->len != NGX_SHOP_GUID_LEN) {
        return 0;
    }

    for (i = 0; i < NGX_SHOP_GUID_LEN; i++) {
        ch = text->data[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {

            if (ch != '-') {
                return 0;
            }

            continue;
        }

        c = ch | 0x20;

        if (!((ch >= '0' && ch <= '9') || (c >= 'a' && c <= 'f'))) {
            return 0;
        }
    }

    return 1;
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
