
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "net/ngx_shop_net.h"
#include "ngx_shop_test.h"


/*
 * Lets t/net_*.t drive the outbound client in a running nginx:
 *
 *     location /fetch {
 *         resolver 127.0.0.1:5353;
 *         shop_unit_fetch [ca=FILE] [connect_timeout=T] [resolver_timeout=T]
 *                         [idle_timeout=T] [max_idle=N];
 *     }
 *
 * A request makes one exchange and answers with what came of it as lines
 * "name: value", an empty line, and the body.  Its arguments, percent-encoded
 * as in a form:
 *
 *     url        where to
 *     peer       instead: "unix:/path", or "host:port", only connects
 *     tls        1: with TLS (of a peer)
 *     method, body, timeout (ms), max_body
 *     size       a body of so many bytes
 *     name, value        a header
 *     trust      1: plain http to any host, which only a test may want
 *     cancel     free it after so many ms; 0: as soon as it has started
 *     rival      1: a second one, to the same URL; the first that is done
 *                frees the other
 *     idle       1: only tell how many connections are idle
 *     twice      1: start it twice, which must change nothing
 *     split      1: put a line feed into the URL that was parsed
 *
 * A client that goes away frees it, too.
 */


typedef struct {
    ngx_shop_net_t             net;
    ngx_str_t                  ca;
} ngx_shop_unit_fetch_conf_t;


typedef struct {
    ngx_http_request_t        *request;
    ngx_shop_unit_fetch_conf_t
                              *conf;
    ngx_shop_fetch_t          *fetch;
    ngx_shop_fetch_t          *rival;
    ngx_shop_peer_t            peer;
    ngx_shop_peer_conf_t       peer_conf;
    ngx_event_t                cancel;
    ngx_uint_t                 ncalls;

    unsigned                   started:1;
    unsigned                   early:1;     /* called before start returned */
    unsigned                   has_peer:1;
} ngx_shop_unit_fetch_ctx_t;


static ngx_int_t ngx_shop_unit_fetch_handler(ngx_http_request_t *r);
static ngx_int_t ngx_shop_unit_fetch_peer(ngx_http_request_t *r,
    ngx_shop_unit_fetch_ctx_t *ctx, ngx_str_t *text);
static void ngx_shop_unit_fetch_peer_done(ngx_shop_peer_t *peer);
static ngx_shop_fetch_t *ngx_shop_unit_fetch_create(ngx_http_request_t *r,
    ngx_shop_unit_fetch_ctx_t *ctx);
static void ngx_shop_unit_fetch_done(ngx_shop_fetch_t *fetch);
static void ngx_shop_unit_fetch_cancel(ngx_event_t *ev);
static void ngx_shop_unit_fetch_cleanup(void *data);
static void ngx_shop_unit_fetch_drop(ngx_shop_unit_fetch_ctx_t *ctx);
static void ngx_shop_unit_fetch_finalize(ngx_shop_unit_fetch_ctx_t *ctx,
    ngx_shop_fetch_t *fetch, ngx_int_t code, const char *reason);
static ngx_int_t ngx_shop_unit_fetch_send(ngx_shop_unit_fetch_ctx_t *ctx,
    ngx_shop_fetch_t *fetch, ngx_int_t code, const char *reason);
static ngx_int_t ngx_shop_unit_fetch_number(ngx_http_request_t *r,
    const char *name, ngx_int_t absent);
