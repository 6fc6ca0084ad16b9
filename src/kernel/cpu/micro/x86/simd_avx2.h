/* 16 lanes in two AVX2 registers. */
#ifndef DS_MICRO_SIMD_AVX2_H
#define DS_MICRO_SIMD_AVX2_H
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define SIMD static inline __attribute__((always_inline))

typedef struct vi { __m256i a, b; } vi;
typedef struct vf { __m256 a, b; } vf;
typedef struct w64 { __m256i a, b; } w64;

#define DS_TILE_TOKENS 3
#define DS_TILE_VECS   2
#define DS_TILE_ROWS   2
enum { TILE_GROUPS = 1, TILE_TOKENS = DS_TILE_TOKENS, TILE_VECS = DS_TILE_VECS, TILE_ROWS = DS_TILE_ROWS };
enum { DOT8_OFFSET = 0, UPPER_SHIFT = 0 };

#define BOTH(f, x) { f((x).a), f((x).b) }
#define BOTH2(f, x, y) { f((x).a, (y).a), f((x).b, (y).b) }

SIMD vi vi_bcast(int32_t x) { return (vi){ _mm256_set1_epi32(x), _mm256_set1_epi32(x) }; }
#define vi_shl(v, n) ((vi){ _mm256_slli_epi32((v).a, n), _mm256_slli_epi32((v).b, n) })
#define vi_shr(v, n) ((vi){ _mm256_srai_epi32((v).a, n), _mm256_srai_epi32((v).b, n) })
SIMD vf vf_from_vi(vi v) { return (vf)BOTH(_mm256_cvtepi32_ps, v); }

SIMD w64 w_load(const void *p)
{
    const __m256i *q = p;
    return (w64){ _mm256_loadu_si256(q), _mm256_loadu_si256(q + 1) };
}
SIMD __m256i low_nibbles(__m256i x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
SIMD w64 w_low(w64 w) { return (w64)BOTH(low_nibbles, w); }
SIMD w64 w_high(w64 w) { return (w64){ low_nibbles(_mm256_srli_epi16(w.a, 4)), low_nibbles(_mm256_srli_epi16(w.b, 4)) }; }
SIMD w64 w_upper(w64 w) { return w_high(w); }
SIMD w64 w_and(w64 w, uint8_t mask)
{
    __m256i m = _mm256_set1_epi8((char)mask);
    return (w64){ _mm256_and_si256(w.a, m), _mm256_and_si256(w.b, m) };
}
#define w_shl(w, n) ((w64){ _mm256_slli_epi16((w).a, n), _mm256_slli_epi16((w).b, n) }) /* bits may cross into the next byte: mask them */
#define w_shr(w, n) ((w64){ _mm256_srli_epi16((w).a, n), _mm256_srli_epi16((w).b, n) })
SIMD w64 w_or(w64 w, w64 from, uint8_t mask)
{
    from = w_and(from, mask);
    return (w64)BOTH2(_mm256_or_si256, w, from);
}
SIMD __m256i value_where(__m256i from, uint8_t bit, int8_t value)
{
    __m256i b = _mm256_set1_epi8((char)bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(from, b), b), _mm256_set1_epi8(value));
}
SIMD w64 w_add_where(w64 w, w64 from, uint8_t bit, int8_t value)
{
    return (w64){ _mm256_add_epi8(w.a, value_where(from.a, bit, value)), _mm256_add_epi8(w.b, value_where(from.b, bit, value)) };
}
SIMD void w_store(void *p, w64 w)
{
    _mm256_storeu_si256(p, w.a);
    _mm256_storeu_si256((__m256i *)p + 1, w.b);
}
/* 32 bits to 32 bytes of 0 or `value`. */
SIMD __m256i spread_bits(uint32_t bits, int8_t value)
{
    const __m256i pick = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i       b = _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)bits), pick);
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(b, bit), bit), _mm256_set1_epi8(value));
}
SIMD w64 w_plane(w64 w, uint64_t bits, int8_t value)
{
    return (w64){ _mm256_add_epi8(w.a, spread_bits((uint32_t)bits, value)),
                  _mm256_add_epi8(w.b, spread_bits((uint32_t)(bits >> 32), value)) };
}

SIMD __m256i bcast_4(const int8_t *a) { int32_t x; memcpy(&x, a, 4); return _mm256_set1_epi32(x); }
SIMD __m256i dot_add(__m256i acc, __m256i u, __m256i s)
{
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)));
}
SIMD vi vi_dot(vi acc, w64 w, const int8_t *a)
{
    __m256i x = bcast_4(a);
    return (vi){ dot_add(acc.a, w.a, x), dot_add(acc.b, w.b, x) };
}
/* |w| * (a with w's sign): 255 * 127 * 2 would not fit 16 bits, 128 * 127 * 2 does. */
SIMD __m256i dot8_add(__m256i acc, __m256i w, __m256i x)
{
    __m256i s = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
    return dot_add(acc, _mm256_abs_epi8(s), _mm256_sign_epi8(x, s));
}
SIMD vi vi_dot8(vi acc, w64 w, const int8_t *a)
{
    __m256i x = bcast_4(a);
    return (vi){ dot8_add(acc.a, w.a, x), dot8_add(acc.b, w.b, x) };
}

