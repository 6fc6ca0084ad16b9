/* Kernels of training that work row by row or column by column. Sums over rows are made by one task for each piece of columns, in
 * the order of the rows, so that the number of threads does not change them. */
#include <string.h>

#include "base/rng.h"
#include "kernel/cpu/exec.h"
#include "kernel/cpu/rows.h"
#include "quant/quant.h"

enum { COLUMNS = 64, CHUNK = 1 << 14 /* values of a task that only moves memory */ };

typedef struct train_job {
    ds_exec         *ex;
    void            *y, *z;
    const void      *x, *g;
    float           *f;
    const float     *w;
    const ds_weight *weight;
    const int32_t   *token;
    int64_t          n, d, first;
    float            eps;
    ds_drop          drop;
    bool             accumulate, half;
} train_job;

static const void *values_of(const ds_tensor *t)
{
    return t->half ? (const void *)t->half : t->data;
}

static void *row_at(const void *p, int64_t i, int64_t d, bool half)
{
    return (char *)p + i * d * (half ? 2 : 4);
}

static int64_t part(int64_t task, int64_t size, int64_t n)
{
    return ds_min64(size, n - task * size);
}

/* ---- plain movements ---- */

static void to_bf16_task(void *arg, int64_t task, int worker)
{
    const train_job *j = arg;
    j->ex->micro.bf16_from_f32((uint16_t *)j->y + task * CHUNK, (const float *)j->x + task * CHUNK, part(task, CHUNK, j->n));
}

void ds_cpu_to_bf16(ds_exec *ex, uint16_t *y, const float *x, int64_t n)
{
    train_job j = { .ex = ex, .y = y, .x = x, .n = n };
    ds_run(ex, ds_ceil_div(n, CHUNK), to_bf16_task, &j, n);
}

static void add_task(void *arg, int64_t task, int worker)
{
    const train_job *j = arg;
    float           *y = (float *)j->y + task * CHUNK;
    const float     *x = (const float *)j->x + task * CHUNK;
    if (j->accumulate)
        j->ex->micro.train.add(y, x, part(task, CHUNK, j->n));
    else
        memcpy(y, x, (size_t)part(task, CHUNK, j->n) * sizeof *y);
}

void ds_cpu_add(ds_exec *ex, float *y, const float *x, int64_t n, bool accumulate)
{
    train_job j = { .ex = ex, .y = y, .x = x, .n = n, .accumulate = accumulate };
    ds_run(ex, ds_ceil_div(n, CHUNK), add_task, &j, n);
}

static void add_rows_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    float           *y = (float *)j->y + i * j->d;
    if (j->accumulate)
        j->ex->micro.train.add(y, j->w, j->d);
    else
        memcpy(y, j->w, (size_t)j->d * sizeof *y);
}

void ds_cpu_add_rows(ds_exec *ex, float *y, const float *row, int64_t n, int64_t d, bool accumulate)
{
    train_job j = { .ex = ex, .y = y, .w = row, .d = d, .accumulate = accumulate };
    ds_run(ex, n, add_rows_task, &j, n * d);
}

static void column_task(void *arg, int64_t task, int worker)
{
    const train_job *j = arg;
    j->ex->micro.train.add_column_dots(j->f, j->x, j->g, j->n, j->d, task * COLUMNS, part(task, COLUMNS, j->d), j->half);
}

void ds_cpu_add_column_sums(ds_exec *ex, float *out, const float *x, int64_t n, int64_t d)
{
    train_job j = { .ex = ex, .f = out, .x = x, .n = n, .d = d };
    ds_run(ex, ds_ceil_div(d, COLUMNS), column_task, &j, n * d);
}

static void weight_rows_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    const void      *row = ds_stored_row(j->weight, j->first + i, j->ex->scratch[worker]);
    ds_quant_of(j->weight->type)->dequantize((float *)j->y + i * j->d, row, j->d);
}

void ds_cpu_weight_rows(ds_exec *ex, float *out, const ds_weight *w, int64_t row, int64_t n)
{
    train_job j = { .ex = ex, .y = out, .weight = w, .first = row, .d = w->cols };
    ds_run(ex, n, weight_rows_task, &j, n * w->cols);
}

/* ---- embedding ---- */

static void embed_bwd_task(void *arg, int64_t task, int worker)
{
    const train_job *j = arg;
    int64_t          n = part(task, COLUMNS, j->d);
    for (int64_t i = 0; i < j->n; i++)
        j->ex->micro.train.add(j->f + j->token[i] * j->d + task * COLUMNS, (const float *)j->x + i * j->d + task * COLUMNS, n);
}

void ds_cpu_embed_bwd(ds_exec *ex, float *dw, const float *dy, const int32_t *token, int64_t n, int64_t d)
{
    train_job j = { .ex = ex, .f = dw, .x = dy, .token = token, .n = n, .d = d };
    ds_run(ex, ds_ceil_div(d, COLUMNS), embed_bwd_task, &j, n * d);
}

/* ---- normalisation ---- */

static void rmsnorm_save_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    j->f[i] = j->ex->micro.train.rmsnorm_save(row_at(j->y, i, j->d, j->half), row_at(j->z, i, j->d, j->half),
                                              row_at(j->x, i, j->d, false), j->w, j->d, j->eps, j->half);
}

