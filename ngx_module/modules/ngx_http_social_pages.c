
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_social_flow.h"
#include "modules/ngx_http_loyalty_module.h"


static ngx_int_t ngx_http_social_me_read(ngx_http_social_flow_t *flow);
static ngx_int_t ngx_http_social_me_answer(ngx_http_social_flow_t *flow);
static ngx_shop_json_t *ngx_http_social_me_json(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx, ngx_array_t *links);
static ngx_shop_json_t *ngx_http_social_me_next(ngx_pool_t *pool,
    ngx_shop_evaluation_t *evaluation);
static ngx_shop_json_t *ngx_http_social_me_list(ngx_pool_t *pool,
    ngx_str_t *joined);
static ngx_shop_json_t *ngx_http_social_me_payloads(ngx_http_request_t *r,
    ngx_http_shop_ctx_t *ctx, ngx_shop_evaluation_t *evaluation);
static ngx_shop_json_t *ngx_http_social_me_links(ngx_pool_t *pool,
    ngx_array_t *links);
static ngx_shop_json_t *ngx_http_social_me_text(ngx_pool_t *pool,
    ngx_str_t *text);
static ngx_shop_json_t *ngx_http_social_me_time(ngx_pool_t *pool,
    time_t time);


ngx_int_t
ngx_http_social_me(ngx_http_request_t *r, ngx_http_social_provider_t *sp)
{
    ngx_int_t                rc;
    ngx_http_social_flow_t  *flow;

    rc = ngx_http_shop_known_now(ngx_http_shop_get_ctx(r));

    if (rc == NGX_DECLINED) {
        return ngx_http_social_problem(r, NGX_HTTP_UNAUTHORIZED,
                                       "session_required");
    }

    if (rc != NGX_OK) {
        return ngx_http_social_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                       "session_unavailable");
    }

    flow = ngx_http_social_flow_create(r, NULL);
    if (flow == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_social_flow_start(flow, ngx_http_social_me_read);
}


