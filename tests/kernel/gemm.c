/* Matrix products of every weight type and instruction set against double-precision sums over the dequantized weights and
 * the activations as they were quantized; and the same bits however a product is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu/exec.h"
#include "kernel/cpu/x16.h"
#include "kernel/levels.h"
#include "quant/quant.h"

static const ds_dtype all[] = { DS_F32,  DS_F16,  DS_BF16, DS_Q8_0, DS_Q4_0, DS_Q4_1,
                                DS_Q5_0, DS_Q5_1, DS_Q4_K, DS_Q5_K, DS_Q6_K };
enum { GROUPS = 3, ROWS = 16 * GROUPS, TOKENS = 13 };

typedef struct problem {
    int64_t  k, group_bytes, block; /* columns to an activation scale */
    ds_dtype type;
    char    *packed;
    float   *weights, *x; /* dequantized [ROWS, k]; [TOKENS, k] */
    ds_acts  acts;
} problem;

static void quantize_acts(problem *p, const ds_micro *m)
{
    int64_t  ld = p->k + 64, n32 = p->k / 32, n_scale = (p->k + p->block - 1) / p->block;
    int8_t  *q = ds_calloc(TOKENS, (size_t)ld);
    float   *scale = ds_calloc(TOKENS, (size_t)n_scale * 4);
    int32_t *sum = ds_calloc(TOKENS, (size_t)n32 * 12);
    for (int t = 0; t < TOKENS; t++)
        m->quantize(q + t * ld, scale + t * n_scale, sum + t * 3 * n32, sum + t * 3 * n32 + n32, p->x + t * p->k, p->k, p->block);
    p->acts = (ds_acts){ .n = TOKENS, .k = p->k, .x = p->x, .ld_x = p->k, .q = q, .ld_q = ld, .scale = scale, .ld_scale = n_scale, .sum = sum, .ld_sum = n32 };
}

static problem make(ds_dtype type, int64_t k, const ds_micro *m)
{
    const ds_quant *q = ds_quant_of(type);
    problem         p = { .k = k, .type = type, .group_bytes = ds_x16_group_bytes(type, k), .block = ds_cpu_pack_block(type) };
    int64_t         row = (int64_t)ds_quant_bytes(type, k);
    char           *stored = ds_malloc((size_t)(ROWS * row));
    p.weights = ds_malloc((size_t)(ROWS * k) * 4);
    p.x = ds_malloc((size_t)(TOKENS * k) * 4);
    p.packed = ds_malloc((size_t)(GROUPS * p.group_bytes));
    ds_normal_fill(p.weights, ROWS * k, 0.5f, 1, (uint64_t)type, 0);
    ds_normal_fill(p.x, TOKENS * k, 1.0f, 2, (uint64_t)k, 0);
    p.x[3] = 40; /* an outlier, as real activations have */
    memset(p.x + k, 0, (size_t)k * 4); /* a row of zeros */
    q->quantize(stored, p.weights, ROWS * k, NULL);
    q->dequantize(p.weights, stored, ROWS * k);
    for (int g = 0; g < GROUPS; g++)
        ds_x16_pack(type, p.packed + g * p.group_bytes, stored + g * 16 * row, row, 16, k);
    if (k % 32 == 0)
        quantize_acts(&p, m);
    else
        p.acts = (ds_acts){ .n = TOKENS, .k = k, .x = p.x, .ld_x = k };
    ds_free(stored);
    return p;
}

static void drop(problem *p)
{
    ds_free(p->weights);
    ds_free(p->x);
    ds_free(p->packed);
    ds_free((void *)p->acts.q);
    ds_free((void *)p->acts.scale);
    ds_free((void *)p->acts.sum);
}

/* The exact product, and the sum of the terms' sizes that rounding is measured against. */
static double exact(const problem *p, int t, int r, double *size)
{
    double sum = 0;
    bool   quantized = ds_quant_of(p->type)->block > 1;
    *size = 1e-30;
    for (int64_t i = 0; i < p->k; i++) {
        double a = quantized ? (double)p->acts.q[t * p->acts.ld_q + i] * (double)p->acts.scale[t * p->acts.ld_scale + i / p->block]
                             : (double)p->x[t * p->k + i];
        double v = a * (double)p->weights[r * p->k + i];
        sum += v;
        *size += fabs(v);
    }
    return sum;
}

static void check(const problem *p, const ds_micro *m)
{
    float out[TOKENS + 1][ROWS], again[TOKENS][ROWS];
    memset(out, 0x7f, sizeof out);
    float canary = out[TOKENS][0];
    for (int g = 0; g < GROUPS; g += 2)
        m->gemm[p->type](p->packed + g * p->group_bytes, g + 2 <= GROUPS ? 2 : 1, &p->acts, 0, TOKENS, &out[0][16 * g], ROWS);
    for (int t = 0; t < TOKENS; t++)
        for (int r = 0; r < ROWS; r++) {
            double size, want = exact(p, t, r, &size);
            if (fabs((double)out[t][r] - want) > 2e-6 * size)
                fail_msg("%s %s k %lld token %d row %d: %g, expected %g", m->name, ds_dtype_name(p->type), (long long)p->k, t, r,
                         (double)out[t][r], want);
        }
    assert_memory_equal(&canary, &out[TOKENS][0], 4);
    /* one group and one token at a time */
    for (int g = 0; g < GROUPS; g++)
        for (int t = 0; t < TOKENS; t++)
            m->gemm[p->type](p->packed + g * p->group_bytes, 1, &p->acts, t, 1, &again[t][16 * g], ROWS);
    assert_memory_equal(out, again, sizeof again);
}

static void products(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *name[N_LEVEL_NAME];
    int         n = levels(mask, name);
    for (int l = 0; l < n; l++) {
        ds_micro m;
        ds_micro_init(&m, mask[l]);
        for (size_t a = 0; a < sizeof all / sizeof *all; a++) {
            const int64_t block = ds_quant_of(all[a])->block, sizes[] = { 1, 3, block == 1 ? 172 : 11 };
            for (int s = 0; s < 3; s++) {
                problem p = make(all[a], block * sizes[s], &m);
                check(&p, &m);
                drop(&p);
            }
        }
    }
}

/* Extreme values everywhere: nothing saturates or overflows. */
static void extremes(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *name[N_LEVEL_NAME];
    int         n = levels(mask, name);
    for (int l = 0; l < n; l++) {
        ds_micro m;
        ds_micro_init(&m, mask[l]);
        for (size_t a = 3; a < sizeof all / sizeof *all; a++) {
            problem p = make(all[a], 512, &m);
            for (int64_t i = 0; i < TOKENS * p.k; i++)
                p.x[i] = i % 3 ? 127 : -127;
            for (int64_t i = 0; i < ROWS * p.k; i++)
                p.weights[i] = i % 2 ? 1 : -1;
            const ds_quant *q = ds_quant_of(all[a]);
            int64_t         row = (int64_t)ds_quant_bytes(all[a], p.k);
            char           *stored = ds_malloc((size_t)(ROWS * row));
            q->quantize(stored, p.weights, ROWS * p.k, NULL);
            q->dequantize(p.weights, stored, ROWS * p.k);
            for (int g = 0; g < GROUPS; g++)
                ds_x16_pack(all[a], p.packed + g * p.group_bytes, stored + g * 16 * row, row, 16, p.k);
            ds_free((void *)p.acts.q);
            ds_free((void *)p.acts.scale);
            ds_free((void *)p.acts.sum);
            quantize_acts(&p, &m);
            check(&p, &m);
            ds_free(stored);
            drop(&p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
