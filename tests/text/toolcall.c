#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "common/scratch.h"
#include "deepseek/tools.h"
#include "text/toolcall.h"

#define FUNCTION(name, parameters) "{\"type\": \"function\", \"function\": {\"name\": \"" name "\", \"parameters\": " parameters "}}"
static const char two[] = "[" FUNCTION("f", "{\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"integer\"}}, \"required\": [\"x\"]}") ", "
                          FUNCTION("get-time", "{}") "]";

static ds_tools *open_tools(const char *list, const char *format)
{
    ds_tools *t;
    if (ds_tools_open(&t, list, format) != DS_OK)
        fail_msg("%s", ds_error());
    return t;
}

/* ---- the parser: events become one line of text ---- */

typedef struct record {
    ds_buf             text;
    ds_tool_event_kind last;
    bool               any;
    int                stop_after;
} record;

/* content|f(arguments)|!f(broken arguments| */
static int note(void *user, const ds_tool_event *e)
{
    record *r = user;
    bool    same = r->any && r->last == e->kind;
    if (e->kind == DS_TOOL_CONTENT && !same)
        ds_buf_adds(&r->text, "|");
    if (e->kind == DS_TOOL_BEGIN)
        ds_buf_printf(&r->text, "|%d %s(", (int)e->index, e->text);
    else if (e->kind == DS_TOOL_END)
        ds_buf_adds(&r->text, e->complete ? ")" : "!");
    else
        ds_buf_add(&r->text, e->text, e->n);
    r->any = true;
    r->last = e->kind;
    return r->stop_after && --r->stop_after == 0;
}

static void feed(ds_tool_parser *p, const char *text, size_t n)
{
    char *exact = malloc(n ? n : 1); /* so that AddressSanitizer sees a read past the end */
    memcpy(exact, text, n);
    assert_int_equal(ds_tool_parser_add(p, exact, n), DS_OK);
    free(exact);
}

/* The text in pieces of `piece` bytes, or cut once at `cut`. Release it. */
static char *parse(const ds_tools *t, const char *text, size_t n, size_t cut, size_t piece)
{
    record          r = { 0 };
    ds_tool_parser *p;
    assert_int_equal(ds_tool_parser_create(&p, t, note, &r), DS_OK);
    for (size_t i = 0; piece && i < n; i += piece)
        feed(p, text + i, n - i < piece ? n - i : piece);
    if (!piece) {
        feed(p, text, cut);
        feed(p, text + cut, n - cut);
    }
    assert_int_equal(ds_tool_parser_end(p), DS_OK);
    ds_tool_parser_destroy(&p);
    return ds_buf_take(&r.text);
}

/* Whole, and cut at every byte. Release what it found. */
static char *parse_all_ways(const ds_tools *t, const char *text, size_t n)
{
    char *whole = parse(t, text, n, n, 0);
    for (size_t cut = 0; cut <= n; cut++) {
        char *cut_up = cut == n ? parse(t, text, n, 0, 1) : parse(t, text, n, cut, 0);
        if (strcmp(cut_up, whole) != 0)
            fail_msg("%s\n  whole: %s\n  cut at %zu: %s", text, whole, cut, cut_up);
        ds_free(cut_up);
    }
    return whole;
}

