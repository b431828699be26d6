
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_module.h"


/*
 * Two documents make a provider usable: what it says about itself, and its
 * keys.  nginx starts without them; the first login fetches them, all logins
 * that come meanwhile wait for the same fetch, and the text is left in the
 * shared zone, from which every worker parses a copy of its own.
 *
 *     age    0 ........ 50 min ............. 1 h ............... 24 h
 *            used       used, and fetched    metadata: so still  gone: the
 *                       anew by one worker,  keys: the next      next login
 *                       in nobody's way      login waits for     waits
 *                                            new ones, else uses
 *                                            these
 *
 * So a provider that is away for a day does not stop a login that it could
 * have served before, and a worker never asks what another has just asked.
 * A key that a provider takes back, since it was stolen, is good for an hour
 * at most as long as the provider can be asked, however seldom anybody signs
 * in, and however many do at once.  Where it cannot be asked, the old keys
 * serve for 30 seconds without another try.
 *
 * Where there is nothing to be used, a fetch that failed answers all logins
 * of the next second, so that a provider that fails at once is not asked by
 * each of them.
 *
 * Keys that lack one are fetched anew by one worker, too.  Who fetches anew
 * tells the others by a record in the zone as long as it does, and their
 * logins wait as its own do, looking at the record now and then: it goes when
 * the new keys are there, or cannot be had, and expires soon after the fetch
 * would have.
 *
 * Keys that could not be had, or lack one, may have moved: the metadata, which
 * say where they are, are then renewed as if they were 50 minutes old.
 *
 * A first fetch ends with the last login that waits for it.  One that renews
 * goes on: it had to be allowed by a lease of all workers, and who breaks off
 * logins must not use that up.  Neither holds up a worker that quits.
 */


#define NGX_HTTP_SOCIAL_DOCUMENT_DUE    3000
#define NGX_HTTP_SOCIAL_DOCUMENT_FRESH  3600
#define NGX_HTTP_SOCIAL_DOCUMENT_KEPT   86400
#define NGX_HTTP_SOCIAL_REFRESH         30

/* ms, to fetch anew: who waits for it goes on with old keys, in time */
#define NGX_HTTP_SOCIAL_RENEWAL         5000

#define NGX_HTTP_SOCIAL_RECORD_LEN      (2 * NGX_SHOP_SHA256_LEN + 32)

#define NGX_HTTP_SOCIAL_LOOK            100     /* ms */
#define NGX_HTTP_SOCIAL_LOOKING         512     /* of a worker, for a key */
#define NGX_HTTP_SOCIAL_WATCH           200     /* ms */
#define NGX_HTTP_SOCIAL_FAILED          1000    /* ms */


static ngx_int_t ngx_http_social_document(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter,
    ngx_http_social_copy_t **copy);
static ngx_int_t ngx_http_social_await(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter);
static void ngx_http_social_waited_enough(ngx_event_t *ev);
static void ngx_http_social_renew(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url);
static ngx_int_t ngx_http_social_fetch_anew(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter);
static ngx_int_t ngx_http_social_await_other(ngx_http_social_document_t *doc,
    ngx_http_social_waiter_t *waiter);
static void ngx_http_social_look_for(ngx_http_social_document_t *doc,
    ngx_http_social_waiter_t *waiter);
static ngx_int_t ngx_http_social_read_zone(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url);
static ngx_uint_t ngx_http_social_came_from(ngx_http_social_copy_t *copy,
    ngx_shop_url_t *url);
static ngx_int_t ngx_http_social_zone_key(ngx_pool_t *pool,
    ngx_shop_url_t *url, ngx_str_t *text, ngx_str_t *key);
static ngx_int_t ngx_http_social_lease(ngx_http_social_document_t *doc,
    const char *kind);
static void ngx_http_social_tell(ngx_http_social_document_t *doc,
    ngx_str_t *key, time_t lasts);
static ngx_uint_t ngx_http_social_is_told(ngx_http_social_document_t *doc);
static void ngx_http_social_look(ngx_event_t *ev);
static void ngx_http_social_record(ngx_str_t *name, const char *kind,
    ngx_str_t *key);
static ngx_int_t ngx_http_social_fetch(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter,
    ngx_uint_t renewed);
