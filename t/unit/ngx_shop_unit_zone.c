
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"

#include "ngx_shop_unit.h"


/*
 * A zone is added to the configuration as ever, but nginx maps it later, so
 * its memory here is plain and private, which lets a sanitizer see its ends.
 */


#define NGX_SHOP_UNIT_ZONE_SIZE  (16 * 4096)


typedef struct {
    ngx_uint_t  set;                /* number of the last set, 0: none */
    size_t      len;
    time_t      expires;
} ngx_shop_unit_zone_model_t;


static void ngx_shop_unit_zone_set_get(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_sizes(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_versions(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_expiry(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_eviction(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_pressure(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_random(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_leases(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_leases_stay(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_reload(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_workers(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_figures(ngx_shop_unit_t *u);
static void ngx_shop_unit_zone_states(ngx_shop_unit_t *u);

static ngx_shop_zone_t *ngx_shop_unit_zone(ngx_shop_unit_t *u, size_t size);
static void ngx_shop_unit_zone_pool(ngx_shop_unit_t *u, u_char *addr,
    size_t size);
static ngx_int_t ngx_shop_unit_zone_set(ngx_shop_zone_t *zone,
    const char *key, const char *value, time_t now, time_t expires);
static ngx_int_t ngx_shop_unit_zone_get(ngx_shop_unit_t *u,
    ngx_shop_zone_t *zone, const char *key, time_t now, ngx_str_t *value);
static size_t ngx_shop_unit_zone_max(ngx_shop_zone_t *zone, u_char *buf,
    size_t size);


ngx_shop_unit_test_t  ngx_shop_unit_zone_tests[] = {
    { "what is set is there", ngx_shop_unit_zone_set_get },
    { "sizes of keys and values", ngx_shop_unit_zone_sizes },
    { "versions", ngx_shop_unit_zone_versions },
    { "expiry", ngx_shop_unit_zone_expiry },
    { "the oldest goes", ngx_shop_unit_zone_eviction },
    { "other sizes in a full zone", ngx_shop_unit_zone_pressure },
    { "any order, nothing is lost", ngx_shop_unit_zone_random },
    { "leases", ngx_shop_unit_zone_leases },
    { "a lease in force stays", ngx_shop_unit_zone_leases_stay },
    { "a reload", ngx_shop_unit_zone_reload },
    { "a bad zone is refused", ngx_shop_unit_zone_refuse },
    { "two workers", ngx_shop_unit_zone_workers },
    { "figures", ngx_shop_unit_zone_figures },
    { "what workers say", ngx_shop_unit_zone_states },
    { NULL, NULL }
};


static ngx_shop_zone_t *
ngx_shop_unit_zone(ngx_shop_unit_t *u, size_t size)
{
    u_char             *addr;
    ngx_str_t           name;
    ngx_shop_zone_t    *zone;
    ngx_shm_zone_t     *shm_zone;

    static ngx_uint_t   n;
    static u_char       names[100][16];

    name.data = names[n];
    name.len = ngx_sprintf(names[n], "unit_%ui", n) - names[n];
    n++;

    zone = ngx_shop_zone_add(u->cf, &name, size, &n);

    shm_zone = ngx_palloc(u->pool, sizeof(ngx_shm_zone_t));
    addr = ngx_pmemalign(u->pool, size, ngx_pagesize);

    if (!ngx_shop_unit_ok(u, zone && shm_zone && addr, "zone of %uz", size)) {
        return NULL;
    }

    ngx_shop_unit_zone_pool(u, addr, size);

    *shm_zone = *zone->shm_zone;
    shm_zone->shm.addr = addr;
    shm_zone->shm.log = u->log;

    zone->shm_zone = shm_zone;

    if (!ngx_shop_unit_ok(u, shm_zone->init(shm_zone, NULL) == NGX_OK,
                          "zone of %uz is made", size))
    {
        return NULL;
    }

    return zone;
}


/* as nginx makes it */

static void
ngx_shop_unit_zone_pool(ngx_shop_unit_t *u, u_char *addr, size_t size)
{
    ngx_slab_pool_t  *pool;

    ngx_memzero(addr, size);

    pool = (ngx_slab_pool_t *) addr;

    pool->end = addr + size;
    pool->min_shift = 3;
    pool->addr = addr;

    ngx_shop_unit_ok(u, ngx_shmtx_create(&pool->mutex, &pool->lock, NULL)
                        == NGX_OK, "mutex");

    ngx_slab_init(pool);
}


static ngx_int_t
ngx_shop_unit_zone_set(ngx_shop_zone_t *zone, const char *key,
    const char *value, time_t now, time_t expires)
{
    ngx_str_t  k, v;

    k.data = (u_char *) key;
    k.len = ngx_strlen(key);

    v.data = (u_char *) value;
    v.len = ngx_strlen(value);

    return ngx_shop_zone_set(zone, &k, &v, now, expires);
}


static ngx_int_t
ngx_shop_unit_zone_get(ngx_shop_unit_t *u, ngx_shop_zone_t *zone,
    const char *key, time_t now, ngx_str_t *value)
{
    time_t      stored;
    ngx_str_t   k;
    ngx_uint_t  version;

    k.data = (u_char *) key;
    k.len = ngx_strlen(key);

    version = 0;

    return ngx_shop_zone_get(zone, u->pool, &k, now, value, &version,
                             &stored);
}


/* the longest value that an empty zone takes */

static size_t
ngx_shop_unit_zone_max(ngx_shop_zone_t *zone, u_char *buf, size_t size)
{
    size_t     low, high, mid;
    ngx_str_t  key, value;

    ngx_str_set(&key, "max");

    value.data = buf;

    low = 0;
    high = size;

    while (low + 1 < high) {
        mid = (low + high) / 2;
        value.len = mid;

        if (ngx_shop_zone_set(zone, &key, &value, 1, 2) == NGX_OK) {
            low = mid;

        } else {
            high = mid;
        }
    }

    return low;
}


static void
ngx_shop_unit_zone_set_get(ngx_shop_unit_t *u)
{
    time_t            stored;
    ngx_str_t         key, value;
    ngx_uint_t        version;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 10, &value),
                         NGX_DECLINED, "empty");
    ngx_shop_unit_ok(u, value.data == NULL && value.len == 0,
                     "no value of nothing");

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_set(zone, "a", "one", 10, 20),
                         NGX_OK, "set");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_set(zone, "b", "", 11, 20),
                         NGX_OK, "set an empty one");

    ngx_str_set(&key, "a");

    version = 0;
    stored = 0;

    ngx_shop_unit_is_int(u, ngx_shop_zone_get(zone, u->pool, &key, 12,
                                              &value, &version, &stored),
                         NGX_OK, "get");
    ngx_shop_unit_is(u, &value, "one", "get");
    ngx_shop_unit_is_int(u, stored, 10, "time of the set");
    ngx_shop_unit_ok(u, version != 0, "there is a version");
    ngx_shop_unit_is_int(u, (uintptr_t) value.data % NGX_ALIGNMENT, 0,
                         "aligned");

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "b", 12, &value),
                         NGX_OK, "get an empty one");
    ngx_shop_unit_is(u, &value, "", "get an empty one");

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "", 12, &value),
                         NGX_DECLINED, "no key");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "aa", 12,
                                                   &value),
                         NGX_DECLINED, "a longer key");

    (void) ngx_shop_unit_zone_set(zone, "a", "two and more", 13, 20);

    (void) ngx_shop_unit_zone_get(u, zone, "a", 13, &value);
    ngx_shop_unit_is(u, &value, "two and more", "set again");

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_set(zone, "a", "x", 14, 14),
                         NGX_OK, "forget");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 13, &value),
                         NGX_DECLINED, "forgotten");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_set(zone, "a", "x", 14, 0),
                         NGX_OK, "forget what is not there");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "b", 13, &value),
                         NGX_OK, "the other one stays");
}


