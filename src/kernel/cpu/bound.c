/* Bounds: how fast this machine reads memory and multiplies, with the same threads and instruction sets as the kernels. */
#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "deepseek/bench.h"
#include "kernel/cpu/exec.h"

enum { PIECE = 1 << 20, PASSES = 7, FEW_ROUNDS = 1 << 10 };

typedef struct bound_job {
    ds_exec *ex;
    char    *block;
    int64_t  rounds, ops; /* of one task */
    int64_t (*multiply)(int64_t rounds, void *sink);
} bound_job;

static void read_task(void *arg, int64_t i, int worker)
{
    const bound_job *j = arg;
    j->ex->micro.bound_read(j->block + i * PIECE, PIECE, j->ex->scratch[worker]);
}

static void multiply_task(void *arg, int64_t i, int worker)
{
    bound_job *j = arg;
    int64_t    ops = j->multiply(j->rounds, j->ex->scratch[worker]);
    if (i == 0)
        j->ops = ops;
}

static double best_read(bound_job *j, int64_t pieces)
{
    double best = 0;
    for (int i = 0; i < PASSES; i++) {
        double start = ds_now();
        ds_pool_run(j->ex->pool, pieces, read_task, j);
        double rate = (double)pieces * PIECE / (ds_now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

/* Tasks of some milliseconds, whatever the instruction set. */
static double best_multiply(bound_job *j, int64_t (*multiply)(int64_t rounds, void *sink))
{
    double  best = 0, start = ds_now(), seconds;
    int64_t n = 4 * (int64_t)j->ex->n_worker;
    j->multiply = multiply;
    multiply(FEW_ROUNDS, j->ex->scratch[0]);
    seconds = ds_now() - start;
    j->rounds = (int64_t)fmin(1 << 20, fmax(1, FEW_ROUNDS * 0.004 / fmax(seconds, 1e-7)));
    for (int i = 0; i < PASSES; i++) {
        start = ds_now();
        ds_pool_run(j->ex->pool, n, multiply_task, j);
        double rate = (double)j->ops * (double)n / (ds_now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

/* Untouched pages all show the same zeroed memory: each must be written once. */
static void touch_task(void *arg, int64_t i, int worker)
{
    const bound_job *j = arg;
    for (int64_t at = 0; at < PIECE; at += 4096)
        j->block[i * PIECE + at] = 1;
}

ds_status ds_bounds_measure(ds_bounds *out, int threads, const char *isa, uint64_t block)
{
    unsigned mask = isa ? ds_cpu_level(isa) : ~0u;
    if (isa && mask == ~0u)
        return ds_fail(DS_E_ARG, "there is no instruction set \"%s\"", isa);
    const ds_kernels *k;
    bound_job         j = { 0 };
    ds_machine        m = { .size = sizeof m };
    ds_machine_about(&m);
    if (block == 0)
        block = m.memory_available / 4 < (uint64_t)1 << 30 ? m.memory_available / 4 : (uint64_t)1 << 30;
    block = block / PIECE * PIECE;
    DS_TRY(ds_exec_cpu(&j.ex, &k, threads, mask));
    j.block = block ? ds_alloc_pages(block) : NULL;
    if (j.block) {
        ds_bounds b = { .size = out->size, .block_bytes = block, .threads = j.ex->n_worker };
        ds_pool_run(j.ex->pool, (int64_t)(block / PIECE), touch_task, &j);
        b.read_bytes = best_read(&j, (int64_t)(block / PIECE));
        b.i8_ops = best_multiply(&j, j.ex->micro.bound_i8);
        b.f32_ops = best_multiply(&j, j.ex->micro.bound_f32);
        if (j.ex->micro.bound_bf16)
            b.bf16_ops = best_multiply(&j, j.ex->micro.bound_bf16);
        memcpy(out, &b, out->size < sizeof b ? out->size : sizeof b);
    }
    ds_free_pages(j.block, block);
    ds_exec_close(&j.ex);
    return j.block ? DS_OK : ds_fail(DS_E_NOMEM, "there is no memory for measuring: %llu bytes are available", (unsigned long long)m.memory_available);
}
