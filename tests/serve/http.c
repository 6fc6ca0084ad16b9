/* The listener: keep-alive and pipelining, answers in pieces from other threads, every limit, clients that vanish or do not read, and
 * the end. Each test has a server of its own on a free port; nothing is asserted about times but that something happens at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "base/thread.h"
#include "serve/http.h"

enum { PATIENCE = 60 }; /* seconds until a test that waits has failed */

/* ---- the server ---- */

typedef struct server {
    ds_http     *http;
    pthread_t    thread;
    ds_status    ended;
    atomic_int   gone, over, complete, streams, handled;
    ds_exchange *_Atomic held;
} server;

static void on_gone(void *user)
{
    ((server *)user)->gone++;
}

typedef struct stream {
    server      *s;
    ds_exchange *x;
    pthread_t    thread;
} stream;

/* "/stream?PIECES,SIZE,STYLE": style a aborts at the end, w waits between pieces. */
static void *write_stream(void *user)
{
    stream     *t = user;
    long        pieces = 0, size = 0;
    char        style = ' ';
    sscanf(ds_exchange_request(t->x)->query, "%ld,%ld,%c", &pieces, &size, &style);
    char *piece = malloc((size_t)size);
    memset(piece, 'p', (size_t)size);
    ds_exchange_begin(t->x, 200, "text/plain");
    for (long i = 0; i < pieces && !ds_exchange_gone(t->x); i++) {
        ds_exchange_write(t->x, piece, (size_t)size);
        if (style == 'w')
            usleep(2000);
    }
    if (style == 'a')
        ds_exchange_abort(t->x);
    else
        ds_exchange_end(t->x);
    ds_exchange_on_gone(t->x, NULL, NULL);
    free(piece);
    t->s->streams--;
    ds_exchange_unref(&t->x);
    free(t);
    return NULL;
}

static void start_stream(server *s, ds_exchange *x)
{
    stream        *t = malloc(sizeof *t);
    pthread_attr_t a;
    *t = (stream){ .s = s, .x = ds_exchange_ref(x) };
    s->streams++;
    ds_exchange_on_gone(x, on_gone, s);
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    pthread_create(&t->thread, &a, write_stream, t);
    pthread_attr_destroy(&a);
}

static void on_head(void *user, ds_exchange *x)
{
    if (strcmp(ds_exchange_request(x)->path, "/forbidden") == 0)
        ds_exchange_reply(x, 403, "text/plain", "no", 2);
}

static void on_request(void *user, ds_exchange *x)
{
    server                *s = user;
    const ds_http_request *q = ds_exchange_request(x);
    s->handled++;
    if (strcmp(q->path, "/echo") == 0) {
        ds_exchange_add_header(x, "X-Query", q->query);
        ds_exchange_add_header(x, "X-Evil", "a\r\nX-Injected: b"); /* is left out */
        ds_exchange_reply(x, 200, "text/plain", q->body, q->n_body);
        ds_exchange_reply(x, 500, "text/plain", "second", 6); /* is ignored */
    } else if (strcmp(q->path, "/hold") == 0) {
        ds_exchange_on_gone(x, on_gone, s);
        s->held = ds_exchange_ref(x);
    } else if (strcmp(q->path, "/stream") == 0) {
        start_stream(s, x);
    } else if (strcmp(q->path, "/empty") == 0) {
        ds_exchange_reply(x, 204, NULL, NULL, 0);
    }
}

static void on_over(void *user, ds_exchange *x)
{
    server          *s = user;
    ds_exchange_info i;
    ds_exchange_about(x, &i);
    s->over++;
    s->complete += i.complete;
}

static void *run(void *user)
{
    server *s = user;
    s->ended = ds_http_run(s->http);
    return NULL;
}

