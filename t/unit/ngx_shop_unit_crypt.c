
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"

#include "ngx_shop_unit.h"


/* Files, keys, digests and sealed texts. */


typedef struct {
    const char  *key;
    const char  *data;
    const char  *mac;
} ngx_shop_unit_hmac_t;


typedef struct {
    const char  *key;
    const char  *salt;
    const char  *info;
    const char  *out;
} ngx_shop_unit_hkdf_t;


static void ngx_shop_unit_crypt_digests(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_hmac(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_hkdf(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_random(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_zero(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_equal(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_base64url(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_seal(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_bits(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_cut(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_foreign(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_rotation(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_sizes(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_sealers(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_keys(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_keys_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_crypt_files(ngx_shop_unit_t *u);

static ngx_str_t *ngx_shop_unit_unhex(ngx_shop_unit_t *u, const char *hex);
static ngx_array_t *ngx_shop_unit_keys(ngx_shop_unit_t *u,
    const char *first);
static ngx_shop_sealer_t *ngx_shop_unit_sealer(ngx_shop_unit_t *u,
    const char *keys, const char *purpose);
static ngx_int_t ngx_shop_unit_open(ngx_shop_unit_t *u,
    ngx_shop_sealer_t *sealer, ngx_str_t *sealed);
static ngx_conf_t *ngx_shop_unit_quiet(ngx_shop_unit_t *u);
static void ngx_shop_unit_loud(void *data);
static void ngx_shop_unit_log_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);
static ngx_str_t *ngx_shop_unit_file(ngx_shop_unit_t *u, ngx_str_t *text,
    ngx_uint_t mode);


ngx_shop_unit_test_t  ngx_shop_unit_crypt_tests[] = {
    { "SHA-256 (FIPS 180-4)", ngx_shop_unit_crypt_digests },
    { "HMAC-SHA256 (RFC 4231)", ngx_shop_unit_crypt_hmac },
    { "HKDF-SHA256 (RFC 5869)", ngx_shop_unit_crypt_hkdf },
    { "random bytes", ngx_shop_unit_crypt_random },
    { "secrets are zeroed with their pool", ngx_shop_unit_crypt_zero },
    { "texts are compared", ngx_shop_unit_crypt_equal },
    { "base64url has one form", ngx_shop_unit_crypt_base64url },
    { "a sealed text opens", ngx_shop_unit_crypt_seal },
    { "row 29, each bit counts", ngx_shop_unit_crypt_bits },
    { "row 29, each byte counts", ngx_shop_unit_crypt_cut },
    { "row 29, purpose and context", ngx_shop_unit_crypt_foreign },
    { "row 29, keys rotate", ngx_shop_unit_crypt_rotation },
    { "sizes are bounded", ngx_shop_unit_crypt_sizes },
    { "sealers come and go", ngx_shop_unit_crypt_sealers },
    { "a key file is read", ngx_shop_unit_crypt_keys },
    { "a bad key file is an error", ngx_shop_unit_crypt_keys_refuse },
    { "files", ngx_shop_unit_crypt_files },
    { NULL, NULL }
};


#define NGX_SHOP_UNIT_AA131                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaa"


#define NGX_SHOP_UNIT_HEX63                                                   \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

#define NGX_SHOP_UNIT_BASE64                                                  \
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


static ngx_shop_unit_hmac_t  ngx_shop_unit_hmacs[] = {

    { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
      "4869205468657265",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },

    { "4a656665",
      "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },

    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "dddddddddddddddddddddddddddddddddddddddddddddddddd"
      "dddddddddddddddddddddddddddddddddddddddddddddddddd",
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },

    { "0102030405060708090a0b0c0d0e0f10111213141516171819",
      "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
      "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },

    /* test case 5 asks for the first half only */

    { "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",
      "546573742057697468205472756e636174696f6e",
      "a3b6167473100ee06e0c796c2955552b" },

    { NGX_SHOP_UNIT_AA131,
      "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
      "65204b6579202d2048617368204b6579204669727374",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },

    { NGX_SHOP_UNIT_AA131,
      "5468697320697320612074657374207573696e672061206c6172676572207468"
      "616e20626c6f636b2d73697a65206b657920616e642061206c61726765722074"
      "68616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565"
      "647320746f20626520686173686564206265666f7265206265696e6720757365"
      "642062792074686520484d414320616c676f726974686d2e",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },

    /* both empty, which libraries take for "none" */

    { "", "",
      "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },

    { NULL, NULL, NULL }
};


static ngx_shop_unit_hkdf_t  ngx_shop_unit_hkdfs[] = {

    { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
      "000102030405060708090a0b0c",
      "f0f1f2f3f4f5f6f7f8f9",
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
      "34007208d5b887185865" },

    { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
      "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
      "404142434445464748494a4b4c4d4e4f",
      "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
      "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
      "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
      "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
      "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
      "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
      "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
      "cc30c58179ec3e87c14c01d5c1f3434f1d87" },

    { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
      "",
      "",
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
      "9d201395faa4b61a96c8" },

    { NULL, NULL, NULL, NULL }
};


static u_char      ngx_shop_unit_logged[8192];
static size_t      ngx_shop_unit_logged_len;
static ngx_uint_t  ngx_shop_unit_logged_level;


static ngx_str_t *
ngx_shop_unit_unhex(ngx_shop_unit_t *u, const char *hex)
{
    size_t      i;
    ngx_str_t  *str;

    str = ngx_palloc(u->pool, sizeof(ngx_str_t));
    if (str == NULL) {
        abort();
    }

    str->len = ngx_strlen(hex) / 2;

    str->data = ngx_palloc(u->pool, str->len);
    if (str->data == NULL) {
        abort();
    }

    for (i = 0; i < str->len; i++) {
        str->data[i] = (u_char) ngx_hextoi((u_char *) hex + 2 * i, 2);
    }

    return str;
}


static void
ngx_shop_unit_crypt_digests(ngx_shop_unit_t *u)
{
    ngx_str_t   data, hex;
    ngx_uint_t  i;
    u_char      digest[NGX_SHOP_SHA256_LEN];

    static struct {
        const char  *data;
        const char  *digest;
    } t[] = {
        { "",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        },
        { "abc",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        },
        { NULL, NULL }
    };

    for (i = 0; t[i].data; i++) {
        data.data = (u_char *) t[i].data;
        data.len = ngx_strlen(t[i].data);

        ngx_shop_unit_is_int(u, ngx_shop_sha256(&data, digest, u->log),
                             NGX_OK, "case %ui", i);
        ngx_shop_unit_is_int(u, ngx_shop_hex(u->pool, digest, 32, &hex),
                             NGX_OK, "case %ui, hex", i);
        ngx_shop_unit_is(u, &hex, t[i].digest, "case %ui", i);

        /* with a digest that a sealer holds */

        if (ngx_shop_unit_sealer(u, "1", "a") == NULL) {
            return;
        }

        ngx_memzero(digest, 32);

        ngx_shop_unit_is_int(u, ngx_shop_sha256(&data, digest, u->log),
                             NGX_OK, "case %ui, fetched", i);

        (void) ngx_shop_hex(u->pool, digest, 32, &hex);

        ngx_shop_unit_is(u, &hex, t[i].digest, "case %ui, fetched", i);
    }
}


static void
ngx_shop_unit_crypt_hmac(ngx_shop_unit_t *u)
{
    ngx_str_t              mac;
    ngx_shop_unit_hmac_t  *t;
    u_char                 buf[NGX_SHOP_SHA256_LEN];

    for (t = ngx_shop_unit_hmacs; t->key; t++) {

        ngx_shop_unit_is_int(u, ngx_shop_hmac_sha256(
                                    ngx_shop_unit_unhex(u, t->key),
                                    ngx_shop_unit_unhex(u, t->data), buf,
                                    u->log),
                             NGX_OK, "case %i",
                             (ngx_int_t) (t - ngx_shop_unit_hmacs) + 1);

        (void) ngx_shop_hex(u->pool, buf, ngx_strlen(t->mac) / 2, &mac);

        ngx_shop_unit_is(u, &mac, t->mac, "case %i",
                         (ngx_int_t) (t - ngx_shop_unit_hmacs) + 1);
    }
}


static void
ngx_shop_unit_crypt_hkdf(ngx_shop_unit_t *u)
{
    size_t                 len;
    ngx_str_t              out;
    ngx_shop_unit_hkdf_t  *t;
    u_char                 buf[128];

    for (t = ngx_shop_unit_hkdfs; t->key; t++) {

        len = ngx_strlen(t->out) / 2;

        ngx_shop_unit_is_int(u, ngx_shop_hkdf_sha256(
                                    ngx_shop_unit_unhex(u, t->key),
                                    ngx_shop_unit_unhex(u, t->salt),
                                    ngx_shop_unit_unhex(u, t->info), buf,
                                    len, u->log),
                             NGX_OK, "case %i",
                             (ngx_int_t) (t - ngx_shop_unit_hkdfs) + 1);

        (void) ngx_shop_hex(u->pool, buf, len, &out);

        ngx_shop_unit_is(u, &out, t->out, "case %i",
                         (ngx_int_t) (t - ngx_shop_unit_hkdfs) + 1);
    }

    /* more than 255 blocks is an error and leaves no error behind */

    ngx_shop_unit_is_int(u, ngx_shop_hkdf_sha256(
                                ngx_shop_unit_unhex(u, "01"),
                                ngx_shop_unit_unhex(u, ""),
                                ngx_shop_unit_unhex(u, ""), buf,
                                255 * 32 + 1,
                                ngx_shop_unit_quiet(u)->log),
                         NGX_ERROR, "too long");
    ngx_shop_unit_is_int(u, ngx_shop_unit_logged_level, NGX_LOG_ALERT,
                         "too long, logged");
}


static void
ngx_shop_unit_crypt_random(ngx_shop_unit_t *u)
{
    u_char  a[33], b[33];

    ngx_memzero(a, sizeof(a));
    ngx_memzero(b, sizeof(b));

    ngx_shop_unit_is_int(u, ngx_shop_random(a, 32, u->log), NGX_OK, "once");
    ngx_shop_unit_is_int(u, ngx_shop_random(b, 32, u->log), NGX_OK, "twice");

    ngx_shop_unit_ok(u, ngx_memcmp(a, b, 32) != 0, "not the same");
    ngx_shop_unit_ok(u, a[32] == 0 && b[32] == 0, "not more");

    ngx_shop_unit_is_int(u, ngx_shop_random(a, 0, u->log), NGX_OK, "none");

    ngx_shop_zero(a, 32);

    ngx_memzero(b, 32);

    ngx_shop_unit_ok(u, ngx_memcmp(a, b, 32) == 0, "zeroed");
}


/* memory of a pool that is gone cannot be looked at: its handler is called */

static void
ngx_shop_unit_crypt_zero(ngx_shop_unit_t *u)
{
    ngx_int_t            rc;
    ngx_str_t            secret, whole;
    ngx_pool_cleanup_t  *cln;

    whole.len = sizeof("a secret") - 1;
    whole.data = ngx_pstrdup(u->pool, ngx_shop_unit_str("a secret"));
    secret = whole;

    cln = u->pool->cleanup;
    rc = ngx_shop_zero_later(u->pool, &secret);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "later");
    ngx_shop_unit_is_str(u, &whole, ngx_shop_unit_str("a secret"), "not yet");
    ngx_shop_unit_ok(u, u->pool->cleanup != cln, "the pool knows");

    /* whoever has it may cut it */

    secret.len = 1;

    u->pool->cleanup->handler(u->pool->cleanup->data);

    ngx_shop_unit_is_str(u, &whole, ngx_shop_unit_str("\0\0\0\0\0\0\0\0"),
                         "zeroed");

    ngx_str_null(&secret);

    rc = ngx_shop_zero_later(u->pool, &secret);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "nothing at all");
    u->pool->cleanup->handler(u->pool->cleanup->data);
}


static void
ngx_shop_unit_crypt_equal(ngx_shop_unit_t *u)
{
    ngx_str_t  a, b, c, d, e;

    ngx_str_set(&a, "secret\0a");
    ngx_str_set(&b, "secret\0a");
    ngx_str_set(&c, "secret\0b");
    ngx_str_set(&d, "secret");
    ngx_str_null(&e);

    ngx_shop_unit_is_int(u, ngx_shop_equal(&a, &b), 1, "the same");
    ngx_shop_unit_is_int(u, ngx_shop_equal(&a, &c), 0, "another end");
    ngx_shop_unit_is_int(u, ngx_shop_equal(&a, &d), 0, "shorter");
    ngx_shop_unit_is_int(u, ngx_shop_equal(&d, &a), 0, "longer");
    ngx_shop_unit_is_int(u, ngx_shop_equal(&e, &a), 0, "nothing");
    ngx_shop_unit_is_int(u, ngx_shop_equal(&e, &e), 1, "nothing twice");
}


static void
ngx_shop_unit_crypt_base64url(ngx_shop_unit_t *u)
{
    size_t        len;
    ngx_str_t     src, text, back;
    ngx_uint_t    ch, n;
    const char  **t;
    u_char        buf[256];

    static const char  *bad[] = {
        "A", "AAAAA", "AA==", "AAA=", "=", "==", "A===", "AA=A", "AAAA=",
        "AA AA", "AA\nAA", "AAAA\n", " AAAA", "A+AA", "A/AA", "A.AA",
        "A,AA", "A\xc3\xa9", "AB", "AP", "AAB", "AAD", "AAAAAB", "AAAAAAB",
        "Zh", "Zm9", NULL
    };

    for (len = 0; len < sizeof(buf); len++) {
        buf[len] = (u_char) (255 - len * 7);
    }

    for (len = 0; len < 70; len++) {
        src.data = buf;
        src.len = len;

        if (!ngx_shop_unit_ok(u, ngx_shop_base64url(u->pool, &src, &text)
                                 == NGX_OK
                                 && ngx_shop_unbase64url(u->pool, &text,
                                                         &back)
                                    == NGX_OK,
                              "%uz bytes", len))
        {
            continue;
        }

        ngx_shop_unit_is_str(u, &back, &src, "%uz bytes", len);
    }

    ngx_str_set(&src, "\xfb\xff\xbe");

    (void) ngx_shop_base64url(u->pool, &src, &text);

    ngx_shop_unit_is(u, &text, "-_--", "its own alphabet");

    for (t = bad; *t; t++) {
        text.data = (u_char *) *t;
        text.len = ngx_strlen(*t);

        ngx_shop_unit_is_int(u, ngx_shop_unbase64url(u->pool, &text, &back),
                             NGX_ERROR, "\"%s\"", *t);
    }

    /* of 256 last bytes one in 64, 16 or 4 ends a text of its length */

    for (len = 2; len <= 4; len++) {
        ngx_memset(buf, 'A', len);

        text.data = buf;
        text.len = len;

        for (ch = 0, n = 0; ch < 256; ch++) {
            buf[len - 1] = (u_char) ch;
            n += ngx_shop_unbase64url(u->pool, &text, &back) == NGX_OK;
        }

        ngx_shop_unit_is_int(u, n, (len == 2) ? 4 : (len == 3) ? 16 : 64,
                             "ends of %uz characters", len);
    }
}


/* keys "1", "2", ... by their numbers, first one first */

static ngx_array_t *
ngx_shop_unit_keys(ngx_shop_unit_t *u, const char *names)
{
    ngx_array_t     *keys;
    ngx_shop_key_t  *key;

    keys = ngx_array_create(u->pool, 1, sizeof(ngx_shop_key_t));
    if (keys == NULL) {
        return NULL;
    }

    for ( /* void */ ; *names; names++) {
        key = ngx_array_push(keys);
        if (key == NULL) {
            return NULL;
        }

        ngx_memset(key->data, *names, NGX_SHOP_KEY_LEN);
    }

    return keys;
}


static ngx_shop_sealer_t *
ngx_shop_unit_sealer(ngx_shop_unit_t *u, const char *names,
    const char *purpose)
{
    ngx_array_t        *keys;
    ngx_shop_sealer_t  *sealer;

    keys = ngx_shop_unit_keys(u, names);
    if (keys == NULL) {
        return NULL;
    }

    sealer = ngx_shop_sealer_create(u->pool, keys, purpose, u->log);

    ngx_shop_unit_ok(u, sealer != NULL, "sealer \"%s\" for %s", names,
                     purpose);

    return sealer;
}


static ngx_int_t
ngx_shop_unit_open(ngx_shop_unit_t *u, ngx_shop_sealer_t *sealer,
    ngx_str_t *sealed)
{
    ngx_str_t  context, plain;

    ngx_str_set(&context, "shop.example.com");

    return ngx_shop_open(sealer, u->pool, &context, sealed, &plain, u->log);
}


static void
ngx_shop_unit_crypt_seal(ngx_shop_unit_t *u)
{
    size_t              len;
    ngx_str_t           context, plain, sealed, again, opened;
    ngx_uint_t          i;
    ngx_shop_sealer_t  *sealer;
    u_char              buf[300];

    sealer = ngx_shop_unit_sealer(u, "1", "session");
    if (sealer == NULL) {
        return;
    }

    ngx_str_set(&context, "shop.example.com");

    for (i = 0; i < sizeof(buf); i++) {
        buf[i] = (u_char) i;
    }

    plain.data = buf;

    for (len = 0; len < sizeof(buf); len += (len < 35) ? 1 : 51) {

        plain.len = len;

        if (!ngx_shop_unit_ok(u, ngx_shop_seal(sealer, u->pool, &context,
                                               &plain, &sealed, u->log)
                                 == NGX_OK
                                 && ngx_shop_open(sealer, u->pool, &context,
                                                  &sealed, &opened, u->log)
                                    == NGX_OK,
                              "%uz bytes", len))
        {
            continue;
        }

        ngx_shop_unit_is_str(u, &opened, &plain, "%uz bytes", len);
        ngx_shop_unit_is_int(u, sealed.len, ((33 + len) * 4 + 2) / 3,
                             "%uz bytes, sealed", len);

        ngx_shop_unit_ok(u, ngx_shop_seal(sealer, u->pool, &context, &plain,
                                          &again, u->log)
                            == NGX_OK
                            && ngx_memcmp(sealed.data, again.data,
                                          sealed.len)
                               != 0,
                         "%uz bytes, sealed anew", len);
    }

    /* no context is a context */

    ngx_str_null(&context);

    ngx_shop_unit_ok(u, ngx_shop_seal(sealer, u->pool, &context, &plain,
                                      &sealed, u->log)
                        == NGX_OK
                        && ngx_shop_open(sealer, u->pool, &context, &sealed,
                                         &opened, u->log)
                           == NGX_OK,
                     "no context");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &sealed),
                         NGX_DECLINED, "no context is another context");
}


static void
ngx_shop_unit_crypt_bits(ngx_shop_unit_t *u)
{
    size_t              i;
    ngx_str_t           context, plain, sealed, raw, text;
    ngx_uint_t          bit, n, opened;
    ngx_shop_sealer_t  *sealer;

    sealer = ngx_shop_unit_sealer(u, "123", "session");
    if (sealer == NULL) {
        return;
    }

    ngx_str_set(&context, "shop.example.com");
    ngx_str_set(&plain, "a customer and the secret of a session");

    if (ngx_shop_seal(sealer, u->pool, &context, &plain, &sealed, u->log)
        != NGX_OK
        || ngx_shop_unbase64url(u->pool, &sealed, &raw) != NGX_OK)
    {
        return;
    }

    n = 0;
    opened = 0;

    for (i = 0; i < raw.len; i++) {
        for (bit = 0; bit < 8; bit++) {

            raw.data[i] ^= (u_char) (1 << bit);

            (void) ngx_shop_base64url(u->pool, &raw, &text);

            n++;
            opened += ngx_shop_unit_open(u, sealer, &text) != NGX_DECLINED;

            raw.data[i] ^= (u_char) (1 << bit);
        }
    }

    for (i = 0; i < sealed.len; i++) {
        for (bit = 0; bit < 8; bit++) {

            sealed.data[i] ^= (u_char) (1 << bit);

            n++;
            opened += ngx_shop_unit_open(u, sealer, &sealed)
                      != NGX_DECLINED;

            sealed.data[i] ^= (u_char) (1 << bit);
        }
    }

    ngx_shop_unit_note(u, "%ui flips", n);

    ngx_shop_unit_is_int(u, opened, 0, "all flips are refused");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &sealed), NGX_OK,
                         "it still opens");
}


static void
ngx_shop_unit_crypt_cut(ngx_shop_unit_t *u)
{
    u_char             *p;
    ngx_str_t           context, plain, sealed, text;
    ngx_uint_t          opened;
    ngx_shop_sealer_t  *sealer;

    sealer = ngx_shop_unit_sealer(u, "1", "session");
    if (sealer == NULL) {
        return;
    }

    ngx_str_set(&context, "shop.example.com");
    ngx_str_set(&plain, "twelve bytes");

    if (ngx_shop_seal(sealer, u->pool, &context, &plain, &sealed, u->log)
        != NGX_OK)
    {
        return;
    }

    opened = 0;

    for (text.len = 0; text.len < sealed.len; text.len++) {

        text.data = sealed.data;
        opened += ngx_shop_unit_open(u, sealer, &text) != NGX_DECLINED;

        text.data = sealed.data + sealed.len - text.len;
        opened += ngx_shop_unit_open(u, sealer, &text) != NGX_DECLINED;
    }

    ngx_shop_unit_is_int(u, opened, 0, "cut at either end");

    p = ngx_palloc(u->pool, 2 * sealed.len + 4);
    if (p == NULL) {
        return;
    }

    text.data = p;
    text.len = ngx_sprintf(p, "%VAAAA", &sealed) - p;

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &text),
                         NGX_DECLINED, "longer");

    text.len = ngx_sprintf(p, "%V=", &sealed) - p;

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &text),
                         NGX_DECLINED, "padded");

    text.len = ngx_sprintf(p, "%V%V", &sealed, &sealed) - p;

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &text),
                         NGX_DECLINED, "twice");

    text.len = ngx_sprintf(p, "%V ", &sealed) - p;

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &text),
                         NGX_DECLINED, "a blank behind");
}


static void
ngx_shop_unit_crypt_foreign(ngx_shop_unit_t *u)
{
    ngx_str_t           context, other, plain, sealed, opened;
    ngx_uint_t          i;
    ngx_shop_sealer_t  *session, *attempt;

    static const char  *contexts[] = {
        "", "s", "shop.example.co", "shop.example.comm", "Shop.example.com",
        "shop.example.org", NULL
    };

    session = ngx_shop_unit_sealer(u, "1", "session");
    attempt = ngx_shop_unit_sealer(u, "1", "attempt");

    if (session == NULL || attempt == NULL) {
        return;
    }

    ngx_str_set(&context, "shop.example.com");
    ngx_str_set(&plain, "text");

    (void) ngx_shop_seal(session, u->pool, &context, &plain, &sealed,
                         u->log);

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, session, &sealed), NGX_OK,
                         "its own purpose");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, attempt, &sealed),
                         NGX_DECLINED, "another purpose");

    (void) ngx_shop_seal(attempt, u->pool, &context, &plain, &sealed,
                         u->log);

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, attempt, &sealed), NGX_OK,
                         "its own purpose");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, session, &sealed),
                         NGX_DECLINED, "another purpose");

    for (i = 0; contexts[i]; i++) {
        other.data = (u_char *) contexts[i];
        other.len = ngx_strlen(contexts[i]);

        ngx_shop_unit_is_int(u, ngx_shop_open(attempt, u->pool, &other,
                                              &sealed, &opened, u->log),
                             NGX_DECLINED, "context \"%s\"", contexts[i]);
    }

    /* nothing of a failed one is left in the context of the key */

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, attempt, &sealed), NGX_OK,
                         "its own context after all that");
}


