/* Measuring the importance of columns: the mean squared activation that meets each column of each matrix. */
#include "io/imatrix.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "infer/model.h"

typedef struct column_sums {
    const ds_weight *w;
    double          *sum; /* [cols] of squares */
    int64_t          rows;
} column_sums;

typedef struct observer {
    column_sums *item;
    size_t       n, cap;
    size_t       next; /* weights come in the same order in every pass */
    ds_status    status;
} observer;

static column_sums *find(observer *o, const ds_weight *w)
{
    for (size_t i = 0; i < o->n; i++) {
        column_sums *c = &o->item[(o->next + i) % o->n];
        if (c->w == w) {
            o->next = (o->next + i + 1) % o->n;
            return c;
        }
    }
    if (ds_grow((void **)&o->item, &o->cap, o->n + 1, sizeof *o->item) != DS_OK)
        return NULL;
    column_sums c = { .w = w, .sum = ds_calloc((size_t)w->cols, sizeof(double)) };
    if (!c.sum)
        return NULL;
    o->item[o->n++] = c;
    o->next = 0;
    return &o->item[o->n - 1];
}

static void observe(void *user, const ds_weight *w, const ds_tensor *x)
{
    observer    *o = user;
    column_sums *c = o->status == DS_OK ? find(o, w) : NULL;
    if (!c) {
        o->status = DS_E_NOMEM;
        return;
    }
    for (int64_t t = 0; t < x->n; t++)
        for (int64_t i = 0; i < x->d; i++)
            c->sum[i] += (double)x->data[t * x->d + i] * (double)x->data[t * x->d + i];
    c->rows += x->n;
}

static ds_status write_means(const observer *o, const char *path, bool overwrite)
{
    ds_arena          memory = { 0 };
    ds_imatrix_entry *entry = ds_arena_calloc(&memory, (o->n + 1) * sizeof *entry);
    ds_status         st = entry ? DS_OK : DS_E_NOMEM;
    for (size_t i = 0; i < o->n && st == DS_OK; i++) {
        const column_sums *c = &o->item[i];
        float             *v = ds_arena_alloc(&memory, (size_t)c->w->cols * sizeof *v);
        if (!v)
            st = DS_E_NOMEM;
        for (int64_t k = 0; k < c->w->cols && v; k++)
            v[k] = (float)(c->sum[k] / (double)c->rows);
        entry[i] = (ds_imatrix_entry){ c->w->name, v, c->w->cols };
    }
    if (st == DS_OK)
        st = ds_imatrix_write(path, entry, (int64_t)o->n, overwrite);
    ds_arena_free(&memory);
    return st;
}

/* The text in pieces of the context; every piece is a sequence of its own. Scoring is what meets every matrix with every token. */
static ds_status read_pieces(ds_model *m, const int32_t *token, int64_t n, int64_t piece, ds_progress_fn *progress, void *user)
{
    float    *logprob = ds_malloc((size_t)piece * sizeof *logprob);
    ds_status st = logprob ? DS_OK : DS_E_NOMEM;
    for (int64_t at = 0; at < n && st == DS_OK; at += piece) {
        if (progress && progress(user, "measuring activations", (uint64_t)at, (uint64_t)n) != 0)
            st = ds_fail(DS_E_CANCELLED, "measuring was stopped");
        else
            st = ds_model_score(m, token + at, n - at < piece ? n - at : piece, logprob, NULL, NULL);
    }
    ds_free(logprob);
    return st;
}

ds_status ds_model_imatrix(ds_model *m, const int32_t *token, int64_t n, int64_t piece, const char *path, bool overwrite,
                           ds_progress_fn *progress, void *user)
{
    observer o = { 0 };
    ds_outfile *f;
    if (n < 1)
        return ds_fail(DS_E_ARG, "the text has no tokens: expected at least one");
    DS_TRY(ds_outfile_open(&f, path, overwrite)); /* what cannot be written is better known now than after hours */
    ds_outfile_abort(&f);
    if (piece <= 0 || piece > m->context)
        piece = m->context;
    pthread_mutex_lock(&m->lock);
    m->cx.observe = observe;
    m->cx.observer = &o;
    pthread_mutex_unlock(&m->lock);
    ds_status st = read_pieces(m, token, n, piece, progress, user);
    pthread_mutex_lock(&m->lock);
    m->cx.observe = NULL;
    pthread_mutex_unlock(&m->lock);
    if (st == DS_OK && o.status != DS_OK)
        st = o.status;
    if (st == DS_OK)
        st = write_means(&o, path, overwrite);
    for (size_t i = 0; i < o.n; i++)
        ds_free(o.item[i].sum);
    ds_free(o.item);
    return st;
}
