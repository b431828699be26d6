
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_LOYALTY_H_INCLUDED_
#define _NGX_SHOP_LOYALTY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "redis/ngx_shop_redis.h"


/*
 * What customers earn and what they are offered.  All is pure, a program, a
 * snapshot of the customer and a clock go in, a result comes out, but what
 * asks Redis: the store, the ledger, what is due, budgets and their leases,
 * what was shown, and the program that is kept there.
 *
 * Points are signed 64-bit, times UNIX seconds in UTC.
 */


#define NGX_SHOP_LOYALTY_TIERS_MAX  32
#define NGX_SHOP_LOYALTY_RULES_MAX  64
#define NGX_SHOP_LOYALTY_NO_TIER    ((ngx_uint_t) -1)

/* points travel through Lua's numbers: 2^53 - 1 */
#define NGX_SHOP_LOYALTY_POINTS_MAX ((int64_t) 9007199254740991)


/* ngx_shop_duration.c */

typedef struct {
    ngx_uint_t                 months;      /* of the calendar, or */
    time_t                     seconds;
    unsigned                   days:1;      /* ends with a day */
} ngx_shop_duration_t;

/* a number and one of s, m, h, d, w, M and y, at most 100 years; NGX_ERROR:
 * it is none */
ngx_int_t ngx_shop_duration_parse(ngx_str_t *text,
    ngx_shop_duration_t *duration);

/* when it ends that begins at "time": days and longer ones with the end of
 * that day in UTC; a day that a month has not is its last one */
time_t ngx_shop_duration_end(ngx_shop_duration_t *duration, time_t time);

typedef enum {
    NGX_SHOP_PERIOD_DAY = 0,
    NGX_SHOP_PERIOD_WEEK,
    NGX_SHOP_PERIOD_MONTH,
    NGX_SHOP_PERIOD_YEAR
} ngx_shop_period_e;

/* the first day of a period of the calendar that "time" is in, in UTC and in
 * days since 1970; weeks begin on Monday */
time_t ngx_shop_period_start(ngx_shop_period_e period, time_t time);

/* the same of the period behind it */
time_t ngx_shop_period_next(ngx_shop_period_e period, time_t time);


/* ngx_shop_money.c: amounts of money, exact, in the smallest unit of their
 * currency, from 0 to NGX_SHOP_LOYALTY_POINTS_MAX */

/* how many decimals a currency has by ISO 4217; 2: also one that is not
 * known */
ngx_uint_t ngx_shop_money_decimals(ngx_str_t *currency);

/*
 * "49.99", "49.9" or "49", with no more decimals than the currency has.
 * NGX_ERROR: it is no amount, or has a fraction of the smallest unit;
 * NGX_DECLINED: it is too large.  "*minor" is set with NGX_OK only.
 */
ngx_int_t ngx_shop_money_parse(ngx_str_t *currency, ngx_str_t *text,
    int64_t *minor);

/* the same of any number with at most so many decimals, e.g. 1500 of "1.5"
 * with 3 */
ngx_int_t ngx_shop_fixed_parse(ngx_str_t *text, ngx_uint_t decimals,
    int64_t *value);


/* ngx_shop_program*.c: the rules, as "loyalty_program" gives them */

/* for messages: the lines that this version has */
#define NGX_SHOP_PROGRAM_LINES                                                \
    "\"currency\", \"tier\", \"earn\", \"segment\", \"promotion\""
#define NGX_SHOP_PROMOTION_LINES                                              \
    "\"audience\", \"from\", \"until\", \"hours\", \"match\", "               \
    "\"holdout\", \"group\", \"stop\", \"priority\", "                      \
    "\"budget\", \"per_member\", \"once\", \"payload\""

#define NGX_SHOP_TIER_LIFETIME  0
#define NGX_SHOP_TIER_CALENDAR  ((ngx_uint_t) -1)

typedef struct {
    ngx_str_t                  name;

    /* conditions; -1: no such one */

    int64_t                    points;      /* qualifying ones */
    int64_t                    spend;       /* in the smallest unit */
    int64_t                    orders;

    ngx_uint_t                 window;      /* in which they count: in days */
    time_t                     grace;       /* behind its end */
    ngx_str_t                  words;       /* what is asked for, to be read
                                               by redis/ledger.lua */
    unsigned                   all:1;       /* all of them, not any one */
    unsigned                   ends:1;      /* not held for ever */
} ngx_shop_tier_t;

/* 1: everybody's */
#define ngx_shop_tier_is_free(tier)                                           \
    ((tier)->points == -1 && (tier)->spend == -1 && (tier)->orders == -1)