static const struct {
    const char *format, *text, *found;
} vectors[] = {
    { "deepseek-v3", "Hm.\n" DS_T_CALLS_BEGIN DS_T_CALL_BEGIN "function" DS_T_SEP "f\n```json\n{\"x\": 1}\n```" DS_T_CALL_END "\n" DS_T_CALL_BEGIN
      "function" DS_T_SEP "get-time\n```json\n{}\n```" DS_T_CALL_END DS_T_CALLS_END, "|Hm.|0 f({\"x\": 1})|1 get-time({})" },
    { "deepseek-v3.1", DS_T_CALLS_BEGIN DS_T_CALL_BEGIN "f" DS_T_SEP "{\"x\": [\"}\", 1]}" DS_T_CALL_END DS_T_CALL_BEGIN "get-time" DS_T_SEP "{}"
      DS_T_CALL_END DS_T_CALLS_END, "|0 f({\"x\": [\"}\", 1]})|1 get-time({})" },
    { "deepseek-v3.1", DS_T_CALL_BEGIN "f" DS_T_SEP "{}" DS_T_CALL_END " bye", "|0 f({})| bye" },        /* without the outer marks */
    { "deepseek-v3.1", DS_T_CALLS_BEGIN DS_T_CALL_BEGIN "g" DS_T_SEP "{}", "|" DS_T_CALLS_BEGIN DS_T_CALL_BEGIN "g" DS_T_SEP "{}" }, /* no such tool */
    { "deepseek-v3.1", DS_T_CALLS_BEGIN "\n", "|" DS_T_CALLS_BEGIN "\n" },
    { "deepseek-v3", DS_T_CALL_BEGIN "function" DS_T_SEP "f\n```json\n[1]", "|" DS_T_CALL_BEGIN "function" DS_T_SEP "f\n```json\n[1]" },
    { "deepseek-v3", "a <\xef\xbd\x9ctool b", "|a <\xef\xbd\x9ctool b" },
    { "hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>\n", "|0 f({\"x\": 1})" },
    { "hermes", "a\n\n<tool_call>{\"arguments\": {\"x\": \"<tool_call>\"}, \"id\": 7, \"name\": \"f\"}</tool_call><tool_call> {\"name\":\"get-time\"} "
      "</tool_call> b \n", "|a|0 f({\"x\": \"<tool_call>\"})|1 get-time({})| b \n" },
    { "hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1", "|0 f({\"x\": 1!" },                          /* the length ran out */
    { "hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1,}} b", "|0 f({\"x\": 1,!|}} b" },                /* no JSON */
    { "hermes", "<tool_call>{\"name\": \"g\", \"arguments\": {}}", "|<tool_call>{\"name\": \"g\", \"arguments\": {}}" }, /* no such tool */
    { "hermes", "<tool_call>{\"name\": 1, \"arguments\": {}}", "|<tool_call>{\"name\": 1, \"arguments\": {}}" },
    { "hermes", "<tool_call>{\"name\": \"f\", \"arguments\": []}", "|<tool_call>{\"name\": \"f\", \"arguments\": []}" },
    { "hermes", "<tool_call>{\"city\": \"f\"}", "|<tool_call>{\"city\": \"f\"}" },
    { "hermes", "write <tool_call>, then JSON", "|write <tool_call>, then JSON" },
    { "hermes", "<tool_call><tool_call>{\"name\": \"f\", \"arguments\": {}}", "|<tool_call>|0 f({})" },
    { "hermes", "<tool_call>{\"name\": \"f\", \"name\": \"f\", \"arguments\": {}}", "|<tool_call>{\"name\": \"f\", \"name\": \"f\", \"arguments\": {}}" },
    { "hermes", " \n ", "| \n " },
    { "hermes", "", "" },
    { "hermes", "{\"name\": \"f\", \"arguments\": {}}", "|{\"name\": \"f\", \"arguments\": {}}" },
    { "llama3", " {\"name\": \"f\", \"parameters\": {\"x\": 1}}", "|0 f({\"x\": 1})" },
    { "llama3", "<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; {\"name\": \"get-time\", \"parameters\": {}}",
      "|0 f({})|1 get-time({})" },
    { "llama3", "{\"name\": \"f\"}", "|{\"name\": \"f\"}" }, /* JSON that is an answer */
    { "llama3", "{\"answer\": 1}", "|{\"answer\": 1}" },
    { "llama3", "It is {\"name\": \"f\", \"parameters\": {}}", "|It is {\"name\": \"f\", \"parameters\": {}}" },
    { "llama3", "{\"name\": \"f\", \"parameters\": {}}; no", "|0 f({})|; no" },
    { "mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"arguments\": {}, \"name\": \"get-time\", \"id\": \"abcdefghi\"}]",
      "|0 f({\"x\": 1})|1 get-time({})" },
    { "mistral", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, 3]", "|0 f({})|, 3]" },
    { "mistral", "[TOOL_CALLS] are [TOOL", "|[TOOL_CALLS] are [TOOL" },
    { "mistral-args", "x [TOOL_CALLS]f[ARGS]{\"x\": 1}[TOOL_CALLS]get-time[CALL_ID]abc[ARGS]{}", "|x|0 f({\"x\": 1})|1 get-time({})" },
    { "generic", "<tool_call>\n{\"name\": \"f\", \"parameters\": {\"x\": 1}}\n</tool_call>", "|0 f({\"x\": 1})" },
};