void ds_cpu_rmsnorm_save(ds_exec *ex, ds_tensor *y, ds_tensor *normal, ds_tensor *rstd, const ds_tensor *x, const ds_weight *w, float eps)
{
    train_job j = { .ex = ex, .y = (void *)values_of(y), .z = (void *)values_of(normal), .x = x->data, .w = w->data, .f = rstd->data,
                    .d = x->d, .eps = eps, .half = y->half != NULL };
    ds_run(ex, x->n, rmsnorm_save_task, &j, x->n * x->d);
}

static void scale_columns_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    j->ex->micro.train.scale_columns(row_at(j->y, i, j->d, j->half), row_at(j->x, i, j->d, j->half), j->w, j->d, j->half);
}

void ds_cpu_scale_columns(ds_exec *ex, ds_tensor *y, const ds_tensor *x, const ds_weight *w)
{
    train_job j = { .ex = ex, .y = (void *)values_of(y), .x = values_of(x), .w = w->data, .d = x->d, .half = y->half != NULL };
    ds_run(ex, x->n, scale_columns_task, &j, x->n * x->d);
}

static void rmsnorm_bwd_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    j->ex->micro.train.rmsnorm_bwd((float *)j->y + i * j->d, (const float *)j->g + i * j->d, row_at(j->x, i, j->d, j->half), j->w,
                                   j->f[i], j->d, j->accumulate, j->half);
}

void ds_cpu_rmsnorm_bwd_x(ds_exec *ex, float *dx, const float *dy, const ds_tensor *normal, const ds_tensor *rstd, const ds_weight *w,
                          bool accumulate)
{
    train_job j = { .ex = ex, .y = dx, .g = dy, .x = values_of(normal), .w = w->data, .f = rstd->data, .d = normal->d,
                    .accumulate = accumulate, .half = normal->half != NULL };
    ds_run(ex, normal->n, rmsnorm_bwd_task, &j, normal->n * normal->d);
}

void ds_cpu_rmsnorm_bwd_w(ds_exec *ex, float *dw, const float *dy, const ds_tensor *normal)
{
    train_job j = { .ex = ex, .f = dw, .x = dy, .g = values_of(normal), .n = normal->n, .d = normal->d, .half = normal->half != NULL };
    ds_run(ex, ds_ceil_div(normal->d, COLUMNS), column_task, &j, normal->n * normal->d);
}

/* ---- gating ---- */

static void swiglu_bwd_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    j->ex->micro.train.swiglu_bwd(j->f + i * j->d, (float *)j->y + i * j->d, row_at(j->x, i, j->d, j->half),
                                  row_at(j->g, i, j->d, j->half), j->d, j->half);
}

void ds_cpu_swiglu_bwd(ds_exec *ex, float *dgate, float *dy, const ds_tensor *gate, const ds_tensor *up)
{
    train_job j = { .ex = ex, .f = dgate, .y = dy, .x = values_of(gate), .g = values_of(up), .d = gate->d, .half = gate->half != NULL };
    ds_run(ex, gate->n, swiglu_bwd_task, &j, gate->n * gate->d);
}

/* ---- dropout ---- */

/* Each Philox block serves eight values, 16 bits each. */
static void dropout_task(void *arg, int64_t task, int worker)
{
    const train_job *j = arg;
    int64_t          n = part(task, CHUNK, j->n);
    float           *x = (float *)j->y + task * CHUNK, keep = 1.0f / (1.0f - j->drop.p);
    uint32_t         limit = (uint32_t)(j->drop.p * 65536.0f + 0.5f), words[4];
    for (int64_t i = 0; i < n; i += 8) {
        ds_philox(j->drop.seed, j->drop.stream, (uint64_t)(task * CHUNK + i) / 8, words);
        for (int64_t k = 0; k < 8 && i + k < n; k++)
            x[i + k] = (words[k / 2] >> 16 * (k & 1) & 0xffff) < limit ? 0 : x[i + k] * keep;
    }
}

void ds_cpu_dropout(ds_exec *ex, float *x, int64_t n, ds_drop drop)
{
    train_job j = { .ex = ex, .y = x, .n = n, .drop = drop };
    ds_run(ex, ds_ceil_div(n, CHUNK), dropout_task, &j, n);
}

/* ---- loss ---- */

static void loss_task(void *arg, int64_t i, int worker)
{
    const train_job *j = arg;
    float           *x = (float *)j->y + i * j->d;
    j->f[i] = 0;
    if (j->token[i] >= 0)
        j->f[i] = j->ex->micro.train.softmax_loss(x, j->d, j->token[i], j->eps, j->half);
    else if (j->eps != 0)
        memset(x, 0, (size_t)j->d * sizeof *x);
}

void ds_cpu_cross_entropy(ds_exec *ex, float *logits, float *loss, const int32_t *target, int64_t n, int64_t v, float weight, bool half)
{
    train_job j = { .ex = ex, .y = logits, .f = loss, .token = target, .d = v, .eps = weight, .half = half };
    ds_run(ex, n, loss_task, &j, n * v);
}
