/* Attention with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022): pages of 64 keys at a time, never a whole
 * row of scores in memory. Query heads that share a key/value head are rows of one product. */
#include <math.h>
#include <string.h>

#include "kernel/cpu/kv.h"

enum {
    QUERY_ROWS = 60, /* rows (tokens x heads of a group) of one product: a multiple of every tile height */
    MOST_ROWS = 240, /* rows of a task at most, so that a page made ready for products serves many */
    VECTOR = 16,     /* keys in a vector of scores */
    TASKS_EACH = 8,  /* tasks that each worker should find, before tasks grow beyond QUERY_ROWS */
    STORING = 32,    /* multiply-adds in the time that storing one value takes: its cache line comes from memory */
};

typedef struct attention_job {
    ds_exec         *ex;
    ds_tensor       *y;
    const ds_tensor *q, *k, *v;
    const ds_batch  *b, *asking;
    int64_t          layer, group; /* group: query heads per key/value head */
    int64_t          tokens;       /* query tokens of a task */
    int64_t          heads;        /* query heads of a task, at most `group` */
    float            scale;
    bool             pairs;
} attention_job;

/* A task's working memory, laid out in the worker's scratch. */
typedef struct work {
    float   *q, *out, *s, *m, *l, *keys, *values, *row;
    int32_t *limit;
} work;

static work work_at(float *p, int64_t kp)
{
    work w;
    w.q = p;
    w.out = w.q + MOST_ROWS * kp;
    w.s = w.out + MOST_ROWS * kp;
    w.m = w.s + QUERY_ROWS * DS_KV_PAGE;
    w.l = w.m + MOST_ROWS;
    w.limit = (int32_t *)(w.l + MOST_ROWS);
    w.keys = w.l + MOST_ROWS + 64;
    w.values = w.keys + DS_KV_PAGE * kp;
    w.row = w.values + DS_KV_PAGE * kp;
    return w;
}

/* Heads of up to DS_MAX_HEAD fit a worker's scratch. */
_Static_assert(2 * MOST_ROWS * DS_MAX_HEAD + QUERY_ROWS * DS_KV_PAGE + 2 * MOST_ROWS + 64 + 2 * DS_KV_PAGE * DS_MAX_HEAD + 2 * DS_MAX_HEAD <=
                   DS_SCRATCH_FLOATS, "an attention task fits the scratch memory");

/* One task: tokens [t0, t0 + n) of a span, `heads` query heads from h0, key/value head g. */
typedef struct piece {
    const ds_span *span;
    int64_t        t0, n, g, h0, heads;
} piece;

static void load_queries(const attention_job *j, const piece *p, work *w, int64_t kp)
{
    int64_t k = j->b->kv->k;
    for (int64_t r = 0; r < p->n * p->heads; r++) {
        int64_t      token = p->span->first + p->t0 + r / p->heads, head = p->h0 + r % p->heads;
        const float *q = j->q->data + token * j->q->d + head * k;
        float       *to = w->q + r * kp;
        for (int64_t d = 0; d < kp; d++)
            to[d] = d < k ? q[d] * j->scale : 0;
        if (j->pairs) /* in place: the halves are written behind what is read */
            j->ex->micro.bf16_from_f32((uint16_t *)(w->q + r * kp), to, kp);
        memset(w->out + r * kp, 0, (size_t)kp * sizeof(float));
        w->m[r] = -INFINITY;
        w->l[r] = 0;
    }
}

