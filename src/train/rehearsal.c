#include "train/rehearsal.h"

#include "base/mem.h"
#include "kernel/kernels.h"
#include "train/net.h"
#include "train/order.h"

/* ---- kernels that do nothing ---- */

#define NOTHING_void(fn, args) \
    static void nothing_##fn args {}
#define NOTHING_int64_t(fn, args)
#define NOTHING_double(fn, args)
#define NOTHING_ds_status(fn, args)
#define DS_KERNEL(ret, fn, args) NOTHING_##ret(fn, args)
#include "kernel/ops.def"
#undef DS_KERNEL

#define TAKE_void(fn) k.fn = nothing_##fn;
#define TAKE_int64_t(fn) /* sizes stay those of the backend */
#define TAKE_double(fn)
#define TAKE_ds_status(fn)

static ds_kernels do_nothing(const ds_kernels *of)
{
    ds_kernels k = *of;
#define DS_KERNEL(ret, fn, args) TAKE_##ret(fn)
#include "kernel/ops.def"
#undef DS_KERNEL
    return k;
}

/* ---- activations ---- */

enum { MOST_LAYERS = 16 };

/* A model whose weights are nowhere: only shapes and pointers that nobody follows, but for `grad`, in which blocks' inputs wait. */
static ds_status shadow(ds_net *net, const ds_config *c, ds_dtype type, ds_tensor *grad)
{
    static float nowhere;
    *net = (ds_net){ 0 };
    DS_TRY(ds_dense_init(&net->dense, c));
    for (int64_t i = 0; i < ds_weight_count(c); i++) {
        ds_weight_spec s;
        ds_weight_at(c, i, &s);
        ds_weight *w = ds_dense_weight(&net->dense, &s);
        w->type = w->rows > 1 ? type : DS_F32;
        w->layout = DS_PLAIN;
        w->data = &nowhere;
        w->grad = grad;
    }
    if (c->tied)
        net->dense.head = net->dense.embed;
    return DS_OK;
}

/* The most that one pass of that many layers holds at once. */
static ds_status pass(const ds_recipe *r, ds_config c, int64_t layers, const ds_rows *rows, const ds_kernels *k, ds_exec *ex, uint64_t *bytes)
{
    ds_net           net;
    ds_ctx           cx = { .k = k, .ex = ex, .record = true };
    ds_train_options o = { .dropout = (float)r->model.dropout, .recompute = r->precision.recompute, .zero_gradients = r->accumulate == 1, .scale = 1 };
    ds_batch         b = { .n = rows->n, .n_span = rows->n_span, .token = rows->token, .span = rows->span };
    size_t           room = (size_t)(rows->n * c.d_model) * sizeof(float);
    ds_tensor        grad = { .data = ds_alloc_pages(room) };
    c.n_layer = layers;
    cx.precision = r->precision.bf16 ? DS_PRECISION_BF16 : DS_PRECISION_F32;
    ds_status st = grad.data ? shadow(&net, &c, r->precision.stochastic_rounding ? DS_BF16 : DS_F32, &grad) : DS_E_NOMEM;
    if (st == DS_OK) {
        ds_tensor *loss = ds_dense_loss(&cx, &net.dense, &b, rows->target, &o);
        st = ds_ctx_status(&cx);
        if (st == DS_OK)
            st = ds_backward(&cx, loss);
        ds_dense_free(&net.dense);
    }
    *bytes = cx.peak;
    ds_ctx_free(&cx);
    ds_free_pages(grad.data, room);
    return st;
}

/* Every layer keeps the same: of a deep model it is enough to see how much the second half of its first layers adds. */
static ds_status sequences_of(const ds_recipe *r, const ds_config *c, int64_t sequence, const ds_kernels *k, ds_exec *ex, uint64_t *bytes)
{
    ds_rows   rows = { 0 };
    uint64_t  half = 0, all = 0;
    int64_t   seen = c->n_layer < MOST_LAYERS ? c->n_layer : MOST_LAYERS;
    ds_status st = ds_rows_blank(&rows, r->batch_tokens / r->accumulate, sequence);
    if (st == DS_OK)
        st = pass(r, *c, seen, &rows, k, ex, &all);
    if (st == DS_OK && seen < c->n_layer)
        st = pass(r, *c, seen / 2, &rows, k, ex, &half);
    *bytes = all + (uint64_t)((double)(c->n_layer - seen) * (double)(all - half) / (double)(seen - seen / 2));
    ds_rows_free(&rows);
    return st;
}

ds_status ds_rehearse(const ds_recipe *r, const ds_config *c, uint64_t *most)
{
    const ds_kernels *real;
    ds_exec          *ex;
    *most = 0;
    DS_TRY(ds_exec_cpu(&ex, &real, 1, ~0u));
    ds_kernels k = do_nothing(real);
    ds_status  st = DS_OK;
    for (int s = 0; s < r->n_stage && st == DS_OK; s++) {
        uint64_t bytes;
        st = sequences_of(r, c, r->stage[s].sequence, &k, ex, &bytes);
        *most = bytes > *most ? bytes : *most;
    }
    ds_exec_close(&ex);
    return st;
}
