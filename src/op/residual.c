/* Additions to the residual stream, and dropout. */
#include <string.h>

#include "kernel/kernels.h"
#include "op/ops.h"

static void add_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op add_op = { .name = "add", .bwd = add_bwd };

ds_tensor *ds_add(ds_ctx *cx, ds_tensor *residual, ds_tensor *x)
{
    DS_OP_CHECK(cx, residual->d == x->d && residual->n == x->n, DS_E_SHAPE, "add: [%lld, %lld] and [%lld, %lld]", (long long)residual->n,
                (long long)residual->d, (long long)x->n, (long long)x->d);
    cx->k->add(cx->ex, residual->data, x->data, x->n * x->d, true);
    residual->packed = NULL;
    residual->half = NULL;
    return ds_record(cx, (ds_node){ .op = &add_op, .out = residual, .in = { x } });
}

static void add_bwd(ds_ctx *cx, const ds_node *node)
{
    bool   fresh;
    float *dx = ds_grad(cx, node->in[0], &fresh);
    if (dx)
        cx->k->add(cx->ex, dx, node->out->grad, node->out->n * node->out->d, !fresh);
}

/* ---- dropout ---- */

static void dropout_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op dropout_op = { .name = "dropout", .bwd = dropout_bwd };

ds_tensor *ds_dropout(ds_ctx *cx, ds_tensor *x, ds_drop drop)
{
    DS_OP_CHECK(cx, drop.p >= 0 && drop.p < 1, DS_E_ARG, "dropout: probability %g is outside [0, 1)", (double)drop.p);
    if (drop.p == 0)
        return x;
    ds_drop *kept = ds_step_alloc(cx, sizeof *kept);
    DS_OP_ALLOCATED(cx);
    *kept = drop;
    cx->k->dropout(cx->ex, x->data, x->n * x->d, drop);
    x->packed = NULL;
    x->half = NULL;
    return ds_record(cx, (ds_node){ .op = &dropout_op, .out = x, .in = { x }, .arg = kept });
}

static void dropout_bwd(ds_ctx *cx, const ds_node *node)
{
    cx->k->dropout(cx->ex, node->out->grad, node->out->n * node->out->d, *(const ds_drop *)node->arg);
}
