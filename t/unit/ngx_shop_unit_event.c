
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"
#include "ngx_shop_unit.h"


#define HEAD  "\"id\":\"e\",\"customer\":\"C\",\"time\":1795723844,"
#define ORDER  HEAD "\"type\":\"order\",\"order\":\"1\","
#define NGX_SHOP_UNIT_NOW  1795723844


static void ngx_shop_unit_event_words(ngx_shop_unit_t *u);
static void ngx_shop_unit_event_reasons(ngx_shop_unit_t *u);
static void ngx_shop_unit_event_owners(ngx_shop_unit_t *u);
static void ngx_shop_unit_event_bounds(ngx_shop_unit_t *u);
static void ngx_shop_unit_event_times(ngx_shop_unit_t *u);
static void ngx_shop_unit_event_lines(ngx_shop_unit_t *u);
static void ngx_shop_unit_event_bytes(ngx_shop_unit_t *u);
static ngx_int_t ngx_shop_unit_event_parse(ngx_shop_unit_t *u,
    ngx_str_t *text, ngx_shop_event_t *event, ngx_shop_owner_t *owner,
    const char **reason);
static ngx_int_t ngx_shop_unit_event_long(ngx_shop_unit_t *u,
    const char *before, size_t n, const char *behind, const char **reason);
static ngx_uint_t ngx_shop_unit_event_is_word(ngx_str_t *text, size_t max);


ngx_shop_unit_test_t  ngx_shop_unit_event_tests[] = {
    { "events as words", ngx_shop_unit_event_words },
    { "what is wrong with one", ngx_shop_unit_event_reasons },
    { "whose it is", ngx_shop_unit_event_owners },
    { "the longest of each", ngx_shop_unit_event_bounds },
    { "times to be booked at", ngx_shop_unit_event_times },
    { "lines of those that wait", ngx_shop_unit_event_lines },
    { "bytes that change", ngx_shop_unit_event_bytes },
    { NULL, NULL }
};


static const char  *ngx_shop_unit_event_all[] = {
    "{" ORDER "\"total\":\"49.99\",\"currency\":\"EUR\","
    "\"promotion\":[\"A-1\",\"B_2\"]}",
    "{" HEAD "\"type\":\"refund\",\"order\":7,\"total\":\"0.01\"}",
    "{" HEAD "\"type\":\"spend\",\"points\":12}",
    "{" HEAD "\"type\":\"adjust\",\"points\":-5,\"qualifying\":true}",
    "{" HEAD "\"type\":\"grant\",\"tier\":\"gold\","
    "\"until\":\"2027-01-01T00:00:00.5Z\"}",
    "{" HEAD "\"type\":\"custom\",\"name\":\"review\"}",
    NULL
};


static void
ngx_shop_unit_event_words(ngx_shop_unit_t *u)
{
    ngx_str_t          text, line;
    ngx_uint_t         i;
    const char        *reason;
    ngx_shop_event_t   event;
    ngx_shop_owner_t   owner;

    static const char  *lines[] = {
        "e order 1795723844 4999 1 A-1,B_2",
        "e refund 1795723844 1 7 ",
        "e spend 1795723844 12  ",
        "e adjust 1795723844 -5  qualifying",
        "e grant 1795723844 1798761600 gold ",
        "e custom 1795723844  review "
    };

    for (i = 0; ngx_shop_unit_event_all[i] != NULL; i++) {

        text.data = (u_char *) ngx_shop_unit_event_all[i];
        text.len = ngx_strlen(text.data);

        if (!ngx_shop_unit_is_int(u, ngx_shop_unit_event_parse(u, &text,
                                                               &event, &owner,
                                                               &reason),
                                  NGX_OK, "\"%V\"", &text))
        {
            continue;
        }

        ngx_shop_unit_is(u, &owner.id, "C", "... is its customer's");
        ngx_shop_unit_is_int(u, ngx_shop_event_pack(u->pool, &event, &line),
                             NGX_OK, "... can wait");
        ngx_shop_unit_is(u, &line, lines[i], "... as these words");
    }
}


