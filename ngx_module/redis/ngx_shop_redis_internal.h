
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

#define NGX_SHOP_REDIS_HALF_EXPECTED  8     /* replies */

#define NGX_SHOP_REDIS_BACKOFF_MIN  50      /* milliseconds */
#define NGX_SHOP_REDIS_BACKOFF_MAX  2000
#define NGX_SHOP_REDIS_CODES        15      /* worth a line in the log */

#define NGX_SHOP_REDIS_SLOTS        16384
#define NGX_SHOP_REDIS_NODES_MAX    512
#define NGX_SHOP_REDIS_HOST_MAX     255


typedef struct ngx_shop_redis_channel_s  ngx_shop_redis_channel_t;
typedef struct ngx_shop_redis_half_s     ngx_shop_redis_half_t;
typedef struct ngx_shop_redis_reader_s   ngx_shop_redis_reader_t;


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
    ngx_int_t                    *map;      /* which commands these are, -1:
                                               none of the operation's; NULL:
                                               all of them, the first run */
    unsigned                      started:1;
} ngx_shop_redis_run_t;


typedef struct {
    ngx_shop_redis_t             *redis;
    ngx_shop_redis_conn_t        *conn;     /* NULL: not out */
    ngx_queue_t                   queue;    /* conn->ops, redis->waiting,
                                               ->done */
    ngx_shop_redis_op_t          *op;

    ngx_uint_t                    max;
    ngx_str_t                    *wires;
    ngx_shop_redis_script_t     **scripts;  /* NULL: a plain command */
    u_char                       *loaded;   /* its script, on this node */
    ngx_shop_redis_run_t          run;
    ngx_shop_redis_run_t         *again;    /* what is to be asked again */
    ngx_uint_t                    pending;  /* runs without all replies */
    ngx_uint_t                    hops;     /* nodes that sent it away */
    ngx_int_t                     slot;     /* NGX_ERROR: any will do */
    uint64_t                      added;    /* to the connection, in
                                               microseconds */
    ngx_msec_t                    deadline;
    ngx_msec_t                    retry_at; /* while it waits */

    unsigned                      queued:1;
    unsigned                      orphan:1;
    unsigned                      setup:1;  /* the connection's own */
    unsigned                      own:1;    /* the room's, not counted */
    unsigned                      pinned:1; /* to its node */
    unsigned                      waiting:1;  /* in redis->waiting */
    unsigned                      timed:1;  /* for retry_at, not for news */
    unsigned                      asking:1; /* of a slot that moves */
    unsigned                      writes:1; /* does not only read */
    unsigned                      held:1;   /* until shop:meta is known */
} ngx_shop_redis_state_t;


typedef void (*ngx_shop_redis_push_pt)(ngx_shop_redis_node_t *node,
    ngx_shop_redis_reply_t *reply);


/* a server, with connections and a breaker of its own */

struct ngx_shop_redis_node_s {
    ngx_queue_t                   queue;    /* redis->nodes, ->retired */
    ngx_shop_redis_t             *redis;
    ngx_pool_t                   *pool;
    ngx_shop_peer_conf_t          peer;
    ngx_str_t                     text;     /* for logs */
    uint32_t                      id;       /* of the address, not 0 */
    ngx_shop_redis_channel_t     *channel;  /* NULL: none here */
    ngx_msec_t                    timeout;
    ngx_msec_t                    retire_at;
    ngx_shop_redis_push_pt        push;     /* takes what comes by itself */

    ngx_shop_redis_conn_t       **conns;
    ngx_uint_t                    nconns;
    ngx_uint_t                    next;     /* round robin */

    ngx_uint_t                    failures; /* in a row */
    ngx_msec_t                    failed_at;  /* when the first of them was */
    ngx_msec_t                    retry_at; /* no attempt earlier */
    const char                   *reason;   /* for those who ask meanwhile */
    const char                   *why;      /* of the last one, logged */
    time_t                        faults[NGX_SHOP_REDIS_CODES];
                                            /* when last answered */

    ngx_shop_figures_t           *figures;

    unsigned                      slow:1;   /* the last one was a timeout */
    unsigned                      asker:1;  /* is asked for servers only */
    unsigned                      listed:1; /* in the map being read */
};


/* who asks where the servers are; see ngx_shop_redis_topology.c */

