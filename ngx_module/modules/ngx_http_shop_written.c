
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "customer/ngx_shop_customer.h"
#include "modules/ngx_http_shop_module.h"


/*
 * What a write tells the cache: once the operation is over, whatever came of
 * it, this worker forgets what was written.
 */


typedef struct ngx_http_shop_write_s  ngx_http_shop_write_t;

struct ngx_http_shop_write_s {
    ngx_shop_zone_t           *zone;
    u_char                    *sessions;    /* digests, one behind the other */
    ngx_uint_t                 n;           /* of them, may be none */
    ngx_str_t                  customer;    /* may be empty */
    ngx_http_shop_write_t     *next;        /* of the same operation */

    /* for good: this one, if it is done, or those that a reply names */

    unsigned                   signs_out:1;
    unsigned                   signs_in:1;
    unsigned                   ends:1;
};


static ngx_http_shop_write_t *ngx_http_shop_write(
    ngx_http_shop_main_conf_t *smcf, ngx_shop_redis_op_t *op, ngx_uint_t n);
static void ngx_http_shop_written(ngx_shop_redis_op_t *op);
static void ngx_http_shop_ended(ngx_shop_zone_t *zone,
    ngx_shop_redis_reply_t *ended);


ngx_int_t
ngx_http_shop_writes(ngx_http_request_t *r, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session, ngx_str_t *customer)
{
    return ngx_http_shop_writes_to(
                     ngx_http_get_module_main_conf(r, ngx_http_shop_module),
                     op, session, customer);
}


ngx_int_t
ngx_http_shop_writes_to(ngx_http_shop_main_conf_t *smcf,
    ngx_shop_redis_op_t *op, ngx_shop_session_t *session,
    ngx_str_t *customer)
{
    ngx_http_shop_write_t  *write;

    write = ngx_http_shop_write(smcf, op, session != NULL);
    if (write == NULL) {
        return NGX_ERROR;
    }

    if (session) {
        ngx_memcpy(write->sessions, session->digest, NGX_SHOP_SHA256_LEN);
    }

    if (customer) {
        write->customer.data = ngx_pstrdup(op->pool, customer);
        if (write->customer.data == NULL) {
            return NGX_ERROR;
        }

        write->customer.len = customer->len;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_shop_signs_in(ngx_http_request_t *r, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session, ngx_str_t *customer)
{
    ngx_http_shop_write_t  *write;

    if (ngx_http_shop_writes(r, op, session, customer) != NGX_OK) {
        return NGX_ERROR;
    }

    write = op->over_data;
    write->signs_in = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_shop_signs_out(ngx_http_request_t *r, ngx_shop_redis_op_t *op,
    ngx_shop_session_t *session)
{
    ngx_http_shop_write_t  *write;

    if (ngx_http_shop_writes(r, op, session, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    write = op->over_data;
    write->signs_out = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_shop_ends(ngx_http_request_t *r, ngx_shop_redis_op_t *op,
    ngx_array_t *hashes)
{
    ngx_str_t              *hash;
    ngx_uint_t              i;
    ngx_http_shop_write_t  *write;

    write = ngx_http_shop_write(
                     ngx_http_get_module_main_conf(r, ngx_http_shop_module),
                     op, hashes->nelts);
    if (write == NULL) {
        return NGX_ERROR;
    }

    write->ends = 1;
    hash = hashes->elts;

    for (i = 0; i < hashes->nelts; i++) {
        if (ngx_shop_unhex(&hash[i],
                           write->sessions + i * NGX_SHOP_SHA256_LEN,
                           NGX_SHOP_SHA256_LEN)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_http_shop_write_t *
ngx_http_shop_write(ngx_http_shop_main_conf_t *smcf, ngx_shop_redis_op_t *op,
    ngx_uint_t n)
{
    ngx_http_shop_write_t  *write;

    write = ngx_pcalloc(op->pool, sizeof(ngx_http_shop_write_t));
    if (write == NULL) {
        return NULL;
    }

    write->sessions = ngx_pcalloc(op->pool, n * NGX_SHOP_SHA256_LEN);
    if (write->sessions == NULL) {
        return NULL;
    }

    write->zone = smcf->zone;
    write->n = n;
    write->next = op->over_data;

    op->over = ngx_http_shop_written;
    op->over_data = write;

    return write;
}


static void
ngx_http_shop_written(ngx_shop_redis_op_t *op)
{
    ngx_str_t                session, former;
    ngx_uint_t               i, unlinked;
    ngx_http_shop_write_t   *write;
    ngx_shop_redis_reply_t  *ended;

    for (write = op->over_data; write; write = write->next) {

        session.len = NGX_SHOP_SHA256_LEN;

        for (i = 0; i < write->n; i++) {
            session.data = write->sessions + i * NGX_SHOP_SHA256_LEN;

            ngx_shop_cache_drop(write->zone, NGX_SHOP_CACHE_SESSION, &session);

            if (write->signs_out && op->rc == NGX_OK
                && ngx_shop_session_done(op->replies[0]) == NGX_OK)
            {
                ngx_shop_cache_end(write->zone, &session);
            }
        }

        if (write->customer.len) {
            ngx_shop_cache_drop(write->zone, NGX_SHOP_CACHE_VIEW,
                                &write->customer);
        }

        if (op->rc != NGX_OK) {
            continue;
        }

        if (write->ends
            && ngx_shop_customer_left(op->replies[0], &unlinked, &ended,
                                      &former)
               == NGX_OK)
        {
            ngx_http_shop_ended(write->zone, ended);
        }

        if (write->signs_in) {
            ngx_http_shop_ended(write->zone, op->replies[op->ncommands - 1]);
        }
    }
}


static void
ngx_http_shop_ended(ngx_shop_zone_t *zone, ngx_shop_redis_reply_t *ended)
{
    u_char      digest[NGX_SHOP_SHA256_LEN];
    ngx_str_t   session, hash;
    ngx_uint_t  i;

    if (ended->type != NGX_SHOP_REDIS_ARRAY) {
        return;
    }

    session.len = NGX_SHOP_SHA256_LEN;
    session.data = digest;

    for (i = 0; i < ended->nelts; i++) {

        if (ngx_shop_redis_text(ended, i, &hash) == NGX_OK
            && ngx_shop_unhex(&hash, digest, NGX_SHOP_SHA256_LEN) == NGX_OK)
        {
            ngx_shop_cache_end(zone, &session);
        }
    }
}
