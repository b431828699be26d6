
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <ctype.h>

#include "base/ngx_shop_base.h"

#include "ngx_shop_unit.h"


/*
 * URLs, queries, return addresses (row 21 of what a relying party must hold
 * to), times and short texts.
 */


typedef struct {
    const char  *text;
    const char  *origin;
    const char  *host;
    const char  *uri;
    ngx_uint_t   port;
    const char  *flags;             /* s: secure, l: loopback, i: literal */
} ngx_shop_unit_url_t;


static void ngx_shop_unit_url_parse(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_bytes(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_sizes(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_escape(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_unescape(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_query(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_query_get(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_local(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_absolute(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_hosts(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_bytes(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_sizes(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_return_browser(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_time(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_time_refuse(ngx_shop_unit_t *u);
static void ngx_shop_unit_url_names(ngx_shop_unit_t *u);

static void ngx_shop_unit_url_base(ngx_shop_unit_t *u, ngx_shop_url_t *base);
static ngx_int_t ngx_shop_unit_url_returns(ngx_shop_unit_t *u,
    ngx_str_t *text, ngx_str_t *path);
static void ngx_shop_unit_url_browse(ngx_str_t *text, ngx_str_t *host);


ngx_shop_unit_test_t  ngx_shop_unit_url_tests[] = {
    { "a URL is taken apart", ngx_shop_unit_url_parse },
    { "a bad URL is refused", ngx_shop_unit_url_refuse },
    { "a byte that no URL holds is refused", ngx_shop_unit_url_bytes },
    { "the size of a URL is bounded", ngx_shop_unit_url_sizes },
    { "bytes are escaped", ngx_shop_unit_url_escape },
    { "a form field is unescaped", ngx_shop_unit_url_unescape },
    { "a query is walked", ngx_shop_unit_url_query },
    { "a field is found once", ngx_shop_unit_url_query_get },
    { "row 21, own paths", ngx_shop_unit_url_return_local },
    { "row 21, own origin", ngx_shop_unit_url_return_absolute },
    { "row 21, listed hosts", ngx_shop_unit_url_return_hosts },
    { "row 21, refused", ngx_shop_unit_url_return_refuse },
    { "row 21, each byte in each place", ngx_shop_unit_url_return_bytes },
    { "row 21, sizes", ngx_shop_unit_url_return_sizes },
    { "row 21, as a browser", ngx_shop_unit_url_return_browser },
    { "a time is read", ngx_shop_unit_url_time },
    { "a bad time is refused", ngx_shop_unit_url_time_refuse },
    { "names and ids", ngx_shop_unit_url_names },
    { NULL, NULL }
};


static ngx_shop_unit_url_t  ngx_shop_unit_urls[] = {

    { "https://shop.example.com",
      "https://shop.example.com", "shop.example.com", "/", 443, "s" },

    { "HTTPS://Shop.Example.COM/Path?Query=A",
      "https://shop.example.com", "shop.example.com", "/Path?Query=A", 443,
      "s" },

    { "http://shop.example.com:80/",
      "http://shop.example.com", "shop.example.com", "/", 80, "" },

    { "http://shop.example.com:443",
      "http://shop.example.com:443", "shop.example.com", "/", 443, "" },

    { "https://shop.example.com:8443?a=b",
      "https://shop.example.com:8443", "shop.example.com", "/?a=b", 8443,
      "s" },

    { "https://h:65535/a//b/../%2F?c=/d?e&f=[g]",
      "https://h:65535", "h", "/a//b/../%2F?c=/d?e&f=[g]", 65535, "s" },

    { "http://h/!$&'()*+,;=:@-._~",
      "http://h", "h", "/!$&'()*+,;=:@-._~", 80, "" },

    { "http://127.0.0.1:8080/x",
      "http://127.0.0.1:8080", "127.0.0.1", "/x", 8080, "li" },

    { "http://127.255.0.9",
      "http://127.255.0.9", "127.255.0.9", "/", 80, "li" },

    { "http://128.0.0.1", "http://128.0.0.1", "128.0.0.1", "/", 80, "i" },

    { "http://[::1]:6/",
      "http://[::1]:6", "[::1]", "/", 6, "li" },

    { "http://[0:0::0:1]",
      "http://[::1]", "[::1]", "/", 80, "li" },

    { "https://[2001:DB8::A]/",
      "https://[2001:db8::a]", "[2001:db8::a]", "/", 443, "si" },

    { "http://[::ffff:127.0.0.1]/",
      "http://[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", "/", 80, "i" },

    { "http://LocalHost/", "http://localhost", "localhost", "/", 80, "l" },

    { "http://localhost.example.com/",
      "http://localhost.example.com", "localhost.example.com", "/", 80, "" },

    { "http://127.0.0.1.example.com/",
      "http://127.0.0.1.example.com", "127.0.0.1.example.com", "/", 80, "" },

    { "http://xn--mnchen-3ya.example/",
      "http://xn--mnchen-3ya.example", "xn--mnchen-3ya.example", "/", 80,
      "" },

    { "http://1st.example.3com/",
      "http://1st.example.3com", "1st.example.3com", "/", 80, "" },

    { "http://my_redis/", "http://my_redis", "my_redis", "/", 80, "" },

    { NULL, NULL, NULL, NULL, 0, NULL }
};


/* no URL, and for the same reason nothing to return to */

static const char  *ngx_shop_unit_url_bad[] = {
    "",
    "http",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https:///shop.example.com/",
    "https:////shop.example.com/",
    "https:shop.example.com",
    "https:/shop.example.com",
    "https:\\\\shop.example.com",
    "https:/\\shop.example.com",
    "https://\\shop.example.com",
    "https://shop.example.com\\",
    "https://shop.example.com\\@evil.example",
    "https://evil.example\\shop.example.com",
    "ttps://shop.example.com",
    " https://shop.example.com",
    "https://shop.example.com ",
    "https ://shop.example.com",
    "ftp://shop.example.com/",
    "ws://shop.example.com/",
    "wss://shop.example.com/",
    "file:///etc/passwd",
    "javascript://shop.example.com/%0aalert(1)",
    "httpss://shop.example.com/",
    "shop.example.com",
    "://shop.example.com",
    "https://?a",
    "https://:443/",
    "https://user@shop.example.com/",
    "https://user:pass@shop.example.com/",
    "https://@shop.example.com/",
    "https://:@shop.example.com/",
    "https://shop.example.com@evil.example/",
    "https://shop.example.com:443@evil.example/",
    "https://shop.example.com%40evil.example/",
    "https://shop.example.com%2f@evil.example/",
    "https://shop.example.com#",
    "https://shop.example.com/#a",
    "https://shop.example.com?a#b",
    "https://shop.example.com#@evil.example",
    "https://shop.example.com:",
    "https://shop.example.com:/",
    "https://shop.example.com:0/",
    "https://shop.example.com:65536/",
    "https://shop.example.com:99999/",
    "https://shop.example.com:4294967739/",
    "https://shop.example.com:000443/",
    "https://shop.example.com:+443/",
    "https://shop.example.com:-1/",
    "https://shop.example.com:443a/",
    "https://shop.example.com:0x1bb/",
    "https://shop.example.com:443:443/",
    "https://shop.example.com:443;/",
    "https://.shop.example.com/",
    "https://shop.example.com./",
    "https://shop..example.com/",
    "https://./",
    "https://../",
    "https://shop.example.com,evil.example/",
    "https://shop.example.com;evil.example/",
    "https://shop.example.com&evil.example/",
    "https://shop.example.com!evil.example/",
    "https://shop.example.com$evil.example/",
    "https://shop.example.com*evil.example/",
    "https://*.example.com/",
    "https://shop.example.com'evil.example/",
    "https://shop.example.com(evil.example/",
    "https://shop%2eexample.com/",
    "https://shop%2Eexample%2Ecom/",
    "https://shop.example.com%00.evil.example/",
    "https://shop.example.com%2f.evil.example/",
    "https://sh\xc3\xb6p.example.com/",
    "https://shop\xe3\x80\x82" "example.com/",
    "https://shop.example.com\xef\xbc\x8f.evil.example/",
    "https://shop.example.com/\xc3\xa9",
    "https://shop.example.com\t/",
    "https://shop.example\n.com/",
    "ht\ntps://shop.example.com/",
    "https:/\t/shop.example.com/",
    "https://shop.example.com/\r\nSet-Cookie: a=b",
    "https://shop.example.com/a b",
    "https://shop.example.com/\x7f",
    "https://shop.example.com/<a>",
    "https://shop.example.com/\"",
    "https://shop.example.com/`",
    "https://shop.example.com/^",
    "https://shop.example.com/{a}",
    "https://shop.example.com/a|b",
    "https://shop.example.com/%",
    "https://shop.example.com/%4",
    "https://shop.example.com/%zz",
    "https://shop.example.com/%4g",
    "https://shop.example.com/?%u0041",
    "https://1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.256/",
    "https://127.0.0.1.2/",
    "https://127.0.0.0x1/",
    "https://evil.example.1/",
    "https://evil.example.0x1/",
    "https://[]/",
    "https://[:]/",
    "https://[1]/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]a/",
    "https://a[::1]/",
    "https://[::1].example.com/",
    "https://[::1]]/",
    "https://[[::1]]/",
    "https://[:::1]/",
    "https://[1::2::3]/",
    "https://[1:2:3:4:5:6:7:8:9]/",
    "https://[12345::]/",
    "https://[::g]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[::127.0.0.1.1]/",
    "https://[v1.a]/",
    "https://[::1]:/",
    NULL
};


/* texts that start like a path or like nothing */

static const char  *ngx_shop_unit_return_bad[] = {
    "//",
    "///",
    "////evil.example",
    "//evil.example",
    "//evil.example/",
    "//evil.example/%2f..",
    "//shop.example.com",
    "//shop.example.com@evil.example",
    "///evil.example",
    "///evil.example/%2e%2e",
    "/////evil.example/",
    "//;@evil.example",
    "//%5cevil.example",
    "//%0devil.example",
    "//google%E3%80%82com",
    "//\\evil.example",
    "//0x7f000001",
    "//[::1]",
    "//localhost",
    "//:80",
    "//?",
    "//#",
    "/\\",
    "/\\evil.example",
    "/\\/evil.example",
    "/\\\\evil.example",
    "\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "\\/\\/evil.example/",
    "/a\\b",
    "/a?b=\\",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "/\f/evil.example",
    "/\v/evil.example",
    "/ /evil.example",
    "/\t\\evil.example",
    "\t//evil.example",
    "\n//evil.example",
    " //evil.example",
    " /path",
    "\t/path",
    "\x01/path",
    "\x1f/path",
    "\xc2\xa0/path",
    "\xef\xbb\xbf/path",
    "/path\n",
    "/path ",
    "/path\r\nLocation: https://evil.example",
    "/path\r\n\r\n<script>",
    "/\xe5\x98\x8a\xe5\x98\x8dLocation:%20evil",
    "/%0d%0aSet-Cookie:a=b",
    "/%0D%0A",
    "/%0a/evil.example",
    "/%09/evil.example",
    "/%00",
    "/%1f",
    "/%7f",
    "/%7F/a",
    "/?a=%0d%0a",
    "/?a=%00",
    "/a?b=c%0Ad",
    "/%",
    "/%2",
    "/%2/",
    "/%zz",
    "/%%32%66",
    "/%u002f",
    "/%-1",
    "/%+1",
    "/./",
    "/.",
    "/..",
    "/../",
    "/.//evil.example",
    "/..//evil.example",
    "/../..//evil.example",
    "/%2e",
    "/%2E/",
    "/%2e//evil.example",
    "/%2e%2e//evil.example",
    "/.%2e//evil.example",
    "/%2e.//evil.example",
    "/%2E%2E/%2E%2E//evil.example",
    "/a/./b",
    "/a/../b",
    "/a/..",
    "/a/.?b",
    "/a/..?b",
    "/a/%2e%2e/b",
    "/a/..//evil.example",
    "/.\\evil.example",
    "/path#fragment",
    "/#/evil.example",
    "/<script>",
    "/\"onmouseover=alert(1)",
    "/`",
    "/{{7*7}}",
    "/a|b",
    "/^",
    "/\xc3\xa9",
    "/\x80",
    "/\xff",
    "/\x7f",
    "a",
    "path",
    "path/",
    "./path",
    "../path",
    ".",
    "..",
    "?a=b",
    "#a",
    "@evil.example",
    ":@evil.example",
    ":80",
    ";",
    "%2f",
    "%2f%2fevil.example",
    "%2F/evil.example",
    "%5c%5cevil.example",
    "%09//evil.example",
    "evil.example",
    "evil.example/",
    "evil.example//https://shop.example.com/",
    "www.evil.example",
    "shop.example.com",
    "shop.example.com/path",
    "shop.example.com:443/path",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript:/alert(1)",
    "javascript://alert(1)",
    "javascript://%0aalert(1)",
    "javascript://shop.example.com/%0aalert(1)",
    "javascript:https://shop.example.com/",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    " javascript:alert(1)",
    "\x01javascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD4=",
    "data:,a",
    "blob:https://shop.example.com/0",
    "filesystem:https://shop.example.com/temporary/a",
    "view-source:https://shop.example.com/",
    "about:blank",
    "mailto:a@shop.example.com",
    "tel:1",
    "intent://shop.example.com/#Intent;end",
    "myapp://shop.example.com/",
    "ftp://shop.example.com/",
    "file:///",
    "ws://shop.example.com/",
    "wss://shop.example.com/",
    "http:evil.example",
    "http:/evil.example",
    "http://evil.example",
    "http:///evil.example",
    "http:\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "https:\\evil.example",
    "https:/\\evil.example",
    "https:\\/evil.example",
    "https:%2f%2fevil.example",
    "https%3a//evil.example",
    "https:?evil.example",
    "https:path",
    "https:/path",
    "https:",
    "HTTPS:EVIL.EXAMPLE",
    "https://evil.example/",
    "https://evil.example/shop.example.com",
    "https://evil.example/?https://shop.example.com/",
    "https://evil.example?shop.example.com",
    "https://evil.example?.shop.example.com",
    "https://evil.example#.shop.example.com",
    "https://evil.example#@shop.example.com",
    "https://evil.example\\.shop.example.com",
    "https://evil.example\\@shop.example.com",
    "https://evil.example:443/shop.example.com",
    "https://evil.example;.shop.example.com",
    "https://evil.example&.shop.example.com",
    "https://evil.example%2f.shop.example.com",
    "https://evil.example%5c.shop.example.com",
    "https://evil.example%23.shop.example.com",
    "https://evil.example%3f.shop.example.com",
    "https://evil.example%00.shop.example.com",
    "https://evil.example%0a.shop.example.com",
    "https://evil.example\t.shop.example.com",
    "https://evil.example\n.shop.example.com",
    "https://evil.example .shop.example.com",
    "https://evil.example,shop.example.com",
    "https://evil.example'.shop.example.com",
    "https://evil.example`.shop.example.com",
    "https://evil.example|.shop.example.com",
    "https://evil.example{.shop.example.com",
    "https://evil.example\xff.shop.example.com",
    "https://evil.example\xe3\x80\x82shop.example.com",
    "https://shop.example.com.evil.example",
    "https://shop.example.com.evil.example/",
    "https://shop.example.comevil.example/",
    "https://shop.example.com-evil.example/",
    "https://shop.example.com_evil.example/",
    "https://shop.example.com@evil.example",
    "https://shop.example.com@evil.example/",
    "https://shop.example.com:@evil.example/",
    "https://shop.example.com:443@evil.example/",
    "https://shop.example.com:pass@evil.example/",
    "https://shop.example.com%40evil.example/",
    "https://shop.example.com%2540evil.example/",
    "https://shop.example.com\\@evil.example/",
    "https://shop.example.com/@evil.example\\",
    "https://shop.example.com?@evil.example#",
    "https://shop.example.com#@evil.example/",
    "https://shop.example.com%0d%0a.evil.example/",
    "https://a@shop.example.com/",
    "https://a:b@shop.example.com/",
    "https://@shop.example.com/",
    "https://evil-shop.example.com/",
    "https://evilshop.example.com/",
    "https://evil.shop.example.com/",
    "https://www.shop.example.com/",
    "https://example.com/",
    "https://hop.example.com/",
    "https://shop.example.co/",
    "https://shop.example.comm/",
    "https://shop.example.com./",
    "https://shop.example.com../",
    "https://.shop.example.com/",
    "https://shop-example.com/",
    "https://shopXexample.com/",
    "https://shop.example.org/",
    "https://xn--shp-sna.example.com/",
    "https://sh\xd0\xbep.example.com/",
    "https://\xef\xbd\x93hop.example.com/",
    "https://shop.example.com:80/",
    "https://shop.example.com:444/",
    "https://shop.example.com:8443/",
    "https://shop.example.com:0/",
    "https://shop.example.com:/",
    "https://shop.example.com:443x/",
    "https://shop.example.com:65979/",
    "http://shop.example.com/",
    "http://shop.example.com:443/",
    "HTTP://shop.example.com/",
    "https://shop.example.com/../",
    "https://shop.example.com/.//evil.example",
    "https://shop.example.com/%2e%2e//evil.example",
    "https://shop.example.com/%0d%0aa:b",
    "https://shop.example.com/\r\na:b",
    "https://shop.example.com/ a",
    "https://shop.example.com/#a",
    "https://shop.example.com/\\evil.example",
    "https://[::1]/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://[::ffff:1.2.3.4]/",
    "https://[shop.example.com]/",
    "https://shop.example.com]/",
    "https://[shop.example.com/",
    "<https://shop.example.com/>",
    "\"https://shop.example.com/\"",
    NULL
};


static const char  *ngx_shop_unit_return_good[] = {
    "/",
    "/path",
    "/path/",
    "/path//to",
    "/path?query",
    "/path?a=b&c=d",
    "/?",
    "/?//evil.example",
    "/?a=//evil.example",
    "/?return=https://evil.example/",
    "/?a=/../b",
    "/?..",
    "/?a=..%2f",
    "/evil.example",
    "/evil.example//a",
    "/@evil.example",
    "/a@evil.example",
    "/:80",
    "/https://evil.example/",
    "/javascript:alert(1)",
    "/%2f",
    "/%2f/evil.example",
    "/%2F%2Fevil.example",
    "/%2fevil.example",
    "/%5cevil.example",
    "/%255cevil.example",
    "/%20",
    "/%c3%a9",
    "/%e3%80%82",
    "/%25",
    "/%2525",
    "/...",
    "/.../a",
    "/a.b",
    "/.a",
    "/a.",
    "/..a",
    "/.well-known/a",
    "/a/.b/c..",
    "/%2ea",
    "/%2e%2e%2e",
    "/;",
    "/;//evil.example",
    "/a;b=c",
    "/~user/",
    "/a,b",
    "/a+b?c+d",
    "/a'b(c)*d!$&",
    "/a?filter[b]=c",
    "/cart?sku=1&utm_source=x%26y",
    "/-",
    "/_",
    NULL
};


static void
ngx_shop_unit_url_parse(ngx_shop_unit_t *u)
{
    ngx_str_t             text;
    const char           *err;
    ngx_shop_url_t        url;
    ngx_shop_unit_url_t  *t;

    for (t = ngx_shop_unit_urls; t->text; t++) {

        text.data = (u_char *) t->text;
        text.len = ngx_strlen(t->text);
        err = "";

        if (!ngx_shop_unit_ok(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                    &err) == NGX_OK,
                              "\"%s\" %s", t->text, err))
        {
            continue;
        }

        ngx_shop_unit_is(u, &url.origin, t->origin, "origin of %s", t->text);
        ngx_shop_unit_is(u, &url.host, t->host, "host of %s", t->text);
        ngx_shop_unit_is(u, &url.uri, t->uri, "uri of %s", t->text);
        ngx_shop_unit_is(u, &url.scheme,
                         strchr(t->flags, 's') ? "https" : "http",
                         "scheme of %s", t->text);
        ngx_shop_unit_is_int(u, url.port, t->port, "port of %s", t->text);

        ngx_shop_unit_is_int(u, url.secure, strchr(t->flags, 's') != NULL,
                             "secure of %s", t->text);
        ngx_shop_unit_is_int(u, url.loopback, strchr(t->flags, 'l') != NULL,
                             "loopback of %s", t->text);
        ngx_shop_unit_is_int(u, url.literal, strchr(t->flags, 'i') != NULL,
                             "literal of %s", t->text);
    }
}


static void
ngx_shop_unit_url_refuse(ngx_shop_unit_t *u)
{
    ngx_str_t        text;
    const char      *err, **t;
    ngx_shop_url_t   url;

    for (t = ngx_shop_unit_url_bad; *t; t++) {

        text.data = (u_char *) *t;
        text.len = ngx_strlen(*t);
        err = NULL;

        ngx_shop_unit_ok(u, ngx_shop_url_parse(u->pool, &text, &url, &err)
                            == NGX_ERROR
                            && err != NULL,
                         "case %i", (ngx_int_t) (t - ngx_shop_unit_url_bad));
    }
}


static void
ngx_shop_unit_url_bytes(ngx_shop_unit_t *u)
{
    ngx_str_t        text;
    const char      *err;
    ngx_uint_t       ch, allowed;
    ngx_shop_url_t   url;
    u_char           buf[sizeof("https://h.example/a_b")];

    (void) ngx_cpymem(buf, "https://h.example/a_b", sizeof(buf));

    text.data = buf;
    text.len = sizeof(buf) - 1;

    for (ch = 0; ch < 256; ch++) {

        buf[sizeof("https://h.example/a") - 1] = (u_char) ch;

        allowed = (ch > 0x20 && ch < 0x7f
                   && strchr("\"#%<>\\^`{|}", (int) ch) == NULL);

        ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                   &err),
                             allowed ? NGX_OK : NGX_ERROR,
                             "byte %ui of a path", ch);
    }

    (void) ngx_cpymem(buf, "https://h.example/a_b", sizeof(buf));

    for (ch = 0; ch < 256; ch++) {

        buf[sizeof("https://h.") - 1] = (u_char) ch;

        allowed = isalnum((int) ch) || ch == '-' || ch == '_';

        ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                   &err),
                             allowed ? NGX_OK : NGX_ERROR,
                             "byte %ui of a host", ch);
    }
}


static void
ngx_shop_unit_url_sizes(ngx_shop_unit_t *u)
{
    size_t           len;
    ngx_str_t        text;
    const char      *err;
    ngx_shop_url_t   url;
    u_char           buf[4096];

    for (len = 2047; len <= 2049; len++) {
        (void) ngx_cpymem(buf, "https://h/", 10);
        ngx_memset(buf + 10, 'a', len - 10);

        text.data = buf;
        text.len = len;

        ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                   &err),
                             (len <= 2048) ? NGX_OK : NGX_ERROR,
                             "%uz bytes", len);
    }

    for (len = 62; len <= 64; len++) {
        ngx_memset(buf + 8, 'a', len);

        text.len = ngx_cpymem(buf + 8 + len, ".example", 8) - buf;

        ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                   &err),
                             (len <= 63) ? NGX_OK : NGX_ERROR,
                             "a label of %uz bytes", len);

        ngx_memset(buf + 8, 'a', len + 2);
        buf[8 + 1] = '.';

        text.len = 8 + len + 2;

        ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                   &err),
                             (len <= 63) ? NGX_OK : NGX_ERROR,
                             "a last label of %uz bytes", len);
    }

    for (len = 253; len <= 255; len++) {
        ngx_memset(buf + 8, 'a', len);
        buf[8 + 60] = '.';
        buf[8 + 120] = '.';
        buf[8 + 180] = '.';
        buf[8 + 240] = '.';

        text.len = 8 + len;

        ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url,
                                                   &err),
                             (len <= 253) ? NGX_OK : NGX_ERROR,
                             "a host of %uz bytes", len);
    }

    /* the origin may be shorter than its text, and longer */

    ngx_str_set(&text, "https://[1:2:3:4:5:6:7:8]:65535/abc");

    ngx_shop_unit_is_int(u, ngx_shop_url_parse(u->pool, &text, &url, &err),
                         NGX_OK, "a long address");
    ngx_shop_unit_is(u, &url.uri, "/abc", "a long address, uri");
}


static void
ngx_shop_unit_url_escape(ngx_shop_unit_t *u)
{
    u_char      buf[256];
    ngx_str_t   src, dst, back;
    ngx_uint_t  i;

    ngx_str_set(&src, "aZ09-._~");

    ngx_shop_unit_is_int(u, ngx_shop_escape_str(u->pool, &src, &dst), NGX_OK,
                         "unreserved");
    ngx_shop_unit_is(u, &dst, "aZ09-._~", "unreserved");

    ngx_str_set(&src, " /?#%+&=:@\0\x7f\xc3\xa9");

    ngx_shop_unit_is_int(u, ngx_shop_escape_str(u->pool, &src, &dst), NGX_OK,
                         "the others");
    ngx_shop_unit_is(u, &dst, "%20%2F%3F%23%25%2B%26%3D%3A%40%00%7F%C3%A9",
                     "the others");
    ngx_shop_unit_is_int(u, ngx_shop_escaped_len(&src), dst.len, "length");

    for (i = 0; i < 255; i++) {
        buf[i] = (u_char) (i + 1);
    }

    src.data = buf;
    src.len = 255;

    ngx_shop_unit_ok(u, ngx_shop_escape_str(u->pool, &src, &dst) == NGX_OK
                        && ngx_shop_unescape_form(u->pool, &dst, &back)
                           == NGX_OK,
                     "all bytes but NUL, there and back");
    ngx_shop_unit_is_str(u, &back, &src, "all bytes but NUL");

    ngx_str_null(&src);

    ngx_shop_unit_is_int(u, ngx_shop_escape_str(u->pool, &src, &dst), NGX_OK,
                         "nothing");
    ngx_shop_unit_is_int(u, dst.len, 0, "nothing");
}


static void
ngx_shop_unit_url_unescape(ngx_shop_unit_t *u)
{
    ngx_str_t   src, dst;
    ngx_uint_t  i;

    static const char  *bad[] = {
        "%", "%4", "a%", "%4x", "%x4", "%%41", "%+4", "%00", "a%00b", "%2",
        NULL
    };

    ngx_str_set(&src, "a+b%20c%2Bd%c3%A9%25");

    ngx_shop_unit_is_int(u, ngx_shop_unescape_form(u->pool, &src, &dst),
                         NGX_OK, "a field");
    ngx_shop_unit_is(u, &dst, "a b c+d\xc3\xa9%", "a field");

    ngx_str_set(&src, "");

    ngx_shop_unit_is_int(u, ngx_shop_unescape_form(u->pool, &src, &dst),
                         NGX_OK, "an empty one");
    ngx_shop_unit_is_int(u, dst.len, 0, "an empty one");

    for (i = 0; bad[i]; i++) {
        src.data = (u_char *) bad[i];
        src.len = ngx_strlen(bad[i]);

        ngx_shop_unit_is_int(u, ngx_shop_unescape_form(u->pool, &src, &dst),
                             NGX_ERROR, "%s", bad[i]);
    }

    ngx_str_set(&src, "a\0b");

    ngx_shop_unit_is_int(u, ngx_shop_unescape_form(u->pool, &src, &dst),
                         NGX_ERROR, "a plain NUL");
}


static void
ngx_shop_unit_url_query(ngx_shop_unit_t *u)
{
    u_char            *p;
    ngx_str_t          args, name, value, all;
    ngx_shop_query_t   query;
    u_char             buf[256];

    ngx_str_set(&args, "&a=1&&b&c=&=d&e=f=g&%68=%20&");

    ngx_shop_query_init(&query, &args);

    p = buf;

    while (ngx_shop_query_next(&query, &name, &value) == NGX_OK) {
        p = ngx_sprintf(p, "[%V|%V]", &name, &value);
    }

    all.data = buf;
    all.len = p - buf;

    ngx_shop_unit_is(u, &all, "[a|1][b|][c|][|d][e|f=g][%68|%20]",
                     "all fields");
    ngx_shop_unit_is_int(u, ngx_shop_query_next(&query, &name, &value),
                         NGX_DONE, "the end stays");

    ngx_str_set(&args, "&&&");
    ngx_shop_query_init(&query, &args);

    ngx_shop_unit_is_int(u, ngx_shop_query_next(&query, &name, &value),
                         NGX_DONE, "empty fields alone");

    ngx_str_null(&args);
    ngx_shop_query_init(&query, &args);

    ngx_shop_unit_is_int(u, ngx_shop_query_next(&query, &name, &value),
                         NGX_DONE, "nothing");
}


static void
ngx_shop_unit_url_query_get(ngx_shop_unit_t *u)
{
    ngx_str_t   args, value;
    ngx_uint_t  i;

    static struct {
        const char  *args;
        ngx_int_t    rc;
        const char  *value;
    } t[] = {
        { "state=a", NGX_OK, "a" },
        { "x=y&state=a%2Bb+c&z", NGX_OK, "a+b c" },
        { "state=", NGX_OK, "" },
        { "state", NGX_OK, "" },
        { "%73tat%65=a", NGX_OK, "a" },
        { "%=x&state=a&%zz=y", NGX_OK, "a" },
        { "states=a", NGX_DECLINED, NULL },
        { "stat=a", NGX_DECLINED, NULL },
        { "State=a", NGX_DECLINED, NULL },
        { "state%00=a", NGX_DECLINED, NULL },
        { "=state", NGX_DECLINED, NULL },
        { "", NGX_DECLINED, NULL },
        { "a=state=b", NGX_DECLINED, NULL },
        { ";state=b", NGX_DECLINED, NULL },
        { "state=a&state=a", NGX_ERROR, NULL },
        { "state=&state=a", NGX_ERROR, NULL },
        { "state&state", NGX_ERROR, NULL },
        { "state=a&%73tate=b", NGX_ERROR, NULL },
        { "state=a&b=c&stat%65", NGX_ERROR, NULL },
        { "state=%", NGX_ERROR, NULL },
        { "state=%4", NGX_ERROR, NULL },
        { "state=%00", NGX_ERROR, NULL },
        { "state=a%zz", NGX_ERROR, NULL },
        { NULL, 0, NULL }
    };

    for (i = 0; t[i].args; i++) {
        args.data = (u_char *) t[i].args;
        args.len = ngx_strlen(t[i].args);

        ngx_shop_unit_is_int(u, ngx_shop_query_get(u->pool, &args, "state",
                                                   &value),
                             t[i].rc, "\"%s\"", t[i].args);

        if (t[i].rc == NGX_OK) {
            ngx_shop_unit_is(u, &value, t[i].value, "\"%s\"", t[i].args);
        }
    }
}


static void
ngx_shop_unit_url_base(ngx_shop_unit_t *u, ngx_shop_url_t *base)
{
    ngx_str_t    text;
    const char  *err;

    ngx_str_set(&text, "https://shop.example.com");

    ngx_shop_unit_ok(u, ngx_shop_url_parse(u->pool, &text, base, &err)
                        == NGX_OK,
                     "base URL");
}


static ngx_int_t
ngx_shop_unit_url_returns(ngx_shop_unit_t *u, ngx_str_t *text,
    ngx_str_t *path)
{
    ngx_str_t        site;
    const char      *err;
    ngx_shop_url_t   base;

    ngx_str_set(&site, "https://shop.example.com");

    if (ngx_shop_url_parse(u->pool, &site, &base, &err) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_shop_return_check(u->pool, text, &base, NULL, path);
}


static void
ngx_shop_unit_url_return_local(ngx_shop_unit_t *u)
{
    ngx_str_t     text, path;
    const char  **t;

    for (t = ngx_shop_unit_return_good; *t; t++) {
        text.data = (u_char *) *t;
        text.len = ngx_strlen(*t);

        if (ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text,
                                                              &path),
                                 NGX_OK, "%s", *t))
        {
            ngx_shop_unit_is(u, &path, *t, "%s", *t);
            ngx_shop_unit_ok(u, path.data != text.data, "it is a copy");
        }
    }
}


