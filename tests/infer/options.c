/* Options structs of older and newer programs, and of ones that forgot to initialise them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/options.h"
#include "deepseek/deepseek.h"

typedef struct known {
    size_t size;
    int    a, b, c;
} known;

static known take(const void *given)
{
    known k = { sizeof k, 1, 2, 3 };
    assert_int_equal(ds_options_take(&k, sizeof k, given, "known"), DS_OK);
    assert_int_equal(k.size, sizeof k);
    return k;
}

static void older_and_newer(void **state)
{
    struct { size_t size; int a; } older = { offsetof(known, b), 10 };
    struct { known k; int more[4]; } newer = { { sizeof newer, 10, 20, 30 }, { 40, 50, 60, 70 } };
    known k = take(NULL);
    assert_true(k.a == 1 && k.b == 2 && k.c == 3);
    k = take(&older);
    assert_true(k.a == 10 && k.b == 2 && k.c == 3);
    k = take(&newer);
    assert_true(k.a == 10 && k.b == 20 && k.c == 30);
}

static void never_initialised(void **state)
{
    known k = { 0 }, to = { sizeof to, 1, 2, 3 };
    assert_int_equal(ds_options_take(&to, sizeof to, &k, "known"), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "known.size is 0"));
    memset(&k, 0xff, sizeof k);
    assert_int_equal(ds_options_take(&to, sizeof to, &k, "known"), DS_E_ARG);
    assert_int_equal(to.a, 1);
}

/* Each struct of the headers: what its _init sets is taken, and without it the call says so. */
static void every_struct(void **state)
{
#define CHECK(type, call)                                  \
    do {                                                   \
        type o;                                            \
        memset(&o, 0x5a, sizeof o);                        \
        type##_init(&o);                                   \
        assert_int_equal(o.size, sizeof o);                \
        o.size = 0;                                        \
        assert_int_equal(call, DS_E_ARG);                  \
        assert_non_null(strstr(ds_error(), #type ".size")); \
    } while (0)
    ds_model         *m;
    ds_sampler       *sampler;
    ds_generated     *g;
    ds_seg           *seg;
    ds_hub_models     models;
    ds_chat_template *t;
    char             *text;
    size_t            n;
    double            accuracy;
    ds_align_pair     pair = { 0 };
    ds_alignment      alignment = { 0 };
    assert_int_equal(ds_chat_template_family(&t, "deepseek-llm", NULL, NULL), DS_OK);
    CHECK(ds_model_options, ds_model_open(&m, "no such model", &o));
    CHECK(ds_generate_options, ds_generate(NULL, NULL, 0, &o, &g));
    CHECK(ds_sampling, ds_sampler_create(&sampler, 10, &o));
    CHECK(ds_chat_opts, ds_chat_render(t, "[]", &o, &text, NULL));
    CHECK(ds_hub_opts, ds_hub_resolve("a/b", &o, &text));
    CHECK(ds_hub_opts, ds_hub_pull("a/b", &o, &models));
    CHECK(ds_hub_opts, ds_hub_list(&o, &models));
    CHECK(ds_hub_opts, ds_hub_show("a/b", &o, &models));
    CHECK(ds_hub_opts, ds_hub_remove("a/b", &o, NULL));
    CHECK(ds_checkpoint_opts, ds_checkpoint_create("tiny", "out.gguf", &o));
    CHECK(ds_checkpoint_opts, ds_checkpoint_convert("no such model", "out.gguf", &o, NULL));
    CHECK(ds_data_opts, ds_data_run("", 0, "x", &o, NULL));
    CHECK(ds_data_opts, ds_data_mix("", 0, "x", &o, NULL));
    CHECK(ds_classifier_train_opts, ds_classifier_train(&o, &accuracy));
    CHECK(ds_lid_train_opts, ds_lid_train(&o, "out"));
    CHECK(ds_seg_opts, ds_seg_open(&seg, &o));
    CHECK(ds_segment_train_opts, ds_segment_train(&o, "out"));
    CHECK(ds_align_opts, ds_align(&pair, 1, &o, &alignment));
    CHECK(ds_align_output, ds_align_print(&text, &n, &pair, &alignment, 1, &o, NULL));
    ds_chat_template_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(older_and_newer), cmocka_unit_test(never_initialised), cmocka_unit_test(every_struct) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
