/* NEON (every aarch64 processor). */
#include "kernel/cpu/micro/arm/simd_neon.h"

#include "kernel/cpu/micro/bound.inc.h"
#include "kernel/cpu/micro/gemm.inc.h"
#include "kernel/cpu/micro/vec.inc.h"
#include "kernel/cpu/micro/train.inc.h"
#include "kernel/cpu/micro/optim.inc.h"
#include "kernel/cpu/micro/arm/arm.h"

void ds_micro_neon(ds_micro *m)
{
    m->name = "neon";
    set_gemms(m);
    set_bounds(m);
    set_vectors(m);
    set_training(m);
    set_optimizers(m);
}
