
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "oidc/ngx_shop_claim.h"


/* what expressions and rules make of documents: see ngx_shop_claim.c */


#define NGX_SHOP_CLAIM_CALLBACK_MAX  8192   /* of JSON in a field of it */


typedef struct {
    ngx_pool_t                *pool;
    ngx_shop_docs_t           *docs;
    ngx_uint_t                 allowed;
    ngx_uint_t                 used;
    ngx_shop_claim_op_t       *op;
    ngx_shop_claim_op_t       *last;
} ngx_shop_claim_run_t;


static ngx_int_t ngx_shop_claim_run_value(ngx_shop_claim_run_t *run,
    ngx_str_t *value);
static ngx_int_t ngx_shop_claim_run_joined(ngx_shop_claim_run_t *run,
    ngx_str_t *value);
static ngx_int_t ngx_shop_claim_run_term(ngx_shop_claim_run_t *run,
    ngx_str_t *value);
static void ngx_shop_claim_skip(ngx_shop_claim_run_t *run,
    ngx_uint_t begins);
static ngx_int_t ngx_shop_claim_append(ngx_shop_claim_run_t *run,
    ngx_str_t *value, ngx_str_t *text, ngx_uint_t blank);
static ngx_int_t ngx_shop_claim_find(ngx_shop_claim_run_t *run,
    ngx_shop_claim_op_t *op, ngx_str_t *text);
static ngx_int_t ngx_shop_claim_document(ngx_shop_claim_run_t *run,
    ngx_shop_claim_op_t *op, ngx_shop_json_t **json);
static ngx_int_t ngx_shop_claim_field(ngx_shop_claim_run_t *run,
    ngx_shop_claim_op_t *op, ngx_shop_json_t **json);
static ngx_shop_json_t *ngx_shop_claim_first(ngx_pool_t *pool,
    ngx_shop_json_t *array, ngx_array_t *pick);
static ngx_uint_t ngx_shop_claim_same(ngx_pool_t *pool,
    ngx_shop_json_t *json, ngx_str_t *value);
static ngx_int_t ngx_shop_claim_convert(ngx_pool_t *pool, ngx_uint_t conv,
    ngx_shop_json_t *json, ngx_str_t *text);
static ngx_int_t ngx_shop_claim_convert_bool(ngx_pool_t *pool,
    ngx_uint_t conv, ngx_shop_json_t *json, ngx_str_t *text);
static ngx_int_t ngx_shop_claim_convert_exists(ngx_shop_json_t *json,
    ngx_str_t *text);
static ngx_int_t ngx_shop_claim_convert_in(ngx_shop_json_t *list,
    ngx_shop_json_t *json, ngx_str_t *text);
static void ngx_shop_claim_true(ngx_uint_t value, ngx_str_t *text);
static ngx_uint_t ngx_shop_rule_is_met(ngx_pool_t *pool,
    ngx_shop_rule_t *rule, ngx_shop_json_t *json);


ngx_int_t
ngx_shop_claim_eval(ngx_pool_t *pool, ngx_shop_claim_t *claim,
    ngx_shop_docs_t *docs, ngx_uint_t allowed, ngx_str_t *value,
    ngx_uint_t *used)
{
    ngx_int_t             rc;
    ngx_shop_claim_run_t  run;

    run.pool = pool;
    run.docs = docs;
    run.allowed = allowed;
    run.used = 0;
    run.op = claim->ops.elts;
    run.last = run.op + claim->ops.nelts;

    /* several with "&&" between: all true, and the last one's is the value */

    do {
        rc = ngx_shop_claim_run_value(&run, value);

        if (rc != NGX_OK) {
            return rc;
        }

        if (run.op == run.last) {
            *used = run.used;
            return NGX_OK;
        }

    } while (ngx_shop_text_is(value, "true"));

    return NGX_DECLINED;
}


static ngx_int_t
ngx_shop_claim_run_value(ngx_shop_claim_run_t *run, ngx_str_t *value)
{
    ngx_int_t   rc;
    ngx_uint_t  used;

    used = run->used;

    do {
        run->used = used;

        rc = ngx_shop_claim_run_joined(run, value);

    } while (rc == NGX_DECLINED
             && run->op != run->last
             && run->op->begins == ngx_shop_claim_alt);

    if (rc == NGX_OK) {
        ngx_shop_claim_skip(run, ngx_shop_claim_and);
    }

    return rc;
}


