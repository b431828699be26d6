
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_module.h"


#define NGX_HTTP_SOCIAL_SECRET_MAX     4096
#define NGX_HTTP_SOCIAL_PROVIDERS_MAX  100


/* a field of a "social_provider" block */

typedef struct ngx_http_social_field_s  ngx_http_social_field_t;

struct ngx_http_social_field_s {
    ngx_str_t                  name;
    ngx_uint_t                 args;        /* 1: one value, 2: one or more */

    char                    *(*set)(ngx_conf_t *cf,
                                  ngx_shop_provider_t *provider,
                                  ngx_http_social_field_t *field);

    ngx_uint_t                 offset;      /* of an ngx_str_t, or of an
                                               ngx_uint_t with words */
    ngx_conf_enum_t           *words;
    const char                *allowed;
};


static char *ngx_http_social_provider_field(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_social_provider_finish(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp);
static char *ngx_http_social_set_text(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static char *ngx_http_social_set_url(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static char *ngx_http_social_set_secret(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static char *ngx_http_social_set_scope(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static char *ngx_http_social_set_alg(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static char *ngx_http_social_set_enum(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static char *ngx_http_social_set_extra(ngx_conf_t *cf,
    ngx_shop_provider_t *provider, ngx_http_social_field_t *field);
static ngx_uint_t ngx_http_social_text_valid(ngx_str_t *text);
static char *ngx_http_social_bad_field(ngx_conf_t *cf, const char *allowed);
static char *ngx_http_social_can_resolve(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp, ngx_str_t *text, ngx_shop_url_t *url);


#define ngx_http_social_offset(field)  offsetof(ngx_shop_provider_t, field)


static ngx_conf_enum_t  ngx_http_social_client_auth[] = {
    { ngx_string("basic"), NGX_SHOP_AUTH_BASIC },
    { ngx_string("post"), NGX_SHOP_AUTH_POST },
    { ngx_string("none"), NGX_SHOP_AUTH_NONE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_pkce[] = {
    { ngx_string("s256"), 1 },
    { ngx_string("off"), 0 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_nonce[] = {
    { ngx_string("strict"), NGX_SHOP_NONCE_STRICT },
    { ngx_string("if_present"), NGX_SHOP_NONCE_IF_PRESENT },
    { ngx_string("off"), NGX_SHOP_NONCE_OFF },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_resp_mode[] = {
    { ngx_string("query"), 0 },
    { ngx_string("form_post"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_email_trust[] = {
    { ngx_string("never"), 0 },
    { ngx_string("claim"), 1 },
    { ngx_null_string, 0 }
};


static ngx_http_social_field_t  ngx_http_social_fields[] = {

    { ngx_string("preset"), 1, ngx_http_social_set_text,
      ngx_http_social_offset(preset), NULL, NULL },

    { ngx_string("label"), 1, ngx_http_social_set_text,
      ngx_http_social_offset(label), NULL, NULL },

    { ngx_string("client_id"), 1, ngx_http_social_set_text,
      ngx_http_social_offset(client_id), NULL, NULL },

    { ngx_string("client_secret_file"), 1, ngx_http_social_set_secret,
      0, NULL, NULL },

    { ngx_string("issuer"), 1, ngx_http_social_set_url,
      ngx_http_social_offset(issuer), NULL, NULL },

    { ngx_string("discovery"), 1, ngx_http_social_set_url,
      ngx_http_social_offset(discovery), NULL, NULL },

    { ngx_string("authz"), 1, ngx_http_social_set_url,
      ngx_http_social_offset(authz), NULL, NULL },

    { ngx_string("token"), 1, ngx_http_social_set_url,
      ngx_http_social_offset(token), NULL, NULL },

    { ngx_string("userinfo"), 1, ngx_http_social_set_url,
      ngx_http_social_offset(userinfo), NULL, NULL },

    { ngx_string("jwks"), 1, ngx_http_social_set_url,
      ngx_http_social_offset(jwks), NULL, NULL },

    { ngx_string("scope"), 2, ngx_http_social_set_scope, 0, NULL, NULL },

    { ngx_string("alg"), 2, ngx_http_social_set_alg, 0, NULL, NULL },

    { ngx_string("authz_extra"), 2, ngx_http_social_set_extra, 0, NULL, NULL },

    { ngx_string("client_auth"), 1, ngx_http_social_set_enum,
      ngx_http_social_offset(client_auth), ngx_http_social_client_auth,
      "\"basic\", \"post\", \"none\"" },

    { ngx_string("pkce"), 1, ngx_http_social_set_enum,
      ngx_http_social_offset(pkce), ngx_http_social_pkce,
      "\"s256\" and \"off\"" },

    { ngx_string("nonce"), 1, ngx_http_social_set_enum,
      ngx_http_social_offset(nonce), ngx_http_social_nonce,
      "\"strict\", \"if_present\" and \"off\"" },

    { ngx_string("resp_mode"), 1, ngx_http_social_set_enum,
      ngx_http_social_offset(form_post), ngx_http_social_resp_mode,
      "\"query\" and \"form_post\"" },

    { ngx_string("email_trust"), 1, ngx_http_social_set_enum,
      ngx_http_social_offset(email_trusted), ngx_http_social_email_trust,
      "\"claim\" and \"never\"" },

    { ngx_null_string, 0, NULL, 0, NULL, NULL }
};


char *
ngx_http_social_provider(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_social_main_conf_t *smcf = conf;

    char                         *rv;
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_conf_t                    save;
    ngx_http_social_provider_t  **spp, *sp;

    value = cf->args->elts;

    if (!ngx_shop_name_valid(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid provider name \"%V\", 1 to 40 of "
                           "[A-Za-z0-9_-] are allowed", &value[1]);
        return NGX_CONF_ERROR;
    }

    spp = smcf->providers.elts;

    for (i = 0; i < smcf->providers.nelts; i++) {
        if (spp[i]->conf.name.len == value[1].len
            && ngx_strncmp(spp[i]->conf.name.data, value[1].data,
                           value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a second provider \"%V\", the first is in "
                               "%s:%ui", &value[1], spp[i]->file,
                               spp[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    if (smcf->providers.nelts == NGX_HTTP_SOCIAL_PROVIDERS_MAX) {
        return "is given for more than 100 providers";
    }

    sp = ngx_pcalloc(cf->pool, sizeof(ngx_http_social_provider_t));
    if (sp == NULL) {
        return NGX_CONF_ERROR;
    }

    sp->conf.name = value[1];
    sp->file = cf->conf_file->file.name.data;
    sp->line = cf->conf_file->line;

    sp->conf.pkce = 1;
    sp->conf.email_trusted = 1;
    ngx_str_set(&sp->conf.scope, "openid email profile");

    save = *cf;
    cf->handler = ngx_http_social_provider_field;
    cf->handler_conf = (void *) sp;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    spp = ngx_array_push(&smcf->providers);
    if (spp == NULL) {
        return NGX_CONF_ERROR;
    }

    *spp = sp;

    return ngx_http_social_provider_finish(cf, sp);
}


static char *
ngx_http_social_provider_field(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_social_provider_t *sp = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_http_social_field_t  *field;

    value = cf->args->elts;

    for (field = ngx_http_social_fields; field->name.len; field++) {

        if (field->name.len != value[0].len
            || ngx_strncmp(field->name.data, value[0].data, value[0].len)
               != 0)
        {
            continue;
        }

        if (cf->args->nelts < 2
            || (field->args == 1 && cf->args->nelts != 2))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of values of \"%V\" in "
                               "\"social_provider %V\"", &value[0],
                               &sp->conf.name);
            return NGX_CONF_ERROR;
        }

        rv = field->set(cf, &sp->conf, field);

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", &value[0],
                               rv);
            return NGX_CONF_ERROR;
        }

        return rv;
    }

    if (value[0].len == sizeof("client_secret") - 1
        && ngx_strncmp(value[0].data, "client_secret", value[0].len) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"client_secret\" in \"social_provider %V\": a "
                           "secret is read from \"client_secret_file\" only",
                           &sp->conf.name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown field \"%V\" in \"social_provider %V\", "
                       "allowed: preset, label, client_id, "
                       "client_secret_file, issuer, discovery, authz, token, "
                       "userinfo, jwks, scope, alg, client_auth, pkce, nonce, "
                       "resp_mode, email_trust, authz_extra", &value[0],
                       &sp->conf.name);

    return NGX_CONF_ERROR;
}


/* what can be said while file and line are known; the rest is wired later */

static char *
ngx_http_social_provider_finish(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp)
{
    const char           *missing;
    ngx_shop_provider_t  *provider;

    provider = &sp->conf;

    if (provider->preset.len == 0) {
        provider->preset = provider->name;
    }

    if (provider->preset.len != 4
        || ngx_strncmp(provider->preset.data, "oidc", 4) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown preset \"%V\" of \"social_provider %V\", "
                           "allowed: \"preset oidc\" with an \"issuer\"",
                           &provider->preset, &provider->name);
        return NGX_CONF_ERROR;
    }

    if (provider->label.len == 0) {
        provider->label = provider->name;
    }

    missing = NULL;

    if (provider->client_id.len == 0) {
        missing = "client_id";

    } else if (provider->issuer.len == 0) {
        missing = "issuer";

    } else if (provider->client_secret.len == 0
               && provider->client_auth != NGX_SHOP_AUTH_NONE)
    {
        missing = "client_secret_file";
    }

    if (missing != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"social_provider %V\" has no \"%s\"",
                           &provider->name, missing);
        return NGX_CONF_ERROR;
    }

    if (provider->client_secret.len == 0
        && (provider->algs & NGX_SHOP_JWS_HS256))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"alg HS256\" of \"social_provider %V\" needs a "
                           "\"client_secret_file\"", &provider->name);
        return NGX_CONF_ERROR;
    }

    if (provider->client_secret.len == 0 && !provider->pkce) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"social_provider %V\" has neither a secret nor "
                           "\"pkce\"", &provider->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_text(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    ngx_str_t  *value, *text;

    value = cf->args->elts;
    text = (ngx_str_t *) ((u_char *) provider + field->offset);

    if (text->len) {
        return "is duplicate";
    }

    if (value[1].len == 0 || value[1].len > 2048) {
        return ngx_http_social_bad_field(cf, "1 to 2048 bytes");
    }

    if (!ngx_http_social_text_valid(&value[1])) {
        return ngx_http_social_bad_field(cf, "UTF-8, no control characters");
    }

    *text = value[1];

    return NGX_CONF_OK;
}


/* the chooser is JSON as well, which could not hold other bytes */

static ngx_uint_t
ngx_http_social_text_valid(ngx_str_t *text)
{
    u_char    *p, *last;
    uint32_t   ch;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        /* the decoder is for bytes from 0x80 on only */

        ch = (*p < 0x80) ? *p++ : ngx_utf8_decode(&p, last - p);

        if (ch < 0x20 || ch == 0x7f || ch > 0x10ffff
            || (ch >= 0xd800 && ch <= 0xdfff))
        {
            return 0;
        }
    }

    return 1;
}


static char *
ngx_http_social_set_url(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    ngx_str_t       *value;
    const char      *err;
    ngx_shop_url_t   url;

    value = cf->args->elts;

    if (ngx_shop_url_parse(cf->pool, &value[1], &url, &err) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" \"%V\" in \"social_provider %V\": "
                           "%s, an https address is allowed", &value[0],
                           &value[1], &provider->name, err);
        return NGX_CONF_ERROR;
    }

    if (!url.secure && !url.loopback) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" \"%V\" in \"social_provider %V\": http is "
                           "allowed for 127.0.0.0/8, [::1] and localhost "
                           "only", &value[0], &value[1], &provider->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_social_set_text(cf, provider, field);
}


static char *
ngx_http_social_set_secret(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (provider->client_secret.len) {
        return "is duplicate";
    }

    if (ngx_shop_file_read(cf, &value[1], NGX_HTTP_SOCIAL_SECRET_MAX, 1,
                           &provider->client_secret)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (provider->client_secret.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is empty",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_scope(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i, openid;

    value = cf->args->elts;
    openid = 0;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        len += value[i].len + 1;

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '"')
            != NULL)
        {
            return ngx_http_social_bad_field(cf, "scope names (RFC 6749)");
        }
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    provider->scope.data = p;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 6
            && ngx_strncmp(value[i].data, "openid", 6) == 0)
        {
            openid = 1;
        }

        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    provider->scope.len = p - provider->scope.data - 1;

    if (!openid) {
        return ngx_http_social_bad_field(cf, "a list that has \"openid\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_alg(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    ngx_str_t   *value;
    ngx_uint_t   i, alg;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        alg = ngx_shop_jws_alg(&value[i]);

        if (alg == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"alg\" \"%V\", allowed: RS256, "
                               "RS384, RS512, PS256, PS384, PS512, ES256, "
                               "ES384, ES512, EdDSA, HS256", &value[i]);
            return NGX_CONF_ERROR;
        }

        provider->algs |= alg;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_enum(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    ngx_str_t        *value;
    ngx_uint_t       *np;
    ngx_conf_enum_t  *e;

    value = cf->args->elts;
    np = (ngx_uint_t *) ((u_char *) provider + field->offset);

    for (e = field->words; e->name.len; e++) {
        if (e->name.len == value[1].len
            && ngx_strncmp(e->name.data, value[1].data, value[1].len) == 0)
        {
            *np = e->value;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_social_bad_field(cf, field->allowed);
}


/* what the protocol needs is ours to say, not the shop's */

static char *
ngx_http_social_set_extra(ngx_conf_t *cf, ngx_shop_provider_t *provider,
    ngx_http_social_field_t *field)
{
    u_char        *eq;
    ngx_str_t     *value;
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    value = cf->args->elts;

    if (provider->authz_extra.elts == NULL
        && ngx_array_init(&provider->authz_extra, cf->pool, 4,
                          sizeof(ngx_keyval_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        eq = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');

        if (eq == NULL || eq == value[i].data) {
            return ngx_http_social_bad_field(cf, "NAME=VALUE");
        }

        kv = ngx_array_push(&provider->authz_extra);
        if (kv == NULL) {
            return NGX_CONF_ERROR;
        }

        kv->key.data = value[i].data;
        kv->key.len = eq - value[i].data;
        kv->value.data = eq + 1;
        kv->value.len = value[i].data + value[i].len - kv->value.data;

        if (ngx_shop_authreq_reserved(&kv->key)) {
            return ngx_http_social_bad_field(cf, "parameters that the login "
                                                 "does not set itself");
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_bad_field(ngx_conf_t *cf, const char *allowed)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\", allowed: %s",
                       &value[1], &value[0], allowed);

    return NGX_CONF_ERROR;
}


char *
ngx_http_social_provider_wire(ngx_conf_t *cf,
    ngx_http_social_main_conf_t *smcf, ngx_http_social_provider_t *sp)
{
    ngx_str_t                   text;
    ngx_uint_t                  i;
    ngx_shop_url_t              url;
    ngx_shop_provider_t        *conf;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_shop_main_conf_t  *shop;

    ngx_str_t                  *endpoint[3];

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    shop = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    conf = &sp->conf;

    sp->zone = shop->zone;

    ngx_http_social_provider_init(sp, &cf->cycle->new_log);

    ngx_shop_net_init(&sp->net);

    sp->net.ssl = smcf->ssl;
    sp->net.resolver = clcf->resolver;
    sp->net.resolver_timeout =
                     (clcf->resolver_timeout == NGX_CONF_UNSET_MSEC)
                     ? 30000 : clcf->resolver_timeout;

    /* the browser alone goes to "authz" */

    endpoint[0] = &conf->token;
    endpoint[1] = &conf->userinfo;
    endpoint[2] = &conf->jwks;

    for (i = 0; i < 3; i++) {
        if (endpoint[i]->len
            && ngx_http_social_can_resolve(cf, sp, endpoint[i], &url)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->authz.len && conf->token.len
        && (conf->jwks.len || conf->algs == NGX_SHOP_JWS_HS256))
    {
        return NGX_CONF_OK;
    }

    if (ngx_shop_provider_discovery_url(cf->pool, conf, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_social_can_resolve(cf, sp, &text, &sp->discovery);
}


/* the URL of something that will be fetched, and whether it can be */

static char *
ngx_http_social_can_resolve(ngx_conf_t *cf, ngx_http_social_provider_t *sp,
    ngx_str_t *text, ngx_shop_url_t *url)
{
    const char            *err;
    ngx_shop_peer_conf_t   peer;

    if (ngx_shop_url_parse(cf->pool, text, url, &err) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "invalid address \"%V\" of \"social_provider %V\" in "
                      "%s:%ui: %s", text, &sp->conf.name, sp->file, sp->line,
                      err);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&peer, sizeof(ngx_shop_peer_conf_t));

    peer.host = url->host;
    peer.port = url->port;

    if (ngx_shop_peer_needs_resolver(&peer) == NGX_DECLINED
        && (sp->net.resolver == NULL
            || sp->net.resolver->connections.nelts == 0))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"social_provider %V\" in %s:%ui has the host name "
                      "\"%V\", but there is no \"resolver\" in \"http\"",
                      &sp->conf.name, sp->file, sp->line, &url->host);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
