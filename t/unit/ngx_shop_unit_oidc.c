
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/pem.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"

#include "ngx_shop_unit.h"
#include "ngx_shop_unit_oidc.h"


/*
 * The rules of the protocol against documents and answers as a hostile or a
 * careless provider would write them.  Each case is a text and the reason it
 * is refused for, NULL where it passes.
 */


typedef struct {
    const char                *what;
    const char                *text;
    const char                *reason;
} ngx_shop_unit_oidc_case_t;


typedef struct {
    const char                *what;
    const char                *text;
    const char                *value;       /* NULL: left out */
} ngx_shop_unit_oidc_text_t;


static void ngx_shop_unit_oidc_discovery_url(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_discovery(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_metadata(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_configured(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_tenants(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_loopback(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_methods(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_attempt(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_unpack(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_binding(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_request(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_callback(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_callback_check(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_exchange(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_secret(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_proof(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_signed(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_signed_bits(ngx_shop_unit_t *u);
static ngx_shop_provider_t *ngx_shop_unit_oidc_alipay(ngx_shop_unit_t *u);
static ngx_int_t ngx_shop_unit_oidc_answer(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, ngx_str_t *text, ngx_str_t *told);
static ngx_str_t ngx_shop_unit_oidc_secret_at(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, time_t now);
static void ngx_shop_unit_oidc_token(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_claims(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_names(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_email(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_verified(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_userinfo(ngx_shop_unit_t *u);
static void ngx_shop_unit_oidc_damaged(ngx_shop_unit_t *u);

static void ngx_shop_unit_oidc_provider(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider);
static ngx_str_t *ngx_shop_unit_oidc_str(ngx_shop_unit_t *u,
    const char *text);
static ngx_str_t *ngx_shop_unit_oidc_format(ngx_shop_unit_t *u,
    const char *fmt, ...);
static void ngx_shop_unit_oidc_told(ngx_shop_unit_t *u, ngx_int_t rc,
    const char *told, const char *reason, const char *what);
static void ngx_shop_unit_oidc_parsed(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, const char *text, const char *reason,
    const char *what);
static ngx_int_t ngx_shop_unit_oidc_identity(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, const char *claims,
    ngx_shop_identity_t *identity);
static void ngx_shop_unit_oidc_docs(ngx_shop_unit_t *u,
    ngx_shop_docs_t *docs, const char *claims);
static void ngx_shop_unit_oidc_asks(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, const char *claims, ngx_int_t rc,
    const char *what);
static void ngx_shop_unit_oidc_informed(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, const char *claims, const char *info,
    ngx_shop_identity_t *identity);
static ngx_uint_t ngx_shop_unit_oidc_field(ngx_shop_unit_t *u,
    ngx_str_t *fields, const char *name, const char *value);


ngx_shop_unit_test_t  ngx_shop_unit_oidc_tests[] = {
    { "address of the metadata", ngx_shop_unit_oidc_discovery_url },
    { "row 7: metadata", ngx_shop_unit_oidc_discovery },
    { "what metadata tells", ngx_shop_unit_oidc_metadata },
    { "what a shop configured", ngx_shop_unit_oidc_configured },
    { "row 8: an issuer of many tenants", ngx_shop_unit_oidc_tenants },
    { "loopback addresses", ngx_shop_unit_oidc_loopback },
    { "algorithms and client authentication", ngx_shop_unit_oidc_methods },
    { "row 1: an attempt", ngx_shop_unit_oidc_attempt },
    { "an attempt packed", ngx_shop_unit_oidc_unpack },
    { "row 3: what an attempt is bound to", ngx_shop_unit_oidc_binding },
    { "row 1: authorization request", ngx_shop_unit_oidc_request },
    { "rows 2 and 5: callback", ngx_shop_unit_oidc_callback },
    { "rows 4 and 6: answers", ngx_shop_unit_oidc_callback_check },
    { "row 17: code exchange", ngx_shop_unit_oidc_exchange },
    { "row 17: a signed secret", ngx_shop_unit_oidc_secret },
    { "row 17: a proof of the secret", ngx_shop_unit_oidc_proof },
    { "the part of an answer that is signed", ngx_shop_unit_oidc_signed },
    { "every bit of it", ngx_shop_unit_oidc_signed_bits },
    { "rows 18 and 20: token answer", ngx_shop_unit_oidc_token },
    { "row 16: subject", ngx_shop_unit_oidc_claims },
    { "row 31: names", ngx_shop_unit_oidc_names },
    { "row 16: e-mail", ngx_shop_unit_oidc_email },
    { "verified e-mail", ngx_shop_unit_oidc_verified },
    { "row 15: userinfo", ngx_shop_unit_oidc_userinfo },
    { "damaged documents", ngx_shop_unit_oidc_damaged },
    { NULL, NULL }
};


static void
ngx_shop_unit_oidc_discovery_url(ngx_shop_unit_t *u)
{
    ngx_str_t            url;
    ngx_uint_t           i;
    ngx_shop_provider_t  provider;

    static const char  *cases[][2] = {
        { "https://id.example",
          "https://id.example/.well-known/openid-configuration" },
        { "https://id.example/",
          "https://id.example/.well-known/openid-configuration" },
        { "https://id.example/realms/staff",
          "https://id.example/realms/staff/.well-known/openid-configuration" },
        { "https://id.example/realms/staff/",
          "https://id.example/realms/staff/.well-known/openid-configuration" },
        { NULL, NULL }
    };

    for (i = 0; cases[i][0]; i++) {
        ngx_shop_unit_oidc_provider(u, &provider);
        provider.issuer = *ngx_shop_unit_oidc_str(u, cases[i][0]);

        ngx_shop_unit_is_int(u,
            ngx_shop_provider_discovery_url(u->pool, &provider, &url),
            NGX_OK, "%s", cases[i][0]);
        ngx_shop_unit_is(u, &url, cases[i][1], "%s", cases[i][0]);
    }

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&provider.discovery, "https://other.example/x");

    (void) ngx_shop_provider_discovery_url(u->pool, &provider, &url);
    ngx_shop_unit_is(u, &url, "https://other.example/x", "configured");
}


#define OIDC_ISS    "\"issuer\":\"https://id.example\","
#define OIDC_AUTHZ  "\"authorization_endpoint\":\"https://id.example/a?p=1\","
#define OIDC_TOKEN  "\"token_endpoint\":\"https://id.example/t\","
#define OIDC_JWKS   "\"jwks_uri\":\"https://id.example/k\""

#define OIDC_META(more)                                                       \
    "{" more OIDC_ISS OIDC_AUTHZ OIDC_TOKEN OIDC_JWKS "}"
#define OIDC_META_ISS(iss)                                                    \
    "{" iss OIDC_AUTHZ OIDC_TOKEN OIDC_JWKS "}"
#define OIDC_META_AUTHZ(authz)                                                \
    "{" authz OIDC_ISS OIDC_TOKEN OIDC_JWKS "}"
#define OIDC_META_TOKEN(token)                                                \
    "{" token OIDC_ISS OIDC_AUTHZ OIDC_JWKS "}"

#define OIDC_AT(url)  OIDC_META_TOKEN("\"token_endpoint\":\"" url "\",")
#define OIDC_AUTHZ_AT(url)                                                    \
    OIDC_META_AUTHZ("\"authorization_endpoint\":\"" url "\",")


static ngx_shop_unit_oidc_case_t  ngx_shop_unit_oidc_documents[] = {
    { "the least", OIDC_META(""), NULL },
    { "unknown members", OIDC_META("\"x\":{},\"y\":null,"), NULL },
    { "empty", "", "metadata_malformed" },
    { "no JSON", "<html>", "metadata_malformed" },
    { "an array", "[]", "metadata_malformed" },
    { "null", "null", "metadata_malformed" },
    { "a text", "\"x\"", "metadata_malformed" },
    { "cut", "{" OIDC_ISS, "metadata_malformed" },
    { "issuer twice", OIDC_META(OIDC_ISS), "metadata_malformed" },
    { "token endpoint twice", OIDC_META(OIDC_TOKEN), "metadata_malformed" },

    { "no issuer", OIDC_META_ISS(""), "metadata_malformed" },
    { "issuer null", OIDC_META_ISS("\"issuer\":null,"),
      "metadata_malformed" },
    { "issuer a number", OIDC_META_ISS("\"issuer\":1,"),
      "metadata_malformed" },
    { "issuer an array", OIDC_META_ISS("\"issuer\":[\"https://id.example\"],"),
      "metadata_malformed" },
    { "issuer empty", OIDC_META_ISS("\"issuer\":\"\","), "issuer_mismatch" },
    { "issuer with a slash",
      OIDC_META_ISS("\"issuer\":\"https://id.example/\","),
      "issuer_mismatch" },
    { "issuer in upper case",
      OIDC_META_ISS("\"issuer\":\"https://ID.example\","),
      "issuer_mismatch" },
    { "issuer by http", OIDC_META_ISS("\"issuer\":\"http://id.example\","),
      "issuer_mismatch" },
    { "issuer with a suffix",
      OIDC_META_ISS("\"issuer\":\"https://id.example.evil\","),
      "issuer_mismatch" },
    { "issuer with a port",
      OIDC_META_ISS("\"issuer\":\"https://id.example:443\","),
      "issuer_mismatch" },

    { "no authorization endpoint", OIDC_META_AUTHZ(""), "endpoint_missing" },
    { "authorization endpoint null",
      OIDC_META_AUTHZ("\"authorization_endpoint\":null,"),
      "endpoint_missing" },
    { "authorization endpoint empty",
      OIDC_META_AUTHZ("\"authorization_endpoint\":\"\","),
      "endpoint_missing" },
    { "no token endpoint", OIDC_META_TOKEN(""), "endpoint_missing" },
    { "no keys", "{" OIDC_ISS OIDC_TOKEN
      "\"authorization_endpoint\":\"https://id.example/a\"}",
      "endpoint_missing" },
    { "token endpoint a number", OIDC_META_TOKEN("\"token_endpoint\":1,"),
      "metadata_malformed" },
    { "token endpoint an array",
      OIDC_META_TOKEN("\"token_endpoint\":[\"https://id.example/t\"],"),
      "metadata_malformed" },

    { "http", OIDC_AT("http://id.example/t"), "endpoint_insecure" },
    { "http and a name like ours", OIDC_AT("http://localhost.example/t"),
      "endpoint_insecure" },
    { "http and an address", OIDC_AT("http://10.0.0.1/t"),
      "endpoint_insecure" },
    { "http to loopback", OIDC_AT("http://127.0.0.1:6379/"),
      "endpoint_insecure" },
    { "https to loopback", OIDC_AT("https://localhost/"),
      "endpoint_insecure" },
    { "https to loopback by IPv6", OIDC_AT("https://[::1]/"),
      "endpoint_insecure" },
    { "another scheme", OIDC_AT("ftp://id.example/t"),
      "metadata_malformed" },
    { "javascript", OIDC_AUTHZ_AT("javascript:alert(1)"),
      "metadata_malformed" },
    { "relative", OIDC_AT("/t"), "metadata_malformed" },
    { "relative to the scheme", OIDC_AT("//id.example/t"),
      "metadata_malformed" },
    { "a fragment", OIDC_AT("https://id.example/t#x"),
      "metadata_malformed" },
    { "user information", OIDC_AT("https://u:p@id.example/t"),
      "metadata_malformed" },
    { "no host", OIDC_AT("https:///t"), "metadata_malformed" },
    { "a blank", OIDC_AT("https://id.example/t x"), "metadata_malformed" },
    { "a line feed", OIDC_AT("https://id.example/t\\r\\nHost:x"),
      "metadata_malformed" },
    { "a port too large", OIDC_AT("https://id.example:65536/"),
      "metadata_malformed" },
    { "not ASCII", OIDC_AT("https://id.\\u00e9xample/t"),
      "metadata_malformed" },

    { "our parameter in the query",
      OIDC_AUTHZ_AT("https://id.example/a?x=1&client_id=other"),
      "metadata_malformed" },
    { "our parameter, escaped",
      OIDC_AUTHZ_AT("https://id.example/a?%73tate=1"),
      "metadata_malformed" },
    { "our parameter without value",
      OIDC_AUTHZ_AT("https://id.example/a?nonce"), "metadata_malformed" },
    { "a query of its own",
      OIDC_AUTHZ_AT("https://id.example/a?tenant=x&states=1"), NULL },

    { "userinfo a number", OIDC_META("\"userinfo_endpoint\":1,"),
      "metadata_malformed" },
    { "userinfo by http",
      OIDC_META("\"userinfo_endpoint\":\"http://id.example/u\","),
      "endpoint_insecure" },
    { "userinfo null", OIDC_META("\"userinfo_endpoint\":null,"), NULL },
    { "logout by http",
      OIDC_META("\"end_session_endpoint\":\"http://id.example/l\","), NULL },
    { "logout by http, and what is no boolean",
      OIDC_META("\"end_session_endpoint\":\"http://id.example/l\","
                "\"authorization_response_iss_parameter_supported\":1,"),
      "metadata_malformed" },

    { "algorithms a text",
      OIDC_META("\"id_token_signing_alg_values_supported\":\"RS256\","),
      "metadata_malformed" },
    { "algorithms null",
      OIDC_META("\"id_token_signing_alg_values_supported\":null,"),
      "metadata_malformed" },
    { "algorithms of numbers",
      OIDC_META("\"id_token_signing_alg_values_supported\":[\"RS256\",1],"),
      "metadata_malformed" },
    { "no algorithms",
      OIDC_META("\"id_token_signing_alg_values_supported\":[],"),
      "alg_unsupported" },
    { "only none",
      OIDC_META("\"id_token_signing_alg_values_supported\":[\"none\"],"),
      "alg_unsupported" },
    { "only HS256",
      OIDC_META("\"id_token_signing_alg_values_supported\":[\"HS256\"],"),
      "alg_unsupported" },

    { "only private_key_jwt",
      OIDC_META("\"token_endpoint_auth_methods_supported\":"
                "[\"private_key_jwt\"],"), "client_auth_unsupported" },
    { "no client authentication",
      OIDC_META("\"token_endpoint_auth_methods_supported\":[],"),
      "client_auth_unsupported" },
    { "client authentication a text",
      OIDC_META("\"token_endpoint_auth_methods_supported\":"
                "\"client_secret_basic\","), "metadata_malformed" },
    { "client authentication of null",
      OIDC_META("\"token_endpoint_auth_methods_supported\":[null],"),
      "metadata_malformed" },

    { "iss parameter as text",
      OIDC_META("\"authorization_response_iss_parameter_supported\":"
                "\"true\","), "metadata_malformed" },
    { "iss parameter null",
      OIDC_META("\"authorization_response_iss_parameter_supported\":null,"),
      NULL },
    { NULL, NULL, NULL }
};


static void
ngx_shop_unit_oidc_discovery(ngx_shop_unit_t *u)
{
    u_char                     *p, *last;
    ngx_int_t                   rc;
    ngx_str_t                   text;
    ngx_uint_t                  n;
    ngx_pool_t                 *pool, *next;
    const char                 *told;
    ngx_pool_large_t           *large;
    ngx_shop_metadata_t         metadata;
    ngx_shop_provider_t         provider;
    ngx_shop_unit_oidc_case_t  *c;

    for (c = ngx_shop_unit_oidc_documents; c->what; c++) {
        ngx_shop_unit_oidc_provider(u, &provider);
        ngx_shop_unit_oidc_parsed(u, &provider, c->text, c->reason, c->what);
    }

    text.len = NGX_SHOP_METADATA_MAX + 1;
    text.data = ngx_palloc(u->pool, text.len);
    ngx_memset(text.data, ' ', text.len);
    ngx_memcpy(text.data, OIDC_META(""), sizeof(OIDC_META("")) - 1);

    told = "";
    rc = ngx_shop_discovery_parse(u->pool, &provider, &text, &metadata,
                                  &told);
    ngx_shop_unit_oidc_told(u, rc, told, "metadata_malformed", "too long");

    text.len--;

    rc = ngx_shop_discovery_parse(u->pool, &provider, &text, &metadata,
                                  &told);
    ngx_shop_unit_oidc_told(u, rc, told, NULL, "just short enough");

    /* what nobody asks for is not kept */

    p = text.data + sizeof(OIDC_META("")) - 2;
    last = text.data + text.len - sizeof(",1]}");
    p = ngx_cpymem(p, ",\"x\":[1", sizeof(",\"x\":[1") - 1);

    while (p < last) {
        *p++ = ',';
        *p++ = '1';
    }

    *p++ = ']';
    *p = '}';

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, u->pool->log);
    if (pool == NULL) {
        return;
    }

    rc = ngx_shop_discovery_parse(pool, &provider, &text, &metadata, &told);
    ngx_shop_unit_oidc_told(u, rc, told, NULL, "a long list");

    /* a pool that debugs has each piece of memory apart */

    n = 0;

    for (large = pool->large; large; large = large->next) {
        n++;
    }

    for (next = pool->d.next; next; next = next->d.next) {
        n++;
    }

    ngx_shop_unit_ok(u, n < 100, "nothing of it is kept: %ui", n);

    ngx_destroy_pool(pool);
}


static void
ngx_shop_unit_oidc_metadata(ngx_shop_unit_t *u)
{
    ngx_str_t            *text;
    const char           *told;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);

    text = ngx_shop_unit_oidc_str(u, OIDC_META(""));

    (void) ngx_shop_discovery_parse(u->pool, &provider, text, &metadata,
                                    &told);

    ngx_shop_unit_is(u, &metadata.authz.host, "id.example", "authz");
    ngx_shop_unit_is(u, &metadata.authz.uri, "/a?p=1", "authz");
    ngx_shop_unit_is(u, &metadata.token.uri, "/t", "token");
    ngx_shop_unit_is(u, &metadata.jwks.uri, "/k", "jwks");
    ngx_shop_unit_is_int(u, metadata.userinfo.host.len, 0, "no userinfo");
    ngx_shop_unit_is_int(u, metadata.logout.host.len, 0, "no logout");
    ngx_shop_unit_is_int(u, metadata.algs, NGX_SHOP_JWS_RS256,
                         "RS256 where not said");
    ngx_shop_unit_is_int(u, metadata.client_auth, NGX_SHOP_AUTH_BASIC,
                         "basic where not said");
    ngx_shop_unit_is_int(u, metadata.iss_parameter, 0, "no iss promised");

    text = ngx_shop_unit_oidc_str(u, OIDC_META(
        "\"userinfo_endpoint\":\"https://id.example/u\","
        "\"end_session_endpoint\":\"https://id.example/l\","
        "\"id_token_signing_alg_values_supported\":[\"none\",\"HS256\","
            "\"ES256\",\"PS256\",\"ES256K\",\"EdDSA\"],"
        "\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\","
            "\"client_secret_post\"],"
        "\"authorization_response_iss_parameter_supported\":true,"));

    (void) ngx_shop_discovery_parse(u->pool, &provider, text, &metadata,
                                    &told);

    ngx_shop_unit_is(u, &metadata.userinfo.uri, "/u", "userinfo");
    ngx_shop_unit_is(u, &metadata.logout.uri, "/l", "logout");
    ngx_shop_unit_is_int(u, metadata.algs,
                         NGX_SHOP_JWS_ES256|NGX_SHOP_JWS_PS256
                         |NGX_SHOP_JWS_EDDSA, "those we know, without HS256");
    ngx_shop_unit_is_int(u, metadata.client_auth, NGX_SHOP_AUTH_POST, "post");
    ngx_shop_unit_is_int(u, metadata.iss_parameter, 1, "iss is promised");

    text = ngx_shop_unit_oidc_str(u, OIDC_META(
        "\"end_session_endpoint\":\"http://id.example/l\","));

    (void) ngx_shop_discovery_parse(u->pool, &provider, text, &metadata,
                                    &told);

    ngx_shop_unit_is_int(u, metadata.logout.host.len, 0, "logout by http");
}


static void
ngx_shop_unit_oidc_configured(ngx_shop_unit_t *u)
{
    ngx_int_t             rc;
    ngx_str_t            *text;
    const char           *told;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);

    ngx_str_set(&provider.authz, "https://other.example/a");
    ngx_str_set(&provider.token, "http://127.0.0.1:9/t");
    ngx_str_set(&provider.userinfo, "https://other.example/u");
    ngx_str_set(&provider.jwks, "https://other.example/k");

    provider.client_auth = NGX_SHOP_AUTH_POST;
    provider.algs = NGX_SHOP_JWS_ES256;

    text = ngx_shop_unit_oidc_str(u, OIDC_META(
        "\"userinfo_endpoint\":\"https://id.example/u\","
        "\"id_token_signing_alg_values_supported\":[\"none\"],"
        "\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\"],"));

    told = "";
    rc = ngx_shop_discovery_parse(u->pool, &provider, text, &metadata, &told);

    ngx_shop_unit_oidc_told(u, rc, told, NULL, "the shop wins");
    ngx_shop_unit_is(u, &metadata.authz.host, "other.example", "authz");
    ngx_shop_unit_is(u, &metadata.token.host, "127.0.0.1", "token");
    ngx_shop_unit_is(u, &metadata.userinfo.host, "other.example", "userinfo");
    ngx_shop_unit_is(u, &metadata.jwks.host, "other.example", "jwks");
    ngx_shop_unit_is_int(u, metadata.algs, NGX_SHOP_JWS_ES256, "algs");
    ngx_shop_unit_is_int(u, metadata.client_auth, NGX_SHOP_AUTH_POST, "post");

    /* without any document */

    rc = ngx_shop_discovery_parse(u->pool, &provider, NULL, &metadata, &told);

    ngx_shop_unit_oidc_told(u, rc, told, NULL, "no document");
    ngx_shop_unit_is(u, &metadata.authz.host, "other.example", "authz");
    ngx_shop_unit_is_int(u, metadata.algs, NGX_SHOP_JWS_ES256, "algs");

    ngx_str_null(&provider.jwks);

    rc = ngx_shop_discovery_parse(u->pool, &provider, NULL, &metadata, &told);
    ngx_shop_unit_oidc_told(u, rc, told, "endpoint_missing",
                            "no document and no keys");

    provider.algs = NGX_SHOP_JWS_HS256;

    rc = ngx_shop_discovery_parse(u->pool, &provider, NULL, &metadata, &told);
    ngx_shop_unit_oidc_told(u, rc, told, NULL, "HS256 needs no keys");

    ngx_str_set(&provider.token, "http://id.example/t");

    rc = ngx_shop_discovery_parse(u->pool, &provider, NULL, &metadata, &told);
    ngx_shop_unit_oidc_told(u, rc, told, "endpoint_insecure",
                            "http by configuration");

    /* a wrong issuer is not made good by configuration */

    ngx_str_set(&provider.token, "https://id.example/t");
    ngx_str_set(&provider.issuer, "https://id.example/");

    rc = ngx_shop_discovery_parse(u->pool, &provider, text, &metadata, &told);
    ngx_shop_unit_oidc_told(u, rc, told, "issuer_mismatch",
                            "another issuer");
}


/* who is the issuer of "iss" and "tid", which tenants may sign in */

static void
ngx_shop_unit_oidc_tenants(ngx_shop_unit_t *u)
{
    ngx_str_t             iss, tid, text, issuer, company;
    ngx_uint_t            i, k, mine;
    ngx_shop_json_t      *claims;
    ngx_shop_provider_t   provider;

#define COMPANY   "4f1c2d3e-0a9b-4c8d-9e7f-112233445566"
#define OTHER     "00000000-0a9b-4c8d-9e7f-112233445566"
#define PERSONAL  "9188040d-6c67-4c5b-b112-36a304b66dad"

    static struct {
        ngx_str_t    tenant;
        const char  *admits[4];
        const char  *published;
    } rules[] = {
        { ngx_string("common"), { COMPANY, OTHER, PERSONAL, NULL },
          "{tenantid}" },
        { ngx_string("organizations"), { COMPANY, OTHER, NULL, NULL },
          "{tenantid}" },
        { ngx_string("consumers"), { PERSONAL, NULL, NULL, NULL }, PERSONAL },
        { ngx_string(COMPANY), { COMPANY, NULL, NULL, NULL }, COMPANY },
        { ngx_string("4F1C2D3E-0A9B-4C8D-9E7F-112233445566"),
          { COMPANY, NULL, NULL, NULL }, COMPANY },
        { ngx_string("shop.example"), { NULL, NULL, NULL, NULL }, NULL }
    };

    static const char  *tids[] = {
        COMPANY, OTHER, PERSONAL, "{tid}", "{tenantid}", "", "common",
        "4f1c2d3e-0a9b-4c8d-9e7f-11223344556",
        "4f1c2d3e-0a9b-4c8d-9e7f-1122334455660",
        "4f1c2d3e-0a9b-4c8d-9e7f-11223344556g",
        "4f1c2d3e_0a9b_4c8d_9e7f_112233445566",
        "4f1c2d3e-0a9b-4c8d-9e7f-1122334455/6", NULL
    };

    static const char  *wrong[] = {
        "{\"iss\":\"https://id.example/" COMPANY "/v2.0\"}",
        "{\"iss\":\"https://id.example/" COMPANY "/v2.0\",\"tid\":null}",
        "{\"iss\":\"https://id.example/" COMPANY "/v2.0\",\"tid\":1}",
        "{\"iss\":\"https://id.example/" COMPANY "/v2.0\",\"tid\":\"\"}",
        "{\"iss\":\"https://id.example/" COMPANY "/v2.0\","
            "\"tid\":\"" OTHER "\"}",
        "{\"iss\":\"https://id.example/" COMPANY "/v2.0/\","
            "\"tid\":\"" COMPANY "\"}",
        "{\"iss\":\"https://id.example/" COMPANY "\","
            "\"tid\":\"" COMPANY "\"}",
        "{\"iss\":\"https://sts.example/" COMPANY "/v2.0\","
            "\"tid\":\"" COMPANY "\"}",
        "{\"iss\":\"https://id.example/{tid}/v2.0\","
            "\"tid\":\"{tid}\"}",
        "{\"iss\":1,\"tid\":\"" COMPANY "\"}",
        "{\"tid\":\"" COMPANY "\"}",
        "[]",
        NULL
    };

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&provider.issuer, "https://id.example/{tid}/v2.0");
    ngx_str_set(&company, "https://id.example/" COMPANY "/v2.0");

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {

        provider.tenant = rules[i].tenant;

        for (k = 0; tids[k] != NULL; k++) {

            tid.data = (u_char *) tids[k];
            tid.len = ngx_strlen(tids[k]);

            iss.data = ngx_pnalloc(u->pool, 200);
            iss.len = ngx_sprintf(iss.data, "https://id.example/%V/v2.0%Z",
                                  &tid)
                      - iss.data - 1;
            text.data = ngx_pnalloc(u->pool, 400);
            text.len = ngx_sprintf(text.data,
                                   "{\"iss\":\"%V\",\"tid\":\"%V\"}", &iss,
                                   &tid)
                       - text.data;

            for (mine = 0; rules[i].admits[mine] != NULL
                           && ngx_strcmp(rules[i].admits[mine], tids[k]) != 0;
                 mine++)
            {
                /* void */
            }

            mine = (rules[i].admits[mine] != NULL);

            claims = ngx_shop_json_parse(u->pool, &text, 400);
            ngx_shop_provider_issuer(&provider, claims, &issuer);

            ngx_shop_unit_is(u, &issuer, mine ? (char *) iss.data : "",
                             "a token");
            ngx_shop_unit_is_int(u,
                          ngx_shop_provider_is_issuer(&provider, &iss), mine,
                          "%V, a callback: %V", &provider.tenant, &tid);
            ngx_shop_unit_is_int(u,
                          ngx_shop_provider_is_published(&provider, &iss),
                          rules[i].published != NULL
                          && ngx_strcmp(rules[i].published, tids[k]) == 0,
                          "%V, metadata: %V", &provider.tenant, &tid);
            ngx_shop_unit_is_int(u,
                          ngx_shop_provider_may_sign(&provider, &iss,
                                                     &company),
                          k == 0 || ngx_strcmp(tids[k], "{tenantid}") == 0,
                          "%V, a key: %V", &provider.tenant, &tid);
        }
    }

    ngx_str_set(&provider.tenant, "common");

    for (i = 0; wrong[i] != NULL; i++) {
        text = *ngx_shop_unit_oidc_str(u, wrong[i]);
        claims = ngx_shop_json_parse(u->pool, &text, 400);

        ngx_shop_provider_issuer(&provider, claims, &issuer);
        ngx_shop_unit_is_int(u, issuer.len, 0, "nobody: %V", &text);
    }

    ngx_str_null(&text);

    ngx_shop_unit_is_int(u, ngx_shop_provider_may_sign(&provider, &text,
                                                       &company),
                         1, "a key of nobody may sign for all");

    ngx_str_set(&text, NGX_SHOP_JWK_NO_ISSUER);

    ngx_shop_unit_is_int(u, ngx_shop_provider_may_sign(&provider, &text,
                                                       &company),
                         0, "a key of what is no issuer signs for none");

    ngx_str_null(&provider.tenant);
    ngx_str_set(&text, "https://other.example");

    ngx_shop_unit_is_int(u, ngx_shop_provider_may_sign(&provider, &text,
                                                       &company),
                         1, "a key's issuer is no matter without tenants");

#undef COMPANY
#undef OTHER
#undef PERSONAL
}


static void
ngx_shop_unit_oidc_loopback(ngx_shop_unit_t *u)
{
    ngx_shop_provider_t  provider;

    static const char  *text =
        "{\"issuer\":\"http://127.0.0.1:8081\","
        "\"authorization_endpoint\":\"http://127.0.0.1:8081/a\","
        "\"token_endpoint\":\"http://localhost:8081/t\","
        "\"jwks_uri\":\"http://[::1]:8081/k\"}";

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&provider.issuer, "http://127.0.0.1:8081");

    ngx_shop_unit_oidc_parsed(u, &provider, text, NULL,
                              "a provider on this machine");

    /* the document comes from elsewhere */

    ngx_str_set(&provider.discovery, "https://id.example/x");

    ngx_shop_unit_oidc_parsed(u, &provider, text, "endpoint_insecure",
                              "a document of another machine");
}


static void
ngx_shop_unit_oidc_methods(ngx_shop_unit_t *u)
{
    ngx_uint_t            i;
    const char           *told;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    static const struct {
        const char               *text;
        const char               *secret;
        ngx_shop_client_auth_e    auth;
    } cases[] = {
        { OIDC_META("\"token_endpoint_auth_methods_supported\":"
                    "[\"client_secret_post\",\"client_secret_basic\"],"),
          "s", NGX_SHOP_AUTH_BASIC },
        { OIDC_META("\"token_endpoint_auth_methods_supported\":"
                    "[\"none\",\"client_secret_post\"],"),
          "s", NGX_SHOP_AUTH_POST },
        { OIDC_META("\"token_endpoint_auth_methods_supported\":"
                    "[\"none\",\"client_secret_post\"],"),
          "", NGX_SHOP_AUTH_NONE },
        { OIDC_META("\"token_endpoint_auth_methods_supported\":"
                    "[\"client_secret_basic\"],"),
          "", NGX_SHOP_AUTH_NONE },
        { NULL, NULL, NGX_SHOP_AUTH_UNSET }
    };

    for (i = 0; cases[i].text; i++) {
        ngx_shop_unit_oidc_provider(u, &provider);
        provider.client_secret = *ngx_shop_unit_oidc_str(u, cases[i].secret);

        (void) ngx_shop_discovery_parse(u->pool, &provider,
                                  ngx_shop_unit_oidc_str(u, cases[i].text),
                                        &metadata, &told);
        ngx_shop_unit_is_int(u, metadata.client_auth, cases[i].auth,
                             "with secret \"%s\": %s", cases[i].secret,
                             cases[i].text);
    }
}


static void
ngx_shop_unit_oidc_attempt(ngx_shop_unit_t *u)
{
    ngx_str_t             uri, path, packed;
    ngx_shop_attempt_t    a, b;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);

    ngx_str_set(&uri, "https://shop.example/_shop/callback/work");
    ngx_str_set(&path, "/cart?a=1");

    ngx_shop_unit_is_int(u, ngx_shop_attempt_create(u->pool, &provider, &uri,
                                                    &path, 1, 1700000000, &a,
                                                    u->log),
                         NGX_OK, "made");
    ngx_shop_unit_is_int(u, ngx_shop_attempt_create(u->pool, &provider, &uri,
                                                    &path, 0, 1700000000, &b,
                                                    u->log),
                         NGX_OK, "made again");

    ngx_shop_unit_is_int(u, a.state.len, 43, "state");
    ngx_shop_unit_is_int(u, a.nonce.len, 43, "nonce");
    ngx_shop_unit_is_int(u, a.verifier.len, 43, "verifier");

    ngx_shop_unit_ok(u, !ngx_shop_equal(&a.state, &b.state)
                        && !ngx_shop_equal(&a.nonce, &b.nonce)
                        && !ngx_shop_equal(&a.verifier, &b.verifier),
                     "all three are fresh");
    ngx_shop_unit_ok(u, !ngx_shop_equal(&a.state, &a.nonce)
                        && !ngx_shop_equal(&a.nonce, &a.verifier),
                     "and differ");
    ngx_shop_unit_ok(u, ngx_shop_equal(&a.binding, &b.binding),
                     "the binding does not change");

    ngx_shop_unit_is_int(u, ngx_shop_attempt_pack(u->pool, &a, &packed),
                         NGX_OK, "packed");
    ngx_shop_unit_is_int(u, ngx_shop_attempt_unpack(u->pool, &packed, &b),
                         NGX_OK, "unpacked");

    ngx_shop_unit_is(u, &b.provider, "work", "provider");
    ngx_shop_unit_is_str(u, &b.state, &a.state, "state");
    ngx_shop_unit_is_str(u, &b.nonce, &a.nonce, "nonce");
    ngx_shop_unit_is_str(u, &b.verifier, &a.verifier, "verifier");
    ngx_shop_unit_is_str(u, &b.binding, &a.binding, "binding");
    ngx_shop_unit_is_str(u, &b.path, &path, "path");
    ngx_shop_unit_is_int(u, b.created, 1700000000, "created");
    ngx_shop_unit_is_int(u, b.link, 1, "link");
}


static void
ngx_shop_unit_oidc_unpack(ngx_shop_unit_t *u)
{
    ngx_int_t             rc;
    ngx_str_t             uri, path, packed, text;
    ngx_uint_t            i, n;
    ngx_shop_attempt_t    a, b;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);

    ngx_str_set(&uri, "https://shop.example/_shop/callback/work");
    ngx_str_set(&path, "/");

    (void) ngx_shop_attempt_create(u->pool, &provider, &uri, &path, 0, 1, &a,
                                   u->log);
    (void) ngx_shop_attempt_pack(u->pool, &a, &packed);

    /* each length that is too short, in a block that ends there */

    n = 0;

    for (i = 0; i < packed.len; i++) {
        text.len = i;
        text.data = ngx_alloc(i + 1, u->log);
        ngx_memcpy(text.data, packed.data, i);

        if (ngx_shop_attempt_unpack(u->pool, &text, &b) != NGX_ERROR) {
            n++;
        }

        ngx_free(text.data);
    }

    ngx_shop_unit_is_int(u, n, 0, "cut anywhere, it is refused");

    text.len = packed.len + 1;
    text.data = ngx_pcalloc(u->pool, text.len);
    ngx_memcpy(text.data, packed.data, packed.len);

    ngx_shop_unit_is_int(u, ngx_shop_attempt_unpack(u->pool, &text, &b),
                         NGX_ERROR, "a byte more");

    text.len--;

    /* each byte of the head and of the lengths as every value */

    for (i = 0; i < 12; i++) {

        for (n = 0; n < 256; n++) {
            ngx_memcpy(text.data, packed.data, packed.len);
            text.data[i] = (u_char) n;

            rc = ngx_shop_attempt_unpack(u->pool, &text, &b);

            if (text.data[i] != packed.data[i]
                && (i == 0 || i > 9 || (i == 1 && n > 1)
                    || (i == 2 && n > 127))
                && rc != NGX_ERROR)
            {
                ngx_shop_unit_ok(u, 0, "byte %ui as %ui", i, n);
            }
        }
    }

    ngx_shop_unit_ok(u, 1, "wrong heads and lengths are refused");

    a.path.len = 2049;
    a.path.data = ngx_pcalloc(u->pool, a.path.len);

    ngx_shop_unit_is_int(u, ngx_shop_attempt_pack(u->pool, &a, &packed),
                         NGX_ERROR, "a path that is too long");

    a.path.len = 0;

    (void) ngx_shop_attempt_pack(u->pool, &a, &packed);

    ngx_shop_unit_is_int(u, ngx_shop_attempt_unpack(u->pool, &packed, &b),
                         NGX_ERROR, "no path");
}


static void
ngx_shop_unit_oidc_binding(ngx_shop_unit_t *u)
{
    ngx_str_t             uri, one, two;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&uri, "https://shop.example/_shop/callback/work");

    (void) ngx_shop_attempt_binding(u->pool, &provider, &uri, &one, u->log);

    ngx_shop_unit_is_int(u, one.len, 43, "a digest");

    ngx_str_set(&provider.client_id, "other");
    (void) ngx_shop_attempt_binding(u->pool, &provider, &uri, &two, u->log);
    ngx_shop_unit_ok(u, !ngx_shop_equal(&one, &two), "another client");

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&provider.issuer, "https://other.example");
    (void) ngx_shop_attempt_binding(u->pool, &provider, &uri, &two, u->log);
    ngx_shop_unit_ok(u, !ngx_shop_equal(&one, &two), "another issuer");

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&uri, "https://shop.example/_shop/callback/other");
    (void) ngx_shop_attempt_binding(u->pool, &provider, &uri, &two, u->log);
    ngx_shop_unit_ok(u, !ngx_shop_equal(&one, &two), "another redirect URI");

    /* a byte moves from one part to the next */

    ngx_str_set(&provider.issuer, "https://id.exampl");
    ngx_str_set(&provider.client_id, "eshop");
    (void) ngx_shop_attempt_binding(u->pool, &provider, &uri, &one, u->log);
    ngx_shop_unit_ok(u, !ngx_shop_equal(&one, &two), "another border");
}


static void
ngx_shop_unit_oidc_request(ngx_shop_unit_t *u)
{
    u_char               *p;
    ngx_str_t             uri, path, url, query;
    const char           *told;
    ngx_keyval_t         *kv;
    ngx_shop_attempt_t    a;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);

    provider.pkce = NGX_SHOP_PKCE_S256;
    provider.form_post = 1;

    provider.authz_extra = ngx_array_create(u->pool, 1, sizeof(ngx_keyval_t));
    kv = ngx_array_push(provider.authz_extra);
    ngx_str_set(&kv->key, "prompt");
    ngx_str_set(&kv->value, "a b&c=d");

    ngx_str_set(&uri, "https://shop.example/_shop/callback/work");
    ngx_str_set(&path, "/");

    (void) ngx_shop_attempt_create(u->pool, &provider, &uri, &path, 0, 1, &a,
                                   u->log);

    /* RFC 7636 appendix B */

    ngx_str_set(&a.verifier, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

    (void) ngx_shop_discovery_parse(u->pool, &provider,
                                  ngx_shop_unit_oidc_str(u, OIDC_META("")),
                                    &metadata, &told);

    ngx_shop_unit_is_int(u, ngx_shop_authreq_url(u->pool, &provider,
                                                 &metadata, &a, &uri, &url,
                                                 u->log),
                         NGX_OK, "made");

    p = ngx_strlchr(url.data, url.data + url.len, '?');

    query.data = p + 1;
    query.len = url.data + url.len - query.data;

    ngx_shop_unit_ok(u, ngx_strncmp(url.data, "https://id.example/a?p=1&", 25)
                        == 0, "the endpoint with its own query");
    ngx_shop_unit_ok(u, ngx_strlchr(query.data, url.data + url.len, '+')
                        == NULL, "blanks are %%20");

    ngx_shop_unit_oidc_field(u, &query, "response_type", "code");
    ngx_shop_unit_oidc_field(u, &query, "response_mode", "form_post");
    ngx_shop_unit_oidc_field(u, &query, "client_id", "shop");
    ngx_shop_unit_oidc_field(u, &query, "redirect_uri",
                          "https://shop.example/_shop/callback/work");
    ngx_shop_unit_oidc_field(u, &query, "scope", "openid email profile");
    ngx_shop_unit_oidc_field(u, &query, "code_challenge_method", "S256");
    ngx_shop_unit_oidc_field(u, &query, "code_challenge",
                          "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    ngx_shop_unit_oidc_field(u, &query, "prompt", "a b&c=d");

    (void) ngx_shop_query_get(u->pool, &query, "state", &path);
    ngx_shop_unit_is_str(u, &path, &a.state, "state");
    (void) ngx_shop_query_get(u->pool, &query, "nonce", &path);
    ngx_shop_unit_is_str(u, &path, &a.nonce, "nonce");

    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &query,
                                               "client_secret", &path),
                         NGX_DECLINED, "no secret");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &query,
                                               "code_verifier", &path),
                         NGX_DECLINED, "no verifier");

    /* what a preset may leave out */

    provider.pkce = NGX_SHOP_PKCE_OFF;
    provider.form_post = 0;
    provider.nonce = NGX_SHOP_NONCE_OFF;
    ngx_str_null(&provider.scope);

    ngx_str_set(&metadata.authz.uri, "/a");

    (void) ngx_shop_authreq_url(u->pool, &provider, &metadata, &a, &uri, &url,
                                u->log);

    ngx_shop_unit_ok(u, ngx_strncmp(url.data, "https://id.example/a?c", 22)
                        == 0, "an endpoint without query");

    p = ngx_strlchr(url.data, url.data + url.len, '?');

    query.data = p + 1;
    query.len = url.data + url.len - query.data;

    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &query, "nonce",
                                               &path),
                         NGX_DECLINED, "no nonce");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &query,
                                               "code_challenge", &path),
                         NGX_DECLINED, "no challenge");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &query,
                                               "response_mode", &path),
                         NGX_DECLINED, "no mode");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &query, "scope",
                                               &path),
                         NGX_DECLINED, "no scope");

    ngx_str_set(&metadata.authz.uri, "/a?");

    (void) ngx_shop_authreq_url(u->pool, &provider, &metadata, &a, &uri, &url,
                                u->log);

    ngx_shop_unit_ok(u, ngx_strncmp(url.data, "https://id.example/a?c", 22)
                        == 0, "an endpoint with an empty query");

    ngx_shop_unit_is_int(u, ngx_shop_authreq_reserved(&provider,
                                ngx_shop_unit_str("request_uri")),
                         1, "request_uri is reserved");
    ngx_shop_unit_is_int(u, ngx_shop_authreq_reserved(&provider,
                                ngx_shop_unit_str("prompt")),
                         0, "prompt is not");
}


