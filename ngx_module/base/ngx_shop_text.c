
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


static ngx_uint_t ngx_shop_email_byte(u_char ch, ngx_uint_t host);


ngx_uint_t
ngx_shop_name_valid(ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    if (name->len == 0 || name->len > NGX_SHOP_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '_' || c == '-')
        {
            continue;
        }

        return 0;
    }

    return 1;
}


ngx_uint_t
ngx_shop_customer_id_valid(ngx_str_t *id)
{
    u_char      c;
    ngx_uint_t  i;

    if (id->len == 0 || id->len > NGX_SHOP_CUSTOMER_ID_MAX) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '~'
            || c == ':' || c == '@' || c == '-')
        {
            continue;
        }

        return 0;
    }

    return 1;
}


ngx_uint_t
ngx_shop_email_valid(ngx_str_t *email)
{
    u_char      ch;
    size_t      i;
    ngx_uint_t  host, dot;

    if (email->len == 0 || email->len > NGX_SHOP_EMAIL_MAX) {
        return 0;
    }

    host = 0;
    dot = 1;                        /* none at the start of a part */

    for (i = 0; i < email->len; i++) {

        ch = email->data[i];

        if (ch == '.' || ch == '@') {

            if (dot || (ch == '@' && host)) {
                return 0;
            }

            dot = 1;

            if (ch == '@') {
                host = 1;
            }

            continue;
        }

        if (!ngx_shop_email_byte(ch, host)) {
            return 0;
        }

        dot = 0;
    }

    return host && !dot;
}


static ngx_uint_t
ngx_shop_email_byte(u_char ch, ngx_uint_t host)
{
    u_char  c;

    c = ch | 0x20;

    if ((c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9') || ch == '-') {
        return 1;
    }

    if (host || ch == '\0') {
        return 0;
    }

    return ngx_strchr("!#$%&'*+/=?^_`{|}~", ch) != NULL;
}


ngx_uint_t
ngx_shop_utf8_valid(ngx_str_t *text)
{
    u_char    *p, *last;
    uint32_t   ch;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        /* the decoder is for bytes from 0x80 on only */

        ch = (*p < 0x80) ? *p++ : ngx_utf8_decode(&p, last - p);

        if (ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff)) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_shop_text_is(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_memcmp(text->data, word, text->len) == 0;
}


ngx_uint_t
ngx_shop_text_is_caseless(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_strncasecmp(text->data, (u_char *) word, text->len) == 0;
}


ngx_int_t
ngx_shop_decimal(ngx_pool_t *pool, int64_t value, ngx_str_t *text)
{
    text->data = ngx_pnalloc(pool, NGX_INT64_LEN);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "%L", value) - text->data;

    return NGX_OK;
}
