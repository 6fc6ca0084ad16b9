/* 16 lanes in four NEON registers. With DS_DOTPROD the byte products are one instruction. */
#ifndef DS_MICRO_SIMD_NEON_H
#define DS_MICRO_SIMD_NEON_H
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define SIMD static inline __attribute__((always_inline))
#define EACH for (int i = 0; i < 4; i++)

typedef struct vi { int32x4_t v[4]; } vi;
typedef struct vf { float32x4_t v[4]; } vf;
typedef struct w64 { uint8x16_t v[4]; } w64;

#define DS_TILE_TOKENS 4
#define DS_TILE_VECS   2
#define DS_TILE_ROWS   2
enum { TILE_GROUPS = 1, TILE_TOKENS = DS_TILE_TOKENS, TILE_VECS = DS_TILE_VECS, TILE_ROWS = DS_TILE_ROWS };
enum { DOT8_OFFSET = 0, UPPER_SHIFT = 0 };

SIMD vi vi_bcast(int32_t x) { vi r; EACH r.v[i] = vdupq_n_s32(x); return r; }
#define vi_shl(a, n) ((vi){ { vshlq_n_s32((a).v[0], (n)), vshlq_n_s32((a).v[1], (n)), vshlq_n_s32((a).v[2], (n)), vshlq_n_s32((a).v[3], (n)) } })
#define vi_shr(a, n) ((vi){ { vshrq_n_s32((a).v[0], (n)), vshrq_n_s32((a).v[1], (n)), vshrq_n_s32((a).v[2], (n)), vshrq_n_s32((a).v[3], (n)) } })
SIMD vf vf_from_vi(vi a) { vf r; EACH r.v[i] = vcvtq_f32_s32(a.v[i]); return r; }

SIMD w64 w_load(const void *p) { w64 w; EACH w.v[i] = vld1q_u8((const uint8_t *)p + 16 * i); return w; }
SIMD w64 w_low(w64 w) { EACH w.v[i] = vandq_u8(w.v[i], vdupq_n_u8(15)); return w; }
SIMD w64 w_high(w64 w) { EACH w.v[i] = vshrq_n_u8(w.v[i], 4); return w; }
SIMD w64 w_upper(w64 w) { return w_high(w); }
SIMD w64 w_and(w64 w, uint8_t mask) { EACH w.v[i] = vandq_u8(w.v[i], vdupq_n_u8(mask)); return w; }
#define w_shl(w, n) ((w64){ { vshlq_n_u8((w).v[0], n), vshlq_n_u8((w).v[1], n), vshlq_n_u8((w).v[2], n), vshlq_n_u8((w).v[3], n) } })
#define w_shr(w, n) ((w64){ { vshrq_n_u8((w).v[0], n), vshrq_n_u8((w).v[1], n), vshrq_n_u8((w).v[2], n), vshrq_n_u8((w).v[3], n) } })
SIMD w64 w_or(w64 w, w64 from, uint8_t mask) { EACH w.v[i] = vorrq_u8(w.v[i], vandq_u8(from.v[i], vdupq_n_u8(mask))); return w; }
SIMD w64 w_add_where(w64 w, w64 from, uint8_t bit, int value)
{
    EACH w.v[i] = vaddq_u8(w.v[i], vandq_u8(vtstq_u8(from.v[i], vdupq_n_u8(bit)), vdupq_n_u8((uint8_t)value)));
    return w;
}
SIMD void w_store(void *p, w64 w) { EACH vst1q_u8((uint8_t *)p + 16 * i, w.v[i]); }
SIMD w64 w_plane(w64 w, uint64_t bits, int value)
{
    const uint8x16_t bit = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    EACH {
        uint8x16_t b = vcombine_u8(vdup_n_u8((uint8_t)(bits >> 16 * i)), vdup_n_u8((uint8_t)(bits >> (16 * i + 8))));
        w.v[i] = vaddq_u8(w.v[i], vandq_u8(vtstq_u8(b, bit), vdupq_n_u8((uint8_t)value)));
    }
    return w;
}
SIMD int8x16_t bcast_4(const int8_t *a) { int32_t x; memcpy(&x, a, 4); return vreinterpretq_s8_s32(vdupq_n_s32(x)); }
SIMD int32x4_t dot_add(int32x4_t acc, int8x16_t w, int8x16_t x)
{
#ifdef DS_DOTPROD
    return vdotq_s32(acc, w, x);
#else
    int16x8_t lo = vmull_s8(vget_low_s8(w), vget_low_s8(x)), hi = vmull_s8(vget_high_s8(w), vget_high_s8(x));
    return vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(lo), vpaddlq_s16(hi)));
#endif
}
SIMD vi vi_dot(vi acc, w64 w, const int8_t *a)
{
    int8x16_t x = bcast_4(a);
    EACH acc.v[i] = dot_add(acc.v[i], vreinterpretq_s8_u8(w.v[i]), x);
    return acc;
}
SIMD vi vi_dot8(vi acc, w64 w, const int8_t *a)
{
    EACH w.v[i] = veorq_u8(w.v[i], vdupq_n_u8(128));
    return vi_dot(acc, w, a);
}

