
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_module.h"
#include "modules/ngx_http_shop_conf.h"


#define NGX_HTTP_SHOP_ZONE_MIN               (64 * 1024)
#define NGX_HTTP_SHOP_COOKIE_NAME_MAX        64


static char *ngx_http_shop_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_shop_secret_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_shop_event_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_shop_session(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_shop_session_param(ngx_conf_t *cf,
    ngx_http_shop_srv_conf_t *sscf, ngx_str_t *param);
static char *ngx_http_shop_session_cookie(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_str_t *cookie);
static char *ngx_http_shop_session_time(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, time_t *time);
static char *ngx_http_shop_session_domain(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_str_t *domain);
static char *ngx_http_shop_session_same_site(ngx_conf_t *cf,
    ngx_str_t *param, ngx_str_t *value, ngx_uint_t *same_site);
static char *ngx_http_shop_base_url(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_shop_prefix(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_uint_t ngx_http_shop_cut(ngx_str_t *text, const char *prefix);
static ngx_uint_t ngx_http_shop_cookie_name_valid(ngx_str_t *name);
static char *ngx_http_shop_session_fits(ngx_conf_t *cf,
    ngx_http_shop_srv_conf_t *conf);
static char *ngx_http_shop_cookie_names(ngx_conf_t *cf,
    ngx_http_shop_srv_conf_t *conf);
static char *ngx_http_shop_add_cookies(ngx_conf_t *cf,
    ngx_http_shop_srv_conf_t *conf);
static char *ngx_http_shop_attributes(ngx_conf_t *cf,
    ngx_http_shop_srv_conf_t *conf);


static ngx_conf_enum_t  ngx_http_shop_on_failure[] = {
    { ngx_string("stale"), NGX_HTTP_SHOP_FAILURE_STALE },
    { ngx_string("anonymous"), NGX_HTTP_SHOP_FAILURE_ANONYMOUS },
    { ngx_string("error"), NGX_HTTP_SHOP_FAILURE_ERROR },
    { ngx_null_string, 0 }
};


ngx_command_t  ngx_http_shop_commands[] = {

    { ngx_string("shop_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_shop_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_shop_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_secret_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_shop_secret_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_event_key_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_shop_event_key_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_session"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_shop_session,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_base_url"),
      NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_shop_base_url,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_prefix"),
      NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_shop_prefix,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shop_on_failure"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_shop_loc_conf_t, on_failure),
      &ngx_http_shop_on_failure },

    { ngx_string("shop_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_shop_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static char *
ngx_http_shop_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_main_conf_t *smcf = conf;

    u_char     *colon;
    ssize_t     size;
    ngx_str_t  *value, name, text;

    if (smcf->zone_name.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    colon = ngx_strlchr(value[1].data, value[1].data + value[1].len, ':');

    if (colon == NULL || colon == value[1].data) {
        return ngx_http_shop_bad_param(cf, &value[1], "NAME:SIZE");
    }

    name.data = value[1].data;
    name.len = colon - name.data;

    text.data = colon + 1;
    text.len = value[1].data + value[1].len - text.data;

    size = ngx_parse_size(&text);

    if (size == NGX_ERROR || size < NGX_HTTP_SHOP_ZONE_MIN) {
        return ngx_http_shop_bad_param(cf, &value[1],
                                       "a size of 64k and more");
    }

    if (cf->args->nelts == 3) {

        if (!ngx_http_shop_param(&value[2], "ttl=", &text)) {
            return ngx_http_shop_bad_param(cf, &value[2], "\"ttl\"");
        }

        smcf->zone_ttl = ngx_parse_time(&text, 1);

        if (smcf->zone_ttl == (time_t) NGX_ERROR || smcf->zone_ttl == 0) {
            return ngx_http_shop_bad_param(cf, &value[2],
                                           "a time like \"60s\"");
        }
    }

    smcf->zone_name = name;
    smcf->zone_size = size;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_secret_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_main_conf_t *smcf = conf;

    ngx_str_t  *value;

    if (smcf->keys != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    smcf->keys = ngx_shop_keys_read(cf, &value[1]);

    return smcf->keys ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_shop_event_key_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_main_conf_t *smcf = conf;

    ngx_str_t  *value;

    if (smcf->event_keys != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    smcf->event_keys = ngx_shop_event_keys_read(cf, &value[1]);

    return smcf->event_keys ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_shop_session(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_shop_session_param(cf, conf, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_session_param(ngx_conf_t *cf, ngx_http_shop_srv_conf_t *sscf,
    ngx_str_t *param)
{
    ngx_str_t  value;

    if (ngx_http_shop_param(param, "cookie=", &value)) {
        return ngx_http_shop_session_cookie(cf, param, &value, &sscf->cookie);
    }

    if (ngx_http_shop_param(param, "idle=", &value)) {
        return ngx_http_shop_session_time(cf, param, &value,
                                          &sscf->limits.idle);
    }

    if (ngx_http_shop_param(param, "lifetime=", &value)) {
        return ngx_http_shop_session_time(cf, param, &value,
                                          &sscf->limits.lifetime);
    }

    if (ngx_http_shop_param(param, "domain=", &value)) {
        return ngx_http_shop_session_domain(cf, param, &value, &sscf->domain);
    }

    if (ngx_http_shop_param(param, "same_site=", &value)) {
        return ngx_http_shop_session_same_site(cf, param, &value,
                                               &sscf->same_site);
    }

    return ngx_http_shop_bad_param(cf, param,
                                   "\"cookie\", \"idle\", \"lifetime\", "
                                   "\"domain\" and \"same_site\"");
}


static char *
ngx_http_shop_session_cookie(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_str_t *cookie)
{
    if (!ngx_http_shop_cookie_name_valid(value)) {
        return ngx_http_shop_bad_param(cf, param, "1 to 64 of [A-Za-z0-9._-]");
    }

    *cookie = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_session_time(ngx_conf_t *cf, ngx_str_t *param, ngx_str_t *value,
    time_t *time)
{
    time_t  sec;

    sec = ngx_parse_time(value, 1);

    if (sec == (time_t) NGX_ERROR || sec == 0
        || sec > NGX_SHOP_SESSION_LIFETIME_MAX)
    {
        return ngx_http_shop_bad_param(cf, param,
                                       "a time like \"30d\", at most 3650d");
    }

    *time = sec;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_session_domain(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_str_t *domain)
{
    if (value->len && value->data[0] == '.') {
        value->data++;
        value->len--;
    }

    if (!ngx_http_shop_cookie_name_valid(value)) {
        return ngx_http_shop_bad_param(cf, param, "a host name");
    }

    ngx_strlow(value->data, value->data, value->len);

    *domain = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_session_same_site(ngx_conf_t *cf, ngx_str_t *param,
    ngx_str_t *value, ngx_uint_t *same_site)
{
    ngx_uint_t  i;

    static ngx_conf_enum_t  words[] = {
        { ngx_string("lax"), NGX_HTTP_SHOP_SAME_SITE_LAX },
        { ngx_string("strict"), NGX_HTTP_SHOP_SAME_SITE_STRICT },
        { ngx_string("none"), NGX_HTTP_SHOP_SAME_SITE_NONE },
        { ngx_null_string, 0 }
    };

    for (i = 0; words[i].name.len; i++) {

        if (ngx_shop_equal(value, &words[i].name)) {
            *same_site = words[i].value;
            return NGX_CONF_OK;
        }
    }

    return ngx_http_shop_bad_param(cf, param,
                                   "\"lax\", \"strict\" and \"none\"");
}


static char *
ngx_http_shop_base_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_srv_conf_t *sscf = conf;

    ngx_str_t   *value;
    const char  *err;

    if (sscf->base != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    sscf->base = ngx_pcalloc(cf->pool, sizeof(ngx_shop_url_t));
    if (sscf->base == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_url_parse(cf->pool, &value[1], sscf->base, &err) != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"shop_base_url\" \"%V\": %s, an address "
                           "like \"https://shop.example.com\" is allowed",
                           &value[1], err);
        return NGX_CONF_ERROR;
    }

    if (sscf->base->uri.len != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"shop_base_url\" \"%V\" has the path \"%V\", an "
                           "address like \"%V\" is allowed",
                           &value[1], &sscf->base->uri, &sscf->base->origin);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_prefix(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shop_srv_conf_t *sscf = conf;

    u_char      c;
    ngx_str_t  *value;
    ngx_uint_t  i;

    if (sscf->prefix.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    sscf->prefix = value[1];

    if (value[1].len < 3 || value[1].data[0] != '/'
        || value[1].data[value[1].len - 1] != '/')
    {
        goto invalid;
    }

    for (i = 0; i < value[1].len; i++) {
        c = value[1].data[i];

        if (c == '/' && i && value[1].data[i - 1] == '/') {
            goto invalid;
        }

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '/')
        {
            continue;
        }

        goto invalid;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"shop_prefix\" \"%V\", a path of "
                       "[A-Za-z0-9_-] like \"/_shop/\" that begins and ends "
                       "with \"/\" is allowed", &value[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_shop_bad_param(ngx_conf_t *cf, ngx_str_t *param,
    const char *allowed)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", allowed: %s", param,
                       allowed);

    return NGX_CONF_ERROR;
}


ngx_uint_t
ngx_http_shop_param(ngx_str_t *word, const char *name, ngx_str_t *value)
{
    *value = *word;

    return ngx_http_shop_cut(value, name);
}


/* 1: the text began with that, and does not any more */

static ngx_uint_t
ngx_http_shop_cut(ngx_str_t *text, const char *prefix)
{
    size_t  len;

    len = ngx_strlen(prefix);

    if (text->len < len || ngx_strncmp(text->data, prefix, len) != 0) {
        return 0;
    }

    text->data += len;
    text->len -= len;

    return 1;
}


static ngx_uint_t
ngx_http_shop_cookie_name_valid(ngx_str_t *name)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < name->len; i++) {
        c = name->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return name->len > 0 && name->len <= NGX_HTTP_SHOP_COOKIE_NAME_MAX;
}


char *
ngx_http_shop_require(ngx_conf_t *cf, const char *directive,
    ngx_uint_t base_url)
{
    const char                 *missing;
    ngx_http_shop_srv_conf_t   *sscf;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);
    sscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_shop_module);

    if (smcf->redis == NULL) {
        missing = "shop_redis";

    } else if (smcf->keys == NULL) {
        missing = "shop_secret_file";

    } else if (base_url && sscf->base == NULL) {
        missing = "shop_base_url";

    } else {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" is on, but there is no \"%s\"%s", directive,
                       missing,
                       (missing[5] == 'b') ? " in this server" : "");

    return NGX_CONF_ERROR;
}


void *
ngx_http_shop_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_shop_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     smcf->redis = NULL;
     *     smcf->zone = NULL;
     *     smcf->zone_name = { 0, NULL };
     *     smcf->zone_size = 0;
     *     smcf->zone_ttl = 0;
     *     smcf->keys = NULL;
     *     smcf->event_keys = NULL;
     *     smcf->session_sealer = NULL;
     *     smcf->session_memo = NULL;
     *     smcf->copies = NULL;
     *     smcf->attempt_sealer = NULL;
     *     smcf->reads = NULL;
     *     smcf->activity = NULL;
     *     smcf->due = NULL;
     *     smcf->live = NULL;
     *     smcf->budgets = NULL;
     *     smcf->stopped = 0;
     */

    if (ngx_shop_header_names_init(cf->pool, &smcf->names) != NGX_OK
        || ngx_array_init(&smcf->cookies, cf->pool, 2,
                          sizeof(ngx_http_shop_cookies_t))
           != NGX_OK)
    {
        return NULL;
    }

    return smcf;
}


char *
ngx_http_shop_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_shop_main_conf_t *smcf = conf;

    ngx_str_t                  host;
    ngx_http_core_loc_conf_t  *clcf;

    if (smcf->redis == NULL) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver && clcf->resolver->connections.nelts) {

        /* sentinels and nodes may give names of others */

        smcf->redis->peer.resolver = clcf->resolver;

    } else if (ngx_shop_redis_needs_resolver(smcf->redis, &host)
               == NGX_DECLINED)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"shop_redis\" has the host name \"%V\", but there "
                      "is no \"resolver\" in \"http\"", &host);
        return NGX_CONF_ERROR;
    }

    smcf->redis->peer.resolver_timeout =
                     (clcf->resolver_timeout == NGX_CONF_UNSET_MSEC)
                     ? 30000 : clcf->resolver_timeout;

    if (smcf->zone_name.len == 0) {
        ngx_str_set(&smcf->zone_name, "shop");
        smcf->zone_size = 32 * 1024 * 1024;
    }

    if (smcf->zone_ttl == 0) {
        smcf->zone_ttl = 60;
    }

    smcf->zone = ngx_shop_zone_add(cf, &smcf->zone_name, smcf->zone_size,
                                   &ngx_http_shop_module);
    if (smcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    smcf->redis->zone = smcf->zone;
    smcf->zone->parts = smcf->redis->partitions;

    if (smcf->keys == NULL) {
        return NGX_CONF_OK;
    }

    smcf->session_sealer = ngx_shop_sealer_create(cf->pool, smcf->keys,
                                                  "session", cf->log);
    smcf->attempt_sealer = ngx_shop_sealer_create(cf->pool, smcf->keys,
                                                  "attempt", cf->log);

    smcf->session_memo = ngx_shop_session_memo_create(cf->pool);
    smcf->copies = ngx_http_shop_copies_create(cf->pool);

    if (smcf->session_sealer == NULL || smcf->attempt_sealer == NULL
        || smcf->session_memo == NULL || smcf->copies == NULL)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void *
ngx_http_shop_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_shop_srv_conf_t  *sscf;

    sscf = ngx_pcalloc(cf->pool, sizeof(ngx_http_shop_srv_conf_t));
    if (sscf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     sscf->base = NULL;
     *     sscf->prefix = { 0, NULL };
     *     sscf->cookie = { 0, NULL };
     *     sscf->attempt = { 0, NULL };
     *     sscf->last_used = { 0, NULL };
     *     sscf->cookies = 0;
     *     sscf->domain = { 0, NULL };
     *     sscf->host = { 0, NULL };
     *     sscf->cookie_attributes = { 0, NULL };
     *     sscf->attempt_attributes = { 0, NULL };
     */

    sscf->same_site = NGX_CONF_UNSET_UINT;
    sscf->limits.idle = NGX_CONF_UNSET;
    sscf->limits.lifetime = NGX_CONF_UNSET;

    return sscf;
}


char *
ngx_http_shop_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_shop_srv_conf_t *prev = parent;
    ngx_http_shop_srv_conf_t *conf = child;

    ngx_conf_merge_str_value(conf->prefix, prev->prefix, "/_shop/");
    ngx_conf_merge_str_value(conf->cookie, prev->cookie, "");
    ngx_conf_merge_str_value(conf->domain, prev->domain, "");
    ngx_conf_merge_uint_value(conf->same_site, prev->same_site,
                              NGX_HTTP_SHOP_SAME_SITE_LAX);
    ngx_conf_merge_sec_value(conf->limits.idle, prev->limits.idle,
                             30 * 86400);
    ngx_conf_merge_sec_value(conf->limits.lifetime, prev->limits.lifetime,
                             180 * 86400);

    if (conf->base == NULL) {
        return NGX_CONF_OK;
    }

    conf->host = conf->domain.len ? conf->domain : conf->base->host;

    if (ngx_http_shop_session_fits(cf, conf) != NGX_CONF_OK
        || ngx_http_shop_cookie_names(cf, conf) != NGX_CONF_OK
        || ngx_http_shop_add_cookies(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_shop_attributes(cf, conf);
}


/* whether a browser takes such a cookie from this server */

static char *
ngx_http_shop_session_fits(ngx_conf_t *cf, ngx_http_shop_srv_conf_t *conf)
{
    ngx_str_t  name, host, *base;

    base = &conf->base->host;

    /* a domain only from a host within it */

    if (conf->domain.len) {
        host.len = conf->domain.len;
        host.data = base->data + base->len - conf->domain.len;

        if (base->len < conf->domain.len
            || ngx_strncmp(host.data, conf->domain.data, host.len) != 0
            || (base->len > host.len && host.data[-1] != '.'))
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"domain=%V\" of \"shop_session\" does not hold "
                          "\"shop_base_url\" \"%V\"", &conf->domain,
                          &conf->base->origin);
            return NGX_CONF_ERROR;
        }
    }

    if (!conf->base->secure
        && conf->same_site == NGX_HTTP_SHOP_SAME_SITE_NONE)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"same_site=none\" of \"shop_session\" needs an https "
                      "\"shop_base_url\", but it is \"%V\"",
                      &conf->base->origin);
        return NGX_CONF_ERROR;
    }

    name = conf->cookie;

    if (ngx_http_shop_cut(&name, "__Host-")
        && (!conf->base->secure || conf->domain.len))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"cookie=%V\" of \"shop_session\" needs an https "
                      "\"shop_base_url\" and no \"domain\"", &conf->cookie);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_shop_cut(&name, "__Secure-") && !conf->base->secure) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"cookie=%V\" of \"shop_session\" needs an https "
                      "\"shop_base_url\"", &conf->cookie);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_cookie_names(ngx_conf_t *cf, ngx_http_shop_srv_conf_t *conf)
{
    u_char      *p;
    ngx_str_t    name;
    const char  *prefix;

    prefix = conf->base->secure ? "__Host-" : "";

    if (conf->cookie.len == 0) {

        ngx_str_set(&name, "shop");

        p = ngx_pnalloc(cf->pool, sizeof("__Secure-shop") - 1);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        conf->cookie.data = p;
        conf->cookie.len = ngx_sprintf(p, "%s%V",
                                       (*prefix && conf->domain.len)
                                       ? "__Secure-" : prefix, &name)
                           - p;

    } else {
        name = conf->cookie;

        if (!ngx_http_shop_cut(&name, "__Host-")) {
            (void) ngx_http_shop_cut(&name, "__Secure-");
        }
    }

    /* a login attempt belongs to the host it began on, always */

    p = ngx_pnalloc(cf->pool, sizeof("__Host-") + name.len
                              + sizeof("-login-" NGX_HTTP_SHOP_LAST_USED));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    conf->attempt.data = p;
    conf->attempt.len = ngx_sprintf(p, "%s%V-login-", prefix, &name) - p;

    conf->last_used.data = p;
    conf->last_used.len = conf->attempt.len
                          + ngx_sprintf(p + conf->attempt.len,
                                        NGX_HTTP_SHOP_LAST_USED)
                          - (p + conf->attempt.len);

    return NGX_CONF_OK;
}


/* a browser sends what one server set to others of its host or domain */

static char *
ngx_http_shop_add_cookies(ngx_conf_t *cf, ngx_http_shop_srv_conf_t *conf)
{
    ngx_http_shop_cookies_t    *cookies;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    cookies = smcf->cookies.elts;

    for (conf->cookies = 0;
         conf->cookies < smcf->cookies.nelts;
         conf->cookies++)
    {
        /* the attempts' prefix follows from the name */

        if (cookies[conf->cookies].session.len == conf->cookie.len
            && ngx_strncmp(cookies[conf->cookies].session.data,
                           conf->cookie.data, conf->cookie.len)
               == 0
            && cookies[conf->cookies].attempt.len == conf->attempt.len)
        {
            return NGX_CONF_OK;
        }
    }

    cookies = ngx_array_push(&smcf->cookies);
    if (cookies == NULL) {
        return NGX_CONF_ERROR;
    }

    cookies->session = conf->cookie;
    cookies->attempt = conf->attempt;

    return NGX_CONF_OK;
}


static char *
ngx_http_shop_attributes(ngx_conf_t *cf, ngx_http_shop_srv_conf_t *conf)
{
    u_char      *p;
    const char  *secure;

    static const char  *same_site[] = { "Lax", "Strict", "None" };

    secure = conf->base->secure ? "; Secure" : "";

    p = ngx_pnalloc(cf->pool, 2 * sizeof("; Path=/; Secure; HttpOnly"
                                         "; SameSite=Strict; Domain=")
                              + conf->domain.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    /* back from the provider is a cross-site navigation: always "Lax" */

    conf->attempt_attributes.data = p;

    p = ngx_sprintf(p, "; Path=/%s; HttpOnly; SameSite=Lax", secure);

    conf->attempt_attributes.len = p - conf->attempt_attributes.data;
    conf->cookie_attributes.data = p;

    p = ngx_sprintf(p, "; Path=/%s; HttpOnly; SameSite=%s", secure,
                    same_site[conf->same_site]);

    if (conf->domain.len) {
        p = ngx_sprintf(p, "; Domain=%V", &conf->domain);
    }

    conf->cookie_attributes.len = p - conf->cookie_attributes.data;

    return NGX_CONF_OK;
}


void *
ngx_http_shop_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_shop_loc_conf_t  *slcf;

    slcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_shop_loc_conf_t));
    if (slcf == NULL) {
        return NULL;
    }

    slcf->on_failure = NGX_CONF_UNSET_UINT;
    slcf->status = NGX_CONF_UNSET_UINT;

    return slcf;
}


char *
ngx_http_shop_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_shop_loc_conf_t *prev = parent;
    ngx_http_shop_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_shop_main_conf_t  *smcf;

    ngx_conf_merge_uint_value(conf->on_failure, prev->on_failure,
                              NGX_HTTP_SHOP_FAILURE_STALE);

    /* a content handler is inherited by "if" only */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_conf_merge_uint_value(conf->status,
                              clcf->noname ? prev->status
                                           : NGX_CONF_UNSET_UINT,
                              NGX_HTTP_SHOP_STATUS_OFF);

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    if (conf->status != NGX_HTTP_SHOP_STATUS_OFF && smcf->redis == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"shop_status\" is on, but there is no "
                      "\"shop_redis\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
