
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_OIDC_H_INCLUDED_
#define _NGX_SHOP_OIDC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "jose/ngx_shop_jose.h"


/*
 * The rules of the protocol, pure: what a provider's documents mean, what we
 * ask, what an answer is worth.  Nothing here sends or waits.
 *
 * Reasons are codes for logs and error answers; they hold nothing a peer
 * sent.  These are all of them, by the document they are about; those of
 * the ID token are in jose/ngx_shop_jose.h:
 *
 *     metadata      metadata_malformed, endpoint_missing, endpoint_insecure,
 *                   client_auth_unsupported, alg_unsupported,
 *                   issuer_mismatch
 *     signed fields callback_malformed, parameter_duplicated,
 *                   signature_missing, signature_invalid, token_expired,
 *                   token_not_yet_valid, claims_malformed
 *     callback      callback_malformed, parameter_duplicated,
 *                   state_missing, issuer_mismatch, issuer_missing,
 *                   access_denied, provider_error, code_missing
 *     token answer  token_malformed, token_type_refused, token_error,
 *                   code_refused, client_refused, id_token_missing
 *     claims        claims_malformed, subject_unavailable
 *     userinfo      userinfo_error, userinfo_malformed, userinfo_mismatch
 *     a signed one  signature_invalid
 *     token's info  token_refused, tokeninfo_error, tokeninfo_malformed,
 *                   aud_mismatch, token_expired
 *     notice        request_malformed, subject_missing, and those of signed
 *                   fields and of ID tokens
 *
 * and "internal_error" where memory was short.
 */


#define NGX_SHOP_METADATA_MAX   262144
#define NGX_SHOP_TOKEN_MAX      65536
#define NGX_SHOP_TOKEN_FIELDS   64          /* of an answer that is a form */
#define NGX_SHOP_USERINFO_MAX   65536
#define NGX_SHOP_CALLBACK_MAX   65536
#define NGX_SHOP_SUBJECT_MAX    255
#define NGX_SHOP_PROFILE_MAX    255
#define NGX_SHOP_PICTURE_MAX    1024
#define NGX_SHOP_PHONE_MAX      32

#define NGX_SHOP_OIDC_LEEWAY    60


/* ngx_shop_claim.c: where in a provider's documents something is */

#define NGX_SHOP_CLAIM_TEXT_MAX   1024      /* bytes of an expression */
#define NGX_SHOP_CLAIM_OPS_MAX    32        /* refs and texts in it */
#define NGX_SHOP_CLAIM_STEPS_MAX  16        /* of a pointer */
#define NGX_SHOP_CLAIM_VALUE_MAX  16384     /* bytes of what is found */


typedef enum {
    NGX_SHOP_DOC_ID = 0,                    /* claims of the ID token, or
                                               Telegram's signed fields */
    NGX_SHOP_DOC_UI,                        /* userinfo */
    NGX_SHOP_DOC_UI2,                       /* a second one */
    NGX_SHOP_DOC_TK,                        /* the token answer */
    NGX_SHOP_DOC_TI,                        /* what is known of a token */
    NGX_SHOP_DOC_CB,                        /* fields of the callback */

    NGX_SHOP_DOC_CLIENT_ID,                 /* of templates alone */
    NGX_SHOP_DOC_STATE,
    NGX_SHOP_DOC_CLIENT_SECRET,
    NGX_SHOP_DOC_TEXT
} ngx_shop_doc_e;


#define NGX_SHOP_DOC_BIT(doc)  ((ngx_uint_t) 1 << (doc))

/* those that are proven by a signature, or because we asked for them with a
 * code that we exchanged ourselves; the callback is whatever a browser says */
#define NGX_SHOP_DOCS_PROVEN                                                  \
    (NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_ID) | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI)    \
     | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI2)                                     \
     | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TK))

#define NGX_SHOP_DOCS_ALL                                                     \
    (NGX_SHOP_DOCS_PROVEN | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_CB))


/* the documents of one login, as far as they are there */

typedef struct {
    ngx_shop_json_t           *json[5];     /* ID, UI, UI2, TK, TI; NULL:
                                               none */
    ngx_uint_t                 offered;     /* bits: UI, UI2, if there is an
                                               address of it */
    ngx_uint_t                 pending;     /* bits: could be asked for */
    ngx_uint_t                 partial;     /* bits: a login may know more
                                               of them than is here */
    ngx_uint_t                 wanted;      /* ngx_shop_doc_e, see there */
    ngx_str_t                  callback;    /* its query or form, raw */
    ngx_str_t                  client_id;
    ngx_str_t                  client_secret;
    ngx_str_t                  state;
} ngx_shop_docs_t;


typedef enum {
    NGX_SHOP_CLAIM_VALUE = 0,
    NGX_SHOP_CLAIM_BOOL,                    /* with "&&"; "true", "false" */
    NGX_SHOP_CLAIM_TEMPLATE                 /* as in "tpl()", all of it */
} ngx_shop_claim_kind_e;


