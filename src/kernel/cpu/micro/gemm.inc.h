/* Matrix products over x16 weights, written once against the primitives of a simd_*.h header and compiled for each
 * instruction set. A tile is up to TILE_GROUPS groups of 16 rows by TILE_TOKENS tokens; each output is one lane of one
 * accumulator, summed over the columns in order, so the tile's size never changes a bit of the result.
 *
 * Quantized formats: the products of a block of columns are exact integers; they are scaled by the weight's block scale,
 * summed in float over the DS_ACT_BLOCK columns that share an activation scale, and that sum is scaled and added to the total. Beside
 * Q8_0 every block has an activation scale of its own. */
#include "kernel/cpu/micro/micro.h"
#include "kernel/cpu/x16.h"

#define UNROLL _Pragma("GCC unroll 16")

/* What a tile reads: rows `g`, tokens `t`. */
typedef struct tile {
    const char    *w[TILE_GROUPS];
    const int8_t  *q[TILE_TOKENS];
    const int32_t *sum[TILE_TOKENS];
    const float   *scale[TILE_TOKENS];
    const float   *x[TILE_TOKENS];
    int64_t        k, ld_sum;
    bool           far;
} tile;

#define FOR_G for (int g = 0; g < G; g++)
#define FOR_T for (int t = 0; t < T; t++)
#define FOR_TILE UNROLL FOR_T UNROLL FOR_G

/* Asks for bytes before they are needed: the hardware's own prefetching stops at every 4 KiB page. Where the tokens are few,
 * memory decides the speed: 4-bit blocks then gain from requests that come evenly, and some processors from a second one far ahead,
 * into the second cache level. Share number `share` of `shares` asks for so much of piece `piece` of a block cut in `pieces`. */
enum { NEAR = 4096, FAR = 32768, FEW = 4 };
#define PREFETCH_SHARE(block, piece, pieces, share, shares)                               \
    {                                                                                     \
        enum { BYTES = sizeof *(block) / (pieces), LINES = (BYTES + 63) / 64 };           \
        const char *from = (const char *)(block) + BYTES * (piece);                       \
        UNROLL for (int line = LINES * (share) / (shares); line < LINES * ((share) + 1) / (shares); line++) { \
            __builtin_prefetch(from + NEAR + 64 * line, 0, 3);                            \
            if (T <= FEW && p->far)                                                       \
                __builtin_prefetch(from + FAR + 64 * line, 0, 2);                         \
        }                                                                                 \
    }

/* Adds the block sums, times the activation scale, to the totals; starts new block sums. */
#define END_ACT_BLOCK(i)                                          \
    FOR_TILE {                                                    \
        total[g][t] = vf_fma(part[g][t], vf_bcast(p->scale[t][i]), total[g][t]); \
        part[g][t] = vf_zero();                                   \
    }

/* The products of 32 columns, given how to make the low and high 16 columns' weights from q[j]. OFFSET_SHIFT: the weights
 * are stored plus 2^OFFSET_SHIFT; 0 = no offset. */
#define START_SUMS(SHIFT, sums, at, acc)                          \
    UNROLL FOR_T {                                                \
        vi start = (SHIFT) ? vi_shl(vi_bcast((sums)[t][at]), SHIFT) : vi_bcast(0); \
        UNROLL FOR_G (acc)[g][t] = start;                         \
    }

/* The same address, unknown to be so: the compiler then reads a line twice, each time within the instruction that takes half of it,
 * and not once by one more instruction. With fewer instructions the processor looks further ahead in memory. */
#define SAME_ADDRESS(to, from)   \
    {                            \
        (to) = (from);           \
        __asm__("" : "+r"(to));  \
    }

