/* Training against the double-precision oracle (ref/dense.c), which is checked by finite differences first: odd sizes, one token, many
 * packed sequences, biases, tied heads; which weights learn; bf16; recomputation, threads and frozen parts bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/sanitized.h"
#include "common/train_model.h"
#include "kernel/levels.h"
#include "ref/dense.h"

enum { VOCAB = 37, MOST = 400, MOST_SPANS = 40 };

static const char *const configs[] = {
    /* odd sizes, a head size that is no multiple of 16 */
    "{\"model_type\": \"llama\", \"vocab_size\": 37, \"hidden_size\": 30, \"intermediate_size\": 45, \"num_hidden_layers\": 2, "
    "\"num_attention_heads\": 5, \"num_key_value_heads\": 5, \"rms_norm_eps\": 1e-5}",
    /* grouped queries, every bias, a head size of its own */
    "{\"model_type\": \"llama\", \"vocab_size\": 37, \"hidden_size\": 48, \"intermediate_size\": 64, \"num_hidden_layers\": 1, \"head_dim\": 18, "
    "\"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"attention_bias\": true, \"mlp_bias\": true, \"rms_norm_eps\": 1e-6}",
    /* tied, one key/value head */
    "{\"model_type\": \"llama\", \"vocab_size\": 37, \"hidden_size\": 32, \"intermediate_size\": 16, \"num_hidden_layers\": 3, "
    "\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"tie_word_embeddings\": true}",
};
enum { N_CONFIG = sizeof configs / sizeof *configs };

static const struct {
    int64_t n, length[MOST_SPANS];
} batches[] = {
    { 1, { 1 } },
    { 1, { 2 } },
    { 3, { 64, 65, 1 } },
    { 1, { 131 } },
    { 12, { 1, 2, 3, 1, 1, 7, 5, 16, 17, 1, 9, 4 } },
    { 3, { 20, 21, 3 } }, /* fits the gradients of the first two configurations */
};
enum { N_BATCH = sizeof batches / sizeof *batches };

static int32_t token[MOST], target[MOST];

static int set_up(void **state)
{
    for (int i = 0; i < MOST; i++) {
        token[i] = (int32_t)((uint32_t)(i + 1) * 2654435761u >> 8) % VOCAB;
        target[i] = i % 9 == 4 ? -1 : (int32_t)((uint32_t)(i + 7) * 2246822519u >> 8) % VOCAB;
    }
    return 0;
}

static double norm_of(const double *x, int64_t n)
{
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        square += x[i] * x[i];
    return sqrt(square);
}

/* The length of a gradient's error over its own length. `all`: that of the whole model's gradient; where a weight's is exactly 0, as
 * attention's is for one token, rounding errors are left. */
static double error_of(const ds_tensor *g, const double *want, double all)
{
    double square = 0;
    for (int64_t i = 0; i < g->n * g->d; i++)
        square += ((double)g->data[i] - want[i]) * ((double)g->data[i] - want[i]);
    return sqrt(square) / fmax(norm_of(want, g->n * g->d), 0.05 * all);
}

/* Steepest direction: moving each weight along its gradient must change the loss by the gradient's square. */
static void oracle_is_right(void **state)
{
    for (int c = 0; c < N_CONFIG; c++) {
        train_model t;
        ref_dense   r;
        train_open(&t, configs[c], DS_F32, 0, 1, 0);
        ref_open(&r, &t.m);
        ds_batch b = train_batch(&t, token, batches[4].length, batches[4].n);
        for (int64_t i = 0; i < r.n_weight; i++) {
            static double grad[8192];
            double        square = 0, step, up, down;
            assert_true(r.size[i] <= 8192);
            ref_loss(&r, &b, target, 1);
            memcpy(grad, r.g[i], (size_t)r.size[i] * sizeof *grad);
            for (int64_t k = 0; k < r.size[i]; k++)
                square += grad[k] * grad[k];
            step = 1e-4 / sqrt(square);
            for (int64_t k = 0; k < r.size[i]; k++)
                r.w[i][k] += step * grad[k];
            up = ref_loss(&r, &b, target, 1);
            for (int64_t k = 0; k < r.size[i]; k++)
                r.w[i][k] -= 2 * step * grad[k];
            down = ref_loss(&r, &b, target, 1);
            for (int64_t k = 0; k < r.size[i]; k++)
                r.w[i][k] += step * grad[k];
            double slope = (up - down) / (2 * step);
            if (!(fabs(slope - square) <= 1e-6 * square))
                fail_msg("config %d weight %d: the loss moves by %.12g, its gradient says %.12g", c, (int)i, slope, square);
        }
        ref_close(&r);
        train_close(&t);
    }
}

