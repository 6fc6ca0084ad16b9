/* Attention of packed sequences over themselves, and its backward (Dao et al. 2022): blocks of 64 queries against blocks of 64 keys,
 * never a row of scores longer than that. Backward makes the probabilities again from each row's logarithm of a sum. Products are of
 * float32 values, or of bf16 pairs where activations are bf16 and the processor has them. Operands are made ready once
 * for each block: rows are a left operand [n][k] as it lies, columns its transpose, lines a right operand, whose pairs are lines of two
 * rows. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "kernel/cpu/exec.h"

enum { B = DS_KV_PAGE, QUERY_OPERANDS = 4, FLOAT_OPERANDS = 2, PLENTY = 4 /* tasks a thread */ };

typedef struct attend_job {
    ds_exec         *ex;
    const ds_attend *a;
    bool             pairs;
    int64_t          kp, n_block; /* kp: head size rounded up to 16; n_block: blocks of the batch */
    const ds_tensor *q, *k, *v;
    ds_tensor       *y;
    float           *dq, *dk, *dv;
    float           *lse, *delta;
    char            *keys, *queries; /* operands of each block and group, block and head */
    _Atomic int64_t *done;           /* backward: how far each block of keys has come */
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

/* How many of the keys from k0 on each query row of `q` sees. */
static void set_limits(int32_t *limit, const rows *q, int64_t k0)
{
    for (int64_t i = 0; i < q->n; i++)
        limit[i] = (int32_t)ds_min64(B, q->t0 + i + 1 - k0);
}

/* ---- operands ---- */

static int64_t padded(int64_t k)
{
    return ds_ceil_div(k, 16) * 16;
}

static int64_t operand_bytes(const attend_job *j)
{
    return B * j->kp * (j->pairs ? 2 : 4);
}

static int64_t key_operands(bool backward)
{
    return backward ? 3 : 2;
}

static char *key_operand(const attend_job *j, int64_t number, int64_t g, int which)
{
    return j->keys + ((number * j->a->groups + g) * key_operands(j->dq != NULL) + which) * operand_bytes(j);
}

static int64_t query_operands(const attend_job *j)
{
    return j->pairs ? QUERY_OPERANDS : FLOAT_OPERANDS;
}

static char *query_operand(const attend_job *j, int64_t number, int64_t h, int which)
{
    return j->queries + ((number * j->a->heads + h) * query_operands(j) + which) * operand_bytes(j);
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

/* A left operand from `count` float32 values. */
static void as_rows(const attend_job *j, void *to, const float *x, int64_t count)
{
    if (j->pairs)
        j->ex->micro.bf16_from_f32(to, x, count);
    else
        memcpy(to, x, (size_t)count * sizeof *x);
}

/* A right operand from float32 [n, cols], n even. */
static void as_lines(const attend_job *j, void *to, const float *x, int64_t n, int64_t cols)
{
    if (!j->pairs)
        memcpy(to, x, (size_t)(n * cols) * sizeof *x);
    for (int64_t i = 0; j->pairs && i < n; i += 2)
        j->ex->micro.bf16_pairs((uint16_t *)to + i * cols, x + i * cols, x + (i + 1) * cols, cols);
}

/* to [kp, B] = factor times the transpose of x [B, kp]. */
static void transpose(const attend_job *j, float *to, const float *x, float factor)
{
    j->ex->micro.transpose32(to, B, x, j->kp, B, j->kp);
    for (int64_t i = 0; factor != 1 && i < j->kp * B; i++)
        to[i] *= factor;
}

enum { KEY_COLUMNS, VALUES, KEY_LINES }; /* values: lines forward, columns backward */

/* Keys and values of one block and group. Only backward needs keys as they are. */
static void pack_keys_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    const int64_t     g = task % j->a->groups, number = task / j->a->groups;
    rows              r = block_at(j->a, number);
    float            *x = j->ex->scratch[worker], *turned = x + B * j->kp;
    load(j, x, j->k, &r, g);
    transpose(j, turned, x, j->a->scale);
    as_lines(j, key_operand(j, number, g, KEY_COLUMNS), turned, j->kp, B);
    if (j->dq)
        as_lines(j, key_operand(j, number, g, KEY_LINES), x, B, j->kp);
    load(j, x, j->v, &r, g);
    if (j->dq) {
        transpose(j, turned, x, 1);
        as_lines(j, key_operand(j, number, g, VALUES), turned, j->kp, B);
    } else
        as_lines(j, key_operand(j, number, g, VALUES), x, B, j->kp);
}

/* ---- forward ---- */

typedef struct forward_work {
    float   *q, *out, *s, *m, *l;
    int32_t *limit;
} forward_work;

static void attend_block(const attend_job *j, const forward_work *w, const rows *q, int64_t key_block, int64_t g)
{
    const ds_micro *m = &j->ex->micro;
    const char     *keys = key_operand(j, q->base + key_block, g, KEY_COLUMNS), *values = key_operand(j, q->base + key_block, g, VALUES);
    ds_tile_fn     *tile = j->pairs ? m->tile_bf16 : m->tile_f32;
    set_limits(w->limit, q, key_block * B);
    tile(w->s, B, w->q, j->kp, keys, B, q->n, B, j->kp, false);
    m->softmax64(w->s, w->limit, w->m, w->l, w->out, j->kp, q->n, j->kp);
    if (j->pairs) /* in place: the halves are written behind what is read */
        m->bf16_from_f32((uint16_t *)w->s, w->s, q->n * B);
    tile(w->out, j->kp, w->s, B, values, j->kp, q->n, j->kp, B, true);
}

static void store_output(const attend_job *j, const forward_work *w, const rows *q, int64_t h)
{
    const int64_t k = j->a->k;
    for (int64_t i = 0; i < q->n; i++) {
        int64_t at = (q->first + i) * j->y->d + h * k;
        float  *row = w->out + i * j->kp, inverse = 1.0f / w->l[i], *y = j->y->half ? row : j->y->data + at;
        for (int64_t d = 0; d < k; d++)
            y[d] = row[d] * inverse;
        if (j->y->half)
            j->ex->micro.bf16_from_f32(j->y->half + at, row, k);
        j->lse[(q->first + i) * j->a->heads + h] = w->m[i] + logf(w->l[i]);
    }
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
    load(j, w.out, j->q, &q, h);
    as_rows(j, w.q, w.out, B * j->kp);
    memset(w.out, 0, (size_t)(B * j->kp) * sizeof *w.out);
    for (int64_t i = 0; i < q.n; i++) {
        w.m[i] = -INFINITY;
        w.l[i] = 0;
    }
    for (int64_t i = 0; i <= q.t0 / B; i++)
        attend_block(j, &w, &q, i, g);
    store_output(j, &w, &q, h);
}

static bool takes_pairs(const ds_exec *ex, const ds_tensor *q)
{
    return q->half && ex->bf16_products;
}

int64_t ds_cpu_attend_room(ds_exec *ex, const ds_attend *a, const ds_tensor *q, bool backward)
{
    attend_job j = { .a = a, .kp = padded(a->k), .pairs = takes_pairs(ex, q) };
    int64_t    n = blocks_of(a), operands = a->groups * key_operands(backward) + (backward ? a->heads * query_operands(&j) : 0);
    int64_t    bytes = n * operands * operand_bytes(&j);
    return bytes / 4 + (backward ? a->b->n * a->heads + n * a->groups * (int64_t)(sizeof *j.done / 4) : 0);
}

static int64_t work_of(const ds_attend *a)
{
    return a->b->n * a->heads * a->k * B;
}

void ds_cpu_attend_fwd(ds_exec *ex, ds_tensor *y, ds_tensor *lse, const ds_tensor *q, const ds_tensor *k, const ds_tensor *v,
                       const ds_attend *a, float *room)
{
    attend_job j = { .ex = ex, .a = a, .kp = padded(a->k), .n_block = blocks_of(a), .q = q, .k = k, .v = v, .y = y, .lse = lse->data,
                     .keys = (char *)room, .pairs = takes_pairs(ex, q) };
    ds_run(ex, j.n_block * a->groups, pack_keys_task, &j, work_of(a));
    ds_run(ex, j.n_block * a->heads, forward_task, &j, work_of(a));
}

/* ---- backward ---- */

enum { QUERIES, OUT_GRADS, QUERY_COLUMNS, OUT_GRAD_COLUMNS }; /* columns: of pairs only */

/* Queries and the gradients of outputs of one block and head, and delta: the product of each output and its gradient. */
static void pack_queries_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    const int64_t     h = task % j->a->heads, number = task / j->a->heads, size = B * j->kp;
    rows              r = block_at(j->a, number);
    float            *x = j->ex->scratch[worker], *dout = x + size, *turned = dout + size;
    ds_tensor         dy = { .n = j->y->n, .d = j->y->d, .data = j->y->grad };
    load(j, dout, &dy, &r, h);
    load(j, x, j->y, &r, h);
    for (int64_t i = 0; i < r.n; i++)
        j->delta[(r.first + i) * j->a->heads + h] = j->ex->micro.train.dot(dout + i * j->kp, x + i * j->kp, j->kp);
    load(j, x, j->q, &r, h);
    as_rows(j, query_operand(j, number, h, QUERIES), x, size);
    as_rows(j, query_operand(j, number, h, OUT_GRADS), dout, size);
    if (!j->pairs)
        return;
    transpose(j, turned, x, 1);
    as_rows(j, query_operand(j, number, h, QUERY_COLUMNS), turned, size);
    transpose(j, turned, dout, 1);
    as_rows(j, query_operand(j, number, h, OUT_GRAD_COLUMNS), turned, size);
}

