/* Prompts with tools: what a template expects of messages that hold calls, and the text for templates that know no tools. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "text/toolcall.h"

/* ---- templates that know tools ---- */

/* Whether the template wants arguments as an object, not as JSON text: it is tried with a call. */
static bool wants_objects(const ds_chat_template *chat)
{
    static const char probe[] =
        "[{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"call00001\", "
        "\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": {\"needle\": 1}}}]}]";
    ds_chat_opts o = DS_CHAT_OPTS;
    char        *text;
    o.add_generation_prompt = false;
    if (ds_chat_render(chat, probe, &o, &text, NULL) != DS_OK)
        return false;
    bool json = strstr(text, "\"needle\": 1") || strstr(text, "\"needle\":1");
    ds_free(text);
    return json;
}

/* A call's arguments in the form that is wanted. */
static ds_status convert_arguments(json_t *function, bool object, const char *where)
{
    json_t *a = json_object_get(function, "arguments"), *b = NULL;
    if (json_is_string(a) && object) {
        const char *s = json_string_value(a);
        DS_TRY(ds_json_parse(&b, *s ? s : "{}", *s ? strlen(s) : 2, where));
    } else if (json_is_object(a) && !object) {
        char *s = json_dumps(a, 0);
        b = s ? json_string(s) : NULL;
        ds_free(s);
        if (!b)
            return ds_fail_nomem(0);
    }
    return !b || json_object_set_new(function, "arguments", b) == 0 ? DS_OK : ds_fail_nomem(0);
}

static ds_status convert_calls(json_t *messages, bool object)
{
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *list = json_object_get(json_array_get(messages, i), "tool_calls");
        for (size_t k = 0; k < json_array_size(list); k++) {
            char where[120];
            snprintf(where, sizeof where, "messages[%zu].tool_calls[%zu].function.arguments", i, k);
            DS_TRY(convert_arguments(json_object_get(json_array_get(list, k), "function"), object, where));
        }
    }
    return DS_OK;
}

/* ---- the generic form ---- */

static const char intro[] = "You may call functions. Each line describes one, in JSON:\n";
static const char rules[] = "To call a function, end your answer with its name and its arguments as JSON, in exactly this form:\n"
                            "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"ARGUMENT\": VALUE}}\n</tool_call>\n"
                            "Several calls may follow each other. What the functions return comes in the next message, between <tool_response> "
                            "and </tool_response>.";

static ds_status describe(const ds_tools *t, ds_buf *out)
{
    DS_TRY(ds_buf_adds(out, intro));
    for (size_t i = 0; i < json_array_size(t->list); i++) {
        char *s = json_dumps(ds_tools_function(t, i), 0);
        if (!s)
            return ds_fail_nomem(0);
        ds_status st = ds_buf_printf(out, "%s\n", s);
        ds_free(s);
        DS_TRY(st);
    }
    return ds_buf_adds(out, rules);
}

static const char *role_of(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role ? role : "";
}

/* Text of a message; content in parts gives its text parts. */
static ds_status add_content(const json_t *message, ds_buf *out)
{
    const json_t *c = json_object_get(message, "content");
    if (json_is_string(c))
        return ds_buf_adds(out, json_string_value(c));
    for (size_t i = 0; i < json_array_size(c); i++) {
        const char *s = json_string_value(json_object_get(json_array_get(c, i), "text"));
        if (s)
            DS_TRY(ds_buf_adds(out, s));
    }
    return DS_OK;
}

static ds_status add_calls(const json_t *message, ds_buf *out)
{
    const ds_tool_format *f = ds_tool_format_find("generic");
    const json_t         *list = json_object_get(message, "tool_calls");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *function = json_object_get(json_array_get(list, i), "function"), *a = json_object_get(function, "arguments");
        const char   *name = json_string_value(json_object_get(function, "name"));
        char         *text = json_is_string(a) ? ds_strdup(json_string_value(a)) : a ? json_dumps(a, 0) : ds_strdup("{}");
        ds_status     st = name ? DS_OK : ds_fail(DS_E_FORMAT, "messages: tool_calls[%zu].function.name is missing", i);
        if (st == DS_OK)
            st = text ? ds_buf_printf(out, "%s%s%s%s%s%s", out->len ? f->between : "", f->before, name, f->after_name, text, f->after)
                      : ds_fail_nomem(0);
        ds_free(text);
        DS_TRY(st);
    }
    return DS_OK;
}

