
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * The grammar of "loyalty_program".  It is larger than what this version
 * does, and a rule that is read and not followed would cost a shop money or
 * trust; so each word is one of three: known, known but not here yet, or
 * nothing at all, and the last two stop nginx with a message of their own.
 */


char *
ngx_shop_program_name(ngx_conf_t *cf, const char *what, ngx_str_t *name)
{
    if (ngx_shop_name_valid(name)) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\" of a %s, it must have 1 to %d "
                       "characters of A-Z, a-z, 0-9, \"_\" and \"-\"",
                       name, what, NGX_SHOP_NAME_MAX);

    return NGX_CONF_ERROR;
}


char *
ngx_shop_program_unknown(ngx_conf_t *cf, ngx_shop_program_words_t *words,
    ngx_str_t *word)
{
    u_char       *p, *last;
    ngx_str_t     name;
    const char  **later;

    /* "spend" of "spend=500.00", "custom" of "custom:review" */

    p = word->data;
    last = p + word->len;

    while (p < last && ngx_strlchr((u_char *) "=!<>:",
                                   (u_char *) "=!<>:" + 5, *p)
                       == NULL)
    {
        p++;
    }

    name.data = word->data;
    name.len = p - word->data;

    for (later = words->later; later && *later; later++) {

        if (ngx_shop_text_is(&name, *later)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the %s \"%V\" of \"%s\" is not in this "
                               "version, allowed: %s",
                               words->kind, word, words->where,
                               words->allowed);
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown %s \"%V\" of \"%s\", allowed: %s",
                       words->kind, word, words->where, words->allowed);

    return NGX_CONF_ERROR;
}


char *
ngx_shop_program_unknown_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    const char *where, ngx_str_t *name)
{
    u_char           *p;
    size_t            len;
    ngx_str_t         names;
    ngx_uint_t        i;
    ngx_shop_tier_t  *tier;

    if (program->tiers.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown tier \"%V\" in \"%s\", no tier "
                           "was declared before", name, where);
        return NGX_CONF_ERROR;
    }

    tier = program->tiers.elts;
    len = 0;

    for (i = 0; i < program->tiers.nelts; i++) {
        len += sizeof(", \"\"") - 1 + tier[i].name.len;
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    names.data = p;

    for (i = 0; i < program->tiers.nelts; i++) {
        p = ngx_sprintf(p, "%s\"%V\"", i ? ", " : "", &tier[i].name);
    }

    names.len = p - names.data;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown tier \"%V\" in \"%s\", declared before: "
                       "%V", name, where, &names);

    return NGX_CONF_ERROR;
}


char *
ngx_shop_program_duplicate(ngx_conf_t *cf, ngx_str_t *word)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "duplicate \"%V\"", word);

    return NGX_CONF_ERROR;
}


char *
ngx_shop_program_usage(ngx_conf_t *cf, ngx_str_t *word, const char *usage)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid number of arguments in \"%V\", allowed: %s",
                       word, usage);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_shop_program_parameter(ngx_str_t *word, const char *name,
    ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (word->len <= len
        || word->data[len] != '='
        || ngx_strncmp(word->data, name, len) != 0)
    {
        return NGX_DECLINED;
    }

    value->data = word->data + len + 1;
    value->len = word->len - len - 1;

    return NGX_OK;
}


int64_t
ngx_shop_program_points(ngx_str_t *text)
{
    off_t  n;

    n = ngx_atoof(text->data, text->len);

    if (n == NGX_ERROR || n > NGX_SHOP_LOYALTY_POINTS_MAX) {
        return -1;
    }

    return n;
}
