/* What the optimizer kernels work on. The formulas are in train/optimizer.h. */
#ifndef DS_KERNEL_OPTIM_H
#define DS_KERNEL_OPTIM_H
#include <stdbool.h>
#include <stdint.h>

enum { DS_MOMENT_BLOCK = 256 }; /* 8-bit moments: values that share their scales */

/* The numbers of one step, the same for every weight but for the decay. */
typedef struct ds_adamw_step {
    float    keep;       /* 1 - learning rate * weight decay */
    float    rate;       /* learning rate / (1 - beta1^step) */
    float    beta1, beta2, eps;
    float    root;       /* 1 / sqrt(1 - beta2^step) */
    float    grad_scale; /* multiplies the gradient first */
    uint64_t seed, step; /* of stochastic rounding */
} ds_adamw_step;

/* A weight of n values. w is float32, or bf16 values that are rounded stochastically. Moments are float32 m and v [n], or, with scale
 * [2 ceil(n/256)], bytes m8 and v8 [n]. */
typedef struct ds_adamw {
    void    *w;
    bool     bf16;
    float   *g, *m, *v;
    int8_t  *m8, *v8;
    float   *scale;
    int64_t  n;
    uint64_t stream; /* of stochastic rounding: the weight's number */
} ds_adamw;

typedef struct ds_muon_step {
    float    keep, rate; /* rate: learning rate * 0.2 * sqrt(max(rows, cols)) */
    float    momentum, grad_scale;
    bool     round;      /* bf16 products */
    uint64_t seed, step;
} ds_muon_step;

typedef struct ds_muon {
    void    *w;
    bool     bf16;
    float   *g, *momentum, *work; /* [rows, cols] each; work as ds_muon_floats says */
    int64_t  rows, cols;
    uint64_t stream;
} ds_muon;
#endif
