#include <string.h>

#include "kernel/kernels.h"
#include "op/ops.h"

static void embed_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op embed_op = { .name = "embed", .bwd = embed_bwd };

ds_tensor *ds_embed(ds_ctx *cx, const ds_weight *w, const int32_t *token, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        DS_OP_CHECK(cx, token[i] >= 0 && token[i] < w->rows, DS_E_ARG, "token %d at %lld is outside the vocabulary of %lld",
                    (int)token[i], (long long)i, (long long)w->rows);
    ds_tensor *y = ds_out(cx, n, w->cols);
    DS_OP_ALLOCATED(cx);
    cx->k->embed_fwd(cx->ex, y, w, token);
    return ds_record(cx, (ds_node){ .op = &embed_op, .out = y, .w = { w }, .arg = token });
}

static void embed_bwd(ds_ctx *cx, const ds_node *node)
{
    cx->k->embed_bwd(cx->ex, node->w[0]->grad->data, node->out->grad, node->arg, node->out->n, node->out->d);
}

static void gather_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op gather_op = { .name = "gather", .bwd = gather_bwd };

ds_tensor *ds_gather(ds_ctx *cx, ds_tensor *x, const int64_t *index, int64_t n)
{
    ds_tensor *y = ds_out(cx, n, x ? x->d : 0);
    DS_OP_ALLOCATED(cx);
    for (int64_t i = 0; i < n; i++)
        memcpy(y->data + i * y->d, x->data + index[i] * x->d, (size_t)x->d * sizeof(float));
    return ds_record(cx, (ds_node){ .op = &gather_op, .out = y, .in = { x }, .arg = index });
}

static void gather_bwd(ds_ctx *cx, const ds_node *node)
{
    bool           fresh;
    ds_tensor     *x = node->in[0];
    const int64_t *index = node->arg;
    float         *dx = ds_grad(cx, x, &fresh);
    if (!dx)
        return;
    if (fresh)
        memset(dx, 0, (size_t)x->n * (size_t)x->d * sizeof *dx);
    for (int64_t i = 0; i < node->out->n; i++)
        for (int64_t j = 0; j < x->d; j++)
            dx[index[i] * x->d + j] += node->out->grad[i * x->d + j];
}