static void
ngx_shop_unit_url_return_absolute(ngx_shop_unit_t *u)
{
    ngx_str_t   text, path;
    ngx_uint_t  i;

    static const char  *t[][2] = {
        { "https://shop.example.com", "https://shop.example.com/" },
        { "https://shop.example.com/", "https://shop.example.com/" },
        { "https://shop.example.com:443/a", "https://shop.example.com/a" },
        { "https://shop.example.com:0443/a", "https://shop.example.com/a" },
        { "HTTPS://SHOP.EXAMPLE.COM/A", "https://shop.example.com/A" },
        { "https://shop.example.com?a=b", "https://shop.example.com/?a=b" },
        { "https://shop.example.com//evil.example",
          "https://shop.example.com//evil.example" },
        { "https://shop.example.com/@evil.example",
          "https://shop.example.com/@evil.example" },
        { "https://shop.example.com/?@evil.example",
          "https://shop.example.com/?@evil.example" },
        { "https://shop.example.com?@evil.example",
          "https://shop.example.com/?@evil.example" },
        { "https://shop.example.com/%5cevil.example",
          "https://shop.example.com/%5cevil.example" },
        { "https://shop.example.com/,https://evil.example/",
          "https://shop.example.com/,https://evil.example/" },
        { NULL, NULL }
    };

    for (i = 0; t[i][0]; i++) {
        text.data = (u_char *) t[i][0];
        text.len = ngx_strlen(t[i][0]);

        if (ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text,
                                                              &path),
                                 NGX_OK, "%s", t[i][0]))
        {
            ngx_shop_unit_is(u, &path, t[i][1], "%s", t[i][0]);
        }
    }
}