/* --- blocks of 32 with a 4-bit part: q4_0, q4_1, q5_0, q5_1 --- */
/* The upper 4 bits' products come first, 2^BITS too large, with the start as large; shifting back is exact. */
#define GEMM_32(NAME, BLOCK, SHIFT, HAS_MIN, HAS_HIGH, UPPER, BITS)                                      \
    SIMD void rows_##NAME(const tile *p, float *out, int64_t ld, const int G, const int T)              \
    {                                                                                                    \
        vf      total[TILE_GROUPS][TILE_TOKENS], part[TILE_GROUPS][TILE_TOKENS];                         \
        int64_t nb = p->k / 32;                                                                          \
        FOR_TILE total[g][t] = part[g][t] = vf_zero();                                                   \
        for (int64_t b = 0; b < nb; b++) {                                                               \
            const BLOCK *w[TILE_GROUPS], *same[TILE_GROUPS];                                             \
            vi           acc[TILE_GROUPS][TILE_TOKENS];                                                  \
            UNROLL FOR_G {                                                                               \
                w[g] = (const BLOCK *)p->w[g] + b;                                                       \
                SAME_ADDRESS(same[g], w[g])                                                              \
            }                                                                                            \
            START_SUMS((SHIFT) ? (SHIFT) + (BITS) : 0, p->sum, b, acc)                                   \
            UNROLL for (int j = 0; j < 4; j++) {                                                         \
                w64 hi[TILE_GROUPS];                                                                     \
                UNROLL FOR_G PREFETCH_SHARE(w[g], 0, 1, j, 4)                                            \
                UNROLL FOR_G {                                                                           \
                    hi[g] = UPPER(w_load(w[g]->q[j]));                                                   \
                    HAS_HIGH(hi[g] = w_plane(hi[g], w[g]->high[4 + j], 16);)                             \
                }                                                                                        \
                FOR_TILE acc[g][t] = vi_dot(acc[g][t], hi[g], p->q[t] + 32 * b + 16 + 4 * j);            \
            }                                                                                            \
            if (BITS)                                                                                    \
                FOR_TILE acc[g][t] = vi_shr(acc[g][t], BITS);                                            \
            UNROLL for (int j = 0; j < 4; j++) {                                                         \
                w64 lo[TILE_GROUPS];                                                                     \
                UNROLL FOR_G {                                                                           \
                    lo[g] = w_low(w_load(same[g]->q[j]));                                                \
                    HAS_HIGH(lo[g] = w_plane(lo[g], w[g]->high[j], 16);)                                 \
                }                                                                                        \
                FOR_TILE acc[g][t] = vi_dot(acc[g][t], lo[g], p->q[t] + 32 * b + 4 * j);                 \
            }                                                                                            \
            UNROLL FOR_G {                                                                               \
                vf d = vf_load_f16(w[g]->d);                                                             \
                UNROLL FOR_T part[g][t] = vf_fma(vf_from_vi(acc[g][t]), d, part[g][t]);                  \
                HAS_MIN(vf m = vf_load_f16(w[g]->m);                                                     \
                        UNROLL FOR_T part[g][t] = vf_fma(vf_bcast((float)-p->sum[t][b]), m, part[g][t]);) \
            }                                                                                            \
            if (b % 8 == 7)                                                                              \
                END_ACT_BLOCK(b / 8)                                                                     \
        }                                                                                                \
        if (nb % 8)                                                                                      \
            END_ACT_BLOCK(nb / 8)                                                                        \
        FOR_TILE vf_store(out + t * ld + 16 * g, total[g][t]);                                           \
    }

#define YES(...) __VA_ARGS__
#define NO(...)
GEMM_32(q4_0, ds_x16_q4_0, 3, NO, NO, w_upper, UPPER_SHIFT)
GEMM_32(q4_1, ds_x16_q4_1, 0, YES, NO, w_upper, UPPER_SHIFT)
GEMM_32(q5_0, ds_x16_q5_0, 4, NO, YES, w_high, 0)
GEMM_32(q5_1, ds_x16_q5_1, 0, YES, YES, w_high, 0)

