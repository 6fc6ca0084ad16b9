#include "serve/config.h"

#include <string.h>

#include "base/file.h"
#include "base/options.h"
#include "serve/guard.h"

enum { MOST_FILE = 16 << 20, MOST_MODELS = 1000 };

/* ---- a value: the caller's, unless it was left alone ---- */

static ds_status integer(ds_config *c, int map, const char *key, int64_t unset, int64_t min, int64_t max, int64_t *v)
{
    int64_t said;
    DS_TRY(ds_conf_int(c->file, map, key, unset, min, max, &said));
    *v = *v == unset ? said : *v;
    return DS_OK;
}

static ds_status small(ds_config *c, int map, const char *key, int unset, int min, int max, int *v)
{
    int64_t wide = *v;
    DS_TRY(integer(c, map, key, unset, min, max, &wide));
    *v = (int)wide;
    return DS_OK;
}

static ds_status seconds(ds_config *c, int map, const char *key, double unset, double *v)
{
    double said;
    DS_TRY(ds_conf_real(c->file, map, key, unset, 0, 1e9, &said));
    *v = *v == unset ? said : *v;
    return DS_OK;
}

static ds_status bytes(ds_config *c, int map, const char *key, uint64_t unset, uint64_t *v)
{
    uint64_t said;
    DS_TRY(ds_conf_size(c->file, map, key, unset, &said));
    *v = *v == unset ? said : *v;
    return DS_OK;
}

static ds_status word(ds_config *c, int map, const char *key, const char **v)
{
    const char *said;
    DS_TRY(ds_conf_str(c->file, map, key, NULL, &said));
    *v = *v ? *v : said;
    return DS_OK;
}

static ds_status flag(ds_config *c, int map, const char *key, bool *v)
{
    bool said;
    DS_TRY(ds_conf_bool(c->file, map, key, false, &said));
    *v |= said;
    return DS_OK;
}

static ds_status type(ds_config *c, int map, const char *key, ds_dtype *v)
{
    const char *said = NULL;
    ds_dtype    t = DS_DTYPE_NONE;
    DS_TRY(word(c, map, key, &said));
    if (said && ds_dtype_parse(said, &t) != DS_OK)
        return ds_conf_fail(c->file, ds_conf_get(c->file, map, key), "%s: %s", key, ds_error());
    *v = *v == DS_DTYPE_NONE ? t : *v;
    return DS_OK;
}

/* ---- the file ---- */

static ds_status read_load(ds_config *c, int map, ds_model_options *o)
{
    DS_TRY(small(c, map, "threads", 0, 0, 4096, &o->threads));
    DS_TRY(type(c, map, "dtype", &o->dtype));
    DS_TRY(type(c, map, "kv_dtype", &o->kv_dtype));
    DS_TRY(integer(c, map, "ctx", 0, 0, INT32_MAX, &o->context));
    DS_TRY(bytes(c, map, "memory", 0, &o->memory));
    return word(c, map, "isa", &o->isa);
}

static ds_status read_batcher(ds_config *c, int map, ds_batcher_options *o)
{
    ds_batcher_options unset;
    ds_batcher_options_init(&unset);
    DS_TRY(integer(c, map, "parallel", unset.max_running, 1, 4096, &o->max_running));
    DS_TRY(integer(c, map, "queue", unset.max_queue, 0, INT32_MAX, &o->max_queue));
    DS_TRY(integer(c, map, "queue_tokens", unset.max_queue_tokens, 0, INT64_MAX, &o->max_queue_tokens));
    DS_TRY(bytes(c, map, "cache_memory", unset.cache_bytes, &o->cache_bytes));
    DS_TRY(word(c, map, "cache_dir", &o->cache_dir));
    return bytes(c, map, "cache_disk", unset.cache_dir_bytes, &o->cache_dir_bytes);
}

