/* The golden texts of golden/sdk.jsonl in C; tests/bindings holds their twins in other languages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "common/scratch.h"
#include "deepseek/deepseek.h"

#define STORIES DS_SHARED_DATA "/stories260k_llama/stories260Ktok512.gguf"

static ds_model *tiny, *stories;

static int set_up(void **state)
{
    ds_checkpoint_opts o;
    ds_checkpoint_opts_init(&o);
    o.type = "f32";
    o.seed = 1;
    assert_int_equal(ds_checkpoint_create("tiny", scratch("tiny.gguf"), &o), DS_OK);
    assert_int_equal(ds_model_open(&tiny, scratch("tiny.gguf"), NULL), DS_OK);
    if (ds_is_file(STORIES))
        assert_int_equal(ds_model_open(&stories, STORIES, NULL), DS_OK);
    return 0;
}

static int tear_down(void **state)
{
    ds_model_close(&tiny);
    ds_model_close(&stories);
    return 0;
}

static void real_option(const json_t *o, const char *name, double *out)
{
    if (json_object_get(o, name))
        *out = json_number_value(json_object_get(o, name));
}

static void int_option(const json_t *o, const char *name, int64_t *out)
{
    if (json_object_get(o, name))
        *out = json_integer_value(json_object_get(o, name));
}

static int64_t stops_of(const json_t *o, const char **stop)
{
    const json_t *list = json_object_get(o, "stop");
    for (size_t i = 0; i < json_array_size(list); i++)
        stop[i] = json_string_value(json_array_get(list, i));
    return (int64_t)json_array_size(list);
}

/* The golden text has U+FFFD for each byte that is not UTF-8. */
static void check_text(const char *text, const char *expected)
{
    while (*text) {
        size_t  n = 1, left = strlen(text);
        json_t *one = NULL;
        for (; n <= 4 && n <= left && !(one = json_stringn(text, n)); n++) {
        }
        const char *piece = one ? text : "\xef\xbf\xbd";
        size_t      length = one ? n : 3;
        assert_memory_equal(expected, piece, length);
        expected += length;
        text += one ? n : 1;
        json_decref(one);
    }
    assert_string_equal(expected, "");
}

static void check(const json_t *g, const ds_generation *made)
{
    const json_t *ids = json_object_get(g, "ids");
    assert_int_equal(made->n_token, json_array_size(ids));
    for (int64_t i = 0; i < made->n_token; i++)
        assert_int_equal(made->token[i], json_integer_value(json_array_get(ids, (size_t)i)));
    assert_int_equal(made->n_prompt_token, json_integer_value(json_object_get(g, "n_prompt")));
    assert_string_equal(ds_finish_name(made->finish), json_string_value(json_object_get(g, "finish")));
    check_text(made->text, json_string_value(json_object_get(g, "text")));
}

static void run(ds_model *m, const json_t *g)
{
    const json_t       *given = json_object_get(g, "options");
    const char         *text = json_string_value(json_object_get(g, "prompt")), *stop[4];
    int64_t             seed = 0;
    ds_generate_options o;
    ds_sampling         s;
    ds_generated       *out;
    ds_generate_options_init(&o);
    ds_sampling_init(&s);
    int_option(given, "max_new_tokens", &o.max_new_tokens);
    int_option(given, "max_length", &o.max_length);
    int_option(given, "top_k", &s.top_k);
    int_option(given, "seed", &seed);
    real_option(given, "temperature", &s.temperature);
    real_option(given, "top_p", &s.top_p);
    real_option(given, "min_p", &s.min_p);
    real_option(given, "repetition_penalty", &s.repetition_penalty);
    s.seed = (uint64_t)seed;
    o.sampling = &s;
    o.n_stop = stops_of(given, stop);
    o.stop = stop;
    if (ds_generate(m, &(ds_prompt){ .text = text, .n = strlen(text) }, 1, &o, &out) != DS_OK)
        fail_msg("%s: %s", text, ds_error());
    check(g, out->item);
    ds_generated_free(&out);
}

static void golden(void **state)
{
    ds_buf b = { 0 };
    int    seen = 0;
    assert_int_equal(ds_read_file(DS_TEST_DIR "/golden/sdk.jsonl", 1 << 20, &b), DS_OK);
    for (char *line = b.data, *end; *line; line = end + 1) {
        json_t *g;
        end = strchr(line, '\n');
        assert_int_equal(ds_json_parse(&g, line, (size_t)(end - line), "sdk.jsonl"), DS_OK);
        ds_model *m = strcmp(json_string_value(json_object_get(g, "model")), "tiny") == 0 ? tiny : stories;
        if (m) {
            run(m, g);
            seen++;
        }
        json_decref(g);
    }
    assert_true(seen >= 7);
    ds_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(golden) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
