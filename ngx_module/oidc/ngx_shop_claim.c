
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"


/*
 * Each provider tells who somebody is in documents of its own shape.  Where
 * something is in them is an expression in the configuration:
 *
 *     bool     value { "&&" value }           only where true or false is
 *                                             asked for
 *     value    joined { "|" joined }          the first that is not empty
 *     joined   term { "+" term }              with a blank between, empty
 *                                             ones left out
 *     term     ref | "'" text "'" | "tpl(" text with "{" ref "}" ")"
 *     ref      document ":" pointer [ pick ] [ "!" conversion ]
 *              a conversion is a word, or "in:" and a pointer to a list in
 *              the same document
 *     pick     "[" key "=" text { "&" key "=" text } "]" pointer
 *
 * It is read once, into a flat list of operations.  Each is one ref or one
 * text, and says what it begins, so that the tree needs no nodes:
 *
 *     ui:/a + tpl(x{ui:/b}) | 'y'
 *
 *     and  ui:/a
 *     term 'x'
 *     part ui:/b
 *     alt  'y'
 *
 * "and" begins a value, "alt" another alternative of it, "term" a term to be
 * joined; "part" goes on with the term before it.
 *
 * There is no loop, no recursion and no arithmetic in it, so a value costs at
 * most one walk through each document for each operation.
 *
 * Something that is not there is empty.  Something that is there and cannot
 * be what is asked for, such as a list where a text should be, fails the
 * whole expression: the next alternative could be another customer.
 */


#define NGX_SHOP_CLAIM_CALLBACK_MAX  8192   /* of JSON in a field of it */


enum {                                      /* in rising order */
    ngx_shop_claim_part = 0,
    ngx_shop_claim_term,
    ngx_shop_claim_alt,
    ngx_shop_claim_and
};


enum {
    ngx_shop_claim_as_is = 0,
    ngx_shop_claim_truth,                   /* true or "true" */
    ngx_shop_claim_bool,                    /* 1 and "1", too */
    ngx_shop_claim_str,
    ngx_shop_claim_exists,
    ngx_shop_claim_in,                      /* true, or nothing */
    ngx_shop_claim_lower,
    ngx_shop_claim_cutq
};


typedef struct {
    ngx_uint_t                 begins;
    ngx_uint_t                 doc;
    ngx_uint_t                 conv;
    ngx_str_t                  text;        /* or the callback's field */
    ngx_array_t                path;        /* of ngx_str_t */
    ngx_array_t                pick;        /* of ngx_keyval_t */
    ngx_array_t                rest;        /* path in the element */
    ngx_array_t                list;        /* path of "in:" */
} ngx_shop_claim_op_t;


typedef struct {
    ngx_pool_t                *pool;
    u_char                    *start;
    u_char                    *p;
    u_char                    *last;
    ngx_uint_t                 kind;
    ngx_uint_t                 allowed;
    ngx_shop_claim_t          *claim;
    const char                *what;
} ngx_shop_claim_parser_t;


typedef struct {
    ngx_pool_t                *pool;
    ngx_shop_docs_t           *docs;
    ngx_uint_t                 allowed;
    ngx_uint_t                 used;
    ngx_shop_claim_op_t       *op;
    ngx_shop_claim_op_t       *last;
} ngx_shop_claim_run_t;


static ngx_int_t ngx_shop_claim_parse(ngx_shop_claim_parser_t *c);
static ngx_int_t ngx_shop_claim_parse_glue(ngx_shop_claim_parser_t *c,
    ngx_uint_t *begins);
static ngx_int_t ngx_shop_claim_parse_term(ngx_shop_claim_parser_t *c,
    ngx_uint_t begins);
static ngx_int_t ngx_shop_claim_parse_parts(ngx_shop_claim_parser_t *c,
    ngx_uint_t begins, u_char end);
static ngx_int_t ngx_shop_claim_parse_text(ngx_shop_claim_parser_t *c,
    ngx_uint_t begins, u_char end);
static ngx_int_t ngx_shop_claim_parse_ref(ngx_shop_claim_parser_t *c,
    ngx_uint_t begins);
static ngx_int_t ngx_shop_claim_parse_doc(ngx_shop_claim_parser_t *c,
    ngx_shop_claim_op_t *op);
