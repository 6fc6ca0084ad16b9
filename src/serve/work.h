/* A few threads and a queue: what takes too long for the loop's thread. */
#ifndef DS_SERVE_WORK_H
#define DS_SERVE_WORK_H
#include "base/fail.h"

typedef struct ds_workers ds_workers;

ds_status ds_workers_create(ds_workers **out, int n_thread);
/** Runs fn(arg) on one of the threads, in the order of the calls. Any thread. When there is no memory it runs here and now. */
void ds_workers_add(ds_workers *w, void (*fn)(void *), void *arg);
/** Waits for what was added, then ends the threads. NULL-safe; sets *w = NULL. */
void ds_workers_destroy(ds_workers **w);
#endif
