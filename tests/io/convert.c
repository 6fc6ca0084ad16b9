/* Between the layouts and into fewer bits: the golden pair of tests/golden/checkpoint.py, and round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>


#include "base/gguf.h"
#include "base/json.h"
#include "base/mem.h"
#include "common/scratch.h"
#include "deepseek/checkpoint.h"
#include "io/checkpoint.h"
#include "io/imatrix.h"

#define GOLDEN DS_TEST_DIR "/golden/"

static void convert(const char *in, const char *out, const char *type)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = type, .overwrite = 1, .n_thread = 2 };
    ds_status          st = ds_checkpoint_convert(in, out, &o, NULL);
    if (st != DS_OK)
        fail_msg("%s -> %s: %s", in, out, ds_error());
}

static void *read_tensor(const ds_checkpoint *c, const ds_stored *t)
{
    void *bytes = ds_malloc(t->bytes);
    assert_int_equal(ds_checkpoint_read(c, t, 0, ds_stored_rows(t), bytes), DS_OK);
    return bytes;
}

/* The same names, shapes and bits; types too when `types`, else the values of vectors may be in f32. */
static void assert_same(const char *a, const char *b, bool types)
{
    ds_checkpoint *x, *y;
    assert_int_equal(ds_checkpoint_open(&x, a), DS_OK);
    assert_int_equal(ds_checkpoint_open(&y, b), DS_OK);
    assert_int_equal(ds_checkpoint_count(x), ds_checkpoint_count(y));
    for (int64_t i = 0; i < ds_checkpoint_count(x); i++) {
        const ds_stored *s = ds_checkpoint_at(x, i), *t = ds_checkpoint_at(y, i);
        int64_t          n = ds_stored_rows(s) * ds_stored_cols(s);
        char            *p = read_tensor(x, s), *q = read_tensor(y, t);
        assert_string_equal(s->name, t->name);
        assert_memory_equal(s->dim, t->dim, sizeof s->dim);
        if (types || s->n_dim > 1)
            assert_int_equal(s->type, t->type);
        if (s->type == t->type) {
            assert_memory_equal(p, q, s->bytes);
        } else {
            float *v = ds_malloc((size_t)n * 8);
            ds_quant_of(s->type)->dequantize(v, p, n);
            ds_quant_of(t->type)->dequantize(v + n, q, n);
            assert_memory_equal(v, v + n, (size_t)n * 4);
            ds_free(v);
        }
        ds_free(p);
        ds_free(q);
    }
    const ds_config *c = ds_checkpoint_config(x), *d = ds_checkpoint_config(y);
    assert_true(c->rope_theta == d->rope_theta && c->rms_eps == d->rms_eps && c->max_pos == d->max_pos);
    assert_memory_equal(&c->rope, &d->rope, sizeof c->rope);
    assert_true(c->tied == d->tied && c->qkv_bias == d->qkv_bias && c->o_bias == d->o_bias);
    assert_true(c->bos == d->bos && c->n_eos == d->n_eos && c->eos[0] == d->eos[0] && c->eos[1] == d->eos[1]);
    ds_checkpoint_close(&x);
    ds_checkpoint_close(&y);
}

static void round_trips_are_exact(void **state)
{
    convert(GOLDEN "tiny_hf", scratch("a.gguf"), NULL);
    assert_same(GOLDEN "tiny_hf", scratch("a.gguf"), false);
    assert_same(GOLDEN "tiny.gguf", scratch("a.gguf"), true);
    convert(scratch("a.gguf"), scratch("a"), NULL);
    assert_same(GOLDEN "tiny_hf", scratch("a"), true);
    convert(scratch("a"), scratch("again"), NULL);
    assert_same(GOLDEN "tiny_hf", scratch("again"), true);
    convert(scratch("a.gguf"), scratch("b.gguf"), NULL);
    assert_same(scratch("a.gguf"), scratch("b.gguf"), true);
    static const char *floats[] = { "f32", "bf16", "f16" };
    for (int i = 0; i < 3; i++) { /* random values through both layouts */
        ds_checkpoint_opts o = { .size = sizeof o, .type = floats[i], .overwrite = 1 };
        assert_int_equal(ds_checkpoint_create("tiny", scratch("r.gguf"), &o), DS_OK);
        convert(scratch("r.gguf"), scratch(floats[i]), NULL);
        assert_same(scratch("r.gguf"), scratch(floats[i]), false);
        convert(scratch(floats[i]), scratch("r2.gguf"), NULL);
        assert_same(scratch("r.gguf"), scratch("r2.gguf"), true);
    }
}

