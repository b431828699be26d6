
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_REDIS_INTERNAL_H_INCLUDED_
#define _NGX_SHOP_REDIS_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis.h"


/*
 * What the files of this room share, and nobody else includes but its own
 * tests.
 */


#define NGX_SHOP_REDIS_DEPTH_MAX    7       /* arrays within arrays */
#define NGX_SHOP_REDIS_LINE_MAX     65536   /* status and error replies */
#define NGX_SHOP_REDIS_BUFFER_SIZE  16384
#define NGX_SHOP_REDIS_POOL_SIZE    4096

#define NGX_SHOP_REDIS_BACKOFF_MIN  50      /* milliseconds */
#define NGX_SHOP_REDIS_BACKOFF_MAX  2000


typedef struct ngx_shop_redis_reader_s  ngx_shop_redis_reader_t;


typedef enum {
    NGX_SHOP_REDIS_CLOSED = 0,
    NGX_SHOP_REDIS_CONNECTING,
    NGX_SHOP_REDIS_SETUP,
    NGX_SHOP_REDIS_READY
} ngx_shop_redis_conn_state_e;


/*
 * Commands that go out back to back on one connection: those of an
 * operation, or a script and its second EVALSHA.
 */

typedef struct {
    ngx_queue_t                   queue;    /* conn->unsent, conn->sent */
    ngx_shop_redis_op_t          *op;
    ngx_str_t                    *wires;
    ngx_uint_t                    n;
    ngx_uint_t                    ncopied;  /* to the output buffer */
    size_t                        offset;   /* in the next one */
    ngx_uint_t                    nread;    /* replies so far */
    ngx_uint_t                    redo;     /* index of the command asked
                                               again, plus 1; 0: first run */
    unsigned                      started:1;
} ngx_shop_redis_run_t;


typedef struct {
    ngx_shop_redis_t             *redis;
    ngx_shop_redis_conn_t        *conn;     /* NULL: not out */
    ngx_queue_t                   queue;    /* conn->ops, redis->done */
    ngx_shop_redis_op_t          *op;

    ngx_uint_t                    max;
    ngx_str_t                    *wires;
    ngx_shop_redis_script_t     **scripts;  /* NULL: a plain command, or
                                               asked again already */
    ngx_shop_redis_run_t          run;
    ngx_uint_t                    pending;  /* runs without all replies */
    ngx_msec_t                    deadline;

    unsigned                      queued:1;
    unsigned                      orphan:1;
    unsigned                      setup:1;  /* the connection's own */
} ngx_shop_redis_state_t;


struct ngx_shop_redis_conn_s {
    ngx_shop_redis_conn_state_e   state;
    ngx_shop_redis_t             *redis;
    ngx_shop_peer_t               peer;
    ngx_connection_t             *connection;
    ngx_shop_redis_reader_t      *reader;
    ngx_log_t                     log;

    ngx_queue_t                   ops;      /* in the order of deadlines */
    ngx_queue_t                   unsent;   /* runs */
    ngx_queue_t                   sent;     /* runs, by expected reply */
    ngx_shop_redis_run_t         *writing;  /* the last of sent, while a
                                               part of it is not copied */

    ngx_shop_redis_op_t          *setup;
    ngx_msec_t                    started;  /* to connect */
    ngx_msec_t                    setup_deadline;
    ngx_event_t                   timer;
    ngx_msec_t                    last_read;

    u_char                       *pos;      /* what of "out" is to be sent */
    u_char                       *last;
    u_char                        out[NGX_SHOP_REDIS_BUFFER_SIZE];

    unsigned                      created:1;  /* shop:meta was written */
};


/* ngx_shop_redis.c */

#define ngx_shop_redis_state(op)  ((ngx_shop_redis_state_t *) (op)->state)

/* the connection is through with "op": it goes to redis->done, or away */
void ngx_shop_redis_finish(ngx_shop_redis_op_t *op, ngx_int_t rc,
    const char *reason);

