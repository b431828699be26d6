
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "session/ngx_shop_session.h"


/*
 * That a session is used, and its customer visits, is written to Redis, but
 * in nobody's way, and seldom: once in five minutes.  Then what segments ask
 * for is copied to the customer's view, too.
 *
 *     request --> due? --> the first of all workers?
 *                 no: done      |
 *                               v             a second
 *                          note: fresh -----------------------> out --> free
 *                                                 ^              |
 *                                                 |     seconds  |
 *                                                late <----------'
 *
 * Whether it is due a request sees from what it knows anyway: when the
 * session was noted last is a mark on its cached copy, which began as the
 * session's place in the list that was read with it.  So a customer whose
 * session no zone has room for is not written with each request either.
 *
 * The mark is for one session.  Customers have several, and are to be written
 * as seldom as the others: a note also needs the mark on the customer's view,
 * and comes back late where another one has it.  Where "idle" is so short
 * that five minutes would be too long, it does not wait for that.
 *
 * Promotions that are measured are noted with that: each once for a customer
 * and day, which the script sees to.  What this worker has noted already today
 * is a bit for each promotion, for so many sessions.  Of one that had to give
 * way it is noted once more, for nothing.  These notes do not wait for five
 * minutes, since there are few.
 *
 * A visit that earns something is booked behind that, by a second command for
 * the same note: the first one says which visit is owed, until it is booked.
 * So it does not matter who books it, nor how often that is tried.
 *
 * All that is fresh goes out together, some dozens at a time, so that no
 * request finds more than a moment's work of Redis ahead of its own.  What
 * cannot be written is tried again, for a quarter of an hour.  The table does
 * not grow: what it has no room for loses its marks, so it is due again with
 * the next request, and is told of in one line of the log a minute.
 *
 * A worker that quits gracefully sends what is fresh; its timer keeps it
 * for that second, unless Redis is away.  Late notes, and those of a worker
 * that is killed, are lost.  The customer is written with a request five
 * minutes later, and what is owed then is booked; a visit that ended before
 * has not been seen.
 */


#define NGX_SHOP_ACTIVITY_NOTES   1024
#define NGX_SHOP_ACTIVITY_BATCH   32
#define NGX_SHOP_ACTIVITY_DELAY   1000      /* milliseconds */
#define NGX_SHOP_ACTIVITY_LATER   2000
#define NGX_SHOP_ACTIVITY_KEPT    900       /* seconds */
#define NGX_SHOP_ACTIVITY_TOLD    60
#define NGX_SHOP_ACTIVITY_NOTED   65536     /* sessions, of 28 bytes */
#define NGX_SHOP_ACTIVITY_DIGEST  8         /* bytes of it are enough */


typedef struct {
    u_char                      digest[NGX_SHOP_ACTIVITY_DIGEST];
    uint64_t                    bits;
    uint32_t                    measures;
    uint32_t                    day;
} ngx_shop_activity_noted_t;


struct ngx_shop_activity_s {
    ngx_shop_redis_t           *redis;
    ngx_shop_zone_t            *zone;
    ngx_shop_activity_table_t   table;
    ngx_event_t                 timer;
    ngx_log_t                  *log;
    ngx_shop_activity_visit_pt  visit;      /* NULL: visits earn nothing */
    void                       *data;       /* for it */
    ngx_uint_t                  copied;     /* what segments ask for */
    ngx_shop_ways_t            *ways;       /* NULL: nothing was shown yet */
    ngx_shop_activity_noted_t  *noted;
    ngx_pool_t                 *pool;
    ngx_uint_t                  nout;       /* of the batch under way */
    ngx_uint_t                  nlost;      /* since the log was told */
    time_t                      told;

    unsigned                    more:1;     /* than one batch */
    unsigned                    away:1;     /* the last one failed */
    unsigned                    stopped:1;
};


static void ngx_shop_activity_soon(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session);
static ngx_int_t ngx_shop_activity_noted_init(ngx_shop_activity_t *activity);
static uint32_t ngx_shop_activity_hash(u_char *digest);
static ngx_int_t ngx_shop_activity_expose(ngx_shop_activity_note_t *note,
    ngx_shop_exposure_t *exposure, time_t now);