static ngx_int_t
ngx_shop_claim_run_joined(ngx_shop_claim_run_t *run, ngx_str_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    ngx_str_null(value);

    do {
        rc = ngx_shop_claim_run_term(run, &text);

        if (rc == NGX_OK) {
            rc = ngx_shop_claim_append(run, value, &text, value->len != 0);
        }

        if (rc != NGX_OK && rc != NGX_DECLINED) {
            return rc;
        }

    } while (run->op != run->last && run->op->begins == ngx_shop_claim_term);

    return value->len ? NGX_OK : NGX_DECLINED;
}


/* one ref or text, or the parts of "tpl()", which is empty if one is */

static ngx_int_t
ngx_shop_claim_run_term(ngx_shop_claim_run_t *run, ngx_str_t *value)
{
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_shop_claim_op_t  *op;

    ngx_str_null(value);

    do {
        op = run->op++;

        if (op->doc == NGX_SHOP_DOC_TEXT) {
            text = op->text;
            rc = NGX_OK;

        } else {
            rc = ngx_shop_claim_find(run, op, &text);
        }

        if (rc == NGX_OK) {
            rc = ngx_shop_claim_append(run, value, &text, 0);
        }

        if (rc != NGX_OK) {
            ngx_shop_claim_skip(run, ngx_shop_claim_term);
            return rc;
        }

    } while (run->op != run->last && run->op->begins == ngx_shop_claim_part);

    return NGX_OK;
}


static void
ngx_shop_claim_skip(ngx_shop_claim_run_t *run, ngx_uint_t begins)
{
    while (run->op != run->last && run->op->begins < begins) {
        run->op++;
    }
}


static ngx_int_t
ngx_shop_claim_append(ngx_shop_claim_run_t *run, ngx_str_t *value,
    ngx_str_t *text, ngx_uint_t blank)
{
    u_char  *p;
    size_t   len;

    len = value->len + blank + text->len;

    if (len > NGX_SHOP_CLAIM_VALUE_MAX) {
        return NGX_ERROR;
    }

    if (value->len == 0) {
        *value = *text;
        return NGX_OK;
    }

    p = ngx_pnalloc(run->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, value->data, value->len);

    if (blank) {
        p[value->len] = ' ';
    }

    ngx_memcpy(p + value->len + blank, text->data, text->len);

    value->data = p;
    value->len = len;

    /* the client secret may be a part of it */

    return ngx_shop_zero_later(run->pool, value);
}


static ngx_int_t
ngx_shop_claim_find(ngx_shop_claim_run_t *run, ngx_shop_claim_op_t *op,
    ngx_str_t *text)
{
    ngx_int_t         rc;
    ngx_shop_json_t  *json, *list;

    switch (op->doc) {

    case NGX_SHOP_DOC_CLIENT_ID:
        *text = run->docs->client_id;
        return text->len ? NGX_OK : NGX_DECLINED;

    case NGX_SHOP_DOC_CLIENT_SECRET:
        *text = run->docs->client_secret;
        return text->len ? NGX_OK : NGX_DECLINED;

    case NGX_SHOP_DOC_STATE:
        *text = run->docs->state;
        return text->len ? NGX_OK : NGX_DECLINED;

    default:
        break;
    }

    if (!(run->allowed & NGX_SHOP_DOC_BIT(op->doc))) {
        return NGX_DECLINED;
    }

    rc = ngx_shop_claim_document(run, op, &json);

    if (rc != NGX_OK) {
        return rc;
    }

    list = json;
    json = ngx_shop_path_get(json, &op->path);

    if (op->pick.nelts) {
        json = ngx_shop_claim_first(run->pool, json, &op->pick);
        json = ngx_shop_path_get(json, &op->rest);
    }

    rc = (op->conv == ngx_shop_claim_in)
         ? ngx_shop_claim_convert_in(ngx_shop_path_get(list, &op->list), json,
                                     text)
         : ngx_shop_claim_convert(run->pool, op->conv, json, text);

    if (rc == NGX_OK) {
        run->used |= NGX_SHOP_DOC_BIT(op->doc);
    }

    /* the next alternative could be another customer */

    if (rc == NGX_DECLINED
        && (run->docs->partial & NGX_SHOP_DOC_BIT(op->doc)))
    {
        run->docs->wanted = op->doc;
        return NGX_AGAIN;
    }

    return rc;
}


static ngx_int_t
ngx_shop_claim_document(ngx_shop_claim_run_t *run, ngx_shop_claim_op_t *op,
    ngx_shop_json_t **json)
{
    if (op->doc == NGX_SHOP_DOC_CB) {
        return ngx_shop_claim_field(run, op, json);
    }

    if (run->docs->pending & NGX_SHOP_DOC_BIT(op->doc)) {
        run->docs->wanted = op->doc;
        return NGX_AGAIN;
    }

    *json = run->docs->json[op->doc];

    return NGX_OK;
}


