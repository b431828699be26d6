
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/ngx_shop_http.h"


#define NGX_SHOP_RETRY_AFTER  "5"

#define NGX_SHOP_POLICY_MAX   4096

/* what a shop's own stylesheet can change most easily are the variables */

#define NGX_SHOP_STYLE                                                        \
    "body{font:1rem/1.5 var(--shop-font,system-ui,sans-serif);"               \
    "max-width:var(--shop-width,24rem);margin:4rem auto;padding:0 1rem;"      \
    "color:var(--shop-text,#1a1a1a);background:var(--shop-background,#fff)}"  \
    "h1{font-size:1.4rem}"                                                    \
    "a{color:var(--shop-link,#0a58a8)}"                                       \
    "a:focus-visible{outline:3px solid var(--shop-focus,#0a58a8);"            \
    "outline-offset:2px}"                                                     \
    "ul{list-style:none;padding:0}"                                           \
    "li a{display:block;margin:.5rem 0;padding:.75rem 1rem;"                  \
    "color:var(--shop-button-text,#0a58a8);"                                  \
    "background:var(--shop-button,#fff);"                                     \
    "border:1px solid var(--shop-border,#767676);"                            \
    "border-radius:var(--shop-radius,.4rem);text-decoration:none}"            \
    "li small{float:right}"                                                   \
    "small{color:var(--shop-note,#595959)}"

#define NGX_SHOP_PAGE_HEAD                                                    \
    "<!DOCTYPE html>\n"                                                       \
    "<html lang=\"%V\">\n"                                                    \
    "<head>\n"                                                                \
    "<meta charset=\"utf-8\">\n"                                              \
    "<meta name=\"viewport\" "                                                \
    "content=\"width=device-width, initial-scale=1\">\n"                      \
    "<title>%V</title>\n"                                                     \
    "<style>" NGX_SHOP_STYLE "</style>\n"

#define NGX_SHOP_PAGE_BODY                                                    \
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
    ngx_uint_t                 text;        /* for people, the title's */
} ngx_shop_status_t;


static ngx_int_t ngx_shop_policy_print(ngx_str_t *policy,
    ngx_shop_url_t *stylesheet, ngx_log_t *log);
static ngx_int_t ngx_shop_respond_with(ngx_http_request_t *r,
    ngx_str_t *policy, ngx_uint_t status, const char *type, ngx_str_t *body);
static ngx_int_t ngx_shop_respond_html(ngx_http_request_t *r,
    ngx_shop_theme_t *theme, ngx_shop_texts_t *texts, ngx_uint_t status,
    ngx_str_t *title, ngx_str_t *head, ngx_str_t *body);
static const ngx_shop_status_t *ngx_shop_status(ngx_uint_t status);
static ngx_int_t ngx_shop_respond_problem_json(ngx_http_request_t *r,
    const ngx_shop_status_t *status, const char *reason);


static const ngx_shop_status_t  ngx_shop_statuses[] = {

    { NGX_HTTP_BAD_REQUEST, "Bad Request",
      NGX_SHOP_TEXT_TITLE_400 },

    { NGX_HTTP_UNAUTHORIZED, "Unauthorized",
      NGX_SHOP_TEXT_TITLE_401 },

    { NGX_HTTP_FORBIDDEN, "Forbidden",
      NGX_SHOP_TEXT_TITLE_403 },

    { NGX_HTTP_NOT_FOUND, "Not Found",
      NGX_SHOP_TEXT_TITLE_404 },

    { NGX_HTTP_NOT_ALLOWED, "Method Not Allowed",
      NGX_SHOP_TEXT_TITLE_405 },

    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "Content Too Large",
      NGX_SHOP_TEXT_TITLE_413 },

    { NGX_HTTP_TOO_MANY_REQUESTS, "Too Many Requests",
      NGX_SHOP_TEXT_TITLE_503 },

    { NGX_HTTP_BAD_GATEWAY, "Bad Gateway",
      NGX_SHOP_TEXT_TITLE_502 },

    { NGX_HTTP_SERVICE_UNAVAILABLE, "Service Unavailable",
      NGX_SHOP_TEXT_TITLE_503 },

    { NGX_HTTP_GATEWAY_TIME_OUT, "Gateway Timeout",
      NGX_SHOP_TEXT_TITLE_504 },

    { NGX_HTTP_INTERNAL_SERVER_ERROR, "Internal Server Error",
      NGX_SHOP_TEXT_TITLE_500 },

    { 0, NULL, 0 }
};


