
/*
 * Copyright (C) The ngx_shop authors
 */


#ifndef _NGX_SHOP_BASE_H_INCLUDED_
#define _NGX_SHOP_BASE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_compat.h"


/*
 * The bottom room: bytes.  No request and no socket is known here.
 *
 * Codes, unless a function says otherwise:
 *
 *     NGX_OK        found, or done
 *     NGX_DECLINED  absent
 *     NGX_ERROR     malformed, or the system failed; the latter is logged
 */


/* ngx_shop_file.c */

/*
 * Reads a whole file of at most "max" bytes at configuration time, e.g. a
 * secret; "path" is taken relative to the configuration prefix.  Trailing
 * line feeds and carriage returns are cut.  A file that group or others can
 * read is reported as a warning when "secret" is set.  Errors are reported
 * through ngx_conf_log_error().
 */
ngx_int_t ngx_shop_file_read(ngx_conf_t *cf, ngx_str_t *path, size_t max,
    ngx_uint_t secret, ngx_str_t *content);

/*
 * Of a file of keys, the next line that is not blank and no "#" comment,
 * without the blanks around it.  "*p" goes on up to "last", "*n" counts
 * lines; start with 0.  NGX_OK: "line" points into the content; NGX_DONE: no
 * more.
 */
ngx_int_t ngx_shop_file_line(u_char **p, u_char *last, ngx_uint_t *n,
    ngx_str_t *line);


/* ngx_shop_text.c */

#define NGX_SHOP_NAME_MAX         40
#define NGX_SHOP_CUSTOMER_ID_MAX  64
#define NGX_SHOP_EMAIL_MAX        254

/* 1: a name of a provider, tier, segment or promotion: 1 to 40 of
 * [A-Za-z0-9_-] */
ngx_uint_t ngx_shop_name_valid(ngx_str_t *name);

/* 1: a customer id, ours or the shop's: 1 to 64 of [A-Za-z0-9._~:@-] */
ngx_uint_t ngx_shop_customer_id_valid(ngx_str_t *id);

/* 1: an e-mail address of at most 254 bytes: one "@" and, on its both sides,
 * ASCII that needs no quotes */
ngx_uint_t ngx_shop_email_valid(ngx_str_t *email);

/* 1: UTF-8 as JSON may hold it, without halves of a pair */
ngx_uint_t ngx_shop_utf8_valid(ngx_str_t *text);

/* 1: "text" is "word", to the byte or in whatever case; not for secrets */
ngx_uint_t ngx_shop_text_is(ngx_str_t *text, const char *word);
ngx_uint_t ngx_shop_text_is_caseless(ngx_str_t *text, const char *word);

/* "value" in decimal, from "pool" */
ngx_int_t ngx_shop_decimal(ngx_pool_t *pool, int64_t value, ngx_str_t *text);


/* ngx_shop_url.c */

typedef struct {
    ngx_str_t                  scheme;      /* "http" or "https" */
    ngx_str_t                  host;        /* lower case; "[::1]" with [] */
    ngx_str_t                  origin;      /* no default port, lower case */
    ngx_str_t                  uri;         /* path and query, at least "/" */
    in_port_t                  port;

    unsigned                   secure:1;    /* https */
    unsigned                   loopback:1;  /* literally in 127.0.0.0/8,
                                               [::1] or localhost */
    unsigned                   literal:1;   /* host is an IP address */
} ngx_shop_url_t;


/*
 * Parses an absolute http or https URL (RFC 3986) strictly: no user
 * information, no fragment, no control or non-ASCII bytes, port 1..65535,
 * at most 2048 bytes.  All strings are allocated from "pool".
 * NGX_ERROR: "*err" says what is wrong.
 */
ngx_int_t ngx_shop_url_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_url_t *url, const char **err);