static void
ngx_shop_unit_zone_sizes(ngx_shop_unit_t *u)
{
    size_t            i, n, max;
    time_t            stored;
    u_char           *buf;
    ngx_int_t         rc;
    ngx_str_t         key, value, got;
    ngx_uint_t        version, wrong;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    buf = ngx_pnalloc(u->pool, 2 * NGX_SHOP_UNIT_ZONE_SIZE);

    if (zone == NULL || buf == NULL) {
        return;
    }

    for (i = 0; i < 2 * NGX_SHOP_UNIT_ZONE_SIZE; i++) {
        buf[i] = (u_char) (i * 31 + i / 251);
    }

    wrong = 0;

    for (n = 0; n <= 512; n++) {
        for (i = 0; i < 400; i = i * 2 + 1) {

            key.data = buf;
            key.len = n;

            value.data = buf + 1000 + n;
            value.len = i;

            version = 0;

            wrong += ngx_shop_zone_set(zone, &key, &value, 1, 2) != NGX_OK
                     || ngx_shop_zone_get(zone, u->pool, &key, 1, &got,
                                          &version, &stored)
                        != NGX_OK
                     || got.len != i
                     || ngx_memcmp(got.data, value.data, i) != 0;
        }
    }

    ngx_shop_unit_is_int(u, wrong, 0, "keys up to 512 bytes");

    key.len = 513;

    version = 0;

    ngx_shop_unit_is_int(u, ngx_shop_zone_set(zone, &key, &value, 1, 2),
                         NGX_DECLINED, "a key of 513, set");
    ngx_shop_unit_is_int(u, ngx_shop_zone_get(zone, u->pool, &key, 1, &got,
                                              &version, &stored),
                         NGX_DECLINED, "a key of 513, get");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 1, 1),
                         NGX_ERROR, "a key of 513, lease");

    max = ngx_shop_unit_zone_max(zone, buf, 2 * NGX_SHOP_UNIT_ZONE_SIZE);

    ngx_shop_unit_note(u, "%uz bytes in a zone of %uz", max,
                       (size_t) NGX_SHOP_UNIT_ZONE_SIZE);

    ngx_shop_unit_ok(u, max > NGX_SHOP_UNIT_ZONE_SIZE * 3 / 4
                        && max < NGX_SHOP_UNIT_ZONE_SIZE,
                     "a value may fill the zone");

    ngx_str_set(&key, "big");

    value.data = buf;
    value.len = max;

    rc = ngx_shop_zone_set(zone, &key, &value, 1, 2);

    version = 0;

    ngx_shop_unit_ok(u, rc == NGX_OK
                        && ngx_shop_zone_get(zone, u->pool, &key, 1, &got,
                                             &version, &stored)
                           == NGX_OK,
                     "the longest value");
    ngx_shop_unit_is_str(u, &got, &value, "the longest value");

    value.len = 2 * NGX_SHOP_UNIT_ZONE_SIZE;

    ngx_shop_unit_is_int(u, ngx_shop_zone_set(zone, &key, &value, 1, 2),
                         NGX_DECLINED, "a longer one");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "big", 1, &got),
                         NGX_DECLINED, "and the old one is no more");

    value.len = (size_t) -1;

    ngx_shop_unit_is_int(u, ngx_shop_zone_set(zone, &key, &value, 1, 2),
                         NGX_DECLINED, "an absurd one");

    /* nothing is evicted for what cannot be held */

    (void) ngx_shop_unit_zone_set(zone, "a", "one", 1, 2);

    value.len = max + 200;

    ngx_shop_unit_is_int(u, ngx_shop_zone_set(zone, &key, &value, 1, 2),
                         NGX_DECLINED, "one a bit longer");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 1, &got),
                         NGX_OK, "evicted nothing");
}