static void
ngx_shop_unit_oidc_callback(ngx_shop_unit_t *u)
{
    ngx_int_t              rc;
    ngx_str_t              text;
    ngx_uint_t             i;
    const char            *told;
    ngx_shop_authresp_t    resp;
    ngx_shop_provider_t    provider;

    static ngx_shop_unit_oidc_case_t  cases[] = {
        { "as it should be", "state=s&code=c", NULL },
        { "all of it", "code=c&state=s&iss=https%3A%2F%2Fid.example&scope=a+b"
          "&session_state=x", NULL },
        { "unknown fields twice", "state=s&code=c&scope=a&scope=b", NULL },
        { "error_description", "state=s&error=x&error_description=%3Cb%3E%0D",
          NULL },
        { "a bad escape elsewhere", "state=s&code=c&x=%zz", NULL },
        { "nothing", "", "state_missing" },
        { "separators", "&&&", "state_missing" },
        { "no state", "code=c", "state_missing" },
        { "state empty", "code=c&state=", "state_missing" },
        { "state without value", "code=c&state", "state_missing" },
        { "State", "code=c&State=s", "state_missing" },
        { "state twice", "state=s&code=c&state=s", "parameter_duplicated" },
        { "state empty and not", "state=&code=c&state=s",
          "parameter_duplicated" },
        { "state twice, escaped", "state=s&code=c&%73tate=s",
          "parameter_duplicated" },
        { "code twice", "state=s&code=c&code=d", "parameter_duplicated" },
        { "code twice, once empty", "state=s&code&code=d",
          "parameter_duplicated" },
        { "iss twice", "state=s&code=c&iss=a&iss=a", "parameter_duplicated" },
        { "error twice", "state=s&error=a&error=a", "parameter_duplicated" },
        { "NUL in state", "state=s%00&code=c", "callback_malformed" },
        { "a line feed in code", "state=s&code=c%0a", "callback_malformed" },
        { "DEL in code", "state=s&code=c%7f", "callback_malformed" },
        { "code not ASCII", "state=s&code=%c3%a9", "callback_malformed" },
        { "a bad escape in code", "state=s&code=%2", "callback_malformed" },
        { "a bad escape in state", "state=%zz&code=c", "callback_malformed" },
        { "a bad escape in a name", "state=s&%zz=1", "callback_malformed" },
        { NULL, NULL, NULL }
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; cases[i].what; i++) {
        told = "";
        rc = ngx_shop_authresp_parse(u->pool, &provider,
                                     ngx_shop_unit_oidc_str(u, cases[i].text),
                                     &resp, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].reason, cases[i].what);
    }

    (void) ngx_shop_authresp_parse(u->pool, &provider, ngx_shop_unit_str(
                "code=a%2Fb+c&state=s%3D&iss=https%3A%2F%2Fid.example&error="),
                                   &resp, &told);

    ngx_shop_unit_is(u, &resp.code, "a/b c", "code");
    ngx_shop_unit_is(u, &resp.state, "s=", "state");
    ngx_shop_unit_is(u, &resp.iss, "https://id.example", "iss");
    ngx_shop_unit_ok(u, resp.has_code && resp.has_iss && resp.has_error,
                     "all were there");

    text.len = NGX_SHOP_CALLBACK_MAX + 1;
    text.data = ngx_palloc(u->pool, text.len);
    ngx_memset(text.data, 'x', text.len);
    ngx_memcpy(text.data, "state=s&code=c&x=", 17);

    told = "";
    rc = ngx_shop_authresp_parse(u->pool, &provider, &text, &resp, &told);
    ngx_shop_unit_oidc_told(u, rc, told, "callback_malformed", "too long");

    text.len--;
    rc = ngx_shop_authresp_parse(u->pool, &provider, &text, &resp, &told);
    ngx_shop_unit_oidc_told(u, rc, told, NULL, "just short enough");
}


