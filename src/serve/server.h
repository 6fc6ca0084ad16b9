/* The server behind HTTP: what its parts share, and what the handlers of routes answer with. */
#ifndef DS_SERVE_SERVER_H
#define DS_SERVE_SERVER_H
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "deepseek/serve.h"
#include "serve/config.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/models.h"
#include "serve/work.h"

typedef struct ds_route {
    const char *method, *path; /* a path that ends in "*" stands for all that begin so and go on */
    void (*fn)(ds_server *s, ds_exchange *x);
    bool on_loop; /* quick: runs on the loop's thread; else on a worker */
    bool open;    /* needs no key */
} ds_route;

struct ds_server {
    ds_config         config;
    ds_http          *http;
    ds_workers       *workers;
    ds_models        *models;
    ds_metrics        metrics;
    struct ds_keys   *keys;    /* NULL: none are asked for */
    atomic_bool       stopping;
    char              url[300];
    double            started; /* ds_now() */
};

/* ---- routes.c ---- */

/** The route of a request. NULL: *status is 404 or 405, and allow (at least 64 bytes) then lists the methods of that path. GET answers HEAD. */
const ds_route *ds_route_find(const char *method, const char *path, int *status, char *allow);

/* ---- reply.c: answers ---- */

/** The whole answer; takes the body over. NULL is an answer of 500: there was no memory. */
void ds_reply_json(ds_exchange *x, int status, json_t *body);
/** OpenAI's error object. type NULL: by the status. */
void ds_reply_error(ds_exchange *x, int status, const char *type, const char *param, const char *code, const char *format, ...) DS_PRINTF(6, 7);
/** A failure of the library in this thread (ds_error()) as such an object. */
void ds_reply_status(ds_exchange *x, ds_status st);

/* ---- auth.c ---- */

/** Whom the batcher shall be fair to: the name of the request's key, or its client's address. Valid as long as the exchange. */
const char *ds_exchange_client(const ds_exchange *x);
/** Tokens that a request has used, read and written, for the rates of its key. Any thread. */
void        ds_spend_tokens(ds_server *s, const ds_exchange *x, int64_t n);

/* ---- server.c ---- */

/** Runs fn(arg) on a worker thread. */
void ds_server_work(ds_server *s, void (*fn)(void *), void *arg);
#endif
