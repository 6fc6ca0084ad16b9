/* The life of a server, and the way of a request through it: who may ask, which route answers, and the line in the log. */
#include "serve/server.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "serve/auth.h"
#include "serve/guard.h"
#include "serve/log.h"

enum { WORKERS = 6 }; /* one may be loading a model, others embed or compile grammars: none of them may hold up the rest */

/* ---- requests ---- */

/* Answers what no route takes: OPTIONS, another method, an unknown path. */
static void reply_without_route(ds_server *s, ds_exchange *x, int status, const char *allow)
{
    const ds_http_request *q = ds_exchange_request(x);
    if (status == 405)
        ds_exchange_add_header(x, "Allow", allow);
    if (status == 405 && strcmp(q->method, "OPTIONS") == 0) {
        ds_guard_preflight(s, x, allow);
        ds_exchange_reply(x, 204, NULL, NULL, 0);
    } else if (status == 405) {
        ds_reply_error(x, 405, NULL, NULL, "method_not_allowed", "%s does not take %s: it takes %s.", q->path, q->method, allow);
    } else {
        ds_reply_error(x, 404, NULL, NULL, "unknown_path", "There is nothing at %s. docs/SERVER.md lists the paths.", q->path);
    }
}

/* Whether the request may go on; else it has been answered. */
static bool admit(ds_server *s, ds_exchange *x, ds_visit *v)
{
    if (v->route->open)
        return true;
    if (!ds_auth_key(s, x, &v->key))
        return false;
    if (s->stopping) {
        ds_exchange_add_header(x, "Retry-After", "1");
        ds_reply_error(x, 503, NULL, NULL, "draining", "The server is ending and takes no more requests.");
        return false;
    }
    return v->route->on_loop || ds_auth_rates(s, x, v->key);
}

/* On the loop's thread, before the body. */
static void on_head(void *user, ds_exchange *x)
{
    ds_server             *s = user;
    const ds_http_request *q = ds_exchange_request(x);
    int                    status;
    char                   allow[64];
    ds_visit              *v = ds_calloc(1, sizeof *v);
    if (!v) {
        ds_reply_status(x, DS_E_NOMEM);
        return;
    }
    ds_exchange_attach(x, v, ds_free);
    if (!ds_guard_origin(s, x))
        return;
    v->route = ds_route_find(q->method, q->path, &status, allow);
    if (v->route)
        admit(s, x, v);
    else
        reply_without_route(s, x, status, allow);
}

typedef struct errand {
    ds_server      *s;
    ds_exchange    *x;
    const ds_route *r;
} errand;

static void run_errand(void *arg)
{
    errand *e = arg;
    if (!ds_exchange_gone(e->x))
        e->r->fn(e->s, e->x);
    ds_exchange_unref(&e->x);
    ds_free(e);
}

static void on_request(void *user, ds_exchange *x)
{
    ds_server      *s = user;
    const ds_route *r = ((const ds_visit *)ds_exchange_tag(x))->route;
    errand         *e = r->on_loop ? NULL : ds_malloc(sizeof *e);
    if (r->on_loop) {
        r->fn(s, x);
    } else if (!e) {
        ds_reply_status(x, DS_E_NOMEM);
    } else {
        *e = (errand){ s, ds_exchange_ref(x), r };
        ds_server_work(s, run_errand, e);
    }
}

static void on_over(void *user, ds_exchange *x)
{
    ds_server       *s = user;
    const ds_visit  *v = ds_exchange_tag(x);
    const ds_route  *r = v ? v->route : NULL;
    ds_exchange_info i;
    ds_exchange_about(x, &i);
    if (!i.complete)
        i.status = 499;
    ds_metrics_request(s, r ? r->method : "", r ? r->path : "", i.status);
    if (r && strcmp(r->method, "POST") == 0 && i.complete)
        ds_metrics_observe(s, DS_HIST_E2E, i.seconds);
    ds_log_request(s, x, &i);
}

