
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_crypt.h"


ngx_int_t
ngx_shop_base64url(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    dst->data = ngx_pnalloc(pool, ngx_base64_encoded_length(src->len));
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64url(dst, src);

    return NGX_OK;
}


ngx_int_t
ngx_shop_unbase64url(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    dst->data = ngx_pnalloc(pool, ngx_base64_decoded_length(src->len));
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    return ngx_shop_base64url_decode(dst, src);
}


/*
 * nginx's decoder stops at "=" and ignores the low bits of the last byte, so
 * that many texts give the same bytes, and looks at each character twice.
 * Here there is one text, and one look: 64 marks a foreign character.
 */

ngx_int_t
ngx_shop_base64url_decode(ngx_str_t *dst, ngx_str_t *src)
{
    u_char      *s, *d;
    size_t       n;
    uint32_t     a, b, c, e;
    ngx_uint_t   foreign;

    static const u_char  values[256] = {
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
        52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
        64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
        64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64
    };

    s = src->data;
    d = dst->data;
    foreign = 0;

    for (n = src->len / 4; n > 0; n--) {

        a = values[s[0]];
        b = values[s[1]];
        c = values[s[2]];
        e = values[s[3]];

        foreign |= a | b | c | e;

        d[0] = (u_char) (a << 2 | b >> 4);
        d[1] = (u_char) (b << 4 | c >> 2);
        d[2] = (u_char) (c << 6 | e);

        s += 4;
        d += 3;
    }

    n = src->len % 4;

    if (n == 1) {

        /* six bits are no byte */

        return NGX_ERROR;
    }

    if (n > 1) {
        a = values[s[0]];
        b = values[s[1]];
        c = (n == 3) ? values[s[2]] : 0;

        foreign |= a | b | c;

        *d++ = (u_char) (a << 2 | b >> 4);

        if (n == 3) {
            *d++ = (u_char) (b << 4 | c >> 2);
        }

        /* nor are those left over */

        if ((n == 3 ? c & 0x03 : b & 0x0f) != 0) {
            return NGX_ERROR;
        }
    }

    dst->len = d - dst->data;

    return (foreign & 64) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_shop_hex(ngx_pool_t *pool, u_char *src, size_t len, ngx_str_t *dst)
{
    dst->len = 2 * len;

    dst->data = ngx_pnalloc(pool, dst->len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(dst->data, src, len);

    return NGX_OK;
}


ngx_int_t
ngx_shop_unhex(ngx_str_t *src, u_char *dst, size_t len)
{
    size_t     i;
    ngx_int_t  ch;

    if (src->len != 2 * len) {
        return NGX_ERROR;
    }

    for (i = 0; i < len; i++) {

        ch = ngx_hextoi(src->data + 2 * i, 2);

        if (ch == NGX_ERROR) {
            return NGX_ERROR;
        }

        dst[i] = (u_char) ch;
    }

    return NGX_OK;
}
