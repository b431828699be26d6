
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"
#include "oidc/ngx_shop_oidc.h"

#include "ngx_shop_fuzz.h"
#include "ngx_shop_unit_oidc.h"


#define NGX_SHOP_FUZZ_NOW   1700000000
#define NGX_SHOP_FUZZ_SIZE  65536


static void ngx_shop_fuzz_person(ngx_shop_identity_t *identity);
static void ngx_shop_fuzz_documents(ngx_shop_fuzz_t *fuzz,
    ngx_shop_docs_t *docs);
static ngx_uint_t ngx_shop_fuzz_has(ngx_str_t *text, u_char c);


void
ngx_shop_fuzz_jwks(ngx_shop_fuzz_t *fuzz)
{
    ngx_uint_t        i;
    ngx_shop_jwk_t   *jwk;
    ngx_shop_jwks_t  *jwks;

    jwks = ngx_shop_jwks_parse(fuzz->pool, &fuzz->text, fuzz->log);
    if (jwks == NULL) {
        return;
    }

    jwk = jwks->keys.elts;

    for (i = 0; i < jwks->keys.nelts; i++) {
        ngx_shop_fuzz_must(jwk[i].pkey != NULL && jwk[i].algs != 0);
        ngx_shop_fuzz_must((jwk[i].algs & ~NGX_SHOP_JWS_ASYMMETRIC) == 0);
    }
}


/*
 * A key set in the first line, and a token.  Nobody knows the secret, so what
 * passes is signed by one of the keys.
 */

void
ngx_shop_fuzz_jws(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t         rc;
    ngx_str_t         line;
    ngx_shop_jws_t    jws;
    ngx_shop_jwks_t  *jwks;

    static ngx_str_t  secret = ngx_string("not in the corpus");

    line = ngx_shop_fuzz_line(&fuzz->text);

    jwks = ngx_shop_jwks_parse(fuzz->pool, &line, fuzz->log);

    rc = ngx_shop_jws_verify(fuzz->pool, &fuzz->text,
                             NGX_SHOP_JWS_ASYMMETRIC|NGX_SHOP_JWS_HS256,
                             jwks, &secret, &jws, fuzz->log);

    if (rc == NGX_OK) {
        ngx_shop_fuzz_must(jwks && jwks->keys.nelts);
        ngx_shop_fuzz_must(jws.alg & NGX_SHOP_JWS_ASYMMETRIC);
        ngx_shop_fuzz_must(ngx_shop_jws_bits(jws.alg) != 0);

    } else {
        ngx_shop_fuzz_must(jws.reason != NULL);
    }
}


void
ngx_shop_fuzz_claims(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t               nonce, value;
    const char             *reason;
    ngx_shop_json_t        *json;
    ngx_shop_jwt_rules_t    rules;

    json = ngx_shop_json_parse(fuzz->pool, &fuzz->text, NGX_SHOP_FUZZ_SIZE);
    if (json == NULL) {
        return;
    }

    ngx_str_set(&nonce, "n");

    ngx_memzero(&rules, sizeof(ngx_shop_jwt_rules_t));

    rules.now = NGX_SHOP_FUZZ_NOW;
    rules.leeway = 60;
    rules.nonce = &nonce;
    rules.alg = NGX_SHOP_JWS_RS256;
    ngx_str_set(&rules.issuer, "https://id.example");
    ngx_str_set(&rules.audience, "shop");

    reason = NULL;

    if (ngx_shop_jwt_check(fuzz->pool, json, &rules, &reason, fuzz->log)
        != NGX_OK)
    {
        ngx_shop_fuzz_must(reason != NULL);
        return;
    }

    ngx_shop_fuzz_must(ngx_shop_json_string(ngx_shop_json_get(json, "iss"),
                                            &value)
                       == NGX_OK
                       && ngx_shop_equal(&value, &rules.issuer));
    ngx_shop_fuzz_must(ngx_shop_json_string(ngx_shop_json_get(json, "nonce"),
                                            &value)
                       == NGX_OK
                       && ngx_shop_equal(&value, &nonce));
    ngx_shop_fuzz_must(ngx_shop_json_get(json, "aud") != NULL);
}


/* what can be read is written the same again */

void
ngx_shop_fuzz_attempt(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t            packed;
    ngx_shop_attempt_t   attempt;

    if (ngx_shop_attempt_unpack(fuzz->pool, &fuzz->text, &attempt) != NGX_OK)
    {
        return;
    }

    if (ngx_shop_attempt_pack(fuzz->pool, &attempt, &packed) == NGX_OK) {
        ngx_shop_fuzz_must(ngx_shop_attempt_unpack(fuzz->pool, &packed,
                                                   &attempt)
                           == NGX_OK);
    }
}