/*
 * Decides where a login may return to, as browsers would read "text"
 * (WHATWG URL): a path of our own site, or an absolute URL with the scheme
 * of "base" whose host is that of "base" (same port) or one of "hosts"
 * (ngx_str_t array or NULL, default port only).  At most 1024 bytes.
 * NGX_OK: "*path" is a copy, safe in a Location header; NGX_DECLINED:
 * refused, the caller takes "/".
 */
ngx_int_t ngx_shop_return_check(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_url_t *base, ngx_array_t *hosts, ngx_str_t *path);


/* ngx_shop_query.c: fields of forms */

/* walks "a=1&b=2"; start with ngx_shop_query_init() */

typedef struct {
    u_char                    *pos;
    u_char                    *last;
} ngx_shop_query_t;


/*
 * Percent-encodes everything but the unreserved characters of RFC 3986 2.3.
 * The first returns the length of the result, the second writes it and
 * returns its end, the third allocates it.
 */
size_t ngx_shop_escaped_len(ngx_str_t *src);
u_char *ngx_shop_escape(u_char *dst, ngx_str_t *src);
ngx_int_t ngx_shop_escape_str(ngx_pool_t *pool, ngx_str_t *src,
    ngx_str_t *dst);

/* decodes %XX and "+" of a form field; NGX_ERROR on a bad escape or NUL */
ngx_int_t ngx_shop_unescape_form(ngx_pool_t *pool, ngx_str_t *src,
    ngx_str_t *dst);

void ngx_shop_query_init(ngx_shop_query_t *query, ngx_str_t *args);

/*
 * NGX_OK: the next field, raw as it came; NGX_DONE: no more.
 * Empty fields ("a=1&&b=2") are skipped; a field without "=" has an empty
 * value.
 */
ngx_int_t ngx_shop_query_next(ngx_shop_query_t *query, ngx_str_t *name,
    ngx_str_t *value);

/*
 * Finds the field "name" and decodes its value.
 * NGX_OK found once, NGX_DECLINED absent, NGX_ERROR there twice or
 * malformed.  Names are decoded before they are compared, so that "%73tate"
 * is "state".
 */
ngx_int_t ngx_shop_query_get(ngx_pool_t *pool, ngx_str_t *args,
    const char *name, ngx_str_t *value);


/* ngx_shop_time.c: dates as text */

/*
 * ISO 8601 to UNIX seconds: "2026-09-01" (00:00 UTC), "2026-09-01T10:00Z",
 * "2026-09-01T10:00:00Z", or with an offset "+02:00".  NGX_ERROR otherwise,
 * also before 1970.
 */
time_t ngx_shop_parse_time(ngx_str_t *text);


/* ngx_shop_json.c: jansson on nginx pools; its types stay in that file */

typedef struct json_t  ngx_shop_json_t;


#define NGX_SHOP_JSON_INT_MAX  ((int64_t) 9007199254740992)    /* 2^53 */


/*
 * Parses a JSON text (RFC 8259) of at most "max" bytes: UTF-8, no duplicate
 * names, no NUL in strings, depth as jansson allows (2048), no integer
 * beyond 64 bits and no number beyond a double.  Memory comes from "pool",
 * at worst 128 KB and 24 times the text, and dies with it.
 * NULL: malformed, too large, it would take more, or no memory.
 */
ngx_shop_json_t *ngx_shop_json_parse(ngx_pool_t *pool, ngx_str_t *text,
    size_t max);

/*
 * The same for what a provider says of people: a NUL or half of a surrogate
 * pair, which is what is left of an emoji that was cut, is U+FFFD instead if
 * it is written as an escape.  So different texts can become the same: an id
 * must be one of ASCII, in which there is none.  An integer beyond 64 bits is
 * a number that has no value: NGX_ERROR to all that read one.
 */
ngx_shop_json_t *ngx_shop_json_parse_mended(ngx_pool_t *pool,
    ngx_str_t *text, size_t max);

/* the same for a text of somebody who is told what is wrong with it, and
 * where: error->data has room for NGX_SHOP_JSON_ERROR_MAX bytes */
#define NGX_SHOP_JSON_ERROR_MAX  256

