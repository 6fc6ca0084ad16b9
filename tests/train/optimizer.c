/* Optimizers: ten steps equal PyTorch's; threads and instruction sets; bytes for moments; bf16 weights; state that can be saved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "golden/optimizer.h"
#include "kernel/levels.h"
#include "quant/quant.h"
#include "train/optimizer.h"

static const int64_t rows[] = { 6, 12, 1 }, cols[] = { 10, 5, 7 };
static const ds_role roles[] = { DS_ROLE_Q, DS_ROLE_DOWN, DS_ROLE_NORM };
enum { N = 3, MOST = 60 };

static float value(int64_t i, int64_t salt)
{
    return (float)((double)((i * 7919 + salt * 104729) % 2003) / 1001.0 - 1);
}

typedef struct set {
    ds_exec  *ex;
    ds_optim *optim;
    ds_weight w[N], *list[N];
    ds_tensor grad[N];
    float     value[N][MOST], g[N][MOST];
    uint16_t  half[N][MOST];
} set;

static void start(set *s, const ds_optim_options *o, ds_dtype type, int threads, unsigned mask)
{
    const ds_kernels *k;
    memset(s, 0, sizeof *s);
    assert_int_equal(ds_exec_cpu(&s->ex, &k, threads, mask), DS_OK);
    for (int i = 0; i < N; i++) {
        s->grad[i] = (ds_tensor){ .n = rows[i], .d = cols[i], .data = s->g[i] };
        s->w[i] = (ds_weight){ .name = "w", .type = type, .rows = rows[i], .cols = cols[i], .grad = &s->grad[i],
                               .data = type == DS_F32 ? (void *)s->value[i] : s->half[i] };
        s->list[i] = &s->w[i];
        for (int64_t e = 0; e < rows[i] * cols[i]; e++) {
            s->value[i][e] = value(e, i);
            s->half[i][e] = ds_f32_to_bf16(s->value[i][e]);
        }
    }
    assert_int_equal(ds_optim_create(&s->optim, s->ex, k, s->list, roles, N, o), DS_OK);
}

static void run(set *s, int64_t from, int64_t to)
{
    for (int64_t step = from; step <= to; step++) {
        for (int i = 0; i < N; i++)
            for (int64_t e = 0; e < rows[i] * cols[i]; e++)
                s->g[i][e] = value(e, 10 * step + i + 50); /* twice the reference's: half of it is taken */
        ds_optim_step(s->optim, 0.02, step, 0.5);
        for (int i = 0; i < N; i++)
            for (int64_t e = 0; e < rows[i] * cols[i]; e++)
                assert_true(s->g[i][e] == 0);
    }
}

static void end(set *s)
{
    ds_optim_destroy(&s->optim);
    ds_exec_close(&s->ex);
}

static ds_optim_options options(ds_optim_kind kind)
{
    return (ds_optim_options){ .kind = kind, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1, .muon_momentum = 0.95, .seed = 5 };
}

static double worst(const set *s, const float *want, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        for (int64_t e = 0; e < rows[i] * cols[i]; e++, want++)
            most = fmax(most, fabs((double)s->value[i][e] - (double)*want));
    return most;
}

static void equals_pytorch(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *name[N_LEVEL_NAME];
    int         n = levels(mask, name);
    for (int l = 0; l < n; l++) {
        set              s;
        ds_optim_options adamw = options(DS_OPTIM_ADAMW), muon = options(DS_OPTIM_MUON);
        start(&s, &adamw, DS_F32, 2, mask[l]);
        run(&s, 1, 10);
        if (worst(&s, golden_adamw, 3) > 2e-6)
            fail_msg("%s: AdamW is off by %g", name[l], worst(&s, golden_adamw, 3));
        end(&s);
        start(&s, &muon, DS_F32, 2, mask[l]);
        run(&s, 1, 10);
        if (worst(&s, golden_muon, 2) > 2e-5)
            fail_msg("%s: Muon is off by %g", name[l], worst(&s, golden_muon, 2));
        if (worst(&s, golden_adamw, 0) > 0)
            fail();
        for (int64_t e = 0; e < 7; e++) /* the vector still gets AdamW */
            assert_true(fabsf(s.value[2][e] - golden_adamw[120 + e]) < 2e-6f);
        end(&s);
    }
}

