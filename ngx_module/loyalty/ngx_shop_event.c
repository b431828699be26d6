
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "loyalty/ngx_shop_loyalty.h"


/*
 * What a shop tells, as JSON:
 *
 *     {"id": "o-1", "type": "order", "customer": "ID", "time": 1795549266,
 *      "order": "1001", "total": "49.99", "currency": "EUR"}
 *
 * becomes the words that redis/ledger.lua takes.  Whatever is wrong with it
 * is told by a constant.  Words hold no blanks, so that an event that has to
 * wait for its customer is a line of words, too.
 */


#define NGX_SHOP_EVENT_WORDS       7        /* of one that waits */
#define NGX_SHOP_EVENT_PROMOTIONS  20


typedef struct {
    ngx_pool_t                *pool;        /* of the result */
    ngx_pool_t                *temp;        /* of the JSON */
    ngx_shop_json_t           *json;
    ngx_shop_program_t        *program;
    ngx_shop_event_t          *event;
    ngx_shop_owner_t          *owner;
    const char                *reason;
} ngx_shop_event_parser_t;


typedef struct {
    ngx_str_t                  name;
    ngx_int_t                (*parse)(ngx_shop_event_parser_t *parser);
} ngx_shop_event_type_t;


static ngx_int_t ngx_shop_event_json(ngx_shop_event_parser_t *parser,
    ngx_str_t *text);
static ngx_int_t ngx_shop_event_type(ngx_shop_event_parser_t *parser,
    ngx_shop_event_type_t **type);