static void finds_calls(void **state)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        ds_tools *t = open_tools(two, vectors[i].format);
        char     *found = parse_all_ways(t, vectors[i].text, strlen(vectors[i].text));
        if (strcmp(found, vectors[i].found) != 0)
            fail_msg("%s: %s\n  found    %s\n  expected %s", vectors[i].format, vectors[i].text, found, vectors[i].found);
        ds_free(found);
        ds_tools_close(&t);
    }
}

static uint64_t pick(uint64_t i, uint64_t k, uint64_t n)
{
    uint32_t r[4];
    ds_philox(1, i, k, r);
    return r[0] % n;
}

/* Marks, pieces of JSON and noise in any order: the cuts never matter, and text without a call comes back as it was. */
static void garbage(void **state)
{
    static const char *const part[] = { "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", DS_T_CALLS_BEGIN, DS_T_CALL_BEGIN, DS_T_SEP, DS_T_CALL_END, DS_T_CALLS_END,
                                        "{\"name\": \"f\"", "\"name\":\"f\"", ", \"arguments\": ", "{", "}", "}}", "[", "]", "\"x\"", ":", ",", "1", "-2.5e", " ", "\n", "f", "get-time",
                                        "```json\n", "```", "; ", "<|python_tag|>", "\"\\u00e9\"", "true", "\xe4\xbd\xa0", "\xff", "\\", "<", "text" };
    static const char *const format[] = { "deepseek-v3", "deepseek-v3.1", "hermes", "llama3", "mistral", "mistral-args", "generic" };
    for (uint64_t i = 0; i < 2100; i++) {
        ds_tools *t = open_tools(i % 2 ? two : NULL, format[i % 7]);
        ds_buf    text = { 0 };
        uint64_t  n = 1 + pick(i, 0, 14);
        for (uint64_t k = 1; k <= n; k++)
            ds_buf_adds(&text, part[pick(i, k, sizeof part / sizeof *part)]);
        char *found = parse_all_ways(t, text.data, text.len);
        if (!strchr(found, '(') && strcmp(found + 1, text.data) != 0)
            fail_msg("%s became %s", text.data, found);
        ds_free(found);
        ds_buf_free(&text);
        ds_tools_close(&t);
    }
}

