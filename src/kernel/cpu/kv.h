/* Blocks of the key/value cache: 64 tokens of one layer and head, keys transposed so that scores of 16 tokens are one vector.
 *
 *   type   keys                                    values
 *   F32    float [kp][64]                          float [64][kp]
 *   F16    f16 [kp][64]                            f16 [64][kp]
 *   BF16   bf16 [kp/2][64][2]                      bf16 [32][kp][2]      (pairs: what a bf16 product reads)
 *   Q8_0   i8 [kp][64], then f16 [ceil(kp/32)][64] i8 [64][kp], then f16 [64][ceil(kp/32)]
 *
 * kp is the head size rounded up to 16; the added columns stay zero. */
#ifndef DS_KERNEL_CPU_KV_H
#define DS_KERNEL_CPU_KV_H
#include "kernel/cpu/exec.h"

/** Keys (which = 0) or values (1) of a layer and head in a page. */
static inline void *ds_kv_block(const ds_kv_shape *s, void *page, int64_t layer, int64_t head, int which)
{
    return (char *)page + ((layer * s->n_head + head) * 2 + which) * s->block_bytes;
}

/** Stores a span's keys and values of one head, row span->first of k and v on, in its pages. Uses kp floats of `scratch`. */
void ds_kv_store(const ds_micro *m, const ds_kv_shape *s, const ds_span *span, int64_t layer, int64_t head, const ds_tensor *k, const ds_tensor *v,
                 float *scratch);

/** The block as the tile kernels read it: floats, or bf16 pairs when `pairs`. Uses `scratch` (64 * kp floats) when it must
 *  convert, `row` (2 * max(kp, 64) floats) while it does. */
const void *ds_kv_load_keys(const ds_micro *m, const ds_kv_shape *s, const void *block, bool pairs, float *scratch, float *row);
const void *ds_kv_load_values(const ds_micro *m, const ds_kv_shape *s, const void *block, bool pairs, float *scratch, float *row);
#endif
