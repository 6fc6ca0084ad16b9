/* Tokenizer training against Hugging Face's trainer: the same merges, the same encodings; for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "common/scratch.h"
#include "deepseek/tokenizer.h"

#define GOLDEN DS_TEST_DIR "/golden/bpe_train"

static char    dir[240];
static json_t *golden;

static ds_tokenizer_train_opts options(const char *const *path)
{
    return (ds_tokenizer_train_opts){ .size = sizeof(ds_tokenizer_train_opts), .paths = path, .n_path = 1, .overwrite = true, .n_thread = 2 };
}

static char *slurp(const char *name, size_t *n)
{
    char path[300], *text;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(ds_read_text(path, 1 << 26, &text, n), DS_OK);
    return text;
}

static void check_merges(const json_t *want)
{
    size_t  n, i;
    char   *text = slurp("tokenizer.json", &n);
    json_t *root = json_loadb(text, n, 0, NULL), *m, *got = json_object_get(json_object_get(root, "model"), "merges");
    assert_int_equal(json_array_size(got), json_array_size(want));
    json_array_foreach(got, i, m)
    {
        char pair[8200];
        snprintf(pair, sizeof pair, "%s %s", json_string_value(json_array_get(m, 0)), json_string_value(json_array_get(m, 1)));
        assert_string_equal(pair, json_string_value(json_array_get(want, i)));
    }
    json_decref(root);
    ds_free(text);
}

static void check_encodings(const json_t *list)
{
    ds_tokenizer *t;
    size_t        i, k;
    json_t       *e, *id;
    assert_int_equal(ds_tokenizer_open(&t, dir), DS_OK);
    assert_int_equal(ds_tokenizer_bos(t), 0);
    assert_int_equal(ds_tokenizer_eos(t), 1);
    json_array_foreach(list, i, e)
    {
        const json_t *text = json_object_get(e, "text");
        int32_t      *ids;
        int64_t       n;
        assert_int_equal(ds_tokenizer_encode(t, json_string_value(text), json_string_length(text), DS_ENCODE_TEMPLATE, &ids, &n), DS_OK);
        assert_int_equal(n, json_array_size(json_object_get(e, "ids")));
        json_array_foreach(json_object_get(e, "ids"), k, id) assert_int_equal(ids[k], json_integer_value(id));
        ds_free(ids);
    }
    ds_tokenizer_close(&t);
}

static void equals_reference(void **state)
{
    const char *const path[] = { GOLDEN ".txt" };
    size_t            i;
    json_t           *c;
    const char       *special[] = { "<|user|>" };
    json_array_foreach(json_object_get(golden, "cases"), i, c)
    {
        ds_tokenizer_train_stats stats;
        ds_tokenizer_train_opts  o = options(path);
        o.pre = json_string_value(json_object_get(c, "pre"));
        o.vocab_size = (int32_t)json_integer_value(json_object_get(c, "vocab_size"));
        o.min_frequency = json_integer_value(json_object_get(c, "min_frequency"));
        o.special = special;
        o.n_special = 1;
        assert_int_equal(ds_tokenizer_train(&o, dir, &stats), DS_OK);
        assert_int_equal(stats.vocab_size, json_integer_value(json_object_get(c, "size")));
        check_merges(json_object_get(c, "merges"));
        check_encodings(json_object_get(c, "encodings"));
    }
}

/* A corpus of many chunks, with bytes that are not UTF-8 and a line without an end. */
static const char *large_corpus(void)
{
    static char path[300];
    size_t      n;
    char       *text;
    assert_int_equal(ds_read_text(GOLDEN ".txt", 1 << 26, &text, &n), DS_OK);
    snprintf(path, sizeof path, "%s/large.txt", dir);
    FILE *f = fopen(path, "wb");
    for (int i = 0; i < 60; i++) {
        fprintf(f, "%d \xff\xfe%c\xe5\xba", i, 0);
        fwrite(text, 1, n, f);
    }
    for (int i = 0; i < 200000; i++)
        fputs("长", f);
    fclose(f);
    ds_free(text);
    return path;
}

