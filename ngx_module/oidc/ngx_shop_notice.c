
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_md5.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Notices that providers send by themselves, to one address for all kinds
 * that a provider has, so the kind is told by what only that one has:
 *
 *     meta_signed_request  form     signed_request=MAC.JSON, both base64url;
 *                                   HMAC-SHA256 under the client secret
 *     apple_s2s            JSON     {"payload": "a token"}
 *     secevent             a token
 *     tiktok               JSON     TikTok-Signature: t=UNIX,s=HEX, the
 *                                   HMAC-SHA256 of "t.body", client secret
 *     discord              JSON     X-Signature-Ed25519: HEX, of the text in
 *                                   X-Signature-Timestamp and the body
 *     kakao                form     Authorization: KakaoAK KEY, a secret
 *     naver                form     signature=HMAC-SHA256 of the other three
 *                                   fields, in base64url, under the MD5 of the
 *                                   client secret, which also encrypts who it
 *                                   is, by AES-128-CBC
 *
 * The signature is always first: nothing in a notice is looked at before,
 * unless it is a name under which the signature itself is found.
 */


#define NGX_SHOP_NOTICE_BODY_MAX  65536
#define NGX_SHOP_NOTICE_MD5_LEN   16
#define NGX_SHOP_NOTICE_TIME_MAX  13        /* digits */


typedef struct {
    ngx_uint_t                 kind;

    ngx_uint_t               (*is)(ngx_pool_t *pool,
                                  ngx_shop_notice_t *notice);
    ngx_int_t                (*read)(ngx_pool_t *pool,
                                  ngx_shop_provider_t *provider,
                                  ngx_shop_notice_t *notice,
                                  const char **reason, ngx_log_t *log);
} ngx_shop_notice_kind_t;


static ngx_uint_t ngx_shop_notice_is_tiktok(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);
static ngx_uint_t ngx_shop_notice_is_discord(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);
static ngx_uint_t ngx_shop_notice_is_kakao(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);
static ngx_uint_t ngx_shop_notice_is_meta(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);
static ngx_uint_t ngx_shop_notice_is_naver(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);
static ngx_uint_t ngx_shop_notice_is_apple(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);
static ngx_uint_t ngx_shop_notice_is_secevent(ngx_pool_t *pool,
    ngx_shop_notice_t *notice);