SIMD vf vf_zero(void) { return (vf){ _mm256_setzero_ps(), _mm256_setzero_ps() }; }
SIMD vf vf_bcast(float x) { return (vf){ _mm256_set1_ps(x), _mm256_set1_ps(x) }; }
SIMD vf vf_load(const float *p) { return (vf){ _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) }; }
SIMD void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v.a); _mm256_storeu_ps(p + 8, v.b); }
SIMD vf vf_add(vf a, vf b) { return (vf)BOTH2(_mm256_add_ps, a, b); }
SIMD vf vf_sub(vf a, vf b) { return (vf)BOTH2(_mm256_sub_ps, a, b); }
SIMD vf vf_mul(vf a, vf b) { return (vf)BOTH2(_mm256_mul_ps, a, b); }
SIMD vf vf_div(vf a, vf b) { return (vf)BOTH2(_mm256_div_ps, a, b); }
SIMD vf vf_max(vf a, vf b) { return (vf)BOTH2(_mm256_max_ps, a, b); }
SIMD vf vf_min(vf a, vf b) { return (vf)BOTH2(_mm256_min_ps, a, b); }
SIMD vf vf_abs(vf v)
{
    __m256 m = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    return (vf){ _mm256_and_ps(v.a, m), _mm256_and_ps(v.b, m) };
}
SIMD vf vf_copysign(vf a, vf sign)
{
    __m256 bit = _mm256_set1_ps(-0.0f);
    a.a = _mm256_or_ps(_mm256_andnot_ps(bit, a.a), _mm256_and_ps(bit, sign.a));
    a.b = _mm256_or_ps(_mm256_andnot_ps(bit, a.b), _mm256_and_ps(bit, sign.b));
    return a;
}
SIMD vf vf_sqrt(vf a) { return (vf)BOTH(_mm256_sqrt_ps, a); }
SIMD vf vf_root(vf a) { return vf_sqrt(a); }
SIMD vf vf_fma(vf a, vf b, vf c) { return (vf){ _mm256_fmadd_ps(a.a, b.a, c.a), _mm256_fmadd_ps(a.b, b.b, c.b) }; }
SIMD __m256 round8(__m256 x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
SIMD vf vf_round(vf v) { return (vf)BOTH(round8, v); }
SIMD vi vi_round_f(vf v) { return (vi)BOTH(_mm256_cvtps_epi32, v); }
SIMD __m256 pow2_8(__m256 n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
SIMD vf vf_pow2(vf n) { return (vf)BOTH(pow2_8, n); }
SIMD vf vf_load_f16(const void *p)
{
    const __m128i *q = p;
    return (vf){ _mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1)) };
}
SIMD __m256 bf16_8(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
SIMD vf vf_load_bf16(const void *p)
{
    const __m128i *q = p;
    return (vf){ bf16_8(_mm_loadu_si128(q)), bf16_8(_mm_loadu_si128(q + 1)) };
}
SIMD vf vf_load_u8(const uint8_t *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    return vf_from_vi((vi){ _mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8)) });
}
SIMD vf vf_load_i8(const int8_t *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    return vf_from_vi((vi){ _mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)) });
}
SIMD __m128i words_8(__m256i x) { return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)); }
SIMD void vi_store_i8(int8_t *p, vi v) { _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(words_8(v.a), words_8(v.b))); }
SIMD void vf_store_f16(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT));
}
SIMD __m128i to_bf16_8(__m256 f)
{
    __m256i x = _mm256_castps_si256(f), high = _mm256_srli_epi32(x, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i r = _mm256_srli_epi32(_mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(f, f, _CMP_UNORD_Q));
    r = _mm256_blendv_epi8(r, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
}
SIMD void vf_store_bf16(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, to_bf16_8(v.a));
    _mm_storeu_si128((__m128i *)(p + 8), to_bf16_8(v.b));
}
SIMD float vf_sum(vf v)
{
    __m256 h = _mm256_add_ps(v.a, v.b);
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
SIMD float vf_hmax(vf v)
{
    float x[8], m;
    _mm256_storeu_ps(x, _mm256_max_ps(v.a, v.b));
    m = x[0];
    for (int i = 1; i < 8; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}
SIMD int32_t vi_sum(vi v)
{
    int32_t x[8], s = 0;
    _mm256_storeu_si256((__m256i *)x, _mm256_add_epi32(v.a, v.b));
    for (int i = 0; i < 8; i++)
        s += x[i];
    return s;
}
#endif
