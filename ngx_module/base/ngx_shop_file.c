
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"


static ngx_int_t ngx_shop_file_load(ngx_conf_t *cf, ngx_file_t *file,
    size_t max, ngx_uint_t secret, ngx_str_t *content);


ngx_int_t
ngx_shop_file_read(ngx_conf_t *cf, ngx_str_t *path, size_t max,
    ngx_uint_t secret, ngx_str_t *content)
{
    ngx_int_t   rc;
    ngx_file_t  file;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = *path;
    file.log = cf->log;

    if (ngx_conf_full_name(cf->cycle, &file.name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* without NGX_FILE_NONBLOCK a FIFO would stop nginx from starting */

    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", &file.name);
        return NGX_ERROR;
    }

    rc = ngx_shop_file_load(cf, &file, max, secret, content);

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &file.name);
    }

    return rc;
}


static ngx_int_t
ngx_shop_file_load(ngx_conf_t *cf, ngx_file_t *file, size_t max,
    ngx_uint_t secret, ngx_str_t *content)
{
    u_char   *p;
    size_t    len;
    ssize_t   n;

    if (ngx_fd_info(file->fd, &file->info) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", &file->name);
        return NGX_ERROR;
    }

    if (!ngx_is_file(&file->info)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a regular file", &file->name);
        return NGX_ERROR;
    }

    if (ngx_file_size(&file->info) > (off_t) max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is larger than %uz bytes",
                           &file->name, max);
        return NGX_ERROR;
    }

    if (secret && (ngx_file_access(&file->info) & 0066)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" holds a secret and is accessible to "
                           "its group or to others", &file->name);
    }

    len = (size_t) ngx_file_size(&file->info);

    p = ngx_pnalloc(cf->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = ngx_read_file(file, p, len, 0);

    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    if ((size_t) n != len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has changed while it was read",
                           &file->name);
        return NGX_ERROR;
    }

    while (len && (p[len - 1] == LF || p[len - 1] == CR)) {
        len--;
    }

    if (len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is empty", &file->name);
        return NGX_ERROR;
    }

    p[len] = '\0';

    content->len = len;
    content->data = p;

    return NGX_OK;
}


ngx_int_t
ngx_shop_file_line(u_char **p, u_char *last, ngx_uint_t *n, ngx_str_t *line)
{
    u_char  *end;

    while (*p < last) {

        end = ngx_strlchr(*p, last, LF);

        if (end == NULL) {
            end = last;
        }

        line->data = *p;
        line->len = end - *p;

        *p = end + 1;
        (*n)++;

        while (line->len && line->data[line->len - 1] <= ' ') {
            line->len--;
        }

        while (line->len && *line->data <= ' ') {
            line->data++;
            line->len--;
        }

        if (line->len && *line->data != '#') {
            return NGX_OK;
        }
    }

    return NGX_DONE;
}
