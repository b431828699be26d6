
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_status.h"


/*
 * "shop_status": what the workers of this nginx have counted together.
 *
 * A figure is a line of ngx_http_shop_figures[], from which both formats are
 * made:
 *
 *     { "redis_node", "errors", "kind", "timeout", ... }
 *
 *     {"redis": {"nodes": [{"errors_timeout": 3, ...
 *
 *     ngx_shop_redis_node_errors_total{node="...",kind="timeout"} 3
 *
 * JSON has all figures of a node together, Prometheus all nodes of a figure,
 * so the values are collected first.  Times are counted in microseconds, and
 * shown in seconds with six decimals.
 */


/* behind the counters of a node */

#define NGX_HTTP_SHOP_CONNECTIONS  NGX_SHOP_FIGURES_COUNTERS
#define NGX_HTTP_SHOP_BREAKER      (NGX_HTTP_SHOP_CONNECTIONS + 1)
#define NGX_HTTP_SHOP_NNODE        (NGX_HTTP_SHOP_BREAKER                     \
                                    + NGX_SHOP_FIGURES_STATES)

#define NGX_HTTP_SHOP_NULL         ((uint64_t) -1)  /* a value */
#define NGX_HTTP_SHOP_BLOCK_SIZE   128              /* of the zone */

/* what a figure takes as text, without its address */

#define NGX_HTTP_SHOP_FIGURE_LEN   512


typedef struct {
    const char  *section;
    const char  *name;
    const char  *label;         /* NULL: none */
    const char  *kind;          /* value of the label */
    const char  *help;
    ngx_uint_t   value;

    unsigned     counter:1;     /* only goes up */
    unsigned     micro:1;       /* millionths */
} ngx_http_shop_figure_t;


typedef struct {
    ngx_str_t    address;       /* escaped */
    uint64_t     values[NGX_HTTP_SHOP_NNODE];
} ngx_http_shop_status_node_t;


static ngx_int_t ngx_http_shop_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_shop_status_answer(ngx_http_request_t *r,
    ngx_array_t *shown);
static ngx_int_t ngx_http_shop_status_collect(ngx_http_request_t *r,
    ngx_http_shop_status_t *status);
static ngx_int_t ngx_http_shop_status_program(ngx_pool_t *pool,
    ngx_shop_live_t *live, ngx_http_shop_status_t *status);
static ngx_int_t ngx_http_shop_status_node(ngx_pool_t *pool,
    ngx_http_shop_status_t *status, ngx_shop_figures_sum_t *sum);

static void ngx_http_shop_status_json(ngx_http_shop_status_t *status);
static void ngx_http_shop_status_json_program(
    ngx_http_shop_status_t *status);
static void ngx_http_shop_status_json_section(ngx_http_shop_status_t *status,
    const char *section, uint64_t *values);
static void ngx_http_shop_status_json_node(ngx_http_shop_status_t *status,
    ngx_http_shop_status_node_t *node);

static void ngx_http_shop_status_prometheus(ngx_http_shop_status_t *status);
static void ngx_http_shop_status_sample(ngx_http_shop_status_t *status,
    ngx_http_shop_figure_t *figure, ngx_str_t *node, uint64_t value);
static void ngx_http_shop_status_histogram(ngx_http_shop_status_t *status);

static void ngx_http_shop_status_value(ngx_http_shop_status_t *status,
    ngx_uint_t micro, uint64_t value);


#define ngx_http_shop_counter(section, name, value, help)                     \
    { section, name, NULL, NULL, help, value, 1, 0 }

#define ngx_http_shop_counter_of(section, name, label, kind, value, help)     \
    { section, name, label, kind, help, value, 1, 0 }

#define ngx_http_shop_gauge(section, name, value, help)                       \
    { section, name, NULL, NULL, help, value, 0, 0 }

#define ngx_http_shop_gauge_of(section, name, label, kind, value, help)       \
    { section, name, label, kind, help, value, 0, 0 }

#define ngx_http_shop_micro(section, name, value, help)                       \
    { section, name, NULL, NULL, help, value, 0, 1 }

/* of those who are told what becomes of an event, "dropped" is none */

