/* The listener and its loop. */
#include "serve/http.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "serve/connection.h"

enum { BACKLOG = 1024 };

const ds_http_limits ds_http_default_limits = {
    .connections = 2048,
    .header_bytes = 32 << 10,
    .body_bytes = 16 << 20,
    .all_body_bytes = 256 << 20,
    .unsent_bytes = 8 << 20,
    .header_seconds = 10,
    .body_seconds = 60,
    .idle_seconds = 75,
};

/* ---- stopping ---- */

static void set_timer(struct event *e, double seconds)
{
    double         s = seconds < 0 ? 0 : seconds > 1e6 ? 1e6 : seconds;
    struct timeval t = { (time_t)s, (suseconds_t)((s - floor(s)) * 1e6) };
    evtimer_add(e, &t);
}

static bool busy(const ds_connection *c)
{
    return c->phase == DS_CONN_ANSWER || c->phase == DS_CONN_FLUSH || c->phase == DS_CONN_LINGER ||
           evbuffer_get_length(bufferevent_get_output(c->bev)) > 0;
}

void ds_http_check_drained(ds_http *h)
{
    if (!h->stopping)
        return;
    for (const ds_connection *c = h->connections; c; c = c->next)
        if (busy(c))
            return;
    event_base_loopbreak(h->base);
}

static void check_stop(ds_http *h)
{
    if (!h->stop)
        return;
    if (h->listener)
        evconnlistener_free(h->listener);
    h->listener = NULL;
    h->stopping = true;
    set_timer(h->grace, h->stop_at - ds_now());
    ds_http_check_drained(h);
}

void ds_http_stop(ds_http *h, double grace)
{
    double at = ds_now() + (grace > 0 ? grace : 0), was = h->stop_at;
    while (at < was && !atomic_compare_exchange_weak(&h->stop_at, &was, at)) {
    }
    h->stop = 1;
    ds_http_wake(h);
}

static void on_grace(evutil_socket_t fd, short what, void *user)
{
    event_base_loopbreak(((ds_http *)user)->base);
}

/* ---- woken by answers ---- */

static ds_exchange *take_woken(ds_http *h)
{
    ds_exchange *oldest_first = NULL;
    pthread_mutex_lock(&h->wake_lock);
    for (ds_exchange *x = h->first_woken; x; x = x->next_woken) {
        x->next_taken = oldest_first;
        x->woken = false;
        oldest_first = x;
    }
    h->first_woken = NULL;
    pthread_mutex_unlock(&h->wake_lock);
    return oldest_first;
}

static void on_wake(evutil_socket_t fd, short what, void *user)
{
    ds_http *h = user;
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
    check_stop(h);
    for (ds_exchange *x = take_woken(h), *next; x; x = next) {
        next = x->next_taken;
        ds_connection_flush(x);
        ds_exchange_unref(&x);
    }
}

/* ---- accepting ---- */

static void peer_name(const struct sockaddr *a, socklen_t n, char *out)
{
    if (getnameinfo(a, n, out, DS_HTTP_PEER, NULL, 0, NI_NUMERICHOST) != 0)
        strcpy(out, "?");
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int n, void *user)
{
    ds_http *h = user;
    char     peer[DS_HTTP_PEER];
    int      one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    h->accepted++;
    peer_name(a, (socklen_t)n, peer);
    ds_connection_open(h, fd, peer);
}

/* Out of descriptors or memory: trying again at once would spin. */
static void on_accept_error(struct evconnlistener *l, void *user)
{
    ds_http *h = user;
    evconnlistener_disable(l);
    set_timer(h->accept_again, 0.1);
}

static void on_accept_again(evutil_socket_t fd, short what, void *user)
{
    ds_http *h = user;
    if (h->listener)
        evconnlistener_enable(h->listener);
}

/* ---- listening ---- */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static int port_of(const struct sockaddr_storage *a)
{
    return ntohs(a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port : ((const struct sockaddr_in *)a)->sin_port);
}

static bool listen_at(ds_http *h, const struct addrinfo *a)
{
    h->listener = evconnlistener_new_bind(h->base, on_accept, h, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                          BACKLOG, a->ai_addr, (int)a->ai_addrlen);
    if (!h->listener)
        return false;
    struct sockaddr_storage own;
    socklen_t               n = sizeof own;
    evconnlistener_set_error_cb(h->listener, on_accept_error);
    h->loopback = is_loopback(a->ai_addr);
    if (getsockname(evconnlistener_get_fd(h->listener), (struct sockaddr *)&own, &n) == 0)
        h->port = port_of(&own);
    return true;
}

