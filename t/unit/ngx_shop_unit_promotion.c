
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/evp.h>

#include "ngx_shop_unit_loyalty.h"


typedef struct {
    const char                *when;
    const char                *promotions;
} ngx_shop_unit_promotion_case_t;


static void ngx_shop_unit_promotion_siphash(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_siphash_openssl(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_hours(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_groups(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_stop(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_matches(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_buckets(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_holdout(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_budgets(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_limits(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_once(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_segments(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_visits(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_by_hand(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_presets(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_many(ngx_shop_unit_t *u);
static void ngx_shop_unit_promotion_trace(ngx_shop_unit_t *u);

static void ngx_shop_unit_promotion_told(void *data,
    ngx_shop_promotion_t *promotion, ngx_shop_offer_e offer);
static ngx_uint_t ngx_shop_unit_promotion_no_match(void *data,
    ngx_shop_match_t *match);
static void ngx_shop_unit_promotion_time(ngx_shop_unit_t *u,
    const char **lines, const char *segments, const char *promotions);
static void ngx_shop_unit_promotion_given(ngx_shop_unit_t *u,
    const char **lines, const char *when, const char *promotions);


ngx_shop_unit_test_t  ngx_shop_unit_promotion_tests[] = {
    { "SipHash: vectors of its authors", ngx_shop_unit_promotion_siphash },
    { "SipHash: the same as OpenSSL's",
      ngx_shop_unit_promotion_siphash_openssl },
    { "hours", ngx_shop_unit_promotion_hours },
    { "groups: the first is taken", ngx_shop_unit_promotion_groups },
    { "stop: the list ends", ngx_shop_unit_promotion_stop },
    { "matches", ngx_shop_unit_promotion_matches },
    { "buckets are even", ngx_shop_unit_promotion_buckets },
    { "who is in a holdout", ngx_shop_unit_promotion_holdout },
    { "budgets: what is not known is not shown",
      ngx_shop_unit_promotion_budgets },
    { "limits of a customer", ngx_shop_unit_promotion_limits },
    { "codes of customers' own", ngx_shop_unit_promotion_once },
    { "conditions of segments", ngx_shop_unit_promotion_segments },
    { "conditions on visits", ngx_shop_unit_promotion_visits },
    { "segments given by hand", ngx_shop_unit_promotion_by_hand },
    { "presets of segments", ngx_shop_unit_promotion_presets },
    { "a hundred lines, and five", ngx_shop_unit_promotion_many },
    { "what becomes of each is told", ngx_shop_unit_promotion_trace },
    { NULL, NULL }
};


typedef struct {
    ngx_uint_t                 n;
    ngx_str_t                  codes[16];
    ngx_shop_offer_e           offers[16];
} ngx_shop_unit_promotion_trace_t;


/* those of vectors.h of the reference implementation, as far as it needs */

static void
ngx_shop_unit_promotion_siphash(ngx_shop_unit_t *u)
{
    u_char      key[16], data[16];
    ngx_uint_t  i;

    static uint64_t  expected[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
        0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
        0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
        0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
        0xa129ca6149be45e5
    };

    for (i = 0; i < 16; i++) {
        key[i] = (u_char) i;
        data[i] = (u_char) i;
    }

    for (i = 0; i < 16; i++) {
        ngx_shop_unit_ok(u, ngx_shop_siphash(key, data, i) == expected[i],
                         "of %ui bytes", i);
    }

    ngx_shop_unit_ok(u, ngx_shop_siphash(key, NULL, 0) == expected[0],
                     "of no bytes at all");
}


static void
ngx_shop_unit_promotion_siphash_openssl(ngx_shop_unit_t *u)
{
    size_t        len, size;
    EVP_MAC      *mac;
    uint64_t      hash;
    ngx_uint_t    i, n, same;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *ctx;
    u_char        out[8], key[16], data[120];

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);

    if (!ngx_shop_unit_ok(u, mac != NULL, "OpenSSL has it")) {
        return;
    }

    size = sizeof(out);
    params[0] = OSSL_PARAM_construct_size_t("size", &size);
    params[1] = OSSL_PARAM_construct_end();

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (u_char) (i * 151 + 7);
        key[i % 16] = (u_char) (i * 37 + 200);
    }

    same = 0;

    for (i = 0; i <= sizeof(data); i++) {

        ctx = EVP_MAC_CTX_new(mac);
        len = 0;

        if (ctx != NULL
            && EVP_MAC_init(ctx, key, sizeof(key), params)
            && EVP_MAC_update(ctx, data, i)
            && EVP_MAC_final(ctx, out, &len, sizeof(out))
            && len == sizeof(out))
        {
            hash = ngx_shop_siphash(key, data, i);

            for (n = 0; n < 8 && out[n] == (u_char) (hash >> (8 * n)); n++) {
                /* void */
            }

            same += (n == 8);
        }

        EVP_MAC_CTX_free(ctx);
    }

    EVP_MAC_free(mac);

    ngx_shop_unit_is_int(u, same, sizeof(data) + 1,
                         "for each length up to 120");
}


static void
ngx_shop_unit_promotion_hours(ngx_shop_unit_t *u)
{
    ngx_uint_t  i;

    static const char  *lines[] = {
        "promotion ALWAYS",
        "hours 00:00-24:00",
        "promotion LUNCH",
        "hours 12:00-13:30",
        "promotion NIGHT",
        "hours sat-sun,wed 22:00-02:00",
        "promotion OFFICE",
        "hours mon-fri 09:00-18:00",
        "hours sat 10:00-12:00",
        "promotion WEEKEND",
        "hours fri-mon 00:00-24:00",
        NULL
    };

    /* 2026-11-26 is a Thursday */

    static ngx_shop_unit_promotion_case_t  cases[] = {
        { "2026-11-26T08:59:59Z", "ALWAYS" },
        { "2026-11-26T09:00:00Z", "ALWAYS,OFFICE" },
        { "2026-11-26T12:00:00Z", "ALWAYS,LUNCH,OFFICE" },
        { "2026-11-26T13:29:59Z", "ALWAYS,LUNCH,OFFICE" },
        { "2026-11-26T13:30:00Z", "ALWAYS,OFFICE" },
        { "2026-11-26T17:59:59Z", "ALWAYS,OFFICE" },
        { "2026-11-26T18:00:00Z", "ALWAYS" },
        { "2026-11-26T00:00:00Z", "ALWAYS,NIGHT" },
        { "2026-11-26T01:59:59Z", "ALWAYS,NIGHT" },
        { "2026-11-26T02:00:00Z", "ALWAYS" },
        { "2026-11-25T21:59:59Z", "ALWAYS" },
        { "2026-11-25T22:00:00Z", "ALWAYS,NIGHT" },
        { "2026-11-25T23:59:59Z", "ALWAYS,NIGHT" },
        { "2026-11-27T23:59:59Z", "ALWAYS,WEEKEND" },
        { "2026-11-28T10:00:00Z", "ALWAYS,OFFICE,WEEKEND" },
        { "2026-11-28T12:00:00Z", "ALWAYS,LUNCH,WEEKEND" },
        { "2026-11-29T00:00:00Z", "ALWAYS,NIGHT,WEEKEND" },
        { "2026-11-29T12:00:00Z", "ALWAYS,LUNCH,WEEKEND" },
        { "2026-11-30T01:00:00Z", "ALWAYS,NIGHT,WEEKEND" },
        { "2026-11-30T23:59:59Z", "ALWAYS,WEEKEND" },
        { "2026-12-01T00:00:00Z", "ALWAYS" },
        { NULL, NULL }
    };

    for (i = 0; cases[i].when; i++) {
        ngx_shop_unit_promotion_given(u, lines, cases[i].when,
                                      cases[i].promotions);
    }
}


static void
ngx_shop_unit_promotion_groups(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "promotion A",
        "group shipping",
        "until 2026-10-01",
        "promotion B",
        "group shipping",
        "priority 90",
        "from 2026-09-15",
        "promotion C",
        "group shipping",
        "promotion D",
        "group gift",
        "promotion E",
        "promotion F",
        "group gift",
        NULL
    };

    ngx_shop_unit_promotion_given(u, lines, "2026-09-14", "A,D,E");
    ngx_shop_unit_promotion_given(u, lines, "2026-09-15", "B,D,E");

    lines[5] = "priority 101";

    ngx_shop_unit_promotion_given(u, lines, "2026-10-01", "C,D,E");

    lines[5] = "priority 99";

    ngx_shop_unit_promotion_given(u, lines, "2026-10-01", "B,D,E");
}


static void
ngx_shop_unit_promotion_stop(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "promotion A",
        "promotion B",
        "stop on",
        "from 2026-09-15",
        "promotion C",
        "stop off",
        "promotion D",
        NULL
    };

    ngx_shop_unit_promotion_given(u, lines, "2026-09-14", "A,C,D");
    ngx_shop_unit_promotion_given(u, lines, "2026-09-15", "A,B");
}


static void
ngx_shop_unit_promotion_matches(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "promotion A",
        "match utm spring autumn",
        "promotion B",
        "match utm spring summer",
        "promotion C",
        "match utm autumn",
        "match country DE",
        "promotion D",
        "match $arg_utm_campaign autumn",
        NULL
    };

    ngx_shop_unit_promotion_given(u, lines, "2026-09-14", "A,D");
}


/* 100 000 customers and a holdout of 10 % */

static void
ngx_shop_unit_promotion_buckets(ngx_shop_unit_t *u)
{
    u_char      id[NGX_INT_T_LEN];
    ngx_int_t   held, both;
    ngx_str_t   customer;
    ngx_uint_t  i, one, two;

    held = 0;
    both = 0;

    customer.data = id;

    for (i = 0; i < 100000; i++) {

        customer.len = ngx_sprintf(id, "%ui", i) - id;

        one = ngx_shop_holdout_bucket((u_char *) "0123456789abcdef",
                                      ngx_shop_unit_str("AUTUMN-15"),
                                      &customer);
        two = ngx_shop_holdout_bucket((u_char *) "0123456789abcdef",
                                      ngx_shop_unit_str("AUTUMN-16"),
                                      &customer);
        held += (one < 1000);
        both += (one < 1000 && two < 1000);
    }

    ngx_shop_unit_note(u, "%i in one holdout, %i in two", held, both);

    ngx_shop_unit_ok(u, held > 9700 && held < 10300,
                     "10 % and not 0.3 points more or less");
    ngx_shop_unit_ok(u, both > 850 && both < 1150,
                     "two promotions have nothing to do with each other");
}


static void
ngx_shop_unit_promotion_holdout(ngx_shop_unit_t *u)
{
    u_char                  text[64];
    ngx_uint_t              bucket;
    ngx_shop_view_t         view;
    ngx_shop_moment_t       moment;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static const char  *lines[] = {
        "promotion A",
        "holdout 99.99%",
        "group g",
        "promotion B",
        "holdout 99.99%",
        "stop on",
        "promotion C",
        "group g",
        "promotion D",
        NULL
    };

    ngx_memzero(&view, sizeof(ngx_shop_view_t));
    ngx_memzero(&moment, sizeof(ngx_shop_moment_t));

    moment.now = OCTOBER;
    moment.customer = ngx_shop_unit_str("31242a092e19e93c631f8977ca8b3952");
    moment.seed = (u_char *) "0123456789abcdef";

    bucket = ngx_shop_holdout_bucket(moment.seed, ngx_shop_unit_str("A"),
                                     moment.customer);

    ngx_shop_unit_is_int(u, ngx_shop_holdout_bucket(moment.seed,
                                                 ngx_shop_unit_str("A"),
                                                 moment.customer),
                         bucket, "it is the same each time");

    ngx_shop_unit_ok(u, ngx_shop_holdout_bucket((u_char *) "0123456789abcdeF",
                                                ngx_shop_unit_str("A"),
                                                moment.customer)
                        != bucket,
                     "and another one with another seed");

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is(u, &result.promotions, "C,D",
                     "who is held out takes no group and stops no list");
    ngx_shop_unit_ok(u, result.given == 0 && result.held == 3,
                     "it is known of which promotions");

    /* the customer's bucket is not below the percentage any more */

    ngx_sprintf(text, "holdout %ui.%02ui%%%Z", bucket / 100, bucket % 100);
    lines[1] = (char *) text;

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is(u, &result.promotions, "A,D",
                     "a bucket that is the percentage is not below it");
    ngx_shop_unit_ok(u, result.given == 1 && result.held == 2,
                     "which is another arm");

    moment.seed = NULL;

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is(u, &result.promotions, "C,D",
                     "without a seed nobody is given any of them");
    ngx_shop_unit_ok(u, result.given == 0 && result.held == 0,
                     "and is in no arm");
}


static void
ngx_shop_unit_promotion_budgets(ngx_shop_unit_t *u)
{
    ngx_uint_t              i;
    ngx_shop_view_t         view;
    ngx_shop_budget_t       budgets[2];
    ngx_shop_moment_t       moment;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static const char  *lines[] = {
        "promotion A",
        "budget 10",
        "group g",
        "promotion B",
        "budget 1",
        "stop on",
        "promotion C",
        "group g",
        NULL
    };

    static struct {
        int64_t       redeemed[2];
        const char   *promotions;
    } cases[] = {
        { { -1, -1 }, "C" },
        { { 0, 0 }, "A,B" },
        { { 9, 1 }, "A" },
        { { 10, 0 }, "B" },
        { { 11, -1 }, "C" }
    };

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    ngx_memzero(&view, sizeof(ngx_shop_view_t));
    ngx_memzero(&moment, sizeof(ngx_shop_moment_t));

    moment.now = OCTOBER;
    moment.customer = ngx_shop_unit_str("c1");

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is(u, &result.promotions, "C", "nothing is known at all");

    moment.budgets = budgets;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        budgets[0].redeemed = cases[i].redeemed[0];
        budgets[1].redeemed = cases[i].redeemed[1];

        (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

        ngx_shop_unit_is(u, &result.promotions, cases[i].promotions,
                         "case %ui", i);
    }
}


static void
ngx_shop_unit_promotion_limits(ngx_shop_unit_t *u)
{
    ngx_str_t              limits;
    ngx_uint_t             i;
    ngx_shop_promotion_t   promotion;

    static struct {
        const char  *limits;
        ngx_uint_t   ever;
        ngx_uint_t   reached;
    } cases[] = {
        { "", 0, 0 },
        { "A:2:0", 1, 1 },
        { "A:2:1001", 1, 1 },
        { "A:2:999", 1, 1 },

        /* it was for ever, and is for a time */

        { "A:2:0", 0, 0 },
        { "A:2:999", 0, 0 },
        { "A:1:0", 0, 0 },
        { "A:3:1000", 0, 0 },
        { "A:2:1001", 0, 1 },
        { "AA:9:0 B:9:0", 0, 0 },
        { "B:1:0 A:2:0 C:1:0", 1, 1 },
        { "A", 0, 0 },
        { "A:", 0, 0 },
        { "A:2", 0, 0 },
        { "A::", 0, 0 },
        { "A:2: ", 0, 0 },
        { "A:x:0", 0, 0 },
        { " ", 0, 0 }
    };

    ngx_memzero(&promotion, sizeof(ngx_shop_promotion_t));

    promotion.code = *ngx_shop_unit_str("A");
    promotion.per_member = 2;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        limits.data = (u_char *) cases[i].limits;
        limits.len = ngx_strlen(limits.data);
        promotion.ever = cases[i].ever;

        ngx_shop_unit_is_int(u, ngx_shop_limit_reached(&limits, &promotion,
                                                       1000),
                             cases[i].reached, "\"%s\"", cases[i].limits);
    }
}


static void
ngx_shop_unit_promotion_once(ngx_shop_unit_t *u)
{
    u_char                 text[NGX_SHOP_NAME_MAX];
    ngx_str_t              own, customer;
    ngx_shop_program_t    *program;
    ngx_shop_promotion_t  *promotion;

    static u_char  seed[] = "0123456789abcdef";

    static const char  *lines[] = {
        "promotion A",
        "once",
        "promotion AAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "once",
        "promotion B",
        NULL
    };

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    customer = *ngx_shop_unit_str("31242a092e19e93c631f8977ca8b3952");
    promotion = program->promotions.elts;

    own.data = text;
    own.len = ngx_shop_once_code(text, seed, &promotion[1].code, &customer)
              - text;

    ngx_shop_unit_is_int(u, own.len, NGX_SHOP_NAME_MAX, "the longest one");

    own.len = ngx_shop_once_code(text, seed, &promotion[0].code, &customer)
              - text;

    ngx_shop_unit_is_int(u, ngx_shop_promotion_named(program, seed, &customer,
                                                     &own, &promotion),
                         NGX_OK, "it is the customer's");
    ngx_shop_unit_is(u, &promotion->code, "A", "of that promotion");

    ngx_shop_unit_is_int(u, ngx_shop_promotion_named(program, NULL, &customer,
                                                     &own, &promotion),
                         NGX_ABORT, "and nobody's without a seed");

    ngx_shop_unit_is_int(u, ngx_shop_promotion_named(program, seed,
                                                 ngx_shop_unit_str("c1"),
                                                 &own, &promotion),
                         NGX_ABORT, "and not another customer's");

    ngx_shop_unit_is_int(u, ngx_shop_promotion_named(program, seed, &customer,
                                                 ngx_shop_unit_str("A"),
                                                 &promotion),
                         NGX_ABORT, "nor is the code alone");

    ngx_shop_unit_is_int(u, ngx_shop_promotion_named(program, seed, &customer,
                                                 ngx_shop_unit_str("A-B"),
                                                 &promotion),
                         NGX_DECLINED, "nothing of this name");

    ngx_shop_unit_is_int(u, ngx_shop_promotion_named(program, seed, &customer,
                                                 ngx_shop_unit_str("B"),
                                                 &promotion),
                         NGX_OK, "a promotion for all");
}


/* each condition against a customer of whom all is known, and a new one */

static void
ngx_shop_unit_promotion_segments(ngx_shop_unit_t *u)
{
    u_char                  line[64];
    ngx_uint_t              i;
    ngx_shop_view_t         known, fresh;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static struct {
        const char  *condition;
        ngx_uint_t   known;
        ngx_uint_t   fresh;
    } cases[] = {
        { "new", 0, 1 },
        { "tier=silver", 1, 0 },
        { "tier!=silver", 0, 1 },
        { "tier<silver", 0, 1 },
        { "tier>=silver", 1, 0 },
        { "tier>silver", 0, 0 },
        { "points=1250", 1, 0 },
        { "points!=1250", 0, 1 },
        { "points<1250", 0, 1 },
        { "points<=1250", 1, 1 },
        { "points>1249", 1, 0 },
        { "points>=1251", 0, 0 },
        { "points=0", 0, 1 },
        { "orders>=3", 1, 0 },
        { "orders<3", 0, 1 },
        { "orders=0", 0, 1 },
        { "spend>=49.99", 1, 0 },
        { "spend>49.99", 0, 0 },
        { "spend<50", 1, 1 },

        /* who has no order has no time of the last one */

        { "recency<30d", 0, 0 },
        { "recency<=30d", 1, 0 },
        { "recency=30d", 1, 0 },
        { "recency>30d", 0, 0 },
        { "recency!=1d", 1, 0 },
        { "recency>719h", 1, 0 },

        /* nor has who was not booked yet a first one */

        { "member_since=2026-09-01", 1, 0 },
        { "member_since<2026-09-01T00:00:01Z", 1, 0 },
        { "member_since<2026-09-01", 0, 0 },
        { "member_since!=2026-09-02", 1, 0 },

        { "provider=work", 1, 1 },
        { "provider!=work", 0, 0 },
        { "provider=wor", 0, 0 },
        { "provider!=google", 1, 1 },

        /* what is known is 18 and 20 days old */

        { "visit_recency=18d", 1, 0 },
        { "visit_recency!=17d", 1, 0 },
        { "visit_recency<18d", 0, 0 },
        { "frequency>=1.979", 1, 0 },
        { "frequency>=1.980", 0, 0 },
        { "frequency!=3", 1, 1 },
        { "frequency=0", 0, 1 },
        { "streak=0", 1, 1 },
        { "streak>=1", 0, 0 },

        /* the session's is linked, whatever is known of others */

        { "providers=work", 1, 1 },
        { "providers!=work", 0, 0 },
        { "providers=google", 1, 0 },
        { "providers=goog", 0, 0 },
        { "providers=line", 1, 0 },
        { "providers!=goog", 1, 0 },
        { "locale=de", 1, 0 },
        { "locale=DE_at", 1, 0 },
        { "locale=de-ATX", 0, 0 },
        { "locale=d", 0, 0 },
        { "locale!=en", 1, 0 },
        { "locale!=de", 0, 0 },
        { "orders>=3 points>1000", 1, 0 },
        { "orders>=3 points>2000", 0, 0 },
        { NULL, 0, 0 }
    };

    static const char  *lines[] = {
        "currency EUR",
        "tier bronze",
        "tier silver points=1000",
        "tier gold points=5000",
        NULL,
        NULL
    };

    ngx_memzero(&fresh, sizeof(ngx_shop_view_t));
    ngx_memzero(&known, sizeof(ngx_shop_view_t));

    known.tier = *ngx_shop_unit_str("silver");
    known.points = 1250;
    known.orders = 3;
    known.spend = 4999;
    known.created = SEPTEMBER;
    known.last_order = OCTOBER - 30 * 86400;
    known.last_visit = OCTOBER - 18 * 86400;
    known.earlier_visit = OCTOBER - 20 * 86400;
    known.frequency = 3000;
    known.streak = 7;
    known.providers = *ngx_shop_unit_str("google,line");
    known.locale = *ngx_shop_unit_str("de-AT");

    lines[4] = (char *) line;

    for (i = 0; cases[i].condition; i++) {

        ngx_sprintf(line, "segment s %s%Z", cases[i].condition);

        program = ngx_shop_unit_loyalty_program(u, lines);

        if (program == NULL) {
            return;
        }

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &known, OCTOBER,
                                              &result);

        ngx_shop_unit_is(u, &result.segments, cases[i].known ? "s" : "",
                         "%s, known", cases[i].condition);

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &fresh, OCTOBER,
                                              &result);

        ngx_shop_unit_is(u, &result.segments, cases[i].fresh ? "s" : "",
                         "%s, new", cases[i].condition);
    }
}


/* what a visit leaves behind, as the days go by */

static void
ngx_shop_unit_promotion_visits(ngx_shop_unit_t *u)
{
    ngx_str_t               now;
    ngx_uint_t              i;
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static const char  *lines[] = {
        "segment back visit_recency>=3d",
        "segment soon visit_recency<3d",
        "segment row streak=5",
        "segment often frequency>=4",
        "segment seldom frequency<2",
        NULL
    };

    static struct {
        const char  *now;
        const char  *segments;
    } cases[] = {

        /* the visit itself, of which the day before is three days ago */

        { "2026-10-05T23:00:00Z", "back,row,often" },
        { "2026-10-05T23:59:59Z", "back,row" },

        /* from midnight on it is one of an earlier day */

        { "2026-10-06T00:00:00Z", "soon,row" },
        { "2026-10-06T23:59:59Z", "soon,row" },
        { "2026-10-07T00:00:00Z", "soon" },
        { "2026-10-08T22:59:59Z", "soon" },
        { "2026-10-08T23:00:00Z", "back" },

        /* a half-life */

        { "2026-11-04T22:59:59Z", "back" },
        { "2026-11-04T23:00:01Z", "back,seldom" },

        /* a clock that is behind */

        { "2026-10-05T22:59:00Z", "soon,row,often" },
        { NULL, NULL }
    };

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    ngx_shop_unit_ok(u, program->asks_visits && !program->asks_profile,
                     "the program asks for visits, and for no profile");

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    view.last_visit = OCTOBER + 4 * 86400 + 23 * 3600;
    view.earlier_visit = view.last_visit - 3 * 86400;
    view.streak = 5;
    view.frequency = 4000;

    for (i = 0; cases[i].now; i++) {

        now.data = (u_char *) cases[i].now;
        now.len = ngx_strlen(cases[i].now);

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &view,
                                              ngx_shop_parse_time(&now),
                                              &result);

        ngx_shop_unit_is(u, &result.segments, cases[i].segments, "%s",
                         cases[i].now);
    }
}


static void
ngx_shop_unit_promotion_by_hand(ngx_shop_unit_t *u)
{
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static const char  *lines[] = {
        "segment rich points>=1000",
        "segment rich orders>=10",
        "segment vip points>=5000",
        "promotion A",
        "audience vip",
        "promotion B",
        "audience segment!=vip",
        "promotion C",
        "audience segment=rich orders=0",
        NULL
    };

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is(u, &result.segments, "", "in no segment");
    ngx_shop_unit_is(u, &result.promotions, "B", "which is an audience, too");

    view.orders = 10;

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is(u, &result.segments, "rich", "by one of two lines");

    view.orders = 0;
    view.points = 5000;

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is(u, &result.segments, "rich,vip", "in two");
    ngx_shop_unit_is(u, &result.promotions, "A,C", "and what is theirs");

    view.points = 0;
    view.segments = *ngx_shop_unit_str("tester,vip,press");

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is(u, &result.segments, "vip,tester,press",
                     "what the shop has given counts");
    ngx_shop_unit_is(u, &result.promotions, "A", "in audiences, too");

    view.points = 1000;

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is(u, &result.segments, "rich,vip,tester,press",
                     "behind the program's own");
}


static void
ngx_shop_unit_promotion_presets(ngx_shop_unit_t *u)
{
    ngx_uint_t              i;
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static const char  *lines[] = {
        "segment new",
        "segment active",
        "segment at-risk",
        "segment lapsed",
        "segment champion",
        NULL
    };

    static const char  *other[] = {
        "segment lapsed recency>10d",
        "promotion A",
        "audience active",
        "promotion B",
        "audience lapsed",
        "promotion C",
        "audience at-risk champion",
        NULL
    };

    static struct {
        int64_t      orders;
        time_t       days;
        const char  *segments;
        const char  *promotions;
    } cases[] = {
        { 0, 0, "new", "" },
        { 1, 1, "active", "A" },
        { 4, 90, "active", "A,B" },
        { 5, 90, "active,champion", "A,B" },
        { 5, 91, "at-risk", "B" },
        { 1, 180, "at-risk", "B" },
        { 9, 181, "lapsed", "B" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        ngx_memzero(&view, sizeof(ngx_shop_view_t));

        view.orders = cases[i].orders;

        if (view.orders) {
            view.last_order = OCTOBER - cases[i].days * 86400;
        }

        program = ngx_shop_unit_loyalty_program(u, lines);

        if (program == NULL) {
            return;
        }

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                              &result);

        ngx_shop_unit_is(u, &result.segments, cases[i].segments,
                         "%L orders, %T days ago", cases[i].orders,
                         cases[i].days);

        program = ngx_shop_unit_loyalty_program(u, other);

        if (program == NULL) {
            return;
        }

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                              &result);

        ngx_shop_unit_is(u, &result.promotions, cases[i].promotions,
                         "as audiences, one of them with another meaning");
        ngx_shop_unit_ok(u, (result.segments.len == 6)
                            == (cases[i].days > 10),
                         "only that is told");
    }
}


/* what an evaluation takes is told, and not checked: machines differ */

static void
ngx_shop_unit_promotion_many(ngx_shop_unit_t *u)
{
    u_char      *p;
    ngx_uint_t   i, n;

    static u_char       text[100][48];
    static const char  *lines[32 + 34 + 2 * 34 + 1];

    static const char  *five[] = {
        "tier bronze",
        "tier silver points=1000",
        "promotion P1",
        "audience new",
        "promotion P2",
        "audience tier>=silver",
        "promotion P3",
        "until 2026-12-01",
        "holdout 1%",
        "promotion P4",
        "match utm autumn",
        "promotion P5",
        "hours mon-fri 09:00-18:00",
        NULL
    };

    n = 0;

    for (i = 0; i < 100; i++) {

        p = text[i];
        lines[n++] = (char *) p;

        if (i < 32) {
            ngx_sprintf(p, "tier t%ui points=%ui%Z", i, 1000 * i);

        } else if (i < 66) {
            ngx_sprintf(p, "segment s%ui orders>=%ui points>%ui%Z", i,
                        i / 8 - 3, i);

        } else {
            ngx_sprintf(p, "promotion P%ui%Z", i);
            lines[n++] = i % 2 ? "audience segment=s34 tier>=t20"
                               : "audience s65 new";
        }
    }

    lines[n] = NULL;

    ngx_shop_unit_promotion_time(u, lines, "s32,s33,s34,s35,s36,s37,s38,s39,"
        "s40,s41,s42,s43,s44,s45,s46,s47,s48,s49,s50,s51,s52,s53,s54,s55,s56,"
        "s57,s58,s59,s60,s61,s62,s63", "P67,P69,P71,P73,P75,P77,P79,P81,"
        "P83,P85,P87,P89,P91,P93,P95,P97,P99");

    ngx_shop_unit_promotion_time(u, five, "", "P2,P3,P4");
}


static void
ngx_shop_unit_promotion_time(ngx_shop_unit_t *u, const char **lines,
    const char *segments, const char *promotions)
{
    ngx_uint_t              i, n;
    ngx_pool_t             *pool, *kept;
    ngx_shop_view_t         view;
    struct timespec         from, to;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    program = ngx_shop_unit_loyalty_program(u, lines);
    pool = ngx_create_pool(4096, u->pool->log);

    if (program == NULL || pool == NULL) {
        return;
    }

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    view.tier = *ngx_shop_unit_str("silver");
    view.qualifying = 25000;
    view.points = 1250;
    view.orders = 4;

    kept = u->pool;
    u->pool = pool;
    n = 20000;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);

    for (i = 0; i < n; i++) {
        ngx_reset_pool(pool);
        (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                              &result);
    }

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);

    u->pool = kept;

    ngx_shop_unit_is(u, &result.segments, segments, "segments");
    ngx_shop_unit_is(u, &result.promotions, promotions, "promotions");

    ngx_shop_unit_note(u, "%ui ns", ((to.tv_sec - from.tv_sec) * 1000000000
                                     + to.tv_nsec - from.tv_nsec) / n);

    ngx_destroy_pool(pool);
}


static void
ngx_shop_unit_promotion_given(ngx_shop_unit_t *u, const char **lines,
    const char *when, const char *promotions)
{
    ngx_str_t               time;
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    time.data = (u_char *) when;
    time.len = ngx_strlen(when);

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view,
                                          ngx_shop_parse_time(&time),
                                          &result);

    ngx_shop_unit_is(u, &result.promotions, promotions, "%s", when);
}


static void
ngx_shop_unit_promotion_trace(ngx_shop_unit_t *u)
{
    ngx_uint_t                        i;
    ngx_shop_view_t                   view;
    ngx_shop_moment_t                 moment;
    ngx_shop_program_t               *program;
    ngx_shop_evaluation_t             result;
    ngx_shop_unit_promotion_trace_t   trace;

    static const char  *lines[] = {
        "promotion A", "group g",
        "promotion B", "group g",
        "promotion C", "from 2026-10-02",
        "promotion D", "until 2026-10-01",
        "promotion E", "hours fri 00:00-24:00",
        "promotion F", "audience orders>0",
        "promotion G", "match utm spring",
        "promotion H", "holdout 99.99%",
        "promotion I", "stop on",
        "promotion J",
        NULL
    };

    static ngx_shop_offer_e  expected[] = {
        NGX_SHOP_OFFER_GIVEN, NGX_SHOP_OFFER_GROUP, NGX_SHOP_OFFER_EARLY,
        NGX_SHOP_OFFER_LATE, NGX_SHOP_OFFER_HOURS, NGX_SHOP_OFFER_AUDIENCE,
        NGX_SHOP_OFFER_MATCH, NGX_SHOP_OFFER_HOLDOUT, NGX_SHOP_OFFER_GIVEN,
        NGX_SHOP_OFFER_STOPPED
    };

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    ngx_memzero(&view, sizeof(ngx_shop_view_t));
    ngx_memzero(&moment, sizeof(ngx_shop_moment_t));
    ngx_memzero(&trace, sizeof(ngx_shop_unit_promotion_trace_t));

    moment.now = OCTOBER;
    moment.customer = ngx_shop_unit_str("31242a092e19e93c631f8977ca8b3952");
    moment.seed = (u_char *) "0123456789abcdef";
    moment.match = ngx_shop_unit_promotion_no_match;
    moment.trace = ngx_shop_unit_promotion_told;
    moment.data = &trace;

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is(u, &result.promotions, "A,I", "what is given");
    ngx_shop_unit_is_int(u, trace.n, 10, "each is told of once");

    for (i = 0; i < trace.n; i++) {
        ngx_shop_unit_is_int(u, trace.offers[i], expected[i], "%V",
                             &trace.codes[i]);
    }

    moment.seed = NULL;
    trace.n = 0;

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is_int(u, trace.offers[7], NGX_SHOP_OFFER_UNSEEDED,
                         "without a seed nobody knows of a holdout");
}


static void
ngx_shop_unit_promotion_told(void *data, ngx_shop_promotion_t *promotion,
    ngx_shop_offer_e offer)
{
    ngx_shop_unit_promotion_trace_t *trace = data;

    trace->codes[trace->n] = promotion->code;
    trace->offers[trace->n] = offer;
    trace->n++;
}


static ngx_uint_t
ngx_shop_unit_promotion_no_match(void *data, ngx_shop_match_t *match)
{
    return 0;
}
