
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "redis/ngx_shop_redis_internal.h"

#include "ngx_shop_unit.h"


/* what servers say about servers, true and false */


static ngx_shop_redis_reply_t *ngx_shop_unit_topology_reply(
    ngx_shop_unit_t *u, ngx_str_t *text);
static void ngx_shop_unit_topology_slot(ngx_shop_unit_t *u);
static void ngx_shop_unit_topology_redirect(ngx_shop_unit_t *u);
static void ngx_shop_unit_topology_addr(ngx_shop_unit_t *u);
static void ngx_shop_unit_topology_slots(ngx_shop_unit_t *u);
static void ngx_shop_unit_topology_bad_slots(ngx_shop_unit_t *u);
static void ngx_shop_unit_topology_mutations(ngx_shop_unit_t *u);
static void ngx_shop_unit_topology_switch(ngx_shop_unit_t *u);


#define NGX_SHOP_UNIT_TOPOLOGY_MAP                                            \
    "*3\r\n"                                                                  \
    "*3\r\n:0\r\n:5460\r\n*2\r\n$9\r\n127.0.0.1\r\n:7000\r\n"                 \
    "*4\r\n:5461\r\n:5461\r\n*3\r\n$3\r\n::1\r\n:7001\r\n$2\r\nid\r\n"        \
    "*2\r\n$9\r\n127.0.0.1\r\n:7004\r\n"                                      \
    "*3\r\n:5462\r\n:16383\r\n*2\r\n$-1\r\n:7002\r\n"


ngx_shop_unit_test_t  ngx_shop_unit_topology_tests[] = {
    { "hash slots", ngx_shop_unit_topology_slot },
    { "redirections", ngx_shop_unit_topology_redirect },
    { "addresses", ngx_shop_unit_topology_addr },
    { "maps", ngx_shop_unit_topology_slots },
    { "bad maps", ngx_shop_unit_topology_bad_slots },
    { "mutations of a map", ngx_shop_unit_topology_mutations },
    { "switches", ngx_shop_unit_topology_switch },
    { NULL, NULL }
};


/* NULL: not a whole reply */

static ngx_shop_redis_reply_t *
ngx_shop_unit_topology_reply(ngx_shop_unit_t *u, ngx_str_t *text)
{
    ngx_int_t                 rc;
    ngx_shop_redis_reply_t   *reply;
    ngx_shop_redis_reader_t  *reader;

    reader = ngx_shop_redis_reader_create();
    if (reader == NULL) {
        return NULL;
    }

    rc = ngx_shop_redis_reader_feed(reader, text->data, text->len);

    if (rc != NGX_OK
        || ngx_shop_redis_reader_next(reader, u->pool, &reply) != NGX_OK)
    {
        reply = NULL;
    }

    ngx_shop_redis_reader_free(reader);

    return reply;
}


static void
ngx_shop_unit_topology_slot(ngx_shop_unit_t *u)
{
    ngx_str_t   key;
    ngx_uint_t  i;

    static struct {
        const char  *key;
        ngx_uint_t   slot;
    } keys[] = {
        { "123456789", 12739 },
        { "foo", 12182 },
        { "{foo}bar", 12182 },
        { "x{foo}{bar}", 12182 },
        { "", 0 },
        { "{}foo", 9500 },
        { "{foo", 13308 },
        { NULL, 0 }
    };

    for (i = 0; keys[i].key; i++) {
        key.data = (u_char *) keys[i].key;
        key.len = ngx_strlen(keys[i].key);

        ngx_shop_unit_is_int(u, ngx_shop_redis_slot(&key), keys[i].slot,
                             "slot of \"%V\"", &key);
    }
}


