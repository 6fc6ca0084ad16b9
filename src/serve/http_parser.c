#include "serve/http_parser.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

void ds_http_parser_init(ds_http_parser *p, size_t most_head, size_t most_body)
{
    *p = (ds_http_parser){ .most_head = most_head, .most_body = most_body };
}

void ds_http_parser_free(ds_http_parser *p)
{
    ds_buf_free(&p->head);
    ds_buf_free(&p->body);
}

bool ds_http_begun(const ds_http_parser *p)
{
    return p->head.len > 0 || p->line > 0 || p->phase != DS_HTTP_HEAD;
}

const char *ds_http_header_of(const ds_http_parser *p, const char *name)
{
    for (int i = 0; i < p->n_header; i++)
        if (strcasecmp(p->header[i].name, name) == 0)
            return p->header[i].value;
    return NULL;
}

static bool bad(ds_http_parser *p, int status, const char *reason)
{
    p->phase = DS_HTTP_BAD;
    p->status = status;
    p->reason = reason;
    return false;
}

/* ---- characters ---- */

static bool is_token(unsigned char c) /* RFC 9110, 5.6.2 */
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool all_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_token((unsigned char)s[i]))
            return false;
    return n > 0;
}

/* ---- the request line ---- */

/* Percent escapes become bytes, in place. A NUL, a control character or a broken escape is refused. */
static bool decode_path(ds_http_parser *p, char *path)
{
    char *to = path;
    for (const char *s = path; *s; s++) {
        int c = (unsigned char)*s;
        if (c == '%') {
            if (hex(s[1]) < 0 || hex(s[2]) < 0)
                return bad(p, 400, "The path has a '%' that two hexadecimal digits do not follow.");
            c = hex(s[1]) * 16 + hex(s[2]);
            s += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return bad(p, 400, "The path holds a control character.");
        *to++ = (char)c;
    }
    *to = 0;
    return true;
}

/* "/path?query", or "http://host/path?query" as a proxy would get it, or "*". */
static bool read_target(ds_http_parser *p, char *target)
{
    for (const char *s = target; *s; s++)
        if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
            return bad(p, 400, "The request's target holds a character that must be percent-encoded.");
    if (strncasecmp(target, "http://", 7) == 0) {
        char *slash = target + 7 + strcspn(target + 7, "/?#");
        if (*slash != '/')
            return bad(p, 400, "The request's target has no path.");
        target = slash;
    } else if (*target != '/' && strcmp(target, "*") != 0) {
        return bad(p, 400, "The request's target does not begin with '/'.");
    }
    target[strcspn(target, "#")] = 0;
    char *mark = strchr(target, '?');
    if (mark)
        *mark = 0;
    p->path = target;
    p->query = mark ? mark + 1 : target + strlen(target);
    return decode_path(p, target);
}

static bool read_request_line(ds_http_parser *p, char *line)
{
    char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version)
        return bad(p, 400, "The first line is not 'METHOD /path HTTP/1.1'.");
    *target++ = *version++ = 0;
    if (!all_token(line, strlen(line)) || strlen(line) > 32)
        return bad(p, 400, "The request's method is not one.");
    p->method = line;
    if (strncmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' || version[6] != '.' || version[7] < '0' ||
        version[7] > '9' || version[8])
        return bad(p, 400, "The first line is not 'METHOD /path HTTP/1.1'.");
    if (version[5] != '1')
        return bad(p, 505, "This server speaks HTTP/1.1.");
    p->minor = version[7] - '0';
    return read_target(p, target);
}

/* ---- headers ---- */

