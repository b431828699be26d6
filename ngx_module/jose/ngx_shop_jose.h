
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_JOSE_H_INCLUDED_
#define _NGX_SHOP_JOSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


/*
 * Decides whether a token can be trusted.  Pure: bytes, keys and a clock go
 * in, a code and a reason come out.
 *
 * Reasons are codes for logs and error answers; they hold nothing a peer
 * sent.  These are all of them:
 *
 *     token_malformed      not a compact JWS: size, dots, base64url, header
 *     header_refused       "crit" or "b64" is in the header
 *     alg_refused          "none", unknown, not allowed, or not the key's
 *     key_unknown          no key of that "kid", or none that fits
 *     signature_invalid
 *     typ_refused          a token of another kind, as RFC 8725 3.11 names
 *     claims_malformed     a claim is missing or has a wrong type
 *     iss_mismatch
 *     aud_mismatch         not for us, or not only for us
 *     azp_mismatch
 *     token_expired        "exp" is over, or "iat" is a day ago
 *     token_not_yet_valid  "nbf" or "iat" is to come
 *     nonce_mismatch       another one, or missing where it is wanted
 *     at_hash_mismatch
 *     internal_error       memory or OpenSSL failed; the latter is logged
 */


#define NGX_SHOP_JWS_TOKEN_MAX  65536
#define NGX_SHOP_JWKS_MAX       262144
#define NGX_SHOP_JWKS_KEYS_MAX  128

/* seconds an ID token may be old: it is made when a code is exchanged */
#define NGX_SHOP_JWT_AGE_MAX    86400


/*
 * The algorithms of RFC 7518 3.1 and RFC 8037 3.1 we know, as a set.  EdDSA
 * is Ed25519 only, also under its name of RFC 9864.
 */

#define NGX_SHOP_JWS_RS256      0x0001
#define NGX_SHOP_JWS_RS384      0x0002
#define NGX_SHOP_JWS_RS512      0x0004
#define NGX_SHOP_JWS_PS256      0x0008
#define NGX_SHOP_JWS_PS384      0x0010
#define NGX_SHOP_JWS_PS512      0x0020
#define NGX_SHOP_JWS_ES256      0x0040
#define NGX_SHOP_JWS_ES384      0x0080
#define NGX_SHOP_JWS_ES512      0x0100
#define NGX_SHOP_JWS_EDDSA      0x0200
#define NGX_SHOP_JWS_HS256      0x0400

#define NGX_SHOP_JWS_ASYMMETRIC 0x03ff


/* ngx_shop_jwk.c */

#define NGX_SHOP_JWK_NO_ISSUER  "?"         /* what it says is no text */


typedef struct {
    ngx_str_t                  kid;         /* may be empty */
    ngx_str_t                  issuer;      /* likewise: whose it says it is */
    ngx_uint_t                 algs;        /* what it may verify */
    EVP_PKEY                  *pkey;

    EVP_PKEY_CTX              *ctx;         /* verifies, or NULL */
    ngx_uint_t                 ctx_alg;     /* by this one */
} ngx_shop_jwk_t;


typedef struct {
    ngx_pool_t                *pool;
    ngx_array_t                keys;        /* of ngx_shop_jwk_t */
} ngx_shop_jwks_t;


/*
 * Parses a JWK set (RFC 7517 5).  Keys that are of no use to us are skipped,
 * as RFC 7517 5 wants: an unknown type, curve or "alg", "use" other than
 * sig, "key_ops" without verify, RSA below 2048 or above 8192 bits or with
 * an exponent that is even, 1 or longer than 64 bits, a point off its curve,
 * symmetric keys, and keys that show their private parts.  The set may be
 * empty then.  The keys live and die with "pool".  NULL: not a JWK set, more
 * than NGX_SHOP_JWKS_KEYS_MAX keys, or no memory.
 */
ngx_shop_jwks_t *ngx_shop_jwks_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_log_t *log);


/* ngx_shop_jws.c */

typedef struct {
    ngx_uint_t                 alg;         /* one bit */
    ngx_str_t                  kid;         /* may be empty */
    ngx_str_t                  typ;         /* may be empty */
    ngx_str_t                  payload;     /* decoded, trusted on NGX_OK */
    ngx_str_t                  issuer;      /* of the key, in "jwks" */
    const char                *reason;      /* on any other code */
} ngx_shop_jws_t;


/* 0: not an algorithm we know; names are case-sensitive */
ngx_uint_t ngx_shop_jws_alg(ngx_str_t *name);

/* bits of the SHA-2 of "at_hash"; 0: not one bit we know */
ngx_uint_t ngx_shop_jws_bits(ngx_uint_t alg);

/*
 * Verifies a compact JWS (RFC 7515 5.2).  "algs" is the set the caller
 * allows; the key's type, curve and "alg" must fit as well, so the token
 * alone decides nothing.  HS256 is verified with "secret" only, and only if
 * it is in "algs" and "secret" is neither NULL nor empty; "jwks" may be NULL
 * then.  With a "kid" the keys of that kid are tried or, if there is none,
 * those without a kid; without one (or with an empty one) every key that
 * fits; at most 16.  Headers "jku", "jwk", "x5u", "x5c" are never followed;
 * "crit" and "b64" are refused.
 *
 * NGX_OK: verified, "jws" is filled from "pool".  NGX_DECLINED: newer keys
 * may help: no key is of that kid or fits ("key_unknown"), or no key is of
 * that kid and none that fits verified it ("signature_invalid").  NGX_ERROR:
 * refused: "token_malformed", "header_refused", "alg_refused",
 * "signature_invalid", "internal_error".
 */