static void
ngx_shop_unit_crypt_rotation(ngx_shop_unit_t *u)
{
    ngx_str_t           context, plain, one, two;
    ngx_shop_sealer_t  *old, *both, *swapped, *new, *twice;

    old = ngx_shop_unit_sealer(u, "1", "session");
    both = ngx_shop_unit_sealer(u, "21", "session");
    swapped = ngx_shop_unit_sealer(u, "12", "session");
    new = ngx_shop_unit_sealer(u, "2", "session");
    twice = ngx_shop_unit_sealer(u, "3113", "session");

    if (old == NULL || both == NULL || swapped == NULL || new == NULL
        || twice == NULL)
    {
        return;
    }

    ngx_str_set(&context, "shop.example.com");
    ngx_str_set(&plain, "text");

    (void) ngx_shop_seal(old, u->pool, &context, &plain, &one, u->log);
    (void) ngx_shop_seal(both, u->pool, &context, &plain, &two, u->log);

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, old, &one), NGX_OK,
                         "old opens old");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, both, &one), NGX_OK,
                         "both open old");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, swapped, &one), NGX_OK,
                         "both, swapped, open old");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, new, &one), NGX_DECLINED,
                         "new does not open old");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, twice, &one), NGX_OK,
                         "a key there twice opens");

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, new, &two), NGX_OK,
                         "the first key seals");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, both, &two), NGX_OK,
                         "both open new");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, swapped, &two), NGX_OK,
                         "both, swapped, open new");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, old, &two), NGX_DECLINED,
                         "old does not open new");
    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, twice, &two),
                         NGX_DECLINED, "others do not open new");
}