typedef struct {
    ngx_array_t                ops;
    ngx_uint_t                 docs;        /* bits: it looks at these */
} ngx_shop_claim_t;


typedef struct {
    const char                *what;
    size_t                     at;          /* character, the first is 1 */
} ngx_shop_claim_error_t;


/*
 * Reads an expression at configuration time; the grammar is in the file.
 * "allowed" has the bits of the documents it may look at.  "text" is copied
 * to "pool" where it is needed.  NULL: "error" says what is wrong, where.
 */
ngx_shop_claim_t *ngx_shop_claim_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_claim_kind_e kind, ngx_uint_t allowed,
    ngx_shop_claim_error_t *error);

/*
 * NGX_OK: "value" is not empty, it is from "pool" or points into a document,
 * and "used" has the bits of the documents it was taken from; NGX_DECLINED:
 * nothing is there; NGX_AGAIN: the document docs->wanted, pending now, has to
 * be asked for first, or is partial and lacks what another login may find in
 * it; NGX_ERROR: what is there cannot be meant, or memory was short.  A
 * document that is not in "allowed" counts as not there.
 */
ngx_int_t ngx_shop_claim_eval(ngx_pool_t *pool, ngx_shop_claim_t *claim,
    ngx_shop_docs_t *docs, ngx_uint_t allowed, ngx_str_t *value,
    ngx_uint_t *used);

/* adds the fields of the callback that it looks at to "names", of ngx_str_t
 * that end with NUL; one that is there already is not added again */
ngx_int_t ngx_shop_claim_fields(ngx_shop_claim_t *claim, ngx_array_t *names);

/* a pointer (RFC 6901), as an array of ngx_str_t; "error" as above */
ngx_array_t *ngx_shop_path_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_claim_error_t *error);

/* where it leads; NULL: nowhere */
ngx_shop_json_t *ngx_shop_path_get(ngx_shop_json_t *json, ngx_array_t *path);


/* by what an answer is known to be one of success */

typedef enum {
    NGX_SHOP_RULE_EQUAL = 0,
    NGX_SHOP_RULE_OTHER,                    /* it is there, and is not so */
    NGX_SHOP_RULE_ABSENT,                   /* or null */
    NGX_SHOP_RULE_ABSENT_OR
} ngx_shop_rule_e;


typedef struct ngx_shop_rule_s  ngx_shop_rule_t;

struct ngx_shop_rule_s {
    ngx_array_t                path;
    ngx_uint_t                 op;          /* ngx_shop_rule_e */
    ngx_str_t                  value;       /* of the configuration */
    ngx_shop_rule_t           *next;        /* has to hold, too */
};


/* "POINTER = VALUE", "POINTER != VALUE", "POINTER absent",
 * "POINTER absent_or= VALUE", or several of them with "&&" between */
ngx_shop_rule_t *ngx_shop_rule_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_claim_error_t *error);

ngx_uint_t ngx_shop_rule_holds(ngx_pool_t *pool, ngx_shop_rule_t *rule,
    ngx_shop_json_t *json);


/* ngx_shop_provider.c: what a shop said about a provider */

/* how customers come */

typedef enum {
    NGX_SHOP_FLOW_CODE = 0,                 /* by redirects, with a code */
    NGX_SHOP_FLOW_NATIVE,                   /* an app has an ID token */
    NGX_SHOP_FLOW_WIDGET                    /* Telegram's: signed fields */
} ngx_shop_flow_e;


typedef enum {
    NGX_SHOP_AUTH_UNSET = 0,                /* as the metadata says */
    NGX_SHOP_AUTH_BASIC,
    NGX_SHOP_AUTH_POST,
    NGX_SHOP_AUTH_QUERY,
    NGX_SHOP_AUTH_HEADER,                   /* auth_header */
    NGX_SHOP_AUTH_JWT,                      /* POST, with "secret" */
    NGX_SHOP_AUTH_NONE
} ngx_shop_client_auth_e;


typedef enum {
    NGX_SHOP_NONCE_STRICT = 0,
    NGX_SHOP_NONCE_IF_PRESENT,
    NGX_SHOP_NONCE_OR_SHA256,               /* or its digest, in hex */
    NGX_SHOP_NONCE_OFF
} ngx_shop_nonce_e;


typedef enum {
    NGX_SHOP_PKCE_OFF = 0,
    NGX_SHOP_PKCE_S256,
    NGX_SHOP_PKCE_S256_HEX,                 /* the digest in hex */
    NGX_SHOP_PKCE_S256_NOMETHOD             /* the method is not named */
} ngx_shop_pkce_e;


typedef enum {
    NGX_SHOP_SIGN_NONE = 0,
    NGX_SHOP_SIGN_ALIPAY,                   /* all requests and answers */
    NGX_SHOP_SIGN_OK                        /* userinfo requests */
} ngx_shop_sign_e;


