
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "net/ngx_shop_net_internal.h"


/*
 * The response parser is fed with whatever the socket gave and keeps what it
 * needs between two calls, so that one byte at a time and all at once come
 * to the same.  Everything that ends with a line feed is first collected in
 * parser->line and then looked at as a whole; a body is copied in runs.
 *
 *     status -> header* -> (body | body_eof | chunk*) -> done
 *        ^         |                            |
 *        `-- 1xx --'     chunk: size -> data -> cr -> lf
 *                               size 0 -> trailer* -> done
 *
 * What is refused is refused because two readers could disagree about where
 * the response ends (RFC 9112 11.2); a connection that such a response came
 * on is never used again.  A lone LF ends a line of the header or trailer
 * section, as RFC 9112 2.2 allows, but never one of the chunk framing, where
 * it does not.
 *
 * Memory is bounded by two numbers: NGX_SHOP_FETCH_HEADER_MAX for all that
 * is not body, chunk extensions included, and max_body for the rest.  The
 * digits and the line end of a chunk are not counted, else a body in small
 * chunks could not reach max_body.
 */


#define NGX_SHOP_FETCH_LINE_MIN    256
#define NGX_SHOP_FETCH_BODY_MIN    4096
#define NGX_SHOP_FETCH_HEX_DIGITS  15           /* fits off_t */


typedef enum {
    sw_status = 0,
    sw_header,
    sw_body,
    sw_body_eof,
    sw_chunk_size,
    sw_chunk_data,
    sw_chunk_cr,
    sw_chunk_lf,
    sw_trailer,
    sw_done
} ngx_shop_fetch_state_e;


static ngx_int_t ngx_shop_fetch_parse_error(ngx_shop_fetch_parser_t *parser,
    const char *reason, const char *detail);
static void ngx_shop_fetch_parse_reset(ngx_shop_fetch_parser_t *parser);
static ngx_int_t ngx_shop_fetch_line(ngx_shop_fetch_parser_t *parser,
    u_char **pos, u_char *last);
static ngx_int_t ngx_shop_fetch_line_grow(ngx_shop_fetch_parser_t *parser);
static ngx_int_t ngx_shop_fetch_status(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *line);
static ngx_int_t ngx_shop_fetch_field(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *line);
static ngx_int_t ngx_shop_fetch_length(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *value);
static ngx_int_t ngx_shop_fetch_coding(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *value);
static void ngx_shop_fetch_connection(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *value);
static ngx_int_t ngx_shop_fetch_type(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *value);
static ngx_int_t ngx_shop_fetch_headers_end(ngx_shop_fetch_parser_t *parser);
static ngx_int_t ngx_shop_fetch_chunk(ngx_shop_fetch_parser_t *parser,
    ngx_str_t *line);
static ngx_int_t ngx_shop_fetch_run(ngx_shop_fetch_parser_t *parser,
    u_char **pos, u_char *last);
static ngx_int_t ngx_shop_fetch_reserve(ngx_shop_fetch_parser_t *parser,
    size_t size);
static ngx_uint_t ngx_shop_fetch_element(ngx_str_t *list, ngx_str_t *element);
static void ngx_shop_fetch_trim(ngx_str_t *value);


/* tchar of RFC 9110 5.6.2 */

static uint32_t  ngx_shop_fetch_tchar[] = {
    0x00000000, /* 0000 0000 0000 0000  0000 0000 0000 0000 */

                /* ?>=< ;:98 7654 3210  /.-, +*)( '&%$ #"!  */
    0x03ff6cfa, /* 0000 0011 1111 1111  0110 1100 1111 1010 */

                /* _^]\ [ZYX WVUT SRQP  ONML KJIH GFED CBA@ */
    0xc7fffffe, /* 1100 0111 1111 1111  1111 1111 1111 1110 */

                /*  ~}| {zyx wvut srqp  onml kjih gfed cba` */
    0x57ffffff, /* 0101 0111 1111 1111  1111 1111 1111 1111 */

    0x00000000,
    0x00000000,
    0x00000000,
    0x00000000
};