/* no address that the document names is one of our own machine */

void
ngx_shop_fuzz_discovery(ngx_shop_fuzz_t *fuzz)
{
    const char           *reason;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    reason = NULL;

    if (ngx_shop_discovery_parse(fuzz->pool, &provider, &fuzz->text,
                                 &metadata, &reason)
        != NGX_OK)
    {
        ngx_shop_fuzz_must(reason != NULL);
        return;
    }

    ngx_shop_fuzz_must(metadata.authz.secure && !metadata.authz.loopback);
    ngx_shop_fuzz_must(metadata.token.secure && !metadata.token.loopback);
    ngx_shop_fuzz_must(metadata.jwks.secure && !metadata.jwks.loopback);
    ngx_shop_fuzz_must(metadata.userinfo.host.len == 0
                       || (metadata.userinfo.secure
                           && !metadata.userinfo.loopback));
    ngx_shop_fuzz_must((metadata.algs & ~NGX_SHOP_JWS_ASYMMETRIC) == 0);
}


void
ngx_shop_fuzz_callback(ngx_shop_fuzz_t *fuzz)
{
    const char           *reason;
    ngx_shop_authresp_t   resp;
    ngx_shop_provider_t   provider;

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    reason = NULL;

    if (ngx_shop_authresp_parse(fuzz->pool, &provider, &fuzz->text, &resp,
                                &reason)
        != NGX_OK)
    {
        ngx_shop_fuzz_must(reason != NULL);
        return;
    }

    ngx_shop_fuzz_must(resp.has_state);

    if (ngx_shop_authresp_check(&provider, NULL, &resp, &reason) == NGX_OK) {
        ngx_shop_fuzz_must(resp.has_code && !resp.has_error);
        ngx_shop_fuzz_must(!resp.has_iss
                           || ngx_shop_equal(&resp.iss, &provider.issuer));
    }
}


/* JSON, or a form where the first byte is "&" */

void
ngx_shop_fuzz_token(ngx_shop_fuzz_t *fuzz)
{
    const char           *reason;
    ngx_shop_token_t      token;
    ngx_shop_provider_t   provider;

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    if (fuzz->text.len && fuzz->text.data[0] == '&') {
        provider.tok_format = NGX_SHOP_FORMAT_AUTO;
        provider.oauth2 = 1;
    }

    reason = NULL;

    if (ngx_shop_token_parse(fuzz->pool, &provider, 200, &fuzz->text, &token,
                             &reason)
        != NGX_OK)
    {
        ngx_shop_fuzz_must(reason != NULL);
        return;
    }

    ngx_shop_fuzz_must(token.access_token.len > 0);
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&token.access_token));
    ngx_shop_fuzz_must(provider.oauth2 || token.id_token.len > 0);
}


/* of an answer that must be signed by a key that is nobody's here */

void
ngx_shop_fuzz_signed(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t             rc;
    ngx_shop_jwk_t       *jwk;
    ngx_shop_json_t      *json, *before;
    ngx_shop_jwks_t      *jwks;
    ngx_shop_provider_t   provider;

    static ngx_str_t  key = ngx_string(
        "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"0vx7agoeb"
        "GcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK"
        "7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsG"
        "Y4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQ"
        "MicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qN"
        "Lyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0"
        "Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\"}]}");

    json = ngx_shop_json_parse(fuzz->pool, &fuzz->text, NGX_SHOP_FUZZ_SIZE);
    jwks = ngx_shop_jwks_parse(fuzz->pool, &key, fuzz->log);

    if (json == NULL || jwks == NULL
        || ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK)
    {
        return;
    }

    jwk = jwks->keys.elts;
    before = json;

    provider.sign = NGX_SHOP_SIGN_ALIPAY;
    provider.verify_key = jwk[0].pkey;

    rc = ngx_shop_signed_answer(fuzz->pool, &provider, &fuzz->text, &json);

    ngx_shop_fuzz_must(rc != NGX_OK && json == before);
}


/* nor does anybody know the token of the bot */

void
ngx_shop_fuzz_widget(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t             mac;
    const char           *reason;
    ngx_shop_json_t      *claims;
    ngx_shop_provider_t   provider;

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    reason = NULL;

    ngx_shop_fuzz_must(ngx_shop_widget_check(fuzz->pool, &provider,
                                             &fuzz->text, NGX_SHOP_FUZZ_NOW,
                                             600, &claims, &mac, &reason)
                       == NGX_ERROR);
    ngx_shop_fuzz_must(reason != NULL);
}


/*
 * What a header says in the first line, and a notice of any kind.  Nobody
 * knows the secrets, so none is good.
 */

