/* Every op's backward rule, alone: the gradient of a weighted sum of its result against central differences of a plain formula in
 * double precision, for every choice of which inputs and weights need gradients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernel/kernels.h"
#include "kernel/levels.h"
#include "op/ops.h"
#include "quant/quant.h"

enum { MOST = 4096, PARTS = 5 }; /* values of an input or weight; inputs and weights of an op */

/* Inputs and weights of a case: part p is [n[p], d[p]] with values v[p]. */
typedef struct parts {
    int64_t n[PARTS], d[PARTS];
    double  v[PARTS][MOST];
} parts;

typedef struct op_case {
    const char *name;
    int         n_input, n_weight; /* parts: inputs first */
    void (*shape)(parts *p, int64_t n);
    /* y [*rows, *cols] from the parts: in double, and by the op. */
    void (*plain)(const parts *p, double *y, int64_t *rows, int64_t *cols);
    ds_tensor *(*run)(ds_ctx *cx, ds_tensor **x, ds_weight *w);
} op_case;

static void set_shape(parts *p, int part, int64_t n, int64_t d)
{
    p->n[part] = n;
    p->d[part] = d;
}

/* ---- the ops ---- */

static void shape_linear(parts *p, int64_t n)
{
    set_shape(p, 0, n, 5);
    set_shape(p, 1, 7, 5);
    set_shape(p, 2, 1, 7);
}

static void product(const parts *p, int x, int w, int bias, double *y)
{
    int64_t rows = p->n[w], cols = p->d[w];
    for (int64_t i = 0; i < p->n[x]; i++)
        for (int64_t r = 0; r < rows; r++) {
            y[i * rows + r] = bias < 0 ? 0 : p->v[bias][r];
            for (int64_t c = 0; c < cols; c++)
                y[i * rows + r] += p->v[x][i * cols + c] * p->v[w][r * cols + c];
        }
}

static void plain_linear(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = p->n[0];
    *cols = p->n[1];
    product(p, 0, 1, 2, y);
}

static ds_tensor *run_linear(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_linear(cx, x[0], &w[0], &w[1]);
}

static void shape_linear_add(parts *p, int64_t n)
{
    set_shape(p, 0, n, 7); /* residual */
    set_shape(p, 1, n, 5);
    set_shape(p, 2, 7, 5);
}

static void plain_linear_add(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = p->n[0];
    *cols = 7;
    product(p, 1, 2, -1, y);
    for (int64_t i = 0; i < *rows * 7; i++)
        y[i] += p->v[0][i];
}

static ds_tensor *run_linear_add(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_linear_add(cx, x[0], x[1], &w[0], NULL, false);
}

static void shape_swiglu(parts *p, int64_t n)
{
    set_shape(p, 0, n, 6);
    set_shape(p, 1, 19, 6);
    set_shape(p, 2, 19, 6);
    set_shape(p, 3, 1, 19);
    set_shape(p, 4, 1, 19);
}

static void plain_swiglu(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    double up[MOST];
    *rows = p->n[0];
    *cols = 19;
    product(p, 0, 1, 3, y);
    product(p, 0, 2, 4, up);
    for (int64_t i = 0; i < *rows * 19; i++)
        y[i] = y[i] / (1 + exp(-y[i])) * up[i];
}

static ds_tensor *run_swiglu(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_linear_swiglu(cx, x[0], &w[0], &w[1], &w[2], &w[3]);
}

static void shape_rmsnorm(parts *p, int64_t n)
{
    set_shape(p, 0, n, 33);
    set_shape(p, 1, 1, 33);
}

static void plain_rmsnorm(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = p->n[0];
    *cols = 33;
    for (int64_t i = 0; i < *rows; i++) {
        double sum = 0;
        for (int64_t k = 0; k < 33; k++)
            sum += p->v[0][i * 33 + k] * p->v[0][i * 33 + k];
        for (int64_t k = 0; k < 33; k++)
            y[i * 33 + k] = p->v[0][i * 33 + k] * p->v[1][k] / sqrt(sum / 33 + 1e-3);
    }
}

static ds_tensor *run_rmsnorm(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_rmsnorm(cx, x[0], &w[0], 1e-3);
}

