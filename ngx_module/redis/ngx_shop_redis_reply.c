
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <hiredis/hiredis.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * The bridge to hiredis, of which only the reader is used, and which no
 * other file includes.  Its formatter prints each number by libc into memory
 * of its own, which costs more than all else that is done to a command.
 *
 * Replies are built by our own object functions in the pool of the operation
 * they answer.  hiredis stores its "privdata" in a task before the first
 * byte of a reply is there, at a time when the operation may still be
 * unknown; so "privdata" is the reader's own context for life, and the
 * context names the pool.
 *
 * Bounds.  hiredis takes lengths up to what fits into memory, and version
 * 1.x also nests without end and knows the types of RESP3, which nobody
 * asked for:
 *
 *     elements  of all arrays of a reply together, before allocation
 *     depth     the same in all versions
 *     bytes     of a reply; a string is refused as soon as its length is
 *               announced, long before it has come
 *     a line    is searched from its start with each piece, so it is short
 *
 * An object function that returns NULL makes an error of the reader, and
 * that is final.
 *
 * 0.14 allocates by libc and 1.x by functions that the whole process shares
 * and we leave alone; the reader belongs to one connection.
 */


struct ngx_shop_redis_reader_s {
    redisReader    *hiredis;
    ngx_pool_t     *pool;           /* of the reply being read */
    uint64_t        fed;            /* bytes, ever */
    uint64_t        start;          /* of the reply being read, in them */
    ngx_uint_t      nelts;          /* announced by it */
    const char     *error;
};


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_shop_redis_count_t;
#else
typedef int  ngx_shop_redis_count_t;
#endif


static ngx_int_t ngx_shop_redis_reader_check(ngx_shop_redis_reader_t *reader);

static ngx_shop_redis_reply_t *ngx_shop_redis_reply_create(
    const redisReadTask *task, ngx_shop_redis_type_e type);
static void *ngx_shop_redis_reply_string(const redisReadTask *task,
    char *data, size_t len);
static void *ngx_shop_redis_reply_array(const redisReadTask *task,
    ngx_shop_redis_count_t nelts);
static void *ngx_shop_redis_reply_integer(const redisReadTask *task,
    long long integer);
static void *ngx_shop_redis_reply_nil(const redisReadTask *task);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_shop_redis_reply_double(const redisReadTask *task,
    double value, char *data, size_t len);
static void *ngx_shop_redis_reply_bool(const redisReadTask *task, int value);
#endif
static void ngx_shop_redis_reply_free(void *reply);


static redisReplyObjectFunctions  ngx_shop_redis_reply_functions = {
    .createString = ngx_shop_redis_reply_string,
    .createArray = ngx_shop_redis_reply_array,
    .createInteger = ngx_shop_redis_reply_integer,
    .createNil = ngx_shop_redis_reply_nil,
#if (HIREDIS_MAJOR >= 1)
    .createDouble = ngx_shop_redis_reply_double,
    .createBool = ngx_shop_redis_reply_bool,
#endif
    .freeObject = ngx_shop_redis_reply_free
};


ngx_shop_redis_reader_t *
ngx_shop_redis_reader_create(void)
{
    ngx_shop_redis_reader_t  *reader;

    reader = ngx_calloc(sizeof(ngx_shop_redis_reader_t), ngx_cycle->log);
    if (reader == NULL) {
        return NULL;
    }

    reader->hiredis = redisReaderCreateWithFunctions(
                                            &ngx_shop_redis_reply_functions);
    if (reader->hiredis == NULL) {
        ngx_free(reader);
        return NULL;
    }

    reader->hiredis->privdata = reader;

    return reader;
}


void
ngx_shop_redis_reader_free(ngx_shop_redis_reader_t *reader)
{
    redisReaderFree(reader->hiredis);
    ngx_free(reader);
}


ngx_int_t
ngx_shop_redis_reader_feed(ngx_shop_redis_reader_t *reader, u_char *data,
    size_t len)
{
    if (redisReaderFeed(reader->hiredis, (char *) data, len) != REDIS_OK) {
        return NGX_ERROR;
    }

    reader->fed += len;

    return NGX_OK;
}


ngx_uint_t
ngx_shop_redis_reader_more(ngx_shop_redis_reader_t *reader)
{
    return reader->hiredis->len > reader->hiredis->pos;
}


ngx_int_t
ngx_shop_redis_reader_next(ngx_shop_redis_reader_t *reader, ngx_pool_t *pool,
    ngx_shop_redis_reply_t **reply)
{
    void         *object;
    redisReader  *hiredis;

    hiredis = reader->hiredis;

    if (reader->error) {
        return NGX_ERROR;
    }

    reader->pool = pool;

    if (redisReaderGetReply(hiredis, &object) != REDIS_OK) {
        return NGX_ERROR;
    }

    if (object == NULL) {
        return ngx_shop_redis_reader_check(reader);
    }

    reader->pool = NULL;
    reader->start = reader->fed - (hiredis->len - hiredis->pos);
    reader->nelts = 0;

    *reply = object;

    return NGX_OK;
}


