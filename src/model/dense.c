#include "model/dense.h"

#include "op/ops.h"

typedef ds_tensor T;

ds_weight *ds_dense_weight(ds_dense *m, const ds_weight_spec *s)
{
    char *base = s->layer < 0 ? (char *)m : (char *)&m->layer[s->layer];
    return (ds_weight *)(base + s->field);
}

static bool name_weight(ds_dense *m, int64_t i)
{
    ds_weight_spec s;
    ds_weight_at(&m->config, i, &s);
    *ds_dense_weight(m, &s) = (ds_weight){
        .name = ds_arena_strdup(&m->memory, s.name),
        .type = DS_DTYPE_NONE,
        .rows = s.n_dim == 2 ? s.dim[0] : 1,
        .cols = s.dim[s.n_dim - 1],
    };
    return ds_dense_weight(m, &s)->name;
}

ds_status ds_dense_init(ds_dense *m, const ds_config *c)
{
    *m = (ds_dense){ .config = *c };
    m->layer = ds_arena_calloc(&m->memory, (size_t)c->n_layer * sizeof *m->layer);
    m->frequency = ds_arena_calloc(&m->memory, (size_t)(c->head_dim / 2 + 1) * sizeof *m->frequency);
    bool ok = m->layer && m->frequency;
    for (int64_t i = 0; ok && i < ds_weight_count(c); i++)
        ok = name_weight(m, i);
    if (!ok) {
        ds_dense_free(m);
        return DS_E_NOMEM;
    }
    ds_rope_frequencies(c, 0, m->frequency, &m->angle_factor);
    return DS_OK;
}

void ds_dense_free(ds_dense *m)
{
    ds_arena_free(&m->memory);
    *m = (ds_dense){ 0 };
}

/* ---- forward ---- */

static const ds_weight *present(const ds_weight *bias)
{
    return bias->data ? bias : NULL;
}

/* What a block needs besides its residual stream. */
typedef struct block_arg {
    ds_dense               *m;
    const ds_batch         *b, *asking; /* asking: b, or some of its rows as spans of their own: the others only give keys and values */
    ds_angles               angles, asking_angles;
    const int64_t          *row;        /* which rows those are; NULL: all */
    int64_t                 layer;
    const ds_train_options *train;      /* NULL: no dropout */
} block_arg;

/* Dropout number `site` of this call: 0 the embedding, then two a layer. */
static ds_drop drop_at(const ds_train_options *o, int64_t site)
{
    return (ds_drop){ .p = o ? o->dropout : 0, .seed = o ? o->seed : 0, .stream = o ? o->counter << 16 | (uint64_t)site : 0 };
}

/* x += what half a block found, some of it dropped in training. */
static T *add_to(ds_ctx *cx, T *x, T *h, const ds_weight *w, const ds_weight *bias, ds_drop drop, bool last)
{
    if (drop.p == 0)
        return ds_linear_add(cx, x, h, w, present(bias), last);
    return ds_add(cx, x, ds_dropout(cx, ds_linear(cx, h, w, present(bias)), drop));
}

static T *asking_rows(ds_ctx *cx, const block_arg *a, T *x)
{
    return a->row ? ds_gather(cx, x, a->row, a->asking->n) : x;
}

static T *feed_forward(ds_ctx *cx, const void *arg, T *x)
{
    const block_arg *a = arg;
    const ds_layer  *L = &a->m->layer[a->layer];
    T               *h = ds_rmsnorm(cx, x, &L->mlp_norm, a->m->config.rms_eps);
    h = ds_linear_swiglu(cx, h, &L->gate, &L->up, present(&L->gate_bias), present(&L->up_bias));
    return add_to(cx, x, h, &L->down, &L->down_bias, drop_at(a->train, 2 + 2 * a->layer), true);
}

/* Queries of the rows that ask, keys and values of all. */
static void project(ds_ctx *cx, const block_arg *a, T *h, T *qkv[3])
{
    const ds_layer  *L = &a->m->layer[a->layer];
    const ds_weight *w[] = { &L->q, &L->k, &L->v }, *bias[] = { present(&L->q_bias), present(&L->k_bias), present(&L->v_bias) };
    int              apart = a->row ? 1 : 0;
    ds_linears(cx, apart, qkv, asking_rows(cx, a, h), w, bias);
    ds_linears(cx, 3 - apart, qkv + apart, h, w + apart, bias + apart);
}

static T *block(ds_ctx *cx, const void *arg, T *x)
{
    const block_arg *a = arg;
    const ds_config *c = &a->m->config;
    const ds_layer  *L = &a->m->layer[a->layer];
    T               *h = ds_rmsnorm(cx, x, &L->attn_norm, c->rms_eps);
    T               *qkv[3];
    project(cx, a, h, qkv);
    T *q = ds_rope(cx, qkv[0], a->asking_angles, c->n_head);
    T *k = ds_rope(cx, qkv[1], a->angles, c->n_kv_head);
    h = ds_attention(cx, q, k, qkv[2], a->b, a->asking, a->layer, c->n_kv_head);
    x = asking_rows(cx, a, x);
    x = add_to(cx, x, h, &L->o, &L->o_bias, drop_at(a->train, 1 + 2 * a->layer), false);
    return ds_run_block(cx, feed_forward, a, x);
}

