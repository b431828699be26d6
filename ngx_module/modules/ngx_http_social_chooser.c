
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_module.h"


/*
 * The page where a customer picks a provider, or a list of them for shops
 * that draw their own.  They come in the order of the shop's configuration,
 * but that of this browser's last login is the first: a cookie, which says
 * nothing else, has its name.  It may say what it likes, so it is compared
 * and never shown.
 */


#define NGX_HTTP_SOCIAL_ITEM                                                  \
    "<li><a href=\"%V\" data-provider=\"%V\" data-preset=\"%V\">%*s%V%s%V"    \
    "</a></li>\n"


static ngx_http_social_provider_t **ngx_http_social_chooser_order(
    ngx_http_request_t *r, ngx_uint_t *n, ngx_uint_t *used);
static ngx_int_t ngx_http_social_chooser_page(ngx_http_request_t *r,
    ngx_str_t *path);
static ngx_int_t ngx_http_social_chooser_item(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_shop_texts_t *texts, ngx_str_t *path,
    ngx_uint_t used, ngx_str_t *item);
static ngx_int_t ngx_http_social_chooser_json(ngx_http_request_t *r,
    ngx_str_t *path);
static ngx_int_t ngx_http_social_provider_url(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *path, ngx_str_t *url);


ngx_int_t
ngx_http_social_chooser(ngx_http_request_t *r, ngx_http_social_provider_t *sp)
{
    ngx_str_t  path;

    if (ngx_http_social_return_arg(r, &r->args, &path) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_shop_accepts(r, "application/json")
        && !ngx_shop_accepts(r, "text/html"))
    {
        return ngx_http_social_chooser_json(r, &path);
    }

    return ngx_http_social_chooser_page(r, &path);
}


/* those that a link can lead to; with "*used" the first is what this browser
 * used last */

static ngx_http_social_provider_t **
ngx_http_social_chooser_order(ngx_http_request_t *r, ngx_uint_t *n,
    ngx_uint_t *used)
{
    ngx_str_t                    *name;
    ngx_uint_t                    i;
    ngx_shop_cookie_t            *cookie;
    ngx_http_shop_ctx_t          *ctx;
    ngx_http_shop_srv_conf_t     *sscf;
    ngx_http_social_provider_t  **order, **spp, *first;
    ngx_http_social_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_social_module);
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);
    ctx = ngx_http_shop_get_ctx(r);

    spp = smcf->providers.elts;
    *n = 0;
    *used = 0;

    name = NULL;

    if (ctx != NULL) {

        cookie = ctx->cookies.elts;

        for (i = 0; i < ctx->cookies.nelts; i++) {
            if (ngx_shop_equal(&cookie[i].name, &sscf->last_used)) {
                name = &cookie[i].value;
            }
        }
    }

    order = ngx_palloc(r->pool, smcf->providers.nelts
                                * sizeof(ngx_http_social_provider_t *));
    if (order == NULL) {
        return NULL;
    }

    for (i = 0; i < smcf->providers.nelts; i++) {
        if (spp[i]->conf.flow != NGX_SHOP_FLOW_NATIVE) {
            order[(*n)++] = spp[i];
        }
    }

    for (i = 0; name != NULL && i < *n; i++) {

        if (ngx_shop_equal(&order[i]->conf.name, name)) {
            first = order[i];
            ngx_memmove(&order[1], &order[0],
                        i * sizeof(ngx_http_social_provider_t *));
            order[0] = first;
            *used = 1;
            break;
        }
    }

    return order;
}


