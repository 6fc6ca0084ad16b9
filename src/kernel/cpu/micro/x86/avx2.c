/* AVX2 + FMA + F16C. */
#include "kernel/cpu/micro/x86/simd_avx2.h"

#include "kernel/cpu/micro/bound.inc.h"
#include "kernel/cpu/micro/gemm.inc.h"
#include "kernel/cpu/micro/vec.inc.h"
#include "kernel/cpu/micro/train.inc.h"
#include "kernel/cpu/micro/optim.inc.h"
#include "kernel/cpu/micro/x86/x86.h"

/* 8 x 8 values: pairs of rows are interleaved, then pairs of pairs, then halves. */
static void transpose_8x8(float *dst, int64_t ld_dst, const float *src, int64_t ld_src)
{
    __m256 r[8], p[8], q[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(src + i * ld_src);
    for (int i = 0; i < 8; i += 2) {
        p[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        p[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int h = 0; h < 2; h++) {
            q[i + 2 * h] = _mm256_shuffle_ps(p[i + h], p[i + h + 2], 0x44);
            q[i + 2 * h + 1] = _mm256_shuffle_ps(p[i + h], p[i + h + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(dst + i * ld_dst, _mm256_permute2f128_ps(q[i], q[i + 4], 0x20));
        _mm256_storeu_ps(dst + (i + 4) * ld_dst, _mm256_permute2f128_ps(q[i], q[i + 4], 0x31));
    }
}

static void transpose32(void *dst, int64_t ld_dst, const void *src, int64_t ld_src, int64_t rows, int64_t cols)
{
    float       *d = dst;
    const float *s = src;
    for (int64_t r = 0; r < rows; r += 8)
        for (int64_t c = 0; c < cols; c += 8) {
            if (rows - r >= 8 && cols - c >= 8) {
                transpose_8x8(d + c * ld_dst + r, ld_dst, s + r * ld_src + c, ld_src);
                continue;
            }
            for (int64_t i = r; i < rows && i < r + 8; i++)
                for (int64_t k = c; k < cols && k < c + 8; k++)
                    memcpy(d + k * ld_dst + i, s + i * ld_src + k, 4);
        }
}

void ds_micro_avx2(ds_micro *m)
{
    m->name = "avx2";
    set_gemms(m);
    set_bounds(m);
    set_vectors(m);
    set_training(m);
    set_optimizers(m);
    m->transpose32 = transpose32;
}
