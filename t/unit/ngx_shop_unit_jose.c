
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"

#include "ngx_shop_unit.h"
#include "ngx_shop_unit_jose_vectors.h"


/*
 * Whom a shop believes.  Examples of the RFCs show that we read what others
 * write; then comes a signer of our own, which can be told to do each thing
 * wrong that a hostile provider, or somebody between, would try.
 */


#define NGX_SHOP_UNIT_JOSE_BUF  8192
#define NGX_SHOP_UNIT_JOSE_NOW  1000000


typedef enum {
    jose_rsa = 0,
    jose_rsa_other,
    jose_rsa_short,
    jose_p256,
    jose_p384,
    jose_p521,
    jose_ed25519,
    jose_keys
} ngx_shop_unit_jose_key_e;


typedef struct {
    const char                *name;
    ngx_uint_t                 alg;
    ngx_shop_unit_jose_key_e   key;
    const char                *digest;
    size_t                     ecdsa;
    int                        salt;        /* 0: no PSS */
} ngx_shop_unit_jose_alg_t;


typedef struct {
    const char                *what;
    const char                *text;
    const char                *reason;
} ngx_shop_unit_jose_case_t;


static void ngx_shop_unit_jose_rfc(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_rfc_hmac(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_damaged(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_names(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_sets(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_useless(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_algs(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_forgeries(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_base64(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_confusion(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_salt(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_ecdsa(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_kid(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_result(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_claims(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_typ(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_nonce(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_at_hash(ngx_shop_unit_t *u);
static void ngx_shop_unit_jose_empty_rules(ngx_shop_unit_t *u);

static EVP_PKEY *ngx_shop_unit_jose_key(ngx_shop_unit_jose_key_e key);
static ngx_str_t *ngx_shop_unit_jose_text(ngx_shop_unit_t *u,
    const char *text);
static ngx_str_t *ngx_shop_unit_jose_format(ngx_shop_unit_t *u,
    const char *fmt, ...);
static ngx_str_t *ngx_shop_unit_jose_encode(ngx_shop_unit_t *u, u_char *data,
    size_t len);
static ngx_str_t *ngx_shop_unit_jose_jwk(ngx_shop_unit_t *u,
    ngx_shop_unit_jose_key_e key, const char *extra);
static ngx_shop_jwks_t *ngx_shop_unit_jose_set(ngx_shop_unit_t *u,
    const char *keys);
static ngx_shop_jwks_t *ngx_shop_unit_jose_set_of(ngx_shop_unit_t *u,
    ngx_shop_unit_jose_key_e key, const char *extra);
static ngx_str_t *ngx_shop_unit_jose_input(ngx_shop_unit_t *u,
    const char *header, const char *payload);
static ngx_str_t *ngx_shop_unit_jose_join(ngx_shop_unit_t *u,
    ngx_str_t *input, u_char *sig, size_t len);
static ngx_str_t *ngx_shop_unit_jose_sign_raw(ngx_shop_unit_t *u,
    ngx_shop_unit_jose_alg_t *alg, ngx_str_t *input);
static ngx_str_t *ngx_shop_unit_jose_sign(ngx_shop_unit_t *u,
    ngx_shop_unit_jose_alg_t *alg, const char *extra);
static void ngx_shop_unit_jose_verified(ngx_shop_unit_t *u, ngx_str_t *token,
    ngx_uint_t algs, ngx_shop_jwks_t *jwks, const char *what);
static void ngx_shop_unit_jose_refused(ngx_shop_unit_t *u, ngx_str_t *token,
    ngx_uint_t algs, ngx_shop_jwks_t *jwks, ngx_int_t rc, const char *reason,
    const char *what);
static void ngx_shop_unit_jose_checked(ngx_shop_unit_t *u,
    ngx_shop_jwt_rules_t *rules, const char *claims, const char *reason,
    const char *what);
static void ngx_shop_unit_jose_rules(ngx_shop_jwt_rules_t *rules);


ngx_shop_unit_test_t  ngx_shop_unit_jose_tests[] = {
    { "examples of the RFCs", ngx_shop_unit_jose_rfc },
    { "examples of the RFCs with HMAC", ngx_shop_unit_jose_rfc_hmac },
    { "damaged tokens and sets", ngx_shop_unit_jose_damaged },
    { "names of algorithms", ngx_shop_unit_jose_names },
    { "JWK sets", ngx_shop_unit_jose_sets },
    { "keys of no use", ngx_shop_unit_jose_useless },
    { "every algorithm", ngx_shop_unit_jose_algs },
    { "row 9: forged headers", ngx_shop_unit_jose_forgeries },
    { "base64url is read strictly", ngx_shop_unit_jose_base64 },
    { "row 9: HS256 with a public key", ngx_shop_unit_jose_confusion },
    { "salt of PSS", ngx_shop_unit_jose_salt },
    { "signatures of ECDSA", ngx_shop_unit_jose_ecdsa },
    { "row 10: key ids", ngx_shop_unit_jose_kid },
    { "what is told of a token", ngx_shop_unit_jose_result },
    { "rows 8 and 12: claims", ngx_shop_unit_jose_claims },
    { "tokens of another kind", ngx_shop_unit_jose_typ },
    { "row 13: nonce", ngx_shop_unit_jose_nonce },
    { "row 14: at_hash", ngx_shop_unit_jose_at_hash },
    { "empty rules", ngx_shop_unit_jose_empty_rules },
    { NULL, NULL }
};


static ngx_shop_unit_jose_alg_t  ngx_shop_unit_jose_known[] = {
    { "RS256", NGX_SHOP_JWS_RS256, jose_rsa, "SHA256", 0, 0 },
    { "RS384", NGX_SHOP_JWS_RS384, jose_rsa, "SHA384", 0, 0 },
    { "RS512", NGX_SHOP_JWS_RS512, jose_rsa, "SHA512", 0, 0 },
    { "PS256", NGX_SHOP_JWS_PS256, jose_rsa, "SHA256", 0, 32 },
    { "PS384", NGX_SHOP_JWS_PS384, jose_rsa, "SHA384", 0, 48 },
    { "PS512", NGX_SHOP_JWS_PS512, jose_rsa, "SHA512", 0, 64 },
    { "ES256", NGX_SHOP_JWS_ES256, jose_p256, "SHA256", 32, 0 },
    { "ES384", NGX_SHOP_JWS_ES384, jose_p384, "SHA384", 48, 0 },
    { "ES512", NGX_SHOP_JWS_ES512, jose_p521, "SHA512", 66, 0 },
    { "EdDSA", NGX_SHOP_JWS_EDDSA, jose_ed25519, NULL, 0, 0 },
    { "Ed25519", NGX_SHOP_JWS_EDDSA, jose_ed25519, NULL, 0, 0 },
    { NULL, 0, 0, NULL, 0, 0 }
};


/* made once, since an RSA key takes its time */

static EVP_PKEY  *ngx_shop_unit_jose_made[jose_keys];


static void
ngx_shop_unit_jose_rfc(ngx_shop_unit_t *u)
{
    u_char                        *dot;
    ngx_str_t                      token;
    ngx_shop_jwks_t               *jwks;
    ngx_shop_unit_jose_vector_t   *v;

    for (v = ngx_shop_unit_jose_vectors; v->name; v++) {

        jwks = ngx_shop_jwks_parse(u->pool, &v->jwks, u->log);

        if (!ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 1,
                              "%s: its key is read", v->name))
        {
            continue;
        }

        ngx_shop_unit_jose_verified(u, &v->token, NGX_SHOP_JWS_ASYMMETRIC,
                                    jwks, v->name);

        ngx_shop_unit_jose_refused(u, &v->token,
                                   NGX_SHOP_JWS_ASYMMETRIC & ~v->alg, jwks,
                                   NGX_ERROR, "alg_refused", v->name);

        /* the first byte of the payload becomes another one */

        token.len = v->token.len;
        token.data = ngx_pstrdup(u->pool, &v->token);
        dot = ngx_strlchr(token.data, token.data + token.len, '.');
        dot[1] ^= 0x01;

        /* without a kid, newer keys might help */

        ngx_shop_unit_jose_refused(u, &token, NGX_SHOP_JWS_ASYMMETRIC, jwks,
                               ((ngx_shop_jwk_t *) jwks->keys.elts)->kid.len
                               ? NGX_ERROR : NGX_DECLINED,
                               "signature_invalid", v->name);
    }
}


static void
ngx_shop_unit_jose_rfc_hmac(ngx_shop_unit_t *u)
{
    ngx_int_t                    rc;
    ngx_str_t                    other, none;
    ngx_uint_t                   algs;
    ngx_shop_jws_t               jws;
    ngx_shop_unit_jose_hmac_t   *v;

    algs = NGX_SHOP_JWS_ASYMMETRIC|NGX_SHOP_JWS_HS256;

    ngx_str_set(&other, "0123456789abcdef0123456789abcdef");
    ngx_str_set(&none, "");

    for (v = ngx_shop_unit_jose_hmacs; v->name; v++) {

        rc = ngx_shop_jws_verify(u->pool, &v->token, algs, NULL, &v->secret,
                                 &jws, u->log);
        ngx_shop_unit_is_int(u, rc, NGX_OK, "%s: verified", v->name);
        ngx_shop_unit_is_int(u, jws.alg, NGX_SHOP_JWS_HS256, "%s: alg",
                             v->name);

        rc = ngx_shop_jws_verify(u->pool, &v->token, algs, NULL, &other,
                                 &jws, u->log);
        ngx_shop_unit_ok(u, rc == NGX_ERROR
                            && ngx_strcmp(jws.reason, "signature_invalid")
                               == 0,
                         "%s: another secret", v->name);

        rc = ngx_shop_jws_verify(u->pool, &v->token, algs, NULL, &none,
                                 &jws, u->log);
        ngx_shop_unit_ok(u, rc == NGX_ERROR
                            && ngx_strcmp(jws.reason, "alg_refused") == 0,
                         "%s: an empty secret", v->name);

        rc = ngx_shop_jws_verify(u->pool, &v->token, algs, NULL, NULL,
                                 &jws, u->log);
        ngx_shop_unit_ok(u, rc == NGX_ERROR
                            && ngx_strcmp(jws.reason, "alg_refused") == 0,
                         "%s: no secret", v->name);

        rc = ngx_shop_jws_verify(u->pool, &v->token, NGX_SHOP_JWS_ASYMMETRIC,
                                 NULL, &v->secret, &jws, u->log);
        ngx_shop_unit_ok(u, rc == NGX_ERROR
                            && ngx_strcmp(jws.reason, "alg_refused") == 0,
                         "%s: not allowed by the shop", v->name);
    }
}


/*
 * No byte of a token may change, be it to its neighbor in base64 only, and no
 * part of one or of a key set may be missing.  Each text is in a block of its
 * very size.
 */

static void
ngx_shop_unit_jose_damaged(ngx_shop_unit_t *u)
{
    size_t                         i;
    ngx_str_t                      text;
    ngx_pool_t                    *pool;
    ngx_uint_t                     changed, cut, n;
    ngx_shop_jws_t                 jws;
    ngx_shop_jwks_t               *jwks;
    ngx_shop_unit_jose_vector_t   *v;

    for (v = ngx_shop_unit_jose_vectors; v->name; v++) {

        jwks = ngx_shop_jwks_parse(u->pool, &v->jwks, u->log);
        changed = 0;
        cut = 0;

        for (i = 0; i < v->token.len; i++) {

            for (n = 0; n < 2; n++) {

                pool = ngx_create_pool(NGX_MIN_POOL_SIZE, u->log);

                text.len = n ? i : v->token.len;
                text.data = ngx_alloc(text.len ? text.len : 1, u->log);
                ngx_memcpy(text.data, v->token.data, text.len);

                if (n == 0) {
                    text.data[i] ^= 0x01;
                }

                if (ngx_shop_jws_verify(pool, &text, NGX_SHOP_JWS_ASYMMETRIC,
                                        jwks, NULL, &jws, u->log)
                    == NGX_OK)
                {
                    if (n) {
                        cut++;

                    } else {
                        changed++;
                    }
                }

                ngx_free(text.data);
                ngx_destroy_pool(pool);
            }
        }

        ngx_shop_unit_is_int(u, changed, 0, "%s: no byte may change",
                             v->name);
        ngx_shop_unit_is_int(u, cut, 0, "%s: none may be missing", v->name);
    }

    cut = 0;

    for (i = 0; i < ngx_shop_unit_jose_rfc7517.len; i++) {

        pool = ngx_create_pool(NGX_MIN_POOL_SIZE, u->log);

        text.len = i;
        text.data = ngx_alloc(text.len ? text.len : 1, u->log);
        ngx_memcpy(text.data, ngx_shop_unit_jose_rfc7517.data, text.len);

        if (ngx_shop_jwks_parse(pool, &text, u->log) != NULL) {
            cut++;
        }

        ngx_free(text.data);
        ngx_destroy_pool(pool);
    }

    ngx_shop_unit_is_int(u, cut, 0, "a set is whole or none");
}


static void
ngx_shop_unit_jose_names(ngx_shop_unit_t *u)
{
    ngx_uint_t           i;
    static const char   *unknown[] = {
        "", "none", "NONE", "nOnE", "rs256", "RS256 ", "RS2567", "RS25",
        "HS384", "HS512", "ES256K", "Ed448", "RSA-OAEP", "dir", NULL
    };

    for (i = 0; ngx_shop_unit_jose_known[i].name; i++) {
        ngx_shop_unit_is_int(u,
            ngx_shop_jws_alg(ngx_shop_unit_jose_text(u,
                                        ngx_shop_unit_jose_known[i].name)),
            ngx_shop_unit_jose_known[i].alg, "%s is known",
            ngx_shop_unit_jose_known[i].name);
    }

    ngx_shop_unit_is_int(u, ngx_shop_jws_alg(ngx_shop_unit_str("HS256")),
                         NGX_SHOP_JWS_HS256, "HS256 is known");

    for (i = 0; unknown[i]; i++) {
        ngx_shop_unit_is_int(u,
            ngx_shop_jws_alg(ngx_shop_unit_jose_text(u, unknown[i])), 0,
            "\"%s\" is unknown", unknown[i]);
    }

    ngx_shop_unit_is_int(u, ngx_shop_jws_bits(0), 0, "no digest of none");
    ngx_shop_unit_is_int(u, ngx_shop_jws_bits(3), 0, "no digest of two");
}


static void
ngx_shop_unit_jose_sets(ngx_shop_unit_t *u)
{
    u_char            *p;
    size_t             i;
    ngx_str_t          many, *jwk;
    ngx_shop_jwk_t    *key;
    ngx_shop_jwks_t   *jwks;

    static const char  *malformed[] = {
        "", "x", "null", "[]", "{}", "\"keys\"", "{\"keys\":{}}",
        "{\"keys\":null}", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}",
        "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", NULL
    };

    jwks = ngx_shop_jwks_parse(u->pool, &ngx_shop_unit_jose_rfc7517, u->log);

    if (ngx_shop_unit_ok(u, jwks != NULL, "RFC 7517 A.1 is read")) {
        ngx_shop_unit_is_int(u, jwks->keys.nelts, 1,
                             "its key for encryption is skipped");

        key = jwks->keys.elts;

        ngx_shop_unit_is(u, &key->kid, "2011-04-29", "kid");
        ngx_shop_unit_is_int(u, key->algs, NGX_SHOP_JWS_RS256,
                             "\"alg\" of the key is all it may do");
    }

    for (i = 0; malformed[i]; i++) {
        jwks = ngx_shop_jwks_parse(u->pool,
                                   ngx_shop_unit_jose_text(u, malformed[i]),
                                   u->log);
        ngx_shop_unit_ok(u, jwks == NULL, "no JWK set: %s", malformed[i]);
    }

    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa,
                                     ",\"issuer\":\"https://id.example\"");

    if (ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 1,
                         "a key of an issuer"))
    {
        key = jwks->keys.elts;
        ngx_shop_unit_is(u, &key->issuer, "https://id.example", "issuer");
    }

    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa, ",\"issuer\":[]");

    if (ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 1,
                         "a key of what is no issuer"))
    {
        key = jwks->keys.elts;
        ngx_shop_unit_is(u, &key->issuer, NGX_SHOP_JWK_NO_ISSUER,
                         "it is nobody's");
    }

    jwks = ngx_shop_unit_jose_set(u, "");
    ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 0, "an empty set");

    /* one key many times */

    jwk = ngx_shop_unit_jose_jwk(u, jose_ed25519, "");

    many.data = ngx_pnalloc(u->pool, (jwk->len + 1) * 130 + 16);

    p = ngx_cpymem(many.data, "{\"keys\":[", 9);

    for (i = 0; i < 128; i++) {
        p = ngx_cpymem(p, jwk->data, jwk->len);
        *p++ = (i < 127) ? ',' : ']';
    }

    *p++ = '}';
    many.len = p - many.data;

    jwks = ngx_shop_jwks_parse(u->pool, &many, u->log);
    ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 128, "128 keys");

    p = many.data + many.len - 2;
    *p++ = ',';
    p = ngx_cpymem(p, jwk->data, jwk->len);
    p = ngx_cpymem(p, "]}", 2);
    many.len = p - many.data;

    jwks = ngx_shop_jwks_parse(u->pool, &many, u->log);
    ngx_shop_unit_ok(u, jwks == NULL, "129 keys are too many");

    many.len = NGX_SHOP_JWKS_MAX + 1;
    many.data = ngx_pnalloc(u->pool, many.len);
    ngx_memset(many.data, ' ', many.len);
    ngx_memcpy(many.data, "{\"keys\":[]}", 11);

    jwks = ngx_shop_jwks_parse(u->pool, &many, u->log);
    ngx_shop_unit_ok(u, jwks == NULL, "a document that is too long");

    many.len--;

    jwks = ngx_shop_jwks_parse(u->pool, &many, u->log);
    ngx_shop_unit_ok(u, jwks != NULL, "a document that is just short enough");
}


static void
ngx_shop_unit_jose_useless(ngx_shop_unit_t *u)
{
    u_char            *p;
    size_t             i;
    ngx_str_t         *n, *key;
    ngx_shop_jwks_t   *jwks;
    u_char             bytes[2049];

    static const char  *extras[] = {
        ",\"use\":\"enc\"", ",\"use\":\"SIG\"", ",\"use\":1",
        ",\"use\":[\"sig\"]", ",\"use\":\"\"",
        ",\"key_ops\":[]", ",\"key_ops\":[\"sign\"]",
        ",\"key_ops\":\"verify\"", ",\"key_ops\":[1]", ",\"key_ops\":null",
        ",\"alg\":\"RSA-OAEP\"", ",\"alg\":\"HS256\"", ",\"alg\":\"none\"",
        ",\"alg\":\"ES256\"", ",\"alg\":1", ",\"alg\":\"\"",
        ",\"kid\":1", ",\"kid\":{}", ",\"kid\":[\"a\"]", ",\"kid\":true",
        ",\"d\":\"AQAB\"", ",\"d\":null", ",\"p\":\"AQAB\"",
        ",\"k\":\"AQAB\"", NULL
    };

    static const char  *keys[] = {
        "1", "null", "\"RSA\"", "[]", "{}", "{\"kty\":1}",
        "{\"kty\":\"rsa\"}", "{\"kty\":\"RSA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":1,\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}",
        "{\"kty\":\"oct\",\"k\":"
            "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75\"}",
        "{\"kty\":\"EC\"}", "{\"kty\":\"EC\",\"crv\":\"P-256\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\","
            "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
            "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
        /* a P-256 point under the name of a longer curve */
        "{\"kty\":\"EC\",\"crv\":\"P-384\","
            "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
            "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
        /* x and y changed places: off the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\","
            "\"y\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
            "\"x\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}",
        /* 0, 0 */
        "{\"kty\":\"EC\",\"crv\":\"P-256\","
            "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
            "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        /* padding */
        "{\"kty\":\"EC\",\"crv\":\"P-256\","
            "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4=\","
            "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM=\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\","
            "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"EC\",\"crv\":\"Ed25519\","
            "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        NULL
    };

    static const char  *exponents[] = {
        "AQ", "Ag", "AAAB", "AQAA", "__________8B", "AA", NULL
    };

    static const struct {
        const char  *what;
        size_t       len;
        u_char       first;
        u_char       last;
        ngx_uint_t   expected;
    } moduli[] = {
        { "8192 bits", 1024, 0x80, 0x01, 1 },
        { "8192 bits behind a zero byte", 1025, 0x00, 0x01, 1 },
        { "8193 bits", 1025, 0x01, 0x01, 0 },
        { "16384 bits", 2048, 0x80, 0x01, 0 },
        { "2047 bits", 256, 0x7f, 0x01, 0 },
        { "an even one", 256, 0x80, 0x02, 0 },
        { NULL, 0, 0, 0, 0 }
    };

    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa,
                                     ",\"use\":\"sig\",\"key_ops\":"
                                     "[\"sign\",\"verify\"],\"x5c\":[1]");
    ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 1, "a good key");

    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa_short, "");
    ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 0, "1024 bits of RSA");

    for (i = 0; extras[i]; i++) {
        jwks = ngx_shop_unit_jose_set_of(u, jose_rsa, extras[i]);
        ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 0,
                         "a key with %s", extras[i]);
    }

    for (i = 0; keys[i]; i++) {
        jwks = ngx_shop_unit_jose_set(u, keys[i]);
        ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 0,
                         "a key like %s", keys[i]);
    }

    /* a useless key does not take others with it */

    key = ngx_shop_unit_jose_jwk(u, jose_p256, "");
    p = ngx_shop_unit_jose_format(u, "{},%V,1%Z", key)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);
    ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 1, "one of three");

    /* moduli and exponents */

    ngx_memset(bytes, 0xff, sizeof(bytes));

    n = ngx_shop_unit_jose_encode(u, bytes, 256);

    for (i = 0; exponents[i]; i++) {
        p = ngx_shop_unit_jose_format(u,
                             "{\"kty\":\"RSA\",\"n\":\"%V\",\"e\":\"%s\"}%Z",
                                      n, exponents[i])->data;
        jwks = ngx_shop_unit_jose_set(u, (char *) p);
        ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 0,
                         "RSA exponent %s", exponents[i]);
    }

    p = ngx_shop_unit_jose_format(u,
                             "{\"kty\":\"RSA\",\"n\":\"%V\",\"e\":\"Aw\"}%Z",
                                  n)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);
    ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == 1, "RSA exponent 3");

    for (i = 0; moduli[i].what; i++) {
        ngx_memset(bytes, 0xff, sizeof(bytes));
        bytes[0] = moduli[i].first;
        bytes[moduli[i].len - 1] = moduli[i].last;

        p = ngx_shop_unit_jose_format(u,
                           "{\"kty\":\"RSA\",\"n\":\"%V\",\"e\":\"AQAB\"}%Z",
                      ngx_shop_unit_jose_encode(u, bytes, moduli[i].len))
            ->data;

        jwks = ngx_shop_unit_jose_set(u, (char *) p);
        ngx_shop_unit_ok(u, jwks && jwks->keys.nelts == moduli[i].expected,
                         "RSA modulus: %s", moduli[i].what);
    }
}


