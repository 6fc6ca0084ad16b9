#include "train/save.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "data/util.h"
#include "train/saved.h"

enum { HASH_BLOCK = 1 << 20 };

struct ds_saver {
    char                *dir; /* RUN/checkpoints */
    int64_t              keep;
    bool                 keep_best;
    const ds_small_file *small;
    int                  n_small;
    const ds_blobs      *model, *optimizer;
    char                *copy;
    uint64_t             copy_bytes;
    json_t              *state;
    ds_save_result       result;
    bool                 busy, ended, quit, started;
    pthread_t            thread;
    pthread_mutex_t      lock;
    pthread_cond_t       change;
};

ds_status ds_blobs_add(ds_blobs *b, const char *name, const char *dtype, int64_t rows, int64_t cols, void *data, uint64_t bytes)
{
    DS_TRY(ds_grow((void **)&b->blob, &b->cap, (size_t)b->n + 1, sizeof *b->blob));
    ds_blob *o = &b->blob[b->n++];
    *o = (ds_blob){ .dtype = dtype, .n_dim = rows > 1 ? 2 : 1, .dim = { rows > 1 ? rows : cols, cols }, .data = data, .bytes = bytes };
    snprintf(o->name, sizeof o->name, "%s", name);
    return DS_OK;
}

void ds_blobs_free(ds_blobs *b)
{
    ds_free(b->blob);
    *b = (ds_blobs){ 0 };
}

static uint64_t total(const ds_blobs *b)
{
    uint64_t n = 0;
    for (int64_t i = 0; i < b->n; i++)
        n += b->blob[i].bytes;
    return n;
}

/* ---- writing one checkpoint ---- */

static ds_status join(char *out, size_t n, const char *dir, const char *name)
{
    int len = snprintf(out, n, "%s/%s", dir, name);
    return len > 0 && (size_t)len < n ? DS_OK : ds_fail(DS_E_ARG, "%s/%s: the path is too long", dir, name);
}

static ds_status note_file(json_t *files, const char *name, uint64_t bytes, uint64_t hash)
{
    char hex[20];
    snprintf(hex, sizeof hex, "%016" PRIx64, hash);
    json_t *o = json_pack("{s:I, s:s}", "bytes", (json_int_t)bytes, "xxh3", hex);
    return json_object_set_new(files, name, o) == 0 ? DS_OK : ds_fail_nomem(64);
}

static ds_status header_of(const ds_blobs *b, ds_buf *out)
{
    json_t   *root = json_object();
    uint64_t  at = 0;
    ds_status st = root ? DS_OK : ds_fail_nomem(64);
    json_object_set_new(root, "__metadata__", json_pack("{s:s}", "format", "pt"));
    for (int64_t i = 0; i < b->n && st == DS_OK; i++) {
        const ds_blob *o = &b->blob[i];
        json_t        *shape = json_array();
        for (int k = 0; k < o->n_dim; k++)
            json_array_append_new(shape, json_integer(o->dim[k]));
        json_t *t = json_pack("{s:s, s:o, s:[I, I]}", "dtype", o->dtype, "shape", shape, "data_offsets", (json_int_t)at,
                              (json_int_t)(at + o->bytes));
        if (json_object_set_new(root, o->name, t) != 0)
            st = ds_fail_nomem(256);
        at += o->bytes;
    }
    uint64_t zero = 0;
    if (st == DS_OK)
        st = ds_buf_add(out, &zero, 8);
    if (st == DS_OK)
        st = ds_json_append(out, root, JSON_COMPACT);
    while (st == DS_OK && out->len % 8)
        st = ds_buf_addc(out, ' ');
    json_decref(root);
    uint64_t n = out->len - 8;
    for (int i = 0; st == DS_OK && i < 8; i++)
        out->data[i] = (char)(n >> 8 * i);
    return st;
}

static ds_status put(ds_outfile *f, XXH3_state_t *h, const void *bytes, size_t n)
{
    XXH3_64bits_update(h, bytes, n);
    return ds_outfile_write(f, bytes, n);
}

/* The blobs' bytes come from the copy, one after another. */
static ds_status write_blobs(const char *dir, const char *name, const ds_blobs *b, const char *copy, json_t *files)
{
    char          path[1100];
    ds_buf        head = { 0 };
    ds_outfile   *f = NULL;
    XXH3_state_t  h;
    ds_status     st = join(path, sizeof path, dir, name);
    XXH3_64bits_reset(&h);
    if (st == DS_OK)
        st = header_of(b, &head);
    if (st == DS_OK)
        st = ds_outfile_open(&f, path, true);
    if (st == DS_OK)
        st = put(f, &h, head.data, head.len);
    uint64_t bytes = total(b), at = 0;
    for (; st == DS_OK && at < bytes; at += HASH_BLOCK)
        st = put(f, &h, copy + at, bytes - at < HASH_BLOCK ? bytes - at : HASH_BLOCK);
    if (st == DS_OK)
        st = note_file(files, name, head.len + bytes, XXH3_64bits_digest(&h));
    if (st == DS_OK)
        st = ds_outfile_commit(&f);
    ds_outfile_abort(&f);
    ds_buf_free(&head);
    return st;
}