typedef enum {
    NGX_SHOP_EARN_SIGNUP = 0,
    NGX_SHOP_EARN_LOGIN,
    NGX_SHOP_EARN_VISIT,
    NGX_SHOP_EARN_STREAK,
    NGX_SHOP_EARN_ORDER,
    NGX_SHOP_EARN_CUSTOM
} ngx_shop_earn_e;


typedef struct {
    ngx_shop_earn_e            what;
    ngx_str_t                  event;       /* "order", "custom:review" */
    int64_t                    points;
    int64_t                    per;         /* money; of a streak: days; 0:
                                               whatever it was */
    int64_t                    min;         /* money */
    ngx_str_t                  tier;        /* empty: any */
    ngx_str_t                  multiply;    /* "TIER:THOUSANDTHS ..." */
    time_t                     every;       /* cooldown in seconds; 0: none */
    ngx_uint_t                 limit;       /* times in a period; 0: any */
    ngx_shop_period_e          period;
    ngx_str_t                  paid;        /* where in shop:activity it is
                                               kept when it paid */
    ngx_shop_duration_t       *pending;     /* until they are active; NULL:
                                               at once */
    ngx_shop_duration_t       *expires;     /* from then on; NULL: never */
} ngx_shop_earn_t;


typedef enum {
    NGX_SHOP_OP_EQ = 0,
    NGX_SHOP_OP_NE,
    NGX_SHOP_OP_LT,
    NGX_SHOP_OP_LE,
    NGX_SHOP_OP_GT,
    NGX_SHOP_OP_GE
} ngx_shop_op_e;


typedef enum {
    NGX_SHOP_FIELD_NEW = 0,                 /* these are numbers */
    NGX_SHOP_FIELD_TIER,
    NGX_SHOP_FIELD_POINTS,
    NGX_SHOP_FIELD_ORDERS,
    NGX_SHOP_FIELD_SPEND,
    NGX_SHOP_FIELD_RECENCY,
    NGX_SHOP_FIELD_MEMBER_SINCE,
    NGX_SHOP_FIELD_VISIT_RECENCY,
    NGX_SHOP_FIELD_FREQUENCY,
    NGX_SHOP_FIELD_STREAK,
    NGX_SHOP_FIELD_PROVIDER,                /* these are not */
    NGX_SHOP_FIELD_PROVIDERS,
    NGX_SHOP_FIELD_LOCALE,
    NGX_SHOP_FIELD_SEGMENT
} ngx_shop_field_e;

#define NGX_SHOP_NUMBERS       NGX_SHOP_FIELD_PROVIDER
#define NGX_SHOP_SEGMENTS_MAX  256


typedef struct {
    ngx_shop_field_e           field;
    ngx_shop_op_e              op;
    int64_t                    number;      /* of a tier or segment: its
                                               index; seconds; money; points;
                                               thousandths of a frequency */
    ngx_str_t                  text;        /* of a provider or locale */
} ngx_shop_condition_t;


typedef struct {
    ngx_str_t                  name;
    ngx_array_t               *lines;       /* of ngx_array_t * of
                                               ngx_shop_condition_t: lines
                                               joined by or, conditions in a
                                               line by and */
    unsigned                   told:1;      /* to backends: it has a line */
    unsigned                   preset:1;    /* "lines" are those of one */
} ngx_shop_segment_t;


/* minutes of a week that begins on Thursday, as 1970 did, in UTC */

typedef struct {
    ngx_uint_t                 from;        /* inclusive */
    ngx_uint_t                 until;       /* exclusive */
} ngx_shop_hours_t;


/* a line "match": a variable of nginx must be one of these */

typedef struct {
    ngx_str_t                  variable;    /* its name */
    ngx_array_t               *values;      /* of ngx_str_t */
    void                      *compiled;    /* of who compiles it */
} ngx_shop_match_t;

typedef char *(*ngx_shop_match_compile_pt)(ngx_conf_t *cf,
    ngx_shop_match_t *match);


