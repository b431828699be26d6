
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_zone.h"


/*
 * Records of any size in shared memory.
 *
 *     +--------+---------+---------+--------------+-------+-- - - --+-------+
 *     | header | figures | buckets | of the cache | block |         | block |
 *     +--------+---------+---------+--------------+-------+-- - - --+-------+
 *
 *     block of a record              blocks after it
 *     +--------+---------------+     +------+------------------------+
 *     | record | key and value |---->| more | key and value, go on   |---->
 *     +--------+---------------+     +------+------------------------+
 *
 * The slab allocator of nginx keeps pages for each power of two.  In a zone
 * that is full of one size a record of another needs an empty page, and
 * throwing out the oldest frees one only after a third of all records, in no
 * order of place, has gone.  Here all blocks are alike, each record evicted
 * makes room at once, and nothing but the bytes needed is ever evicted.  So
 * the slab pool is asked once, for everything it has; its mutex is ours.
 *
 * A hash table and not the usual tree, since a lookup among a million records
 * costs one or two cache misses, not twenty, and takes 4 bytes a record, not
 * 40.  Keys are made by us (an attacker may hold many sessions, but does not
 * choose their hashes), so the chains stay short.
 *
 * Records and blocks are told by number and not by pointer: a header that is
 * 16 bytes shorter lets a customer as they usually are fit into one block.
 *
 * Recently used records are at the head of the queue, in the cache those of
 * one second in any order.  A lease in force is
 * not evicted when it reaches the end but sent round again, up to
 * NGX_SHOP_ZONE_TURNS of them in a row, which bounds the time of the lock.
 *
 * All pointers are those of the mapping, which nginx makes before it starts
 * workers and hands on to the next configuration, at one address.  It gives
 * a zone of another size, or one declared by other code ("tag"), fresh
 * memory; the layout in the header is checked nevertheless, since a mistake
 * would be read as pointers.
 */


#define NGX_SHOP_ZONE_MAGIC    0x6e7853686f705a31
#define NGX_SHOP_ZONE_LAYOUT   7

#define NGX_SHOP_ZONE_TURNS    16
#define NGX_SHOP_ZONE_FIGURES  16  /* of this, one part is for figures */

/* what the first block of a record holds, and the others */

#define NGX_SHOP_ZONE_FIRST                                                   \
    (NGX_SHOP_ZONE_BLOCK - offsetof(ngx_shop_zone_record_t, data))

#define NGX_SHOP_ZONE_MORE                                                    \
    (NGX_SHOP_ZONE_BLOCK - offsetof(ngx_shop_zone_block_t, data))

#define NGX_SHOP_ZONE_BLOCKS_MAX  NGX_MAX_UINT32_VALUE

#define ngx_shop_zone_at(blocks, n)                                           \
    ((blocks) + (size_t) (n) * NGX_SHOP_ZONE_BLOCK)

#define ngx_shop_zone_block(blocks, n)                                        \
    ((ngx_shop_zone_block_t *) ngx_shop_zone_at(blocks, n))

#define ngx_shop_zone_record(blocks, n)                                       \
    ((ngx_shop_zone_record_t *) ngx_shop_zone_at(blocks, n))


static ngx_int_t ngx_shop_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static void ngx_shop_zone_evict(ngx_shop_zone_sh_t *sh, time_t now);
static ngx_uint_t ngx_shop_zone_leased(ngx_shop_zone_record_t *lease,
    time_t now);

static void ngx_shop_zone_queue_insert(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record);
static void ngx_shop_zone_queue_remove(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record);

static size_t ngx_shop_zone_nblocks(size_t len);
static uint32_t ngx_shop_zone_block_alloc(ngx_shop_zone_sh_t *sh);
static void ngx_shop_zone_block_free(ngx_shop_zone_sh_t *sh, uint32_t n);

static void ngx_shop_zone_cursor_init(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_cursor_t *cursor, ngx_shop_zone_record_t *record);
static size_t ngx_shop_zone_cursor_step(ngx_shop_zone_cursor_t *cursor,
    size_t len, u_char **p);
static void ngx_shop_zone_cursor_write(ngx_shop_zone_cursor_t *cursor,
    ngx_str_t *text);
static ngx_uint_t ngx_shop_zone_cursor_match(ngx_shop_zone_cursor_t *cursor,
    ngx_str_t *text);


