/* The thread pool: workers that spin for a moment, then sleep, and take numbered tasks. */
#ifndef DS_BASE_THREAD_H
#define DS_BASE_THREAD_H
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "deepseek/util.h" /* ds_now, ds_cpu_count */

typedef struct ds_pool ds_pool;

/** One task: its number in [0, n_task) and the worker that runs it in [0, ds_pool_size). A result must depend on the
 *  task's number only, never on the worker's, so that results are the same for every number of threads; the worker's
 *  number is for choosing scratch memory. */
typedef void ds_task_fn(void *arg, int64_t task, int worker);

/** `n_thread` counts the calling thread; 0 = one per processor this process may use. */
ds_status ds_pool_create(ds_pool **out, int n_thread);
void      ds_pool_destroy(ds_pool **p); /* NULL-safe */
int       ds_pool_size(const ds_pool *p);

/** Runs tasks 0..n_task-1 and returns when all are done. The caller works too. Tasks are handed out in order, one
 *  at a time. One run at a time per pool; a task must not call ds_pool_run on the same pool. p = NULL runs them here. */
void ds_pool_run(ds_pool *p, int64_t n_task, ds_task_fn *fn, void *arg);

/** Inside a task: waits until *at >= least, which a task with a lower number must bring about; what was written before is seen then. */
void ds_wait_for(const _Atomic int64_t *at, int64_t least);
#endif