SIMD vf vf_bcast(float x) { vf r; EACH r.v[i] = vdupq_n_f32(x); return r; }
SIMD vf vf_zero(void) { return vf_bcast(0); }
SIMD vf vf_load(const float *p) { vf r; EACH r.v[i] = vld1q_f32(p + 4 * i); return r; }
SIMD void vf_store(float *p, vf a) { EACH vst1q_f32(p + 4 * i, a.v[i]); }
SIMD vf vf_add(vf a, vf b) { EACH a.v[i] = vaddq_f32(a.v[i], b.v[i]); return a; }
SIMD vf vf_sub(vf a, vf b) { EACH a.v[i] = vsubq_f32(a.v[i], b.v[i]); return a; }
SIMD vf vf_mul(vf a, vf b) { EACH a.v[i] = vmulq_f32(a.v[i], b.v[i]); return a; }
SIMD vf vf_div(vf a, vf b) { EACH a.v[i] = vdivq_f32(a.v[i], b.v[i]); return a; }
SIMD vf vf_max(vf a, vf b) { EACH a.v[i] = vmaxq_f32(a.v[i], b.v[i]); return a; }
SIMD vf vf_min(vf a, vf b) { EACH a.v[i] = vminq_f32(a.v[i], b.v[i]); return a; }
SIMD vf vf_abs(vf a) { EACH a.v[i] = vabsq_f32(a.v[i]); return a; }
SIMD vf vf_copysign(vf a, vf sign) { EACH a.v[i] = vbslq_f32(vdupq_n_u32(0x80000000), sign.v[i], a.v[i]); return a; }
SIMD vf vf_sqrt(vf a) { EACH a.v[i] = vsqrtq_f32(a.v[i]); return a; }
SIMD vf vf_root(vf a) { return vf_sqrt(a); }
SIMD vf vf_fma(vf a, vf b, vf c) { EACH c.v[i] = vfmaq_f32(c.v[i], a.v[i], b.v[i]); return c; }
SIMD vf vf_round(vf a) { EACH a.v[i] = vrndnq_f32(a.v[i]); return a; }
SIMD vi vi_round_f(vf a) { vi r; EACH r.v[i] = vcvtnq_s32_f32(a.v[i]); return r; }
SIMD vf vf_pow2(vf n)
{
    EACH n.v[i] = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.v[i]), vdupq_n_s32(127)), 23));
    return n;
}
SIMD vf vf_load_f16(const void *p)
{
    vf r;
    EACH r.v[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)p + 4 * i)));
    return r;
}
SIMD vf vf_load_bf16(const void *p)
{
    vf r;
    EACH r.v[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)p + 4 * i), 16));
    return r;
}
SIMD vf vf_load_u8(const uint8_t *p)
{
    vf         r;
    uint8x16_t x = vld1q_u8(p);
    uint16x8_t lo = vmovl_u8(vget_low_u8(x)), hi = vmovl_u8(vget_high_u8(x));
    r.v[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(lo)));
    r.v[1] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(lo)));
    r.v[2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(hi)));
    r.v[3] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(hi)));
    return r;
}
SIMD vf vf_load_i8(const int8_t *p)
{
    vf        r;
    int8x16_t x = vld1q_s8(p);
    int16x8_t lo = vmovl_s8(vget_low_s8(x)), hi = vmovl_s8(vget_high_s8(x));
    r.v[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo)));
    r.v[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo)));
    r.v[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi)));
    r.v[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)));
    return r;
}
SIMD void vi_store_i8(int8_t *p, vi a)
{
    int16x8_t lo = vcombine_s16(vqmovn_s32(a.v[0]), vqmovn_s32(a.v[1])), hi = vcombine_s16(vqmovn_s32(a.v[2]), vqmovn_s32(a.v[3]));
    vst1q_s8(p, vcombine_s8(vqmovn_s16(lo), vqmovn_s16(hi)));
}
SIMD void vf_store_f16(uint16_t *p, vf a) { EACH vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i]))); }
SIMD void vf_store_bf16(uint16_t *p, vf a)
{
    EACH {
        uint32x4_t x = vreinterpretq_u32_f32(a.v[i]), high = vshrq_n_u32(x, 16);
        uint32x4_t odd = vandq_u32(high, vdupq_n_u32(1));
        uint32x4_t r = vshrq_n_u32(vaddq_u32(x, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
        r = vbslq_u32(vceqq_f32(a.v[i], a.v[i]), r, vorrq_u32(high, vdupq_n_u32(0x40)));
        vst1_u16(p + 4 * i, vmovn_u32(r));
    }
}
SIMD float vf_sum(vf a)
{
    float32x4_t q = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    float32x2_t h = vadd_f32(vget_low_f32(q), vget_high_f32(q));
    return vget_lane_f32(h, 0) + vget_lane_f32(h, 1);
}
SIMD float vf_hmax(vf a) { return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3]))); }
SIMD int32_t vi_sum(vi a) { return vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3]))); }
#undef EACH
#endif
