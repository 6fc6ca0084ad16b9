#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

static json_t *parse(const char *s)
{
    json_t *v;
    assert_int_equal(ds_json_parse(&v, s, strlen(s), "config.json"), DS_OK);
    return v;
}

static void typed_members(void **state)
{
    json_t     *o = parse("{\"i\": 9007199254740993, \"r\": 1.5, \"whole\": 3.0, \"b\": true, \"s\": \"text\", \"n\": null}");
    int64_t     i;
    double      r;
    bool        b;
    const char *s;
    assert_int_equal(ds_json_int(o, "f", "i", 0, INT64_MIN, INT64_MAX, &i), DS_OK);
    assert_true(i == 9007199254740993); /* exact above 2^53 */
    assert_int_equal(ds_json_int(o, "f", "whole", 0, 0, 10, &i), DS_OK);
    assert_int_equal(i, 3);
    assert_int_equal(ds_json_real(o, "f", "r", 0, &r), DS_OK);
    assert_true(r == 1.5);
    assert_int_equal(ds_json_real(o, "f", "i", 0, &r), DS_OK);
    assert_int_equal(ds_json_bool(o, "f", "b", false, &b), DS_OK);
    assert_true(b);
    assert_int_equal(ds_json_str(o, "f", "s", NULL, &s), DS_OK);
    assert_string_equal(s, "text");
    json_decref(o);
}

static void absent_and_null_members_give_the_default(void **state)
{
    static const char *keys[] = { "absent", "n" };
    json_t            *o = parse("{\"n\": null}");
    for (int k = 0; k < 2; k++) {
        int64_t     i = 0;
        double      r = 0;
        bool        b = false;
        const char *s = NULL;
        assert_int_equal(ds_json_int(o, "f", keys[k], 100, 0, 1, &i), DS_OK);
        assert_int_equal(ds_json_real(o, "f", keys[k], 2.5, &r), DS_OK);
        assert_int_equal(ds_json_bool(o, "f", keys[k], true, &b), DS_OK);
        assert_int_equal(ds_json_str(o, "f", keys[k], "d", &s), DS_OK);
        assert_true(i == 100 && r == 2.5 && b);
        assert_string_equal(s, "d");
    }
    json_decref(o);
}

static void wrong_types_name_file_field_and_both_types(void **state)
{
    json_t     *o = parse("{\"a\": [], \"o\": {}, \"s\": \"1\", \"r\": 1.5, \"big\": 1e300, \"t\": true, \"i\": 1}");
    int64_t     i;
    double      r;
    bool        b;
    const char *s;
    assert_int_equal(ds_json_int(o, "config.json", "s", 0, 0, 9, &i), DS_E_FORMAT);
    assert_string_equal(ds_error(), "config.json: field \"s\" is a string, expected an integer");
    assert_int_equal(ds_json_int(o, "f", "r", 0, 0, 9, &i), DS_E_FORMAT);
    assert_int_equal(ds_json_int(o, "f", "big", 0, 0, 9, &i), DS_E_FORMAT);
    assert_int_equal(ds_json_int(o, "f", "t", 0, 0, 9, &i), DS_E_FORMAT);
    assert_int_equal(ds_json_int(o, "f", "i", 0, 2, 9, &i), DS_E_FORMAT);
    assert_string_equal(ds_error(), "f: field \"i\" is 1, expected 2 to 9");
    assert_int_equal(ds_json_real(o, "f", "a", 0, &r), DS_E_FORMAT);
    assert_int_equal(ds_json_bool(o, "f", "i", 0, &b), DS_E_FORMAT);
    assert_int_equal(ds_json_str(o, "f", "o", NULL, &s), DS_E_FORMAT);
    assert_string_equal(ds_error(), "f: field \"o\" is an object, expected a string");
    json_decref(o);
}

static void malformed_text(void **state)
{
    static const struct {
        const char *text;
        size_t      n;
    } bad[] = {
        { "", 0 },           { "{", 1 },         { "{\"a\": 1,}", 9 }, { "[1] x", 5 },
        { "{\"a\": NaN}", 10 }, { "\"\xff\"", 3 }, { "[\"\\u0000\"]", 10 }, { "[99999999999999999999]", 22 },
        { "[1e999]", 7 },    { "[\"\\ud800\"]", 10 }, { "[\0]", 3 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *v = (json_t *)state;
        if (ds_json_parse(&v, bad[i].text, bad[i].n, "bad.json") != DS_E_FORMAT || v)
            fail_msg("%s is taken for JSON", bad[i].text);
        assert_non_null(strstr(ds_error(), "bad.json: is not valid JSON: line"));
    }
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    json_t *v;
    assert_int_equal(ds_json_parse(&v, deep, sizeof deep, "deep.json"), DS_E_FORMAT);
}

static void files(void **state)
{
    char    path[] = "/tmp/deepseek-json-XXXXXX";
    int     fd = mkstemp(path);
    json_t *v;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(ds_json_load(&v, path), DS_E_FORMAT); /* empty */
    assert_null(v);
    assert_int_equal(ds_write_file(path, "[1, 2]", 6, true), DS_OK);
    assert_int_equal(ds_json_load(&v, path), DS_OK);
    assert_int_equal(json_array_size(v), 2);
    json_decref(v);
    unlink(path);
    assert_int_equal(ds_json_load(&v, path), DS_E_NOT_FOUND);
}

/* Every byte but those of UTF-8 characters, at every place in a word of eight, comes back from jansson. */
static void escaped_strings_come_back(void **state)
{
    for (int c = 1; c < 0x80; c++)
        for (int at = 0; at < 17; at++) {
            char   text[18] = "北京abc\"d\\efgh";
            ds_buf b = { 0 };
            json_t *v;
            text[at] = at < 6 ? text[at] : (char)c;
            size_t n = strlen(text);
            assert_int_equal(ds_buf_addc(&b, '"'), DS_OK);
            assert_int_equal(ds_json_escape(&b, text, n), DS_OK);
            assert_int_equal(ds_buf_addc(&b, '"'), DS_OK);
            v = json_loadb(b.data, b.len, JSON_DECODE_ANY, NULL);
            assert_non_null(v);
            assert_string_equal(json_string_value(v), text);
            json_decref(v);
            ds_buf_free(&b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typed_members),
        cmocka_unit_test(absent_and_null_members_give_the_default),
        cmocka_unit_test(wrong_types_name_file_field_and_both_types),
        cmocka_unit_test(malformed_text),
        cmocka_unit_test(files),
        cmocka_unit_test(escaped_strings_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