static void
ngx_shop_unit_zone_versions(ngx_shop_unit_t *u)
{
    time_t            stored;
    ngx_str_t         key, value;
    ngx_uint_t        version, first;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    ngx_str_set(&key, "a");

    (void) ngx_shop_unit_zone_set(zone, "a", "one", 1, 10);

    version = 0;

    (void) ngx_shop_zone_get(zone, u->pool, &key, 1, &value, &version,
                             &stored);

    first = version;
    stored = 0;

    ngx_shop_unit_is_int(u, ngx_shop_zone_get(zone, u->pool, &key, 1, &value,
                                              &version, &stored),
                         NGX_OK, "the same version");
    ngx_shop_unit_ok(u, value.data == NULL && value.len == 0,
                     "nothing is copied");
    ngx_shop_unit_is_int(u, version, first, "it stays");
    ngx_shop_unit_is_int(u, stored, 1, "the time is told");

    (void) ngx_shop_unit_zone_set(zone, "a", "two", 3, 10);

    ngx_shop_unit_is_int(u, ngx_shop_zone_get(zone, u->pool, &key, 3, &value,
                                              &version, &stored),
                         NGX_OK, "another version");
    ngx_shop_unit_is(u, &value, "two", "another version");
    ngx_shop_unit_ok(u, version != first, "another version");
    ngx_shop_unit_is_int(u, stored, 3, "another time");

    /* a record that was away in between must not look like the old one */

    (void) ngx_shop_unit_zone_set(zone, "a", "", 4, 0);
    (void) ngx_shop_unit_zone_set(zone, "a", "three", 4, 10);

    ngx_shop_unit_is_int(u, ngx_shop_zone_get(zone, u->pool, &key, 4, &value,
                                              &version, &stored),
                         NGX_OK, "forgotten and set");
    ngx_shop_unit_is(u, &value, "three", "forgotten and set");

    version = first;

    ngx_shop_unit_is_int(u, ngx_shop_zone_get(zone, u->pool, &key, 4, &value,
                                              &version, &stored),
                         NGX_OK, "with the first version");
    ngx_shop_unit_is(u, &value, "three", "with the first version");
}


