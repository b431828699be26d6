
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "base/ngx_shop_base.h"
#include "oidc/ngx_shop_oidc.h"

#include "ngx_shop_unit.h"


/*
 * Expressions: each construct, each way to write one wrongly, and documents
 * that try to be more than they are.
 */


typedef struct {
    const char                *text;
    const char                *value;       /* NULL: nothing; "!": an error;
                                               "?": a document is wanted */
} ngx_shop_unit_claim_case_t;


typedef struct {
    const char                *text;
    const char                *what;        /* a part of what is said */
    size_t                     at;
} ngx_shop_unit_claim_wrong_t;


static void ngx_shop_unit_claim_values(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_bools(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_templates(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_wrong(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_limits(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_pending(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_used(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_rules(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_rules_wrong(ngx_shop_unit_t *u);
static void ngx_shop_unit_claim_damaged(ngx_shop_unit_t *u);

static void ngx_shop_unit_claim_docs(ngx_shop_unit_t *u,
    ngx_shop_docs_t *docs);
static void ngx_shop_unit_claim_cases(ngx_shop_unit_t *u,
    ngx_shop_unit_claim_case_t *cases, ngx_shop_claim_kind_e kind);
static ngx_str_t ngx_shop_unit_claim_text(const char *text);


ngx_shop_unit_test_t  ngx_shop_unit_claim_tests[] = {
    { "what is found", ngx_shop_unit_claim_values },
    { "true and false", ngx_shop_unit_claim_bools },
    { "templates", ngx_shop_unit_claim_templates },
    { "what is written wrongly", ngx_shop_unit_claim_wrong },
    { "limits", ngx_shop_unit_claim_limits },
    { "documents to be asked for", ngx_shop_unit_claim_pending },
    { "where a value is from", ngx_shop_unit_claim_used },
    { "rules of success", ngx_shop_unit_claim_rules },
    { "rules written wrongly", ngx_shop_unit_claim_rules_wrong },
    { "damaged expressions", ngx_shop_unit_claim_damaged },
    { NULL, NULL }
};


static void
ngx_shop_unit_claim_values(ngx_shop_unit_t *u)
{
    static ngx_shop_unit_claim_case_t  cases[] = {
        { "ui:/name", "Ann" },
        { "ui:/none", NULL },
        { "ui:/null", NULL },
        { "ui:/empty", NULL },
        { "ui:/a~1b", "slash" },
        { "ui:/m~0n", "tilde" },
        { "ui:/", "no name" },
        { "ui:/list/0", "a" },
        { "ui:/list/2", NULL },
        { "ui:/list/01", NULL },
        { "ui:/list/-", NULL },
        { "ui:/list/-1", NULL },
        { "ui:/list/99999999999999999999", NULL },
        { "ui:/list/", NULL },
        { "ui:/name/0", NULL },
        { "ui:/deep/a/b/c", "d" },
        { "tk:/uid", "u1" },
        { "id:/sub", NULL },

        { "ui:/n", "!" },
        { "ui:/n!str", "42" },
        { "ui:/big!str", "9007199254740993" },
        { "ui:/most!str", "9223372036854775807" },
        { "ui:/least!str", "-9223372036854775808" },
        { "ui:/real!str", "!" },
        { "ui:/exp!str", "!" },
        { "ui:/whole!str", "!" },
        { "ui:/yes!str", "!" },
        { "ui:/list!str", "!" },
        { "ui:/deep!str", "!" },
        { "ui:!str", "!" },
        { "ui:/name!str", "Ann" },
        { "ui:/list", "!" },
        { "ui:/deep", "!" },
        { "ui:/yes", "!" },

        { "ui:/none | ui:/name", "Ann" },
        { "ui:/none|ui:/null|ui:/empty|ui:/name", "Ann" },
        { "ui:/name | ui:/n", "Ann" },
        { "ui:/list | ui:/name", "!" },
        { "ui:/real!str | ui:/name", "!" },
        { "ui:/none | 'x'", "x" },
        { "ui:/name + ui:/last", "Ann B" },
        { "ui:/name + ui:/none", "Ann" },
        { "ui:/none + ui:/last", "B" },
        { "ui:/none + ui:/null | ui:/last", "B" },
        { "ui:/name + 'von' + ui:/last", "Ann von B" },
        { "'a|b+c'", "a|b+c" },
        { "'{'", "{" },

        { "tpl(https://x/{ui:/name}.png)", "https://x/Ann.png" },
        { "tpl({ui:/name}_{ui:/n!str})", "Ann_42" },
        { "tpl({ui:/name}_{ui:/n})", "!" },
        { "tpl(x{ui:/null})", NULL },
        { "tpl(x{ui:/null}y{ui:/name}) | 'z'", "z" },
        { "tpl({{{ui:/name}}})", "{Ann}" },
        { "tpl(a b) + 'c'", "a b c" },

        { "ui2:[primary=true]/email", "a@b" },
        { "ui2:[primary=true&verified=true]/email", NULL },
        { "ui2:[primary=false&verified=true]/email", "c@d" },
        { "ui2:[n=3]/email", "e@f" },
        { "ui2:[kind=work]/email", "e@f" },
        { "ui2:[kind=none]/email", NULL },
        { "ui2:[email=a@b]", "!" },
        { "ui:/items[k=2]/v/w", "x" },
        { "ui:/deep[k=2]/v", NULL },
        { "ui:/name[k=2]/v", NULL },

        { "ui:/upper!lower", "abc" },
        { "ui:/url!cutq", "https://x/y" },
        { "ui:/query!cutq", NULL },
        { "ui:/n!lower", "!" },
        { "ui:/name!exists", "true" },
        { "ui:/none!exists", NULL },
        { "ui:/empty!exists", NULL },
        { "ui:/list/1!in:/list", "true" },
        { "ui:/name!in:/list", NULL },
        { "ui:/name!in:/nothing", NULL },
        { "ui:/name!in:/none", NULL },
        { "ui:/name!in:/null", NULL },
        { "ui:/name!in:/items", NULL },
        { "ui:/none!in:/list", NULL },
        { "ui:/empty!in:/list", NULL },
        { "ui:/n!in:/list", "!" },
        { "ui:/name!in:/name", "!" },
        { "ui:/name!in:/deep", "!" },
        { "ui:/name!in:/list | 'x'", "x" },
        { "tpl({ui:/list/0!in:/list}.)", "true." },
        { "ui:/yes!bool", "true" },
        { "ui:/no!bool", "false" },

        { "cb:first", "Eve X" },
        { "cb:none", NULL },
        { "cb:blank", NULL },
        { "cb:twice", "!" },
        { "cb:user/name/firstName", "Ann" },
        { "cb:user/name/firstName + cb:user/name/lastName", "Ann B" },
        { "cb:first/name", "!" },
        { "cb:latin", "!" },
        { NULL, NULL }
    };

    ngx_shop_unit_claim_cases(u, cases, NGX_SHOP_CLAIM_VALUE);
}


static void
ngx_shop_unit_claim_bools(ngx_shop_unit_t *u)
{
    static ngx_shop_unit_claim_case_t  cases[] = {
        { "ui:/yes", "true" },
        { "ui:/no", "false" },
        { "ui:/yestext", "true" },
        { "ui:/notext", "false" },
        { "ui:/one", "false" },
        { "ui:/onetext", "false" },
        { "ui:/one!bool", "true" },
        { "ui:/onetext!bool", "true" },
        { "ui:/n!bool", "false" },
        { "ui:/name!bool", "false" },
        { "ui:/list!bool", "false" },
        { "ui:/deep", "false" },
        { "ui:/none", NULL },
        { "ui:/null", NULL },
        { "ui:/no | ui:/yes", "false" },
        { "ui:/none | ui:/yes", "true" },
        { "ui:/yes && ui:/yestext", "true" },
        { "ui:/yes && ui:/no", "false" },
        { "ui:/no && ui:/yes", NULL },
        { "ui:/yes && ui:/none", NULL },
        { "ui:/none && ui:/yes", NULL },
        { "ui:/none | ui:/yes && ui:/name!exists", "true" },
        { "ui:/yes | ui:/no && ui:/none", NULL },
        { "ui:/name!exists", "true" },
        { "ui:/no!exists", NULL },
        { "ui:/nothing!exists", NULL },
        { "ui:/name!in:/list | ui:/no", "false" },
        { "ui:/list/0!in:/list | ui:/no", "true" },
        { "ui:/list/0!in:/list && ui:/no", "false" },
        { NULL, NULL }
    };

    ngx_shop_unit_claim_cases(u, cases, NGX_SHOP_CLAIM_BOOL);
}


static void
ngx_shop_unit_claim_templates(ngx_shop_unit_t *u)
{
    static ngx_shop_unit_claim_case_t  cases[] = {
        { "x", "x" },
        { "{tk:/uid}", "u1" },
        { "{ui:/n}", "42" },
        { "a{client_id}b{state}", "ashop clientbst" },
        { "{cb:first}", "Eve X" },
        { "x{cb:none}", NULL },
        { "{{me{{id}}}}", "{me{id}}" },
        { "a | b", "a | b" },
        { "'a'", "'a'" },
        { "tpl(a)", "tpl(a)" },
        { "{ui:/list}", "!" },
        { NULL, NULL }
    };

    ngx_shop_unit_claim_cases(u, cases, NGX_SHOP_CLAIM_TEMPLATE);
}


static void
ngx_shop_unit_claim_wrong(ngx_shop_unit_t *u)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    static ngx_shop_unit_claim_wrong_t  cases[] = {
        { "", "nothing is there", 1 },
        { " ", "is missing", 2 },
        { "x", "is missing", 1 },
        { "ui", "is missing", 1 },
        { "UI:/a", "is missing", 1 },
        { "ui3:/a", "is missing", 1 },
        { ":/a", "is missing", 1 },
        { "ui:a", "\"/\" is missing", 4 },
        { "ui:/a~", "\"~\"", 6 },
        { "ui:/a~2", "\"~\"", 6 },
        { "ui:/a |", "is missing", 8 },
        { "| ui:/a", "is missing", 1 },
        { "ui:/a || ui:/b", "is missing", 8 },
        { "ui:/a + + ui:/b", "is missing", 9 },
        { "ui:/a ui:/b", "\"|\" or \"+\"", 7 },
        { "ui:/a & ui:/b", "\"&&\" is meant", 7 },
        { "ui:/a && ui:/b", "true or false", 7 },
        { "ui:/a!", "\"str\"", 7 },
        { "ui:/a!STR", "\"str\"", 7 },
        { "ui:/a!in", "a list", 9 },
        { "ui:/a!in:", "a list", 9 },
        { "ui:/a!in:b", "a list", 9 },
        { "ui:/a!in:/b!str", "\"|\" or \"+\"", 12 },
        { "cb:a!in:/b", "a list", 8 },
        { "ui:/a!str!lower", "\"|\" or \"+\"", 10 },
        { "ui:/a[", "KEY=VALUE", 7 },
        { "ui:/a[b", "KEY=VALUE", 8 },
        { "ui:/a[=b]", "KEY=VALUE", 7 },
        { "ui:/a[b]", "KEY=VALUE", 8 },
        { "ui:/a[b=", "\"]\"", 9 },
        { "ui:/a[b=]", "\"]\"", 9 },
        { "ui:/a[b=c", "\"]\"", 10 },
        { "ui:/a[b=c&]", "KEY=VALUE", 11 },
        { "ui:/a[b=c]d", "\"/\"", 11 },
        { "ui:/a[b=c][d=e]", "\"|\"", 11 },
        { "'", "an empty text", 2 },
        { "''", "an empty text", 2 },
        { "'a", "a quote", 3 },
        { "tpl(", "nothing is there", 5 },
        { "tpl()", "nothing is there", 5 },
        { "tpl(a", "\")\"", 6 },
        { "tpl({ui:/a)", "\"}\" is missing", 11 },
        { "tpl({ui:/a", "\"}\" is missing", 11 },
        { "tpl({})", "is missing", 6 },
        { "tpl(})", "a single", 5 },
        { "tpl({client_id})", "is missing", 6 },
        { "tpl(a)b", "\"|\"", 7 },
        { "cb:", "the name of a field", 4 },
        { "cb:/a", "the name of a field", 4 },
        { "id:/sub", "not believed", 1 },
        { "ui:/a | id:/b", "not believed", 9 },
        { "ui:/a\x01", "\"|\" or \"+\"", 6 },
        { NULL, NULL, 0 }
    };

    for (i = 0; cases[i].text; i++) {
        text = ngx_shop_unit_claim_text(cases[i].text);

        claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                    NGX_SHOP_DOCS_ALL & ~NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_ID),
                                       &error);

        if (!ngx_shop_unit_ok(u, claim == NULL, "refused: %V", &text)) {
            continue;
        }

        ngx_shop_unit_ok(u, ngx_strstr(error.what, cases[i].what) != NULL,
                         "%V: %s", &text, error.what);
        ngx_shop_unit_is_int(u, error.at, cases[i].at, "%V: where", &text);
    }
}


static void
ngx_shop_unit_claim_limits(ngx_shop_unit_t *u)
{
    u_char                   buf[NGX_SHOP_CLAIM_TEXT_MAX + 2], *p;
    ngx_str_t                text, value;
    ngx_uint_t               n, used;
    ngx_shop_docs_t          docs;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    text.data = buf;

    ngx_memset(buf, 'a', sizeof(buf));
    ngx_memcpy(buf, "ui:/", 4);

    for (n = 0; n < 2; n++) {
        text.len = NGX_SHOP_CLAIM_TEXT_MAX + n;

        claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                       NGX_SHOP_DOCS_ALL, &error);
        ngx_shop_unit_is_int(u, claim == NULL, n, "%uz bytes", text.len);
    }

    for (n = 0; n < 2; n++) {
        p = ngx_cpymem(buf, "ui:", 3);

        while (p < buf + 3 + 2 * (NGX_SHOP_CLAIM_STEPS_MAX + n)) {
            *p++ = '/';
            *p++ = 'a';
        }

        text.len = p - buf;

        claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                       NGX_SHOP_DOCS_ALL, &error);
        ngx_shop_unit_is_int(u, claim == NULL, n, "%ui steps",
                             NGX_SHOP_CLAIM_STEPS_MAX + n);
    }

    for (n = 0; n < 2; n++) {
        p = buf;

        while (p < buf + 6 * (NGX_SHOP_CLAIM_OPS_MAX + n)) {
            p = ngx_cpymem(p, "ui:/a|", 6);
        }

        text.len = p - buf - 1;

        claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                       NGX_SHOP_DOCS_ALL, &error);
        ngx_shop_unit_is_int(u, claim == NULL, n, "%ui parts",
                             NGX_SHOP_CLAIM_OPS_MAX + n);
    }

    /* a value that grows */

    ngx_shop_unit_claim_docs(u, &docs);

    value.len = NGX_SHOP_CLAIM_VALUE_MAX / 2;
    value.data = ngx_pcalloc(u->pool, value.len);
    ngx_memset(value.data, 'x', value.len);

    docs.json[NGX_SHOP_DOC_UI] = ngx_shop_json_new_object(u->pool);
    (void) ngx_shop_json_set(u->pool, docs.json[NGX_SHOP_DOC_UI], "a",
                             ngx_shop_json_new_string(u->pool, &value));

    text = ngx_shop_unit_claim_text("tpl({ui:/a}{ui:/a})");
    claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                   NGX_SHOP_DOCS_ALL, &error);

    ngx_shop_unit_is_int(u, ngx_shop_claim_eval(u->pool, claim, &docs,
                                                NGX_SHOP_DOCS_ALL, &value,
                                                &used),
                         NGX_OK, "just short enough");

    text = ngx_shop_unit_claim_text("ui:/a + ui:/a");
    claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                   NGX_SHOP_DOCS_ALL, &error);

    ngx_shop_unit_is_int(u, ngx_shop_claim_eval(u->pool, claim, &docs,
                                                NGX_SHOP_DOCS_ALL, &value,
                                                &used),
                         NGX_ERROR, "one byte too long");
}


