/* Optimizer steps: one pass over a weight, its gradient and its state, cut into pieces for the threads. */
#include <math.h>
#include <string.h>

#include "kernel/cpu/matmul.h"
#include "kernel/optim.h"

/* Values of a task, and of the part of them that stays in the first cache level; multiples of DS_MOMENT_BLOCK. */
enum { PIECE = 1 << 14, PART = 1 << 10, MAX_PIECES = 1 << 12 };

/* ---- AdamW ---- */

typedef struct adamw_job {
    ds_exec             *ex;
    const ds_adamw      *a;
    const ds_adamw_step *s;
} adamw_job;

static void adamw_block(const adamw_job *j, float *w, int64_t first, int64_t n)
{
    const ds_adamw *a = j->a;
    if (!a->m8) {
        j->ex->micro.adamw(w, a->g + first, a->m + first, a->v + first, n, j->s);
        return;
    }
    for (int64_t i = 0; i < n; i += DS_MOMENT_BLOCK)
        j->ex->micro.adamw8(w + i, a->g + first + i, a->m8 + first + i, a->v8 + first + i, a->scale + 2 * ((first + i) / DS_MOMENT_BLOCK),
                            ds_min64(DS_MOMENT_BLOCK, n - i), j->s);
}

static void adamw_task(void *arg, int64_t task, int worker)
{
    const adamw_job *j = arg;
    const ds_adamw  *a = j->a;
    int64_t          first = task * PIECE, n = ds_min64(PIECE, a->n - first);
    if (!a->bf16) {
        adamw_block(j, (float *)a->w + first, first, n);
        return;
    }
    for (int64_t end = first + n; first < end; first += PART) {
        float    *w = j->ex->scratch[worker];
        uint16_t *half = (uint16_t *)a->w + first;
        n = ds_min64(PART, end - first);
        j->ex->micro.f32_from_bf16(w, half, n);
        adamw_block(j, w, first, n);
        j->ex->micro.round_stochastically(half, w, first, n, j->s->seed ^ (j->s->step << 20), a->stream);
    }
}

void ds_cpu_adamw_step(ds_exec *ex, const ds_adamw *a, const ds_adamw_step *s)
{
    ds_run(ex, ds_ceil_div(a->n, PIECE), adamw_task, &(adamw_job){ ex, a, s }, a->n);
}

/* ---- the gradients' norm ---- */

typedef struct squares_job {
    ds_exec     *ex;
    const float *x;
    int64_t      n, piece;
    double      *part;
} squares_job;

static void squares_task(void *arg, int64_t task, int worker)
{
    const squares_job *j = arg;
    int64_t            first = task * j->piece;
    j->part[task] = j->ex->micro.sum_squares(j->x + first, ds_min64(j->piece, j->n - first));
}

double ds_cpu_sum_squares(ds_exec *ex, const float *x, int64_t n)
{
    double      part[MAX_PIECES], sum = 0;
    squares_job j = { .ex = ex, .x = x, .n = n, .part = part };
    j.piece = ds_max64(1, ds_ceil_div(n, PIECE * MAX_PIECES)) * PIECE;
    int64_t pieces = ds_ceil_div(n, j.piece);
    ds_run(ex, pieces, squares_task, &j, n);
    for (int64_t i = 0; i < pieces; i++)
        sum += part[i];
    return sum;
}

/* ---- Muon ---- */

typedef struct blend_job {
    ds_exec     *ex;
    float       *y;
    const float *x;
    float        a, b;
    int64_t      n;
} blend_job;

static void blend_task(void *arg, int64_t task, int worker)
{
    const blend_job *j = arg;
    int64_t          first = task * PIECE;
    j->ex->micro.blend(j->y + first, j->a, j->x + first, j->b, ds_min64(PIECE, j->n - first));
}

/* y = a x + b y */
static void blend(ds_exec *ex, float *y, float a, const float *x, float b, int64_t n)
{
    ds_run(ex, ds_ceil_div(n, PIECE), blend_task, &(blend_job){ ex, y, x, a, b, n }, n);
}

