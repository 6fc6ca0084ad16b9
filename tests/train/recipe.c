/* Recipes: what is refused, with which words; overrides; how two recipes differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/recipe.h"

static const char good[] = "name: x\n"
                           "model: { layers: 2, width: 64, heads: 4, ffn: 128 }\n"
                           "tokenizer: bytes\n"
                           "data:\n"
                           "  sources:\n"
                           "    - { name: a, path: a.txt }\n"
                           "    - { name: b, path: b.txt, weight: 3 }\n"
                           "batch: { tokens: 1024, accumulate: 2 }\n"
                           "optimizer: { lr: 1e-3 }\n"
                           "schedule: { kind: cosine, warmup: 10 }\n"
                           "stages:\n"
                           "  - { name: short, sequence: 64, tokens: 100000 }\n"
                           "  - { name: long, sequence: 256, steps: 20, mixture: { b: 1 }, lr: 1e-4, schedule: { kind: constant } }\n";

static ds_status parse(ds_recipe *r, const char *text, const char *set)
{
    const char *list[] = { set };
    return ds_recipe_parse(r, text, strlen(text), "r.yaml", list, set != NULL);
}

static void reads_a_recipe(void **state)
{
    ds_recipe r;
    assert_int_equal(parse(&r, good, NULL), DS_OK);
    assert_int_equal(r.n_stage, 2);
    assert_string_equal(r.run, "runs/x");
    assert_int_equal(r.stage[0].steps, 98); /* 100,000 tokens are 97.7 batches */
    assert_int_equal(r.stage[0].rows, 16);
    assert_int_equal(r.stage[1].first, 98);
    assert_int_equal(r.total_steps, 118);
    assert_true(r.stage[0].mix[0] == 0.25 && r.stage[0].mix[1] == 0.75);
    assert_true(r.stage[1].mix[0] == 0 && r.stage[1].mix[1] == 1);
    assert_true(r.stage[1].own_schedule && r.stage[1].lr == 1e-4 && r.stage[0].lr == 1e-3);
    assert_true(r.optimizer.beta2 == 0.95 && r.optimizer.clip == 1);
    ds_recipe_free(&r);
}

static void settings_override(void **state)
{
    ds_recipe r;
    assert_int_equal(parse(&r, good, "optimizer.lr=3e-4"), DS_OK);
    assert_true(r.optimizer.lr == 3e-4);
    ds_recipe_free(&r);
    assert_int_equal(parse(&r, good, "stages.1.steps=7"), DS_OK);
    assert_int_equal(r.total_steps, 105);
    ds_recipe_free(&r);
    assert_int_equal(parse(&r, good, "precision.weights=bf16"), DS_OK); /* a section that the file lacks */
    assert_true(r.precision.bf16);
    ds_recipe_free(&r);
}

static void refuse(const char *from, const char *to, const char *words)
{
    char        text[3000];
    const char *at = strstr(good, from);
    ds_recipe   r;
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    ds_status st = parse(&r, text, NULL);
    if (st == DS_OK || !strstr(ds_error(), words))
        fail_msg("\"%s\": status %d, \"%s\", expected \"%s\"", to, st, ds_error(), words);
}

