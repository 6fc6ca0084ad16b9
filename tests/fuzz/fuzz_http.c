/* Fuzz target: requests as the server reads them. The same bytes in one piece and in small pieces must mean the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/http_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool holds) /* also in a build without asserts */
{
    if (!holds)
        abort();
}

enum { MOST_HEAD = 4096, MOST_BODY = 4096 };

static size_t parse(ds_http_parser *p, const char *text, size_t n, size_t step)
{
    size_t done = 0;
    ds_http_parser_init(p, MOST_HEAD, MOST_BODY);
    while (done < n && p->phase != DS_HTTP_COMPLETE && p->phase != DS_HTTP_BAD) {
        size_t m = n - done < step ? n - done : step, took = ds_http_parse(p, text + done, m);
        must(took <= m && (took > 0 || p->phase == DS_HTTP_BAD));
        done += took;
    }
    return done;
}

static void check(const ds_http_parser *p)
{
    must(p->body.len <= MOST_BODY && p->n_header <= DS_HTTP_MOST_HEADERS);
    if (p->phase == DS_HTTP_BAD) {
        must(p->status >= 400 && p->status <= 505 && p->reason);
    } else if (p->phase == DS_HTTP_COMPLETE) {
        must(*p->method && (*p->path == '/' || strcmp(p->path, "*") == 0));
        for (const char *s = p->path; *s; s++)
            must((unsigned char)*s >= 0x20);
        for (int i = 0; i < p->n_header; i++)
            must(*p->header[i].name && !p->header[i].value[strcspn(p->header[i].value, "\r\n")]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ds_http_parser whole, pieces;
    if (n < 1 || n > 1 << 16)
        return 0;
    const char *text = (const char *)data + 1;
    size_t      a = parse(&whole, text, n - 1, n), b = parse(&pieces, text, n - 1, 1 + data[0] % 8u);
    check(&whole);
    check(&pieces);
    must(whole.phase == pieces.phase && (whole.status == pieces.status || whole.status == 431 || pieces.status == 431));
    if (whole.phase == DS_HTTP_COMPLETE) {
        must(a == b && strcmp(whole.path, pieces.path) == 0 && whole.body.len == pieces.body.len);
        must(!whole.body.len || memcmp(whole.body.data, pieces.body.data, whole.body.len) == 0);
    }
    ds_http_parser_free(&whole);
    ds_http_parser_free(&pieces);
    return 0;
}
