#include "serve/models.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/mem.h"
#include "deepseek/checkpoint.h"
#include "deepseek/hub.h"
#include "deepseek/util.h"
#include "quant/quant.h"
#include "serve/grammars.h"

#define LEAST_EXTRA ((uint64_t)24 << 20) /* for keys, values and activations of a small model */

typedef enum state {
    COLD,     /* not in memory */
    WANTED,   /* not in memory, and somebody waits */
    LOADING,
    READY,
    DRAINING, /* in memory and in use, but it must go: new requests wait */
    CLOSING,
} state;

typedef struct waiter {
    struct waiter *next;
    ds_models     *m;
    struct entry  *e;
    ds_models_fn  *fn;
    void          *arg;
} waiter;

typedef struct entry {
    ds_loaded loaded;
    char     *name, *path;
    bool      chats;        /* it brings a chat template */
    ds_model_options   load;    /* its own `memory`: the most that it may have of all */
    ds_batcher_options batcher;
    state     state;
    int64_t   users;
    double    used, wanted; /* when it was last given back; since when it is asked for */
    uint64_t  budget;       /* memory that is set aside for it while it is there */
    uint64_t  loads, evictions;
    ds_batcher_stats past; /* counters of batchers that are gone */
    waiter   *waiters;      /* the last first */
} entry;

struct ds_models {
    ds_models_options o;
    entry           **entry;
    size_t            cap;
    int64_t           n;
    uint64_t          memory; /* for all */
    pthread_mutex_t   lock;   /* guards states, users, waiters */
    bool              busy;   /* somebody runs load_wanted */
    atomic_bool       ending;
};

/* ---- names ---- */

ds_status ds_models_create(ds_models **out, const ds_models_options *o)
{
    ds_models *m = *out = ds_calloc(1, sizeof *m);
    if (!m)
        return DS_E_NOMEM;
    m->o = *o;
    m->memory = o->model.memory ? o->model.memory : ds_memory_available() / 100 * 95;
    pthread_mutex_init(&m->lock, NULL);
    return DS_OK;
}

