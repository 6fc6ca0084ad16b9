/* General matrix products, for training: every operand order that a linear layer and its gradients need. */
#ifndef DS_KERNEL_CPU_MATMUL_H
#define DS_KERNEL_CPU_MATMUL_H
#include "kernel/cpu/exec.h"

/** C[m, n] (=|+=) A[m, k] B[k, n], all row-major but for `trans`; C is float32. Products are of float32 values, or of bf16 values
 *  when either operand is BF16 or says `round` (the other is rounded then), and accumulate in float32 in the order of k, whatever the
 *  sizes, threads and instruction set's tiles. C must not overlap A or B. */
void ds_cpu_matmul(ds_exec *ex, float *c, int64_t ld_c, ds_mat a, ds_mat b, int64_t m, int64_t n, int64_t k, bool accumulate);
#endif
