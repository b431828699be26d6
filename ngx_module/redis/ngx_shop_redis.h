
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_REDIS_H_INCLUDED_
#define _NGX_SHOP_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "base/ngx_shop_base.h"
#include "net/ngx_shop_net.h"


/*
 * Asks Redis without ever blocking: a few connections for each worker and
 * server, shared by all requests, replies matched to commands by their order.
 * Which servers there are is said by the configuration, by sentinels or by a
 * cluster itself.
 *
 * An operation is one or more commands that go out together and whose
 * replies come together, in one callback.
 */


#define NGX_SHOP_REDIS_REPLY_MAX     (4 * 1024 * 1024)
#define NGX_SHOP_REDIS_ELEMENTS_MAX  65536
#define NGX_SHOP_REDIS_SCHEMA        1
#define NGX_SHOP_REDIS_SEED_WORDS    4


typedef struct ngx_shop_redis_conn_s      ngx_shop_redis_conn_t;
typedef struct ngx_shop_redis_node_s      ngx_shop_redis_node_t;
typedef struct ngx_shop_redis_op_s        ngx_shop_redis_op_t;
typedef struct ngx_shop_redis_topology_s  ngx_shop_redis_topology_t;
typedef struct ngx_shop_redis_track_s     ngx_shop_redis_track_t;

typedef void (*ngx_shop_redis_handler_pt)(ngx_shop_redis_op_t *op);


typedef enum {
    NGX_SHOP_REDIS_NIL = 0,
    NGX_SHOP_REDIS_STRING,
    NGX_SHOP_REDIS_STATUS,
    NGX_SHOP_REDIS_INTEGER,
    NGX_SHOP_REDIS_ARRAY,
    NGX_SHOP_REDIS_FAULT                    /* an error reply, in "str" */
} ngx_shop_redis_type_e;


typedef struct ngx_shop_redis_reply_s  ngx_shop_redis_reply_t;

struct ngx_shop_redis_reply_s {
    ngx_shop_redis_type_e      type;
    ngx_str_t                  str;         /* NUL-terminated besides */
    int64_t                    integer;
    ngx_uint_t                 nelts;
    ngx_shop_redis_reply_t   **elts;
};


/* a script that was compiled in, see the *.lua files */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  text;
    ngx_str_t                  sha1;        /* 40 hex digits, set by
                                               ngx_shop_redis_init() */
    u_char                     sha1_data[40];
} ngx_shop_redis_script_t;


typedef enum {
    NGX_SHOP_REDIS_SINGLE = 0,
    NGX_SHOP_REDIS_SENTINEL,
    NGX_SHOP_REDIS_CLUSTER
} ngx_shop_redis_mode_e;


typedef struct {
    ngx_str_t                  host;
    in_port_t                  port;
} ngx_shop_redis_addr_t;


/* what is counted, of each server and of the instance, in the zone */

typedef enum {
    NGX_SHOP_REDIS_COMMANDS = 0,            /* that were answered */
    NGX_SHOP_REDIS_FAULTS,                  /* by an error */
    NGX_SHOP_REDIS_OPERATIONS,              /* that were answered */
    NGX_SHOP_REDIS_LATENCY,                 /* sum of microseconds */
    NGX_SHOP_REDIS_TIMEOUTS,                /* operations that were not */
    NGX_SHOP_REDIS_UNAVAILABLE,
    NGX_SHOP_REDIS_REFUSED,
    NGX_SHOP_REDIS_CONNECTS,
    NGX_SHOP_REDIS_RECONNECTS,
    NGX_SHOP_REDIS_FAILURES,                /* of connections */
    NGX_SHOP_REDIS_BUCKETS                  /* of the histogram */
} ngx_shop_redis_counter_e;

/* what becomes of events */

typedef enum {
    NGX_SHOP_REDIS_EVENT_BOOKED = 0,
    NGX_SHOP_REDIS_EVENT_DUPLICATE,
    NGX_SHOP_REDIS_EVENT_KEPT,
    NGX_SHOP_REDIS_EVENT_REFUSED,
    NGX_SHOP_REDIS_EVENT_DROPPED,           /* not booked, nobody knows */
    NGX_SHOP_REDIS_EVENT_ENDS
} ngx_shop_redis_event_e;