typedef struct {
    ngx_str_t                  code;
    ngx_array_t               *audience;    /* like "lines" of a segment;
                                               NULL: all */
    time_t                     from;        /* inclusive; 0: always */
    time_t                     until;       /* exclusive; 0: for ever */
    ngx_array_t               *hours;       /* of ngx_shop_hours_t, of which
                                               one is; NULL: always */
    ngx_array_t               *matches;     /* of ngx_shop_match_t, all of
                                               which must hold; NULL: none */
    ngx_uint_t                 priority;    /* lower first; 100 */
    ngx_uint_t                 holdout;     /* of NGX_SHOP_HOLDOUT_ALL */
    time_t                     convert;     /* of one with a holdout: for so
                                               many seconds an order counts */
    uint64_t                   measured;    /* its bit; 0: no holdout */
    uint64_t                   group;       /* its bit; 0: none */
    ngx_flag_t                 stop;
    int64_t                    budget;      /* redemptions; 0: any number */
    ngx_uint_t                 nbudget;     /* which one of all budgets */
    ngx_uint_t                 per_member;  /* redemptions of a customer; 0:
                                               any number */
    ngx_uint_t                 days;        /* in these before, or */
    ngx_shop_period_e          period;      /* in one of the calendar, or */
    ngx_str_t                  payload;     /* empty: none */

    unsigned                   ever:1;      /* in the whole life */
    unsigned                   once:1;      /* each customer has a code */
} ngx_shop_promotion_t;

#define NGX_SHOP_HOLDOUT_ALL    10000
#define NGX_SHOP_MEASURED_MAX   64
#define NGX_SHOP_GROUPS_MAX     64


typedef struct {
    ngx_str_t                  currency;
    ngx_array_t                tiers;       /* of ngx_shop_tier_t, lowest
                                               first */
    ngx_array_t                earn;        /* of ngx_shop_earn_t */
    ngx_array_t                segments;    /* of ngx_shop_segment_t */
    size_t                     segments_len;   /* of all that are told,
                                                  joined */
    ngx_array_t                promotions;  /* of ngx_shop_promotion_t, by
                                               priority, then code */
    ngx_array_t                groups;      /* of ngx_str_t */
    ngx_uint_t                 nmeasured;   /* promotions with a holdout, */
    ngx_uint_t                 measured[NGX_SHOP_MEASURED_MAX];
                                            /* and which they are, by bit */
    uint32_t                   measures;    /* another one if these bits are
                                               others */
    size_t                     codes_len;   /* of all codes, joined */
    ngx_uint_t                 nbudgets;    /* promotions that have one */
    ngx_shop_match_compile_pt  compile;     /* of its user */

    unsigned                   once:1;      /* some have such codes */

    /* what conditions ask for, which the view has where they do */

    unsigned                   asks_visits:1;
    unsigned                   asks_profile:1;

    ngx_pool_t                *pool;        /* its own, if it goes with the
                                               last of its users; or NULL */
    ngx_uint_t                 nusers;
} ngx_shop_program_t;


/*
 * All of these return NGX_CONF_OK, or NGX_CONF_ERROR after they have
 * reported, with file and line, what was found and what is allowed.  Words
 * are kept as they are, so they must live as long as the program does, as
 * those of cf->pool do.  What the grammar has and this version has not is an
 * error that names it.
 */

/* an empty program; "compile" prepares what "match" of ngx_shop_moment_t will
 * compare, and returns as the others do; NGX_ERROR: no memory */
ngx_int_t ngx_shop_program_init(ngx_pool_t *pool,
    ngx_shop_program_t *program, ngx_shop_match_compile_pt compile);

/* one line "currency EUR;", "tier silver points=1000;", "earn login 5
 * every=1d;", as "words" of ngx_str_t */
char *ngx_shop_program_line(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words);

/* the start of "promotion CODE { ... }"; the pointer is good until the next
 * promotion is added */
char *ngx_shop_program_promotion(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_str_t *code, ngx_shop_promotion_t **promotion);

/* one line within it; tiers it names were declared before */
char *ngx_shop_promotion_line(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);

/* 1: time changes what customers have by it, without a booking */
ngx_uint_t ngx_shop_program_timed(ngx_shop_program_t *program);

/* when all is read: orders the promotions */
void ngx_shop_program_finish(ngx_shop_program_t *program);

/* one user more, and one less: who keeps anything that points into a program
 * is a user of it */
void ngx_shop_program_hold(ngx_shop_program_t *program);
void ngx_shop_program_release(ngx_shop_program_t *program);


/* ngx_shop_program_json.c: promotions and segments as JSON */

#define NGX_SHOP_PROGRAM_TEXT_MAX        262144
#define NGX_SHOP_PROGRAM_PROMOTIONS_MAX  1000
#define NGX_SHOP_PROGRAM_REGEX_MAX       64
#define NGX_SHOP_PROGRAM_HEADERS_MAX     8000
#define NGX_SHOP_PROGRAM_REASON_MAX      512

/*
 * A program with what "base" has, but for promotions and segments: these are
 * those of the JSON, which is checked as the configuration is.  All is from
 * "pool" or of "base".  NULL: it was refused, and "reason" says where and why
 * in ASCII, or there was no memory, and it is empty; reason->data has room for
 * NGX_SHOP_PROGRAM_REASON_MAX bytes.
 */
