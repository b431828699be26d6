
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_field.h"


/*
 * What the fields of a provider, those of the preset and of the block, must
 * be to each other.
 */


/* NULL, or what is wrong */

typedef const char *(*ngx_http_social_check_pt)(
    ngx_http_social_block_t *block);


static const char *ngx_http_social_provider_missing(
    ngx_shop_provider_t *provider);
static ngx_uint_t ngx_http_social_provider_docs(
    ngx_shop_provider_t *provider);
static const char *ngx_http_social_provider_unproven(
    ngx_http_social_block_t *block);

static const char *ngx_http_social_wrong_issuer(
    ngx_http_social_block_t *block);
static const char *ngx_http_social_wrong_flow(ngx_http_social_block_t *block);
static ngx_uint_t ngx_http_social_is_bot(ngx_shop_provider_t *provider);
static const char *ngx_http_social_wrong_algs(ngx_http_social_block_t *block);
static const char *ngx_http_social_wrong_sign(ngx_http_social_block_t *block);
static const char *ngx_http_social_wrong_client(
    ngx_http_social_block_t *block);
static const char *ngx_http_social_wrong_notices(
    ngx_http_social_block_t *block);
static ngx_uint_t ngx_http_social_is_told(ngx_shop_provider_t *provider);
static const char *ngx_http_social_wrong_logout(
    ngx_http_social_block_t *block);
static const char *ngx_http_social_wrong_userinfo(
    ngx_http_social_block_t *block);


/* in this order: the first one that finds something is heard */

static ngx_http_social_check_pt  ngx_http_social_checks[] = {
    ngx_http_social_wrong_issuer,
    ngx_http_social_wrong_flow,
    ngx_http_social_wrong_algs,
    ngx_http_social_wrong_sign,
    ngx_http_social_wrong_client,
    ngx_http_social_wrong_notices,
    ngx_http_social_wrong_logout,
    ngx_http_social_wrong_userinfo,
    NULL
};


char *
ngx_http_social_provider_check(ngx_conf_t *cf,
    ngx_http_social_block_t *block)
{
    ngx_uint_t            i;
    const char           *text;
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    text = ngx_http_social_provider_missing(provider);

    if (text == NULL) {
        text = ngx_http_social_provider_unproven(block);
    }

    if (text != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"social_provider %V\" has no \"%s\"",
                           &provider->name, text);
        return NGX_CONF_ERROR;
    }

    if (block->key_source == NGX_HTTP_SOCIAL_KEYS_SECRET
        && provider->algs == 0)
    {
        provider->algs = NGX_SHOP_JWS_HS256;
    }

    for (i = 0; ngx_http_social_checks[i] != NULL; i++) {

        text = ngx_http_social_checks[i](block);

        if (text != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"social_provider %V\" %s", &provider->name,
                               text);
            return NGX_CONF_ERROR;
        }
    }

    provider->logout_tokens = !provider->oauth2
                              && provider->flow != NGX_SHOP_FLOW_WIDGET
                              && ngx_shop_notice_names(provider,
                                                      NGX_SHOP_NOTIFY_LOGOUT);

    return NGX_CONF_OK;
}


