/* Row-level micro-kernels: the only code written for an instruction set. micro/generic fills every slot and is the
 * reference; an instruction set overrides what it improves, chosen at run time from the processor.
 *
 * All of them compute one output in one fixed order, whatever the number of tokens or rows in the call, so that prefill,
 * decode and every number of threads give the same bits. */
#ifndef DS_KERNEL_CPU_MICRO_H
#define DS_KERNEL_CPU_MICRO_H
#include <stdbool.h>
#include <stdint.h>

#include "deepseek/types.h"

enum {
    DS_GROUP = 16,      /* rows of a weight that are interleaved (x16 layout, kernel/cpu/x16.h) */
    DS_ACT_BLOCK = 256, /* columns of an activation row that share an int8 scale */
    DS_FINE_BLOCK = 32, /* the same beside Q8_0, whose own rounding is far less than that of activations with a scale for 256 columns */
    DS_SUM_BLOCK = 32,  /* columns of an activation row that share a sum */
    DS_PAGE = 64,       /* tokens in a page of the key/value cache */
    DS_N_DTYPE = 31,
};

/* Activation rows as a matrix product reads them. Float weights read x; quantized ones read q, scale and sum. */
typedef struct ds_acts {
    int64_t        n, k;
    const float   *x;      /* [n, ld_x] */
    int64_t        ld_x;
    const int8_t  *q;      /* [n, ld_q], x = q * scale */
    int64_t        ld_q;
    const float   *scale;  /* [n, ld_scale], one for every DS_ACT_BLOCK or DS_FINE_BLOCK columns */
    int64_t        ld_scale;
    const int32_t *sum;    /* [n, 3 ld_sum]: minus the sum of q over each DS_SUM_BLOCK columns [ld_sum], then over each */
    int64_t        ld_sum; /* half of one [2 ld_sum] */
    bool           far;    /* ds_cpu_prefetches_far */
} ds_acts;

/* out[t * ld_out + r] = dot(row r, token first + t) for r < 16 * n_group, t < n_token. `w` is the first of n_group
 * (1 or 2) consecutive groups in x16 layout. */
typedef void ds_gemm_fn(const void *w, int n_group, const ds_acts *a, int64_t first, int64_t n_token, float *out,
                        int64_t ld_out);

/* c[t * ld_c + j] (+)= sum over i < k of a[t * ld_a + i] * b[i * ld_b + j], for t < n, j < m; m a multiple of 16. The bf16 form
 * takes pairs: a is bf16, b is [k/2][ld_b][2] bf16, k is even. */
typedef void ds_tile_fn(float *c, int64_t ld_c, const void *a, int64_t ld_a, const void *b, int64_t ld_b, int64_t n,
                        int64_t m, int64_t k, bool accumulate);

/* Training (micro/train.inc.h says what each computes). void * values are float32, or bf16 when `half`. */
typedef struct ds_micro_train {
    float (*rmsnorm_save)(void *y, void *normal, const float *x, const float *w, int64_t d, float eps, bool half);
    void (*scale_columns)(void *y, const void *x, const float *w, int64_t d, bool half);
    void (*rmsnorm_bwd)(float *dx, const float *dy, const void *normal, const float *w, float rstd, int64_t d, bool accumulate, bool half);
    void (*add_column_dots)(float *out, const float *x, const void *y, int64_t rows, int64_t ld, int64_t column, int64_t n, bool half);
    void (*swiglu_half)(uint16_t *y, const uint16_t *gate, const uint16_t *up, int64_t n);
    void (*swiglu_bwd)(float *dgate, float *dy, const void *gate, const void *up, int64_t n, bool half);
    void (*add)(float *y, const float *x, int64_t n);
    float (*dot)(const float *x, const float *y, int64_t n);
    void (*attend_bwd64)(float *s, float *dp, const int32_t *limit, const float *lse, const float *delta, float scale, int64_t n);
    float (*softmax_loss)(float *x, int64_t n, int64_t target, float weight, bool half);
    ds_tile_fn *tile_t_f32;  /* tile_f32 with a transposed: its element (t, i) at a[i * ld_a + t] */
    ds_tile_fn *tile_t_bf16; /* the same with pairs: a is [k/2][ld_a][2]; NULL where tile_bf16 is */
} ds_micro_train;
struct ds_adamw_step;

