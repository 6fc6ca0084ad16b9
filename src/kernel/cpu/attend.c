/* Attention of packed sequences over themselves, and its backward (Dao et al. 2022): blocks of 64 queries against blocks of 64 keys,
 * never a row of scores longer than that. Backward makes the probabilities again from each row's logarithm of a sum. */
#include <math.h>
#include <string.h>

#include "kernel/cpu/exec.h"

enum { B = DS_KV_PAGE };

typedef struct attend_job {
    ds_exec         *ex;
    const ds_attend *a;
    int64_t          kp, n_block; /* kp: head size rounded up to 16; n_block: blocks of the batch */
    const ds_tensor *q, *k, *v;
    ds_tensor       *y;
    float           *dq, *dk, *dv;
    float           *lse, *delta, *room;
} attend_job;

/* Rows [first, first + n) of the batch, tokens [t0, t0 + n) of their span, whose first block is number `base`. */
typedef struct rows {
    int64_t first, n, t0, base;
} rows;

static int64_t blocks_of(const ds_attend *a)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->b->n_span; i++)
        n += ds_ceil_div(a->b->span[i].n, B);
    return n;
}

/* Block number i of span s. */
static rows block_in(const ds_span *s, int64_t i, int64_t base)
{
    return (rows){ s->first + i * B, ds_min64(B, s->n - i * B), i * B, base };
}

static rows block_at(const ds_attend *a, int64_t number)
{
    int64_t base = 0;
    for (const ds_span *s = a->b->span;; s++) {
        int64_t n = ds_ceil_div(s->n, B);
        if (number < base + n)
            return block_in(s, number - base, base);
        base += n;
    }
}

/* Head h of rows r as float32 [n, kp]: padded with zero columns, and zero rows up to B. */
static void load(const attend_job *j, float *to, const ds_tensor *x, const rows *r, int64_t h)
{
    const int64_t k = j->a->k;
    for (int64_t i = 0; i < r->n; i++, to += j->kp) {
        int64_t at = (r->first + i) * x->d + h * k;
        if (x->half)
            j->ex->micro.f32_from_bf16(to, x->half + at, k);
        else
            memcpy(to, x->data + at, (size_t)k * sizeof *to);
        memset(to + k, 0, (size_t)(j->kp - k) * sizeof *to);
    }
    memset(to, 0, (size_t)((B - r->n) * j->kp) * sizeof *to);
}

/* to [kp, B] = factor times the transpose of x [B, kp]. */
static void transpose(const attend_job *j, float *to, const float *x, float factor)
{
    j->ex->micro.transpose32(to, B, x, j->kp, B, j->kp);
    for (int64_t i = 0; factor != 1 && i < j->kp * B; i++)
        to[i] *= factor;
}

/* How many of the keys from k0 on each query row of `q` sees. */
static void set_limits(int32_t *limit, const rows *q, int64_t k0)
{
    for (int64_t i = 0; i < q->n; i++)
        limit[i] = (int32_t)ds_min64(B, q->t0 + i + 1 - k0);
}

/* ---- forward ---- */

/* Where key block `number` of group g lies, ready for products: keys transposed and scaled [kp, B], then values [B, kp]. */
static float *packed(const attend_job *j, int64_t number, int64_t g)
{
    return j->room + (number * j->a->groups + g) * 2 * B * j->kp;
}

static void pack_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    int64_t           g = task % j->a->groups, number = task / j->a->groups;
    rows              r = block_at(j->a, number);
    float            *to = packed(j, number, g), *keys = j->ex->scratch[worker];
    load(j, keys, j->k, &r, g);
    transpose(j, to, keys, j->a->scale);
    load(j, to + B * j->kp, j->v, &r, g);
}

typedef struct forward_work {
    float   *q, *out, *s, *m, *l;
    int32_t *limit;
} forward_work;

