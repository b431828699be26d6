
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_set.h"


/*
 * Fields of words, names and files.
 */


#define NGX_HTTP_SOCIAL_SECRET_MAX  4096
#define NGX_HTTP_SOCIAL_TEXT_MAX    2048


static char *ngx_http_social_bad_word(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conf_enum_t *words);


char *
ngx_http_social_set_gone(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "nobody can sign in with the preset \"%V\" of "
                       "\"social_provider %V\": %V", &block->provider->preset,
                       &block->provider->name, &value[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_social_set_text(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t   *value, *text;
    const char  *allowed;

    value = cf->args->elts;
    text = ngx_http_social_at(block, field);

    allowed = ngx_http_social_text_wrong(&value[1], field->more);

    if (allowed != NULL) {
        return ngx_http_social_bad_field(cf, &value[1], allowed);
    }

    *text = value[1];

    return NGX_CONF_OK;
}


/* NULL: it is right, else what is allowed */

const char *
ngx_http_social_text_wrong(ngx_str_t *text, ngx_uint_t kind)
{
    u_char      ch, c;
    size_t      i;
    ngx_uint_t  word;

    static const char  *also[] = {
        NULL, "_.-", ".-", ".-:", "#_.-=&"
    };

    static const char  *allowed[] = {
        "UTF-8, no control characters",
        "a name of [A-Za-z0-9_.-]",
        "[A-Za-z0-9.-]",
        "a host name, or one with a port",
        "\"#\" and [A-Za-z0-9_.=&-]"
    };

    if (text->len == 0 || text->len > NGX_HTTP_SOCIAL_TEXT_MAX) {
        return "1 to 2048 bytes";
    }

    if (kind == NGX_HTTP_SOCIAL_AS_TEXT) {
        return ngx_http_social_text_valid(text) ? NULL : allowed[0];
    }

    if (kind == NGX_HTTP_SOCIAL_AS_SUFFIX && text->data[0] != '#') {
        return allowed[kind];
    }

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];
        c = ch | 0x20;

        word = (c >= 'a' && c <= 'z') || (ch >= '0' && ch <= '9');

        if (!word
            && (ch == '\0' || ngx_strchr(also[kind], ch) == NULL))
        {
            return allowed[kind];
        }
    }

    return NULL;
}


/* for who reads the configuration; the login does not depend on it */

char *
ngx_http_social_set_note(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    return NGX_CONF_OK;
}


