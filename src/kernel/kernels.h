/* The kernel table: what a backend offers. kernel/cpu fills it; CUDA is one more table, in a plugin. A missing slot is an
 * error (DS_E_UNSUPPORTED), never a silent copy to the host. Kernels are pure: no allocation, no errors, inputs const, forward
 * overwrites its output (backward accumulates). */
#ifndef DS_KERNEL_KERNELS_H
#define DS_KERNEL_KERNELS_H
#include "base/fail.h"
#include "kernel/optim.h"
#include "tensor/tensor.h"

typedef struct ds_exec ds_exec; /* a backend's running state: threads, scratch, micro-kernels */

/* What linear does with a product before it is stored. */
typedef enum ds_epilogue { DS_STORE, DS_ADD } ds_epilogue;

enum { DS_MOST_LINEARS = 3 }; /* weights of one call of linear_fwd */

typedef struct ds_kernels {
    const char *name;
#define DS_KERNEL(ret, fn, args) ret(*fn) args;
#include "kernel/ops.def"
#undef DS_KERNEL
} ds_kernels;

/** Creates the CPU backend. n_thread 0 = one per processor; cpu_mask limits the instruction sets (~0u: all there are). */
ds_status ds_exec_cpu(ds_exec **out, const ds_kernels **table, int n_thread, unsigned cpu_mask);
void      ds_exec_close(ds_exec **ex);

struct ds_pool;
struct ds_pool *ds_exec_pool(const ds_exec *ex);
const char     *ds_exec_name(const ds_exec *ex);     /* best instruction set in use */
unsigned        ds_exec_features(const ds_exec *ex); /* base/cpu.h bits in use */
#endif