static void
ngx_shop_unit_url_return_hosts(ngx_shop_unit_t *u)
{
    ngx_str_t        text, path, site, *host;
    ngx_uint_t       i, n;
    const char      *err;
    ngx_array_t      hosts;
    ngx_shop_url_t   base;

    static struct {
        const char  *base;
        const char  *text;
        ngx_int_t    rc;
    } t[] = {
        { "https://shop.example.com", "https://m.example.com/", NGX_OK },
        { "https://shop.example.com", "https://M.Example.com/", NGX_OK },
        { "https://shop.example.com", "https://m.example.com:443/", NGX_OK },
        { "https://shop.example.com", "https://Other.Example/a", NGX_OK },
        { "https://shop.example.com", "https://other.example/a", NGX_OK },
        { "https://shop.example.com", "https://shop.example.com/", NGX_OK },
        { "https://shop.example.com", "https://m.example.com:444/",
          NGX_DECLINED },
        { "https://shop.example.com", "http://m.example.com/",
          NGX_DECLINED },
        { "https://shop.example.com", "https://x.m.example.com/",
          NGX_DECLINED },
        { "https://shop.example.com", "https://xm.example.com/",
          NGX_DECLINED },
        { "https://shop.example.com", "https://m.example.com.evil/",
          NGX_DECLINED },
        { "https://shop.example.com", "https://m.example.com@evil.example/",
          NGX_DECLINED },
        { "https://shop.example.com", "//m.example.com/", NGX_DECLINED },
        { "https://shop.example.com", "m.example.com", NGX_DECLINED },

        { "https://shop.example.com:8443", "https://shop.example.com:8443/",
          NGX_OK },
        { "https://shop.example.com:8443", "https://shop.example.com/",
          NGX_DECLINED },
        { "https://shop.example.com:8443", "https://m.example.com/",
          NGX_OK },
        { "https://shop.example.com:8443", "https://m.example.com:8443/",
          NGX_DECLINED },

        { "http://127.0.0.1:8080", "http://127.0.0.1:8080/a", NGX_OK },
        { "http://127.0.0.1:8080", "http://127.0.0.1:8081/a",
          NGX_DECLINED },
        { "http://127.0.0.1:8080", "http://127.0.0.1/a", NGX_DECLINED },
        { "http://127.0.0.1:8080", "http://127.1:8080/a", NGX_DECLINED },
        { "http://127.0.0.1:8080", "http://localhost:8080/a",
          NGX_DECLINED },
        { "http://127.0.0.1:8080", "https://127.0.0.1:8080/a",
          NGX_DECLINED },

        { "http://[::1]:8080", "http://[0::1]:8080/a", NGX_OK },
        { "http://[::1]:8080", "http://[::2]:8080/a", NGX_DECLINED },
        { NULL, NULL, 0 }
    };

    static const char  *listed[] = { "m.example.com", "Other.example" };

    if (ngx_array_init(&hosts, u->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return;
    }

    for (i = 0; i < 2; i++) {
        host = ngx_array_push(&hosts);
        host->data = (u_char *) listed[i];
        host->len = ngx_strlen(listed[i]);
    }

    for (i = 0; t[i].base; i++) {
        site.data = (u_char *) t[i].base;
        site.len = ngx_strlen(t[i].base);

        text.data = (u_char *) t[i].text;
        text.len = ngx_strlen(t[i].text);

        ngx_shop_unit_ok(u, ngx_shop_url_parse(u->pool, &site, &base, &err)
                            == NGX_OK,
                         "%s", t[i].base);
        ngx_shop_unit_is_int(u, ngx_shop_return_check(u->pool, &text, &base,
                                                      &hosts, &path),
                             t[i].rc, "%s from %s", t[i].text, t[i].base);
    }

    /* a list never opens more than what stands in it */

    ngx_shop_unit_url_base(u, &base);

    for (i = 0, n = 0; ngx_shop_unit_return_bad[i]; i++) {
        text.data = (u_char *) ngx_shop_unit_return_bad[i];
        text.len = ngx_strlen(text.data);

        n += ngx_shop_return_check(u->pool, &text, &base, &hosts, &path)
             != NGX_DECLINED;
    }

    ngx_shop_unit_is_int(u, n, 0, "all bad ones with a list");
}


static void
ngx_shop_unit_url_return_refuse(ngx_shop_unit_t *u)
{
    ngx_str_t     text, path;
    ngx_uint_t    n;
    const char  **t;

    n = 0;

    for (t = ngx_shop_unit_return_bad; *t; t++, n++) {
        text.data = (u_char *) *t;
        text.len = ngx_strlen(*t);

        ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text, &path),
                             NGX_DECLINED, "case %ui", n);
    }

    for (t = ngx_shop_unit_url_bad; *t; t++, n++) {
        text.data = (u_char *) *t;
        text.len = ngx_strlen(*t);

        ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text, &path),
                             NGX_DECLINED, "case %ui", n);
    }

    ngx_shop_unit_note(u, "%ui texts", n);
}


