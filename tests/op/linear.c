/* Quantized weights read an int8 form of their input that is made once and shared; weights that need another form get theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/kernels.h"
#include "op/ops.h"
#include "quant/quant.h"

enum { TOKENS = 3, ROWS = 32, COLS = 512 };

static const ds_dtype types[] = { DS_Q4_0, DS_Q8_0, DS_Q6_K, DS_Q4_K, DS_Q8_0 };
enum { N_TYPE = sizeof types / sizeof *types };

static ds_weight make(const ds_kernels *k, ds_dtype type)
{
    static float matrix[ROWS * COLS];
    ds_weight    w = { .name = "w", .type = type, .layout = DS_X16, .rows = ROWS, .cols = COLS };
    char        *stored = ds_malloc(ds_quant_bytes(type, ROWS * COLS)), *packed = ds_malloc((size_t)k->weight_bytes(type, ROWS, COLS, DS_X16));
    ds_normal_fill(matrix, ROWS * COLS, 1, 1, (uint64_t)type, 0);
    ds_quant_of(type)->quantize(stored, matrix, ROWS * COLS, NULL);
    k->weight_pack(&w, packed, stored, 0, ROWS);
    w.data = packed;
    ds_free(stored);
    return w;
}

static void one_input_for_several_types(void **state)
{
    static float      x[TOKENS * COLS];
    ds_exec          *ex;
    const ds_kernels *k;
    assert_int_equal(ds_exec_cpu(&ex, &k, 2, ~0u), DS_OK);
    ds_ctx    cx = { .k = k, .ex = ex };
    ds_tensor shared = { .n = TOKENS, .d = COLS, .data = x };
    ds_normal_fill(x, TOKENS * COLS, 1, 2, 1, 0);
    for (int i = 0; i < N_TYPE; i++) {
        ds_weight  w = make(k, types[i]);
        ds_tensor  own = { .n = TOKENS, .d = COLS, .data = x };
        ds_tensor *y = ds_linear(&cx, &shared, &w, NULL), *alone = ds_linear(&cx, &own, &w, NULL);
        assert_int_equal(ds_ctx_status(&cx), DS_OK);
        assert_memory_equal(y->data, alone->data, sizeof(float) * TOKENS * ROWS);
        ds_free((void *)w.data);
    }
    ds_ctx_free(&cx);
    ds_exec_close(&ex);
}

/* One large value takes the precision of the columns that share its scale: 32 beside Q8_0. */
static void a_large_value_spoils_its_block_only(void **state)
{
    static float      x[COLS], values[ROWS * COLS];
    static char       stored[ROWS * COLS * 2];
    ds_exec          *ex;
    const ds_kernels *k;
    assert_int_equal(ds_exec_cpu(&ex, &k, 1, ~0u), DS_OK);
    ds_ctx    cx = { .k = k, .ex = ex };
    ds_tensor t = { .n = 1, .d = COLS, .data = x };
    ds_weight w = make(k, DS_Q8_0);
    ds_normal_fill(values, ROWS * COLS, 1, 1, DS_Q8_0, 0);
    ds_quant_of(DS_Q8_0)->quantize(stored, values, ROWS * COLS, NULL);
    ds_quant_of(DS_Q8_0)->dequantize(values, stored, ROWS * COLS);
    ds_normal_fill(x, COLS, 1, 2, 1, 0);
    x[40] = 1000;
    memset(x + 32, 0, 8 * sizeof *x); /* its neighbours are too small to be seen beside it */
    memset(x + 41, 0, 23 * sizeof *x);
    ds_tensor *y = ds_linear(&cx, &t, &w, NULL);
    assert_int_equal(ds_ctx_status(&cx), DS_OK);
    for (int r = 0; r < ROWS; r++) {
        double exact = 0;
        for (int c = 0; c < COLS; c++)
            exact += (double)x[c] * (double)values[r * COLS + c];
        assert_true(fabs((double)y->data[r] - exact) < 1); /* a scale for 256 columns: up to 4 off in each of 200 columns */
    }
    ds_free((void *)w.data);
    ds_ctx_free(&cx);
    ds_exec_close(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_input_for_several_types),
        cmocka_unit_test(a_large_value_spoils_its_block_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
