/* The only op, with embed, that knows a weight's type: adapters and shards come in here. */
#include "op/ops.h"
#include "op/values.h"
#include "quant/quant.h"

static void linear_bwd(ds_ctx *cx, const ds_node *node);
static void swiglu_bwd(ds_ctx *cx, const ds_node *node);
static void swiglu_again(ds_ctx *cx, const ds_node *node);
static const ds_op linear_op = { .name = "linear", .bwd = linear_bwd };
static const ds_op swiglu_op = { .name = "swiglu", .bwd = swiglu_bwd, .again = swiglu_again };

static bool fits(const ds_weight *w, const ds_weight *bias)
{
    return !bias || (bias->cols == w->rows && bias->type == DS_F32);
}

#define CHECK_LINEAR(cx, x, w, bias)                                                                                    \
    DS_OP_CHECK(cx, (x)->d == (w)->cols && fits(w, bias), DS_E_SHAPE, "linear: %s is [%lld, %lld]%s, the input has %lld columns", \
                (w)->name, (long long)(w)->rows, (long long)(w)->cols, fits(w, bias) ? "" : " with a bias that does not fit",  \
                (long long)(x)->d)

static void show(ds_ctx *cx, const ds_tensor *x, const ds_weight *w)
{
    if (cx->observe && cx->status == DS_OK)
        cx->observe(cx->observer, w, x);
}

static bool is_float(const ds_weight *w)
{
    return w->type == DS_F32 || w->type == DS_F16 || w->type == DS_BF16;
}

/* Rows as in files, of a type that matrix products read: the layout of weights that learn. */
static bool is_plain(const ds_weight *w)
{
    return w->layout == DS_PLAIN && (w->type == DS_F32 || w->type == DS_BF16);
}

/* Makes the int8 form of x when w is quantized: once for all weights that read the same form. */
static void pack_for(ds_ctx *cx, ds_tensor *x, const ds_weight *w)
{
    if (cx->status != DS_OK || !ds_quant_of(w->type) || is_float(w))
        return;
    int64_t block = cx->k->pack_block(w->type);
    if (x->packed && x->packed_block == block)
        return;
    x->packed_block = block;
    x->packed = ds_work_alloc(cx, (size_t)cx->k->pack_bytes(x->n, x->d, block));
    if (x->packed)
        cx->k->pack(cx->ex, x);
}

static ds_mat weight_operand(const ds_weight *w, bool trans)
{
    return (ds_mat){ .p = w->data, .type = w->type, .ld = w->cols, .trans = trans };
}

/* y[i] (=|+=) x w[i]^T + bias[i] in one run of the inference kernels, for weights that read the same form of x. */
static void multiply_packed(ds_ctx *cx, int n, ds_tensor **y, ds_tensor *x, const ds_weight *const *w, const ds_weight *const *bias,
                            ds_epilogue e)
{
    const float *shift[DS_MOST_LINEARS];
    for (int i = 0; i < n; i++)
        shift[i] = bias[i] ? bias[i]->data : NULL;
    pack_for(cx, x, w[0]);
    if (cx->status == DS_OK)
        cx->k->linear_fwd(cx->ex, n, y, x, w, shift, e);
}

/* y (=|+=) x w^T + bias, by the inference kernels or, for plain weights, as one matrix product. */
static void multiply(ds_ctx *cx, ds_tensor *y, ds_tensor *x, const ds_weight *w, const ds_weight *bias, ds_epilogue e)
{
    if (!is_plain(w)) {
        multiply_packed(cx, 1, &y, x, &w, &bias, e);
        return;
    }
    if (bias)
        cx->k->add_rows(cx->ex, y->data, bias->data, y->n, y->d, e == DS_ADD);
    cx->k->matmul(cx->ex, y->data, y->d, ds_operand(cx, x, false), weight_operand(w, true), y->n, y->d, x->d, bias || e == DS_ADD);
}

