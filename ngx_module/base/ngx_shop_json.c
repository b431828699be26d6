
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>

#include "base/ngx_shop_base.h"


/*
 * jansson keeps its allocators in two globals of the library, which other
 * modules in this process may use as well.  So each call from here sets
 * them, works and puts back what it found, as nginx does for PCRE:
 *
 *     enter(pool)   allocators saved, ours set
 *     json_...()    memory comes from "pool"; free does nothing
 *     leave()       allocators restored
 *
 * A tree lives as long as its pool, and nothing of it is ever given to
 * json_decref() outside such a bracket: free() of libc would meet memory of
 * a pool.  For the same reason members are added by json_object_set() and
 * json_array_append(), which take a reference, and not by the "_new" ones,
 * which give one away: no count drops to zero, nothing is ever deleted.
 *
 * What survives a call inside of jansson is the seed of its hash tables
 * alone; json_object() takes it from the system at first use, into a global
 * and not into allocated memory.
 *
 * Nothing is freed in between.  What people write costs five to twenty times
 * its length, but "[{},{},...]" nearly eighty times: a text that takes more
 * room than ROOM is refused.
 */


#define NGX_SHOP_JSON_PARSE_FLAGS  (JSON_DECODE_ANY|JSON_REJECT_DUPLICATES)
#define NGX_SHOP_JSON_DUMP_FLAGS   (JSON_ENCODE_ANY|JSON_COMPACT)

#define NGX_SHOP_JSON_DIGITS       19       /* of 2^63 */

#define NGX_SHOP_JSON_ROOM(len)    (131072 + 24 * (len))
#define NGX_SHOP_JSON_ANY_ROOM     ((size_t) -1)


static ngx_int_t ngx_shop_json_mend(ngx_pool_t *pool, ngx_str_t *text);
static size_t ngx_shop_json_mend_escape(u_char *p, u_char *last,
    ngx_uint_t *wrong);
static size_t ngx_shop_json_mend_number(u_char *p, u_char *last,
    ngx_uint_t *wrong);
static void ngx_shop_json_enter(ngx_pool_t *pool, size_t room);
static void ngx_shop_json_leave(void);
static void *ngx_shop_json_malloc(size_t size);
static void ngx_shop_json_free(void *p);
static ngx_int_t ngx_shop_json_number(ngx_shop_json_t *json,
    ngx_uint_t fraction, int64_t *value);


static size_t          ngx_shop_json_room;
static ngx_pool_t     *ngx_shop_json_pool;
static json_malloc_t   ngx_shop_json_saved_malloc;
static json_free_t     ngx_shop_json_saved_free;


ngx_shop_json_t *
ngx_shop_json_parse(ngx_pool_t *pool, ngx_str_t *text, size_t max)
{
    u_char     buf[NGX_SHOP_JSON_ERROR_MAX];
    ngx_str_t  error;

    error.data = buf;

    return ngx_shop_json_parse_told(pool, text, max, &error);
}


ngx_shop_json_t *
ngx_shop_json_parse_mended(ngx_pool_t *pool, ngx_str_t *text, size_t max)
{
    ngx_str_t  mended;

    mended = *text;

    if (text->len <= max && ngx_shop_json_mend(pool, &mended) != NGX_OK) {
        return NULL;
    }

    return ngx_shop_json_parse(pool, &mended, max);
}


/*
 * Nothing moves: an escape becomes another one, and an integer that jansson
 * would refuse, and all of the text with it, a number that is no id and no
 * time, with blanks behind.  A backslash outside of a string, or an escape
 * that is none, makes the text malformed, whatever is done here.
 */

static ngx_int_t
ngx_shop_json_mend(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char      *p, *last;
    size_t       i, n;
    ngx_uint_t   copied, quoted, wrong;

    copied = 0;
    quoted = 0;

    for (i = 0; i < text->len; i += n) {

        p = text->data + i;
        last = text->data + text->len;

        wrong = 0;

        if (*p == '\\') {
            n = ngx_shop_json_mend_escape(p, last, &wrong);

        } else if (!quoted && (*p == '-' || (*p >= '0' && *p <= '9'))) {
            n = ngx_shop_json_mend_number(p, last, &wrong);

        } else {
            quoted ^= (*p == '"');
            n = 1;
        }

        if (!wrong) {
            continue;
        }

        if (!copied) {
            copied = 1;
            text->data = ngx_pstrdup(pool, text);

            if (text->data == NULL) {
                return NGX_ERROR;
            }
        }

        p = text->data + i;

        if (*p == '\\') {
            ngx_memcpy(p, "\\ufffd", 6);

        } else {
            ngx_memset(p, ' ', n);
            ngx_memcpy(p, "1e300", 5);
        }
    }

    return NGX_OK;
}


