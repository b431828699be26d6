
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/ngx_shop_base.h"


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

#define NGX_SHOP_AES_BLOCK      16

#define NGX_SHOP_KEY_FILE_MAX   65536

#define NGX_SHOP_RANDOM_STOCK   512


typedef struct {
    ngx_uint_t                 bits;
    const char                *name;
    const EVP_MD            *(*builtin)(void);
    EVP_MD                    *fetched;
    EVP_MD_CTX                *ctx;
} ngx_shop_digest_t;


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


static ngx_int_t ngx_shop_digests_hold(void);
static void ngx_shop_digests_release(void);
static ngx_int_t ngx_shop_base64url_decode(ngx_str_t *dst, ngx_str_t *src);
static void ngx_shop_keys_cleanup(void *data);
static ngx_int_t ngx_shop_key_parse(ngx_str_t *line, ngx_shop_key_t *key);
static ngx_int_t ngx_shop_sealer_key_init(ngx_shop_sealer_t *sealer,
    EVP_CIPHER *cipher, ngx_shop_key_t *key, ngx_str_t *info, ngx_log_t *log);
static void ngx_shop_sealer_cleanup(void *data);
static ngx_int_t ngx_shop_encrypt(ngx_shop_sealer_t *sealer, u_char *raw,
    ngx_str_t *context, ngx_str_t *plain);
static ngx_int_t ngx_shop_decrypt(EVP_CIPHER_CTX *ctx, u_char *raw,
    ngx_str_t *context, ngx_str_t *plain);


/*
 * OpenSSL 3 looks an algorithm up by name in each call that was not given a
 * fetched one.  A fetched one has to be freed before this file is unloaded
 * (the end of a configuration that had load_module), so it is held by the
 * sealers, which go with the pool of their configuration.  With it is a
 * context, since making one takes half as long again as one block of SHA-256.
 */

static ngx_shop_digest_t  ngx_shop_digests[] = {
    { 256, "SHA256", EVP_sha256, NULL, NULL },
    { 384, "SHA384", EVP_sha384, NULL, NULL },
    { 512, "SHA512", EVP_sha512, NULL, NULL },
    { 0, NULL, NULL, NULL, NULL }
};

static ngx_uint_t  ngx_shop_digests_users;


/*
 * A draw costs OpenSSL more than the bytes do, and a login needs seven, so
 * they are drawn in stock.  It is of the process that drew it: a worker must
 * not hand out what its master, or another worker, was forked with.  What
 * was handed out is gone from it.
 */

static u_char     ngx_shop_stock[NGX_SHOP_RANDOM_STOCK];
static size_t     ngx_shop_stock_left;
static ngx_pid_t  ngx_shop_stock_pid;


ngx_int_t
ngx_shop_random(u_char *p, size_t len, ngx_log_t *log)
{
    if (ngx_shop_stock_pid != ngx_pid) {
        ngx_shop_stock_pid = ngx_pid;
        ngx_shop_stock_left = 0;
    }

    if (len > NGX_SHOP_RANDOM_STOCK) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "%uz random bytes are too many at once", len);
        return NGX_ERROR;
    }

    if (len > ngx_shop_stock_left) {

        /* what is left is not worth the care of handing out two parts */

        ngx_shop_stock_left = 0;

        if (RAND_bytes(ngx_shop_stock, NGX_SHOP_RANDOM_STOCK) != 1) {
            ngx_ssl_error(NGX_LOG_ALERT, log, 0, "RAND_bytes() failed");
            return NGX_ERROR;
        }

        ngx_shop_stock_left = NGX_SHOP_RANDOM_STOCK;
    }

    ngx_shop_stock_left -= len;

    ngx_memcpy(p, ngx_shop_stock + ngx_shop_stock_left, len);
    ngx_shop_zero(ngx_shop_stock + ngx_shop_stock_left, len);

    return NGX_OK;
}


