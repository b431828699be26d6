
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"
#include "ngx_shop_check.h"


/*
 * What "build.sh check-program" asks:
 *
 *     http {
 *         loyalty_program { ... }
 *         shop_check_program DOCUMENT [CUSTOMER];
 *     }
 *
 * checks the document as a worker would that finds it in "shop:program", and
 * tells what becomes of each promotion for a customer, who is JSON:
 *
 *     { "time": "2026-10-01T12:00Z", "customer": "c1", "seed": "...",
 *       "provider": "google", "view": { "tier": "gold" },
 *       "variables": { "uri": "/" } }
 *
 * The answers are those of the code that requests meet: the grammar, the view,
 * the evaluation, which is traced.  Only variables come from the file, and so
 * may have any name.
 */


#define NGX_SHOP_CHECK_FILE_MAX  (4 * 1024 * 1024)
#define NGX_SHOP_CHECK_LINE      1024


typedef struct {
    ngx_conf_t                *cf;
    ngx_str_t                 *file;        /* of the customer */
    ngx_shop_json_t           *json;
    ngx_shop_program_t        *program;
    ngx_shop_view_t            view;
    ngx_shop_moment_t          moment;
    ngx_str_t                  customer;
    ngx_str_t                  provider;
    u_char                     seed[16];

    ngx_shop_match_t          *match;       /* the last that did not hold */
    ngx_shop_promotion_t      *stop;        /* by whom the list has ended */
    ngx_array_t                given;       /* of ngx_shop_promotion_t * */
} ngx_shop_check_t;


static char *ngx_shop_check_document(ngx_shop_check_t *check,
    ngx_str_t *name);
static void ngx_shop_check_variables(ngx_shop_check_t *check);

static char *ngx_shop_check_customer(ngx_shop_check_t *check);
static char *ngx_shop_check_member(ngx_shop_check_t *check, ngx_str_t *name,
    ngx_shop_json_t *value);
static char *ngx_shop_check_time(ngx_shop_check_t *check,
    ngx_shop_json_t *value);
static char *ngx_shop_check_view(ngx_shop_check_t *check,
    ngx_shop_json_t *view);
static char *ngx_shop_check_text(ngx_shop_check_t *check, const char *name,
    ngx_shop_json_t *value, ngx_str_t *text);
static char *ngx_shop_check_fail(ngx_shop_check_t *check, const char *fmt,
    ...);

static char *ngx_shop_check_explain(ngx_shop_check_t *check);
static ngx_uint_t ngx_shop_check_match(void *data, ngx_shop_match_t *match);
static void ngx_shop_check_trace(void *data, ngx_shop_promotion_t *promotion,
    ngx_shop_offer_e offer);
static u_char *ngx_shop_check_why(ngx_shop_check_t *check,
    ngx_shop_promotion_t *promotion, ngx_shop_offer_e offer, u_char *p,
    u_char *last);
static u_char *ngx_shop_check_group(ngx_shop_check_t *check,
    ngx_shop_promotion_t *promotion, u_char *p, u_char *last);
static void ngx_shop_check_told(const char *what, ngx_str_t *text);
static u_char *ngx_shop_check_date(u_char *p, u_char *last, time_t time);
static void ngx_shop_check_print(const char *fmt, ...);


