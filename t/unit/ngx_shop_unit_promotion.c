
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
    { NULL, NULL }
};


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

    moment.seed = NULL;

    (void) ngx_shop_evaluate(u->pool, program, &view, &moment, &result);

    ngx_shop_unit_is(u, &result.promotions, "C,D",
                     "without a seed nobody is given any of them");
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
