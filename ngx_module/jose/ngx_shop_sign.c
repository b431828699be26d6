
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/ec.h>
#include <openssl/pem.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"


/*
 * What is signed outside of a provider's ID token: tokens of ours, by ES256,
 * the two numbers one behind the other, and texts that we send or receive,
 * by RSA (PKCS#1 v1.5) with SHA-256, or receive, by Ed25519.
 */


#define NGX_SHOP_SIGN_NUMBER   32
#define NGX_SHOP_SIGN_DER_MAX  72

#define NGX_SHOP_SIGN_RSA_MIN  2048         /* bits */
#define NGX_SHOP_SIGN_RSA_MAX  8192
#define NGX_SHOP_SIGN_RSA_LEN  (NGX_SHOP_SIGN_RSA_MAX / 8)


static EVP_PKEY *ngx_shop_sign_pem(ngx_pool_t *pool, ngx_str_t *pem,
    ngx_uint_t public);
static void ngx_shop_sign_cleanup(void *data);
static ngx_int_t ngx_shop_sign_raw(EVP_PKEY *key, ngx_str_t *input,
    u_char *raw);


EVP_PKEY *
ngx_shop_sign_key(ngx_pool_t *pool, ngx_str_t *pem)
{
    size_t     len;
    EVP_PKEY  *key;
    char       group[16];

    key = ngx_shop_sign_pem(pool, pem, 0);

    if (key == NULL
        || !EVP_PKEY_is_a(key, "EC")
        || EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1
        || ngx_strcmp(group, "prime256v1") != 0)
    {
        ERR_clear_error();
        return NULL;
    }

    return key;
}


EVP_PKEY *
ngx_shop_sign_rsa_key(ngx_pool_t *pool, ngx_str_t *pem, ngx_uint_t public)
{
    EVP_PKEY  *key;

    key = ngx_shop_sign_pem(pool, pem, public);

    if (key == NULL
        || !EVP_PKEY_is_a(key, "RSA")
        || EVP_PKEY_get_bits(key) < NGX_SHOP_SIGN_RSA_MIN
        || EVP_PKEY_get_bits(key) > NGX_SHOP_SIGN_RSA_MAX)
    {
        ERR_clear_error();
        return NULL;
    }

    return key;
}


/* freed with "pool", whatever the caller thinks of it */

static EVP_PKEY *
ngx_shop_sign_pem(ngx_pool_t *pool, ngx_str_t *pem, ngx_uint_t public)
{
    BIO                 *bio;
    EVP_PKEY            *key;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    key = NULL;
    bio = BIO_new_mem_buf(pem->data, (int) pem->len);

    /* an empty password: without any, OpenSSL would ask on the terminal */

    if (bio != NULL) {
        key = public ? PEM_read_bio_PUBKEY(bio, NULL, NULL, (void *) "")
                     : PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *) "");
        BIO_free(bio);
    }

    if (key != NULL) {
        cln->handler = ngx_shop_sign_cleanup;
        cln->data = key;
    }

    return key;
}


static void
ngx_shop_sign_cleanup(void *data)
{
    EVP_PKEY_free(data);
}


ngx_int_t
ngx_shop_sign(ngx_pool_t *pool, EVP_PKEY *key, ngx_str_t *header,
    ngx_str_t *payload, ngx_str_t *token, ngx_log_t *log)
{
    u_char     *p;
    ngx_str_t   input, text[2], signature;
    u_char      raw[2 * NGX_SHOP_SIGN_NUMBER];

    if (ngx_shop_base64url(pool, header, &text[0]) != NGX_OK
        || ngx_shop_base64url(pool, payload, &text[1]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    input.len = text[0].len + 1 + text[1].len;

    p = ngx_pnalloc(pool, input.len + 1
                          + ngx_base64_encoded_length(sizeof(raw)));
    if (p == NULL) {
        return NGX_ERROR;
    }

    input.data = p;
    p = ngx_sprintf(p, "%V.%V", &text[0], &text[1]);

    if (ngx_shop_sign_raw(key, &input, raw) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ERR, log, 0, "could not sign by ES256");
        return NGX_ERROR;
    }

    signature.data = raw;
    signature.len = sizeof(raw);

    if (ngx_shop_base64url(pool, &signature, &text[0]) != NGX_OK) {
        return NGX_ERROR;
    }

    *p++ = '.';
    p = ngx_cpymem(p, text[0].data, text[0].len);

    token->data = input.data;
    token->len = p - token->data;

    return NGX_OK;
}


/* OpenSSL signs in DER, a JWS has plain numbers: RFC 7518 3.4 */

static ngx_int_t
ngx_shop_sign_raw(EVP_PKEY *key, ngx_str_t *input, u_char *raw)
{
    size_t         len;
    ngx_int_t      rc;
    ECDSA_SIG     *sig;
    EVP_MD_CTX    *ctx;
    const u_char  *p;
    u_char         der[NGX_SHOP_SIGN_DER_MAX];

    rc = NGX_ERROR;
    sig = NULL;
    len = sizeof(der);

    ctx = EVP_MD_CTX_new();

    if (ctx != NULL
        && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL)
           == 1
        && EVP_DigestSign(ctx, der, &len, input->data, input->len) == 1)
    {
        p = der;
        sig = d2i_ECDSA_SIG(NULL, &p, (long) len);
    }

    if (sig != NULL
        && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, NGX_SHOP_SIGN_NUMBER)
           == NGX_SHOP_SIGN_NUMBER
        && BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + NGX_SHOP_SIGN_NUMBER,
                        NGX_SHOP_SIGN_NUMBER)
           == NGX_SHOP_SIGN_NUMBER)
    {
        rc = NGX_OK;
    }

    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);

    return rc;
}