/* a field of the callback is a text, or JSON where a pointer leads into it */

static ngx_int_t
ngx_shop_claim_field(ngx_shop_claim_run_t *run, ngx_shop_claim_op_t *op,
    ngx_shop_json_t **json)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    if (run->docs->callback.len == 0) {
        return NGX_DECLINED;
    }

    rc = ngx_shop_query_get(run->pool, &run->docs->callback,
                            (char *) op->text.data, &text);

    if (rc != NGX_OK) {
        return rc;
    }

    if (text.len == 0) {
        return NGX_DECLINED;
    }

    *json = (op->path.nelts || op->pick.nelts)
            ? ngx_shop_json_parse_mended(run->pool, &text,
                                         NGX_SHOP_CLAIM_CALLBACK_MAX)
            : ngx_shop_json_new_string(run->pool, &text);

    return (*json != NULL) ? NGX_OK : NGX_ERROR;
}


/* the first element of a list of objects whose members are as asked for */

static ngx_shop_json_t *
ngx_shop_claim_first(ngx_pool_t *pool, ngx_shop_json_t *array,
    ngx_array_t *pick)
{
    size_t            i, n;
    ngx_uint_t        k;
    ngx_keyval_t     *kv;
    ngx_shop_json_t  *element;

    kv = pick->elts;
    n = ngx_shop_json_is_array(array) ? ngx_shop_json_size(array) : 0;

    for (i = 0; i < n; i++) {

        element = ngx_shop_json_at(array, i);

        for (k = 0; k < pick->nelts; k++) {

            if (!ngx_shop_claim_same(pool,
                                     ngx_shop_json_get(element,
                                                  (char *) kv[k].key.data),
                                     &kv[k].value))
            {
                break;
            }
        }

        if (k == pick->nelts) {
            return element;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_shop_claim_same(ngx_pool_t *pool, ngx_shop_json_t *json,
    ngx_str_t *value)
{
    ngx_str_t   text;
    ngx_uint_t  flag;

    if (ngx_shop_json_boolean(json, &flag) == NGX_OK) {
        ngx_shop_claim_true(flag, &text);

    } else if (ngx_shop_json_text(pool, json, &text) != NGX_OK) {
        return 0;
    }

    return text.len == value->len
           && (text.len == 0
               || ngx_memcmp(text.data, value->data, text.len) == 0);
}


static ngx_int_t
ngx_shop_claim_convert(ngx_pool_t *pool, ngx_uint_t conv,
    ngx_shop_json_t *json, ngx_str_t *text)
{
    u_char     *p;
    size_t      i;
    ngx_int_t   rc;
    ngx_str_t   plain;

    switch (conv) {

    case ngx_shop_claim_truth:
    case ngx_shop_claim_bool:
        return ngx_shop_claim_convert_bool(pool, conv, json, text);

    case ngx_shop_claim_exists:
        return ngx_shop_claim_convert_exists(json, text);

    case ngx_shop_claim_str:
        rc = ngx_shop_json_text(pool, json, text);
        break;

    default:
        rc = ngx_shop_json_string(json, text);
        break;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (conv == ngx_shop_claim_lower && text->len) {
        plain = *text;

        p = ngx_pnalloc(pool, plain.len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_strlow(p, plain.data, plain.len);
        text->data = p;
    }

    if (conv == ngx_shop_claim_cutq) {
        for (i = 0; i < text->len && text->data[i] != '?'; i++) {
            /* void */
        }

        text->len = i;
    }

    return text->len ? NGX_OK : NGX_DECLINED;
}


/* providers write booleans as texts and numbers, too */

static ngx_int_t
ngx_shop_claim_convert_bool(ngx_pool_t *pool, ngx_uint_t conv,
    ngx_shop_json_t *json, ngx_str_t *text)
{
    ngx_int_t   rc;
    ngx_str_t   value;
    ngx_uint_t  flag;

    if (ngx_shop_json_boolean(json, &flag) == NGX_ERROR) {

        flag = 0;
        rc = ngx_shop_json_string(json, &value);

        if (conv == ngx_shop_claim_bool) {
            rc = ngx_shop_json_text(pool, json, &value);

            flag = (rc == NGX_OK && ngx_shop_text_is(&value, "1"));
        }

        if (rc == NGX_OK && ngx_shop_text_is(&value, "true")) {
            flag = 1;
        }

    } else if (ngx_shop_json_boolean(json, &flag) == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    ngx_shop_claim_true(flag, text);

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_convert_exists(ngx_shop_json_t *json, ngx_str_t *text)
{
    ngx_int_t   rc;
    ngx_str_t   value;
    ngx_uint_t  flag;

    rc = ngx_shop_json_string(json, &value);

    if (rc == NGX_DECLINED
        || (rc == NGX_OK && value.len == 0)
        || (ngx_shop_json_boolean(json, &flag) == NGX_OK && !flag)
        || (ngx_shop_json_is_array(json) && ngx_shop_json_size(json) == 0))
    {
        return NGX_DECLINED;
    }

    ngx_shop_claim_true(1, text);

    return NGX_OK;
}


/* byte by byte: that a provider's two spellings are one is not ours to say */

static ngx_int_t
ngx_shop_claim_convert_in(ngx_shop_json_t *list, ngx_shop_json_t *json,
    ngx_str_t *text)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  value, one;

    rc = ngx_shop_json_string(json, &value);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_shop_json_is_array(list)) {
        return ngx_shop_json_string(list, &one) == NGX_DECLINED ? NGX_DECLINED
                                                                : NGX_ERROR;
    }

    for (i = 0; i < ngx_shop_json_size(list); i++) {

        if (ngx_shop_json_string(ngx_shop_json_at(list, i), &one) == NGX_OK
            && value.len
            && one.len == value.len
            && ngx_memcmp(one.data, value.data, one.len) == 0)
        {
            ngx_shop_claim_true(1, text);
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_shop_claim_true(ngx_uint_t value, ngx_str_t *text)
{
    if (value) {
        ngx_str_set(text, "true");

    } else {
        ngx_str_set(text, "false");
    }
}


ngx_int_t
ngx_shop_claim_fields(ngx_shop_claim_t *claim, ngx_array_t *names)
{
    ngx_str_t            *name;
    ngx_uint_t            i, k;
    ngx_shop_claim_op_t  *op;

    op = claim->ops.elts;

    for (i = 0; i < claim->ops.nelts; i++) {

        if (op[i].doc != NGX_SHOP_DOC_CB) {
            continue;
        }

        name = names->elts;

        for (k = 0; k < names->nelts; k++) {
            if (ngx_strcmp(name[k].data, op[i].text.data) == 0) {
                break;
            }
        }

        if (k < names->nelts) {
            continue;
        }

        name = ngx_array_push(names);
        if (name == NULL) {
            return NGX_ERROR;
        }

        *name = op[i].text;
    }

    return NGX_OK;
}


ngx_shop_json_t *
ngx_shop_path_get(ngx_shop_json_t *json, ngx_array_t *path)
{
    ngx_int_t    n;
    ngx_str_t   *step;
    ngx_uint_t   i;

    step = path->elts;

    for (i = 0; i < path->nelts && json != NULL; i++) {

        if (!ngx_shop_json_is_array(json)) {
            json = ngx_shop_json_get(json, (char *) step[i].data);
            continue;
        }

        /* "01" and "-" are no elements: RFC 6901 4 */

        n = ngx_atoi(step[i].data, step[i].len);

        if (n == NGX_ERROR || (step[i].len > 1 && step[i].data[0] == '0')) {
            return NULL;
        }

        json = ngx_shop_json_at(json, n);
    }

    return json;
}


ngx_uint_t
ngx_shop_rule_holds(ngx_pool_t *pool, ngx_shop_rule_t *rule,
    ngx_shop_json_t *json)
{
    for ( /* void */ ; rule != NULL; rule = rule->next) {
        if (!ngx_shop_rule_is_met(pool, rule, json)) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_shop_rule_is_met(ngx_pool_t *pool, ngx_shop_rule_t *rule,
    ngx_shop_json_t *json)
{
    ngx_str_t   text;
    ngx_uint_t  same;

    json = ngx_shop_path_get(json, &rule->path);

    if (ngx_shop_json_string(json, &text) == NGX_DECLINED) {
        return rule->op == NGX_SHOP_RULE_ABSENT
               || rule->op == NGX_SHOP_RULE_ABSENT_OR;
    }

    same = ngx_shop_claim_same(pool, json, &rule->value);

    switch (rule->op) {

    case NGX_SHOP_RULE_OTHER:
        return !same;

    case NGX_SHOP_RULE_ABSENT:
        return 0;

    default: /* NGX_SHOP_RULE_EQUAL, NGX_SHOP_RULE_ABSENT_OR */
        return same;
    }
}