static const char *
ngx_http_social_provider_missing(ngx_shop_provider_t *provider)
{
    ngx_uint_t  docs, code, told;

    docs = ngx_http_social_provider_docs(provider);
    code = (provider->flow == NGX_SHOP_FLOW_CODE);

    /* the metadata may have what is not said, where they are fetched */

    told = ngx_http_social_provider_asks(provider)
           && (!provider->oauth2 || provider->discovery.len);

    if (provider->client_id.len == 0) {
        return "client_id";
    }

    if (!provider->oauth2 && provider->issuer.len == 0) {
        return "issuer";
    }

    if (code && !provider->oauth2 && provider->scope.len == 0) {
        return "scope";
    }

    if (provider->flow != NGX_SHOP_FLOW_NATIVE
        && !told && provider->authz.len == 0)
    {
        return "authz";
    }

    if (code && !told && provider->token.len == 0) {
        return "token";
    }

    if (provider->flow == NGX_SHOP_FLOW_NATIVE
        && provider->algs != NGX_SHOP_JWS_HS256
        && provider->jwks.len == 0)
    {
        return "jwks";
    }

    if (provider->client_auth == NGX_SHOP_AUTH_JWT) {

        if (provider->secret.team_id.len == 0) {
            return "team_id";
        }

        if (provider->secret.key_id.len == 0) {
            return "key_id";
        }

        if (provider->secret.key == NULL) {
            return "key_file";
        }
    }

    if (provider->sign == NGX_SHOP_SIGN_ALIPAY) {

        if (provider->secret.key == NULL) {
            return "key_file";
        }

        if (provider->verify_key == NULL) {
            return "verify_key_file";
        }
    }

    if (provider->sign == NGX_SHOP_SIGN_OK
        && provider->application_key.len == 0)
    {
        return "application_key";
    }

    if (provider->client_secret.len == 0
        && provider->client_auth != NGX_SHOP_AUTH_JWT
        && provider->client_auth != NGX_SHOP_AUTH_NONE)
    {
        return "client_secret_file";
    }

    if (provider->claims[NGX_SHOP_CLAIM_SUB] == NULL) {
        return "sub";
    }

    if (code && !told
        && provider->oauth2
        && provider->userinfo.len == 0
        && (docs & NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI)))
    {
        return "userinfo";
    }

    if (provider->userinfo2.len == 0
        && (docs & NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI2)))
    {
        return "userinfo2";
    }

    if (provider->tokeninfo.len && provider->ti_client == NULL) {
        return "ti_client";
    }

    if (provider->tokeninfo.len && provider->ti_sub == NULL) {
        return "ti_sub";
    }

    return NULL;
}


ngx_uint_t
ngx_http_social_provider_asks(ngx_shop_provider_t *provider)
{
    if (provider->flow != NGX_SHOP_FLOW_CODE) {
        return 0;
    }

    return provider->authz.len == 0
           || provider->token.len == 0
           || (!provider->oauth2
               && provider->jwks.len == 0
               && provider->algs != NGX_SHOP_JWS_HS256);
}


static ngx_uint_t
ngx_http_social_provider_docs(ngx_shop_provider_t *provider)
{
    ngx_uint_t  i, docs;

    docs = 0;

    for (i = 0; i < NGX_SHOP_CLAIMS; i++) {
        if (provider->claims[i] != NULL) {
            docs |= provider->claims[i]->docs;
        }
    }

    return docs;
}


/*
 * What proves the notices of a kind must be there.  A preset has all kinds
 * that its provider knows: those that the shop has not set up are none.
 */

static const char *
ngx_http_social_provider_unproven(ngx_http_social_block_t *block)
{
    ngx_uint_t            i, lacks;
    const char           *missing;
    ngx_shop_provider_t  *provider;

    struct {
        ngx_uint_t        kinds;
        ngx_uint_t        lacks;
        const char       *name;
    } proof[4];

    provider = block->provider;

    proof[0].kinds = NGX_SHOP_NOTIFY_META|NGX_SHOP_NOTIFY_TIKTOK
                     |NGX_SHOP_NOTIFY_NAVER;
    proof[0].lacks = (provider->client_secret.len == 0);
    proof[0].name = "client_secret_file";

    proof[1].kinds = NGX_SHOP_NOTIFY_KAKAO;
    proof[1].lacks = (provider->notify_secret.len == 0);
    proof[1].name = "notify_secret_file";

    proof[2].kinds = NGX_SHOP_NOTIFY_DISCORD;
    proof[2].lacks = (provider->notify_key == NULL);
    proof[2].name = "notify_key";

    proof[3].kinds = NGX_SHOP_NOTIFY_TOKENS;
    proof[3].lacks = (provider->jwks.len == 0
                      && (provider->oauth2
                          || provider->flow == NGX_SHOP_FLOW_WIDGET));
    proof[3].name = "jwks";

    missing = NULL;
    lacks = 0;

    for (i = 0; i < 4; i++) {
        if (proof[i].lacks && (provider->notify & proof[i].kinds)) {
            lacks |= proof[i].kinds;
            missing = proof[i].name;
        }
    }

    if (missing != NULL && block->notify == NGX_HTTP_SOCIAL_LAYER_BLOCK) {
        return missing;
    }

    provider->notify &= ~lacks;

    if ((provider->notify & NGX_SHOP_NOTIFY_TOKENS) && provider->algs == 0
        && provider->oauth2)
    {
        provider->algs = NGX_SHOP_JWS_RS256;
    }

    return NULL;
}


