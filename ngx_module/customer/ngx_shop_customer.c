
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "customer/ngx_shop_customer.h"


#define NGX_SHOP_CUSTOMER_RANDOM_LEN  16    /* bytes of a new id */
#define NGX_SHOP_CUSTOMER_PROFILE     16    /* words of profile fields */


ngx_int_t
ngx_shop_customer_new_id(ngx_pool_t *pool, ngx_str_t *id, ngx_log_t *log)
{
    u_char  random[NGX_SHOP_CUSTOMER_RANDOM_LEN];

    if (ngx_shop_random(random, NGX_SHOP_CUSTOMER_RANDOM_LEN, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_hex(pool, random, NGX_SHOP_CUSTOMER_RANDOM_LEN, id);
}


/*
 * "SET NX GET" would do in one command, but asks for Redis 7.0.
 */

ngx_int_t
ngx_shop_customer_claim(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *provider, ngx_str_t *subject, ngx_str_t *id)
{
    ngx_str_t  argv[4];

    ngx_str_set(&argv[0], "SET");

    if (ngx_shop_customer_identity_key(redis, op->pool, provider, subject,
                                       &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    argv[2] = *id;
    ngx_str_set(&argv[3], "NX");

    if (ngx_shop_redis_add(op, 4, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "GET");

    return ngx_shop_redis_add(op, 2, argv);
}


ngx_int_t
ngx_shop_customer_claimed(ngx_pool_t *pool, ngx_shop_redis_reply_t **replies,
    ngx_str_t *id)
{
    ngx_shop_redis_reply_t  *set, *get;

    set = replies[0];
    get = replies[1];

    /* who was first does not matter, but a refused SET does */

    if ((set->type != NGX_SHOP_REDIS_STATUS && set->type != NGX_SHOP_REDIS_NIL)
        || get->type != NGX_SHOP_REDIS_STRING
        || !ngx_shop_customer_id_valid(&get->str))
    {
        return NGX_ERROR;
    }

    id->len = get->str.len;
    id->data = ngx_pstrdup(pool, &get->str);

    return id->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_customer_create(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *id, ngx_shop_profile_t *profile, ngx_str_t *released,
    time_t now)
{
    ngx_str_t  key, args[5 + NGX_SHOP_CUSTOMER_PROFILE];

    if (ngx_shop_redis_customer_key(redis, op->pool, "customer", id, NULL,
                                    &key)
        != NGX_OK
        || ngx_shop_decimal(op->pool, now, &args[0]) != NGX_OK
        || ngx_shop_customer_identity_field(op->pool, &profile->provider,
                                            &profile->subject, &args[1])
           != NGX_OK
        || ngx_shop_decimal(op->pool, profile->issued, &args[4]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    args[2] = profile->email;

    if (profile->email_unknown) {
        ngx_str_set(&args[2], "?");
    }

    args[3] = *released;

    ngx_str_set(&args[5], "email");
    args[6] = profile->email;

    ngx_str_set(&args[7], "email_state");
    ngx_str_null(&args[8]);

    if (profile->email.len) {
        if (profile->email_verified) {
            ngx_str_set(&args[8], "verified");

        } else {
            ngx_str_set(&args[8], "unverified");
        }
    }

    ngx_str_set(&args[9], "name");
    args[10] = profile->name;

    ngx_str_set(&args[11], "given_name");
    args[12] = profile->given_name;

    ngx_str_set(&args[13], "family_name");
    args[14] = profile->family_name;

    ngx_str_set(&args[15], "locale");
    args[16] = profile->locale;

    ngx_str_set(&args[17], "picture");
    args[18] = profile->picture;

    ngx_str_set(&args[19], "phone");
    args[20] = profile->phone;

    return ngx_shop_redis_add_script(op, &ngx_shop_redis_script_customer, 1,
                                     &key, 5 + NGX_SHOP_CUSTOMER_PROFILE,
                                     args);
}


ngx_int_t
ngx_shop_customer_created(ngx_shop_redis_reply_t *reply, ngx_uint_t *created,
    ngx_str_t *former)
{
    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts != 2
        || reply->elts[0]->type != NGX_SHOP_REDIS_INTEGER
        || ngx_shop_redis_text(reply, 1, former) != NGX_OK
        || former->len > NGX_SHOP_EMAIL_MAX)
    {
        return NGX_ERROR;
    }

    *created = (reply->elts[0]->integer == 1);

    return (reply->elts[0]->integer < 0) ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_shop_customer_read(ngx_shop_redis_t *redis, ngx_shop_redis_op_t *op,
    ngx_str_t *id)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "HGETALL");

    if (ngx_shop_redis_customer_key(redis, op->pool, "customer", id, NULL,
                                    &argv[1])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_redis_add(op, 2, argv);
}


ngx_int_t
ngx_shop_customer_links(ngx_pool_t *pool, ngx_shop_redis_reply_t *reply,
    ngx_array_t *links)
{
    u_char           *p, *last;
    ngx_str_t         field, value;
    ngx_uint_t        i;
    ngx_shop_link_t  *link;

    if (reply->type != NGX_SHOP_REDIS_ARRAY || reply->nelts % 2) {
        return NGX_ERROR;
    }

    if (reply->nelts == 0) {
        return NGX_DECLINED;
    }

    if (ngx_array_init(links, pool, 2, sizeof(ngx_shop_link_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->nelts; i += 2) {

        if (ngx_shop_redis_text(reply, i, &field) != NGX_OK
            || ngx_shop_redis_text(reply, i + 1, &value) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (field.len < 3 || ngx_strncmp(field.data, "id:", 3) != 0) {
            continue;
        }

        p = field.data + 3;
        last = ngx_strlchr(p, field.data + field.len, ':');

        if (last == NULL) {
            continue;
        }

        link = ngx_array_push(links);
        if (link == NULL) {
            return NGX_ERROR;
        }

        link->provider.data = p;
        link->provider.len = last - p;

        p = value.data;
        last = ngx_strlchr(p, p + value.len, ' ');

        if (last == NULL) {
            last = p + value.len;
            ngx_str_null(&link->email);

        } else {
            link->email.data = last + 1;
            link->email.len = p + value.len - link->email.data;
        }

        link->linked = ngx_atotm(p, last - p);

        if (link->linked == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