static void
ngx_shop_unit_jose_algs(ngx_shop_unit_t *u)
{
    ngx_str_t                  *token;
    ngx_uint_t                  i, k;
    ngx_shop_jwks_t            *jwks[jose_keys];
    ngx_shop_unit_jose_alg_t   *alg;

    for (k = 0; k < jose_keys; k++) {
        jwks[k] = ngx_shop_unit_jose_set_of(u, k, "");
    }

    for (i = 0; ngx_shop_unit_jose_known[i].name; i++) {

        alg = &ngx_shop_unit_jose_known[i];
        token = ngx_shop_unit_jose_sign(u, alg, "");

        ngx_shop_unit_jose_verified(u, token, NGX_SHOP_JWS_ASYMMETRIC,
                                    jwks[alg->key], alg->name);
        ngx_shop_unit_jose_verified(u, token, alg->alg, jwks[alg->key],
                                    alg->name);
        ngx_shop_unit_jose_refused(u, token,
                                   NGX_SHOP_JWS_ASYMMETRIC & ~alg->alg,
                                   jwks[alg->key], NGX_ERROR, "alg_refused",
                                   alg->name);
        ngx_shop_unit_jose_refused(u, token, 0, jwks[alg->key], NGX_ERROR,
                                   "alg_refused", alg->name);

        for (k = 0; k < jose_keys; k++) {

            if (k == alg->key) {
                continue;
            }

            ngx_shop_unit_jose_refused(u, token, NGX_SHOP_JWS_ASYMMETRIC,
                                       jwks[k], NGX_DECLINED,
                                       (alg->key == jose_rsa
                                        && k == jose_rsa_other)
                                       ? "signature_invalid" : "key_unknown",
                                       alg->name);
        }

        ngx_shop_unit_jose_refused(u, token, NGX_SHOP_JWS_ASYMMETRIC, NULL,
                                   NGX_DECLINED, "key_unknown", alg->name);

        /* the key says that it is for another algorithm */

        ngx_shop_unit_jose_refused(u, token, NGX_SHOP_JWS_ASYMMETRIC,
                                   ngx_shop_unit_jose_set_of(u, alg->key,
                                       alg->alg == NGX_SHOP_JWS_RS256
                                       ? ",\"alg\":\"PS256\""
                                       : ",\"alg\":\"RS256\""),
                                   NGX_DECLINED, "key_unknown", alg->name);
    }
}


