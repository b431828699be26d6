
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"
#include "ngx_shop_unit.h"


/*
 * When it is due to note that a session is used, and the table of what is to
 * be noted.  How it is sent is in t/session_activity.t.
 */


#define NGX_SHOP_UNIT_ACTIVITY_NOW  1800000000


static ngx_shop_activity_note_t *ngx_shop_unit_activity_add(
    ngx_shop_activity_table_t *table, u_char digest, const char *customer);

static void ngx_shop_unit_activity_due(ngx_shop_unit_t *u);
static void ngx_shop_unit_activity_idle(ngx_shop_unit_t *u);
static void ngx_shop_unit_activity_order(ngx_shop_unit_t *u);
static void ngx_shop_unit_activity_found(ngx_shop_unit_t *u);
static void ngx_shop_unit_activity_bounds(ngx_shop_unit_t *u);


ngx_shop_unit_test_t  ngx_shop_unit_activity_tests[] = {
    { "when it is due", ngx_shop_unit_activity_due },
    { "when a session idles out", ngx_shop_unit_activity_idle },
    { "fresh ones first, late ones in time", ngx_shop_unit_activity_order },
    { "a session has one note", ngx_shop_unit_activity_found },
    { "the table is bounded", ngx_shop_unit_activity_bounds },
    { NULL, NULL }
};


static void
ngx_shop_unit_activity_due(ngx_shop_unit_t *u)
{
    time_t                      now, interval;
    ngx_uint_t                  i, due;
    ngx_shop_session_t          session;
    ngx_shop_session_limits_t   limits;

    static struct {
        time_t       idle;
        time_t       left;          /* until it idles out */
        time_t       lives;         /* until its end */
        time_t       ago;           /* noted; -1: not known */
        ngx_uint_t   due;
        time_t       interval;
        const char  *text;
    } t[] = {
        { 30 * 86400, 30 * 86400, 90 * 86400, -1, 1, 300, "never noted" },
        { 30 * 86400, 30 * 86400, 90 * 86400, 299, 0, 300, "not yet" },
        { 30 * 86400, 30 * 86400, 90 * 86400, 300, 1, 300, "five minutes" },
        { 30 * 86400, 30 * 86400, 90 * 86400, -600, 1, 300,
          "noted in time to come" },
        { 30 * 86400, 16 * 86400, 90 * 86400, 299, 0, 300,
          "much is left, though it was not used for long" },
        { 30 * 86400, 3600, 90 * 86400, 2, 1, 2,
          "another server has a shorter end: at once" },
        { 30 * 86400, 3600, 90 * 86400, 1, 0, 2,
          "which takes a moment to be written" },
        { 30 * 86400, 0, 90 * 86400, 2, 1, 2, "it has no idle end" },
        { 3600, 30 * 86400, 90 * 86400, 299, 0, 300,
          "another server has a longer end: in time" },
        { 3600, 30 * 86400, 90 * 86400, 300, 1, 300, "which has come" },
        { 30 * 86400, 3600, 3600, 299, 0, 300,
          "its absolute end is near and does not move" },
        { 600, 600, 90 * 86400, 59, 0, 60, "a short one: not yet" },
        { 600, 600, 90 * 86400, 60, 1, 60, "a tenth of it" },
        { 5, 5, 90 * 86400, 0, 1, 0, "a very short one: always" },
    };

    now = NGX_SHOP_UNIT_ACTIVITY_NOW;

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {

        ngx_memzero(&session, sizeof(ngx_shop_session_t));

        session.ttl = t[i].left ? t[i].left * 1000 : -1;
        session.expires = now + t[i].lives;
        session.noted = (t[i].ago == -1) ? 0 : now - t[i].ago;

        limits.idle = t[i].idle;
        limits.lifetime = 180 * 86400;

        due = ngx_shop_session_due(&session, &limits, now, &interval);

        ngx_shop_unit_is_int(u, due, t[i].due, "%s", t[i].text);
        ngx_shop_unit_is_int(u, interval, t[i].interval, "%s: the next",
                             t[i].text);
    }
}


static void
ngx_shop_unit_activity_idle(ngx_shop_unit_t *u)
{
    time_t  now;

    now = NGX_SHOP_UNIT_ACTIVITY_NOW;

    ngx_shop_unit_is_int(u, ngx_shop_session_idle(100, now + 500, now, now),
                         100000, "used now");
    ngx_shop_unit_is_int(u,
                         ngx_shop_session_idle(100, now + 500, now - 40, now),
                         60000, "used a while ago");
    ngx_shop_unit_is_int(u, ngx_shop_session_idle(100, now + 50, now, now),
                         50000, "never past its end");
    ngx_shop_unit_ok(u, ngx_shop_session_idle(100, now + 500, now - 100, now)
                        <= 0,
                     "used too long ago");
}


/* a note of a customer whose digest begins with "digest" */

static ngx_shop_activity_note_t *
ngx_shop_unit_activity_add(ngx_shop_activity_table_t *table, u_char digest,
    const char *customer)
{
    u_char     data[NGX_SHOP_SHA256_LEN];
    ngx_str_t  id;

    ngx_memzero(data, sizeof(data));
    data[0] = digest;

    id.data = (u_char *) customer;
    id.len = ngx_strlen(customer);

    return ngx_shop_activity_add(table, data, &id);
}