void
ngx_shop_fuzz_notice(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t            rc;
    ngx_str_t            line;
    ngx_uint_t           kind;
    const char          *reason;
    ngx_shop_notice_t    notice;
    ngx_shop_provider_t  provider;

    static u_char  key[NGX_SHOP_SIGN_ED25519_KEY + 1] =
                                            "a point of the curve Ed25519 ...";

    line = ngx_shop_fuzz_line(&fuzz->text);

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    ngx_str_set(&provider.notify_secret, "the key of an administrator");

    provider.notify_key = ngx_shop_sign_ed25519_key(fuzz->pool, key);

    for (kind = NGX_SHOP_NOTIFY_META; kind <= NGX_SHOP_NOTIFY_NAVER;
         kind <<= 1)
    {
        ngx_memzero(&notice, sizeof(ngx_shop_notice_t));

        notice.body = fuzz->text;
        notice.authorization = line;
        notice.tiktok_signature = line;
        notice.discord_signature = line;
        notice.discord_timestamp = line;
        notice.now = NGX_SHOP_FUZZ_NOW;

        provider.notify = kind;
        reason = NULL;

        rc = ngx_shop_notice_read(fuzz->pool, &provider, &notice, &reason,
                                  fuzz->log);

        ngx_shop_fuzz_must(notice.kind == kind);
        ngx_shop_fuzz_must(rc == NGX_ERROR
                           || (rc == NGX_AGAIN
                               && (kind & NGX_SHOP_NOTIFY_TOKENS)));
        ngx_shop_fuzz_must(reason != NULL);
    }
}


/* the claims of a token that is a notice: who knows the keys says anything */

void
ngx_shop_fuzz_event(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t            rc;
    ngx_uint_t           i;
    const char          *reason;
    ngx_shop_jws_t       jws;
    ngx_shop_notice_t    notice;
    ngx_shop_provider_t  provider;

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    ngx_memzero(&jws, sizeof(ngx_shop_jws_t));

    jws.payload = fuzz->text;

    for (i = 0; i < 2; i++) {
        ngx_memzero(&notice, sizeof(ngx_shop_notice_t));

        notice.kind = i ? NGX_SHOP_NOTIFY_APPLE : NGX_SHOP_NOTIFY_SECEVENT;
        notice.now = NGX_SHOP_FUZZ_NOW;
        reason = NULL;

        rc = ngx_shop_notice_claims(fuzz->pool, &provider, &jws, &notice,
                                    &reason);

        if (rc != NGX_OK) {
            ngx_shop_fuzz_must(rc == NGX_ERROR && reason != NULL);
            continue;
        }

        ngx_shop_fuzz_must(notice.id.len != 0);
        ngx_shop_fuzz_must(notice.action <= NGX_SHOP_NOTICE_ERASE);
        ngx_shop_fuzz_must(notice.action == NGX_SHOP_NOTICE_NOTHING
                           || (notice.subject.len != 0
                               && notice.subject.len <= NGX_SHOP_SUBJECT_MAX
                               && ngx_shop_fuzz_is_plain(&notice.subject)));
    }
}


/* the claims in the first line, a userinfo answer in the second */

void
ngx_shop_fuzz_identity(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t             rc;
    ngx_str_t             line;
    const char           *reason;
    ngx_shop_docs_t       docs;
    ngx_shop_identity_t   identity;
    ngx_shop_provider_t   provider;

    if (ngx_shop_unit_provider(fuzz->pool, &provider) != NGX_OK) {
        return;
    }

    ngx_memzero(&docs, sizeof(ngx_shop_docs_t));

    line = ngx_shop_fuzz_line(&fuzz->text);

    docs.pending = NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI);
    docs.json[NGX_SHOP_DOC_ID] = ngx_shop_json_parse(fuzz->pool, &line,
                                                     NGX_SHOP_FUZZ_SIZE);
    if (docs.json[NGX_SHOP_DOC_ID] == NULL) {
        return;
    }

    reason = NULL;
    rc = ngx_shop_identity(fuzz->pool, &provider, &docs, &identity, &reason);

    if (rc == NGX_AGAIN) {

        if (ngx_shop_identity_userinfo(fuzz->pool, &provider, 0, 200,
                                       &fuzz->text, &docs, &reason)
            != NGX_OK)
        {
            ngx_shop_fuzz_must(reason != NULL);
            return;
        }

        rc = ngx_shop_identity(fuzz->pool, &provider, &docs, &identity,
                               &reason);

        ngx_shop_fuzz_must(rc != NGX_AGAIN);
    }

    if (rc == NGX_OK) {
        ngx_shop_fuzz_person(&identity);

    } else {
        ngx_shop_fuzz_must(reason != NULL);
    }
}