/* each byte put into, and in place of, each byte of some good texts */

static void
ngx_shop_unit_url_return_bytes(ngx_shop_unit_t *u)
{
    size_t      i, len;
    ngx_str_t   text, path, host;
    ngx_uint_t  ch, n, accepted, wrong, insert;
    u_char      buf[64];

    static const char  *good[] = {
        "/", "/a", "/evil.example/?b=c", "https://shop.example.com/a?b",
        "https://shop.example.com", NULL
    };

    n = 0;
    wrong = 0;
    accepted = 0;

    for (insert = 0; insert < 2; insert++) {
        for (ch = 0; ch < 256; ch++) {
            for (i = 0; good[i / 64]; i++) {

                len = ngx_strlen(good[i / 64]);

                if (i % 64 >= len + insert) {
                    continue;
                }

                text.len = ngx_sprintf(buf, "%*s%c%s", i % 64, good[i / 64],
                                       (int) ch,
                                       good[i / 64] + i % 64 + 1 - insert)
                           - buf;
                text.data = buf;

                n++;

                if (ngx_shop_unit_url_returns(u, &text, &path)
                    != NGX_OK)
                {
                    continue;
                }

                accepted++;

                ngx_shop_unit_url_browse(&path, &host);

                wrong += host.len != 16
                         || ngx_strncmp(host.data, "shop.example.com", 16)
                            != 0;
            }
        }
    }

    ngx_shop_unit_note(u, "%ui texts, %ui accepted", n, accepted);

    ngx_shop_unit_ok(u, accepted > 2000, "some are accepted");
    ngx_shop_unit_is_int(u, wrong, 0, "none goes elsewhere");
}


