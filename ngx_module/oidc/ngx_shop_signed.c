
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_md5.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Two providers want a request to be signed over all of its parameters,
 * sorted by name, and one of them signs its answers as well.
 *
 * Alipay: "a=1&b=2" under the application's RSA key.  An answer is
 *
 *     {"METHOD_response":{ ... },"sign":"BASE64"}
 *
 * and the signature is over the bytes between METHOD_response":  and  ,"sign
 * as they came, so what is verified is cut out of the text and not written
 * anew from what was read.  The other way round, of what was read nothing is
 * used but what was verified: those bytes are read a second time, by
 * themselves.  Some of Alipay's servers write "/" as "\/" after they have
 * signed, so that their own libraries try it with "/", too; it is then the
 * text with "/" that is read.
 *
 * OK.ru: "a=1b=2" and behind it the MD5 of access token and secret, as an
 * MD5.  The digest is what the provider asks for; that anybody could forge
 * such a request some day is their concern, the secret stays with us.
 */


#define NGX_SHOP_SIGNED_ZONE     28800      /* seconds: China has UTC+8 */
#define NGX_SHOP_SIGNED_MD5_LEN  16

#define NGX_SHOP_SIGNED_SUFFIX   "_response"
#define NGX_SHOP_SIGNED_ERROR    "error_response"


static ngx_int_t ngx_shop_signed_text(ngx_pool_t *pool, ngx_array_t *query,
    ngx_array_t *form, const char *sep, const char *except, ngx_str_t *text);
static int ngx_libc_cdecl ngx_shop_signed_compare(const void *one,
    const void *two);
static void ngx_shop_signed_md5(ngx_str_t *one, ngx_str_t *two, u_char *hex);
static ngx_int_t ngx_shop_signed_find(ngx_str_t *text, ngx_str_t *name,
    ngx_str_t *value);
static ngx_int_t ngx_shop_signed_member(u_char **pos, u_char *last,
    ngx_str_t *name, ngx_str_t *value);
static u_char *ngx_shop_signed_string(u_char *p, u_char *last);
static ngx_uint_t ngx_shop_signed_blank(u_char ch);
static ngx_int_t ngx_shop_signed_verify(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *sign, ngx_str_t *value);


