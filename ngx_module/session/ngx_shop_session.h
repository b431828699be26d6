
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
#define NGX_SHOP_SESSION_TOUCH        300   /* seconds */
#define NGX_SHOP_SESSION_SKEW         300   /* seconds, between servers */
#define NGX_SHOP_SESSION_LIFETIME_MAX  (3650 * 86400)


typedef struct {
    time_t                     idle;        /* seconds */
    time_t                     lifetime;
} ngx_shop_session_limits_t;


typedef struct {
    /* what the cookie says */

    ngx_str_t                  customer;
    ngx_str_t                  hash;        /* 64 hex digits */
    u_char                     digest[NGX_SHOP_SHA256_LEN];
                                            /* the same */
    time_t                     issued;

    /* what Redis says */

    ngx_str_t                  provider;
    time_t                     created;
    time_t                     auth_time;
    time_t                     expires;     /* absolute */
    int64_t                    ttl;         /* milliseconds to idle out */
} ngx_shop_session_t;


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
    ngx_str_t *host, ngx_str_t *cookie, time_t now,
    ngx_shop_session_limits_t *limits, ngx_shop_session_t *session,
    ngx_log_t *log);


/* ngx_shop_session_store.c */

#define NGX_SHOP_SESSION_READ_COMMANDS   2
#define NGX_SHOP_SESSION_WRITE_COMMANDS  1
#define NGX_SHOP_SESSION_END_COMMANDS    1
#define NGX_SHOP_SESSION_TOUCH_COMMANDS  1

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

/* adds the write of a new session; "agent" is for the customer's own list
 * of devices */
ngx_int_t ngx_shop_session_write(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session, ngx_str_t *agent,
    time_t now);

/* adds the end of one; ended sessions are dead at once */
ngx_int_t ngx_shop_session_end(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session);

/* NGX_OK: done; NGX_ERROR: the reply is a fault */
ngx_int_t ngx_shop_session_done(ngx_shop_redis_reply_t *reply);

/* 1: a noticeable part of the idle time is used up */
ngx_uint_t ngx_shop_session_aged(ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now);

/* adds the write that puts the idle end off; its reply is an integer, 0
 * where there is no such session any more */
ngx_int_t ngx_shop_session_touch(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session,
    ngx_shop_session_limits_t *limits, time_t now);


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

/* milliseconds until one of its ends, at least 1 */
ngx_msec_t ngx_shop_session_rest(ngx_shop_session_t *session, time_t now);


#endif /* _NGX_SHOP_SESSION_H_INCLUDED_ */