/* kinds of notices that a provider sends by itself, as a set */

#define NGX_SHOP_NOTIFY_META      0x01      /* "signed_request" */
#define NGX_SHOP_NOTIFY_APPLE     0x02      /* a token in JSON */
#define NGX_SHOP_NOTIFY_SECEVENT  0x04      /* a token: RFC 8417, 8935 */
#define NGX_SHOP_NOTIFY_TIKTOK    0x08
#define NGX_SHOP_NOTIFY_DISCORD   0x10
#define NGX_SHOP_NOTIFY_KAKAO     0x20
#define NGX_SHOP_NOTIFY_NAVER     0x40
#define NGX_SHOP_NOTIFY_LOGOUT    0x80      /* at an address of its own */

#define NGX_SHOP_NOTIFY_TOKENS                                                \
    (NGX_SHOP_NOTIFY_APPLE | NGX_SHOP_NOTIFY_SECEVENT)


typedef enum {
    NGX_SHOP_FORMAT_JSON = 0,
    NGX_SHOP_FORMAT_FORM,
    NGX_SHOP_FORMAT_AUTO
} ngx_shop_format_e;


typedef enum {
    NGX_SHOP_EMAIL_NEVER = 0,
    NGX_SHOP_EMAIL_CLAIM,                   /* where "email_verified" is */
    NGX_SHOP_EMAIL_PRESENT,
    NGX_SHOP_EMAIL_DOMAIN                   /* of email_domains */
} ngx_shop_email_trust_e;


typedef enum {
    NGX_SHOP_BEARER = 0,                    /* "Authorization: Bearer" */
    NGX_SHOP_BEARER_SCHEME,                 /* with another word */
    NGX_SHOP_BEARER_HEADER,                 /* in a header of its own */
    NGX_SHOP_BEARER_QUERY,
    NGX_SHOP_BEARER_BODY,
    NGX_SHOP_BEARER_NONE
} ngx_shop_bearer_e;


/* what is told about somebody, by expressions */

typedef enum {
    NGX_SHOP_CLAIM_SUB = 0,
    NGX_SHOP_CLAIM_EMAIL,
    NGX_SHOP_CLAIM_EMAIL_VERIFIED,
    NGX_SHOP_CLAIM_NAME,
    NGX_SHOP_CLAIM_GIVEN_NAME,
    NGX_SHOP_CLAIM_FAMILY_NAME,
    NGX_SHOP_CLAIM_PICTURE,
    NGX_SHOP_CLAIM_LOCALE,
    NGX_SHOP_CLAIM_PHONE,
    NGX_SHOP_CLAIMS
} ngx_shop_claim_e;


/* a parameter or header we send; left out where its value is empty */

typedef struct {
    ngx_str_t                  name;
    ngx_shop_claim_t          *value;       /* a template */
} ngx_shop_param_t;


/* how a userinfo endpoint is asked, or another one with an access token */

typedef struct {
    ngx_uint_t                 post;
    ngx_uint_t                 bearer;      /* ngx_shop_bearer_e */
    ngx_str_t                  bearer_name; /* scheme, header or parameter */
    ngx_array_t               *query;       /* of ngx_shop_param_t, or NULL */
    ngx_array_t               *body;
    ngx_array_t               *headers;
    ngx_shop_rule_t           *ok;          /* NULL: status 200 is enough */
} ngx_shop_userinfo_t;


/* what a secret is signed with where it is a token, and the current one */

typedef struct {
    ngx_str_t                  team_id;
    ngx_str_t                  key_id;
    EVP_PKEY                  *key;

    /* the worker's */

    ngx_pool_t                *pool;        /* NULL: there is none yet */
    ngx_str_t                  token;
    time_t                     made;
} ngx_shop_secret_t;