static void
ngx_shop_unit_oidc_callback_check(ngx_shop_unit_t *u)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    const char            *told;
    ngx_shop_authresp_t    resp;
    ngx_shop_metadata_t    metadata;
    ngx_shop_provider_t    provider;

    /* "promised": metadata has the iss parameter */

    static const struct {
        const char  *what;
        const char  *text;
        const char  *reason;
        const char  *promised;
    } cases[] = {
        { "a code", "state=s&code=c", NULL, "issuer_missing" },
        { "code and iss", "state=s&code=c&iss=https://id.example", NULL,
          NULL },
        { "iss empty", "state=s&code=c&iss=", "issuer_mismatch",
          "issuer_mismatch" },
        { "iss with a slash", "state=s&code=c&iss=https://id.example/",
          "issuer_mismatch", "issuer_mismatch" },
        { "iss in upper case", "state=s&code=c&iss=https://ID.example",
          "issuer_mismatch", "issuer_mismatch" },
        { "iss of another", "state=s&code=c&iss=https://evil.example",
          "issuer_mismatch", "issuer_mismatch" },
        { "iss of another with an error",
          "state=s&error=access_denied&iss=https://evil.example",
          "issuer_mismatch", "issuer_mismatch" },
        { "denied", "state=s&error=access_denied", "access_denied",
          "issuer_missing" },
        { "denied with iss",
          "state=s&error=access_denied&iss=https://id.example",
          "access_denied", "access_denied" },
        { "denied, as Apple has it",
          "state=s&error=user_cancelled_authorize", "access_denied",
          "issuer_missing" },
        { "denied, as LinkedIn has it",
          "state=s&error=user_cancelled_login", "access_denied",
          "issuer_missing" },
        { "another error", "state=s&error=server_error", "provider_error",
          "issuer_missing" },
        { "an empty error", "state=s&error=&code=c", "provider_error",
          "issuer_missing" },
        { "an error and a code",
          "state=s&error=x&code=c&iss=https://id.example", "provider_error",
          "provider_error" },
        { "no code", "state=s", "code_missing", "issuer_missing" },
        { "an empty code", "state=s&code=&iss=https://id.example",
          "code_missing", "code_missing" },
        { "an error of another name", "state=s&error_code=13",
          "provider_error", "issuer_missing" },
        { "and a code", "state=s&error_code=&code=c", "provider_error",
          "issuer_missing" },
        { "two errors, in one order",
          "state=s&error_code=200&error=access_denied", "access_denied",
          "issuer_missing" },
        { "and the other", "state=s&error=access_denied&error_code=200",
          "access_denied", "issuer_missing" },
        { "that iss of another",
          "state=s&error_code=1&iss=https://evil.example",
          "issuer_mismatch", "issuer_mismatch" },
        { NULL, NULL, NULL, NULL }
    };

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_set(&provider.p_error, "error_code");
    ngx_memzero(&metadata, sizeof(ngx_shop_metadata_t));

    ngx_shop_unit_ok(u, ngx_shop_authresp_parse(u->pool, &provider,
                            ngx_shop_unit_oidc_str(u,
                                      "state=s&error_code=1&error_code=1"),
                                                &resp, &told)
                        == NGX_ERROR
                        && ngx_strcmp(told, "parameter_duplicated") == 0,
                     "an error of another name, twice");

    for (i = 0; cases[i].what; i++) {

        (void) ngx_shop_authresp_parse(u->pool, &provider,
                                  ngx_shop_unit_oidc_str(u, cases[i].text),
                                       &resp, &told);

        told = "";
        rc = ngx_shop_authresp_check(&provider, NULL, &resp, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].reason, cases[i].what);

        metadata.iss_parameter = 0;
        rc = ngx_shop_authresp_check(&provider, &metadata, &resp, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].reason, cases[i].what);

        metadata.iss_parameter = 1;
        rc = ngx_shop_authresp_check(&provider, &metadata, &resp, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].promised,
                                cases[i].what);
    }
}