static void
ngx_shop_unit_url_return_sizes(ngx_shop_unit_t *u)
{
    size_t      len;
    u_char     *p;
    ngx_str_t   text, path;

    static size_t  lens[] = { 1, 2, 1023, 1024, 1025, 2048, 2049, 65536,
                              1048576, 0 };
    size_t        *l;

    ngx_str_null(&text);

    ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text, &path),
                         NGX_DECLINED, "nothing");

    for (l = lens; *l; l++) {
        len = *l;

        p = ngx_palloc(u->pool, len);
        if (p == NULL) {
            return;
        }

        ngx_memset(p, 'a', len);
        *p = '/';

        text.data = p;
        text.len = len;

        ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text, &path),
                             (len <= 1024) ? NGX_OK : NGX_DECLINED,
                             "%uz bytes", len);

        if (len > 30) {
            (void) ngx_cpymem(p, "https://shop.example.com/", 25);

            ngx_shop_unit_is_int(u, ngx_shop_unit_url_returns(u, &text,
                                                              &path),
                                 (len <= 1024) ? NGX_OK : NGX_DECLINED,
                                 "%uz bytes of a URL", len);
        }
    }
}


/*
 * Texts put together at random from what confuses parsers.  Whatever we
 * accept, a browser has to read as our own site.
 */

