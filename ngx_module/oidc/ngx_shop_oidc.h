
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
 *     callback      callback_malformed, parameter_duplicated,
 *                   state_missing, issuer_mismatch, issuer_missing,
 *                   access_denied, provider_error, code_missing
 *     token answer  token_malformed, token_type_refused, token_error,
 *                   code_refused, client_refused, id_token_missing
 *     claims        claims_malformed
 *     userinfo      userinfo_error, userinfo_malformed, userinfo_mismatch
 *
 * and "internal_error" where memory was short.
 */


#define NGX_SHOP_METADATA_MAX   262144
#define NGX_SHOP_TOKEN_MAX      65536
#define NGX_SHOP_USERINFO_MAX   65536
#define NGX_SHOP_CALLBACK_MAX   65536
#define NGX_SHOP_SUBJECT_MAX    255
#define NGX_SHOP_EMAIL_MAX      254
#define NGX_SHOP_PROFILE_MAX    255

#define NGX_SHOP_OIDC_LEEWAY    60


/* ngx_shop_provider.c: what a shop said about a provider */

typedef enum {
    NGX_SHOP_AUTH_UNSET = 0,                /* as the metadata says */
    NGX_SHOP_AUTH_BASIC,
    NGX_SHOP_AUTH_POST,
    NGX_SHOP_AUTH_NONE
} ngx_shop_client_auth_e;


typedef enum {
    NGX_SHOP_NONCE_STRICT = 0,
    NGX_SHOP_NONCE_IF_PRESENT,
    NGX_SHOP_NONCE_OFF
} ngx_shop_nonce_e;


typedef struct {
    ngx_str_t                  name;        /* of the block */
    ngx_str_t                  preset;
    ngx_str_t                  label;
    ngx_str_t                  client_id;
    ngx_str_t                  client_secret;    /* may be empty: NONE */
    ngx_str_t                  issuer;
    ngx_str_t                  scope;       /* "openid email profile" */

    /* empty: from the metadata */

    ngx_str_t                  discovery;
    ngx_str_t                  authz;
    ngx_str_t                  token;
    ngx_str_t                  userinfo;
    ngx_str_t                  jwks;

    ngx_array_t                authz_extra;      /* of ngx_keyval_t, raw:
                                               escaped when they are sent */
    ngx_uint_t                 algs;        /* 0: from the metadata */
    ngx_uint_t                 client_auth; /* ngx_shop_client_auth_e */
    ngx_uint_t                 nonce;       /* ngx_shop_nonce_e */
    ngx_uint_t                 pkce;        /* 1: S256 */
    ngx_uint_t                 form_post;   /* 1: ask for it */
    ngx_uint_t                 email_trusted;    /* 1: a true email_verified
                                                    is believed */
} ngx_shop_provider_t;


/* where the discovery document is (OpenID Connect Discovery 4), from
 * "pool" */
ngx_int_t ngx_shop_provider_discovery_url(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_str_t *url);


/* ngx_shop_discovery.c: what the provider says about itself */

typedef struct {
    ngx_shop_url_t             authz;       /* its query may be non-empty */
    ngx_shop_url_t             token;
    ngx_shop_url_t             userinfo;    /* host.len == 0: has none */
    ngx_shop_url_t             jwks;
    ngx_shop_url_t             logout;      /* host.len == 0: has none */
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
ngx_uint_t ngx_shop_authreq_reserved(ngx_str_t *name);

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

    unsigned                   has_state:1;
    unsigned                   has_code:1;
    unsigned                   has_iss:1;
    unsigned                   has_error:1;
} ngx_shop_authresp_t;


/*
 * Reads the fields of a query or a form.  Unknown fields are ignored, but
 * state, code, iss and error only once; "resp" is as long-lived as "pool"
 * and "fields".  NGX_OK, or NGX_ERROR with "callback_malformed",
 * "parameter_duplicated", "state_missing", "internal_error".
 */
