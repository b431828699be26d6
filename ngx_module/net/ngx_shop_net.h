
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_NET_H_INCLUDED_
#define _NGX_SHOP_NET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "base/ngx_shop_base.h"


/*
 * Speaks outward: TCP, TLS, HTTP/1.1.  Nothing here blocks, and no callback
 * comes before the call that started an operation has returned.
 */


/* ngx_shop_peer.c, _addrs.c, _tls.c: resolve, connect, handshake */

typedef struct ngx_shop_peer_s  ngx_shop_peer_t;

typedef void (*ngx_shop_peer_handler_pt)(ngx_shop_peer_t *peer);

/* the log level of a failure for "reason", which may be one of many */
typedef ngx_uint_t (*ngx_shop_peer_level_pt)(ngx_shop_peer_t *peer,
    const char *reason);


typedef struct {
    ngx_str_t                  host;        /* name, address, or "[::1]" */
    in_port_t                  port;        /* host order; 0 with a path */
    ngx_str_t                  path;        /* of a unix socket, without
                                               "unix:"; else empty */

    ngx_ssl_t                 *ssl;         /* NULL: plain; else SNI, chain
                                               and host name checks are on */
    ngx_resolver_t            *resolver;    /* used for names only */
    ngx_msec_t                 resolver_timeout;
    ngx_msec_t                 connect_timeout;  /* for one address, and for
                                               its handshake */
} ngx_shop_peer_conf_t;


struct ngx_shop_peer_s {
    ngx_shop_peer_conf_t      *conf;
    ngx_shop_peer_handler_pt   handler;
    void                      *data;        /* of the owner */
    ngx_log_t                 *log;         /* its action is set */
    ngx_shop_peer_level_pt     level;       /* NULL: each is an error */

    ngx_connection_t          *connection;  /* result, with NGX_OK */
    ngx_int_t                  rc;          /* NGX_OK, NGX_ERROR */
    const char                *reason;      /* "resolve", "connect", "tls",
                                               "timeout", "internal" */

    /* the room's own */

    ngx_pool_t                *pool;        /* of this attempt */
    ngx_str_t                  name;        /* host without "[]" and without
                                               a final dot; ends with NUL */
    ngx_resolver_ctx_t        *resolve;
    ngx_resolver_addr_t       *addrs;
    ngx_uint_t                 naddrs;
    ngx_uint_t                 naddr;       /* the next to be tried */
    ngx_peer_connection_t      pc;
    ngx_str_t                  addr_text;
    ngx_event_t                event;       /* posts the answer */

    ngx_msec_t                 started;

    unsigned                   active:1;
    unsigned                   literal:1;   /* "name" is an IP address */
    unsigned                   refused:1;   /* an address failed by TLS */
};


/*
 * Makes a TLS context for outbound use: TLS 1.2 and up, the trusted CAs of
 * "ca" or, where it is empty, those of the system; verification is always
 * on.  cf->pool owns it.  NULL: reported.
 */
ngx_ssl_t *ngx_shop_peer_ssl_create(ngx_conf_t *cf, ngx_str_t *ca);

/*
 * Fills "conf" (zeroed by the caller) with host and port, and says whether
 * a resolver will be needed (NGX_DECLINED) or not (NGX_OK): addresses,
 * "localhost" (127.0.0.1, then [::1]) and unix sockets do without.
 */
ngx_int_t ngx_shop_peer_needs_resolver(ngx_shop_peer_conf_t *conf);

/*
 * Starts to connect; all of the name's addresses are tried in turn, those
 * of IPv4 and IPv6 alternating; when none works, "tls" is the reason if one
 * of them failed by it, else it is that of the last one.  The owner sets
 * conf, handler, data and log before, of a zeroed peer, and keeps "conf" and
 * "log" until the answer.
 * NGX_AGAIN: one callback, later.  NGX_ERROR: failed at once, no callback;
 * "reason" is set and the failure logged.  With NGX_OK in "rc" the
 * connection is the owner's: its handlers, data and log are to be set, and
 * what the server said already may wait in it (look at c->read->ready).
 * A peer may be started again once it has answered or was canceled.
 */
ngx_int_t ngx_shop_peer_connect(ngx_shop_peer_t *peer);

/* idempotent; no callback after it */
void ngx_shop_peer_cancel(ngx_shop_peer_t *peer);

/* closes a connection the peer gave, with its TLS, never waiting; and its
 * pool, where it has one */
void ngx_shop_peer_close(ngx_connection_t *c);


/* ngx_shop_fetch.c, _request.c, _idle.c: one HTTP/1.1 exchange */

typedef struct ngx_shop_fetch_s  ngx_shop_fetch_t;

typedef void (*ngx_shop_fetch_handler_pt)(ngx_shop_fetch_t *fetch);


/*
 * Who is asked, and the connections kept to them: one for each provider,
 * made at configuration time.  The idle connections are the worker's own.
 */