static void ngx_shop_activity_forget(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note);
static void ngx_shop_activity_timer(ngx_shop_activity_t *activity,
    ngx_msec_t delay);
static void ngx_shop_activity_handler(ngx_event_t *ev);
static void ngx_shop_activity_run(ngx_shop_activity_t *activity);
static ngx_int_t ngx_shop_activity_send(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note);
static ngx_int_t ngx_shop_activity_command(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note, ngx_shop_redis_op_t *op, int64_t idle);
static void ngx_shop_activity_flag(ngx_uint_t set, ngx_str_t *arg);
static void ngx_shop_activity_done(ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_activity_result(ngx_shop_activity_t *activity,
    ngx_shop_redis_op_t *op);
static ngx_int_t ngx_shop_activity_fault(ngx_shop_activity_t *activity,
    ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_shop_activity_book(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note, ngx_str_t *owed);
static void ngx_shop_activity_booked(ngx_shop_redis_op_t *op);
static void ngx_shop_activity_over(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note, ngx_int_t rc);
static void ngx_shop_activity_retry(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note);
static void ngx_shop_activity_lost(ngx_shop_activity_t *activity);


ngx_shop_activity_t *
ngx_shop_activity_start(ngx_shop_redis_t *redis, ngx_shop_zone_t *zone,
    ngx_cycle_t *cycle)
{
    ngx_shop_activity_t  *activity;

    activity = ngx_pcalloc(cycle->pool, sizeof(ngx_shop_activity_t));
    if (activity == NULL) {
        return NULL;
    }

    if (ngx_shop_activity_table_init(&activity->table, cycle->pool,
                                     NGX_SHOP_ACTIVITY_NOTES)
        != NGX_OK)
    {
        return NULL;
    }

    activity->redis = redis;
    activity->zone = zone;
    activity->pool = cycle->pool;
    activity->log = cycle->log;

    activity->timer.handler = ngx_shop_activity_handler;
    activity->timer.data = activity;
    activity->timer.log = cycle->log;

    return activity;
}


void
ngx_shop_activity_earns(ngx_shop_activity_t *activity,
    ngx_shop_activity_visit_pt handler, void *data)
{
    activity->visit = handler;
    activity->data = data;
}


void
ngx_shop_activity_copies(ngx_shop_activity_t *activity, ngx_uint_t what)
{
    activity->copied = what;
}


void
ngx_shop_activity_stop(ngx_shop_activity_t *activity)
{
    activity->stopped = 1;

    if (activity->timer.timer_set) {
        ngx_del_timer(&activity->timer);
    }
}


void
ngx_shop_activity_seen(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session, ngx_shop_session_limits_t *limits,
    time_t before)
{
    time_t                     now, interval;
    ngx_str_t                  digest;
    ngx_shop_activity_note_t  *note;

    now = ngx_time();

    if (!ngx_shop_session_due(session, limits, now, &interval)) {
        return;
    }

    note = ngx_shop_activity_find(&activity->table, session->digest);

    if (note == NULL && ngx_shop_activity_full(&activity->table)) {
        ngx_shop_activity_lost(activity);
        return;
    }

    digest.data = session->digest;
    digest.len = NGX_SHOP_SHA256_LEN;

    if (ngx_shop_cache_mark(activity->zone, NGX_SHOP_CACHE_SESSION, &digest,
                            now, interval)
        != NGX_OK)
    {
        return;
    }

    if (note == NULL) {
        note = ngx_shop_activity_add(&activity->table, session->digest,
                                     &session->customer);
        note->before = before;
        note->data = activity;
    }

    note->seen = now;
    note->idle = limits->idle;
    note->expires = session->expires;

    if (interval < NGX_SHOP_SESSION_NOTED) {
        note->turn = 1;
    }

    ngx_shop_activity_soon(activity, session);
}


static void
ngx_shop_activity_soon(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session)
{
    ngx_msec_t  delay;

    if (activity->nout != 0) {
        return;
    }

    delay = NGX_SHOP_ACTIVITY_DELAY;

    if (session->ttl >= 0 && session->ttl / 10 < (int64_t) delay) {
        delay = (ngx_msec_t) session->ttl / 10;
    }

    ngx_shop_activity_timer(activity, delay);
}


uint64_t *
ngx_shop_activity_noted(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session, uint32_t measures)
{
    u_char                     *digest;
    uint32_t                    day;
    ngx_uint_t                  slot;
    ngx_shop_activity_noted_t  *one;

    if (activity->ways == NULL
        && ngx_shop_activity_noted_init(activity) != NGX_OK)
    {
        return NULL;
    }

    digest = session->digest;
    day = (uint32_t) (ngx_time() / 86400);

    slot = ngx_shop_ways_take(activity->ways, ngx_shop_activity_hash(digest));
    one = &activity->noted[slot];

    if (one->day != day || one->measures != measures
        || ngx_memcmp(one->digest, digest, NGX_SHOP_ACTIVITY_DIGEST) != 0)
    {
        ngx_memcpy(one->digest, digest, NGX_SHOP_ACTIVITY_DIGEST);
        one->bits = 0;
        one->day = day;
        one->measures = measures;
    }

    return &one->bits;
}


static ngx_int_t
ngx_shop_activity_noted_init(ngx_shop_activity_t *activity)
{
    activity->noted = ngx_pcalloc(activity->pool,
                                  NGX_SHOP_ACTIVITY_NOTED
                                  * sizeof(ngx_shop_activity_noted_t));
    if (activity->noted == NULL) {
        return NGX_ERROR;
    }

    activity->ways = ngx_shop_ways_create(activity->pool,
                                          NGX_SHOP_ACTIVITY_NOTED);

    if (activity->ways == NULL) {
        (void) ngx_pfree(activity->pool, activity->noted);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a digest is random, so any of its bits are */

static uint32_t
ngx_shop_activity_hash(u_char *digest)
{
    uint32_t  hash;

    ngx_memcpy(&hash, digest, sizeof(uint32_t));

    return hash;
}


ngx_int_t
ngx_shop_activity_shown(ngx_shop_activity_t *activity,
    ngx_shop_session_t *session, ngx_shop_session_limits_t *limits,
    time_t before, ngx_shop_exposure_t *exposure)
{
    time_t                     now;
    ngx_shop_activity_note_t  *note;

    now = ngx_time();
    note = ngx_shop_activity_find(&activity->table, session->digest);

    if (note == NULL) {

        if (ngx_shop_activity_full(&activity->table)) {
            ngx_shop_activity_lost(activity);
            return NGX_DECLINED;
        }

        note = ngx_shop_activity_add(&activity->table, session->digest,
                                     &session->customer);
        note->before = before;
        note->data = activity;
        note->seen = now;
        note->idle = limits->idle;
        note->expires = session->expires;
    }

    /* where there is no room, it is noted with a later request */

    if (ngx_shop_activity_expose(note, exposure, now) != NGX_OK) {
        return NGX_DECLINED;
    }

    note->turn = 1;

    ngx_shop_activity_soon(activity, session);

    return NGX_OK;
}


/* NGX_DECLINED: what is there has to be sent first */

static ngx_int_t
ngx_shop_activity_expose(ngx_shop_activity_note_t *note,
    ngx_shop_exposure_t *exposure, time_t now)
{
    size_t   len;
    u_char  *p;

    len = exposure->code->len + sizeof(" given  ") - 1 + NGX_TIME_T_LEN;

    if (len > NGX_SHOP_ACTIVITY_SHOWN - note->shown_len
        || (note->shown_len && note->shown_at / 86400 != now / 86400))
    {
        return NGX_DECLINED;
    }

    if (note->shown_len == 0) {
        note->shown_at = now;
    }

    p = note->shown + note->shown_len;

    note->shown_len = ngx_sprintf(p, "%V %s %T ", exposure->code,
                                  exposure->held ? "held" : "given",
                                  exposure->convert)
                      - note->shown;
    return NGX_OK;
}


/* all that was shown is noted with the next request that shows it: what is in
 * Redis already counts no more by that */

static void
ngx_shop_activity_forget(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note)
{
    ngx_uint_t  slot;

    if (activity->ways != NULL
        && ngx_shop_ways_find(activity->ways,
                              ngx_shop_activity_hash(note->digest), &slot)
           == NGX_OK)
    {
        activity->noted[slot].bits = 0;
    }
}


static void
ngx_shop_activity_timer(ngx_shop_activity_t *activity, ngx_msec_t delay)
{
    ngx_queue_t                *q;
    ngx_event_t                *timer;
    ngx_msec_int_t              left;
    ngx_shop_activity_note_t   *note;
    ngx_shop_activity_table_t  *table;

    table = &activity->table;
    timer = &activity->timer;

    if (!ngx_queue_empty(&table->fresh)) {
        left = (ngx_msec_int_t) delay;

    } else if (!ngx_queue_empty(&table->late)) {
        q = ngx_queue_head(&table->late);
        note = ngx_queue_data(q, ngx_shop_activity_note_t, queue);

        left = (ngx_msec_int_t) (note->due - ngx_current_msec);
        left = ngx_max(left, (ngx_msec_int_t) delay);

    } else {
        return;
    }

    timer->cancelable = (ngx_queue_empty(&table->fresh) || activity->away);

    if (!timer->timer_set
        || (ngx_msec_int_t) (timer->timer.key - (ngx_current_msec + left)) > 0)
    {
        ngx_add_timer(timer, (ngx_msec_t) left);
    }
}


static void
ngx_shop_activity_handler(ngx_event_t *ev)
{
    ngx_shop_activity_t  *activity;

    activity = ev->data;

    if (activity->nout == 0) {
        ngx_shop_activity_run(activity);
    }
}


static void
ngx_shop_activity_run(ngx_shop_activity_t *activity)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_shop_activity_note_t  *note;

    for (i = 0; i < NGX_SHOP_ACTIVITY_BATCH; i++) {

        note = ngx_shop_activity_take(&activity->table, ngx_current_msec);

        if (note == NULL) {
            break;
        }

        rc = ngx_shop_activity_send(activity, note);

        if (rc == NGX_AGAIN) {
            activity->nout++;

        } else if (rc == NGX_DONE) {
            ngx_shop_activity_free(&activity->table, note);

        } else {
            ngx_shop_activity_retry(activity, note);
        }
    }

    activity->more = (i == NGX_SHOP_ACTIVITY_BATCH);

    if (activity->nout == 0) {
        ngx_shop_activity_timer(activity, NGX_SHOP_ACTIVITY_DELAY);
    }
}


/*
 * NGX_AGAIN: it is out; NGX_DONE: the session is over by now; NGX_DECLINED:
 * it is not the session's turn; NGX_ERROR: it cannot be sent.
 */

static ngx_int_t
ngx_shop_activity_send(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note)
{
    time_t                now;
    int64_t               idle;
    ngx_shop_redis_op_t  *op;

    now = ngx_time();

    idle = ngx_shop_session_idle(note->idle, note->expires, note->seen, now);

    if (idle <= 0) {
        return NGX_DONE;
    }

    if (!note->turn) {

        if (ngx_shop_cache_mark(activity->zone, NGX_SHOP_CACHE_VIEW,
                                &note->customer, now, NGX_SHOP_SESSION_NOTED)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        note->turn = 1;
    }

    op = ngx_shop_redis_create(activity->redis, 1, activity->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->handler = ngx_shop_activity_done;
    op->data = note;

    if (ngx_shop_activity_command(activity, note, op, idle) != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        ngx_shop_redis_free(op);
        activity->away = 1;

        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_shop_activity_command(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note, ngx_shop_redis_op_t *op, int64_t idle)
{
    ngx_str_t          keys[6], args[9];
    ngx_pool_t        *pool;
    ngx_shop_redis_t  *redis;

    redis = activity->redis;
    pool = op->pool;

    ngx_shop_activity_flag(activity->visit != NULL, &args[4]);
    ngx_shop_activity_flag(activity->copied & NGX_SHOP_ACTIVITY_VISITS,
                           &args[5]);
    ngx_shop_activity_flag(activity->copied & NGX_SHOP_ACTIVITY_PROFILE,
                           &args[6]);

    if (ngx_shop_hex(pool, note->digest, NGX_SHOP_SHA256_LEN, &args[0])
        != NGX_OK
        || ngx_shop_decimal(pool, note->seen, &args[1]) != NGX_OK
        || ngx_shop_decimal(pool, note->before, &args[2]) != NGX_OK
        || ngx_shop_decimal(pool, idle, &args[3]) != NGX_OK
        || ngx_shop_redis_customer_key(redis, pool, "session",
                                       &note->customer, &args[0], &keys[0])
           != NGX_OK
        || ngx_shop_redis_customer_key(redis, pool, "sessions",
                                       &note->customer, NULL, &keys[1])
           != NGX_OK
        || ngx_shop_redis_customer_key(redis, pool, "activity",
                                       &note->customer, NULL, &keys[2])
           != NGX_OK
        || ngx_shop_redis_customer_key(redis, pool, "view",
                                       &note->customer, NULL, &keys[3])
           != NGX_OK
        || ngx_shop_redis_customer_key(redis, pool, "customer",
                                       &note->customer, NULL, &keys[4])
           != NGX_OK
        || ngx_shop_redis_partition_key(redis, pool, "shown",
                                        ngx_shop_redis_partition(redis,
                                                           &note->customer),
                                        &keys[5])
           != NGX_OK
        || ngx_shop_decimal(pool, note->shown_at, &args[8]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    args[7].data = note->shown;
    args[7].len = note->shown_len;

    note->shown_sent = note->shown_len;

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_activity, 6,
                                     keys, 9, args);
}


static void
ngx_shop_activity_flag(ngx_uint_t set, ngx_str_t *arg)
{
    if (set) {
        ngx_str_set(arg, "1");

    } else {
        ngx_str_set(arg, "0");
    }
}


static void
ngx_shop_activity_done(ngx_shop_redis_op_t *op)
{
    ngx_int_t                  rc;
    ngx_shop_activity_t       *activity;
    ngx_shop_activity_note_t  *note;

    note = op->data;
    activity = note->data;

    rc = ngx_shop_activity_result(activity, op);

    ngx_shop_redis_free(op);

    if (rc != NGX_AGAIN) {
        ngx_shop_activity_over(activity, note, rc);
    }
}


/*
 * NGX_OK: written; NGX_AGAIN: and the visit that is owed is being booked;
 * NGX_DECLINED: never will be; NGX_ERROR: could not be, now.  A copy of a
 * session that is over, or has another end, is told of by Redis as well,
 * unless the channel is down.
 */

static ngx_int_t
ngx_shop_activity_result(ngx_shop_activity_t *activity,
    ngx_shop_redis_op_t *op)
{
    int64_t                    n, changed;
    ngx_str_t                  digest, owed;
    ngx_shop_redis_reply_t    *reply;
    ngx_shop_activity_note_t  *note;

    if (op->rc != NGX_OK) {
        return NGX_ERROR;
    }

    note = op->data;
    reply = op->replies[0];

    if (reply->type != NGX_SHOP_REDIS_ARRAY
        || ngx_shop_redis_number(reply, 0, &n) != NGX_OK)
    {
        return ngx_shop_activity_fault(activity, reply);
    }

    if (n != 1) {
        digest.data = note->digest;
        digest.len = NGX_SHOP_SHA256_LEN;

        ngx_shop_cache_drop(activity->zone, NGX_SHOP_CACHE_SESSION, &digest);
    }

    if (ngx_shop_redis_number(reply, 2, &changed) == NGX_OK && changed) {
        ngx_shop_cache_drop(activity->zone, NGX_SHOP_CACHE_VIEW,
                            &note->customer);
    }

    if (activity->visit == NULL
        || ngx_shop_redis_text(reply, 1, &owed) != NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_shop_activity_book(activity, note, &owed);
}


/* of a script: something under its keys is not ours, or Redis is to blame */

static ngx_int_t
ngx_shop_activity_fault(ngx_shop_activity_t *activity,
    ngx_shop_redis_reply_t *reply)
{
    if (reply->type != NGX_SHOP_REDIS_FAULT
        || ngx_shop_redis_is_fault(reply, "WRONGTYPE")
        || (ngx_shop_redis_is_fault(reply, "ERR")
            && !ngx_shop_redis_is_readonly(reply)))
    {
        ngx_shop_activity_lost(activity);
        return NGX_DECLINED;
    }

    return NGX_ERROR;
}


/* a visit is "TIME DAYS" */

static ngx_int_t
ngx_shop_activity_book(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note, ngx_str_t *owed)
{
    u_char               *blank;
    time_t                time;
    ngx_str_t             days;
    ngx_shop_redis_op_t  *op;

    blank = ngx_strlchr(owed->data, owed->data + owed->len, ' ');

    if (blank == NULL) {
        ngx_shop_activity_lost(activity);
        return NGX_DECLINED;
    }

    time = ngx_atotm(owed->data, blank - owed->data);

    if (time == (time_t) NGX_ERROR) {
        ngx_shop_activity_lost(activity);
        return NGX_DECLINED;
    }

    days.data = blank + 1;
    days.len = owed->data + owed->len - days.data;

    op = ngx_shop_redis_create(activity->redis, 1, activity->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    op->handler = ngx_shop_activity_booked;
    op->data = note;

    if (activity->visit(activity->data, op, &note->customer, time, &days)
        != NGX_OK
        || ngx_shop_redis_submit(op) != NGX_AGAIN)
    {
        ngx_shop_redis_free(op);
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static void
ngx_shop_activity_booked(ngx_shop_redis_op_t *op)
{
    ngx_int_t                  rc;
    ngx_shop_activity_t       *activity;
    ngx_shop_activity_note_t  *note;

    note = op->data;
    activity = note->data;

    rc = op->rc;

    if (rc == NGX_OK && op->replies[0]->type != NGX_SHOP_REDIS_ARRAY) {
        rc = ngx_shop_activity_fault(activity, op->replies[0]);
    }

    ngx_shop_redis_free(op);

    ngx_shop_activity_over(activity, note, rc);
}


static void
ngx_shop_activity_over(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note, ngx_int_t rc)
{
    activity->nout--;
    activity->away = (rc == NGX_ERROR);

    if (rc != NGX_ERROR) {
        note->shown_len -= note->shown_sent;
        ngx_memmove(note->shown, note->shown + note->shown_sent,
                    note->shown_len);
    }

    if (rc == NGX_ERROR || (rc == NGX_OK && note->shown_len)) {
        ngx_shop_activity_retry(activity, note);

    } else {

        if (rc == NGX_DECLINED) {
            ngx_shop_activity_forget(activity, note);
        }

        ngx_shop_activity_free(&activity->table, note);
    }

    if (activity->nout != 0 || activity->stopped) {
        return;
    }

    if (activity->more && !activity->away) {
        ngx_shop_activity_run(activity);

    } else {
        ngx_shop_activity_timer(activity, NGX_SHOP_ACTIVITY_DELAY);
    }
}


static void
ngx_shop_activity_retry(ngx_shop_activity_t *activity,
    ngx_shop_activity_note_t *note)
{
    ngx_str_t  digest;

    if (ngx_time() - note->seen < NGX_SHOP_ACTIVITY_KEPT
        && ngx_shop_activity_late(&activity->table, note,
                                  ngx_current_msec + NGX_SHOP_ACTIVITY_LATER)
           == NGX_OK)
    {
        return;
    }

    /* another session of the customer was noted: this one is due later */

    if (!note->turn) {
        ngx_shop_activity_free(&activity->table, note);
        return;
    }

    /* it is due again with the next request */

    ngx_shop_activity_forget(activity, note);

    digest.data = note->digest;
    digest.len = NGX_SHOP_SHA256_LEN;

    (void) ngx_shop_cache_mark(activity->zone, NGX_SHOP_CACHE_SESSION,
                               &digest, 0, 0);

    (void) ngx_shop_cache_mark(activity->zone, NGX_SHOP_CACHE_VIEW,
                               &note->customer, 0, 0);

    ngx_shop_activity_lost(activity);
    ngx_shop_activity_free(&activity->table, note);
}


static void
ngx_shop_activity_lost(ngx_shop_activity_t *activity)
{
    activity->nlost++;

    if (ngx_time() - activity->told < NGX_SHOP_ACTIVITY_TOLD) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, activity->log, 0,
                  "activity of customers was not noted in redis, %ui times",
                  activity->nlost);

    activity->nlost = 0;
    activity->told = ngx_time();
}
