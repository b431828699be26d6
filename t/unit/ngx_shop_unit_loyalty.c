
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_shop_unit_loyalty.h"


typedef struct {
    const char        *tier;        /* held, as the view has it */
    int64_t            qualifying;
    int64_t            orders;
    time_t             now;

    const char        *is_tier;
    const char        *next;
    int64_t            to_next;
    const char        *promotions;
} ngx_shop_unit_loyalty_case_t;


static void ngx_shop_unit_loyalty_tiers(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_no_program(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_no_base_tier(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_audiences(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_dates(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_order(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_points(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_tier_until(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_windows(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_segments(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_replies(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_durations(ngx_shop_unit_t *u);
static void ngx_shop_unit_loyalty_periods(ngx_shop_unit_t *u);

static void ngx_shop_unit_loyalty_run(ngx_shop_unit_t *u,
    const char **lines, ngx_shop_unit_loyalty_case_t *c);
static char *ngx_shop_unit_loyalty_compile(ngx_conf_t *cf,
    ngx_shop_match_t *match);
static ngx_uint_t ngx_shop_unit_loyalty_match(void *data,
    ngx_shop_match_t *match);
static ngx_array_t *ngx_shop_unit_loyalty_words(ngx_shop_unit_t *u,
    const char *line);
static ngx_shop_redis_reply_t *ngx_shop_unit_loyalty_reply(
    ngx_shop_unit_t *u, const char **values);


ngx_shop_unit_test_t  ngx_shop_unit_loyalty_tests[] = {
    { "tiers: the higher of held and reached", ngx_shop_unit_loyalty_tiers },
    { "no program: no tier", ngx_shop_unit_loyalty_no_program },
    { "a first tier with a condition", ngx_shop_unit_loyalty_no_base_tier },
    { "audiences", ngx_shop_unit_loyalty_audiences },
    { "from is inclusive, until is not", ngx_shop_unit_loyalty_dates },
    { "order: priority, then code", ngx_shop_unit_loyalty_order },
    { "points", ngx_shop_unit_loyalty_points },
    { "tier_until", ngx_shop_unit_loyalty_tier_until },
    { "tiers that look back a part of the time",
      ngx_shop_unit_loyalty_windows },
    { "segments are fit for a header", ngx_shop_unit_loyalty_segments },
    { "replies of Redis", ngx_shop_unit_loyalty_replies },
    { "durations", ngx_shop_unit_loyalty_durations },
    { "periods of the calendar", ngx_shop_unit_loyalty_periods },
    { NULL, NULL }
};


static const char  *ngx_shop_unit_loyalty_metals[] = {
    "tier bronze",
    "tier silver points=1000",
    "tier gold points=5000",
    NULL
};


static void
ngx_shop_unit_loyalty_tiers(ngx_shop_unit_t *u)
{
    static ngx_shop_unit_loyalty_case_t  cases[] = {
        /* held    qualifying  o  now            tier     next    to next */
        { "",              0,  0, OCTOBER,  "bronze", "silver",  1000, "" },
        { "bronze",        0,  0, OCTOBER,  "bronze", "silver",  1000, "" },
        { "bronze",      999,  0, OCTOBER,  "bronze", "silver",     1, "" },

        /* an upgrade is immediate, whatever the view says */
        { "bronze",     1000,  0, OCTOBER,  "silver", "gold",    4000, "" },
        { "",           5000,  0, OCTOBER,  "gold",   "",          -1, "" },
        { "silver",    99999,  0, OCTOBER,  "gold",   "",          -1, "" },

        /* a lifetime tier is held for ever, also with no points left */
        { "gold",          0,  0, OCTOBER,  "gold",   "",          -1, "" },
        { "silver",        0,  0, OCTOBER,  "silver", "gold",    5000, "" },

        /* what it still takes is never negative */
        { "silver",     4999,  0, OCTOBER,  "silver", "gold",       1, "" },

        /* reversed below zero is not less than bronze */
        { "",           -100,  0, OCTOBER,  "bronze", "silver",  1100, "" },

        /* a tier of an older program, or nonsense, counts nothing */
        { "platinum",      0,  0, OCTOBER,  "bronze", "silver",  1000, "" },
        { "GOLD",          0,  0, OCTOBER,  "bronze", "silver",  1000, "" },
        { "g\r\nX: y",  1000,  0, OCTOBER,  "silver", "gold",    4000, "" },

        { NULL, 0, 0, 0, NULL, NULL, 0, NULL }
    };

    ngx_shop_unit_loyalty_run(u, ngx_shop_unit_loyalty_metals, cases);
}


static void
ngx_shop_unit_loyalty_no_program(ngx_shop_unit_t *u)
{
    static const char  *lines[] = { NULL };

    static ngx_shop_unit_loyalty_case_t  cases[] = {
        { "",        5000, 0, OCTOBER, "", "", -1, "" },
        { "bronze",  5000, 0, OCTOBER, "", "", -1, "" },
        { NULL, 0, 0, 0, NULL, NULL, 0, NULL }
    };

    ngx_shop_unit_loyalty_run(u, lines, cases);
}


static void
ngx_shop_unit_loyalty_no_base_tier(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "tier silver points=1000",
        "tier gold points=5000",
        "promotion BELOW",
        "audience tier<silver",
        "promotion NOT-GOLD",
        "audience tier!=gold",
        "promotion SOME",
        "audience tier>=silver",
        NULL
    };

    static ngx_shop_unit_loyalty_case_t  cases[] = {

        /* a customer without a tier is below all */

        { "",     0, 0, OCTOBER, "",       "silver", 1000,
          "BELOW,NOT-GOLD" },
        { "",   999, 0, OCTOBER, "",       "silver",    1,
          "BELOW,NOT-GOLD" },
        { "",  1000, 0, OCTOBER, "silver", "gold",   4000,
          "NOT-GOLD,SOME" },
        { "",  5000, 0, OCTOBER, "gold",   "",         -1, "SOME" },
        { NULL, 0, 0, 0, NULL, NULL, 0, NULL }
    };

    ngx_shop_unit_loyalty_run(u, lines, cases);
}


static void
ngx_shop_unit_loyalty_audiences(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "tier bronze",
        "tier silver points=1000",
        "tier gold points=5000",
        "promotion ALL",
        "promotion EQ",
        "audience tier=silver",
        "promotion GE",
        "audience tier>=silver",
        "promotion GT",
        "audience tier>silver",
        "promotion LE",
        "audience tier<=silver",
        "promotion LT",
        "audience tier<silver",
        "promotion NE",
        "audience tier!=silver",
        "promotion NEW",
        "audience new",

        /* conditions in a line are joined by and, lines by or */

        "promotion NEW-GOLD",
        "audience new tier=gold",
        "promotion NEW-OR-GOLD",
        "audience new",
        "audience tier=gold",
        NULL
    };

    static ngx_shop_unit_loyalty_case_t  cases[] = {
        { "", 0,    0, OCTOBER, "bronze", "silver", 1000,
          "ALL,LE,LT,NE,NEW,NEW-OR-GOLD" },
        { "", 0,    1, OCTOBER, "bronze", "silver", 1000, "ALL,LE,LT,NE" },
        { "", 1000, 1, OCTOBER, "silver", "gold",   4000, "ALL,EQ,GE,LE" },
        { "", 5000, 1, OCTOBER, "gold",   "",         -1,
          "ALL,GE,GT,NE,NEW-OR-GOLD" },
        { "", 5000, 0, OCTOBER, "gold",   "",         -1,
          "ALL,GE,GT,NE,NEW,NEW-GOLD,NEW-OR-GOLD" },

        /* the tier that counts is the one of this moment */
        { "bronze", 1000, 1, OCTOBER, "silver", "gold", 4000,
          "ALL,EQ,GE,LE" },
        { "gold",   0,    1, OCTOBER, "gold",   "",       -1,
          "ALL,GE,GT,NE,NEW-OR-GOLD" },

        { NULL, 0, 0, 0, NULL, NULL, 0, NULL }
    };

    ngx_shop_unit_loyalty_run(u, lines, cases);
}


static void
ngx_shop_unit_loyalty_dates(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "promotion ALWAYS",
        "promotion AUTUMN",
        "from 2026-09-01",
        "until 2026-12-01",
        "promotion FROM",
        "from 2026-09-01T02:00:00+02:00",
        "promotion UNTIL",
        "until 2026-12-01T00:00Z",
        NULL
    };

    static ngx_shop_unit_loyalty_case_t  cases[] = {
        { "", 0, 0, SEPTEMBER - 1, "", "", -1, "ALWAYS,UNTIL" },
        { "", 0, 0, SEPTEMBER,     "", "", -1, "ALWAYS,AUTUMN,FROM,UNTIL" },
        { "", 0, 0, DECEMBER - 1,  "", "", -1, "ALWAYS,AUTUMN,FROM,UNTIL" },
        { "", 0, 0, DECEMBER,      "", "", -1, "ALWAYS,FROM" },
        { NULL, 0, 0, 0, NULL, NULL, 0, NULL }
    };

    ngx_shop_unit_loyalty_run(u, lines, cases);
}


static void
ngx_shop_unit_loyalty_order(ngx_shop_unit_t *u)
{
    static const char  *lines[] = {
        "promotion WELCOME-10",
        "promotion ZERO",
        "priority 0",
        "promotion LATE",
        "priority 101",
        "promotion AUTUMN-15",
        "priority 10",
        "promotion AUTUMN",
        "priority 10",
        "promotion SPRING",
        "priority 100",
        NULL
    };

    static ngx_shop_unit_loyalty_case_t  cases[] = {
        { "", 0, 0, OCTOBER, "", "", -1,
          "ZERO,AUTUMN,AUTUMN-15,SPRING,WELCOME-10,LATE" },
        { NULL, 0, 0, 0, NULL, NULL, 0, NULL }
    };

    ngx_shop_unit_loyalty_run(u, lines, cases);
}


static void
ngx_shop_unit_loyalty_points(ngx_shop_unit_t *u)
{
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    program = ngx_shop_unit_loyalty_program(u, ngx_shop_unit_loyalty_metals);

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    view.points = 4000000000;
    view.pending = 25;
    view.qualifying = NGX_SHOP_LOYALTY_POINTS_MAX;
    view.orders = 3;

    ngx_shop_unit_is_int(u, ngx_shop_unit_loyalty_evaluate(u, program, &view,
                                                           OCTOBER, &result),
                         NGX_OK, "evaluated");

    ngx_shop_unit_is_int(u, result.points, 4000000000, "active points");
    ngx_shop_unit_is_int(u, result.pending, 25, "pending points");
    ngx_shop_unit_is_int(u, result.is_new, 0, "with orders: not new");
    ngx_shop_unit_is_int(u, result.next_points, -1, "no next tier");

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is_int(u, result.points, 0, "no points");
    ngx_shop_unit_is_int(u, result.is_new, 1, "no order: new");
    ngx_shop_unit_is_int(u, result.next_points, 1000, "the next threshold");
}


static void
ngx_shop_unit_loyalty_tier_until(ngx_shop_unit_t *u)
{
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    program = ngx_shop_unit_loyalty_program(u, ngx_shop_unit_loyalty_metals);

    ngx_memzero(&view, sizeof(ngx_shop_view_t));

    view.tier = *ngx_shop_unit_str("silver");
    view.tier_until = DECEMBER;

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is_int(u, result.tier_until, DECEMBER, "of the tier held");

    view.qualifying = 5000;

    (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                          &result);

    ngx_shop_unit_is_int(u, result.tier_until, 0,
                         "the tier reached is for ever");
}


static void
ngx_shop_unit_loyalty_windows(ngx_shop_unit_t *u)
{
    ngx_uint_t              i;
    ngx_shop_tier_t        *tier;
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static const char  *lines[] = {
        "currency EUR",
        "tier bronze",
        "tier silver points=1000 window=52w grace=30d",
        "tier gold spend=500.00 orders=3 match=all window=calendar "
            "downgrade=one",
        "tier platinum points=5000 valid=2y downgrade=none",
        NULL
    };

    static const char  *words[] = {
        "",
        "points=1000 window=364 valid=31449600 grace=2592000 ",
        ("spend=50000 orders=3 window=calendar match=all valid=calendar "
         "downgrade=one "),
        "points=5000 valid=24M downgrade=none "
    };

    static struct {
        const char  *held;
        int64_t      qualifying;
        const char  *tier;
        const char  *next;
        int64_t      next_points;
        int64_t      to_next;
    } cases[] = {
        { "bronze", 4000, "bronze", "silver", 1000, 300 },

        /* without points, and for who was another one as that was booked */
        { "silver", 4000, "silver", "gold", -1, -1 },
        { "", 4000, "bronze", "silver", 1000, -1 },

        /* points of a whole life are known */
        { "gold", 4000, "gold", "platinum", 5000, 1000 },
        { "silver", 5000, "platinum", "", -1, -1 }
    };

    program = ngx_shop_unit_loyalty_program(u, lines);
    tier = program->tiers.elts;

    for (i = 0; i < program->tiers.nelts; i++) {
        ngx_shop_unit_is(u, &tier[i].words, words[i], "what a tier asks for");
    }

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        ngx_memzero(&view, sizeof(ngx_shop_view_t));

        view.tier.data = (u_char *) cases[i].held;
        view.tier.len = ngx_strlen(cases[i].held);
        view.qualifying = cases[i].qualifying;
        view.toward = 700;

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                              &result);

        ngx_shop_unit_is(u, &result.tier, cases[i].tier, "the tier");
        ngx_shop_unit_is(u, &result.next_tier, cases[i].next, "the next");
        ngx_shop_unit_is_int(u, result.next_points, cases[i].next_points,
                             "its points");
        ngx_shop_unit_is_int(u, result.points_to_next, cases[i].to_next,
                             "what it takes");
    }
}


static void
ngx_shop_unit_loyalty_segments(ngx_shop_unit_t *u)
{
    ngx_uint_t              i;
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    static struct {
        const char  *held;
        const char  *sent;
    } cases[] = {
        { "", "" },
        { "vip", "vip" },
        { "at-risk,vip_2", "at-risk,vip_2" },
        { "vip,", "" },
        { ",vip", "" },
        { "a,,b", "" },
        { "a, b", "" },
        { "a\r\nX-Customer-Id: b", "" },
        { "a\x80", "" },
        { "0123456789012345678901234567890123456789",
          "0123456789012345678901234567890123456789" },
        { "01234567890123456789012345678901234567890", "" }
    };

    program = ngx_shop_unit_loyalty_program(u, ngx_shop_unit_loyalty_metals);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        ngx_memzero(&view, sizeof(ngx_shop_view_t));

        view.segments.data = (u_char *) cases[i].held;
        view.segments.len = ngx_strlen(cases[i].held);

        (void) ngx_shop_unit_loyalty_evaluate(u, program, &view, OCTOBER,
                                              &result);

        ngx_shop_unit_is(u, &result.segments, cases[i].sent,
                         "segments, case %ui", i);
    }
}


static void
ngx_shop_unit_loyalty_replies(ngx_shop_unit_t *u)
{
    ngx_uint_t               i;
    ngx_shop_view_t          view;
    ngx_shop_redis_reply_t  *reply, fault;

    static const char  *whole[] = {
        "silver", "1790000000", "1796083200", "1250", "30", "1300", "2",
        "vip,new", "1780000000", "1791000000", "4999", "1785000000", "900",
        "1789000000 1788000000 2500 3", "google,work", "de-AT", "A:1:0"
    };
    static const char  *settled[17] = {
        "booked", "", "100", "30", "gold", "1790000001", "1796083201", "900",
        "1791000001", "", ""
    };
    static const char  *none[17];
    static const char  *values[17];

    static struct {
        ngx_uint_t   field;
        const char  *value;
    } wrong[] = {
        { 1, "-1" },
        { 2, "soon" },
        { 3, "" },
        { 3, "12.5" },
        { 3, "9007199254740992" },
        { 3, "99999999999999999999999" },
        { 4, "0x10" },
        { 5, " 1" },
        { 6, "1 " },
        { 8, "inf" },
        { 9, "later" },
        { 10, "49.99" },
        { 11, "-1" },
        { 12, "some" },
        { 13, "" },
        { 13, "1 2 3" },
        { 13, "1 2 3 4 5" },
        { 13, "1 2 3 -4" },
        { 13, "1  2 3" },
        { 13, "1 2 3 9007199254740992" }
    };

    reply = ngx_shop_unit_loyalty_reply(u, whole);

    ngx_shop_unit_is_int(u, ngx_shop_loyalty_view(u->pool, reply, &view),
                         NGX_OK, "a whole view");
    ngx_shop_unit_is(u, &view.tier, "silver", "tier");
    ngx_shop_unit_is_int(u, view.tier_since, 1790000000, "tier_since");
    ngx_shop_unit_is_int(u, view.tier_until, 1796083200, "tier_until");
    ngx_shop_unit_is_int(u, view.points, 1250, "points");
    ngx_shop_unit_is_int(u, view.pending, 30, "pending");
    ngx_shop_unit_is_int(u, view.qualifying, 1300, "qualifying");
    ngx_shop_unit_is_int(u, view.orders, 2, "orders");
    ngx_shop_unit_is(u, &view.segments, "vip,new", "segments");
    ngx_shop_unit_is_int(u, view.created, 1780000000, "created");
    ngx_shop_unit_is_int(u, view.next_due, 1791000000, "next_due");
    ngx_shop_unit_is_int(u, view.spend, 4999, "spend");
    ngx_shop_unit_is_int(u, view.last_order, 1785000000, "last_order");
    ngx_shop_unit_is_int(u, view.toward, 900, "toward");
    ngx_shop_unit_is_int(u, view.last_visit, 1789000000, "the last visit");
    ngx_shop_unit_is_int(u, view.earlier_visit, 1788000000,
                         "one of an earlier day");
    ngx_shop_unit_is_int(u, view.frequency, 2500, "how often");
    ngx_shop_unit_is_int(u, view.streak, 3, "days in a row");
    ngx_shop_unit_is(u, &view.providers, "google,work", "providers");
    ngx_shop_unit_is(u, &view.locale, "de-AT", "locale");

    ngx_shop_unit_ok(u, view.tier.data != reply->elts[0]->str.data,
                     "texts are copies");

    reply = ngx_shop_unit_loyalty_reply(u, none);

    ngx_shop_unit_is_int(u, ngx_shop_loyalty_view(u->pool, reply, &view),
                         NGX_DECLINED, "no view");
    ngx_shop_unit_ok(u, view.points == 0 && view.tier.len == 0,
                     "which is all zeros");

    values[8] = "1780000000";
    reply = ngx_shop_unit_loyalty_reply(u, values);

    ngx_shop_unit_is_int(u, ngx_shop_loyalty_view(u->pool, reply, &view),
                         NGX_OK, "a view with one field");
    ngx_shop_unit_is_int(u, view.points, 0, "a missing number is zero");

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {

        ngx_memcpy(values, whole, sizeof(whole));
        values[wrong[i].field] = wrong[i].value;

        reply = ngx_shop_unit_loyalty_reply(u, values);

        ngx_shop_unit_is_int(u, ngx_shop_loyalty_view(u->pool, reply, &view),
                             NGX_ERROR, "\"%s\" is no number of a view",
                             wrong[i].value);
    }

    reply = ngx_shop_unit_loyalty_reply(u, whole);
    reply->nelts = 12;

    ngx_shop_unit_is_int(u, ngx_shop_loyalty_view(u->pool, reply, &view),
                         NGX_ERROR, "a short reply");

    ngx_memzero(&fault, sizeof(ngx_shop_redis_reply_t));

    fault.type = NGX_SHOP_REDIS_FAULT;
    ngx_str_set(&fault.str, "WRONGTYPE");

    ngx_shop_unit_is_int(u, ngx_shop_loyalty_view(u->pool, &fault, &view),
                         NGX_ERROR, "a fault");
    ngx_shop_unit_is_int(u, ngx_shop_ledger_booked(&fault), NGX_ERROR,
                         "a fault of the script");
    ngx_shop_unit_is_int(u, ngx_shop_ledger_booked(reply), NGX_ERROR,
                         "an answer of another length");

    reply = ngx_shop_unit_loyalty_reply(u, settled);
    reply->nelts = 11;

    ngx_shop_unit_is_int(u, ngx_shop_ledger_booked(reply), NGX_OK,
                         "an answer of the script");

    ngx_shop_unit_is_int(u,
                         ngx_shop_ledger_settled(u->pool, &fault, &view),
                         NGX_ERROR, "a fault changes no view");
    ngx_shop_unit_is_int(u, ngx_shop_ledger_settled(u->pool, reply, &view),
                         NGX_OK, "what was settled");
    ngx_shop_unit_is_int(u, view.points, 100, "the third is points");
    ngx_shop_unit_is_int(u, view.pending, 30, "the fourth what is pending");
    ngx_shop_unit_is(u, &view.tier, "gold", "the tier");
    ngx_shop_unit_ok(u, view.tier.data != reply->elts[4]->str.data,
                     "which is a copy");
    ngx_shop_unit_is_int(u, view.tier_since, 1790000001, "since when");
    ngx_shop_unit_is_int(u, view.tier_until, 1796083201, "until when");
    ngx_shop_unit_is_int(u, view.toward, 900, "the points towards the next");
    ngx_shop_unit_is_int(u, view.next_due, 1791000001, "when it is due");
}


static void
ngx_shop_unit_loyalty_durations(ngx_shop_unit_t *u)
{
    time_t                from, to;
    ngx_uint_t            i;
    ngx_shop_duration_t   duration;

    static struct {
        ngx_str_t  from;
        ngx_str_t  duration;
        ngx_str_t  to;
    } cases[] = {

        /* what is shorter than a day ends exactly */

        { ngx_string("2026-03-01T10:00Z"), ngx_string("90s"),
          ngx_string("2026-03-01T10:01:30Z") },
        { ngx_string("2026-03-01T10:00Z"), ngx_string("12h"),
          ngx_string("2026-03-01T22:00Z") },
        { ngx_string("2026-03-01T10:00Z"), ngx_string("24h"),
          ngx_string("2026-03-02T10:00Z") },

        /* else with the end of that day */

        { ngx_string("2026-03-01T10:00Z"), ngx_string("14d"),
          ngx_string("2026-03-16") },
        { ngx_string("2026-03-01"), ngx_string("1d"),
          ngx_string("2026-03-03") },
        { ngx_string("2026-03-01T23:59Z"), ngx_string("1w"),
          ngx_string("2026-03-09") },
        { ngx_string("2026-03-01T10:00Z"), ngx_string("365d"),
          ngx_string("2027-03-02") },

        /* months are those of the calendar, and end there */

        { ngx_string("2026-01-31T10:00Z"), ngx_string("1M"),
          ngx_string("2026-03-01") },
        { ngx_string("2028-01-31T10:00Z"), ngx_string("1M"),
          ngx_string("2028-03-01") },
        { ngx_string("2026-01-30T10:00Z"), ngx_string("1M"),
          ngx_string("2026-03-01") },
        { ngx_string("2026-03-31T10:00Z"), ngx_string("1M"),
          ngx_string("2026-05-01") },
        { ngx_string("2026-11-15T10:00Z"), ngx_string("1M"),
          ngx_string("2026-12-16") },
        { ngx_string("2026-12-15T10:00Z"), ngx_string("1M"),
          ngx_string("2027-01-16") },
        { ngx_string("2026-12-31T10:00Z"), ngx_string("14M"),
          ngx_string("2028-03-01") },
        { ngx_string("2026-02-28T10:00Z"), ngx_string("1y"),
          ngx_string("2027-03-01") },
        { ngx_string("2028-02-29T10:00Z"), ngx_string("1y"),
          ngx_string("2029-03-01") },
        { ngx_string("2028-02-29T10:00Z"), ngx_string("4y"),
          ngx_string("2032-03-01") },
        { ngx_string("2026-03-01T10:00Z"), ngx_string("100y"),
          ngx_string("2126-03-02") }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        from = ngx_shop_parse_time(&cases[i].from);
        to = ngx_shop_parse_time(&cases[i].to);

        ngx_shop_unit_is_int(u, ngx_shop_duration_parse(&cases[i].duration,
                                                        &duration),
                             NGX_OK, "%V is a duration", &cases[i].duration);

        ngx_shop_unit_is_int(u, ngx_shop_duration_end(&duration, from), to,
                             "%V after %V", &cases[i].duration,
                             &cases[i].from);
    }
}


static void
ngx_shop_unit_loyalty_periods(ngx_shop_unit_t *u)
{
    time_t      time, start, day;
    ngx_uint_t  i;

    static struct {
        ngx_shop_period_e  period;
        ngx_str_t          time;
        ngx_str_t          start;
    } cases[] = {

        { NGX_SHOP_PERIOD_DAY, ngx_string("2026-03-01T00:00Z"),
          ngx_string("2026-03-01") },
        { NGX_SHOP_PERIOD_DAY, ngx_string("2026-03-01T23:59:59Z"),
          ngx_string("2026-03-01") },

        /* the 2nd of March 2026 is a Monday */

        { NGX_SHOP_PERIOD_WEEK, ngx_string("2026-03-01T23:59:59Z"),
          ngx_string("2026-02-23") },
        { NGX_SHOP_PERIOD_WEEK, ngx_string("2026-03-02T00:00Z"),
          ngx_string("2026-03-02") },
        { NGX_SHOP_PERIOD_WEEK, ngx_string("2026-03-08T12:00Z"),
          ngx_string("2026-03-02") },
        { NGX_SHOP_PERIOD_WEEK, ngx_string("2027-01-01T12:00Z"),
          ngx_string("2026-12-28") },

        { NGX_SHOP_PERIOD_MONTH, ngx_string("2026-03-01T00:00Z"),
          ngx_string("2026-03-01") },
        { NGX_SHOP_PERIOD_MONTH, ngx_string("2028-02-29T23:59:59Z"),
          ngx_string("2028-02-01") },
        { NGX_SHOP_PERIOD_MONTH, ngx_string("2026-12-31T23:59:59Z"),
          ngx_string("2026-12-01") },
        { NGX_SHOP_PERIOD_MONTH, ngx_string("2027-01-01T00:00Z"),
          ngx_string("2027-01-01") },

        { NGX_SHOP_PERIOD_YEAR, ngx_string("2026-01-01T00:00Z"),
          ngx_string("2026-01-01") },
        { NGX_SHOP_PERIOD_YEAR, ngx_string("2028-12-31T23:59:59Z"),
          ngx_string("2028-01-01") },
        { NGX_SHOP_PERIOD_YEAR, ngx_string("2100-03-01T00:00Z"),
          ngx_string("2100-01-01") }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        time = ngx_shop_parse_time(&cases[i].time);
        start = ngx_shop_parse_time(&cases[i].start);
        day = ngx_shop_period_start(cases[i].period, time);

        ngx_shop_unit_is_int(u, day * 86400, start, "%V is in that of %V",
                             &cases[i].time, &cases[i].start);
    }
}


static void
ngx_shop_unit_loyalty_run(ngx_shop_unit_t *u, const char **lines,
    ngx_shop_unit_loyalty_case_t *c)
{
    ngx_shop_view_t         view;
    ngx_shop_program_t     *program;
    ngx_shop_evaluation_t   result;

    program = ngx_shop_unit_loyalty_program(u, lines);

    if (program == NULL) {
        return;
    }

    for ( /* void */ ; c->tier; c++) {

        ngx_memzero(&view, sizeof(ngx_shop_view_t));

        view.tier.data = (u_char *) c->tier;
        view.tier.len = ngx_strlen(c->tier);
        view.qualifying = c->qualifying;
        view.orders = c->orders;

        ngx_shop_unit_is_int(u, ngx_shop_unit_loyalty_evaluate(u, program,
                                                 &view, c->now, &result),
                             NGX_OK, "\"%s\" with %L points", c->tier,
                             c->qualifying);

        ngx_shop_unit_is(u, &result.tier, c->is_tier, "its tier");
        ngx_shop_unit_is(u, &result.next_tier, c->next, "its next tier");
        ngx_shop_unit_is_int(u, result.points_to_next, c->to_next,
                             "what it takes");
        ngx_shop_unit_is(u, &result.promotions, c->promotions,
                         "its promotions");
    }
}


/* "promotion CODE" starts a promotion, the lines behind it are its */

ngx_shop_program_t *
ngx_shop_unit_loyalty_program(ngx_shop_unit_t *u, const char **lines)
{
    char                  *rv;
    ngx_str_t             *word;
    ngx_array_t           *words;
    ngx_shop_program_t    *program;
    ngx_shop_promotion_t  *promotion;

    program = ngx_palloc(u->pool, sizeof(ngx_shop_program_t));

    if (program == NULL
        || ngx_shop_program_init(u->pool, program,
                                 ngx_shop_unit_loyalty_compile)
           != NGX_OK)
    {
        return NULL;
    }

    promotion = NULL;

    for ( /* void */ ; *lines; lines++) {

        words = ngx_shop_unit_loyalty_words(u, *lines);
        word = words->elts;

        if (ngx_strncmp(word[0].data, "promotion", word[0].len) == 0) {
            rv = ngx_shop_program_promotion(u->cf, program, &word[1],
                                            &promotion);

        } else if (promotion) {
            rv = ngx_shop_promotion_line(u->cf, program, promotion, words);

        } else {
            rv = ngx_shop_program_line(u->cf, program, words);
        }

        if (!ngx_shop_unit_ok(u, rv == NGX_CONF_OK, "%s", *lines)) {
            return NULL;
        }
    }

    ngx_shop_program_finish(program);

    return program;
}


/* no variable of nginx is there: "utm" is "autumn", all others are empty */

static char *
ngx_shop_unit_loyalty_compile(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_shop_unit_loyalty_match(void *data, ngx_shop_match_t *match)
{
    ngx_str_t   *value, text;
    ngx_uint_t   i;

    ngx_str_set(&text, "");

    if (match->variable.len == sizeof("arg_utm_campaign") - 1
        && ngx_strncmp(match->variable.data, "arg_utm_campaign",
                       match->variable.len)
           == 0)
    {
        ngx_str_set(&text, "autumn");
    }

    value = match->values->elts;

    for (i = 0; i < match->values->nelts; i++) {

        if (value[i].len == text.len
            && ngx_strncmp(value[i].data, text.data, text.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_shop_unit_loyalty_evaluate(ngx_shop_unit_t *u,
    ngx_shop_program_t *program, ngx_shop_view_t *view, time_t now,
    ngx_shop_evaluation_t *result)
{
    ngx_shop_moment_t  moment;

    moment.now = now;
    moment.customer = ngx_shop_unit_str("31242a092e19e93c631f8977ca8b3952");
    moment.provider = ngx_shop_unit_str("work");
    moment.seed = (u_char *) "0123456789abcdef";
    moment.budgets = NULL;
    moment.match = ngx_shop_unit_loyalty_match;
    moment.trace = NULL;
    moment.data = NULL;

    return ngx_shop_evaluate(u->pool, program, view, &moment, result);
}


static ngx_array_t *
ngx_shop_unit_loyalty_words(ngx_shop_unit_t *u, const char *line)
{
    u_char       *p;
    ngx_str_t    *word;
    ngx_array_t  *words;

    words = ngx_array_create(u->pool, 4, sizeof(ngx_str_t));

    for (p = (u_char *) line; *p; /* void */) {

        word = ngx_array_push(words);
        word->data = p;

        while (*p && *p != ' ') {
            p++;
        }

        word->len = p - word->data;

        if (*p) {
            p++;
        }
    }

    return words;
}


static ngx_shop_redis_reply_t *
ngx_shop_unit_loyalty_reply(ngx_shop_unit_t *u, const char **values)
{
    ngx_uint_t               i;
    ngx_shop_redis_reply_t  *reply, *elts;

    reply = ngx_pcalloc(u->pool, 18 * sizeof(ngx_shop_redis_reply_t));
    elts = reply + 1;

    reply->type = NGX_SHOP_REDIS_ARRAY;
    reply->nelts = 17;
    reply->elts = ngx_palloc(u->pool, 17 * sizeof(void *));

    for (i = 0; i < 17; i++) {

        reply->elts[i] = &elts[i];

        if (values[i] == NULL) {
            elts[i].type = NGX_SHOP_REDIS_NIL;
            continue;
        }

        elts[i].type = NGX_SHOP_REDIS_STRING;
        elts[i].str.data = (u_char *) values[i];
        elts[i].str.len = ngx_strlen(values[i]);
    }

    return reply;
}
