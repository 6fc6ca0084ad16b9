/* Block formats against numbers from the gguf package, and what must hold for any input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "golden/quant.h"
#include "quant/quant.h"

static const ds_dtype all[] = { DS_F32,  DS_F16,  DS_BF16, DS_Q8_0, DS_Q4_0, DS_Q4_1,
                                DS_Q5_0, DS_Q5_1, DS_Q4_K, DS_Q5_K, DS_Q6_K };
enum { N_ALL = sizeof all / sizeof *all };

static void equals_gguf(void **state)
{
#define X(T, can)                                                                                     \
    {                                                                                                 \
        const ds_quant *q = ds_quant_of(DS_##T);                                                      \
        int64_t         n = (int64_t)(sizeof out_##T / 4);                                            \
        float           v[512];                                                                       \
        uint8_t         b[2048];                                                                      \
        assert_int_equal(ds_quant_bytes(DS_##T, n), sizeof block_##T);                                \
        q->dequantize(v, block_##T, n);                                                               \
        assert_memory_equal(v, out_##T, (size_t)n * 4);                                               \
        if (can) {                                                                                    \
            float in[512];                                                                            \
            memcpy(in, in_##T, sizeof in_##T);                                                        \
            q->quantize(b, in, n, NULL);                                                              \
            assert_memory_equal(b, block_##T, sizeof block_##T);                                      \
        }                                                                                             \
    }
    GOLDEN(X)
#undef X
}

static void every_half_survives(void **state)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = ds_f16_to_f32((uint16_t)h), e = ds_bf16_to_f32((uint16_t)h);
        if (f == f)
            assert_int_equal(ds_f32_to_f16(f), h);
        else
            assert_int_equal(ds_f32_to_f16(f) & 0x7c00, 0x7c00);
        if (e == e)
            assert_int_equal(ds_f32_to_bf16(e), h);
    }
}

static void halves_round_to_nearest_even(void **state)
{
    for (uint32_t h = 0; h < 0x7bff; h++) { /* between two neighbours: below, at and above the middle */
        double a = ds_f16_to_f32((uint16_t)h), b = ds_f16_to_f32((uint16_t)(h + 1));
        float  mid = (float)((a + b) / 2);
        assert_int_equal(ds_f32_to_f16(mid), h & 1 ? h + 1 : h);
        assert_int_equal(ds_f32_to_f16(nextafterf(mid, 0)), h);
        assert_int_equal(ds_f32_to_f16(nextafterf(mid, 1e9f)), h + 1);
    }
    assert_int_equal(ds_f32_to_f16(65519.0f), 0x7bff);
    assert_int_equal(ds_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(ds_f32_to_f16(-1e30f), 0xfc00);
}

/* Root mean square error over that of the values. */
static double relative_error(ds_dtype t, const float *x, int64_t n, const float *importance)
{
    static uint8_t bytes[1 << 18];
    static float   y[1 << 16];
    double         e = 0, s = 0;
    const ds_quant *q = ds_quant_of(t);
    for (int64_t i = 0; i < n; i += 4096) {
        q->quantize(bytes, x + i, 4096, importance);
        q->dequantize(y, bytes, 4096);
        for (int k = 0; k < 4096; k++) {
            double w = importance ? importance[k] : 1;
            e += w * (y[k] - x[i + k]) * (y[k] - x[i + k]);
            s += w * x[i + k] * x[i + k];
        }
    }
    return sqrt(e / s);
}

static void errors_of_normal_weights(void **state)
{
    static float x[1 << 16];
    /* ggml's own quantizers (ik_llama.cpp's libggml) leave on these very numbers: Q4_K 0.07129, Q5_K 0.03597, Q6_K
     * 0.01745, Q8_0 0.00534; here it may be 1% more. The others round as the gguf package does (equals_gguf). */
    static const double most[] = { 0, 2.2e-4, 1.7e-3, 0.00539, 0.0860, 0.0786, 0.0427, 0.0381, 0.0720, 0.0363, 0.0176 };
    ds_normal_fill(x, 1 << 16, 0.02f, 1, 0, 0);
    for (int i = 0; i < N_ALL; i++) {
        double e = relative_error(all[i], x, 1 << 16, NULL);
        assert_true(e <= most[i]);
    }
}

static void importance_lowers_the_weighted_error(void **state)
{
    static float x[1 << 16], imp[4096];
    ds_normal_fill(x, 1 << 16, 0.02f, 2, 0, 0);
    for (int i = 0; i < 4096; i++)
        imp[i] = (float)exp(3 * ds_uniform(3, 0, (uint64_t)i));
    for (int i = 0; i < N_ALL; i++) {
        if (ds_quant_of(all[i])->block != 256)
            continue;
        static uint8_t bytes[1 << 13];
        static float   y[4096];
        double         e = 0, s = 0; /* error of the quantization that did not know the importance */
        for (int r = 0; r < 16; r++) {
            ds_quant_of(all[i])->quantize(bytes, x + 4096 * r, 4096, NULL);
            ds_quant_of(all[i])->dequantize(y, bytes, 4096);
            for (int k = 0; k < 4096; k++) {
                double d = y[k] - x[4096 * r + k];
                e += imp[k] * d * d;
                s += imp[k] * x[4096 * r + k] * x[4096 * r + k];
            }
        }
        assert_true(relative_error(all[i], x, 1 << 16, imp) < 0.99 * sqrt(e / s));
    }
}

