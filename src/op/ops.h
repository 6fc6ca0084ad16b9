/* The ops of the dense decoder. Each checks its arguments, runs its kernel and records itself. All return NULL, and leave the
 * context failed, when something does not fit; after a failure they do nothing, so a model reads as straight-line code.
 * Results are owned by cx->step. Not thread-safe per context. Symbols: N packed tokens, D width, H query heads, G key/value
 * heads, K head size, F feed-forward width, V vocabulary.
 *
 * When the context records, an op whose inputs or weights learn goes on the tape (tensor/ctx.h) and its backward rule adds to the
 * gradients that its docstring names; the arrays it was given (tokens, batch, rows) must then live until backward. */
#ifndef DS_OP_OPS_H
#define DS_OP_OPS_H
#include "tensor/ctx.h"

/** Rows of the embedding: y[i] = w[token[i]]. w [V,D] any type; token [n], each in [0, V).
 *  Returns [n,D]. Grads: w. Sticky errors: DS_E_ARG for a token outside the vocabulary. */
ds_tensor *ds_embed(ds_ctx *cx, const ds_weight *w, const int32_t *token, int64_t n);

/** RMS norm: y = x * w / sqrt(mean(x^2) + eps).  (Zhang & Sennrich 2019)
 *  x [N,D]; w [1,D] f32; eps > 0. Returns [N,D]. Grads: x, w. Sticky errors: DS_E_SHAPE if w is not [D]. */
ds_tensor *ds_rmsnorm(ds_ctx *cx, ds_tensor *x, const ds_weight *w, double eps);

/** y = x w^T + bias. x [N,cols]; w [rows,cols] of any type; bias NULL or [1,rows] f32. Quantized weights multiply int8
 *  activations (scales over 256 columns; 32 beside Q8_0). Returns [N,rows]. Grads: x, w, bias. Sticky errors: DS_E_SHAPE. */
ds_tensor *ds_linear(ds_ctx *cx, ds_tensor *x, const ds_weight *w, const ds_weight *bias);

/** y[i] = x w[i]^T + bias[i] for n weights, as ds_linear; where up to three are quantized alike, for a few rows one run of the threads
 *  makes them all. On failure y is all NULL. */
void ds_linears(ds_ctx *cx, int n, ds_tensor **y, ds_tensor *x, const ds_weight *const *w, const ds_weight *const *bias);

/** residual + x w^T + bias, in residual's memory. Shapes as ds_linear; residual [N,rows]. Returns residual. `last`: the block adds no
 *  more; when it runs again for backward, nobody reads the sum, and it is not made. */
ds_tensor *ds_linear_add(ds_ctx *cx, ds_tensor *residual, ds_tensor *x, const ds_weight *w, const ds_weight *bias, bool last);

/** Gated feed-forward input: y = silu(x gate^T) * (x up^T), silu(z) = z / (1 + e^-z).  (Shazeer 2020)
 *  One fused pass when neither matrix has a bias. Returns [N,F]. Grads: x, gate, up. */
ds_tensor *ds_linear_swiglu(ds_ctx *cx, ds_tensor *x, const ds_weight *gate, const ds_weight *up, const ds_weight *gate_bias,
                            const ds_weight *up_bias);

/** Cosines and sines of the rotary angles of the batch's tokens.  (Su et al. 2021)
 *  frequency [K/2], radians per position, or one such row for each span when per_span; factor multiplies both (YaRN's attention factor). Returns [N,K/2] each. */
typedef struct ds_angles {
    ds_tensor *cosine, *sine;
    ds_tensor *minus; /* -sine, for backward, when the context records */
} ds_angles;
ds_angles ds_rope_angles(ds_ctx *cx, const ds_batch *b, const float *frequency, bool per_span, int64_t half, float factor);

/** Rotates the two halves of every head in place: (a, b) -> (a cos - b sin, b cos + a sin). x [N, heads * K]. Returns x.
 *  Grads: x. */
ds_tensor *ds_rope(ds_ctx *cx, ds_tensor *x, ds_angles angles, int64_t n_head);

/** Causal attention of each row over its own sequence. k and v [N,G K], rows of b; q [Q,H K], rows of `asking`: b itself or, with
 *  pages, a batch of spans that lie within b's; H a multiple of G. y = softmax(q k^T / sqrt(K)) v. Returns [Q,H K]. With pages
 *  (b->kv) the keys and values are stored there first and nothing can be recorded; without, each span attends to its own packed
 *  rows. Grads: q, k, v.  (Dao et al. 2022: backward makes the probabilities again.) Sticky errors: DS_E_SHAPE. */
ds_tensor *ds_attention(ds_ctx *cx, ds_tensor *q, ds_tensor *k, ds_tensor *v, const ds_batch *b, const ds_batch *asking, int64_t layer,
                        int64_t n_kv_head);

/** Rows index[0..n) of x [N,D]. Returns [n,D]. Grads: x. */
ds_tensor *ds_gather(ds_ctx *cx, ds_tensor *x, const int64_t *index, int64_t n);

/** residual + x, in residual's memory. Both [N,D]. Returns residual. Grads: both. */
ds_tensor *ds_add(ds_ctx *cx, ds_tensor *residual, ds_tensor *x);

/** Inverted dropout in place: each value becomes 0 with probability p (in steps of 1/65536), else x / (1 - p). Which ones is a
 *  pure function of drop.seed, drop.stream and the value's place; use one stream for each call of each step. p = 0 does nothing.
 *  Returns x. Grads: x. Sticky errors: DS_E_ARG unless 0 <= p < 1. (Srivastava et al. 2014) */
ds_tensor *ds_dropout(ds_ctx *cx, ds_tensor *x, ds_drop drop);

/** Cross-entropy of the output projection, the loss of training: with C the number of targets that are not -1,
 *      loss = scale / C * sum over them of -log softmax(hidden head^T)[row, target].
 *  hidden [N,D]; head [V,D], plain f32 or bf16; target [N], each in [0, V) or -1, which does not count. Returns [1,1]; 0 when
 *  nothing counts. To accumulate gradients over parts of a batch as if it were one, give each part the scale C of it / C of all:
 *  losses and gradients then add up to the whole batch's mean. Logits exist for a block of rows at a time (64 MiB at most).
 *  Grads: hidden, head. When the context records they are computed at once: head's gradient is complete when this returns, and
 *  ds_backward must start from this loss itself. Sticky errors: DS_E_SHAPE, DS_E_ARG, DS_E_UNSUPPORTED (a packed head). */
ds_tensor *ds_cross_entropy(ds_ctx *cx, ds_tensor *hidden, const ds_weight *head, const int32_t *target, float scale);
#endif