ngx_shop_json_t *ngx_shop_json_parse_told(ngx_pool_t *pool, ngx_str_t *text,
    size_t max, ngx_str_t *error);

ngx_uint_t ngx_shop_json_is_object(ngx_shop_json_t *json);
ngx_uint_t ngx_shop_json_is_array(ngx_shop_json_t *json);

/* NULL: no such member (or "json" is not an object) */
ngx_shop_json_t *ngx_shop_json_get(ngx_shop_json_t *json, const char *name);

/* the member at "i", from 0, in no order, and its name; NULL: no more */
ngx_shop_json_t *ngx_shop_json_member(ngx_shop_json_t *object, size_t i,
    ngx_str_t *name);

size_t ngx_shop_json_size(ngx_shop_json_t *array);
ngx_shop_json_t *ngx_shop_json_at(ngx_shop_json_t *array, size_t i);

/*
 * Values, of "json" itself: NGX_OK, or NGX_ERROR where it has another type.
 * NULL as "json" or a JSON null is NGX_DECLINED: absent.  Strings point into
 * the parsed tree.  An integer is taken from an integral number within
 * +-2^53 (also written as 1.0 or 1e3), never from text.
 */
ngx_int_t ngx_shop_json_string(ngx_shop_json_t *json, ngx_str_t *value);
ngx_int_t ngx_shop_json_integer(ngx_shop_json_t *json, int64_t *value);
ngx_int_t ngx_shop_json_boolean(ngx_shop_json_t *json, ngx_uint_t *value);

/*
 * A string as it is, or an integer of up to 64 bits as exact decimal text
 * from "pool".  What was written as 1.0 or 1e3 is NGX_ERROR.
 */
ngx_int_t ngx_shop_json_text(ngx_pool_t *pool, ngx_shop_json_t *json,
    ngx_str_t *value);

/*
 * A NumericDate of RFC 7519: like an integer, but a fraction is cut off;
 * not a finite number within +-2^53 is NGX_ERROR.
 */
ngx_int_t ngx_shop_json_time(ngx_shop_json_t *json, int64_t *value);

/* builders; NULL or NGX_ERROR: no memory, or text that is not UTF-8 */

ngx_shop_json_t *ngx_shop_json_new_object(ngx_pool_t *pool);
ngx_shop_json_t *ngx_shop_json_new_array(ngx_pool_t *pool);
ngx_shop_json_t *ngx_shop_json_new_string(ngx_pool_t *pool, ngx_str_t *value);
ngx_shop_json_t *ngx_shop_json_new_integer(ngx_pool_t *pool, int64_t value);
ngx_shop_json_t *ngx_shop_json_new_boolean(ngx_pool_t *pool,
    ngx_uint_t value);
ngx_shop_json_t *ngx_shop_json_new_null(ngx_pool_t *pool);

/* "value" NULL is an error, so that builders nest without a check each */
ngx_int_t ngx_shop_json_set(ngx_pool_t *pool, ngx_shop_json_t *object,
    const char *name, ngx_shop_json_t *value);
ngx_int_t ngx_shop_json_append(ngx_pool_t *pool, ngx_shop_json_t *array,
    ngx_shop_json_t *value);

/* compact, members in insertion order, "/" as it is, no final line feed */
ngx_int_t ngx_shop_json_dump(ngx_pool_t *pool, ngx_shop_json_t *json,
    ngx_str_t *text);


/* ngx_shop_crypt.c: OpenSSL's EVP, whose types stay there */

#define NGX_SHOP_SHA256_LEN  32
#define NGX_SHOP_SHA2_MAX    64

/* at most 512 bytes; NGX_ERROR: logged */
ngx_int_t ngx_shop_random(u_char *p, size_t len, ngx_log_t *log);

/* "bits" is 256, 384 or 512; NGX_ERROR: logged */
ngx_int_t ngx_shop_sha2(ngx_uint_t bits, ngx_str_t *data, u_char *digest,
    ngx_log_t *log);
