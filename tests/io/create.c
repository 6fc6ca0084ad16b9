/* Random checkpoints: every type, both layouts, the same bytes for every number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "common/scratch.h"
#include "deepseek/checkpoint.h"
#include "io/checkpoint.h"

static const char *types[] = { "f32",  "f16",  "bf16", "q8_0", "q4_0",   "q4_1", "q5_0",
                               "q5_1", "q4_k", "q5_k", "q6_k", "q4_k_m", "q5_k_m" };

/* Mean and standard deviation of the embedding. */
static void check_values(const ds_checkpoint *c)
{
    const ds_stored *t = ds_checkpoint_find(c, "model.embed_tokens.weight");
    int64_t          n = ds_stored_rows(t) * ds_stored_cols(t);
    char            *bytes = ds_malloc(t->bytes);
    float           *v = ds_malloc((size_t)n * 4);
    double           sum = 0, squares = 0;
    assert_int_equal(ds_checkpoint_read(c, t, 0, ds_stored_rows(t), bytes), DS_OK);
    ds_quant_of(t->type)->dequantize(v, bytes, n);
    for (int64_t i = 0; i < n; i++) {
        sum += v[i];
        squares += (double)v[i] * v[i];
    }
    assert_true(fabs(sum / (double)n) < 0.0006);
    assert_true(fabs(sqrt(squares / (double)n) - 0.02) < 0.0006);
    ds_free(bytes);
    ds_free(v);
}

static void every_type(void **state)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ds_checkpoint_opts o = { .size = sizeof o, .type = types[i], .seed = i, .overwrite = 1 };
        const char        *path = scratch("t.gguf");
        ds_checkpoint     *c;
        assert_int_equal(ds_checkpoint_create("tiny", path, &o), DS_OK);
        assert_int_equal(ds_checkpoint_open(&c, path), DS_OK);
        assert_int_equal(ds_config_params(ds_checkpoint_config(c)), 1443072);
        check_values(c);
        ds_checkpoint_close(&c);
    }
}

static void threads_do_not_matter(void **state)
{
    ds_buf             a = { 0 }, b = { 0 }, d = { 0 };
    ds_checkpoint_opts o = { .size = sizeof o, .type = "q5_0", .seed = 7, .n_thread = 1 };
    const char        *one = scratch("one.gguf"), *three = scratch("three.gguf"), *other = scratch("other.gguf");
    assert_int_equal(ds_checkpoint_create("tiny", one, &o), DS_OK);
    o.n_thread = 3;
    assert_int_equal(ds_checkpoint_create("tiny", three, &o), DS_OK);
    o.seed = 8;
    assert_int_equal(ds_checkpoint_create("tiny", other, &o), DS_OK);
    assert_int_equal(ds_read_file(one, 1 << 24, &a), DS_OK);
    assert_int_equal(ds_read_file(three, 1 << 24, &b), DS_OK);
    assert_int_equal(ds_read_file(other, 1 << 24, &d), DS_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    assert_int_equal(a.len, d.len);
    assert_true(memcmp(a.data, d.data, a.len) != 0);
    ds_buf_free(&a);
    ds_buf_free(&b);
    ds_buf_free(&d);
}

static void directories_and_shards(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f16", .shard_bytes = 1 << 20 };
    const char        *dir = scratch("dir");
    ds_checkpoint     *c;
    assert_int_equal(ds_checkpoint_create("tiny", dir, &o), DS_OK);
    assert_int_equal(ds_checkpoint_open(&c, dir), DS_OK);
    assert_int_equal(ds_checkpoint_config(c)->dtype, DS_F16);
    assert_true(ds_checkpoint_at(c, 0)->file != ds_checkpoint_at(c, ds_checkpoint_count(c) - 1)->file);
    check_values(c);
    ds_checkpoint_close(&c);
    assert_true(ds_is_file(scratch("dir/tokenizer.json")));
    assert_true(ds_is_file(scratch("dir/model.safetensors.index.json")));
    assert_int_equal(ds_checkpoint_create("tiny", dir, &o), DS_E_EXISTS);
}

static void refuses(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "q4_0" };
    int                before = scratch_entries();
    assert_int_equal(ds_checkpoint_create("tiny", scratch("x"), &o), DS_E_ARG); /* safetensors has no q4_0 */
    assert_non_null(strstr(ds_error(), "q4_0"));
    assert_int_equal(ds_checkpoint_create("9b", scratch("x.gguf"), &o), DS_E_NOT_FOUND);
    o.type = "q3";
    assert_int_equal(ds_checkpoint_create("tiny", scratch("x.gguf"), &o), DS_E_ARG);
    o.type = "f32";
    assert_int_equal(ds_checkpoint_create("tiny", scratch("one.gguf"), &o), DS_E_EXISTS);
    assert_int_equal(ds_checkpoint_create("tiny", scratch("no/such/x.gguf"), &o), DS_E_NOT_FOUND);
    assert_int_equal(scratch_entries(), before);
}

static int stop_at_half(void *user, const char *what, uint64_t done, uint64_t total)
{
    return done > total / 2;
}

static void cancels_without_a_trace(void **state)
{
    ds_checkpoint_opts o = { .size = sizeof o, .type = "f32", .progress = stop_at_half, .shard_bytes = 1 << 20 };
    int                before = scratch_entries();
    assert_int_equal(ds_checkpoint_create("tiny", scratch("c.gguf"), &o), DS_E_CANCELLED);
    assert_int_equal(ds_checkpoint_create("tiny", scratch("c"), &o), DS_E_CANCELLED);
    assert_int_equal(scratch_entries(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type), cmocka_unit_test(threads_do_not_matter),   cmocka_unit_test(directories_and_shards),
        cmocka_unit_test(refuses),    cmocka_unit_test(cancels_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