/* A quantized weight cannot learn, and the inference kernels read float32 activations. */
#define CHECK_LEARNS(cx, x, w)                                                                                          \
    do {                                                                                                                \
        DS_OP_CHECK(cx, !(w)->grad || is_plain(w), DS_E_UNSUPPORTED,                                                    \
                    "linear: %s is %s%s, which cannot learn: load it as f32 or bf16, or freeze it", (w)->name,          \
                    ds_dtype_name((w)->type), (w)->layout == DS_PLAIN ? "" : " in the layout of inference");            \
        DS_OP_CHECK(cx, (x)->data || is_plain(w), DS_E_UNSUPPORTED,                                                     \
                    "linear: %s is %s: bf16 training needs plain f32 or bf16 weights", (w)->name, ds_dtype_name((w)->type)); \
    } while (0)

/* Checks, and room for the result. */
static ds_tensor *begin(ds_ctx *cx, ds_tensor *x, const ds_weight *w, const ds_weight *bias)
{
    CHECK_LINEAR(cx, x, w, bias);
    CHECK_LEARNS(cx, x, w);
    ds_tensor *y = ds_out(cx, x->n, w->rows);
    show(cx, x, w);
    ds_keep(cx, x);
    DS_OP_ALLOCATED(cx);
    return y;
}

ds_tensor *ds_linear(ds_ctx *cx, ds_tensor *x, const ds_weight *w, const ds_weight *bias)
{
    ds_tensor *y;
    ds_linears(cx, 1, &y, x, &w, &bias);
    return y;
}

/* One run multiplies by them all: they are in the layout of inference, and read the same form of x. */
static bool in_one_run(ds_ctx *cx, int n, const ds_weight *const *w)
{
    if (n < 2 || n > DS_MOST_LINEARS)
        return false;
    for (int i = 0; i < n; i++)
        if (is_plain(w[i]) || !ds_quant_of(w[i]->type) || is_float(w[i]) != is_float(w[0]) ||
            (!is_float(w[i]) && cx->k->pack_block(w[i]->type) != cx->k->pack_block(w[0]->type)))
            return false;
    return true;
}

void ds_linears(ds_ctx *cx, int n, ds_tensor **y, ds_tensor *x, const ds_weight *const *w, const ds_weight *const *bias)
{
    for (int i = 0; i < n; i++)
        y[i] = begin(cx, x, w[i], bias[i]);
    if (cx->status == DS_OK && in_one_run(cx, n, w))
        multiply_packed(cx, n, y, x, w, bias, DS_STORE);
    else
        for (int i = 0; i < n && cx->status == DS_OK; i++)
            multiply(cx, y[i], x, w[i], bias[i], DS_STORE);
    for (int i = 0; i < n; i++)
        y[i] = ds_record(cx, (ds_node){ .op = &linear_op, .out = y[i], .in = { x }, .w = { w[i], bias[i] } });
}

ds_tensor *ds_linear_add(ds_ctx *cx, ds_tensor *residual, ds_tensor *x, const ds_weight *w, const ds_weight *bias, bool last)
{
    CHECK_LINEAR(cx, x, w, bias);
    CHECK_LEARNS(cx, x, w);
    DS_OP_CHECK(cx, residual->d == w->rows && residual->n == x->n, DS_E_SHAPE, "linear: %s gives %lld columns, the residual has %lld",
                w->name, (long long)w->rows, (long long)residual->d);
    show(cx, x, w);
    ds_keep(cx, x);
    DS_OP_ALLOCATED(cx);
    if (!(last && cx->again))
        multiply(cx, residual, x, w, bias, DS_ADD);
    residual->packed = NULL;
    residual->half = NULL;
    return ds_record(cx, (ds_node){ .op = &linear_op, .out = residual, .in = { x }, .w = { w, bias } });
}

/* dx (=|+=) dy w. Weights that are not plain are dequantized a few rows at a time. */
static void input_gradient(ds_ctx *cx, float *dx, bool add, ds_mat dy, int64_t n, const ds_weight *w)
{
    enum { ROWS = 256 };
    if (is_plain(w)) {
        cx->k->matmul(cx->ex, dx, w->cols, dy, weight_operand(w, false), n, w->cols, w->rows, add);
        return;
    }
    ds_tensor *rows = ds_work(cx, ROWS, w->cols);
    for (int64_t r = 0; rows && r < w->rows; r += ROWS) {
        int64_t part = w->rows - r < ROWS ? w->rows - r : ROWS;
        ds_mat  columns = dy;
        columns.p = (const char *)dy.p + r * (dy.type == DS_BF16 ? 2 : 4);
        cx->k->weight_rows(cx->ex, rows->data, w, r, part);
        cx->k->matmul(cx->ex, dx, w->cols, columns, (ds_mat){ .p = rows->data, .type = DS_F32, .ld = w->cols }, n, w->cols, part, add || r > 0);
    }
}