ngx_int_t ngx_shop_sha256(ngx_str_t *data, u_char *digest, ngx_log_t *log);
ngx_int_t ngx_shop_hmac_sha256(ngx_str_t *key, ngx_str_t *data, u_char *mac,
    ngx_log_t *log);

/* RFC 5869 with SHA-256; "salt" may be empty */
ngx_int_t ngx_shop_hkdf_sha256(ngx_str_t *key, ngx_str_t *salt,
    ngx_str_t *info, u_char *out, size_t len, ngx_log_t *log);

/*
 * AES-128-CBC: "sealed" is 16 bytes of IV and what was encrypted, padded as in
 * RFC 5652 6.3; "plain" is from "pool".  Nothing in it is authenticated: that
 * is the caller's, before.  NGX_DECLINED: it is not such bytes; NGX_ERROR: no
 * memory, or OpenSSL failed, which is logged.
 */
ngx_int_t ngx_shop_aes_cbc_open(ngx_pool_t *pool, u_char *key,
    ngx_str_t *sealed, ngx_str_t *plain, ngx_log_t *log);

/* constant time for equal lengths; 1 equal, 0 not */
ngx_uint_t ngx_shop_equal(ngx_str_t *a, ngx_str_t *b);

/* zeroes memory in a way the compiler keeps */
void ngx_shop_zero(void *p, size_t len);

/*
 * The same before "pool", from which it is, is destroyed.  NGX_ERROR: no
 * memory, and it was zeroed now.
 */
ngx_int_t ngx_shop_zero_later(ngx_pool_t *pool, ngx_str_t *secret);


/* ngx_shop_encode.c: bytes as text */

/* base64url without padding (RFC 4648 5); the strict decoder refuses
 * padding, foreign bytes and bits left over; memory from "pool" */
ngx_int_t ngx_shop_base64url(ngx_pool_t *pool, ngx_str_t *src,
    ngx_str_t *dst);
ngx_int_t ngx_shop_unbase64url(ngx_pool_t *pool, ngx_str_t *src,
    ngx_str_t *dst);

/* lower-case hex; memory from "pool" */
ngx_int_t ngx_shop_hex(ngx_pool_t *pool, u_char *src, size_t len,
    ngx_str_t *dst);

/* the "len" bytes that "src" is the hex of, in any case; NGX_ERROR: it is
 * not */
ngx_int_t ngx_shop_unhex(ngx_str_t *src, u_char *dst, size_t len);


/* ngx_shop_seal.c: what a browser keeps for us */

#define NGX_SHOP_KEY_LEN  32

typedef struct ngx_shop_sealer_s  ngx_shop_sealer_t;

typedef struct {
    u_char                     data[NGX_SHOP_KEY_LEN];
} ngx_shop_key_t;


/*
 * Reads the key file of "shop_secret_file" at configuration time into an
 * array of ngx_shop_key_t on cf->pool: one 32-byte key a line, exactly 64
 * hex digits, else base64; blank and "#" lines are skipped.  NULL: reported.
 */
ngx_array_t *ngx_shop_keys_read(ngx_conf_t *cf, ngx_str_t *path);

/*
 * A sealer for one purpose ("session", "attempt"): from each key one
 * AES-256-GCM key is derived by HKDF with the purpose in its info, so that
 * sealed things of two purposes are never interchangeable.  Made at
 * configuration time from at least one key, freed with "pool".
 * NULL: failed, logged.
 */
ngx_shop_sealer_t *ngx_shop_sealer_create(ngx_pool_t *pool,
    ngx_array_t *keys, const char *purpose, ngx_log_t *log);

/*
 * Seals "plain", at most 8000 bytes, under the first key with a random IV;
 * "context" (a host) is authenticated and not stored.  The result is
 * base64url, from "pool".  NGX_ERROR: logged.
 */
ngx_int_t ngx_shop_seal(ngx_shop_sealer_t *sealer, ngx_pool_t *pool,
    ngx_str_t *context, ngx_str_t *plain, ngx_str_t *sealed, ngx_log_t *log);

