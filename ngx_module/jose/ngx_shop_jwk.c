
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"


/*
 * A key says here, once, which algorithms it may verify: those of its type,
 * narrowed to its own "alg".  Verification asks for this set and never for
 * what the token would like, so an RSA key cannot become an HMAC secret, nor
 * a key for encryption a key for signatures.
 *
 * The bounds on RSA are also bounds on time: the work to verify grows with
 * the modulus squared and with the length of the exponent, and both are the
 * provider's choice.
 */


#define NGX_SHOP_JWK_RSA_MIN    2048
#define NGX_SHOP_JWK_RSA_MAX    8192
#define NGX_SHOP_JWK_EXP_MAX    64

#define NGX_SHOP_JWK_POINT_MAX  (1 + 2 * 66)

#define NGX_SHOP_JWK_RSA_ALGS                                                 \
    (NGX_SHOP_JWS_RS256|NGX_SHOP_JWS_RS384|NGX_SHOP_JWS_RS512                 \
     |NGX_SHOP_JWS_PS256|NGX_SHOP_JWS_PS384|NGX_SHOP_JWS_PS512)


typedef struct {
    ngx_str_t    name;              /* of RFC 7518 6.2.1.1 */
    const char  *group;
    size_t       len;               /* of a coordinate, bytes */
    ngx_uint_t   algs;
} ngx_shop_jwk_curve_t;


static ngx_int_t ngx_shop_jwk_add(ngx_shop_jwks_t *jwks, ngx_pool_t *temp,
    ngx_shop_json_t *json, ngx_log_t *log);
static ngx_int_t ngx_shop_jwk_name(ngx_shop_jwks_t *jwks, ngx_str_t *text,
    ngx_str_t *name);
static ngx_uint_t ngx_shop_jwk_public(ngx_shop_json_t *json);
static ngx_uint_t ngx_shop_jwk_usable(ngx_shop_json_t *json);
static ngx_int_t ngx_shop_jwk_rsa(ngx_pool_t *temp, ngx_shop_json_t *json,
    ngx_shop_jwk_t *jwk, ngx_log_t *log);
static ngx_uint_t ngx_shop_jwk_rsa_usable(BIGNUM *n, BIGNUM *e);
static ngx_int_t ngx_shop_jwk_ec(ngx_pool_t *temp, ngx_shop_json_t *json,
    ngx_shop_jwk_t *jwk, ngx_log_t *log);
static ngx_int_t ngx_shop_jwk_okp(ngx_pool_t *temp, ngx_shop_json_t *json,
    ngx_shop_jwk_t *jwk, ngx_log_t *log);
static ngx_int_t ngx_shop_jwk_make(ngx_shop_jwk_t *jwk, const char *type,
    OSSL_PARAM *params, ngx_log_t *log);
static ngx_int_t ngx_shop_jwk_bytes(ngx_pool_t *temp, ngx_shop_json_t *json,
    const char *name, ngx_str_t *value);
static void ngx_shop_jwks_cleanup(void *data);


static ngx_shop_jwk_curve_t  ngx_shop_jwk_curves[] = {

    { ngx_string("P-256"), "prime256v1", 32, NGX_SHOP_JWS_ES256 },
    { ngx_string("P-384"), "secp384r1", 48, NGX_SHOP_JWS_ES384 },
    { ngx_string("P-521"), "secp521r1", 66, NGX_SHOP_JWS_ES512 },

    { ngx_null_string, NULL, 0, 0 }
};


/* members that only a private or a symmetric key has (RFC 7518 6) */

static const char  *ngx_shop_jwk_private[] = {
    "d", "p", "q", "dp", "dq", "qi", "oth", "k", NULL
};


