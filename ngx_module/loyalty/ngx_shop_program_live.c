
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * The program in force: that of the configuration, or one with the promotions
 * and segments of a document that a marketer keeps in Redis.
 *
 *     Redis          one worker         the zone            each worker
 *
 *     shop:program --- asks ----------> "now"  ------------ reads it, checks
 *                                                           it, takes it
 *                      keeps <--------- "good"
 *
 * The worker that holds the channels of changes asks: when the key was
 * written, twice a second while nobody would tell, and now and then in any
 * case.  What it was told is a record of the zone; each worker looks at its
 * version four times a second, and checks what is new by itself, as the check
 * depends on its configuration, which is another one than that of the workers
 * before a reload.
 *
 * "now" begins with a letter, and a document or a reason follows:
 *
 *     -       there is none: the configuration's own program
 *     =       a document
 *     !       there is something, and it is no document
 *
 * What is refused changes nothing for a worker that has another document in
 * force.  One that begins then takes "good", the last document that was in
 * force; the same worker that asks keeps it in the zone, with its eyes on it
 * so that it stays there.  What Redis could not be asked for changes nothing
 * either, nor does what a worker is told that is not the one to ask any more,
 * as it hung meanwhile: another one may have heard of something newer.
 *
 * A program has a pool of its own and is counted: requests that were
 * evaluated by it point into it, and let it go when they are over.
 */


#define NGX_SHOP_LIVE_TICK     250          /* milliseconds */
#define NGX_SHOP_LIVE_ASK      500          /* while nobody tells */
#define NGX_SHOP_LIVE_ANYWAY   10000
#define NGX_SHOP_LIVE_KEPT     (100 * 365 * 86400L)   /* seconds */
#define NGX_SHOP_LIVE_TOLD     86400        /* until a line is repeated */
#define NGX_SHOP_LIVE_ROOM     8            /* such a part of the zone */

#define NGX_SHOP_LIVE_NONE     '-'
#define NGX_SHOP_LIVE_TEXT     '='
#define NGX_SHOP_LIVE_WRONG    '!'


struct ngx_shop_live_s {
    ngx_shop_redis_t          *redis;
    ngx_shop_zone_t           *zone;
    ngx_shop_program_t        *base;
    ngx_shop_match_compile_pt  compile;
    ngx_shop_live_pt           handler;
    void                      *data;
    ngx_event_t                timer;
    ngx_log_t                 *log;
    ngx_pool_t                *temp;        /* reset after each use */
    ngx_str_t                  key;         /* in Redis */
    ngx_str_t                  now;         /* records of the zone */
    ngx_str_t                  good;

    ngx_shop_program_t        *program;
    ngx_str_t                  text;        /* its document */
    time_t                     since;
    u_char                     version[2 * NGX_SHOP_SHA256_LEN];
    u_char                     reason[NGX_SHOP_PROGRAM_REASON_MAX];
    size_t                     reason_len;

    ngx_uint_t                 seen;        /* version of "now" */
    ngx_uint_t                 kept;        /* version of "good" */
    u_char                     digest[NGX_SHOP_SHA256_LEN];   /* of "now" */

    ngx_shop_redis_op_t       *op;
    ngx_uint_t                 changes;     /* at the last answer */
    ngx_uint_t                 asking;      /* "changes" when it was asked */
    ngx_msec_t                 asked;

    unsigned                   known:1;     /* "now" is there */
    unsigned                   holder:1;
    unsigned                   stopped:1;
};


static ngx_int_t ngx_shop_live_names(ngx_shop_live_t *live,
    ngx_pool_t *pool);
static void ngx_shop_live_tick(ngx_event_t *ev);

static void ngx_shop_live_ask(ngx_shop_live_t *live);
static ngx_int_t ngx_shop_live_command(ngx_shop_live_t *live,
    ngx_shop_redis_op_t *op);
