
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"

#include "ngx_shop_unit.h"


static void ngx_shop_unit_json_values(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_absent(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_numbers(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_mended(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_mended_numbers(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_utf8(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_depth(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_sizes(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_room(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_cut(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_build(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_build_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_json_pools(ngx_shop_unit_t *u);

static ngx_shop_json_t *ngx_shop_unit_json(ngx_shop_unit_t *u,
    const char *text);


ngx_shop_unit_test_t  ngx_shop_unit_json_tests[] = {
    { "values are read", ngx_shop_unit_json_values },
    { "absent and wrong are not the same", ngx_shop_unit_json_absent },
    { "numbers", ngx_shop_unit_json_numbers },
    { "a bad text is refused", ngx_shop_unit_json_refuse },
    { "half a pair and a NUL are mended", ngx_shop_unit_json_mended },
    { "long integers are mended", ngx_shop_unit_json_mended_numbers },
    { "only UTF-8 is taken", ngx_shop_unit_json_utf8 },
    { "the depth is bounded", ngx_shop_unit_json_depth },
    { "the size is bounded", ngx_shop_unit_json_sizes },
    { "the memory is bounded", ngx_shop_unit_json_room },
    { "a text that was cut is refused", ngx_shop_unit_json_cut },
    { "a tree is built", ngx_shop_unit_json_build },
    { "a bad tree is not built", ngx_shop_unit_json_build_refuse },
    { "pools come and go", ngx_shop_unit_json_pools },
    { NULL, NULL }
};


static const char  ngx_shop_unit_json_text[] =
    "{\"sub\":\"248289761001\",\"email_verified\":true,\"exp\":1516239022,"
    "\"aud\":[\"s6BhdRkqt3\",\"other\"],\"address\":{\"country\":null},"
    "\"name\":\"J\\u00fcrgen \\\"J\\\" \\ud83d\\ude00 / \\/\"}";


static ngx_shop_json_t *
ngx_shop_unit_json(ngx_shop_unit_t *u, const char *text)
{
    ngx_str_t  str;

    str.data = (u_char *) text;
    str.len = ngx_strlen(text);

    return ngx_shop_json_parse(u->pool, &str, 65536);
}


static void
ngx_shop_unit_json_values(ngx_shop_unit_t *u)
{
    int64_t           n;
    ngx_str_t         text;
    ngx_uint_t        flag;
    ngx_shop_json_t  *json, *aud;

    json = ngx_shop_unit_json(u, ngx_shop_unit_json_text);

    if (!ngx_shop_unit_ok(u, json != NULL, "parsed")) {
        return;
    }

    ngx_shop_unit_ok(u, ngx_shop_json_is_object(json)
                        && !ngx_shop_json_is_array(json), "an object");

    ngx_shop_unit_is_int(u, ngx_shop_json_string(
                                ngx_shop_json_get(json, "sub"), &text),
                         NGX_OK, "string");
    ngx_shop_unit_is(u, &text, "248289761001", "string");

    ngx_shop_unit_is_int(u, ngx_shop_json_string(
                                ngx_shop_json_get(json, "name"), &text),
                         NGX_OK, "escapes");
    ngx_shop_unit_is(u, &text,
                     "J\xc3\xbcrgen \"J\" \xf0\x9f\x98\x80 / /", "escapes");

    ngx_shop_unit_is_int(u, ngx_shop_json_boolean(
                                ngx_shop_json_get(json, "email_verified"),
                                &flag),
                         NGX_OK, "boolean");
    ngx_shop_unit_is_int(u, flag, 1, "boolean");

    ngx_shop_unit_is_int(u, ngx_shop_json_time(
                                ngx_shop_json_get(json, "exp"), &n),
                         NGX_OK, "time");
    ngx_shop_unit_is_int(u, n, 1516239022, "time");

    aud = ngx_shop_json_get(json, "aud");

    ngx_shop_unit_ok(u, ngx_shop_json_is_array(aud)
                        && !ngx_shop_json_is_object(aud), "an array");
    ngx_shop_unit_is_int(u, ngx_shop_json_size(aud), 2, "its size");

    ngx_shop_unit_is_int(u, ngx_shop_json_string(ngx_shop_json_at(aud, 1),
                                                 &text),
                         NGX_OK, "its last");
    ngx_shop_unit_is(u, &text, "other", "its last");

    ngx_shop_unit_ok(u, ngx_shop_json_at(aud, 2) == NULL, "behind it");
    ngx_shop_unit_ok(u, ngx_shop_json_at(aud, (size_t) -1) == NULL,
                     "far behind it");

    json = ngx_shop_unit_json(u, " \"text\" ");

    ngx_shop_unit_is_int(u, ngx_shop_json_string(json, &text), NGX_OK,
                         "a text that is no object");
    ngx_shop_unit_is(u, &text, "text", "a text that is no object");
}


static void
ngx_shop_unit_json_absent(ngx_shop_unit_t *u)
{
    int64_t           n;
    ngx_str_t         text;
    ngx_uint_t        flag, i;
    ngx_shop_json_t  *json, *value;

    static struct {
        const char  *name;
        ngx_int_t    string;
        ngx_int_t    integer;
        ngx_int_t    boolean;
    } t[] = {
        { "s", NGX_OK, NGX_ERROR, NGX_ERROR },
        { "i", NGX_ERROR, NGX_OK, NGX_ERROR },
        { "r", NGX_ERROR, NGX_OK, NGX_ERROR },
        { "t", NGX_ERROR, NGX_ERROR, NGX_OK },
        { "f", NGX_ERROR, NGX_ERROR, NGX_OK },
        { "o", NGX_ERROR, NGX_ERROR, NGX_ERROR },
        { "a", NGX_ERROR, NGX_ERROR, NGX_ERROR },
        { "n", NGX_DECLINED, NGX_DECLINED, NGX_DECLINED },
        { "x", NGX_DECLINED, NGX_DECLINED, NGX_DECLINED },
        { "", NGX_DECLINED, NGX_DECLINED, NGX_DECLINED },
        { "S", NGX_DECLINED, NGX_DECLINED, NGX_DECLINED },
        { NULL, 0, 0, 0 }
    };

    json = ngx_shop_unit_json(u, "{\"s\":\"1\",\"i\":1,\"r\":1.0,\"t\":true,"
                                 "\"f\":false,\"o\":{},\"a\":[],"
                                 "\"n\":null}");

    for (i = 0; t[i].name; i++) {
        value = ngx_shop_json_get(json, t[i].name);

        ngx_shop_unit_is_int(u, ngx_shop_json_string(value, &text),
                             t[i].string, "\"%s\" as string", t[i].name);
        ngx_shop_unit_is_int(u, ngx_shop_json_integer(value, &n),
                             t[i].integer, "\"%s\" as integer", t[i].name);
        ngx_shop_unit_is_int(u, ngx_shop_json_time(value, &n),
                             t[i].integer, "\"%s\" as time", t[i].name);
        ngx_shop_unit_is_int(u, ngx_shop_json_boolean(value, &flag),
                             t[i].boolean, "\"%s\" as boolean", t[i].name);
    }

    value = ngx_shop_json_get(json, "s");

    ngx_shop_unit_ok(u, ngx_shop_json_get(value, "a") == NULL
                        && ngx_shop_json_get(NULL, "a") == NULL,
                     "members of what has none");
    ngx_shop_unit_ok(u, ngx_shop_json_at(json, 0) == NULL
                        && ngx_shop_json_at(NULL, 0) == NULL,
                     "items of what has none");
    ngx_shop_unit_ok(u, ngx_shop_json_size(json) == 0
                        && ngx_shop_json_size(NULL) == 0,
                     "size of what has none");
    ngx_shop_unit_ok(u, !ngx_shop_json_is_object(NULL)
                        && !ngx_shop_json_is_array(NULL),
                     "kind of nothing");
}


static void
ngx_shop_unit_json_numbers(ngx_shop_unit_t *u)
{
    int64_t           n;
    ngx_uint_t        i;
    ngx_shop_json_t  *json;

    static struct {
        const char  *text;
        ngx_int_t    integer;
        ngx_int_t    time;
        int64_t      n;
    } t[] = {
        { "0", NGX_OK, NGX_OK, 0 },
        { "-0", NGX_OK, NGX_OK, 0 },
        { "-0.0", NGX_OK, NGX_OK, 0 },
        { "0e999", NGX_OK, NGX_OK, 0 },
        { "1", NGX_OK, NGX_OK, 1 },
        { "-1", NGX_OK, NGX_OK, -1 },
        { "1.0", NGX_OK, NGX_OK, 1 },
        { "1e3", NGX_OK, NGX_OK, 1000 },
        { "1E+3", NGX_OK, NGX_OK, 1000 },
        { "15e-1", NGX_ERROR, NGX_OK, 1 },
        { "1.5", NGX_ERROR, NGX_OK, 1 },
        { "-1.5", NGX_ERROR, NGX_OK, -1 },
        { "1516239022.999", NGX_ERROR, NGX_OK, 1516239022 },
        { "1e-300", NGX_ERROR, NGX_OK, 0 },
        { "2147483648", NGX_OK, NGX_OK, 2147483648 },
        { "4294967296", NGX_OK, NGX_OK, 4294967296 },
        { "9007199254740992", NGX_OK, NGX_OK, INT64_C(9007199254740992) },
        { "-9007199254740992", NGX_OK, NGX_OK, -INT64_C(9007199254740992) },
        { "9007199254740992.0", NGX_OK, NGX_OK, INT64_C(9007199254740992) },
        { "9007199254740993", NGX_ERROR, NGX_ERROR, 0 },
        { "-9007199254740993", NGX_ERROR, NGX_ERROR, 0 },
        { "9007199254740994.0", NGX_ERROR, NGX_ERROR, 0 },
        { "9223372036854775807", NGX_ERROR, NGX_ERROR, 0 },
        { "-9223372036854775808", NGX_ERROR, NGX_ERROR, 0 },
        { "9223372036854775807.0", NGX_ERROR, NGX_ERROR, 0 },
        { "1e18", NGX_ERROR, NGX_ERROR, 0 },
        { "1e19", NGX_ERROR, NGX_ERROR, 0 },
        { "1e300", NGX_ERROR, NGX_ERROR, 0 },
        { "-1e300", NGX_ERROR, NGX_ERROR, 0 },
        { "1.7976931348623157e308", NGX_ERROR, NGX_ERROR, 0 },
        { "\"1\"", NGX_ERROR, NGX_ERROR, 0 },
        { "\"never\"", NGX_ERROR, NGX_ERROR, 0 },
        { "true", NGX_ERROR, NGX_ERROR, 0 },
        { "[1]", NGX_ERROR, NGX_ERROR, 0 },
        { NULL, 0, 0, 0 }
    };

    for (i = 0; t[i].text; i++) {
        json = ngx_shop_unit_json(u, t[i].text);

        ngx_shop_unit_ok(u, json != NULL, "%s", t[i].text);

        n = 0;

        ngx_shop_unit_is_int(u, ngx_shop_json_integer(json, &n),
                             t[i].integer, "%s as integer", t[i].text);

        if (t[i].integer == NGX_OK) {
            ngx_shop_unit_is_int(u, n, t[i].n, "%s", t[i].text);
        }

        n = 0;

        ngx_shop_unit_is_int(u, ngx_shop_json_time(json, &n),
                             t[i].time, "%s as time", t[i].text);

        ngx_shop_unit_is_int(u, n, t[i].n, "%s, or untouched", t[i].text);
    }
}


static void
ngx_shop_unit_json_refuse(ngx_shop_unit_t *u)
{
    ngx_str_t     nul;
    const char  **t;

    static const char  *bad[] = {
        "", " ", "{", "}", "[", "]", "{]", "[}", "\"", "\"a", "a", "'a'",
        "nul", "nulll", "Null", "TRUE", "tru", "NaN", "Infinity",
        "-Infinity", "-", "+1", "01", "-01", "1.", ".1", "1e", "1e+", "0x1",
        "1_000", "1,000", "1e400", "-1e400", "9223372036854775808",
        "-9223372036854775809", "123456789012345678901234567890",
        "[1,]", "[,1]", "[1 2]", "[1,,2]", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 2}",
        "{\"a\":1}}", "{\"a\":1}{\"b\":2}", "{} x", "1 2", "null null",
        "// a\n1", "/* a */ 1", "[1] // a", "#", "\xef\xbb\xbf{}",
        "{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}",
        "[{\"x\":{\"a\":1,\"a\":2}}]",
        "\"\\u0000\"", "\"a\\u0000b\"", "{\"\\u0000\":1}",
        "{\"a\\u0000b\":1}", "\"\\x\"", "\"\\u\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\ud800\"",
        "\"\\ud800a\"", "\"\\udc00\\ud800\"", "\"a\nb\"", "\"a\tb\"",
        "\"a\x01" "b\"", "\"a\x1f\"", NULL
    };

    for (t = bad; *t; t++) {
        ngx_shop_unit_ok(u, ngx_shop_unit_json(u, *t) == NULL, "case %i",
                         (ngx_int_t) (t - bad));
    }

    ngx_str_set(&nul, "{}\0");

    ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &nul, 100) == NULL,
                     "a NUL behind");

    ngx_str_set(&nul, "[\"a\0b\"]");

    ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &nul, 100) == NULL,
                     "a NUL inside");

    ngx_str_null(&nul);

    ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &nul, 100) == NULL,
                     "nothing");
}


static void
ngx_shop_unit_json_mended(ngx_shop_unit_t *u)
{
    ngx_str_t         text, value;
    ngx_uint_t        i;
    ngx_shop_json_t  *json;

    static const char  *good[][2] = {
        { "\"\\u0000\"", "\xef\xbf\xbd" },
        { "\"a\\u0000b\"", "a\xef\xbf\xbd" "b" },
        { "\"\\ud83d\"", "\xef\xbf\xbd" },
        { "\"\\uDE00\"", "\xef\xbf\xbd" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\ud83d\\ud83d\\ude00\"",
          "\xef\xbf\xbd\xf0\x9f\x98\x80" },
        { "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\"\\ud83d\\n\"", "\xef\xbf\xbd\n" },
        { "\"\\ud83dude00\"", "\xef\xbf\xbdude00" },
        { "\"\\\\u0000\"", "\\u0000" },
        { "\"\\\\\\u0000\"", "\\\xef\xbf\xbd" },
        { "\"\\u00e9\\ufffd\"", "\xc3\xa9\xef\xbf\xbd" },
        { NULL, NULL }
    };

    static const char  *bad[] = {
        "", "{", "\\u0000", "\"\\u000\"", "\"\\ud83\"", "\"\\ud83d",
        "\"\\ud83d\\\"", "\"\\ud83d\\ude0\"", "\"\\u00g0\"",
        "{\"\\u0000\":1,\"\\ud83d\":2}", "\"\xed\xa0\xbd\"", NULL
    };

    for (i = 0; good[i][0]; i++) {
        text.data = (u_char *) good[i][0];
        text.len = ngx_strlen(good[i][0]);

        ngx_str_null(&value);

        json = ngx_shop_json_parse_mended(u->pool, &text, text.len);

        (void) ngx_shop_json_string(json, &value);

        ngx_shop_unit_is(u, &value, good[i][1], "case %ui", i);
    }

    for (i = 0; bad[i]; i++) {
        text.data = (u_char *) bad[i];
        text.len = ngx_strlen(bad[i]);

        ngx_shop_unit_ok(u, ngx_shop_json_parse_mended(u->pool, &text, 100)
                            == NULL,
                         "case %ui", i);
    }

    ngx_str_set(&text, "\"\\u0000\"");

    ngx_shop_unit_ok(u, ngx_shop_json_parse_mended(u->pool, &text, 7) == NULL,
                     "too large");
    ngx_shop_unit_ok(u, text.data[6] == '0', "the text itself is left");

    ngx_str_null(&text);

    ngx_shop_unit_ok(u, ngx_shop_json_parse_mended(u->pool, &text, 7) == NULL,
                     "nothing");
}


static void
ngx_shop_unit_json_mended_numbers(ngx_shop_unit_t *u)
{
    int64_t           n;
    ngx_str_t         text, value;
    ngx_uint_t        i;
    ngx_shop_json_t  *json, *number;

    static const char  *exact[] = {
        "9223372036854775807", "-9223372036854775808", "1000000000000000000",
        "-1", "0", NULL
    };

    static const char  *useless[] = {
        "9223372036854775808", "-9223372036854775809", "18446744073709551615",
        "10000000000000000000", "-10000000000000000000",
        "123456789012345678901234567890", NULL
    };

    static const char  *bad[] = {
        "18446744073709551615x", "x18446744073709551615",
        "018446744073709551615", "-", "--18446744073709551615",
        "18446744073709551615 1", "\\\"18446744073709551615",
        "+18446744073709551615", "{18446744073709551615:1}", NULL
    };

    for (i = 0; exact[i]; i++) {
        text.data = (u_char *) exact[i];
        text.len = ngx_strlen(exact[i]);

        ngx_str_null(&value);

        json = ngx_shop_json_parse_mended(u->pool, &text, text.len);

        (void) ngx_shop_json_text(u->pool, json, &value);

        ngx_shop_unit_is(u, &value, exact[i], "to the digit");
    }

    for (i = 0; useless[i]; i++) {
        text.data = ngx_pnalloc(u->pool, 200);
        text.len = ngx_sprintf(text.data, "{\"a\":%s,\"b\":\"\\\"%s\","
                                          "\"c\":[%s,7]}",
                               useless[i], useless[i], useless[i])
                   - text.data;

        json = ngx_shop_json_parse_mended(u->pool, &text, text.len);
        number = ngx_shop_json_get(json, "a");

        ngx_shop_unit_ok(u, number != NULL
                            && ngx_shop_json_text(u->pool, number, &value)
                               == NGX_ERROR
                            && ngx_shop_json_integer(number, &n) == NGX_ERROR
                            && ngx_shop_json_time(number, &n) == NGX_ERROR,
                         "%s: no value", useless[i]);

        ngx_shop_unit_is_int(u, ngx_shop_json_text(u->pool,
                                    ngx_shop_json_at(
                                        ngx_shop_json_get(json, "c"), 1),
                                    &value),
                             NGX_OK, "%s: others have", useless[i]);
        ngx_shop_unit_is(u, &value, "7", "%s: theirs", useless[i]);

        (void) ngx_shop_json_string(ngx_shop_json_get(json, "b"), &value);

        ngx_shop_unit_ok(u, value.len == ngx_strlen(useless[i]) + 1
                            && ngx_memcmp(value.data + 1, useless[i],
                                          value.len - 1)
                               == 0,
                         "%s: a text stays", useless[i]);
    }

    for (i = 0; bad[i]; i++) {
        text.data = (u_char *) bad[i];
        text.len = ngx_strlen(bad[i]);

        ngx_shop_unit_ok(u, ngx_shop_json_parse_mended(u->pool, &text, 100)
                            == NULL,
                         "case %ui", i);
    }
}


static void
ngx_shop_unit_json_utf8(ngx_shop_unit_t *u)
{
    u_char       buf[64];
    ngx_str_t    text;
    ngx_uint_t   i;

    static struct {
        const char  *bytes;
        ngx_uint_t   good;
    } t[] = {
        { "\x7f", 1 },
        { "\xc2\x80", 1 },
        { "\xdf\xbf", 1 },
        { "\xe0\xa0\x80", 1 },
        { "\xed\x9f\xbf", 1 },
        { "\xee\x80\x80", 1 },
        { "\xef\xbf\xbf", 1 },
        { "\xf0\x90\x80\x80", 1 },
        { "\xf4\x8f\xbf\xbf", 1 },
        { "\x80", 0 },
        { "\xbf", 0 },
        { "\xc0\x80", 0 },
        { "\xc1\xbf", 0 },
        { "\xc2", 0 },
        { "\xc2\xc2", 0 },
        { "\xc2" "a", 0 },
        { "\xe0\x80\x80", 0 },
        { "\xe0\x9f\xbf", 0 },
        { "\xe0\xa0", 0 },
        { "\xed\xa0\x80", 0 },
        { "\xed\xbf\xbf", 0 },
        { "\xf0\x80\x80\x80", 0 },
        { "\xf0\x8f\xbf\xbf", 0 },
        { "\xf0\x90\x80", 0 },
        { "\xf4\x90\x80\x80", 0 },
        { "\xf5\x80\x80\x80", 0 },
        { "\xf8\x88\x80\x80\x80", 0 },
        { "\xfc\x84\x80\x80\x80\x80", 0 },
        { "\xfe", 0 },
        { "\xff", 0 },
        { NULL, 0 }
    };

    for (i = 0; t[i].bytes; i++) {
        text.data = buf;
        text.len = ngx_sprintf(buf, "[\"%s\"]", t[i].bytes) - buf;

        ngx_shop_unit_is_int(u, ngx_shop_json_parse(u->pool, &text, 100)
                                != NULL,
                             t[i].good, "value %ui", i);

        text.len = ngx_sprintf(buf, "{\"a%s\":1}", t[i].bytes) - buf;

        ngx_shop_unit_is_int(u, ngx_shop_json_parse(u->pool, &text, 100)
                                != NULL,
                             t[i].good, "name %ui", i);

        text.data = (u_char *) t[i].bytes;
        text.len = ngx_strlen(t[i].bytes);

        ngx_shop_unit_is_int(u, ngx_shop_json_new_string(u->pool, &text)
                                != NULL,
                             t[i].good, "builder %ui", i);
    }
}


static void
ngx_shop_unit_json_depth(ngx_shop_unit_t *u)
{
    size_t       n;
    u_char      *p;
    ngx_str_t    text;
    ngx_uint_t   i;

    static size_t  depth[] = { 100, 2000, 3000, 100000, 0 };

    for (i = 0; depth[i]; i++) {
        n = depth[i];

        p = ngx_pnalloc(u->pool, 6 * n);
        if (p == NULL) {
            return;
        }

        text.data = p;
        text.len = 2 * n;

        ngx_memset(p, '[', n);
        ngx_memset(p + n, ']', n);

        ngx_shop_unit_is_int(u, ngx_shop_json_parse(u->pool, &text, 1000000)
                                != NULL,
                             n < 2048, "%uz arrays", n);

        text.len = n;

        ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &text, 1000000)
                            == NULL,
                         "%uz arrays left open", n);

        for (text.len = 0; text.len < 5 * n; text.len += 5) {
            (void) ngx_cpymem(p + text.len, "{\"a\":", 5);
        }

        ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &text, 1000000)
                            == NULL,
                         "%uz objects left open", n);
    }
}