/* Loss and all gradients of one batch, with a scale. */
static void compare(train_model *t, ref_dense *r, int batch, const ds_train_options *o, double tolerance, const char *what)
{
    ds_batch b = train_batch(t, token, batches[batch].length, batches[batch].n);
    double   want = ref_loss(r, &b, target, (double)o->scale), loss = train_step(t, &b, target, o);
    if (!(fabs(loss - want) <= tolerance * fabs(want)))
        fail_msg("%s, batch %d: loss %.9g, expected %.9g", what, batch, loss, want);
    double all = 0;
    for (int64_t i = 0; i < r->n_weight; i++)
        all = hypot(all, norm_of(r->g[i], r->size[i]));
    for (int64_t i = 0; i < r->n_weight; i++) {
        double e = error_of(t->weight[i]->grad, r->g[i], all);
        if (!(e <= 3 * tolerance))
            fail_msg("%s, batch %d: gradient of %s: error %.2g", what, batch, t->weight[i]->name, e);
    }
}

static void equals_oracle(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int n = levels(mask, level), l = SANITIZED ? n - 1 : 0; l < n; l++)
        for (int c = 0; c < N_CONFIG; c++) {
            train_model t;
            ref_dense   r;
            train_open(&t, configs[c], DS_F32, 0, 2, mask[l]);
            ref_open(&r, &t.m);
            for (int b = 0; b < N_BATCH; b++)
                compare(&t, &r, b, &(ds_train_options){ .scale = 0.5f, .recompute = b & 1 }, 3e-6, level[l]);
            ref_close(&r);
            train_close(&t);
        }
}

/* bf16 rounds what is kept and multiplied to 8 bits: the same gradients, roughly. */
static void bf16_is_near(void **state)
{
    unsigned    mask[N_LEVEL_NAME];
    const char *level[N_LEVEL_NAME];
    for (int n = levels(mask, level), l = SANITIZED ? n - 1 : 0; l < n; l++)
        for (int c = 0; c < N_CONFIG; c++) {
            train_model t;
            ref_dense   r;
            train_open(&t, configs[c], c == 1 ? DS_F32 : DS_BF16, 0, 2, mask[l]);
            t.cx.precision = DS_PRECISION_BF16;
            ref_open(&r, &t.m);
            for (int b = 0; b < N_BATCH; b++)
                compare(&t, &r, b, &(ds_train_options){ .scale = 1 }, 1.5e-2, level[l]);
            ref_close(&r);
            train_close(&t);
        }
}

static float *copy_gradients(train_model *t, int64_t *n)
{
    *n = 0;
    for (int64_t i = 0; i < t->n_weight; i++)
        *n += t->weight[i]->rows * t->weight[i]->cols;
    float *all = ds_arena_calloc(&t->memory, (size_t)*n * sizeof *all), *p = all;
    for (int64_t i = 0; i < t->n_weight; i++) {
        int64_t size = t->weight[i]->rows * t->weight[i]->cols;
        if (t->weight[i]->grad)
            memcpy(p, t->weight[i]->grad->data, (size_t)size * sizeof *p);
        p += size;
    }
    return all;
}

/* The same bits with recomputation, blocks' inputs in gradients or not, with other numbers of threads, and again. */
static void same_bits(void **state)
{
    enum { WAYS = 5 };
    static const struct {
        bool recompute, lend;
        int  threads;
    } ways[WAYS] = { { false, false, 1 }, { false, false, 2 }, { true, false, 2 }, { true, true, 2 }, { true, true, 3 } };
    for (int half = 0; half < 2; half++)
        for (int c = 0; c < N_CONFIG; c++)
            for (int i = 0; i < 3; i++) {
                const int   kind[] = { 2, 3, 5 }, dropout = i == 1;
                train_model t[WAYS];
                double      loss[WAYS];
                float      *grad[WAYS];
                int64_t     n = 0;
                for (int w = 0; w < WAYS; w++) {
                    train_open(&t[w], configs[c], half ? DS_BF16 : DS_F32, 0, ways[w].threads, ~0u);
                    t[w].cx.precision = half ? DS_PRECISION_BF16 : DS_PRECISION_F32;
                    ds_batch         b = train_batch(&t[w], token, batches[kind[i]].length, batches[kind[i]].n);
                    ds_train_options o = { .recompute = ways[w].recompute, .zero_gradients = ways[w].lend, .dropout = dropout ? 0.2f : 0,
                                           .seed = 3, .counter = 7 };
                    train_step(&t[w], &b, target, &o); /* what the first step leaves behind must not matter */
                    loss[w] = train_step(&t[w], &b, target, &o);
                    grad[w] = copy_gradients(&t[w], &n);
                    assert_true(loss[w] == loss[0]);
                    assert_memory_equal(grad[w], grad[0], (size_t)n * sizeof(float));
                    t[w].cx.record = false; /* and the loss alone */
                    ds_ctx_reset(&t[w].cx);
                    ds_tensor *alone = ds_dense_loss(&t[w].cx, &t[w].m, &b, target, &o);
                    assert_non_null(alone);
                    assert_true((double)*alone->data == loss[0]);
                }
                if (kind[i] == 5 && c < 2)
                    assert_true(t[3].cx.peak < t[2].cx.peak);
                for (int w = 0; w < WAYS; w++)
                    train_close(&t[w]);
            }
}

