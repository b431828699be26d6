
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/err.h>

#include "ngx_shop_fuzz.h"
#include "ngx_shop_test.h"


/*
 *     http {
 *         shop_fuzz;                   prints the names of all targets
 *         shop_fuzz NAME FILE...;      hands the content of each to one
 *     }
 *
 * Built by "./build.sh fuzz", the second one hands its arguments to
 * libFuzzer, which runs until it is done, and ends the process.
 */


#define NGX_SHOP_FUZZ_MAX  65536


typedef struct {
    const char                *name;
    ngx_shop_fuzz_pt           run;
} ngx_shop_fuzz_target_t;


#if (NGX_SHOP_FUZZ)

int LLVMFuzzerRunDriver(int *argc, char ***argv,
    int (*run)(const uint8_t *data, size_t size));

static int ngx_shop_fuzz_one(const uint8_t *data, size_t size);

#else

static char *ngx_shop_fuzz_file(ngx_conf_t *cf, ngx_str_t *path);

#endif

static char *ngx_shop_fuzz_command(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_shop_fuzz_input(const u_char *data, size_t len);


static ngx_shop_fuzz_target_t  ngx_shop_fuzz_targets[] = {
    { "url", ngx_shop_fuzz_url },
    { "return", ngx_shop_fuzz_return },
    { "query", ngx_shop_fuzz_query },
    { "time", ngx_shop_fuzz_time },
    { "json", ngx_shop_fuzz_json },
    { "sealed", ngx_shop_fuzz_sealed },
    { "session", ngx_shop_fuzz_session },
    { "view", ngx_shop_fuzz_view },
    { "response", ngx_shop_fuzz_response },
    { "reply", ngx_shop_fuzz_reply },
    { "jwks", ngx_shop_fuzz_jwks },
    { "jws", ngx_shop_fuzz_jws },
    { "claims", ngx_shop_fuzz_claims },
    { "attempt", ngx_shop_fuzz_attempt },
    { "discovery", ngx_shop_fuzz_discovery },
    { "callback", ngx_shop_fuzz_callback },
    { "token", ngx_shop_fuzz_token },
    { "signed", ngx_shop_fuzz_signed },
    { "widget", ngx_shop_fuzz_widget },
    { "notice", ngx_shop_fuzz_notice },
    { "event", ngx_shop_fuzz_event },
    { "told", ngx_shop_fuzz_told },
    { "kept", ngx_shop_fuzz_kept },
    { "signature", ngx_shop_fuzz_signature },
    { "program", ngx_shop_fuzz_program },
    { "identity", ngx_shop_fuzz_identity },
    { "expression", ngx_shop_fuzz_expression },
    { "rule", ngx_shop_fuzz_rule },
    { "cookies", ngx_shop_fuzz_cookies },
    { "language", ngx_shop_fuzz_language },
    { "accept", ngx_shop_fuzz_accept },
    { "mask", ngx_shop_fuzz_mask },
    { "html", ngx_shop_fuzz_html },
    { NULL, NULL }
};


static ngx_shop_fuzz_target_t  *ngx_shop_fuzz_target;
static ngx_log_t               *ngx_shop_fuzz_log;


static ngx_command_t  ngx_shop_fuzz_commands[] = {

    { ngx_string("shop_fuzz"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_ANY,
      ngx_shop_fuzz_command,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_shop_fuzz_module_ctx = { NGX_SHOP_TEST_NO_CTX };


ngx_module_t  ngx_shop_fuzz_module = {
    NGX_MODULE_V1,
    &ngx_shop_fuzz_module_ctx,
    ngx_shop_fuzz_commands,
    NGX_HTTP_MODULE,
    NGX_SHOP_TEST_NO_HOOKS
};


static char *
ngx_shop_fuzz_command(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_shop_fuzz_target_t  *target;
#if (NGX_SHOP_FUZZ)
    int                      argc;
    char                   **argv;
#endif

    value = cf->args->elts;

    if (cf->args->nelts == 1) {

        for (target = ngx_shop_fuzz_targets; target->name; target++) {
            (void) ngx_write_fd(ngx_stdout, (void *) target->name,
                                ngx_strlen(target->name));
            (void) ngx_write_fd(ngx_stdout, "\n", 1);
        }

        return NGX_CONF_OK;
    }

    for (target = ngx_shop_fuzz_targets; target->name; target++) {
        if (ngx_strcmp(value[1].data, target->name) == 0) {
            break;
        }
    }

    if (target->name == NULL) {
        return "names an unknown target";
    }

    ngx_shop_fuzz_target = target;
    ngx_shop_fuzz_log = cf->log;

#if (NGX_SHOP_FUZZ)

    argc = cf->args->nelts - 1;

    argv = ngx_palloc(cf->pool, (argc + 1) * sizeof(char *));
    if (argv == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        argv[i - 1] = (char *) value[i].data;
    }

    argv[argc] = NULL;

    exit(LLVMFuzzerRunDriver(&argc, &argv, ngx_shop_fuzz_one));

#else

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_shop_fuzz_file(cf, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;

#endif
}


#if (NGX_SHOP_FUZZ)

static int
ngx_shop_fuzz_one(const uint8_t *data, size_t size)
{
    ngx_shop_fuzz_must(ngx_shop_fuzz_input(data, size) == NGX_OK);

    return 0;
}

#else

static char *
ngx_shop_fuzz_file(ngx_conf_t *cf, ngx_str_t *path)
{
    ssize_t   n;
    ngx_fd_t  fd;

    static u_char  buf[NGX_SHOP_FUZZ_MAX];

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    n = (fd == NGX_INVALID_FILE) ? -1 : ngx_read_fd(fd, buf, sizeof(buf));

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "cannot read \"%V\"", path);
        return NGX_CONF_ERROR;
    }

    (void) ngx_close_file(fd);

    if (ngx_shop_fuzz_input(buf, n) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" failed", path);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}

#endif


/* in memory of its own size, so that one byte too many is seen */

static ngx_int_t
ngx_shop_fuzz_input(const u_char *data, size_t len)
{
    u_char           *copy;
    ngx_shop_fuzz_t   fuzz;

    copy = ngx_alloc(len ? len : 1, ngx_shop_fuzz_log);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    fuzz.pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_shop_fuzz_log);
    if (fuzz.pool == NULL) {
        ngx_free(copy);
        return NGX_ERROR;
    }

    fuzz.log = ngx_shop_fuzz_log;
    fuzz.text.data = copy;
    fuzz.text.len = len;

    if (len) {
        ngx_memcpy(copy, data, len);
    }

    ERR_clear_error();

    ngx_shop_fuzz_target->run(&fuzz);

    ngx_shop_fuzz_must(ERR_peek_error() == 0);

    ngx_destroy_pool(fuzz.pool);
    ngx_free(copy);

    return NGX_OK;
}


void
ngx_shop_fuzz_broken(const char *condition, const char *file, ngx_uint_t line)
{
    u_char  *p;
    u_char   buf[512];

    p = ngx_slprintf(buf, buf + sizeof(buf), "%s:%ui: does not hold: %s\n",
                     file, line, condition);

    (void) ngx_write_fd(ngx_stderr, buf, p - buf);

    abort();
}


ngx_str_t
ngx_shop_fuzz_line(ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_str_t   line;

    line.data = text->data;
    last = text->data + text->len;

    p = ngx_strlchr(text->data, last, LF);

    if (p == NULL) {
        line.len = text->len;
        text->data = last;
        text->len = 0;

        return line;
    }

    line.len = p - line.data;
    text->data = p + 1;
    text->len = last - text->data;

    return line;
}


ngx_uint_t
ngx_shop_fuzz_is_plain(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] > 0x7e) {
            return 0;
        }
    }

    return 1;
}
