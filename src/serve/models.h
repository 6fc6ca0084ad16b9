/* The models of a server, by name: loaded when they are first asked for, evicted when the memory is needed for another.
 *
 * One model loads at a time, in a worker. A load that needs room evicts the model that was used least recently and is not in use;
 * when all are in use, the least recent takes no new requests until it is free, so that a load never waits for ever. A failed load
 * is an error for those who waited, and is tried again for the next. */
#ifndef DS_SERVE_MODELS_H
#define DS_SERVE_MODELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "deepseek/batcher.h"
#include "deepseek/chat.h"
#include "deepseek/model.h"

typedef struct ds_models ds_models;

/** A model in memory, held by whoever was given it. */
typedef struct ds_loaded {
    const char       *name;
    ds_model         *model;
    ds_batcher       *batcher;
    ds_chat_template *chat;        /* NULL: chat_error says why */
    ds_status         chat_status;
    char             *chat_error;
    char            **special;     /* [n_special] texts of the vocabulary's special tokens */
    int64_t           n_special;
    bool              begins_special[256]; /* bytes that one of them begins with */
    struct ds_grammars *grammars;  /* those compiled lately (serve/grammars.h) */
} ds_loaded;

/** Runs fn(arg) on some other thread, soon. */
typedef void ds_work_fn(void *user, void (*fn)(void *), void *arg);

typedef struct ds_models_options {
    ds_model_options   model;      /* for every model; `memory` is for all of them together, 0 = what the system has available */
    ds_batcher_options batcher;    /* for every model */
    int64_t            max_loaded; /* models in memory at a time; 0 = as many as fit */
    ds_work_fn        *work;
    void              *user;       /* for work */
} ds_models_options;

ds_status ds_models_create(ds_models **out, const ds_models_options *o);
/** From now on nothing is loaded, and a load under way stops soon: its waiters get DS_E_CANCELLED. */
void ds_models_end(ds_models *m);
/** Cancels what still runs and waits, then closes everything. Only the batchers' callbacks may still hold models: no worker that used one
 *  runs any more, nor will any of `work`. NULL-safe; sets *m = NULL. */
void ds_models_destroy(ds_models **m);
/** Adds a model, before any is used: "NAME=PATH", or a path or name as ds_hub_resolve takes it, which is then also its name (of a path:
 *  its last part without ".gguf"). Resolves it, so that a model that is not there is an error now. DS_E_ARG for a name that is there
 *  already; else as ds_hub_resolve. */
ds_status ds_models_add(ds_models *m, const char *spec);
/** The same with options of its own, whose `memory` is the most that it may have of what all have; a name that is not NULL stands for it
 *  instead of what `spec` says. */
ds_status ds_models_add_with(ds_models *m, const char *name, const char *spec, const ds_model_options *load, const ds_batcher_options *batcher);

/** Called with the model, or with NULL and what went wrong (ds_error() says it): in the calling thread when the model is there, in
 *  another when it had to be loaded. */
typedef void ds_models_fn(void *arg, ds_loaded *l, ds_status st);
/** Gives `fn` the model of that name (NULL = the first one), loading it if need be. Never waits. */
void ds_models_use(ds_models *m, const char *name, ds_models_fn *fn, void *arg);
/** Gives it back; from any thread, also from a callback of its batcher. */
void ds_models_release(ds_models *m, ds_loaded *l);

typedef struct ds_models_entry {
    const char *name, *path; /* owned by ds_models */
    bool        loaded;
    bool        chats;       /* it brings a chat template */
    int64_t     created;     /* seconds since 1970 when the file was last changed */
    int64_t     users;
    uint64_t    loads, evictions; /* since the start */
    ds_batcher_stats stats;  /* of its batcher when it is loaded; counters since the start, also of batchers before it */
} ds_models_entry;
int64_t ds_models_count(const ds_models *m);
/** The i-th, in the order they were added. False when i is out of range. */
bool    ds_models_at(ds_models *m, int64_t i, ds_models_entry *e);
/** The place of that name (NULL = the first), or -1. */
int64_t ds_models_find(const ds_models *m, const char *name);
#endif
