/* AVX-512 BF16: products of bf16 pairs, for attention over BF16 and Q8_0 caches. */
#include "kernel/cpu/micro/x86/simd_avx512.h"

#include "kernel/cpu/micro/micro.h"
#include "kernel/cpu/micro/x86/x86.h"

/* Pair i of row t of a at a[t * row_a + i * pair_a]. */
SIMD void tile_block_bf16(float *c, int64_t ld_c, const uint16_t *a, int64_t row_a, int64_t pair_a, const uint16_t *b, int64_t ld_b, int64_t k,
                          int accumulate, const int T, const int V)
{
    vf acc[TILE_ROWS][TILE_VECS];
    _Pragma("GCC unroll 16") for (int t = 0; t < T; t++)
        _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) acc[t][v] = accumulate ? vf_load(c + t * ld_c + 16 * v) : vf_zero();
    for (int64_t i = 0; i < k / 2; i++) {
        __m512bh row[TILE_VECS];
        _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) row[v] = (__m512bh)_mm512_loadu_si512(b + 2 * (i * ld_b + 16 * v));
        _Pragma("GCC unroll 16") for (int t = 0; t < T; t++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32(load_4((const int8_t *)(a + t * row_a + i * pair_a)));
            _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) acc[t][v] = _mm512_dpbf16_ps(acc[t][v], x, row[v]);
        }
    }
    _Pragma("GCC unroll 16") for (int t = 0; t < T; t++)
        _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) vf_store(c + t * ld_c + 16 * v, acc[t][v]);
}

#include "kernel/cpu/micro/tile.inc.h"
#define BF16_BLOCK(T, V) tile_block_bf16(cc, ld_c, a, ld_a, 2, b, ld_b, k, accumulate, T, V)
DEFINE_TILE(tile_bf16, uint16_t, uint16_t, 2, BF16_BLOCK)
#define BF16_T_BLOCK(T, V) tile_block_bf16(cc, ld_c, a, 2, 2 * ld_a, b, ld_b, k, accumulate, T, V)
DEFINE_TILE_T(tile_t_bf16, uint16_t, uint16_t, 2, BF16_T_BLOCK)

/* As bound_f32 of micro/bound.inc.h. */
static int64_t bound_bf16(int64_t rounds, void *sink)
{
    enum { CHAINS = 12 };
    vf       acc[CHAINS];
    __m512bh x = (__m512bh)_mm512_loadu_si512(sink), y = (__m512bh)_mm512_loadu_si512((char *)sink + 64);
    for (int i = 0; i < CHAINS; i++)
        acc[i] = vf_bcast((float)i);
    for (int64_t r = 0; r < rounds; r++)
        _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) acc[i] = _mm512_dpbf16_ps(acc[i], x, y);
    for (int i = 0; i < CHAINS; i++)
        vf_store((float *)((char *)sink + 128 + 64 * i), acc[i]);
    return rounds * CHAINS * 32 * 2;
}

static void bf16_from_f32(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(y + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + i)));
    if (i < n) {
        __mmask16 left = (__mmask16)((1u << (n - i)) - 1);
        _mm256_mask_storeu_epi16(y + i, left, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(left, x + i)));
    }
}

static void round_to_bf16(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 there = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
        __m256i   half = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(there, x + i));
        _mm512_mask_storeu_epi32(y + i, there, _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
    }
}

/* The conversion of two vectors gives evens then odds; a permutation interleaves them. */
static void bf16_pairs(uint16_t *y, const float *even, const float *odd, int64_t n)
{
    _Alignas(64) static const uint16_t order[32] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    __m512i permutation = _mm512_load_si512(order);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 there = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1) : 0xffff;
        __m512i   both = (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(there, odd + i), _mm512_maskz_loadu_ps(there, even + i));
        _mm512_mask_storeu_epi32(y + 2 * i, there, _mm512_permutexvar_epi16(permutation, both));
    }
}

void ds_micro_bf16(ds_micro *m)
{
    m->name = "bf16";
    m->tile_bf16 = tile_bf16;
    m->train.tile_t_bf16 = tile_t_bf16;
    m->bound_bf16 = bound_bf16;
    m->bf16_from_f32 = bf16_from_f32;
    m->round_to_bf16 = round_to_bf16;
    m->bf16_pairs = bf16_pairs;
}
