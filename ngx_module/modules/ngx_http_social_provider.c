
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_field.h"


/*
 * A preset is what a shop could write in its block, and is written so: text
 * in nginx's own grammar, compiled in, and parsed by nginx's parser with the
 * table of fields of the block.  There is no other format, and nothing that
 * a preset can say and a shop cannot.
 *
 * The text ends with the brace of a block, and is parsed as if it stood in a
 * file: so that messages can name it, "in FILE:LINE, preset NAME:LINE".
 */


#define NGX_HTTP_SOCIAL_PROVIDERS_MAX  100


static char *ngx_http_social_provider_new(ngx_conf_t *cf,
    ngx_http_social_main_conf_t *smcf, ngx_http_social_provider_t **new);
static char *ngx_http_social_provider_lines(ngx_conf_t *cf,
    ngx_http_social_lines_t *lines);
static char *ngx_http_social_provider_line(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_social_provider_preset(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp, ngx_http_social_lines_t *block,
    ngx_http_social_lines_t *lines);
static char *ngx_http_social_provider_unknown(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp);
static char *ngx_http_social_provider_fields(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_lines_t *lines,
    ngx_uint_t first);
static char *ngx_http_social_provider_finish(ngx_conf_t *cf,
    ngx_http_social_block_t *block);
static ngx_int_t ngx_http_social_provider_callback(ngx_conf_t *cf,
    ngx_shop_provider_t *provider);
static ngx_int_t ngx_http_social_provider_authz(ngx_conf_t *cf,
    ngx_shop_provider_t *provider);
static char *ngx_http_social_provider_issuer(ngx_conf_t *cf,
    ngx_http_social_block_t *block);
static char *ngx_http_social_can_resolve(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp, ngx_str_t *text, ngx_shop_url_t *url);


char *
ngx_http_social_provider(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_social_main_conf_t *smcf = conf;

    char                         *rv;
    ngx_http_social_block_t       block;
    ngx_http_social_lines_t       preset, own;
    ngx_http_social_provider_t  **spp, *sp;

    rv = ngx_http_social_provider_new(cf, smcf, &sp);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    own.layer = NGX_HTTP_SOCIAL_LAYER_BLOCK;
    preset.layer = NGX_HTTP_SOCIAL_LAYER_PRESET;

    ngx_memzero(&block, sizeof(ngx_http_social_block_t));

    block.provider = &sp->conf;
    ngx_str_set(&block.scope_sep, " ");

    if (ngx_http_social_provider_lines(cf, &own) != NGX_CONF_OK
        || ngx_http_social_provider_preset(cf, sp, &own, &preset)
           != NGX_CONF_OK
        || ngx_http_social_provider_fields(cf, &block, &preset, 1)
           != NGX_CONF_OK
        || ngx_http_social_provider_fields(cf, &block, &own, 1)
           != NGX_CONF_OK
        || ngx_http_social_provider_fields(cf, &block, &preset, 0)
           != NGX_CONF_OK
        || ngx_http_social_provider_fields(cf, &block, &own, 0)
           != NGX_CONF_OK
        || ngx_http_social_provider_finish(cf, &block) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    spp = ngx_array_push(&smcf->providers);
    if (spp == NULL) {
        return NGX_CONF_ERROR;
    }

    *spp = sp;

    return NGX_CONF_OK;
}


static char *
ngx_http_social_provider_new(ngx_conf_t *cf,
    ngx_http_social_main_conf_t *smcf, ngx_http_social_provider_t **new)
{
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_social_provider_t  **spp, *sp;

    value = cf->args->elts;

    if (!ngx_shop_name_valid(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid provider name \"%V\", 1 to 40 of "
                           "[A-Za-z0-9_-] are allowed", &value[1]);
        return NGX_CONF_ERROR;
    }

    spp = smcf->providers.elts;

    for (i = 0; i < smcf->providers.nelts; i++) {
        if (spp[i]->conf.name.len == value[1].len
            && ngx_strncmp(spp[i]->conf.name.data, value[1].data,
                           value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a second provider \"%V\", the first is in "
                               "%s:%ui", &value[1], spp[i]->file,
                               spp[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    if (smcf->providers.nelts == NGX_HTTP_SOCIAL_PROVIDERS_MAX) {
        return "is given for more than 100 providers";
    }

    sp = ngx_pcalloc(cf->pool, sizeof(ngx_http_social_provider_t));
    if (sp == NULL) {
        return NGX_CONF_ERROR;
    }

    sp->conf.name = value[1];
    sp->file = cf->conf_file->file.name.data;
    sp->line = cf->conf_file->line;

    sp->conf.pkce = NGX_SHOP_PKCE_S256;
    sp->conf.email_trust = NGX_SHOP_EMAIL_CLAIM;

    *new = sp;

    return NGX_CONF_OK;
}


/* the lines up to the brace, unread */

static char *
ngx_http_social_provider_lines(ngx_conf_t *cf, ngx_http_social_lines_t *lines)
{
    char        *rv;
    ngx_conf_t   save;

    lines->file = cf->conf_file;

    if (ngx_array_init(&lines->lines, cf->pool, 8,
                       sizeof(ngx_http_social_line_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_social_provider_line;
    cf->handler_conf = (void *) lines;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_http_social_provider_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_social_lines_t *lines = conf;

    ngx_str_t               *arg;
    ngx_http_social_line_t  *line;

    line = ngx_array_push(&lines->lines);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    line->line = cf->conf_file->line;
    line->args = ngx_array_create(cf->pool, cf->args->nelts,
                                  sizeof(ngx_str_t));
    if (line->args == NULL) {
        return NGX_CONF_ERROR;
    }

    arg = ngx_array_push_n(line->args, cf->args->nelts);

    ngx_memcpy(arg, cf->args->elts, cf->args->nelts * sizeof(ngx_str_t));

    return NGX_CONF_OK;
}


static char *
ngx_http_social_provider_preset(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp, ngx_http_social_lines_t *block,
    ngx_http_social_lines_t *lines)
{
    char                    *rv;
    u_char                  *p;
    size_t                   len;
    ngx_str_t               *arg;
    ngx_buf_t               *b;
    ngx_uint_t               i;
    ngx_conf_file_t         *file, *prev;
    ngx_shop_preset_t       *preset;
    ngx_http_social_line_t  *line;

    sp->conf.preset = sp->conf.name;

    line = block->lines.elts;

    for (i = 0; i < block->lines.nelts; i++) {
        arg = line[i].args->elts;

        if (line[i].args->nelts == 2 && ngx_shop_text_is(&arg[0], "preset")) {
            sp->conf.preset = arg[1];
        }
    }

    for (preset = ngx_shop_presets; preset->name.len; preset++) {
        if (preset->name.len == sp->conf.preset.len
            && ngx_strncmp(preset->name.data, sp->conf.preset.data,
                           preset->name.len)
               == 0)
        {
            break;
        }
    }

    if (preset->name.len == 0) {
        return ngx_http_social_provider_unknown(cf, sp);
    }

    prev = cf->conf_file;
    len = ngx_strlen(sp->file) + sizeof(":, preset ") + NGX_INT_T_LEN
          + preset->name.len;

    file = ngx_pcalloc(cf->pool, sizeof(ngx_conf_file_t));
    b = ngx_calloc_buf(cf->pool);
    p = ngx_pnalloc(cf->pool, len);

    if (file == NULL || b == NULL || p == NULL) {
        return NGX_CONF_ERROR;
    }

    b->start = preset->text.data;
    b->pos = b->start;
    b->last = b->start + preset->text.len;
    b->end = b->last;

    /* its size is 0, so that nothing is ever read from this descriptor */

    file->file.fd = prev->file.fd;
    file->file.name.data = p;
    file->file.name.len = ngx_sprintf(p, "%s:%ui, preset %V%Z", sp->file,
                                      sp->line, &preset->name)
                          - p - 1;
    file->buffer = b;
    file->line = 1;

    cf->conf_file = file;

    rv = ngx_http_social_provider_lines(cf, lines);

    cf->conf_file = prev;

    return rv;
}


static char *
ngx_http_social_provider_unknown(ngx_conf_t *cf,
    ngx_http_social_provider_t *sp)
{
    u_char             *p, *text;
    size_t              len;
    ngx_shop_preset_t  *preset;

    len = 1;

    for (preset = ngx_shop_presets; preset->name.len; preset++) {
        len += preset->name.len + 2;
    }

    text = ngx_pnalloc(cf->pool, len);
    if (text == NULL) {
        return NGX_CONF_ERROR;
    }

    p = text;

    for (preset = ngx_shop_presets; preset->name.len; preset++) {
        p = ngx_sprintf(p, "%s%V", p == text ? "" : ", ", &preset->name);
    }

    *p = '\0';

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown preset \"%V\" of \"social_provider %V\", "
                       "allowed: %s", &sp->conf.preset, &sp->conf.name, text);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_social_provider_fields(ngx_conf_t *cf,
    ngx_http_social_block_t *block, ngx_http_social_lines_t *lines,
    ngx_uint_t first)
{
    char                    *rv;
    ngx_uint_t               i, last;
    ngx_array_t             *args;
    ngx_conf_file_t         *file;
    ngx_http_social_line_t  *line;

    args = cf->args;
    file = cf->conf_file;

    cf->conf_file = lines->file;
    last = cf->conf_file->line;

    block->layer = lines->layer;

    line = lines->lines.elts;
    rv = NGX_CONF_OK;

    for (i = 0; i < lines->lines.nelts && rv == NGX_CONF_OK; i++) {
        cf->args = line[i].args;
        cf->conf_file->line = line[i].line;

        rv = ngx_http_social_field(cf, block, first);
    }

    cf->conf_file->line = last;

    cf->args = args;
    cf->conf_file = file;

    return rv;
}


/* what can be said while file and line are known; the rest is wired later */

static char *
ngx_http_social_provider_finish(ngx_conf_t *cf,
    ngx_http_social_block_t *block)
{
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    if (provider->label.len == 0) {
        provider->label = provider->name;
    }

    if (block->iss_template) {
        provider->tenant = block->tenant;
    }

    if (ngx_http_social_provider_check(cf, block) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_social_provider_callback(cf, provider) != NGX_OK
        || ngx_http_social_provider_authz(cf, provider) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_social_provider_issuer(cf, block);
}


/* which fields of the callback matter, of claims and of the requests */

static ngx_int_t
ngx_http_social_provider_callback(ngx_conf_t *cf,
    ngx_shop_provider_t *provider)
{
    ngx_uint_t         i, k, n;
    ngx_array_t       *params[8];
    ngx_shop_param_t  *param;

    if (ngx_array_init(&provider->fields, cf->pool, 2, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_SHOP_CLAIMS; i++) {
        if (provider->claims[i] != NULL
            && ngx_shop_claim_fields(provider->claims[i], &provider->fields)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    n = 0;
    params[n++] = provider->tok_extra;
    params[n++] = provider->tok_headers;

    for (i = 0; i < 2; i++) {
        params[n++] = provider->ui[i].query;
        params[n++] = provider->ui[i].body;
        params[n++] = provider->ui[i].headers;
    }

    for (i = 0; i < n; i++) {

        if (params[i] == NULL) {
            continue;
        }

        param = params[i]->elts;

        for (k = 0; k < params[i]->nelts; k++) {
            if (ngx_shop_claim_fields(param[k].value, &provider->fields)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* what "authz_extra" must not hold, the address must not either */

static ngx_int_t
ngx_http_social_provider_authz(ngx_conf_t *cf, ngx_shop_provider_t *provider)
{
    ngx_str_t        name;
    const char      *err;
    ngx_shop_url_t   url;

    if (provider->authz.len == 0) {
        return NGX_OK;
    }

    if (ngx_shop_url_parse(cf->pool, &provider->authz, &url, &err)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_shop_authreq_endpoint(cf->pool, provider, &url, &name)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"social_provider %V\" has \"%V\" in the query of "
                           "\"authz\", allowed: parameters that the login "
                           "does not set itself", &provider->name, &name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Redis remembers a provider by its issuer.  One that has none is called by
 * where customers go, and the preset: no provider can be called so itself,
 * since an issuer has no fragment (RFC 8414 2).
 */

static char *
ngx_http_social_provider_issuer(ngx_conf_t *cf,
    ngx_http_social_block_t *block)
{
    u_char               *p;
    const char           *err;
    ngx_shop_url_t        url;
    ngx_shop_provider_t  *provider;

    provider = block->provider;

    provider->iss_ignored =
                          (block->callback_iss == NGX_HTTP_SOCIAL_ISS_IGNORE);

    if (provider->issuer.len) {
        return NGX_CONF_OK;
    }

    if (block->callback_iss == NGX_HTTP_SOCIAL_ISS_EXPECT
        || provider->authz.len == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"social_provider %V\" has no \"issuer\"",
                           &provider->name);
        return NGX_CONF_ERROR;
    }

    /* metadata are of an issuer: they would be refused, and so each login */

    if (provider->token.len == 0 || provider->logout_on) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"social_provider %V\" has no \"issuer\", which "
                           "its metadata must be of", &provider->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_shop_url_parse(cf->pool, &provider->authz, &url, &err)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, url.origin.len + 2 + provider->preset.len);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    provider->issuer.data = p;
    provider->issuer.len = ngx_sprintf(p, "%V/#%V", &url.origin,
                                       &provider->preset)
                           - p;
    provider->iss_ignored = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_social_provider_wire(ngx_conf_t *cf,
    ngx_http_social_main_conf_t *smcf, ngx_http_social_provider_t *sp)
{
    ngx_str_t                   text;
    ngx_uint_t                  i;
    const char                 *err;
    ngx_shop_url_t              url, *document;
    ngx_shop_provider_t        *conf;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_shop_main_conf_t  *shop;

    ngx_str_t                  *endpoint[5];

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    shop = ngx_http_conf_get_module_main_conf(cf, ngx_http_shop_module);

    conf = &sp->conf;

    sp->zone = shop->zone;

    ngx_http_social_provider_init(sp, &cf->cycle->new_log);

    ngx_shop_net_init(&sp->net);

    sp->net.ssl = smcf->ssl;
    sp->net.resolver = clcf->resolver;
    sp->net.resolver_timeout =
                     (clcf->resolver_timeout == NGX_CONF_UNSET_MSEC)
                     ? 30000 : clcf->resolver_timeout;

    /* the browser alone goes to "authz" and "logout" */

    if (conf->logout.len
        && ngx_shop_url_parse(cf->pool, &conf->logout, &sp->logout, &err)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    endpoint[0] = &conf->token;
    endpoint[1] = &conf->userinfo;
    endpoint[2] = &conf->userinfo2;
    endpoint[3] = &conf->jwks;
    endpoint[4] = &conf->tokeninfo;

    for (i = 0; i < 5; i++) {
        if (endpoint[i]->len
            && ngx_http_social_can_resolve(cf, sp, endpoint[i], &url)
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    document = &sp->discovery;

    if (!ngx_http_social_provider_asks(conf)) {

        if (!conf->logout_on) {
            return NGX_CONF_OK;
        }

        document = &sp->logout_discovery;
    }

    if (ngx_shop_provider_discovery_url(cf->pool, conf, &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_social_can_resolve(cf, sp, &text, document);
}


/* the URL of something that will be fetched, and whether it can be */

static char *
ngx_http_social_can_resolve(ngx_conf_t *cf, ngx_http_social_provider_t *sp,
    ngx_str_t *text, ngx_shop_url_t *url)
{
    const char            *err;
    ngx_shop_peer_conf_t   peer;

    if (ngx_shop_url_parse(cf->pool, text, url, &err) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "invalid address \"%V\" of \"social_provider %V\" in "
                      "%s:%ui: %s", text, &sp->conf.name, sp->file, sp->line,
                      err);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&peer, sizeof(ngx_shop_peer_conf_t));

    peer.host = url->host;
    peer.port = url->port;

    if (ngx_shop_peer_needs_resolver(&peer) == NGX_DECLINED
        && (sp->net.resolver == NULL
            || sp->net.resolver->connections.nelts == 0))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"social_provider %V\" in %s:%ui has the host name "
                      "\"%V\", but there is no \"resolver\" in \"http\"",
                      &sp->conf.name, sp->file, sp->line, &url->host);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