/* Apple's: that its signature is right is checked by t/social_presets.t */

static void
ngx_shop_unit_oidc_secret(ngx_shop_unit_t *u)
{
    BIO        *bio;
    char       *data;
    EVP_PKEY   *pkey;
    ngx_str_t   pem, token[4], part, text;

    /* the pool, which lives longer than this call, frees its key */

    static ngx_shop_provider_t  provider;

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_str_null(&provider.client_secret);
    ngx_str_set(&provider.client_id, "a\"b\\c");
    ngx_str_set(&provider.secret.team_id, "TEAM");
    ngx_str_set(&provider.secret.key_id, "KEY");

    ngx_str_set(&pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n"
                      "-----END PRIVATE KEY-----\n");
    ngx_shop_unit_is_int(u, ngx_shop_secret_init(u->pool, &provider.secret,
                                                 &pem),
                         NGX_ERROR, "no key");

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    bio = BIO_new(BIO_s_mem());
    (void) PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL,
                                         NULL);
    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;

    ngx_shop_unit_is_int(u, ngx_shop_secret_init(u->pool, &provider.secret,
                                                 &pem),
                         NGX_OK, "a key");
    BIO_free(bio);
    EVP_PKEY_free(pkey);

    token[0] = ngx_shop_unit_oidc_secret_at(u, &provider, 1700000000);
    token[1] = ngx_shop_unit_oidc_secret_at(u, &provider, 1700001799);
    token[2] = ngx_shop_unit_oidc_secret_at(u, &provider, 1700001800);
    token[3] = ngx_shop_unit_oidc_secret_at(u, &provider, 1700001799);

    ngx_shop_unit_ok(u, ngx_shop_equal(&token[0], &token[1]),
                     "used for half an hour");
    ngx_shop_unit_ok(u, !ngx_shop_equal(&token[1], &token[2]),
                     "and then another one");
    ngx_shop_unit_ok(u, !ngx_shop_equal(&token[2], &token[3]),
                     "and where the clock was put back");

    part.data = token[2].data;
    part.len = ngx_strlchr(part.data, part.data + token[2].len, '.')
               - part.data;

    (void) ngx_shop_unbase64url(u->pool, &part, &text);
    ngx_shop_unit_is(u, &text, "{\"alg\":\"ES256\",\"kid\":\"KEY\"}",
                     "the header");

    part.data += part.len + 1;
    part.len = ngx_strlchr(part.data, token[2].data + token[2].len, '.')
               - part.data;

    (void) ngx_shop_unbase64url(u->pool, &part, &text);
    ngx_shop_unit_is(u, &text, "{\"iss\":\"TEAM\",\"iat\":1700001740,"
                     "\"exp\":1700005400,\"aud\":\"https://id.example\","
                     "\"sub\":\"a\\\"b\\\\c\"}", "the claims");
}


