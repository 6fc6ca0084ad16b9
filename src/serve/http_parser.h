/* A parser of HTTP/1.1 requests, fed in pieces of any size. Strict where leniency lets two readers of one connection disagree about
 * where a request ends: one Content-Length or one "Transfer-Encoding: chunked" and never both, CRLF at the end of every line, no folded
 * headers, no space before a colon, no NUL (RFC 9112, sections 2.2, 5 and 6). */
#ifndef DS_SERVE_HTTP_PARSER_H
#define DS_SERVE_HTTP_PARSER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { DS_HTTP_MOST_HEADERS = 100, DS_HTTP_CHUNK_LINE = 256 };

typedef enum ds_http_phase {
    DS_HTTP_HEAD,     /* request line and headers */
    DS_HTTP_BODY,
    DS_HTTP_COMPLETE,
    DS_HTTP_BAD       /* status and reason say why; the connection is of no more use */
} ds_http_phase;

typedef enum ds_http_chunk {
    DS_CHUNK_SIZE, /* in the line that gives a chunk's size */
    DS_CHUNK_DATA,
    DS_CHUNK_END,  /* in the CRLF behind its bytes */
    DS_CHUNK_TRAILER
} ds_http_chunk;

typedef struct ds_http_header {
    const char *name, *value; /* value without blanks around it */
} ds_http_header;

typedef struct ds_http_parser {
    size_t         most_head, most_body; /* bytes, set by ds_http_parser_init */
    ds_http_phase  phase;
    int            status;  /* when BAD: the answer's, 400 to 505 */
    const char    *reason;  /* a sentence without double quotes; static */
    /* From BODY on: */
    const char    *method, *path, *query; /* the path is decoded; the query is raw, "" when there is none */
    ds_http_header header[DS_HTTP_MOST_HEADERS];
    int            n_header, minor;       /* HTTP/1.minor */
    bool           keep_alive, expects_continue, chunked;
    ds_buf         body;                  /* complete when COMPLETE */
    /* Its own: */
    ds_buf         head;
    size_t         line;                  /* bytes of the current line, CRLF excluded */
    char           last;                  /* the byte before */
    uint64_t       left;                  /* bytes of the body, or of the chunk */
    ds_http_chunk  chunk;
    char           size_line[DS_HTTP_CHUNK_LINE];
    size_t         framing;               /* bytes of chunk lines and trailers */
} ds_http_parser;

void   ds_http_parser_init(ds_http_parser *p, size_t most_head, size_t most_body);
void   ds_http_parser_free(ds_http_parser *p);
/** Takes some of n bytes and returns how many: all of them, unless the head or the request ended before, or it is bad. It stops where
 *  the head ends, so that the caller can look at it before there is a body. */
size_t ds_http_parse(ds_http_parser *p, const char *bytes, size_t n);
/** Whether something of a request has come. */
bool   ds_http_begun(const ds_http_parser *p);
/** The value of a header, any case; NULL when it was not sent. */
const char *ds_http_header_of(const ds_http_parser *p, const char *name);
/** "Not Found"; "Unknown" for numbers that it does not know. */
const char *ds_http_reason(int status);
#endif
