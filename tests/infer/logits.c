/* Logits and embeddings of every family against transformers: the weights are a formula, so only its numbers are kept (golden/logits.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/scratch.h"
#include "common/weights_file.h"
#include "deepseek/checkpoint.h"
#include "deepseek/model.h"
#include "golden/logits.h"
#include "io/hf_config.h"

enum { N_MODEL = sizeof golden_models / sizeof *golden_models };

/* As in golden/logits.py. */
static float weight_value(const char *name, uint64_t i)
{
    uint64_t z = 0xcbf29ce484222325u;
    for (const char *s = name; *s; s++)
        z = (z ^ (uint8_t)*s) * 0x100000001b3u;
    z += i + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    float u = ((float)(z >> 40) * 0x1p-23f - 1) * 0.25f;
    return strstr(name, "norm") ? 1 + u : u;
}

static void append_values(void *user, const ds_weight_spec *s, ds_buf *out)
{
    for (int64_t i = 0; i < weight_rows(s) * weight_cols(s); i++) {
        float v = weight_value(s->name, (uint64_t)i);
        ds_buf_add(out, &v, sizeof v);
    }
}

static const char *checkpoint(const golden_model *g)
{
    char      name[64];
    json_t   *o;
    ds_config c;
    assert_int_equal(ds_make_dirs(scratch(g->name)), DS_OK);
    snprintf(name, sizeof name, "%s/config.json", g->name);
    ds_write_file(scratch(name), g->config, strlen(g->config), true);
    if (ds_json_parse(&o, g->config, strlen(g->config), g->name) != DS_OK || ds_config_from_json(&c, o, g->name) != DS_OK)
        fail_msg("%s", ds_error());
    json_decref(o);
    snprintf(name, sizeof name, "%s/model.safetensors", g->name);
    write_weights(scratch(name), &c, append_values, NULL);
    return scratch(g->name);
}

static ds_model *open_model(const char *path, ds_dtype kv, const char *isa)
{
    ds_model_options o;
    ds_model        *m;
    ds_model_options_init(&o);
    o.kv_dtype = kv;
    o.isa = isa;
    if (ds_model_open(&m, path, &o) != DS_OK)
        fail_msg("%s", ds_error());
    return m;
}

/* Largest difference over largest value. */
static double error_of(const float *a, const float *b)
{
    double most = 0, d = 0;
    for (int i = 0; i < GOLDEN_V; i++) {
        most = fmax(most, fabs((double)b[i]));
        d = fmax(d, fabs((double)a[i] - (double)b[i]));
    }
    return d / most;
}

static void check(const golden_model *g, const char *path, const char *isa)
{
    ds_model *m = open_model(path, DS_F32, isa);
    for (int p = 0; p < GOLDEN_POSITIONS; p++) {
        ds_sequence *s;
        float        logits[GOLDEN_V];
        assert_int_equal(ds_sequence_create(&s, m), DS_OK);
        if (g->config && strstr(g->config, "\"dynamic\""))
            assert_int_equal(ds_model_set_context(m, 64), DS_OK);
        assert_int_equal(ds_model_forward(m, &(ds_feed){ s, golden_token, golden_position[p] + 1 }, 1, logits), DS_OK);
        double e = error_of(logits, g->logits[p]);
        if (!(e <= 1e-5))
            fail_msg("%s (%s), position %d: relative error %g", g->name, isa ? isa : "best", golden_position[p], e);
        ds_sequence_free(&s);
    }
    ds_model_close(&m);
}

static void check_embedding(const golden_model *g, const char *path)
{
    ds_model *m = open_model(path, DS_F32, NULL);
    float     out[GOLDEN_D];
    double    most = 0, d = 0;
    assert_int_equal(ds_model_set_context(m, 64), DS_OK);
    assert_int_equal(ds_model_embed(m, golden_token, GOLDEN_TOKENS, out, NULL, NULL), DS_OK);
    for (int i = 0; i < GOLDEN_D; i++) {
        most = fmax(most, fabs((double)g->embedding[i]));
        d = fmax(d, fabs((double)out[i] - (double)g->embedding[i]));
    }
    if (!(d <= 1e-5 * most))
        fail_msg("%s, embedding: relative error %g", g->name, d / most);
    assert_int_equal(ds_model_embed(m, golden_token, 0, out, NULL, NULL), DS_E_ARG);
    assert_int_equal(ds_model_embed(m, &(int32_t){ GOLDEN_V }, 1, out, NULL, NULL), DS_E_ARG);
    ds_model_close(&m);
}

/* All prefixes in one batch: none may depend on another's length (dynamic scaling). */
static void check_batch(const golden_model *g, const char *path)
{
    ds_model *m = open_model(path, DS_F32, NULL);
    ds_feed   feed[GOLDEN_POSITIONS];
    float     logits[GOLDEN_POSITIONS][GOLDEN_V];
    assert_int_equal(ds_model_set_context(m, 64), DS_OK);
    for (int p = 0; p < GOLDEN_POSITIONS; p++) {
        feed[p] = (ds_feed){ .token = golden_token, .n = golden_position[p] + 1 };
        assert_int_equal(ds_sequence_create(&feed[p].sequence, m), DS_OK);
    }
    assert_int_equal(ds_model_forward(m, feed, GOLDEN_POSITIONS, &logits[0][0]), DS_OK);
    for (int p = 0; p < GOLDEN_POSITIONS; p++) {
        assert_true(error_of(logits[p], g->logits[p]) <= 1e-5);
        ds_sequence_free(&feed[p].sequence);
    }
    ds_model_close(&m);
}

static void equals_transformers(void **state)
{
    for (int i = 0; i < N_MODEL; i++) {
        const char *path = ds_strdup(checkpoint(&golden_models[i]));
        check(&golden_models[i], path, NULL);
        check(&golden_models[i], path, "generic");
        check(&golden_models[i], path, "avx2");
        check_batch(&golden_models[i], path);
        check_embedding(&golden_models[i], path);
        ds_free((void *)path);
    }
}

/* The same numbers after a conversion to GGUF, where the format can say what the family needs. */
static void equals_transformers_as_gguf(void **state)
{
    int tried = 0;
    for (int i = 0; i < N_MODEL; i++) {
        char               name[64];
        ds_checkpoint_opts o = { .size = sizeof o, .overwrite = 1 };
        snprintf(name, sizeof name, "%s.gguf", golden_models[i].name);
        ds_status st = ds_checkpoint_convert(scratch(golden_models[i].name), scratch(name), &o, NULL);
        if (st == DS_E_UNSUPPORTED)
            continue;
        if (st != DS_OK)
            fail_msg("%s: %s", name, ds_error());
        check(&golden_models[i], scratch(name), NULL);
        tried++;
    }
    assert_true(tried >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_transformers), cmocka_unit_test(equals_transformers_as_gguf) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