static void
ngx_shop_unit_claim_pending(ngx_shop_unit_t *u)
{
    ngx_int_t                rc;
    ngx_str_t                text, value;
    ngx_uint_t               i, used;
    ngx_shop_docs_t          docs;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    static const struct {
        const char  *text;
        ngx_int_t    rc;
        ngx_uint_t   wanted;
    } cases[] = {
        { "ui:/name", NGX_AGAIN, NGX_SHOP_DOC_UI },
        { "ui2:/0", NGX_AGAIN, NGX_SHOP_DOC_UI2 },
        { "tk:/uid | ui:/name", NGX_OK, 0 },
        { "tk:/none | ui:/name", NGX_AGAIN, NGX_SHOP_DOC_UI },
        { "tk:/uid + ui:/name", NGX_AGAIN, NGX_SHOP_DOC_UI },
        { "tpl({tk:/none}{ui:/name})", NGX_DECLINED, 0 },
        { "tpl({tk:/uid}{ui2:/name})", NGX_AGAIN, NGX_SHOP_DOC_UI2 },
        { "id:/sub", NGX_DECLINED, 0 },
        { NULL, 0, 0 }
    };

    for (i = 0; cases[i].text; i++) {
        ngx_shop_unit_claim_docs(u, &docs);

        docs.pending = NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI)
                       | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI2);

        text = ngx_shop_unit_claim_text(cases[i].text);
        claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                       NGX_SHOP_DOCS_ALL, &error);

        rc = ngx_shop_claim_eval(u->pool, claim, &docs, NGX_SHOP_DOCS_ALL,
                                 &value, &used);

        ngx_shop_unit_is_int(u, rc, cases[i].rc, "%V", &text);
        ngx_shop_unit_is_int(u, docs.wanted, cases[i].wanted, "%V: what",
                             &text);
    }
}