typedef struct ds_micro {
    const char *name;

    ds_gemm_fn *gemm[DS_N_DTYPE]; /* by ds_dtype; NULL where this build has no such format */

    /* One activation row to int8 (k a multiple of 32), `block` columns to a scale: q [k], scale [ceil(k/block)], sum [k/32] and
     * half [k/16], both negated. */
    void (*quantize)(int8_t *q, float *scale, int32_t *sum, int32_t *half, const float *x, int64_t k, int64_t block);

    void (*rmsnorm)(float *y, const float *x, const float *w, int64_t d, float eps);
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n); /* y = silu(gate) * up; may be in place */
    /* Rotates the two halves of each head: x [n_head, k], cos and sin [k/2]. In place. */
    void (*rope)(float *x, const float *cos, const float *sin, int64_t n_head, int64_t k);

    /* Attention: products of small matrices. tile_bf16 is NULL where the processor has no bf16 products. */
    ds_tile_fn *tile_f32, *tile_bf16;
    /* Online softmax of n rows of 64 scores: per row, m' = max(m, max s), p = exp(s - m'), l = l * exp(m - m') + sum p,
     * and the output row of k values is multiplied by exp(m - m'). Row t sees only scores j < limit[t]. */
    void (*softmax64)(float *s, const int32_t *limit, float *m, float *l, float *out, int64_t ld_out, int64_t n, int64_t k);

    /* Optimizers (kernel/optim.h): one pass over n values; gradients become zero. */
    void (*adamw)(float *w, float *g, float *m, float *v, int64_t n, const struct ds_adamw_step *s);
    void (*adamw8)(float *w, float *g, int8_t *m, int8_t *v, float *scale, int64_t n, const struct ds_adamw_step *s);
    /* x to bf16, up or down at random; first: the number of x[0], a multiple of 8, which together with the seed and the stream
     * says which random numbers */
    void (*round_stochastically)(uint16_t *w, const float *x, int64_t first, int64_t n, uint64_t seed, uint64_t stream);
    double (*sum_squares)(const float *x, int64_t n);
    /* y = a * x + b * y; used to blend momenta and the terms of a matrix iteration */
    void (*blend)(float *y, float a, const float *x, float b, int64_t n);

    /* Bounds (cpu/bound.c): operations done by `rounds` rounds of products in registers, and reading bytes (a multiple of 512).
     * sink: 1 KiB of memory to start from and to leave results in. */
    int64_t (*bound_i8)(int64_t rounds, void *sink);
    int64_t (*bound_f32)(int64_t rounds, void *sink);
    int64_t (*bound_bf16)(int64_t rounds, void *sink); /* NULL where tile_bf16 is */
    void (*bound_read)(const void *p, int64_t bytes, void *sink);

    ds_micro_train train;

    /* Conversions. */
    /* y[i] = x[i] * f16 scale: one for each value (every = 1) or for every 32 values (every = 32). */
    void (*f32_from_i8)(float *y, const int8_t *x, const uint16_t *scale, int64_t n, int every);
    void (*bf16_pairs)(uint16_t *y, const float *even, const float *odd, int64_t n); /* y[2i] = even[i], y[2i+1] = odd[i] */
    void (*interleave16)(uint16_t *y, const uint16_t *even, const uint16_t *odd, int64_t n); /* the same for bf16 values */
    /* dst[c * ld_dst + r] = src[r * ld_src + c] for r < rows, c < cols, of any 32-bit values. */
    void (*transpose32)(void *dst, int64_t ld_dst, const void *src, int64_t ld_src, int64_t rows, int64_t cols);
    void (*f32_from_f16)(float *y, const uint16_t *x, int64_t n);
    void (*f32_from_bf16)(float *y, const uint16_t *x, int64_t n);
    void (*bf16_from_f32)(uint16_t *y, const float *x, int64_t n);
    void (*round_to_bf16)(float *y, const float *x, int64_t n); /* what both conversions give */
    void (*f16_from_f32)(uint16_t *y, const float *x, int64_t n);
} ds_micro;

/** Fills the table for the features in `cpu` (base/cpu.h). */
void ds_micro_init(ds_micro *m, unsigned cpu);

void ds_micro_generic(ds_micro *m);
void ds_micro_arch(ds_micro *m, unsigned cpu);
#endif
