/* Reading checkpoints back, and deciding which are whole. */
#include "train/saved.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/safetensors.h"

ds_status ds_saved_hidden(ds_names *out, const char *dir)
{
    *out = (ds_names){ 0 };
    DIR *d = opendir(dir);
    if (!d)
        return ds_fail(DS_E_IO, "%s: cannot read the directory: %s", dir, strerror(errno));
    ds_status st = DS_OK;
    for (struct dirent *e; st == DS_OK && (e = readdir(d)) != NULL;) {
        if (!ds_starts_with(e->d_name, ".step-"))
            continue;
        st = ds_grow((void **)&out->name, &out->cap, out->n + 1, sizeof *out->name);
        if (st == DS_OK && !(out->name[out->n] = ds_strdup(e->d_name)))
            st = DS_E_NOMEM;
        out->n += st == DS_OK;
    }
    closedir(d);
    if (st != DS_OK)
        ds_names_free(out);
    return st;
}

void ds_saved_path(const char *run, int64_t step, char path[1024])
{
    snprintf(path, 1024, "%.900s/checkpoints/step-%010lld", run, (long long)step);
}

static ds_status check_hash(const char *path, uint64_t bytes, const char *expected)
{
    ds_map m;
    char   hex[20];
    DS_TRY(ds_map_open(&m, path));
    snprintf(hex, sizeof hex, "%016" PRIx64, (uint64_t)XXH3_64bits(m.data, m.size));
    ds_status st = DS_OK;
    if (m.size != bytes)
        st = ds_fail(DS_E_FORMAT, "%s: has %llu bytes, was saved with %llu", path, (unsigned long long)m.size, (unsigned long long)bytes);
    else if (strncmp(hex, expected, 16) != 0)
        st = ds_fail(DS_E_FORMAT, "%s: is damaged (its hash differs from the one it was saved with)", path);
    ds_map_close(&m);
    return st;
}

static ds_status check_state(const char *dir)
{
    char   path[1200];
    ds_buf sum = { 0 };
    snprintf(path, sizeof path, "%.1023s/%s", dir, DS_SAVED_SUM);
    ds_status st = ds_read_file(path, 64, &sum);
    snprintf(path, sizeof path, "%.1023s/%s", dir, DS_SAVED_STATE);
    ds_file f;
    if (st == DS_OK)
        st = ds_file_open(&f, path);
    if (st == DS_OK) {
        uint64_t size = f.size;
        ds_file_close(&f);
        st = check_hash(path, size, sum.len >= 16 ? sum.data : "(a hash that is cut short)");
    }
    ds_buf_free(&sum);
    return st;
}

static ds_status check_files(const char *dir, const json_t *state)
{
    const char *name;
    json_t     *o, *files = json_object_get(state, "files");
    char        path[1300];
    if (!json_is_object(files) || !json_object_get(files, DS_SAVED_MODEL) || !json_object_get(files, DS_SAVED_OPTIMIZER))
        return ds_fail(DS_E_FORMAT, "%s/%s: names no files", dir, DS_SAVED_STATE);
    json_object_foreach (files, name, o) {
        const char *hex = json_string_value(json_object_get(o, "xxh3"));
        if (strchr(name, '/') || !hex || strlen(hex) != 16)
            return ds_fail(DS_E_FORMAT, "%s/%s: file \"%s\" has no proper hash", dir, DS_SAVED_STATE, name);
        snprintf(path, sizeof path, "%.1023s/%.200s", dir, name);
        DS_TRY(check_hash(path, (uint64_t)json_integer_value(json_object_get(o, "bytes")), hex));
    }
    return DS_OK;
}

ds_status ds_saved_open(const char *dir, json_t **state)
{
    char path[1200];
    *state = NULL;
    DS_TRY(check_state(dir));
    snprintf(path, sizeof path, "%.1023s/%s", dir, DS_SAVED_STATE);
    DS_TRY(ds_json_load(state, path));
    ds_status st = json_is_object(*state) ? check_files(dir, *state) : ds_fail(DS_E_FORMAT, "%s: holds no object", path);
    if (st != DS_OK) {
        json_decref(*state);
        *state = NULL;
    }
    return st;
}

ds_status ds_saved_find(const char *run, char path[1024], json_t **state, char note[600])
{
    char     dir[1024];
    ds_names names;
    snprintf(dir, sizeof dir, "%.1000s/checkpoints", run);
    note[0] = 0;
    *state = NULL;
    if (!ds_is_dir(dir))
        return ds_fail(DS_E_NOT_FOUND, "%s: has no checkpoints", run);
    DS_TRY(ds_list_dir(&names, dir));
    ds_status st = ds_fail(DS_E_NOT_FOUND, "%s: has no checkpoints", run);
    for (size_t i = names.n; i-- > 0 && st != DS_OK;) {
        if (!ds_starts_with(names.name[i], "step-"))
            continue;
        snprintf(path, 1024, "%.900s/%.100s", dir, names.name[i]);
        st = ds_saved_open(path, state);
        if (st != DS_OK)
            snprintf(note, 600, "passed over a checkpoint: %.500s", ds_error());
    }
    ds_names_free(&names);
    return st;
}

static ds_status read_blob(const ds_file *f, const char *path, const ds_safetensors *s, const ds_blob *o)
{
    for (int64_t k = 0; k < s->n; k++) {
        const ds_stored *t = &s->tensor[k];
        if (strcmp(t->name, o->name) != 0)
            continue;
        if (t->bytes != o->bytes)
            return ds_fail(DS_E_SHAPE, "%s: \"%s\" has %llu bytes, this run's has %llu: another model, vocabulary or optimizer", path, o->name,
                           (unsigned long long)t->bytes, (unsigned long long)o->bytes);
        return ds_file_read_at(f, path, o->data, o->bytes, t->offset);
    }
    return ds_fail(DS_E_SHAPE, "%s: lacks \"%s\": it was saved with other settings", path, o->name);
}

ds_status ds_saved_read(const char *dir, const char *file, const ds_blobs *b)
{
    char           path[1200];
    ds_file        f;
    ds_safetensors s = { 0 };
    snprintf(path, sizeof path, "%.1023s/%.100s", dir, file);
    DS_TRY(ds_file_open(&f, path));
    ds_status st = ds_safetensors_read(&s, &f, path);
    for (int64_t i = 0; i < b->n && st == DS_OK; i++)
        st = read_blob(&f, path, &s, &b->blob[i]);
    ds_safetensors_free(&s);
    ds_file_close(&f);
    return st;
}