static void
ngx_shop_unit_topology_redirect(ngx_shop_unit_t *u)
{
    ngx_uint_t                  i;
    ngx_shop_redis_reply_t      reply;
    ngx_shop_redis_redirect_t   redirect;

    static struct {
        const char                 *text;
        ngx_shop_redis_redirect_e   kind;
        ngx_uint_t                  slot;
        const char                 *host;
        ngx_uint_t                  port;
    } faults[] = {
        { "MOVED 3999 127.0.0.1:6381", NGX_SHOP_REDIS_MOVED, 3999,
          "127.0.0.1", 6381 },
        { "MOVED 0 node-1.example:1", NGX_SHOP_REDIS_MOVED, 0,
          "node-1.example", 1 },
        { "MOVED 16383 ::1:65535", NGX_SHOP_REDIS_MOVED, 16383, "::1",
          65535 },
        { "MOVED 3999 :6381", NGX_SHOP_REDIS_MOVED, 3999, "", 6381 },
        { "ASK 3999 127.0.0.1:6381", NGX_SHOP_REDIS_ASK, 3999, "127.0.0.1",
          6381 },
        { "TRYAGAIN Multiple keys", NGX_SHOP_REDIS_TRYAGAIN, 0, NULL, 0 },
        { "CLUSTERDOWN Hash slot not served", NGX_SHOP_REDIS_LOST, 0, NULL,
          0 },
        { "LOADING Redis is loading", NGX_SHOP_REDIS_LOST, 0, NULL, 0 },
        { "MASTERDOWN Link", NGX_SHOP_REDIS_LOST, 0, NULL, 0 },
        { "READONLY You can't write", NGX_SHOP_REDIS_LOST, 0, NULL, 0 },

        /* of a script, before Redis 7 */

        { "ERR Error running script (call to f_0): @user_script:1: "
          "@user_script: 1: -READONLY You can't write",
          NGX_SHOP_REDIS_LOST, 0, NULL, 0 },
        { "ERR not READONLY ", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },

        { "ERR unknown", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "OOM command", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED ", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 ", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a:", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a:0", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a:65536", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a:99999999999999999999", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a:-1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 16384 a:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED -1 a:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED x a:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED  1 a:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a:1 b", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 ?:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a/b:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED 1 a\nb:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { "MOVED1 1 a:1", NGX_SHOP_REDIS_STAY, 0, NULL, 0 },
        { NULL, NGX_SHOP_REDIS_STAY, 0, NULL, 0 }
    };

    ngx_memzero(&reply, sizeof(ngx_shop_redis_reply_t));

    for (i = 0; faults[i].text; i++) {

        reply.type = NGX_SHOP_REDIS_FAULT;
        reply.str.data = (u_char *) faults[i].text;
        reply.str.len = ngx_strlen(faults[i].text);

        ngx_shop_unit_is_int(u, ngx_shop_redis_redirect(&reply, &redirect),
                             faults[i].kind, "\"%V\"", &reply.str);

        if (faults[i].host) {
            ngx_shop_unit_is_int(u, redirect.slot, faults[i].slot, "slot");
            ngx_shop_unit_is_int(u, redirect.addr.port, faults[i].port,
                                 "port");
            ngx_shop_unit_is(u, &redirect.addr.host, faults[i].host, "host");
        }
    }

    reply.type = NGX_SHOP_REDIS_STRING;
    reply.str = *ngx_shop_unit_str("MOVED 1 a:1");

    ngx_shop_unit_is_int(u, ngx_shop_redis_redirect(&reply, &redirect),
                         NGX_SHOP_REDIS_STAY, "a value that looks like one");
    ngx_shop_unit_is_int(u, ngx_shop_redis_redirect(NULL, &redirect),
                         NGX_SHOP_REDIS_STAY, "no reply");
}


static void
ngx_shop_unit_topology_addr(ngx_shop_unit_t *u)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_shop_redis_addr_t    addr;
    ngx_shop_redis_reply_t  *reply;

    static const char  *bad[] = {
        "*-1\r\n",
        "$1\r\na\r\n",
        ":1\r\n",
        "*0\r\n",
        "*1\r\n$1\r\na\r\n",
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*2\r\n$1\r\na\r\n:0\r\n",
        "*2\r\n$1\r\na\r\n:65536\r\n",
        "*2\r\n$1\r\na\r\n:-1\r\n",
        "*2\r\n$1\r\na\r\n:9223372036854775807\r\n",
        "*2\r\n$1\r\na\r\n$-1\r\n",
        "*2\r\n:1\r\n:1\r\n",
        "*2\r\n*0\r\n:1\r\n",
        "*2\r\n$1\r\n/\r\n:1\r\n",
        "*2\r\n$1\r\n \r\n:1\r\n",
        "*2\r\n-ERR\r\n:1\r\n",
        NULL
    };

    text = *ngx_shop_unit_str("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n");
    reply = ngx_shop_unit_topology_reply(u, &text);

    ngx_shop_unit_is_int(u, ngx_shop_redis_addr_parse(reply, &addr), NGX_OK,
                         "the answer of a sentinel");
    ngx_shop_unit_is(u, &addr.host, "127.0.0.1", "its host");
    ngx_shop_unit_is_int(u, addr.port, 6379, "its port");

    for (i = 0; bad[i]; i++) {
        text.data = (u_char *) bad[i];
        text.len = ngx_strlen(bad[i]);

        reply = ngx_shop_unit_topology_reply(u, &text);

        ngx_shop_unit_is_int(u, ngx_shop_redis_addr_parse(reply, &addr),
                             NGX_ERROR, "bad address %ui", i);
    }
}