ngx_shop_program_t *ngx_shop_program_json(ngx_pool_t *pool,
    ngx_shop_program_t *base, ngx_str_t *text,
    ngx_shop_match_compile_pt compile, ngx_str_t *reason);


/* ngx_shop_program_live.c: the program in force, of the configuration or of
 * Redis */

#define NGX_SHOP_LIVE_VERSION_LEN  16

typedef struct ngx_shop_live_s  ngx_shop_live_t;

typedef void (*ngx_shop_live_pt)(void *data, ngx_shop_program_t *program);

typedef struct {
    ngx_str_t                  version;     /* of the document; empty: it is
                                               that of the configuration */
    time_t                     since;       /* with a version */
    ngx_str_t                  reason;      /* why what is in Redis is not in
                                               force; empty: it is */
} ngx_shop_live_state_t;


/*
 * Begins to look after "shop:program"; from init_process, after
 * ngx_shop_redis_init().  "base" and "compile" are as above; a document that
 * is known to the zone is in force at once.  "handler" is told of the program
 * in force, at the start and each time it is another one.  NULL: no memory.
 * Stopping comes before ngx_shop_redis_exit().
 */
ngx_shop_live_t *ngx_shop_live_start(ngx_shop_redis_t *redis,
    ngx_shop_zone_t *zone, ngx_shop_program_t *base,
    ngx_shop_match_compile_pt compile, ngx_shop_live_pt handler, void *data,
    ngx_cycle_t *cycle);
void ngx_shop_live_stop(ngx_shop_live_t *live);

/* good until the worker returns to its events, and longer for who holds it */
ngx_shop_program_t *ngx_shop_live_program(ngx_shop_live_t *live);

/* 0: whether there is a document was not found out yet, so the program is that
 * of the configuration, for a moment */
ngx_uint_t ngx_shop_live_known(ngx_shop_live_t *live);

/* its texts are good as long */
void ngx_shop_live_state(ngx_shop_live_t *live,
    ngx_shop_live_state_t *state);


/* ngx_shop_tier.c; NGX_SHOP_LOYALTY_NO_TIER: none */

/* the tier of this name */
ngx_uint_t ngx_shop_tier_find(ngx_shop_program_t *program, ngx_str_t *name);

/* the highest tier that so many qualifying points of a whole life reach,
 * whatever else is known of the customer */
ngx_uint_t ngx_shop_tier_reached(ngx_shop_program_t *program,
    int64_t qualifying);


/* ngx_shop_eval.c */

/* the fields of shop:view:{NN}:ID that are known to this version */

typedef struct {
    ngx_str_t                  tier;        /* may be empty */
    time_t                     tier_since;
    time_t                     tier_until;  /* 0: for ever */
    int64_t                    points;      /* active */
    int64_t                    pending;
    int64_t                    qualifying;  /* of the whole life */
    int64_t                    toward;      /* those of them that count for
                                               the tier above "tier", where
                                               this has a window */
    int64_t                    orders;
    int64_t                    spend;       /* in the smallest unit */
    time_t                     last_order;  /* 0: none */
    ngx_str_t                  segments;    /* given by the shop, joined by
                                               "," */
    ngx_str_t                  limits;      /* what was redeemed, see
                                               ngx_shop_limit_reached() */
    time_t                     created;
    time_t                     next_due;    /* to be settled then; 0: never */

    /* where the program asks for it */

    time_t                     last_visit;  /* its start; 0: none */
    time_t                     earlier_visit;  /* the last one of a day before
                                                  that; 0: none */
    int64_t                    frequency;   /* in thousandths, at the last
                                               visit */
    int64_t                    streak;      /* days, at the last visit */
    ngx_str_t                  providers;   /* that are linked, joined by
                                               "," */
    ngx_str_t                  locale;
} ngx_shop_view_t;


typedef struct {
    ngx_str_t                  tier;        /* empty: none */
    time_t                     tier_until;  /* 0: for ever */
    int64_t                    points;
    int64_t                    pending;
    ngx_str_t                  next_tier;   /* empty: none */
    int64_t                    next_points; /* threshold; -1: no points
                                               condition */
    int64_t                    points_to_next;   /* -1: unknown */
    ngx_str_t                  segments;    /* joined by "," */
    ngx_str_t                  promotions;  /* joined by ",", best first */
    uint64_t                   given;       /* bits of those with a holdout, */
    uint64_t                   held;        /* and of those held back by it */

    unsigned                   is_new:1;    /* no order yet */
} ngx_shop_evaluation_t;