ngx_int_t ngx_shop_authresp_parse(ngx_pool_t *pool, ngx_str_t *fields,
    ngx_shop_authresp_t *resp, const char **reason);

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


/* ngx_shop_token.c: the code exchange */

typedef struct {
    ngx_str_t                  access_token;
    ngx_str_t                  id_token;
} ngx_shop_token_t;


/*
 * The body of the token request (RFC 6749 4.1.3) and, for
 * client_secret_basic, the value of Authorization (2.3.1), else empty.
 */
ngx_int_t ngx_shop_token_request(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_metadata_t *metadata,
    ngx_str_t *code, ngx_str_t *verifier, ngx_str_t *redirect_uri,
    ngx_str_t *body, ngx_str_t *authorization);

/*
 * Reads the answer (RFC 6749 5.1, 5.2).  NGX_OK, or NGX_ERROR with
 * "code_refused" (invalid_grant), "client_refused" (invalid_client,
 * unauthorized_client), "token_error" (any other error or status; an error
 * counts under status 200, too), "token_malformed" (also without an
 * access_token, which RFC 6749 requires, or with one that could not stand in
 * a header), "token_type_refused" (none, or other than Bearer in any case),
 * "id_token_missing".  "expires_in", "scope" and all else is not looked at.
 */
ngx_int_t ngx_shop_token_parse(ngx_pool_t *pool, ngx_uint_t status,
    ngx_str_t *text, ngx_shop_token_t *token, const char **reason);


/* ngx_shop_identity.c: who it is */

typedef struct {
    ngx_str_t                  subject;     /* 1..255 bytes */
    ngx_str_t                  email;       /* empty: not told */
    ngx_str_t                  name;
    ngx_str_t                  given_name;
    ngx_str_t                  family_name;
    ngx_str_t                  locale;
    time_t                     auth_time;   /* 0: not told */

    unsigned                   email_verified:1;
} ngx_shop_identity_t;


/*
 * From the checked claims of an ID token; strings point into them.  The
 * subject must be a string of 1 to 255 bytes of printable ASCII (OpenID
 * Connect Core 2); a profile field that is malformed, holds control
 * characters or is longer than 255 bytes is left out, and so is an e-mail
 * that is not one plain address in ASCII of at most 254 bytes: a missing
 * e-mail is a normal login.  "email_verified" is set for an address that is
 * there, where the claim is true or "true" and the provider is trusted with
 * it.  NGX_ERROR: "claims_malformed".
 */
ngx_int_t ngx_shop_identity_claims(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_json_t *claims,
    ngx_shop_identity_t *identity, const char **reason);

/* 1: userinfo could tell more than the ID token did: an e-mail or a name */
ngx_uint_t ngx_shop_identity_incomplete(ngx_shop_identity_t *identity);

/*
 * Adds what userinfo (OpenID Connect Core 5.3.2) knows and the ID token did
 * not; an address and whether it is verified always come from one document.
 * NGX_ERROR, and nothing was added: "userinfo_error" (status),
 * "userinfo_malformed", "userinfo_mismatch" (its sub is missing or
 * another's).
 */
ngx_int_t ngx_shop_identity_userinfo(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_uint_t status, ngx_str_t *text,
    ngx_shop_identity_t *identity, const char **reason);


/* ngx_shop_provider.c: what the files of this room share */

/*
 * Fields of a form or a query, as ngx_keyval_t: "name" lives for ever, and
 * both are escaped when ngx_shop_form_encode() writes "a=1&b=2"
 */
ngx_int_t ngx_shop_form_add(ngx_array_t *fields, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_shop_form_encode(ngx_pool_t *pool, ngx_array_t *fields,
    ngx_str_t *text);

/* 1: the bytes of "value" are those of "text" */
ngx_uint_t ngx_shop_oidc_is(ngx_str_t *value, const char *text);


#endif /* _NGX_SHOP_OIDC_H_INCLUDED_ */