/* a flag counts only where the address is from: so the bits have to be */

static void
ngx_shop_unit_claim_used(ngx_shop_unit_t *u)
{
    ngx_int_t                rc;
    ngx_str_t                text, value;
    ngx_uint_t               i, used;
    ngx_shop_docs_t          docs;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    static const struct {
        const char  *text;
        ngx_uint_t   docs;
    } cases[] = {
        { "ui:/name", NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI) },
        { "tk:/none | ui:/name", NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI) },
        { "tpl({tk:/uid}{ui:/none}) | ui:/name",
          NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI) },
        { "ui:/name | tk:/uid", NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI) },
        { "ui:/name + tk:/uid", NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_UI)
                                | NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TK) },
        { "'x'", 0 },
        { NULL, 0 }
    };

    ngx_shop_unit_claim_docs(u, &docs);

    for (i = 0; cases[i].text; i++) {
        text = ngx_shop_unit_claim_text(cases[i].text);
        claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                       NGX_SHOP_DOCS_ALL, &error);

        rc = ngx_shop_claim_eval(u->pool, claim, &docs, NGX_SHOP_DOCS_ALL,
                                 &value, &used);

        ngx_shop_unit_is_int(u, rc, NGX_OK, "%V", &text);
        ngx_shop_unit_is_int(u, used, cases[i].docs, "%V: is from", &text);
    }

    text = ngx_shop_unit_claim_text("ui:/name | tk:/uid");
    claim = ngx_shop_claim_compile(u->pool, &text, NGX_SHOP_CLAIM_VALUE,
                                   NGX_SHOP_DOCS_ALL, &error);

    (void) ngx_shop_claim_eval(u->pool, claim, &docs,
                               NGX_SHOP_DOC_BIT(NGX_SHOP_DOC_TK), &value,
                               &used);
    ngx_shop_unit_is(u, &value, "u1", "a document that does not count");
}


