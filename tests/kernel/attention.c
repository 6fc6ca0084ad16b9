/* Attention over pages of every cache type and instruction set against a plain double-precision softmax. */
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
#include "kernel/levels.h"

enum { TOKENS = 150, HEADS = 6, GROUPS = 2, LAYERS = 2, SPANS = 2 };

typedef struct setup {
    ds_exec          *ex;
    const ds_kernels *k;
    ds_kv_shape       shape;
    void             *page[SPANS][3];
    float             q[TOKENS * HEADS * 40], key[TOKENS * GROUPS * 40], value[TOKENS * GROUPS * 40], y[TOKENS * HEADS * 40];
} setup;

static void prepare(setup *s, unsigned mask, ds_dtype type, int64_t head)
{
    assert_int_equal(ds_exec_cpu(&s->ex, &s->k, 2, mask), DS_OK);
    s->shape = (ds_kv_shape){ .type = type, .n_layer = LAYERS, .n_head = GROUPS, .k = head };
    assert_int_equal(s->k->kv_shape(&s->shape), DS_OK);
    for (int i = 0; i < SPANS; i++)
        for (int p = 0; p < 3; p++)
            s->page[i][p] = ds_alloc_pages((size_t)s->shape.page_bytes);
    ds_normal_fill(s->q, TOKENS * HEADS * head, 1, 1, 1, 0);
    ds_normal_fill(s->key, TOKENS * GROUPS * head, 1, 1, 2, 0);
    ds_normal_fill(s->value, TOKENS * GROUPS * head, 1, 1, 3, 0);
}

static void finish(setup *s)
{
    for (int i = 0; i < SPANS; i++)
        for (int p = 0; p < 3; p++)
            ds_free_pages(s->page[i][p], (size_t)s->shape.page_bytes);
    ds_exec_close(&s->ex);
}

/* Rows [first, first + n) of the fixed data, as sequence `span` from position `pos` on, through layer 1. */
static void run(setup *s, const ds_span *span, int64_t n_span, int64_t first, int64_t n)
{
    int64_t   head = s->shape.k;
    ds_tensor q = { .n = n, .d = HEADS * head, .data = s->q + first * HEADS * head };
    ds_tensor k = { .n = n, .d = GROUPS * head, .data = s->key + first * GROUPS * head };
    ds_tensor v = { .n = n, .d = GROUPS * head, .data = s->value + first * GROUPS * head };
    ds_tensor y = { .n = n, .d = HEADS * head, .data = s->y + first * HEADS * head };
    ds_batch  b = { .n = n, .n_span = n_span, .span = span, .kv = &s->shape };
    s->k->attention_fwd(s->ex, &y, &q, &k, &v, &b, &b, 1, 1 / sqrtf((float)head));
}

/* What row `row`, head h should be: attention over rows [start, row] of the same sequence. */
static void expected(const setup *s, int64_t start, int64_t row, int64_t h, double *out)
{
    int64_t      head = s->shape.k, g = h / (HEADS / GROUPS);
    double       total = 0, p[TOKENS], most = -INFINITY;
    const float *q = s->q + (row * HEADS + h) * head;
    for (int64_t t = start; t <= row; t++) {
        p[t] = 0;
        for (int64_t d = 0; d < head; d++)
            p[t] += (double)q[d] * (double)s->key[(t * GROUPS + g) * head + d] / sqrt((double)head);
        most = fmax(most, p[t]);
    }
    memset(out, 0, (size_t)head * sizeof *out);
    for (int64_t t = start; t <= row; t++) {
        total += p[t] = exp(p[t] - most);
        for (int64_t d = 0; d < head; d++)
            out[d] += p[t] * (double)s->value[(t * GROUPS + g) * head + d];
    }
    for (int64_t d = 0; d < head; d++)
        out[d] /= total;
}

