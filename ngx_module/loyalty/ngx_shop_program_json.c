
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_program_internal.h"


/*
 * Promotions and segments as JSON.  There is one grammar of programs, that of
 * the configuration, and it is asked here, too: each member becomes the words
 * of a line, as nginx would have read them.
 *
 *     "audience": ["new", ["tier>=gold", "orders>=2"]]
 *
 *     audience new;
 *     audience tier>=gold orders>=2;
 *
 * The parser reports to the log of a configuration.  Here that is a log with
 * a writer, which keeps what it is told for the author of the document, with
 * the place in front: a document has no lines that could be named.
 *
 * What may come from outside is bounded: the size of the document, and how
 * much of what requests pay for there is in it.
 */


#define NGX_SHOP_PROGRAM_JSON_WORDS  64     /* in a line */
#define NGX_SHOP_PROGRAM_JSON_LINES  64     /* of a member */
#define NGX_SHOP_PROGRAM_JSON_SHOWN  64     /* bytes of a value */


typedef struct {
    ngx_conf_t                 cf;
    ngx_log_t                  log;
    ngx_shop_program_t        *program;
    ngx_shop_promotion_t      *promotion;
    ngx_array_t                words;       /* of ngx_str_t, of a line */
    ngx_uint_t                 nregexes;

    /* where it is, for messages */

    const char                *kind;        /* "promotion"; NULL: nowhere */
    ngx_uint_t                 number;      /* of it, from 1 */
    ngx_str_t                  name;        /* empty: not known yet */
    ngx_str_t                  field;

    ngx_str_t                 *reason;
} ngx_shop_program_json_t;

typedef ngx_int_t (*ngx_shop_program_json_pt)(
    ngx_shop_program_json_t *parser, ngx_shop_json_t *json);


static ngx_int_t ngx_shop_program_json_document(
    ngx_shop_program_json_t *parser, ngx_shop_json_t *json);
static ngx_int_t ngx_shop_program_json_each(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *list, const char *kind, ngx_uint_t max,
    ngx_shop_program_json_pt handler);
static ngx_int_t ngx_shop_program_json_segment(
    ngx_shop_program_json_t *parser, ngx_shop_json_t *json);
static ngx_int_t ngx_shop_program_json_promotion(
    ngx_shop_program_json_t *parser, ngx_shop_json_t *json);
static ngx_int_t ngx_shop_program_json_name(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json, const char *member);

static ngx_int_t ngx_shop_program_json_lines(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json);
static ngx_int_t ngx_shop_program_json_line(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json);
static ngx_int_t ngx_shop_program_json_start(
    ngx_shop_program_json_t *parser);
static ngx_int_t ngx_shop_program_json_value(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json, ngx_uint_t split);
static ngx_int_t ngx_shop_program_json_split(ngx_shop_program_json_t *parser,
    ngx_str_t *text);
static ngx_int_t ngx_shop_program_json_word(ngx_shop_program_json_t *parser,
    ngx_str_t *text);
static ngx_int_t ngx_shop_program_json_read(ngx_shop_program_json_t *parser);

static ngx_int_t ngx_shop_program_json_wrong(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json, const char *allowed);
static ngx_int_t ngx_shop_program_json_fail(ngx_shop_program_json_t *parser,
    const char *fmt, ...);
static void ngx_shop_program_json_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);
static u_char *ngx_shop_program_json_place(ngx_shop_program_json_t *parser,
    u_char *p, u_char *last);
static void ngx_shop_program_json_told(ngx_shop_program_json_t *parser,
    u_char *p);


ngx_shop_program_t *
ngx_shop_program_json(ngx_pool_t *pool, ngx_shop_program_t *base,
    ngx_str_t *text, ngx_shop_match_compile_pt compile, ngx_str_t *reason)
{
    u_char                    buf[NGX_SHOP_JSON_ERROR_MAX];
    ngx_int_t                 rc;
    ngx_str_t                 error;
    ngx_pool_t               *temp;
    ngx_shop_json_t          *json;
    ngx_shop_program_json_t   parser;

    ngx_memzero(&parser, sizeof(ngx_shop_program_json_t));

    reason->len = 0;

    temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, pool->log);
    if (temp == NULL) {
        return NULL;
    }

    rc = NGX_ERROR;

    parser.reason = reason;

    parser.log.log_level = NGX_LOG_EMERG;
    parser.log.writer = ngx_shop_program_json_writer;
    parser.log.wdata = &parser;

    parser.cf.pool = pool;
    parser.cf.temp_pool = temp;
    parser.cf.log = &parser.log;

    parser.program = ngx_palloc(pool, sizeof(ngx_shop_program_t));

    if (parser.program == NULL
        || ngx_shop_program_init(pool, parser.program, compile) != NGX_OK
        || ngx_array_init(&parser.words, temp, 8, sizeof(ngx_str_t))
           != NGX_OK)
    {
        goto done;
    }

    parser.program->currency = base->currency;
    parser.program->tiers = base->tiers;
    parser.program->earn = base->earn;

    error.data = buf;

    json = ngx_shop_json_parse_told(temp, text, NGX_SHOP_PROGRAM_TEXT_MAX,
                                    &error);
    if (json == NULL) {
        (void) ngx_shop_program_json_fail(&parser, "no JSON: %V", &error);
        goto done;
    }

    rc = ngx_shop_program_json_document(&parser, json);

