
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SOCIAL_MODULE_H_INCLUDED_
#define _NGX_HTTP_SOCIAL_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"
#include "net/ngx_shop_net.h"
#include "oidc/ngx_shop_oidc.h"
#include "modules/ngx_http_shop_module.h"


/*
 * ngx_http_social_module: providers, the login, and what a customer can do
 * with a session.
 */


#define NGX_HTTP_SOCIAL_TIMEOUT       10000 /* ms, for a whole callback */
#define NGX_HTTP_SOCIAL_ATTEMPT_TIME  600   /* seconds */
#define NGX_HTTP_SOCIAL_SPENT_TIME    1200  /* seconds, that it is told */
#define NGX_HTTP_SOCIAL_ATTEMPTS_MAX  5
#define NGX_HTTP_SOCIAL_BODY_MAX      65536


typedef struct ngx_http_social_provider_s  ngx_http_social_provider_t;
typedef struct ngx_http_social_waiter_s    ngx_http_social_waiter_t;
typedef struct ngx_http_social_document_s  ngx_http_social_document_t;

typedef void (*ngx_http_social_waiter_pt)(ngx_http_social_waiter_t *waiter);


/*
 * A document of a provider, parsed, as one worker uses it.  It is freed with
 * its last user, so that a refresh pulls nothing away from a login.
 */

typedef struct {
    ngx_pool_t                *pool;
    ngx_uint_t                 refs;
    ngx_str_t                  key;         /* of the zone: its URL's */
    ngx_str_t                  url;         /* where it came from */
    time_t                     stored;

    ngx_shop_metadata_t        metadata;    /* of a discovery document */
    ngx_shop_jwks_t           *jwks;        /* of a key set */
} ngx_http_social_copy_t;


/* who waits for a document; zeroed, then kept in place, by its owner */

struct ngx_http_social_waiter_s {
    ngx_queue_t                queue;
    ngx_http_social_document_t
                              *document;    /* waited for, else NULL */
    ngx_http_social_waiter_pt  handler;
    void                      *data;

    ngx_int_t                  rc;          /* NGX_OK: ask again, it is
                                               there; NGX_ERROR */
    const char                *reason;
    ngx_uint_t                 status;      /* to answer with, on an error */

    unsigned                   stale:1;     /* has asked for newer keys than
                                               of an hour ago: not again */
    unsigned                   content:1;   /* waits for them; where they
                                               cannot be had, those will do */
    ngx_msec_t                 until;       /* and no longer than its owner
                                               says here, before it asks */
    ngx_event_t                timer;       /* ends that wait */
};


struct ngx_http_social_document_s {
    ngx_http_social_provider_t
                              *provider;
    ngx_http_social_copy_t    *copy;        /* NULL: none was read */
    ngx_uint_t                 version;     /* of the copy, in the zone */
    ngx_shop_fetch_t          *fetch;       /* under way */
    ngx_queue_t                waiters;     /* for the fetch */
    ngx_uint_t                 nwaiters;
    ngx_event_t                watch;       /* ends it when the worker quits
                                               and nobody waits */
    ngx_event_t                look;        /* for a fetch of another worker,
                                               as long as somebody waits */

    ngx_msec_t                 failed_at;   /* the last fetch, if it failed: */
    const char                *reason;      /* else NULL */
    ngx_uint_t                 status;

    unsigned                   keys:1;      /* a key set */
    unsigned                   renewed:1;   /* the fetch is of what is known:
                                               it goes on without waiters */
    unsigned                   told:1;      /* and other workers know of it */
};


struct ngx_http_social_provider_s {
    ngx_shop_provider_t        conf;
    ngx_shop_net_t             net;
    ngx_shop_zone_t           *zone;
    ngx_shop_url_t             discovery;   /* host.len == 0: every endpoint
                                               is configured */
    ngx_shop_url_t             logout;      /* host.len == 0: is not */
    ngx_shop_url_t             logout_discovery; /* the same document, where it
                                               is for "logout on" alone */
    u_char                    *file;        /* where it was configured */
    ngx_uint_t                 line;

    /* the worker's */

    ngx_http_social_document_t metadata;
    ngx_http_social_document_t logout_metadata;
    ngx_http_social_document_t keys;

    unsigned                   issuer_known:1;   /* shop:meta agrees */
};


typedef struct {
    ngx_array_t                providers;   /* of
                                               ngx_http_social_provider_t * */
    ngx_str_t                  trusted_certificate;
    ngx_ssl_t                 *ssl;
} ngx_http_social_main_conf_t;


typedef struct {
    ngx_flag_t                 login;
    ngx_array_t               *return_hosts;     /* of ngx_str_t, or NULL */
    ngx_str_t                  stylesheet;
    ngx_shop_theme_t           theme;
    ngx_http_core_loc_conf_t  *endpoint;
    ngx_http_core_loc_conf_t  *events;
} ngx_http_social_srv_conf_t;


typedef struct {
    ngx_flag_t                 required;
    ngx_uint_t                 endpoint;    /* unsigned  endpoint:1; */
} ngx_http_social_loc_conf_t;


extern ngx_module_t  ngx_http_social_module;