static const char *
ngx_http_social_wrong_issuer(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (!block->iss_template) {
        return NULL;
    }

    if (provider->oauth2 || provider->iss_alt != NULL) {
        return "has \"iss_rule template\", which is for \"kind oidc\" "
               "without \"iss_alt\"";
    }

    if (!ngx_shop_provider_is_tenant(&provider->tenant)) {
        return "needs a \"tenant\": common, organizations, consumers, "
               "or the id (a GUID) of one, since its name is not in "
               "tokens";
    }

    if (provider->discovery.len == 0) {
        return "has \"iss_rule template\", which needs \"discovery\"";
    }

    return NULL;
}


static const char *
ngx_http_social_wrong_flow(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (provider->flow != NGX_SHOP_FLOW_CODE && provider->oauth2) {
        return "has a \"flow\" that is for \"kind oidc\"";
    }

    if (provider->flow == NGX_SHOP_FLOW_WIDGET
        && !ngx_http_social_is_bot(provider))
    {
        return "needs in \"client_secret_file\" the token of the bot, which "
               "begins with its id, the \"client_id\", and a colon";
    }

    return NULL;
}


static ngx_uint_t
ngx_http_social_is_bot(ngx_shop_provider_t *provider)
{
    ngx_str_t  *id, *token;

    id = &provider->client_id;
    token = &provider->client_secret;

    return token->len > id->len + 1
           && ngx_strncmp(token->data, id->data, id->len) == 0
           && token->data[id->len] == ':';
}


static const char *
ngx_http_social_wrong_algs(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (block->key_source == NGX_HTTP_SOCIAL_KEYS_SECRET
        && provider->algs != NGX_SHOP_JWS_HS256)
    {
        return "has \"key_source client_secret\", which is for \"alg HS256\" "
               "alone";
    }

    if (block->key_source == NGX_HTTP_SOCIAL_KEYS_JWKS
        && (provider->algs & NGX_SHOP_JWS_HS256))
    {
        return "has \"alg HS256\", which \"key_source jwks\" is not for";
    }

    if (provider->client_secret.len == 0
        && ((provider->algs | provider->native_algs) & NGX_SHOP_JWS_HS256))
    {
        return "has \"alg HS256\", which needs a \"client_secret_file\"";
    }

    if (provider->algs == NGX_SHOP_JWS_HS256
        && (provider->native_algs & NGX_SHOP_JWS_ASYMMETRIC)
        && provider->jwks.len == 0)
    {
        return "has a \"native_alg\" whose keys are not known: \"jwks\" is "
               "missing";
    }

    return NULL;
}


/* what could not be signed, or would be signed by nobody */

static const char *
ngx_http_social_wrong_sign(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (provider->sign != NGX_SHOP_SIGN_ALIPAY && provider->verify_key != NULL)
    {
        return "has \"verify_key_file\", which is for \"sign alipay_rsa2\"";
    }

    if (provider->sign != NGX_SHOP_SIGN_OK && provider->application_key.len) {
        return "has \"application_key\", which is for \"sign ok_md5\"";
    }

    if (provider->sign == NGX_SHOP_SIGN_OK
        && provider->client_secret.len == 0)
    {
        return "has \"sign ok_md5\", which needs a \"client_secret_file\"";
    }

    if (provider->sign != NGX_SHOP_SIGN_ALIPAY) {
        return NULL;
    }

    if (!provider->oauth2
        || provider->client_auth != NGX_SHOP_AUTH_NONE
        || provider->client_secret.len)
    {
        return "has \"sign alipay_rsa2\", which is for \"kind oauth2\" and "
               "\"client_auth none\", without a \"client_secret_file\"";
    }

    /* a key of the application's own pair, as both are called public keys */

    if (ngx_shop_sign_same_key(provider->secret.key, provider->verify_key)) {
        return "has a \"verify_key_file\" that belongs to \"key_file\": it "
               "must be the provider's";
    }

    return NULL;
}


