
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "modules/ngx_http_shop_status.h"


/* what a budget takes as text, and a promotion, of which there are seven
 * samples with its code and 20 digits */

#define NGX_HTTP_SHOP_BUDGET_LEN  512
#define NGX_HTTP_SHOP_SHOWN_LEN   1024


static void ngx_http_shop_status_json_budget(ngx_http_shop_status_t *status,
    ngx_shop_budget_t *budget);
static void ngx_http_shop_status_json_shown(ngx_http_shop_status_t *status);
static void ngx_http_shop_status_budgets(ngx_http_shop_status_t *status);
static int64_t ngx_http_shop_status_left(ngx_shop_budget_t *budget);
static void ngx_http_shop_status_shown(ngx_http_shop_status_t *status);


static const char  *ngx_http_shop_shown_arms[NGX_SHOP_SHOWN_ARMS] = {
    "given", "held"
};

static struct {
    const char  *name;
    const char  *help;
} ngx_http_shop_shown_counts[NGX_SHOP_SHOWN_COUNTS] = {
    { "exposures", "Customers and days on which it was shown, or held back" },
    { "customers", "Customers to whom it was" },
    { "conversions", "Orders of these shortly behind it" }
};


size_t
ngx_http_shop_status_offers_len(ngx_http_shop_status_t *status)
{
    ngx_uint_t  n;

    n = status->shown ? status->shown->nelts : 0;

    return (1 + status->nbudgets) * NGX_HTTP_SHOP_BUDGET_LEN
           + (1 + n) * NGX_HTTP_SHOP_SHOWN_LEN;
}


void
ngx_http_shop_status_offers_json(ngx_http_shop_status_t *status)
{
    ngx_uint_t  i;

    ngx_http_shop_status_print(status, "\"budgets\": [");

    for (i = 0; i < status->nbudgets; i++) {
        ngx_http_shop_status_print(status, i ? ", " : "");
        ngx_http_shop_status_json_budget(status, &status->budgets[i]);
    }

    ngx_http_shop_status_print(status, "], \"promotions\": ");
    ngx_http_shop_status_json_shown(status);
}


static void
ngx_http_shop_status_json_budget(ngx_http_shop_status_t *status,
    ngx_shop_budget_t *budget)
{
    ngx_http_shop_status_print(status, "{\"promotion\": \"%V\", "
                               "\"total\": %L, \"redeemed\": ",
                               &budget->code, budget->total);

    if (budget->redeemed == -1) {
        ngx_http_shop_status_print(status, "null, \"left\": null}");
        return;
    }

    ngx_http_shop_status_print(status, "%L, \"left\": %L}",
                               budget->redeemed,
                               ngx_http_shop_status_left(budget));
}


static void
ngx_http_shop_status_json_shown(ngx_http_shop_status_t *status)
{
    double             lift;
    ngx_uint_t         i, arm, n;
    ngx_shop_shown_t  *shown;

    if (status->shown == NULL) {
        ngx_http_shop_status_print(status, "null");
        return;
    }

    shown = status->shown->elts;

    ngx_http_shop_status_print(status, "[");

    for (i = 0; i < status->shown->nelts; i++) {

        ngx_http_shop_status_print(status, "%s{\"code\": \"%V\"",
                                   i ? ", " : "", &shown[i].code);

        for (arm = 0; arm < NGX_SHOP_SHOWN_ARMS; arm++) {

            ngx_http_shop_status_print(status, ", \"%s\": {",
                                       ngx_http_shop_shown_arms[arm]);

            for (n = 0; n < NGX_SHOP_SHOWN_COUNTS; n++) {
                ngx_http_shop_status_print(status, "%s\"%s\": %uL",
                                           n ? ", " : "",
                                           ngx_http_shop_shown_counts[n].name,
                                           shown[i].counts[arm][n]);
            }

            ngx_http_shop_status_print(status, "}");
        }

        ngx_http_shop_status_print(status, ", \"lift\": ");

        if (ngx_shop_shown_lift(&shown[i], &lift) == NGX_OK) {
            ngx_http_shop_status_print(status, "%.6f}", lift);

        } else {
            ngx_http_shop_status_print(status, "null}");
        }
    }

    ngx_http_shop_status_print(status, "]");
}


void
ngx_http_shop_status_offers(ngx_http_shop_status_t *status)
{
    ngx_http_shop_status_budgets(status);
    ngx_http_shop_status_shown(status);
}


static void
ngx_http_shop_status_budgets(ngx_http_shop_status_t *status)
{
    ngx_uint_t          i;
    ngx_shop_budget_t  *budget;

    if (status->nbudgets == 0) {
        return;
    }

    budget = status->budgets;

    ngx_http_shop_status_family(status, "budget", "size",
                                "Redemptions in a promotion's budget",
                                "gauge");

    for (i = 0; i < status->nbudgets; i++) {
        ngx_http_shop_status_print(status,
            "ngx_shop_budget_size{promotion=\"%V\"} %L\n",
            &budget[i].code, budget[i].total);
    }

    ngx_http_shop_status_family(status, "budget", "left",
                                "Those of them that are left", "gauge");

    for (i = 0; i < status->nbudgets; i++) {

        if (budget[i].redeemed != -1) {
            ngx_http_shop_status_print(status,
                "ngx_shop_budget_left{promotion=\"%V\"} %L\n",
                &budget[i].code, ngx_http_shop_status_left(&budget[i]));
        }
    }
}


/* nothing, and not less, where it was lowered */

static int64_t
ngx_http_shop_status_left(ngx_shop_budget_t *budget)
{
    return ngx_max(budget->total - budget->redeemed, 0);
}


static void
ngx_http_shop_status_shown(ngx_http_shop_status_t *status)
{
    double             lift;
    ngx_uint_t         i, arm, n;
    ngx_shop_shown_t  *shown;

    /* no figures of promotions may mean that there are none */

    ngx_http_shop_status_family(status, "promotion", "known",
                                "1 if figures of promotions could be read",
                                "gauge");
    ngx_http_shop_status_print(status, "ngx_shop_promotion_known %d\n",
                               status->shown != NULL);

    if (status->shown == NULL || status->shown->nelts == 0) {
        return;
    }

    shown = status->shown->elts;

    for (n = 0; n < NGX_SHOP_SHOWN_COUNTS; n++) {

        ngx_http_shop_status_family(status, "promotion",
                                    ngx_http_shop_shown_counts[n].name,
                                    ngx_http_shop_shown_counts[n].help,
                                    "counter");

        for (i = 0; i < status->shown->nelts; i++) {
            for (arm = 0; arm < NGX_SHOP_SHOWN_ARMS; arm++) {
                ngx_http_shop_status_print(status,
                    "ngx_shop_promotion_%s_total{code=\"%V\",arm=\"%s\"} "
                    "%uL\n", ngx_http_shop_shown_counts[n].name,
                    &shown[i].code, ngx_http_shop_shown_arms[arm],
                    shown[i].counts[arm][n]);
            }
        }
    }

    ngx_http_shop_status_family(status, "promotion", "lift",
                                "What a promotion is worth, as a share of the "
                                "orders without it", "gauge");

    for (i = 0; i < status->shown->nelts; i++) {
        if (ngx_shop_shown_lift(&shown[i], &lift) == NGX_OK) {
            ngx_http_shop_status_print(status,
                "ngx_shop_promotion_lift{code=\"%V\"} %.6f\n",
                &shown[i].code, lift);
        }
    }
}
