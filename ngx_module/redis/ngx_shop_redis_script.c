
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/evp.h>

#include "redis/ngx_shop_redis_internal.h"


/*
 * Scripts are called by their SHA-1.  A server that was restarted, failed
 * over or told SCRIPT FLUSH does not know it: NOSCRIPT fails this one command
 * of a pipeline and no other.  Then SCRIPT LOAD and the command go out once
 * more, back to back on the same connection, so that nothing comes between
 * them; their operation waits for it within its time.
 *
 * SCRIPT LOAD and not EVAL: since Redis 7.4 a script that came by EVAL may
 * be forgotten at any time.
 */


static ngx_str_t  ngx_shop_redis_script_word = ngx_string("SCRIPT");
static ngx_str_t  ngx_shop_redis_load_word = ngx_string("LOAD");
static ngx_str_t  ngx_shop_redis_evalsha_word = ngx_string("EVALSHA");


ngx_int_t
ngx_shop_redis_script_init(ngx_shop_redis_script_t *script, ngx_log_t *log)
{
    u_char        digest[EVP_MAX_MD_SIZE];
    unsigned int  len;

    if (EVP_Digest(script->text.data, script->text.len, digest, &len,
                   EVP_sha1(), NULL)
        != 1
        || len != sizeof(script->sha1_data) / 2)
    {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0,
                      "EVP_Digest() failed for redis script \"%V\"",
                      &script->name);
        return NGX_ERROR;
    }

    ngx_hex_dump(script->sha1_data, digest, len);

    script->sha1.data = script->sha1_data;
    script->sha1.len = sizeof(script->sha1_data);

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_add_script(ngx_shop_redis_op_t *op,
    ngx_shop_redis_script_t *script, ngx_uint_t nkeys, ngx_str_t *keys,
    ngx_uint_t nargs, ngx_str_t *args)
{
    ngx_uint_t               argc;
    ngx_str_t               *argv;
    ngx_shop_redis_state_t  *state;
    u_char                   number[NGX_INT_T_LEN];

    state = ngx_shop_redis_state(op);

    if (script->sha1.len == 0
        && ngx_shop_redis_script_init(script, op->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    argc = 3 + nkeys + nargs;

    argv = ngx_palloc(op->pool, argc * sizeof(ngx_str_t));
    if (argv == NULL) {
        return NGX_ERROR;
    }

    argv[0] = ngx_shop_redis_evalsha_word;
    argv[1] = script->sha1;
    argv[2].data = number;
    argv[2].len = ngx_sprintf(number, "%ui", nkeys) - number;

    if (nkeys) {
        ngx_memcpy(&argv[3], keys, nkeys * sizeof(ngx_str_t));
    }

    if (nargs) {
        ngx_memcpy(&argv[3 + nkeys], args, nargs * sizeof(ngx_str_t));
    }

    if (ngx_shop_redis_add(op, argc, argv) != NGX_OK) {
        return NGX_ERROR;
    }

    state->scripts[op->ncommands - 1] = script;

    return NGX_OK;
}


ngx_int_t
ngx_shop_redis_script_reload(ngx_shop_redis_op_t *op, ngx_uint_t i)
{
    ngx_str_t                 argv[3];
    ngx_shop_redis_run_t     *run;
    ngx_shop_redis_state_t   *state;
    ngx_shop_redis_script_t  *script;

    state = ngx_shop_redis_state(op);
    script = state->scripts[i];

    if (script == NULL || state->orphan || state->loaded[i]
        || !ngx_shop_redis_is_fault(op->replies[i], "NOSCRIPT"))
    {
        return NGX_DECLINED;
    }

    /* once: a server that forgets it again at once is not helped by more */

    state->loaded[i] = 1;

    run = ngx_shop_redis_run_create(op, 3);
    if (run == NULL) {
        return NGX_DECLINED;
    }

    argv[0] = ngx_shop_redis_script_word;
    argv[1] = ngx_shop_redis_load_word;
    argv[2] = script->text;

    if (ngx_shop_redis_format(op->pool, 3, argv, &run->wires[0]) != NGX_OK) {
        return NGX_DECLINED;
    }

    run->map[0] = -1;
    run->n = 1;

    ngx_shop_redis_run_command(run, i, state->asking);

    ngx_log_debug1(NGX_LOG_DEBUG_CORE, state->conn->connection->log, 0,
                   "shop redis loads script \"%V\"", &script->name);

    state->pending++;
    ngx_shop_redis_conn_run(state->conn, run);

    return NGX_OK;
}