static void odd_blocks_stay_finite(void **state)
{
    static const float v[] = { 0, 1e-45f, -1e-45f, 1e-38f, -1e-38f, 6e-8f, 60000, -60000, 1, -1 };
    enum { N = sizeof v / sizeof *v };
    for (int t = 0; t < N_ALL; t++)
        for (int a = 0; a < N; a++)
            for (int b = 0; b < N; b++) {
                float   x[256], y[256];
                uint8_t bytes[1024];
                for (int i = 0; i < 256; i++)
                    x[i] = i % 3 ? v[a] : v[b];
                const ds_quant *q = ds_quant_of(all[t]);
                q->quantize(bytes, x, 256, NULL);
                q->dequantize(y, bytes, 256);
                float size = fmaxf(fabsf(v[a]), fabsf(v[b]));
                for (int i = 0; i < 256; i++)
                    assert_true(fabsf(y[i] - x[i]) <= 0.14f * size + 1e-5f);
            }
}

static void rows_on_threads_and_bad_values(void **state)
{
    enum { R = 300, C = 512 };
    float   *x = ds_malloc(R * C * 4), *y = ds_malloc(R * C * 4);
    uint8_t *a = ds_malloc(R * C * 4), *b = ds_malloc(R * C * 4);
    ds_pool *p;
    assert_int_equal(ds_pool_create(&p, 3), DS_OK);
    ds_normal_fill(x, R * C, 1, 5, 0, 0);
    assert_int_equal(ds_quantize_rows(p, DS_Q4_K, a, x, R, C, NULL), DS_OK);
    ds_quant_of(DS_Q4_K)->quantize(b, x, R * C, NULL);
    assert_memory_equal(a, b, ds_quant_bytes(DS_Q4_K, R * C));
    ds_dequantize_rows(p, DS_Q4_K, y, a, R, C);
    assert_true(fabsf(y[R * C - 1] - x[R * C - 1]) < 0.5f);
    x[123 * C + 45] = NAN;
    x[250 * C] = INFINITY;
    assert_int_equal(ds_quantize_rows(p, DS_Q8_0, a, x, R, C, NULL), DS_E_NUMERIC);
    assert_non_null(strstr(ds_error(), "row 123, column 45 is not a number"));
    assert_int_equal(ds_quantize_rows(p, DS_Q4_K, a, x, 2, 96, NULL), DS_E_SHAPE);
    assert_int_equal(ds_quantize_rows(p, (ds_dtype)99, a, x, 2, 96, NULL), DS_E_UNSUPPORTED);
    ds_pool_destroy(&p);
    ds_free(x);
    ds_free(y);
    ds_free(a);
    ds_free(b);
}

static void names(void **state)
{
    ds_dtype t;
    for (int i = 0; i < N_ALL; i++) {
        assert_int_equal(ds_dtype_parse(ds_dtype_name(all[i]), &t), DS_OK);
        assert_int_equal(t, all[i]);
    }
    assert_int_equal(ds_dtype_parse("Q4_K", &t), DS_OK);
    assert_int_equal(t, DS_Q4_K);
    assert_int_equal(ds_dtype_parse("q7", &t), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "q4_0"));
    assert_string_equal(ds_dtype_name(DS_DTYPE_NONE), "none");
    assert_int_equal(ds_quant_bytes(DS_Q4_0, 33), 0);
}

/* NaN and infinity are found in every format, at the value or the block that they are in, in any scale; and nothing else is. */
static void first_bad(void **state)
{
    static const struct { ds_dtype type; int at, bytes; uint32_t bad; } cases[] = {
        { DS_F32, 0, 4, 0x7f800001 },  { DS_F32, 0, 4, 0xff800000 },  { DS_F16, 0, 2, 0xfc00 },    { DS_BF16, 0, 2, 0x7f80 },
        { DS_Q8_0, 0, 2, 0x7c00 },     { DS_Q4_0, 0, 2, 0xfe01 },     { DS_Q4_1, 0, 2, 0x7c00 },   { DS_Q4_1, 2, 2, 0x7c00 },
        { DS_Q5_0, 0, 2, 0x7c00 },     { DS_Q5_1, 2, 2, 0x7c00 },     { DS_Q4_K, 0, 2, 0x7c00 },   { DS_Q4_K, 2, 2, 0x7c00 },
        { DS_Q5_K, 2, 2, 0x7c00 },     { DS_Q6_K, 208, 2, 0x7c00 },
    };
    enum { N = 256 * 5 };
    static float   x[N];
    static uint8_t stored[4 * N];
    ds_normal_fill(x, N, 1, 1, 2, 3);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const ds_quant *q = ds_quant_of(cases[c].type);
        for (int block = 0; block < N / q->block; block += 3) {
            q->quantize(stored, x, N, NULL);
            assert_int_equal(ds_quant_first_bad(q->type, stored, N), -1);
            memcpy(stored + block * q->bytes + cases[c].at, &cases[c].bad, (size_t)cases[c].bytes);
            assert_int_equal(ds_quant_first_bad(q->type, stored, N), block * q->block);
        }
    }
    memset(stored, 0xff, sizeof stored);
    assert_int_equal(ds_quant_first_bad(DS_Q6_K, stored, N), 0);
    assert_int_equal(ds_quant_first_bad(DS_F32, stored, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bad),
        cmocka_unit_test(equals_gguf),
        cmocka_unit_test(every_half_survives),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(errors_of_normal_weights),
        cmocka_unit_test(importance_lowers_the_weighted_error),
        cmocka_unit_test(odd_blocks_stay_finite),
        cmocka_unit_test(rows_on_threads_and_bad_values),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