static void
ngx_shop_unit_jose_forgeries(ngx_shop_unit_t *u)
{
    u_char                      *p;
    ngx_str_t                   *input, *token, *sig, all;
    ngx_uint_t                   i, algs;
    ngx_shop_jwks_t             *jwks;
    ngx_shop_unit_jose_alg_t    *alg;

    static ngx_shop_unit_jose_case_t  headers[] = {
        { "no object", "[]", "token_malformed" },
        { "a text", "\"RS256\"", "token_malformed" },
        { "null", "null", "token_malformed" },
        { "no JSON", "{\"alg\":\"RS256\"", "token_malformed" },
        { "two values", "{\"alg\":\"RS256\"}{}", "token_malformed" },
        { "empty", "{}", "token_malformed" },
        { "alg null", "{\"alg\":null}", "token_malformed" },
        { "alg a number", "{\"alg\":256}", "token_malformed" },
        { "alg an array", "{\"alg\":[\"RS256\"]}", "token_malformed" },
        { "alg twice", "{\"alg\":\"none\",\"alg\":\"RS256\"}",
          "token_malformed" },
        { "kid twice", "{\"alg\":\"RS256\",\"kid\":\"a\",\"kid\":\"b\"}",
          "token_malformed" },
        { "NUL in alg", "{\"alg\":\"RS256\\u0000\"}", "token_malformed" },
        { "not UTF-8", "{\"alg\":\"RS256\",\"x\":\"\xff\"}",
          "token_malformed" },
        { "kid a number", "{\"alg\":\"RS256\",\"kid\":1}",
          "token_malformed" },
        { "kid an object", "{\"alg\":\"RS256\",\"kid\":{}}",
          "token_malformed" },
        { "typ a number", "{\"alg\":\"RS256\",\"typ\":1}",
          "token_malformed" },
        { "none", "{\"alg\":\"none\"}", "alg_refused" },
        { "None", "{\"alg\":\"None\"}", "alg_refused" },
        { "NONE", "{\"alg\":\"NONE\"}", "alg_refused" },
        { "nOnE", "{\"alg\":\"nOnE\"}", "alg_refused" },
        { "none with a blank", "{\"alg\":\"none \"}", "alg_refused" },
        { "empty alg", "{\"alg\":\"\"}", "alg_refused" },
        { "lower case", "{\"alg\":\"rs256\"}", "alg_refused" },
        { "HS256", "{\"alg\":\"HS256\"}", "alg_refused" },
        { "HS384", "{\"alg\":\"HS384\"}", "alg_refused" },
        { "HS512", "{\"alg\":\"HS512\"}", "alg_refused" },
        { "RS1", "{\"alg\":\"RS1\"}", "alg_refused" },
        { "ES256K", "{\"alg\":\"ES256K\"}", "alg_refused" },
        { "RSA-OAEP", "{\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"}",
          "alg_refused" },
        { "dir", "{\"alg\":\"dir\"}", "alg_refused" },
        { "crit", "{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}",
          "header_refused" },
        { "crit empty", "{\"alg\":\"RS256\",\"crit\":[]}",
          "header_refused" },
        { "crit null", "{\"alg\":\"RS256\",\"crit\":null}",
          "header_refused" },
        { "b64 false", "{\"alg\":\"RS256\",\"b64\":false,"
                       "\"crit\":[\"b64\"]}", "header_refused" },
        { "b64 without crit", "{\"alg\":\"RS256\",\"b64\":false}",
          "header_refused" },
        { "b64 true", "{\"alg\":\"RS256\",\"b64\":true}",
          "header_refused" },
        { NULL, NULL, NULL }
    };

    static const char  *texts[] = {
        "", ".", "..", "...", "....", "a", "a.b", "a.b.c.d", "a.b.c.d.e",
        "e30", "e30.e30", "e30.e30.", ".e30.e30", "e30..e30",
        "eyJhbGciOiJSUzI1NiJ9..", "eyJhbGciOiJSUzI1NiJ9.e30.",
        "eyJhbGciOiJSUzI1NiJ9..AA", "eyJhbGciOiJSUzI1NiJ9.e30.AA.AA",
        "eyJhbGciOiJSUzI1NiJ9.e30.AA.", "eyJhbGciOiJSUzI1NiJ9 .e30.AA",
        "{\"alg\":\"RS256\"}.{}.AA", NULL
    };

    alg = &ngx_shop_unit_jose_known[0];
    algs = NGX_SHOP_JWS_ASYMMETRIC;
    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa, "");

    for (i = 0; headers[i].what; i++) {

        /* truly signed by the provider, so nothing but the header is wrong */

        input = ngx_shop_unit_jose_input(u, headers[i].text, "{}");
        sig = ngx_shop_unit_jose_sign_raw(u, alg, input);
        token = ngx_shop_unit_jose_join(u, input, sig->data, sig->len);

        ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                                   headers[i].reason, headers[i].what);

        /* and without any signature, with and without the final dot */

        token = ngx_shop_unit_jose_join(u, input, NULL, 0);

        ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                                   headers[i].reason, headers[i].what);

        token->len--;

        ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                                   "token_malformed", headers[i].what);
    }

    for (i = 0; texts[i]; i++) {
        ngx_shop_unit_jose_refused(u, ngx_shop_unit_jose_text(u, texts[i]),
                                   algs, jwks, NGX_ERROR, "token_malformed",
                                   texts[i]);
    }

    /* keys that a header brings along are not looked at */

    p = ngx_shop_unit_jose_format(u, ",\"jwk\":%V,\"jku\":"
                                  "\"http://127.0.0.1/\",\"x5u\":1,"
                                  "\"x5c\":\"x\"%Z",
                                  ngx_shop_unit_jose_jwk(u, jose_rsa_other,
                                                         ""))->data;

    token = ngx_shop_unit_jose_sign(u, alg, (char *) p);

    ngx_shop_unit_jose_refused(u, token, algs,
                               ngx_shop_unit_jose_set_of(u, jose_rsa_other,
                                                         ""),
                               NGX_DECLINED, "signature_invalid",
                               "the right key is in the token");
    ngx_shop_unit_jose_verified(u, token, algs, jwks,
                                "another key is in the token");

    /* lengths */

    all.len = NGX_SHOP_JWS_TOKEN_MAX + 1;
    all.data = ngx_pnalloc(u->pool, all.len);
    ngx_memset(all.data, 'A', all.len);

    ngx_shop_unit_jose_refused(u, &all, algs, jwks, NGX_ERROR,
                               "token_malformed", "65537 bytes");

    ngx_memcpy(all.data, "eyJhbGciOiJSUzI1NiJ9.e30.", 25);
    all.len--;

    ngx_shop_unit_jose_refused(u, &all, algs, jwks, NGX_DECLINED,
                               "signature_invalid", "65536 bytes");
}