/* dk and dv: [B, kp], or of pairs [kp, B]. */
typedef struct backward_work {
    float   *dq, *dk, *dv, *s, *dp, *lines, *lse, *delta;
    int32_t *limit;
} backward_work;

static backward_work backward_at(float *p, int64_t kp)
{
    backward_work w = { .dq = p, .dk = p + B * kp, .dv = p + 2 * B * kp, .s = p + 3 * B * kp };
    w.dp = w.s + B * B;
    w.lines = w.dp + B * B;
    w.lse = w.lines + B * B;
    w.delta = w.lse + B;
    w.limit = (int32_t *)(w.delta + B);
    return w;
}

_Static_assert(3 * B * DS_MAX_HEAD + 3 * B * B + 3 * B <= DS_SCRATCH_FLOATS, "a backward task fits the scratch memory");

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

/* dv += p^T dout, dk += ds^T q, dq = ds k for probabilities s and their scores' gradients dp [n, B]. */
static void multiply_floats(const attend_job *j, const backward_work *w, int64_t n, const float *q, const float *dout, const float *k)
{
    const ds_micro *m = &j->ex->micro;
    m->train.tile_t_f32(w->dv, j->kp, w->s, B, dout, j->kp, B, j->kp, n, true);
    m->train.tile_t_f32(w->dk, j->kp, w->dp, B, q, j->kp, B, j->kp, n, true);
    m->tile_f32(w->dq, j->kp, w->dp, B, k, j->kp, n, j->kp, B, false);
}