static void ngx_http_social_fetch_end(ngx_http_social_document_t *doc);
static void ngx_http_social_watch(ngx_event_t *ev);
static void ngx_http_social_fetched(ngx_shop_fetch_t *fetch);
static void ngx_http_social_wake(ngx_http_social_document_t *doc,
    ngx_int_t rc, const char *reason, ngx_uint_t status);
static ngx_int_t ngx_http_social_accept(ngx_http_social_document_t *doc,
    ngx_shop_fetch_t *fetch, const char **reason, ngx_uint_t *status);
static ngx_int_t ngx_http_social_parse(ngx_http_social_document_t *doc,
    ngx_str_t *url, ngx_str_t *key, ngx_str_t *text, time_t stored,
    const char **reason);
static ngx_int_t ngx_http_social_keep_url(ngx_pool_t *pool,
    ngx_shop_url_t *url);
static void ngx_http_social_wait_for(ngx_http_social_document_t *doc,
    ngx_http_social_waiter_t *waiter);


ngx_int_t
ngx_http_social_metadata(ngx_http_social_provider_t *sp,
    ngx_http_social_waiter_t *waiter, ngx_http_social_copy_t **copy)
{
    ngx_http_social_document_t  *doc;

    static ngx_str_t  configured = ngx_string("configured");

    doc = &sp->metadata;

    if (sp->discovery.host.len) {
        return ngx_http_social_document(doc, &sp->discovery, waiter, copy);
    }

    /* every endpoint is configured: that is all there is to know */

    if (doc->copy == NULL
        && ngx_http_social_parse(doc, &configured, &configured, NULL,
                                 ngx_time(), &waiter->reason)
           != NGX_OK)
    {
        waiter->status = NGX_HTTP_BAD_GATEWAY;
        return NGX_ERROR;
    }

    doc->copy->refs++;
    *copy = doc->copy;

    return NGX_OK;
}


/* no login is to depend on what only a logout needs */

ngx_int_t
ngx_http_social_logout_metadata(ngx_http_social_provider_t *sp,
    ngx_http_social_waiter_t *waiter, ngx_http_social_copy_t **copy)
{
    if (sp->logout_discovery.host.len == 0) {
        return ngx_http_social_metadata(sp, waiter, copy);
    }

    return ngx_http_social_document(&sp->logout_metadata,
                                    &sp->logout_discovery, waiter, copy);
}


ngx_int_t
ngx_http_social_keys(ngx_http_social_provider_t *sp, ngx_shop_url_t *url,
    ngx_http_social_waiter_t *waiter, ngx_http_social_copy_t **copy)
{
    return ngx_http_social_document(&sp->keys, url, waiter, copy);
}


/*
 * The interval is counted for all workers in the zone, so that a flood of
 * tokens with made-up key ids costs the provider one request in 30 seconds.
 */

