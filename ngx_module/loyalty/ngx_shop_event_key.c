
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * Who may tell of events: programs of the shop, each by a key of its own, so
 * that one can be taken back without the others.  The file of keys is
 *
 *     # the checkout
 *     checkout:6b1d0f...a4
 *     warehouse:0c77e2...19
 *
 * a line for each: KEYID, a colon, the secret in hex.  A request brings
 *
 *     Shop-Signature: t=1790164800,k=checkout,v1=5f0c...
 *
 * when it was signed, by which key, and the HMAC-SHA256, in hex, under its
 * secret, of that time as it stands there, a dot, and the body.  The time is
 * signed, so who has seen a request cannot send it later than
 * NGX_SHOP_EVENT_SIGNED allows; before that the id of each event tells that it
 * was there.  "v1" leaves room for another way to sign beside it.
 *
 * Key and time are looked at before there is a body, so that nobody can have
 * a large one read for nothing; the signature is compared in constant time.
 */


#define NGX_SHOP_EVENT_KEY_FILE_MAX  65536
#define NGX_SHOP_EVENT_KEY_MIN       16     /* bytes */
#define NGX_SHOP_EVENT_KEY_MAX       128


static ngx_int_t ngx_shop_event_key_parse(ngx_pool_t *pool, ngx_str_t *line,
    ngx_array_t *keys);
static ngx_shop_event_key_t *ngx_shop_event_key_find(ngx_array_t *keys,
    ngx_str_t *id);
static void ngx_shop_event_keys_cleanup(void *data);
static ngx_int_t ngx_shop_event_signature_fields(ngx_str_t *header,
    ngx_str_t *time, ngx_str_t *id, ngx_str_t *mac);


