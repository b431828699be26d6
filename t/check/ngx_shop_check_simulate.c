
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <stdio.h>

#include "modules/ngx_http_loyalty_module.h"
#include "redis/ngx_shop_redis_internal.h"
#include "ngx_shop_check.h"


/*
 * What "build.sh simulate" asks, while nginx reads its configuration:
 *
 *     http {
 *         loyalty_program { ... }
 *         shop_simulate SEED;
 *     }
 *
 * says the script that books, its length first, and answers each line of
 * standard input, which is words with tabs between them, at any time that is
 * said to be now:
 *
 *     book NOW CUSTOMER KIND ID TIME WHAT AMOUNT OPTION
 *          [CODE PARTITION GRANTED|sold ...]
 *
 * answers the length of the command for Redis that books it, and the command;
 * the rest of the line is what is known of leases.
 *
 *     offers NOW CUSTOMER PROVIDER N [CODE REDEEMED ...] [FIELD VALUE ...]
 *
 * answers the promotions that are given and those that are held back; N is
 * how many budgets are told, and fields are those of the view.
 */


#define NGX_SHOP_SIMULATE_WORDS       256
#define NGX_SHOP_SIMULATE_PARTITIONS  64


typedef struct {
    ngx_shop_redis_t           redis;
    ngx_shop_program_t        *program;
    ngx_log_t                 *log;
    ngx_pool_t                *pool;        /* of a line */
    ngx_str_t                  words[NGX_SHOP_SIMULATE_WORDS];
    ngx_uint_t                 nwords;
    time_t                     now;
    ngx_str_t                 *customer;
} ngx_shop_simulate_t;


static void ngx_shop_simulate_bytes(ngx_str_t *bytes);
static ngx_int_t ngx_shop_simulate_line(ngx_shop_simulate_t *simulate,
    char *line, size_t len);
static ngx_int_t ngx_shop_simulate_book(ngx_shop_simulate_t *simulate);
static ngx_int_t ngx_shop_simulate_leases(ngx_shop_simulate_t *simulate,
    ngx_uint_t i, ngx_array_t *leases);
static ngx_int_t ngx_shop_simulate_offers(ngx_shop_simulate_t *simulate);
static ngx_shop_budget_t *ngx_shop_simulate_budgets(
    ngx_shop_simulate_t *simulate, ngx_uint_t i, ngx_uint_t n);
static ngx_int_t ngx_shop_simulate_view(ngx_shop_simulate_t *simulate,
    ngx_uint_t i, ngx_shop_view_t *view);
static void ngx_shop_simulate_told(ngx_shop_simulate_t *simulate,
    ngx_shop_evaluation_t *result);


char *
ngx_shop_simulate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                          *line;
    size_t                         size;
    ssize_t                        n;
    ngx_int_t                      rc;
    ngx_str_t                     *value;
    ngx_shop_simulate_t           *simulate;
    ngx_http_loyalty_main_conf_t  *lmcf;

    simulate = ngx_pcalloc(cf->pool, sizeof(ngx_shop_simulate_t));
    if (simulate == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_shop_unhex(&value[1], simulate->redis.seed,
                       sizeof(simulate->redis.seed))
        != NGX_OK)
    {
        return "needs a seed of 32 hex digits";
    }

    lmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_loyalty_module);

    simulate->program = &lmcf->program;
    simulate->log = cf->log;
    simulate->redis.seeded = 1;
    simulate->redis.partitions = NGX_SHOP_SIMULATE_PARTITIONS;
    ngx_str_set(&simulate->redis.prefix, "shop:");
    ngx_queue_init(&simulate->redis.waiting);

    ngx_shop_simulate_bytes(&ngx_shop_redis_script_ledger.text);

    line = NULL;
    size = 0;
    rc = NGX_OK;

    while (rc == NGX_OK && (n = getline(&line, &size, stdin)) > 0) {

        simulate->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cf->log);
        if (simulate->pool == NULL) {
            break;
        }

        rc = ngx_shop_simulate_line(simulate, line, (size_t) n - 1);

        ngx_destroy_pool(simulate->pool);
    }

    free(line);

    /* what comes next in the configuration is of no use */

    return NGX_CONF_ERROR;
}


