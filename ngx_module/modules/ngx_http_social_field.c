
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_set.h"


/*
 * All fields of a provider, and how a line finds its own.
 */


static char *ngx_http_social_unknown_field(ngx_conf_t *cf,
    ngx_http_social_block_t *block);


#define ngx_http_social_of(field)   offsetof(ngx_shop_provider_t, field)
#define ngx_http_social_our(field)  offsetof(ngx_http_social_block_t, field)

#define ngx_http_social_ui(n, field)                                          \
    (offsetof(ngx_shop_provider_t, ui) + (n) * sizeof(ngx_shop_userinfo_t)    \
     + offsetof(ngx_shop_userinfo_t, field))


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


static ngx_conf_enum_t  ngx_http_social_native_code[] = {
    { ngx_string("on"), 0 },
    { ngx_string("off"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_social_notify[] = {
    { ngx_string("none"), 0 },
    { ngx_string("meta_signed_request"), NGX_SHOP_NOTIFY_META },
    { ngx_string("apple_s2s"), NGX_SHOP_NOTIFY_APPLE },
    { ngx_string("google_risc"), NGX_SHOP_NOTIFY_SECEVENT },
    { ngx_string("secevent"), NGX_SHOP_NOTIFY_SECEVENT },
    { ngx_string("tiktok"), NGX_SHOP_NOTIFY_TIKTOK },
    { ngx_string("discord"), NGX_SHOP_NOTIFY_DISCORD },
    { ngx_string("kakao"), NGX_SHOP_NOTIFY_KAKAO },
    { ngx_string("naver"), NGX_SHOP_NOTIFY_NAVER },
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
      ngx_http_social_of(client_secret), NULL, 0, 0 },

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

    { ngx_string("logout"), 2, ngx_http_social_set_logout,
      ngx_http_social_of(logout), NULL, 0, 0 },

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

    { ngx_string("p_logout"), 1, ngx_http_social_set_text,
      ngx_http_social_of(p_logout), NULL, NGX_HTTP_SOCIAL_AS_NAME, 0 },

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

    { ngx_string("native_code"), 1, ngx_http_social_set_enum,
      ngx_http_social_of(no_native_code), ngx_http_social_native_code, 0, 0 },

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

    /* notices */

    { ngx_string("notify"), 2, ngx_http_social_set_notify,
      ngx_http_social_of(notify), ngx_http_social_notify, 0, 0 },

    { ngx_string("notify_issuer"), 1, ngx_http_social_set_text,
      ngx_http_social_of(notify_issuer), NULL, NGX_HTTP_SOCIAL_AS_TEXT, 0 },

    { ngx_string("notify_secret_file"), 1, ngx_http_social_set_secret,
      ngx_http_social_of(notify_secret), NULL, 0, 0 },

    { ngx_string("notify_key"), 1, ngx_http_social_set_notify_key,
      ngx_http_social_of(notify_key), NULL, 0, 0 },

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

    if (ngx_shop_text_is(&value[0], "client_secret")) {
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


void *
ngx_http_social_at(ngx_http_social_block_t *block,
    ngx_http_social_field_t *field)
{
    if (field->flags & NGX_HTTP_SOCIAL_OURS) {
        return (u_char *) block + field->offset;
    }

    return (u_char *) block->provider + field->offset;
}