static void
ngx_shop_unit_crypt_sizes(ngx_shop_unit_t *u)
{
    size_t              i;
    u_char             *p;
    ngx_str_t           context, plain, sealed, opened;
    ngx_shop_sealer_t  *sealer;

    static size_t  huge[] = { 10000, 10924, 10925, 65536, 1048576, 0 };

    sealer = ngx_shop_unit_sealer(u, "1", "session");

    p = ngx_palloc(u->pool, 1048576);

    if (sealer == NULL || p == NULL) {
        return;
    }

    ngx_memset(p, 'A', 1048576);

    ngx_str_set(&context, "shop.example.com");

    plain.data = p;
    plain.len = 8000;

    ngx_shop_unit_is_int(u, ngx_shop_seal(sealer, u->pool, &context, &plain,
                                          &sealed, u->log),
                         NGX_OK, "8000 bytes are sealed");
    ngx_shop_unit_is_int(u, ngx_shop_open(sealer, u->pool, &context, &sealed,
                                          &opened, u->log),
                         NGX_OK, "8000 bytes are opened");
    ngx_shop_unit_is_str(u, &opened, &plain, "8000 bytes");

    plain.len = 8193;

    ngx_shop_unit_is_int(u, ngx_shop_seal(sealer, u->pool, &context, &plain,
                                          &sealed,
                                          ngx_shop_unit_quiet(u)->log),
                         NGX_ERROR, "8193 bytes are not");

    for (i = 0; huge[i]; i++) {
        sealed.data = p;
        sealed.len = huge[i];

        ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &sealed),
                             NGX_DECLINED, "%uz bytes", huge[i]);
    }

    ngx_str_null(&sealed);

    ngx_shop_unit_is_int(u, ngx_shop_unit_open(u, sealer, &sealed),
                         NGX_DECLINED, "nothing");
}


