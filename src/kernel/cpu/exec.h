/* The CPU backend's running state, shared by its kernels. */
#ifndef DS_KERNEL_CPU_EXEC_H
#define DS_KERNEL_CPU_EXEC_H
#include "base/thread.h"
#include "kernel/cpu/micro/micro.h"
#include "kernel/kernels.h"

struct ds_exec {
    ds_pool *pool;
    unsigned cpu;
    ds_micro micro;
    int      n_worker;
    bool     bf16_products; /* the processor has products of bf16 pairs, and they beat float32 ones */
    bool     prefetches_far;
    float   *memory;  /* of `scratch`: one block, for it comes in huge pages */
    float  **scratch; /* [n_worker] of DS_SCRATCH_FLOATS each, 64-byte aligned: what one task needs */
    struct ds_stretch *stretch; /* [n_worker] of ds_run_ranges */
};

enum { DS_SCRATCH_FLOATS = 1 << 18 };

/* Runs the tasks here when there is too little work to share: `work` in multiply-adds or moved floats. */
void ds_run(ds_exec *ex, int64_t n_task, ds_task_fn *fn, void *arg, int64_t work);

/* Items 0..n-1 in order of memory: every worker has one unbroken stretch of them, from which it takes half of the rest at a time, but at
 * least `step`, and then helps with what is left of others'. So memory is read in long streams and the last step is short. */
typedef void ds_range_fn(void *arg, int64_t from, int64_t to, int worker);
void ds_run_ranges(ds_exec *ex, int64_t n, int64_t step, ds_range_fn *fn, void *arg, int64_t work);

static inline int64_t ds_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}
static inline int64_t ds_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t ds_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#define DS_KERNEL(ret, fn, args) ret ds_cpu_##fn args;
#include "kernel/ops.def"
#undef DS_KERNEL
#endif