ngx_shop_jwks_t *
ngx_shop_jwks_parse(ngx_pool_t *pool, ngx_str_t *text, ngx_log_t *log)
{
    size_t               i, n;
    ngx_pool_t          *temp;
    ngx_shop_json_t     *json, *keys;
    ngx_shop_jwks_t     *jwks;
    ngx_pool_cleanup_t  *cln;

    /* the tree is many times the keys, and these may live for long */

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, log);
    if (temp == NULL) {
        return NULL;
    }

    json = ngx_shop_json_parse(temp, text, NGX_SHOP_JWKS_MAX);
    keys = ngx_shop_json_get(json, "keys");

    if (!ngx_shop_json_is_array(keys)) {
        goto failed;
    }

    n = ngx_shop_json_size(keys);

    if (n > NGX_SHOP_JWKS_KEYS_MAX) {
        goto failed;
    }

    jwks = ngx_palloc(pool, sizeof(ngx_shop_jwks_t));
    if (jwks == NULL) {
        goto failed;
    }

    jwks->pool = pool;

    if (ngx_array_init(&jwks->keys, pool, n ? n : 1, sizeof(ngx_shop_jwk_t))
        != NGX_OK)
    {
        goto failed;
    }

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_shop_jwks_cleanup;
    cln->data = jwks;

    for (i = 0; i < n; i++) {

        if (ngx_shop_jwk_add(jwks, temp, ngx_shop_json_at(keys, i), log)
            == NGX_ERROR)
        {
            goto failed;
        }
    }

    ngx_destroy_pool(temp);

    return jwks;

failed:

    ngx_destroy_pool(temp);

    return NULL;
}


/* NGX_OK: added; NGX_DECLINED: of no use; NGX_ERROR: the system failed */