/* What is held back is bounded, and cuts do not matter at the bounds either. */
static void bounds(void **state)
{
    static const struct {
        const char *format, *head, *fill, *tail, *found;
        int         n;
    } c[] = {
        { "hermes", "a", " ", "<tool_call>{\"name\": \"f\", \"arguments\": {}}", "|0 f({})", 5000 },
        { "hermes", "<tool_call>{\"arguments\": {\"x\": \"", "x", "\"}, \"name\": \"f\"}", "\"f\"}", 70000 },
        { "hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": ", "[", "", "!|[", 300 },
        { "hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"", "x", "\"}}", "!|x", 1100000 },
        { "deepseek-v3.1", DS_T_CALL_BEGIN "f" DS_T_SEP, " ", "{}", " {}", 5000 },
        { "deepseek-v3.1", DS_T_CALL_BEGIN "f" DS_T_SEP "{}", " ", DS_T_CALL_END, DS_T_CALL_END, 5000 },
        { "llama3", "{\"name\": \"f\", \"parameters\": {}};", "\n", "{\"name\": \"f\", \"parameters\": {}}", "|;\n", 5000 },
        { "mistral-args", "[TOOL_CALLS]", "f", "[ARGS]{}", "f[ARGS]{}", 5000 },
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        ds_tools *t = open_tools(two, c[i].format);
        ds_buf    text = { 0 };
        ds_buf_adds(&text, c[i].head);
        for (int k = 0; k < c[i].n; k++)
            ds_buf_adds(&text, c[i].fill);
        ds_buf_adds(&text, c[i].tail);
        char *whole = parse(t, text.data, text.len, text.len, 0), *pieces = parse(t, text.data, text.len, 0, text.len > 50000 ? 97 : 1);
        assert_string_equal(whole, pieces);
        if (!strstr(whole, c[i].found))
            fail_msg("case %zu: %.200s", i, whole);
        ds_free(whole);
        ds_free(pieces);
        ds_buf_free(&text);
        ds_tools_close(&t);
    }
}

static void again_and_cancelled(void **state)
{
    ds_tools       *t = open_tools(two, "hermes");
    record          r = { 0 };
    ds_tool_parser *p;
    assert_int_equal(ds_tool_parser_create(&p, t, note, &r), DS_OK);
    for (int i = 0; i < 2; i++) { /* one parser, two answers: both begin at call 0 */
        assert_int_equal(ds_tool_parser_add(p, "<tool_call>{\"name\": \"get-time\"}", 31), DS_OK);
        assert_int_equal(ds_tool_parser_end(p), DS_OK);
    }
    assert_string_equal(r.text.data, "|0 get-time({})|0 get-time({})");
    r.stop_after = 1;
    assert_int_equal(ds_tool_parser_add(p, "abc", 3), DS_E_CANCELLED);
    assert_int_equal(ds_tool_parser_add(p, "abc", 3), DS_E_CANCELLED);
    assert_int_equal(ds_tool_parser_end(p), DS_E_CANCELLED);
    ds_tool_parser_destroy(&p);
    ds_tool_parser_destroy(&p);
    ds_buf_free(&r.text);
    ds_tools_close(&t);
    ds_tools_close(&t);
}

/* ---- against SGLang's parsers and jsonschema: tests/golden/toolcall.py ---- */

typedef struct answer {
    ds_buf  content;
    ds_buf  arguments;
    json_t *calls; /* [[name, arguments]] */
    char   *name;
} answer;

static int collect(void *user, const ds_tool_event *e)
{
    answer *a = user;
    if (e->kind == DS_TOOL_CONTENT) {
        ds_buf_add(&a->content, e->text, e->n);
    } else if (e->kind == DS_TOOL_BEGIN) {
        a->name = ds_strdup(e->text);
    } else if (e->kind == DS_TOOL_ARGUMENTS) {
        ds_buf_add(&a->arguments, e->text, e->n);
    } else {
        assert_true(e->complete);
        json_t *v = json_loadb(a->arguments.data, a->arguments.len, 0, NULL);
        assert_non_null(v);
        json_array_append_new(a->calls, json_pack("[s, o]", a->name, v));
        ds_free(a->name);
        ds_buf_clear(&a->arguments);
    }
    return 0;
}

static const char *trimmed(ds_buf *b)
{
    size_t from = 0;
    while (b->len && strchr(" \n\t\r", b->data[b->len - 1]))
        b->data[--b->len] = 0;
    while (from < b->len && strchr(" \n\t\r", b->data[from]))
        from++;
    return b->data ? b->data + from : "";
}

static void check_answer(const ds_tools *t, const json_t *c)
{
    answer          a = { .calls = json_array() };
    ds_tool_parser *p;
    const char     *text = json_string_value(json_object_get(c, "text"));
    assert_int_equal(ds_tool_parser_create(&p, t, collect, &a), DS_OK);
    feed(p, text, strlen(text));
    assert_int_equal(ds_tool_parser_end(p), DS_OK);
    if (!json_equal(a.calls, json_object_get(c, "calls")))
        fail_msg("%s\n  %s\n  found %s\n  expected %s", ds_tools_format(t), text, json_dumps(a.calls, 0), json_dumps(json_object_get(c, "calls"), 0));
    if (strcmp(trimmed(&a.content), json_string_value(json_object_get(c, "content"))) != 0)
        fail_msg("%s\n  %s\n  content %s", ds_tools_format(t), text, trimmed(&a.content));
    ds_tool_parser_destroy(&p);
    ds_buf_free(&a.content);
    ds_buf_free(&a.arguments);
    json_decref(a.calls);
}

/* Whether a grammar of that choice has the text. */
static bool allowed(const ds_tools *t, const json_t *choice, const char *text)
{
    ds_tool_choice c;
    ds_grammar    *g;
    bool           m;
    ds_tool_choice_init(&c);
    c.required = json_is_true(json_object_get(choice, "required"));
    c.parallel = json_is_true(json_object_get(choice, "parallel"));
    const char *f = json_string_value(json_object_get(choice, "function"));
    memcpy(c.function, f ? f : "", f ? strlen(f) + 1 : 1);
    if (ds_tools_grammar(&g, t, NULL, &c) != DS_OK)
        fail_msg("%s", ds_error());
    assert_int_equal(ds_grammar_matches(g, text, strlen(text), &m), DS_OK);
    ds_grammar_free(&g);
    return m;
}

static void as_sglang_does(void **state)
{
    json_t *all;
    size_t  n, calls = 0, walks = 0;
    assert_int_equal(ds_json_load(&all, DS_TEST_DIR "/golden/toolcall.json"), DS_OK);
    const json_t *list = json_object_get(all, "answers"), *c;
    char         *tools = json_dumps(json_object_get(all, "tools"), 0);
    json_array_foreach(list, n, c) {
        const char *text = json_string_value(json_object_get(c, "text"));
        ds_tools   *t = open_tools(tools, json_string_value(json_object_get(c, "format")));
        check_answer(t, c);
        ds_free(parse_all_ways(t, text, strlen(text)));
        calls += json_array_size(json_object_get(c, "calls"));
        const json_t *choice = json_object_get(c, "choice");
        walks += json_is_object(choice);
        if (json_is_object(choice) && !allowed(t, choice, text))
            fail_msg("the grammar refuses %s", text);
        ds_tools_close(&t);
    }
    free(tools);
    json_decref(all);
    assert_true(n > 250 && calls > 250 && walks > 100);
}

/* ---- grammars ---- */

static void grammars(void **state)
{
#define CALL "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>"
#define TIME "<tool_call>\n{\"name\": \"get-time\", \"arguments\": {}}\n</tool_call>"
    static const struct {
        const char *choice, *text;
        bool        parallel, reasoning, fits;
    } c[] = {
        { "\"required\"", CALL, true, false, true },
        { "\"required\"", CALL "\n" TIME, true, false, true },
        { "\"required\"", CALL "\n" TIME, false, false, false },
        { "\"required\"", "", true, false, false },
        { "\"required\"", "well " CALL, true, false, false },
        { "\"required\"", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"1\"}}\n</tool_call>", true, false, false },
        { "\"required\"", "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"x\": 1}}\n</tool_call>", true, false, false },
        { "{\"type\": \"function\", \"function\": {\"name\": \"get-time\"}}", TIME, true, false, true },
        { "{\"type\": \"function\", \"function\": {\"name\": \"get-time\"}}", CALL, true, false, false },
        { NULL, "", true, false, true },
        { NULL, "Two < three, <b>, <tool, <<tool_calm>.", true, false, true },
        { NULL, "<tool_call", true, false, true },
        { NULL, "<tool_call>", true, false, false },
        { NULL, "<<tool_<" CALL, true, false, true },
        { NULL, "Well.\n" CALL "\n" TIME, true, false, true },
        { NULL, CALL " and more", true, false, false },
        { NULL, "<tool_call>\n{}", true, false, false },
        { "\"auto\"", "I think, <tool_call> </think>" CALL, true, true, true },
        { "\"auto\"", "I think", true, true, false },
        { "\"required\"", "I </thin</think>\n\n" CALL, true, true, true },
        { "\"required\"", "I </think> so " CALL, true, true, false },
    };
    ds_tools *t = open_tools(two, "hermes");
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        ds_tool_choice choice;
        ds_grammar    *g;
        bool           m;
        assert_int_equal(ds_tool_choice_parse(&choice, c[i].choice), DS_OK);
        choice.parallel = c[i].parallel;
        choice.reasoning = c[i].reasoning;
        if (ds_tools_grammar(&g, t, NULL, &choice) != DS_OK)
            fail_msg("%s", ds_error());
        assert_int_equal(ds_grammar_matches(g, c[i].text, strlen(c[i].text), &m), DS_OK);
        if (m != c[i].fits)
            fail_msg("case %zu: %s", i, c[i].text);
        ds_grammar_free(&g);
    }
    ds_tools_close(&t);
}

/* Where a mark is a special token, the grammar asks for that token; other grammars never do. */
static void special_marks(void **state)
{
    const char             *special[] = { "[TOOL_CALLS]", "[INST]" }, *text = scratch("words.txt"), *paths[] = { text };
    ds_tokenizer_train_opts o = { .size = sizeof o, .paths = paths, .n_path = 1, .vocab_size = 270, .special = special, .n_special = 2 };
    ds_tokenizer           *tokenizer;
    ds_tool_choice          c;
    ds_grammar             *g, *json;
    ds_grammar_state       *s;
    uint64_t                mask[8];
    FILE                   *f = fopen(text, "w");
    fputs("some words and some more words\n", f);
    fclose(f);
    if (ds_tokenizer_train(&o, scratch("tokenizer"), NULL) != DS_OK || ds_tokenizer_open(&tokenizer, scratch("tokenizer")) != DS_OK)
        fail_msg("%s", ds_error());
    int32_t   mark = ds_tokenizer_id(tokenizer, "[TOOL_CALLS]", 12), other = ds_tokenizer_id(tokenizer, "[INST]", 6), n = ds_tokenizer_size(tokenizer);
    ds_tools *t = open_tools(two, "mistral"), *hermes_tools = open_tools(two, "hermes");
    assert_true(mark > 0 && n <= 512 && ds_tools_special(t, tokenizer) && !ds_tools_special(hermes_tools, tokenizer));
    ds_tool_choice_parse(&c, "\"required\"");
    assert_int_equal(ds_tools_grammar(&g, t, tokenizer, &c), DS_OK);
    assert_int_equal(ds_grammar_state_create(&s, g), DS_OK);
    assert_int_equal(ds_grammar_mask(s, mask, n), DS_OK);
    assert_true(mask[mark / 64] >> mark % 64 & 1 && !(mask[other / 64] >> other % 64 & 1));
    assert_int_equal(ds_grammar_accept(s, mark), DS_OK);
    assert_int_equal(ds_grammar_accept_text(s, "[{\"name\": \"f\"", 13), DS_OK);
    assert_int_equal(ds_grammar_accept(s, mark), DS_E_ARG);
    ds_grammar_state_free(&s);
    ds_grammar_free(&g);
    assert_int_equal(ds_grammar_from_gbnf(&json, tokenizer, "root ::= .*", 11), DS_OK);
    assert_int_equal(ds_grammar_state_create(&s, json), DS_OK);
    assert_int_equal(ds_grammar_mask(s, mask, n), DS_OK);
    assert_false(mask[mark / 64] >> mark % 64 & 1);
    ds_grammar_state_free(&s);
    ds_grammar_free(&json);
    ds_tools_close(&t);
    ds_tools_close(&hermes_tools);
    ds_tokenizer_close(&tokenizer);
}

static void choices(void **state)
{
    ds_tool_choice c;
    ds_grammar    *g;
    assert_int_equal(ds_tool_choice_parse(&c, "\"none\""), DS_OK);
    assert_true(c.none && !c.required && c.parallel);
    static const char *const wrong[] = { "", "\"any\"", "3", "{\"type\": \"function\"}", "{\"type\": \"function\", \"function\": {\"name\": \"a b\"}}", "auto" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ds_tool_choice_parse(&c, wrong[i]), DS_E_FORMAT);
    ds_tools *t = open_tools(two, "hermes");
    ds_tool_choice_parse(&c, "{\"type\": \"function\", \"function\": {\"name\": \"g\"}}");
    assert_int_equal(ds_tools_grammar(&g, t, NULL, &c), DS_E_NOT_FOUND);
    ds_tool_choice_parse(&c, "\"none\"");
    assert_int_equal(ds_tools_grammar(&g, t, NULL, &c), DS_E_ARG);
    ds_tools_close(&t);
    t = open_tools("[" FUNCTION("f", "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"array\", \"uniqueItems\": true}}}") "]", "hermes");
    ds_tool_choice_parse(&c, "\"required\"");
    assert_int_equal(ds_tools_grammar(&g, t, NULL, &c), DS_E_UNSUPPORTED); /* fine as a tool, but not as a grammar */
    assert_non_null(strstr(ds_error(), "tools[0].function.parameters: JSON schema: #/properties/a"));
    ds_tools_close(&t);
}

/* ---- lists ---- */

static void wrong_lists(void **state)
{
    static const struct {
        const char *list, *says;
    } c[] = {
        { "{}", "tools: is an object, expected an array" },
        { "[", "tools: is not valid JSON" },
        { "[3]", "tools[0]: is an integer" },
        { "[{}]", "tools[0].function: is missing" },
        { "[{\"type\": \"retrieval\"}]", "tools[0].type: is retrieval" },
        { "[{\"function\": {}}]", "tools[0].function.name: is missing" },
        { "[{\"function\": {\"name\": 1}}]", "tools[0].function.name: is an integer" },
        { "[{\"function\": {\"name\": \"a b\"}}]", "tools[0].function.name: is \"a b\"" },
        { "[" FUNCTION("f", "{}") "," FUNCTION("f", "{}") "]", "tools[1].function.name: is \"f\", which tools[0] is called already" },
        { "[{\"function\": {\"name\": \"f\", \"description\": []}}]", "tools[0].function.description" },
        { "[" FUNCTION("a", "{}") "," FUNCTION("f", "3") "]", "tools[1].function.parameters: is an integer" },
        { "[" FUNCTION("f", "{\"type\": \"string\"}") "]", "tools[0].function.parameters: \"type\" is \"string\"" },
        { "[" FUNCTION("f", "{\"type\": \"object\", \"properties\": {\"a\": 3}}") "]", "tools[0].function.parameters: JSON schema: #/properties/a" },
    };
    ds_tools *t;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        assert_int_equal(ds_tools_open(&t, c[i].list, NULL), DS_E_FORMAT);
        assert_null(t);
        if (strncmp(ds_error(), c[i].says, strlen(c[i].says)) != 0)
            fail_msg("%s: %s", c[i].list, ds_error());
    }
    assert_int_equal(ds_tools_open(&t, NULL, "no-such"), DS_E_ARG);
}

/* ---- prompts ---- */

/* The tool parts of public templates, as their documentation shows them. */
static const char deepseek_v3[] =
    "{% for m in messages %}{% if m['tool_calls'] %}" DS_T_CALLS_BEGIN "{% for t in m['tool_calls'] %}" DS_T_CALL_BEGIN
    "{{ t['type'] + '" DS_T_SEP "' + t['function']['name'] + '\\n```json\\n' + t['function']['arguments'] + '\\n```' }}" DS_T_CALL_END
    "{% endfor %}" DS_T_CALLS_END "{% else %}[{{ m['role'] }}]{{ m['content'] }}{% endif %}{% endfor %}";
static const char hermes[] =
    "{% if tools %}<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}</tools>{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for t in m.tool_calls %}<tool_call>\n{\"name\": \"{{ t.function.name }}\", \"arguments\": {{ t.function.arguments | tojson }}}\n</tool_call>"
    "{% endfor %}{% endfor %}";
static const char null_only[] = /* R1-Distill's */
    "{% for m in messages %}{% if m['role'] == 'assistant' and m['content'] is none %}" DS_T_CALLS_BEGIN "{% for t in m['tool_calls'] %}"
    "{{ '```json\\n' + t['function']['arguments'] + '\\n```' }}{% endfor %}{% else %}[{{ m['role'] }}]{{ m['content'] }}{% endif %}{% endfor %}";
static const char no_system[] = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}";
static const char plain[] = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";
static const char conversation[] =
    "[{\"role\": \"system\", \"content\": \"Be kind.\"}, {\"role\": \"user\", \"content\": \"Time?\"}, {\"role\": \"assistant\", \"content\": \"\", "
    "\"tool_calls\": [{\"id\": \"a\", \"type\": \"function\", \"function\": {\"name\": \"get-time\", \"arguments\": \"{\\\"zone\\\": 1}\"}}]}, "
    "{\"role\": \"tool\", \"tool_call_id\": \"a\", \"content\": \"12:00\"}, {\"role\": \"tool\", \"content\": \"noon\"}]";