static void
ngx_shop_unit_zone_expiry(ngx_shop_unit_t *u)
{
    ngx_str_t         value;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    (void) ngx_shop_unit_zone_set(zone, "a", "one", 100, 110);

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 109,
                                                   &value),
                         NGX_OK, "the last second");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 110,
                                                   &value),
                         NGX_DECLINED, "the second after");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 0x7fffffff,
                                                   &value),
                         NGX_DECLINED, "years after");

    (void) ngx_shop_unit_zone_set(zone, "a", "two", 120, 130);

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 120,
                                                   &value),
                         NGX_OK, "set again");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 50, &value),
                         NGX_OK, "a clock set back");
}


static void
ngx_shop_unit_zone_eviction(ngx_shop_unit_t *u)
{
    u_char            key[32];
    ngx_str_t         value;
    ngx_uint_t        i, n, first;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    /* how many of one block there are */

    for (n = 0; n < 10000; n++) {
        (void) ngx_sprintf(key, "key%ui%Z", n);

        if (ngx_shop_unit_zone_set(zone, (char *) key, "value", 1, 9)
            != NGX_OK)
        {
            ngx_shop_unit_ok(u, 0, "set %ui", n);
            return;
        }
    }

    for (first = 0; first < n; first++) {
        (void) ngx_sprintf(key, "key%ui%Z", first);

        if (ngx_shop_unit_zone_get(u, zone, (char *) key, 1, &value)
            == NGX_OK)
        {
            break;
        }
    }

    ngx_shop_unit_note(u, "%ui of %ui are left", n - first, n);

    ngx_shop_unit_ok(u, n - first > 350 && n - first < 512,
                     "it is full, not empty");

    for (i = first; i < n; i++) {
        (void) ngx_sprintf(key, "key%ui%Z", i);

        if (ngx_shop_unit_zone_get(u, zone, (char *) key, 1, &value)
            != NGX_OK)
        {
            break;
        }
    }

    ngx_shop_unit_is_int(u, i, n, "all of the newest are there");

    /* the gets made "first" the oldest; now it is used, and stays */

    (void) ngx_sprintf(key, "key%ui%Z", first);
    (void) ngx_shop_unit_zone_get(u, zone, (char *) key, 1, &value);

    (void) ngx_shop_unit_zone_set(zone, "new", "value", 1, 9);

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, (char *) key, 1,
                                                   &value),
                         NGX_OK, "what was used stays");

    (void) ngx_sprintf(key, "key%ui%Z", first + 1);

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, (char *) key, 1,
                                                   &value),
                         NGX_DECLINED, "what was not goes");

    (void) ngx_sprintf(key, "key%ui%Z", first + 2);

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, (char *) key, 1,
                                                   &value),
                         NGX_OK, "one for one");
}


/* with pages of a size each, this would cost most of the zone */

static void
ngx_shop_unit_zone_pressure(ngx_shop_unit_t *u)
{
    u_char            key[32], buf[5000];
    uint32_t          seed;
    ngx_str_t         k, v, value;
    ngx_uint_t        i, before, after;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, 64 * 4096);
    if (zone == NULL) {
        return;
    }

    ngx_memset(buf, 'x', sizeof(buf));

    seed = 1;
    v.data = buf;
    v.len = 400;

    for (i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;

        k.data = key;
        k.len = ngx_sprintf(key, "key%uD", (seed >> 16) % 1000) - key;

        (void) ngx_shop_zone_set(zone, &k, &v, 1, 9);
    }

    for (i = 0, before = 0; i < 1000; i++) {
        (void) ngx_sprintf(key, "key%ui%Z", i);
        before += ngx_shop_unit_zone_get(u, zone, (char *) key, 1, &value)
                  == NGX_OK;
    }

    ngx_str_set(&k, "big");
    v.len = 5000;

    ngx_shop_unit_is_int(u, ngx_shop_zone_set(zone, &k, &v, 1, 9), NGX_OK,
                         "a big one");

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_set(zone, "small", "", 1, 9),
                         NGX_OK, "a small one");

    for (i = 0, after = 0; i < 1000; i++) {
        (void) ngx_sprintf(key, "key%ui%Z", i);
        after += ngx_shop_unit_zone_get(u, zone, (char *) key, 1, &value)
                 == NGX_OK;
    }

    ngx_shop_unit_note(u, "%ui records, %ui then", before, after);

    ngx_shop_unit_ok(u, before > 400 && before < 600, "it was full");
    ngx_shop_unit_ok(u, before - after <= 16, "only what was needed went");
}