static void
ngx_shop_unit_json_sizes(ngx_shop_unit_t *u)
{
    u_char           *p;
    ngx_str_t         text;
    ngx_uint_t        i;
    ngx_shop_json_t  *json;

    ngx_str_set(&text, "[1234]");

    ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &text, 6) != NULL,
                     "as long as allowed");
    ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &text, 5) == NULL,
                     "longer");
    ngx_shop_unit_ok(u, ngx_shop_json_parse(u->pool, &text, 0) == NULL,
                     "nothing allowed");

    /* many members, which make the hash table grow */

    text.data = ngx_pnalloc(u->pool, 5000 * sizeof(",\"12345\":12345"));
    if (text.data == NULL) {
        return;
    }

    p = text.data;

    for (i = 0; i < 5000; i++) {
        p = ngx_sprintf(p, "%c\"%ui\":%ui", i ? ',' : '{', i, i);
    }

    *p++ = '}';
    text.len = p - text.data;

    json = ngx_shop_json_parse(u->pool, &text, text.len);

    ngx_shop_unit_ok(u, json != NULL, "5000 members");
    ngx_shop_unit_ok(u, ngx_shop_json_get(json, "4999") != NULL
                        && ngx_shop_json_get(json, "5000") == NULL,
                     "5000 members");
}