static void
ngx_shop_unit_jose_base64(ngx_shop_unit_t *u)
{
    u_char                     *p, *first, *second;
    ngx_str_t                  *input, *sig, *good, *token;
    ngx_uint_t                  algs;
    ngx_shop_jwks_t            *jwks;
    ngx_shop_unit_jose_alg_t   *alg;

    alg = &ngx_shop_unit_jose_known[0];
    algs = NGX_SHOP_JWS_ASYMMETRIC;
    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa, "");

    good = ngx_shop_unit_jose_sign(u, alg, "");
    ngx_shop_unit_jose_verified(u, good, algs, jwks, "as it is");

    first = ngx_strlchr(good->data, good->data + good->len, '.');
    second = ngx_strlchr(first + 1, good->data + good->len, '.');

    token = ngx_shop_unit_jose_format(u, "%V=", good);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "padded by one");

    token = ngx_shop_unit_jose_format(u, "%V==", good);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "padded by two");

    token = ngx_shop_unit_jose_format(u, "%V\n", good);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "a final line feed");

    token = ngx_shop_unit_jose_format(u, " %V", good);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "a leading blank");

    token = ngx_shop_unit_jose_format(u, "%VAAA", good);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "a character on its own");

    /* 256 bytes leave four bits in the last character: all must be zero */

    token = ngx_shop_unit_jose_format(u, "%V", good);
    p = token->data + token->len - 1;
    *p = (*p == 'A') ? 'B' : (*p == 'Q') ? 'R' : (*p == 'g') ? 'h' : 'x';
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "bits left over");

    /* signed like that by the provider itself */

    token = ngx_shop_unit_jose_format(u, "%*s.e30=",
                                      (size_t) (first - good->data),
                                      good->data);
    input = token;
    sig = ngx_shop_unit_jose_sign_raw(u, alg, input);
    token = ngx_shop_unit_jose_join(u, input, sig->data, sig->len);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "a padded payload");

    input = ngx_shop_unit_jose_format(u, "%*s.e3+/",
                                      (size_t) (first - good->data),
                                      good->data);
    sig = ngx_shop_unit_jose_sign_raw(u, alg, input);
    token = ngx_shop_unit_jose_join(u, input, sig->data, sig->len);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "token_malformed", "the other base64");

    /* signatures of other lengths */

    sig = ngx_shop_unit_jose_sign_raw(u, alg,
                                      ngx_shop_unit_jose_format(u, "%*s",
                                          (size_t) (second - good->data),
                                          good->data));

    token = ngx_shop_unit_jose_format(u, "%*s",
                                      (size_t) (second - good->data),
                                      good->data);

    ngx_shop_unit_jose_verified(u,
                                ngx_shop_unit_jose_join(u, token, sig->data,
                                                        sig->len),
                                algs, jwks, "a whole signature");
    ngx_shop_unit_jose_refused(u,
                               ngx_shop_unit_jose_join(u, token, sig->data,
                                                       sig->len - 1),
                               algs, jwks, NGX_DECLINED, "signature_invalid",
                               "a signature that is cut");

    p = ngx_pcalloc(u->pool, sig->len + 1);
    ngx_memcpy(p, sig->data, sig->len);
    ngx_shop_unit_jose_refused(u,
                               ngx_shop_unit_jose_join(u, token, p,
                                                       sig->len + 1),
                               algs, jwks, NGX_DECLINED, "signature_invalid",
                               "a signature and a zero byte");

    ngx_memcpy(p + 1, sig->data, sig->len);
    p[0] = 0;
    ngx_shop_unit_jose_refused(u,
                               ngx_shop_unit_jose_join(u, token, p,
                                                       sig->len + 1),
                               algs, jwks, NGX_DECLINED, "signature_invalid",
                               "a zero byte and a signature");

    ngx_memset(p, 0, sig->len);
    ngx_shop_unit_jose_refused(u,
                               ngx_shop_unit_jose_join(u, token, p,
                                                       sig->len),
                               algs, jwks, NGX_DECLINED, "signature_invalid",
                               "zero");

    ngx_memset(p, 0xff, sig->len);
    ngx_shop_unit_jose_refused(u,
                               ngx_shop_unit_jose_join(u, token, p,
                                                       sig->len),
                               algs, jwks, NGX_DECLINED, "signature_invalid",
                               "more than the modulus");
}


static void
ngx_shop_unit_jose_confusion(ngx_shop_unit_t *u)
{
    u_char             *pem;
    size_t              len;
    ngx_int_t           rc;
    ngx_str_t          *input, *token, *jwk, key, secret;
    ngx_uint_t          i, algs;
    ngx_shop_jws_t      jws;
    ngx_shop_jwks_t    *jwks;
    u_char              mac[NGX_SHOP_SHA256_LEN];

    /* what everybody knows, as the secret of a forger */

    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa, "");
    jwk = ngx_shop_unit_jose_jwk(u, jose_rsa, "");
    input = ngx_shop_unit_jose_input(u, "{\"alg\":\"HS256\"}", "{}");

    ngx_str_set(&secret, "the secret of the shop at its provider");
    algs = NGX_SHOP_JWS_ASYMMETRIC|NGX_SHOP_JWS_HS256;

    pem = NULL;
    len = (size_t) i2d_PUBKEY(ngx_shop_unit_jose_key(jose_rsa), &pem);

    for (i = 0; i < 3; i++) {

        switch (i) {
        case 0:
            key = *jwk;
            break;
        case 1:
            key.data = pem;
            key.len = len;
            break;
        default:
            ngx_str_set(&key, "");
            break;
        }

        (void) ngx_shop_hmac_sha256(&key, input, mac, u->log);

        token = ngx_shop_unit_jose_join(u, input, mac, NGX_SHOP_SHA256_LEN);

        ngx_shop_unit_jose_refused(u, token, NGX_SHOP_JWS_ASYMMETRIC, jwks,
                                   NGX_ERROR, "alg_refused",
                                   "a public key as the secret");

        rc = ngx_shop_jws_verify(u->pool, token, algs, jwks, &secret, &jws,
                                 u->log);
        ngx_shop_unit_ok(u, rc == NGX_ERROR
                            && ngx_strcmp(jws.reason, "signature_invalid")
                               == 0,
                         "a public key, where HS256 is allowed");
    }

    OPENSSL_free(pem);

    /* parts of a mac */

    (void) ngx_shop_hmac_sha256(&secret, input, mac, u->log);

    for (i = 0; i <= NGX_SHOP_SHA256_LEN; i += 8) {
        token = ngx_shop_unit_jose_join(u, input, mac, i);
        rc = ngx_shop_jws_verify(u->pool, token, algs, jwks, &secret, &jws,
                                 u->log);
        ngx_shop_unit_is_int(u, rc, i == 32 ? NGX_OK : NGX_ERROR,
                             "%ui bytes of 32", i);
    }
}


