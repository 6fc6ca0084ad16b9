#include "infer/prefix.h"

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

enum { LEAST = 16, LEAST_DISK = 128, DISK_GAIN = 128, MAX_KEPT = 4096, MAX_WAITING = 8 };

typedef struct kept {
    ds_sequence *s;
    uint64_t     bytes, used; /* the clock when it was last of use */
} kept;

typedef struct stored { /* a file */
    uint64_t name;
    int32_t *token;
    int64_t  n;
    uint64_t bytes, used;
} stored;

struct ds_prefix {
    ds_model       *m;
    kept           *kept;
    size_t          n_kept, cap_kept;
    uint64_t        bytes, max_bytes, disk_hits;
    _Atomic uint64_t clock; /* begins with the time of day, so that files' times fit in */
    char           *dir;
    uint64_t        identity, disk_bytes, max_disk_bytes;
    pthread_mutex_t lock; /* guards what follows, and disk_bytes */
    pthread_cond_t  wake, idle;
    pthread_t       writer;
    bool            has_writer, ending, writing;
    stored         *file;
    size_t          n_file, cap_file;
    ds_sequence    *waiting[MAX_WAITING]; /* to be written, oldest first */
    int             n_waiting;
};

static int64_t common(const int32_t *a, int64_t na, const int32_t *b, int64_t nb)
{
    int64_t n = na < nb ? na : nb, i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static uint64_t bytes_of(const ds_prefix *p, int64_t length)
{
    return (uint64_t)((length + DS_KV_PAGE - 1) / DS_KV_PAGE * p->m->kv.shape.page_bytes);
}

/* ---- memory ---- */

static void drop(ds_prefix *p, size_t i)
{
    p->bytes -= p->kept[i].bytes;
    ds_sequence_free(&p->kept[i].s);
    p->kept[i] = p->kept[--p->n_kept];
}

bool ds_prefix_forget(ds_prefix *p)
{
    size_t oldest = 0;
    if (!p->n_kept)
        return false;
    for (size_t i = 1; i < p->n_kept; i++)
        if (p->kept[i].used < p->kept[oldest].used)
            oldest = i;
    drop(p, oldest);
    return true;
}

/* Whether one that is kept has all of it; those that it has all of are dropped. */
static bool covered(ds_prefix *p, const int32_t *token, int64_t n)
{
    for (size_t i = p->n_kept; i-- > 0;) {
        ds_sequence *s = p->kept[i].s;
        int64_t      same = common(s->token, s->length, token, n);
        if (same == n) {
            p->kept[i].used = ++p->clock;
            return true;
        }
        if (same == s->length)
            drop(p, i);
    }
    return false;
}

/* ---- files ---- */

static void path_of(const ds_prefix *p, uint64_t name, char *path, size_t n)
{
    snprintf(path, n, "%s/%016llx-%016llx.kv", p->dir, (unsigned long long)p->identity, (unsigned long long)name);
}

static void remove_file(ds_prefix *p, size_t i)
{
    char path[4200];
    path_of(p, p->file[i].name, path, sizeof path);
    unlink(path);
    p->disk_bytes -= p->file[i].bytes;
    ds_free(p->file[i].token);
    p->file[i] = p->file[--p->n_file];
}

static void shrink_disk(ds_prefix *p)
{
    while (p->n_file && p->disk_bytes > p->max_disk_bytes) {
        size_t oldest = 0;
        for (size_t i = 1; i < p->n_file; i++)
            if (p->file[i].used < p->file[oldest].used)
                oldest = i;
        remove_file(p, oldest);
    }
}

/* The lock is held. Takes the tokens. */
static void add_file(ds_prefix *p, uint64_t name, int32_t *token, int64_t n, uint64_t bytes, uint64_t used)
{
    if (ds_grow((void **)&p->file, &p->cap_file, p->n_file + 1, sizeof *p->file) != DS_OK) {
        ds_free(token);
        return;
    }
    p->file[p->n_file++] = (stored){ name, token, n, bytes, used };
    p->disk_bytes += bytes;
}

static bool on_disk(ds_prefix *p, const int32_t *token, int64_t n)
{
    for (size_t i = p->n_file; i-- > 0;) {
        int64_t same = common(p->file[i].token, p->file[i].n, token, n);
        if (same == n)
            return true;
        if (same == p->file[i].n)
            remove_file(p, i);
    }
    return false;
}

static void write_one(ds_prefix *p, const ds_sequence *s)
{
    char     path[4200];
    size_t   n = (size_t)s->length * sizeof *s->token;
    uint64_t name = XXH64(s->token, n, 0);
    int32_t *token = ds_malloc(n);
    if (!token)
        return;
    memcpy(token, s->token, n);
    path_of(p, name, path, sizeof path);
    if (ds_sequence_save(s, path) != DS_OK) { /* a full disk is no reason to stop serving */
        ds_free(token);
        return;
    }
    struct stat st;
    pthread_mutex_lock(&p->lock);
    if (on_disk(p, token, s->length))
        ds_free(token);
    else
        add_file(p, name, token, s->length, stat(path, &st) == 0 ? (uint64_t)st.st_size : bytes_of(p, s->length), ++p->clock);
    shrink_disk(p);
    pthread_mutex_unlock(&p->lock);
}

static void *writer(void *arg)
{
    ds_prefix *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->ending || p->n_waiting) {
        if (!p->n_waiting) {
            pthread_cond_broadcast(&p->idle);
            pthread_cond_wait(&p->wake, &p->lock);
            continue;
        }
        ds_sequence *s = p->waiting[0];
        memmove(p->waiting, p->waiting + 1, sizeof *p->waiting * (size_t)--p->n_waiting);
        bool there = on_disk(p, s->token, s->length);
        p->writing = true;
        pthread_mutex_unlock(&p->lock);
        if (!there)
            write_one(p, s);
        ds_sequence_free(&s);
        pthread_mutex_lock(&p->lock);
        p->writing = false;
    }
    pthread_cond_broadcast(&p->idle);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void ds_prefix_flush(ds_prefix *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->has_writer && (p->n_waiting || p->writing))
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void write_later(ds_prefix *p, const ds_sequence *s)
{
    ds_sequence *copy = NULL, *old = NULL;
    if (!p->has_writer || s->length < LEAST_DISK || bytes_of(p, s->length) > p->max_disk_bytes || ds_sequence_fork(&copy, s) != DS_OK)
        return;
    pthread_mutex_lock(&p->lock);
    if (p->n_waiting == MAX_WAITING) { /* the disk is slower than the clients */
        old = p->waiting[0];
        memmove(p->waiting, p->waiting + 1, sizeof *p->waiting * (size_t)--p->n_waiting);
    }
    p->waiting[p->n_waiting++] = copy;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (old)
        ds_sequence_free(&old);
}

/* Which files are there from before; what cannot be read is removed. */
static void scan(ds_prefix *p)
{
    char  begin[20], path[4200];
    DIR  *d = opendir(p->dir);
    snprintf(begin, sizeof begin, "%016llx-", (unsigned long long)p->identity);
    for (struct dirent *e; d && (e = readdir(d));) {
        unsigned long long name;
        char               end[8] = "";
        struct stat        st;
        int32_t           *token;
        int64_t            n;
        if (strncmp(e->d_name, begin, 17) != 0 || sscanf(e->d_name + 17, "%16llx%7s", &name, end) != 2 || strcmp(end, ".kv") != 0)
            continue;
        path_of(p, name, path, sizeof path);
        if (stat(path, &st) != 0)
            continue;
        ds_status s = ds_sequence_peek(p->m, path, &token, &n);
        if (s == DS_OK)
            add_file(p, name, token, n, (uint64_t)st.st_size, (uint64_t)st.st_mtime);
        else if (s == DS_E_FORMAT)
            unlink(path);
    }
    if (d)
        closedir(d);
    shrink_disk(p);
}

/* The file with the longest beginning, if it has much more than what memory has. */
static bool find_file(ds_prefix *p, const int32_t *token, int64_t n, int64_t have, char *path, size_t cap, uint64_t *name)
{
    int64_t best = have + DISK_GAIN - 1;
    bool    found = false;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n_file; i++) {
        int64_t same = common(p->file[i].token, p->file[i].n, token, n);
        if (same > best) {
            best = same;
            found = true;
            *name = p->file[i].name;
            p->file[i].used = ++p->clock;
            path_of(p, *name, path, cap);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void forget_file(ds_prefix *p, uint64_t name)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = p->n_file; i-- > 0;)
        if (p->file[i].name == name)
            remove_file(p, i);
    pthread_mutex_unlock(&p->lock);
}

/* ---- use ---- */

static void keep(ds_prefix *p, ds_sequence *s)
{
    uint64_t bytes = bytes_of(p, s->length);
    while ((p->bytes + bytes > p->max_bytes || p->n_kept == MAX_KEPT) && ds_prefix_forget(p))
        continue;
    if (bytes > p->max_bytes || ds_grow((void **)&p->kept, &p->cap_kept, p->n_kept + 1, sizeof *p->kept) != DS_OK) {
        ds_sequence_free(&s);
        return;
    }
    p->kept[p->n_kept++] = (kept){ s, bytes, ++p->clock };
    p->bytes += bytes;
}

void ds_prefix_keep(ds_prefix *p, const ds_sequence *s, int64_t n, bool lasting)
{
    ds_sequence *copy;
    if (n < LEAST || covered(p, s->token, n) || ds_sequence_fork(&copy, s) != DS_OK)
        return;
    if (ds_sequence_truncate(copy, n) != DS_OK) {
        ds_sequence_free(&copy);
        return;
    }
    if (lasting)
        write_later(p, copy);
    keep(p, copy);
}

static ds_status from_disk(ds_prefix *p, const int32_t *token, int64_t n, int64_t have, ds_sequence **out)
{
    char     path[4200];
    uint64_t name;
    *out = NULL;
    if (!p->has_writer || !find_file(p, token, n, have, path, sizeof path, &name))
        return DS_OK;
    DS_TRY(ds_sequence_create(out, p->m));
    if (ds_sequence_load(*out, path) == DS_OK) {
        p->disk_hits++;
        return DS_OK;
    }
    forget_file(p, name);
    ds_sequence_free(out);
    return DS_OK;
}

ds_status ds_prefix_take(ds_prefix *p, const int32_t *token, int64_t n, ds_sequence **out)
{
    int64_t      most = 0;
    kept        *best = NULL;
    ds_sequence *loaded;
    for (size_t i = 0; i < p->n_kept; i++) {
        int64_t same = common(p->kept[i].s->token, p->kept[i].s->length, token, n - 1);
        if (same > most) {
            most = same;
            best = &p->kept[i];
        }
    }
    DS_TRY(from_disk(p, token, n - 1, most, &loaded));
    if (loaded) {
        most = common(loaded->token, loaded->length, token, n - 1);
        ds_prefix_keep(p, loaded, loaded->length, false);
        *out = loaded;
    } else if (!best) {
        return ds_sequence_create(out, p->m);
    } else {
        best->used = ++p->clock;
        DS_TRY(ds_sequence_fork(out, best->s));
    }
    ds_status st = ds_sequence_truncate(*out, most);
    if (st != DS_OK)
        ds_sequence_free(out);
    return st;
}

ds_prefix_stats ds_prefix_about(ds_prefix *p)
{
    pthread_mutex_lock(&p->lock);
    ds_prefix_stats s = { (int64_t)p->n_kept, (int64_t)p->n_file, p->bytes, p->disk_bytes, p->disk_hits };
    pthread_mutex_unlock(&p->lock);
    return s;
}

/* ---- life ---- */

static ds_status open_dir(ds_prefix *p, const char *dir)
{
    if (strlen(dir) > 4096)
        return ds_fail(DS_E_ARG, "the prefix cache's directory has a name of %zu bytes: expected at most 4096", strlen(dir));
    p->dir = ds_strdup(dir);
    if (!p->dir)
        return DS_E_NOMEM;
    DS_TRY(ds_make_dirs(dir));
    DS_TRY(ds_model_identity(p->m, &p->identity));
    scan(p);
    p->has_writer = pthread_create(&p->writer, NULL, writer, p) == 0;
    return p->has_writer ? DS_OK : ds_fail(DS_E_NOMEM, "a thread cannot be started: the system refuses");
}

ds_status ds_prefix_create(ds_prefix **out, ds_model *m, uint64_t bytes, const char *dir, uint64_t dir_bytes)
{
    ds_prefix *p = *out = ds_calloc(1, sizeof *p);
    if (!p)
        return DS_E_NOMEM;
    p->m = m;
    p->max_bytes = bytes;
    p->clock = (uint64_t)time(NULL);
    p->max_disk_bytes = dir_bytes;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    ds_status st = dir ? open_dir(p, dir) : DS_OK;
    if (st != DS_OK)
        ds_prefix_destroy(out);
    return st;
}

void ds_prefix_destroy(ds_prefix **pp)
{
    ds_prefix *p = *pp;
    if (!p)
        return;
    if (p->has_writer) {
        pthread_mutex_lock(&p->lock);
        p->ending = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->writer, NULL);
    }
    while (p->n_kept)
        drop(p, p->n_kept - 1);
    for (size_t i = 0; i < p->n_file; i++)
        ds_free(p->file[i].token);
    ds_free(p->file);
    ds_free(p->kept);
    ds_free(p->dir);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    ds_free(p);
    *pp = NULL;
}
