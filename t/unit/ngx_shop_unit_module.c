
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <openssl/err.h>

#include "ngx_shop_unit.h"
#include "ngx_shop_test.h"


#define NGX_SHOP_UNIT_LINE  2048


/* of LeakSanitizer, where nginx is built with it */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static char *ngx_shop_unit_command(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_shop_unit_run(ngx_conf_t *cf, ngx_shop_unit_suite_t *suite);
static void ngx_shop_unit_report(ngx_shop_unit_t *u, ngx_uint_t passed,
    const char *file, ngx_uint_t line, const char *fmt, va_list args);
static u_char *ngx_shop_unit_quote(u_char *p, u_char *last, u_char *data,
    size_t len);
static void ngx_shop_unit_print(const char *fmt, ...);
static void ngx_shop_unit_write(u_char *line, u_char *last);


static ngx_command_t  ngx_shop_unit_commands[] = {

    { ngx_string("shop_unit"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_shop_unit_command,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_shop_unit_module_ctx = { NGX_SHOP_TEST_NO_CTX };


ngx_module_t  ngx_shop_unit_module = {
    NGX_MODULE_V1,
    &ngx_shop_unit_module_ctx,
    ngx_shop_unit_commands,
    NGX_HTTP_MODULE,
    NGX_SHOP_TEST_NO_HOOKS
};


static char *
ngx_shop_unit_command(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t              *value;
    ngx_shop_unit_suite_t  *suite;

    value = cf->args->elts;

    for (suite = ngx_shop_unit_suites; suite->name; suite++) {

        if (cf->args->nelts == 1) {
            ngx_shop_unit_print("# suite %s", suite->name);
            continue;
        }

        if (ngx_strcmp(value[1].data, suite->name) == 0) {
            return ngx_shop_unit_run(cf, suite);
        }
    }

    return (cf->args->nelts == 1) ? NGX_CONF_OK : "names an unknown suite";
}


static char *
ngx_shop_unit_run(ngx_conf_t *cf, ngx_shop_unit_suite_t *suite)
{
    ngx_shop_unit_t        u;
    ngx_shop_unit_test_t  *test;

    ngx_memzero(&u, sizeof(ngx_shop_unit_t));

    u.cf = cf;
    u.log = cf->log;

    for (test = suite->tests; test->name; test++) {

        u.test = test->name;

        u.pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, cf->log);
        if (u.pool == NULL) {
            return NGX_CONF_ERROR;
        }

        ERR_clear_error();

        test->run(&u);

        if (ERR_peek_error() != 0) {
            ngx_shop_unit_ok(&u, ERR_peek_error() == 0,
                             "the queue of OpenSSL is empty");
            ERR_clear_error();
        }

        ngx_destroy_pool(u.pool);
    }

    if (__lsan_do_recoverable_leak_check != NULL) {
        u.test = "the suite";
        ngx_shop_unit_ok(&u, __lsan_do_recoverable_leak_check() == 0,
                         "nothing has leaked");
    }

    ngx_shop_unit_print("1..%ui", u.nchecks);

    return u.nfailed ? "found failed checks" : NGX_CONF_OK;
}


ngx_uint_t
ngx_shop_unit_check(ngx_shop_unit_t *u, ngx_uint_t passed, const char *text,
    const char *file, ngx_uint_t line, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_shop_unit_report(u, passed, file, line, fmt, args);
    va_end(args);

    if (!passed) {
        ngx_shop_unit_note(u, "  does not hold: %s", text);
    }

    return passed;
}


ngx_uint_t
ngx_shop_unit_check_str(ngx_shop_unit_t *u, ngx_str_t *got,
    const char *expected, size_t len, const char *file, ngx_uint_t line,
    const char *fmt, ...)
{
    u_char      *p, *last;
    va_list      args;
    ngx_uint_t   passed;
    u_char       buf[NGX_SHOP_UNIT_LINE];

    passed = got->len == len
             && (len == 0 || ngx_memcmp(got->data, expected, len) == 0);

    va_start(args, fmt);
    ngx_shop_unit_report(u, passed, file, line, fmt, args);
    va_end(args);

    if (!passed) {
        last = buf + NGX_SHOP_UNIT_LINE;

        p = ngx_slprintf(buf, last, "#       got: ");
        ngx_shop_unit_write(buf, ngx_shop_unit_quote(p, last, got->data,
                                                     got->len));

        p = ngx_slprintf(buf, last, "#  expected: ");
        ngx_shop_unit_write(buf, ngx_shop_unit_quote(p, last,
                                                     (u_char *) expected,
                                                     len));
    }

    return passed;
}


ngx_uint_t
ngx_shop_unit_check_int(ngx_shop_unit_t *u, int64_t got, int64_t expected,
    const char *file, ngx_uint_t line, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_shop_unit_report(u, got == expected, file, line, fmt, args);
    va_end(args);

    if (got != expected) {
        ngx_shop_unit_note(u, "      got: %L", got);
        ngx_shop_unit_note(u, " expected: %L", expected);
    }

    return got == expected;
}


void
ngx_shop_unit_note(ngx_shop_unit_t *u, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;
    u_char    buf[NGX_SHOP_UNIT_LINE];

    last = buf + NGX_SHOP_UNIT_LINE;

    p = ngx_slprintf(buf, last, "# ");

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    ngx_shop_unit_write(buf, p);
}


static void
ngx_shop_unit_report(ngx_shop_unit_t *u, ngx_uint_t passed, const char *file,
    ngx_uint_t line, const char *fmt, va_list args)
{
    u_char  *p, *last;
    u_char   buf[NGX_SHOP_UNIT_LINE];

    u->nchecks++;

    if (!passed) {
        u->nfailed++;
    }

    last = buf + NGX_SHOP_UNIT_LINE;

    p = ngx_slprintf(buf, last, "%sok %ui - %s: ", passed ? "" : "not ",
                     u->nchecks, u->test);
    p = ngx_vslprintf(p, last, fmt, args);

    ngx_shop_unit_write(buf, p);

    if (!passed) {
        ngx_shop_unit_note(u, "  at %s line %ui", file, line);
    }
}


static u_char *
ngx_shop_unit_quote(u_char *p, u_char *last, u_char *data, size_t len)
{
    size_t  i;

    p = ngx_slprintf(p, last, "%uz bytes, \"", len);

    for (i = 0; i < len; i++) {

        if (data[i] < 0x20 || data[i] > 0x7e || data[i] == '\\') {
            p = ngx_slprintf(p, last, "\\x%02xi", (ngx_int_t) data[i]);

        } else {
            p = ngx_slprintf(p, last, "%c", data[i]);
        }
    }

    return ngx_slprintf(p, last, "\"");
}


static void
ngx_shop_unit_print(const char *fmt, ...)
{
    u_char   *p;
    va_list   args;
    u_char    buf[NGX_SHOP_UNIT_LINE];

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + NGX_SHOP_UNIT_LINE, fmt, args);
    va_end(args);

    ngx_shop_unit_write(buf, p);
}


/*
 * One line in one write, so that it keeps its place among those of nginx,
 * and nothing is lost in a crash.  Bytes that would end a TAP line early, or
 * have a meaning in it, are replaced.
 */

static void
ngx_shop_unit_write(u_char *line, u_char *last)
{
    u_char  *p;
    u_char   buf[NGX_SHOP_UNIT_LINE + 1];

    for (p = line; p < last; p++) {
        buf[p - line] = (*p < 0x20 || *p > 0x7e || (*p == '#' && p > line))
                        ? '?' : *p;
    }

    buf[p - line] = LF;

    (void) ngx_write_fd(ngx_stdout, buf, p - line + 1);
}
