
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * Meta wants an address in the answer to a deletion, where customers can see
 * what became of it.  The answer is made when all is done, so there is nothing
 * to look up: the code in the address proves itself.
 */


#define NGX_HTTP_SOCIAL_CODE_HALF     16    /* characters */
#define NGX_HTTP_SOCIAL_CODE_LEN      (2 * NGX_HTTP_SOCIAL_CODE_HALF)


static ngx_int_t ngx_http_social_notice_code(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *half, ngx_str_t *code);


ngx_int_t
ngx_http_social_notice_receipt(ngx_http_social_flow_t *flow,
    ngx_str_t *text)
{
    ngx_str_t            code, tail, url;
    ngx_pool_t          *pool;
    ngx_shop_json_t     *json;
    ngx_http_request_t  *r;

    r = flow->request;
    pool = r->pool;

    if (ngx_http_social_notice_code(r, flow->provider, &flow->attempt_id,
                                    &code)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    tail.len = flow->provider->conf.name.len + sizeof("?code=") - 1
               + code.len;
    tail.data = ngx_pnalloc(pool, tail.len);

    if (tail.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(tail.data, "%V?code=%V", &flow->provider->conf.name, &code);

    json = ngx_shop_json_new_object(pool);

    if (json == NULL
        || ngx_http_social_url(r, "notify/", &tail, &url) != NGX_OK
        || ngx_shop_json_set(pool, json, "url",
                             ngx_shop_json_new_string(pool, &url))
           != NGX_OK
        || ngx_shop_json_set(pool, json, "confirmation_code",
                             ngx_shop_json_new_string(pool, &code))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_json_dump(pool, json, text);
}


ngx_int_t
ngx_http_social_notice_page(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp)
{
    u_char                      *p, *last;
    ngx_str_t                    code, expected, half, label, body, *text;
    ngx_shop_texts_t            *texts;
    ngx_http_social_srv_conf_t  *sscf;

    static ngx_str_t  place = ngx_string("{provider}");

    if (!(sp->conf.notify & NGX_SHOP_NOTIFY_META)
        || ngx_shop_query_get(r->pool, &r->args, "code", &code) != NGX_OK
        || code.len != NGX_HTTP_SOCIAL_CODE_LEN)
    {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND, "not_found");
    }

    half = code;

    if (ngx_http_social_notice_code(r, sp, &half, &expected) != NGX_OK
        || ngx_shop_html_escape(r->pool, &sp->conf.label, &label) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_shop_equal(&code, &expected)) {
        return ngx_http_social_problem(r, NGX_HTTP_NOT_FOUND, "not_found");
    }

    texts = ngx_shop_texts(r);
    text = texts->text;

    p = text[NGX_SHOP_TEXT_DELETED_TEXT].data;
    last = p + text[NGX_SHOP_TEXT_DELETED_TEXT].len;

    half.data = p;

    p = ngx_strlcasestrn(p, last, place.data, place.len - 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    half.len = p - half.data;

    body.data = ngx_pnalloc(r->pool,
                            sizeof("<h1></h1>\n<p></p>\n"
                                   "<p><small></small></p>\n")
                            + text[NGX_SHOP_TEXT_DELETED].len
                            + text[NGX_SHOP_TEXT_DELETED_TEXT].len
                            + label.len + code.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = ngx_sprintf(body.data, "<h1>%V</h1>\n<p>%V%V%*s</p>\n"
                                      "<p><small>%V</small></p>\n",
                           &text[NGX_SHOP_TEXT_DELETED], &half, &label,
                           (size_t) (last - p - place.len), p + place.len,
                           &code)
               - body.data;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_social_module);

    return ngx_shop_respond_page(r, &sscf->theme, texts, NGX_HTTP_OK,
                                 &text[NGX_SHOP_TEXT_DELETED], &body);
}


/* the first half of "half", and what only we can add to it */

static ngx_int_t
ngx_http_social_notice_code(ngx_http_request_t *r,
    ngx_http_social_provider_t *sp, ngx_str_t *half, ngx_str_t *code)
{
    u_char     *p;
    u_char      mac[NGX_SHOP_SHA256_LEN];
    ngx_str_t   text;

    text.len = sizeof("deletion ") - 1 + NGX_HTTP_SOCIAL_CODE_HALF;

    code->len = NGX_HTTP_SOCIAL_CODE_LEN;

    text.data = ngx_pnalloc(r->pool, text.len);
    code->data = ngx_pnalloc(r->pool, code->len);

    if (text.data == NULL || code->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text.data, "deletion ", sizeof("deletion ") - 1);
    ngx_memcpy(p, half->data, NGX_HTTP_SOCIAL_CODE_HALF);

    if (ngx_shop_hmac_sha256(&sp->conf.client_secret, &text, mac,
                             r->connection->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_cpymem(code->data, half->data, NGX_HTTP_SOCIAL_CODE_HALF);
    (void) ngx_hex_dump(p, mac, NGX_HTTP_SOCIAL_CODE_HALF / 2);

    return NGX_OK;
}