ngx_int_t
ngx_shop_sign_rsa(ngx_pool_t *pool, EVP_PKEY *key, ngx_str_t *input,
    ngx_str_t *text, ngx_log_t *log)
{
    int          rc;
    ngx_str_t    signature;
    EVP_MD_CTX  *ctx;
    u_char       raw[NGX_SHOP_SIGN_RSA_LEN];

    text->data = ngx_pnalloc(pool, ngx_base64_encoded_length(sizeof(raw)));
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    signature.data = raw;
    signature.len = sizeof(raw);

    ctx = EVP_MD_CTX_new();

    rc = ctx != NULL
         && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL)
            == 1
         && EVP_DigestSign(ctx, raw, &signature.len, input->data, input->len)
            == 1;

    EVP_MD_CTX_free(ctx);

    if (!rc) {
        ngx_ssl_error(NGX_LOG_ERR, log, 0, "could not sign by RSA");
        return NGX_ERROR;
    }

    ngx_encode_base64(text, &signature);

    return NGX_OK;
}


ngx_int_t
ngx_shop_sign_rsa_verify(EVP_PKEY *key, ngx_str_t *input, ngx_str_t *text)
{
    int          rc;
    ngx_str_t    signature;
    EVP_MD_CTX  *ctx;
    u_char       raw[ngx_base64_decoded_length(
                         ngx_base64_encoded_length(NGX_SHOP_SIGN_RSA_LEN))];

    signature.data = raw;

    if (text->len > ngx_base64_encoded_length(NGX_SHOP_SIGN_RSA_LEN)
        || ngx_decode_base64(&signature, text) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ctx = EVP_MD_CTX_new();

    rc = ctx != NULL
         && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key,
                                    NULL)
            == 1
         && EVP_DigestVerify(ctx, signature.data, signature.len, input->data,
                             input->len)
            == 1;

    EVP_MD_CTX_free(ctx);

    /* a wrong signature is the peer's, and no error of OpenSSL */

    ERR_clear_error();

    return rc ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_shop_sign_same_key(EVP_PKEY *one, EVP_PKEY *two)
{
    int  rc;

    rc = EVP_PKEY_eq(one, two);

    /* keys of two kinds are no error */

    ERR_clear_error();

    return rc == 1;
}


EVP_PKEY *
ngx_shop_sign_ed25519_key(ngx_pool_t *pool, u_char *raw)
{
    EVP_PKEY            *key;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, raw,
                                         NGX_SHOP_SIGN_ED25519_KEY);

    if (key == NULL) {
        ERR_clear_error();
        return NULL;
    }

    cln->handler = ngx_shop_sign_cleanup;
    cln->data = key;

    return key;
}


ngx_int_t
ngx_shop_sign_ed25519_verify(EVP_PKEY *key, ngx_str_t *input,
    u_char *signature)
{
    int          rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();

    rc = ctx != NULL
         && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL)
            == 1
         && EVP_DigestVerify(ctx, signature, NGX_SHOP_SIGN_ED25519_LEN,
                             input->data, input->len)
            == 1;

    EVP_MD_CTX_free(ctx);

    ERR_clear_error();

    return rc ? NGX_OK : NGX_DECLINED;
}
