/* Vector arithmetic over rows, written once against the primitives of a simd_*.h header. */
#include <math.h>
#include <string.h>

#include "kernel/cpu/micro/micro.h"

/* A row's last, partial vector goes through a padded copy, so that one formula serves all lengths. */
#define FOR_VECTORS(i, n) for (int64_t i = 0; i < (n); i += 16)

SIMD vf load_n(const float *p, int64_t n)
{
    if (n >= 16)
        return vf_load(p);
    float pad[16] = { 0 };
    memcpy(pad, p, (size_t)n * sizeof *p);
    return vf_load(pad);
}

SIMD void store_n(float *p, vf v, int64_t n)
{
    if (n >= 16) {
        vf_store(p, v);
        return;
    }
    float pad[16];
    vf_store(pad, v);
    memcpy(p, pad, (size_t)n * sizeof *p);
}

/* e^x to about 1 ulp for |x| < 87, clamped outside: Cody-Waite reduction by ln 2, then a degree-6 polynomial. */
SIMD vf vf_exp(vf x)
{
    x = vf_min(vf_max(x, vf_bcast(-87.0f)), vf_bcast(88.0f));
    vf n = vf_round(vf_mul(x, vf_bcast(1.44269504f)));
    vf r = vf_fma(n, vf_bcast(-0.693359375f), x);
    r = vf_fma(n, vf_bcast(2.12194440e-4f), r);
    vf p = vf_bcast(1.9875691500e-4f);
    p = vf_fma(p, r, vf_bcast(1.3981999507e-3f));
    p = vf_fma(p, r, vf_bcast(8.3334519073e-3f));
    p = vf_fma(p, r, vf_bcast(4.1665795894e-2f));
    p = vf_fma(p, r, vf_bcast(1.6666665459e-1f));
    p = vf_fma(p, r, vf_bcast(5.0000001201e-1f));
    p = vf_fma(vf_mul(p, r), r, vf_add(r, vf_bcast(1.0f)));
    return vf_mul(p, vf_pow2(n));
}

static void rmsnorm(float *y, const float *x, const float *w, int64_t d, float eps)
{
    vf sum = vf_zero();
    FOR_VECTORS(i, d) {
        vf v = load_n(x + i, d - i);
        sum = vf_fma(v, v, sum);
    }
    float r = 1.0f / sqrtf(vf_sum(sum) / (float)d + eps);
    FOR_VECTORS(i, d)
        store_n(y + i, vf_mul(vf_mul(load_n(x + i, d - i), vf_bcast(r)), load_n(w + i, d - i)), d - i);
}

static void scale(float *y, float s, int64_t n)
{
    FOR_VECTORS(i, n) store_n(y + i, vf_mul(load_n(y + i, n - i), vf_bcast(s)), n - i);
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n)
{
    FOR_VECTORS(i, n) {
        vf g = load_n(gate + i, n - i), one = vf_bcast(1.0f);
        vf silu = vf_div(g, vf_add(one, vf_exp(vf_sub(vf_zero(), g))));
        store_n(y + i, vf_mul(silu, load_n(up + i, n - i)), n - i);
    }
}

static void rope(float *x, const float *cosine, const float *sine, int64_t n_head, int64_t k)
{
    int64_t half = k / 2;
    for (int64_t h = 0; h < n_head; h++, x += k)
        FOR_VECTORS(i, half) {
            int64_t left = half - i;
            vf      a = load_n(x + i, left), b = load_n(x + half + i, left);
            vf      c = load_n(cosine + i, left), s = load_n(sine + i, left);
            store_n(x + i, vf_sub(vf_mul(a, c), vf_mul(b, s)), left);
            store_n(x + half + i, vf_add(vf_mul(b, c), vf_mul(a, s)), left);
        }
}

