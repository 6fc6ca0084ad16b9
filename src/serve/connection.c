/* A connection: reading requests one after another, bringing out answers, and every reason to end it. All on the loop's thread. */
#include "serve/connection.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/mem.h"
#include "base/thread.h"

enum { READ_AHEAD = 64 << 10, HOLD = 64 << 10, SPARE_CONNECTIONS = 128 };

static const double linger_seconds = 2, first_probe = 0.05, last_probe = 5;
static const char   go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
static const char   too_many[] =
    "{\"error\":{\"message\":\"Too many connections. Try again later.\",\"type\":\"server_error\",\"param\":null,\"code\":\"overloaded\"}}";

/* ---- time ---- */

static size_t unsent(const ds_connection *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* When something is to be done about the connection. */
static double due(const ds_connection *c)
{
    bool waits = c->phase == DS_CONN_IDLE || c->phase == DS_CONN_ANSWER || c->phase == DS_CONN_FLUSH;
    if (c->phase == DS_CONN_ANSWER && c->half_closed)
        return c->deadline;
    if (waits && unsent(c))
        return c->progress + c->h->limits.idle_seconds;
    return c->phase == DS_CONN_ANSWER || c->phase == DS_CONN_FLUSH ? ds_now() + c->h->limits.idle_seconds : c->deadline;
}

static void set_timer(struct event *e, double seconds)
{
    struct timeval t = { 0, 1000 };
    if (seconds > 0.001) {
        t.tv_sec = (time_t)seconds;
        t.tv_usec = (suseconds_t)((seconds - (double)t.tv_sec) * 1e6);
    }
    evtimer_add(e, &t);
}

static void arm(ds_connection *c)
{
    set_timer(c->timer, due(c) - ds_now());
}

static void enter_phase(ds_connection *c, ds_connection_phase phase, double seconds)
{
    c->phase = phase;
    c->deadline = ds_now() + seconds;
    arm(c);
}

/* ---- the end ---- */

static void free_connection(ds_connection *c)
{
    *(c->prev ? &c->prev->next : &c->h->connections) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->h->n_connection--;
    if (c->bev)
        bufferevent_free(c->bev);
    if (c->timer)
        event_free(c->timer);
    if (c->alive)
        event_free(c->alive);
    ds_free(c);
}

/* The exchange and its connection part. */
static void part(ds_connection *c, bool complete)
{
    ds_exchange *x = c->x;
    c->x = NULL;
    x->c = NULL;
    x->complete = complete;
    if (!complete)
        ds_exchange_lost(x);
    if (c->h->on.over)
        c->h->on.over(c->h->on.user, x);
    ds_exchange_unref(&x);
}

void ds_connection_close(ds_connection *c)
{
    if (c->dead)
        return;
    c->dead = true;
    if (c->x)
        part(c, false);
}

/* Every way in from the loop stands between these two: what closes the connection in between does not free it yet. */
static void enter(ds_connection *c)
{
    c->entered++;
}

static void leave(ds_connection *c)
{
    ds_http *h = c->h;
    if (--c->entered == 0 && c->dead)
        free_connection(c);
    ds_http_check_drained(h);
}

/* Closes when all is out; what comes in is thrown away for a moment, for a reset could overtake the answer. */
static void flush_and_close(ds_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    evbuffer_drain(in, evbuffer_get_length(in));
    if (unsent(c)) {
        enter_phase(c, DS_CONN_FLUSH, 0);
    } else if (c->half_closed) {
        ds_connection_close(c);
    } else {
        shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        enter_phase(c, DS_CONN_LINGER, linger_seconds);
    }
}

/* ---- answers ---- */

static const char *date_of(ds_http *h)
{
    time_t    now = time(NULL);
    struct tm t;
    if (now != h->date_at && gmtime_r(&now, &t)) {
        h->date_at = now;
        strftime(h->date, sizeof h->date, "%a, %d %b %Y %H:%M:%S GMT", &t);
    }
    return h->date;
}

static bool without_body(const ds_exchange *x)
{
    return x->status == 204 || x->status == 304 || strcmp(x->request.method, "HEAD") == 0;
}

/* The request's own wish, and what speaks against keeping the connection. */
static bool keeps(const ds_exchange *x)
{
    return x->p.keep_alive && x->p.phase == DS_HTTP_COMPLETE && !x->h->stopping && (x->whole || x->p.minor > 0 || without_body(x));
}

static void write_head(ds_connection *c, ds_exchange *x)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    bool             length = x->whole && x->status != 204 && x->status != 304, none = without_body(x);
    x->chunked = !x->whole && x->p.minor > 0 && !none;
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", x->status, ds_http_reason(x->status), date_of(c->h));
    if (x->type)
        evbuffer_add_printf(out, "Content-Type: %s\r\n", x->type);
    if (length)
        evbuffer_add_printf(out, "Content-Length: %zu\r\n", x->length);
    if (x->chunked)
        evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
    if (!keeps(x))
        evbuffer_add_printf(out, "Connection: close\r\n");
    else if (x->p.minor == 0)
        evbuffer_add_printf(out, "Connection: keep-alive\r\n");
    evbuffer_add(out, x->extra.data, x->extra.len);
    evbuffer_add(out, "\r\n", 2);
    x->head_sent = true;
}