static ngx_int_t ngx_shop_claim_parse_path(ngx_shop_claim_parser_t *c,
    ngx_array_t *path);
static ngx_int_t ngx_shop_claim_parse_step(ngx_shop_claim_parser_t *c,
    ngx_array_t *path);
static ngx_int_t ngx_shop_claim_parse_pick(ngx_shop_claim_parser_t *c,
    ngx_shop_claim_op_t *op);
static ngx_int_t ngx_shop_claim_parse_conv(ngx_shop_claim_parser_t *c,
    ngx_shop_claim_op_t *op);
static ngx_shop_claim_op_t *ngx_shop_claim_add(ngx_shop_claim_parser_t *c,
    ngx_uint_t begins, ngx_uint_t doc);
static ngx_int_t ngx_shop_claim_copy(ngx_shop_claim_parser_t *c, u_char *p,
    size_t len, ngx_str_t *text);
static ngx_int_t ngx_shop_claim_wrong(ngx_shop_claim_parser_t *c,
    const char *what);
static void ngx_shop_claim_blanks(ngx_shop_claim_parser_t *c);
static size_t ngx_shop_claim_word(ngx_shop_claim_parser_t *c);
static ngx_uint_t ngx_shop_claim_ends_path(u_char ch);

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


static const struct {
    const char                *name;
    ngx_uint_t                 doc;
} ngx_shop_claim_docs[] = {
    { "id", NGX_SHOP_DOC_ID },
    { "ui", NGX_SHOP_DOC_UI },
    { "ui2", NGX_SHOP_DOC_UI2 },
    { "tk", NGX_SHOP_DOC_TK },
    { "cb", NGX_SHOP_DOC_CB },
    { NULL, 0 }
};


static const struct {
    const char                *name;
    ngx_uint_t                 conv;
} ngx_shop_claim_convs[] = {
    { "str", ngx_shop_claim_str },
    { "bool", ngx_shop_claim_bool },
    { "exists", ngx_shop_claim_exists },
    { "in", ngx_shop_claim_in },
    { "lower", ngx_shop_claim_lower },
    { "cutq", ngx_shop_claim_cutq },
    { NULL, 0 }
};


ngx_shop_claim_t *
ngx_shop_claim_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_claim_kind_e kind, ngx_uint_t allowed,
    ngx_shop_claim_error_t *error)
{
    ngx_int_t                rc;
    ngx_shop_claim_parser_t  c;

    ngx_memzero(&c, sizeof(ngx_shop_claim_parser_t));

    c.pool = pool;
    c.start = text->data;
    c.p = text->data;
    c.last = text->data + text->len;
    c.kind = kind;
    c.allowed = allowed;
    c.what = "no memory";

    c.claim = ngx_pcalloc(pool, sizeof(ngx_shop_claim_t));

    if (c.claim == NULL
        || ngx_array_init(&c.claim->ops, pool, 4, sizeof(ngx_shop_claim_op_t))
           != NGX_OK)
    {
        rc = NGX_ERROR;

    } else if (text->len == 0) {
        rc = ngx_shop_claim_wrong(&c, "nothing is there");

    } else if (text->len > NGX_SHOP_CLAIM_TEXT_MAX) {
        rc = ngx_shop_claim_wrong(&c, "too long");

    } else if (kind == NGX_SHOP_CLAIM_TEMPLATE) {
        rc = ngx_shop_claim_parse_parts(&c, ngx_shop_claim_alt, '\0');

    } else {
        rc = ngx_shop_claim_parse(&c);
    }

    if (rc != NGX_OK) {
        error->what = c.what;
        error->at = c.p - c.start + 1;
        return NULL;
    }

    return c.claim;
}