static void
ngx_shop_unit_event_reasons(ngx_shop_unit_t *u)
{
    ngx_str_t          text, is;
    ngx_uint_t         i;
    const char        *reason;
    ngx_shop_event_t   event;
    ngx_shop_owner_t   owner;

    static struct {
        const char  *text;
        const char  *reason;
    } cases[] = {

        { "", "json_malformed" },
        { "[]", "json_malformed" },
        { "1", "json_malformed" },
        { "{", "json_malformed" },
        { "{\"id\":\"a\",\"id\":\"b\"}", "json_malformed" },
        { "{} {}", "json_malformed" },
        { "{\"id\":\"a\\u0000\"}", "json_malformed" },

        { "{}", "id_missing" },
        { "{\"id\":null}", "id_missing" },
        { "{\"id\":\"\"}", "id_missing" },
        { "{\"id\":\"a b\"}", "id_invalid" },
        { "{\"id\":\"a\\n\"}", "id_invalid" },
        { "{\"id\":\"\\u00e4\"}", "id_invalid" },
        { "{\"id\":1.5}", "id_invalid" },
        { "{\"id\":[]}", "id_invalid" },
        { "{\"id\":\"signup\"}", "id_invalid" },

        { "{\"id\":\"a\"}", "type_missing" },
        { "{\"id\":\"a\",\"type\":1}", "type_missing" },
        { "{\"id\":\"a\",\"type\":\"Order\"}", "type_unknown" },
        { "{\"id\":\"a\",\"type\":\"login\"}", "type_unknown" },

        { "{\"id\":\"a\",\"type\":\"spend\"}", "time_missing" },
        { "{\"id\":\"a\",\"type\":\"spend\",\"time\":-1}", "time_invalid" },
        { "{\"id\":\"a\",\"type\":\"spend\",\"time\":true}", "time_invalid" },
        { "{\"id\":\"a\",\"type\":\"spend\",\"time\":253402300800}",
          "time_invalid" },
        { "{\"id\":\"a\",\"type\":\"spend\",\"time\":\"yesterday\"}",
          "time_invalid" },
        { "{\"id\":\"a\",\"type\":\"spend\","
          "\"time\":\"2026-09-01T10:00:00.Z\"}", "time_invalid" },
        { "{\"id\":\"a\",\"type\":\"spend\","
          "\"time\":\"2026-09-01T10:00.5Z\"}", "time_invalid" },

        { "{" HEAD "\"type\":\"order\"}", "order_missing" },
        { "{" HEAD "\"type\":\"order\",\"order\":\"a b\"}", "order_invalid" },
        { "{" ORDER "\"total\":\"1\"}", "currency_missing" },
        { "{" ORDER "\"total\":\"1\",\"currency\":\"USD\"}",
          "currency_mismatch" },
        { "{" ORDER "\"total\":\"1\",\"currency\":1}", "currency_mismatch" },
        { "{" ORDER "\"currency\":\"EUR\"}", "amount_missing" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":1}", "amount_invalid" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"1e3\"}",
          "amount_invalid" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"-1\"}",
          "amount_negative" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"1.001\"}",
          "amount_fraction" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"90071992547409.92\"}",
          "too_large" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"1\","
          "\"promotion\":\"a,b\"}", "promotion_invalid" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"1\","
          "\"promotion\":[1]}", "promotion_invalid" },
        { "{" ORDER "\"currency\":\"EUR\",\"total\":\"1\","
          "\"promotion\":{}}", "promotion_invalid" },

        { "{" HEAD "\"type\":\"refund\",\"order\":\"1\"}", "amount_missing" },
        { "{" HEAD "\"type\":\"spend\"}", "points_missing" },
        { "{" HEAD "\"type\":\"spend\",\"points\":0}", "points_invalid" },
        { "{" HEAD "\"type\":\"spend\",\"points\":-1}", "points_invalid" },
        { "{" HEAD "\"type\":\"spend\",\"points\":1.5}", "points_invalid" },
        { "{" HEAD "\"type\":\"spend\",\"points\":9007199254740992}",
          "too_large" },
        { "{" HEAD "\"type\":\"spend\",\"points\":1,\"order\":\"\"}",
          "order_invalid" },
        { "{" HEAD "\"type\":\"adjust\",\"points\":\"-\"}",
          "points_invalid" },
        { "{" HEAD "\"type\":\"adjust\",\"points\":1,\"qualifying\":1}",
          "qualifying_invalid" },
        { "{" HEAD "\"type\":\"grant\"}", "tier_missing" },
        { "{" HEAD "\"type\":\"grant\",\"tier\":\"none\"}",
          "tier_unknown" },
        { "{" HEAD "\"type\":\"grant\",\"tier\":\"gold\"}",
          "until_missing" },
        { "{" HEAD "\"type\":\"grant\",\"tier\":\"gold\",\"until\":\"x\"}",
          "until_invalid" },
        { "{" HEAD "\"type\":\"custom\"}", "name_missing" },
        { "{" HEAD "\"type\":\"custom\",\"name\":\"a b\"}",
          "name_invalid" },
        { "{" HEAD "\"type\":\"custom\",\"name\":\"a\",\"amount\":\"x\"}",
          "amount_invalid" },
        { "{" HEAD "\"type\":\"custom\",\"name\":\"a\","
          "\"currency\":\"USD\"}", "currency_mismatch" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        text.data = (u_char *) cases[i].text;
        text.len = ngx_strlen(text.data);

        ngx_shop_unit_is_int(u, ngx_shop_unit_event_parse(u, &text, &event,
                                                          &owner, &reason),
                             NGX_DECLINED, "\"%V\" is refused", &text);

        is.data = (u_char *) (reason ? reason : "");
        is.len = ngx_strlen(is.data);

        ngx_shop_unit_is(u, &is, cases[i].reason, "... for that");
    }
}


static void
ngx_shop_unit_event_owners(ngx_shop_unit_t *u)
{
    u_char            *p;
    ngx_str_t          text, is;
    ngx_uint_t         i;
    const char        *reason;
    ngx_shop_event_t   event;
    ngx_shop_owner_t   owner;

    static struct {
        const char  *customer;
        const char  *id;            /* NULL: refused */
        const char  *provider;
        const char  *subject;
        const char  *email;
    } cases[] = {
        { "\"C17\"", "C17", "", "", "" },
        { "null", "", "", "", "" },
        { "{\"provider\":\"work\",\"subject\":\"a b\"}", "", "work", "a b",
          "" },
        { "{\"provider\":\"work\",\"subject\":17}", "", "work", "17", "" },
        { "{\"email\":\"a@shop.example\"}", "", "", "", "a@shop.example" },

        { "\"\"", NULL, NULL, NULL, NULL },
        { "\"a b\"", NULL, NULL, NULL, NULL },
        { "\"{7}\"", NULL, NULL, NULL, NULL },
        { "17", NULL, NULL, NULL, NULL },
        { "[]", NULL, NULL, NULL, NULL },
        { "{}", NULL, NULL, NULL, NULL },
        { "{\"provider\":\"work\"}", NULL, NULL, NULL, NULL },
        { "{\"subject\":\"a\"}", NULL, NULL, NULL, NULL },
        { "{\"provider\":\"wo rk\",\"subject\":\"a\"}", NULL, NULL, NULL,
          NULL },
        { "{\"provider\":\"work\",\"subject\":\"\"}", NULL, NULL, NULL,
          NULL },
        { "{\"email\":\"shop.example\"}", NULL, NULL, NULL, NULL },
        { "{\"email\":\"a@b@shop.example\"}", NULL, NULL, NULL, NULL },
        { "{\"email\":null}", NULL, NULL, NULL, NULL },
        { "{\"email\":\"a@shop.example\",\"provider\":\"work\"}", NULL, NULL,
          NULL, NULL }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        p = ngx_pnalloc(u->pool, 256);
        if (p == NULL) {
            return;
        }

        text.data = p;
        text.len = ngx_sprintf(p, "{\"id\":\"e\",\"type\":\"spend\","
                                  "\"time\":1,\"points\":1,\"customer\":%s}",
                               cases[i].customer)
                   - p;

        ngx_shop_unit_is_int(u, ngx_shop_unit_event_parse(u, &text, &event,
                                                          &owner, &reason),
                             cases[i].id ? NGX_OK : NGX_DECLINED, "%s",
                             cases[i].customer);

        if (cases[i].id == NULL) {
            is.data = (u_char *) (reason ? reason : "");
            is.len = ngx_strlen(is.data);

            ngx_shop_unit_is(u, &is, "customer_invalid", "... is refused");
            continue;
        }

        ngx_shop_unit_is(u, &owner.id, cases[i].id, "... the id");
        ngx_shop_unit_is(u, &owner.provider, cases[i].provider,
                         "... the provider");
        ngx_shop_unit_is(u, &owner.subject, cases[i].subject,
                         "... the subject");
        ngx_shop_unit_is(u, &owner.email, cases[i].email, "... the address");
    }
}


static void
ngx_shop_unit_event_bounds(ngx_shop_unit_t *u)
{
    ngx_uint_t   i;
    const char  *reason;

    static struct {
        const char  *before;
        const char  *behind;
        size_t       max;
    } cases[] = {
        { "{\"id\":\"", "\",\"type\":\"spend\",\"time\":1,\"points\":1}",
          NGX_SHOP_EVENT_ID_MAX },
        { "{" HEAD "\"type\":\"refund\",\"total\":\"1\",\"order\":\"", "\"}",
          NGX_SHOP_EVENT_ID_MAX },
        { "{\"id\":\"e\",\"type\":\"spend\",\"time\":1,\"points\":1,"
          "\"customer\":\"", "\"}", NGX_SHOP_CUSTOMER_ID_MAX },
        { "{\"id\":\"e\",\"type\":\"spend\",\"time\":1,\"points\":1,"
          "\"customer\":{\"provider\":\"work\",\"subject\":\"", "\"}}",
          NGX_SHOP_EVENT_SUBJECT_MAX },
        { "{" HEAD "\"type\":\"custom\",\"name\":\"", "\"}",
          NGX_SHOP_NAME_MAX }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        ngx_shop_unit_is_int(u, ngx_shop_unit_event_long(u, cases[i].before,
                                                         cases[i].max,
                                                         cases[i].behind,
                                                         &reason),
                             NGX_OK, "%s: as long as may be",
                             cases[i].before);
        ngx_shop_unit_is_int(u, ngx_shop_unit_event_long(u, cases[i].before,
                                                         cases[i].max + 1,
                                                         cases[i].behind,
                                                         &reason),
                             NGX_DECLINED, "... and one more");
    }

    ngx_shop_unit_is_int(u, ngx_shop_unit_event_long(u, "{\"x\":\"",
                                                     NGX_SHOP_EVENT_MAX,
                                                     "\"}", &reason),
                         NGX_DECLINED, "a line that is too long");
    ngx_shop_unit_ok(u, reason != NULL
                        && ngx_strcmp(reason, "line_too_long") == 0,
                     "... is said to be so");
}


static void
ngx_shop_unit_event_times(ngx_shop_unit_t *u)
{
    ngx_uint_t         i;
    const char        *reason;
    ngx_shop_event_t   event;

    static struct {
        time_t       ahead;
        const char  *reason;
    } cases[] = {
        { 0, NULL },
        { NGX_SHOP_EVENT_AHEAD, NULL },
        { NGX_SHOP_EVENT_AHEAD + 1, "in_future" },
        { - NGX_SHOP_EVENT_LATE, NULL },
        { - NGX_SHOP_EVENT_LATE - 1, "too_old" }
    };

    ngx_memzero(&event, sizeof(ngx_shop_event_t));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        event.time = NGX_SHOP_UNIT_NOW + cases[i].ahead;
        reason = NULL;

        ngx_shop_unit_is_int(u, ngx_shop_event_timely(&event,
                                                      NGX_SHOP_UNIT_NOW,
                                                      &reason),
                             cases[i].reason ? NGX_DECLINED : NGX_OK,
                             "%T seconds ahead", cases[i].ahead);
        ngx_shop_unit_ok(u, (reason == NULL) == (cases[i].reason == NULL)
                            && (reason == NULL
                                || ngx_strcmp(reason, cases[i].reason) == 0),
                         "... for that reason");
    }
}