static void
ngx_shop_unit_zone_random(ngx_shop_unit_t *u)
{
    size_t                       i, max;
    time_t                       now, stored;
    u_char                      *buf, name[32];
    uint32_t                     seed, r;
    ngx_int_t                    rc;
    ngx_str_t                    key, value;
    ngx_uint_t                   n, k, hits, wrong, version;
    ngx_pool_t                  *pool;
    ngx_shop_zone_t             *zone;
    ngx_shop_unit_zone_model_t  *model;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    buf = ngx_pnalloc(u->pool, NGX_SHOP_UNIT_ZONE_SIZE);
    model = ngx_pcalloc(u->pool, 200 * sizeof(ngx_shop_unit_zone_model_t));
    pool = ngx_create_pool(4096, u->log);

    if (zone == NULL || buf == NULL || model == NULL || pool == NULL) {
        return;
    }

    max = ngx_shop_unit_zone_max(zone, buf, NGX_SHOP_UNIT_ZONE_SIZE);

    seed = 88172645;
    hits = 0;
    wrong = 0;

    for (n = 1; n <= 100000; n++) {

        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;

        r = seed;
        now = n / 1000;

        k = r % 200;
        r /= 200;

        key.data = name;
        key.len = ngx_sprintf(name, "%ui", k) - name;

        switch (r % 8) {

        case 0:
        case 1:
        case 2:
            value.data = buf;
            value.len = (r >> 8) % ((r % 64 == 0) ? max : 700);

            ngx_memset(buf, (int) n, value.len);

            model[k].set = n;
            model[k].len = value.len;
            model[k].expires = now + (r >> 4) % 10;

            wrong += ngx_shop_zone_set(zone, &key, &value, now,
                                       model[k].expires)
                     != NGX_OK;
            break;

        case 3:
            (void) ngx_shop_zone_lease(zone, &key, now, (r >> 4) % 4);
            break;

        default:
            version = 0;

            rc = ngx_shop_zone_get(zone, pool, &key, now, &value, &version,
                                   &stored);

            if (rc == NGX_DECLINED) {
                break;
            }

            hits++;

            wrong += rc != NGX_OK || model[k].set == 0
                     || value.len != model[k].len
                     || now >= model[k].expires;

            for (i = 0; i < value.len; i++) {
                wrong += value.data[i] != (u_char) model[k].set;
            }

            ngx_reset_pool(pool);
        }
    }

    ngx_destroy_pool(pool);

    ngx_shop_unit_note(u, "%ui hits", hits);

    ngx_shop_unit_ok(u, hits > 1000, "some are found");
    ngx_shop_unit_is_int(u, wrong, 0, "and are what was set");

    /* no block got lost: the longest value still fits */

    ngx_str_set(&key, "max");

    value.data = buf;
    value.len = max;

    ngx_shop_unit_is_int(u, ngx_shop_zone_set(zone, &key, &value, 1, 2),
                         NGX_OK, "all blocks are there");
}


static void
ngx_shop_unit_zone_leases(ngx_shop_unit_t *u)
{
    ngx_str_t         key, other, value;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    ngx_str_set(&key, "jwks:google");
    ngx_str_set(&other, "jwks:work");

    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 100, 30), NGX_OK,
                         "the first");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 100, 30),
                         NGX_DECLINED, "the second");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &other, 100, 30),
                         NGX_OK, "another key");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 129, 1),
                         NGX_DECLINED, "the last second");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 130, 30), NGX_OK,
                         "the second after");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 131, 30),
                         NGX_DECLINED, "it is in force again");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 50, 30), NGX_OK,
                         "a clock set back ends it");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 79, 30),
                         NGX_DECLINED, "and it is in force from there");

    /* a record of the same key is another thing */

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "jwks:google",
                                                   60, &value),
                         NGX_DECLINED, "a lease is no record");

    (void) ngx_shop_unit_zone_set(zone, "jwks:google", "keys", 60, 1000);

    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 61, 30),
                         NGX_DECLINED, "a record ends no lease");

    (void) ngx_shop_unit_zone_set(zone, "jwks:google", "", 60, 0);

    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 61, 30),
                         NGX_DECLINED, "nor does its end");

    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 200, 0), NGX_OK,
                         "no interval");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 200, 0), NGX_OK,
                         "is never in force");
}


