
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"


/*
 * A promotion may ask for any variable of nginx.  The variable is that of the
 * main request, at the moment when the customer is evaluated.
 *
 * A promotion of the configuration gets the variable made that it asks for.
 * One that comes later, from Redis, finds what there is: the variables that
 * something in the configuration uses have an index, nearly all others are in
 * a hash, and those of a family ("arg_", "http_", "cookie_") are made of their
 * name.  What is left out are the few that nginx keeps for the modules they
 * are of ("proxy_host"), where nothing in the configuration uses them.
 *
 * What is compared comes from anybody, and who writes promotions need not know
 * which regular expressions can be made to take for ever: one that has not
 * matched after so many steps from one place of the text does not match, and
 * neither does a text that has very many places.
 */


#define NGX_HTTP_LOYALTY_MATCH_LIMIT  "(*LIMIT_MATCH=10000)"
#define NGX_HTTP_LOYALTY_MATCH_TEXT   1024


typedef struct {
    ngx_int_t                  index;       /* of the variable; NGX_ERROR: */
    ngx_str_t                  name;        /* by name, */
    ngx_uint_t                 key;         /* and its hash */
    ngx_array_t                values;      /* of ngx_http_loyalty_value_t */
} ngx_http_loyalty_match_t;


typedef struct {
    ngx_str_t                  text;
#if (NGX_PCRE)
    ngx_regex_t               *regex;       /* NULL: it is equal */
#endif
} ngx_http_loyalty_value_t;


static ngx_http_loyalty_match_t *ngx_http_loyalty_match_values(
    ngx_conf_t *cf, ngx_shop_match_t *match);
static char *ngx_http_loyalty_match_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_loyalty_value_t *value);
static ngx_int_t ngx_http_loyalty_match_find(
    ngx_http_loyalty_match_t *compiled);
static ngx_uint_t ngx_http_loyalty_match_is(ngx_http_loyalty_value_t *value,
    ngx_str_t *text, ngx_log_t *log);


char *
ngx_http_loyalty_match_compile(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    ngx_http_loyalty_match_t  *compiled;

    compiled = ngx_http_loyalty_match_values(cf, match);
    if (compiled == NULL) {
        return NGX_CONF_ERROR;
    }

    /* nginx itself says, when all is read, that there is no such variable */

    compiled->index = ngx_http_get_variable_index(cf, &match->variable);

    return compiled->index == NGX_ERROR ? NGX_CONF_ERROR : NGX_CONF_OK;
}


char *
ngx_http_loyalty_match_texts(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    return ngx_http_loyalty_match_values(cf, match) ? NGX_CONF_OK
                                                    : NGX_CONF_ERROR;
}


char *
ngx_http_loyalty_match_resolve(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    ngx_http_loyalty_match_t  *compiled;

    compiled = ngx_http_loyalty_match_values(cf, match);
    if (compiled == NULL) {
        return NGX_CONF_ERROR;
    }

    compiled->name.len = match->variable.len;
    compiled->name.data = ngx_pnalloc(cf->pool, compiled->name.len);

    if (compiled->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    compiled->key = ngx_hash_strlow(compiled->name.data,
                                    match->variable.data,
                                    compiled->name.len);

    if (ngx_http_loyalty_match_find(compiled) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown variable \"%V\" in \"match\", it must "
                           "be one that nginx or its configuration has",
                           &match->variable);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_loyalty_match_find(ngx_http_loyalty_match_t *compiled)
{
    ngx_str_t                  *name;
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_core_module);

    name = &compiled->name;
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (v[i].name.len == name->len
            && ngx_memcmp(v[i].name.data, name->data, name->len) == 0)
        {
            compiled->index = i;
            return NGX_OK;
        }
    }

    if (ngx_hash_find(&cmcf->variables_hash, compiled->key, name->data,
                      name->len)
        != NULL)
    {
        return NGX_OK;
    }

    v = cmcf->prefix_variables.elts;

    for (i = 0; i < cmcf->prefix_variables.nelts; i++) {
        if (name->len > v[i].name.len
            && ngx_memcmp(v[i].name.data, name->data, v[i].name.len) == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_http_loyalty_match_t *
ngx_http_loyalty_match_values(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    ngx_str_t                 *text;
    ngx_uint_t                 i;
    ngx_http_loyalty_match_t  *compiled;
    ngx_http_loyalty_value_t  *value;

    compiled = ngx_pcalloc(cf->pool, sizeof(ngx_http_loyalty_match_t));
    if (compiled == NULL) {
        return NULL;
    }

    compiled->index = NGX_ERROR;

    match->compiled = compiled;

    if (ngx_array_init(&compiled->values, cf->pool, match->values->nelts,
                       sizeof(ngx_http_loyalty_value_t))
        != NGX_OK)
    {
        return NULL;
    }

    text = match->values->elts;

    for (i = 0; i < match->values->nelts; i++) {

        value = ngx_array_push(&compiled->values);
        if (value == NULL) {
            return NULL;
        }

        if (ngx_http_loyalty_match_value(cf, &text[i], value)
            != NGX_CONF_OK)
        {
            return NULL;
        }
    }

    return compiled;
}


/* as in "map": "~" and "~*" are regular expressions, "\~" is a "~" */

static char *
ngx_http_loyalty_match_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_loyalty_value_t *value)
{
#if (NGX_PCRE)
    u_char              *p;
    u_char               errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t  rc;

    value->regex = NULL;
#endif

    value->text = *text;

    if (text->len > 1 && text->data[0] == '\\' && text->data[1] == '~') {
        value->text.data++;
        value->text.len--;
        return NGX_CONF_OK;
    }

    if (text->len == 0 || text->data[0] != '~') {
        return NGX_CONF_OK;
    }

#if (NGX_PCRE)

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern.data = text->data + 1;
    rc.pattern.len = text->len - 1;

    if (rc.pattern.len && rc.pattern.data[0] == '*') {
        rc.pattern.data++;
        rc.pattern.len--;
        rc.options = NGX_REGEX_CASELESS;
    }

    rc.pool = cf->pool;
    rc.err.data = errstr;
    rc.err.len = NGX_MAX_CONF_ERRSTR;

    if (rc.pattern.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty regular expression \"%V\" in \"match\"",
                           text);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, sizeof(NGX_HTTP_LOYALTY_MATCH_LIMIT)
                              + rc.pattern.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    rc.pattern.len = ngx_sprintf(p, NGX_HTTP_LOYALTY_MATCH_LIMIT "%V%Z",
                                 &rc.pattern)
                     - p - 1;
    rc.pattern.data = p;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V in \"match\"", &rc.err);
        return NGX_CONF_ERROR;
    }

    value->regex = rc.regex;

    return NGX_CONF_OK;

#else

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "using regex \"%V\" in \"match\" requires PCRE "
                       "library", text);
    return NGX_CONF_ERROR;

