#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "deepseek/chat.h"

static char root[] = "/tmp/ds_chat_XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(ds_write_file(path, text, strlen(text), true), DS_OK);
}

static void drop(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    unlink(path);
}

static void expect(const ds_chat_template *t, const char *messages, const ds_chat_opts *o, const char *text)
{
    char  *out = NULL;
    size_t n;
    if (ds_chat_render(t, messages, o, &out, &n) != DS_OK)
        fail_msg("%s", ds_error());
    assert_string_equal(out, text);
    assert_int_equal(n, strlen(text));
    ds_free(out);
}

#define HI "[{\"role\": \"user\", \"content\": \"Hi\"}]"

static void expect_model(const char *name, const char *text, const char *origin)
{
    ds_chat_template *t;
    if (ds_chat_template_open(&t, root, name) != DS_OK)
        fail_msg("%s", ds_error());
    expect(t, HI, NULL, text);
    if (!strstr(ds_chat_template_origin(t), origin))
        fail_msg("origin %s", ds_chat_template_origin(t));
    ds_chat_template_close(&t);
}

/* The expected texts are those of the models' own templates: tests/golden/chat_family.py. */
static void families_equal_their_templates(void **state)
{
    json_t *all;
    assert_int_equal(ds_json_load(&all, DS_TEST_DIR "/golden/chat_family.json"), DS_OK);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t     *c = json_array_get(all, i);
        ds_chat_template *t;
        ds_chat_opts      o = DS_CHAT_OPTS;
        char             *messages = json_dumps(json_object_get(c, "messages"), 0);
        o.add_generation_prompt = json_is_true(json_object_get(c, "add_generation_prompt"));
        assert_int_equal(ds_chat_template_family(&t, json_string_value(json_object_get(c, "family")), NULL, NULL), DS_OK);
        assert_true(ds_chat_template_writes_bos(t));
        expect(t, messages, &o, json_string_value(json_object_get(c, "text")));
        ds_chat_template_close(&t);
        free(messages);
    }
    assert_int_equal(json_array_size(all), 35);
    json_decref(all);
}

static void templates_are_found_in_directories(void **state)
{
    ds_chat_template *t;
    put("tokenizer_config.json", "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"</s>\", \"chat_template\": "
                                 "\"{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ tools is none }}\"}");
    expect_model(NULL, "<s>Hi</s>True", "tokenizer_config.json");
    assert_int_equal(ds_chat_template_open(&t, root, "tool_use"), DS_E_NOT_FOUND);
    put("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"}, {\"name\": \"tool_use\", "
                                 "\"template\": \"tools\"}]}");
    expect_model(NULL, "d", "tokenizer_config.json");
    expect_model("tool_use", "tools", "tokenizer_config.json");
    put("special_tokens_map.json", "{\"bos_token\": \"<m>\"}");
    put("chat_template.json", "{\"chat_template\": \"json{{ bos_token }}\"}");
    expect_model(NULL, "json<m>", "chat_template.json");
    put("chat_template.jinja", "text\n");
    expect_model(NULL, "text", "chat_template.jinja");
    put("chat_template.jinja", "a\n{% bad %}");
    assert_int_equal(ds_chat_template_open(&t, root, NULL), DS_E_FORMAT);
    assert_null(t);
    assert_non_null(strstr(ds_error(), "chat_template.jinja: line 2"));
    assert_int_equal(ds_chat_template_open(&t, root, "../x"), DS_E_ARG);
    drop("chat_template.jinja");
    drop("chat_template.json");
    drop("special_tokens_map.json");
    put("tokenizer_config.json", "{}");
    assert_int_equal(ds_chat_template_open(&t, root, NULL), DS_E_NOT_FOUND);
    put("tokenizer_config.json", "[]");
    assert_int_equal(ds_chat_template_open(&t, root, NULL), DS_E_FORMAT);
}

static void deepseek_without_a_template_gets_its_family(void **state)
{
    put("tokenizer_config.json", "{\"bos_token\": \"<\xef\xbd\x9c" "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>\"}");
    expect_model(NULL, "<\xef\xbd\x9c" "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>User: Hi\n\nAssistant:", "deepseek-llm");
    put("config.json", "{\"model_type\": \"deepseek_v3\"}");
    expect_model(NULL, "<\xef\xbd\x9c" "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c><\xef\xbd\x9cUser\xef\xbd\x9c>Hi"
                       "<\xef\xbd\x9c" "Assistant\xef\xbd\x9c>", "deepseek-v3");
    drop("config.json");
}