typedef struct {
    ngx_str_t                  name;        /* of the block */
    ngx_str_t                  preset;
    ngx_str_t                  label;
    ngx_str_t                  client_id;
    ngx_str_t                  client_secret;    /* may be empty: NONE */
    ngx_shop_secret_t          secret;
    ngx_str_t                  application_key;  /* of SIGN_OK */
    EVP_PKEY                  *verify_key;       /* of SIGN_ALIPAY */
    ngx_str_t                  issuer;
    ngx_array_t               *iss_alt;     /* of ngx_str_t, or NULL */
    ngx_array_t               *aud_extra;   /* likewise: of apps' tokens */
    ngx_str_t                  tenant;      /* of an issuer that is a
                                               template, else empty */
    ngx_str_t                  scope;       /* "openid email profile" */

    /* empty: from the metadata */

    ngx_str_t                  discovery;
    ngx_str_t                  authz;
    ngx_str_t                  token;
    ngx_str_t                  userinfo;
    ngx_str_t                  userinfo2;   /* not in the metadata */
    ngx_str_t                  tokeninfo;   /* likewise; empty: apps bring no
                                               access token */
    ngx_str_t                  jwks;
    ngx_str_t                  logout;      /* where customers sign out; empty:
                                               nowhere, or "logout_on" */

    /* what the parameters are called; empty: as in RFC 6749 */

    ngx_str_t                  p_client_id;
    ngx_str_t                  p_secret;
    ngx_str_t                  p_code;      /* in the callback */
    ngx_str_t                  p_error;     /* "error" where there is none */
    ngx_str_t                  p_logout;    /* of the logout request: where to
                                               come back to */

    /* of authz_extra and err_map: ngx_keyval_t; raw, escaped when sent */

    ngx_array_t               *authz_extra;
    ngx_str_t                  authz_suffix;     /* a fragment, with "#" */
    ngx_array_t               *tok_extra;   /* of ngx_shop_param_t */
    ngx_array_t               *tok_headers;
    ngx_array_t               *tok_root;    /* a path, or NULL */
    ngx_shop_rule_t           *ok_tok;
    ngx_str_t                  auth_header;
    ngx_array_t               *err_map;     /* their error, a standard one */

    ngx_shop_userinfo_t        ui[3];       /* the third: of a token */
    ngx_shop_claim_t          *ti_client;   /* whose app it was given to */
    ngx_shop_claim_t          *ti_sub;      /* and by whom */
    ngx_shop_claim_t          *ti_expires;  /* seconds; NULL: not told */
    ngx_shop_claim_t          *claims[NGX_SHOP_CLAIMS];

    ngx_uint_t                 notify;      /* a set of kinds */
    ngx_str_t                  notify_issuer;    /* empty: the issuer */
    ngx_str_t                  notify_secret;    /* of NOTIFY_KAKAO */
    EVP_PKEY                  *notify_key;       /* of NOTIFY_DISCORD */
    ngx_uint_t                 logout_tokens;    /* 1: can name a customer */
    ngx_uint_t                 logout_on;   /* 1: where the metadata say */

    ngx_array_t               *email_domains;    /* of ngx_str_t */
    ngx_array_t                fields;      /* ngx_str_t: of the callback,
                                               that expressions look at */

    ngx_uint_t                 algs;        /* 0: from the metadata */
    ngx_uint_t                 native_algs; /* of an app's token; 0: algs */
    ngx_uint_t                 flow;        /* ngx_shop_flow_e */
    ngx_uint_t                 oauth2;      /* 1: there is no ID token */
    ngx_uint_t                 client_auth; /* ngx_shop_client_auth_e */
    ngx_uint_t                 nonce;       /* ngx_shop_nonce_e */
    ngx_uint_t                 pkce;        /* ngx_shop_pkce_e */
    ngx_uint_t                 form_post;   /* 1: ask for it */
    ngx_uint_t                 tok_get;     /* 1: by GET */
    ngx_uint_t                 tok_format;  /* ngx_shop_format_e */
    ngx_uint_t                 iss_ignored; /* 1: in the callback */
    ngx_uint_t                 email_trust; /* ngx_shop_email_trust_e */
    ngx_uint_t                 ui_proof;    /* 1: "appsecret_proof" */
    ngx_uint_t                 sign;        /* ngx_shop_sign_e */
    ngx_uint_t                 no_native_code;   /* 1: apps bring no code */
} ngx_shop_provider_t;


/*
 * 1: a callback may call the issuer so.  With a "tenant" the issuer is a
 * template, which "{tid}" stands in once, for any tenant that may sign in.
 */
ngx_uint_t ngx_shop_provider_is_issuer(ngx_shop_provider_t *provider,
    ngx_str_t *issuer);

/* likewise, "issuer" of the metadata, which are those of many tenants */
ngx_uint_t ngx_shop_provider_is_published(ngx_shop_provider_t *provider,
    ngx_str_t *issuer);

/*
 * The issuer that an ID token with these claims must have; of a template, it
 * is of the tenant that "tid" names.  Empty: it can have none.
 */
void ngx_shop_provider_issuer(ngx_shop_provider_t *provider,
    ngx_shop_json_t *claims, ngx_str_t *issuer);

/*
 * 1: a key that says it is of "of", if it does, may sign for "issuer"; with a
 * "tenant" those of all of them are of "{tenantid}"
 */
ngx_uint_t ngx_shop_provider_may_sign(ngx_shop_provider_t *provider,
    ngx_str_t *of, ngx_str_t *issuer);

/* 1: "common", "organizations", "consumers" or the id of one, a GUID */
ngx_uint_t ngx_shop_provider_is_tenant(ngx_str_t *tenant);

/* what "err_map" makes of a provider's error code */
void ngx_shop_provider_error(ngx_shop_provider_t *provider,
    ngx_str_t *error);

/* where the discovery document is (OpenID Connect Discovery 4), from
 * "pool" */
ngx_int_t ngx_shop_provider_discovery_url(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *url);


/* ngx_shop_secret.c: a client secret that is a token, signed by us */

