#include "io/load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/thread.h"
#include "io/scheme.h"
#include "io/stream.h"
#include "model/weights.h"

enum { CHUNK_BYTES = 2 << 20, GROUP_ROWS = 16 };

/* ---- what is loaded, and as what ---- */

static uint64_t place(const ds_kernels *k, ds_dense *m, const ds_checkpoint *ck, const ds_weight_spec *spec, ds_dtype want,
                      ds_part *out, uint64_t at)
{
    const ds_stored *t = ds_checkpoint_find(ck, spec->name);
    bool             matrix = spec->n_dim == 2, fell_back;
    *out = (ds_part){ .w = ds_dense_weight(m, spec), .t = t };
    if (want != DS_DTYPE_NONE)
        out->w->type = ds_scheme_type(&(ds_scheme){ .base = want }, &m->config, spec, &fell_back);
    else
        out->w->type = matrix ? t->type : DS_F32;
    out->w->layout = matrix && (spec->role != DS_ROLE_EMBED || m->config.tied) ? DS_X16 : DS_PLAIN;
    out->at = (at + 63) / 64 * 64;
    return out->at + (uint64_t)k->weight_bytes(out->w->type, out->w->rows, out->w->cols, out->w->layout);
}

/* Lays out every block: block 0 holds what is outside the layers, block 1 + i layer i. */
static ds_status lay_out(ds_weights *w, ds_dense *m, const ds_checkpoint *ck, const ds_kernels *k, ds_dtype want)
{
    int64_t n = ds_weight_count(&m->config);
    w->n_block = 1 + m->config.n_layer;
    w->part = ds_arena_calloc(&w->arena, (size_t)n * sizeof *w->part);
    w->block = ds_arena_calloc(&w->arena, (size_t)w->n_block * sizeof *w->block);
    if (!w->part || !w->block)
        return DS_E_NOMEM;
    int64_t outer = 0, inner = 2 + !m->config.tied; /* those outside the layers come first, the layers' in their order */
    for (int64_t i = 0; i < n; i++) {
        ds_weight_spec spec;
        ds_weight_at(&m->config, i, &spec);
        ds_block *block = &w->block[spec.layer + 1];
        ds_part  *part = &w->part[spec.layer < 0 ? outer++ : inner++];
        block->part = block->n_part++ ? block->part : part;
        block->bytes = place(k, m, ck, &spec, want, part, block->bytes);
        w->staging = ds_part_staging(part) > w->staging ? ds_part_staging(part) : w->staging;
    }
    for (int64_t b = 0; b < w->n_block; b++) {
        ds_block *block = &w->block[b];
        block->bytes = (block->bytes + 4095) / 4096 * 4096;
        w->total += block->bytes;
        w->largest = b && block->bytes > w->largest ? block->bytes : w->largest;
    }
    return DS_OK;
}

/* How many blocks stay in memory, and how much that takes with the streaming buffers. */
static ds_status choose_resident(ds_weights *w, uint64_t budget, const char *path)
{
    w->n_resident = w->n_block;
    w->resident_bytes = w->total;
    if (!budget || w->total <= budget)
        return DS_OK;
    uint64_t need = w->block[0].bytes + ds_stream_bytes(w);
    if (need > budget) {
        char a[24], b[24];
        return ds_fail(DS_E_BUDGET, "%s: %s are left for weights but streaming needs %s (embedding, head and %d layers): give more "
                       "--memory, a shorter --ctx or a smaller --dtype", path, ds_format_bytes(budget, a), ds_format_bytes(need, b),
                       DS_STREAM_SLOTS);
    }
    uint64_t used = need;
    w->n_resident = 1;
    w->resident_bytes = w->block[0].bytes;
    while (w->n_resident < w->n_block && used + w->block[w->n_resident].bytes <= budget) {
        used += w->block[w->n_resident].bytes;
        w->resident_bytes += w->block[w->n_resident++].bytes;
    }
    return DS_OK;
}

/* ---- reading and packing ---- */

int64_t ds_part_chunk_rows(const ds_part *p)
{
    int64_t row = (int64_t)ds_quant_bytes(p->t->type, ds_stored_cols(p->t)), step = GROUP_ROWS;
    if (p->t->permuted_heads && p->t->n_dim == 2) /* whole heads: rows come from all over a head */
        while (step % (p->w->rows / p->t->permuted_heads))
            step += GROUP_ROWS;
    int64_t n = CHUNK_BYTES / row / step * step;
    return n < step ? step : n > p->w->rows ? p->w->rows : n;
}

uint64_t ds_part_staging(const ds_part *p)
{
    uint64_t stored = ds_quant_bytes(p->t->type, ds_stored_cols(p->t)) * (uint64_t)ds_part_chunk_rows(p);
    if (p->w->type == p->t->type)
        return stored;
    return stored + ((uint64_t)p->w->cols * 4 + ds_quant_bytes(p->w->type, p->w->cols)) * GROUP_ROWS + 256;
}