/*
 * Opens under any key.  NGX_OK: "plain" from "pool"; NGX_DECLINED: not
 * sealed by us for this purpose and context; NGX_ERROR: OpenSSL failed.
 */
ngx_int_t ngx_shop_open(ngx_shop_sealer_t *sealer, ngx_pool_t *pool,
    ngx_str_t *context, ngx_str_t *sealed, ngx_str_t *plain, ngx_log_t *log);


/* ngx_shop_zone.c: records in shared memory, oldest evicted when full */

typedef struct {
    ngx_shm_zone_t            *shm_zone;
    uint32_t                   source;      /* what the cache is one of */
    ngx_uint_t                 parts;       /* of the store, at most; set
                                               before the zone is mapped;
                                               0: one */
} ngx_shop_zone_t;


/*
 * Adds the shared zone at configuration time; it can be used once nginx has
 * mapped it, from init_module on.  Its content survives a reload; a changed
 * size starts clean.  NULL: reported.
 */
ngx_shop_zone_t *ngx_shop_zone_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size, void *tag);

/*
 * NGX_OK: a copy of the record from "pool", aligned, and its version, which
 * the zone gives to one set only; NGX_DECLINED: not there or expired;
 * NGX_ERROR: no memory.  "version" is in and out: where the record is still
 * of that version, NGX_OK comes with an empty value and nothing is copied;
 * start with 0.  "stored" is the time of the set.
 */
ngx_int_t ngx_shop_zone_get(ngx_shop_zone_t *zone, ngx_pool_t *pool,
    ngx_str_t *key, time_t now, ngx_str_t *value, ngx_uint_t *version,
    time_t *stored);

/*
 * Stores a copy until "expires" (UNIX seconds, exclusive); evicts the
 * records that were not used for longest.  Where "expires" is not after
 * "now" it only forgets the key.  NGX_DECLINED: larger than the zone can
 * ever hold, or key longer than 512 bytes; nothing was evicted, but an older
 * record of the key is forgotten.
 */
ngx_int_t ngx_shop_zone_set(ngx_shop_zone_t *zone, ngx_str_t *key,
    ngx_str_t *value, time_t now, time_t expires);

/*
 * Over all workers: NGX_OK to the first that asks, NGX_DECLINED to the
 * others for "interval" seconds, NGX_ERROR where it cannot be remembered
 * (key longer than 512 bytes; to be read as DECLINED by who must not flood).
 * Leases and records of one key do not meet.
 */
ngx_int_t ngx_shop_zone_lease(ngx_shop_zone_t *zone, ngx_str_t *key,
    time_t now, time_t interval);


/*
 * ngx_shop_cache.c: what a remote store said, in the zone.
 *
 * Times are those of ngx_current_msec.  All workers of an instance share the
 * entries, the links by which the store tells of changes, and the figures.
 * The store consists of numbered parts, each on one server at a time, and a
 * link is a channel to a server.
 */

#define NGX_SHOP_CACHE_SESSION  2           /* kinds of entries */
#define NGX_SHOP_CACHE_VIEW     3

#define NGX_SHOP_CACHE_MISSING  5000        /* milliseconds, at most */


typedef enum {
    NGX_SHOP_CACHE_ABSENT = 0,
    NGX_SHOP_CACHE_STALE,                   /* where nothing better is had */
    NGX_SHOP_CACHE_VALID
} ngx_shop_cache_state_e;


/* what a value was read from, kept with what was made of it */

typedef struct {
    time_t                     since;       /* 0: nothing was read */
    uint32_t                   hash;
    uint32_t                   number;
    uint32_t                   serial;
} ngx_shop_cache_origin_t;