struct ngx_shop_redis_topology_s {
    ngx_shop_redis_t             *redis;
    ngx_shop_redis_node_t        *asker;    /* who is asked */
    ngx_shop_redis_op_t          *op;       /* the question that is out */
    ngx_shop_redis_op_t          *meta;     /* so is this about shop:meta */
    ngx_pool_t                   *pool;     /* of the round */
    ngx_shop_redis_addr_t        *tries;
    ngx_uint_t                    ntries;
    ngx_uint_t                    ntry;
    ngx_uint_t                    seed;     /* where a round begins */
    ngx_event_t                   timer;    /* the next round */
    ngx_msec_t                    asked;
    ngx_msec_t                    known_at; /* the last good one began */
    ngx_uint_t                    failures; /* rounds in a row */
    ngx_msec_t                    retry_at;
    const char                   *reason;

    ngx_shop_redis_node_t        *listener; /* hears of failovers */
    ngx_shop_redis_op_t          *hello;    /* its SUBSCRIBE or PING */
    ngx_uint_t                    ear;      /* the sentinel it hears */
    ngx_event_t                   listen;

    unsigned                      known:1;
    unsigned                      slow:1;   /* a failed round was */
    unsigned                      wanted:1; /* once more, after this one */
    unsigned                      created:1;  /* shop:meta was written */
    unsigned                      subscribed:1;
};


struct ngx_shop_redis_conn_s {
    ngx_shop_redis_conn_state_e   state;
    ngx_shop_redis_t             *redis;
    ngx_shop_redis_node_t        *node;
    ngx_shop_peer_t               peer;
    ngx_connection_t             *connection;
    ngx_shop_redis_reader_t      *reader;
    ngx_log_t                     log;

    ngx_queue_t                   ops;      /* in the order of deadlines */
    ngx_queue_t                   unsent;   /* runs */
    ngx_queue_t                   sent;     /* runs, by expected reply */
    ngx_shop_redis_run_t         *writing;  /* the last of sent, while a
                                               part of it is not copied */

    ngx_pool_t                   *push_pool;  /* of what comes by itself */
    ngx_shop_redis_op_t          *setup;
    ngx_msec_t                    started;  /* to connect */
    ngx_msec_t                    setup_deadline;
    ngx_event_t                   timer;
    ngx_msec_t                    last_read;

    u_char                       *pos;      /* what of "out" is to be sent */
    u_char                       *last;
    u_char                        out[NGX_SHOP_REDIS_BUFFER_SIZE];

    unsigned                      created:1;  /* shop:meta was written */
    unsigned                      served:1; /* it was connected before */
    unsigned                      old:1;    /* to a replica */
};


/* takes a reply; what it returns is wrong with it, NULL: nothing */

typedef const char *(*ngx_shop_redis_expect_pt)(
    ngx_shop_redis_channel_t *channel, ngx_shop_redis_reply_t *reply);


/* one of the two connections of a channel; see ngx_shop_redis_channel.c */

struct ngx_shop_redis_half_s {
    ngx_shop_redis_channel_t     *channel;
    ngx_shop_peer_t               peer;
    ngx_connection_t             *connection;
    ngx_shop_redis_reader_t      *reader;
    ngx_pool_t                   *pool;     /* of the reply being read */

    ngx_shop_redis_expect_pt      expected[NGX_SHOP_REDIS_HALF_EXPECTED];
    ngx_uint_t                    nexpected;

    u_char                       *pos;      /* what of "out" is to be sent */
    u_char                       *last;
    u_char                        out[NGX_SHOP_REDIS_BUFFER_SIZE];
};


/* the lease, and which channels there are; see ngx_shop_redis_track.c */

struct ngx_shop_redis_track_s {
    ngx_shop_redis_t             *redis;
    ngx_shop_zone_t              *zone;
    ngx_event_t                   timer;

    ngx_shop_redis_channel_t    **channels; /* by link, NULL: none */
    ngx_uint_t                    nlinks;

    ngx_uint_t                    nparts;
    uint16_t                     *slots;    /* of the parts of a cluster */
    uint32_t                     *links;    /* of the parts */

    ngx_uint_t                    ticks;
    ngx_uint_t                    moves;    /* seen in the zone */
    ngx_uint_t                    changes;  /* of shop:program */

    unsigned                      holder:1;
    unsigned                      stopped:1;
};


/* ngx_shop_redis.c */

#define ngx_shop_redis_state(op)  ((ngx_shop_redis_state_t *) (op)->state)

/* puts an operation in no queue into this one, in the order of deadlines */
void ngx_shop_redis_enqueue(ngx_queue_t *queue,
    ngx_shop_redis_state_t *state);

