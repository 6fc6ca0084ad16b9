/* y = x W^T: weights in x16 layout, cut into panels of groups for the threads and tiles for the registers. */
#include <string.h>

#include "base/mem.h"
#include "kernel/cpu/exec.h"
#include "kernel/cpu/x16.h"
#include "quant/quant.h"

enum {
    PANEL = 2,         /* groups in one micro-kernel call */
    TOKEN_BLOCK = 96,  /* tokens in one call: their products fit the first cache levels */
    TOKEN_SPLIT = 512, /* tokens in one task at most, so that many threads find work in a long prefill */
    FEW_TOKENS = 16,   /* fewer than these: memory decides, and each thread reads one long stretch of the weight */
    STRETCH = 96,      /* groups in one call at one or two tokens: every end of a call, or change from gate to up, costs half a microsecond */
    STEP_BYTES = 32 << 10,
};

/* ---- the int8 form of activations ---- */

static int64_t padded(int64_t d)
{
    return ds_ceil_div(d, 64) * 64 + 64; /* rows must not lie a multiple of 4096 bytes apart: they would share cache sets */
}

/* Where the parts of the int8 form of [n, d] lie in `memory`. */
static ds_acts acts_at(void *memory, int64_t n, int64_t d, int64_t block)
{
    ds_acts a = { .n = n, .k = d, .ld_q = padded(d), .ld_scale = ds_ceil_div(d, block), .ld_sum = d / DS_SUM_BLOCK };
    char   *p = memory;
    a.q = (int8_t *)p;
    p += n * a.ld_q;
    a.sum = (int32_t *)p;
    p += n * 3 * a.ld_sum * 4;
    a.scale = (float *)p;
    return a;
}

int64_t ds_cpu_pack_block(ds_dtype type)
{
    return type == DS_Q8_0 ? DS_FINE_BLOCK : DS_ACT_BLOCK;
}

int64_t ds_cpu_pack_bytes(int64_t n, int64_t d, int64_t block)
{
    return n * (padded(d) + 3 * (d / DS_SUM_BLOCK) * 4 + ds_ceil_div(d, block) * 4);
}

typedef struct pack_job {
    ds_exec         *ex;
    const ds_tensor *x;
    ds_acts          a;
} pack_job;

enum { PACKING = 2 }; /* multiply-adds in the time that packing a value takes, or nearly */

/* Columns [c, c + n) of row i. */
static void pack_columns(const pack_job *j, int64_t i, int64_t c, int64_t n)
{
    const ds_acts *a = &j->a;
    const int64_t  block = j->x->packed_block;
    int32_t       *sum = (int32_t *)a->sum + i * 3 * a->ld_sum;
    j->ex->micro.quantize((int8_t *)a->q + i * a->ld_q + c, (float *)a->scale + i * a->ld_scale + c / block, sum + c / DS_SUM_BLOCK,
                          sum + a->ld_sum + c / (DS_SUM_BLOCK / 2), j->x->data + i * a->k + c, n, block);
}

/* Items are blocks of columns, row after row: a long row is packed by those who made its parts. */
static void pack_range(void *arg, int64_t from, int64_t to, int worker)
{
    const pack_job *j = arg;
    const int64_t   blocks = ds_ceil_div(j->a.k, DS_ACT_BLOCK);
    while (from < to) {
        int64_t row = from / blocks, first = from % blocks, n = ds_min64(blocks - first, to - from);
        pack_columns(j, row, first * DS_ACT_BLOCK, ds_min64(n * DS_ACT_BLOCK, j->a.k - first * DS_ACT_BLOCK));
        from += n;
    }
}

void ds_cpu_pack(ds_exec *ex, ds_tensor *x)
{
    pack_job j = { ex, x, acts_at(x->packed, x->n, x->d, x->packed_block) };
    ds_run_ranges(ex, x->n * ds_ceil_div(x->d, DS_ACT_BLOCK), 4, pack_range, &j, x->n * x->d * PACKING);
}

