/* The parser of requests: what a request means, however it is cut into pieces, and everything that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "serve/http_parser.h"

/* Feeds all of it in pieces of `step` bytes; returns what was taken. */
static size_t feed(ds_http_parser *p, const char *text, size_t n, size_t step)
{
    size_t done = 0;
    while (done < n && p->phase != DS_HTTP_COMPLETE && p->phase != DS_HTTP_BAD) {
        size_t m = n - done < step ? n - done : step, took = ds_http_parse(p, text + done, m);
        assert_true(took <= m);
        done += took;
        if (took == 0 && p->phase != DS_HTTP_BAD)
            fail_msg("nothing was taken at byte %zu", done);
    }
    return done;
}

static const size_t steps[] = { 1, 2, 3, 7, 1000000 };
#define EACH_STEP(i) for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)

static void good(const char *text, const char *method, const char *path, const char *query, const char *body, bool keep)
{
    EACH_STEP(i) {
        ds_http_parser p;
        ds_http_parser_init(&p, 2048, 1024);
        size_t n = feed(&p, text, strlen(text), steps[i]);
        if (p.phase != DS_HTTP_COMPLETE)
            fail_msg("in steps of %zu: phase %d, status %d %s: %s", steps[i], p.phase, p.status, p.reason ? p.reason : "", text);
        assert_int_equal(n, strlen(text));
        assert_string_equal(p.method, method);
        assert_string_equal(p.path, path);
        assert_string_equal(p.query, query);
        assert_int_equal(p.body.len, strlen(body));
        assert_memory_equal(p.body.data ? p.body.data : "", body, strlen(body));
        assert_int_equal(p.keep_alive, keep);
        ds_http_parser_free(&p);
    }
}

static void bad_bytes(const char *text, size_t size, int status)
{
    EACH_STEP(i) {
        ds_http_parser p;
        ds_http_parser_init(&p, 2048, 1024);
        feed(&p, text, size, steps[i]);
        if (p.phase != DS_HTTP_BAD || p.status != status)
            fail_msg("in steps of %zu: phase %d, status %d, expected %d: %s", steps[i], p.phase, p.status, status, text);
        assert_non_null(p.reason);
        assert_null(strchr(p.reason, '"')); /* goes into JSON as it is */
        ds_http_parser_free(&p);
    }
}
#define BAD(text, status) bad_bytes(text, sizeof(text) - 1, status)

#define HOST "Host: a\r\n"

