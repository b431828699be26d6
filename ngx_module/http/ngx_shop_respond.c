
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"


#define NGX_SHOP_RETRY_AFTER  "5"

#define NGX_SHOP_STYLE                                                        \
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;"                \
    "margin:4rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"          \
    "h1{font-size:1.4rem}"                                                    \
    "a{color:#0a58a8}"                                                        \
    "ul{list-style:none;padding:0}"                                           \
    "li a{display:block;margin:.5rem 0;padding:.75rem 1rem;"                  \
    "border:1px solid #767676;border-radius:.4rem;text-decoration:none}"      \
    "small{color:#595959}"

#define NGX_SHOP_PAGE_HEAD                                                    \
    "<!DOCTYPE html>\n"                                                       \
    "<html lang=\"en\">\n"                                                    \
    "<head>\n"                                                                \
    "<meta charset=\"utf-8\">\n"                                              \
    "<meta name=\"viewport\" "                                                \
    "content=\"width=device-width, initial-scale=1\">\n"

#define NGX_SHOP_PAGE_STYLE                                                   \
    "<style>" NGX_SHOP_STYLE "</style>\n"                                     \
    "</head>\n"                                                               \
    "<body>\n"                                                                \
    "<main>\n"

#define NGX_SHOP_PAGE_TAIL                                                    \
    "</main>\n"                                                               \
    "</body>\n"                                                               \
    "</html>\n"


typedef struct {
    ngx_uint_t                 status;
    const char                *title;       /* for programs */
    const char                *heading;     /* for people, and the text */
    const char                *text;
} ngx_shop_status_t;


static const ngx_shop_status_t *ngx_shop_status(ngx_uint_t status);
static ngx_int_t ngx_shop_respond_problem_json(ngx_http_request_t *r,
    const ngx_shop_status_t *status, const char *reason);


static const ngx_shop_status_t  ngx_shop_statuses[] = {

    { NGX_HTTP_BAD_REQUEST, "Bad Request", "Not signed in",
      "The sign-in was canceled, or it could not be completed. You can try "
      "again." },

    { NGX_HTTP_UNAUTHORIZED, "Unauthorized", "Please sign in",
      "This page is for customers who are signed in." },

    { NGX_HTTP_FORBIDDEN, "Forbidden", "Not possible from here",
      "This request did not come from a page of this shop." },

    { NGX_HTTP_NOT_FOUND, "Not Found", "No such page",
      "There is no such page." },

    { NGX_HTTP_NOT_ALLOWED, "Method Not Allowed", "Not possible this way",
      "This address cannot be used in this way." },

    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "Content Too Large", "Too large",
      "The request was too large." },

    { NGX_HTTP_BAD_GATEWAY, "Bad Gateway", "Sign-in is not possible",
      "The sign-in provider gave an answer that could not be accepted. "
      "Please try again." },

    { NGX_HTTP_SERVICE_UNAVAILABLE, "Service Unavailable",
      "Please try again shortly",
      "This cannot be done at the moment, and nothing is lost." },

    { NGX_HTTP_GATEWAY_TIME_OUT, "Gateway Timeout",
      "No answer from the sign-in provider",
      "It took too long. Please try again." },

    { NGX_HTTP_INTERNAL_SERVER_ERROR, "Internal Server Error",
      "Something went wrong",
      "This should not have happened. Please try again." },

    { 0, NULL, NULL, NULL }
};


/*
 * The digest of a constant, so it is the same for every configuration and
 * may be a static: "default-src 'none'; style-src 'sha256-...'; ..."
 */

static u_char     ngx_shop_policy_data[256];
static ngx_str_t  ngx_shop_policy;