/* lists of what is short, as long as they may be */

static void
ngx_shop_unit_json_room(ngx_shop_unit_t *u)
{
    u_char      *p, *last;
    ngx_str_t    text;
    ngx_uint_t   i, taken;

    static const struct {
        const char  *item;
        ngx_uint_t   taken;
    } lists[] = {
        { "{},", 0 },
        { "[],", 0 },
        { "{\"a\":1},", 0 },
        { "1,", 1 },
        { "\"openid\",", 1 },
        { "{\"kty\":\"EC\",\"kid\":\"k\",\"x\":\"123456789012345678\"},", 1 },
        { "{\"type\":\"order\",\"id\":\"1\",\"total\":\"9.99\"},", 1 }
    };

    text.data = ngx_pnalloc(u->pool, 65536);
    if (text.data == NULL) {
        return;
    }

    last = text.data + 65536;

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {

        p = text.data;
        *p++ = '[';

        while ((size_t) (last - p) > ngx_strlen(lists[i].item)) {
            p = ngx_cpymem(p, lists[i].item, ngx_strlen(lists[i].item));
        }

        p[-1] = ']';
        text.len = p - text.data;

        taken = (ngx_shop_json_parse(u->pool, &text, 65536) != NULL);

        ngx_shop_unit_is_int(u, taken, lists[i].taken, lists[i].item);
    }
}