/* calls back whoever is in redis->done; event handlers end with it */
void ngx_shop_redis_deliver(ngx_shop_redis_t *redis);

void ngx_shop_redis_destroy(ngx_shop_redis_op_t *op);

/* logs a fault reply once an incident, by its code alone */
void ngx_shop_redis_note_fault(ngx_shop_redis_reply_t *reply,
    ngx_log_t *log);


/* ngx_shop_redis_conn.c */

void ngx_shop_redis_conn_init(ngx_shop_redis_t *redis,
    ngx_shop_redis_conn_t *conn);

/*
 * A connection that is ready or will be; those that are closed begin to
 * connect.  NULL: none, "*reason" says why.
 */
ngx_shop_redis_conn_t *ngx_shop_redis_conn_pick(ngx_shop_redis_t *redis,
    const char **reason);

/* puts an operation on it */
void ngx_shop_redis_conn_add(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);

/* puts one more run of an operation on it */
void ngx_shop_redis_conn_run(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_run_t *run);

/* forgets an operation of which no byte was sent */
void ngx_shop_redis_conn_withdraw(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);

/* it has introduced itself */
void ngx_shop_redis_conn_ready(ngx_shop_redis_conn_t *conn);

/* closes; operations end with "reason" and wait in redis->done */
void ngx_shop_redis_conn_close(ngx_shop_redis_conn_t *conn,
    const char *reason);

/* the same, and opens the breaker; "slow": it took a timeout to know */
void ngx_shop_redis_conn_fail(ngx_shop_redis_conn_t *conn,
    const char *reason, const char *why, ngx_uint_t slow);

/* of a line about a failure: an error when it is new, less when repeated;
 * to be asked before ngx_shop_redis_conn_fail() */
ngx_uint_t ngx_shop_redis_conn_level(ngx_shop_redis_conn_t *conn,
    const char *why);


/* ngx_shop_redis_setup.c */

/*
 * Starts AUTH, SELECT and the check of "shop:meta" on a new connection; it
 * ends with ngx_shop_redis_conn_ready() or ngx_shop_redis_conn_fail().
 */
ngx_int_t ngx_shop_redis_setup(ngx_shop_redis_conn_t *conn);


/* ngx_shop_redis_reply.c */

/* NULL: no memory */
ngx_shop_redis_reader_t *ngx_shop_redis_reader_create(void);
void ngx_shop_redis_reader_free(ngx_shop_redis_reader_t *reader);

ngx_int_t ngx_shop_redis_reader_feed(ngx_shop_redis_reader_t *reader,
    u_char *data, size_t len);

/* 1: bytes were fed that no reply has used */
ngx_uint_t ngx_shop_redis_reader_more(ngx_shop_redis_reader_t *reader);

/*
 * NGX_OK: a reply, all of it from "pool"; NGX_AGAIN: feed more, then call
 * with the same pool; NGX_ERROR: malformed or too large, which is final.
 */
ngx_int_t ngx_shop_redis_reader_next(ngx_shop_redis_reader_t *reader,
    ngx_pool_t *pool, ngx_shop_redis_reply_t **reply);

/* what was wrong */
const char *ngx_shop_redis_reader_error(ngx_shop_redis_reader_t *reader);

/* a command as it goes over the wire, from "pool" */
ngx_int_t ngx_shop_redis_format(ngx_pool_t *pool, ngx_uint_t argc,
    ngx_str_t *argv, ngx_str_t *wire);


/* ngx_shop_redis_script.c */

ngx_int_t ngx_shop_redis_script_init(ngx_shop_redis_script_t *script,
    ngx_log_t *log);

/*
 * Answers NOSCRIPT of command "i": SCRIPT LOAD and the command once more,
 * on the same connection.  NGX_OK: its reply is yet to come; NGX_DECLINED:
 * the reply stands as it is.
 */
ngx_int_t ngx_shop_redis_script_reload(ngx_shop_redis_op_t *op,
    ngx_uint_t i);


#endif /* _NGX_SHOP_REDIS_INTERNAL_H_INCLUDED_ */