/*
 * Takes the key, at configuration time; the current token is wiped with
 * "pool".  NGX_ERROR: it is not one of ngx_shop_sign_key(), or no memory.
 */
ngx_int_t ngx_shop_secret_init(ngx_pool_t *pool, ngx_shop_secret_t *secret,
    ngx_str_t *pem);

/*
 * The secret to send now; it is valid until the next call.  NGX_ERROR: no
 * memory, or OpenSSL failed, which is logged.
 */
ngx_int_t ngx_shop_secret(ngx_shop_provider_t *provider, time_t now,
    ngx_str_t *text, ngx_log_t *log);


/* ngx_shop_signed.c: requests and answers that are signed themselves */

/*
 * Adds to "query" what signs all that is in "query" and "form" (ngx_keyval_t,
 * not escaped): Alipay's "sign_type", "timestamp" and "sign", OK.ru's
 * "application_key" and "sig".  Strings are from "pool".  NGX_ERROR: no
 * memory, or OpenSSL failed, which is logged.
 */
ngx_int_t ngx_shop_signed_alipay(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, time_t now, ngx_array_t *query,
    ngx_array_t *form);
ngx_int_t ngx_shop_signed_ok(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_str_t *access_token, ngx_array_t *query, ngx_array_t *form);

/*
 * Verifies an answer "text", which "json" was parsed from, where the provider
 * signs them: "json" is then what was signed and nothing else, else it stays.
 * NGX_DECLINED: the provider says that it failed, signed or not; NGX_ERROR:
 * it is not signed, not by "verify_key", or no memory.
 */
ngx_int_t ngx_shop_signed_answer(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *text, ngx_shop_json_t **json);


/* ngx_shop_discovery.c: what the provider says about itself */

typedef struct {
    ngx_shop_url_t             authz;       /* its query may be non-empty */
    ngx_shop_url_t             token;
    ngx_shop_url_t             userinfo;    /* host.len == 0: has none */
    ngx_shop_url_t             userinfo2;   /* likewise */
    ngx_shop_url_t             tokeninfo;   /* likewise */
    ngx_shop_url_t             jwks;
    ngx_shop_url_t             logout;      /* host.len == 0: has none that
                                               can be used */
    ngx_uint_t                 algs;        /* asymmetric, of the ID token;
                                               RS256 where not said */
    ngx_shop_client_auth_e     client_auth;

    unsigned                   iss_parameter:1;  /* RFC 9207 3 */
} ngx_shop_metadata_t;


/*
 * Reads a discovery document; what the shop configured wins over it, and
 * with "text" NULL there is no document and it is all there is.  Strings
 * live in "pool".
 *
 * NGX_OK, or NGX_ERROR with "metadata_malformed", "issuer_mismatch",
 * "endpoint_missing", "endpoint_insecure", "client_auth_unsupported",
 * "alg_unsupported", "internal_error".  Insecure is plain http to other than
 * a loopback address; and any loopback address, unless the document itself
 * comes from one or the shop configured it: a provider does not choose what
 * we ask on our own machine.
 */
ngx_int_t ngx_shop_discovery_parse(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *text,
    ngx_shop_metadata_t *metadata, const char **reason);


/* ngx_shop_authreq.c: one login attempt and the request that starts it */

typedef struct {
    ngx_str_t                  provider;    /* name */
    ngx_str_t                  state;       /* 43 characters each */
    ngx_str_t                  nonce;
    ngx_str_t                  verifier;
    ngx_str_t                  binding;     /* digest of issuer, client id
                                               and redirect URI */
    ngx_str_t                  path;        /* where to return to */
    time_t                     created;

    unsigned                   link:1;
} ngx_shop_attempt_t;


/* fresh random state, nonce and verifier; and the binding */
ngx_int_t ngx_shop_attempt_create(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *redirect_uri, ngx_str_t *path,
    ngx_uint_t link, time_t now, ngx_shop_attempt_t *attempt,
    ngx_log_t *log);

/* the digest "binding" should equal, for a later check */
ngx_int_t ngx_shop_attempt_binding(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *redirect_uri,
    ngx_str_t *binding, ngx_log_t *log);

/* to bytes that can be sealed, and back; NGX_ERROR: not such bytes */
ngx_int_t ngx_shop_attempt_pack(ngx_pool_t *pool,
    ngx_shop_attempt_t *attempt, ngx_str_t *packed);
ngx_int_t ngx_shop_attempt_unpack(ngx_pool_t *pool, ngx_str_t *packed,
    ngx_shop_attempt_t *attempt);

/*
 * 1: a parameter of the authorization request that is ours to set, so
 * "authz_extra" must not hold it (RFC 6749 3.1: none is sent twice)
 */
ngx_uint_t ngx_shop_authreq_reserved(ngx_shop_provider_t *provider,
    ngx_str_t *name);

/*
 * Whether the authorization endpoint can be used.  NGX_ERROR: its own query
 * has "name", which cannot be decoded or is reserved.
 */