ngx_int_t
ngx_shop_sha2(ngx_uint_t bits, ngx_str_t *data, u_char *digest,
    ngx_log_t *log)
{
    int                 rc;
    ngx_shop_digest_t  *d;

    for (d = ngx_shop_digests; d->bits != bits; d++) {

        if (d->bits == 0) {
            ngx_log_error(NGX_LOG_ALERT, log, 0, "no SHA-2 of %ui bits",
                          bits);
            return NGX_ERROR;
        }
    }

    if (d->ctx == NULL) {
        rc = EVP_Digest(data->data, data->len, digest, NULL, d->builtin(),
                        NULL);

    } else {
        rc = EVP_DigestInit_ex2(d->ctx, d->fetched, NULL) == 1
             && EVP_DigestUpdate(d->ctx, data->data, data->len) == 1
             && EVP_DigestFinal_ex(d->ctx, digest, NULL) == 1;
    }

    if (rc != 1) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "SHA-%ui failed", bits);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_sha256(ngx_str_t *data, u_char *digest, ngx_log_t *log)
{
    return ngx_shop_sha2(256, data, digest, log);
}


ngx_int_t
ngx_shop_hmac_sha256(ngx_str_t *key, ngx_str_t *data, u_char *mac,
    ngx_log_t *log)
{
    size_t   len;
    u_char  *secret;

    /* NULL would mean "the key of before" */

    secret = key->len ? key->data : (u_char *) "";

    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret, key->len,
                  data->data, data->len, mac, NGX_SHOP_SHA256_LEN, &len)
        == NULL)
    {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "EVP_Q_mac() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_hkdf_sha256(ngx_str_t *key, ngx_str_t *salt, ngx_str_t *info,
    u_char *out, size_t len, ngx_log_t *log)
{
    int           rc;
    EVP_KDF      *kdf;
    OSSL_PARAM    params[5], *p;
    EVP_KDF_CTX  *ctx;

    p = params;

    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                            (char *) "SHA256", 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
                                             key->data, key->len);

    if (salt->len) {
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
                                                 salt->data, salt->len);
    }

    if (info->len) {
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
                                                 info->data, info->len);
    }

    *p = OSSL_PARAM_construct_end();

    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    ctx = EVP_KDF_CTX_new(kdf);

    rc = EVP_KDF_derive(ctx, out, len, params);

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);

    if (rc != 1) {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "EVP_KDF_derive() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_aes_cbc_open(ngx_pool_t *pool, u_char *key, ngx_str_t *sealed,
    ngx_str_t *plain, ngx_log_t *log)
{
    int              len, rest;
    size_t           n;
    ngx_int_t        rc;
    EVP_CIPHER_CTX  *ctx;

    if (sealed->len < 2 * NGX_SHOP_AES_BLOCK
        || sealed->len > NGX_SHOP_SEAL_MAX_LEN
        || sealed->len % NGX_SHOP_AES_BLOCK)
    {
        return NGX_DECLINED;
    }

    n = sealed->len - NGX_SHOP_AES_BLOCK;

    plain->data = ngx_pnalloc(pool, n);
    ctx = EVP_CIPHER_CTX_new();

    rc = NGX_ERROR;

    if (plain->data == NULL
        || ctx == NULL
        || EVP_DecryptInit_ex2(ctx, EVP_aes_128_cbc(), key, sealed->data,
                               NULL)
           != 1
        || EVP_DecryptUpdate(ctx, plain->data, &len,
                             sealed->data + NGX_SHOP_AES_BLOCK, (int) n)
           != 1)
    {
        ngx_ssl_error(NGX_LOG_ALERT, log, 0, "AES-128-CBC failed");

    } else if (EVP_DecryptFinal_ex(ctx, plain->data + len, &rest) == 1) {
        plain->len = len + rest;
        rc = NGX_OK;

    } else {
        ERR_clear_error();
        rc = NGX_DECLINED;
    }

    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


ngx_uint_t
ngx_shop_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && CRYPTO_memcmp(a->data, b->data, a->len) == 0;
}


void
ngx_shop_zero(void *p, size_t len)
{
    OPENSSL_cleanse(p, len);
}


ngx_int_t
ngx_shop_base64url(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    dst->data = ngx_pnalloc(pool, ngx_base64_encoded_length(src->len));
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64url(dst, src);

    return NGX_OK;
}


ngx_int_t
ngx_shop_unbase64url(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    dst->data = ngx_pnalloc(pool, ngx_base64_decoded_length(src->len));
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    return ngx_shop_base64url_decode(dst, src);
}