static void
ngx_shop_unit_claim_rules(ngx_shop_unit_t *u)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_shop_docs_t          docs;
    ngx_shop_rule_t         *rule;
    ngx_shop_claim_error_t   error;

    static const struct {
        const char  *text;
        ngx_uint_t   holds;
    } cases[] = {
        { "/name = Ann", 1 },
        { "/name=Ann", 1 },
        { "/name = ann", 0 },
        { "/none = Ann", 0 },
        { "/yes = true", 1 },
        { "/no = true", 0 },
        { "/n = 42", 1 },
        { "/real = 1.5", 0 },
        { "/list = a", 0 },
        { "/deep/a/b/c = d", 1 },
        { "/name != Ann", 0 },
        { "/name != x", 1 },
        { "/none != x", 0 },
        { "/none absent", 1 },
        { "/null absent", 1 },
        { "/name absent", 0 },
        { "/list absent", 0 },
        { "/none absent_or= 0", 1 },
        { "/n absent_or= 42", 1 },
        { "/n absent_or= 0", 0 },
        { "/deep absent_or= 0", 0 },
        { "/name = Ann && /n = 42", 1 },
        { "/name = Ann&&/none absent&&  /yes = true", 1 },
        { "/name = Ann && /n = 41", 0 },
        { "/name = ann && /n = 42", 0 },
        { "/none absent && /name = Ann && /no = true", 0 },
        { NULL, 0 }
    };

    ngx_shop_unit_claim_docs(u, &docs);

    for (i = 0; cases[i].text; i++) {
        text = ngx_shop_unit_claim_text(cases[i].text);
        rule = ngx_shop_rule_compile(u->pool, &text, &error);

        if (ngx_shop_unit_ok(u, rule != NULL, "read: %V", &text)) {
            ngx_shop_unit_is_int(u, ngx_shop_rule_holds(u->pool, rule,
                                             docs.json[NGX_SHOP_DOC_UI]),
                                 cases[i].holds, "%V", &text);
        }
    }
}


