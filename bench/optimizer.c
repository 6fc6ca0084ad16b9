/* Speed of the optimizer's step, in GB/s of what it must read and write, beside the memory's: the better of copying a block and of
 * changing it in place, measured between the steps.
 * Usage: optimizer [THREADS [MILLIONS [ROUNDS]]]; prints CSV rows: kind, weights, milliseconds, GB/s, GB/s of the memory, ratio. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "deepseek/util.h"
#include "kernel/cpu/exec.h"
#include "train/optimizer.h"

enum { COLS = 1024, PIECE = 1 << 18 };

typedef struct copy_job {
    char *to, *from;
} copy_job;

static void copy_task(void *arg, int64_t task, int worker)
{
    const copy_job *j = arg;
    (void)worker;
    memcpy(j->to + task * PIECE, j->from + task * PIECE, PIECE);
}

/* Bytes that are read and written, a second, not counting that the processor also reads what a write replaces. */
static double copy_rate(ds_exec *ex, char *memory, int64_t bytes)
{
    copy_job j = { memory, memory + bytes / 2 };
    int64_t  n = bytes / 2 / PIECE;
    double   start = ds_now();
    ds_run(ex, n, copy_task, &j, n * PIECE);
    return (double)(2 * n * PIECE) / (ds_now() - start);
}

/* Reads and writes every byte in place, as a step does, with next to no arithmetic. */
static void sweep_task(void *arg, int64_t task, int worker)
{
    uint64_t *x = (uint64_t *)((char *)arg + task * PIECE);
    (void)worker;
    for (int64_t i = 0; i < PIECE / 8; i++)
        x[i] ^= 1;
}

static double sweep_rate(ds_exec *ex, char *memory, int64_t bytes)
{
    double start = ds_now();
    ds_run(ex, bytes / PIECE, sweep_task, memory, bytes);
    return (double)(2 * (bytes / PIECE) * PIECE) / (ds_now() - start);
}

static int measure(const char *name, const ds_optim_options *o, ds_dtype type, double bytes_each, int threads, int64_t rows, int rounds)
{
    ds_exec          *ex;
    const ds_kernels *k;
    ds_optim         *optim;
    int64_t           n = rows * COLS, memory_bytes = 1 << 28;
    ds_role           role = DS_ROLE_UP;
    float            *w = ds_alloc_pages((size_t)n * 4), *g = ds_alloc_pages((size_t)n * 4);
    char             *memory = ds_alloc_pages((size_t)memory_bytes);
    ds_tensor         grad = { .n = rows, .d = COLS, .data = g };
    ds_weight         weight = { .name = "w", .type = type, .rows = rows, .cols = COLS, .grad = &grad, .data = w }, *list = &weight;
    if (!w || !g || !memory || ds_exec_cpu(&ex, &k, threads, ~0u) != DS_OK || ds_optim_create(&optim, ex, k, &list, &role, 1, o) != DS_OK)
        return 1;
    memset(w, 0, (size_t)n * 4);
    memset(memory, 0, (size_t)memory_bytes);
    double best = 1e9, bound = 0;
    for (int r = 0; r <= rounds; r++) {
        for (int64_t i = 0; i < n; i++)
            g[i] = (float)(i % 100) * 1e-3f;
        double start = ds_now();
        ds_optim_step(optim, 1e-3, r + 1, 1);
        if (r)
            best = fmin(best, ds_now() - start);
        bound = fmax(bound, fmax(copy_rate(ex, memory, memory_bytes), sweep_rate(ex, memory, memory_bytes)));
    }
    double rate = (double)n * bytes_each / best;
    printf("%s,%lld,%.2f,%.1f,%.1f,%.2f\n", name, (long long)n, best * 1e3, rate * 1e-9, bound * 1e-9, rate / bound);
    ds_optim_destroy(&optim);
    ds_exec_close(&ex);
    ds_free_pages(w, (size_t)n * 4);
    ds_free_pages(g, (size_t)n * 4);
    ds_free_pages(memory, (size_t)memory_bytes);
    return 0;
}

int main(int argc, char **argv)
{
    int              threads = argc > 1 ? atoi(argv[1]) : 0, rounds = argc > 3 ? atoi(argv[3]) : 10;
    int64_t          rows = (argc > 2 ? atoi(argv[2]) : 32) * ((int64_t)1000000 / COLS);
    ds_optim_options o = { .kind = DS_OPTIM_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1, .muon_momentum = 0.95, .seed = 1 };
    printf("kind,weights,ms,gb_s,memory_gb_s,ratio\n");
    int failed = measure("adamw f32", &o, DS_F32, 32, threads, rows, rounds);
    failed |= measure("adamw bf16 stochastic", &o, DS_BF16, 28, threads, rows, rounds);
    o.moments_8bit = true;
    failed |= measure("adamw 8-bit moments", &o, DS_F32, 20 + 16.0 / 256, threads, rows, rounds);
    return failed;
}
