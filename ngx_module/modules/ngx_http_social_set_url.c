
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_set.h"


/*
 * Fields of addresses, and what stands for a part of one: "{host}" is what
 * the field "host" says.
 */


static char *ngx_http_social_address(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_str_t *name, ngx_str_t *text);
static ngx_uint_t ngx_http_social_can_fill(ngx_http_social_block_t *block,
    ngx_str_t *text);
static char *ngx_http_social_fill(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_str_t *text);
static u_char *ngx_http_social_next_param(ngx_http_social_block_t *block,
    u_char *p, u_char *last, ngx_str_t *name, ngx_str_t **value);
static ngx_str_t *ngx_http_social_param(ngx_http_social_block_t *block,
    ngx_str_t *name);


static struct {
    ngx_str_t   name;
    ngx_uint_t  offset;
} ngx_http_social_url_params[] = {
    { ngx_string("host"), offsetof(ngx_http_social_block_t, host) },
    { ngx_string("tenant"), offsetof(ngx_http_social_block_t, tenant) },
    { ngx_string("shop"), offsetof(ngx_http_social_block_t, shop) },
    { ngx_string("region"), offsetof(ngx_http_social_block_t, region) },
    { ngx_string("tid"), offsetof(ngx_http_social_block_t, tid) },
    { ngx_null_string, 0 }
};


/* the last one whose placeholders have values, else the first */

char *
ngx_http_social_set_url(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t   *value, *text;
    ngx_uint_t   i;

    value = cf->args->elts;
    text = ngx_http_social_at(block, field);

    for (i = cf->args->nelts - 1; i > 1; i--) {
        if (ngx_http_social_can_fill(block, &value[i])) {
            break;
        }
    }

    *text = value[i];

    return ngx_http_social_address(cf, block, &value[0], text);
}


/* "on": the address in the metadata */

char *
ngx_http_social_set_logout(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t  *value, *text;

    value = cf->args->elts;
    text = ngx_http_social_at(block, field);

    ngx_str_null(text);

    block->provider->logout_on = ngx_shop_text_is(&value[1], "on");

    if (block->provider->logout_on || ngx_shop_text_is(&value[1], "off")) {
        return (cf->args->nelts == 2) ? NGX_CONF_OK
               : ngx_http_social_bad_field(cf, &value[2],
                                           "\"on\" and \"off\" alone");
    }

    if (ngx_strnstr(value[1].data, "://", value[1].len) == NULL) {
        return ngx_http_social_bad_field(cf, &value[1],
                                         "\"on\", \"off\" and an address");
    }

    return ngx_http_social_set_url(cf, block, field);
}


/* of a template, "{tid}" stays; it is a good address with a tenant in it */

char *
ngx_http_social_set_issuer(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    char       *rv;
    u_char     *tid;
    ngx_str_t  *value, *issuer, filled;

    if (!block->iss_template) {
        return ngx_http_social_set_url(cf, block, field);
    }

    value = cf->args->elts;
    issuer = ngx_http_social_at(block, field);

    if (cf->args->nelts != 2) {
        return ngx_http_social_bad_field(cf, &value[2],
                                         "one address with {tid}");
    }

    *issuer = value[1];
    filled = value[1];

    ngx_str_set(&block->tid, "{tid}");

    rv = ngx_http_social_fill(cf, block, issuer);

    if (rv == NGX_CONF_OK) {
        ngx_str_set(&block->tid, "0");
        rv = ngx_http_social_address(cf, block, &value[0], &filled);
    }

    ngx_str_null(&block->tid);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    tid = ngx_strlchr(issuer->data, issuer->data + issuer->len, '{');

    if (tid == NULL
        || ngx_strlchr(tid + 1, issuer->data + issuer->len, '{') != NULL)
    {
        return ngx_http_social_bad_field(cf, &value[1],
                                         "an address with one {tid}");
    }

    return NGX_CONF_OK;
}


/* these are compared only; Google leaves the scheme out in some issuers */

