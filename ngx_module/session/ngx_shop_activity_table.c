
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "session/ngx_shop_session.h"


static ngx_queue_t *ngx_shop_activity_chain(ngx_shop_activity_table_t *table,
    u_char *digest);


ngx_int_t
ngx_shop_activity_table_init(ngx_shop_activity_table_t *table,
    ngx_pool_t *pool, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_shop_activity_note_t  *note;

    note = ngx_pcalloc(pool, n * sizeof(ngx_shop_activity_note_t));
    if (note == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&table->free);
    ngx_queue_init(&table->fresh);
    ngx_queue_init(&table->late);

    for (i = 0; i < NGX_SHOP_ACTIVITY_CHAINS; i++) {
        ngx_queue_init(&table->chains[i]);
    }

    for (i = 0; i < n; i++) {
        ngx_queue_insert_tail(&table->free, &note[i].queue);
    }

    table->nlate = 0;
    table->max_late = n / 2;

    return NGX_OK;
}


ngx_shop_activity_note_t *
ngx_shop_activity_find(ngx_shop_activity_table_t *table, u_char *digest)
{
    ngx_queue_t               *q, *chain;
    ngx_shop_activity_note_t  *note;

    chain = ngx_shop_activity_chain(table, digest);

    for (q = ngx_queue_head(chain);
         q != ngx_queue_sentinel(chain);
         q = ngx_queue_next(q))
    {
        note = ngx_queue_data(q, ngx_shop_activity_note_t, chain);

        if (ngx_memcmp(note->digest, digest, NGX_SHOP_SHA256_LEN) == 0) {
            return note;
        }
    }

    return NULL;
}


ngx_shop_activity_note_t *
ngx_shop_activity_add(ngx_shop_activity_table_t *table, u_char *digest,
    ngx_str_t *customer)
{
    ngx_queue_t               *q;
    ngx_shop_activity_note_t  *note;

    q = ngx_queue_head(&table->free);
    ngx_queue_remove(q);

    note = ngx_queue_data(q, ngx_shop_activity_note_t, queue);

    ngx_memcpy(note->digest, digest, NGX_SHOP_SHA256_LEN);
    ngx_memcpy(note->id, customer->data, customer->len);

    note->customer.data = note->id;
    note->customer.len = customer->len;
    note->turn = 0;
    note->shown_len = 0;
    note->shown_sent = 0;

    ngx_queue_insert_tail(&table->fresh, &note->queue);
    ngx_queue_insert_head(ngx_shop_activity_chain(table, digest),
                          &note->chain);
    return note;
}


static ngx_queue_t *
ngx_shop_activity_chain(ngx_shop_activity_table_t *table, u_char *digest)
{
    return &table->chains[digest[0] & (NGX_SHOP_ACTIVITY_CHAINS - 1)];
}


ngx_shop_activity_note_t *
ngx_shop_activity_take(ngx_shop_activity_table_t *table, ngx_msec_t now)
{
    ngx_queue_t               *q;
    ngx_shop_activity_note_t  *note;

    if (!ngx_queue_empty(&table->fresh)) {

        q = ngx_queue_head(&table->fresh);
        ngx_queue_remove(q);

        return ngx_queue_data(q, ngx_shop_activity_note_t, queue);
    }

    if (ngx_queue_empty(&table->late)) {
        return NULL;
    }

    q = ngx_queue_head(&table->late);
    note = ngx_queue_data(q, ngx_shop_activity_note_t, queue);

    if ((ngx_msec_int_t) (now - note->due) < 0) {
        return NULL;
    }

    ngx_queue_remove(q);
    table->nlate--;

    return note;
}


/* what cannot be sent now must not take the place of what can */

ngx_int_t
ngx_shop_activity_late(ngx_shop_activity_table_t *table,
    ngx_shop_activity_note_t *note, ngx_msec_t due)
{
    if (table->nlate == table->max_late) {
        return NGX_DECLINED;
    }

    note->due = due;

    ngx_queue_insert_tail(&table->late, &note->queue);
    table->nlate++;

    return NGX_OK;
}


void
ngx_shop_activity_free(ngx_shop_activity_table_t *table,
    ngx_shop_activity_note_t *note)
{
    ngx_queue_remove(&note->chain);
    ngx_queue_insert_head(&table->free, &note->queue);
}
