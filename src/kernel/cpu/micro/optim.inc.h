/* Optimizer steps over rows of values, written once against the primitives of a simd_*.h header; after vec.inc.h. */
#include "base/rng.h"
#include "kernel/optim.h"

SIMD vf adamw_update(vf w, vf m, vf root_v, const ds_adamw_step *s)
{
    vf size = vf_add(vf_mul(root_v, vf_bcast(s->root)), vf_bcast(s->eps));
    return vf_sub(vf_mul(w, vf_bcast(s->keep)), vf_mul(vf_bcast(s->rate), vf_div(m, size)));
}

static void adamw(float *w, float *g, float *m, float *v, int64_t n, const ds_adamw_step *s)
{
    FOR_VECTORS(i, n) {
        int64_t k = n - i;
        vf      d = vf_mul(load_n(g + i, k), vf_bcast(s->grad_scale)), mm = load_n(m + i, k), vv = load_n(v + i, k);
        mm = vf_fma(vf_bcast(1 - s->beta1), vf_sub(d, mm), mm);
        vv = vf_fma(vf_mul(vf_bcast(1 - s->beta2), d), d, vf_mul(vf_bcast(s->beta2), vv));
        store_n(w + i, adamw_update(load_n(w + i, k), mm, vf_sqrt(vv), s), k);
        store_n(m + i, mm, k);
        store_n(v + i, vv, k);
        store_n(g + i, vf_zero(), k);
    }
}

/* The same place of the next block: while codes are made of this one, memory would rest. */
SIMD void prefetch_next(const float *w, const float *g, const int8_t *m8, const int8_t *v8)
{
    __builtin_prefetch(w + DS_MOMENT_BLOCK, 1);
    __builtin_prefetch(g + DS_MOMENT_BLOCK, 1);
    __builtin_prefetch(m8 + DS_MOMENT_BLOCK, 1);
    __builtin_prefetch(v8 + DS_MOMENT_BLOCK, 1);
}

/* 8-bit moments of a block: the first is sign * (code/127)^2 * scale, the second ((code + 128)/255)^4 * scale, so that small values
 * beside a large one keep some precision; a second moment above zero never becomes zero. */
static void step8(float *w, float *g, int8_t *m8, int8_t *v8, float *scale, const ds_adamw_step *given)
{
    const ds_adamw_step own = *given, *s = &own; /* no store can change it: it stays in registers */
    float m[DS_MOMENT_BLOCK], v[DS_MOMENT_BLOCK]; /* roots: of the first moment with its sign, and the fourth root of the second */
    vf    m_most = vf_zero(), v_most = vf_zero(), from_m = vf_bcast(scale[0] / (127.0f * 127.0f)), to_v = vf_bcast(1 / 255.0f);
    vf    from_v = vf_bcast(scale[1]);
    FOR_VECTORS(i, DS_MOMENT_BLOCK) {
        vf c = vf_load_i8(m8 + i), d = vf_mul(vf_load(g + i), vf_bcast(s->grad_scale)), q, mm, vv;
        mm = vf_mul(vf_mul(c, vf_abs(c)), from_m);
        q = vf_mul(vf_add(vf_load_i8(v8 + i), vf_bcast(128)), to_v);
        q = vf_mul(q, q);
        vv = vf_mul(vf_mul(q, q), from_v);
        mm = vf_fma(vf_bcast(1 - s->beta1), vf_sub(d, mm), mm);
        vv = vf_fma(vf_mul(vf_bcast(1 - s->beta2), d), d, vf_mul(vf_bcast(s->beta2), vv));
        vf root_v = vf_root(vv);
        vf_store(w + i, adamw_update(vf_load(w + i), mm, root_v, s));
        vf_store(g + i, vf_zero());
        vf_store(m + i, vf_copysign(vf_root(vf_abs(mm)), mm));
        vf_store(v + i, vf_root(root_v));
        m_most = vf_max(m_most, vf_abs(mm));
        v_most = vf_max(v_most, vv);
    }
    scale[0] = vf_hmax(m_most);
    scale[1] = vf_hmax(v_most);
    vf m_code = vf_bcast(scale[0] > 0 ? 127 / sqrtf(scale[0]) : 0), v_code = vf_bcast(scale[1] > 0 ? 255 / sqrtf(sqrtf(scale[1])) : 0);
    FOR_VECTORS(i, DS_MOMENT_BLOCK) {
        prefetch_next(w + i, g + i, m8 + i, v8 + i);
        vf root = vf_load(v + i), code = vf_max(vf_mul(root, v_code), vf_min(vf_mul(root, vf_bcast(1e38f)), vf_bcast(1)));
        vi_store_i8(m8 + i, vi_round_f(vf_mul(vf_load(m + i), m_code)));
        vi_store_i8(v8 + i, vi_round_f(vf_sub(code, vf_bcast(128))));
    }
}