/* Byte for byte where llama.cpp's converter puts the Q and K rows. */
static void permutes_like_the_reference(void **state)
{
    ds_map  a, b;
    ds_gguf g, h;
    convert(GOLDEN "tiny_hf", scratch("p.gguf"), NULL);
    assert_int_equal(ds_map_open(&a, GOLDEN "tiny.gguf"), DS_OK);
    assert_int_equal(ds_map_open(&b, scratch("p.gguf")), DS_OK);
    assert_int_equal(ds_gguf_read(&g, a.data, a.size, "golden"), DS_OK);
    assert_int_equal(ds_gguf_read(&h, b.data, b.size, "ours"), DS_OK);
    assert_int_equal(g.n_tensor, h.n_tensor);
    for (int64_t i = 0; i < g.n_tensor; i++) {
        const ds_gguf_tensor *t = &g.tensor[i], *u = ds_gguf_find_tensor(&h, t->name);
        assert_non_null(u);
        assert_int_equal(t->type, u->type);
        assert_memory_equal(t->dim, u->dim, sizeof t->dim);
        assert_memory_equal(a.data + t->offset, b.data + u->offset, (size_t)(t->dim[0] * t->dim[1]) * (t->type == DS_F32 ? 4 : 2));
    }
    ds_gguf_free(&g);
    ds_gguf_free(&h);
    ds_map_close(&a);
    ds_map_close(&b);
}

static ds_dtype type_in(const char *path, const char *name)
{
    ds_checkpoint *c;
    assert_int_equal(ds_checkpoint_open(&c, path), DS_OK);
    const ds_stored *t = ds_checkpoint_find(c, name);
    ds_dtype         type = t ? t->type : DS_DTYPE_NONE;
    ds_checkpoint_close(&c);
    return type;
}

static void schemes(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f32" };
    const char        *in = scratch("s.gguf"), *out = scratch("q.gguf");
    assert_int_equal(ds_checkpoint_create("tiny", in, &o), DS_OK);
    convert(in, out, "q4_0");
    assert_int_equal(type_in(out, "lm_head.weight"), DS_Q4_0);
    assert_int_equal(type_in(out, "model.embed_tokens.weight"), DS_Q4_0);
    assert_int_equal(type_in(out, "model.norm.weight"), DS_F32);
    convert(in, out, "q4_k");
    assert_int_equal(type_in(out, "lm_head.weight"), DS_Q6_K);
    assert_int_equal(type_in(out, "model.layers.1.mlp.down_proj.weight"), DS_Q4_K);
    convert(in, out, "q4_k_m");
    assert_int_equal(type_in(out, "model.layers.1.mlp.down_proj.weight"), DS_Q6_K);
    assert_int_equal(type_in(out, "model.layers.1.mlp.up_proj.weight"), DS_Q4_K);
    char *note; /* rows of 32 and 48 values do not fill blocks of 256 and 32 */
    o.type = "q4_k";
    o.overwrite = 1;
    assert_int_equal(ds_checkpoint_convert(GOLDEN "tiny_hf", out, &o, &note), DS_OK);
    assert_non_null(strstr(note, "not whole blocks"));
    ds_free(note);
    assert_int_equal(type_in(out, "model.layers.0.mlp.up_proj.weight"), DS_Q5_0);
    assert_int_equal(type_in(out, "model.layers.0.mlp.down_proj.weight"), DS_F16);
    assert_int_equal(ds_checkpoint_convert(in, scratch("qdir"), &o, NULL), DS_E_ARG); /* safetensors has no q4_k */
}