void
ngx_shop_fetch_parser_init(ngx_shop_fetch_parser_t *parser, ngx_pool_t *pool,
    size_t max_body)
{
    ngx_memzero(parser, sizeof(ngx_shop_fetch_parser_t));

    /*
     * set by ngx_memzero():
     *
     *     parser->state = sw_status;
     *     parser->line = NULL;
     *     parser->body = NULL;
     *     parser->head = 0;
     */

    parser->pool = pool;
    parser->max_body = max_body;
    parser->length = -1;
}


ngx_int_t
ngx_shop_fetch_parse(ngx_shop_fetch_parser_t *parser, u_char **pos,
    u_char *last)
{
    ngx_int_t  rc;
    ngx_str_t  line;

    if (parser->reason) {
        return NGX_ERROR;
    }

    for ( ;; ) {

        switch (parser->state) {

        case sw_body:
        case sw_body_eof:
        case sw_chunk_data:
            rc = ngx_shop_fetch_run(parser, pos, last);
            break;

        case sw_chunk_cr:
        case sw_chunk_lf:

            if (*pos == last) {
                return NGX_AGAIN;
            }

            if (*(*pos)++ != (parser->state == sw_chunk_cr ? CR : LF)) {
                return ngx_shop_fetch_parse_error(parser, "malformed",
                                                  "chunk without end");
            }

            parser->state = (parser->state == sw_chunk_cr) ? sw_chunk_lf
                                                           : sw_chunk_size;
            continue;

        case sw_done:
            return NGX_DONE;

        default:
            rc = ngx_shop_fetch_line(parser, pos, last);

            if (rc != NGX_OK) {
                return rc;
            }

            line.data = parser->line->pos;
            line.len = parser->line->last - parser->line->pos;

            parser->line->last = parser->line->pos;

            switch (parser->state) {

            case sw_status:
                rc = ngx_shop_fetch_status(parser, &line);
                break;

            case sw_chunk_size:
                rc = ngx_shop_fetch_chunk(parser, &line);
                break;

            default: /* sw_header, sw_trailer */
                rc = ngx_shop_fetch_field(parser, &line);
                break;
            }

            break;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


ngx_int_t
ngx_shop_fetch_parse_eof(ngx_shop_fetch_parser_t *parser)
{
    if (parser->reason) {
        return NGX_ERROR;
    }

    if (parser->state == sw_body_eof) {
        parser->state = sw_done;
    }

    if (parser->state == sw_done) {
        return NGX_DONE;
    }

    return ngx_shop_fetch_parse_error(parser, "closed", "it is cut off");
}


static ngx_int_t
ngx_shop_fetch_parse_error(ngx_shop_fetch_parser_t *parser,
    const char *reason, const char *detail)
{
    parser->reason = reason;
    parser->detail = detail;
    parser->keepalive = 0;

    return NGX_ERROR;
}


/* forgets an interim answer; its size stays counted */

static void
ngx_shop_fetch_parse_reset(ngx_shop_fetch_parser_t *parser)
{
    parser->state = sw_status;
    parser->length = -1;
    parser->chunked = 0;
    parser->keepalive = 0;
    parser->type_seen = 0;
    parser->connection_close = 0;

    ngx_str_null(&parser->content_type);
}


/* collects a line, without its end, in parser->line */

static ngx_int_t
ngx_shop_fetch_line(ngx_shop_fetch_parser_t *parser, u_char **pos,
    u_char *last)
{
    u_char      ch, *p;
    ngx_buf_t  *b;

    while (*pos < last) {

        if (++parser->header_size > NGX_SHOP_FETCH_HEADER_MAX) {
            return ngx_shop_fetch_parse_error(parser, "too_large",
                                              "too much header");
        }

        ch = *(*pos)++;
        b = parser->line;

        if (b == NULL || b->last == b->end) {

            if (ngx_shop_fetch_line_grow(parser) != NGX_OK) {
                return NGX_ERROR;
            }

            b = parser->line;
        }

        if (ch != LF) {
            *b->last++ = ch;
            continue;
        }

        parser->crlf = (b->last > b->pos && b->last[-1] == CR);

        if (parser->crlf) {
            b->last--;
        }

        for (p = b->pos; p < b->last; p++) {

            if ((*p < 0x20 && *p != '\t') || *p == 0x7f) {
                return ngx_shop_fetch_parse_error(parser, "malformed",
                                                  "control byte in a line");
            }
        }

        return NGX_OK;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_shop_fetch_line_grow(ngx_shop_fetch_parser_t *parser)
{
    size_t      size;
    ngx_buf_t  *b;

    b = parser->line;

    if (b == NULL) {
        parser->line = ngx_create_temp_buf(parser->pool,
                                           NGX_SHOP_FETCH_LINE_MIN);
        if (parser->line == NULL) {
            goto failed;
        }

        return NGX_OK;
    }

    size = b->last - b->pos;

    parser->line = ngx_create_temp_buf(parser->pool, size * 2);
    if (parser->line == NULL) {
        goto failed;
    }

    parser->line->last = ngx_cpymem(parser->line->last, b->pos, size);

    return NGX_OK;

failed:

    return ngx_shop_fetch_parse_error(parser, "internal", "no memory");
}


/* "HTTP/1.1 200 OK"; the blank after the code may be missing */

static ngx_int_t
ngx_shop_fetch_status(ngx_shop_fetch_parser_t *parser, ngx_str_t *line)
{
    u_char     *p;
    ngx_int_t   status;

    p = line->data;

    if (line->len < sizeof("HTTP/1.1 200") - 1
        || ngx_strncmp(p, "HTTP/1.", sizeof("HTTP/1.") - 1) != 0
        || p[7] < '0' || p[7] > '9'
        || p[8] != ' '
        || (line->len > sizeof("HTTP/1.1 200") - 1 && p[12] != ' '))
    {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "not a status line");
    }

    status = ngx_atoi(p + 9, 3);

    /* 101: nobody asked for an upgrade */

    if (status < 100 || status > 599 || status == 101) {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "impossible status code");
    }

    parser->http_minor = p[7] - '0';
    parser->status = status;
    parser->state = sw_header;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_fetch_field(ngx_shop_fetch_parser_t *parser, ngx_str_t *line)
{
    u_char     *colon, *last;
    ngx_str_t   name, value;

    if (line->len == 0) {

        if (parser->state == sw_trailer) {
            parser->state = sw_done;
            return NGX_OK;
        }

        return ngx_shop_fetch_headers_end(parser);
    }

    last = line->data + line->len;
    colon = ngx_strlchr(line->data, last, ':');

    name.data = line->data;
    name.len = colon ? colon - line->data : 0;

    /* this also catches folded lines and a blank before the colon */

    if (colon == NULL || !ngx_shop_fetch_is_token(&name)) {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "not a header field");
    }

    if (parser->state == sw_trailer) {
        return NGX_OK;
    }

    value.data = colon + 1;
    value.len = last - value.data;

    ngx_shop_fetch_trim(&value);

    if (ngx_shop_text_is_caseless(&name, "content-length")) {
        return ngx_shop_fetch_length(parser, &value);
    }

    if (ngx_shop_text_is_caseless(&name, "transfer-encoding")) {
        return ngx_shop_fetch_coding(parser, &value);
    }

    if (ngx_shop_text_is_caseless(&name, "connection")) {
        ngx_shop_fetch_connection(parser, &value);
        return NGX_OK;
    }

    if (ngx_shop_text_is_caseless(&name, "content-type")) {
        return ngx_shop_fetch_type(parser, &value);
    }

    if (ngx_shop_text_is_caseless(&name, "content-encoding")
        && !ngx_shop_text_is_caseless(&value, "identity"))
    {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "a content coding");
    }

    return NGX_OK;
}


/*
 * A proxy may have joined repeated fields: "5, 5" is 5 (RFC 9112 6.3).
 * A number that does not fit is kept as the largest one and found too large
 * where the body would begin.
 */

static ngx_int_t
ngx_shop_fetch_length(ngx_shop_fetch_parser_t *parser, ngx_str_t *value)
{
    off_t       length;
    u_char     *p, *last;
    ngx_str_t   list, element;

    list = *value;

    do {
        if (!ngx_shop_fetch_element(&list, &element)) {
            goto malformed;
        }

        length = 0;
        last = element.data + element.len;

        for (p = element.data; p < last; p++) {

            if (*p < '0' || *p > '9') {
                goto malformed;
            }

            if (length > (NGX_MAX_OFF_T_VALUE - 9) / 10) {
                length = NGX_MAX_OFF_T_VALUE;
                continue;
            }

            length = length * 10 + (*p - '0');
        }

        if (parser->length != -1 && parser->length != length) {
            goto malformed;
        }

        parser->length = length;

    } while (list.data);

    return NGX_OK;

malformed:

    return ngx_shop_fetch_parse_error(parser, "malformed",
                                      "bad or second content length");
}


static ngx_int_t
ngx_shop_fetch_coding(ngx_shop_fetch_parser_t *parser, ngx_str_t *value)
{
    if (parser->chunked || !ngx_shop_text_is_caseless(value, "chunked")) {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "not one chunked transfer coding");
    }

    parser->chunked = 1;

    return NGX_OK;
}


static void
ngx_shop_fetch_connection(ngx_shop_fetch_parser_t *parser, ngx_str_t *value)
{
    ngx_str_t  list, element;

    list = *value;

    while (list.data) {

        if (!ngx_shop_fetch_element(&list, &element)) {
            continue;
        }

        if (ngx_shop_text_is_caseless(&element, "close")) {
            parser->connection_close = 1;

        } else if (ngx_shop_text_is_caseless(&element, "keep-alive")) {
            parser->keepalive = 1;
        }
    }
}


static ngx_int_t
ngx_shop_fetch_type(ngx_shop_fetch_parser_t *parser, ngx_str_t *value)
{
    if (parser->type_seen) {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "second content type");
    }

    parser->type_seen = 1;

    parser->content_type.len = value->len;
    parser->content_type.data = ngx_pstrdup(parser->pool, value);

    if (parser->content_type.data == NULL) {
        return ngx_shop_fetch_parse_error(parser, "internal", "no memory");
    }

    return NGX_OK;
}