/* as "openssl dgst -sha256 -hmac" has it */

static void
ngx_shop_unit_oidc_proof(ngx_shop_unit_t *u)
{
    ngx_str_t             token;
    ngx_uint_t            n;
    ngx_keyval_t         *header;
    ngx_shop_ask_t        ask;
    ngx_shop_docs_t       docs;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_memzero(&metadata, sizeof(ngx_shop_metadata_t));
    ngx_memzero(&docs, sizeof(ngx_shop_docs_t));

    ngx_str_set(&provider.client_secret, "app secret");
    ngx_str_set(&metadata.userinfo.uri, "/me");
    ngx_str_set(&metadata.userinfo2.uri, "/me");
    ngx_str_set(&token, "token-1");
    provider.ui_proof = 1;

    for (n = 0; n < 2; n++) {
        ngx_shop_unit_is_int(u, ngx_shop_ask_userinfo(u->pool, &provider,
                                                      &metadata, n, &docs,
                                                      &token, &ask),
                             NGX_OK, "userinfo");
        ngx_shop_unit_is(u, &ask.url.uri,
                         n ? "/me" : "/me?appsecret_proof=020beb5007fc7ab3ec1"
                             "c4e3b5a0d6ca52dee69d2e77160a34c921a9c04b0290e",
                         "the query has it, of the first one");

        header = ask.headers.elts;
        ngx_shop_unit_is(u, &header[0].value, "Bearer token-1",
                         "the token is in a header");
    }
}


/* "@" is the signature of "signed" */

static void
ngx_shop_unit_oidc_signed(ngx_shop_unit_t *u)
{
    u_char               *at;
    ngx_int_t             rc;
    ngx_str_t             input, sign, head, told, *text;
    ngx_uint_t            i;
    ngx_shop_provider_t  *provider;

    static struct {
        const char  *text;
        const char  *signed_text;
        const char  *told;                  /* NULL: refused */
        const char  *what;
    } cases[] = {
        { "{\"a_response\":{\"b\":1},\"sign\":\"@\"}", "{\"b\":1}",
          "{\"a_response\":{\"b\":1}}", "an answer" },
        { "{\"sign\":\"@\",\"a_response\":{\"b\":1}}", "{\"b\":1}",
          "{\"a_response\":{\"b\":1}}", "the other way round" },
        { "\n{ \"a_response\" :\t{ \"b\": 1 }\r\n, \"sign\" : \"@\" }\n",
          "{ \"b\": 1 }", "{\"a_response\":{\"b\":1}}",
          "blanks, those within are signed" },
        { "{\"a_response\":{ \"b\":1},\"sign\":\"@\"}", "{\"b\":1}",
          NULL, "a blank more" },
        { "{\"a_response\":{\"b\":\"}\\\\\\\"}],\",\"c\":[{},[1,2]]},"
          "\"sign\":\"@\"}",
          "{\"b\":\"}\\\\\\\"}],\",\"c\":[{},[1,2]]}",
          "{\"a_response\":{\"b\":\"}\\\\\\\"}],\",\"c\":[{},[1,2]]}}",
          "braces in strings and lists" },
        { "{\"a_response\":{\"b\":\"x\\/y\"},\"sign\":\"@\"}",
          "{\"b\":\"x\\/y\"}", "{\"a_response\":{\"b\":\"x/y\"}}",
          "an escaped slash, signed so" },
        { "{\"a_response\":{\"b\":\"x\\/y\"},\"sign\":\"@\"}",
          "{\"b\":\"x/y\"}", "{\"a_response\":{\"b\":\"x/y\"}}",
          "an escaped slash, signed without" },
        { "{\"a_response\":{\"b\":\"x/y\"},\"sign\":\"@\"}",
          "{\"b\":\"x\\/y\"}", NULL, "the other way round" },
        { "{\"a_response\":{\"b\":\"x\\\\/y\"},\"sign\":\"@\"}",
          "{\"b\":\"x\\/y\"}", "{\"a_response\":{\"b\":\"x/y\"}}",
          "what is told is what was signed, not what came" },
        { "{\"c\":{\"z_response\":{\"b\":2}},\"a_response\":{\"b\":1},"
          "\"d\":3,\"sign\":\"@\"}", "{\"b\":1}",
          "{\"a_response\":{\"b\":1}}", "what was not signed is not told" },
        { "{\"a_response\":{\"b\":1},\"z_response\":{\"b\":1},"
          "\"sign\":\"@\"}", "{\"b\":1}", NULL, "two responses" },
        { "{\"a\\u005fresponse\":{\"b\":1},\"sign\":\"@\"}",
          "{\"b\":1}", NULL, "a name with an escape" },
        { "{\"c\":{\"a_response\":{\"b\":1}},\"sign\":\"@\"}",
          "{\"b\":1}", NULL, "a response that is not at the top" },
        { "{\"a_response\":{\"b\":1},\"c\":{\"sign\":\"@\"}}",
          "{\"b\":1}", NULL, "a signature that is not at the top" },
        { "{\"a_response\":{\"b\":1},\"sign\":[\"@\"]}", "{\"b\":1}",
          NULL, "a list of signatures" },
        { "{\"a_response\":{\"b\":1},\"sign\":null}", "", NULL,
          "no signature" },
        { "{\"a_response\":{\"b\":1},\"sign\":\"A@\"}", "{\"b\":1}",
          NULL, "a longer signature" },
        { "[{\"a_response\":{\"b\":1},\"sign\":\"@\"}]", "{\"b\":1}",
          NULL, "a list" },
        { "{\"sign\":\"@\"}", "", NULL, "no response" },
        { "{\"_response\":\"\",\"sign\":\"@\"}", "\"\"",
          "{\"_response\":\"\"}", "of any kind" },
        { "{\"a_response\":{\"b\":1},\"a_response\":{\"b\":1},"
          "\"sign\":\"@\"}", "{\"b\":1}", NULL, "a name twice" },
        { NULL, NULL, NULL, NULL }
    };

    provider = ngx_shop_unit_oidc_alipay(u);

    for (i = 0; cases[i].text != NULL; i++) {

        input = *ngx_shop_unit_oidc_str(u, cases[i].signed_text);

        (void) ngx_shop_sign_rsa(u->pool, provider->secret.key, &input,
                                 &sign, u->log);

        text = ngx_shop_unit_oidc_str(u, cases[i].text);
        at = ngx_strlchr(text->data, text->data + text->len, '@');

        if (at != NULL) {
            head.data = text->data;
            head.len = at - text->data;
            text = ngx_shop_unit_oidc_format(u, "%V%V%s", &head, &sign,
                                             at + 1);
        }

        rc = ngx_shop_unit_oidc_answer(u, provider, text, &told);

        ngx_shop_unit_is_int(u, rc, cases[i].told ? NGX_OK : NGX_ERROR, "%s",
                             cases[i].what);

        if (rc == NGX_OK && cases[i].told != NULL) {
            ngx_shop_unit_is(u, &told, cases[i].told, "... told: %s",
                             cases[i].what);
        }
    }

    ngx_shop_unit_is_int(u, ngx_shop_unit_oidc_answer(u, provider,
                             ngx_shop_unit_str("{\"error_response\":{}}"),
                             &told),
                         NGX_DECLINED, "an error need not be signed");

    provider->sign = NGX_SHOP_SIGN_NONE;

    ngx_shop_unit_is_int(u, ngx_shop_unit_oidc_answer(u, provider,
                             ngx_shop_unit_str("{\"a\":1}"), &told),
                         NGX_OK, "the answers of others stay");
    ngx_shop_unit_is(u, &told, "{\"a\":1}", "... as they are");
}


/* no byte of what was signed can be another one */

static void
ngx_shop_unit_oidc_signed_bits(ngx_shop_unit_t *u)
{
    size_t                i, from, to;
    ngx_int_t             rc;
    ngx_str_t             input, sign, told, *text, part;
    ngx_uint_t            bit, passed;
    ngx_shop_provider_t  *provider;

    provider = ngx_shop_unit_oidc_alipay(u);

    ngx_str_set(&input, "{\"user_id\":\"2088102104794936\"}");

    (void) ngx_shop_sign_rsa(u->pool, provider->secret.key, &input, &sign,
                             u->log);

    text = ngx_shop_unit_oidc_format(u, "{\"a_response\":%V,\"sign\":"
                                     "\"%V\"}", &input, &sign);

    from = sizeof("{\"a_response\":") - 1;
    to = from + input.len;
    passed = 0;

    for (i = from; i < to; i++) {
        for (bit = 1; bit < 0x100; bit <<= 1) {
            text->data[i] ^= bit;
            rc = ngx_shop_unit_oidc_answer(u, provider, text, &told);
            text->data[i] ^= bit;

            passed += (rc == NGX_OK);
        }
    }

    ngx_shop_unit_is_int(u, passed, 0, "no other bit is accepted");
    ngx_shop_unit_is_int(u, ngx_shop_unit_oidc_answer(u, provider, text,
                                                      &told),
                         NGX_OK, "these are");

    passed = 0;
    part.data = text->data;

    for (part.len = 0; part.len < text->len; part.len++) {
        passed += (ngx_shop_unit_oidc_answer(u, provider, &part, &told)
                   == NGX_OK);
    }

    ngx_shop_unit_is_int(u, passed, 0, "nor half an answer");
}


/* a provider that signs with the key that we have, too */

static ngx_shop_provider_t *
ngx_shop_unit_oidc_alipay(ngx_shop_unit_t *u)
{
    BIO                  *bio;
    char                 *data;
    EVP_PKEY             *pkey;
    ngx_str_t             pem;
    ngx_shop_provider_t  *provider;

    provider = ngx_pcalloc(u->pool, sizeof(ngx_shop_provider_t));

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 2048);
    bio = BIO_new(BIO_s_mem());
    (void) PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL,
                                         NULL);
    pem.len = BIO_get_mem_data(bio, &data);
    pem.data = (u_char *) data;

    provider->sign = NGX_SHOP_SIGN_ALIPAY;
    provider->secret.key = ngx_shop_sign_rsa_key(u->pool, &pem, 0);
    provider->verify_key = provider->secret.key;

    ngx_shop_unit_ok(u, provider->secret.key != NULL, "a key");
    ngx_shop_unit_ok(u, ngx_shop_sign_rsa_key(u->pool, &pem, 1) == NULL,
                     "a private key is no public one");

    BIO_free(bio);
    EVP_PKEY_free(pkey);

    return provider;
}