/* A quantized weight in the file is what the quantizer makes of its rows, un-permuted. */
static void quantizes_rows(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f32", .overwrite = 1 };
    const char        *in = scratch("s.gguf"), *out = scratch("q.gguf"), *name = "model.layers.0.self_attn.q_proj.weight";
    ds_checkpoint     *c, *d;
    assert_int_equal(ds_checkpoint_create("tiny", in, &o), DS_OK);
    convert(in, out, "q5_k");
    assert_int_equal(ds_checkpoint_open(&c, in), DS_OK);
    assert_int_equal(ds_checkpoint_open(&d, out), DS_OK);
    const ds_stored *s = ds_checkpoint_find(c, name), *t = ds_checkpoint_find(d, name);
    float           *v = read_tensor(c, s);
    char            *q = read_tensor(d, t), *expected = ds_malloc(t->bytes);
    ds_quant_of(DS_Q5_K)->quantize(expected, v, ds_stored_rows(s) * ds_stored_cols(s), NULL);
    assert_memory_equal(q, expected, t->bytes);
    ds_free(v);
    ds_free(q);
    ds_free(expected);
    ds_checkpoint_close(&c);
    ds_checkpoint_close(&d);
}

static void importance_files(void **state)
{
    float            v[256], w[512];
    ds_imatrix_entry e[] = { { "model.layers.0.self_attn.q_proj.weight", v, 256 }, { "model.layers.0.mlp.down_proj.weight", w, 512 } };
    ds_imatrix      *m;
    const float     *got;
    for (int i = 0; i < 512; i++)
        w[i] = v[i % 256] = (float)(i % 7);
    assert_int_equal(ds_imatrix_write(scratch("m"), e, 2, true), DS_OK);
    assert_int_equal(ds_imatrix_open(&m, scratch("m")), DS_OK);
    assert_int_equal(ds_imatrix_find(m, e[1].weight, 512, &got), DS_OK);
    assert_memory_equal(got, w, sizeof w);
    assert_int_equal(ds_imatrix_find(m, e[1].weight, 511, &got), DS_E_SHAPE);
    assert_int_equal(ds_imatrix_find(m, "other", 511, &got), DS_OK);
    assert_null(got);
    ds_imatrix_close(&m);
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f32", .overwrite = 1 };
    assert_int_equal(ds_checkpoint_create("tiny", scratch("s.gguf"), &o), DS_OK);
    o = (ds_checkpoint_opts){ .size = sizeof(ds_checkpoint_opts), .type = "q4_k", .imatrix = scratch("m"), .overwrite = 1 };
    assert_int_equal(ds_checkpoint_convert(scratch("s.gguf"), scratch("qi.gguf"), &o, NULL), DS_OK);
    v[3] = NAN;
    assert_int_equal(ds_imatrix_write(scratch("m"), e, 2, true), DS_OK);
    assert_int_equal(ds_checkpoint_convert(scratch("s.gguf"), scratch("qi.gguf"), &o, NULL), DS_E_NUMERIC);
    o.imatrix = GOLDEN "tiny_hf/model-00001-of-00002.safetensors";
    assert_int_equal(ds_checkpoint_convert(scratch("s.gguf"), scratch("qi.gguf"), &o, NULL), DS_E_FORMAT);
}

/* The write that crosses RLIMIT_FSIZE fails like one on a full disk. */
static void full_disk_leaves_nothing(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f32", .overwrite = 1 };
    struct rlimit      old, small;
    assert_int_equal(ds_checkpoint_create("tiny", scratch("s.gguf"), &o), DS_OK);
    int before = scratch_entries();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_FSIZE, &small);
    ds_status a = ds_checkpoint_convert(scratch("s.gguf"), scratch("f.gguf"), &o, NULL);
    char      sentence[512];
    snprintf(sentence, sizeof sentence, "%s", ds_error());
    ds_status b = ds_checkpoint_convert(scratch("s.gguf"), scratch("fdir"), &o, NULL);
    ds_status c = ds_checkpoint_create("tiny", scratch("g.gguf"), &o);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(a, DS_E_IO);
    assert_int_equal(b, DS_E_IO);
    assert_int_equal(c, DS_E_IO);
    assert_non_null(strstr(sentence, "cannot write"));
    assert_int_equal(scratch_entries(), before);
}

