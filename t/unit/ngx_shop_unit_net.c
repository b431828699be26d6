
/*
 * Copyright (C) The ngx_shop authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "net/ngx_shop_net.h"

#include "ngx_shop_unit.h"


/*
 * The response parser.  What comes of a response is summed up in a text:
 *
 *     "200 keep [body]"       whole, the connection may be kept
 *     "200 close [body] +3"   whole, may not; three bytes stand behind it
 *     "malformed"             the reason of a refusal
 *
 * Every response is fed whole, byte by byte and in pieces, each piece in
 * memory of its own, and must come to the same.
 */


#define NGX_SHOP_UNIT_NET_MAX_BODY  64


typedef struct {
    const char                *name;
    ngx_str_t                  text;
    const char                *expected;
} ngx_shop_unit_net_case_t;


static void ngx_shop_unit_net_good(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_bad(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_bytes(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_cut(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_mutated(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_head(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_header_limit(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_interim_limit(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_trailer_limit(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_extension_limit(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_small_chunks(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_large_body(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_final(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_header(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_resolver(ngx_shop_unit_t *u);
static void ngx_shop_unit_net_cases(ngx_shop_unit_t *u,
    ngx_shop_unit_net_case_t *cases);
static ngx_uint_t ngx_shop_unit_net_same(ngx_shop_unit_t *u, ngx_str_t *text);
static void ngx_shop_unit_net_feed(ngx_shop_unit_t *u, ngx_str_t *text,
    size_t piece, size_t max_body, ngx_uint_t head, ngx_str_t *summary);
static void ngx_shop_unit_net_flood(ngx_shop_unit_t *u, const char *start,
    const char *repeated, ngx_uint_t times, const char *end, size_t max_body,
    ngx_str_t *summary);


#define OK        "HTTP/1.1 200 OK\r\n"
#define LEN(n)    OK "Content-Length: " n "\r\n\r\n"
#define CHUNKED   OK "Transfer-Encoding: chunked\r\n\r\n"
#define FIELD(f)  OK f "\r\nContent-Length: 2\r\n\r\nab"


static ngx_shop_unit_net_case_t  ngx_shop_unit_net_good_cases[] = {

    /* lengths */

    { "a body with a length",
      ngx_string(LEN("5") "hello"), "200 keep [hello]" },
    { "an empty body",
      ngx_string(LEN("0")), "200 keep []" },
    { "zeros before a length",
      ngx_string(LEN("0000000000000000000000005") "hello"),
      "200 keep [hello]" },
    { "a length twice, the same",
      ngx_string(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
      "200 keep [hello]" },
    { "a length as a list of the same",
      ngx_string(LEN("5, 5") "hello"), "200 keep [hello]" },
    { "a length as a list without blanks",
      ngx_string(LEN("5,5,5") "hello"), "200 keep [hello]" },
    { "a body of all that is allowed",
      ngx_string(LEN("64")
                 "0123456789abcdef0123456789abcdef"
                 "0123456789abcdef0123456789abcdef"),
      "200 keep [0123456789abcdef0123456789abcdef"
                "0123456789abcdef0123456789abcdef]" },
    { "a body with every kind of byte",
      ngx_string(LEN("6") "a\r\n\r\nb"), "200 keep [a\r\n\r\nb]" },
    { "a body up to the end of the connection",
      ngx_string(OK "\r\nhello"), "200 close [hello]" },
    { "an empty body up to the end of the connection",
      ngx_string(OK "\r\n"), "200 close []" },
    { "no headers but an end of connection in HTTP/1.0",
      ngx_string("HTTP/1.0 200 OK\r\n\r\nhello"), "200 close [hello]" },
    { "bytes behind a response",
      ngx_string(LEN("5") "helloHTTP/1.1 200 OK"), "200 keep [hello] +15" },
    { "a line end behind a response",
      ngx_string(LEN("5") "hello\r\n"), "200 keep [hello] +2" },

    /* the status line */

    { "no reason phrase",
      ngx_string("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
      "200 keep []" },
    { "no reason phrase, nor a blank before it",
      ngx_string("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
      "200 keep []" },
    { "a reason phrase of several words",
      ngx_string("HTTP/1.1 503 Out of\tpaper\r\nContent-Length: 0\r\n\r\n"),
      "503 keep []" },
    { "a reason phrase beyond ASCII",
      ngx_string("HTTP/1.1 404 \xc3\xa4\r\nContent-Length: 0\r\n\r\n"),
      "404 keep []" },
    { "a later minor version",
      ngx_string("HTTP/1.7 200 OK\r\nContent-Length: 0\r\n\r\n"),
      "200 keep []" },
    { "an unknown status",
      ngx_string("HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n"),
      "599 keep []" },
    { "a redirect is a response like others",
      ngx_string("HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\n"
                 "Content-Length: 0\r\n\r\n"),
      "302 keep []" },

    /* connection */

    { "Connection: close",
      ngx_string(FIELD("Connection: close")), "200 close [ab]" },
    { "close among other words, in capitals",
      ngx_string(FIELD("Connection: x,  CLOSE ,y")), "200 close [ab]" },
    { "close in a second field",
      ngx_string(FIELD("Connection: keep-alive\r\nConnection: close")),
      "200 close [ab]" },
    { "a word that only begins like close",
      ngx_string(FIELD("Connection: closed")), "200 keep [ab]" },
    { "an empty Connection",
      ngx_string(FIELD("Connection:")), "200 keep [ab]" },
    { "HTTP/1.0 closes",
      ngx_string("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab"),
      "200 close [ab]" },
    { "HTTP/1.0 with keep-alive",
      ngx_string("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n"
                 "Content-Length: 2\r\n\r\nab"),
      "200 keep [ab]" },
    { "HTTP/1.0 with keep-alive and close",
      ngx_string("HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n"
                 "Content-Length: 2\r\n\r\nab"),
      "200 close [ab]" },

    /* no body */

    { "204 has no body",
      ngx_string("HTTP/1.1 204 No Content\r\n\r\n"), "204 keep []" },
    { "204 with a length of 0",
      ngx_string("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
      "204 keep []" },
    { "204 with a length is not waited for, nor kept",
      ngx_string("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
      "204 close []" },
    { "204 with a coding is not waited for, nor kept",
      ngx_string("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n"),
      "204 close []" },
    { "204 with a body leaves it behind",
      ngx_string("HTTP/1.1 204 No Content\r\n\r\nhello"),
      "204 keep [] +5" },
    { "304 has no body whatever its length says",
      ngx_string("HTTP/1.1 304 Not Modified\r\n"
                 "Content-Length: 5000000\r\n\r\n"),
      "304 keep []" },

    /* interim answers */

    { "a 100 before the answer",
      ngx_string("HTTP/1.1 100 Continue\r\n\r\n" LEN("5") "hello"),
      "200 keep [hello]" },
    { "several interim answers with headers",
      ngx_string("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"
                 "Connection: close\r\nContent-Type: a/b\r\n"
                 "Content-Length: 7\r\n\r\n"
                 "HTTP/1.1 102 Processing\r\n\r\n" LEN("5") "hello"),
      "200 keep [hello]" },

    /* chunks */

    { "one chunk",
      ngx_string(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), "200 keep [hello]" },
    { "several chunks",
      ngx_string(CHUNKED "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"),
      "200 keep [hello]" },
    { "no chunk at all",
      ngx_string(CHUNKED "0\r\n\r\n"), "200 keep []" },
    { "a coding in capitals",
      ngx_string(OK "TRANSFER-ENCODING:\tChunked \r\n\r\n"
                 "5\r\nhello\r\n0\r\n\r\n"),
      "200 keep [hello]" },
    { "hex digits of both cases",
      ngx_string(CHUNKED "a\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n"),
      "200 keep [012345678901234567890]" },
    { "zeros before a chunk size, and many in the last one",
      ngx_string(CHUNKED "0005\r\nhello\r\n000000000000000\r\n\r\n"),
      "200 keep [hello]" },
    { "chunk extensions",
      ngx_string(CHUNKED "5;a=b;c=\"d;e\"\r\nhello\r\n0;last\r\n\r\n"),
      "200 keep [hello]" },
    { "blanks before a chunk extension",
      ngx_string(CHUNKED "5 \t; a = b\r\nhello\r\n0\r\n\r\n"),
      "200 keep [hello]" },
    { "line ends within a chunk",
      ngx_string(CHUNKED "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"),
      "200 keep [\r\n0\r\n\r\n]" },
    { "a trailer",
      ngx_string(CHUNKED "5\r\nhello\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n"),
      "200 keep [hello]" },
    { "framing in a trailer means nothing",
      ngx_string(CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 99\r\n"
                 "Connection: close\r\nTransfer-Encoding: x\r\n\r\n"),
      "200 keep [hello]" },
    { "chunks and bytes behind them",
      ngx_string(CHUNKED "0\r\n\r\nx"), "200 keep [] +1" },
    { "chunks of all that is allowed",
      ngx_string(CHUNKED "20\r\n0123456789abcdef0123456789abcdef\r\n"
                 "20\r\n0123456789abcdef0123456789abcdef\r\n0\r\n\r\n"),
      "200 keep [0123456789abcdef0123456789abcdef"
                "0123456789abcdef0123456789abcdef]" },
    { "chunks and Connection: close",
      ngx_string(OK "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                 "1\r\na\r\n0\r\n\r\n"),
      "200 close [a]" },

    /* lines and fields */

    { "lines that end with LF",
      ngx_string("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
      "200 keep [hello]" },
    { "lines of both ends, a trailer with LF",
      ngx_string("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\r\n\n"
                 "1\r\na\r\n0\r\nA: b\n\n"),
      "200 keep [a]" },
    { "blanks around a value",
      ngx_string(OK "Content-Length: \t 5 \t \r\n\r\nhello"),
      "200 keep [hello]" },
    { "no blank before a value",
      ngx_string(OK "content-length:5\r\n\r\nhello"), "200 keep [hello]" },
    { "an empty value",
      ngx_string(FIELD("X-Empty:")), "200 keep [ab]" },
    { "every character of a name",
      ngx_string(FIELD("!#$%&'*+-.^_`|~09AZaz: x")), "200 keep [ab]" },
    { "a value beyond ASCII",
      ngx_string(FIELD("X-A: \xff\xfe\x80")), "200 keep [ab]" },
    { "names that only begin like ours",
      ngx_string(FIELD("Content-Lengths: 9\r\nTransfer-Encodin: x\r\n"
                       "Content-Typ: a\r\nContent: b")),
      "200 keep [ab]" },
    { "a type",
      ngx_string(FIELD("Content-Type: application/json; charset=utf-8")),
      "200 keep application/json; charset=utf-8 [ab]" },
    { "the coding identity",
      ngx_string(FIELD("Content-Encoding: Identity")), "200 keep [ab]" },

    { NULL, ngx_null_string, NULL }
};


static ngx_shop_unit_net_case_t  ngx_shop_unit_net_bad_cases[] = {

    /* the status line */

    { "nothing", ngx_string(""), "closed" },
    { "an empty line", ngx_string("\r\n"), "malformed" },
    { "an empty line before the status",
      ngx_string("\r\n" LEN("0")), "malformed" },
    { "a blank before the status", ngx_string(" " LEN("0")), "malformed" },
    { "HTTP/0.9", ngx_string("<html>hello</html>\r\n"), "malformed" },
    { "JSON without HTTP", ngx_string("{\"a\": 1}\n"), "malformed" },
    { "another protocol", ngx_string("SSH-2.0-OpenSSH_9.2\r\n"),
      "malformed" },
    { "a TLS alert", ngx_string("\x15\x03\x01\x00\x02\x02\x0a\n"),
      "malformed" },
    { "HTTP/2.0", ngx_string("HTTP/2.0 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/2", ngx_string("HTTP/2 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/1", ngx_string("HTTP/1 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/1.", ngx_string("HTTP/1. 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/1.10", ngx_string("HTTP/1.10 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/01.1", ngx_string("HTTP/01.1 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/1,1", ngx_string("HTTP/1,1 200 OK\r\n\r\n"), "malformed" },
    { "HTTP/1.x", ngx_string("HTTP/1.x 200 OK\r\n\r\n"), "malformed" },
    { "http in small letters", ngx_string("http/1.1 200 OK\r\n\r\n"),
      "malformed" },
    { "ICY", ngx_string("ICY 200 OK\r\n\r\n"), "malformed" },
    { "no status", ngx_string("HTTP/1.1\r\n\r\n"), "malformed" },
    { "an empty status", ngx_string("HTTP/1.1  OK\r\n\r\n"), "malformed" },
    { "a status of two digits", ngx_string("HTTP/1.1 20 OK\r\n\r\n"),
      "malformed" },
    { "a status of four digits", ngx_string("HTTP/1.1 2000 OK\r\n\r\n"),
      "malformed" },
    { "a status with a sign", ngx_string("HTTP/1.1 +20 OK\r\n\r\n"),
      "malformed" },
    { "a negative status", ngx_string("HTTP/1.1 -20 OK\r\n\r\n"),
      "malformed" },
    { "a status with a letter", ngx_string("HTTP/1.1 2O0 OK\r\n\r\n"),
      "malformed" },
    { "a status in hex", ngx_string("HTTP/1.1 0xC8 OK\r\n\r\n"),
      "malformed" },
    { "status 000", ngx_string("HTTP/1.1 000 OK\r\n\r\n"), "malformed" },
    { "status 099", ngx_string("HTTP/1.1 099 OK\r\n\r\n"), "malformed" },
    { "status 600", ngx_string("HTTP/1.1 600 OK\r\n\r\n"), "malformed" },
    { "status 999", ngx_string("HTTP/1.1 999 OK\r\n\r\n"), "malformed" },
    { "an upgrade nobody asked for",
      ngx_string("HTTP/1.1 101 Switching Protocols\r\n\r\nhello"),
      "malformed" },
    { "two blanks before the status",
      ngx_string("HTTP/1.1  200 OK\r\n\r\n"), "malformed" },
    { "a tab before the status",
      ngx_string("HTTP/1.1\t200 OK\r\n\r\n"), "malformed" },
    { "no blank behind the status",
      ngx_string("HTTP/1.1 200OK\r\n\r\n"), "malformed" },
    { "a tab behind the status",
      ngx_string("HTTP/1.1 200\tOK\r\n\r\n"), "malformed" },
    { "a NUL in the status line",
      ngx_string("HTTP/1.1 200 O\0K\r\n\r\n"), "malformed" },
    { "a CR in the status line",
      ngx_string("HTTP/1.1 200 O\rK\r\n\r\n"), "malformed" },
    { "two CRs behind the status line",
      ngx_string("HTTP/1.1 200 OK\r\r\n\r\n"), "malformed" },
    { "an escape in the reason phrase",
      ngx_string("HTTP/1.1 200 \x1b[2J\r\n\r\n"), "malformed" },
    { "a status line that ends the connection",
      ngx_string("HTTP/1.1 200 OK"), "closed" },

    /* lengths */

    { "an empty length", ngx_string(LEN("")), "malformed" },
    { "a blank length", ngx_string(LEN("  ")), "malformed" },
    { "a length with a plus", ngx_string(LEN("+5") "hello"), "malformed" },
    { "a negative length", ngx_string(LEN("-5") "hello"), "malformed" },
    { "minus zero", ngx_string(LEN("-0")), "malformed" },
    { "a length in hex", ngx_string(LEN("0x5") "hello"), "malformed" },
    { "a length with a fraction", ngx_string(LEN("5.0") "hello"),
      "malformed" },
    { "a length with an exponent", ngx_string(LEN("5e0") "hello"),
      "malformed" },
    { "a length with a unit", ngx_string(LEN("5 bytes") "hello"),
      "malformed" },
    { "a length with a blank within", ngx_string(LEN("1 0") "0123456789"),
      "malformed" },
    { "a length with an underscore", ngx_string(LEN("1_0") "0123456789"),
      "malformed" },
    { "a quoted length", ngx_string(LEN("\"5\"") "hello"), "malformed" },
    { "a length beyond ASCII", ngx_string(LEN("\xef\xbc\x95") "hello"),
      "malformed" },
    { "a length with a semicolon", ngx_string(LEN("5;5") "hello"),
      "malformed" },
    { "a list of two lengths", ngx_string(LEN("5, 6") "hello"),
      "malformed" },
    { "a list with an empty place", ngx_string(LEN("5,,5") "hello"),
      "malformed" },
    { "a list that begins with a comma", ngx_string(LEN(",5") "hello"),
      "malformed" },
    { "a list that ends with a comma", ngx_string(LEN("5,") "hello"),
      "malformed" },
    { "a comma", ngx_string(LEN(",")), "malformed" },
    { "a list with a bad second place", ngx_string(LEN("5, x") "hello"),
      "malformed" },
    { "two different lengths",
      ngx_string(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
      "malformed" },
    { "a length and an empty one",
      ngx_string(OK "Content-Length: 5\r\nContent-Length:\r\n\r\nhello"),
      "malformed" },
    { "two lengths far apart, differently written names",
      ngx_string(OK "CONTENT-LENGTH: 5\r\nA: b\r\ncontent-length: 4\r\n\r\n"
                 "hello"),
      "malformed" },
    { "a length one over the limit", ngx_string(LEN("65")), "too_large" },
    { "a length of 2^31", ngx_string(LEN("2147483648")), "too_large" },
    { "a length of 2^32 + 5", ngx_string(LEN("4294967301") "hello"),
      "too_large" },
    { "a length of 2^63 - 1", ngx_string(LEN("9223372036854775807")),
      "too_large" },
    { "a length of 2^63", ngx_string(LEN("9223372036854775808")),
      "too_large" },
    { "a length of 2^64 + 5", ngx_string(LEN("18446744073709551621")
                                         "hello"),
      "too_large" },
    { "a length of forty digits",
      ngx_string(LEN("9999999999999999999999999999999999999999")),
      "too_large" },
    { "a huge length with a bad end",
      ngx_string(LEN("99999999999999999999x")), "malformed" },
    { "a body that is too short", ngx_string(LEN("6") "hello"), "closed" },
    { "no body though a length", ngx_string(LEN("6")), "closed" },
    { "a body up to the end over the limit",
      ngx_string(OK "\r\n"
                 "0123456789abcdef0123456789abcdef"
                 "0123456789abcdef0123456789abcdefx"),
      "too_large" },

    /* codings */

    { "a length and chunks",
      ngx_string(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n0\r\n\r\n"),
      "malformed" },
    { "chunks and a length",
      ngx_string(OK "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"
                 "5\r\nhello\r\n0\r\n\r\n"),
      "malformed" },
    { "chunks in HTTP/1.0",
      ngx_string("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n0\r\n\r\n"),
      "malformed" },
    { "an empty coding", ngx_string(FIELD("Transfer-Encoding:")),
      "malformed" },
    { "the coding identity", ngx_string(FIELD("Transfer-Encoding: identity")),
      "malformed" },
    { "the coding gzip", ngx_string(FIELD("Transfer-Encoding: gzip")),
      "malformed" },
    { "gzip, chunked",
      ngx_string(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "chunked, identity",
      ngx_string(OK "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "chunked, chunked",
      ngx_string(OK "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "chunked twice",
      ngx_string(OK "Transfer-Encoding: chunked\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "chunked and a comma",
      ngx_string(OK "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "chunked with a parameter",
      ngx_string(OK "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "xchunked",
      ngx_string(OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "quoted chunked",
      ngx_string(OK "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "chunked behind a vertical tab",
      ngx_string(OK "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "compressed content", ngx_string(FIELD("Content-Encoding: gzip")),
      "malformed" },
    { "an empty content coding", ngx_string(FIELD("Content-Encoding:")),
      "malformed" },
    { "two content codings",
      ngx_string(FIELD("Content-Encoding: identity, br")), "malformed" },

    /* chunks */

    { "a chunk without a size", ngx_string(CHUNKED "\r\nhello"),
      "malformed" },
    { "a chunk size that is no number", ngx_string(CHUNKED "g\r\n"),
      "malformed" },
    { "a negative chunk size", ngx_string(CHUNKED "-1\r\n"), "malformed" },
    { "a chunk size with a plus", ngx_string(CHUNKED "+5\r\nhello\r\n"),
      "malformed" },
    { "a chunk size with 0x", ngx_string(CHUNKED "0x5\r\nhello\r\n"),
      "malformed" },
    { "a blank before a chunk size",
      ngx_string(CHUNKED " 5\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a blank behind a chunk size",
      ngx_string(CHUNKED "5 \r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a blank within a chunk size",
      ngx_string(CHUNKED "0 5\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a comma behind a chunk size",
      ngx_string(CHUNKED "5,\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a chunk extension without a size",
      ngx_string(CHUNKED ";a\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a chunk size that ends with LF",
      ngx_string(CHUNKED "5\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a CR in a chunk size",
      ngx_string(CHUNKED "5\r;\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a NUL in a chunk extension",
      ngx_string(CHUNKED "5;\0\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a LF in a chunk extension",
      ngx_string(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a chunk that ends with LF",
      ngx_string(CHUNKED "5\r\nhello\n0\r\n\r\n"), "malformed" },
    { "a chunk that ends with CR",
      ngx_string(CHUNKED "5\r\nhello\r0\r\n\r\n"), "malformed" },
    { "a chunk that is longer than its size",
      ngx_string(CHUNKED "4\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a chunk that is shorter than its size",
      ngx_string(CHUNKED "6\r\nhello\r\n0\r\n\r\n"), "malformed" },
    { "a chunk size one over the limit", ngx_string(CHUNKED "41\r\n"),
      "too_large" },
    { "chunks that add up to over the limit",
      ngx_string(CHUNKED "20\r\n0123456789abcdef0123456789abcdef\r\n21\r\n"),
      "too_large" },
    { "a chunk size of 2^31", ngx_string(CHUNKED "80000000\r\n"),
      "too_large" },
    { "a chunk size of 2^32 + 5", ngx_string(CHUNKED "100000005\r\nhello"),
      "too_large" },
    { "a chunk size of 2^60 - 1", ngx_string(CHUNKED "fffffffffffffff\r\n"),
      "too_large" },
    { "a chunk size of 2^64 - 1", ngx_string(CHUNKED "ffffffffffffffff\r\n"),
      "malformed" },
    { "a chunk size of 2^64 + 5",
      ngx_string(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
      "malformed" },
    { "a chunk size of many zeros",
      ngx_string(CHUNKED "00000000000000000005\r\nhello\r\n0\r\n\r\n"),
      "malformed" },
    { "chunks without a last one",
      ngx_string(CHUNKED "5\r\nhello\r\n"), "closed" },
    { "a last chunk without an end",
      ngx_string(CHUNKED "5\r\nhello\r\n0\r\n"), "closed" },
    { "a trailer without an end",
      ngx_string(CHUNKED "0\r\nA: b\r\n"), "closed" },
    { "a trailer that is no field",
      ngx_string(CHUNKED "0\r\nhello\r\n\r\n"), "malformed" },
    { "a folded trailer",
      ngx_string(CHUNKED "0\r\nA: b\r\n c\r\n\r\n"), "malformed" },
    { "a NUL in a trailer",
      ngx_string(CHUNKED "0\r\nA: \0\r\n\r\n"), "malformed" },
    { "the next response as a trailer",
      ngx_string(CHUNKED "0\r\nHTTP/1.1 200 OK\r\n\r\n"), "malformed" },

    /* fields */

    { "a line without a colon", ngx_string(FIELD("hello")), "malformed" },
    { "a line of a colon", ngx_string(FIELD(":")), "malformed" },
    { "an empty name", ngx_string(FIELD(": value")), "malformed" },
    { "a blank before the colon", ngx_string(FIELD("X-A : b")),
      "malformed" },
    { "a tab before the colon", ngx_string(FIELD("X-A\t: b")),
      "malformed" },
    { "a length with a blank before the colon",
      ngx_string(OK "Content-Length : 5\r\n\r\nhello"), "malformed" },
    { "a coding with a blank before the colon",
      ngx_string(OK "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "a blank in a name", ngx_string(FIELD("X A: b")), "malformed" },
    { "a folded first line", ngx_string(FIELD(" X-A: b")), "malformed" },
    { "a folded value", ngx_string(FIELD("X-A: b\r\n c")), "malformed" },
    { "a value folded by a tab", ngx_string(FIELD("X-A: b\r\n\tc")),
      "malformed" },
    { "a folded coding",
      ngx_string(OK "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
      "malformed" },
    { "a line of a blank", ngx_string(FIELD(" ")), "malformed" },
    { "a slash in a name", ngx_string(FIELD("X/A: b")), "malformed" },
    { "brackets in a name", ngx_string(FIELD("X(A): b")), "malformed" },
    { "a name beyond ASCII", ngx_string(FIELD("X-\xc3\xa4: b")),
      "malformed" },
    { "a NUL in a name", ngx_string(FIELD("X-\0A: b")), "malformed" },
    { "a NUL in a value", ngx_string(FIELD("X-A: b\0c")), "malformed" },
    { "a CR in a value", ngx_string(FIELD("X-A: b\rc")), "malformed" },
    { "a CR before a field", ngx_string(FIELD("\rX-A: b")), "malformed" },
    { "two CRs behind a value", ngx_string(FIELD("X-A: b\r")),
      "malformed" },
    { "an escape in a value", ngx_string(FIELD("X-A: \x1b[2J")),
      "malformed" },
    { "a DEL in a value", ngx_string(FIELD("X-A: \x7f")), "malformed" },
    { "two types",
      ngx_string(FIELD("Content-Type: a/b\r\nContent-Type: c/d")),
      "malformed" },
    { "headers without an end", ngx_string(OK "A: b\r\n"), "closed" },
    { "headers cut within a line", ngx_string(OK "A: b"), "closed" },
    { "a CR where the headers should end", ngx_string(OK "\rhello"),
      "closed" },

    /* interim answers */

    { "only an interim answer",
      ngx_string("HTTP/1.1 100 Continue\r\n\r\n"), "closed" },
    { "an interim answer with a body",
      ngx_string("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"
                 LEN("0")),
      "malformed" },
    { "an interim answer in chunks",
      ngx_string("HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n"
                 "\r\n0\r\n\r\n" LEN("0")),
      "malformed" },
    { "an upgrade behind an interim answer",
      ngx_string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Up\r\n\r\n"),
      "malformed" },

    { NULL, ngx_null_string, NULL }
};


/* seeds of the mutations */

static ngx_str_t  ngx_shop_unit_net_seeds[] = {

    ngx_string("HTTP/1.1 200 OK\r\nServer: x\r\n"
               "Content-Type: application/json\r\nContent-Length: 8\r\n"
               "Connection: keep-alive\r\n\r\n{\"a\":12}"),

    ngx_string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
               "Transfer-Encoding: chunked\r\n\r\n"
               "5\r\nhello\r\n006;a=b\r\n world\r\n0\r\nA: b\r\n\r\n"),

    ngx_string("HTTP/1.0 404 Not Found\nConnection: keep-alive, x\n"
               "Content-Length: 3, 3\n\nabc"),

    ngx_null_string
};


static ngx_str_t  ngx_shop_unit_net_bits[] = {
    ngx_string("\0"),
    ngx_string("\r"),
    ngx_string("\n"),
    ngx_string("\r\n"),
    ngx_string(" "),
    ngx_string("\t"),
    ngx_string(":"),
    ngx_string(","),
    ngx_string(";"),
    ngx_string("0"),
    ngx_string("9"),
    ngx_string("f"),
    ngx_string("-"),
    ngx_string("\x7f"),
    ngx_string("\xff"),
    ngx_string("Content-Length: 1\r\n"),
    ngx_string("Transfer-Encoding: chunked\r\n"),
    ngx_string("HTTP/1.1 100 x\r\n\r\n"),
    ngx_string("ffffffffffffffff"),
    ngx_null_string
};


ngx_shop_unit_test_t  ngx_shop_unit_net_tests[] = {
    { "accepted", ngx_shop_unit_net_good },
    { "refused", ngx_shop_unit_net_bad },
    { "a control byte in a value", ngx_shop_unit_net_bytes },
    { "cut at any byte", ngx_shop_unit_net_cut },
    { "mutated at any byte", ngx_shop_unit_net_mutated },
    { "an answer to HEAD", ngx_shop_unit_net_head },
    { "a flood of headers", ngx_shop_unit_net_header_limit },
    { "a flood of interim answers", ngx_shop_unit_net_interim_limit },
    { "a flood of trailers", ngx_shop_unit_net_trailer_limit },
    { "a flood of chunk extensions", ngx_shop_unit_net_extension_limit },
    { "many small chunks", ngx_shop_unit_net_small_chunks },
    { "a large body", ngx_shop_unit_net_large_body },
    { "after the end", ngx_shop_unit_net_final },
    { "a header of the owner", ngx_shop_unit_net_header },
    { "a resolver is needed", ngx_shop_unit_net_resolver },
    { NULL, NULL }
};


static void
ngx_shop_unit_net_good(ngx_shop_unit_t *u)
{
    ngx_shop_unit_net_cases(u, ngx_shop_unit_net_good_cases);
}


static void
ngx_shop_unit_net_bad(ngx_shop_unit_t *u)
{
    ngx_shop_unit_net_cases(u, ngx_shop_unit_net_bad_cases);
}


static void
ngx_shop_unit_net_bytes(ngx_shop_unit_t *u)
{
    ngx_str_t    text, summary;
    ngx_uint_t   ch, refused;
    u_char       buf[64];

    for (ch = 0; ch < 256; ch++) {

        text.data = buf;
        text.len = ngx_sprintf(buf, OK "A: b") - buf;
        buf[text.len++] = (u_char) ch;
        text.len = ngx_sprintf(buf + text.len,
                               "c\r\nContent-Length: 0\r\n\r\n")
                   - buf;

        ngx_shop_unit_net_feed(u, &text, text.len,
                               NGX_SHOP_UNIT_NET_MAX_BODY, 0, &summary);

        /* a LF makes a line "c" without a colon */

        refused = (ch < 0x20 && ch != '\t') || ch == 0x7f;

        ngx_shop_unit_is(u, &summary, refused ? "malformed" : "200 keep []",
                         "byte %ui", ch);
    }
}


static void
ngx_shop_unit_net_cut(ngx_shop_unit_t *u)
{
    ngx_str_t   *seed, text, summary;
    ngx_uint_t   n, failed;

    for (seed = ngx_shop_unit_net_seeds; seed->len; seed++) {

        failed = 0;

        for (n = 0; n < seed->len; n++) {
            text.len = n;
            text.data = seed->data;

            ngx_shop_unit_net_feed(u, &text, n ? n : 1,
                                   NGX_SHOP_UNIT_NET_MAX_BODY, 0, &summary);

            if (summary.len != 6
                || ngx_strncmp(summary.data, "closed", 6) != 0
                || !ngx_shop_unit_net_same(u, &text))
            {
                ngx_shop_unit_note(u, "cut at %ui: %V", n, &summary);
                failed++;
            }
        }

        ngx_shop_unit_is_int(u, failed, 0, "%uz places, all seen", seed->len);
    }
}


/* whatever it comes to, it must not depend on the pieces */

static void
ngx_shop_unit_net_mutated(ngx_shop_unit_t *u)
{
    u_char      *p;
    size_t       i;
    ngx_str_t   *seed, *bit, text;
    ngx_uint_t   failed, n, drop;
    u_char       buf[512];

    for (seed = ngx_shop_unit_net_seeds; seed->len; seed++) {

        failed = 0;
        n = 0;

        for (i = 0; i <= seed->len; i++) {

            for (bit = ngx_shop_unit_net_bits; bit->len; bit++) {

                /* put before a byte, in its place, in place of four */

                for (drop = 0; drop <= 4; drop += (drop ? 3 : 1)) {

                    if (i + drop > seed->len) {
                        continue;
                    }

                    p = ngx_cpymem(buf, seed->data, i);
                    p = ngx_cpymem(p, bit->data, bit->len);
                    p = ngx_cpymem(p, seed->data + i + drop,
                                   seed->len - i - drop);

                    text.data = buf;
                    text.len = p - buf;

                    n++;

                    if (!ngx_shop_unit_net_same(u, &text)) {
                        ngx_shop_unit_note(u, "at %uz: \"%V\" for %ui", i, bit,
                                           drop);
                        failed++;
                    }
                }
            }
        }

        ngx_shop_unit_is_int(u, failed, 0, "%ui mutations", n);
    }
}


static void
ngx_shop_unit_net_head(ngx_shop_unit_t *u)
{
    ngx_str_t  text, summary;

    ngx_str_set(&text, LEN("5000000"));

    ngx_shop_unit_net_feed(u, &text, text.len, NGX_SHOP_UNIT_NET_MAX_BODY, 1,
                           &summary);

    ngx_shop_unit_is(u, &summary, "200 keep []", "its length means nothing");

    ngx_str_set(&text, CHUNKED);

    ngx_shop_unit_net_feed(u, &text, 1, NGX_SHOP_UNIT_NET_MAX_BODY, 1,
                           &summary);

    ngx_shop_unit_is(u, &summary, "200 keep []", "nor does its coding");
}


static void
ngx_shop_unit_net_header_limit(ngx_shop_unit_t *u)
{
    ngx_str_t  summary;

    ngx_shop_unit_net_flood(u, OK, "X-Field: some value\r\n", 1000,
                            "Content-Length: 0\r\n\r\n", 64, &summary);

    ngx_shop_unit_is(u, &summary, "200 keep []", "21 KB pass");

    ngx_shop_unit_net_flood(u, OK, "X-Field: some value\r\n", 2000,
                            "Content-Length: 0\r\n\r\n", 64, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "42 KB do not");

    ngx_shop_unit_net_flood(u, OK "X-Field: ", "some value", 10000,
                            "", 64, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "nor one line of 100 KB");

    ngx_shop_unit_net_flood(u, "HTTP/1.1 200 ", "OK ", 100000, "", 64,
                            &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "nor such a status line");

    ngx_shop_unit_net_flood(u, "", "x", 100000, "", 64, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "nor rubbish without a line");
}


static void
ngx_shop_unit_net_interim_limit(ngx_shop_unit_t *u)
{
    ngx_str_t  summary;

    ngx_shop_unit_net_flood(u, "", "HTTP/1.1 100 Continue\r\n\r\n", 100,
                            LEN("0"), 64, &summary);

    ngx_shop_unit_is(u, &summary, "200 keep []", "100 pass");

    ngx_shop_unit_net_flood(u, "", "HTTP/1.1 100 Continue\r\n\r\n", 2000,
                            LEN("0"), 64, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "2000 do not");
}


static void
ngx_shop_unit_net_trailer_limit(ngx_shop_unit_t *u)
{
    ngx_str_t  summary;

    ngx_shop_unit_net_flood(u, CHUNKED "0\r\n", "X-Field: some value\r\n",
                            1000, "\r\n", 64, &summary);

    ngx_shop_unit_is(u, &summary, "200 keep []", "21 KB pass");

    ngx_shop_unit_net_flood(u, CHUNKED "0\r\n", "X-Field: some value\r\n",
                            2000, "\r\n", 64, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "42 KB do not");
}


static void
ngx_shop_unit_net_extension_limit(ngx_shop_unit_t *u)
{
    ngx_str_t  summary;

    ngx_shop_unit_net_flood(u, CHUNKED, "1;a=bcdefghi\r\nx\r\n", 50,
                            "0\r\n\r\n", 65536, &summary);

    ngx_shop_unit_ok(u, summary.len > 50
                        && ngx_strncmp(summary.data, "200 keep [xxx", 13) == 0,
                     "50 pass");

    ngx_shop_unit_net_flood(u, CHUNKED, "1;a=bcdefghi\r\nx\r\n", 10000,
                            "0\r\n\r\n", 65536, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "10000 do not");

    ngx_shop_unit_net_flood(u, CHUNKED "1;", "abcdefghij", 10000,
                            "\r\nx\r\n", 65536, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "nor does one of 100 KB");
}


static void
ngx_shop_unit_net_small_chunks(ngx_shop_unit_t *u)
{
    ngx_str_t  summary;

    ngx_shop_unit_net_flood(u, CHUNKED, "1\r\nx\r\n", 65536, "0\r\n\r\n",
                            65536, &summary);

    ngx_shop_unit_ok(u, summary.len > 256
                        && ngx_strncmp(summary.data, "200 keep [xxx", 13) == 0,
                     "they may fill the limit of the body");

    ngx_shop_unit_net_flood(u, CHUNKED, "1\r\nx\r\n", 65537, "0\r\n\r\n",
                            65536, &summary);

    ngx_shop_unit_is(u, &summary, "too_large", "but not more");
}


static void
ngx_shop_unit_net_large_body(ngx_shop_unit_t *u)
{
    u_char                   *pos;
    ngx_int_t                 rc;
    ngx_str_t                 text;
    ngx_uint_t                n;
    ngx_shop_fetch_parser_t   parser;

    ngx_shop_fetch_parser_init(&parser, u->pool, 100000);

    ngx_str_set(&text, OK "\r\n");
    pos = text.data;

    rc = ngx_shop_fetch_parse(&parser, &pos, text.data + text.len);

    ngx_str_set(&text, "0123456789");

    for (n = 0; n < 10000 && rc == NGX_AGAIN; n++) {
        pos = text.data;
        rc = ngx_shop_fetch_parse(&parser, &pos, text.data + text.len);
    }

    ngx_shop_unit_is_int(u, rc, NGX_AGAIN, "100000 bytes pass");
    ngx_shop_unit_is_int(u, parser.size, 100000, "and are counted");
    ngx_shop_unit_is_int(u, parser.body->last - parser.body->pos, 100000,
                         "and kept");
    ngx_shop_unit_ok(u, ngx_strncmp(parser.body->last - 10, "0123456789", 10)
                        == 0,
                     "to the last");
    ngx_shop_unit_ok(u, parser.body->end - parser.body->start <= 100000,
                     "in no more memory than was allowed");

    pos = text.data;
    rc = ngx_shop_fetch_parse(&parser, &pos, text.data + 1);

    ngx_shop_unit_is_int(u, rc, NGX_ERROR, "one more is refused");
}


static void
ngx_shop_unit_net_final(ngx_shop_unit_t *u)
{
    u_char                   *pos;
    ngx_str_t                 text;
    ngx_shop_fetch_parser_t   parser;

    ngx_shop_fetch_parser_init(&parser, u->pool, 64);

    ngx_str_set(&text, LEN("1") "a" LEN("0"));
    pos = text.data;

    (void) ngx_shop_fetch_parse(&parser, &pos, text.data + text.len);

    ngx_shop_unit_is_int(u, ngx_shop_fetch_parse(&parser, &pos,
                                                 text.data + text.len),
                         NGX_DONE, "a whole response stays whole");
    ngx_shop_unit_is_int(u, pos - text.data, sizeof(LEN("1") "a") - 1,
                         "and takes nothing of the next");
    ngx_shop_unit_is_int(u, ngx_shop_fetch_parse_eof(&parser), NGX_DONE,
                         "also when the connection ends");

    ngx_shop_fetch_parser_init(&parser, u->pool, 64);

    ngx_str_set(&text, "x\n" LEN("0"));
    pos = text.data;

    (void) ngx_shop_fetch_parse(&parser, &pos, text.data + text.len);

    ngx_shop_unit_is_int(u, ngx_shop_fetch_parse(&parser, &pos,
                                                 text.data + text.len),
                         NGX_ERROR, "a refused response stays refused");
    ngx_shop_unit_is_int(u, ngx_shop_fetch_parse_eof(&parser), NGX_ERROR,
                         "also when the connection ends");
    ngx_shop_unit_ok(u, ngx_strcmp(parser.reason, "malformed") == 0,
                     "for its first reason");
}


static void
ngx_shop_unit_net_header(ngx_shop_unit_t *u)
{
    ngx_int_t          rc;
    ngx_str_t          value;
    ngx_uint_t         ch, token, failed;
    const char       **name;
    ngx_shop_net_t     net;
    ngx_shop_fetch_t  *fetch;
    char               buf[4];

    static const char  *reserved[] = {
        "Host", "host", "CONNECTION", "Content-Length", "transfer-encoding",
        "Accept-Encoding", "Expect", "TE", "Trailer", "Upgrade", NULL
    };

    ngx_shop_net_init(&net);

    fetch = ngx_shop_fetch_create(&net, u->log);

    if (!ngx_shop_unit_ok(u, fetch != NULL, "there is a fetch")) {
        return;
    }

    ngx_str_set(&value, "value");

    for (name = reserved; *name; name++) {
        ngx_shop_unit_is_int(u, ngx_shop_fetch_header(fetch, *name, &value),
                             NGX_ERROR, "%s is not the owner's", *name);
    }

    ngx_shop_unit_is_int(u, ngx_shop_fetch_header(fetch, "", &value),
                         NGX_ERROR, "an empty name is refused");
    ngx_shop_unit_is_int(u, fetch->headers.nelts, 0, "nothing was added");

    failed = 0;

    for (ch = 1; ch < 256; ch++) {
        (void) ngx_snprintf((u_char *) buf, 4, "X%cA%Z", (char) ch);

        token = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
                || (ch >= 'A' && ch <= 'Z')
                || ngx_strchr("!#$%&'*+-.^_`|~", (char) ch) != NULL;

        rc = ngx_shop_fetch_header(fetch, buf, &value);

        failed += (rc != (token ? NGX_OK : NGX_ERROR));
    }

    ngx_shop_unit_is_int(u, failed, 0, "names are tokens");

    failed = 0;

    for (ch = 0; ch < 256; ch++) {
        value.len = ngx_sprintf((u_char *) buf, "a%cb", (char) ch)
                    - (u_char *) buf;
        value.data = (u_char *) buf;

        token = (ch != CR && ch != LF && ch != '\0');

        rc = ngx_shop_fetch_header(fetch, "X-A", &value);

        failed += (rc != (token ? NGX_OK : NGX_ERROR));
    }

    ngx_shop_unit_is_int(u, failed, 0, "values hold no CR, LF or NUL");

    ngx_shop_fetch_free(fetch);
}


static void
ngx_shop_unit_net_resolver(ngx_shop_unit_t *u)
{
    ngx_uint_t             i;
    ngx_shop_peer_conf_t   conf;

    static struct {
        ngx_str_t   host;
        ngx_int_t   rc;
    } hosts[] = {
        { ngx_string("127.0.0.1"), NGX_OK },
        { ngx_string("10.1.2.3"), NGX_OK },
        { ngx_string("[::1]"), NGX_OK },
        { ngx_string("::1"), NGX_OK },
        { ngx_string("[2001:db8::a]"), NGX_OK },
        { ngx_string("localhost"), NGX_OK },
        { ngx_string("LocalHost"), NGX_OK },
        { ngx_string("localhost."), NGX_OK },
        { ngx_string("shop.example"), NGX_DECLINED },
        { ngx_string("localhost.example"), NGX_DECLINED },
        { ngx_string("xlocalhost"), NGX_DECLINED },
        { ngx_string("127.0.0"), NGX_DECLINED },
        { ngx_string("127.0.0.256"), NGX_DECLINED },
        { ngx_string("127.0.0.1.example"), NGX_DECLINED },
        { ngx_string("[::1"), NGX_DECLINED },
        { ngx_string("[]"), NGX_DECLINED },
        { ngx_string("["), NGX_DECLINED },
        { ngx_string("."), NGX_DECLINED },
        { ngx_string(""), NGX_DECLINED },
        { ngx_null_string, NGX_ERROR }
    };

    for (i = 0; hosts[i].rc != NGX_ERROR; i++) {
        ngx_memzero(&conf, sizeof(ngx_shop_peer_conf_t));
        conf.host = hosts[i].host;

        ngx_shop_unit_is_int(u, ngx_shop_peer_needs_resolver(&conf),
                             hosts[i].rc, "for \"%V\"", &conf.host);
    }

    ngx_str_set(&conf.path, "/run/redis.sock");

    ngx_shop_unit_is_int(u, ngx_shop_peer_needs_resolver(&conf), NGX_OK,
                         "not for a unix socket");
}


static void
ngx_shop_unit_net_cases(ngx_shop_unit_t *u, ngx_shop_unit_net_case_t *cases)
{
    ngx_uint_t                 i;
    ngx_str_t                  summary;
    ngx_shop_unit_net_case_t  *test;

    static size_t  pieces[] = { 4096, 1, 2, 3, 7, 0 };

    for (test = cases; test->name; test++) {

        for (i = 0; pieces[i]; i++) {
            ngx_shop_unit_net_feed(u, &test->text, pieces[i],
                                   NGX_SHOP_UNIT_NET_MAX_BODY, 0, &summary);

            /* one check for each case, unless the pieces matter */

            if (i == 0) {
                ngx_shop_unit_is(u, &summary, test->expected, "%s",
                                 test->name);

            } else if (summary.len != ngx_strlen(test->expected)
                       || ngx_memcmp(summary.data, test->expected,
                                     summary.len)
                          != 0)
            {
                ngx_shop_unit_is(u, &summary, test->expected,
                                 "%s, in pieces of %uz", test->name,
                                 pieces[i]);
            }
        }
    }
}


static ngx_uint_t
ngx_shop_unit_net_same(ngx_shop_unit_t *u, ngx_str_t *text)
{
    ngx_str_t  whole, pieces;

    ngx_shop_unit_net_feed(u, text, text->len ? text->len : 1,
                           NGX_SHOP_UNIT_NET_MAX_BODY, 0, &whole);
    ngx_shop_unit_net_feed(u, text, 1, NGX_SHOP_UNIT_NET_MAX_BODY, 0,
                           &pieces);

    if (whole.len == pieces.len
        && ngx_memcmp(whole.data, pieces.data, whole.len) == 0)
    {
        return 1;
    }

    ngx_shop_unit_note(u, "whole: %V, by bytes: %V", &whole, &pieces);

    return 0;
}


/* "summary" lives until the next call */

static void
ngx_shop_unit_net_feed(ngx_shop_unit_t *u, ngx_str_t *text, size_t piece,
    size_t max_body, ngx_uint_t head, ngx_str_t *summary)
{
    size_t                    i, n, rest;
    u_char                   *copy, *pos;
    ngx_int_t                 rc;
    ngx_str_t                 body;
    ngx_uint_t                slot;
    ngx_pool_t               *pool;
    ngx_shop_fetch_parser_t   parser;

    static u_char             buf[2][512];
    static ngx_uint_t         slots;

    slot = slots++ % 2;
    rest = 0;
    rc = NGX_AGAIN;

    ngx_str_null(summary);

    pool = ngx_create_pool(1024, u->log);
    if (pool == NULL) {
        return;
    }

    ngx_shop_fetch_parser_init(&parser, pool, max_body);
    parser.head = head;

    for (i = 0; i < text->len && rc == NGX_AGAIN; i += n) {

        n = ngx_min(piece, text->len - i);

        /* of its own, for tools that watch bounds */

        copy = ngx_alloc(n, u->log);
        if (copy == NULL) {
            break;
        }

        ngx_memcpy(copy, text->data + i, n);

        pos = copy;
        rc = ngx_shop_fetch_parse(&parser, &pos, copy + n);

        rest = text->len - i - (pos - copy);

        if (rc == NGX_AGAIN && pos != copy + n) {
            rc = NGX_ABORT;
        }

        ngx_free(copy);
    }

    if (rc == NGX_AGAIN) {
        rest = 0;
        rc = ngx_shop_fetch_parse_eof(&parser);
    }

    summary->data = buf[slot];

    if (rc == NGX_ERROR && parser.reason && parser.detail) {
        summary->len = ngx_snprintf(buf[slot], 512, "%s", parser.reason)
                       - buf[slot];

    } else if (rc == NGX_DONE) {
        ngx_str_null(&body);

        if (parser.body) {
            body.data = parser.body->pos;
            body.len = parser.body->last - parser.body->pos;
        }

        pos = ngx_snprintf(buf[slot], 512, "%ui %s %V%s[%V]", parser.status,
                           parser.keepalive ? "keep" : "close",
                           &parser.content_type,
                           parser.content_type.len ? " " : "", &body);

        if (rest) {
            pos = ngx_snprintf(pos, 512 - (pos - buf[slot]), " +%uz", rest);
        }

        summary->len = pos - buf[slot];

    } else {
        summary->len = ngx_snprintf(buf[slot], 512, "strange code %i", rc)
                       - buf[slot];
    }

    ngx_destroy_pool(pool);
}


static void
ngx_shop_unit_net_flood(ngx_shop_unit_t *u, const char *start,
    const char *repeated, ngx_uint_t times, const char *end, size_t max_body,
    ngx_str_t *summary)
{
    size_t       len;
    u_char      *p;
    ngx_str_t    text;
    ngx_uint_t   n;

    ngx_str_null(summary);

    len = ngx_strlen(repeated);

    text.len = ngx_strlen(start) + times * len + ngx_strlen(end);
    text.data = ngx_pnalloc(u->pool, text.len);
    if (text.data == NULL) {
        return;
    }

    p = ngx_cpymem(text.data, start, ngx_strlen(start));

    for (n = 0; n < times; n++) {
        p = ngx_cpymem(p, repeated, len);
    }

    ngx_memcpy(p, end, ngx_strlen(end));

    ngx_shop_unit_net_feed(u, &text, 8192, max_body, 0, summary);
}
