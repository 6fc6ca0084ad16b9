#include "op/values.h"

void ds_keep(ds_ctx *cx, ds_tensor *x)
{
    if (cx->status != DS_OK || cx->precision == DS_PRECISION_F32 || x->half)
        return;
    size_t bytes = (size_t)x->n * (size_t)x->d * sizeof *x->half;
    x->half = cx->record ? ds_step_alloc(cx, bytes) : ds_work_alloc(cx, bytes);
    if (x->half)
        cx->k->to_bf16(cx->ex, x->half, x->data, x->n * x->d);
}

ds_mat ds_operand(ds_ctx *cx, ds_tensor *x, bool trans)
{
    if (cx->backward && x->again && !x->made) {
        x->again->op->again(cx, x->again);
        x->made = true;
    }
    return (ds_mat){ .p = x->half ? (const void *)x->half : x->data, .type = x->half ? DS_BF16 : DS_F32, .ld = x->d, .trans = trans,
                     .round = cx->precision == DS_PRECISION_BF16 };
}

ds_mat ds_grad_operand(ds_ctx *cx, const float *grad, int64_t d)
{
    return (ds_mat){ .p = grad, .type = DS_F32, .ld = d, .round = cx->precision == DS_PRECISION_BF16 };
}