SIMD void rows_q8_0(const tile *p, float *out, int64_t ld, const int G, const int T)
{
    vf      total[TILE_GROUPS][TILE_TOKENS];
    int64_t nb = p->k / 32;
    FOR_TILE total[g][t] = vf_zero();
    for (int64_t b = 0; b < nb; b++) {
        const ds_x16_q8_0 *w[TILE_GROUPS];
        vi                 acc[TILE_GROUPS][TILE_TOKENS];
        UNROLL FOR_G w[g] = (const ds_x16_q8_0 *)p->w[g] + b;
        if (T > FEW || p->far) /* so few instructions a line let the processor itself look ahead, further than these requests */
            UNROLL FOR_G PREFETCH_SHARE(w[g], 0, 1, 0, 1)
        START_SUMS(DOT8_OFFSET ? 7 : 0, p->sum, b, acc)
        UNROLL for (int j = 0; j < 8; j++) {
            w64 v[TILE_GROUPS];
            UNROLL FOR_G v[g] = w_load(w[g]->q[j]);
            FOR_TILE acc[g][t] = vi_dot8(acc[g][t], v[g], p->q[t] + 32 * b + 4 * j);
        }
        UNROLL FOR_G {
            vf d = vf_load_f16(w[g]->d);
            UNROLL FOR_T total[g][t] = vf_fma(vf_mul(vf_from_vi(acc[g][t]), vf_bcast(p->scale[t][b])), d, total[g][t]);
        }
    }
    FOR_TILE vf_store(out + t * ld + 16 * g, total[g][t]);
}

/* --- blocks of 256 --- */

/* The 6-bit scales and leasts of eight sub-blocks, 16 rows at a time. */
SIMD void unpack_scales(uint8_t sc[8][16], uint8_t mn[8][16], const uint8_t b[12][16])
{
    w64 x = w_load(b), y = w_load(b + 4), z = w_load(b + 8);
    w_store(sc, w_and(x, 63));
    w_store(mn, w_and(y, 63));
    w_store(sc + 4, w_or(w_low(z), w_shr(x, 2), 0x30));
    w_store(mn + 4, w_or(w_high(z), w_shr(y, 2), 0x30));
}

/* q4_k and q5_k: w = d * sc * q - dmin * mn, per sub-block of 32. Columns of the upper 4 bits: q4_k takes their products
 * 2^UPPER_SHIFT too large and their scale as much smaller, which is exact. */
#define DOT_K(acc, half, UPPER, HAS_HIGH)                                                                \
    {                                                                                                    \
        w64 v[TILE_GROUPS];                                                                              \
        UNROLL FOR_G {                                                                                   \
            v[g] = (half) ? UPPER(w_load(same[g]->q[c][j])) : w_low(w_load(w[g]->q[c][j]));              \
            HAS_HIGH(v[g] = w_add_where(v[g], w_load(w[g]->high[j]), (uint8_t)(1 << (2 * c + (half))), 16);) \
        }                                                                                                \
        FOR_TILE acc[g][t] = vi_dot(acc[g][t], v[g], p->q[t] + 256 * b + 64 * c + 32 * (half) + 4 * j);  \
    }
#define SCALE_K(acc, half)                                                                               \
    UNROLL FOR_G {                                                                                       \
        vf d = vf_mul(scale[g][half], vf_load_u8(sc[g][2 * c + (half)]));                                \
        UNROLL FOR_T part[g][t] = vf_fma(vf_from_vi(acc[g][t]), d, part[g][t]);                          \
    }
