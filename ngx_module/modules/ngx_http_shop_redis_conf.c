
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"
#include "modules/ngx_http_shop_conf.h"


/* "shop_redis" */


#define NGX_HTTP_SHOP_REDIS_CONNECTIONS_MAX  64
#define NGX_HTTP_SHOP_REDIS_PARTITIONS_MAX   16384
#define NGX_HTTP_SHOP_REDIS_QUEUE            4096
#define NGX_HTTP_SHOP_PASSWORD_MAX           1024


static char *ngx_http_shop_redis_param(ngx_conf_t *cf,
    ngx_shop_redis_t *redis, ngx_str_t *param);
static char *ngx_http_shop_redis_prefix(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_str_t *prefix);
static ngx_uint_t ngx_http_shop_redis_is_url(ngx_str_t *param);
static char *ngx_http_shop_redis_mode(ngx_conf_t *cf,
    ngx_shop_redis_t *redis, ngx_shop_redis_mode_e mode);
static char *ngx_http_shop_redis_file(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_str_t *file);
static char *ngx_http_shop_redis_count(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_int_t max, ngx_uint_t *count);
static char *ngx_http_shop_msec(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_msec_t *msec);


char *
ngx_http_shop_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_main_conf_t *smcf = conf;

    char              *text;
    ngx_str_t         *value;
    ngx_uint_t         i;
    ngx_shop_redis_t  *redis;

    if (smcf->redis != NULL) {
        return "is duplicate";
    }

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_shop_redis_t));
    if (redis == NULL) {
        return NGX_CONF_ERROR;
    }

    redis->connections = 2;
    redis->timeout = 500;
    redis->peer.connect_timeout = 500;
    redis->partitions = 64;
    redis->max_queue = NGX_HTTP_SHOP_REDIS_QUEUE;
    ngx_str_set(&redis->prefix, "shop:");

    value = cf->args->elts;

    text = ngx_shop_redis_url(cf, redis, &value[1]);

    if (text != NGX_CONF_OK) {
        if (text != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"shop_redis\": %s", text);
        }

        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_shop_redis_param(cf, redis, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (redis->user.len && redis->password.len == 0) {
        return "has \"user\" without \"password_file\"";
    }

    text = ngx_shop_redis_conf(cf, redis);

    if (text != NGX_CONF_OK) {
        return text;
    }

    smcf->redis = redis;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_redis_param(ngx_conf_t *cf, ngx_shop_redis_t *redis,
    ngx_str_t *param)
{
    char       *text;
    ngx_str_t   value;

    if (ngx_http_shop_param(param, "connections=", &value)) {
        return ngx_http_shop_redis_count(cf, param, &value,
                                         NGX_HTTP_SHOP_REDIS_CONNECTIONS_MAX,
                                         &redis->connections);
    }

    if (ngx_http_shop_param(param, "partitions=", &value)) {
        return ngx_http_shop_redis_count(cf, param, &value,
                                         NGX_HTTP_SHOP_REDIS_PARTITIONS_MAX,
                                         &redis->partitions);
    }

    if (ngx_http_shop_param(param, "timeout=", &value)) {
        return ngx_http_shop_msec(cf, param, &value, &redis->timeout);
    }

    if (ngx_http_shop_param(param, "connect_timeout=", &value)) {
        return ngx_http_shop_msec(cf, param, &value,
                                  &redis->peer.connect_timeout);
    }

    if (ngx_http_shop_param(param, "prefix=", &value)) {
        return ngx_http_shop_redis_prefix(cf, param, &value, &redis->prefix);
    }

    if (ngx_http_shop_param(param, "user=", &value)) {

        if (value.len == 0) {
            return ngx_http_shop_bad_param(cf, param, "a name");
        }

        redis->user = value;

        return NGX_CONF_OK;
    }

    if (ngx_http_shop_param(param, "password_file=", &value)) {

        if (ngx_shop_file_read(cf, &value, NGX_HTTP_SHOP_PASSWORD_MAX, 1,
                               &redis->password)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (ngx_http_shop_param(param, "ca=", &value)) {
        return ngx_http_shop_redis_file(cf, param, &value, &redis->ca);
    }

    if (ngx_http_shop_param(param, "cert=", &value)) {
        return ngx_http_shop_redis_file(cf, param, &value, &redis->cert);
    }

    if (ngx_http_shop_param(param, "key=", &value)) {
        return ngx_http_shop_redis_file(cf, param, &value, &redis->key);
    }

    if (ngx_http_shop_param(param, "cluster", &value) && value.len == 0) {
        return ngx_http_shop_redis_mode(cf, redis, NGX_SHOP_REDIS_CLUSTER);
    }

    if (ngx_http_shop_param(param, "sentinel=", &value)) {

        if (value.len == 0) {
            return ngx_http_shop_bad_param(cf, param, "the name of a master");
        }

        redis->master = value;

        return ngx_http_shop_redis_mode(cf, redis, NGX_SHOP_REDIS_SENTINEL);
    }

    if (ngx_http_shop_redis_is_url(param)) {
        text = ngx_shop_redis_url_more(cf, redis, param);

        if (text != NGX_CONF_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "an address of \"shop_redis\" %s", text);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    return ngx_http_shop_bad_param(cf, param,
                                   "addresses, \"cluster\", \"sentinel\", "
                                   "\"connections\", \"timeout\", "
                                   "\"connect_timeout\", \"user\", "
                                   "\"password_file\", \"ca\", \"cert\", "
                                   "\"key\", \"partitions\" and "
                                   "\"prefix\"");
}


static char *
ngx_http_shop_redis_prefix(ngx_conf_t *cf, ngx_str_t *param, ngx_str_t *value,
    ngx_str_t *prefix)
{
    ngx_uint_t  i;

    if (value->len == 0 || value->len > 64) {
        return ngx_http_shop_bad_param(cf, param, "1 to 64 characters");
    }

    for (i = 0; i < value->len; i++) {
        if (value->data[i] <= ' ' || value->data[i] >= 0x7f
            || value->data[i] == '{' || value->data[i] == '}')
        {
            return ngx_http_shop_bad_param(cf, param,
                                           "no blanks and no braces");
        }
    }

    *prefix = *value;

    return NGX_CONF_OK;
}


/* in whatever case, as for the first address */

static ngx_uint_t
ngx_http_shop_redis_is_url(ngx_str_t *param)
{
    ngx_str_t  scheme;

    scheme = *param;

    for (scheme.len = 0; scheme.len < param->len; scheme.len++) {
        if (scheme.data[scheme.len] == ':') {
            return ngx_shop_text_is_caseless(&scheme, "redis")
                   || ngx_shop_text_is_caseless(&scheme, "rediss")
                   || ngx_shop_text_is_caseless(&scheme, "unix");
        }
    }

    return 0;
}


static char *
ngx_http_shop_redis_mode(ngx_conf_t *cf, ngx_shop_redis_t *redis,
    ngx_shop_redis_mode_e mode)
{
    if (redis->mode != NGX_SHOP_REDIS_SINGLE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           (redis->mode == mode)
                           ? "a parameter of \"shop_redis\" is duplicate"
                           : "\"shop_redis\" cannot be both \"cluster\" and "
                             "\"sentinel\"");
        return NGX_CONF_ERROR;
    }

    redis->mode = mode;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_redis_file(ngx_conf_t *cf, ngx_str_t *param, ngx_str_t *value,
    ngx_str_t *file)
{
    if (value->len == 0) {
        return ngx_http_shop_bad_param(cf, param, "a file");
    }

    *file = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_redis_count(ngx_conf_t *cf, ngx_str_t *param, ngx_str_t *value,
    ngx_int_t max, ngx_uint_t *count)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", a number from 1 to %i "
                           "is allowed", param, max);
        return NGX_CONF_ERROR;
    }

    *count = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_msec(ngx_conf_t *cf, ngx_str_t *param, ngx_str_t *value,
    ngx_msec_t *msec)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || n == 0) {
        return ngx_http_shop_bad_param(cf, param,
                                       "a time like \"500ms\" or \"2s\"");
    }

    *msec = (ngx_msec_t) n;

    return NGX_CONF_OK;
}