ngx_int_t
ngx_shop_respond_init(ngx_conf_t *cf)
{
    u_char     digest[NGX_SHOP_SHA256_LEN];
    u_char     text[ngx_base64_encoded_length(NGX_SHOP_SHA256_LEN)];
    ngx_str_t  style, src, dst;

    ngx_str_set(&style, NGX_SHOP_STYLE);

    if (ngx_shop_sha256(&style, digest, cf->log) != NGX_OK) {
        return NGX_ERROR;
    }

    src.data = digest;
    src.len = NGX_SHOP_SHA256_LEN;
    dst.data = text;

    ngx_encode_base64(&dst, &src);

    ngx_shop_policy.data = ngx_shop_policy_data;
    ngx_shop_policy.len = ngx_snprintf(ngx_shop_policy_data,
                                       sizeof(ngx_shop_policy_data),
                                       "default-src 'none'; "
                                       "style-src 'sha256-%V'; "
                                       "base-uri 'none'; "
                                       "form-action 'self'; "
                                       "frame-ancestors 'none'", &dst)
                          - ngx_shop_policy_data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_respond(ngx_http_request_t *r, ngx_uint_t status, const char *type,
    ngx_str_t *body)
{
    ngx_int_t                  rc;
    ngx_buf_t                 *b;
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_chain_t                out;
    static const char         *headers[][2] = {
        { "Cache-Control", "no-store" },
        { "Referrer-Policy", "no-referrer" },
        { "X-Content-Type-Options", "nosniff" },
        { NULL, NULL }
    };

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; headers[i][0]; i++) {
        value.data = (u_char *) headers[i][1];
        value.len = ngx_strlen(headers[i][1]);

        if (ngx_shop_header_out_add(r, headers[i][0], &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_shop_header_out_add(r, "Content-Security-Policy",
                                &ngx_shop_policy)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE
        || status == NGX_HTTP_GATEWAY_TIME_OUT)
    {
        ngx_str_set(&value, NGX_SHOP_RETRY_AFTER);

        if (ngx_shop_header_out_add(r, "Retry-After", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    r->headers_out.status = status;

    /* what a location before this one has left, or the client would like */

    r->disable_not_modified = 1;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    if (type != NULL) {
        r->headers_out.content_type.data = (u_char *) type;
        r->headers_out.content_type.len = ngx_strlen(type);
        r->headers_out.content_type_len = r->headers_out.content_type.len;
    }

    r->headers_out.content_length_n = body->len;

    if (status == NGX_HTTP_NO_CONTENT || body->len == 0) {

        if (status == NGX_HTTP_NO_CONTENT) {
            r->headers_out.content_length_n = -1;
        }

        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/*
 * Location goes out as it is: nginx would make an absolute one of the host
 * that the client named.
 */

ngx_int_t
ngx_shop_respond_see_other(ngx_http_request_t *r, ngx_str_t *location)
{
    ngx_str_t  empty;

    if (ngx_shop_header_out_add(r, "Location", location) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_null(&empty);

    return ngx_shop_respond(r, NGX_HTTP_SEE_OTHER, NULL, &empty);
}


ngx_int_t
ngx_shop_respond_bounce(ngx_http_request_t *r, ngx_str_t *location)
{
    u_char     *p;
    ngx_str_t   html, page;

    if (ngx_shop_html_escape(r->pool, location, &html) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, sizeof(NGX_SHOP_PAGE_HEAD NGX_SHOP_PAGE_STYLE
                                    NGX_SHOP_PAGE_TAIL) + 256
                             + 2 * html.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    page.data = p;

    p = ngx_sprintf(p, NGX_SHOP_PAGE_HEAD
                    "<meta http-equiv=\"refresh\" content=\"0;url=%V\">\n"
                    "<title>One moment</title>\n"
                    NGX_SHOP_PAGE_STYLE
                    "<p><a href=\"%V\">Continue</a></p>\n"
                    NGX_SHOP_PAGE_TAIL,
                    &html, &html);

    page.len = p - page.data;

    return ngx_shop_respond(r, NGX_HTTP_OK, "text/html; charset=utf-8",
                            &page);
}


ngx_int_t
ngx_shop_respond_problem(ngx_http_request_t *r, ngx_uint_t code,
    const char *reason, ngx_str_t *link, const char *text)
{
    u_char                   *p;
    ngx_str_t                 html, body;
    const ngx_shop_status_t  *status;

    status = ngx_shop_status(code);

    if (!ngx_shop_accepts(r, "text/html")) {
        return ngx_shop_respond_problem_json(r, status, reason);
    }

    ngx_str_null(&html);

    if (link != NULL
        && ngx_shop_html_escape(r->pool, link, &html) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, 512 + ngx_strlen(status->heading)
                             + ngx_strlen(status->text) + html.len
                             + (text ? ngx_strlen(text) : 0));
    if (p == NULL) {
        return NGX_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "<h1>%s</h1>\n<p>%s</p>\n", status->heading,
                    status->text);

    if (link != NULL) {
        p = ngx_sprintf(p, "<p><a href=\"%V\">%s</a></p>\n", &html, text);
    }

    p = ngx_sprintf(p, "<p><small>%s</small></p>\n", reason);

    body.len = p - body.data;

    return ngx_shop_respond_page(r, status->status, status->heading, &body);
}


static ngx_int_t
ngx_shop_respond_problem_json(ngx_http_request_t *r,
    const ngx_shop_status_t *status, const char *reason)
{
    u_char     *p;
    ngx_str_t   body;

    p = ngx_pnalloc(r->pool, 128 + ngx_strlen(status->title)
                             + ngx_strlen(reason));
    if (p == NULL) {
        return NGX_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "{\"type\":\"about:blank\",\"title\":\"%s\","
                       "\"status\":%ui,\"reason\":\"%s\"}",
                    status->title, status->status, reason);

    body.len = p - body.data;

    return ngx_shop_respond(r, status->status, "application/problem+json",
                            &body);
}


static const ngx_shop_status_t *
ngx_shop_status(ngx_uint_t status)
{
    ngx_uint_t  i;

    for (i = 0; ngx_shop_statuses[i + 1].status; i++) {
        if (ngx_shop_statuses[i].status == status) {
            break;
        }
    }

    return &ngx_shop_statuses[i];
}


ngx_int_t
ngx_shop_respond_page(ngx_http_request_t *r, ngx_uint_t status,
    const char *title, ngx_str_t *body)
{
    u_char     *p;
    ngx_str_t   page;

    p = ngx_pnalloc(r->pool, sizeof(NGX_SHOP_PAGE_HEAD NGX_SHOP_PAGE_STYLE
                                    NGX_SHOP_PAGE_TAIL) + 32
                             + ngx_strlen(title) + body->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    page.data = p;

    p = ngx_sprintf(p, NGX_SHOP_PAGE_HEAD "<title>%s</title>\n"
                       NGX_SHOP_PAGE_STYLE "%V" NGX_SHOP_PAGE_TAIL,
                    title, body);

    page.len = p - page.data;

    return ngx_shop_respond(r, status, "text/html; charset=utf-8", &page);
}


ngx_int_t
ngx_shop_header_out_add(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
    ngx_shop_elt_init(h);

    return NGX_OK;
}


ngx_int_t
ngx_shop_html_escape(ngx_pool_t *pool, ngx_str_t *text, ngx_str_t *html)
{
    size_t  extra;

    extra = ngx_escape_html(NULL, text->data, text->len);

    html->len = text->len + extra;
    html->data = ngx_pnalloc(pool, html->len);

    if (html->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_escape_html(html->data, text->data, text->len);

    return NGX_OK;
}