static void start(server *s, const ds_http_limits *limits)
{
    ds_http_handlers on = { .head = on_head, .request = on_request, .over = on_over, .user = s };
    *s = (server){ .http = NULL };
    if (ds_http_create(&s->http, "127.0.0.1", 0, limits, &on) != DS_OK)
        fail_msg("%s", ds_error());
    assert_true(ds_http_is_loopback(s->http));
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

#define WAIT_FOR(condition)                                             \
    do {                                                                \
        double until_ = ds_now() + PATIENCE;                            \
        while (!(condition)) {                                          \
            if (ds_now() > until_)                                      \
                fail_msg("line %d: never came: %s", __LINE__, #condition); \
            usleep(1000);                                               \
        }                                                               \
    } while (0)

static ds_http_stats stats(const server *s)
{
    ds_http_stats a;
    ds_http_about(s->http, &a);
    return a;
}

/* Nothing may be left behind. */
static void finish(server *s)
{
    WAIT_FOR(s->streams == 0);
    ds_http_stop(s->http, 0);
    pthread_join(s->thread, NULL);
    assert_int_equal(s->ended, DS_OK);
    WAIT_FOR(stats(s).exchanges == 0);
    assert_int_equal(stats(s).body_bytes, 0);
    assert_int_equal(stats(s).connections, 0);
    ds_http_destroy(&s->http);
}

/* ---- clients ---- */

static int dial(const server *s, int receive_buffer)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)ds_http_port(s->http)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval     patience = { PATIENCE, 0 };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t m = send(fd, bytes, n, MSG_NOSIGNAL);
        if (m <= 0)
            return false;
        bytes += m;
        n -= (size_t)m;
    }
    return true;
}

static void say(int fd, const char *text)
{
    assert_true(send_all(fd, text, strlen(text)));
}

static void reset(int fd)
{
    struct linger now = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* Reads until `words` are there (NULL: until the end); false when the connection ended before. */
static bool hear(int fd, ds_buf *in, const char *words)
{
    char bytes[4096];
    while (!words || !in->data || !strstr(in->data, words)) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno != ECONNRESET)
            fail_msg("waiting for \"%s\": %s; so far: %s", words ? words : "the end", strerror(errno), in->data ? in->data : "");
        if (n <= 0)
            return !words;
        assert_int_equal(ds_buf_add(in, bytes, (size_t)n), DS_OK);
    }
    return true;
}

static int count(const ds_buf *in, const char *words)
{
    int n = 0;
    for (const char *s = in->data; s && (s = strstr(s, words)); s += strlen(words))
        n++;
    return n;
}

/* One connection, one text, all that comes until the server closes. */
static void ask(const server *s, const char *text, ds_buf *in)
{
    int fd = dial(s, 0);
    assert_true(fd >= 0);
    ds_buf_free(in);
    say(fd, text);
    hear(fd, in, NULL);
    close(fd);
}

static void expect(const server *s, const char *text, const char *words)
{
    ds_buf in = { 0 };
    ask(s, text, &in);
    if (!in.data || !strstr(in.data, words))
        fail_msg("\"%.200s\" was answered with \"%s\", expected \"%s\"", text, in.data ? in.data : "", words);
    ds_buf_free(&in);
}

#define HOST "Host: a\r\n"
#define CLOSE HOST "Connection: close\r\n"

/* ---- the protocol ---- */

