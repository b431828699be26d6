
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "base/ngx_shop_crypt.h"


/*
 * Sealing.  What we hand to a browser and take back is one text, base64url
 * without padding, of
 *
 *     0         1          5           17               n-16        n
 *     +---------+----------+-----------+----- - - ------+-----------+
 *     | version | key hint | random IV |   ciphertext   |  GCM tag  |
 *     +---------+----------+-----------+----- - - ------+-----------+
 *
 * encrypted by AES-256-GCM with the context as additional data.  The key is
 * HKDF-SHA256(line of the key file, info = version and purpose): a session
 * is no login attempt and no thing of another layout, whatever it says.
 *
 * The hint is 32 bits more of the same HKDF, public and telling nothing of
 * the key.  It finds the one key to try, so a rotation with ten keys costs
 * no more than one key, and most forgeries cost no decryption.  It needs no
 * authentication: a changed hint names no key, or one that does not fit.
 *
 * For each key there is a cipher context with the key schedule in place, so
 * a request only sets the IV.  Workers get the contexts by fork(), and what
 * they do to them is copied on write.
 *
 * Random 96-bit IVs are good for 2^32 seals under one key (NIST SP 800-38D,
 * 8.3), which is a thousand logins a second for 49 days: large shops rotate
 * keys by then.  AES-GCM-SIV would have no such end, but OpenSSL has had it
 * since 3.2 only.
 */


#define NGX_SHOP_SEAL_VERSION   1
#define NGX_SHOP_SEAL_INFO      "ngx_shop seal 1 "

#define NGX_SHOP_SEAL_HINT_LEN  4
#define NGX_SHOP_SEAL_IV_LEN    12
#define NGX_SHOP_SEAL_TAG_LEN   16

#define NGX_SHOP_SEAL_HEAD_LEN                                                \
    (1 + NGX_SHOP_SEAL_HINT_LEN + NGX_SHOP_SEAL_IV_LEN)

#define NGX_SHOP_SEAL_MIN_LEN                                                 \
    (NGX_SHOP_SEAL_HEAD_LEN + NGX_SHOP_SEAL_TAG_LEN)

/* cookies end at 4096 bytes anyway */
#define NGX_SHOP_SEAL_MAX_LEN   8192

/* the same of base64url, which is four characters for three bytes */
#define NGX_SHOP_SEAL_MIN_TEXT  ((NGX_SHOP_SEAL_MIN_LEN * 4 + 2) / 3)
#define NGX_SHOP_SEAL_MAX_TEXT  ((NGX_SHOP_SEAL_MAX_LEN * 4 + 2) / 3)

#define NGX_SHOP_KEY_FILE_MAX   65536


typedef struct {
    EVP_CIPHER_CTX            *ctx;         /* decrypts, key set */
    u_char                     hint[NGX_SHOP_SEAL_HINT_LEN];
} ngx_shop_sealer_key_t;


struct ngx_shop_sealer_s {
    EVP_CIPHER_CTX            *ctx;         /* encrypts, first key set */
    ngx_shop_sealer_key_t     *keys;
    ngx_uint_t                 nkeys;
    ngx_uint_t                 digests;     /* holds ngx_shop_digests */
};


static void ngx_shop_keys_cleanup(void *data);
static ngx_int_t ngx_shop_key_parse(ngx_str_t *line, ngx_shop_key_t *key);
static ngx_int_t ngx_shop_sealer_key_init(ngx_shop_sealer_t *sealer,
    EVP_CIPHER *cipher, ngx_shop_key_t *key, ngx_str_t *info, ngx_log_t *log);
static void ngx_shop_sealer_cleanup(void *data);
static ngx_int_t ngx_shop_encrypt(ngx_shop_sealer_t *sealer, u_char *raw,
    ngx_str_t *context, ngx_str_t *plain);
static ngx_int_t ngx_shop_decrypt(EVP_CIPHER_CTX *ctx, u_char *raw,
    ngx_str_t *context, ngx_str_t *plain);


