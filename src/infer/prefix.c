#include "infer/prefix.h"

#include "base/mem.h"
#include "infer/model.h"
#include "infer/prefix_disk.h"

enum { LEAST = 16, MAX_KEPT = 4096 };

typedef struct kept {
    ds_sequence *s;
    uint64_t     bytes, used; /* the clock when it was last of use */
} kept;

struct ds_prefix {
    ds_model       *m;
    kept           *kept;
    size_t          n_kept, cap_kept;
    uint64_t        bytes, max_bytes, clock;
    ds_prefix_disk *disk; /* NULL = none */
};

static uint64_t bytes_of(const ds_prefix *p, int64_t length)
{
    return (uint64_t)((length + DS_KV_PAGE - 1) / DS_KV_PAGE * p->m->kv.shape.page_bytes);
}

static void drop(ds_prefix *p, size_t i)
{
    p->bytes -= p->kept[i].bytes;
    ds_sequence_free(&p->kept[i].s);
    p->kept[i] = p->kept[--p->n_kept];
}

bool ds_prefix_forget(ds_prefix *p)
{
    size_t       oldest = 0;
    ds_sequence *unwanted = !p->n_kept && p->disk ? ds_prefix_disk_take(p->disk) : NULL; /* was read for one that has gone */
    if (unwanted) {
        ds_sequence_free(&unwanted);
        return true;
    }
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
        int64_t      same = ds_common_prefix(s->token, s->length, token, n);
        if (same == n) {
            p->kept[i].used = ++p->clock;
            return true;
        }
        if (same == s->length)
            drop(p, i);
    }
    return false;
}

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
    if (lasting && p->disk)
        ds_prefix_disk_write(p->disk, copy);
    keep(p, copy);
}

/* The one that is kept with the longest beginning. */
static const ds_sequence *longest(ds_prefix *p, const int32_t *token, int64_t n, int64_t *most)
{
    kept *best = NULL;
    *most = 0;
    for (size_t i = 0; i < p->n_kept; i++) {
        int64_t same = ds_common_prefix(p->kept[i].s->token, p->kept[i].s->length, token, n);
        if (same > *most) {
            *most = same;
            best = &p->kept[i];
        }
    }
    if (best)
        best->used = ++p->clock;
    return best ? best->s : NULL;
}

static ds_status begin(ds_prefix *p, const ds_sequence *from, int64_t n, ds_sequence **out)
{
    if (!from)
        return ds_sequence_create(out, p->m);
    DS_TRY(ds_sequence_fork(out, from));
    ds_status st = ds_sequence_truncate(*out, n);
    if (st != DS_OK)
        ds_sequence_free(out);
    return st;
}

ds_status ds_prefix_take(ds_prefix *p, const int32_t *token, int64_t n, ds_sequence **out)
{
    int64_t            most, read = 0;
    ds_sequence       *loaded = p->disk ? ds_prefix_disk_take(p->disk) : NULL;
    const ds_sequence *best = longest(p, token, n - 1, &most);
    *out = NULL;
    if (loaded) {
        read = ds_common_prefix(loaded->token, loaded->length, token, n - 1);
        ds_prefix_keep(p, loaded, loaded->length, false); /* may drop the best */
        best = longest(p, token, n - 1, &most);
    }
    ds_status st = DS_OK;
    if (read > most) /* it did not fit among those that are kept */
        st = begin(p, loaded, read, out);
    else if (!p->disk || !ds_prefix_disk_reads(p->disk, token, n - 1, most))
        st = begin(p, best, most, out);
    if (loaded)
        ds_sequence_free(&loaded);
    return st;
}

ds_prefix_stats ds_prefix_about(ds_prefix *p)
{
    ds_prefix_disk_stats d = { 0 };
    if (p->disk)
        d = ds_prefix_disk_about(p->disk);
    return (ds_prefix_stats){ .n = (int64_t)p->n_kept, .n_disk = d.n, .bytes = p->bytes, .disk_bytes = d.bytes, .disk_hits = d.hits };
}

void ds_prefix_flush(ds_prefix *p)
{
    if (p->disk)
        ds_prefix_disk_flush(p->disk);
}

ds_status ds_prefix_create(ds_prefix **out, ds_model *m, const ds_prefix_options *o)
{
    ds_prefix *p = *out = ds_calloc(1, sizeof *p);
    if (!p)
        return DS_E_NOMEM;
    p->m = m;
    p->max_bytes = o->bytes;
    ds_status st = o->dir ? ds_prefix_disk_create(&p->disk, m, o->dir, o->dir_bytes, o->ready, o->user) : DS_OK;
    if (st != DS_OK)
        ds_prefix_destroy(out);
    return st;
}

void ds_prefix_destroy(ds_prefix **pp)
{
    ds_prefix *p = *pp;
    if (!p)
        return;
    ds_prefix_disk_destroy(&p->disk);
    while (p->n_kept)
        drop(p, p->n_kept - 1);
    ds_free(p->kept);
    ds_free(p);
    *pp = NULL;
}