static void
ngx_shop_unit_json_cut(ngx_shop_unit_t *u)
{
    u_char      *p;
    ngx_str_t    text;
    ngx_uint_t   taken;

    taken = 0;

    for (text.len = 0; text.len < sizeof(ngx_shop_unit_json_text) - 1;
         text.len++)
    {
        /* of its own, so that a sanitizer sees a byte read behind it */

        p = ngx_alloc(text.len + 1, u->log);
        if (p == NULL) {
            return;
        }

        text.data = p + 1;

        ngx_memcpy(text.data, ngx_shop_unit_json_text, text.len);

        taken += ngx_shop_json_parse(u->pool, &text, 1000) != NULL;

        ngx_free(p);
    }

    ngx_shop_unit_is_int(u, taken, 0, "at each byte");
}


static void
ngx_shop_unit_json_build(ngx_shop_unit_t *u)
{
    ngx_str_t         text, str;
    ngx_uint_t        rc;
    ngx_shop_json_t  *json, *array, *inner, *again;

    json = ngx_shop_json_new_object(u->pool);
    array = ngx_shop_json_new_array(u->pool);
    inner = ngx_shop_json_new_object(u->pool);

    ngx_str_set(&str, "a/\"\\\n\x01</script>\xc3\xa9");

    rc = 0;

    rc |= ngx_shop_json_set(u->pool, json, "z", ngx_shop_json_new_string(
                                                    u->pool, &str));
    rc |= ngx_shop_json_set(u->pool, json, "a", array);
    rc |= ngx_shop_json_set(u->pool, json, "n",
                            ngx_shop_json_new_null(u->pool));
    rc |= ngx_shop_json_set(u->pool, json, "t",
                            ngx_shop_json_new_boolean(u->pool, 1));
    rc |= ngx_shop_json_set(u->pool, json, "f",
                            ngx_shop_json_new_boolean(u->pool, 0));
    rc |= ngx_shop_json_append(u->pool, array,
                               ngx_shop_json_new_integer(u->pool,
                                                         INT64_MIN));
    rc |= ngx_shop_json_append(u->pool, array, inner);
    rc |= ngx_shop_json_append(u->pool, array, inner);

    ngx_str_null(&str);

    rc |= ngx_shop_json_append(u->pool, array,
                               ngx_shop_json_new_string(u->pool, &str));
    rc |= ngx_shop_json_set(u->pool, inner, "one",
                            ngx_shop_json_new_integer(u->pool, 0));
    rc |= ngx_shop_json_set(u->pool, inner, "one",
                            ngx_shop_json_new_integer(u->pool, 1));
    rc |= ngx_shop_json_dump(u->pool, json, &text);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "built");

    ngx_shop_unit_is(u, &text,
                     "{\"z\":\"a/\\\"\\\\\\n\\u0001</script>\xc3\xa9\","
                     "\"a\":[-9223372036854775808,{\"one\":1},{\"one\":1},"
                     "\"\"],\"n\":null,\"t\":true,\"f\":false}",
                     "in the order of insertion");

    again = ngx_shop_json_parse(u->pool, &text, text.len);

    ngx_shop_unit_ok(u, ngx_shop_json_dump(u->pool, again, &str) == NGX_OK,
                     "there and back");
    ngx_shop_unit_is_str(u, &str, &text, "there and back");

    /* a part of a parsed tree in a tree that is built */

    json = ngx_shop_json_new_object(u->pool);

    rc = ngx_shop_json_set(u->pool, json, "part",
                           ngx_shop_json_get(again, "a"));
    rc |= ngx_shop_json_set(u->pool, json, "part",
                            ngx_shop_json_at(ngx_shop_json_get(again, "a"),
                                             1));
    rc |= ngx_shop_json_dump(u->pool, json, &text);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "a part");
    ngx_shop_unit_is(u, &text, "{\"part\":{\"one\":1}}", "a part");

    rc = ngx_shop_json_dump(u->pool, again, &text);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "the whole is whole");
    ngx_shop_unit_is_str(u, &str, &text, "the whole is whole");
}


