
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/ngx_shop_crypt.h"


#define NGX_SHOP_AES_BLOCK      16
#define NGX_SHOP_AES_CBC_MAX    8192

#define NGX_SHOP_RANDOM_STOCK   512


typedef struct {
    ngx_uint_t                 bits;
    const char                *name;
    const EVP_MD            *(*builtin)(void);
    EVP_MD                    *fetched;
    EVP_MD_CTX                *ctx;
} ngx_shop_digest_t;


static void ngx_shop_zero_cleanup(void *data);


/*
 * OpenSSL 3 looks an algorithm up by name in each call that was not given a
 * fetched one.  A fetched one has to be freed before this file is unloaded
 * (the end of a configuration that had load_module), so it is held by the
 * sealers, which go with the pool of their configuration.  With it is a
 * context, since making one takes half as long again as one block of SHA-256.
 */

static ngx_shop_digest_t  ngx_shop_digests[] = {
    { 256, "SHA256", EVP_sha256, NULL, NULL },
    { 384, "SHA384", EVP_sha384, NULL, NULL },
    { 512, "SHA512", EVP_sha512, NULL, NULL },
    { 0, NULL, NULL, NULL, NULL }
};

static ngx_uint_t  ngx_shop_digests_users;


/*
 * A draw costs OpenSSL more than the bytes do, and a login needs seven, so
 * they are drawn in stock.  It is of the process that drew it: a worker must
 * not hand out what its master, or another worker, was forked with.  What
 * was handed out is gone from it.
 */

static u_char     ngx_shop_stock[NGX_SHOP_RANDOM_STOCK];
static size_t     ngx_shop_stock_left;
static ngx_pid_t  ngx_shop_stock_pid;


ngx_int_t
ngx_shop_random(u_char *p, size_t len, ngx_log_t *log)
{
    if (ngx_shop_stock_pid != ngx_pid) {
        ngx_shop_stock_pid = ngx_pid;
        ngx_shop_stock_left = 0;
    }

    if (len > NGX_SHOP_RANDOM_STOCK) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "%uz random bytes are too many at once", len);
        return NGX_ERROR;
    }

    if (len > ngx_shop_stock_left) {

        /* what is left is not worth the care of handing out two parts */

        ngx_shop_stock_left = 0;

        if (RAND_bytes(ngx_shop_stock, NGX_SHOP_RANDOM_STOCK) != 1) {
            ngx_ssl_error(NGX_LOG_ALERT, log, 0, "RAND_bytes() failed");
            return NGX_ERROR;
        }

        ngx_shop_stock_left = NGX_SHOP_RANDOM_STOCK;
    }

    ngx_shop_stock_left -= len;

    ngx_memcpy(p, ngx_shop_stock + ngx_shop_stock_left, len);
    ngx_shop_zero(ngx_shop_stock + ngx_shop_stock_left, len);

    return NGX_OK;
}


ngx_int_t
ngx_shop_sha2(ngx_uint_t bits, ngx_str_t *data, u_char *digest,
    ngx_log_t *log)
{
    int                 rc;
    ngx_shop_digest_t  *d;

    for (d = ngx_shop_digests; d->bits != bits; d++) {

        if (d->bits == 0) {
            ngx_log_error(NGX_LOG_ALERT, log, 0, "no SHA-2 of %ui bits",
                          bits);
            return NGX_ERROR;
        }
    }

    if (d->ctx == NULL) {
        rc = EVP_Digest(data->data, data->len, digest, NULL, d->builtin(),
                        NULL);

    } else {
        rc = EVP_DigestInit_ex2(d->ctx, d->fetched, NULL) == 1
             && EVP_DigestUpdate(d->ctx, data->data, data->len) == 1
             && EVP_DigestFinal_ex(d->ctx, digest, NULL) == 1;
    }

    if (rc != 1) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "SHA-%ui failed", bits);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_sha256(ngx_str_t *data, u_char *digest, ngx_log_t *log)
{
    return ngx_shop_sha2(256, data, digest, log);
}