static void
ngx_shop_unit_topology_slots(ngx_shop_unit_t *u)
{
    ngx_array_t              ranges;
    ngx_shop_redis_range_t  *range;
    ngx_shop_redis_reply_t  *reply;

    reply = ngx_shop_unit_topology_reply(u,
                              ngx_shop_unit_str(NGX_SHOP_UNIT_TOPOLOGY_MAP));

    (void) ngx_array_init(&ranges, u->pool, 1,
                          sizeof(ngx_shop_redis_range_t));

    ngx_shop_unit_is_int(u, ngx_shop_redis_slots_parse(reply, &ranges),
                         NGX_OK, "a map");

    if (!ngx_shop_unit_ok(u, ranges.nelts == 3, "has three ranges")) {
        return;
    }

    range = ranges.elts;

    ngx_shop_unit_is_int(u, range[0].first, 0, "first slot");
    ngx_shop_unit_is_int(u, range[0].last, 5460, "last slot");
    ngx_shop_unit_is(u, &range[0].addr.host, "127.0.0.1", "primary");
    ngx_shop_unit_is_int(u, range[1].addr.port, 7001, "not its replica");
    ngx_shop_unit_is(u, &range[1].addr.host, "::1", "IPv6");
    ngx_shop_unit_is_int(u, range[2].addr.host.len, 0, "an unknown host");
    ngx_shop_unit_is_int(u, range[2].last, 16383, "the last of all");
}


static void
ngx_shop_unit_topology_bad_slots(ngx_shop_unit_t *u)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_array_t              ranges;
    ngx_shop_redis_reply_t  *reply;

    static const char  *bad[] = {
        "-ERR This instance has cluster support disabled\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*0\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\nx\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:9223372036854775807\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n \r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
        NULL
    };

    for (i = 0; bad[i]; i++) {
        text.data = (u_char *) bad[i];
        text.len = ngx_strlen(bad[i]);

        (void) ngx_array_init(&ranges, u->pool, 1,
                              sizeof(ngx_shop_redis_range_t));

        reply = ngx_shop_unit_topology_reply(u, &text);

        ngx_shop_unit_is_int(u, ngx_shop_redis_slots_parse(reply, &ranges),
                             NGX_ERROR, "bad map %ui", i);
    }
}


/* whatever a byte of it becomes, what is taken is within bounds */

static void
ngx_shop_unit_topology_mutations(ngx_shop_unit_t *u)
{
    ngx_str_t                text;
    ngx_uint_t               i, n, k, taken, wrong;
    ngx_array_t              ranges;
    ngx_shop_redis_range_t  *range;
    ngx_shop_redis_reply_t  *reply;
    u_char                   map[sizeof(NGX_SHOP_UNIT_TOPOLOGY_MAP)];

    static const u_char  bytes[] = "0159-:$*+\r\n \0\377az.";

    ngx_memcpy(map, NGX_SHOP_UNIT_TOPOLOGY_MAP, sizeof(map));

    text.data = map;
    text.len = sizeof(map) - 1;

    taken = 0;
    wrong = 0;

    for (i = 0; i < text.len; i++) {

        for (n = 0; n < sizeof(bytes) - 1; n++) {

            map[i] = bytes[n];
            reply = ngx_shop_unit_topology_reply(u, &text);
            map[i] = (u_char) NGX_SHOP_UNIT_TOPOLOGY_MAP[i];

            (void) ngx_array_init(&ranges, u->pool, 1,
                                  sizeof(ngx_shop_redis_range_t));

            if (ngx_shop_redis_slots_parse(reply, &ranges) != NGX_OK) {
                continue;
            }

            taken++;
            range = ranges.elts;

            for (k = 0; k < ranges.nelts; k++) {
                if (range[k].last >= NGX_SHOP_REDIS_SLOTS
                    || range[k].first > range[k].last
                    || range[k].addr.port == 0
                    || range[k].addr.host.len > NGX_SHOP_REDIS_HOST_MAX)
                {
                    wrong++;
                }
            }
        }
    }

    ngx_shop_unit_ok(u, taken > 100, "some are maps: %ui", taken);
    ngx_shop_unit_is_int(u, wrong, 0, "none of them is out of bounds");
}


static void
ngx_shop_unit_topology_switch(ngx_shop_unit_t *u)
{
    ngx_str_t   text, name;
    ngx_uint_t  i;

    static struct {
        const char  *text;
        ngx_uint_t   is;
    } said[] = {
        { "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$12\r\nmain a 1 b 2\r\n", 1 },
        { "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nmain \r\n", 1 },
        { "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\nmain\r\n", 0 },
        { "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$13\r\nmain2 a 1 b 2\r\n", 0 },
        { "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$-1\r\n", 0 },
        { "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", 0 },
        { "*2\r\n$4\r\npong\r\n$0\r\n\r\n", 0 },
        { "*1\r\n$7\r\nmessage\r\n", 0 },
        { "+PONG\r\n", 0 },
        { "$-1\r\n", 0 },
        { "*0\r\n", 0 },
        { NULL, 0 }
    };

    ngx_str_set(&name, "main");

    for (i = 0; said[i].text; i++) {
        text.data = (u_char *) said[i].text;
        text.len = ngx_strlen(said[i].text);

        ngx_shop_unit_is_int(u,
                             ngx_shop_redis_switch_is(
                                     ngx_shop_unit_topology_reply(u, &text),
                                     &name),
                             said[i].is, "message %ui", i);
    }
}
