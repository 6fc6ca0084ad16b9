#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "deepseek/grammar.h"

static ds_status compile(ds_grammar **g, const char *schema)
{
    return ds_grammar_from_json_schema(g, NULL, schema, strlen(schema));
}

static int count_wrong(const ds_grammar *g, const json_t *texts, bool expected, const char *schema)
{
    int wrong = 0;
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *t = json_string_value(json_array_get(texts, i));
        bool        m;
        assert_int_equal(ds_grammar_matches(g, t, strlen(t), &m), DS_OK);
        if (m != expected) {
            print_error("%s\n  jsonschema %s: %s\n", schema, expected ? "accepts" : "refuses", t);
            wrong++;
        }
    }
    return wrong;
}

/* Python's jsonschema has judged: tests/golden/grammar_schemas.py. */
static void as_jsonschema_does(void **state)
{
    json_t *all;
    int     wrong = 0;
    size_t  valid = 0, invalid = 0;
    assert_int_equal(ds_json_load(&all, DS_TEST_DIR "/golden/grammar_schemas.json"), DS_OK);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *c = json_array_get(all, i);
        char         *text = json_dumps(json_object_get(c, "schema"), JSON_COMPACT);
        ds_grammar   *g;
        if (compile(&g, text) != DS_OK)
            fail_msg("%s: %s", text, ds_error());
        wrong += count_wrong(g, json_object_get(c, "valid"), true, text);
        wrong += count_wrong(g, json_object_get(c, "invalid"), false, text);
        valid += json_array_size(json_object_get(c, "valid"));
        invalid += json_array_size(json_object_get(c, "invalid"));
        ds_grammar_free(&g);
        free(text);
    }
    assert_true(json_array_size(all) >= 300 && valid > 500 && invalid > 500);
    json_decref(all);
    assert_int_equal(wrong, 0);
}