/* a reload: the new ones are made before the old ones go */

static void
ngx_shop_unit_crypt_sealers(ngx_shop_unit_t *u)
{
    ngx_str_t           context, plain, sealed, opened;
    ngx_uint_t          i, failed;
    ngx_pool_t         *old, *new;
    ngx_array_t        *keys;
    ngx_shop_sealer_t  *sealer;
    u_char              digest[NGX_SHOP_SHA256_LEN];

    keys = ngx_shop_unit_keys(u, "123");
    if (keys == NULL) {
        return;
    }

    ngx_str_set(&context, "shop.example.com");
    ngx_str_set(&plain, "text");
    ngx_str_null(&sealed);

    failed = 0;
    old = NULL;

    for (i = 0; i < 10; i++) {
        new = ngx_create_pool(1024, u->log);
        if (new == NULL) {
            return;
        }

        sealer = ngx_shop_sealer_create(new, keys, "session", u->log);
        if (sealer == NULL) {
            return;
        }

        if (old) {
            ngx_destroy_pool(old);
        }

        old = new;

        if (i) {
            failed += ngx_shop_open(sealer, u->pool, &context, &sealed,
                                    &opened, u->log)
                      != NGX_OK;
        }

        failed += ngx_shop_seal(sealer, u->pool, &context, &plain, &sealed,
                                u->log)
                  != NGX_OK;
        failed += ngx_shop_sha256(&plain, digest, u->log) != NGX_OK;
    }

    ngx_destroy_pool(old);

    failed += ngx_shop_sha256(&plain, digest, u->log) != NGX_OK;

    ngx_shop_unit_is_int(u, failed, 0, "ten configurations");
}