typedef struct {
    /* the caller's */

    ngx_uint_t                 kind;
    ngx_str_t                  key;
    ngx_uint_t                 part;        /* of the store */

    /* of an earlier look-up of this key, or zero; then of the value */

    ngx_shop_cache_origin_t    origin;

    /* the answer; for ngx_shop_cache_set() the caller's, too */

    ngx_shop_cache_state_e     state;
    ngx_str_t                  value;
    ngx_uint_t                 unmoved;     /* only get: as at "origin" */
    ngx_uint_t                 missing;     /* the store has no such key */
    time_t                     marked;      /* when; 0: not known */
    time_t                     seen;        /* only get: when it was looked up
                                               before; 0: not known */
    ngx_msec_t                 ttl;         /* only set: how long it may be
                                               used at most; 0: unlimited */
    uint32_t                   server;      /* only set: who said it */

    /* the room's, what was known when the store was asked */

    ngx_uint_t                 epoch;
    uint32_t                   hash;
    uint32_t                   generation;
    ngx_msec_t                 asked;
} ngx_shop_cache_entry_t;


typedef struct {
    ngx_uint_t                 hits;
    ngx_uint_t                 misses;
    ngx_uint_t                 stale;
    ngx_uint_t                 negative;    /* hits that say "no such key" */
    ngx_uint_t                 evictions;
    ngx_uint_t                 invalidations;
    size_t                     size;        /* blocks of 128 bytes */
    size_t                     used;
    ngx_uint_t                 epoch;
    ngx_uint_t                 links;       /* channels that there are to be */
    ngx_uint_t                 alive;       /* those of them that work */
    ngx_uint_t                 arms;        /* how often one began */
    ngx_msec_int_t             lag;         /* since one was proven alive, of
                                               those that are the longest;
                                               negative: none ever was */
} ngx_shop_cache_stats_t;


/*
 * Says, before workers start, what the entries are copies of: with another
 * "text" than before the cache starts empty, and workers of an older
 * configuration go without.
 */
void ngx_shop_cache_source(ngx_shop_zone_t *zone, ngx_str_t *text);

/*
 * Looks "n" entries up under one lock.  Those in "state" of at least "want"
 * have their value, copied to "pool"; the look-up ends behind one that is
 * valid and missing.  If all are still what was read at their "origin", they
 * are "unmoved" and have no value; whether they may be used is found out as
 * always.  Entries that are not valid can be asked for now and handed to
 * ngx_shop_cache_set() with the reply.  "ttl" (ms) is for how long an entry
 * is trusted while the link of its part is not known to work.
 * NGX_OK: all are in a state of at least "want", or one is missing and
 * valid; NGX_DECLINED: not all; NGX_ERROR: no memory.
 */
ngx_int_t ngx_shop_cache_get(ngx_shop_zone_t *zone, ngx_pool_t *pool,
    ngx_shop_cache_entry_t *entry, ngx_uint_t n, ngx_msec_t ttl,
    ngx_shop_cache_state_e want);

/*
 * Stores what was read, of each entry of which nothing was heard since
 * ngx_shop_cache_get(), if it was said by the server that its part is on.
 */
void ngx_shop_cache_set(ngx_shop_zone_t *zone, ngx_shop_cache_entry_t *entry,
    ngx_uint_t n);

/* 1: nothing was heard of any of them since both were looked up, by "entry"
 * earlier than by "now" */
ngx_uint_t ngx_shop_cache_unheard(ngx_shop_cache_entry_t *entry,
    ngx_shop_cache_entry_t *now, ngx_uint_t n);

/*
 * NGX_OK to the first of all workers that asks, NGX_DECLINED to the others
 * for "interval" seconds, as long as the entry is there.  The mark stays
 * where the entry is set anew, and goes with one that is forgotten; it is
 * taken away with 0 for both times.
 */
ngx_int_t ngx_shop_cache_mark(ngx_shop_zone_t *zone, ngx_uint_t kind,
    ngx_str_t *key, time_t now, time_t interval);

/* the key was written: a session is forgotten, a view may serve as stale */
void ngx_shop_cache_drop(ngx_shop_zone_t *zone, ngx_uint_t kind,
    ngx_str_t *key);