static void texts(void **state)
{
    static const struct {
        const char *schema, *yes[6], *no[8];
    } cases[] = {
        { "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {}}, \"required\": [\"b\"]}",
          { "{\"b\":1}", "{\"a\": -3, \"b\": [{\"x\":null}]}" }, { "{}", "{\"a\":1}", "{\"b\":1,\"a\":1}", "{\"b\":1,\"c\":1}", "{ \"b\":1}", "{\"b\":1} " } },
        { "{\"type\": \"object\", \"properties\": {\"ab\": {\"const\": 1}}, \"additionalProperties\": {\"type\": \"null\"}}",
          { "{}", "{\"ab\":1}", "{\"ab\":1,\"a\":null}", "{\"abc\":null,\"\":null}", "{\"b\":null}" },
          { "{\"ab\":null}", "{\"a\":null,\"ab\":1}", "{\"\\u0061b\":null}" } },
        { "{\"type\": \"integer\", \"minimum\": -12, \"exclusiveMaximum\": 105}", { "-12", "0", "99", "104", "-1" }, { "-13", "105", "-0", "01", "1.0" } },
        { "{\"type\": \"number\", \"minimum\": 0.25, \"maximum\": 2}", { "0.25", "1", "2", "1.999", "0.99" }, { "0.2", "2.1", "2.00001", "0", "-1" } },
        { "{\"type\": \"number\", \"exclusiveMinimum\": 0, \"maximum\": 1}", { "1", "0.001", "0.5" }, { "0", "0.0", "1.1", "-0.5" } },
        { "{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}", { "\"ab\"", "\"\xe4\xbd\xa0\\n\\u00e9\"" }, { "\"a\"", "\"abcd\"", "\"\\ud800a\"" } },
        { "{\"type\": \"string\", \"pattern\": \"^[\\\"a]{2}$\"}", { "\"a\\\"\"", "\"aa\"" }, { "\"\"a\"", "\"a\"" } },
        { "{\"type\": \"string\", \"pattern\": \"^a{0}b{1}c{2,}d{2,2}$\"}", { "\"bccdd\"", "\"bcccdd\"" },
          { "\"abccdd\"", "\"bcdd\"", "\"ccdd\"", "\"bbccdd\"", "\"bccd\"", "\"bccddd\"" } },
        { "{\"type\": \"string\", \"pattern\": \"^ab?c+d*$\"}", { "\"ac\"", "\"abccdd\"" }, { "\"abbc\"", "\"ab\"", "\"ad\"" } },
        { "{\"type\": \"string\", \"pattern\": \"^a{,2}b{$\"}", { "\"a{,2}b{\"" }, { "\"aab{\"", "\"b{\"" } },
        { "{\"type\": \"string\", \"pattern\": \"^a{2,3}$\", \"minLength\": 2, \"maxLength\": 3}", { "\"aa\"", "\"aaa\"" }, { "\"a\"", "\"aaaa\"" } },
        { "{\"type\": \"string\", \"pattern\": \"^(a*){0}b$\", \"maxLength\": 1}", { "\"b\"" }, { "\"ab\"" } },
        { "{\"anyOf\": [{\"type\": \"string\", \"minLength\": 3, \"maxLength\": 2}, {\"const\": 1}]}", { "1" }, { "\"ab\"", "\"abc\"" } },
        { "{\"type\": \"string\", \"minLength\": 0, \"maxLength\": 0}", { "\"\"" }, { "\"a\"" } },
        { "{\"type\": \"string\", \"pattern\": \"b+\"}", { "\"b\"", "\"abbc\"" }, { "\"a\"" } },
        { "{\"type\": \"string\", \"format\": \"date\"}", { "\"2024-12-31\"", "\"1999-02-28\"" }, { "\"2024-02-30\"", "\"2024-13-01\"" } },
        { "{\"type\": \"array\", \"items\": {\"type\": \"boolean\"}, \"minItems\": 1, \"maxItems\": 2}", { "[true]", "[true, false]" },
          { "[]", "[true,true,true]", "[1]", "[true,]" } },
        { "{\"type\": \"array\", \"items\": {\"const\": 1}, \"minItems\": 2}", { "[1,1]", "[1,1,1]" }, { "[]", "[1]" } },
        { "{\"type\": \"array\", \"items\": {\"const\": 1}, \"maxItems\": 0}", { "[]" }, { "[1]" } },
        { "{\"type\": \"array\", \"items\": {\"const\": 1}, \"minItems\": 2, \"maxItems\": 2}", { "[1,1]" }, { "[]", "[1]", "[1,1,1]" } },
        { "{\"anyOf\": [{\"type\": \"array\", \"minItems\": 2, \"maxItems\": 1}, {\"const\": 1}]}", { "1" }, { "[]", "[1]", "[1,1]" } },
        { "{\"type\": \"array\", \"items\": false}", { "[]" }, { "[1]" } },
        { "{\"anyOf\": [{\"type\": \"array\", \"items\": false, \"minItems\": 1}, {\"const\": 1}]}", { "1" }, { "[]", "[1]" } },
        { "{\"type\": \"array\", \"uniqueItems\": true, \"maxItems\": 1, \"items\": {\"const\": 1}}", { "[]", "[1]" }, { "[1,1]" } },
        { "{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"items\": {\"const\": 3}, \"minItems\": 3, \"maxItems\": 4}",
          { "[1,2,3]", "[1,2,3,3]" }, { "[]", "[1,2]", "[1,2,3,3,3]" } },
        { "{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"items\": {\"const\": 3}, \"maxItems\": 1}", { "[]", "[1]" }, { "[1,2]" } },
        { "{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"items\": false, \"minItems\": 2}", { "[1,2]" }, { "[1]", "[1,2,3]" } },
        { "{\"anyOf\": [{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}], \"minItems\": 2}, {\"const\": 1}]}", { "1" }, { "[1]", "[]" } },
        { "{\"type\": \"string\", \"minLength\": 1}", { "\"a\"", "\"ab\"" }, { "\"\"" } },
        { "{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"items\": {\"const\": 3}, \"minItems\": 1}",
          { "[1]", "[1,2]", "[1,2,3,3]" }, { "[]", "[2]", "[1,3]" } },
        { "{\"$defs\": {\"t\": {\"type\": \"object\", \"properties\": {\"l\": {\"$ref\": \"#/$defs/t\"}}}}, \"$ref\": \"#/$defs/t\"}",
          { "{}", "{\"l\":{\"l\":{}}}" }, { "{\"l\":1}" } },
        { "{\"type\": \"object\", \"properties\": {\"self\": {\"$ref\": \"#\"}, \"x\": false}}", { "{\"self\":{}}" }, { "{\"x\":1}" } },
        { "{\"type\": [\"string\", \"null\"], \"enum\": [\"a\", null, 3]}", { "\"a\"", "null" }, { "3" } },
        { "{\"allOf\": [{\"$ref\": \"#/definitions/a\"}, {\"properties\": {\"b\": {\"type\": \"null\"}}, \"required\": [\"b\"]}], "
          "\"definitions\": {\"a\": {\"type\": \"object\", \"properties\": {\"a\": {\"const\": 1}}, \"required\": [\"a\"]}}}",
          { "{\"a\":1,\"b\":null}" }, { "{\"a\":1}", "{\"b\":null}" } },
        { "{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"k\": {\"const\": \"x\"}}, \"required\": [\"k\"]}, "
          "{\"type\": \"object\", \"properties\": {\"k\": {\"const\": \"y\"}, \"v\": true}, \"required\": [\"k\"]}]}",
          { "{\"k\":\"x\"}", "{\"k\":\"y\",\"v\":0}" }, { "{\"k\":\"x\",\"v\":0}" } },
        { "{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 2}", { "{\"a\":1}", "{\"a\":1,\"b\":2}" }, { "{}", "{\"a\":1,\"b\":1,\"c\":1}" } },
        { "{\"type\": \"object\", \"maxProperties\": 0}", { "{}" }, { "{\"a\":1}" } },
        { "{\"type\": \"object\", \"minProperties\": 2}", { "{\"a\":1,\"b\":1}", "{\"a\":1,\"b\":1,\"c\":1}" }, { "{}", "{\"a\":1}" } },
        { "{\"type\": \"object\", \"maxProperties\": 1}", { "{}", "{\"a\":1}" }, { "{\"a\":1,\"b\":1}" } },
        { "{\"type\": \"object\", \"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 1}}, \"required\": [\"a\"], \"additionalProperties\": false, "
          "\"minProperties\": 1, \"maxProperties\": 2}", { "{\"a\":1}", "{\"a\":1,\"b\":1}" }, { "{}", "{\"b\":1}" } },
        { "{}", { "1", "\"x\"", "{}" }, { "" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ds_grammar *g;
        if (compile(&g, cases[i].schema) != DS_OK)
            fail_msg("%s: %s", cases[i].schema, ds_error());
        for (int k = 0; k < 14; k++) {
            const char *t = k < 6 ? cases[i].yes[k] : cases[i].no[k - 6];
            bool        m;
            if (t && (ds_grammar_matches(g, t, strlen(t), &m) != DS_OK || m != (k < 6)))
                fail_msg("%s: %s", cases[i].schema, t);
        }
        ds_grammar_free(&g);
    }
}

static void errors(void **state)
{
    static const struct {
        const char *schema;
        ds_status   status;
        const char *words;
    } cases[] = {
        { "{", DS_E_FORMAT, "JSON schema: is not valid JSON" },
        { "[3]", DS_E_FORMAT, "JSON schema: #: is an array" },
        { "{\"type\": \"text\"}", DS_E_FORMAT, "#: \"type\" is \"text\"" },
        { "{\"properties\": {\"a/b\": {\"items\": {\"not\": {}}}}}", DS_E_UNSUPPORTED, "#/properties/a~1b/items: \"not\" is not supported" },
        { "{\"anyOf\": [true, {\"$ref\": \"#/nowhere\"}]}", DS_E_FORMAT, "there is no such place" },
        { "{\"items\": {\"$ref\": \"\"}}", DS_E_UNSUPPORTED, "#/items: \"$ref\" is \"\"" },
        { "{\"$ref\": \"http://example.org/s\"}", DS_E_UNSUPPORTED, "only places in the same schema" },
        { "{\"$ref\": \"#\"}", DS_E_FORMAT, "derives no finite text" },
        { "{\"type\": \"object\", \"$ref\": \"#\"}", DS_E_BUDGET, "contains itself without end" },
        { "{\"type\": \"object\", \"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}", DS_E_FORMAT, "derives no finite text" },
        { "{\"enum\": []}", DS_E_FORMAT, "derives no finite text" },
        { "{\"$defs\": {\"x\": {\"type\": \"array\", \"uniqueItems\": true}}, \"items\": {\"$ref\": \"#/$defs/x\"}}", DS_E_UNSUPPORTED, "#/$defs/x: \"uniqueItems\"" },
        { "{\"type\": \"string\", \"pattern\": \"(?=a)\"}", DS_E_UNSUPPORTED, "the pattern \"(?=a)\", at its character 2: look-around" },
        { "{\"type\": \"string\", \"pattern\": \"a(b\"}", DS_E_FORMAT, ") was expected" },
        { "{\"type\": \"string\", \"pattern\": \"a+\", \"maxLength\": 3}", DS_E_UNSUPPORTED, "\"maxLength\" beside \"pattern\"" },
        { "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", DS_E_UNSUPPORTED, "schemas 0 and 1 of \"oneOf\" may both hold" },
        { "{\"type\": \"array\", \"minItems\": 1000002}", DS_E_BUDGET, "is repeated 1000001 times: at most 1000000" },
        { "{\"type\": \"string\", \"minLength\": 1000001}", DS_E_BUDGET, "is repeated 1000001 times: at most 1000000" },
        { "{\"type\": \"string\", \"maxLength\": 1000001}", DS_E_BUDGET, "is repeated 1000001 times: at most 1000000" },
        { "{\"type\": \"string\", \"minLength\": 3, \"maxLength\": 1e300}", DS_E_BUDGET, "at most 1000000" },
        { "{\"type\": \"string\", \"pattern\": \"a{1000001}\"}", DS_E_BUDGET, "is repeated 1000001 times: at most 1000000" },
        { "{\"type\": \"string\", \"pattern\": \"a{1500000,}\"}", DS_E_BUDGET, "is repeated 1500000 times: at most 1000000" },
        { "{\"type\": \"string\", \"pattern\": \"a{18446744073709551617}\"}", DS_E_BUDGET, "at most 1000000" },
        { "{\"type\": \"string\", \"pattern\": \"a{3,2}\"}", DS_E_FORMAT, "at least 3 and at most 2 times is never" },
        { "{\"type\": \"string\", \"pattern\": \"a{1,0}\"}", DS_E_FORMAT, "at least 1 and at most 0 times is never" },
        { "{\"type\": \"string\", \"pattern\": \"^a{2,3}$\", \"minLength\": 3}", DS_E_UNSUPPORTED, "\"minLength\" beside \"pattern\"" },
        { "{\"type\": \"string\", \"pattern\": \"^a{2,3}$\", \"maxLength\": 2}", DS_E_UNSUPPORTED, "\"maxLength\" beside \"pattern\"" },
        { "{\"type\": \"string\", \"minLength\": -1}", DS_E_FORMAT, "\"minLength\" is not a whole number" },
        { "{\"type\": \"string\", \"maxLength\": 1.5}", DS_E_FORMAT, "\"maxLength\" is not a whole number" },
        { "{\"type\": \"array\", \"uniqueItems\": true, \"maxItems\": 2}", DS_E_UNSUPPORTED, "\"uniqueItems\"" },
        { "{\"properties\": {\"a\": true}, \"required\": [\"a\"], \"minProperties\": 2}", DS_E_UNSUPPORTED, "\"minProperties\" is not supported" },
        { "{\"properties\": {\"a\": true, \"b\": true}, \"additionalProperties\": false, \"maxProperties\": 1}", DS_E_UNSUPPORTED, "\"maxProperties\" is not" },
        { "{\"type\": \"number\", \"multipleOf\": 0.1}", DS_E_UNSUPPORTED, "\"multipleOf\"" },
        { "{\"enum\": [1, 2], \"minimum\": 2}", DS_E_UNSUPPORTED, "\"minimum\" beside \"enum\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ds_grammar *g;
        ds_status   st = compile(&g, cases[i].schema);
        assert_null(g);
        if (st != cases[i].status || !strstr(ds_error(), cases[i].words))
            fail_msg("%s: %d %s", cases[i].schema, st, ds_error());
    }
}

/* A million is the most. */
static void a_million(void **state)
{
    static const char *const schema[] = { "{\"type\": \"string\", \"minLength\": 1000000}", "{\"type\": \"string\", \"maxLength\": 1000000}",
                                          "{\"type\": \"string\", \"pattern\": \"^a{1000000}$\"}", "{\"type\": \"array\", \"minItems\": 1000001}" };
    for (size_t i = 0; i < sizeof schema / sizeof *schema; i++) {
        ds_grammar *g;
        if (compile(&g, schema[i]) != DS_OK)
            fail_msg("%s: %s", schema[i], ds_error());
        ds_grammar_free(&g);
    }
}

/* Work is bounded: what explodes ends in an answer or in an error. */
static void bounds(void **state)
{
    static const char *const schema[] = {
        "{\"type\": \"string\", \"pattern\": \"^(a|b)*a(a|b){500}$\"}",
        "{\"type\": \"string\", \"pattern\": \"^(((a{0,100}){0,100}){0,100}){0,100}$\"}",
        "{\"type\": \"string\", \"pattern\": \"^((a+)+)+$\"}",
        "{\"type\": \"string\", \"minLength\": 1000000}",
        "{\"allOf\": [{\"anyOf\": [{\"$ref\": \"#\"}, true]}, {\"anyOf\": [{\"$ref\": \"#\"}, true]}]}",
    };
    char text[402] = "\"";
    for (int i = 1; i < 401; i++)
        text[i] = "ab"[(i * i / 7) % 2];
    for (size_t i = 0; i < sizeof schema / sizeof *schema; i++) {
        ds_grammar *g;
        bool        m;
        ds_status   st = compile(&g, schema[i]);
        if (st == DS_OK) {
            st = ds_grammar_matches(g, text, 401, &m);
            assert_true(st == DS_E_BUDGET || (st == DS_OK && !m));
        } else {
            assert_true(st == DS_E_BUDGET || st == DS_E_FORMAT);
        }
        ds_grammar_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_jsonschema_does),
        cmocka_unit_test(texts),
        cmocka_unit_test(errors),
        cmocka_unit_test(a_million),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
