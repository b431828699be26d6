
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "loyalty/ngx_shop_loyalty.h"
#include "net/ngx_shop_net.h"
#include "redis/ngx_shop_redis_internal.h"
#include "session/ngx_shop_session.h"

#include "ngx_shop_fuzz.h"


#define NGX_SHOP_FUZZ_NOW  1700000000


static ngx_int_t ngx_shop_fuzz_response_by(ngx_shop_fuzz_t *fuzz,
    ngx_shop_fetch_parser_t *parser, size_t step);
static ngx_int_t ngx_shop_fuzz_reply_by(ngx_shop_fuzz_t *fuzz, size_t step,
    ngx_shop_redis_reply_t **reply);
static void ngx_shop_fuzz_reply_look(ngx_shop_fuzz_t *fuzz,
    ngx_shop_redis_reply_t *reply);


/* what was parsed is a URL again, and the same one */

void
ngx_shop_fuzz_url(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t        text;
    const char      *err;
    ngx_shop_url_t   url, again;

    if (ngx_shop_url_parse(fuzz->pool, &fuzz->text, &url, &err) != NGX_OK) {
        ngx_shop_fuzz_must(err != NULL);
        return;
    }

    ngx_shop_fuzz_must(url.host.len && url.port && url.uri.data[0] == '/');
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&url.host));
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&url.uri));

    text.data = ngx_pnalloc(fuzz->pool, url.origin.len + url.uri.len);
    if (text.data == NULL) {
        return;
    }

    text.len = ngx_sprintf(text.data, "%V%V", &url.origin, &url.uri)
               - text.data;

    ngx_shop_fuzz_must(ngx_shop_url_parse(fuzz->pool, &text, &again, &err)
                       == NGX_OK);
    ngx_shop_fuzz_must(again.port == url.port);
    ngx_shop_fuzz_must(ngx_shop_equal(&again.host, &url.host));
    ngx_shop_fuzz_must(ngx_shop_equal(&again.uri, &url.uri));
}


/* a place in the shop, or on one of the hosts that it trusts */

void
ngx_shop_fuzz_return(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t        path, *host;
    ngx_array_t      hosts;
    const char      *err;
    ngx_shop_url_t   base, url;

    static ngx_str_t  text = ngx_string("https://shop.example/");
    static ngx_str_t  blog = ngx_string("blog.example");

    if (ngx_array_init(&hosts, fuzz->pool, 1, sizeof(ngx_str_t)) != NGX_OK
        || ngx_shop_url_parse(fuzz->pool, &text, &base, &err) != NGX_OK)
    {
        return;
    }

    host = ngx_array_push(&hosts);
    *host = blog;

    if (ngx_shop_return_check(fuzz->pool, &fuzz->text, &base, &hosts, &path)
        != NGX_OK)
    {
        return;
    }

    ngx_shop_fuzz_must(path.len && ngx_shop_fuzz_is_plain(&path));
    ngx_shop_fuzz_must(ngx_strlchr(path.data, path.data + path.len, '\\')
                       == NULL);

    if (path.data[0] == '/') {
        ngx_shop_fuzz_must(path.len == 1 || path.data[1] != '/');
        return;
    }

    ngx_shop_fuzz_must(path.len > 8
                       && ngx_strncmp(path.data, "https://", 8) == 0);

    /* without its fragment it is a URL, of one of them */

    host = ngx_array_push(&hosts);

    if (host) {
        host->data = path.data;
        host->len = ngx_strlchr(path.data, path.data + path.len, '#')
                    ? (size_t) (ngx_strlchr(path.data, path.data + path.len,
                                            '#') - path.data)
                    : path.len;

        ngx_shop_fuzz_must(ngx_shop_url_parse(fuzz->pool, host, &url, &err)
                           == NGX_OK);
        ngx_shop_fuzz_must(url.port == 443);
        ngx_shop_fuzz_must(ngx_shop_equal(&url.host, &blog)
                           || ngx_shop_equal(&url.host, &base.host));
    }
}