/* what is known of a budget */

typedef struct {
    ngx_str_t                  code;
    int64_t                    total;
    int64_t                    redeemed;    /* -1: not known yet */
} ngx_shop_budget_t;


/* when, and of whom, it is asked */

typedef ngx_uint_t (*ngx_shop_match_pt)(void *data, ngx_shop_match_t *match);


/* what becomes of a promotion */

typedef enum {
    NGX_SHOP_OFFER_GIVEN = 0,
    NGX_SHOP_OFFER_GROUP,                   /* has given another one */
    NGX_SHOP_OFFER_STOPPED,                 /* by one before it */
    NGX_SHOP_OFFER_EARLY,
    NGX_SHOP_OFFER_LATE,
    NGX_SHOP_OFFER_HOURS,
    NGX_SHOP_OFFER_SOLD_OUT,
    NGX_SHOP_OFFER_LIMIT,                   /* of the customer */
    NGX_SHOP_OFFER_AUDIENCE,
    NGX_SHOP_OFFER_MATCH,
    NGX_SHOP_OFFER_HOLDOUT,
    NGX_SHOP_OFFER_UNSEEDED                 /* nobody knows the holdout, or
                                               the customer's code */
} ngx_shop_offer_e;

typedef void (*ngx_shop_trace_pt)(void *data,
    ngx_shop_promotion_t *promotion, ngx_shop_offer_e offer);


typedef struct {
    time_t                     now;
    ngx_str_t                 *customer;    /* the id */
    ngx_str_t                 *provider;    /* of the session */
    u_char                    *seed;        /* 16 bytes, for holdouts; NULL:
                                               not known */
    ngx_shop_budget_t         *budgets;     /* NULL: none is known */
    ngx_shop_match_pt          match;       /* 1: the line holds */
    ngx_shop_trace_pt          trace;       /* is told of each promotion;
                                               NULL: nobody */
    void                      *data;        /* of both */
} ngx_shop_moment_t;


/*
 * The tier is the higher of the one the customer holds, which is good until
 * "next_due", and the one that the points of a whole life reach, as the
 * program may have changed.  The names in the result are the program's, or
 * were checked to be fit for a header; they live as long as "program", "view"
 * and "pool" do.  Without a seed nobody is given a promotion that has a
 * holdout.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_shop_evaluate(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_shop_view_t *view, ngx_shop_moment_t *moment,
    ngx_shop_evaluation_t *result);

/* where a customer stands in a promotion's holdout, 0 to 9999: who is below
 * the percentage gets nothing; NGX_SHOP_CUSTOMER_ID_MAX is the most */
ngx_uint_t ngx_shop_holdout_bucket(u_char *seed, ngx_str_t *code,
    ngx_str_t *customer);


/* ngx_shop_redeem.c: the codes that orders name */

/* a code of one customer's own: "CODE-" and these */
#define NGX_SHOP_ONCE_LEN       10

/*
 * Writes the customer's own code of a promotion that has such ones, which is
 * NGX_SHOP_NAME_MAX bytes at most, and returns what is behind it.  It is drawn
 * by "seed", as holdouts are, and nobody who has other codes can guess it.
 */
u_char *ngx_shop_once_code(u_char *p, u_char *seed, ngx_str_t *code,
    ngx_str_t *customer);

/*
 * The promotion that "name" is a code of.  NGX_OK; NGX_DECLINED: of none;
 * NGX_ABORT: it is not this customer's.  Without a seed no customer has a
 * code.
 */
ngx_int_t ngx_shop_promotion_named(ngx_shop_program_t *program, u_char *seed,
    ngx_str_t *customer, ngx_str_t *name, ngx_shop_promotion_t **promotion);

/* 1: by the view's "limits" the customer has redeemed it as often as may be */
ngx_uint_t ngx_shop_limit_reached(ngx_str_t *limits,
    ngx_shop_promotion_t *promotion, time_t now);


/* ngx_shop_loyalty_store.c: the view in Redis */

/* what ngx_shop_loyalty_read() adds: the number of commands */
#define NGX_SHOP_LOYALTY_READ_COMMANDS  1

/* adds the read of the customer's view to an operation; NGX_ERROR: no
 * memory */
ngx_int_t ngx_shop_loyalty_read(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *customer);

/*
 * Understands its reply; strings are copied to "pool".  NGX_OK;
 * NGX_DECLINED: the customer has no view, "view" is all zeros; NGX_ERROR:
 * the reply is a fault or nonsense, so it could not be asked.
 */