char *
ngx_http_social_set_texts(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t     *value, *text;
    ngx_uint_t     i;
    const char    *allowed;
    ngx_array_t  **list;

    value = cf->args->elts;
    list = ngx_http_social_at(block, field);

    *list = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    if (*list == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        text = ngx_array_push(*list);
        *text = value[i];

        if (ngx_http_social_fill(cf, block, text) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        allowed = ngx_http_social_text_wrong(text, NGX_HTTP_SOCIAL_AS_TEXT);

        if (allowed != NULL) {
            return ngx_http_social_bad_field(cf, text, allowed);
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_address(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_str_t *name, ngx_str_t *text)
{
    const char      *err;
    ngx_shop_url_t   url;

    if (ngx_http_social_fill(cf, block, text) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_url_parse(cf->pool, text, &url, &err) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" \"%V\" in \"social_provider %V\": "
                           "%s, an https address is allowed", name, text,
                           &block->provider->name, err);
        return NGX_CONF_ERROR;
    }

    if (!url.secure && !url.loopback) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" \"%V\" in \"social_provider %V\": http is "
                           "allowed for 127.0.0.0/8, [::1] and localhost "
                           "only", name, text, &block->provider->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* 0: the block, and the preset, leave out what stands in braces */

static ngx_uint_t
ngx_http_social_can_fill(ngx_http_social_block_t *block, ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_str_t   name, *value;

    p = text->data;
    last = text->data + text->len;

    while ((p = ngx_http_social_next_param(block, p, last, &name, &value))
           != last)
    {
        if (value != NULL && value->len == 0) {
            return 0;
        }

        p++;
    }

    return 1;
}


/* "{host}" becomes what the field "host" says */

static char *
ngx_http_social_fill(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_str_t *text)
{
    u_char      *p, *brace, *dst, *last;
    size_t       len;
    ngx_str_t    name, *value;
    ngx_uint_t   n;

    p = text->data;
    last = text->data + text->len;
    len = text->len;
    n = 0;

    while ((p = ngx_http_social_next_param(block, p, last, &name, &value))
           != last)
    {
        if (value == NULL) {
            return ngx_http_social_bad_field(cf, text,
                       "{host}, {tenant}, {shop} and {region} in braces");
        }

        if (value->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"social_provider %V\" has no \"%V\", which "
                               "is a part of \"%V\"",
                               &block->provider->name, &name, text);
            return NGX_CONF_ERROR;
        }

        len += value->len;
        n++;
        p++;
    }

    if (n == 0) {
        return NGX_CONF_OK;
    }

    dst = ngx_pnalloc(cf->pool, len);
    if (dst == NULL) {
        return NGX_CONF_ERROR;
    }

    p = text->data;
    text->data = dst;

    for ( ;; ) {

        brace = ngx_http_social_next_param(block, p, last, &name, &value);
        dst = ngx_cpymem(dst, p, brace - p);

        if (brace == last) {
            break;
        }

        dst = ngx_cpymem(dst, value->data, value->len);
        p = name.data + name.len + 1;
    }

    text->len = dst - text->data;

    return NGX_CONF_OK;
}


/* the next brace that opens, or "last"; what is in it, nothing if none closes,
 * and the value of that field, NULL if there is no such field */

static u_char *
ngx_http_social_next_param(ngx_http_social_block_t *block, u_char *p,
    u_char *last, ngx_str_t *name, ngx_str_t **value)
{
    u_char  *end;

    p = ngx_strlchr(p, last, '{');
    if (p == NULL) {
        return last;
    }

    end = ngx_strlchr(p, last, '}');

    name->data = p + 1;
    name->len = end ? (size_t) (end - name->data) : 0;

    *value = ngx_http_social_param(block, name);

    return p;
}


/* "tid" is there for templates only */

static ngx_str_t *
ngx_http_social_param(ngx_http_social_block_t *block, ngx_str_t *name)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    for (i = 0; ngx_http_social_url_params[i].name.len; i++) {

        if (!ngx_shop_equal(&ngx_http_social_url_params[i].name, name)) {
            continue;
        }

        value = (ngx_str_t *) ((u_char *) block
                               + ngx_http_social_url_params[i].offset);

        return (value == &block->tid && value->len == 0) ? NULL : value;
    }

    return NULL;
}
