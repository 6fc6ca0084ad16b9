/* The JSON Lines scanner and writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "data/jsonl.h"

static const char *parse(ds_docs *docs, ds_doc *doc, ds_buf *line, const char *text)
{
    ds_buf_clear(line);
    ds_buf_adds(line, text);
    memset(doc, 0, sizeof *doc);
    return ds_json_doc(docs, doc, line->data, line->len, &ds_default_fields);
}

static void assert_span(ds_slice s, const char *want)
{
    assert_non_null(s.s);
    assert_int_equal(s.n, strlen(want));
    assert_memory_equal(s.s, want, s.n);
}

static void takes_the_members_apart(void **state)
{
    ds_docs docs = { 0 };
    ds_doc  d;
    ds_buf  line = { 0 };
    assert_null(parse(&docs, &d, &line,
                      " { \"n\" : [1, {\"a\":\"}\"}], \"text\":\"a\\n\\\"b\\\" \\u4e2d\\ud83d\\ude00\\/\", \"id\":12, \"language\":null,\"x\":-1.5e3 } "));
    assert_span(d.text, "a\n\"b\" \xe4\xb8\xad\xf0\x9f\x98\x80/");
    assert_span(d.id, "12");
    assert_true(d.id_is_number);
    assert_null(d.language.s);
    assert_span(d.extra, ",\"n\":[1, {\"a\":\"}\"}],\"x\":-1.5e3");
    assert_span(ds_doc_extra(&d, "x"), "-1.5e3");
    assert_span(ds_doc_extra(&d, "n"), "[1, {\"a\":\"}\"}]");
    assert_null(ds_doc_extra(&d, "y").s);
    ds_buf out = { 0 };
    assert_int_equal(ds_json_write(&out, &d), DS_OK);
    assert_string_equal(out.data, "{\"id\":12,\"text\":\"a\\n\\\"b\\\" \xe4\xb8\xad\xf0\x9f\x98\x80/\",\"n\":[1, {\"a\":\"}\"}],\"x\":-1.5e3}\n");
    ds_buf_free(&out);
    ds_buf_free(&line);
    ds_docs_free(&docs);
}

static void replaces_lone_surrogates(void **state)
{
    ds_docs docs = { 0 };
    ds_doc  d;
    ds_buf  line = { 0 };
    assert_null(parse(&docs, &d, &line, "{\"text\":\"a\\ud800b\\udc00\"}"));
    assert_span(d.text, "a\xef\xbf\xbd" "b\xef\xbf\xbd");
    ds_buf_free(&line);
    ds_docs_free(&docs);
}

static void keeps_more_members_than_it_buffers(void **state)
{
    ds_docs docs = { 0 };
    ds_doc  d;
    ds_buf  line = { 0 }, want = { 0 }, text = { 0 };
    ds_buf_adds(&text, "{\"text\":\"t\"");
    for (int i = 0; i < 100; i++) {
        ds_buf_printf(&text, ", \"k%d\": %d", i, i);
        ds_buf_printf(&want, ",\"k%d\":%d", i, i);
    }
    ds_buf_adds(&text, "}");
    assert_null(parse(&docs, &d, &line, text.data));
    assert_span(d.extra, want.data);
    ds_buf_free(&line);
    ds_buf_free(&want);
    ds_buf_free(&text);
    ds_docs_free(&docs);
}

static void says_what_is_wrong(void **state)
{
    static const char *const bad[][2] = {
        { "{\"text\":\"a", "cut short" },       { "{\"text\":\"a\"", "cut short" },    { "{\"id\":1}", "no text member" },
        { "{\"text\":5}", "not a string" },     { "[1]", "not a JSON object" },        { "", "not a JSON object" },
        { "{\"text\":\"a\"} x", "follows" },    { "{\"text\":\"\\x\"}", "malformed" }, { "{\"text\":\"\\u12g4\"}", "malformed" },
        { "{\"text\":\"a\" \"b\":1}", "malformed" }, { "{\"text\":\"a\",\"b\":01x}", "malformed" }, { "{\"text\":\"a\",}", "malformed" },
        { "{\"text\":\"a\",\"b\":tru}", "malformed" },
    };
    ds_docs docs = { 0 };
    ds_doc  d;
    ds_buf  line = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why = parse(&docs, &d, &line, bad[i][0]);
        assert_non_null(why);
        assert_non_null(strstr(why, bad[i][1]));
    }
    ds_buf_free(&line);
    ds_docs_free(&docs);
}

static void bounds_the_nesting(void **state)
{
    ds_docs docs = { 0 };
    ds_doc  d;
    ds_buf  line = { 0 }, text = { 0 };
    ds_buf_adds(&text, "{\"text\":\"a\",\"b\":");
    for (int i = 0; i < 100000; i++)
        ds_buf_addc(&text, '[');
    assert_non_null(parse(&docs, &d, &line, text.data));
    ds_buf_free(&line);
    ds_buf_free(&text);
    ds_docs_free(&docs);
}

static void joins_lists_of_lines(void **state)
{
    ds_docs   docs = { 0 };
    ds_doc    d;
    ds_buf    line = { 0 };
    ds_fields inner = { .text = "r.t" };
    assert_null(parse(&docs, &d, &line, "{\"text\": [\"a\\n\", \"b\\u5e8a\" , \"\"], \"k\": 1}"));
    assert_span(d.text, "a\n\nb床\n");
    assert_null(parse(&docs, &d, &line, "{\"text\": []}"));
    assert_span(d.text, "");
    assert_non_null(parse(&docs, &d, &line, "{\"text\": [\"a\", 1]}"));
    char text[] = "{\"r\": {\"t\": [\"x\", \"\\\"y\"], \"u\": 2}}", bad[] = "{\"r\": {\"t\": [\"x\", {}]}}";
    d = (ds_doc){ 0 };
    assert_null(ds_json_doc(&docs, &d, text, strlen(text), &inner));
    assert_span(d.text, "x\n\"y");
    d = (ds_doc){ 0 };
    assert_non_null(ds_json_doc(&docs, &d, bad, strlen(bad), &inner));
    ds_buf_free(&line);
    ds_docs_free(&docs);
}

/* What a later string replaces is not written beside it. */
static void writes_one_text(void **state)
{
    static const char *const lines[] = { "{\"text\":4,\"x\":1,\"text\":\"c\"}", "{\"text\":[\"c\"],\"x\":1}", "{\"text\":\"b\",\"text\":\"c\",\"x\":1}" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ds_docs docs = { 0 };
        ds_doc  d;
        ds_buf  line = { 0 }, out = { 0 };
        assert_null(parse(&docs, &d, &line, lines[i]));
        assert_int_equal(ds_json_write(&out, &d), DS_OK);
        assert_string_equal(out.data, "{\"text\":\"c\",\"x\":1}\n");
        ds_buf_free(&out);
        ds_buf_free(&line);
        ds_docs_free(&docs);
    }
}

/* Another "text" than the one that was asked for is kept, under a name that is free. */
static void keeps_members_whose_name_is_taken(void **state)
{
    ds_docs   docs = { 0 };
    ds_doc    d = { 0 };
    ds_fields f = { .text = "content", .id = "meta.id" };
    ds_buf    out = { 0 };
    char      line[] = "{\"text\":\"b\",\"content\":\"c\",\"id\":1,\"url\":\"u\",\"meta\":{\"id\":\"i\"}}";
    assert_null(ds_json_doc(&docs, &d, line, strlen(line), &f));
    assert_int_equal(ds_json_write(&out, &d), DS_OK);
    assert_string_equal(out.data, "{\"id\":\"i\",\"text\":\"c\",\"_text\":\"b\",\"_id\":1,\"url\":\"u\",\"meta\":{\"id\":\"i\"}}\n");
    ds_buf_free(&out);
    ds_docs_free(&docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_members_apart), cmocka_unit_test(replaces_lone_surrogates),
        cmocka_unit_test(keeps_more_members_than_it_buffers), cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(bounds_the_nesting),       cmocka_unit_test(joins_lists_of_lines), cmocka_unit_test(writes_one_text),
        cmocka_unit_test(keeps_members_whose_name_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