static void
ngx_shop_unit_activity_order(ngx_shop_unit_t *u)
{
    ngx_shop_activity_note_t   *a, *b, *c;
    ngx_shop_activity_table_t   table;

    if (!ngx_shop_unit_is_int(u, ngx_shop_activity_table_init(&table, u->pool,
                                                              8),
                              NGX_OK, "a table"))
    {
        return;
    }

    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 0) == NULL,
                     "nothing is to be sent");

    a = ngx_shop_unit_activity_add(&table, 1, "a");
    b = ngx_shop_unit_activity_add(&table, 2, "b");

    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 1000) == a,
                     "the first");

    ngx_shop_unit_is_int(u, ngx_shop_activity_late(&table, a, 6000), NGX_OK,
                         "it is to be tried again");

    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 6000) == b,
                     "a fresh one is not kept by it");

    ngx_shop_unit_is_int(u, ngx_shop_activity_late(&table, b, 7000), NGX_OK,
                         "this one as well, later");

    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 5999) == NULL,
                     "their time has not come");
    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 6500) == a,
                     "that of the first has");
    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 6500) == NULL,
                     "and not that of the other");

    ngx_shop_activity_free(&table, a);
    c = ngx_shop_unit_activity_add(&table, 3, "longer");

    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 6500) == c,
                     "a note is used again");
    ngx_shop_unit_is(u, &c->customer, "longer", "for another customer");

    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 9000) == b,
                     "and the last one");
}


static void
ngx_shop_unit_activity_found(ngx_shop_unit_t *u)
{
    u_char                      digest[NGX_SHOP_SHA256_LEN];
    ngx_shop_activity_note_t   *a, *b;
    ngx_shop_activity_table_t   table;

    if (!ngx_shop_unit_is_int(u, ngx_shop_activity_table_init(&table, u->pool,
                                                              8),
                              NGX_OK, "a table"))
    {
        return;
    }

    ngx_memzero(digest, sizeof(digest));

    /* of one chain */

    digest[0] = 7;
    a = ngx_shop_unit_activity_add(&table, 7, "a");
    b = ngx_shop_unit_activity_add(&table, 7 + NGX_SHOP_ACTIVITY_CHAINS, "b");

    ngx_shop_unit_ok(u, ngx_shop_activity_find(&table, digest) == a,
                     "a fresh one is found");

    digest[0] = 7 + NGX_SHOP_ACTIVITY_CHAINS;
    ngx_shop_unit_ok(u, ngx_shop_activity_find(&table, digest) == b,
                     "and is not taken for its neighbor");

    digest[NGX_SHOP_SHA256_LEN - 1] = 1;
    ngx_shop_unit_ok(u, ngx_shop_activity_find(&table, digest) == NULL,
                     "nor for another session");

    digest[0] = 7;
    digest[NGX_SHOP_SHA256_LEN - 1] = 0;

    (void) ngx_shop_activity_take(&table, 0);
    ngx_shop_unit_ok(u, ngx_shop_activity_find(&table, digest) == a,
                     "one that is out is found");

    (void) ngx_shop_activity_late(&table, a, 1000);
    ngx_shop_unit_ok(u, ngx_shop_activity_find(&table, digest) == a,
                     "one that is late, too");

    (void) ngx_shop_activity_take(&table, 0);
    ngx_shop_unit_ok(u, ngx_shop_activity_take(&table, 1000) == a, "again");

    ngx_shop_activity_free(&table, a);
    ngx_shop_unit_ok(u, ngx_shop_activity_find(&table, digest) == NULL,
                     "what was written is not");
}


static void
ngx_shop_unit_activity_bounds(ngx_shop_unit_t *u)
{
    ngx_uint_t                  i, n;
    ngx_shop_activity_note_t   *note[9];
    ngx_shop_activity_table_t   table;

    if (!ngx_shop_unit_is_int(u, ngx_shop_activity_table_init(&table, u->pool,
                                                              8),
                              NGX_OK, "a table"))
    {
        return;
    }

    for (n = 0; n < 9 && !ngx_shop_activity_full(&table); n++) {
        (void) ngx_shop_unit_activity_add(&table, (u_char) n, "c");
    }

    ngx_shop_unit_is_int(u, n, 8, "it has room for eight");

    for (i = 0; i < 8; i++) {
        note[i] = ngx_shop_activity_take(&table, 0);
    }

    ngx_shop_unit_ok(u, ngx_shop_activity_full(&table),
                     "those that are out have their place still");

    for (n = 0; n < 8; n++) {
        if (ngx_shop_activity_late(&table, note[n], 1000) != NGX_OK) {
            break;
        }
    }

    ngx_shop_unit_is_int(u, n, 4, "half of them may be late");

    for (i = n; i < 8; i++) {
        ngx_shop_activity_free(&table, note[i]);
    }

    ngx_shop_unit_ok(u, !ngx_shop_activity_full(&table),
                     "so there is always room for others");

    (void) ngx_shop_activity_take(&table, 1000);

    ngx_shop_unit_is_int(u, ngx_shop_activity_late(&table, note[0], 2000),
                         NGX_OK, "and again for a late one");
}