/*
 * nginx's decoder stops at "=" and ignores the low bits of the last byte, so
 * that many texts give the same bytes, and looks at each character twice.
 * Here there is one text, and one look: 64 marks a foreign character.
 */

static ngx_int_t
ngx_shop_base64url_decode(ngx_str_t *dst, ngx_str_t *src)
{
    u_char      *s, *d;
    size_t       n;
    uint32_t     a, b, c, e;
    ngx_uint_t   foreign;

    static const u_char  values[256] = {
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64,
        52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64,
        64,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63,
        64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
        41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
        64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64
    };

    s = src->data;
    d = dst->data;
    foreign = 0;

    for (n = src->len / 4; n > 0; n--) {

        a = values[s[0]];
        b = values[s[1]];
        c = values[s[2]];
        e = values[s[3]];

        foreign |= a | b | c | e;

        d[0] = (u_char) (a << 2 | b >> 4);
        d[1] = (u_char) (b << 4 | c >> 2);
        d[2] = (u_char) (c << 6 | e);

        s += 4;
        d += 3;
    }

    n = src->len % 4;

    if (n == 1) {

        /* six bits are no byte */

        return NGX_ERROR;
    }

    if (n > 1) {
        a = values[s[0]];
        b = values[s[1]];
        c = (n == 3) ? values[s[2]] : 0;

        foreign |= a | b | c;

        *d++ = (u_char) (a << 2 | b >> 4);

        if (n == 3) {
            *d++ = (u_char) (b << 4 | c >> 2);
        }

        /* nor are those left over */

        if ((n == 3 ? c & 0x03 : b & 0x0f) != 0) {
            return NGX_ERROR;
        }
    }

    dst->len = d - dst->data;

    return (foreign & 64) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_shop_hex(ngx_pool_t *pool, u_char *src, size_t len, ngx_str_t *dst)
{
    dst->len = 2 * len;

    dst->data = ngx_pnalloc(pool, dst->len);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(dst->data, src, len);

    return NGX_OK;
}


ngx_int_t
ngx_shop_unhex(ngx_str_t *src, u_char *dst, size_t len)
{
    size_t     i;
    ngx_int_t  ch;

    if (src->len != 2 * len) {
        return NGX_ERROR;
    }

    for (i = 0; i < len; i++) {

        ch = ngx_hextoi(src->data + 2 * i, 2);

        if (ch == NGX_ERROR) {
            return NGX_ERROR;
        }

        dst[i] = (u_char) ch;
    }

    return NGX_OK;
}


ngx_array_t *
ngx_shop_keys_read(ngx_conf_t *cf, ngx_str_t *path)
{
    u_char              *p, *last, *end;
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

    for (n = 1; p < last; n++) {

        end = ngx_strlchr(p, last, LF);

        if (end == NULL) {
            end = last;
        }

        line.data = p;
        line.len = end - p;

        p = end + 1;

        while (line.len && line.data[line.len - 1] <= ' ') {
            line.len--;
        }

        while (line.len && *line.data <= ' ') {
            line.data++;
            line.len--;
        }

        if (line.len == 0 || *line.data == '#') {
            continue;
        }

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


static ngx_int_t
ngx_shop_digests_hold(void)
{
    ngx_int_t           rc;
    ngx_shop_digest_t  *d;

    rc = NGX_OK;

    if (ngx_shop_digests_users++ == 0) {

        for (d = ngx_shop_digests; d->bits; d++) {
            d->fetched = EVP_MD_fetch(NULL, d->name, NULL);
            d->ctx = EVP_MD_CTX_new();

            if (d->fetched == NULL || d->ctx == NULL) {
                rc = NGX_ERROR;
            }
        }
    }

    return rc;
}


static void
ngx_shop_digests_release(void)
{
    ngx_shop_digest_t  *d;

    if (--ngx_shop_digests_users == 0) {

        for (d = ngx_shop_digests; d->bits; d++) {
            EVP_MD_CTX_free(d->ctx);
            EVP_MD_free(d->fetched);
            d->ctx = NULL;
            d->fetched = NULL;
        }
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