/* as it is read where it comes from; what it tells */

static ngx_int_t
ngx_shop_unit_oidc_answer(ngx_shop_unit_t *u, ngx_shop_provider_t *provider,
    ngx_str_t *text, ngx_str_t *told)
{
    ngx_int_t         rc;
    ngx_shop_json_t  *json;

    json = ngx_shop_json_parse(u->pool, text, NGX_SHOP_TOKEN_MAX);

    rc = ngx_shop_signed_answer(u->pool, provider, text, &json);

    if (rc == NGX_OK) {
        (void) ngx_shop_json_dump(u->pool, json, told);
    }

    return rc;
}


static ngx_str_t
ngx_shop_unit_oidc_secret_at(ngx_shop_unit_t *u,
    ngx_shop_provider_t *provider, time_t now)
{
    ngx_str_t  token, copy;

    ngx_str_null(&token);

    ngx_shop_unit_is_int(u, ngx_shop_secret(provider, now, &token, u->log),
                         NGX_OK, "a secret");

    copy.len = token.len;
    copy.data = ngx_pstrdup(u->pool, &token);

    return copy;
}


static void
ngx_shop_unit_oidc_exchange(ngx_shop_unit_t *u)
{
    ngx_str_t             code, verifier, uri, value;
    ngx_keyval_t         *header;
    ngx_shop_ask_t        ask;
    ngx_shop_docs_t       docs;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_memzero(&metadata, sizeof(ngx_shop_metadata_t));
    ngx_memzero(&docs, sizeof(ngx_shop_docs_t));

    ngx_str_set(&code, "a&b=c d+/");
    ngx_str_set(&verifier, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    ngx_str_set(&uri, "https://shop.example/_shop/callback/work");

    ngx_str_set(&provider.client_id, "https://c:1");
    ngx_str_set(&provider.client_secret, "s:%&+ \"");
    provider.pkce = NGX_SHOP_PKCE_S256;

    ngx_str_set(&metadata.token.uri, "/t");
    metadata.client_auth = NGX_SHOP_AUTH_BASIC;

    ngx_shop_unit_is_int(u, ngx_shop_ask_token(u->pool, &provider, &metadata,
                                               &docs, &code, &verifier, &uri,
                                               &ask),
                         NGX_OK, "basic");

    ngx_shop_unit_is(u, &ask.method, "POST", "a POST");
    ngx_shop_unit_is(u, &ask.url.uri, "/t", "without a query");

    ngx_shop_unit_oidc_field(u, &ask.body, "grant_type",
                             "authorization_code");
    ngx_shop_unit_oidc_field(u, &ask.body, "code", "a&b=c d+/");
    ngx_shop_unit_oidc_field(u, &ask.body, "redirect_uri",
                          "https://shop.example/_shop/callback/work");
    ngx_shop_unit_oidc_field(u, &ask.body, "code_verifier",
                          "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &ask.body,
                                               "client_secret", &value),
                         NGX_DECLINED, "the secret is not in the body");

    /* https%3A%2F%2Fc%3A1:s%3A%25%26%2B%20%22 */

    header = ask.headers.elts;

    ngx_shop_unit_is_int(u, ask.headers.nelts, 2, "two headers");
    ngx_shop_unit_is(u, &header[0].key, "Authorization", "Authorization");
    ngx_shop_unit_is(u, &header[0].value,
                     "Basic aHR0cHMlM0ElMkYlMkZjJTNBMTpzJTNBJTI1JTI2JTJCJTIw"
                     "JTIy", "both parts are encoded first");
    ngx_shop_unit_is(u, &header[1].value, "application/x-www-form-urlencoded",
                     "a form");

    metadata.client_auth = NGX_SHOP_AUTH_POST;

    (void) ngx_shop_ask_token(u->pool, &provider, &metadata, &docs, &code,
                              &verifier, &uri, &ask);

    ngx_shop_unit_oidc_field(u, &ask.body, "client_id", "https://c:1");
    ngx_shop_unit_oidc_field(u, &ask.body, "client_secret", "s:%&+ \"");
    ngx_shop_unit_is_int(u, ask.headers.nelts, 1, "post: no Authorization");

    metadata.client_auth = NGX_SHOP_AUTH_NONE;
    provider.pkce = NGX_SHOP_PKCE_OFF;

    (void) ngx_shop_ask_token(u->pool, &provider, &metadata, &docs, &code,
                              &verifier, &uri, &ask);

    ngx_shop_unit_oidc_field(u, &ask.body, "client_id", "https://c:1");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &ask.body,
                                               "client_secret", &value),
                         NGX_DECLINED, "none: no secret");
    ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &ask.body,
                                               "code_verifier", &value),
                         NGX_DECLINED, "no verifier without PKCE");
    ngx_shop_unit_is_int(u, ask.headers.nelts, 1, "none: no Authorization");
}


#define OIDC_BEARER  "\"token_type\":\"Bearer\""
#define OIDC_ID      "\"id_token\":\"a.b.c\""
#define OIDC_ACCESS  "\"access_token\":\"t\""


static void
ngx_shop_unit_oidc_token(ngx_shop_unit_t *u)
{
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_uint_t            i;
    const char           *told;
    ngx_shop_token_t      token;
    ngx_shop_provider_t   provider;

    static const struct {
        const char  *what;
        ngx_uint_t   status;
        const char  *text;
        const char  *reason;
    } cases[] = {
        { "as it should be", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID ",\"expires_in\":60}",
          NULL },
        { "bearer", 200,
          "{" OIDC_ACCESS ",\"token_type\":\"bearer\"," OIDC_ID "}", NULL },
        { "BEARER", 200,
          "{" OIDC_ACCESS ",\"token_type\":\"BEARER\"," OIDC_ID "}", NULL },
        { "expires_in as text", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID
          ",\"expires_in\":\"60\"}", NULL },
        { "expires_in 1e300", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID
          ",\"expires_in\":1e300}", NULL },
        { "scope as an array", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID ",\"scope\":[]}",
          NULL },

        { "mac", 200,
          "{" OIDC_ACCESS ",\"token_type\":\"mac\"," OIDC_ID "}",
          "token_type_refused" },
        { "DPoP", 200,
          "{" OIDC_ACCESS ",\"token_type\":\"DPoP\"," OIDC_ID "}",
          "token_type_refused" },
        { "no token_type", 200, "{" OIDC_ACCESS "," OIDC_ID "}",
          "token_type_refused" },
        { "token_type null", 200,
          "{" OIDC_ACCESS ",\"token_type\":null," OIDC_ID "}",
          "token_type_refused" },
        { "token_type empty", 200,
          "{" OIDC_ACCESS ",\"token_type\":\"\"," OIDC_ID "}",
          "token_type_refused" },
        { "token_type a number", 200,
          "{" OIDC_ACCESS ",\"token_type\":1," OIDC_ID "}",
          "token_malformed" },

        { "no access_token", 200, "{" OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },
        { "access_token null", 200,
          "{\"access_token\":null," OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },
        { "access_token a number", 200,
          "{\"access_token\":1," OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },
        { "access_token empty", 200,
          "{\"access_token\":\"\"," OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },
        { "access_token with a line feed", 200,
          "{\"access_token\":\"a\\r\\nb\"," OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },
        { "access_token with a blank", 200,
          "{\"access_token\":\"a b\"," OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },
        { "access_token not ASCII", 200,
          "{\"access_token\":\"\\u00e9\"," OIDC_BEARER "," OIDC_ID "}",
          "token_malformed" },

        { "no id_token", 200, "{" OIDC_ACCESS "," OIDC_BEARER "}",
          "id_token_missing" },
        { "id_token null", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER ",\"id_token\":null}",
          "id_token_missing" },
        { "id_token empty", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER ",\"id_token\":\"\"}",
          "token_malformed" },
        { "id_token a number", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER ",\"id_token\":1}",
          "token_malformed" },
        { "id_token an object", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER ",\"id_token\":{}}",
          "token_malformed" },
        { "id_token false", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER ",\"id_token\":false}",
          "token_malformed" },
        { "id_token twice", 200,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "," OIDC_ID "}",
          "token_malformed" },

        { "empty", 200, "", "token_malformed" },
        { "an array", 200, "[" "{" OIDC_ACCESS "}" "]", "token_malformed" },
        { "null", 200, "null", "token_malformed" },
        { "HTML", 200, "<html>", "token_malformed" },
        { "a form", 200, "access_token=t&token_type=bearer&id_token=a.b.c",
          "token_malformed" },
        { "NUL", 200, "{\"access_token\":\"a\\u0000\"}", "token_malformed" },
        { "not UTF-8", 200, "{\"access_token\":\"\xff\"}",
          "token_malformed" },

        { "an error and 200", 200,
          "{\"error\":\"invalid_grant\"," OIDC_ACCESS "," OIDC_BEARER ","
          OIDC_ID "}", "code_refused" },
        { "an empty error and 200", 200,
          "{\"error\":\"\"," OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "}",
          "token_error" },
        { "an error null and 200", 200,
          "{\"error\":null," OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "}",
          NULL },
        { "an error object and 200", 200, "{\"error\":{\"message\":\"x\"}}",
          "token_error" },

        { "invalid_grant", 400, "{\"error\":\"invalid_grant\"}",
          "code_refused" },
        { "invalid_client", 401, "{\"error\":\"invalid_client\"}",
          "client_refused" },
        { "unauthorized_client", 400, "{\"error\":\"unauthorized_client\"}",
          "client_refused" },
        { "invalid_request", 400, "{\"error\":\"invalid_request\"}",
          "token_error" },
        { "400 without JSON", 400, "<html>", "token_error" },
        { "400 with an array", 400, "[]", "token_error" },
        { "500", 500, "", "token_error" },
        { "302", 302, "", "token_error" },
        { "a good answer and 400", 400,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "}", "token_error" },
        { "a good answer and 201", 201,
          "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "}", "token_error" },
        { NULL, 0, NULL, NULL }
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; cases[i].what; i++) {
        told = "";
        rc = ngx_shop_token_parse(u->pool, &provider, cases[i].status,
                                  ngx_shop_unit_oidc_str(u, cases[i].text),
                                  &token, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].reason, cases[i].what);

        if (rc == NGX_OK) {
            ngx_shop_unit_is(u, &token.access_token, "t", "access token");
            ngx_shop_unit_is(u, &token.id_token, "a.b.c", "ID token");
        }
    }

    text.len = NGX_SHOP_TOKEN_MAX + 1;
    text.data = ngx_palloc(u->pool, text.len);
    ngx_memset(text.data, ' ', text.len);
    ngx_memcpy(text.data, "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "}",
               sizeof("{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID "}") - 1);

    told = "";
    rc = ngx_shop_token_parse(u->pool, &provider, 200, &text, &token, &told);
    ngx_shop_unit_oidc_told(u, rc, told, "token_malformed", "too long");
}


