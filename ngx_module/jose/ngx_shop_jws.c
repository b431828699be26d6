
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"


/*
 * A compact JWS is three base64url texts:
 *
 *     header . payload . signature
 *     `------ signed ---'
 *
 * The header is written by whoever made the token, so all it may do is to
 * choose: an algorithm out of those the caller allows and the key itself
 * can, and a key out of the caller's set.  Everything else about the
 * algorithm (digest, padding, salt, length of the signature) stands in the
 * table below, and a header that would change the meaning of the token
 * ("crit", "b64") ends it.
 */


#define NGX_SHOP_JWS_HEADER_MAX  8192
#define NGX_SHOP_JWS_TRIES_MAX   16

#define NGX_SHOP_JWS_ECDSA_MAX   66
#define NGX_SHOP_JWS_DER_MAX     160


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   alg;
    const char  *digest;            /* of the signature; NULL: built in */
    const char  *hash;              /* of at_hash */
    size_t       ecdsa;             /* length of r and of s, bytes */

    unsigned     pss:1;
} ngx_shop_jws_alg_t;


typedef struct {
    ngx_str_t    header;
    ngx_str_t    payload;
    ngx_str_t    signature;
    ngx_str_t    input;             /* what was signed */
} ngx_shop_jws_parts_t;


static ngx_int_t ngx_shop_jws_split(ngx_str_t *token,
    ngx_shop_jws_parts_t *parts);
static ngx_int_t ngx_shop_jws_header(ngx_pool_t *pool,
    ngx_shop_jws_parts_t *parts, ngx_shop_jws_t *jws, ngx_str_t *alg);
static ngx_shop_jws_alg_t *ngx_shop_jws_find(ngx_uint_t alg);
static ngx_int_t ngx_shop_jws_verify_hmac(ngx_str_t *secret, ngx_str_t *input,
    ngx_str_t *signature, ngx_shop_jws_t *jws, ngx_log_t *log);
static ngx_int_t ngx_shop_jws_verify_keys(ngx_shop_jws_alg_t *alg,
    ngx_shop_jwks_t *jwks, ngx_str_t *input, ngx_str_t *signature,
    ngx_shop_jws_t *jws, ngx_log_t *log);
static ngx_int_t ngx_shop_jws_verify_key(ngx_shop_jws_alg_t *alg,
    EVP_PKEY *pkey, ngx_str_t *input, ngx_str_t *signature, ngx_log_t *log);
static ngx_int_t ngx_shop_jws_ecdsa_der(ngx_shop_jws_alg_t *alg,
    ngx_str_t *signature, u_char *der, size_t *len);


static ngx_shop_jws_alg_t  ngx_shop_jws_algs[] = {

    { ngx_string("RS256"), NGX_SHOP_JWS_RS256, "SHA256", "SHA256", 0, 0 },
    { ngx_string("RS384"), NGX_SHOP_JWS_RS384, "SHA384", "SHA384", 0, 0 },
    { ngx_string("RS512"), NGX_SHOP_JWS_RS512, "SHA512", "SHA512", 0, 0 },

    { ngx_string("PS256"), NGX_SHOP_JWS_PS256, "SHA256", "SHA256", 0, 1 },
    { ngx_string("PS384"), NGX_SHOP_JWS_PS384, "SHA384", "SHA384", 0, 1 },
    { ngx_string("PS512"), NGX_SHOP_JWS_PS512, "SHA512", "SHA512", 0, 1 },

    { ngx_string("ES256"), NGX_SHOP_JWS_ES256, "SHA256", "SHA256", 32, 0 },
    { ngx_string("ES384"), NGX_SHOP_JWS_ES384, "SHA384", "SHA384", 48, 0 },
    { ngx_string("ES512"), NGX_SHOP_JWS_ES512, "SHA512", "SHA512", 66, 0 },

    { ngx_string("EdDSA"), NGX_SHOP_JWS_EDDSA, NULL, "SHA512", 0, 0 },
    { ngx_string("Ed25519"), NGX_SHOP_JWS_EDDSA, NULL, "SHA512", 0, 0 },

    { ngx_string("HS256"), NGX_SHOP_JWS_HS256, "SHA256", "SHA256", 0, 0 },

    { ngx_null_string, 0, NULL, NULL, 0, 0 }
};


ngx_uint_t
ngx_shop_jws_alg(ngx_str_t *name)
{
    ngx_shop_jws_alg_t  *alg;

    for (alg = ngx_shop_jws_algs; alg->alg; alg++) {

        if (name->len == alg->name.len
            && ngx_memcmp(name->data, alg->name.data, name->len) == 0)
        {
            return alg->alg;
        }
    }

    return 0;
}


const char *
ngx_shop_jws_digest(ngx_uint_t alg)
{
    return ngx_shop_jws_find(alg)->hash;
}


