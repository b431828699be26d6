
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Lets t/redis_*.t drive redis/ in a running nginx:
 *
 *     http {
 *         unit_redis URL [NAME=VALUE]...;  parameters as of "shop_redis", but
 *                                          password= and max_queue=
 *         ... location /ask { unit_redis_ask; }
 *     }
 *
 * A request to it asks Redis and answers with a line for each operation:
 *
 *     /ask?c=SET+a+1&c=GET+a       ok +OK "1"
 *     /ask?s=pair+1+key+arg        ok ["key" "arg"]        (a script)
 *     /ask?c=GET+%23&n=100         100 operations, "#" is their number
 *     /ask?c=GET+a&cancel=0        frees them before a byte is sent
 *     /ask?c=GET+a&cancel=20       frees what is out after 20 ms
 *     /ask?c=GET+a&n=9&free=1      the first callback frees all others
 *     /ask?c=GET+a&chain=3         each callback asks again, three times
 *     /ask?c=GET+a&forget=1        nobody waits for the answer
 *     /ask?state=1                 operations, failures, ready connections,
 *                                  and how many are over
 *
 * or "error REASON", "busy REASON"; "freed" and "forgotten" have no reason.
 */


#define NGX_SHOP_UNIT_ASK_WORDS     64
#define NGX_SHOP_UNIT_ASK_COMMANDS  64
#define NGX_SHOP_UNIT_ASK_OPS       20000


typedef struct {
    ngx_shop_redis_t        *redis;
} ngx_shop_unit_redis_ask_conf_t;


typedef struct {
    ngx_http_request_t      *request;
    ngx_shop_redis_t        *redis;
    ngx_shop_redis_op_t    **ops;           /* NULL: over */
    ngx_str_t               *lines;
    ngx_uint_t               n;
    ngx_uint_t               left;
    ngx_uint_t               chain;
    ngx_event_t              timer;

    unsigned                 cancel:1;
    unsigned                 free:1;
    unsigned                 forget:1;
    unsigned                 waiting:1;
} ngx_shop_unit_redis_ask_ctx_t;


static ngx_int_t ngx_shop_unit_redis_ask_handler(ngx_http_request_t *r);
static ngx_int_t ngx_shop_unit_redis_ask_state(ngx_http_request_t *r,
    ngx_shop_redis_t *redis);
static ngx_int_t ngx_shop_unit_redis_ask_start(
    ngx_shop_unit_redis_ask_ctx_t *ctx, ngx_uint_t i);
static ngx_int_t ngx_shop_unit_redis_ask_add(
    ngx_shop_unit_redis_ask_ctx_t *ctx, ngx_shop_redis_op_t *op,
    ngx_uint_t i, ngx_str_t *text, ngx_uint_t script);
static void ngx_shop_unit_redis_ask_over(ngx_shop_redis_op_t *op);
static void ngx_shop_unit_redis_ask_done(ngx_shop_redis_op_t *op);
static void ngx_shop_unit_redis_ask_timer(ngx_event_t *ev);
static void ngx_shop_unit_redis_ask_cancel(
    ngx_shop_unit_redis_ask_ctx_t *ctx);
static void ngx_shop_unit_redis_ask_cleanup(void *data);
static void ngx_shop_unit_redis_ask_finish(
    ngx_shop_unit_redis_ask_ctx_t *ctx);
static void ngx_shop_unit_redis_ask_line(ngx_shop_unit_redis_ask_ctx_t *ctx,
    ngx_uint_t i, ngx_int_t rc, ngx_shop_redis_op_t *op);
static u_char *ngx_shop_unit_redis_ask_print(u_char *p, u_char *last,
    ngx_shop_redis_reply_t *reply);
static ngx_int_t ngx_shop_unit_redis_ask_send(ngx_http_request_t *r,
    ngx_str_t *lines, ngx_uint_t n);