char *
ngx_http_social_set_secret(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t  *value, *secret;

    value = cf->args->elts;
    secret = ngx_http_social_at(block, field);

    if (ngx_shop_file_read(cf, &value[1], NGX_HTTP_SOCIAL_SECRET_MAX, 1,
                           secret)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (secret->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is empty",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_key(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_int_t           rc;
    ngx_str_t          *value, pem;
    const char         *kind;
    ngx_shop_secret_t  *secret;

    value = cf->args->elts;
    secret = ngx_http_social_at(block, field);

    if (ngx_shop_file_read(cf, &value[1], NGX_HTTP_SOCIAL_SECRET_MAX, 1, &pem)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (block->provider->sign == NGX_SHOP_SIGN_ALIPAY) {
        kind = "of RSA with 2048 to 8192 bits";
        secret->key = ngx_shop_sign_rsa_key(cf->pool, &pem, 0);
        rc = (secret->key != NULL) ? NGX_OK : NGX_ERROR;

    } else {
        kind = "on the curve P-256";
        rc = ngx_shop_secret_init(cf->pool, secret, &pem);
    }

    ngx_shop_zero(pem.data, pem.len);

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a private key in PEM %s, without "
                           "a password", &value[1], kind);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_verify_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field)
{
    EVP_PKEY   **key;
    ngx_str_t   *value, pem;

    value = cf->args->elts;
    key = ngx_http_social_at(block, field);

    if (ngx_shop_file_read(cf, &value[1], NGX_HTTP_SOCIAL_SECRET_MAX, 0, &pem)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    *key = ngx_shop_sign_rsa_key(cf->pool, &pem, 1);

    if (*key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a public key in PEM of RSA with "
                           "2048 to 8192 bits", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_scope(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value, *scope, *sep;
    ngx_uint_t   i, openid;

    value = cf->args->elts;
    scope = ngx_http_social_at(block, field);
    sep = &block->scope_sep;

    openid = 0;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        len += value[i].len + sep->len;

        if (!ngx_http_social_text_valid(&value[i])
            || ngx_strlchr(value[i].data, value[i].data + value[i].len, '"')
               != NULL)
        {
            return ngx_http_social_bad_field(cf, &value[i],
                                             "scope names (RFC 6749)");
        }

        openid |= ngx_shop_text_is(&value[i], "openid");
    }

    if (!openid && !block->provider->oauth2) {
        return ngx_http_social_bad_field(cf, &value[1],
                                         "a list that has \"openid\"");
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    scope->data = p;

    for (i = 1; i < cf->args->nelts; i++) {

        if (i > 1) {
            p = ngx_cpymem(p, sep->data, sep->len);
        }

        p = ngx_cpymem(p, value[i].data, value[i].len);
    }

    scope->len = p - scope->data;

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_alg(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t   *value;
    ngx_uint_t   i, alg, *algs;

    value = cf->args->elts;
    algs = ngx_http_social_at(block, field);

    *algs = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        alg = ngx_shop_jws_alg(&value[i]);

        if (alg == 0) {
            return ngx_http_social_bad_field(cf, &value[i],
                                             "RS256, RS384, RS512, PS256, "
                                             "PS384, PS512, ES256, ES384, "
                                             "ES512, EdDSA, HS256");
        }

        *algs |= alg;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_enum(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t        *value, tail, *more;
    ngx_uint_t       *np;
    const char       *allowed;
    ngx_conf_enum_t  *e;

    value = cf->args->elts;
    np = ngx_http_social_at(block, field);

    for (e = field->words; e->name.len; e++) {

        if (value[1].len < e->name.len
            || ngx_strncmp(e->name.data, value[1].data, e->name.len) != 0)
        {
            continue;
        }

        tail.data = value[1].data + e->name.len;
        tail.len = value[1].len - e->name.len;

        if (e->name.data[e->name.len - 1] == ':') {

            allowed = ngx_http_social_text_wrong(&tail,
                                                 NGX_HTTP_SOCIAL_AS_NAME);
            if (allowed != NULL) {
                return ngx_http_social_bad_field(cf, &value[1], allowed);
            }

            more = (ngx_str_t *) ((u_char *) block->provider + field->more);
            *more = tail;

        } else if (tail.len) {
            continue;
        }

        *np = e->value;

        return NGX_CONF_OK;
    }

    return ngx_http_social_bad_word(cf, &value[1], field->words);
}


char *
ngx_http_social_set_notify(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t        *value;
    ngx_uint_t        i, *kinds;
    ngx_conf_enum_t  *e;

    value = cf->args->elts;
    kinds = ngx_http_social_at(block, field);

    *kinds = 0;

    for (i = 1; i < cf->args->nelts; i++) {

        for (e = field->words; e->name.len; e++) {
            if (e->name.len == value[i].len
                && ngx_strncmp(e->name.data, value[i].data, value[i].len)
                   == 0)
            {
                break;
            }
        }

        if (e->name.len == 0) {
            return ngx_http_social_bad_word(cf, &value[i], field->words);
        }

        if ((e->value == 0 && cf->args->nelts > 2) || (*kinds & e->value)) {
            return ngx_http_social_bad_field(cf, &value[i],
                                             "\"none\" alone, or each kind "
                                             "once");
        }

        *kinds |= e->value;
    }

    block->notify = block->layer;

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_notify_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field)
{
    u_char       raw[NGX_SHOP_SIGN_ED25519_KEY];
    EVP_PKEY   **key;
    ngx_str_t   *value;

    value = cf->args->elts;
    key = ngx_http_social_at(block, field);

    if (ngx_shop_unhex(&value[1], raw, NGX_SHOP_SIGN_ED25519_KEY) == NGX_OK) {
        *key = ngx_shop_sign_ed25519_key(cf->pool, raw);
    }

    if (*key == NULL) {
        return ngx_http_social_bad_field(cf, &value[1],
                                         "a public key of Ed25519, 64 hex "
                                         "digits");
    }

    return NGX_CONF_OK;
}


char *
ngx_http_social_set_email_trust(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field)
{
    u_char       *p, *last;
    ngx_str_t    *value, *domain;
    const char   *allowed;
    ngx_array_t  *domains;

    value = cf->args->elts;

    if (value[1].len < 7 || ngx_strncmp(value[1].data, "domain:", 7) != 0) {
        return ngx_http_social_set_enum(cf, block, field);
    }

    domains = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (domains == NULL) {
        return NGX_CONF_ERROR;
    }

    p = value[1].data + 7;
    last = value[1].data + value[1].len;

    for ( ;; ) {
        domain = ngx_array_push(domains);
        if (domain == NULL) {
            return NGX_CONF_ERROR;
        }

        domain->data = p;

        while (p != last && *p != ',') {
            p++;
        }

        domain->len = p - domain->data;

        allowed = ngx_http_social_text_wrong(domain, NGX_HTTP_SOCIAL_AS_HOST);

        if (allowed != NULL) {
            return ngx_http_social_bad_field(cf, &value[1],
                                             "\"domain:\" and host names with "
                                             "commas between");
        }

        if (p++ == last) {
            break;
        }
    }

    block->provider->email_domains = domains;
    block->provider->email_trust = NGX_SHOP_EMAIL_DOMAIN;

    return NGX_CONF_OK;
}


/* the chooser is JSON as well, which could not hold other bytes */

ngx_uint_t
ngx_http_social_text_valid(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] == 0x7f) {
            return 0;
        }
    }

    return ngx_shop_utf8_valid(text);
}


char *
ngx_http_social_bad_field(ngx_conf_t *cf, ngx_str_t *value,
    const char *allowed)
{
    ngx_str_t  *name;

    name = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\", allowed: %s",
                       value, name, allowed);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_social_bad_word(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conf_enum_t *words)
{
    u_char           *p, text[256];
    ngx_conf_enum_t  *e;

    p = text;

    for (e = words; e->name.len; e++) {
        p = ngx_slprintf(p, text + sizeof(text) - 1, "%s\"%V%s\"",
                         e == words ? "" : ", ", &e->name,
                         e->name.data[e->name.len - 1] == ':' ? "NAME" : "");
    }

    *p = '\0';

    return ngx_http_social_bad_field(cf, value, (char *) text);
}