#define ngx_http_shop_ends(name, first, help)                                 \
    ngx_http_shop_counter_of("events", name, "status", "booked",              \
                             (first) + NGX_SHOP_REDIS_EVENT_BOOKED, help),    \
    ngx_http_shop_counter_of("events", name, "status", "duplicate",           \
                             (first) + NGX_SHOP_REDIS_EVENT_DUPLICATE, NULL), \
    ngx_http_shop_counter_of("events", name, "status", "kept",                \
                             (first) + NGX_SHOP_REDIS_EVENT_KEPT, NULL),      \
    ngx_http_shop_counter_of("events", name, "status", "refused",             \
                             (first) + NGX_SHOP_REDIS_EVENT_REFUSED, NULL)


/* those with a label stand together */

static ngx_http_shop_figure_t  ngx_http_shop_figures[] = {

    ngx_http_shop_counter("cache", "hits", NGX_HTTP_SHOP_HITS,
                          "Requests answered from memory"),
    ngx_http_shop_counter("cache", "misses", NGX_HTTP_SHOP_MISSES,
                          "Requests that had to ask Redis"),
    ngx_http_shop_counter("cache", "stale", NGX_HTTP_SHOP_STALE,
                          "Requests answered from memory while Redis could "
                          "not be asked"),
    ngx_http_shop_counter("cache", "negative", NGX_HTTP_SHOP_NEGATIVE,
                          "Hits that said that there is no such session"),
    ngx_http_shop_counter("cache", "evictions", NGX_HTTP_SHOP_EVICTIONS,
                          "Records thrown out of a full zone"),
    ngx_http_shop_counter("cache", "invalidations",
                          NGX_HTTP_SHOP_INVALIDATIONS,
                          "Changes of sessions and customers heard of"),
    ngx_http_shop_gauge("cache", "used_bytes", NGX_HTTP_SHOP_USED,
                        "Memory of the zone in use"),
    ngx_http_shop_gauge("cache", "size_bytes", NGX_HTTP_SHOP_SIZE,
                        "Memory of the zone that records can use"),
    ngx_http_shop_micro("cache", "fill_ratio", NGX_HTTP_SHOP_FILL,
                        "Share of that memory in use"),

    ngx_http_shop_gauge("channel", "wanted", NGX_HTTP_SHOP_WANTED,
                        "Servers that are to tell of changes"),
    ngx_http_shop_gauge("channel", "alive", NGX_HTTP_SHOP_ALIVE,
                        "Servers that do tell of changes"),
    ngx_http_shop_micro("channel", "lag_seconds", NGX_HTTP_SHOP_LAG,
                        "Time since it was proven that Redis tells of "
                        "changes"),
    ngx_http_shop_counter("channel", "rearms", NGX_HTTP_SHOP_REARMS,
                          "How often the channel was set up again"),

    ngx_http_shop_gauge("redis", "schema", NGX_HTTP_SHOP_SCHEMA,
                        "Schema in shop:meta, 0 until it was read"),
    ngx_http_shop_gauge("redis", "schema_known", NGX_HTTP_SHOP_SCHEMA_KNOWN,
                        "Newest schema that this version writes"),
    ngx_http_shop_counter_of("redis", "errors", "kind", "busy",
                             NGX_HTTP_SHOP_BUSY,
                             "Operations that got to no server"),
    ngx_http_shop_counter_of("redis", "errors", "kind", "unrouted",
                             NGX_HTTP_SHOP_UNROUTED, NULL),
    ngx_http_shop_counter_of("redis", "errors", "kind", "schema",
                             NGX_HTTP_SHOP_REFUSED, NULL),

    ngx_http_shop_counter("due", "settled", NGX_HTTP_SHOP_SETTLED,
                          "Customers for whom time changed something"),
    ngx_http_shop_gauge("due", "lag_seconds", NGX_HTTP_SHOP_DUE_LAG,
                        "How late the last of them were"),

    ngx_http_shop_gauge("program", "promotions", NGX_HTTP_SHOP_PROMOTIONS,
                        "Promotions in force"),
    ngx_http_shop_gauge("program", "segments", NGX_HTTP_SHOP_SEGMENTS,
                        "Segments in force"),
    ngx_http_shop_gauge("program", "since", NGX_HTTP_SHOP_PROGRAM_SINCE,
                        "When these came from Redis, as UNIX time"),
    ngx_http_shop_gauge("program", "refused", NGX_HTTP_SHOP_PROGRAM_REFUSED,
                        "1 while what is in Redis was refused"),

    ngx_http_shop_ends("api", NGX_HTTP_SHOP_TOLD,
                       "Events that the shop's systems told of"),
    ngx_http_shop_ends("capture", NGX_HTTP_SHOP_CAPTURED,
                       "Events in answers of the backend"),
    ngx_http_shop_counter_of("events", "capture", "status", "dropped",
                             NGX_HTTP_SHOP_CAPTURED
                             + NGX_SHOP_REDIS_EVENT_DROPPED,
                             NULL),
    ngx_http_shop_counter("events", "lost", NGX_HTTP_SHOP_LOST,
                          "Events in answers that went with a worker which "
                          "died"),
    ngx_http_shop_gauge("events", "in_flight", NGX_HTTP_SHOP_IN_FLIGHT,
                        "Events in answers that are being booked"),

    ngx_http_shop_counter("redis_node", "commands", NGX_SHOP_REDIS_COMMANDS,
                          "Commands answered"),
    ngx_http_shop_counter_of("redis_node", "errors", "kind", "timeout",
                             NGX_SHOP_REDIS_TIMEOUTS,
                             "Operations that failed, and error replies "
                             "(kind fault)"),
    ngx_http_shop_counter_of("redis_node", "errors", "kind", "unavailable",
                             NGX_SHOP_REDIS_UNAVAILABLE, NULL),
    ngx_http_shop_counter_of("redis_node", "errors", "kind", "refused",
                             NGX_SHOP_REDIS_REFUSED, NULL),
    ngx_http_shop_counter_of("redis_node", "errors", "kind", "fault",
                             NGX_SHOP_REDIS_FAULTS, NULL),
    ngx_http_shop_gauge("redis_node", "connections",
                        NGX_HTTP_SHOP_CONNECTIONS,
                        "Connections that are open"),
    ngx_http_shop_counter("redis_node", "connects", NGX_SHOP_REDIS_CONNECTS,
                          "Connections made"),
    ngx_http_shop_counter("redis_node", "reconnects",
                          NGX_SHOP_REDIS_RECONNECTS,
                          "Connections made in place of one that was lost"),
    ngx_http_shop_counter("redis_node", "connection_failures",
                          NGX_SHOP_REDIS_FAILURES,
                          "Connections that failed, or could not be made"),
    ngx_http_shop_gauge_of("redis_node", "workers", "breaker", "closed",
                           NGX_HTTP_SHOP_BREAKER
                           + NGX_SHOP_REDIS_BREAKER_CLOSED,
                           "Workers by the state of their breaker"),
    ngx_http_shop_gauge_of("redis_node", "workers", "breaker", "open",
                           NGX_HTTP_SHOP_BREAKER
                           + NGX_SHOP_REDIS_BREAKER_OPEN, NULL),
    ngx_http_shop_gauge_of("redis_node", "workers", "breaker", "half_open",
                           NGX_HTTP_SHOP_BREAKER
                           + NGX_SHOP_REDIS_BREAKER_HALF_OPEN, NULL),

    { NULL, NULL, NULL, NULL, NULL, 0, 0, 0 }
};


