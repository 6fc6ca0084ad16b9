/* One request and its answer: what any thread may touch. The loop is woken through a descriptor and takes what is there. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "serve/connection.h"

ds_exchange *ds_exchange_new(ds_connection *c)
{
    ds_exchange *x = ds_calloc(1, sizeof *x);
    if (!x)
        return NULL;
    atomic_init(&x->refs, 1);
    x->h = c->h;
    x->c = c;
    x->began = ds_now();
    memcpy(x->peer, c->peer, sizeof x->peer);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->called, NULL);
    ds_http_parser_init(&x->p, c->h->limits.header_bytes, c->h->limits.body_bytes);
    x->request = (ds_http_request){ .method = "", .path = "", .query = "", .peer = x->peer, .body = "" };
    c->h->n_exchange++;
    return x;
}

void ds_exchange_fill(ds_exchange *x)
{
    x->request.method = x->p.method ? x->p.method : "";
    x->request.path = x->p.path ? x->p.path : "";
    x->request.query = x->p.query ? x->p.query : "";
    x->request.body = x->p.body.data ? x->p.body.data : "";
    x->request.n_body = x->p.body.len;
}

ds_exchange *ds_exchange_ref(ds_exchange *x)
{
    x->refs++;
    return x;
}

void ds_exchange_unref(ds_exchange **px)
{
    ds_exchange *x = *px;
    *px = NULL;
    if (!x || --x->refs > 0)
        return;
    if (x->free_tag)
        x->free_tag(x->tag);
    x->h->body_bytes -= x->counted;
    x->h->n_exchange--;
    ds_http_parser_free(&x->p);
    ds_buf_free(&x->extra);
    ds_buf_free(&x->out);
    ds_free(x->type);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->called);
    ds_free(x);
}

const ds_http_request *ds_exchange_request(const ds_exchange *x)
{
    return &x->request;
}

const char *ds_exchange_header(const ds_exchange *x, const char *name)
{
    return ds_http_header_of(&x->p, name);
}

void ds_exchange_attach(ds_exchange *x, void *tag, void (*free_it)(void *tag))
{
    x->tag = tag;
    x->free_tag = free_it;
}

void *ds_exchange_tag(const ds_exchange *x)
{
    return x->tag;
}

void ds_exchange_about(const ds_exchange *x, ds_exchange_info *i)
{
    *i = (ds_exchange_info){ .complete = x->complete, .seconds = ds_now() - x->began, .bytes = x->sent };
    pthread_mutex_lock((pthread_mutex_t *)&x->lock);
    i->status = x->status;
    pthread_mutex_unlock((pthread_mutex_t *)&x->lock);
}

/* ---- waking the loop ---- */