/* What is said at the top holds for each model that does not say otherwise. */
static void inherit(ds_config_model *m, const ds_config *c)
{
    ds_model_options         *l = &m->load;
    ds_batcher_options       *b = &m->batcher, unset;
    const ds_model_options   *cl = &c->load;
    const ds_batcher_options *cb = &c->batcher;
    ds_batcher_options_init(&unset);
    l->threads = l->threads ? l->threads : cl->threads;
    l->dtype = l->dtype != DS_DTYPE_NONE ? l->dtype : cl->dtype;
    l->kv_dtype = l->kv_dtype != DS_DTYPE_NONE ? l->kv_dtype : cl->kv_dtype;
    l->context = l->context ? l->context : cl->context;
    l->isa = l->isa ? l->isa : cl->isa;
    l->device = l->device ? l->device : cl->device;
    b->max_running = b->max_running != unset.max_running ? b->max_running : cb->max_running;
    b->max_queue = b->max_queue != unset.max_queue ? b->max_queue : cb->max_queue;
    b->max_queue_tokens = b->max_queue_tokens ? b->max_queue_tokens : cb->max_queue_tokens;
    b->chunk = cb->chunk;
    b->cache_bytes = b->cache_bytes ? b->cache_bytes : cb->cache_bytes;
    b->cache_dir = b->cache_dir ? b->cache_dir : cb->cache_dir;
    b->cache_dir_bytes = b->cache_dir_bytes != unset.cache_dir_bytes ? b->cache_dir_bytes : cb->cache_dir_bytes;
}

static ds_status add_model(ds_config *c, ds_config_model **out)
{
    if (c->n_model >= MOST_MODELS)
        return ds_fail(DS_E_ARG, "more than %d models", MOST_MODELS);
    DS_TRY(ds_grow((void **)&c->model, &c->cap_model, c->n_model + 1, sizeof *c->model));
    *out = &c->model[c->n_model++];
    **out = (ds_config_model){ .name = NULL };
    ds_model_options_init(&(*out)->load);
    ds_batcher_options_init(&(*out)->batcher);
    return DS_OK;
}

static ds_status read_model(ds_config *c, int node)
{
    ds_config_model *m;
    DS_TRY(add_model(c, &m));
    if (!ds_conf_is_map(c->file, node)) {
        m->path = ds_conf_text(c->file, node);
    } else {
        DS_TRY(word(c, node, "path", &m->path));
        DS_TRY(word(c, node, "name", &m->name));
        DS_TRY(read_load(c, node, &m->load));
        DS_TRY(read_batcher(c, node, &m->batcher));
        DS_TRY(ds_conf_done(c->file, node, "a model"));
    }
    if (!m->path || !*m->path)
        return ds_conf_fail(c->file, node, "a model: expected its path or name, or \"path: MODEL\" with options of its own");
    return DS_OK;
}

static ds_status read_models(ds_config *c, int root)
{
    int list = ds_conf_get(c->file, root, "models");
    if (list && !ds_conf_is_list(c->file, list))
        return ds_conf_fail(c->file, list, "models: expected a list, a \"- MODEL\" a line");
    size_t given = c->n_model;
    for (int i = 0; list && i < ds_conf_len(c->file, list); i++)
        DS_TRY(read_model(c, ds_conf_item(c->file, list, i)));
    if (given)
        c->n_model = given; /* the caller's are instead of the file's */
    return DS_OK;
}

static ds_status read_file(ds_config *c)
{
    ds_server_options *o = &c->o;
    int                root = ds_conf_root(c->file);
    DS_TRY(word(c, root, "host", &o->host));
    DS_TRY(small(c, root, "port", -1, 0, 65535, &o->port));
    DS_TRY(word(c, root, "cors", &o->cors));
    DS_TRY(word(c, root, "api_key_file", &o->api_key_file));
    DS_TRY(integer(c, root, "connections", 0, 1, INT32_MAX, &o->connections));
    DS_TRY(bytes(c, root, "max_body", 0, &o->body_bytes));
    DS_TRY(seconds(c, root, "header_timeout", 0, &o->header_seconds));
    DS_TRY(seconds(c, root, "body_timeout", 0, &o->body_seconds));
    DS_TRY(seconds(c, root, "idle_timeout", 0, &o->idle_seconds));
    DS_TRY(seconds(c, root, "keep_alive", 0, &o->alive_seconds));
    DS_TRY(seconds(c, root, "grace", -1, &o->grace));
    DS_TRY(flag(c, root, "json", &o->json));
    DS_TRY(flag(c, root, "quiet", &o->quiet));
    DS_TRY(integer(c, root, "max_loaded", 0, 0, INT32_MAX, &o->max_loaded));
    DS_TRY(read_load(c, root, &c->load));
    DS_TRY(read_batcher(c, root, &c->batcher));
    DS_TRY(read_models(c, root));
    return ds_conf_done(c->file, root, "the configuration");
}

/* ---- the caller ---- */

