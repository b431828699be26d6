
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"


/*
 * Cookies that this worker has opened lately.
 *
 * Opening one, decryption and a digest, is most of what a cached request
 * costs; a browser sends the same cookie again and again.  Only what was
 * authentic gets here, and it is found by all of its bytes and the host they
 * were sealed for: so what is found is what would have been opened.  Whether
 * the session lives is asked for as always.
 *
 * A slot is chosen by the end of the cookie, 96 bits of its tag.  The end is
 * compared in constant time, so that nobody finds it out bit by bit.  Whoever
 * knows the end knows the whole cookie, so the time of memcmp() over the rest
 * tells nothing new, and it is sixty times faster.
 *
 * The secret is not kept, nor any cookie over a reload, since the table is of
 * one configuration, and so of its keys.
 */


#define NGX_SHOP_SESSION_MEMO_SLOTS   4096      /* a power of two */
#define NGX_SHOP_SESSION_MEMO_COOKIE  208       /* of a customer's id of 64 */
#define NGX_SHOP_SESSION_MEMO_TAIL    16


typedef struct {
    ngx_str_t                 *host;
    time_t                     issued;
    u_char                     digest[NGX_SHOP_SHA256_LEN];
    u_char                     customer_len;
    u_char                     cookie_len;
    u_char                     customer[NGX_SHOP_CUSTOMER_ID_MAX];
    u_char                     cookie[NGX_SHOP_SESSION_MEMO_COOKIE];
} ngx_shop_session_slot_t;


struct ngx_shop_session_memo_s {
    ngx_shop_ways_t           *ways;
    ngx_shop_session_slot_t    slots[NGX_SHOP_SESSION_MEMO_SLOTS];
};


static ngx_int_t ngx_shop_session_memo_hash(ngx_str_t *cookie,
    uint32_t *hash);


ngx_shop_session_memo_t *
ngx_shop_session_memo_create(ngx_pool_t *pool)
{
    ngx_shop_session_memo_t  *memo;

    memo = ngx_palloc(pool, sizeof(ngx_shop_session_memo_t));
    if (memo == NULL) {
        return NULL;
    }

    memo->ways = ngx_shop_ways_create(pool, NGX_SHOP_SESSION_MEMO_SLOTS);
    if (memo->ways == NULL) {
        return NULL;
    }

    return memo;
}


ngx_int_t
ngx_shop_session_recall(ngx_shop_session_memo_t *memo, ngx_pool_t *pool,
    ngx_str_t *host, ngx_str_t *cookie, ngx_shop_session_t *session)
{
    size_t                    len;
    uint32_t                  hash;
    ngx_str_t                 end, sent;
    ngx_uint_t                n;
    ngx_shop_session_slot_t  *slot;

    if (ngx_shop_session_memo_hash(cookie, &hash) != NGX_OK
        || ngx_shop_ways_find(memo->ways, hash, &n) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    slot = &memo->slots[n];

    if (slot->host != host || slot->cookie_len != cookie->len) {
        return NGX_DECLINED;
    }

    len = cookie->len - NGX_SHOP_SESSION_MEMO_TAIL;

    end.data = slot->cookie + len;
    end.len = NGX_SHOP_SESSION_MEMO_TAIL;

    sent.data = cookie->data + len;
    sent.len = NGX_SHOP_SESSION_MEMO_TAIL;

    if (!ngx_shop_equal(&end, &sent)
        || ngx_memcmp(slot->cookie, cookie->data, len) != 0)
    {
        return NGX_DECLINED;
    }

    /* the slot may be another's before the request has ended */

    session->customer.data = ngx_pnalloc(pool, slot->customer_len);
    if (session->customer.data == NULL) {
        return NGX_ERROR;
    }

    session->customer.len = slot->customer_len;
    session->issued = slot->issued;

    ngx_memcpy(session->customer.data, slot->customer, slot->customer_len);
    ngx_memcpy(session->digest, slot->digest, NGX_SHOP_SHA256_LEN);

    return NGX_OK;
}


void
ngx_shop_session_remember(ngx_shop_session_memo_t *memo, ngx_str_t *host,
    ngx_str_t *cookie, ngx_shop_session_t *session)
{
    uint32_t                  hash;
    ngx_shop_session_slot_t  *slot;

    if (ngx_shop_session_memo_hash(cookie, &hash) != NGX_OK) {
        return;
    }

    slot = &memo->slots[ngx_shop_ways_take(memo->ways, hash)];

    slot->host = host;
    slot->issued = session->issued;
    slot->customer_len = (u_char) session->customer.len;
    slot->cookie_len = (u_char) cookie->len;

    ngx_memcpy(slot->digest, session->digest, NGX_SHOP_SHA256_LEN);
    ngx_memcpy(slot->customer, session->customer.data,
               session->customer.len);
    ngx_memcpy(slot->cookie, cookie->data, cookie->len);
}


/* NGX_DECLINED: a cookie that is not kept */

static ngx_int_t
ngx_shop_session_memo_hash(ngx_str_t *cookie, uint32_t *hash)
{
    if (cookie->len < NGX_SHOP_SESSION_MEMO_TAIL
        || cookie->len > NGX_SHOP_SESSION_MEMO_COOKIE)
    {
        return NGX_DECLINED;
    }

    *hash = ngx_murmur_hash2(cookie->data + cookie->len
                             - NGX_SHOP_SESSION_MEMO_TAIL,
                             NGX_SHOP_SESSION_MEMO_TAIL);

    return NGX_OK;
}
