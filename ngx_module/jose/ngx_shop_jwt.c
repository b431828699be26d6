
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"


/*
 * The claims of an ID token, in the order of OpenID Connect Core 3.1.3.7.
 *
 * The clock of the provider may be "leeway" off ours in either direction.
 * Numbers come from ngx_shop_json_time(), so they are within +-2^53 and no
 * sum below can overflow; one that was text or 1e300 is a malformed claim.
 *
 * An "iat" of yesterday is refused as well: the token was made when our code
 * was exchanged, moments ago, so an old one is out of somebody's store.
 */


#define NGX_SHOP_JWT_SUBJECT_MAX  255
#define NGX_SHOP_JWT_AUDIENCE_MAX 16


static ngx_int_t ngx_shop_jwt_check_kind(ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason);
static ngx_int_t ngx_shop_jwt_check_parties(ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason);
static ngx_int_t ngx_shop_jwt_check_audience(ngx_shop_json_t *aud,
    ngx_shop_jwt_rules_t *rules, const char **reason);
static ngx_uint_t ngx_shop_jwt_is_ours(ngx_shop_jwt_rules_t *rules,
    ngx_str_t *party);
static ngx_int_t ngx_shop_jwt_check_times(ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason);
static ngx_int_t ngx_shop_jwt_check_nonce(ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason);
static ngx_int_t ngx_shop_jwt_check_at_hash(ngx_pool_t *pool,
    ngx_shop_json_t *claims, ngx_shop_jwt_rules_t *rules,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_jwt_at_hash(ngx_pool_t *pool,
    ngx_shop_jwt_rules_t *rules, ngx_str_t *hash, ngx_log_t *log);
static ngx_uint_t ngx_shop_jwt_same(ngx_str_t *a, ngx_str_t *b);


ngx_int_t
ngx_shop_jwt_check(ngx_pool_t *pool, ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason, ngx_log_t *log)
{
    if (!ngx_shop_json_is_object(claims)) {
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    if (ngx_shop_jwt_check_kind(claims, rules, reason) != NGX_OK
        || ngx_shop_jwt_check_parties(claims, rules, reason) != NGX_OK
        || ngx_shop_jwt_check_times(claims, rules, reason) != NGX_OK
        || ngx_shop_jwt_check_nonce(claims, rules, reason) != NGX_OK
        || ngx_shop_jwt_check_at_hash(pool, claims, rules, reason, log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_jwt_check_kind(ngx_shop_json_t *claims, ngx_shop_jwt_rules_t *rules,
    const char **reason)
{
    /* "JOSE" says how a token is written, not what it is: RFC 7515 4.1.9 */

    if (!ngx_shop_jwt_is_type(&rules->typ, "jose")) {
        *reason = "typ_refused";
        return NGX_ERROR;
    }

    if (ngx_shop_json_get(claims, "events") != NULL) {
        *reason = "typ_refused";
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_shop_jwt_is_type(ngx_str_t *typ, const char *name)
{
    ngx_str_t         bare;
    static ngx_str_t  media = ngx_string("application/");

    bare = *typ;

    if (bare.len > media.len
        && ngx_strncasecmp(bare.data, media.data, media.len) == 0)
    {
        bare.data += media.len;
        bare.len -= media.len;
    }

    return bare.len == 0
           || ngx_shop_text_is_caseless(&bare, "jwt")
           || ngx_shop_text_is_caseless(&bare, name);
}


static ngx_int_t
ngx_shop_jwt_check_parties(ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  iss, azp, sub;

    *reason = "claims_malformed";

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "iss"), &iss)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_shop_jwt_same(&iss, &rules->issuer)) {
        *reason = "iss_mismatch";
        return NGX_ERROR;
    }

    if (ngx_shop_jwt_check_audience(ngx_shop_json_get(claims, "aud"), rules,
                                    reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_json_string(ngx_shop_json_get(claims, "azp"), &azp);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK && !ngx_shop_jwt_is_ours(rules, &azp)) {
        *reason = "azp_mismatch";
        return NGX_ERROR;
    }

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "sub"), &sub) != NGX_OK
        || sub.len == 0
        || sub.len > NGX_SHOP_JWT_SUBJECT_MAX)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < sub.len; i++) {

        if (sub.data[i] < 0x20 || sub.data[i] > 0x7e) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a text, or an array; nobody else in it is known to us, so none is trusted */

static ngx_int_t
ngx_shop_jwt_check_audience(ngx_shop_json_t *aud, ngx_shop_jwt_rules_t *rules,
    const char **reason)
{
    size_t     i, n;
    ngx_str_t  value;

    if (!ngx_shop_json_is_array(aud)) {

        if (ngx_shop_json_string(aud, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ngx_shop_jwt_is_ours(rules, &value)) {
            *reason = "aud_mismatch";
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    n = ngx_shop_json_size(aud);

    if (n == 0 || n > NGX_SHOP_JWT_AUDIENCE_MAX) {
        *reason = "aud_mismatch";
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (ngx_shop_json_string(ngx_shop_json_at(aud, i), &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ngx_shop_jwt_is_ours(rules, &value)) {
            *reason = "aud_mismatch";
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_jwt_is_ours(ngx_shop_jwt_rules_t *rules, ngx_str_t *party)
{
    ngx_str_t   *audience;
    ngx_uint_t   i;

    if (ngx_shop_jwt_same(party, &rules->audience)) {
        return 1;
    }

    if (rules->audiences == NULL) {
        return 0;
    }

    audience = rules->audiences->elts;

    for (i = 0; i < rules->audiences->nelts; i++) {
        if (ngx_shop_jwt_same(party, &audience[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_shop_jwt_check_times(ngx_shop_json_t *claims, ngx_shop_jwt_rules_t *rules,
    const char **reason)
{
    int64_t    now, leeway, age, exp, iat, nbf;
    ngx_int_t  rc;

    now = rules->now;
    leeway = rules->leeway;
    age = rules->age ? rules->age : NGX_SHOP_JWT_AGE_MAX;

    *reason = "claims_malformed";

    if (ngx_shop_json_time(ngx_shop_json_get(claims, "exp"), &exp) != NGX_OK
        || ngx_shop_json_time(ngx_shop_json_get(claims, "iat"), &iat)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_json_time(ngx_shop_json_get(claims, "nbf"), &nbf);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (now - leeway >= exp || now - leeway > iat + age) {
        *reason = "token_expired";
        return NGX_ERROR;
    }

    if (iat > now + leeway || (rc == NGX_OK && nbf > now + leeway)) {
        *reason = "token_not_yet_valid";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_jwt_check_nonce(ngx_shop_json_t *claims, ngx_shop_jwt_rules_t *rules,
    const char **reason)
{
    ngx_str_t  nonce;

    if (rules->nonce == NULL) {
        return NGX_OK;
    }

    switch (ngx_shop_json_string(ngx_shop_json_get(claims, "nonce"), &nonce)) {

    case NGX_OK:

        if (nonce.len != 0 && ngx_shop_equal(&nonce, rules->nonce)) {
            return NGX_OK;
        }

        *reason = "nonce_mismatch";
        break;

    case NGX_DECLINED:

        if (rules->nonce_optional) {
            return NGX_OK;
        }

        *reason = "nonce_mismatch";
        break;

    default:
        *reason = "claims_malformed";
        break;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_shop_jwt_check_at_hash(ngx_pool_t *pool, ngx_shop_json_t *claims,
    ngx_shop_jwt_rules_t *rules, const char **reason, ngx_log_t *log)
{
    ngx_str_t  hash, expected;

    if (rules->access_token == NULL) {
        return NGX_OK;
    }

    switch (ngx_shop_json_string(ngx_shop_json_get(claims, "at_hash"), &hash))
    {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return NGX_OK;

    default:
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    if (ngx_shop_jwt_at_hash(pool, rules, &expected, log) != NGX_OK) {
        *reason = "internal_error";
        return NGX_ERROR;
    }

    if (!ngx_shop_equal(&hash, &expected)) {
        *reason = "at_hash_mismatch";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the left half of the digest of the algorithm that signed the token */

static ngx_int_t
ngx_shop_jwt_at_hash(ngx_pool_t *pool, ngx_shop_jwt_rules_t *rules,
    ngx_str_t *hash, ngx_log_t *log)
{
    ngx_str_t   half;
    ngx_uint_t  bits;
    u_char      digest[NGX_SHOP_SHA2_MAX];

    bits = ngx_shop_jws_bits(rules->alg);

    if (ngx_shop_sha2(bits, rules->access_token, digest, log) != NGX_OK) {
        return NGX_ERROR;
    }

    half.data = digest;
    half.len = bits / 8 / 2;

    return ngx_shop_base64url(pool, &half, hash);
}


/* a rule that was left empty is met by nobody */

static ngx_uint_t
ngx_shop_jwt_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len != 0 && a->len == b->len
           && ngx_memcmp(a->data, b->data, a->len) == 0;
}