static void requests(void **state)
{
    good("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "", true);
    good("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "", true); /* empty lines before it */
    good("GET /a%20b/%E4%BD%A0?x=%20&y HTTP/1.1\r\n" HOST "\r\n", "GET", "/a b/\xe4\xbd\xa0", "x=%20&y", "", true);
    good("GET http://other:80/v1/models?q HTTP/1.1\r\n" HOST "\r\n", "GET", "/v1/models", "q", "", true);
    good("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS", "*", "", "", true);
    good("GET / HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n", "GET", "/", "", "", false);
    good("GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", false);
    good("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", "", "", true);
    good("POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "POST", "/x", "", "hello", true);
    good("POST /x HTTP/1.1\r\n" HOST "content-length:0\r\n\r\n", "POST", "/x", "", "", true);
    good("POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00a;name=\"v\"\r\n, world...\r\n0\r\n\r\n", "POST", "/x", "",
         "hello, world...", true);
    good("POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: 1\r\nAnother: 2\r\n\r\n", "POST", "/x", "", "x", true);
    good("GET /?a#b HTTP/1.1\r\n" HOST "\r\n", "GET", "/", "a", "", true);
}

static void headers(void **state)
{
    const char     text[] = "GET / HTTP/1.1\r\nHost: a\r\nX-One:  a b \t\r\nx-two:\r\nX-Three: \xff\r\n\r\nGET /next";
    ds_http_parser p;
    ds_http_parser_init(&p, 2048, 1024);
    assert_int_equal(feed(&p, text, sizeof text - 1, 1000), strlen(text) - strlen("GET /next")); /* the next request is not touched */
    assert_string_equal(ds_http_header_of(&p, "x-one"), "a b");
    assert_string_equal(ds_http_header_of(&p, "X-TWO"), "");
    assert_string_equal(ds_http_header_of(&p, "x-three"), "\xff");
    assert_null(ds_http_header_of(&p, "x-four"));
    ds_http_parser_free(&p);
}

static void stops_at_the_body(void **state)
{
    const char     text[] = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc";
    ds_http_parser p;
    ds_http_parser_init(&p, 2048, 1024);
    assert_false(ds_http_begun(&p));
    assert_int_equal(ds_http_parse(&p, text, sizeof text - 1), strlen(text) - 3);
    assert_int_equal(p.phase, DS_HTTP_BODY);
    assert_true(ds_http_begun(&p));
    assert_true(p.expects_continue);
    assert_int_equal(ds_http_parse(&p, "abc", 3), 3);
    assert_int_equal(p.phase, DS_HTTP_COMPLETE);
    assert_string_equal(p.body.data, "abc");
    ds_http_parser_free(&p);
}

static void smuggling(void **state)
{
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    BAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501);
    BAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", 501);
    BAD("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501);
    BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\n folded: a\r\nHost: a\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\nHost: a\n\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\nA: b\x01\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\n\r\n", 400); /* no host */
    BAD("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400);
    BAD("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400);
}

static void first_lines(void **state)
{
    BAD("GET /\r\n" HOST "\r\n", 400);
    BAD("GET  / HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET / HTTP/1.1 \r\n" HOST "\r\n", 400);
    BAD("GET / HTTP/11\r\n" HOST "\r\n", 400);
    BAD("GET / http/1.1\r\n" HOST "\r\n", 400);
    BAD("GET / HTTP/2.0\r\n" HOST "\r\n", 505);
    BAD("PRI * HTTP/2.0\r\n\r\n", 505);
    BAD("G(T / HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET /%4 HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET /%00 HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET /%0d%0aX:%20y HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET /\xe4\xbd\xa0 HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET http://other HTTP/1.1\r\n" HOST "\r\n", 400);
    BAD("GET / HTTP/1.1\r\n" HOST "Expect: 200-maybe\r\n\r\n", 417);
    BAD("\x16\x03\x01\x02", 400); /* TLS on the wrong port is told at once */
    BAD(" GET / HTTP/1.1\r\n", 400);
}

static void chunks(void **state)
{
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
    BAD(CHUNKED "x\r\n", 400);
    BAD(CHUNKED "\r\n", 400);
    BAD(CHUNKED "-1\r\n", 400);
    BAD(CHUNKED "0x5\r\nhello\r\n", 400);
    BAD(CHUNKED "5 \r\nhello\r\n", 400);
    BAD(CHUNKED "5\nhello\r\n", 400);
    BAD(CHUNKED "5\r\nhelloo\r\n", 400);
    BAD(CHUNKED "5\r\nhello0\r\n\r\n", 400);
    BAD(CHUNKED "ffffffffffffffffff\r\n", 413);
    BAD(CHUNKED "401\r\n", 413); /* 1,025 bytes: one more than allowed */
    good(CHUNKED "3\r\nabc\r\n0;last\r\n\r\n", "POST", "/", "", "abc", true);
}

static void limits(void **state)
{
    char   text[8192];
    size_t n = 0;
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 1025\r\n\r\n", 413);
    BAD("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999999\r\n\r\n", 413);
    n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + n, 'x', sizeof text - n); /* a header without end */
    bad_bytes(text, sizeof text, 431);
    n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < DS_HTTP_MOST_HEADERS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "A: b\r\n");
    n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
    bad_bytes(text, n, 431);
    n = (size_t)snprintf(text, sizeof text, CHUNKED "1;");
    memset(text + n, 'x', 300);
    bad_bytes(text, n + 300, 400);
    n = (size_t)snprintf(text, sizeof text, CHUNKED "0\r\n");
    while (n + 20 < sizeof text) /* trailers without end */
        n += (size_t)snprintf(text + n, sizeof text - n, "A: b\r\n");
    bad_bytes(text, n, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests), cmocka_unit_test(headers), cmocka_unit_test(stops_at_the_body), cmocka_unit_test(smuggling),
        cmocka_unit_test(first_lines), cmocka_unit_test(chunks), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