static void
ngx_shop_unit_zone_leases_stay(ngx_shop_unit_t *u)
{
    u_char            name[32];
    ngx_str_t         key, old, value;
    ngx_uint_t        i, granted;
    ngx_shop_zone_t  *zone;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    ngx_str_set(&key, "lease");
    ngx_str_set(&old, "old lease");

    (void) ngx_shop_zone_lease(zone, &key, 1, 30);
    (void) ngx_shop_zone_lease(zone, &old, 1, 3);

    granted = 0;

    for (i = 0; i < 20000; i++) {
        (void) ngx_sprintf(name, "key%ui%Z", i);
        (void) ngx_shop_unit_zone_set(zone, (char *) name, "value", 5, 9);

        granted += ngx_shop_unit_zone_get(u, zone, "x", 5, &value)
                   != NGX_DECLINED;
    }

    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 5, 30),
                         NGX_DECLINED, "in force after 20000 records");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &old, 5, 3), NGX_OK,
                         "one that has ended can be had");

    /* a zone full of leases is full, and goes on */

    for (i = 0; i < 5000; i++) {
        key.data = name;
        key.len = ngx_sprintf(name, "lease%ui", i) - name;

        granted += ngx_shop_zone_lease(zone, &key, 5, 1000) == NGX_OK;
    }

    ngx_shop_unit_is_int(u, granted, 5000, "5000 leases");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_set(zone, "a", "one", 5, 9),
                         NGX_OK, "a record among them");
    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, zone, "a", 5, &value),
                         NGX_OK, "it is there");
    ngx_shop_unit_is_int(u, ngx_shop_zone_lease(zone, &key, 5, 1000),
                         NGX_DECLINED, "the last lease, too");
}


static void
ngx_shop_unit_zone_reload(ngx_shop_unit_t *u)
{
    u_char           *magic;
    ngx_log_t         log;
    ngx_str_t         value;
    ngx_shm_zone_t    next;
    ngx_shop_zone_t  *zone, again;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    (void) ngx_shop_unit_zone_set(zone, "a", "one", 1, 9);

    next = *zone->shm_zone;
    next.data = zone;

    again.shm_zone = &next;

    ngx_shop_unit_is_int(u, next.init(&next, zone->shm_zone->data), NGX_OK,
                         "the zone of the next configuration");

    ngx_shop_unit_is_int(u, ngx_shop_unit_zone_get(u, &again, "a", 1,
                                                   &value),
                         NGX_OK, "the record is there");
    ngx_shop_unit_is(u, &value, "one", "the record is there");

    /* workers of both configurations go on for a while */

    (void) ngx_shop_unit_zone_set(&again, "a", "two", 1, 9);
    (void) ngx_shop_unit_zone_get(u, zone, "a", 1, &value);

    ngx_shop_unit_is(u, &value, "two", "both see the same");

    /* what is not ours is left alone */

    ngx_memzero(&log, sizeof(ngx_log_t));

    magic = zone->shm_zone->data;
    magic[0] ^= 1;

    next.shm.log = &log;
    ngx_use_stderr = 0;

    ngx_shop_unit_is_int(u, next.init(&next, zone->shm_zone->data),
                         NGX_ERROR, "memory of another kind");

    ngx_use_stderr = 1;
    magic[0] ^= 1;
}


static void
ngx_shop_unit_zone_refuse(ngx_shop_unit_t *u)
{
    ngx_log_t   log;
    ngx_str_t   name;
    ngx_conf_t  cf;

    ngx_memzero(&log, sizeof(ngx_log_t));

    cf = *u->cf;
    cf.log = &log;

    ngx_str_set(&name, "unit_small");

    ngx_use_stderr = 0;

    ngx_shop_unit_ok(u, ngx_shop_zone_add(&cf, &name, 8 * ngx_pagesize - 1,
                                          &name)
                        == NULL,
                     "too small");

    ngx_use_stderr = 1;

    ngx_shop_unit_ok(u, ngx_shop_unit_zone(u, 8 * ngx_pagesize) != NULL,
                     "the smallest");
    ngx_shop_unit_ok(u, ngx_shop_unit_zone(u, 8 * ngx_pagesize + 4095)
                        != NULL,
                     "no whole number of pages");
}


/* one writes and the other reads, over memory they share */