static void write_body(ds_connection *c, ds_exchange *x, const ds_buf *b)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    if (!b->len || without_body(x))
        return;
    x->sent += b->len;
    if (x->chunked)
        evbuffer_add_printf(out, "%zx\r\n", b->len);
    evbuffer_add(out, b->data, b->len);
    if (x->chunked)
        evbuffer_add(out, "\r\n", 2);
}

/* The answer is on its way out. */
static void finish(ds_connection *c, ds_exchange *x)
{
    bool keep = keeps(x) && !(c->half_closed && !evbuffer_get_length(bufferevent_get_input(c->bev)));
    if (x->chunked)
        evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5);
    part(c, true);
    c->head_done = false;
    if (keep)
        enter_phase(c, DS_CONN_IDLE, c->h->limits.idle_seconds);
    else
        flush_and_close(c);
}

/* Takes what the answer has by now. */
static void take(ds_exchange *x)
{
    ds_connection *c = x->c;
    pthread_mutex_lock(&x->lock);
    ds_answer answer = x->answer;
    bool      cut = x->cut;
    ds_buf    out = x->out;
    if (answer != DS_ANSWER_NONE)
        x->out = (ds_buf){ 0 };
    pthread_mutex_unlock(&x->lock);
    if (cut) {
        ds_buf_free(&out);
        ds_connection_close(c);
        return;
    }
    if (answer == DS_ANSWER_NONE || (answer == DS_ANSWER_ABORTED && !x->status)) {
        if (answer == DS_ANSWER_ABORTED)
            ds_connection_close(c);
        return;
    }
    if (!x->head_sent)
        write_head(c, x);
    write_body(c, x, &out);
    ds_buf_free(&out);
    if (answer == DS_ANSWER_ENDED) {
        finish(c, x);
    } else if (answer == DS_ANSWER_ABORTED) {
        part(c, false);
        flush_and_close(c);
    }
}

/* ---- requests ---- */

static void refuse(ds_connection *c, int status, const char *reason)
{
    char body[512];
    int  n = snprintf(body, sizeof body, "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":null}}", reason,
                      status < 500 ? "invalid_request_error" : "server_error");
    ds_exchange_fill(c->x);
    c->x->p.keep_alive = false;
    ds_exchange_reply(c->x, status, "application/json", body, (size_t)n);
    enter_phase(c, DS_CONN_ANSWER, 0);
    take(c->x);
}

/* Memory of the request that the parser holds. */
static bool count_memory(ds_connection *c)
{
    ds_exchange *x = c->x;
    size_t       now = x->p.body.len;
    c->h->body_bytes += now - x->counted;
    x->counted = now;
    return !now || c->h->body_bytes <= c->h->limits.all_body_bytes;
}

static bool answered(ds_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool yes = x->answer != DS_ANSWER_NONE;
    pthread_mutex_unlock(&x->lock);
    return yes;
}

