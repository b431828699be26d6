
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * Seven bits a byte, the least significant first, the top bit set in all but
 * the last byte.  The sign is moved to the lowest bit, so that small negative
 * numbers are short, too.  A time takes five bytes, most numbers one or two:
 * a customer's copy fits into less shared memory by half.
 */


u_char *
ngx_shop_pack_int(u_char *p, int64_t value)
{
    uint64_t  n;

    n = (uint64_t) value << 1;

    if (value < 0) {
        n = ~n;
    }

    while (n > 0x7f) {
        *p++ = (u_char) (n | 0x80);
        n >>= 7;
    }

    *p++ = (u_char) n;

    return p;
}


u_char *
ngx_shop_pack_text(u_char *p, ngx_str_t *text)
{
    p = ngx_shop_pack_int(p, (int64_t) text->len);

    if (text->len == 0) {
        return p;
    }

    return ngx_cpymem(p, text->data, text->len);
}


ngx_int_t
ngx_shop_unpack_int(u_char **pos, u_char *last, int64_t *value)
{
    u_char      *p;
    uint64_t     n;
    ngx_uint_t   shift;

    n = 0;
    shift = 0;

    for (p = *pos; p < last && shift < 64; shift += 7) {

        n |= (uint64_t) (*p & 0x7f) << shift;

        if (*p++ & 0x80) {
            continue;
        }

        *pos = p;
        *value = (int64_t) ((n & 1) ? ~(n >> 1) : n >> 1);

        return NGX_OK;
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_shop_unpack_text(u_char **pos, u_char *last, ngx_str_t *text)
{
    int64_t  len;

    if (ngx_shop_unpack_int(pos, last, &len) != NGX_OK
        || len < 0 || len > last - *pos)
    {
        return NGX_ERROR;
    }

    text->data = *pos;
    text->len = (size_t) len;

    *pos += len;

    return NGX_OK;
}