static void check_render(const char *source, const char *format, const char *const *has, const char *hasnt)
{
    ds_chat_template *chat;
    char             *text;
    assert_int_equal(ds_chat_template_parse(&chat, source, strlen(source), NULL, NULL), DS_OK);
    assert_string_equal(ds_chat_template_tool_format(chat), format);
    ds_tools *t = open_tools(two, format);
    if (ds_tools_render(t, chat, conversation, NULL, &text, NULL) != DS_OK)
        fail_msg("%s", ds_error());
    for (; *has; has++)
        if (!strstr(text, *has))
            fail_msg("no %s in %s", *has, text);
    if (hasnt && strstr(text, hasnt))
        fail_msg("%s in %s", hasnt, text);
    ds_free(text);
    ds_tools_close(&t);
    ds_chat_template_close(&chat);
}

static void prompts(void **state)
{
    check_render(deepseek_v3, "deepseek-v3", (const char *[]){ "function" DS_T_SEP "get-time\n```json\n{\"zone\": 1}\n```", "[tool]noon", "[system]Be kind.\n\nYou may call",
                 DS_T_CALLS_BEGIN DS_T_CALL_BEGIN "function" DS_T_SEP "NAME\n```json\n{\"ARGUMENT\"", NULL }, NULL); /* it does not show tools */
    check_render(hermes, "hermes", (const char *[]){ "<tools>{\"type\": \"function\"", "\"arguments\": {\"zone\": 1}}\n</tool_call>", "[system]Be kind.", NULL }, "You may");
    check_render(plain, "generic", (const char *[]){ "[system]Be kind.\n\nYou may call", "{\"name\": \"get-time\", \"parameters\": {}}",
                 "[assistant]<tool_call>\n{\"name\": \"get-time\", \"arguments\": {\"zone\": 1}}\n</tool_call>",
                 "[user]<tool_response>\n12:00\n</tool_response>\n<tool_response>\nnoon\n</tool_response>", NULL }, "[tool]");
    check_render(null_only, "deepseek-v3", (const char *[]){ "```json\n{\"zone\": 1}\n```", NULL }, NULL);
    ds_chat_template *chat;
    char             *text;
    assert_int_equal(ds_chat_template_parse(&chat, no_system, strlen(no_system), NULL, NULL), DS_OK);
    ds_tools *mine = open_tools(two, "generic");
    assert_int_equal(ds_tools_render(mine, chat, "[{\"role\": \"user\", \"content\": \"Time?\"}]", NULL, &text, NULL), DS_OK);
    assert_non_null(strstr(text, "[user]You may call"));
    assert_non_null(strstr(text, "</tool_response>.\n\nTime?"));
    ds_free(text);
    assert_int_equal(ds_tools_render(mine, chat, conversation, NULL, &text, NULL), DS_E_ARG); /* the caller's own system message */
    ds_tools_close(&mine);
    ds_chat_template_close(&chat);
    assert_int_equal(ds_chat_template_family(&chat, "deepseek-llm", NULL, NULL), DS_OK);
    ds_tools *t = open_tools(two, ds_chat_template_tool_format(chat));
    assert_int_equal(ds_tools_render(t, chat, conversation, NULL, &text, NULL), DS_OK);
    assert_non_null(strstr(text, "User: <tool_response>\n12:00"));
    ds_free(text);
    assert_int_equal(ds_tools_render(t, chat, "{}", NULL, &text, NULL), DS_E_FORMAT);
    assert_int_equal(ds_tools_render(t, chat, "[{\"role\": \"assistant\", \"tool_calls\": [{}]}]", NULL, &text, NULL), DS_E_FORMAT);
    ds_tools_close(&t);
    ds_chat_template_close(&chat);
}