/*
 * The session of this key was ended by us: it is missing for a day, as far as
 * there is room to remember that, whatever a server says of it.
 */
void ngx_shop_cache_end(ngx_shop_zone_t *zone, ngx_str_t *session);

void ngx_shop_cache_stats(ngx_shop_zone_t *zone,
    ngx_shop_cache_stats_t *stats);


/*
 * ngx_shop_cache_link.c: the links by which the store tells of changes.
 *
 * The links are held by one worker for all.  NGX_OK: this one, until it has
 * not said so for NGX_SHOP_CACHE_HELD milliseconds; NGX_DONE: this one from
 * now on, and no part has a link; NGX_DECLINED: another does.
 *
 * Whoever is not the holder has no say in what follows down to
 * ngx_shop_cache_lost().
 */
#define NGX_SHOP_CACHE_HELD     600
#define NGX_SHOP_CACHE_PROVEN   1000

ngx_int_t ngx_shop_cache_hold(ngx_shop_zone_t *zone);
void ngx_shop_cache_release(ngx_shop_zone_t *zone);

/* how many links there may be: 0 to one less */
ngx_uint_t ngx_shop_cache_links(ngx_shop_zone_t *zone);

/* there is to be a link to "server", not 0; or no more, then its parts have
 * none; or they are on another server, and what was read of them is old */
void ngx_shop_cache_open(ngx_shop_zone_t *zone, ngx_uint_t link,
    uint32_t server);
void ngx_shop_cache_close(ngx_shop_zone_t *zone, ngx_uint_t link);
void ngx_shop_cache_leave(ngx_shop_zone_t *zone, ngx_uint_t link);

/*
 * Which link tells of each of the first "n" parts, as it was known at "when".
 * What was read of a part before it came to another link is old.
 * NGX_DECLINED: some have moved since "when", and stay without a link.
 */
#define NGX_SHOP_CACHE_NONE     0xffffffff

ngx_int_t ngx_shop_cache_assign(ngx_shop_zone_t *zone, uint32_t *links,
    ngx_uint_t n, ngx_msec_t when);

/* it begins: from now on no change is missed, what was read before is old */
void ngx_shop_cache_armed(ngx_shop_zone_t *zone, ngx_uint_t link);

/* all changes until "when" have been told; good for NGX_SHOP_CACHE_PROVEN */
void ngx_shop_cache_proven(ngx_shop_zone_t *zone, ngx_uint_t link,
    ngx_msec_t when);

/* everything is gone from its server */
void ngx_shop_cache_flush(ngx_shop_zone_t *zone, ngx_uint_t link);

/* changes may be missed */
void ngx_shop_cache_lost(ngx_shop_zone_t *zone, ngx_uint_t link);

/*
 * Any worker: a part is on another server.  What was read of it is old, and
 * it has no link until the holder has found out.
 */
void ngx_shop_cache_moved(ngx_shop_zone_t *zone, ngx_uint_t part);

/* how often that was, ever */
ngx_uint_t ngx_shop_cache_moves(ngx_shop_zone_t *zone);


/*
 * ngx_shop_figures.c: what all workers count together, in the zone.
 *
 * Figures have a name, counters that only go up, and what each worker says
 * of itself at the moment: one of a few states, and an amount.
 */

#define NGX_SHOP_FIGURES_MIN       4        /* in a zone */
#define NGX_SHOP_FIGURES_MAX       128
#define NGX_SHOP_FIGURES_COUNTERS  32
#define NGX_SHOP_FIGURES_STATES    4        /* 0: none */
#define NGX_SHOP_FIGURES_WORKERS   128      /* that say something */
#define NGX_SHOP_FIGURES_NAME      127


typedef struct {
    ngx_atomic_t               counters[NGX_SHOP_FIGURES_COUNTERS];
    uint16_t                   amounts[NGX_SHOP_FIGURES_WORKERS];
    u_char                     states[NGX_SHOP_FIGURES_WORKERS];
    u_char                     len;
    u_char                     name[NGX_SHOP_FIGURES_NAME];
} ngx_shop_figures_t;