ngx_int_t
ngx_shop_jws_verify(ngx_pool_t *pool, ngx_str_t *token, ngx_uint_t algs,
    ngx_shop_jwks_t *jwks, ngx_str_t *secret, ngx_shop_jws_t *jws,
    ngx_log_t *log)
{
    ngx_int_t              rc;
    ngx_str_t              name, payload, signature;
    ngx_uint_t             alg;
    ngx_shop_jws_parts_t   parts;

    ngx_memzero(jws, sizeof(ngx_shop_jws_t));

    jws->reason = "token_malformed";

    if (ngx_shop_jws_split(token, &parts) != NGX_OK
        || ngx_shop_jws_header(pool, &parts, jws, &name) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* before the signature is looked at: "none" comes without one */

    alg = ngx_shop_jws_alg(&name);

    if ((alg & algs) == 0) {
        jws->reason = "alg_refused";
        return NGX_ERROR;
    }

    if (parts.payload.len == 0
        || parts.signature.len == 0
        || ngx_shop_unbase64url(pool, &parts.payload, &payload) != NGX_OK
        || ngx_shop_unbase64url(pool, &parts.signature, &signature) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (alg == NGX_SHOP_JWS_HS256) {
        rc = ngx_shop_jws_verify_hmac(secret, &parts.input, &signature, jws,
                                      log);

    } else {
        rc = ngx_shop_jws_verify_keys(ngx_shop_jws_find(alg), jwks,
                                      &parts.input, &signature, jws, log);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    jws->alg = alg;
    jws->payload = payload;
    jws->reason = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_jws_split(ngx_str_t *token, ngx_shop_jws_parts_t *parts)
{
    u_char  *p, *last, *dot[2];

    if (token->len == 0 || token->len > NGX_SHOP_JWS_TOKEN_MAX) {
        return NGX_ERROR;
    }

    p = token->data;
    last = p + token->len;

    dot[0] = ngx_strlchr(p, last, '.');
    if (dot[0] == NULL) {
        return NGX_ERROR;
    }

    dot[1] = ngx_strlchr(dot[0] + 1, last, '.');
    if (dot[1] == NULL) {
        return NGX_ERROR;
    }

    /* four dots are a JWE, and nobody was given a key to encrypt to us */

    if (ngx_strlchr(dot[1] + 1, last, '.') != NULL) {
        return NGX_ERROR;
    }

    parts->header.data = p;
    parts->header.len = dot[0] - p;

    parts->payload.data = dot[0] + 1;
    parts->payload.len = dot[1] - parts->payload.data;

    parts->signature.data = dot[1] + 1;
    parts->signature.len = last - parts->signature.data;

    parts->input.data = p;
    parts->input.len = dot[1] - p;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_jws_header(ngx_pool_t *pool, ngx_shop_jws_parts_t *parts,
    ngx_shop_jws_t *jws, ngx_str_t *alg)
{
    ngx_str_t         text;
    ngx_shop_json_t  *json;

    if (parts->header.len == 0
        || ngx_shop_unbase64url(pool, &parts->header, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    json = ngx_shop_json_parse(pool, &text, NGX_SHOP_JWS_HEADER_MAX);

    if (!ngx_shop_json_is_object(json)
        || ngx_shop_json_string(ngx_shop_json_get(json, "alg"), alg) != NGX_OK
        || ngx_shop_json_string(ngx_shop_json_get(json, "kid"), &jws->kid)
           == NGX_ERROR
        || ngx_shop_json_string(ngx_shop_json_get(json, "typ"), &jws->typ)
           == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    /* we understand no extension, so each one that must be is too much */

    if (ngx_shop_json_get(json, "crit") != NULL
        || ngx_shop_json_get(json, "b64") != NULL)
    {
        jws->reason = "header_refused";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_shop_jws_alg_t *
ngx_shop_jws_find(ngx_uint_t bit)
{
    ngx_shop_jws_alg_t  *alg;

    for (alg = ngx_shop_jws_algs; alg->alg; alg++) {

        if (alg->alg == bit) {
            break;
        }
    }

    return alg;
}


static ngx_int_t
ngx_shop_jws_verify_hmac(ngx_str_t *secret, ngx_str_t *input,
    ngx_str_t *signature, ngx_shop_jws_t *jws, ngx_log_t *log)
{
    ngx_str_t  expected;
    ngx_uint_t equal;
    u_char     mac[NGX_SHOP_SHA256_LEN];

    if (secret == NULL || secret->len == 0) {
        jws->reason = "alg_refused";
        return NGX_ERROR;
    }

    if (ngx_shop_hmac_sha256(secret, input, mac, log) != NGX_OK) {
        jws->reason = "internal_error";
        return NGX_ERROR;
    }

    expected.data = mac;
    expected.len = NGX_SHOP_SHA256_LEN;

    equal = ngx_shop_equal(&expected, signature);

    /* with it anybody could sign this very token */

    ngx_shop_zero(mac, NGX_SHOP_SHA256_LEN);

    if (!equal) {
        jws->reason = "signature_invalid";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_jws_verify_keys(ngx_shop_jws_alg_t *alg, ngx_shop_jwks_t *jwks,
    ngx_str_t *input, ngx_str_t *signature, ngx_shop_jws_t *jws,
    ngx_log_t *log)
{
    ngx_int_t        rc;
    ngx_uint_t       i, n, named, tried;
    ngx_shop_jwk_t  *jwk;

    named = 0;
    tried = 0;

    jwk = (jwks != NULL) ? jwks->keys.elts : NULL;
    n = (jwks != NULL) ? jwks->keys.nelts : 0;

    for (i = 0; i < n && tried < NGX_SHOP_JWS_TRIES_MAX; i++) {

        if (jws->kid.len) {

            if (jwk[i].kid.len != jws->kid.len
                || ngx_memcmp(jwk[i].kid.data, jws->kid.data, jws->kid.len)
                   != 0)
            {
                continue;
            }

            named = 1;
        }

        if ((jwk[i].algs & alg->alg) == 0) {
            continue;
        }

        tried++;

        rc = ngx_shop_jws_verify_key(alg, jwk[i].pkey, input, signature, log);

        if (rc == NGX_OK) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            jws->reason = "internal_error";
            return NGX_ERROR;
        }
    }

    if (tried) {
        jws->reason = "signature_invalid";

        /* keys without names may have changed, and only newer ones tell */

        return jws->kid.len ? NGX_ERROR : NGX_DECLINED;
    }

    if (named) {
        jws->reason = "alg_refused";
        return NGX_ERROR;
    }

    jws->reason = "key_unknown";

    return NGX_DECLINED;
}


/* NGX_DECLINED: not signed by this key; NGX_ERROR: OpenSSL failed */

static ngx_int_t
ngx_shop_jws_verify_key(ngx_shop_jws_alg_t *alg, EVP_PKEY *pkey,
    ngx_str_t *input, ngx_str_t *signature, ngx_log_t *log)
{
    int            rc;
    size_t         len;
    u_char        *sig;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;
    u_char         der[NGX_SHOP_JWS_DER_MAX];

    ctx = NULL;
    sig = signature->data;
    len = signature->len;

    if (alg->ecdsa) {

        rc = ngx_shop_jws_ecdsa_der(alg, signature, der, &len);

        if (rc == NGX_DECLINED) {
            return NGX_DECLINED;
        }

        if (rc != NGX_OK) {
            goto failed;
        }

        sig = der;

    } else if (len != (size_t) EVP_PKEY_get_size(pkey)) {
        return NGX_DECLINED;
    }

    ctx = EVP_MD_CTX_new();

    if (ctx == NULL
        || EVP_DigestVerifyInit_ex(ctx, &pctx, alg->digest, NULL, NULL, pkey,
                                   NULL)
           != 1)
    {
        goto failed;
    }

    /* a salt as long as the digest, and no other: RFC 7518 3.5 */

    if (alg->pss
        && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1
            || EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST)
               != 1))
    {
        goto failed;
    }

    rc = EVP_DigestVerify(ctx, sig, len, input->data, input->len);

    EVP_MD_CTX_free(ctx);

    if (rc != 1) {

        /* no fault of OpenSSL: the caller reports the reason */

        ERR_clear_error();

        return NGX_DECLINED;
    }

    return NGX_OK;

failed:

    ngx_ssl_error(NGX_LOG_ERR, log, 0, "could not verify %V signature",
                  &alg->name);

    EVP_MD_CTX_free(ctx);

    return NGX_ERROR;
}


/*
 * RFC 7518 3.4 writes r and s one after the other at full length, OpenSSL
 * reads DER.  A zero is refused here, since there were libraries that took
 * one for a signature of everything (CVE-2022-21449).
 */

static ngx_int_t
ngx_shop_jws_ecdsa_der(ngx_shop_jws_alg_t *alg, ngx_str_t *signature,
    u_char *der, size_t *len)
{
    int         n;
    u_char     *p;
    BIGNUM     *r, *s;
    ngx_int_t   rc;
    ECDSA_SIG  *sig;

    if (signature->len != 2 * alg->ecdsa) {
        return NGX_DECLINED;
    }

    rc = NGX_ERROR;

    r = BN_bin2bn(signature->data, (int) alg->ecdsa, NULL);
    s = BN_bin2bn(signature->data + alg->ecdsa, (int) alg->ecdsa, NULL);
    sig = ECDSA_SIG_new();

    if (r == NULL || s == NULL || sig == NULL) {
        goto done;
    }

    if (BN_is_zero(r) || BN_is_zero(s)) {
        rc = NGX_DECLINED;
        goto done;
    }

    if (ECDSA_SIG_set0(sig, r, s) != 1) {
        goto done;
    }

    r = NULL;
    s = NULL;

    n = i2d_ECDSA_SIG(sig, NULL);

    if (n <= 0 || n > NGX_SHOP_JWS_DER_MAX) {
        goto done;
    }

    p = der;
    *len = (size_t) i2d_ECDSA_SIG(sig, &p);

    rc = NGX_OK;

done:

    ECDSA_SIG_free(sig);
    BN_free(s);
    BN_free(r);

    return rc;
}