static size_t
ngx_shop_json_mend_escape(u_char *p, u_char *last, ngx_uint_t *wrong)
{
    ngx_int_t  ch;

    if (last - p < 6 || p[1] != 'u') {
        return ngx_min(2, last - p);
    }

    ch = ngx_hextoi(p + 2, 4);

    if ((ch & 0xfc00) == 0xd800
        && last - p >= 12
        && p[6] == '\\'
        && p[7] == 'u'
        && (ngx_hextoi(p + 8, 4) & 0xfc00) == 0xdc00)
    {
        return 12;
    }

    *wrong = (ch == 0 || (ch & 0xf800) == 0xd800);

    return 6;
}


/* a number with a fraction or an exponent is none that could be too long */

static size_t
ngx_shop_json_mend_number(u_char *p, u_char *last, ngx_uint_t *wrong)
{
    u_char      *start, *digits;
    size_t       len;
    ngx_uint_t   integer;
    const char  *longest;

    start = p;
    longest = (*p == '-') ? "9223372036854775808" : "9223372036854775807";
    digits = p + (*p == '-');
    integer = 1;

    for (p = digits; p < last; p++) {

        if (*p >= '0' && *p <= '9') {
            continue;
        }

        if (*p != '.' && *p != 'e' && *p != 'E' && *p != '+' && *p != '-') {
            break;
        }

        integer = 0;
    }

    len = p - digits;

    if (integer && len >= NGX_SHOP_JSON_DIGITS && *digits != '0') {
        *wrong = len > NGX_SHOP_JSON_DIGITS
                 || ngx_memcmp(digits, longest, len) > 0;
    }

    return p - start;
}


ngx_shop_json_t *
ngx_shop_json_parse_told(ngx_pool_t *pool, ngx_str_t *text, size_t max,
    ngx_str_t *error)
{
    char          *data;
    json_t        *json;
    json_error_t   why;

    if (text->len > max) {
        error->len = ngx_snprintf(error->data, NGX_SHOP_JSON_ERROR_MAX,
                                  "%uz bytes, at most %uz are allowed",
                                  text->len, max)
                     - error->data;
        return NULL;
    }

    data = text->len ? (char *) text->data : "";

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ROOM(text->len));

    json = json_loadb(data, text->len, NGX_SHOP_JSON_PARSE_FLAGS, &why);

    ngx_shop_json_leave();

    if (json == NULL) {
        error->len = ngx_snprintf(error->data, NGX_SHOP_JSON_ERROR_MAX,
                                  "line %d, column %d: %s",
                                  why.line, why.column, why.text)
                     - error->data;
    }

    return json;
}


static void
ngx_shop_json_enter(ngx_pool_t *pool, size_t room)
{
    ngx_shop_json_pool = pool;
    ngx_shop_json_room = room;

    json_get_alloc_funcs(&ngx_shop_json_saved_malloc,
                         &ngx_shop_json_saved_free);

    json_set_alloc_funcs(ngx_shop_json_malloc, ngx_shop_json_free);
}


static void
ngx_shop_json_leave(void)
{
    json_set_alloc_funcs(ngx_shop_json_saved_malloc,
                         ngx_shop_json_saved_free);

    ngx_shop_json_pool = NULL;
}


static void *
ngx_shop_json_malloc(size_t size)
{
    if (size > ngx_shop_json_room) {
        return NULL;
    }

    ngx_shop_json_room -= size;

    return ngx_palloc(ngx_shop_json_pool, size);
}


static void
ngx_shop_json_free(void *p)
{
    (void) p;
}


ngx_uint_t
ngx_shop_json_is_object(ngx_shop_json_t *json)
{
    return json_is_object(json);
}


ngx_uint_t
ngx_shop_json_is_array(ngx_shop_json_t *json)
{
    return json_is_array(json);
}


ngx_shop_json_t *
ngx_shop_json_get(ngx_shop_json_t *json, const char *name)
{
    return json_object_get(json, name);
}


ngx_shop_json_t *
ngx_shop_json_member(ngx_shop_json_t *object, size_t i, ngx_str_t *name)
{
    void        *iter;
    const char  *key;

    iter = json_object_iter(object);

    while (iter != NULL && i-- > 0) {
        iter = json_object_iter_next(object, iter);
    }

    if (iter == NULL) {
        return NULL;
    }

    key = json_object_iter_key(iter);

    name->data = (u_char *) key;
    name->len = ngx_strlen(key);

    return json_object_iter_value(iter);
}


size_t
ngx_shop_json_size(ngx_shop_json_t *array)
{
    return json_array_size(array);
}


ngx_shop_json_t *
ngx_shop_json_at(ngx_shop_json_t *array, size_t i)
{
    return json_array_get(array, i);
}


