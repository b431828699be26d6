
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "oidc/ngx_shop_claim.h"


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
 * whole expression: the next alternative could be another customer.  So does
 * a subject where a whole document is not there: see ngx_shop_identity.c.
 */


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
static ngx_shop_rule_t *ngx_shop_rule_parse(ngx_shop_claim_parser_t *c);
static ngx_uint_t ngx_shop_claim_ends_path(u_char ch);


static const struct {
    const char                *name;
    ngx_uint_t                 doc;
} ngx_shop_claim_docs[] = {
    { "id", NGX_SHOP_DOC_ID },
    { "ui", NGX_SHOP_DOC_UI },
    { "ui2", NGX_SHOP_DOC_UI2 },
    { "tk", NGX_SHOP_DOC_TK },
    { "ti", NGX_SHOP_DOC_TI },
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

        if (ngx_shop_text_is(&word, "client_id")) {
            op->doc = NGX_SHOP_DOC_CLIENT_ID;
            return NGX_OK;
        }

        if (ngx_shop_text_is(&word, "state")) {
            op->doc = NGX_SHOP_DOC_STATE;
            return NGX_OK;
        }

        if (ngx_shop_text_is(&word, "client_secret")
            && (c->allowed & NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_CLIENT_SECRET)))
        {
            op->doc = NGX_SHOP_DOC_CLIENT_SECRET;
            return NGX_OK;
        }
    }

    for (i = 0; ngx_shop_claim_docs[i].name != NULL; i++) {
        if (ngx_shop_text_is(&word, ngx_shop_claim_docs[i].name)) {
            break;
        }
    }

    if (ngx_shop_claim_docs[i].name == NULL
        || c->p == c->last || *c->p != ':')
    {
        c->p = name;
        return ngx_shop_claim_wrong(c, "\"id:\", \"ui:\", \"ui2:\", \"ti:\", "
                                       "\"tk:\" or \"cb:\" is missing");
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

        if (ngx_shop_text_is(&word, ngx_shop_claim_convs[i].name)) {
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
    ngx_shop_rule_t          *first, **next;
    ngx_shop_claim_parser_t   c;

    ngx_memzero(&c, sizeof(ngx_shop_claim_parser_t));

    c.pool = pool;
    c.start = text->data;
    c.p = text->data;
    c.last = text->data + text->len;
    c.what = "no memory";

    next = &first;

    for ( ;; ) {
        *next = ngx_shop_rule_parse(&c);

        if (*next == NULL) {
            error->what = c.what;
            error->at = c.p - c.start + 1;
            return NULL;
        }

        if (c.p == c.last) {
            return first;
        }

        next = &(*next)->next;

        c.p += sizeof("&&") - 1;
        ngx_shop_claim_blanks(&c);
    }
}


/* one of them, up to the end or to "&&" */

static ngx_shop_rule_t *
ngx_shop_rule_parse(ngx_shop_claim_parser_t *c)
{
    u_char           *p;
    ngx_uint_t        i;
    ngx_shop_rule_t  *rule;

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

    rule = ngx_pcalloc(c->pool, sizeof(ngx_shop_rule_t));

    if (rule == NULL
        || ngx_shop_claim_parse_path(c, &rule->path) != NGX_OK)
    {
        return NULL;
    }

    ngx_shop_claim_blanks(c);

    for (i = 0; ops[i].text != NULL; i++) {

        if ((size_t) (c->last - c->p) >= ngx_strlen(ops[i].text)
            && ngx_memcmp(c->p, ops[i].text, ngx_strlen(ops[i].text)) == 0)
        {
            break;
        }
    }

    if (ops[i].text == NULL) {
        c->what = "\"=\", \"!=\", \"absent\" or \"absent_or=\" is missing";
        return NULL;
    }

    rule->op = ops[i].op;
    c->p += ngx_strlen(ops[i].text);

    ngx_shop_claim_blanks(c);

    for (p = c->p; p != c->last; p++) {
        if (c->last - p > 1 && p[0] == '&' && p[1] == '&') {
            break;
        }
    }

    rule->value.data = c->p;
    rule->value.len = p - c->p;

    while (rule->value.len && rule->value.data[rule->value.len - 1] == ' ') {
        rule->value.len--;
    }

    if ((rule->value.len == 0) != (rule->op == NGX_SHOP_RULE_ABSENT)) {
        c->what = rule->value.len ? "nothing more is expected"
                                  : "a value is missing";
        return NULL;
    }

    c->p = p;

    return rule;
}