ngx_int_t ngx_shop_authreq_endpoint(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_url_t *url, ngx_str_t *name);

/*
 * The logout request as a URL (OpenID Connect RP-Initiated Logout 2), which
 * leads on to "back".  It has no "id_token_hint", as no token is kept.
 */
ngx_int_t ngx_shop_authreq_logout_url(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_url_t *endpoint, ngx_str_t *back,
    ngx_str_t *url);

/* the authorization request as a URL (RFC 6749 4.1.1, RFC 7636 4.3) */
ngx_int_t ngx_shop_authreq_url(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata,
    ngx_shop_attempt_t *attempt, ngx_str_t *redirect_uri, ngx_str_t *url,
    ngx_log_t *log);


/* the answer that comes back to the callback */

typedef struct {
    ngx_str_t                  state;
    ngx_str_t                  code;
    ngx_str_t                  iss;
    ngx_str_t                  error;
    ngx_str_t                  failure;     /* of p_error */

    unsigned                   has_state:1;
    unsigned                   has_code:1;
    unsigned                   has_iss:1;
    unsigned                   has_error:1;
    unsigned                   has_failure:1;
} ngx_shop_authresp_t;


/*
 * Reads the fields of a query or a form.  Unknown fields are ignored, but
 * state, code, iss and error only once; "resp" is as long-lived as "pool"
 * and "fields".  What is called as "p_error" says is the error where there is
 * no other.  NGX_OK, or NGX_ERROR with "callback_malformed", also by what
 * ngx_shop_authresp_wanted() refuses, "parameter_duplicated",
 * "state_missing", "internal_error".
 */
ngx_int_t ngx_shop_authresp_parse(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *fields,
    ngx_shop_authresp_t *resp, const char **reason);

/* NGX_ERROR: one that the provider's expressions look at is there twice,
 * cannot be decoded, is no UTF-8 or too long for them */
ngx_int_t ngx_shop_authresp_wanted(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *fields);

/*
 * Checks it against the attempt: "issuer_mismatch", "issuer_missing"
 * (RFC 9207 2.4); then the provider's own "error": "access_denied", also
 * under the names Apple and LinkedIn have for it, any other one, and an
 * empty one, "provider_error"; then "code_missing".  metadata NULL: not
 * known, a missing iss passes.  That "state" is the attempt's own is for the
 * caller to check before, with ngx_shop_equal().
 */
ngx_int_t ngx_shop_authresp_check(ngx_shop_provider_t *provider,
    ngx_shop_metadata_t *metadata, ngx_shop_authresp_t *resp,
    const char **reason);


/* ngx_shop_widget.c: Telegram's login widget */

/*
 * Adds to "fields" what it is asked with: the bot, the page's origin, and
 * where to return to, with the state.  Memory is from "pool".
 */
ngx_int_t ngx_shop_widget_fields(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_attempt_t *attempt,
    ngx_str_t *redirect_uri, ngx_array_t *fields);

/*
 * Verifies the fields of the callback, which are at most NGX_SHOP_CALLBACK_MAX
 * bytes and hold "state" once, by the token of the bot, the client secret.
 * They must not be older than "age" seconds.  NGX_OK: "claims" has those that
 * are known, as texts, and "mac" is what signs them; NGX_ERROR: "reason" says
 * why.  All is from "pool".
 */
ngx_int_t ngx_shop_widget_check(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *callback, time_t now,
    time_t age, ngx_shop_json_t **claims, ngx_str_t *mac,
    const char **reason);


/* ngx_shop_ask.c: what is asked of a provider */

typedef struct {
    ngx_str_t                  method;
    ngx_shop_url_t             url;
    ngx_array_t                headers;     /* of ngx_keyval_t; keys end
                                               with NUL */
    ngx_str_t                  body;
} ngx_shop_ask_t;


/*
 * The token request (RFC 6749 4.1.3).  An empty "verifier" or "redirect_uri"
 * is left out, as it was in the authorization request.  All strings are from
 * "pool" or as long-lived as the arguments.  NGX_ERROR: no memory, or what a
 * peer sent cannot stand in a header.
 */
ngx_int_t ngx_shop_ask_token(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata,
    ngx_shop_docs_t *docs, ngx_str_t *code, ngx_str_t *verifier,
    ngx_str_t *redirect_uri, ngx_shop_ask_t *ask);

#define NGX_SHOP_TOKENINFO  2

/*
 * The userinfo request, n is 0, or the second one, or NGX_SHOP_TOKENINFO, what
 * an access token is; likewise, and NGX_AGAIN: the document docs->wanted,
 * which is pending, has a parameter of it.
 */
ngx_int_t ngx_shop_ask_userinfo(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata,
    ngx_uint_t n, ngx_shop_docs_t *docs, ngx_str_t *access_token,
    ngx_shop_ask_t *ask);


/* ngx_shop_token.c: the answer to the code */

