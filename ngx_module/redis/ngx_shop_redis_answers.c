
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * What servers say about servers.  Pure: replies in, addresses out.  A server
 * may say anything, so all of it is checked: an address is a name or a number
 * with a port, a slot is one of 16384.
 */


static ngx_int_t ngx_shop_redis_addr_valid(ngx_shop_redis_addr_t *addr,
    int64_t port);
static u_char *ngx_shop_redis_word(ngx_str_t *text, u_char *p,
    ngx_str_t *word);


ngx_shop_redis_redirect_e
ngx_shop_redis_redirect(ngx_shop_redis_reply_t *reply,
    ngx_shop_redis_redirect_t *redirect)
{
    u_char                     *p, *colon;
    ngx_int_t                   slot, port;
    ngx_str_t                   word, slot_word, addr;
    ngx_shop_redis_redirect_e   kind;

    if (reply == NULL || reply->type != NGX_SHOP_REDIS_FAULT) {
        return NGX_SHOP_REDIS_STAY;
    }

    if (ngx_shop_redis_is_fault(reply, "TRYAGAIN")) {
        return NGX_SHOP_REDIS_TRYAGAIN;
    }

    if (ngx_shop_redis_is_fault(reply, "CLUSTERDOWN")
        || ngx_shop_redis_is_fault(reply, "LOADING")
        || ngx_shop_redis_is_fault(reply, "MASTERDOWN")
        || ngx_shop_redis_is_readonly(reply))
    {
        return NGX_SHOP_REDIS_LOST;
    }

    if (ngx_shop_redis_is_fault(reply, "MOVED")) {
        kind = NGX_SHOP_REDIS_MOVED;

    } else if (ngx_shop_redis_is_fault(reply, "ASK")) {
        kind = NGX_SHOP_REDIS_ASK;

    } else {
        return NGX_SHOP_REDIS_STAY;
    }

    p = ngx_shop_redis_word(&reply->str, reply->str.data, &word);
    p = ngx_shop_redis_word(&reply->str, p, &slot_word);
    p = ngx_shop_redis_word(&reply->str, p, &addr);

    slot = ngx_atoi(slot_word.data, slot_word.len);

    if (slot < 0 || slot >= NGX_SHOP_REDIS_SLOTS
        || p != reply->str.data + reply->str.len)
    {
        return NGX_SHOP_REDIS_STAY;
    }

    /* of IPv6 as well: "::1:6379" */

    for (colon = addr.data + addr.len; colon > addr.data; colon--) {
        if (colon[-1] == ':') {
            break;
        }
    }

    if (colon == addr.data) {
        return NGX_SHOP_REDIS_STAY;
    }

    port = ngx_atoi(colon, addr.data + addr.len - colon);

    redirect->slot = slot;
    redirect->addr.host.data = addr.data;
    redirect->addr.host.len = colon - 1 - addr.data;

    if (ngx_shop_redis_addr_valid(&redirect->addr, port) != NGX_OK) {
        return NGX_SHOP_REDIS_STAY;
    }

    return kind;
}


/* words are separated by one blank; none are empty */

static u_char *
ngx_shop_redis_word(ngx_str_t *text, u_char *p, ngx_str_t *word)
{
    u_char  *last;

    last = text->data + text->len;

    word->data = p;

    while (p < last && *p != ' ') {
        p++;
    }

    word->len = p - word->data;

    return p + 1 < last ? p + 1 : p;
}


ngx_int_t
ngx_shop_redis_addr_parse(ngx_shop_redis_reply_t *reply,
    ngx_shop_redis_addr_t *addr)
{
    int64_t    port;
    ngx_int_t  rc;

    ngx_str_null(&addr->host);

    rc = ngx_shop_redis_text(reply, 0, &addr->host);

    if (rc == NGX_ERROR || ngx_shop_redis_number(reply, 1, &port) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_redis_addr_valid(addr, port);
}


static ngx_int_t
ngx_shop_redis_addr_valid(ngx_shop_redis_addr_t *addr, int64_t port)
{
    u_char      ch;
    ngx_uint_t  i;

    if (port < 1 || port > 65535 || addr->host.len > NGX_SHOP_REDIS_HOST_MAX) {
        return NGX_ERROR;
    }

    addr->port = (in_port_t) port;

    for (i = 0; i < addr->host.len; i++) {
        ch = addr->host.data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || ch == '.' || ch == '-'
              || ch == '_' || ch == ':'))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_slots_parse(ngx_shop_redis_reply_t *reply,
    ngx_array_t *ranges)
{
    int64_t                  first, last;
    ngx_uint_t               i;
    ngx_shop_redis_range_t  *range;
    ngx_shop_redis_reply_t  *elt;

    if (reply == NULL || reply->type != NGX_SHOP_REDIS_ARRAY
        || reply->nelts == 0 || reply->nelts > NGX_SHOP_REDIS_SLOTS)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < reply->nelts; i++) {

        elt = reply->elts[i];

        if (ngx_shop_redis_number(elt, 0, &first) != NGX_OK
            || ngx_shop_redis_number(elt, 1, &last) != NGX_OK
            || elt->nelts < 3
            || first < 0 || last < first || last >= NGX_SHOP_REDIS_SLOTS)
        {
            return NGX_ERROR;
        }

        range = ngx_array_push(ranges);
        if (range == NULL) {
            return NGX_ERROR;
        }

        range->first = (ngx_uint_t) first;
        range->last = (ngx_uint_t) last;

        if (ngx_shop_redis_addr_parse(elt->elts[2], &range->addr) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_shop_redis_switch_is(ngx_shop_redis_reply_t *reply, ngx_str_t *name)
{
    ngx_str_t  kind, text;

    return ngx_shop_redis_text(reply, 0, &kind) == NGX_OK
           && ngx_shop_text_is(&kind, "message")
           && ngx_shop_redis_text(reply, 2, &text) == NGX_OK
           && text.len > name->len
           && ngx_strncmp(text.data, name->data, name->len) == 0
           && text.data[name->len] == ' ';
}
