/* Matrix products of every operand order, type and instruction set, against sums in double precision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernel/cpu/matmul.h"
#include "kernel/levels.h"
#include "quant/quant.h"

typedef struct operand {
    ds_mat mat;
    float *value; /* [rows, cols], as they are multiplied */
    void  *memory;
} operand;

/* A stored matrix with some room after each row; `value` holds what its elements are worth. */
static operand make(int64_t rows, int64_t cols, ds_dtype type, bool trans, bool round, bool rounds, uint64_t stream)
{
    int64_t lines = trans ? cols : rows, ld = (trans ? rows : cols) + (int64_t)(stream % 3);
    operand o = { .value = ds_malloc((size_t)(rows * cols) * 4), .memory = ds_calloc((size_t)(lines * ld), 4) };
    ds_normal_fill(o.value, rows * cols, 1.0f, 11, stream, 0);
    o.mat = (ds_mat){ .p = o.memory, .type = type, .ld = ld, .trans = trans, .round = round };
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < cols; k++) {
            float   *v = &o.value[i * cols + k];
            int64_t  at = trans ? k * ld + i : i * ld + k;
            uint16_t half = ds_f32_to_bf16(*v);
            if (type == DS_F32)
                ((float *)o.memory)[at] = *v;
            else
                ((uint16_t *)o.memory)[at] = half;
            if (rounds)
                *v = ds_bf16_to_f32(half);
        }
    return o;
}

static void drop(operand *o)
{
    ds_free(o->value);
    ds_free(o->memory);
}

typedef struct shape {
    int64_t m, n, k;
} shape;

static void check(ds_exec *ex, const char *level, shape s, ds_dtype ta, ds_dtype tb, int orders, bool round)
{
    bool    rounds = round || ta == DS_BF16 || tb == DS_BF16, accumulate = orders >> 2 & 1;
    operand a = make(s.m, s.k, ta, orders & 1, round, rounds, (uint64_t)(s.m + orders));
    operand b = make(s.k, s.n, tb, orders >> 1 & 1, false, rounds, (uint64_t)(s.n + 100));
    int64_t ld = s.n + 3;
    float  *c = ds_malloc((size_t)(s.m * ld) * 4);
    for (int64_t i = 0; i < s.m * ld; i++)
        c[i] = (float)(i % 7) - 3;
    ds_cpu_matmul(ex, c, ld, a.mat, b.mat, s.m, s.n, s.k, accumulate);
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < ld; j++) {
            float  before = (float)((i * ld + j) % 7) - 3;
            double sum = accumulate || j >= s.n ? before : 0, size = fabs(sum) + 1e-30;
            for (int64_t k = 0; j < s.n && k < s.k; k++) {
                double v = (double)a.value[i * s.k + k] * (double)b.value[k * s.n + j];
                sum += v;
                size += fabs(v);
            }
            if (j >= s.n ? c[i * ld + j] != before : fabs(c[i * ld + j] - sum) > 1e-6 * size)
                fail_msg("%s: [%d %d %d] %s %s order %d round %d, at %d %d: %g, expected %g", level, (int)s.m, (int)s.n, (int)s.k,
                         ds_dtype_name(ta), ds_dtype_name(tb), orders, round, (int)i, (int)j, (double)c[i * ld + j], sum);
        }
    ds_free(c);
    drop(&a);
    drop(&b);
}

/* Every shape, order and type; with products of bf16 pairs or of rounded values, whichever this machine prefers. */
static void check_all(ds_exec *ex, const char *level)
{
    static const shape shapes[] = { { 1, 1, 1 }, { 7, 70, 33 }, { 13, 16, 257 }, { 5, 70, 1030 }, { 200, 65, 31 }, { 3, 530, 5 } };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int orders = 0; orders < 8; orders++) {
            check(ex, level, shapes[s], DS_F32, DS_F32, orders, false);
            check(ex, level, shapes[s], DS_BF16, DS_BF16, orders, false);
            check(ex, level, shapes[s], DS_F32, DS_BF16, orders, false);
            check(ex, level, shapes[s], DS_BF16, DS_F32, orders, false);
            check(ex, level, shapes[s], DS_F32, DS_F32, orders, true);
        }
}

static void products(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *name[N_LEVEL_NAME];
    int         n = levels(mask, name);
    for (int l = 0; l < n; l++) {
        ds_exec          *ex;
        const ds_kernels *table;
        assert_int_equal(ds_exec_cpu(&ex, &table, 2, mask[l]), DS_OK);
        check_all(ex, name[l]);
        if (ex->micro.tile_bf16) {
            ex->bf16_products = !ex->bf16_products;
            check_all(ex, name[l]);
        }
        ds_exec_close(&ex);
    }
}

/* The same bits for any number of threads, and for any part of the result computed alone. */
static void same_however_divided(void **state)
{
    enum { M = 230, N = 600, K = 1100 };
    float *one = ds_malloc(M * N * 4), *many = ds_malloc(M * N * 4);
    for (int kind = 0; kind < 4; kind++) {
        int               t = kind & 1;
        bool              turned = kind & 2; /* A as in a weight's gradient */
        operand           a = make(M, K, t ? DS_BF16 : DS_F32, turned, false, t, 1), b = make(K, N, t ? DS_BF16 : DS_F32, !turned, false, t, 2);
        ds_exec          *ex;
        const ds_kernels *table;
        for (int threads = 1; threads <= 3; threads++) {
            assert_int_equal(ds_exec_cpu(&ex, &table, threads, ~0u), DS_OK);
            ds_cpu_matmul(ex, threads == 1 ? one : many, N, a.mat, b.mat, M, N, K, false);
            if (threads > 1)
                assert_memory_equal(one, many, M * N * 4);
            if (threads == 3) {
                ds_mat row = a.mat;
                row.p = (const char *)a.memory + 57 * (turned ? 1 : a.mat.ld) * (t ? 2 : 4);
                ds_cpu_matmul(ex, many, N, row, b.mat, 1, N, K, false);
                assert_memory_equal(one + 57 * N, many, N * 4);
            }
            ds_exec_close(&ex);
        }
        drop(&a);
        drop(&b);
    }
    ds_free(one);
    ds_free(many);
}

static void empty_sizes(void **state)
{
    float             c[2] = { 5, 6 };
    ds_exec          *ex;
    const ds_kernels *table;
    ds_mat            none = { .p = c, .type = DS_F32, .ld = 1 };
    assert_int_equal(ds_exec_cpu(&ex, &table, 1, ~0u), DS_OK);
    ds_cpu_matmul(ex, c, 1, none, none, 0, 1, 1, false);
    ds_cpu_matmul(ex, c, 1, none, none, 1, 1, 0, true);
    assert_true(c[0] == 5);
    ds_cpu_matmul(ex, c, 1, none, none, 1, 1, 0, false);
    assert_true(c[0] == 0 && c[1] == 6);
    ds_exec_close(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(products), cmocka_unit_test(same_however_divided), cmocka_unit_test(empty_sizes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