ngx_shop_zone_t *
ngx_shop_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_shop_zone_t  *zone;

    if (size < 8 * ngx_pagesize) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "zone \"%V\" is too small: at least %uz bytes "
                           "are needed", name, 8 * ngx_pagesize);
        return NULL;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_shop_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    zone->shm_zone = ngx_shared_memory_add(cf, name, size, tag);
    if (zone->shm_zone == NULL) {
        return NULL;
    }

    zone->shm_zone->init = ngx_shop_zone_init;
    zone->shm_zone->data = zone;

    return zone;
}


/* "data" is that of the zone before a reload, the memory the same */

static ngx_int_t
ngx_shop_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    u_char              *p;
    size_t               size, n;
    ngx_slab_pool_t     *pool;
    ngx_shop_zone_t     *zone;
    ngx_shop_zone_sh_t  *sh;

    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone = shm_zone->data;

    if (data) {
        sh = data;

        if (sh->magic != NGX_SHOP_ZONE_MAGIC
            || sh->layout != NGX_SHOP_ZONE_LAYOUT)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "zone \"%V\" was made by another version of this "
                          "module, nginx must be restarted",
                          &shm_zone->shm.name);
            return NGX_ERROR;
        }

        if (sh->cache.nparts < zone->parts) {
            ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                          "zone \"%V\" was made for %ui partitions, not "
                          "%ui, until nginx is restarted changes of the "
                          "others are seen after \"ttl\"",
                          &shm_zone->shm.name,
                          sh->cache.nparts, zone->parts);
        }

        shm_zone->data = data;
        return NGX_OK;
    }

    size = pool->pfree * ngx_pagesize;

    p = ngx_slab_alloc(pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sh = (ngx_shop_zone_sh_t *) p;
    ngx_memzero(sh, sizeof(ngx_shop_zone_sh_t));

    sh->magic = NGX_SHOP_ZONE_MAGIC;
    sh->layout = NGX_SHOP_ZONE_LAYOUT;

    /* a bucket for each two to four blocks, the usual size of a record */

    for (n = 1; n <= size / NGX_SHOP_ZONE_BLOCK / 4; n <<= 1) { /* void */ }

    sh->figures = (ngx_shop_figures_t *)
                              (p + ngx_align(sizeof(ngx_shop_zone_sh_t), 64));

    sh->nfigures = size / NGX_SHOP_ZONE_FIGURES / sizeof(ngx_shop_figures_t);
    sh->nfigures = ngx_max(sh->nfigures, NGX_SHOP_FIGURES_MIN);
    sh->nfigures = ngx_min(sh->nfigures, NGX_SHOP_FIGURES_MAX);

    ngx_memzero(sh->figures, sh->nfigures * sizeof(ngx_shop_figures_t));

    sh->mask = n - 1;
    sh->buckets = (uint32_t *)
                      ngx_align_ptr((u_char *) (sh->figures + sh->nfigures),
                                    64);

    ngx_memzero(sh->buckets, n * sizeof(uint32_t));

    p = ngx_shop_cache_init(&sh->cache, (u_char *) (sh->buckets + n), n,
                            zone->parts);

    sh->blocks = ngx_align_ptr(p, 64);

    if (sh->blocks + 2 * ngx_pagesize > (u_char *) sh + size) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" is too small for %ui partitions",
                      &shm_zone->shm.name, zone->parts);
        return NGX_ERROR;
    }

    ngx_memzero(sh->cache.links, p - (u_char *) sh->cache.links);

    sh->nblocks = ((u_char *) sh + size - sh->blocks) / NGX_SHOP_ZONE_BLOCK
                  - 1;
    sh->nblocks = ngx_min(sh->nblocks, NGX_SHOP_ZONE_BLOCKS_MAX);
    sh->nfree = sh->nblocks;
    sh->fresh = 1;

    ngx_memzero(sh->blocks, NGX_SHOP_ZONE_BLOCK);

    pool->data = sh;
    shm_zone->data = sh;

    return NGX_OK;
}


