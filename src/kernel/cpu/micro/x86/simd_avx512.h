/* 16 lanes in one AVX-512 register. With DS_VNNI the byte products are one instruction. */
#ifndef DS_MICRO_SIMD_AVX512_H
#define DS_MICRO_SIMD_AVX512_H
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define SIMD static inline __attribute__((always_inline))

typedef __m512i vi;
typedef __m512  vf;
typedef __m512i w64;

#define DS_TILE_TOKENS 6
#define DS_TILE_VECS   4
#define DS_TILE_ROWS   6
enum { TILE_GROUPS = 2, TILE_TOKENS = DS_TILE_TOKENS, TILE_VECS = DS_TILE_VECS, TILE_ROWS = DS_TILE_ROWS };

SIMD vi vi_bcast(int32_t x) { return _mm512_set1_epi32(x); }
#define vi_shl(v, n) _mm512_slli_epi32(v, n)
#define vi_shr(v, n) _mm512_srai_epi32(v, n)
SIMD vf vf_from_vi(vi v) { return _mm512_cvtepi32_ps(v); }

SIMD w64 w_load(const void *p) { return _mm512_loadu_si512(p); }
SIMD w64 w_low(w64 w) { return _mm512_and_si512(w, _mm512_set1_epi8(15)); }
SIMD w64 w_high(w64 w) { return _mm512_and_si512(_mm512_srli_epi16(w, 4), _mm512_set1_epi8(15)); }
SIMD w64 w_and(w64 w, uint8_t mask) { return _mm512_and_si512(w, _mm512_set1_epi8((char)mask)); }
#define w_shl(w, n) _mm512_slli_epi16(w, n) /* bits may cross into the next byte: mask them */
#define w_shr(w, n) _mm512_srli_epi16(w, n)
SIMD w64 w_or(w64 w, w64 from, uint8_t mask) { return _mm512_ternarylogic_epi32(w, from, _mm512_set1_epi8((char)mask), 0xf8); }
SIMD w64 w_add_where(w64 w, w64 from, uint8_t bit, int8_t value)
{
    return _mm512_mask_add_epi8(w, _mm512_test_epi8_mask(from, _mm512_set1_epi8((char)bit)), w, _mm512_set1_epi8(value));
}
SIMD void w_store(void *p, w64 w) { _mm512_storeu_si512(p, w); }
SIMD w64 w_plane(w64 w, uint64_t bits, int8_t value) { return _mm512_mask_add_epi8(w, bits, w, _mm512_set1_epi8(value)); }

SIMD int32_t load_4(const int8_t *a) { int32_t x; memcpy(&x, a, 4); return x; }

#ifdef DS_VNNI
enum { DOT8_OFFSET = 1, UPPER_SHIFT = 4 }; /* 8-bit weights are used as value + 128; the upper 4 bits where they are */
SIMD w64 w_upper(w64 w) { return w_and(w, 0xf0); }
/* One instruction reads the four values and multiplies; compilers make two of the intrinsics. */
SIMD vi vi_dot(vi acc, w64 w, const int8_t *a)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(w), "m"(*(const int8_t(*)[4])a));
    return acc;
}
SIMD vi vi_dot8(vi acc, w64 w, const int8_t *a) { return vi_dot(acc, w, a); }
#else
enum { DOT8_OFFSET = 0, UPPER_SHIFT = 0 };
SIMD w64 w_upper(w64 w) { return w_high(w); }
SIMD vi vi_dot(vi acc, w64 w, const int8_t *a)
{
    __m512i pairs = _mm512_maddubs_epi16(w, _mm512_set1_epi32(load_4(a)));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
SIMD vi vi_dot8(vi acc, w64 w, const int8_t *a)
{
    /* |w| * (a with w's sign): 255 * 127 * 2 would not fit 16 bits, 128 * 127 * 2 does */
    w64      s = _mm512_xor_si512(w, _mm512_set1_epi8(-128));
    __m512i  x = _mm512_set1_epi32(load_4(a));
    uint64_t negative = _mm512_movepi8_mask(s);
    __m512i  ax = _mm512_mask_sub_epi8(x, negative, _mm512_setzero_si512(), x);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_abs_epi8(s), ax), _mm512_set1_epi16(1)));
}
#endif

SIMD vf vf_zero(void) { return _mm512_setzero_ps(); }
SIMD vf vf_bcast(float x) { return _mm512_set1_ps(x); }
SIMD vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
SIMD void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
SIMD vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
SIMD vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
SIMD vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
SIMD vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
SIMD vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
SIMD vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
SIMD vf vf_abs(vf a) { return _mm512_abs_ps(a); }
SIMD vf vf_copysign(vf a, vf sign)
{
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_set1_epi32(INT32_MIN), _mm512_castps_si512(sign), _mm512_castps_si512(a), 0xca));
}
SIMD vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
/* 1e-30 keeps zero from its infinite inverse. */
SIMD vf vf_root(vf a) { return _mm512_mul_ps(a, _mm512_rsqrt14_ps(_mm512_max_ps(a, _mm512_set1_ps(1e-30f)))); }
SIMD vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
SIMD vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD vi vi_round_f(vf a) { return _mm512_cvtps_epi32(a); }
SIMD vf vf_pow2(vf n) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23)); }
SIMD vf vf_load_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
SIMD vf vf_load_bf16(const void *p) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16)); }
SIMD vf vf_load_u8(const uint8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p))); }
SIMD vf vf_load_i8(const int8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p))); }
SIMD void vi_store_i8(int8_t *p, vi v) { _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(v)); }
SIMD void vf_store_f16(uint16_t *p, vf v) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT)); }
SIMD void vf_store_bf16(uint16_t *p, vf v)
{
    __m512i x = _mm512_castps_si512(v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
    __m512i r = _mm512_srli_epi32(_mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    r = _mm512_mask_blend_epi32(nan, r, _mm512_or_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(0x40)));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(r));
}
/* Horizontal sums add neighbours pairwise (8, 4, 2, 1 apart), the same order in every instruction set. */
SIMD float vf_sum(vf v)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
SIMD float vf_hmax(vf v) { return _mm512_reduce_max_ps(v); }
SIMD int32_t vi_sum(vi v) { return _mm512_reduce_add_epi32(v); }
#endif
