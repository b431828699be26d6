
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "customer/ngx_shop_customer.h"


static ngx_int_t ngx_shop_customer_identity_join(ngx_pool_t *pool,
    const char *head, ngx_str_t *provider, ngx_str_t *subject,
    ngx_str_t *joined);


ngx_int_t
ngx_shop_customer_identity_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_str_t *provider, ngx_str_t *subject, ngx_str_t *key)
{
    ngx_str_t  name;

    if (ngx_shop_customer_identity_join(pool, "", provider, subject, &name)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_key(redis, pool, "identity", &name, key);
}


/* who can read the database cannot read addresses there, only try some */

ngx_int_t
ngx_shop_customer_email_key(ngx_shop_redis_t *redis, ngx_pool_t *pool,
    ngx_str_t *email, ngx_str_t *key)
{
    u_char     digest[NGX_SHOP_SHA256_LEN], low[NGX_SHOP_EMAIL_MAX];
    ngx_str_t  text, name;

    if (email->len > NGX_SHOP_EMAIL_MAX) {
        return NGX_ERROR;
    }

    text.data = low;
    text.len = email->len;

    ngx_strlow(low, email->data, email->len);

    if (ngx_shop_sha256(&text, digest, pool->log) != NGX_OK
        || ngx_shop_hex(pool, digest, NGX_SHOP_SHA256_LEN, &name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_key(redis, pool, "email", &name, key);
}


ngx_int_t
ngx_shop_customer_identity_field(ngx_pool_t *pool, ngx_str_t *provider,
    ngx_str_t *subject, ngx_str_t *field)
{
    return ngx_shop_customer_identity_join(pool, "id:", provider, subject,
                                           field);
}


/*
 * A provider's name holds no colon, and the subject is percent-encoded: two
 * identities never share a key, and braces in a subject pick no hash slot.
 */

static ngx_int_t
ngx_shop_customer_identity_join(ngx_pool_t *pool, const char *head,
    ngx_str_t *provider, ngx_str_t *subject, ngx_str_t *joined)
{
    u_char  *p;

    p = ngx_pnalloc(pool, ngx_strlen(head) + provider->len + 1
                          + ngx_shop_escaped_len(subject));
    if (p == NULL) {
        return NGX_ERROR;
    }

    joined->data = p;

    p = ngx_sprintf(p, "%s%V:", head, provider);
    p = ngx_shop_escape(p, subject);

    joined->len = p - joined->data;

    return NGX_OK;
}