ngx_int_t ngx_shop_loyalty_view(ngx_pool_t *pool,
    ngx_shop_redis_reply_t *reply, ngx_shop_view_t *view);

/* how many elements that array has, and the names of their fields */
ngx_uint_t ngx_shop_loyalty_fields(ngx_str_t **names);

/* ngx_shop_event.c: what a shop tells, as JSON */

#define NGX_SHOP_EVENT_MAX          16384   /* bytes of JSON */
#define NGX_SHOP_EVENT_ID_MAX       128
#define NGX_SHOP_EVENT_SUBJECT_MAX  255
#define NGX_SHOP_EVENT_TIME_MAX     ((int64_t) 253402300799)  /* year 9999 */
#define NGX_SHOP_EVENT_LATE         (400 * 86400)   /* seconds */
#define NGX_SHOP_EVENT_AHEAD        300

typedef struct {
    ngx_str_t                  kind;        /* "login", "order", ... */
    ngx_str_t                  id;          /* 1..128 bytes */
    time_t                     time;
    ngx_str_t                  what;        /* order, name or tier; or empty */
    ngx_str_t                  amount;      /* decimal integer: money, points,
                                               or when a grant ends; or
                                               empty: 0 */
    ngx_str_t                  option;      /* "qualifying", or codes joined
                                               by ","; or empty */
    ngx_array_t               *leases;      /* of ngx_shop_lease_t, which are
                                               known; NULL: none */
    time_t                     told;        /* since when it waited; 0: it is
                                               told now */
} ngx_shop_event_t;


/* whose it is: one of the three, or nobody is named */

typedef struct {
    ngx_str_t                  id;          /* of the customer */
    ngx_str_t                  provider;    /* with a subject */
    ngx_str_t                  subject;
    ngx_str_t                  email;
} ngx_shop_owner_t;


/*
 * Reads one event; what it holds lives as long as "pool" and "program" do.
 * NGX_DECLINED: refused, "*reason" is a constant, and event->id is there if
 * that could be read; NGX_ERROR: no memory.
 */
ngx_int_t ngx_shop_event_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_program_t *program, ngx_shop_event_t *event,
    ngx_shop_owner_t *owner, const char **reason);

/* whether its time is one to be told of now, which the ledger asks as well:
 * NGX_OK, or NGX_DECLINED and "*reason" */
ngx_int_t ngx_shop_event_timely(ngx_shop_event_t *event, time_t now,
    const char **reason);

/* whether it is an order that names promotions; "option" alone may be the word
 * of another kind */
ngx_uint_t ngx_shop_event_names(ngx_shop_event_t *event);

/*
 * An event as a line of words, of which the first is the id, for one that
 * waits for its customer; and back, from a line with the time before it since
 * when it waits.  Words point into the line.  NGX_ERROR: no memory; not such
 * a line.
 */
ngx_int_t ngx_shop_event_pack(ngx_pool_t *pool, ngx_shop_event_t *event,
    ngx_str_t *line);
ngx_int_t ngx_shop_event_unpack(ngx_str_t *line, time_t *kept,
    ngx_shop_event_t *event);


/* ngx_shop_event_key.c: who may tell */

#define NGX_SHOP_EVENT_SIGNED       300     /* seconds a signature is good */

typedef struct {
    ngx_str_t                  id;
    ngx_str_t                  secret;
} ngx_shop_event_key_t;


typedef struct {
    ngx_str_t                  time;        /* as it was sent */
    ngx_shop_event_key_t      *key;
    u_char                     mac[NGX_SHOP_SHA256_LEN];
} ngx_shop_event_signature_t;


/*
 * Reads the file of "shop_event_key_file" at configuration time into an array
 * of ngx_shop_event_key_t on cf->pool: a key a line, KEYID:HEX; blank and "#"
 * lines are skipped.  NULL: reported.
 */
ngx_array_t *ngx_shop_event_keys_read(ngx_conf_t *cf, ngx_str_t *path);

/*
 * Understands the header "t=UNIX,k=KEYID,v1=HEX".  NGX_OK: it may be good,
 * see below; NGX_DECLINED: it is malformed; NGX_ABORT: the key is unknown or
 * the time is over.  "*reason" is a constant.  Points into "header".
 */
ngx_int_t ngx_shop_event_signature(ngx_array_t *keys, ngx_str_t *header,
    time_t now, ngx_shop_event_signature_t *signature, const char **reason);

/* "text" is what was signed: signature->time, "." and the body.  NGX_OK;
 * NGX_DECLINED: it was not; NGX_ERROR: OpenSSL failed, logged. */
ngx_int_t ngx_shop_event_verify(ngx_shop_event_signature_t *signature,
    ngx_str_t *text, ngx_log_t *log);


