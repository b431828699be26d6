
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_HTTP_H_INCLUDED_
#define _NGX_SHOP_HTTP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "base/ngx_shop_base.h"


/* The only room beside modules/ that touches a request. */


/* ngx_shop_cookie.c */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  value;
    ngx_uint_t                 session;     /* 1: "name", 0: one with a tag */
} ngx_shop_cookie_t;


/*
 * Cuts every cookie named "name", and every cookie whose name is "prefix"
 * and a tag, NGX_SHOP_COOKIE_TAG characters of base64url, out of the
 * request, so that nothing behind us sees it; "shop-login-theme" may be the
 * shop's own.  Copies of at most NGX_SHOP_COOKIES_MAX of them go to
 * "cookies" (of ngx_shop_cookie_t; initialized on r->pool when the first is
 * found); more are cut and forgotten, and so are all where "cookies" is
 * NULL.  A Cookie header with nothing else in it is removed.
 * NGX_OK: some were found, NGX_DECLINED: none, NGX_ERROR: no memory.
 */
#define NGX_SHOP_COOKIES_MAX  32
#define NGX_SHOP_COOKIE_TAG   8

ngx_int_t ngx_shop_cookies_take(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *prefix, ngx_array_t *cookies);

/*
 * A cookie of somebody else's, which stays: NGX_OK: "value" points into the
 * request; NGX_DECLINED: there is none, or more than one.
 */