/* The same, dk and dv transposed, from the columns of q and dout. A last row without a partner has one of zeros. */
static void multiply_pairs(const attend_job *j, const backward_work *w, int64_t n, const char *q, const char *dout, const char *k)
{
    const ds_micro *m = &j->ex->micro;
    const int64_t   even = (n + 1) / 2 * 2;
    memset(w->s + n * B, 0, (size_t)((even - n) * B) * sizeof *w->s);
    memset(w->dp + n * B, 0, (size_t)((even - n) * B) * sizeof *w->dp);
    as_lines(j, w->lines, w->s, even, B);
    m->tile_bf16(w->dv, B, dout, B, w->lines, B, j->kp, B, even, true);
    as_lines(j, w->lines, w->dp, even, B);
    m->tile_bf16(w->dk, B, q, B, w->lines, B, j->kp, B, even, true);
    as_rows(j, w->lines, w->dp, n * B);
    m->tile_bf16(w->dq, j->kp, w->lines, B, k, j->kp, n, j->kp, B, false);
}

/* One block of queries against one block of keys: adds to dk and dv, and makes its part of dq. */
static void backward_block(const attend_job *j, const backward_work *w, const rows *q, int64_t key_block, int64_t h, int64_t g)
{
    const ds_micro *m = &j->ex->micro;
    const int64_t   kp = j->kp, n = q->n, number = q->base + q->t0 / B, keys = q->base + key_block;
    ds_tile_fn     *tile = j->pairs ? m->tile_bf16 : m->tile_f32;
    char           *part[QUERY_OPERANDS];
    for (int i = 0; i < query_operands(j); i++)
        part[i] = query_operand(j, number, h, i);
    for (int64_t i = 0; i < n; i++) {
        w->lse[i] = j->lse[(q->first + i) * j->a->heads + h];
        w->delta[i] = j->delta[(q->first + i) * j->a->heads + h];
    }
    set_limits(w->limit, q, key_block * B);
    tile(w->s, B, part[QUERIES], kp, key_operand(j, keys, g, KEY_COLUMNS), B, n, B, kp, false);
    tile(w->dp, B, part[OUT_GRADS], kp, key_operand(j, keys, g, VALUES), B, n, B, kp, false);
    m->train.attend_bwd64(w->s, w->dp, w->limit, w->lse, w->delta, j->a->scale, n);
    if (j->pairs)
        multiply_pairs(j, w, n, part[QUERY_COLUMNS], part[OUT_GRAD_COLUMNS], key_operand(j, keys, g, KEY_LINES));
    else
        multiply_floats(j, w, n, (float *)part[QUERIES], (float *)part[OUT_GRADS], (float *)key_operand(j, keys, g, KEY_LINES));
}

