
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"


/*
 * A login that did not start here: an app has been to the provider with the
 * provider's own library, or Google's One Tap has, and brings what it was
 * given.  The steps:
 *
 *     fields     what was sent, and by whom
 *     metadata   what the provider publishes
 *
 *     with an ID token: keys, verify (see ngx_http_social_exchange.c)
 *         spend      use the token up, once for all servers
 *     with a code: all of the exchange
 *     with an access token: tokeninfo, that it is for us; userinfo
 *
 *     signin     see ngx_http_social_callback.c
 *         answer     JSON for an app
 *
 * There is no attempt of ours to bind any of it to a browser or a device, so
 *
 *  -  a page of another site must not send it: the visitor would be signed in
 *     as somebody else, unawares.  Browsers tell; apps have nothing to tell.
 *     Google's form may come from Google's page, and proves by a cookie that
 *     it was asked for on a page of the shop;
 *  -  a token is good for a few minutes and once.  It is known by what is
 *     signed and not by all of it: to a signature by ECDSA there is always a
 *     second one that is good as well;
 *  -  a provider may have ended all sessions of the customer since it was
 *     issued, and nobody knows where it was meanwhile: it is good no more.
 *     Who comes back from the provider has been there after that;
 *  -  an access token is good for as long and as often as the provider says:
 *     it is asked each time, and apps keep theirs for weeks;
 *  -  a nonce is the app's, and is compared where it is told.  It makes
 *     nothing good for longer: it can be read in the token;
 *  -  a code that was given to our callback is not taken: there are a state
 *     and a nonce to it.  The provider refuses it, since no redirect URI is
 *     said here that could be that one's (RFC 6749 4.1.3).  Where a provider
 *     does not look, "native_code off" is said in its preset.
 */


enum {
    NGX_HTTP_SOCIAL_ID_TOKEN = 0,
    NGX_HTTP_SOCIAL_CREDENTIAL,             /* One Tap's: an ID token, too */
    NGX_HTTP_SOCIAL_CSRF,
    NGX_HTTP_SOCIAL_NONCE,
    NGX_HTTP_SOCIAL_CODE,
    NGX_HTTP_SOCIAL_VERIFIER,
    NGX_HTTP_SOCIAL_REDIRECT_URI,
    NGX_HTTP_SOCIAL_ACCESS_TOKEN,           /* not looked at beside others */
    NGX_HTTP_SOCIAL_FIELDS
};