ngx_int_t ngx_shop_cookie_get(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/*
 * Adds a Set-Cookie line to the answer that is about to be sent.
 * "attributes" starts with ";" and is the same for setting and for deleting;
 * "max_age" in seconds, 0 deletes, -1 leaves it a session cookie.
 */
ngx_int_t ngx_shop_cookie_set(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value, time_t max_age, ngx_str_t *attributes);


/* ngx_shop_header_in.c */

/* a header that never comes from a client */

typedef struct {
    ngx_str_t                  name;        /* as sent, "X-Loyalty-Tier" */
    ngx_str_t                  lowcase;
    ngx_uint_t                 hash;
} ngx_shop_header_name_t;


typedef struct {
    ngx_array_t                names;       /* of ngx_shop_header_name_t */
    uint64_t                   lengths;     /* bit n: one is n bytes long;
                                               63: 63 and more */
} ngx_shop_header_names_t;


ngx_int_t ngx_shop_header_names_init(ngx_pool_t *pool,
    ngx_shop_header_names_t *names);

/* adds one, once for each spelling */
ngx_shop_header_name_t *ngx_shop_header_names_add(ngx_pool_t *pool,
    ngx_shop_header_names_t *names, ngx_str_t *name);

/*
 * Removes all headers of these names from the request.  Elements are cut
 * from their list and never moved, since headers_in points into it.  A
 * subrequest shares the list of its parent and is given one of its own
 * first.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_shop_header_in_strip(ngx_http_request_t *r,
    ngx_shop_header_names_t *names);

/*
 * Removes the headers for which "match" returns 1 from the request's list,
 * which must be its own.  NGX_ERROR: no memory.
 */
typedef ngx_uint_t (*ngx_shop_header_in_pt)(ngx_table_elt_t *h, void *data);

ngx_int_t ngx_shop_header_in_cut(ngx_http_request_t *r,
    ngx_shop_header_in_pt match, void *data);

/* adds a header; "value" is not copied and must be fit for a header */
ngx_int_t ngx_shop_header_in_add(ngx_http_request_t *r,
    ngx_shop_header_name_t *name, ngx_str_t *value);

/* gives a subrequest a list of headers of its own; a main request has one */
ngx_int_t ngx_shop_header_in_own(ngx_http_request_t *r);

/* the first header named "lowcase": NGX_OK or NGX_DECLINED */
ngx_int_t ngx_shop_header_in_get(ngx_http_request_t *r, const char *lowcase,
    ngx_str_t *value);

/* 1: the client wants a page: "Sec-Fetch-Mode: navigate", or without that
 * header "text/html" in Accept */
ngx_uint_t ngx_shop_wants_page(ngx_http_request_t *r);

/* 1: so it does, by GET or HEAD: a browser that navigates */
ngx_uint_t ngx_shop_is_navigation(ngx_http_request_t *r);

/* 1: "Accept" names "type" */
ngx_uint_t ngx_shop_accepts(ngx_http_request_t *r, const char *type);

/*
 * Whether the request was made by a page of our own: NGX_OK by
 * "Sec-Fetch-Site: same-origin" or, without that header, by an Origin equal
 * to "origin"; NGX_DECLINED otherwise, also where neither was sent.
 */
ngx_int_t ngx_shop_same_origin(ngx_http_request_t *r, ngx_str_t *origin);

/* 1: "Sec-Fetch-Site: cross-site" */
ngx_uint_t ngx_shop_is_cross_site(ngx_http_request_t *r);

/*
 * Overwrites the values of all fields but "iss" and "error" with "*" wherever
 * nginx keeps the request line, and in the referrer, for its own log lines;
 * "args" becomes a copy with the true values.
 */
ngx_int_t ngx_shop_mask_args(ngx_http_request_t *r, ngx_str_t *args);


/* ngx_shop_language.c: the texts of our own pages, see texts/ */

typedef enum {
    NGX_SHOP_TEXT_SIGN_IN = 0,
    NGX_SHOP_TEXT_CHOOSE,
    NGX_SHOP_TEXT_CONTINUE_WITH,            /* with "{provider}" in it */
    NGX_SHOP_TEXT_LAST_USED,
    NGX_SHOP_TEXT_ONE_MOMENT,
    NGX_SHOP_TEXT_CONTINUE,
    NGX_SHOP_TEXT_DELETED,
    NGX_SHOP_TEXT_DELETED_TEXT,             /* with "{provider}" in it */
    NGX_SHOP_TEXT_TITLE_400,                /* a text follows its title */
    NGX_SHOP_TEXT_TEXT_400,
    NGX_SHOP_TEXT_TITLE_401,
    NGX_SHOP_TEXT_TEXT_401,
    NGX_SHOP_TEXT_TITLE_403,
    NGX_SHOP_TEXT_TEXT_403,
    NGX_SHOP_TEXT_TITLE_404,
    NGX_SHOP_TEXT_TEXT_404,
    NGX_SHOP_TEXT_TITLE_405,
    NGX_SHOP_TEXT_TEXT_405,
    NGX_SHOP_TEXT_TITLE_413,
    NGX_SHOP_TEXT_TEXT_413,
    NGX_SHOP_TEXT_TITLE_500,
    NGX_SHOP_TEXT_TEXT_500,
    NGX_SHOP_TEXT_TITLE_502,
    NGX_SHOP_TEXT_TEXT_502,
    NGX_SHOP_TEXT_TITLE_503,
    NGX_SHOP_TEXT_TEXT_503,
    NGX_SHOP_TEXT_TITLE_504,
    NGX_SHOP_TEXT_TEXT_504,
    NGX_SHOP_TEXT_MAX
} ngx_shop_text_e;


typedef struct {
    ngx_str_t                  language;    /* a tag of RFC 5646 */
    ngx_str_t                  text[NGX_SHOP_TEXT_MAX];  /* HTML */
} ngx_shop_texts_t;


extern ngx_shop_texts_t  ngx_shop_catalogs[];   /* English first; to one
                                                   without a language */

/* the texts that the browser's user can read best, else the English ones */
ngx_shop_texts_t *ngx_shop_texts(ngx_http_request_t *r);


/* ngx_shop_respond.c */

/* how our pages look: with NULL, or all of it empty, as we think */

typedef struct {
    ngx_str_t                  stylesheet;  /* its URL, escaped for HTML */
    ngx_str_t                  policy;      /* Content-Security-Policy */
} ngx_shop_theme_t;


/*
 * A theme with a stylesheet, which may use pictures and fonts of its own
 * origin; there is no "," or ";" in its URL.  At configuration time.
 */
ngx_int_t ngx_shop_theme_init(ngx_conf_t *cf, ngx_shop_theme_t *theme,
    ngx_shop_url_t *stylesheet);

/*
 * Sends a whole answer, never to be stored, with a strict policy for pages;
 * the code is for ngx_http_finalize_request().  The request's body is read
 * and thrown away.
 */
ngx_int_t ngx_shop_respond(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body);

/* 303; "location" is absolute and safe */
ngx_int_t ngx_shop_respond_see_other(ngx_http_request_t *r,
    ngx_str_t *location);

/* a page that goes on to "location" by itself, as a same-site navigation */
ngx_int_t ngx_shop_respond_bounce(ngx_http_request_t *r,
    ngx_shop_theme_t *theme, ngx_str_t *location);

/*
 * An error: problem JSON (RFC 9457) with "reason", or a page where Accept
 * names text/html and there is a "theme".  429, 503 and 504 carry
 * "Retry-After: 5".  "link", if not NULL, is offered on the page as the way to
 * sign in.
 */
ngx_int_t ngx_shop_respond_problem(ngx_http_request_t *r,
    ngx_shop_theme_t *theme, ngx_uint_t status, const char *reason,
    ngx_str_t *link);

/* a page in the language of "texts": "title" and "body", below <main>, are
 * HTML */
ngx_int_t ngx_shop_respond_page(ngx_http_request_t *r,
    ngx_shop_theme_t *theme, ngx_shop_texts_t *texts, ngx_uint_t status,
    ngx_str_t *title, ngx_str_t *body);

/* adds a header to the answer; neither is copied */
ngx_int_t ngx_shop_header_out_add(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* "text" with & < > " escaped, from "pool": fit for an attribute in double
 * quotes */
ngx_int_t ngx_shop_html_escape(ngx_pool_t *pool, ngx_str_t *text,
    ngx_str_t *html);

/* fills in the policy for our own pages' style; at configuration time */
ngx_int_t ngx_shop_respond_init(ngx_conf_t *cf);


#endif /* _NGX_SHOP_HTTP_H_INCLUDED_ */
