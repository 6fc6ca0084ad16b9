/* Row kernels of every instruction set against double precision, at odd lengths, with canaries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernel/cpu/micro/micro.h"
#include "kernel/levels.h"
#include "quant/quant.h"

enum { MOST = 300 };
static const int64_t lengths[] = { 1, 2, 8, 15, 16, 17, 31, 32, 33, 64, 100, 257, MOST };

static void near(double got, double want, double tolerance, const char *what, const char *level)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%s on %s: %.9g, expected %.9g", what, level, got, want);
}

#define FOR_LEVELS(m)                                                              \
    unsigned    mask[N_LEVEL_NAME];                                                \
    const char *level[N_LEVEL_NAME];                                               \
    ds_micro    m;                                                                 \
    for (int l = 0, n_level = levels(mask, level); l < n_level; l++)               \
        for (int once = (ds_micro_init(&m, mask[l]), 1); once; once = 0)           \
            for (size_t s = 0; s < sizeof lengths / sizeof *lengths; s++)

static void rmsnorm(void **state)
{
    float x[MOST], w[MOST], y[MOST + 1];
    ds_normal_fill(x, MOST, 3, 1, 1, 0);
    ds_normal_fill(w, MOST, 1, 1, 2, 0);
    FOR_LEVELS(m)
    {
        int64_t n = lengths[s];
        double  sum = 0;
        y[n] = 77;
        m.rmsnorm(y, x, w, n, 1e-6f);
        for (int64_t i = 0; i < n; i++)
            sum += (double)x[i] * (double)x[i];
        for (int64_t i = 0; i < n; i++)
            near((double)y[i], (double)x[i] * (double)w[i] / sqrt(sum / (double)n + 1e-6), 1e-6, "rmsnorm", level[l]);
        assert_true(y[n] == 77);
    }
}

static void swiglu(void **state)
{
    float g[MOST], u[MOST], y[MOST + 1];
    ds_normal_fill(g, MOST, 8, 2, 1, 0);
    ds_normal_fill(u, MOST, 1, 2, 2, 0);
    g[0] = -200;
    g[1] = 200;
    FOR_LEVELS(m)
    {
        int64_t n = lengths[s];
        y[n] = 77;
        m.swiglu(y, g, u, n);
        for (int64_t i = 0; i < n; i++)
            near((double)y[i], (double)g[i] / (1 + exp(-(double)g[i])) * (double)u[i], 1e-6, "swiglu", level[l]);
        assert_true(y[n] == 77);
    }
}

static void rope(void **state)
{
    float x[2 * MOST + 1], before[2 * MOST], c[MOST], sn[MOST];
    for (int i = 0; i < MOST; i++) {
        c[i] = cosf(0.1f * (float)i);
        sn[i] = sinf(0.1f * (float)i);
    }
    FOR_LEVELS(m)
    {
        int64_t half = lengths[s] / 2;
        ds_normal_fill(before, 4 * half, 1, 3, 1, 0);
        memcpy(x, before, sizeof(float) * (size_t)(4 * half));
        x[4 * half] = 77;
        m.rope(x, c, sn, 2, 2 * half);
        for (int64_t h = 0; h < 2; h++)
            for (int64_t i = 0; i < half; i++) {
                double a = (double)before[2 * half * h + i], b = (double)before[2 * half * h + half + i];
                near((double)x[2 * half * h + i], a * (double)c[i] - b * (double)sn[i], 1e-6, "rope", level[l]);
                near((double)x[2 * half * h + half + i], b * (double)c[i] + a * (double)sn[i], 1e-6, "rope", level[l]);
            }
        assert_true(x[4 * half] == 77);
    }
}

static void conversions(void **state)
{
    float    x[MOST], back[MOST + 1];
    uint16_t h[MOST + 1];
    ds_normal_fill(x, MOST, 5, 4, 1, 0);
    x[0] = INFINITY;
    x[1] = 65520; /* rounds to infinity in f16 */
    x[2] = 1e-7f;
    x[3] = -0.0f;
    FOR_LEVELS(m)
    {
        int64_t n = lengths[s];
        h[n] = 0x1234;
        back[n] = 77;
        m.f16_from_f32(h, x, n);
        m.f32_from_f16(back, h, n);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(h[i], ds_f32_to_f16(x[i]));
            assert_true(back[i] == ds_f16_to_f32(h[i]));
        }
        m.bf16_from_f32(h, x, n);
        m.f32_from_bf16(back, h, n);
        for (int64_t i = 0; i < n; i++) { /* the instruction flushes subnormals: none are here */
            assert_int_equal(h[i], ds_f32_to_bf16(x[i]));
            assert_true(back[i] == ds_bf16_to_f32(h[i]));
        }
        assert_int_equal(h[n], 0x1234);
        assert_true(back[n] == 77);
    }
}