static void
ngx_shop_unit_claim_rules_wrong(ngx_shop_unit_t *u)
{
    ngx_str_t                text;
    ngx_uint_t               i;
    ngx_shop_rule_t         *rule;
    ngx_shop_claim_error_t   error;

    static ngx_shop_unit_claim_wrong_t  cases[] = {
        { "", "is missing", 1 },
        { "/a", "is missing", 3 },
        { "a = b", "\"/\"", 1 },
        { "/a ==", "", 0 },
        { "/a =", "a value", 5 },
        { "/a < b", "is missing", 4 },
        { "/a absent b", "nothing more", 11 },
        { "/a absent_or=", "a value", 14 },
        { "/a~ = b", "\"~\"", 3 },
        { "/a = b &&", "is missing", 10 },
        { "/a = b && c = d", "\"/\"", 11 },
        { "/a = && /c = d", "a value", 6 },
        { "/a absent b && /c = d", "nothing more", 11 },
        { "/a = b && /c", "is missing", 13 },
        { NULL, NULL, 0 }
    };

    for (i = 0; cases[i].text; i++) {
        text = ngx_shop_unit_claim_text(cases[i].text);
        rule = ngx_shop_rule_compile(u->pool, &text, &error);

        if (cases[i].at == 0) {
            ngx_shop_unit_ok(u, rule != NULL, "read: %V", &text);
            continue;
        }

        if (ngx_shop_unit_ok(u, rule == NULL, "refused: %V", &text)) {
            ngx_shop_unit_ok(u, ngx_strstr(error.what, cases[i].what) != NULL,
                             "%V: %s", &text, error.what);
            ngx_shop_unit_is_int(u, error.at, cases[i].at, "%V: where",
                                 &text);
        }
    }
}


