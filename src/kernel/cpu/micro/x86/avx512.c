/* AVX-512 F, BW, DQ, VL. */
#include "kernel/cpu/micro/x86/simd_avx512.h"

#include "kernel/cpu/micro/bound.inc.h"
#include "kernel/cpu/micro/gemm.inc.h"
#include "kernel/cpu/micro/vec.inc.h"
#include "kernel/cpu/micro/train.inc.h"
#include "kernel/cpu/micro/optim.inc.h"
#include "kernel/cpu/micro/x86/x86.h"

/* Four rows of 16 become four vectors that hold, for each of four groups of four columns, the 4x4 block turned over. */
SIMD void turn_4(__m512 *r)
{
    __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
    __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
    r[0] = _mm512_shuffle_ps(a, c, 0x44);
    r[1] = _mm512_shuffle_ps(a, c, 0xee);
    r[2] = _mm512_shuffle_ps(b, d, 0x44);
    r[3] = _mm512_shuffle_ps(b, d, 0xee);
}

static void transpose_16x16(float *dst, int64_t ld_dst, const float *src, int64_t ld_src)
{
    __m512 r[16];
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(src + i * ld_src);
    _Pragma("GCC unroll 4") for (int i = 0; i < 16; i += 4) turn_4(r + i);
    /* r[4 g + c] holds column 4 q + c of rows 4 g .. 4 g + 3 in its quarter q */
    _Pragma("GCC unroll 4") for (int c = 0; c < 4; c++)
    {
        __m512 low = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x44), high = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xee);
        __m512 low2 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x44), high2 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xee);
        _mm512_storeu_ps(dst + c * ld_dst, _mm512_shuffle_f32x4(low, low2, 0x88));
        _mm512_storeu_ps(dst + (4 + c) * ld_dst, _mm512_shuffle_f32x4(low, low2, 0xdd));
        _mm512_storeu_ps(dst + (8 + c) * ld_dst, _mm512_shuffle_f32x4(high, high2, 0x88));
        _mm512_storeu_ps(dst + (12 + c) * ld_dst, _mm512_shuffle_f32x4(high, high2, 0xdd));
    }
}

static void transpose32(void *dst, int64_t ld_dst, const void *src, int64_t ld_src, int64_t rows, int64_t cols)
{
    float       *d = dst;
    const float *s = src;
    for (int64_t r = 0; r < rows; r += 16)
        for (int64_t c = 0; c < cols; c += 16) {
            if (rows - r >= 16 && cols - c >= 16) {
                transpose_16x16(d + c * ld_dst + r, ld_dst, s + r * ld_src + c, ld_src);
                continue;
            }
            for (int64_t i = r; i < rows && i < r + 16; i++)
                for (int64_t k = c; k < cols && k < c + 16; k++)
                    memcpy(d + k * ld_dst + i, s + i * ld_src + k, 4);
        }
}

void ds_micro_avx512(ds_micro *m)
{
    m->name = "avx512";
    set_gemms(m);
    set_bounds(m);
    set_vectors(m);
    set_training(m);
    set_optimizers(m);
    m->transpose32 = transpose32;
}
