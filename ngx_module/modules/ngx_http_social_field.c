
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_field.h"


/*
 * The fields of a provider.  A setter replaces what the preset said, and is
 * called at most once for each layer.
 */


#define NGX_HTTP_SOCIAL_SECRET_MAX  4096
#define NGX_HTTP_SOCIAL_TEXT_MAX    2048


typedef struct ngx_http_social_field_s  ngx_http_social_field_t;

struct ngx_http_social_field_s {
    ngx_str_t                  name;
    ngx_uint_t                 args;        /* 1: one value, 2: one or more */

    char                    *(*set)(ngx_conf_t *cf,
                                  ngx_http_social_block_t *block,
                                  ngx_http_social_field_t *field);

    ngx_uint_t                 offset;      /* in the provider, or in the
                                               block where "ours" */
    ngx_conf_enum_t           *words;       /* a word that ends with ":" has
                                               something behind it */
    ngx_uint_t                 more;        /* see the setter */
    ngx_uint_t                 flags;
};


#define NGX_HTTP_SOCIAL_FIRST  1            /* of the first step */
#define NGX_HTTP_SOCIAL_OURS   2            /* offset in the block */

#define NGX_HTTP_SOCIAL_AS_TEXT     0       /* kinds of text */
#define NGX_HTTP_SOCIAL_AS_NAME     1
#define NGX_HTTP_SOCIAL_AS_HOST     2
#define NGX_HTTP_SOCIAL_AS_PORT     3       /* a host with or without one */
#define NGX_HTTP_SOCIAL_AS_SUFFIX   4


static char *ngx_http_social_unknown_field(ngx_conf_t *cf,
    ngx_http_social_block_t *block);
static void *ngx_http_social_at(ngx_http_social_block_t *block,
    ngx_http_social_field_t *field);