ngx_int_t
ngx_shop_hmac_sha256(ngx_str_t *key, ngx_str_t *data, u_char *mac,
    ngx_log_t *log)
{
    size_t   len;
    u_char  *secret;

    /* NULL would mean "the key of before" */

    secret = key->len ? key->data : (u_char *) "";

    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, key->len,
                  data->data, data->len, mac, NGX_SHOP_SHA256_LEN, &len)
        == NULL)
    {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "EVP_Q_mac() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_hkdf_sha256(ngx_str_t *key, ngx_str_t *salt, ngx_str_t *info,
    u_char *out, size_t len, ngx_log_t *log)
{
    int           rc;
    EVP_KDF      *kdf;
    OSSL_PARAM    params[5], *p;
    EVP_KDF_CTX  *ctx;

    p = params;

    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                            (char *) "SHA256", 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                             key->data, key->len);

    if (salt->len) {
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
                                                 salt->data, salt->len);
    }

    if (info->len) {
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
                                                 info->data, info->len);
    }

    *p = OSSL_PARAM_construct_end();

    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    ctx = EVP_KDF_CTX_new(kdf);

    rc = EVP_KDF_derive(ctx, out, len, params);

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);

    if (rc != 1) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "EVP_KDF_derive() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_aes_cbc_open(ngx_pool_t *pool, u_char *key, ngx_str_t *sealed,
    ngx_str_t *plain, ngx_log_t *log)
{
    int              len, rest;
    size_t           n;
    ngx_int_t        rc;
    EVP_CIPHER_CTX  *ctx;

    if (sealed->len < 2 * NGX_SHOP_AES_BLOCK
        || sealed->len > NGX_SHOP_AES_CBC_MAX
        || sealed->len % NGX_SHOP_AES_BLOCK)
    {
        return NGX_DECLINED;
    }

    n = sealed->len - NGX_SHOP_AES_BLOCK;

    plain->data = ngx_pnalloc(pool, n);
    ctx = EVP_CIPHER_CTX_new();

    rc = NGX_ERROR;

    if (plain->data == NULL
        || ctx == NULL
        || EVP_DecryptInit_ex2(ctx, EVP_aes_128_cbc(), key, sealed->data,
                               NULL)
           != 1
        || EVP_DecryptUpdate(ctx, plain->data, &len,
                             sealed->data + NGX_SHOP_AES_BLOCK, (int) n)
           != 1)
    {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "AES-128-CBC failed");

    } else if (EVP_DecryptFinal_ex(ctx, plain->data + len, &rest) == 1) {
        plain->len = len + rest;
        rc = NGX_OK;

    } else {
        ERR_clear_error();
        rc = NGX_DECLINED;
    }

    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


ngx_uint_t
ngx_shop_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && CRYPTO_memcmp(a->data, b->data, a->len) == 0;
}


void
ngx_shop_zero(void *p, size_t len)
{
    OPENSSL_cleanse(p, len);
}


ngx_int_t
ngx_shop_zero_later(ngx_pool_t *pool, ngx_str_t *secret)
{
    ngx_str_t           *text;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_str_t));

    if (cln == NULL) {
        ngx_shop_zero(secret->data, secret->len);
        return NGX_ERROR;
    }

    text = cln->data;
    *text = *secret;

    cln->handler = ngx_shop_zero_cleanup;

    return NGX_OK;
}


static void
ngx_shop_zero_cleanup(void *data)
{
    ngx_str_t *text = data;

    ngx_shop_zero(text->data, text->len);
}


ngx_int_t
ngx_shop_digests_hold(void)
{
    ngx_int_t           rc;
    ngx_shop_digest_t  *d;

    rc = NGX_OK;

    if (ngx_shop_digests_users++ == 0) {

        for (d = ngx_shop_digests; d->bits; d++) {
            d->fetched = EVP_MD_fetch(NULL, d->name, NULL);
            d->ctx = EVP_MD_CTX_new();

            if (d->fetched == NULL || d->ctx == NULL) {
                rc = NGX_ERROR;
            }
        }
    }

    return rc;
}


void
ngx_shop_digests_release(void)
{
    ngx_shop_digest_t  *d;

    if (--ngx_shop_digests_users == 0) {

        for (d = ngx_shop_digests; d->bits; d++) {
            EVP_MD_CTX_free(d->ctx);
            EVP_MD_free(d->fetched);
            d->ctx = NULL;
            d->fetched = NULL;
        }
    }
}