static void *ngx_shop_unit_redis_ask_create_conf(ngx_conf_t *cf);
static char *ngx_shop_unit_redis_ask_redis(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_shop_unit_redis_ask_ask(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_shop_unit_redis_ask_init(ngx_cycle_t *cycle);
static void ngx_shop_unit_redis_ask_exit(ngx_cycle_t *cycle);


static ngx_uint_t  ngx_shop_unit_redis_ask_nover;


static ngx_shop_redis_script_t  ngx_shop_unit_redis_ask_scripts[] = {

    { ngx_string("pair"),
      ngx_string("return { KEYS[1], ARGV[1] }"),
      ngx_null_string, { 0 } },

    { ngx_string("count"),
      ngx_string("return redis.call('INCRBY', KEYS[1], ARGV[1])"),
      ngx_null_string, { 0 } },

    { ngx_string("broken"),
      ngx_string("return ("),
      ngx_null_string, { 0 } },

    { ngx_null_string, ngx_null_string, ngx_null_string, { 0 } }
};


static ngx_command_t  ngx_shop_unit_redis_ask_commands[] = {

    { ngx_string("unit_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_shop_unit_redis_ask_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("unit_redis_ask"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_shop_unit_redis_ask_ask,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_shop_unit_redis_ask_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_shop_unit_redis_ask_create_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_shop_unit_redis_ask_module = {
    NGX_MODULE_V1,
    &ngx_shop_unit_redis_ask_module_ctx,   /* module context */
    ngx_shop_unit_redis_ask_commands,      /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_shop_unit_redis_ask_init,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_shop_unit_redis_ask_exit,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_shop_unit_redis_ask_handler(ngx_http_request_t *r)
{
    ngx_int_t                        n, cancel;
    ngx_str_t                        value;
    ngx_uint_t                       i;
    ngx_http_cleanup_t              *cln;
    ngx_shop_unit_redis_ask_ctx_t   *ctx;
    ngx_shop_unit_redis_ask_conf_t  *conf;

    conf = ngx_http_get_module_main_conf(r, ngx_shop_unit_redis_ask_module);

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_arg(r, (u_char *) "state", 5, &value) == NGX_OK) {
        return ngx_shop_unit_redis_ask_state(r, conf->redis);
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_shop_unit_redis_ask_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->redis = conf->redis;

    n = 1;
    cancel = NGX_ERROR;

    if (ngx_http_arg(r, (u_char *) "n", 1, &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);
    }

    if (ngx_http_arg(r, (u_char *) "cancel", 6, &value) == NGX_OK) {
        cancel = ngx_atoi(value.data, value.len);
    }

    if (ngx_http_arg(r, (u_char *) "chain", 5, &value) == NGX_OK) {
        ctx->chain = ngx_atoi(value.data, value.len);
    }

    ctx->free = ngx_http_arg(r, (u_char *) "free", 4, &value) == NGX_OK;
    ctx->forget = ngx_http_arg(r, (u_char *) "forget", 6, &value) == NGX_OK;

    if (n < 1 || n > NGX_SHOP_UNIT_ASK_OPS) {
        return NGX_HTTP_BAD_REQUEST;
    }

    ctx->n = n;
    ctx->ops = ngx_pcalloc(r->pool, n * sizeof(ngx_shop_redis_op_t *));
    ctx->lines = ngx_pcalloc(r->pool, n * sizeof(ngx_str_t));

    if (ctx->ops == NULL || ctx->lines == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_shop_unit_redis_ask_cleanup;
    cln->data = ctx;

    for (i = 0; i < ctx->n; i++) {
        if (ngx_shop_unit_redis_ask_start(ctx, i) != NGX_OK) {
            return NGX_HTTP_BAD_REQUEST;
        }
    }

    if (cancel == 0) {
        ngx_shop_unit_redis_ask_cancel(ctx);
    }

    if (ctx->left == 0) {
        return ngx_shop_unit_redis_ask_send(r, ctx->lines, ctx->n);
    }

    if (cancel > 0) {
        ctx->timer.handler = ngx_shop_unit_redis_ask_timer;
        ctx->timer.data = ctx;
        ctx->timer.log = r->connection->log;

        ngx_add_timer(&ctx->timer, cancel);
    }

    ctx->waiting = 1;

    r->read_event_handler = ngx_http_test_reading;
    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_shop_unit_redis_ask_state(ngx_http_request_t *r, ngx_shop_redis_t *redis)
{
    u_char                 *p;
    ngx_str_t               line;
    ngx_uint_t              i, ready, nodes, failures;
    ngx_queue_t            *q;
    ngx_shop_redis_node_t  *node;

    ready = 0;
    nodes = 0;
    failures = 0;

    for (q = ngx_queue_head(&redis->nodes);
         q != ngx_queue_sentinel(&redis->nodes);
         q = ngx_queue_next(q))
    {
        node = ngx_queue_data(q, ngx_shop_redis_node_t, queue);

        nodes++;
        failures += node->failures;

        for (i = 0; i < node->nconns; i++) {
            if (node->conns[i]->state == NGX_SHOP_REDIS_READY) {
                ready++;
            }
        }
    }

    p = ngx_pnalloc(r->pool, 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    line.data = p;

    p = ngx_sprintf(p, "ops=%ui failures=%ui ready=%ui over=%ui ",
                    redis->nops, failures, ready,
                    ngx_shop_unit_redis_ask_nover);

    if (redis->topology) {
        p = ngx_sprintf(p, "nodes=%ui retired=%ui subscribed=%ui ", nodes,
                        (ngx_uint_t) !ngx_queue_empty(&redis->retired),
                        (ngx_uint_t) redis->topology->subscribed);
    }

    p = ngx_cpymem(p, "seed=", 5);
    p = ngx_hex_dump(p, redis->seed, sizeof(redis->seed));
    *p++ = LF;

    line.len = p - line.data;

    return ngx_shop_unit_redis_ask_send(r, &line, 1);
}


static ngx_int_t
ngx_shop_unit_redis_ask_start(ngx_shop_unit_redis_ask_ctx_t *ctx,
    ngx_uint_t i)
{
    ngx_int_t             rc;
    ngx_str_t             name, value;
    ngx_shop_query_t      query;
    ngx_http_request_t   *r;
    ngx_shop_redis_op_t  *op;

    r = ctx->request;

    op = ngx_shop_redis_create(ctx->redis, NGX_SHOP_UNIT_ASK_COMMANDS,
                               r->connection->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    ngx_shop_query_init(&query, &r->args);

    while (ngx_shop_query_next(&query, &name, &value) == NGX_OK) {

        if (name.len != 1 || (name.data[0] != 'c' && name.data[0] != 's')) {
            continue;
        }

        if (ngx_shop_unit_redis_ask_add(ctx, op, i, &value,
                                        name.data[0] == 's')
            != NGX_OK)
        {
            ngx_shop_redis_free(op);
            return NGX_ERROR;
        }
    }

    if (!ctx->forget) {
        op->handler = ngx_shop_unit_redis_ask_done;
        op->data = ctx;
    }

    op->over = ngx_shop_unit_redis_ask_over;

    rc = ngx_shop_redis_submit(op);

    if (ctx->forget) {
        ngx_str_set(&ctx->lines[i], "forgotten\n");
        return NGX_OK;
    }

    if (rc == NGX_AGAIN) {
        ctx->ops[i] = op;
        ctx->left++;
        return NGX_OK;
    }

    ngx_shop_unit_redis_ask_line(ctx, i, rc, op);
    ngx_shop_redis_free(op);

    return NGX_OK;
}


static ngx_int_t
ngx_shop_unit_redis_ask_add(ngx_shop_unit_redis_ask_ctx_t *ctx,
    ngx_shop_redis_op_t *op, ngx_uint_t i, ngx_str_t *text,
    ngx_uint_t script)
{
    u_char                   *p, *last, *end;
    ngx_int_t                 nkeys;
    ngx_str_t                 word;
    ngx_uint_t                n;
    ngx_shop_redis_script_t  *s;
    ngx_str_t                 words[NGX_SHOP_UNIT_ASK_WORDS];

    p = text->data;
    last = p + text->len;
    n = 0;

    for ( ;; ) {
        end = ngx_strlchr(p, last, '+');
        if (end == NULL) {
            end = last;
        }

        if (n == NGX_SHOP_UNIT_ASK_WORDS) {
            return NGX_ERROR;
        }

        word.data = p;
        word.len = end - p;

        if (ngx_shop_unescape_form(op->pool, &word, &words[n]) != NGX_OK) {
            return NGX_ERROR;
        }

        if (words[n].len == 1 && words[n].data[0] == '#') {
            words[n].data = ngx_pnalloc(op->pool, NGX_INT_T_LEN);
            if (words[n].data == NULL) {
                return NGX_ERROR;
            }

            words[n].len = ngx_sprintf(words[n].data, "%ui", i)
                           - words[n].data;
        }

        /* a word of many bytes: "*1000000" */

        if (words[n].len > 1 && words[n].data[0] == '*') {
            nkeys = ngx_atoi(words[n].data + 1, words[n].len - 1);

            if (nkeys > 0) {
                words[n].data = ngx_palloc(op->pool, nkeys);
                if (words[n].data == NULL) {
                    return NGX_ERROR;
                }

                ngx_memset(words[n].data, 'x', nkeys);
                words[n].len = nkeys;
            }
        }

        n++;

        if (end == last) {
            break;
        }

        p = end + 1;
    }

    if (!script) {
        return ngx_shop_redis_add(op, n, words);
    }

    if (n < 2) {
        return NGX_ERROR;
    }

    nkeys = ngx_atoi(words[1].data, words[1].len);

    if (nkeys < 0 || (ngx_uint_t) nkeys > n - 2) {
        return NGX_ERROR;
    }

    for (s = ngx_shop_unit_redis_ask_scripts; s->name.len; s++) {

        if (s->name.len == words[0].len
            && ngx_strncmp(s->name.data, words[0].data, s->name.len) == 0)
        {
            return ngx_shop_redis_add_script(op, s, nkeys, &words[2],
                                             n - 2 - nkeys,
                                             &words[2 + nkeys]);
        }
    }

    return NGX_ERROR;
}


static void
ngx_shop_unit_redis_ask_over(ngx_shop_redis_op_t *op)
{
    if (op->over_data) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "an operation was over twice");
    }

    op->over_data = op;

    ngx_shop_unit_redis_ask_nover++;
}


static void
ngx_shop_unit_redis_ask_done(ngx_shop_redis_op_t *op)
{
    ngx_uint_t                      i;
    ngx_shop_unit_redis_ask_ctx_t  *ctx;

    ctx = op->data;

    for (i = 0; i < ctx->n && ctx->ops[i] != op; i++) { /* void */ }

    if (i == ctx->n || !ctx->waiting) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "callback of an operation that was not out");
        return;
    }

    if (op->over_data == NULL) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "callback of an operation that was not over");
    }

    ngx_shop_unit_redis_ask_line(ctx, i, op->rc, op);

    ctx->ops[i] = NULL;
    ctx->left--;

    ngx_shop_redis_free(op);

    if (ctx->chain) {
        ctx->chain--;
        (void) ngx_shop_unit_redis_ask_start(ctx, i);
    }

    if (ctx->free) {
        ctx->free = 0;
        ngx_shop_unit_redis_ask_cancel(ctx);
    }

    if (ctx->left == 0) {
        ngx_shop_unit_redis_ask_finish(ctx);
    }
}


static void
ngx_shop_unit_redis_ask_timer(ngx_event_t *ev)
{
    ngx_shop_unit_redis_ask_ctx_t  *ctx;

    ctx = ev->data;

    ngx_shop_unit_redis_ask_cancel(ctx);
    ngx_shop_unit_redis_ask_finish(ctx);
}


static void
ngx_shop_unit_redis_ask_cancel(ngx_shop_unit_redis_ask_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->n; i++) {

        if (ctx->ops[i]) {
            ngx_shop_redis_free(ctx->ops[i]);
            ctx->ops[i] = NULL;
            ctx->left--;

            ngx_str_set(&ctx->lines[i], "freed\n");
        }
    }
}


static void
ngx_shop_unit_redis_ask_cleanup(void *data)
{
    ngx_shop_unit_redis_ask_ctx_t *ctx = data;

    ngx_shop_unit_redis_ask_cancel(ctx);

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }
}


static void
ngx_shop_unit_redis_ask_finish(ngx_shop_unit_redis_ask_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (ctx->timer.timer_set) {
        ngx_del_timer(&ctx->timer);
    }

    rc = ngx_shop_unit_redis_ask_send(r, ctx->lines, ctx->n);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_shop_unit_redis_ask_line(ngx_shop_unit_redis_ask_ctx_t *ctx,
    ngx_uint_t i, ngx_int_t rc, ngx_shop_redis_op_t *op)
{
    u_char      *p, *last;
    ngx_str_t   *line;
    ngx_uint_t   n;
    u_char       buf[4096];

    p = buf;
    last = buf + sizeof(buf) - 1;

    if (rc == NGX_OK) {
        p = ngx_slprintf(p, last, "ok");

        for (n = 0; n < op->ncommands; n++) {
            p = ngx_slprintf(p, last, " ");
            p = ngx_shop_unit_redis_ask_print(p, last, op->replies[n]);
        }

    } else {
        p = ngx_slprintf(p, last, "%s %s", rc == NGX_BUSY ? "busy" : "error",
                         op->reason);
    }

    *p++ = LF;

    line = &ctx->lines[i];

    line->data = ngx_pnalloc(ctx->request->pool, p - buf);
    if (line->data == NULL) {
        line->len = 0;
        return;
    }

    ngx_memcpy(line->data, buf, p - buf);
    line->len = p - buf;
}


static u_char *
ngx_shop_unit_redis_ask_print(u_char *p, u_char *last,
    ngx_shop_redis_reply_t *reply)
{
    ngx_uint_t  i;

    switch (reply->type) {

    case NGX_SHOP_REDIS_NIL:
        return ngx_slprintf(p, last, "nil");

    case NGX_SHOP_REDIS_STATUS:
        return ngx_slprintf(p, last, "+%V", &reply->str);

    case NGX_SHOP_REDIS_FAULT:
        return ngx_slprintf(p, last, "-%V", &reply->str);

    case NGX_SHOP_REDIS_INTEGER:
        return ngx_slprintf(p, last, ":%L", reply->integer);

    case NGX_SHOP_REDIS_STRING:
        return (reply->str.len > 100)
               ? ngx_slprintf(p, last, "(%uz bytes)", reply->str.len)
               : ngx_slprintf(p, last, "\"%V\"", &reply->str);

    case NGX_SHOP_REDIS_ARRAY:
        p = ngx_slprintf(p, last, "[");

        for (i = 0; i < reply->nelts; i++) {

            if (i) {
                p = ngx_slprintf(p, last, " ");
            }

            p = ngx_shop_unit_redis_ask_print(p, last, reply->elts[i]);
        }

        return ngx_slprintf(p, last, "]");
    }

    return p;
}


static ngx_int_t
ngx_shop_unit_redis_ask_send(ngx_http_request_t *r, ngx_str_t *lines,
    ngx_uint_t n)
{
    size_t        len;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_uint_t    i;
    ngx_chain_t   out;

    len = 0;

    for (i = 0; i < n; i++) {
        len += lines[i].len;
    }

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < n; i++) {
        b->last = ngx_cpymem(b->last, lines[i].data, lines[i].len);
    }

    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = len;
    ngx_str_set(&r->headers_out.content_type, "text/plain");

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}


static void *
ngx_shop_unit_redis_ask_create_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_shop_unit_redis_ask_conf_t));
}