typedef struct {
    ngx_str_t                  access_token;
    ngx_str_t                  id_token;    /* empty with "oauth2" */
    ngx_shop_json_t           *json;        /* all of the answer */
} ngx_shop_token_t;


/*
 * Reads the answer (RFC 6749 5.1, 5.2), JSON or a form.  NGX_OK, or NGX_ERROR
 * with "code_refused" (invalid_grant), "client_refused" (invalid_client,
 * unauthorized_client), "token_error" (any other error or status; an error
 * counts under status 200, too, and where there is a rule of success, its
 * word counts instead), "token_malformed" (also without an access_token,
 * which RFC 6749 requires, or with one that could not stand in a header),
 * "token_type_refused" (none, or other than Bearer in any case; with "oauth2"
 * there may be none), "id_token_missing", "signature_invalid" (not signed, or
 * not by the provider, where it signs answers).  "expires_in", "scope" and
 * all else is not looked at.
 */
ngx_int_t ngx_shop_token_parse(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_uint_t status, ngx_str_t *text,
    ngx_shop_token_t *token, const char **reason);


/* ngx_shop_identity.c: who it is */

typedef struct {
    ngx_str_t                  subject;     /* 1..255 bytes */
    ngx_str_t                  email;       /* empty: not told */
    ngx_str_t                  name;
    ngx_str_t                  given_name;
    ngx_str_t                  family_name;
    ngx_str_t                  picture;     /* an https address */
    ngx_str_t                  locale;
    ngx_str_t                  phone;
    time_t                     auth_time;   /* 0: not told */

    unsigned                   email_verified:1;
    unsigned                   email_unknown:1;     /* could not be asked */
} ngx_shop_identity_t;


/*
 * By the provider's expressions, from the documents that are there; strings
 * are from "pool" or point into them.  The subject must be 1 to 255 bytes of
 * printable ASCII (OpenID Connect Core 2); a profile field that is malformed,
 * holds control characters or is longer than 255 bytes is left out, and so is
 * an e-mail that is not one plain address in ASCII of at most 254 bytes: a
 * missing e-mail is a normal login.  If none is there, and its rule looks at a
 * document that another login may have, "email_unknown" is set, since there
 * may be one all the same.  "email_verified" is set for an address
 * that is there, as the provider is trusted with it, by the documents alone
 * that the address is from.
 *
 * NGX_OK: that is all; NGX_AGAIN: the document docs->wanted is pending and
 * has to be asked for, or to be known as missing, since it may tell the
 * subject, an e-mail, or a name where there is none; NGX_ERROR:
 * "claims_malformed"; "subject_unavailable": the rule of the subject looks at
 * a document that is not there, and what it holds could be another customer.
 */
ngx_int_t ngx_shop_identity(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_docs_t *docs, ngx_shop_identity_t *identity,
    const char **reason);

/* the subject alone, with the same codes */
ngx_int_t ngx_shop_identity_subject(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_docs_t *docs, ngx_str_t *sub);

/* 1: whatever else there is, no subject is told without this document */
ngx_uint_t ngx_shop_identity_rests_on(ngx_shop_provider_t *provider,
    ngx_uint_t doc);

/* 1: 1 to 255 bytes of printable ASCII */
ngx_uint_t ngx_shop_identity_is_subject(ngx_str_t *sub);

/*
 * Reads a userinfo answer, n is 0 or 1 (the second): docs->json has it, and
 * it is pending no more.  NGX_ERROR: "userinfo_error" (status, or the rule of
 * success), "userinfo_malformed", "signature_invalid" (as for the token),
 * "userinfo_mismatch" (there is an ID token, and "sub" is missing or
 * another's: OpenID Connect Core 5.3.2).  The second one may be refused by
 * 403 or 404, and is not there then.
 */
ngx_int_t ngx_shop_identity_userinfo(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_uint_t n, ngx_uint_t status,
    ngx_str_t *text, ngx_shop_docs_t *docs, const char **reason);


/* ngx_shop_tokeninfo.c: whose access token it is */

/*
 * Reads what a provider with "tokeninfo" tells of one that an app brought:
 * docs->json has it.  NGX_OK: it is for the client id, or one of "aud_extra",
 * and "owner" is whose it is, who the identity must be; NGX_ERROR:
 * "token_refused" (status 400 or 401, or the rule of success), "aud_mismatch",
 * "token_expired", which are the token's fault; "tokeninfo_error",
 * "tokeninfo_malformed".
 */
ngx_int_t ngx_shop_tokeninfo(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_uint_t status, ngx_str_t *text, time_t now, ngx_shop_docs_t *docs,
    ngx_str_t *owner, const char **reason);


/* ngx_shop_notice.c: what a provider has to say by itself */

#define NGX_SHOP_NOTICE_AGE     604800      /* seconds it is good for */
#define NGX_SHOP_NOTICE_LEEWAY  300         /* and that clocks may differ */

/* what it wants done, the strongest last */