/* Rows [r0, r0 + n) of the task against one page. */
static void attend_rows(const attention_job *j, const piece *p, const work *w, int64_t r0, int64_t n, int64_t page, const void *keys,
                        const void *values)
{
    const ds_micro *m = &j->ex->micro;
    const int64_t   kp = j->b->kv->kp, ld_q = j->pairs ? 2 * kp : kp, ld_s = j->pairs ? 2 * DS_KV_PAGE : DS_KV_PAGE;
    float          *out = w->out + r0 * kp;
    ds_tile_fn     *tile = j->pairs ? m->tile_bf16 : m->tile_f32;
    for (int64_t r = 0; r < n; r++) {
        int64_t pos = p->span->pos + p->t0 + (r0 + r) / p->heads;
        w->limit[r] = (int32_t)ds_min64(DS_KV_PAGE, ds_max64(0, pos + 1 - page * DS_KV_PAGE));
    }
    const int64_t seen = ds_ceil_div(w->limit[n - 1], VECTOR) * VECTOR; /* by the last row, which sees most */
    tile(w->s, DS_KV_PAGE, w->q + r0 * kp, ld_q, keys, DS_KV_PAGE, n, seen, kp, false);
    m->softmax64(w->s, w->limit, w->m + r0, w->l + r0, out, kp, n, kp);
    if (j->pairs)
        for (int64_t r = 0; r < n; r++)
            m->bf16_from_f32((uint16_t *)(w->s + r * DS_KV_PAGE), w->s + r * DS_KV_PAGE, seen);
    tile(out, kp, w->s, ld_s, values, kp, n, kp, seen, true);
}

static void attend_page(const attention_job *j, const piece *p, const work *w, int64_t page)
{
    const ds_kv_shape *s = j->b->kv;
    const ds_micro    *m = &j->ex->micro;
    const int64_t      rows = p->n * p->heads, before = page * DS_KV_PAGE - p->span->pos - p->t0; /* tokens that see none of it */
    void              *memory = p->span->page[page];
    const void        *keys = ds_kv_load_keys(m, s, ds_kv_block(s, memory, j->layer, p->g, 0), j->pairs, w->keys, w->row);
    const void        *values = ds_kv_load_values(m, s, ds_kv_block(s, memory, j->layer, p->g, 1), j->pairs, w->values, w->row);
    int64_t            first = before > 0 ? before * p->heads / QUERY_ROWS * QUERY_ROWS : 0;
    for (int64_t r = first; r < rows; r += QUERY_ROWS)
        attend_rows(j, p, w, r, ds_min64(QUERY_ROWS, rows - r), page, keys, values);
}

static void store_output(const attention_job *j, const piece *p, const work *w, int64_t kp)
{
    int64_t k = j->b->kv->k;
    for (int64_t r = 0; r < p->n * p->heads; r++) {
        int64_t token = p->span->first + p->t0 + r / p->heads, head = p->h0 + r % p->heads;
        float  *y = j->y->data + token * j->y->d + head * k, inverse = 1.0f / w->l[r];
        for (int64_t d = 0; d < k; d++)
            y[d] = w->out[r * kp + d] * inverse;
    }
}

/* Which piece task number `task` is: spans in order, then blocks of tokens from the last (the longest work), then heads. */
static piece piece_of(const attention_job *j, int64_t task)
{
    int64_t head_parts = ds_ceil_div(j->group, j->heads), columns = j->b->kv->n_head * head_parts;
    for (int64_t i = 0;; i++) {
        const ds_span *s = &j->asking->span[i];
        int64_t        blocks = ds_ceil_div(s->n, j->tokens), n_task = blocks * columns;
        if (task >= n_task) {
            task -= n_task;
            continue;
        }
        int64_t block = blocks - 1 - task / columns, column = task % columns, part = column % head_parts;
        piece   p = { .span = s, .t0 = block * j->tokens, .g = column / head_parts };
        p.n = ds_min64(j->tokens, s->n - p.t0);
        p.h0 = p.g * j->group + part * j->heads;
        p.heads = ds_min64(j->heads, j->group - part * j->heads);
        return p;
    }
}