/* the connection is through with "op": it goes to redis->done, or away */
void ngx_shop_redis_finish(ngx_shop_redis_op_t *op, ngx_int_t rc,
    const char *reason);

/* calls back whoever is in redis->done; event handlers end with it */
void ngx_shop_redis_deliver(ngx_shop_redis_t *redis);

/* frees an operation that is in no queue, and zeroes a password in it */
void ngx_shop_redis_destroy(ngx_shop_redis_op_t *op);

/* CRC-16 XMODEM, as a cluster takes it of keys */
ngx_uint_t ngx_shop_redis_crc16(ngx_str_t *text);

/* logs a fault reply once an incident, by its code alone */
void ngx_shop_redis_note_fault(ngx_shop_redis_node_t *node,
    ngx_shop_redis_reply_t *reply, ngx_log_t *log);


/* ngx_shop_redis_conn.c */

void ngx_shop_redis_conn_init(ngx_shop_redis_node_t *node,
    ngx_shop_redis_conn_t *conn);

/*
 * A connection that is ready or will be; those that are closed begin to
 * connect.  NULL: none, "*reason" says why.
 */
ngx_shop_redis_conn_t *ngx_shop_redis_conn_pick(ngx_shop_redis_node_t *node,
    const char **reason);

/* puts an operation on it, and a run of its commands */
void ngx_shop_redis_conn_add(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op, ngx_shop_redis_run_t *run);

/* puts one more run of an operation on it */
void ngx_shop_redis_conn_run(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_run_t *run);

/* forgets an operation of which no byte was sent */
void ngx_shop_redis_conn_withdraw(ngx_shop_redis_conn_t *conn,
    ngx_shop_redis_op_t *op);

/* after an operation came or went */
void ngx_shop_redis_conn_update(ngx_shop_redis_conn_t *conn);

/* the server says that it is a replica: the connection is to be made anew,
 * unless it is young, or others know where the servers are */
void ngx_shop_redis_conn_outlived(ngx_shop_redis_conn_t *conn);

/* it has introduced itself */
void ngx_shop_redis_conn_ready(ngx_shop_redis_conn_t *conn);

/* closes; operations end with "reason" and wait in redis->done */
void ngx_shop_redis_conn_close(ngx_shop_redis_conn_t *conn,
    const char *reason);

/* the same, and opens the breaker; "slow": it took a timeout to know */
void ngx_shop_redis_conn_fail(ngx_shop_redis_conn_t *conn,
    const char *reason, const char *why, ngx_uint_t slow);

/* the peer closed, or the socket failed: closes, and fails if that harms */
void ngx_shop_redis_conn_closed(ngx_shop_redis_conn_t *conn);

/* of a line about a failure: an error when it is new, less when repeated;
 * to be asked before ngx_shop_redis_conn_fail() */
ngx_uint_t ngx_shop_redis_conn_level(ngx_shop_redis_conn_t *conn,
    const char *why);


/* ngx_shop_redis_conn_io.c */

/* the handlers of a connection from when it can be used */
void ngx_shop_redis_conn_write_handler(ngx_event_t *wev);
void ngx_shop_redis_conn_read_handler(ngx_event_t *rev);


/* ngx_shop_redis_setup.c */

/*
 * Starts AUTH, SELECT and the check of "shop:meta" on a new connection; it
 * ends with ngx_shop_redis_conn_ready() or ngx_shop_redis_conn_fail().
 */
ngx_int_t ngx_shop_redis_setup(ngx_shop_redis_conn_t *conn);


/* ngx_shop_redis_meta.c: what "shop:meta" says */

/* adds HMGET of it */
ngx_int_t ngx_shop_redis_meta_read(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op);

/*
 * NGX_OK: it agrees with us, or is of a newer schema, and then redis->no_write
 * keeps us from writing; NGX_DECLINED: something is missing; NGX_ERROR: it
 * does not agree, logged at "level".
 */
ngx_int_t ngx_shop_redis_meta_check(ngx_shop_redis_t *redis,
    ngx_shop_redis_reply_t *reply, ngx_uint_t level, ngx_log_t *log);

/* adds what is missing in "reply", and HMGET */
#define NGX_SHOP_REDIS_META_COMMANDS  4     /* three HSETNX, HMGET */

ngx_int_t ngx_shop_redis_meta_create(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op, ngx_shop_redis_reply_t *reply);

/*
 * Whether a write may go out.  NGX_OK; NGX_AGAIN: "shop:meta" is asked for,
 * after which comes ngx_shop_redis_route_writes(); NGX_ERROR: "*reason" says
 * why not.
 */
