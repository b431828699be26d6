
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_HTTP_SOCIAL_SET_H_INCLUDED_
#define _NGX_HTTP_SOCIAL_SET_H_INCLUDED_


#include "modules/ngx_http_social_field.h"


/*
 * The fields of a provider.  A setter replaces what the preset said, and is
 * called at most once for each layer; it returns what it finds wrong, or
 * NGX_CONF_ERROR where it has reported it.
 */


typedef struct ngx_http_social_field_s  ngx_http_social_field_t;

struct ngx_http_social_field_s {
    ngx_str_t                  name;
    ngx_uint_t                 args;        /* 1: one value, 2: one or more */

    char                    *(*set)(ngx_conf_t *cf,
                                  ngx_http_social_block_t *block,
                                  ngx_http_social_field_t *field);

    ngx_uint_t                 offset;      /* in the provider, or in the
                                               block where "ours" */
    ngx_conf_enum_t           *words;       /* a word that ends with ":" has
                                               something behind it */
    ngx_uint_t                 more;        /* see the setter */
    ngx_uint_t                 flags;
};


#define NGX_HTTP_SOCIAL_FIRST  1            /* of the first step */
#define NGX_HTTP_SOCIAL_OURS   2            /* offset in the block */

#define NGX_HTTP_SOCIAL_AS_TEXT     0       /* kinds of text */
#define NGX_HTTP_SOCIAL_AS_NAME     1
#define NGX_HTTP_SOCIAL_AS_HOST     2
#define NGX_HTTP_SOCIAL_AS_PORT     3       /* a host with or without one */
#define NGX_HTTP_SOCIAL_AS_SUFFIX   4


/* where the value of a field goes */
void *ngx_http_social_at(ngx_http_social_block_t *block,
    ngx_http_social_field_t *field);

/* NULL: it is right, of that kind; else what is allowed */
const char *ngx_http_social_text_wrong(ngx_str_t *text, ngx_uint_t kind);

/* 1: UTF-8 without control characters */
ngx_uint_t ngx_http_social_text_valid(ngx_str_t *text);

/* reports a value; NGX_CONF_ERROR */
char *ngx_http_social_bad_field(ngx_conf_t *cf, ngx_str_t *value,
    const char *allowed);


#define ngx_http_social_claim(n)                                              \
    (offsetof(ngx_shop_provider_t, claims) + (n) * sizeof(ngx_shop_claim_t *))


/* ngx_http_social_set.c */

char *ngx_http_social_set_gone(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_text(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_note(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_secret(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_verify_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_scope(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_alg(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_enum(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_notify(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_notify_key(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_email_trust(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);


/* ngx_http_social_set_url.c */

char *ngx_http_social_set_url(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_logout(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_issuer(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_texts(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);


/* ngx_http_social_set_claim.c */

char *ngx_http_social_set_claim(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_rule(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_path(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_pairs(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);
char *ngx_http_social_set_params(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_field_t *field);


#endif /* _NGX_HTTP_SOCIAL_SET_H_INCLUDED_ */