ngx_int_t
ngx_shop_signed_alipay(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    time_t now, ngx_array_t *query, ngx_array_t *form)
{
    ngx_tm_t    tm;
    ngx_int_t   rc;
    ngx_str_t   type, timestamp, text, sign;

    ngx_str_set(&type, "RSA2");

    timestamp.len = sizeof("2026-01-01 00:00:00") - 1;
    timestamp.data = ngx_pnalloc(pool, timestamp.len);
    if (timestamp.data == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(now + NGX_SHOP_SIGNED_ZONE, &tm);

    (void) ngx_sprintf(timestamp.data, "%4d-%02d-%02d %02d:%02d:%02d",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

    if (ngx_shop_form_add(query, "sign_type", &type) != NGX_OK
        || ngx_shop_form_add(query, "timestamp", &timestamp) != NGX_OK
        || ngx_shop_signed_text(pool, query, form, "&", NULL, &text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_sign_rsa(pool, provider->secret.key, &text, &sign,
                           pool->log);

    return (rc == NGX_OK) ? ngx_shop_form_add(query, "sign", &sign) : rc;
}


ngx_int_t
ngx_shop_signed_ok(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *access_token, ngx_array_t *query, ngx_array_t *form)
{
    ngx_str_t  text, session, sig;
    u_char     secret[2 * NGX_SHOP_SIGNED_MD5_LEN];

    session.data = secret;
    session.len = sizeof(secret);

    sig.len = 2 * NGX_SHOP_SIGNED_MD5_LEN;
    sig.data = ngx_pnalloc(pool, sig.len);

    if (sig.data == NULL
        || ngx_shop_form_add(query, "application_key",
                             &provider->application_key)
           != NGX_OK
        || ngx_shop_signed_text(pool, query, form, "", "access_token", &text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_shop_signed_md5(access_token, &provider->client_secret, secret);
    ngx_shop_signed_md5(&text, &session, sig.data);

    ngx_shop_zero(secret, sizeof(secret));

    return ngx_shop_form_add(query, "sig", &sig);
}


/* what is empty does not count */

static ngx_int_t
ngx_shop_signed_text(ngx_pool_t *pool, ngx_array_t *query, ngx_array_t *form,
    const char *sep, const char *except, ngx_str_t *text)
{
    u_char        *p;
    size_t         len, n;
    ngx_uint_t     i, total;
    ngx_keyval_t  *kv;

    n = ngx_strlen(sep);
    total = query->nelts + form->nelts;
    len = 0;

    kv = ngx_palloc(pool, total * sizeof(ngx_keyval_t));
    if (kv == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(kv, query->elts, query->nelts * sizeof(ngx_keyval_t));
    ngx_memcpy(kv + query->nelts, form->elts,
               form->nelts * sizeof(ngx_keyval_t));

    ngx_qsort(kv, total, sizeof(ngx_keyval_t), ngx_shop_signed_compare);

    for (i = 0; i < total; i++) {
        len += kv[i].key.len + 1 + kv[i].value.len + n;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; i < total; i++) {

        if (kv[i].value.len == 0
            || (except != NULL && ngx_shop_text_is(&kv[i].key, except)))
        {
            continue;
        }

        if (p != text->data) {
            p = ngx_cpymem(p, sep, n);
        }

        p = ngx_cpymem(p, kv[i].key.data, kv[i].key.len);
        *p++ = '=';
        p = ngx_cpymem(p, kv[i].value.data, kv[i].value.len);
    }

    text->len = p - text->data;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_shop_signed_compare(const void *one, const void *two)
{
    const ngx_keyval_t  *first, *second;

    first = one;
    second = two;

    return (int) ngx_memn2cmp(first->key.data, second->key.data,
                              first->key.len, second->key.len);
}


static void
ngx_shop_signed_md5(ngx_str_t *one, ngx_str_t *two, u_char *hex)
{
    ngx_md5_t  md5;
    u_char     digest[NGX_SHOP_SIGNED_MD5_LEN];

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, one->data, one->len);
    ngx_md5_update(&md5, two->data, two->len);
    ngx_md5_final(digest, &md5);

    (void) ngx_hex_dump(hex, digest, NGX_SHOP_SIGNED_MD5_LEN);

    ngx_shop_zero(&md5, sizeof(ngx_md5_t));
    ngx_shop_zero(digest, NGX_SHOP_SIGNED_MD5_LEN);
}


ngx_int_t
ngx_shop_signed_answer(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *text, ngx_shop_json_t **json)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   name, value, sign, alone;

    if (provider->sign != NGX_SHOP_SIGN_ALIPAY) {
        return NGX_OK;
    }

    if (!ngx_shop_json_is_object(*json)
        || ngx_shop_signed_find(text, &name, &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_text_is(&name, NGX_SHOP_SIGNED_ERROR)) {
        return NGX_DECLINED;
    }

    if (ngx_shop_json_string(ngx_shop_json_get(*json, "sign"), &sign)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_signed_verify(pool, provider, &sign, &value);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    alone.len = sizeof("{\"\":}") - 1 + name.len + value.len;

    p = ngx_pnalloc(pool, alone.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    alone.data = p;

    (void) ngx_sprintf(p, "{\"%V\":%V}", &name, &value);

    *json = ngx_shop_json_parse_mended(pool, &alone, alone.len);

    return (*json != NULL) ? NGX_OK : NGX_ERROR;
}


/*
 * The one member of a JSON object whose name ends with "_response".  That the
 * text is an object, and that no name is in it twice, was found out by who
 * has parsed it; a name that was written with escapes is not found.
 */

static ngx_int_t
ngx_shop_signed_find(ngx_str_t *text, ngx_str_t *name, ngx_str_t *value)
{
    size_t      len;
    u_char     *p, *last;
    ngx_str_t   key, member;

    len = sizeof(NGX_SHOP_SIGNED_SUFFIX) - 1;

    p = text->data;
    last = p + text->len;

    ngx_str_null(value);

    while (ngx_shop_signed_member(&p, last, &key, &member) == NGX_OK) {

        if (key.len < len
            || ngx_memcmp(key.data + key.len - len, NGX_SHOP_SIGNED_SUFFIX,
                          len)
               != 0)
        {
            continue;
        }

        if (value->len) {
            return NGX_ERROR;
        }

        *name = key;
        *value = member;
    }

    return value->len ? NGX_OK : NGX_ERROR;
}


/* the next member of the outermost object, as it is written */

static ngx_int_t
ngx_shop_signed_member(u_char **pos, u_char *last, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char      *p;
    ngx_uint_t   depth;

    p = ngx_strlchr(*pos, last, '"');
    if (p == NULL) {
        return NGX_DONE;
    }

    name->data = p + 1;
    p = ngx_shop_signed_string(p, last);
    name->len = p - name->data;

    p = ngx_strlchr(p, last, ':');
    if (p == NULL) {
        return NGX_DONE;
    }

    do {
        p++;
    } while (p < last && ngx_shop_signed_blank(*p));

    value->data = p;
    depth = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == '"') {
            p = ngx_shop_signed_string(p, last);

            if (p == last) {
                break;
            }

        } else if (*p == '{' || *p == '[') {
            depth++;

        } else if (depth == 0 && (*p == ',' || *p == '}')) {
            break;

        } else if (*p == '}' || *p == ']') {
            depth--;
        }
    }

    *pos = p;

    while (p > value->data && ngx_shop_signed_blank(p[-1])) {
        p--;
    }

    value->len = p - value->data;

    return NGX_OK;
}


/* from a quote to the one that ends the string, or to the end of all */

static u_char *
ngx_shop_signed_string(u_char *p, u_char *last)
{
    for (p++; p < last && *p != '"'; p++) {

        if (*p == '\\' && ++p == last) {
            break;
        }
    }

    return p;
}


static ngx_uint_t
ngx_shop_signed_blank(u_char ch)
{
    return ch == ' ' || ch == '\t' || ch == LF || ch == CR;
}


/* "value" becomes what was signed */

static ngx_int_t
ngx_shop_signed_verify(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *sign, ngx_str_t *value)
{
    u_char     *p;
    size_t      i;
    ngx_str_t   plain;

    if (ngx_shop_sign_rsa_verify(provider->verify_key, value, sign) == NGX_OK)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    plain.data = p;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] == '\\' && i + 1 < value->len
            && value->data[i + 1] == '/')
        {
            continue;
        }

        *p++ = value->data[i];
    }

    plain.len = p - plain.data;

    if (plain.len == value->len
        || ngx_shop_sign_rsa_verify(provider->verify_key, &plain, sign)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    *value = plain;

    return NGX_OK;
}