ngx_int_t ngx_shop_redis_meta_allows(ngx_shop_redis_t *redis,
    const char **reason);


/* ngx_shop_redis_node.c */

/* "asker": one connection, for questions about servers; NULL: no memory */
ngx_shop_redis_node_t *ngx_shop_redis_node_create(ngx_shop_redis_t *redis,
    ngx_shop_redis_addr_t *addr, ngx_uint_t asker);

/* closes what it has; operations on it end */
void ngx_shop_redis_node_destroy(ngx_shop_redis_node_t *node);

/* asks it nothing more, and destroys it when all is answered */
void ngx_shop_redis_node_retire(ngx_shop_redis_node_t *node);

/* 1: it is at this address */
ngx_uint_t ngx_shop_redis_node_is(ngx_shop_redis_node_t *node,
    ngx_shop_redis_addr_t *addr);

/* sends one of the room's own operations there, with the node's timeout;
 * NGX_AGAIN: one callback; NGX_ERROR: none, the operation was destroyed */
ngx_int_t ngx_shop_redis_node_submit(ngx_shop_redis_node_t *node,
    ngx_shop_redis_op_t *op);

/* counts an operation that was answered, or not for "reason" */
void ngx_shop_redis_node_took(ngx_shop_redis_node_t *node, uint64_t since);
void ngx_shop_redis_node_failed(ngx_shop_redis_node_t *node,
    const char *reason);

/* ngx_shop_redis_conn_outlived() for all of its connections */
void ngx_shop_redis_node_outlived(ngx_shop_redis_node_t *node);

/* tells all workers how it stands with this one's connections */
void ngx_shop_redis_node_say(ngx_shop_redis_node_t *node);

/* microseconds of a clock that nobody sets */
uint64_t ngx_shop_redis_usec(void);

/* sets it anew; nginx leaves one that is set where it is, if the new time is
 * less than 300 milliseconds from that */
void ngx_shop_redis_timer(ngx_event_t *timer, ngx_msec_t delay);

/*
 * How long to wait after a failure, when there were "failures" in a row before
 * it: a random time up to "min", which doubles with each of them, up to
 * "max"; all in milliseconds.
 */
ngx_msec_t ngx_shop_redis_backoff(ngx_uint_t failures, ngx_msec_t min,
    ngx_msec_t max);

/* a log handler that adds action and address; log->data is the node */
u_char *ngx_shop_redis_node_log(ngx_log_t *log, u_char *buf, size_t len);


/* ngx_shop_redis_route.c */

/* the hash slot of a key */
ngx_uint_t ngx_shop_redis_slot(ngx_str_t *key);

/* a run with room for "max" commands; NULL: no memory */
ngx_shop_redis_run_t *ngx_shop_redis_run_create(ngx_shop_redis_op_t *op,
    ngx_uint_t max);

/* adds command "i" to it, behind ASKING where it needs that */
void ngx_shop_redis_run_command(ngx_shop_redis_run_t *run, ngx_uint_t i,
    ngx_uint_t asking);

/* puts a new operation on its way; NGX_AGAIN, or NGX_ERROR: "*reason" */
ngx_int_t ngx_shop_redis_route(ngx_shop_redis_op_t *op, const char **reason);

/* 1: the fault is about where to ask, and will be asked elsewhere */
ngx_uint_t ngx_shop_redis_route_passes(ngx_shop_redis_op_t *op,
    ngx_shop_redis_reply_t *reply);

/*
 * All replies are there.  NGX_OK: some of them said to ask elsewhere, or
 * later, and the operation left its connection; NGX_DECLINED: it is over.
 */
ngx_int_t ngx_shop_redis_route_again(ngx_shop_redis_op_t *op);

/*
 * Its connection failed before a byte of it was sent, or there is none.
 * NGX_OK: it waits for news of where to go, once; NGX_DECLINED: it is to fail.
 */
ngx_int_t ngx_shop_redis_route_rescue(ngx_shop_redis_op_t *op);

/* the servers are known: those who wait for that may go */
void ngx_shop_redis_route_release(ngx_shop_redis_t *redis);

/* shop:meta is: the same for those who wait for it */
void ngx_shop_redis_route_writes(ngx_shop_redis_t *redis);

/* they cannot be found out now: those who wait for that are told */
void ngx_shop_redis_route_fail(ngx_shop_redis_t *redis, const char *reason);

