
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
 */


typedef struct {
    ngx_int_t                  index;       /* of the variable */
    ngx_array_t                values;      /* of ngx_http_loyalty_value_t */
} ngx_http_loyalty_match_t;


typedef struct {
    ngx_str_t                  text;
#if (NGX_PCRE)
    ngx_regex_t               *regex;       /* NULL: it is equal */
#endif
} ngx_http_loyalty_value_t;


static char *ngx_http_loyalty_match_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_loyalty_value_t *value);
static ngx_uint_t ngx_http_loyalty_match_is(ngx_http_request_t *r,
    ngx_http_loyalty_value_t *value, ngx_str_t *text);


char *
ngx_http_loyalty_match_compile(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    ngx_str_t                 *text;
    ngx_uint_t                 i;
    ngx_http_loyalty_match_t  *compiled;
    ngx_http_loyalty_value_t  *value;

    compiled = ngx_palloc(cf->pool, sizeof(ngx_http_loyalty_match_t));
    if (compiled == NULL) {
        return NGX_CONF_ERROR;
    }

    match->compiled = compiled;

    /* nginx itself says, when all is read, that there is no such variable */

    compiled->index = ngx_http_get_variable_index(cf, &match->variable);
    if (compiled->index == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    if (ngx_array_init(&compiled->values, cf->pool, match->values->nelts,
                       sizeof(ngx_http_loyalty_value_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    text = match->values->elts;

    for (i = 0; i < match->values->nelts; i++) {

        value = ngx_array_push(&compiled->values);
        if (value == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_loyalty_match_value(cf, &text[i], value)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* as in "map": "~" and "~*" are regular expressions, "\~" is a "~" */

static char *
ngx_http_loyalty_match_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_loyalty_value_t *value)
{
#if (NGX_PCRE)
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
    ngx_uint_t                  i;
    ngx_http_loyalty_match_t   *compiled;
    ngx_http_loyalty_value_t   *value;
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

    variable = ngx_http_get_flushed_variable(r, compiled->index);

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

    value = compiled->values.elts;

    for (i = 0; i < compiled->values.nelts; i++) {
        if (ngx_http_loyalty_match_is(r, &value[i], &text)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_loyalty_match_is(ngx_http_request_t *r,
    ngx_http_loyalty_value_t *value, ngx_str_t *text)
{
#if (NGX_PCRE)
    ngx_int_t  n;

    if (value->regex) {
        n = ngx_regex_exec(value->regex, text, NULL, 0);

        if (n < 0 && n != NGX_REGEX_NO_MATCHED) {
            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
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