/*
 * A reply that is not whole yet: may it go on?  hiredis stands behind the
 * type byte of the first item that it could not finish.  An item whose line
 * has ended can only be a string, since all others end with their line.
 */

static ngx_int_t
ngx_shop_redis_reader_check(ngx_shop_redis_reader_t *reader)
{
    char     *p, *cr;
    size_t    rest;
    ssize_t   len;
    uint64_t  size;

    p = reader->hiredis->buf + reader->hiredis->pos;
    rest = reader->hiredis->len - reader->hiredis->pos;
    size = reader->fed - reader->start;

    if (size > NGX_SHOP_REDIS_REPLY_MAX) {
        reader->error = "too large a reply";
        return NGX_ERROR;
    }

    cr = memchr(p, CR, ngx_min(rest, NGX_INT64_LEN));

    if (cr && (size_t) (cr - p) + 1 < rest && cr[1] == LF) {

        len = ngx_atosz((u_char *) p, cr - p);

        if (len == NGX_ERROR
            || (uint64_t) len + size - rest > NGX_SHOP_REDIS_REPLY_MAX)
        {
            reader->error = "too large a string announced";
            return NGX_ERROR;
        }

        return NGX_AGAIN;
    }

    if (rest > NGX_SHOP_REDIS_LINE_MAX) {
        reader->error = "too long a line";
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


const char *
ngx_shop_redis_reader_error(ngx_shop_redis_reader_t *reader)
{
    return reader->error ? reader->error : reader->hiredis->errstr;
}


static ngx_shop_redis_reply_t *
ngx_shop_redis_reply_create(const redisReadTask *task,
    ngx_shop_redis_type_e type)
{
    ngx_shop_redis_reply_t   *reply, *parent;
    ngx_shop_redis_reader_t  *reader;

    reader = task->privdata;

    reply = ngx_pcalloc(reader->pool, sizeof(ngx_shop_redis_reply_t));
    if (reply == NULL) {
        return NULL;
    }

    reply->type = type;

    if (task->parent) {
        parent = task->parent->obj;
        parent->elts[task->idx] = reply;
    }

    return reply;
}


static void *
ngx_shop_redis_reply_string(const redisReadTask *task, char *data, size_t len)
{
    ngx_shop_redis_type_e     type;
    ngx_shop_redis_reply_t   *reply;
    ngx_shop_redis_reader_t  *reader;

    reader = task->privdata;

    switch (task->type) {

    case REDIS_REPLY_STRING:
        type = NGX_SHOP_REDIS_STRING;
        break;

    case REDIS_REPLY_STATUS:
        type = NGX_SHOP_REDIS_STATUS;
        break;

    case REDIS_REPLY_ERROR:
        type = NGX_SHOP_REDIS_FAULT;
        break;

    default:
        reader->error = "a type of RESP3";
        return NULL;
    }

    reply = ngx_shop_redis_reply_create(task, type);
    if (reply == NULL) {
        return NULL;
    }

    reply->str.data = ngx_pnalloc(reader->pool, len + 1);
    if (reply->str.data == NULL) {
        return NULL;
    }

    ngx_memcpy(reply->str.data, data, len);
    reply->str.data[len] = '\0';
    reply->str.len = len;

    return reply;
}


static void *
ngx_shop_redis_reply_array(const redisReadTask *task,
    ngx_shop_redis_count_t nelts)
{
    size_t                    n;
    ngx_uint_t                depth;
    const redisReadTask      *parent;
    ngx_shop_redis_reply_t   *reply;
    ngx_shop_redis_reader_t  *reader;

    reader = task->privdata;
    n = nelts;

    if (task->type != REDIS_REPLY_ARRAY) {
        reader->error = "a type of RESP3";
        return NULL;
    }

    if (n > NGX_SHOP_REDIS_ELEMENTS_MAX - reader->nelts) {
        reader->error = "too many elements";
        return NULL;
    }

    depth = 1;

    for (parent = task->parent; parent; parent = parent->parent) {
        depth++;
    }

    if (depth > NGX_SHOP_REDIS_DEPTH_MAX) {
        reader->error = "too deep a reply";
        return NULL;
    }

    reply = ngx_shop_redis_reply_create(task, NGX_SHOP_REDIS_ARRAY);
    if (reply == NULL) {
        return NULL;
    }

    if (n) {
        reply->elts = ngx_pcalloc(reader->pool,
                                  n * sizeof(ngx_shop_redis_reply_t *));
        if (reply->elts == NULL) {
            return NULL;
        }
    }

    reply->nelts = n;
    reader->nelts += n;

    return reply;
}


static void *
ngx_shop_redis_reply_integer(const redisReadTask *task, long long integer)
{
    ngx_shop_redis_reply_t  *reply;

    reply = ngx_shop_redis_reply_create(task, NGX_SHOP_REDIS_INTEGER);
    if (reply == NULL) {
        return NULL;
    }

    reply->integer = integer;

    return reply;
}


static void *
ngx_shop_redis_reply_nil(const redisReadTask *task)
{
    return ngx_shop_redis_reply_create(task, NGX_SHOP_REDIS_NIL);
}


#if (HIREDIS_MAJOR >= 1)

/* without these two, hiredis would take a small number for the object */

static void *
ngx_shop_redis_reply_double(const redisReadTask *task, double value,
    char *data, size_t len)
{
    ngx_shop_redis_reader_t  *reader;

    reader = task->privdata;
    reader->error = "a type of RESP3";

    return NULL;
}


static void *
ngx_shop_redis_reply_bool(const redisReadTask *task, int value)
{
    ngx_shop_redis_reader_t  *reader;

    reader = task->privdata;
    reader->error = "a type of RESP3";

    return NULL;
}

#endif


static void
ngx_shop_redis_reply_free(void *reply)
{
    /* it is the pool's */
}


ngx_int_t
ngx_shop_redis_format(ngx_pool_t *pool, ngx_uint_t argc, ngx_str_t *argv,
    ngx_str_t *wire)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;

    if (argc == 0 || argc > NGX_SHOP_REDIS_ELEMENTS_MAX) {
        return NGX_ERROR;
    }

    len = sizeof("*" CRLF) - 1 + NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        len += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + argv[i].len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    wire->data = p;

    p = ngx_sprintf(p, "*%ui" CRLF, argc);

    for (i = 0; i < argc; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF "%V" CRLF, argv[i].len, &argv[i]);
    }

    wire->len = p - wire->data;

    return NGX_OK;
}