typedef enum {
    NGX_SHOP_REDIS_SCHEMA_SEEN = 0,         /* in shop:meta, the last time */
    NGX_SHOP_REDIS_SCHEMA_REFUSED,          /* writes */
    NGX_SHOP_REDIS_NOWHERE,                 /* got to no server */
    NGX_SHOP_REDIS_BUSY,                    /* the queue was full */
    NGX_SHOP_REDIS_DUE_SETTLED,             /* customers, by the due queue */
    NGX_SHOP_REDIS_DUE_LAG,                 /* how late the last turn was,
                                               in seconds */
    NGX_SHOP_REDIS_SEED,                    /* of shop:meta: four words of
                                               32 bits */
    NGX_SHOP_REDIS_TOLD = NGX_SHOP_REDIS_SEED + NGX_SHOP_REDIS_SEED_WORDS,
                                            /* events told of, by their end */
    NGX_SHOP_REDIS_CAPTURED = NGX_SHOP_REDIS_TOLD + NGX_SHOP_REDIS_EVENT_ENDS,
                                            /* the same, out of answers */
    NGX_SHOP_REDIS_EVENTS_LOST = NGX_SHOP_REDIS_CAPTURED
                                 + NGX_SHOP_REDIS_EVENT_ENDS
                                            /* with workers that died */
} ngx_shop_redis_instance_counter_e;

/* and what a worker says of its breaker */

typedef enum {
    NGX_SHOP_REDIS_BREAKER_NONE = 0,        /* it does not use the server */
    NGX_SHOP_REDIS_BREAKER_CLOSED,
    NGX_SHOP_REDIS_BREAKER_OPEN,
    NGX_SHOP_REDIS_BREAKER_HALF_OPEN        /* an attempt is made */
} ngx_shop_redis_breaker_e;


#define NGX_SHOP_REDIS_NBUCKETS  13         /* the last one: all others */

/* upper bounds in microseconds */
extern ngx_uint_t  ngx_shop_redis_bounds[NGX_SHOP_REDIS_NBUCKETS - 1];


/*
 * One Redis deployment.  What "shop_redis" says is set at configuration
 * time; "nodes" and all below belong to the worker.
 */

typedef struct {
    ngx_shop_peer_conf_t       peer;        /* the first address, and what
                                               all have in common */
    ngx_str_t                  text;        /* its URL, for logs */
    ngx_shop_redis_mode_e      mode;
    ngx_str_t                  master;      /* "sentinel=" */
    ngx_array_t               *addrs;       /* of ngx_shop_redis_addr_t, all
                                               that were given; NULL: one */
    ngx_str_t                  user;
    ngx_str_t                  password;    /* read from its file */
    ngx_str_t                  ca;          /* files of "rediss://" */
    ngx_str_t                  cert;
    ngx_str_t                  key;
    ngx_uint_t                 db;
    ngx_uint_t                 connections; /* for each worker */
    ngx_msec_t                 timeout;     /* for one operation */
    ngx_uint_t                 partitions;  /* 1..16384 */
    ngx_str_t                  prefix;      /* "shop:" */
    ngx_uint_t                 max_queue;   /* operations waiting or on the
                                               wire, for each worker */

    ngx_queue_t                nodes;       /* servers with data */
    ngx_queue_t                retired;     /* those that were, and still
                                               have to answer */
    ngx_shop_redis_node_t     *node;        /* the server, or the master;
                                               NULL: not known yet */
    ngx_shop_redis_node_t    **slots;       /* of a cluster */
    ngx_shop_redis_topology_t *topology;    /* NULL: one server */
    ngx_shop_redis_track_t    *track;       /* NULL: nothing is cached */
    ngx_uint_t                 nops;
    ngx_queue_t                done;        /* operations to call back */
    ngx_queue_t                waiting;     /* for a node, by deadline */
    ngx_event_t                timer;       /* of "waiting", "retired" */
    ngx_cycle_t               *cycle;

    ngx_shop_zone_t           *zone;        /* for figures; NULL: none */
    ngx_shop_figures_t        *figures;     /* of the instance */

    ngx_msec_t                 checked;     /* shop:meta, for writes */
    const char                *no_write;    /* why not to; NULL: we may */
    u_char                     seed[16];    /* of shop:meta, for holdouts */

    unsigned                   tls:1;
    unsigned                   started:1;
    unsigned                   lost:1;      /* nodes refuse for long */
    unsigned                   known:1;     /* "checked" is a time */
    unsigned                   checking:1;  /* somebody asks */
    unsigned                   seeded:1;    /* "seed" is the one */
    unsigned                   exiting:1;
} ngx_shop_redis_t;


