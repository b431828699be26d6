
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Telegram's login widget: no code and no token.  The browser itself brings
 * what Telegram says of somebody, and a MAC of it, in hex: the HMAC-SHA256 of
 *
 *     auth_date=1795549266
 *     first_name=Ann
 *     id=987654321
 *
 * all fields but the MAC, sorted, with LF between and none at the end, under
 * the SHA-256 of the bot's token.
 *
 * A field with a name that is not known here belongs to it, since Telegram
 * signs whatever it sends: it counts for the MAC and for nothing else.  So
 * nobody is shut out when Telegram tells more one day, and who adds a field
 * to an answer spoils it.  "state" alone is ours, part of the address that
 * Telegram appends to.
 *
 * Lines have no escapes, and a value with LF in it could be read as several
 * fields, with another "id" among them.  So values have no control characters
 * and names are words: then each text is that of one list of fields.
 */


#define NGX_SHOP_WIDGET_FIELDS_MAX  16
#define NGX_SHOP_WIDGET_NAME_MAX    32
#define NGX_SHOP_WIDGET_VALUE_MAX   1024    /* bytes, decoded */
#define NGX_SHOP_WIDGET_ID_MAX      20      /* digits */


static ngx_int_t ngx_shop_widget_parse(ngx_pool_t *pool, ngx_str_t *callback,
    ngx_array_t *fields, ngx_str_t *mac, const char **reason);
static ngx_int_t ngx_shop_widget_add(ngx_array_t *fields, ngx_str_t *name,
    ngx_str_t *value, const char **reason);
static ngx_uint_t ngx_shop_widget_is_name(ngx_str_t *name);
static ngx_uint_t ngx_shop_widget_is_text(ngx_str_t *value);
static ngx_uint_t ngx_shop_widget_is_id(ngx_str_t *value);
static ngx_int_t ngx_shop_widget_compare(const void *one,
    const void *two);
static ngx_int_t ngx_shop_widget_mac(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_array_t *fields, ngx_str_t *mac);
static ngx_int_t ngx_shop_widget_time(ngx_array_t *fields, time_t now,
    time_t age, const char **reason);
static ngx_int_t ngx_shop_widget_claims(ngx_pool_t *pool,
    ngx_array_t *fields, ngx_shop_json_t **claims);
static ngx_int_t ngx_shop_widget_get(ngx_array_t *fields, ngx_str_t *name,
    ngx_str_t *value);


static ngx_str_t  ngx_shop_widget_auth_date = ngx_string("auth_date");


static ngx_str_t  ngx_shop_widget_known[] = {
    ngx_string("id"),
    ngx_string("first_name"),
    ngx_string("last_name"),
    ngx_string("username"),
    ngx_string("photo_url"),
    ngx_null_string
};


