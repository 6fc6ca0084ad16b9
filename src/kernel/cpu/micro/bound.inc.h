/* What an instruction set can do at best, for comparing: products that stay in registers, and reading memory. Written once against
 * the primitives of a simd_*.h header. */
#include "kernel/cpu/micro/micro.h"

enum { BOUND_CHAINS = 12 };

/* Multiplies and adds of int8, counted as two operations each. */
static int64_t bound_i8(int64_t rounds, void *sink)
{
    vi          acc[BOUND_CHAINS];
    const char *from = sink;
    w64         w = w_load(from);
    _Pragma("GCC unroll 12") for (int i = 0; i < BOUND_CHAINS; i++) acc[i] = vi_bcast(i); /* unrolled, or it would lie in memory */
    for (int64_t r = 0; r < rounds; r++)
        _Pragma("GCC unroll 12") for (int i = 0; i < BOUND_CHAINS; i++) acc[i] = vi_dot(acc[i], w, (const int8_t *)from + 64);
    _Pragma("GCC unroll 12") for (int i = 0; i < BOUND_CHAINS; i++)
        vf_store((float *)((char *)sink + 128 + 64 * i), vf_from_vi(acc[i]));
    return rounds * BOUND_CHAINS * 64 * 2;
}

static int64_t bound_f32(int64_t rounds, void *sink)
{
    vf acc[BOUND_CHAINS], x = vf_load(sink), y = vf_load((float *)sink + 16);
    for (int i = 0; i < BOUND_CHAINS; i++)
        acc[i] = vf_bcast((float)i);
    for (int64_t r = 0; r < rounds; r++)
        _Pragma("GCC unroll 12") for (int i = 0; i < BOUND_CHAINS; i++) acc[i] = vf_fma(x, y, acc[i]);
    for (int i = 0; i < BOUND_CHAINS; i++)
        vf_store((float *)((char *)sink + 128 + 64 * i), acc[i]);
    return rounds * BOUND_CHAINS * 16 * 2;
}

/* bytes: a multiple of 512. */
static void bound_read(const void *p, int64_t bytes, void *sink)
{
    vf acc[8];
    for (int i = 0; i < 8; i++)
        acc[i] = vf_zero();
    for (const float *f = p, *end = f + bytes / 4; f < end; f += 128)
        _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++) acc[i] = vf_max(acc[i], vf_load(f + 16 * i));
    for (int i = 0; i < 8; i++)
        vf_store((float *)sink + 16 * i, acc[i]);
}

static void set_bounds(ds_micro *m)
{
    m->bound_i8 = bound_i8;
    m->bound_f32 = bound_f32;
    m->bound_read = bound_read;
}