/* ngx_shop_ledger.c: what is booked */

/* a partition's share of a budget */

typedef struct {
    ngx_str_t                  code;
    ngx_uint_t                 partition;
    int64_t                    budget;      /* of all */
    int64_t                    granted;     /* by what was leased in all; 0:
                                               not known */
    int64_t                    leased;      /* what the partition says: in
                                               all, of these returned, and
                                               used */
    int64_t                    returned;
    int64_t                    used;

    ngx_uint_t                 op;          /* of who asks */
    ngx_uint_t                 command;

    unsigned                   sold:1;      /* there is nothing any more */
    unsigned                   wanted:1;
    unsigned                   tell:1;
    unsigned                   recall:1;
} ngx_shop_lease_t;


/* what ngx_shop_ledger_book() adds: the number of commands */
#define NGX_SHOP_LEDGER_COMMANDS  1

/*
 * Adds the booking of an event to an operation, after the customer was
 * created: what the rules give for it, the ledger entries, lots and the view,
 * in one atomic script in the customer's slot, and once for each id.  A
 * "login" earns "signup" too, once in a customer's life.  NGX_ERROR: no
 * memory.
 */
ngx_int_t ngx_shop_ledger_book(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_program_t *program,
    ngx_str_t *customer, ngx_shop_event_t *event, time_t now);

/* the same of what time does: lots activate and expire and tiers end that are
 * due by "now"; the customer's place in the queue is found anew */
ngx_int_t ngx_shop_ledger_settle(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_program_t *program,
    ngx_str_t *customer, time_t now);

/* what has changed in "view" by it, also where that was read before it was
 * done; "pool" is for the tier.  NGX_ERROR: the reply is a fault, so it is
 * not done. */
ngx_int_t ngx_shop_ledger_settled(ngx_pool_t *pool,
    ngx_shop_redis_reply_t *reply, ngx_shop_view_t *view);

/*
 * The same of a visit that the script of the activity has found to be owed,
 * with the "days" of the streak that it said: booked if it still is.
 */
ngx_int_t ngx_shop_ledger_visit(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_program_t *program,
    ngx_str_t *customer, time_t time, ngx_str_t *days, time_t now);

/* 1: there are rules for visits */
ngx_uint_t ngx_shop_ledger_visits(ngx_shop_program_t *program);

/* NGX_OK: booked, or there was nothing to book; NGX_ERROR: the reply is a
 * fault */
ngx_int_t ngx_shop_ledger_booked(ngx_shop_redis_reply_t *reply);

/* what became of it, in the reply's memory: "booked", "duplicate", "kept" or
 * "refused", and then why; and of the codes that an order names, "CODE=WORD"
 * joined by blanks, may be empty.  NGX_ERROR: the reply is a fault */
ngx_int_t ngx_shop_ledger_result(ngx_shop_redis_reply_t *reply,
    ngx_str_t *status, ngx_str_t *reason, ngx_str_t *promotions);


/*
 * The same of budgets: the next one of "CODE LEASED RETURNED USED ...", which
 * is cut off from "*budgets".  NGX_DONE: there is none.  Of a promotion that
 * the program has not, lease->budget is 0.
 */
ngx_int_t ngx_shop_ledger_budgets(ngx_shop_redis_reply_t *reply,
    ngx_str_t *budgets);
ngx_int_t ngx_shop_ledger_budget(ngx_str_t *budgets,
    ngx_shop_program_t *program, ngx_shop_lease_t *lease);


/* ngx_shop_budget.c: what is left of budgets, for all who are shown them */

typedef struct ngx_shop_budgets_s  ngx_shop_budgets_t;

/*
 * From init_process, after ngx_shop_redis_init(); NULL: no memory.  Stopping
 * comes before ngx_shop_redis_exit().
 */
ngx_shop_budgets_t *ngx_shop_budgets_start(ngx_shop_redis_t *redis,
    ngx_cycle_t *cycle);
void ngx_shop_budgets_stop(ngx_shop_budgets_t *budgets);

/*
 * Asks from now on, twice a second, for the budgets of this program, which is
 * held.  It is asked once where there are only codes of customers' own: these
 * need the seed.
 */
void ngx_shop_budgets_follow(ngx_shop_budgets_t *budgets,
    ngx_shop_program_t *program);

/* one for each budget of this program, by "nbudget"; NULL: it is not the one
 * that is asked for */
ngx_shop_budget_t *ngx_shop_budgets_known(ngx_shop_budgets_t *budgets,
    ngx_shop_program_t *program);