static void
ngx_shop_unit_event_lines(ngx_shop_unit_t *u)
{
    time_t             kept;
    ngx_str_t          line;
    ngx_uint_t         i;
    ngx_shop_event_t   event;

    static const char  *wrong[] = {
        "", "7", "7 e", "7 e order", "7 e order 1", "7 e order 1 2",
        "7 e order 1 2 3", "7 e order 1 2 3 4 5", "7 e order 1 2 3 4 ",
        "x e order 1 2 3 4", " e order 1 2 3 4", "7  order 1 2 3 4",
        "7 e  1 2 3 4", "7 e order x 2 3 4", "7 e order  2 3 4",
        "-7 e order 1 2 3 4", "99999999999999999999 e order 1 2 3 4",
        "7 e order 1 2 3 A,", "7 e order 1 2 3 ,A", "7 e order 1 2 3 A$",
        "7 e order 1 2 3 A234567890123456789012345678901234567890X",
        "7 e order 1 2 3 A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,Q,R,S,T,U"
    };

    ngx_str_set(&line, "7 e order 1 2 3 4");

    ngx_shop_unit_is_int(u, ngx_shop_event_unpack(&line, &kept, &event),
                         NGX_OK, "a line");
    ngx_shop_unit_is_int(u, kept, 7, "... waits since then");
    ngx_shop_unit_is_int(u, event.time, 1, "... is of then");
    ngx_shop_unit_is(u, &event.id, "e", "... has an id");
    ngx_shop_unit_is(u, &event.kind, "order", "... is of a kind");
    ngx_shop_unit_is(u, &event.amount, "2", "... has an amount");
    ngx_shop_unit_is(u, &event.what, "3", "... is about something");
    ngx_shop_unit_is(u, &event.option, "4", "... in a certain way");

    ngx_str_set(&line, "7 e spend 1   ");

    ngx_shop_unit_is_int(u, ngx_shop_event_unpack(&line, &kept, &event),
                         NGX_OK, "a line of empty words");
    ngx_shop_unit_is_int(u, event.amount.len + event.what.len
                            + event.option.len, 0, "... has these");

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {

        line.data = (u_char *) wrong[i];
        line.len = ngx_strlen(line.data);

        ngx_shop_unit_is_int(u, ngx_shop_event_unpack(&line, &kept, &event),
                             NGX_ERROR, "\"%V\" is none", &line);
    }
}