static void
ngx_shop_unit_json_build_refuse(ngx_shop_unit_t *u)
{
    ngx_str_t         text;
    ngx_shop_json_t  *json, *array;

    json = ngx_shop_json_new_object(u->pool);
    array = ngx_shop_json_new_array(u->pool);

    ngx_shop_unit_is_int(u, ngx_shop_json_set(u->pool, json, "a", NULL),
                         NGX_ERROR, "no value");
    ngx_shop_unit_is_int(u, ngx_shop_json_set(u->pool, NULL, "a", json),
                         NGX_ERROR, "no object");
    ngx_shop_unit_is_int(u, ngx_shop_json_set(u->pool, array, "a", json),
                         NGX_ERROR, "an array is no object");
    ngx_shop_unit_is_int(u, ngx_shop_json_set(u->pool, json, "\xff", array),
                         NGX_ERROR, "a name that is no UTF-8");
    ngx_shop_unit_is_int(u, ngx_shop_json_append(u->pool, array, NULL),
                         NGX_ERROR, "no item");
    ngx_shop_unit_is_int(u, ngx_shop_json_append(u->pool, NULL, json),
                         NGX_ERROR, "no array");
    ngx_shop_unit_is_int(u, ngx_shop_json_append(u->pool, json, array),
                         NGX_ERROR, "an object is no array");

    ngx_shop_unit_is_int(u, ngx_shop_json_dump(u->pool, NULL, &text),
                         NGX_ERROR, "nothing to dump");

    /* a circle */

    ngx_shop_unit_is_int(u, ngx_shop_json_set(u->pool, json, "a", array),
                         NGX_OK, "one half of a circle");
    ngx_shop_unit_is_int(u, ngx_shop_json_append(u->pool, array, json),
                         NGX_OK, "the other half");
    ngx_shop_unit_is_int(u, ngx_shop_json_dump(u->pool, json, &text),
                         NGX_ERROR, "a circle is not dumped");
}


