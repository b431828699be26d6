
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_CUSTOMER_H_INCLUDED_
#define _NGX_SHOP_CUSTOMER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "redis/ngx_shop_redis.h"


/*
 * One customer for each person.  An identity is (provider, subject) and
 * nothing else: never an e-mail, never a name.
 */


/* what is kept of a person; strings may be empty */

typedef struct {
    ngx_str_t                  provider;
    ngx_str_t                  subject;
    ngx_str_t                  email;
    ngx_str_t                  name;
    ngx_str_t                  given_name;
    ngx_str_t                  family_name;
    ngx_str_t                  locale;
    ngx_str_t                  picture;
    ngx_str_t                  phone;
    time_t                     issued;      /* of a token that was brought;
                                               0: by no such token */

    unsigned                   email_verified:1;
    unsigned                   email_unknown:1;     /* it is as it was */
} ngx_shop_profile_t;


typedef struct {
    ngx_str_t                  provider;
    time_t                     linked;
    ngx_str_t                  email;       /* empty: not told */
} ngx_shop_link_t;


/* ngx_shop_customer_keys.c */

/* "shop:identity:NAME:SUBJECT" with the subject percent-encoded */
ngx_int_t ngx_shop_customer_identity_key(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_str_t *provider, ngx_str_t *subject,
    ngx_str_t *key);

/* "shop:email:SHA256" of the address in lower case; NGX_ERROR: also where
 * OpenSSL failed, logged */
ngx_int_t ngx_shop_customer_email_key(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, ngx_str_t *email, ngx_str_t *key);

/* the field of the customer's hash: "id:NAME:SUBJECT", encoded likewise */
ngx_int_t ngx_shop_customer_identity_field(ngx_pool_t *pool,
    ngx_str_t *provider, ngx_str_t *subject, ngx_str_t *field);


/* ngx_shop_customer.c */

/* a random 128-bit id, 32 hex digits */
ngx_int_t ngx_shop_customer_new_id(ngx_pool_t *pool, ngx_str_t *id,
    ngx_log_t *log);


#define NGX_SHOP_CUSTOMER_CLAIM_COMMANDS   2
#define NGX_SHOP_CUSTOMER_CREATE_COMMANDS  1
#define NGX_SHOP_CUSTOMER_LINKS_COMMANDS   1

/*
 * Adds to an operation: claim the identity for "id" unless it belongs to a
 * customer already.  A login cut off after this is completed by the next,
 * which finds the same id.
 */
ngx_int_t ngx_shop_customer_claim(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *provider, ngx_str_t *subject,
    ngx_str_t *id);

/* NGX_OK: "id" is who it belongs to, copied to "pool"; NGX_ERROR: a fault */
ngx_int_t ngx_shop_customer_claimed(ngx_pool_t *pool,
    ngx_shop_redis_reply_t **replies, ngx_str_t *id);

/*
 * Adds one atomic script in the customer's slot that makes the customer,
 * where there is none yet, and brings profile and identity up to date; but
 * an e-mail address that would be nobody's then stays with the identity, if
 * it is not "released" (which may be empty).
 */
ngx_int_t ngx_shop_customer_create(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *id, ngx_shop_profile_t *profile,
    ngx_str_t *released, time_t now);

/* NGX_OK: done, "created" says whether it was new, and "former" is the address
 * that has to be released, in the reply's memory, or empty; NGX_DECLINED: not
 * done, as the provider has ended all sessions since the token was issued;
 * NGX_ERROR: a fault */
ngx_int_t ngx_shop_customer_created(ngx_shop_redis_reply_t *reply,
    ngx_uint_t *created, ngx_str_t *former);

/* adds the read of the linked identities, and understands it; "links" is of
 * ngx_shop_link_t on "pool".  NGX_DECLINED: no such customer. */
ngx_int_t ngx_shop_customer_read(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *id);
ngx_int_t ngx_shop_customer_links(ngx_pool_t *pool,
    ngx_shop_redis_reply_t *reply, ngx_array_t *links);


/* ngx_shop_customer_leave.c: an identity goes, or was never theirs */