#define GEMM_K(NAME, BLOCK, UPPER, TIMES, HAS_HIGH)                                                      \
    SIMD void rows_##NAME(const tile *p, float *out, int64_t ld, const int G, const int T)              \
    {                                                                                                    \
        vf      total[TILE_GROUPS][TILE_TOKENS], part[TILE_GROUPS][TILE_TOKENS];                         \
        int64_t nb = p->k / 256;                                                                         \
        FOR_TILE total[g][t] = vf_zero();                                                                \
        for (int64_t b = 0; b < nb; b++) {                                                               \
            const BLOCK *w[TILE_GROUPS], *same[TILE_GROUPS];                                             \
            vf           scale[TILE_GROUPS][2];                                                          \
            uint8_t      sc[TILE_GROUPS][8][16], mn[TILE_GROUPS][8][16];                                 \
            UNROLL FOR_G {                                                                               \
                w[g] = (const BLOCK *)p->w[g] + b;                                                       \
                SAME_ADDRESS(same[g], w[g])                                                              \
                scale[g][0] = vf_load_f16(w[g]->d);                                                      \
                scale[g][1] = vf_mul(scale[g][0], vf_bcast(1.0f / (TIMES)));                             \
                unpack_scales(sc[g], mn[g], w[g]->scales);                                               \
                UNROLL FOR_T part[g][t] = vf_zero();                                                     \
            }                                                                                            \
            for (int s = 0; s < 8; s++) {                                                                \
                vf m[TILE_GROUPS];                                                                       \
                UNROLL FOR_G m[g] = vf_load_u8(mn[g][s]);                                                \
                UNROLL FOR_T {                                                                           \
                    vf sum = vf_from_vi(vi_bcast(p->sum[t][8 * b + s]));                                 \
                    UNROLL FOR_G part[g][t] = vf_fma(sum, m[g], part[g][t]);                             \
                }                                                                                        \
            }                                                                                            \
            UNROLL FOR_G {                                                                               \
                vf dmin = vf_load_f16(w[g]->dmin);                                                       \
                UNROLL FOR_T part[g][t] = vf_mul(part[g][t], dmin);                                      \
            }                                                                                            \
            for (int c = 0; c < 4; c++) {                                                                \
                vi low[TILE_GROUPS][TILE_TOKENS], high[TILE_GROUPS][TILE_TOKENS];                        \
                FOR_TILE low[g][t] = high[g][t] = vi_bcast(0);                                           \
                if (G * T <= 4) { /* few sums leave registers for both halves */                         \
                    UNROLL for (int j = 0; j < 8; j++) {                                                 \
                        UNROLL FOR_G PREFETCH_SHARE(w[g], c, 4, j, 8)                                    \
                        DOT_K(low, 0, UPPER, HAS_HIGH)                                                   \
                        DOT_K(high, 1, UPPER, HAS_HIGH)                                                  \
                    }                                                                                    \
                    SCALE_K(low, 0)                                                                      \
                } else {                                                                                 \
                    UNROLL FOR_G PREFETCH_SHARE(w[g], c, 4, 0, 1)                                        \
                    UNROLL for (int j = 0; j < 8; j++) DOT_K(low, 0, UPPER, HAS_HIGH)                    \
                    SCALE_K(low, 0)                                                                      \
                    UNROLL for (int j = 0; j < 8; j++) DOT_K(high, 1, UPPER, HAS_HIGH)                   \
                }                                                                                        \
                SCALE_K(high, 1)                                                                         \
            }                                                                                            \
            END_ACT_BLOCK(b)                                                                             \
        }                                                                                                \
        FOR_TILE vf_store(out + t * ld + 16 * g, total[g][t]);                                           \
    }
GEMM_K(q4_k, ds_x16_q4_k, w_upper, 1 << UPPER_SHIFT, NO)
GEMM_K(q5_k, ds_x16_q5_k, w_high, 1, YES)

/* q6_k: w = d * sc * (q - 32), per sub-block of 16. Sub-block s of half h, quarter v: columns 128h + 32v + 16s. */
SIMD w64 q6_k_values(w64 raw, w64 high, const int v)
{
    switch (v) {
    case 0: return w_or(w_low(raw), w_shl(high, 4), 0x30);
    case 1: return w_or(w_low(raw), w_shl(high, 2), 0x30);
    case 2: return w_or(w_high(raw), high, 0x30);
    default: return w_or(w_high(raw), w_shr(high, 2), 0x30);
    }
}