ngx_int_t
ngx_shop_json_string(ngx_shop_json_t *json, ngx_str_t *value)
{
    if (json == NULL || json_is_null(json)) {
        return NGX_DECLINED;
    }

    if (!json_is_string(json)) {
        return NGX_ERROR;
    }

    value->data = (u_char *) json_string_value(json);
    value->len = json_string_length(json);

    return NGX_OK;
}


/* an id that was rounded would be another customer's: no double is one */

ngx_int_t
ngx_shop_json_text(ngx_pool_t *pool, ngx_shop_json_t *json, ngx_str_t *value)
{
    if (json_is_integer(json)) {
        return ngx_shop_decimal(pool, json_integer_value(json), value);
    }

    return ngx_shop_json_string(json, value);
}


ngx_int_t
ngx_shop_json_integer(ngx_shop_json_t *json, int64_t *value)
{
    return ngx_shop_json_number(json, 0, value);
}


ngx_int_t
ngx_shop_json_time(ngx_shop_json_t *json, int64_t *value)
{
    return ngx_shop_json_number(json, 1, value);
}


static ngx_int_t
ngx_shop_json_number(ngx_shop_json_t *json, ngx_uint_t fraction,
    int64_t *value)
{
    double   real;
    int64_t  n;

    if (json == NULL || json_is_null(json)) {
        return NGX_DECLINED;
    }

    if (json_is_integer(json)) {
        n = json_integer_value(json);

        if (n < -NGX_SHOP_JSON_INT_MAX || n > NGX_SHOP_JSON_INT_MAX) {
            return NGX_ERROR;
        }

        *value = n;
        return NGX_OK;
    }

    if (!json_is_real(json)) {
        return NGX_ERROR;
    }

    real = json_real_value(json);

    /* the conversion is undefined out of range; written so that NaN fails */

    if (!(real >= (double) -NGX_SHOP_JSON_INT_MAX
          && real <= (double) NGX_SHOP_JSON_INT_MAX))
    {
        return NGX_ERROR;
    }

    n = (int64_t) real;

    if (!fraction && (double) n != real) {
        return NGX_ERROR;
    }

    *value = n;

    return NGX_OK;
}


ngx_int_t
ngx_shop_json_boolean(ngx_shop_json_t *json, ngx_uint_t *value)
{
    if (json == NULL || json_is_null(json)) {
        return NGX_DECLINED;
    }

    if (!json_is_boolean(json)) {
        return NGX_ERROR;
    }

    *value = json_is_true(json);

    return NGX_OK;
}


ngx_shop_json_t *
ngx_shop_json_new_object(ngx_pool_t *pool)
{
    json_t  *json;

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    json = json_object();

    ngx_shop_json_leave();

    return json;
}


ngx_shop_json_t *
ngx_shop_json_new_array(ngx_pool_t *pool)
{
    json_t  *json;

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    json = json_array();

    ngx_shop_json_leave();

    return json;
}


ngx_shop_json_t *
ngx_shop_json_new_string(ngx_pool_t *pool, ngx_str_t *value)
{
    char    *data;
    json_t  *json;

    /* an empty ngx_str_t may have no data, and jansson takes NULL amiss */

    data = value->len ? (char *) value->data : "";

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    json = json_stringn(data, value->len);

    ngx_shop_json_leave();

    return json;
}


ngx_shop_json_t *
ngx_shop_json_new_integer(ngx_pool_t *pool, int64_t value)
{
    json_t  *json;

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    json = json_integer(value);

    ngx_shop_json_leave();

    return json;
}


/* these are constants of the library */

ngx_shop_json_t *
ngx_shop_json_new_boolean(ngx_pool_t *pool, ngx_uint_t value)
{
    (void) pool;

    return json_boolean(value);
}


ngx_shop_json_t *
ngx_shop_json_new_null(ngx_pool_t *pool)
{
    (void) pool;

    return json_null();
}


ngx_int_t
ngx_shop_json_set(ngx_pool_t *pool, ngx_shop_json_t *object,
    const char *name, ngx_shop_json_t *value)
{
    int  rc;

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    rc = json_object_set(object, name, value);

    ngx_shop_json_leave();

    return (rc == 0) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_json_append(ngx_pool_t *pool, ngx_shop_json_t *array,
    ngx_shop_json_t *value)
{
    int  rc;

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    rc = json_array_append(array, value);

    ngx_shop_json_leave();

    return (rc == 0) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_json_dump(ngx_pool_t *pool, ngx_shop_json_t *json, ngx_str_t *text)
{
    char  *dump;

    ngx_shop_json_enter(pool, NGX_SHOP_JSON_ANY_ROOM);

    dump = json_dumps(json, NGX_SHOP_JSON_DUMP_FLAGS);

    ngx_shop_json_leave();

    if (dump == NULL) {
        return NGX_ERROR;
    }

    text->data = (u_char *) dump;
    text->len = ngx_strlen(dump);

    return NGX_OK;
}