static void
ngx_shop_unit_jose_salt(ngx_shop_unit_t *u)
{
    ngx_uint_t                  i;
    ngx_shop_jwks_t            *jwks;
    ngx_shop_unit_jose_alg_t    alg;

    static int  salts[] = { RSA_PSS_SALTLEN_MAX, 1, 20, 31, 33, 48, 64, 0 };

    jwks = ngx_shop_unit_jose_set_of(u, jose_rsa, "");
    alg = ngx_shop_unit_jose_known[3];

    ngx_shop_unit_jose_verified(u, ngx_shop_unit_jose_sign(u, &alg, ""),
                                NGX_SHOP_JWS_PS256, jwks,
                                "a salt of 32 bytes");

    for (i = 0; salts[i]; i++) {
        alg.salt = salts[i];
        ngx_shop_unit_jose_refused(u, ngx_shop_unit_jose_sign(u, &alg, ""),
                                   NGX_SHOP_JWS_PS256, jwks, NGX_DECLINED,
                                   "signature_invalid", "another salt");
    }

    /* the right padding, the wrong digest */

    alg.salt = 32;
    alg.digest = "SHA384";
    ngx_shop_unit_jose_refused(u, ngx_shop_unit_jose_sign(u, &alg, ""),
                               NGX_SHOP_JWS_PS256, jwks, NGX_DECLINED,
                               "signature_invalid", "another digest");
}


static void
ngx_shop_unit_jose_ecdsa(ngx_shop_unit_t *u)
{
    u_char                      buf[256];
    size_t                      len;
    ngx_str_t                  *input, *sig;
    ngx_uint_t                  i;
    const u_char               *p;
    ngx_shop_jwks_t            *jwks;
    ngx_shop_unit_jose_alg_t    raw, *alg;

    /* the order of P-256 */

    static u_char  order[] =
        "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";

    static const struct {
        const char  *what;
        size_t       len;
        u_char      *r;                     /* NULL: zero */
        u_char      *s;
    } zeros[] = {
        { "r and s are zero", 64, NULL, NULL },
        { "r is zero", 64, NULL, order },
        { "s is zero", 64, order, NULL },
        { "r and s are the order", 64, order, order },
        { NULL, 0, NULL, NULL }
    };

    alg = &ngx_shop_unit_jose_known[6];
    jwks = ngx_shop_unit_jose_set_of(u, jose_p256, "");
    input = ngx_shop_unit_jose_input(u, "{\"alg\":\"ES256\"}", "{}");
    sig = ngx_shop_unit_jose_sign_raw(u, alg, input);

    ngx_shop_unit_is_int(u, sig->len, 64, "r and s");
    ngx_shop_unit_jose_verified(u,
                                ngx_shop_unit_jose_join(u, input, sig->data,
                                                        64),
                                NGX_SHOP_JWS_ES256, jwks, "as it is");

    for (i = 0; zeros[i].what; i++) {
        ngx_memzero(buf, sizeof(buf));

        if (zeros[i].r) {
            ngx_memcpy(buf, zeros[i].r, 32);
        }

        if (zeros[i].s) {
            ngx_memcpy(buf + 32, zeros[i].s, 32);
        }

        ngx_shop_unit_jose_refused(u,
                                   ngx_shop_unit_jose_join(u, input, buf, 64),
                                   NGX_SHOP_JWS_ES256, jwks, NGX_DECLINED,
                                   "signature_invalid", zeros[i].what);
    }

    for (len = 1; len <= 96; len++) {

        if (len == 64) {
            continue;
        }

        ngx_memzero(buf, sizeof(buf));
        ngx_memcpy(buf, sig->data, len < 64 ? len : 64);

        ngx_shop_unit_jose_refused(u,
                                   ngx_shop_unit_jose_join(u, input, buf,
                                                           len),
                                   NGX_SHOP_JWS_ES256, jwks, NGX_DECLINED,
                                   "signature_invalid", "another length");
    }

    /* DER, as OpenSSL writes it */

    raw = *alg;
    raw.ecdsa = 0;
    sig = ngx_shop_unit_jose_sign_raw(u, &raw, input);
    p = sig->data;

    ngx_shop_unit_ok(u, p[0] == 0x30, "DER");
    ngx_shop_unit_jose_refused(u,
                               ngx_shop_unit_jose_join(u, input, sig->data,
                                                       sig->len),
                               NGX_SHOP_JWS_ES256, jwks, NGX_DECLINED,
                               "signature_invalid", "DER");
}


static void
ngx_shop_unit_jose_kid(ngx_shop_unit_t *u)
{
    u_char                     *p;
    ngx_str_t                  *plain, *token, *a, *b, *ec, *n, *x;
    ngx_uint_t                  i, algs;
    ngx_shop_jwks_t            *jwks;
    ngx_shop_unit_jose_alg_t   *alg;

    alg = &ngx_shop_unit_jose_known[0];
    algs = NGX_SHOP_JWS_ASYMMETRIC;

    a = ngx_shop_unit_jose_jwk(u, jose_rsa, ",\"kid\":\"a\"");
    b = ngx_shop_unit_jose_jwk(u, jose_rsa_other, ",\"kid\":\"b\"");
    ec = ngx_shop_unit_jose_jwk(u, jose_p256, ",\"kid\":\"e\"");

    p = ngx_shop_unit_jose_format(u, "%V,%V,%V%Z", ec, b, a)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);

    plain = ngx_shop_unit_jose_sign(u, alg, "");
    ngx_shop_unit_jose_verified(u, plain, algs, jwks,
                                "no kid, several keys");

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"\"");
    ngx_shop_unit_jose_verified(u, token, algs, jwks, "an empty kid");

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"a\"");
    ngx_shop_unit_jose_verified(u, token, algs, jwks, "the right kid");

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"b\"");
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "signature_invalid", "the kid of another key");

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"e\"");
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "alg_refused", "the kid of another type");

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"A\"");
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_DECLINED,
                               "key_unknown", "a kid in upper case");

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"aa\"");
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_DECLINED,
                               "key_unknown", "a longer kid");

    /* one kid, three keys */

    x = ngx_shop_unit_jose_jwk(u, jose_rsa_other, ",\"kid\":\"a\"");
    ec = ngx_shop_unit_jose_jwk(u, jose_p256, ",\"kid\":\"a\"");

    p = ngx_shop_unit_jose_format(u, "%V,%V,%V%Z", ec, x, a)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"a\"");
    ngx_shop_unit_jose_verified(u, token, algs, jwks, "three of one kid");

    /* keys without a name, where none has this one (RFC 7517 4.5) */

    token = ngx_shop_unit_jose_sign(u, alg, ",\"kid\":\"n\"");
    n = ngx_shop_unit_jose_jwk(u, jose_rsa, "");
    x = ngx_shop_unit_jose_jwk(u, jose_rsa_other, "");
    ec = ngx_shop_unit_jose_jwk(u, jose_p256, ",\"kid\":\"n\"");

    p = ngx_shop_unit_jose_format(u, "%V,%V,%V%Z", b, x, n)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);
    ngx_shop_unit_jose_verified(u, token, algs, jwks, "a key without a kid");

    p = ngx_shop_unit_jose_format(u, "%V,%V%Z", a, x)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_DECLINED,
                               "signature_invalid",
                               "another key without a kid");

    p = ngx_shop_unit_jose_format(u, "%V,%V%Z", n, ec)->data;
    jwks = ngx_shop_unit_jose_set(u, (char *) p);
    ngx_shop_unit_jose_refused(u, token, algs, jwks, NGX_ERROR,
                               "alg_refused", "a key of this kid beside it");

    /* not more than 16 signatures are computed for one token */

    p = ngx_shop_unit_jose_format(u, "%V,%V,%V,%V%Z", b, b, b, b)->data;
    x = ngx_shop_unit_jose_format(u, "%s", p);

    for (i = 0; i < 2; i++) {
        p = ngx_shop_unit_jose_format(u, "%V,%V,%V,%V%s,%V%Z", x, x, x,
                                      i ? x : b, "", a)->data;
        jwks = ngx_shop_unit_jose_set(u, (char *) p);

        if (i == 0) {
            ngx_shop_unit_jose_verified(u, plain, algs, jwks,
                                        "the 14th key fits");

        } else {
            ngx_shop_unit_jose_refused(u, plain, algs, jwks, NGX_DECLINED,
                                       "signature_invalid",
                                       "the 17th key would fit");
        }
    }
}


static void
ngx_shop_unit_jose_result(ngx_shop_unit_t *u)
{
    ngx_int_t                   rc;
    ngx_str_t                  *token;
    ngx_shop_jws_t              jws;
    ngx_shop_jwks_t            *jwks;
    ngx_shop_unit_jose_alg_t   *alg;

    alg = &ngx_shop_unit_jose_known[9];
    jwks = ngx_shop_unit_jose_set_of(u, jose_ed25519, ",\"kid\":\"k 1\"");
    token = ngx_shop_unit_jose_sign(u, alg,
                                    ",\"kid\":\"k 1\",\"typ\":\"JWT\"");

    rc = ngx_shop_jws_verify(u->pool, token, NGX_SHOP_JWS_EDDSA, jwks, NULL,
                             &jws, u->log);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "verified");
    ngx_shop_unit_is_int(u, jws.alg, NGX_SHOP_JWS_EDDSA, "alg");
    ngx_shop_unit_is(u, &jws.kid, "k 1", "kid");
    ngx_shop_unit_is(u, &jws.typ, "JWT", "typ");
    ngx_shop_unit_is(u, &jws.payload, "{\"sub\":\"s\"}", "payload");
    ngx_shop_unit_ok(u, jws.reason == NULL, "no reason");

    token->data[token->len - 10] ^= 0x01;

    rc = ngx_shop_jws_verify(u->pool, token, NGX_SHOP_JWS_EDDSA, jwks, NULL,
                             &jws, u->log);

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "not verified");
    ngx_shop_unit_is_int(u, jws.payload.len, 0, "and no payload");
}


#define JOSE_ISS   "\"iss\":\"https://id.example\""
#define JOSE_AUD   "\"aud\":\"shop\""
#define JOSE_SUB   "\"sub\":\"s\""
#define JOSE_TIME  "\"exp\":1000100,\"iat\":1000000"
#define JOSE_ALL   JOSE_ISS "," JOSE_AUD "," JOSE_SUB "," JOSE_TIME