static ngx_int_t
ngx_shop_claim_parse(ngx_shop_claim_parser_t *c)
{
    ngx_int_t   rc;
    ngx_uint_t  begins;

    begins = ngx_shop_claim_and;

    for ( ;; ) {
        ngx_shop_claim_blanks(c);

        if (ngx_shop_claim_parse_term(c, begins) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_shop_claim_blanks(c);

        rc = ngx_shop_claim_parse_glue(c, &begins);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_shop_claim_parse_glue(ngx_shop_claim_parser_t *c, ngx_uint_t *begins)
{
    if (c->p == c->last) {
        return NGX_DONE;
    }

    switch (*c->p) {

    case '|':
        *begins = ngx_shop_claim_alt;
        break;

    case '+':
        *begins = ngx_shop_claim_term;
        break;

    case '&':

        if (c->last - c->p < 2 || c->p[1] != '&') {
            return ngx_shop_claim_wrong(c, "\"&&\" is meant");
        }

        if (c->kind != NGX_SHOP_CLAIM_BOOL) {
            return ngx_shop_claim_wrong(c, "\"&&\" is for true or false "
                                           "only");
        }

        c->p++;
        *begins = ngx_shop_claim_and;
        break;

    default:
        return ngx_shop_claim_wrong(c, "\"|\" or \"+\" is missing");
    }

    c->p++;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_parse_term(ngx_shop_claim_parser_t *c, ngx_uint_t begins)
{
    if (c->p != c->last && *c->p == '\'') {
        c->p++;

        if (ngx_shop_claim_parse_text(c, begins, '\'') != NGX_OK) {
            return NGX_ERROR;
        }

        if (c->p == c->last) {
            return ngx_shop_claim_wrong(c, "a quote is missing");
        }

        c->p++;

        return NGX_OK;
    }

    if (c->last - c->p >= 4 && ngx_memcmp(c->p, "tpl(", 4) == 0) {
        c->p += 4;

        if (ngx_shop_claim_parse_parts(c, begins, ')') != NGX_OK) {
            return NGX_ERROR;
        }

        c->p++;

        return NGX_OK;
    }

    return ngx_shop_claim_parse_ref(c, begins);
}


/* text with "{ref}", up to "end", or all of it */

static ngx_int_t
ngx_shop_claim_parse_parts(ngx_shop_claim_parser_t *c, ngx_uint_t begins,
    u_char end)
{
    if (c->p == c->last || (end && *c->p == end)) {
        return ngx_shop_claim_wrong(c, "nothing is there");
    }

    while (c->p != c->last && !(end && *c->p == end)) {

        if (*c->p == '{' && !(c->last - c->p >= 2 && c->p[1] == '{')) {
            c->p++;

            if (ngx_shop_claim_parse_ref(c, begins) != NGX_OK) {
                return NGX_ERROR;
            }

            if (c->p == c->last || *c->p != '}') {
                return ngx_shop_claim_wrong(c, "\"}\" is missing");
            }

            c->p++;

        } else if (ngx_shop_claim_parse_text(c, begins, end) != NGX_OK) {
            return NGX_ERROR;
        }

        begins = ngx_shop_claim_part;
    }

    if (end && c->p == c->last) {
        return ngx_shop_claim_wrong(c, "\")\" is missing");
    }

    return NGX_OK;
}


/*
 * Up to "end"; between quotes braces are plain characters, elsewhere a ref
 * ends it, and two of a kind are one
 */

static ngx_int_t
ngx_shop_claim_parse_text(ngx_shop_claim_parser_t *c, ngx_uint_t begins,
    u_char end)
{
    u_char               *dst;
    ngx_shop_claim_op_t  *op;

    op = ngx_shop_claim_add(c, begins, NGX_SHOP_DOC_TEXT);
    if (op == NULL) {
        return NGX_ERROR;
    }

    dst = ngx_pnalloc(c->pool, c->last - c->p + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    op->text.data = dst;

    while (c->p != c->last && !(end && *c->p == end)) {

        if (end != '\'' && (*c->p == '{' || *c->p == '}')) {

            if (c->last - c->p >= 2 && c->p[1] == *c->p) {
                c->p++;

            } else if (*c->p == '{') {
                break;

            } else {
                return ngx_shop_claim_wrong(c, "a single \"}\"");
            }
        }

        *dst++ = *c->p++;
    }

    op->text.len = dst - op->text.data;

    if (op->text.len == 0) {
        return ngx_shop_claim_wrong(c, "an empty text");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_parse_ref(ngx_shop_claim_parser_t *c, ngx_uint_t begins)
{
    ngx_shop_claim_op_t  *op;

    op = ngx_shop_claim_add(c, begins, 0);

    if (op == NULL || ngx_shop_claim_parse_doc(c, op) != NGX_OK) {
        return NGX_ERROR;
    }

    if (op->doc >= NGX_SHOP_DOC_CLIENT_ID) {
        return NGX_OK;
    }

    if (ngx_shop_claim_parse_path(c, &op->path) != NGX_OK) {
        return NGX_ERROR;
    }

    if (c->p != c->last && *c->p == '['
        && ngx_shop_claim_parse_pick(c, op) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_claim_parse_conv(c, op);
}


static ngx_int_t
ngx_shop_claim_parse_doc(ngx_shop_claim_parser_t *c, ngx_shop_claim_op_t *op)
{
    size_t      len;
    u_char     *name;
    ngx_str_t   word;
    ngx_uint_t  i;

    name = c->p;
    len = ngx_shop_claim_word(c);

    word.data = name;
    word.len = len;

    if (c->kind == NGX_SHOP_CLAIM_TEMPLATE) {

        if (ngx_shop_oidc_is(&word, "client_id")) {
            op->doc = NGX_SHOP_DOC_CLIENT_ID;
            return NGX_OK;
        }

        if (ngx_shop_oidc_is(&word, "state")) {
            op->doc = NGX_SHOP_DOC_STATE;
            return NGX_OK;
        }
    }

    for (i = 0; ngx_shop_claim_docs[i].name != NULL; i++) {
        if (ngx_shop_oidc_is(&word, ngx_shop_claim_docs[i].name)) {
            break;
        }
    }

    if (ngx_shop_claim_docs[i].name == NULL
        || c->p == c->last || *c->p != ':')
    {
        c->p = name;
        return ngx_shop_claim_wrong(c, "\"id:\", \"ui:\", \"ui2:\", \"tk:\" "
                                       "or \"cb:\" is missing");
    }

    op->doc = ngx_shop_claim_docs[i].doc;

    if (!(c->allowed & NGX_SHOP_DOC_BIT(op->doc))) {
        c->p = name;
        return ngx_shop_claim_wrong(c, "this document is not believed or not "
                                       "known here");
    }

    c->claim->docs |= NGX_SHOP_DOC_BIT(op->doc);
    c->p++;

    if (op->doc == NGX_SHOP_DOC_CB) {
        name = c->p;
        len = ngx_shop_claim_word(c);

        if (len == 0) {
            return ngx_shop_claim_wrong(c, "the name of a field is missing");
        }

        return ngx_shop_claim_copy(c, name, len, &op->text);
    }

    return NGX_OK;
}


/* a pointer of RFC 6901; none at all is the whole document */

static ngx_int_t
ngx_shop_claim_parse_path(ngx_shop_claim_parser_t *c, ngx_array_t *path)
{
    if (ngx_array_init(path, c->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    while (c->p != c->last && !ngx_shop_claim_ends_path(*c->p)) {

        if (*c->p != '/') {
            return ngx_shop_claim_wrong(c, "\"/\" is missing");
        }

        if (path->nelts == NGX_SHOP_CLAIM_STEPS_MAX) {
            return ngx_shop_claim_wrong(c, "too many steps");
        }

        c->p++;

        if (ngx_shop_claim_parse_step(c, path) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_parse_step(ngx_shop_claim_parser_t *c, ngx_array_t *path)
{
    u_char     *dst;
    ngx_str_t  *step;

    step = ngx_array_push(path);
    if (step == NULL) {
        return NGX_ERROR;
    }

    dst = ngx_pnalloc(c->pool, c->last - c->p + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    step->data = dst;

    while (c->p != c->last && *c->p != '/'
           && !ngx_shop_claim_ends_path(*c->p))
    {
        if (*c->p == '~') {

            if (c->last - c->p < 2 || (c->p[1] != '0' && c->p[1] != '1')) {
                return ngx_shop_claim_wrong(c, "\"~\" without 0 or 1");
            }

            *dst++ = (c->p[1] == '0') ? '~' : '/';
            c->p += 2;
            continue;
        }

        *dst++ = *c->p++;
    }

    *dst = '\0';
    step->len = dst - step->data;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_parse_pick(ngx_shop_claim_parser_t *c,
    ngx_shop_claim_op_t *op)
{
    u_char        *start;
    ngx_keyval_t  *kv;

    if (ngx_array_init(&op->pick, c->pool, 2, sizeof(ngx_keyval_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    do {
        c->p++;

        kv = ngx_array_push(&op->pick);
        if (kv == NULL) {
            return NGX_ERROR;
        }

        start = c->p;

        while (c->p != c->last && *c->p != '=' && *c->p != ']') {
            c->p++;
        }

        if (c->p == start || c->p == c->last || *c->p != '=') {
            return ngx_shop_claim_wrong(c, "KEY=VALUE is missing");
        }

        if (ngx_shop_claim_copy(c, start, c->p - start, &kv->key)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        start = ++c->p;

        while (c->p != c->last && *c->p != '&' && *c->p != ']') {
            c->p++;
        }

        if (c->p == start || c->p == c->last) {
            return ngx_shop_claim_wrong(c, "\"]\" is missing");
        }

        if (ngx_shop_claim_copy(c, start, c->p - start, &kv->value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } while (*c->p == '&');

    c->p++;

    return ngx_shop_claim_parse_path(c, &op->rest);
}


static ngx_int_t
ngx_shop_claim_parse_conv(ngx_shop_claim_parser_t *c,
    ngx_shop_claim_op_t *op)
{
    u_char      *start;
    ngx_str_t    word;
    ngx_uint_t   i;

    if (c->p == c->last || *c->p != '!') {

        if (c->kind == NGX_SHOP_CLAIM_BOOL) {
            op->conv = ngx_shop_claim_truth;

        } else if (c->kind == NGX_SHOP_CLAIM_TEMPLATE) {
            op->conv = ngx_shop_claim_str;
        }

        return NGX_OK;
    }

    start = ++c->p;

    word.data = start;
    word.len = ngx_shop_claim_word(c);

    for (i = 0; ngx_shop_claim_convs[i].name != NULL; i++) {

        if (ngx_shop_oidc_is(&word, ngx_shop_claim_convs[i].name)) {
            op->conv = ngx_shop_claim_convs[i].conv;
            break;
        }
    }

    if (ngx_shop_claim_convs[i].name == NULL) {
        c->p = start;
        return ngx_shop_claim_wrong(c, "\"str\", \"bool\", \"exists\", "
                                       "\"in:\", \"lower\" or \"cutq\" is "
                                       "missing");
    }

    if (op->conv != ngx_shop_claim_in) {
        return NGX_OK;
    }

    if (c->last - c->p < 2 || c->p[0] != ':' || c->p[1] != '/'
        || op->doc == NGX_SHOP_DOC_CB)
    {
        return ngx_shop_claim_wrong(c, "a list of the same document is "
                                       "missing");
    }

    c->p++;

    return ngx_shop_claim_parse_path(c, &op->list);
}


static ngx_shop_claim_op_t *
ngx_shop_claim_add(ngx_shop_claim_parser_t *c, ngx_uint_t begins,
    ngx_uint_t doc)
{
    ngx_shop_claim_op_t  *op;

    if (c->claim->ops.nelts == NGX_SHOP_CLAIM_OPS_MAX) {
        (void) ngx_shop_claim_wrong(c, "too many parts");
        return NULL;
    }

    op = ngx_array_push(&c->claim->ops);
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_shop_claim_op_t));

    op->begins = begins;
    op->doc = doc;

    return op;
}


/* with a NUL behind it, for the library */

static ngx_int_t
ngx_shop_claim_copy(ngx_shop_claim_parser_t *c, u_char *p, size_t len,
    ngx_str_t *text)
{
    text->data = ngx_pnalloc(c->pool, len + 1);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(text->data, p, len);
    text->data[len] = '\0';
    text->len = len;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_wrong(ngx_shop_claim_parser_t *c, const char *what)
{
    c->what = what;

    return NGX_ERROR;
}


static void
ngx_shop_claim_blanks(ngx_shop_claim_parser_t *c)
{
    while (c->p != c->last && *c->p == ' ') {
        c->p++;
    }
}


static size_t
ngx_shop_claim_word(ngx_shop_claim_parser_t *c)
{
    u_char   ch;
    u_char  *start;

    start = c->p;

    while (c->p != c->last) {
        ch = *c->p | 0x20;

        if (!((ch >= 'a' && ch <= 'z') || (*c->p >= '0' && *c->p <= '9')
              || *c->p == '_' || *c->p == '-' || *c->p == '.'))
        {
            break;
        }

        c->p++;
    }

    return c->p - start;
}


static ngx_uint_t
ngx_shop_claim_ends_path(u_char ch)
{
    return ch <= ' ' || ch == 0x7f || ngx_strchr("|+&![]{}()'=", ch) != NULL;
}


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

    } while (ngx_shop_oidc_is(value, "true"));

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

    return NGX_OK;
}


static ngx_int_t
ngx_shop_claim_find(ngx_shop_claim_run_t *run, ngx_shop_claim_op_t *op,
    ngx_str_t *text)
{
    ngx_int_t         rc;
    ngx_shop_json_t  *json, *list;

    if (op->doc == NGX_SHOP_DOC_CLIENT_ID || op->doc == NGX_SHOP_DOC_STATE) {
        *text = (op->doc == NGX_SHOP_DOC_STATE) ? run->docs->state
                                                : run->docs->client_id;
        return text->len ? NGX_OK : NGX_DECLINED;
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
            ? ngx_shop_json_parse(run->pool, &text,
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

            flag = (rc == NGX_OK && ngx_shop_oidc_is(&value, "1"));
        }

        if (rc == NGX_OK && ngx_shop_oidc_is(&value, "true")) {
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


ngx_array_t *
ngx_shop_path_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_claim_error_t *error)
{
    ngx_array_t              *path;
    ngx_shop_claim_parser_t   c;

    ngx_memzero(&c, sizeof(ngx_shop_claim_parser_t));

    c.pool = pool;
    c.start = text->data;
    c.p = text->data;
    c.last = text->data + text->len;
    c.what = "no memory";

    path = ngx_palloc(pool, sizeof(ngx_array_t));

    if (path != NULL
        && ngx_shop_claim_parse_path(&c, path) == NGX_OK)
    {
        if (c.p == c.last) {
            return path;
        }

        c.what = "a pointer ends here";
    }

    error->what = c.what;
    error->at = c.p - c.start + 1;

    return NULL;
}


ngx_shop_rule_t *
ngx_shop_rule_compile(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_claim_error_t *error)
{
    ngx_uint_t                i;
    ngx_shop_rule_t          *rule;
    ngx_shop_claim_parser_t   c;

    static const struct {
        const char  *text;
        ngx_uint_t   op;
    } ops[] = {
        { "absent_or=", NGX_SHOP_RULE_ABSENT_OR },
        { "absent", NGX_SHOP_RULE_ABSENT },
        { "!=", NGX_SHOP_RULE_OTHER },
        { "=", NGX_SHOP_RULE_EQUAL },
        { NULL, 0 }
    };

    ngx_memzero(&c, sizeof(ngx_shop_claim_parser_t));

    c.pool = pool;
    c.start = text->data;
    c.p = text->data;
    c.last = text->data + text->len;
    c.what = "no memory";

    rule = ngx_pcalloc(pool, sizeof(ngx_shop_rule_t));

    if (rule == NULL
        || ngx_shop_claim_parse_path(&c, &rule->path) != NGX_OK)
    {
        goto wrong;
    }

    ngx_shop_claim_blanks(&c);

    for (i = 0; ops[i].text != NULL; i++) {

        if ((size_t) (c.last - c.p) >= ngx_strlen(ops[i].text)
            && ngx_memcmp(c.p, ops[i].text, ngx_strlen(ops[i].text)) == 0)
        {
            break;
        }
    }

    if (ops[i].text == NULL) {
        c.what = "\"=\", \"!=\", \"absent\" or \"absent_or=\" is missing";
        goto wrong;
    }

    rule->op = ops[i].op;
    c.p += ngx_strlen(ops[i].text);

    ngx_shop_claim_blanks(&c);

    rule->value.data = c.p;
    rule->value.len = c.last - c.p;

    if ((rule->value.len == 0) != (rule->op == NGX_SHOP_RULE_ABSENT)) {
        c.what = rule->value.len ? "nothing more is expected"
                                 : "a value is missing";
        goto wrong;
    }

    return rule;

wrong:

    error->what = c.what;
    error->at = c.p - c.start + 1;

    return NULL;
}


ngx_uint_t
ngx_shop_rule_holds(ngx_pool_t *pool, ngx_shop_rule_t *rule,
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