static void refuses_with_lines(void **state)
{
    refuse("ffn: 128", "ffm: 128", "r.yaml:2: model: layers needs width, heads and ffn");
    refuse("ffn: 128", "ffn: 128, colour: 3", "r.yaml:2: unknown key \"colour\" in model");
    refuse("lr: 1e-3", "lr: fast", "r.yaml:9: lr: \"fast\" is not a number");
    refuse("lr: 1e-3", "lr: -1", "r.yaml:9: lr: -1 is outside");
    refuse("kind: cosine", "kind: cosin", "r.yaml:10: kind: \"cosin\" is none of multi-step|cosine|wsd|constant");
    refuse("warmup: 10", "warmup: 118", "r.yaml:10: schedule: a warm-up of 118 steps in a run of 118");
    refuse("sequence: 64", "sequence: 100", "r.yaml:12: stages.0: batch.tokens is 1024, not a multiple of the sequence of 100");
    refuse("sequence: 64", "sequence: 1024", "r.yaml:12: stages.0: 1 rows a step");
    refuse("tokens: 100000", "tokens: 100000, steps: 3", "give either tokens or steps");
    refuse("{ b: 1 }", "{ c: 1 }", "r.yaml:13: unknown key \"c\" in a mixture");
    refuse("{ b: 1 }", "{ b: 0 }", "every share is 0");
    refuse("name: b", "name: a", "r.yaml:7: two sources are called \"a\"");
    refuse("steps: 20", "steps: 20, kind: image", "stages on images are not built yet");
    refuse("steps: 20", "steps: 20, kind: feedback", "stages on feedback are not built yet");
    refuse("steps: 20", "steps: 20, order: length, scorer: m.gguf", "scorer: belongs to order: loss");
    refuse("tokenizer: bytes\n", "", "tokenizer: expected bytes");
    refuse("tokenizer: bytes\n", "tokenizer: bytes\ncolour: red\n", "r.yaml:4: unknown key \"colour\" in the recipe");
    refuse("tokenizer: bytes\n", "tokenizer: bytes\nprecision: { stochastic_rounding: true }\n", "stochastic_rounding is for weights: bf16");
    refuse("heads: 4", "heads: 5", "r.yaml:2: model: 5 heads do not divide a width of 64: give head_dim too");
    refuse("{ layers: 2,", "{ from: x, layers: 2,", "give exactly one of config");
    refuse("stages:", "stagger:", "stages: expected a list");
    refuse("- { name: a, path: a.txt }", "- { name: a }", "r.yaml:6: a source needs a path");
}

static void bad_overrides(void **state)
{
    ds_recipe r;
    assert_int_equal(parse(&r, good, "optimizer.lr"), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "KEY=VALUE"));
    assert_int_equal(parse(&r, good, "optimizer.rate=3"), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "unknown key \"rate\""));
    assert_int_equal(parse(&r, good, "stages.5.steps=3"), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "leads nowhere"));
    assert_int_equal(parse(&r, good, "optimizer.lr=x"), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "lr: \"x\" is not a number"));
}

static void difference(const char *set, const char *expected)
{
    ds_recipe a, b;
    char      what[600] = "";
    assert_int_equal(parse(&a, good, NULL), DS_OK);
    assert_int_equal(parse(&b, good, set), DS_OK);
    assert_int_equal(ds_recipe_differs(a.flat.data, b.flat.data, what, sizeof what), expected != NULL);
    if (expected)
        assert_string_equal(what, expected);
    ds_recipe_free(&a);
    ds_recipe_free(&b);
}

static void names_what_differs(void **state)
{
    difference("optimizer.lr=1e-3", NULL); /* the same, said otherwise */
    difference("optimizer.lr=0.002", "optimizer.lr: 0.001 in the checkpoint, 0.002 now");
    difference("model.tie=true", "model.tie: false in the checkpoint, true now");
    difference("log.every=10", NULL); /* does not touch the numbers */
    difference("checkpoint.every=7", NULL);
    difference("optimizer.lr=0.0003", "optimizer.lr: 0.001 in the checkpoint, 0.0003 now");
    difference("stages.0.tokens=1M", "stages.0.tokens: 100000 in the checkpoint, 1000000 now");
}

/* Checkpoints of earlier versions have numbers with all their digits. */
static void same_number(void **state)
{
    char what[600];
    assert_false(ds_recipe_differs("optimizer.lr: 0.00029999999999999997\n", "optimizer.lr: 0.0003\n", what, sizeof what));
    assert_true(ds_recipe_differs("optimizer.lr: 0.0003\n", "optimizer.lr: 0.0003x\n", what, sizeof what));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_recipe),     cmocka_unit_test(settings_override), cmocka_unit_test(refuses_with_lines),
        cmocka_unit_test(bad_overrides), cmocka_unit_test(names_what_differs), cmocka_unit_test(same_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