/*
 * Expressions with each of their bytes replaced, and cut at each length, in a
 * block of that very size: read or refused, and then asked for a value.
 */

static void
ngx_shop_unit_claim_damaged(ngx_shop_unit_t *u)
{
    size_t                   len, k;
    ngx_str_t                text, value;
    ngx_pool_t              *pool;
    ngx_uint_t               i, n, used, done;
    ngx_shop_docs_t          docs;
    ngx_shop_rule_t         *rule;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    static const char  *texts[] = {
        "ui:/a~1b + 'x' | tpl({{{ui2:[primary=true&n=1]/email!lower}}})",
        "ui:/yes!bool && cb:user/name/firstName!exists | ui:/a!in:/list",
        "a{client_id}{{b}}{cb:first}{state}{tk:/n!str}",
        "/deep/a absent_or= d"
    };

    static const u_char  bytes[] = "/:|+&!'(){}[]=~ 0a\x00\x7f\xc3\xff";

    ngx_shop_unit_claim_docs(u, &docs);
    done = 0;

    for (i = 0; i < 4; i++) {

        len = ngx_strlen(texts[i]);

        for (k = 0; k < len; k++) {

            for (n = 0; n < sizeof(bytes); n++) {

                pool = ngx_create_pool(NGX_MIN_POOL_SIZE, u->log);

                text.len = n ? len : k;
                text.data = ngx_alloc(text.len ? text.len : 1, u->log);
                ngx_memcpy(text.data, texts[i], text.len);

                if (n) {
                    text.data[k] = bytes[n - 1];
                }

                if (i == 3) {
                    rule = ngx_shop_rule_compile(pool, &text, &error);

                    if (rule != NULL) {
                        (void) ngx_shop_rule_holds(pool, rule,
                                             docs.json[NGX_SHOP_DOC_UI]);
                    }

                } else {
                    claim = ngx_shop_claim_compile(pool, &text, i,
                                                   NGX_SHOP_DOCS_ALL, &error);
                    if (claim != NULL) {
                        (void) ngx_shop_claim_eval(pool, claim, &docs,
                                                   NGX_SHOP_DOCS_ALL, &value,
                                                   &used);
                    }
                }

                done++;

                ngx_free(text.data);
                ngx_destroy_pool(pool);
            }
        }
    }

    ngx_shop_unit_ok(u, done > 1000, "%ui of them", done);
}


