#include "hub/http.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

void ds_http_headers_reset(ds_http_headers *h)
{
    ds_buf location = h->location, link = h->link;
    ds_buf_clear(&location);
    ds_buf_clear(&link);
    *h = (ds_http_headers){ .linked_size = -1, .length = -1, .range_first = -1, .range_last = -1, .range_total = -1,
                            .retry_after = -1, .location = location, .link = link };
}

void ds_http_headers_free(ds_http_headers *h)
{
    ds_buf_free(&h->location);
    ds_buf_free(&h->link);
}

/* A decimal number below 2^60 at *s, which is moved behind it; -1 when there is none. */
static int64_t number(const char **s)
{
    int64_t v = 0;
    if (**s < '0' || **s > '9')
        return -1;
    for (; **s >= '0' && **s <= '9'; (*s)++) {
        if (v > ((int64_t)1 << 56))
            return -1;
        v = 10 * v + (**s - '0');
    }
    return v;
}

static void content_range(ds_http_headers *h, const char *v)
{
    if (strncasecmp(v, "bytes ", 6) != 0)
        return;
    v += 6;
    int64_t first = number(&v), last = *v == '-' ? (v++, number(&v)) : -1;
    h->range_first = first;
    h->range_last = last;
    h->range_total = *v == '/' ? (v++, number(&v)) : -1;
}

void ds_http_headers_line(ds_http_headers *h, const char *line, size_t n)
{
    char text[8192];
    while (n && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    if (n >= sizeof text || memchr(line, 0, n))
        return;
    memcpy(text, line, n);
    text[n] = 0;
    if (strncmp(text, "HTTP/", 5) == 0) {
        const char *s = strchr(text, ' ');
        ds_http_headers_reset(h);
        h->status = s ? strtol(s, NULL, 10) : 0;
        return;
    }
    char *v = strchr(text, ':');
    if (!v)
        return;
    *v++ = 0;
    v += strspn(v, " \t");
    size_t      len = strlen(v);
    const char *digits = v;
    if (strcasecmp(text, "etag") == 0 && len < sizeof h->etag)
        memcpy(h->etag, v, len + 1);
    else if (strcasecmp(text, "x-linked-etag") == 0 && len < sizeof h->linked_etag)
        memcpy(h->linked_etag, v, len + 1);
    else if (strcasecmp(text, "x-repo-commit") == 0 && len < sizeof h->commit)
        memcpy(h->commit, v, len + 1);
    else if (strcasecmp(text, "x-linked-size") == 0)
        h->linked_size = number(&digits);
    else if (strcasecmp(text, "content-length") == 0)
        h->length = number(&digits);
    else if (strcasecmp(text, "content-range") == 0)
        content_range(h, v);
    else if (strcasecmp(text, "retry-after") == 0)
        h->retry_after = number(&digits);
    else if (strcasecmp(text, "location") == 0) {
        ds_buf_clear(&h->location);
        ds_buf_adds(&h->location, v);
    } else if (strcasecmp(text, "link") == 0) {
        ds_buf_clear(&h->link);
        ds_buf_adds(&h->link, v);
    }
}

void ds_http_etag(const char *etag, char *out)
{
    const char *s = etag;
    if (s[0] == 'W' && s[1] == '/')
        s += 2;
    s += *s == '"';
    size_t n = strcspn(s, "\"");
    memcpy(out, s, n);
    out[n] = 0;
}

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURL *ds_http_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    CURL *c = curl_easy_init();
    if (!c)
        return NULL;
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* by hand: the token must stay with its host */
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "deepseek/" DS_VERSION);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    return c;
}

void ds_http_close(ds_http_client *h)
{
    curl_easy_cleanup(h->easy);
    h->easy = NULL;
}

ds_status ds_http_prepare(const ds_http_client *h, CURL *easy, const char *url, struct curl_slist **list)
{
    char line[4200];
    *list = NULL;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, h->timeout);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, h->timeout);
    struct curl_slist *l = curl_slist_append(NULL, "Accept-Encoding: identity"), *more = l;
    if (l && h->token && ds_url_same_origin(url, h->endpoint)) {
        snprintf(line, sizeof line, "Authorization: Bearer %s", h->token);
        more = curl_slist_append(l, line);
        if (more && h->cookie) {
            snprintf(line, sizeof line, "Cookie: m_session_id=%s", h->token);
            more = curl_slist_append(l, line);
        }
    }
    if (!more) {
        curl_slist_free_all(l);
        return ds_fail_nomem(0);
    }
    *list = l;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, l);
    return DS_OK;
}

/* One small request under way. */
typedef struct small {
    ds_http_client         *h;
    ds_http_headers *headers;
    ds_buf          *body;
    size_t           max;
    bool             too_long, stopped;
} small;

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    ds_http_headers_line(((small *)arg)->headers, p, n);
    return n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    small *s = arg;
    if (!s->body)
        return n;
    if (n > s->max - s->body->len) {
        s->too_long = true;
        return 0;
    }
    return ds_buf_add(s->body, p, n) == DS_OK ? n : 0;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    small *s = arg;
    s->stopped = s->h->progress && s->h->progress(s->h->user, "asking the hub", s->h->done, s->h->total) != 0;
    return s->stopped;
}