void
ngx_shop_fuzz_query(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t         name, value, plain, escaped;
    ngx_shop_query_t  query;

    ngx_shop_query_init(&query, &fuzz->text);

    while (ngx_shop_query_next(&query, &name, &value) == NGX_OK) {

        if (ngx_shop_unescape_form(fuzz->pool, &value, &plain) != NGX_OK) {
            continue;
        }

        /* what is escaped can be had back */

        if (ngx_shop_escape_str(fuzz->pool, &plain, &escaped) == NGX_OK) {
            ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&escaped));
            ngx_shop_fuzz_must(ngx_shop_unescape_form(fuzz->pool, &escaped,
                                                      &value)
                               == NGX_OK);
            ngx_shop_fuzz_must(ngx_shop_equal(&value, &plain));
        }
    }

    (void) ngx_shop_query_get(fuzz->pool, &fuzz->text, "state", &value);
}


void
ngx_shop_fuzz_time(ngx_shop_fuzz_t *fuzz)
{
    time_t  time;

    time = ngx_shop_parse_time(&fuzz->text);

    ngx_shop_fuzz_must(time == NGX_ERROR || time >= 0);
}


/* what was parsed can be written, and parsed again */

void
ngx_shop_fuzz_json(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t         text, again;
    ngx_shop_json_t  *json;

    json = ngx_shop_json_parse(fuzz->pool, &fuzz->text, 65536);

    if (json == NULL
        || ngx_shop_json_dump(fuzz->pool, json, &text) != NGX_OK)
    {
        return;
    }

    json = ngx_shop_json_parse(fuzz->pool, &text, 10 * 65536);

    ngx_shop_fuzz_must(json != NULL);
    ngx_shop_fuzz_must(ngx_shop_json_dump(fuzz->pool, json, &again)
                       == NGX_OK);
    ngx_shop_fuzz_must(ngx_shop_equal(&text, &again));
}


/* nobody else can seal */

void
ngx_shop_fuzz_sealed(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t           context, plain;
    ngx_array_t         keys;
    ngx_shop_key_t     *key;
    ngx_shop_sealer_t  *sealer;

    ngx_str_set(&context, "shop.example");

    if (ngx_array_init(&keys, fuzz->pool, 1, sizeof(ngx_shop_key_t))
        != NGX_OK)
    {
        return;
    }

    key = ngx_array_push(&keys);
    ngx_memset(key->data, 'k', NGX_SHOP_KEY_LEN);

    sealer = ngx_shop_sealer_create(fuzz->pool, &keys, "session", fuzz->log);

    if (sealer) {
        ngx_shop_fuzz_must(ngx_shop_open(sealer, fuzz->pool, &context,
                                         &fuzz->text, &plain, fuzz->log)
                           == NGX_DECLINED);
    }

    (void) ngx_shop_unbase64url(fuzz->pool, &fuzz->text, &plain);
}


void
ngx_shop_fuzz_session(ngx_shop_fuzz_t *fuzz)
{
    ngx_shop_session_t  session;

    ngx_memzero(&session, sizeof(ngx_shop_session_t));
    ngx_str_set(&session.customer, "c1");

    if (ngx_shop_session_unpack(&fuzz->text, NGX_SHOP_FUZZ_NOW, &session)
        == NGX_OK)
    {
        ngx_shop_fuzz_must(session.expires > NGX_SHOP_FUZZ_NOW);
        ngx_shop_fuzz_must(ngx_shop_session_rest(&session, NGX_SHOP_FUZZ_NOW)
                           >= 1);
        ngx_shop_fuzz_must(session.provider.len <= fuzz->text.len);
    }
}


void
ngx_shop_fuzz_view(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t         text;
    ngx_shop_view_t   view, again;

    if (ngx_shop_view_unpack(&fuzz->text, &view) != NGX_OK) {
        return;
    }

    ngx_shop_fuzz_must(ngx_shop_view_pack(fuzz->pool, &view, &text)
                       == NGX_OK);
    ngx_shop_fuzz_must(ngx_shop_view_unpack(&text, &again) == NGX_OK);
    ngx_shop_fuzz_must(again.points == view.points);
    ngx_shop_fuzz_must(ngx_shop_equal(&again.tier, &view.tier));
    ngx_shop_fuzz_must(ngx_shop_equal(&again.segments, &view.segments));
}


