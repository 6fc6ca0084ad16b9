#include "infer/prefix_disk.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/file.h"
#include "base/mem.h"
#include "infer/model.h"
#include "infer/prefix.h"

enum { LEAST = 128, GAIN = 128, MAX_WAITING = 8, PATIENCE = 64 };

typedef struct stored { /* a file */
    uint64_t name;
    int32_t *token;
    int64_t  n;
    uint64_t bytes, used; /* the clock when it was last of use */
    uint64_t rests_until; /* the clock, after there was no memory for it */
} stored;

struct ds_prefix_disk {
    ds_model       *m;
    char           *dir;
    uint64_t        identity, max_bytes;
    void          (*ready)(void *);
    void           *user;
    pthread_t       writer, reader;
    bool            has_writer, has_reader;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t  write, read, idle;
    bool            ending, writing, reading;
    uint64_t        clock; /* begins with the time of day, so that files' times fit in */
    uint64_t        bytes, hits;
    stored         *file;
    size_t          n_file, cap_file;
    ds_sequence    *waiting[MAX_WAITING]; /* to be written, oldest first */
    int             n_waiting;
    uint64_t        wanted; /* the file that is being read */
    ds_sequence    *loaded; /* and what was in the last one */
};

/* ---- the list of files; the lock is held ---- */

static void path_of(const ds_prefix_disk *d, uint64_t name, char *path, size_t n)
{
    snprintf(path, n, "%s/%016llx-%016llx.kv", d->dir, (unsigned long long)d->identity, (unsigned long long)name);
}

static void remove_file(ds_prefix_disk *d, size_t i)
{
    char path[4200];
    path_of(d, d->file[i].name, path, sizeof path);
    unlink(path);
    d->bytes -= d->file[i].bytes;
    ds_free(d->file[i].token);
    d->file[i] = d->file[--d->n_file];
}

static void shrink(ds_prefix_disk *d)
{
    while (d->n_file && d->bytes > d->max_bytes) {
        size_t oldest = 0;
        for (size_t i = 1; i < d->n_file; i++)
            if (d->file[i].used < d->file[oldest].used)
                oldest = i;
        remove_file(d, oldest);
    }
}

/* Takes the tokens. */
static void add_file(ds_prefix_disk *d, uint64_t name, int32_t *token, int64_t n, uint64_t bytes, uint64_t used)
{
    if (ds_grow((void **)&d->file, &d->cap_file, d->n_file + 1, sizeof *d->file) != DS_OK) {
        ds_free(token);
        return;
    }
    d->file[d->n_file++] = (stored){ .name = name, .token = token, .n = n, .bytes = bytes, .used = used };
    d->bytes += bytes;
}

/* Whether a file has all of it; those that it has all of go. */
static bool covered(ds_prefix_disk *d, const int32_t *token, int64_t n)
{
    for (size_t i = d->n_file; i-- > 0;) {
        int64_t same = ds_common_prefix(d->file[i].token, d->file[i].n, token, n);
        if (same == n)
            return true;
        if (same == d->file[i].n)
            remove_file(d, i);
    }
    return false;
}

static stored *find(ds_prefix_disk *d, uint64_t name)
{
    for (size_t i = 0; i < d->n_file; i++)
        if (d->file[i].name == name)
            return &d->file[i];
    return NULL;
}

/* The file with the longest beginning, if it has much more than `have`. */
static stored *longest(ds_prefix_disk *d, const int32_t *token, int64_t n, int64_t have)
{
    int64_t best = have + GAIN - 1;
    stored *found = NULL;
    for (size_t i = 0; i < d->n_file; i++) {
        if (d->file[i].n <= best || d->file[i].rests_until > d->clock)
            continue;
        int64_t same = ds_common_prefix(d->file[i].token, d->file[i].n, token, n);
        if (same > best) {
            best = same;
            found = &d->file[i];
        }
    }
    return found;
}

/* ---- writing ---- */