static void quantize(int8_t *q, float *scales, int32_t *sum, int32_t *half, const float *x, int64_t k, int64_t block)
{
    for (int64_t b = 0; b < k; b += block) {
        int64_t n = k - b < block ? k - b : block;
        vf      most = vf_zero();
        FOR_VECTORS(i, n) most = vf_max(most, vf_abs(vf_load(x + b + i)));
        float amax = vf_hmax(most), inverse = amax > 1e-30f ? 127.0f / amax : 0; /* finite: what is smaller counts as zero */
        scales[b / block] = amax / 127.0f;
        FOR_VECTORS(i, n) {
            vi v = vi_round_f(vf_mul(vf_load(x + b + i), vf_bcast(inverse)));
            vi_store_i8(q + b + i, v);
            half[(b + i) / 16] = -vi_sum(v);
        }
    }
    for (int64_t s = 0; s < k / 32; s++)
        sum[s] = half[2 * s] + half[2 * s + 1];
}

static void f32_from_f16(float *y, const uint16_t *x, int64_t n)
{
    uint16_t pad[16] = { 0 };
    FOR_VECTORS(i, n) {
        if (n - i < 16)
            memcpy(pad, x + i, (size_t)(n - i) * 2);
        store_n(y + i, vf_load_f16(n - i < 16 ? pad : x + i), n - i);
    }
}

static void f32_from_bf16(float *y, const uint16_t *x, int64_t n)
{
    uint16_t pad[16] = { 0 };
    int64_t  whole = n / 16 * 16;
    FOR_VECTORS(i, whole) vf_store(y + i, vf_load_bf16(x + i));
    if (whole < n) {
        memcpy(pad, x + whole, (size_t)(n - whole) * 2);
        store_n(y + whole, vf_load_bf16(pad), n - whole);
    }
}

static void f16_from_f32(uint16_t *y, const float *x, int64_t n)
{
    uint16_t pad[16];
    FOR_VECTORS(i, n) {
        vf_store_f16(n - i < 16 ? pad : y + i, load_n(x + i, n - i));
        if (n - i < 16)
            memcpy(y + i, pad, (size_t)(n - i) * 2);
    }
}

static void bf16_from_f32(uint16_t *y, const float *x, int64_t n)
{
    uint16_t pad[16];
    int64_t  whole = n / 16 * 16;
    FOR_VECTORS(i, whole) vf_store_bf16(y + i, vf_load(x + i));
    if (whole < n) {
        vf_store_bf16(pad, load_n(x + whole, n - whole));
        memcpy(y + whole, pad, (size_t)(n - whole) * 2);
    }
}

static void round_to_bf16(float *y, const float *x, int64_t n)
{
    uint16_t half[16];
    FOR_VECTORS(i, n) {
        vf_store_bf16(half, load_n(x + i, n - i));
        store_n(y + i, vf_load_bf16(half), n - i);
    }
}

/* n is a multiple of 16. */
static void f32_from_i8(float *y, const int8_t *x, const uint16_t *scales, int64_t n, int every)
{
    uint16_t same[16];
    FOR_VECTORS(i, n) {
        const uint16_t *d = scales + i;
        if (every > 1) {
            for (int k = 0; k < 16; k++)
                same[k] = scales[i / every];
            d = same;
        }
        vf_store(y + i, vf_mul(vf_load_i8(x + i), vf_load_f16(d)));
    }
}

static void bf16_pairs(uint16_t *y, const float *even, const float *odd, int64_t n)
{
    uint16_t e[16], o[16];
    FOR_VECTORS(i, n) {
        vf_store_bf16(e, load_n(even + i, n - i));
        vf_store_bf16(o, load_n(odd + i, n - i));
        for (int k = 0; k < 16 && i + k < n; k++) {
            y[2 * (i + k)] = e[k];
            y[2 * (i + k) + 1] = o[k];
        }
    }
}

static void interleave16(uint16_t *y, const uint16_t *even, const uint16_t *odd, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[2 * i] = even[i];
        y[2 * i + 1] = odd[i];
    }
}

/* --- attention --- */