/* ngx_http_social_conf.c: the directives */

extern ngx_command_t  ngx_http_social_commands[];

void *ngx_http_social_create_main_conf(ngx_conf_t *cf);
char *ngx_http_social_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_social_create_srv_conf(ngx_conf_t *cf);
char *ngx_http_social_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
void *ngx_http_social_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_social_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


/* ngx_http_social_provider.c: the block "social_provider" */

char *ngx_http_social_provider(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* when all of "http" is read: TLS, resolver, where the metadata are */
char *ngx_http_social_provider_wire(ngx_conf_t *cf,
    ngx_http_social_main_conf_t *smcf, ngx_http_social_provider_t *sp);


/* ngx_http_social_meta.c: what providers publish */

/*
 * NGX_OK: "*copy" is held for the caller, who releases it; NGX_AGAIN: the
 * waiter is called, later; NGX_ERROR: waiter->reason and status are set.
 */
ngx_int_t ngx_http_social_metadata(ngx_http_social_provider_t *sp,
    ngx_http_social_waiter_t *waiter, ngx_http_social_copy_t **copy);
ngx_int_t ngx_http_social_logout_metadata(ngx_http_social_provider_t *sp,
    ngx_http_social_waiter_t *waiter, ngx_http_social_copy_t **copy);
ngx_int_t ngx_http_social_keys(ngx_http_social_provider_t *sp,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter,
    ngx_http_social_copy_t **copy);

/*
 * The keys in "seen" lack one.  NGX_OK: others are there already, ask again;
 * NGX_AGAIN: they are fetched, by this worker or another, the waiter is called
 * (if another could not have them: with NGX_OK, and "seen" is what there still
 * is); NGX_DECLINED: they were fetched within the last 30 seconds by some
 * worker, or too many wait; NGX_ERROR as above.
 */
ngx_int_t ngx_http_social_keys_refresh(ngx_http_social_provider_t *sp,
    ngx_shop_url_t *url, ngx_http_social_copy_t *seen,
    ngx_http_social_waiter_t *waiter);

void ngx_http_social_release(ngx_http_social_copy_t *copy);

/* idempotent; the waiter is not called after it, and a fetch that nobody else
 * waits for ends, unless it renews what is known */
void ngx_http_social_cancel(ngx_http_social_waiter_t *waiter);

/* the worker's side of a provider: empty at configuration time, given up
 * when the worker exits */
void ngx_http_social_provider_init(ngx_http_social_provider_t *sp,
    ngx_log_t *log);
void ngx_http_social_provider_exit(ngx_http_social_provider_t *sp);

/* what to answer when a fetch failed for "reason" */
void ngx_http_social_fetch_failed(const char *why, const char **reason,
    ngx_uint_t *status);


/* ngx_http_social_login.c: a login starts; a content handler */

ngx_int_t ngx_http_social_login(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_callback.c: it comes back; a content handler */

ngx_int_t ngx_http_social_callback(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_native.c: an app, or One Tap, has a token; a content
 * handler */

ngx_int_t ngx_http_social_native(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_notify.c: the provider itself has a notice; a content
 * handler */

ngx_int_t ngx_http_social_notice(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);

/* likewise: that somebody has signed out there */
ngx_int_t ngx_http_social_backchannel(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_chooser.c: a content handler, "sp" is not looked at */

ngx_int_t ngx_http_social_chooser(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_pages.c: me; a content handler, "sp" is not looked at */

ngx_int_t ngx_http_social_me(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_logout.c: likewise */

ngx_int_t ngx_http_social_logout(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp);


/* ngx_http_social_module.c */

/* the content handler of all endpoints */
ngx_int_t ngx_http_social_handler(ngx_http_request_t *r);

/* the one of this name; NULL: there is none */
ngx_http_social_provider_t *ngx_http_social_find_provider(
    ngx_http_request_t *r, ngx_str_t *name);

/*
 * Answers with a problem, logs it once and remembers it for
 * $shop_login_result; "reason" is a constant.  For
 * ngx_http_finalize_request().
 */
ngx_int_t ngx_http_social_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason);

/* the same, with the level of the line */
ngx_int_t ngx_http_social_problem_at(ngx_http_request_t *r, ngx_uint_t level,
    ngx_uint_t status, const char *reason);

/* remembers a result for $shop_login_result */
void ngx_http_social_result(ngx_http_request_t *r, const char *result);

/* the address a provider sends the browser back to */
ngx_int_t ngx_http_social_redirect_uri(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *uri);

/* an absolute URL of this server: its origin, the prefix and "path" */
ngx_int_t ngx_http_social_url(ngx_http_request_t *r, const char *path,
    ngx_str_t *tail, ngx_str_t *url);

/* where "path", checked before, leads: absolute */
ngx_int_t ngx_http_social_return_url(ngx_http_request_t *r, ngx_str_t *path,
    ngx_str_t *url);

/* the checked argument "return" of "args", else "/" */
ngx_int_t ngx_http_social_return_arg(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *path);


#endif /* _NGX_HTTP_SOCIAL_MODULE_H_INCLUDED_ */