ngx_int_t ngx_shop_jws_verify(ngx_pool_t *pool, ngx_str_t *token,
    ngx_uint_t algs, ngx_shop_jwks_t *jwks, ngx_str_t *secret,
    ngx_shop_jws_t *jws, ngx_log_t *log);


/* ngx_shop_jwt.c */

typedef struct {
    time_t                     now;
    time_t                     leeway;      /* seconds */
    ngx_str_t                  issuer;
    ngx_str_t                  audience;    /* our client id */
    ngx_array_t               *audiences;   /* others that are ours, of
                                               ngx_str_t; NULL: none */
    time_t                     age;         /* seconds since "iat"; 0: as
                                               NGX_SHOP_JWT_AGE_MAX */
    ngx_str_t                 *nonce;       /* NULL: not looked at */
    ngx_str_t                  typ;         /* of the header */
    ngx_uint_t                 alg;         /* of the header, for at_hash */
    ngx_str_t                 *access_token;     /* NULL: no at_hash check */

    unsigned                   nonce_optional:1; /* a missing one passes */
} ngx_shop_jwt_rules_t;


/*
 * Checks the claims of an ID token (OpenID Connect Core 3.1.3.7, 3.1.3.8):
 * iss, aud and azp, exp, iat, nbf, sub, nonce, at_hash; and that the token
 * does not say it is of another kind: a "typ" other than JWT or JOSE, or
 * "events" (RFC 8417), since logout tokens have the same issuer and audience.
 *
 * NGX_OK, or NGX_ERROR with a reason: "typ_refused", "claims_malformed",
 * "iss_mismatch", "aud_mismatch", "azp_mismatch", "token_expired",
 * "token_not_yet_valid", "nonce_mismatch", "at_hash_mismatch",
 * "internal_error".
 */
ngx_int_t ngx_shop_jwt_check(ngx_pool_t *pool, ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason, ngx_log_t *log);

/* 1: a "typ" names JWT or "name", as RFC 8725 3.11 writes it, or nothing */
ngx_uint_t ngx_shop_jwt_is_type(ngx_str_t *typ, const char *name);


/* ngx_shop_sign.c */

/*
 * Reads a private key in PEM, PKCS#8 (RFC 5958) or that of RFC 5915, without
 * a password, on the curve P-256; it is freed with "pool".  NULL: it is none,
 * or no memory.
 */
EVP_PKEY *ngx_shop_sign_key(ngx_pool_t *pool, ngx_str_t *pem);

/*
 * Makes a compact JWS (RFC 7515 3.1) by ES256 of two texts in JSON; "token"
 * is from "pool".  NGX_ERROR: no memory, or OpenSSL failed, which is logged.
 */
ngx_int_t ngx_shop_sign(ngx_pool_t *pool, EVP_PKEY *key, ngx_str_t *header,
    ngx_str_t *payload, ngx_str_t *token, ngx_log_t *log);

/*
 * Reads an RSA key of 2048 to 8192 bits in PEM: a private one without a
 * password, PKCS#8 or PKCS#1 (RFC 8017 A.1.2), or, with "public", a public
 * one (RFC 5280 4.1.2.7).  It is freed with "pool".  NULL: it is none, or no
 * memory.
 */
EVP_PKEY *ngx_shop_sign_rsa_key(ngx_pool_t *pool, ngx_str_t *pem,
    ngx_uint_t public);

/*
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2) in base64; "text" is from
 * "pool".  NGX_ERROR: no memory, or OpenSSL failed, which is logged.
 */
ngx_int_t ngx_shop_sign_rsa(ngx_pool_t *pool, EVP_PKEY *key,
    ngx_str_t *input, ngx_str_t *text, ngx_log_t *log);

/* NGX_OK: "text", in base64, is such a signature of "input"; NGX_DECLINED:
 * it is not, whyever */
ngx_int_t ngx_shop_sign_rsa_verify(EVP_PKEY *key, ngx_str_t *input,
    ngx_str_t *text);

/* 1: the public halves of both are the same */
ngx_uint_t ngx_shop_sign_same_key(EVP_PKEY *one, EVP_PKEY *two);

#define NGX_SHOP_SIGN_ED25519_KEY  32       /* bytes */
#define NGX_SHOP_SIGN_ED25519_LEN  64

/*
 * Makes a public key of the NGX_SHOP_SIGN_ED25519_KEY bytes that it is (RFC
 * 8032 5.1.5); it is freed with "pool".  NULL: it is none, or no memory.
 */
EVP_PKEY *ngx_shop_sign_ed25519_key(ngx_pool_t *pool, u_char *raw);

/*
 * NGX_OK: "signature", NGX_SHOP_SIGN_ED25519_LEN bytes, is one of the whole
 * "input" by Ed25519 (RFC 8032 5.1.7); NGX_DECLINED: it is not, whyever.
 */
ngx_int_t ngx_shop_sign_ed25519_verify(EVP_PKEY *key, ngx_str_t *input,
    u_char *signature);


#endif /* _NGX_SHOP_JOSE_H_INCLUDED_ */