struct ngx_shop_redis_op_s {
    /* the owner's */

    ngx_shop_redis_handler_pt  handler;     /* NULL: nobody waits */
    void                      *data;
    ngx_log_t                 *log;         /* used until the callback */

    /* the answer */

    ngx_int_t                  rc;          /* NGX_OK: each command has its
                                               reply, which may be a fault;
                                               NGX_ERROR: could not ask */
    const char                *reason;      /* "redis_timeout",
                                               "redis_unavailable",
                                               "redis_refused",
                                               "redis_schema",
                                               "redis_busy" */
    ngx_shop_redis_reply_t   **replies;
    ngx_uint_t                 ncommands;
    uint32_t                   server;      /* the last one that replied, for
                                               the cache */

    ngx_pool_t                *pool;        /* the op's own: commands,
                                               replies; dies with it */

    /*
     * Called once when it is over, before "handler" and also when its owner
     * is gone: for what is to be known of a write that may have been done,
     * with one of several servers that were asked, too.  NULL: nothing.  It
     * may not submit or free anything.
     */
    ngx_shop_redis_handler_pt  over;
    void                      *over_data;

    void                      *state;       /* of the room */
};


/*
 * Parses "redis://[host][:port][/db]", the same with "rediss" for TLS, or
 * "unix:/path[:db]" at configuration time into "redis"; other schemes are
 * errors that say what is allowed.
 * Returns NGX_CONF_OK or a text for ngx_conf_log_error(), which continues a
 * sentence that begins with the URL.
 */
char *ngx_shop_redis_url(ngx_conf_t *cf, ngx_shop_redis_t *redis,
    ngx_str_t *url);

/*
 * Ends the configuration, when all is set: makes the TLS context, which
 * verifies the server's chain and name by "ca" or the authorities of the
 * system, and shows "cert".  Returns NGX_CONF_OK, a text that continues a
 * sentence that begins with "shop_redis", or NGX_CONF_ERROR: reported.
 */
char *ngx_shop_redis_conf(ngx_conf_t *cf, ngx_shop_redis_t *redis);

/* one more address, of a sentinel or a node, to be set after the first;
 * returns as ngx_shop_redis_url() */
char *ngx_shop_redis_url_more(ngx_conf_t *cf, ngx_shop_redis_t *redis,
    ngx_str_t *url);

/* NGX_DECLINED: one of the hosts, in "*host", needs a resolver */
ngx_int_t ngx_shop_redis_needs_resolver(ngx_shop_redis_t *redis,
    ngx_str_t *host);

/*
 * Starts the worker's side; connections are made at the first use.  From
 * init_process.  ngx_shop_redis_exit() closes all of it; operations still
 * out end with "redis_unavailable".
 */
ngx_int_t ngx_shop_redis_init(ngx_shop_redis_t *redis, ngx_cycle_t *cycle);
void ngx_shop_redis_exit(ngx_shop_redis_t *redis);

/* all commands of an operation are about keys of one hash slot */

/* an empty operation with room for "max" commands; NULL: no memory */
ngx_shop_redis_op_t *ngx_shop_redis_create(ngx_shop_redis_t *redis,
    ngx_uint_t max, ngx_log_t *log);

/* adds a command; its words are copied */
ngx_int_t ngx_shop_redis_add(ngx_shop_redis_op_t *op, ngx_uint_t argc,
    ngx_str_t *argv);

/*
 * Adds EVALSHA of a script; where the server does not know it, the room
 * loads it and asks again, within the operation's time.  Then it runs after
 * the commands that were added behind it.
 */
ngx_int_t ngx_shop_redis_add_script(ngx_shop_redis_op_t *op,
    ngx_shop_redis_script_t *script, ngx_uint_t nkeys, ngx_str_t *keys,
    ngx_uint_t nargs, ngx_str_t *args);

/*
 * Sends it.  NGX_AGAIN: one callback, later, within "timeout".  NGX_BUSY:
 * the queue is full, NGX_ERROR: out of reach; no callback, and "reason" is
 * set.  With a NULL handler the op frees itself in every case.  What writes
 * does not go out where "shop:meta" says that a newer version writes there.
 */
ngx_int_t ngx_shop_redis_submit(ngx_shop_redis_op_t *op);

/*
 * Frees an operation, at any time.  While it is out the callback will not
 * come, and a late reply is read and dropped.  What was sent may have been
 * done.
 */