#endif
}


ngx_uint_t
ngx_http_loyalty_match(void *data, ngx_shop_match_t *match)
{
    ngx_http_request_t *r = data;

#if (NGX_PCRE)
    int                        *captures;
    u_char                     *captures_data;
    ngx_uint_t                  ncaptures, again;
#endif
    ngx_str_t                   text;
    ngx_http_loyalty_match_t   *compiled;
    ngx_http_variable_value_t  *variable;

    compiled = match->compiled;

#if (NGX_PCRE)

    /* a "map" may have regular expressions, and $1 is the location's */

    captures = r->captures;
    captures_data = r->captures_data;
    ncaptures = r->ncaptures;
    again = r->realloc_captures;

    r->realloc_captures = 1;

#endif

    variable = (compiled->index == NGX_ERROR)
               ? ngx_http_get_variable(r, &compiled->name, compiled->key)
               : ngx_http_get_flushed_variable(r, compiled->index);

#if (NGX_PCRE)
    r->captures = captures;
    r->captures_data = captures_data;
    r->ncaptures = ncaptures;
    r->realloc_captures = again;
#endif

    if (variable == NULL) {
        return 0;
    }

    if (variable->not_found) {

        /* it may come: to be asked anew later */

        variable->not_found = 0;

        return 0;
    }

    text.data = variable->data;
    text.len = variable->len;

    return ngx_http_loyalty_match_text(match, &text, r->connection->log);
}


ngx_uint_t
ngx_http_loyalty_match_text(ngx_shop_match_t *match, ngx_str_t *text,
    ngx_log_t *log)
{
    ngx_uint_t                 i;
    ngx_http_loyalty_match_t  *compiled;
    ngx_http_loyalty_value_t  *value;

    compiled = match->compiled;
    value = compiled->values.elts;

    for (i = 0; i < compiled->values.nelts; i++) {
        if (ngx_http_loyalty_match_is(&value[i], text, log)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_loyalty_match_is(ngx_http_loyalty_value_t *value, ngx_str_t *text,
    ngx_log_t *log)
{
#if (NGX_PCRE)
    ngx_int_t  n;

    if (value->regex) {

        if (text->len > NGX_HTTP_LOYALTY_MATCH_TEXT) {
            return 0;
        }

        n = ngx_regex_exec(value->regex, text, NULL, 0);

        if (n < 0 && n != NGX_REGEX_NO_MATCHED) {
            ngx_log_error(NGX_LOG_INFO, log, 0,
                          ngx_regex_exec_n " failed: %i on a variable of "
                          "\"match\"", n);
        }

        return n >= 0;
    }
#endif

    return value->text.len == text->len
           && (text->len == 0
               || ngx_memcmp(value->text.data, text->data, text->len) == 0);
}