static void answers(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    expect(&s, "POST /echo?a=b HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "\r\nContent-Length: 5\r\n");
    expect(&s, "POST /echo?a=b HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "\r\nX-Query: a=b\r\n\r\nhello");
    expect(&s, "POST /echo HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "\r\n\r\nhello");
    expect(&s, "GET /nobody HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 500 ");
    expect(&s, "GET /empty HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 204 No Content\r\n");
    expect(&s, "nonsense\r\n\r\n", "HTTP/1.1 400 ");
    expect(&s, "\x16\x03\x01", "HTTP/1.1 400 ");
    ask(&s, "HEAD /echo HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", &in);
    assert_non_null(strstr(in.data, "Content-Length: 5"));
    assert_null(strstr(in.data, "hello"));
    assert_null(strstr(in.data, "X-Injected"));
    ask(&s, "HEAD /stream?3,3 HTTP/1.1\r\n" CLOSE "\r\n", &in);
    assert_null(strstr(in.data, "ppp"));
    ask(&s, "GET /stream?3,3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &in); /* no chunks in HTTP/1.0: the end is the end */
    assert_non_null(strstr(in.data, "\r\n\r\nppppppppp"));
    assert_null(strstr(in.data, "chunked"));
    ds_buf_free(&in);
    finish(&s);
}

static void keeps_connections(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    int fd = dial(&s, 0);
    for (int i = 0; i < 20; i++) { /* a byte at a time, too */
        const char *q = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nping";
        ds_buf_clear(&in);
        if (i % 2)
            say(fd, q);
        else
            for (const char *c = q; *c; c++)
                assert_true(send_all(fd, c, 1));
        assert_true(hear(fd, &in, "ping"));
    }
    ds_buf_clear(&in);
    say(fd, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(hear(fd, &in, "Connection: keep-alive"));
    say(fd, "GET /echo HTTP/1.0\r\n\r\n");
    assert_true(hear(fd, &in, NULL));
    close(fd);
    assert_int_equal(stats(&s).accepted, 1);
    ds_buf_free(&in);
    finish(&s);
}

static void pipelines(void **state)
{
    server s;
    ds_buf in = { 0 }, out = { 0 };
    start(&s, NULL);
    int fd = dial(&s, 0);
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\nPOST /echo HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nsecondGET /stream?2,2 HTTP/1.1\r\n" HOST
            "\r\nGET /forbidden HTTP/1.1\r\n" HOST "\r\n");
    WAIT_FOR(s.held);
    usleep(20000);
    assert_int_equal(s.handled, 1); /* the others wait for the first */
    ds_exchange_reply(s.held, 200, "text/plain", "first", 5);
    ds_exchange *x = s.held;
    s.held = NULL;
    ds_exchange_unref(&x);
    assert_true(hear(fd, &in, "\r\n\r\nno"));
    assert_true(strstr(in.data, "first") < strstr(in.data, "second"));
    assert_true(strstr(in.data, "second") < strstr(in.data, "pp\r\n"));
    assert_int_equal(count(&in, "HTTP/1.1 200 OK"), 3);
    close(fd);
    for (int i = 0; i < 5000; i++) /* a client that asks and asks */
        ds_buf_adds(&out, "GET /echo?x HTTP/1.1\r\n" HOST "\r\n");
    ds_buf_adds(&out, "GET /empty HTTP/1.1\r\n" CLOSE "\r\n");
    ask(&s, out.data, &in);
    assert_int_equal(count(&in, "X-Query: x\r\n"), 5000);
    assert_int_equal(count(&in, "HTTP/1.1 204"), 1);
    ds_buf_free(&in);
    ds_buf_free(&out);
    finish(&s);
}

static void streams(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    int fd = dial(&s, 0);
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    WAIT_FOR(s.held);
    ds_exchange *x = s.held;
    ds_exchange_begin(x, 200, "text/event-stream");
    assert_true(hear(fd, &in, "chunked\r\n\r\n")); /* the head is out before there is a piece */
    ds_exchange_write(x, "data: 1\n\n", 9);
    assert_true(hear(fd, &in, "9\r\ndata: 1\n\n\r\n"));
    ds_exchange_write(x, "data: 2\n\n", 9);
    assert_true(hear(fd, &in, "9\r\ndata: 2\n\n\r\n"));
    ds_exchange_end(x);
    ds_exchange_write(x, "late", 4);
    assert_true(hear(fd, &in, "\r\n0\r\n\r\n"));
    s.held = NULL;
    ds_exchange_unref(&x);
    say(fd, "GET /echo?again HTTP/1.1\r\n" CLOSE "\r\n");
    hear(fd, &in, NULL);
    assert_non_null(strstr(in.data, "X-Query: again"));
    assert_null(strstr(in.data, "late"));
    close(fd);
    ask(&s, "GET /stream?10,10,a HTTP/1.1\r\n" CLOSE "\r\n", &in); /* given up in the middle: the last chunk is missing */
    assert_null(strstr(in.data, "\r\n0\r\n\r\n"));
    assert_int_equal(s.gone, 0);
    WAIT_FOR(s.over == 3);
    assert_int_equal(s.complete, 2);
    ds_buf_free(&in);
    finish(&s);
}

static void *stream_client(void *user)
{
    server *s = user;
    ds_buf  in = { 0 };
    for (int i = 0; i < 5; i++) {
        ask(s, "GET /stream?300,100 HTTP/1.1\r\n" CLOSE "\r\n", &in);
        size_t n = 0;
        for (size_t k = 0; k < in.len; k++)
            n += in.data[k] == 'p';
        assert_true(n >= 30000 && ds_ends_with(in.data, "\r\n0\r\n\r\n"));
    }
    ds_buf_free(&in);
    return NULL;
}

static void streams_to_many(void **state)
{
    server    s;
    pthread_t t[8];
    start(&s, NULL);
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, stream_client, &s);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    WAIT_FOR(s.over == 40);
    assert_int_equal(s.complete, 40);
    assert_int_equal(s.gone, 0);
    finish(&s);
}

static void continues(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    int fd = dial(&s, 0);
    say(fd, "POST /echo HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_true(hear(fd, &in, "HTTP/1.1 100 Continue\r\n\r\n"));
    say(fd, "hello");
    assert_true(hear(fd, &in, "\r\n\r\nhello"));
    close(fd);
    ask(&s, "POST /echo HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", &in);
    assert_null(strstr(in.data, "100 Continue"));
    assert_non_null(strstr(in.data, "HTTP/1.1 413 "));
    ask(&s, "POST /forbidden HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", &in); /* answered before the body */
    assert_null(strstr(in.data, "100 Continue"));
    assert_non_null(strstr(in.data, "HTTP/1.1 403 "));
    ds_buf_free(&in);
    finish(&s);
}

/* ---- limits ---- */

/* Sends a body of n bytes and returns how much was taken before the answer; the answer is in `in`. */
static size_t push(const server *s, const char *head, size_t n, size_t chunk, ds_buf *in)
{
    static char bytes[1 << 16];
    size_t      sent = 0;
    int         fd = dial(s, 0);
    say(fd, head);
    ds_buf_free(in);
    while (sent < n) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, 0) > 0)
            break;
        char line[32];
        int  m = chunk ? snprintf(line, sizeof line, "%zx\r\n", chunk) : 0;
        if (!send_all(fd, line, (size_t)m) || !send_all(fd, bytes, chunk ? chunk : sizeof bytes) || (chunk && !send_all(fd, "\r\n", 2)))
            break;
        sent += chunk ? chunk : sizeof bytes;
    }
    hear(fd, in, NULL);
    close(fd);
    return sent;
}

static void large_bodies(void **state)
{
    server         s;
    ds_buf         in = { 0 };
    ds_http_limits l = ds_http_default_limits;
    const size_t   hundred = 100 << 20;
    l.body_bytes = 1 << 20;
    start(&s, &l);
    assert_true(push(&s, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 104857600\r\n\r\n", hundred, 0, &in) < hundred);
    assert_non_null(strstr(in.data, "HTTP/1.1 413 "));
    assert_non_null(strstr(in.data, "\"error\""));
    assert_true(push(&s, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", hundred, 60000, &in) < hundred);
    assert_non_null(strstr(in.data, "HTTP/1.1 413 "));
    assert_int_equal(s.handled, 0);
    WAIT_FOR(stats(&s).body_bytes == 0);
    ds_buf_free(&in);
    finish(&s);
}

/* All bodies together: a second large one has to wait for the first. */
static void many_bodies(void **state)
{
    server         s;
    ds_buf         in = { 0 };
    ds_http_limits l = ds_http_default_limits;
    l.body_bytes = 1 << 20;
    l.all_body_bytes = 3 << 19;
    start(&s, &l);
    static char half[1 << 19];
    int         first = dial(&s, 0);
    say(first, "POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 1048576\r\n\r\n");
    assert_true(send_all(first, half, sizeof half) && send_all(first, half, sizeof half - 1));
    WAIT_FOR(stats(&s).body_bytes == (1 << 20) - 1);
    push(&s, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n", 1 << 20, 0, &in);
    assert_non_null(strstr(in.data, "HTTP/1.1 503 "));
    assert_true(send_all(first, "", 1)); /* the last byte: a NUL, like the others */
    ds_buf_clear(&in);
    assert_true(hear(first, &in, "Content-Length: 1048576"));
    hear(first, &in, NULL);
    close(first);
    ds_buf_free(&in);
    finish(&s);
}

static void header_floods(void **state)
{
    server s;
    ds_buf out = { 0 };
    start(&s, NULL);
    ds_buf_adds(&out, "GET /echo HTTP/1.1\r\n");
    for (int i = 0; i < 100000; i++)
        ds_buf_printf(&out, "X-%d: y\r\n", i);
    int    fd = dial(&s, 0);
    ds_buf in = { 0 };
    send_all(fd, out.data, out.len); /* may fail when the server has closed */
    hear(fd, &in, NULL);
    assert_true(in.data && strstr(in.data, "HTTP/1.1 431 "));
    close(fd);
    ds_buf_clear(&out);
    ds_buf_adds(&out, "GET /");
    for (int i = 0; i < 10000; i++)
        ds_buf_adds(&out, "aaaaaaaaaa");
    fd = dial(&s, 0);
    send_all(fd, out.data, out.len); /* a line without end */
    ds_buf_clear(&in);
    hear(fd, &in, NULL);
    assert_true(in.data && strstr(in.data, "HTTP/1.1 431 "));
    close(fd);
    assert_int_equal(s.handled, 0);
    ds_buf_free(&in);
    ds_buf_free(&out);
    finish(&s);
}

/* Clients that send a byte now and then must not be able to hold connections for ever. */
static void slow_clients(void **state)
{
    static const char *const begin[] = { "GET /echo HTTP/1.1\r\n", "\r\n", "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n",
                                         "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n" };
    server         s;
    ds_http_limits l = ds_http_default_limits;
    ds_buf         in = { 0 };
    l.header_seconds = l.body_seconds = 0.15;
    start(&s, &l);
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++) {
        int fd = dial(&s, 0);
        say(fd, begin[i]);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        double        until = ds_now() + PATIENCE;
        while (poll(&p, 1, 20) == 0 && ds_now() < until)
            send_all(fd, i == 1 ? "\r\n" : "1", i == 1 ? 2 : 1); /* drips on */
        ds_buf_clear(&in);
        hear(fd, &in, NULL);
        if (!in.data || !strstr(in.data, "HTTP/1.1 4"))
            fail_msg("case %zu: \"%s\"", i, in.data ? in.data : "");
        close(fd);
    }
    ds_buf_free(&in);
    assert_int_equal(s.handled, 0);
    finish(&s);
}

static void idle_clients(void **state)
{
    server         s;
    ds_http_limits l = ds_http_default_limits;
    ds_buf         in = { 0 };
    l.idle_seconds = 0.1;
    start(&s, &l);
    int silent = dial(&s, 0), kept = dial(&s, 0);
    say(kept, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear(kept, &in, "\r\n\r\n"));
    size_t n = in.len;
    hear(kept, &in, NULL);
    assert_int_equal(in.len, n); /* closed without a word */
    ds_buf_clear(&in);
    hear(silent, &in, NULL);
    assert_int_equal(in.len, 0);
    close(silent);
    close(kept);
    ds_buf_free(&in);
    finish(&s);
}

static void thousand_connections(void **state)
{
    enum { WANTED = 1000 };
    static int     fd[WANTED];
    struct rlimit  r;
    server         s;
    ds_buf         in = { 0 };
    ds_http_limits l = ds_http_default_limits;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max < 4096 ? r.rlim_max : 4096; /* both ends of each connection are ours */
    setrlimit(RLIMIT_NOFILE, &r);
    int n = r.rlim_cur >= 2 * WANTED + 200 ? WANTED : (int)(r.rlim_cur - 200) / 2;
    if (n < WANTED)
        print_message("only %d connections: the limit on open files is %lld\n", n, (long long)r.rlim_cur);
    assert_true(n > 10);
    l.connections = n + 1;
    start(&s, &l);
    for (int i = 0; i < n; i++) {
        fd[i] = dial(&s, 0);
        assert_true(fd[i] >= 0);
        if (i % 3 == 1)
            say(fd[i], "POST /echo HTTP/1.1\r\nHost: a"); /* some stop in the middle */
    }
    expect(&s, "POST /echo HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "\r\n\r\nhello");
    assert_int_equal(stats(&s).refused, 0);
    int one_more = dial(&s, 0);
    WAIT_FOR(stats(&s).connections >= n + 1);
    expect(&s, "GET /echo HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 503 ");
    assert_int_equal(stats(&s).refused, 1);
    close(one_more);
    for (int i = 0; i < n; i++)
        close(fd[i]);
    WAIT_FOR(stats(&s).connections == 0);
    expect(&s, "GET /echo?back HTTP/1.1\r\n" CLOSE "\r\n", "X-Query: back");
    ds_buf_free(&in);
    finish(&s);
}

/* ---- clients that go ---- */

static ds_exchange *hold(server *s, int fd)
{
    s->held = NULL;
    say(fd, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    WAIT_FOR(s->held);
    return s->held;
}

static void vanishes_before_the_answer(void **state)
{
    server s;
    start(&s, NULL);
    for (int how = 0; how < 2; how++) { /* a close, a reset */
        int          fd = dial(&s, 0), before = s.gone;
        ds_exchange *x = hold(&s, fd);
        assert_false(ds_exchange_gone(x));
        if (how)
            reset(fd);
        else
            close(fd);
        WAIT_FOR(s.gone == before + 1);
        assert_true(ds_exchange_gone(x));
        WAIT_FOR(s.over == how + 1); /* told after the others */
        ds_exchange_on_gone(x, on_gone, &s); /* at once */
        assert_int_equal(s.gone, before + 2);
        ds_exchange_begin(x, 200, "text/plain"); /* into the void */
        ds_exchange_write(x, "x", 1);
        ds_exchange_end(x);
        ds_exchange_unref(&x);
    }
    assert_int_equal(s.complete, 0);
    finish(&s);
}

/* One that shuts its side only is still there. */
static void half_closes(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    int          fd = dial(&s, 0);
    ds_exchange *x = hold(&s, fd);
    say(fd, "GET /echo?pipelined HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    assert_true(hear(fd, &in, "100 Continue")); /* the question whether it is */
    usleep(200000);
    assert_int_equal(s.gone, 0);
    ds_exchange_reply(x, 200, "text/plain", "answer", 6);
    ds_exchange_unref(&x);
    assert_true(hear(fd, &in, "answer"));
    assert_true(hear(fd, &in, "X-Query: pipelined"));
    hear(fd, &in, NULL);
    close(fd);
    fd = dial(&s, 0); /* one that shuts in the middle of a request gets nothing */
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    shutdown(fd, SHUT_WR);
    ds_buf_clear(&in);
    hear(fd, &in, NULL);
    assert_int_equal(in.len, 0);
    close(fd);
    ds_buf_free(&in);
    finish(&s);
}

static void vanishes_in_a_stream(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    for (int i = 0; i < 10; i++) {
        int fd = dial(&s, 0);
        say(fd, "GET /stream?1000000,50,w HTTP/1.1\r\n" HOST "\r\n");
        ds_buf_clear(&in);
        assert_true(hear(fd, &in, "pppp"));
        if (i % 2)
            reset(fd);
        else
            close(fd);
        WAIT_FOR(s.gone == i + 1);
    }
    WAIT_FOR(s.streams == 0);
    WAIT_FOR(stats(&s).exchanges == 0);
    ds_buf_free(&in);
    finish(&s);
}

/* Two ways to read too slowly: more waits than may, or nothing is taken for too long. */
static void slow_readers(void **state)
{
    server         s;
    ds_http_limits l = ds_http_default_limits;
    l.unsent_bytes = 256 << 10;
    start(&s, &l);
    int fd = dial(&s, 4096);
    say(fd, "GET /stream?1000000,65536 HTTP/1.1\r\n" HOST "\r\n");
    WAIT_FOR(s.gone == 1);
    WAIT_FOR(s.streams == 0);
    close(fd);
    finish(&s);

    l = ds_http_default_limits;
    l.idle_seconds = 0.2;
    start(&s, &l);
    fd = dial(&s, 4096);
    ds_exchange *x = hold(&s, fd);
    size_t       n = 6 << 20; /* more than the kernel keeps for us, less than the limit */
    char        *bytes = calloc(1, n);
    ds_exchange_begin(x, 200, "text/plain");
    ds_exchange_write(x, bytes, n);
    WAIT_FOR(s.gone == 1);
    close(fd);
    free(bytes);
    ds_exchange_unref(&x);
    finish(&s);
}

/* One that does not read its answers gets no further ones: its requests wait in its own kernel. */
static void asks_without_reading(void **state)
{
    server s;
    start(&s, NULL);
    int         fd = dial(&s, 4096), n = 0;
    static char body[60000];
    struct timeval soon = { 0, 200000 };
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 60000\r\n\r\n";
    while (n < 1000 && send_all(fd, head, sizeof head - 1) && send_all(fd, body, sizeof body))
        n++;
    assert_in_range(n, 2, 999); /* not all 60 MB went in */
    assert_in_range(s.handled, 2, 999);
    close(fd);
    finish(&s);
}

/* ---- the end ---- */

static void drains(void **state)
{
    server s;
    ds_buf in = { 0 };
    start(&s, NULL);
    int          fd = dial(&s, 0), idle = dial(&s, 0);
    ds_exchange *x = hold(&s, fd);
    ds_http_stop(s.http, PATIENCE);
    int late;
    WAIT_FOR((late = dial(&s, 0)) < 0 || (close(late), 0)); /* no more connections */
    say(idle, "GET /echo?kept HTTP/1.1\r\n" HOST "\r\n");    /* those that are there are still answered */
    assert_true(hear(idle, &in, NULL));
    assert_non_null(strstr(in.data, "X-Query: kept"));
    assert_non_null(strstr(in.data, "Connection: close"));
    assert_int_equal(s.gone, 0);
    ds_exchange_reply(x, 200, "text/plain", "the last answer", 15);
    ds_exchange_unref(&x);
    ds_buf_clear(&in);
    hear(fd, &in, NULL);
    assert_non_null(strstr(in.data, "the last answer"));
    close(fd);
    close(idle);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.ended, DS_OK);
    assert_int_equal(s.gone, 0);
    ds_http_destroy(&s.http);
    ds_buf_free(&in);
}

static void ends_at_once(void **state)
{
    server s;
    start(&s, NULL);
    int          fd = dial(&s, 0);
    ds_exchange *x = hold(&s, fd);
    ds_http_stop(s.http, PATIENCE);
    ds_http_stop(s.http, 0);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.gone, 1);
    ds_exchange_begin(x, 200, "text/plain"); /* the loop is over */
    ds_exchange_write(x, "x", 1);
    ds_exchange_unref(&x);
    close(fd);
    ds_http_destroy(&s.http);
    ds_http_destroy(&s.http); /* NULL */
    start(&s, NULL);
    ds_http_stop(s.http, 0.05); /* grace that is over with a request still there */
    pthread_join(s.thread, NULL);
    ds_http_destroy(&s.http);
}

static void wrong_addresses(void **state)
{
    ds_http         *h;
    server           s;
    ds_http_handlers on = { .request = on_request };
    assert_int_equal(ds_http_create(&h, "127.0.0.1", 70000, NULL, &on), DS_E_ARG);
    assert_null(h);
    assert_int_equal(ds_http_create(&h, "no.such.host.invalid", 0, NULL, &on), DS_E_IO);
    assert_non_null(strstr(ds_error(), "no.such.host.invalid"));
    start(&s, NULL);
    assert_int_equal(ds_http_create(&h, "127.0.0.1", ds_http_port(s.http), NULL, &on), DS_E_IO);
    assert_non_null(strstr(ds_error(), "another program has it"));
    finish(&s);
    assert_int_equal(ds_http_create(&h, "0.0.0.0", 0, NULL, &on), DS_OK); /* destroyed without having run */
    assert_false(ds_http_is_loopback(h));
    ds_http_destroy(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers), cmocka_unit_test(keeps_connections), cmocka_unit_test(pipelines), cmocka_unit_test(streams),
        cmocka_unit_test(streams_to_many), cmocka_unit_test(continues), cmocka_unit_test(large_bodies), cmocka_unit_test(many_bodies),
        cmocka_unit_test(header_floods), cmocka_unit_test(slow_clients), cmocka_unit_test(idle_clients), cmocka_unit_test(thousand_connections),
        cmocka_unit_test(vanishes_before_the_answer), cmocka_unit_test(half_closes), cmocka_unit_test(vanishes_in_a_stream),
        cmocka_unit_test(slow_readers), cmocka_unit_test(asks_without_reading), cmocka_unit_test(drains), cmocka_unit_test(ends_at_once),
        cmocka_unit_test(wrong_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