/* decides how the body ends, in the order of RFC 9112 6.3 */

static ngx_int_t
ngx_shop_fetch_headers_end(ngx_shop_fetch_parser_t *parser)
{
    if (parser->chunked
        && (parser->length != -1 || parser->http_minor == 0))
    {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "unexpected transfer coding");
    }

    if (parser->status < 200) {
        ngx_shop_fetch_parse_reset(parser);
        return NGX_OK;
    }

    if (parser->http_minor > 0) {
        parser->keepalive = 1;
    }

    if (parser->connection_close) {
        parser->keepalive = 0;
    }

    if (parser->head || parser->status == 204 || parser->status == 304) {

        /* a body that must not be is not waited for, nor what follows it */

        if (parser->status == 204
            && (parser->chunked || parser->length > 0))
        {
            parser->keepalive = 0;
        }

        parser->state = sw_done;

        return NGX_OK;
    }

    if (parser->chunked) {
        parser->state = sw_chunk_size;
        return NGX_OK;
    }

    if (parser->length == -1) {
        parser->keepalive = 0;
        parser->state = sw_body_eof;

        return NGX_OK;
    }

    if (parser->length > (off_t) parser->max_body) {
        return ngx_shop_fetch_parse_error(parser, "too_large",
                                          "content length over the limit");
    }

    if (parser->length == 0) {
        parser->state = sw_done;
        return NGX_OK;
    }

    parser->rest = parser->length;
    parser->state = sw_body;

    return ngx_shop_fetch_reserve(parser, (size_t) parser->length);
}