static void head_is_there(ds_connection *c)
{
    ds_exchange *x = c->x;
    c->head_done = true;
    ds_exchange_fill(x);
    if (c->h->on.head)
        c->h->on.head(c->h->on.user, x);
    if (answered(x)) {
        enter_phase(c, DS_CONN_ANSWER, 0);
        take(x);
    } else if (x->p.phase == DS_HTTP_BODY) {
        if (x->p.expects_continue && !evbuffer_get_length(bufferevent_get_input(c->bev)))
            evbuffer_add(bufferevent_get_output(c->bev), go_on, sizeof go_on - 1);
        enter_phase(c, DS_CONN_READING, c->h->limits.body_seconds);
    }
}

static void hand_over(ds_connection *c)
{
    ds_exchange *x = ds_exchange_ref(c->x);
    ds_exchange_fill(x);
    enter_phase(c, DS_CONN_ANSWER, 0);
    c->h->requests++;
    c->h->on.request(c->h->on.user, x);
    if (x->refs == 2 && !answered(x))
        refuse(c, 500, "Nobody answered this request.");
    else
        take(x);
    ds_exchange_unref(&x);
}

/* Feeds the parser what is there in one piece. */
static void feed(ds_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer_iovec piece;
    if (evbuffer_peek(in, -1, NULL, &piece, 1) < 1)
        return;
    evbuffer_drain(in, ds_http_parse(&c->x->p, piece.iov_base, piece.iov_len));
    if (c->x->p.phase == DS_HTTP_BAD)
        refuse(c, c->x->p.status, c->x->p.reason);
    else if (!count_memory(c))
        refuse(c, 503, "Too many large requests at a time. Try again later.");
    else if (!c->head_done && c->x->p.phase != DS_HTTP_HEAD)
        head_is_there(c);
    if (c->x && c->phase == DS_CONN_READING && c->x->p.phase == DS_HTTP_COMPLETE)
        hand_over(c);
}

static bool start_request(ds_connection *c)
{
    c->x = ds_exchange_new(c);
    if (!c->x) {
        ds_connection_close(c);
        return false;
    }
    enter_phase(c, DS_CONN_READING, c->h->limits.header_seconds);
    return true;
}

/* Goes on as far as the bytes that are there reach. A client that does not take its answers gets no further ones. */
static void advance(ds_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    while (!c->dead && (c->phase == DS_CONN_IDLE || c->phase == DS_CONN_READING) && evbuffer_get_length(in)) {
        if (c->phase == DS_CONN_IDLE && unsent(c) > HOLD)
            return;
        if (c->phase == DS_CONN_IDLE && !start_request(c))
            return;
        feed(c);
    }
    if (!c->dead && c->half_closed && c->phase == DS_CONN_READING)
        ds_connection_close(c);
    else if (!c->dead && c->half_closed && c->phase == DS_CONN_IDLE)
        flush_and_close(c);
}

static void on_alive(evutil_socket_t fd, short what, void *user);

/* Until the answer is over, on_alive comes again. */
static void watch_alive(ds_connection *c)
{
    pthread_mutex_lock(&c->x->lock);
    double seconds = c->x->alive_seconds;
    pthread_mutex_unlock(&c->x->lock);
    if (!(seconds > 0))
        return;
    if (!c->alive)
        c->alive = evtimer_new(c->h->base, on_alive, c);
    if (c->alive && !evtimer_pending(c->alive, NULL))
        set_timer(c->alive, seconds);
}

static void on_alive(evutil_socket_t fd, short what, void *user)
{
    ds_connection *c = user;
    enter(c);
    if (c->x && c->phase == DS_CONN_ANSWER) {
        ds_exchange_comment(c->x);
        take(c->x);
        advance(c);
    }
    if (c->x)
        watch_alive(c);
    leave(c);
}

void ds_connection_flush(ds_exchange *x)
{
    ds_connection *c = x->c;
    if (!c || c->phase != DS_CONN_ANSWER)
        return;
    enter(c);
    watch_alive(c);
    take(x);
    advance(c);
    leave(c);
}

/* ---- what the loop calls ---- */

