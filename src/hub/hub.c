/* The public calls that work on the caches alone: resolve, list, show, remove. */
#include "deepseek/hub.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/options.h"
#include "base/str.h"
#include "hub/cache.h"
#include "hub/pull.h"
#include "hub/remove.h"

static ds_status take_opts(ds_hub_opts *o, const ds_hub_opts *given)
{
    ds_hub_opts_init(o);
    DS_TRY(ds_options_take(o, sizeof *o, given, "ds_hub_opts"));
    if (o->n_include < 0 || (o->n_include && !o->include) || o->connections < 0 || o->connections > 16)
        return ds_fail(DS_E_ARG, "ds_hub_opts: n_include %d or connections %d (0 to 16) is out of range", o->n_include,
                       o->connections);
    return DS_OK;
}

/* Where the built-in models are: beside an installed or a freshly built library. */
static ds_status find_built_in(ds_arena *a, const char *name, const char **out)
{
    Dl_info     info;
    const char *dir = getenv("DEEPSEEK_MODELS"), *slash;
    char       *here = NULL;
    if (dladdr((void *)ds_hub_resolve, &info) && info.dli_fname && (slash = strrchr(info.dli_fname, '/')))
        here = ds_hub_fmt(a, "%.*s", (int)(slash - info.dli_fname), info.dli_fname);
    const char *const candidates[] = {
        dir && *dir ? ds_hub_fmt(a, "%s/%s", dir, name) : NULL,
        here ? ds_hub_fmt(a, "%s/models/%s", here, name) : NULL,
        here ? ds_hub_fmt(a, "%s/../share/deepseek/models/%s", here, name) : NULL,
        here ? ds_hub_fmt(a, "%s/../../share/deepseek/models/%s", here, name) : NULL, /* lib/x86_64-linux-gnu */
        here ? ds_hub_fmt(a, "%s/../models/%s", here, name) : NULL,
    };
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const char *file = candidates[i] ? ds_hub_fmt(a, "%s.gguf", candidates[i]) : NULL;
        if (candidates[i] && ds_is_dir(candidates[i])) {
            *out = candidates[i];
            return DS_OK;
        }
        if (file && ds_is_file(file)) {
            *out = file;
            return DS_OK;
        }
    }
    return ds_fail(DS_E_NOT_FOUND, "deepseek/%s: the built-in model is not beside the library: set DEEPSEEK_MODELS to the "
                                   "directory that holds %s", name, name);
}

static ds_status resolve_cached(ds_arena *a, const ds_hub_env *env, const ds_hub_name *name, const ds_hub_opts *o,
                                const char **out)
{
    ds_hub_place place;
    ds_hub_model model;
    DS_TRY(ds_hub_place_find(a, env, name, &place));
    if (name->file) {
        *out = ds_hub_fmt(a, "%s/%s", place.dir, name->file);
        if (!*out)
            return DS_E_NOMEM;
        return ds_is_file(*out) ? DS_OK
                                : ds_fail(DS_E_NOT_FOUND, "%s: \"%s\" is not on this machine: run deepseek pull %s/%s",
                                          name->repo, name->file, name->repo, name->file);
    }
    DS_TRY(ds_hub_inspect(a, &place, o && o->no_weights, &model));
    *out = place.dir;
    if (model.complete)
        return DS_OK;
    return ds_fail(DS_E_FORMAT, "%s: the snapshot is incomplete: %s: run deepseek pull %s%s to finish it", place.dir,
                   model.problem, name->repo, place.source == DS_HUB_MS ? " --source modelscope" : "");
}