static ngx_int_t
ngx_http_social_chooser_page(ngx_http_request_t *r, ngx_str_t *path)
{
    u_char                        *p;
    size_t                         len;
    ngx_str_t                      body, *item, *text;
    ngx_uint_t                     i, n, used;
    ngx_shop_texts_t              *texts;
    ngx_http_social_provider_t   **spp;
    ngx_http_social_srv_conf_t    *sscf;

    spp = ngx_http_social_chooser_order(r, &n, &used);
    if (spp == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    texts = ngx_shop_texts(r);
    text = texts->text;

    item = ngx_palloc(r->pool, n * sizeof(ngx_str_t));
    if (item == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = sizeof("<h1></h1>\n<p></p>\n<ul>\n</ul>\n")
          + text[NGX_SHOP_TEXT_SIGN_IN].len + text[NGX_SHOP_TEXT_CHOOSE].len;

    for (i = 0; i < n; i++) {

        if (ngx_http_social_chooser_item(r, spp[i], texts, path,
                                         used && i == 0, &item[i])
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        len += item[i].len;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "<h1>%V</h1>\n<p>%V</p>\n<ul>\n",
                    &text[NGX_SHOP_TEXT_SIGN_IN],
                    &text[NGX_SHOP_TEXT_CHOOSE]);

    for (i = 0; i < n; i++) {
        p = ngx_cpymem(p, item[i].data, item[i].len);
    }

    p = ngx_sprintf(p, "</ul>\n");

    body.len = p - body.data;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

    return ngx_shop_respond_page(r, &sscf->theme, texts, NGX_HTTP_OK,
                                 &text[NGX_SHOP_TEXT_SIGN_IN], &body);
}


/* names and presets are words, which need no escaping */

static ngx_int_t
ngx_http_social_chooser_item(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_shop_texts_t *texts, ngx_str_t *path,
    ngx_uint_t used, ngx_str_t *item)
{
    u_char     *p, *last;
    ngx_str_t   url, href, label, note, *text;

    static ngx_str_t  place = ngx_string("{provider}");

    ngx_str_null(&note);

    if (used) {
        text = &texts->text[NGX_SHOP_TEXT_LAST_USED];

        note.data = ngx_pnalloc(r->pool, sizeof(" <small></small>")
                                         + text->len);
        if (note.data == NULL) {
            return NGX_ERROR;
        }

        note.len = ngx_sprintf(note.data, " <small>%V</small>", text)
                   - note.data;
    }

    if (ngx_http_social_provider_url(r, sp, path, &url) != NGX_OK
        || ngx_shop_html_escape(r->pool, &url, &href) != NGX_OK
        || ngx_shop_html_escape(r->pool, &sp->conf.label, &label) != NGX_OK)
    {
        return NGX_ERROR;
    }

    text = &texts->text[NGX_SHOP_TEXT_CONTINUE_WITH];
    last = text->data + text->len;

    p = ngx_strlcasestrn(text->data, last, place.data, place.len - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    item->data = ngx_pnalloc(r->pool, sizeof(NGX_HTTP_SOCIAL_ITEM) + href.len
                                      + sp->conf.name.len
                                      + sp->conf.preset.len + text->len
                                      + label.len + note.len);
    if (item->data == NULL) {
        return NGX_ERROR;
    }

    item->len = ngx_sprintf(item->data, NGX_HTTP_SOCIAL_ITEM, &href,
                            &sp->conf.name, &sp->conf.preset,
                            (size_t) (p - text->data), text->data, &label,
                            p + place.len, &note)
                - item->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_chooser_json(ngx_http_request_t *r, ngx_str_t *path)
{
    ngx_str_t                      text, url;
    ngx_uint_t                     i, n, used;
    ngx_pool_t                    *pool;
    ngx_shop_json_t               *list, *item, *json;
    ngx_http_social_provider_t   **spp;

    spp = ngx_http_social_chooser_order(r, &n, &used);
    if (spp == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    pool = r->pool;

    list = ngx_shop_json_new_array(pool);
    json = ngx_shop_json_new_object(pool);

    if (list == NULL || json == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < n; i++) {

        item = ngx_shop_json_new_object(pool);

        if (item == NULL
            || ngx_http_social_provider_url(r, spp[i], path, &url) != NGX_OK
            || ngx_shop_json_set(pool, item, "name",
                         ngx_shop_json_new_string(pool, &spp[i]->conf.name))
               != NGX_OK
            || ngx_shop_json_set(pool, item, "label",
                         ngx_shop_json_new_string(pool, &spp[i]->conf.label))
               != NGX_OK
            || ngx_shop_json_set(pool, item, "url",
                                 ngx_shop_json_new_string(pool, &url))
               != NGX_OK
            || ngx_shop_json_append(pool, list, item) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ngx_shop_json_set(pool, json, "providers", list) != NGX_OK
        || ngx_shop_json_dump(pool, json, &text) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_shop_respond(r, NGX_HTTP_OK, "application/json", &text);
}


static ngx_int_t
ngx_http_social_provider_url(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *path, ngx_str_t *url)
{
    u_char     *p;
    ngx_str_t   tail;

    p = ngx_pnalloc(r->pool, sp->conf.name.len + sizeof("?return=") - 1
                             + ngx_shop_escaped_len(path));
    if (p == NULL) {
        return NGX_ERROR;
    }

    tail.data = p;

    p = ngx_sprintf(p, "%V", &sp->conf.name);

    if (path->len > 1) {
        p = ngx_cpymem(p, "?return=", sizeof("?return=") - 1);
        p = ngx_shop_escape(p, path);
    }

    tail.len = p - tail.data;

    return ngx_http_social_url(r, "login/", &tail, url);
}