#define JOSE_WITH_ISS(iss)  "{" iss JOSE_AUD "," JOSE_SUB "," JOSE_TIME "}"
#define JOSE_WITH_AUD(aud)  "{" JOSE_ISS "," aud JOSE_SUB "," JOSE_TIME "}"
#define JOSE_WITH_SUB(sub)  "{" JOSE_ISS "," JOSE_AUD "," sub JOSE_TIME "}"
#define JOSE_WITH_TIME(t)   "{" JOSE_ISS "," JOSE_AUD "," t JOSE_SUB "}"
#define JOSE_WITH(more)     "{" JOSE_ALL "," more "}"

#define JOSE_EXP(exp)                                                         \
    JOSE_WITH_TIME("\"iat\":1000000,\"exp\":" exp ",")
#define JOSE_IAT(iat)                                                         \
    JOSE_WITH_TIME("\"exp\":1000100,\"iat\":" iat ",")


static ngx_shop_unit_jose_case_t  ngx_shop_unit_jose_claim_cases[] = {
    { "all is well", "{" JOSE_ALL "}", NULL },
    { "unknown claims", JOSE_WITH("\"x\":{\"iss\":1},\"y\":null"), NULL },
    { "no object", "[]", "claims_malformed" },
    { "null", "null", "claims_malformed" },
    { "a text", "\"x\"", "claims_malformed" },
    { "no JSON", "{", "claims_malformed" },
    { "iss twice", JOSE_WITH(JOSE_ISS), "claims_malformed" },
    { "sub twice", JOSE_WITH("\"sub\":\"t\""), "claims_malformed" },

    { "no iss", JOSE_WITH_ISS(""), "claims_malformed" },
    { "iss null", JOSE_WITH_ISS("\"iss\":null,"), "claims_malformed" },
    { "iss a number", JOSE_WITH_ISS("\"iss\":1,"), "claims_malformed" },
    { "iss an array", JOSE_WITH_ISS("\"iss\":[\"https://id.example\"],"),
      "claims_malformed" },
    { "iss empty", JOSE_WITH_ISS("\"iss\":\"\","), "iss_mismatch" },
    { "iss with a slash", JOSE_WITH_ISS("\"iss\":\"https://id.example/\","),
      "iss_mismatch" },
    { "iss in upper case", JOSE_WITH_ISS("\"iss\":\"https://ID.example\","),
      "iss_mismatch" },
    { "iss by http", JOSE_WITH_ISS("\"iss\":\"http://id.example\","),
      "iss_mismatch" },
    { "iss with a suffix", JOSE_WITH_ISS("\"iss\":\"https://id.example.x\","),
      "iss_mismatch" },
    { "iss cut", JOSE_WITH_ISS("\"iss\":\"https://id.exampl\","),
      "iss_mismatch" },
    { "iss with NUL", JOSE_WITH_ISS("\"iss\":\"https://id.example\\u0000\","),
      "claims_malformed" },

    { "no aud", JOSE_WITH_AUD(""), "claims_malformed" },
    { "aud null", JOSE_WITH_AUD("\"aud\":null,"), "claims_malformed" },
    { "aud a number", JOSE_WITH_AUD("\"aud\":1,"), "claims_malformed" },
    { "aud an object", JOSE_WITH_AUD("\"aud\":{\"shop\":1},"),
      "claims_malformed" },
    { "aud another", JOSE_WITH_AUD("\"aud\":\"other\","), "aud_mismatch" },
    { "aud empty", JOSE_WITH_AUD("\"aud\":\"\","), "aud_mismatch" },
    { "aud in upper case", JOSE_WITH_AUD("\"aud\":\"SHOP\","),
      "aud_mismatch" },
    { "aud longer", JOSE_WITH_AUD("\"aud\":\"shop2\","), "aud_mismatch" },
    { "aud with a blank", JOSE_WITH_AUD("\"aud\":\"shop other\","),
      "aud_mismatch" },
    { "aud array of us", JOSE_WITH_AUD("\"aud\":[\"shop\"],"), NULL },
    { "aud array of us twice", JOSE_WITH_AUD("\"aud\":[\"shop\",\"shop\"],"),
      NULL },
    { "aud array empty", JOSE_WITH_AUD("\"aud\":[],"), "aud_mismatch" },
    { "aud array of another", JOSE_WITH_AUD("\"aud\":[\"other\"],"),
      "aud_mismatch" },
    { "aud with a second", JOSE_WITH_AUD("\"aud\":[\"shop\",\"other\"],"),
      "aud_mismatch" },
    { "aud with a first", JOSE_WITH_AUD("\"aud\":[\"other\",\"shop\"],"),
      "aud_mismatch" },
    { "aud with a second and azp",
      JOSE_WITH_AUD("\"azp\":\"shop\",\"aud\":[\"shop\",\"other\"],"),
      "aud_mismatch" },
    { "aud with a number", JOSE_WITH_AUD("\"aud\":[\"shop\",1],"),
      "claims_malformed" },
    { "aud with null", JOSE_WITH_AUD("\"aud\":[\"shop\",null],"),
      "claims_malformed" },
    { "aud nested", JOSE_WITH_AUD("\"aud\":[[\"shop\"]],"),
      "claims_malformed" },
    { "aud of 17", JOSE_WITH_AUD("\"aud\":[\"shop\",\"shop\",\"shop\","
      "\"shop\",\"shop\",\"shop\",\"shop\",\"shop\",\"shop\",\"shop\","
      "\"shop\",\"shop\",\"shop\",\"shop\",\"shop\",\"shop\",\"shop\"],"),
      "aud_mismatch" },

    { "azp ours", JOSE_WITH("\"azp\":\"shop\""), NULL },
    { "azp null", JOSE_WITH("\"azp\":null"), NULL },
    { "azp another", JOSE_WITH("\"azp\":\"other\""), "azp_mismatch" },
    { "azp empty", JOSE_WITH("\"azp\":\"\""), "azp_mismatch" },
    { "azp an array", JOSE_WITH("\"azp\":[\"shop\"]"), "claims_malformed" },
    { "azp a number", JOSE_WITH("\"azp\":1"), "claims_malformed" },

    { "no sub", JOSE_WITH_SUB(""), "claims_malformed" },
    { "sub null", JOSE_WITH_SUB("\"sub\":null,"), "claims_malformed" },
    { "sub empty", JOSE_WITH_SUB("\"sub\":\"\","), "claims_malformed" },
    { "sub a number", JOSE_WITH_SUB("\"sub\":1,"), "claims_malformed" },
    { "sub an array", JOSE_WITH_SUB("\"sub\":[\"s\"],"),
      "claims_malformed" },
    { "sub with a line feed", JOSE_WITH_SUB("\"sub\":\"s\\n\","),
      "claims_malformed" },
    { "sub with DEL", JOSE_WITH_SUB("\"sub\":\"s\\u007f\","),
      "claims_malformed" },
    { "sub with NUL", JOSE_WITH_SUB("\"sub\":\"s\\u0000\","),
      "claims_malformed" },
    { "sub not ASCII", JOSE_WITH_SUB("\"sub\":\"s\\u00e9\","),
      "claims_malformed" },
    { "sub with a colon and a brace", JOSE_WITH_SUB("\"sub\":\"a:{b}%\","),
      NULL },

    { "no exp", JOSE_WITH_TIME("\"iat\":1000000,"), "claims_malformed" },
    { "exp null", JOSE_EXP("null"), "claims_malformed" },
    { "exp never", JOSE_EXP("\"never\""), "claims_malformed" },
    { "exp as text", JOSE_EXP("\"1000100\""), "claims_malformed" },
    { "exp an array", JOSE_EXP("[1000100]"), "claims_malformed" },
    { "exp true", JOSE_EXP("true"), "claims_malformed" },
    { "exp 1e300", JOSE_EXP("1e300"), "claims_malformed" },
    { "exp -1e300", JOSE_EXP("-1e300"), "claims_malformed" },
    { "exp 1e999", JOSE_EXP("1e999"), "claims_malformed" },
    { "exp of 63 bits", JOSE_EXP("9223372036854775807"),
      "claims_malformed" },
    { "exp of 64 bits", JOSE_EXP("18446744073709551616"),
      "claims_malformed" },
    { "exp of -63 bits", JOSE_EXP("-9223372036854775808"),
      "claims_malformed" },
    { "exp 2^53", JOSE_EXP("9007199254740992"), NULL },
    { "exp negative", JOSE_EXP("-1"), "token_expired" },
    { "exp zero", JOSE_EXP("0"), "token_expired" },
    { "exp with a fraction", JOSE_EXP("1000100.5"), NULL },
    { "exp 1.0001e6", JOSE_EXP("1.0001e6"), NULL },
    { "exp 59 s ago", JOSE_EXP("999941"), NULL },
    { "exp 60 s ago", JOSE_EXP("999940"), "token_expired" },
    { "exp 60 s ago and a bit", JOSE_EXP("999940.9"), "token_expired" },

    { "no iat", JOSE_WITH_TIME("\"exp\":1000100,"), "claims_malformed" },
    { "iat null", JOSE_IAT("null"), "claims_malformed" },
    { "iat as text", JOSE_IAT("\"1000000\""), "claims_malformed" },
    { "iat 1e300", JOSE_IAT("1e300"), "claims_malformed" },
    { "iat 2^53", JOSE_IAT("9007199254740992"), "token_not_yet_valid" },
    { "iat in 60 s", JOSE_IAT("1000060"), NULL },
    { "iat in 61 s", JOSE_IAT("1000061"), "token_not_yet_valid" },
    { "iat negative", JOSE_IAT("-1"), "token_expired" },
    { "iat zero", JOSE_IAT("0"), "token_expired" },
    { "iat a day ago", JOSE_IAT("913540"), NULL },
    { "iat longer ago", JOSE_IAT("913539"), "token_expired" },

    { "nbf now", JOSE_WITH("\"nbf\":1000000"), NULL },
    { "nbf null", JOSE_WITH("\"nbf\":null"), NULL },
    { "nbf in 60 s", JOSE_WITH("\"nbf\":1000060"), NULL },
    { "nbf in 61 s", JOSE_WITH("\"nbf\":1000061"), "token_not_yet_valid" },
    { "nbf as text", JOSE_WITH("\"nbf\":\"1\""), "claims_malformed" },
    { "nbf 1e300", JOSE_WITH("\"nbf\":1e300"), "claims_malformed" },
    { "nbf negative", JOSE_WITH("\"nbf\":-1"), NULL },

    { "at_hash unasked for", JOSE_WITH("\"at_hash\":\"x\""), NULL },
    { "nonce unasked for", JOSE_WITH("\"nonce\":1"), NULL },
    { NULL, NULL, NULL }
};