/* the configuration, as it is while its errors are not to be seen */

static ngx_conf_t *
ngx_shop_unit_quiet(ngx_shop_unit_t *u)
{
    ngx_log_t           *log;
    ngx_conf_t          *cf;
    ngx_pool_cleanup_t  *cln;

    cf = ngx_palloc(u->pool, sizeof(ngx_conf_t));
    log = ngx_pcalloc(u->pool, sizeof(ngx_log_t));
    cln = ngx_pool_cleanup_add(u->pool, 0);

    if (cf == NULL || log == NULL || cln == NULL) {
        abort();
    }

    /* or they go there as well, whatever the log says */

    ngx_use_stderr = 0;

    cln->handler = ngx_shop_unit_loud;

    log->log_level = NGX_LOG_INFO;
    log->writer = ngx_shop_unit_log_writer;

    *cf = *u->cf;

    cf->pool = u->pool;
    cf->log = log;

    ngx_shop_unit_logged_len = 0;
    ngx_shop_unit_logged_level = 0;

    return cf;
}


static void
ngx_shop_unit_loud(void *data)
{
    ngx_use_stderr = 1;

    (void) data;
}


static void
ngx_shop_unit_log_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    len = ngx_min(len, sizeof(ngx_shop_unit_logged) - 1);

    ngx_memcpy(ngx_shop_unit_logged, buf, len);
    ngx_shop_unit_logged[len] = '\0';

    ngx_shop_unit_logged_len = len;
    ngx_shop_unit_logged_level = level;

    (void) log;
}