static void
ngx_shop_unit_zone_workers(ngx_shop_unit_t *u)
{
    int               status;
    ngx_int_t         rc;
    ngx_pid_t         pid;
    ngx_shm_t         shm;
    ngx_str_t         key, value;
    ngx_uint_t        i, n, torn, granted;
    ngx_shop_unit_t   reader;
    ngx_shop_zone_t  *zone;
    u_char            buf[1000];

    zone = ngx_shop_unit_zone(u, 8 * ngx_pagesize);
    if (zone == NULL) {
        return;
    }

    shm = zone->shm_zone->shm;
    shm.size = NGX_SHOP_UNIT_ZONE_SIZE;

    if (ngx_shm_alloc(&shm) != NGX_OK) {
        return;
    }

    ngx_shop_unit_zone_pool(u, shm.addr, shm.size);

    zone->shm_zone->shm = shm;
    zone->shm_zone->data = zone;

    if (zone->shm_zone->init(zone->shm_zone, NULL) != NGX_OK) {
        return;
    }

    ngx_str_set(&key, "lease");

    pid = fork();

    if (pid == 0) {

        granted = 0;

        for (i = 0; i < 20000; i++) {
            ngx_memset(buf, (int) i, sizeof(buf));

            value.data = buf;
            value.len = 1 + i % sizeof(buf);

            ngx_str_set(&key, "a");

            (void) ngx_shop_zone_set(zone, &key, &value, 1, 9);

            ngx_str_set(&key, "lease");

            granted += ngx_shop_zone_lease(zone, &key, 1, 9) == NGX_OK;
        }

        _exit((int) granted);
    }

    reader = *u;
    reader.pool = ngx_create_pool(4096, u->log);

    if (reader.pool == NULL) {
        abort();
    }

    torn = 0;
    granted = 0;

    for (i = 0; i < 20000; i++) {

        rc = ngx_shop_unit_zone_get(&reader, zone, "a", 1, &value);

        if (rc == NGX_OK) {
            for (n = 1; n < value.len; n++) {
                torn += value.data[n] != value.data[0];
            }
        }

        granted += ngx_shop_zone_lease(zone, &key, 1, 9) == NGX_OK;

        ngx_reset_pool(reader.pool);
    }

    ngx_destroy_pool(reader.pool);

    status = 0;

    (void) waitpid(pid, &status, 0);

    ngx_shop_unit_is_int(u, torn, 0, "no value of two sets");

    if (ngx_shop_unit_ok(u, WIFEXITED(status), "the other one ended well")) {
        ngx_shop_unit_is_int(u, granted + WEXITSTATUS(status), 1,
                             "one lease for both");
    }

    ngx_shm_free(&shm);
}


/* a table of six: those of the instance, four names, and all others */

static void
ngx_shop_unit_zone_figures(ngx_shop_unit_t *u)
{
    ngx_str_t                name;
    ngx_uint_t               i;
    ngx_shop_zone_t         *zone;
    ngx_shop_figures_t      *figures[5], *own;
    ngx_shop_figures_sum_t   sum;
    u_char                   buf[NGX_SHOP_FIGURES_NAME + 1];

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    ngx_shop_figures_reset(zone);
    ngx_shop_figures_join(zone);

    own = ngx_shop_figures_own(zone);

    ngx_shop_count(own, 0);
    ngx_shop_count_more(own, 0, 41);

    ngx_shop_unit_is_int(u, ngx_shop_figures_read(zone, u->pool, 0, &sum),
                         NGX_OK, "the instance");
    ngx_shop_unit_is_int(u, sum.counters[0], 42, "counts");
    ngx_shop_unit_is_int(u, sum.name.len, 0, "has no name");
    ngx_shop_unit_is_int(u, ngx_shop_figures_read(zone, u->pool, 1, &sum),
                         NGX_DECLINED, "nobody else is there");

    /* as many as there are places, in use */

    name.data = buf;
    name.len = 1;

    for (i = 0; i < 5; i++) {
        buf[0] = (u_char) ('a' + i);

        figures[i] = ngx_shop_figures_get(zone, &name);

        ngx_shop_unit_ok(u, figures[i] == ngx_shop_figures_get(zone, &name),
                         "the same for %c", buf[0]);

        ngx_shop_figures_say(zone, figures[i], 1, 0);
        ngx_shop_count_more(figures[i], 1, i + 1);
    }

    for (i = 1; i < 4; i++) {
        ngx_shop_unit_ok(u, figures[i] == figures[i - 1] + 1,
                         "place %ui is another", i);
    }

    ngx_shop_unit_ok(u, figures[3] == figures[4], "the others are one");

    ngx_shop_unit_is_int(u, ngx_shop_figures_read(zone, u->pool, 4, &sum),
                         NGX_OK, "they are the last");
    ngx_shop_unit_is(u, &sum.name, "others", "named so");
    ngx_shop_unit_is_int(u, sum.counters[1], 9, "and counted together");
    ngx_shop_unit_is_int(u, ngx_shop_figures_read(zone, u->pool, 5, &sum),
                         NGX_DONE, "the end");

    /* who is not in use gives way, and is counted from 0 */

    ngx_shop_figures_say(zone, figures[1], 0, 0);

    ngx_str_set(&name, "new");

    ngx_shop_unit_ok(u, ngx_shop_figures_get(zone, &name) == figures[1],
                     "a place that nobody uses");

    (void) ngx_shop_figures_read(zone, u->pool, 2, &sum);
    ngx_shop_unit_is(u, &sum.name, "new", "is another's");
    ngx_shop_unit_is_int(u, sum.counters[1], 0, "from the start");

    /* names that are too long to keep apart */

    ngx_memset(buf, 'x', sizeof(buf));

    name.data = buf;
    name.len = NGX_SHOP_FIGURES_NAME + 1;

    ngx_shop_unit_ok(u, ngx_shop_figures_get(zone, &name) == figures[3],
                     "a long name is one of the others");

    name.len = NGX_SHOP_FIGURES_NAME;

    ngx_shop_unit_ok(u, ngx_shop_figures_get(zone, &name) == figures[1],
                     "the longest is not");
}


