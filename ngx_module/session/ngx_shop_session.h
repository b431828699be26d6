
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_SESSION_H_INCLUDED_
#define _NGX_SHOP_SESSION_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "redis/ngx_shop_redis.h"


/*
 * Who is browsing.  The cookie seals the customer's id and a secret; Redis
 * knows the session by the SHA-256 of that secret, so neither a forged
 * cookie nor a leaked database signs anybody in.
 */


#define NGX_SHOP_SESSION_SECRET_LEN   32
#define NGX_SHOP_SESSION_COOKIE_MAX   512   /* of the sealed value */
#define NGX_SHOP_SESSION_AGENT_MAX    64
#define NGX_SHOP_SESSION_NOTED        300   /* seconds between two notes */
#define NGX_SHOP_SESSION_HASTE        2     /* where its end is too near */
#define NGX_SHOP_SESSION_SKEW         300   /* seconds, between servers */
#define NGX_SHOP_SESSION_LIFETIME_MAX  (3650 * 86400)
#define NGX_SHOP_SESSION_MAX          1000  /* of a customer */


typedef struct {
    time_t                     idle;        /* seconds */
    time_t                     lifetime;
} ngx_shop_session_limits_t;


typedef struct {
    /* what the cookie says */

    ngx_str_t                  customer;
    u_char                     digest[NGX_SHOP_SHA256_LEN];
                                            /* SHA-256 of the secret */
    time_t                     issued;

    /* what Redis says */

    ngx_str_t                  provider;
    time_t                     created;
    time_t                     auth_time;
    time_t                     expires;     /* absolute */
    int64_t                    ttl;         /* milliseconds to idle out */
    int64_t                    idles;       /* out in this one, of those of
                                               ngx_current_msec; 0: never, or
                                               it was not in the cache */
    time_t                     noted;       /* when it was noted last that it
                                               is used; 0: not known */
} ngx_shop_session_t;


/* ngx_shop_session_memo.c: cookies that were opened lately */

typedef struct ngx_shop_session_memo_s  ngx_shop_session_memo_t;

/* an empty one, of one configuration; NULL: no memory */
ngx_shop_session_memo_t *ngx_shop_session_memo_create(ngx_pool_t *pool);

/* what a cookie said when it was opened for this host, which is told by its
 * address; NGX_DECLINED: that is not known; NGX_ERROR: no memory */
ngx_int_t ngx_shop_session_recall(ngx_shop_session_memo_t *memo,
    ngx_pool_t *pool, ngx_str_t *host, ngx_str_t *cookie,
    ngx_shop_session_t *session);

/* one that was opened */
void ngx_shop_session_remember(ngx_shop_session_memo_t *memo,
    ngx_str_t *host, ngx_str_t *cookie, ngx_shop_session_t *session);


/* ngx_shop_session_seal.c */

/*
 * A new session of "customer" with a fresh 256-bit secret, and its cookie
 * value for "host"; from "pool".
 */
ngx_int_t ngx_shop_session_create(ngx_pool_t *pool,
    ngx_shop_sealer_t *sealer, ngx_str_t *host, ngx_str_t *customer,
    ngx_str_t *provider, time_t auth_time, time_t now,
    ngx_shop_session_limits_t *limits, ngx_shop_session_t *session,
    ngx_str_t *cookie, ngx_log_t *log);

/*
 * NGX_OK: the cookie is one of ours for "host", "session" has what it says;
 * NGX_DECLINED: it is not, or older than a session may live; NGX_ERROR: the
 * system failed.
 */
ngx_int_t ngx_shop_session_open(ngx_pool_t *pool, ngx_shop_sealer_t *sealer,
    ngx_shop_session_memo_t *memo, ngx_str_t *host, ngx_str_t *cookie,
    time_t now, ngx_shop_session_limits_t *limits,
    ngx_shop_session_t *session, ngx_log_t *log);


/* ngx_shop_session_store.c */

#define NGX_SHOP_SESSION_READ_COMMANDS   3
#define NGX_SHOP_SESSION_WRITE_COMMANDS  1
#define NGX_SHOP_SESSION_END_COMMANDS    1

/* adds the read of a session to an operation: plain reads only */
ngx_int_t ngx_shop_session_read(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session);

/*
 * Understands the replies.  NGX_OK: the session lives; NGX_DECLINED: it does
 * not exist or is past its end; NGX_ERROR: a fault or nonsense, so it could
 * not be asked.
 */