/* redis->timer fires at "at", as ngx_current_msec counts, or before */
void ngx_shop_redis_route_timer(ngx_shop_redis_t *redis, ngx_msec_t at);

/* of that timer: those who waited long enough, and nodes that go away */
void ngx_shop_redis_route_handler(ngx_event_t *ev);


/* ngx_shop_redis_topology.c */

/* makes redis->topology, of sentinels or a cluster; asks nobody yet.
 * NGX_ERROR: no memory */
ngx_int_t ngx_shop_redis_topology_init(ngx_shop_redis_t *redis);

/* the worker ends: nothing is asked or heard any more */
void ngx_shop_redis_topology_exit(ngx_shop_redis_t *redis);

/* something looks old: asks for the servers soon */
void ngx_shop_redis_topology_want(ngx_shop_redis_t *redis);

/* a node failed */
void ngx_shop_redis_topology_lost(ngx_shop_redis_node_t *node);

/* 1: who comes without knowing a node may wait for one; else why not */
ngx_uint_t ngx_shop_redis_topology_may_wait(ngx_shop_redis_t *redis,
    const char **reason);

/*
 * A node cannot be asked.  1: "op" is to wait for the next round, which may
 * tell of another node; 0: it is to fail.
 */
ngx_uint_t ngx_shop_redis_topology_may_tell(ngx_shop_redis_node_t *node,
    ngx_shop_redis_op_t *op);

/* everybody may ask now, or nobody for "reason" */
void ngx_shop_redis_topology_known(ngx_shop_redis_t *redis);
void ngx_shop_redis_topology_failed(ngx_shop_redis_t *redis,
    const char *reason);

/* of a line about a failure: less when it is repeated */
ngx_uint_t ngx_shop_redis_topology_level(ngx_shop_redis_t *redis);

/* an operation of the room's own; NULL: no memory */
ngx_shop_redis_op_t *ngx_shop_redis_topology_op(ngx_shop_redis_t *redis,
    ngx_uint_t max, ngx_shop_redis_handler_pt handler);


/* ngx_shop_redis_sentinel.c */

/* adds the question who is the master; NGX_ERROR: no memory */
ngx_int_t ngx_shop_redis_sentinel_ask(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op);

/*
 * Takes the answer of topology->asker; the operation stays the caller's.
 * NGX_OK: redis->node is the master, and the round is over; NGX_ERROR: the
 * next one should be asked, which is logged but for want of memory.
 */
ngx_int_t ngx_shop_redis_sentinel_answer(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op);

/* of topology->listen, once a second: hears one of them, or the next */
void ngx_shop_redis_sentinel_listen(ngx_event_t *ev);


/* ngx_shop_redis_cluster.c */

/* adds the question which node has which slots; NGX_ERROR: no memory */
ngx_int_t ngx_shop_redis_cluster_ask(ngx_shop_redis_op_t *op);

/*
 * Takes the answer of topology->asker; the operation stays the caller's.
 * NGX_OK: it is the map, and "shop:meta" is asked for, with which the round
 * ends; NGX_ERROR: the next one should be asked, which is logged but for want
 * of memory.
 */
ngx_int_t ngx_shop_redis_cluster_answer(ngx_shop_redis_t *redis,
    ngx_shop_redis_op_t *op);

/* the node of an address, a new one where there is none; NULL: too many, or
 * no memory */
ngx_shop_redis_node_t *ngx_shop_redis_cluster_node(ngx_shop_redis_t *redis,
    ngx_shop_redis_addr_t *addr);


/* ngx_shop_redis_answers.c: pure parsers of what servers say about servers */

typedef enum {
    NGX_SHOP_REDIS_STAY = 0,
    NGX_SHOP_REDIS_MOVED,
    NGX_SHOP_REDIS_ASK,
    NGX_SHOP_REDIS_TRYAGAIN,
    NGX_SHOP_REDIS_LOST                     /* it cannot serve us now */
} ngx_shop_redis_redirect_e;


typedef struct {
    ngx_uint_t                    slot;
    ngx_shop_redis_addr_t         addr;     /* host empty: the same */
} ngx_shop_redis_redirect_t;


typedef struct {
    ngx_uint_t                    first;
    ngx_uint_t                    last;
    ngx_shop_redis_addr_t         addr;     /* of the primary */
} ngx_shop_redis_range_t;


/* what an error reply is about; "redirect" is set by MOVED and ASK, and
 * points into the reply.  Malformed is NGX_SHOP_REDIS_STAY. */