static void *ngx_shop_unit_fetch_create_conf(ngx_conf_t *cf);
static char *ngx_shop_unit_fetch_command(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_shop_unit_fetch_commands[] = {

    { ngx_string("shop_unit_fetch"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_shop_unit_fetch_command,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_shop_unit_fetch_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_shop_unit_fetch_create_conf,       /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_shop_unit_fetch_module = {
    NGX_MODULE_V1,
    &ngx_shop_unit_fetch_module_ctx,
    ngx_shop_unit_fetch_commands,
    NGX_HTTP_MODULE,
    NGX_SHOP_TEST_NO_HOOKS
};


static ngx_int_t
ngx_shop_unit_fetch_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc, delay;
    ngx_str_t                    peer;
    ngx_http_cleanup_t          *cln;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_shop_unit_fetch_ctx_t   *ctx;
    ngx_shop_unit_fetch_conf_t  *conf;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_shop_unit_fetch_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    conf->net.resolver = clcf->resolver;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_shop_unit_fetch_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->request = r;
    ctx->conf = conf;

    if (ngx_shop_unit_fetch_number(r, "idle", 0)) {
        return ngx_shop_unit_fetch_send(ctx, NULL, NGX_OK, NULL);
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_shop_unit_fetch_cleanup;
    cln->data = ctx;

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;

    if (ngx_shop_query_get(r->pool, &r->args, "peer", &peer) == NGX_OK) {
        rc = ngx_shop_unit_fetch_peer(r, ctx, &peer);

        if (ngx_shop_unit_fetch_number(r, "twice", 0)
            && ngx_shop_peer_connect(&ctx->peer) != NGX_ERROR)
        {
            return NGX_ERROR;
        }

    } else {
        ctx->fetch = ngx_shop_unit_fetch_create(r, ctx);

        if (ngx_shop_unit_fetch_number(r, "rival", 0)) {
            ctx->rival = ngx_shop_unit_fetch_create(r, ctx);
        }

        rc = ctx->fetch ? ngx_shop_fetch_start(ctx->fetch) : NGX_ERROR;

        if (ctx->rival && rc == NGX_AGAIN) {
            rc = ngx_shop_fetch_start(ctx->rival);
        }

        if (ngx_shop_unit_fetch_number(r, "twice", 0)
            && ngx_shop_fetch_start(ctx->fetch) != NGX_ERROR)
        {
            return NGX_ERROR;
        }
    }

    ctx->started = 1;

    if (rc != NGX_AGAIN) {
        ngx_shop_unit_fetch_finalize(ctx, ctx->fetch, rc,
                                     ctx->fetch ? ctx->fetch->reason
                                                : ctx->peer.reason);
        return NGX_DONE;
    }

    delay = ngx_shop_unit_fetch_number(r, "cancel", -1);

    if (delay > 0) {
        ctx->cancel.handler = ngx_shop_unit_fetch_cancel;
        ctx->cancel.data = ctx;
        ctx->cancel.log = r->connection->log;

        ngx_add_timer(&ctx->cancel, (ngx_msec_t) delay);

    } else if (delay == 0) {
        ngx_shop_unit_fetch_drop(ctx);
        ngx_shop_unit_fetch_finalize(ctx, NULL, NGX_ERROR, "canceled");
    }

    return NGX_DONE;
}


static ngx_int_t
ngx_shop_unit_fetch_peer(ngx_http_request_t *r,
    ngx_shop_unit_fetch_ctx_t *ctx, ngx_str_t *text)
{
    u_char                *p;
    ngx_shop_peer_conf_t  *conf;

    conf = &ctx->peer_conf;

    if (text->len > 5 && ngx_strncmp(text->data, "unix:", 5) == 0) {
        conf->path.data = text->data + 5;
        conf->path.len = text->len - 5;

    } else {
        for (p = text->data + text->len - 1; p > text->data; p--) {
            if (*p == ':') {
                break;
            }
        }

        conf->host.data = text->data;
        conf->host.len = p - text->data;
        conf->port = (in_port_t) ngx_atoi(p + 1, text->data + text->len - p
                                                 - 1);
    }

    conf->ssl = ngx_shop_unit_fetch_number(r, "tls", 0) ? ctx->conf->net.ssl
                                                        : NULL;
    conf->resolver = ctx->conf->net.resolver;
    conf->resolver_timeout = ctx->conf->net.resolver_timeout;
    conf->connect_timeout = ctx->conf->net.connect_timeout;

    ctx->peer.conf = conf;
    ctx->peer.handler = ngx_shop_unit_fetch_peer_done;
    ctx->peer.data = ctx;
    ctx->peer.log = r->connection->log;
    ctx->has_peer = 1;

    return ngx_shop_peer_connect(&ctx->peer);
}


static void
ngx_shop_unit_fetch_peer_done(ngx_shop_peer_t *peer)
{
    ngx_shop_unit_fetch_ctx_t  *ctx;

    ctx = peer->data;

    ctx->ncalls++;
    ctx->early = !ctx->started;

    if (peer->rc == NGX_OK) {
        ngx_shop_peer_close(peer->connection);
    }

    ngx_shop_unit_fetch_finalize(ctx, NULL, peer->rc, peer->reason);
}


static ngx_shop_fetch_t *
ngx_shop_unit_fetch_create(ngx_http_request_t *r,
    ngx_shop_unit_fetch_ctx_t *ctx)
{
    u_char            *text;
    ngx_int_t          size;
    ngx_str_t          url, name, value;
    const char        *err;
    ngx_shop_fetch_t  *fetch;

    fetch = ngx_shop_fetch_create(&ctx->conf->net, r->connection->log);
    if (fetch == NULL) {
        return NULL;
    }

    fetch->handler = ngx_shop_unit_fetch_done;
    fetch->data = ctx;
    fetch->reason = "unit";

    if (ngx_shop_query_get(fetch->pool, &r->args, "url", &url) != NGX_OK
        || ngx_shop_url_parse(fetch->pool, &url, &fetch->url, &err) != NGX_OK)
    {
        goto failed;
    }

    (void) ngx_shop_query_get(fetch->pool, &r->args, "method",
                              &fetch->method);
    (void) ngx_shop_query_get(fetch->pool, &r->args, "body", &fetch->body);

    if (ngx_shop_query_get(fetch->pool, &r->args, "name", &name) == NGX_OK) {

        if (ngx_shop_query_get(fetch->pool, &r->args, "value", &value)
            != NGX_OK)
        {
            goto failed;
        }

        text = ngx_pnalloc(fetch->pool, name.len + 1);
        if (text == NULL) {
            goto failed;
        }

        *ngx_cpymem(text, name.data, name.len) = '\0';

        if (ngx_shop_fetch_header(fetch, (char *) text, &value) != NGX_OK) {
            goto failed;
        }
    }

    size = ngx_shop_unit_fetch_number(r, "size", 0);

    if (size > 0) {
        fetch->body.data = ngx_palloc(fetch->pool, size);
        if (fetch->body.data == NULL) {
            goto failed;
        }

        fetch->body.len = size;
        ngx_memset(fetch->body.data, 'x', size);
    }

    fetch->timeout = ngx_shop_unit_fetch_number(r, "timeout", 5000);
    fetch->max_body = ngx_shop_unit_fetch_number(r, "max_body", 65536);

    if (ngx_shop_unit_fetch_number(r, "trust", 0)) {
        fetch->url.loopback = 1;
    }

    if (ngx_shop_unit_fetch_number(r, "split", 0)) {
        fetch->url.uri.data[fetch->url.uri.len - 1] = LF;
    }

    return fetch;

failed:

    ngx_shop_fetch_free(fetch);

    return NULL;
}


static void
ngx_shop_unit_fetch_done(ngx_shop_fetch_t *fetch)
{
    ngx_shop_unit_fetch_ctx_t  *ctx;

    ctx = fetch->data;

    ctx->ncalls++;
    ctx->early = !ctx->started;

    ngx_shop_unit_fetch_finalize(ctx, fetch, fetch->rc, fetch->reason);
}


static void
ngx_shop_unit_fetch_cancel(ngx_event_t *ev)
{
    ngx_shop_unit_fetch_ctx_t  *ctx;

    ctx = ev->data;

    ngx_shop_unit_fetch_drop(ctx);
    ngx_shop_unit_fetch_finalize(ctx, NULL, NGX_ERROR, "canceled");
}


static void
ngx_shop_unit_fetch_cleanup(void *data)
{
    ngx_shop_unit_fetch_ctx_t  *ctx = data;

    if (ctx->cancel.timer_set) {
        ngx_del_timer(&ctx->cancel);
    }

    ngx_shop_unit_fetch_drop(ctx);
}


static void
ngx_shop_unit_fetch_drop(ngx_shop_unit_fetch_ctx_t *ctx)
{
    if (ctx->fetch) {
        ngx_shop_fetch_free(ctx->fetch);
        ctx->fetch = NULL;
    }

    if (ctx->rival) {
        ngx_shop_fetch_free(ctx->rival);
        ctx->rival = NULL;
    }

    if (ctx->has_peer) {
        ngx_shop_peer_cancel(&ctx->peer);

        /* twice is once */

        ngx_shop_peer_cancel(&ctx->peer);
    }
}


static void
ngx_shop_unit_fetch_finalize(ngx_shop_unit_fetch_ctx_t *ctx,
    ngx_shop_fetch_t *fetch, ngx_int_t code, const char *reason)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (ctx->cancel.timer_set) {
        ngx_del_timer(&ctx->cancel);
    }

    rc = ngx_shop_unit_fetch_send(ctx, fetch, code, reason);

    ngx_shop_unit_fetch_drop(ctx);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_shop_unit_fetch_send(ngx_shop_unit_fetch_ctx_t *ctx,
    ngx_shop_fetch_t *fetch, ngx_int_t code, const char *reason)
{
    size_t               len;
    ngx_int_t            rc;
    ngx_str_t            body, type;
    ngx_buf_t           *b;
    ngx_uint_t           status;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;
    status = 0;

    ngx_str_null(&body);
    ngx_str_null(&type);

    if (fetch) {
        body = fetch->response;
        type = fetch->content_type;
        status = fetch->status;
    }

    len = 512 + type.len + body.len;

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_slprintf(b->last, b->end,
                           "rc: %s" CRLF "reason: %s" CRLF "status: %ui" CRLF
                           "type: %V" CRLF "calls: %ui" CRLF "early: %ui" CRLF
                           "idle: %ui" CRLF "length: %uz" CRLF CRLF "%V",
                           code == NGX_OK ? "ok" : "error",
                           reason ? reason : "-", status, &type, ctx->ncalls,
                           (ngx_uint_t) ctx->early, ctx->conf->net.nidle,
                           body.len, &body);
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "text/plain");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_shop_unit_fetch_number(ngx_http_request_t *r, const char *name,
    ngx_int_t absent)
{
    ngx_str_t  value;

    if (ngx_shop_query_get(r->pool, &r->args, name, &value) != NGX_OK) {
        return absent;
    }

    return ngx_atoi(value.data, value.len);
}


static void *
ngx_shop_unit_fetch_create_conf(ngx_conf_t *cf)
{
    ngx_shop_unit_fetch_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_shop_unit_fetch_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    ngx_shop_net_init(&conf->net);

    return conf;
}


static char *
ngx_shop_unit_fetch_command(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char                      *p;
    ngx_str_t                   *value, text;
    ngx_int_t                    number;
    ngx_uint_t                   i;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_shop_unit_fetch_conf_t  *ufcf = conf;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        p = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');

        if (p == NULL) {
            return "has a parameter without a value";
        }

        text.data = p + 1;
        text.len = value[i].data + value[i].len - text.data;

        if (ngx_strncmp(value[i].data, "ca=", 3) == 0) {
            ufcf->ca = text;
            continue;
        }

        number = ngx_parse_time(&text, 0);

        if (ngx_strncmp(value[i].data, "max_idle=", 9) == 0) {
            ufcf->net.max_idle = ngx_atoi(text.data, text.len);

        } else if (ngx_strncmp(value[i].data, "connect_timeout=", 16) == 0) {
            ufcf->net.connect_timeout = number;

        } else if (ngx_strncmp(value[i].data, "resolver_timeout=", 17) == 0) {
            ufcf->net.resolver_timeout = number;

        } else if (ngx_strncmp(value[i].data, "idle_timeout=", 13) == 0) {
            ufcf->net.idle_timeout = number;

        } else {
            return "has an unknown parameter";
        }
    }

    ufcf->net.ssl = ngx_shop_peer_ssl_create(cf, &ufcf->ca);
    if (ufcf->net.ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_shop_unit_fetch_handler;

    return NGX_CONF_OK;
}