ngx_int_t ngx_shop_session_known(ngx_pool_t *pool,
    ngx_shop_redis_reply_t **replies, time_t now,
    ngx_shop_session_t *session);

/*
 * Adds the write of a new session; "agent" is for the customer's own list of
 * devices, "issued" is the time of a token that was brought, or 0.  The reply
 * is an array of the hashes of those that ended, as the customer has no more
 * than NGX_SHOP_SESSION_MAX.
 */
ngx_int_t ngx_shop_session_write(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session, ngx_str_t *agent,
    time_t issued, time_t now);

/* NGX_OK: done; NGX_DECLINED: there is none, as the provider has ended all
 * sessions since the token was issued; NGX_ERROR: the reply is a fault */
ngx_int_t ngx_shop_session_written(ngx_shop_redis_reply_t *reply);

/* adds the end of one; ended sessions are dead at once */
ngx_int_t ngx_shop_session_end(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session);

/* NGX_OK: done; NGX_ERROR: the reply is a fault */
ngx_int_t ngx_shop_session_done(ngx_shop_redis_reply_t *reply);

/*
 * Adds the read of the hashes of a customer's sessions, over or not, at most
 * the NGX_SHOP_SESSION_LIST_MAX seen last, and understands it: "hashes" is of
 * ngx_str_t on "pool".  NGX_ERROR: a fault.
 */
#define NGX_SHOP_SESSION_LIST_COMMANDS   1
#define NGX_SHOP_SESSION_LIST_MAX        10000

ngx_int_t ngx_shop_session_list(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *customer);
ngx_int_t ngx_shop_session_listed(ngx_pool_t *pool,
    ngx_shop_redis_reply_t *reply, ngx_array_t *hashes);

/* milliseconds until one that was used at "seen" idles out, or is past its
 * end; 0 or less: it is over */
int64_t ngx_shop_session_idle(time_t idle, time_t expires, time_t seen,
    time_t now);

/* 1: it is time to note that the session is used; "*interval" is for how
 * long it is not again, in seconds */
ngx_uint_t ngx_shop_session_due(ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now, time_t *interval);


/* ngx_shop_activity.c: that sessions are used is noted in Redis */

typedef struct ngx_shop_activity_s  ngx_shop_activity_t;

/* of this worker, from init_process; NULL: no memory */
ngx_shop_activity_t *ngx_shop_activity_start(ngx_shop_redis_t *redis,
    ngx_shop_zone_t *zone, ngx_cycle_t *cycle);

/*
 * Adds to "op" one command that books a visit which began at "time": the
 * first one of the "days"-th day in a row, of 0 where it is not the first one
 * of its day.  NGX_ERROR: no memory.
 */
typedef ngx_int_t (*ngx_shop_activity_visit_pt)(void *data,
    ngx_shop_redis_op_t *op, ngx_str_t *customer, time_t time,
    ngx_str_t *days);

/* visits earn something: "handler" is asked for each one, with "data" */
void ngx_shop_activity_earns(ngx_shop_activity_t *activity,
    ngx_shop_activity_visit_pt handler, void *data);

/* what segments ask for, as bits, which is to be seen in the view: fields of
 * it that are about visits, and those of the customer's profile */
#define NGX_SHOP_ACTIVITY_VISITS   1
#define NGX_SHOP_ACTIVITY_PROFILE  2

void ngx_shop_activity_copies(ngx_shop_activity_t *activity,
    ngx_uint_t what);

/* what was not sent is lost */
void ngx_shop_activity_stop(ngx_shop_activity_t *activity);

/*
 * A session is used now.  If that is due to be noted it is, later, and
 * nothing is waited for; "before" is when the customer was last seen before
 * this request, 0 where that is not known.
 */
void ngx_shop_activity_seen(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session, ngx_shop_session_limits_t *limits,
    time_t before);

/*
 * Which promotions were noted of a session today, by this worker: their bits,
 * to which the caller adds.  "measures" tells apart programs whose bits are
 * other promotions.  Good until the next call; NULL: no memory.
 */
uint64_t *ngx_shop_activity_noted(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session, uint32_t measures);

/* a promotion was shown to a customer, or held back */

typedef struct {
    ngx_str_t                 *code;
    time_t                     convert;     /* how long an order counts as
                                               one for it, in seconds */
    unsigned                   held:1;
} ngx_shop_exposure_t;