static void write_one(ds_prefix_disk *d, const ds_sequence *s)
{
    char     path[4200];
    size_t   n = (size_t)s->length * sizeof *s->token;
    uint64_t name = XXH64(s->token, n, 0);
    int32_t *token = ds_malloc(n);
    if (!token)
        return;
    memcpy(token, s->token, n);
    path_of(d, name, path, sizeof path);
    if (ds_sequence_save(s, path) != DS_OK) { /* a full disk is no reason to stop serving */
        ds_free(token);
        return;
    }
    struct stat st;
    uint64_t    bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    pthread_mutex_lock(&d->lock);
    if (covered(d, token, s->length))
        ds_free(token);
    else
        add_file(d, name, token, s->length, bytes, ++d->clock);
    shrink(d);
    pthread_mutex_unlock(&d->lock);
}

static void *writer(void *arg)
{
    ds_prefix_disk *d = arg;
    pthread_mutex_lock(&d->lock);
    while (!d->ending || d->n_waiting) {
        if (!d->n_waiting) {
            pthread_cond_broadcast(&d->idle);
            pthread_cond_wait(&d->write, &d->lock);
            continue;
        }
        ds_sequence *s = d->waiting[0];
        memmove(d->waiting, d->waiting + 1, sizeof *d->waiting * (size_t)--d->n_waiting);
        bool there = covered(d, s->token, s->length);
        d->writing = true;
        pthread_mutex_unlock(&d->lock);
        if (!there)
            write_one(d, s);
        ds_sequence_free(&s);
        pthread_mutex_lock(&d->lock);
        d->writing = false;
    }
    pthread_cond_broadcast(&d->idle);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void ds_prefix_disk_write(ds_prefix_disk *d, const ds_sequence *s)
{
    ds_sequence *copy = NULL, *old = NULL;
    uint64_t     bytes = (uint64_t)((s->length + DS_KV_PAGE - 1) / DS_KV_PAGE * d->m->kv.shape.page_bytes);
    if (s->length < LEAST || bytes > d->max_bytes || ds_sequence_fork(&copy, s) != DS_OK)
        return;
    pthread_mutex_lock(&d->lock);
    if (d->n_waiting == MAX_WAITING) { /* the disk is slower than the clients */
        old = d->waiting[0];
        memmove(d->waiting, d->waiting + 1, sizeof *d->waiting * (size_t)--d->n_waiting);
    }
    d->waiting[d->n_waiting++] = copy;
    pthread_cond_signal(&d->write);
    pthread_mutex_unlock(&d->lock);
    if (old)
        ds_sequence_free(&old);
}

void ds_prefix_disk_flush(ds_prefix_disk *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->n_waiting || d->writing)
        pthread_cond_wait(&d->idle, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

/* ---- reading ---- */

/* A file that cannot be read goes; one for which there is no memory rests. */
static ds_status read_one(ds_prefix_disk *d, const char *path, ds_sequence **out)
{
    DS_TRY(ds_sequence_create(out, d->m));
    ds_status st = ds_sequence_load(*out, path);
    if (st != DS_OK)
        ds_sequence_free(out);
    return st;
}

static void note_read(ds_prefix_disk *d, ds_status st, ds_sequence *s)
{
    stored *f = find(d, d->wanted);
    if (st == DS_OK)
        d->hits++;
    else if (f && (st == DS_E_BUDGET || st == DS_E_NOMEM))
        f->rests_until = d->clock + PATIENCE;
    else if (f)
        remove_file(d, (size_t)(f - d->file));
    d->loaded = s;
    d->reading = false;
}

static void *reader(void *arg)
{
    ds_prefix_disk *d = arg;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (!d->reading && !d->ending)
            pthread_cond_wait(&d->read, &d->lock);
        if (d->ending)
            break;
        char         path[4200];
        ds_sequence *s = NULL;
        path_of(d, d->wanted, path, sizeof path);
        pthread_mutex_unlock(&d->lock);
        ds_status st = read_one(d, path, &s);
        pthread_mutex_lock(&d->lock);
        note_read(d, st, s);
        pthread_mutex_unlock(&d->lock);
        if (d->ready)
            d->ready(d->user);
        pthread_mutex_lock(&d->lock);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

bool ds_prefix_disk_reads(ds_prefix_disk *d, const int32_t *token, int64_t n, int64_t have)
{
    pthread_mutex_lock(&d->lock);
    stored *f = longest(d, token, n, have);
    d->clock++;
    if (f) {
        f->used = d->clock;
        if (!d->reading && !d->loaded) {
            d->wanted = f->name;
            d->reading = true;
            pthread_cond_signal(&d->read);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return f != NULL;
}

ds_sequence *ds_prefix_disk_take(ds_prefix_disk *d)
{
    pthread_mutex_lock(&d->lock);
    ds_sequence *s = d->loaded;
    d->loaded = NULL;
    pthread_mutex_unlock(&d->lock);
    return s;
}

ds_prefix_disk_stats ds_prefix_disk_about(ds_prefix_disk *d)
{
    pthread_mutex_lock(&d->lock);
    ds_prefix_disk_stats s = { (int64_t)d->n_file, d->bytes, d->hits };
    pthread_mutex_unlock(&d->lock);
    return s;
}

/* ---- life ---- */

/* Which files are there from before; what cannot be read is removed. */
static void scan(ds_prefix_disk *d)
{
    char  begin[20], path[4200];
    DIR  *dir = opendir(d->dir);
    snprintf(begin, sizeof begin, "%016llx-", (unsigned long long)d->identity);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        unsigned long long name;
        char               end[8] = "";
        struct stat        st;
        int32_t           *token;
        int64_t            n;
        if (strncmp(e->d_name, begin, 17) != 0 || sscanf(e->d_name + 17, "%16llx%7s", &name, end) != 2 || strcmp(end, ".kv") != 0)
            continue;
        path_of(d, name, path, sizeof path);
        if (stat(path, &st) != 0)
            continue;
        ds_status s = ds_sequence_peek(d->m, path, &token, &n);
        if (s == DS_OK)
            add_file(d, name, token, n, (uint64_t)st.st_size, (uint64_t)st.st_mtime);
        else if (s == DS_E_FORMAT)
            unlink(path);
    }
    if (dir)
        closedir(dir);
    shrink(d);
}

static ds_status open_dir(ds_prefix_disk *d, const char *dir)
{
    if (strlen(dir) > 4096)
        return ds_fail(DS_E_ARG, "the prefix cache's directory has a name of %zu bytes: expected at most 4096", strlen(dir));
    d->dir = ds_strdup(dir);
    if (!d->dir)
        return DS_E_NOMEM;
    DS_TRY(ds_make_dirs(dir));
    DS_TRY(ds_model_identity(d->m, &d->identity));
    scan(d);
    d->has_writer = pthread_create(&d->writer, NULL, writer, d) == 0;
    d->has_reader = d->has_writer && pthread_create(&d->reader, NULL, reader, d) == 0;
    return d->has_reader ? DS_OK : ds_fail(DS_E_NOMEM, "a thread cannot be started: the system refuses");
}

ds_status ds_prefix_disk_create(ds_prefix_disk **out, ds_model *m, const char *dir, uint64_t bytes, void (*ready)(void *), void *user)
{
    ds_prefix_disk *d = *out = ds_calloc(1, sizeof *d);
    if (!d)
        return DS_E_NOMEM;
    d->m = m;
    d->clock = (uint64_t)time(NULL);
    d->max_bytes = bytes;
    d->ready = ready;
    d->user = user;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->write, NULL);
    pthread_cond_init(&d->read, NULL);
    pthread_cond_init(&d->idle, NULL);
    ds_status st = open_dir(d, dir);
    if (st != DS_OK)
        ds_prefix_disk_destroy(out);
    return st;
}

void ds_prefix_disk_destroy(ds_prefix_disk **pd)
{
    ds_prefix_disk *d = *pd;
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->ending = true;
    pthread_cond_signal(&d->write);
    pthread_cond_signal(&d->read);
    pthread_mutex_unlock(&d->lock);
    if (d->has_writer)
        pthread_join(d->writer, NULL);
    if (d->has_reader)
        pthread_join(d->reader, NULL);
    if (d->loaded)
        ds_sequence_free(&d->loaded);
    for (size_t i = 0; i < d->n_file; i++)
        ds_free(d->file[i].token);
    ds_free(d->file);
    ds_free(d->dir);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->write);
    pthread_cond_destroy(&d->read);
    pthread_cond_destroy(&d->idle);
    ds_free(d);
    *pd = NULL;
}