typedef struct {
    ngx_ssl_t                 *ssl;         /* for https */
    ngx_resolver_t            *resolver;
    ngx_msec_t                 resolver_timeout;
    ngx_msec_t                 connect_timeout;
    ngx_msec_t                 idle_timeout;     /* default 60 s */
    ngx_uint_t                 max_idle;    /* for all origins, default 8 */

    ngx_queue_t                idle;        /* most recently used first */
    ngx_uint_t                 nidle;
} ngx_shop_net_t;


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  value;
} ngx_shop_fetch_header_t;


struct ngx_shop_fetch_s {
    /* the owner's, set between create and start */

    ngx_str_t                  method;      /* default "GET" */
    ngx_shop_url_t             url;
    ngx_array_t                headers;     /* of ngx_shop_fetch_header_t */
    ngx_str_t                  body;        /* sent with Content-Length */
    size_t                     max_body;    /* default 64 KB */
    ngx_msec_t                 timeout;     /* for all of it; default 10 s */
    ngx_shop_fetch_handler_pt  handler;
    void                      *data;

    /* the answer */

    ngx_int_t                  rc;          /* NGX_OK: a whole response of
                                               any status; else NGX_ERROR */
    const char                *reason;      /* "resolve", "connect", "tls",
                                               "timeout", "closed",
                                               "malformed", "too_large",
                                               "internal" */
    ngx_uint_t                 status;
    ngx_str_t                  content_type;
    ngx_str_t                  response;    /* body, decoded from chunks */

    ngx_pool_t                *pool;        /* the fetch's own; all above
                                               dies with it */
    ngx_log_t                 *log;         /* adds the host to lines */

    void                      *state;       /* the room's own */
};


/* sets the defaults and the empty idle queue; at configuration time */
void ngx_shop_net_init(ngx_shop_net_t *net);

/* closes all idle connections, e.g. when a worker exits */
void ngx_shop_net_close_idle(ngx_shop_net_t *net);

/* NULL: no memory.  The fetch lives until ngx_shop_fetch_free(). */
ngx_shop_fetch_t *ngx_shop_fetch_create(ngx_shop_net_t *net, ngx_log_t *log);

/*
 * "name" and "value" are not copied.  NGX_ERROR also where the name is no
 * token or one of those the room writes itself, or the value holds CR, LF
 * or NUL.
 */
ngx_int_t ngx_shop_fetch_header(ngx_shop_fetch_t *fetch, const char *name,
    ngx_str_t *value);

/*
 * NGX_AGAIN: one callback, later.  NGX_ERROR: failed, no callback, "reason"
 * is set.  Plain http goes to loopback addresses only.
 * An idempotent request whose kept connection turns out to be dead before
 * the first byte of an answer is sent once more on a new one, and so is a
 * POST if no byte of it could have been read.
 */
ngx_int_t ngx_shop_fetch_start(ngx_shop_fetch_t *fetch);

/*
 * Frees the fetch with its pool, at any time: while it runs it is canceled
 * (no callback after it) and its connection closed; in or after its
 * callback it is just freed.
 */
void ngx_shop_fetch_free(ngx_shop_fetch_t *fetch);


/* ngx_shop_fetch_parse.c: the response, byte by byte */

#define NGX_SHOP_FETCH_HEADER_MAX  32768    /* status line and all headers,
                                               1xx included; and trailers */

typedef struct {
    ngx_uint_t                 state;
    ngx_uint_t                 status;
    ngx_uint_t                 http_minor;
    size_t                     header_size;
    size_t                     max_body;
    size_t                     size;        /* of the body so far */
    off_t                      length;      /* -1: none was given */
    off_t                      rest;        /* of the chunk or the body */
    ngx_buf_t                 *line;        /* the header line so far */
    ngx_str_t                  content_type;
    ngx_buf_t                 *body;        /* grows up to max_body */
    ngx_pool_t                *pool;
    const char                *reason;      /* "malformed", "too_large",
                                               "closed", "internal" */
    const char                *detail;      /* the same for a log line */

    unsigned                   head:1;      /* answer to HEAD: no body */
    unsigned                   chunked:1;
    unsigned                   keepalive:1; /* once it is whole: the
                                               connection may be kept */
    unsigned                   type_seen:1;
    unsigned                   connection_close:1;
    unsigned                   crlf:1;      /* so ended the line */
} ngx_shop_fetch_parser_t;


void ngx_shop_fetch_parser_init(ngx_shop_fetch_parser_t *parser,
    ngx_pool_t *pool, size_t max_body);

/*
 * Eats bytes [*pos, last).  NGX_AGAIN: more is needed; NGX_DONE: the
 * response is whole, "*pos" stands behind it; NGX_ERROR: refused, see
 * "reason".  Interim 1xx answers are skipped.  Both length and chunked,
 * two different lengths, obs-fold, a NUL, a bare CR, a content coding and a
 * transfer coding other than chunked are refused (RFC 9112 5.2, 6.1, 6.3).
 */
ngx_int_t ngx_shop_fetch_parse(ngx_shop_fetch_parser_t *parser, u_char **pos,
    u_char *last);

/*
 * The peer closed in due form.  NGX_DONE: the body was delimited by that
 * and is whole; NGX_ERROR: truncated.
 */
ngx_int_t ngx_shop_fetch_parse_eof(ngx_shop_fetch_parser_t *parser);


#endif /* _NGX_SHOP_NET_H_INCLUDED_ */