SIMD void rows_q6_k(const tile *p, float *out, int64_t ld, const int G, const int T)
{
    const int V = G * T <= 2 ? 4 : 1; /* quarters at a time */
    vf        total[TILE_GROUPS][TILE_TOKENS], part[TILE_GROUPS][TILE_TOKENS];
    int64_t   nb = p->k / 256;
    FOR_TILE total[g][t] = part[g][t] = vf_zero();
    for (int64_t b = 0; b < nb; b++) {
        const ds_x16_q6_k *w[TILE_GROUPS];
        vf                 scale[TILE_GROUPS];
        UNROLL FOR_G {
            w[g] = (const ds_x16_q6_k *)p->w[g] + b;
            scale[g] = vf_load_f16(w[g]->d);
        }
        for (int hs = 0; hs < 4; hs++)
            UNROLL for (int v0 = 0; v0 < 4; v0 += V) {
                const int h = hs / 2, s = hs % 2;
                vi        acc[4][TILE_GROUPS][TILE_TOKENS];
                UNROLL for (int v = v0; v < v0 + V; v++) {
                    UNROLL FOR_G PREFETCH_SHARE(w[g], hs, 4, v, 4)
                    START_SUMS(5, p->sum, p->ld_sum + 16 * b + 8 * h + 2 * v + s, acc[v])
                }
                UNROLL for (int j = 0; j < 4; j++)
                    UNROLL for (int v = v0; v < v0 + V; v++) {
                        w64 x[TILE_GROUPS];
                        UNROLL FOR_G x[g] = q6_k_values(w_load(w[g]->part[h][4 * s + j].q[v % 2]), w_load(w[g]->part[h][4 * s + j].high), v);
                        FOR_TILE acc[v][g][t] = vi_dot(acc[v][g][t], x[g], p->q[t] + 256 * b + 128 * h + 32 * v + 16 * s + 4 * j);
                    }
                UNROLL for (int v = v0; v < v0 + V; v++) UNROLL FOR_G {
                    vf d = vf_mul(scale[g], vf_load_i8(w[g]->scales[8 * h + 2 * v + s]));
                    UNROLL FOR_T part[g][t] = vf_fma(vf_from_vi(acc[v][g][t]), d, part[g][t]);
                }
            }
        END_ACT_BLOCK(b)
    }
    FOR_TILE vf_store(out + t * ld + 16 * g, total[g][t]);
}

/* --- float formats: [column][16 rows] --- */
#define GEMM_FLOAT(NAME, TYPE, LOAD)                                                                     \
    SIMD void rows_##NAME(const tile *p, float *out, int64_t ld, const int G, const int T)              \
    {                                                                                                    \
        vf total[TILE_GROUPS][TILE_TOKENS];                                                              \
        FOR_TILE total[g][t] = vf_zero();                                                                \
        for (int64_t i = 0; i < p->k; i++) {                                                             \
            vf w[TILE_GROUPS];                                                                           \
            UNROLL FOR_G w[g] = LOAD((const TYPE *)p->w[g] + 16 * i);                                    \
            FOR_TILE total[g][t] = vf_fma(w[g], vf_bcast(p->x[t][i]), total[g][t]);                      \
        }                                                                                                \
        FOR_TILE vf_store(out + t * ld + 16 * g, total[g][t]);                                           \
    }
GEMM_FLOAT(f32, float, vf_load)
GEMM_FLOAT(f16, uint16_t, vf_load_f16)
GEMM_FLOAT(bf16, uint16_t, vf_load_bf16)