static void quantize(void **state)
{
    float    x[320];
    int8_t   q[320];
    float    scale[10];
    int32_t  sum[10], half[20];
    unsigned mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    ds_normal_fill(x, 320, 2, 5, 1, 0);
    for (int l = 0, n = levels(mask, level); l < n; l++) {
        ds_micro m;
        ds_micro_init(&m, mask[l]);
        for (int block = 32; block <= 256; block += 224) {
            m.quantize(q, scale, sum, half, x, 320, block);
            for (int i = 0; i < 320; i++) {
                double error = fabs((double)q[i] * (double)scale[i / block] - (double)x[i]);
                assert_true(error <= 0.5001 * (double)scale[i / block]);
            }
        }
        for (int b = 0; b < 20; b++) {
            int32_t s = 0;
            for (int i = 0; i < 16; i++)
                s -= q[16 * b + i];
            assert_int_equal(half[b], s);
        }
        for (int b = 0; b < 10; b++)
            assert_int_equal(sum[b], half[2 * b] + half[2 * b + 1]);
    }
}

static void small_products(void **state)
{
    enum { N = 13, K = 34, M = 64 };
    float a[N * K], b[K * M], c[N * M], start[N * M];
    ds_normal_fill(a, N * K, 1, 6, 1, 0);
    ds_normal_fill(b, K * M, 1, 6, 2, 0);
    ds_normal_fill(start, N * M, 1, 6, 3, 0);
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int l = 0, n_level = levels(mask, level); l < n_level; l++) {
        ds_micro m;
        ds_micro_init(&m, mask[l]);
        for (int64_t cols = 16; cols <= M; cols += 16)
            for (int acc = 0; acc < 2; acc++) {
                memcpy(c, start, sizeof c);
                m.tile_f32(c, M, a, K, b, M, N, cols, K, acc);
                for (int t = 0; t < N; t++)
                    for (int j = 0; j < M; j++) {
                        double want = acc || j >= cols ? (double)start[t * M + j] : 0;
                        for (int i = 0; i < K && j < cols; i++)
                            want += (double)a[t * K + i] * (double)b[i * M + j];
                        near((double)c[t * M + j], want, 5e-6, "tile", level[l]);
                    }
            }
    }
}

static void small_products_bf16(void **state)
{
    enum { N = 7, K = 32, M = 48 };
    float    a[N * K], b[K * M], c[N * M];
    uint16_t ah[N * K], bh[K * M];
    ds_micro m;
    ds_micro_init(&m, ~0u);
    if (!m.tile_bf16)
        skip();
    ds_normal_fill(a, N * K, 1, 7, 1, 0);
    ds_normal_fill(b, K * M, 1, 7, 2, 0);
    m.bf16_from_f32(ah, a, N * K);
    for (int i = 0; i < K; i += 2)
        m.bf16_pairs(bh + i * M, b + i * M, b + (i + 1) * M, M);
    m.tile_bf16(c, M, ah, K, bh, M, N, M, K, false);
    for (int t = 0; t < N; t++)
        for (int j = 0; j < M; j++) {
            double want = 0;
            for (int i = 0; i < K; i++)
                want += (double)ds_bf16_to_f32(ah[t * K + i]) * (double)ds_bf16_to_f32(ds_f32_to_bf16(b[i * M + j]));
            near((double)c[t * M + j], want, 5e-6, "tile", "bf16");
        }
}