typedef enum {
    NGX_SHOP_NOTICE_NOTHING = 0,
    NGX_SHOP_NOTICE_EMAIL_ON,               /* the address takes mail again */
    NGX_SHOP_NOTICE_EMAIL_OFF,
    NGX_SHOP_NOTICE_END,                    /* sessions by this identity */
    NGX_SHOP_NOTICE_UNLINK,                 /* and the identity itself */
    NGX_SHOP_NOTICE_ERASE                   /* and what is known of them */
} ngx_shop_notice_e;


typedef struct {
    /* the request */

    ngx_str_t                  body;
    ngx_str_t                  args;        /* the query, raw */
    ngx_str_t                  authorization;
    ngx_str_t                  tiktok_signature;    /* headers of the names */
    ngx_str_t                  discord_signature;
    ngx_str_t                  discord_timestamp;
    time_t                     now;

    /* what it says */

    ngx_uint_t                 kind;        /* one of NGX_SHOP_NOTIFY_* */
    ngx_str_t                  token;       /* of NGX_SHOP_NOTIFY_TOKENS */
    ngx_uint_t                 action;      /* ngx_shop_notice_e */
    time_t                     until;       /* of NGX_SHOP_NOTICE_END: what
                                               was made later goes on */
    ngx_str_t                  subject;     /* empty with NOTICE_NOTHING */
    ngx_str_t                  id;          /* what it alone has; empty: its
                                               kind has nothing such */
} ngx_shop_notice_t;


/*
 * Verifies a notice of one of the kinds that the provider has, at least one,
 * and reads it; "kind" is set in any case.  Strings are from "pool" or point
 * into the request.  NGX_OK: it is the provider's; NGX_AGAIN: "token" has to
 * be verified with the provider's keys first, see below; NGX_ERROR:
 * "request_malformed", "parameter_duplicated", "signature_missing",
 * "signature_invalid", "alg_refused", "aud_mismatch", "token_expired" (older
 * than a week), "token_not_yet_valid", "claims_malformed", "internal_error",
 * and "subject_missing": it is the provider's, but does not name the customer
 * in the way in which the provider's rule "sub" does.
 */
ngx_int_t ngx_shop_notice_read(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    const char **reason, ngx_log_t *log);

/* the same for what comes to the address of logout tokens (OpenID Connect
 * Back-Channel Logout 2.5): NGX_AGAIN or NGX_ERROR */
ngx_int_t ngx_shop_notice_logout(ngx_pool_t *pool, ngx_shop_notice_t *notice,
    const char **reason);

/* ngx_shop_notice_token.c: the same of the verified token; NGX_ERROR also with
 * "typ_refused", "iss_mismatch" */
ngx_int_t ngx_shop_notice_claims(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_jws_t *jws,
    ngx_shop_notice_t *notice, const char **reason);

/* what both files share */

#define NGX_SHOP_NOTICE_MS      100000000000    /* more is milliseconds: in
                                               seconds it is the year 5138 */

ngx_int_t ngx_shop_notice_time(ngx_shop_notice_t *notice, int64_t time,
    const char **reason);


/* ngx_shop_notice_subject.c: who a notice is about */

/* 1: one of this kind can name a customer, as far as the rule "sub" tells */
ngx_uint_t ngx_shop_notice_names(ngx_shop_provider_t *provider,
    ngx_uint_t kind);

/*
 * Sets notice->subject, by the rule "sub", from the one id that a notice of
 * its kind has, or from claims, an object that has it as "sub".  NGX_ERROR:
 * "subject_missing", "claims_malformed", "internal_error".
 */
ngx_int_t ngx_shop_notice_by_id(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice, ngx_str_t *id,
    const char **reason);
ngx_int_t ngx_shop_notice_by_json(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    ngx_shop_json_t *id, const char **reason);
ngx_int_t ngx_shop_notice_by_claims(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    ngx_shop_json_t *claims, const char **reason);


/* presets/NAME.conf, compiled in: lines of a block "social_provider", up to
 * its brace; an empty name ends the table */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  text;
} ngx_shop_preset_t;


extern ngx_shop_preset_t  ngx_shop_presets[];


/* ngx_shop_provider.c: what the files of this room share */

/*
 * Fields of a form or a query, as ngx_keyval_t: "name" lives for ever, and
 * both are escaped when ngx_shop_form_encode() writes "a=1&b=2"
 */
ngx_int_t ngx_shop_form_add(ngx_array_t *fields, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_shop_form_push(ngx_array_t *fields, ngx_str_t *name,
    ngx_str_t *value);
ngx_int_t ngx_shop_form_named(ngx_array_t *fields, ngx_str_t *theirs,
    const char *name, ngx_str_t *value);
ngx_int_t ngx_shop_form_encode(ngx_pool_t *pool, ngx_array_t *fields,
    ngx_str_t *text);


#endif /* _NGX_SHOP_OIDC_H_INCLUDED_ */
