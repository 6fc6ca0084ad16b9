/* Finding models in caches that are made here by hand, as the clients leave them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "deepseek/hub.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static char root[] = "/tmp/ds_hub_XXXXXX";

static void put(const char *rel, const char *text)
{
    ds_buf b = { 0 };
    ds_buf_printf(&b, "%s/%s", root, rel);
    char *slash = strrchr(b.data, '/');
    *slash = 0;
    assert_int_equal(ds_make_dirs(b.data), DS_OK);
    *slash = '/';
    assert_int_equal(ds_write_file(b.data, text, strlen(text), true), DS_OK);
    ds_buf_free(&b);
}

static void drop(const char *rel)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, rel);
    assert_int_equal(unlink(path), 0);
}

static void expect_at(const char *name, const char *rel)
{
    char expected[1024], *path = NULL;
    if (ds_hub_resolve(name, NULL, &path) != DS_OK)
        fail_msg("%s: %s", name, ds_error());
    snprintf(expected, sizeof expected, "%s/%s", root, rel);
    assert_string_equal(path, expected);
    ds_free(path);
}

static void expect_error(const char *name, ds_status code, const char *words)
{
    char *path = NULL;
    assert_int_equal(ds_hub_resolve(name, NULL, &path), code);
    assert_null(path);
    if (!strstr(ds_error(), words))
        fail_msg("\"%s\" lacks \"%s\"", ds_error(), words);
}

static int set_up(void **state)
{
    char path[256];
    if (!mkdtemp(root))
        return 1;
    snprintf(path, sizeof path, "%s/hf", root);
    setenv("HF_HUB_CACHE", path, 1);
    snprintf(path, sizeof path, "%s/ms", root);
    setenv("MODELSCOPE_CACHE", path, 1);
    unsetenv("HF_HUB_OFFLINE");
    return 0;
}

static int tear_down(void **state)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

#define SNAP "hf/models--org--m/snapshots/" COMMIT

static void snapshots_of_another_client(void **state)
{
    expect_error("org/m", DS_E_NOT_FOUND, "deepseek pull org/m");
    put("hf/models--org--m/refs/main", COMMIT);
    expect_error("org/m", DS_E_NOT_FOUND, "deepseek pull org/m");
    put(SNAP "/config.json", "{}");
    expect_error("org/m", DS_E_FORMAT, "weights are missing");
    put(SNAP "/model.safetensors", "x");
    expect_at("org/m", SNAP);
    expect_at("org/m@" COMMIT, SNAP);
    expect_at("org/m@01234567", SNAP);
    expect_at("hf://org/m/config.json", SNAP "/config.json");
    expect_error("org/m@other", DS_E_NOT_FOUND, "other");
    expect_error("ms://org/m", DS_E_NOT_FOUND, "--source modelscope");
}

static void half_a_snapshot_is_an_error(void **state)
{
    put(SNAP "/model.safetensors.index.json", "{\"weight_map\": {\"a\": \"m-1.safetensors\", \"b\": \"m-2.safetensors\"}}");
    put(SNAP "/m-1.safetensors", "x");
    expect_error("org/m", DS_E_FORMAT, "m-2.safetensors");
    put(SNAP "/m-2.safetensors", "yy");
    expect_at("org/m", SNAP);
    /* the listing of the Hugging Face client knows sizes, and files that nothing else tells of */
    put("hf/models--org--m/trees/" COMMIT ".json",
        "{\"format_version\": 1, \"files\": {\"m-2.safetensors\": {\"size\": 3, \"blob_id\": \"1\"}, \"README.md\": {\"size\": 3, "
        "\"blob_id\": \"1\"}}}");
    expect_error("org/m", DS_E_FORMAT, "m-2.safetensors");
    put(SNAP "/m-2.safetensors", "yyy");
    expect_at("org/m", SNAP);
    put("hf/models--org--m/trees/" COMMIT ".json", "damaged");
    expect_at("org/m", SNAP);
    put(SNAP "/model.safetensors.index.json", "{\"weight_map\": {\"a\": \"../../../x\"}}");
    expect_error("org/m", DS_E_FORMAT, "not a file name");
    drop(SNAP "/model.safetensors.index.json");
    char from[512];
    snprintf(from, sizeof from, "%s/%s", root, SNAP "/tokenizer.json");
    assert_int_equal(symlink("../../blobs/gone", from), 0);
    expect_error("org/m", DS_E_FORMAT, "tokenizer.json");
    drop(SNAP "/tokenizer.json");
    drop(SNAP "/model.safetensors");
    drop(SNAP "/m-1.safetensors");
    drop(SNAP "/m-2.safetensors");
    ds_hub_opts o = DS_HUB_OPTS;
    char       *path;
    o.no_weights = true;
    assert_int_equal(ds_hub_resolve("org/m", &o, &path), DS_OK);
    ds_free(path);
}

