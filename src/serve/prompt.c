#include "serve/prompt.h"
#include "serve/thought.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { MAX_PROMPTS = 2048 };

/* ---- prompts of completions and embeddings ---- */

int64_t ds_prompt_count(const json_t *v, const char *name, ds_exchange *x)
{
    const json_t *first = json_array_get(v, 0);
    size_t        n = json_array_size(v);
    if (json_is_string(v) || json_is_integer(first))
        return 1;
    if (!v || json_is_null(v))
        ds_refuse(x, name, "missing_required_parameter", "Missing required parameter: '%s'.", name);
    else if (!json_is_array(v))
        ds_refuse_type(x, name, "a string, an array of strings, or token ids", v);
    else if (n == 0 || n > MAX_PROMPTS)
        ds_refuse(x, name, "invalid_value", "Invalid '%s': expected 1 to %d of them, but got %zu.", name, MAX_PROMPTS, n);
    else
        return (int64_t)n;
    return 0;
}

const json_t *ds_prompt_at(const json_t *v, int64_t i)
{
    return json_is_string(v) || json_is_integer(json_array_get(v, 0)) ? v : json_array_get(v, (size_t)i);
}

int64_t ds_prompt_vocabulary(const ds_loaded *l)
{
    ds_model_info info = { .size = sizeof info };
    ds_model_about(l->model, &info);
    return info.n_vocab;
}

bool ds_prompt_of_value(const ds_loaded *l, const json_t *v, const char *name, ds_exchange *x, ds_prompt *out, int32_t **owned)
{
    if (json_is_string(v)) {
        *out = (ds_prompt){ .text = json_string_value(v), .n = json_string_length(v) };
        return true;
    }
    size_t  n = json_array_size(v);
    int64_t n_vocab = ds_prompt_vocabulary(l);
    if (!json_is_array(v) || n == 0)
        return ds_refuse_type(x, name, "a string or an array of token ids", v);
    int32_t *token = *owned = ds_malloc(n * sizeof *token);
    if (!token) {
        ds_reply_status(x, DS_E_NOMEM);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(v, i);
        json_int_t    value = json_integer_value(id);
        if (!json_is_integer(id))
            return ds_refuse_type(x, name, "token ids", id);
        if (value < 0 || value >= n_vocab)
            return ds_refuse(x, name, "invalid_value", "Invalid '%s': token %lld is outside the vocabulary of %lld.", name, (long long)value,
                             (long long)n_vocab);
        token[i] = (int32_t)value;
    }
    *out = (ds_prompt){ .token = token, .n_token = (int64_t)n };
    return true;
}

/* Prefix, hole, suffix, end (DeepSeek Coder, CodeLlama's kin), or begin, prefix, suffix mark, suffix, middle mark. */
ds_status ds_prompt_middle(const ds_tokenizer *t, const char *prefix, const char *suffix, char **text)
{
    static const char *const formats[][3] = {
        { "<\xef\xbd\x9c" "fim\xe2\x96\x81" "begin\xef\xbd\x9c>", "<\xef\xbd\x9c" "fim\xe2\x96\x81hole\xef\xbd\x9c>",
          "<\xef\xbd\x9c" "fim\xe2\x96\x81" "end\xef\xbd\x9c>" },
        { "<fim_prefix>", "<fim_suffix>", "<fim_middle>" },
        { "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>" },
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const char *const *f = formats[i];
        if (ds_tokenizer_id(t, f[0], strlen(f[0])) < 0 || ds_tokenizer_id(t, f[1], strlen(f[1])) < 0 || ds_tokenizer_id(t, f[2], strlen(f[2])) < 0)
            continue;
        ds_buf b = { 0 };
        DS_TRY(ds_buf_printf(&b, "%s%s%s%s%s", f[0], prefix, f[1], suffix, f[2]));
        *text = ds_buf_take(&b);
        return *text ? DS_OK : DS_E_NOMEM;
    }
    return ds_fail(DS_E_UNSUPPORTED, "the model's vocabulary has no tokens for filling in the middle (such as DeepSeek Coder's): leave 'suffix' out");
}

/* ---- messages ---- */

/* {"type": "text", "text": ...} and their like become one string. */
static bool join_parts(json_t *message, const json_t *parts, size_t number, ds_exchange *x)
{
    ds_buf text = { 0 };
    bool   good = true;
    for (size_t i = 0; i < json_array_size(parts) && good; i++) {
        char          param[64];
        const json_t *part = json_array_get(parts, i);
        const char   *type = json_string_value(json_object_get(part, "type"));
        const json_t *content = json_object_get(part, type && strcmp(type, "refusal") == 0 ? "refusal" : "text");
        snprintf(param, sizeof param, "messages[%zu].content[%zu]", number, i);
        if (!type)
            good = ds_refuse_type(x, param, "an object with a \"type\"", part);
        else if (strcmp(type, "text") != 0 && strcmp(type, "refusal") != 0)
            good = ds_refuse(x, param, "unsupported_content_part", "A content part of type \"%s\" is not supported: this model reads text only.",
                             type);
        else if (!json_is_string(content))
            good = ds_refuse_type(x, param, "a string as its text", content);
        else if (ds_buf_printf(&text, "%s%s", i ? "\n" : "", json_string_value(content)) != DS_OK)
            good = false;
    }
    if (good)
        json_object_set_new(message, "content", json_stringn(text.data ? text.data : "", text.len));
    ds_buf_free(&text);
    return good;
}