ngx_int_t
ngx_shop_zone_get(ngx_shop_zone_t *zone, ngx_pool_t *pool, ngx_str_t *key,
    time_t now, ngx_str_t *value, ngx_uint_t *version, time_t *stored)
{
    uint32_t                 hash;
    ngx_int_t                rc;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    hash = ngx_murmur_hash2(key->data, key->len);
    rc = NGX_DECLINED;

    ngx_str_null(value);

    ngx_shmtx_lock(&shpool->mutex);

    record = ngx_shop_zone_lookup(sh, key, hash, NGX_SHOP_ZONE_PLAIN,
                                  &cursor);

    if (record == NULL || now - record->stored >= (time_t) record->lasts) {
        goto done;
    }

    ngx_shop_zone_touch(sh, record);

    rc = NGX_OK;

    *stored = record->stored;

    if (*version == record->version) {
        goto done;
    }

    /* aligned, for values that are structures */

    value->data = ngx_palloc(pool, record->value_len);
    if (value->data == NULL) {
        rc = NGX_ERROR;
        goto done;
    }

    value->len = record->value_len;
    *version = record->version;

    ngx_shop_zone_cursor_read(&cursor, value);

done:

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


ngx_int_t
ngx_shop_zone_set(ngx_shop_zone_t *zone, ngx_str_t *key, ngx_str_t *value,
    time_t now, time_t expires)
{
    uint32_t                 hash;
    ngx_int_t                rc;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    if (key->len > NGX_SHOP_ZONE_KEY_MAX) {
        return NGX_DECLINED;
    }

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    hash = ngx_murmur_hash2(key->data, key->len);
    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    record = ngx_shop_zone_lookup(sh, key, hash, NGX_SHOP_ZONE_PLAIN,
                                  &cursor);

    if (record) {
        ngx_shop_zone_delete(sh, record);
    }

    if (now < expires) {
        record = ngx_shop_zone_create(sh, key, hash, NGX_SHOP_ZONE_PLAIN,
                                      value, now);

        if (record) {
            record->lasts = (uint32_t) ngx_min(expires - now,
                                               NGX_MAX_INT32_VALUE);

        } else {
            rc = NGX_DECLINED;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


ngx_int_t
ngx_shop_zone_lease(ngx_shop_zone_t *zone, ngx_str_t *key, time_t now,
    time_t interval)
{
    uint32_t                 hash;
    ngx_int_t                rc;
    ngx_str_t                value;
    ngx_slab_pool_t         *shpool;
    ngx_shop_zone_sh_t      *sh;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    if (key->len > NGX_SHOP_ZONE_KEY_MAX) {
        return NGX_ERROR;
    }

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    hash = ngx_murmur_hash2(key->data, key->len);

    ngx_shmtx_lock(&shpool->mutex);

    record = ngx_shop_zone_lookup(sh, key, hash, NGX_SHOP_ZONE_LEASE,
                                  &cursor);

    if (record && ngx_shop_zone_leased(record, now)) {
        rc = NGX_DECLINED;
        goto done;
    }

    if (record == NULL) {
        ngx_str_null(&value);

        record = ngx_shop_zone_create(sh, key, hash, NGX_SHOP_ZONE_LEASE,
                                      &value, now);

        if (record == NULL) {
            rc = NGX_ERROR;
            goto done;
        }
    }

    record->stored = now;
    record->lasts = (uint32_t) interval;

    ngx_shop_zone_touch(sh, record);

    rc = NGX_OK;

done:

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}


ngx_shop_zone_record_t *
ngx_shop_zone_lookup(ngx_shop_zone_sh_t *sh, ngx_str_t *key, uint32_t hash,
    ngx_uint_t kind, ngx_shop_zone_cursor_t *value)
{
    uint32_t                 n;
    ngx_shop_zone_record_t  *record;

    for (n = sh->buckets[hash & sh->mask]; n; n = record->next) {

        record = ngx_shop_zone_record(sh->blocks, n);

        if (record->hash != hash || record->kind != kind
            || record->key_len != key->len)
        {
            continue;
        }

        ngx_shop_zone_cursor_init(sh, value, record);

        if (ngx_shop_zone_cursor_match(value, key)) {
            return record;
        }
    }

    return NULL;
}


ngx_shop_zone_record_t *
ngx_shop_zone_create(ngx_shop_zone_sh_t *sh, ngx_str_t *key, uint32_t hash,
    ngx_uint_t kind, ngx_str_t *value, time_t now)
{
    size_t                   n;
    uint32_t                 number, *more, *bucket;
    ngx_shop_zone_cursor_t   cursor;
    ngx_shop_zone_record_t  *record;

    if (value->len > sh->nblocks * NGX_SHOP_ZONE_MORE) {
        return NULL;
    }

    n = ngx_shop_zone_nblocks(key->len + value->len);

    if (n > sh->nblocks) {
        return NULL;
    }

    while (sh->nfree < n) {
        ngx_shop_zone_evict(sh, now);
    }

    number = ngx_shop_zone_block_alloc(sh);
    record = ngx_shop_zone_record(sh->blocks, number);

    more = &record->more;

    while (--n) {
        *more = ngx_shop_zone_block_alloc(sh);
        more = &ngx_shop_zone_block(sh->blocks, *more)->more;
    }

    *more = 0;

    record->stored = now;
    record->lasts = 0;
    record->serial = ++sh->serial;
    record->version = record->serial;
    record->hash = hash;
    record->value_len = (uint32_t) value->len;
    record->key_len = (uint16_t) key->len;
    record->marked = 0;
    record->seen = 0;
    record->kind = (u_char) kind;
    record->flags = 0;

    ngx_shop_zone_cursor_init(sh, &cursor, record);
    ngx_shop_zone_cursor_write(&cursor, key);
    ngx_shop_zone_cursor_write(&cursor, value);

    bucket = &sh->buckets[hash & sh->mask];

    record->next = *bucket;
    *bucket = number;

    ngx_shop_zone_queue_insert(sh, record);

    return record;
}


static void
ngx_shop_zone_evict(ngx_shop_zone_sh_t *sh, time_t now)
{
    ngx_uint_t               n;
    ngx_shop_zone_record_t  *head, *record;

    head = ngx_shop_zone_record(sh->blocks, 0);

    for (n = 0; /* void */ ; n++) {

        record = ngx_shop_zone_record(sh->blocks, head->newer);

        if (record->kind != NGX_SHOP_ZONE_LEASE
            || !ngx_shop_zone_leased(record, now)
            || n == NGX_SHOP_ZONE_TURNS)
        {
            ngx_shop_zone_delete(sh, record);
            sh->cache.evictions++;
            return;
        }

        ngx_shop_zone_touch(sh, record);
    }
}


void
ngx_shop_zone_delete(ngx_shop_zone_sh_t *sh, ngx_shop_zone_record_t *record)
{
    uint32_t  n, more, *prev;

    n = ngx_shop_zone_number(sh, record);

    prev = &sh->buckets[record->hash & sh->mask];

    /* a worker that was killed may have been here before */

    while (*prev != 0 && *prev != n) {
        prev = &ngx_shop_zone_record(sh->blocks, *prev)->next;
    }

    if (*prev == n) {
        *prev = record->next;
    }

    ngx_shop_zone_queue_remove(sh, record);

    /* both begin with "more" */

    for ( /* void */ ; n; n = more) {
        more = ngx_shop_zone_block(sh->blocks, n)->more;
        ngx_shop_zone_block_free(sh, n);
    }
}


/* only what begins a record is in a bucket */

ngx_shop_zone_record_t *
ngx_shop_zone_again(ngx_shop_zone_sh_t *sh, uint32_t hash, uint32_t number,
    uint32_t serial)
{
    uint32_t                 n;
    ngx_shop_zone_record_t  *record;

    for (n = sh->buckets[hash & sh->mask]; n; n = record->next) {

        record = ngx_shop_zone_record(sh->blocks, n);

        if (n == number) {
            return record->serial == serial ? record : NULL;
        }
    }

    return NULL;
}


uint32_t
ngx_shop_zone_number(ngx_shop_zone_sh_t *sh, ngx_shop_zone_record_t *record)
{
    return (uint32_t) (((u_char *) record - sh->blocks) / NGX_SHOP_ZONE_BLOCK);
}


void
ngx_shop_zone_touch(ngx_shop_zone_sh_t *sh, ngx_shop_zone_record_t *record)
{
    ngx_shop_zone_queue_remove(sh, record);
    ngx_shop_zone_queue_insert(sh, record);
}


/* the head is the older one of the newest, and the newer one of the oldest */

static void
ngx_shop_zone_queue_insert(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record)
{
    uint32_t                 n;
    ngx_shop_zone_record_t  *head;

    n = ngx_shop_zone_number(sh, record);
    head = ngx_shop_zone_record(sh->blocks, 0);

    record->newer = 0;
    record->older = head->older;

    ngx_shop_zone_record(sh->blocks, record->older)->newer = n;
    head->older = n;
}


static void
ngx_shop_zone_queue_remove(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_record_t *record)
{
    ngx_shop_zone_record(sh->blocks, record->newer)->older = record->older;
    ngx_shop_zone_record(sh->blocks, record->older)->newer = record->newer;
}


/* a clock set back must not make a lease longer than it was */

static ngx_uint_t
ngx_shop_zone_leased(ngx_shop_zone_record_t *lease, time_t now)
{
    return lease->stored <= now
           && now - lease->stored < (time_t) lease->lasts;
}


static size_t
ngx_shop_zone_nblocks(size_t len)
{
    if (len <= NGX_SHOP_ZONE_FIRST) {
        return 1;
    }

    len -= NGX_SHOP_ZONE_FIRST;

    return 1 + (len + NGX_SHOP_ZONE_MORE - 1) / NGX_SHOP_ZONE_MORE;
}


/* the caller has looked at "nfree" */

static uint32_t
ngx_shop_zone_block_alloc(ngx_shop_zone_sh_t *sh)
{
    uint32_t  n;

    sh->nfree--;

    n = sh->free;

    if (n) {
        sh->free = ngx_shop_zone_block(sh->blocks, n)->more;
        return n;
    }

    /* pages are touched when they are needed first, not all at the start */

    return sh->fresh++;
}


static void
ngx_shop_zone_block_free(ngx_shop_zone_sh_t *sh, uint32_t n)
{
    ngx_shop_zone_block(sh->blocks, n)->more = sh->free;
    sh->free = n;
    sh->nfree++;
}


static void
ngx_shop_zone_cursor_init(ngx_shop_zone_sh_t *sh,
    ngx_shop_zone_cursor_t *cursor, ngx_shop_zone_record_t *record)
{
    cursor->blocks = sh->blocks;
    cursor->more = record->more;
    cursor->pos = record->data;
    cursor->left = NGX_SHOP_ZONE_FIRST;
}


/* steps over at most "len" bytes that lie side by side; "*p" is the first */

static size_t
ngx_shop_zone_cursor_step(ngx_shop_zone_cursor_t *cursor, size_t len,
    u_char **p)
{
    ngx_shop_zone_block_t  *block;

    /* the lengths of a record say that there is one more */

    if (cursor->left == 0) {
        block = ngx_shop_zone_block(cursor->blocks, cursor->more);

        cursor->pos = block->data;
        cursor->left = NGX_SHOP_ZONE_MORE;
        cursor->more = block->more;
    }

    *p = cursor->pos;

    len = ngx_min(len, cursor->left);

    cursor->pos += len;
    cursor->left -= len;

    return len;
}


static void
ngx_shop_zone_cursor_write(ngx_shop_zone_cursor_t *cursor, ngx_str_t *text)
{
    u_char  *p, *src, *last;
    size_t   n;

    if (text->len == 0) {
        return;
    }

    src = text->data;
    last = src + text->len;

    while (src < last) {
        n = ngx_shop_zone_cursor_step(cursor, last - src, &p);
        ngx_memcpy(p, src, n);
        src += n;
    }
}


void
ngx_shop_zone_cursor_read(ngx_shop_zone_cursor_t *cursor, ngx_str_t *text)
{
    u_char  *p, *dst, *last;
    size_t   n;

    dst = text->data;
    last = dst + text->len;

    while (dst < last) {
        n = ngx_shop_zone_cursor_step(cursor, last - dst, &p);
        dst = ngx_cpymem(dst, p, n);
    }
}


/* 1: the next bytes are "text"; they have been stepped over then */

static ngx_uint_t
ngx_shop_zone_cursor_match(ngx_shop_zone_cursor_t *cursor, ngx_str_t *text)
{
    u_char  *p, *src, *last;
    size_t   n;

    src = text->data;
    last = src + text->len;

    while (src < last) {
        n = ngx_shop_zone_cursor_step(cursor, last - src, &p);

        if (ngx_memcmp(p, src, n) != 0) {
            return 0;
        }

        src += n;
    }

    return 1;
}
