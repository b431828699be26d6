
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_FUZZ_H_INCLUDED_
#define _NGX_SHOP_FUZZ_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What reads bytes of others, as functions that take any bytes at all.
 *
 * libFuzzer looks for bytes that crash one, by "./build.sh fuzz"; what it has
 * found to be different is kept in t/fuzz/corpus, and t/fuzz.t hands that to
 * the same functions in each run of the tests.
 *
 * A target says what must hold, whatever the bytes are, by
 * ngx_shop_fuzz_must().  To add one, write it, and a line of it in
 * ngx_shop_fuzz_module.c, and a file of the corpus with some texts to begin
 * with.
 */


typedef struct {
    ngx_pool_t                *pool;        /* of this input */
    ngx_log_t                 *log;
    ngx_str_t                  text;        /* a copy, without a NUL */
} ngx_shop_fuzz_t;


typedef void (*ngx_shop_fuzz_pt)(ngx_shop_fuzz_t *fuzz);


#define ngx_shop_fuzz_must(condition)                                         \
    if (!(condition)) {                                                       \
        ngx_shop_fuzz_broken(#condition, __FILE__, __LINE__);                 \
    }

/* says so and aborts */
void ngx_shop_fuzz_broken(const char *condition, const char *file,
    ngx_uint_t line) __attribute__((noreturn));

/* cuts what is before the first line feed, or all, off "text" */
ngx_str_t ngx_shop_fuzz_line(ngx_str_t *text);

/* what can go into a header field as it is */
ngx_uint_t ngx_shop_fuzz_is_plain(ngx_str_t *text);


/* ngx_shop_fuzz_bytes.c */

void ngx_shop_fuzz_url(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_return(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_query(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_time(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_json(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_sealed(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_session(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_view(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_response(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_reply(ngx_shop_fuzz_t *fuzz);


/* ngx_shop_fuzz_oidc.c */

void ngx_shop_fuzz_jwks(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_jws(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_claims(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_attempt(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_discovery(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_callback(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_token(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_signed(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_widget(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_notice(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_event(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_identity(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_expression(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_rule(ngx_shop_fuzz_t *fuzz);


/* ngx_shop_fuzz_told.c */

void ngx_shop_fuzz_told(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_kept(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_signature(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_program(ngx_shop_fuzz_t *fuzz);


/* ngx_shop_fuzz_http.c */

void ngx_shop_fuzz_cookies(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_language(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_accept(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_mask(ngx_shop_fuzz_t *fuzz);
void ngx_shop_fuzz_html(ngx_shop_fuzz_t *fuzz);


#endif /* _NGX_SHOP_FUZZ_H_INCLUDED_ */