static void
ngx_shop_unit_jose_claims(ngx_shop_unit_t *u)
{
    u_char                      sub[257];
    ngx_str_t                  *text;
    ngx_shop_jwt_rules_t        rules;
    ngx_shop_unit_jose_case_t  *c;

    ngx_shop_unit_jose_rules(&rules);

    for (c = ngx_shop_unit_jose_claim_cases; c->what; c++) {
        ngx_shop_unit_jose_checked(u, &rules, c->text, c->reason, c->what);
    }

    ngx_memset(sub, 's', sizeof(sub));
    sub[255] = '\0';

    text = ngx_shop_unit_jose_format(u, "{%s,%s,%s,\"sub\":\"%s\"}%Z",
                                     JOSE_ISS, JOSE_AUD, JOSE_TIME, sub);
    ngx_shop_unit_jose_checked(u, &rules, (char *) text->data, NULL,
                               "sub of 255 bytes");

    sub[255] = 's';
    sub[256] = '\0';

    text = ngx_shop_unit_jose_format(u, "{%s,%s,%s,\"sub\":\"%s\"}%Z",
                                     JOSE_ISS, JOSE_AUD, JOSE_TIME, sub);
    ngx_shop_unit_jose_checked(u, &rules, (char *) text->data,
                               "claims_malformed", "sub of 256 bytes");
}


static void
ngx_shop_unit_jose_typ(ngx_shop_unit_t *u)
{
    ngx_uint_t             i;
    ngx_shop_jwt_rules_t   rules;

    static ngx_shop_unit_jose_case_t  types[] = {
        { "typ empty", "", NULL },
        { "typ JWT", "JWT", NULL },
        { "typ jwt", "jwt", NULL },
        { "typ application/jwt", "application/JWT", NULL },
        { "typ of access tokens", "at+jwt", "typ_refused" },
        { "typ of access tokens in full", "application/at+jwt",
          "typ_refused" },
        { "typ of logout tokens", "logout+jwt", "typ_refused" },
        { "typ of events", "secevent+jwt", "typ_refused" },
        { "typ of proofs", "dpop+jwt", "typ_refused" },
        { "typ JWT and more", "JWTx", "typ_refused" },
        { "typ JOSE", "JOSE", NULL },
        { "typ application/jose", "application/jose", NULL },
        { "typ of JOSE in JSON", "JOSE+JSON", "typ_refused" },
        { NULL, NULL, NULL }
    };

    for (i = 0; types[i].what; i++) {
        ngx_shop_unit_jose_rules(&rules);
        rules.typ = *ngx_shop_unit_jose_text(u, types[i].text);
        ngx_shop_unit_jose_checked(u, &rules, "{" JOSE_ALL "}",
                                   types[i].reason, types[i].what);
    }

    ngx_shop_unit_jose_rules(&rules);

    ngx_shop_unit_jose_checked(u, &rules,
        JOSE_WITH("\"events\":{\"http://schemas.openid.net/event/"
                  "backchannel-logout\":{}}"),
        "typ_refused", "a logout token");
}


static void
ngx_shop_unit_jose_nonce(ngx_shop_unit_t *u)
{
    ngx_str_t              nonce;
    ngx_uint_t             i;
    const char            *strict, *optional;
    ngx_shop_jwt_rules_t   rules;

    /* the reason, and where a missing one passes */

    static const struct {
        const char  *what;
        const char  *text;
        const char  *strict;
        const char  *optional;
    } cases[] = {
        { "the right nonce", JOSE_WITH("\"nonce\":\"n-1\""), NULL, NULL },
        { "no nonce", "{" JOSE_ALL "}", "nonce_mismatch", NULL },
        { "nonce null", JOSE_WITH("\"nonce\":null"), "nonce_mismatch",
          NULL },
        { "nonce empty", JOSE_WITH("\"nonce\":\"\""), "nonce_mismatch",
          "nonce_mismatch" },
        { "another nonce", JOSE_WITH("\"nonce\":\"n-2\""), "nonce_mismatch",
          "nonce_mismatch" },
        { "nonce cut", JOSE_WITH("\"nonce\":\"n-\""), "nonce_mismatch",
          "nonce_mismatch" },
        { "nonce longer", JOSE_WITH("\"nonce\":\"n-11\""), "nonce_mismatch",
          "nonce_mismatch" },
        { "nonce in upper case", JOSE_WITH("\"nonce\":\"N-1\""),
          "nonce_mismatch", "nonce_mismatch" },
        { "nonce a number", JOSE_WITH("\"nonce\":1"), "claims_malformed",
          "claims_malformed" },
        { "nonce an array", JOSE_WITH("\"nonce\":[\"n-1\"]"),
          "claims_malformed", "claims_malformed" },
        { NULL, NULL, NULL, NULL }
    };

    ngx_str_set(&nonce, "n-1");

    for (i = 0; cases[i].what; i++) {
        strict = cases[i].strict;
        optional = cases[i].optional;

        ngx_shop_unit_jose_rules(&rules);
        rules.nonce = &nonce;

        ngx_shop_unit_jose_checked(u, &rules, cases[i].text, strict,
                                   cases[i].what);

        rules.nonce_optional = 1;

        ngx_shop_unit_jose_checked(u, &rules, cases[i].text, optional,
                                   cases[i].what);
    }

    ngx_str_set(&nonce, "");
    rules.nonce_optional = 0;

    ngx_shop_unit_jose_checked(u, &rules, JOSE_WITH("\"nonce\":\"\""),
                               "nonce_mismatch", "an empty rule");
}


static void
ngx_shop_unit_jose_at_hash(ngx_shop_unit_t *u)
{
    u_char                     *text;
    size_t                      len;
    ngx_str_t                   access_token, *hash;
    ngx_uint_t                  i;
    const char                 *digest;
    ngx_shop_jwt_rules_t        rules;
    ngx_shop_unit_jose_alg_t   *alg;
    u_char                      md[EVP_MAX_MD_SIZE];

    ngx_shop_unit_jose_rules(&rules);
    rules.access_token = &access_token;

    /* OpenID Connect Core A.3 */

    ngx_str_set(&access_token, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
    rules.alg = NGX_SHOP_JWS_RS256;

    ngx_shop_unit_jose_checked(u, &rules,
                           JOSE_WITH("\"at_hash\":\"77QmUPtjPfzWtF2AnpK9RQ\""),
                               NULL, "the example of OpenID Connect");
    ngx_shop_unit_jose_checked(u, &rules,
                           JOSE_WITH("\"at_hash\":\"77QmUPtjPfzWtF2AnpK9RR\""),
                               "at_hash_mismatch", "another one");

    for (i = 0; ngx_shop_unit_jose_known[i].name; i++) {

        alg = &ngx_shop_unit_jose_known[i];
        digest = alg->digest ? alg->digest : "SHA512";

        (void) EVP_Q_digest(NULL, digest, NULL, access_token.data,
                            access_token.len, md, &len);

        rules.alg = alg->alg;

        hash = ngx_shop_unit_jose_encode(u, md, len / 2);
        text = ngx_shop_unit_jose_format(u, "{%s,\"at_hash\":\"%V\"}%Z",
                                         JOSE_ALL, hash)->data;
        ngx_shop_unit_jose_checked(u, &rules, (char *) text, NULL, alg->name);

        hash = ngx_shop_unit_jose_encode(u, md, len);
        text = ngx_shop_unit_jose_format(u, "{%s,\"at_hash\":\"%V\"}%Z",
                                         JOSE_ALL, hash)->data;
        ngx_shop_unit_jose_checked(u, &rules, (char *) text,
                                   "at_hash_mismatch", "the whole digest");
    }

    ngx_shop_unit_jose_checked(u, &rules, "{" JOSE_ALL "}", NULL,
                               "no at_hash");
    ngx_shop_unit_jose_checked(u, &rules, JOSE_WITH("\"at_hash\":null"), NULL,
                               "at_hash null");
    ngx_shop_unit_jose_checked(u, &rules, JOSE_WITH("\"at_hash\":\"\""),
                               "at_hash_mismatch", "at_hash empty");
    ngx_shop_unit_jose_checked(u, &rules, JOSE_WITH("\"at_hash\":1"),
                               "claims_malformed", "at_hash a number");
}


static void
ngx_shop_unit_jose_empty_rules(ngx_shop_unit_t *u)
{
    ngx_shop_jwt_rules_t  rules;

    ngx_shop_unit_jose_rules(&rules);
    ngx_str_null(&rules.issuer);
    ngx_shop_unit_jose_checked(u, &rules, JOSE_WITH_ISS("\"iss\":\"\","),
                               "iss_mismatch", "no issuer");

    ngx_shop_unit_jose_rules(&rules);
    ngx_str_null(&rules.audience);
    ngx_shop_unit_jose_checked(u, &rules, JOSE_WITH_AUD("\"aud\":\"\","),
                               "aud_mismatch", "no audience");
}


static void
ngx_shop_unit_jose_rules(ngx_shop_jwt_rules_t *rules)
{
    ngx_memzero(rules, sizeof(ngx_shop_jwt_rules_t));

    rules->now = NGX_SHOP_UNIT_JOSE_NOW;
    rules->leeway = 60;

    ngx_str_set(&rules->issuer, "https://id.example");
    ngx_str_set(&rules->audience, "shop");
}


/* "reason" NULL: the claims pass */

static void
ngx_shop_unit_jose_checked(ngx_shop_unit_t *u, ngx_shop_jwt_rules_t *rules,
    const char *claims, const char *reason, const char *what)
{
    ngx_int_t         rc;
    ngx_str_t         got;
    const char       *told;
    ngx_shop_json_t  *json;

    told = "";

    json = ngx_shop_json_parse(u->pool, ngx_shop_unit_jose_text(u, claims),
                               65536);

    rc = ngx_shop_jwt_check(u->pool, json, rules, &told, u->log);

    if (reason == NULL) {
        ngx_shop_unit_is_int(u, rc, NGX_OK, "%s", what);
        return;
    }

    got.data = (u_char *) ((rc == NGX_ERROR) ? told : "passed");
    got.len = ngx_strlen(got.data);

    ngx_shop_unit_is(u, &got, reason, "%s", what);
}


static void
ngx_shop_unit_jose_verified(ngx_shop_unit_t *u, ngx_str_t *token,
    ngx_uint_t algs, ngx_shop_jwks_t *jwks, const char *what)
{
    ngx_shop_jws_t  jws;

    ngx_shop_unit_is_int(u, ngx_shop_jws_verify(u->pool, token, algs, jwks,
                                                NULL, &jws, u->log),
                         NGX_OK, "%s: verified", what);
}


static void
ngx_shop_unit_jose_refused(ngx_shop_unit_t *u, ngx_str_t *token,
    ngx_uint_t algs, ngx_shop_jwks_t *jwks, ngx_int_t rc, const char *reason,
    const char *what)
{
    ngx_int_t       code;
    ngx_str_t       got;
    ngx_shop_jws_t  jws;

    code = ngx_shop_jws_verify(u->pool, token, algs, jwks, NULL, &jws, u->log);

    got.data = (u_char *) ((code == NGX_OK) ? "verified" : jws.reason);
    got.len = ngx_strlen(got.data);

    ngx_shop_unit_is(u, &got, reason, "%s: refused", what);
    ngx_shop_unit_is_int(u, code, rc, "%s: code", what);
}


static EVP_PKEY *
ngx_shop_unit_jose_key(ngx_shop_unit_jose_key_e key)
{
    EVP_PKEY  **pkey;

    pkey = &ngx_shop_unit_jose_made[key];

    if (*pkey != NULL) {
        return *pkey;
    }

    switch (key) {

    case jose_rsa:
    case jose_rsa_other:
        *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
        break;

    case jose_rsa_short:
        *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 1024);
        break;

    case jose_p256:
        *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;

    case jose_p384:
        *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
        break;

    case jose_p521:
        *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
        break;

    default: /* jose_ed25519 */
        *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    }

    return *pkey;
}