/* each byte of each event, by any other: refused, or words as they must be */

static void
ngx_shop_unit_event_bytes(ngx_shop_unit_t *u)
{
    u_char            *p;
    ngx_int_t          rc;
    ngx_str_t          text;
    ngx_uint_t         i, n, byte, bad, taken;
    ngx_pool_t        *pool;
    const char        *reason;
    ngx_shop_unit_t    part;
    ngx_shop_event_t   event;
    ngx_shop_owner_t   owner;

    bad = 0;
    taken = 0;
    part = *u;

    for (i = 0; ngx_shop_unit_event_all[i] != NULL; i++) {

        text.len = ngx_strlen(ngx_shop_unit_event_all[i]);

        for (n = 0; n < text.len; n++) {

            pool = ngx_create_pool(4096, u->log);
            if (pool == NULL) {
                return;
            }

            part.pool = pool;

            p = ngx_pnalloc(pool, text.len);
            if (p == NULL) {
                ngx_destroy_pool(pool);
                return;
            }

            ngx_memcpy(p, ngx_shop_unit_event_all[i], text.len);

            text.data = p;

            for (byte = 0; byte < 256; byte++) {

                p[n] = (u_char) byte;

                rc = ngx_shop_unit_event_parse(&part, &text, &event, &owner,
                                               &reason);

                if (rc == NGX_DECLINED && reason != NULL) {
                    continue;
                }

                taken++;

                if (rc != NGX_OK || reason != NULL || event.time < 0
                    || event.id.len == 0
                    || owner.id.len > NGX_SHOP_CUSTOMER_ID_MAX
                    || !ngx_shop_unit_event_is_word(&event.id,
                                                    NGX_SHOP_EVENT_ID_MAX)
                    || !ngx_shop_unit_event_is_word(&event.what,
                                                    NGX_SHOP_EVENT_ID_MAX)
                    || !ngx_shop_unit_event_is_word(&event.amount,
                                                    NGX_INT64_LEN)
                    || !ngx_shop_unit_event_is_word(&event.option, 1024))
                {
                    bad++;
                }
            }

            ngx_destroy_pool(pool);
        }
    }

    ngx_shop_unit_is_int(u, bad, 0, "all that is taken is words");
    ngx_shop_unit_ok(u, taken > 5000, "... %ui of them", taken);
}


