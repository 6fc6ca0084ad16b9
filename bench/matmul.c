/* Speed of the training's matrix products, in GFLOP/s, at the shapes of a layer: forward, input gradient and weight gradient.
 * Usage: matmul [THREADS [ROUNDS]]; prints CSV rows: shape, pass, type, GFLOP/s, share of the machine's float32 peak. One thread is
 * timed by its processor time, so that a busy machine spoils less. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "deepseek/bench.h"
#include "kernel/cpu/matmul.h"
#include "quant/quant.h"

typedef struct shape {
    const char *name;
    int64_t     tokens, in, out;
} shape;

static const shape shapes[] = {
    { "124M attention", 1024, 768, 768 }, { "124M up", 1024, 768, 2048 }, { "124M down", 1024, 2048, 768 }, { "124M head block", 1024, 768, 8192 },
    { "nano attention", 2048, 384, 384 }, { "nano up", 2048, 384, 1024 }, { "nano down", 2048, 1024, 384 },
};

static double seconds_now(const ds_exec *ex)
{
    struct timespec t;
    if (ex->n_worker > 1)
        return ds_now();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double best_of(int rounds, ds_exec *ex, float *c, int64_t ld, ds_mat a, ds_mat b, int64_t m, int64_t n, int64_t k)
{
    double best = 1e9;
    for (int r = 0; r <= rounds; r++) {
        double start = seconds_now(ex);
        ds_cpu_matmul(ex, c, ld, a, b, m, n, k, false);
        double seconds = seconds_now(ex) - start;
        if (r && seconds < best)
            best = seconds;
    }
    return 2e-9 * (double)m * (double)n * (double)k / best;
}

int main(int argc, char **argv)
{
    int               threads = argc > 1 ? atoi(argv[1]) : 0, rounds = argc > 2 ? atoi(argv[2]) : 5;
    ds_exec          *ex;
    const ds_kernels *table;
    ds_bounds         bounds = { .size = sizeof bounds };
    if (ds_exec_cpu(&ex, &table, threads, ~0u) != DS_OK || ds_bounds_measure(&bounds, threads, NULL, 1 << 20) != DS_OK)
        return 1;
    int64_t most = 2048 * 8192;
    float  *x = ds_malloc((size_t)most * 4), *w = ds_malloc((size_t)most * 4), *y = ds_malloc((size_t)most * 4);
    ds_normal_fill(x, most, 1, 1, 1, 0);
    ds_normal_fill(w, most, 1, 1, 2, 0);
    ds_normal_fill(y, most, 1, 1, 3, 0);
    uint16_t *half[3];
    for (int i = 0; i < 3; i++) {
        half[i] = ds_malloc((size_t)most * 2);
        for (int64_t k = 0; k < most; k++)
            half[i][k] = ds_f32_to_bf16((i == 0 ? x : i == 1 ? w : y)[k]);
    }
    float *c = ds_malloc((size_t)most * 4);
    printf("shape,pass,type,gflops,of_f32_peak\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int type = 0; type < 2; type++) {
            shape    s = shapes[i];
            ds_dtype t = type ? DS_BF16 : DS_F32;
            ds_mat   X = { type ? (void *)half[0] : x, t, s.in, false, false }, W = { type ? (void *)half[1] : w, t, s.in, false, false };
            ds_mat   Y = { y, DS_F32, s.out, false, type };
            ds_mat   Wt = W, Yt = Y;
            Wt.trans = Yt.trans = true;
            double rate[3] = { best_of(rounds, ex, c, s.out, X, Wt, s.tokens, s.out, s.in), best_of(rounds, ex, c, s.in, Y, W, s.tokens, s.in, s.out),
                               best_of(rounds, ex, c, s.in, Yt, X, s.out, s.in, s.tokens) };
            for (int p = 0; p < 3; p++)
                printf("%s,%s,%s,%.1f,%.2f\n", s.name, (const char *[]){ "forward", "input", "weight" }[p], ds_dtype_name(t), rate[p],
                       rate[p] * 1e9 / bounds.f32_ops);
        }
    for (int i = 0; i < 3; i++)
        ds_free(half[i]);
    ds_free(c);
    ds_free(x);
    ds_free(w);
    ds_free(y);
    ds_exec_close(&ex);
    return 0;
}
