
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_loyalty_module.h"
#include "modules/ngx_http_loyalty_conf.h"


/*
 * "loyalty_program" and "promotion" are blocks in a block, which the custom
 * handler of ngx_conf_parse() cannot read.  So their lines are directives of
 * contexts of their own; all that nginx knows of them is their names, and
 * the loyalty room reads the words.
 *
 * NGX_MAIN_CONF beside our bit lets "include" in, and nothing else, since no
 * directive of an HTTP module is for the main context.
 */

#define NGX_HTTP_LOYALTY_PROGRAM_CONF    0x00100000
#define NGX_HTTP_LOYALTY_PROMOTION_CONF  0x00200000

#define NGX_HTTP_LOYALTY_HEADER_MAX      64


static char *ngx_http_loyalty_program_block(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_loyalty_program_line(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_loyalty_promotion_block(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_loyalty_promotion_line(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_loyalty_lines(ngx_conf_t *cf,
    ngx_http_loyalty_main_conf_t *lmcf, ngx_uint_t context,
    const char *name, const char *allowed);

static char *ngx_http_loyalty_header(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_loyalty_header_check(ngx_conf_t *cf, ngx_str_t *name);
static ngx_uint_t ngx_http_loyalty_header_equal(ngx_str_t *one,
    ngx_str_t *two);
static ngx_uint_t ngx_http_loyalty_header_starts(ngx_str_t *name,
    ngx_str_t *prefix);
static char *ngx_http_loyalty_headers_differ(ngx_conf_t *cf,
    ngx_http_loyalty_loc_conf_t *prev, ngx_http_loyalty_loc_conf_t *conf);


ngx_command_t  ngx_http_loyalty_commands[] = {

    { ngx_string("loyalty"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_loyalty_loc_conf_t, enable),
      NULL },

    { ngx_string("loyalty_capture"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_loyalty_loc_conf_t, capture),
      NULL },

    { ngx_string("loyalty_header"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_loyalty_header,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("loyalty_program"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS,
      ngx_http_loyalty_program_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

#define ngx_http_loyalty_line(name)                                           \
    { ngx_string(name),                                                       \
      NGX_HTTP_LOYALTY_PROGRAM_CONF|NGX_CONF_ANY,                             \
      ngx_http_loyalty_program_line,                                          \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL }

    ngx_http_loyalty_line("currency"),
    ngx_http_loyalty_line("tier"),
    ngx_http_loyalty_line("earn"),
    ngx_http_loyalty_line("segment"),
    ngx_http_loyalty_line("referral"),

#undef ngx_http_loyalty_line

    { ngx_string("promotion"),
      NGX_HTTP_LOYALTY_PROGRAM_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_loyalty_promotion_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

#define ngx_http_loyalty_line(name)                                           \
    { ngx_string(name),                                                       \
      NGX_HTTP_LOYALTY_PROMOTION_CONF|NGX_CONF_ANY,                           \
      ngx_http_loyalty_promotion_line,                                        \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL }

    ngx_http_loyalty_line("audience"),
    ngx_http_loyalty_line("from"),
    ngx_http_loyalty_line("until"),
    ngx_http_loyalty_line("priority"),
    ngx_http_loyalty_line("hours"),
    ngx_http_loyalty_line("stop"),
    ngx_http_loyalty_line("group"),
    ngx_http_loyalty_line("holdout"),
    ngx_http_loyalty_line("budget"),
    ngx_http_loyalty_line("per_member"),
    ngx_http_loyalty_line("once"),
    ngx_http_loyalty_line("match"),
    ngx_http_loyalty_line("payload"),

#undef ngx_http_loyalty_line

      ngx_null_command
};


static ngx_str_t  ngx_http_loyalty_fields[NGX_HTTP_LOYALTY_HEADERS] = {
    ngx_string("customer"),
    ngx_string("provider"),
    ngx_string("tier"),
    ngx_string("points"),
    ngx_string("segments"),
    ngx_string("promotions")
};


static ngx_str_t  ngx_http_loyalty_names[NGX_HTTP_LOYALTY_HEADERS] = {
    ngx_string("X-Customer-Id"),
    ngx_string("X-Customer-Provider"),
    ngx_string("X-Loyalty-Tier"),
    ngx_string("X-Loyalty-Points"),
    ngx_string("X-Loyalty-Segments"),
    ngx_string("X-Promotion")
};


/*
 * A name of ours is taken from clients in every location, so it cannot be
 * one that clients, proxies and nginx need; beside these stand all of
 * ngx_http_headers_in[].  One that ends with "-" stands for all that start
 * with it.
 */

static ngx_str_t  ngx_http_loyalty_reserved[] = {
    ngx_string("accept"),
    ngx_string("accept-"),
    ngx_string("access-control-"),
    ngx_string("authorization"),
    ngx_string("cache-control"),
    ngx_string("connection"),
    ngx_string("content-"),
    ngx_string("cookie"),
    ngx_string("cookie2"),
    ngx_string("date"),
    ngx_string("depth"),
    ngx_string("destination"),
    ngx_string("dnt"),
    ngx_string("early-data"),
    ngx_string("expect"),
    ngx_string("forwarded"),
    ngx_string("from"),
    ngx_string("host"),
    ngx_string("http2-settings"),
    ngx_string("if-"),
    ngx_string("keep-alive"),
    ngx_string("last-event-id"),
    ngx_string("max-forwards"),
    ngx_string("origin"),
    ngx_string("overwrite"),
    ngx_string("pragma"),
    ngx_string("priority"),
    ngx_string("proxy-"),
    ngx_string("range"),
    ngx_string("referer"),
    ngx_string("sec-"),
    ngx_string("set-cookie"),
    ngx_string("shop-signature"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
    ngx_string("upgrade-"),
    ngx_string("user-agent"),
    ngx_string("via"),
    ngx_string("x-accel-"),
    ngx_string("x-forwarded-"),
    ngx_string("x-real-ip"),
    ngx_string("x-requested-with"),
    ngx_string("x-shop-event"),
    ngx_null_string
};


static ngx_http_loyalty_header_t  ngx_http_loyalty_header_off;


static char *
ngx_http_loyalty_program_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_loyalty_main_conf_t *lmcf = conf;

    if (lmcf->program_read) {
        return "is duplicate";
    }

    lmcf->program_read = 1;

    if (ngx_http_loyalty_lines(cf, lmcf, NGX_HTTP_LOYALTY_PROGRAM_CONF,
                               "loyalty_program", NGX_SHOP_PROGRAM_LINES)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_shop_program_finish(&lmcf->program);

    lmcf->promotion = NULL;

    return NGX_CONF_OK;
}


static char *
ngx_http_loyalty_program_line(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_loyalty_main_conf_t *lmcf = conf;

    char  *rv;

    rv = ngx_shop_program_line(cf, &lmcf->program, cf->args);

    if (rv != NGX_CONF_OK) {
        lmcf->error_reported = 1;
    }

    return rv;
}


static char *
ngx_http_loyalty_promotion_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_loyalty_main_conf_t *lmcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_shop_program_promotion(cf, &lmcf->program, &value[1],
                                   &lmcf->promotion)
        != NGX_CONF_OK)
    {
        lmcf->error_reported = 1;
        return NGX_CONF_ERROR;
    }

    return ngx_http_loyalty_lines(cf, lmcf, NGX_HTTP_LOYALTY_PROMOTION_CONF,
                                  "promotion", NGX_SHOP_PROMOTION_LINES);
}


static char *
ngx_http_loyalty_promotion_line(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_loyalty_main_conf_t *lmcf = conf;

    char  *rv;

    rv = ngx_shop_promotion_line(cf, &lmcf->program, lmcf->promotion,
                                 cf->args);

    if (rv != NGX_CONF_OK) {
        lmcf->error_reported = 1;
    }

    return rv;
}


/*
 * nginx itself says where an unknown word is, but cannot say what would be
 * right: this is added to its message.
 */

static char *
ngx_http_loyalty_lines(ngx_conf_t *cf, ngx_http_loyalty_main_conf_t *lmcf,
    ngx_uint_t context, const char *name, const char *allowed)
{
    char        *rv;
    ngx_conf_t   save;

    save = *cf;

    cf->cmd_type = context|NGX_MAIN_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK && !lmcf->error_reported) {

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "allowed in \"%s\": %s", name, allowed);

        lmcf->error_reported = 1;
    }

    return rv;
}


static char *
ngx_http_loyalty_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_loyalty_loc_conf_t *llcf = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_shop_header_name_t     *name;
    ngx_http_shop_main_conf_t  *smcf;
    ngx_http_loyalty_header_t  *header;

    value = cf->args->elts;

    for (i = 0; i < NGX_HTTP_LOYALTY_HEADERS; i++) {

        if (value[1].len == ngx_http_loyalty_fields[i].len
            && ngx_strcmp(value[1].data, ngx_http_loyalty_fields[i].data)
               == 0)
        {
            break;
        }
    }

    if (i == NGX_HTTP_LOYALTY_HEADERS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown field \"%V\" of \"loyalty_header\", "
                           "allowed: \"customer\", \"provider\", \"tier\", "
                           "\"points\", \"segments\", \"promotions\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (llcf->headers[i] != NGX_CONF_UNSET_PTR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"loyalty_header %V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(value[2].data, "off") == 0) {
        llcf->headers[i] = &ngx_http_loyalty_header_off;
        return NGX_CONF_OK;
    }

    if (ngx_http_loyalty_header_check(cf, &value[2]) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    name = ngx_shop_header_names_add(cf->pool, &smcf->names, &value[2]);
    if (name == NULL) {
        return NGX_CONF_ERROR;
    }

    header = ngx_palloc(cf->pool, sizeof(ngx_http_loyalty_header_t));
    if (header == NULL) {
        return NGX_CONF_ERROR;
    }

    header->name = *name;
    header->file = cf->conf_file->file.name.data;
    header->line = cf->conf_file->line;

    llcf->headers[i] = header;

    return NGX_CONF_OK;
}


static char *
ngx_http_loyalty_header_check(ngx_conf_t *cf, ngx_str_t *name)
{
    u_char             *p, *last;
    ngx_str_t          *reserved;
    ngx_uint_t          found;
    ngx_http_header_t  *h;

    last = name->data + name->len;

    for (p = name->data; p < last; p++) {

        /* "tchar" of RFC 9110, 5.6.2 */

        if ((*p >= 'a' && *p <= 'z')
            || (*p >= 'A' && *p <= 'Z')
            || (*p >= '0' && *p <= '9')
            || (*p && ngx_strchr("!#$%&'*+-.^_`|~", *p) != NULL))
        {
            continue;
        }

        break;
    }

    if (p != last || name->len == 0
        || name->len > NGX_HTTP_LOYALTY_HEADER_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid header name \"%V\" in "
                           "\"loyalty_header\", it must be \"off\" or 1 to "
                           "%d characters that a header's name may have",
                           name, NGX_HTTP_LOYALTY_HEADER_MAX);
        return NGX_CONF_ERROR;
    }

    found = 0;

    for (h = ngx_http_headers_in; h->name.len; h++) {
        if (ngx_http_loyalty_header_equal(&h->name, name)) {
            found = 1;
        }
    }

    for (reserved = ngx_http_loyalty_reserved; reserved->len; reserved++) {

        if (ngx_http_loyalty_header_equal(reserved, name)
            || (reserved->data[reserved->len - 1] == '-'
                && ngx_http_loyalty_header_starts(name, reserved)))
        {
            found = 1;
        }
    }

    if (found) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "header \"%V\" is not allowed in "
                           "\"loyalty_header\": clients, proxies or nginx "
                           "itself use it, and it would be taken from every "
                           "request; allowed is a name of your own, e.g. "
                           "\"X-Member-Tier\"", name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_http_loyalty_header_equal(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len && ngx_http_loyalty_header_starts(one, two);
}


/* as everywhere, "-" and "_" are the same */

static ngx_uint_t
ngx_http_loyalty_header_starts(ngx_str_t *name, ngx_str_t *prefix)
{
    u_char      a, b;
    ngx_uint_t  i;

    if (name->len < prefix->len) {
        return 0;
    }

    for (i = 0; i < prefix->len; i++) {

        a = ngx_tolower(name->data[i]);
        b = ngx_tolower(prefix->data[i]);

        if ((a == '_' ? '-' : a) != (b == '_' ? '-' : b)) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_loyalty_add_headers(ngx_conf_t *cf)
{
    ngx_uint_t                     i;
    ngx_shop_header_name_t        *name;
    ngx_http_shop_main_conf_t     *smcf;
    ngx_http_loyalty_main_conf_t  *lmcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);
    lmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_loyalty_module);

    for (i = 0; i < NGX_HTTP_LOYALTY_HEADERS; i++) {

        name = ngx_shop_header_names_add(cf->pool, &smcf->names,
                                         &ngx_http_loyalty_names[i]);
        if (name == NULL) {
            return NGX_ERROR;
        }

        lmcf->headers[i].name = *name;
    }

    return NGX_OK;
}


void *
ngx_http_loyalty_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_loyalty_main_conf_t  *lmcf;

    lmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_loyalty_main_conf_t));
    if (lmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     lmcf->headers[] = { 0 };
     *     lmcf->promotion = NULL;
     *     lmcf->program_read = 0;
     *     lmcf->error_reported = 0;
     *     lmcf->batches = 0;
     *     lmcf->captured = 0;
     */

    ngx_queue_init(&lmcf->captures);

    if (ngx_shop_program_init(cf->pool, &lmcf->program,
                              ngx_http_loyalty_match_compile)
        != NGX_OK)
    {
        return NULL;
    }

    return lmcf;
}


void *
ngx_http_loyalty_create_loc_conf(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_http_loyalty_loc_conf_t  *llcf;

    llcf = ngx_palloc(cf->pool, sizeof(ngx_http_loyalty_loc_conf_t));
    if (llcf == NULL) {
        return NULL;
    }

    llcf->enable = NGX_CONF_UNSET;
    llcf->capture = NGX_CONF_UNSET;

    for (i = 0; i < NGX_HTTP_LOYALTY_HEADERS; i++) {
        llcf->headers[i] = NGX_CONF_UNSET_PTR;
    }

    return llcf;
}


char *
ngx_http_loyalty_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_loyalty_loc_conf_t *prev = parent;
    ngx_http_loyalty_loc_conf_t *conf = child;

    ngx_uint_t                     i;
    ngx_http_loyalty_main_conf_t  *lmcf;

    lmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_loyalty_module);

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_value(conf->capture, prev->capture, 0);

    for (i = 0; i < NGX_HTTP_LOYALTY_HEADERS; i++) {
        ngx_conf_merge_ptr_value(conf->headers[i], prev->headers[i],
                                 &lmcf->headers[i]);
    }

    if (ngx_http_loyalty_headers_differ(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->capture
        && ngx_http_shop_require(cf, "loyalty_capture", 1) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!conf->enable) {
        return NGX_CONF_OK;
    }

    return ngx_http_shop_require(cf, "loyalty", 1);
}


/*
 * What is renamed in a location may meet what its server renamed; then the
 * line in the location is the one to tell of.
 */

static char *
ngx_http_loyalty_headers_differ(ngx_conf_t *cf,
    ngx_http_loyalty_loc_conf_t *prev, ngx_http_loyalty_loc_conf_t *conf)
{
    ngx_uint_t                  i, n;
    ngx_http_loyalty_header_t  *one, *two;

    for (i = 0; i < NGX_HTTP_LOYALTY_HEADERS; i++) {

        one = conf->headers[i];

        if (one->file == NULL) {
            continue;
        }

        for (n = 0; n < NGX_HTTP_LOYALTY_HEADERS; n++) {

            two = conf->headers[n];

            if (n == i
                || !ngx_http_loyalty_header_equal(&one->name.name,
                                                  &two->name.name))
            {
                continue;
            }

            if (one == prev->headers[i]
                && two != prev->headers[n] && two->file != NULL)
            {
                continue;
            }

            /* the file has been read: its line is not the current one */

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "header \"%V\" of \"loyalty_header %V\" is used "
                          "for \"%V\" too, each field needs a name of its "
                          "own in %s:%ui",
                          &one->name.name, &ngx_http_loyalty_fields[i],
                          &ngx_http_loyalty_fields[n],
                          one->file, one->line);

            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
