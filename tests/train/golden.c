/* Ten steps' losses and gradient norms against PyTorch (golden/train.py): AdamW to 1e-5, Muon to 1e-4; with accumulation,
 * recomputation and any number of threads the same bits as without. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/checkpoint.h"
#include "train/engine.h"

enum { STEPS = 10, ROWS = 4, T = 16, VOCAB = 64 };

static const double golden[2][STEPS][2] = {
#include "golden/train.h"
};

static const char recipe[] = "model: { from: %s }\n"
                             "tokenizer: bytes\n"
                             "data: { sources: [ { path: none } ] }\n"
                             "batch: { tokens: 64, accumulate: %d }\n"
                             "optimizer: { kind: %s, lr: 3e-3 }\n"
                             "schedule: { kind: multi-step, warmup: 2 }\n"
                             "precision: { recompute: %s, weights: %s }\n"
                             "stages: [ { sequence: 16, steps: 10 } ]\n";

/* Rows [first, first + n) of a step: two documents each, of 10 and 6 tokens. */
static void make_rows(ds_rows *out, int step, int first, int n)
{
    static int32_t token[ROWS * T], target[ROWS * T];
    static ds_span span[2 * ROWS];
    for (int r = 0; r < n; r++)
        for (int i = 0; i < T; i++) {
            token[r * T + i] = (7 * step + 3 * (first + r) + i * i + 5 * (i >= 10)) % VOCAB;
            target[r * T + i] = i == 9 || i == 15 ? -1 : (7 * step + 3 * (first + r) + (i + 1) * (i + 1) + 5 * (i + 1 >= 10)) % VOCAB;
        }
    for (int r = 0; r < n; r++) {
        span[2 * r] = (ds_span){ .first = r * T, .n = 10, .total = 10 };
        span[2 * r + 1] = (ds_span){ .first = r * T + 10, .n = 6, .total = 6 };
    }
    *out = (ds_rows){ .token = token, .target = target, .span = span, .n = n * T, .n_span = 2 * n, .n_target = n * (T - 2) };
}

static void train(const char *kind, int parts, bool recompute, const char *weights, int threads, double out[STEPS][2])
{
    char           text[1000];
    ds_recipe      r;
    ds_engine      e;
    ds_checkpoint *ck;
    int            n = snprintf(text, sizeof text, recipe, DS_TEST_DIR "/golden/train_model", parts, kind, recompute ? "true" : "false", weights);
    assert_int_equal(ds_recipe_parse(&r, text, (size_t)n, "golden.yaml", NULL, 0), DS_OK);
    assert_int_equal(ds_checkpoint_open(&ck, r.model.from), DS_OK);
    assert_int_equal(ds_engine_open(&e, &r, ds_checkpoint_config(ck), threads), DS_OK);
    ds_checkpoint_close(&ck);
    assert_int_equal(ds_net_load(&e.net, r.model.from), DS_OK);
    for (int step = 0; step < STEPS; step++) {
        double sum = 0, part = 0;
        for (int k = 0; k < parts; k++) {
            ds_rows rows;
            make_rows(&rows, step, k * ROWS / parts, ROWS / parts);
            assert_int_equal(ds_engine_learn(&e, &rows, step, k, &part), DS_OK);
            sum += part;
        }
        out[step][0] = sum / (ROWS * (T - 2));
        out[step][1] = ds_engine_grad_norm(&e, ROWS * (T - 2));
        ds_engine_step(&e, ds_schedule_lr(&r.schedule, r.optimizer.lr, step, STEPS), step + 1, ROWS * (T - 2), out[step][1]);
    }
    ds_engine_close(&e);
    ds_recipe_free(&r);
}

static void near_golden(const char *kind, int which, double tolerance)
{
    double got[STEPS][2];
    train(kind, 1, false, "f32", 2, got);
    for (int s = 0; s < STEPS; s++)
        for (int k = 0; k < 2; k++)
            if (!(fabs(got[s][k] - golden[which][s][k]) <= (k ? 10 : 1) * tolerance * fabs(golden[which][s][k])))
                fail_msg("%s, step %d: %s %.9g, PyTorch has %.9g", kind, s, k ? "norm" : "loss", got[s][k], golden[which][s][k]);
}

static void adamw_as_in_pytorch(void **state)
{
    near_golden("adamw", 0, 1e-5);
}

static void muon_as_in_pytorch(void **state)
{
    near_golden("muon", 1, 1e-4);
}

static void the_same_bits_in_other_ways(void **state)
{
    double a[STEPS][2], b[STEPS][2];
    for (int k = 0; k < 2; k++) {
        const char *weights = k ? "bf16" : "f32";
        train("adamw", 1, false, weights, 1, a);
        train("adamw", 1, false, weights, 2, b);
        assert_memory_equal(a, b, sizeof a);
        train("adamw", 1, true, weights, 2, b);
        assert_memory_equal(a, b, sizeof a);
        train("muon", 1, true, weights, 1, a);
        train("muon", 1, false, weights, 2, b);
        assert_memory_equal(a, b, sizeof a);
    }
    train("adamw", 1, false, "f32", 2, a); /* accumulation adds in another order: equal but for rounding */
    train("adamw", 4, false, "f32", 2, b);
    for (int s = 0; s < STEPS; s++)
        assert_true(fabs(a[s][0] - b[s][0]) < 1e-5 * a[s][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adamw_as_in_pytorch),
        cmocka_unit_test(muon_as_in_pytorch),
        cmocka_unit_test(the_same_bits_in_other_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