/* ---- products ---- */

typedef struct linear_job {
    ds_exec         *ex;
    ds_tensor       *y;
    const ds_weight *w, *up; /* up: the second matrix of a swiglu, or NULL */
    const float     *bias;
    ds_epilogue      epilogue;
    ds_acts          acts;
    int64_t          n_group, group_bytes, groups_per_task, n_group_task, tokens_per_task;
} linear_job;

/* One panel's products for tokens [t0, t0 + n), from `tile` into y. */
static void finish_tile(const linear_job *j, const float *tile, int64_t ld, int64_t row, int64_t t0, int64_t n)
{
    int64_t rows = ds_min64(ld, j->w->rows - row);
    for (int64_t t = 0; t < n; t++) {
        const float *p = tile + t * ld;
        float       *y = j->y->data + (t0 + t) * j->y->d + row;
        for (int64_t r = 0; r < rows; r++) {
            float v = j->bias ? p[r] + j->bias[row + r] : p[r];
            y[r] = j->epilogue == DS_ADD ? y[r] + v : v;
        }
    }
}

_Static_assert(2 * STRETCH <= TOKEN_BLOCK * PANEL, "two tokens' products of a stretch fit where a panel's do");

static void panel(const linear_job *j, int64_t group, int n_group, int64_t t0, int64_t n, float *scratch)
{
    const ds_micro *m = &j->ex->micro;
    ds_gemm_fn     *gemm = m->gemm[j->w->type];
    const int64_t   ld = DS_GROUP * n_group, at = group * j->group_bytes;
    float          *tile = scratch, *second = scratch + TOKEN_BLOCK * DS_GROUP * PANEL;
    gemm((const char *)j->w->data + at, n_group, &j->acts, t0, n, tile, ld);
    if (j->up) {
        gemm((const char *)j->up->data + at, n_group, &j->acts, t0, n, second, ld);
        m->swiglu(tile, tile, second, n * ld);
    }
    finish_tile(j, tile, ld, group * DS_GROUP, t0, n);
}

static void linear_task(void *arg, int64_t task, int worker)
{
    const linear_job *j = arg;
    int64_t           g0 = task % j->n_group_task * j->groups_per_task, g1 = ds_min64(g0 + j->groups_per_task, j->n_group);
    int64_t           t0 = task / j->n_group_task * j->tokens_per_task, t1 = ds_min64(t0 + j->tokens_per_task, j->y->n);
    for (int64_t g = g0; g < g1; g += PANEL)
        for (int64_t t = t0; t < t1; t += TOKEN_BLOCK)
            panel(j, g, (int)ds_min64(PANEL, g1 - g), t, ds_min64(TOKEN_BLOCK, t1 - t), j->ex->scratch[worker]);
}

/* Groups [from, to) of one weight for few tokens. */
static void few_tokens(const linear_job *j, int64_t from, int64_t to, int worker)
{
    int64_t n = j->y->n, step = n <= 2 ? STRETCH : PANEL;
    for (int64_t g = from; g < to; g += step)
        panel(j, g, (int)ds_min64(step, to - g), 0, n, j->ex->scratch[worker]);
}

/* Several weights that read the same rows. An item is the same share of each: whoever makes a head's queries makes its keys too. */
typedef struct linears_job {
    linear_job of[DS_MOST_LINEARS];
    int64_t    n, n_item;
} linears_job;

static void linears_range(void *arg, int64_t from, int64_t to, int worker)
{
    const linears_job *j = arg;
    for (int64_t i = 0; i < j->n; i++)
        few_tokens(&j->of[i], from * j->of[i].n_group / j->n_item, to * j->of[i].n_group / j->n_item, worker);
}