/* Rows of another type: through floats, 16 at a time. */
static void convert_rows(const ds_kernels *k, const ds_part *p, char *memory, const char *stored, int64_t row, int64_t n, char *scratch)
{
    const ds_quant *from = ds_quant_of(p->t->type), *to = ds_quant_of(p->w->type);
    int64_t         cols = p->w->cols, from_bytes = (int64_t)ds_quant_bytes(p->t->type, cols);
    int64_t         to_bytes = (int64_t)ds_quant_bytes(p->w->type, cols);
    float          *values = (float *)scratch;
    char           *rows = scratch + GROUP_ROWS * cols * 4;
    for (int64_t i = 0; i < n; i += GROUP_ROWS) {
        int64_t m = n - i < GROUP_ROWS ? n - i : GROUP_ROWS;
        for (int64_t r = 0; r < m; r++) {
            from->dequantize(values + r * cols, stored + (i + r) * from_bytes, cols);
            to->quantize(rows + r * to_bytes, values + r * cols, cols, NULL);
        }
        k->weight_pack(p->w, memory, rows, row + i, m);
    }
}

ds_status ds_part_place(const ds_weights *w, const ds_part *p, char *memory, const char *stored, int64_t row, int64_t n, char *scratch)
{
    int64_t bad = ds_quant_first_bad(p->t->type, stored, n * p->w->cols);
    if (bad >= 0)
        return ds_fail(DS_E_NUMERIC, "%s: the weight \"%s\" holds NaN or infinity, first in row %lld, column %lld: it is damaged, or its "
                       "training went wrong", ds_checkpoint_path(w->ck), p->w->name, (long long)(row + bad / p->w->cols),
                       (long long)(bad % p->w->cols));
    if (p->w->type == p->t->type)
        w->k->weight_pack(p->w, memory, stored, row, n);
    else
        convert_rows(w->k, p, memory, stored, row, n, scratch);
    return DS_OK;
}

typedef struct load_job {
    ds_weights      *w;
    const ds_load_opts *o;
    int64_t         *first; /* [parts + 1] first task of each part */
    int64_t          n_part;
    uint64_t         staging;
    char           **buffer; /* [workers] */
    pthread_mutex_t  lock;
    ds_status        status;
    char             message[1024];
    _Atomic uint64_t done;
} load_job;

static void job_failed(load_job *j, ds_status st)
{
    pthread_mutex_lock(&j->lock);
    if (j->status == DS_OK) {
        j->status = st;
        strncpy(j->message, ds_error(), sizeof j->message - 1);
    }
    pthread_mutex_unlock(&j->lock);
}

static bool job_stopped(load_job *j)
{
    pthread_mutex_lock(&j->lock);
    bool stopped = j->status != DS_OK;
    pthread_mutex_unlock(&j->lock);
    return stopped;
}

static void load_task(void *arg, int64_t task, int worker)
{
    load_job *j = arg;
    int64_t   i = 0;
    if (job_stopped(j))
        return;
    while (task >= j->first[i + 1])
        i++;
    const ds_part *p = &j->w->part[i];
    int64_t        step = ds_part_chunk_rows(p), row = (task - j->first[i]) * step;
    int64_t        n = p->w->rows - row < step ? p->w->rows - row : step;
    uint64_t       stored = ds_quant_bytes(p->t->type, ds_stored_cols(p->t)) * (uint64_t)n;
    if (!j->buffer[worker] && !(j->buffer[worker] = ds_alloc_pages(j->staging))) {
        job_failed(j, DS_E_NOMEM);
        return;
    }
    ds_status st = ds_checkpoint_read(j->w->ck, p->t, row, n, j->buffer[worker]);
    if (st == DS_OK)
        st = ds_part_place(j->w, p, (char *)(uintptr_t)p->w->data, j->buffer[worker], row, n, j->buffer[worker] + (stored + 63) / 64 * 64);
    if (st != DS_OK) {
        job_failed(j, st);
        return;
    }
    uint64_t done = atomic_fetch_add(&j->done, stored) + stored;
    if (worker == 0 && j->o->progress && j->o->progress(j->o->user, "loading", done, j->w->total) != 0) {
        ds_fail(DS_E_CANCELLED, "loading was stopped");
        job_failed(j, DS_E_CANCELLED);
    }
}