void ngx_shop_redis_free(ngx_shop_redis_op_t *op);


/* ngx_shop_redis_meta.c */

/*
 * The seed of "shop:meta", 16 bytes that are the same on every instance and
 * good until the next call.  NULL: no worker has asked for it yet, so nothing
 * is known of any customer either.
 */
u_char *ngx_shop_redis_seed(ngx_shop_redis_t *redis);


/* ngx_shop_redis_track.c */

/*
 * Keeps the cache in the zone true to what others write, as long as this
 * worker holds the channels for all; from init_process, after
 * ngx_shop_redis_init().  NGX_ERROR: no memory.  Stopping is idempotent, and
 * comes before ngx_shop_redis_exit().
 */
ngx_int_t ngx_shop_redis_track_start(ngx_shop_redis_t *redis,
    ngx_shop_zone_t *zone, ngx_cycle_t *cycle);
void ngx_shop_redis_track_stop(ngx_shop_redis_t *redis);

/*
 * Of "shop:program", which is in no partition and not in the cache: "changes"
 * counts how often it may have been written.  NGX_OK: no change is missed;
 * NGX_AGAIN: some may be, for now; NGX_DECLINED: another worker is the one to
 * know, since it holds the channels.
 */
ngx_int_t ngx_shop_redis_track_program(ngx_shop_redis_t *redis,
    ngx_str_t *key, ngx_uint_t *changes);


/* replies */

/* 1: this is an error reply that starts with "code", e.g. "READONLY" */
ngx_uint_t ngx_shop_redis_is_fault(ngx_shop_redis_reply_t *reply,
    const char *code);

/* 1: this server takes no writes; before Redis 7 what a script is told comes
 * within an error of the script, which has written nothing then */
ngx_uint_t ngx_shop_redis_is_readonly(ngx_shop_redis_reply_t *reply);

/* the code of an error reply alone, which can be logged: the rest may repeat
 * what we sent */
void ngx_shop_redis_fault_code(ngx_shop_redis_reply_t *reply,
    ngx_str_t *code);

/* element "i" of an array as text: NGX_OK, NGX_DECLINED (nil),
 * NGX_ERROR (no such element, or neither string nor status) */
ngx_int_t ngx_shop_redis_text(ngx_shop_redis_reply_t *array, ngx_uint_t i,
    ngx_str_t *value);

/* the same as an integer: from an integer reply or decimal text */
ngx_int_t ngx_shop_redis_number(ngx_shop_redis_reply_t *array, ngx_uint_t i,
    int64_t *value);


/* keys */

/* the part of the cache in which a customer's keys are: the partition of a
 * cluster, where these may be on different servers */
ngx_uint_t ngx_shop_redis_part(ngx_shop_redis_t *redis, ngx_str_t *id);

/* CRC16-XMODEM(id) mod partitions */
ngx_uint_t ngx_shop_redis_partition(ngx_shop_redis_t *redis, ngx_str_t *id);

/*
 * "shop:KIND:{NN}:ID" or, with "tail" not NULL, "shop:KIND:{NN}:ID:TAIL",
 * from "pool".
 */
ngx_int_t ngx_shop_redis_customer_key(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, const char *kind, ngx_str_t *id, ngx_str_t *tail,
    ngx_str_t *key);

/* "shop:KIND:{NN}", what a partition has in common */
ngx_int_t ngx_shop_redis_partition_key(ngx_shop_redis_t *redis,
    ngx_pool_t *pool, const char *kind, ngx_uint_t partition,
    ngx_str_t *key);

/* "shop:NAME", of which there is one in a shop */
ngx_int_t ngx_shop_redis_plain_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    const char *name, ngx_str_t *key);

/* "shop:KIND:NAME" */
ngx_int_t ngx_shop_redis_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    const char *kind, ngx_str_t *name, ngx_str_t *key);


/* the scripts; each file declares its KEYS and ARGV in its first lines */

extern ngx_shop_redis_script_t  ngx_shop_redis_script_customer;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_session;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_activity;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_logout;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_ledger;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_leave;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_release;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_keep;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_due;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_lease;
extern ngx_shop_redis_script_t  ngx_shop_redis_script_recall;

extern ngx_shop_redis_script_t *ngx_shop_redis_scripts[];   /* to NULL */


#endif /* _NGX_SHOP_REDIS_H_INCLUDED_ */