/* x's gradient. It may take the memory of values that were made again and that nobody else reads. */
static float *gradient_of_input(ds_ctx *cx, ds_tensor *x, bool *fresh)
{
    if (x->made && x->data && x->readers == 1 && !x->grad) {
        *fresh = true;
        return x->grad = x->data;
    }
    return ds_grad(cx, x, fresh);
}

/* The residual of ds_linear_add needs nothing: its gradient is the result's. */
static void linear_bwd(ds_ctx *cx, const ds_node *node)
{
    ds_tensor       *x = node->in[0], *y = node->out;
    const ds_weight *w = node->w[0], *bias = node->w[1];
    bool             fresh;
    if (bias && bias->grad)
        cx->k->add_column_sums(cx->ex, bias->grad->data, y->grad, y->n, y->d);
    ds_mat dy = ds_grad_operand(cx, y->grad, y->d), turned = dy;
    turned.trans = true;
    if (w->grad) {
        ds_mat values = ds_operand(cx, x, false);
        if (cx->status == DS_OK)
            cx->k->matmul(cx->ex, w->grad->data, w->cols, turned, values, w->rows, w->cols, y->n, true);
    }
    float *dx = node->need[0] ? gradient_of_input(cx, x, &fresh) : NULL;
    if (dx && cx->status == DS_OK)
        input_gradient(cx, dx, !fresh, dy, y->n, w);
}

/* ---- gated feed-forward ---- */

static ds_tensor *swiglu_of_two(ds_ctx *cx, ds_tensor *g, ds_tensor *u)
{
    DS_OP_ALLOCATED(cx);
    ds_keep(cx, g);
    ds_keep(cx, u);
    ds_tensor *y = ds_remade(cx, g->n, g->d);
    DS_OP_ALLOCATED(cx);
    cx->k->swiglu_fwd(cx->ex, y, g, u);
    return ds_record(cx, (ds_node){ .op = &swiglu_op, .out = y, .in = { g, u } });
}

static void swiglu_again(ds_ctx *cx, const ds_node *node)
{
    ds_tensor *y = node->out, *now = ds_remade(cx, y->n, y->d);
    if (!now)
        return;
    cx->k->swiglu_fwd(cx->ex, now, node->in[0], node->in[1]);
    y->data = now->data;
    y->half = now->half;
}

/* The gradient of `up` takes the memory of the result's, that of `gate` the memory of its values, where they are float32. */
static void swiglu_bwd(ds_ctx *cx, const ds_node *node)
{
    bool       fresh;
    ds_tensor *g = node->in[0], *u = node->in[1], *y = node->out;
    g->grad = g->half ? NULL : g->data;
    if (!ds_grad(cx, g, &fresh))
        return;
    cx->k->swiglu_bwd(cx->ex, g->grad, y->grad, g, u);
    u->grad = y->grad;
}

ds_tensor *ds_linear_swiglu(ds_ctx *cx, ds_tensor *x, const ds_weight *gate, const ds_weight *up, const ds_weight *gate_bias,
                            const ds_weight *up_bias)
{
    bool alike = gate->type == up->type && gate->layout == up->layout && !is_plain(gate) && !gate_bias && !up_bias && !gate->lora && !up->lora;
    if (!alike || cx->record || cx->precision != DS_PRECISION_F32)
        return swiglu_of_two(cx, ds_linear(cx, x, gate, gate_bias), ds_linear(cx, x, up, up_bias));
    CHECK_LINEAR(cx, x, gate, (const ds_weight *)NULL);
    CHECK_LINEAR(cx, x, up, (const ds_weight *)NULL);
    ds_tensor *y = ds_out(cx, x->n, gate->rows);
    show(cx, x, gate);
    show(cx, x, up);
    pack_for(cx, x, gate);
    DS_OP_ALLOCATED(cx);
    cx->k->linear_swiglu_fwd(cx->ex, y, x, gate, up);
    return ds_record(cx, (ds_node){ .op = &linear_op, .out = y, .in = { x }, .w = { gate, up } });
}
