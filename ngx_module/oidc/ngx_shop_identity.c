
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * The subject is who it is, and a login without a good one fails.  All the
 * rest is what the provider tells about that customer: nice to have, shown
 * on pages and in shops' mails, so text that could play tricks there is left
 * out without a word.
 *
 * An e-mail may join two customers into one, so it has to be one address to
 * every program that will ever read it: a dot-atom, "@" and a host name of
 * RFC 5322 3.2.3, without quotes, comments, commas or anything beyond ASCII
 * (two addresses that look alike, or fold to one when they are lowered).
 */


static void ngx_shop_identity_profile(ngx_shop_provider_t *provider,
    ngx_shop_json_t *json, ngx_shop_identity_t *identity);
static void ngx_shop_identity_text(ngx_shop_json_t *json, const char *name,
    ngx_str_t *value);
static void ngx_shop_identity_email(ngx_shop_provider_t *provider,
    ngx_shop_json_t *json, ngx_shop_identity_t *identity);
static ngx_uint_t ngx_shop_identity_email_valid(ngx_str_t *email);
static ngx_uint_t ngx_shop_identity_email_byte(u_char ch, ngx_uint_t host);
static ngx_uint_t ngx_shop_identity_text_valid(ngx_str_t *text);
static ngx_uint_t ngx_shop_identity_true(ngx_shop_json_t *json);


ngx_int_t
ngx_shop_identity_claims(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_json_t *claims, ngx_shop_identity_t *identity,
    const char **reason)
{
    size_t      i;
    int64_t     auth_time;
    ngx_str_t  *sub;

    ngx_memzero(identity, sizeof(ngx_shop_identity_t));

    *reason = "claims_malformed";

    sub = &identity->subject;

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "sub"), sub) != NGX_OK
        || sub->len == 0
        || sub->len > NGX_SHOP_SUBJECT_MAX)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < sub->len; i++) {

        if (sub->data[i] < 0x20 || sub->data[i] > 0x7e) {
            return NGX_ERROR;
        }
    }

    if (ngx_shop_json_time(ngx_shop_json_get(claims, "auth_time"), &auth_time)
        == NGX_OK
        && auth_time > 0)
    {
        identity->auth_time = (time_t) auth_time;
    }

    ngx_shop_identity_profile(provider, claims, identity);

    return NGX_OK;
}


ngx_uint_t
ngx_shop_identity_incomplete(ngx_shop_identity_t *identity)
{
    return identity->email.len == 0
           || (identity->name.len == 0
               && identity->given_name.len == 0
               && identity->family_name.len == 0);
}


ngx_int_t
ngx_shop_identity_userinfo(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_uint_t status, ngx_str_t *text, ngx_shop_identity_t *identity,
    const char **reason)
{
    ngx_str_t         sub;
    ngx_shop_json_t  *json;

    if (status != 200) {
        *reason = "userinfo_error";
        return NGX_ERROR;
    }

    json = ngx_shop_json_parse(pool, text, NGX_SHOP_USERINFO_MAX);

    if (!ngx_shop_json_is_object(json)) {
        *reason = "userinfo_malformed";
        return NGX_ERROR;
    }

    /* an access token may have been swapped: OpenID Connect Core 5.3.2 */

    if (ngx_shop_json_string(ngx_shop_json_get(json, "sub"), &sub) != NGX_OK
        || identity->subject.len == 0
        || sub.len != identity->subject.len
        || ngx_memcmp(sub.data, identity->subject.data, sub.len) != 0)
    {
        *reason = "userinfo_mismatch";
        return NGX_ERROR;
    }

    ngx_shop_identity_profile(provider, json, identity);

    return NGX_OK;
}


/* fills what is still empty */