/*
 * The policy without a theme.  It has the digest of a constant, so it is the
 * same for every configuration and may be a static.
 */

static u_char     ngx_shop_policy_data[NGX_SHOP_POLICY_MAX];
static ngx_str_t  ngx_shop_policy = { 0, ngx_shop_policy_data };


ngx_int_t
ngx_shop_respond_init(ngx_conf_t *cf)
{
    return ngx_shop_policy_print(&ngx_shop_policy, NULL, cf->log);
}


ngx_int_t
ngx_shop_theme_init(ngx_conf_t *cf, ngx_shop_theme_t *theme,
    ngx_shop_url_t *stylesheet)
{
    u_char     *p;
    ngx_str_t   url;

    url.len = stylesheet->origin.len + stylesheet->uri.len;
    url.data = ngx_pnalloc(cf->pool, url.len);

    theme->policy.data = ngx_pnalloc(cf->pool, NGX_SHOP_POLICY_MAX);

    if (url.data == NULL || theme->policy.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(url.data, stylesheet->origin.data,
                   stylesheet->origin.len);
    ngx_memcpy(p, stylesheet->uri.data, stylesheet->uri.len);

    if (ngx_shop_html_escape(cf->pool, &url, &theme->stylesheet) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_policy_print(&theme->policy, stylesheet, cf->log);
}


/* a policy knows no queries (Content Security Policy 3, 2.3.1) */

static ngx_int_t
ngx_shop_policy_print(ngx_str_t *policy, ngx_shop_url_t *stylesheet,
    ngx_log_t *log)
{
    u_char     *p, *last, *query;
    u_char      digest[NGX_SHOP_SHA256_LEN];
    u_char      text[ngx_base64_encoded_length(NGX_SHOP_SHA256_LEN)];
    ngx_str_t   style, path, src, dst;

    ngx_str_set(&style, NGX_SHOP_STYLE);

    if (ngx_shop_sha256(&style, digest, log) != NGX_OK) {
        return NGX_ERROR;
    }

    src.data = digest;
    src.len = NGX_SHOP_SHA256_LEN;
    dst.data = text;

    ngx_encode_base64(&dst, &src);

    p = policy->data;
    last = p + NGX_SHOP_POLICY_MAX;

    p = ngx_slprintf(p, last, "default-src 'none'; style-src 'sha256-%V'",
                     &dst);

    if (stylesheet != NULL) {

        path = stylesheet->uri;
        query = ngx_strlchr(path.data, path.data + path.len, '?');

        if (query != NULL) {
            path.len = query - path.data;
        }

        p = ngx_slprintf(p, last, " %V%V; img-src %V; font-src %V",
                         &stylesheet->origin, &path, &stylesheet->origin,
                         &stylesheet->origin);
    }

    p = ngx_slprintf(p, last, "; base-uri 'none'; form-action 'self'; "
                              "frame-ancestors 'none'");

    policy->len = p - policy->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_respond(ngx_http_request_t *r, ngx_uint_t status, const char *type,
    ngx_str_t *body)
{
    return ngx_shop_respond_with(r, &ngx_shop_policy, status, type, body);
}


static ngx_int_t
ngx_shop_respond_with(ngx_http_request_t *r, ngx_str_t *policy,
    ngx_uint_t status, const char *type, ngx_str_t *body)
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

    if (ngx_shop_header_out_add(r, "Content-Security-Policy", policy)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (status == NGX_HTTP_TOO_MANY_REQUESTS
        || status == NGX_HTTP_SERVICE_UNAVAILABLE
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
ngx_shop_respond_bounce(ngx_http_request_t *r, ngx_shop_theme_t *theme,
    ngx_str_t *location)
{
    ngx_str_t          html, head, body, *text;
    ngx_shop_texts_t  *texts;

    if (ngx_shop_html_escape(r->pool, location, &html) != NGX_OK) {
        return NGX_ERROR;
    }

    texts = ngx_shop_texts(r);
    text = texts->text;

    head.data = ngx_pnalloc(r->pool, 64 + html.len);
    body.data = ngx_pnalloc(r->pool, 32 + html.len
                                     + text[NGX_SHOP_TEXT_CONTINUE].len);

    if (head.data == NULL || body.data == NULL) {
        return NGX_ERROR;
    }

    head.len = ngx_sprintf(head.data,
                           "<meta http-equiv=\"refresh\" "
                           "content=\"0;url=%V\">\n", &html)
               - head.data;

    body.len = ngx_sprintf(body.data, "<p><a href=\"%V\">%V</a></p>\n", &html,
                           &text[NGX_SHOP_TEXT_CONTINUE])
               - body.data;

    return ngx_shop_respond_html(r, theme, texts, NGX_HTTP_OK,
                                 &text[NGX_SHOP_TEXT_ONE_MOMENT], &head,
                                 &body);
}


ngx_int_t
ngx_shop_respond_problem(ngx_http_request_t *r, ngx_shop_theme_t *theme,
    ngx_uint_t code, const char *reason, ngx_str_t *link)
{
    u_char                   *p;
    ngx_str_t                 html, body, *text;
    ngx_shop_texts_t         *texts;
    const ngx_shop_status_t  *status;

    status = ngx_shop_status(code);

    if (theme == NULL || !ngx_shop_accepts(r, "text/html")) {
        return ngx_shop_respond_problem_json(r, status, reason);
    }

    ngx_str_null(&html);

    if (link != NULL
        && ngx_shop_html_escape(r->pool, link, &html) != NGX_OK)
    {
        return NGX_ERROR;
    }

    texts = ngx_shop_texts(r);
    text = &texts->text[status->text];

    p = ngx_pnalloc(r->pool, 128 + text[0].len + text[1].len + html.len
                             + texts->text[NGX_SHOP_TEXT_SIGN_IN].len
                             + ngx_strlen(reason));
    if (p == NULL) {
        return NGX_ERROR;
    }

    body.data = p;

    p = ngx_sprintf(p, "<h1>%V</h1>\n<p>%V</p>\n", &text[0], &text[1]);

    if (link != NULL) {
        p = ngx_sprintf(p, "<p><a href=\"%V\">%V</a></p>\n", &html,
                        &texts->text[NGX_SHOP_TEXT_SIGN_IN]);
    }

    p = ngx_sprintf(p, "<p><small>%s</small></p>\n", reason);

    body.len = p - body.data;

    return ngx_shop_respond_page(r, theme, texts, status->status, &text[0],
                                 &body);
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
ngx_shop_respond_page(ngx_http_request_t *r, ngx_shop_theme_t *theme,
    ngx_shop_texts_t *texts, ngx_uint_t status, ngx_str_t *title,
    ngx_str_t *body)
{
    ngx_str_t  empty;

    ngx_str_null(&empty);

    return ngx_shop_respond_html(r, theme, texts, status, title, &empty,
                                 body);
}


static ngx_int_t
ngx_shop_respond_html(ngx_http_request_t *r, ngx_shop_theme_t *theme,
    ngx_shop_texts_t *texts, ngx_uint_t status, ngx_str_t *title,
    ngx_str_t *head, ngx_str_t *body)
{
    u_char      *p;
    ngx_str_t    page;
    ngx_uint_t   themed;

    themed = (theme != NULL && theme->stylesheet.len != 0);

    p = ngx_pnalloc(r->pool, sizeof(NGX_SHOP_PAGE_HEAD NGX_SHOP_PAGE_BODY
                                    NGX_SHOP_PAGE_TAIL) + 64
                             + texts->language.len + title->len + head->len
                             + (themed ? theme->stylesheet.len : 0)
                             + body->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    page.data = p;

    p = ngx_sprintf(p, NGX_SHOP_PAGE_HEAD "%V", &texts->language, title,
                    head);

    if (themed) {
        p = ngx_sprintf(p, "<link rel=\"stylesheet\" href=\"%V\">\n",
                        &theme->stylesheet);
    }

    p = ngx_sprintf(p, NGX_SHOP_PAGE_BODY "%V" NGX_SHOP_PAGE_TAIL, body);

    page.len = p - page.data;

    return ngx_shop_respond_with(r, themed ? &theme->policy : &ngx_shop_policy,
                                 status, "text/html; charset=utf-8", &page);
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
