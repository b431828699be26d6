
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
 */


#define NGX_SHOP_JWS_TOKEN_MAX  65536
#define NGX_SHOP_JWKS_MAX       262144
#define NGX_SHOP_JWKS_KEYS_MAX  128


/* the algorithms of RFC 7518 3.1 and RFC 8037 3.1 we know, as a set */

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

typedef struct ngx_shop_jwk_s  ngx_shop_jwk_t;

typedef struct {
    ngx_pool_t                *pool;
    ngx_array_t                keys;        /* of ngx_shop_jwk_t */
} ngx_shop_jwks_t;


/*
 * Parses a JWK set (RFC 7517 5).  Keys that are of no use to us (unknown
 * type or curve, "use" other than sig, "key_ops" without verify, RSA below
 * 2048 or above 16384 bits, a point off its curve, symmetric, with private
 * parts) are skipped, as RFC 7517 5 wants.  The keys live and die with
 * "pool".  NULL: not a JWK set, or no memory.
 */
ngx_shop_jwks_t *ngx_shop_jwks_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_log_t *log);


/* ngx_shop_jws.c */

typedef struct {
    ngx_uint_t                 alg;         /* one bit */
    ngx_str_t                  kid;         /* may be empty */
    ngx_str_t                  typ;         /* may be empty */
    ngx_str_t                  payload;     /* decoded, trusted on NGX_OK */
    const char                *reason;      /* on any other code */
} ngx_shop_jws_t;


/* 0: not an algorithm we know; names are case-sensitive */
ngx_uint_t ngx_shop_jws_alg(ngx_str_t *name);

/*
 * Verifies a compact JWS (RFC 7515 5.2).  "algs" is the set the caller
 * allows; the key's type, curve and "alg" must fit as well, so the token
 * alone decides nothing.  HS256 is verified with "secret" only, and only if
 * it is in "algs" and "secret" is not NULL.  With a "kid" the keys of that
 * kid are tried, without one every key that fits.  Headers "jku", "jwk",
 * "x5u", "x5c" are never followed; "crit" and "b64" are refused.
 *
 * NGX_OK: verified, "jws" is filled from "pool".  NGX_DECLINED: no key
 * fits ("key_unknown"): newer keys may help.  NGX_ERROR: refused:
 * "token_malformed", "alg_refused", "signature_invalid".
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
    ngx_str_t                 *nonce;       /* NULL: not looked at */
    ngx_uint_t                 alg;         /* for at_hash */
    ngx_str_t                 *access_token;     /* NULL: no at_hash check */

    unsigned                   nonce_optional:1; /* a missing one passes */
} ngx_shop_jwt_rules_t;


/*
 * Checks the claims of an ID token (OpenID Connect Core 3.1.3.7, 3.1.3.8):
 * iss, aud and azp, exp, iat, nbf, sub, nonce, at_hash.
 * NGX_OK, or NGX_ERROR with a reason: "iss_mismatch", "aud_mismatch",
 * "azp_mismatch", "token_expired", "token_not_yet_valid",
 * "claims_malformed", "nonce_mismatch", "at_hash_mismatch".
 */
ngx_int_t ngx_shop_jwt_check(ngx_pool_t *pool, ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason, ngx_log_t *log);


#endif /* _NGX_SHOP_JOSE_H_INCLUDED_ */