static void
ngx_shop_fuzz_person(ngx_shop_identity_t *identity)
{
    ngx_uint_t  i;
    ngx_str_t  *texts[5];

    ngx_shop_fuzz_must(identity->subject.len >= 1
                       && identity->subject.len <= 255);
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&identity->subject));

    ngx_shop_fuzz_must(identity->email.len <= 254);
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&identity->email));
    ngx_shop_fuzz_must(identity->email.len || !identity->email_verified);

    texts[0] = &identity->name;
    texts[1] = &identity->given_name;
    texts[2] = &identity->family_name;
    texts[3] = &identity->locale;
    texts[4] = &identity->phone;

    for (i = 0; i < 5; i++) {
        ngx_shop_fuzz_must(texts[i]->len <= 255);
        ngx_shop_fuzz_must(!ngx_shop_fuzz_has(texts[i], CR));
        ngx_shop_fuzz_must(!ngx_shop_fuzz_has(texts[i], LF));
        ngx_shop_fuzz_must(!ngx_shop_fuzz_has(texts[i], '\0'));
    }

    ngx_shop_fuzz_must(identity->picture.len == 0
                       || ngx_strncmp(identity->picture.data, "https://", 8)
                          == 0);
}


static ngx_uint_t
ngx_shop_fuzz_has(ngx_str_t *text, u_char c)
{
    return text->len
           && ngx_strlchr(text->data, text->data + text->len, c) != NULL;
}


/* an expression in the first line, a document, and another one */

void
ngx_shop_fuzz_expression(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t                line, value;
    ngx_uint_t               used, kind;
    ngx_shop_docs_t          docs;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    line = ngx_shop_fuzz_line(&fuzz->text);
    ngx_shop_fuzz_documents(fuzz, &docs);

    for (kind = NGX_SHOP_CLAIM_VALUE; kind <= NGX_SHOP_CLAIM_TEMPLATE; kind++)
    {
        error.what = NULL;

        claim = ngx_shop_claim_compile(fuzz->pool, &line, kind,
                                       NGX_SHOP_DOCS_ALL, &error);
        if (claim == NULL) {
            ngx_shop_fuzz_must(error.what != NULL);
            ngx_shop_fuzz_must(error.at <= line.len + 1);
            continue;
        }

        switch (ngx_shop_claim_eval(fuzz->pool, claim, &docs,
                                    NGX_SHOP_DOCS_ALL, &value, &used))
        {
        case NGX_OK:
            ngx_shop_fuzz_must(value.len > 0);
            ngx_shop_fuzz_must((used & ~NGX_SHOP_DOCS_ALL) == 0);
            break;

        case NGX_AGAIN:
            ngx_shop_fuzz_must(docs.pending & NGX_SHOP_DOC_BIT(docs.wanted));
            break;

        default:
            break;
        }
    }
}


static void
ngx_shop_fuzz_documents(ngx_shop_fuzz_t *fuzz, ngx_shop_docs_t *docs)
{
    ngx_str_t  line;

    ngx_memzero(docs, sizeof(ngx_shop_docs_t));

    ngx_str_set(&docs->client_id, "shop");
    ngx_str_set(&docs->state, "state");
    ngx_str_set(&docs->callback, "code=1&state=state&user=%7B%22a%22%3A1%7D");

    line = ngx_shop_fuzz_line(&fuzz->text);

    docs->json[NGX_SHOP_DOC_ID] = ngx_shop_json_parse(fuzz->pool, &line,
                                                      NGX_SHOP_FUZZ_SIZE);

    line = ngx_shop_fuzz_line(&fuzz->text);

    docs->json[NGX_SHOP_DOC_UI] = ngx_shop_json_parse(fuzz->pool, &line,
                                                      NGX_SHOP_FUZZ_SIZE);

    docs->pending = NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI2);
}


/* a rule in the first line, and the answer that it is to judge */

void
ngx_shop_fuzz_rule(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t                line;
    ngx_shop_json_t         *json;
    ngx_shop_rule_t         *rule;
    ngx_shop_claim_error_t   error;

    line = ngx_shop_fuzz_line(&fuzz->text);

    error.what = NULL;
    rule = ngx_shop_rule_compile(fuzz->pool, &line, &error);

    if (rule == NULL) {
        ngx_shop_fuzz_must(error.what != NULL);
        return;
    }

    json = ngx_shop_json_parse(fuzz->pool, &fuzz->text, NGX_SHOP_FUZZ_SIZE);

    if (json) {
        (void) ngx_shop_rule_holds(fuzz->pool, rule, json);
    }
}