static ngx_str_t *
ngx_shop_unit_file(ngx_shop_unit_t *u, ngx_str_t *text, ngx_uint_t mode)
{
    ngx_fd_t     fd;
    ngx_str_t    full;
    static char  name[] = "ngx_shop_unit_file";

    static ngx_str_t  path = { sizeof(name) - 1, (u_char *) name };

    full = path;

    if (ngx_conf_full_name(u->cf->cycle, &full, 1) != NGX_OK) {
        abort();
    }

    (void) ngx_delete_file(full.data);

    if (text == NULL) {
        return &path;
    }

    fd = ngx_open_file(full.data, NGX_FILE_WRONLY, NGX_FILE_CREATE_OR_OPEN,
                       0600);

    if (fd == NGX_INVALID_FILE
        || ngx_write_fd(fd, text->data, text->len) != (ssize_t) text->len
        || fchmod(fd, mode) != 0)
    {
        abort();
    }

    (void) ngx_close_file(fd);

    return &path;
}


static void
ngx_shop_unit_crypt_keys(ngx_shop_unit_t *u)
{
    u_char          *p, *data;
    ngx_str_t        text, raw, base64, hex;
    ngx_uint_t       i;
    ngx_array_t     *keys;
    ngx_shop_key_t  *key;

    data = ngx_palloc(u->pool, 4096);
    base64.data = ngx_palloc(u->pool, 64);

    if (data == NULL || base64.data == NULL) {
        return;
    }

    raw.data = data;
    raw.len = 32;

    /* bytes whose base64 has "+" and "/" */

    for (i = 0; i < 32; i++) {
        raw.data[i] = (u_char) (0xfb + i * 5);
    }

    ngx_encode_base64(&base64, &raw);
    (void) ngx_shop_hex(u->pool, raw.data, 32, &hex);

    text.data = data + 64;

    p = ngx_sprintf(text.data, CRLF "# %V" CRLF CRLF "  %V\t" CRLF, &hex,
                    &hex);
    p = ngx_sprintf(p, "%V\n \t\n%*s\n", &base64, base64.len - 1,
                    base64.data);

    ngx_strlow(p, hex.data, hex.len);

    for (i = 0; i < hex.len; i++) {
        *p = ngx_toupper(hex.data[i]);
        p++;
    }

    text.len = p - text.data;

    keys = ngx_shop_keys_read(ngx_shop_unit_quiet(u),
                              ngx_shop_unit_file(u, &text, 0600));

    if (!ngx_shop_unit_ok(u, keys != NULL, "read: %s",
                          ngx_shop_unit_logged))
    {
        return;
    }

    ngx_shop_unit_is_int(u, ngx_shop_unit_logged_len, 0,
                         "nothing is reported");

    ngx_shop_unit_is_int(u, keys->nelts, 4, "number of keys");

    key = keys->elts;

    for (i = 0; i < keys->nelts; i++) {
        ngx_shop_unit_ok(u, ngx_memcmp(key[i].data, raw.data, 32) == 0,
                         "key %ui", i);
    }

    for (i = 0; i < 0777; i = i * 8 + 7) {

        keys = ngx_shop_keys_read(ngx_shop_unit_quiet(u),
                                  ngx_shop_unit_file(u, &text, 0600 | i));

        ngx_shop_unit_ok(u, keys != NULL, "mode 0%uo", 0600 | i);
        ngx_shop_unit_is_int(u, ngx_shop_unit_logged_level,
                             i ? NGX_LOG_WARN : 0, "mode 0%uo", 0600 | i);
    }

    (void) ngx_shop_unit_file(u, NULL, 0);
}