void ds_http_wake(ds_http *h)
{
    uint64_t one = 1;
    int      saved = errno;
    while (write(h->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = saved;
}

static void wake(ds_exchange *x)
{
    ds_http *h = x->h;
    bool     was_empty = false;
    pthread_mutex_lock(&h->wake_lock);
    if (!x->woken) {
        was_empty = !h->first_woken;
        x->woken = true;
        x->next_woken = h->first_woken;
        h->first_woken = ds_exchange_ref(x);
    }
    pthread_mutex_unlock(&h->wake_lock);
    if (was_empty)
        ds_http_wake(h);
}

/* ---- the answer ---- */

void ds_exchange_add_header(ds_exchange *x, const char *name, const char *value)
{
    pthread_mutex_lock(&x->lock);
    if (x->answer == DS_ANSWER_NONE && !value[strcspn(value, "\r\n")]) {
        size_t was = x->extra.len;
        if (ds_buf_printf(&x->extra, "%s: %s\r\n", name, value) != DS_OK)
            x->extra.len = was;
    }
    pthread_mutex_unlock(&x->lock);
}

/* Under the lock. */
static bool begin(ds_exchange *x, int status, const char *type)
{
    if (x->answer != DS_ANSWER_NONE)
        return false;
    x->answer = DS_ANSWER_BEGUN;
    x->status = status;
    x->type = type ? ds_strdup(type) : NULL;
    x->cut |= type && !x->type;
    return true;
}

static void add(ds_exchange *x, const void *bytes, size_t n)
{
    if (x->gone || x->cut || x->answer != DS_ANSWER_BEGUN || !n)
        return;
    if (x->out.len + x->backlog > x->h->limits.unsent_bytes || ds_buf_add(&x->out, bytes, n) != DS_OK) {
        x->cut = true;
        ds_buf_free(&x->out);
    }
}

void ds_exchange_reply(ds_exchange *x, int status, const char *type, const void *body, size_t n)
{
    pthread_mutex_lock(&x->lock);
    bool first = begin(x, status, type);
    if (first) {
        x->whole = true;
        x->length = n;
        add(x, body, n);
        x->answer = DS_ANSWER_ENDED;
    }
    pthread_mutex_unlock(&x->lock);
    if (first)
        wake(x);
}

void ds_exchange_begin(ds_exchange *x, int status, const char *type)
{
    pthread_mutex_lock(&x->lock);
    begin(x, status, type);
    pthread_mutex_unlock(&x->lock);
    wake(x);
}

void ds_exchange_write(ds_exchange *x, const void *bytes, size_t n)
{
    pthread_mutex_lock(&x->lock);
    bool gone = x->gone;
    add(x, bytes, n);
    x->written = ds_now();
    pthread_mutex_unlock(&x->lock);
    if (!gone)
        wake(x);
}

/* ---- a sign of life ---- */

void ds_exchange_keep_alive(ds_exchange *x, double seconds)
{
    pthread_mutex_lock(&x->lock);
    x->alive_seconds = seconds;
    x->written = ds_now();
    pthread_mutex_unlock(&x->lock);
    wake(x);
}

bool ds_exchange_stop_alive(ds_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool begun = x->answer != DS_ANSWER_NONE;
    x->alive_seconds = 0;
    pthread_mutex_unlock(&x->lock);
    return begun;
}

void ds_exchange_comment(ds_exchange *x)
{
    static const char comment[] = ": keep-alive\n\n";
    pthread_mutex_lock(&x->lock);
    if (x->alive_seconds > 0 && ds_now() - x->written > 0.9 * x->alive_seconds) {
        begin(x, 200, DS_EVENT_STREAM);
        add(x, comment, sizeof comment - 1);
        x->written = ds_now();
    }
    pthread_mutex_unlock(&x->lock);
}

static void end(ds_exchange *x, ds_answer how)
{
    pthread_mutex_lock(&x->lock);
    bool open = x->answer == DS_ANSWER_BEGUN || (x->answer == DS_ANSWER_NONE && how == DS_ANSWER_ABORTED);
    if (open)
        x->answer = how;
    pthread_mutex_unlock(&x->lock);
    if (open)
        wake(x);
}

void ds_exchange_end(ds_exchange *x)
{
    end(x, DS_ANSWER_ENDED);
}

void ds_exchange_abort(ds_exchange *x)
{
    end(x, DS_ANSWER_ABORTED);
}

/* ---- the client ---- */

bool ds_exchange_gone(const ds_exchange *x)
{
    pthread_mutex_lock((pthread_mutex_t *)&x->lock);
    bool gone = x->gone;
    pthread_mutex_unlock((pthread_mutex_t *)&x->lock);
    return gone;
}

void ds_exchange_on_gone(ds_exchange *x, void (*fn)(void *user), void *user)
{
    pthread_mutex_lock(&x->lock);
    while (!fn && x->calling && !pthread_equal(pthread_self(), x->h->thread))
        pthread_cond_wait(&x->called, &x->lock);
    bool now = fn && x->gone;
    x->on_gone = now ? NULL : fn;
    x->user = user;
    pthread_mutex_unlock(&x->lock);
    if (now)
        fn(user);
}

void ds_exchange_lost(ds_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool  over = x->answer == DS_ANSWER_ENDED || x->answer == DS_ANSWER_ABORTED; /* nobody waits for it any more */
    void (*fn)(void *) = over ? NULL : x->on_gone;
    void *user = x->user;
    x->gone = true;
    x->on_gone = NULL;
    x->calling = fn != NULL;
    ds_buf_free(&x->out);
    pthread_mutex_unlock(&x->lock);
    if (!fn)
        return;
    fn(user);
    pthread_mutex_lock(&x->lock);
    x->calling = false;
    pthread_cond_broadcast(&x->called);
    pthread_mutex_unlock(&x->lock);
}