/* Loads all resident parts with all threads. */
static ds_status load_resident(ds_weights *w, ds_exec *ex, const ds_load_opts *o)
{
    ds_pool      *pool = ds_exec_pool(ex);
    ds_arena_mark mark = ds_arena_save(&w->arena);
    load_job      j = { .w = w, .o = o, .lock = PTHREAD_MUTEX_INITIALIZER };
    for (int64_t b = 0; b < w->n_resident; b++)
        j.n_part += w->block[b].n_part;
    if (o->progress && o->progress(o->user, "loading", 0, w->total) != 0) /* later only when this thread gets a part of the work */
        return ds_fail(DS_E_CANCELLED, "loading was stopped");
    j.first = ds_arena_calloc(&w->arena, (size_t)(j.n_part + 1) * sizeof *j.first);
    j.buffer = ds_arena_calloc(&w->arena, (size_t)ds_pool_size(pool) * sizeof *j.buffer);
    if (!j.first || !j.buffer)
        return DS_E_NOMEM;
    for (int64_t i = 0; i < j.n_part; i++) {
        const ds_part *p = &w->part[i];
        int64_t        step = ds_part_chunk_rows(p);
        j.first[i + 1] = j.first[i] + (p->w->rows + step - 1) / step;
        j.staging = ds_part_staging(p) + 64 > j.staging ? ds_part_staging(p) + 64 : j.staging;
    }
    ds_pool_run(pool, j.first[j.n_part], load_task, &j);
    for (int i = 0; i < ds_pool_size(pool); i++)
        ds_free_pages(j.buffer[i], j.staging);
    ds_arena_release(&w->arena, mark);
    return j.status == DS_OK ? DS_OK : ds_fail(j.status, "%s", j.message);
}

/* ---- the whole ---- */

void ds_block_attach(const ds_block *b, char *memory)
{
    for (int64_t i = 0; i < b->n_part; i++)
        b->part[i].w->data = memory + b->part[i].at;
}

static ds_status load(ds_weights *w, ds_dense *m, ds_exec *ex, const ds_load_opts *o)
{
    DS_TRY(lay_out(w, m, w->ck, w->k, o->dtype));
    DS_TRY(choose_resident(w, o->budget, ds_checkpoint_path(w->ck)));
    w->memory = ds_alloc_pages(w->resident_bytes);
    if (!w->memory)
        return DS_E_NOMEM;
    char *p = w->memory;
    for (int64_t b = 0; b < w->n_resident; p += w->block[b++].bytes)
        ds_block_attach(&w->block[b], p);
    DS_TRY(load_resident(w, ex, o));
    if (m->config.tied)
        m->head = m->embed;
    if (w->n_resident == w->n_block)
        return DS_OK;
    DS_TRY(ds_stream_start(&w->stream, w));
    m->acquire = ds_stream_acquire;
    m->acquire_arg = w->stream;
    return DS_OK;
}

ds_status ds_weights_load(ds_weights **out, ds_dense *m, ds_checkpoint *ck, const ds_kernels *k, ds_exec *ex,
                          const ds_load_opts *o)
{
    *out = NULL;
    ds_weights *w = ds_calloc(1, sizeof *w);
    if (!w)
        return DS_E_NOMEM;
    w->ck = ck;
    w->k = k;
    ds_status st = load(w, m, ex, o);
    if (st != DS_OK)
        ds_weights_close(&w);
    *out = w;
    return st;
}

void ds_weights_close(ds_weights **pw)
{
    ds_weights *w = *pw;
    if (!w)
        return;
    ds_stream_stop(&w->stream);
    ds_free_pages(w->memory, w->resident_bytes);
    ds_arena_free(&w->arena);
    ds_free(w);
    *pw = NULL;
}

ds_weights_info ds_weights_about(const ds_weights *w)
{
    ds_weights_info i = { .total = w->total, .resident = w->resident_bytes, .streamed = w->n_block - w->n_resident };
    i.per_token = w->total;
    for (int64_t p = 0; p < w->block[0].n_part; p++)
        if (w->part[p].w->layout == DS_PLAIN && w->part[p].w->rows > 1) /* an embedding of its own: one row a token */
            i.per_token -= ds_quant_bytes(w->part[p].w->type, w->part[p].w->cols) * (uint64_t)w->part[p].w->rows;
    if (i.streamed)
        i.resident += ds_stream_bytes(w);
    if (w->stream)
        ds_stream_times(w->stream, &i);
    return i;
}

ds_status ds_weights_plan(ds_weights_info *out, ds_checkpoint *ck, const ds_kernels *k, const ds_load_opts *o)
{
    ds_dense   m;
    ds_weights w = { .ck = ck, .k = k };
    DS_TRY(ds_dense_init(&m, ds_checkpoint_config(ck)));
    ds_status st = lay_out(&w, &m, ck, k, o->dtype);
    if (st == DS_OK)
        st = choose_resident(&w, o->budget, ds_checkpoint_path(ck));
    if (st == DS_OK)
        *out = ds_weights_about(&w);
    ds_arena_free(&w.arena);
    ds_dense_free(&m);
    return st;
}