static void records_of_our_own_pulls(void **state)
{
    put("hf/models--org--r/refs/main", COMMIT);
    put("hf/models--org--r/snapshots/" COMMIT "/model.safetensors", "x");
    expect_at("org/r", "hf/models--org--r/snapshots/" COMMIT);
    put("hf/models--org--r/.deepseek/" COMMIT ".json", "{\"files\": {\"b.txt\": {\"size\": 1, \"blob_id\": \"\"}}}");
    expect_error("org/r", DS_E_FORMAT, "b.txt");
    put("hf/models--org--r/.deepseek/" COMMIT ".json", "{\"files\": {\"../b\": {\"size\": 1}}}");
    expect_error("org/r", DS_E_FORMAT, "damaged");
    put("hf/models--org--r/.deepseek/" COMMIT ".json", "[]");
    expect_error("org/r", DS_E_FORMAT, "expected an object");
}

static void layouts_of_modelscope(void **state)
{
    put("ms/models/org--n/snapshots/master/model.gguf", "x");
    expect_at("ms://org/n", "ms/models/org--n/snapshots/master");
    expect_at("org/n", "ms/models/org--n/snapshots/master");
    put("ms/models/org/v1___5/model.gguf", "x");
    expect_at("ms://org/v1.5", "ms/models/org/v1___5");
    put("ms/hub/old/x/model.gguf", "x");
    expect_at("ms://old/x", "ms/hub/old/x");
}

static void lists_shows_and_removes(void **state)
{
    ds_hub_models m;
    uint64_t      freed;
    assert_int_equal(ds_hub_list(NULL, &m), DS_OK);
    assert_int_equal(m.n, 3); /* org/m, org/n, org/r */
    assert_string_equal(m.model[0].repo, "org/m");
    assert_string_equal(m.model[0].refs, "main");
    assert_false(m.model[0].complete);
    assert_true(m.model[1].complete);
    ds_hub_models_free(&m);
    assert_int_equal(ds_hub_show("ms://org/n", NULL, &m), DS_OK);
    assert_int_equal(m.model->n_file, 1);
    assert_int_equal(m.model->have, 1);
    ds_hub_models_free(&m);
    ds_hub_models_free(NULL);
    /* a link to outside is removed, not followed */
    char from[512], out[512];
    put("outside/keep", "x");
    snprintf(from, sizeof from, "%s/hf/models--org--r/blobs", root);
    snprintf(out, sizeof out, "%s/outside", root);
    assert_int_equal(symlink(out, from), 0);
    assert_int_equal(ds_hub_remove("org/r", NULL, &freed), DS_OK);
    assert_true(freed > 0);
    snprintf(out, sizeof out, "%s/outside/keep", root);
    assert_true(ds_is_file(out));
    assert_int_equal(ds_hub_remove("org/r", NULL, NULL), DS_E_NOT_FOUND);
    assert_int_equal(ds_hub_remove("deepseek/nano", NULL, NULL), DS_E_ARG);
    assert_int_equal(ds_hub_list(NULL, &m), DS_OK);
    assert_int_equal(m.n, 2);
    ds_hub_models_free(&m);
}

static void other_names(void **state)
{
    put("dir/config.json", "{}");
    char path[512];
    snprintf(path, sizeof path, "%s/dir", root);
    expect_at(path, "dir");
    expect_error("./nothing", DS_E_NOT_FOUND, "no such file");
    expect_error("models/none.gguf", DS_E_NOT_FOUND, "models/none.gguf: no such file");
    expect_error("", DS_E_ARG, "empty");
    setenv("DEEPSEEK_MODELS", root, 1);
    put("nano.gguf", "x");
    expect_at("deepseek/nano", "nano.gguf");
    unsetenv("DEEPSEEK_MODELS");
    ds_hub_opts o = DS_HUB_OPTS;
    char       *p;
    o.size = 8;
    assert_int_equal(ds_hub_resolve("a/b", &o, &p), DS_E_ARG);
    assert_int_equal(ds_hub_pull("deepseek/nano", NULL, NULL), DS_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_of_another_client), cmocka_unit_test(half_a_snapshot_is_an_error),
        cmocka_unit_test(records_of_our_own_pulls),    cmocka_unit_test(layouts_of_modelscope),
        cmocka_unit_test(lists_shows_and_removes),     cmocka_unit_test(other_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