/* under a sanitizer or valgrind: libc never meets what a pool gave */

static void
ngx_shop_unit_json_pools(ngx_shop_unit_t *u)
{
    ngx_str_t         text, name;
    ngx_pool_t       *a, *b;
    ngx_uint_t        i, rc;
    ngx_shop_json_t  *ja, *jb;

    text.data = (u_char *) ngx_shop_unit_json_text;
    text.len = sizeof(ngx_shop_unit_json_text) - 1;

    rc = 0;

    for (i = 0; i < 50; i++) {

        a = ngx_create_pool(1024, u->log);
        b = ngx_create_pool(1024, u->log);

        if (a == NULL || b == NULL) {
            return;
        }

        ja = ngx_shop_json_parse(a, &text, 1000);
        jb = ngx_shop_json_parse(b, &text, 1000);

        /* replaces a member while another pool is around */

        ngx_str_set(&name, "x");

        rc |= ngx_shop_json_set(a, ja, "name",
                                ngx_shop_json_new_string(a, &name));
        ngx_destroy_pool(a);

        rc |= ngx_shop_json_string(ngx_shop_json_get(jb, "sub"), &name);
        rc |= ngx_shop_json_set(b, jb, "aud",
                                ngx_shop_json_new_integer(b, 1));
        rc |= ngx_shop_json_dump(b, jb, &name);

        ngx_destroy_pool(b);
    }

    ngx_shop_unit_is_int(u, rc, NGX_OK, "fifty of two");
}
