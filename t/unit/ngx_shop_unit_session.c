
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"
#include "ngx_shop_unit.h"


/*
 * Cookies that were opened lately: what is found must be what was put there,
 * and for its host.  That a session opens at all is in t/shop_session.t.
 */


#define NGX_SHOP_UNIT_SESSION_COOKIES  20000


static void ngx_shop_unit_session_cookie(ngx_str_t *cookie, u_char *buf,
    size_t len, ngx_uint_t n);
static ngx_uint_t ngx_shop_unit_session_is(ngx_shop_session_t *session,
    ngx_uint_t n);
static ngx_int_t ngx_shop_unit_session_recall(ngx_shop_unit_t *u,
    ngx_shop_session_memo_t *memo, ngx_str_t *host, ngx_str_t *cookie,
    ngx_shop_session_t *session);
static void ngx_shop_unit_session_remember(ngx_shop_session_memo_t *memo,
    ngx_str_t *cookie, ngx_uint_t n);

static void ngx_shop_unit_session_memo(ngx_shop_unit_t *u);
static void ngx_shop_unit_session_lengths(ngx_shop_unit_t *u);
static void ngx_shop_unit_session_many(ngx_shop_unit_t *u);
static void ngx_shop_unit_session_ttl(ngx_shop_unit_t *u);


ngx_shop_unit_test_t  ngx_shop_unit_session_tests[] = {
    { "a cookie that was opened", ngx_shop_unit_session_memo },
    { "cookies of any length", ngx_shop_unit_session_lengths },
    { "more cookies than there is room for", ngx_shop_unit_session_many },
    { "how long a session is said to live", ngx_shop_unit_session_ttl },
    { NULL, NULL }
};


static ngx_str_t  ngx_shop_unit_session_host = ngx_string("shop.example");
static ngx_str_t  ngx_shop_unit_session_other = ngx_string("shop.example");


static void
ngx_shop_unit_session_cookie(ngx_str_t *cookie, u_char *buf, size_t len,
    ngx_uint_t n)
{
    ngx_memset(buf, 'x', len);

    (void) ngx_sprintf(buf + len - 8, "%08ui", n);

    cookie->data = buf;
    cookie->len = len;
}


static ngx_uint_t
ngx_shop_unit_session_is(ngx_shop_session_t *session, ngx_uint_t n)
{
    u_char  buf[NGX_INT_T_LEN];
    size_t  len;

    len = ngx_sprintf(buf, "%ui", n) - buf;

    return session->issued == (time_t) n
           && session->digest[0] == (u_char) n
           && session->customer.len == len
           && ngx_memcmp(session->customer.data, buf, len) == 0;
}


static ngx_int_t
ngx_shop_unit_session_recall(ngx_shop_unit_t *u,
    ngx_shop_session_memo_t *memo, ngx_str_t *host, ngx_str_t *cookie,
    ngx_shop_session_t *session)
{
    ngx_memzero(session, sizeof(ngx_shop_session_t));

    return ngx_shop_session_recall(memo, u->pool, host, cookie, session);
}


static void
ngx_shop_unit_session_remember(ngx_shop_session_memo_t *memo,
    ngx_str_t *cookie, ngx_uint_t n)
{
    u_char              buf[NGX_INT_T_LEN];
    ngx_shop_session_t  session;

    ngx_memzero(&session, sizeof(ngx_shop_session_t));

    session.issued = (time_t) n;
    session.digest[0] = (u_char) n;
    session.customer.data = buf;
    session.customer.len = ngx_sprintf(buf, "%ui", n) - buf;

    ngx_shop_session_remember(memo, &ngx_shop_unit_session_host, cookie,
                              &session);
}


static void
ngx_shop_unit_session_memo(ngx_shop_unit_t *u)
{
    u_char                    buf[150];
    ngx_str_t                 cookie, cut;
    ngx_uint_t                i, found;
    ngx_shop_session_t        session;
    ngx_shop_session_memo_t  *memo;

    memo = ngx_shop_session_memo_create(u->pool);

    if (!ngx_shop_unit_ok(u, memo != NULL, "a memo")) {
        return;
    }

    ngx_shop_unit_session_cookie(&cookie, buf, sizeof(buf), 7);

    ngx_shop_unit_is_int(u, ngx_shop_unit_session_recall(u, memo,
                                &ngx_shop_unit_session_host, &cookie,
                                &session),
                         NGX_DECLINED, "it is not known");

    ngx_shop_unit_session_remember(memo, &cookie, 7);

    ngx_shop_unit_is_int(u, ngx_shop_unit_session_recall(u, memo,
                                &ngx_shop_unit_session_host, &cookie,
                                &session),
                         NGX_OK, "it is known");
    ngx_shop_unit_ok(u, ngx_shop_unit_session_is(&session, 7),
                     "with what it said");

    ngx_shop_unit_is_int(u, ngx_shop_unit_session_recall(u, memo,
                                &ngx_shop_unit_session_other, &cookie,
                                &session),
                         NGX_DECLINED, "to another host it is not");

    found = 0;

    for (i = 0; i < sizeof(buf); i++) {

        buf[i] ^= 1;
        found += ngx_shop_unit_session_recall(u, memo,
                     &ngx_shop_unit_session_host, &cookie, &session)
                 != NGX_DECLINED;
        buf[i] ^= 1;

        cut.data = buf + i;
        cut.len = sizeof(buf) - i;

        if (i != 0) {
            found += ngx_shop_unit_session_recall(u, memo,
                         &ngx_shop_unit_session_host, &cut, &session)
                     != NGX_DECLINED;
        }
    }

    ngx_shop_unit_is_int(u, found, 0, "nor is one that differs");
}


