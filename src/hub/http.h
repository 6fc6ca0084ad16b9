/* Small HTTP requests and what large ones need: headers, addresses, redirects by hand. */
#ifndef DS_HUB_HTTP_H
#define DS_HUB_HTTP_H
#include <curl/curl.h>
#include <stdbool.h>

#include "base/mem.h"
#include "base/str.h"
#include "deepseek/util.h"

enum { DS_HTTP_MAX_REDIRECTS = 5, DS_HTTP_MAX_STRIKES = 8, DS_HTTP_MAX_TRIES = 6 };

/** The header lines that matter of the last answer of a transfer. */
typedef struct ds_http_headers {
    long    status;
    char    etag[256], linked_etag[256], commit[64]; /* as sent; "" when absent */
    int64_t linked_size, length;                     /* -1 when absent */
    int64_t range_first, range_last, range_total;    /* of Content-Range; -1 when absent or "*" */
    int64_t retry_after;                             /* seconds; -1 when absent */
    ds_buf  location, link;
} ds_http_headers;

void ds_http_headers_reset(ds_http_headers *h);
void ds_http_headers_free(ds_http_headers *h);
/** Takes in one line "Name: value\r\n". A status line ("HTTP/...") starts afresh. */
void ds_http_headers_line(ds_http_headers *h, const char *line, size_t n);
/** An ETag without W/ and quotes; `out` has 256 bytes. */
void ds_http_etag(const char *etag, char *out);

/** One connection pool's settings. */
typedef struct ds_http_client {
    const char     *endpoint; /* the only origin that may see the token */
    const char     *token;    /* or NULL */
    bool            cookie;   /* ModelScope: the token also goes as a cookie */
    long            timeout;  /* seconds without an answer, or without a byte */
    ds_progress_fn *progress;
    void           *user;
    uint64_t        done, total; /* what progress is told while a small request runs */
    CURL           *easy;        /* kept, so that its connection is */
} ds_http_client;

void ds_http_close(ds_http_client *h);

/** A new handle with everything set that all requests share. NULL: out of memory. */
CURL *ds_http_new(void);
/** Sets address and authorization; the token is sent only to the endpoint's origin. *list is for curl_slist_free_all. */
ds_status ds_http_prepare(const ds_http_client *h, CURL *easy, const char *url, struct curl_slist **list);

/** GET (or HEAD) with redirects by hand and retries on 429, 5xx and broken connections. Answers other than 2xx are
 *  errors: 401 and 403 say what to do, 404 is DS_E_NOT_FOUND. For HEAD a redirect to another origin is an answer
 *  (status 3xx, location absolute). `body` may be NULL for HEAD; more than `max` bytes is DS_E_FORMAT. */
ds_status ds_http_request(ds_http_client *h, const char *url, bool head, size_t max, ds_http_headers *out, ds_buf *body);

/** Status -> error sentence for an answer that is final. */
ds_status ds_http_status_error(const char *url, long status, bool has_token);
/** Whether it may pass: 408, 425, 429, 500, 502, 503, 504. */
bool ds_http_retryable(long status);
/** Seconds to wait before try number `strike` (1, 2, ...), honouring Retry-After up to a minute. */
double ds_http_backoff(int strike, int64_t retry_after);

/** Same scheme, host and port. False for anything that is not http or https. */
bool ds_url_same_origin(const char *a, const char *b);
/** `location`, relative to `base`, as an absolute http(s) address without fragment or user. DS_E_FORMAT for anything
 *  else, and for a step down from https to http. Release with ds_free. */
ds_status ds_url_join(const char *base, const char *location, char **out);
/** Percent-encodes everything but letters, digits, -._~ (and "/" when `slashes`). */
ds_status ds_url_encode(ds_buf *out, const char *s, bool slashes);
#endif
