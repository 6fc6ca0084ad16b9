/* Kernels that work row by row: embedding, normalisation, rotation, gating. */
#include <string.h>

#include "kernel/cpu/exec.h"
#include "kernel/cpu/rows.h"
#include "kernel/cpu/x16.h"
#include "quant/quant.h"

typedef struct row_job {
    ds_exec         *ex;
    ds_tensor       *y;
    const ds_tensor *x, *z;
    const ds_weight *w;
    const int32_t   *token;
    float            eps;
    int64_t          n_head;
} row_job;

const void *ds_stored_row(const ds_weight *w, int64_t r, void *scratch)
{
    int64_t bytes = (int64_t)ds_quant_bytes(w->type, w->cols);
    if (w->layout == DS_PLAIN)
        return (const char *)w->data + r * bytes;
    ds_x16_unpack_row(w->type, scratch, (const char *)w->data + r / DS_GROUP * DS_GROUP * bytes, (int)(r % DS_GROUP), w->cols);
    return scratch;
}

static void embed_task(void *arg, int64_t i, int worker)
{
    const row_job *j = arg;
    const void    *row = ds_stored_row(j->w, j->token[i], j->ex->scratch[worker]);
    ds_quant_of(j->w->type)->dequantize(j->y->data + i * j->y->d, row, j->y->d);
}

void ds_cpu_embed_fwd(ds_exec *ex, ds_tensor *y, const ds_weight *w, const int32_t *token)
{
    row_job j = { .ex = ex, .y = y, .w = w, .token = token };
    ds_run(ex, y->n, embed_task, &j, y->n * y->d);
}

static void rmsnorm_task(void *arg, int64_t i, int worker)
{
    const row_job *j = arg;
    j->ex->micro.rmsnorm(j->y->data + i * j->y->d, j->x->data + i * j->y->d, j->w->data, j->y->d, j->eps);
}

void ds_cpu_rmsnorm_fwd(ds_exec *ex, ds_tensor *y, const ds_tensor *x, const ds_weight *w, float eps)
{
    row_job j = { .ex = ex, .y = y, .x = x, .w = w, .eps = eps };
    ds_run(ex, y->n, rmsnorm_task, &j, y->n * y->d);
}

static void swiglu_task(void *arg, int64_t i, int worker)
{
    const row_job *j = arg;
    int64_t        d = j->y->d;
    j->ex->micro.swiglu(j->y->data + i * d, j->x->data + i * d, j->z->data + i * d, d);
}

static void swiglu_half_task(void *arg, int64_t i, int worker)
{
    const row_job *j = arg;
    int64_t        d = j->y->d;
    j->ex->micro.train.swiglu_half(j->y->half + i * d, j->x->half + i * d, j->z->half + i * d, d);
}

void ds_cpu_swiglu_fwd(ds_exec *ex, ds_tensor *y, const ds_tensor *gate, const ds_tensor *up)
{
    row_job j = { .ex = ex, .y = y, .x = gate, .z = up };
    ds_run(ex, y->n, y->half ? swiglu_half_task : swiglu_task, &j, y->n * y->d);
}

static void rope_task(void *arg, int64_t i, int worker)
{
    const row_job *j = arg;
    int64_t        half = j->x->d;
    j->ex->micro.rope(j->y->data + i * j->y->d, j->x->data + i * half, j->z->data + i * half, j->n_head, 2 * half);
}

void ds_cpu_rope_fwd(ds_exec *ex, ds_tensor *x, const ds_tensor *cosine, const ds_tensor *sine, int64_t n_head)
{
    row_job j = { .ex = ex, .y = x, .x = cosine, .z = sine, .n_head = n_head };
    ds_run(ex, x->n, rope_task, &j, x->n * x->d);
}
