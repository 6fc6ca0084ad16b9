/* The CPU backend: its table and its state. */
#include <stdatomic.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "kernel/cpu/exec.h"

static const ds_kernels cpu_kernels = {
    .name = "cpu",
#define DS_KERNEL(ret, fn, args) .fn = ds_cpu_##fn,
#include "kernel/ops.def"
#undef DS_KERNEL
};

enum { WORTH_SHARING = 1 << 14, BATCHES = 64 /* a thread */ };

typedef struct batch_job {
    ds_task_fn *fn;
    void       *arg;
    int64_t     size, n;
} batch_job;

static void batch_task(void *arg, int64_t batch, int worker)
{
    const batch_job *j = arg;
    for (int64_t i = batch * j->size, end = ds_min64(j->n, i + j->size); i < end; i++)
        j->fn(j->arg, i, worker);
}

/* Very many small tasks are handed out several at a time. */
void ds_run(ds_exec *ex, int64_t n_task, ds_task_fn *fn, void *arg, int64_t work)
{
    batch_job j = { fn, arg, ds_max64(1, n_task / (BATCHES * (int64_t)ex->n_worker)), n_task };
    if (work < WORTH_SHARING)
        ds_pool_run(NULL, n_task, fn, arg);
    else if (j.size == 1)
        ds_pool_run(ex->pool, n_task, fn, arg);
    else
        ds_pool_run(ex->pool, ds_ceil_div(n_task, j.size), batch_task, &j);
}

struct ds_stretch {
    _Alignas(64) _Atomic int64_t next;
    int64_t end;
};

typedef struct range_job {
    ds_exec     *ex;
    int64_t      step;
    ds_range_fn *fn;
    void        *arg;
} range_job;

/* Takes half of what is left of a stretch, in whole steps: the last pieces are short, and there are few atomic operations, each of which
 * ends the processor's reading ahead. */
static int64_t take_items(struct ds_stretch *s, int64_t step, int64_t *at)
{
    int64_t n;
    *at = atomic_load_explicit(&s->next, memory_order_relaxed);
    do
        n = ds_min64(s->end - *at, ds_max64(1, (s->end - *at) / (2 * step)) * step);
    while (n > 0 && !atomic_compare_exchange_weak_explicit(&s->next, at, *at + n, memory_order_relaxed, memory_order_relaxed));
    return n;
}

static void stretch_task(void *arg, int64_t task, int worker)
{
    const range_job *j = arg;
    for (int i = 0; i < j->ex->n_worker; i++) {
        struct ds_stretch *s = &j->ex->stretch[(task + i) % j->ex->n_worker];
        int64_t            at, n;
        while ((n = take_items(s, j->step, &at)) > 0)
            j->fn(j->arg, at, at + n, worker);
    }
}

void ds_run_ranges(ds_exec *ex, int64_t n, int64_t step, ds_range_fn *fn, void *arg, int64_t work)
{
    if (work < WORTH_SHARING) {
        fn(arg, 0, n, 0);
        return;
    }
    range_job j = { ex, step, fn, arg };
    for (int64_t i = 0; i < ex->n_worker; i++) {
        int64_t steps = ds_ceil_div(n, step), first = steps * i / ex->n_worker;
        atomic_store_explicit(&ex->stretch[i].next, first * step, memory_order_relaxed);
        ex->stretch[i].end = ds_min64(n, steps * (i + 1) / ex->n_worker * step);
    }
    ds_pool_run(ex->pool, ex->n_worker, stretch_task, &j);
}

static size_t scratch_bytes(const ds_exec *ex)
{
    return (size_t)ex->n_worker * DS_SCRATCH_FLOATS * sizeof(float);
}

ds_status ds_exec_cpu(ds_exec **out, const ds_kernels **table, int n_thread, unsigned cpu_mask)
{
    *out = NULL;
    *table = &cpu_kernels;
    ds_exec *ex = ds_calloc(1, sizeof *ex);
    if (!ex)
        return DS_E_NOMEM;
    ds_status st = ds_pool_create(&ex->pool, n_thread);
    if (st == DS_OK) {
        ex->n_worker = ds_pool_size(ex->pool);
        ex->cpu = ds_cpu_detect() & cpu_mask;
        ds_micro_init(&ex->micro, ex->cpu);
        ex->scratch = ds_calloc((size_t)ex->n_worker, sizeof *ex->scratch);
        ex->stretch = ds_alloc_pages((size_t)ex->n_worker * sizeof *ex->stretch);
        ex->memory = ds_alloc_pages(scratch_bytes(ex));
        st = ex->scratch && ex->stretch && ex->memory ? DS_OK : DS_E_NOMEM;
    }
    for (int i = 0; st == DS_OK && i < ex->n_worker; i++)
        ex->scratch[i] = ex->memory + i * DS_SCRATCH_FLOATS;
    ex->bf16_products = ex->micro.tile_bf16 && !ds_cpu_slow_bf16();
    ex->prefetches_far = ds_cpu_prefetches_far();
    if (st != DS_OK)
        ds_exec_close(&ex);
    *out = ex;
    return st;
}

void ds_exec_close(ds_exec **pex)
{
    ds_exec *ex = *pex;
    if (!ex)
        return;
    ds_pool_destroy(&ex->pool);
    ds_free_pages(ex->memory, scratch_bytes(ex));
    ds_free_pages(ex->stretch, (size_t)ex->n_worker * sizeof *ex->stretch);
    ds_free(ex->scratch);
    ds_free(ex);
    *pex = NULL;
}

ds_pool *ds_exec_pool(const ds_exec *ex)
{
    return ex->pool;
}

const char *ds_exec_name(const ds_exec *ex)
{
    return ex->micro.name;
}

unsigned ds_exec_features(const ds_exec *ex)
{
    return ex->cpu;
}