static void ngx_shop_live_answered(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_live_record(ngx_shop_redis_op_t *op,
    ngx_str_t *record);
static void ngx_shop_live_store(ngx_shop_live_t *live, ngx_pool_t *pool,
    ngx_str_t *record);
static ngx_int_t ngx_shop_live_text(ngx_pool_t *pool, ngx_str_t *record,
    ngx_uint_t letter, ngx_str_t *text);

static void ngx_shop_live_update(ngx_shop_live_t *live);
static ngx_int_t ngx_shop_live_take(ngx_shop_live_t *live, ngx_str_t *record,
    time_t stored);
static ngx_int_t ngx_shop_live_try(ngx_shop_live_t *live, ngx_str_t *text,
    time_t since, ngx_str_t *reason);
static void ngx_shop_live_swap(ngx_shop_live_t *live,
    ngx_shop_program_t *program, ngx_str_t *text, time_t since);
static void ngx_shop_live_refused(ngx_shop_live_t *live);
static void ngx_shop_live_keep(ngx_shop_live_t *live);


ngx_shop_live_t *
ngx_shop_live_start(ngx_shop_redis_t *redis, ngx_shop_zone_t *zone,
    ngx_shop_program_t *base, ngx_shop_match_compile_pt compile,
    ngx_shop_live_pt handler, void *data, ngx_cycle_t *cycle)
{
    ngx_shop_live_t  *live;

    live = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_live_t));
    if (live == NULL) {
        return NULL;
    }

    live->redis = redis;
    live->zone = zone;
    live->base = base;
    live->compile = compile;
    live->handler = handler;
    live->data = data;
    live->program = base;
    live->log = cycle->log;

    live->temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cycle->log);

    if (live->temp == NULL
        || ngx_shop_live_names(live, cycle->pool) != NGX_OK)
    {
        return NULL;
    }

    handler(data, base);

    ngx_shop_live_update(live);

    live->timer.handler = ngx_shop_live_tick;
    live->timer.data = live;
    live->timer.log = cycle->log;
    live->timer.cancelable = 1;

    ngx_add_timer(&live->timer, 1);

    return live;
}


/* another Redis has another document: its records are others */

static ngx_int_t
ngx_shop_live_names(ngx_shop_live_t *live, ngx_pool_t *pool)
{
    u_char     *p;
    ngx_str_t  *prefix;

    prefix = &live->redis->prefix;

    p = ngx_pnalloc(pool, prefix->len + sizeof("program") - 1
                          + 2 * (sizeof("program::good") + 8));
    if (p == NULL) {
        return NGX_ERROR;
    }

    live->key.data = p;
    p = ngx_sprintf(p, "%Vprogram", prefix);
    live->key.len = p - live->key.data;

    live->now.data = p;
    p = ngx_sprintf(p, "program:%08xD:now", live->zone->source);
    live->now.len = p - live->now.data;

    live->good.data = p;
    p = ngx_sprintf(p, "program:%08xD:good", live->zone->source);
    live->good.len = p - live->good.data;

    return NGX_OK;
}


void
ngx_shop_live_stop(ngx_shop_live_t *live)
{
    live->stopped = 1;

    if (live->timer.timer_set) {
        ngx_del_timer(&live->timer);
    }

    if (live->op) {
        ngx_shop_redis_free(live->op);
        live->op = NULL;
    }

    ngx_shop_program_release(live->program);
    live->program = live->base;

    if (live->temp) {
        ngx_destroy_pool(live->temp);
        live->temp = NULL;
    }
}


ngx_shop_program_t *
ngx_shop_live_program(ngx_shop_live_t *live)
{
    return live->program;
}


ngx_uint_t
ngx_shop_live_known(ngx_shop_live_t *live)
{
    return live->known || live->program != live->base;
}


void
ngx_shop_live_state(ngx_shop_live_t *live, ngx_shop_live_state_t *state)
{
    ngx_memzero(state, sizeof(ngx_shop_live_state_t));

    if (live->program != live->base) {
        state->version.data = live->version;
        state->version.len = NGX_SHOP_LIVE_VERSION_LEN;
        state->since = live->since;
    }

    state->reason.data = live->reason;
    state->reason.len = live->reason_len;
}