static ds_status keep(ds_config *c, const char **s)
{
    if (*s && !(*s = ds_arena_strdup(&c->strings, *s)))
        return DS_E_NOMEM;
    return DS_OK;
}

static ds_status take_given(ds_config *c, const ds_server_options *given)
{
    ds_server_options *o = &c->o;
    ds_server_options_init(o);
    ds_model_options_init(&c->load);
    ds_batcher_options_init(&c->batcher);
    DS_TRY(ds_options_take(o, sizeof *o, given, "ds_server_options"));
    DS_TRY(ds_options_take(&c->load, sizeof c->load, o->model_options, "ds_model_options"));
    DS_TRY(ds_options_take(&c->batcher, sizeof c->batcher, o->batcher_options, "ds_batcher_options"));
    const char **strings[] = { &o->host, &o->cors, &o->api_key_file, &o->config, &c->load.isa, &c->load.device, &c->batcher.cache_dir };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        DS_TRY(keep(c, strings[i]));
    for (int64_t i = 0; i < o->n_model; i++) {
        ds_config_model *m;
        DS_TRY(add_model(c, &m));
        m->path = o->models[i];
        DS_TRY(keep(c, &m->path));
    }
    o->models = NULL; /* the caller's, from here on ours */
    o->model_options = NULL;
    o->batcher_options = NULL;
    return DS_OK;
}

static ds_status check(const ds_config *c)
{
    const ds_server_options  *o = &c->o;
    const ds_batcher_options *b = &c->batcher;
    if (b->max_running < 1 || b->max_queue < 0 || b->max_queue_tokens < 0)
        return ds_fail(DS_E_ARG, "%lld texts at a time and a queue of %lld requests with %lld tokens: expected at least 1, 0 and 0",
                       (long long)b->max_running, (long long)b->max_queue, (long long)b->max_queue_tokens);
    if (o->connections < 0 || o->header_seconds < 0 || o->body_seconds < 0 || o->idle_seconds < 0 || o->alive_seconds < 0)
        return ds_fail(DS_E_ARG, "ds_server_options: connections and seconds must not be negative");
    if (o->max_loaded < 0)
        return ds_fail(DS_E_ARG, "max_loaded is %lld: expected 0 (as many as fit) or more", (long long)o->max_loaded);
    if (o->cors && !ds_guard_is_origin(o->cors))
        return ds_fail(DS_E_ARG, "cors: \"%s\" is not an origin: expected \"*\", or scheme and host as in https://chat.example.org", o->cors);
    return DS_OK;
}

static ds_status fill(ds_config *c)
{
    ds_server_options *o = &c->o;
    ds_config_model   *m;
    if (!c->n_model) {
        DS_TRY(add_model(c, &m));
        m->path = "deepseek/nano";
    }
    o->host = o->host ? o->host : "127.0.0.1";
    o->port = o->port < 0 ? 8000 : o->port;
    o->grace = o->grace < 0 ? 30 : o->grace;
    o->alive_seconds = o->alive_seconds > 0 ? o->alive_seconds : 15;
    for (size_t i = 0; i < c->n_model; i++)
        inherit(&c->model[i], c);
    return DS_OK;
}

ds_status ds_config_parse(ds_config *c, const ds_server_options *given, const char *text, size_t n, const char *name)
{
    *c = (ds_config){ .strings = { .block_size = 4096 } };
    ds_status st = take_given(c, given);
    if (st == DS_OK && text)
        st = ds_conf_parse(&c->file, text, n, name);
    if (st == DS_OK && text)
        st = read_file(c);
    if (st == DS_OK)
        st = check(c);
    if (st == DS_OK)
        st = fill(c);
    if (st != DS_OK)
        ds_config_free(c);
    return st;
}

ds_status ds_config_read(ds_config *c, const ds_server_options *given)
{
    ds_server_options o;
    ds_buf            text = { 0 };
    *c = (ds_config){ .n_model = 0 };
    ds_server_options_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, given, "ds_server_options"));
    ds_status st = o.config ? ds_read_file(o.config, MOST_FILE, &text) : DS_OK;
    if (st == DS_OK)
        st = ds_config_parse(c, given, o.config ? (text.data ? text.data : "") : NULL, text.len, o.config);
    ds_buf_free(&text);
    return st;
}

void ds_config_free(ds_config *c)
{
    ds_conf_free(&c->file);
    ds_arena_free(&c->strings);
    ds_free(c->model);
    *c = (ds_config){ .n_model = 0 };
}