static void
ngx_shop_simulate_bytes(ngx_str_t *bytes)
{
    (void) printf("%lu\n", (unsigned long) bytes->len);
    (void) fwrite(bytes->data, bytes->len, 1, stdout);
    (void) fflush(stdout);
}


static ngx_int_t
ngx_shop_simulate_line(ngx_shop_simulate_t *simulate, char *line, size_t len)
{
    u_char     *p, *last, *tab;
    ngx_str_t  *word;

    p = (u_char *) line;
    last = p + len;

    simulate->nwords = 0;

    while (simulate->nwords < NGX_SHOP_SIMULATE_WORDS) {

        tab = ngx_strlchr(p, last, '\t');

        word = &simulate->words[simulate->nwords++];
        word->data = p;
        word->len = (tab ? tab : last) - p;

        if (tab == NULL) {
            break;
        }

        p = tab + 1;
    }

    if (simulate->nwords < 5) {
        return NGX_ERROR;
    }

    simulate->now = ngx_atotm(simulate->words[1].data,
                              simulate->words[1].len);
    simulate->customer = &simulate->words[2];

    return simulate->words[0].data[0] == 'b'
           ? ngx_shop_simulate_book(simulate)
           : ngx_shop_simulate_offers(simulate);
}


static ngx_int_t
ngx_shop_simulate_book(ngx_shop_simulate_t *simulate)
{
    ngx_int_t             rc;
    ngx_str_t            *word;
    ngx_array_t           leases;
    ngx_shop_event_t      event;
    ngx_shop_redis_op_t  *op;

    if (simulate->nwords < 9
        || ngx_shop_simulate_leases(simulate, 9, &leases) != NGX_OK)
    {
        return NGX_ERROR;
    }

    word = simulate->words;

    ngx_memzero(&event, sizeof(ngx_shop_event_t));

    event.kind = word[3];
    event.id = word[4];
    event.time = ngx_atotm(word[5].data, word[5].len);
    event.what = word[6];
    event.amount = word[7];
    event.option = word[8];
    event.leases = &leases;

    op = ngx_shop_redis_create(&simulate->redis, NGX_SHOP_LEDGER_COMMANDS,
                               simulate->log);
    if (op == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_shop_ledger_book(&simulate->redis, op, simulate->program,
                              simulate->customer, &event, simulate->now);

    if (rc == NGX_OK) {
        ngx_shop_simulate_bytes(&ngx_shop_redis_state(op)->wires[0]);
    }

    ngx_shop_redis_free(op);

    return rc;
}


static ngx_int_t
ngx_shop_simulate_leases(ngx_shop_simulate_t *simulate, ngx_uint_t i,
    ngx_array_t *leases)
{
    ngx_str_t         *word;
    ngx_shop_lease_t  *lease;

    if (ngx_array_init(leases, simulate->pool, 4, sizeof(ngx_shop_lease_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for ( /* void */ ; i + 2 < simulate->nwords; i += 3) {

        lease = ngx_array_push(leases);
        if (lease == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(lease, sizeof(ngx_shop_lease_t));

        word = &simulate->words[i];

        lease->code = word[0];
        lease->partition = (ngx_uint_t) ngx_atoi(word[1].data, word[1].len);

        if (word[2].len && word[2].data[0] == 's') {
            lease->sold = 1;

        } else {
            lease->granted = ngx_atotm(word[2].data, word[2].len);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_simulate_offers(ngx_shop_simulate_t *simulate)
{
    ngx_int_t               n;
    ngx_shop_view_t         view;
    ngx_shop_moment_t       moment;
    ngx_shop_evaluation_t   result;

    n = ngx_atoi(simulate->words[4].data, simulate->words[4].len);

    if (n == NGX_ERROR
        || ngx_shop_simulate_view(simulate, 5 + 2 * n, &view) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&moment, sizeof(ngx_shop_moment_t));

    moment.now = simulate->now;
    moment.customer = simulate->customer;
    moment.provider = &simulate->words[3];
    moment.seed = simulate->redis.seed;
    moment.budgets = ngx_shop_simulate_budgets(simulate, 5, (ngx_uint_t) n);

    if (moment.budgets == NULL
        || ngx_shop_evaluate(simulate->pool, simulate->program, &view,
                             &moment, &result)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_shop_simulate_told(simulate, &result);

    return NGX_OK;
}


static ngx_shop_budget_t *
ngx_shop_simulate_budgets(ngx_shop_simulate_t *simulate, ngx_uint_t i,
    ngx_uint_t n)
{
    ngx_str_t             *word;
    ngx_uint_t             k;
    ngx_shop_budget_t     *budgets;
    ngx_shop_promotion_t  *promotion;

    budgets = ngx_pcalloc(simulate->pool, (simulate->program->nbudgets + 1)
                                          * sizeof(ngx_shop_budget_t));
    if (budgets == NULL) {
        return NULL;
    }

    promotion = simulate->program->promotions.elts;

    for ( /* void */ ; n; n--, i += 2) {

        word = &simulate->words[i];

        for (k = 0; k < simulate->program->promotions.nelts; k++) {
            if (promotion[k].budget
                && ngx_shop_equal(&promotion[k].code, &word[0]))
            {
                budgets[promotion[k].nbudget].redeemed =
                    ngx_atotm(word[1].data, word[1].len);
            }
        }
    }

    return budgets;
}


/* as Redis would have answered */

static ngx_int_t
ngx_shop_simulate_view(ngx_shop_simulate_t *simulate, ngx_uint_t i,
    ngx_shop_view_t *view)
{
    ngx_str_t               *fields;
    ngx_uint_t               n, nfields;
    ngx_shop_redis_reply_t  *reply;

    nfields = ngx_shop_loyalty_fields(&fields);

    reply = ngx_pcalloc(simulate->pool,
                        (1 + nfields) * sizeof(ngx_shop_redis_reply_t)
                        + nfields * sizeof(ngx_shop_redis_reply_t *));
    if (reply == NULL) {
        return NGX_ERROR;
    }

    reply->type = NGX_SHOP_REDIS_ARRAY;
    reply->nelts = nfields;
    reply->elts = (ngx_shop_redis_reply_t **) (reply + 1 + nfields);

    for (n = 0; n < nfields; n++) {
        reply->elts[n] = reply + 1 + n;
    }

    for ( /* void */ ; i + 1 < simulate->nwords; i += 2) {
        for (n = 0; n < nfields; n++) {
            if (ngx_shop_equal(&fields[n], &simulate->words[i])) {
                reply->elts[n]->type = NGX_SHOP_REDIS_STRING;
                reply->elts[n]->str = simulate->words[i + 1];
            }
        }
    }

    return ngx_shop_loyalty_view(simulate->pool, reply, view);
}


static void
ngx_shop_simulate_told(ngx_shop_simulate_t *simulate,
    ngx_shop_evaluation_t *result)
{
    ngx_str_t             *code;
    ngx_uint_t             i;
    const char            *comma;
    ngx_shop_program_t    *program;
    ngx_shop_promotion_t  *promotion;

    program = simulate->program;
    promotion = program->promotions.elts;

    (void) printf("%.*s\t", (int) result->promotions.len,
                  result->promotions.len ? (char *) result->promotions.data
                                         : "");
    comma = "";

    for (i = 0; i < program->nmeasured; i++) {

        if (!(result->held & promotion[program->measured[i]].measured)) {
            continue;
        }

        code = &promotion[program->measured[i]].code;

        (void) printf("%s%.*s", comma, (int) code->len, code->data);
        comma = ",";
    }

    (void) printf("\n");
    (void) fflush(stdout);
}