static void attend(const attention_job *j, const piece *p, int worker)
{
    const int64_t kp = j->b->kv->kp, last = p->span->pos + p->t0 + p->n - 1;
    work          w = work_at(j->ex->scratch[worker], kp);
    load_queries(j, p, &w, kp);
    for (int64_t page = 0; page <= last / DS_KV_PAGE; page++)
        attend_page(j, p, &w, page);
    store_output(j, p, &w, kp);
}

static void attention_task(void *arg, int64_t task, int worker)
{
    const attention_job *j = arg;
    piece                p = piece_of(j, task);
    attend(j, &p, worker);
}

static void store_task(void *arg, int64_t head, int worker)
{
    const attention_job *j = arg;
    for (int64_t i = 0; i < j->b->n_span; i++)
        ds_kv_store(&j->ex->micro, j->b->kv, &j->b->span[i], j->layer, head, j->k, j->v, j->ex->scratch[worker]);
}

/* One token of each span: whoever stores a head attends to it, for what it wrote lies in its cache. Items are heads, then spans. */
static void token_range(void *arg, int64_t from, int64_t to, int worker)
{
    const attention_job *j = arg;
    for (int64_t i = from; i < to; i++) {
        piece p = { .span = &j->b->span[i % j->b->n_span], .n = 1, .g = i / j->b->n_span, .heads = j->group };
        p.h0 = p.g * j->group;
        ds_kv_store(&j->ex->micro, j->b->kv, p.span, j->layer, p.g, j->k, j->v, j->ex->scratch[worker]);
        attend(j, &p, worker);
    }
}

/* More rows than one product has only where enough tasks are left for everybody. */
static int64_t rows_of_task(const attention_job *j)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < j->asking->n_span; i++)
        rows += j->asking->span[i].n * j->group * j->b->kv->n_head;
    int64_t share = rows / (TASKS_EACH * (int64_t)j->ex->n_worker) / QUERY_ROWS * QUERY_ROWS;
    return ds_max64(QUERY_ROWS, ds_min64(MOST_ROWS, share));
}

/* Multiply-adds of a batch's queries, or nearly. */
static int64_t cost_of(const ds_batch *b, int64_t d)
{
    int64_t cost = 0;
    for (int64_t i = 0; i < b->n_span; i++)
        cost += b->span[i].n * (b->span[i].pos + b->span[i].n) * d;
    return cost;
}

static bool one_each(const ds_batch *b)
{
    for (int64_t i = 0; i < b->n_span; i++)
        if (b->span[i].n != 1)
            return false;
    return true;
}

static void attend_all(attention_job *j)
{
    int64_t n_task = 0;
    j->heads = ds_min64(j->group, QUERY_ROWS);
    j->tokens = rows_of_task(j) / j->heads;
    for (int64_t i = 0; i < j->asking->n_span; i++)
        n_task += ds_ceil_div(j->asking->span[i].n, j->tokens) * j->b->kv->n_head * ds_ceil_div(j->group, j->heads);
    ds_run(j->ex, n_task, attention_task, j, cost_of(j->asking, j->q->d));
}

void ds_cpu_attention_fwd(ds_exec *ex, ds_tensor *y, const ds_tensor *q, const ds_tensor *k, const ds_tensor *v, const ds_batch *b,
                          const ds_batch *asking, int64_t layer, float scale)
{
    const ds_kv_shape *s = b->kv;
    attention_job      j = { .ex = ex, .y = y, .q = q, .k = k, .v = v, .b = b, .asking = asking, .layer = layer, .scale = scale };
    j.group = q->d / s->k / s->n_head;
    j.pairs = ex->micro.tile_bf16 && (s->type == DS_BF16 || s->type == DS_Q8_0);
    if (asking == b && one_each(b) && j.group <= QUERY_ROWS) {
        ds_run_ranges(ex, s->n_head * b->n_span, 1, token_range, &j, cost_of(b, q->d) + b->n * k->d * STORING);
        return;
    }
    ds_run(ex, s->n_head, store_task, &j, b->n * k->d * STORING);
    attend_all(&j);
}
