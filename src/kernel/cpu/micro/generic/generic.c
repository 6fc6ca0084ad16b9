/* Portable C: the reference, and every slot filled. */
#include "kernel/cpu/micro/generic/simd_generic.h"

#include "kernel/cpu/micro/bound.inc.h"
#include "kernel/cpu/micro/gemm.inc.h"
#include "kernel/cpu/micro/vec.inc.h"
#include "kernel/cpu/micro/train.inc.h"
#include "kernel/cpu/micro/optim.inc.h"

static void transpose32(void *dst, int64_t ld_dst, const void *src, int64_t ld_src, int64_t rows, int64_t cols)
{
    for (int64_t c = 0; c < cols; c++)
        for (int64_t r = 0; r < rows; r++)
            memcpy((char *)dst + (c * ld_dst + r) * 4, (const char *)src + (r * ld_src + c) * 4, 4);
}

void ds_micro_generic(ds_micro *m)
{
    m->name = "generic";
    set_gemms(m);
    set_bounds(m);
    set_vectors(m);
    set_training(m);
    set_optimizers(m);
    m->transpose32 = transpose32;
}

#if !defined(__x86_64__) && !defined(__aarch64__)
void ds_micro_arch(ds_micro *m, unsigned cpu)
{
    (void)m;
    (void)cpu;
}
#endif