ngx_int_t
ngx_http_social_keys_refresh(ngx_http_social_provider_t *sp,
    ngx_shop_url_t *url, ngx_http_social_copy_t *seen,
    ngx_http_social_waiter_t *waiter)
{
    ngx_int_t                    rc;
    ngx_http_social_document_t  *doc;

    doc = &sp->keys;

    if (doc->fetch != NULL) {
        ngx_http_social_wait_for(doc, waiter);
        return NGX_AGAIN;
    }

    if (ngx_http_social_read_zone(doc, url) == NGX_OK && doc->copy != seen) {
        return NGX_OK;
    }

    if (doc->copy == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_http_social_lease(doc, "refresh") != NGX_OK) {

        if (ngx_http_social_await_other(doc, waiter) == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        /* it may have ended since we looked */

        return (ngx_http_social_read_zone(doc, url) == NGX_OK
                && doc->copy != seen) ? NGX_OK : NGX_DECLINED;
    }

    rc = ngx_http_social_fetch_anew(doc, url, waiter);

    ngx_http_social_renew(&sp->metadata, &sp->discovery);

    return rc;
}


static ngx_int_t
ngx_http_social_document(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter,
    ngx_http_social_copy_t **copy)
{
    time_t          age;
    ngx_int_t       rc;
    ngx_msec_int_t  rest;

    rc = ngx_http_social_read_zone(doc, url);

    if (rc == NGX_DECLINED) {

        if (doc->reason != NULL
            && ngx_current_msec - doc->failed_at < NGX_HTTP_SOCIAL_FAILED)
        {
            waiter->status = doc->status;
            waiter->reason = doc->reason;
            return NGX_ERROR;
        }

        return ngx_http_social_fetch(doc, url, waiter, 0);
    }

    if (rc == NGX_ERROR) {
        waiter->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        waiter->reason = "internal_error";
        return NGX_ERROR;
    }

    age = ngx_time() - doc->copy->stored;

    if (age >= NGX_HTTP_SOCIAL_DOCUMENT_FRESH && doc->keys) {

        if (!waiter->stale) {
            waiter->stale = 1;

            rest = (ngx_msec_int_t) (waiter->until - ngx_current_msec);

            if (rest <= 0) {
                ngx_http_social_renew(doc, url);

            } else if (ngx_http_social_await(doc, url, waiter) == NGX_AGAIN) {
                waiter->content = 1;

                waiter->timer.handler = ngx_http_social_waited_enough;
                waiter->timer.data = waiter;
                waiter->timer.log = ngx_cycle->log;

                ngx_add_timer(&waiter->timer, (ngx_msec_t) rest);

                return NGX_AGAIN;
            }
        }

    } else if (age >= NGX_HTTP_SOCIAL_DOCUMENT_DUE) {
        ngx_http_social_renew(doc, url);
    }

    doc->copy->refs++;
    *copy = doc->copy;

    return NGX_OK;
}


/*
 * NGX_AGAIN: the waiter is called when newer ones are there, or cannot be had
 * now; NGX_ERROR: we cannot ask, doc->copy is the newest there is.
 */

static ngx_int_t
ngx_http_social_await(ngx_http_social_document_t *doc, ngx_shop_url_t *url,
    ngx_http_social_waiter_t *waiter)
{
    if (doc->fetch != NULL) {
        ngx_http_social_wait_for(doc, waiter);
        return NGX_AGAIN;
    }

    if (ngx_http_social_lease(doc, "renew") == NGX_OK) {
        return ngx_http_social_fetch_anew(doc, url, waiter);
    }

    /*
     * Another worker fetches them, is just about to tell so, or has ended: we
     * shall see.  However many wait, none of them is let through.
     */

    ngx_http_social_look_for(doc, waiter);

    return NGX_AGAIN;
}


/* whose time is short goes on with the old keys while it can still be used */

static void
ngx_http_social_waited_enough(ngx_event_t *ev)
{
    ngx_http_social_waiter_t *waiter = ev->data;

    ngx_http_social_cancel(waiter);

    waiter->rc = NGX_OK;
    waiter->handler(waiter);
}


/* in nobody's way, and once in 30 seconds for all workers */

static void
ngx_http_social_renew(ngx_http_social_document_t *doc, ngx_shop_url_t *url)
{
    if (url->host.len != 0
        && doc->fetch == NULL
        && doc->copy != NULL
        && !ngx_exiting
        && ngx_http_social_lease(doc, "renew") == NGX_OK)
    {
        (void) ngx_http_social_fetch_anew(doc, url, NULL);
    }
}


/* by who holds a lease, so the others may meet it before they are told */

static ngx_int_t
ngx_http_social_fetch_anew(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url, ngx_http_social_waiter_t *waiter)
{
    ngx_http_social_tell(doc, &doc->copy->key,
                         NGX_HTTP_SOCIAL_RENEWAL / 1000 + 1);

    if (ngx_http_social_fetch(doc, url, waiter, 1) != NGX_AGAIN) {
        ngx_http_social_tell(doc, &doc->copy->key, 0);
        return NGX_ERROR;
    }

    doc->told = 1;

    return NGX_AGAIN;
}


/* NGX_AGAIN: another worker fetches anew, the waiter is called when it has
 * ended; NGX_DECLINED: none does, or too many wait */

static ngx_int_t
ngx_http_social_await_other(ngx_http_social_document_t *doc,
    ngx_http_social_waiter_t *waiter)
{
    if (doc->nwaiters >= NGX_HTTP_SOCIAL_LOOKING
        || !ngx_http_social_is_told(doc))
    {
        return NGX_DECLINED;
    }

    ngx_http_social_look_for(doc, waiter);

    return NGX_AGAIN;
}


static void
ngx_http_social_look_for(ngx_http_social_document_t *doc,
    ngx_http_social_waiter_t *waiter)
{
    ngx_http_social_wait_for(doc, waiter);

    if (!doc->look.timer_set) {
        ngx_add_timer(&doc->look, NGX_HTTP_SOCIAL_LOOK);
    }
}


/*
 * NGX_OK: doc->copy is what the zone holds for this URL; NGX_DECLINED: the
 * zone holds nothing that is usable.
 */

static ngx_int_t
ngx_http_social_read_zone(ngx_http_social_document_t *doc,
    ngx_shop_url_t *url)
{
    time_t       stored;
    ngx_int_t    rc;
    ngx_str_t    key, from, text;
    ngx_pool_t  *pool;
    ngx_uint_t   version, ours;
    const char  *reason;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ours = ngx_http_social_came_from(doc->copy, url);

    if (ours) {
        version = doc->version;
        from = doc->copy->url;
        key = doc->copy->key;

    } else {
        version = 0;
        rc = ngx_http_social_zone_key(pool, url, &from, &key);

        if (rc != NGX_OK) {
            goto done;
        }
    }

    rc = ngx_shop_zone_get(doc->provider->zone, pool, &key, ngx_time(), &text,
                           &version, &stored);

    if (rc == NGX_DECLINED
        && ours
        && ngx_time() - doc->copy->stored < NGX_HTTP_SOCIAL_DOCUMENT_KEPT)
    {
        /* evicted from the zone, or it never fitted */
        rc = NGX_OK;
        goto done;
    }

    if (rc != NGX_OK || text.len == 0) {
        goto done;
    }

    rc = ngx_http_social_parse(doc, &from, &key, &text, stored, &reason);

    if (rc == NGX_OK) {
        doc->version = version;

    } else {

        /* another worker's configuration took it, ours does not */
        rc = NGX_DECLINED;
    }

done:

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_uint_t
ngx_http_social_came_from(ngx_http_social_copy_t *copy, ngx_shop_url_t *url)
{
    return copy != NULL
           && copy->url.len == url->origin.len + url->uri.len
           && ngx_memcmp(copy->url.data, url->origin.data, url->origin.len)
              == 0
           && ngx_memcmp(copy->url.data + url->origin.len, url->uri.data,
                         url->uri.len)
              == 0;
}


static ngx_int_t
ngx_http_social_zone_key(ngx_pool_t *pool, ngx_shop_url_t *url,
    ngx_str_t *text, ngx_str_t *key)
{
    u_char  *p, digest[NGX_SHOP_SHA256_LEN];

    text->len = url->origin.len + url->uri.len;
    text->data = ngx_pnalloc(pool, text->len);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text->data, url->origin.data, url->origin.len);
    ngx_memcpy(p, url->uri.data, url->uri.len);

    if (ngx_shop_sha256(text, digest, ngx_cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_hex(pool, digest, NGX_SHOP_SHA256_LEN, key);
}


static ngx_int_t
ngx_http_social_lease(ngx_http_social_document_t *doc, const char *kind)
{
    u_char     text[NGX_HTTP_SOCIAL_RECORD_LEN];
    ngx_str_t  name;

    name.data = text;
    ngx_http_social_record(&name, kind, &doc->copy->key);

    return ngx_shop_zone_lease(doc->provider->zone, &name, ngx_time(),
                               NGX_HTTP_SOCIAL_REFRESH);
}


/* for so many seconds, that it is fetched by us; 0: no more */

static void
ngx_http_social_tell(ngx_http_social_document_t *doc, ngx_str_t *key,
    time_t lasts)
{
    u_char     text[NGX_HTTP_SOCIAL_RECORD_LEN];
    ngx_str_t  name, none;

    name.data = text;
    ngx_http_social_record(&name, "fetch", key);

    ngx_str_null(&none);

    (void) ngx_shop_zone_set(doc->provider->zone, &name, &none, ngx_time(),
                             ngx_time() + lasts);
}


static ngx_uint_t
ngx_http_social_is_told(ngx_http_social_document_t *doc)
{
    u_char       text[NGX_HTTP_SOCIAL_RECORD_LEN];
    time_t       stored;
    ngx_int_t    rc;
    ngx_str_t    name, none;
    ngx_uint_t   version;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return 0;
    }

    name.data = text;
    ngx_http_social_record(&name, "fetch", &doc->copy->key);

    version = 0;

    rc = ngx_shop_zone_get(doc->provider->zone, pool, &name, ngx_time(),
                           &none, &version, &stored);

    ngx_destroy_pool(pool);

    return rc == NGX_OK;
}


/* whether another worker has ended; then our waiters ask again */

static void
ngx_http_social_look(ngx_event_t *ev)
{
    ngx_http_social_document_t *doc = ev->data;

    /* a fetch of our own wakes them all */

    if (doc->fetch != NULL || ngx_queue_empty(&doc->waiters)) {
        return;
    }

    if (ngx_http_social_is_told(doc)) {
        ngx_add_timer(ev, NGX_HTTP_SOCIAL_LOOK);
        return;
    }

    ngx_http_social_wake(doc, NGX_OK, NULL, NGX_HTTP_OK);
}


static void
ngx_http_social_record(ngx_str_t *name, const char *kind, ngx_str_t *key)
{
    name->len = ngx_snprintf(name->data, NGX_HTTP_SOCIAL_RECORD_LEN, "%s:%V",
                             kind, key)
                - name->data;
}


static ngx_int_t
ngx_http_social_fetch(ngx_http_social_document_t *doc, ngx_shop_url_t *url,
    ngx_http_social_waiter_t *waiter, ngx_uint_t renewed)
{
    ngx_shop_fetch_t  *fetch;

    if (doc->fetch == NULL) {

        fetch = ngx_shop_fetch_create(&doc->provider->net, ngx_cycle->log);

        if (fetch == NULL) {
            goto failed;
        }

        fetch->url = *url;
        fetch->timeout = renewed ? NGX_HTTP_SOCIAL_RENEWAL
                                 : NGX_HTTP_SOCIAL_TIMEOUT;
        fetch->max_body = doc->keys ? NGX_SHOP_JWKS_MAX
                                    : NGX_SHOP_METADATA_MAX;
        fetch->handler = ngx_http_social_fetched;
        fetch->data = doc;

        /* the URL's strings may belong to a copy that is freed before */

        if (ngx_http_social_keep_url(fetch->pool, &fetch->url) != NGX_OK
            || ngx_shop_fetch_start(fetch) != NGX_AGAIN)
        {
            ngx_shop_fetch_free(fetch);
            goto failed;
        }

        doc->fetch = fetch;
        doc->renewed = renewed ? 1 : 0;

        ngx_add_timer(&doc->watch, NGX_HTTP_SOCIAL_WATCH);
    }

    if (waiter != NULL) {
        ngx_http_social_wait_for(doc, waiter);
    }

    return NGX_AGAIN;

failed:

    if (waiter != NULL) {
        waiter->status = NGX_HTTP_BAD_GATEWAY;
        waiter->reason = "provider_unavailable";
    }

    return NGX_ERROR;
}


static void
ngx_http_social_fetch_end(ngx_http_social_document_t *doc)
{
    ngx_str_t  from, key;

    /* the copy may be of another address by now */

    if (doc->told
        && ngx_http_social_zone_key(doc->fetch->pool, &doc->fetch->url, &from,
                                    &key)
           == NGX_OK)
    {
        ngx_http_social_tell(doc, &key, 0);
    }

    doc->told = 0;

    ngx_shop_fetch_free(doc->fetch);
    doc->fetch = NULL;

    if (doc->watch.timer_set) {
        ngx_del_timer(&doc->watch);
    }
}


/* nobody tells a module that its worker begins to quit */

static void
ngx_http_social_watch(ngx_event_t *ev)
{
    ngx_http_social_document_t *doc = ev->data;

    if (ngx_exiting && ngx_queue_empty(&doc->waiters)) {
        ngx_http_social_fetch_end(doc);
        return;
    }

    ngx_add_timer(ev, NGX_HTTP_SOCIAL_WATCH);
}


static void
ngx_http_social_wait_for(ngx_http_social_document_t *doc,
    ngx_http_social_waiter_t *waiter)
{
    ngx_queue_insert_tail(&doc->waiters, &waiter->queue);
    waiter->document = doc;
    doc->nwaiters++;
}


static void
ngx_http_social_fetched(ngx_shop_fetch_t *fetch)
{
    ngx_http_social_document_t *doc = fetch->data;

    ngx_int_t    rc;
    ngx_uint_t   status;
    const char  *reason;

    rc = ngx_http_social_accept(doc, fetch, &reason, &status);

    ngx_http_social_fetch_end(doc);

    doc->reason = NULL;

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "%s of provider \"%V\" could not be had: %s",
                      doc->keys ? "the keys" : "the metadata",
                      &doc->provider->conf.name, reason);

        doc->reason = reason;
        doc->status = status;
        doc->failed_at = ngx_current_msec;

        if (doc->keys) {
            ngx_http_social_renew(&doc->provider->metadata,
                                  &doc->provider->discovery);
        }
    }

    ngx_http_social_wake(doc, rc, reason, status);
}