char *
ngx_http_shop_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_loc_conf_t *slcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (slcf->status != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "json") == 0) {
        slcf->status = NGX_HTTP_SHOP_STATUS_JSON;

    } else if (ngx_strcmp(value[1].data, "prometheus") == 0) {
        slcf->status = NGX_HTTP_SHOP_STATUS_PROMETHEUS;

    } else if (ngx_strcmp(value[1].data, "dashboard") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"shop_status dashboard\" is not in this version, "
                           "it has \"json\" and \"prometheus\"");
        return NGX_CONF_ERROR;

    } else {
        return ngx_http_shop_bad_param(cf, &value[1],
                                       "\"json\" and \"prometheus\"");
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_shop_status_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_shop_status_handler(ngx_http_request_t *r)
{
    ngx_array_t                *shown;
    ngx_http_shop_main_conf_t  *smcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    shown = ngx_palloc(r->pool, sizeof(ngx_array_t));
    if (shown == NULL
        || ngx_shop_shown_init(r->pool, ngx_shop_live_program(smcf->live),
                               shown)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (shown->nelts == 0) {
        return ngx_http_shop_status_answer(r, shown);
    }

    return ngx_http_shop_shown(r, shown, ngx_http_shop_status_answer);
}


static ngx_int_t
ngx_http_shop_status_answer(ngx_http_request_t *r, ngx_array_t *shown)
{
    size_t                     size;
    ngx_str_t                  body;
    const char                *type;
    ngx_http_shop_status_t     status;
    ngx_http_shop_loc_conf_t  *slcf;

    ngx_memzero(&status, sizeof(ngx_http_shop_status_t));

    status.shown = shown;

    if (ngx_http_shop_status_collect(r, &status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the histogram of a node has as many lines as it has buckets, and two */

    size = (sizeof(ngx_http_shop_figures) / sizeof(ngx_http_shop_figure_t)
            + NGX_SHOP_REDIS_NBUCKETS + 2)
           * (NGX_HTTP_SHOP_FIGURE_LEN + status.size)
           * (1 + status.nodes.nelts)
           + status.reason.len
           + ngx_http_shop_status_offers_len(&status);

    body.data = ngx_pnalloc(r->pool, size);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status.pos = body.data;
    status.last = body.data + size;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shop_module);

    if (slcf->status == NGX_HTTP_SHOP_STATUS_JSON) {
        type = "application/json";
        ngx_http_shop_status_json(&status);

    } else {
        type = "text/plain; version=0.0.4; charset=utf-8";
        ngx_http_shop_status_prometheus(&status);
    }

    body.len = status.pos - body.data;

    return ngx_shop_respond(r, NGX_HTTP_OK, type, &body);
}


static ngx_int_t
ngx_http_shop_status_collect(ngx_http_request_t *r,
    ngx_http_shop_status_t *status)
{
    uint64_t                   *v;
    ngx_int_t                   rc;
    ngx_uint_t                  i, n;
    ngx_shop_cache_stats_t      stats;
    ngx_shop_figures_sum_t      sum;
    ngx_http_shop_main_conf_t  *smcf;

    static const char  *modes[] = { "single", "sentinel", "cluster" };

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    status->budgets = ngx_shop_budgets_all(smcf->budgets, &status->nbudgets);

    v = status->values;

    ngx_shop_cache_stats(smcf->zone, &stats);

    v[NGX_HTTP_SHOP_HITS] = stats.hits;
    v[NGX_HTTP_SHOP_MISSES] = stats.misses;
    v[NGX_HTTP_SHOP_STALE] = stats.stale;
    v[NGX_HTTP_SHOP_NEGATIVE] = stats.negative;
    v[NGX_HTTP_SHOP_EVICTIONS] = stats.evictions;
    v[NGX_HTTP_SHOP_INVALIDATIONS] = stats.invalidations;
    v[NGX_HTTP_SHOP_USED] = (uint64_t) stats.used * NGX_HTTP_SHOP_BLOCK_SIZE;
    v[NGX_HTTP_SHOP_SIZE] = (uint64_t) stats.size * NGX_HTTP_SHOP_BLOCK_SIZE;
    v[NGX_HTTP_SHOP_FILL] = (uint64_t) stats.used * 1000000 / stats.size;

    v[NGX_HTTP_SHOP_WANTED] = stats.links;
    v[NGX_HTTP_SHOP_ALIVE] = stats.alive;
    v[NGX_HTTP_SHOP_REARMS] = stats.arms ? stats.arms - 1 : 0;
    v[NGX_HTTP_SHOP_LAG] = (stats.lag < 0) ? NGX_HTTP_SHOP_NULL
                                           : (uint64_t) stats.lag * 1000;

    if (ngx_http_shop_status_program(r->pool, smcf->live, status) != NGX_OK) {
        return NGX_ERROR;
    }

    status->mode = modes[smcf->redis->mode];
    status->channel = (stats.alive == 0) ? "lost"
                      : (stats.alive < stats.links) ? "partly" : "alive";

    if (ngx_array_init(&status->nodes, r->pool, 8,
                       sizeof(ngx_http_shop_status_node_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; /* void */ ; i++) {

        rc = ngx_shop_figures_read(smcf->zone, r->pool, i, &sum);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        if (i == 0) {
            v[NGX_HTTP_SHOP_SCHEMA] =
                                   sum.counters[NGX_SHOP_REDIS_SCHEMA_SEEN];
            v[NGX_HTTP_SHOP_SCHEMA_KNOWN] = NGX_SHOP_REDIS_SCHEMA;
            v[NGX_HTTP_SHOP_BUSY] = sum.counters[NGX_SHOP_REDIS_BUSY];
            v[NGX_HTTP_SHOP_UNROUTED] = sum.counters[NGX_SHOP_REDIS_NOWHERE];
            v[NGX_HTTP_SHOP_REFUSED] =
                                sum.counters[NGX_SHOP_REDIS_SCHEMA_REFUSED];
            v[NGX_HTTP_SHOP_SETTLED] =
                                sum.counters[NGX_SHOP_REDIS_DUE_SETTLED];
            v[NGX_HTTP_SHOP_DUE_LAG] = sum.counters[NGX_SHOP_REDIS_DUE_LAG];

            for (n = 0; n < 2 * NGX_SHOP_REDIS_EVENT_ENDS; n++) {
                v[NGX_HTTP_SHOP_TOLD + n] =
                                       sum.counters[NGX_SHOP_REDIS_TOLD + n];
            }

            v[NGX_HTTP_SHOP_LOST] = sum.counters[NGX_SHOP_REDIS_EVENTS_LOST];
            v[NGX_HTTP_SHOP_IN_FLIGHT] = sum.amount;

        } else if (ngx_http_shop_status_node(r->pool, status, &sum)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_http_shop_status_program(ngx_pool_t *pool, ngx_shop_live_t *live,
    ngx_http_shop_status_t *status)
{
    u_char                 *p;
    uint64_t               *v;
    ngx_shop_program_t     *program;
    ngx_shop_live_state_t  *state;

    state = &status->program;

    ngx_shop_live_state(live, state);

    program = ngx_shop_live_program(live);
    v = status->values;

    v[NGX_HTTP_SHOP_PROMOTIONS] = program->promotions.nelts;
    v[NGX_HTTP_SHOP_SEGMENTS] = program->segments.nelts;
    v[NGX_HTTP_SHOP_PROGRAM_REFUSED] = (state->reason.len != 0);
    v[NGX_HTTP_SHOP_PROGRAM_SINCE] = state->version.len
                                     ? (uint64_t) state->since
                                     : NGX_HTTP_SHOP_NULL;

    p = ngx_pnalloc(pool, 1 + state->reason.len
                          + ngx_escape_json(NULL, state->reason.data,
                                            state->reason.len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    status->reason.data = p;
    status->reason.len = (u_char *) ngx_escape_json(p, state->reason.data,
                                                    state->reason.len)
                         - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shop_status_node(ngx_pool_t *pool, ngx_http_shop_status_t *status,
    ngx_shop_figures_sum_t *sum)
{
    u_char                       *p;
    ngx_uint_t                    i;
    ngx_http_shop_status_node_t  *node;

    node = ngx_array_push(&status->nodes);
    if (node == NULL) {
        return NGX_ERROR;
    }

    /* what a label of Prometheus needs to be escaped is escaped alike */

    p = ngx_pnalloc(pool, sum->name.len
                          + ngx_escape_json(NULL, sum->name.data,
                                            sum->name.len));
    if (p == NULL) {
        return NGX_ERROR;
    }

    node->address.data = p;
    node->address.len = (u_char *) ngx_escape_json(p, sum->name.data,
                                                   sum->name.len)
                        - p;

    status->size = ngx_max(status->size, node->address.len);

    for (i = 0; i < NGX_SHOP_FIGURES_COUNTERS; i++) {
        node->values[i] = sum->counters[i];
    }

    node->values[NGX_HTTP_SHOP_CONNECTIONS] = sum->amount;

    for (i = 0; i < NGX_SHOP_FIGURES_STATES; i++) {
        node->values[NGX_HTTP_SHOP_BREAKER + i] = sum->states[i];
    }

    return NGX_OK;
}


static void
ngx_http_shop_status_json(ngx_http_shop_status_t *status)
{
    ngx_uint_t                    i;
    ngx_http_shop_status_node_t  *node;

    ngx_http_shop_status_print(status, "{\"cache\": {");
    ngx_http_shop_status_json_section(status, "cache", status->values);

    ngx_http_shop_status_print(status, "}, \"channel\": {\"state\": \"%s\", ",
                               status->channel);
    ngx_http_shop_status_json_section(status, "channel", status->values);

    ngx_http_shop_status_print(status, "}, \"due\": {");
    ngx_http_shop_status_json_section(status, "due", status->values);

    ngx_http_shop_status_json_program(status);

    ngx_http_shop_status_print(status, "}, \"events\": {");
    ngx_http_shop_status_json_section(status, "events", status->values);

    ngx_http_shop_status_print(status, "}, \"redis\": {\"mode\": \"%s\", ",
                               status->mode);
    ngx_http_shop_status_json_section(status, "redis", status->values);

    ngx_http_shop_status_print(status, ", \"nodes\": [");

    node = status->nodes.elts;

    for (i = 0; i < status->nodes.nelts; i++) {
        ngx_http_shop_status_print(status, i ? ", " : "");
        ngx_http_shop_status_json_node(status, &node[i]);
    }

    ngx_http_shop_status_print(status, "]}, ");
    ngx_http_shop_status_offers_json(status);
    ngx_http_shop_status_print(status, "}\n");
}


static void
ngx_http_shop_status_json_program(ngx_http_shop_status_t *status)
{
    const char  *quote;

    quote = status->program.version.len ? "\"" : "";

    ngx_http_shop_status_print(status, "}, \"program\": {\"source\": "
                               "\"%s\", \"version\": %s%V%s%s, ",
                               *quote ? "redis" : "configuration",
                               quote, &status->program.version, quote,
                               *quote ? "" : "null");

    ngx_http_shop_status_json_section(status, "program", status->values);

    quote = status->reason.len ? "\"" : "";

    ngx_http_shop_status_print(status, ", \"reason\": %s%V%s%s",
                               quote, &status->reason, quote,
                               *quote ? "" : "null");
}


static void
ngx_http_shop_status_json_section(ngx_http_shop_status_t *status,
    const char *section, uint64_t *values)
{
    const char              *comma;
    ngx_http_shop_figure_t  *figure;

    comma = "";

    for (figure = ngx_http_shop_figures; figure->section; figure++) {

        if (ngx_strcmp(figure->section, section) != 0) {
            continue;
        }

        ngx_http_shop_status_print(status, "%s\"%s%s%s\": ", comma,
                                   figure->name, figure->kind ? "_" : "",
                                   figure->kind ? figure->kind : "");
        ngx_http_shop_status_value(status, figure->micro,
                                   values[figure->value]);
        comma = ", ";
    }
}


static void
ngx_http_shop_status_json_node(ngx_http_shop_status_t *status,
    ngx_http_shop_status_node_t *node)
{
    uint64_t     *states;
    uint64_t      count;
    ngx_uint_t    i;
    const char   *breaker, *role;

    states = &node->values[NGX_HTTP_SHOP_BREAKER];
    role = "primary";

    if (states[NGX_SHOP_REDIS_BREAKER_OPEN]) {
        breaker = "\"open\"";

    } else if (states[NGX_SHOP_REDIS_BREAKER_HALF_OPEN]) {
        breaker = "\"half_open\"";

    } else if (states[NGX_SHOP_REDIS_BREAKER_CLOSED]) {
        breaker = "\"closed\"";

    } else {
        breaker = "null";
        role = "former";
    }

    ngx_http_shop_status_print(status, "{\"address\": \"%V\", "
                               "\"role\": \"%s\", \"breaker\": %s, ",
                               &node->address, role, breaker);

    ngx_http_shop_status_json_section(status, "redis_node", node->values);

    ngx_http_shop_status_print(status, ", \"latency_seconds\": {\"count\": "
                               "%uL, \"sum\": ",
                               node->values[NGX_SHOP_REDIS_OPERATIONS]);
    ngx_http_shop_status_value(status, 1,
                               node->values[NGX_SHOP_REDIS_LATENCY]);
    ngx_http_shop_status_print(status, ", \"buckets\": [");

    count = 0;

    for (i = 0; i < NGX_SHOP_REDIS_NBUCKETS - 1; i++) {

        count += node->values[NGX_SHOP_REDIS_BUCKETS + i];

        ngx_http_shop_status_print(status, "%s{\"le\": ", i ? ", " : "");
        ngx_http_shop_status_value(status, 1, ngx_shop_redis_bounds[i]);
        ngx_http_shop_status_print(status, ", \"count\": %uL}", count);
    }

    ngx_http_shop_status_print(status, "]}}");
}


static void
ngx_http_shop_status_prometheus(ngx_http_shop_status_t *status)
{
    ngx_uint_t                    i;
    ngx_http_shop_figure_t       *figure;
    ngx_http_shop_status_node_t  *node;

    node = status->nodes.elts;

    for (figure = ngx_http_shop_figures; figure->section; figure++) {

        if (figure->help) {
            ngx_http_shop_status_family(status, figure->section, figure->name,
                                        figure->help,
                                        figure->counter ? "counter"
                                                        : "gauge");
        }

        if (ngx_strcmp(figure->section, "redis_node") != 0) {
            ngx_http_shop_status_sample(status, figure, NULL,
                                        status->values[figure->value]);
            continue;
        }

        for (i = 0; i < status->nodes.nelts; i++) {
            ngx_http_shop_status_sample(status, figure, &node[i].address,
                                        node[i].values[figure->value]);
        }
    }

    ngx_http_shop_status_histogram(status);
    ngx_http_shop_status_offers(status);
}


void
ngx_http_shop_status_family(ngx_http_shop_status_t *status,
    const char *section, const char *name, const char *help,
    const char *type)
{
    const char  *total;

    total = (ngx_strcmp(type, "counter") == 0) ? "_total" : "";

    ngx_http_shop_status_print(status, "# HELP ngx_shop_%s_%s%s %s.\n"
                               "# TYPE ngx_shop_%s_%s%s %s\n",
                               section, name, total, help,
                               section, name, total, type);
}


static void
ngx_http_shop_status_sample(ngx_http_shop_status_t *status,
    ngx_http_shop_figure_t *figure, ngx_str_t *node, uint64_t value)
{
    if (value == NGX_HTTP_SHOP_NULL) {
        return;
    }

    ngx_http_shop_status_print(status, "ngx_shop_%s_%s%s", figure->section,
                               figure->name, figure->counter ? "_total" : "");

    if (node) {
        ngx_http_shop_status_print(status, "{node=\"%V\"", node);
    }

    if (figure->label) {
        ngx_http_shop_status_print(status, "%s%s=\"%s\"", node ? "," : "{",
                                   figure->label, figure->kind);
    }

    ngx_http_shop_status_print(status,
                               (node || figure->label) ? "} " : " ");
    ngx_http_shop_status_value(status, figure->micro, value);
    ngx_http_shop_status_print(status, "\n");
}


static void
ngx_http_shop_status_histogram(ngx_http_shop_status_t *status)
{
    uint64_t                      count;
    ngx_uint_t                    i, n;
    ngx_http_shop_status_node_t  *node;

    ngx_http_shop_status_family(status, "redis_node", "latency_seconds",
                                "Time until operations were answered",
                                "histogram");

    node = status->nodes.elts;

    for (n = 0; n < status->nodes.nelts; n++) {

        count = 0;

        for (i = 0; i < NGX_SHOP_REDIS_NBUCKETS; i++) {

            count += node[n].values[NGX_SHOP_REDIS_BUCKETS + i];

            ngx_http_shop_status_print(status,
                "ngx_shop_redis_node_latency_seconds_bucket"
                "{node=\"%V\",le=\"", &node[n].address);

            if (i < NGX_SHOP_REDIS_NBUCKETS - 1) {
                ngx_http_shop_status_value(status, 1,
                                           ngx_shop_redis_bounds[i]);

            } else {
                ngx_http_shop_status_print(status, "+Inf");
            }

            ngx_http_shop_status_print(status, "\"} %uL\n", count);
        }

        ngx_http_shop_status_print(status,
            "ngx_shop_redis_node_latency_seconds_sum{node=\"%V\"} ",
            &node[n].address);
        ngx_http_shop_status_value(status, 1,
                                   node[n].values[NGX_SHOP_REDIS_LATENCY]);
        ngx_http_shop_status_print(status,
            "\nngx_shop_redis_node_latency_seconds_count{node=\"%V\"} %uL\n",
            &node[n].address, count);
    }
}


static void
ngx_http_shop_status_value(ngx_http_shop_status_t *status, ngx_uint_t micro,
    uint64_t value)
{
    if (value == NGX_HTTP_SHOP_NULL) {
        ngx_http_shop_status_print(status, "null");

    } else if (micro) {
        ngx_http_shop_status_print(status, "%uL.%06uL", value / 1000000,
                                   value % 1000000);

    } else {
        ngx_http_shop_status_print(status, "%uL", value);
    }
}


void
ngx_http_shop_status_print(ngx_http_shop_status_t *status, const char *fmt,
    ...)
{
    va_list  args;

    va_start(args, fmt);
    status->pos = ngx_vslprintf(status->pos, status->last, fmt, args);
    va_end(args);
}
