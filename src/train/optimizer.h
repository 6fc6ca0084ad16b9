/* Optimizers: AdamW for every weight, or Muon for the layers' matrices and AdamW for the rest.
 *
 * AdamW (Loshchilov & Hutter 2019), with g the clipped gradient, t the step from 1:
 *     m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
 *     w = (1 - lr decay) w - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
 * There is no decay of vectors (norms, biases).
 *
 * Muon (Jordan 2024; Liu et al. 2025, "Muon is scalable for LLM training"):
 *     momentum = mu momentum + g;  O = orthogonalize(g + mu momentum)
 *     w = (1 - lr decay) w - lr 0.2 sqrt(max(rows, cols)) O
 * so that an update has about the size of AdamW's and one learning rate serves both. */
#ifndef DS_TRAIN_OPTIMIZER_H
#define DS_TRAIN_OPTIMIZER_H
#include "kernel/kernels.h"
#include "model/weights.h"

typedef enum ds_optim_kind { DS_OPTIM_ADAMW, DS_OPTIM_MUON } ds_optim_kind;

typedef struct ds_optim_options {
    ds_optim_kind kind;
    double        beta1, beta2, eps, weight_decay, muon_momentum;
    bool          moments_8bit; /* AdamW's moments as bytes, scaled in blocks of 256; a weight then has 2 bytes of state, not 8 */
    bool          bf16;         /* Muon's products of bf16 values */
    uint64_t      seed;         /* of stochastic rounding */
} ds_optim_options;

/** One tensor of the state: saved and restored as bytes. */
typedef struct ds_optim_state {
    char     name[112]; /* "model.norm.weight.exp_avg" */
    ds_dtype type;      /* F32; bytes have type DS_Q8_0 and are no blocks: `bytes` says how many there are */
    int64_t  rows, cols;
    void    *data;
    uint64_t bytes;
} ds_optim_state;

typedef struct ds_optim ds_optim;

/** State, all zero, for weights w[0..n) that have gradients (w->grad), of the given roles. Weights are F32, or BF16, which are
 *  rounded stochastically (no master copy). They must outlive the optimizer. DS_E_ARG for another type, DS_E_NOMEM. */
ds_status ds_optim_create(ds_optim **out, ds_exec *ex, const ds_kernels *k, ds_weight *const *w, const ds_role *role, int64_t n,
                          const ds_optim_options *o);
void      ds_optim_destroy(ds_optim **o); /* NULL-safe */

/** The norm of all gradients together: NaN or infinite when one of them is. */
double ds_optim_grad_norm(const ds_optim *o);
/** One update; gradients are multiplied by grad_scale first and are zero afterwards. step counts from 1. */
void ds_optim_step(ds_optim *o, double lr, int64_t step, double grad_scale);
/** Makes all gradients zero without an update. */
void ds_optim_skip(ds_optim *o);

int64_t ds_optim_state_count(const ds_optim *o);
void    ds_optim_state_at(const ds_optim *o, int64_t i, ds_optim_state *s);

/** Bytes of state and working memory for a model of that configuration. */
uint64_t ds_optim_bytes(const ds_optim_options *o, const ds_kernels *k, const ds_config *c);
#endif