static void
ngx_shop_live_tick(ngx_event_t *ev)
{
    ngx_shop_live_t  *live;

    live = ev->data;

    if (live->stopped || ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    ngx_shop_live_update(live);
    ngx_shop_live_ask(live);

    ngx_add_timer(ev, NGX_SHOP_LIVE_TICK);
}


static void
ngx_shop_live_ask(ngx_shop_live_t *live)
{
    ngx_int_t             rc;
    ngx_msec_t            period;
    ngx_uint_t            changes;
    ngx_shop_redis_op_t  *op;

    rc = ngx_shop_redis_track_program(live->redis, &live->key, &changes);

    if (rc == NGX_DECLINED) {
        live->holder = 0;
        return;
    }

    if (live->holder) {
        ngx_shop_live_keep(live);
    }

    period = (rc == NGX_OK) ? NGX_SHOP_LIVE_ANYWAY : NGX_SHOP_LIVE_ASK;

    if (live->op
        || (live->holder && live->known && live->changes == changes
            && ngx_current_msec - live->asked < period))
    {
        return;
    }

    live->holder = 1;
    live->asking = changes;
    live->asked = ngx_current_msec;

    op = ngx_shop_redis_create(live->redis, 1, live->log);
    if (op == NULL) {
        return;
    }

    op->handler = ngx_shop_live_answered;
    op->data = live;

    if (ngx_shop_live_command(live, op) != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        ngx_shop_redis_free(op);
        return;
    }

    live->op = op;
}


/* a value of any size is asked for: of a large one just what shows that */

static ngx_int_t
ngx_shop_live_command(ngx_shop_live_t *live, ngx_shop_redis_op_t *op)
{
    ngx_str_t  argv[4];

    ngx_str_set(&argv[0], "GETRANGE");
    argv[1] = live->key;
    ngx_str_set(&argv[2], "0");

    if (ngx_shop_decimal(op->pool, NGX_SHOP_PROGRAM_TEXT_MAX, &argv[3])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 4, argv);
}


static void
ngx_shop_live_answered(ngx_shop_redis_op_t *op)
{
    ngx_str_t         record;
    ngx_uint_t        changes;
    ngx_shop_live_t  *live;

    live = op->data;
    live->op = NULL;

    if (ngx_shop_redis_track_program(live->redis, &live->key, &changes)
        == NGX_DECLINED)
    {
        live->holder = 0;

    } else if (op->rc == NGX_OK
               && ngx_shop_live_record(op, &record) == NGX_OK)
    {
        live->changes = live->asking;
        ngx_shop_live_store(live, op->pool, &record);
    }

    ngx_shop_redis_free(op);
}


/* NGX_ERROR: could not be asked, or no memory */

static ngx_int_t
ngx_shop_live_record(ngx_shop_redis_op_t *op, ngx_str_t *record)
{
    ngx_str_t                text;
    ngx_shop_redis_reply_t  *reply;

    reply = op->replies[0];

    if (reply->type == NGX_SHOP_REDIS_STRING
        && reply->str.len <= NGX_SHOP_PROGRAM_TEXT_MAX)
    {
        return ngx_shop_live_text(op->pool, record,
                                  reply->str.len ? NGX_SHOP_LIVE_TEXT
                                                 : NGX_SHOP_LIVE_NONE,
                                  &reply->str);
    }

    if (reply->type == NGX_SHOP_REDIS_STRING) {
        ngx_str_set(&text, "more than 262144 bytes, the most that is "
                           "allowed");

    } else if (ngx_shop_redis_is_fault(reply, "WRONGTYPE")) {
        ngx_str_set(&text, "the key has another type, it must be a string");

    } else if (ngx_shop_redis_is_fault(reply, "NOPERM")) {
        ngx_str_set(&text, "the user of redis may not read the key by "
                           "GETRANGE");

    } else if (ngx_shop_redis_is_fault(reply, "ERR unknown command")) {
        ngx_str_set(&text, "redis knows no GETRANGE, by which it is read");

    } else {
        return NGX_ERROR;
    }

    return ngx_shop_live_text(op->pool, record, NGX_SHOP_LIVE_WRONG, &text);
}


static ngx_int_t
ngx_shop_live_text(ngx_pool_t *pool, ngx_str_t *record, ngx_uint_t letter,
    ngx_str_t *text)
{
    u_char  *p;

    p = ngx_pnalloc(pool, 1 + text->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    record->data = p;
    record->len = 1 + text->len;

    *p++ = (u_char) letter;

    if (text->len) {
        ngx_memcpy(p, text->data, text->len);
    }

    return NGX_OK;
}


/* what is the same stays what it is, with its time */

static void
ngx_shop_live_store(ngx_shop_live_t *live, ngx_pool_t *pool,
    ngx_str_t *record)
{
    time_t     now;
    size_t     room;
    ngx_str_t  text;
    u_char     digest[NGX_SHOP_SHA256_LEN];

    ngx_shop_live_update(live);

    if (ngx_shop_sha256(record, digest, live->log) != NGX_OK
        || (live->known
            && ngx_memcmp(digest, live->digest, NGX_SHOP_SHA256_LEN) == 0))
    {
        return;
    }

    now = ngx_time();

    /* it is there twice, and sessions want to be there, too */

    room = live->zone->shm_zone->shm.size / NGX_SHOP_LIVE_ROOM;

    if (record->len > room
        || ngx_shop_zone_set(live->zone, &live->now, record, now,
                             now + NGX_SHOP_LIVE_KEPT)
           == NGX_DECLINED)
    {
        ngx_str_set(&text, "the zone of \"shop_zone\" has no room for it");

        if (ngx_shop_live_text(pool, record, NGX_SHOP_LIVE_WRONG, &text)
            == NGX_OK)
        {
            (void) ngx_shop_zone_set(live->zone, &live->now, record, now,
                                     now + NGX_SHOP_LIVE_KEPT);
        }
    }

    ngx_shop_live_update(live);
}


static void
ngx_shop_live_update(ngx_shop_live_t *live)
{
    time_t     stored;
    ngx_int_t  rc;
    ngx_str_t  record;
    u_char     digest[NGX_SHOP_SHA256_LEN];

    rc = ngx_shop_zone_get(live->zone, live->temp, &live->now, ngx_time(),
                           &record, &live->seen, &stored);

    if (rc == NGX_ERROR) {
        return;
    }

    live->known = (rc == NGX_OK);

    if (rc != NGX_OK || record.len == 0) {
        return;
    }

    if (ngx_shop_sha256(&record, digest, live->log) == NGX_OK
        && ngx_memcmp(digest, live->digest, NGX_SHOP_SHA256_LEN) != 0)
    {
        ngx_memcpy(live->digest, digest, NGX_SHOP_SHA256_LEN);

        if (ngx_shop_live_take(live, &record, stored) != NGX_OK) {

            /* to be taken with the next tick */

            ngx_memzero(live->digest, NGX_SHOP_SHA256_LEN);
            live->seen = 0;
        }
    }

    ngx_reset_pool(live->temp);

    /* also of a worker that ends before its next tick */

    if (live->holder) {
        ngx_shop_live_keep(live);
    }
}


/* NGX_ERROR: no memory */

static ngx_int_t
ngx_shop_live_take(ngx_shop_live_t *live, ngx_str_t *record, time_t stored)
{
    time_t     now;
    ngx_int_t  rc;
    ngx_str_t  text, reason;

    rc = NGX_OK;
    now = ngx_time();

    text.data = record->data + 1;
    text.len = record->len - 1;

    reason.data = live->reason;
    reason.len = 0;

    switch (record->data[0]) {

    case NGX_SHOP_LIVE_NONE:
        ngx_shop_live_swap(live, live->base, &text, 0);

        /* nothing is to come back that was deleted */

        (void) ngx_shop_zone_set(live->zone, &live->good, &text, now, now);
        break;

    case NGX_SHOP_LIVE_TEXT:
        rc = ngx_shop_live_try(live, &text, stored, &reason);
        break;

    default: /* NGX_SHOP_LIVE_WRONG */
        reason.len = ngx_min(text.len, NGX_SHOP_PROGRAM_REASON_MAX);
        ngx_memcpy(reason.data, text.data, reason.len);
    }

    live->reason_len = reason.len;

    if (reason.len) {
        ngx_shop_live_refused(live);
    }

    return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
}


/* NGX_DECLINED: it is refused; NGX_ERROR: no memory */

static ngx_int_t
ngx_shop_live_try(ngx_shop_live_t *live, ngx_str_t *text, time_t since,
    ngx_str_t *reason)
{
    ngx_str_t            copy;
    ngx_pool_t          *pool;
    ngx_shop_program_t  *program;

    reason->len = 0;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, live->log);

    if (pool == NULL) {
        goto failed;
    }

    copy.len = text->len;
    copy.data = ngx_pstrdup(pool, text);

    if (copy.data == NULL) {
        goto failed;
    }

    program = ngx_shop_program_json(pool, live->base, &copy, live->compile,
                                    reason);
    if (program == NULL) {
        goto failed;
    }

    program->pool = pool;

    ngx_shop_live_swap(live, program, &copy, since);

    return NGX_OK;

failed:

    if (pool) {
        ngx_destroy_pool(pool);
    }

    if (reason->len) {
        return NGX_DECLINED;
    }

    reason->len = ngx_sprintf(reason->data, "no memory") - reason->data;

    return NGX_ERROR;
}


static void
ngx_shop_live_swap(ngx_shop_live_t *live, ngx_shop_program_t *program,
    ngx_str_t *text, time_t since)
{
    u_char     digest[NGX_SHOP_SHA256_LEN];
    ngx_str_t  version;

    ngx_memzero(digest, NGX_SHOP_SHA256_LEN);

    (void) ngx_shop_sha256(text, digest, live->log);

    version.data = live->version;
    version.len = ngx_hex_dump(live->version, digest,
                               NGX_SHOP_LIVE_VERSION_LEN / 2)
                  - live->version;

    ngx_shop_program_hold(program);
    ngx_shop_program_release(live->program);

    live->program = program;
    live->text = *text;
    live->since = since;

    live->handler(live->data, program);

    if (!live->holder) {
        return;
    }

    if (program == live->base) {
        ngx_log_error(NGX_LOG_NOTICE, live->log, 0,
                      "the program of the configuration is in force");
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, live->log, 0,
                  "program %V of redis is in force, promotions: %ui, "
                  "segments: %ui",
                  &version, program->promotions.nelts,
                  program->segments.nelts);
}


/* said once for all workers; who has no document takes the last good one */

static void
ngx_shop_live_refused(ngx_shop_live_t *live)
{
    time_t      stored;
    ngx_str_t   reason, key, good;
    ngx_uint_t  version;
    u_char      name[sizeof("program:") + 16];
    u_char      buf[NGX_SHOP_PROGRAM_REASON_MAX];

    reason.data = live->reason;
    reason.len = live->reason_len;

    key.data = name;
    key.len = ngx_sprintf(name, "program:%08xD%08xD",
                          ngx_crc32_short(live->digest, NGX_SHOP_SHA256_LEN),
                          ngx_crc32_long(reason.data, reason.len))
              - name;

    if (ngx_shop_zone_lease(live->zone, &key, ngx_time(), NGX_SHOP_LIVE_TOLD)
        == NGX_OK)
    {
        ngx_log_error(NGX_LOG_ERR, live->log, 0,
                      "\"%V\" in redis was refused, what was in force "
                      "before stays: %V", &live->key, &reason);
    }

    if (live->program != live->base) {
        return;
    }

    version = 0;

    if (ngx_shop_zone_get(live->zone, live->temp, &live->good, ngx_time(),
                          &good, &version, &stored)
        == NGX_OK)
    {
        reason.data = buf;
        (void) ngx_shop_live_try(live, &good, stored, &reason);
    }
}


/* as long as it is looked at, it is not the one to leave a full zone */

static void
ngx_shop_live_keep(ngx_shop_live_t *live)
{
    time_t     now, stored;
    ngx_int_t  rc;
    ngx_str_t  good;

    now = ngx_time();

    rc = ngx_shop_zone_get(live->zone, live->temp, &live->good, now, &good,
                           &live->kept, &stored);

    if (live->program != live->base
        && (rc == NGX_DECLINED
            || (rc == NGX_OK && good.len
                && !ngx_shop_equal(&good, &live->text))))
    {
        (void) ngx_shop_zone_set(live->zone, &live->good, &live->text, now,
                                 now + NGX_SHOP_LIVE_KEPT);
    }

    ngx_reset_pool(live->temp);
}
