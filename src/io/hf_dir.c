/* Opening a Hugging Face directory: config.json, generation_config.json, and one or many safetensors files. */
#include <string.h>

#include "base/json.h"
#include "io/hf_config.h"
#include "io/open.h"
#include "io/safetensors.h"

enum { MAX_SHARDS = 4096 };

static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

static const char *join(ds_checkpoint *c, const char *name)
{
    size_t n = strlen(c->path), m = strlen(name) + 1;
    char  *p = ds_arena_alloc(&c->arena, n + 1 + m);
    if (!p)
        return NULL;
    memcpy(p, c->path, n);
    p[n] = '/';
    memcpy(p + n + 1, name, m);
    return p;
}

/* A file name of the index must stay inside the directory. */
static ds_status check_shard_name(const char *index, const char *name)
{
    if (!*name || strchr(name, '/') || strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        return ds_fail(DS_E_FORMAT, "%s: names the shard \"%s\", expected a plain file name", index, name);
    return DS_OK;
}

static ds_status add_file(ds_checkpoint *c, const char *name, const char *named_by, ds_safetensors *s)
{
    const char *path = join(c, name);
    if (!path)
        return DS_E_NOMEM;
    if (!ds_is_file(path))
        return ds_fail(DS_E_NOT_FOUND, "%s: the shard is missing%s%s: download the model again", path, named_by ? ", but named by " : "",
                       named_by ? named_by : "");
    c->file_path[c->n_file] = path;
    DS_TRY(ds_file_open(&c->file[c->n_file], path));
    c->n_file++;
    return ds_safetensors_read(s, &c->file[c->n_file - 1], path);
}

static ds_status keep(ds_checkpoint *c, const ds_stored *t, int file)
{
    if (ds_ends_with(t->name, ".rotary_emb.inv_freq")) /* old exports; computed from the configuration */
        return DS_OK;
    ds_stored *to = &c->tensor[c->n];
    *to = *t;
    to->file = file;
    to->name = ds_arena_strdup(&c->arena, t->name);
    if (!to->name)
        return DS_E_NOMEM;
    c->n++;
    return DS_OK;
}

static ds_status open_single(ds_checkpoint *c)
{
    ds_safetensors s = { 0 };
    c->file = ds_arena_alloc(&c->arena, sizeof *c->file);
    c->file_path = ds_arena_alloc(&c->arena, sizeof *c->file_path);
    ds_status st = c->file && c->file_path ? add_file(c, single_name, NULL, &s) : DS_E_NOMEM;
    if (st == DS_OK && !(c->tensor = ds_arena_alloc(&c->arena, (size_t)s.n * sizeof *c->tensor)))
        st = DS_E_NOMEM;
    for (int64_t i = 0; st == DS_OK && i < s.n; i++)
        st = keep(c, &s.tensor[i], 0);
    ds_safetensors_free(&s);
    return st;
}

/* Keeps the tensors of one shard that the index says are in it; returns how many in *found. */
static ds_status take_shard(ds_checkpoint *c, const json_t *map, const char *shard, const char *index)
{
    ds_safetensors s = { 0 };
    ds_status      st = add_file(c, shard, index, &s);
    for (int64_t i = 0; st == DS_OK && i < s.n; i++) {
        const char *in = json_string_value(json_object_get(map, s.tensor[i].name));
        if (in && strcmp(in, shard) == 0)
            st = keep(c, &s.tensor[i], c->n_file - 1);
    }
    ds_safetensors_free(&s);
    return st;
}

static ds_status list_shards(ds_checkpoint *c, const json_t *map, const char *index, json_t *shards)
{
    const char *key;
    json_t     *v;
    json_object_foreach ((json_t *)map, key, v) {
        const char *name = json_string_value(v);
        if (!name)
            return ds_fail(DS_E_FORMAT, "%s: tensor \"%s\" is mapped to %s, expected a file name", index, key, ds_json_type_name(v));
        DS_TRY(check_shard_name(index, name));
        if (json_object_set_new(shards, name, json_true()) != 0)
            return ds_fail_nomem(64);
    }
    size_t n = json_object_size(shards);
    if (n > MAX_SHARDS)
        return ds_fail(DS_E_UNSUPPORTED, "%s: names %zu shards, at most %d are supported", index, n, MAX_SHARDS);
    c->file = ds_arena_alloc(&c->arena, n * sizeof *c->file);
    c->file_path = ds_arena_alloc(&c->arena, n * sizeof *c->file_path);
    c->tensor = ds_arena_alloc(&c->arena, json_object_size(map) * sizeof *c->tensor);
    return c->file && c->file_path && c->tensor ? DS_OK : DS_E_NOMEM;
}

static ds_status open_shards(ds_checkpoint *c, const json_t *root, const char *index)
{
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map))
        return ds_fail(DS_E_FORMAT, "%s: \"weight_map\" is %s, expected an object", index, ds_json_type_name(map));
    json_t     *shards = json_object();
    ds_status   st = list_shards(c, map, index, shards);
    const char *name;
    json_t     *v;
    json_object_foreach (shards, name, v)
        if (st == DS_OK)
            st = take_shard(c, map, name, index);
    json_decref(shards);
    return st;
}

static ds_status open_weights(ds_checkpoint *c)
{
    const char *index = join(c, index_name), *single = join(c, single_name);
    if (!index || !single)
        return DS_E_NOMEM;
    if (!ds_is_file(index) && ds_is_file(single))
        return open_single(c);
    if (!ds_is_file(index))
        return ds_fail(DS_E_NOT_FOUND, "%s: holds neither %s nor %s", c->path, single_name, index_name);
    json_t *root;
    DS_TRY(ds_json_load(&root, index));
    ds_status st = open_shards(c, root, index);
    json_decref(root);
    return st;
}

ds_status ds_open_directory(ds_checkpoint *c)
{
    const char *config = join(c, "config.json"), *generation = join(c, "generation_config.json"), *saved = join(c, "checkpoints");
    if (!config || !generation || !saved)
        return DS_E_NOMEM;
    if (!ds_is_file(config) && ds_is_dir(saved))
        return ds_fail(DS_E_NOT_FOUND, "%s: is a training run that has not ended: train on with --resume auto, or give one of its checkpoints, %s/...",
                       c->path, saved);
    if (!ds_is_file(config))
        return ds_fail(DS_E_NOT_FOUND, "%s: holds no config.json, so it is not a Hugging Face model directory", c->path);
    DS_TRY(ds_config_load(&c->config, config));
    if (ds_is_file(generation)) {
        json_t *root;
        DS_TRY(ds_json_load(&root, generation));
        ds_status st = ds_config_generation(&c->config, root, generation);
        json_decref(root);
        DS_TRY(st);
    }
    return open_weights(c);
}