static void ngx_http_social_native_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_native_start(ngx_http_request_t *r);
static ngx_int_t ngx_http_social_native_fields(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_native_parse(ngx_http_request_t *r,
    ngx_str_t *field, const char **reason);
static ngx_uint_t ngx_http_social_native_is_type(ngx_http_request_t *r,
    const char *type);
static ngx_int_t ngx_http_social_native_parse_json(ngx_http_request_t *r,
    ngx_str_t *text, ngx_str_t *field);
static ngx_int_t ngx_http_social_native_parse_form(ngx_http_request_t *r,
    ngx_str_t *text, ngx_str_t *field, const char **reason);
static ngx_uint_t ngx_http_social_native_valid(ngx_str_t *value);
static ngx_int_t ngx_http_social_native_asked(ngx_http_social_flow_t *flow,
    ngx_str_t *field);
static ngx_int_t ngx_http_social_native_given(ngx_http_social_flow_t *flow,
    ngx_str_t *field);
static ngx_int_t ngx_http_social_native_access_token(
    ngx_http_social_flow_t *flow, ngx_str_t *token);
static ngx_int_t ngx_http_social_native_metadata(
    ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_native_spent(ngx_http_social_flow_t *flow);


static const char  *ngx_http_social_native_names[] = {
    "id_token",
    "credential",
    "g_csrf_token",
    "nonce",
    "code",
    "code_verifier",
    "redirect_uri",
    "access_token"
};


ngx_int_t
ngx_http_social_native(ngx_http_request_t *r, ngx_http_social_provider_t *sp)
{
    ngx_int_t             rc;
    ngx_http_shop_ctx_t  *ctx;

    ctx = ngx_http_shop_create_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* nobody has kept the arguments if the request was redirected to here */

    if (ctx->callback.data == NULL
        && ngx_shop_mask_args(r, &ctx->callback) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_in_single_buf = 1;
    ngx_http_set_ctx(r, sp, ngx_http_social_module);

    rc = ngx_http_read_client_request_body(r, ngx_http_social_native_body);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_social_native_body(ngx_http_request_t *r)
{
    ngx_http_finalize_request(r, ngx_http_social_native_start(r));
}


static ngx_int_t
ngx_http_social_native_start(ngx_http_request_t *r)
{
    ngx_http_social_flow_t  *flow;

    flow = ngx_http_social_flow_create(r,
                         ngx_http_get_module_ctx(r, ngx_http_social_module));
    if (flow == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_social_flow_start(flow, ngx_http_social_native_fields);
}


static ngx_int_t
ngx_http_social_native_fields(ngx_http_social_flow_t *flow)
{
    ngx_str_t             field[NGX_HTTP_SOCIAL_FIELDS];
    const char           *reason;
    ngx_http_request_t   *r;
    ngx_http_shop_ctx_t  *ctx;

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);

    flow->native = 1;

    ngx_memzero(field, sizeof(field));

    if (ngx_http_social_native_parse(r, field, &reason) != NGX_OK) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           reason);
    }

    if (ngx_shop_authresp_wanted(r->pool, &flow->provider->conf,
                                 &ctx->callback)
        != NGX_OK)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "request_malformed");
    }

    if (ngx_http_social_native_asked(flow, field) != NGX_OK) {
        return NGX_ERROR;
    }

    flow->json = (field[NGX_HTTP_SOCIAL_CREDENTIAL].len == 0);
    ngx_str_set(&flow->attempt.path, "/");

    if (!flow->json
        && ngx_http_social_return_arg(r, &ctx->callback, &flow->attempt.path)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->return_path = flow->attempt.path;

    return ngx_http_social_native_given(flow, field);
}


/* a field that was sent is not empty */

static ngx_int_t
ngx_http_social_native_parse(ngx_http_request_t *r, ngx_str_t *field,
    const char **reason)
{
    ngx_str_t  text, empty;

    *reason = "request_malformed";

    ngx_str_null(&empty);

    if (ngx_http_social_fields(r, &empty, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_social_native_is_type(r, "application/json")) {
        return ngx_http_social_native_parse_json(r, &text, field);
    }

    if (ngx_http_social_native_is_type(r,
                                       "application/x-www-form-urlencoded"))
    {
        return ngx_http_social_native_parse_form(r, &text, field, reason);
    }

    return NGX_ERROR;
}


static ngx_uint_t
ngx_http_social_native_is_type(ngx_http_request_t *r, const char *type)
{
    size_t      len;
    ngx_str_t  *value;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    len = ngx_strlen(type);
    value = &r->headers_in.content_type->value;

    if (value->len < len
        || ngx_strncasecmp(value->data, (u_char *) type, len) != 0)
    {
        return 0;
    }

    return value->len == len || value->data[len] == ';'
           || value->data[len] == ' ';
}


static ngx_int_t
ngx_http_social_native_parse_json(ngx_http_request_t *r, ngx_str_t *text,
    ngx_str_t *field)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_shop_json_t  *json;

    json = ngx_shop_json_parse(r->pool, text, NGX_HTTP_SOCIAL_BODY_MAX);

    if (!ngx_shop_json_is_object(json)) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_SOCIAL_FIELDS; i++) {

        rc = ngx_shop_json_string(
                   ngx_shop_json_get(json, ngx_http_social_native_names[i]),
                   &field[i]);

        if (rc == NGX_ERROR
            || (rc == NGX_OK && !ngx_http_social_native_valid(&field[i])))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_native_parse_form(ngx_http_request_t *r, ngx_str_t *text,
    ngx_str_t *field, const char **reason)
{
    ngx_str_t         raw, name, value;
    ngx_uint_t        i;
    ngx_shop_query_t  query;

    ngx_shop_query_init(&query, text);

    while (ngx_shop_query_next(&query, &raw, &value) == NGX_OK) {

        if (ngx_shop_unescape_form(r->pool, &raw, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        for (i = 0; i < NGX_HTTP_SOCIAL_FIELDS; i++) {
            if (ngx_shop_text_is(&name, ngx_http_social_native_names[i])) {
                break;
            }
        }

        if (i == NGX_HTTP_SOCIAL_FIELDS) {
            continue;
        }

        if (field[i].len) {
            *reason = "parameter_duplicated";
            return NGX_ERROR;
        }

        if (ngx_shop_unescape_form(r->pool, &value, &field[i]) != NGX_OK
            || !ngx_http_social_native_valid(&field[i]))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_social_native_valid(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < 0x20 || value->data[i] > 0x7e) {
            return 0;
        }
    }

    return value->len != 0;
}


/*
 * A browser that is led to here by another site says so, by one header or
 * the other, and who sends neither is no browser.
 */

static ngx_int_t
ngx_http_social_native_asked(ngx_http_social_flow_t *flow, ngx_str_t *field)
{
    ngx_str_t                  value;
    ngx_http_request_t        *r;
    ngx_http_shop_srv_conf_t  *sscf;

    r = flow->request;

    if (field[NGX_HTTP_SOCIAL_CREDENTIAL].len) {

        if (ngx_shop_cookie_get(r, "g_csrf_token", &value) != NGX_OK
            || field[NGX_HTTP_SOCIAL_CSRF].len == 0
            || !ngx_shop_equal(&value, &field[NGX_HTTP_SOCIAL_CSRF]))
        {
            return ngx_http_social_flow_refuse(flow, NGX_HTTP_FORBIDDEN,
                                               "csrf_mismatch");
        }

        return NGX_OK;
    }

    if (ngx_shop_header_in_get(r, "sec-fetch-site", &value) == NGX_DECLINED
        && ngx_shop_header_in_get(r, "origin", &value) == NGX_DECLINED)
    {
        return NGX_OK;
    }

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_shop_module);

    if (ngx_shop_same_origin(r, &sscf->base->origin) != NGX_OK) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_FORBIDDEN,
                                           "origin_refused");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_social_native_given(ngx_http_social_flow_t *flow, ngx_str_t *field)
{
    u_char               *dot;
    ngx_str_t             signed_part, uri;
    ngx_uint_t            n;
    ngx_shop_provider_t  *provider;

    n = (field[NGX_HTTP_SOCIAL_ID_TOKEN].len != 0)
        + (field[NGX_HTTP_SOCIAL_CREDENTIAL].len != 0)
        + (field[NGX_HTTP_SOCIAL_CODE].len != 0);

    if (n == 0 && field[NGX_HTTP_SOCIAL_ACCESS_TOKEN].len) {
        return ngx_http_social_native_access_token(flow,
                                       &field[NGX_HTTP_SOCIAL_ACCESS_TOKEN]);
    }

    if (n != 1) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           n ? "request_malformed"
                                             : "token_missing");
    }

    provider = &flow->provider->conf;

    flow->step = ngx_http_social_native_metadata;
    flow->attempt.nonce = field[NGX_HTTP_SOCIAL_NONCE];

    if (field[NGX_HTTP_SOCIAL_CODE].len) {

        if (provider->flow != NGX_SHOP_FLOW_CODE
            || provider->no_native_code)
        {
            return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                               "code_unsupported");
        }

        /* what Google's library for pages has in place of one */

        uri = field[NGX_HTTP_SOCIAL_REDIRECT_URI];

        if (uri.len && !ngx_shop_text_is(&uri, "postmessage")) {
            return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                               "redirect_uri_refused");
        }

        flow->redirect_uri = uri;
        flow->resp.code = field[NGX_HTTP_SOCIAL_CODE];
        flow->attempt.verifier = field[NGX_HTTP_SOCIAL_VERIFIER];

        return ngx_http_social_attempt_id(flow, &flow->resp.code);
    }

    flow->presented = 1;
    flow->token.id_token = field[flow->json ? NGX_HTTP_SOCIAL_ID_TOKEN
                                            : NGX_HTTP_SOCIAL_CREDENTIAL];

    if (provider->oauth2 || provider->flow == NGX_SHOP_FLOW_WIDGET) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "id_token_unsupported");
    }

    if (provider->flow == NGX_SHOP_FLOW_NATIVE
        && (provider->nonce == NGX_SHOP_NONCE_STRICT
            || provider->nonce == NGX_SHOP_NONCE_OR_SHA256)
        && flow->attempt.nonce.len == 0)
    {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "nonce_missing");
    }

    signed_part = flow->token.id_token;

    dot = signed_part.data + signed_part.len;

    while (dot > signed_part.data) {
        if (*--dot == '.') {
            signed_part.len = dot - signed_part.data;
            break;
        }
    }

    return ngx_http_social_attempt_id(flow, &signed_part);
}


