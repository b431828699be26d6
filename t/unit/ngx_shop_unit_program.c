
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_shop_unit_loyalty.h"


typedef struct {
    const char                *text;
    const char                *reason;      /* a part of it */
} ngx_shop_unit_program_case_t;


static void ngx_shop_unit_program_same(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_empty(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_words(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_refused(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_reason(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_bounds(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_mutations(ngx_shop_unit_t *u);
static void ngx_shop_unit_program_users(ngx_shop_unit_t *u);

static ngx_shop_program_t *ngx_shop_unit_program_read(ngx_shop_unit_t *u,
    ngx_str_t *text, ngx_str_t *reason);
static ngx_shop_program_t *ngx_shop_unit_program_json(ngx_pool_t *pool,
    ngx_shop_program_t *base, ngx_str_t *text, ngx_str_t *reason);
static char *ngx_shop_unit_program_compile(ngx_conf_t *cf,
    ngx_shop_match_t *match);
static ngx_uint_t ngx_shop_unit_program_has(ngx_str_t *text,
    const char *part);
static u_char *ngx_shop_unit_program_repeat(u_char *p, const char *fmt,
    ngx_uint_t n);
static void ngx_shop_unit_program_gone(void *data);


ngx_shop_unit_test_t  ngx_shop_unit_program_tests[] = {
    { "JSON means what lines of the configuration do",
      ngx_shop_unit_program_same },
    { "a document without anything", ngx_shop_unit_program_empty },
    { "values become words", ngx_shop_unit_program_words },
    { "what is refused, and why", ngx_shop_unit_program_refused },
    { "a reason is a text of its own", ngx_shop_unit_program_reason },
    { "sizes and numbers are bounded", ngx_shop_unit_program_bounds },
    { "any change of a document", ngx_shop_unit_program_mutations },
    { "a program goes with the last of its users",
      ngx_shop_unit_program_users },
    { NULL, NULL }
};


static const char  *ngx_shop_unit_program_base[] = {
    "currency EUR",
    "tier bronze",
    "tier silver points=1000",
    "tier gold points=5000",
    "segment old points>1",
    "promotion OLD",
    NULL
};


#define NGX_SHOP_UNIT_PROGRAM_DOCUMENT                                        \
    "{ \"promotions\": ["                                                     \
    "{ \"code\": \"A\", \"audience\": [\"new\", [\"tier>=silver\", "          \
    "\"segment!=vip\"]], \"priority\": 90, \"group\": \"g\" },"               \
    "{ \"code\": \"B\", \"from\": \"2026-09-01\", "                           \
    "\"until\": \"2026-10-02T00:00:00+02:00\", \"holdout\": \"0.01%\" },"     \
    "{ \"code\": \"C\", \"hours\": [\"mon-fri 09:00-18:00\", "                \
    "\"sat 10:00-12:00\"], \"group\": \"g\" },"                               \
    "{ \"code\": \"D\", \"match\": [\"utm spring autumn\", "                  \
    "[\"country\", \"\", \"New Zealand\"]] },"                                \
    "{ \"code\": \"E\", \"stop\": true, \"audience\": \"vip\" }, "            \
    "{ \"code\": \"F\", \"audience\": \"champion\" } ],"                      \
    "\"segments\": [ { \"name\": \"vip\", \"conditions\": "                   \
    "[\"tier=gold\", \"orders>=10 spend>=500.00\"] }, "                       \
    "{ \"name\": \"active\" } ] }"


static void
ngx_shop_unit_program_same(ngx_shop_unit_t *u)
{
    time_t                  now;
    ngx_str_t               reason;
    ngx_uint_t              i, differ;
    ngx_shop_view_t         view;
    ngx_shop_program_t     *one, *two;
    ngx_shop_evaluation_t   first, second;
    u_char                  buf[NGX_SHOP_PROGRAM_REASON_MAX];

    static const char  *lines[] = {
        "currency EUR",
        "tier bronze",
        "tier silver points=1000",
        "tier gold points=5000",
        "segment vip tier=gold",
        "segment vip orders>=10 spend>=500.00",
        "segment active",
        "promotion A", "audience new", "audience tier>=silver segment!=vip",
        "priority 90", "group g",
        "promotion B", "from 2026-09-01", "until 2026-10-02T00:00:00+02:00",
        "holdout 0.01%",
        "promotion C", "hours mon-fri 09:00-18:00", "hours sat 10:00-12:00",
        "group g",
        "promotion D", "match utm spring autumn",
        "promotion E", "stop on", "audience vip",
        "promotion F", "audience champion",
        NULL
    };

    reason.data = buf;

    one = ngx_shop_unit_loyalty_program(u, lines);
    two = ngx_shop_unit_program_read(u, ngx_shop_unit_str(
                                     NGX_SHOP_UNIT_PROGRAM_DOCUMENT),
                                     &reason);

    if (one == NULL
        || !ngx_shop_unit_ok(u, two != NULL, "it is read: %V", &reason))
    {
        return;
    }

    ngx_shop_unit_is_int(u, two->promotions.nelts, 6, "all promotions");
    ngx_shop_unit_is_int(u, two->tiers.nelts, 3, "the tiers that there were");

    differ = 0;

    for (i = 0; i < 600; i++) {

        ngx_memzero(&view, sizeof(ngx_shop_view_t));

        now = SEPTEMBER + (time_t) i * 7919;
        view.qualifying = i % 7 * 1000;
        view.orders = i % 13;
        view.spend = i % 11 * 10000;
        view.last_order = now - (time_t) (i % 5) * 40 * 86400;

        if (ngx_shop_unit_loyalty_evaluate(u, one, &view, now, &first)
            != NGX_OK
            || ngx_shop_unit_loyalty_evaluate(u, two, &view, now, &second)
               != NGX_OK)
        {
            ngx_shop_unit_ok(u, 0, "no memory");
            return;
        }

        differ += !ngx_shop_equal(&first.promotions, &second.promotions)
                  || !ngx_shop_equal(&first.segments, &second.segments)
                  || !ngx_shop_equal(&first.tier, &second.tier);
    }

    ngx_shop_unit_is_int(u, differ, 0, "600 customers get the same");
}


static void
ngx_shop_unit_program_empty(ngx_shop_unit_t *u)
{
    ngx_str_t             reason;
    ngx_uint_t            i;
    ngx_shop_program_t   *program;
    u_char                buf[NGX_SHOP_PROGRAM_REASON_MAX];

    static const char  *texts[] = {
        "{}", " {\"promotions\": [], \"segments\": []}\n", NULL
    };

    reason.data = buf;

    for (i = 0; texts[i]; i++) {

        program = ngx_shop_unit_program_read(u, &(ngx_str_t)
                           { ngx_strlen(texts[i]), (u_char *) texts[i] },
                           &reason);

        if (!ngx_shop_unit_ok(u, program != NULL, "%s", texts[i])) {
            continue;
        }

        ngx_shop_unit_is_int(u, program->promotions.nelts, 0,
                             "no promotion, not of the configuration either");
        ngx_shop_unit_is_int(u, program->segments.nelts, 0, "no segment");
    }
}


static void
ngx_shop_unit_program_words(ngx_shop_unit_t *u)
{
    ngx_str_t              reason, *value;
    ngx_shop_match_t      *match;
    ngx_shop_program_t    *program;
    ngx_shop_promotion_t  *promotion;
    u_char                 buf[NGX_SHOP_PROGRAM_REASON_MAX];

    reason.data = buf;

    program = ngx_shop_unit_program_read(u, ngx_shop_unit_str(
        "{\"promotions\": [{\"code\": \"A\", \"match\": [\"  a  b \", "
        "[\"c\", \"d  e\", 7, -8, false, \"\\u00e4\"]], \"stop\": false, "
        "\"priority\": [5]}]}"), &reason);

    if (!ngx_shop_unit_ok(u, program != NULL, "it is read: %V", &reason)) {
        return;
    }

    promotion = program->promotions.elts;

    ngx_shop_unit_is_int(u, promotion->stop, 0, "false is \"off\"");
    ngx_shop_unit_is_int(u, promotion->priority, 5, "a line with one word");
    ngx_shop_unit_is_int(u, promotion->matches->nelts, 2, "two lines");

    match = promotion->matches->elts;
    value = match[0].values->elts;

    ngx_shop_unit_is(u, &match[0].variable, "a", "a text is split");
    ngx_shop_unit_is(u, &value[0], "b", "... at blanks");

    value = match[1].values->elts;

    ngx_shop_unit_is_int(u, match[1].values->nelts, 5, "an array is not");
    ngx_shop_unit_is(u, &value[0], "d  e", "... its texts are words");
    ngx_shop_unit_is(u, &value[1], "7", "a number");
    ngx_shop_unit_is(u, &value[2], "-8", "... below zero");
    ngx_shop_unit_is(u, &value[3], "off", "false");
    ngx_shop_unit_is(u, &value[4], "\xc3\xa4", "UTF-8 as it is");
    ngx_shop_unit_ok(u, value[4].data[value[4].len] == '\0',
                     "words end with a NUL");
}


static void
ngx_shop_unit_program_refused(ngx_shop_unit_t *u)
{
    ngx_str_t                      text, reason;
    ngx_shop_program_t            *program;
    ngx_shop_unit_program_case_t  *c;
    u_char                         buf[NGX_SHOP_PROGRAM_REASON_MAX];

    static ngx_shop_unit_program_case_t  cases[] = {

        /* JSON */

        { "", "no JSON: line 1" },
        { "{", "no JSON: line 1, column 1" },
        { "{\n\"promotions\": [\n,", "no JSON: line 3" },
        { "{\"promotions\": [], \"promotions\": []}",
          "duplicate object key" },
        { "{\"promotions\": []} x", "end of file expected" },
        { "{\"promotions\": [{\"code\": \"A\\u0000\"}]}", "no JSON" },
        { "{\"promotions\": [\"\xff\"]}", "unable to decode byte 0xff" },
        { "[]", "found [], it must be an object" },
        { "7", "found 7, it must be an object" },
        { "null", "found null, it must be an object" },

        /* members */

        { "{\"tiers\": []}", "unknown member \"tiers\", allowed: "
          "\"segments\", \"promotions\"" },
        { "{\"promotions\": {}}", "\"promotions\" must be an array" },
        { "{\"segments\": 1}", "\"segments\" must be an array" },
        { "{\"promotions\": [\"A\"]}",
          "promotion 1: found \"A\", it must be an object" },
        { "{\"promotions\": [{\"code\": \"A\"}, {}]}",
          "promotion 2: \"code\" must be there" },
        { "{\"promotions\": [{\"code\": 7}]}", "promotion 1: \"code\"" },
        { "{\"promotions\": [{\"code\": null}]}", "promotion 1: \"code\"" },
        { "{\"promotions\": [{\"code\": \"\"}]}", "invalid name \"\"" },
        { "{\"promotions\": [{\"code\": \"A B\"}]}",
          "promotion \"A B\": invalid name \"A B\" of a promotion" },
        { "{\"promotions\": [{\"code\": \"A\"}, {\"code\": \"A\"}]}",
          "promotion \"A\": duplicate promotion \"A\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"color\": 1}]}",
          "promotion \"A\", \"color\": unknown line \"color\" of "
          "\"promotion\", allowed: \"audience\"" },
        { "{\"segments\": [{}]}", "segment 1: \"name\" must be there" },
        { "{\"segments\": [{\"name\": \"x\"}]}",
          "segment \"x\": segment \"x\" has no condition" },
        { "{\"segments\": [{\"name\": \"x\", \"audience\": \"new\"}]}",
          "segment \"x\": unknown member \"audience\", allowed: \"name\"" },
        { "{\"segments\": [{\"name\": \"x\", \"conditions\": []}]}",
          "an array of 0 lines" },

        /* values */

        { "{\"promotions\": [{\"code\": \"A\", \"priority\": 1.5}]}",
          "promotion \"A\", \"priority\": found 1.5, it must be a string" },
        { "{\"promotions\": [{\"code\": \"A\", \"priority\": null}]}",
          "found null" },
        { "{\"promotions\": [{\"code\": \"A\", \"priority\": {}}]}",
          "found {}" },
        { "{\"promotions\": [{\"code\": \"A\", \"match\": [[[\"a\"]]]}]}",
          "found [\"a\"]" },
        { "{\"promotions\": [{\"code\": \"A\", \"priority\": 70000}]}",
          "invalid priority \"70000\" of promotion \"A\", it must be an "
          "integer from 0 to 65535" },
        { "{\"promotions\": [{\"code\": \"A\", \"priority\": [1, 2]}]}",
          "duplicate \"priority\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"from\": \"\"}]}",
          "invalid number of arguments in \"from\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"until\": \"soon\"}]}",
          "promotion \"A\", \"until\": invalid date \"soon\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"until\": \"2026-01-01\", "
          "\"from\": \"2026-02-01\"}]}", "ends before it starts" },
        { "{\"promotions\": [{\"code\": \"A\", \"hours\": \"25:00\"}]}",
          "promotion \"A\", \"hours\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"holdout\": 10}]}",
          "invalid holdout \"10\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"stop\": \"maybe\"}]}",
          "must be \"on\" or \"off\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"group\": \"g\", "
          "\"stop\": true}]}", "has both \"group\" and \"stop on\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"audience\": "
          "\"tier>=platinum\"}]}",
          "unknown tier \"platinum\" in \"audience\", declared before: "
          "\"bronze\", \"silver\", \"gold\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"audience\": "
          "\"segment=old\"}]}", "unknown segment \"old\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"audience\": \"nobody\"}]}",
          "promotion \"A\", \"audience\": unknown condition \"nobody\"" },
        { "{\"promotions\": [{\"code\": \"A\", \"match\": "
          "[[\"refused\", \"x\"]]}]}",
          "promotion \"A\", \"match\": no such variable" },
        { "{\"promotions\": [{\"code\": \"A\", \"match\": "
          "[[\"a\", \"x\\ny\"]]}]}",
          "promotion \"A\", \"match\": a control character in \"x?y\"" },
        { "{\"segments\": [{\"name\": \"x\", \"conditions\": "
          "\"recency=90\"}]}", "segment \"x\": invalid value \"90\"" },

        { NULL, NULL }
    };

    for (c = cases; c->text; c++) {

        reason.data = buf;

        text.data = (u_char *) c->text;
        text.len = ngx_strlen(c->text);

        program = ngx_shop_unit_program_read(u, &text, &reason);

        if (!ngx_shop_unit_ok(u, program == NULL, "refused: %s", c->text)) {
            continue;
        }

        ngx_shop_unit_ok(u, ngx_shop_unit_program_has(&reason, c->reason),
                         "... for a reason: %V", &reason);
    }
}


/* of a long one as much as there is room for, and nothing that ends a line */

static void
ngx_shop_unit_program_reason(ngx_shop_unit_t *u)
{
    u_char              *p;
    ngx_str_t            text, reason;
    ngx_uint_t           i, n, plain;
    ngx_shop_program_t  *program;
    u_char               buf[NGX_SHOP_PROGRAM_REASON_MAX + 16];

    text.data = ngx_palloc(u->pool, 32768);

    if (text.data == NULL) {
        return;
    }

    for (n = 0; n < 4000; n += 97) {

        p = ngx_sprintf(text.data, "{\"promotions\": [{\"code\": \"A\", "
                                   "\"until\": [[\"");

        for (i = 0; i < n; i++) {
            p = ngx_sprintf(p, "\\u2028");
        }

        text.len = ngx_sprintf(p, "\"]]}]}") - text.data;

        ngx_memset(buf, '#', sizeof(buf));
        reason.data = buf;

        program = ngx_shop_unit_program_read(u, &text, &reason);

        plain = (program == NULL && reason.len > 20
                 && reason.len <= NGX_SHOP_PROGRAM_REASON_MAX
                 && buf[NGX_SHOP_PROGRAM_REASON_MAX] == '#');

        for (i = 0; i < reason.len; i++) {
            if (buf[i] < 0x20 || buf[i] > 0x7e) {
                plain = 0;
            }
        }

        if (!plain) {
            break;
        }
    }

    ngx_shop_unit_ok(u, n >= 4000, "short and plain, whatever it is about");
}


static void
ngx_shop_unit_program_bounds(ngx_shop_unit_t *u)
{
    u_char      *p;
    ngx_str_t    text, reason;
    ngx_uint_t   i;
    u_char       buf[NGX_SHOP_PROGRAM_REASON_MAX];

    reason.data = buf;

    text.data = ngx_palloc(u->pool, NGX_SHOP_PROGRAM_TEXT_MAX + 1);

    if (text.data == NULL) {
        return;
    }

    /* bytes */

    ngx_memset(text.data, ' ', NGX_SHOP_PROGRAM_TEXT_MAX + 1);
    text.data[0] = '{';
    text.data[1] = '}';
    text.len = NGX_SHOP_PROGRAM_TEXT_MAX;

    ngx_shop_unit_ok(u, ngx_shop_unit_program_read(u, &text, &reason) != NULL,
                     "the most bytes");

    text.len++;

    ngx_shop_unit_ok(u, ngx_shop_unit_program_read(u, &text, &reason) == NULL
                     && ngx_shop_unit_program_has(&reason, "262145 bytes"),
                     "one more: %V", &reason);

    /* promotions */

    for (i = 1000; i <= 1001; i++) {

        p = ngx_sprintf(text.data, "{\"promotions\": [");
        p = ngx_shop_unit_program_repeat(p, "{\"code\": \"A%ui\"},", i);
        text.len = ngx_sprintf(p - 1, "]}") - text.data;

        ngx_shop_unit_ok(u, (ngx_shop_unit_program_read(u, &text, &reason)
                             != NULL)
                            == (i == 1000),
                         "%ui promotions", i);
    }

    ngx_shop_unit_ok(u, ngx_shop_unit_program_has(&reason,
                                                  "1001 promotions, at most "
                                                  "1000"),
                     "%V", &reason);

    /* segments */

    for (i = 256; i <= 257; i++) {

        p = ngx_sprintf(text.data, "{\"segments\": [");
        p = ngx_shop_unit_program_repeat(p, "{\"name\": \"s%ui\", "
                                         "\"conditions\": \"new\"},", i);
        text.len = ngx_sprintf(p - 1, "]}") - text.data;

        ngx_shop_unit_ok(u, (ngx_shop_unit_program_read(u, &text, &reason)
                             != NULL)
                            == (i == 256),
                         "%ui segments", i);
    }

    /* lines, and words in one */

    for (i = 64; i <= 65; i++) {

        p = ngx_sprintf(text.data,
                        "{\"promotions\": [{\"code\": \"A\", "
                        "\"audience\": [");
        p = ngx_shop_unit_program_repeat(p, "\"points>%ui\",", i);
        text.len = ngx_sprintf(p - 1, "]}]}") - text.data;

        ngx_shop_unit_ok(u, (ngx_shop_unit_program_read(u, &text, &reason)
                             != NULL)
                            == (i == 64),
                         "%ui lines", i);

        p = ngx_sprintf(text.data,
                        "{\"promotions\": [{\"code\": \"A\", "
                        "\"audience\": \"");
        p = ngx_shop_unit_program_repeat(p, "points>%ui ", i);
        text.len = ngx_sprintf(p - 1, "\"}]}") - text.data;

        ngx_shop_unit_ok(u, (ngx_shop_unit_program_read(u, &text, &reason)
                             != NULL)
                            == (i == 64),
                         "%ui words", i);
    }

    /* depth */

    p = ngx_sprintf(text.data, "{\"promotions\": ");
    p = ngx_shop_unit_program_repeat(p, "[", 100000);
    text.len = ngx_shop_unit_program_repeat(p, "]", 100000) - text.data;

    ngx_shop_unit_ok(u, ngx_shop_unit_program_read(u, &text, &reason) == NULL,
                     "a deep one: %V", &reason);
}


/* each byte of a good one is another, or is not there, or is there twice */

static void
ngx_shop_unit_program_mutations(ngx_shop_unit_t *u)
{
    u_char               ch;
    size_t               i, k, n;
    ngx_str_t            text, reason;
    ngx_uint_t           good, bad, wrong;
    ngx_pool_t          *pool;
    ngx_shop_program_t  *base, *program;
    u_char               buf[NGX_SHOP_PROGRAM_REASON_MAX];
    u_char               copy[sizeof(NGX_SHOP_UNIT_PROGRAM_DOCUMENT) + 1];

    static u_char  document[] = NGX_SHOP_UNIT_PROGRAM_DOCUMENT;
    static u_char  bytes[] = "\"{}[],: 0-\\~$\x01\x80";

    reason.data = buf;
    text.data = copy;

    n = sizeof(document) - 1;
    good = 0;
    bad = 0;
    wrong = 0;

    base = ngx_shop_unit_loyalty_program(u, ngx_shop_unit_program_base);

    if (base == NULL) {
        return;
    }

    for (i = 0; i < n; i++) {
        for (k = 0; k <= sizeof(bytes); k++) {

            ngx_memcpy(copy, document, n);
            text.len = n;

            if (k == sizeof(bytes)) {
                ngx_memmove(copy + i, copy + i + 1, n - i - 1);
                text.len--;

            } else if (k == sizeof(bytes) - 1) {
                ch = copy[i];
                ngx_memmove(copy + i + 1, copy + i, n - i);
                copy[i] = ch;
                text.len++;

            } else {
                copy[i] = bytes[k];
            }

            pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, u->log);

            if (pool == NULL) {
                return;
            }

            program = ngx_shop_unit_program_json(pool, base, &text, &reason);

            if (program) {
                good++;

            } else {
                bad++;
                wrong += (reason.len == 0);
            }

            ngx_destroy_pool(pool);
        }
    }

    ngx_shop_unit_note(u, "%ui were good, %ui were not", good, bad);

    ngx_shop_unit_ok(u, good > 100 && bad > 1000, "both were there");
    ngx_shop_unit_is_int(u, wrong, 0, "each refusal has a reason");
}


static void
ngx_shop_unit_program_users(ngx_shop_unit_t *u)
{
    ngx_str_t            reason;
    ngx_uint_t           gone;
    ngx_pool_t          *pool;
    ngx_pool_cleanup_t  *cln;
    ngx_shop_program_t  *base, *program;
    u_char               buf[NGX_SHOP_PROGRAM_REASON_MAX];

    reason.data = buf;
    gone = 0;

    base = ngx_shop_unit_loyalty_program(u, ngx_shop_unit_program_base);
    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, u->log);

    if (base == NULL || pool == NULL) {
        return;
    }

    program = ngx_shop_unit_program_json(pool, base, ngx_shop_unit_str("{}"),
                                         &reason);
    cln = ngx_pool_cleanup_add(pool, 0);

    if (!ngx_shop_unit_ok(u, program != NULL && cln != NULL, "a program")) {
        ngx_destroy_pool(pool);
        return;
    }

    cln->handler = ngx_shop_unit_program_gone;
    cln->data = &gone;

    program->pool = pool;

    ngx_shop_program_hold(program);
    ngx_shop_program_hold(program);
    ngx_shop_program_release(program);

    ngx_shop_unit_is_int(u, gone, 0, "it has a user");

    ngx_shop_program_release(program);

    ngx_shop_unit_is_int(u, gone, 1, "it has none");

    /* one of the configuration stays */

    ngx_shop_program_hold(base);
    ngx_shop_program_release(base);
    ngx_shop_program_release(base);

    ngx_shop_unit_is_int(u, base->promotions.nelts, 1,
                         "one without a pool of its own stays");
}


static ngx_shop_program_t *
ngx_shop_unit_program_read(ngx_shop_unit_t *u, ngx_str_t *text,
    ngx_str_t *reason)
{
    ngx_shop_program_t  *base;

    reason->len = 0;

    base = ngx_shop_unit_loyalty_program(u, ngx_shop_unit_program_base);

    return base ? ngx_shop_unit_program_json(u->pool, base, text, reason)
                : NULL;
}


/* "nginx -t" would print each reason */

static ngx_shop_program_t *
ngx_shop_unit_program_json(ngx_pool_t *pool, ngx_shop_program_t *base,
    ngx_str_t *text, ngx_str_t *reason)
{
    ngx_uint_t           use_stderr;
    ngx_shop_program_t  *program;

    use_stderr = ngx_use_stderr;
    ngx_use_stderr = 0;

    program = ngx_shop_program_json(pool, base, text,
                                    ngx_shop_unit_program_compile, reason);

    ngx_use_stderr = use_stderr;

    return program;
}


static char *
ngx_shop_unit_program_compile(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    if (match->variable.len == 7
        && ngx_strncmp(match->variable.data, "refused", 7) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no such variable");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_shop_unit_program_has(ngx_str_t *text, const char *part)
{
    return ngx_strnstr(text->data, (char *) part, text->len) != NULL;
}


static u_char *
ngx_shop_unit_program_repeat(u_char *p, const char *fmt, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, fmt, i);
    }

    return p;
}


static void
ngx_shop_unit_program_gone(void *data)
{
    ngx_uint_t *gone = data;

    *gone = 1;
}
