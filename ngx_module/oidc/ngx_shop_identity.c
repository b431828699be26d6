
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"
#include "oidc/ngx_shop_claim.h"


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


static ngx_uint_t ngx_shop_identity_lacking(ngx_shop_docs_t *docs);
static ngx_int_t ngx_shop_identity_email(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs,
    ngx_shop_identity_t *identity);
static ngx_uint_t ngx_shop_identity_unknown(ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs);
static ngx_uint_t ngx_shop_identity_verified(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs, ngx_str_t *email,
    ngx_uint_t from);
static ngx_uint_t ngx_shop_identity_domain(ngx_shop_provider_t *provider,
    ngx_str_t *email);
static ngx_int_t ngx_shop_identity_names(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs,
    ngx_shop_identity_t *identity);
static ngx_int_t ngx_shop_identity_text(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs,
    ngx_shop_claim_e claim, ngx_str_t *value);
static ngx_int_t ngx_shop_identity_eval(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs,
    ngx_shop_claim_e claim, ngx_uint_t allowed, ngx_str_t *value,
    ngx_uint_t *used);
static ngx_uint_t ngx_shop_identity_text_valid(ngx_str_t *text);
static ngx_uint_t ngx_shop_identity_picture_valid(ngx_str_t *text);
static ngx_uint_t ngx_shop_identity_phone_valid(ngx_str_t *text);


ngx_int_t
ngx_shop_identity(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_shop_identity_t *identity,
    const char **reason)
{
    int64_t    auth_time;
    ngx_int_t  rc;

    ngx_memzero(identity, sizeof(ngx_shop_identity_t));

    *reason = "claims_malformed";

    /* a document that is not there may be so to another login, or later */

    docs->partial = ngx_shop_identity_lacking(docs);

    rc = ngx_shop_identity_subject(pool, provider, docs, &identity->subject);

    docs->partial = 0;

    if (rc == NGX_AGAIN
        && !(docs->pending & NGX_SHOP_DOC_BIT(docs->wanted)))
    {
        *reason = "subject_unavailable";
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_shop_identity_email(pool, provider, docs, identity) == NGX_AGAIN
        || ngx_shop_identity_names(pool, provider, docs, identity)
           == NGX_AGAIN)
    {
        return NGX_AGAIN;
    }

    /* nice to have, and no reason to ask for more */

    (void) ngx_shop_identity_text(pool, provider, docs,
                                  NGX_SHOP_CLAIM_LOCALE, &identity->locale);
    (void) ngx_shop_identity_text(pool, provider, docs,
                                  NGX_SHOP_CLAIM_PICTURE,
                                  &identity->picture);
    (void) ngx_shop_identity_text(pool, provider, docs,
                                  NGX_SHOP_CLAIM_PHONE, &identity->phone);

    if (ngx_shop_json_time(ngx_shop_json_get(docs->json[NGX_SHOP_DOC_ID],
                                             "auth_time"),
                           &auth_time)
        == NGX_OK
        && auth_time > 0)
    {
        identity->auth_time = (time_t) auth_time;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_shop_identity_lacking(ngx_shop_docs_t *docs)
{
    ngx_uint_t  doc, lacking;

    lacking = 0;

    for (doc = NGX_SHOP_DOC_ID; doc <= NGX_SHOP_DOC_TK; doc++) {
        if (docs->json[doc] == NULL) {
            lacking |= NGX_SHOP_DOC_BIT(doc);
        }
    }

    return lacking;
}


ngx_int_t
ngx_shop_identity_subject(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_str_t *sub)
{
    ngx_int_t   rc;
    ngx_uint_t  used;

    rc = ngx_shop_identity_eval(pool, provider, docs, NGX_SHOP_CLAIM_SUB,
                                NGX_SHOP_DOCS_PROVEN, sub, &used);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK || !ngx_shop_identity_is_subject(sub)) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* terms of the first alternative are all looked at, the parts of one only as
 * long as those before are there, which only a text is for certain */

ngx_uint_t
ngx_shop_identity_rests_on(ngx_shop_provider_t *provider, ngx_uint_t doc)
{
    ngx_uint_t            i, n, certain;
    ngx_shop_claim_op_t  *op;

    op = provider->claims[NGX_SHOP_CLAIM_SUB]->ops.elts;
    n = provider->claims[NGX_SHOP_CLAIM_SUB]->ops.nelts;

    certain = 1;

    for (i = 0; i < n; i++) {

        if (i > 0 && op[i].begins == ngx_shop_claim_alt) {
            break;
        }

        if (op[i].begins != ngx_shop_claim_part) {
            certain = 1;
        }

        if (op[i].doc == NGX_SHOP_DOC_TEXT) {
            continue;
        }

        if (certain && op[i].doc == doc) {
            return 1;
        }

        certain = 0;
    }

    return 0;
}


ngx_uint_t
ngx_shop_identity_is_subject(ngx_str_t *sub)
{
    size_t  i;

    for (i = 0; i < sub->len; i++) {

        if (sub->data[i] < 0x20 || sub->data[i] > 0x7e) {
            return 0;
        }
    }

    return sub->len != 0 && sub->len <= NGX_SHOP_SUBJECT_MAX;
}


static ngx_int_t
ngx_shop_identity_email(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_shop_identity_t *identity)
{
    ngx_int_t   rc;
    ngx_str_t   email;
    ngx_uint_t  from;

    rc = ngx_shop_identity_eval(pool, provider, docs, NGX_SHOP_CLAIM_EMAIL,
                                NGX_SHOP_DOCS_PROVEN, &email, &from);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_DECLINED && ngx_shop_identity_unknown(provider, docs)) {
        identity->email_unknown = 1;
        return NGX_DECLINED;
    }

    if (rc != NGX_OK || !ngx_shop_email_valid(&email)) {
        return NGX_DECLINED;
    }

    identity->email = email;

    if (ngx_shop_identity_verified(pool, provider, docs, &email, from)) {
        identity->email_verified = 1;
    }

    return NGX_OK;
}


/*
 * An app brings a token without userinfo, and an address of userinfo may be
 * refused: who has an e-mail must not lose it by that.  Where a provider has
 * no such document, no login will ever find one in it.
 */

static ngx_uint_t
ngx_shop_identity_unknown(ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs)
{
    ngx_uint_t  there;

    if (provider->claims[NGX_SHOP_CLAIM_EMAIL] == NULL) {
        return 0;
    }

    there = docs->offered | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TK);

    if (!provider->oauth2) {
        there |= NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_ID);
    }

    return (provider->claims[NGX_SHOP_CLAIM_EMAIL]->docs & there
            & ngx_shop_identity_lacking(docs))
           != 0;
}