static char *
ngx_shop_unit_redis_ask_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_shop_unit_redis_ask_conf_t *ask = conf;

    char              *text;
    size_t             len;
    u_char            *p;
    ngx_str_t         *value;
    ngx_int_t          n;
    ngx_uint_t         i;
    ngx_shop_redis_t  *redis;

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_shop_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->connections = 2;
    redis->timeout = 500;
    redis->partitions = 64;
    redis->max_queue = 4096;
    redis->peer.connect_timeout = 500;
    redis->peer.resolver_timeout = 1000;
    ngx_str_set(&redis->prefix, "shop:");

    value = cf->args->elts;

    text = ngx_shop_redis_url(cf, redis, &value[1]);

    if (text != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", &value[1],
                           text);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "redis", 5) == 0) {

            text = ngx_shop_redis_url_more(cf, redis, &value[i]);
            if (text != NGX_CONF_OK) {
                return text;
            }

            continue;
        }

        if (ngx_strcmp(value[i].data, "cluster") == 0) {
            redis->mode = NGX_SHOP_REDIS_CLUSTER;
            continue;
        }

        p = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');
        if (p == NULL) {
            return "has a parameter without \"=\"";
        }

        len = p++ - value[i].data;
        n = ngx_atoi(p, value[i].data + value[i].len - p);

        if (ngx_strncmp(value[i].data, "connections=", len + 1) == 0) {
            redis->connections = n;

        } else if (ngx_strncmp(value[i].data, "timeout=", len + 1) == 0) {
            redis->timeout = n;

        } else if (ngx_strncmp(value[i].data, "connect_timeout=", len + 1)
                   == 0)
        {
            redis->peer.connect_timeout = n;

        } else if (ngx_strncmp(value[i].data, "partitions=", len + 1) == 0) {
            redis->partitions = n;

        } else if (ngx_strncmp(value[i].data, "max_queue=", len + 1) == 0) {
            redis->max_queue = n;

        } else {
            value[i].data[value[i].len] = '\0';
            value[i].len -= len + 1;

            if (ngx_strncmp(value[i].data, "user=", len + 1) == 0) {
                redis->user.data = p;
                redis->user.len = value[i].len;

            } else if (ngx_strncmp(value[i].data, "password=", len + 1)
                       == 0)
            {
                redis->password.data = p;
                redis->password.len = value[i].len;

            } else if (ngx_strncmp(value[i].data, "sentinel=", len + 1)
                       == 0)
            {
                redis->mode = NGX_SHOP_REDIS_SENTINEL;
                redis->master.data = p;
                redis->master.len = value[i].len;

            } else if (ngx_strncmp(value[i].data, "ca=", len + 1) == 0) {
                redis->ca.data = p;
                redis->ca.len = value[i].len;

            } else if (ngx_strncmp(value[i].data, "cert=", len + 1) == 0) {
                redis->cert.data = p;
                redis->cert.len = value[i].len;

            } else if (ngx_strncmp(value[i].data, "key=", len + 1) == 0) {
                redis->key.data = p;
                redis->key.len = value[i].len;

            } else if (ngx_strncmp(value[i].data, "prefix=", len + 1) == 0) {
                redis->prefix.data = p;
                redis->prefix.len = value[i].len;

            } else {
                return "has an unknown parameter";
            }
        }
    }

    ask->redis = redis;

    return ngx_shop_redis_conf(cf, redis);
}


static char *
ngx_shop_unit_redis_ask_ask(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_shop_unit_redis_ask_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_shop_unit_redis_ask_init(ngx_cycle_t *cycle)
{
    ngx_shop_unit_redis_ask_conf_t  *ask;

    ask = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_shop_unit_redis_ask_module);

    if (ask == NULL || ask->redis == NULL) {
        return NGX_OK;
    }

    return ngx_shop_redis_init(ask->redis, cycle);
}


static void
ngx_shop_unit_redis_ask_exit(ngx_cycle_t *cycle)
{
    ngx_shop_unit_redis_ask_conf_t  *ask;

    ask = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_shop_unit_redis_ask_module);

    if (ask && ask->redis) {
        ngx_shop_redis_exit(ask->redis);
    }
}