ngx_array_t *
ngx_shop_keys_read(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char              *p, *last;
    ngx_str_t            content, line;
    ngx_uint_t           n;
    ngx_array_t         *keys;
    ngx_shop_key_t      *key;
    ngx_pool_cleanup_t  *cln;

    if (ngx_shop_file_read(cf, path, NGX_SHOP_KEY_FILE_MAX, 1, &content)
        != NGX_OK)
    {
        return NULL;
    }

    p = content.data;
    last = p + content.len;

    /* sized at once: growing would leave copies of the keys behind */

    for (n = 1; p < last; p++) {
        n += (*p == LF);
    }

    keys = ngx_array_create(cf->pool, n, sizeof(ngx_shop_key_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (keys == NULL || cln == NULL) {
        goto failed;
    }

    cln->handler = ngx_shop_keys_cleanup;
    cln->data = keys;

    p = content.data;
    n = 0;

    while (ngx_shop_file_line(&p, last, &n, &line) == NGX_OK) {

        key = ngx_array_push(keys);
        if (key == NULL) {
            goto failed;
        }

        if (ngx_shop_key_parse(&line, key) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid key of %uz characters in \"%V\" "
                               "line %ui: it must be 64 hex digits or "
                               "the base64 of 32 bytes",
                               line.len, path, n);
            goto failed;
        }
    }

    if (keys->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no key in \"%V\"", path);
        goto failed;
    }

    ngx_shop_zero(content.data, content.len);

    return keys;

failed:

    ngx_shop_zero(content.data, content.len);

    return NULL;
}


static void
ngx_shop_keys_cleanup(void *data)
{
    ngx_array_t *keys = data;

    ngx_shop_zero(keys->elts, keys->nelts * keys->size);
}


static ngx_int_t
ngx_shop_key_parse(ngx_str_t *line, ngx_shop_key_t *key)
{
    u_char     buf[ngx_base64_decoded_length(44)];
    ngx_str_t  raw;

    if (line->len == 2 * NGX_SHOP_KEY_LEN) {
        return ngx_shop_unhex(line, key->data, NGX_SHOP_KEY_LEN);
    }

    /* 43 characters and maybe one "=" */

    if (line->len == 44 && line->data[43] == '=') {
        line->len = 43;
    }

    raw.len = 0;
    raw.data = buf;

    if (line->len != 43 || ngx_decode_base64(&raw, line) != NGX_OK
        || raw.len != NGX_SHOP_KEY_LEN)
    {
        ngx_shop_zero(buf, sizeof(buf));
        return NGX_ERROR;
    }

    ngx_memcpy(key->data, buf, NGX_SHOP_KEY_LEN);
    ngx_shop_zero(buf, sizeof(buf));

    return NGX_OK;
}


ngx_shop_sealer_t *
ngx_shop_sealer_create(ngx_pool_t *pool, ngx_array_t *keys,
    const char *purpose, ngx_log_t *log)
{
    ngx_int_t            rc;
    ngx_str_t            info;
    EVP_CIPHER          *cipher;
    ngx_uint_t           i;
    ngx_shop_key_t      *key;
    ngx_shop_sealer_t   *sealer;
    ngx_pool_cleanup_t  *cln;

    sealer = ngx_pcalloc(pool, sizeof(ngx_shop_sealer_t));
    if (sealer == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_shop_sealer_cleanup;
    cln->data = sealer;

    sealer->keys = ngx_pcalloc(pool,
                               keys->nelts * sizeof(ngx_shop_sealer_key_t));
    if (sealer->keys == NULL) {
        return NULL;
    }

    info.len = sizeof(NGX_SHOP_SEAL_INFO) - 1 + ngx_strlen(purpose);

    info.data = ngx_pnalloc(pool, info.len);
    if (info.data == NULL) {
        return NULL;
    }

    (void) ngx_cpymem(ngx_cpymem(info.data, NGX_SHOP_SEAL_INFO,
                                 sizeof(NGX_SHOP_SEAL_INFO) - 1),
                      purpose, ngx_strlen(purpose));

    sealer->digests = 1;

    rc = ngx_shop_digests_hold();
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);

    if (rc != NGX_OK || cipher == NULL) {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0,
                      "OpenSSL has no SHA-2 or no AES-256-GCM");
        EVP_CIPHER_free(cipher);
        return NULL;
    }

    key = keys->elts;

    for (i = 0; i < keys->nelts && rc == NGX_OK; i++) {
        rc = ngx_shop_sealer_key_init(sealer, cipher, &key[i], &info, log);
    }

    EVP_CIPHER_free(cipher);

    return (rc == NGX_OK) ? sealer : NULL;
}


