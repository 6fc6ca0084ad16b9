/* The life of a server, and the way of a request through it: who may ask, which route answers, and the line in the log. */
#include "serve/server.h"

#include <string.h>

#include "base/mem.h"
#include "base/options.h"
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
    const ds_server_options *o = &s->o;
    ds_models_options        m = { .max_loaded = o->max_loaded, .work = work, .user = s };
    ds_model_options_init(&m.model);
    ds_batcher_options_init(&m.batcher);
    if (o->max_loaded < 0)
        return ds_fail(DS_E_ARG, "max_loaded is %lld: expected 0 (as many as fit) or more", (long long)o->max_loaded);
    DS_TRY(ds_options_take(&m.model, sizeof m.model, o->model_options, "ds_model_options"));
    DS_TRY(ds_options_take(&m.batcher, sizeof m.batcher, o->batcher_options, "ds_batcher_options"));
    DS_TRY(ds_models_create(&s->models, &m));
    for (int64_t i = 0; i < o->n_model; i++)
        DS_TRY(ds_models_add(s->models, o->models[i]));
    return DS_OK;
}

/* ---- its life ---- */

static ds_status take_options(ds_server *s, const ds_server_options *given)
{
    ds_server_options *o = &s->o;
    ds_server_options_init(o);
    DS_TRY(ds_options_take(o, sizeof *o, given, "ds_server_options"));
    if (o->connections < 0 || o->header_seconds < 0 || o->body_seconds < 0 || o->idle_seconds < 0)
        return ds_fail(DS_E_ARG, "ds_server_options: connections and seconds must not be negative");
    if (o->cors && !ds_guard_is_origin(o->cors))
        return ds_fail(DS_E_ARG, "cors: \"%s\" is not an origin: expected \"*\", or scheme and host as in https://chat.example.org", o->cors);
    const char **strings[] = { &o->host, &o->cors, &o->api_key_file };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (*strings[i] && !(*strings[i] = ds_arena_strdup(&s->strings, *strings[i])))
            return DS_E_NOMEM;
    if (!o->host)
        o->host = "127.0.0.1";
    return DS_OK;
}

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
    s->strings.block_size = 4096;
    s->started = ds_now();
    ds_metrics_init(&s->metrics);
    ds_status st = take_options(s, o);
    if (st == DS_OK)
        st = add_models(s);
    s->o.models = NULL; /* the caller's */
    s->o.model_options = NULL;
    s->o.batcher_options = NULL;
    if (st == DS_OK) {
        ds_http_limits   limits = limits_of(&s->o);
        ds_http_handlers on = { .head = on_head, .request = on_request, .over = on_over, .user = s };
        st = ds_http_create(&s->http, s->o.host, s->o.port, &limits, &on);
    }
    if (st == DS_OK && s->o.api_key_file)
        st = ds_keys_load(&s->keys, s->o.api_key_file);
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

ds_status ds_server_run(ds_server *s)
{
    return ds_http_run(s->http);
}

void ds_server_stop(ds_server *s, double grace)
{
    s->stopping = true;
    ds_http_stop(s->http, grace);
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
    ds_arena_free(&s->strings);
    ds_free(s);
}