#define NGX_SHOP_CUSTOMER_OWNER_COMMANDS    1
#define NGX_SHOP_CUSTOMER_LEAVE_COMMANDS    1
#define NGX_SHOP_CUSTOMER_RELEASE_COMMANDS  1

/* adds the read of whose an identity is, and understands it; "id" is copied
 * to "pool".  NGX_DECLINED: nobody's. */
ngx_int_t ngx_shop_customer_owner(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *provider, ngx_str_t *subject);
ngx_int_t ngx_shop_customer_owned(ngx_pool_t *pool,
    ngx_shop_redis_reply_t *reply, ngx_str_t *id);

typedef struct {
    const char                *what;        /* see below */
    time_t                     when;        /* of "end": sessions that were
                                               made until then; of "undo": an
                                               erasure since then; else now */
    time_t                     over;        /* "end", "unlink": and tokens;
                                               else of no meaning */
    ngx_array_t                sessions;    /* of ngx_str_t, their hashes: of
                                               these some end */
    ngx_str_t                  released;    /* this address was, or empty */
    ngx_str_t                  email;       /* of an identity that may be
                                               known no more, or empty */
} ngx_shop_leave_t;

/*
 * Adds one atomic script in the customer's slot that does what leave.lua says
 * of "email_on", "email_off", "end", "unlink", "erase" or "undo"; but an
 * identity whose e-mail address would be nobody's then stays, if that is not
 * "released".
 */
ngx_int_t ngx_shop_customer_leave(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *id, ngx_str_t *provider,
    ngx_str_t *subject, ngx_shop_leave_t *leave);

/* NGX_OK: done, "unlinked" says whether the identity is linked no more,
 * "ended" is an array of the hashes of sessions, and "former" is the address
 * that has to be released, in the reply's memory, or empty; NGX_ERROR: a
 * fault */
ngx_int_t ngx_shop_customer_left(ngx_shop_redis_reply_t *reply,
    ngx_uint_t *unlinked, ngx_shop_redis_reply_t **ended, ngx_str_t *former);

/* these add: the identity, or the address, is nobody's, unless it is another
 * customer's by now; the reply is an integer */
ngx_int_t ngx_shop_customer_release(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *id, ngx_str_t *provider,
    ngx_str_t *subject);
ngx_int_t ngx_shop_customer_release_email(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *id, ngx_str_t *email);


/*
 * ngx_shop_kept.c: who is known by a key, "shop:identity:NAME:SUBJECT" or
 * "shop:email:SHA256", and what waits for one who is not.
 */

#define NGX_SHOP_KEPT_TIME            (30 * 86400)   /* seconds */

#define NGX_SHOP_KEPT_CLAIM_COMMANDS  2

/* adds the question who it is, and understands the answer.  NGX_OK:
 * "customer" is in the reply's memory; NGX_DECLINED: nobody; NGX_ERROR: a
 * fault. */
ngx_int_t ngx_shop_kept_find(ngx_shop_redis_op_t *op, ngx_str_t *known);
ngx_int_t ngx_shop_kept_found(ngx_shop_redis_reply_t *reply,
    ngx_str_t *customer);

/*
 * Adds that an event, a line of words that begins with its id, waits.
 * NGX_OK: "status" and "reason" say what became of it; NGX_DECLINED: the
 * customer is known by now; NGX_ERROR: a fault.  In the reply's memory.
 */
ngx_int_t ngx_shop_kept_add(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *known, ngx_str_t *id, ngx_str_t *line, time_t now);
ngx_int_t ngx_shop_kept_added(ngx_shop_redis_reply_t *reply,
    ngx_str_t *customer, ngx_str_t *status, ngx_str_t *reason);

/* adds: make the key the customer's unless it is somebody's, and ask whose it
 * is: the second reply is for ngx_shop_kept_found() */
ngx_int_t ngx_shop_kept_claim(ngx_shop_redis_op_t *op, ngx_str_t *known,
    ngx_str_t *customer);

/* adds: read what waits, an array of lines that begin with the time since
 * when; and, after that was booked, forget it */
ngx_int_t ngx_shop_kept_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *known);
ngx_int_t ngx_shop_kept_forget(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_str_t *known);


#endif /* _NGX_SHOP_CUSTOMER_H_INCLUDED_ */