/* Two packed sequences: the first of one token. */
static ds_span spans[2];
static ds_batch two_spans(int64_t n)
{
    spans[0] = (ds_span){ .first = 0, .n = 1, .total = 1 };
    spans[1] = (ds_span){ .first = 1, .n = n - 1, .pos = 3, .total = n + 2 };
    return (ds_batch){ .n = n, .n_span = n > 1 ? 2 : 1, .span = spans };
}
static ds_batch    packed;
static const float frequency[3] = { 1, 0.1f, 0.01f };

static void shape_rope(parts *p, int64_t n)
{
    set_shape(p, 0, n, 12); /* two heads of 6 */
}

static void plain_rope(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = p->n[0];
    *cols = 12;
    for (int64_t i = 0; i < *rows; i++)
        for (int64_t k = 0; k < 12; k++) {
            int64_t       half = k % 6 / 3, at = k % 3;
            double        angle = (double)((i > 0 ? 3 + i - 1 : 0)) * (double)frequency[at];
            const double *x = p->v[0] + i * 12 + k / 6 * 6;
            y[i * 12 + k] = half ? x[3 + at] * cos(angle) + x[at] * sin(angle) : x[at] * cos(angle) - x[3 + at] * sin(angle);
        }
}

static ds_tensor *run_rope(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    packed = two_spans(x[0]->n);
    return ds_rope(cx, x[0], ds_rope_angles(cx, &packed, frequency, false, 3, 1), 2);
}

static void shape_attention(parts *p, int64_t n)
{
    set_shape(p, 0, n, 20); /* four heads of 5 over two */
    set_shape(p, 1, n, 10);
    set_shape(p, 2, n, 10);
}

static void plain_attention(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = p->n[0];
    *cols = 20;
    memset(y, 0, (size_t)(*rows * 20) * sizeof *y);
    for (int64_t i = 0; i < *rows; i++)
        for (int64_t h = 0; h < 4; h++) {
            double  s[MOST / 20], sum = 0;
            int64_t start = i > 0;
            for (int64_t t = start; t <= i; t++) {
                s[t] = 0;
                for (int64_t d = 0; d < 5; d++)
                    s[t] += p->v[0][i * 20 + h * 5 + d] * p->v[1][t * 10 + h / 2 * 5 + d] / sqrt(5);
                sum += s[t] = exp(s[t]);
            }
            for (int64_t t = start; t <= i; t++)
                for (int64_t d = 0; d < 5; d++)
                    y[i * 20 + h * 5 + d] += s[t] / sum * p->v[2][t * 10 + h / 2 * 5 + d];
        }
}

static ds_tensor *run_attention(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    packed = two_spans(x[0]->n);
    return ds_attention(cx, x[0], x[1], x[2], &packed, &packed, 0, 2);
}

static const int64_t chosen[4] = { 0, 0, 0, 0 };

static void shape_one(parts *p, int64_t n)
{
    set_shape(p, 0, n, 17);
}

static void plain_gather(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = 4;
    *cols = 17;
    for (int64_t i = 0; i < 4; i++)
        memcpy(y + i * 17, p->v[0] + chosen[i] * 17, 17 * sizeof *y);
}

static ds_tensor *run_gather(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_gather(cx, x[0], chosen, 4);
}

static const int32_t words[6] = { 4, 0, 4, 2, 1, 4 };

static void shape_embed(parts *p, int64_t n)
{
    set_shape(p, 0, 5, 70);
}

static void plain_embed(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = 6;
    *cols = 70;
    for (int64_t i = 0; i < 6; i++)
        memcpy(y + i * 70, p->v[0] + words[i] * 70, 70 * sizeof *y);
}

static ds_tensor *run_embed(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_embed(cx, &w[0], words, 6);
}

static void shape_add(parts *p, int64_t n)
{
    set_shape(p, 0, n, 9);
    set_shape(p, 1, n, 9);
}

static void plain_add(const parts *p, double *y, int64_t *rows, int64_t *cols)
{
    *rows = p->n[0];
    *cols = 9;
    for (int64_t i = 0; i < *rows * 9; i++)
        y[i] = p->v[0][i] + p->v[1][i];
}

static ds_tensor *run_add(ds_ctx *cx, ds_tensor **x, ds_weight *w)
{
    return ds_add(cx, x[0], x[1]);
}

