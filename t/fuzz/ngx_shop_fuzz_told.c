
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"

#include "ngx_shop_fuzz.h"


#define NGX_SHOP_FUZZ_NOW  1795723844


static ngx_uint_t ngx_shop_fuzz_is_word(ngx_str_t *text);
static char *ngx_shop_fuzz_compile(ngx_conf_t *cf, ngx_shop_match_t *match);
static ngx_uint_t ngx_shop_fuzz_match(void *data, ngx_shop_match_t *match);


/* what is taken is words, and can wait and be read again */

void
ngx_shop_fuzz_told(ngx_shop_fuzz_t *fuzz)
{
    time_t               since;
    ngx_int_t            rc;
    ngx_str_t            line, entry;
    const char          *reason;
    ngx_shop_owner_t     owner;
    ngx_shop_event_t     event, again;
    ngx_shop_program_t   program;

    if (ngx_shop_program_init(fuzz->pool, &program, NULL) != NGX_OK) {
        return;
    }

    ngx_str_set(&program.currency, "EUR");

    rc = ngx_shop_event_parse(fuzz->pool, &fuzz->text, &program, &event,
                              &owner, &reason);

    ngx_shop_fuzz_must(rc == NGX_OK || rc == NGX_DECLINED);
    ngx_shop_fuzz_must((rc == NGX_DECLINED) == (reason != NULL));

    if (rc != NGX_OK) {
        return;
    }

    ngx_shop_fuzz_must(event.id.len && event.kind.len && event.time >= 0);
    ngx_shop_fuzz_must(event.id.len <= NGX_SHOP_EVENT_ID_MAX);
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_word(&event.id));
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_word(&event.what));
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_word(&event.amount));
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_word(&event.option));
    ngx_shop_fuzz_must((owner.id.len != 0) + (owner.provider.len != 0)
                       + (owner.email.len != 0) <= 1);

    if (ngx_shop_event_pack(fuzz->pool, &event, &line) != NGX_OK) {
        return;
    }

    entry.data = ngx_pnalloc(fuzz->pool, line.len + 2);
    if (entry.data == NULL) {
        return;
    }

    entry.len = ngx_sprintf(entry.data, "7 %V", &line) - entry.data;

    ngx_shop_fuzz_must(ngx_shop_event_unpack(&entry, &since, &again)
                       == NGX_OK);
    ngx_shop_fuzz_must(since == 7 && again.time == event.time);
    ngx_shop_fuzz_must(ngx_shop_equal(&again.id, &event.id));
    ngx_shop_fuzz_must(ngx_shop_equal(&again.option, &event.option));
}


static ngx_uint_t
ngx_shop_fuzz_is_word(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] <= ' ' || text->data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


/* an entry that waits, as Redis may have it */

void
ngx_shop_fuzz_kept(ngx_shop_fuzz_t *fuzz)
{
    time_t            since;
    ngx_shop_event_t  event;

    if (ngx_shop_event_unpack(&fuzz->text, &since, &event) == NGX_OK) {
        ngx_shop_fuzz_must(event.id.len && event.kind.len);
        ngx_shop_fuzz_must(since >= 0 && event.time >= 0);
    }
}


/* nobody knows the key, so nothing is signed by it */

void
ngx_shop_fuzz_signature(ngx_shop_fuzz_t *fuzz)
{
    ngx_int_t                    rc;
    ngx_str_t                    body;
    ngx_array_t                  keys;
    const char                  *reason;
    ngx_shop_event_key_t        *key;
    ngx_shop_event_signature_t   signature;

    if (ngx_array_init(&keys, fuzz->pool, 1, sizeof(ngx_shop_event_key_t))
        != NGX_OK)
    {
        return;
    }

    key = ngx_array_push(&keys);
    if (key == NULL) {
        return;
    }

    ngx_str_set(&key->id, "erp");
    ngx_str_set(&key->secret, "not in the corpus");
    ngx_str_set(&body, "1795723844.{}");

    rc = ngx_shop_event_signature(&keys, &fuzz->text, NGX_SHOP_FUZZ_NOW,
                                  &signature, &reason);

    if (rc == NGX_OK) {
        ngx_shop_fuzz_must(signature.key == key && signature.time.len);
        ngx_shop_fuzz_must(ngx_shop_event_verify(&signature, &body, fuzz->log)
                           == NGX_DECLINED);
    }
}


/* a program can be asked at once, or there is a reason that fits a line */

void
ngx_shop_fuzz_program(ngx_shop_fuzz_t *fuzz)
{
    ngx_str_t               reason;
    ngx_uint_t              use_stderr;
    ngx_shop_view_t         view;
    ngx_shop_moment_t       moment;
    ngx_shop_program_t      base, *program;
    ngx_shop_evaluation_t   result;
    u_char                  buf[NGX_SHOP_PROGRAM_REASON_MAX];

    static ngx_str_t  nobody = ngx_string("");

    if (ngx_shop_program_init(fuzz->pool, &base, NULL) != NGX_OK) {
        return;
    }

    ngx_str_set(&base.currency, "EUR");

    reason.data = buf;

    use_stderr = ngx_use_stderr;
    ngx_use_stderr = 0;

    program = ngx_shop_program_json(fuzz->pool, &base, &fuzz->text,
                                    ngx_shop_fuzz_compile, &reason);

    ngx_use_stderr = use_stderr;

    if (program == NULL) {
        ngx_shop_fuzz_must(reason.len != 0);
        ngx_shop_fuzz_must(reason.len <= NGX_SHOP_PROGRAM_REASON_MAX);
        ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&reason));
        return;
    }

    ngx_memzero(&view, sizeof(ngx_shop_view_t));
    ngx_memzero(&moment, sizeof(ngx_shop_moment_t));

    moment.now = NGX_SHOP_FUZZ_NOW;
    moment.customer = &nobody;
    moment.provider = &nobody;
    moment.match = ngx_shop_fuzz_match;

    ngx_shop_fuzz_must(ngx_shop_evaluate(fuzz->pool, program, &view, &moment,
                                         &result)
                       == NGX_OK);
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&result.promotions));
    ngx_shop_fuzz_must(ngx_shop_fuzz_is_plain(&result.segments));
}


static char *
ngx_shop_fuzz_compile(ngx_conf_t *cf, ngx_shop_match_t *match)
{
    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_shop_fuzz_match(void *data, ngx_shop_match_t *match)
{
    return match->values->nelts % 2;
}