static void
ngx_shop_unit_crypt_keys_refuse(ngx_shop_unit_t *u)
{
    size_t      i;
    ngx_str_t  *t, *path;

    static ngx_str_t  bad[] = {
        ngx_string(NGX_SHOP_UNIT_HEX63),
        ngx_string(NGX_SHOP_UNIT_HEX63 "g"),
        ngx_string(NGX_SHOP_UNIT_HEX63 "f0"),
        ngx_string(NGX_SHOP_UNIT_HEX63 "f" NGX_SHOP_UNIT_HEX63 "f"),
        ngx_string("0x" NGX_SHOP_UNIT_HEX63 "f"),
        ngx_string(NGX_SHOP_UNIT_HEX63 "f " NGX_SHOP_UNIT_HEX63 "f"),
        ngx_string(NGX_SHOP_UNIT_HEX63 "\0"),
        ngx_string(NGX_SHOP_UNIT_HEX63 "f # comment"),
        ngx_string(NGX_SHOP_UNIT_HEX63 "f\nsecret"),
        ngx_string("secret"),
        ngx_string(NGX_SHOP_UNIT_BASE64 "=="),
        ngx_string(NGX_SHOP_UNIT_BASE64 "A"),
        ngx_string(NGX_SHOP_UNIT_BASE64 "AA"),
        ngx_string("=" NGX_SHOP_UNIT_BASE64),
        ngx_string("*" NGX_SHOP_UNIT_BASE64),
        ngx_string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh="),
        ngx_string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh"),
        ngx_string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH-8"),
        ngx_string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGx dHh8"),
        ngx_string("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUm"
                   "JygpKissLS4v"),
        ngx_string("# a comment only"),
        ngx_string(" \n\t\n"),
        ngx_string("\n\n"),
        ngx_string(""),
        ngx_null_string
    };

    for (i = 0, t = bad; t->data; t++, i++) {

        path = ngx_shop_unit_file(u, t, 0600);

        ngx_shop_unit_ok(u, ngx_shop_keys_read(ngx_shop_unit_quiet(u), path)
                            == NULL,
                         "case %uz", i);
        ngx_shop_unit_is_int(u, ngx_shop_unit_logged_level, NGX_LOG_EMERG,
                             "case %uz is reported", i);
        ngx_shop_unit_ok(u, ngx_strstr(ngx_shop_unit_logged, path->data)
                            != NULL,
                         "case %uz names the file", i);
        ngx_shop_unit_ok(u, ngx_strstr(ngx_shop_unit_logged, "0123456789ab")
                            == NULL
                            && ngx_strstr(ngx_shop_unit_logged, "AAECAwQF")
                               == NULL
                            && ngx_strstr(ngx_shop_unit_logged, "secret\"")
                               == NULL,
                         "case %uz keeps the secret", i);
    }

    (void) ngx_shop_unit_file(u, NULL, 0);
}