static void on_read(struct bufferevent *bev, void *user)
{
    ds_connection   *c = user;
    struct evbuffer *in = bufferevent_get_input(bev);
    enter(c);
    if (c->phase == DS_CONN_FLUSH || c->phase == DS_CONN_LINGER)
        evbuffer_drain(in, evbuffer_get_length(in));
    else
        advance(c);
    leave(c);
}

/* All is out. */
static void on_written(struct bufferevent *bev, void *user)
{
    ds_connection *c = user;
    enter(c);
    if (c->phase == DS_CONN_FLUSH)
        flush_and_close(c);
    else
        advance(c);
    leave(c);
}

/* A client that has shut its side may be waiting, or be gone: writing tells, by a reset. */
static void probe(ds_connection *c)
{
    int       error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error) {
        ds_connection_close(c);
        return;
    }
    if (c->x && !c->x->head_sent && c->x->p.minor > 0)
        evbuffer_add(bufferevent_get_output(c->bev), go_on, sizeof go_on - 1);
    c->probe_seconds = c->probe_seconds == 0 ? first_probe : c->probe_seconds < last_probe ? c->probe_seconds * 2 : last_probe;
    enter_phase(c, DS_CONN_ANSWER, c->probe_seconds);
}

static void on_end_of_input(ds_connection *c)
{
    c->half_closed = true;
    if (c->phase == DS_CONN_ANSWER)
        probe(c);
    else if (c->phase == DS_CONN_LINGER)
        ds_connection_close(c);
    else if (c->phase != DS_CONN_FLUSH)
        advance(c);
}

static void on_event(struct bufferevent *bev, short what, void *user)
{
    ds_connection *c = user;
    enter(c);
    if (what & BEV_EVENT_ERROR)
        ds_connection_close(c);
    else if (what & BEV_EVENT_EOF)
        on_end_of_input(c);
    leave(c);
}

static void on_time(evutil_socket_t fd, short what, void *user)
{
    ds_connection *c = user;
    enter(c);
    if (due(c) > ds_now())
        arm(c);
    else if (c->phase == DS_CONN_READING)
        refuse(c, 408, "The request did not come in time.");
    else if (c->phase == DS_CONN_ANSWER && c->half_closed && !(unsent(c) && c->progress + c->h->limits.idle_seconds < ds_now()))
        probe(c);
    else
        ds_connection_close(c);
    leave(c);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *user)
{
    ds_connection *c = user;
    c->h->bytes_out += info->n_deleted;
    if (info->n_deleted || !info->orig_size)
        c->progress = ds_now();
    if (!c->x)
        return;
    pthread_mutex_lock(&c->x->lock);
    c->x->backlog = info->orig_size + info->n_added - info->n_deleted;
    pthread_mutex_unlock(&c->x->lock);
}

static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *user)
{
    ((ds_connection *)user)->h->bytes_in += info->n_added;
}

/* ---- the beginning ---- */

static void link_connection(ds_http *h, ds_connection *c)
{
    c->next = h->connections;
    if (c->next)
        c->next->prev = c;
    h->connections = c;
    h->n_connection++;
}

ds_status ds_connection_open(ds_http *h, evutil_socket_t fd, const char *peer)
{
    bool           full = h->n_connection >= h->limits.connections;
    ds_connection *c = h->n_connection < h->limits.connections + SPARE_CONNECTIONS ? ds_calloc(1, sizeof *c) : NULL;
    h->refused += full;
    if (!c) {
        evutil_closesocket(fd);
        return DS_E_NOMEM;
    }
    c->h = h;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    link_connection(h, c);
    c->timer = evtimer_new(h->base, on_time, c);
    c->bev = bufferevent_socket_new(h->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->timer || !c->bev) {
        if (!c->bev)
            evutil_closesocket(fd);
        free_connection(c);
        return DS_E_NOMEM;
    }
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, READ_AHEAD);
    evbuffer_add_cb(bufferevent_get_output(c->bev), on_output, c);
    evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    enter_phase(c, DS_CONN_IDLE, h->limits.idle_seconds);
    if (full) {
        evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s", sizeof too_many - 1, too_many);
        flush_and_close(c);
    }
    return DS_OK;
}

void ds_connection_drop(ds_connection *c)
{
    enter(c);
    ds_connection_close(c);
    leave(c);
}