static ngx_int_t
ngx_shop_sealer_key_init(ngx_shop_sealer_t *sealer, EVP_CIPHER *cipher,
    ngx_shop_key_t *key, ngx_str_t *info, ngx_log_t *log)
{
    int                     rc;
    ngx_str_t               secret, salt;
    ngx_shop_sealer_key_t  *skey;
    u_char                  derived[NGX_SHOP_KEY_LEN + NGX_SHOP_SEAL_HINT_LEN];

    secret.len = NGX_SHOP_KEY_LEN;
    secret.data = key->data;

    ngx_str_null(&salt);

    if (ngx_shop_hkdf_sha256(&secret, &salt, info, derived, sizeof(derived),
                             log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* counted before it is complete: the cleanup frees what there is */

    skey = &sealer->keys[sealer->nkeys++];

    ngx_memcpy(skey->hint, derived + NGX_SHOP_KEY_LEN,
               NGX_SHOP_SEAL_HINT_LEN);

    skey->ctx = EVP_CIPHER_CTX_new();

    rc = skey->ctx != NULL
         && EVP_DecryptInit_ex2(skey->ctx, cipher, derived, NULL, NULL) == 1;

    if (rc && sealer->ctx == NULL) {
        sealer->ctx = EVP_CIPHER_CTX_new();

        rc = sealer->ctx != NULL
             && EVP_EncryptInit_ex2(sealer->ctx, cipher, derived, NULL, NULL)
                == 1;
    }

    ngx_shop_zero(derived, sizeof(derived));

    if (!rc) {
        ngx_ssl_error(NGX_LOG_EMERG, log, 0,
                      "EVP_EncryptInit_ex2() or EVP_DecryptInit_ex2() "
                      "failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_shop_sealer_cleanup(void *data)
{
    ngx_shop_sealer_t *sealer = data;

    ngx_uint_t  i;

    for (i = 0; i < sealer->nkeys; i++) {
        EVP_CIPHER_CTX_free(sealer->keys[i].ctx);
    }

    EVP_CIPHER_CTX_free(sealer->ctx);

    if (sealer->digests) {
        ngx_shop_digests_release();
    }
}


ngx_int_t
ngx_shop_seal(ngx_shop_sealer_t *sealer, ngx_pool_t *pool, ngx_str_t *context,
    ngx_str_t *plain, ngx_str_t *sealed, ngx_log_t *log)
{
    u_char     *p;
    ngx_str_t   raw;

    if (plain->len > NGX_SHOP_SEAL_MAX_LEN - NGX_SHOP_SEAL_MIN_LEN) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "%uz bytes are too many to be sealed", plain->len);
        return NGX_ERROR;
    }

    raw.len = NGX_SHOP_SEAL_MIN_LEN + plain->len;

    raw.data = ngx_pnalloc(pool, raw.len);
    if (raw.data == NULL) {
        return NGX_ERROR;
    }

    p = raw.data;

    *p++ = NGX_SHOP_SEAL_VERSION;
    p = ngx_cpymem(p, sealer->keys[0].hint, NGX_SHOP_SEAL_HINT_LEN);

    if (ngx_shop_random(p, NGX_SHOP_SEAL_IV_LEN, log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_shop_encrypt(sealer, raw.data, context, plain) != NGX_OK) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "AES-256-GCM encryption failed");
        return NGX_ERROR;
    }

    return ngx_shop_base64url(pool, &raw, sealed);
}


static ngx_int_t
ngx_shop_encrypt(ngx_shop_sealer_t *sealer, u_char *raw, ngx_str_t *context,
    ngx_str_t *plain)
{
    int              n;
    u_char          *iv, *text;
    EVP_CIPHER_CTX  *ctx;

    ctx = sealer->ctx;

    iv = raw + 1 + NGX_SHOP_SEAL_HINT_LEN;
    text = raw + NGX_SHOP_SEAL_HEAD_LEN;

    if (EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) != 1) {
        return NGX_ERROR;
    }

    if (context->len
        && EVP_EncryptUpdate(ctx, NULL, &n, context->data,
                             (int) context->len)
           != 1)
    {
        return NGX_ERROR;
    }

    if (plain->len
        && EVP_EncryptUpdate(ctx, text, &n, plain->data, (int) plain->len)
           != 1)
    {
        return NGX_ERROR;
    }

    if (EVP_EncryptFinal_ex(ctx, text + plain->len, &n) != 1
        || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
                               NGX_SHOP_SEAL_TAG_LEN, text + plain->len)
           != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_open(ngx_shop_sealer_t *sealer, ngx_pool_t *pool, ngx_str_t *context,
    ngx_str_t *sealed, ngx_str_t *plain, ngx_log_t *log)
{
    ngx_int_t   rc;
    ngx_str_t   raw;
    ngx_uint_t  i;

    if (sealed->len < NGX_SHOP_SEAL_MIN_TEXT
        || sealed->len > NGX_SHOP_SEAL_MAX_TEXT)
    {
        return NGX_DECLINED;
    }

    raw.data = ngx_pnalloc(pool, ngx_base64_decoded_length(sealed->len));
    if (raw.data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_shop_base64url_decode(&raw, sealed) != NGX_OK
        || raw.data[0] != NGX_SHOP_SEAL_VERSION)
    {
        return NGX_DECLINED;
    }

    plain->len = raw.len - NGX_SHOP_SEAL_MIN_LEN;

    plain->data = ngx_pnalloc(pool, plain->len);
    if (plain->data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < sealer->nkeys; i++) {

        if (ngx_memcmp(sealer->keys[i].hint, raw.data + 1,
                       NGX_SHOP_SEAL_HINT_LEN)
            != 0)
        {
            continue;
        }

        rc = ngx_shop_decrypt(sealer->keys[i].ctx, raw.data, context, plain);

        if (rc == NGX_OK) {
            return NGX_OK;
        }

        /* nobody is to see what was not authenticated */

        ngx_shop_zero(plain->data, plain->len);

        if (rc == NGX_ERROR) {
            ngx_ssl_error(NGX_LOG_ALERT, log, 0,
                          "AES-256-GCM decryption failed");
            return NGX_ERROR;
        }

        ERR_clear_error();
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_shop_decrypt(EVP_CIPHER_CTX *ctx, u_char *raw, ngx_str_t *context,
    ngx_str_t *plain)
{
    int          n;
    u_char      *iv, *text, *tag;
    OSSL_PARAM   params[2];

    iv = raw + 1 + NGX_SHOP_SEAL_HINT_LEN;
    text = raw + NGX_SHOP_SEAL_HEAD_LEN;
    tag = text + plain->len;

    params[0] = OSSL_PARAM_construct_octet_string(
                                               OSSL_CIPHER_PARAM_AEAD_TAG,
                                               tag, NGX_SHOP_SEAL_TAG_LEN);
    params[1] = OSSL_PARAM_construct_end();

    if (EVP_DecryptInit_ex2(ctx, NULL, NULL, iv, params) != 1) {
        return NGX_ERROR;
    }

    if (context->len
        && EVP_DecryptUpdate(ctx, NULL, &n, context->data,
                             (int) context->len)
           != 1)
    {
        return NGX_ERROR;
    }

    if (plain->len
        && EVP_DecryptUpdate(ctx, plain->data, &n, text, (int) plain->len)
           != 1)
    {
        return NGX_ERROR;
    }

    return (EVP_DecryptFinal_ex(ctx, tag, &n) == 1) ? NGX_OK : NGX_DECLINED;
}
