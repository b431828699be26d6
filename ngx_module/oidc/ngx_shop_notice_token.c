
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Notices that are tokens: Apple's, with one event in a text, security event
 * tokens (RFC 8417), of the profiles RISC and CAEP, and logout tokens (OpenID
 * Connect Back-Channel Logout 2.4), which are security event tokens as well.
 *
 * An ID token has the same issuer, audience and keys, and anybody has one of
 * their own; "events" tells these from it, since ngx_shop_jwt_check() refuses
 * a token that has some.  Their end is not looked at, as RFC 8417 2.2 wants
 * none and Google says so, but that of logout tokens: what counts is that they
 * were made within a week, and which of them were seen.  One that comes late
 * does not mean who has signed in since.
 */


#define NGX_SHOP_NOTICE_EVENTS_MAX     16
#define NGX_SHOP_NOTICE_AUDIENCES_MAX  64
#define NGX_SHOP_NOTICE_JTI_MAX        1024

#define NGX_SHOP_NOTICE_LOGOUT                                                \
    "http://schemas.openid.net/event/backchannel-logout"


typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 action;
} ngx_shop_notice_event_t;


static ngx_int_t ngx_shop_notice_envelope(ngx_shop_provider_t *provider,
    ngx_shop_jws_t *jws, ngx_shop_notice_t *notice, ngx_shop_json_t *claims,
    const char **reason);
static ngx_int_t ngx_shop_notice_issuer(ngx_shop_provider_t *provider,
    ngx_shop_jws_t *jws, ngx_shop_json_t *claims, const char **reason);
static ngx_uint_t ngx_shop_notice_is_ours(ngx_shop_provider_t *provider,
    ngx_shop_json_t *aud);
static ngx_uint_t ngx_shop_notice_is_client(ngx_shop_provider_t *provider,
    ngx_str_t *client);
static ngx_int_t ngx_shop_notice_apple_event(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    ngx_shop_json_t *claims, const char **reason);
static ngx_int_t ngx_shop_notice_logout_event(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_notice_t *notice,
    ngx_shop_json_t *claims, const char **reason);
static ngx_int_t ngx_shop_notice_events(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_jws_t *jws,
    ngx_shop_notice_t *notice, ngx_shop_json_t *claims,
    const char **reason);
static time_t ngx_shop_notice_until(time_t until, ngx_str_t *name,
    ngx_shop_json_t *event);
static ngx_int_t ngx_shop_notice_of(ngx_pool_t *pool,
    ngx_shop_provider_t *provider, ngx_shop_jws_t *jws,
    ngx_shop_notice_t *notice, ngx_shop_json_t *claims,
    ngx_shop_json_t *event, const char **reason);
static ngx_int_t ngx_shop_notice_format(ngx_shop_json_t *who,
    ngx_str_t *format);
static ngx_uint_t ngx_shop_notice_action(ngx_shop_notice_event_t *event,
    ngx_str_t *name);


static ngx_shop_notice_event_t  ngx_shop_notice_apple_events[] = {
    { ngx_string("email-enabled"), NGX_SHOP_NOTICE_EMAIL_ON },
    { ngx_string("email-disabled"), NGX_SHOP_NOTICE_EMAIL_OFF },
    { ngx_string("consent-revoked"), NGX_SHOP_NOTICE_UNLINK },
    { ngx_string("account-deleted"), NGX_SHOP_NOTICE_ERASE },
    { ngx_string("account-delete"), NGX_SHOP_NOTICE_ERASE },
    { ngx_null_string, 0 }
};


/* the last words of their addresses, which are those of several bodies */