static ngx_int_t
ngx_shop_unit_event_parse(ngx_shop_unit_t *u, ngx_str_t *text,
    ngx_shop_event_t *event, ngx_shop_owner_t *owner, const char **reason)
{
    ngx_shop_tier_t     *tier;
    ngx_shop_program_t   program;

    *reason = NULL;

    if (ngx_shop_program_init(u->pool, &program, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&program.currency, "EUR");

    tier = ngx_array_push(&program.tiers);
    if (tier == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(tier, sizeof(ngx_shop_tier_t));
    ngx_str_set(&tier->name, "gold");

    return ngx_shop_event_parse(u->pool, text, &program, event, owner,
                                reason);
}


static ngx_int_t
ngx_shop_unit_event_long(ngx_shop_unit_t *u, const char *before, size_t n,
    const char *behind, const char **reason)
{
    u_char            *p;
    ngx_str_t          text;
    ngx_shop_event_t   event;
    ngx_shop_owner_t   owner;

    p = ngx_pnalloc(u->pool, ngx_strlen(before) + n + ngx_strlen(behind));
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.data = p;

    p = ngx_cpymem(p, before, ngx_strlen(before));
    ngx_memset(p, 'a', n);
    p = ngx_cpymem(p + n, behind, ngx_strlen(behind));

    text.len = p - text.data;

    return ngx_shop_unit_event_parse(u, &text, &event, &owner, reason);
}


static ngx_uint_t
ngx_shop_unit_event_is_word(ngx_str_t *text, size_t max)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] <= ' ' || text->data[i] > '~') {
            return 0;
        }
    }

    return text->len <= max;
}
