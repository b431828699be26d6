
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * SipHash-2-4 of Aumasson and Bernstein.  OpenSSL has it, too, behind an
 * interface that takes longer to set up than this takes altogether; and who
 * is kept out of a promotion is asked of each one in every request.
 */


static uint64_t ngx_shop_siphash_word(u_char *p, size_t len);
static void ngx_shop_siphash_rounds(uint64_t *v, ngx_uint_t n);


#define ngx_shop_siphash_rotate(n, bits)                                      \
    (((n) << (bits)) | ((n) >> (64 - (bits))))


uint64_t
ngx_shop_siphash(u_char *key, u_char *data, size_t len)
{
    size_t     rest;
    uint64_t   one, two, word;
    uint64_t   v[4];

    one = ngx_shop_siphash_word(key, 8);
    two = ngx_shop_siphash_word(key + 8, 8);

    v[0] = one ^ 0x736f6d6570736575ULL;
    v[1] = two ^ 0x646f72616e646f6dULL;
    v[2] = one ^ 0x6c7967656e657261ULL;
    v[3] = two ^ 0x7465646279746573ULL;

    for (rest = len; rest >= 8; rest -= 8) {
        word = ngx_shop_siphash_word(data, 8);
        data += 8;

        v[3] ^= word;
        ngx_shop_siphash_rounds(v, 2);
        v[0] ^= word;
    }

    /* the rest, with the length in its last byte */

    word = ngx_shop_siphash_word(data, rest) | (uint64_t) len << 56;

    v[3] ^= word;
    ngx_shop_siphash_rounds(v, 2);
    v[0] ^= word;

    v[2] ^= 0xff;
    ngx_shop_siphash_rounds(v, 4);

    return v[0] ^ v[1] ^ v[2] ^ v[3];
}


/* the first byte is the lowest */

static ngx_inline uint64_t
ngx_shop_siphash_word(u_char *p, size_t len)
{
    uint64_t  word;

    word = 0;

    while (len--) {
        word = word << 8 | p[len];
    }

    return word;
}


static ngx_inline void
ngx_shop_siphash_rounds(uint64_t *v, ngx_uint_t n)
{
    while (n--) {
        v[0] += v[1];
        v[1] = ngx_shop_siphash_rotate(v[1], 13) ^ v[0];
        v[0] = ngx_shop_siphash_rotate(v[0], 32);

        v[2] += v[3];
        v[3] = ngx_shop_siphash_rotate(v[3], 16) ^ v[2];

        v[0] += v[3];
        v[3] = ngx_shop_siphash_rotate(v[3], 21) ^ v[0];

        v[2] += v[1];
        v[1] = ngx_shop_siphash_rotate(v[1], 17) ^ v[2];
        v[2] = ngx_shop_siphash_rotate(v[2], 32);
    }
}
