/** A server that speaks HTTP and OpenAI's API: what `deepseek serve` runs. docs/SERVER.md describes it from the outside.
 *
 *      ds_server_options o;
 *      ds_server        *s;
 *      ds_server_options_init(&o);
 *      o.port = 8000;
 *      o.models = (const char *const[]){ "deepseek/nano" };
 *      o.n_model = 1;
 *      if (ds_server_create(&s, &o) == DS_OK)
 *          ds_server_run(s);             // until another thread or a signal handler calls ds_server_stop
 *      ds_server_destroy(&s); */
#ifndef DEEPSEEK_SERVE_H
#define DEEPSEEK_SERVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "deepseek/batcher.h"
#include "deepseek/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ds_server ds_server;

/** A line about a request that is over, without a newline; from the thread of ds_server_run. */
typedef void ds_server_log_fn(void *user, const char *line);

/** What is left as ds_server_options_init makes it comes from the configuration file, where there is one and it says so. */
typedef struct ds_server_options {
    size_t            size; /* sizeof(ds_server_options), set by ds_server_options_init */
    const char       *host; /* address or name to listen on; NULL = 127.0.0.1, this machine only */
    int               port; /* 0 = any free one (ds_server_port); -1 = as the file says, else 8000 */
    const char       *cors; /* an origin whose pages may use the server ("https://chat.example.org"), "*" for all; NULL = none */
    int64_t           connections;    /* at a time; 0 = 2,048 */
    uint64_t          body_bytes;     /* of one request; 0 = 16 MiB */
    double            header_seconds; /* until a request's headers are complete; 0 = 10 */
    double            body_seconds;   /* then until its body is; 0 = 60 */
    double            idle_seconds;   /* of a connection without a request, or whose client takes nothing; 0 = 75 */
    ds_server_log_fn *log;            /* NULL = no access log */
    void             *user;           /* for log */
    bool              json;           /* its lines are JSON objects */
    const char       *api_key_file;   /* keys of those who may use the server, one a line: docs/SERVER.md; NULL = everybody may */
    const char *const *models;        /* [n_model] "NAME=PATH", or a path or name as ds_hub_resolve takes it; loaded when first asked for */
    int64_t           n_model;        /* 0 = deepseek/nano */
    const ds_model_options   *model_options;   /* for each of them; `memory` is for all together; NULL = the defaults */
    const ds_batcher_options *batcher_options; /* for each of them; NULL = the defaults */
    int64_t           max_loaded;     /* models in memory at a time; 0 = as many as the memory holds */
    const char       *config;         /* a YAML file with these options under the names of `deepseek serve`: docs/SERVER.md; NULL = none */
    double            grace;          /* seconds, for ds_server_stop; -1 = as the file says, else 30 */
    bool              quiet;          /* no access log, although there is a `log` */
    double            alive_seconds;  /* between comments in a stream that has nothing to say yet; 0 = 15 */
} ds_server_options;

static inline void ds_server_options_init(ds_server_options *o)
{
    memset(o, 0, sizeof *o);
    o->size = sizeof *o;
    o->grace = -1;
}

/** Listens; connections are answered once ds_server_run is called. DS_E_ARG (also for the configuration file, with its line), DS_E_IO (the address, and why), DS_E_NOMEM,
 *  and as ds_hub_resolve for the models, which are looked for but not loaded. */
DS_API ds_status ds_server_create(ds_server **out, const ds_server_options *o);
/** The port it listens on. */
DS_API int ds_server_port(const ds_server *s);
/** Its address: "http://127.0.0.1:8000". Owned by the server. */
DS_API const char *ds_server_url(const ds_server *s);
/** Whether other machines may reach it and no keys are asked for. */
DS_API bool ds_server_is_open(const ds_server *s);
/** Answers requests in this thread (and others of the server's own) until ds_server_stop. Once. */
DS_API ds_status ds_server_run(ds_server *s);
/** From any thread, and from a signal handler: no more connections; the run ends when what is being answered is out, at the latest after
 *  `grace` seconds (negative: those of the options). Calling again can shorten that. */
DS_API void ds_server_stop(ds_server *s, double grace);
/** After ds_server_run has returned, or instead of it. NULL-safe; sets *s = NULL. */
DS_API void ds_server_destroy(ds_server **s);

/** The line of a key file that stands for a key without showing it: "sha256:" and 64 hexadecimal digits. out has at least 72 bytes. */
DS_API void ds_server_hash_key(const char *key, char *out);

#ifdef __cplusplus
}
#endif
#endif