bool ds_http_retryable(long status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

double ds_http_backoff(int strike, int64_t retry_after)
{
    double s = 0.1 * (double)(1 << (strike < 9 ? strike : 9));
    if (retry_after >= 0)
        s = (double)(retry_after < 60 ? retry_after : 60) + 0.1;
    return s < 30 || retry_after >= 0 ? s : 30;
}

ds_status ds_http_status_error(const char *url, long status, bool has_token)
{
    if (status == 401 || status == 403)
        return ds_fail(DS_E_NOT_FOUND, "%s: the hub answers %ld: the model does not exist, is private or must be asked for: %s",
                       url, status, has_token ? "check that the token's account has access (accept the licence on its web page)"
                                              : "set HF_TOKEN (ModelScope: MODELSCOPE_API_TOKEN) to a token with access");
    if (status == 404 || status == 410)
        return ds_fail(DS_E_NOT_FOUND, "%s: the hub has no such model, revision or file (answer %ld)", url, status);
    return ds_fail(DS_E_IO, "%s: the hub answers %ld", url, status);
}

/* Sleeps in small steps so that the caller can stop. */
static ds_status wait_for(ds_http_client *h, double seconds)
{
    double end = ds_now() + seconds;
    while (ds_now() < end) {
        struct timespec t = { 0, 50 * 1000 * 1000 };
        nanosleep(&t, NULL);
        if (h->progress && h->progress(h->user, "asking the hub", h->done, h->total))
            return ds_fail(DS_E_CANCELLED, "the download was stopped");
    }
    return DS_OK;
}

/* One try. DS_OK with any status; DS_E_IO when there was no whole answer. */
static ds_status try_once(ds_http_client *h, const char *url, bool head, size_t max, ds_http_headers *out, ds_buf *body)
{
    small              s = { h, out, body, max, false, false };
    struct curl_slist *list;
    CURL              *c = h->easy ? h->easy : (h->easy = ds_http_new());
    if (!c)
        return ds_fail_nomem(0);
    DS_TRY(ds_http_prepare(h, c, url, &list));
    ds_http_headers_reset(out);
    if (body)
        ds_buf_clear(body);
    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(c, CURLOPT_NOBODY, (long)head);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &s);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &s);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, &s);
    CURLcode rc = curl_easy_perform(c);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(list);
    if (s.stopped)
        return ds_fail(DS_E_CANCELLED, "the download was stopped");
    if (s.too_long)
        return ds_fail(DS_E_FORMAT, "%s: the answer is longer than %zu bytes", url, max);
    if (rc != CURLE_OK)
        return ds_fail(rc == CURLE_OUT_OF_MEMORY ? DS_E_NOMEM : DS_E_IO, "%s: %s", url, curl_easy_strerror(rc));
    return DS_OK;
}

/* Tries until there is an answer that will not get better. */
static ds_status try_often(ds_http_client *h, const char *url, bool head, size_t max, ds_http_headers *out, ds_buf *body)
{
    for (int strike = 1;; strike++) {
        ds_status st = try_once(h, url, head, max, out, body);
        bool      again = st == DS_E_IO || (st == DS_OK && ds_http_retryable(out->status));
        if (!again || strike >= DS_HTTP_MAX_TRIES)
            return st;
        DS_TRY(wait_for(h, ds_http_backoff(strike, st == DS_OK ? out->retry_after : -1)));
    }
}

ds_status ds_http_request(ds_http_client *h, const char *url, bool head, size_t max, ds_http_headers *out, ds_buf *body)
{
    char     *at = ds_strdup(url), *next;
    ds_status st = at ? DS_OK : DS_E_NOMEM;
    for (int hop = 0; st == DS_OK; hop++) {
        DS_TRY_GOTO(try_often(h, at, head, max, out, body), end);
        if (out->status / 100 == 2)
            break;
        if (out->status / 100 != 3 || !out->location.len) {
            st = ds_http_status_error(at, out->status, h->token != NULL);
            break;
        }
        if (hop == DS_HTTP_MAX_REDIRECTS) {
            st = ds_fail(DS_E_IO, "%s: more than %d redirects", url, DS_HTTP_MAX_REDIRECTS);
            break;
        }
        DS_TRY_GOTO(ds_url_join(at, out->location.data, &next), end);
        bool leaves = !ds_url_same_origin(next, h->endpoint);
        ds_free(at);
        at = next;
        if (head && leaves) {
            ds_buf_clear(&out->location);
            st = ds_buf_adds(&out->location, at);
            break;
        }
    }
    if (st == DS_OK && out->status / 100 == 2) { /* where the answer came from */
        ds_buf_clear(&out->location);
        st = ds_buf_adds(&out->location, at);
    }
end:
    ds_free(at);
    return st;
}