static void same_for_all_threads(void **state)
{
    const char *const path[] = { large_corpus() };
    for (int memory = 0; memory < 2; memory++) {
        char                    *first = NULL;
        size_t                   n_first = 0, n;
        for (int threads = 1; threads <= 3; threads++) {
            ds_tokenizer_train_stats stats;
            ds_tokenizer_train_opts  o = options(path);
            o.n_thread = threads;
            o.vocab_size = 700;
            o.memory = memory ? 200000 : 0;
            assert_int_equal(ds_tokenizer_train(&o, dir, &stats), DS_OK);
            assert_true((stats.forgotten_pieces > 0) == (memory > 0));
            char *text = slurp("tokenizer.json", &n);
            if (first) {
                assert_int_equal(n, n_first);
                assert_memory_equal(text, first, n);
                ds_free(text);
            } else {
                first = text;
                n_first = n;
            }
        }
        ds_free(first);
    }
}

static void bos_in_front(void **state)
{
    const char *const       path[] = { GOLDEN ".txt" };
    ds_tokenizer_train_opts o = options(path);
    ds_tokenizer           *t;
    int32_t                *ids;
    int64_t                 n;
    o.vocab_size = 300;
    o.add_bos = true;
    o.bos = "<\"s\\>";
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_OK);
    assert_int_equal(ds_tokenizer_open(&t, dir), DS_OK);
    assert_true(ds_tokenizer_adds_bos(t));
    assert_int_equal(ds_tokenizer_id(t, o.bos, strlen(o.bos)), 0);
    assert_int_equal(ds_tokenizer_encode(t, "a", 1, DS_ENCODE_TEMPLATE, &ids, &n), DS_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 0);
    ds_free(ids);
    ds_tokenizer_close(&t);
}

static int stop(void *user, const char *what, uint64_t done, uint64_t total)
{
    return strstr(what, user) != NULL;
}

static void refusals(void **state)
{
    char              empty[300];
    const char *const path[] = { GOLDEN ".txt" }, *missing[] = { "/nonexistent.txt" };
    const char       *twice[] = { "<|a|>", "<|a|>" };
    snprintf(empty, sizeof empty, "%s/empty.jsonl", dir);
    const char *const none[] = { empty };
    assert_int_equal(ds_write_file(empty, "{\"body\": \"x\"}\n\n", 15, true), DS_OK);
    ds_tokenizer_train_opts o = options(path);
    o.vocab_size = 257;
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_E_ARG);
    assert_non_null(strstr(ds_error(), "258"));
    o = options(path);
    o.pre = "word";
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_E_ARG);
    o = options(path);
    o.special = twice;
    o.n_special = 2;
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_E_ARG);
    o = options(missing);
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_E_NOT_FOUND);
    o = options(none);
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_E_FORMAT);
    o = options(path);
    o.overwrite = false; /* an earlier test wrote one there */
    assert_int_equal(ds_tokenizer_train(&o, dir, NULL), DS_E_EXISTS);
    static const char *const when[] = { "counting", "learning" };
    for (int i = 0; i < 2; i++) {
        char other[300];
        snprintf(other, sizeof other, "%s/none", dir);
        o = options(path);
        o.progress = stop;
        o.user = (void *)when[i];
        assert_int_equal(ds_tokenizer_train(&o, other, NULL), DS_E_CANCELLED);
        assert_false(ds_is_dir(other));
    }
}

static int setup(void **state)
{
    golden = json_load_file(GOLDEN ".json", 0, NULL);
    snprintf(dir, sizeof dir, "%s", scratch(""));
    return golden ? 0 : -1;
}

static int teardown(void **state)
{
    json_decref(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_reference), cmocka_unit_test(same_for_all_threads),
                                        cmocka_unit_test(bos_in_front), cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