int64_t ds_cpu_muon_floats(int64_t rows, int64_t cols)
{
    int64_t small = ds_min64(rows, cols);
    return 2 * rows * cols + 2 * small * small;
}

/* Five steps of the quintic iteration X <- a X + (b A + c A A) X, A = X X^T, which pull every singular value to about 1 (Jordan 2024).
 * A tall matrix goes through its transpose: X^T X is the smaller product. Returns where the result lies. */
static float *orthogonalize(ds_exec *ex, const ds_muon *p, bool round)
{
    const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    const bool  tall = p->rows > p->cols;
    int64_t     r = p->rows, k = p->cols, small = tall ? k : r, n = r * k;
    float      *x = p->work, *next = x + n, *gram = next + n, *square = gram + small * small;
    double      norm = sqrt(ds_cpu_sum_squares(ex, x, n));
    blend(ex, x, 0, x, (float)(1 / (norm + 1e-7)), n);
    for (int i = 0; i < 5; i++) {
        ds_mat X = { x, DS_F32, k, false, round }, G = { gram, DS_F32, small, false, round }, S = { square, DS_F32, small, false, round }, Xt = X;
        Xt.trans = true;
        if (tall)
            ds_cpu_matmul(ex, gram, small, Xt, X, small, small, r, false);
        else
            ds_cpu_matmul(ex, gram, small, X, Xt, small, small, k, false);
        ds_cpu_matmul(ex, square, small, G, G, small, small, small, false);
        blend(ex, square, b, gram, c, small * small);
        if (tall)
            ds_cpu_matmul(ex, next, k, X, S, r, k, k, false);
        else
            ds_cpu_matmul(ex, next, k, S, X, r, k, r, false);
        blend(ex, next, a, x, 1, n);
        float *t = x;
        x = next;
        next = t;
    }
    return x;
}

typedef struct muon_job {
    ds_exec            *ex;
    const ds_muon      *p;
    const ds_muon_step *s;
    const float        *update;
} muon_job;

/* momentum = mu momentum + g; what is orthogonalized looks one step ahead (Nesterov): g + mu momentum. */
static void momentum_task(void *arg, int64_t task, int worker)
{
    const muon_job *j = arg;
    const ds_micro *m = &j->ex->micro;
    int64_t         first = task * PIECE, n = ds_min64(PIECE, j->p->rows * j->p->cols - first);
    float          *g = j->p->g + first, *momentum = j->p->momentum + first, *x = j->p->work + first;
    m->blend(momentum, j->s->grad_scale, g, j->s->momentum, n);
    memcpy(x, g, (size_t)n * sizeof *x);
    m->blend(x, j->s->momentum, momentum, j->s->grad_scale, n);
    memset(g, 0, (size_t)n * sizeof *g);
}

static void muon_task(void *arg, int64_t task, int worker)
{
    const muon_job *j = arg;
    const ds_micro *m = &j->ex->micro;
    int64_t         first = task * PIECE, n = ds_min64(PIECE, j->p->rows * j->p->cols - first);
    if (!j->p->bf16) {
        m->blend((float *)j->p->w + first, -j->s->rate, j->update + first, j->s->keep, n);
        return;
    }
    float    *w = j->ex->scratch[worker];
    uint16_t *half = (uint16_t *)j->p->w + first;
    m->f32_from_bf16(w, half, n);
    m->blend(w, -j->s->rate, j->update + first, j->s->keep, n);
    m->round_stochastically(half, w, first, n, j->s->seed ^ (j->s->step << 20), j->p->stream);
}

void ds_cpu_muon_step(ds_exec *ex, const ds_muon *p, const ds_muon_step *s)
{
    muon_job j = { .ex = ex, .p = p, .s = s };
    int64_t  n = p->rows * p->cols, n_task = ds_ceil_div(n, PIECE);
    ds_run(ex, n_task, momentum_task, &j, n);
    j.update = orthogonalize(ex, p, s->round);
    ds_run(ex, n_task, muon_task, &j, n);
}