static ds_status resolve(ds_arena *a, const char *text, const ds_hub_opts *o, const char **out)
{
    ds_hub_name name;
    ds_hub_env  env;
    if (!text || !*text)
        return ds_fail(DS_E_ARG, "the model's name is empty");
    if (access(text, F_OK) == 0) {
        *out = text;
        return DS_OK;
    }
    if (text[0] == '/' || text[0] == '.' || text[0] == '~')
        return ds_fail(DS_E_NOT_FOUND, "%s: no such file or directory", text);
    DS_TRY(ds_hub_name_parse(a, text, o, &name));
    if (name.built_in)
        return find_built_in(a, name.built_in, out);
    if (ds_ends_with(name.repo, ".gguf")) /* a mistyped "models/a.gguf" looks like ORG/NAME */
        return ds_fail(DS_E_NOT_FOUND, "%s: no such file", text);
    DS_TRY(ds_hub_env_read(a, o, &env));
    ds_status st = resolve_cached(a, &env, &name, o, out);
    if (!o || !o->download || (st != DS_E_NOT_FOUND && st != DS_E_FORMAT))
        return st;
    DS_TRY(ds_hub_pull(text, o, NULL));
    return resolve_cached(a, &env, &name, o, out);
}

ds_status ds_hub_resolve(const char *name, const ds_hub_opts *opts, char **path)
{
    ds_arena    a = { .block_size = 16 << 10 };
    ds_hub_opts o;
    const char *found = NULL;
    *path = NULL;
    DS_TRY(take_opts(&o, opts));
    ds_status st = resolve(&a, name, &o, &found);
    if (st == DS_OK && !(*path = ds_strdup(found)))
        st = DS_E_NOMEM;
    ds_arena_free(&a);
    return st;
}

void ds_hub_models_free(ds_hub_models *m)
{
    if (!m)
        return;
    if (m->owner) {
        ds_arena_free(m->owner);
        ds_free(m->owner);
    }
    *m = (ds_hub_models){ 0 };
}

/* An empty result with its own arena. */
static ds_status models_new(ds_hub_models *m, ds_arena **a)
{
    *m = (ds_hub_models){ 0 };
    *a = m->owner = ds_calloc(1, sizeof **a);
    if (!*a)
        return DS_E_NOMEM;
    (*a)->block_size = 16 << 10;
    return DS_OK;
}

ds_status ds_hub_pull(const char *text, const ds_hub_opts *given, ds_hub_models *out)
{
    ds_hub_opts   o, *opts = &o;
    ds_hub_models result;
    ds_arena     *a;
    ds_hub_name   name;
    ds_hub_env    env;
    if (out)
        *out = (ds_hub_models){ 0 };
    DS_TRY(take_opts(opts, given));
    DS_TRY(models_new(&result, &a));
    ds_status st = ds_hub_name_parse(a, text, opts, &name);
    if (st == DS_OK && name.built_in)
        st = ds_fail(DS_E_ARG, "%s: is built in: there is nothing to download", text);
    if (st == DS_OK)
        st = ds_hub_env_read(a, opts, &env);
    if (st == DS_OK && !(result.model = ds_arena_calloc(a, sizeof *result.model)))
        st = DS_E_NOMEM;
    if (st == DS_OK)
        st = ds_hub_pull_model(a, &env, &name, opts, result.model);
    result.n = 1;
    if (st == DS_OK && out)
        *out = result;
    else
        ds_hub_models_free(&result);
    return st;
}

static ds_status models_add(ds_arena *a, ds_hub_models *m, const ds_hub_model *model)
{
    if ((m->n & (m->n - 1)) == 0) { /* full at 0, 1, 2, 4, 8, ... */
        ds_hub_model *bigger = ds_arena_alloc(a, (size_t)(m->n ? 2 * m->n : 1) * sizeof *bigger);
        if (!bigger)
            return DS_E_NOMEM;
        if (m->n)
            memcpy(bigger, m->model, (size_t)m->n * sizeof *bigger);
        m->model = bigger;
    }
    m->model[m->n++] = *model;
    return DS_OK;
}

