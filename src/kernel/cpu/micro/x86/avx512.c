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

/* Random bits for 64 values: Philox (base/rng.h) of indices first, first + 8, ..., one in the low half of each 64-bit lane. */
SIMD void philox_64(__m512i out[2], uint64_t seed, uint64_t stream, uint64_t first)
{
    __m512i index = _mm512_add_epi64(_mm512_set1_epi64((int64_t)first), _mm512_setr_epi64(0, 8, 16, 24, 32, 40, 48, 56));
    __m512i c0 = index, c1 = _mm512_srli_epi64(index, 32), c2 = _mm512_set1_epi64((int64_t)stream), c3 = _mm512_srli_epi64(c2, 32);
    __m512i k0 = _mm512_set1_epi32((int32_t)seed), k1 = _mm512_set1_epi32((int32_t)(seed >> 32));
    _Pragma("GCC unroll 10") for (int round = 0; round < 10; round++)
    {
        __m512i p0 = _mm512_mul_epu32(c0, _mm512_set1_epi64(0xD2511F53)), p1 = _mm512_mul_epu32(c2, _mm512_set1_epi64(0xCD9E8D57));
        c0 = _mm512_ternarylogic_epi32(_mm512_srli_epi64(p1, 32), c1, k0, 0x96);
        c2 = _mm512_ternarylogic_epi32(_mm512_srli_epi64(p0, 32), c3, k1, 0x96);
        c1 = p1;
        c3 = p0;
        k0 = _mm512_add_epi32(k0, _mm512_set1_epi32((int32_t)0x9E3779B9));
        k1 = _mm512_add_epi32(k1, _mm512_set1_epi32((int32_t)0xBB67AE85));
    }
    __m512i low = _mm512_mask_mov_epi32(c0, 0xaaaa, _mm512_slli_epi64(c1, 32)), high = _mm512_mask_mov_epi32(c2, 0xaaaa, _mm512_slli_epi64(c3, 32));
    __m512i even = _mm512_unpacklo_epi64(low, high), odd = _mm512_unpackhi_epi64(low, high);
    out[0] = _mm512_permutex2var_epi64(even, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), odd);
    out[1] = _mm512_permutex2var_epi64(even, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), odd);
}

SIMD void round_16(uint16_t *w, const float *x, __m256i noise)
{
    __m512i   bits = _mm512_loadu_si512(x), exponent = _mm512_set1_epi32(0x7f800000);
    __mmask16 finite = _mm512_cmpneq_epi32_mask(_mm512_and_si512(bits, exponent), exponent);
    bits = _mm512_mask_add_epi32(bits, finite, bits, _mm512_cvtepu16_epi32(noise));
    _mm256_storeu_si256((__m256i *)w, _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
}

static void round_stochastically_64(uint16_t *w, const float *x, int64_t first, int64_t n, uint64_t seed, uint64_t stream)
{
    int64_t i = 0;
    for (; i + 64 <= n; i += 64) {
        __m512i noise[2];
        philox_64(noise, seed, stream, (uint64_t)(first + i));
        for (int k = 0; k < 2; k++) {
            round_16(w + i + 32 * k, x + i + 32 * k, _mm512_castsi512_si256(noise[k]));
            round_16(w + i + 32 * k + 16, x + i + 32 * k + 16, _mm512_extracti64x4_epi64(noise[k], 1));
        }
    }
    round_stochastically(w + i, x + i, first + i, n - i, seed, stream);
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
    m->round_stochastically = round_stochastically_64;
}
