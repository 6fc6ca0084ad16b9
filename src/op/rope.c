#include <math.h>

#include "kernel/kernels.h"
#include "op/ops.h"

static void rope_bwd(ds_ctx *cx, const ds_node *node);
static const ds_op rope_op = { .name = "rope", .bwd = rope_bwd };

ds_angles ds_rope_angles(ds_ctx *cx, const ds_batch *b, const float *frequency, bool per_span, int64_t half, float factor)
{
    ds_angles a = { ds_out(cx, b->n, half), ds_out(cx, b->n, half), cx->record ? ds_out(cx, b->n, half) : NULL };
    if (cx->status != DS_OK)
        return a;
    for (int64_t s = 0; s < b->n_span; s++, frequency += per_span ? half : 0)
        for (int64_t t = 0; t < b->span[s].n; t++) {
            int64_t at = (b->span[s].first + t) * half;
            float   pos = (float)(b->span[s].pos + t);
            for (int64_t i = 0; i < half; i++) {
                float angle = pos * frequency[i];
                a.cosine->data[at + i] = cosf(angle) * factor;
                a.sine->data[at + i] = sinf(angle) * factor;
                if (a.minus)
                    a.minus->data[at + i] = -a.sine->data[at + i];
            }
        }
    return a;
}

ds_tensor *ds_rope(ds_ctx *cx, ds_tensor *x, ds_angles angles, int64_t n_head)
{
    DS_OP_CHECK(cx, x->d == n_head * 2 * angles.cosine->d && x->n == angles.cosine->n, DS_E_SHAPE,
                "rope: %lld columns are not %lld heads of %lld", (long long)x->d, (long long)n_head, (long long)(2 * angles.cosine->d));
    cx->k->rope_fwd(cx->ex, x, angles.cosine, angles.sine, n_head);
    return ds_record(cx, (ds_node){ .op = &rope_op, .out = x, .in = { x }, .saved = { angles.cosine, angles.minus } });
}

/* The gradient turns back, in place: the tensor before the rotation is the same as the one after it. */
static void rope_bwd(ds_ctx *cx, const ds_node *node)
{
    ds_tensor dy = { .n = node->out->n, .d = node->out->d, .data = node->out->grad };
    cx->k->rope_fwd(cx->ex, &dy, node->saved[0], node->saved[1], dy.d / (2 * node->saved[0]->d));
}