static void options_reach_the_template(void **state)
{
    static const char source[] = "{{ tools | length if tools }}{{ extra }}{{ add_generation_prompt }}{{ messages[0].content }}"
                                 "{{ messages[0].reasoning_content }}{{ messages[0].thinking }}";
    ds_chat_template *t;
    ds_chat_opts      o = DS_CHAT_OPTS;
    o.tools = "[{}, {}]";
    o.variables = "{\"extra\": [1, \"a\"]}";
    o.add_generation_prompt = false;
    assert_int_equal(ds_chat_template_parse(&t, source, strlen(source), NULL, NULL), DS_OK);
    expect(t, "[{\"role\": \"user\", \"content\": null, \"reasoning\": \"why\"}]", &o, "2[1, 'a']FalseNonewhywhy");
    assert_false(ds_chat_template_writes_bos(t));
    ds_chat_template_close(&t);
    ds_chat_template_close(&t);
}

static void an_answer_can_be_continued(void **state)
{
    static const char plain[] = "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}",
                      trims[] = "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}</s>{% endfor %}", other[] = "nothing";
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Well, \"}]";
    ds_chat_template *t;
    ds_chat_opts      o = { .size = sizeof o, .continue_final = true };
    char             *text;
    assert_int_equal(ds_chat_template_parse(&t, plain, strlen(plain), NULL, NULL), DS_OK);
    expect(t, messages, &o, "[user]Hi</s>[assistant]Well, ");
    assert_int_equal(ds_chat_render(t, "[]", &o, &text, NULL), DS_E_ARG);
    o.add_generation_prompt = true;
    assert_int_equal(ds_chat_render(t, messages, &o, &text, NULL), DS_E_ARG);
    o.add_generation_prompt = false;
    ds_chat_template_close(&t);
    assert_int_equal(ds_chat_template_parse(&t, trims, strlen(trims), NULL, NULL), DS_OK);
    expect(t, messages, &o, "[user]Hi</s>[assistant]Well,");
    ds_chat_template_close(&t);
    assert_int_equal(ds_chat_template_parse(&t, other, strlen(other), NULL, NULL), DS_OK);
    assert_int_equal(ds_chat_render(t, messages, &o, &text, NULL), DS_E_UNSUPPORTED);
    ds_chat_template_close(&t);
    assert_int_equal(ds_chat_template_family(&t, "deepseek-llm", "", NULL), DS_OK);
    expect(t, messages, &o, "User: Hi\n\nAssistant: Well, ");
    ds_chat_template_close(&t);
}

static void bad_input_is_named(void **state)
{
    static const struct {
        const char *messages, *words;
    } bad[] = { { "{}", "expected an array" }, { "[1]", "number 1" }, { "[{\"role\": 1}]", "number 1" }, { "x", "not valid JSON" } };
    ds_chat_template *t;
    char             *text;
    ds_chat_opts      o = DS_CHAT_OPTS;
    assert_int_equal(ds_chat_template_family(&t, "none", NULL, NULL), DS_E_ARG);
    assert_null(t);
    assert_int_equal(ds_chat_template_family(&t, "deepseek-llm", NULL, NULL), DS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ds_chat_render(t, bad[i].messages, NULL, &text, NULL), DS_E_FORMAT);
        if (!strstr(ds_error(), bad[i].words))
            fail_msg("%s", ds_error());
    }
    assert_int_equal(ds_chat_render(t, "[{\"role\": \"user\", \"content\": []}]", NULL, &text, NULL), DS_E_FORMAT);
    o.tools = "[{}]";
    assert_int_equal(ds_chat_render(t, HI, &o, &text, NULL), DS_E_UNSUPPORTED);
    o.tools = "{}";
    assert_int_equal(ds_chat_render(t, HI, &o, &text, NULL), DS_E_FORMAT);
    o.size = 1;
    assert_int_equal(ds_chat_render(t, HI, &o, &text, NULL), DS_E_ARG);
    ds_chat_template_close(&t);
}

/* DeepSeek's public vocabularies carry no template: the family is found by its special tokens. */
static void gguf_files(void **state)
{
    static const char path[] = DS_SHARED_DATA "/tokenizer_deepseek/ggml-vocab-deepseek-llm.gguf";
    ds_chat_template *t;
    if (!ds_is_file(path)) {
        print_message("skipped: no shared data\n");
        return;
    }
    if (ds_chat_template_open(&t, path, NULL) != DS_OK)
        fail_msg("%s", ds_error());
    char *text;
    assert_int_equal(ds_chat_render(t, HI, NULL, &text, NULL), DS_OK);
    assert_non_null(strstr(text, "User: Hi\n\nAssistant:"));
    assert_string_equal(ds_chat_template_origin(t), "deepseek-llm"); /* not the file, which has none */
    ds_free(text);
    ds_chat_template_close(&t);
}

static int set_up(void **state)
{
    return mkdtemp(root) ? 0 : 1;
}

static int tear_down(void **state)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_equal_their_templates), cmocka_unit_test(templates_are_found_in_directories),
        cmocka_unit_test(deepseek_without_a_template_gets_its_family), cmocka_unit_test(options_reach_the_template),
        cmocka_unit_test(an_answer_can_be_continued), cmocka_unit_test(bad_input_is_named), cmocka_unit_test(gguf_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