static ds_status write_small(const char *dir, const char *name, const char *bytes, size_t n, json_t *files)
{
    char path[1100];
    DS_TRY(join(path, sizeof path, dir, name));
    if (files)
        DS_TRY(note_file(files, name, n, XXH3_64bits(bytes, n)));
    return ds_write_file(path, bytes, n, true);
}

/* The state last, then its own hash. */
static ds_status write_state(const char *dir, json_t *state)
{
    ds_buf    text = { 0 };
    char      hex[20];
    ds_status st = ds_json_append(&text, state, JSON_INDENT(1));
    if (st == DS_OK)
        st = write_small(dir, DS_SAVED_STATE, text.data, text.len, NULL);
    snprintf(hex, sizeof hex, "%016" PRIx64 "\n", st == DS_OK ? (uint64_t)XXH3_64bits(text.data, text.len) : 0);
    if (st == DS_OK)
        st = write_small(dir, DS_SAVED_SUM, hex, strlen(hex), NULL);
    ds_buf_free(&text);
    return st;
}

static void sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static ds_status write_all(ds_saver *s, const char *dir)
{
    json_t *files = json_object();
    if (!files || json_object_set_new(s->state, "files", files) != 0)
        return ds_fail_nomem(64);
    DS_TRY(ds_make_dirs(dir));
    for (int i = 0; i < s->n_small; i++)
        DS_TRY(write_small(dir, s->small[i].name, s->small[i].bytes.data, s->small[i].bytes.len, files));
    DS_TRY(write_blobs(dir, DS_SAVED_MODEL, s->model, s->copy, files));
    DS_TRY(write_blobs(dir, DS_SAVED_OPTIMIZER, s->optimizer, s->copy + total(s->model), files));
    DS_TRY(write_state(dir, s->state));
    sync_dir(dir);
    return DS_OK;
}

/* ---- removing ---- */

static void remove_dir(const char *dir)
{
    ds_names names;
    char     path[1400];
    if (ds_list_dir(&names, dir) == DS_OK) {
        for (size_t i = 0; i < names.n; i++)
            if (join(path, sizeof path, dir, names.name[i]) == DS_OK)
                unlink(path);
        ds_names_free(&names);
    }
    rmdir(dir);
}

/* Under another name first, so that a kill half way leaves no checkpoint that looks whole. */
static void drop(const char *parent, const char *name)
{
    char from[1200], to[1300];
    snprintf(from, sizeof from, "%s/%s", parent, name);
    snprintf(to, sizeof to, "%s/.%s.old", parent, name);
    if (rename(from, to) == 0)
        remove_dir(to);
}

static double validation_of(const char *parent, const char *name)
{
    char    path[1300];
    json_t *o;
    snprintf(path, sizeof path, "%s/%s/%s", parent, name, DS_SAVED_STATE);
    if (ds_json_load(&o, path) != DS_OK)
        return INFINITY;
    json_t *v = json_object_get(o, "validation");
    double  loss = json_is_number(v) ? json_number_value(v) : INFINITY;
    json_decref(o);
    return loss;
}

static bool is_step(const char *name)
{
    return ds_starts_with(name, "step-") && strlen(name) == 15;
}

/* Keeps the newest ones and the best. Names sort by step. */
static void prune(const ds_saver *s)
{
    ds_names names;
    if (ds_list_dir(&names, s->dir) != DS_OK)
        return;
    size_t best = SIZE_MAX;
    double least = INFINITY;
    for (size_t i = 0; i < names.n && s->keep_best; i++) {
        double v = is_step(names.name[i]) ? validation_of(s->dir, names.name[i]) : INFINITY;
        if (v < least) {
            least = v;
            best = i;
        }
    }
    int64_t kept = 0;
    for (size_t i = names.n; i-- > 0;)
        if (is_step(names.name[i]) && kept++ >= s->keep && i != best)
            drop(s->dir, names.name[i]);
    ds_names_free(&names);
}

/* ---- the thread ---- */

