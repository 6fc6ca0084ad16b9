/* The formats of tool calls, and lists of tools. */
#include "text/toolcall.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "text/grammar_schema.h"

#define HERMES                                                                                                                                      \
    .syntax = DS_TOOL_OBJECT, .begin = "", .before = "<tool_call>\n{\"name\": \"", .after_name = "\", \"arguments\": ", .after = "}\n</tool_call>", \
    .between = "\n", .end = "", .stem = "<tool_call>", .open = { "<tool_call>" }, .close = { "</tool_call>" }
#define DEEPSEEK                                                                                                                      \
    .syntax = DS_TOOL_HEADER, .native = true, .begin = DS_T_CALLS_BEGIN, .end = DS_T_CALLS_END, .stem = "<\xef\xbd\x9ctool\xe2\x96\x81" \
    "call", .open = { DS_T_CALLS_BEGIN, DS_T_CALL_BEGIN }, .close = { "```", DS_T_CALL_END, DS_T_CALLS_END }
#define MISTRAL .native = true, .stem = "[TOOL_CALLS]", .open = { "[TOOL_CALLS]" }

static const ds_tool_format formats[] = {
    { .name = "deepseek-v3", DEEPSEEK, .before = DS_T_CALL_BEGIN "function" DS_T_SEP, .after_name = "\n```json\n", .after = "\n```" DS_T_CALL_END,
      .between = "\n" },
    { .name = "deepseek-v3.1", DEEPSEEK, .before = DS_T_CALL_BEGIN, .after_name = DS_T_SEP, .after = DS_T_CALL_END, .between = "" },
    { .name = "hermes", .native = true, HERMES },
    { .name = "llama3", .native = true, .syntax = DS_TOOL_OBJECT, .bare = true, .begin = "", .before = "{\"name\": \"",
      .after_name = "\", \"parameters\": ", .after = "}", .between = "; ", .end = "", .open = { "<|python_tag|>" }, .close = { ";" } },
    { .name = "mistral", MISTRAL, .syntax = DS_TOOL_LIST, .space = true, .begin = "[TOOL_CALLS][", .before = "{\"name\": \"", .after_name = "\", \"arguments\": ",
      .after = "}", .between = ", ", .end = "]" },
    { .name = "mistral-args", MISTRAL, .syntax = DS_TOOL_LIST, .begin = "", .before = "[TOOL_CALLS]", .after_name = "[ARGS]", .after = "",
      .between = "", .end = "" },
    { .name = "generic", HERMES },
};

const ds_tool_format *ds_tool_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const char *ds_tool_format_guess(const char *s, size_t n)
{
#define SHOWS(mark) (memmem(s, n, mark, strlen(mark)) != NULL)
    if (SHOWS(DS_T_CALLS_BEGIN))
        return SHOWS("```json") ? "deepseek-v3" : "deepseek-v3.1";
    if (SHOWS("[TOOL_CALLS]"))
        return SHOWS("[ARGS]") ? "mistral-args" : "mistral";
    if (SHOWS("<tool_call>")) /* some have other things than JSON between these marks */
        return SHOWS("<function=") || SHOWS("<arg_key>") || SHOWS("<tool_calls>") ? "generic" : "hermes";
    if (SHOWS("<|start_header_id|>") && (SHOWS("\"parameters\": ") || SHOWS("\\\"parameters\\\": ")))
        return "llama3";
    return "generic";
#undef SHOWS
}

bool ds_tool_is_mark(const char *s, size_t n)
{
    static const char *const mark[] = { "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", DS_T_CALLS_BEGIN, DS_T_CALL_BEGIN,
                                        DS_T_SEP, DS_T_CALL_END, DS_T_CALLS_END };
    for (size_t i = 0; i < sizeof mark / sizeof *mark; i++)
        if (strlen(mark[i]) == n && memcmp(mark[i], s, n) == 0)
            return true;
    return false;
}

/* ---- lists ---- */

