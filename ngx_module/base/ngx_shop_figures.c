
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_zone.h"


/*
 * Counters are common to all workers, and atomic: a worker that dies takes
 * nothing with it, and a reload changes nothing, as the zone stays.
 *
 * A state is different: it is that of a worker that is there.  So each has a
 * place, that of its number; who dies is replaced by one of the same number.
 * In a reload two workers have one number for a while, and the place is the
 * younger one's ("owners").
 *
 *                 counters          worker 0     worker 1
 *     instance    12 0 3 ...        -            -
 *     name        71 0 0 ...        state, n     state, n
 *     ...
 *     others      0  0 0 ...
 *
 * The table is small and looked through by whoever wants figures, once; what
 * it got is a pointer.  In a reload, figures can change hands while a worker
 * of the configuration before still counts in them, if the table is full.
 */


static ngx_uint_t ngx_shop_figures_used(ngx_shop_zone_sh_t *sh,
    ngx_shop_figures_t *figures);


void
ngx_shop_figures_reset(ngx_shop_zone_t *zone)
{
    ngx_shop_zone_sh_t  *sh;

    sh = zone->shm_zone->data;

    ngx_memzero(sh->owners, sizeof(sh->owners));
}


ngx_uint_t
ngx_shop_figures_join(ngx_shop_zone_t *zone)
{
    ngx_uint_t           i, left;
    ngx_slab_pool_t     *shpool;
    ngx_shop_zone_sh_t  *sh;

    if (ngx_worker >= NGX_SHOP_FIGURES_WORKERS) {
        return 0;
    }

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    ngx_shmtx_lock(&shpool->mutex);

    left = sh->owners[ngx_worker] ? sh->figures[0].amounts[ngx_worker] : 0;

    sh->owners[ngx_worker] = ngx_pid;

    for (i = 0; i < sh->nfigures; i++) {
        sh->figures[i].states[ngx_worker] = 0;
        sh->figures[i].amounts[ngx_worker] = 0;
    }

    ngx_shmtx_unlock(&shpool->mutex);

    return left;
}


ngx_shop_figures_t *
ngx_shop_figures_own(ngx_shop_zone_t *zone)
{
    return ((ngx_shop_zone_sh_t *) zone->shm_zone->data)->figures;
}


ngx_shop_figures_t *
ngx_shop_figures_get(ngx_shop_zone_t *zone, ngx_str_t *name)
{
    ngx_uint_t           i;
    ngx_str_t            others;
    ngx_slab_pool_t     *shpool;
    ngx_shop_zone_sh_t  *sh;
    ngx_shop_figures_t  *figures, *room, *old;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    room = NULL;
    old = NULL;

    ngx_shmtx_lock(&shpool->mutex);

    for (i = 1; i < sh->nfigures - 1; i++) {

        figures = &sh->figures[i];

        if (figures->len == 0) {

            if (room == NULL) {
                room = figures;
            }

            continue;
        }

        if (figures->len == name->len
            && ngx_memcmp(figures->name, name->data, name->len) == 0)
        {
            goto done;
        }

        if (old == NULL && !ngx_shop_figures_used(sh, figures)) {
            old = figures;
        }
    }

    if (name->len <= NGX_SHOP_FIGURES_NAME && room) {
        figures = room;

    } else if (name->len <= NGX_SHOP_FIGURES_NAME && old) {
        figures = old;
        ngx_memzero(figures, sizeof(ngx_shop_figures_t));

    } else {
        ngx_str_set(&others, "others");
        name = &others;
        figures = &sh->figures[sh->nfigures - 1];
    }

    figures->len = (u_char) name->len;
    ngx_memcpy(figures->name, name->data, name->len);

done:

    ngx_shmtx_unlock(&shpool->mutex);

    return figures;
}


static ngx_uint_t
ngx_shop_figures_used(ngx_shop_zone_sh_t *sh, ngx_shop_figures_t *figures)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_SHOP_FIGURES_WORKERS; i++) {
        if (sh->owners[i] && figures->states[i]) {
            return 1;
        }
    }

    return 0;
}


void
ngx_shop_figures_say(ngx_shop_zone_t *zone, ngx_shop_figures_t *figures,
    ngx_uint_t state, ngx_uint_t amount)
{
    ngx_shop_zone_sh_t  *sh;

    sh = zone->shm_zone->data;

    if (ngx_worker >= NGX_SHOP_FIGURES_WORKERS
        || sh->owners[ngx_worker] != ngx_pid)
    {
        return;
    }

    figures->states[ngx_worker] = (u_char) state;
    figures->amounts[ngx_worker] = (uint16_t) amount;
}


ngx_int_t
ngx_shop_figures_read(ngx_shop_zone_t *zone, ngx_pool_t *pool, ngx_uint_t i,
    ngx_shop_figures_sum_t *sum)
{
    ngx_int_t            rc;
    ngx_uint_t           n;
    ngx_slab_pool_t     *shpool;
    ngx_shop_zone_sh_t  *sh;
    ngx_shop_figures_t  *figures;

    shpool = ngx_shop_zone_pool(zone);
    sh = zone->shm_zone->data;

    if (i >= sh->nfigures) {
        return NGX_DONE;
    }

    figures = &sh->figures[i];

    ngx_memzero(sum, sizeof(ngx_shop_figures_sum_t));

    rc = NGX_OK;

    ngx_shmtx_lock(&shpool->mutex);

    if (figures->len) {
        sum->name.data = ngx_pnalloc(pool, figures->len);

        if (sum->name.data == NULL) {
            rc = NGX_ERROR;
            goto done;
        }

        sum->name.len = figures->len;
        ngx_memcpy(sum->name.data, figures->name, figures->len);

    } else if (i) {
        rc = NGX_DECLINED;
        goto done;
    }

    for (n = 0; n < NGX_SHOP_FIGURES_COUNTERS; n++) {
        sum->counters[n] = figures->counters[n];
    }

    for (n = 0; n < NGX_SHOP_FIGURES_WORKERS; n++) {
        if (sh->owners[n]) {
            sum->states[figures->states[n] % NGX_SHOP_FIGURES_STATES]++;
            sum->amount += figures->amounts[n];
        }
    }

done:

    ngx_shmtx_unlock(&shpool->mutex);

    return rc;
}
