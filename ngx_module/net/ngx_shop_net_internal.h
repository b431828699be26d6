
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_NET_INTERNAL_H_INCLUDED_
#define _NGX_SHOP_NET_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net.h"


/*
 * What the files of this room share, and nobody else includes.
 */


#define NGX_SHOP_PEER_ADDRS_MAX  16         /* of a name */


/* an idle connection, allocated from its own pool; connection->data */

typedef struct {
    ngx_queue_t                queue;
    ngx_shop_net_t            *net;
    ngx_connection_t          *connection;
    ngx_str_t                  origin;
} ngx_shop_idle_t;


/* an exchange, from the pool of its fetch; fetch->state */

typedef struct {
    ngx_shop_fetch_t           fetch;

    ngx_shop_net_t            *net;
    ngx_shop_peer_conf_t       conf;
    ngx_shop_peer_t            peer;
    ngx_connection_t          *connection;
    ngx_event_t                timer;
    ngx_log_t                  log;
    ngx_log_t                 *owner_log;

    ngx_shop_idle_t           *idle;        /* of a kept connection */

    ngx_buf_t                 *request;
    ngx_buf_t                 *buffer;      /* what was read last */
    u_char                    *most;        /* end of the longest read */
    ngx_shop_fetch_parser_t    parser;

    unsigned                   active:1;
    unsigned                   kept:1;      /* the connection is not new */
    unsigned                   received:1;  /* a byte, on this connection */
    unsigned                   broken:1;    /* cannot be written to */
} ngx_shop_exchange_t;


/* ngx_shop_peer.c */

/*
 * The connection in peer->pc can be used.  Always NGX_OK, which is what a
 * step returns then.
 */
ngx_int_t ngx_shop_peer_ready(ngx_shop_peer_t *peer);

/*
 * Goes on after an event, as event handlers do last: NGX_DECLINED: to the
 * next address; NGX_AGAIN: waits; NGX_OK, NGX_ERROR: out, and the owner hears
 * of it.
 */
void ngx_shop_peer_next(ngx_shop_peer_t *peer, ngx_int_t rc);

/* the log level of a failure for peer->reason */
ngx_uint_t ngx_shop_peer_level(ngx_shop_peer_t *peer);


/* ngx_shop_peer_addrs.c */

/*
 * Fills peer->addrs.  NGX_OK; NGX_DECLINED: only a resolver knows the
 * addresses; NGX_ERROR: no memory, or logged with "reason" set.
 */
ngx_int_t ngx_shop_peer_local(ngx_shop_peer_t *peer);

/*
 * Asks the resolver for them.  NGX_AGAIN: peer->event is posted when it has
 * answered, with NGX_ERROR in peer->rc where that was no answer.  NGX_ERROR:
 * it could not be asked; "reason" is set where it is not "internal".
 */
ngx_int_t ngx_shop_peer_resolve(ngx_shop_peer_t *peer);

/*
 * Without the brackets of an IPv6 address, or the final dot of a name; the
 * bytes are those of "host".
 */
ngx_str_t ngx_shop_peer_bare(ngx_str_t *host);


/* ngx_shop_peer_tls.c */

/*
 * Begins TLS on the connection in peer->pc.  NGX_OK: it is ready; NGX_AGAIN:
 * ngx_shop_peer_next() comes later; NGX_DECLINED: not this address;
 * NGX_ERROR: none will do.
 */
ngx_int_t ngx_shop_peer_handshake(ngx_shop_peer_t *peer);


/* ngx_shop_fetch_request.c */

/*
 * Makes x->request of what the owner has set.  NGX_ERROR: no memory, or the
 * method or URL is not fit to be sent, which is logged; fetch->reason is set
 * where it is not "internal".
 */
ngx_int_t ngx_shop_fetch_request(ngx_shop_exchange_t *x);


/* ngx_shop_fetch_idle.c */

/*
 * The connection to the origin of the URL that was used last, if it is still
 * good; its x->idle is set.  NULL: there is none.
 */
ngx_connection_t *ngx_shop_fetch_kept(ngx_shop_exchange_t *x);

/*
 * Gives the connection to the idle ones, if it is fit for another request;
 * else it stays in x->connection.
 */
void ngx_shop_fetch_park(ngx_shop_exchange_t *x);

/* of the connection, its events and its pool */
void ngx_shop_fetch_set_log(ngx_connection_t *c, ngx_log_t *log);


/* ngx_shop_fetch_parse.c */

/* 1: a token of RFC 9110 5.6.2 */
ngx_uint_t ngx_shop_fetch_is_token(ngx_str_t *value);


#endif /* _NGX_SHOP_NET_INTERNAL_H_INCLUDED_ */