static void
ngx_shop_unit_oidc_claims(ngx_shop_unit_t *u)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    const char            *told;
    ngx_shop_docs_t        docs;
    ngx_shop_identity_t    identity;
    ngx_shop_provider_t    provider;

    static ngx_shop_unit_oidc_case_t  cases[] = {
        { "a subject", "{\"sub\":\"s\"}", NULL },
        { "any visible byte", "{\"sub\":\" !~|:{}%\\\"\\\\\"}", NULL },
        { "no subject", "{}", "claims_malformed" },
        { "null", "{\"sub\":null}", "claims_malformed" },
        { "a number", "{\"sub\":123}", "claims_malformed" },
        { "empty", "{\"sub\":\"\"}", "claims_malformed" },
        { "an array", "{\"sub\":[\"s\"]}", "claims_malformed" },
        { "a line feed", "{\"sub\":\"s\\n\"}", "claims_malformed" },
        { "a tab", "{\"sub\":\"s\\t\"}", "claims_malformed" },
        { "DEL", "{\"sub\":\"s\\u007f\"}", "claims_malformed" },
        { "not ASCII", "{\"sub\":\"\\u0455\"}", "claims_malformed" },
        { "no object", "[]", "claims_malformed" },
        { NULL, NULL, NULL }
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; cases[i].what; i++) {
        told = "";
        ngx_shop_unit_oidc_docs(u, &docs, cases[i].text);
        rc = ngx_shop_identity(u->pool, &provider, &docs, &identity, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].reason, cases[i].what);
    }

    (void) ngx_shop_unit_oidc_identity(u, &provider,
        "{\"sub\":\"s\",\"email\":\"a@b.example\",\"email_verified\":true,"
        "\"name\":\"A B\",\"given_name\":\"A\",\"family_name\":\"B\","
        "\"locale\":\"de-AT\",\"auth_time\":1700000000}", &identity);

    ngx_shop_unit_is(u, &identity.subject, "s", "subject");
    ngx_shop_unit_is(u, &identity.email, "a@b.example", "email");
    ngx_shop_unit_is(u, &identity.name, "A B", "name");
    ngx_shop_unit_is(u, &identity.given_name, "A", "given name");
    ngx_shop_unit_is(u, &identity.family_name, "B", "family name");
    ngx_shop_unit_is(u, &identity.locale, "de-AT", "locale");
    ngx_shop_unit_is_int(u, identity.auth_time, 1700000000, "auth_time");
    ngx_shop_unit_is_int(u, identity.email_verified, 1, "verified");
    ngx_shop_unit_oidc_asks(u, &provider,
        "{\"sub\":\"s\",\"email\":\"a@b.example\",\"name\":\"A B\"}", NGX_OK,
                            "complete");

    (void) ngx_shop_unit_oidc_identity(u, &provider,
        "{\"sub\":\"s\",\"auth_time\":\"x\",\"locale\":{\"language\":\"de\"},"
        "\"name\":1,\"email\":[\"a@b.example\"],\"email_verified\":true}",
                                       &identity);

    ngx_shop_unit_is(u, &identity.subject, "s", "subject");
    ngx_shop_unit_is_int(u, identity.auth_time, 0, "auth_time as text");
    ngx_shop_unit_is_int(u, identity.locale.len, 0, "locale an object");
    ngx_shop_unit_is_int(u, identity.name.len, 0, "name a number");
    ngx_shop_unit_is_int(u, identity.email.len, 0, "e-mail an array");
    ngx_shop_unit_is_int(u, identity.email_verified, 0, "nothing verified");
    ngx_shop_unit_oidc_asks(u, &provider,
        "{\"sub\":\"s\",\"name\":\"A B\"}", NGX_AGAIN, "without e-mail");
    ngx_shop_unit_oidc_asks(u, &provider,
        "{\"sub\":\"s\",\"email\":\"a@b.example\"}", NGX_AGAIN,
                            "without name");

    (void) ngx_shop_unit_oidc_identity(u, &provider,
        "{\"sub\":\"s\",\"email\":\"a@b.example\",\"given_name\":\"A\","
        "\"auth_time\":-5}", &identity);

    ngx_shop_unit_is_int(u, identity.auth_time, 0, "auth_time negative");
    ngx_shop_unit_oidc_asks(u, &provider,
        "{\"sub\":\"s\",\"email\":\"a@b.example\",\"given_name\":\"A\"}",
                            NGX_OK, "a given name is a name");
}


static void
ngx_shop_unit_oidc_names(ngx_shop_unit_t *u)
{
    u_char               *p;
    size_t                len;
    ngx_str_t            *text;
    ngx_uint_t            i;
    ngx_shop_identity_t   identity;
    ngx_shop_provider_t   provider;

    static ngx_shop_unit_oidc_text_t  cases[] = {
        { "a name", "Ada Lovelace", "Ada Lovelace" },
        { "umlauts", "J\xc3\xb6rg", "J\xc3\xb6rg" },
        { "Hebrew with a mark", "\xd7\xa9\xe2\x80\x8f",
          "\xd7\xa9\xe2\x80\x8f" },
        { "an emoji", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "markup is for pages to escape", "<b>&'", "<b>&'" },
        { "empty", "", NULL },
        { "a line feed", "a\\nSet-Cookie: b", NULL },
        { "a carriage return", "a\\r", NULL },
        { "a tab", "a\\tb", NULL },
        { "ESC", "\\u001b[31m", NULL },
        { "DEL", "a\\u007f", NULL },
        { "NEL", "a\\u0085", NULL },
        { "C1", "a\\u009f", NULL },
        { "a line separator", "a\\u2028", NULL },
        { "an override", "a\\u202egpj.exe", NULL },
        { "an isolate", "a\\u2066", NULL },
        { NULL, NULL, NULL }
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; cases[i].what; i++) {
        p = ngx_shop_unit_oidc_format(u, "{\"sub\":\"s\",\"name\":\"%s\"}%Z",
                                      cases[i].text)->data;

        ngx_shop_unit_is_int(u, ngx_shop_unit_oidc_identity(u, &provider,
                                    (char *) p, &identity),
                             NGX_OK, "%s: a login", cases[i].what);
        ngx_shop_unit_is(u, &identity.name,
                         cases[i].value ? cases[i].value : "", "%s",
                         cases[i].what);
    }

    for (len = 255; len < 257; len++) {
        p = ngx_pcalloc(u->pool, len + 1);
        ngx_memset(p, 'n', len);

        text = ngx_shop_unit_oidc_format(u,
                                     "{\"sub\":\"s\",\"name\":\"%s\"}%Z", p);

        (void) ngx_shop_unit_oidc_identity(u, &provider, (char *) text->data,
                                           &identity);
        ngx_shop_unit_is_int(u, identity.name.len, len == 255 ? 255 : 0,
                             "%uz bytes", len);
    }
}


static void
ngx_shop_unit_oidc_email(ngx_shop_unit_t *u)
{
    u_char               *p;
    size_t                len;
    ngx_str_t            *text;
    ngx_uint_t            i;
    ngx_shop_identity_t   identity;
    ngx_shop_provider_t   provider;

    static const char  *good[] = {
        "a@b", "a.b@c.example", "A.B@C.Example", "a+b-c_d@e-f.example",
        "!#$%&'*/=?^_`{|}~@b.example", "1@2.3", NULL
    };

    static const char  *bad[] = {
        "", "a", "@", "a@", "@b", "a@b@c", "a@@b", "a@b,c@d", "a@b,c",
        "a@b;c", "a b@c", " a@b", "a@b ", "a@b\\n", "a@b\\r\\nBcc: c@d",
        "a@b\\u0000", "a\\t@b", "a@b>", "<a@b>", "A <a@b>", "a@b(c)",
        "\\\"a b\\\"@c", "\\\"a\\\"@c", "a\\\\@b", "a@[127.0.0.1]",
        ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c", "a@b_c",
        "a@b/c", "mailto:a@b", "\\u0430@b.example", "a@b.ex\\u0430mple",
        "a\\u200b@b", "\\u212a@b.example", "a@b\\u202ec", NULL
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; good[i]; i++) {
        p = ngx_shop_unit_oidc_format(u, "{\"sub\":\"s\",\"email\":\"%s\","
                                      "\"email_verified\":true}%Z",
                                      good[i])->data;

        (void) ngx_shop_unit_oidc_identity(u, &provider, (char *) p,
                                           &identity);
        ngx_shop_unit_is(u, &identity.email, good[i], "%s", good[i]);
        ngx_shop_unit_is_int(u, identity.email_verified, 1, "%s", good[i]);
    }

    for (i = 0; bad[i]; i++) {
        p = ngx_shop_unit_oidc_format(u, "{\"sub\":\"s\",\"email\":\"%s\","
                                      "\"email_verified\":true}%Z",
                                      bad[i])->data;

        (void) ngx_shop_unit_oidc_identity(u, &provider, (char *) p,
                                           &identity);
        ngx_shop_unit_is(u, &identity.subject, "s", "a login");
        ngx_shop_unit_is_int(u, identity.email.len, 0, "\"%s\"", bad[i]);
        ngx_shop_unit_is_int(u, identity.email_verified, 0, "not verified");
    }

    for (len = 254; len < 256; len++) {
        p = ngx_pcalloc(u->pool, len + 1);
        ngx_memset(p, 'e', len);
        p[60] = '@';

        text = ngx_shop_unit_oidc_format(u,
                                    "{\"sub\":\"s\",\"email\":\"%s\"}%Z", p);

        (void) ngx_shop_unit_oidc_identity(u, &provider, (char *) text->data,
                                           &identity);
        ngx_shop_unit_is_int(u, identity.email.len, len == 254 ? 254 : 0,
                             "%uz bytes", len);
    }
}


static void
ngx_shop_unit_oidc_verified(ngx_shop_unit_t *u)
{
    u_char               *p;
    ngx_uint_t            i;
    ngx_shop_identity_t   identity;
    ngx_shop_provider_t   provider;

    static const struct {
        const char  *value;
        ngx_uint_t   verified;
    } cases[] = {
        { "true", 1 },
        { "\"true\"", 1 },
        { "false", 0 },
        { "\"false\"", 0 },
        { "null", 0 },
        { "1", 0 },
        { "\"1\"", 0 },
        { "\"TRUE\"", 0 },
        { "\"yes\"", 0 },
        { "\"\"", 0 },
        { "[true]", 0 },
        { "{}", 0 },
        { NULL, 0 }
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; cases[i].value; i++) {
        p = ngx_shop_unit_oidc_format(u, "{\"sub\":\"s\","
                                      "\"email\":\"a@b.example\","
                                      "\"email_verified\":%s}%Z",
                                      cases[i].value)->data;

        (void) ngx_shop_unit_oidc_identity(u, &provider, (char *) p,
                                           &identity);
        ngx_shop_unit_is_int(u, identity.email_verified, cases[i].verified,
                             "email_verified %s", cases[i].value);
        ngx_shop_unit_is(u, &identity.email, "a@b.example", "the e-mail");
    }

    (void) ngx_shop_unit_oidc_identity(u, &provider,
                        "{\"sub\":\"s\",\"email\":\"a@b.example\"}",
                                       &identity);
    ngx_shop_unit_is_int(u, identity.email_verified, 0, "not told");

    provider.email_trust = NGX_SHOP_EMAIL_NEVER;

    (void) ngx_shop_unit_oidc_identity(u, &provider,
                        "{\"sub\":\"s\",\"email\":\"a@b.example\","
                        "\"email_verified\":true}", &identity);
    ngx_shop_unit_is_int(u, identity.email_verified, 0,
                         "a provider that is not trusted with it");
}