/* the same of the one that is, and how many there are */
ngx_shop_budget_t *ngx_shop_budgets_all(ngx_shop_budgets_t *budgets,
    ngx_uint_t *n);


/* ngx_shop_lease.c: what a partition has of a budget; redis/lease.lua tells
 * how it comes there */

/* adds the command that leases some of a budget, or ("wants" is 0) tells what
 * has become of a lease; NGX_ERROR: no memory */
ngx_int_t ngx_shop_lease_ask(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_lease_t *lease, ngx_uint_t wants);

/* NGX_OK: lease->granted is set; NGX_DECLINED: all is used; NGX_AGAIN: other
 * partitions are to return theirs, see below; NGX_ERROR: the reply is a
 * fault */
ngx_int_t ngx_shop_lease_result(ngx_shop_redis_reply_t *reply,
    ngx_shop_lease_t *lease);

/* the n-th of the partitions that are to, "partition" and "granted" of it;
 * NGX_DONE: there are no more */
ngx_int_t ngx_shop_lease_other(ngx_shop_redis_reply_t *reply, ngx_uint_t n,
    ngx_shop_lease_t *lease);

/* the command by which one does, and what its partition says then */
ngx_int_t ngx_shop_lease_recall(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_lease_t *lease);
ngx_int_t ngx_shop_lease_recalled(ngx_shop_redis_reply_t *reply,
    ngx_shop_lease_t *lease);


/* ngx_shop_due.c: what time does to customers, worked off by the workers */

typedef struct ngx_shop_due_s  ngx_shop_due_t;

/*
 * Begins to work for the queue of customers, together with all other workers
 * that do; from init_process, after ngx_shop_redis_init().  "program" must
 * live as long as the worker.  NULL: no memory.  Stopping comes before
 * ngx_shop_redis_exit().
 */
ngx_shop_due_t *ngx_shop_due_start(ngx_shop_redis_t *redis,
    ngx_shop_zone_t *zone, ngx_shop_program_t *program, ngx_cycle_t *cycle);
void ngx_shop_due_stop(ngx_shop_due_t *due);


/* ngx_shop_shown.c: what promotions with a holdout are worth */

enum {
    NGX_SHOP_SHOWN_GIVEN = 0,
    NGX_SHOP_SHOWN_HELD,                    /* back, by the holdout */
    NGX_SHOP_SHOWN_ARMS
};

enum {
    NGX_SHOP_SHOWN_EXPOSURES = 0,           /* of a customer, on a day */
    NGX_SHOP_SHOWN_CUSTOMERS,
    NGX_SHOP_SHOWN_CONVERSIONS,             /* orders */
    NGX_SHOP_SHOWN_COUNTS
};

typedef struct {
    ngx_str_t                  code;
    uint64_t                   counts[NGX_SHOP_SHOWN_ARMS]
                                     [NGX_SHOP_SHOWN_COUNTS];
} ngx_shop_shown_t;

#define NGX_SHOP_SHOWN_COMMANDS  1

/* an array of ngx_shop_shown_t with what the program measures, nothing of
 * which was counted yet; NGX_ERROR: no memory */
ngx_int_t ngx_shop_shown_init(ngx_pool_t *pool, ngx_shop_program_t *program,
    ngx_array_t *shown);

/* adds the read of what a partition has counted to an operation, and what it
 * says to "shown".  NGX_ERROR: no memory; the reply is a fault or nonsense,
 * and "shown" is good for nothing. */
ngx_int_t ngx_shop_shown_read(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_uint_t partition, ngx_array_t *shown);
ngx_int_t ngx_shop_shown_add(ngx_shop_redis_reply_t *reply,
    ngx_array_t *shown);

/* how much more the customers who were given it have bought than those who
 * were not, as a share of what these did: orders for each customer.
 * NGX_DECLINED: there is nothing to compare with. */
ngx_int_t ngx_shop_shown_lift(ngx_shop_shown_t *shown, double *lift);


/* ngx_shop_view_pack.c: a view as few bytes, for the cache */

/* NGX_ERROR: no memory */
ngx_int_t ngx_shop_view_pack(ngx_pool_t *pool, ngx_shop_view_t *view,
    ngx_str_t *value);

/* texts point into "value"; NGX_ERROR: not what was packed */
ngx_int_t ngx_shop_view_unpack(ngx_str_t *value, ngx_shop_view_t *view);

/* its texts, which are in the memory at "from", are those at "to" */
void ngx_shop_view_move(ngx_shop_view_t *view, u_char *from, u_char *to);


#endif /* _NGX_SHOP_LOYALTY_H_INCLUDED_ */
