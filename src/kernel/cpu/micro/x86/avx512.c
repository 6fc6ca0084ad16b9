/* AVX-512 F, BW, DQ, VL. */
#include "kernel/cpu/micro/x86/simd_avx512.h"

#include "kernel/cpu/micro/bound.inc.h"
#include "kernel/cpu/micro/gemm.inc.h"
#include "kernel/cpu/micro/vec.inc.h"
#include "kernel/cpu/micro/train.inc.h"
#include "kernel/cpu/micro/optim.inc.h"
#include "kernel/cpu/micro/x86/x86.h"

void ds_micro_avx512(ds_micro *m)
{
    m->name = "avx512";
    set_gemms(m);
    set_bounds(m);
    set_vectors(m);
    set_training(m);
    set_optimizers(m);
}