done:

    ngx_destroy_pool(temp);

    if (rc == NGX_OK) {
        ngx_shop_program_finish(parser.program);
        return parser.program;
    }

    return NULL;
}


/* segments first, whatever the order, as promotions name them */

static ngx_int_t
ngx_shop_program_json_document(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json)
{
    size_t            i, len;
    ngx_str_t         name;
    ngx_shop_json_t  *segments, *promotions, *value;

    if (!ngx_shop_json_is_object(json)) {
        return ngx_shop_program_json_wrong(parser, json, "an object with "
                                           "\"segments\" and "
                                           "\"promotions\"");
    }

    segments = NULL;
    promotions = NULL;

    for (i = 0; /* void */ ; i++) {

        value = ngx_shop_json_member(json, i, &name);

        if (value == NULL) {
            break;
        }

        if (ngx_shop_text_is(&name, "segments")) {
            segments = value;

        } else if (ngx_shop_text_is(&name, "promotions")) {
            promotions = value;

        } else {
            return ngx_shop_program_json_fail(parser,
                                              "unknown member \"%V\", "
                                              "allowed: \"segments\", "
                                              "\"promotions\"", &name);
        }
    }

    if (segments
        && ngx_shop_program_json_each(parser, segments, "segment",
                                      NGX_SHOP_SEGMENTS_MAX,
                                      ngx_shop_program_json_segment)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (promotions
        && ngx_shop_program_json_each(parser, promotions, "promotion",
                                      NGX_SHOP_PROGRAM_PROMOTIONS_MAX,
                                      ngx_shop_program_json_promotion)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a backend refuses a request with headers that are too long for it */

    len = parser->program->segments_len + parser->program->codes_len;

    if (len > NGX_SHOP_PROGRAM_HEADERS_MAX) {
        return ngx_shop_program_json_fail(parser,
                                          "all names of segments and codes of "
                                          "promotions are %uz bytes, at most "
                                          "%d are allowed, as they may become "
                                          "headers of one request",
                                          len, NGX_SHOP_PROGRAM_HEADERS_MAX);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_program_json_each(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *list, const char *kind, ngx_uint_t max,
    ngx_shop_program_json_pt handler)
{
    size_t            i, n;
    ngx_shop_json_t  *json;

    if (!ngx_shop_json_is_array(list)) {
        return ngx_shop_program_json_fail(parser,
                                          "\"%ss\" must be an array of "
                                          "objects", kind);
    }

    n = ngx_shop_json_size(list);

    if (n > max) {
        return ngx_shop_program_json_fail(parser,
                                          "%uz %ss, at most %ui are allowed",
                                          n, kind, max);
    }

    for (i = 0; i < n; i++) {

        json = ngx_shop_json_at(list, i);

        parser->kind = kind;
        parser->number = i + 1;

        if (!ngx_shop_json_is_object(json)) {
            return ngx_shop_program_json_wrong(parser, json, "an object");
        }

        if (handler(parser, json) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_str_null(&parser->name);
        ngx_str_null(&parser->field);
    }

    parser->kind = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_program_json_segment(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json)
{
    size_t            i;
    ngx_str_t         name;
    ngx_shop_json_t  *value, *conditions;

    static ngx_str_t  segment = ngx_string("segment");

    if (ngx_shop_program_json_name(parser, json, "name") != NGX_OK) {
        return NGX_ERROR;
    }

    conditions = NULL;

    for (i = 0; /* void */ ; i++) {

        value = ngx_shop_json_member(json, i, &name);

        if (value == NULL) {
            break;
        }

        if (ngx_shop_text_is(&name, "conditions")) {
            conditions = value;

        } else if (!ngx_shop_text_is(&name, "name")) {
            return ngx_shop_program_json_fail(parser,
                                              "unknown member \"%V\", "
                                              "allowed: \"name\", "
                                              "\"conditions\"", &name);
        }
    }

    parser->promotion = NULL;
    parser->field = segment;

    if (conditions) {
        return ngx_shop_program_json_lines(parser, conditions);
    }

    /* one that has a meaning by itself */

    if (ngx_shop_program_json_start(parser) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_program_json_read(parser);
}


static ngx_int_t
ngx_shop_program_json_promotion(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json)
{
    size_t            i;
    ngx_str_t         name;
    ngx_shop_json_t  *value;

    if (ngx_shop_program_json_name(parser, json, "code") != NGX_OK
        || ngx_shop_program_promotion(&parser->cf, parser->program,
                                      &parser->name, &parser->promotion)
           != NGX_CONF_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; /* void */ ; i++) {

        value = ngx_shop_json_member(json, i, &name);

        if (value == NULL) {
            return NGX_OK;
        }

        if (ngx_shop_text_is(&name, "code")) {
            continue;
        }

        parser->field = name;

        if (ngx_shop_program_json_lines(parser, value) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_shop_program_json_name(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json, const char *member)
{
    ngx_str_t   name;
    ngx_str_t  *word;

    if (ngx_shop_json_string(ngx_shop_json_get(json, member), &name)
        != NGX_OK)
    {
        return ngx_shop_program_json_fail(parser,
                                          "\"%s\" must be there, as a "
                                          "string", member);
    }

    parser->words.nelts = 0;

    if (ngx_shop_program_json_word(parser, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    word = parser->words.elts;
    parser->name = word[0];

    return NGX_OK;
}


static ngx_int_t
ngx_shop_program_json_lines(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json)
{
    size_t  i, n;

    if (!ngx_shop_json_is_array(json)) {
        return ngx_shop_program_json_line(parser, json);
    }

    n = ngx_shop_json_size(json);

    if (n == 0 || n > NGX_SHOP_PROGRAM_JSON_LINES) {
        return ngx_shop_program_json_fail(parser,
                                          "an array of %uz lines, 1 to %d "
                                          "are allowed",
                                          n, NGX_SHOP_PROGRAM_JSON_LINES);
    }

    for (i = 0; i < n; i++) {
        if (ngx_shop_program_json_line(parser, ngx_shop_json_at(json, i))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_shop_program_json_line(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json)
{
    size_t      i, n;
    ngx_uint_t  split;

    if (ngx_shop_program_json_start(parser) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_shop_json_is_array(json)) {

        split = !ngx_shop_text_is(&parser->field, "payload");

        if (ngx_shop_program_json_value(parser, json, split) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_shop_program_json_read(parser);
    }

    n = ngx_shop_json_size(json);

    for (i = 0; i < n; i++) {
        if (ngx_shop_program_json_value(parser, ngx_shop_json_at(json, i), 0)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_shop_program_json_read(parser);
}


/* what stands before the values */

static ngx_int_t
ngx_shop_program_json_start(ngx_shop_program_json_t *parser)
{
    parser->words.nelts = 0;

    if (ngx_shop_program_json_word(parser, &parser->field) != NGX_OK) {
        return NGX_ERROR;
    }

    if (parser->promotion) {
        return NGX_OK;
    }

    return ngx_shop_program_json_word(parser, &parser->name);
}


static ngx_int_t
ngx_shop_program_json_value(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json, ngx_uint_t split)
{
    ngx_str_t   text;
    ngx_uint_t  on;

    if (ngx_shop_json_boolean(json, &on) == NGX_OK) {

        if (on) {
            ngx_str_set(&text, "on");

        } else {
            ngx_str_set(&text, "off");
        }

        return ngx_shop_program_json_word(parser, &text);
    }

    if (ngx_shop_json_string(json, &text) == NGX_OK) {
        return split ? ngx_shop_program_json_split(parser, &text)
                     : ngx_shop_program_json_word(parser, &text);
    }

    if (ngx_shop_json_text(parser->cf.temp_pool, json, &text) == NGX_OK) {
        return ngx_shop_program_json_word(parser, &text);
    }

    return ngx_shop_program_json_wrong(parser, json,
                                       "a string, an integer, true, false, "
                                       "an array of these for a line, or an "
                                       "array of lines");
}


static ngx_int_t
ngx_shop_program_json_split(ngx_shop_program_json_t *parser, ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_str_t   word;

    p = text->data;
    last = p + text->len;

    for ( ;; ) {

        while (p < last && *p == ' ') {
            p++;
        }

        if (p == last) {
            return NGX_OK;
        }

        word.data = p;

        while (p < last && *p != ' ') {
            p++;
        }

        word.len = p - word.data;

        if (ngx_shop_program_json_word(parser, &word) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


/* words end with a NUL, as those that nginx reads do */

static ngx_int_t
ngx_shop_program_json_word(ngx_shop_program_json_t *parser, ngx_str_t *text)
{
    u_char     *p;
    size_t      i;
    ngx_str_t  *word;

    if (parser->words.nelts > NGX_SHOP_PROGRAM_JSON_WORDS) {
        return ngx_shop_program_json_fail(parser,
                                          "more than %d words in a line",
                                          NGX_SHOP_PROGRAM_JSON_WORDS);
    }

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] == 0x7f) {
            return ngx_shop_program_json_fail(parser,
                                              "a control character in "
                                              "\"%V\"", text);
        }
    }

    word = ngx_array_push(&parser->words);
    p = ngx_pnalloc(parser->cf.pool, text->len + 1);

    if (word == NULL || p == NULL) {
        return NGX_ERROR;
    }

    word->data = p;
    word->len = text->len;

    p = ngx_cpymem(p, text->data, text->len);
    *p = '\0';

    return NGX_OK;
}


static ngx_int_t
ngx_shop_program_json_read(ngx_shop_program_json_t *parser)
{
    char        *rv;
    ngx_str_t   *word;
    ngx_uint_t   i;

    word = parser->words.elts;

    for (i = 2; i < parser->words.nelts; i++) {

        if (!ngx_shop_text_is(&parser->field, "match")
            || word[i].len == 0 || word[i].data[0] != '~')
        {
            continue;
        }

        if (++parser->nregexes > NGX_SHOP_PROGRAM_REGEX_MAX) {
            return ngx_shop_program_json_fail(parser,
                                              "more than %d regular "
                                              "expressions in all promotions",
                                              NGX_SHOP_PROGRAM_REGEX_MAX);
        }
    }

    if (parser->promotion) {
        rv = ngx_shop_promotion_line(&parser->cf, parser->program,
                                     parser->promotion, &parser->words);

    } else {
        rv = ngx_shop_program_line(&parser->cf, parser->program,
                                   &parser->words);
    }

    return rv == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_shop_program_json_wrong(ngx_shop_program_json_t *parser,
    ngx_shop_json_t *json, const char *allowed)
{
    ngx_str_t    text;
    const char  *more;

    if (ngx_shop_json_dump(parser->cf.temp_pool, json, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    more = "";

    if (text.len > NGX_SHOP_PROGRAM_JSON_SHOWN) {
        text.len = NGX_SHOP_PROGRAM_JSON_SHOWN;
        more = "...";
    }

    return ngx_shop_program_json_fail(parser, "found %V%s, it must be %s",
                                      &text, more, allowed);
}


static ngx_int_t
ngx_shop_program_json_fail(ngx_shop_program_json_t *parser, const char *fmt,
    ...)
{
    u_char   *p, *last;
    va_list   args;

    last = parser->reason->data + NGX_SHOP_PROGRAM_REASON_MAX;

    p = ngx_shop_program_json_place(parser, parser->reason->data, last);

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    ngx_shop_program_json_told(parser, p);

    return NGX_ERROR;
}


/* "2026/11/26 22:41:12 [emerg] 1#1: invalid date ..." */

static void
ngx_shop_program_json_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char                   *p, *last, *end;
    ngx_str_t                 text;
    ngx_shop_program_json_t  *parser;

    (void) level;

    parser = log->wdata;

    p = buf;
    end = buf + len;

    while (p < end && *p != '#') {
        p++;
    }

    while (p < end && *p != ' ') {
        p++;
    }

    while (p < end && *p == ' ') {
        p++;
    }

    while (end > p && (end[-1] == LF || end[-1] == CR)) {
        end--;
    }

    text.data = p;
    text.len = end - p;

    last = parser->reason->data + NGX_SHOP_PROGRAM_REASON_MAX;

    p = ngx_shop_program_json_place(parser, parser->reason->data, last);
    p = ngx_slprintf(p, last, "%V", &text);

    ngx_shop_program_json_told(parser, p);
}


static u_char *
ngx_shop_program_json_place(ngx_shop_program_json_t *parser, u_char *p,
    u_char *last)
{
    if (parser->kind == NULL) {
        return p;
    }

    if (parser->name.len) {
        p = ngx_slprintf(p, last, "%s \"%V\"", parser->kind, &parser->name);

    } else {
        p = ngx_slprintf(p, last, "%s %ui", parser->kind, parser->number);
    }

    if (parser->field.len && parser->promotion) {
        p = ngx_slprintf(p, last, ", \"%V\"", &parser->field);
    }

    return ngx_slprintf(p, last, ": ");
}


/* it goes into logs and pages, and may repeat what the document has */

static void
ngx_shop_program_json_told(ngx_shop_program_json_t *parser, u_char *p)
{
    u_char     *ch;
    ngx_str_t  *reason;

    reason = parser->reason;
    reason->len = p - reason->data;

    for (ch = reason->data; ch < p; ch++) {
        if (*ch < 0x20 || *ch > 0x7e) {
            *ch = '?';
        }
    }
}
