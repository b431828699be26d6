
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "net/ngx_shop_net_internal.h"


/*
 * The request, as it goes out: the request line, the headers of this room,
 * those of the owner, and the body, in one buffer.
 */


static ngx_int_t ngx_shop_fetch_check(ngx_shop_exchange_t *x);


/* these frame the request, or speak for this room */

static const char  *ngx_shop_fetch_reserved[] = {
    "Host",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Accept-Encoding",
    "Expect",
    "TE",
    "Trailer",
    "Upgrade",
    NULL
};


ngx_int_t
ngx_shop_fetch_header(ngx_shop_fetch_t *fetch, const char *name,
    ngx_str_t *value)
{
    size_t                    i;
    ngx_str_t                 field;
    ngx_shop_fetch_header_t  *header;

    field.len = ngx_strlen(name);
    field.data = (u_char *) name;

    if (!ngx_shop_fetch_is_token(&field)) {
        return NGX_ERROR;
    }

    for (i = 0; ngx_shop_fetch_reserved[i]; i++) {
        if (ngx_shop_text_is_caseless(&field, ngx_shop_fetch_reserved[i])) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < value->len; i++) {

        switch (value->data[i]) {

        case CR:
        case LF:
        case '\0':
            return NGX_ERROR;
        }
    }

    header = ngx_array_push(&fetch->headers);
    if (header == NULL) {
        return NGX_ERROR;
    }

    header->name = field;
    header->value = *value;

    return NGX_OK;
}


ngx_int_t
ngx_shop_fetch_request(ngx_shop_exchange_t *x)
{
    size_t                    len;
    u_char                   *p;
    ngx_str_t                *name;
    ngx_uint_t                i, accept, agent, length;
    ngx_shop_url_t           *url;
    ngx_shop_fetch_t         *fetch;
    ngx_shop_fetch_header_t  *header;

    if (ngx_shop_fetch_check(x) != NGX_OK) {
        return NGX_ERROR;
    }

    fetch = &x->fetch;
    url = &fetch->url;

    accept = 0;
    agent = 0;

    /* RFC 9110 8.6: methods with a meaning for a body say that it is empty */

    length = fetch->body.len
             || ngx_shop_text_is_caseless(&fetch->method, "POST")
             || ngx_shop_text_is_caseless(&fetch->method, "PUT");

    len = fetch->method.len + 1 + url->uri.len + sizeof(" HTTP/1.1" CRLF) - 1
          + sizeof("Host: :65535" CRLF) - 1 + url->host.len
          + sizeof("User-Agent: ngx_shop" CRLF) - 1
          + sizeof("Accept: application/json" CRLF) - 1
          + sizeof("Accept-Encoding: identity" CRLF) - 1
          + sizeof("Connection: keep-alive" CRLF) - 1
          + sizeof("Content-Length: " CRLF) - 1 + NGX_SIZE_T_LEN
          + sizeof(CRLF) - 1
          + fetch->body.len;

    header = fetch->headers.elts;

    for (i = 0; i < fetch->headers.nelts; i++) {
        name = &header[i].name;

        len += name->len + header[i].value.len + sizeof(": " CRLF) - 1;

        if (ngx_shop_text_is_caseless(name, "Accept")) {
            accept = 1;

        } else if (ngx_shop_text_is_caseless(name, "User-Agent")) {
            agent = 1;
        }
    }

    x->request = ngx_create_temp_buf(fetch->pool, len);
    if (x->request == NULL) {
        return NGX_ERROR;
    }

    p = x->request->pos;

    p = ngx_sprintf(p, "%V %V HTTP/1.1" CRLF, &fetch->method, &url->uri);
    p = ngx_sprintf(p, "Host: %V", &url->host);

    if (url->port != (url->secure ? 443 : 80)) {
        p = ngx_sprintf(p, ":%ui", (ngx_uint_t) url->port);
    }

    p = ngx_sprintf(p, CRLF);

    if (!agent) {
        p = ngx_sprintf(p, "User-Agent: ngx_shop" CRLF);
    }

    if (!accept) {
        p = ngx_sprintf(p, "Accept: application/json" CRLF);
    }

    /* RFC 9110 12.5.3: without this a server may use any coding */

    p = ngx_sprintf(p, "Accept-Encoding: identity" CRLF);
    p = ngx_sprintf(p, "Connection: keep-alive" CRLF);

    if (length) {
        p = ngx_sprintf(p, "Content-Length: %uz" CRLF, fetch->body.len);
    }

    for (i = 0; i < fetch->headers.nelts; i++) {
        p = ngx_sprintf(p, "%V: %V" CRLF, &header[i].name, &header[i].value);
    }

    p = ngx_sprintf(p, CRLF);

    if (fetch->body.len) {
        p = ngx_cpymem(p, fetch->body.data, fetch->body.len);
    }

    x->request->last = p;

    return NGX_OK;
}


/*
 * The URL may have been put together by the owner: what could split the
 * request line is refused here, whoever looked before.
 */

static ngx_int_t
ngx_shop_fetch_check(ngx_shop_exchange_t *x)
{
    size_t             i;
    ngx_str_t         *host, *uri;
    ngx_shop_fetch_t  *fetch;

    fetch = &x->fetch;
    host = &fetch->url.host;
    uri = &fetch->url.uri;

    if (host->len == 0
        || uri->len == 0
        || fetch->url.port == 0
        || !ngx_shop_fetch_is_token(&fetch->method))
    {
        goto invalid;
    }

    for (i = 0; i < host->len; i++) {
        if (host->data[i] <= ' ' || host->data[i] >= 0x7f
            || ngx_strchr("/?#@\\", host->data[i]))
        {
            goto invalid;
        }
    }

    for (i = 0; i < uri->len; i++) {
        if (uri->data[i] <= ' ' || uri->data[i] >= 0x7f) {
            goto invalid;
        }
    }

    if (fetch->url.secure && x->net->ssl == NULL) {
        ngx_log_error(NGX_LOG_ERR, &x->log, 0, "https without a TLS context");
        fetch->reason = "tls";
        return NGX_ERROR;
    }

    if (!fetch->url.secure && !fetch->url.loopback) {
        ngx_log_error(NGX_LOG_ERR, &x->log, 0,
                      "plain http is for loopback addresses only");
        fetch->reason = "tls";
        return NGX_ERROR;
    }

    return NGX_OK;

invalid:

    ngx_log_error(NGX_LOG_ERR, &x->log, 0, "invalid method or URL to fetch");

    return NGX_ERROR;
}