static ds_status save_now(ds_saver *s)
{
    char name[40], hidden[1100], final[1100];
    snprintf(name, sizeof name, ".step-%010lld.tmp", (long long)s->result.step);
    DS_TRY(join(hidden, sizeof hidden, s->dir, name));
    snprintf(name, sizeof name, "step-%010lld", (long long)s->result.step);
    DS_TRY(join(final, sizeof final, s->dir, name));
    remove_dir(hidden);
    ds_status st = write_all(s, hidden);
    if (st == DS_OK) {
        drop(s->dir, name); /* the same step, saved by a run that this one goes on from */
        if (rename(hidden, final) != 0)
            st = ds_fail(DS_E_IO, "%s: cannot rename the finished checkpoint: %s", final, strerror(errno));
    }
    if (st != DS_OK) {
        remove_dir(hidden);
        return st;
    }
    sync_dir(s->dir);
    snprintf(s->result.path, sizeof s->result.path, "%.1023s", final);
    prune(s);
    return DS_OK;
}

static void *work(void *arg)
{
    ds_saver *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->busy && !s->quit)
            pthread_cond_wait(&s->change, &s->lock);
        if (!s->busy)
            break;
        pthread_mutex_unlock(&s->lock);
        double begin = ds_now();
        s->result.status = save_now(s);
        s->result.seconds = ds_now() - begin;
        snprintf(s->result.message, sizeof s->result.message, "%s", s->result.status == DS_OK ? "" : ds_error());
        pthread_mutex_lock(&s->lock);
        s->busy = false;
        s->ended = true;
        pthread_cond_broadcast(&s->change);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* What a kill left: directories that were being written or removed. */
static ds_status sweep(const char *dir)
{
    char path[1400];
    DS_TRY(ds_make_dirs(dir));
    if (access(dir, W_OK) != 0)
        return ds_fail(DS_E_IO, "%s: cannot write there: %s", dir, strerror(errno));
    ds_names names;
    DS_TRY(ds_saved_hidden(&names, dir));
    for (size_t i = 0; i < names.n; i++)
        if (join(path, sizeof path, dir, names.name[i]) == DS_OK)
            remove_dir(path);
    ds_names_free(&names);
    return DS_OK;
}

ds_status ds_saver_open(ds_saver **out, const char *run, int64_t keep, bool keep_best, const ds_small_file *small, int n_small,
                        const ds_blobs *model, const ds_blobs *optimizer)
{
    ds_buf    dir = { 0 };
    ds_saver *s = *out = ds_calloc(1, sizeof *s);
    if (!s)
        return DS_E_NOMEM;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->change, NULL);
    s->keep = keep;
    s->keep_best = keep_best;
    s->small = small;
    s->n_small = n_small;
    s->model = model;
    s->optimizer = optimizer;
    s->copy_bytes = total(model) + total(optimizer);
    ds_status st = ds_buf_printf(&dir, "%s/checkpoints", run);
    s->dir = ds_buf_take(&dir);
    if (st == DS_OK)
        st = sweep(s->dir);
    if (st == DS_OK && !(s->copy = ds_alloc_pages(s->copy_bytes)))
        st = DS_E_NOMEM;
    if (st == DS_OK) {
        s->started = pthread_create(&s->thread, NULL, work, s) == 0;
        st = s->started ? DS_OK : ds_fail(DS_E_NOMEM, "the system refused a thread for saving");
    }
    if (st != DS_OK)
        ds_saver_close(out);
    return st;
}

static char *copy_blobs(char *to, const ds_blobs *b)
{
    for (int64_t i = 0; i < b->n; to += b->blob[i++].bytes)
        memcpy(to, b->blob[i].data, b->blob[i].bytes);
    return to;
}

ds_status ds_saver_save(ds_saver *s, json_t *state)
{
    double begin = ds_now();
    pthread_mutex_lock(&s->lock);
    while (s->busy)
        pthread_cond_wait(&s->change, &s->lock);
    pthread_mutex_unlock(&s->lock);
    copy_blobs(copy_blobs(s->copy, s->model), s->optimizer);
    json_decref(s->state);
    s->state = state;
    s->result = (ds_save_result){ .step = json_integer_value(json_object_get(state, "step")) };
    s->result.stall = ds_now() - begin;
    pthread_mutex_lock(&s->lock);
    s->busy = true;
    s->ended = false;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
    return DS_OK;
}

bool ds_saver_result(ds_saver *s, bool wait, ds_save_result *out)
{
    pthread_mutex_lock(&s->lock);
    while (wait && s->busy)
        pthread_cond_wait(&s->change, &s->lock);
    bool ended = s->ended;
    if (ended)
        *out = s->result;
    s->ended = false;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

uint64_t ds_saver_bytes(const ds_saver *s)
{
    return s->copy_bytes;
}

void ds_saver_close(ds_saver **ps)
{
    ds_saver *s = *ps;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    ds_free_pages(s->copy, s->copy_bytes);
    json_decref(s->state);
    ds_free(s->dir);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->change);
    ds_free(s);
    *ps = NULL;
}