/* A weight's last block may be short: beside it lie zeros, which change no scale. */
static void short_step8(float *w, float *g, int8_t *m8, int8_t *v8, float *scale, int64_t n, const ds_adamw_step *s)
{
    float  whole_w[DS_MOMENT_BLOCK] = { 0 }, whole_g[DS_MOMENT_BLOCK] = { 0 };
    int8_t whole_m[DS_MOMENT_BLOCK] = { 0 }, whole_v[DS_MOMENT_BLOCK];
    memset(whole_v, -128, sizeof whole_v);
    memcpy(whole_w, w, (size_t)n * sizeof *w);
    memcpy(whole_g, g, (size_t)n * sizeof *g);
    memcpy(whole_m, m8, (size_t)n);
    memcpy(whole_v, v8, (size_t)n);
    step8(whole_w, whole_g, whole_m, whole_v, scale, s);
    memcpy(w, whole_w, (size_t)n * sizeof *w);
    memset(g, 0, (size_t)n * sizeof *g);
    memcpy(m8, whole_m, (size_t)n);
    memcpy(v8, whole_v, (size_t)n);
}

static void adamw8(float *w, float *g, int8_t *m8, int8_t *v8, float *scale, int64_t n, const ds_adamw_step *s)
{
    if (n == DS_MOMENT_BLOCK)
        step8(w, g, m8, v8, scale, s);
    else
        short_step8(w, g, m8, v8, scale, n, s);
}

/* float32 within 4,096 values, double beyond. */
static double sum_squares(const float *x, int64_t n)
{
    double total = 0;
    for (int64_t from = 0; from < n; from += 4096) {
        vf      sum = vf_zero();
        int64_t count = n - from < 4096 ? n - from : 4096;
        FOR_VECTORS(i, count) {
            vf v = load_n(x + from + i, count - i);
            sum = vf_fma(v, v, sum);
        }
        total += (double)vf_sum(sum);
    }
    return total;
}

static void blend(float *y, float a, const float *x, float b, int64_t n)
{
    FOR_VECTORS(i, n)
        store_n(y + i, vf_fma(vf_bcast(a), load_n(x + i, n - i), vf_mul(vf_bcast(b), load_n(y + i, n - i))), n - i);
}

/* Rounds up with the probability of the part that is lost: the weight's mean change is exact. Each Philox block serves eight values. */
static void round_stochastically(uint16_t *w, const float *x, int64_t first, int64_t n, uint64_t seed, uint64_t stream)
{
    for (int64_t i = 0; i < n; i += 8) {
        uint32_t word[4], bits;
        ds_philox(seed, stream, (uint64_t)(first + i), word);
        for (int64_t k = 0; k < 8 && i + k < n; k++) {
            memcpy(&bits, x + i + k, 4);
            bool finite = (bits & 0x7f800000u) != 0x7f800000u;
            bits += finite ? word[k / 2] >> 16 * (k & 1) & 0xffff : 0;
            w[i + k] = (uint16_t)(bits >> 16);
        }
    }
}

static void set_optimizers(ds_micro *m)
{
    m->adamw = adamw;
    m->adamw8 = adamw8;
    m->sum_squares = sum_squares;
    m->blend = blend;
    m->round_stochastically = round_stochastically;
}