static ngx_int_t
ngx_shop_jwk_add(ngx_shop_jwks_t *jwks, ngx_pool_t *temp,
    ngx_shop_json_t *json, ngx_log_t *log)
{
    ngx_int_t        rc;
    ngx_str_t        kty, alg, kid, issuer;
    ngx_uint_t       algs;
    ngx_shop_jwk_t   key, *jwk;

    if (ngx_shop_json_string(ngx_shop_json_get(json, "kty"), &kty) != NGX_OK
        || !ngx_shop_jwk_public(json)
        || !ngx_shop_jwk_usable(json))
    {
        return NGX_DECLINED;
    }

    ngx_str_null(&kid);
    ngx_str_null(&issuer);

    if (ngx_shop_json_string(ngx_shop_json_get(json, "kid"), &kid)
        == NGX_ERROR)
    {
        return NGX_DECLINED;
    }

    /* to most providers it is a member of no meaning (RFC 7517 4) */

    if (ngx_shop_json_string(ngx_shop_json_get(json, "issuer"), &issuer)
        == NGX_ERROR)
    {
        ngx_str_set(&issuer, NGX_SHOP_JWK_NO_ISSUER);
    }

    switch (ngx_shop_json_string(ngx_shop_json_get(json, "alg"), &alg)) {

    case NGX_OK:
        algs = ngx_shop_jws_alg(&alg);
        break;

    case NGX_DECLINED:
        algs = NGX_SHOP_JWS_ASYMMETRIC;
        break;

    default:
        return NGX_DECLINED;
    }

    if ((algs & NGX_SHOP_JWS_ASYMMETRIC) == 0) {
        return NGX_DECLINED;
    }

    ngx_memzero(&key, sizeof(ngx_shop_jwk_t));

    if (ngx_shop_text_is(&kty, "RSA")) {
        rc = ngx_shop_jwk_rsa(temp, json, &key, log);

    } else if (ngx_shop_text_is(&kty, "EC")) {
        rc = ngx_shop_jwk_ec(temp, json, &key, log);

    } else if (ngx_shop_text_is(&kty, "OKP")) {
        rc = ngx_shop_jwk_okp(temp, json, &key, log);

    } else {
        rc = NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    key.algs &= algs;

    if (key.algs == 0) {
        EVP_PKEY_free(key.pkey);
        return NGX_DECLINED;
    }

    /* from here on it is freed with the set */

    jwk = ngx_array_push(&jwks->keys);
    if (jwk == NULL) {
        EVP_PKEY_free(key.pkey);
        return NGX_ERROR;
    }

    *jwk = key;

    if (ngx_shop_jwk_name(jwks, &kid, &jwk->kid) != NGX_OK
        || ngx_shop_jwk_name(jwks, &issuer, &jwk->issuer) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_jwk_name(ngx_shop_jwks_t *jwks, ngx_str_t *text, ngx_str_t *name)
{
    if (text->len) {
        name->len = text->len;
        name->data = ngx_pstrdup(jwks->pool, text);

        if (name->data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* 0: a private key that was published signs for everybody */

static ngx_uint_t
ngx_shop_jwk_public(ngx_shop_json_t *json)
{
    ngx_uint_t  i;

    for (i = 0; ngx_shop_jwk_private[i] != NULL; i++) {

        if (ngx_shop_json_get(json, ngx_shop_jwk_private[i]) != NULL) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_jwk_usable(ngx_shop_json_t *json)
{
    size_t            i;
    ngx_int_t         rc;
    ngx_str_t         use, op;
    ngx_shop_json_t  *ops;

    rc = ngx_shop_json_string(ngx_shop_json_get(json, "use"), &use);

    if (rc == NGX_ERROR
        || (rc == NGX_OK && !ngx_shop_text_is(&use, "sig")))
    {
        return 0;
    }

    ops = ngx_shop_json_get(json, "key_ops");

    if (ops == NULL) {
        return 1;
    }

    if (!ngx_shop_json_is_array(ops)) {
        return 0;
    }

    for (i = 0; i < ngx_shop_json_size(ops); i++) {

        if (ngx_shop_json_string(ngx_shop_json_at(ops, i), &op) == NGX_OK
            && ngx_shop_text_is(&op, "verify"))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_shop_jwk_rsa(ngx_pool_t *temp, ngx_shop_json_t *json, ngx_shop_jwk_t *jwk,
    ngx_log_t *log)
{
    BIGNUM          *n, *e;
    ngx_int_t        rc;
    ngx_str_t        modulus, exponent;
    OSSL_PARAM      *params;
    OSSL_PARAM_BLD  *bld;

    if (ngx_shop_jwk_bytes(temp, json, "n", &modulus) != NGX_OK
        || ngx_shop_jwk_bytes(temp, json, "e", &exponent) != NGX_OK
        || modulus.len > NGX_SHOP_JWKS_MAX
        || exponent.len > NGX_SHOP_JWKS_MAX)
    {
        return NGX_DECLINED;
    }

    rc = NGX_ERROR;
    params = NULL;
    bld = NULL;

    n = BN_bin2bn(modulus.data, (int) modulus.len, NULL);
    e = BN_bin2bn(exponent.data, (int) exponent.len, NULL);

    if (n == NULL || e == NULL) {
        goto failed;
    }

    if (!ngx_shop_jwk_rsa_usable(n, e)) {
        rc = NGX_DECLINED;
        goto done;
    }

    bld = OSSL_PARAM_BLD_new();

    if (bld == NULL
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 0
        || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 0)
    {
        goto failed;
    }

    params = OSSL_PARAM_BLD_to_param(bld);
    if (params == NULL) {
        goto failed;
    }

    jwk->algs = NGX_SHOP_JWK_RSA_ALGS;

    rc = ngx_shop_jwk_make(jwk, "RSA", params, log);

    goto done;

failed:

    ngx_ssl_error(NGX_LOG_ERR, log, 0, "could not make an RSA key");

done:

    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BN_free(e);
    BN_free(n);

    return rc;
}


static ngx_uint_t
ngx_shop_jwk_rsa_usable(BIGNUM *n, BIGNUM *e)
{
    if (BN_num_bits(n) < NGX_SHOP_JWK_RSA_MIN
        || BN_num_bits(n) > NGX_SHOP_JWK_RSA_MAX
        || !BN_is_odd(n))
    {
        return 0;
    }

    if (BN_num_bits(e) > NGX_SHOP_JWK_EXP_MAX
        || !BN_is_odd(e)
        || BN_is_one(e))
    {
        return 0;
    }

    return 1;
}


static ngx_int_t
ngx_shop_jwk_ec(ngx_pool_t *temp, ngx_shop_json_t *json, ngx_shop_jwk_t *jwk,
    ngx_log_t *log)
{
    u_char                *p;
    ngx_str_t              crv, x, y;
    OSSL_PARAM             params[3];
    ngx_shop_jwk_curve_t  *curve;
    u_char                 point[NGX_SHOP_JWK_POINT_MAX];

    if (ngx_shop_json_string(ngx_shop_json_get(json, "crv"), &crv) != NGX_OK
        || ngx_shop_jwk_bytes(temp, json, "x", &x) != NGX_OK
        || ngx_shop_jwk_bytes(temp, json, "y", &y) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (curve = ngx_shop_jwk_curves; curve->group != NULL; curve++) {

        if (crv.len == curve->name.len
            && ngx_memcmp(crv.data, curve->name.data, crv.len) == 0)
        {
            break;
        }
    }

    /* all octets, leading zeroes too: RFC 7518 6.2.1.2 */

    if (curve->group == NULL || x.len != curve->len || y.len != curve->len) {
        return NGX_DECLINED;
    }

    p = point;
    *p++ = 0x04;                    /* an uncompressed point: SEC 1 2.3.3 */
    p = ngx_cpymem(p, x.data, x.len);
    p = ngx_cpymem(p, y.data, y.len);

    /* OpenSSL refuses a point off the curve when it reads it */

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                 (char *) curve->group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  point, p - point);
    params[2] = OSSL_PARAM_construct_end();

    jwk->algs = curve->algs;

    return ngx_shop_jwk_make(jwk, "EC", params, log);
}


static ngx_int_t
ngx_shop_jwk_okp(ngx_pool_t *temp, ngx_shop_json_t *json, ngx_shop_jwk_t *jwk,
    ngx_log_t *log)
{
    ngx_str_t   crv, x;
    OSSL_PARAM  params[2];

    if (ngx_shop_json_string(ngx_shop_json_get(json, "crv"), &crv) != NGX_OK
        || !ngx_shop_text_is(&crv, "Ed25519")
        || ngx_shop_jwk_bytes(temp, json, "x", &x) != NGX_OK
        || x.len != 32)
    {
        return NGX_DECLINED;
    }

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  x.data, x.len);
    params[1] = OSSL_PARAM_construct_end();

    jwk->algs = NGX_SHOP_JWS_EDDSA;

    return ngx_shop_jwk_make(jwk, "ED25519", params, log);
}


static ngx_int_t
ngx_shop_jwk_make(ngx_shop_jwk_t *jwk, const char *type, OSSL_PARAM *params,
    ngx_log_t *log)
{
    ngx_int_t      rc;
    EVP_PKEY_CTX  *ctx;

    rc = NGX_ERROR;

    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1) {
        goto failed;
    }

    /* what is wrong from here on is the key, and the set may have others */

    rc = NGX_DECLINED;
    jwk->pkey = NULL;

    if (EVP_PKEY_fromdata(ctx, &jwk->pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        goto failed;
    }

    EVP_PKEY_CTX_free(ctx);

    return NGX_OK;

failed:

    ngx_ssl_error((rc == NGX_ERROR) ? NGX_LOG_ERR : NGX_LOG_WARN, log, 0,
                  "could not use an %s key of a JWK set", type);

    EVP_PKEY_CTX_free(ctx);

    return rc;
}


/* a base64url member that is not empty */

static ngx_int_t
ngx_shop_jwk_bytes(ngx_pool_t *temp, ngx_shop_json_t *json, const char *name,
    ngx_str_t *value)
{
    ngx_str_t  text;

    if (ngx_shop_json_string(ngx_shop_json_get(json, name), &text) != NGX_OK
        || text.len == 0
        || ngx_shop_unbase64url(temp, &text, value) != NGX_OK
        || value->len == 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_shop_jwks_cleanup(void *data)
{
    ngx_shop_jwks_t *jwks = data;

    ngx_uint_t       i;
    ngx_shop_jwk_t  *jwk;

    jwk = jwks->keys.elts;

    for (i = 0; i < jwks->keys.nelts; i++) {
        EVP_PKEY_CTX_free(jwk[i].ctx);
        EVP_PKEY_free(jwk[i].pkey);
    }
}