/* A path's last part without ".gguf"; any other name as it is. */
static char *name_of(const char *spec)
{
    struct stat s;
    size_t      n = strlen(spec);
    if (stat(spec, &s) != 0)
        return ds_strdup(spec);
    while (n > 1 && spec[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && spec[from - 1] != '/')
        from--;
    if (n - from > 5 && strncmp(spec + n - 5, ".gguf", 5) == 0)
        n -= 5;
    return ds_strndup(spec + from, n - from);
}

static void free_entry(entry *e)
{
    ds_free(e->name);
    ds_free(e->path);
    ds_free(e);
}

/* Whether the model brings a chat template. One that only gets its family's format was perhaps never trained to chat. */
static bool brings_template(const char *path)
{
    ds_chat_template *t = NULL;
    bool              own = ds_chat_template_open(&t, path, NULL) == DS_OK && strncmp(ds_chat_template_origin(t), path, strlen(path)) == 0;
    ds_chat_template_close(&t);
    return own;
}

static ds_status fill_entry(entry *e, const char *name, const char *spec)
{
    struct stat s;
    const char *equals = name || stat(spec, &s) == 0 ? NULL : strchr(spec, '=');
    e->name = name ? ds_strdup(name) : equals ? ds_strndup(spec, (size_t)(equals - spec)) : name_of(spec);
    if (!e->name)
        return DS_E_NOMEM;
    if (!*e->name || ds_utf8_invalid_at(e->name, strlen(e->name)) < strlen(e->name))
        return ds_fail(DS_E_ARG, "\"%s\": a model's name is empty or not UTF-8: write NAME=PATH", spec);
    DS_TRY(ds_hub_resolve(equals ? equals + 1 : spec, NULL, &e->path));
    e->chats = brings_template(e->path);
    return DS_OK;
}

int64_t ds_models_find(const ds_models *m, const char *name)
{
    for (int64_t i = 0; i < m->n; i++)
        if (!name || strcmp(m->entry[i]->name, name) == 0)
            return i;
    return -1;
}

ds_status ds_models_add_with(ds_models *m, const char *name, const char *spec, const ds_model_options *load, const ds_batcher_options *batcher)
{
    entry *e = ds_calloc(1, sizeof *e);
    if (!e)
        return DS_E_NOMEM;
    e->load = *load;
    e->batcher = *batcher;
    ds_status st = fill_entry(e, name, spec);
    if (st == DS_OK && ds_models_find(m, e->name) >= 0)
        st = ds_fail(DS_E_ARG, "two models are named \"%s\": give one another name with NAME=PATH", e->name);
    if (st == DS_OK)
        st = ds_grow((void **)&m->entry, &m->cap, (size_t)m->n + 1, sizeof *m->entry);
    if (st == DS_OK)
        m->entry[m->n++] = e;
    else
        free_entry(e);
    return st;
}

ds_status ds_models_add(ds_models *m, const char *spec)
{
    ds_model_options load = m->o.model;
    load.memory = 0; /* for all together */
    return ds_models_add_with(m, NULL, spec, &load, &m->o.batcher);
}

int64_t ds_models_count(const ds_models *m)
{
    return m->n;
}

static void add_counters(ds_batcher_stats *to, const ds_batcher_stats *more)
{
    to->passes += more->passes;
    to->prompt_tokens += more->prompt_tokens;
    to->cached_tokens += more->cached_tokens;
    to->generated_tokens += more->generated_tokens;
    to->preempted += more->preempted;
    to->disk_hits += more->disk_hits;
}

bool ds_models_at(ds_models *m, int64_t i, ds_models_entry *out)
{
    struct stat s;
    if (i < 0 || i >= m->n)
        return false;
    pthread_mutex_lock(&m->lock);
    const entry *e = m->entry[i];
    *out = (ds_models_entry){ .name = e->name, .path = e->path, .loaded = e->state == READY || e->state == DRAINING, .users = e->users,
                              .chats = e->chats, .loads = e->loads, .evictions = e->evictions, .stats = { .size = sizeof out->stats } };
    if (out->loaded)
        ds_batcher_about(e->loaded.batcher, &out->stats);
    add_counters(&out->stats, &e->past);
    pthread_mutex_unlock(&m->lock);
    out->created = stat(out->path, &s) == 0 ? (int64_t)s.st_mtime : 0;
    return true;
}

/* ---- memory ---- */

/* Bytes of a model's weights, by its files' headers; 0 when they cannot be read (loading will tell). */
static uint64_t weight_bytes(const entry *e)
{
    const char *path = e->path;
    char   *text;
    json_t *o = NULL;
    if (ds_checkpoint_describe(path, &text) != DS_OK)
        return 0;
    uint64_t bytes = 0;
    if (ds_json_parse(&o, text, strlen(text), path) == DS_OK) {
        int64_t parameters = json_integer_value(json_object_get(o, "parameters"));
        bytes = (uint64_t)json_integer_value(json_object_get(json_object_get(o, "memory"), "weights"));
        if (e->load.dtype != DS_DTYPE_NONE)
            bytes = ds_quant_bytes(e->load.dtype, (parameters + 255) / 256 * 256);
    }
    json_decref(o);
    ds_free(text);
    return bytes;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Weights, and for keys, values and activations an equal part of what all weights together leave; an eighth of everything when they do
 * not fit together. A model by itself gets all. */
static uint64_t choose_budget(const ds_models *m, const entry *e)
{
    uint64_t all = 0, most = 0, own = 0;
    uint64_t limit = e->load.memory ? least_of(e->load.memory, m->memory) : m->memory;
    int64_t  n = m->o.max_loaded && m->o.max_loaded < m->n ? m->o.max_loaded : m->n;
    if (n == 1)
        return limit;
    for (int64_t i = 0; i < m->n; i++) {
        uint64_t bytes = weight_bytes(m->entry[i]);
        all += bytes;
        most = bytes > most ? bytes : most;
        own = m->entry[i] == e ? bytes : own;
    }
    if (n < m->n)
        all = most * (uint64_t)n;
    uint64_t rest = all < m->memory ? (m->memory - all) / (uint64_t)n : 0, least = m->memory / 8 > LEAST_EXTRA ? m->memory / 8 : LEAST_EXTRA;
    own += rest > least ? rest : least;
    return least_of(own, limit);
}

/* The lock is held. */
static bool fits(const ds_models *m, const entry *e)
{
    uint64_t used = 0;
    int64_t  n = 0;
    for (int64_t i = 0; i < m->n; i++)
        if (m->entry[i]->state >= READY) {
            used += m->entry[i]->budget;
            n++;
        }
    return n == 0 || (used + e->budget <= m->memory && (!m->o.max_loaded || n < m->o.max_loaded));
}

/* ---- loading ---- */

static ds_status open_chat(entry *e)
{
    ds_loaded *l = &e->loaded;
    l->chat_status = ds_chat_template_open(&l->chat, e->path, NULL);
    if (l->chat_status == DS_OK)
        return DS_OK;
    l->chat_error = ds_strdup(ds_error());
    return l->chat_error ? DS_OK : DS_E_NOMEM;
}

static ds_status find_special(ds_loaded *l)
{
    const ds_tokenizer *t = ds_model_tokenizer(l->model);
    size_t              cap = 0;
    for (int32_t id = 0; t && id < ds_tokenizer_size(t); id++) {
        size_t      n;
        const char *piece = ds_tokenizer_is_special(t, id) ? ds_tokenizer_piece(t, id, &n) : NULL;
        if (!piece || n == 0)
            continue;
        DS_TRY(ds_grow((void **)&l->special, &cap, (size_t)l->n_special + 1, sizeof *l->special));
        if (!(l->special[l->n_special] = ds_strndup(piece, n)))
            return DS_E_NOMEM;
        l->n_special++;
        l->begins_special[(unsigned char)*piece] = true;
    }
    return DS_OK;
}

static int stop_loading(void *user, const char *what, uint64_t done, uint64_t total)
{
    return ((ds_models *)user)->ending;
}

static void close_entry(entry *e)
{
    ds_loaded *l = &e->loaded;
    ds_batcher_destroy(&l->batcher);
    ds_grammars_destroy(&l->grammars);
    ds_chat_template_close(&l->chat);
    ds_free(l->chat_error);
    for (int64_t i = 0; i < l->n_special; i++)
        ds_free(l->special[i]);
    ds_free(l->special);
    ds_model_close(&l->model);
    *l = (ds_loaded){ 0 };
    ds_memory_trim();
}

static ds_status open_entry(ds_models *m, entry *e)
{
    ds_model_options o = e->load;
    ds_loaded       *l = &e->loaded;
    if (m->n > 1)
        o.memory = e->budget;
    else if (!o.memory || (m->o.model.memory && m->o.model.memory < o.memory))
        o.memory = m->o.model.memory;
    o.progress = stop_loading;
    o.user = m;
    l->name = e->name;
    ds_status st = ds_model_open(&l->model, e->path, &o);
    if (st == DS_OK)
        st = ds_batcher_create(&l->batcher, l->model, &e->batcher);
    if (st == DS_OK)
        st = ds_grammars_create(&l->grammars, ds_model_tokenizer(l->model));
    if (st == DS_OK)
        st = open_chat(e);
    if (st == DS_OK)
        st = find_special(l);
    if (st != DS_OK)
        close_entry(e);
    return st;
}

/* ---- those who wait ---- */

static void run_waiter(void *arg)
{
    waiter *w = arg;
    w->fn(w->arg, &w->e->loaded, DS_OK);
    ds_free(w);
}

/* In the order they came. */
static waiter *take_waiters(entry *e)
{
    waiter *first = NULL;
    for (waiter *w = e->waiters, *next; w; w = next) {
        next = w->next;
        w->next = first;
        first = w;
    }
    e->waiters = NULL;
    return first;
}

/* The model is there: it is in use from now on. The lock is held. */
static void serve_waiters(ds_models *m, entry *e)
{
    for (waiter *w = take_waiters(e), *next; w; w = next) {
        next = w->next;
        e->users++;
        m->o.work(m->o.user, run_waiter, w);
    }
}

static void fail_waiters(waiter *w, ds_status st)
{
    char sentence[1024];
    strncpy(sentence, ds_error(), sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    for (waiter *next; w; w = next) {
        next = w->next;
        w->fn(w->arg, NULL, ds_fail(st, "%s", sentence));
        ds_free(w);
    }
}

/* ---- who is loaded, and who goes ---- */

static entry *next_wanted(const ds_models *m)
{
    entry *best = NULL;
    for (int64_t i = 0; i < m->n; i++)
        if (m->entry[i]->state == WANTED && (!best || m->entry[i]->wanted < best->wanted))
            best = m->entry[i];
    return best;
}

static entry *least_recent(const ds_models *m, bool in_use)
{
    entry *best = NULL;
    for (int64_t i = 0; i < m->n; i++) {
        entry *e = m->entry[i];
        if ((e->state == READY || (e->state == DRAINING && !in_use)) && (e->users > 0) == in_use && (!best || e->used < best->used))
            best = e;
    }
    return best;
}

/* The lock is held, and let go while the model closes. */
static void evict(ds_models *m, entry *e)
{
    e->state = CLOSING;
    ds_batcher_stats last = { .size = sizeof last };
    ds_batcher_about(e->loaded.batcher, &last);
    add_counters(&e->past, &last);
    pthread_mutex_unlock(&m->lock);
    close_entry(e);
    pthread_mutex_lock(&m->lock);
    e->evictions++;
    e->state = e->waiters ? WANTED : COLD;
}

/* The lock is held, and let go while the model loads. */
static void load(ds_models *m, entry *e)
{
    e->state = LOADING;
    pthread_mutex_unlock(&m->lock);
    ds_status st = open_entry(m, e);
    pthread_mutex_lock(&m->lock);
    e->state = st == DS_OK ? READY : COLD;
    e->used = ds_now();
    e->loads += st == DS_OK;
    if (st == DS_OK) {
        serve_waiters(m, e);
        return;
    }
    waiter *w = take_waiters(e);
    pthread_mutex_unlock(&m->lock);
    fail_waiters(w, st);
    pthread_mutex_lock(&m->lock);
}

/* Whether there is room for it now; else somebody has been told to make some. The lock is held. */
static bool make_room(ds_models *m, const entry *e)
{
    bool draining = false;
    while (!fits(m, e)) {
        entry *idle = least_recent(m, false), *used = least_recent(m, true);
        if (idle) {
            evict(m, idle);
            continue;
        }
        for (int64_t i = 0; i < m->n; i++)
            draining |= m->entry[i]->state == DRAINING;
        if (used && !draining)
            used->state = DRAINING;
        return false;
    }
    return true;
}

/* Loads what is wanted, while there is room or room can be made: in a worker, one at a time. */
static void load_wanted(void *arg)
{
    ds_models *m = arg;
    bool       room = true;
    pthread_mutex_lock(&m->lock);
    for (entry *e; room && !m->ending && (e = next_wanted(m));) {
        if (!e->budget) {
            pthread_mutex_unlock(&m->lock);
            uint64_t budget = choose_budget(m, e);
            pthread_mutex_lock(&m->lock);
            e->budget = budget;
        }
        room = make_room(m, e);
        if (room)
            load(m, e);
    }
    for (int64_t i = 0; i < m->n && room; i++)
        if (m->entry[i]->state == DRAINING) { /* it may stay */
            m->entry[i]->state = READY;
            serve_waiters(m, m->entry[i]);
        }
    m->busy = false;
    pthread_mutex_unlock(&m->lock);
}

/* The lock is held. */
static void start_loading(ds_models *m)
{
    if (m->busy || m->ending)
        return;
    m->busy = true;
    m->o.work(m->o.user, load_wanted, m);
}

/* ---- use ---- */

/* The model is not there: the lock is held. */
static ds_status wait_for(ds_models *m, entry *e, ds_models_fn *fn, void *arg)
{
    if (m->ending)
        return ds_fail(DS_E_CANCELLED, "the server is ending: no model is loaded any more");
    waiter *w = ds_malloc(sizeof *w);
    if (!w)
        return DS_E_NOMEM;
    *w = (waiter){ e->waiters, m, e, fn, arg };
    e->waiters = w;
    if (e->state == COLD) {
        e->state = WANTED;
        e->wanted = ds_now();
        start_loading(m);
    }
    return DS_OK;
}

void ds_models_use(ds_models *m, const char *name, ds_models_fn *fn, void *arg)
{
    int64_t   i = ds_models_find(m, name);
    ds_status st = DS_OK;
    bool      ready = false;
    if (i < 0) {
        fn(arg, NULL, ds_fail(DS_E_NOT_FOUND, "The model `%s` does not exist here: GET /v1/models lists those that do", name ? name : ""));
        return;
    }
    entry *e = m->entry[i];
    pthread_mutex_lock(&m->lock);
    if (e->state == READY) {
        e->users++;
        ready = true;
    } else {
        st = wait_for(m, e, fn, arg);
    }
    pthread_mutex_unlock(&m->lock);
    if (ready)
        fn(arg, &e->loaded, DS_OK);
    else if (st != DS_OK)
        fn(arg, NULL, st);
}

void ds_models_release(ds_models *m, ds_loaded *l)
{
    entry *e = (entry *)l; /* its first member */
    pthread_mutex_lock(&m->lock);
    e->users--;
    e->used = ds_now();
    if (e->users == 0 && next_wanted(m))
        start_loading(m);
    pthread_mutex_unlock(&m->lock);
}

void ds_models_end(ds_models *m)
{
    m->ending = true;
}

void ds_models_destroy(ds_models **pm)
{
    ds_models *m = *pm;
    if (!m)
        return;
    m->ending = true;
    for (int64_t i = 0; i < m->n; i++) {
        waiter *w = take_waiters(m->entry[i]);
        if (w)
            fail_waiters(w, ds_fail(DS_E_CANCELLED, "the server is ending"));
        close_entry(m->entry[i]);
        free_entry(m->entry[i]);
    }
    ds_free(m->entry);
    pthread_mutex_destroy(&m->lock);
    ds_free(m);
    *pm = NULL;
}