static void
ngx_shop_unit_session_lengths(ngx_shop_unit_t *u)
{
    u_char                    buf[NGX_SHOP_SESSION_COOKIE_MAX];
    size_t                    len;
    ngx_int_t                 rc;
    ngx_str_t                 cookie;
    ngx_uint_t                known, wrong;
    ngx_shop_session_t        session;
    ngx_shop_session_memo_t  *memo;

    memo = ngx_shop_session_memo_create(u->pool);

    if (!ngx_shop_unit_ok(u, memo != NULL, "a memo")) {
        return;
    }

    known = 0;
    wrong = 0;

    for (len = 8; len <= sizeof(buf); len++) {

        ngx_shop_unit_session_cookie(&cookie, buf, len, len);
        ngx_shop_unit_session_remember(memo, &cookie, len);

        rc = ngx_shop_unit_session_recall(u, memo,
                                          &ngx_shop_unit_session_host,
                                          &cookie, &session);
        if (rc == NGX_OK) {
            known++;
            wrong += !ngx_shop_unit_session_is(&session, len);
        }
    }

    /* from 16 to 208 bytes */

    ngx_shop_unit_is_int(u, known, 193, "those that are kept");
    ngx_shop_unit_is_int(u, wrong, 0, "none for another");
}


static void
ngx_shop_unit_session_many(ngx_shop_unit_t *u)
{
    u_char                    buf[150];
    ngx_int_t                 rc;
    ngx_str_t                 cookie;
    ngx_uint_t                n, known, wrong;
    ngx_shop_session_t        session;
    ngx_shop_session_memo_t  *memo;

    memo = ngx_shop_session_memo_create(u->pool);

    if (!ngx_shop_unit_ok(u, memo != NULL, "a memo")) {
        return;
    }

    for (n = 0; n < NGX_SHOP_UNIT_SESSION_COOKIES; n++) {
        ngx_shop_unit_session_cookie(&cookie, buf, sizeof(buf), n);
        ngx_shop_unit_session_remember(memo, &cookie, n);
    }

    known = 0;
    wrong = 0;

    for (n = 0; n < NGX_SHOP_UNIT_SESSION_COOKIES; n++) {

        ngx_shop_unit_session_cookie(&cookie, buf, sizeof(buf), n);

        rc = ngx_shop_unit_session_recall(u, memo,
                                          &ngx_shop_unit_session_host,
                                          &cookie, &session);
        if (rc == NGX_OK) {
            known++;
            wrong += !ngx_shop_unit_session_is(&session, n);
        }
    }

    ngx_shop_unit_ok(u, known > 3000 && known <= 4096, "some are known");
    ngx_shop_unit_is_int(u, wrong, 0, "none for another");
}


static void
ngx_shop_unit_session_ttl(ngx_shop_unit_t *u)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_shop_session_t       session;
    ngx_shop_redis_reply_t   field[4], fields, ttl, noted;
    ngx_shop_redis_reply_t  *elts[4], *replies[3];

    static const struct {
        int64_t      ttl;
        int64_t      known;
        ngx_int_t    rc;
        const char  *what;
    } times[] = {
        { 5000, 5000, NGX_OK, "five seconds" },
        { -1, -1, NGX_OK, "for ever" },
        { -2, 0, NGX_DECLINED, "it is gone" },
        { -3, 0, NGX_ERROR, "nonsense" },
        { INT64_MIN, 0, NGX_ERROR, "less than nonsense" },
        { INT64_MAX, (int64_t) NGX_SHOP_SESSION_LIFETIME_MAX * 1000, NGX_OK,
          "longer than anything lives" }
    };

    ngx_memzero(field, sizeof(field));
    ngx_memzero(&fields, sizeof(ngx_shop_redis_reply_t));
    ngx_memzero(&ttl, sizeof(ngx_shop_redis_reply_t));
    ngx_memzero(&noted, sizeof(ngx_shop_redis_reply_t));

    for (i = 0; i < 4; i++) {
        field[i].type = NGX_SHOP_REDIS_STRING;
        ngx_str_set(&field[i].str, "2000");
        elts[i] = &field[i];
    }

    ngx_str_set(&field[0].str, "work");

    fields.type = NGX_SHOP_REDIS_ARRAY;
    fields.nelts = 4;
    fields.elts = elts;

    ttl.type = NGX_SHOP_REDIS_INTEGER;

    replies[0] = &fields;
    replies[1] = &ttl;
    replies[2] = &noted;

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {

        ngx_memzero(&session, sizeof(ngx_shop_session_t));
        ttl.integer = times[i].ttl;

        rc = ngx_shop_session_known(u->pool, replies, 1000, &session);

        ngx_shop_unit_is_int(u, rc, times[i].rc, times[i].what);
        ngx_shop_unit_is_int(u, session.ttl, times[i].known, times[i].what);
    }
}