/* The branches and tags below root/refs that name the commit. */
static ds_status find_refs(ds_arena *a, const ds_hub_place *p, const char **out)
{
    ds_hub_files refs = { 0 };
    const char  *dir = ds_hub_fmt(a, "%s/refs", p->root);
    *out = "";
    if (!dir)
        return DS_E_NOMEM;
    DS_TRY(ds_hub_walk(a, dir, &refs));
    for (int64_t i = 0; i < refs.n && p->source == DS_HUB_HF; i++) {
        const char *path = ds_hub_fmt(a, "%s/%s", dir, refs.file[i].path);
        ds_buf      text = { 0 };
        bool        same = path && ds_read_file(path, 4096, &text) == DS_OK && text.len >= 40 &&
                    memcmp(text.data, p->revision, 40) == 0;
        ds_buf_free(&text);
        if (same && !(*out = ds_hub_fmt(a, "%s%s%s", *out, **out ? ", " : "", refs.file[i].path)))
            return DS_E_NOMEM;
    }
    return DS_OK;
}

/* Whether a directory entry is a revision; the others are left alone. */
static bool is_revision(ds_hub_source source, const char *name)
{
    return source == DS_HUB_HF ? ds_hub_is_hex(name, 40) : ds_hub_word_ok(name, false);
}

/* Adds every revision of one cached model; snapshots first, then pulls that never got so far. */
static ds_status list_revisions(ds_arena *a, const ds_hub_env *env, ds_hub_source source, const char *repo, ds_hub_models *out)
{
    static const char *const below[] = { "snapshots", ".deepseek" };
    ds_hub_place             p;
    DS_TRY(ds_hub_place_make(a, env, source, repo, "", &p));
    ds_status st = DS_OK;
    for (int i = 0; i < 2 && st == DS_OK; i++) {
        const char    *path = ds_hub_fmt(a, "%s/%s", p.root, below[i]);
        DIR           *d = path ? opendir(path) : NULL;
        struct dirent *e;
        while (d && st == DS_OK && (e = readdir(d))) {
            char *name = ds_hub_fmt(a, "%s", e->d_name);
            bool  record = i == 1 && name && ds_ends_with(name, ".json");
            if (record)
                name[strlen(name) - strlen(".json")] = 0;
            if (!name || (i == 1 && !record) || !is_revision(source, name))
                continue;
            ds_hub_model m;
            ds_hub_place at;
            st = ds_hub_place_make(a, env, source, repo, name, &at);
            if (st != DS_OK || (i == 1 && ds_is_dir(at.dir)))
                continue;
            st = ds_hub_inspect(a, &at, false, &m);
            if (st == DS_E_FORMAT) { /* a damaged record or index: still a line of the list */
                m.problem = ds_hub_fmt(a, "%s", ds_error());
                st = m.problem ? DS_OK : DS_E_NOMEM;
            }
            if (st == DS_OK)
                st = find_refs(a, &at, &m.refs);
            m.file = NULL;
            m.n_file = 0;
            if (st == DS_OK)
                st = models_add(a, out, &m);
        }
        if (d)
            closedir(d);
    }
    return st;
}

/* All models directly below `dir` whose name starts with `prefix`: "models--ORG--NAME" or "ORG--NAME". */
static ds_status list_cache(ds_arena *a, const ds_hub_env *env, ds_hub_source source, const char *dir, const char *prefix,
                            ds_hub_models *out)
{
    DIR           *d = opendir(dir);
    struct dirent *e;
    ds_status      st = DS_OK;
    while (d && st == DS_OK && (e = readdir(d))) {
        if (!ds_starts_with(e->d_name, prefix))
            continue;
        const char *flat = e->d_name + strlen(prefix), *cut = strstr(flat, "--");
        if (!cut || cut == flat)
            continue;
        char *repo = ds_hub_fmt(a, "%.*s/%s", (int)(cut - flat), flat, cut + 2);
        if (!repo)
            st = DS_E_NOMEM;
        else if (ds_hub_word_ok(repo, true))
            st = list_revisions(a, env, source, repo, out);
    }
    if (d)
        closedir(d);
    return st;
}

static int by_repo(const void *x, const void *y)
{
    const ds_hub_model *a = x, *b = y;
    int                 c = strcmp(a->repo, b->repo);
    c = c ? c : strcmp(a->source, b->source);
    return c ? c : strcmp(a->revision, b->revision);
}