ngx_shop_redis_redirect_e ngx_shop_redis_redirect(
    ngx_shop_redis_reply_t *reply, ngx_shop_redis_redirect_t *redirect);

/* host and port of an array, which point into it; a nil or empty host is
 * empty.  NGX_ERROR: malformed */
ngx_int_t ngx_shop_redis_addr_parse(ngx_shop_redis_reply_t *reply,
    ngx_shop_redis_addr_t *addr);

/* of CLUSTER SLOTS, appended to "ranges" of ngx_shop_redis_range_t, which
 * point into it.  NGX_ERROR: malformed, empty, or no memory */
ngx_int_t ngx_shop_redis_slots_parse(ngx_shop_redis_reply_t *reply,
    ngx_array_t *ranges);

/* "NAME OLD PORT NEW PORT" of +switch-master: 1 if it is about "name" */
ngx_uint_t ngx_shop_redis_switch_is(ngx_shop_redis_reply_t *reply,
    ngx_str_t *name);


/* ngx_shop_redis_track.c */

/* the master, or the map of the slots, may be another one */
void ngx_shop_redis_track_update(ngx_shop_redis_t *redis);

/* a node says that a slot is on another */
void ngx_shop_redis_track_moved(ngx_shop_redis_t *redis, ngx_uint_t slot);

/* a channel told something: keys that were written, or NIL: all of them */
void ngx_shop_redis_track_told(ngx_shop_redis_track_t *track,
    ngx_uint_t link, ngx_shop_redis_reply_t *payload);


/* ngx_shop_redis_channel.c */

/* the channel of "link" to a node, which goes before the node does; NULL: no
 * memory */
ngx_shop_redis_channel_t *ngx_shop_redis_channel_create(
    ngx_shop_redis_track_t *track, ngx_shop_redis_node_t *node,
    ngx_uint_t link);
void ngx_shop_redis_channel_destroy(ngx_shop_redis_channel_t *channel);

/* the same, and what was read of the node's parts is old: others have them */
void ngx_shop_redis_channel_leave(ngx_shop_redis_channel_t *channel);

/* with every tick: begins, asks whether it is alive, gives up */
void ngx_shop_redis_channel_look(ngx_shop_redis_channel_t *channel);

ngx_shop_redis_node_t *ngx_shop_redis_channel_node(
    ngx_shop_redis_channel_t *channel);

/* 1: changes are told, as far as is known */
ngx_uint_t ngx_shop_redis_channel_tells(ngx_shop_redis_channel_t *channel);

/* 1: the reply came by itself, and was taken; 0: it belongs to a command */
ngx_uint_t ngx_shop_redis_channel_told(ngx_shop_redis_half_t *half,
    ngx_shop_redis_reply_t *reply);

/* the end of both connections, for now; "why" goes on in the log where "the
 * channel of changes" ends */
void ngx_shop_redis_channel_fail(ngx_shop_redis_channel_t *channel,
    const char *why);

/* the worker shuts down: the end of all its channels */
void ngx_shop_redis_channel_stop(ngx_shop_redis_channel_t *channel);


/* ngx_shop_redis_half.c; each of these returns what failed, NULL: nothing */

/* takes over a connection that can be used, even where it fails */
const char *ngx_shop_redis_half_init(ngx_shop_redis_half_t *half,
    ngx_connection_t *c, ngx_log_t *log);

/* sends a command; "expect" is given its reply */
const char *ngx_shop_redis_half_send(ngx_shop_redis_half_t *half,
    ngx_uint_t argc, ngx_str_t *argv, ngx_shop_redis_expect_pt expect);

/* idempotent; nothing is expected any more */
void ngx_shop_redis_half_close(ngx_shop_redis_half_t *half);


/* ngx_shop_redis_reply.c */

/* NULL: no memory */
ngx_shop_redis_reader_t *ngx_shop_redis_reader_create(void);
void ngx_shop_redis_reader_free(ngx_shop_redis_reader_t *reader);

/* takes bytes from the socket, as a copy; NGX_ERROR: no memory, or the reader
 * has failed before */
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

/* a command as it goes over the wire, from "pool"; NGX_ERROR: no memory, or
 * no words or too many of them */
ngx_int_t ngx_shop_redis_format(ngx_pool_t *pool, ngx_uint_t argc,
    ngx_str_t *argv, ngx_str_t *wire);


/* ngx_shop_redis_script.c */

/* takes its digest; NGX_ERROR: OpenSSL failed, which is logged */
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