/* A frozen weight changes nothing else's gradient: one at a time, then all but one. */
static void frozen_weights(void **state)
{
    train_model t;
    int64_t     n = 0;
    train_open(&t, configs[1], DS_F32, 0, 1, ~0u);
    ds_batch b = train_batch(&t, token, batches[5].length, batches[5].n);
    train_step(&t, &b, target, NULL);
    const float *all = copy_gradients(&t, &n);
    for (int64_t i = 0; i < 2 * t.n_weight; i++) {
        ds_tensor *kept[64];
        for (int64_t k = 0; k < t.n_weight; k++) {
            kept[k] = t.weight[k]->grad;
            if ((k == i % t.n_weight) == (i < t.n_weight))
                t.weight[k]->grad = NULL;
        }
        train_step(&t, &b, target, &(ds_train_options){ .recompute = i & 1, .zero_gradients = i & 2 });
        const float *p = all;
        for (int64_t k = 0; k < t.n_weight; k++) {
            int64_t size = t.weight[k]->rows * t.weight[k]->cols;
            if (t.weight[k]->grad && memcmp(t.weight[k]->grad->data, p, (size_t)size * sizeof *p) != 0)
                fail_msg("%s %s changes the gradient of %s", i < t.n_weight ? "freezing" : "freezing all but",
                         t.weight[i % t.n_weight]->name, t.weight[k]->name);
            p += size;
            t.weight[k]->grad = kept[k];
        }
    }
    train_close(&t);
}

/* Two parts of a batch, each with its share of the counted tokens as scale, add up to the whole. */
static void parts_add_up(void **state)
{
    train_model t;
    int64_t     n = 0, length[2] = { 40, 31 };
    train_open(&t, configs[0], DS_F32, 0, 1, ~0u);
    ds_batch     b = train_batch(&t, token, length, 2);
    double       whole = train_step(&t, &b, target, NULL), sum = 0;
    const float *all = copy_gradients(&t, &n);
    train_zero(&t);
    int counted[2] = { 0 };
    for (int i = 0; i < 71; i++)
        counted[i >= 40] += target[i] >= 0;
    for (int part = 0; part < 2; part++) {
        ds_batch one = train_batch(&t, token + 40 * part, length + part, 1);
        ds_ctx_reset(&t.cx);
        float      scale = (float)counted[part] / (float)(counted[0] + counted[1]);
        ds_tensor *loss = ds_dense_loss(&t.cx, &t.m, &one, target + 40 * part, &(ds_train_options){ .scale = scale });
        assert_int_equal(ds_backward(&t.cx, loss), DS_OK);
        sum += (double)*loss->data;
    }
    assert_true(fabs(sum - whole) < 1e-6 * whole);
    const float *got = copy_gradients(&t, &n);
    double       square = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        square += (double)all[i] * (double)all[i];
        most = fmax(most, fabs((double)all[i] - (double)got[i]));
    }
    assert_true(most < 1e-5 * sqrt(square));
    train_close(&t);
}

static void nothing_to_learn(void **state)
{
    train_model t;
    int32_t     ignored[MOST];
    int64_t     n = 0;
    for (int i = 0; i < MOST; i++)
        ignored[i] = -1;
    train_open(&t, configs[2], DS_F32, 0, 1, ~0u);
    ds_batch b = train_batch(&t, token, batches[2].length, batches[2].n);
    assert_true(train_step(&t, &b, ignored, NULL) == 0); /* nothing counted: no loss, no gradient */
    const float *g = copy_gradients(&t, &n);
    for (int64_t i = 0; i < n; i++)
        assert_true(g[i] == 0);
    for (int64_t i = 0; i < t.n_weight; i++)
        t.weight[i]->grad = NULL;
    t.m.head.grad = NULL;
    assert_true(train_step(&t, &b, target, NULL) > 0);
    assert_null(t.cx.tape);
    train_close(&t);
}

static void bad_input(void **state)
{
    train_model t;
    train_open(&t, configs[0], DS_F32, 0, 1, ~0u);
    ds_batch b = train_batch(&t, token, batches[1].length, 1);
    int32_t  wrong[2] = { 0, VOCAB }, negative[2] = { -2, 0 };
    t.cx.record = true;
    assert_null(ds_dense_loss(&t.cx, &t.m, &b, wrong, NULL));
    assert_int_equal(ds_backward(&t.cx, NULL), DS_E_ARG);
    ds_ctx_reset(&t.cx);
    assert_null(ds_dense_loss(&t.cx, &t.m, &b, negative, NULL));
    ds_ctx_reset(&t.cx);
    b.token = wrong;
    assert_null(ds_dense_loss(&t.cx, &t.m, &b, target, NULL));
    assert_int_equal(ds_ctx_status(&t.cx), DS_E_ARG);
    ds_ctx_reset(&t.cx);
    b.token = token;
    assert_null(ds_dense_loss(&t.cx, &t.m, &b, target, &(ds_train_options){ .dropout = 1 }));
    assert_int_equal(ds_ctx_status(&t.cx), DS_E_ARG);
    train_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle_is_right), cmocka_unit_test(equals_oracle),    cmocka_unit_test(bf16_is_near),
        cmocka_unit_test(same_bits),       cmocka_unit_test(frozen_weights),   cmocka_unit_test(parts_add_up),
        cmocka_unit_test(nothing_to_learn), cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
