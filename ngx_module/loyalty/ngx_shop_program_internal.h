
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_PROGRAM_INTERNAL_H_INCLUDED_
#define _NGX_SHOP_PROGRAM_INTERNAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * What the files of the grammar share.  All that return char * return
 * NGX_CONF_OK, or NGX_CONF_ERROR after they have reported.
 */


/* the lines of a program, each in a file of its own */

char *ngx_shop_program_tier(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words);
char *ngx_shop_program_earn(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words);
char *ngx_shop_program_segment(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_array_t *words);


/* ngx_shop_program_condition.c: adds the conditions of a line, the words from
 * "first" on, to "*lines"; "audience" tells whose it is */

char *ngx_shop_program_conditions(ngx_conf_t *cf,
    ngx_shop_program_t *program, ngx_uint_t audience, ngx_array_t *words,
    ngx_uint_t first, ngx_array_t **lines);


/* a line of a promotion, too */

char *ngx_shop_promotion_hours(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);


/* ngx_shop_program_redeem.c: these are, too */

char *ngx_shop_promotion_budget(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);
char *ngx_shop_promotion_per_member(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);
char *ngx_shop_promotion_once(ngx_conf_t *cf, ngx_shop_program_t *program,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);
char *ngx_shop_promotion_payload(ngx_conf_t *cf,
    ngx_shop_promotion_t *promotion, ngx_array_t *words);


/* ngx_shop_program_words.c */

typedef struct {
    const char         *kind;       /* "parameter" */
    const char         *where;      /* "tier" */
    const char         *allowed;    /* for the message */
    const char        **later;      /* words of the grammar, not here yet, to
                                       NULL; NULL: there are none */
} ngx_shop_program_words_t;


/* a name of "what" is fit to be one */
char *ngx_shop_program_name(ngx_conf_t *cf, const char *what,
    ngx_str_t *name);

/* these report, and return NGX_CONF_ERROR: a word that is none of "words" */
char *ngx_shop_program_unknown(ngx_conf_t *cf,
    ngx_shop_program_words_t *words, ngx_str_t *word);

/* a tier that was not declared, in a line or parameter "where" */
char *ngx_shop_program_unknown_tier(ngx_conf_t *cf,
    ngx_shop_program_t *program, const char *where, ngx_str_t *name);

/* a word that stands there twice */
char *ngx_shop_program_duplicate(ngx_conf_t *cf, ngx_str_t *word);

/* too many arguments, or too few */
char *ngx_shop_program_usage(ngx_conf_t *cf, ngx_str_t *word,
    const char *usage);

/* the value of "NAME=VALUE"; NGX_DECLINED: it is not of this name */
ngx_int_t ngx_shop_program_parameter(ngx_str_t *word, const char *name,
    ngx_str_t *value);

/* "day", "week", "month" or "year"; NGX_DECLINED: none of them */
ngx_int_t ngx_shop_program_period(ngx_str_t *name,
    ngx_shop_period_e *period);

/* an integer from 0 to NGX_SHOP_LOYALTY_POINTS_MAX; -1: it is none */
int64_t ngx_shop_program_points(ngx_str_t *text);


#endif /* _NGX_SHOP_PROGRAM_INTERNAL_H_INCLUDED_ */