static void attend_block(const attend_job *j, const forward_work *w, const rows *q, int64_t key_block, int64_t g)
{
    const ds_micro *m = &j->ex->micro;
    const float    *keys = packed(j, q->base + key_block, g), *values = keys + B * j->kp;
    set_limits(w->limit, q, key_block * B);
    m->tile_f32(w->s, B, w->q, j->kp, keys, B, q->n, B, j->kp, false);
    m->softmax64(w->s, w->limit, w->m, w->l, w->out, j->kp, q->n, j->kp);
    m->tile_f32(w->out, j->kp, w->s, B, values, j->kp, q->n, j->kp, B, true);
}

/* One block of queries of one head; the last blocks, which have most to do, come first. */
static void forward_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    const ds_attend  *a = j->a;
    const int64_t     h = task % a->heads, g = h / (a->heads / a->groups);
    rows              q = block_at(a, j->n_block - 1 - task / a->heads);
    float            *p = j->ex->scratch[worker];
    forward_work      w = { p, p + B * j->kp, p + 2 * B * j->kp, p + 2 * B * j->kp + B * B, p + 2 * B * j->kp + B * B + B, NULL };
    w.limit = (int32_t *)(w.l + B);
    load(j, w.q, j->q, &q, h);
    memset(w.out, 0, (size_t)(B * j->kp) * sizeof *w.out);
    for (int64_t i = 0; i < q.n; i++) {
        w.m[i] = -INFINITY;
        w.l[i] = 0;
    }
    for (int64_t i = 0; i <= q.t0 / B; i++)
        attend_block(j, &w, &q, i, g);
    for (int64_t i = 0; i < q.n; i++) {
        float *y = j->y->data + (q.first + i) * j->y->d + h * a->k, inverse = 1.0f / w.l[i];
        for (int64_t d = 0; d < a->k; d++)
            y[d] = w.out[i * j->kp + d] * inverse;
        j->lse[(q.first + i) * a->heads + h] = w.m[i] + logf(w.l[i]);
    }
}

static int64_t padded(int64_t k)
{
    return ds_ceil_div(k, 16) * 16;
}

int64_t ds_cpu_attend_room(const ds_attend *a)
{
    return blocks_of(a) * a->groups * 2 * B * padded(a->k);
}

static int64_t work_of(const ds_attend *a)
{
    return a->b->n * a->heads * a->k * B;
}

void ds_cpu_attend_fwd(ds_exec *ex, ds_tensor *y, ds_tensor *lse, const ds_tensor *q, const ds_tensor *k, const ds_tensor *v,
                       const ds_attend *a, float *room)
{
    attend_job j = { .ex = ex, .a = a, .kp = padded(a->k), .n_block = blocks_of(a), .q = q, .k = k, .v = v, .y = y, .lse = lse->data,
                     .room = room };
    ds_run(ex, j.n_block * a->groups, pack_task, &j, work_of(a));
    ds_run(ex, j.n_block * a->heads, forward_task, &j, work_of(a));
}

/* ---- backward ---- */

typedef struct backward_work {
    float   *q, *dout, *dq, *k, *keys, *values, *dk, *dv, *s, *dp, *lse, *delta;
    int32_t *limit;
} backward_work;

static backward_work backward_at(float *p, int64_t kp)
{
    const int64_t size = B * kp;
    backward_work w;
    float       **part[] = { &w.q, &w.dout, &w.dq, &w.k, &w.keys, &w.values, &w.dk, &w.dv, &w.s };
    for (int i = 0; i < 9; i++)
        *part[i] = p + i * size;
    w.dp = w.s + B * B;
    w.lse = w.dp + B * B;
    w.delta = w.lse + B;
    w.limit = (int32_t *)(w.delta + B);
    return w;
}

_Static_assert(8 * B * DS_MAX_HEAD + 2 * B * B + 3 * B <= DS_SCRATCH_FLOATS, "a backward task fits the scratch memory");