/* "extra" is appended to the members, e.g. ",\"kid\":\"a\"" */

static ngx_str_t *
ngx_shop_unit_jose_jwk(ngx_shop_unit_t *u, ngx_shop_unit_jose_key_e key,
    const char *extra)
{
    u_char      buf[1024];
    size_t      len;
    BIGNUM     *a, *b;
    EVP_PKEY   *pkey;
    ngx_str_t  *x, *y;
    const char *crv;

    pkey = ngx_shop_unit_jose_key(key);

    if (key == jose_ed25519) {
        len = sizeof(buf);
        (void) EVP_PKEY_get_raw_public_key(pkey, buf, &len);

        return ngx_shop_unit_jose_format(u,
                   "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%V\"%s}",
                   ngx_shop_unit_jose_encode(u, buf, len), extra);
    }

    a = NULL;
    b = NULL;

    if (key == jose_rsa || key == jose_rsa_other || key == jose_rsa_short) {

        (void) EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &a);
        (void) EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &b);

        len = (size_t) BN_bn2bin(a, buf);
        x = ngx_shop_unit_jose_encode(u, buf, len);
        len = (size_t) BN_bn2bin(b, buf);
        y = ngx_shop_unit_jose_encode(u, buf, len);

        BN_free(a);
        BN_free(b);

        return ngx_shop_unit_jose_format(u,
                   "{\"kty\":\"RSA\",\"n\":\"%V\",\"e\":\"%V\"%s}",
                   x, y, extra);
    }

    switch (key) {

    case jose_p256:
        crv = "P-256";
        len = 32;
        break;

    case jose_p384:
        crv = "P-384";
        len = 48;
        break;

    default: /* jose_p521 */
        crv = "P-521";
        len = 66;
        break;
    }

    (void) EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &a);
    (void) EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &b);

    (void) BN_bn2binpad(a, buf, (int) len);
    x = ngx_shop_unit_jose_encode(u, buf, len);
    (void) BN_bn2binpad(b, buf, (int) len);
    y = ngx_shop_unit_jose_encode(u, buf, len);

    BN_free(a);
    BN_free(b);

    return ngx_shop_unit_jose_format(u,
               "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%V\",\"y\":\"%V\"%s}",
               crv, x, y, extra);
}


static ngx_shop_jwks_t *
ngx_shop_unit_jose_set_of(ngx_shop_unit_t *u, ngx_shop_unit_jose_key_e key,
    const char *extra)
{
    ngx_str_t  *jwk;

    jwk = ngx_shop_unit_jose_jwk(u, key, extra);

    return ngx_shop_jwks_parse(u->pool,
                               ngx_shop_unit_jose_format(u, "{\"keys\":[%V]}",
                                                         jwk),
                               u->log);
}


static ngx_shop_jwks_t *
ngx_shop_unit_jose_set(ngx_shop_unit_t *u, const char *keys)
{
    return ngx_shop_jwks_parse(u->pool,
                               ngx_shop_unit_jose_format(u, "{\"keys\":[%s]}",
                                                         keys),
                               u->log);
}


/* a token of {"sub":"s"}; "extra" is appended to the header */

static ngx_str_t *
ngx_shop_unit_jose_sign(ngx_shop_unit_t *u, ngx_shop_unit_jose_alg_t *alg,
    const char *extra)
{
    u_char     *header;
    ngx_str_t  *input, *sig;

    header = ngx_shop_unit_jose_format(u, "{\"alg\":\"%s\"%s}%Z", alg->name,
                                       extra)->data;

    input = ngx_shop_unit_jose_input(u, (char *) header, "{\"sub\":\"s\"}");

    sig = ngx_shop_unit_jose_sign_raw(u, alg, input);

    return ngx_shop_unit_jose_join(u, input, sig->data, sig->len);
}


static ngx_str_t *
ngx_shop_unit_jose_sign_raw(ngx_shop_unit_t *u, ngx_shop_unit_jose_alg_t *alg,
    ngx_str_t *input)
{
    u_char         *p;
    size_t          len;
    ngx_str_t      *sig;
    ECDSA_SIG      *rs;
    EVP_MD_CTX     *ctx;
    const u_char   *der;
    EVP_PKEY_CTX   *pctx;

    ctx = EVP_MD_CTX_new();

    (void) EVP_DigestSignInit_ex(ctx, &pctx, alg->digest, NULL, NULL,
                                 ngx_shop_unit_jose_key(alg->key), NULL);

    if (alg->salt) {
        (void) EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
        (void) EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, alg->salt);
    }

    sig = ngx_pcalloc(u->pool, sizeof(ngx_str_t));

    len = 0;
    (void) EVP_DigestSign(ctx, NULL, &len, input->data, input->len);

    sig->data = ngx_pcalloc(u->pool, len);

    (void) EVP_DigestSign(ctx, sig->data, &len, input->data, input->len);

    sig->len = len;

    EVP_MD_CTX_free(ctx);

    if (alg->ecdsa) {
        der = sig->data;
        rs = d2i_ECDSA_SIG(NULL, &der, (long) sig->len);

        p = ngx_pcalloc(u->pool, 2 * alg->ecdsa);

        (void) BN_bn2binpad(ECDSA_SIG_get0_r(rs), p, (int) alg->ecdsa);
        (void) BN_bn2binpad(ECDSA_SIG_get0_s(rs), p + alg->ecdsa,
                            (int) alg->ecdsa);

        ECDSA_SIG_free(rs);

        sig->data = p;
        sig->len = 2 * alg->ecdsa;
    }

    return sig;
}


static ngx_str_t *
ngx_shop_unit_jose_input(ngx_shop_unit_t *u, const char *header,
    const char *payload)
{
    ngx_str_t  *h, *p;

    h = ngx_shop_unit_jose_encode(u, (u_char *) header, ngx_strlen(header));
    p = ngx_shop_unit_jose_encode(u, (u_char *) payload, ngx_strlen(payload));

    return ngx_shop_unit_jose_format(u, "%V.%V", h, p);
}


static ngx_str_t *
ngx_shop_unit_jose_join(ngx_shop_unit_t *u, ngx_str_t *input, u_char *sig,
    size_t len)
{
    return ngx_shop_unit_jose_format(u, "%V.%V", input,
                                     ngx_shop_unit_jose_encode(u, sig, len));
}


static ngx_str_t *
ngx_shop_unit_jose_encode(ngx_shop_unit_t *u, u_char *data, size_t len)
{
    ngx_str_t  raw, *text;

    text = ngx_pcalloc(u->pool, sizeof(ngx_str_t));

    raw.data = data;
    raw.len = len;

    if (len) {
        (void) ngx_shop_base64url(u->pool, &raw, text);
    }

    return text;
}


static ngx_str_t *
ngx_shop_unit_jose_text(ngx_shop_unit_t *u, const char *text)
{
    ngx_str_t  *str;

    str = ngx_palloc(u->pool, sizeof(ngx_str_t));

    str->data = (u_char *) text;
    str->len = ngx_strlen(text);

    return str;
}


static ngx_str_t *
ngx_shop_unit_jose_format(ngx_shop_unit_t *u, const char *fmt, ...)
{
    u_char     *p;
    va_list     args;
    ngx_str_t  *str;

    str = ngx_palloc(u->pool, sizeof(ngx_str_t));
    str->data = ngx_pnalloc(u->pool, NGX_SHOP_UNIT_JOSE_BUF);

    va_start(args, fmt);
    p = ngx_vslprintf(str->data, str->data + NGX_SHOP_UNIT_JOSE_BUF, fmt,
                      args);
    va_end(args);

    str->len = p - str->data;

    return str;
}