static ngx_shop_notice_event_t  ngx_shop_notice_set_events[] = {
    { ngx_string("sessions-revoked"), NGX_SHOP_NOTICE_END },
    { ngx_string("session-revoked"), NGX_SHOP_NOTICE_END },
    { ngx_string("tokens-revoked"), NGX_SHOP_NOTICE_END },
    { ngx_string("account-disabled"), NGX_SHOP_NOTICE_END },
    { ngx_string("account-credential-change-required"),
      NGX_SHOP_NOTICE_END },
    { ngx_string("credential-compromise"), NGX_SHOP_NOTICE_END },
    { ngx_string("user-unlinked"), NGX_SHOP_NOTICE_UNLINK },
    { ngx_string("account-purged"), NGX_SHOP_NOTICE_ERASE },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_shop_notice_claims(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_jws_t *jws, ngx_shop_notice_t *notice, const char **reason)
{
    ngx_shop_json_t  *claims;

    if (!ngx_shop_jwt_is_type(&jws->typ,
                              notice->kind == NGX_SHOP_NOTIFY_LOGOUT
                              ? "logout+jwt" : "secevent+jwt"))
    {
        *reason = "typ_refused";
        return NGX_ERROR;
    }

    claims = ngx_shop_json_parse(pool, &jws->payload, NGX_SHOP_JWS_TOKEN_MAX);

    if (ngx_shop_notice_envelope(provider, jws, notice, claims, reason)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    switch (notice->kind) {

    case NGX_SHOP_NOTIFY_APPLE:
        return ngx_shop_notice_apple_event(pool, provider, notice, claims,
                                           reason);

    case NGX_SHOP_NOTIFY_LOGOUT:
        return ngx_shop_notice_logout_event(pool, provider, notice, claims,
                                            reason);

    default: /* NGX_SHOP_NOTIFY_SECEVENT */
        return ngx_shop_notice_events(pool, provider, jws, notice, claims,
                                      reason);
    }
}


static ngx_int_t
ngx_shop_notice_envelope(ngx_shop_provider_t *provider, ngx_shop_jws_t *jws,
    ngx_shop_notice_t *notice, ngx_shop_json_t *claims, const char **reason)
{
    int64_t  iat;

    *reason = "claims_malformed";

    if (ngx_shop_json_time(ngx_shop_json_get(claims, "iat"), &iat) != NGX_OK
        || ngx_shop_json_string(ngx_shop_json_get(claims, "jti"),
                                &notice->id)
           != NGX_OK
        || notice->id.len == 0
        || notice->id.len > NGX_SHOP_NOTICE_JTI_MAX)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_notice_issuer(provider, jws, claims, reason) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_shop_notice_is_ours(provider,
                                 ngx_shop_json_get(claims, "aud")))
    {
        *reason = "aud_mismatch";
        return NGX_ERROR;
    }

    notice->until = iat + NGX_SHOP_NOTICE_LEEWAY;

    return ngx_shop_notice_time(notice, iat, reason);
}


/*
 * Of a token, or of somebody in it, whose tenant could be another one.  "tid"
 * may be a part of who it is, and is then as good as the issuer.
 */

static ngx_int_t
ngx_shop_notice_issuer(ngx_shop_provider_t *provider, ngx_shop_jws_t *jws,
    ngx_shop_json_t *claims, const char **reason)
{
    ngx_str_t  iss, told;

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "iss"), &iss)
        != NGX_OK)
    {
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    if (provider->notify_issuer.len
        && ngx_shop_equal(&iss, &provider->notify_issuer))
    {
        return NGX_OK;
    }

    told = iss;

    if (provider->tenant.len && ngx_shop_json_get(claims, "tid") != NULL) {
        ngx_shop_provider_issuer(provider, claims, &told);
    }

    if (!ngx_shop_provider_is_issuer(provider, &iss)
        || !ngx_shop_provider_may_sign(provider, &jws->issuer, &iss)
        || !ngx_shop_equal(&iss, &told))
    {
        *reason = "iss_mismatch";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* others may be told as well: it is an event, and no proof of who we are */

static ngx_uint_t
ngx_shop_notice_is_ours(ngx_shop_provider_t *provider, ngx_shop_json_t *aud)
{
    size_t     i, n;
    ngx_str_t  client;

    if (!ngx_shop_json_is_array(aud)) {
        return ngx_shop_json_string(aud, &client) == NGX_OK
               && ngx_shop_notice_is_client(provider, &client);
    }

    n = ngx_min(ngx_shop_json_size(aud), NGX_SHOP_NOTICE_AUDIENCES_MAX);

    for (i = 0; i < n; i++) {
        if (ngx_shop_json_string(ngx_shop_json_at(aud, i), &client) == NGX_OK
            && ngx_shop_notice_is_client(provider, &client))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_shop_notice_is_client(ngx_shop_provider_t *provider, ngx_str_t *client)
{
    ngx_str_t   *extra;
    ngx_uint_t   i;

    if (ngx_shop_equal(client, &provider->client_id)) {
        return 1;
    }

    if (provider->aud_extra == NULL) {
        return 0;
    }

    extra = provider->aud_extra->elts;

    for (i = 0; i < provider->aud_extra->nelts; i++) {
        if (ngx_shop_equal(client, &extra[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_shop_notice_apple_event(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_shop_json_t *claims, const char **reason)
{
    ngx_str_t         text, type;
    ngx_shop_json_t  *event;

    *reason = "claims_malformed";

    if (ngx_shop_json_string(ngx_shop_json_get(claims, "events"), &text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    event = ngx_shop_json_parse(pool, &text, NGX_SHOP_JWS_TOKEN_MAX);

    if (ngx_shop_json_string(ngx_shop_json_get(event, "type"), &type)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    notice->action = ngx_shop_notice_action(ngx_shop_notice_apple_events,
                                            &type);

    if (notice->action == NGX_SHOP_NOTICE_NOTHING) {
        return NGX_OK;
    }

    return ngx_shop_notice_by_claims(pool, provider, notice, event, reason);
}


/*
 * "sid" is not looked at: all sessions end, that of one device among them.
 * With nothing else in the token it is refused, as a logout that failed is
 * (OpenID Connect Back-Channel Logout 2.8).  "exp" has been required (2.4)
 * since 2023, and many providers leave it out: "iat" bounds age and effect.
 */

static ngx_int_t
ngx_shop_notice_logout_event(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_notice_t *notice, ngx_shop_json_t *claims, const char **reason)
{
    int64_t           exp;
    ngx_int_t         rc;
    ngx_shop_json_t  *event;

    *reason = "claims_malformed";

    event = ngx_shop_json_get(ngx_shop_json_get(claims, "events"),
                              NGX_SHOP_NOTICE_LOGOUT);

    rc = ngx_shop_json_time(ngx_shop_json_get(claims, "exp"), &exp);

    if (!ngx_shop_json_is_object(event)
        || ngx_shop_json_get(claims, "nonce") != NULL
        || rc == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    if (rc == NGX_OK && exp <= notice->now - NGX_SHOP_OIDC_LEEWAY) {
        *reason = "token_expired";
        return NGX_ERROR;
    }

    notice->action = NGX_SHOP_NOTICE_END;

    return ngx_shop_notice_by_claims(pool, provider, notice, claims, reason);
}


/* several events in one token are about one thing (RFC 8417 2) */

static ngx_int_t
ngx_shop_notice_events(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_jws_t *jws, ngx_shop_notice_t *notice, ngx_shop_json_t *claims,
    const char **reason)
{
    u_char           *p;
    size_t            i;
    time_t            until;
    ngx_str_t         name, before;
    ngx_uint_t        action;
    ngx_shop_json_t  *events, *event;

    until = 0;
    events = ngx_shop_json_get(claims, "events");

    if (!ngx_shop_json_is_object(events)) {
        *reason = "claims_malformed";
        return NGX_ERROR;
    }

    for (i = 0; i <= NGX_SHOP_NOTICE_EVENTS_MAX; i++) {

        event = ngx_shop_json_member(events, i, &name);

        if (event == NULL) {
            notice->until = until;
            return NGX_OK;
        }

        p = name.data + name.len;

        while (p > name.data && p[-1] != '/') {
            p--;
        }

        name.len -= p - name.data;
        name.data = p;

        action = ngx_shop_notice_action(ngx_shop_notice_set_events, &name);

        if (action == NGX_SHOP_NOTICE_NOTHING) {
            continue;
        }

        before = notice->subject;

        if (ngx_shop_notice_of(pool, provider, jws, notice, claims, event,
                               reason)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (before.len && !ngx_shop_equal(&before, &notice->subject)) {
            break;
        }

        notice->action = ngx_max(notice->action, action);
        until = ngx_max(until,
                        ngx_shop_notice_until(notice->until, &name, event));
    }

    *reason = "claims_malformed";

    return NGX_ERROR;
}


/*
 * "event_timestamp" of CAEP is when sessions were revoked, in milliseconds
 * according to the examples.  One that makes no sense saves no session.  Other
 * events are of what lasts: a credential is in wrong hands until it is
 * changed, also after that was discovered.
 */

static time_t
ngx_shop_notice_until(time_t until, ngx_str_t *name, ngx_shop_json_t *event)
{
    int64_t  time;

    if (!ngx_shop_text_is(name, "session-revoked")
        || ngx_shop_json_time(ngx_shop_json_get(event, "event_timestamp"),
                              &time)
           != NGX_OK
        || time <= 0)
    {
        return until;
    }

    if (time >= NGX_SHOP_NOTICE_MS) {
        time /= 1000;
    }

    return ngx_min(until, time + NGX_SHOP_NOTICE_LEEWAY);
}


/*
 * Whom it is about: "sub_id" (RFC 9493), or "subject" of the event, as RISC
 * has it, or "sub".  In a complex one "user" is who it is; what else is in it
 * says which of their sessions, as "sid" does.  By an address, or an id that
 * is opaque, we know nobody.
 */

static ngx_int_t
ngx_shop_notice_of(ngx_pool_t *pool, ngx_shop_provider_t *provider,
    ngx_shop_jws_t *jws, ngx_shop_notice_t *notice, ngx_shop_json_t *claims,
    ngx_shop_json_t *event, const char **reason)
{
    ngx_str_t         format;
    ngx_shop_json_t  *who;

    who = ngx_shop_json_get(claims, "sub_id");

    if (who == NULL) {
        who = ngx_shop_json_get(event, "subject");
    }

    if (who == NULL) {
        return ngx_shop_notice_by_claims(pool, provider, notice, claims,
                                         reason);
    }

    *reason = "claims_malformed";

    if (ngx_shop_notice_format(who, &format) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_text_is(&format, "complex")) {

        who = ngx_shop_json_get(who, "user");

        if (who != NULL && ngx_shop_notice_format(who, &format) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!ngx_shop_text_is(&format, "iss_sub")
        && !ngx_shop_text_is(&format, "iss-sub")
        && !ngx_shop_text_is(&format, "id_token_claims"))
    {
        *reason = "subject_missing";
        return NGX_ERROR;
    }

    if (ngx_shop_notice_issuer(provider, jws, who, reason) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_notice_by_claims(pool, provider, notice, who, reason);
}


static ngx_int_t
ngx_shop_notice_format(ngx_shop_json_t *who, ngx_str_t *format)
{
    if (ngx_shop_json_string(ngx_shop_json_get(who, "format"), format)
        == NGX_OK)
    {
        return NGX_OK;
    }

    return ngx_shop_json_string(ngx_shop_json_get(who, "subject_type"),
                                format);
}


static ngx_uint_t
ngx_shop_notice_action(ngx_shop_notice_event_t *event, ngx_str_t *name)
{
    for ( /* void */ ; event->name.len; event++) {
        if (ngx_shop_equal(&event->name, name)) {
            return event->action;
        }
    }

    return NGX_SHOP_NOTICE_NOTHING;
}
