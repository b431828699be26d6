
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

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
#define NGX_SHOP_JWS_DER_MAX     160


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   alg;
    const char  *digest;            /* of the signature; NULL: built in */
    ngx_uint_t   bits;              /* of it, and of that of at_hash */
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
static ngx_uint_t ngx_shop_jws_is_named(ngx_shop_jwk_t *jwk, ngx_str_t *kid);
static ngx_int_t ngx_shop_jws_verify_key(ngx_shop_jws_alg_t *alg,
    ngx_shop_jwk_t *jwk, ngx_str_t *input, ngx_str_t *signature,
    ngx_log_t *log);
static int ngx_shop_jws_verify_text(ngx_shop_jwk_t *jwk, ngx_str_t *input,
    u_char *sig, size_t len);
static ngx_int_t ngx_shop_jws_context(ngx_shop_jws_alg_t *alg,
    ngx_shop_jwk_t *jwk);
static ngx_int_t ngx_shop_jws_ecdsa_der(ngx_shop_jws_alg_t *alg,
    ngx_str_t *signature, u_char *der, size_t *len);


static ngx_shop_jws_alg_t  ngx_shop_jws_algs[] = {

    { ngx_string("RS256"), NGX_SHOP_JWS_RS256, "SHA256", 256, 0, 0 },
    { ngx_string("RS384"), NGX_SHOP_JWS_RS384, "SHA384", 384, 0, 0 },
    { ngx_string("RS512"), NGX_SHOP_JWS_RS512, "SHA512", 512, 0, 0 },

    { ngx_string("PS256"), NGX_SHOP_JWS_PS256, "SHA256", 256, 0, 1 },
    { ngx_string("PS384"), NGX_SHOP_JWS_PS384, "SHA384", 384, 0, 1 },
    { ngx_string("PS512"), NGX_SHOP_JWS_PS512, "SHA512", 512, 0, 1 },

    { ngx_string("ES256"), NGX_SHOP_JWS_ES256, "SHA256", 256, 32, 0 },
    { ngx_string("ES384"), NGX_SHOP_JWS_ES384, "SHA384", 384, 48, 0 },
    { ngx_string("ES512"), NGX_SHOP_JWS_ES512, "SHA512", 512, 66, 0 },

    { ngx_string("EdDSA"), NGX_SHOP_JWS_EDDSA, NULL, 512, 0, 0 },
    { ngx_string("Ed25519"), NGX_SHOP_JWS_EDDSA, NULL, 512, 0, 0 },

    { ngx_string("HS256"), NGX_SHOP_JWS_HS256, "SHA256", 256, 0, 0 },

    { ngx_null_string, 0, NULL, 0, 0, 0 }
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


ngx_uint_t
ngx_shop_jws_bits(ngx_uint_t alg)
{
    return ngx_shop_jws_find(alg)->bits;
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

    for (i = 0; i < n && jws->kid.len && !named; i++) {
        named = ngx_shop_jws_is_named(&jwk[i], &jws->kid);
    }

    for (i = 0; i < n && tried < NGX_SHOP_JWS_TRIES_MAX; i++) {

        if (named && !ngx_shop_jws_is_named(&jwk[i], &jws->kid)) {
            continue;
        }

        /* a key may have no name (RFC 7517 4.5), but not another one */

        if (!named && jws->kid.len && jwk[i].kid.len) {
            continue;
        }

        if ((jwk[i].algs & alg->alg) == 0) {
            continue;
        }

        tried++;

        rc = ngx_shop_jws_verify_key(alg, &jwk[i], input, signature, log);

        if (rc == NGX_OK) {
            jws->issuer = jwk[i].issuer;
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

        return named ? NGX_ERROR : NGX_DECLINED;
    }

    if (named) {
        jws->reason = "alg_refused";
        return NGX_ERROR;
    }

    jws->reason = "key_unknown";

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_shop_jws_is_named(ngx_shop_jwk_t *jwk, ngx_str_t *kid)
{
    return jwk->kid.len == kid->len
           && ngx_memcmp(jwk->kid.data, kid->data, kid->len) == 0;
}


/* NGX_DECLINED: not signed by this key; NGX_ERROR: OpenSSL failed */

static ngx_int_t
ngx_shop_jws_verify_key(ngx_shop_jws_alg_t *alg, ngx_shop_jwk_t *jwk,
    ngx_str_t *input, ngx_str_t *signature, ngx_log_t *log)
{
    int      rc;
    size_t   len;
    u_char  *sig;
    u_char   der[NGX_SHOP_JWS_DER_MAX], digest[NGX_SHOP_SHA2_MAX];

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

    } else if (len != (size_t) EVP_PKEY_get_size(jwk->pkey)) {
        return NGX_DECLINED;
    }

    if (alg->digest == NULL) {
        rc = ngx_shop_jws_verify_text(jwk, input, sig, len);

        if (rc == NGX_ERROR) {
            goto failed;
        }

    } else {

        if (ngx_shop_jws_context(alg, jwk) != NGX_OK) {
            goto failed;
        }

        if (ngx_shop_sha2(alg->bits, input, digest, log) != NGX_OK) {
            return NGX_ERROR;
        }

        rc = EVP_PKEY_verify(jwk->ctx, sig, len, digest, alg->bits / 8);
    }

    if (rc != 1) {

        /* no fault of OpenSSL: the caller reports the reason */

        ERR_clear_error();

        return NGX_DECLINED;
    }

    return NGX_OK;

failed:

    ngx_ssl_error(NGX_LOG_ERR, log, 0, "could not verify %V signature",
                  &alg->name);

    return NGX_ERROR;
}


/* Ed25519 has no digest that could be made before: RFC 8032 5.1.7 */

static int
ngx_shop_jws_verify_text(ngx_shop_jwk_t *jwk, ngx_str_t *input, u_char *sig,
    size_t len)
{
    int          rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();

    if (ctx == NULL
        || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, jwk->pkey,
                                   NULL)
           != 1)
    {
        EVP_MD_CTX_free(ctx);
        return NGX_ERROR;
    }

    rc = EVP_DigestVerify(ctx, sig, len, input->data, input->len);

    EVP_MD_CTX_free(ctx);

    return rc == 1;
}


/*
 * Looking up what verifies by names, and making it, takes a fifth of the
 * time of an RSA signature, so it stays with the key.  There is one for each
 * key: a provider that signs by several algorithms has a key for each.
 */

static ngx_int_t
ngx_shop_jws_context(ngx_shop_jws_alg_t *alg, ngx_shop_jwk_t *jwk)
{
    OSSL_PARAM  params[4], *p;

    if (jwk->ctx_alg == alg->alg) {
        return NGX_OK;
    }

    EVP_PKEY_CTX_free(jwk->ctx);

    jwk->ctx_alg = 0;
    jwk->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, jwk->pkey, NULL);

    if (jwk->ctx == NULL) {
        return NGX_ERROR;
    }

    p = params;

    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST,
                                            (char *) alg->digest, 0);

    /* a salt as long as the digest, and no other: RFC 7518 3.5 */

    if (alg->pss) {
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE,
                                          (char *) OSSL_PKEY_RSA_PAD_MODE_PSS,
                                                0);
        *p++ = OSSL_PARAM_construct_utf8_string(
                                      OSSL_SIGNATURE_PARAM_PSS_SALTLEN,
                                  (char *) OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST,
                                                0);
    }

    *p = OSSL_PARAM_construct_end();

    if (EVP_PKEY_verify_init_ex(jwk->ctx, params) != 1) {
        return NGX_ERROR;
    }

    jwk->ctx_alg = alg->alg;

    return NGX_OK;
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