static void check(const setup *s, int64_t start, int64_t end, double tolerance, const char *level)
{
    for (int64_t row = start; row < end; row++)
        for (int64_t h = 0; h < HEADS; h++) {
            double want[64];
            expected(s, start, row, h, want);
            for (int64_t d = 0; d < s->shape.k; d++) {
                double got = (double)s->y[(row * HEADS + h) * s->shape.k + d];
                if (!(fabs(got - want[d]) <= tolerance))
                    fail_msg("%s %s head size %lld row %lld head %lld: %.7g, expected %.7g", level, ds_dtype_name(s->shape.type),
                             (long long)s->shape.k, (long long)row, (long long)h, got, want[d]);
            }
        }
}

static const struct {
    ds_dtype type;
    double   tolerance;
} types[] = { { DS_F32, 4e-6 }, { DS_F16, 4e-3 }, { DS_BF16, 3e-2 }, { DS_Q8_0, 5e-2 } };

static void every_type(void **state)
{
    static setup s;
    unsigned     mask[N_LEVEL_NAME];
    const char  *level[N_LEVEL_NAME];
    for (int l = 0, n = levels(mask, level); l < n; l++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (int64_t head = 8; head <= 40; head += 32) {
                prepare(&s, mask[l], types[t].type, head);
                /* two packed sequences of 90 and 60 tokens */
                ds_span spans[] = { { .first = 0, .n = 90, .page = s.page[0] }, { .first = 90, .n = 60, .page = s.page[1] } };
                run(&s, spans, 2, 0, TOKENS);
                check(&s, 0, 90, types[t].tolerance, level[l]);
                check(&s, 90, 150, types[t].tolerance, level[l]);
                finish(&s);
            }
}

/* Two ways of computing the same rows give the same bits, in every instruction set and type. */
static void same_bits(void (*one)(setup *s), void (*other)(setup *s))
{
    static setup s;
    static float first[sizeof s.y / sizeof *s.y];
    unsigned     mask[N_LEVEL_NAME];
    const char  *level[N_LEVEL_NAME];
    for (int l = 0, n = levels(mask, level); l < n; l++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            prepare(&s, mask[l], types[t].type, 40);
            one(&s);
            memcpy(first, s.y, sizeof first);
            memset(s.y, 0, sizeof s.y);
            other(&s);
            assert_memory_equal(first, s.y, sizeof first);
            finish(&s);
        }
}

static void whole(setup *s)
{
    run(s, &(ds_span){ .n = TOKENS, .page = s->page[0] }, 1, 0, TOKENS);
}

/* 1, 7, 64, ... tokens at a time, into other pages. */
static void in_pieces(setup *s)
{
    for (int64_t at = 0, step; at < TOKENS; at += step) {
        step = at == 0 ? 1 : at < 8 ? 7 : at < 72 ? 64 : 1;
        run(s, &(ds_span){ .n = step, .pos = at, .page = s->page[1] }, 1, at, step);
    }
}

static void pieces_equal_the_whole(void **state)
{
    same_bits(whole, in_pieces);
}

/* Rows of two sequences by turns: each token by itself, and a token of each at a time, in each other's pages. */
static void alone(setup *s)
{
    for (int64_t row = 0; row < TOKENS; row++)
        run(s, &(ds_span){ .n = 1, .pos = row / 2, .page = s->page[row % 2] }, 1, row, 1);
}

static void together(setup *s)
{
    for (int64_t row = 0; row < TOKENS; row += 2) {
        ds_span each[] = { { .first = 0, .n = 1, .pos = row / 2, .page = s->page[1] }, { .first = 1, .n = 1, .pos = row / 2, .page = s->page[0] } };
        run(s, each, 2, row, 2);
    }
}

static void together_as_alone(void **state)
{
    same_bits(alone, together);
}

static void refuses_other_types(void **state)
{
    static setup s;
    assert_int_equal(ds_exec_cpu(&s.ex, &s.k, 1, 0), DS_OK);
    s.shape = (ds_kv_shape){ .type = DS_Q4_0, .n_layer = 1, .n_head = 1, .k = 64 };
    assert_int_equal(s.k->kv_shape(&s.shape), DS_E_ARG);
    ds_exec_close(&s.ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(pieces_equal_the_whole),
        cmocka_unit_test(together_as_alone),
        cmocka_unit_test(refuses_other_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