static ngx_int_t ngx_shop_event_owner(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_email(ngx_shop_event_parser_t *parser,
    ngx_shop_json_t *json);
static ngx_int_t ngx_shop_event_order(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_promotions(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_refund(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_spend(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_adjust(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_grant(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_custom(ngx_shop_event_parser_t *parser);
static ngx_int_t ngx_shop_event_word(ngx_shop_event_parser_t *parser,
    const char *name, ngx_str_t *word, const char *missing,
    const char *invalid);
static ngx_int_t ngx_shop_event_currency(ngx_shop_event_parser_t *parser,
    ngx_uint_t required);
static ngx_int_t ngx_shop_event_money(ngx_shop_event_parser_t *parser,
    const char *name);
static ngx_int_t ngx_shop_event_points(ngx_shop_event_parser_t *parser,
    ngx_uint_t negative);
static ngx_int_t ngx_shop_event_time(ngx_shop_event_parser_t *parser,
    const char *name, time_t *time, const char *missing,
    const char *invalid);
static time_t ngx_shop_event_iso(ngx_pool_t *pool, ngx_str_t *text);
static ngx_int_t ngx_shop_event_refuse(ngx_shop_event_parser_t *parser,
    const char *reason);
static ngx_int_t ngx_shop_event_copy(ngx_pool_t *pool, ngx_str_t *src,
    ngx_str_t *dst);
static ngx_int_t ngx_shop_event_named(ngx_shop_event_t *event);


static ngx_shop_event_type_t  ngx_shop_event_types[] = {
    { ngx_string("order"), ngx_shop_event_order },
    { ngx_string("refund"), ngx_shop_event_refund },
    { ngx_string("spend"), ngx_shop_event_spend },
    { ngx_string("adjust"), ngx_shop_event_adjust },
    { ngx_string("grant"), ngx_shop_event_grant },
    { ngx_string("custom"), ngx_shop_event_custom },
    { ngx_null_string, NULL }
};


ngx_int_t
ngx_shop_event_parse(ngx_pool_t *pool, ngx_str_t *text,
    ngx_shop_program_t *program, ngx_shop_event_t *event,
    ngx_shop_owner_t *owner, const char **reason)
{
    ngx_int_t                rc;
    ngx_shop_event_parser_t  parser;

    ngx_memzero(event, sizeof(ngx_shop_event_t));
    ngx_memzero(owner, sizeof(ngx_shop_owner_t));
    ngx_memzero(&parser, sizeof(ngx_shop_event_parser_t));

    parser.pool = pool;
    parser.program = program;
    parser.event = event;
    parser.owner = owner;

    parser.temp = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, pool->log);
    if (parser.temp == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_shop_event_json(&parser, text);

    ngx_destroy_pool(parser.temp);

    *reason = parser.reason;

    return rc;
}


static ngx_int_t
ngx_shop_event_json(ngx_shop_event_parser_t *parser, ngx_str_t *text)
{
    ngx_int_t               rc;
    ngx_shop_event_type_t  *type;

    static ngx_str_t  signup = ngx_string("signup");

    if (text->len > NGX_SHOP_EVENT_MAX) {
        return ngx_shop_event_refuse(parser, "line_too_long");
    }

    parser->json = ngx_shop_json_parse(parser->temp, text,
                                       NGX_SHOP_EVENT_MAX);

    if (!ngx_shop_json_is_object(parser->json)) {
        return ngx_shop_event_refuse(parser, "json_malformed");
    }

    rc = ngx_shop_event_word(parser, "id", &parser->event->id, "id_missing",
                             "id_invalid");

    /* the ledger's own mark, among the ids */

    if (rc == NGX_OK && ngx_shop_equal(&parser->event->id, &signup)) {
        return ngx_shop_event_refuse(parser, "id_invalid");
    }

    type = NULL;

    if (rc == NGX_OK) {
        rc = ngx_shop_event_type(parser, &type);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_event_owner(parser);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_event_time(parser, "time", &parser->event->time,
                                 "time_missing", "time_invalid");
    }

    return (rc == NGX_OK) ? type->parse(parser) : rc;
}


static ngx_int_t
ngx_shop_event_type(ngx_shop_event_parser_t *parser,
    ngx_shop_event_type_t **type)
{
    ngx_str_t               name;
    ngx_shop_event_type_t  *t;

    if (ngx_shop_json_string(ngx_shop_json_get(parser->json, "type"), &name)
        != NGX_OK)
    {
        return ngx_shop_event_refuse(parser, "type_missing");
    }

    for (t = ngx_shop_event_types; t->name.len; t++) {

        if (ngx_shop_equal(&t->name, &name)) {
            parser->event->kind = t->name;
            *type = t;
            return NGX_OK;
        }
    }

    return ngx_shop_event_refuse(parser, "type_unknown");
}


static ngx_int_t
ngx_shop_event_owner(ngx_shop_event_parser_t *parser)
{
    ngx_str_t          id, provider, subject;
    ngx_shop_json_t   *json;
    ngx_shop_owner_t  *owner;

    owner = parser->owner;
    json = ngx_shop_json_get(parser->json, "customer");

    switch (ngx_shop_json_string(json, &id)) {

    case NGX_OK:
        if (!ngx_shop_customer_id_valid(&id)) {
            return ngx_shop_event_refuse(parser, "customer_invalid");
        }

        return ngx_shop_event_copy(parser->pool, &id, &owner->id);

    case NGX_DECLINED:
        return NGX_OK;
    }

    if (ngx_shop_json_get(json, "email") != NULL) {
        return ngx_shop_event_email(parser, json);
    }

    if (ngx_shop_json_string(ngx_shop_json_get(json, "provider"), &provider)
        != NGX_OK
        || !ngx_shop_name_valid(&provider)
        || ngx_shop_json_text(parser->temp,
                              ngx_shop_json_get(json, "subject"), &subject)
           != NGX_OK
        || subject.len == 0 || subject.len > NGX_SHOP_EVENT_SUBJECT_MAX)
    {
        return ngx_shop_event_refuse(parser, "customer_invalid");
    }

    if (ngx_shop_event_copy(parser->pool, &provider, &owner->provider)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_shop_event_copy(parser->pool, &subject, &owner->subject);
}


static ngx_int_t
ngx_shop_event_email(ngx_shop_event_parser_t *parser, ngx_shop_json_t *json)
{
    ngx_str_t  email;

    if (ngx_shop_json_get(json, "provider") != NULL
        || ngx_shop_json_string(ngx_shop_json_get(json, "email"), &email)
           != NGX_OK
        || !ngx_shop_email_valid(&email))
    {
        return ngx_shop_event_refuse(parser, "customer_invalid");
    }

    return ngx_shop_event_copy(parser->pool, &email, &parser->owner->email);
}


static ngx_int_t
ngx_shop_event_order(ngx_shop_event_parser_t *parser)
{
    ngx_int_t  rc;

    rc = ngx_shop_event_word(parser, "order", &parser->event->what,
                             "order_missing", "order_invalid");

    if (rc == NGX_OK) {
        rc = ngx_shop_event_currency(parser, 1);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_event_money(parser, "total");
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_event_promotions(parser);
    }

    return (rc == NGX_DECLINED && parser->reason == NULL)
           ? ngx_shop_event_refuse(parser, "amount_missing") : rc;
}


/* one code or an array of them */

static ngx_int_t
ngx_shop_event_promotions(ngx_shop_event_parser_t *parser)
{
    u_char           *p;
    size_t            i, n;
    ngx_str_t         code;
    ngx_shop_json_t  *json;

    json = ngx_shop_json_get(parser->json, "promotion");

    if (ngx_shop_json_string(json, &code) == NGX_DECLINED) {
        return NGX_OK;
    }

    n = ngx_shop_json_is_array(json) ? ngx_shop_json_size(json) : 1;

    if (n > NGX_SHOP_EVENT_PROMOTIONS) {
        return ngx_shop_event_refuse(parser, "promotion_invalid");
    }

    p = ngx_pnalloc(parser->pool, n * (NGX_SHOP_NAME_MAX + 1) + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    parser->event->option.data = p;

    for (i = 0; i < n; i++) {

        if (ngx_shop_json_string(ngx_shop_json_is_array(json)
                                 ? ngx_shop_json_at(json, i) : json, &code)
            != NGX_OK
            || !ngx_shop_name_valid(&code))
        {
            return ngx_shop_event_refuse(parser, "promotion_invalid");
        }

        if (i != 0) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, code.data, code.len);
    }

    parser->event->option.len = p - parser->event->option.data;

    return NGX_OK;
}


static ngx_int_t
ngx_shop_event_refund(ngx_shop_event_parser_t *parser)
{
    ngx_int_t  rc;

    rc = ngx_shop_event_word(parser, "order", &parser->event->what,
                             "order_missing", "order_invalid");

    if (rc == NGX_OK) {
        rc = ngx_shop_event_currency(parser, 0);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_event_money(parser, "total");
    }

    return (rc == NGX_DECLINED && parser->reason == NULL)
           ? ngx_shop_event_refuse(parser, "amount_missing") : rc;
}


static ngx_int_t
ngx_shop_event_spend(ngx_shop_event_parser_t *parser)
{
    ngx_int_t  rc;

    rc = ngx_shop_event_word(parser, "order", &parser->event->what, NULL,
                             "order_invalid");

    if (rc == NGX_ERROR || (rc == NGX_DECLINED && parser->reason != NULL)) {
        return rc;
    }

    return ngx_shop_event_points(parser, 0);
}


static ngx_int_t
ngx_shop_event_adjust(ngx_shop_event_parser_t *parser)
{
    ngx_int_t   rc;
    ngx_uint_t  qualifying;

    rc = ngx_shop_json_boolean(ngx_shop_json_get(parser->json, "qualifying"),
                               &qualifying);

    if (rc == NGX_ERROR) {
        return ngx_shop_event_refuse(parser, "qualifying_invalid");
    }

    if (rc == NGX_OK && qualifying) {
        ngx_str_set(&parser->event->option, "qualifying");
    }

    return ngx_shop_event_points(parser, 1);
}


static ngx_int_t
ngx_shop_event_grant(ngx_shop_event_parser_t *parser)
{
    time_t            until;
    ngx_int_t         rc;
    ngx_str_t         name;
    ngx_uint_t        n;
    ngx_shop_tier_t  *tier;

    if (ngx_shop_json_string(ngx_shop_json_get(parser->json, "tier"), &name)
        != NGX_OK)
    {
        return ngx_shop_event_refuse(parser, "tier_missing");
    }

    n = ngx_shop_tier_find(parser->program, &name);

    if (n == NGX_SHOP_LOYALTY_NO_TIER) {
        return ngx_shop_event_refuse(parser, "tier_unknown");
    }

    rc = ngx_shop_event_time(parser, "until", &until, "until_missing",
                             "until_invalid");
    if (rc != NGX_OK) {
        return rc;
    }

    tier = parser->program->tiers.elts;

    parser->event->what = tier[n].name;

    return ngx_shop_decimal(parser->pool, until, &parser->event->amount);
}


static ngx_int_t
ngx_shop_event_custom(ngx_shop_event_parser_t *parser)
{
    ngx_int_t  rc;
    ngx_str_t  name;

    if (ngx_shop_json_string(ngx_shop_json_get(parser->json, "name"), &name)
        != NGX_OK)
    {
        return ngx_shop_event_refuse(parser, "name_missing");
    }

    if (!ngx_shop_name_valid(&name)) {
        return ngx_shop_event_refuse(parser, "name_invalid");
    }

    rc = ngx_shop_event_copy(parser->pool, &name, &parser->event->what);

    if (rc == NGX_OK) {
        rc = ngx_shop_event_currency(parser, 0);
    }

    if (rc == NGX_OK) {
        rc = ngx_shop_event_money(parser, "amount");
    }

    return (rc == NGX_DECLINED && parser->reason == NULL) ? NGX_OK : rc;
}


/*
 * A text or an integer as a word: 1 to 128 visible characters of ASCII.
 * NGX_DECLINED: refused; without "missing" also that there is none, then
 * without a reason.
 */

static ngx_int_t
ngx_shop_event_word(ngx_shop_event_parser_t *parser, const char *name,
    ngx_str_t *word, const char *missing, const char *invalid)
{
    size_t     i;
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_shop_json_text(parser->temp,
                            ngx_shop_json_get(parser->json, name), &text);

    if (rc == NGX_DECLINED) {
        return ngx_shop_event_refuse(parser, missing);
    }

    if (rc != NGX_OK || text.len > NGX_SHOP_EVENT_ID_MAX) {
        return ngx_shop_event_refuse(parser, invalid);
    }

    if (text.len == 0) {
        return ngx_shop_event_refuse(parser, missing ? missing : invalid);
    }

    for (i = 0; i < text.len; i++) {

        if (text.data[i] <= ' ' || text.data[i] > '~') {
            return ngx_shop_event_refuse(parser, invalid);
        }
    }

    return ngx_shop_event_copy(parser->pool, &text, word);
}


static ngx_int_t
ngx_shop_event_currency(ngx_shop_event_parser_t *parser, ngx_uint_t required)
{
    ngx_int_t  rc;
    ngx_str_t  currency;

    rc = ngx_shop_json_string(ngx_shop_json_get(parser->json, "currency"),
                              &currency);

    if (rc == NGX_DECLINED) {
        return required ? ngx_shop_event_refuse(parser, "currency_missing")
                        : NGX_OK;
    }

    if (rc != NGX_OK || currency.len == 0
        || !ngx_shop_equal(&currency, &parser->program->currency))
    {
        return ngx_shop_event_refuse(parser, "currency_mismatch");
    }

    return NGX_OK;
}


/* NGX_DECLINED without a reason: there is none */

static ngx_int_t
ngx_shop_event_money(ngx_shop_event_parser_t *parser, const char *name)
{
    int64_t     minor;
    ngx_str_t   text, *currency;

    currency = &parser->program->currency;

    switch (ngx_shop_json_string(ngx_shop_json_get(parser->json, name),
                                 &text))
    {
    case NGX_OK:
        break;

    case NGX_DECLINED:
        return NGX_DECLINED;

    default:
        return ngx_shop_event_refuse(parser, "amount_invalid");
    }

    switch (ngx_shop_money_parse(currency, &text, &minor)) {

    case NGX_OK:
        return ngx_shop_decimal(parser->pool, minor, &parser->event->amount);

    case NGX_DECLINED:
        return ngx_shop_event_refuse(parser, "too_large");
    }

    /* what else it is */

    if (ngx_shop_fixed_parse(&text, text.len, &minor) != NGX_ERROR) {
        return ngx_shop_event_refuse(parser, "amount_fraction");
    }

    if (text.len && text.data[0] == '-') {
        return ngx_shop_event_refuse(parser, "amount_negative");
    }

    return ngx_shop_event_refuse(parser, "amount_invalid");
}


/* an integer or its decimal text */

static ngx_int_t
ngx_shop_event_points(ngx_shop_event_parser_t *parser, ngx_uint_t negative)
{
    int64_t     points;
    ngx_str_t   text;
    ngx_uint_t  minus;

    switch (ngx_shop_json_text(parser->temp,
                               ngx_shop_json_get(parser->json, "points"),
                               &text))
    {
    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_shop_event_refuse(parser, "points_missing");

    default:
        return ngx_shop_event_refuse(parser, "points_invalid");
    }

    minus = (negative && text.len && text.data[0] == '-');

    if (minus) {
        text.data++;
        text.len--;
    }

    switch (ngx_shop_fixed_parse(&text, 0, &points)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_shop_event_refuse(parser, "too_large");

    default:
        return ngx_shop_event_refuse(parser, "points_invalid");
    }

    if (points == 0) {
        return ngx_shop_event_refuse(parser, "points_invalid");
    }

    return ngx_shop_decimal(parser->pool, minus ? -points : points,
                            &parser->event->amount);
}


static ngx_int_t
ngx_shop_event_time(ngx_shop_event_parser_t *parser, const char *name,
    time_t *time, const char *missing, const char *invalid)
{
    int64_t           seconds;
    ngx_str_t         text;
    ngx_shop_json_t  *json;

    json = ngx_shop_json_get(parser->json, name);

    switch (ngx_shop_json_string(json, &text)) {

    case NGX_OK:
        seconds = ngx_shop_event_iso(parser->temp, &text);
        break;

    case NGX_DECLINED:
        return ngx_shop_event_refuse(parser, missing);

    default:
        if (ngx_shop_json_time(json, &seconds) != NGX_OK) {
            seconds = NGX_ERROR;
        }
    }

    if (seconds < 0 || seconds > NGX_SHOP_EVENT_TIME_MAX) {
        return ngx_shop_event_refuse(parser, invalid);
    }

    *time = (time_t) seconds;

    return NGX_OK;
}


/* "2026-09-01T10:00:00.123Z", as JavaScript has it: seconds count */

static time_t
ngx_shop_event_iso(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_str_t   whole;

    last = text->data + text->len;

    p = ngx_strlchr(text->data, last, '.');

    if (p == NULL) {
        return ngx_shop_parse_time(text);
    }

    whole.data = ngx_pnalloc(pool, text->len);
    if (whole.data == NULL) {
        return NGX_ERROR;
    }

    whole.len = ngx_cpymem(whole.data, text->data, p - text->data)
                - whole.data;

    /* behind the seconds of a time that has them, and some digits */

    if (whole.len != sizeof("2026-09-01T10:00:00") - 1
        || ++p == last || *p < '0' || *p > '9')
    {
        return NGX_ERROR;
    }

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    ngx_memcpy(whole.data + whole.len, p, last - p);
    whole.len += last - p;

    return ngx_shop_parse_time(&whole);
}


static ngx_int_t
ngx_shop_event_refuse(ngx_shop_event_parser_t *parser, const char *reason)
{
    parser->reason = reason;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_shop_event_copy(ngx_pool_t *pool, ngx_str_t *src, ngx_str_t *dst)
{
    dst->len = src->len;
    dst->data = ngx_pstrdup(pool, src);

    return dst->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_shop_event_timely(ngx_shop_event_t *event, time_t now,
    const char **reason)
{
    if (event->time < now - NGX_SHOP_EVENT_LATE) {
        *reason = "too_old";
        return NGX_DECLINED;
    }

    if (event->time > now + NGX_SHOP_EVENT_AHEAD) {
        *reason = "in_future";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_shop_event_pack(ngx_pool_t *pool, ngx_shop_event_t *event,
    ngx_str_t *line)
{
    line->data = ngx_pnalloc(pool, event->id.len + event->kind.len
                                   + NGX_TIME_T_LEN + event->amount.len
                                   + event->what.len + event->option.len
                                   + sizeof("     "));
    if (line->data == NULL) {
        return NGX_ERROR;
    }

    line->len = ngx_sprintf(line->data, "%V %V %T %V %V %V", &event->id,
                            &event->kind, event->time, &event->amount,
                            &event->what, &event->option)
                - line->data;

    return NGX_OK;
}


ngx_int_t
ngx_shop_event_unpack(ngx_str_t *line, time_t *kept, ngx_shop_event_t *event)
{
    u_char      *p, *last, *end;
    ngx_str_t    word[NGX_SHOP_EVENT_WORDS];
    ngx_uint_t   i;

    p = line->data;
    last = p + line->len;

    for (i = 0; i < NGX_SHOP_EVENT_WORDS; i++) {

        if (p > last) {
            return NGX_ERROR;
        }

        end = (p < last) ? ngx_strlchr(p, last, ' ') : NULL;

        if (end == NULL) {
            end = last;
        }

        word[i].data = p;
        word[i].len = end - p;

        p = end + 1;
    }

    if (p <= last || word[1].len == 0 || word[2].len == 0) {
        return NGX_ERROR;
    }

    *kept = ngx_atotm(word[0].data, word[0].len);

    ngx_memzero(event, sizeof(ngx_shop_event_t));

    event->id = word[1];
    event->kind = word[2];
    event->time = ngx_atotm(word[3].data, word[3].len);
    event->amount = word[4];
    event->what = word[5];
    event->option = word[6];

    if (*kept == NGX_ERROR || event->time == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_shop_event_named(event);
}


ngx_uint_t
ngx_shop_event_names(ngx_shop_event_t *event)
{
    static ngx_str_t  order = ngx_string("order");

    return event->option.len != 0 && ngx_shop_equal(&event->kind, &order);
}


/* what an order that has waited names is what one that is told of may name */

static ngx_int_t
ngx_shop_event_named(ngx_shop_event_t *event)
{
    u_char      *p, *last, *end;
    ngx_str_t    name;
    ngx_uint_t   n;

    if (!ngx_shop_event_names(event)) {
        return NGX_OK;
    }

    p = event->option.data;
    last = p + event->option.len;

    for (n = 0; p <= last; p = end + 1) {

        end = (p < last) ? ngx_strlchr(p, last, ',') : NULL;

        if (end == NULL) {
            end = last;
        }

        name.data = p;
        name.len = end - p;

        if (n++ == NGX_SHOP_EVENT_PROMOTIONS || !ngx_shop_name_valid(&name)) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