static ds_status listen_on(ds_http *h, const char *host, int port)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list;
    char            service[16];
    if (port < 0 || port > 65535)
        return ds_fail(DS_E_ARG, "port %d: expected 0 to 65535", port);
    snprintf(service, sizeof service, "%d", port);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc)
        return ds_fail(DS_E_IO, "cannot listen on %s: %s", host, gai_strerror(rc));
    bool done = false;
    errno = 0;
    for (const struct addrinfo *a = list; a && !done; a = a->ai_next)
        done = listen_at(h, a);
    int error = errno;
    freeaddrinfo(list);
    if (!done)
        return ds_fail(DS_E_IO, "cannot listen on %s port %d: %s%s", host, port, strerror(error),
                       error == EADDRINUSE ? " (another program has it; choose another port)" : "");
    return DS_OK;
}

static ds_status make_base(ds_http *h)
{
    struct event_config *config = event_config_new();
    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        h->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!h->base || h->wake_fd < 0)
        return ds_fail(DS_E_IO, "cannot make an event loop: %s", strerror(errno));
    h->wake = event_new(h->base, h->wake_fd, EV_READ | EV_PERSIST, on_wake, h);
    h->grace = evtimer_new(h->base, on_grace, h);
    h->accept_again = evtimer_new(h->base, on_accept_again, h);
    if (!h->wake || !h->grace || !h->accept_again || event_add(h->wake, NULL) != 0)
        return ds_fail(DS_E_NOMEM, "no memory for an event loop");
    return DS_OK;
}

ds_status ds_http_create(ds_http **out, const char *host, int port, const ds_http_limits *limits, const ds_http_handlers *handlers)
{
    *out = NULL;
    ds_http *h = ds_calloc(1, sizeof *h);
    if (!h)
        return DS_E_NOMEM;
    h->limits = limits ? *limits : ds_http_default_limits;
    h->on = *handlers;
    h->stop_at = INFINITY;
    h->wake_fd = -1;
    h->thread = pthread_self();
    pthread_mutex_init(&h->wake_lock, NULL);
    ds_status st = make_base(h);
    if (st == DS_OK)
        st = listen_on(h, host, port);
    if (st != DS_OK)
        ds_http_destroy(&h);
    *out = h;
    return st;
}

int ds_http_port(const ds_http *h)
{
    return h->port;
}

bool ds_http_is_loopback(const ds_http *h)
{
    return h->loopback;
}

void ds_http_about(const ds_http *h, ds_http_stats *s)
{
    *s = (ds_http_stats){ .connections = h->n_connection,
                          .exchanges = h->n_exchange,
                          .accepted = h->accepted,
                          .refused = h->refused,
                          .requests = h->requests,
                          .bytes_in = h->bytes_in,
                          .bytes_out = h->bytes_out,
                          .body_bytes = h->body_bytes };
}

/* ---- running ---- */

/* Writing to a closed connection raises SIGPIPE in the writing thread; it is held off there, and taken away before the mask goes back. */
static void hold_sigpipe(sigset_t *was)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, was);
}

static void let_sigpipe(const sigset_t *was)
{
    sigset_t        pipe;
    struct timespec now = { 0 };
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!sigismember(was, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) > 0) {
        }
    pthread_sigmask(SIG_SETMASK, was, NULL);
}

static void drop_all(ds_http *h)
{
    while (h->connections)
        ds_connection_drop(h->connections);
    for (ds_exchange *x = take_woken(h), *next; x; x = next) {
        next = x->next_taken;
        ds_exchange_unref(&x);
    }
}

ds_status ds_http_run(ds_http *h)
{
    sigset_t was;
    h->thread = pthread_self();
    hold_sigpipe(&was);
    int rc = event_base_dispatch(h->base);
    h->stopping = true;
    if (h->listener)
        evconnlistener_free(h->listener);
    h->listener = NULL;
    drop_all(h);
    event_base_loop(h->base, EVLOOP_NONBLOCK); /* libevent frees connections from its loop */
    let_sigpipe(&was);
    return rc < 0 ? ds_fail(DS_E_IO, "the event loop ended: %s", strerror(errno)) : DS_OK;
}

void ds_http_destroy(ds_http **ph)
{
    ds_http *h = *ph;
    *ph = NULL;
    if (!h)
        return;
    drop_all(h);
    if (h->listener)
        evconnlistener_free(h->listener);
    struct event *all[] = { h->wake, h->grace, h->accept_again };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            event_free(all[i]);
    if (h->base)
        event_base_free(h->base);
    if (h->wake_fd >= 0)
        close(h->wake_fd);
    pthread_mutex_destroy(&h->wake_lock);
    ds_free(h);
}