static char *ngx_http_social_set_gone(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_text(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static const char *ngx_http_social_text_wrong(ngx_str_t *text,
    ngx_uint_t kind);
static char *ngx_http_social_set_note(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_url(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_issuer(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_texts(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_address(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_str_t *name, ngx_str_t *text);
static ngx_uint_t ngx_http_social_can_fill(ngx_http_social_block_t *block,
    ngx_str_t *text);
static char *ngx_http_social_fill(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_str_t *text);
static ngx_str_t *ngx_http_social_param(ngx_http_social_block_t *block,
    ngx_str_t *name);
static char *ngx_http_social_set_secret(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_verify_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_scope(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_alg(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_enum(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_email_trust(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_pairs(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_params(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_pair(ngx_conf_t *cf, ngx_str_t *text,
    ngx_str_t *name, ngx_str_t *value);
static char *ngx_http_social_set_claim(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_rule(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static char *ngx_http_social_set_path(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
static ngx_int_t ngx_http_social_joined(ngx_conf_t *cf, ngx_str_t *text);
static char *ngx_http_social_bad_claim(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *text, ngx_shop_claim_error_t *error);
static ngx_uint_t ngx_http_social_text_valid(ngx_str_t *text);
static char *ngx_http_social_bad_field(ngx_conf_t *cf, ngx_str_t *value,
    const char *allowed);
static char *ngx_http_social_bad_word(ngx_conf_t *cf, ngx_str_t *value,
    ngx_conf_enum_t *words);


#define ngx_http_social_of(field)   offsetof(ngx_shop_provider_t, field)
#define ngx_http_social_our(field)  offsetof(ngx_http_social_block_t, field)

#define ngx_http_social_ui(n, field)                                          \
    (offsetof(ngx_shop_provider_t, ui) + (n) * sizeof(ngx_shop_userinfo_t)    \
     + offsetof(ngx_shop_userinfo_t, field))

#define ngx_http_social_claim(n)                                              \
    (offsetof(ngx_shop_provider_t, claims) + (n) * sizeof(ngx_shop_claim_t *))


#define ngx_http_social_ti(field)                                             \
    ngx_http_social_ui(NGX_SHOP_TOKENINFO, field)


/* what parameters of the requests may be made of */

#define NGX_HTTP_SOCIAL_TOK_DOCS  NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_CB)

#define NGX_HTTP_SOCIAL_UI_DOCS                                               \
    (NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TK) | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_CB))

#define NGX_HTTP_SOCIAL_UI2_DOCS                                              \
    (NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI) | NGX_HTTP_SOCIAL_UI_DOCS)

#define NGX_HTTP_SOCIAL_TI_DOCS  NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_CLIENT_SECRET)


static ngx_conf_enum_t  ngx_http_social_kind[] = {
    { ngx_string("oidc"), 0 },
    { ngx_string("oauth2"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_flow[] = {
    { ngx_string("code"), NGX_SHOP_FLOW_CODE },
    { ngx_string("native"), NGX_SHOP_FLOW_NATIVE },
    { ngx_string("telegram_widget"), NGX_SHOP_FLOW_WIDGET },
    { ngx_null_string, 0 }
};


/* a text behind the colon goes to the ngx_str_t at "more" */

static ngx_conf_enum_t  ngx_http_social_client_auth[] = {
    { ngx_string("basic"), NGX_SHOP_AUTH_BASIC },
    { ngx_string("post"), NGX_SHOP_AUTH_POST },
    { ngx_string("query"), NGX_SHOP_AUTH_QUERY },
    { ngx_string("hdr:"), NGX_SHOP_AUTH_HEADER },
    { ngx_string("jwt_es256"), NGX_SHOP_AUTH_JWT },
    { ngx_string("none"), NGX_SHOP_AUTH_NONE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_ui_auth[] = {
    { ngx_string("bearer"), NGX_SHOP_BEARER },
    { ngx_string("scheme:"), NGX_SHOP_BEARER_SCHEME },
    { ngx_string("hdr:"), NGX_SHOP_BEARER_HEADER },
    { ngx_string("query:"), NGX_SHOP_BEARER_QUERY },
    { ngx_string("body:"), NGX_SHOP_BEARER_BODY },
    { ngx_string("none"), NGX_SHOP_BEARER_NONE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_pkce[] = {
    { ngx_string("s256"), NGX_SHOP_PKCE_S256 },
    { ngx_string("s256_hex"), NGX_SHOP_PKCE_S256_HEX },
    { ngx_string("s256_nomethod"), NGX_SHOP_PKCE_S256_NOMETHOD },
    { ngx_string("off"), NGX_SHOP_PKCE_OFF },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_nonce[] = {
    { ngx_string("strict"), NGX_SHOP_NONCE_STRICT },
    { ngx_string("if_present"), NGX_SHOP_NONCE_IF_PRESENT },
    { ngx_string("exact_or_sha256"), NGX_SHOP_NONCE_OR_SHA256 },
    { ngx_string("off"), NGX_SHOP_NONCE_OFF },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_resp_mode[] = {
    { ngx_string("query"), 0 },
    { ngx_string("form_post"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_tok_method[] = {
    { ngx_string("POST"), 0 },
    { ngx_string("GET"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_ui_method[] = {
    { ngx_string("GET"), 0 },
    { ngx_string("POST"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_ui_proof[] = {
    { ngx_string("none"), 0 },
    { ngx_string("appsecret_proof"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_sign[] = {
    { ngx_string("none"), NGX_SHOP_SIGN_NONE },
    { ngx_string("alipay_rsa2"), NGX_SHOP_SIGN_ALIPAY },
    { ngx_string("ok_md5"), NGX_SHOP_SIGN_OK },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_tok_format[] = {
    { ngx_string("json"), NGX_SHOP_FORMAT_JSON },
    { ngx_string("form"), NGX_SHOP_FORMAT_FORM },
    { ngx_string("auto"), NGX_SHOP_FORMAT_AUTO },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_key_source[] = {
    { ngx_string("jwks"), NGX_HTTP_SOCIAL_KEYS_JWKS },
    { ngx_string("client_secret"), NGX_HTTP_SOCIAL_KEYS_SECRET },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_iss_rule[] = {
    { ngx_string("exact"), 0 },
    { ngx_string("template"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_callback_iss[] = {
    { ngx_string("expect"), NGX_HTTP_SOCIAL_ISS_EXPECT },
    { ngx_string("ignore"), NGX_HTTP_SOCIAL_ISS_IGNORE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_email_trust[] = {
    { ngx_string("never"), NGX_SHOP_EMAIL_NEVER },
    { ngx_string("claim"), NGX_SHOP_EMAIL_CLAIM },
    { ngx_string("present"), NGX_SHOP_EMAIL_PRESENT },
    { ngx_string("domain:"), NGX_SHOP_EMAIL_DOMAIN },
    { ngx_null_string, 0 }
};


static ngx_http_social_field_t  ngx_http_social_fields[] = {

    /* the first step */

    { ngx_string("preset"), 1, ngx_http_social_set_text,
      ngx_http_social_of(preset), NULL, NGX_HTTP_SOCIAL_AS_TEXT,
      NGX_HTTP_SOCIAL_FIRST },

    { ngx_string("gone"), 1, ngx_http_social_set_gone,
      0, NULL, 0, NGX_HTTP_SOCIAL_FIRST },

    { ngx_string("kind"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(oauth2), ngx_http_social_kind, 0,
      NGX_HTTP_SOCIAL_FIRST },

    { ngx_string("flow"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(flow), ngx_http_social_flow, 0,
      NGX_HTTP_SOCIAL_FIRST },

    { ngx_string("host"), 1, ngx_http_social_set_text,
      ngx_http_social_our(host), NULL, NGX_HTTP_SOCIAL_AS_PORT,
      NGX_HTTP_SOCIAL_FIRST|NGX_HTTP_SOCIAL_OURS },

    { ngx_string("tenant"), 1, ngx_http_social_set_text,
      ngx_http_social_our(tenant), NULL, NGX_HTTP_SOCIAL_AS_HOST,
      NGX_HTTP_SOCIAL_FIRST|NGX_HTTP_SOCIAL_OURS },

    { ngx_string("shop"), 1, ngx_http_social_set_text,
      ngx_http_social_our(shop), NULL, NGX_HTTP_SOCIAL_AS_HOST,
      NGX_HTTP_SOCIAL_FIRST|NGX_HTTP_SOCIAL_OURS },

    { ngx_string("region"), 1, ngx_http_social_set_text,
      ngx_http_social_our(region), NULL, NGX_HTTP_SOCIAL_AS_HOST,
      NGX_HTTP_SOCIAL_FIRST|NGX_HTTP_SOCIAL_OURS },

    { ngx_string("iss_rule"), 1, ngx_http_social_set_enum,
      ngx_http_social_our(iss_template), ngx_http_social_iss_rule, 0,
      NGX_HTTP_SOCIAL_FIRST|NGX_HTTP_SOCIAL_OURS },

    { ngx_string("scope_sep"), 1, ngx_http_social_set_text,
      ngx_http_social_our(scope_sep), NULL, NGX_HTTP_SOCIAL_AS_TEXT,
      NGX_HTTP_SOCIAL_FIRST|NGX_HTTP_SOCIAL_OURS },

    /* what kind of key is in "key_file" */

    { ngx_string("sign"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(sign), ngx_http_social_sign, 0,
      NGX_HTTP_SOCIAL_FIRST },

    /* who */

    { ngx_string("label"), 1, ngx_http_social_set_text,
      ngx_http_social_of(label), NULL, NGX_HTTP_SOCIAL_AS_TEXT, 0 },

    { ngx_string("client_id"), 1, ngx_http_social_set_text,
      ngx_http_social_of(client_id), NULL, NGX_HTTP_SOCIAL_AS_TEXT, 0 },

    { ngx_string("client_secret_file"), 1, ngx_http_social_set_secret,
      0, NULL, 0, 0 },

    { ngx_string("team_id"), 1, ngx_http_social_set_text,
      ngx_http_social_of(secret.team_id), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

    { ngx_string("key_id"), 1, ngx_http_social_set_text,
      ngx_http_social_of(secret.key_id), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

    { ngx_string("key_file"), 1, ngx_http_social_set_key,
      ngx_http_social_of(secret), NULL, 0, 0 },

    { ngx_string("verify_key_file"), 1, ngx_http_social_set_verify_key,
      ngx_http_social_of(verify_key), NULL, 0, 0 },

    { ngx_string("application_key"), 1, ngx_http_social_set_text,
      ngx_http_social_of(application_key), NULL, NGX_HTTP_SOCIAL_AS_NAME,
      0 },

    { ngx_string("issuer"), 2, ngx_http_social_set_issuer,
      ngx_http_social_of(issuer), NULL, 0, 0 },

    { ngx_string("iss_alt"), 2, ngx_http_social_set_texts,
      ngx_http_social_of(iss_alt), NULL, 0, 0 },

    { ngx_string("callback_iss"), 1, ngx_http_social_set_enum,
      ngx_http_social_our(callback_iss), ngx_http_social_callback_iss, 0,
      NGX_HTTP_SOCIAL_OURS },

    /* where */

    { ngx_string("discovery"), 2, ngx_http_social_set_url,
      ngx_http_social_of(discovery), NULL, 0, 0 },

    { ngx_string("authz"), 2, ngx_http_social_set_url,
      ngx_http_social_of(authz), NULL, 0, 0 },

    { ngx_string("token"), 2, ngx_http_social_set_url,
      ngx_http_social_of(token), NULL, 0, 0 },

    { ngx_string("userinfo"), 2, ngx_http_social_set_url,
      ngx_http_social_of(userinfo), NULL, 0, 0 },

    { ngx_string("userinfo2"), 2, ngx_http_social_set_url,
      ngx_http_social_of(userinfo2), NULL, 0, 0 },

    { ngx_string("tokeninfo"), 2, ngx_http_social_set_url,
      ngx_http_social_of(tokeninfo), NULL, 0, 0 },

    { ngx_string("jwks"), 2, ngx_http_social_set_url,
      ngx_http_social_of(jwks), NULL, 0, 0 },

    /* the authorization request and its answer */

    { ngx_string("scope"), 2, ngx_http_social_set_scope,
      ngx_http_social_of(scope), NULL, 0, 0 },

    { ngx_string("p_client_id"), 1, ngx_http_social_set_text,
      ngx_http_social_of(p_client_id), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

    { ngx_string("p_secret"), 1, ngx_http_social_set_text,
      ngx_http_social_of(p_secret), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

    { ngx_string("p_code"), 1, ngx_http_social_set_text,
      ngx_http_social_of(p_code), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

    { ngx_string("p_error"), 1, ngx_http_social_set_text,
      ngx_http_social_of(p_error), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

    { ngx_string("authz_extra"), 2, ngx_http_social_set_pairs,
      ngx_http_social_of(authz_extra), NULL, 1, 0 },

    { ngx_string("authz_suffix"), 1, ngx_http_social_set_text,
      ngx_http_social_of(authz_suffix), NULL, NGX_HTTP_SOCIAL_AS_SUFFIX, 0 },

    { ngx_string("resp_mode"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(form_post), ngx_http_social_resp_mode, 0, 0 },

    { ngx_string("err_map"), 2, ngx_http_social_set_pairs,
      ngx_http_social_of(err_map), NULL, 0, 0 },

    { ngx_string("pkce"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(pkce), ngx_http_social_pkce, 0, 0 },

    { ngx_string("nonce"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(nonce), ngx_http_social_nonce, 0, 0 },

    /* the token request, its answer, the ID token */

    { ngx_string("tok_method"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(tok_get), ngx_http_social_tok_method, 0, 0 },

    { ngx_string("client_auth"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(client_auth), ngx_http_social_client_auth,
      ngx_http_social_of(auth_header), 0 },

    { ngx_string("tok_extra"), 2, ngx_http_social_set_params,
      ngx_http_social_of(tok_extra), NULL, NGX_HTTP_SOCIAL_TOK_DOCS, 0 },

    { ngx_string("tok_headers"), 2, ngx_http_social_set_params,
      ngx_http_social_of(tok_headers), NULL, NGX_HTTP_SOCIAL_TOK_DOCS, 0 },

    { ngx_string("tok_format"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(tok_format), ngx_http_social_tok_format, 0, 0 },

    { ngx_string("tok_root"), 1, ngx_http_social_set_path,
      ngx_http_social_of(tok_root), NULL, 0, 0 },

    { ngx_string("ok_tok"), 2, ngx_http_social_set_rule,
      ngx_http_social_of(ok_tok), NULL, 0, 0 },

    { ngx_string("alg"), 2, ngx_http_social_set_alg,
      ngx_http_social_of(algs), NULL, 0, 0 },

    { ngx_string("native_alg"), 2, ngx_http_social_set_alg,
      ngx_http_social_of(native_algs), NULL, 0, 0 },

    { ngx_string("aud_extra"), 2, ngx_http_social_set_texts,
      ngx_http_social_of(aud_extra), NULL, 0, 0 },

    { ngx_string("key_source"), 1, ngx_http_social_set_enum,
      ngx_http_social_our(key_source), ngx_http_social_key_source, 0,
      NGX_HTTP_SOCIAL_OURS },

    /* the userinfo requests */

    { ngx_string("ui_method"), 1, ngx_http_social_set_enum,
      ngx_http_social_ui(0, post), ngx_http_social_ui_method, 0, 0 },

    { ngx_string("ui_auth"), 1, ngx_http_social_set_enum,
      ngx_http_social_ui(0, bearer), ngx_http_social_ui_auth,
      ngx_http_social_ui(0, bearer_name), 0 },

    { ngx_string("ui_query"), 2, ngx_http_social_set_params,
      ngx_http_social_ui(0, query), NULL, NGX_HTTP_SOCIAL_UI_DOCS, 0 },

    { ngx_string("ui_body"), 2, ngx_http_social_set_params,
      ngx_http_social_ui(0, body), NULL, NGX_HTTP_SOCIAL_UI_DOCS, 0 },

    { ngx_string("ui_headers"), 2, ngx_http_social_set_params,
      ngx_http_social_ui(0, headers), NULL, NGX_HTTP_SOCIAL_UI_DOCS, 0 },

    { ngx_string("ui_proof"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(ui_proof), ngx_http_social_ui_proof, 0, 0 },

    { ngx_string("ok_ui"), 2, ngx_http_social_set_rule,
      ngx_http_social_ui(0, ok), NULL, 0, 0 },

    { ngx_string("ui2_method"), 1, ngx_http_social_set_enum,
      ngx_http_social_ui(1, post), ngx_http_social_ui_method, 0, 0 },

    { ngx_string("ui2_auth"), 1, ngx_http_social_set_enum,
      ngx_http_social_ui(1, bearer), ngx_http_social_ui_auth,
      ngx_http_social_ui(1, bearer_name), 0 },

    { ngx_string("ui2_query"), 2, ngx_http_social_set_params,
      ngx_http_social_ui(1, query), NULL, NGX_HTTP_SOCIAL_UI2_DOCS, 0 },

    { ngx_string("ui2_body"), 2, ngx_http_social_set_params,
      ngx_http_social_ui(1, body), NULL, NGX_HTTP_SOCIAL_UI2_DOCS, 0 },

    { ngx_string("ui2_headers"), 2, ngx_http_social_set_params,
      ngx_http_social_ui(1, headers), NULL, NGX_HTTP_SOCIAL_UI2_DOCS, 0 },

    { ngx_string("ok_ui2"), 2, ngx_http_social_set_rule,
      ngx_http_social_ui(1, ok), NULL, 0, 0 },

    /* what is known of an access token */

    { ngx_string("ti_auth"), 1, ngx_http_social_set_enum,
      ngx_http_social_ti(bearer), ngx_http_social_ui_auth,
      ngx_http_social_ti(bearer_name), 0 },

    { ngx_string("ti_query"), 2, ngx_http_social_set_params,
      ngx_http_social_ti(query), NULL, NGX_HTTP_SOCIAL_TI_DOCS, 0 },

    { ngx_string("ok_ti"), 2, ngx_http_social_set_rule,
      ngx_http_social_ti(ok), NULL, 0, 0 },

    { ngx_string("ti_client"), 2, ngx_http_social_set_claim,
      ngx_http_social_of(ti_client), NULL,
      NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TI), 0 },

    { ngx_string("ti_sub"), 2, ngx_http_social_set_claim,
      ngx_http_social_of(ti_sub), NULL,
      NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TI), 0 },

    { ngx_string("ti_expires"), 2, ngx_http_social_set_claim,
      ngx_http_social_of(ti_expires), NULL,
      NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TI), 0 },

    /* the claims: those that a decision hangs on are not the callback's */

    { ngx_string("sub"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_SUB), NULL,
      NGX_SHOP_DOCS_PROVEN, 0 },

    { ngx_string("email"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_EMAIL), NULL,
      NGX_SHOP_DOCS_PROVEN, 0 },

    { ngx_string("email_verified"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_EMAIL_VERIFIED), NULL,
      NGX_SHOP_DOCS_PROVEN, 0 },

    { ngx_string("name"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_NAME), NULL,
      NGX_SHOP_DOCS_ALL, 0 },

    { ngx_string("given_name"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_GIVEN_NAME), NULL,
      NGX_SHOP_DOCS_ALL, 0 },

    { ngx_string("family_name"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_FAMILY_NAME), NULL,
      NGX_SHOP_DOCS_ALL, 0 },

    { ngx_string("picture"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_PICTURE), NULL,
      NGX_SHOP_DOCS_ALL, 0 },

    { ngx_string("locale"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_LOCALE), NULL,
      NGX_SHOP_DOCS_ALL, 0 },

    { ngx_string("phone"), 2, ngx_http_social_set_claim,
      ngx_http_social_claim(NGX_SHOP_CLAIM_PHONE), NULL,
      NGX_SHOP_DOCS_ALL, 0 },

    { ngx_string("email_trust"), 1, ngx_http_social_set_email_trust,
      ngx_http_social_of(email_trust), ngx_http_social_email_trust, 0, 0 },

    { ngx_string("sub_scope"), 2, ngx_http_social_set_note, 0, NULL, 0, 0 },

    { ngx_null_string, 0, NULL, 0, NULL, 0, 0 }
};


char *
ngx_http_social_field(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_uint_t first)
{
    char                     *rv;
    u_char                   *set;
    ngx_str_t                *value;
    ngx_http_social_field_t  *field;

    value = cf->args->elts;

    for (field = ngx_http_social_fields; field->name.len; field++) {
        if (field->name.len == value[0].len
            && ngx_strncmp(field->name.data, value[0].data, value[0].len)
               == 0)
        {
            break;
        }
    }

    if (field->name.len == 0) {
        return first ? NGX_CONF_OK : ngx_http_social_unknown_field(cf, block);
    }

    if (((field->flags & NGX_HTTP_SOCIAL_FIRST) != 0) != first) {
        return NGX_CONF_OK;
    }

    if (cf->args->nelts < 2 || (field->args == 1 && cf->args->nelts != 2)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of values of \"%V\" in "
                           "\"social_provider %V\"", &value[0],
                           &block->provider->name);
        return NGX_CONF_ERROR;
    }

    set = &block->set[field - ngx_http_social_fields];

    if (*set == block->layer) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is duplicate",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    *set = block->layer;

    rv = field->set(cf, block, field);

    if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", &value[0], rv);
        return NGX_CONF_ERROR;
    }

    return rv;
}


static char *
ngx_http_social_unknown_field(ngx_conf_t *cf, ngx_http_social_block_t *block)
{
    u_char                   *p, *text;
    size_t                    len;
    ngx_str_t                *value;
    ngx_http_social_field_t  *field;

    value = cf->args->elts;

    if (value[0].len == sizeof("client_secret") - 1
        && ngx_strncmp(value[0].data, "client_secret", value[0].len) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"client_secret\" in \"social_provider %V\": a "
                           "secret is read from \"client_secret_file\" only",
                           &block->provider->name);
        return NGX_CONF_ERROR;
    }

    len = 1;

    for (field = ngx_http_social_fields; field->name.len; field++) {
        len += field->name.len + 2;
    }

    text = ngx_pnalloc(cf->pool, len);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    p = text;

    for (field = ngx_http_social_fields; field->name.len; field++) {
        p = ngx_sprintf(p, "%s%V", p == text ? "" : ", ", &field->name);
    }

    *p = '\0';

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown field \"%V\" in \"social_provider %V\", "
                       "allowed: %s", &value[0], &block->provider->name,
                       text);

    return NGX_CONF_ERROR;
}


static void *
ngx_http_social_at(ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    if (field->flags & NGX_HTTP_SOCIAL_OURS) {
        return (u_char *) block + field->offset;
    }

    return (u_char *) block->provider + field->offset;
}


static char *
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


static char *
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

static const char *
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

static char *
ngx_http_social_set_note(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    return NGX_CONF_OK;
}


/* the last one whose placeholders have values, else the first */

static char *
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


/* of a template, "{tid}" stays; it is a good address with a tenant in it */

static char *
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

static char *
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
    u_char     *p, *q, *last;
    ngx_str_t   name, *param;

    last = text->data + text->len;

    for (p = text->data; p != last; p++) {

        if (*p != '{') {
            continue;
        }

        q = ngx_strlchr(p, last, '}');

        name.data = p + 1;
        name.len = q ? (size_t) (q - name.data) : 0;

        param = ngx_http_social_param(block, &name);

        if (param != NULL && param->len == 0) {
            return 0;
        }
    }

    return 1;
}


/* "{host}" becomes what the field "host" says */

static char *
ngx_http_social_fill(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_str_t *text)
{
    u_char      *p, *q, *dst, *last;
    size_t       len;
    ngx_str_t    name, *param;
    ngx_uint_t   n;

    last = text->data + text->len;
    len = text->len;
    n = 0;

    for (p = text->data; p != last; p++) {

        if (*p != '{') {
            continue;
        }

        q = ngx_strlchr(p, last, '}');

        name.data = p + 1;
        name.len = q ? (size_t) (q - name.data) : 0;

        param = ngx_http_social_param(block, &name);

        if (param == NULL) {
            return ngx_http_social_bad_field(cf, text,
                       "{host}, {tenant}, {shop} and {region} in braces");
        }

        if (param->len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"social_provider %V\" has no \"%V\", which "
                               "is a part of \"%V\"",
                               &block->provider->name, &name, text);
            return NGX_CONF_ERROR;
        }

        len += param->len;
        n++;
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

    while (p != last) {

        if (*p != '{') {
            *dst++ = *p++;
            continue;
        }

        q = ngx_strlchr(p, last, '}');

        name.data = p + 1;
        name.len = q - name.data;

        param = ngx_http_social_param(block, &name);

        dst = ngx_cpymem(dst, param->data, param->len);
        p = q + 1;
    }

    text->len = dst - text->data;

    return NGX_CONF_OK;
}


static ngx_str_t *
ngx_http_social_param(ngx_http_social_block_t *block, ngx_str_t *name)
{
    ngx_uint_t  i, n;

    struct {
        const char  *name;
        ngx_str_t   *value;
    } params[5];

    params[0].name = "host";
    params[0].value = &block->host;
    params[1].name = "tenant";
    params[1].value = &block->tenant;
    params[2].name = "shop";
    params[2].value = &block->shop;
    params[3].name = "region";
    params[3].value = &block->region;
    params[4].name = "tid";
    params[4].value = &block->tid;

    n = block->tid.len ? 5 : 4;

    for (i = 0; i < n; i++) {
        if (ngx_strlen(params[i].name) == name->len
            && ngx_strncmp(params[i].name, name->data, name->len) == 0)
        {
            return params[i].value;
        }
    }

    return NULL;
}


static char *
ngx_http_social_set_secret(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t  *value, *secret;

    value = cf->args->elts;
    secret = &block->provider->client_secret;

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


static char *
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


static char *
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


static char *
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

        openid |= (value[i].len == 6
                   && ngx_strncmp(value[i].data, "openid", 6) == 0);
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


static char *
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


static char *
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


static char *
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


/* what the protocol needs is ours to say, not the shop's */

static char *
ngx_http_social_set_pairs(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t      *value;
    ngx_uint_t      i;
    ngx_array_t   **pairs;
    ngx_keyval_t   *kv;

    value = cf->args->elts;
    pairs = ngx_http_social_at(block, field);

    *pairs = ngx_array_create(cf->pool, cf->args->nelts,
                              sizeof(ngx_keyval_t));
    if (*pairs == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        kv = ngx_array_push(*pairs);

        if (ngx_http_social_pair(cf, &value[i], &kv->key, &kv->value)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (field->more
            && ngx_shop_authreq_reserved(block->provider, &kv->key))
        {
            return ngx_http_social_bad_field(cf, &value[i],
                                             "parameters that the login does "
                                             "not set itself");
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_params(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t                *value, text;
    ngx_uint_t                i;
    ngx_array_t             **params;
    ngx_shop_param_t         *param;
    ngx_shop_claim_error_t    error;

    value = cf->args->elts;
    params = ngx_http_social_at(block, field);

    *params = ngx_array_create(cf->pool, cf->args->nelts,
                               sizeof(ngx_shop_param_t));
    if (*params == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        param = ngx_array_push(*params);

        if (ngx_http_social_pair(cf, &value[i], &param->name, &text)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        param->value = ngx_shop_claim_compile(cf->pool, &text,
                                              NGX_SHOP_CLAIM_TEMPLATE,
                                              field->more, &error);
        if (param->value == NULL) {
            return ngx_http_social_bad_claim(cf, &value[0], &text, &error);
        }
    }

    return NGX_CONF_OK;
}


/* the name ends with NUL */

static char *
ngx_http_social_pair(ngx_conf_t *cf, ngx_str_t *text, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char  *eq;

    eq = ngx_strlchr(text->data, text->data + text->len, '=');

    if (eq == NULL || eq == text->data) {
        return ngx_http_social_bad_field(cf, text, "NAME=VALUE");
    }

    if (!ngx_http_social_text_valid(text)) {
        return ngx_http_social_bad_field(cf, text,
                                         "UTF-8, no control characters");
    }

    name->len = eq - text->data;
    name->data = ngx_pnalloc(cf->pool, name->len + 1);

    if (name->data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_cpystrn(name->data, text->data, name->len + 1);

    value->data = eq + 1;
    value->len = text->data + text->len - value->data;

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_claim(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t               *value, text;
    ngx_uint_t               docs, kind;
    ngx_shop_claim_t       **claim;
    ngx_shop_claim_error_t   error;

    value = cf->args->elts;
    claim = ngx_http_social_at(block, field);

    if (ngx_http_social_joined(cf, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* none is a field of the preset that the shop does not want */

    if (text.len == 4 && ngx_strncmp(text.data, "none", 4) == 0) {
        *claim = NULL;
        return NGX_CONF_OK;
    }

    docs = field->more;

    if (block->provider->oauth2) {
        docs &= ~NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_ID);
    }

    kind = (field->offset
            == ngx_http_social_claim(NGX_SHOP_CLAIM_EMAIL_VERIFIED))
           ? NGX_SHOP_CLAIM_BOOL : NGX_SHOP_CLAIM_VALUE;

    *claim = ngx_shop_claim_compile(cf->pool, &text, kind, docs, &error);

    if (*claim == NULL) {
        return ngx_http_social_bad_claim(cf, &value[0], &text, &error);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_rule(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t               *value, text;
    ngx_shop_rule_t        **rule;
    ngx_shop_claim_error_t   error;

    value = cf->args->elts;
    rule = ngx_http_social_at(block, field);

    if (ngx_http_social_joined(cf, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *rule = ngx_shop_rule_compile(cf->pool, &text, &error);

    if (*rule == NULL) {
        return ngx_http_social_bad_claim(cf, &value[0], &text, &error);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_social_set_path(ngx_conf_t *cf, ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    ngx_str_t               *value;
    ngx_array_t            **path;
    ngx_shop_claim_error_t   error;

    value = cf->args->elts;
    path = ngx_http_social_at(block, field);

    *path = ngx_shop_path_compile(cf->pool, &value[1], &error);

    if (*path == NULL) {
        return ngx_http_social_bad_claim(cf, &value[0], &value[1], &error);
    }

    return NGX_CONF_OK;
}


/* the values, with one blank between: an expression needs no quotes then */

static ngx_int_t
ngx_http_social_joined(ngx_conf_t *cf, ngx_str_t *text)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;
    len = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        len += value[i].len + 1;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = len - 1;

    for (i = 1; i < cf->args->nelts; i++) {
        p = ngx_cpymem(p, value[i].data, value[i].len);
        *p++ = ' ';
    }

    return NGX_OK;
}


static char *
ngx_http_social_bad_claim(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *text,
    ngx_shop_claim_error_t *error)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" of \"%V\": %s at character %uz",
                       text, name, error->what, error->at);

    return NGX_CONF_ERROR;
}


/* the chooser is JSON as well, which could not hold other bytes */

static ngx_uint_t
ngx_http_social_text_valid(ngx_str_t *text)
{
    u_char    *p, *last;
    uint32_t   ch;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        /* the decoder is for bytes from 0x80 on only */

        ch = (*p < 0x80) ? *p++ : ngx_utf8_decode(&p, last - p);

        if (ch < 0x20 || ch == 0x7f || ch > 0x10ffff
            || (ch >= 0xd800 && ch <= 0xdfff))
        {
            return 0;
        }
    }

    return 1;
}


static char *
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