/* hex digits, then nothing or an extension, which is ignored */

static ngx_int_t
ngx_shop_fetch_chunk(ngx_shop_fetch_parser_t *parser, ngx_str_t *line)
{
    off_t       size;
    u_char      ch, *p, *last;
    ngx_int_t   digit;
    ngx_uint_t  n;

    p = line->data;
    last = line->data + line->len;
    size = 0;

    for (n = 0; p < last; n++, p++) {

        ch = *p | 0x20;

        if (*p >= '0' && *p <= '9') {
            digit = *p - '0';

        } else if (ch >= 'a' && ch <= 'f') {
            digit = ch - 'a' + 10;

        } else {
            break;
        }

        if (n == NGX_SHOP_FETCH_HEX_DIGITS) {
            return ngx_shop_fetch_parse_error(parser, "malformed",
                                              "chunk size of many digits");
        }

        size = size * 16 + digit;
    }

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    if (n == 0
        || !parser->crlf
        || (p == last && line->len != n)
        || (p < last && *p != ';'))
    {
        return ngx_shop_fetch_parse_error(parser, "malformed",
                                          "bad chunk size");
    }

    parser->header_size -= n + sizeof(CRLF) - 1;

    if (size > (off_t) (parser->max_body - parser->size)) {
        return ngx_shop_fetch_parse_error(parser, "too_large",
                                          "chunks over the limit");
    }

    parser->rest = size;
    parser->state = size ? sw_chunk_data : sw_trailer;

    return NGX_OK;
}