ngx_int_t
ngx_shop_widget_fields(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_attempt_t *attempt, ngx_str_t *redirect_uri,
    ngx_array_t *fields)
{
    u_char     *p, *last;
    ngx_str_t   origin, back;

    /* up to the path: "https://shop.example.com" */

    last = redirect_uri->data + redirect_uri->len;

    p = ngx_strlchr(redirect_uri->data, last, '/');
    p = p ? ngx_strlchr(p + 2, last, '/') : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    origin.data = redirect_uri->data;
    origin.len = p - redirect_uri->data;

    back.data = ngx_pnalloc(pool, redirect_uri->len + sizeof("?state=") - 1
                                  + attempt->state.len);
    if (back.data == NULL) {
        return NGX_ERROR;
    }

    back.len = ngx_sprintf(back.data, "%V?state=%V", redirect_uri,
                           &attempt->state)
               - back.data;

    if (ngx_shop_form_add(fields, "bot_id", &provider->client_id) != NGX_OK
        || ngx_shop_form_add(fields, "origin", &origin) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_form_add(fields, "return_to", &back);
}


ngx_int_t
ngx_shop_widget_check(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *callback, time_t now, time_t age, ngx_shop_json_t **claims,
    ngx_str_t *mac, const char **reason)
{
    ngx_str_t    ours;
    ngx_array_t  fields;

    *reason = "internal_error";

    if (ngx_array_init(&fields, pool, NGX_SHOP_WIDGET_FIELDS_MAX,
                       sizeof(ngx_keyval_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_widget_parse(pool, callback, &fields, mac, reason) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (mac->len == 0) {
        *reason = "signature_missing";
        return NGX_ERROR;
    }

    if (ngx_shop_widget_mac(pool, provider, &fields, &ours) != NGX_OK) {
        *reason = "internal_error";
        return NGX_ERROR;
    }

    if (!ngx_shop_equal(&ours, mac)) {
        *reason = "signature_invalid";
        return NGX_ERROR;
    }

    if (ngx_shop_widget_time(&fields, now, age, reason) != NGX_OK) {
        return NGX_ERROR;
    }

    *reason = "claims_malformed";

    return ngx_shop_widget_claims(pool, &fields, claims);
}


static ngx_int_t
ngx_shop_widget_parse(ngx_pool_t *pool, ngx_str_t *callback,
    ngx_array_t *fields, ngx_str_t *mac, const char **reason)
{
    ngx_str_t         raw, name, encoded, value;
    ngx_shop_query_t  query;

    *reason = "callback_malformed";

    ngx_str_null(mac);
    ngx_shop_query_init(&query, callback);

    while (ngx_shop_query_next(&query, &raw, &encoded) == NGX_OK) {

        if (encoded.len > 3 * NGX_SHOP_WIDGET_VALUE_MAX
            || ngx_shop_unescape_form(pool, &raw, &name) != NGX_OK
            || ngx_shop_unescape_form(pool, &encoded, &value) != NGX_OK
            || !ngx_shop_widget_is_name(&name)
            || !ngx_shop_widget_is_text(&value))
        {
            return NGX_ERROR;
        }

        /* whoever has read the state has found it to be there once */

        if (ngx_shop_text_is(&name, "state")) {
            continue;
        }

        if (!ngx_shop_text_is(&name, "hash")) {

            if (ngx_shop_widget_add(fields, &name, &value, reason) != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (mac->len) {
            *reason = "parameter_duplicated";
            return NGX_ERROR;
        }

        if (value.len == 0) {
            return NGX_ERROR;
        }

        *mac = value;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_widget_add(ngx_array_t *fields, ngx_str_t *name, ngx_str_t *value,
    const char **reason)
{
    ngx_str_t  other;

    if (ngx_shop_widget_get(fields, name, &other) == NGX_OK) {
        *reason = "parameter_duplicated";
        return NGX_ERROR;
    }

    if (fields->nelts == NGX_SHOP_WIDGET_FIELDS_MAX) {
        return NGX_ERROR;
    }

    return ngx_shop_form_push(fields, name, value);
}


static ngx_uint_t
ngx_shop_widget_is_name(ngx_str_t *name)
{
    size_t  i;

    if (name->len == 0 || name->len > NGX_SHOP_WIDGET_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {

        if ((name->data[i] < 'a' || name->data[i] > 'z')
            && name->data[i] != '_')
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_widget_is_text(ngx_str_t *value)
{
    size_t  i;

    if (value->len > NGX_SHOP_WIDGET_VALUE_MAX) {
        return 0;
    }

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < 0x20 || value->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


/* of words, the names sort as the lines do: "=" is before all letters */

static ngx_int_t
ngx_shop_widget_compare(const void *one, const void *two)
{
    ngx_keyval_t  *first, *second;

    first = (ngx_keyval_t *) one;
    second = (ngx_keyval_t *) two;

    return ngx_memn2cmp(first->key.data, second->key.data, first->key.len,
                        second->key.len);
}


static ngx_int_t
ngx_shop_widget_mac(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_array_t *fields, ngx_str_t *mac)
{
    u_char        *p, digest[NGX_SHOP_SHA256_LEN], key[NGX_SHOP_SHA256_LEN];
    size_t         len;
    ngx_int_t      rc;
    ngx_str_t      text, secret;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    ngx_sort(fields->elts, fields->nelts, sizeof(ngx_keyval_t),
             ngx_shop_widget_compare);

    kv = fields->elts;
    len = 0;

    for (i = 0; i < fields->nelts; i++) {
        len += kv[i].key.len + 1 + kv[i].value.len + 1;
    }

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = p;

    for (i = 0; i < fields->nelts; i++) {
        p = ngx_sprintf(p, "%s%V=%V", i ? "\n" : "", &kv[i].key,
                        &kv[i].value);
    }

    text.len = p - text.data;

    secret.data = key;
    secret.len = NGX_SHOP_SHA256_LEN;

    rc = ngx_shop_sha256(&provider->client_secret, key, pool->log);

    if (rc == NGX_OK) {
        rc = ngx_shop_hmac_sha256(&secret, &text, digest, pool->log);
    }

    ngx_shop_zero(key, NGX_SHOP_SHA256_LEN);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_hex(pool, digest, NGX_SHOP_SHA256_LEN, mac);
}


static ngx_int_t
ngx_shop_widget_time(ngx_array_t *fields, time_t now, time_t age,
    const char **reason)
{
    time_t     when;
    ngx_str_t  value;

    *reason = "claims_malformed";

    if (ngx_shop_widget_get(fields, &ngx_shop_widget_auth_date, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    when = ngx_atotm(value.data, value.len);

    if (when == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (when > now + NGX_SHOP_OIDC_LEEWAY) {
        *reason = "token_not_yet_valid";
        return NGX_ERROR;
    }

    if (when < now - age - NGX_SHOP_OIDC_LEEWAY) {
        *reason = "token_expired";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_widget_claims(ngx_pool_t *pool, ngx_array_t *fields,
    ngx_shop_json_t **claims)
{
    ngx_str_t        *name, value;
    ngx_shop_json_t  *json;

    name = ngx_shop_widget_known;

    if (ngx_shop_widget_get(fields, &name[0], &value) != NGX_OK
        || !ngx_shop_widget_is_id(&value))
    {
        return NGX_ERROR;
    }

    json = ngx_shop_json_new_object(pool);
    if (json == NULL) {
        return NGX_ERROR;
    }

    for ( /* void */ ; name->len; name++) {

        if (ngx_shop_widget_get(fields, name, &value) == NGX_OK
            && ngx_shop_json_set(pool, json, (char *) name->data,
                                 ngx_shop_json_new_string(pool, &value))
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    *claims = json;

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_widget_is_id(ngx_str_t *value)
{
    size_t  i;

    if (value->len == 0 || value->len > NGX_SHOP_WIDGET_ID_MAX
        || value->data[0] == '0')
    {
        return 0;
    }

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < '0' || value->data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_shop_widget_get(ngx_array_t *fields, ngx_str_t *name, ngx_str_t *value)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    kv = fields->elts;

    for (i = 0; i < fields->nelts; i++) {

        if (kv[i].key.len == name->len
            && ngx_memcmp(kv[i].key.data, name->data, name->len) == 0)
        {
            *value = kv[i].value;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}
