/* Speed of the products of x16 weights by themselves, on one thread, with weights that stay in the second cache level: what the
 * kernels could do if memory cost nothing. Usage: gemm [ISA]; prints CSV rows: type, tokens, GB/s of weights, GOP/s. Processor
 * time is measured, so that a busy machine spoils less. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu/exec.h"
#include "kernel/cpu/x16.h"
#include "quant/quant.h"

enum { COLS = 4096, GROUPS = 8, MOST_TOKENS = 96 };

static const ds_dtype types[] = { DS_Q4_0, DS_Q4_1, DS_Q5_0, DS_Q5_1, DS_Q8_0, DS_Q4_K, DS_Q5_K, DS_Q6_K, DS_BF16, DS_F32 };
static const int64_t  tokens[] = { 1, 2, 4, 8, MOST_TOKENS };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *packed_weight(ds_dtype type)
{
    int64_t row = (int64_t)ds_quant_bytes(type, COLS), group = ds_x16_group_bytes(type, COLS);
    float  *x = ds_malloc(COLS * sizeof *x);
    char   *rows = ds_malloc((size_t)(16 * row)), *w = ds_alloc_pages((size_t)(GROUPS * group));
    for (int g = 0; g < GROUPS; g++) {
        for (int r = 0; r < 16; r++) {
            ds_normal_fill(x, COLS, 1, 1, (uint64_t)(16 * g + r), 0);
            ds_quant_of(type)->quantize(rows + r * row, x, COLS, NULL);
        }
        ds_x16_pack(type, w + g * group, rows, row, 16, COLS);
    }
    ds_free(x);
    ds_free(rows);
    return w;
}

/* Seconds of one pass over the weight, the best of several. */
static double best_pass(const ds_micro *m, ds_dtype type, const char *w, const ds_acts *a, int64_t n, float *out)
{
    int64_t group = ds_x16_group_bytes(type, COLS);
    int     step = n <= 2 ? 1 : 2, passes = (int)(200 / n) + 2;
    double  best = 1e9;
    for (int r = 0; r < 12; r++) {
        double start = now();
        for (int i = 0; i < passes; i++)
            for (int g = 0; g < GROUPS; g += step)
                m->gemm[type](w + g * group, step, a, 0, n, out, 32);
        double s = (now() - start) / passes;
        best = s < best ? s : best;
    }
    return best;
}

/* The activations in int8 as weights of the type read them. */
static void quantize(const ds_micro *m, ds_dtype type, ds_acts *a)
{
    int64_t block = ds_cpu_pack_block(type);
    a->ld_scale = COLS / block;
    for (int64_t t = 0; t < MOST_TOKENS; t++) {
        int32_t *sum = (int32_t *)a->sum + t * 3 * a->ld_sum;
        m->quantize((int8_t *)a->q + t * a->ld_q, (float *)a->scale + t * a->ld_scale, sum, sum + a->ld_sum, a->x + t * COLS, COLS, block);
    }
}

static void measure(const ds_micro *m, ds_dtype type, ds_acts *a, float *out)
{
    char *w = packed_weight(type);
    quantize(m, type, a);
    for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
        double s = best_pass(m, type, w, a, tokens[t], out), rows = 16 * GROUPS;
        printf("%s,%lld,%.1f,%.0f\n", ds_dtype_name(type), (long long)tokens[t], rows * (double)ds_quant_bytes(type, COLS) / s * 1e-9,
               2 * rows * COLS * (double)tokens[t] / s * 1e-9);
    }
    ds_free_pages(w, (size_t)(GROUPS * ds_x16_group_bytes(type, COLS)));
}

int main(int argc, char **argv)
{
    unsigned mask = argc > 1 ? ds_cpu_level(argv[1]) : ~0u;
    ds_micro m;
    ds_micro_init(&m, ds_cpu_detect() & mask);
    ds_acts a = { .n = MOST_TOKENS, .k = COLS, .ld_x = COLS, .ld_q = COLS + 64, .ld_sum = COLS / DS_SUM_BLOCK };
    float   *x = ds_malloc(MOST_TOKENS * COLS * sizeof *x), *scale = ds_malloc(MOST_TOKENS * (COLS / DS_FINE_BLOCK) * sizeof *scale);
    int8_t  *q = ds_malloc((size_t)(MOST_TOKENS * a.ld_q));
    int32_t *sum = ds_malloc((size_t)(MOST_TOKENS * 3 * a.ld_sum) * sizeof *sum);
    float   *out = ds_malloc(MOST_TOKENS * 32 * sizeof *out);
    ds_normal_fill(x, MOST_TOKENS * COLS, 1, 1, 7, 0);
    a.x = x;
    a.q = q;
    a.scale = scale;
    a.sum = sum;
    printf("type,tokens,weights_GBps,GOPs\n");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        measure(&m, types[i], &a, out);
    ds_free(x);
    ds_free(q);
    ds_free(scale);
    ds_free(sum);
    ds_free(out);
    return 0;
}