static const op_case cases[] = {
    { "linear", 1, 2, shape_linear, plain_linear, run_linear },
    { "linear_add", 2, 1, shape_linear_add, plain_linear_add, run_linear_add },
    { "swiglu", 1, 4, shape_swiglu, plain_swiglu, run_swiglu },
    { "rmsnorm", 1, 1, shape_rmsnorm, plain_rmsnorm, run_rmsnorm },
    { "rope", 1, 0, shape_rope, plain_rope, run_rope },
    { "attention", 3, 0, shape_attention, plain_attention, run_attention },
    { "gather", 1, 0, shape_one, plain_gather, run_gather },
    { "embed", 0, 1, shape_embed, plain_embed, run_embed },
    { "add", 2, 0, shape_add, plain_add, run_add },
};
enum { N_CASE = sizeof cases / sizeof *cases };

/* ---- the check ---- */

/* The sum of y's values, each times a fixed number. */
static float  factors[MOST];
static double plain_sum(const op_case *c, const parts *p)
{
    static double y[MOST];
    double        sum = 0;
    int64_t       rows, cols;
    c->plain(p, y, &rows, &cols);
    for (int64_t i = 0; i < rows * cols; i++)
        sum += y[i] * (double)factors[i];
    return sum;
}

static void sum_bwd(ds_ctx *cx, const ds_node *node)
{
    bool   fresh;
    float *dy = ds_grad(cx, node->in[0], &fresh);
    memcpy(dy, factors, (size_t)(node->in[0]->n * node->in[0]->d) * sizeof *dy);
}
static const ds_op sum_op = { .name = "sum", .bwd = sum_bwd };

static double want[PARTS][MOST];

static void find_differences(const op_case *c, parts *p)
{
    const double step = 1e-5;
    for (int i = 0; i < c->n_input + c->n_weight; i++)
        for (int64_t k = 0; k < p->n[i] * p->d[i]; k++) {
            double value = p->v[i][k];
            p->v[i][k] = value + step;
            want[i][k] = plain_sum(c, p);
            p->v[i][k] = value - step;
            want[i][k] = (want[i][k] - plain_sum(c, p)) / (2 * step);
            p->v[i][k] = value;
        }
}

/* The greater one, or NaN. Not fmax: gcc 12 for ARM fails on loops of it. */
static double greater(double a, double b)
{
    return b <= a ? a : b;
}

static void check_part(const op_case *c, int part, int64_t n, const float *got, bool needed, unsigned which, const char *level)
{
    double most = 0, error = 0;
    if (!got && !needed)
        return;
    assert_non_null(got);
    for (int64_t k = 0; k < n; k++) {
        most = greater(most, fabs(want[part][k]));
        error = greater(error, fabs((double)got[k] - want[part][k]));
    }
    if (needed && !(error <= 5e-6 * fmax(most, 1)))
        fail_msg("%s on %s, parts %x: gradient of part %d is wrong by %g of %g", c->name, level, which, part, error, most);
}

/* Runs the op with part i needing its gradient when bit i of `which` is set. */
static void run_case(const op_case *c, const parts *p, unsigned which, ds_ctx *cx, const char *level)
{
    static float value[PARTS][MOST], grad[PARTS][MOST];
    ds_tensor    input[PARTS], gradient[PARTS], *x[PARTS];
    ds_weight    w[PARTS];
    int          parts_n = c->n_input + c->n_weight;
    for (int i = 0; i < parts_n; i++) {
        for (int64_t k = 0; k < p->n[i] * p->d[i]; k++)
            value[i][k] = (float)p->v[i][k];
        memset(grad[i], 0, sizeof grad[i]);
        gradient[i] = (ds_tensor){ .n = p->n[i], .d = p->d[i], .data = grad[i] };
        input[i] = (ds_tensor){ .n = p->n[i], .d = p->d[i], .data = value[i], .learn = which >> i & 1 };
        x[i] = &input[i];
        if (i >= c->n_input)
            w[i - c->n_input] = (ds_weight){ .name = "w", .type = DS_F32, .rows = p->n[i], .cols = p->d[i], .data = value[i],
                                             .grad = which >> i & 1 ? &gradient[i] : NULL };
    }
    cx->record = true;
    ds_tensor *y = c->run(cx, x, w), *loss = ds_out(cx, 1, 1);
    assert_non_null(y);
    assert_true(y->learn == (which != 0));
    ds_record(cx, (ds_node){ .op = &sum_op, .out = loss, .in = { y } });
    assert_int_equal(ds_backward(cx, loss), DS_OK);
    for (int i = 0; i < parts_n; i++)
        check_part(c, i, p->n[i] * p->d[i], i < c->n_input ? input[i].grad : grad[i], which >> i & 1, which, level);
    ds_ctx_reset(cx);
}

