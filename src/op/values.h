/* Values of activations and gradients as operands of matrix products, in the context's precision. For ops only. */
#ifndef DS_OP_VALUES_H
#define DS_OP_VALUES_H
#include "kernel/kernels.h"
#include "tensor/ctx.h"

/** Readies x for matrix products and for backward: in bf16 precision makes x->half. */
void ds_keep(ds_ctx *cx, ds_tensor *x);
/** x as a matrix operand, after ds_keep: its bf16 values where it has them. In backward, makes values again that were not kept. */
ds_mat ds_operand(ds_ctx *cx, ds_tensor *x, bool trans);
/** A gradient with rows of d as a matrix operand of the context's precision. */
ds_mat ds_grad_operand(ds_ctx *cx, const float *grad, int64_t d);
#endif
