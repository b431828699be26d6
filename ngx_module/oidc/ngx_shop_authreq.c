
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * One login attempt, from the redirect to the provider until its answer.
 *
 * What has to be remembered goes into a cookie, sealed by the caller, so the
 * attempt is bound to one browser and nothing is kept here.  Packed it is
 *
 *     version (1)  flags (1)  created (8)
 *     length (2), bytes: provider, state, nonce, verifier, binding, path
 *
 * with numbers in network byte order.  "binding" is a digest of what the
 * attempt was started for: after a change of configuration, or at a name
 * that is another client elsewhere, its answer is worth nothing.
 */


#define NGX_SHOP_ATTEMPT_VERSION   1
#define NGX_SHOP_ATTEMPT_LINK      0x01
#define NGX_SHOP_ATTEMPT_HEAD      10
#define NGX_SHOP_ATTEMPT_FIELDS    6

#define NGX_SHOP_ATTEMPT_RANDOM    32
#define NGX_SHOP_ATTEMPT_TEXT      43       /* of 32 bytes in base64url */
#define NGX_SHOP_ATTEMPT_NAME_MAX  40
#define NGX_SHOP_ATTEMPT_PATH_MAX  2048


static ngx_int_t ngx_shop_attempt_random(ngx_pool_t *pool, ngx_str_t *text,
    ngx_log_t *log);
static ngx_int_t ngx_shop_attempt_digest(ngx_pool_t *pool, ngx_str_t *data,
    ngx_str_t *text, ngx_uint_t hex, ngx_log_t *log);
static void ngx_shop_attempt_fields(ngx_shop_attempt_t *attempt,
    ngx_str_t **fields);
static u_char *ngx_shop_authreq_put(u_char *p, uint64_t n, size_t len);
static uint64_t ngx_shop_authreq_get(u_char *p, size_t len);
static ngx_int_t ngx_shop_authreq_join(ngx_pool_t *pool,
    ngx_shop_url_t *endpoint, ngx_str_t *query, ngx_str_t *suffix,
    ngx_str_t *url);
static ngx_int_t ngx_shop_authreq_fields(ngx_array_t *fields,
    ngx_shop_provider_t *provider, ngx_shop_attempt_t *attempt,
    ngx_str_t *redirect_uri, ngx_str_t *challenge);
static ngx_int_t ngx_shop_authreq_extra(ngx_array_t *fields,
    ngx_shop_provider_t *provider);
static ngx_int_t ngx_shop_authresp_field(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *name, ngx_str_t *value,
    ngx_shop_authresp_t *resp, const char **reason);
static ngx_int_t ngx_shop_authresp_printable(ngx_str_t *value);


static const char  *ngx_shop_authreq_names[] = {
    "response_type", "response_mode", "client_id", "redirect_uri", "scope",
    "state", "nonce", "code_challenge", "code_challenge_method", "request",
    "request_uri", NULL
};


static const char  *ngx_shop_authreq_widget_names[] = {
    "bot_id", "origin", "return_to", NULL
};


/* a customer who changed his mind, as providers call it */

static const char  *ngx_shop_authresp_denied[] = {
    "access_denied",
    "user_cancelled_authorize",             /* Apple, LinkedIn */
    "user_cancelled_login",                 /* LinkedIn */
    NULL
};