/* Dynamic NTK scaling depends on how long a sequence is: each span has frequencies of its own. */
static ds_angles angles_of(ds_ctx *cx, const ds_dense *m, const ds_batch *b)
{
    int64_t half = m->config.head_dim / 2;
    if (m->config.rope.kind != DS_ROPE_DYNAMIC)
        return ds_rope_angles(cx, b, m->frequency, false, half, m->angle_factor);
    T *frequency = ds_out(cx, b->n_span, half);
    float factor = 1;
    for (int64_t s = 0; frequency && s < b->n_span; s++)
        ds_rope_frequencies(&m->config, b->span[s].total, frequency->data + s * half, &factor);
    return ds_rope_angles(cx, b, frequency ? frequency->data : NULL, true, half, factor);
}

/* Makes the last block go on with some rows only. */
static void ask(ds_ctx *cx, block_arg *a, const int64_t *row, int64_t n)
{
    ds_batch      *asking = ds_step_alloc(cx, sizeof *asking);
    ds_span       *span = ds_step_alloc(cx, (size_t)n * sizeof *span);
    const ds_span *of = a->b->span;
    if (cx->status != DS_OK)
        return;
    for (int64_t i = 0; i < n; i++) {
        while (row[i] >= of->first + of->n)
            of++;
        span[i] = (ds_span){ .first = i, .n = 1, .pos = of->pos + row[i] - of->first, .total = of->total, .page = of->page };
    }
    *asking = (ds_batch){ .n = n, .n_span = n, .span = span, .kv = a->b->kv };
    a->asking = asking;
    a->row = row;
    a->asking_angles.cosine = ds_gather(cx, a->angles.cosine, row, n);
    a->asking_angles.sine = ds_gather(cx, a->angles.sine, row, n);
}

/* Room for a block's input in its largest gradient, while that is zero; NULL when there is none. */
static float *lent_room(const ds_layer *L, const ds_train_options *o, const T *x)
{
    const ds_weight *w = &L->gate;
    return o->zero_gradients && w->grad && x->n * x->d <= w->rows * w->cols ? w->grad->data : NULL;
}

static T *run_block(ds_ctx *cx, const block_arg *a, T *x)
{
    if (a->row) /* a block changes the stream in place, which one that leaves rows out cannot */
        return block(cx, a, x);
    if (x && a->train && a->train->recompute)
        return ds_run_block_again(cx, block, a, x, lent_room(&a->m->layer[a->layer], a->train, x));
    return ds_run_block(cx, block, a, x);
}

/* The residual stream after all layers, of some rows or all (row NULL). It is all that stays of a layer, unless the context records. */
static T *run_blocks(ds_ctx *cx, ds_dense *m, const ds_batch *b, const int64_t *row, int64_t n_row, const ds_train_options *o)
{
    ds_angles  angles = angles_of(cx, m, b);
    int64_t    n = m->config.n_layer;
    block_arg *a = ds_step_alloc(cx, (size_t)n * sizeof *a);
    T         *x = ds_embed(cx, &m->embed, b->token, b->n);
    if (x && o)
        x = ds_dropout(cx, x, drop_at(o, 0));
    for (int64_t i = 0; i < n && cx->status == DS_OK; i++) {
        ds_status st = m->acquire ? m->acquire(m->acquire_arg, i) : DS_OK;
        if (st != DS_OK)
            return ds_ctx_fail(cx, st, __FILE__, __LINE__, "%s", ds_error());
        a[i] = (block_arg){ .m = m, .b = b, .asking = b, .angles = angles, .asking_angles = angles, .layer = i, .train = o };
        if (row && i == n - 1)
            ask(cx, &a[i], row, n_row);
        x = run_block(cx, &a[i], x);
    }
    return x;
}

T *ds_dense_hidden(ds_ctx *cx, ds_dense *m, const ds_batch *b, const int64_t *row, int64_t n_row)
{
    DS_OP_CHECK(cx, n_row == b->n || b->kv, DS_E_ARG, "without pages the hidden states of all rows are made, not of %lld of %lld",
                (long long)n_row, (long long)b->n);
    T *x = run_blocks(cx, m, b, n_row < b->n ? row : NULL, n_row, NULL);
    return x ? ds_rmsnorm(cx, x, &m->norm, m->config.rms_eps) : NULL;
}

T *ds_dense_loss(ds_ctx *cx, ds_dense *m, const ds_batch *b, const int32_t *target, const ds_train_options *o)
{
    DS_OP_CHECK(cx, !b->kv && !m->acquire, DS_E_ARG, "training: the batch must have no pages, and all layers must stay in memory");
    ds_train_options *kept = ds_step_alloc(cx, sizeof *kept);
    DS_OP_ALLOCATED(cx);
    *kept = o ? *o : (ds_train_options){ 0 };
    T *x = run_blocks(cx, m, b, NULL, 0, kept);
    T *h = x ? ds_rmsnorm(cx, x, &m->norm, m->config.rms_eps) : NULL;
    return h ? ds_cross_entropy(cx, h, &m->head, target, kept->scale == 0 ? 1 : kept->scale) : NULL;
}

T *ds_dense_logits(ds_ctx *cx, ds_dense *m, T *hidden)
{
    return ds_linear(cx, hidden, &m->head, NULL);
}