static void
ngx_shop_unit_claim_cases(ngx_shop_unit_t *u,
    ngx_shop_unit_claim_case_t *cases, ngx_shop_claim_kind_e kind)
{
    ngx_int_t                rc;
    ngx_str_t                text, value;
    ngx_uint_t               i, used;
    ngx_shop_docs_t          docs;
    ngx_shop_claim_t        *claim;
    ngx_shop_claim_error_t   error;

    ngx_shop_unit_claim_docs(u, &docs);

    for (i = 0; cases[i].text; i++) {
        text = ngx_shop_unit_claim_text(cases[i].text);

        claim = ngx_shop_claim_compile(u->pool, &text, kind,
                                       NGX_SHOP_DOCS_ALL, &error);

        if (!ngx_shop_unit_ok(u, claim != NULL, "read: %V", &text)) {
            continue;
        }

        ngx_str_null(&value);
        rc = ngx_shop_claim_eval(u->pool, claim, &docs, NGX_SHOP_DOCS_ALL,
                                 &value, &used);

        if (rc == NGX_ERROR) {
            ngx_str_set(&value, "!");

        } else if (rc == NGX_AGAIN) {
            ngx_str_set(&value, "?");
        }

        ngx_shop_unit_is_int(u, rc == NGX_DECLINED, cases[i].value == NULL,
                             "%V: something or nothing", &text);

        if (cases[i].value) {
            ngx_shop_unit_is(u, &value, cases[i].value, "%V", &text);
        }
    }
}


static void
ngx_shop_unit_claim_docs(ngx_shop_unit_t *u, ngx_shop_docs_t *docs)
{
    static ngx_str_t  ui = ngx_string(
        "{\"name\":\"Ann\",\"last\":\"B\",\"null\":null,\"empty\":\"\","
        "\"a/b\":\"slash\",\"m~n\":\"tilde\",\"\":\"no name\","
        "\"list\":[\"a\",\"b\"],\"nothing\":[],"
        "\"deep\":{\"a\":{\"b\":{\"c\":\"d\"}}},"
        "\"n\":42,\"big\":9007199254740993,\"most\":9223372036854775807,"
        "\"least\":-9223372036854775808,\"real\":1.5,\"exp\":1e3,"
        "\"whole\":7.0,\"yes\":true,\"no\":false,\"yestext\":\"true\","
        "\"notext\":\"false\",\"one\":1,\"onetext\":\"1\","
        "\"items\":[1,null,{\"k\":1},{\"k\":2,\"v\":{\"w\":\"x\"}}],"
        "\"upper\":\"aBC\",\"url\":\"https://x/y?z=1\",\"query\":\"?z\"}");

    static ngx_str_t  ui2 = ngx_string(
        "[{\"email\":\"a@b\",\"primary\":true,\"verified\":false},"
        "{\"email\":\"c@d\",\"primary\":false,\"verified\":true},"
        "{\"email\":\"e@f\",\"n\":3,\"kind\":\"work\"}]");

    static ngx_str_t  tk = ngx_string("{\"uid\":\"u1\",\"n\":5}");

    ngx_memzero(docs, sizeof(ngx_shop_docs_t));

    docs->json[NGX_SHOP_DOC_UI] = ngx_shop_json_parse(u->pool, &ui, 65536);
    docs->json[NGX_SHOP_DOC_UI2] = ngx_shop_json_parse(u->pool, &ui2, 65536);
    docs->json[NGX_SHOP_DOC_TK] = ngx_shop_json_parse(u->pool, &tk, 65536);

    ngx_str_set(&docs->client_id, "shop client");
    ngx_str_set(&docs->state, "st");
    ngx_str_set(&docs->callback, "first=Eve+X&blank=&twice=1&twice=2"
                "&latin=%E9&user=%7B%22name%22%3A%7B%22firstName%22%3A%22Ann"
                "%22%2C%22lastName%22%3A%22B%22%7D%7D");
}


static ngx_str_t
ngx_shop_unit_claim_text(const char *text)
{
    ngx_str_t  str;

    str.data = (u_char *) text;
    str.len = ngx_strlen(text);

    return str;
}
