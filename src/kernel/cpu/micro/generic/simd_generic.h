/* 16 lanes as plain arrays. */
#ifndef DS_MICRO_SIMD_GENERIC_H
#define DS_MICRO_SIMD_GENERIC_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "quant/quant.h"

#define SIMD static inline __attribute__((always_inline))
#define EACH for (int i = 0; i < 16; i++)

typedef struct vi { int32_t v[16]; } vi;
typedef struct vf { float v[16]; } vf;
typedef struct w64 { uint8_t v[64]; } w64;

#define DS_TILE_TOKENS 2
#define DS_TILE_VECS   4
#define DS_TILE_ROWS   1
enum { TILE_GROUPS = 1, TILE_TOKENS = DS_TILE_TOKENS, TILE_VECS = DS_TILE_VECS, TILE_ROWS = DS_TILE_ROWS };
enum { DOT8_OFFSET = 0, UPPER_SHIFT = 0 };

SIMD vi vi_bcast(int32_t x) { vi r; EACH r.v[i] = x; return r; }
SIMD vi vi_shl(vi a, int n) { EACH a.v[i] *= 1 << n; return a; }
SIMD vi vi_shr(vi a, int n) { EACH a.v[i] >>= n; return a; }
SIMD vf vf_from_vi(vi a) { vf r; EACH r.v[i] = (float)a.v[i]; return r; }

SIMD w64 w_load(const void *p) { w64 w; memcpy(w.v, p, 64); return w; }
SIMD w64 w_low(w64 w) { for (int i = 0; i < 64; i++) w.v[i] &= 15; return w; }
SIMD w64 w_high(w64 w) { for (int i = 0; i < 64; i++) w.v[i] >>= 4; return w; }
SIMD w64 w_upper(w64 w) { return w_high(w); }
SIMD w64 w_and(w64 w, uint8_t mask) { for (int i = 0; i < 64; i++) w.v[i] &= mask; return w; }
SIMD w64 w_shl(w64 w, int n) { for (int i = 0; i < 64; i++) w.v[i] = (uint8_t)(w.v[i] << n); return w; }
SIMD w64 w_shr(w64 w, int n) { for (int i = 0; i < 64; i++) w.v[i] >>= n; return w; }
SIMD w64 w_or(w64 w, w64 from, uint8_t mask) { for (int i = 0; i < 64; i++) w.v[i] |= from.v[i] & mask; return w; }
SIMD w64 w_add_where(w64 w, w64 from, uint8_t bit, int value)
{
    for (int i = 0; i < 64; i++)
        w.v[i] = (uint8_t)(w.v[i] + (from.v[i] & bit ? value : 0));
    return w;
}
SIMD void w_store(void *p, w64 w) { memcpy(p, w.v, 64); }
SIMD w64 w_plane(w64 w, uint64_t bits, int value)
{
    for (int i = 0; i < 64; i++)
        w.v[i] = (uint8_t)(w.v[i] + (int)(bits >> i & 1) * value);
    return w;
}
SIMD vi vi_dot(vi acc, w64 w, const int8_t *a)
{
    EACH acc.v[i] += w.v[4 * i] * a[0] + w.v[4 * i + 1] * a[1] + w.v[4 * i + 2] * a[2] + w.v[4 * i + 3] * a[3];
    return acc;
}
SIMD vi vi_dot8(vi acc, w64 w, const int8_t *a)
{
    EACH acc.v[i] += (w.v[4 * i] - 128) * a[0] + (w.v[4 * i + 1] - 128) * a[1] + (w.v[4 * i + 2] - 128) * a[2] +
                     (w.v[4 * i + 3] - 128) * a[3];
    return acc;
}

SIMD vf vf_bcast(float x) { vf r; EACH r.v[i] = x; return r; }
SIMD vf vf_zero(void) { return vf_bcast(0); }
SIMD vf vf_load(const float *p) { vf r; memcpy(r.v, p, sizeof r.v); return r; }
SIMD void vf_store(float *p, vf a) { memcpy(p, a.v, sizeof a.v); }
SIMD vf vf_add(vf a, vf b) { EACH a.v[i] += b.v[i]; return a; }
SIMD vf vf_sub(vf a, vf b) { EACH a.v[i] -= b.v[i]; return a; }
SIMD vf vf_mul(vf a, vf b) { EACH a.v[i] *= b.v[i]; return a; }
SIMD vf vf_div(vf a, vf b) { EACH a.v[i] /= b.v[i]; return a; }
SIMD vf vf_max(vf a, vf b) { EACH a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return a; }
SIMD vf vf_min(vf a, vf b) { EACH a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i]; return a; }
SIMD vf vf_abs(vf a) { EACH a.v[i] = fabsf(a.v[i]); return a; }
SIMD vf vf_copysign(vf a, vf sign) { EACH a.v[i] = copysignf(a.v[i], sign.v[i]); return a; }
SIMD vf vf_sqrt(vf a) { EACH a.v[i] = sqrtf(a.v[i]); return a; }
SIMD vf vf_root(vf a) { return vf_sqrt(a); } /* within 2^-13, faster where the instruction set can: for what is rounded to few bits */
SIMD vf vf_fma(vf a, vf b, vf c) { EACH c.v[i] += a.v[i] * b.v[i]; return c; }
SIMD vf vf_round(vf a) { EACH a.v[i] = rintf(a.v[i]); return a; }
SIMD vi vi_round_f(vf a) { vi r; EACH r.v[i] = (int32_t)rintf(a.v[i]); return r; }
SIMD vf vf_pow2(vf n)
{
    EACH {
        uint32_t bits = (uint32_t)((int32_t)n.v[i] + 127) << 23;
        memcpy(&n.v[i], &bits, 4);
    }
    return n;
}
SIMD uint16_t half_at(const void *p, int i) { uint16_t h; memcpy(&h, (const char *)p + 2 * i, 2); return h; }
SIMD vf vf_load_f16(const void *p) { vf r; EACH r.v[i] = ds_f16_to_f32(half_at(p, i)); return r; }
SIMD vf vf_load_bf16(const void *p) { vf r; EACH r.v[i] = ds_bf16_to_f32(half_at(p, i)); return r; }
SIMD vf vf_load_u8(const uint8_t *p) { vf r; EACH r.v[i] = p[i]; return r; }
SIMD vf vf_load_i8(const int8_t *p) { vf r; EACH r.v[i] = p[i]; return r; }
SIMD void vi_store_i8(int8_t *p, vi a) { EACH p[i] = (int8_t)a.v[i]; }
SIMD void vf_store_f16(uint16_t *p, vf a) { EACH p[i] = ds_f32_to_f16(a.v[i]); }
SIMD void vf_store_bf16(uint16_t *p, vf a) { EACH p[i] = ds_f32_to_bf16(a.v[i]); }
SIMD float vf_sum(vf a)
{
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++)
            a.v[i] += a.v[i + half];
    return a.v[0];
}
SIMD float vf_hmax(vf a) { float m = a.v[0]; EACH m = a.v[i] > m ? a.v[i] : m; return m; }
SIMD int32_t vi_sum(vi a) { int32_t s = 0; EACH s += a.v[i]; return s; }
#undef EACH
#endif