bool ds_tool_name_valid(const char *name, size_t n)
{
    if (n < 1 || n > DS_MAX_TOOL_NAME)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

const json_t *ds_tools_function(const ds_tools *t, size_t i)
{
    return json_object_get(json_array_get(t->list, i), "function");
}

const char *ds_tools_format(const ds_tools *t)
{
    return t->format->name;
}

int64_t ds_tools_count(const ds_tools *t)
{
    return (int64_t)json_array_size(t->list);
}

const char *ds_tools_name(const ds_tools *t, int64_t i)
{
    return json_string_value(json_object_get(ds_tools_function(t, (size_t)i), "name"));
}

bool ds_tools_allow(const ds_tools *t, const char *name, size_t n)
{
    if (!t->list)
        return ds_tool_name_valid(name, n);
    for (int64_t i = 0; i < ds_tools_count(t); i++) {
        const char *its = ds_tools_name(t, i);
        if (strlen(its) == n && memcmp(its, name, n) == 0)
            return true;
    }
    return false;
}

json_t *ds_tools_schema(const json_t *function)
{
    json_t *given = json_object_get(function, "parameters");
    if (!given || json_is_null(given))
        return json_pack("{s:s, s:{}}", "type", "object", "properties");
    json_t *copy = json_copy(given);
    if (copy && !json_object_get(copy, "type") && json_object_set_new(copy, "type", json_string("object")) != 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

/* A schema that sampling cannot keep to is fine here: it hinders ds_tools_grammar only. */
static ds_status check_schema(const json_t *function)
{
    json_t *schema = ds_tools_schema(function), *names = json_object();
    ds_gbuild b = { 0 };
    int32_t   rule = ds_g_rule_new(&b, "arguments", 9);
    ds_status st = schema && names ? ds_gbnf_add(&b, ds_gbnf_json, names) : ds_fail_nomem(0);
    if (st == DS_OK)
        st = ds_schema_add(&b, schema, names, rule);
    ds_gbuild_free(&b);
    json_decref(schema);
    json_decref(names);
    return st == DS_E_UNSUPPORTED ? DS_OK : st;
}

static ds_status check_parameters(const json_t *function)
{
    const json_t *p = json_object_get(function, "parameters"), *type = json_object_get(p, "type");
    if (!p || json_is_null(p))
        return DS_OK;
    if (!json_is_object(p))
        return ds_fail(DS_E_FORMAT, "is %s, expected a JSON schema (an object)", ds_json_type_name(p));
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "object") != 0))
        return ds_fail(DS_E_FORMAT, "\"type\" is %s%s%s, expected \"object\": arguments have names", json_is_string(type) ? "\"" : "",
                       json_is_string(type) ? json_string_value(type) : ds_json_type_name(type), json_is_string(type) ? "\"" : "");
    return check_schema(function);
}

static ds_status check_name(const ds_tools *t, size_t i, const json_t *name)
{
    const char *s = json_string_value(name);
    if (!s)
        return ds_fail(DS_E_FORMAT, "tools[%zu].function.name: is %s, expected a string", i, name ? ds_json_type_name(name) : "missing");
    if (!ds_tool_name_valid(s, strlen(s)))
        return ds_fail(DS_E_FORMAT, "tools[%zu].function.name: is \"%.80s\", expected 1 to %d letters, digits, - and _", i, s, DS_MAX_TOOL_NAME);
    for (size_t k = 0; k < i; k++)
        if (strcmp(ds_tools_name(t, (int64_t)k), s) == 0)
            return ds_fail(DS_E_FORMAT, "tools[%zu].function.name: is \"%s\", which tools[%zu] is called already", i, s, k);
    return DS_OK;
}

static ds_status check_tool(const ds_tools *t, size_t i)
{
    const json_t *one = json_array_get(t->list, i), *function = json_object_get(one, "function"), *type = json_object_get(one, "type");
    const json_t *about = json_object_get(function, "description");
    if (!json_is_object(one))
        return ds_fail(DS_E_FORMAT, "tools[%zu]: is %s, expected an object", i, ds_json_type_name(one));
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "function") != 0))
        return ds_fail(DS_E_FORMAT, "tools[%zu].type: is %.40s, expected \"function\"", i,
                       json_is_string(type) ? json_string_value(type) : ds_json_type_name(type));
    if (!json_is_object(function))
        return ds_fail(DS_E_FORMAT, "tools[%zu].function: is %s, expected an object", i, function ? ds_json_type_name(function) : "missing");
    DS_TRY(check_name(t, i, json_object_get(function, "name")));
    if (about && !json_is_string(about) && !json_is_null(about))
        return ds_fail(DS_E_FORMAT, "tools[%zu].function.description: is %s, expected a string", i, ds_json_type_name(about));
    ds_status st = check_parameters(function);
    return st == DS_OK ? st : ds_fail_in(st, "tools[%zu].function.parameters", i);
}

static ds_status read_list(ds_tools *t, const char *tools)
{
    DS_TRY(ds_json_parse(&t->list, tools, strlen(tools), "tools"));
    size_t n = json_array_size(t->list);
    if (!json_is_array(t->list))
        return ds_fail(DS_E_FORMAT, "tools: is %s, expected an array", ds_json_type_name(t->list));
    if (n > DS_MAX_TOOLS)
        return ds_fail(DS_E_FORMAT, "tools: has %zu entries, expected at most %d", n, DS_MAX_TOOLS);
    for (size_t i = 0; i < n; i++)
        DS_TRY(check_tool(t, i));
    return DS_OK;
}

ds_status ds_tools_open(ds_tools **out, const char *tools, const char *format)
{
    const ds_tool_format *f = ds_tool_format_find(format ? format : "generic");
    *out = NULL;
    if (!f)
        return ds_fail(DS_E_ARG, "no form of tool calls \"%s\": there are deepseek-v3, deepseek-v3.1, hermes, llama3, mistral, mistral-args and "
                       "generic", format);
    ds_tools *t = *out = ds_calloc(1, sizeof *t);
    if (!t)
        return DS_E_NOMEM;
    t->format = f;
    ds_status st = tools ? read_list(t, tools) : DS_OK;
    if (st != DS_OK)
        ds_tools_close(out);
    return st;
}

void ds_tools_close(ds_tools **t)
{
    if (!t || !*t)
        return;
    json_decref((*t)->list);
    ds_free(*t);
    *t = NULL;
}