ngx_uint_t
ngx_shop_redis_is_fault(ngx_shop_redis_reply_t *reply, const char *code)
{
    size_t  len;

    if (reply == NULL || reply->type != NGX_SHOP_REDIS_FAULT) {
        return 0;
    }

    len = ngx_strlen(code);

    return reply->str.len >= len
           && ngx_strncmp(reply->str.data, code, len) == 0
           && (reply->str.len == len || reply->str.data[len] == ' ');
}


ngx_uint_t
ngx_shop_redis_is_readonly(ngx_shop_redis_reply_t *reply)
{
    static u_char  word[] = "-READONLY ";

    if (ngx_shop_redis_is_fault(reply, "READONLY")) {
        return 1;
    }

    return ngx_shop_redis_is_fault(reply, "ERR")
           && ngx_strlcasestrn(reply->str.data,
                               reply->str.data + reply->str.len,
                               word, sizeof(word) - 2)
              != NULL;
}


void
ngx_shop_redis_fault_code(ngx_shop_redis_reply_t *reply, ngx_str_t *code)
{
    code->data = reply->str.data;

    for (code->len = 0; code->len < reply->str.len; code->len++) {

        if (code->data[code->len] < 'A' || code->data[code->len] > 'Z') {
            break;
        }
    }
}


ngx_int_t
ngx_shop_redis_text(ngx_shop_redis_reply_t *array, ngx_uint_t i,
    ngx_str_t *value)
{
    ngx_shop_redis_reply_t  *reply;

    if (array == NULL || array->type != NGX_SHOP_REDIS_ARRAY
        || i >= array->nelts)
    {
        return NGX_ERROR;
    }

    reply = array->elts[i];

    switch (reply->type) {

    case NGX_SHOP_REDIS_NIL:
        return NGX_DECLINED;

    case NGX_SHOP_REDIS_STRING:
    case NGX_SHOP_REDIS_STATUS:
        *value = reply->str;
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


ngx_int_t
ngx_shop_redis_number(ngx_shop_redis_reply_t *array, ngx_uint_t i,
    int64_t *value)
{
    u_char     *p, *last;
    uint64_t    n, max;
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  negative;

    if (array && array->type == NGX_SHOP_REDIS_ARRAY && i < array->nelts
        && array->elts[i]->type == NGX_SHOP_REDIS_INTEGER)
    {
        *value = array->elts[i]->integer;
        return NGX_OK;
    }

    rc = ngx_shop_redis_text(array, i, &text);
    if (rc != NGX_OK) {
        return rc;
    }

    p = text.data;
    last = p + text.len;
    max = INT64_MAX;

    negative = (p < last && *p == '-');

    if (negative) {
        p++;
    }

    if (p == last) {
        return NGX_ERROR;
    }

    for (n = 0; p < last; p++) {

        if (*p < '0' || *p > '9'
            || n > (max - (uint64_t) (*p - '0')) / 10)
        {
            return NGX_ERROR;
        }

        n = n * 10 + (*p - '0');
    }

    *value = negative ? - (int64_t) n : (int64_t) n;

    return NGX_OK;
}