static void
ngx_shop_unit_url_return_browser(ngx_shop_unit_t *u)
{
    u_char      *p;
    uint32_t     seed;
    ngx_str_t    text, path, host;
    ngx_uint_t   i, n, k, accepted, wrong;
    u_char       buf[256];

    static const char  *parts[] = {
        "/", "//", "\\", "/", "?", "#", "@", ":", ".", "..", "%2e", "%2f",
        "%5c", "%09", "%00", "%", "\t", "\n", "\r", " ", "a", "evil.example",
        "shop.example.com", "https:", "https://", "HTTPS://", "http:",
        "https://shop.example.com", "javascript:", ":443", ":80", "[", "]",
        ";", "&", "=", "\xc3\xa9", "\xe3\x80\x82", "xn--", "127.1", "0x7f",
        "|", "'", "\"", "<", "-"
    };

    seed = 2463534242;
    accepted = 0;
    wrong = 0;

    for (i = 0; i < 200000; i++) {

        p = buf;
        n = 0;

        do {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;

            k = (seed >> 8) % (sizeof(parts) / sizeof(parts[0]));

            p = ngx_cpymem(p, parts[k], ngx_strlen(parts[k]));

        } while (++n < 7 && (seed & 7));

        text.data = buf;
        text.len = p - buf;

        if (ngx_shop_unit_url_returns(u, &text, &path) == NGX_OK) {
            accepted++;

            ngx_shop_unit_url_browse(&path, &host);

            if (host.len != 16
                || ngx_strncmp(host.data, "shop.example.com", 16) != 0)
            {
                wrong++;
                ngx_shop_unit_note(u, "%V goes to \"%V\"", &path, &host);
            }
        }

        if (i % 1000 == 999) {
            ngx_reset_pool(u->pool);
        }
    }

    ngx_shop_unit_note(u, "%ui texts, %ui accepted", i, accepted);

    ngx_shop_unit_ok(u, accepted > 1000, "some are accepted");
    ngx_shop_unit_is_int(u, wrong, 0, "none goes elsewhere");
}