static bool check_role(json_t *m, const char *param, ds_exchange *x)
{
    static const char *const roles[] = { "system", "user", "assistant", "tool", "function" };
    const json_t *role = json_object_get(m, "role");
    const char   *name = json_string_value(role);
    if (!json_is_object(m))
        return ds_refuse_type(x, param, "an object", m);
    if (!name)
        return ds_refuse_type(x, param, "an object with a string \"role\"", role);
    if (strcmp(name, "developer") == 0) /* what templates know */
        json_object_set_new(m, "role", json_string(name = "system"));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(name, roles[i]) == 0)
            return true;
    return ds_refuse(x, param, "invalid_value", "Invalid role '%s': expected 'system', 'developer', 'user', 'assistant' or 'tool'.", name);
}

static bool check_message(json_t *m, size_t i, ds_exchange *x)
{
    char param[40];
    snprintf(param, sizeof param, "messages[%zu]", i);
    if (!check_role(m, param, x))
        return false;
    json_t *content = json_object_get(m, "content");
    bool    calls = json_array_size(json_object_get(m, "tool_calls")) > 0;
    if (json_is_array(content))
        return join_parts(m, content, i, x);
    if (!content || json_is_null(content)) {
        json_object_set_new(m, "content", json_string(""));
        return calls || ds_refuse_type(x, param, "a \"content\" that is a string or an array of parts", content);
    }
    return json_is_string(content) || ds_refuse_type(x, param, "a \"content\" that is a string or an array of parts", content);
}

/* ---- special tokens in messages ---- */

/* Where a message holds a special token's name, this mark goes into the middle of it (a code point that no text has); the rendered
 * prompt is encoded in pieces between the marks, none of which holds the name. */
#define MARK "\xef\xb7\x90"
enum { MARK_BYTES = 3 };

/* Bytes of the special token that begins at s, or 0. */
static size_t special_at(const ds_loaded *l, const char *s, size_t n)
{
    for (int64_t i = 0; i < l->n_special; i++) {
        size_t length = strlen(l->special[i]);
        if (length <= n && *s == *l->special[i] && memcmp(s, l->special[i], length) == 0)
            return length;
    }
    return 0;
}

static json_t *mark_text(const ds_loaded *l, const json_t *v)
{
    const char *s = json_string_value(v);
    size_t      n = json_string_length(v);
    ds_buf      b = { 0 };
    ds_status   st = DS_OK;
    for (size_t i = 0, length; i < n && st == DS_OK; i += length) {
        int32_t cp;
        length = (size_t)ds_utf8_decode(s + i, n - i, &cp);
        bool mark = l->begins_special[(unsigned char)s[i]] && special_at(l, s + i, n - i) > length;
        if (n - i >= MARK_BYTES && memcmp(s + i, MARK, MARK_BYTES) == 0)
            st = ds_buf_adds(&b, "\xef\xbf\xbd");
        else
            st = ds_buf_add(&b, s + i, length);
        if (mark && st == DS_OK)
            st = ds_buf_adds(&b, MARK);
    }
    json_t *made = st == DS_OK ? json_stringn(b.data ? b.data : "", b.len) : NULL;
    ds_buf_free(&b);
    return made;
}

/* A copy in which every string is marked; NULL without memory. */
static json_t *mark(const ds_loaded *l, const json_t *v)
{
    const char *key;
    json_t     *value, *made;
    size_t      i;
    if (json_is_string(v))
        return mark_text(l, v);
    if (json_is_array(v)) {
        made = json_array();
        json_array_foreach(v, i, value)
            if (json_array_append_new(made, mark(l, value)) != 0)
                break;
        return made;
    }
    if (!json_is_object(v))
        return json_deep_copy(v);
    made = json_object();
    json_object_foreach((json_t *)v, key, value)
        if (json_object_set_new(made, key, mark(l, value)) != 0)
            break;
    return made;
}

static ds_status add_tokens(const ds_tokenizer *t, const char *text, size_t n, int32_t **token, size_t *cap, int64_t *n_token)
{
    int32_t  *more;
    int64_t   n_more;
    DS_TRY(ds_tokenizer_encode(t, text, n, DS_ENCODE_SPECIAL, &more, &n_more));
    ds_status st = ds_grow((void **)token, cap, (size_t)(*n_token + n_more) + 1, sizeof **token);
    if (st == DS_OK) {
        memcpy(*token + *n_token, more, (size_t)n_more * sizeof *more);
        *n_token += n_more;
    }
    ds_free(more);
    return st;
}

