
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_UNIT_H_INCLUDED_
#define _NGX_SHOP_UNIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Tests in C, for rooms that need no request.  They run inside nginx while
 * it reads its configuration, and print TAP, which t/unit.t relays:
 *
 *     http {
 *         shop_unit NAME;      runs the suite NAME
 *         shop_unit;           prints the names of all suites
 *     }
 *
 * To add a suite, write t/unit/ngx_shop_unit_NAME.c with
 *
 *     ngx_shop_unit_test_t  ngx_shop_unit_NAME_tests[] = {
 *         { "a port out of range is refused", ngx_shop_unit_NAME_port },
 *         { NULL, NULL }
 *     };
 *
 * and add a line NAME to "ngx_shop_unit_suites" in t/unit/config.
 *
 * A test gets a pool of its own, which is destroyed behind it.  It goes on
 * after a failed check; it fails, too, if it leaves an error in the queue of
 * OpenSSL.
 *
 * What must be driven in a running nginx, by requests of a t/NAME.t, is a
 * module of its own: t/unit/ngx_shop_unit_NAME.c defines
 * ngx_shop_unit_NAME_module, an HTTP module like any other with its own
 * directives, handlers and init_process, and NAME is a line of
 * "ngx_shop_unit_modules" in t/unit/config.  All of them are in
 * ngx_shop_unit_module.so, which the harness loads with
 *
 *     nginx(unit => 1, module => 0, http => ...)
 */


typedef struct {
    ngx_conf_t                *cf;
    ngx_pool_t                *pool;        /* of this test */
    ngx_log_t                 *log;
    const char                *test;
    ngx_uint_t                 nchecks;
    ngx_uint_t                 nfailed;
} ngx_shop_unit_t;


typedef void (*ngx_shop_unit_pt)(ngx_shop_unit_t *u);


typedef struct {
    const char                *name;
    ngx_shop_unit_pt           run;
} ngx_shop_unit_test_t;


typedef struct {
    const char                *name;
    ngx_shop_unit_test_t      *tests;
} ngx_shop_unit_suite_t;


/*
 * Checks.  The description has the formats of ngx_sprintf(): %V is an
 * ngx_str_t *, %s a NUL-terminated text, %i an ngx_int_t, %ui, %z, %L.
 * All return 1 when passed and 0 when not, so that a test may stop.
 */

/* "cond" holds */
#define ngx_shop_unit_ok(u, cond, ...)                                        \
    ngx_shop_unit_check(u, (cond) ? 1 : 0, #cond, __FILE__, __LINE__,         \
                        __VA_ARGS__)

/* ngx_str_t *got is the NUL-terminated text "expected" */
#define ngx_shop_unit_is(u, got, expected, ...)                               \
    ngx_shop_unit_check_str(u, got, expected, ngx_strlen(expected),           \
                            __FILE__, __LINE__, __VA_ARGS__)

/* ngx_str_t *got is the bytes of ngx_str_t *expected */
#define ngx_shop_unit_is_str(u, got, expected, ...)                           \
    ngx_shop_unit_check_str(u, got, (char *) (expected)->data,                \
                            (expected)->len, __FILE__, __LINE__, __VA_ARGS__)

/* two integers of any type are equal, e.g. return codes */
#define ngx_shop_unit_is_int(u, got, expected, ...)                           \
    ngx_shop_unit_check_int(u, (int64_t) (got), (int64_t) (expected),         \
                            __FILE__, __LINE__, __VA_ARGS__)


ngx_uint_t ngx_shop_unit_check(ngx_shop_unit_t *u, ngx_uint_t passed,
    const char *text, const char *file, ngx_uint_t line, const char *fmt,
    ...);
ngx_uint_t ngx_shop_unit_check_str(ngx_shop_unit_t *u, ngx_str_t *got,
    const char *expected, size_t len, const char *file, ngx_uint_t line,
    const char *fmt, ...);
ngx_uint_t ngx_shop_unit_check_int(ngx_shop_unit_t *u, int64_t got,
    int64_t expected, const char *file, ngx_uint_t line, const char *fmt,
    ...);

/* a line of explanation, which is no check */
void ngx_shop_unit_note(ngx_shop_unit_t *u, const char *fmt, ...);


/* a text literal as ngx_str_t *, e.g. ngx_shop_unit_str("a\0b") */
#define ngx_shop_unit_str(text)                                               \
    (&(ngx_str_t) { sizeof(text) - 1, (u_char *) text })


/* in the order of t/unit/config, ends with a NULL name; made by it */
extern ngx_shop_unit_suite_t  ngx_shop_unit_suites[];


#endif /* _NGX_SHOP_UNIT_H_INCLUDED_ */