/*
 * The host a browser goes to from https://shop.example.com/_shop/login, by
 * the basic URL parser of WHATWG, its leniency included; an empty one for
 * what is no web address.
 */

static void
ngx_shop_unit_url_browse(ngx_str_t *text, ngx_str_t *host)
{
    u_char         *p, *last, *at, *end, *w;
    static u_char   buf[2048];

    ngx_str_set(host, "shop.example.com");

    p = text->data;
    last = p + text->len;

    while (p < last && *p <= ' ') {
        p++;
    }

    while (p < last && last[-1] <= ' ') {
        last--;
    }

    for (w = buf; p < last && w < buf + sizeof(buf) - 1; p++) {
        if (*p != '\t' && *p != '\n' && *p != '\r') {
            *w++ = (*p == '\\') ? '/' : *p;
        }
    }

    *w = '\0';

    p = buf;
    last = w;

    /* a scheme */

    for (w = p; w < last && (isalnum((int) *w) || strchr("+-.", *w)); w++) {
        /* void */
    }

    if (w > p && ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') && *w == ':') {

        if (ngx_strncasecmp(p, (u_char *) "https:", 6) == 0) {
            p += 6;

            /* "https:path" is relative to a page of the same scheme */

            if (p[0] != '/' || p[1] != '/') {
                goto relative;
            }

        } else if (ngx_strncasecmp(p, (u_char *) "http:", 5) == 0) {
            p += 5;

        } else {
            ngx_str_null(host);
            return;
        }

        goto authority;
    }

relative:

    if (p[0] != '/' || p[1] != '/') {
        return;
    }

authority:

    while (*p == '/') {
        p++;
    }

    end = p + strcspn((char *) p, "/?#");

    for (at = p, w = p; w < end; w++) {
        if (*w == '@') {
            at = w + 1;
        }
    }

    host->data = at;
    host->len = end - at;

    if (host->len > 4 && ngx_strncmp(end - 4, ":443", 4) == 0) {
        host->len -= 4;
    }
}