/* delta = the product of each row's output and its gradient; the values of y go through `o`. */
static void find_delta(const attend_job *j, const backward_work *w, float *o, const rows *q, int64_t h)
{
    load(j, o, j->y, q, h);
    for (int64_t i = 0; i < q->n; i++)
        j->delta[(q->first + i) * j->a->heads + h] = j->ex->micro.train.dot(w->dout + i * j->kp, o + i * j->kp, j->kp);
}

static void store(const attend_job *j, float *to, int64_t ld, const float *x, const rows *r, int64_t h, bool add)
{
    for (int64_t i = 0; i < r->n; i++) {
        float *p = to + (r->first + i) * ld + h * j->a->k;
        if (add)
            j->ex->micro.train.add(p, x + i * j->kp, j->a->k);
        else
            memcpy(p, x + i * j->kp, (size_t)j->a->k * sizeof *p);
    }
}

/* One block of queries against one block of keys. */
static void backward_block(const attend_job *j, const backward_work *w, const rows *q, int64_t k0, int64_t h)
{
    const ds_micro *m = &j->ex->micro;
    const int64_t   kp = j->kp, n = q->n;
    ds_tensor       dy = { .n = j->y->n, .d = j->y->d, .data = j->y->grad };
    load(j, w->q, j->q, q, h);
    load(j, w->dout, &dy, q, h);
    if (k0 == 0)
        find_delta(j, w, w->dq, q, h);
    for (int64_t i = 0; i < n; i++) {
        w->lse[i] = j->lse[(q->first + i) * j->a->heads + h];
        w->delta[i] = j->delta[(q->first + i) * j->a->heads + h];
    }
    set_limits(w->limit, q, k0);
    m->tile_f32(w->s, B, w->q, kp, w->keys, B, n, B, kp, false);
    m->tile_f32(w->dp, B, w->dout, kp, w->values, B, n, B, kp, false);
    m->train.attend_bwd64(w->s, w->dp, w->limit, w->lse, w->delta, j->a->scale, n);
    m->train.tile_t_f32(w->dv, kp, w->s, B, w->dout, kp, B, kp, n, true);
    m->train.tile_t_f32(w->dk, kp, w->dp, B, w->q, kp, B, kp, n, true);
    m->tile_f32(w->dq, kp, w->dp, B, w->k, kp, n, kp, B, false);
    store(j, j->dq, j->q->d, w->dq, q, h, k0 > 0);
}

/* One key/value head of one span: blocks of keys in order, each against the queries that see it. */
static void backward_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    const ds_attend  *a = j->a;
    const int64_t     g = task % a->groups, share = a->heads / a->groups;
    const ds_span    *s = &a->b->span[task / a->groups];
    backward_work     w = backward_at(j->ex->scratch[worker], j->kp);
    for (int64_t i = 0; i * B < s->n; i++) {
        rows keys = block_in(s, i, 0);
        load(j, w.k, j->v, &keys, g);
        transpose(j, w.values, w.k, 1);
        load(j, w.k, j->k, &keys, g);
        transpose(j, w.keys, w.k, a->scale);
        memset(w.dk, 0, (size_t)(2 * B * j->kp) * sizeof *w.dk); /* and dv */
        for (int64_t h = g * share; h < (g + 1) * share; h++)
            for (int64_t b = i; b * B < s->n; b++) {
                rows q = block_in(s, b, 0);
                backward_block(j, &w, &q, i * B, h);
            }
        store(j, j->dk, j->k->d, w.dk, &keys, g, false);
        store(j, j->dv, j->v->d, w.dv, &keys, g, false);
    }
}

void ds_cpu_attend_bwd(ds_exec *ex, ds_tensor *y, const ds_tensor *lse, ds_tensor *q, ds_tensor *k, ds_tensor *v, const ds_attend *a,
                       float *delta)
{
    attend_job j = { .ex = ex, .a = a, .kp = padded(a->k), .q = q, .k = k, .v = v, .y = y, .lse = lse->data, .delta = delta,
                     .dq = q->grad, .dk = k->grad, .dv = v->grad };
    ds_run(ex, a->b->n_span * a->groups, backward_task, &j, 3 * work_of(a));
}
