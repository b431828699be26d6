
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "oidc/ngx_shop_claim.h"


/*
 * A customer is known by the subject that the provider's rule "sub" makes of
 * the documents of a login.  A notice has but one id in it, or a few claims,
 * and from its "sub" alone nobody would be found whose subject is made of
 * "tid" and "oid": the provider would be told that it is done.  So the same
 * rule is applied here, to as much of these documents as the notice tells:
 *
 *     a token    its claims are those of an ID token, as far as they are
 *                there; "sub" is also that of userinfo (OpenID Connect Core
 *                5.3.2)
 *     an id      the table below says where a login finds it
 *
 * All else of these documents is not known, which is another thing than not
 * there: a rule that looks for it has no answer, and does not go on to its
 * next alternative.
 */


#define NGX_SHOP_NOTICE_STEPS_MAX  3


typedef struct {
    ngx_uint_t                 kinds;
    ngx_uint_t                 doc;
    const char                *path[NGX_SHOP_NOTICE_STEPS_MAX];
} ngx_shop_notice_place_t;


static ngx_uint_t ngx_shop_notice_is_place(ngx_uint_t kind,
    ngx_shop_claim_op_t *op);
static ngx_int_t ngx_shop_notice_find(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice, ngx_str_t *id,
    ngx_shop_docs_t *docs, const char **reason);
static ngx_int_t ngx_shop_notice_put(ngx_pool_t *pool,
    ngx_shop_notice_place_t *place, ngx_str_t *id, ngx_shop_docs_t *docs);


/* Naver's "sub" and "id" are different ones of the same customer */

static ngx_shop_notice_place_t  ngx_shop_notice_places[] = {
    { NGX_SHOP_NOTIFY_META|NGX_SHOP_NOTIFY_DISCORD|NGX_SHOP_NOTIFY_KAKAO,
      NGX_SHOP_DOC_ID, { "sub" } },
    { NGX_SHOP_NOTIFY_META|NGX_SHOP_NOTIFY_DISCORD|NGX_SHOP_NOTIFY_KAKAO
      |NGX_SHOP_NOTIFY_SECEVENT,
      NGX_SHOP_DOC_UI, { "id" } },
    { NGX_SHOP_NOTIFY_META, NGX_SHOP_DOC_UI, { "user_id" } },
    { NGX_SHOP_NOTIFY_TIKTOK, NGX_SHOP_DOC_UI,
      { "data", "user", "open_id" } },
    { NGX_SHOP_NOTIFY_NAVER, NGX_SHOP_DOC_UI, { "response", "id" } },
    { NGX_SHOP_NOTIFY_TOKENS|NGX_SHOP_NOTIFY_LOGOUT,
      NGX_SHOP_DOC_UI, { "sub" } },
    { 0, 0, { NULL } }
};


/* by the first alternative of the rule, as the others are not tried */