static void formats_of_templates(void **state)
{
    static const struct {
        const char *source, *format;
    } c[] = {
        { DS_T_CALLS_BEGIN "```json", "deepseek-v3" }, { DS_T_CALLS_BEGIN, "deepseek-v3.1" }, { "<tool_call>\n{\\\"name\\\": \\\"", "hermes" },
        { "<tool_call>\n<function=", "generic" }, { "<tool_call><arg_key>", "generic" }, { "<tool_call>, <tool_calls>[", "generic" }, { "{{ '[TOOL_CALLS] [' }}", "mistral" },
        { "[TOOL_CALLS] [ARGS]", "mistral-args" }, { "<|start_header_id|> \"parameters\": ", "llama3" }, { "<|start_header_id|>", "generic" }, { "", "generic" },
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++)
        assert_string_equal(ds_tool_format_guess(c[i].source, strlen(c[i].source)), c[i].format);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_calls), cmocka_unit_test(garbage),  cmocka_unit_test(bounds),
        cmocka_unit_test(again_and_cancelled), cmocka_unit_test(as_sglang_does), cmocka_unit_test(grammars),
        cmocka_unit_test(choices),     cmocka_unit_test(wrong_lists), cmocka_unit_test(prompts),
        cmocka_unit_test(formats_of_templates), cmocka_unit_test(special_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