/* a waiter's handler may add waiters to this document: they are not called */

static void
ngx_http_social_wake(ngx_http_social_document_t *doc, ngx_int_t rc,
    const char *reason, ngx_uint_t status)
{
    ngx_queue_t                waiters, *q;
    ngx_http_social_waiter_t  *waiter;

    ngx_queue_init(&waiters);

    if (!ngx_queue_empty(&doc->waiters)) {
        ngx_queue_add(&waiters, &doc->waiters);
        ngx_queue_init(&doc->waiters);
    }

    while (!ngx_queue_empty(&waiters)) {

        q = ngx_queue_head(&waiters);
        ngx_queue_remove(q);

        doc->nwaiters--;

        waiter = ngx_queue_data(q, ngx_http_social_waiter_t, queue);

        waiter->document = NULL;
        waiter->rc = waiter->content ? NGX_OK : rc;
        waiter->reason = reason;
        waiter->status = status;
        waiter->content = 0;

        if (waiter->timer.timer_set) {
            ngx_del_timer(&waiter->timer);
        }

        waiter->handler(waiter);
    }
}


static ngx_int_t
ngx_http_social_accept(ngx_http_social_document_t *doc,
    ngx_shop_fetch_t *fetch, const char **reason, ngx_uint_t *status)
{
    time_t      now;
    ngx_str_t   key, from, none;
    ngx_uint_t  version;

    *status = NGX_HTTP_BAD_GATEWAY;
    *reason = "internal_error";

    if (fetch->rc != NGX_OK) {
        ngx_http_social_fetch_failed(fetch->reason, reason, status);
        return NGX_ERROR;
    }

    if (fetch->status != NGX_HTTP_OK) {
        *reason = doc->keys ? "keys_error" : "metadata_error";
        return NGX_ERROR;
    }

    now = ngx_time();

    if (ngx_http_social_zone_key(fetch->pool, &fetch->url, &from, &key)
        != NGX_OK
        || ngx_http_social_parse(doc, &from, &key, &fetch->response, now,
                                 reason)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a zone that is too small leaves each worker with its own copy */

    doc->version = 0;

    if (ngx_shop_zone_set(doc->provider->zone, &key, &fetch->response, now,
                          now + NGX_HTTP_SOCIAL_DOCUMENT_KEPT)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "\"shop_zone\" is too small for a document of provider "
                      "\"%V\"", &doc->provider->conf.name);
        return NGX_OK;
    }

    /* learn the version of what we have just stored */

    version = 0;

    if (ngx_shop_zone_get(doc->provider->zone, fetch->pool, &key, now, &none,
                          &version, &now)
        == NGX_OK)
    {
        doc->version = version;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_parse(ngx_http_social_document_t *doc, ngx_str_t *url,
    ngx_str_t *key, ngx_str_t *text, time_t stored, const char **reason)
{
    ngx_int_t                rc;
    ngx_pool_t              *pool;
    ngx_http_social_copy_t  *copy;

    *reason = "internal_error";

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    copy = ngx_pcalloc(pool, sizeof(ngx_http_social_copy_t));
    if (copy == NULL) {
        goto failed;
    }

    copy->pool = pool;
    copy->refs = 1;
    copy->stored = stored;
    copy->key.len = key->len;
    copy->key.data = ngx_pstrdup(pool, key);
    copy->url.len = url->len;
    copy->url.data = ngx_pstrdup(pool, url);

    if (copy->key.data == NULL || copy->url.data == NULL) {
        goto failed;
    }

    if (doc->keys) {
        copy->jwks = ngx_shop_jwks_parse(pool, text, ngx_cycle->log);
        *reason = "keys_malformed";
        rc = copy->jwks ? NGX_OK : NGX_ERROR;

    } else {
        rc = ngx_shop_discovery_parse(pool, &doc->provider->conf, text,
                                      &copy->metadata, reason);

        /* the keys may be elsewhere now */

        doc->provider->keys.reason = NULL;
    }

    if (rc != NGX_OK) {
        goto failed;
    }

    if (doc->copy != NULL) {
        ngx_http_social_release(doc->copy);
    }

    doc->copy = copy;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_social_keep_url(ngx_pool_t *pool, ngx_shop_url_t *url)
{
    ngx_uint_t   i;
    ngx_str_t   *text[4];

    text[0] = &url->scheme;
    text[1] = &url->host;
    text[2] = &url->origin;
    text[3] = &url->uri;

    for (i = 0; i < 4; i++) {
        text[i]->data = ngx_pstrdup(pool, text[i]);

        if (text[i]->data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_http_social_release(ngx_http_social_copy_t *copy)
{
    if (--copy->refs == 0) {
        ngx_destroy_pool(copy->pool);
    }
}


void
ngx_http_social_cancel(ngx_http_social_waiter_t *waiter)
{
    ngx_http_social_document_t  *doc;

    doc = waiter->document;

    if (doc == NULL) {
        return;
    }

    ngx_queue_remove(&waiter->queue);
    waiter->document = NULL;
    waiter->content = 0;
    doc->nwaiters--;

    if (waiter->timer.timer_set) {
        ngx_del_timer(&waiter->timer);
    }

    if (doc->fetch != NULL && !doc->renewed
        && ngx_queue_empty(&doc->waiters))
    {
        ngx_http_social_fetch_end(doc);
    }
}


void
ngx_http_social_fetch_failed(const char *why, const char **reason,
    ngx_uint_t *status)
{
    if (ngx_strcmp(why, "timeout") == 0) {
        *reason = "provider_timeout";
        *status = NGX_HTTP_GATEWAY_TIME_OUT;

    } else if (ngx_strcmp(why, "internal") == 0) {
        *reason = "internal_error";
        *status = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        *reason = "provider_unavailable";
        *status = NGX_HTTP_BAD_GATEWAY;
    }
}


void
ngx_http_social_provider_init(ngx_http_social_provider_t *sp, ngx_log_t *log)
{
    ngx_uint_t                   i;
    ngx_http_social_document_t  *doc[3];

    doc[0] = &sp->metadata;
    doc[1] = &sp->logout_metadata;
    doc[2] = &sp->keys;

    for (i = 0; i < 3; i++) {

        doc[i]->provider = sp;
        doc[i]->keys = (doc[i] == &sp->keys);

        ngx_queue_init(&doc[i]->waiters);

        doc[i]->watch.handler = ngx_http_social_watch;
        doc[i]->watch.data = doc[i];
        doc[i]->watch.log = log;
        doc[i]->watch.cancelable = 1;

        doc[i]->look.handler = ngx_http_social_look;
        doc[i]->look.data = doc[i];
        doc[i]->look.log = log;
    }
}


void
ngx_http_social_provider_exit(ngx_http_social_provider_t *sp)
{
    ngx_uint_t                   i;
    ngx_http_social_document_t  *doc[3];

    doc[0] = &sp->metadata;
    doc[1] = &sp->logout_metadata;
    doc[2] = &sp->keys;

    for (i = 0; i < 3; i++) {

        if (doc[i]->fetch != NULL) {
            ngx_http_social_fetch_end(doc[i]);
        }

        if (doc[i]->look.timer_set) {
            ngx_del_timer(&doc[i]->look);
        }

        if (doc[i]->copy != NULL) {
            ngx_http_social_release(doc[i]->copy);
            doc[i]->copy = NULL;
        }
    }

    ngx_shop_net_close_idle(&sp->net);
}