static const char *
ngx_http_social_wrong_client(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (provider->client_auth == NGX_SHOP_AUTH_JWT
        && provider->client_secret.len)
    {
        return "has \"client_auth jwt_es256\", which \"client_secret_file\" "
               "is not for";
    }

    if (provider->client_auth != NGX_SHOP_AUTH_JWT
        && (provider->secret.team_id.len || provider->secret.key_id.len
            || (provider->secret.key != NULL
                && provider->sign != NGX_SHOP_SIGN_ALIPAY)))
    {
        return "has \"team_id\", \"key_id\" or \"key_file\", which are for "
               "\"client_auth jwt_es256\"";
    }

    if (provider->client_secret.len == 0
        && provider->client_auth != NGX_SHOP_AUTH_JWT
        && provider->sign != NGX_SHOP_SIGN_ALIPAY
        && provider->pkce == NGX_SHOP_PKCE_OFF)
    {
        return "has neither a secret nor \"pkce\"";
    }

    return NULL;
}


static const char *
ngx_http_social_wrong_notices(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (provider->notify_secret.len
        && !(provider->notify & NGX_SHOP_NOTIFY_KAKAO))
    {
        return "has \"notify_secret_file\", which is for \"notify kakao\"";
    }

    if (provider->notify_key != NULL
        && !(provider->notify & NGX_SHOP_NOTIFY_DISCORD))
    {
        return "has \"notify_key\", which is for \"notify discord\"";
    }

    if (!ngx_http_social_is_told(provider)) {
        return "has a \"sub\" that its notices do not tell: it needs "
               "another one, or \"notify none\"";
    }

    return NULL;
}


/* 1: who a notice is about can be told, of each kind */

static ngx_uint_t
ngx_http_social_is_told(ngx_shop_provider_t *provider)
{
    ngx_uint_t  kind;

    for (kind = 1; kind < NGX_SHOP_NOTIFY_LOGOUT; kind <<= 1) {
        if ((provider->notify & kind)
            && !ngx_shop_notice_names(provider, kind))
        {
            return 0;
        }
    }

    return 1;
}


static const char *
ngx_http_social_wrong_logout(ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (provider->logout_on
        && provider->discovery.len == 0
        && (provider->oauth2 || provider->flow != NGX_SHOP_FLOW_CODE))
    {
        return "has \"logout on\", which needs \"discovery\": there are no "
               "other metadata to have the address from";
    }

    return NULL;
}


static const char *
ngx_http_social_wrong_userinfo(ngx_http_social_block_t *block)
{
    ngx_uint_t            i;
    ngx_shop_userinfo_t  *ui;
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    /* what else userinfo could tell a login does without */

    if (provider->flow == NGX_SHOP_FLOW_CODE
        && provider->userinfo.len == 0
        && !ngx_http_social_provider_asks(provider)
        && ngx_shop_identity_rests_on(provider, NGX_SHOP_DOC_UI))
    {
        return "has no \"userinfo\", where its \"sub\" looks: with \"authz\", "
               "\"token\" and \"jwks\" no metadata tell it";
    }

    if (provider->tokeninfo.len && !provider->oauth2) {
        return "has \"tokeninfo\", which is for \"kind oauth2\"";
    }

    if (provider->ui[NGX_SHOP_TOKENINFO].bearer == NGX_SHOP_BEARER_BODY) {
        return "has a body for \"tokeninfo\", which is asked by GET";
    }

    if (provider->ui_proof && provider->client_secret.len == 0) {
        return "has \"ui_proof\", which needs a \"client_secret_file\"";
    }

    for (i = 0; i < 2; i++) {
        ui = &provider->ui[i];

        if (!ui->post
            && (ui->body != NULL || ui->bearer == NGX_SHOP_BEARER_BODY))
        {
            return i ? "has a body for \"userinfo2\", which needs "
                       "\"ui2_method POST\""
                     : "has a body for \"userinfo\", which needs "
                       "\"ui_method POST\"";
        }
    }

    return NULL;
}