static ngx_int_t ngx_shop_notice_tiktok(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_tiktok_says(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason);
static ngx_int_t ngx_shop_notice_discord(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_discord_says(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason);
static ngx_int_t ngx_shop_notice_kakao(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_meta(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_meta_says(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    ngx_str_t *encoded, const char **reason);
static ngx_int_t ngx_shop_notice_naver(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_naver_who(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice, u_char *key,
    ngx_str_t *sealed, const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_apple(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_secevent(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);

static ngx_int_t ngx_shop_notice_field(ngx_pool_t *pool,
    ngx_shop_notice_t *notice, const char *name, ngx_str_t *value,
    const char **reason);
static ngx_int_t ngx_shop_notice_alloc(ngx_pool_t *pool, ngx_str_t *text,
    size_t len, const char **reason);
static ngx_int_t ngx_shop_notice_is_for(ngx_shop_provider_t *provider,
    ngx_str_t *client, const char **reason);
static ngx_int_t ngx_shop_notice_signed(ngx_pool_t *pool, ngx_str_t *key,
    ngx_str_t *text, ngx_str_t *mac, const char **reason, ngx_log_t *log);
static ngx_int_t ngx_shop_notice_unbase64url(ngx_pool_t *pool,
    ngx_str_t *text, ngx_str_t *raw);
static ngx_int_t ngx_shop_notice_digits(ngx_shop_notice_t *notice,
    ngx_str_t *text, const char **reason);


static ngx_shop_notice_kind_t  ngx_shop_notice_kinds[] = {
    { NGX_SHOP_NOTIFY_TIKTOK, ngx_shop_notice_is_tiktok,
      ngx_shop_notice_tiktok },
    { NGX_SHOP_NOTIFY_DISCORD, ngx_shop_notice_is_discord,
      ngx_shop_notice_discord },
    { NGX_SHOP_NOTIFY_KAKAO, ngx_shop_notice_is_kakao,
      ngx_shop_notice_kakao },
    { NGX_SHOP_NOTIFY_META, ngx_shop_notice_is_meta,
      ngx_shop_notice_meta },
    { NGX_SHOP_NOTIFY_NAVER, ngx_shop_notice_is_naver,
      ngx_shop_notice_naver },
    { NGX_SHOP_NOTIFY_APPLE, ngx_shop_notice_is_apple,
      ngx_shop_notice_apple },
    { NGX_SHOP_NOTIFY_SECEVENT, ngx_shop_notice_is_secevent,
      ngx_shop_notice_secevent },
    { 0, NULL, NULL }
};


/* one of no kind is read as the first: it is refused for what it lacks */

ngx_int_t
ngx_shop_notice_read(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    ngx_shop_notice_kind_t  *kind, *found;

    found = ngx_shop_notice_kinds;

    for (kind = ngx_shop_notice_kinds; kind->kind; kind++) {

        if (!(provider->notify & kind->kind)) {
            continue;
        }

        if (kind->is(pool, notice)) {
            found = kind;
            break;
        }

        if (!(provider->notify & found->kind)) {
            found = kind;
        }
    }

    notice->kind = found->kind;
    *reason = "request_malformed";

    return found->read(pool, provider, notice, reason, log);
}


ngx_int_t
ngx_shop_notice_logout(ngx_pool_t *pool, ngx_shop_notice_t *notice,
    const char **reason)
{
    notice->kind = NGX_SHOP_NOTIFY_LOGOUT;

    if (ngx_shop_notice_field(pool, notice, "logout_token", &notice->token,
                              reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_shop_notice_is_tiktok(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    return notice->tiktok_signature.len != 0;
}


static ngx_uint_t
ngx_shop_notice_is_discord(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    return notice->discord_signature.len != 0;
}


static ngx_uint_t
ngx_shop_notice_is_kakao(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    return notice->authorization.len != 0;
}


static ngx_uint_t
ngx_shop_notice_is_meta(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    ngx_str_t  value;

    return ngx_shop_query_get(pool, &notice->body, "signed_request", &value)
           != NGX_DECLINED;
}


static ngx_uint_t
ngx_shop_notice_is_naver(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    ngx_str_t  value;

    return ngx_shop_query_get(pool, &notice->body, "encryptUniqueId", &value)
           != NGX_DECLINED;
}


static ngx_uint_t
ngx_shop_notice_is_apple(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    return notice->body.len != 0 && notice->body.data[0] == '{';
}


/* the first letters of a header in base64url */

static ngx_uint_t
ngx_shop_notice_is_secevent(ngx_pool_t *pool, ngx_shop_notice_t *notice)
{
    return notice->body.len > 3
           && ngx_strncmp(notice->body.data, "eyJ", 3) == 0;
}


static ngx_int_t
ngx_shop_notice_tiktok(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    u_char     *p, *last, *comma;
    u_char      raw[NGX_SHOP_SHA256_LEN];
    ngx_str_t   time, hex, mac, text;

    if (notice->tiktok_signature.len == 0) {
        *reason = "signature_missing";
        return NGX_ERROR;
    }

    *reason = "signature_invalid";

    p = notice->tiktok_signature.data;
    last = p + notice->tiktok_signature.len;

    comma = ngx_strlchr(p, last, ',');

    if (comma == NULL || comma - p < 3 || last - comma < 4
        || ngx_strncmp(p, "t=", 2) != 0
        || ngx_strncmp(comma, ",s=", 3) != 0)
    {
        return NGX_ERROR;
    }

    time.data = p + 2;
    time.len = comma - time.data;

    hex.data = comma + 3;
    hex.len = last - hex.data;

    if (ngx_shop_unhex(&hex, raw, NGX_SHOP_SHA256_LEN) != NGX_OK) {
        return NGX_ERROR;
    }

    mac.data = raw;
    mac.len = NGX_SHOP_SHA256_LEN;

    if (ngx_shop_notice_alloc(pool, &text, time.len + 1 + notice->body.len,
                              reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_sprintf(text.data, "%V.%V", &time, &notice->body);

    if (ngx_shop_notice_signed(pool, &provider->client_secret, &text, &mac,
                               reason, log)
        != NGX_OK
        || ngx_shop_notice_digits(notice, &time, reason) != NGX_OK)
    {
        return NGX_ERROR;
    }

    notice->id = text;

    return ngx_shop_notice_tiktok_says(pool, provider, notice, reason);
}


static ngx_int_t
ngx_shop_notice_tiktok_says(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason)
{
    int64_t           why;
    ngx_str_t         client, event, content;
    ngx_shop_json_t  *json;

    *reason = "claims_malformed";

    json = ngx_shop_json_parse(pool, &notice->body, NGX_SHOP_NOTICE_BODY_MAX);

    if (ngx_shop_json_string(ngx_shop_json_get(json, "client_key"), &client)
        != NGX_OK
        || ngx_shop_json_string(ngx_shop_json_get(json, "event"), &event)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_notice_is_for(provider, &client, reason) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_shop_text_is(&event, "authorization.removed")) {
        return NGX_OK;
    }

    /* "{\"reason\":2}": the account is no more */

    notice->action = NGX_SHOP_NOTICE_UNLINK;

    if (ngx_shop_json_string(ngx_shop_json_get(json, "content"), &content)
        == NGX_OK
        && ngx_shop_json_integer(
               ngx_shop_json_get(ngx_shop_json_parse(pool, &content,
                                                     NGX_SHOP_NOTICE_BODY_MAX),
                                 "reason"),
               &why)
           == NGX_OK
        && why == 2)
    {
        notice->action = NGX_SHOP_NOTICE_ERASE;
    }

    return ngx_shop_notice_by_json(pool, provider, notice,
                                   ngx_shop_json_get(json, "user_openid"),
                                   reason);
}


static ngx_int_t
ngx_shop_notice_discord(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    u_char     signature[NGX_SHOP_SIGN_ED25519_LEN];
    ngx_str_t  text;

    if (notice->discord_signature.len == 0
        || notice->discord_timestamp.len == 0)
    {
        *reason = "signature_missing";
        return NGX_ERROR;
    }

    if (ngx_shop_notice_alloc(pool, &text, notice->discord_timestamp.len
                                           + notice->body.len, reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_sprintf(text.data, "%V%V", &notice->discord_timestamp,
                &notice->body);

    if (ngx_shop_unhex(&notice->discord_signature, signature,
                       NGX_SHOP_SIGN_ED25519_LEN)
        != NGX_OK
        || ngx_shop_sign_ed25519_verify(provider->notify_key, &text,
                                        signature)
           != NGX_OK)
    {
        *reason = "signature_invalid";
        return NGX_ERROR;
    }

    if (ngx_shop_notice_digits(notice, &notice->discord_timestamp, reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    notice->id = text;

    return ngx_shop_notice_discord_says(pool, provider, notice, reason);
}


static ngx_int_t
ngx_shop_notice_discord_says(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason)
{
    int64_t           type;
    ngx_str_t         client, name;
    ngx_shop_json_t  *json, *event;

    *reason = "claims_malformed";

    json = ngx_shop_json_parse(pool, &notice->body, NGX_SHOP_NOTICE_BODY_MAX);

    if (ngx_shop_json_text(pool, ngx_shop_json_get(json, "application_id"),
                           &client)
        != NGX_OK
        || ngx_shop_json_integer(ngx_shop_json_get(json, "type"), &type)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_notice_is_for(provider, &client, reason) != NGX_OK) {
        return NGX_ERROR;
    }

    event = ngx_shop_json_get(json, "event");

    /* 0: a ping */

    if (type != 1
        || ngx_shop_json_string(ngx_shop_json_get(event, "type"), &name)
           != NGX_OK
        || !ngx_shop_text_is(&name, "APPLICATION_DEAUTHORIZED"))
    {
        return NGX_OK;
    }

    notice->action = NGX_SHOP_NOTICE_UNLINK;

    return ngx_shop_notice_by_json(pool, provider, notice,
               ngx_shop_json_get(
                   ngx_shop_json_get(ngx_shop_json_get(event, "data"),
                                     "user"),
                   "id"),
               reason);
}


/* no time and no number: who has the key can make up any of them anyway */

static ngx_int_t
ngx_shop_notice_kakao(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    ngx_int_t         rc;
    ngx_str_t         key, why, id;
    static ngx_str_t  scheme = ngx_string("KakaoAK ");

    if (notice->authorization.len == 0) {
        *reason = "signature_missing";
        return NGX_ERROR;
    }

    key = notice->authorization;

    if (key.len < scheme.len
        || ngx_strncasecmp(key.data, scheme.data, scheme.len) != 0)
    {
        *reason = "signature_invalid";
        return NGX_ERROR;
    }

    key.data += scheme.len;
    key.len -= scheme.len;

    if (!ngx_shop_equal(&key, &provider->notify_secret)) {
        *reason = "signature_invalid";
        return NGX_ERROR;
    }

    if (ngx_shop_notice_field(pool, notice, "user_id", &id, reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_shop_query_get(pool, &notice->body, "referrer_type", &why);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    notice->action = (rc == NGX_OK
                      && (ngx_shop_text_is(&why, "ACCOUNT_DELETE")
                          || ngx_shop_text_is(&why, "FORCED_ACCOUNT_DELETE")))
                     ? NGX_SHOP_NOTICE_ERASE : NGX_SHOP_NOTICE_UNLINK;

    return ngx_shop_notice_by_id(pool, provider, notice, &id, reason);
}


static ngx_int_t
ngx_shop_notice_meta(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    u_char     *dot, *last;
    ngx_str_t   text, encoded, mac;

    if (ngx_shop_notice_field(pool, notice, "signed_request", &text, reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    *reason = "request_malformed";

    last = text.data + text.len;
    dot = ngx_strlchr(text.data, last, '.');

    if (dot == NULL) {
        return NGX_ERROR;
    }

    encoded.data = dot + 1;
    encoded.len = last - encoded.data;

    text.len = dot - text.data;

    if (ngx_shop_notice_unbase64url(pool, &text, &mac) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_notice_signed(pool, &provider->client_secret, &encoded, &mac,
                               reason, log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    notice->id = encoded;

    return ngx_shop_notice_meta_says(pool, provider, notice, &encoded,
                                     reason);
}


/*
 * It says the same whether the customer has removed the app or wants their
 * data deleted: that is told by which of the two addresses it comes to.
 */

static ngx_int_t
ngx_shop_notice_meta_says(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_str_t *encoded, const char **reason)
{
    int64_t           issued;
    ngx_str_t         text, alg;
    ngx_shop_json_t  *json;

    *reason = "claims_malformed";

    if (ngx_shop_notice_unbase64url(pool, encoded, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    json = ngx_shop_json_parse(pool, &text, NGX_SHOP_NOTICE_BODY_MAX);

    if (ngx_shop_json_string(ngx_shop_json_get(json, "algorithm"), &alg)
        != NGX_OK
        || ngx_shop_json_time(ngx_shop_json_get(json, "issued_at"), &issued)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /*
     * The browser of who signs in has a message that is signed likewise, with
     * a code in it; that asks for nothing.
     */

    if (ngx_shop_json_get(json, "code") != NULL) {
        return NGX_ERROR;
    }

    if (!ngx_shop_text_is(&alg, "HMAC-SHA256")) {
        *reason = "alg_refused";
        return NGX_ERROR;
    }

    if (ngx_shop_notice_time(notice, issued, reason) != NGX_OK) {
        return NGX_ERROR;
    }

    notice->action = ngx_shop_text_is(&notice->args, "deauthorize")
                     ? NGX_SHOP_NOTICE_UNLINK : NGX_SHOP_NOTICE_ERASE;

    return ngx_shop_notice_by_json(pool, provider, notice,
                                   ngx_shop_json_get(json, "user_id"),
                                   reason);
}


static ngx_int_t
ngx_shop_notice_naver(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    u_char      digest[NGX_SHOP_NOTICE_MD5_LEN];
    ngx_int_t   rc;
    ngx_str_t   client, who, time, signature, key, mac, text;
    ngx_md5_t   md5;

    if (ngx_shop_notice_field(pool, notice, "clientId", &client, reason)
        != NGX_OK
        || ngx_shop_notice_field(pool, notice, "encryptUniqueId", &who,
                                 reason)
           != NGX_OK
        || ngx_shop_notice_field(pool, notice, "timestamp", &time, reason)
           != NGX_OK
        || ngx_shop_notice_field(pool, notice, "signature", &signature,
                                 reason)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *reason = "signature_invalid";

    if (ngx_shop_notice_unbase64url(pool, &signature, &mac) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_notice_alloc(pool, &text,
                      sizeof("clientId=&encryptUniqueId=&timestamp=") - 1
                      + client.len + who.len + time.len, reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_sprintf(text.data, "clientId=%V&encryptUniqueId=%V&timestamp=%V",
                &client, &who, &time);

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, provider->client_secret.data,
                   provider->client_secret.len);
    ngx_md5_final(digest, &md5);

    key.data = digest;
    key.len = NGX_SHOP_NOTICE_MD5_LEN;

    rc = ngx_shop_notice_signed(pool, &key, &text, &mac, reason, log);

    if (rc == NGX_OK) {
        rc = ngx_shop_notice_is_for(provider, &client, reason);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_notice_digits(notice, &time, reason);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_notice_naver_who(pool, provider, notice, digest, &who,
                                       reason, log);
    }

    notice->id = text;

    ngx_shop_zero(digest, sizeof(digest));
    ngx_shop_zero(&md5, sizeof(ngx_md5_t));

    return rc;
}


static ngx_int_t
ngx_shop_notice_naver_who(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, u_char *key, ngx_str_t *sealed,
    const char **reason, ngx_log_t *log)
{
    ngx_int_t  rc;
    ngx_str_t  raw, id;

    *reason = "claims_malformed";

    if (ngx_shop_notice_unbase64url(pool, sealed, &raw) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_shop_aes_cbc_open(pool, key, &raw, &id, log);

    if (rc == NGX_ERROR) {
        *reason = "internal_error";
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    notice->action = NGX_SHOP_NOTICE_UNLINK;

    return ngx_shop_notice_by_id(pool, provider, notice, &id, reason);
}


static ngx_int_t
ngx_shop_notice_apple(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    ngx_shop_json_t  *json;

    json = ngx_shop_json_parse(pool, &notice->body, NGX_SHOP_NOTICE_BODY_MAX);

    if (ngx_shop_json_string(ngx_shop_json_get(json, "payload"),
                             &notice->token)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_shop_notice_secevent(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, const char **reason, ngx_log_t *log)
{
    ngx_str_t  *token;

    token = &notice->token;
    *token = notice->body;

    while (token->len && token->data[token->len - 1] <= ' ') {
        token->len--;
    }

    return token->len ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_shop_notice_field(ngx_pool_t *pool, ngx_shop_notice_t *notice,
    const char *name, ngx_str_t *value, const char **reason)
{
    ngx_int_t  rc;

    rc = ngx_shop_query_get(pool, &notice->body, name, value);

    if (rc == NGX_OK && value->len) {
        return NGX_OK;
    }

    *reason = "request_malformed";

    return NGX_ERROR;
}


/* what was signed, of several parts */

static ngx_int_t
ngx_shop_notice_alloc(ngx_pool_t *pool, ngx_str_t *text, size_t len,
    const char **reason)
{
    text->len = len;
    text->data = ngx_pnalloc(pool, len);

    if (text->data == NULL) {
        *reason = "internal_error";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_notice_is_for(ngx_shop_provider_t *provider, ngx_str_t *client,
    const char **reason)
{
    if (!ngx_shop_equal(client, &provider->client_id)) {
        *reason = "aud_mismatch";
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_notice_signed(ngx_pool_t *pool, ngx_str_t *key, ngx_str_t *text,
    ngx_str_t *mac, const char **reason, ngx_log_t *log)
{
    u_char     buf[NGX_SHOP_SHA256_LEN];
    ngx_str_t  expected;

    if (ngx_shop_hmac_sha256(key, text, buf, log) != NGX_OK) {
        *reason = "internal_error";
        return NGX_ERROR;
    }

    expected.data = buf;
    expected.len = NGX_SHOP_SHA256_LEN;

    if (!ngx_shop_equal(mac, &expected)) {
        *reason = "signature_invalid";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* they say "no padding", and their samples have some */

static ngx_int_t
ngx_shop_notice_unbase64url(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *raw)
{
    ngx_str_t  bare;

    bare = *text;

    while (bare.len && bare.data[bare.len - 1] == '=') {
        bare.len--;
    }

    if (bare.len == 0) {
        return NGX_ERROR;
    }

    return ngx_shop_unbase64url(pool, &bare, raw);
}


/* seconds, or milliseconds, as digits */

static ngx_int_t
ngx_shop_notice_digits(ngx_shop_notice_t *notice, ngx_str_t *text,
    const char **reason)
{
    int64_t  time;

    time = (text->len > NGX_SHOP_NOTICE_TIME_MAX)
           ? NGX_ERROR : ngx_atotm(text->data, text->len);

    if (time == NGX_ERROR) {
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    if (time >= NGX_SHOP_NOTICE_MS) {
        time /= 1000;
    }

    return ngx_shop_notice_time(notice, time, reason);
}


ngx_int_t
ngx_shop_notice_time(ngx_shop_notice_t *notice, int64_t time,
    const char **reason)
{
    if (time > notice->now + NGX_SHOP_NOTICE_LEEWAY) {
        *reason = "token_not_yet_valid";
        return NGX_ERROR;
    }

    if (time < notice->now - NGX_SHOP_NOTICE_AGE) {
        *reason = "token_expired";
        return NGX_ERROR;
    }

    return NGX_OK;
}
