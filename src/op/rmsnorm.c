#include "op/ops.h"
#include "op/values.h"

static void rmsnorm_again(ds_ctx *cx, const ds_node *node);
static void rmsnorm_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op rmsnorm_op = { .name = "rmsnorm", .bwd = rmsnorm_bwd, .again = rmsnorm_again };

/* What backward needs of x is its normalised rows: x itself is the residual stream, which later layers overwrite, and y is the
 * normalised rows times w, cheaply made again. */
ds_tensor *ds_rmsnorm(ds_ctx *cx, ds_tensor *x, const ds_weight *w, double eps)
{
    DS_OP_CHECK(cx, x->d == w->cols && w->type == DS_F32, DS_E_SHAPE, "rmsnorm: %s is %s [%lld], expected f32 [%lld]", w->name,
                ds_dtype_name(w->type), (long long)w->cols, (long long)x->d);
    if (!cx->record && cx->precision == DS_PRECISION_F32) {
        ds_tensor *plain = ds_out(cx, x->n, x->d);
        DS_OP_ALLOCATED(cx);
        cx->k->rmsnorm_fwd(cx->ex, plain, x, w, (float)eps);
        return ds_record(cx, (ds_node){ .op = &rmsnorm_op, .out = plain, .in = { x }, .w = { w } });
    }
    ds_tensor *normal = ds_saved(cx, x->n, x->d), *rstd = ds_step_alloc(cx, sizeof *rstd), *y = ds_remade(cx, x->n, x->d);
    float     *r = cx->record ? ds_step_alloc(cx, (size_t)x->n * sizeof *r) : ds_work_alloc(cx, (size_t)x->n * sizeof *r);
    DS_OP_ALLOCATED(cx);
    *rstd = (ds_tensor){ .n = x->n, .d = 1, .data = r };
    cx->k->rmsnorm_save(cx->ex, y, normal, rstd, x, w, (float)eps);
    return ds_record(cx, (ds_node){ .op = &rmsnorm_op, .out = y, .in = { x }, .w = { w }, .saved = { normal, rstd } });
}

static void rmsnorm_again(ds_ctx *cx, const ds_node *node)
{
    ds_tensor *y = node->out, *now = ds_remade(cx, y->n, y->d);
    if (!now)
        return;
    cx->k->scale_columns(cx->ex, now, node->saved[0], node->w[0]);
    y->data = now->data;
    y->half = now->half;
}

/* The first gradient of x takes the memory of the result's. */
static void rmsnorm_bwd(ds_ctx *cx, const ds_node *node)
{
    const ds_weight *w = node->w[0];
    ds_tensor       *x = node->in[0];
    float           *dy = node->out->grad;
    bool             fresh = !x->grad;
    if (w->grad)
        cx->k->rmsnorm_bwd_w(cx->ex, w->grad->data, dy, node->saved[0]);
    if (!node->need[0])
        return;
    x->grad = fresh ? dy : x->grad;
    cx->k->rmsnorm_bwd_x(cx->ex, x->grad, dy, node->saved[0], node->saved[1], w, !fresh);
}