static void
ngx_shop_unit_oidc_userinfo(ngx_shop_unit_t *u)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    const char            *told;
    ngx_shop_docs_t        docs;
    ngx_shop_identity_t    identity;
    ngx_shop_provider_t    provider;

    static const struct {
        const char  *what;
        ngx_uint_t   status;
        const char  *text;
        const char  *reason;
    } cases[] = {
        { "ours", 200, "{\"sub\":\"s\",\"name\":\"N\"}", NULL },
        { "another", 200, "{\"sub\":\"t\",\"name\":\"N\"}",
          "userinfo_mismatch" },
        { "in upper case", 200, "{\"sub\":\"S\",\"name\":\"N\"}",
          "userinfo_mismatch" },
        { "longer", 200, "{\"sub\":\"ss\",\"name\":\"N\"}",
          "userinfo_mismatch" },
        { "empty sub", 200, "{\"sub\":\"\",\"name\":\"N\"}",
          "userinfo_mismatch" },
        { "no sub", 200, "{\"name\":\"N\"}", "userinfo_mismatch" },
        { "sub a number", 200, "{\"sub\":1,\"name\":\"N\"}",
          "userinfo_mismatch" },
        { "sub an array", 200, "{\"sub\":[\"s\"],\"name\":\"N\"}",
          "userinfo_mismatch" },
        { "sub twice", 200, "{\"sub\":\"t\",\"sub\":\"s\",\"name\":\"N\"}",
          "userinfo_malformed" },
        { "an array", 200, "[{\"sub\":\"s\",\"name\":\"N\"}]",
          "userinfo_malformed" },
        { "null", 200, "null", "userinfo_malformed" },
        { "a text", 200, "\"s\"", "userinfo_malformed" },
        { "empty", 200, "", "userinfo_malformed" },
        { "a JWT", 200, "e30.e30.AA", "userinfo_malformed" },
        { "401", 401, "{\"sub\":\"s\",\"name\":\"N\"}", "userinfo_error" },
        { "204", 204, "", "userinfo_error" },
        { "302", 302, "{\"sub\":\"s\",\"name\":\"N\"}", "userinfo_error" },
        { "404", 404, "", "userinfo_error" },
        { "500", 500, "{\"sub\":\"s\",\"name\":\"N\"}", "userinfo_error" },
        { NULL, 0, NULL, NULL }
    };

    ngx_shop_unit_oidc_provider(u, &provider);

    for (i = 0; cases[i].what; i++) {
        ngx_shop_unit_oidc_docs(u, &docs, "{\"sub\":\"s\"}");
        docs.pending = NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI);

        told = "";
        rc = ngx_shop_identity_userinfo(u->pool, &provider, 0,
                                        cases[i].status,
                                  ngx_shop_unit_oidc_str(u, cases[i].text),
                                        &docs, &told);
        ngx_shop_unit_oidc_told(u, rc, told, cases[i].reason, cases[i].what);

        docs.pending = 0;
        (void) ngx_shop_identity(u->pool, &provider, &docs, &identity, &told);

        ngx_shop_unit_is(u, &identity.name, cases[i].reason ? "" : "N",
                         "%s: name", cases[i].what);
        ngx_shop_unit_is(u, &identity.subject, "s", "%s: subject",
                         cases[i].what);
    }

    /* what the ID token said stays, and an address keeps its own state */

    ngx_shop_unit_oidc_informed(u, &provider,
              "{\"sub\":\"s\",\"email\":\"a@b.example\",\"name\":\"A\"}",
        "{\"sub\":\"s\",\"email\":\"x@y.example\","
                          "\"email_verified\":true,\"name\":\"X\","
                          "\"given_name\":\"G\"}", &identity);

    ngx_shop_unit_is(u, &identity.email, "a@b.example", "e-mail stays");
    ngx_shop_unit_is_int(u, identity.email_verified, 0, "and unverified");
    ngx_shop_unit_is(u, &identity.name, "A", "name stays");
    ngx_shop_unit_is(u, &identity.given_name, "G", "given name is added");

    ngx_shop_unit_oidc_informed(u, &provider,
              "{\"sub\":\"s\",\"email_verified\":true}",
        "{\"sub\":\"s\",\"email\":\"x@y.example\"}", &identity);

    ngx_shop_unit_is(u, &identity.email, "x@y.example", "e-mail is added");
    ngx_shop_unit_is_int(u, identity.email_verified, 0,
                         "a flag without address does not count");

    ngx_shop_unit_oidc_informed(u, &provider, "{\"sub\":\"s\"}",
        "{\"sub\":\"s\",\"email\":\"x@y.example\","
                          "\"email_verified\":\"true\"}", &identity);

    ngx_shop_unit_is_int(u, identity.email_verified, 1, "both are added");
    ngx_shop_unit_is_int(u, identity.email_unknown, 0, "it is known");

    ngx_shop_unit_oidc_informed(u, &provider, "{\"sub\":\"s\"}",
                                "{\"sub\":\"s\"}", &identity);

    ngx_shop_unit_is_int(u, identity.email_unknown, 0, "known as missing");

    for (i = 0; i < 2; i++) {
        ngx_shop_unit_oidc_docs(u, &docs, "{\"sub\":\"s\"}");
        docs.offered = i ? NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI) : 0;

        rc = ngx_shop_identity(u->pool, &provider, &docs, &identity, &told);

        ngx_shop_unit_is_int(u, rc, NGX_OK, "without userinfo");
        ngx_shop_unit_is_int(u, identity.email_unknown, i,
                             "what may be in it is unknown: %ui", i);
    }
}


static void
ngx_shop_unit_oidc_informed(ngx_shop_unit_t *u, ngx_shop_provider_t *provider,
    const char *claims, const char *info, ngx_shop_identity_t *identity)
{
    ngx_int_t         rc;
    const char       *told;
    ngx_shop_docs_t   docs;

    ngx_shop_unit_oidc_docs(u, &docs, claims);

    rc = ngx_shop_identity_userinfo(u->pool, provider, 0, 200,
                                    ngx_shop_unit_oidc_str(u, info), &docs,
                                    &told);

    if (rc == NGX_OK) {
        rc = ngx_shop_identity(u->pool, provider, &docs, identity, &told);
    }

    ngx_shop_unit_is_int(u, rc, NGX_OK, "%s", info);
}


#define OIDC_INFO                                                             \
    "{\"sub\":\"s\",\"email\":\"a@b\",\"email_verified\":true,"               \
    "\"name\":\"J\xc3\xb6rg\"}"


/*
 * Every document with each of its bytes replaced, and cut at each length, in
 * a block of that very size.  What comes of a replaced byte may be a good
 * document; a cut one never is.
 */

static void
ngx_shop_unit_oidc_damaged(ngx_shop_unit_t *u)
{
    u_char               *p;
    size_t                len, k;
    ngx_str_t             text;
    ngx_int_t             rc;
    ngx_pool_t           *pool;
    ngx_uint_t            i, n, cut;
    const char           *told;
    ngx_shop_docs_t       docs;
    ngx_shop_token_t      token;
    ngx_shop_identity_t   identity;
    ngx_shop_metadata_t   metadata;
    ngx_shop_provider_t   provider;

    static const char  *documents[] = {
        OIDC_META("\"token_endpoint_auth_methods_supported\":"
                  "[\"client_secret_post\"],"),
        "{" OIDC_ACCESS "," OIDC_BEARER "," OIDC_ID ",\"expires_in\":60}",
        OIDC_INFO
    };

    static const u_char  bytes[] = "\"\\{}[],:0-e.\x00\x1f\x7f\xc3\xf4\xff";

    ngx_shop_unit_oidc_provider(u, &provider);
    ngx_shop_unit_oidc_docs(u, &docs, "{\"sub\":\"s\"}");

    cut = 0;

    for (i = 0; i < 3; i++) {

        len = ngx_strlen(documents[i]);

        for (k = 0; k < len; k++) {

            for (n = 0; n < sizeof(bytes); n++) {

                pool = ngx_create_pool(NGX_MIN_POOL_SIZE, u->log);

                text.len = n ? len : k;
                text.data = ngx_alloc(text.len + 1, u->log);
                p = ngx_cpymem(text.data, documents[i], text.len);
                *p = '\0';

                if (n) {
                    text.data[k] = bytes[n - 1];
                }

                switch (i) {

                case 0:
                    rc = ngx_shop_discovery_parse(pool, &provider, &text,
                                                  &metadata, &told);
                    break;

                case 1:
                    rc = ngx_shop_token_parse(pool, &provider, 200, &text,
                                              &token, &told);
                    break;

                default:
                    docs.json[NGX_SHOP_DOC_UI] = NULL;
                    rc = ngx_shop_identity_userinfo(pool, &provider, 0, 200,
                                                    &text, &docs, &told);

                    (void) ngx_shop_identity(pool, &provider, &docs,
                                             &identity, &told);
                    break;
                }

                if (n == 0 && rc == NGX_OK) {
                    cut++;
                }

                ngx_free(text.data);
                ngx_destroy_pool(pool);
            }
        }
    }

    ngx_shop_unit_is_int(u, cut, 0, "cut anywhere, they are refused");
}


static void
ngx_shop_unit_oidc_provider(ngx_shop_unit_t *u, ngx_shop_provider_t *provider)
{
    ngx_shop_unit_is_int(u, ngx_shop_unit_provider(u->pool, provider), NGX_OK,
                         "a provider");
}


ngx_int_t
ngx_shop_unit_provider(ngx_pool_t *pool, ngx_shop_provider_t *provider)
{
    ngx_uint_t               i;
    ngx_shop_claim_error_t   error;

    static ngx_str_t  claims[NGX_SHOP_CLAIMS] = {
        ngx_string("id:/sub"),
        ngx_string("id:/email | ui:/email"),
        ngx_string("id:/email_verified | ui:/email_verified"),
        ngx_string("id:/name | ui:/name"),
        ngx_string("id:/given_name | ui:/given_name"),
        ngx_string("id:/family_name | ui:/family_name"),
        ngx_string("id:/picture | ui:/picture"),
        ngx_string("id:/locale | ui:/locale"),
        ngx_string("id:/phone_number | ui:/phone_number")
    };

    ngx_memzero(provider, sizeof(ngx_shop_provider_t));

    for (i = 0; i < NGX_SHOP_CLAIMS; i++) {
        provider->claims[i] = ngx_shop_claim_compile(pool, &claims[i],
                                  i == NGX_SHOP_CLAIM_EMAIL_VERIFIED
                                  ? NGX_SHOP_CLAIM_BOOL
                                  : NGX_SHOP_CLAIM_VALUE,
                                  NGX_SHOP_DOCS_PROVEN, &error);

        if (provider->claims[i] == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_str_set(&provider->name, "work");
    ngx_str_set(&provider->client_id, "shop");
    ngx_str_set(&provider->client_secret, "secret");
    ngx_str_set(&provider->issuer, "https://id.example");
    ngx_str_set(&provider->scope, "openid email profile");

    provider->email_trust = NGX_SHOP_EMAIL_CLAIM;

    return NGX_OK;
}


static void
ngx_shop_unit_oidc_parsed(ngx_shop_unit_t *u, ngx_shop_provider_t *provider,
    const char *text, const char *reason, const char *what)
{
    ngx_int_t             rc;
    const char           *told;
    ngx_shop_metadata_t   metadata;

    told = "";
    rc = ngx_shop_discovery_parse(u->pool, provider,
                                  ngx_shop_unit_oidc_str(u, text), &metadata,
                                  &told);
    ngx_shop_unit_oidc_told(u, rc, told, reason, what);
}


static ngx_int_t
ngx_shop_unit_oidc_identity(ngx_shop_unit_t *u, ngx_shop_provider_t *provider,
    const char *claims, ngx_shop_identity_t *identity)
{
    const char       *told;
    ngx_shop_docs_t   docs;

    ngx_shop_unit_oidc_docs(u, &docs, claims);

    /* NUL in a text makes it no JSON at all */

    if (docs.json[NGX_SHOP_DOC_ID] == NULL) {
        ngx_shop_unit_oidc_docs(u, &docs, "{\"sub\":\"s\"}");
    }

    return ngx_shop_identity(u->pool, provider, &docs, identity, &told);
}


/* the claims of an ID token, and nothing else to ask for */

static void
ngx_shop_unit_oidc_docs(ngx_shop_unit_t *u, ngx_shop_docs_t *docs,
    const char *claims)
{
    ngx_memzero(docs, sizeof(ngx_shop_docs_t));

    docs->json[NGX_SHOP_DOC_ID] =
        ngx_shop_json_parse(u->pool, ngx_shop_unit_oidc_str(u, claims),
                            65536);
}


/* NGX_AGAIN: userinfo is asked for, too */

static void
ngx_shop_unit_oidc_asks(ngx_shop_unit_t *u, ngx_shop_provider_t *provider,
    const char *claims, ngx_int_t rc, const char *what)
{
    const char           *told;
    ngx_shop_docs_t       docs;
    ngx_shop_identity_t   identity;

    ngx_shop_unit_oidc_docs(u, &docs, claims);

    docs.pending = NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI);

    ngx_shop_unit_is_int(u, ngx_shop_identity(u->pool, provider, &docs,
                                              &identity, &told),
                         rc, "%s", what);

    if (rc == NGX_AGAIN) {
        ngx_shop_unit_is_int(u, docs.wanted, NGX_SHOP_DOC_UI, "%s: userinfo",
                             what);
    }
}


/* the field is there once, and its value is "value" */

static ngx_uint_t
ngx_shop_unit_oidc_field(ngx_shop_unit_t *u, ngx_str_t *fields,
    const char *name, const char *value)
{
    ngx_int_t  rc;
    ngx_str_t  got;

    ngx_str_null(&got);

    rc = ngx_shop_query_get(u->pool, fields, name, &got);

    return ngx_shop_unit_is_int(u, rc, NGX_OK, "%s is sent once", name)
           & ngx_shop_unit_is(u, &got, value, "%s", name);
}


/* "reason" NULL: it passed */

static void
ngx_shop_unit_oidc_told(ngx_shop_unit_t *u, ngx_int_t rc, const char *told,
    const char *reason, const char *what)
{
    ngx_str_t  got;

    got.data = (u_char *) ((rc == NGX_OK) ? "passed" : told);
    got.len = ngx_strlen(got.data);

    ngx_shop_unit_is(u, &got, reason ? reason : "passed", "%s", what);
    ngx_shop_unit_is_int(u, rc, reason ? NGX_ERROR : NGX_OK, "%s: code",
                         what);
}


static ngx_str_t *
ngx_shop_unit_oidc_str(ngx_shop_unit_t *u, const char *text)
{
    ngx_str_t  *str;

    str = ngx_palloc(u->pool, sizeof(ngx_str_t));

    str->data = (u_char *) text;
    str->len = ngx_strlen(text);

    return str;
}


static ngx_str_t *
ngx_shop_unit_oidc_format(ngx_shop_unit_t *u, const char *fmt, ...)
{
    u_char     *p;
    va_list     args;
    ngx_str_t  *str;

    str = ngx_palloc(u->pool, sizeof(ngx_str_t));
    str->data = ngx_pnalloc(u->pool, 2048);

    va_start(args, fmt);
    p = ngx_vslprintf(str->data, str->data + 2048, fmt, args);
    va_end(args);

    str->len = p - str->data;

    return str;
}