SIMD void softmax_row(float *s, int32_t limit, float *m, float *l, float *out, int64_t k)
{
    if (limit <= 0) {
        memset(s, 0, DS_PAGE * sizeof *s);
        return;
    }
    for (int j = limit; j < DS_PAGE; j++)
        s[j] = -INFINITY;
    vf v[4];
    for (int i = 0; i < 4; i++)
        v[i] = vf_load(s + 16 * i);
    float most = fmaxf(*m, vf_hmax(vf_max(vf_max(v[0], v[1]), vf_max(v[2], v[3]))));
    for (int i = 0; i < 4; i++)
        vf_store(s + 16 * i, v[i] = vf_exp(vf_sub(v[i], vf_bcast(most))));
    if (limit < DS_PAGE) {
        for (int j = limit; j < DS_PAGE; j++)
            s[j] = 0; /* exactly: what lies there must not count */
        for (int i = 0; i < 4; i++)
            v[i] = vf_load(s + 16 * i);
    }
    float sum = vf_sum(vf_add(vf_add(v[0], v[1]), vf_add(v[2], v[3])));
    if (most == *m) {
        *l += sum;
        return;
    }
    float keep = *m == -INFINITY ? 0 : expf(*m - most);
    *l = *l * keep + sum;
    *m = most;
    scale(out, keep, k);
}

static void softmax64(float *s, const int32_t *limit, float *m, float *l, float *out, int64_t ld_out, int64_t n, int64_t k)
{
    for (int64_t t = 0; t < n; t++)
        softmax_row(s + t * DS_PAGE, limit[t] < DS_PAGE ? limit[t] : DS_PAGE, m + t, l + t, out + t * ld_out, k);
}

/* c[T][16 V] (+)= a[T][k] b[k][16 V]; element (t, i) of a at a[t * row_a + i * column_a] */
SIMD void tile_block(float *c, int64_t ld_c, const float *a, int64_t row_a, int64_t column_a, const float *b, int64_t ld_b, int64_t k,
                     int accumulate, const int T, const int V)
{
    vf acc[TILE_ROWS][TILE_VECS];
    _Pragma("GCC unroll 16") for (int t = 0; t < T; t++)
        _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) acc[t][v] = accumulate ? vf_load(c + t * ld_c + 16 * v) : vf_zero();
    for (int64_t i = 0; i < k; i++) {
        vf row[TILE_VECS];
        _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) row[v] = vf_load(b + i * ld_b + 16 * v);
        _Pragma("GCC unroll 16") for (int t = 0; t < T; t++) {
            vf x = vf_bcast(a[t * row_a + i * column_a]);
            _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) acc[t][v] = vf_fma(x, row[v], acc[t][v]);
        }
    }
    _Pragma("GCC unroll 16") for (int t = 0; t < T; t++)
        _Pragma("GCC unroll 16") for (int v = 0; v < V; v++) vf_store(c + t * ld_c + 16 * v, acc[t][v]);
}

#include "kernel/cpu/micro/tile.inc.h"
#define F32_BLOCK(T, V) tile_block(cc, ld_c, a, ld_a, 1, b, ld_b, k, accumulate, T, V)
DEFINE_TILE(tile_f32, float, float, 1, F32_BLOCK)

static void set_vectors(ds_micro *m)
{
    m->quantize = quantize;
    m->rmsnorm = rmsnorm;
    m->swiglu = swiglu;
    m->rope = rope;
    m->softmax64 = softmax64;
    m->tile_f32 = tile_f32;
    m->f32_from_i8 = f32_from_i8;
    m->bf16_pairs = bf16_pairs;
    m->interleave16 = interleave16;
    m->f32_from_f16 = f32_from_f16;
    m->f32_from_bf16 = f32_from_bf16;
    m->f16_from_f32 = f16_from_f32;
    m->bf16_from_f32 = bf16_from_f32;
    m->round_to_bf16 = round_to_bf16;
}