ngx_uint_t
ngx_shop_notice_names(ngx_shop_provider_t *provider, ngx_uint_t kind)
{
    ngx_uint_t            i, n, tokens;
    ngx_shop_claim_op_t  *op;

    op = provider->claims[NGX_SHOP_CLAIM_SUB]->ops.elts;
    n = provider->claims[NGX_SHOP_CLAIM_SUB]->ops.nelts;

    tokens = kind & (NGX_SHOP_NOTIFY_TOKENS|NGX_SHOP_NOTIFY_LOGOUT);

    for (i = 0; i < n; i++) {

        if (i > 0 && op[i].begins == ngx_shop_claim_alt) {
            break;
        }

        if (op[i].doc == NGX_SHOP_DOC_TEXT
            || (tokens && op[i].doc == NGX_SHOP_DOC_ID))
        {
            continue;
        }

        if (!ngx_shop_notice_is_place(kind, &op[i])) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_notice_is_place(ngx_uint_t kind, ngx_shop_claim_op_t *op)
{
    ngx_str_t                *step;
    ngx_uint_t                i;
    ngx_shop_notice_place_t  *place;

    step = op->path.elts;

    for (place = ngx_shop_notice_places; place->kinds; place++) {

        if (!(place->kinds & kind) || place->doc != op->doc) {
            continue;
        }

        for (i = 0; i < op->path.nelts && i < NGX_SHOP_NOTICE_STEPS_MAX; i++)
        {
            if (place->path[i] == NULL
                || ngx_strcmp(place->path[i], step[i].data) != 0)
            {
                break;
            }
        }

        if (i == op->path.nelts
            && op->pick.nelts == 0
            && (i == NGX_SHOP_NOTICE_STEPS_MAX || place->path[i] == NULL))
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_shop_notice_by_id(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_str_t *id, const char **reason)
{
    ngx_shop_docs_t  docs;

    ngx_memzero(&docs, sizeof(ngx_shop_docs_t));

    return ngx_shop_notice_find(pool, provider, notice, id, &docs, reason);
}


ngx_int_t
ngx_shop_notice_by_json(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_shop_json_t *id, const char **reason)
{
    ngx_str_t  text;

    if (ngx_shop_json_text(pool, id, &text) != NGX_OK) {
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    return ngx_shop_notice_by_id(pool, provider, notice, &text, reason);
}


ngx_int_t
ngx_shop_notice_by_claims(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_shop_json_t *claims, const char **reason)
{
    ngx_int_t        rc;
    ngx_str_t        id;
    ngx_shop_docs_t  docs;

    ngx_memzero(&docs, sizeof(ngx_shop_docs_t));

    docs.json[NGX_SHOP_DOC_ID] = claims;

    rc = ngx_shop_json_text(pool, ngx_shop_json_get(claims, "sub"), &id);

    if (rc == NGX_ERROR) {
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    return ngx_shop_notice_find(pool, provider, notice,
                                (rc == NGX_OK) ? &id : NULL, &docs, reason);
}


static ngx_int_t
ngx_shop_notice_find(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_str_t *id, ngx_shop_docs_t *docs,
    const char **reason)
{
    ngx_shop_notice_place_t  *place;

    *reason = "claims_malformed";

    if (id != NULL && !ngx_shop_identity_is_subject(id)) {
        return NGX_ERROR;
    }

    for (place = ngx_shop_notice_places; id != NULL && place->kinds; place++)
    {
        if ((place->kinds & notice->kind)
            && ngx_shop_notice_put(pool, place, id, docs) != NGX_OK)
        {
            *reason = "internal_error";
            return NGX_ERROR;
        }
    }

    docs->partial = NGX_SHOP_DOCS_PROVEN;

    switch (ngx_shop_identity_subject(pool, provider, docs,
                                      &notice->subject))
    {

    case NGX_OK:
        return NGX_OK;

    case NGX_AGAIN:
        *reason = "subject_missing";
        return NGX_ERROR;

    default:
        return NGX_ERROR;
    }
}


/* from the last step of the path to the first */

static ngx_int_t
ngx_shop_notice_put(ngx_pool_t *pool, ngx_shop_notice_place_t *place,
    ngx_str_t *id, ngx_shop_docs_t *docs)
{
    ngx_uint_t        i;
    ngx_shop_json_t  *value, *object;

    value = ngx_shop_json_new_string(pool, id);

    for (i = NGX_SHOP_NOTICE_STEPS_MAX - 1; i > 0; i--) {

        if (place->path[i] == NULL) {
            continue;
        }

        object = ngx_shop_json_new_object(pool);

        if (ngx_shop_json_set(pool, object, place->path[i], value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        value = object;
    }

    if (docs->json[place->doc] == NULL) {
        docs->json[place->doc] = ngx_shop_json_new_object(pool);
    }

    return ngx_shop_json_set(pool, docs->json[place->doc], place->path[0],
                             value);
}