/* copies a run of body bytes */

static ngx_int_t
ngx_shop_fetch_run(ngx_shop_fetch_parser_t *parser, u_char **pos,
    u_char *last)
{
    size_t  size;

    size = last - *pos;

    if (size == 0) {
        return NGX_AGAIN;
    }

    if (parser->state != sw_body_eof) {
        size = (size_t) ngx_min((off_t) size, parser->rest);
        parser->rest -= size;

    } else if (size > parser->max_body - parser->size) {
        return ngx_shop_fetch_parse_error(parser, "too_large",
                                          "body over the limit");
    }

    if (ngx_shop_fetch_reserve(parser, parser->size + size) != NGX_OK) {
        return NGX_ERROR;
    }

    parser->body->last = ngx_cpymem(parser->body->last, *pos, size);
    parser->size += size;
    *pos += size;

    if (parser->rest == 0) {

        if (parser->state == sw_body) {
            parser->state = sw_done;

        } else if (parser->state == sw_chunk_data) {
            parser->state = sw_chunk_cr;
        }
    }

    return NGX_OK;
}


/* room for "size" bytes of body in all; never more than max_body */

static ngx_int_t
ngx_shop_fetch_reserve(ngx_shop_fetch_parser_t *parser, size_t size)
{
    size_t      room;
    ngx_buf_t  *b, *body;

    body = parser->body;
    room = body ? (size_t) (body->end - body->start) : 0;

    if (size <= room) {
        return NGX_OK;
    }

    if (parser->state != sw_body) {
        size = ngx_max(size, ngx_max(room * 2, NGX_SHOP_FETCH_BODY_MIN));
        size = ngx_min(size, parser->max_body);
    }

    b = ngx_create_temp_buf(parser->pool, size);
    if (b == NULL) {
        return ngx_shop_fetch_parse_error(parser, "internal", "no memory");
    }

    if (body) {
        b->last = ngx_cpymem(b->last, body->pos, parser->size);

        /* it may hold a token */

        ngx_shop_zero(body->start, room);
        ngx_pfree(parser->pool, body->start);
    }

    parser->body = b;

    return NGX_OK;
}


/*
 * Takes the first element off a list; list->data is NULL after the last one.
 * 0: the element is empty.
 */

static ngx_uint_t
ngx_shop_fetch_element(ngx_str_t *list, ngx_str_t *element)
{
    u_char  *p, *last;

    last = list->data + list->len;
    p = ngx_strlchr(list->data, last, ',');

    element->data = list->data;

    if (p) {
        element->len = p - list->data;
        list->data = p + 1;
        list->len = last - list->data;

    } else {
        element->len = list->len;
        ngx_str_null(list);
    }

    ngx_shop_fetch_trim(element);

    return element->len != 0;
}


ngx_uint_t
ngx_shop_fetch_is_token(ngx_str_t *value)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if (!(ngx_shop_fetch_tchar[ch >> 5] & (1U << (ch & 0x1f)))) {
            return 0;
        }
    }

    return value->len != 0;
}


static void
ngx_shop_fetch_trim(ngx_str_t *value)
{
    while (value->len && (*value->data == ' ' || *value->data == '\t')) {
        value->data++;
        value->len--;
    }

    while (value->len
           && (value->data[value->len - 1] == ' '
               || value->data[value->len - 1] == '\t'))
    {
        value->len--;
    }
}
