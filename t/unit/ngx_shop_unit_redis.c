
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "redis/ngx_shop_redis_internal.h"
#include "ngx_shop_unit.h"


static void ngx_shop_unit_redis_partition(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_keys(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_url(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_bad_url(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_format(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_types(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_bytes(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_pools(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_caps(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_garbage(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_mutations(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_values(ngx_shop_unit_t *u);
static void ngx_shop_unit_redis_scripts(ngx_shop_unit_t *u);

static ngx_int_t ngx_shop_unit_redis_parse(ngx_shop_unit_t *u,
    const char *data, size_t len, ngx_shop_redis_reply_t **reply,
    const char **error);
static ngx_uint_t ngx_shop_unit_redis_random(uint32_t *seed);
static size_t ngx_shop_unit_redis_walk(ngx_shop_redis_reply_t *reply);


ngx_shop_unit_test_t  ngx_shop_unit_redis_tests[] = {
    { "partitions", ngx_shop_unit_redis_partition },
    { "keys", ngx_shop_unit_redis_keys },
    { "URLs", ngx_shop_unit_redis_url },
    { "bad URLs", ngx_shop_unit_redis_bad_url },
    { "commands", ngx_shop_unit_redis_format },
    { "types of replies", ngx_shop_unit_redis_types },
    { "replies byte by byte", ngx_shop_unit_redis_bytes },
    { "pools of replies", ngx_shop_unit_redis_pools },
    { "caps", ngx_shop_unit_redis_caps },
    { "garbage", ngx_shop_unit_redis_garbage },
    { "mutations", ngx_shop_unit_redis_mutations },
    { "values", ngx_shop_unit_redis_values },
    { "scripts", ngx_shop_unit_redis_scripts },
    { NULL, NULL }
};


static void
ngx_shop_unit_redis_partition(ngx_shop_unit_t *u)
{
    ngx_uint_t         i;
    ngx_str_t          id;
    ngx_shop_redis_t   redis;
    u_char             bytes[256];

    /* the slots are those of CLUSTER KEYSLOT */

    static struct {
        const char    *text;
        ngx_uint_t     crc;
    } vectors[] = {
        { "", 0 },
        { "123456789", 0x31c3 },
        { "foo", 44950 },
        { "A", 0x58e5 },
        { NULL, 0 }
    };

    ngx_memzero(&redis, sizeof(ngx_shop_redis_t));

    redis.partitions = 65536;

    for (i = 0; vectors[i].text; i++) {
        id.data = (u_char *) vectors[i].text;
        id.len = ngx_strlen(vectors[i].text);

        ngx_shop_unit_is_int(u, ngx_shop_redis_partition(&redis, &id),
                             vectors[i].crc, "CRC16 of \"%V\"", &id);
    }

    redis.partitions = 16384;
    ngx_str_set(&id, "foo");

    ngx_shop_unit_is_int(u, ngx_shop_redis_partition(&redis, &id), 12182,
                         "slot of \"foo\"");

    redis.partitions = 64;
    ngx_str_set(&id, "123456789");

    ngx_shop_unit_is_int(u, ngx_shop_redis_partition(&redis, &id), 3,
                         "0x31c3 mod 64");

    redis.partitions = 1;

    for (i = 0; i < 256; i++) {
        bytes[i] = (u_char) i;
    }

    id.data = bytes;
    id.len = 256;

    ngx_shop_unit_is_int(u, ngx_shop_redis_partition(&redis, &id), 0,
                         "one partition");

    redis.partitions = 65536;

    ngx_shop_unit_is_int(u, ngx_shop_redis_partition(&redis, &id), 0x7e55,
                         "CRC16 of all bytes");
}


static void
ngx_shop_unit_redis_keys(ngx_shop_unit_t *u)
{
    ngx_str_t         id, tail, key;
    ngx_shop_redis_t  redis;

    ngx_memzero(&redis, sizeof(ngx_shop_redis_t));

    redis.partitions = 64;
    ngx_str_set(&redis.prefix, "shop:");
    ngx_str_set(&id, "123456789");
    ngx_str_set(&tail, "abc");

    ngx_shop_unit_is_int(u, ngx_shop_redis_customer_key(&redis, u->pool,
                                                        "view", &id, NULL,
                                                        &key),
                         NGX_OK, "a customer's key");
    ngx_shop_unit_is(u, &key, "shop:view:{3}:123456789", "without a tail");

    ngx_shop_unit_is_int(u, ngx_shop_redis_customer_key(&redis, u->pool,
                                                        "session", &id, &tail,
                                                        &key),
                         NGX_OK, "a customer's key");
    ngx_shop_unit_is(u, &key, "shop:session:{3}:123456789:abc",
                     "with a tail");

    redis.partitions = 16384;

    (void) ngx_shop_redis_customer_key(&redis, u->pool, "view", &id, NULL,
                                       &key);
    ngx_shop_unit_is(u, &key, "shop:view:{12739}:123456789",
                     "with the largest number of partitions");

    ngx_shop_unit_is_int(u, ngx_shop_redis_key(&redis, u->pool, "spent",
                                               &tail, &key),
                         NGX_OK, "another key");
    ngx_shop_unit_is(u, &key, "shop:spent:abc", "is prefix, kind and name");
}


static void
ngx_shop_unit_redis_url(ngx_shop_unit_t *u)
{
    char              *text;
    ngx_str_t          url;
    ngx_uint_t         i;
    ngx_shop_redis_t   redis;

    static struct {
        const char    *url;
        const char    *host;
        const char    *path;
        ngx_uint_t     port;
        ngx_uint_t     db;
    } good[] = {
        { "redis://127.0.0.1:6379/0", "127.0.0.1", "", 6379, 0 },
        { "redis://127.0.0.1", "127.0.0.1", "", 6379, 0 },
        { "redis://", "127.0.0.1", "", 6379, 0 },
        { "redis:///3", "127.0.0.1", "", 6379, 3 },
        { "redis://:7000", "127.0.0.1", "", 7000, 0 },
        { "redis://redis.example.com:1/15", "redis.example.com", "", 1, 15 },
        { "REDIS://a:65535/", "a", "", 65535, 0 },
        { "rediss://a.example:7/2", "a.example", "", 7, 2 },
        { "redis://[::1]", "[::1]", "", 6379, 0 },
        { "redis://[fe80::1]:7000/2", "[fe80::1]", "", 7000, 2 },
        { "unix:/run/redis.sock", "", "/run/redis.sock", 0, 0 },
        { "unix:/run/redis.sock:4", "", "/run/redis.sock", 0, 4 },
        { NULL, NULL, NULL, 0, 0 }
    };

    for (i = 0; good[i].url; i++) {

        ngx_memzero(&redis, sizeof(ngx_shop_redis_t));

        url.data = (u_char *) good[i].url;
        url.len = ngx_strlen(good[i].url);

        text = ngx_shop_redis_url(u->cf, &redis, &url);

        if (!ngx_shop_unit_ok(u, text == NGX_CONF_OK, "\"%V\" is taken",
                              &url))
        {
            continue;
        }

        ngx_shop_unit_is(u, &redis.peer.host, good[i].host, "its host");
        ngx_shop_unit_is(u, &redis.peer.path, good[i].path, "its path");
        ngx_shop_unit_is_int(u, redis.peer.port, good[i].port, "its port");
        ngx_shop_unit_is_int(u, redis.db, good[i].db, "its database");
        ngx_shop_unit_is_str(u, &redis.text, &url, "its text for logs");
    }
}


static void
ngx_shop_unit_redis_bad_url(ngx_shop_unit_t *u)
{
    char              *text;
    ngx_str_t          url;
    ngx_uint_t         i;
    ngx_shop_redis_t   redis;

    static struct {
        const char    *url;
        const char    *said;
    } bad[] = {
        { "", "must be" },
        { "redis", "must be" },
        { "redis:", "must be" },
        { "127.0.0.1:6379", "must be" },
        { "http://127.0.0.1", "must be" },
        { "redisss://127.0.0.1", "must be" },
        { "redis-sentinel://a", "must be" },
        { "unix:", "must be" },
        { "unix:run/redis.sock", "no absolute path" },
        { "unix::1", "no absolute path" },
        { "unix:/a:", NULL },
        { "unix:/a:x", "database" },
        { "unix:/a:-1", "database" },
        { "unix:/1234567890123456789012345678901234567890123456789012345678"
          "90123456789012345678901234567890123456789012345678901234567890",
          "too long" },
        { "redis://user:secret@a", "user or password" },
        { "redis://:secret@a/1", "user or password" },
        { "redis://a:0", "port" },
        { "redis://a:65536", "port" },
        { "redis://a:", "port" },
        { "redis://a:x", "port" },
        { "redis://a:99999999999999999999", "port" },
        { "redis://a/x", "database" },
        { "redis://a/1/2", "database" },
        { "redis://a/65536", "database" },
        { "redis://a/99999999999999999999", "database" },
        { "redis://a?db=1", "query" },
        { "redis://a#1", "query" },
        { "redis://a b", "blank" },
        { "redis://a\x7f", "blank" },
        { "redis://\xc3\xa4", "blank" },
        { "redis://a,b", "character" },
        { "redis://a%20:1", "character" },
        { "redis://::1", "port" },
        { "redis://[::1", "brackets" },
        { "redis://[]", "brackets" },
        { "redis://[::g]:1", "brackets" },
        { "redis://[::1]x", "something other" },
        { "redis://[::1]:", "port" },
        { NULL, NULL }
    };

    for (i = 0; bad[i].url; i++) {

        ngx_memzero(&redis, sizeof(ngx_shop_redis_t));

        url.data = (u_char *) bad[i].url;
        url.len = ngx_strlen(bad[i].url);

        text = ngx_shop_redis_url(u->cf, &redis, &url);

        if (bad[i].said == NULL) {
            ngx_shop_unit_ok(u, text == NGX_CONF_OK, "\"%V\" is taken", &url);
            continue;
        }

        if (ngx_shop_unit_ok(u, text != NGX_CONF_OK, "\"%V\" is refused",
                             &url))
        {
            ngx_shop_unit_ok(u, ngx_strstr(text, bad[i].said) != NULL,
                             "with reason, %s", text);
            ngx_shop_unit_ok(u, ngx_strstr(text, "secret") == NULL,
                             "and without the password");
        }
    }
}


static void
ngx_shop_unit_redis_format(ngx_shop_unit_t *u)
{
    ngx_str_t  argv[3], wire;

    ngx_str_set(&argv[0], "SET");
    ngx_str_null(&argv[1]);
    ngx_str_set(&argv[2], "a\0\r\n%s%b");

    ngx_shop_unit_is_int(u, ngx_shop_redis_format(u->pool, 3, argv, &wire),
                         NGX_OK, "a command");
    ngx_shop_unit_is_str(u, &wire,
                         ngx_shop_unit_str("*3\r\n$3\r\nSET\r\n$0\r\n\r\n"
                                           "$8\r\na\0\r\n%s%b\r\n"),
                         "bytes of any kind");

    ngx_shop_unit_is_int(u, ngx_shop_redis_format(u->pool, 0, argv, &wire),
                         NGX_ERROR, "no words are no command");
}


/*
 * Parses "data" whole, byte by byte, and in pieces of each size; all must
 * come to the same end, and a reply must take all bytes.
 */

static ngx_int_t
ngx_shop_unit_redis_parse(ngx_shop_unit_t *u, const char *data, size_t len,
    ngx_shop_redis_reply_t **reply, const char **error)
{
    size_t                    i, n, step, cut;
    ngx_int_t                 rc, first;
    ngx_shop_redis_reader_t  *reader;
    static u_char             text[256];

    *error = "";
    *reply = NULL;
    first = NGX_ERROR;

    for (cut = 0; cut <= len && cut <= 300; cut++) {

        reader = ngx_shop_redis_reader_create();
        if (reader == NULL) {
            return NGX_ERROR;
        }

        rc = NGX_AGAIN;
        step = (cut == 0) ? len : cut;

        for (i = 0; i < len && rc == NGX_AGAIN; i += n) {

            n = ngx_min(step, len - i);

            if (ngx_shop_redis_reader_feed(reader, (u_char *) data + i, n)
                != NGX_OK)
            {
                rc = NGX_ERROR;
                break;
            }

            rc = ngx_shop_redis_reader_next(reader, u->pool, reply);
        }

        if (rc == NGX_OK && i != len) {
            ngx_shop_unit_note(u, "a reply after %uz of %uz bytes", i, len);
            rc = NGX_DONE;
        }

        if (rc == NGX_ERROR) {
            ngx_cpystrn(text, (u_char *) ngx_shop_redis_reader_error(reader),
                        sizeof(text));
            *error = (char *) text;
        }

        ngx_shop_redis_reader_free(reader);

        if (cut == 0) {
            first = rc;

        } else if (rc != first) {
            ngx_shop_unit_note(u, "%i whole, %i in pieces of %uz", first, rc,
                               step);
            return NGX_ABORT;
        }
    }

    return first;
}


static void
ngx_shop_unit_redis_types(ngx_shop_unit_t *u)
{
    ngx_int_t                rc;
    const char              *error;
    ngx_shop_redis_reply_t  *r;

#define ngx_shop_unit_redis_good(text)                                        \
    (rc = ngx_shop_unit_redis_parse(u, text, sizeof(text) - 1, &r, &error),   \
     ngx_shop_unit_is_int(u, rc, NGX_OK, "taken%s", error))

    if (ngx_shop_unit_redis_good("+OK\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_STATUS, "a status");
        ngx_shop_unit_is(u, &r->str, "OK", "its text");
        ngx_shop_unit_is_int(u, r->str.data[2], 0, "ends with NUL");
    }

    if (ngx_shop_unit_redis_good("-ERR no\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_FAULT, "a fault");
        ngx_shop_unit_is(u, &r->str, "ERR no", "its text");
    }

    if (ngx_shop_unit_redis_good(":-9223372036854775808\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_INTEGER,
                             "an integer");
        ngx_shop_unit_is_int(u, r->integer, INT64_MIN, "the least");
    }

    if (ngx_shop_unit_redis_good("$5\r\na\0\r\nb\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_STRING, "a string");
        ngx_shop_unit_is_str(u, &r->str, ngx_shop_unit_str("a\0\r\nb"),
                             "its bytes");
    }

    if (ngx_shop_unit_redis_good("$0\r\n\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_STRING, "a string");
        ngx_shop_unit_is_int(u, r->str.len, 0, "an empty one");
    }

    if (ngx_shop_unit_redis_good("$-1\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_NIL, "nil");
    }

    if (ngx_shop_unit_redis_good("*-1\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_NIL, "a nil array");
    }

    if (ngx_shop_unit_redis_good("*0\r\n")) {
        ngx_shop_unit_is_int(u, r->type, NGX_SHOP_REDIS_ARRAY, "an array");
        ngx_shop_unit_is_int(u, r->nelts, 0, "an empty one");
    }

    if (ngx_shop_unit_redis_good("*4\r\n$1\r\na\r\n*2\r\n:7\r\n$-1\r\n"
                                 "-ERR\r\n+OK\r\n"))
    {
        ngx_shop_unit_is_int(u, r->nelts, 4, "an array of four");
        ngx_shop_unit_is(u, &r->elts[0]->str, "a", "a string in it");
        ngx_shop_unit_is_int(u, r->elts[1]->nelts, 2, "an array in it");
        ngx_shop_unit_is_int(u, r->elts[1]->elts[0]->integer, 7,
                             "an integer in that");
        ngx_shop_unit_is_int(u, r->elts[1]->elts[1]->type,
                             NGX_SHOP_REDIS_NIL, "nil in that");
        ngx_shop_unit_is_int(u, r->elts[2]->type, NGX_SHOP_REDIS_FAULT,
                             "a fault in it");
        ngx_shop_unit_is(u, &r->elts[3]->str, "OK", "a status in it");
    }
}


static void
ngx_shop_unit_redis_bytes(ngx_shop_unit_t *u)
{
    size_t                    i;
    ngx_int_t                 rc;
    ngx_uint_t                n;
    ngx_shop_redis_reply_t   *reply;
    ngx_shop_redis_reader_t  *reader;

    static const char  data[] = "+OK\r\n$3\r\nabc\r\n*2\r\n:1\r\n:2\r\n:3\r\n";
    static const size_t  ends[] = { 5, 14, 26, 30 };

    reader = ngx_shop_redis_reader_create();

    if (!ngx_shop_unit_ok(u, reader != NULL, "a reader")) {
        return;
    }

    for (i = 0, n = 0; i < sizeof(data) - 1; i++) {

        if (ngx_shop_redis_reader_feed(reader, (u_char *) data + i, 1)
            != NGX_OK)
        {
            break;
        }

        rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);

        if (rc == NGX_OK) {
            ngx_shop_unit_is_int(u, i + 1, ends[n],
                                 "reply %ui ends with its last byte", n);
            ngx_shop_unit_is_int(u, ngx_shop_redis_reader_more(reader), 0,
                                 "and nothing is left");
            n++;

        } else if (rc == NGX_ERROR) {
            break;
        }
    }

    ngx_shop_unit_is_int(u, n, 4, "four replies");

    /* all of them at once */

    (void) ngx_shop_redis_reader_feed(reader, (u_char *) data,
                                      sizeof(data) - 1);

    for (n = 0; ngx_shop_redis_reader_more(reader); n++) {
        if (ngx_shop_redis_reader_next(reader, u->pool, &reply) != NGX_OK) {
            break;
        }
    }

    ngx_shop_unit_is_int(u, n, 4, "four replies in one piece");

    ngx_shop_redis_reader_free(reader);
}


/* a reply is of the pool it was begun with, not of the one before */

static void
ngx_shop_unit_redis_pools(ngx_shop_unit_t *u)
{
    ngx_int_t                 rc;
    ngx_pool_t               *first, *second;
    ngx_shop_redis_reply_t   *a, *b;
    ngx_shop_redis_reader_t  *reader;

    reader = ngx_shop_redis_reader_create();
    first = ngx_create_pool(1024, u->log);
    second = ngx_create_pool(1024, u->log);

    if (!ngx_shop_unit_ok(u, reader && first && second, "memory")) {
        return;
    }

    (void) ngx_shop_redis_reader_feed(reader, (u_char *) "$1\r\na\r\n", 7);

    rc = ngx_shop_redis_reader_next(reader, first, &a);
    ngx_shop_unit_is_int(u, rc, NGX_OK, "the first");

    /* looks for a reply where no byte is, as hiredis would set its task */

    rc = ngx_shop_redis_reader_next(reader, first, &b);
    ngx_shop_unit_is_int(u, rc, NGX_AGAIN, "no more");

    ngx_destroy_pool(first);

    (void) ngx_shop_redis_reader_feed(reader,
                                      (u_char *) "*2\r\n$1\r\nb\r\n:5", 13);

    rc = ngx_shop_redis_reader_next(reader, second, &b);
    ngx_shop_unit_is_int(u, rc, NGX_AGAIN, "half of the second");

    (void) ngx_shop_redis_reader_feed(reader, (u_char *) "\r\n", 2);

    rc = ngx_shop_redis_reader_next(reader, second, &b);

    if (ngx_shop_unit_is_int(u, rc, NGX_OK, "the second")) {
        ngx_shop_unit_is(u, &b->elts[0]->str, "b", "has its text");
        ngx_shop_unit_is_int(u, b->elts[1]->integer, 5, "and its number");
    }

    ngx_shop_redis_reader_free(reader);
    ngx_destroy_pool(second);
}


static void
ngx_shop_unit_redis_caps(ngx_shop_unit_t *u)
{
    size_t                    i;
    u_char                   *big, *p;
    ngx_int_t                 rc;
    const char               *error;
    ngx_shop_redis_reply_t   *reply;
    ngx_shop_redis_reader_t  *reader;

#define ngx_shop_unit_redis_bad(text, says)                                   \
    rc = ngx_shop_unit_redis_parse(u, text, sizeof(text) - 1, &reply,         \
                                   &error);                                   \
    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "refused: %s", error);             \
    ngx_shop_unit_ok(u, ngx_strstr(error, says) != NULL, "says \"%s\"", says)

    ngx_shop_unit_redis_bad("$1073741824\r\n", "announced");
    ngx_shop_unit_redis_bad("$4194304\r\n", "announced");
    ngx_shop_unit_redis_bad("$9223372036854775807\r\n", "announced");
    ngx_shop_unit_redis_bad("*2\r\n:1\r\n$1073741824\r\nx", "announced");
    ngx_shop_unit_redis_bad("*65537\r\n", "elements");
    ngx_shop_unit_redis_bad("*2147483647\r\n", "elements");
    ngx_shop_unit_redis_bad("*2\r\n*65535\r\n", "elements");
    ngx_shop_unit_redis_bad("*1\r\n*1\r\n*1\r\n*1\r\n"
                            "*1\r\n*1\r\n*1\r\n*1\r\n", "deep");

    rc = ngx_shop_unit_redis_parse(u, "*1\r\n*1\r\n*1\r\n*1\r\n"
                                      "*1\r\n*1\r\n*1\r\n:1\r\n",
                                   32, &reply, &error);
    ngx_shop_unit_is_int(u, rc, NGX_OK, "seven levels are taken");

    /* 65536 elements, 4 bytes each */

    big = ngx_alloc(NGX_SHOP_REDIS_REPLY_MAX + 65536, u->log);
    if (big == NULL) {
        return;
    }

    p = ngx_sprintf(big, "*65536\r\n");

    for (i = 0; i < 65536; i++) {
        p = ngx_cpymem(p, ":1\r\n", 4);
    }

    reader = ngx_shop_redis_reader_create();

    (void) ngx_shop_redis_reader_feed(reader, big, p - big);
    rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "65536 elements are taken");

    /* the count starts again with each reply */

    (void) ngx_shop_redis_reader_feed(reader, big, p - big);
    rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "and again");

    ngx_shop_redis_reader_free(reader);

    /* many small strings, too large together, never whole */

    reader = ngx_shop_redis_reader_create();

    (void) ngx_shop_redis_reader_feed(reader, (u_char *) "*65536\r\n", 8);

    p = ngx_sprintf(big, "$1000\r\n");
    ngx_memset(p, 'x', 1000);
    p = ngx_cpymem(p + 1000, "\r\n", 2);

    rc = NGX_AGAIN;

    for (i = 0; i < 65536 && rc == NGX_AGAIN; i++) {

        if (ngx_shop_redis_reader_feed(reader, big, p - big) != NGX_OK) {
            break;
        }

        rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);
    }

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "a large array is refused");
    ngx_shop_unit_ok(u, i * (p - big) <= NGX_SHOP_REDIS_REPLY_MAX + 2048,
                     "once it is too large");

    rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);
    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "an error is final");

    ngx_shop_redis_reader_free(reader);

    /* a status that never ends */

    reader = ngx_shop_redis_reader_create();

    ngx_memset(big, 'x', 65536);
    big[0] = '+';

    (void) ngx_shop_redis_reader_feed(reader, big, 65536);
    rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);
    ngx_shop_unit_is_int(u, rc, NGX_AGAIN, "a long line");

    (void) ngx_shop_redis_reader_feed(reader, big + 1, 2);
    rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);
    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "is refused at last");

    ngx_shop_redis_reader_free(reader);

    /* the largest string there is */

    reader = ngx_shop_redis_reader_create();

    p = ngx_sprintf(big, "$%d\r\n", NGX_SHOP_REDIS_REPLY_MAX - 12);
    ngx_memset(p, 'y', NGX_SHOP_REDIS_REPLY_MAX - 12);
    ngx_memcpy(p + NGX_SHOP_REDIS_REPLY_MAX - 12, "\r\n", 2);

    rc = NGX_AGAIN;

    for (i = 0; i < NGX_SHOP_REDIS_REPLY_MAX && rc == NGX_AGAIN; i += 16384) {

        (void) ngx_shop_redis_reader_feed(reader, big + i, 16384);
        rc = ngx_shop_redis_reader_next(reader, u->pool, &reply);
    }

    ngx_shop_unit_is_int(u, rc, NGX_OK, "4 MB are taken");
    ngx_shop_unit_is_int(u, reply ? reply->str.len : 0,
                         NGX_SHOP_REDIS_REPLY_MAX - 12, "all of them");

    ngx_shop_redis_reader_free(reader);
    ngx_free(big);
}


static void
ngx_shop_unit_redis_garbage(ngx_shop_unit_t *u)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    const char              *error;
    ngx_shop_redis_reply_t  *reply;

    static const char  *garbage[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "x",
        ":\r\n",
        ":1x\r\n",
        ":99999999999999999999\r\n",
        "$x\r\n",
        "$-2\r\n",
        "$ 1\r\n",
        "$01\r\n",
        "$99999999999999999999999\r\n",
        "*-2\r\n",
        "*x\r\n",
        "*2\r\n:1\r\nx",

        /* RESP3, which nobody asked for */

        ",1.5\r\n",
        "#t\r\n",
        "%1\r\n:1\r\n:2\r\n",
        "~1\r\n:1\r\n",
        ">1\r\n:1\r\n",
        "(12345678901234567890\r\n",
        "=5\r\ntxt:a\r\n",
        "*1\r\n#t\r\n",
        "*1\r\n,1.5\r\n",
        NULL
    };

    for (i = 0; garbage[i]; i++) {
        rc = ngx_shop_unit_redis_parse(u, garbage[i], ngx_strlen(garbage[i]),
                                       &reply, &error);
        ngx_shop_unit_is_int(u, rc, NGX_ERROR, "%ui is refused: %s", i,
                             error);
    }
}


/*
 * Replies with some bytes wrong, in pieces of random size.  Always the same
 * ones, so that a failure can be had again; sanitizers do the checking.
 */

static void
ngx_shop_unit_redis_mutations(ngx_shop_unit_t *u)
{
    size_t                    i, n, at, len;
    uint32_t                  seed;
    ngx_int_t                 rc;
    ngx_pool_t               *pool;
    ngx_uint_t                round, k, taken, refused, open;
    ngx_shop_redis_reply_t   *reply;
    ngx_shop_redis_reader_t  *reader;
    u_char                    buf[256];

    static const char  *corpus[] = {
        "+OK\r\n-ERR no\r\n:-15\r\n$3\r\nabc\r\n$-1\r\n",
        "*3\r\n$1\r\n1\r\n$2\r\n64\r\n$4\r\nseed\r\n+OK\r\n",
        "*2\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n*0\r\n$10\r\n0123456789\r\n",
        "*-1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n+x\r\n"
    };

    static const u_char  bytes[] = "*$:+-0123456789\r\n%#,_=>(~|x\0\xff";

    seed = 1;
    taken = 0;
    refused = 0;
    open = 0;

    for (round = 0; round < 20000; round++) {

        k = round % 4;
        len = ngx_strlen(corpus[k]);
        ngx_memcpy(buf, corpus[k], len);

        for (k = ngx_shop_unit_redis_random(&seed) % 4; k > 0; k--) {
            at = ngx_shop_unit_redis_random(&seed) % len;
            n = ngx_shop_unit_redis_random(&seed) % (sizeof(bytes) - 1);

            buf[at] = bytes[n];
        }

        reader = ngx_shop_redis_reader_create();
        pool = ngx_create_pool(512, u->log);

        if (reader == NULL || pool == NULL) {
            return;
        }

        rc = NGX_AGAIN;

        for (i = 0; i < len && rc != NGX_ERROR; i += n) {

            n = 1 + ngx_shop_unit_redis_random(&seed) % 40;
            n = ngx_min(n, len - i);

            if (ngx_shop_redis_reader_feed(reader, buf + i, n) != NGX_OK) {
                break;
            }

            do {
                rc = ngx_shop_redis_reader_next(reader, pool, &reply);

                if (rc == NGX_OK) {
                    taken += ngx_shop_unit_redis_walk(reply);
                }

            } while (rc == NGX_OK && ngx_shop_redis_reader_more(reader));
        }

        if (rc == NGX_ERROR) {
            refused++;

        } else if (rc == NGX_AGAIN) {
            open++;
        }

        ngx_shop_redis_reader_free(reader);
        ngx_destroy_pool(pool);
    }

    ngx_shop_unit_ok(u, taken > 20000, "%ui values were taken", taken);
    ngx_shop_unit_ok(u, refused > 1000, "%ui replies were refused", refused);
    ngx_shop_unit_ok(u, open > 100, "%ui were not whole", open);
}


static ngx_uint_t
ngx_shop_unit_redis_random(uint32_t *seed)
{
    *seed = *seed * 1103515245 + 12345;

    return (*seed >> 16) & 0x7fff;
}


/* visits all of a reply, and returns how many values it has */

static size_t
ngx_shop_unit_redis_walk(ngx_shop_redis_reply_t *reply)
{
    size_t      n;
    ngx_uint_t  i;

    n = 1;

    if (reply->type == NGX_SHOP_REDIS_ARRAY) {
        for (i = 0; i < reply->nelts; i++) {
            n += ngx_shop_unit_redis_walk(reply->elts[i]);
        }

    } else if (reply->str.data && reply->str.data[reply->str.len] != '\0') {
        n += 1000000;
    }

    return n;
}


static void
ngx_shop_unit_redis_values(ngx_shop_unit_t *u)
{
    int64_t                  n;
    ngx_str_t                text;
    const char              *error;
    ngx_uint_t               i;
    ngx_shop_redis_reply_t  *r;

    static const char  data[] =
        "*15\r\n"
        "$1\r\n7\r\n"                           /* 0 */
        "+8\r\n"                                /* 1 */
        ":9\r\n"                                /* 2 */
        "$-1\r\n"                               /* 3 */
        "-ERR\r\n"                              /* 4 */
        "*1\r\n:1\r\n"                          /* 5 */
        "$19\r\n9223372036854775807\r\n"        /* 6 */
        "$19\r\n9223372036854775808\r\n"        /* 7 */
        "$20\r\n-9223372036854775807\r\n"       /* 8 */
        "$0\r\n\r\n"                            /* 9 */
        "$1\r\n-\r\n"                           /* 10 */
        "$2\r\n+1\r\n"                          /* 11 */
        "$3\r\n1.5\r\n"                         /* 12 */
        "$2\r\n 1\r\n"                          /* 13 */
        "$20\r\n99999999999999999999\r\n";      /* 14 */

    if (!ngx_shop_unit_is_int(u, ngx_shop_unit_redis_parse(u, data,
                                         sizeof(data) - 1, &r, &error),
                              NGX_OK, "an array of all kinds"))
    {
        return;
    }

    ngx_shop_unit_is_int(u, ngx_shop_redis_text(r, 0, &text), NGX_OK, "text");
    ngx_shop_unit_is(u, &text, "7", "of a string");
    ngx_shop_unit_is_int(u, ngx_shop_redis_text(r, 1, &text), NGX_OK, "text");
    ngx_shop_unit_is(u, &text, "8", "of a status");
    ngx_shop_unit_is_int(u, ngx_shop_redis_text(r, 3, &text), NGX_DECLINED,
                         "nil is absent");

    for (i = 2; i < 6; i++) {
        if (i != 3) {
            ngx_shop_unit_is_int(u, ngx_shop_redis_text(r, i, &text),
                                 NGX_ERROR, "%ui is no text", i);
        }
    }

    ngx_shop_unit_is_int(u, ngx_shop_redis_text(r, 15, &text), NGX_ERROR,
                         "there is no 15th element");
    ngx_shop_unit_is_int(u, ngx_shop_redis_text(r->elts[0], 0, &text),
                         NGX_ERROR, "a string has no elements");
    ngx_shop_unit_is_int(u, ngx_shop_redis_text(NULL, 0, &text), NGX_ERROR,
                         "nor has what is not there");

    n = 0;

    ngx_shop_unit_is_int(u, ngx_shop_redis_number(r, 0, &n), NGX_OK, "7");
    ngx_shop_unit_is_int(u, n, 7, "of a string");
    ngx_shop_unit_is_int(u, ngx_shop_redis_number(r, 2, &n), NGX_OK, "9");
    ngx_shop_unit_is_int(u, n, 9, "of an integer");
    ngx_shop_unit_is_int(u, ngx_shop_redis_number(r, 3, &n), NGX_DECLINED,
                         "nil is absent");
    ngx_shop_unit_is_int(u, ngx_shop_redis_number(r, 6, &n), NGX_OK,
                         "the largest");
    ngx_shop_unit_is_int(u, n, INT64_MAX, "number");
    ngx_shop_unit_is_int(u, ngx_shop_redis_number(r, 8, &n), NGX_OK,
                         "a negative");
    ngx_shop_unit_is_int(u, n, -INT64_MAX, "number");

    for (i = 4; i < 15; i++) {
        if (i != 6 && i != 8) {
            ngx_shop_unit_is_int(u, ngx_shop_redis_number(r, i, &n),
                                 NGX_ERROR, "%ui is no number", i);
        }
    }

    r = r->elts[4];

    ngx_shop_unit_is_int(u, ngx_shop_redis_is_fault(r, "ERR"), 1,
                         "a fault by its code");
    ngx_shop_unit_is_int(u, ngx_shop_redis_is_fault(r, "ER"), 0,
                         "a part is no code");
    ngx_shop_unit_is_int(u, ngx_shop_redis_is_fault(r, "ERROR"), 0,
                         "nor is a longer one");
    ngx_shop_unit_is_int(u, ngx_shop_redis_is_fault(NULL, "ERR"), 0,
                         "no reply is no fault");
}


static void
ngx_shop_unit_redis_scripts(ngx_shop_unit_t *u)
{
    ngx_shop_redis_script_t  script;

    ngx_memzero(&script, sizeof(ngx_shop_redis_script_t));

    ngx_str_set(&script.name, "test");
    ngx_str_set(&script.text, "return 1");

    ngx_shop_unit_is_int(u, ngx_shop_redis_script_init(&script, u->log),
                         NGX_OK, "a digest");
    ngx_shop_unit_is(u, &script.sha1,
                     "e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
                     "as Redis computes it");
}