static ds_status set_text(json_t *list, const char *role, ds_buf *text)
{
    json_t *m = json_pack("{s:s, s:s%}", "role", role, "content", text->data ? text->data : "", text->len);
    ds_buf_clear(text);
    return m && json_array_append_new(list, m) == 0 ? DS_OK : ds_fail_nomem(0);
}

/* Message i, or the results of calls from i on, which become one message of the user. *i moves on. */
static ds_status add_plain(const json_t *messages, size_t *i, json_t *out, ds_buf *text)
{
    json_t *m = json_array_get(messages, *i);
    if (strcmp(role_of(m), "tool") == 0) {
        for (; strcmp(role_of(json_array_get(messages, *i)), "tool") == 0; ++*i) {
            DS_TRY(ds_buf_adds(text, text->len ? "\n<tool_response>\n" : "<tool_response>\n"));
            DS_TRY(add_content(json_array_get(messages, *i), text));
            DS_TRY(ds_buf_adds(text, "\n</tool_response>"));
        }
        return set_text(out, "user", text);
    }
    ++*i;
    if (json_array_size(json_object_get(m, "tool_calls")) == 0)
        return json_array_append(out, m) == 0 ? DS_OK : ds_fail_nomem(0);
    DS_TRY(add_content(m, text));
    DS_TRY(add_calls(m, text));
    return set_text(out, "assistant", text);
}

static ds_status make_plain(const ds_tools *t, const json_t *messages, json_t *out, ds_buf *text)
{
    size_t i = 0;
    if (ds_tools_count(t)) { /* the system message, or one of our own */
        const json_t *first = json_array_get(messages, 0);
        bool          system = strcmp(role_of(first), "system") == 0 || strcmp(role_of(first), "developer") == 0;
        DS_TRY(add_content(system ? first : NULL, text));
        DS_TRY(ds_buf_adds(text, text->len ? "\n\n" : ""));
        DS_TRY(describe(t, text));
        DS_TRY(set_text(out, "system", text));
        i = system;
    }
    while (i < json_array_size(messages))
        DS_TRY(add_plain(messages, &i, out, text));
    return DS_OK;
}

/* ---- both ---- */

static ds_status render_json(const ds_chat_template *chat, const json_t *messages, const ds_chat_opts *o, char **text, size_t *n)
{
    char *s = json_dumps(messages, 0);
    if (!s)
        return ds_fail_nomem(0);
    ds_status st = ds_chat_render(chat, s, o, text, n);
    ds_free(s);
    return st;
}

static ds_status render_native(const ds_tools *t, const ds_chat_template *chat, json_t *messages, ds_chat_opts *o, char **text, size_t *n)
{
    char *list = ds_tools_count(t) ? json_dumps(t->list, 0) : NULL;
    if (ds_tools_count(t) && !list)
        return ds_fail_nomem(0);
    o->tools = list;
    ds_status st = convert_calls(messages, wants_objects(chat));
    if (st == DS_OK)
        st = render_json(chat, messages, o, text, n);
    ds_free(list);
    return st;
}

static ds_status render_generic(const ds_tools *t, const ds_chat_template *chat, const json_t *messages, ds_chat_opts *o, char **text, size_t *n)
{
    json_t   *plain = json_array();
    ds_buf    work = { 0 };
    o->tools = NULL;
    ds_status st = plain ? make_plain(t, messages, plain, &work) : ds_fail_nomem(0);
    if (st == DS_OK)
        st = render_json(chat, plain, o, text, n);
    ds_buf_free(&work);
    json_decref(plain);
    return st;
}

ds_status ds_tools_render(const ds_tools *t, const ds_chat_template *chat, const char *messages, const ds_chat_opts *opts, char **text, size_t *n)
{
    ds_chat_opts o;
    json_t      *list;
    *text = NULL;
    ds_chat_opts_init(&o);
    DS_TRY(ds_options_take(&o, sizeof o, opts, "ds_chat_opts"));
    DS_TRY(ds_json_parse(&list, messages, strlen(messages), "messages"));
    ds_status st = !json_is_array(list) ? ds_fail(DS_E_FORMAT, "messages: found %s, expected an array", ds_json_type_name(list))
                   : t->format->native  ? render_native(t, chat, list, &o, text, n)
                                        : render_generic(t, chat, list, &o, text, n);
    json_decref(list);
    return st;
}