/* The rendered text's tokens, piece by piece. */
static ds_status encode(const ds_loaded *l, const char *text, size_t n, int32_t **token, int64_t *n_token)
{
    const ds_tokenizer *t = ds_model_tokenizer(l->model);
    const char         *end = text + n, *next;
    size_t              cap = 0;
    *n_token = 0;
    if (!t)
        return DS_E_NOT_FOUND;
    DS_TRY(ds_grow((void **)token, &cap, 1, sizeof **token));
    if (!ds_chat_template_writes_bos(l->chat) && ds_tokenizer_adds_bos(t))
        (*token)[(*n_token)++] = ds_tokenizer_bos(t);
    for (; text; text = next ? next + MARK_BYTES : NULL) {
        next = strstr(text, MARK);
        DS_TRY(add_tokens(t, text, (size_t)((next ? next : end) - text), token, &cap, n_token));
    }
    return DS_OK;
}

/* ---- rendering ---- */

/* Whether earlier calls, or what they gave, are among the messages. */
static bool has_calls(const json_t *messages)
{
    size_t  i;
    json_t *m;
    json_array_foreach(messages, i, m) {
        const char *role = json_string_value(json_object_get(m, "role"));
        if (json_object_get(m, "tool_calls") || (role && strcmp(role, "tool") == 0))
            return true;
    }
    return false;
}

static ds_status render_text(const ds_loaded *l, const json_t *tools, bool calls, const char *messages, const ds_chat_opts *o, char **text, size_t *n)
{
    ds_tools *t;
    if (!tools && !calls)
        return ds_chat_render(l->chat, messages, o, text, n);
    char     *list = tools ? json_dumps(tools, JSON_COMPACT) : NULL;
    ds_status st = tools && !list ? ds_fail(DS_E_NOMEM, "there is no memory for the tools")
                                  : ds_tools_open(&t, list, ds_chat_template_tool_format(l->chat));
    ds_free(list);
    if (st != DS_OK)
        return st;
    st = ds_tools_render(t, l->chat, messages, o, text, n);
    ds_tools_close(&t);
    return st;
}

static ds_status render(const ds_loaded *l, const ds_params *p, const json_t *messages, const json_t *tools, char **text, size_t *n)
{
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    ds_chat_opts  o = DS_CHAT_OPTS;
    char         *variables = p->template_variables ? json_dumps(p->template_variables, JSON_COMPACT) : NULL;
    char         *all = json_dumps(messages, JSON_COMPACT);
    o.variables = variables;
    o.continue_final = json_is_true(json_object_get(last, "prefix"));
    o.add_generation_prompt = !o.continue_final;
    ds_status st = all && (variables || !p->template_variables) ? render_text(l, tools, has_calls(messages), all, &o, text, n)
                                                             : ds_fail_nomem(0);
    ds_free(variables);
    ds_free(all);
    return st;
}

static bool check_messages(json_t *messages, ds_exchange *x)
{
    size_t n = json_array_size(messages);
    for (size_t i = 0; i < n; i++) {
        json_t     *m = json_array_get(messages, i);
        const char *role;
        if (!check_message(m, i, x))
            return false;
        role = json_string_value(json_object_get(m, "role"));
        if (json_is_true(json_object_get(m, "prefix")) && (i + 1 < n || strcmp(role, "assistant") != 0))
            return ds_refuse(x, "messages", "invalid_value", "'prefix' is for the last message, of role assistant.");
    }
    return true;
}

static bool is_none(const json_t *tool_choice)
{
    return json_is_string(tool_choice) && strcmp(json_string_value(tool_choice), "none") == 0;
}

bool ds_prompt_of_messages(ds_loaded *l, const ds_params *p, ds_exchange *x, int32_t **token, int64_t *n, bool *opened)
{
    char   *text = NULL;
    size_t  n_text = 0;
    json_t *marked = NULL, *tools = NULL;
    bool    good = false;
    if (json_array_size(p->messages) == 0)
        return p->messages ? ds_refuse(x, "messages", "empty_array", "Invalid 'messages': empty array. Expected at least one message.")
                           : ds_refuse(x, "messages", "missing_required_parameter", "Missing required parameter: 'messages'.");
    if (!l->chat)
        return ds_refuse(x, "model", "no_chat_template", "%s Use /v1/completions.", l->chat_error);
    if (check_messages(p->messages, x)) {
        marked = mark(l, p->messages);
        if (json_array_size(p->tools) && !is_none(p->tool_choice))
            tools = mark(l, p->tools);
        ds_status st = marked ? render(l, p, marked, tools, &text, &n_text) : ds_fail_nomem(0);
        if (st == DS_OK)
            st = encode(l, text, n_text, token, n);
        if (opened)
            *opened = st == DS_OK && ds_thought_opened(text, n_text);
        good = st == DS_OK || ds_refuse_status(x, "messages", st);
    }
    json_decref(marked);
    json_decref(tools);
    ds_free(text);
    return good;
}