static void
ngx_shop_unit_crypt_files(ngx_shop_unit_t *u)
{
    ngx_int_t   rc;
    ngx_str_t   text, content, path;

    ngx_str_set(&text, "\npass word\0 \r\n\n\r\n");

    rc = ngx_shop_file_read(ngx_shop_unit_quiet(u),
                            ngx_shop_unit_file(u, &text, 0640), text.len, 0,
                            &content);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "as long as allowed");
    ngx_shop_unit_is_str(u, &content, ngx_shop_unit_str("\npass word\0 "),
                         "only line ends behind it are cut");
    ngx_shop_unit_is_int(u, ngx_shop_unit_logged_len, 0,
                         "what is no secret may be read");

    rc = ngx_shop_file_read(ngx_shop_unit_quiet(u),
                            ngx_shop_unit_file(u, &text, 0640), text.len, 1,
                            &content);

    ngx_shop_unit_is_int(u, rc, NGX_OK, "a warning only");
    ngx_shop_unit_is_int(u, ngx_shop_unit_logged_level, NGX_LOG_WARN,
                         "a secret that the group can read");

    rc = ngx_shop_file_read(ngx_shop_unit_quiet(u),
                            ngx_shop_unit_file(u, &text, 0600),
                            text.len - 1, 1, &content);

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "longer");
    ngx_shop_unit_is_int(u, ngx_shop_unit_logged_level, NGX_LOG_EMERG,
                         "longer, reported");

    rc = ngx_shop_file_read(ngx_shop_unit_quiet(u),
                            ngx_shop_unit_file(u, NULL, 0), 100, 1,
                            &content);

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "not there");
    ngx_shop_unit_is_int(u, ngx_shop_unit_logged_level, NGX_LOG_EMERG,
                         "not there, reported");

    ngx_str_set(&path, "/");

    rc = ngx_shop_file_read(ngx_shop_unit_quiet(u), &path, 100, 1,
                            &content);

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "a folder");

    ngx_str_set(&path, "/dev/zero");

    rc = ngx_shop_file_read(ngx_shop_unit_quiet(u), &path, 100, 1,
                            &content);

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "a device");
}
