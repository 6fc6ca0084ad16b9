/* Prompts with tools: what a template expects of messages that hold calls, and the text for templates that know no tools. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/str.h"
#include "text/toolcall.h"

/* ---- templates that know tools ---- */

/* What a template expects of a message with calls. */
typedef struct style {
    bool object; /* arguments as an object, not as JSON text */
    bool null;   /* content null where there is no text, not "" */
} style;

static bool shows_call(const ds_chat_template *chat, style s)
{
    ds_chat_opts o = DS_CHAT_OPTS;
    char        *text = NULL, messages[400];
    o.add_generation_prompt = false;
    snprintf(messages, sizeof messages,
             "[{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"assistant\", \"content\": %s, \"tool_calls\": [{\"id\": \"call00001\", "
             "\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": %s}}]}]",
             s.null ? "null" : "\"\"", s.object ? "{\"needle\": 1}" : "\"{\\\"needle\\\": 1}\"");
    bool shown = ds_chat_render(chat, messages, &o, &text, NULL) == DS_OK && (strstr(text, "\"needle\": 1") || strstr(text, "\"needle\":1"));
    ds_free(text);
    return shown;
}

/* Tried with a call: the first style in which its arguments come out as JSON. */
static style find_style(const ds_chat_template *chat)
{
    static const style known[] = { { true, false }, { true, true }, { false, false }, { false, true } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (shows_call(chat, known[i]))
            return known[i];
    return (style){ false, false };
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

static ds_status convert_message(json_t *message, size_t i, style s)
{
    const json_t *list = json_object_get(message, "tool_calls"), *content = json_object_get(message, "content");
    bool          empty = !json_is_array(content) && (!json_is_string(content) || !json_string_length(content));
    if (json_array_size(list) && empty && json_object_set_new(message, "content", s.null ? json_null() : json_string("")) != 0)
        return ds_fail_nomem(0);
    for (size_t k = 0; k < json_array_size(list); k++) {
        char where[120];
        snprintf(where, sizeof where, "messages[%zu].tool_calls[%zu].function.arguments", i, k);
        DS_TRY(convert_arguments(json_object_get(json_array_get(list, k), "function"), s.object, where));
    }
    return DS_OK;
}

static ds_status convert_messages(json_t *messages, style s)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        DS_TRY(convert_message(json_array_get(messages, i), i, s));
    return DS_OK;
}

/* ---- the generic form ---- */

/* The text that tells of the tools, and asks for calls in the format's form. */
static ds_status describe(const ds_tools *t, ds_buf *out)
{
    const ds_tool_format *f = t->format;
    DS_TRY(ds_buf_adds(out, "You may call functions. Each line describes one, in JSON:\n"));
    for (size_t i = 0; i < json_array_size(t->list); i++) {
        char *s = json_dumps(ds_tools_function(t, i), 0);
        if (!s)
            return ds_fail_nomem(0);
        ds_status st = ds_buf_printf(out, "%s\n", s);
        ds_free(s);
        DS_TRY(st);
    }
    DS_TRY(ds_buf_adds(out, "To call a function, end your answer with its name and its arguments as JSON, in exactly this form:\n"));
    DS_TRY(ds_buf_printf(out, "%s%sNAME%s{\"ARGUMENT\": VALUE}%s%s\n", f->begin, f->before, f->after_name, f->after, f->end));
    return ds_buf_printf(out, "Several calls may follow each other. What the functions return comes in the next message%s.",
                         f->native ? "" : ", between <tool_response> and </tool_response>");
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

/* The text about the tools, in the first message of that role, or in one of its own in front. */
static ds_status add_tools(const ds_tools *t, json_t *list, bool system, ds_buf *text)
{
    json_t *first = json_array_get(list, 0);
    bool    there = strcmp(role_of(first), "system") == 0 || strcmp(role_of(first), "developer") == 0;
    if (!system)
        there = strcmp(role_of(first), "user") == 0;
    if (system && there) {
        DS_TRY(add_content(first, text));
        DS_TRY(ds_buf_adds(text, text->len ? "\n\n" : ""));
    }
    DS_TRY(describe(t, text));
    if (!system && there) {
        DS_TRY(ds_buf_adds(text, "\n\n"));
        DS_TRY(add_content(first, text));
    }
    json_t *m = json_pack("{s:s, s:s%}", "role", system ? "system" : "user", "content", text->data, text->len);
    ds_buf_clear(text);
    if (there)
        json_array_remove(list, 0);
    return m && json_array_insert_new(list, 0, m) == 0 ? DS_OK : ds_fail_nomem(0);
}

static ds_status make_plain(const json_t *messages, json_t *out)
{
    ds_buf    text = { 0 };
    ds_status st = DS_OK;
    for (size_t i = 0; i < json_array_size(messages) && st == DS_OK;)
        st = add_plain(messages, &i, out, &text);
    ds_buf_free(&text);
    return st;
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

/* Whether the template tells the model of the tools that it is given: some know calls only (DeepSeek V3, R1). */
static bool shows_tools(const ds_chat_template *chat)
{
    ds_chat_opts o = DS_CHAT_OPTS;
    char        *text;
    o.tools = "[{\"type\": \"function\", \"function\": {\"name\": \"needle\", \"description\": \"x\", \"parameters\": {\"type\": \"object\", "
              "\"properties\": {\"a\": {\"type\": \"string\", \"description\": \"x\"}}, \"required\": [\"a\"]}}}]";
    bool shown = ds_chat_render(chat, "[{\"role\": \"user\", \"content\": \"x\"}]", &o, &text, NULL) == DS_OK && strstr(text, "needle");
    ds_free(text);
    return shown;
}

/* With the text about the tools in a system message, or in the user's first. */
static ds_status render_described(const ds_tools *t, const ds_chat_template *chat, const json_t *messages, const ds_chat_opts *o, bool system,
                                  char **text, size_t *n)
{
    json_t   *list = json_copy((json_t *)messages);
    ds_buf    work = { 0 };
    ds_status st = list ? add_tools(t, list, system, &work) : ds_fail_nomem(0);
    if (st == DS_OK)
        st = render_json(chat, list, o, text, n);
    ds_buf_free(&work);
    json_decref(list);
    return st;
}

/* Some templates object to system messages: then the user says it, unless the caller has a system message as well. */
static ds_status describe_and_render(const ds_tools *t, const ds_chat_template *chat, const json_t *messages, ds_chat_opts *o, char **text, size_t *n)
{
    const char *role = role_of(json_array_get(messages, 0));
    bool        own = strcmp(role, "system") == 0 || strcmp(role, "developer") == 0;
    ds_status   st = render_described(t, chat, messages, o, true, text, n);
    return st == DS_E_ARG && !own ? render_described(t, chat, messages, o, false, text, n) : st;
}

static ds_status render_native(const ds_tools *t, const ds_chat_template *chat, json_t *messages, ds_chat_opts *o, char **text, size_t *n)
{
    DS_TRY(convert_messages(messages, find_style(chat)));
    if (!ds_tools_count(t))
        return render_json(chat, messages, o, text, n);
    if (!shows_tools(chat))
        return describe_and_render(t, chat, messages, o, text, n);
    char *list = json_dumps(t->list, 0);
    if (!list)
        return ds_fail_nomem(0);
    o->tools = list;
    ds_status st = render_json(chat, messages, o, text, n);
    ds_free(list);
    return st;
}

static ds_status render_generic(const ds_tools *t, const ds_chat_template *chat, const json_t *messages, ds_chat_opts *o, char **text, size_t *n)
{
    json_t   *plain = json_array();
    ds_status st = plain ? make_plain(messages, plain) : ds_fail_nomem(0);
    if (st == DS_OK)
        st = ds_tools_count(t) ? describe_and_render(t, chat, plain, o, text, n) : render_json(chat, plain, o, text, n);
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
    o.tools = NULL;
    ds_status st = !json_is_array(list) ? ds_fail(DS_E_FORMAT, "messages: found %s, expected an array", ds_json_type_name(list))
                   : t->format->native  ? render_native(t, chat, list, &o, text, n)
                                        : render_generic(t, chat, list, &o, text, n);
    json_decref(list);
    return st;
}