static void on_every_level(const op_case *c, const parts *p)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int l = 0, n_level = levels(mask, level); l < n_level; l++) {
        ds_exec          *ex;
        const ds_kernels *k;
        assert_int_equal(ds_exec_cpu(&ex, &k, 2, mask[l]), DS_OK);
        ds_ctx cx = { .k = k, .ex = ex };
        for (unsigned which = 0; which < 1u << (c->n_input + c->n_weight); which++)
            run_case(c, p, which, &cx, level[l]);
        ds_ctx_free(&cx);
        ds_exec_close(&ex);
    }
}

static void every_op(void **state)
{
    static parts p;
    float        values[MOST];
    ds_normal_fill(factors, MOST, 1, 1, 99, 0);
    for (int c = 0; c < N_CASE; c++)
        for (int64_t n = 1; n <= 67; n += 33) {
            cases[c].shape(&p, n);
            for (int i = 0; i < cases[c].n_input + cases[c].n_weight; i++) {
                ds_normal_fill(values, MOST, 0.7f, 2, (uint64_t)i, 0);
                for (int64_t v = 0; v < MOST; v++)
                    p.v[i][v] = (double)values[v];
            }
            find_differences(&cases[c], &p);
            on_every_level(&cases[c], &p);
        }
}

/* ---- dropout and the loss ---- */

static void dropout(void **state)
{
    enum { N = 40000 };
    static float      x[N], grad[N];
    ds_exec          *ex;
    const ds_kernels *k;
    assert_int_equal(ds_exec_cpu(&ex, &k, 2, ~0u), DS_OK);
    ds_ctx cx = { .k = k, .ex = ex, .record = true };
    for (int i = 0; i < N; i++)
        x[i] = 3;
    memcpy(grad, x, sizeof x);
    ds_tensor t = { .n = 4, .d = N / 4, .data = x, .learn = true };
    ds_dropout(&cx, &t, (ds_drop){ .p = 0.25f, .seed = 5, .stream = 6 });
    int dropped = 0;
    for (int i = 0; i < N; i++) {
        assert_true(x[i] == 0 || x[i] == 4);
        dropped += x[i] == 0;
    }
    assert_true(abs(dropped - N / 4) < 400); /* over four standard deviations */
    t.grad = grad;
    cx.tape->op->bwd(&cx, cx.tape);
    assert_memory_equal(grad, x, sizeof x);
    k->dropout(ex, grad, N, (ds_drop){ .p = 0.25f, .seed = 5, .stream = 7 }); /* another stream drops others */
    int both = 0;
    for (int i = 0; i < N; i++)
        both += x[i] == 0 || grad[i] == 0;
    assert_true(abs(both - N * 7 / 16) < 500);
    ds_ctx_free(&cx);
    ds_exec_close(&ex);
}

/* Widths about the vector's, and logits far apart. */
static void loss_alone(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int l = 0, n_level = levels(mask, level); l < n_level; l++)
        for (int64_t v = 1; v < 70; v += 7)
            for (int half = 0; half < 2; half++) {
                ds_exec          *ex;
                const ds_kernels *k;
                float             x[140], before[2][70], loss[2];
                int32_t           target[2] = { (int32_t)(v - 1), -1 };
                assert_int_equal(ds_exec_cpu(&ex, &k, 1, mask[l]), DS_OK);
                ds_normal_fill(before[0], 140, 20, 3, (uint64_t)v, 0);
                for (int i = 0; i < 2; i++)
                    memcpy(x + i * v, before[i], (size_t)v * sizeof(float));
                k->cross_entropy(ex, x, loss, target, 2, v, 0.5f, half);
                double most = -INFINITY, sum = 0;
                for (int64_t i = 0; i < v; i++)
                    most = greater(most, (double)before[0][i]);
                for (int64_t i = 0; i < v; i++)
                    sum += exp((double)before[0][i] - most);
                assert_true(fabs((double)loss[0] - (most + log(sum) - (double)before[0][v - 1])) < 1e-5);
                assert_true(loss[1] == 0);
                for (int64_t i = 0; i < v; i++) {
                    double p = 0.5 * (exp((double)before[0][i] - most) / sum - (i == v - 1)), got;
                    uint16_t h;
                    memcpy(&h, (const char *)x + 2 * i, 2);
                    uint32_t bits = (uint32_t)h << 16;
                    float    wide;
                    memcpy(&wide, &bits, 4);
                    got = half ? (double)wide : (double)x[i];
                    assert_true(fabs(got - p) < (half ? 2e-3 : 1e-6));
                    assert_true(x[v + i] == 0);
                }
                ds_exec_close(&ex);
            }
}