/* Gradients of one block's keys or values, which `turned` is room to turn over. */
static void store_keys(const attend_job *j, float *to, int64_t ld, const float *x, float *turned, const rows *r, int64_t g)
{
    if (j->pairs)
        j->ex->micro.transpose32(turned, j->kp, x, B, j->kp, B);
    store(j, to, ld, j->pairs ? turned : x, r, g, false);
}

/* One block of keys of one group against the queries that see it, head by head. A query's gradient adds blocks of keys in order: each
 * waits until the block before it has added its part. */
static void backward_keys(const attend_job *j, const backward_work *w, const ds_span *s, int64_t base, int64_t i, int64_t g)
{
    const int64_t    share = j->a->heads / j->a->groups, n = ds_ceil_div(s->n, B);
    _Atomic int64_t *done = &j->done[(base + i) * j->a->groups + g];
    rows             keys = block_in(s, i, base);
    memset(w->dk, 0, (size_t)(2 * B * j->kp) * sizeof *w->dk); /* and dv */
    for (int64_t h = 0; h < share; h++)
        for (int64_t b = i; b < n; b++) {
            rows q = block_in(s, b, base);
            backward_block(j, w, &q, i, g * share + h, g);
            if (i > 0)
                ds_wait_for(done - j->a->groups, h * n + b + 1);
            store(j, j->dq, j->q->d, w->dq, &q, g * share + h, i > 0);
            atomic_store_explicit(done, h * n + b + 1, memory_order_release);
        }
    store_keys(j, j->dk, j->k->d, w->dk, w->dq, &keys, g);
    store_keys(j, j->dv, j->v->d, w->dv, w->dq, &keys, g);
}

/* All blocks of keys of one span and group. */
static void backward_span_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    const ds_span    *s = &j->a->b->span[task / j->a->groups];
    backward_work     w = backward_at(j->ex->scratch[worker], j->kp);
    int64_t           base = 0;
    for (const ds_span *i = j->a->b->span; i < s; i++)
        base += ds_ceil_div(i->n, B);
    for (int64_t i = 0; i * B < s->n; i++)
        backward_keys(j, &w, s, base, i, task % j->a->groups);
}

/* One of them: where spans and groups are too few. */
static void backward_block_task(void *arg, int64_t task, int worker)
{
    const attend_job *j = arg;
    const ds_span    *s = j->a->b->span;
    int64_t           base = 0, n;
    while (task >= (n = ds_ceil_div(s->n, B)) * j->a->groups) {
        task -= n * j->a->groups;
        base += n;
        s++;
    }
    backward_work w = backward_at(j->ex->scratch[worker], j->kp);
    backward_keys(j, &w, s, base, task % n, task / n);
}

void ds_cpu_attend_bwd(ds_exec *ex, ds_tensor *y, const ds_tensor *lse, ds_tensor *q, ds_tensor *k, ds_tensor *v, const ds_attend *a,
                       float *room)
{
    attend_job j = { .ex = ex, .a = a, .kp = padded(a->k), .n_block = blocks_of(a), .q = q, .k = k, .v = v, .y = y, .lse = lse->data,
                     .dq = q->grad, .dk = k->grad, .dv = v->grad, .pairs = takes_pairs(ex, q) };
    const int64_t n_keys = j.n_block * a->groups, n_span = a->b->n_span * a->groups;
    j.keys = (char *)room; /* operands first, so that they lie on cache lines as the room does */
    j.queries = j.keys + n_keys * key_operands(true) * operand_bytes(&j);
    j.done = (_Atomic int64_t *)(j.queries + j.n_block * a->heads * query_operands(&j) * operand_bytes(&j));
    j.delta = (float *)(j.done + n_keys);
    memset((void *)j.done, 0, (size_t)n_keys * sizeof *j.done);
    ds_run(ex, n_keys, pack_keys_task, &j, work_of(a));
    ds_run(ex, j.n_block * a->heads, pack_queries_task, &j, work_of(a));
    if (n_span >= PLENTY * ex->n_worker)
        ds_run(ex, n_span, backward_span_task, &j, 3 * work_of(a));
    else
        ds_run(ex, n_keys, backward_block_task, &j, 3 * work_of(a));
}