static void
ngx_shop_identity_profile(ngx_shop_provider_t *provider,
    ngx_shop_json_t *json, ngx_shop_identity_t *identity)
{
    ngx_shop_identity_email(provider, json, identity);

    ngx_shop_identity_text(json, "name", &identity->name);
    ngx_shop_identity_text(json, "given_name", &identity->given_name);
    ngx_shop_identity_text(json, "family_name", &identity->family_name);
    ngx_shop_identity_text(json, "locale", &identity->locale);
}


static void
ngx_shop_identity_text(ngx_shop_json_t *json, const char *name,
    ngx_str_t *value)
{
    ngx_str_t  text;

    if (value->len == 0
        && ngx_shop_json_string(ngx_shop_json_get(json, name), &text)
           == NGX_OK
        && ngx_shop_identity_text_valid(&text))
    {
        *value = text;
    }
}


static void
ngx_shop_identity_email(ngx_shop_provider_t *provider, ngx_shop_json_t *json,
    ngx_shop_identity_t *identity)
{
    ngx_str_t  email;

    if (identity->email.len
        || ngx_shop_json_string(ngx_shop_json_get(json, "email"), &email)
           != NGX_OK
        || !ngx_shop_identity_email_valid(&email))
    {
        return;
    }

    identity->email = email;

    if (provider->email_trusted
        && ngx_shop_identity_true(ngx_shop_json_get(json, "email_verified")))
    {
        identity->email_verified = 1;
    }
}


static ngx_uint_t
ngx_shop_identity_email_valid(ngx_str_t *email)
{
    u_char      ch;
    size_t      i;
    ngx_uint_t  host, dot;

    if (email->len == 0 || email->len > NGX_SHOP_EMAIL_MAX) {
        return 0;
    }

    host = 0;
    dot = 1;                        /* none at the start of a part */

    for (i = 0; i < email->len; i++) {

        ch = email->data[i];

        if (ch == '.' || ch == '@') {

            if (dot || (ch == '@' && host)) {
                return 0;
            }

            dot = 1;

            if (ch == '@') {
                host = 1;
            }

            continue;
        }

        if (!ngx_shop_identity_email_byte(ch, host)) {
            return 0;
        }

        dot = 0;
    }

    return host && !dot;
}


static ngx_uint_t
ngx_shop_identity_email_byte(u_char ch, ngx_uint_t host)
{
    u_char  c;

    c = ch | 0x20;

    if ((c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9') || ch == '-') {
        return 1;
    }

    if (host || ch == '\0') {
        return 0;
    }

    return ngx_strchr("!#$%&'*+/=?^_`{|}~", ch) != NULL;
}


/*
 * UTF-8 is certain after JSON.  Besides control characters (C0, DEL, C1)
 * those are refused that end a line or turn the direction of what follows
 * (U+2028, U+2029, U+202A to U+202E, U+2066 to U+2069).
 */

static ngx_uint_t
ngx_shop_identity_text_valid(ngx_str_t *text)
{
    u_char    *p, *last;
    uint32_t   ch;

    if (text->len == 0 || text->len > NGX_SHOP_PROFILE_MAX) {
        return 0;
    }

    p = text->data;
    last = p + text->len;

    while (p < last) {

        /* the decoder is for bytes from 0x80 on only */

        ch = (*p < 0x80) ? *p++ : ngx_utf8_decode(&p, last - p);

        if (ch < 0x20
            || (ch >= 0x7f && ch <= 0x9f)
            || (ch >= 0x2028 && ch <= 0x202e)
            || (ch >= 0x2066 && ch <= 0x2069)
            || ch > 0x10ffff)
        {
            return 0;
        }
    }

    return 1;
}


/* Apple, Amazon Cognito and LinkedIn write booleans as text */

static ngx_uint_t
ngx_shop_identity_true(ngx_shop_json_t *json)
{
    ngx_str_t   text;
    ngx_uint_t  value;

    if (ngx_shop_json_boolean(json, &value) == NGX_OK) {
        return value;
    }

    return ngx_shop_json_string(json, &text) == NGX_OK
           && ngx_shop_oidc_is(&text, "true");
}