/* in one piece, and byte by byte, it is the same */

void
ngx_shop_fuzz_response(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t                 rc;
    ngx_shop_fetch_parser_t   whole, bytes;

    rc = ngx_shop_fuzz_response_by(fuzz, &whole, fuzz->text.len);

    ngx_shop_fuzz_must(ngx_shop_fuzz_response_by(fuzz, &bytes, 1) == rc);

    if (rc == NGX_ERROR) {
        ngx_shop_fuzz_must(whole.reason && bytes.reason);
        return;
    }

    ngx_shop_fuzz_must(whole.status == bytes.status);
    ngx_shop_fuzz_must(whole.size == bytes.size && whole.size <= 4096);
    ngx_shop_fuzz_must(whole.keepalive == bytes.keepalive);
}


static ngx_int_t
ngx_shop_fuzz_response_by(ngx_shop_fuzz_t *fuzz,
    ngx_shop_fetch_parser_t *parser, size_t step)
{
    u_char     *p, *last, *end;
    ngx_int_t   rc;

    ngx_shop_fetch_parser_init(parser, fuzz->pool, 4096);

    p = fuzz->text.data;
    last = p + fuzz->text.len;
    rc = NGX_AGAIN;

    while (rc == NGX_AGAIN && p < last) {

        end = ngx_min(p + step, last);
        rc = ngx_shop_fetch_parse(parser, &p, end);

        ngx_shop_fuzz_must(p <= end);
        ngx_shop_fuzz_must(rc != NGX_AGAIN || p == end);
    }

    if (rc == NGX_AGAIN) {
        rc = ngx_shop_fetch_parse_eof(parser);
    }

    return rc;
}


void
ngx_shop_fuzz_reply(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t                rc;
    ngx_shop_redis_reply_t  *whole, *bytes;

    rc = ngx_shop_fuzz_reply_by(fuzz, ngx_max(fuzz->text.len, 1), &whole);

    ngx_shop_fuzz_must(ngx_shop_fuzz_reply_by(fuzz, 1, &bytes) == rc);

    if (rc == NGX_OK) {
        ngx_shop_fuzz_must(whole != NULL && bytes != NULL);
        ngx_shop_fuzz_must(whole->type == bytes->type);
        ngx_shop_fuzz_reply_look(fuzz, whole);
    }
}


static ngx_int_t
ngx_shop_fuzz_reply_by(ngx_shop_fuzz_t *fuzz, size_t step,
    ngx_shop_redis_reply_t **reply)
{
    size_t                    i, n;
    ngx_int_t                 rc;
    ngx_shop_redis_reader_t  *reader;

    *reply = NULL;

    reader = ngx_shop_redis_reader_create();
    if (reader == NULL) {
        return NGX_ABORT;
    }

    rc = NGX_AGAIN;

    for (i = 0; i < fuzz->text.len && rc == NGX_AGAIN; i += n) {

        n = ngx_min(step, fuzz->text.len - i);

        rc = ngx_shop_redis_reader_feed(reader, fuzz->text.data + i, n);

        if (rc == NGX_OK) {
            rc = ngx_shop_redis_reader_next(reader, fuzz->pool, reply);
        }
    }

    ngx_shop_redis_reader_free(reader);

    return rc;
}


static void
ngx_shop_fuzz_reply_look(ngx_shop_fuzz_t *fuzz, ngx_shop_redis_reply_t *reply)
{
    ngx_uint_t                  i;
    ngx_shop_redis_redirect_t   redirect;

    if (reply->type == NGX_SHOP_REDIS_FAULT) {

        switch (ngx_shop_redis_redirect(reply, &redirect)) {

        case NGX_SHOP_REDIS_MOVED:
        case NGX_SHOP_REDIS_ASK:
            ngx_shop_fuzz_must(redirect.slot < NGX_SHOP_REDIS_SLOTS);
            ngx_shop_fuzz_must(redirect.addr.port > 0);
            break;

        default:
            break;
        }
    }

    if (reply->type == NGX_SHOP_REDIS_ARRAY) {
        for (i = 0; i < reply->nelts; i++) {
            ngx_shop_fuzz_reply_look(fuzz, reply->elts[i]);
        }
    }
}