static void nan_weights_are_said(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f32", .overwrite = 1 };
    ds_checkpoint     *c;
    const char        *path = scratch("nan.gguf");
    float              nan = NAN;
    assert_int_equal(ds_checkpoint_create("tiny", path, &o), DS_OK);
    assert_int_equal(ds_checkpoint_open(&c, path), DS_OK);
    const ds_stored *t = ds_checkpoint_find(c, "model.layers.1.mlp.up_proj.weight");
    uint64_t         at = t->offset + 4 * (256 * 17 + 5);
    ds_checkpoint_close(&c);
    FILE *f = fopen(path, "r+b");
    fseek(f, (long)at, SEEK_SET);
    fwrite(&nan, 4, 1, f);
    fclose(f);
    o.type = "q4_0";
    assert_int_equal(ds_checkpoint_convert(path, scratch("nanq.gguf"), &o, NULL), DS_E_NUMERIC);
    assert_non_null(strstr(ds_error(), "model.layers.1.mlp.up_proj.weight"));
    assert_non_null(strstr(ds_error(), "row 17, column 5 is not a number"));
    assert_false(ds_is_file(scratch("nanq.gguf")));
}

static void llama3_and_yarn_scaling(void **state)
{
    static const char *scalings[] = {
        "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":64}",
        "{\"rope_type\":\"yarn\",\"factor\":40.0,\"original_max_position_embeddings\":64}",
        "{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":64,\"beta_fast\":16,\"attention_factor\":1.5}",
        "{\"rope_type\":\"dynamic\",\"factor\":2.0}",
        "{\"rope_type\":\"linear\",\"factor\":4.0}",
    };
    for (size_t i = 0; i < sizeof scalings / sizeof *scalings; i++) {
        char               text[1024];
        ds_checkpoint_opts o = { .size = sizeof o, .type = "f32", .overwrite = 1 };
        ds_checkpoint     *c, *d;
        int n = snprintf(text, sizeof text, "{\"model_type\":\"llama\",\"hidden_size\":128,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
                         "\"intermediate_size\":64,\"vocab_size\":300,\"max_position_embeddings\":512,\"rope_theta\":1234.0,\"rope_scaling\":%s}", scalings[i]);
        assert_int_equal(ds_write_file(scratch("c.json"), text, (size_t)n, true), DS_OK);
        char name[16];
        snprintf(name, sizeof name, "rope%zu", i);
        assert_int_equal(ds_checkpoint_create(scratch("c.json"), scratch(name), &o), DS_OK);
        convert(scratch(name), scratch("rope.gguf"), NULL);
        assert_int_equal(ds_checkpoint_open(&c, scratch(name)), DS_OK);
        assert_int_equal(ds_checkpoint_open(&d, scratch("rope.gguf")), DS_OK);
        ds_rope_scaling a = ds_checkpoint_config(c)->rope, b = ds_checkpoint_config(d)->rope;
        assert_int_equal(a.kind, b.kind);
        assert_int_equal(a.original_max_pos, b.original_max_pos);
        assert_true(a.factor == b.factor && a.beta_fast == b.beta_fast);
        assert_true(fabs(a.attention_factor - b.attention_factor) < 1e-6);
        assert_true(fabs(a.high_freq_factor - b.high_freq_factor) < 1e-6);
        ds_checkpoint_close(&c);
        ds_checkpoint_close(&d);
    }
}

static void describes(void **state)
{
    char *text;
    assert_int_equal(ds_checkpoint_describe(GOLDEN "tiny.gguf", &text), DS_OK);
    json_t *root;
    assert_int_equal(ds_json_parse(&root, text, strlen(text), "describe"), DS_OK);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(root, "memory"), "kv_per_token"), "f16")),
                     2 * 2 * 2 * 8 * 2);
    assert_int_equal(json_array_size(json_object_get(root, "tensors")), 29);
    json_decref(root);
    ds_free(text);
    assert_int_equal(ds_checkpoint_describe(GOLDEN "nothing", &text), DS_E_NOT_FOUND);
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_are_exact),   cmocka_unit_test(permutes_like_the_reference),
        cmocka_unit_test(schemes),                 cmocka_unit_test(quantizes_rows),
        cmocka_unit_test(importance_files),        cmocka_unit_test(full_disk_leaves_nothing),
        cmocka_unit_test(nan_weights_are_said),    cmocka_unit_test(llama3_and_yarn_scaling),
        cmocka_unit_test(describes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