char *
ngx_shop_check_program(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t         *value;
    ngx_shop_check_t  *check;

    check = ngx_pcalloc(cf->pool, sizeof(ngx_shop_check_t));
    if (check == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    check->cf = cf;

    if (ngx_shop_check_document(check, &value[1]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        ngx_shop_check_variables(check);
        return NGX_CONF_OK;
    }

    check->file = &value[2];

    if (ngx_shop_check_customer(check) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_shop_check_explain(check);
}


static char *
ngx_shop_check_document(ngx_shop_check_t *check, ngx_str_t *name)
{
    ngx_str_t                      text, reason;
    ngx_uint_t                     use_stderr;
    ngx_http_loyalty_main_conf_t  *lmcf;
    u_char                         buf[NGX_SHOP_PROGRAM_REASON_MAX];

    if (ngx_shop_file_read(check->cf, name, NGX_SHOP_CHECK_FILE_MAX, 0, &text)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    lmcf = ngx_http_conf_get_module_main_conf(check->cf,
                                              ngx_http_loyalty_module);

    reason.data = buf;

    /* what the parser says is told below, with its place */

    use_stderr = ngx_use_stderr;
    ngx_use_stderr = 0;

    check->program = ngx_shop_program_json(check->cf->pool, &lmcf->program,
                                           &text,
                                           ngx_http_loyalty_match_texts,
                                           &reason);

    ngx_use_stderr = use_stderr;

    if (check->program == NULL) {
        ngx_shop_check_print("%V: %V", name, &reason);
        return NGX_CONF_ERROR;
    }

    ngx_shop_check_print("%V: promotions: %ui, segments: %ui", name,
                         check->program->promotions.nelts,
                         check->program->segments.nelts);

    return NGX_CONF_OK;
}


/* nginx must have them, or the document is refused there */

static void
ngx_shop_check_variables(ngx_shop_check_t *check)
{
    ngx_uint_t             i, n;
    ngx_shop_match_t      *match;
    ngx_shop_promotion_t  *promotion;

    promotion = check->program->promotions.elts;

    for (i = 0; i < check->program->promotions.nelts; i++) {

        if (promotion[i].matches == NULL) {
            continue;
        }

        match = promotion[i].matches->elts;

        for (n = 0; n < promotion[i].matches->nelts; n++) {
            ngx_shop_check_print("%V: needs the variable $%V",
                                 &promotion[i].code, &match[n].variable);
        }
    }
}


static char *
ngx_shop_check_customer(ngx_shop_check_t *check)
{
    size_t            i;
    ngx_str_t         text, name, error;
    ngx_shop_json_t  *value;
    u_char            buf[NGX_SHOP_JSON_ERROR_MAX];

    if (ngx_shop_file_read(check->cf, check->file, NGX_SHOP_CHECK_FILE_MAX, 0,
                           &text)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    error.data = buf;

    check->json = ngx_shop_json_parse_told(check->cf->pool, &text,
                                           NGX_SHOP_PROGRAM_TEXT_MAX, &error);

    if (check->json == NULL) {
        return ngx_shop_check_fail(check, "no JSON: %V", &error);
    }

    if (!ngx_shop_json_is_object(check->json)) {
        return ngx_shop_check_fail(check, "must be an object");
    }

    check->moment.now = ngx_time();
    check->moment.customer = &check->customer;
    check->moment.provider = &check->provider;

    for (i = 0; /* void */ ; i++) {

        value = ngx_shop_json_member(check->json, i, &name);

        if (value == NULL) {
            return NGX_CONF_OK;
        }

        if (ngx_shop_check_member(check, &name, value) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }
}


static char *
ngx_shop_check_member(ngx_shop_check_t *check, ngx_str_t *name,
    ngx_shop_json_t *value)
{
    ngx_str_t  seed;

    if (ngx_strcmp(name->data, "time") == 0) {
        return ngx_shop_check_time(check, value);
    }

    if (ngx_strcmp(name->data, "customer") == 0) {

        if (ngx_shop_check_text(check, "customer", value, &check->customer)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        return ngx_shop_customer_id_valid(&check->customer)
               ? NGX_CONF_OK
               : ngx_shop_check_fail(check, "\"customer\" is no id of a "
                                     "customer");
    }

    if (ngx_strcmp(name->data, "provider") == 0) {
        return ngx_shop_check_text(check, "provider", value,
                                   &check->provider);
    }

    if (ngx_strcmp(name->data, "seed") == 0) {

        if (ngx_shop_check_text(check, "seed", value, &seed) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }

        if (ngx_shop_unhex(&seed, check->seed, sizeof(check->seed))
            != NGX_OK)
        {
            return ngx_shop_check_fail(check, "\"seed\" must have 32 hex "
                                       "digits, as in \"shop:meta\"");
        }

        check->moment.seed = check->seed;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(name->data, "view") == 0) {
        return ngx_shop_check_view(check, value);
    }

    if (ngx_strcmp(name->data, "variables") == 0) {
        return ngx_shop_json_is_object(value)
               ? NGX_CONF_OK
               : ngx_shop_check_fail(check, "\"variables\" must be an "
                                     "object");
    }

    return ngx_shop_check_fail(check, "unknown member \"%V\", allowed: "
                               "\"time\", \"customer\", \"provider\", "
                               "\"seed\", \"view\", \"variables\"", name);
}


static char *
ngx_shop_check_time(ngx_shop_check_t *check, ngx_shop_json_t *value)
{
    int64_t    now;
    ngx_str_t  text;

    if (ngx_shop_json_integer(value, &now) == NGX_OK && now >= 0) {
        check->moment.now = (time_t) now;
        return NGX_CONF_OK;
    }

    if (ngx_shop_json_string(value, &text) == NGX_OK) {

        check->moment.now = ngx_shop_parse_time(&text);

        if (check->moment.now != NGX_ERROR) {
            return NGX_CONF_OK;
        }
    }

    return ngx_shop_check_fail(check, "\"time\" must be UNIX seconds or ISO "
                               "8601, e.g. \"2026-09-01T10:00Z\"");
}


/* as Redis would have answered */

static char *
ngx_shop_check_view(ngx_shop_check_t *check, ngx_shop_json_t *view)
{
    size_t                   i;
    ngx_str_t                name, *fields;
    ngx_uint_t               n, nfields;
    ngx_shop_json_t         *value;
    ngx_shop_redis_reply_t  *reply;

    nfields = ngx_shop_loyalty_fields(&fields);

    reply = ngx_pcalloc(check->cf->pool,
                        (1 + nfields) * sizeof(ngx_shop_redis_reply_t)
                        + nfields * sizeof(ngx_shop_redis_reply_t *));
    if (reply == NULL) {
        return NGX_CONF_ERROR;
    }

    reply->type = NGX_SHOP_REDIS_ARRAY;
    reply->nelts = nfields;
    reply->elts = (ngx_shop_redis_reply_t **) (reply + 1 + nfields);

    for (n = 0; n < nfields; n++) {
        reply->elts[n] = reply + 1 + n;
    }

    for (i = 0; /* void */ ; i++) {

        value = ngx_shop_json_member(view, i, &name);

        if (value == NULL) {
            break;
        }

        for (n = 0; n < nfields; n++) {
            if (ngx_strcmp(fields[n].data, name.data) == 0) {
                break;
            }
        }

        if (n == nfields) {
            return ngx_shop_check_fail(check, "\"view\" has an unknown field "
                                       "\"%V\"", &name);
        }

        if (ngx_shop_json_text(check->cf->pool, value, &reply->elts[n]->str)
            != NGX_OK)
        {
            return ngx_shop_check_fail(check, "\"%V\" of \"view\" must be a "
                                       "string or an integer", &name);
        }

        reply->elts[n]->type = NGX_SHOP_REDIS_STRING;
    }

    if (ngx_shop_loyalty_view(check->cf->pool, reply, &check->view)
        == NGX_ERROR)
    {
        return ngx_shop_check_fail(check, "\"view\" has a value that is no "
                                   "integer, or too large");
    }

    return NGX_CONF_OK;
}


static char *
ngx_shop_check_text(ngx_shop_check_t *check, const char *name,
    ngx_shop_json_t *value, ngx_str_t *text)
{
    if (ngx_shop_json_string(value, text) == NGX_OK) {
        return NGX_CONF_OK;
    }

    return ngx_shop_check_fail(check, "\"%s\" must be a string", name);
}


static char *
ngx_shop_check_fail(ngx_shop_check_t *check, const char *fmt, ...)
{
    u_char     *p;
    va_list     args;
    ngx_str_t   text;
    u_char      buf[NGX_SHOP_CHECK_LINE];

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + NGX_SHOP_CHECK_LINE, fmt, args);
    va_end(args);

    text.data = buf;
    text.len = p - buf;

    ngx_shop_check_print("%V: %V", check->file, &text);

    return NGX_CONF_ERROR;
}


static char *
ngx_shop_check_explain(ngx_shop_check_t *check)
{
    ngx_shop_evaluation_t  result;

    if (ngx_array_init(&check->given, check->cf->pool, 8,
                       sizeof(ngx_shop_promotion_t *))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* of budgets nothing is known here: they are all there */

    check->moment.budgets = ngx_pcalloc(check->cf->pool,
                                        (check->program->nbudgets + 1)
                                        * sizeof(ngx_shop_budget_t));
    if (check->moment.budgets == NULL) {
        return NGX_CONF_ERROR;
    }

    check->moment.match = ngx_shop_check_match;
    check->moment.trace = ngx_shop_check_trace;
    check->moment.data = check;

    if (ngx_shop_evaluate(check->cf->pool, check->program, &check->view,
                          &check->moment, &result)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_shop_check_told("tier", &result.tier);
    ngx_shop_check_told("segments", &result.segments);
    ngx_shop_check_told("promotions", &result.promotions);

    return NGX_CONF_OK;
}


/* a variable that the file does not have is empty */

static ngx_uint_t
ngx_shop_check_match(void *data, ngx_shop_match_t *match)
{
    ngx_shop_check_t *check = data;

    ngx_str_t         text;
    ngx_shop_json_t  *variables, *value;
    u_char            name[NGX_SHOP_CHECK_LINE];

    ngx_str_null(&text);

    variables = ngx_shop_json_get(check->json, "variables");

    (void) ngx_snprintf(name, NGX_SHOP_CHECK_LINE, "%V%Z", &match->variable);

    value = ngx_shop_json_get(variables, (char *) name);

    if (ngx_shop_json_string(value, &text) == NGX_OK
        && ngx_http_loyalty_match_text(match, &text, check->cf->log))
    {
        return 1;
    }

    check->match = match;

    return 0;
}


static void
ngx_shop_check_trace(void *data, ngx_shop_promotion_t *promotion,
    ngx_shop_offer_e offer)
{
    ngx_shop_check_t *check = data;

    u_char                 *p;
    ngx_str_t               why;
    ngx_shop_promotion_t  **given;
    u_char                  buf[NGX_SHOP_CHECK_LINE];

    if (offer == NGX_SHOP_OFFER_GIVEN) {

        given = ngx_array_push(&check->given);

        if (given != NULL) {
            *given = promotion;
        }

        if (promotion->stop) {
            check->stop = promotion;
        }

        ngx_shop_check_print("%V: given", &promotion->code);
        return;
    }

    p = ngx_shop_check_why(check, promotion, offer, buf,
                           buf + NGX_SHOP_CHECK_LINE);

    why.data = buf;
    why.len = p - buf;

    ngx_shop_check_print("%V: not given, %V", &promotion->code, &why);
}


static u_char *
ngx_shop_check_why(ngx_shop_check_t *check, ngx_shop_promotion_t *promotion,
    ngx_shop_offer_e offer, u_char *p, u_char *last)
{
    switch (offer) {

    case NGX_SHOP_OFFER_GROUP:
        return ngx_shop_check_group(check, promotion, p, last);

    case NGX_SHOP_OFFER_STOPPED:
        return ngx_slprintf(p, last, "stop: \"%V\" has ended the list",
                            &check->stop->code);

    case NGX_SHOP_OFFER_EARLY:
        p = ngx_slprintf(p, last, "from: it begins on ");
        return ngx_shop_check_date(p, last, promotion->from);

    case NGX_SHOP_OFFER_LATE:
        p = ngx_slprintf(p, last, "until: it ended on ");
        return ngx_shop_check_date(p, last, promotion->until);

    case NGX_SHOP_OFFER_HOURS:
        p = ngx_slprintf(p, last, "hours: it is ");
        return ngx_shop_check_date(p, last, check->moment.now);

    case NGX_SHOP_OFFER_SOLD_OUT:
        return ngx_slprintf(p, last, "budget: nothing is left");

    case NGX_SHOP_OFFER_LIMIT:
        return ngx_slprintf(p, last, "%s: the customer has redeemed it",
                            promotion->once ? "once" : "per_member");

    case NGX_SHOP_OFFER_AUDIENCE:
        return ngx_slprintf(p, last, "audience: no line holds");

    case NGX_SHOP_OFFER_MATCH:
        return ngx_slprintf(p, last, "match: $%V has another value",
                            &check->match->variable);

    case NGX_SHOP_OFFER_HOLDOUT:
        return ngx_slprintf(p, last, "holdout: bucket %ui of %d, held out "
                            "are those below %ui",
                            ngx_shop_holdout_bucket(check->seed,
                                                    &promotion->code,
                                                    &check->customer),
                            NGX_SHOP_HOLDOUT_ALL, promotion->holdout);

    default: /* NGX_SHOP_OFFER_UNSEEDED */
        return ngx_slprintf(p, last, "%s: without \"seed\" nobody knows",
                            promotion->holdout ? "holdout" : "once");
    }
}


static u_char *
ngx_shop_check_group(ngx_shop_check_t *check, ngx_shop_promotion_t *promotion,
    u_char *p, u_char *last)
{
    ngx_uint_t              i;
    ngx_shop_promotion_t  **given;

    given = check->given.elts;

    for (i = 0; i < check->given.nelts; i++) {
        if (given[i]->group & promotion->group) {
            return ngx_slprintf(p, last, "group: \"%V\" was given",
                                &given[i]->code);
        }
    }

    return p;
}


static void
ngx_shop_check_told(const char *what, ngx_str_t *text)
{
    static ngx_str_t  none = ngx_string("-");

    ngx_shop_check_print("%s: %V", what, text->len ? text : &none);
}


static u_char *
ngx_shop_check_date(u_char *p, u_char *last, time_t time)
{
    ngx_tm_t  tm;

    static const char  *days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
                                   "Sat" };

    ngx_gmtime(time, &tm);

    return ngx_slprintf(p, last, "%s %4d-%02d-%02dT%02d:%02d:%02dZ",
                        days[tm.ngx_tm_wday], tm.ngx_tm_year, tm.ngx_tm_mon,
                        tm.ngx_tm_mday, tm.ngx_tm_hour, tm.ngx_tm_min,
                        tm.ngx_tm_sec);
}


static void
ngx_shop_check_print(const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;
    u_char    buf[2 * NGX_SHOP_CHECK_LINE];

    last = buf + sizeof(buf) - 1;

    va_start(args, fmt);
    p = ngx_vslprintf(buf, last, fmt, args);
    va_end(args);

    *p++ = LF;

    (void) ngx_write_fd(ngx_stdout, buf, p - buf);
}