/* a flag in another document may be about another address */

static ngx_uint_t
ngx_shop_identity_verified(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_str_t *email, ngx_uint_t from)
{
    ngx_str_t   value;
    ngx_uint_t  used;

    switch (provider->email_trust) {

    case NGX_SHOP_EMAIL_CLAIM:
        return ngx_shop_identity_eval(pool, provider, docs,
                                      NGX_SHOP_CLAIM_EMAIL_VERIFIED, from,
                                      &value, &used)
               == NGX_OK
               && ngx_shop_text_is(&value, "true");

    case NGX_SHOP_EMAIL_PRESENT:
        return 1;

    case NGX_SHOP_EMAIL_DOMAIN:
        return ngx_shop_identity_domain(provider, email);

    default: /* NGX_SHOP_EMAIL_NEVER */
        return 0;
    }
}


static ngx_uint_t
ngx_shop_identity_domain(ngx_shop_provider_t *provider, ngx_str_t *email)
{
    u_char      *at;
    size_t       len;
    ngx_str_t   *domain;
    ngx_uint_t   i;

    at = ngx_strlchr(email->data, email->data + email->len, '@') + 1;
    len = email->data + email->len - at;

    domain = provider->email_domains->elts;

    for (i = 0; i < provider->email_domains->nelts; i++) {
        if (domain[i].len == len
            && ngx_strncasecmp(domain[i].data, at, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* any of the three is a name */

static ngx_int_t
ngx_shop_identity_names(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_shop_identity_t *identity)
{
    ngx_int_t   rc;
    ngx_uint_t  i, again, known;

    struct {
        ngx_shop_claim_e   claim;
        ngx_str_t         *value;
    } name[3];

    name[0].claim = NGX_SHOP_CLAIM_NAME;
    name[0].value = &identity->name;
    name[1].claim = NGX_SHOP_CLAIM_GIVEN_NAME;
    name[1].value = &identity->given_name;
    name[2].claim = NGX_SHOP_CLAIM_FAMILY_NAME;
    name[2].value = &identity->family_name;

    again = 0;
    known = 0;

    for (i = 0; i < 3; i++) {
        rc = ngx_shop_identity_text(pool, provider, docs, name[i].claim,
                                    name[i].value);

        again |= (rc == NGX_AGAIN);
        known |= (rc == NGX_OK);
    }

    return (again && !known) ? NGX_AGAIN : NGX_OK;
}


/* what is malformed is left out */

static ngx_int_t
ngx_shop_identity_text(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_shop_claim_e claim, ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  used, valid;

    rc = ngx_shop_identity_eval(pool, provider, docs, claim,
                                NGX_SHOP_DOCS_ALL, &text, &used);

    if (rc != NGX_OK) {
        return (rc == NGX_AGAIN) ? NGX_AGAIN : NGX_DECLINED;
    }

    switch (claim) {

    case NGX_SHOP_CLAIM_PICTURE:
        valid = ngx_shop_identity_picture_valid(&text);
        break;

    case NGX_SHOP_CLAIM_PHONE:
        valid = ngx_shop_identity_phone_valid(&text);
        break;

    default:
        valid = ngx_shop_identity_text_valid(&text);
        break;
    }

    if (!valid) {
        return NGX_DECLINED;
    }

    *value = text;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_identity_eval(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_shop_claim_e claim, ngx_uint_t allowed,
    ngx_str_t *value, ngx_uint_t *used)
{
    if (provider->claims[claim] == NULL) {
        return NGX_DECLINED;
    }

    return ngx_shop_claim_eval(pool, provider->claims[claim], docs, allowed,
                               value, used);
}


ngx_int_t
ngx_shop_identity_userinfo(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_uint_t n, ngx_uint_t status, ngx_str_t *text, ngx_shop_docs_t *docs,
    const char **reason)
{
    ngx_int_t         rc;
    ngx_str_t         ours, theirs;
    ngx_uint_t        doc;
    ngx_shop_json_t  *json;

    doc = n ? NGX_SHOP_DOC_UI2 : NGX_SHOP_DOC_UI;

    if (n == 1 && (status == 403 || status == 404)) {
        docs->pending &= ~NGX_SHOP_DOC_BIT(doc);
        return NGX_OK;
    }

    if (status != 200) {
        *reason = "userinfo_error";
        return NGX_ERROR;
    }

    json = ngx_shop_json_parse_mended(pool, text, NGX_SHOP_USERINFO_MAX);

    if (!ngx_shop_json_is_object(json)
        && !(n == 1 && ngx_shop_json_is_array(json)))
    {
        *reason = "userinfo_malformed";
        return NGX_ERROR;
    }

    if (provider->ui[n].ok
        && !ngx_shop_rule_holds(pool, provider->ui[n].ok, json))
    {
        *reason = "userinfo_error";
        return NGX_ERROR;
    }

    rc = ngx_shop_signed_answer(pool, provider, text, &json);

    if (rc != NGX_OK) {
        *reason = (rc == NGX_DECLINED) ? "userinfo_error"
                                       : "signature_invalid";
        return NGX_ERROR;
    }

    /* an access token may have been swapped: OpenID Connect Core 5.3.2 */

    if (n == 0 && !provider->oauth2
        && (ngx_shop_json_string(ngx_shop_json_get(
                                      docs->json[NGX_SHOP_DOC_ID], "sub"),
                                 &ours)
            != NGX_OK
            || ngx_shop_json_string(ngx_shop_json_get(json, "sub"), &theirs)
               != NGX_OK
            || ours.len == 0
            || ours.len != theirs.len
            || ngx_memcmp(ours.data, theirs.data, ours.len) != 0))
    {
        *reason = "userinfo_mismatch";
        return NGX_ERROR;
    }

    docs->json[doc] = json;
    docs->pending &= ~NGX_SHOP_DOC_BIT(doc);

    return NGX_OK;
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


/* it goes into pages: no other scheme, nothing to break out of an attribute */

static ngx_uint_t
ngx_shop_identity_picture_valid(ngx_str_t *text)
{
    size_t  i;

    if (text->len <= sizeof("https://") - 1
        || text->len > NGX_SHOP_PICTURE_MAX
        || ngx_strncmp(text->data, "https://", sizeof("https://") - 1) != 0)
    {
        return 0;
    }

    for (i = 0; i < text->len; i++) {

        if (text->data[i] < 0x21 || text->data[i] > 0x7e
            || ngx_strchr("\"'<>\\`", text->data[i]) != NULL)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_identity_phone_valid(ngx_str_t *text)
{
    size_t  i;

    if (text->len > NGX_SHOP_PHONE_MAX) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {

        if ((text->data[i] < '0' || text->data[i] > '9')
            && (text->data[i] == '\0'
                || ngx_strchr("+-(). ", text->data[i]) == NULL))
        {
            return 0;
        }
    }

    return 1;
}