static void
ngx_shop_unit_url_time(ngx_shop_unit_t *u)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    static struct {
        const char  *text;
        int64_t      t;
    } t[] = {
        { "1970-01-01", 0 },
        { "1970-01-01T00:00:01Z", 1 },
        { "1970-12-31T23:59:59Z", 31535999 },
        { "1972-02-29", 68169600 },
        { "1972-03-01", 68256000 },
        { "2000-02-29", 951782400 },
        { "2000-03-01", 951868800 },
        { "2000-12-31", 978220800 },
        { "2001-01-01", 978307200 },
        { "2004-02-29", 1078012800 },
        { "2026-09-01", 1788220800 },
        { "2026-09-01T10:00Z", 1788256800 },
        { "2026-09-01T10:00:00Z", 1788256800 },
        { "2026-09-01T12:00:00+02:00", 1788256800 },
        { "2026-09-01T12:00+02:00", 1788256800 },
        { "2026-09-01T05:30-04:30", 1788256800 },
        { "2026-09-02T09:59+23:59", 1788256800 },
        { "2038-01-19T03:14:08Z", INT64_C(2147483648) },
        { "2100-03-01", INT64_C(4107542400) },
        { "2400-02-29", INT64_C(13574563200) },
        { "9999-12-31T23:59:59Z", INT64_C(253402300799) },
        { NULL, 0 }
    };

    for (i = 0; t[i].text; i++) {
        text.data = (u_char *) t[i].text;
        text.len = ngx_strlen(t[i].text);

        ngx_shop_unit_is_int(u, ngx_shop_parse_time(&text), t[i].t, "%s",
                             t[i].text);
    }
}


static void
ngx_shop_unit_url_time_refuse(ngx_shop_unit_t *u)
{
    ngx_str_t     text;
    const char  **t;

    static const char  *bad[] = {
        "", "2", "2026", "2026-", "2026-09", "2026-09-", "2026-09-1",
        "2026-9-01", "26-09-01", "02026-09-01", "2026/09/01", "20260901",
        "2026-00-01", "2026-13-01", "2026-01-00", "2026-01-32",
        "2026-04-31", "2026-02-29", "2100-02-29", "1900-01-01",
        "1969-12-31", "1969-12-31T23:59:59Z", "0000-01-01",
        "1970-01-01T00:00:00+00:01", "+2026-09-01", "-2026-09-01",
        " 2026-09-01", "2026-09-01 ", "2026-09-01\n", "2026-09-01x",
        "2026-09-01T", "2026-09-01T10", "2026-09-01T10:", "2026-09-01T10Z",
        "2026-09-01T10:00", "2026-09-01T10:00:00", "2026-09-01T1:00Z",
        "2026-09-01T10:0Z", "2026-09-01T10:00:Z", "2026-09-01T10:00:0Z",
        "2026-09-01T24:00Z", "2026-09-01T10:60Z", "2026-09-01T10:00:60Z",
        "2026-09-01t10:00Z", "2026-09-01T10:00z", "2026-09-01 10:00Z",
        "2026-09-01T10:00:00.5Z", "2026-09-01T10:00ZZ",
        "2026-09-01T10:00+", "2026-09-01T10:00+2", "2026-09-01T10:00+02",
        "2026-09-01T10:00+0200", "2026-09-01T10:00+02:0",
        "2026-09-01T10:00+24:00", "2026-09-01T10:00+02:60",
        "2026-09-01T10:00+02:00Z", "2026-09-01T10:00 +02:00",
        "2026-09-01TT10:00Z", "aaaa-bb-cc", "2026-0a-01", "never", NULL
    };

    for (t = bad; *t; t++) {
        text.data = (u_char *) *t;
        text.len = ngx_strlen(*t);

        ngx_shop_unit_is_int(u, ngx_shop_parse_time(&text), NGX_ERROR,
                             "\"%s\"", *t);
    }
}


static void
ngx_shop_unit_url_names(ngx_shop_unit_t *u)
{
    ngx_str_t   text;
    ngx_uint_t  ch;
    u_char      buf[66];

    ngx_memset(buf, 'a', sizeof(buf));

    text.data = buf;

    for (text.len = 0; text.len <= 66; text.len++) {
        ngx_shop_unit_is_int(u, ngx_shop_name_valid(&text),
                             text.len >= 1 && text.len <= 40,
                             "a name of %uz", text.len);
        ngx_shop_unit_is_int(u, ngx_shop_customer_id_valid(&text),
                             text.len >= 1 && text.len <= 64,
                             "an id of %uz", text.len);
    }

    text.len = 3;

    for (ch = 0; ch < 256; ch++) {
        buf[1] = (u_char) ch;

        ngx_shop_unit_is_int(u, ngx_shop_name_valid(&text),
                             ch < 128 && (isalnum((int) ch) || ch == '_'
                                          || ch == '-'),
                             "byte %ui of a name", ch);
        ngx_shop_unit_is_int(u, ngx_shop_customer_id_valid(&text),
                             ch < 128 && ch != 0
                             && (isalnum((int) ch)
                                 || strchr("._~:@-", (int) ch)),
                             "byte %ui of an id", ch);
    }

    ngx_shop_unit_ok(u, ngx_shop_decimal(u->pool, INT64_MIN, &text)
                        == NGX_OK, "decimal");
    ngx_shop_unit_is(u, &text, "-9223372036854775808", "decimal");
}