static void refuses_what_cannot_learn(void **state)
{
    ds_exec          *ex;
    const ds_kernels *k;
    float             x[32] = { 0 };
    uint8_t           q8[34 * 16] = { 0 };
    assert_int_equal(ds_exec_cpu(&ex, &k, 1, ~0u), DS_OK);
    ds_ctx    cx = { .k = k, .ex = ex, .record = true };
    ds_tensor t = { .n = 1, .d = 32, .data = x, .learn = true }, g = { .n = 16, .d = 32 };
    ds_weight w = { .name = "w", .type = DS_Q8_0, .layout = DS_X16, .rows = 16, .cols = 32, .data = q8, .grad = &g };
    assert_null(ds_linear(&cx, &t, &w, NULL));
    assert_int_equal(ds_ctx_status(&cx), DS_E_UNSUPPORTED);
    ds_ctx_reset(&cx);
    ds_ctx_free(&cx);
    ds_exec_close(&ex);
}

/* The input's gradient through a frozen quantized weight, more rows than are dequantized at a time. */
static void through_a_quantized_weight(void **state)
{
    enum { ROWS = 300, COLS = 64 };
    static float   matrix[ROWS * COLS], rows[ROWS * COLS], x[3 * COLS];
    static uint8_t stored[ROWS * COLS * 2], packed_rows[ROWS * COLS * 4];
    ds_exec          *ex;
    const ds_kernels *k;
    assert_int_equal(ds_exec_cpu(&ex, &k, 2, ~0u), DS_OK);
    ds_ctx    cx = { .k = k, .ex = ex, .record = true };
    ds_tensor t = { .n = 3, .d = COLS, .data = x, .learn = true };
    ds_weight w = { .name = "w", .type = DS_Q8_0, .layout = DS_X16, .rows = ROWS, .cols = COLS, .data = packed_rows };
    ds_normal_fill(matrix, ROWS * COLS, 1, 4, 1, 0);
    ds_normal_fill(factors, MOST, 1, 4, 2, 0);
    assert_true(k->weight_bytes(w.type, ROWS, COLS, DS_X16) <= (int64_t)sizeof packed_rows);
    assert_int_equal(ds_quantize_rows(ds_exec_pool(ex), w.type, stored, matrix, ROWS, COLS, NULL), DS_OK);
    ds_dequantize_rows(ds_exec_pool(ex), w.type, rows, stored, ROWS, COLS);
    k->weight_pack(&w, packed_rows, stored, 0, ROWS);
    ds_tensor *y = ds_linear(&cx, &t, &w, NULL), *loss = ds_out(&cx, 1, 1);
    ds_record(&cx, (ds_node){ .op = &sum_op, .out = loss, .in = { y } });
    assert_int_equal(ds_backward(&cx, loss), DS_OK);
    for (int i = 0; i < 3 * COLS; i++) {
        double sum = 0;
        for (int r = 0; r < ROWS; r++)
            sum += (double)factors[i / COLS * ROWS + r] * (double)rows[r * COLS + i % COLS];
        assert_true(fabs((double)t.grad[i] - sum) < 1e-4);
    }
    ds_ctx_free(&cx);
    ds_exec_close(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op),   cmocka_unit_test(dropout),
        cmocka_unit_test(loss_alone), cmocka_unit_test(refuses_what_cannot_learn),
        cmocka_unit_test(through_a_quantized_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
