#include "base/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { SPINS = 20000 }; /* about 100 microseconds between two runs before a worker sleeps */

/* A run is over when its tasks are done, not when every worker has woken: a worker that comes late finds a newer run's number
 * in `ticket` and takes nothing. So a sleeping or preempted worker holds nobody up. */
struct ds_pool {
    int                   n_thread;
    pthread_t            *threads;
    _Atomic(ds_task_fn *) fn;
    _Atomic(void *)       arg;
    _Atomic int64_t       n_task;
    _Alignas(64) _Atomic uint32_t generation; /* +1 for every run; futex word */
    _Atomic int  sleepers;
    _Atomic bool stop;
    _Alignas(64) _Atomic uint64_t ticket; /* generation << 32 | next task to hand out */
    _Alignas(64) _Atomic int64_t  done;   /* tasks finished in this run */
};

enum { MAX_TASKS = INT32_MAX };

typedef struct worker_start {
    ds_pool *pool;
    int      id;
} worker_start;

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The next task of run `generation`, or -1 when it has none left to hand out. */
static int64_t take_task(ds_pool *p, uint32_t generation)
{
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    do {
        if ((uint32_t)(t >> 32) != generation || (int64_t)(uint32_t)t >= atomic_load_explicit(&p->n_task, memory_order_acquire))
            return -1;
    } while (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t + 1, memory_order_acquire, memory_order_acquire));
    return (int64_t)(uint32_t)t;
}

static void run_tasks(ds_pool *p, uint32_t generation, int worker)
{
    int64_t t;
    while ((t = take_task(p, generation)) >= 0) { /* fn and arg are this run's: it cannot end before this task does */
        ds_task_fn *fn = atomic_load_explicit(&p->fn, memory_order_relaxed);
        fn(atomic_load_explicit(&p->arg, memory_order_relaxed), t, worker);
        atomic_fetch_add_explicit(&p->done, 1, memory_order_release);
    }
}

static void wait_for_run(ds_pool *p, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&p->generation, memory_order_acquire) != seen)
            return;
        pause_cpu();
    }
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(&p->generation) == seen)
        syscall(SYS_futex, &p->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&p->sleepers, 1);
}

static void start_run(ds_pool *p)
{
    atomic_fetch_add(&p->generation, 1);
    if (atomic_load(&p->sleepers) > 0)
        syscall(SYS_futex, &p->generation, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
}

static void *worker_main(void *arg)
{
    worker_start start = *(worker_start *)arg;
    ds_free(arg);
    ds_pool *p = start.pool;
    uint32_t seen = 0;
    for (;;) {
        wait_for_run(p, seen);
        seen = atomic_load_explicit(&p->generation, memory_order_acquire);
        if (atomic_load(&p->stop))
            return NULL;
        run_tasks(p, seen, start.id);
    }
}

int ds_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

double ds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Signals are for the program's own threads. */
static int create_blocking_signals(pthread_t *t, worker_start *start)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(t, NULL, worker_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

ds_status ds_pool_create(ds_pool **out, int n_thread)
{
    *out = NULL;
    if (n_thread < 0 || n_thread > 4096)
        return ds_fail(DS_E_ARG, "%d threads: expected 1 to 4096, or 0 for one per processor", n_thread);
    ds_pool *p = ds_calloc(1, sizeof *p);
    if (!p)
        return DS_E_NOMEM;
    int n = n_thread ? n_thread : ds_cpu_count();
    p->n_thread = 1;
    p->threads = ds_calloc((size_t)n, sizeof *p->threads);
    if (!p->threads) {
        ds_free(p);
        return DS_E_NOMEM;
    }
    for (int i = 1; i < n; i++) {
        worker_start *start = ds_malloc(sizeof *start);
        if (start)
            *start = (worker_start){ p, i };
        if (!start || create_blocking_signals(&p->threads[i], start) != 0) {
            ds_free(start);
            ds_pool_destroy(&p);
            return ds_fail(DS_E_NOMEM, "the system refused thread %d of %d: use fewer threads (-t)", i + 1, n);
        }
        p->n_thread++;
    }
    *out = p;
    return DS_OK;
}

void ds_pool_destroy(ds_pool **pp)
{
    ds_pool *p = *pp;
    if (!p)
        return;
    atomic_store(&p->stop, true);
    start_run(p);
    for (int i = 1; i < p->n_thread; i++)
        pthread_join(p->threads[i], NULL);
    ds_free(p->threads);
    ds_free(p);
    *pp = NULL;
}

int ds_pool_size(const ds_pool *p)
{
    return p ? p->n_thread : 1;
}

void ds_wait_for(const _Atomic int64_t *at, int64_t least)
{
    for (int i = 0; atomic_load_explicit(at, memory_order_acquire) < least; i++) {
        if (i < SPINS)
            pause_cpu();
        else
            sched_yield();
    }
}

static void run_shared(ds_pool *p, int64_t n_task, ds_task_fn *fn, void *arg)
{
    uint32_t generation = atomic_load(&p->generation) + 1;
    /* Closed first: a late worker that already sees the new n_task must not take a task with the old ticket. */
    atomic_store_explicit(&p->ticket, (uint64_t)generation << 32 | UINT32_MAX, memory_order_relaxed);
    atomic_store_explicit(&p->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&p->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&p->n_task, n_task, memory_order_release);
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    atomic_store_explicit(&p->ticket, (uint64_t)generation << 32, memory_order_release);
    start_run(p);
    run_tasks(p, generation, 0);
    ds_wait_for(&p->done, n_task);
}

typedef struct shifted {
    ds_task_fn *fn;
    void       *arg;
    int64_t     first;
} shifted;

static void run_shifted(void *arg, int64_t task, int worker)
{
    const shifted *s = arg;
    s->fn(s->arg, s->first + task, worker);
}

void ds_pool_run(ds_pool *p, int64_t n_task, ds_task_fn *fn, void *arg)
{
    if (!p || p->n_thread == 1 || n_task <= 1) {
        for (int64_t t = 0; t < n_task; t++)
            fn(arg, t, 0);
        return;
    }
    for (int64_t first = 0; first < n_task; first += MAX_TASKS) {
        int64_t left = n_task - first;
        run_shared(p, left < MAX_TASKS ? left : MAX_TASKS, run_shifted, &(shifted){ fn, arg, first });
    }
}