/* Enough values for several tasks: one weight [300, 257]. */
static void large(float *w, int threads, const ds_optim_options *o, ds_dtype type, double *norm)
{
    enum { R = 300, C = 257 };
    ds_exec          *ex;
    const ds_kernels *k;
    ds_optim         *optim;
    float            *g = ds_malloc(R * C * 4);
    uint16_t         *half = ds_malloc(R * C * 2);
    ds_tensor         grad = { .n = R, .d = C, .data = g };
    ds_weight         weight = { .name = "w", .type = type, .rows = R, .cols = C, .grad = &grad, .data = type == DS_F32 ? (void *)w : half }, *list = &weight;
    ds_role           role = DS_ROLE_UP;
    assert_int_equal(ds_exec_cpu(&ex, &k, threads, ~0u), DS_OK);
    assert_int_equal(ds_optim_create(&optim, ex, k, &list, &role, 1, o), DS_OK);
    for (int64_t e = 0; e < R * C; e++) {
        w[e] = value(e, 1);
        half[e] = ds_f32_to_bf16(w[e]);
    }
    for (int64_t step = 1; step <= 3; step++) {
        for (int64_t e = 0; e < R * C; e++)
            g[e] = value(e, step + 7) * (e % 100 == 0 ? 30 : 0.01f);
        *norm = ds_optim_grad_norm(optim);
        ds_optim_step(optim, 0.01, step, 1);
    }
    for (int64_t e = 0; type == DS_BF16 && e < R * C; e++)
        w[e] = ds_bf16_to_f32(half[e]);
    ds_optim_destroy(&optim);
    ds_exec_close(&ex);
    ds_free(g);
    ds_free(half);
}

static void same_for_any_threads_and_near_for_few_bits(void **state)
{
    enum { SIZE = 300 * 257 };
    float *one = ds_malloc(SIZE * 4), *two = ds_malloc(SIZE * 4), *exact = ds_malloc(SIZE * 4);
    double norm[2];
    for (int kind = 0; kind < 2; kind++)
        for (int small = 0; small < 2; small++)
            for (int type = 0; type < 2; type++) {
                ds_optim_options o = options(kind ? DS_OPTIM_MUON : DS_OPTIM_ADAMW);
                large(exact, 1, &o, DS_F32, &norm[0]);
                o.moments_8bit = small;
                large(one, 1, &o, type ? DS_BF16 : DS_F32, &norm[0]);
                large(two, 3, &o, type ? DS_BF16 : DS_F32, &norm[1]);
                assert_memory_equal(one, two, SIZE * 4);
                assert_true(norm[0] == norm[1] && norm[0] > 0);
                double off = 0, mean = 0;
                for (int i = 0; i < SIZE; i++) {
                    off += fabs((double)one[i] - (double)exact[i]) / SIZE;
                    mean += ((double)one[i] - (double)exact[i]) / SIZE;
                }
                /* Three steps moved a weight by about 0.03: bytes may cost a tenth of that; bf16 has a unit of 2^-9 to 2^-8 here,
                 * and no bias. */
                assert_true(off < (type ? 6e-3 : small ? 3e-3 : 1e-12) && fabs(mean) < (small ? 5e-4 : 1e-4));
            }
    ds_free(one);
    ds_free(two);
    ds_free(exact);
}

static void state_goes_on(void **state)
{
    for (int kind = 0; kind < 2; kind++)
        for (int small = 0; small < 2; small++) {
            set              whole, half, rest;
            ds_optim_options o = options(kind ? DS_OPTIM_MUON : DS_OPTIM_ADAMW);
            o.moments_8bit = small;
            start(&whole, &o, DS_F32, 1, ~0u);
            start(&half, &o, DS_F32, 1, ~0u);
            start(&rest, &o, DS_F32, 1, ~0u);
            run(&whole, 1, 10);
            run(&half, 1, 4);
            int64_t n = ds_optim_state_count(half.optim);
            assert_int_equal(n, kind ? (small ? 5 : 4) : small ? 9 : 6);
            for (int64_t i = 0; i < n; i++) {
                ds_optim_state from, to;
                ds_optim_state_at(half.optim, i, &from);
                ds_optim_state_at(rest.optim, i, &to);
                assert_string_equal(from.name, to.name);
                assert_int_equal(from.bytes, to.bytes);
                memcpy(to.data, from.data, from.bytes);
            }
            memcpy(rest.value, half.value, sizeof rest.value);
            run(&rest, 5, 10);
            assert_memory_equal(rest.value, whole.value, sizeof rest.value);
            end(&whole);
            end(&half);
            end(&rest);
        }
}

static void says_what_is_wrong(void **state)
{
    set              s;
    ds_optim_options o = options(DS_OPTIM_ADAMW);
    ds_optim        *bad;
    const ds_kernels *k;
    ds_exec         *ex;
    start(&s, &o, DS_F32, 1, ~0u);
    s.g[1][3] = NAN;
    assert_true(isnan(ds_optim_grad_norm(s.optim)));
    ds_optim_skip(s.optim);
    assert_true(ds_optim_grad_norm(s.optim) == 0);
    s.g[0][0] = 3;
    s.g[2][1] = 4;
    assert_true(ds_optim_grad_norm(s.optim) == 5);
    s.w[1].type = DS_Q4_0;
    assert_int_equal(ds_exec_cpu(&ex, &k, 1, ~0u), DS_OK);
    assert_int_equal(ds_optim_create(&bad, ex, k, s.list, roles, N, &o), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "not q4_0"));
    assert_null(bad);
    ds_exec_close(&ex);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_pytorch), cmocka_unit_test(same_for_any_threads_and_near_for_few_bits),
                                        cmocka_unit_test(state_goes_on), cmocka_unit_test(says_what_is_wrong) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