ngx_array_t *
ngx_shop_event_keys_read(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char              *p, *last;
    ngx_str_t            content, line;
    ngx_uint_t           n;
    ngx_array_t         *keys;
    ngx_pool_cleanup_t  *cln;

    if (ngx_shop_file_read(cf, path, NGX_SHOP_EVENT_KEY_FILE_MAX, 1, &content)
        != NGX_OK)
    {
        return NULL;
    }

    keys = ngx_array_create(cf->pool, 2, sizeof(ngx_shop_event_key_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (keys == NULL || cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_shop_event_keys_cleanup;
    cln->data = keys;

    p = content.data;
    last = p + content.len;
    n = 0;

    while (ngx_shop_file_line(&p, last, &n, &line) == NGX_OK) {

        switch (ngx_shop_event_key_parse(cf->pool, &line, keys)) {

        case NGX_OK:
            continue;

        case NGX_DECLINED:
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid line %ui of \"%V\": it must be "
                               "KEYID:HEX, with 1 to 40 of [A-Za-z0-9_-] that "
                               "no other line has, and 32 to 256 hex digits",
                               n, path);
        }

        goto failed;
    }

    if (keys->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no key in \"%V\"", path);
        goto failed;
    }

    ngx_shop_zero(content.data, content.len);

    return keys;

failed:

    ngx_shop_zero(content.data, content.len);

    return NULL;
}


static ngx_int_t
ngx_shop_event_key_parse(ngx_pool_t *pool, ngx_str_t *line, ngx_array_t *keys)
{
    u_char                *colon;
    ngx_str_t              id, hex, secret;
    ngx_shop_event_key_t  *key;

    colon = ngx_strlchr(line->data, line->data + line->len, ':');

    if (colon == NULL) {
        return NGX_DECLINED;
    }

    id.data = line->data;
    id.len = colon - line->data;

    hex.data = colon + 1;
    hex.len = line->data + line->len - hex.data;

    if (!ngx_shop_name_valid(&id)
        || ngx_shop_event_key_find(keys, &id) != NULL
        || hex.len < 2 * NGX_SHOP_EVENT_KEY_MIN
        || hex.len > 2 * NGX_SHOP_EVENT_KEY_MAX
        || hex.len % 2)
    {
        return NGX_DECLINED;
    }

    id.data = ngx_pstrdup(pool, &id);

    secret.len = hex.len / 2;
    secret.data = ngx_pnalloc(pool, secret.len);

    if (id.data == NULL || secret.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_shop_unhex(&hex, secret.data, secret.len) != NGX_OK) {
        ngx_shop_zero(secret.data, secret.len);
        return NGX_DECLINED;
    }

    key = ngx_array_push(keys);
    if (key == NULL) {
        ngx_shop_zero(secret.data, secret.len);
        return NGX_ERROR;
    }

    key->id = id;
    key->secret = secret;

    return NGX_OK;
}


static ngx_shop_event_key_t *
ngx_shop_event_key_find(ngx_array_t *keys, ngx_str_t *id)
{
    ngx_uint_t             i;
    ngx_shop_event_key_t  *key;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {
        if (ngx_shop_equal(&key[i].id, id)) {
            return &key[i];
        }
    }

    return NULL;
}


static void
ngx_shop_event_keys_cleanup(void *data)
{
    ngx_array_t *keys = data;

    ngx_uint_t             i;
    ngx_shop_event_key_t  *key;

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {
        ngx_shop_zero(key[i].secret.data, key[i].secret.len);
    }
}


ngx_int_t
ngx_shop_event_signature(ngx_array_t *keys, ngx_str_t *header, time_t now,
    ngx_shop_event_signature_t *signature, const char **reason)
{
    time_t     time;
    ngx_str_t  id, mac;

    *reason = "hmac_malformed";

    if (ngx_shop_event_signature_fields(header, &signature->time, &id, &mac)
        != NGX_OK
        || ngx_shop_unhex(&mac, signature->mac, NGX_SHOP_SHA256_LEN)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    time = ngx_atotm(signature->time.data, signature->time.len);

    if (time == NGX_ERROR) {
        return NGX_DECLINED;
    }

    signature->key = ngx_shop_event_key_find(keys, &id);

    if (signature->key == NULL) {
        *reason = "hmac_key_unknown";
        return NGX_ABORT;
    }

    if (time < now - NGX_SHOP_EVENT_SIGNED
        || time > now + NGX_SHOP_EVENT_SIGNED)
    {
        *reason = "hmac_expired";
        return NGX_ABORT;
    }

    return NGX_OK;
}


/* unknown fields are of a later version; those that we know are there once */

static ngx_int_t
ngx_shop_event_signature_fields(ngx_str_t *header, ngx_str_t *time,
    ngx_str_t *id, ngx_str_t *mac)
{
    u_char     *p, *last, *end, *equal;
    ngx_str_t   name, value, *field;

    ngx_str_null(time);
    ngx_str_null(id);
    ngx_str_null(mac);

    p = header->data;
    last = p + header->len;

    while (p < last) {

        end = ngx_strlchr(p, last, ',');

        if (end == NULL) {
            end = last;
        }

        while (p < end && *p == ' ') {
            p++;
        }

        equal = ngx_strlchr(p, end, '=');

        if (equal == NULL) {
            return NGX_DECLINED;
        }

        name.data = p;
        name.len = equal - p;

        value.data = equal + 1;
        value.len = end - value.data;

        p = end + 1;

        if (ngx_shop_text_is(&name, "t")) {
            field = time;

        } else if (ngx_shop_text_is(&name, "k")) {
            field = id;

        } else if (ngx_shop_text_is(&name, "v1")) {
            field = mac;

        } else {
            continue;
        }

        if (field->len != 0 || value.len == 0) {
            return NGX_DECLINED;
        }

        *field = value;
    }

    return (time->len && id->len && mac->len) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_shop_event_verify(ngx_shop_event_signature_t *signature, ngx_str_t *text,
    ngx_log_t *log)
{
    u_char     mac[NGX_SHOP_SHA256_LEN];
    ngx_str_t  one, two;

    if (ngx_shop_hmac_sha256(&signature->key->secret, text, mac, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    one.data = mac;
    two.data = signature->mac;
    one.len = NGX_SHOP_SHA256_LEN;
    two.len = NGX_SHOP_SHA256_LEN;

    return ngx_shop_equal(&one, &two) ? NGX_OK : NGX_DECLINED;
}