static void run_few(linears_job *j, const ds_tensor *x)
{
    int64_t bytes = 0, work = 0;
    for (int64_t i = 0; i < j->n; i++) {
        const linear_job *l = &j->of[i];
        j->n_item = ds_max64(j->n_item, l->n_group);
        bytes += l->n_group * l->group_bytes;
        work += x->n * l->w->rows * l->w->cols;
    }
    int64_t step = ds_max64(1, STEP_BYTES / (bytes / j->n_item * PANEL)) * PANEL;
    ds_run_ranges(j->of->ex, j->n_item, step, linears_range, j, work);
}

static void run_many(linear_job *j)
{
    int64_t shares = (int64_t)j->ex->n_worker * 16;
    j->groups_per_task = ds_max64(1, j->n_group / shares / PANEL) * PANEL;
    j->n_group_task = ds_ceil_div(j->n_group, j->groups_per_task);
    j->tokens_per_task = ds_min64(j->y->n, TOKEN_SPLIT);
    int64_t n_task = j->n_group_task * ds_ceil_div(j->y->n, j->tokens_per_task);
    ds_run(j->ex, n_task, linear_task, j, j->y->n * j->w->rows * j->w->cols);
}

static bool is_float(ds_dtype t)
{
    return t == DS_F32 || t == DS_F16 || t == DS_BF16;
}

static void set_up(linear_job *j, const ds_tensor *x)
{
    j->acts = is_float(j->w->type) ? (ds_acts){ .n = x->n, .k = x->d, .x = x->data, .ld_x = x->d }
                                   : acts_at(x->packed, x->n, x->d, x->packed_block);
    j->acts.far = j->ex->prefetches_far;
    j->n_group = ds_ceil_div(j->w->rows, DS_GROUP);
    j->group_bytes = ds_x16_group_bytes(j->w->type, j->w->cols);
}

static void run_linears(linears_job *j, const ds_tensor *x)
{
    for (int64_t i = 0; i < j->n; i++)
        set_up(&j->of[i], x);
    if (x->n < FEW_TOKENS)
        run_few(j, x);
    else
        for (int64_t i = 0; i < j->n; i++)
            run_many(&j->of[i]);
}

void ds_cpu_linear_fwd(ds_exec *ex, int n, ds_tensor *const *y, const ds_tensor *x, const ds_weight *const *w, const float *const *bias,
                       ds_epilogue e)
{
    linears_job j = { .n = n };
    for (int i = 0; i < n; i++)
        j.of[i] = (linear_job){ .ex = ex, .y = y[i], .w = w[i], .bias = bias[i], .epilogue = e };
    run_linears(&j, x);
}

void ds_cpu_linear_swiglu_fwd(ds_exec *ex, ds_tensor *y, const ds_tensor *x, const ds_weight *gate, const ds_weight *up)
{
    run_linears(&(linears_job){ .of = { { .ex = ex, .y = y, .w = gate, .up = up } }, .n = 1 }, x);
}

/* ---- weights in memory ---- */

int64_t ds_cpu_weight_bytes(ds_dtype type, int64_t rows, int64_t cols, ds_layout layout)
{
    return layout == DS_X16 ? ds_ceil_div(rows, DS_GROUP) * ds_x16_group_bytes(type, cols)
                            : rows * (int64_t)ds_quant_bytes(type, cols);
}

void ds_cpu_weight_pack(const ds_weight *w, void *memory, const void *rows, int64_t row, int64_t n)
{
    int64_t stride = (int64_t)ds_quant_bytes(w->type, w->cols);
    if (w->layout == DS_PLAIN) {
        memcpy((char *)memory + row * stride, rows, (size_t)(n * stride));
        return;
    }
    int64_t group_bytes = DS_GROUP * stride;
    for (int64_t i = 0; i < n; i += DS_GROUP)
        ds_x16_pack(w->type, (char *)memory + (row + i) / DS_GROUP * group_bytes, (const char *)rows + i * stride, stride,
                    (int)ds_min64(DS_GROUP, n - i), w->cols);
}