static void
ngx_shop_unit_zone_states(ngx_shop_unit_t *u)
{
    ngx_pid_t                pid;
    ngx_str_t                name;
    ngx_uint_t               worker;
    ngx_shop_zone_t         *zone;
    ngx_shop_figures_t      *figures, *own;
    ngx_shop_figures_sum_t   sum;

    zone = ngx_shop_unit_zone(u, NGX_SHOP_UNIT_ZONE_SIZE);
    if (zone == NULL) {
        return;
    }

    pid = ngx_pid;
    worker = ngx_worker;
    figures = NULL;
    own = ngx_shop_figures_own(zone);

    ngx_str_set(&name, "a");

    ngx_shop_figures_reset(zone);

    for (ngx_worker = 0; ngx_worker < 2; ngx_worker++) {
        ngx_pid = 100 + ngx_worker;

        ngx_shop_figures_join(zone);
        figures = ngx_shop_figures_get(zone, &name);
        ngx_shop_figures_say(zone, figures, 1 + ngx_worker, 3);
        ngx_shop_figures_say(zone, own, 0, 1000 + ngx_worker);
    }

    (void) ngx_shop_figures_read(zone, u->pool, 1, &sum);
    ngx_shop_unit_is_int(u, sum.states[1], 1, "one worker");
    ngx_shop_unit_is_int(u, sum.states[2], 1, "and another");
    ngx_shop_unit_is_int(u, sum.amount, 6, "a sum");

    /* one dies, and is replaced */

    ngx_worker = 1;
    ngx_pid = 201;

    ngx_shop_unit_is_int(u, ngx_shop_figures_join(zone), 1001,
                         "what one had that died");
    ngx_shop_unit_is_int(u, ngx_shop_figures_join(zone), 0, "is told once");

    (void) ngx_shop_figures_read(zone, u->pool, 1, &sum);
    ngx_shop_unit_is_int(u, sum.states[2], 0, "it says nothing any more");
    ngx_shop_unit_is_int(u, sum.amount, 3, "the other one does");

    /* one that is not the owner of its number any more */

    ngx_pid = 101;
    ngx_shop_figures_say(zone, figures, 3, 9);

    (void) ngx_shop_figures_read(zone, u->pool, 1, &sum);
    ngx_shop_unit_is_int(u, sum.states[3], 0, "an old one has no say");

    /* a reload to one worker */

    ngx_shop_figures_say(zone, own, 0, 7);
    ngx_shop_figures_reset(zone);

    (void) ngx_shop_figures_read(zone, u->pool, 1, &sum);
    ngx_shop_unit_is_int(u, sum.states[1] + sum.amount, 0, "a reload");

    ngx_worker = 0;
    ngx_pid = 300;

    ngx_shop_unit_is_int(u, ngx_shop_figures_join(zone), 0,
                         "who quits has not died");
    ngx_shop_figures_say(zone, figures, 1, 65535);

    (void) ngx_shop_figures_read(zone, u->pool, 1, &sum);
    ngx_shop_unit_is_int(u, sum.states[1], 1, "who comes then");
    ngx_shop_unit_is_int(u, sum.amount, 65535, "counts");

    /* more than there are places */

    ngx_worker = NGX_SHOP_FIGURES_WORKERS;

    ngx_shop_figures_join(zone);
    ngx_shop_figures_say(zone, figures, 2, 1);

    (void) ngx_shop_figures_read(zone, u->pool, 1, &sum);
    ngx_shop_unit_is_int(u, sum.states[2], 0, "a worker too many");

    ngx_pid = pid;
    ngx_worker = worker;
}