static ngx_int_t
ngx_http_social_native_access_token(ngx_http_social_flow_t *flow,
    ngx_str_t *token)
{
    u_char     buf[NGX_SHOP_SHA256_LEN];
    ngx_str_t  random;

    if (flow->provider->conf.tokeninfo.len == 0) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "access_token_unsupported");
    }

    flow->presented = 1;
    flow->token.access_token = *token;
    flow->step = ngx_http_social_native_metadata;

    /* each time it is another login */

    random.data = buf;
    random.len = NGX_SHOP_SHA256_LEN;

    if (ngx_shop_random(buf, NGX_SHOP_SHA256_LEN,
                        flow->request->connection->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_attempt_id(flow, &random);
}


static ngx_int_t
ngx_http_social_native_metadata(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_flow_metadata(flow);

    if (rc == NGX_OK) {
        flow->step = flow->token.access_token.len
                     ? ngx_http_social_exchange_tokeninfo
                     : flow->presented ? ngx_http_social_exchange_keys
                                       : ngx_http_social_exchange;
    }

    return rc;
}


/* not before it is known to be good: anybody can make up tokens */

ngx_int_t
ngx_http_social_native_spend(ngx_http_social_flow_t *flow)
{
    return ngx_http_social_spend(flow, ngx_http_social_native_spent);
}


static ngx_int_t
ngx_http_social_native_spent(ngx_http_social_flow_t *flow)
{
    ngx_int_t  rc;

    rc = ngx_http_social_spent(flow);

    if (rc == NGX_DECLINED) {
        return ngx_http_social_flow_refuse(flow, NGX_HTTP_BAD_REQUEST,
                                           "token_spent");
    }

    flow->step = ngx_http_social_exchange_identity;

    return rc;
}


/* the session is in the cookie alone */

ngx_int_t
ngx_http_social_native_answer(ngx_http_social_flow_t *flow)
{
    ngx_str_t            text;
    ngx_pool_t          *pool;
    ngx_shop_json_t     *json;
    ngx_http_request_t  *r;

    r = flow->request;
    pool = r->pool;

    json = ngx_shop_json_new_object(pool);

    if (json == NULL
        || ngx_shop_json_set(pool, json, "customer",
                             ngx_shop_json_new_string(pool, &flow->customer))
           != NGX_OK
        || ngx_shop_json_set(pool, json, "provider",
                             ngx_shop_json_new_string(pool,
                                                &flow->provider->conf.name))
           != NGX_OK
        || ngx_shop_json_dump(pool, json, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_answer(flow,
                   ngx_shop_respond(r, NGX_HTTP_OK, "application/json",
                                    &text));
}