ngx_int_t
ngx_shop_attempt_create(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *redirect_uri, ngx_str_t *path, ngx_uint_t link, time_t now,
    ngx_shop_attempt_t *attempt, ngx_log_t *log)
{
    ngx_memzero(attempt, sizeof(ngx_shop_attempt_t));

    attempt->provider = provider->name;
    attempt->path = *path;
    attempt->created = now;
    attempt->link = link ? 1 : 0;

    if (ngx_shop_attempt_random(pool, &attempt->state, log) != NGX_OK
        || ngx_shop_attempt_random(pool, &attempt->nonce, log) != NGX_OK
        || ngx_shop_attempt_random(pool, &attempt->verifier, log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_attempt_binding(pool, provider, redirect_uri,
                                    &attempt->binding, log);
}


static ngx_int_t
ngx_shop_attempt_random(ngx_pool_t *pool, ngx_str_t *text, ngx_log_t *log)
{
    ngx_int_t  rc;
    ngx_str_t  raw;
    u_char     buf[NGX_SHOP_ATTEMPT_RANDOM];

    if (ngx_shop_random(buf, NGX_SHOP_ATTEMPT_RANDOM, log) != NGX_OK) {
        return NGX_ERROR;
    }

    raw.data = buf;
    raw.len = NGX_SHOP_ATTEMPT_RANDOM;

    rc = ngx_shop_base64url(pool, &raw, text);

    ngx_shop_zero(buf, NGX_SHOP_ATTEMPT_RANDOM);

    return rc;
}


ngx_int_t
ngx_shop_attempt_binding(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *redirect_uri, ngx_str_t *binding, ngx_log_t *log)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    data, *parts[3];
    ngx_uint_t   i;

    parts[0] = &provider->issuer;
    parts[1] = &provider->client_id;
    parts[2] = redirect_uri;

    len = 0;

    for (i = 0; i < 3; i++) {
        len += 4 + parts[i]->len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    data.data = p;
    data.len = len;

    /* lengths, so that no two triples are written alike */

    for (i = 0; i < 3; i++) {
        p = ngx_shop_authreq_put(p, parts[i]->len, 4);
        p = ngx_cpymem(p, parts[i]->data, parts[i]->len);
    }

    return ngx_shop_attempt_digest(pool, &data, binding, 0, log);
}


static ngx_int_t
ngx_shop_attempt_digest(ngx_pool_t *pool, ngx_str_t *data, ngx_str_t *text,
    ngx_uint_t hex, ngx_log_t *log)
{
    ngx_str_t  raw;
    u_char     digest[NGX_SHOP_SHA256_LEN];

    if (ngx_shop_sha256(data, digest, log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (hex) {
        return ngx_shop_hex(pool, digest, NGX_SHOP_SHA256_LEN, text);
    }

    raw.data = digest;
    raw.len = NGX_SHOP_SHA256_LEN;

    return ngx_shop_base64url(pool, &raw, text);
}


ngx_int_t
ngx_shop_attempt_pack(ngx_pool_t *pool, ngx_shop_attempt_t *attempt,
    ngx_str_t *packed)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *fields[NGX_SHOP_ATTEMPT_FIELDS];
    ngx_uint_t   i;

    ngx_shop_attempt_fields(attempt, fields);

    len = NGX_SHOP_ATTEMPT_HEAD;

    for (i = 0; i < NGX_SHOP_ATTEMPT_FIELDS; i++) {

        if (fields[i]->len > NGX_SHOP_ATTEMPT_PATH_MAX) {
            return NGX_ERROR;
        }

        len += 2 + fields[i]->len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    packed->data = p;
    packed->len = len;

    *p++ = NGX_SHOP_ATTEMPT_VERSION;
    *p++ = attempt->link ? NGX_SHOP_ATTEMPT_LINK : 0;
    p = ngx_shop_authreq_put(p, (uint64_t) attempt->created, 8);

    for (i = 0; i < NGX_SHOP_ATTEMPT_FIELDS; i++) {
        p = ngx_shop_authreq_put(p, fields[i]->len, 2);
        p = ngx_cpymem(p, fields[i]->data, fields[i]->len);
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_attempt_unpack(ngx_pool_t *pool, ngx_str_t *packed,
    ngx_shop_attempt_t *attempt)
{
    u_char      *p, *last;
    size_t       len;
    ngx_str_t    copy, *fields[NGX_SHOP_ATTEMPT_FIELDS];
    ngx_uint_t   i;

    ngx_memzero(attempt, sizeof(ngx_shop_attempt_t));

    if (packed->len < NGX_SHOP_ATTEMPT_HEAD
        || packed->data[0] != NGX_SHOP_ATTEMPT_VERSION
        || (packed->data[1] & ~NGX_SHOP_ATTEMPT_LINK))
    {
        return NGX_ERROR;
    }

    copy.len = packed->len;
    copy.data = ngx_pstrdup(pool, packed);
    if (copy.data == NULL) {
        return NGX_ERROR;
    }

    p = copy.data;
    last = p + copy.len;

    attempt->link = (p[1] & NGX_SHOP_ATTEMPT_LINK) ? 1 : 0;
    attempt->created = (time_t) ngx_shop_authreq_get(p + 2, 8);

    p += NGX_SHOP_ATTEMPT_HEAD;

    ngx_shop_attempt_fields(attempt, fields);

    for (i = 0; i < NGX_SHOP_ATTEMPT_FIELDS; i++) {

        if (last - p < 2) {
            return NGX_ERROR;
        }

        len = (size_t) ngx_shop_authreq_get(p, 2);
        p += 2;

        if ((size_t) (last - p) < len) {
            return NGX_ERROR;
        }

        fields[i]->data = p;
        fields[i]->len = len;

        p += len;
    }

    if (p != last
        || attempt->created < 0
        || attempt->provider.len == 0
        || attempt->provider.len > NGX_SHOP_ATTEMPT_NAME_MAX
        || attempt->state.len != NGX_SHOP_ATTEMPT_TEXT
        || attempt->nonce.len != NGX_SHOP_ATTEMPT_TEXT
        || attempt->verifier.len != NGX_SHOP_ATTEMPT_TEXT
        || attempt->binding.len != NGX_SHOP_ATTEMPT_TEXT
        || attempt->path.len == 0
        || attempt->path.len > NGX_SHOP_ATTEMPT_PATH_MAX)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* in the order they are packed */

static void
ngx_shop_attempt_fields(ngx_shop_attempt_t *attempt, ngx_str_t **fields)
{
    fields[0] = &attempt->provider;
    fields[1] = &attempt->state;
    fields[2] = &attempt->nonce;
    fields[3] = &attempt->verifier;
    fields[4] = &attempt->binding;
    fields[5] = &attempt->path;
}


static u_char *
ngx_shop_authreq_put(u_char *p, uint64_t n, size_t len)
{
    while (len--) {
        *p++ = (u_char) (n >> (8 * len));
    }

    return p;
}


static uint64_t
ngx_shop_authreq_get(u_char *p, size_t len)
{
    uint64_t  n;

    n = 0;

    while (len--) {
        n = (n << 8) | *p++;
    }

    return n;
}


ngx_uint_t
ngx_shop_authreq_reserved(ngx_shop_provider_t *provider, ngx_str_t *name)
{
    ngx_uint_t    i;
    const char  **names;

    if (name->len
        && name->len == provider->p_client_id.len
        && ngx_strncmp(name->data, provider->p_client_id.data, name->len)
           == 0)
    {
        return 1;
    }

    names = (provider->flow == NGX_SHOP_FLOW_WIDGET)
            ? ngx_shop_authreq_widget_names : ngx_shop_authreq_names;

    for (i = 0; names[i] != NULL; i++) {

        if (ngx_shop_text_is(name, names[i])) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_shop_authreq_endpoint(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_url_t *url, ngx_str_t *name)
{
    u_char            *p, *last;
    ngx_str_t          args, decoded, value;
    ngx_shop_query_t   query;

    if (url->uri.len == 0) {
        return NGX_OK;
    }

    last = url->uri.data + url->uri.len;

    p = ngx_strlchr(url->uri.data, last, '?');
    if (p == NULL) {
        return NGX_OK;
    }

    args.data = p + 1;
    args.len = last - args.data;

    ngx_shop_query_init(&query, &args);

    while (ngx_shop_query_next(&query, name, &value) == NGX_OK) {

        if (ngx_shop_unescape_form(pool, name, &decoded) != NGX_OK
            || ngx_shop_authreq_reserved(provider, &decoded))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_authreq_url(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_metadata_t *metadata, ngx_shop_attempt_t *attempt,
    ngx_str_t *redirect_uri, ngx_str_t *url, ngx_log_t *log)
{
    ngx_int_t    rc;
    ngx_str_t    challenge, query;
    ngx_array_t  fields;

    ngx_str_null(&challenge);

    if (provider->pkce != NGX_SHOP_PKCE_OFF
        && ngx_shop_attempt_digest(pool, &attempt->verifier, &challenge,
                                   provider->pkce == NGX_SHOP_PKCE_S256_HEX,
                                   log)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_array_init(&fields, pool, 16, sizeof(ngx_keyval_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = (provider->flow == NGX_SHOP_FLOW_WIDGET)
         ? ngx_shop_widget_fields(pool, provider, attempt, redirect_uri,
                                  &fields)
         : ngx_shop_authreq_fields(&fields, provider, attempt, redirect_uri,
                                   &challenge);

    if (rc != NGX_OK
        || ngx_shop_authreq_extra(&fields, provider) != NGX_OK
        || ngx_shop_form_encode(pool, &fields, &query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_authreq_join(pool, &metadata->authz, &query,
                                 &provider->authz_suffix, url);
}


ngx_int_t
ngx_shop_authreq_logout_url(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_url_t *endpoint, ngx_str_t *back, ngx_str_t *url)
{
    ngx_str_t    query, suffix;
    ngx_array_t  fields;

    ngx_str_null(&suffix);

    if (ngx_array_init(&fields, pool, 2, sizeof(ngx_keyval_t)) != NGX_OK
        || ngx_shop_form_named(&fields, &provider->p_client_id, "client_id",
                               &provider->client_id)
           != NGX_OK
        || ngx_shop_form_named(&fields, &provider->p_logout,
                               "post_logout_redirect_uri", back)
           != NGX_OK
        || ngx_shop_form_encode(pool, &fields, &query) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_authreq_join(pool, endpoint, &query, &suffix, url);
}


/* an endpoint may have a query of its own */

static ngx_int_t
ngx_shop_authreq_join(ngx_pool_t *pool, ngx_shop_url_t *endpoint,
    ngx_str_t *query, ngx_str_t *suffix, ngx_str_t *url)
{
    u_char     *p, *q;
    ngx_str_t  *origin, *uri;

    origin = &endpoint->origin;
    uri = &endpoint->uri;

    p = ngx_pnalloc(pool, origin->len + uri->len + 1 + query->len
                          + suffix->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    url->data = p;

    p = ngx_cpymem(p, origin->data, origin->len);
    p = ngx_cpymem(p, uri->data, uri->len);

    q = ngx_strlchr(uri->data, uri->data + uri->len, '?');

    if (q == NULL) {
        *p++ = '?';

    } else if (p[-1] != '?' && p[-1] != '&') {
        *p++ = '&';
    }

    p = ngx_cpymem(p, query->data, query->len);

    if (suffix->len) {
        p = ngx_cpymem(p, suffix->data, suffix->len);
    }

    url->len = p - url->data;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_authreq_fields(ngx_array_t *fields, ngx_shop_provider_t *provider,
    ngx_shop_attempt_t *attempt, ngx_str_t *redirect_uri,
    ngx_str_t *challenge)
{
    ngx_str_t  code, form_post, s256;

    ngx_str_set(&code, "code");
    ngx_str_set(&form_post, "form_post");
    ngx_str_set(&s256, "S256");

    /* in the order of the alphabet, which matters at WeChat */

    if (ngx_shop_form_named(fields, &provider->p_client_id, "client_id",
                            &provider->client_id)
        != NGX_OK
        || ngx_shop_form_add(fields, "redirect_uri", redirect_uri) != NGX_OK
        || ngx_shop_form_add(fields, "response_type", &code) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (provider->scope.len
        && ngx_shop_form_add(fields, "scope", &provider->scope) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_form_add(fields, "state", &attempt->state) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!provider->oauth2
        && provider->nonce != NGX_SHOP_NONCE_OFF
        && ngx_shop_form_add(fields, "nonce", &attempt->nonce) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (provider->form_post
        && ngx_shop_form_add(fields, "response_mode", &form_post) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (challenge->len
        && ngx_shop_form_add(fields, "code_challenge", challenge) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (challenge->len && provider->pkce != NGX_SHOP_PKCE_S256_NOMETHOD
        && ngx_shop_form_add(fields, "code_challenge_method", &s256)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_authreq_extra(ngx_array_t *fields, ngx_shop_provider_t *provider)
{
    ngx_uint_t     i, n;
    ngx_keyval_t  *extra;

    n = provider->authz_extra ? provider->authz_extra->nelts : 0;
    extra = n ? provider->authz_extra->elts : NULL;

    for (i = 0; i < n; i++) {
        if (ngx_shop_form_push(fields, &extra[i].key, &extra[i].value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_authresp_parse(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *fields, ngx_shop_authresp_t *resp, const char **reason)
{
    ngx_str_t         raw, name, value;
    ngx_shop_query_t  query;

    ngx_memzero(resp, sizeof(ngx_shop_authresp_t));

    *reason = "callback_malformed";

    if (fields->len > NGX_SHOP_CALLBACK_MAX) {
        return NGX_ERROR;
    }

    ngx_shop_query_init(&query, fields);

    while (ngx_shop_query_next(&query, &raw, &value) == NGX_OK) {

        /* decoded, since "%73tate" is "state" to everybody else */

        if (ngx_shop_unescape_form(pool, &raw, &name) != NGX_OK
            || ngx_shop_authresp_field(pool, provider, &name, &value, resp,
                                       reason)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (resp->has_failure && !resp->has_error) {
        resp->has_error = 1;
        resp->error = resp->failure;
    }

    if (resp->state.len == 0) {
        *reason = "state_missing";
        return NGX_ERROR;
    }

    return ngx_shop_authresp_wanted(pool, provider, fields);
}


static ngx_int_t
ngx_shop_authresp_field(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *name, ngx_str_t *value, ngx_shop_authresp_t *resp,
    const char **reason)
{
    ngx_str_t   *field, code;
    ngx_uint_t   seen;

    code = provider->p_code;

    if (code.len == 0) {
        ngx_str_set(&code, "code");
    }

    if (ngx_shop_text_is(name, "state")) {
        field = &resp->state;
        seen = resp->has_state;
        resp->has_state = 1;

    } else if (name->len == code.len
               && ngx_memcmp(name->data, code.data, code.len) == 0)
    {
        field = &resp->code;
        seen = resp->has_code;
        resp->has_code = 1;

    } else if (ngx_shop_text_is(name, "iss")) {
        field = &resp->iss;
        seen = resp->has_iss;
        resp->has_iss = 1;

    } else if (ngx_shop_text_is(name, "error")) {
        field = &resp->error;
        seen = resp->has_error;
        resp->has_error = 1;

    } else if (name->len
               && name->len == provider->p_error.len
               && ngx_memcmp(name->data, provider->p_error.data, name->len)
                  == 0)
    {
        field = &resp->failure;
        seen = resp->has_failure;
        resp->has_failure = 1;

    } else {
        return NGX_OK;
    }

    if (seen) {
        *reason = "parameter_duplicated";
        return NGX_ERROR;
    }

    if (ngx_shop_unescape_form(pool, value, field) != NGX_OK
        || ngx_shop_authresp_printable(field) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* all of them are of VSCHAR or less: RFC 6749 appendix A, RFC 9207 2 */

static ngx_int_t
ngx_shop_authresp_printable(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {

        if (value->data[i] < 0x20 || value->data[i] > 0x7e) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_authresp_wanted(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *fields)
{
    ngx_int_t    rc;
    ngx_str_t   *name, value;
    ngx_uint_t   i;

    name = provider->fields.elts;

    for (i = 0; i < provider->fields.nelts; i++) {

        rc = ngx_shop_query_get(pool, fields, (char *) name[i].data, &value);

        /* an expression could not be made of it, which nobody would be told */

        if (rc == NGX_ERROR
            || (rc == NGX_OK
                && (value.len > NGX_SHOP_CLAIM_VALUE_MAX
                    || !ngx_shop_utf8_valid(&value))))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_authresp_check(ngx_shop_provider_t *provider,
    ngx_shop_metadata_t *metadata, ngx_shop_authresp_t *resp,
    const char **reason)
{
    ngx_uint_t  i;

    /* first of all, since an error may be another provider's as well */

    if (provider->iss_ignored) {
        /* void */

    } else if (resp->has_iss) {

        if (!ngx_shop_provider_is_issuer(provider, &resp->iss)) {
            *reason = "issuer_mismatch";
            return NGX_ERROR;
        }

    } else if (metadata != NULL && metadata->iss_parameter) {
        *reason = "issuer_missing";
        return NGX_ERROR;
    }

    if (resp->has_error) {
        ngx_shop_provider_error(provider, &resp->error);

        *reason = "provider_error";

        for (i = 0; ngx_shop_authresp_denied[i] != NULL; i++) {

            if (ngx_shop_text_is(&resp->error, ngx_shop_authresp_denied[i])) {
                *reason = "access_denied";
                break;
            }
        }

        return NGX_ERROR;
    }

    if (resp->code.len == 0) {
        *reason = "code_missing";
        return NGX_ERROR;
    }

    return NGX_OK;
}