/* Cuts the call into tiles; the last, narrower ones run the same code with fewer tokens. */
#define GEMM_ENTRY(NAME, QUANTIZED)                                                                      \
    static void gemm_##NAME(const void *w, int n_group, const ds_acts *a, int64_t first, int64_t n_token, float *out, \
                            int64_t ld)                                                                  \
    {                                                                                                    \
        int64_t group_bytes = ds_x16_group_bytes(TYPE_##NAME, a->k);                                     \
        int     most = n_token <= 2 ? 1 : TILE_GROUPS; /* one group at a time is one stream of memory */ \
        for (int64_t t0 = 0; t0 < n_token; t0 += TILE_TOKENS) {                                          \
            tile    p = { .k = a->k, .ld_sum = a->ld_sum, .far = a->far };                              \
            int64_t n = n_token - t0 < TILE_TOKENS ? n_token - t0 : TILE_TOKENS;                         \
            for (int t = 0; t < n; t++) {                                                                \
                int64_t row = first + t0 + t;                                                            \
                if (QUANTIZED) {                                                                         \
                    p.q[t] = a->q + row * a->ld_q;                                                       \
                    p.sum[t] = a->sum + row * 3 * a->ld_sum;                                             \
                    p.scale[t] = a->scale + row * a->ld_scale;                                           \
                } else {                                                                                 \
                    p.x[t] = a->x + row * a->ld_x;                                                       \
                }                                                                                        \
            }                                                                                            \
            for (int g0 = 0; g0 < n_group; g0 += most) {                                                 \
                int G = n_group - g0 < most ? n_group - g0 : most;                                       \
                for (int g = 0; g < G; g++)                                                              \
                    p.w[g] = (const char *)w + (g0 + g) * group_bytes;                                   \
                run_##NAME(&p, out + t0 * ld + 16 * g0, ld, G, (int)n);                                  \
            }                                                                                            \
        }                                                                                                \
    }

/* One specialised copy for every tile shape. */
#define CASE(NAME, G, T) case 8 * (G) + (T): rows_##NAME(p, out, ld, G, T); break;
#if DS_TILE_TOKENS == 6 /* AVX-512: two groups by six tokens fill 32 registers */
#define CASES(NAME)                                                                                      \
    CASE(NAME, 1, 1) CASE(NAME, 1, 2) CASE(NAME, 1, 3) CASE(NAME, 1, 4) CASE(NAME, 1, 5) CASE(NAME, 1, 6) \
    CASE(NAME, 2, 1) CASE(NAME, 2, 2) CASE(NAME, 2, 3) CASE(NAME, 2, 4) CASE(NAME, 2, 5) CASE(NAME, 2, 6)
#elif DS_TILE_TOKENS == 4
#define CASES(NAME) CASE(NAME, 1, 1) CASE(NAME, 1, 2) CASE(NAME, 1, 3) CASE(NAME, 1, 4)
#elif DS_TILE_TOKENS == 3
#define CASES(NAME) CASE(NAME, 1, 1) CASE(NAME, 1, 2) CASE(NAME, 1, 3)
#else
#define CASES(NAME) CASE(NAME, 1, 1) CASE(NAME, 1, 2)
#endif
#define GEMM(NAME, TYPE, QUANTIZED)                                                                      \
    static const ds_dtype TYPE_##NAME = TYPE;                                                                       \
    static void run_##NAME(const tile *p, float *out, int64_t ld, int G, int T)                         \
    {                                                                                                    \
        switch (8 * G + T) { CASES(NAME) }                                                               \
    }                                                                                                    \
    GEMM_ENTRY(NAME, QUANTIZED)

GEMM(f32, DS_F32, 0)
GEMM(f16, DS_F16, 0)
GEMM(bf16, DS_BF16, 0)
GEMM(q4_0, DS_Q4_0, 1)
GEMM(q4_1, DS_Q4_1, 1)
GEMM(q5_0, DS_Q5_0, 1)
GEMM(q5_1, DS_Q5_1, 1)
GEMM(q8_0, DS_Q8_0, 1)
GEMM(q4_k, DS_Q4_K, 1)
GEMM(q5_k, DS_Q5_K, 1)
GEMM(q6_k, DS_Q6_K, 1)

static void set_gemms(ds_micro *m)
{
    m->gemm[DS_F32] = gemm_f32;
    m->gemm[DS_F16] = gemm_f16;
    m->gemm[DS_BF16] = gemm_bf16;
    m->gemm[DS_Q4_0] = gemm_q4_0;
    m->gemm[DS_Q4_1] = gemm_q4_1;
    m->gemm[DS_Q5_0] = gemm_q5_0;
    m->gemm[DS_Q5_1] = gemm_q5_1;
    m->gemm[DS_Q8_0] = gemm_q8_0;
    m->gemm[DS_Q4_K] = gemm_q4_k;
    m->gemm[DS_Q5_K] = gemm_q5_k;
    m->gemm[DS_Q6_K] = gemm_q6_k;
}