static ngx_int_t
ngx_http_social_me_read(ngx_http_social_flow_t *flow)
{
    ngx_shop_redis_op_t        *op;
    ngx_http_shop_ctx_t        *ctx;
    ngx_http_shop_main_conf_t  *smcf;

    ctx = ngx_http_shop_get_ctx(flow->request);
    smcf = ngx_http_get_module_main_conf(flow->request, ngx_http_shop_module);

    op = ngx_http_social_flow_op(flow, NGX_SHOP_CUSTOMER_LINKS_COMMANDS);

    if (op == NULL
        || ngx_shop_customer_read(smcf->redis, op, &ctx->session.customer)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_social_flow_ask(flow, op, ngx_http_social_me_answer);
}


static ngx_int_t
ngx_http_social_me_answer(ngx_http_social_flow_t *flow)
{
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_array_t           links;
    ngx_shop_json_t      *json;
    ngx_http_request_t   *r;
    ngx_http_shop_ctx_t  *ctx;

    if (ngx_http_social_flow_replies(flow) != NGX_OK) {
        return NGX_ERROR;
    }

    r = flow->request;
    ctx = ngx_http_shop_get_ctx(r);

    ngx_memzero(&links, sizeof(ngx_array_t));

    rc = ngx_shop_customer_links(r->pool, flow->op->replies[0], &links);

    if (rc == NGX_ERROR) {
        return ngx_http_social_flow_unexpected(flow, "a customer");
    }

    json = ngx_http_social_me_json(r, ctx, &links);

    if (json == NULL || ngx_shop_json_dump(r->pool, json, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_loyalty_shown(r, ctx);

    return ngx_http_social_flow_answer(flow,
                   ngx_shop_respond(r, NGX_HTTP_OK, "application/json",
                                    &text));
}


static ngx_shop_json_t *
ngx_http_social_me_json(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx,
    ngx_array_t *links)
{
    ngx_uint_t              i;
    ngx_pool_t             *pool;
    ngx_shop_json_t        *json;
    ngx_shop_evaluation_t  *evaluation;

    struct {
        const char         *name;
        ngx_shop_json_t    *value;
    } member[10];

    pool = r->pool;

    evaluation = ngx_http_loyalty_evaluate(r, ctx);
    json = ngx_shop_json_new_object(pool);

    if (evaluation == NULL || json == NULL) {
        return NULL;
    }

    member[0].name = "customer";
    member[0].value = ngx_shop_json_new_string(pool, &ctx->session.customer);

    member[1].name = "provider";
    member[1].value = ngx_shop_json_new_string(pool, &ctx->session.provider);

    member[2].name = "new";
    member[2].value = ngx_shop_json_new_boolean(pool, evaluation->is_new);

    member[3].name = "tier";
    member[3].value = ngx_http_social_me_text(pool, &evaluation->tier);

    member[4].name = "tier_until";
    member[4].value = ngx_http_social_me_time(pool, evaluation->tier_until);

    member[5].name = "points";
    member[5].value = ngx_shop_json_new_integer(pool, evaluation->points);

    member[6].name = "pending";
    member[6].value = ngx_shop_json_new_integer(pool, evaluation->pending);

    member[7].name = "next_tier";
    member[7].value = ngx_http_social_me_next(pool, evaluation);

    member[8].name = "segments";
    member[8].value = ngx_http_social_me_list(pool, &evaluation->segments);

    member[9].name = "promotions";
    member[9].value = ngx_http_social_me_list(pool, &evaluation->promotions);

    for (i = 0; i < 10; i++) {
        if (ngx_shop_json_set(pool, json, member[i].name, member[i].value)
            != NGX_OK)
        {
            return NULL;
        }
    }

    if (ngx_shop_json_set(pool, json, "payloads",
                          ngx_http_social_me_payloads(r, ctx, evaluation))
        != NGX_OK
        || ngx_shop_json_set(pool, json, "identities",
                             ngx_http_social_me_links(pool, links))
           != NGX_OK)
    {
        return NULL;
    }

    return json;
}


static ngx_shop_json_t *
ngx_http_social_me_next(ngx_pool_t *pool, ngx_shop_evaluation_t *evaluation)
{
    ngx_shop_json_t  *json, *points;

    if (evaluation->next_tier.len == 0) {
        return ngx_shop_json_new_null(pool);
    }

    points = (evaluation->next_points < 0)
             ? ngx_shop_json_new_null(pool)
             : ngx_shop_json_new_integer(pool, evaluation->next_points);

    json = ngx_shop_json_new_object(pool);

    if (json == NULL
        || ngx_shop_json_set(pool, json, "tier",
                         ngx_shop_json_new_string(pool,
                                                  &evaluation->next_tier))
           != NGX_OK
        || ngx_shop_json_set(pool, json, "points", points) != NGX_OK)
    {
        return NULL;
    }

    return json;
}


static ngx_shop_json_t *
ngx_http_social_me_list(ngx_pool_t *pool, ngx_str_t *joined)
{
    u_char           *p, *last, *end;
    ngx_str_t         item;
    ngx_shop_json_t  *list;

    list = ngx_shop_json_new_array(pool);
    if (list == NULL || joined->len == 0) {
        return list;
    }

    p = joined->data;
    last = p + joined->len;

    while (p < last) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        item.data = p;
        item.len = end - p;

        if (ngx_shop_json_append(pool, list,
                                 ngx_shop_json_new_string(pool, &item))
            != NGX_OK)
        {
            return NULL;
        }

        p = end + 1;
    }

    return list;
}


/* what the promotions that are given say */

static ngx_shop_json_t *
ngx_http_social_me_payloads(ngx_http_request_t *r, ngx_http_shop_ctx_t *ctx,
    ngx_shop_evaluation_t *evaluation)
{
    u_char                     *p, *last, *end, *seed;
    char                       *member;
    ngx_str_t                   name;
    ngx_pool_t                 *pool;
    ngx_shop_json_t            *json;
    ngx_shop_program_t         *program;
    ngx_shop_promotion_t       *promotion;
    ngx_http_shop_main_conf_t  *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shop_module);

    pool = r->pool;
    seed = ngx_shop_redis_seed(smcf->redis);
    program = ctx->program;

    json = ngx_shop_json_new_object(pool);
    if (json == NULL || evaluation->promotions.len == 0) {
        return json;
    }

    last = evaluation->promotions.data + evaluation->promotions.len;

    for (p = evaluation->promotions.data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        name.data = p;
        name.len = end - p;

        if (ngx_shop_promotion_named(program, seed, &ctx->session.customer,
                                     &name, &promotion)
            != NGX_OK
            || promotion->payload.len == 0)
        {
            continue;
        }

        member = ngx_pnalloc(pool, name.len + 1);
        if (member == NULL) {
            return NULL;
        }

        ngx_cpystrn((u_char *) member, name.data, name.len + 1);

        if (ngx_shop_json_set(pool, json, member,
                              ngx_shop_json_new_string(pool,
                                                       &promotion->payload))
            != NGX_OK)
        {
            return NULL;
        }
    }

    return json;
}


static ngx_shop_json_t *
ngx_http_social_me_links(ngx_pool_t *pool, ngx_array_t *links)
{
    ngx_uint_t        i;
    ngx_shop_link_t  *link;
    ngx_shop_json_t  *list, *item;

    list = ngx_shop_json_new_array(pool);
    if (list == NULL) {
        return NULL;
    }

    link = links->elts;

    for (i = 0; i < links->nelts; i++) {

        item = ngx_shop_json_new_object(pool);

        if (item == NULL
            || ngx_shop_json_set(pool, item, "provider",
                             ngx_shop_json_new_string(pool,
                                                      &link[i].provider))
               != NGX_OK
            || ngx_shop_json_set(pool, item, "linked",
                             ngx_shop_json_new_integer(pool, link[i].linked))
               != NGX_OK
            || ngx_shop_json_set(pool, item, "email",
                             ngx_http_social_me_text(pool, &link[i].email))
               != NGX_OK
            || ngx_shop_json_append(pool, list, item) != NGX_OK)
        {
            return NULL;
        }
    }

    return list;
}


static ngx_shop_json_t *
ngx_http_social_me_text(ngx_pool_t *pool, ngx_str_t *text)
{
    return text->len ? ngx_shop_json_new_string(pool, text)
                     : ngx_shop_json_new_null(pool);
}


static ngx_shop_json_t *
ngx_http_social_me_time(ngx_pool_t *pool, time_t time)
{
    return time ? ngx_shop_json_new_integer(pool, time)
                : ngx_shop_json_new_null(pool);
}