/* what all workers say */

typedef struct {
    ngx_str_t                  name;
    uint64_t                   counters[NGX_SHOP_FIGURES_COUNTERS];
    ngx_uint_t                 states[NGX_SHOP_FIGURES_STATES];  /* workers */
    ngx_uint_t                 amount;      /* sum */
} ngx_shop_figures_sum_t;


#define ngx_shop_count(figures, i)  ngx_shop_count_more(figures, i, 1)

#define ngx_shop_count_more(figures, i, n)                                    \
    (void) ngx_atomic_fetch_add(&(figures)->counters[i],                      \
                                (ngx_atomic_int_t) (n))


/*
 * Before workers start: what those of an older configuration say counts no
 * more.  Then from init_process: what this worker will say does, and what
 * one said that died in its place does not; of that the amount of the
 * instance is returned, 0 if nobody did.
 */
void ngx_shop_figures_reset(ngx_shop_zone_t *zone);
ngx_uint_t ngx_shop_figures_join(ngx_shop_zone_t *zone);

/* those of the instance, without a name */
ngx_shop_figures_t *ngx_shop_figures_own(ngx_shop_zone_t *zone);

/*
 * Those of "name", new ones where there are none; in a full table those that
 * no worker has a state of give way, and if there are none "name" is counted
 * with all others that have no room.
 */
ngx_shop_figures_t *ngx_shop_figures_get(ngx_shop_zone_t *zone,
    ngx_str_t *name);

/* what this worker says: a byte and 16 bits */
void ngx_shop_figures_say(ngx_shop_zone_t *zone, ngx_shop_figures_t *figures,
    ngx_uint_t state, ngx_uint_t amount);

/* figures "i", from 0, those of the instance: NGX_OK, the name from "pool";
 * NGX_DECLINED: these are not used; NGX_DONE: the last was before */
ngx_int_t ngx_shop_figures_read(ngx_shop_zone_t *zone, ngx_pool_t *pool,
    ngx_uint_t i, ngx_shop_figures_sum_t *sum);


/* ngx_shop_siphash.c: SipHash-2-4, with a key of 16 bytes; "data" may be NULL
 * where "len" is 0 */

uint64_t ngx_shop_siphash(u_char *key, u_char *data, size_t len);


/* ngx_shop_pack.c: numbers and texts as few bytes, for the cache */

#define NGX_SHOP_PACK_INT_MAX   10          /* bytes of a number */

/* both return the end of what was written; a text needs the same for its
 * length and then its bytes */
u_char *ngx_shop_pack_int(u_char *p, int64_t value);
u_char *ngx_shop_pack_text(u_char *p, ngx_str_t *text);

/* NGX_OK: "*p" stands behind it; NGX_ERROR: not ours.  Texts point into the
 * packed bytes. */
ngx_int_t ngx_shop_unpack_int(u_char **p, u_char *last, int64_t *value);
ngx_int_t ngx_shop_unpack_text(u_char **p, u_char *last, ngx_str_t *text);


/* ngx_shop_ways.c */

typedef struct ngx_shop_ways_s  ngx_shop_ways_t;

/* for "n" slots, a power of two and at least 4; NULL: no memory */
ngx_shop_ways_t *ngx_shop_ways_create(ngx_pool_t *pool, ngx_uint_t n);

/* NGX_OK: "slot" was taken for this hash last, which may be that of several
 * things; NGX_DECLINED: none was, or it had to give way */
ngx_int_t ngx_shop_ways_find(ngx_shop_ways_t *ways, uint32_t hash,
    ngx_uint_t *slot);

/* the slot for this hash from now on; somebody else may have had it */
ngx_uint_t ngx_shop_ways_take(ngx_shop_ways_t *ways, uint32_t hash);


#endif /* _NGX_SHOP_BASE_H_INCLUDED_ */