void ds_server_work(ds_server *s, void (*fn)(void *), void *arg)
{
    ds_workers_add(s->workers, fn, arg);
}

/* ---- models ---- */

static void work(void *user, void (*fn)(void *), void *arg)
{
    ds_server_work(user, fn, arg);
}

static ds_status add_models(ds_server *s)
{
    const ds_config  *c = &s->config;
    ds_models_options m = { .model = c->load, .batcher = c->batcher, .max_loaded = c->o.max_loaded, .work = work, .user = s };
    DS_TRY(ds_models_create(&s->models, &m));
    for (size_t i = 0; i < c->n_model; i++)
        DS_TRY(ds_models_add_with(s->models, c->model[i].name, c->model[i].path, &c->model[i].load, &c->model[i].batcher));
    return DS_OK;
}

/* ---- its life ---- */

static ds_http_limits limits_of(const ds_server_options *o)
{
    ds_http_limits l = ds_http_default_limits;
    l.connections = o->connections ? o->connections : l.connections;
    l.body_bytes = o->body_bytes ? (size_t)o->body_bytes : l.body_bytes;
    l.header_seconds = o->header_seconds > 0 ? o->header_seconds : l.header_seconds;
    l.body_seconds = o->body_seconds > 0 ? o->body_seconds : l.body_seconds;
    l.idle_seconds = o->idle_seconds > 0 ? o->idle_seconds : l.idle_seconds;
    if (l.all_body_bytes < 4 * l.body_bytes)
        l.all_body_bytes = 4 * l.body_bytes;
    return l;
}

ds_status ds_server_create(ds_server **out, const ds_server_options *o)
{
    ds_server *s = *out = ds_calloc(1, sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    s->started = ds_now();
    ds_metrics_init(&s->metrics);
    ds_status st = ds_config_read(&s->config, o);
    if (st == DS_OK)
        st = add_models(s);
    if (st == DS_OK) {
        ds_http_limits   limits = limits_of(&s->config.o);
        ds_http_handlers on = { .head = on_head, .request = on_request, .over = on_over, .user = s };
        st = ds_http_create(&s->http, s->config.o.host, s->config.o.port, &limits, &on);
    }
    if (st == DS_OK) {
        bool brackets = strchr(s->config.o.host, ':') != NULL;
        snprintf(s->url, sizeof s->url, "http://%s%s%s:%d", brackets ? "[" : "", s->config.o.host, brackets ? "]" : "", ds_http_port(s->http));
    }
    if (st == DS_OK && s->config.o.api_key_file)
        st = ds_keys_load(&s->keys, s->config.o.api_key_file);
    if (st == DS_OK)
        st = ds_workers_create(&s->workers, WORKERS);
    if (st != DS_OK)
        ds_server_destroy(out);
    return st;
}

int ds_server_port(const ds_server *s)
{
    return ds_http_port(s->http);
}

const char *ds_server_url(const ds_server *s)
{
    return s->url;
}

bool ds_server_is_open(const ds_server *s)
{
    return !ds_http_is_loopback(s->http) && !s->keys;
}

ds_status ds_server_run(ds_server *s)
{
    return ds_http_run(s->http);
}

void ds_server_stop(ds_server *s, double grace)
{
    s->stopping = true;
    ds_http_stop(s->http, grace < 0 ? s->config.o.grace : grace);
}

/* Whoever holds an exchange goes before the connections' loop: workers, then what runs in the models' batchers. */
void ds_server_destroy(ds_server **ps)
{
    ds_server *s = *ps;
    *ps = NULL;
    if (!s)
        return;
    if (s->models)
        ds_models_end(s->models);
    ds_workers_destroy(&s->workers);
    ds_models_destroy(&s->models);
    ds_http_destroy(&s->http);
    ds_keys_free(&s->keys);
    ds_metrics_free(&s->metrics);
    ds_config_free(&s->config);
    ds_free(s);
}