ds_status ds_hub_list(const ds_hub_opts *given, ds_hub_models *out)
{
    ds_hub_opts o, *opts = &o;
    ds_arena   *a;
    ds_hub_env  env;
    ds_hub_name any;
    *out = (ds_hub_models){ 0 };
    DS_TRY(take_opts(opts, given));
    DS_TRY(models_new(out, &a));
    ds_status st = ds_hub_name_parse(a, "any/name", opts, &any); /* for opts->source */
    if (st == DS_OK)
        st = ds_hub_env_read(a, opts, &env);
    if (st == DS_OK && any.source != DS_HUB_MS)
        st = list_cache(a, &env, DS_HUB_HF, env.hf_cache, "models--", out);
    char *ms = st == DS_OK ? ds_hub_fmt(a, "%s/models", env.ms_cache) : NULL;
    if (ms && any.source != DS_HUB_HF)
        st = list_cache(a, &env, DS_HUB_MS, ms, "", out);
    if (st != DS_OK)
        ds_hub_models_free(out);
    else if (out->n)
        qsort(out->model, (size_t)out->n, sizeof *out->model, by_repo);
    return st;
}

/* The place of a name that must be a hub model in a cache. */
static ds_status find_place(ds_arena *a, const char *text, const ds_hub_opts *o, ds_hub_env *env, ds_hub_name *name,
                            ds_hub_place *place)
{
    DS_TRY(ds_hub_name_parse(a, text, o, name));
    if (name->built_in)
        return ds_fail(DS_E_ARG, "%s: is built in, not in a cache", text);
    DS_TRY(ds_hub_env_read(a, o, env));
    return ds_hub_place_find(a, env, name, place);
}

ds_status ds_hub_show(const char *text, const ds_hub_opts *given, ds_hub_models *out)
{
    ds_hub_opts  o;
    ds_arena    *a;
    ds_hub_env   env;
    ds_hub_name  name;
    ds_hub_place place;
    *out = (ds_hub_models){ 0 };
    DS_TRY(take_opts(&o, given));
    DS_TRY(models_new(out, &a));
    ds_status st = find_place(a, text, &o, &env, &name, &place);
    if (st == DS_OK && !(out->model = ds_arena_calloc(a, sizeof *out->model)))
        st = DS_E_NOMEM;
    if (st == DS_OK)
        st = ds_hub_inspect(a, &place, o.no_weights, out->model);
    if (st == DS_OK)
        st = find_refs(a, &place, &out->model->refs);
    out->n = 1;
    if (st != DS_OK)
        ds_hub_models_free(out);
    return st;
}

ds_status ds_hub_remove(const char *text, const ds_hub_opts *given, uint64_t *freed)
{
    ds_hub_opts  o;
    ds_arena     a = { .block_size = 16 << 10 };
    ds_hub_env   env;
    ds_hub_name  name;
    ds_hub_place place;
    uint64_t     bytes = 0;
    if (freed)
        *freed = 0;
    DS_TRY(take_opts(&o, given));
    ds_status st = find_place(&a, text, &o, &env, &name, &place);
    if (st == DS_E_NOT_FOUND && name.repo && !name.revision) { /* perhaps one that no branch names: an unfinished pull */
        ds_status found = ds_hub_place_make(&a, &env, name.source == DS_HUB_MS ? DS_HUB_MS : DS_HUB_HF, name.repo, "", &place);
        st = found != DS_OK ? found : ds_is_dir(place.root) ? DS_OK : ds_hub_not_here(&name);
    }
    if (st == DS_OK && name.file)
        st = ds_fail(DS_E_ARG, "%s: removing single files is not possible: remove the model", text);
    if (st == DS_OK)
        st = ds_hub_remove_place(&a, &env, &place, name.revision != NULL, &bytes);
    if (freed)
        *freed = bytes;
    ds_arena_free(&a);
    return st;
}