/* "before" as above; NGX_OK: it is noted, later; NGX_DECLINED: there is no
 * room for it now */
ngx_int_t ngx_shop_activity_shown(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session, ngx_shop_session_limits_t *limits,
    time_t before, ngx_shop_exposure_t *exposure);


/*
 * ngx_shop_activity_table.c: what is to be noted, in memory of a fixed size.
 *
 * A note is free, fresh, late (it is to be tried again) or out, with its
 * taker; until it is free it is found by its session.
 */

#define NGX_SHOP_ACTIVITY_CHAINS  64        /* a power of two */
#define NGX_SHOP_ACTIVITY_SHOWN   1024      /* some thirty codes */

typedef struct {
    ngx_queue_t                queue;       /* unless it is out */
    ngx_queue_t                chain;
    ngx_msec_t                 due;         /* of a late one */
    void                      *data;        /* the owner's */

    time_t                     seen;
    time_t                     before;      /* 0: not known */
    time_t                     idle;        /* seconds */
    time_t                     expires;

    ngx_str_t                  customer;    /* in "id" */
    u_char                     digest[NGX_SHOP_SHA256_LEN];
    u_char                     id[NGX_SHOP_CUSTOMER_ID_MAX];

    /* promotions of one day: "CODE ARM CONVERT ", and so on */

    time_t                     shown_at;
    size_t                     shown_len;
    size_t                     shown_sent;  /* of these, is out */
    u_char                     shown[NGX_SHOP_ACTIVITY_SHOWN];

    unsigned                   turn:1;      /* the customer's: may be sent */
} ngx_shop_activity_note_t;

typedef struct {
    ngx_queue_t                free;
    ngx_queue_t                fresh;       /* oldest first */
    ngx_queue_t                late;        /* by "due" */
    ngx_uint_t                 nlate;
    ngx_uint_t                 max_late;
    ngx_queue_t                chains[NGX_SHOP_ACTIVITY_CHAINS];
} ngx_shop_activity_table_t;

/* for at most "n" notes; NGX_ERROR: no memory */
ngx_int_t ngx_shop_activity_table_init(ngx_shop_activity_table_t *table,
    ngx_pool_t *pool, ngx_uint_t n);

/* the note of a session, NULL: none */
ngx_shop_activity_note_t *ngx_shop_activity_find(
    ngx_shop_activity_table_t *table, u_char *digest);

#define ngx_shop_activity_full(table)  ngx_queue_empty(&(table)->free)

/* a fresh one of a session that has none, in a table that is not full, with
 * "digest" and "customer" set */
ngx_shop_activity_note_t *ngx_shop_activity_add(
    ngx_shop_activity_table_t *table, u_char *digest, ngx_str_t *customer);

/* takes out one that is to be sent now, fresh ones first; NULL: none */
ngx_shop_activity_note_t *ngx_shop_activity_take(
    ngx_shop_activity_table_t *table, ngx_msec_t now);

/*
 * Gives back what was taken, to be tried again at "due", which is not before
 * that of those given back earlier.  NGX_DECLINED: half of the table is late
 * already; it is still the caller's.
 */
ngx_int_t ngx_shop_activity_late(ngx_shop_activity_table_t *table,
    ngx_shop_activity_note_t *note, ngx_msec_t due);

/* what was taken is done with */
void ngx_shop_activity_free(ngx_shop_activity_table_t *table,
    ngx_shop_activity_note_t *note);


/* ngx_shop_session_pack.c: what Redis says as few bytes, for the cache */

/* NGX_ERROR: no memory */
ngx_int_t ngx_shop_session_pack(ngx_pool_t *pool, ngx_shop_session_t *session,
    ngx_str_t *value);

/*
 * Adds it to what the cookie says; the provider points into "value".
 * NGX_DECLINED: the session is past its end; NGX_ERROR: not what was packed
 * for this customer.
 */
ngx_int_t ngx_shop_session_unpack(ngx_str_t *value, time_t now,
    ngx_shop_session_t *session);

/* one that was unpacked earlier, now: NGX_OK or NGX_DECLINED, as above */
ngx_int_t ngx_shop_session_lives(ngx_shop_session_t *session, time_t now);

/* milliseconds until one of its ends, at least 1 */
ngx_msec_t ngx_shop_session_rest(ngx_shop_session_t *session, time_t now);


#endif /* _NGX_SHOP_SESSION_H_INCLUDED_ */