static double greatest(const float *x, int32_t n, double least)
{
    for (int32_t i = 0; i < n; i++)
        if ((double)x[i] > least)
            least = (double)x[i];
    return least;
}

static void softmax(void **state)
{
    enum { N = 4, K = 24 };
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int l = 0, n_level = levels(mask, level); l < n_level; l++) {
        ds_micro m;
        ds_micro_init(&m, mask[l]);
        float   s[N * 64], first[N * 64], mx[N], sum[N], out[N * K];
        int32_t limit[N] = { 0, 1, 37, 64 };
        ds_normal_fill(first, N * 64, 4, 8, 1, 0);
        memcpy(s, first, sizeof s);
        for (int t = 0; t < N; t++) {
            mx[t] = 0.5f; /* as if earlier scores summed to 2 about a maximum of 0.5 */
            sum[t] = 2;
        }
        for (int i = 0; i < N * K; i++)
            out[i] = 1;
        m.softmax64(s, limit, mx, sum, out, K, N, K);
        for (int t = 0; t < N; t++) {
            double most = greatest(first + t * 64, limit[t], 0.5), total = 0;
            for (int j = 0; j < 64; j++) {
                double p = j < limit[t] ? exp((double)first[t * 64 + j] - most) : 0;
                total += p;
                near((double)s[t * 64 + j], p, 2e-6, "softmax", level[l]);
            }
            near((double)sum[t], total + 2 * exp(0.5 - most), 2e-6, "softmax sum", level[l]);
            near((double)out[t * K + 5], exp(0.5 - most), 2e-6, "softmax output", level[l]);
        }
        assert_true(s[0] == 0 && s[64 + 1] == 0); /* masked: exactly nothing */
    }
}

/* Every instruction set takes the same random numbers: the same bits as the portable one, whatever the length. */
static void stochastic_rounding(void **state)
{
    float    x[MOST];
    uint16_t want[MOST], got[MOST + 1];
    ds_micro plain;
    ds_micro_generic(&plain);
    ds_normal_fill(x, MOST, 1, 1, 1, 0);
    x[3] = INFINITY;
    x[7] = NAN;
    x[40] = 3.3895e38f; /* may round up to infinity, not beyond */
    plain.round_stochastically(want, x, 4096, MOST, 77, 1ull << 33 | 5);
    for (int64_t i = 0; i < MOST; i++)
        assert_true(i == 7 || fabsf(ds_bf16_to_f32(want[i]) - x[i]) <= fabsf(x[i]) / 128 || i == 3 || i == 40);
    FOR_LEVELS(m)
    {
        int64_t n = lengths[s];
        got[n] = 0x1234;
        m.round_stochastically(got, x, 4096, n, 77, 1ull << 33 | 5);
        assert_memory_equal(got, want, (size_t)n * 2);
        assert_int_equal(got[n], 0x1234);
    }
}

/* Blocks of 32-bit values turned over, of every shape up to two whole tiles and some. */
static void transposing(void **state)
{
    enum { SIDE = 35, LD = 37 };
    static int32_t from[SIDE * LD], to[SIDE * LD];
    for (int i = 0; i < SIDE * LD; i++)
        from[i] = i;
    FOR_LEVELS(m)
    {
        int64_t rows = 1 + lengths[s] % SIDE, cols = 1 + lengths[s] * 7 % SIDE;
        memset(to, -1, sizeof to);
        m.transpose32(to, LD, from, LD, rows, cols);
        for (int64_t c = 0; c < SIDE; c++)
            for (int64_t r = 0; r < LD; r++)
                assert_int_equal(to[c * LD + r], r < rows && c < cols ? from[r * LD + c] : -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm),       cmocka_unit_test(swiglu),
        cmocka_unit_test(rope),          cmocka_unit_test(conversions),
        cmocka_unit_test(stochastic_rounding), cmocka_unit_test(transposing),
        cmocka_unit_test(quantize),      cmocka_unit_test(small_products),
        cmocka_unit_test(small_products_bf16), cmocka_unit_test(softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
