
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


#define NGX_SHOP_EVENT_KEY_FILE_MAX  65536
#define NGX_SHOP_EVENT_KEY_MIN       16     /* bytes */
#define NGX_SHOP_EVENT_KEY_MAX       128


static ngx_int_t ngx_shop_event_key_parse(ngx_pool_t *pool, ngx_str_t *line,
    ngx_array_t *keys);
static ngx_shop_event_key_t *ngx_shop_event_key_find(ngx_array_t *keys,
    ngx_str_t *id);
static ngx_int_t ngx_shop_event_hex(ngx_str_t *hex, u_char *dst);
static void ngx_shop_event_keys_cleanup(void *data);


ngx_array_t *
ngx_shop_event_keys_read(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char              *p, *last, *end;
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

    for (n = 1; p < last; n++) {

        end = ngx_strlchr(p, last, LF);

        if (end == NULL) {
            end = last;
        }

        line.data = p;
        line.len = end - p;

        p = end + 1;

        while (line.len && line.data[line.len - 1] <= ' ') {
            line.len--;
        }

        if (line.len == 0 || *line.data == '#') {
            continue;
        }

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
    ngx_str_t              id, hex, copy;
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

    copy.len = id.len;
    copy.data = ngx_pstrdup(pool, &id);

    id.len = hex.len / 2;
    id.data = ngx_pnalloc(pool, id.len);

    if (copy.data == NULL || id.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_shop_event_hex(&hex, id.data) != NGX_OK) {
        ngx_shop_zero(id.data, id.len);
        return NGX_DECLINED;
    }

    key = ngx_array_push(keys);
    if (key == NULL) {
        ngx_shop_zero(id.data, id.len);
        return NGX_ERROR;
    }

    key->id = copy;
    key->secret = id;

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


static ngx_int_t
ngx_shop_event_hex(ngx_str_t *hex, u_char *dst)
{
    size_t     i;
    ngx_int_t  n;

    for (i = 0; i < hex->len; i += 2) {

        n = ngx_hextoi(hex->data + i, 2);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        *dst++ = (u_char) n;
    }

    return NGX_OK;
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


/* unknown fields are of a later version; those that we know are there once */

ngx_int_t
ngx_shop_event_signature(ngx_array_t *keys, ngx_str_t *header, time_t now,
    ngx_shop_event_signature_t *signature, const char **reason)
{
    u_char     *p, *last, *end, *equal;
    time_t      time;
    ngx_str_t   name, value, id, mac, *field;

    *reason = "hmac_malformed";

    ngx_str_null(&signature->time);
    ngx_str_null(&id);
    ngx_str_null(&mac);

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

        if (name.len == 1 && name.data[0] == 't') {
            field = &signature->time;

        } else if (name.len == 1 && name.data[0] == 'k') {
            field = &id;

        } else if (name.len == 2 && ngx_strncmp(name.data, "v1", 2) == 0) {
            field = &mac;

        } else {
            continue;
        }

        if (field->len != 0 || value.len == 0) {
            return NGX_DECLINED;
        }

        *field = value;
    }

    if (id.len == 0 || mac.len != 2 * NGX_SHOP_SHA256_LEN
        || signature->time.len == 0
        || ngx_shop_event_hex(&mac, signature->mac) != NGX_OK)
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