static bool read_header(ds_http_parser *p, char *line, size_t n)
{
    if (*line == ' ' || *line == '\t')
        return bad(p, 400, "A header is folded over several lines.");
    char *colon = memchr(line, ':', n);
    if (!colon)
        return bad(p, 400, "A header has no colon.");
    if (!all_token(line, (size_t)(colon - line)))
        return bad(p, 400, "A header's name is empty or holds a character that is not allowed there.");
    *colon = 0;
    char *value = colon + 1, *end = line + n;
    while (*value == ' ' || *value == '\t')
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
    for (const char *s = value; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            return bad(p, 400, "A header's value holds a control character.");
    if (p->n_header == DS_HTTP_MOST_HEADERS)
        return bad(p, 431, "The request has more than 100 headers.");
    p->header[p->n_header++] = (ds_http_header){ line, value };
    return true;
}

/* The only header of that name; sets *n to how many there are. */
static const char *only(const ds_http_parser *p, const char *name, int *n)
{
    const char *value = NULL;
    *n = 0;
    for (int i = 0; i < p->n_header; i++)
        if (strcasecmp(p->header[i].name, name) == 0) {
            value = p->header[i].value;
            ++*n;
        }
    return value;
}

static bool has_word(const ds_http_parser *p, const char *name, const char *word)
{
    size_t len = strlen(word);
    for (int i = 0; i < p->n_header; i++) {
        if (strcasecmp(p->header[i].name, name) != 0)
            continue;
        for (const char *s = p->header[i].value; *s;) {
            s += strspn(s, ", \t");
            size_t n = strcspn(s, ", \t");
            if (n == len && strncasecmp(s, word, n) == 0)
                return true;
            s += n;
        }
    }
    return false;
}

static bool read_length(ds_http_parser *p, const char *value)
{
    if (!*value || value[strspn(value, "0123456789")])
        return bad(p, 400, "Content-Length is not a number.");
    for (; *value; value++) {
        if (p->left > (UINT64_MAX - 9) / 10)
            return bad(p, 413, "The request's body is larger than this server takes.");
        p->left = p->left * 10 + (uint64_t)(*value - '0');
    }
    if (p->left > p->most_body)
        return bad(p, 413, "The request's body is larger than this server takes.");
    return true;
}

/* How the body's end is found. */
static bool read_framing(ds_http_parser *p)
{
    int         lengths, encodings;
    const char *length = only(p, "Content-Length", &lengths), *encoding = only(p, "Transfer-Encoding", &encodings);
    if (lengths > 1 || encodings > 1 || (lengths && encodings))
        return bad(p, 400, "The request says more than once how long its body is.");
    if (length)
        return read_length(p, length);
    if (!encoding)
        return true;
    if (p->minor == 0)
        return bad(p, 400, "An HTTP/1.0 request cannot have a Transfer-Encoding.");
    if (strcasecmp(encoding, "chunked") != 0)
        return bad(p, 501, "The only Transfer-Encoding that this server knows is chunked.");
    p->chunked = true;
    return true;
}

static bool read_rest(ds_http_parser *p)
{
    int         hosts, expectations;
    const char *expect = only(p, "Expect", &expectations);
    only(p, "Host", &hosts);
    if (hosts > 1 || (hosts == 0 && p->minor > 0))
        return bad(p, 400, "The request needs exactly one Host header.");
    p->keep_alive = p->minor > 0 ? !has_word(p, "Connection", "close") : has_word(p, "Connection", "keep-alive");
    if (expect && p->minor > 0) {
        if (expectations > 1 || strcasecmp(expect, "100-continue") != 0)
            return bad(p, 417, "The only expectation that this server knows is 100-continue.");
        p->expects_continue = true;
    }
    return read_framing(p);
}

/* The whole head is there: its lines end in CRLF. */
static bool read_head(ds_http_parser *p)
{
    char *line = p->head.data;
    for (bool first = true;; first = false) {
        char *end = strchr(line, '\r');
        *end = 0;
        if (end == line)
            break;
        if (first ? !read_request_line(p, line) : !read_header(p, line, (size_t)(end - line)))
            return false;
        line = end + 2;
    }
    if (!read_rest(p))
        return false;
    p->phase = p->chunked || p->left ? DS_HTTP_BODY : DS_HTTP_COMPLETE;
    return true;
}

/* ---- lines ---- */

/* One byte of a line: whether the line ends here. Bare CR and LF, and NUL, are bad. */
static bool line_byte(ds_http_parser *p, char c)
{
    if (!c)
        return bad(p, 400, "The request holds a NUL.");
    if ((c == '\n') != (p->last == '\r'))
        return bad(p, 400, "A line of the request does not end in CR LF.");
    p->last = c;
    if (c != '\n' && c != '\r')
        p->line++;
    return c == '\n';
}

/* Whether c can follow so many bytes of a head: the first must be a method's. */
static bool may_begin(ds_http_parser *p, size_t before, char c)
{
    if (before || is_token((unsigned char)c) || c == '\r')
        return true;
    return bad(p, 400, "This is not HTTP: the first byte cannot begin a request.");
}

static size_t parse_head(ds_http_parser *p, const char *bytes, size_t n)
{
    size_t i = 0, kept = 0; /* of the bytes before i, those before `kept` are in p->head */
    while (i < n && p->phase == DS_HTTP_HEAD) {
        if (!may_begin(p, p->head.len + i - kept, bytes[i]))
            return i;
        bool ends = line_byte(p, bytes[i++]);
        if (p->phase == DS_HTTP_BAD)
            return i;
        if (!ends)
            continue;
        bool empty = p->line == 0, first = p->head.len + (i - kept) == 2;
        p->line = 0;
        p->last = 0;
        if (empty && first) { /* an empty line before the request */
            ds_buf_clear(&p->head);
            kept = i;
        } else if (empty) {
            if (ds_buf_add(&p->head, bytes + kept, i - kept) != DS_OK)
                bad(p, 503, "There is no memory for this request.");
            else if (p->head.len > p->most_head)
                bad(p, 431, "The request's headers are larger than this server takes.");
            else
                read_head(p);
            return i;
        }
    }
    if (ds_buf_add(&p->head, bytes + kept, i - kept) != DS_OK)
        bad(p, 503, "There is no memory for this request.");
    if (p->head.len > p->most_head)
        bad(p, 431, "The request's headers are larger than this server takes.");
    return i;
}

/* ---- the body ---- */

static size_t take_data(ds_http_parser *p, const char *bytes, size_t n)
{
    size_t m = n < p->left ? n : (size_t)p->left;
    if (p->body.len + m > p->most_body)
        bad(p, 413, "The request's body is larger than this server takes.");
    else if (ds_buf_add(&p->body, bytes, m) != DS_OK)
        bad(p, 503, "There is no memory for this request.");
    p->left -= m;
    return m;
}

/* "1a2b", or "1a2b;extension=value"; extensions are ignored. */
static void read_chunk_size(ds_http_parser *p)
{
    size_t n = 0;
    p->left = 0;
    for (; n < p->line && hex(p->size_line[n]) >= 0; n++) {
        if (p->left >> 56) {
            bad(p, 413, "The request's body is larger than this server takes.");
            return;
        }
        p->left = p->left * 16 + (uint64_t)hex(p->size_line[n]);
    }
    if (n == 0 || (n < p->line && p->size_line[n] != ';'))
        bad(p, 400, "A chunk's size is not a hexadecimal number.");
    else if (p->left > p->most_body - p->body.len)
        bad(p, 413, "The request's body is larger than this server takes.");
    else
        p->chunk = p->left ? DS_CHUNK_DATA : DS_CHUNK_TRAILER;
}

/* One byte of the lines around chunks. */
static void chunk_byte(ds_http_parser *p, char c)
{
    if (++p->framing > p->most_head + 8 * p->body.len) {
        bad(p, 400, "The request's chunks are more framing than bytes.");
        return;
    }
    if (c != '\r' && c != '\n' && p->line < DS_HTTP_CHUNK_LINE)
        p->size_line[p->line] = c;
    bool ends = line_byte(p, c);
    if (p->phase == DS_HTTP_BAD)
        return;
    if (p->line >= DS_HTTP_CHUNK_LINE && p->chunk == DS_CHUNK_SIZE)
        bad(p, 400, "The line of a chunk's size is too long.");
    else if (p->line && p->chunk == DS_CHUNK_END)
        bad(p, 400, "A chunk is longer than its size says.");
    if (!ends || p->phase == DS_HTTP_BAD)
        return;
    if (p->chunk == DS_CHUNK_SIZE)
        read_chunk_size(p);
    else if (p->chunk == DS_CHUNK_END)
        p->chunk = DS_CHUNK_SIZE;
    else if (p->line == 0)
        p->phase = DS_HTTP_COMPLETE;
    p->line = 0;
    p->last = 0;
}

static size_t parse_chunks(ds_http_parser *p, const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && p->phase == DS_HTTP_BODY) {
        if (p->chunk != DS_CHUNK_DATA) {
            chunk_byte(p, bytes[i++]);
            continue;
        }
        i += take_data(p, bytes + i, n - i);
        if (!p->left)
            p->chunk = DS_CHUNK_END;
    }
    return i;
}

static size_t parse_body(ds_http_parser *p, const char *bytes, size_t n)
{
    if (p->chunked)
        return parse_chunks(p, bytes, n);
    size_t m = take_data(p, bytes, n);
    if (p->phase == DS_HTTP_BODY && !p->left)
        p->phase = DS_HTTP_COMPLETE;
    return m;
}

size_t ds_http_parse(ds_http_parser *p, const char *bytes, size_t n)
{
    return p->phase == DS_HTTP_HEAD ? parse_head(p, bytes, n) : p->phase == DS_HTTP_BODY ? parse_body(p, bytes, n) : 0;
}

const char *ds_http_reason(int status)
{
    static const struct {
        int         status;
        const char *reason;
    } known[] = {
        { 200, "OK" }, { 204, "No Content" }, { 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
        { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" },
        { 413, "Content Too Large" }, { 415, "Unsupported Media Type" }, { 417, "Expectation Failed" }, { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" }, { 499, "Client Closed Request" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Unknown";
}
